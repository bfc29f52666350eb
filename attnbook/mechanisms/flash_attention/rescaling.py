"""How often a running maximum moves, and how often it has to be followed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Lazy(NamedTuple):
    """What reading the scores in tiles, with a threshold, has given.

    Attributes:
        output: (..., d_v).
        rescaled: how many times a row's sum and output were multiplied.
        moved: how many times a row's true maximum rose after its first tile.
        chances: rows times the tiles after their first one.
    """

    output: Tensor
    rescaled: int
    moved: int
    chances: int


def lazily_rescaled(
    scores: Tensor, value: Tensor, columns: int, threshold: float = 0.0
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

    Raises:
        ValueError: if the threshold is below 0, or a score is not finite.
    """
    if threshold < 0:
        raise ValueError(f"threshold is {threshold}; expected 0 or more")
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
            rescaled += int(follow.sum())
            new = torch.where(follow, highest, base)
            shrink = (base - new).exp()
            total, mixed = shrink * total, shrink[..., None] * mixed
            base = new
        powers = (tile - base[..., None]).exp()
        total = total + powers.sum(-1)
        mixed = mixed + powers @ value[..., begin : begin + columns, :]
    return Lazy(mixed / total[..., None], rescaled, moved, chances)
