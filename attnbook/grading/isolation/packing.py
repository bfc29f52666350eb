"""Writes a value as plain data: :mod:`attnbook.grading.isolation.wire`."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from attnbook.grading.isolation import bounds
from attnbook.grading.isolation.wire import (
    NO_NOTE,
    NUMPY_TYPES,
    TOO_LARGE,
    TORCH_TYPES,
    Mark,
    TensorNote,
    TooLargeError,
    span,
)


class Packer:
    """Encodes one value; ``buffers`` holds its raw bytes afterwards.

    Parameters
    ----------
    mark
        Returns the mark of an object that is not data.
    note
        Returns the note of a tensor that requires gradients.
    """

    def __init__(
        self,
        mark: Callable[[Any], Mark],
        note: Callable[[Any], TensorNote] = lambda tensor: NO_NOTE,
    ) -> None:
        self.buffers: list[bytes] = []
        self._mark = mark
        self._note = note
        self._seen: dict[int, int] = {}
        self._kept: list = []  # so that no id is used twice
        self._size = 0
        self._meant = 0
        self._items = 0

    def pack(self, value: Any, depth: int = 0) -> Any:
        """Return what stands for a value in the header.

        Raises
        ------
        TooLargeError
            When it is too large, too deep or has too many items.
        """
        self._items += 1
        if self._items > bounds.MOST_ITEMS:
            raise TooLargeError(
                f"the value has more than {bounds.MOST_ITEMS:,} items"
            )
        if depth > bounds.MOST_DEPTH:
            raise TooLargeError(
                f"the value is nested more than {bounds.MOST_DEPTH} deep"
            )
        if value is None or value is True or value is False:
            return value
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            return self._tensor(torch, value)
        if isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, np.generic):
            return self._scalar(value)
        if isinstance(value, int):
            return self._whole(int(value))
        if isinstance(value, float):
            return ["f", float(value).hex()]
        if isinstance(value, complex):
            value = complex(value)
            return ["c", value.real.hex(), value.imag.hex()]
        if isinstance(value, Fraction):
            parts = value.numerator, value.denominator
            return ["q", *map(self._whole, map(int, parts))]
        if isinstance(value, Decimal):
            return ["D", _decimal(value)]
        if isinstance(value, str):
            return str.__str__(value)[: bounds.LONGEST_TEXT]
        if isinstance(value, bytes):
            return self._raw(["b", len(value)], bytes(value))
        if isinstance(value, (list, tuple)):
            tag = "l" if isinstance(value, list) else "t"
            return [tag, *(self.pack(item, depth + 1) for item in value)]
        if isinstance(value, Mapping):
            if len(value) > bounds.MOST_KEYS:
                raise TooLargeError(
                    f"a dict has more than {bounds.MOST_KEYS:,} keys"
                )
            code = ["d"]
            for key, item in value.items():
                is_plain = _is_key(key)
                code.append(
                    self.pack(key, depth + 1)
                    if is_plain
                    else self._object(key)
                )
                code.append(self.pack(item, depth + 1))
            return code
        return self._object(value)

    def _object(self, value: Any) -> list:
        mark = value if isinstance(value, Mark) else self._mark(value)
        return [
            "o",
            mark.is_mine,
            mark.number,
            mark.name[: bounds.LONGEST_NAME],
            *mark.traits,
        ]

    def _whole(self, value: int) -> int:
        if value.bit_length() > bounds.MOST_BITS:
            raise TooLargeError(
                f"a whole number has more than {bounds.MOST_BITS:,} bits"
            )
        return value

    def _raw(self, head: list, data: bytes) -> list:
        self._size += len(data)
        if self._size > bounds.MOST_BODY:
            raise TooLargeError(TOO_LARGE)
        self.buffers.append(data)
        return head

    def _again(self, value: Any) -> list | None:
        """Return the reference to a tensor or array that was sent before."""
        _check_shape(value.shape, value.dtype.itemsize)
        self._meant += math.prod(value.shape) * value.dtype.itemsize
        if self._meant > 2 * bounds.MOST_BODY:
            raise TooLargeError(
                "the value stands for more than "
                f"{2 * bounds.MOST_BODY // 2**20} MiB"
            )
        before = self._seen.get(id(value))
        if before is not None:
            return ["=", before]
        self._seen[id(value)] = len(self._seen)
        self._kept.append(value)
        return None

    def _tensor(self, torch, value: Any) -> list:
        with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
            dtype = str(value.dtype).removeprefix("torch.")
            is_plain = (
                value.layout == torch.strided
                and value.device.type == "cpu"
                and dtype in TORCH_TYPES
                and not torch._C._functorch.is_functorch_wrapped_tensor(value)
            )
            if not is_plain:
                return self._object(value)
            again = self._again(value)
            if again is not None:
                return again
            note = self._note(value) if value.requires_grad else NO_NOTE
            data = value.detach().resolve_conj().resolve_neg()
            shape, strides = list(data.shape), None
            if not data.is_contiguous():
                behind = span(shape, data.stride())
                if behind <= data.numel():
                    strides = list(data.stride())
                    data = data.as_strided((behind,), (1,))
            if dtype == "bfloat16":  # NumPy has none
                data = data.contiguous().view(torch.int16)
            if dtype == "bool":  # another byte than 0 or 1 may stand in one
                data = data.view(torch.uint8) != 0
            head = [
                "T",
                dtype,
                note.requires_grad,
                note.is_leaf,
                note.is_own,
                note.number,
                shape,
                strides,
            ]
            return self._raw(head, data.numpy().tobytes())

    def _array(self, value: np.ndarray) -> list:
        name = _name(value.dtype)
        if name not in NUMPY_TYPES:
            return self._object(value)
        again = self._again(value)
        if again is not None:
            return again
        plain = value.view(np.ndarray).astype(name, copy=False)
        if name == "bool":  # another byte than 0 or 1 may stand in one
            plain = plain.view(np.uint8) != 0
        is_fortran = plain.flags.f_contiguous and not plain.flags.c_contiguous
        order = "F" if is_fortran else "C"
        head = ["A", name, order, list(plain.shape)]
        return self._raw(head, plain.tobytes(order))

    def _scalar(self, value: np.generic) -> Any:
        name = _name(value.dtype)
        if name not in NUMPY_TYPES:
            if isinstance(value, (str, bytes)):
                return self.pack(value.item())
            return self._object(value)
        return self._raw(["N", name], value.astype(name).tobytes())


def _decimal(value: Decimal) -> str:
    text = Decimal.__str__(value)
    if len(text) <= bounds.LONGEST_DECIMAL:
        return text
    short = Context(prec=bounds.LONGEST_DECIMAL // 2, traps=[])
    return Decimal.__str__(short.plus(value))


def _name(dtype: np.dtype) -> str:
    """Return the name of the type that numbers are sent as.

    Those of more digits than float64 are no wider there than here, and no
    check looks at more.
    """
    if dtype.char == "g":
        return "float64"
    return "complex128" if dtype.char == "G" else dtype.name


def _check_shape(shape: Sequence[int], size: int) -> None:
    """Refuse a shape that no reader takes, whatever it holds."""
    if len(shape) > bounds.MOST_DEPTH:
        raise TooLargeError(
            f"an array has {len(shape)} axes, more than {bounds.MOST_DEPTH}"
        )
    if math.prod(max(length, 1) for length in shape) * size > bounds.MOST_BODY:
        raise TooLargeError(
            TOO_LARGE
            if 0 not in shape
            else f"an array of the shape {tuple(shape)} is beyond measure"
        )


def _is_key(value: Any) -> bool:
    return (
        value is None
        or isinstance(value, (int, float, complex, str, bytes))
        or (isinstance(value, tuple) and all(map(_is_key, value)))
    )
