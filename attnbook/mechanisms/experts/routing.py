"""Which experts a token goes to, and how even the load is.

Top-k routing: Shazeer et al. (2017); the balance loss: Fedus et al. (2022);
a bias in place of the loss: Wang et al. (2024).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from attnbook.mechanisms.shapes import require


class Routing(NamedTuple):
    """Where N tokens go.

    `index` is (N, k), the experts that are chosen; `weight` is (N, k), what
    their outputs are multiplied by, which sums to 1 for a token;
    `probability` is (N, E), the softmax over all experts.
    """

    index: Tensor
    weight: Tensor
    probability: Tensor


def route(scores: Tensor, k: int, bias: Tensor | None = None) -> Routing:
    """Choose the k experts of highest score for each token.

    A bias changes which experts are chosen and nothing else: the weights
    come from the scores without it (Wang et al. 2024).

    Args:
        scores: (N, E), one score for each token and expert.
        k: experts for a token.
        bias: (E,), added to the probabilities for the choice alone.

    Returns:
        The routing.

    Raises:
        ValueError: if a shape does not fit, or k is not from 1 to E.
    """
    require(scores.ndim == 2, "scores", scores.shape, "(N, E)")
    E = scores.shape[1]
    if not 1 <= k <= E:
        raise ValueError(f"k is {k}; expected 1 to {E}, the experts")
    probability = scores.softmax(-1)
    ranked = probability.detach()
    if bias is not None:
        require(bias.shape == (E,), "bias", bias.shape, f"({E},)")
        ranked = ranked + bias
    index = ranked.topk(k, dim=-1).indices  # (N, k)
    weight = probability.gather(-1, index)
    return Routing(index, weight / weight.sum(-1, keepdim=True), probability)


def loads(index: Tensor, experts: int, kept: Tensor | None = None) -> Tensor:
    """The share of all choices that falls on each expert.

    Args:
        index: (N, k), the experts that are chosen.
        experts: E.
        kept: boolean (N,), False for padding, which is no load.

    Returns:
        (E,), which sums to 1; zeros where no token is left.

    Raises:
        TypeError: if `kept` is not boolean.
        ValueError: if a shape does not fit.
    """
    require(index.ndim == 2, "index", index.shape, "(N, k)")
    if kept is not None:
        index = index[_checked(kept, len(index))]
    count = torch.bincount(index.flatten(), minlength=experts)
    return count / max(index.numel(), 1)


def load_entropy(load: Tensor) -> float:
    """The entropy of the load (E,), in nats; log E where it is even."""
    return float(-torch.xlogy(load, load).sum())


def balance_loss(routing: Routing, kept: Tensor | None = None) -> Tensor:
    """E · Σ f_e P_e: Fedus et al. (2022), equation 4, divided by its α.

    f_e is the share of the choices that fall on expert e and P_e the mean of
    its probability. The loss is 1 where both are even. The gradient comes
    through P alone: a count has none.

    Args:
        routing: of one layer; the loss of a model is the mean over layers.
        kept: boolean (N,), False for padding.

    Returns:
        a scalar.

    Raises:
        TypeError: if `kept` is not boolean.
        ValueError: if a shape does not fit.
    """
    probability = routing.probability
    E = probability.shape[1]
    f = loads(routing.index, E, kept)
    if kept is not None:
        probability = probability[kept]
    return E * (f * probability.mean(0)).sum()


def update_bias(bias: Tensor, load: Tensor, rate: float) -> Tensor:
    """Lower the bias of the experts with too much load, raise the others.

    b + u · sign(mean load − load): Wang et al. (2024), algorithm 1.

    Args:
        bias: (E,).
        load: (E,), of the last batch.
        rate: u.

    Returns:
        (E,), the bias for the next batch.

    Raises:
        ValueError: if the shapes differ.
    """
    require(load.shape == bias.shape, "load", load.shape, f"{bias.shape}")
    return bias + rate * (load.mean() - load).sign()


def _checked(kept: Tensor, tokens: int) -> Tensor:
    if kept.dtype != torch.bool:
        raise TypeError(
            f"kept has dtype {kept.dtype}; expected torch.bool, "
            "where False means padding"
        )
    require(kept.shape == (tokens,), "kept", kept.shape, f"({tokens},)")
    return kept
