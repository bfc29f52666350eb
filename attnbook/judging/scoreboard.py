"""The points of the exercises that have been defined in this process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from attnbook.judging.parts import Part


class Scored(Protocol):
    """What the scoreboard shows of an exercise."""

    grade_id: str
    title: str
    points: int
    earned: int | None  # None before it has been checked
    graded: Mapping[str, Part]
    marks: Mapping[str, int | None]  # of each part, by its grade_id


_SCOREBOARD: dict[str, Scored] = {}


def enter(exercise: Scored) -> None:
    """Show an exercise on the scoreboard, in place of one it replaces."""
    _SCOREBOARD[exercise.grade_id] = exercise


def points_so_far(
    exercises: Mapping[str, Scored] | Iterable[Scored] | None = None,
) -> None:
    """Print the points of each exercise and their total.

    Parameters
    ----------
    exercises
        Those to list; by default all that have been defined in this
        process.
    """
    if exercises is None:
        exercises = _SCOREBOARD
    if isinstance(exercises, Mapping):
        exercises = exercises.values()
    exercises = list(exercises)
    rows = [row for exercise in exercises for row in _rows(exercise)]
    width = max(len(text) for text, *_ in [*rows, ("Points so far",)])
    rule = "─" * (width + 13)
    print("Points so far", rule, sep="\n")
    for text, earned, points, mark in rows:
        got = "–" if earned is None else str(earned)
        print(f"{text:<{width}}  {got:>3} / {points:<2}  {mark}".rstrip())
    total = sum(exercise.earned or 0 for exercise in exercises)
    possible = sum(exercise.points for exercise in exercises)
    print(rule, f"{'Total':<{width}}  {total:>3} / {possible}", sep="\n")


def _rows(exercise: Scored) -> list[tuple[str, int | None, int, str]]:
    """Return the row of an exercise, then one for each of its parts."""
    earned, points = exercise.earned, exercise.points
    marks = {
        grade_id: _mark(exercise.marks[grade_id])
        for grade_id in exercise.graded
    }
    if len(marks) == 1:
        return [(exercise.title, earned, points, *marks.values())]
    return [
        (exercise.title, earned, points, ""),
        *(
            (
                f"    {part.title}",
                exercise.marks[grade_id],
                part.points,
                marks[grade_id],
            )
            for grade_id, part in exercise.graded.items()
        ),
    ]


def _mark(earned: int | None) -> str:
    return {None: "not run yet", 0: "✗"}.get(earned, "✓")
