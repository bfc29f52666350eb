"""Exercise 07.1: Predict dot products, bytes and tokens."""

from __future__ import annotations

import math

import torch

from attnbook.checks.decoder_only.predict_mistakes import MISTAKES
from attnbook.judging.exercise import Exercise, Part
from attnbook.judging.predictions import Predictions, questions

_PREDICTIONS = Predictions(
    {
        "a": 26 / 3,
        "b": 2 * 6 * 8 * 16 * 100 * 3 * 4 / 1000,
        "c": 1.2,
        "d": 3.0,
        "e": 1 + 0.8 + 0.8**2,
        "f": 8 / 25,
    }
)


def _predict_exactly(question):
    if question == "c":
        return 2.08 * 3000 / math.log(2) / 7500
    return _PREDICTIONS.answers[question]


def _encoded(text, merges):
    """Merge the pair that was learnt first, wherever it stands, again."""
    tokens = list(text)
    for left, right in merges:
        place = 0
        while place < len(tokens) - 1:
            if tokens[place] == left and tokens[place + 1] == right:
                tokens[place : place + 2] = [left + right]
            place += 1
    return tokens


def _predict_by_running(question):
    """Right, by running what is asked instead of thinking."""
    if question == "a":
        masks = [torch.ones(t, t).tril() for t in range(1, 25)]
        anew = sum(mask.sum() for mask in masks)
        return (anew / sum(mask[-1].sum() for mask in masks)).item()
    if question == "b":
        kept = torch.zeros(2, 6, 3, 8, 100, 16)
        return kept.numel() * kept.element_size() / 1000
    if question == "c":
        return math.log2(math.exp(2.08)) / 2.5
    if question == "d":
        pairs = [("b", "c"), ("a", "b"), ("d", "a"), ("bc", "da")]
        return len(_encoded("abcdabcda", pairs))
    if question == "e":
        return sum(
            n * chance for n, chance in ((1, 0.2), (2, 0.8 * 0.2), (3, 0.64))
        )
    logits = torch.tensor([64.0, 49.0, 25.0, 9.0, 4.0, 1.0]).log()
    chances = (logits / 2).softmax(0)
    chances[chances < 0.249 * chances.max()] = 0  # 2/8 may round below 0.25
    return (chances / chances.sum())[0].item()


EXERCISE = Exercise(
    "07-predict",
    "Predict dot products, bytes and tokens",
    points=3,
    reference=_predict_exactly,
    cases=_PREDICTIONS.cases(hints=(1, 1, 2, 2, 3, 3)),
    parts=[
        Part("cache", "a and b, on a cache", 1, questions("ab")),
        Part("tokens", "c and d, on tokens", 1, questions("cd")),
        Part("sampling", "e and f, on what is drawn", 1, questions("ef")),
    ],
    mistakes=[_PREDICTIONS.wrong(*row, digits=(2,)) for row in MISTAKES],
    right_answers=[_predict_by_running, _PREDICTIONS.rounded],
    tolerance=1e-3,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
)
