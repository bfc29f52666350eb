"""What learners write for chapter 00, wrong and named, or right and taken."""

import heapq
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from attnbook.checks.soft_lookup import EXERCISES
from attnbook.mechanisms.soft_lookup import entropy, softmax, softmax_jacobian
from attnbook.mechanisms.soft_lookup import masked_softmax as np_softmax


def parabola(distance, width):
    return np.maximum(0, 1 - (distance / width) ** 2)


def straight(query, key):
    return np.linalg.norm(query[:, None] - key, axis=-1)


def regression(kernel=parabola, divide=None, measure=straight):
    """Epanechnikov's regression, but for what is handed in."""

    def answer(query, key, value, width):
        found = kernel(measure(query, key), width)
        total = found.sum(-1, keepdims=True)
        if divide is None:
            weights = found / np.where(total == 0, 1, total)
        else:
            weights = divide(found, total)
        return weights @ value, weights

    return answer


def divided_by_an_if(kernel, total):
    if total == 0:
        total = 1
    return kernel / total


def best(choose):
    """The k best, chosen by what is handed in."""

    def answer(query, key, value, k, mask=None):
        scores = query @ key.T
        allowed = np.ones(scores.shape, bool) if mask is None else mask
        places = choose(np.where(allowed, scores, -np.inf), k)
        chosen = np.zeros(scores.shape, bool)
        np.put_along_axis(chosen, places, True, axis=-1)
        weights = np_softmax(scores, chosen & allowed)
        return weights @ value, weights

    return answer


def cut_and_shared_anew(query, key, value, k, mask=None):
    scores = query @ key.T
    allowed = np.ones(scores.shape, bool) if mask is None else mask
    ranked = np.where(allowed, scores, -np.inf)
    places = np.argsort(-ranked, axis=-1, kind="stable")[:, :k]
    chosen = np.zeros(scores.shape)
    np.put_along_axis(chosen, places, 1.0, axis=-1)
    weights = softmax(scores) * chosen * allowed
    total = weights.sum(-1, keepdims=True)
    weights = weights / np.where(total > 0, total, 1)
    return weights @ value, weights


def weights_in_the_order_of_the_scores(query, key, value, k, mask=None):
    scores = query @ key.T
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    places = np.argsort(-scores, axis=-1, kind="stable")[:, :k]
    chosen = np.take_along_axis(scores, places, axis=-1)  # (T, k)
    weights = np_softmax(chosen, np.isfinite(chosen))
    return np.einsum("tk,tkv->tv", weights, value[places]), weights


def no_mask_is_none(query, key, value, k, mask=None):
    scores = np.where(mask, query @ key.T, -np.inf)
    places = np.argsort(-scores, axis=-1, kind="stable")[:, :k]
    chosen = np.zeros(scores.shape, bool)
    np.put_along_axis(chosen, places, True, axis=-1)
    weights = np_softmax(scores, chosen & np.isfinite(scores))
    return weights @ value, weights


def searched(low, high, steps=100, stop=0.0, measure=entropy, weigh=softmax):
    """A search by halves over a range of its own."""

    def answer(scores, target):
        spread = np.ptp(scores)
        ends = [end(spread) if callable(end) else end for end in (low, high)]
        for _ in range(steps):
            middle = np.sqrt(ends[0] * ends[1])
            with np.errstate(all="ignore"):
                found = measure(weigh(scores, middle))
            if abs(found - target) < stop:
                break
            ends[0 if found < target else 1] = middle
        return middle

    return answer


def of_spread(factor):
    return lambda spread: spread * factor


def plain_softmax(scores, temperature):
    powers = np.exp(scores / temperature)
    return powers / powers.sum()


def plain_entropy(weights):
    return -(weights * np.log(weights)).sum()


def jacobian_row_by_row(weights, upstream, temperature=1.0):
    if weights.ndim == 1:
        jacobian = np.diag(weights) - np.outer(weights, weights)
        return jacobian @ upstream / temperature
    return np.array(
        [
            jacobian_row_by_row(row, change, temperature)
            for row, change in zip(weights, upstream, strict=True)
        ]
    )


