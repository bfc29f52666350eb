"""Luong's table: score × window × input feeding, at rates of their own.

    python -m attnbook.experiments.score_functions

trains each combination on German telephone numbers of 1 to 6 pairs, once per
seed, with Bahdanau's model of chapter 01 for comparison. It writes
`score_functions.csv`, one row per combination and seed, and
`score_rates.csv`, what each learning rate reached on numbers of the training
split. From these the rate of a score is chosen, once without feeding and once
with it; a window, a wide encoder and a constant that is fed take the same
rate. The grid has one rate more than those of other studies, since *dot* and
*location* are best at the third.

With `--scores`, `--windows` or `--feeding` only those combinations are
trained, and their rows replace the old ones in tables whose other rows stay.

Exact match is measured at 2 pairs and more: only ten numbers of one pair are
held out, too few to measure on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from attnbook import data, train
from attnbook.experiments import FOLDER, table
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.rates import RATES as USUAL_RATES
from attnbook.experiments.rates import tuned
from attnbook.mechanisms.luong import LuongTranslator
from attnbook.mechanisms.recurrent import AdditiveTranslator

TABLES = ("score_functions", "score_rates")


class Combination(NamedTuple):
    """One line of the table."""

    score: str  # or "Bahdanau", for the model of chapter 01
    window: str
    half_width: int  # of a local window, in tokens; 0 for global
    feeding: str  # "no", "yes", or "constant": see `ConstantFed`


RATES = (*USUAL_RATES, 1e-1)
STEPS = 300
SHORTEST = 2
TRAINED_TO = 6
LONGEST = 8
SLOPE = 1.27  # tokens per digit, the mean over telephone numbers in German
COMBINATIONS = [
    Combination("dot", "global", 0, "no"),
    Combination("general", "global", 0, "no"),
    Combination("concat", "global", 0, "no"),
    Combination("concat, simplified", "global", 0, "no"),
    Combination("location", "global", 0, "no"),
    Combination("general", "global", 0, "yes"),
    Combination("general", "global", 0, "constant"),
    Combination("location", "global", 0, "yes"),
    Combination("general", "local-m", 3, "yes"),
    Combination("general", "local-m, scaled", 3, "yes"),
    Combination("general", "local-p", 10, "yes"),
    Combination("general, wide encoder", "global", 0, "no"),
    Combination("Bahdanau", "global", 0, "yes"),
]
SCORES = list(dict.fromkeys(c.score for c in COMBINATIONS))
WINDOWS = list(dict.fromkeys(c.window for c in COMBINATIONS))
FEEDING = list(dict.fromkeys(c.feeding for c in COMBINATIONS))


class ConstantFed(LuongTranslator):
    """Input feeding with ones in the place of what was read.

    Its GRU is as wide as with input feeding, and learns nothing of the past.
    """

    def step(self, token: Tensor, state, memory):
        """One decoding step; see `LuongTranslator`."""
        ones = torch.ones_like(state.attentional)
        return super().step(token, state._replace(attentional=ones), memory)


def build(
    combination: Combination, source_vocabulary: int, target_vocabulary: int
) -> nn.Module:
    """The translator of a combination.

    In "concat, simplified" the half of the matrix that belongs to the keys is
    the identity and is not trained, as in Luong et al. (2015), footnote 15.
    A "wide encoder" is as wide as Bahdanau's: 64 in each direction.

    Args:
        combination: one of `COMBINATIONS`.
        source_vocabulary: number of source tokens.
        target_vocabulary: number of target tokens.
    """
    sizes = source_vocabulary, target_vocabulary
    score, window, half_width, feeding = combination
    if score == "Bahdanau":
        return AdditiveTranslator(*sizes)
    kind = ConstantFed if feeding == "constant" else LuongTranslator
    name, _, variant = score.partition(", ")
    model = kind(
        *sizes,
        score=name,
        window=window.removesuffix(", scaled"),
        half_width=half_width or 1,
        input_feeding=feeding != "no",
        slope=SLOPE if window.endswith("scaled") else 1,
        encoder_size=64 if variant == "wide encoder" else None,
    )
    if variant == "simplified":
        nn.init.eye_(model.score.key_projection.weight)
        model.score.key_projection.weight.requires_grad_(False)
    return model


def run(
    combinations: Iterable[Combination] = COMBINATIONS,
    seeds: Iterable[int] = SEEDS,
    steps: int = STEPS,
    trained_to: int = TRAINED_TO,
    longest: int = LONGEST,
    count: int = 250,
    rates: Iterable[float] = RATES,
    known: dict[Combination, float] | None = None,
) -> dict[str, list[dict]]:
    """Train each combination at its score's rate, measure it, per seed.

    Args:
        combinations: what to train.
        seeds: of weights and batches.
        steps: of training, 128 examples each.
        trained_to: greatest number of pairs in training.
        longest: greatest number of pairs measured.
        count: held-out examples per length.
        rates: to choose from.
        known: rates of bases that are not among the combinations.

    Returns:
        For each of `TABLES` its rows.

    Raises:
        KeyError: for a combination whose base has no rate yet.
    """
    torch.set_num_threads(1)
    task = data.telephone_numbers(
        "de", pairs=(1, trained_to), longer=(trained_to + 1, longest)
    )
    sizes = len(task.source_vocabulary), len(task.target_vocabulary)
    rows, rate_rows = [], []
    chosen = dict(known or {})
    for combination in combinations:
        own = combination == base(combination)
        found = tuned(
            lambda c=combination: build(c, *sizes),
            task,
            trained_to,
            steps,
            seeds,
            list(rates) if own else [chosen[base(combination)]],
        )
        if own:
            chosen[combination] = found.rate
            rate_rows += [
                combination._asdict()
                | {"rate": rate, "exact match": round(reached, 4)}
                for rate, reached in found.tried.items()
            ]
        for seed, model in found.models.items():
            rows.append(
                {
                    **combination._asdict(),
                    "rate": found.rate,
                    "seed": seed,
                    **measured(model, task, trained_to, longest, count),
                }
            )
            print(rows[-1], flush=True)
    return dict(zip(TABLES, [rows, rate_rows], strict=True))


def base(combination: Combination) -> Combination:
    """The combination whose learning rate this one takes, perhaps its own.

    A window, a wide encoder and a constant that is fed take the rate of the
    same score with global attention.
    """
    score = combination.score.removesuffix(", wide encoder")
    feeding = "yes" if combination.feeding == "yes" else "no"
    return Combination(score, "global", 0, feeding)


def measured(
    model: nn.Module, task, trained_to: int, longest: int, count: int
) -> dict[str, float]:
    """The size, exact match and alignment of a trained model.

    Exact match is the mean over the lengths from `SHORTEST` to `trained_to`,
    the mean over the longer ones, and, by its number of pairs, each length.

    Args:
        model: a translator.
        task: from `attnbook.data`.
        trained_to: greatest number of pairs in training.
        longest: greatest number of pairs measured.
        count: held-out examples per length.
    """
    known = train.accuracy_by_length(
        model, task, range(SHORTEST, trained_to + 1), "held-out", count
    )
    longer = train.accuracy_by_length(
        model, task, range(trained_to + 1, longest + 1), "longer", count
    )
    trained = [p.numel() for p in model.parameters() if p.requires_grad]
    return {
        "parameters": sum(trained),
        "exact match": round(float(np.mean(list(known.values()))), 4),
        "exact match, longer": round(float(np.mean(list(longer.values()))), 4),
        **alignment(model, task, trained_to),
        **{str(n): round(x, 4) for n, x in (known | longer).items()},
    }


@torch.no_grad()
def alignment(model: nn.Module, task, length: int) -> dict[str, float]:
    """How well the weights agree with the truth, at one length.

    "alignment" is the weight on true tokens. A row of local-p sums to less
    than 1, so its weights are scaled to the sum 1 first. "largest weight" is
    the share of the digits whose largest weight lies on a true token.
    """
    batch = task.collate(task.examples(250, "held-out", length=length))
    _, weights = model(batch.source, batch.source_mask, batch.target_in)
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)
    largest = nn.functional.one_hot(weights.argmax(-1), weights.shape[-1])
    return {
        name: round(train.alignment_score(each, batch.alignment), 4)
        for name, each in (
            ("alignment", weights),
            ("largest weight", largest.float()),
        )
    }


def completed(
    scores: Iterable[str],
    windows: Iterable[str],
    feeding: Iterable[str],
    seeds: Iterable[int],
    steps: int,
) -> dict[str, list[dict]]:
    """Train some of the combinations; the tables, with the other rows."""
    chosen = [
        c
        for c in COMBINATIONS
        if c.score in scores and c.window in windows and c.feeding in feeding
    ]
    known = {}
    if (FOLDER / "score_functions.csv").exists():
        known = {
            combination_of(row): row["rate"]
            for row in table("score_functions")
        }
    found = run(chosen, seeds, steps, known=known)
    return {name: merged(name, rows) for name, rows in found.items() if rows}


def merged(name: str, rows: list[dict]) -> list[dict]:
    """The committed table with the rows of the combinations in `rows` new.

    Args:
        name: of the table.
        rows: the new rows, of some of the combinations.

    Returns:
        Rows in the order of `COMBINATIONS`.
    """
    new = {combination_of(row) for row in rows}
    old = table(name) if (FOLDER / f"{name}.csv").exists() else []
    kept = [row for row in old if combination_of(row) not in new]
    for row in kept:
        for column in {"half_width", "seed", "parameters"} & set(row):
            row[column] = int(row[column])
    return sorted(
        kept + rows, key=lambda row: COMBINATIONS.index(combination_of(row))
    )


def combination_of(row: dict) -> Combination:
    """Which combination a row of a table belongs to."""
    score, window, half_width, feeding = (
        row[field] for field in Combination._fields
    )
    return Combination(score, window, int(half_width), feeding)


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        completed,
        scores=SCORES,
        windows=WINDOWS,
        feeding=FEEDING,
        seeds=SEEDS,
        steps=STEPS,
    )
