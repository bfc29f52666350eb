"""Exercise 01.4: Attention that keeps a tally."""

from __future__ import annotations

from functools import partial

import torch

from attnbook.checks.additive_attention import coverage_mistakes
from attnbook.checks.additive_attention.late_masks import (
    large_scores,
    late_weights,
    padded_in_front,
)
from attnbook.judging.attention_inputs import attention_inputs
from attnbook.judging.exercise import (
    Case,
    Exercise,
    Mistake,
    Part,
    Property,
)
from attnbook.judging.fresh_cases import anew, one_empty
from attnbook.judging.later_queries import change_nothing_before
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal
from attnbook.mechanisms.masked_softmax import masked_softmax


def _coverage_attention(query, key, value, mask, W_q, W_k, w_c, v):
    projected = key @ W_k.T  # (B, S, d_a)
    covered = torch.zeros_like(key[..., 0])  # (B, S)
    rows = []
    for t in range(query.shape[1]):
        hidden = (query[:, t] @ W_q.T)[:, None] + projected  # (B, S, d_a)
        hidden = hidden + covered[..., None] * w_c
        scores = torch.tanh(hidden) @ v  # (B, S)
        rows.append(masked_softmax(scores, mask))
        covered = covered + rows[-1]  # (B, S)
    weights = torch.stack(rows, dim=1)  # (B, T, S)
    return weights @ value, weights


def _mistaken(query, key, value, mask, W_q, W_k, w_c, v, mistake):
    """The same with a mistake."""
    projected = key @ W_k.T  # (B, S, d_a)
    covered = torch.zeros_like(key[..., 0])  # (B, S)
    if mistake == "starts full":
        covered = torch.ones_like(covered)
    elif mistake == "starts uniform":
        covered = mask / mask.sum(1, keepdim=True).clamp(min=1)
    elif mistake == "starts uniform, padding too":
        covered = torch.full_like(covered, 1 / key.shape[1])
    rows = []
    for t in range(query.shape[1]):
        hidden = (query[:, t] @ W_q.T)[:, None] + projected  # (B, S, d_a)
        term = covered[..., None] * w_c  # (B, S, d_a)
        if mistake == "outside":
            scores = torch.tanh(hidden) @ v + covered * w_c.sum()
        elif mistake == "outside, by v":
            scores = torch.tanh(hidden) @ v + term @ v
        elif mistake == "outside, bent":
            scores = (torch.tanh(hidden) + torch.tanh(term)) @ v
        elif mistake == "outside, alone":
            scores = torch.tanh(hidden) @ v + covered
        elif mistake == "no w_c":
            scores = torch.tanh(hidden + covered[..., None]) @ v
        elif mistake == "w_c summed":
            scores = torch.tanh(hidden + covered[..., None] * w_c.sum()) @ v
        elif mistake == "no tanh":
            scores = (hidden + term) @ v
        elif mistake == "outer tanh":
            scores = torch.tanh((hidden + term) @ v)
        elif mistake == "scaled":
            scores = torch.tanh(hidden + term) @ v / key.shape[-1] ** 0.5
        elif mistake == "scaled by d_a":
            scores = torch.tanh(hidden + term) @ v / len(v) ** 0.5
        elif mistake == "subtracted":
            scores = torch.tanh(hidden - term) @ v
        elif mistake == "untold":
            scores = torch.tanh(hidden) @ v
        else:
            scores = torch.tanh(hidden + term) @ v  # (B, S)
        dim = 0 if mistake == "over the batch" else -1
        weights = late_weights(scores, mask, (mistake,), dim)
        rows.append(weights)
        if mistake == "last step":
            covered = weights
        elif mistake == "last two steps":
            covered = sum(rows[-2:])
        elif mistake == "one step late":
            covered = sum(rows[:-1], torch.zeros_like(weights))
        elif mistake == "again":
            covered = covered + sum(rows)
        elif mistake == "unmasked tally":
            covered = covered + scores.softmax(-1)
        elif mistake == "mean":
            covered = torch.stack(rows).mean(0)
        elif mistake == "detached":
            covered = covered + weights.detach()
        elif mistake == "past detached":
            covered = covered.detach() + weights
        elif mistake == "shared":
            covered = covered + weights.mean(0)
        elif mistake == "shared sum":
            covered = covered + weights.sum(0)
        elif mistake == "scores":
            covered = covered + scores
        elif mistake == "in place":
            covered += weights
        elif mistake in _LIDS:
            covered = (covered + weights).clamp(max=_LIDS[mistake])
        elif mistake == "evens out":
            covered = covered + weights
            covered = covered / covered.sum(-1, keepdim=True).clamp(min=1e-9)
        else:
            covered = covered + weights  # (B, S)
    if mistake == "tally returned":
        return torch.stack(rows, dim=1) @ value, covered
    weights = torch.stack(rows, dim=1)  # (B, T, S)
    if mistake == "viewed":
        weights = torch.stack(rows).view(weights.shape)
    if mistake == "stacked last":
        weights = torch.stack(rows, dim=-1)  # (B, S, T)
    if mistake == "stacked in front":
        weights = torch.stack(rows)  # (T, B, S)
        return (weights.transpose(0, 1) @ value).transpose(0, 1), weights
    if mistake == "weights in front":
        return weights @ value, torch.stack(rows)
    if mistake == "keys":
        return weights @ key, weights
    if mistake == "output detached":
        return weights.detach() @ value, weights
    return weights @ value, weights


