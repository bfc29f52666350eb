"""How long a message takes, measured, and the line through the times."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from statistics import median

import torch

from attnbook.mechanisms.across_machines.group import Group

SIZES = tuple(4**i for i in range(2, 13))  # bytes, 16 to 16 Mi


def measure_exchange(
    group: Group, sizes: Iterable[int] = SIZES, repeats: int = 15
) -> list[dict[str, float]]:
    """Seconds that a step round the ring takes, by size of the message.

    Args:
        group: the ranks; all measure together.
        sizes: bytes of a message, multiples of 4.
        repeats: steps of each size, after two that do not count.

    Returns:
        For each size its `bytes`, and the median `seconds` of this rank.
    """
    device = getattr(group, "device", torch.device("cpu"))
    found = []
    for size in sizes:
        x = torch.zeros(size // 4, device=device)
        times = []
        for _ in range(repeats + 2):
            began = time.perf_counter()
            got = group.exchange(x, group.rank + 1, group.rank - 1)
            got[:1].sum().item()  # it has come
            times.append(time.perf_counter() - began)
        found.append({"bytes": size, "seconds": median(times[2:])})
    return found


def fitted(
    sizes: Iterable[float], seconds: Iterable[float]
) -> tuple[float, float]:
    """Latency α and bandwidth 1/β of the line α + β · bytes.

    The line has the least sum of squares of *relative* errors, so that short
    messages count as much as long ones; neither α nor β may be negative.

    Args:
        sizes: bytes of messages.
        seconds: that they took.

    Returns:
        seconds of latency, and bytes a second.

    Raises:
        ValueError: if there are fewer than two sizes.
    """
    points = [(1 / t, s / t) for s, t in zip(sizes, seconds, strict=True)]
    if len({b / a for a, b in points}) < 2:
        raise ValueError(
            f"got {len(points)} times; expected those of two sizes or more"
        )
    aa = math.fsum(a * a for a, _ in points)
    ab = math.fsum(a * b for a, b in points)
    bb = math.fsum(b * b for _, b in points)
    a, b = math.fsum(a for a, _ in points), math.fsum(b for _, b in points)
    determinant = aa * bb - ab * ab
    alpha = (bb * a - ab * b) / determinant
    beta = (aa * b - ab * a) / determinant
    if alpha < 0:
        alpha, beta = 0.0, b / bb
    if beta <= 0:
        return a / aa, math.inf
    return alpha, 1 / beta
