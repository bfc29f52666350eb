"""Exercise 10.5: The backward pass, in tiles."""

from __future__ import annotations

import torch

from attnbook.checks.flash_attention.backward_mistaken import mistaken
from attnbook.checks.flash_attention.backward_mistakes import MISTAKES
from attnbook.judging.derivatives import AUTOMATIC
from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.fresh_cases import anew, up_to
from attnbook.judging.named_mistakes import named
from attnbook.judging.tables_of_pairs import HALF_A_TABLE, no_table
from attnbook.judging.tensors import normal
from attnbook.judging.watching import numbers_held


def _backward(query, key, value, output, lse, d_output, tile):
    """Right, by tiles of keys, of which none lies ahead of all queries."""
    T, d = query.shape[-2:]
    S = key.shape[-2]
    scale = d**-0.5
    d_query, d_key, d_value = map(torch.zeros_like, (query, key, value))
    drop = (d_output * output).sum(-1, keepdim=True)
    place = torch.arange(S - T, S)[:, None]
    for begin in range(0, S, tile):
        keys = slice(begin, begin + tile)
        k, v = key[..., keys, :], value[..., keys, :]
        ahead = torch.arange(begin, begin + k.shape[-2]) > place
        scores = (scale * query @ k.mT).masked_fill(ahead, -torch.inf)
        weights = (scores - lse[..., None]).exp()
        d_scores = scale * weights * (d_output @ v.mT - drop)
        d_query += d_scores @ k
        d_key[..., keys, :] = d_scores.mT @ query
        d_value[..., keys, :] = weights.mT @ d_output
    return d_query, d_key, d_value


# -- right, written differently ----------------------------------------------


def _by_tiles_of_both(query, key, value, output, lse, d_output, tile):
    """Tiles of queries too; those above the diagonal are not read."""
    T, d = query.shape[-2:]
    S = key.shape[-2]
    d_query, d_key, d_value = map(torch.zeros_like, (query, key, value))
    drop = (d_output * output).sum(-1)
    for first in range(0, T, tile):
        rows = slice(first, min(first + tile, T))
        q, out = query[:, :, rows] / d**0.5, d_output[:, :, rows]
        place = torch.arange(S - T + first, S - T + rows.stop)[:, None]
        for begin in range(0, S - T + rows.stop, tile):
            keys = slice(begin, min(begin + tile, S))
            scores = torch.einsum("bhtd,bhsd->bhts", q, key[:, :, keys])
            seen = torch.arange(begin, keys.stop) <= place
            weights = torch.where(
                seen, (scores - lse[:, :, rows, None]).exp(), 0.0
            )
            d_weights = torch.einsum("bhtv,bhsv->bhts", out, value[:, :, keys])
            slopes = weights * (d_weights - drop[:, :, rows, None])
            d_query[:, :, rows] += slopes @ key[:, :, keys] / d**0.5
            d_key[:, :, keys] += slopes.mT @ q
            d_value[:, :, keys] += weights.mT @ out
    return d_query, d_key, d_value


def _by_key(query, key, value, output, lse, d_output, tile):
    """One key at a time: columns of the weights, no tiles."""
    T, d = query.shape[-2:]
    S = key.shape[-2]
    drop = torch.einsum("bhtv,bhtv->bht", d_output, output)
    rows, k_rows, v_rows = torch.zeros_like(query), [], []
    for s in range(S):
        first = max(0, s - (S - T))  # the first query that sees the key
        q, out = query[:, :, first:], d_output[:, :, first:]
        scores = torch.einsum("bhtd,bhd->bht", q, key[:, :, s]) / d**0.5
        weights = (scores - lse[:, :, first:]).exp()
        towards = torch.einsum("bhtv,bhv->bht", out, value[:, :, s])
        slope = weights * (towards - drop[:, :, first:]) / d**0.5
        rows[:, :, first:] += slope[..., None] * key[:, :, s, None]
        k_rows.append(torch.einsum("bht,bhtd->bhd", slope, q))
        v_rows.append(torch.einsum("bht,bhtv->bhv", weights, out))
    return rows, torch.stack(k_rows, 2), torch.stack(v_rows, 2)


# -- cases -------------------------------------------------------------------


