"""Makes of the result files of a class all that a teacher reads.

Into the folder of the results go the gradebook of nbgrader, the tables
(:mod:`attnbook.grading.records.tables`), a page for each student, and the
class page ``index.html``. The same results give the same bytes; each file is
replaced whole, and only where it differs. The deadlines and the gradebook's
address stay in ``publish.json``, so that whoever publishes again (with
``points``, ``merge`` or a regrade) need not give them again.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.notebook.release import known_releases
from attnbook.grading.records import (
    class_page,
    late,
    results,
    tables,
)
from attnbook.grading.records.autograded import autograded
from attnbook.grading.records.gradebook.book import Book, record
from attnbook.grading.records.gradebook.database import (
    GradebookError,
    address,
    opened,
)
from attnbook.grading.records.gradebook.students import student_ids
from attnbook.grading.records.grades import (
    Exercise,
    Grade,
    exercise_of,
    grade_of,
    of_exercise,
)
from attnbook.grading.records.late import Policy
from attnbook.grading.records.results import Graded
from attnbook.grading.records.student_tables import resolved

SCHEMA = "attnbook.grading.publish/1"

_SOURCE = """\
Formgrader lists the exercises that have a folder here. There is nothing to
generate: the exercises were released by the course.
"""

# For nbgrader's own commands, where they are run in the folder.
_NBGRADER = """\
# `nbgrader export` would write grades.csv, which is another table here.
c = get_config()  # noqa: F821
c.ExportPlugin.to = "grades-nbgrader.csv"
"""


class PublishError(Exception):
    """The grades cannot be published; the text says why and what to do."""


@dataclass(frozen=True)
class Options:
    """What a teacher may say of the publishing; None for as before.

    What concerns deadlines and Canvas is meant for ``exercise``.
    """

    exercise: str = ""
    release: Path | None = None
    database: str | None = None
    canvas: str | None = None
    due: datetime | None = None
    is_due_dropped: bool = False
    rule: dict[str, Any] = field(default_factory=dict)  # members of Policy


# What a person changes in an exercise of the gradebook before the grades are
# published; it says whether it did.
Change = Callable[[Book, Sequence[Grade]], bool]


@dataclass(frozen=True)
class Published:
    """What was published."""

    grades: tuple[Grade, ...]
    page: Path
    database: str  # without its password
    is_changed: bool = False  # by a person


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a teacher may say to a command that publishes."""
    group = parser.add_argument_group(
        "deadline and publishing",
        "What is said once for a folder holds there until it is said anew.",
    )
    group.add_argument(
        "--due",
        type=_read(_due),
        metavar="TIME",
        help="deadline, such as 2026-12-01T23:59+01:00; “none” for none",
    )
    group.add_argument(
        "--late-penalty",
        type=_read(late.read_share),
        metavar="PERCENT",
        help="of all points, for each day that has begun, such as 10%%",
    )
    group.add_argument(
        "--late-per",
        choices=("day", "hour"),
        help="what the penalty is for (default: day)",
    )
    group.add_argument(
        "--late-most",
        type=_read(late.read_share),
        metavar="PERCENT",
        help="the most that a late submission loses (default: 100%%)",
    )
    group.add_argument(
        "--late-zero-after",
        type=_read(late.read_span),
        metavar="SPAN",
        help="no points are left after that, such as 7d",
    )
    group.add_argument(
        "--grace",
        type=_read(late.read_span),
        metavar="SPAN",
        help="as late as this is not late, such as 15min",
    )
    group.add_argument(
        "--extensions",
        type=_read(lambda text: late.read_extensions(Path(text))),
        metavar="FILE",
        help="table (CSV) of the columns student, due",
    )
    group.add_argument(
        "--database",
        metavar="URL",
        help="gradebook of nbgrader (default: gradebook.db in the folder)",
    )
    group.add_argument(
        "--canvas-assignment",
        metavar="NAME",
        help="the assignment's column in Canvas, such as “Look-up (12345)”",
    )


