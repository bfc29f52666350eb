"""The softmax dial: scores and temperature in, weights out."""

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


class SoftmaxDial(Explorer):
    """Scores to move; weights, entropy and gradient norm follow.

    Entropy is in nats; the effective number of items is its exponential;
    the gradient norm is the Frobenius norm of the Jacobian of the weights
    in the scores, 1 / temperature included.

    Parameters
    ----------
    scores : (N,)
    labels : N strings; by default 1, 2, …
    temperature : from 0.05 to 20

    ``scores`` and ``temperature`` follow what the reader does.

    Raises
    ------
    ValueError
        If a shape does not fit or the temperature lies outside its range.
    """

    _esm = Path(__file__).with_name("built.mjs")

    scores = traitlets.List().tag(sync=True)
    labels = traitlets.List().tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)

    def __init__(
        self,
        scores: np.ndarray,
        labels: Sequence[str] | None = None,
        temperature: float = 1.0,
    ) -> None:
        scores = as_array("scores", scores, ("N",))  # (N,)
        super().__init__(
            scores=rounded(scores),
            labels=as_labels("labels", labels, len(scores), "scores"),
            temperature=as_temperature(temperature),
        )

    def __repr__(self) -> str:
        return (
            f"SoftmaxDial: move {len(self.scores)} scores "
            f"({', '.join(self.labels)}) and the temperature"
        )
