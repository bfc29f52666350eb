"""The layers of the two stacks: what happens along a residual stream."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.mechanisms.multi_head import MultiHeadAttention
from attnbook.mechanisms.transformer.from_torch import (
    copy_feed_forward,
    copy_norm,
    sizes_of,
)
from attnbook.mechanisms.transformer.norms import SublayerNorm

ACTIVATIONS = {"relu": torch.relu, "gelu": F.gelu}


class FeedForward(nn.Module):
    """Two layers with a ReLU or a GELU between, on each token by itself.

    Vaswani et al. (2017), section 3.3, equation 2. GELU is x·Φ(x), where Φ is
    the distribution function of the standard normal distribution: Hendrycks
    and Gimpel (2016). BERT has it.

    Args:
        d_model: D, the size of a token.
        d_ff: size of the hidden layer, four times D in the paper.
        bias: whether the two layers add a bias, as in the paper.
        activation: "relu", as in the paper, or "gelu".

    Raises:
        ValueError: if the activation is neither.
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        bias: bool = True,
        activation: str = "relu",
    ):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"activation is {activation!r}; expected one of "
                f"{', '.join(map(repr, ACTIVATIONS))}"
            )
        self.widen = nn.Linear(d_model, d_ff, bias)
        self.narrow = nn.Linear(d_ff, d_model, bias)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D)."""
        return self.narrow(ACTIVATIONS[self.activation](self.widen(x)))


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward, each with a residual.

    Vaswani et al. (2017), section 3.1. With `causal=True` it is the block of
    a decoder-only model.

    Args:
        d_model: D, the size of a token.
        num_heads: H, which must divide D.
        d_ff: size of the feed-forward network's hidden layer.
        norm_first: pre-norm instead of post-norm.
        activation: of the feed-forward network, "relu" or "gelu".
        eps: of both normalisations, added to the variance.

    Raises:
        ValueError: if H does not divide D, or the activation is neither.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        d_ff: int,
        norm_first: bool = True,
        activation: str = "relu",
        eps: float = 1e-5,
    ):
        super().__init__()
        self.attention = MultiHeadAttention(d_model, num_heads)
        self.attention_norm = SublayerNorm(d_model, norm_first, eps)
        self.feed_forward = FeedForward(d_model, d_ff, activation=activation)
        self.feed_forward_norm = SublayerNorm(d_model, norm_first, eps)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, causal: bool = False
    ) -> tuple[Tensor, Tensor]:
        """One step along the residual stream.

        Args:
            x: (B, S, D).
            mask: boolean, (B, S), (B, S, S) or (B, H, S, S); True may be
                attended to.
            causal: no token attends to a later one.

        Returns:
            x (B, S, D) and weights (B, H, S, S).

        Raises:
            TypeError: if the mask is not boolean.
            ValueError: if a shape does not fit, naming the argument.
        """
        # Pre-norm: x + attention(norm(x)), then x + feed_forward(norm(x)).
        h = self.attention_norm.before(x)
        attended, weights = self.attention(h, h, h, mask, causal=causal)
        x = self.attention_norm.after(x + attended)
        h = self.feed_forward_norm.before(x)
        x = self.feed_forward_norm.after(x + self.feed_forward(h))
        return x, weights

    @classmethod
    def from_torch(cls, layer: nn.TransformerEncoderLayer) -> EncoderLayer:
        """A copy of PyTorch's layer; equal to it where it drops nothing.

        Raises:
            ValueError: if its activation is not ReLU.
        """
        made = cls(*sizes_of(layer), layer.norm_first)
        made.to(layer.linear1.weight)
        made.attention = MultiHeadAttention.from_torch(layer.self_attn)
        copy_norm(layer.norm1, made.attention_norm)
        copy_feed_forward(layer, made.feed_forward)
        copy_norm(layer.norm2, made.feed_forward_norm)
        return made


class DecoderLayer(nn.Module):
    """Causal self-attention, cross-attention, feed-forward.

    Vaswani et al. (2017), section 3.1.

    Args:
        d_model: D, the size of a token.
        num_heads: H, which must divide D.
        d_ff: size of the feed-forward network's hidden layer.
        norm_first: pre-norm instead of post-norm.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        d_ff: int,
        norm_first: bool = True,
    ):
        super().__init__()
        self.attention = MultiHeadAttention(d_model, num_heads)
        self.attention_norm = SublayerNorm(d_model, norm_first)
        self.cross_attention = MultiHeadAttention(d_model, num_heads)
        self.cross_norm = SublayerNorm(d_model, norm_first)
        self.feed_forward = FeedForward(d_model, d_ff)
        self.feed_forward_norm = SublayerNorm(d_model, norm_first)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        causal: bool = True,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One step along the residual stream of the target.

        Args:
            x: (B, T, D), the target.
            memory: (B, S, D), what the encoder made of the source.
            mask: boolean, of the target, (B, T), (B, T, T) or (B, H, T, T).
            memory_mask: boolean, of the source, (B, S), (B, T, S) or
                (B, H, T, S).
            causal: no target token attends to a later one.

        Returns:
            x (B, T, D), and the weights of self-attention (B, H, T, T) and
            of cross-attention (B, H, T, S).

        Raises:
            TypeError: if a mask is not boolean.
            ValueError: if a shape does not fit, naming the argument.
        """
        # Pre-norm: x + sublayer(norm(x)), three times.
        h = self.attention_norm.before(x)
        attended, itself = self.attention(h, h, h, mask, causal=causal)
        x = self.attention_norm.after(x + attended)
        h = self.cross_norm.before(x)
        attended, across = self.cross_attention(h, memory, memory, memory_mask)
        x = self.cross_norm.after(x + attended)
        h = self.feed_forward_norm.before(x)
        x = self.feed_forward_norm.after(x + self.feed_forward(h))
        return x, (itself, across)

    @classmethod
    def from_torch(cls, layer: nn.TransformerDecoderLayer) -> DecoderLayer:
        """A copy of PyTorch's layer; equal to it where it drops nothing.

        Raises:
            ValueError: if its activation is not ReLU.
        """
        made = cls(*sizes_of(layer), layer.norm_first)
        made.to(layer.linear1.weight)
        made.attention = MultiHeadAttention.from_torch(layer.self_attn)
        copy_norm(layer.norm1, made.attention_norm)
        made.cross_attention = MultiHeadAttention.from_torch(
            layer.multihead_attn
        )
        copy_norm(layer.norm2, made.cross_norm)
        copy_feed_forward(layer, made.feed_forward)
        copy_norm(layer.norm3, made.feed_forward_norm)
        return made
