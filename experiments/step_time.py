"""One step of training against length: recurrent network and Transformer.

    python -m attnbook.experiments.step_time

writes `step_time.csv`, one row per model, length and repetition: milliseconds
of a step (forward and backward, one thread, the processor's time), and the
longest chain of operations that wait for one another.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.experiments.command import command
from attnbook.experiments.leaderboard import MODELS

TABLES = ("step_time",)
NAMES = ["additive attention", "Luong, general", "Transformer"]
LENGTHS = [8, 16, 32, 64, 128, 256]
BATCH = 16
VOCABULARY = 40


def longest_chain(output: Tensor) -> int:
    """How many operations, at most, wait for one another before `output`.

    It follows the graph that autograd keeps, so operations without a gradient
    do not count. On a machine with room for everything at once, this is what
    takes time.

    Raises:
        ValueError: if the output has no graph.
    """
    if output.grad_fn is None:
        raise ValueError(
            "longest_chain: the output has no graph; expected the result of "
            "operations on tensors that require a gradient"
        )
    depth: dict = {}
    waiting = [output.grad_fn]
    while waiting:
        node = waiting[-1]
        before = [n for n, _ in node.next_functions if n is not None]
        unknown = [n for n in before if n not in depth]
        if unknown:
            waiting += unknown
            continue
        depth[node] = 1 + max((depth[n] for n in before), default=0)
        waiting.pop()
    return depth[output.grad_fn]


def forward(model: nn.Module, length: int, seed: int = 0) -> Tensor:
    """The logits for random tokens, `length` in the source and target."""
    draw = torch.Generator().manual_seed(seed)
    source, target = torch.randint(
        3, VOCABULARY, (2, BATCH, length), generator=draw
    )
    return model(source, torch.ones_like(source, dtype=torch.bool), target)[0]


def milliseconds(model: nn.Module, length: int, steps: int) -> float:
    """The median time of a step, forward and backward."""
    times = []
    for _ in range(steps + 1):
        model.zero_grad()
        started = time.process_time()
        logits = forward(model, length)
        wanted = torch.full(logits.shape[:2], 3)
        F.cross_entropy(logits.flatten(0, 1), wanted.flatten()).backward()
        times.append(time.process_time() - started)
    return 1e3 * float(np.median(times[1:]))


def run(
    lengths: Iterable[int] = LENGTHS, repeats: int = 3, steps: int = 5
) -> list[dict]:
    """Time each model at each length.

    Args:
        lengths: tokens of the source, and of the target.
        repeats: measurements of each.
        steps: of which the median is taken, in each measurement.
    """
    torch.set_num_threads(1)
    rows = []
    for repeat in range(repeats):
        for name in NAMES:
            torch.manual_seed(0)
            model = MODELS[name](VOCABULARY, VOCABULARY)
            for length in lengths:
                rows.append(
                    {
                        "model": name,
                        "length": length,
                        "repeat": repeat,
                        "milliseconds": round(
                            milliseconds(model, length, steps), 2
                        ),
                        "chain": longest_chain(forward(model, length)),
                    }
                )
                print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    command(__doc__, TABLES, run, repeats=3)
