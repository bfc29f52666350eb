"""Chosen blocks and chosen keys, gathered: what is not chosen is not read."""

from __future__ import annotations

import torch
from torch import Tensor

from attnbook.mechanisms.long_context.parts import (
    from_blocks,
    in_blocks,
    require_self_attention,
    scaled,
)
from attnbook.mechanisms.long_context.patterns import require_layout
from attnbook.mechanisms.masked_softmax import masked_softmax
from attnbook.mechanisms.shapes import require


def block_sparse_attention(
    query: Tensor, key: Tensor, value: Tensor, layout: Tensor, block: int
) -> Tensor:
    """Attend to the blocks of keys that a layout names.

    Equal to dense attention under `block_mask`. The blocks of keys are
    gathered for each block of queries; a row of the layout with fewer blocks
    than the fullest one is filled up with masked ones.

    Args:
        query: (..., n, d_k).
        key: (..., n, d_k).
        value: (..., n, d_v).
        layout: (N, N), boolean; True where a block of queries may attend to
            a block of keys. What lies ahead stays masked.
        block: tokens in a block; the last block may be shorter.

    Returns:
        (..., n, d_v).

    Raises:
        TypeError: if the layout is not boolean.
        ValueError: if a shape does not fit.
    """
    require_self_attention(query, key, value)
    n = query.shape[-2]
    require_layout(layout, block, n)
    layout = layout.tril()
    m = max(1, int(layout.sum(-1).max()))  # blocks that are read, at most
    chosen, which = layout.int().topk(m, dim=-1)  # (N, m) each
    q = in_blocks(scaled(query), block)  # (..., N, b, d_k)
    k, v = (
        in_blocks(x, block)[..., which, :, :].flatten(-3, -2)
        for x in (key, value)
    )  # (..., N, m·b, d)
    inside = torch.arange(block, device=query.device)
    at = (which[..., None] * block + inside).flatten(-2)  # (N, m·b)
    own = torch.arange(len(layout), device=query.device)[:, None] * block
    allowed = at[:, None] <= (own + inside)[..., None]  # (N, b, m·b)
    allowed &= chosen.bool().repeat_interleave(block, -1)[:, None]
    weights = masked_softmax(q @ k.mT, allowed)  # (..., N, b, m·b)
    return from_blocks(weights @ v, n)


def selected_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    index: Tensor,
    allowed: Tensor | None = None,
) -> Tensor:
    """Attend to keys that are named for each query.

    Equal to dense attention under the mask that is True at `index`, with m
    scores a query. Each key is copied as often as it is named.

    Args:
        query: (..., T, d_k).
        key: (..., S, d_k).
        value: (..., S, d_v).
        index: (..., T, m), positions of keys; no key twice among those that
            are allowed.
        allowed: boolean, (..., T, m); False where an entry of `index` does
            not count. A query with none gets zeros.

    Returns:
        (..., T, d_v).

    Raises:
        ValueError: if a shape does not fit, or an index is outside of
            0 to S - 1.
    """
    S = key.shape[-2]
    require(
        value.shape[:-1] == key.shape[:-1],
        "value",
        value.shape,
        f"{(*key.shape[:-1], 'd_v')}, one value for each key",
    )
    require(
        index.shape[-2] == query.shape[-2],
        "index",
        index.shape,
        f"(..., {query.shape[-2]}, m), a row for each query",
    )
    if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < S:
        raise ValueError(
            f"index holds {int(index.min())} to {int(index.max())}; expected "
            f"0 to {S - 1}, the positions of the keys"
        )
    k, v = _gathered(key, index), _gathered(value, index)  # (..., T, m, d)
    scores = (scaled(query)[..., None, :] * k).sum(-1)  # (..., T, m)
    weights = masked_softmax(scores, allowed)
    return (weights[..., None, :] @ v)[..., 0, :]  # (..., T, d_v)


def mask_of(index: Tensor, allowed: Tensor, S: int) -> Tensor:
    """The mask that is True at the named keys: (..., T, S).

    Args:
        index: (..., T, m).
        allowed: boolean, of the same shape; False where it does not count.
        S: number of keys.
    """
    counted = torch.zeros(*index.shape[:-1], S, device=index.device)
    return counted.scatter_add(-1, index, allowed.float()) > 0


def _gathered(x: Tensor, index: Tensor) -> Tensor:
    """The rows of x that each query names: (..., S, d) to (..., T, m, d)."""
    lead = torch.broadcast_shapes(x.shape[:-2], index.shape[:-2])
    T, m = index.shape[-2:]
    x = x.expand(*lead, *x.shape[-2:])
    rows = index.expand(*lead, T, m).flatten(-2)[..., None]  # (..., T·m, 1)
    rows = rows.expand(*lead, T * m, x.shape[-1])
    return x.gather(-2, rows).unflatten(-2, (T, m))
