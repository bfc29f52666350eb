"""Plain data over a socket, between a judge and a process it does not trust.

A message is two lengths (8 bytes each, big-endian), a header of JSON and a
body of raw bytes. The header is a list of a sequence number, the kind of the
message and one encoded value; the numbers of tensors and arrays lie in the
body, in the order in which the header names them. Nothing is ever unpickled
or evaluated, and all that is not exactly as the sender here would write it
raises :class:`WireError`.

Values are ``None``, booleans, numbers, strings, bytes, lists, tuples, dicts,
torch tensors, NumPy arrays and scalars. Whatever else there is stays where
it is, and a :class:`Mark` of it is sent.

Both sides use this module: the student's process imports nothing else of
the grader but :mod:`~attnbook.grading.isolation.bridge`,
:mod:`~attnbook.judging.inspection` and
:mod:`~attnbook.grading.isolation.student`.
"""

from __future__ import annotations

import json
import math
import re
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_HEADER = 8 * 2**20  # bytes of JSON in a message
MOST_BODY = 64 * 2**20  # bytes of numbers in a message
MOST_DEPTH = 32  # lists within lists
MOST_ITEMS = 200_000  # in one message
MOST_KEYS = 2_000  # of one dict: keys can be chosen so that all collide
LONGEST_TEXT = 200_000  # characters of a string
LONGEST_NAME = 80  # characters of a class or function

KINDS = frozenset(
    {"reply", "error", "cell", "names", "call", "backward"}
    | {"end", "seen", "loop"}
    | {"start!", "begin!", "end!", "watch!"}  # these want no reply
)
TRAITS = frozenset(
    {"routine", "class", "call", "iter", "len", "item"}
    | {"float", "int", "bool"}
)  # what can be done with an object that a mark stands for
_LENGTHS = struct.Struct(">QQ")
_CHUNK = 2**18  # bytes asked of the socket at once

_SHARED_TYPES = (
    *("float16", "float32", "float64", "complex64", "complex128"),
    *("int8", "int16", "int32", "int64", "uint8", "bool"),
)
TORCH_TYPES = (*_SHARED_TYPES, "bfloat16")
NUMPY_TYPES = (*_SHARED_TYPES, "uint16", "uint32", "uint64")


class WireError(Exception):
    """What came over the socket is not what this module writes."""


class ClosedError(Exception):
    """The other side has gone."""


class LateError(Exception):
    """The other side has not answered in time."""


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


_PLAIN = TensorNote()
_TOO_LARGE = f"the value takes more than {MOST_BODY // 2**20} MiB"


