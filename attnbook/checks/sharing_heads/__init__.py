"""The exercises of chapter 08, one module each."""

from attnbook.checks.sharing_heads import (
    absorb,
    grouped,
    plan_cache,
    predict,
    quantise,
)
from attnbook.judging.exercise import points_so_far as _points_so_far

__all__ = [
    "EXERCISES",
    "check_absorb",
    "check_grouped",
    "check_plan_cache",
    "check_predict",
    "check_quantise",
    "inputs",
    "points_so_far",
]


EXERCISES = {
    module.EXERCISE.grade_id: module.EXERCISE
    for module in (predict, grouped, plan_cache, quantise, absorb)
}

check_predict = predict.EXERCISE.check
check_grouped = grouped.EXERCISE.check
check_plan_cache = plan_cache.EXERCISE.check
check_quantise = quantise.EXERCISE.check
check_absorb = absorb.EXERCISE.check


def points_so_far():
    """Print the points of each exercise of chapter 08, and their total."""
    _points_so_far(EXERCISES)


def inputs(grade_id, case):
    """Return the inputs of a case of an exercise of chapter 08, by name."""
    return EXERCISES[grade_id].inputs(case)
