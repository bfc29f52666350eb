"""Exercise 00.1: Predict the weights."""

from __future__ import annotations

import numpy as np

from attnbook.judging.exercise import Case, Exercise, Mistake, Part
from attnbook.judging.predictions import Predictions, questions
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

_TOO_FEW_DIGITS = {"a": 0.8, "b": 0.6, "c": 0.8, "d": 0.4, "e": 0.6, "f": 23.0}


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


def _is_no_weight(case, number):
    asks_for_a_weight = case.arguments != ("f",)
    return asks_for_a_weight and (number < 0 or number > 1)


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
            "a",
            (5 / 8) / (1 / 2),
            "the weight is divided",
            "You divided the weight by 1/2, but no weight is above 1. The "
            "scores are divided.",
            "Half the temperature squares the exponentials: 1, 4 and 25.",
        ),
        _PREDICTIONS.wrong(
            "a",
            (5 / 8) / 2,
            "half the weight",
            "You halved the weight. The scores are divided by 1/2, and not "
            "the weights.",
            "Half the temperature squares the exponentials: 1, 4 and 25.",
        ),
        _PREDICTIONS.wrong(
            "a",
            25 / (1 + 2 + 25),
            "one score of three",
            "You divided only the third score by the temperature. All three "
            "scores are divided.",
            "Half the temperature squares the exponentials: 1, 4 and 25.",
        ),
        _PREDICTIONS.wrong(
            "a",
            float(np.log(5) / np.log(10)),
            "no exponential",
            "You divided the score by the sum of the scores. Take the "
            "exponential of each score first.",
            "Half the temperature squares the exponentials: 1, 4 and 25.",
        ),
        _PREDICTIONS.wrong(
            "a",
            (5 / 8) ** 2,
            "a squared weight",
            "You squared the weight, 5/8. The exponentials are squared, and "
            "the sum to divide by is that of the squares.",
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
            "b",
            float(5 * np.e**3 / (3 + 5 * np.e**3)),
            "one score of three",
            "You raised only the third score. All three scores rise.",
            "exp(score + 3) = exp(3) exp(score): what does the division by "
            "the sum do to exp(3)?",
        ),
        _PREDICTIONS.wrong(
            "b",
            float((np.log(5) + 3) / (np.log(10) + 9)),
            "no exponential",
            "You divided the score by the sum of the scores. Take the "
            "exponential of each score first.",
            "Write down exp(ln 5 + 3), and so on for the others.",
        ),
        _PREDICTIONS.wrong(
            "c",
            5 / 8,
            "the masked key keeps its share",
            "The masked key's weight is taken away, but not given to the "
            "other keys: these weights sum to 6/8.",
            "A mask acts before the softmax: the masked score becomes -inf, "
            "and the others are divided by the sum that is left.",
        ),
        _PREDICTIONS.wrong(
            "c",
            5 / 7,
            "a masked score of 0",
            "A score of 0 is not a mask: exp(0) = 1, so the masked key still "
            "gets weight.",
            "Which score has an exponential of 0?",
        ),
        _PREDICTIONS.wrong(
            "c",
            7 / 8,
            "all to one",
            "You gave the third book all of the masked book's weight. Both "
            "remaining books get a part of it.",
            "Write down the sum of the remaining exponentials: 1 + 5.",
        ),
        _PREDICTIONS.wrong(
            "c",
            3 / 4,
            "equal parts",
            "You shared the masked book's weight in equal parts. Softmax "
            "shares it in proportion to the exponentials.",
            "Write down the sum of the remaining exponentials: 1 + 5.",
        ),
        _PREDICTIONS.wrong(
            "c",
            1 / 6,
            "another book",
            "This is the first book's weight. The question asks for the "
            "third's.",
            "Read question c once more.",
        ),
        _PREDICTIONS.wrong(
            "d",
            1 / 13,
            "another book",
            "This is the first book's weight. The question asks for one of "
            "the two copies.",
            "Read question d once more.",
        ),
        _PREDICTIONS.wrong(
            "d",
            5 / 16,
            "the copies share one weight",
            "The two copies do not share the old weight: each has its own "
            "exponential in the sum.",
            "Write down the sum: 1 + 2 + 5 + 5.",
        ),
        _PREDICTIONS.wrong(
            "d",
            5 / 8,
            "a copy changes nothing",
            "A copy of a key changes all the weights. In a dictionary it "
            "would replace the first; in a soft look-up both count.",
            "Write down the sum: 1 + 2 + 5 + 5.",
        ),
        _PREDICTIONS.wrong(
            "d",
            10 / 13,
            "both copies",
            "This is the weight of the two copies together. The question "
            "asks for one of them.",
            "Read question d once more.",
        ),
        _PREDICTIONS.wrong(
            "e",
            5 / 8,
            "turning the query reverses the weights",
            "The weights are not reversed: the first book does not get the "
            "weight that the third one had.",
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
            "e",
            1 / 8,
            "the sign changes nothing",
            "This is the first book's weight before. With -q each score "
            "changes its sign.",
            "The first score is still ln 1 = 0. What is the sum now?",
        ),
        _PREDICTIONS.wrong(
            "e",
            2 / 17,
            "another book",
            "This is the third book's weight. The question asks for the "
            "first's.",
            "Read question e once more.",
        ),
        _PREDICTIONS.wrong(
            "e",
            5 / 17,
            "the second book",
            "This is the second book's weight. The question asks for the "
            "first's.",
            "Read question e once more.",
        ),
        _PREDICTIONS.wrong(
            "e",
            0.0,
            "a score of 0 taken for no weight",
            "The first score is ln 1 = 0, with either sign. Its exponential "
            "is 1, not 0.",
            "Take the exponentials of -ln 1, -ln 2 and -ln 5, and divide by "
            "their sum.",
        ),
        _PREDICTIONS.wrong(
            "f",
            70 / 8,
            "divided by 8",
            "8 is the sum of the exponentials at temperature 1. At a billion "
            "they are all nearly 1.",
            "Three equal weights sum to 1: what is each?",
        ),
        _PREDICTIONS.wrong(
            "f",
            40.0,
            "hot taken for cold",
            "This is the value of the best book. A temperature near 0 gives "
            "this.",
            "Divided by a huge temperature, all scores are nearly 0. Which "
            "weights do equal scores get?",
        ),
        _PREDICTIONS.wrong(
            "f",
            0.0,
            "no weight on anything",
            "The weights do not become 0 at a high temperature: they always "
            "sum to 1.",
            "Divided by a huge temperature, all scores are nearly 0. Which "
            "weights do equal scores get?",
        ),
        _PREDICTIONS.wrong(
            "f",
            1 / 3,
            "a weight, not the output",
            "This is a weight. The output is the sum of weights times values.",
            "Multiply each value by its weight.",
        ),
        _PREDICTIONS.wrong(
            "f",
            31.25,
            "the temperature changes nothing",
            "This is the output at temperature 1. A high temperature makes "
            "the weights alike.",
            "Divided by a huge temperature, all scores are nearly 0. Which "
            "weights do equal scores get?",
        ),
        _PREDICTIONS.wrong(
            "f",
            70.0,
            "a sum without weights",
            "You added the values. Multiply each value by its weight first.",
            "Three equal weights sum to 1: what is each?",
        ),
        *(
            _PREDICTIONS.wrong(
                question,
                number,
                "too few digits",
                "This is near, but it is not right to two digits after the "
                "point.",
                "Compute it again, or return a fraction such as 5 / 8.",
            )
            for question, number in _TOO_FEW_DIGITS.items()
        ),
        Mistake(
            "a weight above 1 or below 0",
            "A weight is a part of 1, never less than 0. As a percentage, "
            "divide it by 100.",
            lambda question: 100 * _PREDICTIONS.answers[question],
            "Each exponential is divided by the sum of all.",
            shows=_is_no_weight,
        ),
    ],
    right_answers=[_predict_by_softmax, _PREDICTIONS.rounded],
    tolerance=6e-3,  # two digits are enough, rounded or cut off
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
    parts=[
        Part(
            "temperature",
            "the temperature (a and f)",
            1,
            tries=questions("af"),
        ),
        Part(
            "scores",
            "scores that change (b and e)",
            1,
            tries=questions("be"),
        ),
        Part(
            "shelf",
            "a masked key and an added key (c and d)",
            1,
            tries=questions("cd"),
        ),
    ],
)
