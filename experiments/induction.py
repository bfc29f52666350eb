"""Induction heads: when do they appear, and what are they needed for?

    python -m attnbook.experiments.induction

trains decoder-only models with rotary positions on random tokens that repeat.
They have one layer or two; each sequence has a period of its own, or all have
the same. Every model is then tried on both.

Four tables. `induction.csv` has one row per model and seed: the loss of the
tokens that induction can know, on sequences as in training and on those of
the other kind, and the highest scores of a head. `induction_steps.csv` has
the same loss and scores in the course of training. `induction_ablated.csv`
has the two-layer models of random periods without each head, without all
heads of a high score, without as many of the others, and without all others:
the loss with their output set to zero and to its mean. `induction_rates.csv`
has the rates that were tried with the first seed. All losses are in nats a
token on fresh sequences; those that chose the rates are others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook import train
from attnbook.data.repeats import Repeats
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.rates import widened
from attnbook.mechanisms.decoder_only import DecoderOnly, Design
from attnbook.mechanisms.reading import (
    induction_score,
    previous_token_score,
    without_heads,
)

TABLES = (
    "induction",
    "induction_steps",
    "induction_ablated",
    "induction_rates",
)
WIDTH, HEADS = 64, 4
LAYERS = (1, 2)
SYMBOLS, LENGTH = 24, 32
PERIODS = {"random": tuple(range(6, 17)), "fixed": (11,)}
STEPS = 500
BATCH = 32
RATES = (2e-3, 4e-3, 8e-3)  # where the search begins
EVERY = 20  # steps between two rows of `induction_steps`
COUNT = 256  # sequences to measure on
HIGH = 0.3  # from this score on a head is an induction head, or a previous one


def task_of(periods: str) -> Repeats:
    """Repeated random tokens, with periods as `PERIODS` names them."""
    return Repeats(SYMBOLS, LENGTH, PERIODS[periods])


def drawn(periods: str, seed: int, count: int = COUNT) -> Tensor:
    """Fresh sequences, from a seed that no training has: (count, T + 1)."""
    return task_of(periods).sample(count, np.random.default_rng(10**6 + seed))


@torch.no_grad()
def known_loss(model: DecoderOnly, ids: Tensor) -> float:
    """Nats a token, of those that induction can know."""
    logits, _ = model(ids[:, :-1])
    loss = F.cross_entropy(
        logits.transpose(1, 2), ids[:, 1:], reduction="none"
    )
    known = task_of("random").known(ids)
    return loss[known].mean().item()


@torch.no_grad()
def scores(model: DecoderOnly, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Induction and previous-token score of each head: (L, H) each."""
    read = ids[:, :-1]
    _, weights = model(read)
    return (
        torch.stack([induction_score(each, read) for each in weights]),
        torch.stack([previous_token_score(each) for each in weights]),
    )


class Trace:
    """The loss of a training that notes the scores now and then.

    Args:
        ids: sequences to measure on, or None.
    """

    def __init__(self, ids: Tensor | None):
        self.ids, self.step = ids, 0
        self.rows: list[dict] = []

    def __call__(self, model: DecoderOnly, windows: Tensor) -> Tensor:
        """As `train.text_loss`."""
        if self.step % EVERY == 0:
            self.note(model)
        self.step += 1
        return train.text_loss(model, windows)

    def note(self, model: DecoderOnly) -> None:
        """A row, if there is something to measure on."""
        if self.ids is None:
            return
        of_induction, of_previous = scores(model, self.ids)
        self.rows.append(
            {
                "step": self.step,
                "loss": round(known_loss(model, self.ids), 4),
                "induction": round(of_induction.max().item(), 4),
                "previous": round(of_previous.max().item(), 4),
            }
        )


