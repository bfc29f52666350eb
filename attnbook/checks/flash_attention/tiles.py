"""Exercise 10.2: Repair attention in tiles."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from attnbook.checks.flash_attention.tiles_draft import draft
from attnbook.checks.flash_attention.tiles_mistakes import BUGS, MISTAKES
from attnbook.judging.exercise import Case, Exercise, Mistake, Part
from attnbook.judging.fresh_cases import anew
from attnbook.judging.tensors import normal
from attnbook.judging.unrepaired import unrepaired
from attnbook.mechanisms.masked_softmax import masked_softmax


def _in_tiles(query, key, value, lengths, tile):
    """Right: the draft without its bugs."""
    return draft(query, key, value, lengths, tile, ())


def _by_the_table(query, key, value, lengths, tile):
    """Right, by way of all scores."""
    scores = query @ key.mT / query.shape[-1] ** 0.5
    seen = torch.arange(key.shape[1]) < lengths[:, None]
    scores = scores.masked_fill(~seen[:, None], -torch.inf)
    weights = masked_softmax(scores, seen[:, None])
    return weights @ value, scores.logsumexp(-1)


def _row_by_row(query, key, value, lengths, tile):
    """Right, one text and one query at a time, over its own keys."""
    outputs, lses = [], []
    for q, k, v, n in zip(query, key, value, lengths.tolist(), strict=True):
        for one in q:
            scores = k[:n] @ one / len(one) ** 0.5
            lses.append(scores.logsumexp(0))
            outputs.append((scores - lses[-1]).exp() @ v[:n])
    B, T, _ = query.shape
    return torch.stack(outputs).view(B, T, -1), torch.stack(lses).view(B, T)


def _case(name, T, S, d, d_v, lengths, tile, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    return Case(
        name,
        (
            normal(generator, B, T, d, scale=scale),
            normal(generator, B, S, d, scale=scale),
            normal(generator, B, S, d_v),
            torch.tensor(lengths),
            tile,
        ),
    )


def _worked_tiles():
    """Scores 0, log 2, log 4: weights in sevenths, over two tiles."""
    query = torch.ones(1, 1, 1)
    key = torch.tensor([1.0, 2.0, 4.0, 9.0]).log()[None, :, None]
    value = torch.tensor([7.0, 14.0, 0.0, 99.0])[None, :, None]
    return Case(
        "the worked example", (query, key, value, torch.tensor([3]), 2)
    )


def _falling_scores():
    """Scores that fall from 200 to -200 along a row, and rise in another."""
    case = _case("scores of 200", 3, 7, 4, 3, [7, 7], 2, 15)
    query, key, *_ = case.arguments
    query.zero_()
    query[..., 0] = 2.0
    slope = torch.linspace(200, -200, 7)
    key[0, :, 0] = slope + 0.3 * key[0, :, 1]
    key[1, :, 0] = slope.flip(0) + 0.3 * key[1, :, 1]
    query[1, 1, 0] = -2.0
    return case


def _low_scores():
    """Between -220 and -180 in some rows, and far above in their neighbour."""
    case = _case("scores of -200", 3, 6, 4, 2, [6, 4], 2, 16)
    query, key, *_ = case.arguments
    query.zero_()
    query[..., 0] = 2.0
    query[:, 1, 0] = -2.0
    key[..., 0] = -200 + key[..., 0]
    return case


def _lengths_of(random, drawn):
    S = drawn["S"]
    return [S, int(random.integers(1, S)), 0][: int(random.integers(2, 4))]


def _also_lower(mistake):
    """Count another finite number for -inf as the same bug, beside others.

    Where the maximum is compared with the sum, which is 0 or more, such a
    number does what -inf does.
    """
    bugs = mistake.answer.keywords["bugs"]
    if len(bugs) == 1 or "finite mask" not in bugs:
        return mistake
    if "compared with the sum" in bugs:
        return mistake
    others = [bug for bug in bugs if bug != "finite mask"]
    return replace(
        mistake,
        also=tuple(
            partial(draft, bugs=(*others, low))
            for low in (
                "masked by -1e4",
                "masked by -1e9",
                "masked by -1e30",
                "masked by the least",
            )
        ),
    )


EXERCISE = Exercise(
    "10-tiles",
    "Repair attention in tiles",
    points=4,
    reference=_by_the_table,
    cases=[
        _worked_tiles(),
        _case("whole tiles", 4, 6, 3, 2, [6, 6], 2, seed=11),
        _case("texts of other lengths", 5, 9, 4, 3, [9, 5, 2], 3, seed=12),
        _case("a last tile cut short", 4, 7, 3, 5, [7, 6], 3, seed=13),
        _case("a text of no keys", 3, 6, 4, 2, [4, 0, 6], 4, seed=14),
        _falling_scores(),
        _low_scores(),
        _case("one tile for all", 3, 4, 3, 2, [4, 2], 8, seed=17),
        _case("all sizes alike", 3, 3, 3, 3, [3, 2, 3], 3, seed=18),
    ],
    mistakes=[
        *map(_also_lower, unrepaired(BUGS, draft, begins="Begin with")),
        *(
            Mistake(
                name,
                sentence,
                partial(draft, bugs=(bug,)),
                look,
                tuple(partial(draft, bugs=(other,)) for other in also),
                bugs=1,
            )
            for bug, name, sentence, look, *also in MISTAKES
        ),
    ],
    right_answers=[_in_tiles, _row_by_row],
    tolerance=1e-4,
    outputs=("output", "lse"),
    axes={"output": "B T d_v", "lse": "B T"},
    fresh=anew(
        _case,
        T=(2, 5),
        S=(5, 9),
        d=(3, 5),
        d_v=(2, 4),
        lengths=_lengths_of,
        tile=(2, 4),
    ),
    parts=[
        Part("two", "two of the five bugs fixed", 1, mended=2),
        Part("four", "four of the five bugs fixed", 1, mended=4),
        Part("all", "all five bugs fixed", 2, mended=5),
    ],
)
