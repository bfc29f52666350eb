"""Exercise 03.3: Attention with a sink."""

from __future__ import annotations

import math

import torch

from attnbook.judging.attention_inputs import attention_inputs
from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew, none_empty, one_empty
from attnbook.judging.named_mistakes import named
from attnbook.mechanisms.masked_softmax import masked_softmax


def _sink_attention(query, key, value, sink, mask):
    scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    scores = scores.masked_fill(~mask[:, None, None], -torch.inf)
    column = sink[:, None, None].expand(*scores.shape[:-1], 1)  # (B, H, T, 1)
    padded = torch.cat([scores, column], dim=-1)  # (B, H, T, S + 1)
    weights = padded.softmax(-1)[..., :-1]  # (B, H, T, S)
    return weights @ value, weights


_FILLED_WITH = {
    "zero score": 0.0,
    "zero score, then cut": 0.0,
    "finite row maximum": -1e9,
    "-20": -20.0,
    "-30": -30.0,
    "-50": -50.0,
}
_BOUNDS_OF_SCORES = {"within 50": 50.0, "within 80": 80.0, "within 88": 88.0}
_LEAST_SINKS = {
    "sink of -10": -10.0,
    "sink of -20": -20.0,
    "sink of -50": -50.0,
}
_BY_EXPONENTIALS = (
    "overflow",
    "overflow, then cut",
    "unshifted",
    "row maximum",
    "finite row maximum",
    "hidden",
)


def _mistaken(query, key, value, sink, mask, mistake):
    """The same with a mistake."""
    scores = query @ key.transpose(-2, -1)  # (B, H, T, S)
    if mistake == "by d":
        scores = scores / query.shape[-1]
    elif mistake != "unscaled":
        scores = scores / query.shape[-1] ** 0.5
    allowed = mask[:, None, None]  # (B, 1, 1, S)
    blocked = allowed if mistake == "inverted" else ~allowed
    if mistake in _BOUNDS_OF_SCORES:
        bound = _BOUNDS_OF_SCORES[mistake]
        scores = scores.clamp(-bound, bound)
    if mistake not in ("late mask", "overflow, then cut"):
        filled = _FILLED_WITH.get(mistake, -torch.inf)
        scores = scores.masked_fill(blocked, filled)
    logit = _mistaken_logit(sink, query.shape[-1], mistake)
    if mistake in ("plain", "added"):
        if mistake == "added":  # to every score, and softmax drops it
            scores = scores + logit
        weights = masked_softmax(scores, allowed)
        return weights @ value, weights
    if mistake == "swept":
        total = scores.logsumexp(-1, keepdim=True)
        weights = scores.softmax(-1) * (total - logit).sigmoid()
        weights = weights.nan_to_num()
        return weights @ value, weights
    if mistake in _BY_EXPONENTIALS:
        weights = _mistaken_powers(scores, logit, allowed, mistake)
        return weights @ value, weights
    column = logit.expand(*scores.shape[:-1], 1)  # (B, H, T, 1)
    padded = torch.cat([scores, column], dim=-1)  # (B, H, T, S + 1)
    if mistake == "over queries":
        weights = masked_softmax(padded, padded > -torch.inf, -2)
    else:
        weights = padded.softmax(-1)
    rest, weights = weights[..., -1:], weights[..., :-1]
    if mistake in ("late mask", "zero score, then cut"):
        weights = weights * allowed
    elif mistake == "kept":
        return weights @ value, torch.cat([weights, rest], dim=-1)
    elif mistake == "first column":
        weights = torch.cat([weights[..., 1:], rest], dim=-1)
    elif mistake == "wrong column":
        weights = torch.cat([rest, weights[..., :-1]], dim=-1)
    elif mistake == "given back":
        share = weights[..., :1] + rest
        weights = torch.cat([share, weights[..., 1:]], dim=-1)
    elif mistake == "divided away":
        total = weights.sum(-1, keepdim=True)
        weights = weights / torch.where(total == 0, 1, total)
    elif mistake == "value":
        mean = value.mean(-2, keepdim=True)  # (B, H, 1, d_v)
        return weights @ value + rest * mean, weights
    return weights @ value, weights


