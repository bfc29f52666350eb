"""Exercise 02.4: Attention that discounts what it has read."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import torch

from attnbook.judging.attention_inputs import attention_inputs
from attnbook.judging.exercise import (
    Case,
    Exercise,
    Mistake,
    Part,
    Property,
)
from attnbook.judging.fresh_cases import anew, none_empty, one_empty
from attnbook.judging.later_queries import change_nothing_before
from attnbook.judging.masked_weights import (
    masked_weights,
    shown_by_large_scores,
)
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal, token_mask
from attnbook.mechanisms.masked_softmax import masked_softmax


def _temporal_attention(query, key, value, mask, W):
    scores = query @ (key @ W.T).transpose(-2, -1)  # (B, T, S)
    none = torch.zeros_like(scores[:, :1])  # (B, 1, S)
    past = torch.cat([none, scores.logcumsumexp(1)[:, :-1]], dim=1)
    weights = masked_softmax(scores - past, mask[:, None])
    return weights @ value, weights


def _mistaken_past(scores, allowed, mistake):
    """What is subtracted from the scores, (B, T, S)."""
    none = torch.zeros_like(scores[:, :1])  # (B, 1, S)
    past = torch.cat([none, scores.logcumsumexp(1)[:, :-1]], dim=1)
    if mistake == "plain":
        return torch.zeros_like(past)
    if mistake == "own step":
        return scores.logcumsumexp(1)
    if mistake == "last step":
        return torch.cat([none, scores[:, :-1]], dim=1)
    if mistake == "over keys":
        start = torch.zeros_like(scores[..., :1])
        return torch.cat([start, scores.logcumsumexp(2)[..., :-1]], dim=2)
    if mistake == "over keys, moved":
        return torch.cat([none, scores.logcumsumexp(2)[:, :-1]], dim=1)
    if mistake == "moved to the right":
        start = torch.zeros_like(scores[..., :1])
        return torch.cat([start, scores.logcumsumexp(1)[..., :-1]], dim=2)
    if mistake == "first row log":
        return torch.cat([none - torch.inf, past[:, 1:]], dim=1)
    if mistake == "all steps":
        return scores.logsumexp(1, keepdim=True).expand_as(scores)
    if mistake == "plain sum":
        return torch.cat([none, scores.cumsum(1)[:, :-1]], dim=1)
    if mistake == "weights":
        weights = masked_softmax(scores, allowed)
        past = weights.cumsum(1)[:, :-1].clamp(min=1e-30).log()
        return torch.cat([none, past], dim=1)
    if mistake == "weights unmasked":
        past = scores.log_softmax(-1).logcumsumexp(1)[:, :-1]
        return torch.cat([none, past], dim=1)
    if mistake == "weights added":
        weights = masked_softmax(scores, allowed)
        return torch.cat([none, weights.cumsum(1)[:, :-1]], dim=1)
    if mistake == "moved up":
        return torch.cat([scores.logcumsumexp(1)[:, 1:], none], dim=1)
    if mistake == "rolled":
        return scores.logcumsumexp(1).roll(1, dims=1)
    if mistake == "one more":
        return torch.cat([none, scores], dim=1).logcumsumexp(1)[:, :-1]
    if mistake == "added":
        return -past
    if mistake == "detached":
        return past.detach()
    if mistake == "over the batch":
        return past.logsumexp(0, keepdim=True).expand_as(past)
    return past


_CLAMPED = {"clamped": 80.0, "clamped at 88": 88.0, "clamped at 50": 50.0}


def _mistaken(query, key, value, mask, W, mistake):
    """The same with a mistake."""
    if mistake == "weights tallied":
        return _weights_tallied(query, key, value, mask, W)
    scores = query @ (key @ W.T).transpose(-2, -1)  # (B, T, S)
    if mistake == "scaled":
        scores = scores / query.shape[-1] ** 0.5
    allowed = mask[:, None]
    if mistake in _CLAMPED:
        scores = scores.clamp(max=_CLAMPED[mistake])
    if mistake in ("overflow", "first row", "unguarded", "own maximum"):
        if mistake == "own maximum":
            scores = scores - scores.amax(-1, keepdim=True)
        powers = scores.exp()
        before = powers.cumsum(1)[:, :-1]
        first = torch.full_like(scores[:, :1], mistake != "first row")
        powers = powers / torch.cat([first, before], dim=1) * allowed
        total = powers.sum(-1, keepdim=True)
        if mistake != "unguarded":
            total = torch.where(total == 0, 1, total)
        weights = powers / total
        return weights @ value, weights
    penalised = scores - _mistaken_past(scores, allowed, mistake)
    if mistake == "twice":
        penalised = penalised.exp()
    if mistake == "-300 and 0":
        penalised = penalised.masked_fill(~allowed, -300.0)
        weights = penalised.softmax(-1) * allowed.any(-1, keepdim=True)
        return weights @ value, weights
    weights = masked_weights(masked_softmax, penalised, allowed, (mistake,))
    return weights @ value, weights


def _weights_tallied(query, key, value, mask, W):
    """Wrong: divided by the weights that the steps before really had."""
    scores = query @ (key @ W.T).transpose(-2, -1)
    rows = [masked_softmax(scores[:, 0], mask)]
    for t in range(1, query.shape[1]):
        past = torch.stack(rows).sum(0).clamp(min=1e-30).log()
        rows.append(masked_softmax(scores[:, t] - past, mask))
    weights = torch.stack(rows, dim=1)
    return weights @ value, weights


def _masked_before(query, key, value, mask, W):
    """Wrong: padding is -inf before the past is subtracted, and stays NaN."""
    scores = query @ (key @ W.T).transpose(-2, -1)
    scores = scores.masked_fill(~mask[:, None], -torch.inf)
    none = torch.zeros_like(scores[:, :1])
    past = torch.cat([none, scores.logcumsumexp(1)[:, :-1]], dim=1)
    weights = (scores - past).softmax(-1)
    return weights @ value, weights


def _temporal_by_logaddexp(query, key, value, mask, W):
    """Right: a running sum of exponentials, kept as its logarithm."""
    projected = torch.einsum("qk,bsk->bsq", W, key)
    past, rows = None, []
    for step in query.unbind(1):
        scores = torch.einsum("bq,bsq->bs", step, projected)
        penalised = scores if past is None else scores - past
        past = scores if past is None else torch.logaddexp(past, scores)
        rows.append(masked_softmax(penalised, mask))
    weights = torch.stack(rows, dim=1)
    return torch.einsum("bts,bsv->btv", weights, value), weights


def _temporal_by_the_mean(query, key, value, mask, W):
    """Right: a mean for the sum. Softmax does not see the difference."""
    scores = (query @ W) @ key.mT  # (B, T, S)
    rows = []
    for t in range(query.shape[1]):
        row = scores[:, t]
        if t > 0:
            row = row - scores[:, :t].logsumexp(1) + math.log(t)
        rows.append(masked_softmax(row, mask))
    weights = torch.stack(rows, dim=1)
    return weights @ value, weights


def _temporal_shifted(query, key, value, mask, W):
    """Right: exponentials shifted by each key's largest score, as a ratio."""
    scores = (query.double() @ W.double()) @ key.double().mT
    powers = (scores - scores.amax(1, keepdim=True).detach()).exp()
    rows = []
    for t in range(query.shape[1]):
        row = scores[:, t] if t == 0 else powers[:, t].log()
        if t > 0:
            row = row - powers[:, :t].sum(1).log()
        rows.append(masked_softmax(row, mask))
    weights = torch.stack(rows, dim=1)
    return weights @ value.double(), weights


