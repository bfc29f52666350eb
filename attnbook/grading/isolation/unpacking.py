"""Reads plain data, and refuses whatever no sender here would write."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from attnbook.grading.isolation import bounds
from attnbook.grading.isolation.wire import (
    NUMPY_TYPES,
    TORCH_TYPES,
    TRAITS,
    Mark,
    TensorNote,
    WireError,
    cleaned,
    identifier,
    span,
)


class Unpacker:
    """Decodes one value from a header and a body.

    Parameters
    ----------
    mark
        Returns what is to stand for a mark.
    tensor
        Returns what is to stand for a tensor, from it and its note.
    """

    def __init__(
        self,
        body: memoryview,
        mark: Callable[[Mark], Any],
        tensor: Callable[[Any, TensorNote], Any] = lambda tensor, note: tensor,
    ) -> None:
        self._body = body
        self._place = 0
        self._mark = mark
        self._tensor = tensor
        self._seen: list = []
        self._items = 0
        self._size = 0

    def unpack(self, code: Any) -> Any:
        """Return the value.

        Raises
        ------
        WireError
            When anything about it is odd.
        """
        value = self._value(code, 0)
        if self._place != len(self._body):
            raise WireError(
                f"{len(self._body) - self._place} bytes too many in the body"
            )
        return value

    def _value(self, code: Any, depth: int) -> Any:
        self._items += 1
        if self._items > bounds.MOST_ITEMS or depth > bounds.MOST_DEPTH:
            raise WireError("a value is too deep or has too many items")
        if code is None or code is True or code is False:
            return code
        if type(code) is int:
            return code
        if type(code) is str:
            if len(code) > bounds.LONGEST_TEXT:
                raise WireError("a string is too long")
            return cleaned(code)
        if type(code) is not list or not code or type(code[0]) is not str:
            raise WireError("a value is not of a known form")
        reader = _READERS.get(code[0])
        if reader is None:
            raise WireError("a value is of an unknown kind")
        return reader(self, code, depth)

    def _read_list(self, code: list, depth: int) -> list:
        return [self._value(item, depth + 1) for item in code[1:]]

    def _read_tuple(self, code: list, depth: int) -> tuple:
        return tuple(self._read_list(code, depth))

    def _read_dict(self, code: list, depth: int) -> dict:
        if len(code) % 2 == 0:
            raise WireError("a dict has a key without a value")
        if len(code) > 2 * bounds.MOST_KEYS:
            raise WireError("a dict has too many keys")
        items = self._read_list(code, depth)
        found = {}
        for key, value in zip(items[::2], items[1::2], strict=True):
            try:
                is_new = key not in found
            except TypeError:
                is_new = False
            if not is_new:
                raise WireError("a dict has a key twice or an unfit one")
            found[key] = value
        return found

    def _read_float(self, code: list, depth: int) -> float:
        _expect(code, str)
        return _float(code[1])

    def _read_complex(self, code: list, depth: int) -> complex:
        _expect(code, str, str)
        return complex(_float(code[1]), _float(code[2]))

    def _read_fraction(self, code: list, depth: int) -> Fraction:
        _expect(code, int, int)
        over, under = code[1:]
        if under < 1 or math.gcd(over, under) != 1:
            raise WireError("a fraction is not written as expected")
        return Fraction(over, under)

    def _read_decimal(self, code: list, depth: int) -> Decimal:
        _expect(code, str)
        if len(code[1]) > bounds.LONGEST_DECIMAL:
            raise WireError("a decimal number is too long")
        try:
            return Decimal(code[1])
        except ArithmeticError:
            raise WireError("a number is not written as expected") from None

    def _read_bytes(self, code: list, depth: int) -> bytes:
        _expect(code, int)
        return bytes(self._raw(code[1]))

    def _read_again(self, code: list, depth: int) -> Any:
        _expect(code, int)
        if not 0 <= code[1] < len(self._seen):
            raise WireError("a value refers to one that never came")
        self._add(_bytes_of(self._seen[code[1]]))
        return self._seen[code[1]]

    def _add(self, size: int) -> None:
        """Count what values stand for, however few bytes they came in."""
        self._size += size
        if self._size > 2 * bounds.MOST_BODY:
            raise WireError("a message stands for too much")

    def _read_object(self, code: list, depth: int) -> Any:
        _expect(code[:4], bool, int, str)
        traits = tuple(code[4:])
        if (
            not all(type(trait) is str for trait in traits)
            or not TRAITS.issuperset(traits)
            or len(set(traits)) < len(traits)
            or not 0 <= code[2] < 2**53
            or code[3] != (identifier(code[3]) if code[1] else "")
        ):
            raise WireError("a mark is not of a known form")
        return self._mark(Mark(*code[1:4], traits))

    def _read_tensor(self, code: list, depth: int) -> Any:
        import torch

        _expect(code, str, bool, bool, bool, int, list, (list, None))
        name, *note, shape, strides = code[1:]
        if name not in TORCH_TYPES or not 0 <= note[-1] < 2**53:
            raise WireError("a tensor is of an unknown type")
        dtype = getattr(torch, name)
        is_smooth = dtype.is_floating_point or dtype.is_complex
        if note[0] and not is_smooth:
            raise WireError("a tensor of whole numbers requires a gradient")
        count = _count(shape, dtype.itemsize)
        if strides is not None:
            count = _strided(shape, strides, count)
        data = bytearray(self._raw(count * dtype.itemsize))
        if dtype == torch.bool:
            _check_booleans(data)
        if data:
            # No view of another tensor, as it was none.
            storage = torch.frombuffer(data, dtype=dtype).untyped_storage()
            strides = _contiguous(shape) if strides is None else strides
            tensor = torch.empty(0, dtype=dtype)
            tensor.set_(storage, 0, shape, strides)
        else:
            tensor = torch.empty(shape, dtype=dtype)
        self._add(_bytes_of(tensor))
        tensor = self._tensor(tensor, TensorNote(*note))
        self._seen.append(tensor)
        return tensor

    def _read_array(self, code: list, depth: int) -> np.ndarray:
        _expect(code, str, str, list)
        if code[1] not in NUMPY_TYPES or code[2] not in ("C", "F"):
            raise WireError("an array is of an unknown type")
        dtype = np.dtype(code[1])
        count = _count(code[3], dtype.itemsize)
        data = bytearray(self._raw(count * dtype.itemsize))
        if dtype.kind == "b":
            _check_booleans(data)
        array = np.frombuffer(data, dtype=dtype)
        array = array.reshape(code[3], order=code[2])
        self._add(_bytes_of(array))
        self._seen.append(array)
        return array

    def _read_scalar(self, code: list, depth: int) -> np.generic:
        _expect(code, str)
        if code[1] not in NUMPY_TYPES:
            raise WireError("a number is of an unknown type")
        dtype = np.dtype(code[1])
        data = bytes(self._raw(dtype.itemsize))
        if dtype.kind == "b":
            _check_booleans(data)
        return np.frombuffer(data, dtype=dtype)[0]

    def _raw(self, size: int) -> memoryview:
        if not 0 <= size <= len(self._body) - self._place:
            raise WireError("the body is shorter than the header says")
        part = self._body[self._place : self._place + size]
        self._place += size
        return part


_READERS = {
    "l": Unpacker._read_list,
    "t": Unpacker._read_tuple,
    "d": Unpacker._read_dict,
    "f": Unpacker._read_float,
    "c": Unpacker._read_complex,
    "q": Unpacker._read_fraction,
    "D": Unpacker._read_decimal,
    "b": Unpacker._read_bytes,
    "=": Unpacker._read_again,
    "o": Unpacker._read_object,
    "T": Unpacker._read_tensor,
    "A": Unpacker._read_array,
    "N": Unpacker._read_scalar,
}


def _bytes_of(value: Any) -> int:
    """Return the bytes of a tensor or array, each entry counted."""
    return math.prod(value.shape) * value.dtype.itemsize


def _expect(code: list, *kinds: Any) -> None:
    """Check the types of what follows the tag."""
    rest = code[1:]
    if len(rest) != len(kinds) or not all(
        type(item) is kind
        or (type(kind) is tuple and (item is None or type(item) is kind[0]))
        for item, kind in zip(rest, kinds, strict=True)
    ):
        raise WireError("a value has parts of the wrong types")


def _float(text: str) -> float:
    try:
        number = float.fromhex(text)
    except (ValueError, OverflowError):
        raise WireError("a number is not written as expected") from None
    if number.hex() != text:
        raise WireError("a number is not written as expected")
    return number


def _count(shape: list, size: int) -> int:
    """Return the number of entries of a shape that is within bounds."""
    if len(shape) > bounds.MOST_DEPTH:
        raise WireError("a shape has too many axes")
    count, bound = 1, 1
    for length in shape:
        if type(length) is not int or length < 0:
            raise WireError("a shape holds what is no length")
        count *= length
        bound *= max(length, 1)
        if bound * size > bounds.MOST_BODY:
            raise WireError("a shape is too large")
    return count


def _contiguous(shape: list) -> list:
    """Return the strides of a shape whose numbers lie one after another."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return strides[::-1]


def _strided(shape: list, strides: list, count: int) -> int:
    """Return the number of entries that lie behind a strided tensor."""
    if len(strides) != len(shape) or not all(
        type(stride) is int and 0 <= stride <= bounds.MOST_BODY
        for stride in strides
    ):
        raise WireError("a tensor has strides that do not fit")
    behind = span(shape, strides)
    if behind > count:
        raise WireError("a tensor has strides that do not fit")
    return behind


def _check_booleans(data: bytes | bytearray) -> None:
    if data.strip(b"\0\1"):
        raise WireError("a boolean is neither 0 nor 1")