def _mistaken_powers(scores, logit, allowed, mistake):
    """Weights by exponentials and a division, in place of a softmax."""
    highest = scores.amax(-1, keepdim=True)
    if mistake == "unshifted":
        scores = scores - highest.clamp(min=-1e30)
    elif mistake in ("row maximum", "finite row maximum"):
        scores, logit = scores - highest, logit - highest
    powers = scores.exp()
    if mistake in ("overflow, then cut", "finite row maximum"):
        powers = powers * allowed
    weights = powers / (logit.exp() + powers.sum(-1, keepdim=True))
    return weights.nan_to_num() if mistake == "hidden" else weights


def _mistaken_logit(sink, d_k, mistake):
    """What stands in the sink's column."""
    logit = sink[:, None, None]  # (H, 1, 1)
    if mistake == "by sentence":
        return sink[:, None, None, None]
    if mistake == "zero":
        return torch.zeros_like(logit)
    if mistake == "scaled too":
        return logit / d_k**0.5
    if mistake == "detached":
        return logit.detach()
    if mistake == "one for all":
        return logit.mean()
    if mistake == "that of the first":
        return logit[:1]
    if mistake == "negative":
        return -logit
    if mistake == "twice":
        return logit.exp()
    if mistake == "log":
        return logit.log()
    if mistake in _LEAST_SINKS:
        return logit.clamp(min=_LEAST_SINKS[mistake])
    if mistake == "no exp":
        return logit.clamp(min=1e-9).log()
    return logit


def _sink_by_sigmoid(query, key, value, sink, mask):
    """Plain weights, times the share that the sink leaves."""
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    scores = scores.masked_fill(~mask[:, None, None], -1e30)
    total = scores.logsumexp(-1, keepdim=True)
    share = torch.sigmoid(total - sink[:, None, None])  # (B, H, T, 1)
    weights = scores.softmax(-1) * share
    return torch.einsum("bhts,bhsv->bhtv", weights, value), weights


def _sink_shifted(query, key, value, sink, mask):
    """Exponentials shifted by the largest score, the sink's among them."""
    scores = torch.einsum("bhtd,bhsd->bhts", query, key)
    scores = scores * query.shape[-1] ** -0.5
    scores = scores.masked_fill(~mask[:, None, None], -torch.inf)
    logit = sink.view(1, -1, 1, 1)
    highest = scores.amax(-1, keepdim=True).maximum(logit).detach()
    powers = (scores - highest).exp()
    total = powers.sum(-1, keepdim=True) + (logit - highest).exp()
    weights = powers / total
    return weights @ value, weights


