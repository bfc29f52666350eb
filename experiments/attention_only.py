"""A translator that is made of attention alone, with a gate for each head."""

from __future__ import annotations

from torch import Tensor, nn

from attnbook.mechanisms.multi_head import MultiHeadAttention
from attnbook.mechanisms.positions import sinusoidal

HEADS = 8
LAYERS = 2
KINDS = ("encoder", "decoder", "cross")
MAX_LENGTH = 64


class AttentionLayer(nn.Module):
    """What came in, plus what multi-head attention makes of it.

    Args:
        size: D.
        num_heads: H.
    """

    def __init__(self, size: int, num_heads: int):
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.attention = MultiHeadAttention(size, num_heads)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
        gate: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Attend to the memory (B, S, D), or to x (B, T, D) itself.

        Returns:
            x plus what was read, (B, T, D), and weights (B, H, T, S).
        """
        query = self.norm(x)
        memory = query if memory is None else memory
        read, weights = self.attention(
            query, memory, memory, mask, causal, gate=gate
        )
        return x + read, weights


class AttentionOnlyTranslator(nn.Module):
    """An encoder–decoder of attention layers and nothing in between.

    It has no feed-forward layers, so that all that moves or mixes anything is
    a head. Its 3·num_layers layers count as encoder, decoder and cross, each
    kind from the first layer to the last: that is the order of gates and maps.

    Args:
        source_vocabulary: number of source tokens.
        target_vocabulary: number of target tokens.
        size: D.
        num_heads: H of every layer.
        num_layers: layers of each kind.
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        size: int = 64,
        num_heads: int = HEADS,
        num_layers: int = LAYERS,
    ):
        super().__init__()
        self.num_heads, self.num_layers = num_heads, num_layers
        self.source = nn.Embedding(source_vocabulary, size)
        self.target = nn.Embedding(target_vocabulary, size)
        self.register_buffer("positions", sinusoidal(MAX_LENGTH, size))
        self.layers = nn.ModuleDict(
            {
                kind: nn.ModuleList(
                    AttentionLayer(size, num_heads) for _ in range(num_layers)
                )
                for kind in KINDS
            }
        )
        self.encoded = nn.LayerNorm(size)
        self.decoded = nn.LayerNorm(size)
        self.readout = nn.Linear(size, target_vocabulary)

    def attend(
        self,
        source: Tensor,
        source_mask: Tensor,
        target_in: Tensor,
        gates: Tensor | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Score the next tokens, and keep the map of every head.

        Args:
            source: (B, S).
            source_mask: (B, S), boolean.
            target_in: (B, T).
            gates: (layers, H) or (layers, B, H), a factor of each head.

        Returns:
            logits (B, T, V), and for each layer weights (B, H, T, S).
        """
        n = self.num_layers
        gates = [None] * 3 * n if gates is None else gates
        encoder_gates, decoder_gates, cross_gates = (
            gates[n * kind : n * (kind + 1)] for kind in range(len(KINDS))
        )
        maps: dict[str, list[Tensor]] = {kind: [] for kind in KINDS}
        x = self.source(source) + self.positions[: source.shape[1]]
        for layer, gate in zip(
            self.layers["encoder"], encoder_gates, strict=True
        ):
            x, weights = layer(x, mask=source_mask, gate=gate)  # (B, S, D)
            maps["encoder"].append(weights)
        x = self.encoded(x)
        y = self.target(target_in) + self.positions[: target_in.shape[1]]
        for at in range(n):
            y, weights = self.layers["decoder"][at](
                y, causal=True, gate=decoder_gates[at]
            )  # (B, T, D)
            maps["decoder"].append(weights)
            y, weights = self.layers["cross"][at](
                y, x, source_mask, gate=cross_gates[at]
            )  # (B, T, D)
            maps["cross"].append(weights)
        logits = self.readout(self.decoded(y))  # (B, T, V)
        return logits, [each for kind in KINDS for each in maps[kind]]

    def forward(
        self,
        source: Tensor,
        source_mask: Tensor,
        target_in: Tensor,
        gates: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Score the next tokens, as `train.fit` asks for them.

        Returns:
            logits (B, T, V), and the weights of the last cross-attention
            averaged over its heads, (B, T, S).
        """
        logits, maps = self.attend(source, source_mask, target_in, gates)
        return logits, maps[-1].mean(1)


class Gated(nn.Module):
    """A translator with its gates, in the form that `train.fit` asks for.

    Args:
        model: the translator.
        gates: (layers, H), a factor of each head.
    """

    def __init__(self, model: AttentionOnlyTranslator, gates: Tensor):
        super().__init__()
        self.model = model
        self.register_buffer("gates", gates)

    def forward(
        self, source: Tensor, source_mask: Tensor, target_in: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Score the next tokens with the gates in place."""
        return self.model(source, source_mask, target_in, self.gates)
