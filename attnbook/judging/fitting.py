"""Whether the cases, properties, mistakes and parts of an exercise fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attnbook.judging.parts import Case, Mistake, Part, Property


class Asked(Protocol):
    """What an exercise is made of."""

    grade_id: str
    points: int
    cases: Sequence[Case]
    trials: Sequence[Case | Property]
    mistakes: Sequence[Mistake]
    parts: Sequence[Part]


def name_of(trial: Case | Property) -> str:
    return trial.name if isinstance(trial, Case) else trial.sentence


def refuse_unfit(exercise: Asked) -> None:
    """Refuse an exercise that cannot be judged.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    grade_id, trials = exercise.grade_id, list(map(name_of, exercise.trials))
    if not exercise.cases:
        raise ValueError(
            f"{grade_id}: an exercise needs at least one case, got none"
        )
    for what, names in (
        ("mistakes", [mistake.name for mistake in exercise.mistakes]),
        ("cases and properties", trials),
        ("parts", [part.name for part in exercise.parts]),
    ):
        if len(set(names)) < len(names):
            raise ValueError(
                f"{grade_id}: the {what} need names of their own, got {names}"
            )
    tried = {name for part in exercise.parts for name in part.tries}
    if tried - set(trials):
        raise ValueError(
            f"{grade_id}: its parts try {sorted(tried - set(trials))}, which "
            f"is no case and no property; there are {trials}"
        )
    everything = any(part.mended for part in exercise.parts)
    if set(trials) - tried and not everything:
        raise ValueError(
            f"{grade_id}: no part tries {sorted(set(trials) - tried)}"
        )
    points = sum(part.points for part in exercise.parts)
    if points != exercise.points:
        raise ValueError(
            f"{grade_id}: expected parts of {exercise.points} points "
            f"together, got {points}"
        )
