"""Which tiles of the scores are computed, and what a tile may see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tiling:
    """How T queries and S keys are cut into tiles, and what is masked.

    The queries are the last T of the S places: query t stands at S - T + t.

    Attributes:
        T, S: numbers of queries and of keys.
        rows, columns: queries and keys in a tile; the last ones may be
            smaller.
        causal: a query sees no key after its own place.
        window: how many keys a query sees, its own the last of them; only
            where it is causal. None for all.
    """

    T: int
    S: int
    rows: int = 64
    columns: int = 64
    causal: bool = False
    window: int | None = None

    def __post_init__(self) -> None:
        if min(self.rows, self.columns) < 1:
            raise ValueError(
                f"a tile has {self.rows} × {self.columns} scores; expected "
                "at least 1 × 1"
            )
        if self.window is not None and (self.window < 1 or not self.causal):
            raise ValueError(
                f"window is {self.window}; expected a whole number from 1 "
                "on, together with causal=True"
            )
        if self.causal and self.T > self.S:
            raise ValueError(
                f"{self.T} queries and {self.S} keys; causal attention "
                "expects at least as many keys as queries"
            )

    def row_tiles(self) -> Iterator[slice]:
        """The queries of each row of tiles."""
        for begin in range(0, self.T, self.rows):
            yield slice(begin, min(begin + self.rows, self.T))

    def column_tiles(self, queries: slice) -> Iterator[slice]:
        """The keys of each tile that some of these queries look into."""
        first, last = 0, self.S
        if self.causal:
            last = self.S - self.T + queries.stop
            if self.window is not None:
                first = max(0, self.S - self.T + queries.start)
                first = max(0, first - self.window + 1)
        for begin in range(0, self.S, self.columns):
            end = min(begin + self.columns, self.S)
            if end > first and begin < last:
                yield slice(begin, end)

    def allowed(self, queries: slice, keys: slice) -> Tensor | None:
        """The mask of one tile, (rows, columns); None if all is allowed."""
        if not self.causal:
            return None
        place = self.S - self.T + torch.arange(queries.start, queries.stop)
        far = place[:, None] - torch.arange(keys.start, keys.stop)
        seen = far >= 0
        if self.window is not None:
            seen = seen & (far < self.window)
        return None if seen.all() else seen

    def count(self) -> int:
        """How many tiles are computed."""
        return sum(
            1
            for queries in self.row_tiles()
            for _ in self.column_tiles(queries)
        )

    def scores(self) -> int:
        """How many scores are computed, masked ones in a tile too."""
        return sum(
            (queries.stop - queries.start) * (keys.stop - keys.start)
            for queries in self.row_tiles()
            for keys in self.column_tiles(queries)
        )
