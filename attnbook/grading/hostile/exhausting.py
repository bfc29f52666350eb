"""Notebooks that use up processes, memory, disk or output.

None of them is run without a sandbox.
"""

from __future__ import annotations

from attnbook.grading.hostile.ending import inside
from attnbook.grading.hostile.kind import Draft, Kind

_PACKED = "03-packed-attention-answer"
_SPARSE = "03-sparsemax-attention-answer"


def _bomb(name: str, tries: str, first: str, **more) -> Kind:
    return Kind(name, tries, first=first, is_harmless=False, **more)


_UNDEFINED = """\
def NAME(*inputs):
    names = [f"name 'q{number}' is not defined" for number in range(40)]
    raise NameError(" ".join(names))
"""


def _with_many_lines(draft: Draft) -> None:
    """Put in cells that fail at once, with many lines and all the names."""
    names = " ".join(f"q{number}" for number in range(40))
    for _ in range(12):
        lines = "#\n" * 490_000
        draft.insert(f"%%raise\n{lines}# {names}\nq0 = 1", "imports")


KINDS = [
    _bomb(
        "fork bomb",
        "Forks for ever.",
        "import os\nwhile True:\n    os.fork()",
        looks_for=("process", "time"),
    ),
    _bomb(
        "silent fork bomb",
        "Forks for ever by the system call itself, and vfork and clone.",
        """\
import ctypes
import platform

libc = ctypes.CDLL(None, use_errno=True)
calls = {"x86_64": (57, 58, 56, 435), "aarch64": (220, 435)}
for _ in range(100_000):
    for number in calls.get(platform.machine(), ()):
        if number != 58:
            libc.syscall(number, 17, 0, 0, 0, 0, 0)""",
        looks_for=("process", "time"),
    ),
    _bomb(
        "subprocess bomb",
        "Starts programs without end.",
        """\
import subprocess
import sys

while True:
    subprocess.Popen([sys.executable, "-c", "while True: pass"])""",
        looks_for=("process", "time"),
    ),
    _bomb(
        "pool bomb",
        "Opens a pool of a thousand processes.",
        """\
import multiprocessing

pool = multiprocessing.get_context("spawn").Pool(1000)""",
        looks_for=("process", "time"),
    ),
    _bomb(
        "thread bomb",
        "Starts threads without end.",
        """\
import threading
import time

while True:
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()""",
        looks_for=("process", "time"),
    ),
    _bomb(
        "thread bomb of small threads",
        "Starts a thousand threads that need next to no memory.",
        """\
import _thread
import threading
import time

threading.stack_size(32_768)
held = _thread.allocate_lock()
held.acquire()
for _ in range(1_000):
    _thread.start_new_thread(held.acquire, ())
time.sleep(2)
raise RuntimeError("UNBOUNDED")""",
        conceals=("UNBOUNDED",),
        looks_for=("process",),
    ),
    _bomb(
        "memory bomb",
        "Fills the memory by a list.",
        "def fill(heap):\n    while True:\n"
        "        heap.append(bytearray(10_000_000))\n\nfill([])",
        looks_for=("time",),
    ),
    _bomb(
        "tensor bomb",
        "Fills the memory by tensors, inside an answer.",
        "pass",
        answers=inside(
            "kept = []\nwhile True:\n    kept.append(torch.ones(50_000_000))"
        ),
        looks_for=("time",),
    ),
    _bomb(
        "memory mapped",
        "Fills the memory by anonymous files and shared maps.",
        """\
import mmap
import os

kept = []
while True:
    kept.append(mmap.mmap(-1, 64_000_000))
    kept[-1].write(b"x" * 64_000_000)
    try:
        handle = os.memfd_create("x")
        kept.append(handle)
        for _ in range(64):
            os.write(handle, b"x" * 1_000_000)
    except OSError:
        pass""",
        looks_for=("time",),
    ),
    _bomb(
        "disk bomb",
        "Writes files until the disk is full.",
        """\
import os

block = b"x" * 1_000_000
for folder in ("/tmp", os.path.expanduser("~"), "/dev/shm", "/var/tmp", "."):
    try:
        with open(os.path.join(folder, "__TOKEN__-large"), "wb") as file:
            for _ in range(100_000):
                file.write(block)
    except OSError:
        pass""",
        looks_for=("file", "time"),
    ),
    _bomb(
        "inode bomb",
        "Makes empty files until there is room for none.",
        """\
import os

for folder in ("/tmp", os.path.expanduser("~"), "/dev/shm"):
    try:
        for number in range(10_000_000):
            open(os.path.join(folder, f"__TOKEN__-{number}"), "w").close()
    except OSError:
        pass""",
        looks_for=("file", "time"),
    ),
    _bomb(
        "output bomb",
        "Prints without end.",
        "while True:\n    print('x' * 10_000)",
        looks_for=("time",),
    ),
    _bomb(
        "raw output bomb",
        "Writes to the process's own standard output and error, for ever.",
        "import os\nwhile True:\n    os.write(1, b'x' * 65536)\n"
        "    os.write(2, b'x' * 65536)",
        looks_for=("time",),
    ),
    _bomb(
        "display bomb",
        "Displays pictures and HTML without end.",
        "from IPython.display import HTML, display\n"
        "while True:\n    display(HTML('<b>' * 10_000))",
        looks_for=("time",),
    ),
    _bomb(
        "open files",
        "Opens files and sockets until there are no more.",
        """\
import os
import socket

kept = []
try:
    while True:
        kept += os.pipe()
except OSError:
    pass
try:
    while True:
        kept.append(socket.socketpair())
except OSError:
    pass""",
    ),
    _bomb(
        "huge tensor",
        "Returns tensors of 8 GB.",
        "pass",
        answers=inside(
            "big = torch.zeros(1).expand(1_000_000_000, 2)\nreturn big, big"
        ),
        looks_for=("time",),
    ),
    _bomb(
        "tensor of no size",
        "Returns a tensor of 2^62 entries that share one place in memory.",
        "pass",
        answers=inside(
            "one = torch.zeros(1).as_strided((2**31, 2**31), (0, 0))\n"
            "return one, one"
        ),
        looks_for=("time",),
    ),
    _bomb(
        "huge list",
        "Returns a list of ten million lists, and a text of 200 MB.",
        "pass",
        answers={
            **inside("return [[] for _ in range(10_000_000)]"),
            _SPARSE: "def sparsemax_attention(*inputs):\n"
            "    return 'x' * 200_000_000, 'x'\n",
        },
        looks_for=("time",),
    ),
    _bomb(
        "huge number",
        "Returns a number of ten million digits.",
        "pass",
        answers={
            "03-predict-answer": "def predict(question):\n"
            "    return 1 << 33_000_000\n",
            **inside("return 1 << 33_000_000, 1 << 33_000_000"),
        },
        looks_for=("time",),
    ),
    _bomb(
        "huge exception",
        "Raises an exception with a text and a name of 100 MB.",
        "raise ValueError('x' * 100_000_000)",
        answers=inside(
            "kind = type('E' * 10_000_000, (Exception,), {})\n"
            "raise kind('x' * 100_000_000)"
        ),
        looks_for=("time",),
    ),
    _bomb(
        "endless exception",
        "Raises an exception whose text takes for ever to write.",
        "pass",
        answers=inside(
            "raise Endless",
            before="class Endless(Exception):\n"
            "    def __str__(self):\n"
            "        while True:\n"
            "            pass\n"
            "    __repr__ = __str__\n\n\n",
        ),
        looks_for=("time",),
    ),
    _bomb(
        "chained exceptions",
        "Raises an exception with a cause, a hundred thousand deep.",
        "pass",
        answers=inside(
            "error = ValueError('x')\n"
            "for _ in range(100_000):\n"
            "    cause, error = error, ValueError('x')\n"
            "    error.__cause__ = error.__context__ = cause\n"
            "raise error"
        ),
        looks_for=("time",),
    ),
    _bomb(
        "hostile callback arguments",
        "Calls what it is given with gigantic, endless and absurd arguments.",
        "pass",
        answers={
            "03-judge-answer": """\
def judge(attention):
    ones = torch.zeros(1)
    for inputs in (
        (ones.expand(1, 100_000, 8),) * 3
        + (torch.ones(1, 1).bool().expand(1, 100_000),),
        (ones.as_strided((1, 2**31, 2**31), (0, 0, 0)),) * 4,
        (10**5000, "x" * 10**7, [[]] * 10**6, judge),
        (torch.zeros(1, 0, 0),) * 3 + (torch.zeros(1, 0).bool(),),
        (ones.expand(1, 30_000, 4),) * 3
        + (torch.ones(1, 1).bool().expand(1, 30_000),),
    ):
        try:
            attention(*inputs)
        except Exception:
            pass
    return True
"""
        },
        looks_for=("time",),
    ),
    _bomb(
        "room of sockets",
        "Fills pairs of sockets, whose room it raises, with small messages.",
        """\
import socket

kept, sent = [], 0
for _ in range(50):
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    kept.append(pair)
    for one in pair:
        one.setblocking(False)
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)
        except OSError:
            pass
        try:
            while True:
                one.send(b"x")
                sent += 1
        except BlockingIOError:
            pass
raise RuntimeError("few" if sent < 100_000 else f"{sent} messages")""",
        reports=("RuntimeError: few",),
    ),
    _bomb(
        "locks of files",
        "Locks hundreds of thousands of single bytes, each noted by Linux.",
        """\
import fcntl

kept, taken = [], 0
for number in range(100):
    kept.append(open(f"/tmp/locked-{number}", "w"))
    try:
        for place in range(2_000):
            fcntl.lockf(kept[-1], fcntl.LOCK_EX, 1, 2 * (2_000 - place))
            taken += 1
    except OSError:
        pass
raise RuntimeError(f"{taken} locks")""",
        reports=("RuntimeError: 0 locks",),
    ),
    _bomb(
        "slow work for the grader",
        "Gives four hundred thousand sentences to the function that it is "
        "given, which goes through them one by one.",
        "pass",
        answers={
            "03-judge-answer": """\
def judge(attention):
    x = torch.ones(400_000, 1, 1)
    attention(x, x, x, torch.ones(400_000, 1).bool())
    return True
"""
        },
        looks_for=("time",),
        reports=("was stopped",),
    ),
    _bomb(
        "names that nothing defines",
        "Fails for many names, in all of which half a million lines are "
        "looked for the reason.",
        "pass",
        exercise="00-soft-lookup",
        change=_with_many_lines,
        answers={
            f"00-{name.replace('_', '-')}-answer": _UNDEFINED.replace(
                "NAME", name
            )
            for name in (
                *("predict", "epanechnikov_regression", "top_k_lookup"),
                *("temperature_for_entropy", "softmax_vjp"),
            )
        },
        looks_for=("time",),
        reports=("`q0` is not defined, because",),
    ),
]
