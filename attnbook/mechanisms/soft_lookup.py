"""Soft look-up in NumPy: match a query with keys, weigh, sum the values.

The finished form of what chapter 00 builds. Arrays are NumPy arrays, or
anything that `numpy.asarray` takes. One shelf of S keys serves any number
of queries: query (..., d_k), key (S, d_k), value (S,) or (S, d_v).
"""

from functools import partial

import numpy as np

__all__ = [
    "dot_score",
    "entropy",
    "gaussian_score",
    "kernel_regression",
    "masked_softmax",
    "soft_lookup",
    "softmax",
    "softmax_jacobian",
]


def softmax(scores, temperature=1.0, axis=-1):
    """Turn scores into weights that are positive and sum to 1 along axis.

    Shapes: scores (any) to weights (the same). Temperature has the unit of
    the scores. A score of -inf gets weight 0.

    Raises:
        ValueError: the temperature is not a finite number above 0, or
            there is no score along the axis.

    The distribution of Boltzmann (1868); named softmax by Bridle (1990).
    """
    _check_positive("temperature", temperature)
    _check_scores(scores, axis)
    scores = np.asarray(scores)
    shifted = scores - scores.max(axis=axis, keepdims=True)
    weights = np.exp(shifted / temperature)
    return weights / weights.sum(axis=axis, keepdims=True)


def masked_softmax(scores, mask=None, temperature=1.0, axis=-1):
    """Softmax over the allowed scores; the others get weight exactly 0.

    Shapes: scores (any), mask boolean and broadcastable to scores, True =
    may attend. A row with nothing allowed gets weights 0 throughout, as in
    torch's `F.scaled_dot_product_attention`.

    Raises:
        ValueError: as `softmax`, or the mask does not broadcast to scores.
        TypeError: the mask is not boolean.

    Vaswani et al. (2017), section 3.2.3: masked scores are set to -inf.
    """
    _check_positive("temperature", temperature)
    _check_scores(scores, axis)
    _check_mask(mask, np.shape(scores))
    if mask is None:
        mask = True
    allowed = np.where(mask, scores, -np.inf)
    top = allowed.max(axis=axis, keepdims=True)
    top = np.where(top == -np.inf, 0.0, top)
    weights = np.exp((allowed - top) / temperature)
    total = weights.sum(axis=axis, keepdims=True)
    return weights / np.where(total == 0.0, 1.0, total)


def softmax_jacobian(weights):
    """Give the derivative of softmax at its own output: diag(p) - p p^T.

    Shapes: weights (..., S) to (..., S, S); entry i, j is the change of
    weight i per unit of score j at temperature 1. Divide by the
    temperature for any other.

    Raises:
        ValueError: weights has no axis, or is negative somewhere.

    Bishop (2006), Pattern Recognition and Machine Learning, equation 4.106.
    """
    _check_weights(weights)
    weights = np.asarray(weights)
    identity = np.eye(weights.shape[-1], dtype=weights.dtype)  # (S, S)
    spread = identity - weights[..., None, :]  # (..., S, S)
    return weights[..., :, None] * spread  # (..., S, S)


def entropy(weights, axis=-1):
    """Measure how spread the weights are: 0 for one key, log S for all.

    Shapes: weights (any) to the same without axis. Unit: nats.

    Raises:
        ValueError: weights has no axis, or is negative somewhere.

    Shannon (1948), section 6.
    """
    _check_weights(weights)
    weights = np.asarray(weights)
    positive = np.where(weights > 0, weights, 1.0)  # 0 log 0 counts as 0
    return 0.0 - (weights * np.log(positive)).sum(axis=axis)


def dot_score(query, key):
    """Score each key by its dot product with the query.

    Shapes: query (..., d_k), key (S, d_k) to scores (..., S).

    Raises:
        ValueError: the shapes do not fit.
    """
    _check_query_and_key(query, key)
    return np.asarray(query) @ np.asarray(key).T  # (..., S)


