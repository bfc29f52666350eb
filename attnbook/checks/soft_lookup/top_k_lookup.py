"""Cases, references and known mistakes of the exercises of chapter 00.

Each exercise has a reference, cases to compare it on, mistakes that students
make, written as code and named, and right answers written in other ways.
NumPy only, so that the notebook starts fast.
"""

from __future__ import annotations

from functools import partial
from itertools import combinations

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
    Property,
)
from attnbook.judging.exercise import points_so_far as _points_so_far
from attnbook.judging.fresh_cases import anew, up_to
from attnbook.judging.planted_bugs import bugs_left
from attnbook.judging.predictions import Predictions
from attnbook.judging.watching import peak_memory
from attnbook.mechanisms.soft_lookup import entropy, masked_softmax, softmax

__all__ = [
    "EXERCISES",
    "check_conclude",
    "check_epanechnikov_regression",
    "check_predict",
    "check_softmax_vjp",
    "check_temperature_for_entropy",
    "check_top_k_lookup",
    "points_so_far",
]


# ------------------------------------------- 1. Predict the weights, by hand

_PREDICTIONS = Predictions(
    {
        "a": 25 / 30,
        "b": 5 / 8,
        "c": 5 / 6,
        "d": 5 / 13,
        "e": (1 / 5) / (1 + 1 / 2 + 1 / 5),
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
        "e": softmax(-scores)[2],
        "f": softmax(scores, 1e9) @ np.array([10.0, 20.0, 40.0]),
    }
    return answers[question]


_PREDICT = Exercise(
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
            1 / 8,
            "turning the query reverses the weights",
            "The weights are not handed out in reverse. The third book's "
            "score is now -ln 5.",
            "Take the exponentials of -ln 1, -ln 2 and -ln 5, and divide by "
            "their sum.",
        ),
        _PREDICTIONS.wrong(
            "e",
            -5 / 8,
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
    tolerance=5e-3,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
)


# -------------------------------------- 2. Repair a kernel that is a triangle

_REGRESSION_BUGS = {
    "city-block": (
        "distance along the axes",
        "The distance sums the absolute differences. It should be the "
        "straight line: the root of the sum of squares.",
        "The line that makes the distance: for queries with one number the "
        "two agree, for two they do not.",
    ),
    "triangle": (
        "the kernel is a triangle",
        "The kernel falls in a straight line, 1 - u. Epanechnikov's is a "
        "parabola, 1 - u².",
        "Compare the line that makes the kernel with the formula.",
    ),
    "unclipped": (
        "negative weights",
        "Keys farther than the width weigh less than nothing: the kernel is "
        "not cut off at 0.",
        "What does the formula say where u is above 1?",
    ),
    "queries": (
        "normalised over the queries",
        "The weights of one key sum to 1 over the queries. Each query must "
        "spend 1 over the keys.",
        "The axis of the sum: the weights have shape (T, S), and the keys "
        "are the last axis.",
    ),
    "empty": (
        "nothing in reach",
        "A total of 0 is divided by: 0/0 is NaN. A query with no key within "
        "the width should get weights and an output of 0.",
        "Look at the total before you divide by it.",
    ),
}

# Of several bugs, the one whose symptom the first failing case shows is
# told: on keys of one number, as in the worked example, all distances agree.
_FIRST_TO_SHOW = ("empty", "queries", "unclipped", "triangle", "city-block")


def _epanechnikov(query, key, value, width, bugs=()):
    difference = query[:, None] - key  # (T, S, d_k)
    if "city-block" in bugs:
        distance = np.abs(difference).sum(-1)  # (T, S)
    else:
        distance = np.sqrt((difference**2).sum(-1))  # (T, S)
    u = distance / width
    kernel = 1 - u if "triangle" in bugs else 1 - u**2
    if "unclipped" not in bugs:
        kernel = np.maximum(kernel, 0)
    axis = 0 if "queries" in bugs else -1
    total = kernel.sum(axis, keepdims=True)
    if "empty" not in bugs:
        total = np.where(total == 0, 1, total)
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = kernel / total  # (T, S)
    return weights @ value, weights


def _epanechnikov_variant(query, key, value, width, variant):
    squared = ((query[:, None] - key) ** 2).sum(-1)  # (T, S)
    u2 = squared / width**2
    if variant == "square of the triangle":
        kernel = np.maximum(1 - np.sqrt(u2), 0) ** 2
    elif variant == "width not squared":
        kernel = np.maximum(1 - squared / width, 0)
    else:
        kernel = np.maximum(1 - u2, 0)
    if variant == "softmax of the kernel":
        weights = softmax(kernel)
        return weights @ value, weights
    total = kernel.sum(-1, keepdims=True)  # (T, 1)
    if variant == "clipped late":
        kernel = 1 - u2
        total = kernel.sum(-1, keepdims=True)
        weights = np.maximum(kernel / total, 0)
    elif variant == "uniform":
        weights = np.where(
            total == 0, 1 / len(key), kernel / np.where(total == 0, 1, total)
        )
    elif variant == "not normalised":
        weights = kernel
    else:
        weights = kernel / (total + 0.01)
    return weights @ value, weights


def _regression_by_loops(query, key, value, width):
    output = np.zeros((len(query), value.shape[1]))
    weights = np.zeros((len(query), len(key)))
    for t, q in enumerate(query):
        for s, k in enumerate(key):
            u = np.linalg.norm(q - k) / width
            if u < 1:
                weights[t, s] = 0.75 * (1 - u * u)
        if weights[t].sum() > 0:
            weights[t] = weights[t] / weights[t].sum()
        for s, v in enumerate(value):
            output[t] = output[t] + weights[t, s] * v
    return output, weights


def _regression_by_einsum(query, key, value, width):
    squared = (
        (query**2).sum(-1)[:, None]
        + (key**2).sum(-1)[None]
        - 2 * np.einsum("td,sd->ts", query, key)
    )  # (T, S)
    kernel = (1 - squared / width**2).clip(min=0)
    total = kernel.sum(1, keepdims=True)
    weights = np.divide(
        kernel, total, out=np.zeros_like(kernel), where=total > 0
    )
    return np.einsum("ts,sv->tv", weights, value), weights


def _regression_with_epsilon(query, key, value, width):
    distance = np.sqrt(((query[:, None] - key) ** 2).sum(-1))
    kernel = np.clip(1 - (distance / width) ** 2, 0, None)
    weights = kernel / (kernel.sum(-1, keepdims=True) + 1e-12)
    return weights @ value, weights


def _regression_case(name, T, S, d_k, d_v, width, seed, far=0):
    random = np.random.default_rng(seed)
    query = random.uniform(-1, 1, (T, d_k))
    query[:far] = query[:far] + 9  # nothing in reach
    key = random.uniform(-1, 1, (S, d_k))
    value = random.normal(size=(S, d_v))
    return Case(name, (query, key, value, width))


def _regression_is_equivariant(answer):
    """Keys that change places take their weights along."""
    random = np.random.default_rng(9)
    query, key = random.uniform(size=(6, 2)), random.uniform(size=(11, 2))
    value, order = random.normal(size=(11, 3)), random.permutation(11)
    output, weights = answer(query, key, value, 0.5)
    moved, shuffled = answer(query, key[order], value[order], 0.5)
    return np.allclose(moved, output) and np.allclose(
        shuffled, weights[:, order]
    )


def _width_has_the_unit_of_the_keys(answer):
    random = np.random.default_rng(10)
    query, key = random.uniform(size=(6, 2)), random.uniform(size=(11, 2))
    value = random.normal(size=(11, 3))
    metres, _ = answer(query, key, value, 0.7)
    millimetres, _ = answer(1000 * query, 1000 * key, value, 700.0)
    return np.allclose(metres, millimetres)


_REGRESSION = Exercise(
    "00-epanechnikov-regression",
    "Repair a kernel regression",
    points=4,
    reference=_epanechnikov,
    cases=[
        Case(
            "the worked example",
            (
                np.array([[0.0], [9.0]]),
                np.array([[-1.0], [0.0], [1.0], [2.0]]),
                np.array([[8.0], [6.0], [4.0], [2.0]]),
                2.0,
            ),
        ),
        _regression_case("plane", 3, 5, 2, 4, 1.6, seed=1),
        _regression_case(
            "one query in reach of nothing", 4, 6, 2, 3, 1.3, 2, 1
        ),
        _regression_case("one query, one key", 1, 1, 1, 1, 3.0, seed=3),
        _regression_case("as many queries as keys", 4, 4, 4, 4, 2.2, seed=4),
        _regression_case("narrow", 5, 9, 3, 2, 0.8, seed=5),
    ],
    mistakes=[
        bugs_left(bugs, _REGRESSION_BUGS, _epanechnikov, _FIRST_TO_SHOW)
        for count in range(1, len(_REGRESSION_BUGS) + 1)
        for bugs in combinations(_REGRESSION_BUGS, count)
        if count == 1 or not {"unclipped", "empty"} <= set(bugs)
    ]
    + [
        Mistake(
            name, sentence, partial(_epanechnikov_variant, variant=v), look
        )
        for v, name, sentence, look in [
            (
                "square of the triangle",
                "the square of the triangle",
                "The kernel is (1 - u)². Epanechnikov's is 1 - u²: the "
                "square is on u alone.",
                "Check the brackets: at u = 1/2 the kernel is 3/4, not 1/4.",
            ),
            (
                "width not squared",
                "the width is not squared",
                "The squared distance is divided by the width. Divided by "
                "the width first, then squared, it has no unit.",
                "u is distance / width. So u² is squared distance / width².",
            ),
            (
                "softmax of the kernel",
                "a softmax of the kernel",
                "The kernel goes through a softmax. A kernel is positive "
                "already: it needs a division by its sum, no exponential.",
                "The line that makes the weights. With a softmax, keys "
                "beyond the width still weigh.",
            ),
            (
                "clipped late",
                "cut off after normalising",
                "The negative values are cut off after the division, so they "
                "are still in the sum.",
                "The order: cut the kernel off at 0, sum it, then divide.",
            ),
            (
                "uniform",
                "nothing in reach taken for everything",
                "A query with no key within the width spreads its weight "
                "over all keys. It should weigh nothing.",
                "What your code does where the total is 0.",
            ),
            (
                "not normalised",
                "weights that are not divided",
                "The kernel is used as it is: its rows do not sum to 1.",
                "Divide the kernel by its sum over the keys.",
            ),
            (
                "epsilon",
                "a constant in the denominator",
                "A constant is added to the total against a division by 0, "
                "and it takes weight away from every row.",
                "Treat the rows with a total of 0 alone, with np.where.",
            ),
        ]
    ],
    right_answers=[
        _regression_by_loops,
        _regression_by_einsum,
        _regression_with_epsilon,
    ],
    properties=[
        Property(
            "Keys and values that change places together take their weights "
            "along.",
            _regression_is_equivariant,
            "Does your code lean on the place of a key in the list?",
        ),
        Property(
            "Queries, keys and width in millimetres give the output that "
            "they give in metres.",
            _width_has_the_unit_of_the_keys,
            "Is there a constant in your code that has a unit?",
        ),
    ],
    tolerance=1e-6,
    outputs=("output", "weights"),
    axes={"output": "T d_v", "weights": "T S"},
    fresh=anew(
        _regression_case,
        T=(2, 5),
        S=(2, 9),
        d_k=(1, 4),
        d_v=(1, 4),
        width=(1.2, 2.5),
        far=(0, 1),
    ),
)


# ----------------------------------------------------- 3. The k best, softly


def _top_k(query, key, value, k, mask=None, mistake=None):
    scores = query @ key.T  # (T, S)
    T, S = scores.shape
    allowed = np.ones((T, S), bool) if mask is None else mask
    if mistake == "inverted" and mask is not None:
        allowed = ~mask
    if mistake == "unmasked":
        allowed = np.ones((T, S), bool)
    ranked = np.where(allowed, scores, -np.inf)
    if mistake == "masked late":
        ranked = scores
    if mistake == "by size":
        ranked = np.where(allowed, np.abs(scores), -np.inf)
    if mistake == "scores of 0":
        scores = ranked = scores * allowed
        allowed = np.ones((T, S), bool)
    if mistake == "shared":
        ranked = np.broadcast_to(ranked[:1], ranked.shape)
    order = np.argsort(-ranked, axis=-1, kind="stable")  # (T, S)
    if mistake == "worst":
        worst = np.where(allowed, scores, np.inf)
        order = np.argsort(worst, axis=-1, kind="stable")
    if mistake == "last tie":
        order = np.argsort(ranked, axis=-1, kind="stable")[:, ::-1]
    if mistake == "the end of an order":  # NumPy promises nothing on ties
        order = np.argsort(ranked, axis=-1)[:, ::-1]
    if mistake == "any tie":
        order = np.argsort(-ranked, axis=-1)
    count = {"one more": k + 1, "one less": k - 1}.get(mistake, k)
    kept = np.zeros((T, S), bool)
    np.put_along_axis(kept, order[:, :count], True, axis=-1)
    if mistake == "all ties":
        floor = np.take_along_axis(ranked, order[:, k - 1 : k], axis=-1)
        kept = ranked >= floor
    kept = kept & allowed
    if mistake == "zeros":
        weights = softmax(np.where(kept, scores, 0.0))
    elif mistake == "not renormalised":
        weights = masked_softmax(scores, allowed) * kept
    elif mistake == "over queries":
        weights = masked_softmax(scores, kept, axis=0)
    elif mistake == "equal shares":
        weights = masked_softmax(np.zeros_like(scores), kept)
    elif mistake == "scaled":
        weights = masked_softmax(scores / np.sqrt(key.shape[1]), kept)
    elif mistake == "uniform":
        weights = masked_softmax(scores, kept)
        weights[~kept.any(-1)] = 1 / S
    elif mistake == "nan":
        weights = masked_softmax(scores, kept)
        weights[~kept.any(-1)] = np.nan
    elif mistake == "-1e9":
        weights = masked_softmax(scores, kept)
        none = ~kept.any(-1)  # (T,)
        weights[none, :k] = 1 / k
    else:
        weights = masked_softmax(scores, kept)
    return weights @ value, weights


def _top_k_by_loops(query, key, value, k, mask=None):
    T, S = len(query), len(key)
    weights = np.zeros((T, S))
    output = np.zeros((T, value.shape[1]))
    for t in range(T):
        places = [s for s in range(S) if mask is None or mask[t, s]]
        scores = {s: float(np.dot(query[t], key[s])) for s in places}
        best = sorted(places, key=lambda s: (-scores[s], s))[:k]
        total = sum(np.exp(scores[s]) for s in best)
        for s in best:
            weights[t, s] = np.exp(scores[s]) / total
            output[t] += weights[t, s] * value[s]
    return output, weights


def _top_k_by_rank(query, key, value, k, mask=None):
    """A key is kept if fewer than k others beat it."""
    scores = np.einsum("td,sd->ts", query, key)  # (T, S)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    mine, other = scores[:, :, None], scores[:, None, :]
    place = np.arange(len(key))
    earlier = place[None, :] < place[:, None]  # (S, S)
    beaten = (other > mine) | ((other == mine) & earlier)  # (T, S, S)
    kept = (beaten.sum(-1) < k) & np.isfinite(scores)  # (T, S)
    powers = np.where(kept, np.exp(np.minimum(scores, 50)), 0.0)
    total = powers.sum(-1, keepdims=True)
    weights = powers / np.where(total > 0, total, 1)
    return np.einsum("ts,sv->tv", weights, value), weights


def _top_k_by_threshold(query, key, value, k, mask=None):
    """A threshold, with a tiny handicap that settles ties."""
    scores = query @ key.T
    handicap = 1e-9 * np.arange(len(key))
    ranked = scores - handicap
    if mask is not None:
        ranked = np.where(mask, ranked, -np.inf)
    floor = np.sort(ranked, axis=-1)[:, -k:][:, :1]
    kept = (ranked >= floor) & (ranked > -np.inf)
    weights = masked_softmax(scores, kept)
    return weights @ value, weights


def _top_k_in_single_precision(query, key, value, k, mask=None):
    weights = np.zeros((len(query), len(key)), np.float32)
    for row, scores in enumerate(query @ key.T):
        places = (
            np.arange(len(key)) if mask is None else mask[row].nonzero()[0]
        )
        best = places[np.lexsort((places, -scores[places]))][:k]
        if len(best):
            weights[row, best] = softmax(scores[best])
    return weights @ value, weights


def _top_k_case(name, T, S, d_k, d_v, k, seed, blocked=None):
    random = np.random.default_rng(seed)
    query = random.normal(size=(T, d_k))
    key = random.normal(size=(S, d_k)) * 0.7
    value = random.normal(size=(S, d_v))
    if blocked is None:
        return Case(name, (query, key, value, k))
    mask = random.uniform(size=(T, S)) > blocked
    return Case(name, (query, key, value, k), {"mask": mask})


def _best_is_masked(seed):
    """Each query's best key is masked; the last query may see one key."""
    random = np.random.default_rng(seed)
    query, key = random.normal(size=(3, 4)), random.normal(size=(6, 4)) * 0.6
    scores = query @ key.T
    mask = scores < scores.max(-1, keepdims=True)
    mask[-1] = False
    mask[-1, 2] = True
    value = random.normal(size=(6, 2))
    return Case(
        "masked keys score best", (query, key, value, 3), {"mask": mask}
    )


def _nothing_allowed(seed):
    random = np.random.default_rng(seed)
    query, key = random.normal(size=(3, 2)), random.normal(size=(5, 2))
    mask = np.array([[1, 1, 0, 1, 1], [0] * 5, [0, 1, 1, 1, 0]], bool)
    value = random.normal(size=(5, 3))
    return Case(
        "one query may attend to nothing",
        (query, key, value, 2),
        {"mask": mask},
    )


def _ties():
    query = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    key = np.array(
        [[1.0, 0.0], [2.0, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]
    )
    value = np.arange(15.0).reshape(5, 3) / 10
    return Case("keys that tie", (query, key, value, 2))


def _top_k_keeps_k(answer):
    """At most k keys weigh, and they sum to 1, on a size not seen before."""
    random = np.random.default_rng(19)
    query, key = random.normal(size=(7, 3)), random.normal(size=(23, 3))
    _, weights = answer(query, key, random.normal(size=(23, 2)), 5)
    kept = (weights > 0).sum(-1)
    return bool(np.all(kept == 5)) and np.allclose(weights.sum(-1), 1)


def _worse_keys_cannot_matter(answer):
    random = np.random.default_rng(20)
    query, key = random.uniform(size=(4, 3)), random.uniform(size=(9, 3))
    value = random.normal(size=(9, 2))
    far = np.concatenate([key, -key[:3]])
    more = np.concatenate([value, 100 * value[:3]])
    output, _ = answer(query, key, value, 4)
    same, _ = answer(query, far, more, 4)
    return np.allclose(output, same)


_TOP_K = Exercise(
    "00-top-k-lookup",
    "Look up the k best",
    points=4,
    reference=_top_k,
    cases=[
        Case(
            "the worked example",
            (
                np.array([[1.0, 0.0]]),
                np.log([[2.0, 1.0], [1.0, 9.0], [3.0, 1.0], [6.0, 1.0]]),
                np.array([[10.0], [20.0], [30.0], [60.0]]),
                2,
            ),
        ),
        _top_k_case("no mask", 3, 5, 2, 4, 2, seed=11),
        _ties(),
        _top_k_case("some keys masked", 4, 7, 3, 2, 3, seed=12, blocked=0.4),
        _best_is_masked(seed=13),
        _nothing_allowed(seed=14),
        _top_k_case("k = 1", 2, 6, 3, 1, 1, seed=15, blocked=0.2),
        _top_k_case("k = S", 3, 4, 2, 5, 4, seed=16),
        _top_k_case("one query, one key", 1, 1, 1, 1, 1, seed=17),
        _top_k_case("T = S = d_k = d_v", 4, 4, 4, 4, 2, seed=18),
    ],
    mistakes=[
        Mistake(
            name,
            sentence,
            partial(_top_k, mistake=mistake),
            look,
            also=tuple(
                partial(_top_k, mistake=other)
                for other in ("the end of an order", "any tie")
                if mistake == "last tie"
            ),
        )
        for mistake, name, sentence, look in [
            (
                "not renormalised",
                "weights that are cut, not shared anew",
                "The softmax runs over all keys, and the weights of the "
                "others are cut off after: the rows sum to less than 1.",
                "Choose first, then let the softmax see only the chosen.",
            ),
            (
                "zeros",
                "a score of 0 for the rejected",
                "The rejected keys get a score of 0, and exp(0) = 1: they "
                "still weigh.",
                "Which score has an exponential of 0? Or use masked_softmax.",
            ),
            (
                "masked late",
                "masked keys take a place",
                "The k best are chosen before the mask is used, so a masked "
                "key can take a place among them.",
                "Masked keys must be out before you sort.",
            ),
            (
                "unmasked",
                "the mask is not used",
                "Masked keys have weight: the mask has no effect.",
                "True = may attend. Where does your code read the mask?",
            ),
            (
                "scores of 0",
                "masked scores of 0",
                "It is as if the scores were multiplied by the mask: a "
                "masked key has a score of 0, beats all negative ones, and "
                "weighs.",
                "np.where(mask, scores, -np.inf) keeps it out.",
            ),
            (
                "inverted",
                "the mask is inverted",
                "The masked keys are used and the allowed ones are not.",
                "True = may attend. A mask needs no ~ before np.where keeps "
                "its scores.",
            ),
            (
                "worst",
                "the k worst",
                "These are the k keys with the lowest scores.",
                "np.argsort sorts upwards: the best stand last.",
            ),
            (
                "by size",
                "the largest in size",
                "The keys are ranked by the size of the score, so a key that "
                "points away from the query is chosen.",
                "A score of -3 is worse than a score of 0: no np.abs.",
            ),
            (
                "last tie",
                "a tie goes to the later key",
                "Among equal scores you took a later key. The rule says the "
                "earlier.",
                "argsort(scores)[:, -k:] takes ties from the end, and without "
                "kind='stable' in no fixed order. Sort -scores, with "
                "kind='stable'.",
            ),
            (
                "all ties",
                "ties let in more than k",
                "All keys that tie with the k-th are kept, so more than k "
                "weigh.",
                "A threshold cannot tell ties apart: choose places, not a "
                "threshold.",
            ),
            (
                "one more",
                "k + 1 keys",
                "One key too many is kept.",
                "Count: order[:, :k] are the places 0 to k - 1.",
            ),
            (
                "one less",
                "k - 1 keys",
                "One key too few is kept.",
                "Count: order[:, :k] are the places 0 to k - 1.",
            ),
            (
                "shared",
                "the first query chooses for all",
                "All queries use the keys that the first one chose.",
                "Each row of scores has its own order: sort along axis -1, "
                "and index with np.take_along_axis or np.put_along_axis.",
            ),
            (
                "over queries",
                "a softmax over the queries",
                "The columns sum to 1. Each query must spend 1 over the keys.",
                "The axis of the softmax: weights are (T, S), keys last.",
            ),
            (
                "equal shares",
                "the chosen share alike",
                "The k best all get the same weight. They are to be weighed "
                "by a softmax of their scores.",
                "Your weights look only at who is chosen, not at the score.",
            ),
            (
                "scaled",
                "a scale that nobody asked for",
                "The scores are divided by √d_k. Here the score is the plain "
                "dot product.",
                "query @ key.T, and nothing more.",
            ),
            (
                "uniform",
                "nothing allowed taken for everything",
                "A query that may attend to nothing spreads its weight over "
                "all keys. Its weights should be 0.",
                "The row where the mask is False throughout.",
            ),
            (
                "nan",
                "a softmax of nothing",
                "A query that may attend to nothing has only scores of -inf, "
                "and their softmax is 0/0. Its weights should be 0.",
                "masked_softmax from the chapter handles such rows; softmax "
                "does not.",
            ),
            (
                "-1e9",
                "-1e9 in place of -inf",
                "A query that may attend to nothing shares its weight among "
                "the first k keys: all scores are -1e9. Its weights should "
                "be 0.",
                "Mask with -np.inf, and use masked_softmax.",
            ),
        ]
    ],
    right_answers=[
        _top_k_by_loops,
        _top_k_by_rank,
        _top_k_by_threshold,
        _top_k_in_single_precision,
    ],
    properties=[
        Property(
            "With 23 keys and k = 5, five keys weigh and sum to 1.",
            _top_k_keeps_k,
        ),
        Property(
            "Keys that are worse than the k best change nothing.",
            _worse_keys_cannot_matter,
        ),
    ],
    tolerance=1e-6,
    outputs=("output", "weights"),
    axes={"output": "T d_v", "weights": "T S"},
    fresh=anew(
        _top_k_case,
        T=(2, 5),
        S=(2, 8),
        d_k=(1, 4),
        d_v=(1, 4),
        k=up_to("S"),
        blocked=[None, 0.3, 0.6],
    ),
)


# ---------------------------------------- 4. The temperature of a wanted focus


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


def _fixed_range(scores, target, low, high):
    for _ in range(60):
        middle = (low + high) / 2
        if entropy(softmax(scores, middle)) < target:
            low = middle
        else:
            high = middle
    return middle


def _overflows(scores, target):
    low, high = 1e-4 * np.ptp(scores), 1e4 * np.ptp(scores)
    for _ in range(100):
        middle = np.sqrt(low * high)
        with np.errstate(all="ignore"):
            powers = np.exp(scores / middle)
            weights = powers / powers.sum()
            spread = -(weights * np.log(weights)).sum()
        if spread < target:
            low = middle
        else:
            high = middle
    return middle


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
    found = float(answer(scores, 2.0))
    return found > 0 and abs(entropy(softmax(scores, found)) - 2.0) < 1e-4


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
    return Case(name, (scores, share * np.log(S)))


_TEMPERATURE = Exercise(
    "00-temperature-for-entropy",
    "Set the temperature by the focus wanted",
    points=3,
    reference=temperature_by_bisection,
    cases=[
        Case(
            "the worked example",
            (np.log([1.0, 3.0]), 2 * np.log(2) - 0.75 * np.log(3)),
        ),
        Case("five keys", (np.array([0.5, -1.0, 2.0, 0.0, 1.2]), 1.1)),
        Case("two keys tie", (np.array([2.0, 2.0, 0.0, -1.0]), 0.9)),
        Case("close to uniform", (np.array([0.0, 1.0, 2.0]), 1.098)),
        Case("scores close together", (np.array([0.1, 0.1003, 0.1007]), 0.5)),
        Case("large scores", (np.array([-900.0, 100.0, 700.0, 730.0]), 1.2)),
        Case(
            "64 keys", (np.random.default_rng(21).normal(size=64), np.log(8))
        ),
    ],
    mistakes=[
        Mistake(
            "one over the temperature",
            "This is 1 / temperature: your search scales the scores up "
            "where it should divide.",
            _one_over,
            "softmax(scores / temperature): a high temperature is a flat "
            "softmax.",
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
            "not a share of the most possible.",
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
            "the search walks the wrong way",
            "It is as if the search kept the wrong half each time: it ends "
            "at one end of its range.",
            partial(_temperature, upward=False),
            "Which way round is the comparison, and what does your entropy "
            "return? Entropy too low means too cold: then low must move up.",
            shows=_is_an_end_of_a_range,
        ),
        Mistake(
            "entropy with its sign lost",
            "It is as if your entropy were negative: always below the "
            "target, so that the search runs to the top of its range.",
            _plus_log,
            "Entropy is minus the sum of α ln α.",
        ),
        Mistake(
            "too few steps",
            "The search stops too early: the temperature is close, but not "
            "to six digits.",
            partial(_temperature, steps=20),
            "Halve until the range is small against the temperature, or 100 "
            "times.",
        ),
        Mistake(
            "exponentials that overflow",
            "With large scores the exponentials overflow to inf, and the "
            "comparison with NaN is always False.",
            _overflows,
            "Subtract the largest score first, as the package's softmax does.",
        ),
        Mistake(
            "the entropy is returned",
            "This is the entropy, not the temperature that gives it.",
            _gives_the_entropy,
            "The return line.",
        ),
        Mistake(
            "a range that does not reach the answer",
            "It is as if the answer lay outside the range that you search.",
            partial(_fixed_range, low=0.001, high=10),
            "Scores have a unit. Let the range grow with the spread of the "
            "scores: scores.max() - scores.min().",
            also=tuple(
                partial(_fixed_range, low=low, high=high)
                for low in (1e-6, 1e-4, 0.001, 0.01, 0.1)
                for high in (10, 100, 1000)
            ),
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
            "The softmax at your temperature has the entropy asked for, "
            "also where scores differ by a thousandth.",
            _is_right_in_a_small_unit,
            "Six digits have to be right, not six places after the point.",
        ),
    ],
    tolerance=1e-5,
    fresh=anew(
        _temperature_case,
        S=(2, 40),
        share=(0.3, 0.9),
        scale=[0.01, 1.0, 100.0],
    ),
)


# ------------------------------------------ 5. Measure what length does

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


_CONCLUDE = Exercise(
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


# ---------------------------------- 6. Backward through softmax, no matrix


def _vjp(weights, upstream, temperature=1.0, mistake=None):
    product = weights * upstream
    if mistake == "whole array":
        total = product.sum()
    elif mistake == "first axis":
        total = product.sum(0, keepdims=True)
    elif mistake == "plain mean":
        total = upstream.mean(-1, keepdims=True)
    elif mistake == "sum of upstream":
        total = upstream.sum(-1, keepdims=True)
    else:
        total = product.sum(-1, keepdims=True)
    gradient = weights * (upstream - total)
    if mistake == "weights forgotten":
        gradient = upstream - total
    elif mistake == "product alone":
        gradient = product
    elif mistake == "diagonal alone":
        gradient = product * (1 - weights)
    elif mistake == "sign":
        gradient = -gradient
    if mistake == "temperature forgotten":
        return gradient
    if mistake == "temperature multiplied":
        return gradient * temperature
    if mistake == "temperature squared":
        return gradient / temperature**2
    return gradient / temperature


def _vjp_with_matrix(weights, upstream, temperature=1.0):
    identity = np.eye(weights.shape[-1])
    jacobian = weights[..., :, None] * (identity - weights[..., None, :])
    return np.einsum("...ij,...i->...j", jacobian, upstream) / temperature


def _vjp_by_loops(weights, upstream, temperature=1.0):
    gradient = np.empty(weights.shape)
    for place in np.ndindex(weights.shape[:-1]):
        row, change = weights[place], upstream[place]
        mean = sum(w * g for w, g in zip(row, change, strict=True))
        for s in range(len(row)):
            gradient[(*place, s)] = row[s] * (change[s] - mean) / temperature
    return gradient


def _vjp_by_einsum(weights, upstream, temperature=1.0):
    mean = np.einsum("...s,...s->...", weights, upstream)[..., None]
    return (weights * upstream - mean * weights) / temperature


def _vjp_case(name, shape, temperature, seed, masked=0.0):
    random = np.random.default_rng(seed)
    scores = random.normal(size=shape)
    mask = random.uniform(size=shape) >= masked
    weights = masked_softmax(scores, mask, temperature)
    upstream = random.normal(size=shape)
    return Case(name, (weights, upstream), {"temperature": temperature})


def _builds_no_matrix(answer):
    """Peak memory on rows of 600 keys: the Jacobian would take 600 times."""
    random = np.random.default_rng(37)
    weights = softmax(random.normal(size=(4, 600)))
    upstream = random.normal(size=(4, 600))
    with peak_memory(answer) as peak:
        answer(weights, upstream, temperature=0.9)
    return peak.amount < 60 * weights.nbytes


_VJP = Exercise(
    "00-softmax-vjp",
    "Backward through softmax without its matrix",
    points=4,
    reference=_vjp,
    cases=[
        Case(
            "the worked example",
            (np.array([0.25, 0.25, 0.5]), np.array([1.0, 3.0, 2.0])),
        ),
        _vjp_case("one row, temperature 2", (5,), 2.0, seed=31),
        _vjp_case("three rows", (3, 4), 0.5, seed=32),
        _vjp_case("a batch with masked keys", (2, 3, 5), 1.5, 33, masked=0.4),
        _vjp_case("one key", (2, 1), 1.0, seed=34),
        _vjp_case("as many rows as keys", (4, 4), 0.7, seed=35),
        _vjp_case("a long row", (4, 1024), 0.8, seed=36),
    ],
    mistakes=[
        Mistake(name, sentence, partial(_vjp, mistake=mistake), look)
        for mistake, name, sentence, look in [
            (
                "temperature forgotten",
                "the temperature is forgotten",
                "The gradient is right at temperature 1 alone.",
                "Softmax sees scores / temperature. The chain rule gives one "
                "more factor.",
            ),
            (
                "temperature multiplied",
                "times the temperature",
                "The gradient is multiplied by the temperature.",
                "The derivative of scores / temperature is 1 / temperature.",
            ),
            (
                "temperature squared",
                "the temperature twice",
                "The gradient is divided by the temperature twice. The "
                "weights hold one temperature already.",
                "weights are given as they are: one factor is enough.",
            ),
            (
                "diagonal alone",
                "only the diagonal of the Jacobian",
                "Each weight is treated as if it hung on its own score only: "
                "α (1 - α) g.",
                "Raising one score lowers all other weights: the term with "
                "the sum is missing.",
            ),
            (
                "product alone",
                "the sum is missing",
                "This is weights * upstream. The second term of the "
                "Jacobian, -α αᵀ, is missing.",
                "Multiply diag(α) - α αᵀ by the upstream on paper.",
            ),
            (
                "weights forgotten",
                "the weights in front are missing",
                "This is upstream minus its mean, not yet times the weights.",
                "A key of weight 0 must get gradient 0.",
            ),
            (
                "plain mean",
                "a plain mean",
                "You subtract the plain mean of the upstream. It is to be "
                "weighed by the weights.",
                "αᵀ g is a sum of weights * upstream.",
            ),
            (
                "sum of upstream",
                "a sum without weights",
                "You subtract the sum of the upstream, without the weights.",
                "αᵀ g is a sum of weights * upstream.",
            ),
            (
                "whole array",
                "one sum for the whole array",
                "The sum runs over all rows, so each row's gradient hangs on "
                "the others.",
                "Sum over the last axis, with keepdims=True.",
            ),
            (
                "first axis",
                "a sum over the wrong axis",
                "The sum runs over the first axis. The keys are the last.",
                "sum(axis=-1, keepdims=True).",
            ),
            (
                "sign",
                "the wrong sign",
                "Every sign is turned round: this gradient walks uphill.",
                "diag(α) - α αᵀ: the diagonal comes with a plus.",
            ),
        ]
    ]
    + [
        Mistake(
            "the matrix is built",
            "The gradient is right, but your code forms the Jacobian, S "
            "numbers for each weight.",
            _vjp_with_matrix,
            "Multiply diag(α) - α αᵀ by g on paper: what is left is one "
            "product and one sum.",
        )
    ],
    right_answers=[_vjp_by_loops, _vjp_by_einsum],
    properties=[
        Property(
            "Memory stays a small multiple of the weights.",
            _builds_no_matrix,
        )
    ],
    tolerance=1e-6,
    fresh=anew(
        _vjp_case,
        shape=lambda random, _: tuple(
            random.integers(2, 7, random.integers(1, 4)).tolist()
        ),
        temperature=(0.5, 2.0),
        masked=[0.0, 0.4],
    ),
)


EXERCISES = {
    exercise.grade_id: exercise
    for exercise in (
        _PREDICT,
        _REGRESSION,
        _TOP_K,
        _TEMPERATURE,
        _CONCLUDE,
        _VJP,
    )
}

check_predict = _PREDICT.check
check_epanechnikov_regression = _REGRESSION.check
check_top_k_lookup = _TOP_K.check
check_temperature_for_entropy = _TEMPERATURE.check
check_conclude = _CONCLUDE.check
check_softmax_vjp = _VJP.check


def points_so_far():
    """Print the points of each exercise of chapter 00, and their total."""
    _points_so_far(EXERCISES)
