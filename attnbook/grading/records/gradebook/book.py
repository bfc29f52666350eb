"""nbgrader's gradebook: what the grader writes into it, and reads from it.

The database is nbgrader's own, SQLite or any other that SQLAlchemy reaches,
so that formgrader and ``nbgrader export`` work on it. Everything goes in
within one transaction, and what is there already is not written again.

What a person enters in formgrader or with ``points`` is theirs: points,
extra credit, comments and the mark that somebody has to look are read here
and never changed by a regrade. A submission that could not be graded has no
automatic points and that mark, until it is graded or a person gives points.

Formgrader that is started in the folder of the grades finds this gradebook,
and the notebooks as graded below ``autograded/``, without being configured.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnbook.grading.intake.file_names import readable
from attnbook.grading.records.grades import Exercise, Grade, Item, Mark
from attnbook.grading.records.late import as_utc
from attnbook.grading.records.results import Graded, key_of

if TYPE_CHECKING:
    from nbgrader.api import Gradebook, Notebook
    from sqlalchemy import URL

# nbgrader makes folders and addresses of a student's id, and writes it into
# tables without quotes.
_SAFE = re.compile(r"\w(?:[\w.@ -]{0,98}\w)?")
_LONGEST = 128  # characters of a name, in nbgrader's tables
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "attnbook.grading.gradebook")


class GradebookError(Exception):
    """The gradebook cannot be used; the text says why and what to do."""


def address(database: str, out: Path) -> URL:
    """Return the database's address: as given, or ``gradebook.db`` in OUT.

    Raises
    ------
    GradebookError
        When it is no address that SQLAlchemy understands.
    """
    import sqlalchemy

    if not database:
        place = str((out / "gradebook.db").resolve())
        return sqlalchemy.URL.create("sqlite", database=place)
    try:
        url = sqlalchemy.make_url(database)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise GradebookError(
            "The address of the gradebook is not understood: expected one "
            "such as sqlite:////srv/course/gradebook.db or "
            "postgresql://user:password@host/name."
        ) from None
    if url.password == "***":
        raise GradebookError(
            f"The gradebook is {database}, and its password is kept nowhere: "
            "give the whole address with --database."
        )
    return url


@contextlib.contextmanager
def opened(url: URL) -> Iterator[Gradebook]:
    """Open the gradebook, made where there is none; commit at the end.

    Whatever goes wrong, all or nothing of what was done stays.

    Raises
    ------
    GradebookError
        When it cannot be opened or written; the text says why.
    """
    try:
        import sqlalchemy
        from nbgrader.api import Gradebook
    except ModuleNotFoundError as error:
        raise GradebookError(
            f"The gradebook needs {error.name}: run `pip install nbgrader`."
        ) from None
    name = url.render_as_string(hide_password=True)
    try:
        with _alembic_on_path():
            _create(url)
            book = Gradebook(url)
        with book:
            try:
                yield book
                book.db.commit()
            except BaseException:
                book.db.rollback()
                raise
    except ModuleNotFoundError as error:
        raise GradebookError(
            f"The gradebook {name} needs {error.name}: install it with pip."
        ) from None
    except sqlalchemy.exc.NoSuchModuleError:
        raise GradebookError(
            f"The gradebook {name} is of a kind that SQLAlchemy does not "
            f"know: {url.drivername}."
        ) from None
    except sqlalchemy.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise GradebookError(
            f"The gradebook {name} cannot be used: {reason[:300]}. Nothing "
            "in it was changed. Is it in use, or made by another version of "
            "nbgrader? Then run again, or `nbgrader db upgrade` first."
        ) from None
    except OSError as error:
        raise GradebookError(
            f"The gradebook {name} cannot be written: {error.strerror}."
        ) from None


@contextlib.contextmanager
def _alembic_on_path() -> Iterator[None]:
    """Let nbgrader find ``alembic``, which is beside this Python."""
    before = os.environ.get("PATH")
    scripts = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join(filter(None, [scripts, before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PATH"]
        else:
            os.environ["PATH"] = before


def _create(url: URL) -> None:
    """Make a SQLite file with all its tables, or leave none behind."""
    from nbgrader.api import Gradebook

    if url.get_backend_name() != "sqlite" or not url.database:
        return
    place = Path(url.database)
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)
    try:
        Gradebook(url.set(database=str(draft))).close()
        # Whoever else made one in the meantime keeps theirs.
        if not place.exists():
            draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)


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


@dataclass
class Book:
    """An exercise in the gradebook, between two commits."""

    gradebook: Gradebook
    exercise: Exercise
    notebook: Notebook
    ids: Mapping[str, str]  # nbgrader's id of each student

    def marks(self) -> dict[str, dict[str, Mark]]:
        """Return what people entered, by student and grade_id."""
        from nbgrader.api import (
            BaseCell,
            Comment,
            Grade,
            SubmittedAssignment,
            SubmittedNotebook,
        )
        from sqlalchemy import select

        def found(kind: Any, *columns: Any) -> Any:
            return self.gradebook.db.execute(
                select(SubmittedAssignment.student_id, BaseCell.name, *columns)
                .select_from(kind)
                .join(BaseCell, kind.cell_id == BaseCell.id)
                .join(
                    SubmittedNotebook,
                    kind.notebook_id == SubmittedNotebook.id,
                )
                .join(
                    SubmittedAssignment,
                    SubmittedNotebook.assignment_id == SubmittedAssignment.id,
                )
                .where(SubmittedNotebook.notebook_id == self.notebook.id)
            )

        comments = {
            (student, cell): comment
            for student, cell, comment in found(
                Comment, Comment.manual_comment
            )
            if comment
        }
        items = {item.grade_id: item for item in self.exercise.items}
        students = {made: student for student, made in self.ids.items()}
        marks: dict[str, dict[str, Mark]] = {}
        for made, cell, by_hand, extra, is_waiting in found(
            Grade,
            Grade.manual_score,
            Grade.extra_credit,
            Grade.needs_manual_grade,
        ):
            if made not in students or cell not in items:
                continue
            said = [
                comments[made, solution]
                for solution in items[cell].solutions
                if (made, solution) in comments
            ]
            marks.setdefault(students[made], {})[cell] = Mark(
                by_hand, extra or 0.0, "\n".join(said), bool(is_waiting)
            )
        return marks

    def charge(self, grades: Sequence[Grade]) -> None:
        """Write the late penalties."""
        from nbgrader.api import SubmittedAssignment, SubmittedNotebook
        from sqlalchemy import select, update

        rows = self.gradebook.db.execute(
            select(
                SubmittedAssignment.student_id,
                SubmittedNotebook.id,
                SubmittedNotebook.late_submission_penalty,
            )
            .join(
                SubmittedAssignment,
                SubmittedNotebook.assignment_id == SubmittedAssignment.id,
            )
            .where(SubmittedNotebook.notebook_id == self.notebook.id)
        )
        found = {student: rest for student, *rest in rows}
        changes = []
        for grade in grades:
            identity, before = found[self.ids[grade.student]]
            penalty = grade.penalty or None
            if penalty != before:
                changes.append(
                    {"id": identity, "late_submission_penalty": penalty}
                )
        _each(self.gradebook, update(SubmittedNotebook), changes)


def record(
    gradebook: Gradebook,
    exercise: Exercise,
    graded: Sequence[Graded],
    ids: Mapping[str, str],
) -> Book:
    """Write an exercise and its automatic grades, without a commit."""
    notebook = _exercise(gradebook, exercise)
    gradebook.db.flush()
    _students(gradebook, graded, ids)
    _submissions(gradebook, exercise, notebook, graded, ids)
    return Book(gradebook, exercise, notebook, ids)


def _identity(*parts: str) -> str:
    """Return an id that is the same whenever it is made of the same."""
    return uuid.uuid5(_NAMESPACE, "\n".join(parts)).hex


def _each(gradebook: Gradebook, statement: Any, rows: list[dict]) -> None:
    if rows:
        gradebook.db.execute(statement, rows)


def _exercise(gradebook: Gradebook, exercise: Exercise) -> Notebook:
    """Write the assignment, its notebook and the notebook's cells."""
    from nbgrader.api import Assignment, Notebook

    session, name = gradebook.db, exercise.name
    assignment = session.query(Assignment).filter_by(name=name).one_or_none()
    if assignment is None:
        assignment = Assignment(
            name,
            course_id=gradebook.course_id,
        )
        assignment.id = _identity("assignment", name)
        session.add(assignment)
    if exercise.policy:
        _set(assignment, duedate=as_utc(exercise.policy.due))
    notebook = (
        session.query(Notebook)
        .filter_by(name=name, assignment_id=assignment.id)
        .one_or_none()
    )
    if notebook is None:
        notebook = Notebook(
            id=_identity("notebook", name),
            name=name,
            assignment=assignment,
            kernelspec=json.dumps(
                {
                    "display_name": "Python 3",
                    "language": "python",
                    "name": "python3",
                }
            ),
        )
        session.add(notebook)
    _cells(gradebook, exercise, notebook)
    return notebook


