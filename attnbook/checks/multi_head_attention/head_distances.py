"""Exercise 04.3: Measure how far apart the heads look."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from attnbook.checks.multi_head_attention.head_distances_mistakes import (
    MISTAKES,
    head_distances,
)
from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew
from attnbook.judging.tensors import normal, token_mask
from attnbook.mechanisms.masked_softmax import masked_softmax


def _distances_by_loops(weights, query_mask):
    B, H, T, _ = weights.shape
    result = torch.zeros(H, H)
    count = int(query_mask.sum())
    for i in range(H):
        for j in range(H):
            for b in range(B):
                for t in range(T):
                    if not query_mask[b, t]:
                        continue
                    p, q = weights[b, i, t].tolist(), weights[b, j, t].tolist()
                    for one, other in zip(p, q, strict=True):
                        for x in (one, other):
                            if x:
                                part = x * math.log(2 * x / (one + other))
                                result[i, j] += part / 2 / count
    return result


def _distances_by_kl_div(weights, query_mask):
    rows = weights.double().transpose(0, 1)[:, query_mask]  # (H, rows, S)
    count = max(1, rows.shape[1])
    rows = rows.clamp(min=1e-12)
    distances = []
    for p in rows:
        middle = ((p + rows) / 2).log()  # (H, rows, S)
        both = [
            F.kl_div(middle, target, reduction="none").sum((1, 2))
            for target in (p.expand_as(rows), rows)
        ]
        distances.append(sum(both) / 2 / count)
    return torch.stack(distances)


def _distances_with_a_small_number(weights, query_mask):
    """A small number in the logarithm changes nothing that is measured."""
    real = query_mask[:, None, None, :, None]
    p, q = weights[:, :, None], weights[:, None]  # (B, H, 1, T, S), ...
    m = (p + q) / 2
    terms = p * torch.log((p + 1e-9) / (m + 1e-9))
    terms = terms + q * torch.log((q + 1e-9) / (m + 1e-9))
    total = torch.where(real, terms, 0).sum((0, 3, 4)) / 2
    return total / query_mask.sum().clamp(min=1)


def _maps_case(name, lengths, H, T, S, seed, tokens=None, padding=0.0):
    """Rows past a sentence's length are padding and hold anything.

    Here weights as in others, plus ``padding``, a number for each of the T
    places or one for all.
    """
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    scores = normal(generator, B, H, T, S, scale=1.2)
    mask = token_mask(tokens or [S] * B, S)
    weights = masked_softmax(scores, mask[:, None, None])
    real = token_mask(lengths, T)
    weights = weights + torch.where(real, 0.0, padding)[:, None, :, None]
    return Case(name, (weights, real))


def _padded_in_front(case):
    """The same with the rows of each sentence in reverse order."""
    weights, real = case.arguments
    return Case("padding in front", (weights.flip(2), real.flip(1)))


def _distances_follow_the_heads(answer):
    weights, real = _maps_case("", [4, 3], 4, 4, 6, 29).arguments
    order = torch.tensor([2, 0, 3, 1])
    before, after = answer(weights, real), answer(weights[:, order], real)
    return torch.allclose(after, before[order][:, order], atol=1e-5)


def _places_of_the_keys_do_not_count(answer):
    weights, real = _maps_case("", [4, 3], 3, 4, 6, 30).arguments
    before, after = answer(weights, real), answer(weights.flip(-1), real)
    return torch.allclose(after, before, atol=1e-5)


def _whole_sentences(random, drawn):
    return [drawn["T"]] * int(random.integers(2, 4))


EXERCISE = Exercise(
    "04-head-distances",
    "Measure how far apart the heads look",
    points=4,
    reference=head_distances,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor(
                    [[[[1.0, 0.0]], [[0.0, 1.0]], [[0.5, 0.5]]]]
                ),  # (1, 3, 1, 2)
                torch.ones(1, 1, dtype=torch.bool),
            ),
        ),
        _maps_case("two heads", [3, 3], 2, 3, 5, seed=21),
        _maps_case("three heads", [4, 4], 3, 4, 3, seed=27),
        _maps_case("padded targets", [5, 2, 3], 3, 5, 4, seed=22),
        _maps_case("padded tokens", [4, 4], 2, 4, 6, 23, [6, 4]),
        _maps_case("all sizes alike", [3, 2, 1], 3, 3, 3, seed=24),
        _maps_case("a sentence without rows", [0, 4], 2, 4, 3, seed=25),
        _maps_case("no row counts", [0, 0], 2, 2, 3, seed=26),
        _maps_case(
            "NaN in the rows of padding", [3, 2], 2, 4, 3, 28, None, torch.nan
        ),
        _maps_case("rows of zeros", [4, 4], 3, 4, 5, 31, [5, 0]),
        _padded_in_front(_maps_case("", [2, 4], 3, 4, 3, seed=32)),
        _maps_case(
            "anything in the rows of padding",
            [1, 3],
            2,
            4,
            3,
            33,
            padding=torch.tensor([0.0, torch.nan, -2.0, torch.inf]),
        ),
    ],
    mistakes=MISTAKES,
    right_answers=[
        _distances_by_loops,
        _distances_by_kl_div,
        _distances_with_a_small_number,
    ],
    properties=[
        Property(
            "Heads in another order give the same distances, in that order.",
            _distances_follow_the_heads,
        ),
        Property(
            "Keys in reverse order give the same distances.",
            _places_of_the_keys_do_not_count,
        ),
    ],
    tolerance=1e-5,
    axes={"output": "H H"},
    parts=[
        Part(
            "values",
            "distances where every row counts and no weight is 0",
            2,
            tries=(
                "two heads",
                "three heads",
                "Heads in another order give the same distances, in that "
                "order.",
                "Keys in reverse order give the same distances.",
            ),
            fresh=anew(
                _maps_case,
                times=2,
                T=(1, 5),
                lengths=_whole_sentences,
                S=(2, 6),
                H=(2, 4),
            ),
        ),
        Part(
            "zeros",
            "weights of exactly 0",
            1,
            tries=("the worked example", "padded tokens", "rows of zeros"),
            fresh=anew(
                _maps_case,
                times=2,
                T=(1, 5),
                lengths=_whole_sentences,
                S=(3, 6),
                H=(2, 4),
                tokens=lambda random, drawn: random.integers(
                    2, drawn["S"], len(drawn["lengths"])
                ).tolist(),
            ),
        ),
        Part(
            "rows",
            "rows that do not count",
            1,
            tries=(
                "padded targets",
                "all sizes alike",
                "a sentence without rows",
                "no row counts",
                "NaN in the rows of padding",
                "padding in front",
                "anything in the rows of padding",
            ),
            fresh=anew(
                _maps_case,
                times=2,
                T=(2, 5),
                lengths="T",
                S=(2, 6),
                H=(2, 4),
                padding=[0.0, torch.nan, torch.inf],
            ),
        ),
    ],
)
