"""Attention in tiles, step by step, with its running numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import traitlets

from attnbook.explorers.kit.explorer import (
    Explorer,
    as_array,
    as_whole,
    rounded,
)

TOKENS = (2, 16)
MOST_NUMBERS = 3  # of a value: as many as have room in a line
MASKS = {"none": "no mask", "causal": "causal", "window": "causal window"}
MOST_THRESHOLD = 8.0


class TileWalk(Explorer):
    """Step through the tiles of an attention matrix.

    One tile of queries after the other meets one tile of keys after the
    other. After each step the figure shows, for every query, the running
    maximum m, the running sum l and the output o / l; it marks each rescale,
    and writes out the arithmetic of one query. Tiles in which the mask
    allows nothing are skipped. At the end the output is that of one softmax
    over all keys. Dao et al. (2022), algorithm 1, in the loop order of Dao
    (2023), where the output is divided once, at the end.

    Parameters
    ----------
    scores : (N, N), scaled, N from 2 to 16
    value : (N, d_v), d_v from 1 to 3
    n : how many of the N tokens there are, at least 2; by default all
    query_tile, key_tile : how many queries and keys a tile has, 1 to n
    mask : "none", "causal" or "window"
    window : W of "window", the nearest keys, the query's own among them
    threshold : from 0 to 8, in nats. A query is rescaled only where the new
        maximum lies above m by more than this.
    step : how many tiles have been read
    row : the query whose arithmetic is written out, 1 to n

    All of them but ``scores`` and ``value`` follow what the reader does.

    Raises
    ------
    ValueError
        If a shape does not fit, the mask is none of these, or a number lies
        outside its range.
    """

    _esm = Path(__file__).with_name("built.mjs")

    scores = traitlets.List().tag(sync=True)
    value = traitlets.List().tag(sync=True)
    n = traitlets.Int().tag(sync=True)
    query_tile = traitlets.Int().tag(sync=True)
    key_tile = traitlets.Int().tag(sync=True)
    mask = traitlets.Unicode().tag(sync=True)
    window = traitlets.Int().tag(sync=True)
    threshold = traitlets.Float().tag(sync=True)
    step = traitlets.Int().tag(sync=True)
    row = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        scores: np.ndarray,
        value: np.ndarray,
        n: int | None = None,
        query_tile: int = 4,
        key_tile: int = 4,
        mask: str = "none",
        window: int = 4,
        threshold: float = 0.0,
        step: int = 0,
        row: int = 1,
    ) -> None:
        scores = as_array("scores", scores, ("N", "N"))  # (N, S)
        N, S = scores.shape
        if N != S or not TOKENS[0] <= N <= TOKENS[1]:
            raise ValueError(
                "scores must have the shape (N, N) with N from "
                f"{TOKENS[0]} to {TOKENS[1]}, got {scores.shape}. Pass the "
                "scores of a few tokens over themselves."
            )
        value = as_array("value", value, (N, "d_v"))  # (N, d_v)
        if value.shape[1] > MOST_NUMBERS:
            raise ValueError(
                f"value must have at most {MOST_NUMBERS} columns, got "
                f"{value.shape[1]}. Pass the first {MOST_NUMBERS}."
            )
        if mask not in MASKS:
            raise ValueError(
                f"mask must be one of {', '.join(MASKS)}, got {mask!r}. "
                "The reader can choose another one."
            )
        limit = float(as_array("threshold", threshold, ()))
        if not 0 <= limit <= MOST_THRESHOLD:
            raise ValueError(
                f"threshold must lie between 0 and {MOST_THRESHOLD:g}, got "
                f"{limit:g}. Choose one that its slider reaches."
            )
        n = as_whole("n", N if n is None else n, TOKENS[0], N)
        query_tile = as_whole("query_tile", query_tile, 1, n)
        key_tile = as_whole("key_tile", key_tile, 1, n)
        window = as_whole("window", window, 1, n)
        last = tiles_read(n, query_tile, key_tile, mask, window)
        super().__init__(
            scores=rounded(scores, 4),
            value=rounded(value, 4),
            n=n,
            query_tile=query_tile,
            key_tile=key_tile,
            mask=mask,
            window=window,
            threshold=limit,
            step=as_whole("step", step, 0, last),
            row=as_whole("row", row, 1, n),
        )

    def __repr__(self) -> str:
        return (
            f"TileWalk: {self.n} queries over {self.n} keys, "
            f"{MASKS[self.mask]}, in tiles of {self.query_tile} × "
            f"{self.key_tile}; running maximum, sum and output after "
            "each tile"
        )


def tiles_read(
    n: int, query_tile: int, key_tile: int, mask: str, window: int
) -> int:
    """Return how many tiles hold a pair that the mask allows."""
    t, s = np.indices((n, n))
    allowed = np.full((n, n), True) if mask == "none" else s <= t
    if mask == "window":
        allowed &= t - s < window
    return len(
        np.unique(
            np.stack([t // query_tile, s // key_tile], -1)[allowed], axis=0
        )
    )
