"""Compressed, selected and near keys, mixed by gates: Yuan et al. (2025)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from attnbook.mechanisms.long_context.blocks import selected_attention
from attnbook.mechanisms.long_context.compression import (
    Compressor,
    compressed_attention,
    select_blocks,
    tokens_of_blocks,
)
from attnbook.mechanisms.long_context.windowed import windowed_attention
from attnbook.mechanisms.multi_head import merge_heads, split_heads
from attnbook.mechanisms.shapes import require_vectors

BRANCHES = ("compressed", "selected", "window")


class Branches(NamedTuple):
    """What `ThreeBranches` computed on its way.

    `outputs` is (3, B, H, n, d), in the order of `BRANCHES`; `gates`
    (3, B, H, n, 1), between 0 and 1. `index` and `allowed`, (B, 1, n, m),
    are the blocks that were read whole.
    """

    outputs: Tensor
    gates: Tensor
    index: Tensor
    allowed: Tensor


class ThreeBranches(nn.Module):
    """Causal self-attention that reads little, in three ways.

    Yuan et al. (2025), section 3.2, equation 5: the outputs of three
    branches, each times a gate that depends on the token. Each branch has
    keys and values of its own (section 3.3.3). Blocks are compressed and
    selected by one size, without overlap, so that the weights of the first
    branch are the importance of the second (section 3.3.2); all heads read
    the same blocks (equation 10, with one group).

    Args:
        d_model: D.
        num_heads: H; divides d_model.
        block: r, tokens in a block.
        count: blocks that a query reads whole.
        window: W of the third branch.

    Raises:
        ValueError: if H does not divide D or a size is too small.
    """

    def __init__(
        self, d_model: int, num_heads: int, block: int, count: int, window: int
    ):
        super().__init__()
        if num_heads < 1 or d_model % num_heads:
            raise ValueError(
                f"num_heads is {num_heads} and the width is {d_model}; "
                "expected a number of heads that divides the width"
            )
        if count < 2:
            raise ValueError(
                f"count is {count}; expected at least 2 blocks, the first "
                "and the query's own"
            )
        self.num_heads, self.block = num_heads, block
        self.count, self.window = count, window
        self.query_projection = nn.Linear(d_model, d_model, bias=False)
        self.key_projection = nn.Linear(d_model, 3 * d_model, bias=False)
        self.value_projection = nn.Linear(d_model, 3 * d_model, bias=False)
        self.gate_projection = nn.Linear(d_model, 3 * num_heads)
        self.output_projection = nn.Linear(d_model, d_model, bias=False)
        size = d_model // num_heads
        self.compress_keys = Compressor(block, size)
        self.compress_values = Compressor(block, size)

    def forward(self, x: Tensor) -> tuple[Tensor, Branches]:
        """Attend in three ways: (B, n, D) to (B, n, D), and the branches.

        Raises:
            ValueError: if x has another shape.
        """
        require_vectors("x", x, "n", self.query_projection.in_features)
        H = self.num_heads
        q = split_heads(self.query_projection(x), H)  # (B, H, n, d)
        keys, values = (
            [split_heads(part, H) for part in projection(x).chunk(3, dim=-1)]
            for projection in (self.key_projection, self.value_projection)
        )
        compressed, weights = compressed_attention(
            q,
            self.compress_keys(keys[0]),
            self.compress_values(values[0]),
            self.block,
        )
        index, allowed = select_blocks(
            weights.sum(1, keepdim=True), self.block, self.count
        )  # (B, 1, n, m)
        tokens = tokens_of_blocks(index, allowed, self.block, x.shape[1])
        selected = selected_attention(q, keys[1], values[1], *tokens)
        near = windowed_attention(q, keys[2], values[2], self.window)
        outputs = torch.stack([compressed, selected, near])
        gates = self.gate_projection(x).sigmoid()  # (B, n, 3H)
        gates = gates.unflatten(-1, (3, H)).permute(2, 0, 3, 1)[..., None]
        mixed = (gates * outputs).sum(0)  # (B, H, n, d)
        return self.output_projection(merge_heads(mixed)), Branches(
            outputs, gates, index, allowed
        )
