"""Exercise 10.4: Merge pieces, one of them a sink."""

from __future__ import annotations

from dataclasses import replace

import torch

from attnbook.checks.flash_attention.merge_mistaken import mistaken
from attnbook.checks.flash_attention.merge_mistakes import MISTAKES
from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal


def _merge_pieces(outputs, lses, sink):
    """Right: a softmax over the pieces and the sink."""
    column = sink[None, None, :, None].expand(1, *lses.shape[1:])
    every = torch.cat([lses, column])  # (P + 1, B, H, T)
    most = every.amax(0)
    powers = (every - most).exp()
    shares = (powers / powers.sum(0))[:-1]
    output = (shares[..., None] * outputs).sum(0)
    return output, most + powers.sum(0).log()


# -- right, written differently ----------------------------------------------


def _two_at_a_time(outputs, lses, sink):
    """Right: the pieces one after the other, beginning with the sink."""
    lse = sink[:, None].expand_as(lses[0])
    output = torch.zeros_like(outputs[0])
    for piece, log in zip(outputs, lses, strict=True):
        both = torch.logaddexp(lse, log)
        output = (lse - both).exp()[..., None] * output + (
            (log - both).exp()[..., None] * piece
        )
        lse = both
    return output, lse


def _as_a_gate(outputs, lses, sink):
    """Right: merged without a sink, then a sigmoid."""
    empty = (lses == -torch.inf).all(0)  # (B, H, T)
    safe = lses.masked_fill(empty, 0)
    merged = (safe.softmax(0)[..., None] * outputs).sum(0)
    merged = merged.masked_fill(empty[..., None], 0)
    lse = safe.logsumexp(0)
    gate = torch.sigmoid(lse - sink[:, None]).masked_fill(empty, 0)
    whole = torch.logaddexp(lse, sink[:, None].expand_as(lse))
    whole = torch.where(empty, sink[:, None].expand_as(lse), whole)
    return gate[..., None] * merged, whole


# -- cases -------------------------------------------------------------------


def _case(name, P, B, H, T, d_v, seed, scale=1.0, empty=()):
    """`empty` lists the rows (p, b, h, t) of pieces without any key."""
    generator = torch.Generator().manual_seed(seed)
    outputs = normal(generator, P, B, H, T, d_v)
    lses = normal(generator, P, B, H, T, scale=scale)
    for row in empty:
        outputs[row], lses[row] = 0, -torch.inf
    return Case(name, (outputs, lses, normal(generator, H)))


def _worked_merge():
    """Sums of exponentials 1, 2 and a sink of 1: shares of a quarter."""
    outputs = torch.tensor([4.0, 8.0]).view(2, 1, 1, 1, 1)
    lses = torch.tensor([1.0, 2.0]).log().view(2, 1, 1, 1)
    return Case("the worked example", (outputs, lses, torch.zeros(1)))


def _far_apart():
    """Pieces of 300 and of -309, with a sink far below or far above."""
    case = _case("log-sum-exps of 300", 3, 2, 3, 2, 3, 36)
    outputs, lses, sink = case.arguments
    lses[:, 0] += 300
    lses[1, 0, 1] -= 250
    lses[:, 1] = -308 + lses[:, 1].clamp(-1.5, 1.5)
    sink[:] = torch.tensor([0.5, 299.0, -308.5])
    return Case(case.name, (outputs, lses, sink))


def _rows_of(random, drawn):
    """Some rows of some pieces, and one row of all pieces."""
    P, B, H, T = (drawn[name] for name in "PBHT")
    found = [
        tuple(int(random.integers(n)) for n in (P, B, H, T)) for _ in range(3)
    ]
    row = tuple(int(random.integers(n)) for n in (B, H, T))
    return [*found, *((p, *row) for p in range(P))]


def _holds_nan(case, outputs):
    far = case.name == "log-sum-exps of 300"
    return far and bool(outputs[0].isnan().any())


_SIZES = {"P": (2, 4), "B": (2, 3), "H": (2, 4), "T": (2, 4), "d_v": (2, 4)}

EXERCISE = Exercise(
    "10-merge",
    "Merge pieces, one of them a sink",
    points=4,
    reference=_merge_pieces,
    cases=[
        _worked_merge(),
        _case("two pieces", 2, 2, 3, 4, 5, seed=31),
        _case("four pieces", 4, 3, 2, 2, 3, seed=32, scale=2.0),
        _case("one piece", 1, 2, 4, 3, 2, seed=33),
        _case(
            "pieces of no keys",
            3,
            2,
            2,
            3,
            4,
            seed=34,
            empty=[(0, 0, 0, 0), (2, 0, 1, 1), (1, 1, 0, 2)],
        ),
        _case(
            "no keys at all",
            2,
            2,
            3,
            2,
            3,
            seed=35,
            empty=[(0, 0, 1, 0), (1, 0, 1, 0), (0, 1, 2, 1), (1, 1, 2, 1)],
        ),
        _far_apart(),
        _case("all sizes alike", 3, 3, 3, 3, 3, seed=37),
    ],
    mistakes=[
        replace(one, shows=_holds_nan)
        if one.name == "exponentials that overflow"
        else one
        for one in named(mistaken, MISTAKES)
    ],
    right_answers=[_two_at_a_time, _as_a_gate],
    tolerance=1e-4,
    gradients=True,
    outputs=("output", "lse"),
    axes={"output": "B H T d_v", "lse": "B H T"},
    parts=[
        Part(
            "pieces",
            "pieces with keys",
            2,
            tries=(
                "the worked example",
                "two pieces",
                "four pieces",
                "one piece",
                "all sizes alike",
            ),
            fresh=anew(_case, **_SIZES),
        ),
        Part(
            "edges",
            "pieces without keys, numbers of 300",
            1,
            tries=(
                "pieces of no keys",
                "no keys at all",
                "log-sum-exps of 300",
            ),
            fresh=anew(_case, **_SIZES, empty=_rows_of),
        ),
        Part(
            "gradients",
            "the gradients",
            1,
            tries=(
                "two pieces",
                "four pieces",
                "pieces of no keys",
                "no keys at all",
            ),
            gradients=True,
            fresh=anew(_case, **_SIZES, empty=_rows_of),
        ),
    ],
)
