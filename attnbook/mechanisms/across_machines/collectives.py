"""Sums, copies and exchanges among all ranks, by way of a ring.

Each is written with `Group.exchange` alone. With R ranks, and x the bytes of
the tensor, a rank sends

- `reduce_scatter`: x · (R - 1) / R
- `all_gather`: x · (R - 1), of its own share x
- `all_reduce`: 2x · (R - 1) / R, the two after each other
- `all_to_all`: what is for the others.

No rank sends more than another, and none is a bottleneck. The ring is that
of Patarasuk and Yuan (2009). None of these is differentiated: see
`differentiable`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook.mechanisms.across_machines.group import Group


def reduce_scatter(group: Group, x: Tensor) -> Tensor:
    """Sum over all ranks; rank r gets the r-th share of the sum.

    Args:
        x: (n, ...); R divides n.

    Returns:
        (n / R, ...).

    Raises:
        ValueError: if R does not divide n.
    """
    R, r = group.size, group.rank
    if len(x) % R:
        raise ValueError(
            f"x has {len(x)} rows; expected a multiple of {R}, the number "
            "of ranks"
        )
    share = x.chunk(R)
    moving = share[r - 1]
    for step in range(1, R):
        got = group.exchange(moving, to=r + 1, source=r - 1)
        moving = share[(r - 1 - step) % R] + got
    return moving  # each rank that it passed has added its part


def all_gather(group: Group, x: Tensor) -> Tensor:
    """Give every rank the tensors of all.

    Args:
        x: of the same shape on each rank.

    Returns:
        (R, *x.shape), by rank.
    """
    R, r = group.size, group.rank
    found = [x.detach()] * R
    for step in range(1, R):
        before = found[(r - step + 1) % R]
        found[(r - step) % R] = group.exchange(before, r + 1, r - 1)
    return torch.stack(found)


def all_reduce(group: Group, x: Tensor) -> Tensor:
    """Sum over all ranks; every rank gets the whole sum.

    Args:
        x: of any shape, the same on each rank.

    Returns:
        Of that shape, and the same to the last bit on each rank.
    """
    flat = padded(x.detach(), group.size)
    total = all_gather(group, reduce_scatter(group, flat))
    return total.flatten()[: x.numel()].view(x.shape)


def all_to_all(
    group: Group,
    parts: Sequence[Tensor],
    shapes: Sequence[tuple[int, ...]] | None = None,
) -> list[Tensor]:
    """Send the r-th part to rank r, and receive one from each.

    Args:
        parts: R tensors of one type.
        shapes: of what comes from each rank; those of `parts` if left out.

    Returns:
        R tensors, by the rank that they came from.

    Raises:
        ValueError: if there is not one part for each rank.
    """
    R, r = group.size, group.rank
    if len(parts) != R:
        raise ValueError(
            f"got {len(parts)} parts; expected {R}, one for each rank"
        )
    shapes = [part.shape for part in parts] if shapes is None else shapes
    found = [parts[r].detach()] * R
    for step in range(1, R):
        to, source = (r + step) % R, (r - step) % R
        found[source] = group.exchange(parts[to], to, source, shapes[source])
    return found


def padded(x: Tensor, multiple: int) -> Tensor:
    """All numbers of x in a row, and zeros up to a multiple."""
    flat = x.flatten()
    return F.pad(flat, (0, -len(flat) % multiple))
