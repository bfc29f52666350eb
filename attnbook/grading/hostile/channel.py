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

# The objects with which its own process speaks to the grader.
_TAKEN = (
    _FOUND
    + """
import gc

TOOLS = {type(thing).__name__: thing for thing in gc.get_objects()
         if type(thing).__name__ in ("Student", "Channel")}

def forge(kind, code, buffers=()):
    TOOLS["Channel"].send(kind, code, list(buffers))
"""
)


def _channel(
    name: str, tries: str, body: str, start: str = _FOUND, **more
) -> Kind:
    indented = body.replace("\n", "\n    ")
    return Kind(
        name,
        tries,
        answers={
            _PACKED: f"{start}\n\ndef packed_attention(*inputs):\n"
            f"    {indented}\n    return inputs[0], inputs[1]\n"
        },
        **more,
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
        looks_for=("time",),
    ),
    _channel(
        "half a message",
        "Sends half a message and waits for ever.",
        'say(struct.pack(">Q", 1000) + b"{")\nimport time\ntime.sleep(3600)',
        looks_for=("time",),
    ),
    _channel(
        "drip on the channel",
        "Sends a message one byte in a while.",
        'say(struct.pack(">Q", 10_000))\n'
        "import time\n"
        "while True:\n"
        "    say(b' ')\n"
        "    time.sleep(0.2)",
        looks_for=("time",),
    ),
    _channel(
        "forged replies",
        "Sends replies that nobody asked for, with the right numbers.",
        "for kind in ('reply', 'error', 'call', 'names', 'end', 'seen'):\n"
        "    for code in (None, True, [], ['t', True, None], ['l'], 'x'):\n"
        "        try:\n"
        "            forge(kind, code)\n"
        "        except Exception:\n"
        "            pass",
        start=_TAKEN,
    ),
    _channel(
        "forged praise",
        "Sends the exceptions and fates that only the grader may.",
        "forge('error', ['t', ['t', 'attnbook.judging.exercise.WrongAnswer',\n"
        "      'builtins.AssertionError'], 'PRAISE', ['t'], 'PRAISE'])",
        reports=("Error: PRAISE",),  # not in the check's own words
        start=_TAKEN,
    ),
    _channel(
        "forged leaving",
        "Sends exceptions that would end the grader, were they raised there.",
        "for name in ('KeyboardInterrupt', 'SystemExit', 'GeneratorExit',\n"
        "             'BaseExceptionGroup', 'StopIteration', 'MemoryError'):\n"
        "    forge('error', ['t', ['t', 'builtins.' + name], 'x', ['t'], ''])",
        # What is left over of them costs an honest answer two of its parts.
        deserves={"03-sink-attention": 2.0},
        start=_TAKEN,
    ),
    _channel(
        "colliding keys",
        "Sends a dict whose keys all fall into one place of the table.",
        "code = ['d']\n"
        "for k in range(90_000):\n"
        "    code += [k * (2**61 - 1), None]\n"
        "forge('reply', ['t', code, None])",
        start=_TAKEN,
    ),
    _channel(
        "one tensor many times",
        "Returns a list that names one large tensor a hundred thousand times.",
        "return [torch.zeros(15_000_000)] * 100_000",
    ),
    _channel(
        "many tensors of no size",
        "Returns a thousand tensors of 60 MB, each of which has one number.",
        "return [torch.zeros(1).expand(15_000_000) for _ in range(1_000)]",
    ),
    _channel(
        "absurd tensors",
        "Sends tensors whose shapes, strides and types do not fit.",
        "for shape in ([2**62, 0], [2**31, 2**31], [-1], [2**64], ['x'],\n"
        "              [1] * 1_000, [True], [1.5], {}, None):\n"
        "    for strides in (None, [2**62], [-8], [0] * 1_000):\n"
        "        head = ['T', 'float32', *[True] * 3, 0, shape, strides]\n"
        "        try:\n"
        "            forge('reply', ['t', head, None], [bytes(8)])\n"
        "        except Exception:\n"
        "            pass",
        start=_TAKEN,
    ),
    _channel(
        "changed arguments",
        "Claims that a call changed its arguments into the grader's own.",
        "channel = TOOLS['Channel']\n"
        "send = channel.send\n"
        "def once(kind, code, *rest):\n"
        "    channel.send = send\n"
        "    mine = ['o', True, 7, 'f', 'call', 'iter', 'len', 'item']\n"
        "    after = ['t', ['t', *[mine] * 5], ['d']]\n"
        "    send(kind, ['t', ['t', mine, mine], ['d', 0, after]], [])\n"
        "channel.send = once",
        start=_TAKEN,
    ),
    Kind(
        "grader's function taken apart",
        "Asks for the globals of the function that it is given, for exec.",
        answers={
            "03-judge-answer": """\
def judge(attention):
    cells = [cell.cell_contents for cell in attention.__closure__]
    parts = {type(cell).__name__: cell for cell in cells}
    student, number = parts["Student"], parts["Mark"].number
    space = student.call(number, ("__globals__",), how="get")
    run = space["__builtins__"]["exec"]
    run("open('/tmp/__TOKEN__-inside', 'w').write('x')")
    return True
"""
        },
        reports=("wrote to the pipe",),
        looks_for=("file",),
    ),
    Kind(
        "grader's function changed",
        "Sets attributes of the function that it is given.",
        answers={
            "03-judge-answer": """\
def judge(attention):
    cells = [cell.cell_contents for cell in attention.__closure__]
    parts = {type(cell).__name__: cell for cell in cells}
    student, number = parts["Student"], parts["Mark"].number
    student.call(number, ("__name__", "a right attention"), how="set")
    return True
"""
        },
        reports=("wrote to the pipe",),
    ),
    Kind(
        "grader's functions of all numbers",
        "Calls objects of the grader that it was never given, by number.",
        answers={
            "03-judge-answer": """\
def judge(attention):
    cells = [cell.cell_contents for cell in attention.__closure__]
    student = {type(cell).__name__: cell for cell in cells}["Student"]
    found = []
    for number in range(10_000):
        try:
            found.append(student.call(number, ("bug",)))
        except Exception:
            pass
    return bool(found)
"""
        },
    ),
    Kind(
        "calls without a pause",
        "Sends calls without waiting for their answers, so none is late.",
        answers={
            "03-judge-answer": """\
import struct
import threading

def judge(attention):
    cells = [cell.cell_contents for cell in attention.__closure__]
    parts = {type(cell).__name__: cell for cell in cells}
    channel, number = parts["Student"].channel, parts["Mark"].number
    line = channel._socket
    line.settimeout(None)

    def drain():
        while True:
            line.recv(1 << 20)

    threading.Thread(target=drain, daemon=True).start()
    while True:
        channel.send("call", ["t", "call", number, ["t"], ["d"], False], [])
"""
        },
        looks_for=("time",),
    ),
    Kind(
        "strange arguments for the grader",
        "Gives its own objects to the function that it is given.",
        answers={
            "03-judge-answer": """\
class Strange:
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __iter__(self): return iter([self] * 3)
    def __len__(self): return 3
    def __getitem__(self, key): return self
    def __bool__(self): return True
    def __float__(self): return 1.0

def judge(attention):
    for inputs in ([Strange()] * 4, [Strange] * 4, [judge] * 4, [{}] * 4,
                   [attention] * 4, [[attention]] * 4, [b""] * 4):
        try:
            attention(*inputs)
        except Exception:
            pass
    return Strange()
"""
        },
    ),
    Kind(
        "forged end of a cell",
        "Answers that its cell failed in a way that only calls can fail.",
        first=_TAKEN
        + """
kinds = ["t", "builtins.RuntimeError", "builtins.Exception"]
forge("error", ["t", kinds, "x", ["t"], ""])
""",
        reports=("wrote to the pipe",),
    ),
    Kind(
        "object for the end of a cell",
        "Answers with an object that raises where its parts are looked at.",
        first=_TAKEN
        + """
class Trap:
    def __iter__(self): raise RuntimeError("there are no parts")

student = TOOLS["Student"]
student.handlers["cell"] = student._on_data(lambda source: Trap())
""",
        deserves={},
        reports=("wrote to the pipe",),
    ),
    Kind(
        "name with a null character",
        "Answers with an object whose class no Python could make.",
        first=_TAKEN
        + """
forge("reply", ["o", True, 5, "a\\0b", "call"])
""",
        reports=("wrote to the pipe",),
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
        looks_for=("time",),
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
        "Replaces what its own process packs and sends its answers with.",
        "kind = type(TOOLS['Channel'])\n"
        "kind.send = lambda self, *a, **k: self._socket.sendall(b'{}')",
        start=_TAKEN,
        looks_for=("time",),
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
