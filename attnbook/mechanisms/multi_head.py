"""Multi-head attention: Vaswani et al. (2017), section 3.2.2."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from attnbook.mechanisms.scaled_dot_product import (
    causal_mask,
    scaled_dot_product_attention,
)
from attnbook.mechanisms.shapes import require, require_vectors


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """Cut the features of each position into heads: (B, T, D) to (B, H, T, d).

    Head h gets the features h·d to (h + 1)·d - 1, with d = D / H.

    Args:
        x: (B, T, D).
        num_heads: H; divides D.

    Raises:
        ValueError: if x has not three dimensions, or H does not divide D.
    """
    require(x.ndim == 3, "x", x.shape, "(B, T, D)")
    _require_heads(x.shape[-1], num_heads)
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """Lay the heads of each position end to end: (B, H, T, d) to (B, T, H·d).

    The inverse of `split_heads`.

    Raises:
        ValueError: if x has not four dimensions.
    """
    require(x.ndim == 4, "x", x.shape, "(B, H, T, d)")
    return x.transpose(1, 2).flatten(2)


class MultiHeadAttention(nn.Module):
    """Several attentions side by side, each in features of its own.

    Vaswani et al. (2017), section 3.2.2. The H heads share the width: each
    works with d_model / H features, so that the number of weights does not
    depend on H.

    Args:
        d_model: D, the width of queries, keys, values and output.
        num_heads: H; divides d_model.
        projection_bias: whether the four projections add a bias, `bias` in
            PyTorch; `forward` has another, which is added to the scores.

    Raises:
        ValueError: if num_heads does not divide d_model.
    """

    def __init__(
        self, d_model: int, num_heads: int, projection_bias: bool = True
    ):
        super().__init__()
        _require_heads(d_model, num_heads)
        self.num_heads = num_heads
        self.query_projection = nn.Linear(d_model, d_model, projection_bias)
        self.key_projection = nn.Linear(d_model, d_model, projection_bias)
        self.value_projection = nn.Linear(d_model, d_model, projection_bias)
        self.output_projection = nn.Linear(d_model, d_model, projection_bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        causal: bool = False,
        bias: Tensor | None = None,
        gate: Tensor | None = None,
        rotate: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Attend in each head, and mix what the heads return.

        Args:
            query: (B, T, D).
            key: (B, S, D).
            value: (B, S, D).
            mask: boolean, (B, S), (B, T, S) or (B, H, T, S); True may be
                attended to. Two dimensions always mean sentences and keys,
                though a triangle (T, S) fits as well where B is T: pass
                that as `causal`, or as `mask[None]`. A query with nothing
                to attend to gets zeros from every head.
            causal: whether query t is also kept from the keys after t.
            bias: floating point, broadcastable to (B, H, T, S); added to the
                scaled scores.
            gate: (H,) or (B, H), a factor of each head's output: 1 keeps a
                head and 0 prunes it (Michel et al. 2019, section 2.3).
            rotate: called with the queries (B, H, T, d) and their positions
                (T,), then with the keys and theirs; returns a tensor of the
                same shape.

        Returns:
            output (B, T, D) and weights (B, H, T, S).

        Raises:
            TypeError: if the mask is not boolean, or the bias is.
            ValueError: if a shape does not fit, naming the argument.

        Warns:
            UserWarning: if a mask by key is the triangle of a causal one.
        """
        H = self.num_heads
        _check(query, key, value, gate, self.query_projection.in_features, H)
        if mask is not None:
            mask = by_head(mask, query, key, H)
        q = split_heads(self.query_projection(query), H)  # (B, H, T, d)
        k = split_heads(self.key_projection(key), H)  # (B, H, S, d)
        v = split_heads(self.value_projection(value), H)  # (B, H, S, d)
        if rotate is not None:
            q, k = rotate(q, positions_of(q)), rotate(k, positions_of(k))
        output, weights = scaled_dot_product_attention(
            q, k, v, mask, causal, bias=bias
        )  # (B, H, T, d), (B, H, T, S)
        if gate is not None:
            output = output * gate[..., None, None]
        return self.output_projection(merge_heads(output)), weights

    @classmethod
    def from_torch(cls, module: nn.MultiheadAttention) -> MultiHeadAttention:
        """Copy the weights of PyTorch's own class.

        PyTorch stacks the projections of query, key and value in one matrix
        of 3·D rows. There is no dropout here: compare with `module.eval()`.

        Raises:
            ValueError: if the module has keys or values of another width, or
                keys that are parameters (add_bias_kv, add_zero_attn).
        """
        _check_copyable(module)
        has_bias = module.in_proj_bias is not None
        made = cls(module.embed_dim, module.num_heads, has_bias)
        made.to(module.in_proj_weight)
        projections = (
            made.query_projection,
            made.key_projection,
            made.value_projection,
        )
        with torch.no_grad():
            for rows, projection in zip(
                module.in_proj_weight.chunk(3), projections, strict=True
            ):
                projection.weight.copy_(rows)  # (D, D)
            made.output_projection.weight.copy_(module.out_proj.weight)
            if has_bias:
                for part, projection in zip(
                    module.in_proj_bias.chunk(3), projections, strict=True
                ):
                    projection.bias.copy_(part)  # (D,)
                made.output_projection.bias.copy_(module.out_proj.bias)
        return made.train(module.training)


