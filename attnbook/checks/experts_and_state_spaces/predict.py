"""Exercise 12.1: Predict sums, experts and old values."""

from __future__ import annotations

import torch

from attnbook.checks.experts_and_state_spaces.predict_mistakes import MISTAKES
from attnbook.judging.exercise import Exercise, Part
from attnbook.judging.predictions import Predictions, questions

_PREDICTIONS = Predictions(
    {
        "a": 128.0,
        "b": 8 * 524288 / (6 * 16384 + 2 * 524288),
        "c": 4 + 512 / 32768,
        "d": 2.8,
        "e": 100 * 0.512 / 1.512,
        "f": 100 * 0.2 / 0.7,
    }
)


def _predict_by_running(question):
    """Right, by running what is asked instead of thinking."""
    if question == "a":
        t = torch.arange(1, 200)
        powers = 2 ** t.double()
        return t[powers > torch.finfo(torch.float32).max][0].item()
    if question == "b":
        cache = torch.zeros(2, 4, 1024, 64).numel()
        state = torch.zeros(4, 64, 64).numel()
        return 8 * cache / (6 * state + 2 * cache)
    if question == "c":
        expert = torch.zeros(2, 64, 128).numel()
        router = torch.zeros(64, 8).numel()
        return (8 * expert + router) / torch.zeros(2, 64, 256).numel()
    if question == "d":
        load = torch.tensor([1.0, 0, 0, 0])
        mean = torch.tensor([0.7, 0.1, 0.1, 0.1])
        return 4 * (load * mean).sum().item()
    state = torch.zeros(2)  # the old value's part, and the new one's
    if question == "e":
        for new in ([1.0, 0], [0, 0], [0, 0], [0, 1.0]):
            state = 0.8 * state + torch.tensor(new)
    else:
        for new in ([1.0, 0], [0, 1.0]):
            state = 0.8 * state
            state = state + 0.5 * (torch.tensor(new) - state)
    return 100 * (state[0] / state.sum()).item()


EXERCISE = Exercise(
    "12-predict",
    "Predict sums, experts and old values",
    points=3,
    reference=_PREDICTIONS.exactly,
    cases=_PREDICTIONS.cases(hints=(1, 1, 2, 2, 3, 3)),
    parts=[
        Part("kept", "a and b, on sums and states", 1, questions("ab")),
        Part("experts", "c and d, on experts", 1, questions("cd")),
        Part("old", "e and f, on old values", 1, questions("ef")),
    ],
    mistakes=[_PREDICTIONS.wrong(*row, digits=(2,)) for row in MISTAKES],
    right_answers=[_predict_by_running, _PREDICTIONS.rounded],
    tolerance=1e-3,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
)
