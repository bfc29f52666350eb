"""The points of the exercises that have been defined in this process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol


class Scored(Protocol):
    """What the scoreboard shows of an exercise."""

    grade_id: str
    title: str
    points: int
    earned: int | None  # None before it has been checked


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
    width = max([len(e.title) for e in exercises] + [len("Points so far")])
    print(f"{'Points so far':<{width}}")
    print("─" * (width + 9))
    for exercise in exercises:
        earned = "–" if exercise.earned is None else str(exercise.earned)
        mark = {None: "not run yet", 0: "✗"}.get(exercise.earned, "✓")
        print(
            f"{exercise.title:<{width}}  {earned:>3} / "
            f"{exercise.points:<2}  {mark}"
        )
    total = sum(exercise.earned or 0 for exercise in exercises)
    possible = sum(exercise.points for exercise in exercises)
    print("─" * (width + 9))
    print(f"{'Total':<{width}}  {total:>3} / {possible}")
