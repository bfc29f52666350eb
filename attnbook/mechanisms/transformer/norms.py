"""Layer normalisation, and its two places around a sublayer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.mechanisms.shapes import require
from attnbook.mechanisms.transformer.from_torch import copy_norm


class LayerNorm(nn.Module):
    """Give each token mean 0 and variance 1, then scale and shift.

    Ba, Kiros and Hinton (2016). The variance divides by the number of
    features, and epsilon stands under the root.

    Args:
        size: number of features, the last dimension.
        eps: added to the variance.
        bias: whether it shifts; without, it only scales.
    """

    def __init__(self, size: int, eps: float = 1e-5, bias: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size)) if bias else None
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over the last dimension; the shape stays.

        Raises:
            ValueError: if the last dimension is not `size`.
        """
        (size,) = self.weight.shape
        require(x.shape[-1:] == (size,), "x", x.shape, f"(..., {size})")
        return F.layer_norm(x, (size,), self.weight, self.bias, self.eps)

    @classmethod
    def from_torch(cls, norm: nn.LayerNorm) -> LayerNorm:
        """A copy of PyTorch's layer normalisation over one dimension."""
        (size,) = norm.normalized_shape
        made = cls(size, bias=norm.bias is not None).to(norm.weight)
        copy_norm(norm, made)
        return made


class SublayerNorm(LayerNorm):
    """A layer normalisation that knows its place around a sublayer.

    `after(x + sublayer(before(x)))` is one residual step: exactly one of
    the two normalises, and the other hands on what it gets. That makes it
    x + sublayer(norm(x)) in pre-norm (Xiong et al. 2020, section 3), and
    norm(x + sublayer(x)) in post-norm (Vaswani et al. 2017, section 3.1).

    Args:
        size: number of features.
        norm_first: normalise before the sublayer, not after the addition.
        eps: added to the variance.
    """

    def __init__(self, size: int, norm_first: bool = True, eps: float = 1e-5):
        super().__init__(size, eps)
        self.norm_first = norm_first

    def before(self, x: Tensor) -> Tensor:
        """What the sublayer reads."""
        return self(x) if self.norm_first else x

    def after(self, x: Tensor) -> Tensor:
        """What the addition hands on."""
        return x if self.norm_first else self(x)
