"""What a rank can do with the others: send something while it receives.

All that this chapter builds stands on one operation, `exchange`. So the bytes
that a rank sends can be counted, and the same code runs over processes
(`processes`) and over threads of one process (`simulated`).
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class RankLost(RuntimeError):  # noqa: N818
    """Another rank does not answer: it ended, failed, or does otherwise."""


class Group(Protocol):
    """R ranks that run the same program, seen from one of them.

    Attributes:
        rank: r, from 0 to R - 1.
        size: R.
        sent: bytes that this rank has sent to others so far.
        messages: how many messages these were.
    """

    rank: int
    size: int
    sent: int
    messages: int

    def exchange(
        self,
        x: Tensor,
        to: int,
        source: int,
        shape: tuple[int, ...] | None = None,
    ) -> Tensor:
        """Send a tensor to one rank, and receive one from another.

        Every rank must call it, in the same order, and their `to` and
        `source` must fit together. Ranks count round the ring: R is 0, and
        -1 is R - 1. What a rank sends to itself is not counted.

        Args:
            x: of any shape; what is sent.
            to: the rank that gets it.
            source: the rank that something comes from.
            shape: of what comes; that of x if left out. Its type and device
                are those of x.

        Returns:
            What came, of that shape. No gradient flows through it.

        Raises:
            RankLost: if the other rank has ended, or does not answer.
        """


def count(group: Group, x: Tensor) -> None:
    """Add one message to what a rank has sent."""
    group.sent += x.numel() * x.element_size()
    group.messages += 1