def _cells(
    gradebook: Gradebook, exercise: Exercise, notebook: Notebook
) -> None:
    from nbgrader.api import BaseCell, GradeCell, SolutionCell, SourceCell

    session, release = gradebook.db, exercise.release
    session.flush()
    cells = session.query(BaseCell).filter_by(notebook_id=notebook.id)
    known = {(type(cell), cell.name): cell for cell in cells}
    kinds = {c.grade_id: c.kind for c in release.notebook.cells}
    wanted = [
        (
            GradeCell,
            item.grade_id,
            {
                "max_score": item.points,
                "cell_type": kinds.get(item.grade_id, "code"),
            },
        )
        for item in exercise.items
    ] + [
        (SolutionCell, cell.grade_id, {})
        for cell in release.notebook.cells
        if cell.grade_id and cell.is_solution
    ]
    for kind, name, values in wanted:
        cell = known.pop((kind, name), None)
        if cell is None:
            identity = _identity(kind.__name__, exercise.name, name)
            cell = kind(id=identity, name=name, notebook=notebook, **values)
            session.add(cell)
        _set(cell, **values)
    sources = session.query(SourceCell).filter_by(notebook_id=notebook.id)
    written = {cell.name: cell for cell in sources}
    for cell in release.notebook.cells:
        if not cell.grade_id:
            continue
        values = {
            "cell_type": cell.kind,
            "locked": cell.is_locked,
            "source": cell.source,
            "checksum": cell.nbgrader.get("checksum"),
        }
        if cell.grade_id not in written:
            written[cell.grade_id] = SourceCell(
                id=_identity("SourceCell", exercise.name, cell.grade_id),
                name=cell.grade_id,
                notebook=notebook,
                **values,
            )
            session.add(written[cell.grade_id])
        _set(written[cell.grade_id], **values)
    session.flush()
    _remove(gradebook, list(known.values()))