def trained(
    periods: str,
    layers: int,
    steps: int,
    rate: float,
    seed: int,
    ids: Tensor | None = None,
) -> tuple[DecoderOnly, list[dict]]:
    """Train a model; with the rows of its course, if there are `ids`."""
    torch.manual_seed(seed)
    model = DecoderOnly(
        SYMBOLS,
        WIDTH,
        HEADS,
        layers,
        LENGTH,
        design=Design(positions="rotary"),
    )
    trace = Trace(ids)
    train.fit(
        model,
        task_of(periods),
        steps,
        batch_size=BATCH,
        lr=rate,
        seed=seed,
        warmup=min(50, steps // 4),
        progress=False,
        loss_of=trace,
    )
    trace.note(model)
    return model, trace.rows


def ablated_rows(model: DecoderOnly, ids: Tensor, seed: int) -> list[dict]:
    """The loss without heads; layers and heads count from 1.

    Every head alone; then all induction heads, all previous-token heads, as
    many of the other heads, drawn at random, as there are of either, and all
    heads that are neither.
    """
    attentions = [block.attention for block in model.blocks]
    of_induction, of_previous = scores(model, ids)
    L, H = of_induction.shape
    whole = known_loss(model, ids)
    every = [(layer, head) for layer in range(L) for head in range(H)]
    chosen = {
        f"{layer + 1}.{head + 1}": [(layer, head)] for layer, head in every
    }
    found = {
        "induction": [at for at in every if of_induction[at] >= HIGH],
        "previous": [at for at in every if of_previous[at] >= HIGH],
    }
    named = [at for heads in found.values() for at in heads]
    rng = np.random.default_rng(seed)
    for name, heads in found.items():
        others = [at for at in every if at not in heads]
        order = rng.permutation(len(others))[: len(heads)]
        chosen[name] = heads
        chosen[f"as many as {name}"] = [others[at] for at in order]
    chosen["all others"] = [at for at in every if at not in named]
    chosen = {name: heads for name, heads in chosen.items() if heads}
    rows = []
    for name, heads in chosen.items():
        layers, which = zip(*heads, strict=True)
        row = {
            "heads": name,
            "count": len(heads),
            "induction": of_induction[layers, which].mean().item(),
            "previous": of_previous[layers, which].mean().item(),
            "whole": whole,
        }
        for fill in ("zero", "mean"):
            with without_heads(attentions, heads, fill):
                row[fill] = known_loss(model, ids)
        rows.append(
            {
                key: round(value, 4) if isinstance(value, float) else value
                for key, value in row.items()
            }
        )
    return rows


def run(
    periods: Sequence[str] = tuple(PERIODS),
    layers: Sequence[int] = LAYERS,
    seeds: Sequence[int] = SEEDS,
    steps: int = STEPS,
    rates: Sequence[float] = RATES,
) -> dict[str, list[dict]]:
    """Train, score and ablate: the rows of each of `TABLES`.

    Args:
        periods: of `PERIODS`.
        layers: numbers of layers.
        seeds: of weights and batches; the first chooses the rate.
        steps: of training.
        rates: where the search begins; a single one is taken as it is.
    """
    torch.set_num_threads(1)
    tables: dict[str, list[dict]] = {name: [] for name in TABLES}
    for kind in periods:
        other = next(each for each in PERIODS if each != kind)
        for L in layers:
            name = {"periods": kind, "layers": L}

            def loss(rate: float, kind: str = kind, L: int = L) -> float:
                model, _ = trained(kind, L, steps, rate, seeds[0])
                return known_loss(model, drawn(kind, 1))

            rate = rates[0]
            if len(rates) > 1:
                rate, tried = widened(loss, rates)
                tables["induction_rates"] += [
                    name
                    | {"rate": each, "seed": seeds[0], "loss": tried[each]}
                    for each in sorted(tried)
                ]
            for seed in seeds:
                ids = drawn(kind, 2)
                model, course = trained(kind, L, steps, rate, seed, ids)
                of = name | {"seed": seed}
                tables["induction_steps"] += [of | row for row in course]
                of_induction, of_previous = scores(model, drawn("random", 2))
                row = of | {
                    "rate": rate,
                    "loss": round(known_loss(model, ids), 4),
                    "loss, other": round(
                        known_loss(model, drawn(other, 2)), 4
                    ),
                    "induction": round(of_induction.max().item(), 4),
                    "previous": round(of_previous.max().item(), 4),
                }
                tables["induction"].append(row)
                print(row, flush=True)
                if kind == "random" and L > 1:
                    tables["induction_ablated"] += [
                        of | each for each in ablated_rows(model, ids, seed)
                    ]
    return {name: rows for name, rows in tables.items() if rows}


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        run,
        periods=list(PERIODS),
        layers=LAYERS,
        seeds=SEEDS,
        steps=STEPS,
    )
