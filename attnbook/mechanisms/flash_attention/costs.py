"""Arithmetic and traffic of attention, dense and in tiles, counted.

Counted for one head of one text. A multiplication and an addition are two
FLOPs; exponentials are left out, as in Dao (2023), section 4.1. Traffic is
what goes between a slow memory, which holds everything, and a fast one, which
holds a tile.
"""

from __future__ import annotations

from typing import NamedTuple

from attnbook.mechanisms.flash_attention.tiles import Tiling

FORMS = ("dense", "tiled")


class Cost(NamedTuple):
    """What one pass takes.

    Attributes:
        flops: of the matrix products.
        numbers: read from slow memory and written to it.
    """

    flops: int
    numbers: int

    def intensity(self, bytes_each: int = 4) -> float:
        """FLOPs per byte of traffic."""
        return self.flops / (bytes_each * self.numbers)


def forward_cost(form: str, tiling: Tiling, d_k: int, d_v: int) -> Cost:
    """The forward pass.

    Dense attention runs one step after the other over the whole table:
    scores, softmax, output; each reads its inputs and writes its result. It
    computes every score, whatever is masked.

    Args:
        form: one of `FORMS`.
        tiling: numbers of queries and keys, tile and mask.
        d_k, d_v: features of a query or key, and of a value.

    Raises:
        ValueError: for another form.
    """
    T, S = tiling.T, tiling.S
    if _is_dense(form):
        table = T * S
        own = T * (d_k + d_v) + S * (d_k + d_v)
        return Cost(2 * table * (d_k + d_v), 4 * table + own)
    read = _columns_read(tiling) * (d_k + d_v)
    own = T * (d_k + d_v + 1)  # the log-sum-exp is kept too
    return Cost(2 * tiling.scores() * (d_k + d_v), read + own)


def backward_cost(form: str, tiling: Tiling, d_k: int, d_v: int) -> Cost:
    """The backward pass, as :func:`forward_cost`.

    In tiles the scores are computed again, a fifth product beside the four
    of dense attention. The gradients of keys and values are read and written
    for each tile.
    """
    T, S = tiling.T, tiling.S
    if _is_dense(form):
        table = T * S
        own = T * (2 * d_v + 2 * d_k) + S * (2 * d_v + 2 * d_k)
        return Cost(2 * table * 2 * (d_k + d_v), 7 * table + own)
    read = 3 * _columns_read(tiling) * (d_k + d_v)
    own = T * (2 * d_k + 2 * d_v + 1)
    return Cost(2 * tiling.scores() * (3 * d_k + 2 * d_v), read + own)


def attainable(intensity: float, peak: float, bandwidth: float) -> float:
    """The roofline: what a machine reaches at most (Williams et al. 2009).

    Args:
        intensity: FLOPs per byte of traffic.
        peak: FLOPs per second of the arithmetic units.
        bandwidth: bytes per second between memory and them.

    Returns:
        FLOPs per second.
    """
    return min(peak, intensity * bandwidth)


def _is_dense(form: str) -> bool:
    if form not in FORMS:
        raise ValueError(f"form is {form!r}; expected one of {FORMS}")
    return form == "dense"


def _columns_read(tiling: Tiling) -> int:
    """Keys that are read, once for each row of tiles that reads them."""
    return sum(
        keys.stop - keys.start
        for queries in tiling.row_tiles()
        for keys in tiling.column_tiles(queries)
    )
