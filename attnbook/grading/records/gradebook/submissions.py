"""What was handed in, in the gradebook: its points and its messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attnbook.grading.records.gradebook.rows import (
    cells_of,
    identity_of,
    known_rows,
    write_rows,
)
from attnbook.grading.records.grades import Exercise
from attnbook.grading.records.late import as_utc
from attnbook.grading.records.results import Graded
from attnbook.grading.report import Result, message_lines

if TYPE_CHECKING:
    from nbgrader.api import Gradebook, Notebook


def write_submissions(
    gradebook: Gradebook,
    exercise: Exercise,
    notebook: Notebook,
    graded: Sequence[Graded],
    ids: Mapping[str, str],
) -> None:
    """Write who handed in when, and the automatic grades of it."""
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
            identity = identity_of("submission", name, student)
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
            notebooks[identity] = identity_of("handed in", name, student)
            new_notebooks.append(
                {
                    "id": notebooks[identity],
                    "notebook_id": notebook.id,
                    "assignment_id": identity,
                    "flagged": False,
                }
            )
        places[one.student] = notebooks[identity]
    write_rows(gradebook, insert(SubmittedAssignment), new)
    write_rows(gradebook, update(SubmittedAssignment), changed)
    write_rows(gradebook, insert(SubmittedNotebook), new_notebooks)
    _grades(gradebook, notebook, graded, places)
    _comments(gradebook, exercise, notebook, graded, places)


def _extension(exercise: Exercise, student: str) -> Any:
    policy = exercise.policy
    own = policy and policy.extensions.get(student)
    return own - policy.due if own else None


def _grades(
    gradebook: Gradebook,
    notebook: Notebook,
    graded: Sequence[Graded],
    places: Mapping[str, str],
) -> None:
    from nbgrader.api import Grade, GradeCell
    from sqlalchemy import insert, update

    cells = cells_of(gradebook, notebook, GradeCell)
    known = known_rows(
        gradebook, notebook, Grade, Grade.auto_score, Grade.needs_manual_grade
    )
    new, changed = [], []
    for one in graded:
        place = places[one.student]
        results = {r.grade_id: r.points for r in one.report.results}
        for name, cell in cells.items():
            score = results.get(name)
            if (place, cell) not in known:
                new.append(
                    {
                        "id": identity_of("grade", place, name),
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
    write_rows(gradebook, insert(Grade), new)
    write_rows(gradebook, update(Grade), changed)


def _comments(
    gradebook: Gradebook,
    exercise: Exercise,
    notebook: Notebook,
    graded: Sequence[Graded],
    places: Mapping[str, str],
) -> None:
    """Write the checks' messages, at the cells that they speak of."""
    from nbgrader.api import Comment, SolutionCell
    from sqlalchemy import insert, update

    cells = cells_of(gradebook, notebook, SolutionCell)
    known = known_rows(gradebook, notebook, Comment, Comment.auto_comment)
    new, changed = [], []
    for one in graded:
        place, messages = places[one.student], _messages(one, exercise)
        for name, cell in cells.items():
            message = messages.get(name)
            if (place, cell) not in known:
                new.append(
                    {
                        "id": identity_of("comment", place, name),
                        "notebook_id": place,
                        "cell_id": cell,
                        "auto_comment": message,
                    }
                )
            elif known[place, cell][1] != message:
                identity = known[place, cell][0]
                changed.append({"id": identity, "auto_comment": message})
    write_rows(gradebook, insert(Comment), new)
    write_rows(gradebook, update(Comment), changed)


def _messages(graded: Graded, exercise: Exercise) -> dict[str, str]:
    """Return the checks' messages by the solution cell they speak of.

    What several parts of an exercise say alike stands there once.
    """
    results = {result.grade_id: result for result in graded.report.results}
    said: dict[str, dict[tuple[str, ...], list[Result]]] = {}
    for item in exercise.items:
        result = results.get(item.grade_id)
        if item.solutions and result and result.message:
            alike = said.setdefault(item.solutions[-1], {})
            body = tuple(message_lines(result.message))
            alike.setdefault(body, []).append(result)
    return {
        name: "\n".join(map(_joined, bodies.values()))
        for name, bodies in said.items()
    }


def _joined(alike: list[Result]) -> str:
    """Return one message of parts that say the same."""
    message = alike[0].message
    if len(alike) > 1:
        parts = "; ".join(result.part for result in alike)
        body = "\n".join(f"  {line}" for line in message_lines(message))
        message = f"✗ {alike[0].title}: {parts}\n{body}"
    # No database holds a lone surrogate, and some no NUL.
    return message.encode("utf-8", "replace").decode().replace("\0", "�")
