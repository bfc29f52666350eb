"""Heads that share keys and values: multi-head, grouped and multi-query.

Shazeer (2019), section 3; Ainslie et al. (2023), section 2.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn

from attnbook.mechanisms.decoder_only.blocks import Remember, RMSNorm
from attnbook.mechanisms.multi_head import (
    MultiHeadAttention,
    merge_heads,
    positions_of,
    split_heads,
)
from attnbook.mechanisms.multi_head import (
    by_head as mask_by_head,
)
from attnbook.mechanisms.positions import rotate as turned
from attnbook.mechanisms.scaled_dot_product import (
    attention_weights,
    scaled_dot_product_attention,
)
from attnbook.mechanisms.shapes import require, require_vectors


def repeat_heads(x: Tensor, num_heads: int) -> Tensor:
    """Copy each head of keys or values for all query heads of its group.

    Head g is copied to the places g·H/G to (g + 1)·H/G - 1, its copies side
    by side: the order of `repeat_interleave`, not that of `repeat`.

    Args:
        x: (B, G, S, d).
        num_heads: H, query heads; G divides it.

    Returns:
        (B, H, S, d).

    Raises:
        ValueError: if x has not four dimensions, or G does not divide H.
    """
    require(x.ndim == 4, "x", x.shape, "(B, G, S, d)")
    require_groups(num_heads, x.shape[1])
    return x.repeat_interleave(num_heads // x.shape[1], dim=1)


def copied_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    causal: bool = False,
    scale: float | None = None,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """As `grouped_attention`, but first copy each key for all who read it.

    The numbers are the same. The copies are as large as the keys and values
    of multi-head attention, and are made anew in each call.
    """
    _check_groups(query, key, value)
    H = query.shape[1]
    key, value = repeat_heads(key, H), repeat_heads(value, H)
    return scaled_dot_product_attention(
        query, key, value, mask, causal, scale, bias
    )


def grouped_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    causal: bool = False,
    scale: float | None = None,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Attend with H query heads to G heads of keys and values.

    Query head h reads head h // (H / G). The queries of a group are laid one
    below the other, as if they were more queries of one head, so that no key
    and no value is copied. (A product that leaves the broadcasting to
    PyTorch's `@` would copy them.)

    Args:
        query: (B, H, T, d_k).
        key: (B, G, S, d_k); G divides H.
        value: (B, G, S, d_v).
        mask: boolean, broadcastable to (B, H, T, S); True may be attended to.
        causal: whether query t is also kept from the keys after t.
        scale: factor of the scores; 1/√d_k if left out.
        bias: floating point, broadcastable to (B, H, T, S); added to the
            scaled scores.

    Returns:
        output (B, H, T, d_v) and weights (B, H, T, S).

    Raises:
        TypeError: if the mask is not boolean, or the bias is.
        ValueError: if a shape does not fit, naming the argument.
    """
    _check_groups(query, key, value)
    G, T, d_k = key.shape[1], *query.shape[-2:]
    if scale is None:
        scale = 1 / math.sqrt(d_k)
    rows = _below(query * scale, G)  # (B, G, H/G · T, d_k)
    scores = _beside(rows @ key.transpose(-2, -1), T)  # (B, H, T, S)
    weights = attention_weights(scores, mask, causal, bias)
    output = _below(weights, G) @ value  # (B, G, H/G · T, d_v)
    return _beside(output, T), weights


def _below(x: Tensor, groups: int) -> Tensor:
    """(B, H, T, n) to (B, G, H/G · T, n)."""
    return x.unflatten(1, (groups, -1)).flatten(2, 3)


def _beside(x: Tensor, T: int) -> Tensor:
    """The inverse of `_below`: (B, G, H/G · T, n) to (B, H, T, n)."""
    return x.unflatten(2, (-1, T)).flatten(1, 2)


