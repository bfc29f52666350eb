"""The block of a decoder-only model, of 2018 and of today, part by part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.mechanisms.multi_head import (
    MultiHeadAttention,
    merge_heads,
    split_heads,
)
from attnbook.mechanisms.positions import rotate
from attnbook.mechanisms.scaled_dot_product import (
    scaled_dot_product_attention,
)
from attnbook.mechanisms.shapes import require
from attnbook.mechanisms.transformer.from_torch import (
    copy_feed_forward,
    copy_norm,
    sizes_of,
)
from attnbook.mechanisms.transformer.layers import FeedForward
from attnbook.mechanisms.transformer.norms import LayerNorm

CHOICES = {
    "norm": ("layer", "rms"),
    "feed_forward": ("relu", "swiglu"),
    "positions": ("learned", "rotary"),
}

Remember = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Design:
    """The choices in a decoder-only model; by default those of 2018.

    Args:
        norm: "layer" (Ba et al. 2016) or "rms" (Zhang and Sennrich 2019).
        feed_forward: "relu" (Vaswani et al. 2017) or "swiglu" (Shazeer
            2020).
        positions: "learned" rows, added to the embeddings, or "rotary"
            (Su et al. 2021).
        qk_norm: normalise queries and keys in each head.
        tied: read out with the matrix of the embeddings (Press and Wolf
            2017).
        bias: whether linear layers and layer norms add a bias.

    Raises:
        ValueError: if a choice is none of those.
    """

    norm: str = "layer"
    feed_forward: str = "relu"
    positions: str = "learned"
    qk_norm: bool = False
    tied: bool = False
    bias: bool = True

    def __post_init__(self):
        for name, allowed in CHOICES.items():
            chosen = getattr(self, name)
            if chosen not in allowed:
                raise ValueError(
                    f"{name} is {chosen!r}; expected one of "
                    + ", ".join(map(repr, allowed))
                )


BLOCK_2018 = Design()
BLOCK_TODAY = Design(
    "rms", "swiglu", "rotary", qk_norm=True, tied=False, bias=False
)


class RMSNorm(nn.Module):
    """Divide each token by its root mean square, then scale.

    Zhang and Sennrich (2019), equation 4, with an epsilon under the root.
    The mean is not taken off, and nothing is added.

    Args:
        size: number of features, the last dimension.
        eps: added to the mean square.
    """

    def __init__(self, size: int, eps: float = 1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over the last dimension; the shape stays.

        Raises:
            ValueError: if the last dimension is not `size`.
        """
        (size,) = self.weight.shape
        require(x.shape[-1:] == (size,), "x", x.shape, f"(..., {size})")
        mean_square = x.square().mean(-1, keepdim=True)
        return x * (mean_square + self.eps).rsqrt() * self.weight


