"""The command: grade a notebook or a class, or make what grading needs.

::

    python -m attnbook.grading exercises/00-soft-lookup.ipynb
    python -m attnbook.grading COMMAND …

Each command explains itself: ``python -m attnbook.grading class --help``.

=============  ===========================================================
``class``      grade the submissions of a class, each in a sandbox
``points``     give points by hand; they survive a regrade
``merge``      join the results of shards
``doctor``     try whether this machine can grade strangers' code
``release``    make ``exercises/`` from ``solutions/``
``systems``    make the files in ``teaching/`` for other systems
=============  ===========================================================

Each ends with 0 when it did what was asked, whatever the points; with 2 when
it cannot; with 130 when it was interrupted. ``release --check`` and
``systems --check`` end with 1 when something differs, ``doctor`` when the
machine is not fit.
"""

from __future__ import annotations

import os
import sys

# `python -m` looks for modules in the working folder first, which may be the
# submissions': a file of a student's, `tqdm.py`, would be run as the
# teacher's own. Taken out before anything is imported that is not loaded yet,
# and for the programs that are started.
if __name__ == "__main__":
    sys.path[:] = [place for place in sys.path if place != os.getcwd()]
    if "PYTHONPATH" in os.environ:
        os.environ["PYTHONPATH"] = os.pathsep.join(
            place
            for place in os.environ["PYTHONPATH"].split(os.pathsep)
            if os.path.abspath(place) != os.getcwd()
        )

import argparse
import importlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from attnbook.grading import report as reports
from attnbook.grading.arguments import Parser
from attnbook.grading.grade import TIMEOUT, grade, unusable
from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.notebook.release import compare_all, write_all

# The modules are loaded when they are called for: a learner who grades one
# notebook needs none of them.
COMMANDS = {
    "class": "attnbook.grading.classroom.classes",
    "points": "attnbook.grading.classroom.points",
    "merge": "attnbook.grading.classroom.merging",
    "doctor": "attnbook.grading.doctor",
    "systems": "attnbook.grading.systems.command",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        if arguments[:1] == ["release"]:
            return _release(arguments[1:])
        if arguments and arguments[0] in COMMANDS:
            command = importlib.import_module(COMMANDS[arguments[0]])
            return command.main(arguments[1:])
        return _grade(arguments)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


def _grade(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog="python -m attnbook.grading",
        description="Grade one exercise notebook and print its points.",
        epilog="Other commands: " + ", ".join([*COMMANDS, "release"]) + ". "
        "`python -m attnbook.grading class --help` explains one.",
    )
    parser.add_argument("notebook", type=Path, help="the notebook to grade")
    for form in ("json", "junit", "html"):
        parser.add_argument(
            f"--{form}",
            type=Path,
            metavar="FILE",
            help=f"also write the grade as {form.upper()}",
        )
    parser.add_argument(
        "--release",
        type=Path,
        metavar="DIR",
        help="folder of the released notebooks (default: exercises/)",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=TIMEOUT,
        metavar="S",
        help=f"seconds that each cell may take (default: {TIMEOUT:g})",
    )
    name = arguments[0] if arguments else ""
    if re.fullmatch(r"[a-z]+", name) and not Path(name).exists():
        parser.error(
            f"there is no command and no notebook {name}. The commands are "
            f"{', '.join([*COMMANDS, 'release'])}"
        )
    options = parser.parse_args(arguments)
    try:
        report = grade(options.notebook, options.release, options.timeout)
    except UnusableError as error:
        report = unusable(options.notebook, str(error))
    print(reports.as_text(report), end="")
    written = _write(
        [
            (options.json, reports.as_json),
            (options.junit, reports.as_junit),
            (options.html, reports.as_html),
        ],
        report,
    )
    return 2 if report.reason or not written else 0


def seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(
            f"expected a positive number of seconds, got {text}"
        )
    return number


def _write(
    forms: Sequence[tuple[Path | None, Callable]], report: reports.Report
) -> bool:
    written = True
    for path, form in forms:
        if path is None:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(form(report), "utf-8", "replace")
        except OSError as error:
            print(f"{path} was not written: {error.strerror}", file=sys.stderr)
            written = False
    return written


def _release(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m attnbook.grading release",
        description="Make exercises/ from solutions/ by nbgrader's own "
        "preprocessors.",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="change nothing; end with 1 and say what differs",
    )
    parser.add_argument("--solutions", type=Path, default=Path("solutions"))
    parser.add_argument("--exercises", type=Path, default=Path("exercises"))
    options = parser.parse_args(arguments)
    try:
        if not options.check:
            changed = write_all(options.solutions, options.exercises)
            for path in changed:
                print(f"Wrote {path}")
            if not changed:
                print("Nothing to do: the exercises are up to date.")
            return 0
        differences = compare_all(options.solutions, options.exercises)
    except ModuleNotFoundError as error:
        print(
            f"The release needs {error.name}: install the packages in "
            "requirements-test.txt.",
            file=sys.stderr,
        )
        return 2
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for difference in differences:
        print(difference)
    if differences:
        print("Run `python -m attnbook.grading release`.")
        return 1
    print("The exercises agree with their solutions.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
