"""From multi-head to grouped attention, by pooling what is trained.

Ainslie et al. (2023), section 2.1.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from attnbook.mechanisms.decoder_only.model import DecoderOnly
from attnbook.mechanisms.multi_head import MultiHeadAttention
from attnbook.mechanisms.sharing_heads.decoder import SharingDecoder
from attnbook.mechanisms.sharing_heads.grouped import (
    GroupedQueryAttention,
    require_groups,
)

WAYS = ("mean", "first", "random")


def pooled_rows(
    rows: Tensor, num_heads: int, num_kv_heads: int, how: str = "mean"
) -> Tensor:
    """Make one head of each group of heads, in a projection's rows.

    Args:
        rows: (H·d, …), a weight or a bias; head h has rows h·d to
            (h + 1)·d - 1.
        num_heads: H.
        num_kv_heads: G, groups; divides H.
        how: "mean" of the group's heads, its "first" head, or "random" rows
            of the same mean and standard deviation, which forget what was
            learnt.

    Returns:
        (G·d, …).

    Raises:
        ValueError: if a number does not fit, or `how` is none of those.
    """
    require_groups(num_heads, num_kv_heads)
    if how not in WAYS or len(rows) % num_heads:
        raise ValueError(
            f"how is {how!r}, and there are {len(rows)} rows; expected one of "
            f"{', '.join(map(repr, WAYS))}, and rows for {num_heads} heads"
        )
    groups = rows.unflatten(0, (num_kv_heads, num_heads // num_kv_heads, -1))
    if how == "mean":
        return groups.mean(1).flatten(0, 1)
    first = groups[:, 0].flatten(0, 1)
    if how == "first":
        return first
    spread = rows.std() if rows.numel() > 1 else 0
    return rows.mean() + spread * torch.randn_like(first)


@torch.no_grad()
def pooled(
    module: MultiHeadAttention | GroupedQueryAttention,
    num_kv_heads: int,
    how: str = "mean",
) -> GroupedQueryAttention:
    """Grouped attention whose keys and values are pooled from another.

    Queries and output stay as they are.

    Args:
        module: with H heads of keys and values, or fewer.
        num_kv_heads: G, of the new one.
        how: as in `pooled_rows`.

    Raises:
        ValueError: if G does not divide the number of heads there are, or
            `how` is unknown.
    """
    if isinstance(module, MultiHeadAttention):
        module = GroupedQueryAttention.from_multi_head(module)
    made = copy.deepcopy(module)
    made.num_kv_heads = num_kv_heads
    for name in ("key_projection", "value_projection"):
        layer = getattr(module, name)
        new = {
            part: nn.Parameter(
                pooled_rows(weight, module.num_kv_heads, num_kv_heads, how)
            )
            for part, weight in layer.named_parameters()
        }
        target = getattr(made, name)
        target.out_features = len(new["weight"])
        for part, weight in new.items():
            setattr(target, part, weight)
    return made


@torch.no_grad()
def pooled_decoder(
    model: DecoderOnly, num_kv_heads: int, how: str = "mean"
) -> SharingDecoder:
    """A trained model whose blocks have fewer heads of keys and values.

    Args:
        model: with H heads in each block.
        num_kv_heads: G; divides H.
        how: as in `pooled_rows`.

    Raises:
        ValueError: as `pooled`.
    """
    made = SharingDecoder(
        model.vocabulary,
        model.d_model,
        model.num_heads,
        len(model.blocks),
        model.longest,
        num_kv_heads,
        d_ff=model.blocks[0].feed_forward.narrow.in_features,
        design=model.design,
    ).to(model.token_embedding.weight)
    weights = dict(model.state_dict())
    for name in weights:
        if "key_projection" in name or "value_projection" in name:
            weights[name] = pooled_rows(
                weights[name], model.num_heads, num_kv_heads, how
            )
    made.load_state_dict(weights)
    return made.train(model.training)
