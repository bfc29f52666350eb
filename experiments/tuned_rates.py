"""The Transformer on the leaderboard's task, at its best rate of four.

    python -m attnbook.experiments.tuned_rates

trains the Transformer as the leaderboard does, with other peak rates, and
writes two tables. `rates_tried.csv` holds one training per rate of `RATES`,
with a seed of its own; the rate with the least training loss over the last 50
steps is the best. `tuned_rates.csv` holds the exact match of the trainings at
that rate, one row per model, seed and length; where the best rate is that of
the leaderboard, so are the rows. No held-out number takes part in the choice.
The recurrent models with attention are near the ceiling at the leaderboard's
rate, and are not tuned here; `score_functions` tunes them on shorter numbers.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from attnbook import data, train
from attnbook.experiments import table
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.leaderboard import (
    LENGTHS,
    MODELS,
    STEPS,
    TRAINED_TO,
    measure,
)

TABLES = ("rates_tried", "tuned_rates")
TUNED = "Transformer"
RATES = (3e-3, 6e-3, 1.2e-2, 2.4e-2)
LEADERBOARD_RATE = 3e-3
TUNING_SEED = 3


def trained(
    name: str,
    rate: float,
    seed: int,
    steps: int = STEPS,
    trained_to: int = TRAINED_TO,
    lengths: Iterable[int] = LENGTHS,
):
    """A trained model, its task and the losses of its training.

    Args:
        name: a key of `MODELS`.
        rate: Adam's peak rate.
        seed: of the weights and of the batches.
        steps: of training, 128 examples each.
        trained_to: greatest number of pairs in training.
        lengths: numbers of pairs that will be measured.
    """
    torch.set_num_threads(1)
    task = data.telephone_numbers(
        "de", pairs=(1, trained_to), longer=(trained_to + 1, max(lengths))
    )
    torch.manual_seed(seed)
    model = MODELS[name](
        len(task.source_vocabulary), len(task.target_vocabulary)
    )
    history = train.fit(model, task, steps, lr=rate, seed=seed, progress=False)
    return model, task, history.loss


def tried(name: str, steps: int = STEPS) -> list[dict]:
    """The training loss at the end, for each rate: one row per rate."""
    rows = []
    for rate in RATES:
        _, _, loss = trained(name, rate, TUNING_SEED, steps)
        rows.append(
            {
                "model": name,
                "rate": rate,
                "seed": TUNING_SEED,
                "last loss": round(float(np.mean(loss[-50:])), 4),
            }
        )
        print(rows[-1], flush=True)
    return rows


def best_rate(rows: list[dict]) -> float:
    """The rate with the least training loss."""
    return min(rows, key=lambda row: row["last loss"])["rate"]


def at_best_rate(
    name: str,
    rate: float,
    seeds: Iterable[int],
    steps: int = STEPS,
    count: int = 250,
) -> list[dict]:
    """Exact match at each length, of each seed."""
    if rate == LEADERBOARD_RATE and steps == STEPS:
        return [
            {
                "model": name,
                "rate": rate,
                "seed": int(row["seed"]),
                "length": int(row["length"]),
                "exact match": row["exact match"],
            }
            for row in table("accuracy_by_length")
            if row["model"] == name
        ]
    rows = []
    for seed in seeds:
        model, task, _ = trained(name, rate, seed, steps)
        found = measure(model, task, list(LENGTHS), TRAINED_TO, count)
        rows += [
            {
                "model": name,
                "rate": rate,
                "seed": seed,
                "length": length,
                "exact match": round(value, 4),
            }
            for length, value in found.items()
        ]
        print(name, rate, seed, found, flush=True)
    return rows


def run(seeds: Iterable[int], steps: int = STEPS) -> dict[str, list[dict]]:
    """Choose the rate, and train at it: the rows of each of `TABLES`."""
    chosen = tried(TUNED, steps)
    measured = at_best_rate(TUNED, best_rate(chosen), seeds, steps)
    return dict(zip(TABLES, (chosen, measured), strict=True))


if __name__ == "__main__":
    command(__doc__, TABLES, run, seeds=SEEDS, steps=STEPS)
