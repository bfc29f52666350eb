"""Cases for the arithmetic of tiles, computed with NumPy, as JSON.

A query that has read some keys has m, the largest of their scores, and l and
o, sums over those keys: no loop over tiles is needed to say what they are,
unless a threshold keeps an older m.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

MASKS = ("none", "causal", "window")


def mask_of(name: str, n: int, window: int) -> np.ndarray:
    """True where query t may read key s: (n, n)."""
    behind = np.arange(n)[:, None] - np.arange(n)
    if name == "none":
        return np.full((n, n), True)
    return (behind >= 0) & (behind < (window if name == "window" else n))


def tiles_of(
    mask: np.ndarray, query_tile: int, key_tile: int
) -> list[tuple[slice, slice]]:
    """The tiles that are read, a row of them after the other."""
    n = len(mask)
    every = [
        (slice(t, min(t + query_tile, n)), slice(s, min(s + key_tile, n)))
        for t in range(0, n, query_tile)
        for s in range(0, n, key_tile)
    ]
    return [each for each in every if mask[each].any()]


def lagging(maxima: list[float], threshold: float) -> tuple[float, int]:
    """The m after tiles with these maxima, and how often it was raised."""
    m, raised = -np.inf, 0
    for most in maxima:
        if most - m > threshold:
            raised += int(m > -np.inf)
            m = most
    return m, raised


def state(scores, value, seen, maxima, threshold) -> tuple[dict, int]:
    """m, l and o of a query that has read the keys in ``seen``, (n,)."""
    m, raised = lagging(maxima, threshold)
    weights = np.where(seen, np.exp(scores - m), 0.0) if seen.any() else seen
    found = {
        "m": None if m == -np.inf else m,
        "l": float(np.sum(weights)),
        "o": (weights @ value).tolist(),
    }
    return found, raised


def dense(scores, mask, value) -> np.ndarray:
    """Attention by one softmax a row: (n, d_v)."""
    kept = np.where(mask, scores, -np.inf)
    weights = np.exp(kept - kept.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ value


def walk(scores, value, mask, tiles, threshold) -> Iterator[tuple]:
    """After each tile: the states of all queries, and the rescales so far."""
    n = len(mask)
    seen = np.zeros((n, n), bool)
    maxima: list[list[float]] = [[] for _ in range(n)]
    for queries, keys in [(slice(0, 0), slice(0, 0)), *tiles]:
        seen[queries, keys] = mask[queries, keys]
        for t in range(n)[queries]:
            own = scores[t, keys][mask[t, keys]]
            maxima[t] += [own.max()] if own.size else []
        rows = [
            state(scores[t], value, seen[t], maxima[t], threshold)
            for t in range(n)
        ]
        chances = sum(max(0, len(each) - 1) for each in maxima)
        yield (
            [found for found, _ in rows],
            sum(raised for _, raised in rows),
            chances,
        )


def cases() -> Iterator[dict]:
    """Every mask, tiles of many sizes, with and without a threshold."""
    rng = np.random.default_rng(11)
    for n in (2, 5, 8, 16):
        for name in MASKS:
            for threshold in (0.0, 0.7, 8.0):
                query_tile, key_tile = rng.integers(1, n + 1, size=2).tolist()
                window = int(rng.integers(1, n + 1))
                scores = rng.normal(scale=3, size=(n, n))
                value = rng.normal(size=(n, int(rng.integers(1, 4))))
                mask = mask_of(name, n, window)
                tiles = tiles_of(mask, query_tile, key_tile)
                steps = [*walk(scores, value, mask, tiles, threshold)]
                yield {
                    "name": name,
                    "n": n,
                    "query_tile": query_tile,
                    "key_tile": key_tile,
                    "window": window,
                    "threshold": threshold,
                    "scores": scores.tolist(),
                    "value": value.tolist(),
                    "mask": mask.tolist(),
                    "tiles": [
                        [q.start, q.stop, k.start, k.stop] for q, k in tiles
                    ],
                    "states": [states for states, _, _ in steps],
                    "rescales": [count for _, count, _ in steps],
                    "chances": [chances for _, _, chances in steps],
                    "dense": dense(scores, mask, value).tolist(),
                }


if __name__ == "__main__":
    print(json.dumps([*cases()]))
