"""Exercise 03.1: Predict spreads and weights."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import torch

from attnbook.judging.exercise import Exercise, Part
from attnbook.judging.predictions import Predictions, questions

_PREDICTIONS = Predictions(
    {
        "a": 8.0,
        "b": 3.0,
        "c": 1 / 16,
        "d": 1 / (1 + math.exp(-4)),
        "e": 1 / (1 + math.exp(-0.25)),
        "f": math.log(8),
        "g": 8.0,
    }
)


def _predict_by_formula(question):
    """Right, by the variance of a sum and the softmax of two scores."""
    if question == "a":
        return sum(1.0 for _ in range(64)) ** 0.5
    if question == "b":
        return (256 * 3**2 * 1**2 / 256) ** 0.5
    if question == "c":
        return (256 / 256**2) ** 0.5
    if question in "de":
        raw = torch.tensor([1.0, 0.0]) * 16**0.5
        divisor = 1 if question == "d" else 16
        return (raw / divisor).softmax(0)[0].item()
    if question == "f":
        weights = torch.zeros(8).softmax(0)
        return -(weights * weights.log()).sum().item()
    return 64 / 64**0.5


def _is_no_weight(question, case, output):
    return case.arguments == (question,) and not 0 <= output <= 1


EXERCISE = Exercise(
    "03-predict",
    "Predict spreads and weights",
    points=3,
    reference=_PREDICTIONS.exactly,
    cases=_PREDICTIONS.cases(hints=(1, 1, 1, 2, 2, 3, 4)),
    mistakes=[
        replace(
            _PREDICTIONS.wrong(
                "d",
                98.2,
                "not between 0 and 1",
                "A weight lies between 0 and 1.",
                "Do not give per cent. And softmax divides by the sum.",
            ),
            shows=partial(_is_no_weight, "d"),
        ),
        replace(
            _PREDICTIONS.wrong(
                "e",
                56.2,
                "not between 0 and 1",
                "A weight lies between 0 and 1.",
                "Do not give per cent. And softmax divides by the sum.",
            ),
            shows=partial(_is_no_weight, "e"),
        ),
        _PREDICTIONS.wrong(
            "a",
            0.0,
            "the mean",
            "The mean is 0. The standard deviation says how far scores are "
            "from it.",
            "Variances of independent terms add up.",
        ),
        _PREDICTIONS.wrong(
            "a",
            4096.0,
            "the square of the sum",
            "The variance of a sum of 64 terms is 64 times that of one.",
            "Then take the square root.",
        ),
        _PREDICTIONS.wrong(
            "a",
            1 / 8,
            "divided",
            "The spread grows with d_k. Here you divide by nothing.",
            "Variances of independent terms add up.",
        ),
        _PREDICTIONS.wrong(
            "b",
            3**0.5,
            "a variance of 3",
            "3 is the standard deviation of an entry; its variance is 9.",
            "Take the variance of one product, multiply by d_k, take the "
            "root, divide by the scale.",
        ),
        _PREDICTIONS.wrong(
            "b",
            48 / 256,
            "divided by d_k",
            "The scale divides by √d_k.",
            "48 divided by 16.",
        ),
        _PREDICTIONS.wrong(
            "b",
            2304.0,
            "the variance before the scale",
            "This is the variance of the dot product.",
            "Take the root, then divide by the scale.",
        ),
        _PREDICTIONS.wrong(
            "b",
            768.0,
            "deviations added up",
            "Variances of independent terms add up; deviations do not.",
            "Take the variance of one product, multiply by d_k, take the "
            "root, divide by the scale.",
        ),
        _PREDICTIONS.wrong(
            "c",
            1 / 4,
            "the root of the division",
            "16 is the spread of the dot product. Divide it by 256.",
            "1/16.",
        ),
        _PREDICTIONS.wrong(
            "d",
            1 / (1 + math.exp(-0.25)),
            "scaled once more",
            "1 and 0 are the scaled scores. Without the scale they are "
            "larger.",
            "Undo a division by 4.",
        ),
        _PREDICTIONS.wrong(
            "d",
            0.5,
            "no preference",
            "The scores are not equal.",
            "exp(4) and exp(0).",
        ),
        _PREDICTIONS.wrong(
            "e",
            1 / (1 + math.exp(-1)),
            "the scale in place of the bug",
            "This is the weight with √d_k. The bug divides by d_k.",
            "The dot product is 4. Then divide by 16.",
        ),
        _PREDICTIONS.wrong(
            "d",
            1 / (1 + math.exp(4)),
            "the second key",
            "This is the weight of the second key, whose score is 0.",
            "The first key has the higher score.",
        ),
        _PREDICTIONS.wrong(
            "e",
            1 / (1 + math.exp(0.25)),
            "the second key",
            "This is the weight of the second key, whose score is 0.",
            "The first key has the higher score.",
        ),
        _PREDICTIONS.wrong(
            "e",
            1 / (1 + math.exp(-4)),
            "without a scale",
            "This is the weight of d. The bug divides by d_k.",
            "The dot product is 4. Then divide by 16.",
        ),
        _PREDICTIONS.wrong(
            "e",
            0.2,
            "a share of the scores",
            "Weights are shares of the exponentials of the scores.",
            "exp(0.25) and exp(0).",
        ),
        _PREDICTIONS.wrong(
            "f",
            8.0,
            "the number of keys",
            "If the weights are equal, the entropy is the logarithm of this "
            "number.",
            "-Σ w log w over eight equal weights.",
        ),
        _PREDICTIONS.wrong(
            "f",
            -math.log(8),
            "the sign",
            "An entropy is not negative.",
            "-Σ w log w over eight equal weights.",
        ),
        _PREDICTIONS.wrong(
            "f",
            math.log10(8),
            "another logarithm",
            "This is the entropy with logarithms to the base 10.",
            "Use the natural logarithm.",
        ),
        _PREDICTIONS.wrong(
            "g",
            512.0,
            "multiplied by the root",
            "The scale divides.",
            "64 divided by 8.",
        ),
        _PREDICTIONS.wrong(
            "g",
            1 / 8,
            "the mean of one square",
            "The product of a vector with itself is a sum of 64 squares, "
            "each with a mean of 1.",
            "Add 64 squares, then divide by the scale.",
        ),
        _PREDICTIONS.wrong(
            "a",
            64.0,
            "the variance",
            "This is the variance. The standard deviation is its root.",
            "Variances of independent terms add up; deviations do not.",
        ),
        _PREDICTIONS.wrong(
            "a",
            1.0,
            "as if it were scaled",
            "This is the spread of the scaled score. Here nothing is divided.",
            "A sum of 64 products, each with a variance of 1.",
        ),
        _PREDICTIONS.wrong(
            "b",
            1.0,
            "what the scale cannot see",
            "Dividing by √d removes the effect of the number of terms. It "
            "does not remove the size of the entries.",
            "What is the variance of one product, if one factor has a "
            "standard deviation of 3?",
        ),
        _PREDICTIONS.wrong(
            "b",
            9.0,
            "the variance",
            "This is the variance of the score.",
            "Take the root.",
        ),
        _PREDICTIONS.wrong(
            "b",
            48.0,
            "before the scale",
            "This is the spread of the dot product before it is divided.",
            "Divide by √256.",
        ),
        _PREDICTIONS.wrong(
            "c",
            1.0,
            "d in place of its root",
            "Dividing by √d gives 1. Here the division is by d.",
            "16 divided by 256.",
        ),
        _PREDICTIONS.wrong(
            "c",
            1 / 256,
            "next to nothing",
            "The spread is larger: 1/256 is the variance of the score.",
            "Take the root.",
        ),
        _PREDICTIONS.wrong(
            "c",
            16.0,
            "before the division",
            "This is the spread of the dot product, undivided.",
            "Divide by d.",
        ),
        _PREDICTIONS.wrong(
            "d",
            1 / (1 + math.exp(-1)),
            "with the scale",
            "This is the weight with the scale. Without it, scores are √d "
            "times as large.",
            "Scaled scores of 1 and 0 were divided by √16.",
        ),
        _PREDICTIONS.wrong(
            "d",
            1 / (1 + math.exp(-16)),
            "d for its root",
            "You multiplied the score by 16. The scale was √16.",
            "Undo a division by 4.",
        ),
        _PREDICTIONS.wrong(
            "d",
            4 / (4 + 1),
            "a share of the scores",
            "Weights are shares of the exponentials of the scores.",
            "exp(4) and exp(0).",
        ),
        _PREDICTIONS.wrong(
            "e",
            1 / (1 + math.exp(-1 / 16)),
            "divided twice",
            "You divided the scaled score by d once more. The bug divides by "
            "d instead of √d.",
            "Scaled by √16 it was 1, so the dot product is 4. Then divide.",
        ),
        _PREDICTIONS.wrong(
            "e",
            0.5,
            "already even",
            "The weights are nearly equal, but not quite: the score is 4/16.",
            "exp(0.25) is 1.28.",
        ),
        _PREDICTIONS.wrong(
            "f",
            0.0,
            "sharp in place of flat",
            "An entropy of 0 means one weight of 1. But if scores are "
            "divided by d, they go to 0, so the weights become equal.",
            "In question c the spread of the scores falls with d.",
        ),
        _PREDICTIONS.wrong(
            "f",
            3.0,
            "bits",
            "This is the entropy in bits. The book measures in nats.",
            "Use the natural logarithm.",
        ),
        _PREDICTIONS.wrong(
            "f",
            1 / 8,
            "a weight, not the entropy",
            "Each weight goes to 1/8. The question is the entropy.",
            "-Σ w log w over eight equal weights.",
        ),
        _PREDICTIONS.wrong(
            "g",
            0.0,
            "two different tokens",
            "That is the mean for two independent vectors. A vector is not "
            "independent of itself: no square is negative.",
            "Take the mean of x² 64 times, then divide by the scale.",
        ),
        _PREDICTIONS.wrong(
            "g",
            64.0,
            "before the scale",
            "This is the mean of x·x. The scale is still missing.",
            "Divide by √64.",
        ),
        _PREDICTIONS.wrong(
            "g",
            1.0,
            "divided by d",
            "You divided by d. The scale is √d.",
            "64 divided by 8.",
        ),
    ],
    right_answers=[_predict_by_formula, _PREDICTIONS.rounded],
    tolerance=5e-3,
    reveal=False,
    parts=[
        Part(
            "spread",
            "the spread of scores, a to c",
            1,
            tries=questions("abc"),
        ),
        Part(
            "weights",
            "weights without a scale and with the bug, d and e",
            1,
            tries=questions("de"),
        ),
        Part(
            "limits",
            "an entropy and a token with itself, f and g",
            1,
            tries=questions("fg"),
        ),
    ],
    # Nothing is drawn anew: each question has one right number.
)
