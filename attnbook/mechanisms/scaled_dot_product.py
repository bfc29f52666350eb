"""Scaled dot-product attention: Vaswani et al. (2017), section 3.2.1."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from attnbook.mechanisms.masked_softmax import masked_softmax
from attnbook.mechanisms.shapes import broadcast, require


def causal_mask(
    T: int,
    S: int | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Mask that lets query t attend to the keys 0 … t and to no later one.

    Vaswani et al. (2017), section 3.2.3. Where T and S differ, both are
    counted from the first position, as `is_causal` counts them in
    `torch.nn.functional.scaled_dot_product_attention`.

    Args:
        T: number of queries.
        S: number of keys; T if left out.
        device: where the mask is made.

    Returns:
        (T, S), boolean; True may be attended to.
    """
    S = T if S is None else S
    return torch.ones(T, S, dtype=torch.bool, device=device).tril()


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    causal: bool = False,
    scale: float | None = None,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Attend with the score q·k·scale: softmax(scale Q Kᵀ + bias) V.

    Vaswani et al. (2017), section 3.2.1, equation 1. The leading dimensions
    (batch, heads) broadcast. A query that may attend to nothing gets weights
    and an output of zero, and sends no gradient back.

    Args:
        query: (..., T, d_k).
        key: (..., S, d_k).
        value: (..., S, d_v).
        mask: boolean, broadcastable to (..., T, S); True may be attended to.
        causal: whether query t is also kept from the keys after t.
        scale: factor of the scores; 1/√d_k if left out.
        bias: floating point, broadcastable to (..., T, S); added to the
            scaled scores. A bias of minus infinity masks.

    Returns:
        output (..., T, d_v) and weights (..., T, S).

    Raises:
        TypeError: if the mask is not boolean, or the bias is.
        ValueError: if a shape does not fit, naming the argument.
    """
    _check_shapes(query, key, value)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    # Scaling the T·d_k queries costs less than scaling the T·S scores.
    scores = query * scale @ key.transpose(-2, -1)  # (..., T, S)
    weights = attention_weights(scores, mask, causal, bias)
    return weights @ value, weights  # (..., T, d_v), (..., T, S)


def attention_weights(
    scores: Tensor,
    mask: Tensor | None = None,
    causal: bool = False,
    bias: Tensor | None = None,
) -> Tensor:
    """Softmax over the keys that a mask, the order and a bias leave.

    Args:
        scores: (..., T, S), scaled.
        mask: boolean, broadcastable to the scores; True may be attended to.
        causal: as in `scaled_dot_product_attention`.
        bias: as in `scaled_dot_product_attention`.

    Returns:
        weights, of the shape of the scores.

    Raises:
        TypeError: if the mask is not boolean, or the bias is.
        ValueError: if a shape does not fit, naming the argument.
    """
    if bias is not None:
        scores, mask = _biased(scores, bias, mask)
    if causal:
        T, S = scores.shape[-2:]
        earlier = causal_mask(T, S, scores.device)  # (T, S)
        mask = earlier if mask is None else _fitting(mask, scores) & earlier
    return masked_softmax(scores, mask)


def _check_shapes(query: Tensor, key: Tensor, value: Tensor) -> None:
    """Raise a ValueError that names the first argument of wrong shape."""
    for name, tensor, shape in (
        ("query", query, "(..., T, d_k)"),
        ("key", key, "(..., S, d_k)"),
        ("value", value, "(..., S, d_v)"),
    ):
        require(tensor.ndim >= 2, name, tensor.shape, shape)
    d_k, S = query.shape[-1], key.shape[-2]
    require(key.shape[-1] == d_k, "key", key.shape, f"(..., S, {d_k})")
    require(
        value.shape[-2] == S,
        "value",
        value.shape,
        f"(..., {S}, d_v), one value for each key",
    )
    leading = query.shape[:-2]
    for name, tensor in (("key", key), ("value", value)):
        together = broadcast(leading, tensor.shape[:-2])
        if together is None:
            raise ValueError(
                f"{name} has shape {tuple(tensor.shape)}; expected leading "
                f"dimensions that broadcast to {tuple(leading)}"
            )
        leading = together


def _biased(
    scores: Tensor, bias: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Add the bias to the scores; move its minus infinities to the mask.

    Raises:
        TypeError: if the bias is not floating point.
        ValueError: if a shape does not broadcast to the scores.
    """
    if not bias.is_floating_point():
        raise TypeError(
            f"bias has dtype {bias.dtype}; expected floating point, which is "
            "added to the scores; pass what may be attended to as mask"
        )
    bias = _expanded("bias", bias, scores)
    masked = bias == -torch.inf
    if not masked.any():
        return scores + bias, mask
    allowed = ~masked if mask is None else _fitting(mask, scores) & ~masked
    return scores + bias.masked_fill(masked, 0), allowed


def _fitting(mask: Tensor, scores: Tensor) -> Tensor:
    """Return the mask if it is boolean and broadcasts to the scores.

    Raises:
        TypeError: if it is not boolean.
        ValueError: if it does not broadcast.
    """
    if mask.dtype != torch.bool:
        raise TypeError(
            f"mask has dtype {mask.dtype}; expected torch.bool, where True "
            "means that the key may be attended to; pass numbers to be "
            "added to the scores as bias"
        )
    return _expanded("mask", mask, scores)


def _expanded(name: str, tensor: Tensor, scores: Tensor) -> Tensor:
    """Broadcast a tensor to the scores.

    Raises:
        ValueError: if it does not broadcast, naming it.
    """
    try:
        return tensor.expand_as(scores)
    except RuntimeError:
        raise ValueError(
            f"{name} has shape {tuple(tensor.shape)}; expected one that "
            f"broadcasts to the scores, {tuple(scores.shape)}"
        ) from None
