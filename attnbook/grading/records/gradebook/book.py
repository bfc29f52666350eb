"""An exercise in the gradebook, between two commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from attnbook.grading.records.gradebook.assignment import write_assignment
from attnbook.grading.records.gradebook.retired import divide_among_parts
from attnbook.grading.records.gradebook.rows import write_rows
from attnbook.grading.records.gradebook.students import write_students
from attnbook.grading.records.gradebook.submissions import write_submissions
from attnbook.grading.records.grades import Exercise, Grade, Item, Mark
from attnbook.grading.records.results import Graded

if TYPE_CHECKING:
    from nbgrader.api import Gradebook, Notebook


BY_HAND = "By hand"  # begins the line of a comment that gives a reason


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
            item = items[cell]
            said = [
                _comment_on(item, self.exercise.items, comments[made, one])
                for one in item.solutions
                if (made, one) in comments
            ]
            marks.setdefault(students[made], {})[cell] = Mark(
                by_hand,
                extra or 0.0,
                "\n".join(filter(None, said)),
                bool(is_waiting),
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
        write_rows(self.gradebook, update(SubmittedNotebook), changes)


def record(
    gradebook: Gradebook,
    exercise: Exercise,
    graded: Sequence[Graded],
    ids: Mapping[str, str],
) -> Book:
    """Write an exercise and its automatic grades, without a commit."""
    notebook = write_assignment(gradebook, exercise)
    gradebook.db.flush()
    write_students(gradebook, graded, ids)
    write_submissions(gradebook, exercise, notebook, graded, ids)
    divide_among_parts(gradebook, exercise, notebook)
    return Book(gradebook, exercise, notebook, ids)


def give(
    book: Book, student: str, item: Item, points: float | None, reason: str
) -> None:
    """Set the points of an item by hand; None takes them back.

    ``reason`` replaces the one that was given for the item before; whatever
    else a person wrote stays.
    """
    gradebook, name = book.gradebook, book.exercise.name
    made = book.ids[student]
    grade = gradebook.find_grade(item.grade_id, name, name, made)
    grade.manual_score = points
    grade.needs_manual_grade = points is None and grade.auto_score is None
    if not item.solutions:
        return
    place = gradebook.find_comment(item.solutions[-1], name, name, made)
    before = (place.manual_comment or "").splitlines()
    lines = [line for line in before if not line.startswith(_begin(item))]
    if reason.strip():
        lines.append(f"{_begin(item)}{' '.join(reason.split())}")
    place.manual_comment = "\n".join(lines) or None


def _begin(item: Item) -> str:
    """Return how the line begins that tells why an item got its points."""
    return f"{BY_HAND}, {item.part}: " if item.part else f"{BY_HAND}: "


def _comment_on(item: Item, items: Sequence[Item], comment: str) -> str:
    """Return what a comment says of an item.

    The comment stands at the cell that all parts of an exercise share: a
    line that names a part is that part's, all else is the first one's.
    """
    alike = [one for one in items if one.solutions == item.solutions]
    others = tuple(_begin(one) for one in alike if one is not item)
    lines = comment.splitlines()
    if item is alike[0]:
        kept = [line for line in lines if not line.startswith(others)]
    else:
        kept = [line for line in lines if line.startswith(_begin(item))]
    return "\n".join(kept)