_LIDS = {"reaches 1": 0.5, "reaches 1 itself": 1.0}


def _coverage_in_two_passes(
    query, key, value, mask, W_q, W_k, w_c, v, own=False
):
    """Wrong: the tally is that of an attention without a tally."""
    hidden = (query @ W_q.T)[:, :, None] + (key @ W_k.T)[:, None]
    plain = masked_softmax(torch.tanh(hidden) @ v, mask[:, None])
    covered = plain.cumsum(1) - (0 if own else plain)  # (B, T, S)
    term = covered[..., None] * w_c  # (B, T, S, d_a)
    weights = masked_softmax(torch.tanh(hidden + term) @ v, mask[:, None])
    return weights @ value, weights


def _coverage_by_einsum(query, key, value, mask, W_q, W_k, w_c, v):
    left = torch.einsum("aq,btq->bta", W_q, query)
    right = torch.einsum("ak,bsk->bsa", W_k, key)
    weights = query.new_zeros(len(query), 0, key.shape[1])  # (B, 0, S)
    for t in range(query.shape[1]):
        term = torch.einsum("bts,a->bsa", weights, w_c)  # (B, S, d_a)
        hidden = torch.tanh(left[:, t, None] + right + term)
        scores = torch.einsum("bsa,a->bs", hidden, v)
        row = masked_softmax(scores, mask)[:, None]  # (B, 1, S)
        weights = torch.cat([weights, row], dim=1)
    return torch.einsum("bts,bsv->btv", weights, value), weights


def _coverage_by_sentence(query, key, value, mask, W_q, W_k, w_c, v):
    S = key.shape[1]
    outputs, rows = [], []
    for b in range(len(query)):
        tally = [torch.zeros(()) for _ in range(S)]
        for q in query[b]:
            tokens = [s for s in range(S) if mask[b, s]]
            row = [torch.zeros(()) for _ in range(S)]
            if tokens:
                scores = torch.stack(
                    [
                        v
                        @ torch.tanh(
                            W_q @ q + W_k @ key[b, s] + w_c * tally[s]
                        )
                        for s in tokens
                    ]
                )
                for s, weight in zip(tokens, scores.softmax(0), strict=True):
                    row[s] = weight
            tally = [old + new for old, new in zip(tally, row, strict=True)]
            rows.append(torch.stack(row))
            outputs.append(rows[-1] @ value[b])
    B, T = query.shape[:2]
    return torch.stack(outputs).view(B, T, -1), torch.stack(rows).view(B, T, S)


def _coverage_case(name, lengths, T, S, d_q, d_k, d_v, d_a, seed):
    generator = torch.Generator().manual_seed(seed)
    return Case(
        name,
        (
            *attention_inputs(generator, lengths, T, S, d_q, d_k, d_v),
            normal(generator, d_a, d_q, scale=0.6),
            normal(generator, d_a, d_k, scale=0.6),
            normal(generator, d_a, scale=1.5),
            normal(generator, d_a),
        ),
    )


def _large_case():
    query, key, value, mask, W_q, W_k, v = large_scores()
    w_c = torch.tensor([0.01, -0.02, 0.005, 0.01])
    arguments = (query, key, value, mask, W_q, W_k, w_c, v)
    return Case("scores of 200", arguments)


