"""Exercise 00.4: Find the temperature for a given focus."""

from __future__ import annotations

from functools import partial

import numpy as np

from attnbook.checks.soft_lookup.temperature_search import (
    number_of_keys,
    temperature_by_bisection,
    temperature_by_grids,
)
from attnbook.judging.exercise import (
    Case,
    Exercise,
    Mistake,
    Part,
    Property,
)
from attnbook.judging.fresh_cases import anew
from attnbook.mechanisms.soft_lookup import entropy, softmax


def _bits(weights):
    return entropy(weights) / np.log(2)


def _share_of_the_most(weights):
    return entropy(weights) / np.log(len(weights))


def _temperature(scores, target, measure=entropy, steps=200, upward=True):
    """Wrong in what it measures, how long it searches, or which way."""
    spread = np.ptp(scores)
    low, high = spread / 1e6, spread * 1e6
    for _ in range(steps):
        middle = np.sqrt(low * high)
        if (measure(softmax(scores, middle)) < target) == upward:
            low = middle
        else:
            high = middle
    return float(middle)


def _one_over(scores, target):
    return 1 / temperature_by_bisection(scores, target)


def _in_another_unit(scores, target, size):
    return temperature_by_bisection(scores / size(scores), target)


def _in_few_even_steps(scores, target, steps, high=None):
    """Halved at the arithmetic middle, too seldom."""
    high = np.ptp(scores) * 1e6 if high is None else high
    return _fixed_range(scores, target, high / 1e12, high, steps)


def _fixed_range(scores, target, low, high, steps=60):
    for _ in range(steps):
        middle = (low + high) / 2
        if entropy(softmax(scores, middle)) < target:
            low = middle
        else:
            high = middle
    return middle


def _bare_softmax(scores, temperature):
    powers = np.exp(scores / temperature)
    return powers / powers.sum()


def _bare_entropy(weights):
    return -(weights * np.log(weights)).sum()


def _meets_nan(
    scores, target, reach=1e4, weigh=_bare_softmax, measure=_bare_entropy
):
    return _range_of(
        np.ptp(scores), scores, target, 1 / reach, reach, weigh, measure
    )


def _stops_when_close(scores, target, close):
    low, high = np.ptp(scores) / 1e6, np.ptp(scores) * 1e6
    for _ in range(200):
        middle = np.sqrt(low * high)
        found = entropy(softmax(scores, middle))
        if abs(found - target) < close:
            break
        low, high = (middle, high) if found < target else (low, middle)
    return middle


def _range_of_the_spread(scores, target, low, high):
    """A range that is too narrow for nearly equal scores or weights."""
    return _range_of(np.ptp(scores), scores, target, low, high)


def _range_of_the_largest(scores, target, size=float):
    return _range_of(size(scores.max()), scores, target, 1e-6, 1e6)


def _range_of(size, scores, target, low, high, weigh=softmax, measure=entropy):
    """A search by halves from ``low`` to ``high`` times a size."""
    low, high = low * size, high * size
    for _ in range(100):
        with np.errstate(all="ignore"):
            middle = np.sqrt(low * high)
            found = measure(weigh(scores, middle))
        if found < target:
            low = middle
        else:
            high = middle
    return middle


def _range_from_zero(scores, target):
    return _range_of(np.ptp(scores), scores, target, 0, 1e6)


def _rounded(scores, target, places):
    return round(temperature_by_bisection(scores, target), places)


def _gives_the_entropy(scores, target):
    found = temperature_by_bisection(scores, target)
    return float(entropy(softmax(scores, found)))


def _plus_log(scores, target):
    """The sign of the entropy forgotten: always below the target."""
    return _temperature(scores, target, measure=lambda w: -entropy(w))


def _temperature_by_newton(scores, target):
    """Newton on log T, kept inside a bracket by halving."""
    scores = np.asarray(scores, dtype=float)
    low = np.log(np.ptp(scores)) - 16
    high = np.log(np.ptp(scores)) + 16
    place = (low + high) / 2
    for _ in range(200):
        weights = softmax(scores / np.exp(place))
        gap = entropy(weights) - target
        low, high = (place, high) if gap < 0 else (low, place)
        scaled = scores / np.exp(place)
        variance = weights @ scaled**2 - (weights @ scaled) ** 2
        step = gap / variance if variance > 1e-12 else np.inf
        stepped = place - step
        place = stepped if low < stepped < high else (low + high) / 2
    return np.exp(place)


def _follows_the_unit_of_the_scores(answer):
    scores = np.random.default_rng(22).normal(size=40)
    once = answer(scores, 2.5)
    return bool(np.isclose(answer(7 * scores + 3, 2.5), 7 * once, rtol=1e-4))


def _is_right_in_a_small_unit(answer):
    scores = 1e-3 * np.random.default_rng(23).normal(size=30)
    return _has_six_digits(answer, scores, 2.0)


def _is_right_far_below_the_spread(answer):
    return _has_six_digits(answer, np.array([1e-3, 1e-3 - 4e-7, 0.0]), 0.5)


