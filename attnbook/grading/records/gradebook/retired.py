"""Points by hand on an exercise that was graded by one cell, and has parts.

A release before the parts had one graded cell for an exercise, called as its
parts' names begin. What a person gave for it is divided among the parts, so
that it goes on counting: each is filled in turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attnbook.grading.records.grades import Exercise, Item

if TYPE_CHECKING:
    from nbgrader.api import Gradebook, Notebook


def divide_among_parts(
    gradebook: Gradebook, exercise: Exercise, notebook: Notebook
) -> None:
    """Give the parts of each exercise what was given by hand for it whole."""
    from nbgrader.api import Grade, GradeCell
    from sqlalchemy import delete, select

    items = {item.grade_id: item for item in exercise.items}
    known = {cell.grade_id for cell in exercise.release.cells}
    cells = gradebook.db.scalars(
        select(GradeCell).where(GradeCell.notebook_id == notebook.id)
    ).all()
    for cell in cells:
        names = exercise.release.cells_of(cell.name)
        parts = [items[name] for name in names if name in items]
        if cell.name in known or not parts:
            continue
        grades = gradebook.db.scalars(
            select(Grade).where(Grade.cell_id == cell.id)
        ).all()
        for grade in grades:
            if grade.manual_score is not None or grade.extra_credit:
                _divide(gradebook, grade, exercise, parts)
        gradebook.db.flush()
        gradebook.db.execute(delete(Grade).where(Grade.cell_id == cell.id))
        gradebook.db.expire_all()
        gradebook.db.delete(cell)
        gradebook.db.flush()


def _divide(
    gradebook: Gradebook, whole: object, exercise: Exercise, parts: list[Item]
) -> None:
    name, student = exercise.name, whole.notebook.student.id
    left, place = whole.manual_score, None
    for item in parts:
        grade = gradebook.find_grade(item.grade_id, name, name, student)
        if left is not None:
            # More than there are points for stays with the last.
            last = item is parts[-1]
            grade.manual_score = left if last else min(left, item.points)
            left -= grade.manual_score
        if item is parts[0]:
            grade.extra_credit = whole.extra_credit
            place = item.solutions[-1] if item.solutions else None
    if place and whole.manual_score is not None:
        comment = gradebook.find_comment(place, name, name, student)
        lines = [comment.manual_comment] if comment.manual_comment else []
        lines.append(
            f"The {whole.manual_score:g} points by hand were given for the "
            "whole exercise, before it had parts."
        )
        comment.manual_comment = "\n".join(lines)
