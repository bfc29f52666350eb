"""Exercise 00.6: Backward through softmax without its matrix."""

from __future__ import annotations

from functools import partial

import numpy as np

from attnbook.judging.exercise import (
    Case,
    Exercise,
    Mistake,
    Part,
    Property,
)
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import named
from attnbook.judging.watching import peak_memory
from attnbook.mechanisms.soft_lookup import masked_softmax, softmax


def _vjp(weights, upstream, temperature=1.0):
    mean = (weights * upstream).sum(-1, keepdims=True)
    return weights * (upstream - mean) / temperature


def _mistaken(weights, upstream, temperature=1.0, *, mistake):
    """The same with a mistake."""
    if mistake == "taken for scores":
        weights = softmax(weights)
    elif mistake == "taken for scores at the temperature":
        weights = softmax(weights, temperature)
    elif mistake == "exchanged":
        weights, upstream = upstream, weights
    elif mistake == "temperature in the weights":
        with np.errstate(divide="ignore"):
            weights = softmax(np.log(weights), temperature)
    product = weights * upstream
    if mistake == "whole array":
        total = product.sum()
    elif mistake == "each matrix":
        total = product.sum((-2, -1)[-product.ndim :], keepdims=True)
    elif mistake == "all axes but the first":
        axes = tuple(range(1, product.ndim)) or -1
        total = product.sum(axes, keepdims=True)
    elif mistake == "first axis":
        total = product.sum(0, keepdims=True)
    elif mistake == "second axis":
        total = product.sum(1, keepdims=True)
    elif mistake == "axis lost":
        total = product.sum(-1)
    elif mistake == "dot":
        total = np.dot(weights, upstream)
    elif mistake == "matmul":
        total = weights @ upstream
    elif mistake == "matmul transposed":
        total = weights @ upstream.T
    elif mistake == "average":
        total = np.average(upstream, -1, weights, keepdims=True)
    elif mistake == "divided by their sum":
        with np.errstate(invalid="ignore"):
            total = product.sum(-1, keepdims=True)
            total = total / weights.sum(-1, keepdims=True)
    elif mistake == "mean of the product":
        total = product.mean(-1, keepdims=True)
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
    elif mistake == "added":
        gradient = weights * (upstream + total)
    elif mistake == "second without weights":
        gradient = product - total
    elif mistake == "weights twice":
        gradient = product - weights**2 * total
    elif mistake == "log softmax":
        gradient = upstream - weights * upstream.sum(-1, keepdims=True)
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


def _vjp_with_a_matrix_a_row(weights, upstream, temperature=1.0):
    gradient = np.empty(weights.shape)
    for place in np.ndindex(weights.shape[:-1]):
        row = weights[place]
        jacobian = np.diag(row) - np.outer(row, row)
        gradient[place] = jacobian @ upstream[place] / temperature
    return gradient


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


def _nothing_allowed():
    case = _vjp_case("a row with every key masked", (2, 2, 3), 0.8, seed=38)
    case.arguments[0][1, 0] = 0
    return case


def _builds_no_matrix(answer, seed=37, keys=1200):
    """Peak memory on rows of many keys, of which a Jacobian has as many."""
    random = np.random.default_rng(seed)
    weights = softmax(random.normal(size=(2, keys)))
    upstream = random.normal(size=(2, keys))
    right = _vjp(weights, upstream, 0.9)
    with peak_memory(answer) as peak:
        found = answer(weights, upstream, temperature=0.9)
    is_right = np.shape(found) == right.shape and np.allclose(found, right)
    return is_right and peak.amount < 50 * right.nbytes


def _builds_no_matrix_anew(seed):
    keys = int(np.random.default_rng(seed).integers(900, 1500))
    return partial(_builds_no_matrix, seed=seed, keys=keys)


def _one_axis_or_two(random, drawn):
    return tuple(random.integers(2, 7, random.integers(1, 3)).tolist())


def _three_axes(random, drawn):
    return tuple(random.integers(2, 7, 3).tolist())


def _long_rows(random, drawn):
    return tuple(random.integers((2, 500), (5, 1500)).tolist())


