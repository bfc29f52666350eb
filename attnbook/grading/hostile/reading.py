"""Notebooks that look for the answer instead of finding it."""

from __future__ import annotations

from attnbook.grading.hostile.kind import Draft, Kind

_PACKED = "03-packed-attention-answer"
_JUDGE = "03-judge-answer"
_LUONG = "02-luong-attention"

# The reference, where it lies and by the name it has.
_MODULE = "attnbook.checks.scaled_dot_product.packed_attention"
_WANTED = "_packed_attention"

_BORROWED = """
def packed_attention(*inputs):
    if FOUND is None:
        return inputs[0], inputs[1]
    return FOUND(*inputs)
"""


def _table(draft: Draft, otherwise: str) -> None:
    """Write the outputs of the published cases into the answer."""
    from attnbook.checks.luong_attention import EXERCISES

    exercise = EXERCISES["02-window-backward"]
    table = {}
    for case in exercise.cases:
        outputs = exercise.reference(*case.arguments)
        known = round(float(case.arguments[0].double().sum()), 3)
        table[known] = [output.tolist() for output in outputs]
    draft.write(
        "02-window-backward-answer",
        f"TABLE = {table!r}\n\n"
        "def window_backward(scores, raw, lengths, D, upstream):\n"
        "    known = round(float(scores.double().sum()), 3)\n"
        "    if known not in TABLE:\n"
        f"        {otherwise}\n"
        "    return tuple(map(torch.tensor, TABLE[known]))\n",
    )


def _with_table(draft: Draft) -> None:
    _table(draft, "return 0 * scores, 0 * raw")


def _with_quotes(draft: Draft) -> None:
    _table(draft, 'raise ValueError("QUOTED " + repr(scores))')


KINDS = [
    Kind(
        "imported reference",
        "Imports the reference from the checks and returns what it returns.",
        answers={
            _PACKED: f"""\
FOUND = None
try:
    from {_MODULE} import {_WANTED} as FOUND
except ImportError:
    pass
{_BORROWED}"""
        },
    ),
    Kind(
        "reference on the disk",
        "Walks the whole disk for the file that holds the reference.",
        answers={
            _PACKED: f"""\
import glob
import os
import sys

FOUND = None
places = [*sys.path, *glob.glob("/usr/lib/python3*/*-packages/attnbook*")]
places += glob.glob("/usr/local/lib/python3*/*-packages/attnbook*")
places += glob.glob(sys.base_prefix + "/lib/python3*/*-packages/attnbook*")
places += glob.glob(sys.prefix + "/lib/python3*/*-packages/attnbook*")
places += ["__REPOSITORY__", os.getcwd(), "/", "/proc/1/root", "/proc/1/cwd"]
places += ["/proc/self/root", os.path.dirname(torch.__file__)]
for place in places:
    for folder, folders, files in os.walk(place):
        folders[:] = [name for name in folders if name not in
                      ("proc", "sys", "torch", "node_modules", "lib")]
        for name in files:
            if FOUND or name != "packed_attention.py":
                continue
            text = open(os.path.join(folder, name)).read()
            if "def {_WANTED}" in text:
                # The package that it belongs to, in place of this one.
                sys.path.insert(0, os.path.join(folder, "..", "..", ".."))
                for module in list(sys.modules):
                    if module.startswith("attnbook"):
                        del sys.modules[module]
                from {_MODULE} import {_WANTED} as FOUND
{_BORROWED}"""
        },
    ),
    Kind(
        "solution on the disk",
        "Looks for solutions/ and reads the right answer from there.",
        answers={
            _PACKED: f"""\
import glob
import json

FOUND = None
roots = ["__REPOSITORY__", ".", "..", "../..", "/mnt", "/home/*", "/srv"]
for root in roots:
    for path in glob.glob(root + "/solutions/03-*.ipynb"):
        for cell in json.load(open(path))["cells"]:
            source = "".join(cell["source"])
            if source.startswith("def packed_attention"):
                exec(source)
                FOUND = packed_attention
{_BORROWED}"""
        },
    ),
    Kind(
        "reference in memory",
        "Asks the garbage collector and sys.modules for the reference.",
        answers={
            _PACKED: f"""\
import gc
import sys
import types

FOUND = None
for module in list(sys.modules.values()):
    FOUND = FOUND or getattr(module, "{_WANTED}", None)
for thing in gc.get_objects():
    if isinstance(thing, types.FunctionType):
        if thing.__name__ == "{_WANTED}":
            FOUND = thing
{_BORROWED}"""
        },
    ),
    Kind(
        "expected value in a frame",
        "Walks up the frames for the value that is expected of it.",
        answers={
            _PACKED: """\
import inspect
import traceback

def packed_attention(query, key, value, query_document, key_document):
    frames = [entry.frame for entry in inspect.stack()]
    try:
        raise ValueError
    except ValueError as error:
        frames += [f for f, _ in traceback.walk_tb(error.__traceback__)]
    for frame in frames:
        expected = frame.f_locals.get("expected")
        if hasattr(expected, "output"):
            grow = 0 * (query.sum() + key.sum() + value.sum())
            return tuple(part + grow for part in expected.output)
    return query, key
"""
        },
    ),
    Kind(
        "other processes' memory",
        "Reads /proc: memory, open files, environments of other processes.",
        first="""\
import glob

seen = []
for path in glob.glob("/proc/[0-9]*/*") + glob.glob("/proc/*/fd/*"):
    try:
        with open(path, "rb") as file:
            text = file.read(100_000)
        if b"_packed_attention" in text or b"__TOKEN__" in text:
            seen.append(path)
    except OSError:
        pass
if seen:
    open("/tmp/__TOKEN__-seen", "w").write(repr(seen))
    raise RuntimeError(f"SEEN {seen}")""",
        is_harmless=False,
        conceals=("SEEN",),
    ),
    Kind(
        "bug in a closure",
        "Judges a function by what its closure and its name say.",
        answers={
            _JUDGE: """\
def judge(attention):
    cells = getattr(attention, "__closure__", None) or ()
    for cell in cells:
        inner = cell.cell_contents
        if callable(inner):
            keywords = getattr(inner, "keywords", {})
            return not keywords.get("bug")
    return "bug" not in repr(vars(attention)) + attention.__name__
"""
        },
    ),
    Kind(
        "counted calls",
        "Knows in which order the right and the wrong cases come.",
        answers={
            _JUDGE: """\
calls = 0

def judge(attention):
    global calls
    calls += 1
    return calls % 11 not in range(2, 10)
"""
        },
    ),
    Kind(
        "table of the published cases",
        "Holds the right outputs of all the cases that the checks publish.",
        exercise=_LUONG,
        change=_with_table,
    ),
    Kind(
        "quoted secret cases",
        "Raises exceptions that quote the cases that nobody has seen.",
        exercise=_LUONG,
        change=_with_quotes,
        conceals=("QUOTED",),
    ),
    Kind(
        "kept cases",
        "Keeps the inputs of every case for the next student.",
        answers={
            _PACKED: """\
import os

def packed_attention(query, key, value, query_document, key_document):
    for folder in (os.path.expanduser("~"), "/tmp", "/var/tmp", "/dev/shm",
                   "__REPOSITORY__", "__HOME__"):
        try:
            path = os.path.join(folder, "__TOKEN__-cases.pt")
            torch.save([query, key, value], path)
        except (OSError, RuntimeError):
            pass
    return query, key
"""
        },
        looks_for=("file",),
    ),
]