def _sink_case(name, lengths, H, T, S, d_k, d_v, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    query, key, value, mask = attention_inputs(
        generator, lengths, T, S, d_k, d_k, d_v, H, scale
    )
    sink = torch.linspace(-0.6, 1.2, H)
    return Case(name, (query, key, value, sink, mask))


def _as_low_as_the_sink(name, lengths, seed):
    """Scores of about -60, and sinks as low."""
    query, key, value, sink, mask = _sink_case(
        name, lengths, 2, 3, 4, 4, 2, seed
    ).arguments
    query[..., 0], key[..., 0] = 1.0, -120.0  # divided by √4
    return Case(name, (query, key, value, sink - 60, mask))


def _a_low_sink_is_none(answer):
    query, key, value, sink, mask = _sink_case(
        "", [5, 3], 2, 3, 5, 4, 2, seed=17
    ).arguments
    output, _ = answer(query, key, value, torch.full_like(sink, -60.0), mask)
    scores = query @ key.mT / query.shape[-1] ** 0.5
    plain = masked_softmax(scores, mask[:, None, None]) @ value
    return torch.allclose(output, plain, atol=1e-4)


_MISTAKES = [
    (
        "plain",
        "no sink",
        "Your rows sum to 1, as without a sink. A number added to every "
        "score has no effect on softmax. And if you divide the weights by "
        "their sum, the sink's share is lost.",
        "exp(sink) is one more term of the denominator, once.",
        "added",
        "divided away",
    ),
    (
        "kept",
        "the sink's column is kept",
        "Your weights have S + 1 columns. The last one belongs to the sink, "
        "which has no value.",
        "Cut the last column off: [..., :-1].",
    ),
    (
        "wrong column",
        "the wrong column is cut off",
        "You cut off the column of a key and kept the one of the sink, so "
        "each weight is in the wrong place.",
        "Cut off the column that the sink was put in.",
        "first column",
    ),
    (
        "zero",
        "a sink of 0",
        "You treat each sink as 0, so 1 is added to the denominator. Each "
        "head has its own sink.",
        "Where does `sink` stand in your code?",
    ),
    (
        "no exp",
        "a sink without exponential",
        "You add the sink itself to the denominator. But the sink is a "
        "score: add its exponential.",
        "Add exp(sink) to the exponentials of the scores.",
        "log",
    ),
    (
        "twice",
        "one exponential too many",
        "You add exp(exp(sink)) to the denominator: softmax takes the "
        "exponential of everything that you join to the scores.",
        "The sink is a score: join it as it is.",
    ),
    (
        "sink of -20",
        "a sink that cannot be low",
        "You raise a low sink to a limit. If the scores are just as low, the "
        "sink then takes too much weight.",
        "Softmax is safe for low scores: join the sink as it is.",
        "sink of -10",
        "sink of -50",
    ),
    (
        "negative",
        "a sink with the wrong sign",
        "A high sink should take much weight. Yours takes little.",
        "The sign of the sink.",
    ),
    (
        "scaled too",
        "a scaled sink",
        "You also divide the sink by √d_k. But it is not a dot product.",
        "Scale the scores first, then bring in the sink.",
    ),
    (
        "by sentence",
        "a sink for each sentence",
        "Your sinks run along the batch. There is one for each head, the "
        "same in every sentence.",
        "Scores are (B, H, T, S): the sink needs the shape (H, 1, 1).",
    ),
    (
        "one for all",
        "one sink for all heads",
        "All heads share one sink. Each has its own.",
        "Scores are (B, H, T, S): the sink needs the shape (H, 1, 1).",
        "that of the first",
    ),
    (
        "unshifted",
        "a sink that is not shifted like the scores",
        "You subtract the largest score from the scores, but not from the "
        "sink. Subtract it from both.",
        "exp(sink - highest), or let softmax do it: one more column.",
    ),
    (
        "overflow",
        "exponentials that overflow",
        "In single precision, exp of more than 88 is infinite, and ∞/∞ is "
        "NaN.",
        "Subtract the largest score first, or let softmax do it: join the "
        "sink to the scores as one more column.",
        "hidden",
        "overflow, then cut",
    ),
    (
        "within 80",
        "scores with a limit",
        "You limit the scores, so several of them become equal and the "
        "highest one no longer has more weight.",
        "Softmax is safe for large scores, without a clamp.",
        "within 50",
        "within 88",
    ),
    (
        "row maximum",
        "the maximum of an empty row",
        "If nothing may be attended to, the largest score is -inf, and -inf "
        "minus -inf is NaN.",
        "Subtract the largest of the scores *and* the sink.",
    ),
    (
        "swept",
        "a NaN that is only hidden",
        "If nothing may be attended to, you repair the weights with "
        "nan_to_num or a division by infinity. But the backward pass still "
        "meets NaN, and so the gradient is NaN.",
        "With the sink as one more column, no row is empty.",
        "finite row maximum",
    ),
    (
        "-50",
        "a score of padding that is not low enough",
        "If the sink is -60 and the score of padding is higher, padding gets "
        "a part of the weight.",
        "-torch.inf lies below any score.",
        "-20",
        "-30",
    ),
    (
        "given back",
        "the sink's share goes to the first key",
        "You give the sink's part of the weight to the first key.",
        "This part is lost on purpose: a head may return nothing.",
    ),
    (
        "value",
        "a sink that has a value",
        "You multiply the sink's part of the weight by the mean of the "
        "values. It should add nothing.",
        "The output is a sum over the S keys only.",
    ),
    (
        "detached",
        "a sink without gradient",
        "The values are right, but the sink cannot learn.",
        "A .detach(), a .item() or a torch.tensor(...) on the sink.",
    ),
    (
        "late mask",
        "a mask after the softmax",
        "Padding gets a part of the weight before you mask it.",
        "Scores of padding become -inf before the sink joins.",
    ),
    (
        "zero score",
        "a score of 0 for padding",
        "Padding has a score of 0, and exp(0) = 1 takes a share.",
        "Scores of padding become -inf before the sink joins.",
        "zero score, then cut",
    ),
    (
        "inverted",
        "the mask is inverted",
        "Padding is attended to and the tokens are not.",
        "True = may attend. masked_fill wants the others: ~mask.",
    ),
    (
        "unscaled",
        "no scale",
        "The scores are not divided by √d_k.",
        "Look at the line that makes the scores.",
    ),
    (
        "by d",
        "scaled by d_k",
        "You divide the scores by d_k instead of its square root.",
        "Look at the line that makes the scores.",
    ),
    (
        "over queries",
        "a softmax over the queries",
        "For each key, the weights sum to 1 over the queries.",
        "Scores are (B, H, T, S), and the keys are the last axis: dim=-1.",
    ),
]


EXERCISE = Exercise(
    "03-sink-attention",
    "Attention with a sink",
    points=4,
    reference=_sink_attention,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor([[[[2.0, 0.0, 0.0, 0.0]]]]),
                torch.tensor([[[[1.0, 0, 0, 0], [0.0, 0, 0, 0]]]]),
                torch.tensor([[[[10.0], [20.0]]]]),
                torch.tensor([math.log(2)]),
                torch.ones(1, 2, dtype=torch.bool),
            ),
        ),
        _sink_case("two heads", [4, 3], 2, 3, 4, 3, 2, seed=11),
        _sink_case("three heads", [5, 2], 3, 2, 5, 4, 3, seed=12),
        _sink_case("nothing to attend to", [3, 0], 2, 2, 3, 5, 2, seed=13),
        _sink_case("all sizes alike", [3, 2, 1], 3, 3, 3, 3, 3, seed=14),
        _sink_case("one key", [1, 1], 2, 3, 1, 2, 3, seed=15),
        _sink_case("large scores", [6, 4], 2, 4, 6, 8, 2, seed=16, scale=12.0),
        _as_low_as_the_sink("a sink of -60", [4, 3, 0], seed=18),
    ],
    mistakes=named(_mistaken, _MISTAKES),
    right_answers=[_sink_by_sigmoid, _sink_shifted],
    properties=[
        Property(
            "With a sink of -60 in each head, the output is that of plain "
            "attention.",
            _a_low_sink_is_none,
            "exp(-60) is next to nothing.",
        )
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B H T d_v", "weights": "B H T S"},
    parts=[
        Part(
            "values",
            "the values where some key may be attended to",
            2,
            tries=(
                "the worked example",
                "two heads",
                "three heads",
                "one key",
            ),
            fresh=anew(
                _sink_case,
                times=1,
                S=(1, 6),
                lengths=none_empty("S"),
                H=(1, 4),
                T=(1, 4),
                d_k=(2, 5),
                d_v=(1, 4),
            ),
        ),
        Part(
            "bounds",
            "empty sentences, scores of 200 and a sink of −60",
            1,
            tries=(
                "nothing to attend to",
                "all sizes alike",
                "large scores",
                "a sink of -60",
                "With a sink of -60 in each head, the output is that of plain "
                "attention.",
            ),
            fresh=anew(
                _sink_case,
                times=1,
                S=(2, 6),
                lengths=one_empty("S"),
                H=(1, 4),
                T=(2, 4),
                d_k=(2, 5),
                d_v=(2, 4),
                scale=(10.0, 14.0),
            ),
        ),
        Part(
            "gradients",
            "the gradients, also that of the sink",
            1,
            tries=(
                "two heads",
                "three heads",
                "nothing to attend to",
                "large scores",
            ),
            gradients=True,
            fresh=anew(
                _sink_case,
                times=1,
                S=(1, 6),
                lengths="S",
                H=(1, 4),
                T=(1, 4),
                d_k=(2, 5),
                d_v=(1, 4),
            ),
        ),
    ],
)
