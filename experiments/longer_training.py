"""Is a model only slow? The same with more steps than the leaderboard gives.

    python -m attnbook.experiments.longer_training

trains the Transformer of chapter 06 with twice as many steps; `fixed_vector`
does so with the fixed vector of chapter 01. It writes `longer_training.csv`,
one row per model, seed and length. With `--models` only those are trained, and
the other rows stay.
"""

from __future__ import annotations

from collections.abc import Iterable

from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.leaderboard import STEPS, merged, run

TABLES = ("longer_training",)
TIMES = {"Transformer": 2}


def completed(
    models: Iterable[str], seeds: Iterable[int], steps: int
) -> list[dict]:
    """Train some of the models; the table, with the other models' rows."""
    rows = []
    for name in models:
        rows += run([name], seeds, TIMES[name] * steps)["accuracy_by_length"]
    return merged("longer_training", rows)


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        completed,
        models=list(TIMES),
        seeds=SEEDS,
        steps=STEPS,
    )
