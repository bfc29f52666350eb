"""Luong's table: score × window × input feeding, on one task and budget.

    python -m attnbook.experiments.score_functions

trains each combination that makes sense on German telephone numbers of 1 to
6 pairs, once a seed, with Bahdanau's model of chapter 01 for comparison, and
writes `score_functions.csv`, one row a combination and seed.

A row's milliseconds are processor time a training step of 128 examples, all
told: drawing the batch, forward, backward, Adam.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import nn

from attnbook import data, train
from attnbook.experiments.command import SEEDS, command
from attnbook.mechanisms.luong import LuongTranslator
from attnbook.mechanisms.recurrent import AdditiveTranslator

TABLES = ("score_functions",)


class Combination(NamedTuple):
    """One line of the table."""

    score: str  # or "Bahdanau", for the model of chapter 01
    window: str
    half_width: int  # of a local window, in tokens; 0 for global
    input_feeding: bool


HALF_WIDTH = 3
STEPS = 400
TRAINED_TO = 6
LONGEST = 8
# The location score looks at no key, so a window around some keys has
# nothing to add to it. One wide window shows what the width does.
COMBINATIONS = [
    *(
        Combination(score, window, width, feeding)
        for score in ("dot", "general", "concat")
        for window, width in (
            ("global", 0),
            ("local-m", HALF_WIDTH),
            ("local-p", HALF_WIDTH),
        )
        for feeding in (False, True)
    ),
    Combination("location", "global", 0, False),
    Combination("location", "global", 0, True),
    Combination("general", "local-m", 10, False),
    Combination("Bahdanau", "global", 0, True),
]


def build(
    combination: Combination, source_vocabulary: int, target_vocabulary: int
) -> nn.Module:
    """The translator of a combination.

    Args:
        combination: one of `COMBINATIONS`.
        source_vocabulary: number of source tokens.
        target_vocabulary: number of target tokens.
    """
    if combination.score == "Bahdanau":
        return AdditiveTranslator(source_vocabulary, target_vocabulary)
    return LuongTranslator(
        source_vocabulary,
        target_vocabulary,
        score=combination.score,
        window=combination.window,
        half_width=combination.half_width or HALF_WIDTH,
        input_feeding=combination.input_feeding,
    )


def run(
    combinations: Iterable[Combination] = COMBINATIONS,
    seeds: Iterable[int] = (0, 1, 2),
    steps: int = STEPS,
    trained_to: int = TRAINED_TO,
    longest: int = LONGEST,
    count: int = 250,
) -> list[dict]:
    """Train and measure each combination once a seed.

    Args:
        combinations: what to train.
        seeds: of weights and batches.
        steps: of training, 128 examples each.
        trained_to: greatest number of pairs in training.
        longest: greatest number of pairs measured.
        count: held-out examples a length.

    Returns:
        One row a combination and seed.
    """
    torch.set_num_threads(1)
    task = data.telephone_numbers(
        "de", pairs=(1, trained_to), longer=(trained_to + 1, longest)
    )
    sizes = len(task.source_vocabulary), len(task.target_vocabulary)
    rows = []
    seeds = list(seeds)
    # The first training of a process also pays for loading PyTorch's parts.
    train.fit(LuongTranslator(*sizes), task, 2, progress=False)
    for combination in combinations:
        for seed in seeds:
            torch.manual_seed(seed)
            model = build(combination, *sizes)
            started = time.process_time()
            history = train.fit(model, task, steps, seed=seed, progress=False)
            milliseconds = 1e3 * (time.process_time() - started) / steps
            rows.append(
                {
                    **combination._asdict(),
                    "input_feeding": int(combination.input_feeding),
                    "seed": seed,
                    "parameters": history.parameters,
                    "milliseconds": round(milliseconds, 1),
                    "exact match": accuracy(
                        model,
                        task,
                        range(1, trained_to + 1),
                        "held-out",
                        count,
                    ),
                    "exact match, longer": accuracy(
                        model,
                        task,
                        range(trained_to + 1, longest + 1),
                        "longer",
                        count,
                    ),
                    "alignment": alignment(model, task, trained_to),
                }
            )
            print(rows[-1], flush=True)
    return rows


def accuracy(model, task, lengths, split, count) -> float:
    """Exact match, the mean over lengths, on numbers training never saw."""
    values = train.accuracy_by_length(model, task, lengths, split, count)
    return round(sum(values.values()) / len(values), 4)


@torch.no_grad()
def alignment(model: nn.Module, task, length: int) -> float:
    """The alignment score at one length, of rows scaled to the sum 1.

    A row of local-p sums to less than 1, by how far its centre lies from
    what it looks at; as shares the rows of all windows can be compared.
    """
    batch = task.collate(task.examples(250, "held-out", length=length))
    _, weights = model(batch.source, batch.source_mask, batch.target_in)
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)
    return round(train.alignment_score(weights, batch.alignment), 4)


if __name__ == "__main__":
    command(__doc__, TABLES, run, seeds=SEEDS, steps=STEPS)
