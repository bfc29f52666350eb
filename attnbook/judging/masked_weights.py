"""Weights behind a mask, with the mistakes that many exercises know."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import torch
from torch import Tensor

from attnbook.judging.parts import Case

# What is blocked gets another score than masked_softmax gives it.
_WRONG_SCORES = {
    "zero score": 0.0,
    "-100": -100.0,
    "-1e9": -1e9,
    "nan": -torch.inf,
}


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
        "late mask" (the mask comes after the softmax), "divided again" (and
        then rows are divided by their sums) or "exp divided" (the same with
        bare exponentials), "overflow" (bare exponentials behind a mask),
        "unmasked", a wrong score for what is blocked
        ("zero score", "-100", "-1e9", or "nan", which is -inf even where that
        leaves a row nothing), "-100 and 0" (the same, and weights of 0 in rows
        that are left nothing), "inverted" (True is taken for blocked), and
        "over queries" (the softmax runs over the queries).
        Anything else makes no difference here.
    dim
        The axis of the keys.
    """
    if "late mask" in mistakes:
        return scores.softmax(dim) * allowed
    if "divided again" in mistakes or "exp divided" in mistakes:
        bare = "exp divided" in mistakes
        powers = scores.exp() if bare else scores.softmax(dim)
        powers = powers * allowed
        total = powers.sum(dim, keepdim=True)
        return powers / torch.where(total > 0, total, 1)
    if "overflow" in mistakes:
        powers = scores.exp().masked_fill(~allowed, 0)
        total = powers.sum(dim, keepdim=True)
        return powers / torch.where(total > 0, total, 1)
    if "-100 and 0" in mistakes:
        weights = scores.masked_fill(~allowed, -100.0).softmax(dim)
        return weights * allowed.any(dim, keepdim=True)
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


def shown_by_large_scores(
    reference: Callable, name: str
) -> dict[str, Callable[[Case, Any], bool]]:
    """What an answer's weights show in a case of large scores.

    There it fails in the first place, and its own numbers tell two mistakes
    apart, whatever it guards its division with.

    Parameters
    ----------
    reference
        It returns outputs and weights, as the answer does.
    name
        That of the case.

    Returns
    -------
        ``shows`` of :class:`attnbook.judging.parts.Mistake`, by the names of
        the mistakes.
    """

    def lose_their_share(case: Case, output: Any) -> bool:
        if case.name != name or are_nan(case, output):
            return False
        wanted = reference(*case.arguments, **case.keywords)[1].sum(-1)
        return bool((wanted - output[1].sum(-1) > 0.01).any())

    def are_nan(case: Case, output: Any) -> bool:
        return case.name == name and bool(output[1].isnan().any())

    return {
        "exponentials that overflow": are_nan,
        "a mask after the exponentials": lose_their_share,
    }
