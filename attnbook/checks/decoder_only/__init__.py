"""The exercises of chapter 07, one module each."""

from attnbook.checks.decoder_only import (
    accept_drafts,
    guess_tree,
    predict,
    window_bits,
    write,
)
from attnbook.judging.exercise import points_so_far as _points_so_far

__all__ = [
    "EXERCISES",
    "check_accept_drafts",
    "check_guess_tree",
    "check_predict",
    "check_window_bits",
    "check_write",
    "inputs",
    "points_so_far",
]


EXERCISES = {
    module.EXERCISE.grade_id: module.EXERCISE
    for module in (predict, write, window_bits, guess_tree, accept_drafts)
}

check_predict = predict.EXERCISE.check
check_write = write.EXERCISE.check
check_window_bits = window_bits.EXERCISE.check
check_guess_tree = guess_tree.EXERCISE.check
check_accept_drafts = accept_drafts.EXERCISE.check


def points_so_far():
    """Print the points of each exercise of chapter 07, and their total."""
    _points_so_far(EXERCISES)


def inputs(grade_id, case):
    """Return the inputs of a case of an exercise of chapter 07, by name."""
    return EXERCISES[grade_id].inputs(case)
