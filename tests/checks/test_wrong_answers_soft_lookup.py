"""Wrong answers to the exercises of chapter 00 that are no known mistake."""

import heapq
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from unforeseen import assert_told_by_its_numbers

from attnbook.checks.soft_lookup import EXERCISES
from attnbook.mechanisms.soft_lookup import entropy, softmax, softmax_jacobian
from attnbook.mechanisms.soft_lookup import masked_softmax as np_softmax


def tricube(query, key, value, width):
    u = np.linalg.norm(query[:, None] - key, axis=-1) / width
    kernel = np.maximum(1 - u**3, 0) ** 3
    total = kernel.sum(-1, keepdims=True)
    weights = kernel / np.where(total == 0, 1, total)
    return weights @ value, weights


def powers_of_two(query, key, value, k, mask=None):
    scores = np.log(2) * query @ key.T
    allowed = np.ones(scores.shape, bool) if mask is None else mask
    ranked = np.where(allowed, scores, -np.inf)
    order = np.argsort(-ranked, axis=-1, kind="stable")[:, :k]
    kept = np.zeros(scores.shape, bool)
    np.put_along_axis(kept, order, True, axis=-1)
    weights = np_softmax(scores, kept & allowed)
    return weights @ value, weights


def spread_of_the_scores(scores, target):
    return np.std(scores) * target


def less_the_largest(weights, upstream, temperature=1.0):
    return weights * (upstream - upstream.max(-1, keepdims=True)) / temperature


UNFORESEEN = {
    "00-epanechnikov-regression": tricube,
    "00-top-k-lookup": powers_of_two,
    "00-temperature-for-entropy": spread_of_the_scores,
    "00-softmax-vjp": less_the_largest,
}


@pytest.mark.parametrize("grade_id", UNFORESEEN)
def test_what_nobody_foresaw_is_told_by_its_numbers(grade_id):
    diagnosis = EXERCISES[grade_id].diagnose(UNFORESEEN[grade_id])
    assert_told_by_its_numbers(diagnosis)


@pytest.mark.parametrize(
    "last",
    [
        lambda scores, k: np.argsort(scores)[:, -k:],
        lambda scores, k: np.argsort(scores, kind="stable")[:, -k:],
        lambda scores, k: np.argsort(scores)[:, ::-1][:, :k],
    ],
)
def test_ties_taken_from_the_end_of_an_order_are_named(last):
    def look_up(query, key, value, k, mask=None):
        scores = query @ key.T
        allowed = np.ones(scores.shape, bool) if mask is None else mask
        places = last(np.where(allowed, scores, -np.inf), k)
        kept = np.zeros(scores.shape, bool)
        np.put_along_axis(kept, places, True, axis=-1)
        weights = np_softmax(scores, kept & allowed)
        return weights @ value, weights

    diagnosis = EXERCISES["00-top-k-lookup"].diagnose(look_up)
    assert diagnosis.mistake == "a tie goes to the later key"
    assert "Among equal scores you took a later key." in diagnosis.message


@pytest.mark.parametrize(
    "middle", [np.mean, lambda ends: np.prod(ends) ** 0.5]
)
@pytest.mark.parametrize("ends", [(1e-3, 50.0), (1e-5, 3e4)])
def test_a_comparison_the_wrong_way_round_is_named(middle, ends):
    def search(scores, target):
        low, high = ends
        for _ in range(80):
            between = middle((low, high))
            if entropy(np_softmax(scores, temperature=between)) > target:
                low = between
            else:
                high = between
        return between

    exercise = EXERCISES["00-temperature-for-entropy"]
    diagnosis = exercise.diagnose(search)
    assert diagnosis.mistake == "the search runs to one end"


def test_a_temperature_inside_the_range_is_not_taken_for_its_end():
    exercise = EXERCISES["00-temperature-for-entropy"]
    assert exercise.diagnose(lambda scores, target: 1.3).mistake is None


def test_of_several_bugs_the_one_behind_the_symptom_is_told():
    """On keys of one number the distance along the axes is right."""

    def mended_in_part(query, key, value, width):
        distance = np.abs(query[:, None] - key).sum(-1)
        kernel = np.maximum(0, 1 - (distance / width) ** 2)
        with np.errstate(all="ignore"):
            weights = kernel / kernel.sum(-1, keepdims=True)
        return weights @ value, weights

    exercise = EXERCISES["00-epanechnikov-regression"]
    diagnosis = exercise.diagnose(mended_in_part)
    assert "NaN" in diagnosis.message
    assert diagnosis.mistake == "at least bugs 1 and 5 of 5"
    assert "What you see comes from bug 5" in diagnosis.message


def test_a_matrix_that_is_built_is_measured_not_guessed():
    """Right in value, and rejected for its memory alone."""

    def with_outer_product(weights, upstream, temperature=1.0):
        outer = weights[..., :, None] * weights[..., None, :]
        through = np.einsum("...ij,...i->...j", outer, upstream)
        return (weights * upstream - through) / temperature

    exercise = EXERCISES["00-softmax-vjp"]
    diagnosis = exercise.diagnose(with_outer_product)
    assert diagnosis.mistake == "the matrix is built"


# -- as learners write them ---------------------------------------------------


def regression(kernel, divide=None):
    """Epanechnikov's regression, but for what is handed in."""

    def answer(query, key, value, width):
        distance = np.linalg.norm(query[:, None] - key, axis=-1)
        found = kernel(distance, width)
        total = found.sum(-1, keepdims=True)
        if divide is None:
            weights = found / np.where(total == 0, 1, total)
        else:
            weights = divide(found, total)
        return weights @ value, weights

    return answer


def parabola(distance, width):
    return np.maximum(0, 1 - (distance / width) ** 2)


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


def test_other_code_of_one_slip_is_paid_as_one_bug_left():
    exercise = EXERCISES[REGRESSION]
    answer = regression(parabola, lambda k, total: k / (total + 1e-3))
    earned = [
        part.name
        for part in exercise.parts
        if exercise.diagnose(answer, part.name) is None
    ]
    assert earned == ["two", "three", "four"]


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


# -- a conclusion that calls another exercise ---------------------------------


CONCLUDE = """
def conclude(question):
    scores = np.random.default_rng(0).normal(size=4096)
    answers = {
        "share": np.exp(-0.5),
        "double": np.log(2),
        "sqrt": temperature_for_entropy(scores, np.log(64)),
        "half": 3 / np.log(2000),
        "power": -1.0,
    }
    return answers[question]
"""


def concluded(before):
    names = {"np": np}
    exec(before + CONCLUDE, names)
    return EXERCISES["00-conclude"].diagnose(names["conclude"]).message


def test_a_stub_of_another_exercise_is_told_by_its_name():
    message = concluded(
        "def temperature_for_entropy(scores, target):\n"
        '    raise NotImplementedError("write this part, then run the cell '
        'again")\n'
    )
    calls = "`conclude` calls `temperature_for_entropy`, which is not written"
    assert calls in message
    assert "right" not in message


def test_what_another_exercise_lacks_is_told_and_nothing_called_wrong():
    message = concluded("")
    assert "name 'temperature_for_entropy' is not defined" in message
    assert "None is right yet" not in message


def test_a_wrong_temperature_hides_none_of_the_right_numbers():
    message = concluded("temperature_for_entropy = lambda *given: 0.7\n")
    assert "share, double, half, power are right; sqrt is not." in message
    assert "Is your temperature_for_entropy right?" in message