def _remove(gradebook: Gradebook, cells: Sequence[Any]) -> None:
    """Take out cells that the release has no more, unless marked by hand."""
    from nbgrader.api import Comment, Grade
    from sqlalchemy import delete, or_, select

    session = gradebook.db
    for cell in cells:
        by_hand = session.scalars(
            select(Grade.id).where(
                Grade.cell_id == cell.id,
                or_(
                    Grade.manual_score.is_not(None),
                    Grade.extra_credit.is_not(None),
                ),
            )
        ).first()
        said = session.scalars(
            select(Comment.id).where(
                Comment.cell_id == cell.id, Comment.manual_comment.is_not(None)
            )
        ).first()
        if by_hand is None and said is None:
            session.execute(delete(Grade).where(Grade.cell_id == cell.id))
            session.execute(delete(Comment).where(Comment.cell_id == cell.id))
            session.expire_all()
            session.delete(cell)
            session.flush()


def _set(row: Any, **values: Any) -> None:
    """Set what differs, so that what agrees is not written."""
    for name, value in values.items():
        if getattr(row, name) != value:
            setattr(row, name, value)


def _students(
    gradebook: Gradebook, graded: Sequence[Graded], ids: Mapping[str, str]
) -> None:
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
        # What a teacher entered stands.
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
    _each(gradebook, insert(Student), new)
    _each(gradebook, update(Student), changed)


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


