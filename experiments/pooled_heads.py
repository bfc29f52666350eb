"""From trained heads to shared ones: pooling, and a little more training.

    python -m attnbook.experiments.pooled_heads

trains a small decoder-only model with multi-head attention on the English
text. Then its four heads of keys and values become two or one, in three ways:
the mean of each group's heads, the first head of each group, or random
weights, which forget what was learnt. The new model is measured at once, and
after a twentieth and a fifth as many steps again. Ainslie et al. (2023),
section 2.1 and figure 4, did this with T5.

It writes two tables. `pooled_heads.csv` has one row per model, seed and
number of further steps: bits per byte on the validation and on the held-out
text. For comparison it has the multi-head model itself, trained as much
further, and models that had fewer heads of keys and values from the beginning
and all steps in one. Rates are tuned for each: `pooled_rates.csv` has those
that were tried, with the first seed, on the validation text, which chooses.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import torch

from attnbook import train
from attnbook.data.english_text import PYTHON
from attnbook.data.windows import Windows
from attnbook.experiments.command import command
from attnbook.experiments.fewer_keys import (
    HEADS,
    RATES,
    STEPS,
    bits,
    cached_floats,
    sharing,
)
from attnbook.experiments.rates import widened
from attnbook.experiments.text_models import BATCH, LONGEST, Text, text
from attnbook.mechanisms.decoder_only import DecoderOnly
from attnbook.mechanisms.sharing_heads import pooled_decoder

TABLES = ("pooled_heads", "pooled_rates")
SEEDS = (0, 1, 2, 3, 4)  # three agree where a fourth does not
GROUPS = (2, 1)
WAYS = ("mean", "first", "random")
SHARES = (0.05, 0.2)  # of the first steps, trained further
FURTHER_RATES = (1e-3, 2e-3, 4e-3)  # where the search begins

Tried = dict[float, tuple[float, DecoderOnly]]


def trained_on(
    model: DecoderOnly, of: Text, steps: int, rate: float, seed: int
) -> DecoderOnly:
    """A copy of a model, trained for so many steps."""
    torch.set_num_threads(1)
    model = copy.deepcopy(model)
    train.fit(
        model,
        Windows(of.parts["train"].ids, LONGEST),
        steps,
        batch_size=BATCH,
        lr=rate,
        seed=seed,
        warmup=min(50, steps // 4),
        progress=False,
        loss_of=train.text_loss,
    )
    return model


class Study:
    """Rates are found with the first seed and kept for the others.

    Args:
        of: the text.
        steps: of the first training.
        shares: of these, trained further.
    """

    def __init__(self, of: Text, steps: int, shares: Sequence[float]):
        self.of, self.steps, self.shares = of, steps, shares
        self.rates: dict[tuple, float] = {}
        self.rows: list[dict] = []
        self.tried: list[dict] = []

    def train(
        self,
        name: dict,
        start: DecoderOnly,
        steps: int,
        seed: int,
        rates: Sequence[float],
    ) -> DecoderOnly:
        """Train at the rate of that name, and find it if there is none.

        Args:
            name: columns that say what this is, and on which the rate
                depends.
            start: where training starts; it stays as it is.
            steps: of training.
            seed: of the batches.
            rates: where the search begins; a single one is taken as it is.
        """
        key = (*name.values(), steps)
        if len(rates) == 1:
            self.rates[key] = rates[0]
        if key in self.rates:
            return trained_on(start, self.of, steps, self.rates[key], seed)
        found: dict[float, DecoderOnly] = {}

        def loss(rate: float) -> float:
            found[rate] = trained_on(start, self.of, steps, rate, seed)
            return bits(found[rate], self.of)["validation"]

        self.rates[key], tried = widened(loss, rates)
        self.tried += [
            {
                **name,
                "python": PYTHON,
                "training": steps,
                "rate": rate,
                "seed": seed,
                "validation": tried[rate],
            }
            for rate in sorted(tried)
        ]
        return found[self.rates[key]]

    def note(
        self, name: dict, further: int, seed: int, model: DecoderOnly
    ) -> None:
        """Measure a model: a row of `pooled_heads`."""
        self.rows.append(
            {
                **name,
                "python": PYTHON,
                "floats": cached_floats(model),
                "steps": self.steps,
                "further": further,
                "seed": seed,
                **bits(model, self.of),
            }
        )
        print(self.rows[-1], flush=True)

    def add(
        self,
        seed: int,
        groups: Iterable[int],
        ways: Iterable[str],
        rates: Sequence[float],
        further_rates: Sequence[float],
    ) -> None:
        """Everything with one seed."""
        more = [round(share * self.steps) for share in self.shares]
        torch.manual_seed(seed)
        plain = sharing(HEADS)(self.of.tokens.size)
        name = {"model": "multi-head", "groups": HEADS}
        first = self.train(name, plain, self.steps, seed, rates)
        starts = {("multi-head", HEADS): first} | {
            (f"pooled, {way}", G): pooled_decoder(first, G, way)
            for G in groups
            for way in ways
        }
        for (model, G), start in starts.items():
            name = {"model": model, "groups": G}
            self.note(name, 0, seed, start)
            for steps in more:
                further = self.train(
                    name, start, steps, seed + 100, further_rates
                )
                self.note(name, steps, seed, further)
        for G in groups:
            name = {"model": "from the beginning", "groups": G}
            torch.manual_seed(seed)
            start = sharing(G)(self.of.tokens.size)
            whole = self.train(name, start, self.steps + more[-1], seed, rates)
            self.note(name, more[-1], seed, whole)


def run(
    seeds: Sequence[int] = SEEDS,
    groups: Sequence[int] = GROUPS,
    steps: int = STEPS,
    ways: Sequence[str] = WAYS,
    rates: Sequence[float] = RATES,
    further_rates: Sequence[float] = FURTHER_RATES,
) -> dict[str, list[dict]]:
    """Train, pool and train further: the rows of each of `TABLES`."""
    study = Study(text(), steps, SHARES)
    for seed in seeds:
        study.add(seed, groups, ways, rates, further_rates)
    return dict(zip(TABLES, (study.rows, study.tried), strict=True))


if __name__ == "__main__":
    command(__doc__, TABLES, run, seeds=SEEDS, groups=GROUPS, steps=STEPS)
