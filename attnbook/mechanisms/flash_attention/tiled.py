"""Attention in tiles: the same numbers, without the table of scores.

Dao et al. (2022), FlashAttention, algorithm 1 and appendix B.4; the order of
the loops is that of FlashAttention-2 (Dao 2023, algorithms 1 and 2).
"""

from __future__ import annotations

import torch
from torch import Tensor

from attnbook.mechanisms.flash_attention.online import Running
from attnbook.mechanisms.flash_attention.tiles import Tiling
from attnbook.mechanisms.shapes import broadcast


def tiled_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    causal: bool = False,
    window: int | None = None,
    sink: Tensor | None = None,
    scale: float | None = None,
    tile: tuple[int, int] = (64, 64),
) -> tuple[Tensor, Tensor]:
    """Attention whose scores exist one tile at a time, forward and backward.

    Beside its inputs and outputs it holds one tile, and in the backward pass
    the gradients: memory in proportion to T + S.

    Args:
        query: (B, H, T, d_k).
        key: (B, H, S, d_k).
        value: (B, H, S, d_v).
        mask: boolean, broadcastable to (B, H, T, S); True may be attended
            to. It is read tile by tile.
        causal: a query sees no key after its own place; the queries are the
            last T of the S places.
        window: how many keys a causal query sees, its own among them. Tiles
            that lie outside are skipped.
        sink: (H,), a score without a value in each row, or none.
        scale: of the scores; 1/√d_k by default.
        tile: queries and keys in a tile.

    Returns:
        The output (B, H, T, d_v) and the log-sum-exp of each row of scores,
        the sink's among them, (B, H, T). A row with nothing to attend to has
        the output 0 and, without a sink, minus infinity.

    Raises:
        TypeError: if the mask is not boolean.
        ValueError: if shapes do not fit, or the tile or window is not one.
    """
    _check(query, key, value, mask, sink)
    T, S = query.shape[-2], key.shape[-2]
    tiling = Tiling(T, S, *tile, causal=causal, window=window)
    if scale is None:
        scale = query.shape[-1] ** -0.5
    if mask is not None:
        mask = mask.expand(*query.shape[:2], T, S)
    return _Tiled.apply(query, key, value, sink, mask, tiling, scale)


def _check(query, key, value, mask, sink) -> None:
    B, H, _, d_k = query.shape
    if key.shape[:2] != (B, H) or key.shape[-1] != d_k:
        raise ValueError(
            f"key has shape {tuple(key.shape)}; expected (B, H, S, d_k) with "
            f"B = {B}, H = {H}, d_k = {d_k}"
        )
    if value.shape[:3] != key.shape[:3]:
        raise ValueError(
            f"value has shape {tuple(value.shape)}; expected (B, H, S, d_v) "
            f"with the keys' {tuple(key.shape[:3])}"
        )
    if sink is not None and sink.shape != (H,):
        raise ValueError(
            f"sink has shape {tuple(sink.shape)}; expected (H,) = ({H},)"
        )
    if mask is None:
        return
    if mask.dtype != torch.bool:
        raise TypeError(
            f"mask has dtype {mask.dtype}; expected torch.bool, where True "
            "means that the key may be attended to"
        )
    scores = torch.Size([B, H, query.shape[-2], key.shape[-2]])
    if broadcast(mask.shape, scores) != scores:
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}; expected one that "
            f"broadcasts to the scores, {tuple(scores)}"
        )


def _scores(query, key, mask, tiling, scale, queries, keys) -> Tensor:
    """The scores of one tile, minus infinity where it is masked."""
    scores = scale * (query[..., queries, :] @ key[..., keys, :].mT)
    seen = tiling.allowed(queries, keys)
    if seen is not None:
        scores = scores.masked_fill(~seen.to(scores.device), -torch.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask[..., queries, keys], -torch.inf)
    return scores


class _Tiled(torch.autograd.Function):
    """The forward pass keeps output and log-sum-exp, and no weights."""

    @staticmethod
    def forward(ctx, query, key, value, sink, mask, tiling, scale):
        output = value.new_empty(*query.shape[:3], value.shape[-1])
        lse = query.new_empty(query.shape[:3])
        for queries in tiling.row_tiles():
            state = Running.before(query[..., queries, 0], value.shape[-1])
            if sink is not None:  # a key that comes first, with no value
                state.most = sink[:, None].expand_as(state.most)
                state.total = torch.ones_like(state.total)
            for keys in tiling.column_tiles(queries):
                scores = _scores(
                    query, key, mask, tiling, scale, queries, keys
                )
                state.read(scores, value[..., keys, :])
            output[..., queries, :], lse[..., queries] = state.output()
        ctx.save_for_backward(query, key, value, sink, mask, output, lse)
        ctx.tiling, ctx.scale = tiling, scale
        return output, lse

    @staticmethod
    def backward(ctx, d_output, d_lse):
        query, key, value, sink, mask, output, lse = ctx.saved_tensors
        d_query, d_key, d_value = map(torch.zeros_like, (query, key, value))
        # What the softmax's Jacobian subtracts, one number a row.
        drop = (d_output * output).sum(-1) - d_lse  # (B, H, T)
        base = lse.masked_fill(lse == -torch.inf, 0)
        for queries in ctx.tiling.row_tiles():
            q, d_out = query[..., queries, :], d_output[..., queries, :]
            for keys in ctx.tiling.column_tiles(queries):
                scores = _scores(
                    query, key, mask, ctx.tiling, ctx.scale, queries, keys
                )
                weights = (scores - base[..., queries, None]).exp()
                d_value[..., keys, :] += weights.mT @ d_out
                d_weights = d_out @ value[..., keys, :].mT
                d_scores = weights * (d_weights - drop[..., queries, None])
                d_scores = ctx.scale * d_scores
                d_query[..., queries, :] += d_scores @ key[..., keys, :]
                d_key[..., keys, :] += d_scores.mT @ q
        d_sink = None
        if sink is not None:
            share = (sink[:, None] - base).exp()  # (B, H, T)
            d_sink = -(share * drop).sum((0, 2))
        return d_query, d_key, d_value, d_sink, None, None, None
