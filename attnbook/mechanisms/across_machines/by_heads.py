"""Attention over a split sequence: places are exchanged for heads.

Jacobs et al. (2023): before attention each rank gives away its places of
other ranks' heads, and gets all places of its own; afterwards the same back.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook.mechanisms.across_machines.differentiable import exchanged
from attnbook.mechanisms.across_machines.group import Group
from attnbook.mechanisms.shapes import require

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


def causal_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """PyTorch's own, on (B, H, n, d)."""
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


def attention_by_heads(
    group: Group,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention: Attention = causal_attention,
) -> Tensor:
    """Attend with H/R whole heads on each rank.

    Args:
        query: (B, H, n/R, d), the r-th of R contiguous shares of the places;
            R divides H.
        key: (B, H, n/R, d).
        value: (B, H, n/R, d).
        attention: maps three tensors (B, H/R, n, d) to one of that shape.

    Returns:
        (B, H, n/R, d).

    Raises:
        ValueError: if a shape does not fit, or R does not divide H.
    """
    require(query.ndim == 4, "query", query.shape, "(B, H, n/R, d)")
    for name, x in {"key": key, "value": value}.items():
        require(x.shape == query.shape, name, x.shape, str(query.shape))
    if query.shape[1] % group.size:
        raise ValueError(
            f"{query.shape[1]} heads cannot be split over {group.size} "
            "ranks; expected a multiple"
        )
    mine = [_to_heads(group, x) for x in (query, key, value)]
    return _to_places(group, attention(*mine))


def _to_heads(group: Group, x: Tensor) -> Tensor:
    """(B, H, n/R, d) to (B, H/R, n, d)."""
    return torch.cat(exchanged(group, x.chunk(group.size, 1)), 2)


def _to_places(group: Group, x: Tensor) -> Tensor:
    """(B, H/R, n, d) to (B, H, n/R, d)."""
    return torch.cat(exchanged(group, x.chunk(group.size, 2)), 1)
