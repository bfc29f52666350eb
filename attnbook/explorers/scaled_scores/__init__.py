"""Scaled dot-product scores: size, scale and temperature to choose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import traitlets

from attnbook.explorers.kit.explorer import (
    Explorer,
    as_array,
    as_labels,
    as_temperature,
    rounded,
)

SMALLEST = 4


class ScaledScores(Explorer):
    """Dot-product weights at every size d, with and without 1/√d.

    The scores at size d use the first d coordinates of queries and keys.
    Variance, entropy (nats), the Frobenius norm of the Jacobian of the
    softmax in its own input, and the largest weight follow; the last three
    are means over the queries. Vaswani et al. (2017), section 3.2.1.

    Parameters
    ----------
    query : (T, d_max), d_max at least 4
    key : (S, d_max)
    labels : T strings for the queries; by default 1, 2, …
    key_labels : S strings for the keys; by default ``labels`` where there
        are as many keys as queries
    d : a power of two from 4 to d_max; by default the largest
    scaled : whether the scores are divided by √d
    temperature : from 0.05 to 20

    ``d``, ``scaled`` and ``temperature`` follow what the reader does.

    Raises
    ------
    ValueError
        If a shape does not fit, or a number lies outside its range.
    """

    _esm = Path(__file__).with_name("built.mjs")

    query = traitlets.List().tag(sync=True)
    key = traitlets.List().tag(sync=True)
    labels = traitlets.List().tag(sync=True)
    key_labels = traitlets.List().tag(sync=True)
    d = traitlets.Int().tag(sync=True)
    scaled = traitlets.Bool(False).tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)

    def __init__(
        self,
        query: np.ndarray,
        key: np.ndarray,
        labels: Sequence[str] | None = None,
        key_labels: Sequence[str] | None = None,
        d: int | None = None,
        scaled: bool = False,
        temperature: float = 1.0,
    ) -> None:
        query = as_array("query", query, ("T", "d_max"))  # (T, d_max)
        longest = query.shape[1]
        if longest < SMALLEST:
            raise ValueError(
                f"query must have at least {SMALLEST} coordinates, got "
                f"{longest}. The sizes to choose from start at {SMALLEST}."
            )
        key = as_array("key", key, ("S", longest))  # (S, d_max)
        sizes = [2**n for n in range(2, longest.bit_length())]
        d = sizes[-1] if d is None else d
        if d not in sizes:
            raise ValueError(
                f"d must be a power of two from {SMALLEST} to {sizes[-1]}, "
                f"got {d}. Choose one of {', '.join(map(str, sizes))}."
            )
        names = as_labels("labels", labels, len(query), "queries")
        if key_labels is None and len(key) == len(query):
            key_labels = names
        super().__init__(
            query=rounded(query[:, : sizes[-1]], 3),
            key=rounded(key[:, : sizes[-1]], 3),
            labels=names,
            key_labels=as_labels("key_labels", key_labels, len(key), "keys"),
            d=int(d),
            scaled=bool(scaled),
            temperature=as_temperature(temperature),
        )

    def __repr__(self) -> str:
        return (
            f"ScaledScores: weights of {len(self.query)} queries over "
            f"{len(self.key)} keys, d from {SMALLEST} to "
            f"{len(self.query[0])}, with and without the scale"
        )