def instead(grade_id, **numbers):
    """Right but for some questions."""
    right = EXERCISES[grade_id].reference
    return lambda question: numbers.get(question, right(question))


def range_of_the_largest(scores, target, size=float):
    top = size(scores.max())
    with np.errstate(all="ignore"):
        return searched(1e-6 * top, 1e6 * top)(scores, target)


def range_of_its_size(scores, target):
    return range_of_the_largest(scores, target, size=abs)


def right_search(scores, target):
    return searched(of_spread(1e-6), of_spread(1e6))(scores, target)


def even_steps(count):
    """Halved at the arithmetic middle, too seldom."""

    def answer(scores, target):
        low, high = np.ptp(scores) * 1e-6, np.ptp(scores) * 1e6
        for _ in range(count):
            middle = (low + high) / 2
            if entropy(softmax(scores, middle)) < target:
                low = middle
            else:
                high = middle
        return middle

    return answer


def nan_kept_in_the_weights(query, key, value, width):
    kernel = parabola(straight(query, key), width)
    with np.errstate(all="ignore"):
        weights = kernel / kernel.sum(axis=1, keepdims=True)
    return np.nan_to_num(weights @ value), weights


def totals_without_their_axis(kernel, total):
    total = kernel.sum(axis=1)
    return kernel / np.where(total == 0, 1, total)


def multiplied_by_the_mask(query, key, value, k, mask=None):
    scores = query @ key.T
    allowed = np.ones(scores.shape, bool) if mask is None else mask
    places = np.argsort(-(scores * allowed), axis=-1, kind="stable")[:, :k]
    chosen = np.zeros(scores.shape, bool)
    np.put_along_axis(chosen, places, True, axis=-1)
    weights = np_softmax(scores, chosen & allowed)
    return weights @ value, weights


def temperature_in_the_weights(weights, upstream, temperature=1.0):
    weights = softmax(np.log(weights) / temperature)
    mean = (weights * upstream).sum(-1, keepdims=True)
    return weights * (upstream - mean) / temperature


def sum_over_axis_one(weights, upstream, temperature=1.0):
    axis = 0 if weights.ndim == 1 else 1
    mean = (weights * upstream).sum(axis, keepdims=True)
    return weights * (upstream - mean) / temperature


