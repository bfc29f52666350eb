"""Exercise 12.4: Scan maps with matrices."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from attnbook.checks.experts_and_state_spaces.scan_mistakes import (
    MISTAKES,
    mistaken,
)
from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew, seed_from
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal
from attnbook.judging.watching import calls


def _scan_maps(A, b, state):
    return mistaken(A, b, state, mistake="")


# -- right, written differently ----------------------------------------------


def _by_halves(A, b, state):
    """Join pairs, scan half as many maps, and fill the gaps."""
    all_A, all_b = _halved(A, b[..., None])
    h = all_A @ state[:, None, :, None] + all_b
    return h[..., 0], all_A[:, -1]


def _halved(A, b):
    T = A.shape[1]
    if T == 1:
        return A, b
    odd_A, odd_b = A[:, 1::2], b[:, 1::2]
    even_A, even_b = A[:, : T - T % 2 : 2], b[:, : T - T % 2 : 2]
    done_A, done_b = _halved(odd_A @ even_A, odd_A @ even_b + odd_b)
    m = (T - 1) // 2  # the even tokens after token 0
    later_A, later_b = A[:, 2::2], b[:, 2::2]
    gap_A = torch.cat([A[:, :1], later_A @ done_A[:, :m]], 1)
    gap_b = torch.cat([b[:, :1], later_A @ done_b[:, :m] + later_b], 1)
    full_A, full_b = A.clone(), b.clone()
    full_A[:, ::2], full_b[:, ::2] = gap_A, gap_b
    full_A[:, 1::2], full_b[:, 1::2] = done_A, done_b
    return full_A, full_b


def _as_one_matrix(A, b, state):
    """A map with d + 1 rows, whose last entry stays 1."""
    B, T, d, _ = A.shape
    last = torch.zeros(B, T, 1, d + 1)
    last[..., d] = 1
    M = torch.cat([torch.cat([A, b[..., None]], -1), last], -2)
    reach = 1
    while reach < T:
        M = torch.cat([M[:, :reach], M[:, reach:] @ M[:, :-reach]], 1)
        reach *= 2
    start = torch.cat([state, torch.ones(B, 1)], -1)
    h = (M @ start[:, None, :, None])[..., 0]
    return h[..., :d], M[:, -1, :d, :d]


# -- cases -------------------------------------------------------------------


def _scan_case(name, B, T, d, seed, start=1.0, scale=0.6):
    generator = torch.Generator().manual_seed(seed)
    A = normal(generator, B, T, d, d, scale=scale)
    b = normal(generator, B, T, d)
    return Case(name, (A, b, normal(generator, B, d, scale=start)))


def _worked_scan():
    """Token 0 exchanges two numbers, token 1 halves the first."""
    A = torch.tensor([[[0.0, 1], [1, 0]], [[0.5, 0], [0, 1]]])[None]
    b = torch.tensor([[[0.0, 0], [1, 1]]])
    return Case("the worked example", (A, b, torch.tensor([[2.0, 4]])))


def _forgetting():
    """Two tokens forget everything, one forgets a part."""
    case = _scan_case("tokens that forget", 2, 7, 3, seed=36)
    A = case.arguments[0]
    A[:, 2] = 0
    A[0, 5] = 0
    A[1, 4, :, 1] = 0
    return case


def _strong():
    """Each token makes the state smaller by a factor of a million."""
    case = _scan_case("strong decays", 2, 12, 2, seed=37)
    case.arguments[0].mul_(1e-6)
    return case


def _few_calls(answer, seed=39, T=512):
    A, b, state = _scan_case("", 1, T, 2, seed, scale=0.4).arguments
    with calls(answer) as seen:
        answer(A, b, state)
    return seen.amount < T


def _few_calls_anew(seed):
    random = np.random.default_rng(seed)
    return partial(
        _few_calls,
        seed=seed_from(random) % 10**6,
        T=int(random.integers(500, 540)),
    )


FEW = "A text of 512 tokens takes fewer than 512 calls of torch."

EXERCISE = Exercise(
    "12-scan-maps",
    "Scan maps with matrices",
    points=4,
    reference=_scan_maps,
    cases=[
        _worked_scan(),
        _scan_case("four tokens, a state of zeros", 2, 4, 2, 31, start=0.0),
        _scan_case("eight tokens, a state of zeros", 3, 8, 3, 32, start=0.0),
        _scan_case("four tokens", 2, 4, 3, seed=33),
        _scan_case("seven tokens", 2, 7, 2, seed=34),
        _scan_case("eleven tokens", 3, 11, 3, seed=35),
        _scan_case("one token", 2, 1, 3, seed=38),
        _forgetting(),
        _strong(),
        _scan_case("all sizes alike", 3, 3, 3, seed=40),
    ],
    mistakes=named(mistaken, MISTAKES),
    right_answers=[_by_halves, _as_one_matrix],
    properties=[
        Property(
            FEW,
            _few_calls,
            "Let each round join all tokens at once, with slices of A and "
            "b: nine rounds are enough.",
            anew=_few_calls_anew,
        ),
    ],
    tolerance=1e-4,
    gradients=True,
    outputs=("h", "product"),
    axes={"h": "B T d", "product": "B d d"},
    parts=[
        Part(
            "states",
            "a state of zeros, with four or eight tokens",
            1,
            tries=(
                "four tokens, a state of zeros",
                "eight tokens, a state of zeros",
            ),
            fresh=anew(_scan_case, B=(2, 3), T=[4, 8], d=(2, 3), start=0.0),
        ),
        Part(
            "lengths",
            "any length and state, and matrices that forget",
            1,
            tries=(
                "the worked example",
                "four tokens",
                "seven tokens",
                "eleven tokens",
                "one token",
                "tokens that forget",
                "strong decays",
                "all sizes alike",
            ),
            fresh=anew(_scan_case, B=(2, 3), T=(5, 13), d=(2, 3)),
        ),
        Part(
            "calls",
            "fewer calls than tokens",
            1,
            tries=("four tokens", FEW),
            fresh=anew(_scan_case, B=(2, 3), T=(5, 13), d=(2, 3)),
        ),
        Part(
            "gradients",
            "the gradients",
            1,
            tries=("seven tokens", "tokens that forget"),
            gradients=True,
            fresh=anew(_scan_case, B=(2, 3), T=(5, 9), d=(2, 3)),
        ),
    ],
)
