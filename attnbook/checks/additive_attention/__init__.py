"""The exercises of chapter 01, one module each."""

from attnbook.checks.additive_attention import (
    alignment_error_rate,
    chunked_attention,
    concat_attention,
    coverage_attention,
    predict,
)
from attnbook.judging.exercise import points_so_far as _points_so_far

__all__ = [
    "EXERCISES",
    "check_alignment_error_rate",
    "check_chunked_attention",
    "check_concat_attention",
    "check_coverage_attention",
    "check_predict",
    "inputs",
    "points_so_far",
]


EXERCISES = {
    module.EXERCISE.grade_id: module.EXERCISE
    for module in (
        predict,
        concat_attention,
        alignment_error_rate,
        coverage_attention,
        chunked_attention,
    )
}

check_predict = predict.EXERCISE.check
check_concat_attention = concat_attention.EXERCISE.check
check_alignment_error_rate = alignment_error_rate.EXERCISE.check
check_coverage_attention = coverage_attention.EXERCISE.check
check_chunked_attention = chunked_attention.EXERCISE.check


def points_so_far():
    """Print the points of each exercise of chapter 01, and their total."""
    _points_so_far(EXERCISES)


def inputs(grade_id, case):
    """Return the inputs of a case of an exercise of chapter 01, by name."""
    return EXERCISES[grade_id].inputs(case)
