"""The block of today against that of 2018: which of its parts pay?

    python -m attnbook.experiments.block_parts

trains small decoder-only models on the English text: with the block of 2018,
with one part changed (the norm, the feed-forward network, the positions,
normalised queries and keys, tied embeddings, no biases), with all of them,
and with all but the tied embeddings. All have the same number of steps and
the same number of parameters, within one in a hundred: the hidden layers of
the feed-forward networks are as wide as that allows. It writes two tables.
`block_parts.csv` has one row per design and seed, at the design's best rate:
bits per byte on the held-out text, and the processor's milliseconds of a
training step, measured in turn. `block_rates.csv` has the rates that were
tried, with the first seed, on the validation text, which chooses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from attnbook import train
from attnbook.data.english_text import PYTHON
from attnbook.data.windows import Windows
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.rates import widened
from attnbook.experiments.text_models import (
    BATCH,
    LONGEST,
    WIDTH,
    Text,
    measured,
    text,
    trained,
    untrained,
)
from attnbook.experiments.timing import steps_in_turn
from attnbook.mechanisms.decoder_only import (
    BLOCK_2018,
    BLOCK_TODAY,
    DecoderOnly,
    Design,
)

TABLES = ("block_parts", "block_rates")
DESIGNS = {
    "block of 2018": BLOCK_2018,
    "RMSNorm": replace(BLOCK_2018, norm="rms"),
    "SwiGLU": replace(BLOCK_2018, feed_forward="swiglu"),
    "rotary": replace(BLOCK_2018, positions="rotary"),
    "QK-norm": replace(BLOCK_2018, qk_norm=True),
    "tied": replace(BLOCK_2018, tied=True),
    "no biases": replace(BLOCK_2018, bias=False),
    "all": replace(BLOCK_TODAY, tied=True),
    "all but tied": replace(BLOCK_TODAY, tied=False),
}
STEPS = 200
RATES = (2e-3, 4e-3, 8e-3)  # where the search begins


def parameters(model: DecoderOnly) -> int:
    """Numbers that are trained."""
    return sum(each.numel() for each in model.parameters())


def equal_in_size(
    design: Design, seed: int, of: Text, width: int = WIDTH
) -> DecoderOnly:
    """An untrained model with as many parameters as that of 2018.

    What a design saves elsewhere goes into the hidden layers of its
    feed-forward networks, as far as whole numbers allow.
    """
    wanted = parameters(untrained(BLOCK_2018, seed, of, width))
    one, two = (
        parameters(untrained(design, seed, of, width, d_ff=d_ff))
        for d_ff in (1, 2)
    )
    d_ff = 1 + round((wanted - one) / (two - one))
    return untrained(design, seed, of, width, d_ff=d_ff)


def measure(
    name: str,
    rate: float,
    seed: int,
    of: Text,
    steps: int = STEPS,
    width: int = WIDTH,
) -> dict:
    """Train a design; a row of `block_parts`, without its milliseconds.

    Args:
        name: a key of `DESIGNS`.
        rate: Adam's peak rate.
        seed: of the weights and of the batches.
        of: the text.
        steps: of training.
        width: D.
    """
    model = equal_in_size(DESIGNS[name], seed, of, width)
    trained(model, of, steps, rate, seed)
    bits = measured(model, of)
    row = {
        "design": name,
        "python": PYTHON,
        "parameters": parameters(model),
        "steps": steps,
        "rate": rate,
        "seed": seed,
        "validation": bits["validation"],
        "held-out": bits["held-out"],
    }
    print(row, flush=True)
    return row


def milliseconds(
    designs: Iterable[str], of: Text, repeats: int = 3, rounds: int = 7
) -> dict[str, float]:
    """The median milliseconds of a training step of each design.

    Args:
        designs: keys of `DESIGNS`; they are timed in turn.
        of: the text.
        repeats: of the measurement.
        rounds: steps of each design in a repeat.
    """
    found = steps_in_turn(
        {name: equal_in_size(DESIGNS[name], 0, of) for name in designs},
        Windows(of.parts["train"].ids, LONGEST),
        repeats,
        rounds,
        BATCH,
        train.text_loss,
    )
    return {
        name: float(np.median([each[name] for each in found]))
        for name in found[0]
    }


def run(
    designs: Iterable[str], seeds: Sequence[int], steps: int = STEPS
) -> dict[str, list[dict]]:
    """Tune and train each design: the rows of each of `TABLES`."""
    of = text()
    rows, tried = [], []
    for name in designs:
        found: dict[float, dict] = {}

        def loss(rate, name=name, found=found):
            found[rate] = measure(name, rate, seeds[0], of, steps)
            return found[rate]["validation"]

        rate, _ = widened(loss, RATES)
        tried += [found[each] for each in sorted(found)]
        rows.append(found[rate])
        rows += [measure(name, rate, seed, of, steps) for seed in seeds[1:]]
    took = milliseconds(designs, of)
    rows = [
        {**row, "milliseconds": f"{took[row['design']]:.4g}"} for row in rows
    ]
    kept = ("design", "python", "steps", "rate", "seed", "validation")
    return dict(
        zip(
            TABLES,
            (rows, [{key: row[key] for key in kept} for row in tried]),
            strict=True,
        )
    )


if __name__ == "__main__":
    command(
        __doc__, TABLES, run, designs=list(DESIGNS), seeds=SEEDS, steps=STEPS
    )
