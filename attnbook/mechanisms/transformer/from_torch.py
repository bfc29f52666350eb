"""What a copy of PyTorch's own Transformer takes from it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def sizes_of(layer) -> tuple[int, int, int]:
    """D, H and d_ff of a layer of PyTorch's encoder or decoder.

    Raises:
        ValueError: if its activation is not ReLU.
    """
    if layer.activation not in (F.relu, torch.relu) and not isinstance(
        layer.activation, nn.ReLU
    ):
        raise ValueError(
            f"the layer's activation is {layer.activation}; expected ReLU, "
            "which is all that FeedForward has"
        )
    attention = layer.self_attn
    return attention.embed_dim, attention.num_heads, layer.linear1.out_features


def copy_norm(norm: nn.LayerNorm, to: nn.Module) -> None:
    """Copy PyTorch's layer normalisation into a `LayerNorm`."""
    to.load_state_dict(norm.state_dict())
    to.eps = norm.eps


def copy_feed_forward(layer, to: nn.Module) -> None:
    """Copy the feed-forward network of PyTorch's layer to a `FeedForward`."""
    to.widen.load_state_dict(layer.linear1.state_dict())
    to.narrow.load_state_dict(layer.linear2.state_dict())
