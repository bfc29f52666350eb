"""Which keys a query may attend to: sparse patterns as masks.

Every mask is causal, (T, S), True where a key may be attended to. The T
queries are the *last* T of the S tokens, so that a mask also fits new tokens
behind a cache. A window of W holds W keys, the query's own among them.

A mask says what is allowed and saves nothing: all scores are computed first.
The functions of `windowed`, `strided` and `blocks` compute the same without
the other scores.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from attnbook.mechanisms.shapes import require


def distances(
    T: int, S: int | None = None, device: torch.device | str | None = None
) -> Tensor:
    """How far each key lies behind each query: (T, S), negative if ahead.

    Args:
        T: number of queries, the last ones.
        S: number of keys; T if left out.
        device: where it is made.

    Raises:
        ValueError: if there are fewer keys than queries, or no query.
    """
    S = T if S is None else S
    if not 1 <= T <= S:
        raise ValueError(
            f"there are {T} queries and {S} keys; expected at least one "
            "query, and a key for each, since the queries are the last tokens"
        )
    query = torch.arange(S - T, S, device=device)
    return query[:, None] - torch.arange(S, device=device)  # (T, S)


def window_mask(T: int, window: int, S: int | None = None) -> Tensor:
    """The last `window` keys, the query's own among them: (T, S).

    A causal sliding window, as in Beltagy et al. (2020), section 3.1, or
    Jiang et al. (2023), section 2.

    Args:
        T: number of queries.
        window: W, keys that a query may attend to, at most.
        S: number of keys; T if left out.

    Raises:
        ValueError: if the window is less than 1, or T and S do not fit.
    """
    require_at_least_one(window=window)
    far = distances(T, S)
    return (far >= 0) & (far < window)


def dilated_mask(
    T: int, window: int, dilation: int, S: int | None = None
) -> Tensor:
    """Every `dilation`-th key backwards, `window` of them: (T, S).

    Beltagy et al. (2020), section 3.1. It reaches (W - 1)·dilation back.

    Args:
        T: number of queries.
        window: W, keys that a query may attend to, at most.
        dilation: the step from one to the next; 1 is a plain window.
        S: number of keys; T if left out.

    Raises:
        ValueError: if a size is less than 1, or T and S do not fit.
    """
    require_at_least_one(window=window, dilation=dilation)
    far = distances(T, S)
    return (far >= 0) & (far < window * dilation) & (far % dilation == 0)


def strided_mask(
    T: int, window: int, stride: int, S: int | None = None
) -> Tensor:
    """A window, and every `stride`-th key backwards: (T, S).

    The strided pattern of Child et al. (2019), section 4.3, with both of its
    parts in one head. With window and stride at √S a query has about 2·√S
    keys, and any key before it is at most two steps away.

    Args:
        T: number of queries.
        window: W, the nearest keys.
        stride: distance between two of the others.
        S: number of keys; T if left out.

    Raises:
        ValueError: if a size is less than 1, or T and S do not fit.
    """
    require_at_least_one(window=window, stride=stride)
    far = distances(T, S)
    return (far >= 0) & ((far < window) | (far % stride == 0))


def sink_mask(T: int, window: int, sinks: int, S: int | None = None) -> Tensor:
    """A window, and the first `sinks` keys of all: (T, S).

    Xiao et al. (2024), section 3.2: attention sinks, kept in a stream.

    Args:
        T: number of queries.
        window: W, the nearest keys.
        sinks: how many first keys are kept; 0 is a plain window.
        S: number of keys; T if left out.

    Raises:
        ValueError: if the window is less than 1, sinks less than 0, or T and
            S do not fit.
    """
    require_at_least_one(window=window)
    if sinks < 0:
        raise ValueError(f"sinks is {sinks}; expected at least 0")
    far = distances(T, S)
    first = torch.arange(far.shape[1]) < sinks  # (S,)
    return (far >= 0) & ((far < window) | first)


def global_mask(T: int, window: int, positions: Tensor) -> Tensor:
    """A window, and some tokens that read all and that all read: (T, T).

    Global tokens of Beltagy et al. (2020), section 3.1, made causal: a
    global token reads all before it, and is read by all after it.

    Args:
        T: number of tokens.
        window: W, the nearest keys.
        positions: (g,), of the global tokens.

    Raises:
        ValueError: if the window is less than 1, or a position is not one of
            0 to T - 1, or comes twice.
    """
    require_at_least_one(window=window)
    require_positions(positions, T)
    far = distances(T)
    chosen = torch.zeros(T, dtype=torch.bool)
    chosen[positions] = True
    return (far >= 0) & ((far < window) | chosen | chosen[:, None])


def block_mask(layout: Tensor, block: int, T: int) -> Tensor:
    """Whole blocks of keys, chosen for whole blocks of queries: (T, T).

    Child et al. (2019), section 5.5, compute so. Within the blocks that the
    layout names, keys after the query stay masked.

    Args:
        layout: (N, N), boolean; True where a block of queries may attend to
            a block of keys.
        block: tokens in a block; the last block may be shorter.
        T: number of tokens, in N blocks.

    Raises:
        TypeError: if the layout is not boolean.
        ValueError: if the layout has not N rows and N columns.
    """
    require_layout(layout, block, T)
    whole = layout.repeat_interleave(block, 0).repeat_interleave(block, 1)
    return whole[:T, :T] & (distances(T) >= 0)


def root(T: int) -> int:
    """The stride of about √T at which window and stride cost the least."""
    return max(1, math.isqrt(T))


def keys_read(mask: Tensor) -> Tensor:
    """How many keys each query may attend to: (..., T)."""
    return mask.sum(-1)


def require_at_least_one(**sizes: int) -> None:
    """Raise a ValueError that names the first size below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}; expected at least 1")


def require_positions(positions: Tensor, T: int) -> None:
    """Raise a ValueError unless these are different positions below T."""
    require(positions.ndim == 1, "positions", positions.shape, "(g,)")
    found = positions.tolist()
    if len(set(found)) < len(found) or not all(0 <= p < T for p in found):
        raise ValueError(
            f"positions is {found}; expected different ones of 0 to {T - 1}"
        )


def require_layout(layout: Tensor, block: int, T: int) -> None:
    """Raise unless a boolean layout has a row and a column for each block."""
    require_at_least_one(block=block, T=T)
    if layout.dtype != torch.bool:
        raise TypeError(
            f"layout has dtype {layout.dtype}; expected torch.bool, where "
            "True means that the block may be attended to"
        )
    N = -(-T // block)
    require(
        layout.shape == (N, N),
        "layout",
        layout.shape,
        f"({N}, {N}): {T} tokens in blocks of {block}",
    )
