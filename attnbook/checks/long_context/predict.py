"""Exercise 09.1: Predict reach, pairs and states."""

from __future__ import annotations

import torch

from attnbook.checks.long_context.predict_mistakes import MISTAKES
from attnbook.judging.exercise import Exercise, Part
from attnbook.judging.predictions import Predictions, questions
from attnbook.mechanisms.long_context import (
    dilated_mask,
    reach,
    select_blocks,
    strided_mask,
    tokens_of_blocks,
    whole_blocks_mask,
    window_mask,
)

_PREDICTIONS = Predictions(
    {
        "a": 15.0,
        "b": 6.0,
        "c": 36.0 + 92 * 8,
        "d": 2.0,
        "e": 62.0 + 3 * 16 + 8 + 64,
        "f": 2 * 64 * 1000 / (64 * 64 + 64),
    }
)


def _layers(masks):
    """Layers until the last token looks at the first."""
    found = []
    for mask in masks:
        found.append(mask)
        if reach(found[::-1])[-1, 0]:
            return len(found)
    raise ValueError("the first token is never reached")


def _predict_by_running(question):
    """Right, by running what is asked instead of thinking."""
    if question == "a":
        return _layers([window_mask(100, 8)] * 20)
    if question == "b":
        return _layers(dilated_mask(100, 3, 2**n) for n in range(7))
    if question == "c":
        return window_mask(100, 8).sum().item()
    if question == "d":
        mask = strided_mask(64, 8, 8)
        return (mask[63] & mask[:, 20]).sum().item()
    if question == "e":
        index, allowed = select_blocks(torch.rand(1, 1000, 62), 16, 4)
        _, read = tokens_of_blocks(index, allowed, 16, 1000)
        near = window_mask(1, 64, S=1000)
        compressed = whole_blocks_mask(1, 16, start=999)
        parts = compressed, read[0, -1], near
        return sum(part.sum() for part in parts).item()
    kept = torch.zeros(64, 64).numel() + torch.zeros(64).numel()
    return torch.zeros(2, 1000, 64).numel() / kept


EXERCISE = Exercise(
    "09-predict",
    "Predict reach, pairs and states",
    points=3,
    reference=_PREDICTIONS.exactly,
    cases=_PREDICTIONS.cases(hints=(1, 1, 2, 2, 3, 3)),
    parts=[
        Part("reach", "a and b, on reach", 1, questions("ab")),
        Part("pairs", "c and d, on pairs and paths", 1, questions("cd")),
        Part("kept", "e and f, on branches and states", 1, questions("ef")),
    ],
    mistakes=[_PREDICTIONS.wrong(*row, digits=(2,)) for row in MISTAKES],
    right_answers=[_predict_by_running, _PREDICTIONS.rounded],
    tolerance=1e-3,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
)
