"""Exercise 00.2: Repair a kernel regression."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np

from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import named
from attnbook.judging.planted_bugs import bugs_left
from attnbook.judging.unrepaired import unrepaired
from attnbook.mechanisms.soft_lookup import softmax

_BUGS = {
    "city-block": (
        "distance along the axes",
        "The distance sums the absolute differences. It should be the "
        "straight line: the root of the sum of squares.",
        "The line that makes the distance. For queries with one number both "
        "distances agree, for two numbers they do not.",
    ),
    "triangle": (
        "the kernel is a triangle",
        "The kernel falls in a straight line, 1 - u. Epanechnikov's is a "
        "parabola, 1 - u².",
        "Compare the line that makes the kernel with the formula.",
    ),
    "unclipped": (
        "negative weights",
        "Keys farther than the width get a negative weight: the kernel is "
        "not cut off at 0.",
        "What does the formula say if u is above 1?",
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
        "You divide by a total of 0, and 0/0 is NaN. A query with no key "
        "within the width should get weights and an output of 0.",
        "Look at the total before you divide by it.",
    ),
}

# Of several bugs, the one whose symptom the first failing case shows is
# told: on keys of one number, as in the worked example, all distances agree.
_FIRST_TO_SHOW = ("empty", "queries", "unclipped", "triangle", "city-block")


def _epanechnikov(query, key, value, width):
    difference = query[:, None] - key  # (T, S, d_k)
    distance = np.sqrt((difference**2).sum(-1))  # (T, S)
    kernel = np.maximum(1 - (distance / width) ** 2, 0)  # (T, S)
    total = kernel.sum(-1, keepdims=True)  # (T, 1)
    weights = kernel / np.where(total == 0, 1, total)
    return weights @ value, weights


def _draft(query, key, value, width, bugs):
    """The notebook's draft, with some of its bugs or another mistake."""
    difference = query[:, None] - key  # (T, S, d_k)
    if "city-block" in bugs:
        distance = np.abs(difference).sum(-1)  # (T, S)
    else:
        distance = np.sqrt((difference**2).sum(-1))  # (T, S)
    if "no root" in bugs:
        distance = distance**2
    u = distance / width
    if "width not squared" in bugs:
        u = distance / np.sqrt(width)
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


def _slip_beside_bugs(mistake, name, bugs):
    """One line mended with a slip, and one or two bugs left elsewhere."""
    left = bugs_left(bugs, _BUGS, _draft, told_first=_FIRST_TO_SHOW)
    return replace(
        left,
        name=f"{left.name}, and {name}",
        sentence=f"{left.sentence} And it looks as if {name}.",
        answer=partial(_draft, bugs=(*bugs, mistake)),
        bugs=len(bugs) + 1,
    )


def _slips_beside_bugs():
    others = [
        *combinations(("unclipped", "queries", "empty"), 1),
        ("unclipped", "queries"),
        ("queries", "empty"),
    ]
    names = {
        "width not squared": "the width is not squared",
        "no root": "the root is forgotten",
    }
    return [
        _slip_beside_bugs(mistake, name, bugs)
        for mistake, name in names.items()
        for bugs in others
    ]


