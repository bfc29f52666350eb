"""Cases for the arithmetic of a written state, with NumPy, as JSON.

A rule is applied as a matrix product, α (I − β k kᵀ) S + β k vᵀ, which the
explorer never forms; and linear attention as one sum over the tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

RULES = ("linear", "decay", "delta", "gated")


def cut(keys: np.ndarray, size: int) -> np.ndarray:
    """The first coordinates as unit vectors: (K, d_k)."""
    first = keys[:, :size]
    return first / np.linalg.norm(first, axis=-1, keepdims=True)


def states(
    writes: list, keys: np.ndarray, values: int, rule: str, alpha, beta
) -> np.ndarray:
    """The state before the first token and after each: (T + 1, d_k, d_v)."""
    keeps = alpha if rule in ("decay", "gated") else 1.0
    corrects = rule in ("delta", "gated")
    found = [np.zeros((keys.shape[1], values))]
    for key, value in writes:
        decayed = keeps * found[-1]
        if value is None:
            found.append(decayed)
            continue
        k, v = keys[key], np.eye(values)[value]
        if corrects:
            turn = np.eye(len(k)) - beta * np.outer(k, k)
            found.append(turn @ decayed + beta * np.outer(k, v))
        else:
            found.append(decayed + np.outer(k, v))
    return np.stack(found)


def bound(writes: list, step: int, key: int) -> tuple[int | None, set[int]]:
    """The newest value under a key, and the old ones."""
    values = [v for k, v in writes[:step] if k == key and v is not None]
    if not values:
        return None, set()
    return values[-1], set(values) - {values[-1]}


def closest(keys: np.ndarray) -> float | None:
    """The largest cosine of two keys, by size."""
    if len(keys) < 2:
        return None
    cosines = (keys @ keys.T)[np.triu_indices(len(keys), 1)]
    return float(cosines[np.abs(cosines).argmax()])


def cases() -> Iterator[dict]:
    """Every rule, keys of many sizes, some tokens that write nothing."""
    rng = np.random.default_rng(12)
    for rule in RULES:
        for count, values, widest in ((1, 1, 2), (3, 2, 4), (6, 6, 8)):
            for size in (2, widest):
                tokens = int(rng.integers(1, 13))
                writes = [
                    [
                        int(rng.integers(count)),
                        None
                        if rng.random() < 0.15
                        else int(rng.integers(values)),
                    ]
                    for _ in range(tokens)
                ]
                alpha = float(rng.random())
                beta = float(2 * rng.random())
                drawn = rng.normal(size=(count, widest))
                keys = cut(drawn, size)
                found = states(writes, keys, values, rule, alpha, beta)
                pairs = [
                    [bound(writes, step, key) for key in range(count)]
                    for step in range(tokens + 1)
                ]
                yield {
                    "rule": rule,
                    "alpha": alpha,
                    "beta": beta,
                    "size": size,
                    "drawn": drawn.tolist(),
                    "keys": keys.tolist(),
                    "writes": writes,
                    "values": values,
                    "states": found.tolist(),
                    "reads": np.einsum("tkv,qk->tqv", found, keys).tolist(),
                    "bound": [
                        [[newest, sorted(old)] for newest, old in line]
                        for line in pairs
                    ],
                    "closest": closest(keys),
                }


if __name__ == "__main__":
    print(json.dumps([*cases()]))