# -- writing ---------------------------------------------------------------


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
        note: Callable[[Any], TensorNote] = lambda tensor: _PLAIN,
    ) -> None:
        self.buffers: list[bytes] = []
        self._mark = mark
        self._note = note
        self._seen: dict[int, int] = {}
        self._kept: list = []  # so that no id is used twice
        self._size = 0
        self._items = 0

    def pack(self, value: Any, depth: int = 0) -> Any:
        """Return what stands for a value in the header.

        Raises
        ------
        TooLargeError
            When it is too large, too deep or has too many items.
        """
        self._items += 1
        if self._items > MOST_ITEMS:
            raise TooLargeError(
                f"the value has more than {MOST_ITEMS:,} items"
            )
        if depth > MOST_DEPTH:
            raise TooLargeError(
                f"the value is nested more than {MOST_DEPTH} deep"
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
        if isinstance(value, str):
            return str.__str__(value)[:LONGEST_TEXT]
        if isinstance(value, bytes):
            return self._raw(["b", len(value)], bytes(value))
        if isinstance(value, (list, tuple)):
            tag = "l" if isinstance(value, list) else "t"
            return [tag, *(self.pack(item, depth + 1) for item in value)]
        if isinstance(value, Mapping):
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
            mark.name[:LONGEST_NAME],
            *mark.traits,
        ]

    def _whole(self, value: int) -> int:
        if value.bit_length() > 4096:
            raise TooLargeError("a whole number has more than 4,096 bits")
        return value

    def _raw(self, head: list, data: bytes) -> list:
        self._size += len(data)
        if self._size > MOST_BODY:
            raise TooLargeError(_TOO_LARGE)
        self.buffers.append(data)
        return head

    def _again(self, value: Any) -> list | None:
        """Return the reference to a tensor or array that was sent before."""
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
            note = self._note(value) if value.requires_grad else _PLAIN
            data = value.detach().resolve_conj().resolve_neg()
            shape, strides = list(data.shape), None
            if data.numel() * data.element_size() > MOST_BODY:
                raise TooLargeError(_TOO_LARGE)
            if not data.is_contiguous():
                span = _span(shape, data.stride())
                if span <= data.numel():
                    strides = list(data.stride())
                    data = data.as_strided((span,), (1,))
            if dtype == "bfloat16":  # NumPy has none
                data = data.contiguous().view(torch.int16)
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
        name = value.dtype.name
        if name not in NUMPY_TYPES:
            return self._object(value)
        again = self._again(value)
        if again is not None:
            return again
        if value.nbytes > MOST_BODY:
            raise TooLargeError(_TOO_LARGE)
        plain = value.view(np.ndarray)
        plain = plain.astype(plain.dtype.newbyteorder("="), copy=False)
        is_fortran = plain.flags.f_contiguous and not plain.flags.c_contiguous
        order = "F" if is_fortran else "C"
        head = ["A", name, order, list(plain.shape)]
        return self._raw(head, plain.tobytes(order))

    def _scalar(self, value: np.generic) -> Any:
        name = value.dtype.name
        if name not in NUMPY_TYPES:
            if isinstance(value, (str, bytes)):
                return self.pack(value.item())
            return self._object(value)
        return self._raw(["N", name], value.tobytes())


def _span(shape: list[int], strides: tuple[int, ...]) -> int:
    """Return how many numbers lie between the first and the last."""
    if 0 in shape:
        return 0
    return 1 + sum(
        (size - 1) * stride
        for size, stride in zip(shape, strides, strict=True)
    )


# -- reading ---------------------------------------------------------------


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
        if self._items > MOST_ITEMS or depth > MOST_DEPTH:
            raise WireError("a value is too deep or has too many items")
        if code is None or code is True or code is False:
            return code
        if type(code) is int:
            return code
        if type(code) is str:
            if len(code) > LONGEST_TEXT:
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
        if len(code) > 2 * MOST_KEYS:
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
        if self._size > 2 * MOST_BODY:
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
    if len(shape) > MOST_DEPTH:
        raise WireError("a shape has too many axes")
    count, bound = 1, 1
    for length in shape:
        if type(length) is not int or length < 0:
            raise WireError("a shape holds what is no length")
        count *= length
        bound *= max(length, 1)
        if bound * size > MOST_BODY:
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
        type(stride) is int and 0 <= stride <= MOST_BODY for stride in strides
    ):
        raise WireError("a tensor has strides that do not fit")
    span = _span(shape, strides)
    if span > count:
        raise WireError("a tensor has strides that do not fit")
    return span


def _check_booleans(data: bytes | bytearray) -> None:
    if data.strip(b"\0\1"):
        raise WireError("a boolean is neither 0 nor 1")


def _is_key(value: Any) -> bool:
    return (
        value is None
        or isinstance(value, (int, float, complex, str, bytes))
        or (isinstance(value, tuple) and all(map(_is_key, value)))
    )


