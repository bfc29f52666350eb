"""What a training step costs in each of Luong's models, in turn.

    python -m attnbook.experiments.luong_step_times

times the combinations of `score_functions` on German telephone numbers of 1
to 6 pairs, and writes `luong_step_times.csv`, one row per combination and
block. One more is timed, *concat* with a wide encoder: it has the score and
the encoder of Bahdanau's model, so only the wiring differs. See
`timing.steps_in_turn` for the clock.
"""

from __future__ import annotations

import torch

from attnbook import data
from attnbook.experiments.command import command
from attnbook.experiments.score_functions import (
    COMBINATIONS,
    TRAINED_TO,
    Combination,
    build,
)
from attnbook.experiments.timing import steps_in_turn

TABLES = ("luong_step_times",)
TIMED = [
    *COMBINATIONS[:-1],
    Combination("concat, wide encoder", "global", 0, "no"),
    COMBINATIONS[-1],  # Bahdanau's model
]


def run(blocks: int = 7, rounds: int = 7) -> list[dict]:
    """Time a training step of each combination.

    Args:
        blocks: repetitions of the measurement.
        rounds: steps of each model in a block.

    Returns:
        One row per combination and block, with the median milliseconds.
    """
    task = data.telephone_numbers("de", pairs=(1, TRAINED_TO))
    sizes = len(task.source_vocabulary), len(task.target_vocabulary)
    torch.manual_seed(0)
    models = {c: build(c, *sizes) for c in TIMED}
    found = steps_in_turn(models, task, blocks, rounds)
    return [
        {
            **combination._asdict(),
            "block": block,
            "milliseconds": round(value, 2),
        }
        for block, times in enumerate(found)
        for combination, value in times.items()
    ]


if __name__ == "__main__":
    command(__doc__, TABLES, run, blocks=7, rounds=7)
