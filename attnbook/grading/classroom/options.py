"""What the command ``class`` takes, and what it makes of it."""

from __future__ import annotations

import argparse
import os
from dataclasses import fields
from pathlib import Path

from attnbook.grading.arguments import Parser
from attnbook.grading.classroom.shards import Shard
from attnbook.grading.classroom.shards import parse as parse_shard
from attnbook.grading.isolation.limits import Limits
from attnbook.grading.records import publish

_UNITS = {
    "wall": ("S", "seconds for a cell, and for a call of an answer"),
    "total": ("S", "seconds for a submission"),
    "cpu": ("S", "seconds of processor time for a submission"),
    "memory": ("MIB", "MiB of memory beyond what it starts with"),
    "disk": ("MIB", "MiB for the files that it writes"),
    "threads": ("N", "threads at one time"),
    "output": ("MB", "MB of output that are kept"),
    "open_files": ("N", "open files at one time"),
    "notebook": ("MB", "MB of the notebook file"),
}


class RefusedError(Exception):
    """The command cannot be done as asked; the text says why."""


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = Parser(
        prog="python -m attnbook.grading class",
        description="Grade the submissions of a class, each in a sandbox of "
        "its own. Run it again and it grades what is new or changed.",
    )
    made.add_argument(
        "submissions",
        type=Path,
        help="folder or zip of the submissions, as Moodle, Canvas, nbgrader "
        "or git leave it",
    )
    made.add_argument(
        "--exercise",
        required=True,
        metavar="NAME",
        help="the released notebook, as in 03-scaled-dot-product",
    )
    made.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="where grades and feedback go",
    )
    made.add_argument(
        "--dry-run",
        action="store_true",
        help="only say what was understood and what would be graded",
    )
    made.add_argument(
        "--jobs",
        type=_count,
        default=_cores(),
        metavar="N",
        help="submissions at a time (default: the cores, here %(default)s)",
    )
    made.add_argument(
        "--shard",
        type=_shard,
        default=Shard(),
        metavar="I/N",
        help="grade share I of N alone; `merge` joins the results",
    )
    made.add_argument(
        "--seed",
        type=Path,
        metavar="FILE",
        help="file with the secret seed, to draw the same cases in several "
        "shards (default: DIR/seed, made on the first run)",
    )
    made.add_argument(
        "--release",
        type=Path,
        metavar="FOLDER",
        help="folder of the released notebooks (default: exercises/)",
    )
    made.add_argument(
        "--times",
        type=Path,
        metavar="CSV",
        help="table of who handed in when: student,submitted; it holds for "
        "this exercise until another is given; “none” for none",
    )
    made.add_argument(
        "--groups",
        type=Path,
        metavar="CSV",
        help="table of who is in which group that handed in as one: "
        "student,group; it holds like that of --times",
    )
    again = made.add_argument_group("grading again")
    again.add_argument(
        "--regrade",
        nargs="*",
        metavar="STUDENT",
        help="grade these students again, or all, though nothing changed",
    )
    again.add_argument(
        "--regrade-exercise",
        nargs="+",
        default=[],
        metavar="ID",
        help="grade again, but let only these graded cells (03-judge) count; "
        "the others keep their points",
    )
    limits = made.add_argument_group(
        "limits", "What a submission may use up before it is stopped."
    )
    for field in fields(Limits):
        metavar, words = _UNITS[field.name]
        limits.add_argument(
            f"--{field.name.replace('_', '-')}",
            dest=f"limit_{field.name}",
            type=type(field.default),
            default=field.default,
            metavar=metavar,
            help=f"{words} (default: %(default)g)",
        )
    limits.add_argument(
        "--no-sandbox",
        action="store_true",
        help="run student code unprotected, with your rights; each grade is "
        "marked so",
    )
    publish.add_arguments(made)
    return made


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1_000:
        raise argparse.ArgumentTypeError(
            f"expected a number from 1 to 1000, got {text}"
        )
    return number


def _shard(text: str) -> Shard:
    try:
        return parse_shard(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def limits_of(options: argparse.Namespace) -> Limits:
    """Return the limits of a submission.

    Raises
    ------
    RefusedError
        When one of them is no limit.
    """
    try:
        return Limits(
            **{f.name: getattr(options, f"limit_{f.name}") for f in
               fields(Limits)}
        )  # fmt: skip
    except ValueError as error:
        raise RefusedError(str(error)) from None


def publishing(options: argparse.Namespace) -> publish.Options:
    """Return how the grades are to be published."""
    return publish.options_of(options, options.exercise, options.release)
