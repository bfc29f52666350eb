"""Exercise 11.1: Predict shares, floors and tokens."""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import nn

from attnbook.checks.encoders_and_modalities import (
    predict_mistakes,
    predict_sizes,
)
from attnbook.judging.exercise import Exercise, Part
from attnbook.judging.predictions import Predictions, questions

_PREDICTIONS = Predictions(
    {
        "a": 1000 * 0.15 * (0.8 + 0.1 * 19 / 20),
        "b": 100 * 0.15 * 0.2 / (0.85 + 0.15 * 0.2),
        "c": (3 * math.log(3) + 2 * math.log(2)) / 6,
        "d": (3 * math.log(2) + 3 * math.log(3) + math.log(4)) / 8,
        "e": 4 * 6 + 1.0,
        "f": 8 * 8 * 3 * 64 + 64.0,
    }
)


def _floor(captions):
    """The loss of the targets i = i, where equal captions score alike."""
    match = captions[:, None] == captions  # (B, B)
    scores = 100.0 * match.double()
    return F.cross_entropy(scores, torch.arange(len(captions))).item()


def _predict_by_running(question):
    """Right, by running what is asked instead of thinking."""
    if question == "a":
        kinds = [0.8, 0.1 * 19 / 20, 0.1 / 20, 0.1]
        return 150 * sum(kinds[:2]) / sum(kinds)
    if question == "b":
        shown_and_chosen = 0.15 * (1 - 0.8)
        return 100 * shown_and_chosen / (shown_and_chosen + 0.85)
    if question == "c":
        return _floor(torch.tensor([0, 0, 0, 1, 1, 2]))
    if question == "d":
        batches = list(itertools.product([0, 1], repeat=4))
        return sum(_floor(torch.tensor(one)) for one in batches) / 16
    convolution = nn.Conv2d(3, 64, 8, 8)
    if question == "e":
        tokens = convolution(torch.zeros(1, 3, 32, 48)).flatten(2)
        return tokens.shape[-1] + 1.0
    return float(sum(p.numel() for p in convolution.parameters()))


def _rounded(question):
    """Right, with three digits after the point."""
    return round(_PREDICTIONS.answers[question], 3)


def _rounded_too_far():
    """Right numbers with so few digits that they are refused."""
    for question, right in _PREDICTIONS.answers.items():
        for digits in (2, 1):
            number = round(right, digits)
            if not math.isclose(number, right, rel_tol=1e-3):
                yield _PREDICTIONS.wrong(
                    question,
                    number,
                    f"rounded to {digits} digits",
                    "This is the right number, but it has too few digits.",
                    "Give three digits after the decimal point, or more.",
                )


EXERCISE = Exercise(
    "11-predict",
    "Predict shares, floors and tokens",
    points=3,
    reference=_PREDICTIONS.exactly,
    cases=_PREDICTIONS.cases(hints=(1, 1, 2, 2, 3, 3)),
    parts=[
        Part("shares", "a and b, on masking", 1, questions("ab")),
        Part("floors", "c and d, on the floor", 1, questions("cd")),
        Part("tokens", "e and f, on patches", 1, questions("ef")),
    ],
    mistakes=[
        *(
            _PREDICTIONS.wrong(*row, digits=(3, 2))
            for row in (*predict_mistakes.MISTAKES, *predict_sizes.MISTAKES)
        ),
        *_rounded_too_far(),
    ],
    right_answers=[_predict_by_running, _rounded],
    tolerance=5e-4,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
)
