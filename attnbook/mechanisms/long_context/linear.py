"""Linear attention in its three forms: Katharopoulos et al. (2020).

A query meets keys through a feature map, φ(q)·φ(k), with no exponential, so
that the sum over keys can be taken before the query is known: a state of
d_k · d_v numbers replaces the cache.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook.mechanisms.long_context.patterns import require_at_least_one
from attnbook.mechanisms.shapes import broadcast, require


class State(NamedTuple):
    """What is kept of all keys and values so far.

    `sum_of_pairs` is (..., d_k, d_v), the sum of φ(k) vᵀ; `sum_of_keys` is
    (..., d_k), the sum of φ(k).
    """

    sum_of_pairs: Tensor
    sum_of_keys: Tensor


def feature_map(x: Tensor) -> Tensor:
    """elu(x) + 1, which is positive: equation 7; the shape stays."""
    return F.elu(x) + 1


def linear_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_mask: Tensor | None = None,
    causal: bool = True,
) -> Tensor:
    """The parallel form, through the table of all scores: equation 4.

    Output t is Σ φ(q_t)·φ(k_s) v_s / Σ φ(q_t)·φ(k_s). A key that the mask
    leaves out counts in neither sum; a query with no key gets zeros.

    Args:
        query: (..., T, d_k).
        key: (..., S, d_k); as many as queries if causal.
        value: (..., S, d_v).
        key_mask: boolean, broadcastable to (..., S); False for padding.
        causal: whether query t is kept from the keys after t.

    Returns:
        (..., T, d_v).

    Raises:
        TypeError: if the mask is not boolean.
        ValueError: if a shape does not fit.
    """
    _check(query, key, value, causal)
    q, k = feature_map(query), _features_of_keys(key, key_mask)
    scores = q @ k.mT  # (..., T, S)
    if causal:
        scores = scores.tril()
    return _divided(scores @ value, scores.sum(-1))


def linear_attention_recurrent(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_mask: Tensor | None = None,
    state: State | None = None,
) -> tuple[Tensor, State]:
    """The recurrent form, token by token: equations 16 to 20.

    Args:
        query: (..., T, d_k).
        key: (..., T, d_k).
        value: (..., T, d_v).
        key_mask: boolean, broadcastable to (..., T); False for padding.
        state: of the tokens before; nothing if left out.

    Returns:
        (..., T, d_v), and the state after the last token.

    Raises:
        TypeError: if the mask is not boolean.
        ValueError: if a shape does not fit.
    """
    _check(query, key, value, causal=True)
    q, k = feature_map(query), _features_of_keys(key, key_mask)
    pairs, keys = _start(k, value, state)
    outputs = []
    for t in range(q.shape[-2]):
        q_t, k_t = q[..., t, :], k[..., t, :]  # (..., d_k)
        pairs = pairs + k_t[..., :, None] * value[..., t, None, :]
        keys = keys + k_t
        read = (q_t[..., None, :] @ pairs)[..., 0, :]  # (..., d_v)
        outputs.append(_divided(read, (q_t * keys).sum(-1)))
    return torch.stack(outputs, dim=-2), State(pairs, keys)


def linear_attention_chunked(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    chunk: int,
    key_mask: Tensor | None = None,
    state: State | None = None,
) -> tuple[Tensor, State]:
    """The chunked form: parallel inside a chunk, recurrent between chunks.

    With C tokens in a chunk it computes C scores a query, and keeps one
    state for each chunk in place of one for each token (Yang et al. 2024,
    section 2).

    Args:
        query: (..., T, d_k).
        key: (..., T, d_k).
        value: (..., T, d_v).
        chunk: C; the last chunk may be shorter.
        key_mask: boolean, broadcastable to (..., T); False for padding.
        state: of the tokens before; nothing if left out.

    Returns:
        (..., T, d_v), and the state after the last token.

    Raises:
        TypeError: if the mask is not boolean.
        ValueError: if a shape does not fit, or chunk is less than 1.
    """
    _check(query, key, value, causal=True)
    require_at_least_one(chunk=chunk)
    q, k = feature_map(query), _features_of_keys(key, key_mask)
    pairs, keys = _start(k, value, state)
    outputs = []
    for q_c, k_c, v_c in zip(
        *(x.split(chunk, -2) for x in (q, k, value)), strict=True
    ):
        inside = (q_c @ k_c.mT).tril()  # (..., C, C)
        read = inside @ v_c + q_c @ pairs  # (..., C, d_v)
        total = inside.sum(-1) + (q_c @ keys[..., None])[..., 0]  # (..., C)
        outputs.append(_divided(read, total))
        pairs = pairs + k_c.mT @ v_c
        keys = keys + k_c.sum(-2)
    return torch.cat(outputs, dim=-2), State(pairs, keys)


def _features_of_keys(key: Tensor, key_mask: Tensor | None) -> Tensor:
    """φ(k), and zero where there is only padding."""
    features = feature_map(key)
    if key_mask is None:
        return features
    if key_mask.dtype != torch.bool:
        raise TypeError(
            f"key_mask has dtype {key_mask.dtype}; expected torch.bool, "
            "where False means padding"
        )
    shape = key.shape[:-1]
    require(
        broadcast(key_mask.shape, shape) == shape,
        "key_mask",
        key_mask.shape,
        f"one that broadcasts to {tuple(shape)}",
    )
    return features * key_mask[..., None]


def _start(k: Tensor, value: Tensor, state: State | None) -> State:
    if state is not None:
        return state
    lead, d_k, d_v = k.shape[:-2], k.shape[-1], value.shape[-1]
    return State(k.new_zeros(*lead, d_k, d_v), k.new_zeros(*lead, d_k))


def _divided(read: Tensor, total: Tensor) -> Tensor:
    """Divide by the sum of scores; zero where there was none."""
    none = total == 0
    return read / total.masked_fill(none, 1)[..., None]


def _check(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> None:
    """Raise a ValueError that names the first argument of wrong shape."""
    require(query.ndim >= 2, "query", query.shape, "(..., T, d_k)")
    S = query.shape[-2] if causal else "S"
    require(
        key.shape[:-2] == query.shape[:-2]
        and key.shape[-1] == query.shape[-1]
        and (not causal or key.shape[-2] == query.shape[-2]),
        "key",
        key.shape,
        f"{(*query.shape[:-2], S, query.shape[-1])}",
    )
    require(
        value.shape[:-1] == key.shape[:-1],
        "value",
        value.shape,
        f"{(*key.shape[:-1], 'd_v')}, one value for each key",
    )
