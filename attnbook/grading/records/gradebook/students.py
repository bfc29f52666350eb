"""The students in the gradebook: their ids, names and numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from attnbook.grading.intake.file_names import readable
from attnbook.grading.records.gradebook.rows import write_rows
from attnbook.grading.records.results import Graded, key_of

if TYPE_CHECKING:
    from nbgrader.api import Gradebook

# nbgrader makes folders and addresses of a student's id, and writes it into
# tables without quotes.
_SAFE = re.compile(r"\w(?:[\w.@ -]{0,98}\w)?")
_LONGEST = 128  # characters of a name, in nbgrader's tables


def student_ids(students: Sequence[str]) -> dict[str, str]:
    """Return nbgrader's id of each student: the name itself where it can be.

    Where it cannot, as with slashes or quotes in it, it is the name of the
    student's files. No two students share one.
    """
    keys = {student: key_of(student) for student in students}
    taken = set(keys.values())
    return {
        student: student
        if _SAFE.fullmatch(student) and student not in taken
        else keys[student]
        for student in students
    }


def write_students(
    gradebook: Gradebook, graded: Sequence[Graded], ids: Mapping[str, str]
) -> None:
    """Write who the students are; what a teacher entered stands."""
    from nbgrader.api import Student
    from sqlalchemy import insert, select, update

    columns = ("first_name", "last_name", "email", "lms_user_id")
    rows = gradebook.db.execute(
        select(Student.id, *(getattr(Student, name) for name in columns))
    )
    known = {
        identity: dict(zip(columns, rest, strict=True))
        for identity, *rest in rows
    }
    new, changed = [], []
    for one in graded:
        identity = ids[one.student]
        values = _person(one, identity)
        before = known.get(identity)
        if before is None:
            known[identity] = values
            new.append({"id": identity} | values)
            continue
        added = {
            name: value
            for name, value in values.items()
            if value is not None and before[name] is None
        }
        if before["first_name"] or before["last_name"]:
            added = {n: v for n, v in added.items() if "_name" not in n}
        if added:
            changed.append({"id": identity} | before | added)
            known[identity] = before | added
    write_rows(gradebook, insert(Student), new)
    write_rows(gradebook, update(Student), changed)


def _person(graded: Graded, identity: str) -> dict[str, str | None]:
    """Return the columns that tell who a student is.

    Formgrader shows the two names where it has both, else the id.
    """
    name = graded.identifiers.get("full_name", "")
    if not name and identity != graded.student:
        name = graded.student
    first, last = _names(name) if name != identity else (None, None)
    email = graded.identifiers.get("email")
    number = graded.identifiers.get("canvas_id") or graded.identifiers.get(
        "moodle_id"
    )
    return {
        "first_name": first,
        "last_name": last,
        "email": _plain(email) if email else None,
        "lms_user_id": _plain(number) if number else None,
    }


def _names(name: str) -> tuple[str | None, str | None]:
    """Return first and last name, None where there are none."""
    last, comma, first = name.partition(",")
    if not comma:
        first, _, last = name.strip().rpartition(" ")
    first, last = (
        _plain(part) if part.strip() else "" for part in (first, last)
    )
    return (first or "–", last or "–") if first or last else (None, None)


def _plain(text: str) -> str:
    """Take out what nbgrader's own tables and pages could stumble over."""
    text = re.sub(r"[,;\"'<>&{}\\]+", " ", readable(text, _LONGEST))
    return " ".join(text.split()).lstrip("=+-@＝＋－＠ ")
