"""Training steps of several models, timed in turn by one clock.

Milliseconds of different runs cannot be compared: other work on the machine
slows one run and not the next. Here the models take one step each, in turn,
so that whatever slows the machine slows all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from attnbook import train


def steps_in_turn(
    models: Mapping[Hashable, nn.Module],
    task,
    blocks: int,
    rounds: int,
    batch_size: int = 128,
    loss_of: Callable[..., Tensor] = train.batch_loss,
) -> list[dict[Hashable, float]]:
    """The median milliseconds of a training step, of each model.

    A step is forward, backward, clipping and Adam, on a batch that is drawn
    beforehand, the same for all models of a round. The clock counts the
    processor's time (`time.process_time`) in one thread.

    Args:
        models: by name; they are trained on.
        task: from `attnbook.data`.
        blocks: repetitions of the measurement.
        rounds: steps of each model in a block, of which the median is taken.
        batch_size: examples per step.
        loss_of: the loss of a model on a batch.

    Returns:
        For each block the milliseconds by name.
    """
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    optimisers = {
        name: torch.optim.Adam(model.parameters())
        for name, model in models.items()
    }

    def one_round() -> dict[Hashable, float]:
        batch = task.sample(batch_size, rng)
        return {
            name: _step(model, optimisers[name], batch, loss_of)
            for name, model in models.items()
        }

    one_round()  # the first steps also pay for loading PyTorch's parts
    found = []
    for _ in range(blocks):
        times = [one_round() for _ in range(rounds)]
        found.append(
            {
                name: float(np.median([t[name] for t in times]))
                for name in models
            }
        )
    return found


def _step(model: nn.Module, optimiser, batch, loss_of) -> float:
    """Take one step; its milliseconds."""
    started = time.process_time()
    loss = loss_of(model, batch)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return 1e3 * (time.process_time() - started)