def _submissions(
    gradebook: Gradebook,
    exercise: Exercise,
    notebook: Notebook,
    graded: Sequence[Graded],
    ids: Mapping[str, str],
) -> None:
    from nbgrader.api import SubmittedAssignment, SubmittedNotebook
    from sqlalchemy import insert, select, update

    session, name = gradebook.db, exercise.name
    rows = session.execute(
        select(
            SubmittedAssignment.student_id,
            SubmittedAssignment.id,
            SubmittedAssignment.timestamp,
            SubmittedAssignment.extension,
        ).where(SubmittedAssignment.assignment_id == notebook.assignment_id)
    )
    known = {student: tuple(rest) for student, *rest in rows}
    notebooks = dict(
        session.execute(
            select(
                SubmittedNotebook.assignment_id, SubmittedNotebook.id
            ).where(SubmittedNotebook.notebook_id == notebook.id)
        ).all()
    )
    new, changed, new_notebooks, places = [], [], [], {}
    for one in graded:
        student = ids[one.student]
        values = {
            "timestamp": one.received and as_utc(one.received),
            "extension": _extension(exercise, one.student),
        }
        if student not in known:
            identity = _identity("submission", name, student)
            new.append(
                {
                    "id": identity,
                    "assignment_id": notebook.assignment_id,
                    "student_id": student,
                }
                | values
            )
        else:
            identity, timestamp, extension = known[student]
            if exercise.policy is None:  # then it is nbgrader's own
                values["extension"] = extension
            if (timestamp, extension) != tuple(values.values()):
                changed.append({"id": identity} | values)
        if identity not in notebooks:
            notebooks[identity] = _identity("handed in", name, student)
            new_notebooks.append(
                {
                    "id": notebooks[identity],
                    "notebook_id": notebook.id,
                    "assignment_id": identity,
                    "flagged": False,
                }
            )
        places[one.student] = notebooks[identity]
    _each(gradebook, insert(SubmittedAssignment), new)
    _each(gradebook, update(SubmittedAssignment), changed)
    _each(gradebook, insert(SubmittedNotebook), new_notebooks)
    _grades(gradebook, exercise, notebook, graded, places)
    _comments(gradebook, exercise, notebook, graded, places)


def _extension(exercise: Exercise, student: str) -> Any:
    policy = exercise.policy
    own = policy and policy.extensions.get(student)
    return own - policy.due if own else None


