"""The recurrence h_t = exp(g_t) h_{t-1} + u_t, as loop and in parallel.

The selective scan of Mamba (Gu and Dao 2023) is this recurrence for each
channel and each number of its state.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from attnbook.mechanisms.shapes import require

Scan = Callable[[Tensor, Tensor], Tensor]


def scan_loop(log_decay: Tensor, update: Tensor) -> Tensor:
    """Step by step.

    Args:
        log_decay: g, (..., T, M), zero or less.
        update: u, (..., T, M).

    Returns:
        h, (..., T, M), from h = 0 before the first step.

    Raises:
        ValueError: if the shapes differ.
    """
    _check(log_decay, update)
    h = torch.zeros_like(update[..., 0, :])
    steps = []
    for a, u in zip(
        log_decay.exp().unbind(-2), update.unbind(-2), strict=True
    ):
        h = a * h + u
        steps.append(h)
    return torch.stack(steps, dim=-2)


def scan_parallel(log_decay: Tensor, update: Tensor) -> Tensor:
    """The same in about log2 T rounds: an associative scan.

    Two steps in a row, h → a h + u and h → b h + v, are one step of the same
    kind, h → ab h + (bu + v). Round r joins each step to the one 2ʳ places
    before it (Hillis and Steele 1986).

    Args:
        log_decay: g, (..., T, M), zero or less.
        update: u, (..., T, M).

    Returns:
        h, (..., T, M).

    Raises:
        ValueError: if the shapes differ.
    """
    _check(log_decay, update)
    a, h = log_decay.exp(), update
    reach, T = 1, update.shape[-2]
    while reach < T:
        late = a[..., reach:, :]
        joined = late * h[..., :-reach, :] + h[..., reach:, :]
        h = torch.cat([h[..., :reach, :], joined], dim=-2)
        product = late * a[..., :-reach, :]
        a = torch.cat([a[..., :reach, :], product], dim=-2)
        reach *= 2
    return h


def scan_two_cumsums(log_decay: Tensor, update: Tensor) -> Tensor:
    """The same by two cumulative sums, which overflows on long texts.

    h_t = exp(c_t) Σ_{s≤t} exp(-c_s) u_s, where c is the sum of g. exp(-c)
    passes the greatest float32 where -c passes 88.7: see `failing_length`.

    Args:
        log_decay: g, (..., T, M), zero or less.
        update: u, (..., T, M).

    Returns:
        h, (..., T, M).

    Raises:
        ValueError: if the shapes differ.
    """
    _check(log_decay, update)
    total = log_decay.cumsum(-2)
    return total.exp() * (update * (-total).exp()).cumsum(-2)


def failing_length(
    mean_log_decay: float, dtype: torch.dtype = torch.float32
) -> float:
    """The length at which `scan_two_cumsums` overflows, about.

    Args:
        mean_log_decay: of a step, less than 0.
        dtype: of the numbers.

    Raises:
        ValueError: if the mean is not negative.
    """
    if mean_log_decay >= 0:
        raise ValueError(
            f"mean_log_decay is {mean_log_decay}; expected less than 0"
        )
    return math.log(torch.finfo(dtype).max) / -mean_log_decay


def selective_scan(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    scan: Scan = scan_parallel,
) -> Tensor:
    """The selective scan of Mamba: Gu and Dao (2023), algorithm 2.

    Each channel d has a state of N numbers, which decays by exp(Δ A) and is
    written Δ B x; what is written and what is read, B and C, depend on the
    token. As in the published code, the decay is exact (zero-order hold) and
    B is not: it is multiplied by Δ.

    Args:
        x: (..., T, D).
        delta: Δ, (..., T, D), positive.
        A: (D, N), negative.
        B: (..., T, N).
        C: (..., T, N).
        scan: one of the scans of this module.

    Returns:
        y, (..., T, D).

    Raises:
        ValueError: if a shape does not fit.
    """
    require(x.ndim >= 2, "x", x.shape, "(..., T, D)")
    D = x.shape[-1]
    require(delta.shape == x.shape, "delta", delta.shape, f"{tuple(x.shape)}")
    require(A.ndim == 2 and len(A) == D, "A", A.shape, f"({D}, N)")
    wanted = (*x.shape[:-1], A.shape[1])
    require(B.shape == wanted, "B", B.shape, f"{tuple(wanted)}")
    require(C.shape == wanted, "C", C.shape, f"{tuple(wanted)}")
    log_decay = delta[..., None] * A  # (..., T, D, N)
    update = (delta * x)[..., None] * B[..., None, :]  # (..., T, D, N)
    h = scan(log_decay.flatten(-2), update.flatten(-2))
    h = h.unflatten(-1, A.shape)  # (..., T, D, N)
    return (h * C[..., None, :]).sum(-1)


def _check(log_decay: Tensor, update: Tensor) -> None:
    require(update.ndim >= 2, "update", update.shape, "(..., T, M)")
    require(
        log_decay.shape == update.shape,
        "log_decay",
        log_decay.shape,
        f"{tuple(update.shape)}, that of update",
    )
