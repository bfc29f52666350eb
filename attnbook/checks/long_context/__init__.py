"""The exercises of chapter 09, one module each."""

from attnbook.checks.long_context import (
    near_keys,
    packed_linear,
    predict,
    read_pages,
    stream,
)
from attnbook.judging.exercise import points_so_far as _points_so_far

__all__ = [
    "EXERCISES",
    "check_near_keys",
    "check_packed_linear",
    "check_predict",
    "check_read_pages",
    "check_stream",
    "inputs",
    "points_so_far",
]


EXERCISES = {
    module.EXERCISE.grade_id: module.EXERCISE
    for module in (predict, near_keys, stream, packed_linear, read_pages)
}

check_predict = predict.EXERCISE.check
check_near_keys = near_keys.EXERCISE.check
check_stream = stream.EXERCISE.check
check_packed_linear = packed_linear.EXERCISE.check
check_read_pages = read_pages.EXERCISE.check


def points_so_far():
    """Print the points of each exercise of chapter 09, and their total."""
    _points_so_far(EXERCISES)


def inputs(grade_id, case):
    """Return the inputs of a case of an exercise of chapter 09, by name."""
    return EXERCISES[grade_id].inputs(case)
