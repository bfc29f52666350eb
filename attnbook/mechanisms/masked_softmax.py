"""Softmax over the keys that may be attended to: what every variant shares."""

from __future__ import annotations

import torch
from torch import Tensor

from attnbook.mechanisms.shapes import broadcast


def masked_softmax(
    scores: Tensor, mask: Tensor | None = None, dim: int = -1
) -> Tensor:
    """Softmax over the entries that may be attended to.

    Vaswani et al. (2017), section 3.2.3: masked scores are set to minus
    infinity. A row with nothing to attend to gets weights of zero, as in
    `torch.nn.functional.scaled_dot_product_attention`.

    Args:
        scores: any shape.
        mask: boolean, broadcastable to `scores`; True may be attended to.
        dim: the dimension of the keys.

    Returns:
        Weights of the shape of `scores`; along `dim` they sum to 1, or to 0
        where the mask leaves nothing.

    Raises:
        TypeError: if the mask is not boolean.
        ValueError: if the mask does not broadcast to the scores.
    """
    if mask is None:
        return scores.softmax(dim)
    _check_mask(mask, scores)
    scores = scores.masked_fill(~mask, -torch.inf)
    mask = mask[(None,) * (scores.ndim - mask.ndim)]
    empty = ~mask.any(dim, keepdim=True)
    if not empty.any():  # the usual case needs two passes fewer
        return scores.softmax(dim)
    return scores.masked_fill(empty, 0).softmax(dim).masked_fill(empty, 0)


def _check_mask(mask: Tensor, scores: Tensor) -> None:
    if mask.dtype != torch.bool:
        raise TypeError(
            f"mask has dtype {mask.dtype}; expected torch.bool, where True "
            "means that the key may be attended to"
        )
    if broadcast(mask.shape, scores.shape) != scores.shape:
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}; expected one that "
            f"broadcasts to the scores, {tuple(scores.shape)}"
        )
