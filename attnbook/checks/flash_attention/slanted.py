"""Exercise 10.3: Prefer near keys, in tiles."""

from __future__ import annotations

from dataclasses import replace

import torch

from attnbook.checks.flash_attention.slanted_mistaken import mistaken
from attnbook.checks.flash_attention.slanted_mistakes import MISTAKES
from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.fresh_cases import anew, up_to
from attnbook.judging.named_mistakes import named
from attnbook.judging.tables_of_pairs import HALF_A_TABLE, no_table
from attnbook.judging.tensors import normal
from attnbook.judging.watching import numbers_held


def _slanted(query, key, value, slopes, tile):
    """Right, by tiles of keys."""
    B, H, T, d = query.shape
    S = key.shape[2]
    place = torch.arange(S - T, S)[:, None]  # (T, 1)
    most = query.new_full((B, H, T, 1), -torch.inf)
    total = torch.zeros_like(most)
    mixed = value.new_zeros(B, H, T, value.shape[-1])
    for begin in range(0, S, tile):
        k, v = key[:, :, begin : begin + tile], value[:, :, begin:]
        far = place - torch.arange(begin, begin + k.shape[2])  # (T, c)
        scores = query @ k.mT / d**0.5 - slopes[:, None, None] * far
        scores = scores.masked_fill(far < 0, -torch.inf)
        new = torch.maximum(most, scores.amax(-1, keepdim=True))
        base = new.masked_fill(new == -torch.inf, 0)
        shrink, powers = (most - base).exp(), (scores - base).exp()
        total = shrink * total + powers.sum(-1, keepdim=True)
        mixed = shrink * mixed + powers @ v[:, :, : k.shape[2]]
        most = new
    return mixed / total, (most + total.log())[..., 0]


# -- right, written differently ----------------------------------------------


def _query_by_query(query, key, value, slopes, tile):
    """One query at a time over all of its keys; a slope of the place."""
    T, S = query.shape[2], key.shape[2]
    outputs, lses = [], []
    for t in range(T):
        seen = S - T + t + 1
        scores = (key[:, :, :seen] @ query[:, :, t, :, None])[..., 0]
        scores = scores / query.shape[-1] ** 0.5  # (B, H, m)
        far = torch.arange(seen - 1, -1, -1)
        scores = scores - slopes[:, None] * far
        lses.append(torch.logsumexp(scores, -1))
        weights = scores.softmax(-1)
        outputs.append((weights[..., None] * value[:, :, :seen]).sum(2))
    return torch.stack(outputs, 2), torch.stack(lses, 2)


def _in_pieces(query, key, value, slopes, tile):
    """Tiles of queries and keys; the pieces of a row are merged at the end."""
    T, S = query.shape[2], key.shape[2]
    outputs, lses = [], []
    for first in range(0, T, tile):
        q = query[:, :, first : first + tile] * query.shape[-1] ** -0.5
        place = torch.arange(S - T + first, S - T + first + q.shape[2])
        parts, logs = [], []
        for begin in range(0, int(place[-1]) + 1, tile):
            k = key[:, :, begin : begin + tile]
            v = value[:, :, begin : begin + tile]
            far = place[:, None] - torch.arange(begin, begin + k.shape[2])
            scores = torch.einsum("bhtd,bhsd->bhts", q, k)
            scores = scores - torch.einsum("h,ts->hts", slopes, far.float())
            scores = torch.where(far >= 0, scores, -torch.inf)
            log = scores.logsumexp(-1)
            safe = torch.where(log == -torch.inf, 0, log)
            parts.append((scores - safe[..., None]).exp() @ v)
            logs.append(log)
        log = torch.stack(logs)
        shares = log.softmax(0)[..., None]
        outputs.append((shares * torch.stack(parts)).sum(0))
        lses.append(log.logsumexp(0))
    return torch.cat(outputs, 2), torch.cat(lses, 2)


def _spread_over_d(query, key, value, slopes, tile):
    """Products in a tensor of its own, (B, H, T, c, d), and then a sum."""
    B, H, T, d = query.shape
    S = key.shape[2]
    lse = query.new_full((B, H, T), -torch.inf)
    output = torch.zeros(B, H, T, value.shape[-1])
    for place in torch.arange(S).split(tile):
        k, v = key[:, :, place], value[:, :, place]
        scores = (query[..., None, :] * k[..., None, :, :]).sum(-1) / d**0.5
        far = torch.arange(S - T, S)[:, None] - place
        scores = scores - slopes.view(H, 1, 1) * far.clamp(min=0)
        scores = scores.masked_fill(far < 0, -torch.inf)
        both = torch.logaddexp(lse, scores.logsumexp(-1))
        weights = (scores - both[..., None]).exp()
        output = (lse - both).exp()[..., None] * output
        output = output + (weights[..., None] * v[..., None, :, :]).sum(-2)
        lse = both
    return output, lse


# -- cases -------------------------------------------------------------------


def _case(name, B, H, T, S, d_k, d_v, tile, seed, scale=1.0):
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
            tile,
        ),
    )


