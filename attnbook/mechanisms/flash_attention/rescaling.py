"""How often a running maximum moves, and how often it has to be followed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Lazy(NamedTuple):
    """What reading the scores in tiles, with a threshold, has given.

    Attributes:
        output: (..., d_v).
        rescaled: how many times a row's sum and output were multiplied;
            where rows decide together, also by 1.
        moved: how many times a row's true maximum rose after its first tile.
        chances: rows times the tiles after their first one.
    """

    output: Tensor
    rescaled: int
    moved: int
    chances: int


def lazily_rescaled(
    scores: Tensor,
    value: Tensor,
    columns: int,
    threshold: float = 0.0,
    together: int = 1,
) -> Lazy:
    """Softmax in tiles that follows the maximum only when it has to.

    A row keeps an old maximum, its *base*, until a score exceeds it by more
    than the threshold. Exponentials are then at most exp(threshold), which
    is no matter for a floating-point number, and the quotient is the same:
    a base cancels, whichever it is.

    Args:
        scores: (..., T, S), all finite.
        value: (..., S, d_v).
        columns: keys in a tile.
        threshold: in nats, 0 or more; 0 follows every rise.
        together: how many rows decide as one, as in a kernel whose threads
            share a tile: as soon as one of them has to follow, all do.

    Raises:
        ValueError: if the threshold is below 0, a score is not finite, or
            the rows cannot be divided into groups of this size.
    """
    if threshold < 0:
        raise ValueError(f"threshold is {threshold}; expected 0 or more")
    if together < 1 or scores.shape[-2] % together:
        raise ValueError(
            f"{together} of {scores.shape[-2]} rows decide together; "
            "expected a divisor"
        )
    if not scores.isfinite().all():
        raise ValueError("scores are not finite; expected no masked ones")
    rows = scores.shape[:-1]
    base = scores[..., :columns].amax(-1)
    most, rescaled, moved, chances = base, 0, 0, 0
    total = scores.new_zeros(rows)
    mixed = scores.new_zeros(*rows, value.shape[-1])
    for begin in range(0, scores.shape[-1], columns):
        tile = scores[..., begin : begin + columns]
        highest = tile.amax(-1)
        if begin:
            chances += rows.numel()
            moved += int((highest > most).sum())
            most = torch.maximum(most, highest)
            follow = highest > base + threshold
            if together > 1:
                groups = follow.unflatten(-1, (-1, together))
                groups = groups.any(-1, keepdim=True).expand_as(groups)
                follow = groups.flatten(-2)
            rescaled += int(follow.sum())
            new = torch.where(follow, torch.maximum(base, highest), base)
            shrink = (base - new).exp()
            total, mixed = shrink * total, shrink[..., None] * mixed
            base = new
        powers = (tile - base[..., None]).exp()
        total = total + powers.sum(-1)
        mixed = mixed + powers @ value[..., begin : begin + columns, :]
    return Lazy(mixed / total[..., None], rescaled, moved, chances)
