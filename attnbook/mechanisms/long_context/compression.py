"""Blocks of keys made into one: Yuan et al. (2025), section 3.3.1 and 3.3.2.

A block of r tokens becomes one key and one value. A query reads n/r of them,
which cover everything and blur it; and the weights that it gives them say
which blocks are worth reading whole.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attnbook.mechanisms.long_context.patterns import require_at_least_one
from attnbook.mechanisms.scaled_dot_product import (
    scaled_dot_product_attention,
)
from attnbook.mechanisms.shapes import require


class Compressor(nn.Module):
    """Make each whole block of r vectors into one: equation 7.

    A linear map of the r vectors, to which learned positions inside the
    block are added. It starts as their mean.

    Args:
        block: r, tokens in a block.
        size: d, features of a vector.

    Raises:
        ValueError: if a size is less than 1.
    """

    def __init__(self, block: int, size: int):
        super().__init__()
        require_at_least_one(block=block, size=size)
        self.block = block
        self.positions = nn.Parameter(torch.zeros(block, size))
        self.mix = nn.Linear(block * size, size, bias=False)
        with torch.no_grad():
            self.mix.weight.copy_(torch.eye(size).repeat(1, block) / block)

    def forward(self, x: Tensor) -> Tensor:
        """Compress (..., n, d) to (..., n // r, d).

        Tokens of a last block that is not whole are left out.

        Raises:
            ValueError: if the vectors have another size.
        """
        size = self.positions.shape[1]
        require(
            x.ndim >= 2 and x.shape[-1] == size,
            "x",
            x.shape,
            f"(..., n, {size})",
        )
        whole = x.shape[-2] // self.block
        blocks = x[..., : whole * self.block, :].unflatten(
            -2, (whole, self.block)
        )  # (..., N, r, d)
        return self.mix((blocks + self.positions).flatten(-2))


def block_means(x: Tensor, block: int) -> Tensor:
    """The mean of each whole block: (..., n, d) to (..., n // r, d).

    Raises:
        ValueError: if block is less than 1.
    """
    require_at_least_one(block=block)
    whole = x.shape[-2] // block
    x = x[..., : whole * block, :]
    return x.unflatten(-2, (whole, block)).mean(-2)


def whole_blocks_mask(
    T: int, block: int, start: int = 0, device: torch.device | None = None
) -> Tensor:
    """Which blocks a query may read compressed: (T, (start + T) // block).

    Those whose last token is not after the query: the query at position t
    sees (t + 1) // block of them.

    Args:
        T: number of queries.
        block: r, tokens in a block.
        start: position of the first query.
        device: where the mask is made.

    Raises:
        ValueError: if a size is less than 1.
    """
    require_at_least_one(T=T, block=block)
    position = torch.arange(start, start + T, device=device)[:, None]
    blocks = torch.arange((start + T) // block, device=device)
    return blocks < (position + 1) // block


def compressed_attention(
    query: Tensor, keys: Tensor, values: Tensor, block: int
) -> tuple[Tensor, Tensor]:
    """Attend to compressed blocks, none of which lies ahead.

    A query that has no whole block before it gets zeros.

    Args:
        query: (..., n, d_k).
        keys: (..., n // block, d_k), compressed.
        values: (..., n // block, d_v), compressed.
        block: r, tokens in a block.

    Returns:
        output (..., n, d_v) and weights (..., n, n // block).

    Raises:
        ValueError: if a shape does not fit.
    """
    n = query.shape[-2]
    require(
        keys.shape[-2] == n // block,
        "keys",
        keys.shape,
        f"(..., {n // block}, d_k): {n} tokens in whole blocks of {block}",
    )
    if n < block:
        return query.new_zeros(*query.shape[:-1], values.shape[-1]), (
            query.new_zeros(*query.shape[:-1], 0)
        )
    mask = whole_blocks_mask(n, block, device=query.device)
    return scaled_dot_product_attention(query, keys, values, mask)


def select_blocks(
    importance: Tensor, block: int, count: int, first: int = 1, last: int = 1
) -> tuple[Tensor, Tensor]:
    """The blocks that each query reads whole: equations 10 to 12.

    The first ones and the query's own with those just before it are always
    read; the others by importance. A block may be read as soon as its first
    token is not after the query. Importance is not differentiated.

    Args:
        importance: (..., n, n // block), such as the weights of
            `compressed_attention`, summed over heads that share keys.
        block: r, tokens in a block.
        count: blocks that a query reads, at most.
        first: how many first blocks are always read.
        last: how many last blocks are always read, the query's own among
            them.

    Returns:
        index (..., n, m) of blocks, with m at most count; and allowed, of
        the same shape, False where there are fewer blocks than that.

    Raises:
        ValueError: if a shape does not fit, or fewer blocks are read than
            always are.
    """
    n = importance.shape[-2]
    require(
        importance.shape[-1] == n // block,
        "importance",
        importance.shape,
        f"(..., {n}, {n // block}): {n} tokens in whole blocks of {block}",
    )
    if last < 1 or first < 0 or count < first + last:
        raise ValueError(
            f"count is {count}, first {first} and last {last}; expected "
            "last at least 1 and count at least first + last"
        )
    N = -(-n // block)
    known = importance.detach()
    scores = torch.nn.functional.pad(known, (0, N - n // block))
    own = torch.arange(n, device=scores.device)[:, None] // block  # (n, 1)
    blocks = torch.arange(N, device=scores.device)  # (N,)
    always = (blocks < first) | (blocks > own - last)
    scores = scores.masked_fill(always, torch.inf)
    scores = scores.masked_fill(blocks > own, -torch.inf)
    best, index = scores.topk(min(count, N), dim=-1)
    return index, best > -torch.inf


def tokens_of_blocks(
    index: Tensor, allowed: Tensor, block: int, n: int
) -> tuple[Tensor, Tensor]:
    """The tokens of chosen blocks, without those after the query.

    Args:
        index: (..., n, m), of blocks.
        allowed: boolean, of the same shape.
        block: r, tokens in a block.
        n: number of tokens.

    Returns:
        index (..., n, m·r) and allowed, for `selected_attention`.
    """
    inside = torch.arange(block, device=index.device)
    at = (index[..., None] * block + inside).flatten(-2)  # (..., n, m·r)
    own = torch.arange(n, device=index.device)[:, None]
    allowed = allowed.repeat_interleave(block, -1) & (at <= own)
    return at.clamp(max=n - 1), allowed
