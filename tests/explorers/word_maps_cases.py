"""Cases for the word maps of the browser, from NumPy, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np


def patch_ink(image: np.ndarray, side: int) -> np.ndarray:
    """The mean of each of side·side patches, row by row."""
    size = len(image) // side
    blocks = image.reshape(side, size, side, size)
    return blocks.mean(axis=(1, 3)).ravel()


def ink_ratio(weights: np.ndarray, ink: np.ndarray) -> float | None:
    """Ink under the map's mean weight, over the mean ink."""
    if not weights.any() or not ink.any():
        return None
    return float(np.average(ink, weights=weights) / ink.mean())


def cases() -> Iterator[dict]:
    rng = np.random.default_rng(11)
    for n, side, words in ((8, 8, 3), (8, 4, 5), (6, 2, 1), (4, 1, 2)):
        for empty in (False, True):
            image = rng.random((n, n)) * (not empty)
            weights = rng.dirichlet(np.ones(words + 1), size=side * side)
            weights[:, 0] = 0  # a word that nobody reads
            ink = patch_ink(image, side)
            yield {
                "image": image.tolist(),
                "weights": weights.tolist(),
                "ink": ink.tolist(),
                "maps": weights.T.tolist(),
                "ratios": [ink_ratio(one, ink) for one in weights.T],
                "means": weights.mean(axis=0).tolist(),
            }


if __name__ == "__main__":
    print(json.dumps(list(cases())))
