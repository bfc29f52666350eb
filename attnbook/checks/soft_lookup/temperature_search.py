"""Two searches for the temperature at which a softmax has an entropy."""

from __future__ import annotations

import numpy as np

from attnbook.mechanisms.soft_lookup import entropy, softmax


def number_of_keys(weights):
    """The effective number of keys: as many equal ones have this entropy."""
    return np.exp(entropy(weights))


def temperature_by_bisection(scores, target):
    """Halve a range that grows with the scores, on a logarithmic scale."""
    spread = np.ptp(scores)
    low, high = spread / 1e6, spread * 1e6
    for _ in range(200):
        middle = np.sqrt(low * high)
        if entropy(softmax(scores, middle)) < target:  # too cold
            low = middle
        else:
            high = middle
    return float(middle)


def temperature_by_grids(scores, target):
    """A grid of temperatures, made finer around the crossing."""
    low, high = 1e-5 * np.ptp(scores), 1e5 * np.ptp(scores)
    for _ in range(12):
        grid = np.geomspace(low, high, 50)  # (50,)
        spread = entropy(softmax(scores[None] / grid[:, None]))  # (50,)
        place = int(np.clip(np.searchsorted(spread, target), 1, 49))
        low, high = grid[place - 1], grid[place]
    return high
