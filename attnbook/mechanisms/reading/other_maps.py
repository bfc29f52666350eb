"""Another map with the same output: where there is one, and how to find it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from attnbook.mechanisms.shapes import require


class OtherMap(NamedTuple):
    """A map beside the one that the model used.

    Attributes:
        weights: (N, S) or (N, H, S), rows that sum to 1.
        distance: (N,), total variation from the weights used, from 0 to 1;
            the mean over heads.
        change: (N,), total variation between what is predicted with either.
    """

    weights: Tensor
    distance: Tensor
    change: Tensor


def total_variation(p: Tensor, q: Tensor) -> Tensor:
    """Half the sum of absolute differences, over the last dimension.

    0 for the same distribution, 1 for two that share nothing.
    """
    return 0.5 * (p - q).abs().sum(-1)


def free_directions(value: Tensor, tolerance: float = 1e-9) -> Tensor:
    """Directions in which weights can move without moving the output.

    A change n of the weights leaves the output and the sum of the weights
    alone if n·V = 0 and n·1 = 0. With S keys and values of rank r there are
    S - r - 1 such directions, or S - r if one combination of the columns of
    the values is the same for all keys.

    Args:
        value: (S, d).
        tolerance: a singular value below this share of the greatest is 0.

    Returns:
        (k, S), orthonormal rows; k may be 0.

    Raises:
        ValueError: if the values are not a matrix.
    """
    require(value.ndim == 2, "value", value.shape, "(S, d)")
    S = len(value)
    constraints = torch.cat([value, value.new_ones(S, 1)], 1)  # (S, d + 1)
    left, singular, _ = torch.linalg.svd(constraints, full_matrices=True)
    rank = int((singular > tolerance * singular.max()).sum())
    return left[:, rank:].mT


def same_output(
    weights: Tensor, value: Tensor, tolerance: float = 1e-9
) -> Tensor | None:
    """Another map with exactly the same output, or None if there is none.

    It goes along the free direction that lowers the greatest weight most,
    until a weight becomes zero.

    Args:
        weights: (S,), not negative, with the sum 1.
        value: (S, d).
        tolerance: as in `free_directions`.

    Returns:
        (S,), not negative, with the sum 1; None if the output determines the
        weights, or if the greatest weight cannot be lowered.

    Raises:
        ValueError: if there is not one weight for each value.
    """
    require(
        weights.shape == value.shape[:1],
        "weights",
        weights.shape,
        f"({len(value)},), one for each value",
    )
    free = free_directions(value, tolerance)  # (k, S)
    at = int(weights.argmax())
    direction = -free[:, at] @ free  # (S,)
    if len(free) == 0 or direction[at] > -tolerance:
        return None
    falling = direction < -tolerance
    step = (weights[falling] / -direction[falling]).min()
    if step <= tolerance:
        return None
    return (weights + step * direction).clamp(min=0)


def adversarial_weights(
    weights: Tensor,
    predict: Callable[[Tensor], Tensor],
    allowed: float = 0.01,
    mask: Tensor | None = None,
    steps: int = 200,
    rate: float = 0.1,
    penalty: float = 50.0,
) -> OtherMap:
    """Search maps that are far from the one used, with the same prediction.

    As Jain and Wallace (2019), section 4.2.2, but by total variation: Adam
    on the logits of the new map raises its distance from the old one and
    pays for each change of the prediction beyond what is allowed. The best
    map that keeps to it is returned for each row, and the old one where none
    was found. So a small distance shows that this search found nothing, and
    not that there is nothing.

    Args:
        weights: (N, S) or (N, H, S), the maps that the model used.
        predict: called with weights of this shape, returns the logits (N, V)
            of what the model predicts with them.
        allowed: the greatest change of the prediction, in total variation.
        mask: (N, S), boolean; True may be attended to.
        steps: of Adam.
        rate: of Adam.
        penalty: on what exceeds the allowed change.

    Raises:
        ValueError: if a shape does not fit, or allowed is not above 0.
    """
    require(
        weights.ndim in (2, 3),
        "weights",
        weights.shape,
        "(N, S) or (N, H, S)",
    )
    if allowed <= 0 or steps < 1:
        raise ValueError(
            f"allowed is {allowed} and steps is {steps}; expected more than "
            "0 and at least 1"
        )
    N, S = len(weights), weights.shape[-1]
    if mask is None:
        mask = torch.ones(N, S, dtype=torch.bool, device=weights.device)
    require(mask.shape == (N, S), "mask", mask.shape, f"({N}, {S})")
    if weights.ndim == 3:
        mask = mask[:, None].expand(weights.shape)
    weights = weights.detach()
    with torch.no_grad():
        aim = predict(weights).softmax(-1)  # (N, V)
    zero = weights.new_zeros(len(weights))
    best = OtherMap(weights.clone(), zero, zero.clone())
    uniform = mask / mask.sum(-1, keepdim=True)
    start = 0.5 * weights + 0.5 * uniform
    logits = start.clamp(min=1e-6).log().detach().requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=rate)
    for _ in range(steps):
        other = logits.masked_fill(~mask, -torch.inf).softmax(-1)
        apart = total_variation(other, weights)  # (N,) or (N, H)
        distance = apart.reshape(N, -1).mean(1)  # (N,)
        change = total_variation(predict(other).softmax(-1), aim)  # (N,)
        best = _better(best, OtherMap(other, distance, change), allowed)
        cost = penalty * (change - 0.9 * allowed).relu() - distance
        optimiser.zero_grad()
        (logits.grad,) = torch.autograd.grad(cost.sum(), logits)
        optimiser.step()
    return best


def _better(best: OtherMap, new: OtherMap, allowed: float) -> OtherMap:
    """Row by row the further of two maps, if it is allowed."""
    new = OtherMap(*(each.detach() for each in new))
    wins = (new.change <= allowed) & (new.distance > best.distance)
    rows = wins.view(-1, *[1] * (new.weights.ndim - 1))
    return OtherMap(
        torch.where(rows, new.weights, best.weights),
        torch.where(wins, new.distance, best.distance),
        torch.where(wins, new.change, best.change),
    )
