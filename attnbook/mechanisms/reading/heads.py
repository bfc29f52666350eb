"""Heads that can be found by what they attend to, and taken away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.mechanisms.decoder_only.model import DecoderOnly
from attnbook.mechanisms.multi_head import MultiHeadAttention
from attnbook.mechanisms.shapes import require

FILLS = ("zero", "mean")


def mean_weight(weights: Tensor, places: Tensor) -> Tensor:
    """The mean weight of each head on one chosen key for each query.

    Args:
        weights: (B, H, T, S).
        places: (B, T), integers: the key that is meant, -1 where the query
            does not count.

    Returns:
        (H,).

    Raises:
        ValueError: if a shape does not fit, or no query counts.
    """
    B, H, T, S = weights.shape
    require(places.shape == (B, T), "places", places.shape, f"({B}, {T})")
    counted = places >= 0
    if not counted.any() or places.max() >= S:
        raise ValueError(
            f"places holds {int(places.min())} to {int(places.max())}; "
            f"expected a key from 0 to {S - 1} for at least one query, and "
            "-1 for those that do not count"
        )
    at = places.clamp(min=0)[:, None, :, None].expand(B, H, T, 1)
    on = weights.gather(-1, at)[..., 0]  # (B, H, T)
    return (on * counted[:, None]).sum((0, 2)) / counted.sum()


def induction_places(ids: Tensor) -> Tensor:
    """For each token the place behind its last earlier occurrence.

    What stands there followed the same token before. Olsson et al. (2022)
    call a head that attends there an induction head.

    Args:
        ids: (B, T).

    Returns:
        (B, T), -1 for a token that has not occurred before.
    """
    T = ids.shape[1]
    same = ids[:, :, None] == ids[:, None]  # (B, T, T)
    earlier = same & torch.ones(T, T, dtype=torch.bool).tril(-1).to(ids.device)
    places = torch.arange(1, T + 1, device=ids.device)
    return (
        torch.where(earlier, places, 0)
        .amax(-1)
        .where(earlier.any(-1), torch.tensor(-1, device=ids.device))
    )


def induction_score(weights: Tensor, ids: Tensor) -> Tensor:
    """The mean weight on the place behind a token's last occurrence.

    Olsson et al. (2022) call it prefix matching. Tokens that have not
    occurred before do not count.

    Args:
        weights: (B, H, T, T), of a layer.
        ids: (B, T), what it read.

    Returns:
        (H,), from 0 to 1.

    Raises:
        ValueError: if a shape does not fit, or no token occurs twice.
    """
    return mean_weight(weights, induction_places(ids))


def previous_token_score(weights: Tensor) -> Tensor:
    """The mean weight on the token before; the first one does not count.

    Args:
        weights: (B, H, T, T), of a layer.

    Returns:
        (H,), from 0 to 1.

    Raises:
        ValueError: if there are fewer than two tokens.
    """
    B, _, T, _ = weights.shape
    before = torch.arange(-1, T - 1, device=weights.device)
    return mean_weight(weights, before.expand(B, T))


@contextmanager
def without_heads(
    attentions: Iterable[MultiHeadAttention],
    heads: Iterable[tuple[int, int]],
    fill: str = "zero",
) -> Iterator[None]:
    """Within this, some heads return nothing, or the same for every token.

    What the head has computed is replaced before the output projection. So
    its map is what it would have been, and the maps of later layers change.

    Args:
        attentions: of the model, in the order that numbers them.
        heads: pairs of the number of an attention and of a head, from 0.
        fill: "zero", or "mean", the mean of the head's output over the batch
            and its tokens: what does not depend on the input stays.

    Raises:
        ValueError: if there is no such head, or the fill is unknown.
    """
    attentions = list(attentions)
    if fill not in FILLS:
        raise ValueError(f"fill is {fill!r}; expected one of {FILLS}")
    chosen: dict[int, set[int]] = {}
    for layer, head in heads:
        if not 0 <= layer < len(attentions):
            raise ValueError(
                f"there is no attention {layer}; expected 0 to "
                f"{len(attentions) - 1}"
            )
        if not 0 <= head < attentions[layer].num_heads:
            raise ValueError(
                f"attention {layer} has no head {head}; expected 0 to "
                f"{attentions[layer].num_heads - 1}"
            )
        chosen.setdefault(layer, set()).add(head)
    with ExitStack() as stack:
        for layer, gone in chosen.items():
            attention = attentions[layer]
            handle = attention.output_projection.register_forward_pre_hook(
                _emptied(attention.num_heads, sorted(gone), fill)
            )
            stack.callback(handle.remove)
        yield


def _emptied(H: int, gone: list[int], fill: str):
    """A hook that replaces what some heads hand to the projection."""

    def hook(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        by_head = inputs[0].unflatten(-1, (H, -1)).clone()  # (B, T, H, d)
        if fill == "zero":
            by_head[:, :, gone] = 0
        else:
            by_head[:, :, gone] = by_head[:, :, gone].mean((0, 1))
        return (by_head.flatten(2),)

    return hook


class Ablations(NamedTuple):
    """A model of two layers with every set of heads taken away.

    A set of heads is a whole number: head h of the first layer counts 2^h,
    and of the second 2^(H + h).

    Attributes:
        earlier: (H, T, T), the maps of the first layer; no set changes them.
        later: (2^H, H, T, T), those of the second layer, by the set of heads
            that the first layer lacks.
        losses: (2^(2H), T), nats of each next token, by the set.
    """

    earlier: Tensor
    later: Tensor
    losses: Tensor


@torch.no_grad()
def every_ablation(model: DecoderOnly, ids: Tensor) -> Ablations:
    """Read one sequence with each set of heads set to zero.

    Args:
        model: of two layers, with as many heads in both; 2^(2H) sets, so
            that four heads mean 256 passes.
        ids: (T + 1,), of which the model reads the first T.

    Raises:
        ValueError: for another number of layers, or a batch.
    """
    if len(model.blocks) != 2:
        raise ValueError(
            f"the model has {len(model.blocks)} layers; expected 2"
        )
    require(ids.ndim == 1 and len(ids) > 1, "ids", ids.shape, "(T + 1,)")
    H = model.num_heads
    attentions = [block.attention for block in model.blocks]
    places = [(layer, head) for layer in range(2) for head in range(H)]
    later, losses = [], []
    for number in range(4**H):
        gone = [at for i, at in enumerate(places) if number >> i & 1]
        with without_heads(attentions, gone):
            (logits,), weights = model(ids[None, :-1])
        losses.append(F.cross_entropy(logits, ids[1:], reduction="none"))
        if number < 2**H:
            later.append(weights[1][0])
    return Ablations(weights[0][0], torch.stack(later), torch.stack(losses))
