"""An exercise in the gradebook: assignment, notebook and their cells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attnbook.grading.records.gradebook.rows import identity_of, set_values
from attnbook.grading.records.grades import Exercise
from attnbook.grading.records.late import as_utc

if TYPE_CHECKING:
    from nbgrader.api import Gradebook, Notebook


def write_assignment(gradebook: Gradebook, exercise: Exercise) -> Notebook:
    """Write the assignment, its notebook and the notebook's cells."""
    from nbgrader.api import Assignment, Notebook

    session, name = gradebook.db, exercise.name
    assignment = session.query(Assignment).filter_by(name=name).one_or_none()
    if assignment is None:
        assignment = Assignment(
            name,
            course_id=gradebook.course_id,
        )
        assignment.id = identity_of("assignment", name)
        session.add(assignment)
    if exercise.policy:
        set_values(assignment, duedate=as_utc(exercise.policy.due))
    notebook = (
        session.query(Notebook)
        .filter_by(name=name, assignment_id=assignment.id)
        .one_or_none()
    )
    if notebook is None:
        notebook = Notebook(
            id=identity_of("notebook", name),
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
            identity = identity_of(kind.__name__, exercise.name, name)
            cell = kind(id=identity, name=name, notebook=notebook, **values)
            session.add(cell)
        set_values(cell, **values)
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
                id=identity_of("SourceCell", exercise.name, cell.grade_id),
                name=cell.grade_id,
                notebook=notebook,
                **values,
            )
            session.add(written[cell.grade_id])
        set_values(written[cell.grade_id], **values)
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
