"""Exercise 12.2: Give each expert a limited room."""

from __future__ import annotations

import math

import torch

from attnbook.checks.experts_and_state_spaces.seat_mistakes import (
    MISTAKES,
    mistaken,
)
from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal


def _seat(scores, kept, k, factor):
    return mistaken(scores, kept, k, factor, mistake="")


# -- right, written differently ----------------------------------------------


def _by_loops(scores, kept, k, factor):
    N, E = scores.shape
    room = math.ceil(factor * k * int(kept.sum()) / E)
    taken = [0] * E
    rows = [[scores.new_zeros(()) for _ in range(E)] for _ in range(N)]
    slot = torch.full((N, E), -1)
    for choice in range(k):
        for n in range(N):
            if not kept[n]:
                continue
            best = sorted(range(E), key=lambda e: (-scores[n, e].item(), e))
            e = best[choice]
            if taken[e] < room:
                rows[n][e] = scores[n, best[:k]].softmax(0)[choice]
                slot[n, e] = taken[e]
                taken[e] += 1
    weights = torch.stack([torch.stack(row) for row in rows])
    return weights + 0 * scores, slot


def _by_running_counts(scores, kept, k, factor):
    """Number all choices of an expert by one running count."""
    E = scores.shape[1]
    room = math.ceil(factor * k * int(kept.sum()) / E)
    order = scores.detach().argsort(dim=-1, descending=True, stable=True)
    chosen = torch.nn.functional.one_hot(order[:, :k].T, E)  # (k, N, E)
    chosen = chosen * kept[:, None]
    number = chosen.flatten(0, 1).cumsum(0).view_as(chosen) - 1
    seated = chosen * (number < room)
    exp = (scores - scores.amax(-1, keepdim=True)).exp()
    total = (exp * chosen.sum(0)).sum(-1, keepdim=True)
    weights = exp * seated.sum(0) / torch.where(total > 0, total, 1)
    slot = (seated * (number + 1)).sum(0) - 1
    return weights, slot


# -- cases -------------------------------------------------------------------


def _seat_case(name, N, E, k, factor, seed, padding=(), scale=1.0, ties=False):
    generator = torch.Generator().manual_seed(seed)
    scores = normal(generator, N, E, scale=scale)
    scores[:, 0] += scale  # an expert that many tokens prefer
    if ties:
        scores = scores.round()
    kept = torch.ones(N, dtype=torch.bool)
    kept[list(padding)] = False
    return Case(name, (scores, kept, k, factor))


def _worked_seats():
    """Odds of 3 to 1: weights of 0.75 and 0.25."""
    near = math.log(3)
    scores = torch.tensor(
        [[near, 0.0, -9], [near, -9, 0], [near, 0, -9], [0, near, -9]]
    )
    kept = torch.ones(4, dtype=torch.bool)
    return Case("the worked example", (scores, kept, 2, 0.75))


def _some_padding(random, drawn):
    return sorted({0, *random.integers(1, drawn["N"] - 2, 2).tolist()})


_SIZES = {"N": (7, 10), "E": (3, 5), "k": [2], "factor": [0.5, 0.75, 1.0]}

EXERCISE = Exercise(
    "12-seat",
    "Give each expert a limited room",
    points=4,
    reference=_seat,
    cases=[
        _worked_seats(),
        _seat_case("room for all", 6, 4, 2, 4.0, seed=11),
        _seat_case("one choice, little room", 9, 3, 1, 0.75, seed=12),
        _seat_case("two choices, little room", 8, 4, 2, 0.75, seed=13),
        _seat_case("three choices of five", 9, 5, 3, 0.5, seed=14),
        _seat_case("a room that is rounded up", 7, 3, 2, 0.5, seed=15),
        _seat_case("padding", 9, 4, 2, 0.75, seed=16, padding=(0, 3, 4, 8)),
        _seat_case("padding alone", 4, 3, 2, 1.0, seed=17, padding=range(4)),
        _seat_case("equal scores", 9, 4, 2, 0.75, seed=18, ties=True),
        _seat_case("scores of 200", 8, 4, 2, 0.75, seed=19, scale=90.0),
        _seat_case("all experts chosen", 5, 3, 3, 0.5, seed=20),
        _seat_case("all sizes alike", 3, 3, 2, 0.5, seed=21),
    ],
    mistakes=named(mistaken, MISTAKES),
    right_answers=[_by_loops, _by_running_counts],
    gradients=True,
    outputs=("weights", "slot"),
    axes={"weights": "N E", "slot": "N E"},
    parts=[
        Part(
            "room",
            "tokens that find room",
            1,
            tries=("room for all", "one choice, little room"),
            fresh=anew(
                _seat_case, N=(7, 10), E=(3, 5), k=[1], factor=[0.5, 0.75]
            ),
        ),
        Part(
            "full",
            "refusing the right choices when an expert is full",
            1,
            tries=(
                "the worked example",
                "two choices, little room",
                "three choices of five",
                "a room that is rounded up",
                "all experts chosen",
                "all sizes alike",
            ),
            fresh=anew(_seat_case, **_SIZES),
        ),
        Part(
            "padding",
            "padding, equal scores and large scores",
            1,
            tries=(
                "padding",
                "padding alone",
                "equal scores",
                "scores of 200",
            ),
            fresh=anew(
                _seat_case,
                **_SIZES,
                padding=_some_padding,
                ties=[True, False],
            ),
        ),
        Part(
            "gradients",
            "the gradients",
            1,
            tries=("two choices, little room", "padding"),
            gradients=True,
            fresh=anew(_seat_case, **_SIZES),
        ),
    ],
)
