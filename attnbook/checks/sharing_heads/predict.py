"""Exercise 08.1: Predict what sharing saves, and what not."""

from __future__ import annotations

import torch

from attnbook.checks.sharing_heads.predict_mistakes import MISTAKES
from attnbook.judging.exercise import Exercise, Part
from attnbook.judging.predictions import Predictions, questions

_PREDICTIONS = Predictions(
    {
        "a": 3.25,
        "b": 4.0,
        "c": 2_539_520 / 3_325_952,
        "d": 3.0,
        "e": 0.625,
        "f": 256 / 3,
    }
)


def _predict_exactly(question):
    return _PREDICTIONS.answers[question]


def _by_running(question):
    """Right, by counting the numbers of tensors instead of thinking."""
    if question == "a":
        latent, rotary, keys = (torch.zeros(n) for n in (384, 32, 2 * 64))
        return (latent.numel() + rotary.numel()) / keys.numel()
    if question == "b":
        return torch.arange(5).repeat_interleave(3)[13].item()
    if question == "c":
        after, before = (
            2 * 512 * (2 * 512 + 2 * G * 32) + 2 * 2 * 16 * 32 * 600
            for G in (4, 16)
        )
        return after / before
    if question == "d":
        flops, cache = 2 * 2 * 24 * 48, torch.zeros(2, 4, 48)
        return flops / (cache.numel() * cache.element_size())
    if question == "e":
        linear = torch.nn.Linear
        layers = [linear(512, n, bias=False) for n in (512, 128, 128, 512)]
        return sum(one.weight.numel() for one in layers) / (4 * 512**2)
    both = [
        lambda T: 2 * 256 * 2 * 64 + 2 * T * (2 * 64 + 32),
        lambda T: 2 * T * (2 * 256 + 32),
    ]
    low, high = 1.0, 1000.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        naive, absorbed = (form(middle) for form in both)
        low, high = (middle, high) if naive > absorbed else (low, middle)
    return low


def _as_a_fraction(question):
    """Right, with three digits where two do not tell all."""
    return round(_PREDICTIONS.answers[question], 3)


EXERCISE = Exercise(
    "08-predict",
    "Predict what sharing saves, and what it does not",
    points=3,
    reference=_predict_exactly,
    cases=_PREDICTIONS.cases(hints=(1, 1, 2, 2, 3, 3)),
    parts=[
        Part("cache", "a and b, on groups and caches", 1, questions("ab")),
        Part("step", "c and d, on one step of decoding", 1, questions("cd")),
        Part("forms", "e and f, on matrices and forms", 1, questions("ef")),
    ],
    mistakes=[_PREDICTIONS.wrong(*row, digits=(2,)) for row in MISTAKES],
    right_answers=[_by_running, _as_a_fraction, _PREDICTIONS.rounded],
    # Two digits are enough, and 85 is not 85.33.
    tolerance=3.2e-3,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
)
