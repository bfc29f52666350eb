"""The leaderboard: every model of the book on one task, with one budget.

    python -m attnbook.experiments.leaderboard

trains each model on German telephone numbers of 1 to 8 pairs, once a seed,
and writes two tables beside this file: `leaderboard.csv`, one row a model
and seed, and `accuracy_by_length.csv`, one row a model, seed and length.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import nn

from attnbook import data, train
from attnbook.experiments import FOLDER, write_table
from attnbook.mechanisms.recurrent import (
    AdditiveTranslator,
    FixedVectorTranslator,
)

MODELS: dict[str, Callable[[int, int], nn.Module]] = {
    "fixed vector": FixedVectorTranslator,
    "additive attention": AdditiveTranslator,
}
STEPS = 600
TRAINED_TO = 8
LENGTHS = range(1, 13)


def run(
    names: Iterable[str],
    seeds: Iterable[int],
    steps: int = STEPS,
    trained_to: int = TRAINED_TO,
    lengths: Iterable[int] = LENGTHS,
    count: int = 250,
    progress: bool = True,
) -> tuple[list[dict], list[dict]]:
    """Train and measure each model once a seed.

    Args:
        names: keys of `MODELS`.
        seeds: of weights and batches.
        steps: of training, 128 examples each.
        trained_to: greatest number of pairs in training.
        lengths: numbers of pairs to measure; those above `trained_to` are
            the longer ones.
        count: held-out examples a length.
        progress: show progress bars.

    Returns:
        The rows of the leaderboard, and those of accuracy by length.
    """
    lengths = list(lengths)
    torch.set_num_threads(1)
    task = data.telephone_numbers(
        "de", pairs=(1, trained_to), longer=(trained_to + 1, max(lengths))
    )
    sizes = len(task.source_vocabulary), len(task.target_vocabulary)
    board, curve = [], []
    for name in names:
        for seed in seeds:
            torch.manual_seed(seed)
            model = MODELS[name](*sizes)
            history = train.fit(
                model, task, steps, seed=seed, progress=progress
            )
            accuracy = measure(model, task, lengths, trained_to, count)
            curve += [
                {
                    "model": name,
                    "seed": seed,
                    "length": length,
                    "exact match": round(value, 4),
                }
                for length, value in accuracy.items()
            ]
            board.append(
                {
                    "model": name,
                    "seed": seed,
                    "parameters": history.parameters,
                    "seconds": round(history.seconds, 1),
                    "exact match": mean(accuracy, lengths, 1, trained_to),
                    "exact match, longer": mean(
                        accuracy, lengths, trained_to + 1, max(lengths)
                    ),
                    "alignment": alignment(model, task, trained_to),
                }
            )
            print(board[-1], flush=True)
    return board, curve


def measure(model, task, lengths, trained_to, count) -> dict[int, float]:
    """Exact match at each length, on numbers that training never saw."""
    known = [length for length in lengths if length <= trained_to]
    longer = [length for length in lengths if length > trained_to]
    return {
        **train.accuracy_by_length(model, task, known, "held-out", count),
        **train.accuracy_by_length(model, task, longer, "longer", count),
    }


@torch.no_grad()
def alignment(model: nn.Module, task, trained_to: int) -> float | str:
    """The alignment score on held-out numbers, "" without attention."""
    batch = task.collate(task.examples(250, "held-out", length=trained_to))
    _, weights = model(batch.source, batch.source_mask, batch.target_in)
    if weights is None:
        return ""
    return round(train.alignment_score(weights, batch.alignment), 4)


def mean(accuracy, lengths, low, high) -> float:
    """The mean accuracy over the lengths from low to high."""
    values = [accuracy[n] for n in lengths if low <= n <= high]
    return round(sum(values) / len(values), 4)


def main() -> None:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    board, curve = run(MODELS, arguments.seeds, arguments.steps)
    write_table(arguments.out / "leaderboard.csv", board)
    write_table(arguments.out / "accuracy_by_length.csv", curve)


if __name__ == "__main__":
    main()
