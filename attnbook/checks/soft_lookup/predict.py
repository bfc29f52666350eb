"""Exercise 00.1: Predict the weights."""

from __future__ import annotations

import numpy as np

from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.predictions import Predictions
from attnbook.mechanisms.soft_lookup import masked_softmax, softmax

_PREDICTIONS = Predictions(
    {
        "a": 25 / 30,
        "b": 5 / 8,
        "c": 5 / 6,
        "d": 5 / 13,
        "e": 1 / (1 + 1 / 2 + 1 / 5),
        "f": 70 / 3,
    }
)


def _predict_by_softmax(question):
    """Right, by computing instead of by thinking."""
    scores = np.log([1.0, 2.0, 5.0])
    mask = np.array([True, False, True])
    answers = {
        "a": softmax(scores, 0.5)[2],
        "b": softmax(scores + 3)[2],
        "c": masked_softmax(scores, mask)[2],
        "d": softmax(np.append(scores, np.log(5.0)))[2],
        "e": softmax(-scores)[0],
        "f": softmax(scores, 1e9) @ np.array([10.0, 20.0, 40.0]),
    }
    return answers[question]


EXERCISE = Exercise(
    "00-predict",
    "Predict the weights",
    points=3,
    reference=_PREDICTIONS.exactly,
    cases=[
        Case(
            f"question {q}",
            (q,),
            look="Hints 1 and 2 list the steps: write down each.",
        )
        for q in _PREDICTIONS.answers
    ],
    mistakes=[
        _PREDICTIONS.wrong(
            "a",
            2**0.5 * (5 / 2) ** 0.5 / (1 + 2**0.5 + 5**0.5),
            "the temperature multiplies",
            "This is the weight at temperature 2: you multiplied the scores "
            "by 1/2.",
            "The scores are divided by the temperature. Dividing by 1/2 "
            "squares each exponential.",
        ),
        _PREDICTIONS.wrong(
            "a",
            5 / 8,
            "the temperature changes nothing",
            "This is the weight at temperature 1. A lower temperature moves "
            "weight to the best key.",
            "Divide the scores by 1/2 and take the exponentials again: "
            "1, 4 and 25.",
        ),
        _PREDICTIONS.wrong(
            "a",
            1.0,
            "half the temperature, twice the weight",
            "Half the temperature does not double the weight: the weights "
            "still sum to 1, and no key gets nothing.",
            "Half the temperature squares the exponentials: 1, 4 and 25.",
        ),
        _PREDICTIONS.wrong(
            "b",
            (5 + 3) / (8 + 9),
            "the constant is added to the exponentials",
            "You added 3 to each exponential. It is added to the scores, "
            "before the exponential.",
            "exp(score + 3) = exp(3) exp(score): what does the division by "
            "the sum do to exp(3)?",
        ),
        _PREDICTIONS.wrong(
            "c",
            5 / 8,
            "the masked key keeps its share",
            "The masked key's weight is taken away, but what it had is not "
            "given to the others: these weights sum to 6/8.",
            "A mask acts before the softmax: its score becomes -inf, and "
            "the others are divided by what is left.",
        ),
        _PREDICTIONS.wrong(
            "c",
            5 / 7,
            "a masked score of 0",
            "A score of 0 is not a mask: exp(0) = 1, so the masked key still "
            "weighs.",
            "Which score has an exponential of 0?",
        ),
        _PREDICTIONS.wrong(
            "d",
            5 / 16,
            "the copies share one weight",
            "The two copies do not share the old weight: each has its own "
            "exponential in the sum.",
            "Write the sum out: 1 + 2 + 5 + 5.",
        ),
        _PREDICTIONS.wrong(
            "d",
            5 / 8,
            "a copy changes nothing",
            "A copy of a key changes all the weights. In a dictionary it "
            "would replace the first; in a soft look-up both count.",
            "Write the sum out: 1 + 2 + 5 + 5.",
        ),
        _PREDICTIONS.wrong(
            "e",
            5 / 8,
            "turning the query reverses the weights",
            "The weights are not handed out in reverse: the first book does "
            "not get what the third had.",
            "Take the exponentials of -ln 1, -ln 2 and -ln 5, and divide by "
            "their sum.",
        ),
        _PREDICTIONS.wrong(
            "e",
            -1 / 8,
            "a negative weight",
            "A weight is never negative. The query's sign changes the "
            "scores, and the exponential of a negative score is positive.",
            "Take the exponentials of -ln 1, -ln 2 and -ln 5, and divide by "
            "their sum.",
        ),
        _PREDICTIONS.wrong(
            "f",
            40.0,
            "hot taken for cold",
            "This is the value of the best book: what a temperature near 0 "
            "gives.",
            "Divided by a huge temperature, all scores are nearly 0. Which "
            "weights do equal scores get?",
        ),
        _PREDICTIONS.wrong(
            "f",
            0.0,
            "no weight on anything",
            "The weights do not fade away with the temperature: they always "
            "sum to 1.",
            "Divided by a huge temperature, all scores are nearly 0. Which "
            "weights do equal scores get?",
        ),
    ],
    right_answers=[_predict_by_softmax, _PREDICTIONS.rounded],
    tolerance=1e-2,  # two digits are enough, rounded or cut off
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
    parts=[
        Part(
            "temperature",
            "the temperature (a and f)",
            1,
            tries=("question a", "question f"),
        ),
        Part(
            "scores",
            "scores that change (b and e)",
            1,
            tries=("question b", "question e"),
        ),
        Part(
            "shelf",
            "a key that goes and a key that comes (c and d)",
            1,
            tries=("question c", "question d"),
        ),
    ],
)
