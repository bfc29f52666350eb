"""A group in one process: each rank is a thread, each message a queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from torch import Tensor

from attnbook.mechanisms.across_machines.group import Group, RankLost, count

PATIENCE = 30.0  # seconds


class SimulatedGroup:
    """One rank of a group of threads; see `simulate`.

    Args:
        rank: r.
        boxes: what is on its way, by sender and receiver.
        patience: seconds to wait for a message.
    """

    def __init__(
        self, rank: int, boxes: list[list[queue.SimpleQueue]], patience: float
    ):
        self.rank, self.size = rank, len(boxes)
        self.sent = self.messages = 0
        self._boxes, self._patience = boxes, patience

    def exchange(
        self,
        x: Tensor,
        to: int,
        source: int,
        shape: tuple[int, ...] | None = None,
    ) -> Tensor:
        """As `Group.exchange` says."""
        to, source = to % self.size, source % self.size
        shape = tuple(x.shape if shape is None else shape)
        if to != self.rank:
            count(self, x)
        # A copy: the sender may change its own afterwards.
        self._boxes[self.rank][to].put(x.detach().clone())
        try:
            got = self._boxes[source][self.rank].get(timeout=self._patience)
        except queue.Empty:
            raise RankLost(
                f"rank {self.rank} waited {self._patience:g} seconds for rank "
                f"{source}, which sent nothing. Do all ranks exchange the "
                "same things in the same order?"
            ) from None
        if isinstance(got, str):
            self._boxes[source][self.rank].put(got)  # whoever asks again
            raise RankLost(f"rank {self.rank} waits for rank {source}: {got}")
        if got.shape != shape or got.dtype != x.dtype:
            raise ValueError(
                f"rank {self.rank} expected {shape} of {x.dtype} from rank "
                f"{source}; it sent {tuple(got.shape)} of {got.dtype}"
            )
        return got

    def leave(self, reason: str) -> None:
        """Tell the others that nothing more comes from here."""
        for box in self._boxes[self.rank]:
            box.put(reason)


def simulate(
    size: int, program: Callable[[Group], Any], patience: float = PATIENCE
) -> list[Any]:
    """Run one program on R ranks, each a thread of this process.

    Threads share the random numbers of PyTorch: draw what all ranks should
    have alike before, or from a `torch.Generator` of each rank's own.

    Args:
        size: R, at least 1.
        program: called once per rank with its `Group`.
        patience: seconds that a rank waits for a message of another.

    Returns:
        What the program returned, by rank.

    Raises:
        ValueError: if there is no rank.
        Exception: the first that a rank raised; only if none raised another
            one, the `RankLost` of a rank that waited in vain.
    """
    if size < 1:
        raise ValueError(f"size is {size}; expected at least one rank")
    boxes = [[queue.SimpleQueue() for _ in range(size)] for _ in range(size)]
    groups = [SimulatedGroup(r, boxes, patience) for r in range(size)]
    results: list[Any] = [None] * size
    failures: list[BaseException] = []

    def run(group: SimulatedGroup) -> None:
        try:
            results[group.rank] = program(group)
            group.leave("it has ended its program, and sent nothing more")
        except BaseException as error:
            failures.append(error)
            group.leave(f"it has failed with {type(error).__name__}: {error}")

    threads = [
        threading.Thread(target=run, args=(group,), daemon=True)
        for group in groups
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise min(failures, key=lambda error: isinstance(error, RankLost))
    return results
