"""Few keys read: are the ones that count among them? One hop and two.

    python -m attnbook.experiments.sources_kept

trains small models of two layers to answer questions about facts, of one hop
and of two. Each model reads at most m keys beside its own in each layer: the
nearest, or half of them near and half at a stride, or m compressed blocks,
or those that an indexer chooses. The indexer is fitted to a model that reads
everything, by KL divergence and without its answers, and its choice then
replaces dense attention; no more training follows. `random` replaces dense
attention by random keys.

Since the facts that a question needs are known, the share of questions whose
true sources are kept is counted: of one hop, in either layer; of two, the
first in the first layer and the second in the second. A compressed block
keeps what it blurs.

Two tables. `sources_kept.csv` has one row per way, m, hops and seed.
`sources_rates.csv` has the rates that were tried with the first seed: the
loss on questions to tune on, which chooses (nats an answer, of the indexer
nats a query).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from attnbook import train
from attnbook.data.facts import Facts, Questions
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.fact_reader import FactReader, Reading, answer_loss
from attnbook.experiments.rates import widened
from attnbook.mechanisms.long_context import (
    distances,
    indexer_loss,
    mask_of,
    strided_mask,
    top_keys,
    window_mask,
)

TABLES = ("sources_kept", "sources_rates")
SYMBOLS, QUESTIONS = 16, 12
KEYS = (2, 4, 8)  # m, beside a token's own
FIXED = ("window", "strided", "compressed")
CHOSEN = ("indexer", "random")
STEPS, BATCH = 800, 32
INDEX_STEPS = 200
RATES = (4e-3, 8e-3, 16e-3)  # where the search begins
INDEX_RATES = (8e-3, 16e-3, 32e-3)
TUNING, REPORTING = 20_000, 10_000  # seeds of the questions
COUNT = 300  # times `QUESTIONS` questions are measured on


def pattern_of(way: str, m: int, n: int) -> Tensor:
    """The mask of a fixed pattern over n facts and a question: (n + 1, n + 1).

    A token reads itself and at most m facts. Half of the strided pattern's
    are near, and the stride is as long as it takes to reach the first fact.

    Args:
        way: "window", "strided", or another, which gets all facts.
        m: facts that are read.
        n: facts.
    """
    if way == "window":
        return window_mask(n + 1, m + 1)
    if way == "strided":
        near = m // 2
        return strided_mask(n + 1, near + 1, n // (m - near))
    return distances(n + 1) >= 0


def untrained(way: str, m: int, seed: int, n: int) -> FactReader:
    """A fresh model that reads in this way."""
    torch.manual_seed(seed)
    block = n // m if way == "compressed" else 0
    return FactReader(n, pattern_of(way, m, n), block)


def drawn(n: int, questions: int, seed: int, count: int = COUNT) -> Questions:
    """Questions to measure on, from seeds that training does not use."""
    return Facts(n, questions).sample(count, np.random.default_rng(seed))


def trained(
    way: str, m: int, seed: int, rate: float, steps: int, n: int
) -> FactReader:
    """Train a model that reads in this way."""
    model = untrained(way, m, seed, n)
    train.fit(
        model,
        Facts(n, QUESTIONS),
        steps,
        BATCH,
        lr=rate,
        seed=seed,
        progress=False,
        loss_of=answer_loss,
    )
    return model


@torch.no_grad()
def loss_to_tune_on(model: FactReader) -> float:
    """Nats an answer, on questions that are not reported."""
    return answer_loss(model, drawn(model.symbols, QUESTIONS, TUNING)).item()


def index_loss(model: FactReader, batch: Questions) -> Tensor:
    """KL of the indexers from dense attention, the mean of the layers."""
    with torch.no_grad():
        found = model(batch)
    own = torch.eye(found.masks[0].shape[-1], dtype=torch.bool)
    losses = []
    for indexer, read, weights, mask in zip(
        model.indexers, found.read, found.weights, found.masks, strict=True
    ):
        others = mask[0] & ~own
        some = others.any(-1)  # the first fact has no other to read
        target = weights.masked_fill(own, 0)[:, :, some]
        target = target / target.sum(-1, keepdim=True).clamp(min=1e-9)
        scores = indexer(read)[:, some]
        losses.append(indexer_loss(scores, target, others[some]))
    return sum(losses) / len(losses)


def fit_indexers(
    model: FactReader, rate: float, steps: int, seed: int
) -> float:
    """Fit the indexers of a model that is not changed; the loss to tune on."""
    torch.manual_seed(seed)
    for indexer in model.indexers:
        for layer in indexer.children():
            layer.reset_parameters()
    train.fit(
        _Indexers(model),
        Facts(model.symbols, QUESTIONS),
        steps,
        BATCH,
        lr=rate,
        seed=seed,
        progress=False,
        loss_of=lambda wrapped, batch: index_loss(model, batch),
    )
    with torch.no_grad():
        return index_loss(
            model, drawn(model.symbols, QUESTIONS, TUNING)
        ).item()


class _Indexers(nn.Module):
    """The indexers of a model alone, for an optimiser."""

    def __init__(self, model: FactReader):
        super().__init__()
        self.indexers = model.indexers


def kept(
    found: Reading, batch: Questions, block: int = 0
) -> dict[int, tuple[Tensor, Tensor]]:
    """Whether each question's sources are read, by hops.

    Returns:
        for each number of hops: whether the first source is read in the
        first layer, and whether the last one is read in the last: (N,) each.
    """
    n, Q = batch.keys.shape[1], batch.asked.shape[1]
    read = []
    for mask in found.masks:
        facts = mask[:, -Q:]
        if block:  # its first columns are blocks
            facts = facts[..., : n // block].repeat_interleave(block, -1)
        facts = facts[..., :n].expand(len(batch.keys), Q, n)
        read.append(facts.gather(-1, batch.sources))  # (B, Q, 2)
    return {
        hops: (
            read[0][..., 0][batch.hops == hops],
            read[-1][..., 1][batch.hops == hops],
        )
        for hops in (1, 2)
    }


@torch.no_grad()
def measured(
    model: FactReader, batch: Questions, chosen: int | None = None
) -> list[dict[str, float]]:
    """Accuracy and shares of sources kept, a row for each number of hops."""
    model.eval()
    found = model(batch, chosen)
    right = found.logits.argmax(-1) == batch.answers  # (B, Q)
    keys = [int(mask[:, -1].sum(-1).max()) - 1 for mask in found.masks]
    rows = []
    for hops, (first, last) in kept(found, batch, model.block).items():
        both = first | last if hops == 1 else first & last
        rows.append(
            {
                "keys": max(keys),
                "hops": hops,
                "kept": round(both.float().mean().item(), 4),
                "first kept": round(first.float().mean().item(), 4),
                "last kept": round(last.float().mean().item(), 4),
                "accuracy": round(
                    right[batch.hops == hops].float().mean().item(), 4
                ),
            }
        )
    return rows


@torch.no_grad()
def with_random_keys(
    model: FactReader, batch: Questions, m: int, seed: int
) -> list[dict[str, float]]:
    """Measure a dense model whose keys are drawn, not chosen."""
    chance = torch.Generator().manual_seed(seed)
    rightful = model.chosen_by

    def at_random(layer, read, allowed, count):
        own = torch.eye(len(allowed), dtype=torch.bool)
        scores = torch.rand(len(read), *allowed.shape, generator=chance)
        found = top_keys(scores, count, allowed & ~own)
        return mask_of(*found, len(allowed)) | own

    model.chosen_by = at_random
    try:
        return measured(model, batch, m)
    finally:
        model.chosen_by = rightful


def of_fixed(
    way: str, m: int, seed: int, rate: float, steps: int, n: int
) -> tuple[list[dict], float]:
    """Train one model; its rows, and its loss to tune on."""
    model = trained(way, m, seed, rate, steps, n)
    batch = drawn(n, QUESTIONS, REPORTING)
    place = {"way": way, "m": m, "seed": seed, "rate": rate, "steps": steps}
    rows = [{**place, **row} for row in measured(model, batch)]
    print(rows, flush=True)
    return rows, loss_to_tune_on(model)


def of_chosen(
    model: FactReader, keys: Iterable[int], seed: int, rate: float
) -> list[dict]:
    """What is left of a dense model when it reads chosen keys only."""
    batch = drawn(model.symbols, QUESTIONS, REPORTING)
    rows = []
    for m in keys:
        for way, found in (
            ("indexer", measured(model, batch, m)),
            ("random", with_random_keys(model, batch, m, seed)),
        ):
            place = {"way": way, "m": m, "seed": seed, "rate": rate}
            rows += [{**place, "steps": "", **row} for row in found]
    print(rows, flush=True)
    return rows


def fixed_ways(
    ways: Iterable[str],
    keys: Sequence[int],
    seeds: Sequence[int],
    steps: int = STEPS,
    n: int = SYMBOLS,
    rates: Sequence[float] = RATES,
) -> tuple[list[dict], list[dict]]:
    """Tune and train every fixed pattern at every m.

    Returns:
        rows of `sources_kept` and of `sources_rates`.
    """
    rows, tried = [], []
    for way, m in itertools.product(ways, keys):
        found: dict[float, list[dict]] = {}

        def loss(rate, way=way, m=m, found=found):
            found[rate], value = of_fixed(way, m, seeds[0], rate, steps, n)
            return value

        rate, losses = widened(loss, rates)
        tried += _tried(way, m, seeds[0], losses)
        rows += found[rate]
        for seed in seeds[1:]:
            rows += of_fixed(way, m, seed, rate, steps, n)[0]
    return rows, tried


def dense_and_chosen(
    keys: Sequence[int],
    seeds: Sequence[int],
    steps: int = STEPS,
    index_steps: int = INDEX_STEPS,
    n: int = SYMBOLS,
    rates: Sequence[float] = RATES,
    index_rates: Sequence[float] = INDEX_RATES,
) -> tuple[list[dict], list[dict]]:
    """Train dense models, fit their indexers, and let these choose.

    Returns:
        rows of `sources_kept` and of `sources_rates`.
    """
    models: dict[float, FactReader] = {}

    def loss(rate):
        models[rate] = trained("dense", n, seeds[0], rate, steps, n)
        return loss_to_tune_on(models[rate])

    rate, losses = widened(loss, rates)
    tried = _tried("dense", n, seeds[0], losses)
    by_seed = {seeds[0]: models[rate]}
    for seed in seeds[1:]:
        by_seed[seed] = trained("dense", n, seed, rate, steps, n)
    index_rate, losses = widened(
        lambda each: fit_indexers(models[rate], each, index_steps, seeds[0]),
        index_rates,
    )
    tried += _tried("indexer", "", seeds[0], losses)
    rows = []
    batch = drawn(n, QUESTIONS, REPORTING)
    for seed, model in by_seed.items():
        place = {"way": "dense", "m": n, "seed": seed, "rate": rate}
        rows += [
            {**place, "steps": steps, **row} for row in measured(model, batch)
        ]
        fit_indexers(model, index_rate, index_steps, seed)
        rows += of_chosen(model, keys, seed, index_rate)
    return rows, tried


def _tried(
    way: str, m: int | str, seed: int, losses: dict[float, float]
) -> list[dict]:
    """Rows of `sources_rates`."""
    return [
        {"way": way, "m": m, "seed": seed, "rate": rate, "loss": f"{loss:.4g}"}
        for rate, loss in sorted(losses.items())
    ]


def run(
    ways: Sequence[str] = FIXED,
    keys: Sequence[int] = KEYS,
    seeds: Sequence[int] = SEEDS,
    steps: int = STEPS,
    n: int = SYMBOLS,
    index_steps: int = INDEX_STEPS,
) -> dict[str, list[dict]]:
    """Train and measure: the rows of each of `TABLES`.

    Args:
        ways: of `FIXED`; dense attention and chosen keys come first anyway.
        keys: m, facts read in each layer.
        seeds: of weights and batches; the first tries the rates.
        steps: of training.
        n: symbols and facts.
        index_steps: of fitting the indexers.
    """
    torch.set_num_threads(1)
    rows, tried = dense_and_chosen(keys, seeds, steps, index_steps, n)
    more, others = fixed_ways(ways, keys, seeds, steps, n)
    return dict(zip(TABLES, (rows + more, tried + others), strict=True))


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        run,
        ways=list(FIXED),
        keys=KEYS,
        seeds=SEEDS,
        steps=STEPS,
    )
