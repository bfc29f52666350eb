"""Communication that gradients pass through.

What a rank sends has an effect on the loss of the others, so the backward
pass sends too. Each operation says what it is backward.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from attnbook.mechanisms.across_machines.collectives import (
    all_reduce,
    all_to_all,
)
from attnbook.mechanisms.across_machines.group import Group


class _SumForward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        return all_reduce(group, x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class _SumBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        ctx.group = group
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return all_reduce(ctx.group, gradient), None


def sum_forward(group: Group, x: Tensor) -> Tensor:
    """Sum over ranks; backward the gradient as it is.

    For partial sums of what every rank then goes on with: the g of Shoeybi
    et al. (2019). All ranks compute the same loss from the sum, so
    each has the whole gradient already.
    """
    return _SumForward.apply(x, group)


def sum_backward(group: Group, x: Tensor) -> Tensor:
    """x as it is; backward the sum of the gradients over ranks.

    For what every rank has alike and uses in its own way: the f of Shoeybi et
    al. (2019).
    """
    return _SumBackward.apply(x, group)


class _AllToAll(torch.autograd.Function):
    @staticmethod
    def forward(ctx, group, shapes, *parts):
        ctx.group, ctx.shapes = group, [part.shape for part in parts]
        return tuple(all_to_all(group, parts, shapes))

    @staticmethod
    def backward(ctx, *gradients):
        return None, None, *all_to_all(ctx.group, gradients, ctx.shapes)


def exchanged(
    group: Group,
    parts: Sequence[Tensor],
    shapes: Sequence[tuple[int, ...]] | None = None,
) -> list[Tensor]:
    """As `all_to_all`; backward, each gradient goes back to who sent it."""
    return list(_AllToAll.apply(group, shapes, *parts))
