"""What messages, sums and ring attention take on several ranks of one machine.

    python -m attnbook.experiments.across_ranks

starts 2 and then 4 ranks with `torchrun` and Gloo, three times each, and
writes three tables. `message_times.csv`: the seconds of a step round the ring
(every rank sends and receives at once) by size of the message, median and
least of fifteen, and the operations a second of a rank in a product of
matrices. `operation_times.csv`: the same of an all-reduce and an all-to-all,
beside their messages and bytes. `ring_work.csv`: causal ring attention of
4096 places, 4 heads of 64 features, forward and backward: scores, bytes, and
seconds of the processor on each rank, for contiguous places and zigzag.

Clocks: the wall's for what is sent, as seen by rank 0; the processor's for
attention, since ranks may have to share a core. One thread a rank. The line
through the times takes the least: other programs only add to it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from attnbook.experiments.command import SEEDS, command
from attnbook.mechanisms.across_machines.launch import launch
from attnbook.mechanisms.across_machines.measures import fitted

TABLES = ("message_times", "operation_times", "ring_work")
PARTS = ("messages", "operations", "work")  # of what a rank reports
RANKS = (2, 4)


def run(
    ranks: Iterable[int] = RANKS,
    runs: Iterable[int] = SEEDS,
    timeout: float = 300,
) -> dict[str, list[dict]]:
    """Measure with each number of ranks, once in each run.

    Args:
        ranks: numbers of ranks R.
        runs: each goes through everything once.
        timeout: seconds that one start may take.

    Returns:
        The rows of each of `TABLES`.
    """
    ranks = list(ranks)
    tables: dict[str, list[dict]] = {name: [] for name in TABLES}
    for number in runs:
        for R in ranks:
            report = _measured(R, timeout)
            for name, part in zip(TABLES, PARTS, strict=True):
                rows = [
                    {"run": number, "ranks": R, **_rounded(row)}
                    for row in report[part]
                ]
                tables[name] += rows
            for row in tables["message_times"][-len(report["messages"]) :]:
                row["flops"] = float(f"{report['flops']:.3g}")
            print(number, R, line(tables["message_times"], number, R))
    return tables


def line(rows: list[dict], number: int, R: int) -> tuple[float, float]:
    """Latency and bandwidth of one run with R ranks, of the least times."""
    chosen = [r for r in rows if (r["run"], r["ranks"]) == (number, R)]
    return fitted(
        [row["bytes"] for row in chosen], [row["least"] for row in chosen]
    )


def _measured(R: int, timeout: float) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "measured.json"
        launch(
            R, "--backend", "gloo", "--out", out, "measure", timeout=timeout
        )
        return json.loads(out.read_text("utf-8"))


def _rounded(row: dict) -> dict:
    times = {"seconds", "least"} & set(row)
    return row | {name: float(f"{row[name]:.4g}") for name in times}


if __name__ == "__main__":
    command(__doc__, TABLES, run, ranks=RANKS, runs=SEEDS)
