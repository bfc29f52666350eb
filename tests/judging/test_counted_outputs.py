"""A part may count some of the outputs, and give its points for these."""

import numpy as np
from softmax_exercise import softmax

from attnbook.judging.exercise import Case, Exercise, Mistake, Part


def both(scores):
    weights = softmax(scores)
    return weights, weights.max(-1)


def smallest(scores):
    weights = softmax(scores)
    return weights, weights.min(-1)


def made():
    draw = np.random.default_rng(0).normal
    return Exercise(
        "00-both",
        "Both",
        3,
        both,
        [Case("a matrix", (draw(size=(2, 3)),))],
        [Mistake("the smallest", "You took the least.", smallest, "max.")],
        outputs=("weights", "largest"),
        parts=[
            Part("weights", "weights", 1, ("a matrix",), outputs=("weights",)),
            Part("largest", "maxima", 2, ("a matrix",), outputs=("largest",)),
        ],
        fresh=lambda seed: [Case("anew", (draw(size=(3, 4)),))],
    )


def test_an_output_that_does_not_count_costs_nothing(monkeypatch):
    exercise = made()
    for seed in (None, 5):
        monkeypatch.setattr(Exercise, "secret_seed", seed)
        assert exercise.diagnose(smallest, "weights") is None
        assert exercise.diagnose(smallest, "largest") is not None
        assert exercise.diagnose(smallest) is not None


def test_a_mistake_is_named_by_the_outputs_that_count():
    def half(scores):
        weights, least = smallest(scores)
        return weights * 0, least

    diagnosis = made().diagnose(half, "largest")
    assert diagnosis.mistake == "the smallest"
    assert made().diagnose(half, "weights").mistake is None