class SwiGLU(nn.Module):
    """A feed-forward network with a gate: W(swish(Gx) ⊙ Vx).

    Shazeer (2020), section 2, equation 6; swish(a) is a·sigmoid(a). It has
    three matrices where `FeedForward` has two, so a hidden layer of 8D/3
    has about as many weights as one of 4D there.

    Args:
        d_model: D, the size of a token.
        d_ff: size of the hidden layer.
        bias: whether the three layers add a bias; the paper's do not.
    """

    def __init__(self, d_model: int, d_ff: int, bias: bool = False):
        super().__init__()
        self.gate = nn.Linear(d_model, d_ff, bias)
        self.widen = nn.Linear(d_model, d_ff, bias)
        self.narrow = nn.Linear(d_ff, d_model, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D)."""
        return self.narrow(F.silu(self.gate(x)) * self.widen(x))


class CausalSelfAttention(MultiHeadAttention):
    """Each token attends to itself and to those before it.

    The projections are those of `MultiHeadAttention`. Between them and the
    scores there may be a norm of queries and keys, a rotation, and a cache.

    Args:
        d_model: D, the width.
        num_heads: H; divides d_model.
        projection_bias: whether the four projections add a bias.
        qk_norm: whether an `RMSNorm` of its own normalises the queries, and
            another the keys, in each head and before the rotation. Dehghani
            et al. (2023), section 2, has it with layer normalisation.

    Raises:
        ValueError: if num_heads does not divide d_model.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        projection_bias: bool = True,
        qk_norm: bool = False,
    ):
        super().__init__(d_model, num_heads, projection_bias)
        size = d_model // num_heads
        self.query_norm = RMSNorm(size) if qk_norm else nn.Identity()
        self.key_norm = RMSNorm(size) if qk_norm else nn.Identity()

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        angles: Tensor | None = None,
        remember: Remember | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Attend to what came before.

        Args:
            x: (B, T, D).
            mask: boolean, (B, T, S), True may be attended to; left out, the
                triangle over the T tokens.
            angles: (T, d/2) or (B, 1, T, d/2), by which each query and key
                is turned; none if left out.
            remember: stores the new keys and values, (B, H, T, d) each, and
                returns all that there are, (B, H, S, d) each.

        Returns:
            output (B, T, D) and weights (B, H, T, S).
        """
        H = self.num_heads
        q = self.query_norm(split_heads(self.query_projection(x), H))
        k = self.key_norm(split_heads(self.key_projection(x), H))
        v = split_heads(self.value_projection(x), H)  # (B, H, T, d)
        if angles is not None:
            q, k = (rotate(each, angles, interleaved=False) for each in (q, k))
        if remember is not None:
            k, v = remember(k, v)  # (B, H, S, d)
        causal = mask is None
        mask = None if causal else mask[:, None]  # (B, 1, T, S)
        output, weights = scaled_dot_product_attention(q, k, v, mask, causal)
        return self.output_projection(merge_heads(output)), weights


class Block(nn.Module):
    """Attention, then a feed-forward network, each with norm and residual.

    Pre-norm: x + attention(norm(x)), then x + feed_forward(norm(x)).

    Args:
        d_model: D.
        num_heads: H; divides d_model.
        d_ff: size of the hidden layer.
        design: which parts.

    Raises:
        ValueError: if num_heads does not divide d_model.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        d_ff: int,
        design: Design = BLOCK_2018,
    ):
        super().__init__()
        self.attention_norm = norm_of(design, d_model)
        self.attention = CausalSelfAttention(
            d_model, num_heads, design.bias, design.qk_norm
        )
        self.feed_forward_norm = norm_of(design, d_model)
        feed_forward = {"relu": FeedForward, "swiglu": SwiGLU}
        self.feed_forward = feed_forward[design.feed_forward](
            d_model, d_ff, design.bias
        )

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        angles: Tensor | None = None,
        remember: Remember | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One step along the residual stream; as `CausalSelfAttention`."""
        attended, weights = self.attention(
            self.attention_norm(x), mask, angles, remember
        )
        x = x + attended
        return x + self.feed_forward(self.feed_forward_norm(x)), weights

    @classmethod
    def from_torch(cls, layer: nn.TransformerEncoderLayer) -> Block:
        """A copy of PyTorch's layer; equal to it under a causal mask.

        Raises:
            ValueError: if it is post-norm, or its activation is not ReLU.
        """
        if not layer.norm_first:
            raise ValueError(
                "from_torch: the layer is post-norm; expected one made with "
                "norm_first=True"
            )
        bias = layer.linear1.bias is not None
        made = cls(*sizes_of(layer), Design(bias=bias))
        made.to(layer.linear1.weight)
        made.attention = CausalSelfAttention.from_torch(layer.self_attn)
        copy_norm(layer.norm1, made.attention_norm)
        copy_feed_forward(layer, made.feed_forward)
        copy_norm(layer.norm2, made.feed_forward_norm)
        return made


def norm_of(design: Design, size: int) -> nn.Module:
    """The norm that a design asks for, over `size` features."""
    if design.norm == "rms":
        return RMSNorm(size)
    return LayerNorm(size, bias=design.bias)
