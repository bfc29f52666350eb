"""A GPT and an n-gram model read the same English: bits per byte and seconds.

    python -m attnbook.experiments.text_models

trains decoder-only models with the block of today, of one width or several,
for several numbers of steps, tunes an n-gram model, and measures all of them
on text that nothing was chosen on.
It writes four tables. `text_models.csv` has one row per model, seed and
number of steps: bits per byte on a sample of the training text, on the
validation text and on the held-out text, and the seconds of training. Each
number of steps is a training of its own, whose rate falls to nothing at its
end. `text_rates.csv` has the rates that were tried, with the first seed, on
the validation text. `n_gram_orders.csv` has the orders and the discounts of
the n-gram model, on the same. `text_times.csv` has the seconds of one step,
and of fitting the n-gram model, measured in turn several times.

Seconds are those of the processor (`time.process_time`) in one thread: the
steps, times the median of a step in `text_times`, so that what else the
machine does slows all models alike. They are those of training alone, not of
tokenizing, measuring or tuning. All models read the tokens of one byte-pair
tokenizer, learnt from the training text. The text differs between versions
of Python, so the tables name theirs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import nn

from attnbook import train
from attnbook.data.english_text import PYTHON, english
from attnbook.data.windows import Windows
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.rates import widened
from attnbook.experiments.timing import steps_in_turn
from attnbook.mechanisms.byte_pairs import BytePairs
from attnbook.mechanisms.decoder_only import (
    BLOCK_TODAY,
    DecoderOnly,
    Design,
)
from attnbook.mechanisms.n_gram import NGram

TABLES = ("text_models", "text_rates", "n_gram_orders", "text_times")
VOCABULARY = 1024
LONGEST = 64  # tokens
WIDTH, HEADS, LAYERS = 64, 4, 2
WIDTHS = (WIDTH, 96)
BATCH = 16  # windows a step
STEPS = (100, 200, 400, 800, 1600)
RATES = (4e-3, 8e-3, 16e-3)  # where the search begins
ORDERS = (1, 2, 3, 4, 5, 6, 8)
DISCOUNTS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Part:
    """A part of the text: its ids, and its bytes in UTF-8."""

    ids: list[int]
    bytes: int


@dataclass(frozen=True)
class Text:
    """The English text in tokens.

    tokens  the tokenizer
    parts   by name; "train" is whole, "sample" are pieces of it, in all as
            long as the held-out text
    """

    tokens: BytePairs
    parts: dict[str, Part]

    def bits_per_byte(self, nats: float, part: str) -> float:
        """Turn the log loss of a part into bits for each of its bytes."""
        return nats / math.log(2) / self.parts[part].bytes


@cache
def text(vocabulary: int = VOCABULARY) -> Text:
    """The text, in tokens that were learnt from its training part."""
    whole = english("train")
    tokens = BytePairs.learn(whole, vocabulary)
    written = {part: english(part) for part in ("validation", "held-out")}
    written["train"] = whole
    written["sample"] = "".join(
        whole[at : at + 2000] for at in range(0, len(whole), 16_000)
    )
    parts = {
        part: Part(tokens.encode(its), len(its.encode()))
        for part, its in written.items()
    }
    return Text(tokens, parts)


def measured(model: nn.Module, of: Text) -> dict[str, float]:
    """Bits per byte of a language model, by part of the text."""
    return {
        part: round(
            of.bits_per_byte(
                train.text_log_loss(model, of.parts[part].ids, model.longest),
                part,
            ),
            4,
        )
        for part in ("sample", "validation", "held-out")
    }


def untrained(
    design: Design, seed: int, of: Text, width: int = WIDTH, **sizes: int
) -> DecoderOnly:
    """A fresh model of the study's size; `sizes` as `DecoderOnly` has them."""
    torch.manual_seed(seed)
    sizes = {"num_heads": HEADS, "num_layers": LAYERS} | sizes
    return DecoderOnly(
        of.tokens.size, width, longest=LONGEST, design=design, **sizes
    )


