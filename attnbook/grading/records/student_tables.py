"""Tables of a teacher's own with a line for each student.

They say when students handed in, until when they may, and in which group
they are.

Whoever writes such a table copies names from wherever they stand: out of the
grades, a mail, a list of the university. So a student is known by each of
these, whatever the case, the blanks and the spelling in Unicode:

1. the name as it stands in the grades;
2. the number in Moodle or Canvas, also as *Participant 101*;
3. the full name alone, where nobody else has it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from attnbook.grading.intake.by_student import listed
from attnbook.grading.intake.file_names import folded, natural, readable
from attnbook.grading.intake.submissions import Found, Submission
from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.records.formulas import as_read

_LONGEST = 10_000_000  # bytes
_NUMBERS = ("moodle_id", "canvas_id", "canvas_anonymous_id")

Value = TypeVar("Value")


class Student(Protocol):
    """Who handed in, or was graded."""

    @property
    def student(self) -> str:
        """The name, which is no other's."""

    @property
    def identifiers(self) -> Mapping[str, str]:
        """What other systems call the student."""


# -- reading -----------------------------------------------------------------


def read_table(
    path: Path, column: str, read: Callable[[str], Value]
) -> dict[str, Value | None]:
    """Read a table with the columns ``student`` and one other.

    More columns may be there; semicolons and tabs do as well as commas.

    Parameters
    ----------
    read
        Makes a value of a cell that is not empty, or raises a ValueError.

    Returns
    -------
    Values by student, as the table names them; None where the cell is
    empty.

    Raises
    ------
    ValueError
        When the table cannot be read; the text names the line.
    """
    shown = readable(str(path), 200)
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST).decode("utf-8-sig")
    except OSError as error:
        raise ValueError(
            f"{shown} cannot be read: {error.strerror}."
        ) from None
    except UnicodeDecodeError:
        raise ValueError(
            f"{shown} cannot be read, as it is not text in UTF-8. Save it as "
            "CSV in UTF-8."
        ) from None
    header = text.partition("\n")[0].strip()
    rows = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=max(",;\t", key=header.count),
    )
    values: dict[str, Value | None] = {}
    try:
        columns = [name.strip().casefold() for name in next(rows, [])]
        if not {"student", column} <= {*columns}:
            raise ValueError(
                f"expected a first line `student,{column}`; it has: "
                f"{readable(header) if header else 'nothing'}"
            )
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if any(cell.strip() for cell in row[len(columns) :]):
                raise ValueError(
                    "there are more cells than columns. A name with a comma "
                    "in it goes into quotes"
                )
            cells = dict(zip(columns, map(as_read, row), strict=False))
            student = cells.get("student", "").strip()
            written = cells.get(column, "").strip()
            if not student:
                raise ValueError("the student is missing")
            if student in values:
                raise ValueError(f"{readable(student)} stands there twice")
            values[student] = read(written) if written else None
    except (ValueError, csv.Error) as error:
        line = max(rows.line_num, 1)
        raise ValueError(f"{shown}, line {line}: {error}.") from None
    return values


def _filled(
    path: Path, column: str, read: Callable[[str], Value]
) -> dict[str, Value]:
    """Read a column of a table, without those whose cell is empty."""
    try:
        found = read_table(path, column, read)
    except ValueError as error:
        raise UnusableError(str(error)) from None
    return {name: one for name, one in found.items() if one}


def read_times(path: Path) -> dict[str, datetime]:
    """Read when each student handed in, from the column ``submitted``.

    A time is of the form ``2026-11-20 18:00+01:00``; without an offset it is
    of this computer's zone. Who has an empty cell is left out.

    Raises
    ------
    UnusableError
        When it cannot be read; the text names the line.
    """
    return _filled(path, "submitted", _time)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            "expected a time such as 2026-11-20 18:00+01:00, got "
            f"“{readable(text)}”"
        ) from None


# -- finding who is meant ----------------------------------------------------


def resolved(
    table: Mapping[str, Value], students: Iterable[Student], what: str
) -> tuple[dict[str, Value], list[str]]:
    """Return a table by the names in the grades, and whom it names in vain.

    Parameters
    ----------
    what
        The table is "of" it, in the messages.

    Raises
    ------
    UnusableError
        When a line may be of two students, or two lines are of one.
    """
    ways = _ways(students)
    found: dict[str, tuple[str, Value]] = {}
    strangers = []
    for name, value in table.items():
        meant = _meant(name, ways)
        if not meant:
            strangers.append(name)
            continue
        if len(meant) > 1:
            raise UnusableError(
                f"In the table of {what} the name {readable(name)} fits "
                f"{len(meant)} students: {listed(meant)}. Write the name of "
                "the one who is meant as it stands here."
            )
        (student,) = meant
        if student in found:
            raise UnusableError(
                f"In the table of {what} {student} stands twice, as "
                f"{readable(found[student][0])} and as {readable(name)}."
            )
        found[student] = name, value
    named = {student: value for student, (_, value) in found.items()}
    return named, sorted(strangers, key=natural)