REGRESSION = "00-epanechnikov-regression"
BEST = "00-top-k-lookup"
SEARCH = "00-temperature-for-entropy"
GRADIENT = "00-softmax-vjp"
LEARNERS = [
    (
        "00-predict",
        instead("00-predict", a=83.3),
        "a weight above 1 or below 0",
    ),
    ("00-predict", instead("00-predict", d=0.77), "d: both copies"),
    (
        "00-predict",
        instead("00-predict", e=0.63),
        "e: turning the query reverses the weights",
    ),
    (
        "00-predict",
        instead("00-predict", f=0.33),
        "f: a weight, not the output",
    ),
    *(
        ("00-predict", instead("00-predict", **few), f"{q}: too few digits")
        for few in ({"a": 0.8}, {"b": 0.6}, {"d": 0.4}, {"e": 0.6}, {"f": 23})
        for q in few
    ),
    *(
        ("00-conclude", instead("00-conclude", **wrong), name)
        for wrong, name in (
            ({"sqrt": 0.2327}, "sqrt: half of the entropy"),
            ({"sqrt": 0.18}, "sqrt: the root of an entropy"),
            ({"sqrt": 1.25}, "sqrt: the root of 64"),
            ({"half": 0.43}, "half: half of the keys"),
            ({"power": -1.03}, "power: fitted to ln S"),
        )
    ),
    (
        "00-conclude",
        instead("00-conclude", share=2500),
        "share: a number of keys",
    ),
    (
        "00-conclude",
        instead("00-conclude", sqrt=8e6),
        "sqrt: the end of a range",
    ),
    (
        REGRESSION,
        regression(lambda d, width: np.maximum(0, 1 - (d**2 / width) ** 2)),
        "the root is forgotten",
    ),
    (
        REGRESSION,
        regression(lambda d, width: np.maximum(0, 1 - d**2 / width)),
        "the width is not squared",
    ),
    (
        REGRESSION,
        regression(parabola, lambda k, total: k / np.maximum(total, 1)),
        "a total that is held at 1",
    ),
    (
        REGRESSION,
        regression(parabola, lambda k, total: k / (total + 1e-3)),
        "a constant in the denominator",
    ),
    (
        REGRESSION,
        regression(parabola, divided_by_an_if),
        "an if on many totals",
    ),
    (
        REGRESSION,
        regression(parabola, totals_without_their_axis),
        "totals that lost their axis",
    ),
    (REGRESSION, nan_kept_in_the_weights, "weights that are still NaN"),
    (
        REGRESSION,
        regression(measure=lambda q, k: np.abs(q - k.T)),
        "queries that do not meet all keys",
    ),
    (
        REGRESSION,
        regression(measure=lambda q, k: np.abs(q[:, :1] - k[:, :1].T)),
        "the distance along the first axis",
    ),
    (
        REGRESSION,
        regression(measure=lambda q, k: np.linalg.norm(q[:, None] - k)),
        "one distance for all",
    ),
    (
        BEST,
        best(lambda s, k: np.argsort(-s, axis=-1)[:, :k]),
        "a tie goes to the later key",
    ),
    (
        BEST,
        best(lambda s, k: np.argpartition(-s, k - 1, axis=-1)[:, :k]),
        "a tie goes to the later key",
    ),
    (
        BEST,
        best(lambda s, k: np.argpartition(s, -k, axis=-1)[:, -k:]),
        "a tie goes to the later key",
    ),
    (
        BEST,
        best(
            lambda s, k: np.tile(np.argsort(-s.sum(0))[:k], (len(s), 1)),
        ),
        "one choice for all queries",
    ),
    (BEST, multiplied_by_the_mask, "masked scores of 0"),
    (BEST, cut_and_shared_anew, "a softmax over all, shared anew"),
    (
        BEST,
        weights_in_the_order_of_the_scores,
        "weights of the chosen alone",
    ),
    (BEST, no_mask_is_none, "no mask taken for a mask of False"),
    *(
        (SEARCH, searched(*ends), "a range that does not reach the answer")
        for ends in (
            (1e-4, 1e4),
            (1e-6, 1e6),
            (of_spread(1e-2), of_spread(1e2)),
            (of_spread(1e-3), of_spread(1e3)),
        )
    ),
    (
        SEARCH,
        searched(of_spread(1e-6), of_spread(1e6), stop=1e-6),
        "the search stops too early",
    ),
    (
        SEARCH,
        searched(of_spread(1e-6), of_spread(1e6), steps=22),
        "the search stops too early",
    ),
    (
        SEARCH,
        searched(1e-9, 1e3, measure=plain_entropy, weigh=plain_softmax),
        "the search runs to one end",
    ),
    *(
        (
            SEARCH,
            searched(of_spread(1e-6), of_spread(1e6), **own),
            "a comparison with NaN",
        )
        for own in ({"measure": plain_entropy}, {"weigh": plain_softmax})
    ),
    (
        SEARCH,
        lambda scores, target: round(right_search(scores, target), 6),
        "right to some places, not digits",
    ),
    *(
        (SEARCH, search, "a range of the largest score")
        for search in (range_of_the_largest, range_of_its_size)
    ),
    (
        SEARCH,
        searched(of_spread(1), of_spread(1e6)),
        "a range that does not reach the answer",
    ),
    (SEARCH, even_steps(20), "the search stops too early"),
    (
        GRADIENT,
        lambda w, g, temperature=1.0: w * (g - (w * g).sum(-1)) / temperature,
        "the last axis is lost",
    ),
    (
        GRADIENT,
        lambda w, g, temperature=1.0: w * (g - np.dot(w, g)) / temperature,
        "one product for a batch",
    ),
    (
        GRADIENT,
        lambda w, g, temperature=1.0: (
            (softmax_jacobian(w) @ g[..., None])[..., 0] / temperature
        ),
        "the matrix is built",
    ),
    (GRADIENT, jacobian_row_by_row, "the matrix is built"),
    (
        GRADIENT,
        temperature_in_the_weights,
        "a temperature on the weights",
    ),
    (GRADIENT, sum_over_axis_one, "a sum over the wrong axis"),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("grade_id", "answer", "name"),
    LEARNERS,
    ids=[f"{row[0]} {row[2]} {n}" for n, row in enumerate(LEARNERS)],
)
def test_what_learners_write_is_named(grade_id, answer, name):
    diagnosis = EXERCISES[grade_id].diagnose(answer)
    assert diagnosis is not None
    assert diagnosis.mistake == name, diagnosis.message


