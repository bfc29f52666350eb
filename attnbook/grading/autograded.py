"""The notebook as it was graded, where formgrader looks for it.

It is the release with the student's solution cells in it, and what the
checks said below them. Cells of the student's own are not in it, and nothing
that they printed.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from attnbook.grading.grades import Exercise, Grade


def autograded(exercise: Exercise) -> Callable[[Grade], str]:
    """Return the function that writes a student's notebook."""
    path = exercise.release.notebook.path
    released = json.loads(path.read_text("utf-8"))

    def write(grade: Grade) -> str:
        notebook = copy.deepcopy(released)
        results = {r.grade_id: r for r in grade.graded.report.results}
        for cell in notebook["cells"]:
            grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
            if grade_id in grade.graded.sources:
                cell["source"] = _text(grade.graded.sources[grade_id])
            if grade_id in results and cell["cell_type"] == "code":
                result = results[grade_id]
                said = result.message or f"✓ {result.title}"
                cell["outputs"] = [_output(said, result.status)]
        return json.dumps(notebook, indent=1, ensure_ascii=True) + "\n"

    return write


def _text(source: str) -> str:
    return source.encode("utf-8", "replace").decode()


def _output(said: str, status: str) -> dict[str, Any]:
    """Return what was said, as an error where the answer is not right.

    nbgrader sees points that are missing by such an error.
    """
    if status == "passed":
        return {"name": "stdout", "output_type": "stream", "text": said}
    return {
        "ename": "WrongAnswer",
        "evalue": said.splitlines()[0] if said else status,
        "output_type": "error",
        "traceback": said.splitlines(),
    }
