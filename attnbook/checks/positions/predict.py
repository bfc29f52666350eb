"""Exercise 05.1: Predict wavelengths, scores and biases."""

from __future__ import annotations

import math

import torch

from attnbook.checks.positions.seeded import normal_from
from attnbook.judging.exercise import Exercise, Part
from attnbook.judging.predictions import Predictions, questions

_PREDICTIONS = Predictions(
    {
        "a": 2 * math.pi * 100,
        "b": 0.8,
        "c": -0.75,
        "d": 1.3,
        "e": 9.0,
        "f": 32_768.0,
    }
)


def _turned(x, position):
    """Two features turned by an angle of 1 radian a position."""
    cos, sin = math.cos(position), math.sin(position)
    return torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.double) @ x


def _predict_by_running(question):
    """Right, by running what is asked instead of thinking."""
    if question == "a":
        rate = 10_000 ** -(2 * 2 / 8)
        return 2 * math.pi / rate
    if question == "b":
        query, key = normal_from(0, 2, 2).double().unbind(0)
        key = key * 0.8 / (_turned(query, 12) @ _turned(key, 9))
        return (_turned(query, 1012) @ _turned(key, 1009)).item()
    if question == "c":
        slopes = [2 ** -(8 * h / 8) for h in range(1, 9)]
        return -slopes[2] * (10 - 4)
    if question == "d":
        x = normal_from(1, 6, 4)
        order = torch.tensor([5, 1, 3, 0, 4, 2])
        scale = 1.3 / ((x @ x.T).softmax(-1) @ x)[2, 0]
        moved = x[order]
        return (scale * ((moved @ moved.T).softmax(-1) @ moved)[5, 0]).item()
    if question == "e":
        distance = torch.arange(20)[:, None] - torch.arange(20)
        return float(len(distance.clamp(-4, 4).unique()))
    return float(torch.nn.Embedding(512, 64).weight.numel())


