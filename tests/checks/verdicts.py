"""What the checks make of an answer: its parts, and the mistake by name."""

from collections.abc import Callable

from attnbook.judging.exercise import Exercise


def parts_of(exercise: Exercise, answer: Callable) -> list[str]:
    """The names of the parts that an answer earns."""
    return [
        part.name
        for part in exercise.parts
        if exercise.diagnose(answer, part.name) is None
    ]


def named(exercise: Exercise, answer: Callable) -> str | None:
    """The known mistake that a wrong answer is taken for."""
    diagnosis = exercise.diagnose(answer)
    assert diagnosis is not None
    return diagnosis.mistake
