"""Multi-head latent attention: one small vector of a token for all heads.

DeepSeek-AI (2024), section 2.1. Instead of keys and values the cache holds a
latent vector, from which each head makes its own, and one key that is turned
by the position and that all heads share.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from attnbook.mechanisms.decoder_only.blocks import Remember, RMSNorm
from attnbook.mechanisms.multi_head import (
    by_head as mask_by_head,
)
from attnbook.mechanisms.multi_head import (
    merge_heads,
    positions_of,
    split_heads,
)
from attnbook.mechanisms.positions import rotate as turned
from attnbook.mechanisms.scaled_dot_product import (
    scaled_dot_product_attention,
)
from attnbook.mechanisms.shapes import require_vectors
from attnbook.mechanisms.sharing_heads.grouped import (
    GroupedQueryAttention,
    grouped_attention,
    size_of_head,
)

Rotate = Callable[[Tensor, Tensor], Tensor]


class MultiHeadLatentAttention(nn.Module):
    """Attention whose cache is one latent and one rotary key a token.

    DeepSeek-AI (2024), section 2.1.2 and 2.1.3, equations 9 to 19. Two forms
    compute the same. The naive one makes keys and values of all heads from
    the latents. The absorbed one multiplies their matrices into queries and
    outputs instead, and is multi-query attention with the latent as key and
    as value (section 2.1.2, after equation 13).

    Args:
        d_model: D, the width.
        num_heads: H.
        d_latent: d_c, numbers in a latent.
        d_rotary: features of the rotary key, even; 0 leaves it out.
        d_head: d_h, features of a key without the rotary ones, and of a
            value; D / H if left out.
        d_query: size of a latent that the queries are made from; without
            one, they are made from the input.
        norm: whether an `RMSNorm` follows each latent (section 3.1.2).

    Raises:
        ValueError: if a size is out of range.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        d_latent: int,
        d_rotary: int = 0,
        d_head: int | None = None,
        d_query: int | None = None,
        norm: bool = True,
    ):
        super().__init__()
        d_head = size_of_head(d_model, num_heads, d_head)
        _check_sizes(num_heads, d_latent, d_rotary, d_query)
        self.num_heads, self.d_head = num_heads, d_head
        self.d_latent, self.d_rotary = d_latent, d_rotary
        self.scale = 1 / math.sqrt(d_head + d_rotary)
        size, rotary = num_heads * d_head, num_heads * d_rotary

        def linear(inputs: int, outputs: int) -> nn.Linear:
            return nn.Linear(inputs, outputs, bias=False)

        def norm_of(size: int) -> nn.Module:
            return RMSNorm(size) if norm else nn.Identity()

        source = d_model if d_query is None else d_query
        self.query_latent = (
            nn.Identity()
            if d_query is None
            else nn.Sequential(linear(d_model, d_query), norm_of(d_query))
        )
        self.query_projection = linear(source, size)
        self.latent_projection = linear(d_model, d_latent)
        self.latent_norm = norm_of(d_latent)
        self.key_projection = linear(d_latent, size)
        self.value_projection = linear(d_latent, size)
        self.output_projection = linear(size, d_model)
        if d_rotary:
            self.query_rotary = linear(source, rotary)
            self.key_rotary = linear(d_model, d_rotary)

    def forward(
        self,
        query: Tensor,
        source: Tensor,
        mask: Tensor | None = None,
        causal: bool = False,
        rotate: Rotate | None = None,
        absorbed: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Attend in each head, and mix what the heads return.

        Args:
            query: (B, T, D).
            source: (B, S, D), what keys and values are made from.
            mask: boolean, (B, S), (B, T, S) or (B, H, T, S), as in
                `MultiHeadAttention`.
            causal: whether query t is also kept from the keys after t.
            rotate: called with the rotary part of the queries, (B, H, T,
                d_rotary), and their positions (T,), then with the rotary
                key, (B, 1, S, d_rotary), and its positions.
            absorbed: which form.

        Returns:
            output (B, T, D) and weights (B, H, T, S).

        Raises:
            TypeError: if the mask is not boolean.
            ValueError: if a shape does not fit, naming the argument.
        """
        width = self.latent_projection.in_features
        require_vectors("query", query, "T", width)
        require_vectors("source", source, "S", width, beside=query)
        if mask is not None:
            mask = mask_by_head(mask, query, source, self.num_heads)
        return self.attend(
            *self.queries(query, rotate),
            self.to_keep(source, rotate),
            mask,
            causal,
            absorbed,
        )

    def to_keep(self, source: Tensor, rotate: Rotate | None = None) -> Tensor:
        """What the cache holds: latents, and rotary keys behind them.

        Args:
            source: (B, S, D).
            rotate: as in `forward`.

        Returns:
            (B, 1, S, d_c + d_rotary), for all heads.
        """
        latent = self.latent_norm(self.latent_projection(source))[:, None]
        if not self.d_rotary:
            return latent  # (B, 1, S, d_c)
        key = self.key_rotary(source)[:, None]  # (B, 1, S, d_rotary)
        if rotate is not None:
            key = rotate(key, positions_of(key))
        return torch.cat([latent, key], dim=-1)

    def queries(
        self, query: Tensor, rotate: Rotate | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The two parts of each query.

        Args:
            query: (B, T, D).
            rotate: as in `forward`.

        Returns:
            (B, H, T, d_h), and (B, H, T, d_rotary) or None.
        """
        source = self.query_latent(query)
        q = split_heads(self.query_projection(source), self.num_heads)
        if not self.d_rotary:
            return q, None
        rotary = split_heads(self.query_rotary(source), self.num_heads)
        if rotate is not None:
            rotary = rotate(rotary, positions_of(rotary))
        return q, rotary

    def attend(
        self,
        q: Tensor,
        rotary: Tensor | None,
        kept: Tensor,
        mask: Tensor | None = None,
        causal: bool = False,
        absorbed: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Attend to what the cache holds.

        Args:
            q: (B, H, T, d_h).
            rotary: (B, H, T, d_rotary), or None.
            kept: (B, 1, S, d_c + d_rotary).
            mask: boolean, broadcastable to (B, H, T, S).
            causal: as in `forward`.
            absorbed: which form.

        Returns:
            output (B, T, D) and weights (B, H, T, S).
        """
        form = self._absorbed if absorbed else self._naive
        output, weights = form(q, rotary, kept, mask, causal)
        return self.output_projection(merge_heads(output)), weights

    def _naive(self, q, rotary, kept, mask, causal):
        """Make keys and values of every head, (B, H, S, …), and attend."""
        k, v = self.keys_and_values(kept)
        if rotary is not None:
            q = torch.cat([q, rotary], dim=-1)  # (B, H, T, d_h + d_rotary)
        return scaled_dot_product_attention(
            q, k, v, mask, causal, scale=self.scale
        )

    def keys_and_values(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """What the naive form makes of (B, 1, S, d_c + d_rotary).

        Returns:
            keys (B, H, S, d_h + d_rotary) and values (B, H, S, d_h).
        """
        H = self.num_heads
        latent, key = kept[:, 0].split([self.d_latent, self.d_rotary], dim=-1)
        k = split_heads(self.key_projection(latent), H)  # (B, H, S, d_h)
        v = split_heads(self.value_projection(latent), H)
        if self.d_rotary:
            for_all = key[:, None].expand(-1, H, -1, -1)
            k = torch.cat([k, for_all], dim=-1)
        return k, v

    def _absorbed(self, q, rotary, kept, mask, causal):
        """Take the queries to the latents, and what they return from them.

        qᵀ(W c) is (Wᵀ q)ᵀ c, and the sum of a·(W c) is W times the sum of
        a·c: the matrices of keys and values meet T queries, not S latents.
        """
        to_latent = self.key_projection.weight.unflatten(
            0, (self.num_heads, -1)
        )  # (H, d_h, d_c)
        q = torch.einsum("bhtd,hdc->bhtc", q, to_latent)
        if rotary is not None:
            q = torch.cat([q, rotary], dim=-1)  # (B, H, T, d_c + d_rotary)
        latent = kept[..., : self.d_latent]  # (B, 1, S, d_c)
        mixed, weights = grouped_attention(
            q, kept, latent, mask, causal, scale=self.scale
        )  # (B, H, T, d_c)
        from_latent = self.value_projection.weight.unflatten(
            0, (self.num_heads, -1)
        )  # (H, d_h, d_c)
        return torch.einsum("bhtc,hdc->bhtd", mixed, from_latent), weights


class LatentSelfAttention(MultiHeadLatentAttention):
    """Each token attends to itself and to those before it, by latents.

    The counterpart of `decoder_only.CausalSelfAttention`, which it can
    replace in a block; its arguments are those of the class above. Where
    there is a cache the form is the absorbed one, unless `absorbs` is set to
    False, and in training it is the naive one.
    """

    absorbs = True

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
            angles: (T, d_rotary/2) or (B, 1, T, d_rotary/2), by which the
                rotary parts are turned; they are not turned if left out.
            remember: stores what is to be kept, (B, 1, T, d_c + d_rotary),
                and values of no size, (B, 1, T, 0), and returns all that
                there are.

        Returns:
            output (B, T, D) and weights (B, H, T, S).
        """

        def rotate(part: Tensor, _: Tensor) -> Tensor:
            return turned(part, angles, interleaved=False)

        turning = None if angles is None else rotate
        kept = self.to_keep(x, turning)
        if remember is not None:
            kept, _ = remember(kept, kept[..., :0])  # (B, 1, S, …)
        causal = mask is None
        mask = None if causal else mask[:, None]  # (B, 1, T, S)
        return self.attend(
            *self.queries(x, turning),
            kept,
            mask,
            causal,
            absorbed=remember is not None and self.absorbs,
        )


@torch.no_grad()
def latent_of(
    module: GroupedQueryAttention, d_head: int | None = None
) -> MultiHeadLatentAttention:
    """Latent attention that computes the same as grouped attention.

    Its latent is all keys and values of a token, 2·G·d numbers, so that it
    caches as much; its matrices only pick (Meng et al. 2025).
    What groups can compute, a latent of as many numbers can.

    Args:
        module: without biases.
        d_head: features of the new heads, d or more, of which d are used;
            d if left out.

    Raises:
        ValueError: if the module has biases, or d_head is less than d.
    """
    d_head = module.d_head if d_head is None else d_head
    if module.key_projection.bias is not None or d_head < module.d_head:
        raise ValueError(
            f"d_head is {d_head}, and the module has heads of "
            f"{module.d_head}; expected as many or more, and a module "
            "without projection_bias"
        )
    H, G, d = module.num_heads, module.num_kv_heads, module.d_head
    weight = module.query_projection.weight
    made = MultiHeadLatentAttention(
        weight.shape[1], H, 2 * G * d, d_head=d_head, norm=False
    ).to(weight)
    for each in made.parameters():
        each.zero_()
    ratio = math.sqrt(d_head / d)  # of the scales
    by_head = made.query_projection.weight.unflatten(0, (H, -1))
    by_head[:, :d] = ratio * weight.unflatten(0, (H, -1))
    made.latent_projection.weight.copy_(
        torch.cat(
            [module.key_projection.weight, module.value_projection.weight]
        )
    )
    picks = torch.eye(2 * G * d).to(weight).unflatten(0, (2, G, d))
    for projection, of_groups in zip(
        (made.key_projection, made.value_projection), picks, strict=True
    ):
        of_heads = of_groups.repeat_interleave(H // G, dim=0)  # (H, d, 2Gd)
        projection.weight.unflatten(0, (H, -1))[:, :d] = of_heads
    outputs = made.output_projection.weight.unflatten(1, (H, -1))
    outputs[..., :d] = module.output_projection.weight.unflatten(1, (H, -1))
    return made


def _check_sizes(num_heads, d_latent, d_rotary, d_query) -> None:
    """Raise a ValueError that names the first size out of range."""
    for name, size in (
        ("num_heads", num_heads),
        ("d_latent", d_latent),
        ("d_query", 1 if d_query is None else d_query),
    ):
        if size < 1:
            raise ValueError(f"{name} is {size}; expected at least 1")
    if d_rotary < 0 or d_rotary % 2:
        raise ValueError(
            f"d_rotary is {d_rotary}; expected an even number, because "
            "features turn in pairs, or 0"
        )
