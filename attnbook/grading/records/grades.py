"""The grade of each submission: checks, marks by hand, lateness together.

The numbers of all that is published come from here: of the gradebook, the
tables, the feedback and the class page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from attnbook.grading.notebook.read import Cell
from attnbook.grading.notebook.release import Release
from attnbook.grading.records.late import Lateness, Policy
from attnbook.grading.records.results import Graded
from attnbook.grading.report import Missing, Result, missing


@dataclass(frozen=True)
class Item:
    """What points stand on: one graded cell.

    ``title`` is that of the exercise, ``part`` which part of it this is, ""
    where it has one cell. ``solutions`` are the grade_ids of the cells that
    the student writes for it, the same for all parts. A cell that ``is_read``
    is judged by a person.
    """

    grade_id: str
    title: str
    points: float
    solutions: tuple[str, ...] = ()
    is_read: bool = False
    part: str = ""

    @property
    def label(self) -> str:
        """The exercise, and which part of it."""
        return f"{self.title}: {self.part}" if self.part else self.title


@dataclass(frozen=True)
class Exercise:
    """An exercise notebook as a class is graded on it."""

    release: Release
    items: tuple[Item, ...]
    policy: Policy | None = None
    canvas: str = ""  # what Canvas calls it

    @property
    def name(self) -> str:
        """The name of the release."""
        return self.release.name

    @property
    def title(self) -> str:
        """The release's first heading."""
        return self.release.title

    @property
    def out_of(self) -> float:
        """All the points there are."""
        return sum(item.points for item in self.items)

    @property
    def titles(self) -> tuple[str, ...]:
        """The title of each exercise, whatever its parts."""
        return tuple(dict.fromkeys(item.title for item in self.items))


def exercise_of(
    release: Release,
    graded: Iterable[Graded],
    policy: Policy | None = None,
    canvas: str = "",
) -> Exercise:
    """Return the exercise with all its items, in the order of the release.

    A graded cell that only a result knows, from an older release, comes
    last.
    """
    items = items_of(release)
    known = {item.grade_id for item in items}
    for one in graded:
        for result in one.report.results:
            if result.grade_id not in known:
                known.add(result.grade_id)
                items.append(
                    Item(
                        result.grade_id,
                        result.title,
                        result.out_of,
                        part=result.part,
                    )
                )
    return Exercise(release, tuple(items), policy, canvas)


def items_of(release: Release) -> list[Item]:
    """Return what points stand on in a release."""
    items: list[Item] = []
    solutions: list[str] = []
    for cell in release.notebook.cells:
        if not cell.grade_id:
            continue
        if cell.is_solution:
            solutions.append(cell.grade_id)
        if _is(cell):
            title = release.title_of(cell)
            if not solutions and items and items[-1].title == title:
                solutions = list(items[-1].solutions)
            items.append(
                Item(
                    cell.grade_id,
                    title,
                    float(cell.points),
                    tuple(solutions),
                    is_read=not cell.is_locked,
                    part=release.part_of(cell),
                )
            )
            solutions = []
    return items


def _is(cell: Cell) -> bool:
    return bool(cell.grade_id) and cell.is_graded


@dataclass(frozen=True)
class Mark:
    """What a person entered for an item in the gradebook."""

    by_hand: float | None = None  # counts in place of the check's points
    extra: float = 0.0  # on top
    comment: str = ""
    is_waiting: bool = False  # for a person to look at it


@dataclass(frozen=True)
class ItemGrade:
    """The points of one item."""

    item: Item
    result: Result | None  # None where no check judged it
    mark: Mark = Mark()

    @property
    def automatic(self) -> float | None:
        """The points by the check, None where there was none."""
        return None if self.result is None else self.result.points

    @property
    def points(self) -> float:
        """The points that count."""
        points = self.mark.by_hand
        if points is None:
            points = self.automatic or 0.0
        return points + self.mark.extra

    @property
    def change(self) -> float:
        """What a person added to the check's points, or took away."""
        return self.points - (self.automatic or 0.0)

    @property
    def is_by_hand(self) -> bool:
        """Whether a person gave points."""
        return self.mark.by_hand is not None or bool(self.mark.extra)


@dataclass(frozen=True)
class Grade:
    """The grade of one submission."""

    graded: Graded
    exercise: Exercise
    items: tuple[ItemGrade, ...]
    lateness: Lateness = field(default_factory=Lateness)

    @property
    def student(self) -> str:
        """The student, as the submission names them."""
        return self.graded.student

    @property
    def by_exercise(self) -> list[tuple[str, list[ItemGrade]]]:
        """The items of each exercise, by its title."""
        return [
            (title, [each for each in self.items if each.item.title == title])
            for title in self.exercise.titles
        ]

    @property
    def missing(self) -> list[Missing]:
        """Why points are missing."""
        return missing(
            each.result
            for each in self.items
            if each.result and each.result.message
        )

    @property
    def points(self) -> float:
        """The points earned, before any penalty."""
        return sum(each.points for each in self.items)

    @property
    def by_hand(self) -> float:
        """What a person added to the checks' points, or took away."""
        return sum(each.change for each in self.items)

    @property
    def penalty(self) -> float:
        """The points lost by being late."""
        return self.lateness.penalty(self.points, self.out_of)

    @property
    def out_of(self) -> float:
        """All the points there are."""
        return self.exercise.out_of

    @property
    def has_points(self) -> bool:
        """Whether there is a number to report.

        A submission that could not be graded has none, until a person
        gives points.
        """
        return self.graded.status == "graded" or any(
            each.is_by_hand for each in self.items
        )

    @property
    def total(self) -> float | None:
        """The points that count, None where there are none to report."""
        if not self.has_points:
            return None
        return round(max(0.0, self.points - self.penalty), 4)


def grade_of(
    graded: Graded, exercise: Exercise, marks: Mapping[str, Mark]
) -> Grade:
    """Bring a result and a person's marks, by grade_id, together."""
    results = {result.grade_id: result for result in graded.report.results}
    policy = exercise.policy
    return Grade(
        graded,
        exercise,
        tuple(
            ItemGrade(
                item,
                results.get(item.grade_id),
                marks.get(item.grade_id, Mark()),
            )
            for item in exercise.items
        ),
        Lateness()
        if policy is None
        else policy.lateness(
            graded.student, graded.received, graded.is_marked_late
        ),
    )


def of_exercise(grades: Sequence[Grade], name: str) -> list[Grade]:
    """Return the grades of one exercise."""
    return [grade for grade in grades if grade.exercise.name == name]
