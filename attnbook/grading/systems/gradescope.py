"""What Gradescope's autograder runs: from a grade to its ``results.json``.

The format: https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.report import Report
from attnbook.grading.systems.submitted import (
    grade_folder,
    missing,
    releases,
)


def results(report: Report, notes: Iterable[str] = ()) -> dict:
    """Return the content of ``results.json``.

    All text is marked as plain: what a learner wrote is shown, never
    rendered. What was printed on the way is for the teacher alone.
    """
    return {
        "score": report.points,
        "execution_time": round(report.seconds),
        "output": "\n".join([*report.notes, *notes]),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [
            {
                "name": f"{one.label} ({one.grade_id})",
                "name_format": "text",
                "score": one.points,
                "max_score": one.out_of,
                "status": "passed" if one.status == "passed" else "failed",
                "output": one.message,
                "output_format": "text",
            }
            for one in report.results
        ],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Grade a submission; return 0, or 2 where it cannot be graded.

    A submission without a notebook is graded, with no points.
    """
    parser = argparse.ArgumentParser(
        prog="python -m attnbook.grading.systems.gradescope",
        description="Grade a submission for Gradescope.",
    )
    parser.add_argument("--exercise", required=True)
    parser.add_argument("--release", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--submission", type=Path, required=True, metavar="DIR"
    )
    parser.add_argument("--results", type=Path, required=True, metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        release = releases(options.release, options.exercise)
        name = options.exercise
        graded, notes = grade_folder(
            options.submission, options.release, [name]
        )
    except UnusableError as error:
        print(error, file=sys.stderr)
        return 2
    report = graded.get(name) or missing(
        release[name],
        f"There is no notebook of this exercise. Hand in {name}.ipynb.",
    )
    options.results.parent.mkdir(parents=True, exist_ok=True)
    # Not through a link, and not into a file that is held open.
    options.results.unlink(missing_ok=True)
    content = json.dumps(results(report, notes), indent=2) + "\n"
    options.results.write_text(content, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
