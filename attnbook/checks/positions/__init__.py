"""The exercises of chapter 05, one module each."""

from attnbook.checks.positions import (
    add_positions,
    attention_distance,
    predict,
    rotate_2d,
    stretched_rates,
)
from attnbook.judging.exercise import points_so_far as _points_so_far

__all__ = [
    "EXERCISES",
    "check_add_positions",
    "check_attention_distance",
    "check_predict",
    "check_rotate_2d",
    "check_stretched_rates",
    "inputs",
    "points_so_far",
]


EXERCISES = {
    module.EXERCISE.grade_id: module.EXERCISE
    for module in (
        predict,
        add_positions,
        attention_distance,
        rotate_2d,
        stretched_rates,
    )
}

check_predict = predict.EXERCISE.check
check_add_positions = add_positions.EXERCISE.check
check_attention_distance = attention_distance.EXERCISE.check
check_rotate_2d = rotate_2d.EXERCISE.check
check_stretched_rates = stretched_rates.EXERCISE.check


def points_so_far():
    """Print the points of each exercise of chapter 05, and their total."""
    _points_so_far(EXERCISES)


def inputs(grade_id, case):
    """Return the inputs of a case of an exercise of chapter 05, by name."""
    return EXERCISES[grade_id].inputs(case)
