"""The exercises of chapter 03, one module each."""

from attnbook.checks.scaled_dot_product import (
    judge,
    packed_attention,
    predict,
    sink_attention,
    sparsemax_attention,
)
from attnbook.judging.exercise import points_so_far as _points_so_far

__all__ = [
    "EXERCISES",
    "check_judge",
    "check_packed_attention",
    "check_predict",
    "check_sink_attention",
    "check_sparsemax_attention",
    "inputs",
    "points_so_far",
]


EXERCISES = {
    module.EXERCISE.grade_id: module.EXERCISE
    for module in (
        predict,
        packed_attention,
        sink_attention,
        judge,
        sparsemax_attention,
    )
}

check_predict = predict.EXERCISE.check
check_packed_attention = packed_attention.EXERCISE.check
check_sink_attention = sink_attention.EXERCISE.check
check_judge = judge.EXERCISE.check
check_sparsemax_attention = sparsemax_attention.EXERCISE.check


def points_so_far():
    """Print the points of each exercise of chapter 03, and their total."""
    _points_so_far(EXERCISES)


def inputs(grade_id, case):
    """Return the inputs of a case of an exercise of chapter 03, by name."""
    return EXERCISES[grade_id].inputs(case)