def _has_six_digits(answer, scores, target):
    """The tolerance of cases is no help with temperatures near 0."""
    found, right = answer(scores, target), _right(scores, target)
    return bool(np.isclose(float(found), right, rtol=1e-5, atol=0))


def _right(scores, target):
    return temperature_by_bisection(scores, target)


def _is_nearly_right(case, found):
    off = abs(float(found) / _right(*case.arguments) - 1)
    return bool(0 < off < 0.02)


def _is_an_end_of_a_range(case, found):
    """Whether a softmax as hot or as cold as this has lost all focus."""
    if case.name != "the worked example" or not found > 0:
        return False
    scores, _ = case.arguments
    share = entropy(softmax(scores, float(found))) / np.log(len(scores))
    return bool(share < 0.02 or share > 0.98)


def _temperature_case(name, S, share, scale, seed):
    """A share of the most entropy there is, which is ln S."""
    scores = scale * np.random.default_rng(seed).normal(size=S)
    return Case(name, (scores, float(share * np.log(S))))


def _nearly_uniform():
    """Far above the spread, where the entropy is close to ln 3."""
    scores = np.array([0.0, 400.0, 1000.0])
    target = float(entropy(softmax(scores, 2e6)))
    return Case("scores up to 1,000, weights nearly alike", (scores, target))


