"""Cases for the arithmetic of a ring of ranks, computed with NumPy, as JSON.

Places stand for chunks: 24 of them each, so that a triangle is counted place
by place. No formula of chunks is used here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

PER_CHUNK = 24
LAYOUTS = ("contiguous", "zigzag")


def holders(layout: str, ranks: int) -> np.ndarray:
    """The rank of each chunk, (2R,)."""
    if layout == "contiguous":
        return np.arange(ranks).repeat(2)
    return np.concatenate([np.arange(ranks), np.arange(ranks)[::-1]])


def work(layout: str, ranks: int, causal: bool) -> np.ndarray:
    """Scores that count of each rank in each step: (R, R), in chunk pairs."""
    of_place = holders(layout, ranks).repeat(PER_CHUNK)
    n = len(of_place)
    t, s = np.indices((n, n))
    allowed = s <= t if causal else np.full((n, n), True)
    # On the diagonal a place sees itself; half of it is the triangle's.
    counted = allowed - 0.5 * (causal & (t == s))
    rank = of_place[t]
    step = (rank - of_place[s]) % ranks
    found = np.zeros((ranks, ranks))
    np.add.at(found, (step, rank), counted)
    return found / PER_CHUNK**2


def cases() -> Iterator[dict]:
    """Every layout, masked and not, of 2 to 8 ranks."""
    for ranks in range(2, 9):
        for layout in LAYOUTS:
            for causal in (True, False):
                found = work(layout, ranks, causal)
                slowest = found.max(1)
                mean = found.sum() / ranks
                yield {
                    "layout": layout,
                    "ranks": ranks,
                    "causal": causal,
                    "holders": holders(layout, ranks).tolist(),
                    "work": found.tolist(),
                    "took": np.cumsum(slowest).tolist(),
                    "waited": np.cumsum(
                        slowest[:, None] - found, axis=0
                    ).tolist(),
                    "imbalance": float(slowest.sum() / mean),
                }


if __name__ == "__main__":
    print(json.dumps([*cases()]))
