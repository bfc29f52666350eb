"""Which answers does beam search change, and for the better or the worse?

    python -m attnbook.experiments.beam_search

trains Transformers on German telephone numbers of 1 to 8 pairs, fully and too
briefly, and writes `beam_search.csv`: one row per number of steps, seed and
beam.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from attnbook import data, train
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.leaderboard import STEPS
from attnbook.mechanisms.decoding import beam_search
from attnbook.mechanisms.transformer import TransformerTranslator

TABLES = ("beam_search",)
BRIEFLY = 200
BEAMS = [1, 2, 4, 8]
COUNT = 400
CHANGED = 1e-4  # nats; less is rounding


def answers(model, batch, beam: int) -> tuple[Tensor, Tensor]:
    """The best answer of a beam, (B, T), and its log-probability, (B,)."""
    with torch.no_grad():
        step = model.stepper(batch.source, batch.source_mask, beam)
        tokens, total = beam_search(
            step, len(batch), batch.target_out.shape[1], beam
        )
    return tokens[:, 0], total[:, 0]


def right(tokens: Tensor, batch) -> Tensor:
    """Which answers are right to the last digit, and end there: (B,) bool."""
    return ((tokens == batch.target_out) | ~batch.target_mask).all(dim=1)


def compare(model, batch, beams: Iterable[int] = BEAMS) -> list[dict]:
    """Count what each beam changes against greedy decoding."""
    first, first_total = answers(model, batch, 1)
    was_right = right(first, batch)
    rows = []
    for beam in beams:
        tokens, total = answers(model, batch, beam)
        now_right = right(tokens, batch)
        rows.append(
            {
                "beam": beam,
                "examples": len(batch),
                "exact match": round(now_right.float().mean().item(), 4),
                "changed": (tokens != first).any(1).sum().item(),
                "wrong to right": (~was_right & now_right).sum().item(),
                "right to wrong": (was_right & ~now_right).sum().item(),
                "likelier": (total > first_total + CHANGED).sum().item(),
                "less likely": (total < first_total - CHANGED).sum().item(),
            }
        )
    return rows


def run(
    seeds: Iterable[int],
    all_steps: Iterable[int] = (BRIEFLY, STEPS),
    trained_to: int = 8,
    count: int = COUNT,
    beams: Iterable[int] = BEAMS,
    progress: bool = True,
) -> list[dict]:
    """Train once per seed and number of steps; compare the beams.

    Args:
        seeds: of weights and batches.
        all_steps: lengths of training, 128 examples per step.
        trained_to: greatest number of pairs.
        count: held-out examples, of all lengths.
        beams: widths.
        progress: show progress bars.
    """
    torch.set_num_threads(1)
    seeds, beams = list(seeds), list(beams)
    task = data.telephone_numbers("de", pairs=(1, trained_to), longer=None)
    batch = task.sample(count, np.random.default_rng(0), "held-out")
    rows = []
    for steps in all_steps:
        for seed in seeds:
            torch.manual_seed(seed)
            model = TransformerTranslator(
                len(task.source_vocabulary), len(task.target_vocabulary)
            )
            train.fit(model, task, steps, seed=seed, progress=progress)
            for row in compare(model, batch, beams):
                rows.append({"steps": steps, "seed": seed, **row})
                print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    command(__doc__, TABLES, run, seeds=SEEDS)
