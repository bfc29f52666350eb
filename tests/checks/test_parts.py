"""Each part of an exercise gives its points for what it names, and only so."""

import numpy as np
import pytest
import torch

from attnbook.judging.exercise import Exercise

SEEDS = (3, 2**127 + 5)


def passed(exercise, answer):
    """The names of the parts that an answer gets right."""
    return [
        part.name
        for part in exercise.parts
        if exercise.diagnose(answer, part.name) is None
    ]


def names(exercise):
    return [part.name for part in exercise.parts]


@pytest.fixture(params=[None, *SEEDS], ids=["published", "fresh", "others"])
def seed(request, monkeypatch):
    monkeypatch.setattr(Exercise, "secret_seed", request.param)
    return request.param


def test_right_answers_earn_every_part(chapter, exercise, seed):
    for answer in (exercise.reference, *exercise.right_answers):
        assert passed(exercise, answer) == names(exercise)


def test_a_known_mistake_misses_a_part_and_is_named_there(exercise, mistake):
    missed = set(names(exercise)) - set(passed(exercise, mistake.answer))
    assert missed, (
        f"{exercise.grade_id}, “{mistake.name}”: it earns every part: let a "
        "part try a case that it gets wrong"
    )
    for name in missed:
        diagnosis = exercise.diagnose(mistake.answer, name)
        assert diagnosis.mistake == mistake.name, (
            f"{exercise.grade_id}, part {name}, “{mistake.name}”: expected "
            f"to be named, got {diagnosis.mistake!r}:\n{diagnosis.message}"
        )


def zeros(value):
    if isinstance(value, (tuple, list)):
        return type(value)(zeros(item) for item in value)
    if isinstance(value, dict):
        return {key: zeros(item) for key, item in value.items()}
    if isinstance(value, (bool, np.bool_)):
        return False
    return value * 0


def ones(value):
    if isinstance(value, (tuple, list)):
        return type(value)(ones(item) for item in value)
    if isinstance(value, dict):
        return {key: ones(item) for key, item in value.items()}
    if isinstance(value, (bool, np.bool_)):
        return True
    if isinstance(value, torch.Tensor):
        return torch.ones_like(value) + 0 * value
    return value * 0 + 1


@pytest.mark.parametrize("made", [zeros, ones])
def test_an_answer_that_does_nothing_earns_no_part(
    chapter, exercise, made, seed
):
    """It knows the shapes of what is asked, and fills them alike."""
    if isinstance(exercise.reference, type):
        return  # the test of its chapter has such classes

    def nothing(*arguments, **keywords):
        return made(exercise.reference(*arguments, **keywords))

    earned = passed(exercise, nothing)
    assert not earned, (
        f"{exercise.grade_id}: an answer of {made.__name__} earns {earned}: "
        "let each part try a case that such an answer gets wrong"
    )
