"""How far a token can look through several layers of a sparse pattern."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from attnbook.mechanisms.shapes import require


def reach(masks: Sequence[Tensor]) -> Tensor:
    """Which inputs can change which outputs, after these layers: (n, n).

    A path takes one allowed key in each layer, or stays where it is, along
    the residual stream.

    Args:
        masks: one for each layer, from the first, (n, n), boolean.

    Raises:
        TypeError: if a mask is not boolean.
        ValueError: if there is none, or they are not square and of one size.
    """
    if not masks:
        raise ValueError("there is no mask; expected one for each layer")
    n = len(masks[0])
    found = torch.eye(n, dtype=torch.bool)
    for mask in masks:
        require(mask.shape == (n, n), "mask", mask.shape, f"({n}, {n})")
        if mask.dtype != torch.bool:
            raise TypeError(
                f"mask has dtype {mask.dtype}; expected torch.bool"
            )
        step = (mask | torch.eye(n, dtype=torch.bool)).float()
        found = step @ found.float() > 0
    return found


def reach_by_depth(mask: Tensor, depth: int) -> list[int]:
    """How many tokens the last one can look at, after 1 … `depth` layers.

    Its own place counts. A window of W gives 1 + L(W - 1) after L layers.

    Args:
        mask: (n, n), boolean, the same in each layer.
        depth: L, layers.
    """
    return [
        int(reach([mask] * layers)[-1].sum()) for layers in range(1, depth + 1)
    ]


def depth_needed(mask: Tensor) -> int | None:
    """Layers until every token can look at all before it; None if never.

    Args:
        mask: (n, n), boolean, causal, the same in each layer.
    """
    n = len(mask)
    everything = torch.ones(n, n, dtype=torch.bool).tril()
    layers, found = 1, reach([mask])
    while not torch.equal(found, everything):
        step = mask | torch.eye(n, dtype=torch.bool)
        further = (step.float() @ found.float()) > 0
        if torch.equal(further, found):
            return None
        layers, found = layers + 1, further
    return layers
