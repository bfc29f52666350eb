"""Where attention stands under the roof of this machine.

    python -m attnbook.experiments.roofline

measures in one thread how fast this machine multiplies matrices and how fast
it copies memory, in turn with attention of one head of 64 features, dense, in
tiles and fused, and with the two parts of the dense form: its products alone,
and the softmax of the table alone. It counts arithmetic and traffic
(`forward_cost`) and writes `roofline.csv`: one row per run and what is
measured.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.flash_cost import FORMS, TILE, D
from attnbook.mechanisms.flash_attention import Tiling, forward_cost

TABLES = ("roofline",)
N = 4096  # tokens
MATRIX = 1536  # rows and columns of the product that shows the peak
COPIED = 2**26  # numbers of the copy that shows the bandwidth

# What the maker says of dense products of 16-bit numbers and of the memory, of
# the SXM forms with 80 GB, as reported by Glenn Lockwood, from NVIDIA's data
# sheets: https://glennklockwood.com/garden/processors/A100 (and /h100).
PUBLISHED = {
    "A100": {"flops": 312e12, "bandwidth": 2.039e12},
    "H100": {"flops": 989e12, "bandwidth": 3.35e12},
}


def processor() -> str:
    """What the machine says of its processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def run(
    runs: Iterable[int] = SEEDS, n: int = N, repeats: int = 5
) -> list[dict]:
    """Measure; return the rows of the table.

    Args:
        runs: each measures everything once, in turn.
        n: tokens.
        repeats: calls of which the fastest counts, as a roof is what is
            reached at best.
    """
    torch.set_num_threads(1)
    machine, rows = processor(), []
    tiling = Tiling(n, n, *TILE)
    costs = {
        "dense": forward_cost("dense", tiling, D, D),
        "tiled": forward_cost("tiled", tiling, D, D),
    }
    for number in runs:
        torch.manual_seed(number)
        matrix = torch.randn(MATRIX, MATRIX)
        seconds = _fastest(lambda m=matrix: m @ m, repeats)
        rows.append(_row(machine, number, "peak", 2 * MATRIX**3 / seconds))
        source = torch.randn(COPIED)
        target = torch.empty_like(source)
        seconds = _fastest(lambda s=source, t=target: t.copy_(s), repeats)
        rows.append(_row(machine, number, "bandwidth", 8 * COPIED / seconds))
        inputs = [torch.randn(1, 1, n, D) for _ in range(3)]
        for form in ("dense", "tiled", "fused"):
            cost = costs["dense" if form == "dense" else "tiled"]
            with torch.no_grad():
                seconds = _fastest(
                    lambda f=form, x=inputs: FORMS[f](*x), repeats
                )
            rows.append(
                _row(
                    machine,
                    number,
                    form,
                    cost.flops / seconds,
                    cost.intensity(),
                    seconds,
                )
            )
        query, key, value = (x[0, 0] for x in inputs)
        table = query @ key.T
        parts = {
            "products alone": lambda q=query, k=key, v=value: (q @ k.T) @ v,
            "softmax alone": lambda t=table: t.softmax(-1),
        }
        for what, part in parts.items():
            seconds = _fastest(part, repeats)
            flops = costs["dense"].flops if what == "products alone" else 0
            rows.append(
                _row(machine, number, what, flops / seconds, None, seconds)
            )
        print(*rows[-7:], sep="\n", flush=True)
    return rows


def _row(machine, number, what, rate, intensity=None, seconds=None) -> dict:
    return {
        "machine": machine,
        "run": number,
        "what": what,
        "billions a second": round(rate / 1e9, 2),
        "FLOPs per byte": None if intensity is None else round(intensity, 2),
        "ms": None if seconds is None else round(1e3 * seconds, 1),
    }


def _fastest(call: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of some calls, after one more."""
    call()
    found = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    return min(found)


if __name__ == "__main__":
    command(__doc__, TABLES, run, runs=SEEDS)
