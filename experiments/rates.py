"""Each model at its own learning rate, chosen without the held-out numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import nn

from attnbook import train

RATES = (3e-3, 1e-2, 3e-2)


class Tuned(NamedTuple):
    """The rate of a kind of model, and a model for each seed."""

    rate: float
    models: dict[int, nn.Module]  # by seed
    tried: dict[float, float]  # exact match by rate, for the first seed


def tuned(
    build: Callable[[], nn.Module],
    task,
    length: int,
    steps: int,
    seeds: Iterable[int],
    rates: Sequence[float] = RATES,
    count: int = 500,
) -> Tuned:
    """Train a kind of model at its best rate, once per seed.

    The first seed is trained at each rate, and the rate is chosen by exact
    match on numbers that training may draw. There are so many long ones that
    it has seen next to none of these; held-out numbers are not touched.

    Args:
        build: makes an untrained model.
        task: from `attnbook.data`.
        length: of the numbers that the choice is made on; long ones.
        steps: of training, 128 examples each.
        seeds: of weights and batches.
        rates: to choose from; the lower one, if two do equally well.
        count: numbers that the choice is made on.
    """
    first, *others = seeds

    def trained(seed: int, rate: float) -> nn.Module:
        torch.manual_seed(seed)
        model = build()
        train.fit(model, task, steps, lr=rate, seed=seed, progress=False)
        return model

    candidates = {rate: trained(first, rate) for rate in sorted(rates)}
    tried = {
        rate: train.accuracy_by_length(
            model, task, [length], "train", count, seed=1
        )[length]
        for rate, model in candidates.items()
    }
    rate = max(tried, key=tried.__getitem__)
    models = {first: candidates[rate]}
    models |= {seed: trained(seed, rate) for seed in others}
    return Tuned(rate, models, tried)


def widened(
    loss: Callable[[float], float], rates: Sequence[float], factor: float = 2
) -> tuple[float, dict[float, float]]:
    """The rate of least loss, in a grid that grows until it is inside.

    While the best rate is the first or the last of the grid, the grid gets
    one more rate beyond it.

    Args:
        loss: what a rate leads to, on text or numbers to tune on.
        rates: to begin with.
        factor: between a rate at the edge and the next one beyond it.

    Returns:
        the rate, and the losses of all that were tried.
    """
    tried = {rate: loss(rate) for rate in sorted(rates)}
    while True:
        best = min(tried, key=tried.__getitem__)
        beyond = {min(tried): best / factor, max(tried): best * factor}
        if best not in beyond:
            return best, tried
        tried[beyond[best]] = loss(beyond[best])
