"""One layer split over the ranks: heads, and hidden features.

Shoeybi et al. (2019). Each rank reads the whole input and has H/R
heads, or d_ff/R hidden features; what they write is added up once a layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attnbook.mechanisms.across_machines.differentiable import (
    sum_backward,
    sum_forward,
)
from attnbook.mechanisms.across_machines.group import Group
from attnbook.mechanisms.multi_head import (
    MultiHeadAttention,
    merge_heads,
    split_heads,
)
from attnbook.mechanisms.scaled_dot_product import (
    scaled_dot_product_attention,
)
from attnbook.mechanisms.transformer.layers import FeedForward


class ParallelAttention(nn.Module):
    """This rank's heads of a multi-head self-attention.

    Args:
        group: the ranks.
        whole: what is split; R divides its number of heads.

    Raises:
        ValueError: if R does not divide the number of heads.
    """

    def __init__(self, group: Group, whole: MultiHeadAttention):
        super().__init__()
        self.group = group
        self.num_heads = _share(group, whole.num_heads, "heads")
        self.query_projection = _rows(group, whole.query_projection)
        self.key_projection = _rows(group, whole.key_projection)
        self.value_projection = _rows(group, whole.value_projection)
        self.output_projection = _columns(group, whole.output_projection)
        self.bias = _copied(whole.output_projection.bias)

    def forward(self, x: Tensor, causal: bool = True) -> Tensor:
        """Attend: (B, T, D) to (B, T, D), both the same on all ranks."""
        x = sum_backward(self.group, x)
        q, k, v = (
            split_heads(projection(x), self.num_heads)
            for projection in (
                self.query_projection,
                self.key_projection,
                self.value_projection,
            )
        )  # (B, H / R, T, d)
        mixed, _ = scaled_dot_product_attention(q, k, v, causal=causal)
        part = self.output_projection(merge_heads(mixed))  # (B, T, D)
        # The bias comes once, not R times.
        return sum_forward(self.group, part) + self.bias


class ParallelFeedForward(nn.Module):
    """This rank's hidden features of a feed-forward network.

    Args:
        group: the ranks.
        whole: what is split; R divides its number of hidden features.

    Raises:
        ValueError: if R does not divide that number.
    """

    def __init__(self, group: Group, whole: FeedForward):
        super().__init__()
        self.group = group
        _share(group, whole.widen.out_features, "hidden features")
        self.widen = _rows(group, whole.widen)
        self.narrow = _columns(group, whole.narrow)
        self.bias = _copied(whole.narrow.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D), both the same on all ranks."""
        hidden = self.widen(sum_backward(self.group, x)).relu()
        return sum_forward(self.group, self.narrow(hidden)) + self.bias


def _share(group: Group, number: int, what: str) -> int:
    if number % group.size:
        raise ValueError(
            f"{number} {what} cannot be split over {group.size} ranks; "
            "expected a multiple"
        )
    return number // group.size


def _rows(group: Group, whole: nn.Linear) -> nn.Linear:
    """The layer that computes this rank's share of the outputs."""
    weight = whole.weight.detach().chunk(group.size)[group.rank]
    made = _linear(weight, whole.bias is not None)
    if whole.bias is not None:
        bias = whole.bias.detach().chunk(group.size)[group.rank]
        made.bias = nn.Parameter(bias.clone())
    return made


def _columns(group: Group, whole: nn.Linear) -> nn.Linear:
    """The layer that reads this rank's share of the inputs; no bias."""
    weight = whole.weight.detach().chunk(group.size, 1)[group.rank]
    return _linear(weight, False)


def _linear(weight: Tensor, bias: bool) -> nn.Linear:
    made = nn.Linear(*weight.shape[::-1], bias)
    made.weight = nn.Parameter(weight.clone())
    return made


def _copied(bias: Tensor | None) -> nn.Parameter:
    if bias is None:
        return nn.Parameter(torch.zeros(()), requires_grad=False)
    return nn.Parameter(bias.detach().clone())