class GroupedQueryAttention(nn.Module):
    """Multi-head attention in which groups of heads share keys and values.

    Ainslie et al. (2023), section 2.2. With G = H it is multi-head attention
    (Vaswani et al. 2017, section 3.2.2), with G = 1 multi-query attention
    (Shazeer 2019, section 3).

    Args:
        d_model: D, the width of queries, keys, values and output.
        num_heads: H, heads of queries.
        num_kv_heads: G, heads of keys and values, not the heads of a group;
            divides H. H if left out.
        d_head: d, features of a head; D / H if left out.
        projection_bias: whether the four projections add a bias.
        copies: whether keys and values are copied for all heads of a group,
            as many programs do. The numbers are the same.

    Raises:
        ValueError: if G does not divide H, or d is left out and H does not
            divide D.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        d_head: int | None = None,
        projection_bias: bool = True,
        copies: bool = False,
    ):
        super().__init__()
        num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        require_groups(num_heads, num_kv_heads)
        d_head = size_of_head(d_model, num_heads, d_head)
        self.num_heads, self.num_kv_heads = num_heads, num_kv_heads
        self.d_head, self.copies = d_head, copies
        of_queries, of_keys = num_heads * d_head, num_kv_heads * d_head
        self.query_projection = nn.Linear(d_model, of_queries, projection_bias)
        self.key_projection = nn.Linear(d_model, of_keys, projection_bias)
        self.value_projection = nn.Linear(d_model, of_keys, projection_bias)
        self.output_projection = nn.Linear(
            of_queries, d_model, projection_bias
        )

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        causal: bool = False,
        bias: Tensor | None = None,
        rotate: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Attend in each head, and mix what the heads return.

        Args:
            query: (B, T, D).
            key: (B, S, D).
            value: (B, S, D).
            mask: boolean, (B, S), (B, T, S) or (B, H, T, S), as in
                `MultiHeadAttention`.
            causal: whether query t is also kept from the keys after t.
            bias: floating point, broadcastable to (B, H, T, S); added to the
                scaled scores.
            rotate: called with the queries (B, H, T, d) and their positions
                (T,), then with the keys (B, G, S, d) and theirs.

        Returns:
            output (B, T, D) and weights (B, H, T, S).

        Raises:
            TypeError: if the mask is not boolean, or the bias is.
            ValueError: if a shape does not fit, naming the argument.
        """
        width = self.query_projection.in_features
        require_vectors("query", query, "T", width)
        require_vectors("key", key, "S", width, beside=query)
        require(
            value.shape == key.shape,
            "value",
            value.shape,
            f"{tuple(key.shape)}, one value for each key",
        )
        if mask is not None:
            mask = mask_by_head(mask, query, key, self.num_heads)
        q = split_heads(self.query_projection(query), self.num_heads)
        k = split_heads(self.key_projection(key), self.num_kv_heads)
        v = split_heads(self.value_projection(value), self.num_kv_heads)
        if rotate is not None:
            q, k = rotate(q, positions_of(q)), rotate(k, positions_of(k))
        return self.attend(q, k, v, mask, causal, bias)

    def attend(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Tensor | None = None,
        causal: bool = False,
        bias: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """What follows the projections of queries, keys and values.

        Args:
            q: (B, H, T, d).
            k: (B, G, S, d).
            v: (B, G, S, d).
            mask: boolean, broadcastable to (B, H, T, S).
            causal: as in `forward`.
            bias: as in `forward`.

        Returns:
            output (B, T, D) and weights (B, H, T, S).
        """
        attention = copied_attention if self.copies else grouped_attention
        output, weights = attention(q, k, v, mask, causal, bias=bias)
        return self.output_projection(merge_heads(output)), weights

    @classmethod
    def from_multi_head(
        cls, module: MultiHeadAttention
    ) -> GroupedQueryAttention:
        """Multi-head attention with the weights of another, G = H.

        From PyTorch's own class it goes by way of
        `MultiHeadAttention.from_torch`. To have fewer heads of keys and
        values, see `pooled`.
        """
        layer = module.query_projection
        made = cls(
            layer.in_features,
            module.num_heads,
            projection_bias=layer.bias is not None,
        ).to(layer.weight)
        made.load_state_dict(
            {
                name: weight
                for name, weight in module.state_dict().items()
                if "projection" in name
            }
        )
        return made.train(module.training)


class GroupedSelfAttention(GroupedQueryAttention):
    """Each token attends to itself and to those before it, in groups.

    The counterpart of `decoder_only.CausalSelfAttention`, which it can
    replace in a block.

    Args:
        d_model: D.
        num_heads: H; divides D.
        num_kv_heads: G, heads of keys and values; divides H.
        projection_bias: whether the projections add a bias.
        qk_norm: whether queries and keys are normalised in each head.
        owns_keys: whether it has keys and values of its own. If not, it has
            no projections for them, and reads those that `remember` gives:
            another block's (Brandon et al. 2024).

    Raises:
        ValueError: if G does not divide H, or H does not divide D.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        projection_bias: bool = True,
        qk_norm: bool = False,
        owns_keys: bool = True,
    ):
        super().__init__(
            d_model, num_heads, num_kv_heads, None, projection_bias
        )
        self.owns_keys = owns_keys
        if not owns_keys:
            del self.key_projection, self.value_projection
        size = self.d_head
        self.query_norm = RMSNorm(size) if qk_norm else nn.Identity()
        has_norm = qk_norm and owns_keys
        self.key_norm = RMSNorm(size) if has_norm else nn.Identity()

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
            angles: (T, d/2) or (B, 1, T, d/2), by which each query and key
                is turned; none if left out.
            remember: stores the new keys and values, (B, G, T, d) each, and
                returns all that there are, (B, G, S, d) each. Where there
                are none of its own, it is called with None.

        Returns:
            output (B, T, D) and weights (B, H, T, S).

        Raises:
            ValueError: if it has no keys of its own and nothing to read.
        """
        q = self.query_norm(
            split_heads(self.query_projection(x), self.num_heads)
        )
        if angles is not None:
            q = turned(q, angles, interleaved=False)
        if self.owns_keys:
            k, v = self._keys_and_values(x, angles)
        elif remember is None:
            raise ValueError(
                "remember is None; expected the keys and values of another "
                "block, because this one has none of its own"
            )
        else:
            k = v = None
        if remember is not None:
            k, v = remember(k, v)  # (B, G, S, d)
        causal = mask is None
        mask = None if causal else mask[:, None]  # (B, 1, T, S)
        return self.attend(q, k, v, mask, causal)

    def _keys_and_values(self, x, angles) -> tuple[Tensor, Tensor]:
        """Those of the new tokens, (B, G, T, d) each."""
        G = self.num_kv_heads
        k = self.key_norm(split_heads(self.key_projection(x), G))
        if angles is not None:
            k = turned(k, angles, interleaved=False)
        return k, split_heads(self.value_projection(x), G)


def require_groups(num_heads: int, num_kv_heads: int) -> None:
    """Raise a ValueError unless each key head has as many query heads."""
    if num_heads < 1 or num_kv_heads < 1 or num_heads % num_kv_heads:
        raise ValueError(
            f"num_kv_heads is {num_kv_heads} and num_heads is {num_heads}; "
            "expected a number of heads of keys and values that divides the "
            "number of heads of queries"
        )


def size_of_head(d_model: int, num_heads: int, d_head: int | None) -> int:
    """Features of a head: D / H unless they are given.

    Raises:
        ValueError: if they are less than 1, or H does not divide D.
    """
    if d_head is None:
        if d_model % num_heads:
            raise ValueError(
                f"num_heads is {num_heads} and d_model is {d_model}; expected "
                "a number of heads that divides the width, or d_head"
            )
        return d_model // num_heads
    if d_head < 1:
        raise ValueError(f"d_head is {d_head}; expected at least 1")
    return d_head


def _check_groups(query: Tensor, key: Tensor, value: Tensor) -> None:
    """Raise a ValueError that names the first argument of wrong shape."""
    require(query.ndim == 4, "query", query.shape, "(B, H, T, d_k)")
    B, H, _, d_k = query.shape
    require(
        key.ndim == 4 and len(key) == B and key.shape[-1] == d_k,
        "key",
        key.shape,
        f"({B}, G, S, {d_k})",
    )
    require_groups(H, key.shape[1])
    G, S = key.shape[1:3]
    require(
        value.ndim == 4 and value.shape[:3] == (B, G, S),
        "value",
        value.shape,
        f"({B}, {G}, {S}, d_v), one value for each key",
    )
