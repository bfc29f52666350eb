"""Exercise 00.5: Measure what length does to a softmax."""

from __future__ import annotations

from functools import partial

import numpy as np

from attnbook.checks.soft_lookup.temperature_search import (
    number_of_keys,
    temperature_by_bisection,
    temperature_by_grids,
)
from attnbook.judging.exercise import Case, Exercise, Mistake
from attnbook.judging.predictions import Predictions
from attnbook.mechanisms.soft_lookup import entropy, softmax

_LENGTH_SCORES = np.random.default_rng(0).normal(size=4096)

_SHORT_TO_LONG = np.array([11, 101, 1001, 10_001])

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
    return _fitted_power(_SHORT_TO_LONG, _SHORT_TO_LONG - 1)


def _fitted_power(lengths, counts):
    """The power of ln(counts) that the temperature follows, by a fit."""
    found = [_half_weight_temperature(S) for S in lengths]
    return np.polyfit(np.log(np.log(counts)), np.log(found), 1)[0]


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


def _as_numbers_of_keys(question, question_asked):
    """Keys are counted where a share, or an entropy, is asked for."""
    if question != question_asked:
        return _CONCLUSIONS.exactly(question)
    if question == "share":
        return number_of_keys(softmax(_LENGTH_SCORES))
    return temperature_by_bisection(_LENGTH_SCORES, 64)


def _as_a_ratio(question, question_asked):
    if question != question_asked:
        return _CONCLUSIONS.exactly(question)
    short = entropy(softmax(_LENGTH_SCORES[:2048]))
    return entropy(softmax(_LENGTH_SCORES)) / short


def _as_percentage(question, question_asked):
    right = _CONCLUSIONS.exactly(question)
    return 100 * right if question == question_asked else right


