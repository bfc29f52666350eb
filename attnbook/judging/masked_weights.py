"""Weights behind a mask, with the mistakes that many exercises know."""

from __future__ import annotations

from collections.abc import Callable, Container

import torch
from torch import Tensor

# What is blocked gets another score than masked_softmax gives it.
_WRONG_SCORES = {"zero score": 0.0, "-1e9": -1e9, "nan": -torch.inf}


def masked_weights(
    masked_softmax: Callable[[Tensor, Tensor, int], Tensor],
    scores: Tensor,
    allowed: Tensor,
    mistakes: Container[str | None],
    dim: int = -1,
) -> Tensor:
    """Softmax over the keys that may be attended to, with a mistake.

    Parameters
    ----------
    masked_softmax
        The right one, as the course has it: this package knows no mechanism,
        and where sizes do not fit, its error is what a learner sees.
    scores
        Any shape, with the queries on the last axis but one.
    allowed
        Boolean, broadcastable to the scores; True may be attended to.
    mistakes
        Of what is planted in an answer, the first of these counts:
        "late mask" (the mask comes after the softmax), "unmasked", a wrong
        score for what is blocked ("zero score", "-1e9", or "nan", which is
        -inf even where that leaves a row nothing), "inverted" (True is taken
        for blocked), and "over queries" (the softmax runs over the queries).
        Anything else makes no difference here.
    dim
        The axis of the keys.
    """
    if "late mask" in mistakes:
        return scores.softmax(dim) * allowed
    if "unmasked" in mistakes:
        return scores.softmax(dim)
    for mistake, score in _WRONG_SCORES.items():
        if mistake in mistakes:
            return scores.masked_fill(~allowed, score).softmax(dim)
    if "inverted" in mistakes:
        return masked_softmax(scores, ~allowed, dim)
    if "over queries" in mistakes:
        return masked_softmax(scores, allowed, -2)
    return masked_softmax(scores, allowed, dim)
