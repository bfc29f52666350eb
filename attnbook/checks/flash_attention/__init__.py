"""The exercises of chapter 10, one module each."""

from attnbook.checks.flash_attention import (
    backward,
    merge_pieces,
    predict,
    slanted,
    tiles,
)
from attnbook.judging.exercise import points_so_far as _points_so_far

__all__ = [
    "EXERCISES",
    "check_backward",
    "check_merge_pieces",
    "check_predict",
    "check_slanted",
    "check_tiles",
    "inputs",
    "points_so_far",
]


EXERCISES = {
    module.EXERCISE.grade_id: module.EXERCISE
    for module in (predict, tiles, slanted, merge_pieces, backward)
}

check_predict = predict.EXERCISE.check
check_tiles = tiles.EXERCISE.check
check_slanted = slanted.EXERCISE.check
check_merge_pieces = merge_pieces.EXERCISE.check
check_backward = backward.EXERCISE.check


def points_so_far():
    """Print the points of each exercise of chapter 10, and their total."""
    _points_so_far(EXERCISES)


def inputs(grade_id, case):
    """Return the inputs of a case of an exercise of chapter 10, by name."""
    return EXERCISES[grade_id].inputs(case)
