"""Checks of the exercises, one module a chapter."""

from attnbook.checks.exercise import (
    Case,
    Diagnosis,
    Exercise,
    Mistake,
    Property,
    WrongAnswer,
    assert_sound,
    points_so_far,
)

__all__ = [
    "Case",
    "Diagnosis",
    "Exercise",
    "Mistake",
    "Property",
    "WrongAnswer",
    "assert_sound",
    "points_so_far",
]