def _mistaken(query, key, value, width, mistake):
    """The same with a mistake."""
    if mistake == "row by row":
        squared = ((query - key) ** 2).sum(-1)
    difference = query[:, None] - key  # (T, S, d_k)
    squared = (difference**2).sum(-1)  # (T, S)
    if mistake == "transposed":
        squared = (query - key.T) ** 2
    elif mistake == "mean":
        squared = (difference**2).mean(-1)
    elif mistake == "longest axis":
        squared = (difference**2).max(-1)
    elif mistake == "first number":
        squared = difference[..., 0] ** 2
    elif mistake == "one norm":
        squared = np.linalg.norm(difference) ** 2
    u2 = squared / width**2
    if mistake == "square of the triangle":
        kernel = np.maximum(1 - np.sqrt(u2), 0) ** 2
    elif mistake == "width not squared":
        kernel = np.maximum(1 - squared / width, 0)
    elif mistake == "no root":
        kernel = np.maximum(1 - (squared / width) ** 2, 0)
    elif mistake == "gaussian":
        kernel = np.exp(-u2 / 2)
    elif mistake == "squared":
        kernel = np.maximum(1 - u2, 0) ** 2
    elif mistake == "all alike":
        kernel = np.where(u2 < 1, 1.0, 0.0)
    elif mistake == "turned up":
        kernel = np.abs(1 - u2)
    elif mistake.startswith("width times"):
        kernel = np.maximum(1 - u2 / float(mistake.split()[2]) ** 2, 0)
    elif mistake == "cut at the width":
        kernel = np.where(np.sqrt(u2) < width, 1 - u2, 0)
    elif mistake == "no width":
        kernel = np.maximum(1 - squared, 0)
    else:
        kernel = np.maximum(1 - u2, 0)
    if mistake == "softmax of the kernel":
        weights = softmax(kernel)
        return weights @ value, weights
    total = kernel.sum(-1, keepdims=True)  # (T, 1)
    if mistake == "axis lost":
        total = kernel.sum(-1)  # (T,)
    elif mistake == "if":
        total = 1 if total == 0 else total
    if mistake == "clipped late":
        kernel = 1 - u2
        total = kernel.sum(-1, keepdims=True)
        weights = np.maximum(kernel / total, 0)
    elif mistake == "NaN kept":
        with np.errstate(invalid="ignore"):
            weights = kernel / total
        return np.nan_to_num(weights @ value), weights
    elif mistake == "uniform":
        weights = np.where(
            total == 0, 1 / len(key), kernel / np.where(total == 0, 1, total)
        )
    elif mistake == "not normalised":
        weights = kernel
    elif mistake == "floor":
        weights = kernel / np.maximum(total, 1)
    elif mistake == "one total":
        weights = kernel / max(kernel.sum(), 1e-12)
    elif mistake == "largest":
        top = kernel.max(-1, keepdims=True)
        weights = kernel / np.where(top == 0, 1, top)
    elif mistake == "key":
        weights = kernel / np.where(total == 0, 1, total)
        return weights @ key, weights
    elif mistake.startswith("epsilon"):
        weights = kernel / (total + float(mistake.split()[1]))
    else:
        weights = kernel / np.where(total == 0, 1, total)
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


