"""The ways in which a notebook gets its points, each as a function."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from known_mistakes import ROOT, code_cell
from nbgrader.preprocessors import Execute
from nbgrader.utils import determine_grade
from nbgrader_course import Course

from attnbook.grading.grade import clean, grade, grade_bytes
from attnbook.grading.isolation.apart import Examiner
from attnbook.grading.notebook.release import Release
from attnbook.grading.report import Report

LONGEST = 1_000  # characters of a message


def by_nbval(content: dict, folder: Path, chapter: str) -> Report:
    """Grade one notebook, as a learner does."""
    path = folder / f"{chapter}.ipynb"
    path.write_text(json.dumps(content), "utf-8")
    return grade(path, release_folder=ROOT / "exercises")


def as_in_a_class(
    content: dict, release: Release, examiner: Examiner
) -> Report:
    """Grade one of many notebooks, apart from the checks."""
    return grade_bytes(
        json.dumps(content).encode(), "a notebook", release, examiner
    )


def by_nbgrader(
    contents: Mapping[str, dict], course: Course, chapter: str
) -> dict[str, dict[str, float]]:
    """Return what nbgrader's autograder gives, by student and cell."""
    course.nbgrader("generate_assignment", chapter)
    for student, content in contents.items():
        course.hand_in(student, chapter, content)
    course.nbgrader("autograde", chapter)
    return {student: course.scores(student, chapter) for student in contents}


@dataclass(frozen=True)
class Judged:
    """A graded cell that ran in a kernel, by the rules of two graders."""

    is_passed_by_nbval: bool
    points_by_nbgrader: float
    message: str


class _Watched(Execute):
    """nbgrader's way to run a notebook, which keeps the kernel's replies."""

    def on_cell_executed(self, **keywords) -> None:
        super().on_cell_executed(**keywords)
        self.replies[keywords["cell_index"]] = keywords["execute_reply"][
            "content"
        ]


def in_one_kernel(
    before: Sequence[str], pairs: Sequence[tuple[str, str, float]]
) -> Iterator[Judged]:
    """Run many graded cells in one kernel, and judge each.

    Parameters
    ----------
    before
        The cells to run first.
    pairs
        The source of each solution cell, of the graded cell that follows
        it, and the points of that one.
    """
    cells = [
        code_cell(source, f"before-{n}") for n, source in enumerate(before)
    ]
    for n, (solution, graded, points) in enumerate(pairs):
        cells.append(code_cell(solution, f"solution-{n}"))
        cells.append(code_cell(graded, f"graded-{n}"))
        cells[-1]["metadata"]["nbgrader"] = {
            "grade_id": f"graded-{n}",
            "grade": True,
            "solution": False,
            "locked": True,
            "task": False,
            "points": points,
            "schema_version": 3,
        }
    notebook = nbformat.from_dict(
        {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    )
    runner = _Watched(kernel_name="python3")
    runner.replies = {}
    runner.preprocess(notebook, {})
    for place, cell in enumerate(notebook.cells):
        reply = runner.replies[place]
        if "nbgrader" not in cell.metadata:
            assert reply["status"] == "ok", reply
            continue
        yield Judged(
            reply["status"] == "ok" and not reply.get("payload"),
            determine_grade(cell)[0],
            clean(reply.get("evalue", ""), LONGEST),
        )
