"""Exercise 05.3: Measure how far a head looks."""

from __future__ import annotations

import torch

from attnbook.checks.positions.attention_distance_mistakes import MISTAKES
from attnbook.checks.positions.seeded import normal_from
from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.fresh_cases import anew, none_empty


def _attention_distance(weights, query_mask):
    T, S = weights.shape[-2:]
    query = torch.arange(T) + S - T  # (T,): the last T of S positions
    distance = (query[:, None] - torch.arange(S)).to(weights.dtype).abs()
    found = (weights * distance).sum(-1)  # (B, H, T)
    counted = query_mask[:, None].expand_as(found)  # (B, H, T)
    found = found.masked_fill(~counted, 0.0)
    return found.sum((0, 2)) / counted.sum((0, 2))  # (H,)


def _distance_by_loops(weights, query_mask):
    B, H, T, S = weights.shape
    result = torch.zeros(H, dtype=weights.dtype)
    for h in range(H):
        total, rows = 0.0, 0
        for b in range(B):
            for t in range(T):
                if not query_mask[b, t]:
                    continue
                rows += 1
                for s in range(S):
                    away = abs(S - T + t - s)
                    total += weights[b, h, t, s].item() * away
        result[h] = total / rows
    return result


def _distance_by_picking_rows(weights, query_mask):
    T, S = weights.shape[-2:]
    away = torch.cdist(
        torch.arange(S - T, S).double()[:, None],
        torch.arange(S).double()[:, None],
        p=1,
    )  # (T, S)
    found = torch.einsum("bhts,ts->bth", weights.double(), away)
    return found[query_mask].mean(0)


def _distance_case(
    name, lengths, H, T, S, seed, is_causal=True, padding=0.0, in_front=False
):
    """Rows past a sentence's length are padding and hold anything.

    Here weights as in others, plus ``padding``; or the padding is in front.
    """
    scores = normal_from(seed, len(lengths), H, T, S)
    mask = torch.arange(T)[None] < torch.tensor(lengths)[:, None]
    if in_front:
        mask = mask.flip(-1)
    if is_causal:
        ahead = torch.ones(T, S, dtype=torch.bool).triu(S - T + 1)
        scores = scores.masked_fill(ahead, -torch.inf)
    rest = torch.where(mask, 0.0, padding)[:, None, :, None]
    return Case(name, (scores.softmax(-1) + rest, mask))


def _looks_both_ways():
    weights = normal_from(8, 2, 3, 4, 4).softmax(-1)
    real = torch.ones(2, 4, dtype=torch.bool)
    return Case("heads that look ahead, too", (weights, real))


def _one_new_token():
    """Nothing but the keys has a size other than 1."""
    weights = normal_from(11, 1, 1, 1, 5).softmax(-1)
    return Case("one head, one new token", (weights, torch.tensor([[True]])))


def _padding_of_nan():
    weights = normal_from(9, 2, 3, 4, 4).softmax(-1)
    real = torch.tensor([[True, True, False, False], [True] * 4])
    weights = weights.masked_fill(~real[:, None, :, None], torch.nan)
    weights[0, :, 3] = torch.inf
    return Case("NaN and infinity in padding", (weights, real))


def _padding_anywhere():
    """In front, between, and a whole sentence of it."""
    weights = normal_from(10, 3, 2, 4, 4).softmax(-1)
    real = torch.tensor(
        [[False, False, True, True], [False] * 4, [True, False, False, True]]
    )
    weights = weights + (~real)[:, None, :, None]
    return Case("padding in front and between", (weights, real))


def _whole_sentences(random, drawn):
    return [drawn["T"]] * int(random.integers(2, 4))


EXERCISE = Exercise(
    "05-attention-distance",
    "Measure how far a head looks",
    points=4,
    reference=_attention_distance,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor(
                    [
                        [
                            [[0.0, 0.5, 0.5], [0.0, 0.0, 1.0]],
                            [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]],
                        ]
                    ]
                ),
                torch.tensor([[True, True]]),
            ),
        ),
        _distance_case("whole sentences", [5, 5], 2, 5, 5, seed=1),
        _distance_case("padded queries", [4, 2, 3], 3, 4, 4, seed=2),
        _distance_case("a continuation", [3, 3, 3], 2, 3, 7, seed=3),
        _looks_both_ways(),
        _padding_of_nan(),
        _padding_anywhere(),
        _one_new_token(),
    ],
    mistakes=MISTAKES,
    right_answers=[_distance_by_loops, _distance_by_picking_rows],
    tolerance=1e-5,
    axes={"output": "H"},
    parts=[
        Part(
            "values",
            "as many queries as keys, and all rows real",
            2,
            tries=("whole sentences", "heads that look ahead, too"),
            fresh=anew(
                _distance_case,
                times=2,
                T=(3, 7),
                S=lambda _, drawn: drawn["T"],
                lengths=_whole_sentences,
                H=(2, 4),
                is_causal=[True, False],
            ),
        ),
        Part(
            "continuation",
            "fewer queries than keys",
            1,
            tries=(
                "the worked example",
                "a continuation",
                "one head, one new token",
            ),
            fresh=anew(
                _distance_case,
                times=2,
                S=(4, 7),
                T=lambda random, drawn: int(random.integers(2, drawn["S"])),
                lengths=_whole_sentences,
                H=(2, 4),
            ),
        ),
        Part(
            "padding",
            "rows of padding, which may hold NaN",
            1,
            tries=(
                "padded queries",
                "NaN and infinity in padding",
                "padding in front and between",
            ),
            fresh=anew(
                _distance_case,
                times=2,
                T=(3, 7),
                S=lambda _, drawn: drawn["T"],
                lengths=none_empty("T"),
                H=(2, 4),
                padding=[0.0, torch.nan],
                in_front=[False, True],
            ),
        ),
    ],
)