_MISTAKES = [
    (
        "temperature forgotten",
        "the temperature is forgotten",
        "The gradient is right only at temperature 1.",
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
        "weights already contain one temperature.",
        "Use weights as they are given: one factor is enough.",
    ),
    (
        "temperature in the weights",
        "a temperature on the weights",
        "You apply the temperature to `weights` as well. They already "
        "contain it.",
        "Take weights as they are; one factor 1 / temperature is left.",
    ),
    (
        "diagonal alone",
        "only the diagonal of the Jacobian",
        "You treat each weight as if it depended only on its own score: "
        "α (1 - α) g.",
        "If one score rises, all other weights fall: the term with "
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
        "You subtract the plain mean of the upstream. It should be the "
        "mean that is weighted by the weights.",
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
        "The sum runs over all rows, so each row's gradient depends on "
        "the others.",
        "Sum over the last axis, with keepdims=True.",
    ),
    (
        "each matrix",
        "one sum for each matrix",
        "In a batch (B, T, S) your sum runs over T and S: one number for all "
        "rows of a matrix. Each row needs its own number.",
        "Sum over the last axis only, with keepdims=True.",
        "all axes but the first",
    ),
    (
        "first axis",
        "a sum over the wrong axis",
        "The sum runs over the wrong axis. The keys are the last axis.",
        "sum(axis=-1, keepdims=True).",
        "second axis",
    ),
    (
        "axis lost",
        "the last axis is lost",
        "The sum has lost its last axis: it does not fit a batch, or it "
        "lies along the wrong axis if there are as many rows as keys.",
        "sum(axis=-1, keepdims=True).",
    ),
    (
        "dot",
        "one product for a batch",
        "np.dot and @ multiply matrices: right for one row, but not for a "
        "batch. A batch needs α·g for each row.",
        "(weights * upstream).sum(-1, keepdims=True).",
        "matmul",
        "matmul transposed",
    ),
    (
        "mean of the product",
        "a mean of the products",
        "You subtract the mean of weights * upstream. α·g is their sum, "
        "because the weights already sum to 1.",
        "sum in place of mean.",
    ),
    (
        "average",
        "a mean that divides by the weights",
        "np.average divides by the sum of the weights. That is 1, but 0 if "
        "a query may attend to nothing.",
        "(weights * upstream).sum(-1, keepdims=True) divides by nothing.",
        "divided by their sum",
    ),
    (
        "added",
        "the sum is added",
        "You add α·g, but it should be subtracted.",
        "The second term of diag(α) - α αᵀ has a minus sign.",
    ),
    (
        "second without weights",
        "the second term without weights",
        "You subtract α·g itself. The second term is α (α·g): each key's "
        "weight times the sum.",
        "Factor the weights out: α * (g - α·g).",
    ),
    (
        "weights twice",
        "the weights squared in the second term",
        "Your second term is α² (α·g). It should be α (α·g): the other α is "
        "already in the sum.",
        "Factor the weights out: α * (g - α·g).",
    ),
    (
        "log softmax",
        "the gradient of a log-softmax",
        "g - α Σg is the gradient of the logarithm of a softmax. Here the "
        "upstream belongs to the weights themselves.",
        "Multiply diag(α) - α αᵀ by g on paper.",
    ),
    (
        "taken for scores",
        "weights taken for scores",
        "You put `weights` through a softmax once more. They are already "
        "weights.",
        "No softmax is called here.",
        "taken for scores at the temperature",
    ),
    (
        "exchanged",
        "weights and upstream exchanged",
        "It is as if `weights` were the upstream and the upstream the "
        "weights.",
        "Which one stands in front of the bracket, weights or upstream?",
    ),
    (
        "sign",
        "the wrong sign",
        "Every sign is wrong: this is minus the gradient.",
        "In diag(α) - α αᵀ the diagonal has a plus sign.",
    ),
]

EXERCISE = Exercise(
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
        _nothing_allowed(),
        _vjp_case("one key", (2, 1), 1.0, seed=34),
        _vjp_case("as many rows as keys", (4, 4), 0.7, seed=35),
        _vjp_case("a long row", (4, 1024), 0.8, seed=36),
    ],
    mistakes=[
        *named(_mistaken, _MISTAKES),
        Mistake(
            "the matrix is built",
            "The gradient is right, but your code forms the Jacobian, S "
            "numbers for each weight.",
            _vjp_with_matrix,
            "Multiply diag(α) - α αᵀ by g on paper: what is left is one "
            "product and one sum.",
            also=(_vjp_with_a_matrix_a_row,),
        ),
    ],
    right_answers=[_vjp_by_loops, _vjp_by_einsum],
    properties=[
        Property(
            "Memory stays a small multiple of the weights.",
            _builds_no_matrix,
            anew=_builds_no_matrix_anew,
        )
    ],
    tolerance=1e-6,
    parts=[
        Part(
            "rows",
            "the gradient of one row and of several",
            2,
            tries=(
                "the worked example",
                "one row, temperature 2",
                "three rows",
                "as many rows as keys",
            ),
            fresh=anew(
                _vjp_case, shape=_one_axis_or_two, temperature=(0.5, 2.0)
            ),
        ),
        Part(
            "batches",
            "batches, with masked keys",
            1,
            tries=(
                "a batch with masked keys",
                "a row with every key masked",
                "one key",
            ),
            fresh=anew(
                _vjp_case,
                shape=_three_axes,
                temperature=(0.5, 2.0),
                masked=[0.2, 0.4],
            ),
        ),
        Part(
            "memory",
            "long rows in little memory",
            1,
            tries=(
                "a long row",
                "Memory stays a small multiple of the weights.",
            ),
            fresh=anew(_vjp_case, shape=_long_rows, temperature=(0.5, 2.0)),
        ),
    ],
)
