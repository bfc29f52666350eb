"""Weights times what they weigh: how long is the vector that is added?

A weight says how much of a value enters the output, and not how long that
value is. Kobayashi et al. (2020), section 3, rank by the length of the
weighted, transformed value instead.
"""

from __future__ import annotations

import torch
from torch import Tensor

from attnbook.mechanisms.multi_head import MultiHeadAttention, split_heads
from attnbook.mechanisms.shapes import require


def times_value_norm(weights: Tensor, value: Tensor) -> Tensor:
    """The length of each weighted value, |weight| times ‖value‖.

    Args:
        weights: (..., T, S).
        value: (..., S, d), as the output adds them up.

    Returns:
        (..., T, S).

    Raises:
        ValueError: if there is not one value for each key.
    """
    require(
        value.ndim >= 2 and value.shape[-2] == weights.shape[-1],
        "value",
        value.shape,
        f"(..., {weights.shape[-1]}, d), one value for each key",
    )
    return weights.abs() * value.norm(dim=-1)[..., None, :]


def transformed_values(attention: MultiHeadAttention, value: Tensor) -> Tensor:
    """What each head would add to the output if it read one key alone.

    The output of multi-head attention is, apart from the last bias, the sum
    of these over heads and keys, each times its weight.

    Args:
        attention: whose projections are used.
        value: (B, S, D), what `forward` gets as its values.

    Returns:
        (B, H, S, D).
    """
    H = attention.num_heads
    v = split_heads(attention.value_projection(value), H)  # (B, H, S, d)
    rows = attention.output_projection.weight.unflatten(1, (H, -1))
    return torch.einsum("bhsd,ohd->bhso", v, rows)  # (B, H, S, D)


def summed_over_heads(
    attention: MultiHeadAttention, weights: Tensor, value: Tensor
) -> Tensor:
    """The length of what each key adds, its heads added up before.

    Kobayashi et al. (2020) add the heads' vectors and take the norm of the
    sum, since heads may cancel.

    Args:
        attention: whose weights these are.
        weights: (B, H, T, S).
        value: (B, S, D), as in `transformed_values`.

    Returns:
        (B, T, S).
    """
    added = transformed_values(attention, value)  # (B, H, S, D)
    return torch.einsum("bhts,bhso->btso", weights, added).norm(dim=-1)
