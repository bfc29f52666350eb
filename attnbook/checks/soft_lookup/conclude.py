"""Exercise 00.5: Measure what length does to a softmax."""

from __future__ import annotations

import numpy as np

from attnbook.checks.soft_lookup.temperature_search import (
    number_of_keys,
    temperature_by_bisection,
    temperature_by_grids,
)
from attnbook.judging.exercise import Case, Exercise
from attnbook.judging.predictions import Predictions
from attnbook.mechanisms.soft_lookup import entropy, softmax

_LENGTH_SCORES = np.random.default_rng(0).normal(size=4096)

_CONCLUSIONS = Predictions(
    {
        "share": float(np.exp(-0.5)),
        "double": float(np.log(2)),
        "sqrt": temperature_by_bisection(_LENGTH_SCORES, np.log(64)),
        "half": float(3 / np.log(2000)),
        "power": -1.0,
    }
)


def _conclude_by_measuring(question):
    """Right, from one measurement each, as a student would."""
    if question == "share":
        scores = np.random.default_rng(1).normal(size=65_536)
        return number_of_keys(softmax(scores)) / len(scores)
    if question == "double":
        random = np.random.default_rng(2)
        short, long = random.normal(size=2**15), random.normal(size=2**16)
        return entropy(softmax(long)) - entropy(softmax(short))
    if question == "sqrt":
        return temperature_by_grids(_LENGTH_SCORES, np.log(64))
    if question == "half":
        return _half_weight_temperature(2001)
    lengths = np.array([11, 101, 1001, 10_001])
    found = [_half_weight_temperature(S) for S in lengths]
    return np.polyfit(np.log(np.log(lengths)), np.log(found), 1)[0]


def _half_weight_temperature(S):
    low, high = 1e-3, 1e3
    scores = np.zeros(S)
    scores[0] = 3.0
    for _ in range(60):
        middle = np.sqrt(low * high)
        if softmax(scores, middle)[0] > 0.5:
            low = middle
        else:
            high = middle
    return middle


EXERCISE = Exercise(
    "00-conclude",
    "Measure what length does to a softmax",
    points=2,
    reference=_CONCLUSIONS.exactly,
    cases=[
        Case(
            f"question {q!r}",
            (q,),
            look=f"Hint {hint} lists the steps: write down each.",
        )
        for q, hint in {
            "share": 1,
            "double": 1,
            "sqrt": 2,
            "half": 3,
            "power": 3,
        }.items()
    ],
    mistakes=[
        _CONCLUSIONS.wrong(
            "share",
            float(1 - 0.5 / np.log(4096)),
            "a ratio of entropies",
            "This is entropy / ln S. The share asked for is a number of "
            "keys: exp(entropy) / S.",
            "Take the exponential before you divide.",
        ),
        _CONCLUSIONS.wrong(
            "share",
            1.0,
            "all keys",
            "Not all keys count alike: with unequal scores the effective "
            "number is below S, however long the list.",
            "Print np.exp(entropy(softmax(scores))) / S for a large S.",
        ),
        _CONCLUSIONS.wrong(
            "share",
            0.0,
            "a share that vanishes",
            "The share of the keys does not fall to 0: it is the weight of "
            "each that does.",
            "Print np.exp(entropy(softmax(scores))) / S for a large S.",
        ),
        _CONCLUSIONS.wrong(
            "double",
            1.0,
            "bits for nats",
            "Twice the keys are one bit more. In nats it is another number.",
            "entropy is in nats: a fair coin has ln 2 of them.",
        ),
        _CONCLUSIONS.wrong(
            "double",
            0.0,
            "a focus that keeps itself",
            "The entropy does not stay as it was: at a fixed temperature "
            "attention spreads as the list grows.",
            "Measure it at S = 32,768 and at S = 65,536.",
        ),
        _CONCLUSIONS.wrong(
            "double",
            2.0,
            "twice the entropy",
            "Entropy grows with the logarithm of the number of keys, so "
            "doubling the keys adds to it.",
            "The question is what is added: a difference, not a ratio.",
        ),
        _CONCLUSIONS.wrong(
            "sqrt",
            1 / _CONCLUSIONS.answers["sqrt"],
            "one over the temperature",
            "This is 1 / temperature. The list has to get colder, so the "
            "temperature is below 1.",
            "Your temperature_for_entropy, and which way it divides.",
        ),
        _CONCLUSIONS.wrong(
            "sqrt",
            temperature_by_bisection(_LENGTH_SCORES, np.log2(64)),
            "bits for nats",
            "It is as if the target were log2(64) = 6. An effective number "
            "of 64 keys is an entropy of ln 64 nats.",
            "The target that you passed.",
        ),
        _CONCLUSIONS.wrong(
            "half",
            1.5,
            "half the gap",
            "Temperature 1.5 halves the scores. The weight depends on the "
            "2,000 other keys too.",
            "Solve exp(3 / τ) = 2000: the match against the sum of the rest.",
        ),
        _CONCLUSIONS.wrong(
            "half",
            float(np.log(2000) / 3),
            "upside down",
            "This is 1 / temperature.",
            "Solve exp(3 / τ) = 2000 for τ once more.",
        ),
        _CONCLUSIONS.wrong(
            "half",
            float(3 / np.log10(2000)),
            "a logarithm to base 10",
            "This is 3 / log10(2000). The exponential's inverse is the "
            "natural logarithm.",
            "np.log, not np.log10.",
        ),
        _CONCLUSIONS.wrong(
            "power",
            0.0,
            "a constant temperature",
            "The temperature does not stay as it was: a longer list needs a "
            "lower one.",
            "Print it for S = 11, 101, 1,001 and 10,001.",
        ),
        _CONCLUSIONS.wrong(
            "power",
            -0.5,
            "the square root",
            "You may think of √d. Length enters otherwise: solve "
            "exp(3 / τ) = S - 1 for τ.",
            "Temperature times (ln(S - 1))^p must come out the same for "
            "every S.",
        ),
        _CONCLUSIONS.wrong(
            "power",
            1.0,
            "the wrong way",
            "The temperature falls as the list grows: the power is negative.",
            "Print it for S = 11, 101, 1,001 and 10,001.",
        ),
    ],
    right_answers=[_conclude_by_measuring, _CONCLUSIONS.rounded],
    tolerance=2e-2,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
)
