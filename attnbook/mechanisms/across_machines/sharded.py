"""The state of the optimiser, split over the ranks.

Rajbhandari et al. (2020), whose first stage this is: each rank keeps the
state of 1/R of the weights, and steps them for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from attnbook.mechanisms.across_machines.collectives import (
    all_gather,
    all_reduce,
    padded,
    reduce_scatter,
)
from attnbook.mechanisms.across_machines.data_parallel import flat_gradients
from attnbook.mechanisms.across_machines.group import Group


class ShardedOptimiser:
    """Sum the gradients, clip them, step a share, and gather the weights.

    It stands for `sum_gradients`, `clip_grad_norm_` and the step of the
    optimiser together, and sends as many bytes as the first of them.

    Args:
        group: the ranks.
        parameters: the same on each rank, in the same order.
        make: makes an optimiser that treats each number alike, such as
            `torch.optim.Adam`, of a list of parameters.
        most: the greatest norm of the gradient; None for no bound.
    """

    def __init__(
        self,
        group: Group,
        parameters: Iterable[nn.Parameter],
        make: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
        most: float | None = None,
    ):
        self.group, self.most = group, most
        self.parameters = list(parameters)
        flat = torch.cat([p.detach().flatten() for p in self.parameters])
        share = padded(flat, group.size).chunk(group.size)[group.rank]
        self.share = nn.Parameter(share.clone())  # (P / R,)
        self.optimiser = make([self.share])

    @torch.no_grad()
    def step(self) -> Tensor:
        """Take one step on the gradients of all ranks.

        Returns:
            The norm of the whole gradient before it was clipped, a scalar.
        """
        flat = padded(flat_gradients(self.parameters), self.group.size)
        gradient = reduce_scatter(self.group, flat)  # (P / R,)
        # The norm of the sum, of which every rank has only a share.
        norm = all_reduce(self.group, gradient.square().sum()).sqrt()
        if self.most is not None:
            gradient = gradient * (self.most / (norm + 1e-6)).clamp(max=1)
        self.share.grad = gradient
        self.optimiser.step()
        self._put(all_gather(self.group, self.share).flatten())
        return norm

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None

    def state(self) -> list[Tensor]:
        """The tensors that the optimiser keeps on this rank, by weight."""
        kept = self.optimiser.state[self.share].values()
        return [x for x in kept if x.shape == self.share.shape]

    def _put(self, flat: Tensor) -> None:
        begin = 0
        for p in self.parameters:
            p.copy_(flat[begin : begin + p.numel()].view_as(p))
            begin += p.numel()
