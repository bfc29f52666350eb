"""Does post-norm need warm-up? Four peak rates, with and without it.

    python -m attnbook.experiments.warmup

trains Transformers of 6 + 6 layers on 1 to 3 pairs, pre-norm and post-norm, at
each rate of `RATES`, with warm-up over the first quarter of the steps and
without. It writes `warmup.csv`, one row per placement, warm-up, rate and seed.
A rate is chosen by the training loss of the last 20 steps, whose batches are
drawn anew each time; exact match is measured on held-out numbers, which choose
nothing. With `--seeds` only those seeds are trained, and the other rows stay.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from attnbook import data, train
from attnbook.experiments import FOLDER, table
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.norm_placement import PLACEMENTS, translator

TABLES = ("warmup",)
DEPTH = 6
STEPS = 400
RATES = (3e-4, 1e-3, 3e-3, 1e-2)
WHOLE = ("warm-up", "seed", "layers", "steps")  # columns


def train_briefly(
    placement: str,
    warmup: int,
    rate: float,
    seed: int,
    depth: int = DEPTH,
    steps: int = STEPS,
    progress: bool = False,
) -> dict:
    """Train on 1 to 3 pairs, and give the loss and the exact match.

    Args:
        placement: a key of `PLACEMENTS`.
        warmup: steps of linear growth, 0 for none.
        rate: Adam's peak rate.
        seed: of the weights and of the batches.
        depth: layers of the encoder, and of the decoder.
        steps: of training, 32 examples each.
        progress: show a progress bar.
    """
    task = short_numbers()
    model = translator(task, placement, depth, seed)
    return {
        "placement": placement,
        "warm-up": warmup,
        "rate": rate,
        "seed": seed,
        "layers": depth,
        "steps": steps,
        **outcome(model, task, warmup, rate, seed, steps, progress),
    }


def short_numbers() -> data.tasks.Task:
    """The task of the short trainings: telephone numbers of 1 to 3 pairs."""
    return data.telephone_numbers("de", pairs=(1, 3), longer=None)


def outcome(
    model: nn.Module,
    task: data.tasks.Task,
    warmup: int,
    rate: float,
    seed: int,
    steps: int,
    progress: bool = False,
) -> dict[str, float]:
    """Train a model for a short while; its last loss and its exact match.

    Args:
        model: an untrained translator.
        task: from `short_numbers`.
        warmup: steps of linear growth, 0 for none.
        rate: Adam's peak rate.
        seed: of the batches.
        steps: of training, 32 examples each.
        progress: show a progress bar.
    """
    torch.set_num_threads(1)
    history = train.fit(
        model,
        task,
        steps,
        batch_size=32,
        lr=rate,
        seed=seed,
        warmup=warmup,
        progress=progress,
    )
    batch = task.sample(250, np.random.default_rng(seed), "held-out")
    return {
        "last loss": round(float(np.mean(history.loss[-20:])), 3),
        "exact match": round(train.exact_match(model, batch), 4),
    }


def run(
    placements: Iterable[str], seeds: Iterable[int], steps: int = STEPS
) -> list[dict]:
    """Train once per placement, seed, warm-up and rate."""
    rows = []
    for placement, seed, warmup, rate in itertools.product(
        placements, seeds, (0, steps // 4), RATES
    ):
        rows.append(train_briefly(placement, warmup, rate, seed, steps=steps))
        print(rows[-1], flush=True)
    return rows


def completed(
    placements: Iterable[str], seeds: Iterable[int], steps: int
) -> list[dict]:
    """Train some of the models; the table, with its other rows."""
    rows = run(placements, seeds, steps)
    trained = {(row["placement"], row["seed"]) for row in rows}
    if (FOLDER / "warmup.csv").exists():
        for row in table("warmup"):
            row |= {column: int(row[column]) for column in WHOLE}
            if (row["placement"], row["seed"]) not in trained:
                rows.append(row)
    return sorted(
        rows,
        key=lambda row: (
            list(PLACEMENTS).index(row["placement"]),
            row["warm-up"],
            row["rate"],
            row["seed"],
        ),
    )


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        completed,
        placements=list(PLACEMENTS),
        seeds=SEEDS,
        steps=STEPS,
    )
