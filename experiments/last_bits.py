"""How far correct forms of the same attention are apart, in their last bits.

    python -m attnbook.experiments.last_bits

computes one attention of one head of 64 features in single precision: in
tiles of several sizes, in tiles of one size with the keys in several random
orders (the sum has no order, so the result may not depend on it), dense, and
by PyTorch's fused kernel. It writes `last_bits.csv`: of each number of
tokens n, seed and kind of difference

- *error*: of one form beside double precision;
- *spread*: the largest minus the smallest of several forms (over tiles of
  all sizes, or over all orders of the keys)

the share of outputs in which it is not 0, its median and its 99th percentile
in ULP (the distance of neighbouring numbers at the size of an output), and
its largest size. The last bits depend on the processor and on the library
that multiplies matrices, so each row names the processor.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.flash_cost import dense
from attnbook.experiments.roofline import processor
from attnbook.mechanisms.flash_attention import tiled_attention

TABLES = ("last_bits",)
LENGTHS = (256, 1024, 4096)
TILES = (16, 32, 64, 128, 256)
ORDERS = 5  # random ones of the keys
D = 64


def forms(query: Tensor, key: Tensor, value: Tensor, seed: int) -> dict:
    """The same attention, (1, 1, n, D) each: {kind: {name: output}}."""
    generator = torch.Generator().manual_seed(seed)
    n = key.shape[-2]
    orders = [torch.randperm(n, generator=generator) for _ in range(ORDERS)]
    return {
        "tiles": {
            f"tiles of {m}": tiled_attention(query, key, value, tile=(m, m))[0]
            for m in TILES
        },
        "orders of the keys": {
            f"order {number}": tiled_attention(
                query, key[..., order, :], value[..., order, :], tile=(64, 64)
            )[0]
            for number, order in enumerate(orders)
        },
        "whole": {
            "dense": dense(query, key, value),
            "fused": F.scaled_dot_product_attention(query, key, value),
        },
    }


def run(
    lengths: Iterable[int] = LENGTHS, seeds: Iterable[int] = SEEDS
) -> list[dict]:
    """Compare; return the rows of the table."""
    torch.set_num_threads(1)
    machine, rows = processor(), []
    for n in lengths:
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            inputs = [
                torch.randn(1, 1, n, D, generator=generator) for _ in range(3)
            ]
            exact = dense(*(x.double() for x in inputs))
            unit = torch.tensor(np.spacing(exact.float().abs().numpy()))
            found = forms(*inputs, seed)
            for several in found.values():
                for name, one in several.items():
                    away = (one - exact).abs()
                    rows.append(_row(machine, n, seed, "error", name, away))
                    rows[-1] |= _in_ulp(away, unit)
            for kind in ("tiles", "orders of the keys"):
                together = torch.stack(list(found[kind].values()))
                away = together.amax(0) - together.amin(0)
                rows.append(_row(machine, n, seed, "spread", kind, away))
                rows[-1] |= _in_ulp(away, unit)
    return rows


def _row(machine, n, seed, what, of, away) -> dict:
    return {
        "machine": machine,
        "n": n,
        "seed": seed,
        "what": what,
        "of": of,
        "share": round((away > 0).double().mean().item(), 4),
        "largest": float(f"{away.max().item():.3g}"),
    }


def _in_ulp(away: Tensor, unit: Tensor) -> dict:
    ulp = (away / unit).flatten().double()
    median, most = torch.quantile(ulp, torch.tensor([0.5, 0.99]).double())
    return {
        "median ULP": round(median.item(), 2),
        "99th ULP": round(most.item(), 1),
    }


if __name__ == "__main__":
    command(__doc__, TABLES, run, lengths=LENGTHS, seeds=SEEDS)
