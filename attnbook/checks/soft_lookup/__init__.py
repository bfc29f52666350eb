"""The exercises of chapter 00, one module each.

NumPy only, so that the notebook starts fast.
"""

from attnbook.checks.soft_lookup import (
    conclude,
    epanechnikov_regression,
    predict,
    softmax_vjp,
    temperature_for_entropy,
    top_k_lookup,
)
from attnbook.judging.exercise import points_so_far as _points_so_far

__all__ = [
    "EXERCISES",
    "check_conclude",
    "check_epanechnikov_regression",
    "check_predict",
    "check_softmax_vjp",
    "check_temperature_for_entropy",
    "check_top_k_lookup",
    "inputs",
    "points_so_far",
]


EXERCISES = {
    module.EXERCISE.grade_id: module.EXERCISE
    for module in (
        predict,
        epanechnikov_regression,
        top_k_lookup,
        temperature_for_entropy,
        conclude,
        softmax_vjp,
    )
}

check_predict = predict.EXERCISE.check
check_epanechnikov_regression = epanechnikov_regression.EXERCISE.check
check_top_k_lookup = top_k_lookup.EXERCISE.check
check_temperature_for_entropy = temperature_for_entropy.EXERCISE.check
check_conclude = conclude.EXERCISE.check
check_softmax_vjp = softmax_vjp.EXERCISE.check


def points_so_far():
    """Print the points of each exercise of chapter 00, and their total."""
    _points_so_far(EXERCISES)


def inputs(grade_id, case):
    """Return the inputs of a case of an exercise of chapter 00, by name."""
    return EXERCISES[grade_id].inputs(case)
