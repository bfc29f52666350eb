"""A call to the other side that ``torch.func`` can look through.

The transforms of ``torch.func`` hand wrapped tensors on, which hold no
numbers to send. So the call is told to torch as one step, with its rules:
it is made with the plain tensors, once for each member of a batch, and its
derivatives are made of backward passes over there, forward-mode ones too. They
can be had once, not of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.autograd import forward_ad
from torch.utils import _pytree as pytree

_ONCE = (
    "a function that was handed over can be differentiated once, and not a "
    "second time"
)


def through(call: Callable, arguments: tuple, keywords: dict) -> Any:
    """Make a call, so that the transforms that are at work see through it."""
    if (
        not torch._C._are_functorch_transforms_active()
        and forward_ad._current_level < 0
    ):
        return call(*arguments, **keywords)
    parts, form = pytree.tree_flatten((arguments, keywords))
    tensors = [part for part in parts if isinstance(part, torch.Tensor)]
    held = _Held(call, parts, form)
    return held.result(_Call.apply(held, *tensors))


class _Held:
    """One call: what it is made with, and what came of it."""

    def __init__(self, call: Callable, parts: list, form: Any) -> None:
        self._call, self._parts, self._form = call, parts, form
        self._found: tuple = ()  # the parts of the result, and its form
        self.inputs: list[torch.Tensor] = []
        self.outputs: list[torch.Tensor] = []
        self._rows: list[_Held] = []  # where it is made for a batch

    def make(self, tensors: tuple) -> None:
        """Make the call with plain tensors."""
        self.inputs = [_leaf(tensor) for tensor in tensors]
        parts = _replaced(self._parts, self.inputs)
        arguments, keywords = pytree.tree_unflatten(parts, self._form)
        result = self._call(*arguments, **keywords)
        self._found = pytree.tree_flatten(result)
        self.outputs = [
            part for part in self._found[0] if isinstance(part, torch.Tensor)
        ]

    def gradients(self, of_outputs: Sequence) -> tuple[torch.Tensor, ...]:
        """Return the gradients of the inputs; 0 where none flows."""
        pairs = [
            (output, gradient)
            for output, gradient in zip(self.outputs, of_outputs, strict=True)
            if gradient is not None and output.requires_grad
        ]
        leaves = [leaf for leaf in self.inputs if leaf.requires_grad]
        found: dict[int, torch.Tensor] = {}
        if pairs and leaves:
            outputs, given = zip(*pairs, strict=True)
            flowing = torch.autograd.grad(
                outputs, leaves, given, retain_graph=True, allow_unused=True
            )
            found = dict(zip(map(id, leaves), flowing, strict=True))
        return tuple(
            torch.zeros_like(leaf) if found.get(id(leaf)) is None
            else found[id(leaf)]
            for leaf in self.inputs
        )  # fmt: skip

    def split(self, size: int) -> None:
        """Let it be so many calls."""
        self._rows = [
            _Held(self._call, self._parts, self._form) for _ in range(size)
        ]

    def row(self, place: int) -> _Held:
        """Return the call of one member of a batch."""
        return self._rows[place] if self._rows else self

    @property
    def one(self) -> _Held:
        """The call, or the first that it has become."""
        return self._rows[0].one if self._rows else self

    def result(self, tensors: tuple) -> Any:
        """Return what the call returned, with other tensors in it."""
        parts, form = self.one._found
        return pytree.tree_unflatten(_replaced(parts, tensors), form)


def _leaf(tensor: torch.Tensor) -> torch.Tensor:
    plain = tensor.detach()
    return plain.requires_grad_() if plain.is_floating_point() else plain


def _replaced(parts: list, tensors: Any) -> list:
    left = iter(tensors)
    return [
        next(left) if isinstance(part, torch.Tensor) else part
        for part in parts
    ]


class _Step(torch.autograd.Function):
    """What is asked of the other side, with plain tensors, row by row."""

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.held, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        ctx.set_materialize_grads(False)

    @classmethod
    def _of_rows(cls, info, in_dims, held, tensors):
        found = [
            cls.apply(
                held.row(place),
                *(
                    tensor if dim is None else tensor.select(dim, place)
                    for tensor, dim in zip(tensors, in_dims[1:], strict=True)
                ),
            )
            for place in range(info.batch_size)
        ]
        stacked = tuple(map(torch.stack, zip(*found, strict=True)))
        return stacked, (0,) * len(stacked)


class _Call(_Step):
    """The call itself."""

    @staticmethod
    def setup_context(ctx, inputs, output):
        _Step.setup_context(ctx, inputs, output)
        ctx.mark_non_differentiable(
            *(
                tensor
                for tensor, plain in zip(
                    output, ctx.held.one.outputs, strict=True
                )
                if not plain.requires_grad
            )
        )

    @staticmethod
    def forward(held, *tensors):
        with torch.enable_grad():
            held.make(tensors)
        return tuple(output.detach() for output in held.outputs)

    @staticmethod
    def vmap(info, in_dims, held, *tensors):
        held.split(info.batch_size)
        return _Call._of_rows(info, in_dims, held, tensors)

    @staticmethod
    def backward(ctx, *gradients):
        return None, *_Back.apply(ctx.held, *ctx.saved_tensors, *gradients)

    @staticmethod
    def jvp(ctx, _, *tangents):
        found = _Ahead.apply(ctx.held, *ctx.saved_tensors, *tangents)
        return tuple(
            tangent if plain.requires_grad else None
            for tangent, plain in zip(found, ctx.held.one.outputs, strict=True)
        )


class _Once(_Step):
    """A derivative, of which none can be had.

    It is given the inputs too, so that nobody takes it for constant.
    """

    @staticmethod
    def backward(ctx, *gradients):
        raise RuntimeError(_ONCE)

    @staticmethod
    def jvp(ctx, *tangents):
        raise RuntimeError(_ONCE)


class _Back(_Once):
    """The gradients with respect to the inputs, from those of the outputs."""

    @staticmethod
    def forward(held, *given):
        return held.gradients(given[len(held.inputs) :])

    @staticmethod
    def vmap(info, in_dims, held, *given):
        return _Back._of_rows(info, in_dims, held, given)


class _Ahead(_Once):
    """The tangents of the outputs, from those of the inputs.

    Entry by entry, each by a backward pass.
    """

    @staticmethod
    def forward(held, *given):
        tangents = given[len(held.inputs) :]
        found = [torch.zeros_like(output) for output in held.outputs]
        for place, output in enumerate(held.outputs):
            for entry in range(output.numel() * output.requires_grad):
                picked: list = [None] * len(found)
                picked[place] = torch.zeros_like(output)
                picked[place].view(-1)[entry] = 1
                found[place].view(-1)[entry] = sum(
                    (gradient * tangent).sum()
                    for gradient, tangent in zip(
                        held.gradients(picked), tangents, strict=True
                    )
                    if tangent is not None
                )
        return tuple(found)

    @staticmethod
    def vmap(info, in_dims, held, *given):
        return _Ahead._of_rows(info, in_dims, held, given)
