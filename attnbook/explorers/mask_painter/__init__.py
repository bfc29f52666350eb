"""A mask to paint over scores, and what an empty row comes to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import traitlets

from attnbook.explorers.kit.explorer import (
    Explorer,
    as_array,
    as_labels,
    rounded,
)


class MaskPainter(Explorer):
    """Paint a mask; the weights of softmax under it follow.

    A query that may attend to no key is announced, and a table says what
    three policies make of its row: masked scores of −∞ and empty rows set to
    zero, as everywhere in this course; −∞ alone; or −1e9.

    Parameters
    ----------
    scores : (T, S), as they enter the softmax
    queries : T strings; one may occur more than once
    keys : S strings; one may occur more than once
    mask : (T, S) of bool, true where a query may attend to a key; by default
        true everywhere
    padded : how many of the last keys are padding in the presets, from 1
        to S

    ``mask`` follows what the reader does.

    Raises
    ------
    ValueError
        If a shape does not fit, ``mask`` holds other values than true and
        false, or ``padded`` lies outside its range.
    """

    _esm = Path(__file__).with_name("built.mjs")

    scores = traitlets.List().tag(sync=True)
    query_labels = traitlets.List().tag(sync=True)
    key_labels = traitlets.List().tag(sync=True)
    mask = traitlets.List().tag(sync=True)
    padded = traitlets.Int(1).tag(sync=True)

    def __init__(
        self,
        scores: np.ndarray,
        queries: Sequence[str] | None = None,
        keys: Sequence[str] | None = None,
        mask: np.ndarray | None = None,
        padded: int = 1,
    ) -> None:
        scores = as_array("scores", scores, ("T", "S"))  # (T, S)
        if mask is None:
            mask = np.ones(scores.shape)
        mask = as_array("mask", mask, scores.shape)  # (T, S)
        strange = mask[(mask != 0) & (mask != 1)]
        if strange.size:
            raise ValueError(
                "mask must hold true, where a query may attend to a key, or "
                f"false, got {strange[0]:g}. Pass booleans, not what is added "
                "to the scores."
            )
        keys = as_labels("keys", keys, scores.shape[1], "columns of scores")
        if padded not in range(1, len(keys) + 1):
            raise ValueError(
                f"padded must be a whole number from 1 to {len(keys)}, got "
                f"{padded}. It counts the last keys that are padding."
            )
        super().__init__(
            scores=rounded(scores, 4),
            query_labels=as_labels(
                "queries", queries, len(scores), "rows of scores"
            ),
            key_labels=keys,
            mask=mask.astype(bool).tolist(),
            padded=int(padded),
        )

    def __repr__(self) -> str:
        open_pairs = int(np.sum(self.mask))
        return (
            f"MaskPainter: weights of {len(self.query_labels)} queries over "
            f"{len(self.key_labels)} keys, {open_pairs} of "
            f"{np.size(self.mask)} pairs open, to be painted"
        )
