"""Masks that come too late or are only counted, and what shows it.

Beside a masked score of 200 the weights of the others are 0 in single
precision, so that they cannot be divided anew; and a masked score of -100
beats one of -240. A mask of which only the number of tokens is used is right
until padding stands in front of them.
"""

from __future__ import annotations

from collections.abc import Container

import torch
from torch import Tensor

from attnbook.judging.exercise import Case
from attnbook.judging.masked_weights import masked_weights
from attnbook.judging.tensors import normal, token_mask
from attnbook.mechanisms.masked_softmax import masked_softmax

ROWS = [
    (
        "shared anew",
        "a mask after the softmax, shared anew",
        "Padding is cut off after the softmax and the rest divided anew. "
        "Beside a masked score of 200 the rest is 0.",
        "Scores of padding become -inf first: masked_softmax does it.",
        "held anew",
    ),
    (
        "-100",
        "-100 in place of -inf",
        "Masked scores become -100, and that beats a score of -240.",
        "Which score has an exponential of 0, whatever the others are?",
    ),
    (
        "overflow",
        "exponentials that overflow",
        "Above 88, exp is infinite in single precision, also where the mask "
        "comes after: ∞ · 0 is NaN.",
        "masked_softmax from the chapter.",
    ),
    (
        "penalty",
        "a penalty that a large score outweighs",
        "Scores of padding are made smaller, by too little: a score of 200 "
        "still has all the weight.",
        "What must be added to any score, for an exponential of 0?",
    ),
    (
        "counted",
        "a mask that is only counted",
        "The number of True is taken from the mask, and the first so many "
        "keys are read. Padding may stand in front too.",
        "Use the mask as it is: it says of each key whether it counts.",
    ),
    (
        "output detached",
        "an output that cannot move the weights",
        "The values are right, but the output is blended with weights that "
        "are cut off from the graph.",
        "A .detach() or a .data in the last product.",
    ),
]


def padded_in_front(case: Case) -> Case:
    """Return the case with the mask turned round, the fourth argument."""
    query, key, value, mask, *others = case.arguments
    return Case(case.name, (query, key, value, mask.flip(-1), *others))


def large_scores() -> tuple[Tensor, ...]:
    """Return query, key, value, mask, W_q, W_k and v; d_k is d_a.

    The scores that count are small or the same number, so that rounding
    does not move the weights.
    """
    generator = torch.Generator().manual_seed(200)
    v = torch.tensor([60.0, -50.0, 70.0, 60.0])
    query = normal(generator, 2, 2, 3, scale=0.005)
    key = normal(generator, 2, 4, 4, scale=0.005)
    key[0, 3] = 2 * v.sign()  # masked, and scores 230
    key[1, :2] = -20 * v.sign()  # both score -240, whatever is added
    value = normal(generator, 2, 4, 2)
    W_q = normal(generator, 4, 3)
    return query, key, value, token_mask([3, 2], 4), W_q, torch.eye(4), v


def late_weights(
    scores: Tensor, allowed: Tensor, mistakes: Container[str], dim: int = -1
) -> Tensor:
    """As masked_weights, with the mistakes of ROWS too."""
    if "counted" in mistakes:
        tokens = allowed.sum(-1, keepdim=True)
        allowed = torch.arange(allowed.shape[-1]) < tokens
    if "nan, added" in mistakes:
        return (scores + allowed.float().log()).softmax(dim)
    if "penalty" in mistakes:
        weights = (scores + (allowed + 1e-9).log()).softmax(dim)
        return weights * allowed.any(dim, keepdim=True)
    if "-100" in mistakes:
        return scores.masked_fill(~allowed, -100.0).softmax(dim) * allowed
    shared, held = "shared anew" in mistakes, "held anew" in mistakes
    if not (shared or held or "overflow" in mistakes):
        return masked_weights(masked_softmax, scores, allowed, mistakes, dim)
    powers = scores.softmax(dim) if shared or held else scores.exp()
    powers = powers * allowed
    total = powers.sum(dim, keepdim=True)
    if held:
        return powers / total.clamp(min=1e-9)
    return powers / torch.where(total == 0, 1, total)