EXERCISE = Exercise(
    "00-conclude",
    "Measure what length does to a softmax",
    points=2,
    reference=_CONCLUSIONS.exactly,
    cases=[
        Case(
            f"question {q!r}",
            (q,),
            look=f"Hint {hint} lists the steps: write down each."
            + " Is your temperature_for_entropy right?" * (q == "sqrt"),
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
            "Not all keys count the same: with unequal scores the effective "
            "number is below S, for a list of any length.",
            "Print np.exp(entropy(softmax(scores))) / S for a large S.",
        ),
        _CONCLUSIONS.wrong(
            "share",
            0.0,
            "a share that vanishes",
            "The share of the keys does not fall to 0. The weight of each key "
            "does.",
            "Print np.exp(entropy(softmax(scores))) / S for a large S.",
        ),
        _CONCLUSIONS.wrong(
            "share",
            0.5,
            "nats taken for a share",
            "The entropy lies half a nat below ln S. For the number of keys "
            "this is a factor, exp(-1/2).",
            "exp(ln S - 1/2) / S.",
        ),
        _CONCLUSIONS.wrong(
            "share",
            number_of_keys(softmax(_LENGTH_SCORES[:64])) / 64,
            "a short list",
            "This is near the share of a short list, of 64 scores.",
            "The question is about large S: 4,096 or 65,536.",
        ),
        _CONCLUSIONS.wrong(
            "double",
            1.0,
            "bits for nats",
            "Twice as many keys add one bit. In nats this is another number.",
            "entropy is in nats: a fair coin has ln 2 of them.",
        ),
        _CONCLUSIONS.wrong(
            "double",
            0.0,
            "a focus that keeps itself",
            "The entropy does not stay the same: at a fixed temperature "
            "attention spreads when the list grows.",
            "Measure it at S = 32,768 and at S = 65,536.",
        ),
        _CONCLUSIONS.wrong(
            "double",
            2.0,
            "twice the entropy",
            "Entropy grows with the logarithm of the number of keys, so "
            "doubling the keys adds to it.",
            "The question asks what is added: a difference, not a ratio.",
        ),
        _CONCLUSIONS.wrong(
            "sqrt",
            1 / _CONCLUSIONS.answers["sqrt"],
            "one over the temperature",
            "This is 1 / temperature. The list has to get colder, so the "
            "temperature is below 1.",
            "Your temperature_for_entropy: does it divide the scores by the "
            "temperature?",
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
            "sqrt",
            temperature_by_bisection(
                _LENGTH_SCORES, entropy(softmax(_LENGTH_SCORES)) / 2
            ),
            "half of the entropy",
            "This halves the entropy that the list has at temperature 1. An "
            "effective number of 64 keys is an entropy of ln 64.",
            "The target that you passed.",
        ),
        _CONCLUSIONS.wrong(
            "sqrt",
            temperature_by_bisection(_LENGTH_SCORES, np.sqrt(np.log(4096))),
            "the root of an entropy",
            "It is as if the target were the root of ln 4096. Take the root "
            "of the number of keys: √4096 = 64.",
            "64 keys are an entropy of ln 64.",
        ),
        _CONCLUSIONS.wrong(
            "sqrt",
            temperature_by_bisection(_LENGTH_SCORES, np.sqrt(64)),
            "the root of 64",
            "It is as if the target were 8. But 64 is already the root of "
            "4,096, and as an entropy it is ln 64.",
            "The target that you passed.",
        ),
        _CONCLUSIONS.wrong(
            "sqrt",
            64 / 4096,
            "a share of the keys",
            "This is 64 / 4,096, the share of the keys. The question asks "
            "for the temperature that leaves it.",
            "Your temperature_for_entropy, with ln 64 as its target.",
        ),
        _CONCLUSIONS.wrong(
            "half",
            float(3 / np.log(1000)),
            "half of the keys",
            "This is 3 / ln(1000): a match against half of the others. For "
            "weight 1/2 its exponential equals the sum of all 2,000.",
            "Solve exp(3 / τ) = 2000 for τ.",
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
            "The temperature does not stay the same: a longer list needs a "
            "lower one.",
            "Print it for S = 11, 101, 1,001 and 10,001.",
        ),
        _CONCLUSIONS.wrong(
            "power",
            -0.5,
            "the square root",
            "You may think of √d. The length of the list has another effect: "
            "solve exp(3 / τ) = S - 1 for τ.",
            "Temperature divided by (ln(S - 1))^p must be the same number for "
            "every S.",
        ),
        _CONCLUSIONS.wrong(
            "power",
            0.5,
            "a root",
            "You may think of √d. And the temperature falls as the list "
            "grows: the power is negative.",
            "Solve exp(3 / τ) = S - 1 for τ.",
        ),
        _CONCLUSIONS.wrong(
            "power",
            1.0,
            "the wrong way",
            "The temperature falls as the list grows: the power is negative.",
            "Print it for S = 11, 101, 1,001 and 10,001.",
        ),
        _CONCLUSIONS.wrong(
            "double",
            float(4 * np.log(2)),
            "four doublings",
            "Between 4,096 and 65,536 keys lie four doublings. The question "
            "asks for one.",
            "The entropy at 65,536 minus the entropy at 32,768.",
        ),
        _CONCLUSIONS.wrong(
            "half",
            3 / 2000,
            "no logarithm",
            "This is 3 / 2000. The exponential exp(3 / τ) must equal 2,000, "
            "not 3 / τ.",
            "Take the logarithm of both sides of exp(3 / τ) = 2000.",
        ),
        _CONCLUSIONS.wrong(
            "half",
            float(3 / np.log2(2000)),
            "a logarithm to base 2",
            "This is 3 / log2(2000). The exponential's inverse is the "
            "natural logarithm.",
            "np.log, not np.log2.",
        ),
        _CONCLUSIONS.wrong(
            "half",
            float(3 / np.log(2)),
            "no other keys",
            "This gives a weight of 1/2 against one key with the score 0. "
            "There are 2,000 such keys.",
            "The exponential of the match must equal the sum of all others.",
        ),
        _CONCLUSIONS.wrong(
            "power",
            3.0,
            "a factor for a power",
            "3 is the factor in front. The question asks for the power of "
            "the logarithm.",
            "Solve exp(3 / τ) = S - 1 for τ: is ln(S - 1) in the numerator "
            "or in the denominator?",
        ),
        _CONCLUSIONS.wrong(
            "power",
            -2.0,
            "twice the power",
            "You divided by ln(S - 1) once too often.",
            "Solve exp(3 / τ) = S - 1 for τ.",
        ),
        _CONCLUSIONS.wrong(
            "power",
            float(_fitted_power(_SHORT_TO_LONG, _SHORT_TO_LONG)),
            "fitted to ln S",
            "This is near: it is as if you had fitted the temperature to a "
            "power of ln S. The question is about ln(S - 1).",
            "Use np.log(np.log(S - 1)) as the x axis, or solve exp(3 / τ) = "
            "S - 1 for τ.",
        ),
        Mistake(
            "double: a ratio",
            "This is one entropy divided by the other. The question asks by "
            "how many nats it rises.",
            partial(_as_a_ratio, question_asked="double"),
            "The entropy at 65,536 minus the entropy at 32,768.",
            shows=lambda case, number: (
                case.arguments == ("double",) and 1.05 < number < 1.25
            ),
        ),
        Mistake(
            "share: a percentage",
            "This is a percentage. The share is a number between 0 and 1.",
            partial(_as_percentage, question_asked="share"),
            "Divide it by 100.",
            shows=lambda case, number: (
                case.arguments == ("share",) and 50 < number < 70
            ),
        ),
        Mistake(
            "share: a number of keys",
            "This is the effective number of keys, not yet its share of S.",
            partial(_as_numbers_of_keys, question_asked="share"),
            "Divide exp(entropy) by S.",
            shows=lambda case, number: (
                case.arguments == ("share",) and number > 1.5
            ),
        ),
        Mistake(
            "sqrt: the end of a range",
            "No temperature as high as this leaves 64 keys. A search gives it "
            "for a target above the largest entropy, ln 4096.",
            partial(_as_numbers_of_keys, question_asked="sqrt"),
            "64 is a number of keys. As an entropy it is np.log(64).",
            shows=lambda case, number: (
                case.arguments == ("sqrt",) and number > 100
            ),
        ),
    ],
    right_answers=[_conclude_by_measuring, _CONCLUSIONS.rounded],
    tolerance=1e-2,  # two digits, and a measured share may be off a little
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
)
