"""Exercise 10.5: The backward pass, in tiles."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from attnbook.checks.flash_attention.backward_mistaken import mistaken
from attnbook.checks.flash_attention.backward_mistakes import MISTAKES
from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew, seed_from, up_to
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal
from attnbook.judging.watching import largest_tensor


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


def _by_autograd(query, key, value, output, lse, d_output, tile):
    """By PyTorch's own, a query at a time, so that no table is made."""
    T, S = query.shape[-2], key.shape[-2]
    leaves = [x.detach().requires_grad_() for x in (query, key, value)]
    slopes = [torch.zeros_like(x) for x in leaves]
    with torch.enable_grad():
        for t in range(T):
            q, seen = leaves[0][..., t : t + 1, :], S - T + t + 1
            k, v = leaves[1][..., :seen, :], leaves[2][..., :seen, :]
            weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
            found = torch.autograd.grad(
                weights @ v, leaves, d_output[..., t : t + 1, :]
            )
            slopes = [a + b for a, b in zip(slopes, found, strict=True)]
    return tuple(slopes)


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


def _no_table(answer, seed=49, n=96, tile=8):
    case = _case("", 1, 1, n, n, 3, 3, tile, seed)
    with largest_tensor(answer) as largest:
        answer(*case.arguments)
    return largest.amount < n * n // 4


def _no_table_anew(seed):
    random = np.random.default_rng(seed)
    return partial(
        _no_table,
        seed=seed_from(random) % 10**6,
        n=int(random.integers(90, 110)),
        tile=int(random.integers(6, 10)),
    )


NO_TABLE = "No tensor has an entry for each pair of a query and a key."

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
        _case("all sizes alike", 3, 3, 3, 3, 3, 3, 3, seed=47),
        _case("a long text", 1, 2, 40, 40, 3, 4, 5, seed=48),
    ],
    mistakes=named(mistaken, MISTAKES),
    right_answers=[_by_autograd, _by_key],
    properties=[
        Property(
            NO_TABLE,
            _no_table,
            "Weights, mask and slopes of one tile at a time.",
            anew=_no_table_anew,
        ),
    ],
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
            tries=("a long text", NO_TABLE),
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
