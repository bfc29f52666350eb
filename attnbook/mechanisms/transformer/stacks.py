"""The two stacks of layers, encoder and decoder."""

from __future__ import annotations

from torch import Tensor, nn

from attnbook.mechanisms.shapes import require_vectors
from attnbook.mechanisms.transformer.from_torch import sizes_of
from attnbook.mechanisms.transformer.layers import DecoderLayer, EncoderLayer
from attnbook.mechanisms.transformer.norms import LayerNorm


class Transformer(nn.Module):
    """The two stacks, from vectors to vectors: `nn.Transformer`.

    Each stack ends in one more layer normalisation, as PyTorch's do. Pre-norm
    needs it; the paper's post-norm does without. Weight matrices start as
    Glorot and Bengio (2010) propose, again as PyTorch's do.

    Args:
        d_model: D, the size of a token.
        num_heads: H, which must divide D.
        num_encoder_layers: blocks that read the source.
        num_decoder_layers: blocks that write the target.
        d_ff: size of the feed-forward networks' hidden layers.
        norm_first: pre-norm instead of post-norm.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        num_encoder_layers: int,
        num_decoder_layers: int,
        d_ff: int,
        norm_first: bool = True,
    ):
        super().__init__()
        sizes = (d_model, num_heads, d_ff, norm_first)
        self.encoder = nn.ModuleList(
            EncoderLayer(*sizes) for _ in range(num_encoder_layers)
        )
        self.encoder_norm = LayerNorm(d_model)
        self.decoder = nn.ModuleList(
            DecoderLayer(*sizes) for _ in range(num_decoder_layers)
        )
        self.decoder_norm = LayerNorm(d_model)
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.xavier_uniform_(parameter)

    def encode(
        self, source: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Read the source.

        Args:
            source: (B, S, D).
            mask: boolean, (B, S) or as in `EncoderLayer`.

        Returns:
            The memory (B, S, D), and each layer's weights (B, H, S, S).
        """
        weights = []
        for layer in self.encoder:
            source, of_layer = layer(source, mask)
            weights.append(of_layer)
        return self.encoder_norm(source), weights

    def decode(
        self,
        target: Tensor,
        memory: Tensor,
        mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        causal: bool = True,
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Write the target, all its positions at once.

        Args:
            target: (B, T, D).
            memory: (B, S, D).
            mask: boolean, of the target, as in `DecoderLayer`.
            memory_mask: boolean, of the source, as in `DecoderLayer`.
            causal: no target token attends to a later one.

        Returns:
            output (B, T, D), and for each layer the weights of
            self-attention (B, H, T, T) and cross-attention (B, H, T, S).
        """
        weights = []
        for layer in self.decoder:
            target, of_layer = layer(target, memory, mask, memory_mask, causal)
            weights.append(of_layer)
        return self.decoder_norm(target), weights

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        source_mask: Tensor | None = None,
        target_mask: Tensor | None = None,
        causal: bool = True,
    ) -> tuple[Tensor, list[Tensor]]:
        """Encode and decode.

        Args:
            source: (B, S, D).
            target: (B, T, D).
            source_mask: boolean, (B, S), of padding; it masks the memory too.
            target_mask: boolean, of the target, as in `DecoderLayer`.
            causal: no target token attends to a later one.

        Returns:
            output (B, T, D), and each decoder layer's weights of
            cross-attention (B, H, T, S).

        Raises:
            ValueError: if source and target differ in batch or in D.
        """
        require_vectors("target", target, "T", source.shape[-1], beside=source)
        memory, _ = self.encode(source, source_mask)
        output, weights = self.decode(
            target, memory, target_mask, source_mask, causal
        )
        return output, [across for _, across in weights]

    @classmethod
    def from_torch(cls, model: nn.Transformer) -> Transformer:
        """A copy of PyTorch's model; equal to it where it drops nothing."""
        first = model.encoder.layers[0]
        d_model, num_heads, d_ff = sizes_of(first)
        made = cls(
            d_model,
            num_heads,
            len(model.encoder.layers),
            len(model.decoder.layers),
            d_ff,
            first.norm_first,
        ).to(first.linear1.weight)
        made.encoder = nn.ModuleList(
            EncoderLayer.from_torch(layer) for layer in model.encoder.layers
        )
        made.decoder = nn.ModuleList(
            DecoderLayer.from_torch(layer) for layer in model.decoder.layers
        )
        made.encoder_norm = LayerNorm.from_torch(model.encoder.norm)
        made.decoder_norm = LayerNorm.from_torch(model.decoder.norm)
        return made
