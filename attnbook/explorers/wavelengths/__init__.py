"""Sinusoidal positions: the wavelengths by width and base."""

from __future__ import annotations

from pathlib import Path

import traitlets

from attnbook.explorers.kit.explorer import Explorer
from attnbook.explorers.rotary_dial import as_base, as_whole

WIDTHS = (4, 8, 16, 32, 64, 128)
LENGTHS = (8, 256)


class Wavelengths(Explorer):
    """The table of sinusoidal positions, by width and base.

    The heat map has a row for each position and a column for each feature.
    Wavelengths are in tokens; the likeness of two positions is the cosine of
    their vectors. Vaswani et al. (2017), section 3.5.

    Parameters
    ----------
    d_model : 4, 8, 16, 32, 64 or 128
    length : positions shown, from 8 to 256
    base : from 10 to 1,000,000
    pair : the pair of features looked at, from 0
    position : the position looked at, from 0

    ``d_model``, ``base``, ``pair`` and ``position`` follow what the reader
    does.

    Raises
    ------
    ValueError
        If a number lies outside its range.
    """

    _esm = Path(__file__).with_name("built.mjs")

    d_model = traitlets.Int(32).tag(sync=True)
    length = traitlets.Int(64).tag(sync=True)
    base = traitlets.Float(10_000.0).tag(sync=True)
    pair = traitlets.Int(4).tag(sync=True)
    position = traitlets.Int(10).tag(sync=True)
    widths = traitlets.List(list(WIDTHS)).tag(sync=True)

    def __init__(
        self,
        d_model: int = 32,
        length: int = 64,
        base: float = 10_000.0,
        pair: int = 1,
        position: int = 5,
    ) -> None:
        if d_model not in WIDTHS:
            raise ValueError(
                f"d_model must be one of {', '.join(map(str, WIDTHS))}, got "
                f"{d_model!r}. Choose the nearest."
            )
        length = as_whole("length", length, *LENGTHS)
        super().__init__(
            d_model=int(d_model),
            length=length,
            base=as_base(base),
            pair=as_whole("pair", pair, 0, d_model // 2 - 1),
            position=as_whole("position", position, 0, length - 1),
        )

    def __repr__(self) -> str:
        return (
            f"Wavelengths: sinusoids of {self.length} positions, from "
            f"{self.d_model} features and base {self.base:,.0f} on"
        )
