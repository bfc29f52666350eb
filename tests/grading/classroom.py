"""A made-up class: its submissions, the command, and what came out of it.

The command is the course's own, but for the examiner: the toy chapter's
cells are run right where they are judged, which is fast and shows all but
the isolation.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
import multiprocessing
import os
import random
import sqlite3
import sys
import time
from pathlib import Path

import nbgrader.api
from alembic.script import ScriptDirectory

from attnbook.grading.classroom import classes, fingerprints, merging, tasks
from attnbook.grading.notebook.running import Fate

EXERCISE = "00-toy"
RIGHT = {
    "double": "2 * number",
    "negate": "-number",
    "halve": "number / 2",
    "third": "number / 3",
}
WRONG = {
    "double": "number * number",
    "negate": "number",
    "halve": "number // 2",
    "third": "number // 3",
}
NAP = "CLASSROOM_NAP"  # seconds that each submission takes besides
MARK = "CLASSROOM_MARK"  # a file that is there once one is graded


class Examiner:
    """Runs cells without any protection, in the process that judges."""

    def __init__(self, release, limits, isolation, seed) -> None:
        self.limits, self.isolation, self.seed = limits, isolation, seed

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        pass

    def run(self, cells) -> list[Fate]:
        """Return the fate of each cell."""
        if MARK in os.environ:
            Path(os.environ[MARK]).touch()
        time.sleep(float(os.environ.get(NAP, "0")))
        names: dict = {}
        return [self._fate(cell, names) for cell in cells]

    def _fate(self, cell, names) -> Fate:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(cell.source, names)
        except Exception as error:
            return Fate("error", type(error).__name__, str(error))
        return Fate("passed")


def hand_in(fresh, folder: Path, student: str, answers: dict) -> Path:
    """Write a student's notebook, with answers by exercise."""
    learner = fresh()
    for name, expression in answers.items():
        learner.answer(name, expression)
    place = folder / student
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{EXERCISE}.ipynb"
    path.write_text(json.dumps(learner.content), "utf-8")
    # The time is told in grades, and must be the same on each run.
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def a_class(fresh, folder: Path, count: int) -> Path:
    """Write the submissions of ``student-01`` and so on.

    Some are right, some wrong in part, one is a stub, one is no notebook.
    """
    chance = random.Random(count)
    for number in range(1, count + 1):
        student = f"student-{number:02}"
        answers = {
            name: RIGHT[name] if chance.random() < 0.6 else WRONG[name]
            for name in RIGHT
        }
        answers = {1: RIGHT, 2: {}}.get(number, answers)
        path = hand_in(fresh, folder, student, answers)
        if number == 3:
            path.write_text("{")
            os.utime(path, (1_700_000_000, 1_700_000_000))
    return folder


def arguments(course: Path, submissions: Path, out: Path, *more: str):
    """Return the command line for the toy class."""
    return [
        str(submissions), "--exercise", EXERCISE, "--out", str(out),
        "--release", str(course / "exercises"), "--no-sandbox", *more,
    ]  # fmt: skip


REPLACED = (
    (tasks, "examiner"),
    (nbgrader.api, "get_alembic_version"),
    (fingerprints, "of_package"),
)


@functools.cache
def version() -> str:
    """Return which version nbgrader's gradebooks have."""
    scripts = Path(nbgrader.api.__file__).parent / "alembic"
    return ScriptDirectory(str(scripts)).get_current_head()


def equip() -> None:
    """Let the command use this module's examiner, and lose no time.

    nbgrader asks a program of its own, for seconds, which version its
    gradebooks have; and the package's files may change while tests run.
    """
    tasks.examiner = Examiner
    nbgrader.api.get_alembic_version = version
    fingerprints.of_package = lambda: "package"


@functools.cache
def processes():
    # Forked from a process that has loaded all there is to load, once.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["classroom_loaded"])
    return processes


def start(line: list[str], log: Path, nap: float = 0.0):
    """Start ``class``, or ``merge``, in a process of its own."""
    log.touch()
    process = processes().Process(target=_command, args=(line, log, nap))
    process.start()
    return process


def mark_of(log: Path) -> Path:
    """Return the file that is there once a submission is being graded."""
    return log.with_suffix(".mark")


def _command(line: list[str], log: Path, nap: float) -> None:
    equip()
    os.environ[NAP] = str(nap)
    os.environ[MARK] = str(mark_of(log))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115, for good
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    command = merging if line[0] == "merge" else classes
    sys.exit(command.main(line[line[0] == "merge" :]))


def result_files(out: Path) -> dict[str, dict]:
    """Return the content of each result file, by its path."""
    return {
        str(path.relative_to(out)): json.loads(path.read_text())
        for path in sorted(out.glob("results/*/*.json"))
    }


def grades(out: Path) -> dict:
    """Return all that was published, without the times that grading took."""
    tables = {
        path.name: list(csv.reader(path.open(newline="")))
        for path in sorted(out.glob("*.csv"))
    }
    return {
        "json": without_times(json.loads((out / "grades.json").read_text())),
        "tables": tables,
        "gradebook": gradebook(out / "gradebook.db"),
        "feedback": {
            path.relative_to(out).as_posix()
            for path in out.glob("feedback/**/*.html")
        },
    }


def without_times(content):
    """Leave out when and how long something was graded."""
    if isinstance(content, dict):
        return {
            name: without_times(value)
            for name, value in content.items()
            if name not in ("seconds", "graded_at")
        }
    if isinstance(content, list):
        return [without_times(value) for value in content]
    return content


def gradebook(path: Path) -> dict[str, list]:
    """Return the rows of each table of a gradebook."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        names = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall()
        return {
            name: sorted(map(repr, database.execute(f"SELECT * FROM {name}")))
            for (name,) in names
        }
