"""Notebooks that speak to the grader themselves, over the channel."""

from __future__ import annotations

from attnbook.grading.hostile.kind import Kind

_PACKED = "03-packed-attention-answer"

# Sockets and pipes among the open files, without Python's own three.
_FOUND = """\
import os
import socket
import stat
import struct

def lines():
    for handle in range(3, 256):
        try:
            mode = os.fstat(handle).st_mode
        except OSError:
            continue
        if stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
            yield handle

def say(data):
    for handle in lines():
        try:
            os.set_blocking(handle, False)
            os.write(handle, data)
        except OSError:
            pass
        try:
            os.set_blocking(handle, True)
        except OSError:
            pass
"""

# The module that writes messages, wherever it is kept.
_WIRE = (
    _FOUND
    + """
import gc
import sys

def tools():
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").endswith("wire"):
            yield module

def forge(message):
    for wire in tools():
        for handle in lines():
            try:
                copy = socket.socket(fileno=os.dup(handle))
                wire.send(copy, message)
            except Exception:
                pass
"""
)


def _channel(name: str, tries: str, body: str, start: str = _FOUND) -> Kind:
    indented = body.replace("\n", "\n    ")
    return Kind(
        name,
        tries,
        answers={
            _PACKED: f"{start}\n\ndef packed_attention(*inputs):\n"
            f"    {indented}\n    return inputs[0], inputs[1]\n"
        },
    )


KINDS = [
    _channel(
        "garbage on the channel",
        "Writes garbage to every socket that it finds open.",
        "say(os.urandom(10_000))",
    ),
    _channel(
        "huge length on the channel",
        "Announces messages of 2^63 bytes, and of 2 GB.",
        'say(struct.pack(">Q", 2**63 - 1) * 3)\n'
        'say(struct.pack(">QQ", 2**31, 2**31) + b"{")',
    ),
    _channel(
        "empty messages on the channel",
        "Sends a million empty messages.",
        "for _ in range(1000):\n    say(bytes(8) * 1000)",
    ),
    _channel(
        "closed channel",
        "Closes every file that is open.",
        "os.closerange(0, 4096)",
    ),
    _channel(
        "shut channel",
        "Shuts down every socket, the grader's own included.",
        "for handle in lines():\n"
        "    try:\n"
        "        socket.socket(fileno=os.dup(handle)).shutdown(2)\n"
        "    except OSError:\n"
        "        pass",
    ),
    _channel(
        "half a message",
        "Sends half a message and waits for ever.",
        'say(struct.pack(">Q", 1000) + b"{")\nimport time\ntime.sleep(3600)',
    ),
    _channel(
        "drip on the channel",
        "Sends a message one byte in a while.",
        'say(struct.pack(">Q", 10_000))\n'
        "import time\n"
        "while True:\n"
        "    say(b' ')\n"
        "    time.sleep(0.2)",
    ),
    _channel(
        "forged replies",
        "Sends replies that it was not asked for, with every sequence number.",
        "for number in range(300):\n"
        "    for kind in ('passed', 'value', 'result', 'ok', 'return'):\n"
        "        forge({'kind': kind, 'sequence': number, 'seq': number,\n"
        "               'id': number, 'ok': True, 'value': True,\n"
        "               'result': True})",
        start=_WIRE,
    ),
    _channel(
        "read channel",
        "Reads what the grader sends, in the place of its own process.",
        "for handle in lines():\n"
        "    try:\n"
        "        os.set_blocking(handle, False)\n"
        "        os.read(handle, 1_000_000)\n"
        "    except OSError:\n"
        "        pass",
    ),
    _channel(
        "passed files",
        "Sends open files over the channel, a thousand at a time.",
        "handle = os.open('/dev/null', os.O_RDWR)\n"
        "for line in lines():\n"
        "    try:\n"
        "        copy = socket.socket(fileno=os.dup(line))\n"
        "        for _ in range(100):\n"
        "            socket.send_fds(copy, [b'x'], [handle] * 250)\n"
        "    except OSError:\n"
        "        pass",
    ),
    _channel(
        "patched channel",
        "Replaces the functions that write messages in its own process.",
        "for wire in tools():\n"
        "    for name in ('send', 'encode', 'pack'):\n"
        "        if hasattr(wire, name):\n"
        "            setattr(wire, name, lambda *a, **k: b'{}')",
        start=_WIRE,
    ),
    _channel(
        "JSON bomb on the channel",
        "Sends a header nested a hundred thousand deep, and huge numbers.",
        'deep = b"[" * 100_000\n'
        'say(struct.pack(">Q", len(deep)) + deep)\n'
        "digits = b'9' * 1_000_000\n"
        'say(struct.pack(">Q", len(digits)) + digits)',
    ),
]
