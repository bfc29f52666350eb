"""From token ids to logits: embeddings, positions, stacks, readout."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attnbook.mechanisms.decoding import BOS, greedy
from attnbook.mechanisms.positions import sinusoidal
from attnbook.mechanisms.shapes import require_mask_of
from attnbook.mechanisms.transformer.stacks import Transformer


class TransformerTranslator(nn.Module):
    """Token ids in, logits out: the encoder–decoder of Vaswani et al. (2017).

    Unlike figure 1 there, the two embeddings and the readout are three
    matrices (the paper ties them, section 3.4), and there is no dropout.
    Positions are sinusoids (section 3.5), added to the embeddings. These
    start with variance 1 and are not multiplied by the root of D, so that
    words and positions start alike in size.

    Args:
        source_vocabulary: number of source tokens.
        target_vocabulary: number of target tokens.
        size: D.
        num_heads: H, which must divide D.
        num_layers: of the encoder, and of the decoder.
        d_ff: size of the feed-forward networks' hidden layers, 4 D by
            default.
        norm_first: pre-norm instead of post-norm.
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        size: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
        d_ff: int | None = None,
        norm_first: bool = True,
    ):
        super().__init__()
        self.size = size
        self.source_embedding = nn.Embedding(source_vocabulary, size)
        self.target_embedding = nn.Embedding(target_vocabulary, size)
        self.stacks = Transformer(
            size,
            num_heads,
            num_layers,
            num_layers,
            4 * size if d_ff is None else d_ff,
            norm_first,
        )
        self.readout = nn.Linear(size, target_vocabulary)

    def embed(self, embedding: nn.Embedding, tokens: Tensor) -> Tensor:
        """Embed token ids, (B, L), and add their positions: (B, L, D)."""
        positions = sinusoidal(tokens.shape[1], self.size)  # (L, D)
        return embedding(tokens) + positions.to(embedding.weight)

    def encode(self, source: Tensor, source_mask: Tensor) -> Tensor:
        """Read the source, (B, S) token ids, into the memory (B, S, D).

        Raises:
            ValueError: if the mask has another shape than the source.
        """
        require_mask_of(source, source_mask)
        embedded = self.embed(self.source_embedding, source)
        return self.stacks.encode(embedded, source_mask)[0]

    def decode(
        self, target_in: Tensor, memory: Tensor, source_mask: Tensor
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Run the decoder over all positions of target_in, (B, T).

        Returns:
            output (B, T, D), and for each layer the weights of
            self-attention (B, H, T, T) and cross-attention (B, H, T, S).
        """
        embedded = self.embed(self.target_embedding, target_in)
        return self.stacks.decode(embedded, memory, None, source_mask)

    def forward(
        self, source: Tensor, source_mask: Tensor, target_in: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Predict each next token, given the true ones before it.

        Args:
            source: (B, S) token ids.
            source_mask: (B, S), True where there is a token.
            target_in: (B, T) token ids, beginning with BOS.

        Returns:
            logits (B, T, V) and weights (B, T, S): cross-attention of the
            last layer, the mean over its heads.
        """
        memory = self.encode(source, source_mask)
        output, weights = self.decode(target_in, memory, source_mask)
        return self.readout(output), weights[-1][1].mean(1)

    def cross_attention(
        self, source: Tensor, source_mask: Tensor, target_in: Tensor
    ) -> Tensor:
        """Cross-attention of all layers and heads, (L, B, H, T, S)."""
        memory = self.encode(source, source_mask)
        _, weights = self.decode(target_in, memory, source_mask)
        return torch.stack([across for _, across in weights])

    def stepper(
        self, source: Tensor, source_mask: Tensor, beam: int = 1
    ) -> Callable[[Tensor], Tensor]:
        """Encode once, and offer the step that `decoding` asks for.

        Args:
            source: (B, S) token ids.
            source_mask: (B, S), True where there is a token.
            beam: K prefixes for each source, in adjacent rows.

        Returns:
            A function from prefixes (B K, t) to logits of the next token
            (B K, V). It runs the decoder over the whole prefix each time.
        """
        memory = self.encode(source, source_mask).repeat_interleave(beam, 0)
        mask = source_mask.repeat_interleave(beam, 0)

        def step(prefix: Tensor) -> Tensor:
            output, _ = self.decode(prefix, memory, mask)
            return self.readout(output[:, -1])

        return step

    @torch.no_grad()
    def generate(
        self, source: Tensor, source_mask: Tensor, length: int
    ) -> tuple[Tensor, Tensor]:
        """Decode greedily, `length` tokens; after EOS only EOS follows.

        Returns:
            tokens (B, length), and weights (B, length, S) as `forward` gives
            them on its own answer.

        Raises:
            ValueError: if length is less than 1.
        """
        step = self.stepper(source, source_mask)
        tokens, _ = greedy(step, len(source), length, source.device)
        start = tokens.new_full((len(tokens), 1), BOS)  # (B, 1)
        target_in = torch.cat([start, tokens[:, :-1]], dim=1)  # (B, length)
        _, weights = self(source, source_mask, target_in)
        return tokens, weights
