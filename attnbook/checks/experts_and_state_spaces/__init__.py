"""The exercises of chapter 12, one module each."""

from attnbook.checks.experts_and_state_spaces import (
    balance,
    predict,
    scan_maps,
    seat,
    write_chunks,
)
from attnbook.judging.exercise import points_so_far as _points_so_far

__all__ = [
    "EXERCISES",
    "check_balance",
    "check_predict",
    "check_scan_maps",
    "check_seat",
    "check_write_chunks",
    "inputs",
    "points_so_far",
]


EXERCISES = {
    module.EXERCISE.grade_id: module.EXERCISE
    for module in (predict, seat, balance, scan_maps, write_chunks)
}

check_predict = predict.EXERCISE.check
check_seat = seat.EXERCISE.check
check_balance = balance.EXERCISE.check
check_scan_maps = scan_maps.EXERCISE.check
check_write_chunks = write_chunks.EXERCISE.check


def points_so_far():
    """Print the points of each exercise of chapter 12, and their total."""
    _points_so_far(EXERCISES)


def inputs(grade_id, case):
    """Return the inputs of a case of an exercise of chapter 12, by name."""
    return EXERCISES[grade_id].inputs(case)
