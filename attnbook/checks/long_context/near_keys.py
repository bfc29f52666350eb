"""Exercise 09.2: Prefer near keys inside a window."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F

from attnbook.checks.long_context.near_mistaken import mistaken
from attnbook.checks.long_context.near_mistakes import MISTAKES
from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.fresh_cases import anew, up_to
from attnbook.judging.named_mistakes import named
from attnbook.judging.tables_of_pairs import NO_TABLE, no_table
from attnbook.judging.tensors import normal


def _near_keys(query, key, value, slopes, window):
    T, d_k = query.shape[-2:]
    room = (0, 0, window - 1, 0)
    near, seen = (
        F.pad(x, room).unfold(2, window, 1)[:, :, -T:] for x in (key, value)
    )  # (B, H, T, d, W)
    scores = torch.einsum("bhtd,bhtdw->bhtw", query, near) / math.sqrt(d_k)
    distance = torch.arange(window - 1, -1, -1)  # (W,)
    place = torch.arange(key.shape[2])[-T:]  # (T,)
    scores = scores - slopes[:, None, None] * distance
    scores = scores.masked_fill(distance > place[:, None], -torch.inf)
    weights = scores.softmax(-1)  # (B, H, T, W)
    return torch.einsum("bhtw,bhtdw->bhtd", weights, seen), weights


# -- right, written differently ----------------------------------------------


def _query_by_query(query, key, value, slopes, window):
    """A loop; the bias grows with the position of the key."""
    T, S = query.shape[2], key.shape[2]
    outputs, rows = [], []
    for t in range(T):
        end = S - T + t + 1
        begin = max(0, end - window)
        scores = query[:, :, t, None] @ key[:, :, begin:end].mT
        scores = scores[:, :, 0] / query.shape[-1] ** 0.5  # (B, H, m)
        place = torch.arange(begin, end)
        weights = (scores + slopes[:, None] * place).softmax(-1)
        outputs.append((weights[..., None] * value[:, :, begin:end]).sum(2))
        rows.append(F.pad(weights, (window - end + begin, 0)))
    return torch.stack(outputs, 2), torch.stack(rows, 2)


def _by_index(query, key, value, slopes, window):
    """Places of keys as an index; those before the text are cut off."""
    H, T, d = query.shape[1:]
    place = torch.arange(key.shape[2] - T, key.shape[2])[:, None]
    far = window - 1 - torch.arange(window)
    at = place - far  # (T, W)
    none = at < 0
    at = at.clamp(min=0)
    scores = (key[:, :, at] @ query[..., None])[..., 0] / d**0.5
    scores = scores - slopes.view(1, H, 1, 1) * far
    powers = scores - scores.masked_fill(none, -1e30).amax(-1, keepdim=True)
    powers = powers.exp().masked_fill(none, 0)
    weights = powers / powers.sum(-1, keepdim=True)
    return (weights[..., None, :] @ value[:, :, at])[..., 0, :], weights


# -- cases -------------------------------------------------------------------


def _near_case(name, B, H, T, S, d_k, d_v, window, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    slopes = 0.1 + 0.6 * torch.rand(H, generator=generator)
    slopes = slopes + 0.5 * torch.arange(H).flip(0)
    return Case(
        name,
        (
            normal(generator, B, H, T, d_k, scale=scale),
            normal(generator, B, H, S, d_k, scale=scale),
            normal(generator, B, H, S, d_v),
            slopes,
            window,
        ),
    )


def _worked_window():
    """Scores of 0, so that the bias alone counts: halves and quarters."""
    query = torch.zeros(1, 2, 3, 4)
    key = torch.ones(1, 2, 3, 4)
    value = torch.tensor([[1.0], [2.0], [4.0]]).expand(1, 2, 3, 1).clone()
    slopes = torch.tensor([math.log(2), math.log(3)])
    return Case("the worked example", (query, key, value, slopes, 2))


def _scores_of_200():
    """Between -200 and 200; what some of the first windows hold is lowest."""
    case = _near_case("scores of 200", 2, 3, 6, 6, 4, 3, 3, 24, scale=15.0)
    query, key, value, slopes, window = case.arguments
    query[0, 0, 0] = torch.tensor([20.0, 0, 0, 0])
    key[0, 0, :3, 0] = torch.tensor([-20.0, -20.5, -20.2])
    query[1, 2] = query[1, 2].abs()
    key[1, 2] = -key[1, 2].abs()
    return Case(case.name, (query, key, value, slopes, window))


def _a_key_of_zeros():
    """Two tokens of the text have keys of zeros."""
    case = _near_case("a key of zeros", 2, 3, 5, 7, 4, 3, 3, seed=31)
    key = case.arguments[1]
    key[0, :, 4] = 0
    key[1, :, 6] = 0
    return case


def _a_square(seed, n, window):
    """For each of many tokens a query and a key."""
    return _near_case("", 1, 2, n, n, 4, 4, window, seed)


def _holds_nan(case, outputs):
    return case.name == "scores of 200" and bool(outputs[1].isnan().any())


EXERCISE = Exercise(
    "09-near-keys",
    "Prefer near keys inside a window",
    points=4,
    reference=_near_keys,
    cases=[
        _worked_window(),
        _near_case("as many queries as keys", 2, 3, 7, 7, 4, 5, 3, seed=21),
        _near_case("a wide window", 2, 4, 9, 9, 3, 2, 6, seed=22),
        _near_case("fewer queries than keys", 2, 3, 4, 9, 5, 3, 3, seed=23),
        _near_case("a window cut short", 2, 3, 4, 6, 3, 4, 5, seed=26),
        _near_case("longer than the text", 3, 2, 4, 4, 3, 2, 6, seed=25),
        _near_case("one new token", 2, 3, 1, 6, 4, 3, 4, seed=27),
        _a_key_of_zeros(),
        _scores_of_200(),
        _near_case("all sizes alike", 3, 3, 3, 3, 3, 3, 3, seed=28),
        _near_case("a long text", 2, 2, 40, 40, 3, 4, 5, seed=30),
    ],
    mistakes=[
        replace(one, shows=_holds_nan)
        if one.name == "exponentials that overflow"
        else one
        for one in named(mistaken, MISTAKES)
    ],
    right_answers=[_query_by_query, _by_index],
    properties=[
        no_table(
            _a_square,
            "A mask (T, S) is a table too. What is (T, W)?",
            seed=29,
            n=(128, 120, 149),
            window=(3, 2, 3),
        ),
    ],
    tolerance=1e-4,
    outputs=("output", "weights"),
    axes={"output": "B H T d_v", "weights": "B H T W"},
    parts=[
        Part(
            "whole",
            "a query for each key",
            2,
            tries=(
                "the worked example",
                "as many queries as keys",
                "a wide window",
                "all sizes alike",
            ),
            fresh=anew(
                _near_case,
                B=(2, 3),
                H=(2, 4),
                T=(6, 9),
                S=lambda random, drawn: drawn["T"],
                d_k=(3, 5),
                d_v=(2, 4),
                window=(3, 5),
            ),
        ),
        Part(
            "last",
            "fewer queries than keys, short texts, large scores",
            1,
            tries=(
                "fewer queries than keys",
                "a window cut short",
                "longer than the text",
                "one new token",
                "a key of zeros",
                "scores of 200",
            ),
            fresh=anew(
                _near_case,
                B=(2, 3),
                H=(2, 4),
                S=(6, 9),
                T=up_to("S", least=2),
                d_k=(3, 5),
                d_v=(2, 4),
                window=(3, 5),
            ),
        ),
        Part(
            "table",
            "no table of all pairs",
            1,
            tries=("a long text", NO_TABLE),
            fresh=anew(
                _near_case,
                B=(2, 3),
                H=(2, 4),
                T=(20, 30),
                S=lambda random, drawn: drawn["T"],
                d_k=(3, 5),
                d_v=(2, 4),
                window=(3, 5),
            ),
        ),
    ],
)
