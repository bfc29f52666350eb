"""Normal numbers from a seed of their own."""

from __future__ import annotations

import torch
from torch import Tensor


def normal_from(seed: int, *shape: int) -> Tensor:
    """Normal numbers of this shape, always the same for a seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