def cleaned(text: str) -> str:
    """Take lone surrogates out of a string: no file could hold them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def identifier(name: Any, otherwise: str = "object") -> str:
    """Return a name as Python could write it, out of any."""
    name = re.sub(r"\W", "_", str(name)[:LONGEST_NAME], flags=re.ASCII)
    if name == "<lambda>" or name == "_lambda_":
        return "<lambda>"
    return name if name.isidentifier() else otherwise


# -- messages --------------------------------------------------------------


class Channel:
    """Messages over a socket, one after the other, each way."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._waiting = bytearray()
        self._unsent: list[bytes] = []
        self._sent = 0
        self._received = 0

    def put(self, kind: str, code: Any, buffers: list[bytes]) -> None:
        """Add a message to what is sent next.

        Raises
        ------
        TooLargeError
            When it is too large.
        """
        header = json.dumps(
            [self._sent, kind, code], separators=(",", ":")
        ).encode("ascii")
        if len(header) > MOST_HEADER:
            raise TooLargeError(_TOO_LARGE)
        self._sent += 1
        size = sum(map(len, buffers))
        self._unsent += [_LENGTHS.pack(len(header), size), header, *buffers]

    def send(
        self,
        kind: str,
        code: Any,
        buffers: list[bytes],
        deadline: float | None = None,
    ) -> None:
        """Send a message, after those that were put.

        Raises
        ------
        LateError
            When it is not taken by the deadline, in seconds of
            ``time.monotonic()``.
        ClosedError
            When nobody is there to take it.
        TooLargeError
            When it is too large.
        """
        self.put(kind, code, buffers)
        data, self._unsent = b"".join(self._unsent), []
        try:
            self._socket.settimeout(_rest(deadline))
            self._socket.sendall(data)
        except TimeoutError:
            raise LateError from None
        except OSError as error:
            raise ClosedError(str(error)) from None

    def receive(
        self, deadline: float | None = None
    ) -> tuple[str, Any, memoryview]:
        """Return the next message: its kind, encoded value and body.

        Raises
        ------
        WireError
            When it is not what :meth:`send` sends.
        ClosedError
            When the other side has gone.
        LateError
            When it has not come by the deadline. What has come of it is
            kept: call again to go on.
        """
        if deadline is not None and time.monotonic() > deadline:
            raise LateError  # even where there is always more to read
        self._await(_LENGTHS.size, deadline)
        header, body = _LENGTHS.unpack_from(self._waiting)
        if header > MOST_HEADER or body > MOST_BODY:
            raise WireError("a message is too large")
        self._await(_LENGTHS.size + header + body, deadline)
        whole = bytes(self._waiting)
        end = _LENGTHS.size + header + body
        del self._waiting[:end]
        number, kind, code = _parsed(whole[_LENGTHS.size : end - body])
        if number != self._received:
            raise WireError("a message is out of order")
        self._received += 1
        return kind, code, memoryview(whole)[end - body : end]

    def _await(self, size: int, deadline: float | None) -> None:
        while len(self._waiting) < size:
            try:
                self._socket.settimeout(_rest(deadline))
                part = self._socket.recv(_CHUNK)
            except TimeoutError:
                raise LateError from None
            except OSError as error:
                raise ClosedError(str(error)) from None
            if not part:
                raise ClosedError("the other side has gone")
            self._waiting += part


def _rest(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    return max(deadline - time.monotonic(), 1e-6)


def _parsed(header: bytes) -> list:
    try:
        message = _DECODER.decode(header.decode("utf-8"))
    except (ValueError, RecursionError):
        raise WireError("a header is not JSON as expected") from None
    if (
        type(message) is not list
        or len(message) != 3
        or type(message[0]) is not int
        or type(message[1]) is not str
        or message[1] not in KINDS
    ):
        raise WireError("a message is of an unknown kind")
    return message


def _whole(text: str) -> int:
    number = int(text)
    if str(number) != text:
        raise ValueError
    return number


def _refuse(part: Any) -> None:
    raise ValueError


_DECODER = json.JSONDecoder(
    parse_int=_whole,
    parse_float=_refuse,
    parse_constant=_refuse,
    object_pairs_hook=_refuse,
)
