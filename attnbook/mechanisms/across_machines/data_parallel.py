"""Every rank has the whole model and a part of the batch."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from attnbook.mechanisms.across_machines.collectives import (
    all_gather,
    all_reduce,
)
from attnbook.mechanisms.across_machines.group import Group


def backward_of_token_mean(
    group: Group, loss_sum: Tensor, tokens: Tensor | int
) -> Tensor:
    """Run the backward pass of the mean over all tokens of all ranks.

    Ranks have unequal numbers of tokens that count, because of padding. The
    mean of their means would give a token more weight where there are few,
    so the sums are added first, and divided once.

    Args:
        loss_sum: this rank's sum of the losses of its tokens, a scalar.
        tokens: how many these are.

    Returns:
        The mean over the tokens of all ranks, a scalar without a gradient,
        the same on each rank. The gradients are this rank's part of it: add
        them up with `sum_gradients`.

    Raises:
        ValueError: if no token of any rank counts.
    """
    number = torch.as_tensor(tokens, device=loss_sum.device)
    both = torch.stack([loss_sum.detach().double(), number.double()])
    total, number = all_reduce(group, both)
    if number == 0:
        raise ValueError(
            "no token of any rank counts; expected at least one, so that "
            "there is a mean"
        )
    (loss_sum / number.to(loss_sum.dtype)).backward()
    return (total / number).to(loss_sum.dtype)


def sum_gradients(group: Group, parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its sum over all ranks.

    They travel as one long vector: one sum for all, not one for each.

    Args:
        parameters: the same on each rank, in the same order; one without a
            gradient counts as zeros.
    """
    parameters = list(parameters)
    total = all_reduce(group, flat_gradients(parameters))
    put_gradients(parameters, total)


def flat_gradients(parameters: Iterable[nn.Parameter]) -> Tensor:
    """All gradients in a row, (P,)."""
    return torch.cat(
        [
            (torch.zeros_like(p) if p.grad is None else p.grad).flatten()
            for p in parameters
        ]
    )


def put_gradients(parameters: Iterable[nn.Parameter], flat: Tensor) -> None:
    """The inverse of `flat_gradients`."""
    begin = 0
    for p in parameters:
        p.grad = flat[begin : begin + p.numel()].view_as(p).clone()
        begin += p.numel()


def require_same(group: Group, parameters: Iterable[nn.Parameter]) -> None:
    """Raise a ValueError unless all ranks have the same weights.

    Ranks that start with other weights train other models, and the sum of
    their gradients fits none of them. Three sums of all weights are compared.
    """
    flat = torch.cat([p.detach().flatten() for p in parameters]).double()
    place = torch.arange(len(flat), dtype=flat.dtype, device=flat.device)
    sums = torch.stack(
        [flat.sum(), flat.square().sum(), (flat * place.sin()).sum()]
    )
    of_all = all_gather(group, sums)  # (R, 3)
    if not (of_all == of_all[0]).all():
        others = (of_all != of_all[0]).any(-1).nonzero().flatten().tolist()
        raise ValueError(
            f"ranks {others} have other weights than rank 0; expected the "
            "same on each: set the same seed before the model is made"
        )
