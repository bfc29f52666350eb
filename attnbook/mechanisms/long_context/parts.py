"""Attention whose keys come in parts: one softmax over all of them.

A sparse form computes the scores of a query in several pieces, each with the
keys laid out in the way that suits it: the nearest keys, every stride-th key,
the first keys. The softmax runs over all pieces together, so that the result
is that of dense attention under one mask.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook.mechanisms.masked_softmax import masked_softmax
from attnbook.mechanisms.shapes import require


class Part(NamedTuple):
    """Some keys of every query.

    `scores` is (..., T, m), `allowed` is boolean and broadcasts to it, and
    `read` turns weights (..., T, m) into outputs (..., T, d_v).
    """

    scores: Tensor
    allowed: Tensor
    read: Callable[[Tensor], Tensor]


def attend_to_parts(parts: Sequence[Part]) -> Tensor:
    """One softmax over the keys of all parts; the output, (..., T, d_v).

    No key may be allowed in two parts. A query with nothing to attend to
    gets zeros.
    """
    scores = torch.cat([part.scores for part in parts], dim=-1)
    allowed = torch.cat(
        [
            part.allowed.expand(scores.shape[-2], part.scores.shape[-1])
            if part.allowed.ndim <= 2
            else part.allowed.expand_as(part.scores)
            for part in parts
        ],
        dim=-1,
    )
    weights = masked_softmax(scores, allowed)  # (..., T, sum of m)
    sizes = [part.scores.shape[-1] for part in parts]
    outputs = [
        part.read(each)
        for part, each in zip(parts, weights.split(sizes, -1), strict=True)
    ]
    return sum(outputs[1:], start=outputs[0])


def near_part(query: Tensor, key: Tensor, value: Tensor, window: int) -> Part:
    """The last `window` keys of each query, in blocks.

    The tokens are cut into blocks of W. The keys of a block of queries lie
    in that block and in the one before it, so each query gets 2W scores, and
    n tokens 2Wn.

    Args:
        query: (..., n, d_k), scaled.
        key: (..., n, d_k).
        value: (..., n, d_v).
        window: W, the query's own key among them.
    """
    n = query.shape[-2]
    W = min(window, n)
    q = in_blocks(query, W)  # (..., N, W, d_k)
    k, v = (_with_the_one_before(in_blocks(x, W)) for x in (key, value))
    scores = q @ k.mT  # (..., N, W, 2W)
    own = torch.arange(n, device=query.device)[:, None]  # (n, 1)
    at = own // W * W - W + torch.arange(2 * W, device=query.device)  # (n, 2W)
    allowed = (at >= 0) & (at <= own) & (own - at < W)

    def read(weights: Tensor) -> Tensor:
        return from_blocks(in_blocks(weights, W) @ v, n)

    return Part(from_blocks(scores, n), allowed, read)


def column_part(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    positions: Tensor,
    allowed: Tensor,
) -> Part:
    """The same few keys for all queries.

    Args:
        query: (..., n, d_k), scaled.
        key: (..., n, d_k).
        value: (..., n, d_v).
        positions: (g,), of the keys.
        allowed: (n, g).
    """
    k, v = key[..., positions, :], value[..., positions, :]  # (..., g, d)
    return Part(query @ k.mT, allowed, lambda weights: weights @ v)


def in_blocks(x: Tensor, block: int) -> Tensor:
    """Cut tokens into blocks: (..., n, d) to (..., N, block, d).

    What is missing in the last block is filled with zeros.
    """
    missing = -x.shape[-2] % block
    return F.pad(x, (0, 0, 0, missing)).unflatten(-2, (-1, block))


def from_blocks(x: Tensor, n: int) -> Tensor:
    """Undo `in_blocks`: the first n tokens, (..., n, d)."""
    return x.flatten(-3, -2)[..., :n, :]


def _with_the_one_before(blocks: Tensor) -> Tensor:
    """Put each block behind its predecessor: (..., N, 2·block, d)."""
    before = F.pad(blocks, (0, 0, 0, 0, 1, 0))[..., :-1, :, :]
    return torch.cat([before, blocks], dim=-2)


def scaled(query: Tensor) -> Tensor:
    """The query times 1/√d_k."""
    return query / math.sqrt(query.shape[-1])


def require_self_attention(query: Tensor, key: Tensor, value: Tensor) -> None:
    """Raise a ValueError unless there is a key and a value for each query."""
    require(query.ndim >= 2, "query", query.shape, "(..., n, d_k)")
    require(
        key.shape == query.shape,
        "key",
        key.shape,
        f"{tuple(query.shape)}, the shape of query",
    )
    require(
        value.shape[:-1] == query.shape[:-1],
        "value",
        value.shape,
        f"{(*query.shape[:-1], 'd_v')}, one value for each key",
    )
