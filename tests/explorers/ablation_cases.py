"""Cases for the head ablation's arithmetic, computed with NumPy, as JSON."""

from __future__ import annotations

import json

import numpy as np


def ablation_cases() -> dict:
    """Sets of heads as numbers, and the losses that belong to them."""
    rng = np.random.default_rng(3)
    losses = rng.uniform(0, 4, (16, 5))
    counted = np.array([False, True, True, False, True])
    sets = [[], [[0, 1]], [[1, 0], [0, 0]], [[1, 1], [0, 1], [1, 0]]]
    numbers = [
        int(np.ravel_multi_index(bits[::-1], (2, 2, 2, 2)))
        for bits in (
            [int([layer, head] in gone) for layer in (0, 1) for head in (0, 1)]
            for gone in sets
        )
    ]
    return {
        "losses": losses.tolist(),
        "counted": counted.tolist(),
        "sets": sets,
        "numbers": numbers,
        "means": [float(losses[n][counted].mean()) for n in numbers],
    }


if __name__ == "__main__":
    print(json.dumps(ablation_cases()))