def _ways(students: Iterable[Student]) -> list[dict[str, list[str]]]:
    """Return students by what they are called, the surest way first.

    A number goes before a name: anybody may be called "101".
    """
    exact, numbers, names, full_names = ways = [{}, {}, {}, {}]
    for one in students:
        exact[one.student] = [one.student]
        called: list[tuple[dict[str, list[str]], str]] = [
            (numbers, one.identifiers[kind])
            for kind in _NUMBERS
            if kind in one.identifiers
        ]
        if "moodle_id" in one.identifiers:
            called.append((numbers, f"Participant {called[0][1]}"))
        called.append((names, one.student))
        called.append((full_names, one.identifiers.get("full_name", "")))
        for way, name in called:
            way.setdefault(_key(name), []).append(one.student)
    full_names.pop(_key(""), None)
    return ways


def _meant(name: str, ways: Sequence[Mapping[str, list[str]]]) -> list[str]:
    exact, *others = ways
    if name in exact:
        return exact[name]
    return next((way[_key(name)] for way in others if _key(name) in way), [])


def _key(name: str) -> str:
    return folded(readable(name))


def read_groups(path: Path) -> dict[str, str]:
    """Read in which group students are, from the column ``group``.

    Raises
    ------
    UnusableError
        When it cannot be read; the text names the line.
    """
    return _filled(path, "group", str)


def with_members(found: Found, groups: Mapping[str, str]) -> Found:
    """Put the members of groups in the place of what their group handed in.

    Each is graded as a student, with a deadline and a page of their own. A
    number at the end of a member's name, or alone, is the one in Moodle, or
    in Canvas where the submissions are from there.

    Parameters
    ----------
    groups
        The group of each student, as the submissions or the platform call
        it.

    Raises
    ------
    UnusableError
        When a name may be that of two groups, or a member handed in too.
    """
    teams = {group: group for group in groups.values()}
    named, strangers = resolved(teams, found.submissions, "groups")
    number = "canvas_id" if found.layout == "canvas" else "moodle_id"
    submissions = []
    for one in found.submissions:
        if one.student not in named:
            submissions.append(one)
            continue
        submissions += [
            _member(one, name, number)
            for name, group in groups.items()
            if group == named[one.student]
        ]
    names = [one.student for one in submissions]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnusableError(
            "Of the table of groups these handed in on their own too, or "
            f"stand there twice: {listed(twice)}. Take one of the two out."
        )
    notes = found.notes
    if strangers:
        notes += (nobody(strangers, "groups"),)
    alone = [s.student for s in found.submissions if s.student not in named]
    if alone:
        notes += (
            "Taken for one student each, as the table of groups does not "
            f"have them: {listed(alone)}.",
        )
    submissions.sort(key=lambda one: (natural(one.student), one.student))
    return replace(found, submissions=tuple(submissions), notes=notes)


def _member(team: Submission, written: str, kind: str) -> Submission:
    written = readable(written)
    match = re.fullmatch(r"(?:(.*\S) )?(\d+)", written)
    name, number = match.groups() if match else (written, "")
    name = name or "Participant"
    identifiers = {kind: number} if number else {}
    if name.casefold() != "participant":
        identifiers["full_name"] = name
    student = f"{name} {number}".strip()
    return replace(team, student=student, identifiers=identifiers)


def with_times(found: Found, times: Mapping[str, datetime]) -> Found:
    """Put the times of a table in the place of those that were found.

    Notes say who of the table is not there. Whoever is not in the table
    keeps the time that was found.

    Raises
    ------
    UnusableError
        When a line of the table may be of two students.
    """
    own, strangers = resolved(times, found.submissions, "times")
    notes = found.notes
    if strangers:
        notes += (nobody(strangers, "times"),)
    return replace(
        found,
        submissions=tuple(
            replace(one, received=own.get(one.student, one.received))
            for one in found.submissions
        ),
        notes=notes,
        times=f"as the teacher's table has them; otherwise {found.times}",
    )


def nobody(strangers: Iterable[str], what: str) -> str:
    """Say whom a table names in vain."""
    return (
        f"Nobody with these names of the table of {what} handed in: "
        f"{listed(strangers)}. A name is written there as it is above, or "
        "as the number in Moodle or Canvas."
    )
