"""The notebook as it was graded, where formgrader looks for it.

It is the release with the student's solution cells in it, and what the
checks said below them. Cells of the student's own are not in it, and nothing
that they printed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from attnbook.grading.records.grades import Exercise, Grade
from attnbook.grading.report import Result


def autograded(exercise: Exercise) -> Callable[[Grade], str]:
    """Return the function that writes a student's notebook."""
    path = exercise.release.notebook.path
    released = json.loads(path.read_text("utf-8"))
    cells = released.pop("cells")
    # Most cells are the same for all.
    written = [json.dumps(cell) for cell in cells]
    rest = json.dumps(released, indent=1).removeprefix("{")

    def write(grade: Grade) -> str:
        results = {r.grade_id: r for r in grade.graded.report.results}
        sources = grade.graded.sources
        own = []
        for cell, text in zip(cells, written, strict=True):
            metadata = cell["metadata"].get("nbgrader", {})
            grade_id = metadata.get("grade_id", "")
            changes: dict[str, Any] = {}
            if grade_id in sources:
                changes["source"] = _text(sources[grade_id])
            if grade_id in results and cell["cell_type"] == "code":
                changes["outputs"] = [_output(results[grade_id])]
            own.append(json.dumps(cell | changes) if changes else text)
        return '{\n "cells": [\n' + ",\n".join(own) + "\n ]," + rest + "\n"

    return write


def _text(source: str) -> str:
    return source.encode("utf-8", "replace").decode()


def _output(result: Result) -> dict[str, Any]:
    """Return what was said, as an error where the answer is not right.

    nbgrader sees points that are missing by such an error.
    """
    said = _text(result.message) or f"✓ {result.label}"
    if result.status == "passed":
        return {"name": "stdout", "output_type": "stream", "text": said}
    return {
        "ename": "WrongAnswer",
        "evalue": said.splitlines()[0],
        "output_type": "error",
        "traceback": said.splitlines(),
    }
