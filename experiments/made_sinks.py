"""Sinks made on purpose, and four ways for a head to read nothing.

    python -m attnbook.experiments.made_sinks

trains decoder-only models of one to three layers and one head on
Bigram-Backcopy, where a head has something to do behind a trigger and nothing
elsewhere. Attention is the ordinary softmax, or has a learnt score of
nothing, or a gate on its output, or ReLU instead of the softmax; and a token
may look at itself, or may not.

Two tables. `made_sinks.csv` has one row per variant, seed, layer and moment.
The moments are the end of training, and the first time that the loss was at
most `EXCESS` above the least that is possible: variants that learn at
different speed are compared there. Each row has the loss above the least, the
loss behind triggers, and what is seen at the first token by all tokens that
are no trigger: weight, opening of the gate, and the norms of its value and of
its residual stream, as multiples of the other tokens'. All of it is measured
on fresh sequences. `made_sinks_rates.csv` has the rates that were tried with
the first seed, on other fresh sequences, which choose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook import train
from attnbook.data.backcopy import Backcopy
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.rates import widened
from attnbook.mechanisms.reading import REMEDIES, SinkDecoder, sink_readings

TABLES = ("made_sinks", "made_sinks_rates")
WIDTH, HEADS = 32, 1
LAYERS = (1, 2, 3)
STEPS = 400
BATCH = 32
RATES = (5e-3, 1e-2, 2e-2)  # where the search begins
EXCESS = 0.1  # nats a token above the least
EVERY = 20  # steps between two measurements
COUNT = 256  # sequences to measure on
MOMENTS = ("equal loss", "end")


class Measured(NamedTuple):
    """Sequences to measure on.

    Attributes:
        ids: (B, T + 1).
        floor: (B, T), the least loss of each prediction.
        asks: (B, T), boolean, where a trigger has been read.
    """

    ids: Tensor
    floor: Tensor
    asks: Tensor


def measured(task: Backcopy, seed: int, count: int = COUNT) -> Measured:
    """Fresh sequences, from a seed that no training has."""
    ids = task.sample(count, np.random.default_rng(10**6 + seed))
    return Measured(ids, task.floor(ids), task.asks(ids[:, :-1]))


@torch.no_grad()
def losses(model: SinkDecoder, on: Measured) -> tuple[float, float]:
    """Nats a token above the least, and nats behind a trigger."""
    logits, _ = model(on.ids[:, :-1])
    loss = F.cross_entropy(
        logits.transpose(1, 2), on.ids[:, 1:], reduction="none"
    )
    excess = (loss - on.floor).mean().item()
    return excess, loss[on.asks].mean().item()


class Watch:
    """The loss of a training, that looks at the model now and then.

    Args:
        on: what to measure on; nothing is measured if there is none.
        excess: the loss above the least at which `reached` is taken.
        every: steps between two measurements.
    """

    def __init__(self, on: Measured | None, excess: float, every: int):
        self.on, self.excess, self.every = on, excess, every
        self.step = 0
        self.reached: list[dict] = []

    def __call__(self, model: SinkDecoder, windows: Tensor) -> Tensor:
        """As `train.text_loss`."""
        looks = self.on is not None and not self.reached
        if looks and self.step and self.step % self.every == 0:
            self.look(model)
        self.step += 1
        return train.text_loss(model, windows)

    def look(self, model: SinkDecoder) -> None:
        """Note the moment if the loss is low enough."""
        if losses(model, self.on)[0] <= self.excess:
            self.reached = rows_of(model, self.on, self.step)


def rows_of(model: SinkDecoder, on: Measured, step: int) -> list[dict]:
    """A row for each layer."""
    excess, behind = losses(model, on)
    return [
        {
            "layer": at + 1,
            "step": step,
            "excess": round(excess, 4),
            "behind triggers": round(behind, 4),
        }
        | {name: round(value, 4) for name, value in seen._asdict().items()}
        for at, seen in enumerate(
            sink_readings(model, on.ids[:, :-1], ~on.asks)
        )
    ]


def trained(
    variant: dict,
    task: Backcopy,
    steps: int,
    rate: float,
    seed: int,
    on: Measured | None = None,
    excess: float = EXCESS,
) -> tuple[SinkDecoder, list[dict]]:
    """Train a variant; with the rows of its moments, if it is measured."""
    torch.manual_seed(seed)
    model = SinkDecoder(
        task.size,
        WIDTH,
        HEADS,
        variant["layers"],
        task.length,
        variant["remedy"],
        variant["itself"] == "yes",
    )
    watch = Watch(on, excess, EVERY)
    train.fit(
        model,
        task,
        steps,
        batch_size=BATCH,
        lr=rate,
        seed=seed,
        warmup=min(20, steps // 4),
        progress=False,
        loss_of=watch,
    )
    if on is None:
        return model, []
    if not watch.reached:
        watch.look(model)
    reached = [{"moment": MOMENTS[0]} | row for row in watch.reached]
    last = rows_of(model, on, steps)
    return model, reached + [{"moment": MOMENTS[1]} | row for row in last]


def run(
    remedies: Iterable[str] = REMEDIES,
    itself: Iterable[str] = ("yes", "no"),
    layers: Sequence[int] = LAYERS,
    seeds: Sequence[int] = SEEDS,
    steps: int = STEPS,
    rates: Sequence[float] = RATES,
) -> dict[str, list[dict]]:
    """Train and look at the first token: the rows of each of `TABLES`.

    Args:
        remedies: of `REMEDIES`.
        itself: "yes" and "no": whether a token may look at itself.
        layers: numbers of layers.
        seeds: of weights and batches; the first chooses the rate.
        steps: of training.
        rates: where the search begins; a single one is taken as it is.
    """
    torch.set_num_threads(1)
    task = Backcopy()
    choosing, reporting = measured(task, 1), measured(task, 2)
    rows, tried_rows = [], []
    for variant in (
        {"layers": L, "itself": own, "remedy": remedy}
        for L in layers
        for own in itself
        for remedy in remedies
    ):

        def loss(rate: float, variant: dict = variant) -> float:
            model, _ = trained(variant, task, steps, rate, seeds[0])
            return losses(model, choosing)[0]

        if len(rates) == 1:
            rate = rates[0]
        else:
            rate, tried = widened(loss, rates)
            tried_rows += [
                variant | {"rate": each, "seed": seeds[0], "excess": value}
                for each, value in sorted(tried.items())
            ]
        for seed in seeds:
            _, found = trained(variant, task, steps, rate, seed, reporting)
            rows += [
                variant | {"seed": seed, "rate": rate} | row for row in found
            ]
            print(rows[-1], flush=True)
    if not tried_rows:
        return {TABLES[0]: rows}
    return dict(zip(TABLES, (rows, tried_rows), strict=True))


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        run,
        remedies=list(REMEDIES),
        itself=["yes", "no"],
        layers=LAYERS,
        seeds=SEEDS,
        steps=STEPS,
    )
