"""Attention over a sequence that is split over a ring of ranks."""

from __future__ import annotations

from pathlib import Path

import traitlets

from attnbook.explorers.kit.explorer import Explorer, as_whole

RANKS = (2, 8)
LAYOUTS = ("contiguous", "zigzag")


class RingWalk(Explorer):
    """Step through ring attention: who computes what, and who waits.

    The sequence is cut into 2R chunks, two on each of R ranks. In each step
    every rank reads the keys that are with it, and passes them on. The
    figure shows, in the matrix of queries and keys, what is computed in a
    step, and for every rank its work and how long it waits for the slowest.
    Liu et al. (2023); zigzag as in Grattafiori et al. (2024).

    Parameters
    ----------
    ranks : R, from 2 to 8
    layout : "contiguous", where a rank has chunks side by side, or "zigzag",
        where it has one from the front and one from the back
    causal : whether a query reads no key after its own place
    step : how many steps are done, 0 to R
    rank : the rank whose step is written out, 1 to R

    All of them follow what the reader does.

    Raises
    ------
    ValueError
        If the layout is none of these, or a number lies outside its range.
    """

    _esm = Path(__file__).with_name("built.mjs")

    ranks = traitlets.Int().tag(sync=True)
    layout = traitlets.Unicode().tag(sync=True)
    causal = traitlets.Bool().tag(sync=True)
    step = traitlets.Int().tag(sync=True)
    rank = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        ranks: int = 4,
        layout: str = "contiguous",
        causal: bool = True,
        step: int = 0,
        rank: int = 1,
    ) -> None:
        if layout not in LAYOUTS:
            raise ValueError(
                f"layout must be one of {', '.join(LAYOUTS)}, got "
                f"{layout!r}. The reader can choose the other one."
            )
        ranks = as_whole("ranks", ranks, *RANKS)
        super().__init__(
            ranks=ranks,
            layout=layout,
            causal=bool(causal),
            step=as_whole("step", step, 0, ranks),
            rank=as_whole("rank", rank, 1, ranks),
        )

    def __repr__(self) -> str:
        mask = "causal" if self.causal else "no mask"
        return (
            f"RingWalk: {self.ranks} ranks in a ring, {self.layout}, {mask}; "
            "what each computes in each step, and how long it waits"
        )
