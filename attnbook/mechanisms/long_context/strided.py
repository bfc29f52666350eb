"""Dilated windows and strides: tokens laid out by the rest of a division.

Tokens whose positions leave the same rest when divided by r form a class.
Every r-th token backwards is a plain causal attention inside a class.
"""

from __future__ import annotations

import torch
from torch import Tensor

from attnbook.mechanisms.long_context.parts import (
    Part,
    attend_to_parts,
    in_blocks,
    near_part,
    require_self_attention,
    scaled,
)
from attnbook.mechanisms.long_context.patterns import require_at_least_one


def dilated_attention(
    query: Tensor, key: Tensor, value: Tensor, window: int, dilation: int
) -> Tensor:
    """Attend to every `dilation`-th key backwards, `window` of them.

    Equal to dense attention under `dilated_mask`, with 2W scores a query.

    Args:
        query: (..., n, d_k).
        key: (..., n, d_k).
        value: (..., n, d_v).
        window: W, the query's own key among them.
        dilation: the step from one key to the next.

    Returns:
        (..., n, d_v).

    Raises:
        ValueError: if a shape does not fit or a size is less than 1.
    """
    require_self_attention(query, key, value)
    require_at_least_one(window=window, dilation=dilation)
    n = query.shape[-2]
    q, k, v = (
        _by_class(x, dilation) for x in (scaled(query), key, value)
    )  # (..., r, M, d)
    output = attend_to_parts([near_part(q, k, v, window)])
    return _in_order(output, n)


def strided_attention(
    query: Tensor, key: Tensor, value: Tensor, window: int, stride: int
) -> Tensor:
    """Attend to the last `window` keys, and to every `stride`-th before.

    Equal to dense attention under `strided_mask`, with 2W + n/stride scores
    a query; with both at √n, n·√n·3 in all.

    Args:
        query: (..., n, d_k).
        key: (..., n, d_k).
        value: (..., n, d_v).
        window: W, the query's own key among them.
        stride: distance between two of the keys beyond the window.

    Returns:
        (..., n, d_v).

    Raises:
        ValueError: if a shape does not fit or a size is less than 1.
    """
    require_self_attention(query, key, value)
    require_at_least_one(window=window, stride=stride)
    query = scaled(query)
    return attend_to_parts(
        [
            near_part(query, key, value, window),
            _far_part(query, key, value, window, stride),
        ]
    )


def _far_part(
    query: Tensor, key: Tensor, value: Tensor, window: int, stride: int
) -> Part:
    """Every `stride`-th key that lies beyond the window."""
    n = query.shape[-2]
    q, k, v = (_by_class(x, stride) for x in (query, key, value))
    scores = _in_order(q @ k.mT, n)  # (..., n, M)
    own = torch.arange(n, device=query.device)[:, None]  # (n, 1)
    steps = torch.arange(k.shape[-2], device=query.device)  # (M,)
    at = own % stride + stride * steps  # (n, M): the keys of its class
    allowed = (at <= own) & (own - at >= window)

    def read(weights: Tensor) -> Tensor:
        return _in_order(_by_class(weights, stride) @ v, n)

    return Part(scores, allowed, read)


def _by_class(x: Tensor, r: int) -> Tensor:
    """Sort tokens by the rest of their position: to (..., r, M, d)."""
    return in_blocks(x, r).transpose(-3, -2)


def _in_order(x: Tensor, n: int) -> Tensor:
    """Undo `_by_class`: (..., n, d)."""
    return x.transpose(-3, -2).flatten(-3, -2)[..., :n, :]
