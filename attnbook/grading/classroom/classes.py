"""The command ``class``: grade the submissions of a class.

::

    python -m attnbook.grading class SUBMISSIONS \\
        --exercise 03-scaled-dot-product --out grades

In this order: say what was understood, grade what is new or changed (a file
each, as soon as it is graded), publish what all result files say. So it can
be stopped and started at any time, and what is finished stays finished.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from attnbook.grading.classroom import runs
from attnbook.grading.classroom.options import (
    RefusedError,
    parser,
    publishing,
)
from attnbook.grading.classroom.runs import RunError
from attnbook.grading.classroom.summary import intentions, summary
from attnbook.grading.classroom.tasks import grade_tasks, interruptible
from attnbook.grading.classroom.understanding import Understood, understand
from attnbook.grading.classroom.workers import OutputError, WorkersError
from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.records import publish, results
from attnbook.grading.records.results import ResultError

# One thread, from before NumPy is loaded: a process with more cannot be
# forked safely.
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    options = parser().parse_args(arguments)
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    try:
        return _grade_class(options)
    except (
        RefusedError,
        UnusableError,
        RunError,
        ResultError,
        publish.PublishError,
        WorkersError,
        OutputError,
    ) as error:
        print(f"Not done: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"Not done: {place}{error.strerror}.", file=sys.stderr)
        return 2


def _grade_class(options: argparse.Namespace) -> int:
    out = options.out
    if not options.dry_run:
        with runs.alone(out):
            return _graded(understand(options), options)
    understood = understand(options)
    print(intentions(understood, options))
    print("\nNothing was graded. Without --dry-run it is.")
    return 0


def _graded(understood: Understood, options: argparse.Namespace) -> int:
    """Grade what is to be graded, publish all, and sum up."""
    out = options.out
    print(intentions(understood, options), flush=True)
    seed = runs.secret(out, options.seed)
    runs.write(out, replace(understood.run, seed=runs.fingerprint(seed)))
    for kind in runs.TABLES:
        table = getattr(options, kind)
        if table is not None:
            runs.keep_table(out, options.exercise, kind, table)
    for graded in understood.plan.done:
        path = results.path_of(out, graded.student, graded.exercise)
        if results.load(path) != graded:
            results.write(out, graded)
    with interruptible() as interrupts:
        left = grade_tasks(understood, out, options.jobs, seed, interrupts)
        if not results.paths(out):
            return _end(left)
        published = publish.publish(out, publishing(options))
    print(summary(understood, published))
    return _end(left)


def _end(left: int) -> int:
    if not left:
        return 0
    print(
        f"Interrupted: {left} submissions are left. What is finished is "
        "kept; run the same command again to go on.",
        file=sys.stderr,
    )
    return 130
