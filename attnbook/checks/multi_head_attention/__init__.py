"""The exercises of chapter 04, one module each."""

from attnbook.checks.multi_head_attention import (
    attend_with_heads,
    head_distances,
    predict,
    prune_heads,
    talking_heads,
)
from attnbook.judging.exercise import points_so_far as _points_so_far

__all__ = [
    "EXERCISES",
    "check_attend_with_heads",
    "check_head_distances",
    "check_predict",
    "check_prune_heads",
    "check_talking_heads",
    "inputs",
    "points_so_far",
]


EXERCISES = {
    module.EXERCISE.grade_id: module.EXERCISE
    for module in (
        predict,
        attend_with_heads,
        head_distances,
        talking_heads,
        prune_heads,
    )
}

check_predict = predict.EXERCISE.check
check_attend_with_heads = attend_with_heads.EXERCISE.check
check_head_distances = head_distances.EXERCISE.check
check_talking_heads = talking_heads.EXERCISE.check
check_prune_heads = prune_heads.EXERCISE.check


def points_so_far():
    """Print the points of each exercise of chapter 04, and their total."""
    _points_so_far(EXERCISES)


def inputs(grade_id, case):
    """Return the inputs of a case of an exercise of chapter 04, by name."""
    return EXERCISES[grade_id].inputs(case)