def _check(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    gate: Tensor | None,
    width: int,
    heads: int,
) -> None:
    """Raise a ValueError that names the first argument of wrong shape."""
    require_vectors("query", query, "T", width)
    require_vectors("key", key, "S", width, beside=query)
    require(
        value.shape == key.shape,
        "value",
        value.shape,
        f"{tuple(key.shape)}, one value for each key",
    )
    if gate is not None:
        require(
            gate.shape in ((heads,), (len(query), heads)),
            "gate",
            gate.shape,
            f"({heads},) or ({len(query)}, {heads}), one factor for each head",
        )


def by_head(mask: Tensor, query: Tensor, key: Tensor, H: int) -> Tensor:
    """Give the mask four dimensions that broadcast to (B, H, T, S).

    Raises:
        ValueError: if it has another shape than those announced.
    """
    B, T, S = len(query), query.shape[1], key.shape[1]
    expected = {2: (B, S), 3: (B, T, S), 4: (B, H, T, S)}.get(mask.ndim)
    require(
        expected is not None
        and all(
            size == full or (size == 1 and mask.ndim > 2)
            for size, full in zip(mask.shape, expected, strict=True)
        ),
        "mask",
        mask.shape,
        f"({B}, {S}) by key, ({B}, {T}, {S}) by query and key, or "
        f"({B}, {H}, {T}, {S}) by head too",
    )
    if mask.ndim == 2:
        if T == B > 1 and torch.equal(mask, causal_mask(T, S, mask.device)):
            warnings.warn(
                f"mask, of shape ({B}, {S}), is read by key: sentence 0 may "
                f"attend to 1 of its {S} keys, sentence 1 to 2, and so on. "
                "If it is a causal mask, pass `causal=True` or `mask[None]`",
                stacklevel=3,
            )
        return mask[:, None, None]  # (B, 1, 1, S)
    if mask.ndim == 3:
        return mask[:, None]  # (B, 1, T, S)
    return mask


def _require_heads(width: int, num_heads: int) -> None:
    """Raise a ValueError unless the heads share the width evenly."""
    if num_heads < 1 or width % num_heads:
        raise ValueError(
            f"num_heads is {num_heads} and the width is {width}; expected a "
            "number of heads that divides the width"
        )


def _check_copyable(module: nn.MultiheadAttention) -> None:
    """Raise a ValueError if the module has something that ours has not."""
    if module.in_proj_weight is None:
        raise ValueError(
            f"from_torch: kdim is {module.kdim} and vdim is "
            f"{module.vdim}; expected both equal to embed_dim, "
            f"{module.embed_dim}"
        )
    if module.bias_k is not None or module.add_zero_attn:
        raise ValueError(
            "from_torch: the module adds a key of its own; expected one "
            "made without add_bias_kv and add_zero_attn"
        )


def positions_of(x: Tensor) -> Tensor:
    """Positions of a tensor (B, H, L, d), from 0: (L,)."""
    return torch.arange(x.shape[-2], device=x.device)
