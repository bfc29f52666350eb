"""From token ids to logits of the next token: the decoder-only model."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from attnbook.mechanisms.decoder_only.blocks import (
    BLOCK_2018,
    Block,
    Design,
    norm_of,
)
from attnbook.mechanisms.decoder_only.cache import Cache
from attnbook.mechanisms.positions import LearnedPositions, rope_angles
from attnbook.mechanisms.shapes import require
from attnbook.mechanisms.transformer.norms import LayerNorm

STD = 0.02


class DecoderOnly(nn.Module):
    """Token ids in, logits of each next token out.

    Radford et al. (2018), section 3.1, with the norms before the sublayers
    and one more at the end, as Radford et al. (2019), section 2.3, have it.
    Weights start with standard deviation 0.02 (2018, section 4.1), those
    that write to the residual stream with 0.02 / √(2L) (2019, section 2.3).
    There is no dropout.

    Args:
        vocabulary: V, the number of tokens.
        d_model: D, the size of a token.
        num_heads: H, which must divide D.
        num_layers: L, blocks.
        longest: tokens, at most, that it can read.
        d_ff: size of the feed-forward networks' hidden layers; by default
            4D, and 8D/3 for SwiGLU, which then has about as many weights.
        design: which block.

    Raises:
        ValueError: if a size is less than 1, H does not divide D, or
            positions are rotary and D / H is odd.
    """

    def __init__(
        self,
        vocabulary: int,
        d_model: int,
        num_heads: int,
        num_layers: int,
        longest: int,
        d_ff: int | None = None,
        design: Design = BLOCK_2018,
    ):
        super().__init__()
        _check_sizes(
            vocabulary=vocabulary, num_layers=num_layers, longest=longest
        )
        self.vocabulary, self.d_model = vocabulary, d_model
        self.num_heads, self.longest = num_heads, longest
        self.design = design
        if d_ff is None:
            swiglu = design.feed_forward == "swiglu"
            d_ff = round(8 * d_model / 3) if swiglu else 4 * d_model
        self.token_embedding = nn.Embedding(vocabulary, d_model)
        if design.positions == "learned":
            self.positions = LearnedPositions(longest, d_model, STD)
        else:  # now, so that an odd head fails here and not when it is used
            rope_angles(torch.zeros(1), d_model // num_heads)
        self.blocks = nn.ModuleList(
            Block(d_model, num_heads, d_ff, design) for _ in range(num_layers)
        )
        self.norm = norm_of(design, d_model)
        self.readout = nn.Linear(d_model, vocabulary, bias=False)
        if design.tied:
            self.readout.weight = self.token_embedding.weight
        self._start()

    @property
    def rotary_size(self) -> int:
        """Features of a query that are turned where positions are rotary."""
        return self.d_model // self.num_heads

    @property
    def cache_sizes(self) -> tuple[int, int, int, int]:
        """What a cache keeps: layers, heads, numbers of a key, of a value."""
        size = self.d_model // self.num_heads
        return len(self.blocks), self.num_heads, size, size

    def _start(self) -> None:
        """Draw the first weights."""
        to_stream = STD / math.sqrt(2 * len(self.blocks))
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=STD)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)
        for block in self.blocks:
            for layer in (
                block.attention.output_projection,
                block.feed_forward.narrow,
            ):
                nn.init.normal_(layer.weight, std=to_stream)

    def forward(
        self,
        ids: Tensor,
        cache: Cache | None = None,
        counts: Tensor | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Predict each next token from those before it.

        Args:
            ids: as in `read`.
            cache: as in `read`.
            counts: as in `read`.

        Returns:
            logits (B, T, V), and each block's weights (B, H, T, S).

        Raises:
            ValueError: as `read`.
        """
        x, weights = self.read(ids, cache, counts)
        with torch.set_grad_enabled(cache is None and torch.is_grad_enabled()):
            return self.logits(x), weights

    def logits(self, x: Tensor) -> Tensor:
        """The last norm and the readout: (..., D) to (..., V)."""
        return self.readout(self.norm(x))

    def read(
        self,
        ids: Tensor,
        cache: Cache | None = None,
        counts: Tensor | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Run the blocks. Who writes needs the logits of one place only.

        Without a cache the tokens stand at positions 0 to T - 1. With one,
        the new tokens of row b stand behind the `cache.lengths[b]` tokens
        that it holds, and are added to it; no gradient is kept.

        Args:
            ids: (B, T), integers.
            cache: what the model has read before; grows.
            counts: (B,), how many of the T tokens of each row are real; the
                others are padding, on the right, and what comes out at
                their places means nothing.

        Returns:
            x (B, T, D), and each block's weights (B, H, T, S). S is T
            without a cache, else the length of the longest row.

        Raises:
            ValueError: if a shape does not fit, an id is outside of the
                vocabulary, a count is outside of 0 … T, or a row becomes
                longer than `longest`.
        """
        self._check(ids, cache, counts)
        if cache is None:
            positions = torch.arange(ids.shape[1], device=ids.device)  # (T,)
            return self._run(ids, positions, None, [None] * len(self.blocks))
        places = cache.places(ids.shape[1], counts)
        remember = [
            partial(cache.write, layer, places)
            for layer in range(len(self.blocks))
        ]
        with torch.no_grad():
            found = self._run(ids, places.positions, places.mask, remember)
        new = ids.shape[1] if counts is None else counts
        cache.lengths = cache.lengths + new
        return found

    def _run(self, ids, positions, mask, remember):
        """Run the stack on tokens at positions (T,) or (B, T)."""
        x = self.token_embedding(ids)  # (B, T, D)
        angles = None
        if self.design.positions == "learned":
            # Padding may stand behind the last row; nobody reads it.
            rows = positions.clamp(max=self.longest - 1)
            x = x + self.positions.vectors[rows]
        else:
            # (T, d/2) or (B, T, d/2)
            angles = rope_angles(positions, self.rotary_size)
            angles = angles[:, None] if angles.ndim == 3 else angles
        weights = []
        for block, storing in zip(self.blocks, remember, strict=True):
            x, of_block = block(x, mask, angles, storing)
            weights.append(of_block)
        return x, weights

    def _check(self, ids, cache, counts) -> None:
        """Raise a ValueError that names the first argument that is wrong."""
        B = "B" if cache is None else str(len(cache))
        require(
            ids.ndim == 2
            and ids.shape[1] > 0
            and (cache is None or len(ids) == len(cache)),
            "ids",
            ids.shape,
            f"({B}, T), with T at least 1",
        )
        if ids.is_floating_point() or ids.dtype == torch.bool:
            raise ValueError(
                f"ids has dtype {ids.dtype}; expected integers, torch.long"
            )
        if len(ids) and (ids.min() < 0 or ids.max() >= self.vocabulary):
            raise ValueError(
                f"ids holds {int(ids.min())} to {int(ids.max())}; expected "
                f"0 to {self.vocabulary - 1}"
            )
        if counts is not None:
            require(
                counts.shape == ids.shape[:1],
                "counts",
                counts.shape,
                f"({len(ids)},), one count for each row",
            )
            if (counts < 0).any() or (counts > ids.shape[1]).any():
                raise ValueError(
                    f"counts is {counts.tolist()}; expected 0 to "
                    f"{ids.shape[1]}, the number of tokens in a row"
                )
        if cache is None and ids.shape[1] > self.longest:
            raise ValueError(
                f"ids has {ids.shape[1]} tokens in a row; the model reads at "
                f"most {self.longest}, its `longest`"
            )

    @classmethod
    def from_torch(
        cls,
        token_embedding: nn.Embedding,
        position_embedding: nn.Embedding,
        encoder: nn.TransformerEncoder,
        readout: nn.Linear,
    ) -> DecoderOnly:
        """A copy of a stack of PyTorch's own layers, with its embeddings.

        Equal to readout(encoder(tokens + positions, causal mask)), where
        nothing is dropped.

        Args:
            token_embedding: V rows of D.
            position_embedding: `longest` rows of D.
            encoder: pre-norm layers and a last norm.
            readout: from D to V, without a bias.

        Raises:
            ValueError: if the layers are post-norm or have another
                activation than ReLU, the last norm is missing, or the
                readout has a bias.
        """
        if encoder.norm is None or readout.bias is not None:
            raise ValueError(
                "from_torch: expected an encoder made with norm=…, and a "
                "readout made with bias=False"
            )
        blocks = [Block.from_torch(layer) for layer in encoder.layers]
        first = encoder.layers[0]
        tied = readout.weight is token_embedding.weight
        made = cls(
            token_embedding.num_embeddings,
            token_embedding.embedding_dim,
            first.self_attn.num_heads,
            len(blocks),
            position_embedding.num_embeddings,
            first.linear1.out_features,
            Design(bias=first.linear1.bias is not None, tied=tied),
        ).to(readout.weight)
        made.blocks = nn.ModuleList(blocks)
        made.norm = LayerNorm.from_torch(encoder.norm)
        with torch.no_grad():
            made.token_embedding.weight.copy_(token_embedding.weight)
            made.positions.vectors.copy_(position_embedding.weight)
            made.readout.weight.copy_(readout.weight)
        return made


def _check_sizes(**sizes: int) -> None:
    """Raise a ValueError that names the first size below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}; expected at least 1")
