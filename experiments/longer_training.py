"""Is a model only slow? The same with more steps than the leaderboard gives.

    python -m attnbook.experiments.longer_training

trains the fixed vector of chapter 01 with four times the steps, and the
Transformer of chapter 06 with twice as many. It writes `longer_training.csv`,
one row a model, seed and length. With `--models` only those are trained, and
the other rows stay.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from attnbook.experiments import FOLDER, write_table
from attnbook.experiments.leaderboard import STEPS, merged, run

TIMES = {"fixed vector": 4, "Transformer": 2}


def main() -> None:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--models", nargs="+", choices=TIMES, default=list(TIMES)
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    rows = []
    for name in arguments.models:
        steps = TIMES[name] * arguments.steps
        rows += run([name], arguments.seeds, steps)["accuracy_by_length"]
    path = arguments.out / "longer_training.csv"
    write_table(path, merged("longer_training", rows))


if __name__ == "__main__":
    main()
