"""Notebooks that end Python, or never end."""

from __future__ import annotations

from attnbook.grading.hostile.kind import Kind

_PACKED = "03-packed-attention-answer"
_SPARSE = "03-sparsemax-attention-answer"
_JUDGE = "03-judge-answer"


def inside(body: str, before: str = "") -> dict[str, str]:
    """Put code into an answer, which the grader calls."""
    lines = body.replace("\n", "\n    ")
    return {_PACKED: f"{before}def packed_attention(*inputs):\n    {lines}\n"}


KINDS = [
    Kind(
        "sys.exit",
        "Leaves by sys.exit, in a cell and in an answer.",
        first="import sys\nsys.exit(0)",
        answers=inside("raise SystemExit(0)"),
        reports=("exit()",),
    ),
    Kind(
        "os._exit",
        "Ends the process with success before it is judged.",
        first="import os\nos._exit(0)",
        answers=inside("import os\nos._exit(0)"),
        reports=("ended Python itself",),
    ),
    Kind(
        "abort",
        "Ends the process by abort, with a core dump.",
        answers=inside("import os\nos.abort()"),
        reports=("ended Python itself",),
        looks_for=("file",),
    ),
    Kind(
        "segmentation fault",
        "Reads memory that is not there.",
        answers=inside("import ctypes\nctypes.string_at(0)"),
        reports=("ended Python itself",),
    ),
    Kind(
        "killed parents",
        "Kills its parent, its group and every process it may.",
        first="""\
import os
import signal

for pid in (os.getppid(), 0, -1, 1, 2, -os.getpgrp()):
    try:
        if pid != os.getpid():
            os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
try:
    os.killpg(os.getpgrp(), signal.SIGKILL)
except OSError:
    pass""",
        looks_for=("process",),
        is_harmless=False,
    ),
    Kind(
        "stopped processes",
        "Stops itself and everything else, and waits.",
        first="""\
import os
import signal

for pid in (os.getppid(), -1, 0, os.getpid()):
    try:
        os.kill(pid, signal.SIGSTOP)
    except OSError:
        pass""",
        looks_for=("time",),
        is_harmless=False,
    ),
    Kind(
        "loop without end",
        "Loops for ever in an answer.",
        answers=inside("while True:\n    pass"),
        reports=("was stopped",),
        looks_for=("time",),
    ),
    Kind(
        "ignored signals",
        "Ignores every signal that asks it to end, and loops.",
        answers=inside(
            "while True:\n"
            "    try:\n"
            "        while True:\n"
            "            pass\n"
            "    except BaseException:\n"
            "        pass",
            before="import signal\n\n"
            "for number in set(signal.Signals) - {9, 19}:\n"
            "    try:\n"
            "        signal.signal(number, signal.SIG_IGN)\n"
            "    except OSError:\n"
            "        pass\n\n",
        ),
        looks_for=("time",),
    ),
    Kind(
        "loop inside C",
        "Loops inside one call of C, which holds Python's lock.",
        answers=inside("import itertools\nsum(itertools.repeat(0))"),
        looks_for=("time",),
    ),
    Kind(
        "backtracking pattern",
        "Matches a regular expression that backtracks for ever.",
        answers=inside("import re\nre.match('(a+)+b', 'a' * 60)"),
        looks_for=("time",),
    ),
    Kind(
        "sleep",
        "Sleeps for an hour.",
        answers=inside("import time\ntime.sleep(3600)"),
        reports=("was stopped",),
        looks_for=("time",),
    ),
    Kind(
        "blocked on input",
        "Waits for somebody to type, and for a pipe that nobody writes to.",
        first="input('Name? ')",
        answers=inside("import os\nos.read(os.pipe()[0], 1)"),
        looks_for=("time",),
    ),
    Kind(
        "end that never ends",
        "Loops at exit and when its objects are deleted.",
        first="""\
import atexit

class Undying:
    def __del__(self):
        while True:
            pass

keeper = Undying()

@atexit.register
def never():
    while True:
        pass""",
        looks_for=("time", "process"),
    ),
    Kind(
        "deletion that never ends",
        "Returns an object that loops when it is deleted.",
        answers=inside(
            "return Undying(), Undying()",
            before="class Undying:\n"
            "    def __del__(self):\n"
            "        while True:\n"
            "            pass\n\n\n",
        ),
        looks_for=("time",),
    ),
    Kind(
        "recursion",
        "Recurses without end and without Python's limit.",
        answers=inside(
            "import sys\n"
            "sys.setrecursionlimit(10**9)\n"
            "def down(n):\n"
            "    return [down(n + 1)]\n"
            "return down(0)"
        ),
        looks_for=("time",),
    ),
    Kind(
        "nested without end",
        "Returns a list in itself, and one nested a million deep.",
        answers={
            _PACKED: """\
def packed_attention(*inputs):
    loop = []
    loop.append(loop)
    return loop, loop
""",
            _SPARSE: """\
def sparsemax_attention(*inputs):
    deep = []
    for _ in range(1_000_000):
        deep = [deep]
    return deep, deep
""",
        },
    ),
    Kind(
        "generator without end",
        "Returns a generator that yields for ever.",
        answers=inside("import itertools\nreturn itertools.count()"),
        looks_for=("time",),
    ),
    Kind(
        "slow calls",
        "Takes just less than the limit in every call.",
        answers=inside(
            "import time\ntime.sleep(0.6)\nreturn inputs[0], inputs[1]"
        ),
        looks_for=("time",),
    ),
    Kind(
        "many slow cells",
        "Takes the whole limit in each of two hundred cells.",
        change=lambda draft: (
            [
                draft.insert("while True:\n    pass", before="predict-answer")
                for _ in range(200)
            ]
            and None
        ),
        deserves={},
        looks_for=("time",),
    ),
]
