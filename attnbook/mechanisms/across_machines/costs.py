"""Bytes that each way to split a model sends, and the time that they take.

All numbers are of one rank, for one step of training (forward and backward).
Messages are sent one after the other, in `exchange`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Traffic:
    """What a rank sends.

    Attributes:
        sent: bytes.
        messages: how many.
    """

    sent: float
    messages: int

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(self.sent + other.sent, self.messages + other.messages)

    def __mul__(self, times: int) -> Traffic:
        return Traffic(self.sent * times, self.messages * times)


@dataclass(frozen=True)
class Link:
    """A connection between ranks: each message takes α + β · bytes.

    Attributes:
        name: what it is.
        latency: α, seconds per message.
        bandwidth: 1 / β, bytes a second in one direction.
        flops: operations a second of a rank, in practice.
        source: where the numbers come from.
    """

    name: str
    latency: float
    bandwidth: float
    flops: float
    source: str

    def seconds(self, traffic: Traffic) -> float:
        """How long a rank sends, with nothing else done meanwhile."""
        waiting = traffic.messages * self.latency
        return waiting + traffic.sent / self.bandwidth


# Peak in one direction, per GPU. NCCL's own model of the latency of a step
# of its ring ("Simple" protocol) is 3.4 µs over NVLink and 9.6 µs over the
# network: NVIDIA/nccl, src/graph/tuning.cc, `hwLat`. Bandwidth within a node:
# stas00/ml-engineering, network/README.md. 400 Gbit/s a GPU between nodes,
# and 400 TFLOP/s for each GPU: Grattafiori et al. (2024), section 3.3.
NVLINK = Link("NVLink 4", 3.4e-6, 450e9, 400e12, "nccl; ml-engineering")
NETWORK = Link("400 Gbit/s network", 9.6e-6, 50e9, 400e12, "nccl; Llama 3")


def all_reduce(numbers: int, ranks: int, size: int = 4) -> Traffic:
    """Of the ring: 2(R - 1) messages of a share each.

    Args:
        numbers: of the tensor, filled up to a multiple of R.
        ranks: R.
        size: bytes of a number.
    """
    share = math.ceil(numbers / ranks)
    steps = 2 * (ranks - 1)
    return Traffic(steps * share * size, steps)


def all_to_all(numbers: int, ranks: int, size: int = 4) -> Traffic:
    """Of equal parts: R - 1 messages of 1/R of the tensor."""
    steps = ranks - 1
    return Traffic(steps * numbers * size / ranks, steps)


def data_parallel(parameters: int, ranks: int, size: int = 4) -> Traffic:
    """The sum of the gradients, and of losses and tokens (as doubles)."""
    return all_reduce(parameters, ranks, size) + all_reduce(2, ranks, 8)


def sharded(parameters: int, ranks: int, size: int = 4) -> Traffic:
    """As `data_parallel`, and the sum of the squares of the gradient."""
    return data_parallel(parameters, ranks, size) + all_reduce(1, ranks, size)


def tensor_parallel(
    tokens: int, width: int, ranks: int, layers: int = 2, size: int = 4
) -> Traffic:
    """A sum forward and one backward in each layer.

    Args:
        tokens: B · T.
        width: D.
        ranks: R.
        layers: attention layers and feed-forward networks together.
        size: bytes of a number.
    """
    return all_reduce(tokens * width, ranks, size) * (2 * layers)


def expert_parallel(
    away: int, back: int, width: int, experts: int, ranks: int, size: int = 4
) -> Traffic:
    """Tokens there and results back, and the same of their gradients.

    Args:
        away: tokens of this rank that ask an expert of another, each counted
            once for each such expert.
        back: tokens of others that ask an expert of this rank.
        width: D.
        experts: E, of all ranks.
        ranks: R.
        size: bytes of a number.
    """
    numbers = Traffic((ranks - 1) * experts // ranks * 8, ranks - 1)
    # Tokens and, backward, gradients of results go out; results and the
    # gradients of tokens return.
    there = Traffic(2 * (away + back) * width * size, 4 * (ranks - 1))
    return numbers + there


def ring_attention(
    places: int, width: int, ranks: int, size: int = 4
) -> Traffic:
    """Keys and values round the ring, twice, and their gradients once.

    Forward they take R - 1 steps, backward R - 1 again; the gradients take
    one more, to the rank that they belong to.

    Args:
        places: n times B, of the whole sequence.
        width: H · d.
        ranks: R.
        size: bytes of a number.
    """
    if ranks == 1:
        return Traffic(0, 0)
    block = 2 * places * width * size / ranks  # keys and values
    steps = 3 * (ranks - 1) + 1
    return Traffic(steps * block, steps)


def attention_by_heads(
    places: int, width: int, ranks: int, size: int = 4
) -> Traffic:
    """Queries, keys, values and output change places, forward and backward.

    Args:
        as for `ring_attention`.
    """
    return all_to_all(places * width // ranks, ranks, size) * 8


def attention_flops(places: int, width: int, ranks: int) -> float:
    """Operations of causal attention on a rank with 1/R of the work.

    Forward 4 · n² · H · d, half of it for the triangle, and backward two and
    a half times as many (Dao 2023, section 4.1).
    """
    return 3.5 * 2 * places**2 * width / ranks


def pays_from(link: Link, width: int, ranks: int, size: int = 2) -> int:
    """The length from which a ring's messages fit behind its arithmetic.

    In each step of the forward pass a rank sends a block of keys and values
    while it computes with the one before. The n at which both take as long,
    where latency and bandwidth are those of the link; n above it pays.

    Args:
        link: between neighbours in the ring.
        width: H · d.
        ranks: R.
        size: bytes of a number.
    """
    # Zigzag: 2 · (n/R)² · width operations a step, 2 · (n/R) · width numbers.
    a = 2 * width / link.flops
    b = 2 * width * size / link.bandwidth
    m = (b + math.sqrt(b * b + 4 * a * link.latency)) / (2 * a)
    return math.ceil(m * ranks)
