"""The exercises of chapter 02, one module each."""

from attnbook.checks.luong_attention import (
    banded_attention,
    cosine_attention,
    predict,
    temporal_attention,
    window_backward,
)
from attnbook.judging.exercise import points_so_far as _points_so_far

__all__ = [
    "EXERCISES",
    "check_banded_attention",
    "check_cosine_attention",
    "check_predict",
    "check_temporal_attention",
    "check_window_backward",
    "inputs",
    "points_so_far",
]


EXERCISES = {
    module.EXERCISE.grade_id: module.EXERCISE
    for module in (
        predict,
        banded_attention,
        cosine_attention,
        temporal_attention,
        window_backward,
    )
}

check_predict = predict.EXERCISE.check
check_banded_attention = banded_attention.EXERCISE.check
check_cosine_attention = cosine_attention.EXERCISE.check
check_temporal_attention = temporal_attention.EXERCISE.check
check_window_backward = window_backward.EXERCISE.check


def points_so_far():
    """Print the points of each exercise of chapter 02, and their total."""
    _points_so_far(EXERCISES)


def inputs(grade_id, case):
    """Return the inputs of a case of an exercise of chapter 02, by name."""
    return EXERCISES[grade_id].inputs(case)
