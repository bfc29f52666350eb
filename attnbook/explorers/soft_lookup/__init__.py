"""The soft look-up on a plane, with a query to drag."""

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

SCORES = ("dot", "negative-distance")
# The query moves a little beyond the square of the keys.
REACH = 1.2


class SoftLookup(Explorer):
    """A query among keys on a plane; weights and the blended value follow.

    Parameters
    ----------
    keys : (N, 2), each coordinate in [-1, 1]
    values : (N,)
    labels : N strings; by default 1, 2, …
    query : (2,), each coordinate in [-1.2, 1.2]
    temperature : from 0.05 to 20
    score : "dot" for q · k, "negative-distance" for -||q - k||

    ``query``, ``temperature`` and ``score`` follow what the reader does.

    Raises
    ------
    ValueError
        If a shape does not fit, or a number lies outside its range.
    """

    _esm = Path(__file__).with_name("built.mjs")

    key = traitlets.List().tag(sync=True)
    value = traitlets.List().tag(sync=True)
    labels = traitlets.List().tag(sync=True)
    query = traitlets.List().tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    score = traitlets.Enum(SCORES, "dot").tag(sync=True)

    def __init__(
        self,
        keys: np.ndarray,
        values: np.ndarray,
        labels: Sequence[str] | None = None,
        query: Sequence[float] = (0.0, 0.0),
        temperature: float = 1.0,
        score: str = "dot",
    ) -> None:
        keys = as_array("keys", keys, ("N", 2))  # (N, 2)
        _within("keys", keys, 1.0)
        values = as_array("values", values, (len(keys),))  # (N,)
        query = as_array("query", query, (2,))  # (2,)
        _within("query", query, REACH)
        if score not in SCORES:
            raise ValueError(
                f"score must be one of {', '.join(map(repr, SCORES))}, got "
                f"{score!r}. Choose one of them."
            )
        super().__init__(
            key=rounded(keys),
            value=rounded(values),
            labels=as_labels("labels", labels, len(keys), "keys"),
            query=rounded(query),
            temperature=as_temperature(temperature),
            score=score,
        )

    def __repr__(self) -> str:
        return (
            f"SoftLookup: drag a query among {len(self.key)} keys "
            f"({', '.join(self.labels)})"
        )


def _within(name: str, array: np.ndarray, reach: float) -> None:
    if np.abs(array).max() > reach:
        raise ValueError(
            f"{name} must lie between {-reach:g} and {reach:g}, got "
            f"{np.abs(array).max():g} in size. Divide by the largest."
        )