def _worked_slope():
    """Scores of 0, so that the distance alone counts: halves and quarters."""
    value = torch.tensor([[8.0], [4.0], [2.0]]).expand(1, 1, 3, 1).clone()
    return Case(
        "the worked example",
        (
            torch.zeros(1, 1, 3, 4),
            torch.ones(1, 1, 3, 4),
            value,
            torch.tensor([2.0]).log(),
            2,
        ),
    )


def _scores_of_200():
    """One row rises to 200 along the text, one falls to -200."""
    case = _case("scores of 200", 2, 2, 8, 8, 4, 3, 3, 27)
    query, key, *_ = case.arguments
    query.zero_()
    query[..., 0] = 2.0
    slope = torch.linspace(-200, 200, 8)
    key[0, :, :, 0] = slope + key[0, :, :, 1]
    key[1, :, :, 0] = slope.flip(0) + key[1, :, :, 1]
    return case


def _all_low():
    """All scores of a row lie below -215, beside a row far above."""
    case = _case("scores of -215", 1, 2, 6, 6, 4, 3, 2, 28)
    query, key, _, slopes, _ = case.arguments
    slopes *= 0.2
    query.zero_()
    query[..., 0] = 2.0
    query[:, 1, 1::2, 0] = -2.0
    key[..., 0] = -217 + key[..., 0].clamp(-1, 1)
    key[:, :, 0, 0] = -219.5  # all that the first query sees
    return case


def _steep():
    """A far key of a large q·k, which the slope brings below the others."""
    case = _case("a steep slope", 1, 2, 9, 9, 4, 3, 4, 31)
    query, key, _, slopes, _ = case.arguments
    slopes[0] = 20.0
    query.zero_()
    query[..., 0] = 2.0
    key[:, 0, :2, 0] = torch.tensor([150.0, 130.0])
    return case


def _a_square(seed, n, tile):
    """For each of many tokens a query and a key."""
    return _case("", 1, 1, n, n, 1, 1, tile, seed)


def _holds_nan(case, outputs):
    return case.name.startswith("scores of") and bool(outputs[0].isnan().any())


EXERCISE = Exercise(
    "10-slanted",
    "Prefer near keys, in tiles",
    points=4,
    reference=_slanted,
    cases=[
        _worked_slope(),
        _case("whole tiles", 2, 3, 6, 6, 4, 5, 3, seed=21),
        _case("a last tile cut short", 2, 3, 8, 8, 3, 2, 3, seed=22),
        _case("fewer queries than keys", 2, 3, 4, 9, 5, 3, 4, seed=23),
        _case("one new token", 3, 2, 1, 7, 4, 3, 2, seed=24),
        _case("one tile for all", 2, 2, 5, 5, 3, 4, 16, seed=25),
        _scores_of_200(),
        _all_low(),
        _steep(),
        _case("all sizes alike", 3, 3, 3, 3, 3, 3, 3, seed=26),
        _case("a long text", 1, 2, 40, 40, 3, 4, 5, seed=30),
    ],
    mistakes=[
        replace(one, shows=_holds_nan)
        if one.name == "exponentials that overflow"
        else one
        for one in named(mistaken, MISTAKES)
    ],
    right_answers=[_query_by_query, _in_pieces, _spread_over_d],
    properties=[
        no_table(
            _a_square,
            "Scores, mask and distances of one tile at a time; no tile is "
            "kept.",
            sentence=HALF_A_TABLE,
            watch=numbers_held,
            tries=3,
            seed=29,
            n=(512, 490, 530),
            tile=(16, 15, 18),
        ),
    ],
    tolerance=1e-4,
    outputs=("output", "lse"),
    axes={"output": "B H T d_v", "lse": "B H T"},
    parts=[
        Part(
            "whole",
            "a query for each key",
            2,
            tries=(
                "the worked example",
                "whole tiles",
                "a last tile cut short",
                "one tile for all",
                "all sizes alike",
            ),
            fresh=anew(
                _case,
                B=(2, 3),
                H=(2, 4),
                T=(5, 9),
                S=lambda random, drawn: drawn["T"],
                d_k=(3, 5),
                d_v=(2, 4),
                tile=(2, 4),
            ),
        ),
        Part(
            "last",
            "fewer queries than keys, large scores",
            1,
            tries=(
                "fewer queries than keys",
                "one new token",
                "scores of 200",
                "scores of -215",
                "a steep slope",
            ),
            fresh=anew(
                _case,
                B=(2, 3),
                H=(2, 4),
                S=(6, 9),
                T=up_to("S", least=2),
                d_k=(3, 5),
                d_v=(2, 4),
                tile=(2, 4),
            ),
        ),
        Part(
            "table",
            "no table of all pairs",
            1,
            tries=("a long text", HALF_A_TABLE),
            fresh=anew(
                _case,
                B=(1, 2),
                H=(2, 3),
                T=(18, 26),
                S=lambda random, drawn: drawn["T"],
                d_k=(3, 5),
                d_v=(2, 4),
                tile=(3, 6),
            ),
        ),
    ],
)