def _later_queries_change_nothing_before(answer):
    case = _coverage_case("", [6, 4], 5, 6, 3, 2, 2, 4, seed=29)
    return change_nothing_before(answer, case.arguments)


_SIZES = {
    "T": (1, 5),
    "d_q": (1, 4),
    "d_k": (1, 4),
    "d_v": (1, 4),
    "d_a": (1, 5),
}


def _full_lengths(random, drawn):
    return [drawn["S"]] * int(random.integers(1, 4))


EXERCISE = Exercise(
    "01-coverage-attention",
    "Attention that keeps a tally",
    points=4,
    reference=_coverage_attention,
    cases=[
        Case(
            "the worked example",
            (
                torch.zeros(1, 2, 1),
                torch.tensor([[[1.0], [0.0]]]),
                torch.tensor([[[8.0], [4.0]]]),
                torch.ones(1, 2, dtype=torch.bool),
                torch.ones(1, 1),
                torch.ones(1, 1),
                -4 * torch.ones(1),
                torch.ones(1),
            ),
        ),
        _coverage_case("one step", [3, 3], 1, 3, 2, 4, 3, 5, seed=21),
        _coverage_case("no padding", [4, 4], 3, 4, 3, 2, 2, 5, seed=27),
        _coverage_case("six steps", [5, 5], 6, 5, 2, 3, 2, 4, seed=28),
        _coverage_case("a padded batch", [6, 4], 4, 6, 3, 2, 5, 4, seed=22),
        _coverage_case("nothing to read", [4, 0], 3, 4, 2, 3, 2, 3, seed=23),
        _coverage_case(
            "nothing to read, and padding", [4, 0, 2], 3, 4, 2, 2, 2, 4, 31
        ),
        _large_case(),
        padded_in_front(
            _coverage_case("padding in front", [3, 4], 3, 5, 2, 3, 2, 4, 30)
        ),
        _coverage_case("one token", [1, 1], 3, 1, 2, 2, 2, 2, seed=24),
        _coverage_case("all sizes alike", [3, 2, 3], 3, 3, 3, 3, 3, 3, 25),
        _coverage_case("long", [9, 5, 7], 8, 9, 2, 3, 2, 6, seed=26),
    ],
    mistakes=[
        *named(_mistaken, coverage_mistakes.ROWS),
        Mistake(
            "the tally of another attention",
            "You add up the weights of attention *without* coverage, all "
            "steps at once. Each step needs the weights that the earlier "
            "steps have with coverage.",
            _coverage_in_two_passes,
            "A cumsum is not enough, since step 3 depends on step 2. Use a "
            "loop over T.",
        ),
        Mistake(
            "a tally that counts its own step",
            "The tally of a step already includes that step. And your "
            "weights come from attention without coverage.",
            partial(_coverage_in_two_passes, own=True),
            "c sums over the steps *before*: a loop over T.",
        ),
    ],
    right_answers=[_coverage_by_einsum, _coverage_by_sentence],
    properties=[
        Property(
            "A later query cannot change earlier weights.",
            _later_queries_change_nothing_before,
            "The order of the steps.",
        )
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B T d_v", "weights": "B T S"},
    parts=[
        Part(
            "values",
            "the values, if no sentence is padded",
            2,
            tries=(
                "the worked example",
                "one step",
                "no padding",
                "six steps",
                "one token",
                "A later query cannot change earlier weights.",
            ),
            fresh=anew(
                _coverage_case, S=(1, 6), lengths=_full_lengths, **_SIZES
            ),
        ),
        Part(
            "padding",
            "padding, and sentences with nothing to read",
            1,
            tries=(
                "a padded batch",
                "nothing to read",
                "nothing to read, and padding",
                "all sizes alike",
                "scores of 200",
                "padding in front",
                "long",
            ),
            fresh=anew(
                _coverage_case, S=(2, 6), lengths=one_empty("S"), **_SIZES
            ),
        ),
        Part(
            "gradients",
            "the gradients, also through the tally",
            1,
            tries=(
                "no padding",
                "a padded batch",
                "nothing to read",
                "long",
            ),
            gradients=True,
            fresh=anew(_coverage_case, S=(2, 6), lengths="S", **_SIZES),
        ),
    ],
)
