"""The command ``points``: points by hand, which survive every regrade.

::

    python -m attnbook.grading points DIR --student student-03 \\
        --exercise 03-judge --points 3 --reason "The idea is right."
    python -m attnbook.grading points DIR --list
    python -m attnbook.grading points DIR --student student-03 \\
        --exercise 03-judge --remove

They go into the gradebook, where formgrader shows and changes them too, and
all is published anew.
"""

from __future__ import annotations

import argparse
import difflib
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from attnbook.grading.arguments import Parser
from attnbook.grading.classroom import runs
from attnbook.grading.intake.file_names import readable
from attnbook.grading.records import results
from attnbook.grading.records.gradebook.book import BY_HAND, Book, give
from attnbook.grading.records.grades import Exercise, Grade, Item
from attnbook.grading.records.publish import (
    Options,
    Published,
    PublishError,
    publish,
)
from attnbook.grading.records.tables import number


class _InputError(Exception):
    """What was asked for cannot be done; the text says why."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        if not options.folder.is_dir():
            raise _InputError(f"There is no folder {options.folder}.")
        with runs.alone(options.folder):
            if options.list:
                published = publish(options.folder, _options(options))
                print(_listed(published), end="")
                return 0
            return _change(options)
    except (_InputError, PublishError, runs.RunError) as error:
        print(f"Not done: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m attnbook.grading points",
        description="Give points by hand, and publish the grades anew.",
    )
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="where the class is graded"
    )
    parser.add_argument("--student", help="as the tables name them")
    parser.add_argument(
        "--exercise", metavar="CELL", help="the graded cell, as 03-judge"
    )
    parser.add_argument("--points", type=float, help="those that count")
    parser.add_argument(
        "--reason", default="", help="what the student is told"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--remove", action="store_true", help="take points by hand back"
    )
    what.add_argument(
        "--list", action="store_true", help="show all points by hand"
    )
    parser.add_argument(
        "--database", metavar="URL", help="gradebook, where it has a password"
    )
    parser.add_argument(
        "--release",
        type=Path,
        metavar="DIR",
        help="folder of the released notebooks, if it was moved",
    )
    return parser


def _options(options: argparse.Namespace) -> Options:
    return Options(release=options.release, database=options.database)


def _change(options: argparse.Namespace) -> int:
    if not options.student or not options.exercise:
        raise _InputError(
            "Say whose points and which: --student STUDENT --exercise CELL, "
            "or see all with --list."
        )
    if options.remove == (options.points is not None):
        raise _InputError("Expected one of --points NUMBER and --remove.")
    if not options.remove and not options.reason.strip():
        raise _InputError(
            "Say why, so that the student can read it: --reason “…”."
        )

    def change(book: Book, grades: Sequence[Grade]) -> bool:
        """Change one grade; say whether it is one of these."""
        item = _item(book.exercise, options.exercise)
        mine = [g for g in grades if g.student == student]
        if item is None or not mine:
            return False
        _check(options.points, item)
        mark = next(e.mark for e in mine[0].items if e.item == item)
        if options.remove and mark.by_hand is None:
            raise _InputError(
                f"{student} has no points by hand for {item.grade_id}."
            )
        give(book, student, item, options.points, options.reason)
        return True

    student = _student(options.folder, options.student)
    published = publish(options.folder, _options(options), change)
    if not published.is_changed:
        cells = [
            each.item.grade_id
            for grade in published.grades
            if grade.student == student
            for each in grade.items
        ]
        raise _InputError(
            f"{student} has no graded cell {options.exercise}. There are: "
            f"{', '.join(cells)}."
        )
    for grade in published.grades:
        for each in grade.items:
            if (grade.student, each.item.grade_id) == (
                student,
                options.exercise,
            ):
                print(_line(grade, each.item))
    return 0


def _student(out: Path, name: str) -> str:
    """Return the student that is meant, by name or name of the files."""
    try:
        students = {one.student for one in results.load_all(out)}
    except results.ResultError as error:
        raise _InputError(str(error)) from None
    for student in students:
        if name in (student, results.key_of(student)):
            return student
    near = difflib.get_close_matches(name, students, n=3, cutoff=0.5)
    hint = f" Is it {' or '.join(map(readable, near))}?" if near else ""
    raise _InputError(
        f"There is no result of {readable(name)} in {out}.{hint}"
    )


def _item(exercise: Exercise, name: str) -> Item | None:
    return next((i for i in exercise.items if i.grade_id == name), None)


def _check(points: float | None, item: Item) -> None:
    if points is None:
        return
    if not math.isfinite(points) or not 0 <= points <= item.points:
        raise _InputError(
            f"{item.grade_id} has {number(item.points)} points: expected "
            f"from 0 to {number(item.points)}, got {points:g}. More than "
            "that is extra credit, which formgrader gives."
        )


def _listed(published: Published) -> str:
    lines = [
        _line(grade, each.item)
        for grade in published.grades
        for each in grade.items
        if each.is_by_hand
    ]
    return "\n".join(lines or ["Nobody has points by hand."]) + "\n"


def _line(grade: Grade, item: Item) -> str:
    each = next(e for e in grade.items if e.item == item)
    checked = each.automatic
    parts = [
        f"{readable(grade.student)}, {item.grade_id}: "
        f"{number(each.points)} of {number(item.points)} points"
    ]
    if each.is_by_hand:
        parts.append(
            " by hand"
            if checked is None
            else f" by hand, {number(checked)} by the check"
        )
    comment = " ".join(each.mark.comment.removeprefix(f"{BY_HAND}: ").split())
    return "".join(parts) + (f". {comment}" if comment else "")
