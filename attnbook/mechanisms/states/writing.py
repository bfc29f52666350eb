"""A state of keys and values that decays, and one that is overwritten.

The state S is (d_k, d_v), and a query reads Sᵀq. Decay: S ← αS + k vᵀ, which
is Mamba-2 (Dao and Gu 2024) and, where α = 1, linear attention without a
feature map and a denominator. Delta rule: S ← αS + β k (v − (αS)ᵀk)ᵀ
(Schlag et al. 2021; in chunks, "Parallelizing Linear Transformers with the
Delta Rule", Yang et al. 2024; with α, "Gated Delta Networks", Yang et al.
2025). The decay comes first and the error after it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from attnbook.mechanisms.shapes import require


def decay_matrix(log_decay: Tensor) -> Tensor:
    """The mask of decays: entry t, s is the product of α from s+1 to t.

    It is exp of a difference of sums, and the difference is masked before
    exp, so nothing overflows however long the text is.

    Args:
        log_decay: (..., T), zero or less.

    Returns:
        (..., T, T), zero above the diagonal, 1 on it.
    """
    total = log_decay.cumsum(-1)
    gap = total[..., :, None] - total[..., None, :]  # (..., T, T)
    ahead = torch.ones(gap.shape[-2:], dtype=torch.bool).triu(1)
    return gap.masked_fill(ahead.to(gap.device), -torch.inf).exp()


def decayed_masked(
    query: Tensor, key: Tensor, value: Tensor, log_decay: Tensor
) -> Tensor:
    """Attention without softmax under the mask of decays: (L ∘ QKᵀ) V.

    This is the dual form of Dao and Gu (2024).

    Args:
        query: (..., T, d_k).
        key: (..., T, d_k).
        value: (..., T, d_v).
        log_decay: (..., T), zero or less.

    Returns:
        (..., T, d_v).

    Raises:
        ValueError: if a shape does not fit.
    """
    _check(query, key, value, log_decay=log_decay)
    return (decay_matrix(log_decay) * (query @ key.mT)) @ value


def decayed_recurrent(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    log_decay: Tensor | None = None,
    state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Token by token: S ← αS + k vᵀ.

    Args:
        query: (..., T, d_k).
        key: (..., T, d_k).
        value: (..., T, d_v).
        log_decay: (..., T), zero or less; no decay if left out.
        state: (..., d_k, d_v), after the tokens before; zeros if left out.

    Returns:
        (..., T, d_v), and the state after the last token.

    Raises:
        ValueError: if a shape does not fit.
    """
    log_decay = _or_none(key, log_decay)
    _check(query, key, value, log_decay=log_decay, state=state)
    S = _start(key, value, state)
    outputs = []
    for q, k, v, a in _steps(query, key, value, log_decay.exp()):
        S = a[..., None, None] * S + k[..., :, None] * v[..., None, :]
        outputs.append((q[..., None, :] @ S)[..., 0, :])
    return torch.stack(outputs, dim=-2), S


