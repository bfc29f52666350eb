"""The exercises of chapter 11, one module each."""

from attnbook.checks.encoders_and_modalities import (
    contrastive,
    guidance,
    masking,
    patches,
    predict,
)
from attnbook.judging.exercise import points_so_far as _points_so_far

__all__ = [
    "EXERCISES",
    "check_contrastive",
    "check_guided",
    "check_masked_loss",
    "check_patch_tokens",
    "check_predict",
    "inputs",
    "points_so_far",
]


EXERCISES = {
    module.EXERCISE.grade_id: module.EXERCISE
    for module in (predict, masking, patches, contrastive, guidance)
}

check_predict = predict.EXERCISE.check
check_masked_loss = masking.EXERCISE.check
check_patch_tokens = patches.EXERCISE.check
check_contrastive = contrastive.EXERCISE.check
check_guided = guidance.EXERCISE.check


def points_so_far():
    """Print the points of each exercise of chapter 11, and their total."""
    _points_so_far(EXERCISES)


def inputs(grade_id, case):
    """Return the inputs of a case of an exercise of chapter 11, by name."""
    return EXERCISES[grade_id].inputs(case)