def _temporal_case(name, lengths, T, S, d_q, d_k, d_v, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    inputs = attention_inputs(
        generator, lengths, T, S, d_q, d_k, d_v, scale=scale
    )
    return Case(name, (*inputs, normal(generator, d_q, d_k, scale=0.6)))


def _later_queries_change_nothing_before(answer):
    case = _temporal_case("", [6, 4], 5, 6, 3, 2, 2, seed=49)
    return change_nothing_before(answer, case.arguments)


# What was read with 200 and now scores -200 has a logarithm of -400.
_FROM_200_TO_MINUS_200 = Case(
    "from 200 to -200",
    (
        torch.tensor([[[1.0], [-1.0]]]),
        torch.tensor([[[200.0], [199.0], [1.0]]]),
        torch.tensor([[[2.0], [-1.0], [5.0]]]),
        token_mask([2], 3),
        torch.ones(1, 1),
    ),
)

_MISTAKES = [
    (
        "plain",
        "the past is not used",
        "This is plain attention with the general score.",
        "exp(s) is divided by what the steps before gave to that key.",
    ),
    (
        "own step",
        "a sum that counts its own step",
        "The sum already holds the step that it divides.",
        "t' < t: move the running sum down by one row.",
    ),
    (
        "last step",
        "only the last step is remembered",
        "You divide by the exponential of the step before. Divide by the sum "
        "over all steps before.",
        "A running sum over T.",
    ),
    (
        "over keys",
        "a sum along the sentence",
        "The running sum goes along the keys. It should go along the steps, "
        "for each key by itself.",
        "Scores are (B, T, S), and the steps are axis 1.",
        "over keys, moved",
    ),
    (
        "all steps",
        "the future is in the sum",
        "You divide by the sum over all steps, later ones included.",
        "t' < t: a running sum.",
    ),
    (
        "moved up",
        "moved the wrong way",
        "The running sum was moved up by one row, so each step sees "
        "its own and the next.",
        "Drop the last row, and put a row of zeros first.",
    ),
    (
        "moved to the right",
        "moved along the sentence",
        "The running sum was moved by one key. Each key then has the past of "
        "its neighbour.",
        "It moves by one step, axis 1 of (B, T, S).",
    ),
    (
        "rolled",
        "the last row is rolled to the front",
        "roll puts the last row first, so the first step is divided "
        "by the sum over all steps.",
        "The first row has to be 0.",
    ),
    (
        "twice",
        "an exponential of exponentials",
        "e is divided by its sum and not by a softmax: softmax takes "
        "the exponential once more.",
        "Give softmax the logarithm of e, which is a difference.",
    ),
    (
        "nan",
        "0/0 where there is nothing to read",
        "A sentence with nothing to read has only exponentials of 0, "
        "and 0/0 is NaN. Its weights should be 0.",
        "masked_softmax handles such rows.",
        "unguarded",
    ),
    (
        "plain sum",
        "scores summed without exponential",
        "You subtract the sum of the earlier scores. Subtract the logarithm "
        "of the sum of their exponentials.",
        "torch.logcumsumexp.",
    ),
    (
        "weights",
        "divided by earlier weights",
        "You divide by the sum of the earlier weights. The formula "
        "has exponentials of scores, before any row was divided by "
        "its sum.",
        "Σ exp(s) over t' < t, without the softmax.",
        "weights tallied",
        "weights unmasked",
    ),
    (
        "weights added",
        "earlier weights subtracted",
        "You subtract the sum of the earlier weights from the score. "
        "The formula divides exponentials.",
        "exp(s) / Σ exp(s), so a difference of logarithms.",
    ),
    (
        "one more",
        "a 1 in the sum",
        "The sum starts at 1. This is right for the first step, and "
        "changes all others.",
        "The first step is not divided; the others are divided by the sum "
        "alone.",
    ),
    (
        "first row",
        "the first step divided by 0",
        "Before the first step the sum is empty, and dividing by 0 "
        "gives infinity, then NaN.",
        "The first row is not divided: its logarithm of the past is 0.",
        "first row log",
    ),
    (
        "added",
        "what was read is read again",
        "You add the logarithm of the past. Keys that were read gain weight, "
        "but they should lose weight.",
        "The sign of the logarithm.",
    ),
    (
        "overflow",
        "exponentials that overflow",
        "Above 88, exp is infinite in single precision, and ∞/∞ is NaN.",
        "Keep to logarithms: s - logsumexp of the steps before.",
    ),
    (
        "own maximum",
        "each step shifted by its own maximum",
        "From each step you subtract its own largest score. Exponentials of "
        "different steps then have different units, and you add them up.",
        "Keep to logarithms: s - logsumexp of the steps before.",
    ),
    (
        "clamped",
        "scores that are cut off",
        "Scores above a bound are set to the bound, so they become equal.",
        "Keep to logarithms: s - logsumexp of the steps before.",
        "clamped at 88",
        "clamped at 50",
    ),
    (
        "detached",
        "a past without gradient",
        "The values are right, but the past is cut off from the graph.",
        "Look for a .detach(), a .data or a torch.no_grad().",
    ),
    (
        "scaled",
        "a scale that nobody asked for",
        "The scores are divided by √d_q. Luong's are not.",
        "The line that makes the scores.",
    ),
    (
        "late mask",
        "a mask after the softmax",
        "Weights are set to 0 after the softmax, so rows sum to less than 1.",
        "Use masked_softmax.",
    ),
    (
        "divided again",
        "a mask after the exponentials",
        "Masked weights are set to 0 after the exponentials, and the rest is "
        "divided by its sum. If a masked score is by far the largest, "
        "nothing is left.",
        "Scores become -inf first: masked_softmax does it.",
    ),
    (
        "-1e9",
        "-1e9 in place of -inf",
        "A sentence with nothing to attend to gets equal weights. They "
        "should be 0.",
        "masked_softmax handles such rows.",
    ),
    (
        "-100",
        "-100 in place of -inf",
        "Scores of -100 and less occur. A masked score must be below every "
        "other score.",
        "masked_softmax sets -inf.",
        "-100 and 0",
        "-300 and 0",
    ),
    (
        "unmasked",
        "the mask is not used",
        "The padding has weight: the mask has no effect.",
        "Does your code use `mask` at all?",
    ),
    (
        "inverted",
        "the mask is inverted",
        "The padding is attended to and the tokens are not.",
        "True = may attend.",
    ),
    (
        "over queries",
        "a softmax over the steps",
        "For each key, the weights sum to 1 over the steps. In each "
        "step they should sum to 1 over the keys.",
        "Scores are (B, T, S), and the keys are the last axis: dim=-1.",
    ),
    (
        "over the batch",
        "a past that sentences share",
        "The past is summed over the sentences of the batch.",
        "Axis 0 is the batch, axis 1 the steps.",
    ),
]

_drawn = partial(
    anew,
    _temporal_case,
    S=(1, 6),
    T=(1, 8),
    d_q=(1, 4),
    d_k=(1, 4),
    d_v=(1, 4),
)

_SHOWN = shown_by_large_scores(_temporal_attention, "large scores")

EXERCISE = Exercise(
    "02-temporal-attention",
    "Attention that discounts what it has read",
    points=4,
    reference=_temporal_attention,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor([[[1.0], [0.0], [0.0]]]),
                torch.tensor([[[1.0], [0.0]]]),
                torch.tensor([[[8.0], [4.0]]]),
                torch.ones(1, 2, dtype=torch.bool),
                torch.ones(1, 1),
            ),
        ),
        _temporal_case("one step", [3, 2], 1, 3, 2, 4, 3, seed=41),
        _temporal_case("a padded batch", [6, 4], 4, 6, 3, 2, 5, seed=42),
        _temporal_case("nothing to read", [4, 0], 3, 4, 2, 3, 2, seed=43),
        _temporal_case("one token", [1, 1], 3, 1, 2, 2, 2, seed=44),
        _temporal_case("all sizes alike", [3, 2, 3], 3, 3, 3, 3, 3, seed=45),
        _temporal_case("long", [7, 5, 6], 9, 7, 2, 3, 2, seed=46),
        _temporal_case("large scores", [4, 3], 4, 4, 3, 4, 2, 21, scale=9.0),
        _FROM_200_TO_MINUS_200,
    ],
    mistakes=[
        *(
            replace(mistake, shows=_SHOWN.get(mistake.name))
            for mistake in named(_mistaken, _MISTAKES)
        ),
        Mistake(
            "padding masked too early",
            "Scores of padding are -inf when the past is subtracted, and "
            "-inf minus -inf is NaN.",
            _masked_before,
            "Subtract first, then masked_softmax.",
        ),
    ],
    right_answers=[
        _temporal_by_logaddexp,
        _temporal_by_the_mean,
        _temporal_shifted,
    ],
    properties=[
        Property(
            "A later query cannot change earlier weights.",
            _later_queries_change_nothing_before,
            "The sum runs over the steps before.",
        )
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B T d_v", "weights": "B T S"},
    parts=[
        Part(
            "values",
            "the values in sentences with an allowed key",
            2,
            tries=(
                "the worked example",
                "one step",
                "a padded batch",
                "all sizes alike",
                "A later query cannot change earlier weights.",
            ),
            fresh=_drawn(lengths=none_empty("S")),
        ),
        Part(
            "bounds",
            "empty sentences, single tokens and scores of 200",
            1,
            tries=(
                "nothing to read",
                "one token",
                "long",
                "large scores",
                "from 200 to -200",
            ),
            fresh=_drawn(lengths=one_empty("S"), scale=(1.0, 5.0)),
        ),
        Part(
            "gradients",
            "the gradients",
            1,
            tries=(
                "a padded batch",
                "nothing to read",
                "long",
                "large scores",
            ),
            gradients=True,
            fresh=_drawn(lengths="S"),
        ),
    ],
)