def decayed_chunked(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    chunk: int,
    log_decay: Tensor | None = None,
    state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """A masked table inside a chunk, the state between chunks.

    Args:
        query: (..., T, d_k).
        key: (..., T, d_k).
        value: (..., T, d_v).
        chunk: C tokens; the last chunk may be shorter.
        log_decay: (..., T), zero or less; no decay if left out.
        state: (..., d_k, d_v), after the tokens before; zeros if left out.

    Returns:
        (..., T, d_v), and the state after the last token.

    Raises:
        ValueError: if a shape does not fit, or chunk is less than 1.
    """
    log_decay = _or_none(key, log_decay)
    _check(query, key, value, log_decay=log_decay, state=state)
    S, outputs = _start(key, value, state), []
    for q, k, v, g in _chunks(chunk, query, key, value, log_decay):
        output, S = _read_and_write(q, k, v, g, S)
        outputs.append(output)
    return torch.cat(outputs, dim=-2), S


def delta_recurrent(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    beta: Tensor,
    log_decay: Tensor | None = None,
    state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The (gated) delta rule, token by token.

    S ← αS, then S ← S + β k (v − Sᵀk)ᵀ. With a key of length 1 and β = 1 the
    old value of this key is replaced by the new one.

    Args:
        query: (..., T, d_k).
        key: (..., T, d_k), of length 1.
        value: (..., T, d_v).
        beta: (..., T), from 0 to 2; 0 writes nothing.
        log_decay: (..., T), zero or less; no decay if left out.
        state: (..., d_k, d_v), after the tokens before; zeros if left out.

    Returns:
        (..., T, d_v), and the state after the last token.

    Raises:
        ValueError: if a shape does not fit.
    """
    log_decay = _or_none(key, log_decay)
    _check(query, key, value, beta=beta, log_decay=log_decay, state=state)
    S = _start(key, value, state)
    outputs = []
    for q, k, v, b, a in _steps(query, key, value, beta, log_decay.exp()):
        S = a[..., None, None] * S
        error = v - (k[..., None, :] @ S)[..., 0, :]  # (..., d_v)
        S = S + k[..., :, None] * (b[..., None] * error)[..., None, :]
        outputs.append((q[..., None, :] @ S)[..., 0, :])
    return torch.stack(outputs, dim=-2), S


def delta_chunked(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    beta: Tensor,
    chunk: int,
    log_decay: Tensor | None = None,
    state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The same in chunks: Yang et al. (2024), "... with the Delta Rule".

    u_t, the vector that token t writes under its key, depends on what the
    tokens before it in the chunk have written:
    (I + A) U = diag(β) (V − diag(γ) K S), with A strictly below the
    diagonal. One triangular system gives all of them.
    The rest is `decayed_chunked` with U in place of V.

    Args:
        query: (..., T, d_k).
        key: (..., T, d_k), of length 1.
        value: (..., T, d_v).
        beta: (..., T), from 0 to 2.
        chunk: C tokens; the last chunk may be shorter.
        log_decay: (..., T), zero or less; no decay if left out.
        state: (..., d_k, d_v), after the tokens before; zeros if left out.

    Returns:
        (..., T, d_v), and the state after the last token.

    Raises:
        ValueError: if a shape does not fit, or chunk is less than 1.
    """
    log_decay = _or_none(key, log_decay)
    _check(query, key, value, beta=beta, log_decay=log_decay, state=state)
    S, outputs = _start(key, value, state), []
    for q, k, v, b, g in _chunks(chunk, query, key, value, beta, log_decay):
        b = b[..., None]  # (..., C, 1)
        A = b * decay_matrix(g) * (k @ k.mT)  # (..., C, C)
        known = g.cumsum(-1).exp()[..., None] * (k @ S)  # (..., C, d_v)
        U = torch.linalg.solve_triangular(
            A.tril(-1) + torch.eye(A.shape[-1]).to(A),
            b * (v - known),
            upper=False,
            unitriangular=True,
        )
        output, S = _read_and_write(q, k, U, g, S)
        outputs.append(output)
    return torch.cat(outputs, dim=-2), S


def _read_and_write(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, S: Tensor
) -> tuple[Tensor, Tensor]:
    """What a chunk reads, and the state after it."""
    total = g.cumsum(-1)[..., None]  # (..., C, 1)
    inside = decay_matrix(g) * (q @ k.mT)  # (..., C, C)
    output = inside @ v + total.exp() * (q @ S)  # (..., C, d_v)
    last = total[..., -1:, :]
    return output, last.exp() * S + (k * (last - total).exp()).mT @ v


def _steps(*tensors: Tensor):
    """The tensors of each token: vectors (..., d), then numbers (...)."""
    vectors = [x.unbind(-2) for x in tensors[:3]]
    numbers = [x.unbind(-1) for x in tensors[3:]]
    return zip(*vectors, *numbers, strict=True)


def _chunks(chunk: int, *tensors: Tensor):
    if chunk < 1:
        raise ValueError(f"chunk is {chunk}; expected at least 1")
    vectors = [x.split(chunk, -2) for x in tensors[:3]]
    numbers = [x.split(chunk, -1) for x in tensors[3:]]
    return zip(*vectors, *numbers, strict=True)


def _or_none(key: Tensor, log_decay: Tensor | None) -> Tensor:
    return key.new_zeros(key.shape[:-1]) if log_decay is None else log_decay


def _start(key: Tensor, value: Tensor, state: Tensor | None) -> Tensor:
    if state is not None:
        return state
    return key.new_zeros(*key.shape[:-2], key.shape[-1], value.shape[-1])


def _check(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    beta: Tensor | None = None,
    log_decay: Tensor | None = None,
    state: Tensor | None = None,
) -> None:
    """Raise a ValueError that names the first argument of wrong shape."""
    require(query.ndim >= 2, "query", query.shape, "(..., T, d_k)")
    shape = tuple(query.shape)
    require(key.shape == shape, "key", key.shape, f"{shape}")
    require(
        value.shape[:-1] == shape[:-1],
        "value",
        value.shape,
        f"{(*shape[:-1], 'd_v')}, one value for each key",
    )
    for name, numbers in (("beta", beta), ("log_decay", log_decay)):
        if numbers is not None:
            require(
                numbers.shape == shape[:-1],
                name,
                numbers.shape,
                f"{shape[:-1]}",
            )
    if state is not None:
        wanted = (*shape[:-2], shape[-1], value.shape[-1])
        require(state.shape == wanted, "state", state.shape, f"{wanted}")