def trained(
    model: DecoderOnly, of: Text, steps: int, rate: float, seed: int
) -> None:
    """Train a model on the text."""
    torch.set_num_threads(1)
    train.fit(
        model,
        Windows(of.parts["train"].ids, LONGEST),
        steps,
        batch_size=BATCH,
        lr=rate,
        seed=seed,
        progress=False,
        loss_of=train.text_loss,
    )


def name_of(width: int) -> str:
    """What the tables call a model of this width."""
    return f"GPT, d = {width}"


def gpt(width: int, steps: int, rate: float, seed: int, of: Text) -> dict:
    """Train a model; a row of `text_models`, without its seconds.

    Args:
        width: D.
        steps: of training, `BATCH` windows each.
        rate: Adam's peak rate.
        seed: of the weights and of the batches.
        of: the text.
    """
    model = untrained(BLOCK_TODAY, seed, of, width)
    trained(model, of, steps, rate, seed)
    row = {
        "model": name_of(width),
        "python": PYTHON,
        "vocabulary": of.tokens.size,
        "parameters": sum(each.numel() for each in model.parameters()),
        "seed": seed,
        "rate": rate,
        "order": "",
        "discount": "",
        "steps": steps,
        **measured(model, of),
    }
    print(row, flush=True)
    return row


def gpts(
    widths: Iterable[int],
    steps: Iterable[int],
    seeds: Sequence[int],
    of: Text,
    rates: Sequence[float] = RATES,
) -> tuple[list[dict], list[dict]]:
    """Train each width for each number of steps, at its best rate.

    The first seed tries the rates, and the validation text chooses; the next
    number of steps begins its search where the last one ended.

    Returns:
        rows of `text_models`, and of `text_rates`.
    """
    rows, tried = [], []
    for width in widths:
        around = tuple(rates)
        for count in sorted(steps):
            found: dict[float, dict] = {}

            def loss(rate, width=width, count=count, found=found):
                found[rate] = gpt(width, count, rate, seeds[0], of)
                return found[rate]["validation"]

            rate, _ = widened(loss, around)
            around = (rate / 2, rate, rate * 2)
            tried += [found[each] for each in sorted(found)]
            rows.append(found[rate])
            rows += [gpt(width, count, rate, seed, of) for seed in seeds[1:]]
    kept = ("model", "python", "seed", "steps", "rate", "sample", "validation")
    return rows, [{key: row[key] for key in kept} for row in tried]


def n_grams(of: Text) -> tuple[list[dict], list[dict]]:
    """Tune the n-gram model: the best discount of each order.

    Returns:
        rows of `text_models`, one for each order, and of `n_gram_orders`.
    """
    ids, size = of.parts["train"].ids, of.tokens.size
    rows, tried = [], []
    for order in ORDERS:
        of_order = []
        for discount in DISCOUNTS:
            model = NGram.fit(ids, order, size, discount)
            found = {
                part: round(
                    of.bits_per_byte(model.log_loss(of.parts[part].ids), part),
                    4,
                )
                for part in ("sample", "validation", "held-out")
            }
            tried.append(
                {
                    "python": PYTHON,
                    "order": order,
                    "discount": discount,
                    "validation": found["validation"],
                }
            )
            of_order.append(
                {
                    "model": "n-gram",
                    "python": PYTHON,
                    "vocabulary": size,
                    "parameters": "",
                    "seed": "",
                    "rate": "",
                    "order": order,
                    "discount": discount,
                    "steps": "",
                    **found,
                }
            )
        rows.append(min(of_order, key=lambda row: row["validation"]))
        print(rows[-1], flush=True)
    return rows, tried


def best_n_gram(rows: Iterable[dict]) -> dict:
    """The row of the n-gram model that the validation text chooses."""
    return min(
        (row for row in rows if row["model"] == "n-gram"),
        key=lambda row: row["validation"],
    )


