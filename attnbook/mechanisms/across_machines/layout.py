"""Which places of a sequence a rank has, and what work that makes.

A sequence of n places is cut into chunks. *Contiguous*: R chunks, rank r has
the r-th. *Zigzag*: 2R chunks, rank r has the r-th from the front and the r-th
from the back (Grattafiori et al. 2024, for Llama 3).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

LAYOUTS = ("contiguous", "zigzag")


def chunks(n: int, size: int, rank: int, layout: str) -> list[range]:
    """The places that a rank has, in its order.

    Args:
        n: places of the sequence.
        size: R.
        rank: r.
        layout: one of `LAYOUTS`.

    Raises:
        ValueError: if the layout is none of those, or n cannot be cut into
            equal chunks.
    """
    if layout not in LAYOUTS:
        raise ValueError(
            f"layout is {layout!r}; expected one of "
            + ", ".join(map(repr, LAYOUTS))
        )
    pieces = size if layout == "contiguous" else 2 * size
    if n % pieces:
        raise ValueError(
            f"{n} places cannot be cut into {pieces} equal chunks; expected "
            f"a multiple of {pieces} ({layout}, {size} ranks)"
        )
    numbers = [rank] if layout == "contiguous" else [rank, pieces - 1 - rank]
    length = n // pieces
    return [range(i * length, (i + 1) * length) for i in numbers]


def places(n: int, size: int, rank: int, layout: str) -> Tensor:
    """The places that a rank has, (n / R,)."""
    found = [torch.tensor(each) for each in chunks(n, size, rank, layout)]
    return torch.cat(found)


def tiles(
    queries: list[range], keys: list[range], causal: bool
) -> Iterator[tuple[int, int, bool]]:
    """The pairs of chunks that are computed.

    Yields:
        the number of the chunk of queries, that of the chunk of keys, and
        whether they are the same chunk, so that a triangle is masked.
    """
    for i, some in enumerate(queries):
        for j, others in enumerate(keys):
            if not causal or others.start <= some.start:
                yield i, j, causal and others.start == some.start


def work(
    n: int, size: int, layout: str, causal: bool = True, masked: bool = False
) -> Tensor:
    """Scores that each rank needs in each step of the ring.

    In step s rank r reads the keys of rank r - s.

    Args:
        n: places of the sequence.
        size: R.
        layout: one of `LAYOUTS`.
        causal: whether keys after the query are left out.
        masked: whether scores that a triangle masks count too. `ring` does
            compute them; kernels with smaller tiles leave most of them out.

    Returns:
        (R, R), integers, by step and rank.
    """
    found = torch.zeros(size, size, dtype=torch.long)
    for step in range(size):
        for rank in range(size):
            queries = chunks(n, size, rank, layout)
            keys = chunks(n, size, (rank - step) % size, layout)
            for i, j, triangle in tiles(queries, keys, causal):
                m = len(queries[i])
                whole = m * len(keys[j])
                half = triangle and not masked
                found[step, rank] += m * (m + 1) // 2 if half else whole
    return found


def imbalance(n: int, size: int, layout: str) -> tuple[float, float]:
    """How much longer causal attention takes than with equal shares.

    Returns:
        The scores of the busiest rank over their mean: about 2 - 1/R for
        contiguous places, and 1 for zigzag. Then the same where every rank
        waits for the slowest after each step of the ring.
    """
    scores = work(n, size, layout).double()
    mean = scores.sum() / size
    busiest = scores.sum(0).max() / mean
    in_step = scores.amax(1).sum() / mean
    return float(busiest), float(in_step)
