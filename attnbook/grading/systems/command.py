"""The command: write what teachers copy, or compare.

::

    python -m attnbook.grading systems [--check]
    python -m attnbook.grading systems --nbgrader-course FOLDER
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from attnbook.grading.systems import facts, making, nbgrader


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit status.

    0 when it did what was asked, 1 when ``--check`` finds a difference, 2
    when it cannot be done.
    """
    parser = argparse.ArgumentParser(
        prog="python -m attnbook.grading systems",
        description="Write teaching/: the course for nbgrader, GitHub, "
        "Classroom 50, Gradescope, Kubernetes, in a container.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--check",
        action="store_true",
        help="change nothing; end with 1 and say what differs",
    )
    what.add_argument(
        "--nbgrader-course",
        type=Path,
        metavar="FOLDER",
        help="lay out an nbgrader course there instead: the configuration, "
        "and each exercise as an assignment",
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="the checkout of the course (default: the folder one is in)",
    )
    options = parser.parse_args(arguments)
    try:
        course = facts.read(options.root)
        if options.nbgrader_course:
            written = nbgrader.lay_out(
                course, options.root, options.nbgrader_course
            )
            return _say(written, "the course is up to date")
        teaching = options.root / "teaching"
        if not options.check:
            written = making.write_all(course, teaching)
            return _say(written, "teaching/ is up to date")
        differences = making.compare_all(course, teaching)
    except ModuleNotFoundError as error:
        print(
            f"This needs {error.name}: install the packages in "
            "requirements.txt.",
            file=sys.stderr,
        )
        return 2
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    for difference in differences:
        print(difference)
    if differences:
        print("Run `python -m attnbook.grading systems`.")
        return 1
    print("What teachers copy agrees with the course.")
    return 0


def _say(written: Sequence[Path], otherwise: str) -> int:
    for path in written:
        print(f"Wrote {path}")
    if not written:
        print(f"Nothing to do: {otherwise}.")
    return 0
