"""Attention over a sequence that is split over the ranks: keys travel.

Liu et al. (2023), with the backward pass written out. Queries stay where they
are. Keys and values go round the ring, and each rank reads every block once,
by the online softmax of chapter 10.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from attnbook.mechanisms.across_machines.group import Group
from attnbook.mechanisms.across_machines.layout import chunks, tiles
from attnbook.mechanisms.flash_attention import Running
from attnbook.mechanisms.shapes import require


def ring_attention(
    group: Group,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    causal: bool = True,
    layout: str = "zigzag",
) -> Tensor:
    """Attend from this rank's places to those of all ranks.

    Numbers of 16 bits are added up as ones of 32. They travel as they are,
    but for the gradients of keys and values, which are sums.

    Args:
        query: (B, H, n/R, d), at the places that `layout.places` gives.
        key: (B, H, n/R, d).
        value: (B, H, n/R, d).
        causal: whether a query is kept from the keys after its place.
        layout: "contiguous" or "zigzag".

    Returns:
        (B, H, n/R, d), at the places of the queries.

    Raises:
        ValueError: if a shape does not fit, or the layout.
    """
    require(query.ndim == 4, "query", query.shape, "(B, H, n/R, d)")
    for name, x in {"key": key, "value": value}.items():
        require(x.shape == query.shape, name, x.shape, str(query.shape))
    return _Ring.apply(query, key, value, group, causal, layout)


class _Ring(torch.autograd.Function):
    @staticmethod
    def forward(ctx, query, key, value, group, causal, layout):
        walk = _Walk(group, query, causal, layout)
        q = walk.cut(query)  # chunks of (B, H, m, d)
        states = [Running.before(x[..., 0], x.shape[-1]) for x in q]
        moving = torch.stack([key, value])  # (2, B, H, n/R, d)
        for step in range(group.size):
            if step:
                moving = walk.passed_on(moving)
            k, v = map(walk.cut, moving)
            for i, j, triangle in walk.tiles(step):
                states[i].read(walk.scores(q[i], k[j], triangle), v[j])
        pairs = [state.output() for state in states]
        output, lse = (torch.cat(x, 2) for x in zip(*pairs, strict=True))
        ctx.save_for_backward(query, key, value, output, lse)
        ctx.walk = walk
        return output.to(query.dtype)

    @staticmethod
    def backward(ctx, gradient):
        query, key, value, output, lse = ctx.saved_tensors
        walk = ctx.walk
        q, given = walk.cut(query), walk.cut(gradient)
        lse = lse.split(walk.length, 2)
        dots = (gradient.to(output) * output).sum(-1).split(walk.length, 2)
        to_query = [torch.zeros_like(x) for x in q]
        # The block's gradient travels with the block, and ends at home.
        moving = torch.stack([key, value])
        back = torch.zeros_like(moving, dtype=walk.dtype)
        for step in range(walk.size):
            if step:
                moving, back = walk.passed_on(moving), walk.passed_on(back)
            k, v = map(walk.cut, moving)
            to_key, to_value = map(walk.cut, back)  # views into `back`
            for i, j, triangle in walk.tiles(step):
                scores = walk.scores(q[i], k[j], triangle)
                weights = (scores - lse[i][..., None]).exp()
                to_value[j].add_(weights.mT @ given[i])
                slope = given[i] @ v[j].mT - dots[i][..., None]
                slope = weights * slope * walk.scale
                to_query[i] += slope @ k[j]
                to_key[j].add_(slope.mT @ q[i])
        to_key, to_value = walk.passed_on(back).to(key.dtype)
        to_query = torch.cat(to_query, 2).to(query.dtype)
        return to_query, to_key, to_value, None, None, None


class _Walk:
    """What a rank computes in each step of the ring, and how it is cut."""

    def __init__(self, group: Group, query: Tensor, causal: bool, layout: str):
        self.group, self.causal = group, causal
        self.size, self.rank = group.size, group.rank
        n = self.size * query.shape[2]
        self.held = [chunks(n, self.size, r, layout) for r in range(self.size)]
        self.length = len(self.held[0][0])
        self.scale = 1 / math.sqrt(query.shape[-1])
        # Sums over R steps lose too much in 16 bits. Keys travel as they are.
        self.dtype = torch.promote_types(query.dtype, torch.float32)

    def cut(self, x: Tensor) -> tuple[Tensor, ...]:
        return x.to(self.dtype).split(self.length, 2)

    def tiles(self, step: int):
        keys = self.held[(self.rank - step) % self.size]
        return tiles(self.held[self.rank], keys, self.causal)

    def scores(self, q: Tensor, k: Tensor, triangle: bool) -> Tensor:
        found = q @ k.mT * self.scale
        if triangle:
            later = torch.ones_like(found[0, 0], dtype=torch.bool).triu(1)
            found = found.masked_fill(later, -torch.inf)
        return found

    def passed_on(self, x: Tensor) -> Tensor:
        return self.group.exchange(x, self.rank + 1, self.rank - 1)
