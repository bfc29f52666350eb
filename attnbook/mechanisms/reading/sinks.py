"""Attention that can say "nothing here", in four ways, in one class."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from attnbook.mechanisms.decoder_only.blocks import (
    BLOCK_2018,
    CausalSelfAttention,
    Design,
    Remember,
)
from attnbook.mechanisms.decoder_only.model import STD, DecoderOnly
from attnbook.mechanisms.masked_softmax import masked_softmax
from attnbook.mechanisms.multi_head import merge_heads, split_heads
from attnbook.mechanisms.positions import rotate
from attnbook.mechanisms.scaled_dot_product import causal_mask

REMEDIES = ("softmax", "sink logit", "output gate", "relu")


def softmax_with_sink(
    scores: Tensor, sink: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Softmax over the keys and one more score, whose weight is thrown away.

    OpenAI (2025) learn such a score for each head. The weights that stay are
    those of the softmax times sigmoid(L - sink), where L is the log of the
    sum of the exponentials of the scores.

    Args:
        scores: (B, H, T, S).
        sink: (H,), the score of nothing.
        mask: boolean, broadcastable to the scores; True may be attended to.

    Returns:
        (B, H, T, S); a row sums to less than 1.
    """
    nothing = sink[:, None, None].expand(*scores.shape[:-1], 1)
    together = torch.cat([scores, nothing], -1)  # (B, H, T, S + 1)
    if mask is not None:
        there = mask.new_ones(*mask.shape[:-1], 1)
        mask = torch.cat([mask, there], -1)
    return masked_softmax(together, mask)[..., :-1]


def relu_weights(scores: Tensor, mask: Tensor) -> Tensor:
    """ReLU of the scores, divided by the number of keys that are allowed.

    Wortsman et al. (2023) divide by the length. Nothing makes a row sum to
    1, so that a head that has nothing to read can stay at 0.

    Args:
        scores: (B, H, T, S).
        mask: boolean, broadcastable to the scores; True may be attended to.

    Returns:
        (B, H, T, S), not negative.
    """
    allowed = mask.sum(-1, keepdim=True).clamp(min=1)
    return scores.relu().masked_fill(~mask, 0) / allowed


class SinkAttention(CausalSelfAttention):
    """Causal self-attention with a choice of how a head reads nothing.

    - "softmax": weights sum to 1; a head can only read something harmless.
    - "sink logit": one learnt score more in each head (OpenAI 2025).
    - "output gate": what a head has read is multiplied by a sigmoid of the
      token that asks, one number for each head (Qiu et al. 2025).
    - "relu": ReLU instead of softmax (Wortsman et al. 2023).

    Args:
        d_model: D, the width.
        num_heads: H; divides d_model.
        remedy: one of `REMEDIES`.
        itself: whether a token may attend to itself. If not, the first token
            has nothing to attend to, and gets zeros.
        projection_bias: whether the four projections add a bias.

    Raises:
        ValueError: if the remedy is none of those, or num_heads does not
            divide d_model.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        remedy: str = "softmax",
        itself: bool = True,
        projection_bias: bool = True,
    ):
        super().__init__(d_model, num_heads, projection_bias)
        if remedy not in REMEDIES:
            raise ValueError(
                f"remedy is {remedy!r}; expected one of "
                + ", ".join(map(repr, REMEDIES))
            )
        self.remedy, self.itself = remedy, itself
        if remedy == "sink logit":
            self.sink = nn.Parameter(torch.zeros(num_heads))
        if remedy == "output gate":
            self.gate = nn.Linear(d_model, num_heads)

    def allowed(self, T: int, device: torch.device | None = None) -> Tensor:
        """Which keys each query may read without a mask: (T, T), boolean."""
        mask = causal_mask(T, device=device)
        if not self.itself:
            mask = mask.tril(-1)
        return mask

    def weigh(self, scores: Tensor, mask: Tensor) -> Tensor:
        """From scores (B, H, T, S) to weights, by the remedy."""
        if self.remedy == "relu":
            return relu_weights(scores, mask)
        if self.remedy == "sink logit":
            return softmax_with_sink(scores, self.sink, mask)
        return masked_softmax(scores, mask)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        angles: Tensor | None = None,
        remember: Remember | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Attend to what came before; as `CausalSelfAttention`.

        Raises:
            ValueError: if it shall remember: there is no cache here.
        """
        if remember is not None:
            raise ValueError(
                "SinkAttention has no cache; expected remember to be None"
            )
        H = self.num_heads
        q = split_heads(self.query_projection(x), H)  # (B, H, T, d)
        k = split_heads(self.key_projection(x), H)
        v = split_heads(self.value_projection(x), H)
        if angles is not None:
            q, k = (rotate(each, angles, interleaved=False) for each in (q, k))
        if mask is None:
            mask = self.allowed(x.shape[1], x.device)[None]
        scores = q @ k.mT / q.shape[-1] ** 0.5  # (B, H, T, T)
        weights = self.weigh(scores, mask[:, None])
        output = weights @ v  # (B, H, T, d)
        if self.remedy == "output gate":
            open_ = self.gate(x).sigmoid()  # (B, T, H)
            output = output * open_.mT[..., None]
        return self.output_projection(merge_heads(output)), weights


