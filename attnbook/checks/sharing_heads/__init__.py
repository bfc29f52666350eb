"""The exercises of chapter 08, one module each."""

from attnbook.checks.sharing_heads import plan_cache, predict
from attnbook.judging.exercise import points_so_far as _points_so_far

EXERCISES = {
    module.EXERCISE.grade_id: module.EXERCISE
    for module in (predict, plan_cache)
}