def _grades(
    gradebook: Gradebook,
    exercise: Exercise,
    notebook: Notebook,
    graded: Sequence[Graded],
    places: Mapping[str, str],
) -> None:
    from nbgrader.api import Grade, GradeCell, SubmittedNotebook
    from sqlalchemy import insert, select, update

    session = gradebook.db
    cells = dict(
        session.execute(
            select(GradeCell.name, GradeCell.id).where(
                GradeCell.notebook_id == notebook.id
            )
        ).all()
    )
    rows = session.execute(
        select(
            Grade.notebook_id,
            Grade.cell_id,
            Grade.id,
            Grade.auto_score,
            Grade.needs_manual_grade,
        )
        .join(SubmittedNotebook, Grade.notebook_id == SubmittedNotebook.id)
        .where(SubmittedNotebook.notebook_id == notebook.id)
    )
    known = {(place, cell): tuple(rest) for place, cell, *rest in rows}
    new, changed = [], []
    for one in graded:
        place = places[one.student]
        results = {r.grade_id: r.points for r in one.report.results}
        for name, cell in cells.items():
            score = results.get(name)
            if (place, cell) not in known:
                new.append(
                    {
                        "id": _identity("grade", place, name),
                        "notebook_id": place,
                        "cell_id": cell,
                        "auto_score": score,
                        "needs_manual_grade": score is None,
                    }
                )
                continue
            identity, before, is_waiting = known[place, cell]
            if score == before:
                continue
            # It waited for want of a check's points, and now has them.
            if before is None and score is not None:
                is_waiting = False
            changed.append(
                {
                    "id": identity,
                    "auto_score": score,
                    "needs_manual_grade": is_waiting,
                }
            )
    _each(gradebook, insert(Grade), new)
    _each(gradebook, update(Grade), changed)


def _comments(
    gradebook: Gradebook,
    exercise: Exercise,
    notebook: Notebook,
    graded: Sequence[Graded],
    places: Mapping[str, str],
) -> None:
    """Write the checks' messages, at the cells that they speak of."""
    from nbgrader.api import Comment, SolutionCell, SubmittedNotebook
    from sqlalchemy import insert, select, update

    session = gradebook.db
    cells = dict(
        session.execute(
            select(SolutionCell.name, SolutionCell.id).where(
                SolutionCell.notebook_id == notebook.id
            )
        ).all()
    )
    rows = session.execute(
        select(
            Comment.notebook_id,
            Comment.cell_id,
            Comment.id,
            Comment.auto_comment,
        )
        .join(SubmittedNotebook, Comment.notebook_id == SubmittedNotebook.id)
        .where(SubmittedNotebook.notebook_id == notebook.id)
    )
    known = {(place, cell): tuple(rest) for place, cell, *rest in rows}
    new, changed = [], []
    for one in graded:
        place, messages = places[one.student], _messages(one, exercise)
        for name, cell in cells.items():
            message = messages.get(name)
            if (place, cell) not in known:
                new.append(
                    {
                        "id": _identity("comment", place, name),
                        "notebook_id": place,
                        "cell_id": cell,
                        "auto_comment": message,
                    }
                )
            elif known[place, cell][1] != message:
                identity = known[place, cell][0]
                changed.append({"id": identity, "auto_comment": message})
    _each(gradebook, insert(Comment), new)
    _each(gradebook, update(Comment), changed)


def _messages(graded: Graded, exercise: Exercise) -> dict[str, str]:
    """Return the checks' messages by the solution cell they speak of."""
    results = {result.grade_id: result for result in graded.report.results}
    said: dict[str, list[str]] = {}
    for item in exercise.items:
        result = results.get(item.grade_id)
        if item.solutions and result and result.message:
            # No database holds a lone surrogate, and some no NUL.
            message = result.message.encode("utf-8", "replace").decode()
            said.setdefault(item.solutions[-1], []).append(
                message.replace("\0", "�")
            )
    return {name: "\n".join(parts) for name, parts in said.items()}


# -- points by hand --------------------------------------------------------


def give(
    book: Book, student: str, item: Item, points: float | None, comment: str
) -> None:
    """Set the points of an item by hand; None takes them back.

    ``comment`` replaces the one that stands at the item's cell.
    """
    gradebook, name = book.gradebook, book.exercise.name
    made = book.ids[student]
    grade = gradebook.find_grade(item.grade_id, name, name, made)
    grade.manual_score = points
    grade.needs_manual_grade = points is None and grade.auto_score is None
    if item.solutions:
        place = gradebook.find_comment(item.solutions[-1], name, name, made)
        place.manual_comment = comment or None