_OTHER_MISTAKES = [
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
        "You divide the squared distance by the width. Divide the "
        "distance by the width first, then square.",
        "u is distance / width. So u² is squared distance / width².",
    ),
    (
        "softmax of the kernel",
        "a softmax of the kernel",
        "You put the kernel through a softmax. A kernel is never negative: "
        "divide it by its sum, without an exponential.",
        "The line that makes the weights. With a softmax, keys "
        "beyond the width still get weight.",
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
        "over all keys. All its weights should be 0.",
        "What does your code do if the total is 0?",
    ),
    (
        "NaN kept",
        "weights that are still NaN",
        "The output is set to 0 where nothing is in reach, but the weights "
        "are left as NaN.",
        "Set the weights to 0: their product with the values is then 0 too.",
    ),
    (
        "not normalised",
        "weights that are not divided",
        "The kernel is used as it is: its rows do not sum to 1.",
        "Divide the kernel by its sum over the keys.",
    ),
    (
        "epsilon 0.01",
        "a constant in the denominator",
        "You add a constant to the total to avoid a division by 0, "
        "and it takes weight away from every row.",
        "Treat only the rows with a total of 0, with np.where.",
        "epsilon 1",
        "epsilon 0.1",
        "epsilon 0.001",
        "epsilon 0.0001",
        "epsilon 0.00001",
        "epsilon 0.000001",
    ),
    (
        "floor",
        "a total that is held at 1",
        "If the kernel sums to less than 1, you divide by 1. The "
        "weights then sum to less than 1.",
        "Replace only a total of 0: np.where(total == 0, 1, total).",
    ),
    (
        "one total",
        "one total for all queries",
        "The weights of all queries together sum to 1. Each row should.",
        "kernel.sum(-1, keepdims=True) is one total for each query.",
    ),
    (
        "largest",
        "divided by the largest",
        "You divide the kernel by the largest entry of its row, not by the "
        "sum.",
        "The line that makes the weights.",
    ),
    (
        "no root",
        "the root is forgotten",
        "You use the sum of squares as the distance, and then square it "
        "once more.",
        "The distance is the root of the sum of squares.",
    ),
    (
        "mean",
        "a mean of squares",
        "The squares are averaged over the axes. The distance is the root "
        "of their sum.",
        "For keys of one number, sum and mean agree. For two they do not.",
    ),
    (
        "longest axis",
        "the distance along the longest axis",
        "The distance is the largest difference of one axis. It should be "
        "the straight line: the root of the sum of squares.",
        "The line that makes the distance.",
    ),
    (
        "first number",
        "the distance along the first axis",
        "Your distance uses only the first number of a key.",
        "query[:, None] - key is (T, S, d_k): sum its squares over axis -1.",
    ),
    (
        "gaussian",
        "a Gaussian kernel",
        "This is the kernel of the chapter. It never reaches 0.",
        "The formula of the exercise: max(0, 1 - u²).",
    ),
    (
        "squared",
        "the kernel is squared",
        "The kernel is (1 - u²)². Epanechnikov's is 1 - u².",
        "The line that makes the kernel.",
    ),
    (
        "all alike",
        "all keys in reach weigh alike",
        "Your kernel is 1 within the width and 0 beyond it. It should fall "
        "from 1 to 0.",
        "The formula of the exercise: max(0, 1 - u²).",
    ),
    (
        "turned up",
        "a kernel that rises again",
        "Beyond the width your kernel is u² - 1. It should be cut off at 0 "
        "there.",
        "np.maximum(0, …), not np.abs.",
    ),
    (
        f"width times {2**0.5}",
        "a factor beside the width",
        "It is as if the width were multiplied by a number. The factor 2 in "
        "2 width² belongs to the Gaussian kernel.",
        "u is distance / width, so u² is squared distance / width².",
        "width times 2",
        "width times 0.5",
    ),
    (
        "cut at the width",
        "u cut off at the width",
        "You compare u with the width. But u is already divided by the width: "
        "the kernel ends at u = 1.",
        "Compare the distance with the width, or u with 1.",
    ),
    (
        "no width",
        "the width is not used",
        "The distance is not divided by the width.",
        "u is distance / width.",
    ),
    (
        "key",
        "keys averaged in place of values",
        "Your output is an average of the keys. The keys are for the match; "
        "average the values.",
        "The last product.",
    ),
]

_RAISING = [
    (
        "row by row",
        "queries that do not meet all keys",
        "query - key subtracts row from row, and query - key.T is right only "
        "for keys of one number. You need a difference for each query and "
        "each key: T × S of them.",
        "query[:, None] - key is (T, S, d_k).",
        "transposed",
    ),
    (
        "axis lost",
        "totals that lost their axis",
        "The sum over the keys is (T,). You cannot divide a (T, S) array by "
        "it, and if T = S you divide along the wrong axis.",
        "kernel.sum(axis=-1, keepdims=True) is (T, 1).",
    ),
    (
        "one norm",
        "one distance for all",
        "The norm runs over all queries and keys, and gives one number. "
        "Each query has a distance to each key.",
        "np.linalg.norm(difference, axis=-1) is (T, S).",
    ),
    (
        "if",
        "an if on many totals",
        "There is one total for each query, but `if` needs one answer.",
        "np.where(total == 0, 1, total) decides for each total.",
    ),
]

EXERCISE = Exercise(
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
    mistakes=unrepaired(
        _BUGS,
        _draft,
        never_together={"unclipped", "empty"},
        told_first=_FIRST_TO_SHOW,
    )
    + [
        # Fully mended, with one other slip: worth as much as one bug left.
        replace(mistake, bugs=1)
        for mistake in named(_mistaken, _OTHER_MISTAKES)
    ]
    + _slips_beside_bugs()
    + named(_mistaken, _RAISING),
    right_answers=[
        _regression_by_loops,
        _regression_by_einsum,
        _regression_with_epsilon,
    ],
    properties=[
        Property(
            "If keys and values change places together, their weights move "
            "with them.",
            _regression_is_equivariant,
            "Does your code depend on the place of a key in the list?",
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
    parts=[
        Part("two", "two of the five bugs fixed", 1, mended=2),
        Part("three", "three of the five bugs fixed", 1, mended=3),
        Part("four", "four of the five bugs fixed", 1, mended=4),
        Part("five", "all five bugs fixed, nothing else broken", 1, mended=5),
    ],
)
