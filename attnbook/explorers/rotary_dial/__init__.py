"""The rotary dial: turn a query and a key by their positions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import traitlets

from attnbook.explorers.kit.explorer import Explorer, as_array, rounded

FARTHEST = 64
MOST_PAIRS = 8
BASES = (10.0, 1e6)


def as_base(value: float) -> float:
    """Return a base of the rates that the slider reaches.

    Raises
    ------
    ValueError
        If it is no number or lies outside.
    """
    low, high = BASES
    base = float(as_array("base", value, ()))
    if not low <= base <= high:
        raise ValueError(
            f"base must lie between {low:g} and {high:g}, got {base:g}. "
            "10,000 is the base of Vaswani et al. and Su et al."
        )
    return base


def as_whole(name: str, value: int, low: int, high: int) -> int:
    """Return a whole number that a slider reaches.

    Raises
    ------
    ValueError
        If it is no whole number or lies outside.
    """
    if value != int(value) or not low <= value <= high:
        raise ValueError(
            f"{name} must be a whole number from {low} to {high}, got "
            f"{value!r}. Choose one within the slider's reach."
        )
    return int(value)


class RotaryDial(Explorer):
    """One query and one key, turned by their positions pair by pair.

    Neighbouring features form a pair, which turns by position times rate;
    the rate of pair i is base^(-2i / d). The score is the sum of the pairs'
    dot products, not divided by √d. Su et al. (2021), section 3.2.

    Parameters
    ----------
    query : (d,), d even and at most 16
    key : (d,)
    query_position, key_position : from 0 to 64
    base : from 10 to 1,000,000
    keep_distance : whether the two positions move together

    ``query_position``, ``key_position``, ``base`` and ``keep_distance``
    follow what the reader does.

    Raises
    ------
    ValueError
        If a shape does not fit, or a number lies outside its range.
    """

    _esm = Path(__file__).with_name("built.mjs")

    query = traitlets.List().tag(sync=True)
    key = traitlets.List().tag(sync=True)
    query_position = traitlets.Int(12).tag(sync=True)
    key_position = traitlets.Int(9).tag(sync=True)
    base = traitlets.Float(10_000.0).tag(sync=True)
    keep_distance = traitlets.Bool(False).tag(sync=True)
    farthest = traitlets.Int(FARTHEST).tag(sync=True)

    def __init__(
        self,
        query: np.ndarray,
        key: np.ndarray,
        query_position: int = 12,
        key_position: int = 9,
        base: float = 10_000.0,
        keep_distance: bool = False,
    ) -> None:
        query = as_array("query", query, ("d",))  # (d,)
        size = len(query)
        if size % 2 or size > 2 * MOST_PAIRS:
            raise ValueError(
                f"query must have an even number of features, at most "
                f"{2 * MOST_PAIRS}, got {size}. Features turn in pairs, and "
                "each pair is a dial."
            )
        key = as_array("key", key, (size,))  # (d,)
        super().__init__(
            query=rounded(query, 4),
            key=rounded(key, 4),
            query_position=as_whole(
                "query_position", query_position, 0, FARTHEST
            ),
            key_position=as_whole("key_position", key_position, 0, FARTHEST),
            base=as_base(base),
            keep_distance=bool(keep_distance),
        )

    def __repr__(self) -> str:
        return (
            f"RotaryDial: turn a query and a key of {len(self.query)} "
            f"features by their positions, 0 to {FARTHEST}; the score "
            "depends on the distance alone"
        )
