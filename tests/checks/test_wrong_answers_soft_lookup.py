"""Wrong answers to the exercises of chapter 00 that are no known mistake."""

import numpy as np
import pytest
from unforeseen import assert_told_by_its_numbers

from attnbook.checks.soft_lookup import EXERCISES
from attnbook.mechanisms.soft_lookup import entropy
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


# -- slips that a learner is told by name -------------------------------------


def k_best(choose=None, weigh=np_softmax):
    """The k best; how they are chosen or weighed is handed in."""

    def answer(query, key, value, k, mask=None):
        scores = query @ key.T
        allowed = np.ones(scores.shape, bool) if mask is None else mask
        ranked = np.where(allowed, scores, -np.inf)
        chosen = np.zeros(scores.shape, bool)
        if choose is None:
            places = np.argsort(-ranked, axis=-1, kind="stable")[:, :k]
            np.put_along_axis(chosen, places, True, axis=-1)
        else:
            choose(chosen, ranked, k)
        weights = weigh(scores, chosen & allowed)
        return weights @ value, weights

    return answer


def bare(cut):
    def weigh(scores, chosen):
        with np.errstate(all="ignore"):
            powers = cut(np.exp(scores), chosen)
            total = powers.sum(-1, keepdims=True)
            return powers / np.where(total == 0, 1, total)

    return weigh


def by_a_slope(size):
    def choose(chosen, ranked, k):
        ranked = ranked - size * np.arange(ranked.shape[1])
        places = np.argsort(-ranked, axis=-1)[:, :k]
        np.put_along_axis(chosen, places, True, axis=-1)

    return choose


def down_the_queries(chosen, ranked, k):
    places = np.argsort(-ranked, axis=0, kind="stable")[:k]
    np.put_along_axis(chosen, places, True, axis=0)


def as_many_as_the_poorest(chosen, ranked, k):
    k = min(k, np.isfinite(ranked).sum(-1).min())
    places = np.argsort(-ranked, axis=-1, kind="stable")[:, :k]
    np.put_along_axis(chosen, places, True, axis=-1)


def half_as_wide(query, key, value, width):
    u = np.linalg.norm(query[:, None] - key, axis=-1) / (width / 2)
    kernel = np.maximum(1 - u**2, 0)
    total = kernel.sum(-1, keepdims=True)
    weights = kernel / np.where(total == 0, 1, total)
    return weights @ value, weights


def in_parts_of_the_spread(scores, target):
    scores = (scores - scores.min()) / np.ptp(scores)
    return EXERCISES["00-temperature-for-entropy"].reference(scores, target)


def one_mean_a_matrix(weights, upstream, temperature=1.0):
    axes = (-1,) if weights.ndim == 1 else tuple(range(1, weights.ndim))
    mean = (weights * upstream).sum(axes, keepdims=True)
    return weights * (upstream - mean) / temperature


def numpy_average(weights, upstream, temperature=1.0):
    mean = np.average(upstream, axis=-1, weights=weights)
    return weights * (upstream - mean[..., None]) / temperature


def softmax_once_more(weights, upstream, temperature=1.0):
    weights = np_softmax(weights, temperature=temperature)
    mean = (weights * upstream).sum(-1, keepdims=True)
    return weights * (upstream - mean) / temperature


def but(grade_id, **numbers):
    """Right but for some questions."""
    right = EXERCISES[grade_id].reference
    return lambda question: numbers.get(question, right(question))


E_IS_0 = "e: a score of 0 taken for no weight"


def two_slips(query, key, value, width):
    distance = np.linalg.norm(query[:, None] - key, axis=-1)
    kernel = np.maximum(0, 1 - distance**2 / width)
    with np.errstate(invalid="ignore"):
        weights = kernel / kernel.sum(axis=1, keepdims=True)
    return weights @ value, weights


def everything_allowed(chosen, ranked, k):
    chosen[:] = True


SLIPS = [
    (
        "00-epanechnikov-regression",
        two_slips,
        "nothing in reach, and the width is not squared",
        2,
    ),
    ("00-top-k-lookup", k_best(everything_allowed), "k is not used", 3),
    ("00-predict", but("00-predict", e=0.0), E_IS_0, 1),
    ("00-conclude", but("00-conclude", double=1.07), "double: a ratio", 1),
    ("00-predict", but("00-predict", a=1.25), "a: the weight is divided", 1),
    ("00-conclude", but("00-conclude", share=60.7), "share: a percentage", 1),
    ("00-conclude", but("00-conclude", half=0.0015), "half: no logarithm", 1),
    (
        "00-epanechnikov-regression",
        half_as_wide,
        "a factor beside the width",
        1,
    ),
    (
        "00-top-k-lookup",
        k_best(weigh=bare(lambda powers, chosen: powers * chosen)),
        "exponentials that overflow",
        2,
    ),
    (
        "00-top-k-lookup",
        k_best(weigh=bare(lambda powers, chosen: np.where(chosen, powers, 0))),
        "exponentials that overflow",
        1,
    ),
    *(
        (
            "00-top-k-lookup",
            k_best(by_a_slope(size)),
            "scores that are moved to settle ties",
            1,
        )
        for size in (1e-3, 1e-5, 1e-6)
    ),
    (
        "00-top-k-lookup",
        k_best(down_the_queries),
        "keys that choose queries",
        3,
    ),
    (
        "00-top-k-lookup",
        k_best(as_many_as_the_poorest),
        "one k for all queries",
        2,
    ),
    (
        "00-temperature-for-entropy",
        in_parts_of_the_spread,
        "a temperature in another unit",
        2,
    ),
    ("00-softmax-vjp", one_mean_a_matrix, "one sum for each matrix", 1),
    (
        "00-softmax-vjp",
        numpy_average,
        "a mean that divides by the weights",
        1,
    ),
    ("00-softmax-vjp", softmax_once_more, "weights taken for scores", 3),
]


@pytest.mark.parametrize(
    ("grade_id", "answer", "name", "parts"),
    SLIPS,
    ids=[f"{row[0]} {row[2]} {n}" for n, row in enumerate(SLIPS)],
)
def test_a_slip_is_named_and_costs_its_parts_alone(
    grade_id, answer, name, parts
):
    exercise = EXERCISES[grade_id]
    told = [
        diagnosis.mistake
        for part in exercise.parts
        if (diagnosis := exercise.diagnose(answer, part.name)) is not None
    ]
    assert told == [name] * parts
