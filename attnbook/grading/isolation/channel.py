"""Messages over a socket: in order, in bounds, and nothing but messages.

A message is two lengths (8 bytes each, big-endian), a header of JSON and a
body of raw bytes. The header is a list of a sequence number, the kind of the
message and one encoded value; the body holds the numbers of its tensors and
arrays (:mod:`attnbook.grading.isolation.wire`).
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

from attnbook.grading.isolation import bounds
from attnbook.grading.isolation.wire import (
    TOO_LARGE,
    TooLargeError,
    WireError,
)

KINDS = frozenset(
    {"reply", "error", "cell", "names", "call", "backward"}
    | {"end", "seen", "loop"}
    | {"start!", "begin!", "end!", "watch!"}  # these want no reply
)
_LENGTHS = struct.Struct(">QQ")
_CHUNK = 2**18  # bytes asked of the socket at once


class ClosedError(Exception):
    """The other side has gone."""


class LateError(Exception):
    """The other side has not answered in time."""


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
        if len(header) > bounds.MOST_HEADER:
            raise TooLargeError(TOO_LARGE)
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
        if header > bounds.MOST_HEADER or body > bounds.MOST_BODY:
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
