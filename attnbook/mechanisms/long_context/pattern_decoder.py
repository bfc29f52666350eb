"""A decoder-only model whose layers read by patterns of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from attnbook.mechanisms.decoder_only.blocks import (
    BLOCK_2018,
    Block,
    Design,
    Remember,
)
from attnbook.mechanisms.decoder_only.model import DecoderOnly

Pattern = Callable[[int], Tensor]


class PatternBlock(Block):
    """A block that reads by a pattern wherever no mask is given.

    Args:
        d_model: D.
        num_heads: H; divides d_model.
        d_ff: size of the hidden layer.
        design: which parts.
        pattern: called with T, returns a causal mask (T, T).
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        d_ff: int,
        design: Design,
        pattern: Pattern,
    ):
        super().__init__(d_model, num_heads, d_ff, design)
        self.pattern = pattern

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        angles: Tensor | None = None,
        remember: Remember | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One step along the residual stream; as `Block`."""
        if mask is None:
            mask = self.pattern(x.shape[1]).to(x.device)[None]
        return super().forward(x, mask, angles, remember)


class PatternDecoder(DecoderOnly):
    """`DecoderOnly` with a pattern for each layer.

    Layers that read near and layers that read everything can take turns, as
    in Gemma Team (2025), section 2. The patterns are masks: they show what a
    pattern learns, and save nothing. With a cache, what the cache keeps is
    what may be read: give it a `RollingCache` of the same window.

    Args:
        vocabulary: V, the number of tokens.
        d_model: D, the size of a token.
        num_heads: H, which must divide D.
        patterns: one for each layer, called with T, returns (T, T).
        longest: tokens, at most, that it can read.
        d_ff: as in `DecoderOnly`.
        design: which block.

    Raises:
        ValueError: as `DecoderOnly`.
    """

    def __init__(
        self,
        vocabulary: int,
        d_model: int,
        num_heads: int,
        patterns: Sequence[Pattern],
        longest: int,
        d_ff: int | None = None,
        design: Design = BLOCK_2018,
    ):
        super().__init__(
            vocabulary,
            d_model,
            num_heads,
            len(patterns),
            longest,
            d_ff,
            design,
        )
        width = self.blocks[0].feed_forward.narrow.in_features
        self.blocks = nn.ModuleList(
            PatternBlock(d_model, num_heads, width, design, pattern)
            for pattern in patterns
        )
        self._start()
