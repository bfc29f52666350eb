"""Bytes that each way to split a model sends, and the time that they take.

All numbers are of one rank, for one step of training (forward and backward).
Messages are sent one after the other, in `exchange`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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


# Peak in one direction, per GPU. Latency: what NCCL itself reckons with for a
# step of a ring in its protocol "Simple" (NVIDIA/nccl, src/graph/tuning.cc,
# `hwLat`, commit 01afd20). NVLink: stas00/ml-engineering, network/README.md.
# 400 Gbit/s between nodes, and 380 to 430 TFLOP/s that each GPU achieved in
# training, of which 400 is used here: Grattafiori et al. (2024).
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


# -- from which size it pays --------------------------------------------------


@dataclass(frozen=True)
class Scale:
    """How traffic and arithmetic of a scheme grow with one size.

    Attributes:
        size: what grows, in words.
        load: of that size, R and bytes per number; returns the traffic of a
            rank and its operations, forward and backward.
    """

    size: str
    load: Callable[[int, int, int], tuple[Traffic, float]]


TOKENS, WIDTH = 4096, 4096  # of a rank, where something else grows
PARAMETERS = 10**9


def _data(tokens: int, ranks: int, size: int) -> tuple[Traffic, float]:
    traffic = data_parallel(PARAMETERS, ranks, size)
    return traffic, 6.0 * PARAMETERS * tokens


def _tensor(width: int, ranks: int, size: int) -> tuple[Traffic, float]:
    # Four projections and two layers of 4D: 12D² weights.
    traffic = tensor_parallel(TOKENS, width, ranks, 2, size)
    return traffic, 6.0 * 12 * width**2 * TOKENS / ranks


def _experts(hidden: int, ranks: int, size: int) -> tuple[Traffic, float]:
    # Evenly spread: all but 1/R of the tokens go elsewhere, as many come.
    away = TOKENS - TOKENS // ranks
    traffic = expert_parallel(away, away, WIDTH, ranks, ranks, size)
    return traffic, 6.0 * 2 * WIDTH * hidden * TOKENS


def _ring(places: int, ranks: int, size: int) -> tuple[Traffic, float]:
    traffic = ring_attention(places, WIDTH, ranks, size)
    return traffic, attention_flops(places, WIDTH, ranks)


def _heads(places: int, ranks: int, size: int) -> tuple[Traffic, float]:
    traffic = attention_by_heads(places, WIDTH, ranks, size)
    return traffic, attention_flops(places, WIDTH, ranks)


SCALES = {
    "data": Scale("tokens of a rank", _data),
    "tensor": Scale("width of the model", _tensor),
    "experts": Scale("hidden features of an expert", _experts),
    "ring": Scale("places of the sequence", _ring),
    "heads": Scale("places of the sequence", _heads),
}


def attention_flops(places: int, width: int, ranks: int) -> float:
    """Operations of causal attention on a rank with 1/R of the work.

    Forward 4 · n² · H · d, half of it for the triangle. Backward has five
    products of matrices where forward has two.
    """
    return 3.5 * 2 * places**2 * width / ranks


def pays_from(scheme: str, link: Link, ranks: int, size: int = 2) -> int:
    """The least size at which messages take no longer than arithmetic.

    From there on a rank computes for at least half of the time, and messages
    that are sent meanwhile could be hidden. What else is fixed: a rank has
    4096 tokens, the model and its attention have width 4096.

    Args:
        scheme: a key of `SCALES`.
        link: between the ranks.
        ranks: R, at least 2.
        size: bytes of a number.

    Returns:
        The size, in the unit of `SCALES[scheme].size`.

    Raises:
        ValueError: if there is no such scheme, or only one rank.
    """
    if scheme not in SCALES or ranks < 2:
        raise ValueError(
            f"scheme is {scheme!r} and ranks is {ranks}; expected one of "
            + ", ".join(map(repr, SCALES))
            + ", and two ranks or more"
        )

    def pays(x: int) -> bool:
        traffic, flops = SCALES[scheme].load(x, ranks, size)
        return link.seconds(traffic) <= flops / link.flops

    above = 1
    while not pays(above):
        above *= 2
    below = above // 2
    while above - below > 1:
        middle = (above + below) // 2
        above, below = (middle, below) if pays(middle) else (above, middle)
    return above
