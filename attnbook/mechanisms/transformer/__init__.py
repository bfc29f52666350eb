"""The Transformer: Vaswani et al. (2017), as an encoder–decoder.

Blocks of attention and feed-forward networks around a residual stream. Layer
normalisation stands before each sublayer (`norm_first=True`, pre-norm) or
after each addition (post-norm, as in the paper). Nothing here knows the order
of tokens; `TransformerTranslator` adds positions to its embeddings. There is
no dropout.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.mechanisms.decoding import BOS, greedy
from attnbook.mechanisms.multi_head import MultiHeadAttention
from attnbook.mechanisms.positions import sinusoidal
from attnbook.mechanisms.shapes import require


class LayerNorm(nn.Module):
    """Give each token mean 0 and variance 1, then scale and shift.

    Ba, Kiros and Hinton (2016). The variance divides by the number of
    features, and epsilon stands under the root.

    Args:
        size: number of features, the last dimension.
        eps: added to the variance.
    """

    def __init__(self, size: int, eps: float = 1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))
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
        made = cls(size).to(norm.weight)
        _copy_norm(norm, made)
        return made


class SublayerNorm(LayerNorm):
    """A layer normalisation that knows its place around a sublayer.

    `after(x + sublayer(before(x)))` is one residual step: exactly one of
    the two normalises, and the other hands on what it gets.

    Args:
        size: number of features.
        norm_first: normalise before the sublayer, not after the addition.
    """

    def __init__(self, size: int, norm_first: bool = True):
        super().__init__(size)
        self.norm_first = norm_first

    def before(self, x: Tensor) -> Tensor:
        """What the sublayer reads."""
        return self(x) if self.norm_first else x

    def after(self, x: Tensor) -> Tensor:
        """What the addition hands on."""
        return x if self.norm_first else self(x)


class FeedForward(nn.Module):
    """Two layers with a ReLU between, on each token by itself.

    Vaswani et al. (2017), section 3.3, equation 2.

    Args:
        d_model: D, the size of a token.
        d_ff: size of the hidden layer, four times D in the paper.
    """

    def __init__(self, d_model: int, d_ff: int):
        super().__init__()
        self.widen = nn.Linear(d_model, d_ff)
        self.narrow = nn.Linear(d_ff, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D)."""
        return self.narrow(self.widen(x).relu())


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward, each with a residual.

    Vaswani et al. (2017), section 3.1. With `causal=True` it is the block of
    a decoder-only model.

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
        self.feed_forward = FeedForward(d_model, d_ff)
        self.feed_forward_norm = SublayerNorm(d_model, norm_first)

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
        """
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
        made = cls(*_sizes(layer), layer.norm_first).to(layer.linear1.weight)
        made.attention = MultiHeadAttention.from_torch(layer.self_attn)
        _copy_norm(layer.norm1, made.attention_norm)
        _copy_feed_forward(layer, made.feed_forward)
        _copy_norm(layer.norm2, made.feed_forward_norm)
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
        """
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
        made = cls(*_sizes(layer), layer.norm_first).to(layer.linear1.weight)
        made.attention = MultiHeadAttention.from_torch(layer.self_attn)
        _copy_norm(layer.norm1, made.attention_norm)
        made.cross_attention = MultiHeadAttention.from_torch(
            layer.multihead_attn
        )
        _copy_norm(layer.norm2, made.cross_norm)
        _copy_feed_forward(layer, made.feed_forward)
        _copy_norm(layer.norm3, made.feed_forward_norm)
        return made


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
        batch, _, size = source.shape
        require(
            target.ndim == 3 and target.shape[::2] == (batch, size),
            "target",
            target.shape,
            f"({batch}, T, {size})",
        )
        memory, _ = self.encode(source, source_mask)
        output, weights = self.decode(
            target, memory, target_mask, source_mask, causal
        )
        return output, [across for _, across in weights]

    @classmethod
    def from_torch(cls, model: nn.Transformer) -> Transformer:
        """A copy of PyTorch's model; equal to it where it drops nothing."""
        first = model.encoder.layers[0]
        made = cls(
            *_sizes(first)[:2],
            len(model.encoder.layers),
            len(model.decoder.layers),
            *_sizes(first)[2:],
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


class TransformerTranslator(nn.Module):
    """Token ids in, logits out: the whole of Vaswani et al. (2017), figure 1.

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
        """Read the source, (B, S) token ids, into the memory (B, S, D)."""
        require(
            source_mask.shape == source.shape,
            "source_mask",
            source_mask.shape,
            f"{tuple(source.shape)}, the shape of source",
        )
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


def warmup_rate(step: int, d_model: int, warmup: int) -> float:
    """The learning rate of the paper: up in a line, down as 1/√step.

    Vaswani et al. (2017), section 5.3, equation 3.

    Args:
        step: from 1.
        d_model: D.
        warmup: steps of growth, 4000 in the paper.

    Raises:
        ValueError: if step or warmup is less than 1.
    """
    if step < 1 or warmup < 1:
        raise ValueError(
            f"step is {step} and warmup is {warmup}; expected at least 1 of "
            "each, the first step being 1"
        )
    return min(step**-0.5, step * warmup**-1.5) / math.sqrt(d_model)


def _sizes(layer) -> tuple[int, int, int]:
    """D, H and d_ff of a PyTorch layer, which must use ReLU."""
    if layer.activation not in (F.relu, torch.relu) and not isinstance(
        layer.activation, nn.ReLU
    ):
        raise ValueError(
            f"the layer's activation is {layer.activation}; expected ReLU, "
            "which is all that FeedForward has"
        )
    attention = layer.self_attn
    return attention.embed_dim, attention.num_heads, layer.linear1.out_features


def _copy_norm(norm: nn.LayerNorm, to: LayerNorm) -> None:
    to.load_state_dict(norm.state_dict())
    to.eps = norm.eps


def _copy_feed_forward(layer, to: FeedForward) -> None:
    to.widen.load_state_dict(layer.linear1.state_dict())
    to.narrow.load_state_dict(layer.linear2.state_dict())
