"""Inputs of the cases in PyTorch: random numbers, and masks of padding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def normal(
    generator: torch.Generator, *shape: int, scale: float = 1.0
) -> Tensor:
    """Normal numbers of this shape, with `scale` as standard deviation."""
    return scale * torch.randn(*shape, generator=generator)


def token_mask(lengths: Sequence[int], S: int) -> Tensor:
    """The mask (B, S) of sentences of these lengths, True at tokens."""
    return torch.arange(S)[None] < torch.tensor(lengths)[:, None]
