"""Heads of their own, shared heads or a latent: which reads best per byte?

    python -m attnbook.experiments.equal_cache

trains one layer of attention on a look-up: a set of 16 facts, each a key and
a value in one token, and queries that name four keys at once and ask for
their four values. Four variants with four heads of queries compete:
multi-head attention (MHA), two groups, multi-query attention (MQA), and
multi-head latent attention (MLA). Each is trained so that it caches 16, 32 and
64 floats a token; the fewer heads share a key, the smaller are the heads.
So the table has two comparisons in it: at equal bytes, where the sizes of the
heads differ, and the usual one at a fixed head size, where the bytes differ.
All models have the same number of parameters, within one in a hundred: the
hidden layer after the attention is as wide as that allows.

It writes two tables. `equal_cache.csv` has one row per variant, budget and
seed, at the best rate of the variant there. Where the usual number of steps
does not reach an accuracy of 0.99 with every seed, there are rows for three
times as many, which separates who is only slow from whom more steps do not
help.
`equal_cache_rates.csv` has the rates that were tried, with the first seed, on
examples that are used for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook import train
from attnbook.experiments.command import command
from attnbook.experiments.rates import widened
from attnbook.mechanisms.decoder_only import RMSNorm
from attnbook.mechanisms.sharing_heads import (
    GroupedQueryAttention,
    MultiHeadLatentAttention,
    cached_numbers,
)
from attnbook.mechanisms.transformer import FeedForward

TABLES = ("equal_cache", "equal_cache_rates")
FACTS = 16  # in a set
KEYS = VALUES = 32  # to choose from
ASKED = 4  # keys that a query names
QUERIES = 4  # to a set
WIDTH, HEADS = 64, 4
PARAMETERS = 64_000
KV_HEADS = {"MHA": HEADS, "two groups": 2, "MQA": 1}
VARIANTS = (*KV_HEADS, "MLA")
BUDGETS = (16, 32, 64)  # floats a token
STEPS, LONGER = 600, 3
SEEDS = (0, 1, 2, 3)  # three agree where a fourth does not
SOLVED = 0.99
BATCH = 64
RATES = (4e-3, 8e-3, 16e-3)  # where the search begins
TRIED = 20  # batches that a rate is chosen on, and that measure
TUNING = 1000  # the seed of the examples that a rate is chosen on


class Sets(NamedTuple):
    """A batch of sets of facts, and what is asked of them.

    `keys` and `values` are (B, S); no key comes twice in a set. `asked` is
    (B, T, ASKED), keys, and `wanted` has their values.
    """

    keys: Tensor
    values: Tensor
    asked: Tensor
    wanted: Tensor

    def to(self, device) -> Sets:
        """The same on a device."""
        return Sets(*(each.to(device) for each in self))


class Lookup:
    """The task: endless sets of facts."""

    def sample(self, batch_size: int, rng: np.random.Generator) -> Sets:
        """Draw sets of facts."""
        keys = rng.random((batch_size, KEYS)).argsort(-1)[:, :FACTS]
        values = rng.integers(VALUES, size=(batch_size, FACTS))
        at = rng.random((batch_size, QUERIES, FACTS)).argsort(-1)
        at = at[..., :ASKED].reshape(batch_size, -1)  # (B, T·ASKED)
        shape = (batch_size, QUERIES, ASKED)
        return Sets(
            torch.from_numpy(keys),
            torch.from_numpy(values),
            torch.from_numpy(np.take_along_axis(keys, at, 1).reshape(shape)),
            torch.from_numpy(np.take_along_axis(values, at, 1).reshape(shape)),
        )


class Reader(nn.Module):
    """One layer that looks up the values of several keys at once.

    Args:
        variant: one of `VARIANTS`.
        d_head: features of a head of keys and of values; those of the latent
            for "MLA".
        hidden: width of the feed-forward network's hidden layer.
    """

    def __init__(self, variant: str, d_head: int, hidden: int):
        super().__init__()
        self.key_embedding = nn.Embedding(KEYS, WIDTH)
        self.value_embedding = nn.Embedding(VALUES, WIDTH)
        self.asked_embedding = nn.Embedding(ASKED * KEYS, WIDTH)
        self.query_norm, self.fact_norm = RMSNorm(WIDTH), RMSNorm(WIDTH)
        if variant == "MLA":
            own = max(WIDTH // HEADS, d_head // 2)
            self.attention = MultiHeadLatentAttention(
                WIDTH, HEADS, d_head, d_head=own
            )
        else:
            self.attention = GroupedQueryAttention(
                WIDTH, HEADS, KV_HEADS[variant], d_head, projection_bias=False
            )
        self.norm = RMSNorm(WIDTH)
        self.feed_forward = FeedForward(WIDTH, hidden)
        self.last_norm = RMSNorm(WIDTH)
        self.readout = nn.Linear(WIDTH, ASKED * VALUES)

    def forward(self, sets: Sets) -> tuple[Tensor, Tensor]:
        """Logits (B, T, ASKED, VALUES), and weights (B, H, T, S)."""
        facts = self.key_embedding(sets.keys)
        facts = facts + self.value_embedding(sets.values)  # (B, S, D)
        place = torch.arange(ASKED, device=sets.asked.device) * KEYS
        x = self.asked_embedding(sets.asked + place).sum(-2)  # (B, T, D)
        facts, query = self.fact_norm(facts), self.query_norm(x)
        if isinstance(self.attention, MultiHeadLatentAttention):
            found, weights = self.attention(query, facts)
        else:
            found, weights = self.attention(query, facts, facts)
        x = x + found
        x = x + self.feed_forward(self.norm(x))
        logits = self.readout(self.last_norm(x)).unflatten(-1, (ASKED, -1))
        return logits, weights


def loss_of(model: nn.Module, sets: Sets) -> Tensor:
    """Mean cross-entropy, in nats a value."""
    logits, _ = model(sets)
    return F.cross_entropy(logits.flatten(0, 2), sets.wanted.flatten())


def parameters(model: nn.Module) -> int:
    """Numbers that are trained."""
    return sum(each.numel() for each in model.parameters())


def reader(
    variant: str, d_head: int, seed: int, wanted: int = PARAMETERS
) -> Reader:
    """An untrained model with so many parameters, as near as may be."""
    one, two = (
        parameters(Reader(variant, d_head, hidden)) for hidden in (1, 2)
    )
    hidden = 1 + round((wanted - one) / (two - one))
    torch.manual_seed(seed)
    return Reader(variant, d_head, hidden)


@torch.no_grad()
def measured(model: nn.Module, seed: int, batches: int) -> dict[str, float]:
    """Loss, and the share of values that are right, on fresh examples.

    Args:
        model: a `Reader`.
        seed: of the examples.
        batches: of them.
    """
    rng = np.random.default_rng([seed, 1])  # no other draw begins so
    loss, right = 0.0, 0.0
    for _ in range(batches):
        sets = Lookup().sample(BATCH, rng)
        logits, _ = model(sets)
        right += (logits.argmax(-1) == sets.wanted).double().mean().item()
        loss += F.cross_entropy(
            logits.flatten(0, 2), sets.wanted.flatten()
        ).item()
    return {"loss": loss / batches, "accuracy": right / batches}


def trained(
    variant: str, d_head: int, steps: int, rate: float, seed: int
) -> Reader:
    """A model, trained."""
    torch.set_num_threads(1)
    model = reader(variant, d_head, seed)
    train.fit(
        model,
        Lookup(),
        steps,
        batch_size=BATCH,
        lr=rate,
        seed=seed,
        progress=False,
        loss_of=loss_of,
    )
    return model


def floats(variant: str, d_head: int) -> int:
    """What a variant caches for a token."""
    if variant == "MLA":
        return cached_numbers(HEADS, 0, d_latent=d_head)
    return cached_numbers(KV_HEADS[variant], d_head)


def size_for(variant: str, budget: int) -> int:
    """The head, or the latent, that caches so many floats a token."""
    return budget // floats(variant, 1)


def tuned(
    variant: str,
    budget: int,
    steps: int,
    seeds: Sequence[int],
    rates: Sequence[float] = RATES,
    batches: int = TRIED,
) -> tuple[list[dict], list[dict]]:
    """Train a variant at its best rate; the first seed tries the rates.

    Args:
        variant: one of `VARIANTS`.
        budget: floats that it caches for a token.
        steps: of training.
        seeds: of weights and of batches.
        rates: where the search begins.
        batches: of examples to measure on.

    Returns:
        rows of `equal_cache`, and of `equal_cache_rates`.
    """
    d_head = size_for(variant, budget)
    cell = {
        "variant": variant,
        "floats": floats(variant, d_head),
        "head size": d_head,
        "steps": steps,
    }
    models: dict[float, Reader] = {}

    def loss(rate: float) -> float:
        models[rate] = trained(variant, d_head, steps, rate, seeds[0])
        return measured(models[rate], TUNING, batches)["loss"]

    rate, tried = widened(loss, rates)
    rows = []
    for seed in seeds:
        model = models[rate]
        if seed != seeds[0]:
            model = trained(variant, d_head, steps, rate, seed)
        found = measured(model, seed, batches)
        rows.append(
            {
                **cell,
                "parameters": parameters(model),
                "rate": rate,
                "seed": seed,
                "loss": round(found["loss"], 4),
                "accuracy": round(found["accuracy"], 4),
            }
        )
        print(rows[-1], flush=True)
    return rows, [
        {**cell, "rate": each, "seed": seeds[0], "loss": round(tried[each], 4)}
        for each in sorted(tried)
    ]


def slow_or_full(
    variant: str,
    budget: int,
    seeds: Sequence[int],
    steps: int = STEPS,
    rates: Sequence[float] = RATES,
    batches: int = TRIED,
) -> tuple[list[dict], list[dict]]:
    """As `tuned`, and for more steps where these are not enough."""
    rows, tried = tuned(variant, budget, steps, seeds, rates, batches)
    if min(row["accuracy"] for row in rows) < SOLVED:
        best = rows[0]["rate"]
        around = (best / 2, best, best * 2)
        longer = tuned(variant, budget, LONGER * steps, seeds, around, batches)
        rows, tried = rows + longer[0], tried + longer[1]
    return rows, tried


def run(
    variants: Iterable[str] = VARIANTS,
    budgets: Sequence[int] = BUDGETS,
    seeds: Sequence[int] = SEEDS,
    steps: int = STEPS,
    rates: Sequence[float] = RATES,
) -> dict[str, list[dict]]:
    """Tune and train each variant at each budget: the rows of `TABLES`."""
    found = [
        slow_or_full(variant, budget, seeds, steps, rates)
        for variant in variants
        for budget in budgets
    ]
    return {
        name: [row for each in found for row in each[part]]
        for part, name in enumerate(TABLES)
    }


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        run,
        variants=list(VARIANTS),
        budgets=BUDGETS,
        seeds=SEEDS,
        steps=STEPS,
    )
