"""Masks that come too late or are only counted, and what shows it.

Beside a masked score of 200 the weights of the others are 0 in single
precision, so that they cannot be divided anew; a masked score of -100 beats
one of -240; and bounds make 240 and 140 alike. A mask of which only the
number of tokens is used is right until padding stands in front of them.
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
        "a mask after the softmax, then divided by the sum",
        "You set the weights of padding to 0 after the softmax and divide "
        "the others by their sum. If a masked score is 200, the others are "
        "already 0.",
        "Set the scores of padding to -inf before the softmax, as "
        "masked_softmax does.",
        "held anew",
    ),
    (
        "-100",
        "-100 in place of -inf",
        "You set masked scores to -100, which is more than a score of -240.",
        "Which score has an exponential of 0, whatever the others are?",
    ),
    (
        "overflow",
        "exponentials that overflow",
        "In single precision, exp of more than 88 is infinite. A mask after "
        "it does not help: ∞ · 0 is NaN.",
        "Use masked_softmax from the chapter.",
    ),
    (
        "clamped",
        "scores with a limit",
        "You limit the scores before the exponential, so 240 and 140 get the "
        "same weight.",
        "Subtract the largest score instead, as masked_softmax does.",
        "clamped above",
    ),
    (
        "0/0 mended",
        "0/0 that is made 0 afterwards",
        "In a row with no key left, 0/0 is NaN. If you set it to 0 "
        "afterwards, only the weights are repaired: their gradients stay "
        "NaN.",
        "Divide by 1 where the sum is 0, or use masked_softmax.",
        "0/0 of exp mended",
        "0/0 added, mended",
    ),
    (
        "written into",
        "weights that are changed in place",
        "You change the result of the softmax in place, but the backward "
        "pass still needs it.",
        "Use masked_fill without the underscore, or torch.where: both make a "
        "new tensor.",
    ),
    (
        "penalty",
        "a penalty that a large score outweighs",
        "You make the scores of padding smaller, but not enough: a score of "
        "200 still gets all the weight.",
        "What must you add to a score of any size so that its exponential is "
        "0?",
    ),
    (
        "counted",
        "a mask that is only counted",
        "You count the True entries of the mask, and use that many keys from "
        "the start. But padding can also stand in front.",
        "Use the mask as it is: for each key it says whether the key counts.",
    ),
    (
        "output detached",
        "an output that cannot move the weights",
        "The values are right, but the output is computed with weights that "
        "are detached from the graph.",
        "Look for a .detach() or a .data in the last product.",
    ),
]


def padded_in_front(case: Case) -> Case:
    """Return the case with the mask turned round, the fourth argument."""
    query, key, value, mask, *others = case.arguments
    return Case(case.name, (query, key, value, mask.flip(-1), *others))


def large_scores() -> tuple[Tensor, ...]:
    """Return query, key, value, mask, W_q, W_k and v; d_k is d_a.

    The scores that count are small, the same number or far apart, so that
    rounding does not move the weights.
    """
    generator = torch.Generator().manual_seed(200)
    v = torch.tensor([60.0, -50.0, 70.0, 60.0])
    query = normal(generator, 3, 2, 3, scale=0.005)
    key = normal(generator, 3, 4, 4, scale=0.005)
    key[0, 3] = 2 * v.sign()  # masked, and scores 230
    key[1, :2] = -20 * v.sign()  # both score -240, whatever is added
    key[2, :2] = 20 * v.sign()  # 240, and with one sign turned 140
    key[2, 1, 1] *= -1
    value = normal(generator, 3, 4, 2)
    W_q = normal(generator, 4, 3)
    return query, key, value, token_mask([3, 2, 2], 4), W_q, torch.eye(4), v


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
    if "written into" in mistakes:
        weights = scores.masked_fill(~allowed, -1e9).softmax(dim)
        return weights.masked_fill_(~allowed, 0)
    if "0/0 added, mended" in mistakes:
        return (scores + allowed.float().log()).softmax(dim).nan_to_num()
    for mistake, powers_of in _POWERS.items():
        if mistake in mistakes:
            powers = powers_of(scores, dim) * allowed
            return _divided(powers, powers.sum(dim, keepdim=True), mistake)
    return masked_weights(masked_softmax, scores, allowed, mistakes, dim)


# What is masked and divided by its sum.
_POWERS = {
    "shared anew": torch.softmax,
    "held anew": torch.softmax,
    "0/0 mended": torch.softmax,
    "0/0 of exp mended": lambda scores, dim: scores.exp(),
    "overflow": lambda scores, dim: scores.exp(),
    "clamped": lambda scores, dim: scores.clamp(-80, 80).exp(),
    "clamped above": lambda scores, dim: scores.clamp(max=80).exp(),
}


def _divided(powers: Tensor, total: Tensor, mistake: str) -> Tensor:
    if mistake == "held anew":
        return powers / total.clamp(min=1e-9)
    if "mended" in mistake:
        return (powers / total).nan_to_num()
    return powers / torch.where(total == 0, 1, total)