EXERCISE = Exercise(
    "05-predict",
    "Predict wavelengths, scores and biases",
    points=3,
    reference=_PREDICTIONS.exactly,
    cases=_PREDICTIONS.cases(hints=(1, 2, 2, 3, 3, 3)),
    mistakes=[
        _PREDICTIONS.wrong(
            "a",
            2 * math.pi * 1000,
            "pairs counted from 1",
            "This is the fourth pair. The pairs are i = 0, 1, 2, 3, so the "
            "third has i = 2.",
            "Write down the exponent 2i/D of each pair.",
        ),
        _PREDICTIONS.wrong(
            "a",
            2 * math.pi * 10,
            "i in place of 2i",
            "This takes the exponent i/D. A pair has two features, so the "
            "exponent is 2i/D.",
            "With D = 8 the exponents are 0, 1/4, 1/2 and 3/4.",
        ),
        _PREDICTIONS.wrong(
            "a",
            100.0,
            "no full turn",
            "After 100 tokens the angle is 1 radian. A wave ends after a "
            "full turn.",
            "How many radians are a full turn?",
        ),
        _PREDICTIONS.wrong(
            "a",
            0.01,
            "the rate, not the wavelength",
            "This is the angle for each token. The question is how many "
            "tokens a full turn takes.",
            "tokens x radians per token = a full turn.",
        ),
        _PREDICTIONS.wrong(
            "a",
            math.pi * 100,
            "half a turn",
            "After π radians the sine is 0 again, but on its way down.",
            "How many radians are a full turn?",
        ),
        _PREDICTIONS.wrong(
            "a",
            2 * math.pi / 100,
            "multiplied by the rate",
            "The rate is radians per token. A slow pair, with a small rate, "
            "needs many tokens for a turn.",
            "tokens x radians per token = a full turn.",
        ),
        _PREDICTIONS.wrong(
            "b",
            0.0,
            "far away means nothing",
            "Both vectors have moved by the same number. They are still 3 "
            "apart.",
            "What does the rotated score depend on?",
        ),
        _PREDICTIONS.wrong(
            "b",
            3.0,
            "the distance, not the score",
            "This is how far the two stand apart. The question is the score.",
            "Which of the two has changed: the vectors, or their distance?",
        ),
        _PREDICTIONS.wrong(
            "c",
            -1 / 8,
            "the slope alone",
            "This is the slope of the third head. It is multiplied by the "
            "distance.",
            "How far apart are the query and the key?",
        ),
        _PREDICTIONS.wrong(
            "c",
            0.75,
            "a reward for distance",
            "The bias is subtracted: a key further back gets a lower score.",
            "The sign of the bias in the chapter's formula.",
        ),
        _PREDICTIONS.wrong(
            "c",
            -6 / 4,
            "heads counted from 0",
            "This is the slope 1/4, of the second head. The first head has "
            "1/2.",
            "Write down the slopes: 1/2, then 1/4, and so on.",
        ),
        _PREDICTIONS.wrong(
            "c",
            -6 / 16,
            "one head too far",
            "This is the slope 1/16, of the fourth head. The first head has "
            "1/2.",
            "Write down the slopes: 1/2, then 1/4, and so on.",
        ),
        _PREDICTIONS.wrong(
            "c",
            -6 / 3,
            "one over the number of the head",
            "The slopes of ALiBi are a geometric series: each is half the "
            "one before, not 1/2, 1/3, 1/4.",
            "2 to the power of -8h/H.",
        ),
        _PREDICTIONS.wrong(
            "c",
            -4 / 8,
            "the position of the key",
            "The slope multiplies the distance between query and key, not "
            "the key's position.",
            "The query stands at 10, the key at 4.",
        ),
        _PREDICTIONS.wrong(
            "d",
            0.0,
            "another place, another output",
            "Nothing tells the tokens where they stand. If you permute the "
            "input, you only permute the output.",
            "Which sum does the token compute before, which after?",
        ),
        _PREDICTIONS.wrong(
            "e",
            8.0,
            "distance 0 forgotten",
            "A token also attends to itself, at distance 0, which has a "
            "bias of its own.",
            "Count -4, -3, … , 4.",
        ),
        _PREDICTIONS.wrong(
            "e",
            5.0,
            "one side only",
            "The attention is not causal. Keys stand on both sides of the "
            "query, and the two sides have different biases.",
            "Count -4, -3, … , 4.",
        ),
        _PREDICTIONS.wrong(
            "e",
            4.0,
            "one side, and without 0",
            "This counts the distances 1 to 4. Keys stand on both sides of "
            "the query, and one key stands in the query's place.",
            "Count -4, -3, … , 4.",
        ),
        _PREDICTIONS.wrong(
            "e",
            39.0,
            "no clipping",
            "Distances beyond 4 share the bias of 4: that is what lets the "
            "table work for longer texts.",
            "Which numbers remain after clamp(-4, 4)?",
        ),
        _PREDICTIONS.wrong(
            "f",
            0.0,
            "sinusoids",
            "Sinusoids have none. The question is about a *learnt* table.",
            "One vector for each position.",
        ),
        _PREDICTIONS.wrong(
            "f",
            64.0,
            "one vector for all",
            "Each position has a vector of its own.",
            "How many positions has a text of 512 tokens?",
        ),
        _PREDICTIONS.wrong(
            "f",
            513 * 64.0,
            "one position too many",
            "Positions count from 0: 512 tokens stand at 0 to 511.",
            "How many positions has a text of 512 tokens?",
        ),
        _PREDICTIONS.wrong(
            "f",
            511 * 64.0,
            "one position too few",
            "Position 0 has a vector, too: 0 to 511 are 512 positions.",
            "How many positions has a text of 512 tokens?",
        ),
        _PREDICTIONS.wrong(
            "f",
            512.0,
            "one number a position",
            "Each position has a vector, as wide as the embedding it is added "
            "to.",
            "The shape of the table.",
        ),
        _PREDICTIONS.wrong(
            "a",
            2 * math.pi,
            "the first pair",
            "The first pair has the rate 1. The question is about the third.",
            "Write down the exponent 2i/D of each pair.",
        ),
        _PREDICTIONS.wrong(
            "a",
            2 * math.pi * 10_000,
            "the base for the rate",
            "The exponent is 1 here. With D = 8 no pair has the exponent 1.",
            "With D = 8 the exponents are 0, 1/4, 1/2 and 3/4.",
        ),
        _PREDICTIONS.wrong(
            "a",
            1000.0,
            "the fourth pair, and no full turn",
            "This is one over the rate of the fourth pair: after so many "
            "tokens its angle is 1 radian.",
            "The third pair has i = 2; a full turn is 2π.",
        ),
        _PREDICTIONS.wrong(
            "a",
            36_000.0,
            "degrees for radians",
            "You counted a full turn as 360. The rates are radians per token.",
            "How many radians are a full turn?",
        ),
        _PREDICTIONS.wrong(
            "b",
            0.8 * math.cos(1000),
            "the score turned too",
            "Both vectors have moved by 1000, so both have turned further by "
            "the same angle.",
            "What is left of two angles in the score?",
        ),
        _PREDICTIONS.wrong(
            "b",
            2.4,
            "the score times the distance",
            "The distance is in the score already, and has not changed.",
            "What does the rotated score depend on?",
        ),
        _PREDICTIONS.wrong(
            "c",
            -6 * 2 ** (-3 / 8),
            "the exponent divided by H alone",
            "This takes the slope 2 to the power of -h/H. The exponent is "
            "8 times that: -8h/H.",
            "With 8 heads the first slope is 1/2.",
        ),
        _PREDICTIONS.wrong(
            "c",
            -6 * 2 ** (-8 / 3),
            "the head below the line",
            "This takes the slope 2 to the power of -8/h. The exponent is "
            "-8h/H: the number of the head multiplies.",
            "With 8 heads the first slope is 1/2.",
        ),
        _PREDICTIONS.wrong(
            "c",
            -6.0,
            "the distance alone",
            "This is how far apart the two stand. It is multiplied by the "
            "slope of the head.",
            "The slope of head h of 8 is 2 to the power of -h.",
        ),
        _PREDICTIONS.wrong(
            "c",
            -10 / 8,
            "the position of the query",
            "The slope multiplies the distance between query and key, not "
            "the query's position.",
            "The query stands at 10, the key at 4.",
        ),
        _PREDICTIONS.wrong(
            "c",
            -7 / 8,
            "both ends counted",
            "From 4 to 10 it is 6 steps, not 7.",
            "10 - 4.",
        ),
        _PREDICTIONS.wrong(
            "c",
            -5 / 8,
            "neither end counted",
            "From 4 to 10 it is 6 steps, not 5.",
            "10 - 4.",
        ),
        _PREDICTIONS.wrong(
            "c",
            -6 * 3 / 8,
            "slopes in equal steps",
            "This is the slope 3/8. The slopes of ALiBi halve from head to "
            "head.",
            "2 to the power of -8h/H.",
        ),
        _PREDICTIONS.wrong(
            "c",
            -18.0,
            "number of the head taken as slope",
            "You multiplied by the number of the head.",
            "The slope of head h of 8 is 2 to the power of -h.",
        ),
        _PREDICTIONS.wrong(
            "c",
            -48.0,
            "a slope above 1",
            "You multiplied by 8 where the slope is 1/8.",
            "2 to the power of *minus* 8h/H.",
        ),
        _PREDICTIONS.wrong(
            "c",
            1 / 8,
            "the slope alone, with the wrong sign",
            "This is the slope. It is multiplied by the distance and "
            "subtracted.",
            "How far apart are the query and the key?",
        ),
        _PREDICTIONS.wrong(
            "d",
            1.3 / 6,
            "shared among the tokens",
            "The output is already a weighted mean, and its weights have "
            "moved along with the tokens.",
            "Which sum does the token compute before, which after?",
        ),
        _PREDICTIONS.wrong(
            "d",
            5.0,
            "the place, not the number",
            "This is where the token stands now. The question is its output.",
            "Which sum does the token compute before, which after?",
        ),
        _PREDICTIONS.wrong(
            "e",
            11.0,
            "a separate bias for far keys",
            "You gave the distances beyond 4, and those beyond -4, one more "
            "number each. But they use the numbers of 4 and -4.",
            "Which numbers remain after clamp(-4, 4)?",
        ),
        _PREDICTIONS.wrong(
            "e",
            10.0,
            "distance 0 twice",
            "5 on each side counts distance 0 twice.",
            "Count -4, -3, … , 4.",
        ),
        _PREDICTIONS.wrong(
            "e",
            7.0,
            "one too few on each side",
            "4 and -4 have biases of their own: the distances *beyond* share "
            "them.",
            "Count -4, -3, … , 4.",
        ),
        _PREDICTIONS.wrong(
            "e",
            6.0,
            "one side, and one for what is far",
            "You counted 0 to 4 and one more. What is beyond 4 takes the "
            "bias of 4, and keys stand on both sides.",
            "Count -4, -3, … , 4.",
        ),
        _PREDICTIONS.wrong(
            "f",
            2 * 512 * 64,
            "sine and cosine of each",
            "A learnt vector has 64 numbers. They are not pairs of sine and "
            "cosine.",
            "The shape of the table.",
        ),
        _PREDICTIONS.wrong(
            "f",
            512 * 32,
            "one number a pair",
            "Only sinusoids have pairs. A learnt vector has 64 numbers of "
            "its own.",
            "The shape of the table.",
        ),
        _PREDICTIONS.wrong(
            "f",
            512 * 512,
            "a number for each pair of positions",
            "The table has one vector for each position, not a number for "
            "each pair of positions.",
            "The shape of the table.",
        ),
        _PREDICTIONS.wrong(
            "f",
            512 + 64,
            "added, not multiplied",
            "Each of the 512 positions has 64 numbers.",
            "The shape of the table.",
        ),
    ],
    right_answers=[_predict_by_running, _PREDICTIONS.rounded],
    tolerance=6e-4,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
    parts=[
        Part(
            "angles",
            "sinusoids and rotary positions (a, b)",
            1,
            tries=questions("ab"),
        ),
        Part(
            "biases",
            "ALiBi and attention without positions (c, d)",
            1,
            tries=questions("cd"),
        ),
        Part(
            "learnt",
            "what is learnt (e, f)",
            1,
            tries=questions("ef"),
        ),
    ],
)