def gaussian_score(query, key, width):
    """Score each key by minus its squared distance over 2 width^2.

    Shapes: query (..., d_k), key (S, d_k) to scores (..., S). Width has
    the unit of query and key. Its exponential is the Gaussian kernel.

    Raises:
        ValueError: the shapes do not fit, or width is not above 0.

    Nadaraya (1964); Watson (1964), with a Gaussian kernel.
    """
    _check_positive("width", width)
    _check_query_and_key(query, key)
    query, key = np.asarray(query), np.asarray(key)
    difference = query[..., None, :] - key  # (..., S, d_k)
    squared = (difference**2).sum(axis=-1)  # (..., S)
    return -squared / (2 * width**2)


def soft_lookup(
    query, key, value, score=dot_score, mask=None, temperature=1.0
):
    """Match the query with each key, weigh, and sum the values.

    Shapes: query (..., d_k), key (S, d_k), value (S,) or (S, d_v), mask
    boolean and broadcastable to (..., S), True = may attend. Returns
    (output, weights) of shapes (...,) or (..., d_v), and (..., S). A query
    that may attend to nothing gets output 0.

    Raises:
        ValueError: the shapes do not fit, or temperature is not above 0.
        TypeError: the mask is not boolean.

    Bahdanau et al. (2015), equations 5 and 6, for any score function.
    """
    _check_query_and_key(query, key)
    _check_value(value, key)
    scores = score(query, key)  # (..., S)
    weights = masked_softmax(scores, mask, temperature)  # (..., S)
    output = weights @ np.asarray(value)  # (..., d_v)
    return output, weights


def kernel_regression(query, key, value, width):
    """Predict at each query the average of values, nearer keys more.

    Shapes: query (..., d_k), key (S, d_k), value (S,) or (S, d_v).
    Returns (output, weights) as `soft_lookup`. Width has the unit of
    query and key.

    Raises:
        ValueError: the shapes do not fit, or width is not above 0.

    Nadaraya (1964); Watson (1964).
    """
    score = partial(gaussian_score, width=width)
    return soft_lookup(query, key, value, score)


def _check_positive(name, number):
    shape = np.shape(number)
    if shape != ():
        raise ValueError(f"{name} must be one number, got shape {shape}")
    if not (np.isfinite(number) and number > 0):
        raise ValueError(
            f"{name} must be a finite number above 0, got {number}"
        )


def _check_scores(scores, axis):
    shape = np.shape(scores)
    if not shape:
        raise ValueError(
            "scores must have at least one axis, expected shape (..., S), "
            "got shape ()"
        )
    if not -len(shape) <= axis < len(shape):
        raise ValueError(
            f"axis {axis} does not exist in scores of shape {shape}; "
            f"expected -{len(shape)} to {len(shape) - 1}"
        )
    if shape[axis] == 0:
        raise ValueError(
            f"scores must hold at least one score along axis {axis}, "
            f"got shape {shape}"
        )


def _check_mask(mask, shape):
    if mask is None:
        return
    mask = np.asarray(mask)
    if mask.dtype != bool:
        raise TypeError(
            f"mask must be boolean, True = may attend, got {mask.dtype}; "
            "write mask.astype(bool) if 1 means may attend"
        )
    try:
        fits = np.broadcast_shapes(mask.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"mask must broadcast to the shape of scores {shape}, "
            f"got shape {mask.shape}"
        )


def _check_weights(weights):
    weights = np.asarray(weights)
    if weights.ndim == 0:
        raise ValueError(
            "weights must have at least one axis, expected shape (..., S), "
            "got shape ()"
        )
    if (weights < 0).any():
        raise ValueError(
            "weights must not be negative, got a smallest weight of "
            f"{weights.min():.3g}; pass the output of softmax, not scores"
        )


def _check_query_and_key(query, key):
    query, key = np.shape(query), np.shape(key)
    if len(key) != 2 or key[0] == 0:
        raise ValueError(
            "key must have shape (S, d_k) with at least one key, "
            f"got shape {key}"
        )
    if not query or query[-1] != key[-1]:
        raise ValueError(
            f"query must have shape (..., {key[-1]}) to match key of shape "
            f"{key}, got shape {query}"
        )


def _check_value(value, key):
    value, count = np.shape(value), np.shape(key)[0]
    if len(value) not in (1, 2) or value[0] != count:
        raise ValueError(
            f"value must have shape ({count},) or ({count}, d_v), one value "
            f"for each key, got shape {value}"
        )
