"""Sliding windows, computed without the scores outside of them."""

from __future__ import annotations

import torch
from torch import Tensor

from attnbook.mechanisms.long_context.parts import (
    attend_to_parts,
    column_part,
    near_part,
    require_self_attention,
    scaled,
)
from attnbook.mechanisms.long_context.patterns import (
    require_at_least_one,
    require_positions,
)
from attnbook.mechanisms.scaled_dot_product import (
    scaled_dot_product_attention,
)


def windowed_attention(
    query: Tensor, key: Tensor, value: Tensor, window: int, sinks: int = 0
) -> Tensor:
    """Attend to the last `window` keys, and to the first `sinks` of all.

    Equal to dense attention under `sink_mask`, with 2W + sinks scores a
    query in place of n.

    Args:
        query: (..., n, d_k).
        key: (..., n, d_k).
        value: (..., n, d_v).
        window: W, the query's own key among them.
        sinks: first keys that every later query may attend to.

    Returns:
        (..., n, d_v).

    Raises:
        ValueError: if a shape does not fit, the window is less than 1, or
            sinks less than 0.
    """
    require_self_attention(query, key, value)
    require_at_least_one(window=window)
    if sinks < 0:
        raise ValueError(f"sinks is {sinks}; expected at least 0")
    n = query.shape[-2]
    first = torch.arange(min(sinks, n), device=query.device)
    return _window_and(scaled(query), key, value, window, first)


def global_attention(
    query: Tensor, key: Tensor, value: Tensor, window: int, positions: Tensor
) -> Tensor:
    """Attend to a window and to global tokens, which attend to all.

    Equal to dense attention under `global_mask`, with 2W + g scores a query
    and n scores for each of the g global tokens.

    Args:
        query: (..., n, d_k).
        key: (..., n, d_k).
        value: (..., n, d_v).
        window: W, the query's own key among them.
        positions: (g,), of the global tokens.

    Returns:
        (..., n, d_v).

    Raises:
        ValueError: if a shape does not fit, the window is less than 1, or a
            position is not one of 0 to n - 1, or comes twice.
    """
    require_self_attention(query, key, value)
    require_at_least_one(window=window)
    n = query.shape[-2]
    require_positions(positions, n)
    output = _window_and(scaled(query), key, value, window, positions)
    before = torch.arange(n, device=query.device) <= positions[:, None]
    of_globals, _ = scaled_dot_product_attention(
        query[..., positions, :], key, value, before
    )  # (..., g, d_v)
    return output.index_copy(-2, positions, of_globals)


def _window_and(
    query: Tensor, key: Tensor, value: Tensor, window: int, positions: Tensor
) -> Tensor:
    """Attend to the window and to the keys at `positions` before it."""
    near = near_part(query, key, value, window)
    if len(positions) == 0:
        return attend_to_parts([near])
    own = torch.arange(query.shape[-2], device=query.device)[:, None]
    beyond = own - positions >= window  # (n, g): not in the window as well
    far = column_part(query, key, value, positions, beyond)
    return attend_to_parts([near, far])
