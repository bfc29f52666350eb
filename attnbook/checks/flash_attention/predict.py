"""Exercise 10.1: Predict tiles, products and rescales."""

from __future__ import annotations

import math

import torch

from attnbook.checks.flash_attention.predict_mistakes import MISTAKES
from attnbook.judging.exercise import Exercise, Part
from attnbook.judging.predictions import Predictions, questions
from attnbook.mechanisms.flash_attention import (
    Tiling,
    backward_cost,
    forward_cost,
    lazily_rescaled,
    merge,
)

_SCORES = (4.0, 9.0, 1.0, 7.0, 10.0, 12.0, 1.0, 11.0, 14.0)

_PREDICTIONS = Predictions(
    {
        "a": 78.0,
        "b": 3 * 32 - 3.0,
        "c": 7 / 6,
        "d": 8192 / 65,
        "e": 2.0,
        "f": (4 + 3 * 8) / 4,
    }
)


def _predict_by_running(question):
    """Right, by running what is asked instead of thinking."""
    if question == "a":
        return Tiling(1536, 1536, 128, 128, causal=True).count()
    if question == "b":
        return Tiling(2048, 2048, 64, 64, causal=True, window=100).count()
    if question == "c":
        tiling = Tiling(256, 256, 64, 64)
        flops = [
            forward_cost(form, tiling, 32, 32).flops
            + backward_cost(form, tiling, 32, 32).flops
            for form in ("tiled", "dense")
        ]
        return flops[0] / flops[1]
    if question == "d":
        table, output, lse = (
            torch.zeros(1).expand(*shape)
            for shape in ((8192, 8192), (8192, 64), (8192,))
        )
        return table.numel() / (output.numel() + lse.numel())
    if question == "e":
        scores = torch.tensor([_SCORES])
        return lazily_rescaled(scores, torch.ones(9, 1), 1, 2.5).rescaled
    outputs = [torch.tensor([4.0]), torch.tensor([8.0])]
    lses = [torch.tensor(2.0), torch.tensor(2 + math.log(3))]
    return merge(outputs, lses)[0].item()


EXERCISE = Exercise(
    "10-predict",
    "Predict tiles, products and rescales",
    points=3,
    reference=_PREDICTIONS.exactly,
    cases=_PREDICTIONS.cases(hints=(1, 1, 2, 2, 3, 3)),
    parts=[
        Part(
            "tiles", "a and b, on tiles that are computed", 1, questions("ab")
        ),
        Part("costs", "c and d, on products and memory", 1, questions("cd")),
        Part("states", "e and f, on rescales and merging", 1, questions("ef")),
    ],
    mistakes=[_PREDICTIONS.wrong(*row, digits=(2,)) for row in MISTAKES],
    right_answers=[_predict_by_running, _PREDICTIONS.rounded],
    # Two digits are enough, and 126 is taken for 126.03.
    tolerance=3e-3,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
)
