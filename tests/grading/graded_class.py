"""Results of a made-up class on the made-up chapter, and its folder."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from attnbook.grading.records.results import Graded, write
from attnbook.grading.report import Report, Result

EXERCISE = "00-toy"
ITEMS = ("double", "negate", "halve", "third")
SLIP = (
    "✗ Halve\n"
    "  Case “three”: output should be 1.5.\n"
    "  This looks like a known mistake: the wrong divisor.\n"
    "  You divided by three.\n"
    "  Look again: at the word half."
)
STUB = "✗ Third\n  Not written yet: it still raises NotImplementedError."
ODD = "✗ Negate\n  Case “one”: output should be -1."
DUE = datetime(2026, 12, 1, 12, tzinfo=UTC)


def result(name, message="", status="", mistake=""):
    """Return the outcome of one item; right where there is no message."""
    status = status or ("failed" if message else "passed")
    return Result(
        grade_id=f"00-{name}",
        title=name.capitalize(),
        points=0 if message else 5,
        out_of=5,
        status=status,
        message=message,
        seconds=0.1,
        mistake=mistake,
    )


def results(**wrong):
    """Return all outcomes; ``wrong`` gives some in place of right ones."""
    return tuple(wrong.get(name) or result(name) for name in ITEMS)


def graded(student, outcomes=None, reason="", notes=(), **more):
    """Return a submission and its grade."""
    report = (
        Report(notebook="toy.ipynb", reason=reason)
        if reason
        else Report(
            notebook="toy.ipynb",
            exercise=EXERCISE,
            title="A toy chapter",
            results=results() if outcomes is None else outcomes,
            notes=tuple(notes),
            seconds=0.5,
            isolation=more.pop("isolation", "bubblewrap"),
        )
    )
    return Graded(
        **{
            "student": student,
            "exercise": EXERCISE,
            "key": "0" * 64,
            "report": report,
            "received": DUE,
            "graded_at": "2026-12-02T00:00:00+00:00",
        }
        | more
    )


WRONG = {
    "halve": result("halve", SLIP, mistake="the wrong divisor"),
    "third": result("third", STUB),
    "negate": result("negate", ODD),
}
CLASS = [
    graded("student-01"),
    graded("student-02", results(**WRONG)),
    graded("student-03", results(halve=WRONG["halve"])),
    graded(
        "student-04",
        results(third=result("third", "It ended Python.", "crashed")),
        notes=[
            "The graded cell “00-third” (cell 9) was edited and was restored.",
            "Cell 3 failed: NameError.",
        ],
    ),
    graded("student-05", reason="student-05.ipynb is empty. Save it."),
]


def write_class(out, members=None):
    """Write the results of a class below a folder; return it."""
    for one in CLASS if members is None else members:
        write(out, one)
    return out


def grades_of(out):
    """Return the published grades by student, as programs read them."""
    content = json.loads((out / "grades.json").read_text("utf-8"))
    return {grade["student"]: grade for grade in content["grades"]}
