"""How often an online softmax has to rescale, with and without a threshold.

    python -m attnbook.experiments.rescales

reads scores in tiles of keys (`lazily_rescaled`) and counts. The scores are
random: normal with a standard deviation of 1 (as at the start of training),
of 4 (a sharp head), or of 1 on a slope (a head that prefers near keys). It
writes `rescales.csv`: of each kind of scores, number of keys, tile, threshold
(in nats) and seed the share of chances at which the true maximum rose, at
which a row was rescaled if each row decides alone, and if 128 rows decide
together (all follow as soon as one has to, as in a kernel whose threads share
a tile), and the largest error beside double precision.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from attnbook.experiments.command import SEEDS, command
from attnbook.mechanisms.flash_attention import lazily_rescaled

TABLES = ("rescales",)
KEYS = (256, 1024, 4096)
COLUMNS = (16, 64, 128)
THRESHOLDS = (0.0, 1.0, 2.0, 4.0, 8.0)
ROWS = 256
TOGETHER = 128  # rows that decide as one
D_V = 16
SPREADS = {"σ = 1": 1.0, "σ = 4": 4.0}
KINDS = (*SPREADS, "rising")


def scores_of(kind: str, keys: int, seed: int) -> Tensor:
    """Scores (ROWS, keys) of a kind.

    *Rising* ones are normal too, on a slope of 8 over the row, so that the
    newest keys tend to be the best: a head that prefers what is near.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(ROWS, keys, generator=generator)
    if kind == "rising":
        return noise + torch.linspace(0, 8, keys)
    return SPREADS[kind] * noise


def run(
    kinds: Sequence[str] = KINDS,
    keys: Iterable[int] = KEYS,
    columns: Iterable[int] = COLUMNS,
    seeds: Iterable[int] = SEEDS,
) -> list[dict]:
    """Count rescales; return the rows of the table."""
    rows = []
    columns = tuple(columns)
    for kind in kinds:
        for S in keys:
            for seed in seeds:
                scores = scores_of(kind, S, seed)
                generator = torch.Generator().manual_seed(seed + 100)
                value = torch.randn(S, D_V, generator=generator)
                wanted = scores.double().softmax(-1) @ value.double()
                for m in columns:
                    for threshold in THRESHOLDS:
                        found = lazily_rescaled(scores, value, m, threshold)
                        as_one = lazily_rescaled(
                            scores, value, m, threshold, TOGETHER
                        )
                        error = max(
                            (one.output - wanted).abs().max().item()
                            for one in (found, as_one)
                        )
                        rows.append(
                            {
                                "scores": kind,
                                "keys": S,
                                "tile": m,
                                "threshold": threshold,
                                "seed": seed,
                                "rises": round(found.moved / found.chances, 4),
                                "rescales": round(
                                    found.rescaled / found.chances, 4
                                ),
                                "rescales of 128": round(
                                    as_one.rescaled / as_one.chances, 4
                                ),
                                "error": float(f"{error:.2g}"),
                            }
                        )
    return rows


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        run,
        kinds=list(KINDS),
        keys=KEYS,
        columns=COLUMNS,
        seeds=SEEDS,
    )
