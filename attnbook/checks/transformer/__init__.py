"""The exercises of chapter 06, one module each."""

from attnbook.checks.transformer import (
    cross_attention_cache,
    encode,
    normalised_beam_search,
    predict,
    smoothed_loss,
)
from attnbook.judging.exercise import points_so_far as _points_so_far

__all__ = [
    "EXERCISES",
    "check_CrossAttentionCache",
    "check_encode",
    "check_normalised_beam_search",
    "check_predict",
    "check_smoothed_loss",
    "inputs",
    "points_so_far",
]


EXERCISES = {
    module.EXERCISE.grade_id: module.EXERCISE
    for module in (
        predict,
        encode,
        smoothed_loss,
        cross_attention_cache,
        normalised_beam_search,
    )
}

check_predict = predict.EXERCISE.check
check_encode = encode.EXERCISE.check
check_smoothed_loss = smoothed_loss.EXERCISE.check
check_CrossAttentionCache = cross_attention_cache.EXERCISE.check  # noqa: N816
check_normalised_beam_search = normalised_beam_search.EXERCISE.check


def points_so_far():
    """Print the points of each exercise of chapter 06, and their total."""
    _points_so_far(EXERCISES)


def inputs(grade_id, case):
    """Return the inputs of a case of an exercise of chapter 06, by name."""
    return EXERCISES[grade_id].inputs(case)
