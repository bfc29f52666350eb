"""Rollout: attention maps of several layers multiplied into one.

Abnar and Zuidema (2020). A residual connection hands a token on to itself,
so a layer's map is mixed with the identity before it is multiplied.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from attnbook.mechanisms.shapes import require


def with_residual(weights: Tensor, share: float = 0.5) -> Tensor:
    """A map that keeps a share of each token, its rows summing to 1.

    Args:
        weights: (..., N, N), the mean over heads; a row that is all zero
            becomes the token alone.
        share: of the token itself, from 0 to 1.

    Returns:
        (..., N, N).

    Raises:
        ValueError: if the map is not square, or the share is out of range.
    """
    require(
        weights.ndim >= 2 and weights.shape[-1] == weights.shape[-2],
        "weights",
        weights.shape,
        "(..., N, N), a square map",
    )
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}; expected 0 to 1")
    same = torch.eye(weights.shape[-1]).to(weights)  # (N, N)
    mixed = (1 - share) * weights + share * same
    # keepdim: each row is divided by its own sum, and not by that of the
    # token whose column it is.
    return mixed / mixed.sum(-1, keepdim=True)


def rollout(maps: Sequence[Tensor], share: float = 0.5) -> Tensor:
    """How much of each input token each output token has, by the maps alone.

    Abnar and Zuidema (2020). It knows neither what the values are nor what
    is done with them.

    Args:
        maps: of the layers, from the first to the last, (..., N, N) each.
        share: of the token itself in each layer, for the residual.

    Returns:
        (..., N, N); rows sum to 1.

    Raises:
        ValueError: if there is no map, or one is not square.
    """
    if not maps:
        raise ValueError("maps is empty; expected a map for each layer")
    found = with_residual(maps[0], share)
    for weights in maps[1:]:
        found = with_residual(weights, share) @ found
    return found


def source_rollout(
    encoder: Sequence[Tensor],
    itself: Sequence[Tensor],
    across: Sequence[Tensor],
    share: float = 0.5,
) -> Tensor:
    """Rollout through both stacks of a Transformer, down to its inputs.

    Each decoder layer has two maps with a residual around each: of
    self-attention, and of the attention to what the encoder has made of the
    source.

    Args:
        encoder: self-attention of each encoder layer, (B, S, S).
        itself: self-attention of each decoder layer, (B, T, T).
        across: cross-attention of each decoder layer, (B, T, S).
        share: of the token itself at each map.

    Returns:
        (B, T, S + T): the shares of the source's tokens and of the target's;
        rows sum to 1.

    Raises:
        ValueError: if a list is empty, or the decoder's differ in length.
    """
    if not across or len(itself) != len(across):
        raise ValueError(
            f"itself has {len(itself)} maps and across {len(across)}; "
            "expected as many of both, one for each decoder layer"
        )
    memory = rollout(encoder, share)  # (B, S, S)
    B, T, S = across[0].shape
    empty = memory.new_zeros(B, S, T)
    memory = torch.cat([memory, empty], -1)  # (B, S, S + T)
    start = torch.eye(T).to(memory).expand(B, T, T)
    found = torch.cat([memory.new_zeros(B, T, S), start], -1)  # (B, T, S + T)
    for own, other in zip(itself, across, strict=True):
        found = with_residual(own, share) @ found
        found = share * found + (1 - share) * other @ memory
    return found
