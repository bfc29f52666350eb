"""Is the fixed vector only slow? The same model with four times the steps.

    python -m attnbook.experiments.longer_training

writes `longer_training.csv`, one row a seed and length.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from attnbook.experiments import FOLDER, write_table
from attnbook.experiments.leaderboard import STEPS, run

TIMES = 4


def main() -> None:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=TIMES * STEPS)
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    tables = run(["fixed vector"], arguments.seeds, arguments.steps)
    write_table(
        arguments.out / "longer_training.csv", tables["accuracy_by_length"]
    )


if __name__ == "__main__":
    main()