class SinkDecoder(DecoderOnly):
    """`DecoderOnly` whose attention has a way to read nothing.

    Args:
        vocabulary: V, the number of tokens.
        d_model: D, the size of a token.
        num_heads: H, which must divide D.
        num_layers: L, blocks.
        longest: tokens, at most, that it can read.
        remedy: one of `REMEDIES`.
        itself: whether a token may attend to itself.
        design: which block; without `qk_norm`.

    Raises:
        ValueError: as `DecoderOnly` and `SinkAttention`.
    """

    def __init__(
        self,
        vocabulary: int,
        d_model: int,
        num_heads: int,
        num_layers: int,
        longest: int,
        remedy: str = "softmax",
        itself: bool = True,
        design: Design = BLOCK_2018,
    ):
        super().__init__(
            vocabulary, d_model, num_heads, num_layers, longest, design=design
        )
        for block in self.blocks:
            block.attention = SinkAttention(
                d_model, num_heads, remedy, itself, design.bias
            )
        self._start()
        for block in self.blocks:
            if remedy == "output gate":  # 1/2 open at first, for every token
                nn.init.normal_(block.attention.gate.weight, std=STD)


class SinkReading(NamedTuple):
    """What there is to see at the first token of a layer.

    Attributes:
        first: mean weight on the first token, of the queries that count.
        own: mean weight of a token on itself.
        total: mean sum of a row of weights; 1 with softmax.
        opened: mean opening of the output gate; 1 without one.
        value_ratio: norm of the first token's value over the mean of others.
        stream_ratio: the same of the residual stream that the layer reads.
    """

    first: float
    own: float
    total: float
    opened: float
    value_ratio: float
    stream_ratio: float


@torch.no_grad()
def sink_readings(
    model: DecoderOnly, ids: Tensor, counted: Tensor | None = None
) -> list[SinkReading]:
    """Read the sink in each layer of a decoder, the mean over its heads.

    Args:
        model: a `DecoderOnly` or `SinkDecoder`.
        ids: (B, T), tokens; the first of each row is where a sink would be.
        counted: (B, T), boolean, which queries count; by default all but the
            first two, which have little else to attend to.

    Returns:
        one for each layer.

    Raises:
        ValueError: if no query counts.
    """
    B, T = ids.shape
    if counted is None:
        counted = torch.ones(B, T, dtype=torch.bool, device=ids.device)
    counted = counted & (torch.arange(T, device=ids.device) > 1)
    if not counted.any():
        raise ValueError(
            "no query counts; expected at least one behind the second token"
        )
    streams: list[Tensor] = []
    handles = [
        block.attention_norm.register_forward_hook(
            lambda module, inputs, output: streams.extend([*inputs, output])
        )
        for block in model.blocks
    ]
    try:
        _, weights = model(ids)
    finally:
        for handle in handles:
            handle.remove()
    found = []
    for at, block in enumerate(model.blocks):
        stream, normed = streams[2 * at : 2 * at + 2]  # (B, T, D) each
        value = block.attention.value_projection(normed)  # (B, T, D)
        of_layer = weights[at].mean(1)  # (B, T, S)
        opened = torch.ones_like(of_layer[..., 0])  # (B, T)
        if hasattr(block.attention, "gate"):
            opened = block.attention.gate(normed).sigmoid().mean(-1)
        own = of_layer.diagonal(dim1=1, dim2=2)  # (B, T)
        found.append(
            SinkReading(
                of_layer[..., 0][counted].mean().item(),
                own[counted].mean().item(),
                of_layer.sum(-1)[counted].mean().item(),
                opened[counted].mean().item(),
                _first_over_others(value),
                _first_over_others(stream),
            )
        )
    return found


def _first_over_others(x: Tensor) -> float:
    """The norm of the first token over the mean of the others' norms."""
    norms = x.norm(dim=-1)  # (B, T)
    return (norms[:, 0].mean() / norms[:, 1:].mean()).item()
