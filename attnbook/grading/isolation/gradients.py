"""A call to the other side, as a node of the graph on this side."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from attnbook.grading.isolation.wire import WireError


class Node(torch.autograd.Function):
    """Stands in our graph for a call over there."""

    @staticmethod
    def forward(ctx, call, anchor, *inputs):
        peer, place, chosen, owns, outputs = call
        ctx.call = peer, place, chosen, owns
        ctx.era = peer.era
        ctx.forms = [(x.shape, x.dtype, x.requires_grad) for x in inputs]
        ctx.set_materialize_grads(False)
        return tuple(outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx, *gradients):
        peer, place, chosen, owns = ctx.call
        if peer.era != ctx.era:
            raise RuntimeError("the graph of an earlier call is gone")
        found = peer.ask("backward", (place, list(gradients), chosen, owns))
        if type(found) is not list or len(found) != len(ctx.forms):
            raise WireError("gradients do not fit the call")
        for gradient, (shape, dtype, _) in zip(found, ctx.forms, strict=True):
            if gradient is not None and not (
                isinstance(gradient, torch.Tensor)
                and gradient.shape == shape
                and gradient.dtype == dtype
            ):
                raise WireError("a gradient does not fit its tensor")
        wanted = (
            gradient if is_wanted else None
            for gradient, (_, _, is_wanted) in zip(
                found, ctx.forms, strict=True
            )
        )
        return None, None, *wanted


def anchor() -> torch.Tensor:
    """A leaf, so that outputs require gradients even where no input does."""
    return torch.empty(0, requires_grad=True)


def swapped(value: Any, new: dict) -> Any:
    """Put tensors in the place of others, by id."""
    if id(value) in new:
        return new[id(value)]
    if type(value) in (list, tuple):
        return type(value)(swapped(item, new) for item in value)
    if type(value) is dict:
        return {key: swapped(item, new) for key, item in value.items()}
    return value