def times(
    widths: Iterable[int], of: Text, repeats: int = 5, rounds: int = 9
) -> list[dict]:
    """The seconds of a training step, and of fitting an n-gram model.

    Args:
        widths: D of each model.
        of: the text.
        repeats: of the measurement.
        rounds: steps in a repeat, of which the median is taken.

    Returns:
        rows of `text_times`.
    """
    models = {
        name_of(width): untrained(BLOCK_TODAY, 0, of, width)
        for width in widths
    }
    ids = of.parts["train"].ids
    steps = steps_in_turn(
        models,
        Windows(ids, LONGEST),
        repeats,
        rounds,
        BATCH,
        train.text_loss,
    )
    rows = []
    for repeat, milliseconds in enumerate(steps):
        found = {name: ms / 1e3 for name, ms in milliseconds.items()}
        for order in ORDERS:
            started = time.process_time()
            NGram.fit(ids, order, of.tokens.size)
            found[f"n-gram, order {order}"] = time.process_time() - started
        rows += [
            {
                "model": name,
                "python": PYTHON,
                "repeat": repeat,
                "seconds": f"{seconds:.4g}",
            }
            for name, seconds in found.items()
        ]
    return rows


def with_seconds(rows: Iterable[dict], timed: Iterable[dict]) -> list[dict]:
    """The rows of `text_models`, with the seconds that follow from others.

    Args:
        rows: without seconds, or with others.
        timed: rows of `text_times`.
    """
    measured: dict[str, list[float]] = {}
    for row in timed:
        measured.setdefault(row["model"], []).append(float(row["seconds"]))
    median = {name: float(np.median(each)) for name, each in measured.items()}
    complete = []
    for row in rows:
        name = row["model"]
        if name == "n-gram":
            seconds = median[f"n-gram, order {row['order']}"]
        else:
            seconds = row["steps"] * median[name]
        complete.append({**row, "seconds": f"{seconds:.4g}"})
    return complete


def crossing(points: Sequence[tuple[float, float]], level: float) -> float:
    """The seconds after which a falling curve reaches a level.

    Between two points the curve is straight over the logarithm of the
    seconds.

    Args:
        points: seconds and bits per byte, in the order of the seconds.
        level: bits per byte.

    Returns:
        seconds; infinity where the curve does not come down to the level.
    """
    before = None
    for seconds, bits in points:
        if bits <= level:
            if before is None:
                return seconds
            share = (before[1] - level) / (before[1] - bits)
            return before[0] * (seconds / before[0]) ** share
        before = seconds, bits
    return math.inf


def crossings(
    rows: Sequence[dict], width: int, order: int | None = None
) -> list[float]:
    """Seconds after which each seed passes the n-gram model, held out.

    Args:
        rows: of `text_models`.
        width: D.
        order: of the n-gram model; if None, the one that the validation text
            chooses.
    """
    n_gram = best_n_gram(
        row for row in rows if order is None or row["order"] in (order, "")
    )
    level = n_gram["held-out"]
    of_width = [row for row in rows if row["model"] == name_of(width)]
    return [
        crossing(
            sorted(
                (float(row["seconds"]), row["held-out"])
                for row in of_width
                if row["seed"] == seed
            ),
            level,
        )
        for seed in sorted({row["seed"] for row in of_width})
    ]


def run(
    seeds: Sequence[int], widths: Sequence[int], steps: Sequence[int]
) -> dict[str, list[dict]]:
    """Tune, train and measure: the rows of each of `TABLES`."""
    of = text()
    counted, orders = n_grams(of)
    learnt, tried = gpts(widths, steps, seeds, of)
    timed = times(widths, of)
    rows = with_seconds(counted + learnt, timed)
    return dict(zip(TABLES, (rows, tried, orders, timed), strict=True))


if __name__ == "__main__":
    command(__doc__, TABLES, run, seeds=SEEDS, widths=WIDTHS, steps=STEPS)
