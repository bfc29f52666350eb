"""Cases drawn anew let right answers pass and answers by heart fail."""

from functools import partial

import numpy as np
import torch

from attnbook.checks import scaled_dot_product, soft_lookup
from attnbook.judging.exercise import Exercise

SEEDS = (3, 2**127 + 5)


# -- every exercise ----------------------------------------------------------


def test_right_answers_stay_right_on_cases_drawn_anew(
    chapter, exercise, monkeypatch
):
    for seed in SEEDS:
        monkeypatch.setattr(Exercise, "secret_seed", seed)
        for answer in (exercise.reference, *exercise.right_answers):
            diagnosis = exercise.diagnose(answer)
            assert diagnosis is None, diagnosis.message


def test_only_what_is_answered_by_constants_draws_no_cases(chapter, exercise):
    asks_for_numbers = not exercise.reveal
    for part in exercise.parts:
        draw = part.fresh or exercise.fresh
        assert (draw is None) == asks_for_numbers, (
            f"{exercise.grade_id} {part.name}: expected `fresh=anew(…)` of "
            "the part or of the exercise unless it asks for constants "
            f"(`reveal=False`), got {draw} and reveal={exercise.reveal}: "
            "give it fresh cases"
        )


def drawn(exercise, seed):
    """All the cases of a seed, those of each part."""
    draws = {part.fresh or exercise.fresh for part in exercise.parts}
    return [case for draw in draws - {None} for case in draw(seed)]


def test_another_seed_draws_other_cases(chapter, exercise):
    if not exercise.reveal:
        return  # a test above says which these are
    prints = [
        str(
            sorted(
                str(fingerprint(c.arguments)) for c in drawn(exercise, seed)
            )
        )
        for seed in (*SEEDS, SEEDS[0])
    ]
    assert prints[0] == prints[-1]
    assert prints[0] != prints[1]


def test_an_axis_has_a_size_of_1_only_where_the_notebook_has_it(
    chapter, exercise
):
    """What breaks on such an axis alone, `squeeze`, costs no points."""
    if not exercise.reveal:
        return  # a test above says which these are
    known = {axis for case in exercise.cases for axis in axes_of_1(case)}
    for seed in range(20):
        for case in drawn(exercise, seed):
            found = set(axes_of_1(case)) - known
            assert not found, (
                f"{exercise.grade_id}: a fresh case (seed {seed}) has an axis "
                f"of size 1, {in_words(found)}, where no case of the notebook "
                "has one: draw sizes from 2 in `fresh=anew(…)`, or add a "
                "case with that axis to `cases`"
            )


def in_words(axes):
    """Which axes of which arguments."""
    return " and ".join(
        f"axis {axis} of argument {place}"
        for place, axis in sorted(axes, key=str)
    )


def axes_of_1(case):
    """Name each axis of size 1, and each matrix in a list alike."""
    todo = list(enumerate([*case.arguments, *case.keywords.values()]))
    while todo:
        place, value = todo.pop()
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, (tuple, list)):
            todo += [((place, "in it"), item) for item in value]
        elif isinstance(value, (torch.Tensor, np.ndarray)):
            for axis, size in enumerate(value.shape):
                if size == 1:
                    yield place, axis


def test_an_answer_by_heart_passes_alone_and_fails_where_points_are_given(
    chapter, exercise, monkeypatch
):
    if not exercise.reveal:
        return  # a test above says which these are
    make = by_heart(exercise)
    assert exercise.diagnose(make()) is None
    for seed in SEEDS:
        monkeypatch.setattr(Exercise, "secret_seed", seed)
        diagnosis = exercise.diagnose(make())
        assert diagnosis is not None, "zeros are taken for right"
        if exercise.grade_id != "03-judge":  # asked in another order
            assert "Right on the cases of the notebook" in diagnosis.message
        for part in exercise.parts:
            assert exercise.diagnose(make(), part.name) is not None, (
                f"part {part.name}: zeros are taken for right"
            )


def by_heart(exercise):
    """Return what makes answers that are right on known inputs alone.

    On all others they are zero.
    """
    seen = set()
    if exercise is scaled_dot_product.EXERCISES["03-judge"]:
        return partial(by_count, exercise)
    if isinstance(exercise.reference, type):
        recording = class_by_heart(exercise.reference, seen, is_open=True)
        assert exercise.diagnose(recording) is None
        return partial(class_by_heart, exercise.reference, seen, is_open=False)

    def recording(*arguments, **keywords):
        seen.add(fingerprint((arguments, keywords)))
        return exercise.reference(*arguments, **keywords)

    def answer(*arguments, **keywords):
        found = exercise.reference(*arguments, **keywords)
        is_known = fingerprint((arguments, keywords)) in seen
        return found if is_known else zeroed(found)

    assert exercise.diagnose(recording) is None
    return lambda: answer


def by_count(exercise):
    """A judge that knows in which order it is asked about the suspects.

    Before, it is asked about those that are drawn, in an order unknown.
    """
    verdicts = [False] * len(exercise.fresh_cases())
    verdicts += [exercise.reference(c.arguments[1]) for c in exercise.cases]
    verdicts = iter(verdicts)
    return lambda attention: next(verdicts, False)


def class_by_heart(reference, seen, is_open):
    class ByHeart(reference):
        def __init__(self, *matrices):
            super().__init__(*matrices)
            key = fingerprint(matrices)
            if is_open:
                seen.add(key)
            self.is_known = key in seen

        def step(self, *arguments):
            found = super().step(*arguments)
            return found if self.is_known else zeroed(found)

    return ByHeart


def fingerprint(value):
    if isinstance(value, (tuple, list)):
        return tuple(fingerprint(item) for item in value)
    if isinstance(value, dict):
        return tuple((key, fingerprint(item)) for key, item in value.items())
    if isinstance(value, torch.Tensor):
        return tuple(value.shape), value.detach().numpy().tobytes()
    if isinstance(value, np.ndarray):
        return value.shape, value.tobytes()
    if isinstance(value, partial):
        return fingerprint((value.args, value.keywords))
    return getattr(value, "__name__", value)


def zeroed(value):
    if isinstance(value, (tuple, list)):
        return type(value)(zeroed(item) for item in value)
    if isinstance(value, dict):
        return {key: zeroed(item) for key, item in value.items()}
    return value * 0


def test_the_checks_of_chapter_00_draw_without_torch():
    cases = drawn(soft_lookup.EXERCISES["00-top-k-lookup"], 5)
    assert all(isinstance(c.arguments[0], np.ndarray) for c in cases)