EXERCISE = Exercise(
    "00-temperature-for-entropy",
    "Find the temperature for a given focus",
    points=3,
    reference=temperature_by_bisection,
    cases=[
        Case(
            "the worked example",
            (np.log([1.0, 3.0]), float(2 * np.log(2) - 0.75 * np.log(3))),
        ),
        Case("five keys", (np.array([0.5, -1.0, 2.0, 0.0, 1.2]), 1.1)),
        Case("two keys tie", (np.array([2.0, 2.0, 0.0, -1.0]), 0.9)),
        Case("close to uniform", (np.array([0.0, 1.0, 2.0]), 1.098)),
        Case("scores close together", (np.array([0.1, 0.1003, 0.1007]), 0.5)),
        Case("large scores", (np.array([-900.0, 100.0, 700.0, 730.0]), 1.2)),
        Case(
            "64 keys",
            (np.random.default_rng(21).normal(size=64), float(np.log(8))),
        ),
        _nearly_uniform(),
        Case("the largest score is 0", (np.array([-2.0, -0.4, 0.0]), 0.9)),
    ],
    mistakes=[
        Mistake(
            "one over the temperature",
            "This is 1 / temperature: your search multiplies the scores, but "
            "it should divide them.",
            _one_over,
            "softmax(scores / temperature): a high temperature is a flat "
            "softmax.",
        ),
        Mistake(
            "a temperature in another unit",
            "It is as if you divided the scores by their spread before the "
            "search: the temperature is then a part of the spread.",
            partial(_in_another_unit, size=np.ptp),
            "Multiply the temperature by what the scores were divided by, "
            "or leave the scores as they are.",
            also=(partial(_in_another_unit, size=np.std),),
        ),
        Mistake(
            "bits for nats",
            "It is as if your entropy were in bits. The target is in nats.",
            partial(_temperature, measure=_bits),
            "Which logarithm do you use? np.log2 counts bits, np.log nats.",
        ),
        Mistake(
            "a share for an entropy",
            "It is as if your entropy were divided by ln S. The target is "
            "not a share of the largest possible entropy.",
            partial(_temperature, measure=_share_of_the_most),
            "The line that computes the entropy.",
        ),
        Mistake(
            "a number of keys for an entropy",
            "It is as if you compared exp(entropy), the effective number of "
            "keys, with a target that is an entropy.",
            partial(_temperature, measure=number_of_keys),
            "Compare entropy with entropy.",
        ),
        Mistake(
            "the search runs to one end",
            "It is as if all comparisons had the same result: the search ends "
            "at an end of its range.",
            partial(_temperature, upward=False),
            "Is it < or >? If the entropy is too low, the softmax is too "
            "cold, and low must become the middle. And is the entropy NaN "
            "(hint 4)? Then every comparison is False.",
            shows=_is_an_end_of_a_range,
        ),
        Mistake(
            "a range that begins at 0",
            "The range begins at 0, and so does its geometric middle: "
            "np.sqrt(0 * high) is 0, which is no temperature.",
            _range_from_zero,
            "Begin at spread / 1e6.",
        ),
        Mistake(
            "one step of the search",
            "This is the first middle of a range: the search takes one step.",
            partial(_temperature, steps=1),
            "Is `return` inside the loop? It belongs after the loop.",
            also=(
                *(
                    partial(_in_few_even_steps, steps=1, high=high)
                    for high in (None, 10, 100, 1e3, 1e4, 1e6)
                ),
            ),
        ),
        Mistake(
            "an entropy that stays below the target",
            "The search runs to the top of its range: no temperature brings "
            "your entropy up to the target.",
            _plus_log,
            "Entropy is minus the sum of α ln α, in nats. Is the minus "
            "there, is it np.log, and is `target` compared as it is?",
            also=(
                lambda scores, target: _temperature(scores, np.exp(target)),
                partial(
                    _temperature, measure=lambda w: entropy(w) / np.log(10)
                ),
            ),
        ),
        Mistake(
            "the search stops too early",
            "The temperature is close, but not to six digits.",
            partial(_temperature, steps=20),
            "Halve 100 times, for any entropy: if the entropy is close to the "
            "target, six digits of the temperature need not be right yet.",
            also=(
                *(partial(_temperature, steps=n) for n in (10, 15, 25, 30)),
                *(
                    partial(_stops_when_close, close=10.0**-n)
                    for n in range(2, 11)
                ),
                *(
                    partial(_in_few_even_steps, steps=n, high=high)
                    for high, most in ((None, 40), (1e6, 25))
                    for n in range(5, most + 1, 5)
                ),
            ),
            shows=_is_nearly_right,
        ),
        Mistake(
            "a comparison with NaN",
            "In a cold softmax exponentials overflow to inf, or a weight is "
            "0 and its 0 ln 0 is NaN. A comparison with NaN is always False.",
            _meets_nan,
            "The package's softmax subtracts the largest score first, and "
            "its entropy takes 0 ln 0 for 0.",
            also=tuple(
                partial(_meets_nan, reach=reach, **own)
                for own, reaches in (
                    ({}, (1e5, 1e6, 1e7)),
                    ({"weigh": softmax}, (1e6, 1e7)),
                    ({"measure": entropy}, (1e6, 1e7)),
                )
                for reach in reaches
            ),
        ),
        Mistake(
            "right to some places, not digits",
            "It is as if you rounded to some places after the point, or "
            "stopped at some distance: few digits of 0.0001 are left then.",
            partial(_rounded, places=6),
            "Halve 100 times, and return the middle as it is.",
            also=tuple(partial(_rounded, places=n) for n in (3, 4, 5, 7, 8)),
        ),
        Mistake(
            "the entropy is returned",
            "This is the entropy, not the temperature that gives it.",
            _gives_the_entropy,
            "The return line.",
        ),
        Mistake(
            "a range that does not reach the answer",
            "It is as if the answer were outside the range that you search.",
            partial(_fixed_range, low=0.001, high=10),
            "From spread / 1e6 to spread * 1e6 is wide enough, with spread = "
            "scores.max() - scores.min().",
            also=(
                *(
                    partial(_fixed_range, low=low, high=high)
                    for low in (1e-9, 1e-6, 1e-4, 0.001, 0.01, 0.1)
                    for high in (10, 100, 1000, 1e4)
                ),
                *(
                    partial(_range_of_the_spread, low=low, high=high)
                    for low, high in (
                        (0.1, 10),
                        (0.01, 100),
                        (1e-3, 1e3),
                        (1, 1e6),
                        (1e-6, 1),
                    )
                ),
            ),
        ),
        Mistake(
            "a range of the largest score",
            "The range that you search grows with the largest score. If that "
            "is 0, the range is empty; below 0, its ends are exchanged.",
            _range_of_the_largest,
            "The spread, scores.max() - scores.min(), is above 0 if the "
            "scores differ.",
            also=(partial(_range_of_the_largest, size=abs),),
        ),
    ],
    right_answers=[_temperature_by_newton, temperature_by_grids],
    properties=[
        Property(
            "Scores that are 7 times as large need 7 times the temperature; "
            "a constant added to them needs no change.",
            _follows_the_unit_of_the_scores,
            "Does the range that you search grow with the scores?",
        ),
        Property(
            "The softmax at your temperature has the target entropy, even if "
            "scores differ by a thousandth.",
            _is_right_in_a_small_unit,
            "Six digits have to be right, not six places after the point.",
        ),
        Property(
            "Six digits are right even at temperatures far below the spread, "
            "where the best two scores nearly tie.",
            _is_right_far_below_the_spread,
            "From spread / 1e6 to spread * 1e6 is wide enough a range.",
        ),
    ],
    tolerance=1e-6,
    parts=[
        Part(
            "search",
            "scores that differ by about 1",
            2,
            tries=(
                "the worked example",
                "five keys",
                "two keys tie",
                "close to uniform",
                "64 keys",
            ),
            fresh=anew(
                _temperature_case, S=(2, 40), share=(0.3, 0.9), scale=1.0
            ),
        ),
        Part(
            "unit",
            "scores in any unit, and extreme temperatures",
            1,
            tries=(
                "scores close together",
                "large scores",
                "scores up to 1,000, weights nearly alike",
                "the largest score is 0",
                "Scores that are 7 times as large need 7 times the "
                "temperature; a constant added to them needs no change.",
                "The softmax at your temperature has the target entropy, "
                "even if scores differ by a thousandth.",
                "Six digits are right even at temperatures far below the "
                "spread, where the best two scores nearly tie.",
            ),
            fresh=anew(
                _temperature_case,
                S=(2, 40),
                share=(0.3, 0.9),
                scale=[0.001, 0.01, 100.0, 1000.0],
            ),
        ),
    ],
)
