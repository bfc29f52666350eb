"""What a student's workflow runs: grade all there is, show the tables.

::

    python -m attnbook.grading.systems.github REPOSITORY --release DIR
        --out DIR

The tables go to the summary of the job, ``$GITHUB_STEP_SUMMARY``, and to
``OUT`` one page and one JSON document for each exercise.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from attnbook.grading import report as reports
from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.systems.markdown import as_markdown
from attnbook.grading.systems.submitted import grade_folder, releases
from attnbook.grading.systems.surroundings import taken


def main(arguments: Sequence[str] | None = None) -> int:
    """Grade a repository; return 0, or 2 where there is nothing to grade."""
    parser = argparse.ArgumentParser(
        prog="python -m attnbook.grading.systems.github",
        description="Grade each exercise notebook of a repository.",
    )
    parser.add_argument("repository", type=Path)
    parser.add_argument("--release", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    options = parser.parse_args(arguments)
    summary = taken().get("GITHUB_STEP_SUMMARY", "")
    try:
        known = releases(options.release)
        graded, notes = grade_folder(
            options.repository, options.release, known
        )
    except UnusableError as error:
        print(error, file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    # What a learner wrote must be no order to GitHub, which reads the log.
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}")
    for name, report in graded.items():
        print(reports.as_text(report))
        for form, write in (
            ("html", reports.as_html),
            ("json", reports.as_json),
        ):
            path = options.out / f"{name}.{form}"
            path.write_text(write(report), "utf-8", "replace")
    if not graded:
        notes.insert(
            0,
            "There is no exercise notebook here. Expected one of: "
            f"{', '.join(f'{name}.ipynb' for name in known)}.",
        )
    for note in notes:
        print(note)
    print(f"::{token}::")
    if summary:
        with open(summary, "a", encoding="utf-8", errors="replace") as file:
            file.write(as_markdown(graded.values(), notes))
    return 0 if graded else 2


if __name__ == "__main__":
    sys.exit(main())
