"""The leaderboard: every model of the book on one task, with one budget.

    python -m attnbook.experiments.leaderboard

trains each model on German telephone numbers of 1 to 8 pairs, once per seed,
and writes three tables: `leaderboard.csv`, one row per model and seed,
`accuracy_by_length.csv`, one row per model, seed and length, and
`cross_attention.csv`, one row per layer and head of each model that has them.
With `--models` only those are trained, and their rows replace the old ones
in tables whose other rows stay.

The leaderboard's exact match is the mean over 2 to 8 pairs: only ten numbers
of one pair are held out, too few to average with the others.

Its seconds are the processor's, for all steps of a training, in one thread.
All models are timed in one run, their steps in turn, also those that are not
trained: seconds of different runs cannot be compared. See `timing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

from attnbook import data, train
from attnbook.experiments import FOLDER, table
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.timing import steps_in_turn
from attnbook.mechanisms.luong import LuongTranslator
from attnbook.mechanisms.recurrent import (
    AdditiveTranslator,
    FixedVectorTranslator,
)
from attnbook.mechanisms.transformer import TransformerTranslator

MODELS: dict[str, Callable[[int, int], nn.Module]] = {
    "fixed vector": FixedVectorTranslator,
    "additive attention": AdditiveTranslator,
    "Luong, general": LuongTranslator,
    "Transformer": TransformerTranslator,
}
TABLES = ("leaderboard", "accuracy_by_length", "cross_attention")
WHOLE = {"seed", "parameters", "length", "layer", "head"}  # columns
STEPS = 600
SHORTEST = 2  # pairs, of those that the leaderboard averages
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
) -> dict[str, list[dict]]:
    """Train and measure each model once per seed.

    Args:
        names: keys of `MODELS`.
        seeds: of weights and batches.
        steps: of training, 128 examples each.
        trained_to: greatest number of pairs in training.
        lengths: numbers of pairs to measure; those above `trained_to` are
            the longer ones.
        count: held-out examples per length.
        progress: show progress bars.

    Returns:
        For each of `TABLES` its rows; those of the leaderboard have no
        seconds yet.
    """
    lengths = list(lengths)
    torch.set_num_threads(1)
    task = data.telephone_numbers(
        "de", pairs=(1, trained_to), longer=(trained_to + 1, max(lengths))
    )
    sizes = len(task.source_vocabulary), len(task.target_vocabulary)
    board, curve, heads = [], [], []
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
                    "exact match": mean(
                        accuracy, lengths, SHORTEST, trained_to
                    ),
                    "exact match, longer": mean(
                        accuracy, lengths, trained_to + 1, max(lengths)
                    ),
                    "alignment": alignment(model, task, trained_to),
                }
            )
            heads += [
                {"model": name, "seed": seed, **row}
                for row in alignment_by_head(model, task, trained_to)
            ]
            print(board[-1], flush=True)
    return dict(zip(TABLES, [board, curve, heads], strict=True))


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
    batch = held_out(task, trained_to)
    _, weights = model(batch.source, batch.source_mask, batch.target_in)
    if weights is None:
        return ""
    return round(train.alignment_score(weights, batch.alignment), 4)


@torch.no_grad()
def alignment_by_head(
    model: nn.Module, task, trained_to: int
) -> list[dict[str, int | float]]:
    """The alignment score of each layer and head, if the model has them.

    Layers and heads count from 1.
    """
    if not hasattr(model, "cross_attention"):
        return []
    batch = held_out(task, trained_to)
    layers = model.cross_attention(
        batch.source, batch.source_mask, batch.target_in
    )  # (L, B, H, T, S)
    return [
        {
            "layer": layer + 1,
            "head": head + 1,
            "alignment": round(
                train.alignment_score(weights, batch.alignment), 4
            ),
        }
        for layer, heads in enumerate(layers)
        for head, weights in enumerate(heads.unbind(1))
    ]


def held_out(task, trained_to: int):
    """The batch that alignment is scored on."""
    return task.collate(task.examples(250, "held-out", length=trained_to))


def mean(accuracy, lengths, low, high) -> float:
    """The mean accuracy over the lengths from low to high."""
    values = [accuracy[n] for n in lengths if low <= n <= high]
    return round(sum(values) / len(values), 4)


def merged(name: str, rows: list[dict]) -> list[dict]:
    """The committed table with the rows of the models in `rows` replaced.

    Args:
        name: of the table.
        rows: the new rows, of some of the models.

    Returns:
        Rows in the order of `MODELS`.
    """
    new = {row["model"] for row in rows}
    kept = []
    if (FOLDER / f"{name}.csv").exists():
        kept = [row for row in table(name) if row["model"] not in new]
    for row in kept:
        for column in WHOLE & set(row):
            row[column] = int(row[column])
    return sorted(
        kept + rows, key=lambda row: list(MODELS).index(row["model"])
    )


def completed(
    models: Iterable[str], seeds: Iterable[int], steps: int
) -> dict[str, list[dict]]:
    """Train some of the models; the tables, with the other models' rows."""
    tables = {
        name: merged(name, rows)
        for name, rows in run(models, seeds, steps).items()
        if rows
    }
    return tables | {"leaderboard": timed(tables["leaderboard"], steps)}


def timed(board: list[dict], steps: int, rounds: int = 15) -> list[dict]:
    """The rows of a leaderboard, with the seconds of a training of each.

    Each seed of a model gets one of several measurements, so that their
    spread can be seen.

    Args:
        board: rows; seconds that they have are replaced.
        steps: of a training.
        rounds: steps of each model in a measurement.
    """
    task = data.telephone_numbers("de", pairs=(1, TRAINED_TO))
    sizes = len(task.source_vocabulary), len(task.target_vocabulary)
    torch.manual_seed(0)
    names = dict.fromkeys(row["model"] for row in board)
    seeds = sorted({row["seed"] for row in board})
    found = steps_in_turn(
        {name: MODELS[name](*sizes) for name in names},
        task,
        len(seeds),
        rounds,
    )
    rows = []
    for row in board:
        milliseconds = found[seeds.index(row["seed"])][row["model"]]
        first = {name: row[name] for name in ("model", "seed", "parameters")}
        seconds = {"seconds": round(steps * milliseconds / 1000, 1)}
        rows.append(
            first
            | seconds
            | {k: row[k] for k in row if k not in first | seconds}
        )
    return rows


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        completed,
        models=list(MODELS),
        seeds=SEEDS,
        steps=STEPS,
    )
