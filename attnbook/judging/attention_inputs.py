"""Random queries, keys and values of sentences of several lengths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from attnbook.judging.tensors import normal, token_mask


def attention_inputs(
    generator: torch.Generator,
    lengths: Sequence[int],
    T: int,
    S: int,
    d_q: int,
    d_k: int,
    d_v: int,
    heads: int | None = None,
    scale: float = 1.0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw what an attention is given, in this order.

    Parameters
    ----------
    generator
        Where the numbers come from; more may be drawn from it afterwards.
    lengths
        How many of the S keys of each sentence are no padding.
    heads
        How many heads there are; without it, there is no axis for them.
    scale
        The standard deviation of queries and keys; that of values is 1.

    Returns
    -------
        query (B, T, d_q), key (B, S, d_k), value (B, S, d_v), each with an
        axis of heads after B if asked for, and the mask (B, S), True at
        tokens.
    """
    lead = (len(lengths),) if heads is None else (len(lengths), heads)
    return (
        normal(generator, *lead, T, d_q, scale=scale),
        normal(generator, *lead, S, d_k, scale=scale),
        normal(generator, *lead, S, d_v),
        token_mask(lengths, S),
    )
