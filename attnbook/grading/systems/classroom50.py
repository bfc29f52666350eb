"""What Classroom 50's autograder runs: from grades to its ``result.json``.

The name of the assignment says which exercise it is; an assignment of
another name is the whole course. The schema is ``classroom50/result/v1``:
https://github.com/foundation50/classroom50/wiki/Advanced-Autograding
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.report import Report
from attnbook.grading.systems.markdown import as_markdown
from attnbook.grading.systems.submitted import (
    grade_folder,
    missing,
    releases,
)
from attnbook.grading.systems.surroundings import taken

SCHEMA = "classroom50/result/v1"
_NEEDED = (
    "CLASSROOM",
    "ASSIGNMENT",
    "SUBMISSION_TAG",
    "COMMIT_URL",
    "RELEASE_URL",
)


def result(
    reports: Iterable[Report],
    surroundings: Mapping[str, str],
    now: datetime.datetime,
) -> dict:
    """Return the content of ``result.json``.

    Parameters
    ----------
    surroundings
        The environment in which Classroom 50 runs an autograder. It puts the
        owner, the kind of assignment and the time in itself, whatever stands
        there.

    Raises
    ------
    UnusableError
        When it is not such an environment.
    """
    absent = [name for name in _NEEDED if not surroundings.get(name)]
    if absent:
        raise UnusableError(
            f"Classroom 50 sets {', '.join(_NEEDED)}; here {absent[0]} is "
            "not set. Is this run by its autograder?"
        )
    tests = [
        {
            "test-name": f"{one.label} ({one.grade_id})",
            "passed": one.status == "passed",
            "score": _whole(one.points),
            "max-score": _whole(one.out_of),
            "output": one.message,
        }
        for report in reports
        for one in report.results
    ]
    get = surroundings.get
    return {
        "schema": SCHEMA,
        "classroom": surroundings["CLASSROOM"],
        "assignment": surroundings["ASSIGNMENT"],
        "assignment_type": get("ASSIGNMENT_TYPE") or "individual",
        "owner": get("OWNER") or get("USERNAME") or "unknown",
        "submission": surroundings["SUBMISSION_TAG"],
        "commit": surroundings["COMMIT_URL"],
        "release": surroundings["RELEASE_URL"],
        "review": get("REVIEW_URL") or surroundings["COMMIT_URL"],
        "datetime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "score": sum(test["score"] for test in tests),
        "max-score": sum(test["max-score"] for test in tests),
        "tests": tests,
    }


def _whole(points: float) -> int:
    if points != int(points):
        raise UnusableError(
            f"Classroom 50 takes whole points only, and there are {points:g}."
        )
    return int(points)


def main(arguments: Sequence[str] | None = None) -> int:
    """Grade the checkout in the working folder, write what is expected.

    Returns 0, or 2 where it cannot be graded, which Classroom 50 shows as
    an error of the autograder.
    """
    parser = argparse.ArgumentParser(
        prog="python -m attnbook.grading.systems.classroom50",
        description="Grade a student's checkout for Classroom 50.",
    )
    parser.add_argument("--release", type=Path, required=True, metavar="DIR")
    options = parser.parse_args(arguments)
    surroundings = taken()
    try:
        known = releases(options.release)
        assignment = surroundings.get("ASSIGNMENT", "")
        wanted = [assignment] if assignment in known else list(known)
        graded, notes = grade_folder(Path.cwd(), options.release, wanted)
        reports = [
            graded.get(name)
            or missing(known[name], f"There is no {name}.ipynb here.")
            for name in wanted
        ]
        now = datetime.datetime.now(datetime.UTC)
        content = result(reports, surroundings, now)
    except UnusableError as error:
        print(error, file=sys.stderr)
        return 2
    _write("result.json", json.dumps(content, indent=2) + "\n")
    _write("release-body.md", as_markdown(reports, notes))
    return 0


def _write(name: str, text: str) -> None:
    # Not through a link that the checkout may hold.
    Path(name).unlink(missing_ok=True)
    Path(name).write_text(text, "utf-8", "replace")


if __name__ == "__main__":
    sys.exit(main())