def options_of(
    arguments: argparse.Namespace,
    exercise: str = "",
    release: Path | None = None,
) -> Options:
    """Return what the arguments of :func:`add_arguments` say."""
    rule = {
        "share": arguments.late_penalty,
        "per": arguments.late_per,
        "most": arguments.late_most,
        "zero_after": arguments.late_zero_after,
        "grace": arguments.grace,
        "extensions": arguments.extensions,
    }
    return Options(
        exercise=exercise,
        release=release,
        database=arguments.database,
        canvas=arguments.canvas_assignment,
        due=arguments.due or None,
        is_due_dropped=arguments.due == "",
        rule={n: value for n, value in rule.items() if value is not None},
    )


def _due(text: str) -> datetime | str:
    return "" if text.strip().lower() == "none" else late.read_moment(text)


def _read(reader: Any) -> Any:
    """Let argparse show what a reader says of a wrong value."""

    def read(text: str) -> Any:
        try:
            return reader(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def publish(
    out: Path, options: Options | None = None, change: Change | None = None
) -> Published:
    """Publish the results below a folder.

    ``change`` may change marks in the gradebook before; it is called for
    each exercise.

    Raises
    ------
    PublishError
        When there is nothing to publish, or a file or the gradebook cannot
        be used. What was published before stays.
    """
    options = options or Options()
    try:
        return _publish(out, options, change)
    except (
        GradebookError,
        results.ResultError,
        UnusableError,
    ) as error:
        raise PublishError(str(error)) from None
    except OSError as error:
        raise PublishError(
            f"{error.filename or out} cannot be written: {error.strerror}."
        ) from None


def check(out: Path, options: Options) -> None:
    """Refuse, before a class is graded, what could not be published after.

    Raises
    ------
    PublishError
        When the options do not go together, or the address is none.
    """
    _settings(out, options)
    if not options.database:
        return
    try:
        address(options.database, out)
    except GradebookError as error:
        raise PublishError(str(error)) from None


def deadline(out: Path, options: Options) -> Policy | None:
    """Return the deadline that holds, with what was said of it before.

    Raises
    ------
    PublishError
        When the options do not go together.
    """
    rule = _settings(out, options)["deadlines"].get(options.exercise)
    return late.policy_of(rule) if rule else None


def _publish(out: Path, options: Options, change: Change | None) -> Published:
    graded = results.load_all(out)
    if not graded:
        raise PublishError(
            f"There are no results in {out / 'results'}: grade a class into "
            "this folder first."
        )
    settings = _settings(out, options)
    exercises = exercises_of(graded, settings, out)
    database = options.database
    url = address(settings["database"] if database is None else database, out)
    if database is not None:
        # A password is not kept.
        settings["database"] = database and url.render_as_string()
    _write(out / "publish.json", json.dumps(settings, indent=1) + "\n")
    ids = student_ids(sorted({one.student for one in graded}))
    grades: list[Grade] = []
    is_changed = False
    with opened(url) as book:
        for exercise in exercises:
            own = [one for one in graded if one.exercise == exercise.name]
            recorded = record(book, exercise, own, ids)
            made = _grades(recorded, own)
            if change and change(recorded, made):
                is_changed = True
                made = _grades(recorded, own)
            recorded.charge(made)
            grades += made
    grades.sort(key=lambda grade: (grade.student, grade.exercise.name))
    _files(out, exercises, grades, ids)
    return Published(
        tuple(grades),
        out / "index.html",
        url.render_as_string(hide_password=True),
        is_changed,
    )


def _grades(book: Book, graded: Sequence[Graded]) -> list[Grade]:
    marks = book.marks()
    return [
        grade_of(one, book.exercise, marks.get(one.student, {}))
        for one in graded
    ]


def exercises_of(
    graded: Sequence[Graded], settings: dict[str, Any], out: Path
) -> list[Exercise]:
    """Return the exercises that there are results of, by name.

    Raises
    ------
    UnusableError
        When a release is not found.
    """
    place = settings["release"]
    releases, _ = known_releases(Path(place) if place else None, out)
    exercises = []
    for name in sorted({one.exercise for one in graded}):
        release = releases.get(name)
        if release is None:
            raise UnusableError(
                f"The released notebook {name} is not found. Name the "
                "folder of the releases with --release."
            )
        rule = settings["deadlines"].get(name)
        policy = rule and late.policy_of(rule)
        own = [one for one in graded if one.exercise == name]
        if policy:
            named, strangers = resolved(policy.extensions, own, "extensions")
            named |= {n: policy.extensions[n] for n in strangers}
            policy = replace(policy, extensions=named)
        exercises.append(
            exercise_of(release, own, policy, settings["canvas"].get(name, ""))
        )
    return exercises


# -- settings --------------------------------------------------------------


def read_settings(out: Path) -> dict[str, Any]:
    """Return what was said of the folder before.

    Raises
    ------
    PublishError
        When the file is damaged.
    """
    path = out / "publish.json"
    settings: dict[str, Any] = {
        "schema": SCHEMA,
        "database": "",
        "release": "",
        "canvas": {},
        "deadlines": {},
    }
    if not path.exists():
        return settings
    try:
        read = json.loads(path.read_text("utf-8"))
        if read["schema"] != SCHEMA or set(read) != set(settings):
            raise KeyError("schema")
        for rule in read["deadlines"].values():
            late.policy_of(rule)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PublishError(
            f"{path} is damaged. Move it away, and give the deadline and "
            "the gradebook's address again."
        ) from None
    return read


def _settings(out: Path, options: Options) -> dict[str, Any]:
    settings = read_settings(out)
    if options.release:
        settings["release"] = str(options.release.resolve())
    name = options.exercise
    if options.canvas is not None:
        settings["canvas"][name] = options.canvas
    before = settings["deadlines"].pop(name, None)
    policy = None if options.is_due_dropped else _policy(before, options)
    if policy:
        settings["deadlines"][name] = policy.as_dict()
    settings["deadlines"] = dict(sorted(settings["deadlines"].items()))
    return settings


def _policy(before: dict[str, Any] | None, options: Options) -> Policy | None:
    policy = late.policy_of(before) if before else None
    if options.due:
        policy = (
            replace(policy, due=options.due) if policy else Policy(options.due)
        )
    if policy is None and options.rule:
        raise PublishError(
            "A rule for late submissions needs a deadline: give it with "
            "--due, such as --due 2026-12-01T23:59+01:00."
        )
    return replace(policy, **options.rule) if policy else None


# -- files -----------------------------------------------------------------


def _files(
    out: Path,
    exercises: Sequence[Exercise],
    grades: Sequence[Grade],
    ids: dict[str, str],
) -> None:
    _write(out / "grades.json", tables.as_json(exercises, grades))
    # Excel takes a table for UTF-8 only where this mark says so.
    _write(out / "grades.csv", "\ufeff" + tables.as_csv(exercises, grades))
    _write(out / "grades-canvas.csv", tables.as_canvas(exercises, grades))
    worksheets = tables.worksheets_of(exercises)
    for exercise in exercises:
        own = of_exercise(grades, exercise.name)
        _write(out / worksheets[exercise.name], tables.as_moodle(own))
        source = out / "source" / exercise.name
        if not source.exists():  # it may be a course's own
            _write(source / "README.md", _SOURCE)
        template = autograded(exercise)
        for grade in own:
            if grade.graded.status == "graded":
                place = out / "autograded" / ids[grade.student]
                _write(
                    place / exercise.name / f"{exercise.name}.ipynb",
                    template(grade),
                )
            page = class_page.feedback(grade)
            _write(out / tables.feedback_of(grade), page)
    if tables.WORKSHEET not in worksheets.values():
        # It was of one exercise, and there are more by now.
        (out / tables.WORKSHEET).unlink(missing_ok=True)
    settings = out / "nbgrader_config.py"
    if not settings.exists():  # it may be a course's, or be changed
        _write(settings, _NBGRADER)
    _write(out / "index.html", class_page.page(exercises, grades))


def _write(path: Path, text: str) -> None:
    """Replace a file whole, and only where it differs."""
    content = text.encode("utf-8", "replace")
    try:
        if path.read_bytes() == content:
            return
    except OSError:
        path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    draft.write_bytes(content)
    draft.replace(path)
