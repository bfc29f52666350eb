"""Weights behind a mask, right and with the mistakes of many exercises.

The right ones are written out here, because this package knows no mechanism;
a test compares them with the course's own.
"""

from __future__ import annotations

from collections.abc import Container

import torch
from torch import Tensor


def masked_weights(
    scores: Tensor,
    allowed: Tensor,
    mistakes: Container[str | None] = (),
    dim: int = -1,
) -> Tensor:
    """Softmax over the keys that may be attended to.

    Parameters
    ----------
    scores
        Any shape, with the queries on the last axis but one.
    allowed
        Boolean, broadcastable to the scores; True may be attended to.
    mistakes
        Of what is planted in an answer, the first of these counts:
        "late mask" (the mask comes after the softmax), "inverted" (True is
        taken for blocked), "unmasked", "over queries" (the softmax runs over
        the queries), and a wrong score for what is blocked: "zero score",
        "-1e9", or "nan" (-inf, even where that leaves a row nothing).
        Anything else makes no difference here.
    dim
        The axis of the keys.

    Returns
    -------
        Weights of the shape of the scores; without a mistake a row with
        nothing to attend to gets zeros.
    """
    if "late mask" in mistakes:
        return scores.softmax(dim) * allowed
    if "unmasked" in mistakes:
        return scores.softmax(dim)
    for mistake, score in _WRONG_SCORES.items():
        if mistake in mistakes:
            return scores.masked_fill(~allowed, score).softmax(dim)
    if "inverted" in mistakes:
        allowed = ~allowed
    elif "over queries" in mistakes:
        dim = -2
    scores = scores.masked_fill(~allowed, -torch.inf)
    empty = ~allowed.expand_as(scores).any(dim, keepdim=True)
    return scores.masked_fill(empty, 0).softmax(dim).masked_fill(empty, 0)


# Of what may not be attended to.
_WRONG_SCORES = {"zero score": 0.0, "-1e9": -1e9, "nan": -torch.inf}
