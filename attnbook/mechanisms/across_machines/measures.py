"""How long messages, sums and attention take, and the line through times."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from statistics import median

import torch
from torch import Tensor

from attnbook.mechanisms.across_machines import costs
from attnbook.mechanisms.across_machines.collectives import (
    all_gather,
    all_reduce,
    all_to_all,
)
from attnbook.mechanisms.across_machines.group import Group
from attnbook.mechanisms.across_machines.layout import LAYOUTS, work
from attnbook.mechanisms.across_machines.ring import ring_attention

SIZES = tuple(4**i for i in range(2, 13))  # bytes, 16 to 16 Mi
OPERATIONS = (2**12, 2**16, 2**20, 2**24)  # bytes


def measure_exchange(
    group: Group, sizes: Iterable[int] = SIZES, repeats: int = 15
) -> list[dict[str, float]]:
    """Seconds that a step round the ring takes, by size of the message.

    Args:
        group: the ranks; all measure together.
        sizes: bytes of a message, multiples of 4.
        repeats: steps of each size, after two that do not count.

    Returns:
        For each size its `bytes`, the median `seconds` of this rank, and the
        `least`.
    """
    found = []
    for _ in range(2 * repeats):  # connections are made by their first use
        all_gather(group, torch.zeros(1, device=_device(group)))
    for size in sizes:
        x = torch.zeros(size // 4, device=_device(group))

        def step(x: Tensor = x) -> Tensor:
            return group.exchange(x, group.rank + 1, group.rank - 1)

        found.append({"bytes": size, **_seconds(step, repeats)})
    return found


def measure_operations(
    group: Group, sizes: Iterable[int] = OPERATIONS, repeats: int = 15
) -> list[dict[str, float | str]]:
    """Seconds of sums and exchanges, beside their messages and bytes.

    Args:
        group: the ranks; all measure together.
        sizes: bytes of the tensor on each rank, multiples of 4R.
        repeats: of each, after two that do not count.

    Returns:
        For each operation and size: `operation`, `bytes` of the tensor,
        `messages` and `sent` bytes of a rank, the median `seconds`, and the
        `least`.
    """
    found = []
    for size in sizes:
        x = torch.zeros(size // 4, device=_device(group))
        parts = list(x.chunk(group.size))
        for name, call, traffic in (
            (
                "all-reduce",
                lambda x=x: all_reduce(group, x),
                costs.all_reduce(len(x), group.size),
            ),
            (
                "all-to-all",
                lambda parts=parts: all_to_all(group, parts)[-1],
                costs.all_to_all(len(x), group.size),
            ),
        ):
            found.append(
                {
                    "operation": name,
                    "bytes": size,
                    "messages": traffic.messages,
                    "sent": int(traffic.sent),
                    **_seconds(call, repeats),
                }
            )
    return found


def measure_work(
    group: Group,
    n: int = 4096,
    heads: int = 4,
    d: int = 64,
    repeats: int = 5,
) -> list[dict[str, float | str]]:
    """Processor's seconds of ring attention on each rank, by layout.

    Causal, forward and backward. The clock counts what the process of a rank
    computes, not what it waits; so ranks may share a core.

    Args:
        group: the ranks.
        n: places of the sequence.
        heads: H.
        d: features of a head.
        repeats: of which the median is taken.

    Returns:
        For each layout and rank: `layout`, `rank`, the `scores` that it
        needs, those that are `computed`, the `sent` bytes, the `formula`
        for them, and `seconds`.
    """
    found = []
    shape = (1, heads, n // group.size, d)
    inputs = [
        torch.randn(shape, device=_device(group), requires_grad=True)
        for _ in range(3)
    ]
    formula = costs.ring_attention(n, heads * d, group.size).sent
    for layout in LAYOUTS:
        times = []
        for _ in range(repeats + 1):
            all_reduce(group, torch.zeros(1, device=_device(group)))
            before, began = group.sent, time.process_time()
            output = ring_attention(group, *inputs, layout=layout)
            torch.autograd.grad(output.sum(), inputs)
            times.append(time.process_time() - began)
            sent = group.sent - before
        mine = torch.tensor(
            [median(times[1:]), sent],
            dtype=torch.double,
            device=_device(group),
        )
        needed = heads * work(n, group.size, layout).sum(0)
        computed = heads * work(n, group.size, layout, masked=True).sum(0)
        for rank, (seconds, sent) in enumerate(
            all_gather(group, mine).tolist()
        ):
            found.append(
                {
                    "layout": layout,
                    "rank": rank,
                    "scores": int(needed[rank]),
                    "computed": int(computed[rank]),
                    "sent": int(sent),
                    "formula": int(formula),
                    "seconds": seconds,
                }
            )
    return found


def measure_flops(group: Group, n: int = 1024, repeats: int = 5) -> float:
    """Operations a second of a rank, in a product of two n × n matrices."""
    x = torch.ones(n, n, device=_device(group))
    return 2 * n**3 / _seconds(lambda: x @ x, repeats)["least"]


def _device(group: Group) -> torch.device:
    return getattr(group, "device", torch.device("cpu"))


def _seconds(call: Callable[[], Tensor], repeats: int) -> dict[str, float]:
    """The median and the least seconds of a call, until its result is there.

    The least is what the machine can do; other programs only add to it.
    """
    times = []
    for _ in range(repeats + 2):
        began = time.perf_counter()
        call().flatten()[:1].sum().item()
        times.append(time.perf_counter() - began)
    return {"seconds": median(times[2:]), "least": min(times[2:])}


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