@pytest.mark.parametrize(
    "answer",
    [
        regression(parabola, lambda k, total: k / (total + 1e-3)),
        nan_kept_in_the_weights,
    ],
)
def test_other_code_of_one_slip_is_paid_as_one_bug_left(answer):
    exercise = EXERCISES[REGRESSION]
    earned = [
        part.name
        for part in exercise.parts
        if exercise.diagnose(answer, part.name) is None
    ]
    assert earned == ["two", "three", "four"]


def test_a_range_of_the_largest_score_costs_the_unit_alone():
    exercise = EXERCISES[SEARCH]
    assert exercise.diagnose(range_of_its_size, "search") is None
    diagnosis = exercise.diagnose(range_of_its_size, "unit")
    assert diagnosis.mistake == "a range of the largest score"


def regression_that_mends_nan(query, key, value, width):
    with np.errstate(all="ignore"):
        distance = np.linalg.norm(query[:, None] - key, axis=-1)
        kernel = (1 - (distance / width) ** 2) * (distance < width)
        weights = np.nan_to_num(kernel / kernel.sum(1)[:, None])
    return np.einsum("ts,sv->tv", weights, value), weights


def best_by_a_heap(query, key, value, k, mask=None):
    weights = np.zeros((len(query), len(key)))
    for t, q in enumerate(query):
        allowed = [s for s in range(len(key)) if mask is None or mask[t, s]]
        found = heapq.nsmallest(k, allowed, key=lambda s: (-(q @ key[s]), s))
        if found:
            weights[t, found] = softmax(key[found] @ q)
    return weights @ value, weights


def bracket_that_grows(scores, target):
    low = high = np.ptp(scores)
    while entropy(softmax(scores, low)) >= target:
        low /= 2
    while entropy(softmax(scores, high)) <= target:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        if entropy(softmax(scores, middle)) < target:
            low = middle
        else:
            high = middle
    return np.float64(middle)


def gradient_in_place(weights, upstream, temperature=1.0):
    gradient = weights * upstream
    gradient -= weights * gradient.sum(-1, keepdims=True)
    gradient /= temperature
    return gradient


@pytest.mark.parametrize(
    ("grade_id", "answer"),
    [
        (
            "00-predict",
            lambda question: Fraction(
                EXERCISES["00-predict"].reference(question)
            ).limit_denominator(1000),
        ),
        (
            "00-predict",
            lambda question: (
                math.floor(100 * EXERCISES["00-predict"].reference(question))
                / 100
            ),
        ),
        (
            "00-predict",
            lambda question: Decimal(
                f"{EXERCISES['00-predict'].reference(question):.2f}"
            ),
        ),
        (
            "00-conclude",
            lambda question: np.float32(
                EXERCISES["00-conclude"].reference(question)
            ),
        ),
        (REGRESSION, regression_that_mends_nan),
        (BEST, best_by_a_heap),
        (SEARCH, bracket_that_grows),
        (GRADIENT, gradient_in_place),
    ],
)
def test_right_answers_in_other_words_are_taken(grade_id, answer):
    diagnosis = EXERCISES[grade_id].diagnose(answer)
    assert diagnosis is None, diagnosis.message


@pytest.mark.parametrize(
    "last",
    [
        lambda scores, k: np.argsort(scores)[:, -k:],
        lambda scores, k: np.argsort(scores, kind="stable")[:, -k:],
        lambda scores, k: np.argsort(scores)[:, ::-1][:, :k],
    ],
)
def test_ties_taken_from_the_end_of_an_order_are_named(last):
    diagnosis = EXERCISES[BEST].diagnose(best(last))
    assert diagnosis.mistake == "a tie goes to the later key"
    assert "Among equal scores you took a later key." in diagnosis.message