def _with_outputs(name, query, key, value, d_output, tile):
    """Add what the forward pass has kept, in double precision first."""
    T, S = query.shape[-2], key.shape[-2]
    q, k, v = (x.double() for x in (query, key, value))
    scores = q @ k.mT / q.shape[-1] ** 0.5
    ahead = torch.arange(S) > torch.arange(S - T, S)[:, None]
    scores = scores.masked_fill(ahead, -torch.inf)
    output, lse = scores.softmax(-1) @ v, scores.logsumexp(-1)
    return Case(
        name,
        (query, key, value, output.float(), lse.float(), d_output, tile),
    )


def _case(name, B, H, T, S, d_k, d_v, tile, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return _with_outputs(
        name,
        normal(generator, B, H, T, d_k, scale=scale),
        normal(generator, B, H, S, d_k, scale=scale),
        normal(generator, B, H, S, d_v),
        normal(generator, B, H, T, d_v),
        tile,
    )


def _worked_back():
    """Two tokens, queries of 0: the weights are 1, then a half each."""
    query = torch.zeros(1, 1, 2, 1)
    key = torch.tensor([1.0, 3.0]).view(1, 1, 2, 1)
    value = torch.tensor([2.0, 6.0]).view(1, 1, 2, 1)
    d_output = torch.ones(1, 1, 2, 1)
    return _with_outputs("the worked example", query, key, value, d_output, 1)


def _scores_of_200():
    """Rows of scores between -200 and 200."""
    return _case("scores of 200", 2, 2, 6, 6, 4, 3, 2, 46, scale=10.0)


def _all_low():
    """Scores below -215, of the first query too, which sees one key."""
    generator = torch.Generator().manual_seed(50)
    query, key = torch.zeros(1, 2, 5, 4), torch.zeros(1, 2, 5, 4)
    query[..., 0] = 2.0
    query[:, 1, 1::2, 0] = -2.0
    key[..., 0] = -217 + normal(generator, 1, 2, 5).clamp(-1, 1)
    key[:, :, 0, 0] = -219.5
    value, d_output = (normal(generator, 1, 2, 5, 3) for _ in range(2))
    return _with_outputs("scores of -215", query, key, value, d_output, 2)


def _a_square(seed, n, tile):
    """For each of many tokens a query and a key."""
    return _case("", 1, 1, n, n, 1, 1, tile, seed)


EXERCISE = Exercise(
    "10-backward",
    "The backward pass, in tiles",
    points=5,
    reference=_backward,
    cases=[
        _worked_back(),
        _case("whole tiles", 2, 2, 6, 6, 4, 5, 3, seed=41),
        _case("a last tile cut short", 2, 3, 7, 7, 3, 2, 3, seed=42),
        _case("fewer queries than keys", 2, 3, 4, 9, 5, 3, 4, seed=43),
        _case("one new token", 3, 2, 1, 7, 4, 3, 2, seed=44),
        _case("one tile for all", 2, 2, 5, 5, 3, 4, 16, seed=45),
        _scores_of_200(),
        _all_low(),
        _case("all sizes alike", 3, 3, 3, 3, 3, 3, 3, seed=47),
        _case("a long text", 1, 2, 40, 40, 3, 4, 5, seed=48),
    ],
    mistakes=named(mistaken, MISTAKES),
    right_answers=[_by_tiles_of_both, _by_key],
    properties=[
        no_table(
            _a_square,
            "Scores, weights and mask of one tile at a time; no tile is kept.",
            sentence=HALF_A_TABLE,
            watch=numbers_held,
            tries=3,
            seed=49,
            n=(512, 490, 530),
            tile=(16, 15, 18),
        ),
    ],
    forbidden=(
        *AUTOMATIC,
        "torch.nn.functional.scaled_dot_product_attention",
    ),
    tolerance=1e-4,
    outputs=("d_query", "d_key", "d_value"),
    axes={
        "d_query": "B H T d_k",
        "d_key": "B H S d_k",
        "d_value": "B H S d_v",
    },
    parts=[
        Part(
            "values",
            "the gradient of the values",
            1,
            tries=("whole tiles", "a last tile cut short", "one tile for all"),
            outputs=("d_value",),
            fresh=anew(
                _case,
                B=(2, 3),
                H=(2, 3),
                T=(5, 8),
                S=lambda random, drawn: drawn["T"],
                d_k=(3, 5),
                d_v=(2, 4),
                tile=(2, 4),
            ),
        ),
        Part(
            "scores",
            "the gradients of queries and keys",
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
                H=(2, 3),
                T=(5, 8),
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
            ),
            fresh=anew(
                _case,
                B=(2, 3),
                H=(2, 3),
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
