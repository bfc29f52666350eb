"""A group of processes, on one machine or several: `torch.distributed`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from attnbook.mechanisms.across_machines.group import Group, RankLost, count


class ProcessGroup:
    """This process as one rank of those that `torchrun` has started.

    Use it by way of `started`.
    """

    def __init__(self, device: torch.device):
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.sent = self.messages = 0
        self.device = device

    def exchange(
        self,
        x: Tensor,
        to: int,
        source: int,
        shape: tuple[int, ...] | None = None,
    ) -> Tensor:
        """As `Group.exchange` says."""
        to, source = to % self.size, source % self.size
        x = x.detach().contiguous()
        if to == self.rank:
            return x.clone()
        count(self, x)
        got = x.new_empty(x.shape if shape is None else shape)
        # One batch: sending first and receiving then could wait in a ring.
        both = [dist.P2POp(dist.irecv, got, source)] * bool(got.numel())
        both += [dist.P2POp(dist.isend, x, to)] * bool(x.numel())
        try:
            for work in dist.batch_isend_irecv(both) if both else ():
                work.wait()
        except RuntimeError as error:
            raise RankLost(
                f"rank {self.rank} could not send to rank {to} or receive "
                f"from rank {source}: one of them has ended. Start all of "
                "them again; the training goes on from its last checkpoint."
            ) from error
        return got


@contextmanager
def started(
    backend: str | None = None, patience: float = 60
) -> Iterator[Group]:
    """Join the other processes, and leave them at the end.

    Args:
        backend: "gloo" or "nccl"; if left out, NCCL where every process of
            this machine has a GPU of its own, else Gloo.
        patience: seconds that a rank waits for another.

    Yields:
        The group, whose `device` is where tensors must be.

    Raises:
        RuntimeError: if `torchrun` did not start this process.
    """
    if "RANK" not in os.environ:
        raise RuntimeError(
            "RANK is not set; expected to be started by torchrun: python -m "
            "torch.distributed.run --standalone --nproc-per-node 2 -m "
            "attnbook.mechanisms.across_machines.run …"
        )
    local = int(os.environ["LOCAL_RANK"])
    if backend is None:
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        has_gpus = torch.cuda.is_available()
        has_gpus = has_gpus and torch.cuda.device_count() >= here
        backend = "nccl" if has_gpus else "gloo"
    device = torch.device("cpu")
    if backend == "nccl":
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    dist.init_process_group(backend, timeout=timedelta(seconds=patience))
    yield ProcessGroup(device)
    # After a failure the others may be gone, and nobody waits for them.
    dist.destroy_process_group()
