"""The encoder: embeddings, layers in post-norm, a mean over real tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.mechanisms.shapes import require
from attnbook.mechanisms.transformer import EncoderLayer, LayerNorm


class TokenEmbedding(nn.Module):
    """A learned vector per piece, per position and per type, added, normed.

    As in BERT, Devlin et al. (2019). All tokens are of type 0 here: one text
    at a time.

    Args:
        vocabulary_size: number of pieces.
        d_model: D, the size of a token.
        longest: number of positions; no text may have more tokens.
        eps: added to the variance.
    """

    def __init__(
        self,
        vocabulary_size: int,
        d_model: int,
        longest: int = 512,
        eps: float = 1e-12,
    ):
        super().__init__()
        self.piece = nn.Embedding(vocabulary_size, d_model)
        self.position = nn.Embedding(longest, d_model)
        self.kind = nn.Embedding(2, d_model)
        self.norm = LayerNorm(d_model, eps)

    def forward(self, ids: Tensor) -> Tensor:
        """Map ids (B, S) to tokens (B, S, D).

        Raises:
            ValueError: if there are more tokens than positions.
        """
        require(ids.ndim == 2, "ids", ids.shape, "(B, S)")
        S, longest = ids.shape[1], self.position.num_embeddings
        if longest < S:
            raise ValueError(
                f"ids has {S} tokens in a row; there are {longest} positions"
            )
        position = self.position.weight[:S]  # (S, D)
        return self.norm(
            self.piece(ids) + position + self.kind.weight[0]
        )  # (B, S, D)


class SentenceEncoder(nn.Module):
    """BERT's encoder with one unit vector per sentence.

    Args:
        vocabulary_size: number of pieces.
        d_model: D, the size of a token.
        num_heads: H, which must divide D.
        d_ff: size of the feed-forward network's hidden layer.
        num_layers: number of layers.
        longest: number of positions.
        activation: "gelu", as in BERT, or "relu".
        eps: of all normalisations.
    """

    def __init__(
        self,
        vocabulary_size: int,
        d_model: int = 384,
        num_heads: int = 12,
        d_ff: int = 1536,
        num_layers: int = 6,
        longest: int = 512,
        activation: str = "gelu",
        eps: float = 1e-12,
    ):
        super().__init__()
        self.embedding = TokenEmbedding(vocabulary_size, d_model, longest, eps)
        self.layers = nn.ModuleList(
            EncoderLayer(
                d_model,
                num_heads,
                d_ff,
                norm_first=False,
                activation=activation,
                eps=eps,
            )
            for _ in range(num_layers)
        )

    def forward(
        self, ids: Tensor, real: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """The tokens after the last layer, and every layer's weights.

        Args:
            ids: (B, S), integers.
            real: (B, S), boolean, False for padding.

        Returns:
            tokens (B, S, D) and, per layer, weights (B, H, S, S).

        Raises:
            TypeError: if `real` is not boolean.
            ValueError: if a shape does not fit, naming the argument.
        """
        require(real.shape == ids.shape, "real", real.shape, "that of ids")
        x, every = self.embedding(ids), []  # (B, S, D)
        for layer in self.layers:
            x, weights = layer(x, real)
            every.append(weights)
        return x, every

    def encode(self, ids: Tensor, real: Tensor) -> Tensor:
        """One unit vector per sentence: (B, D). Arguments as in `forward`."""
        tokens, _ = self(ids, real)
        return F.normalize(mean_of_real(tokens, real), dim=-1)


def mean_of_real(tokens: Tensor, real: Tensor) -> Tensor:
    """The mean over the tokens that are no padding.

    As in Sentence-BERT, Reimers and Gurevych (2019).

    Args:
        tokens: (B, S, D).
        real: (B, S), boolean, False for padding.

    Returns:
        (B, D); zeros where nothing is real.

    Raises:
        TypeError: if `real` is not boolean.
        ValueError: if a shape does not fit.
    """
    if real.dtype != torch.bool:
        raise TypeError(f"real is {real.dtype}; expected torch.bool")
    require(
        real.shape == tokens.shape[:2], "real", real.shape, "(B, S) of tokens"
    )
    kept = tokens.masked_fill(~real[..., None], 0.0)  # (B, S, D)
    return kept.sum(1) / real.sum(1, keepdim=True).clamp(min=1)
