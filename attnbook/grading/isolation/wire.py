"""Values as plain data, between a judge and a process it does not trust.

A value is written as JSON and raw bytes: the numbers of tensors and arrays
lie in the body of the message, in the order in which its header names them.
Nothing is ever unpickled or evaluated, and all that is not exactly as the
sender here would write it raises :class:`WireError`.

Values are ``None``, booleans, numbers, fractions and decimals too, strings,
bytes, lists, tuples, dicts, torch tensors, NumPy arrays and scalars. Whatever
else there is stays where it is, and a :class:`Mark` of it is sent.

Both sides use :mod:`~attnbook.grading.isolation.packing` to write and
:mod:`~attnbook.grading.isolation.unpacking` to read; here stands what these
two agree on. How much a value may hold stands in
:mod:`~attnbook.grading.isolation.bounds`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from attnbook.grading.isolation import bounds

TRAITS = frozenset(
    {"routine", "class", "call", "iter", "len", "item"}
    | {"float", "int", "bool"}
)  # what can be done with an object that a mark stands for

_SHARED_TYPES = (
    *("float16", "float32", "float64", "complex64", "complex128"),
    *("int8", "int16", "int32", "int64", "uint8", "bool"),
)
TORCH_TYPES = (*_SHARED_TYPES, "bfloat16")
NUMPY_TYPES = (*_SHARED_TYPES, "uint16", "uint32", "uint64")


class WireError(Exception):
    """What came over the socket is nothing that a sender here writes."""


class TooLargeError(ValueError):
    """A value cannot be judged: it is too large or too deep."""


@dataclass(frozen=True)
class Mark:
    """Stands for an object that stays in the process that has it.

    ``is_mine`` says whether it lives with the sender of the message;
    ``traits`` are those of :data:`TRAITS` that hold.
    """

    is_mine: bool
    number: int
    name: str = ""
    traits: tuple[str, ...] = ()


@dataclass(frozen=True)
class TensorNote:
    """What the numbers of a tensor do not tell: its place in a graph.

    ``number`` counts the sender's own leaves where ``is_own`` holds;
    otherwise, in a reply, the outputs that have a graph behind them.
    """

    requires_grad: bool = False
    is_leaf: bool = True
    is_own: bool = False
    number: int = 0


NO_NOTE = TensorNote()
TOO_LARGE = f"the value takes more than {bounds.MOST_BODY // 2**20} MiB"


def span(shape: Sequence[int], strides: Sequence[int]) -> int:
    """Return how many numbers lie between the first and the last."""
    if 0 in shape:
        return 0
    return 1 + sum(
        (size - 1) * stride
        for size, stride in zip(shape, strides, strict=True)
    )


def cleaned(text: str) -> str:
    """Take lone surrogates out of a string: no file could hold them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def identifier(name: Any, otherwise: str = "object") -> str:
    """Return a name as Python could write it, out of any."""
    name = re.sub(r"\W", "_", str(name)[: bounds.LONGEST_NAME], flags=re.ASCII)
    if name == "<lambda>" or name == "_lambda_":
        return "<lambda>"
    return name if name.isidentifier() else otherwise
