"""Experts against a dense network: per step, per second, and how even.

    python -m attnbook.experiments.experts_or_dense

trains small language models on English. Their feed-forward networks are
dense, or eight experts of which each token goes through two; an expert has
half of the dense hidden layer, so both compute the same FLOPs for a token,
but for the router. Load is balanced by nothing, by the balance loss, or by a
bias. Two controls: a dense network whose output is halved, because the
output of two experts with weights that sum to 1 starts smaller than that of
a dense one; and a dense network with as many weights as all experts.

It writes three tables. `experts_or_dense.csv` has one row per variant, number
of steps and seed, at the best rate of the variant: bits per byte on held-out
text, the entropy of the load there in nats (mean over the layers; log 8 is
2.079 where it is even), and the share of the busiest expert. Some variants are
trained for more steps too. For both numbers of steps there are rows of the
dense network for as many steps as fit into the processor time of the experts
with a bias; the longest has the rate of the steps before it.
`experts_rates.csv` has the rates that were tried, with the first seed, on the
validation text. `experts_times.csv` has the milliseconds of a step, timed in
turn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from attnbook import train
from attnbook.data.english_text import PYTHON
from attnbook.data.windows import Windows
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.rates import widened
from attnbook.experiments.text_models import LONGEST, Text, text
from attnbook.experiments.timing import steps_in_turn
from attnbook.mechanisms.decoder_only import BLOCK_2018, DecoderOnly
from attnbook.mechanisms.experts import (
    Experts,
    balance_loss,
    load_entropy,
    loads,
    update_bias,
)

TABLES = ("experts_or_dense", "experts_rates", "experts_times")
WIDTH, HEADS, LAYERS, BATCH = 64, 4, 2, 16
NUMBER, CHOSEN, HIDDEN = 8, 2, 64  # experts, of a token, and their width
STEPS, LONGER = 200, 600
RATES = (4e-3, 8e-3)  # where the search begins
COEFFICIENT = 0.01  # of the balance loss
BIAS_RATE = 0.01  # by which a bias moves in a step
SMALL = 0.001  # the same, of one more variant
STD = 0.02
DENSE = {  # width of the hidden layer, and a factor for the output
    "dense": (CHOSEN * HIDDEN, 1.0),
    "dense, output halved": (CHOSEN * HIDDEN, 0.5),
    "dense, as many weights": (NUMBER * HIDDEN, 1.0),
}
ROUTED = {
    "experts": 0,
    "experts, loss": 0,
    "experts, bias": 0,
    "experts, bias 0.001": 0,
    "experts, bias, one shared": 1,
}
VARIANTS = (
    "dense",
    "experts, bias",
    "dense, output halved",
    "experts, loss",
    "experts",
    "experts, bias, one shared",
    "dense, as many weights",
    "experts, bias 0.001",
)
AT_LENGTH = (  # trained for more steps too
    "dense",
    "experts",
    "dense, as many weights",
    "experts, bias 0.001",
)
TIMED = VARIANTS[:-1]  # the last one computes what "experts, bias" does


class Scaled(nn.Module):
    """A network whose output is multiplied by a number."""

    def __init__(self, network: nn.Module, scale: float):
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, x: Tensor) -> Tensor:
        """As the network, times the number."""
        return self.scale * self.network(x)


class Routed(nn.Module):
    """Experts in the place of a feed-forward network.

    Args:
        balance: "", "loss", or "bias", which may be followed by its step.
        shared: experts that each token goes through, of the `CHOSEN`.
    """

    def __init__(self, balance: str, shared: int):
        super().__init__()
        self.balance, self.routing = balance, None
        self.experts = Experts(
            WIDTH, HIDDEN, NUMBER - shared, CHOSEN - shared, shared
        )
        nn.init.normal_(self.experts.router.weight, std=STD)
        nn.init.normal_(self.experts.inward, std=STD)
        nn.init.normal_(self.experts.outward, std=STD / (2 * LAYERS) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Send tokens through experts, and keep where they went."""
        y, self.routing = self.experts(x)
        return y


def model_of(variant: str, seed: int, of: Text) -> DecoderOnly:
    """An untrained model."""
    torch.manual_seed(seed)
    hidden, scale = DENSE.get(variant, (1, 1.0))
    model = DecoderOnly(
        of.tokens.size, WIDTH, HEADS, LAYERS, LONGEST, hidden, BLOCK_2018
    )
    for block in model.blocks:
        if variant in ROUTED:
            balance = variant.split(", ")[1] if ", " in variant else ""
            block.feed_forward = Routed(balance, ROUTED[variant])
        else:
            block.feed_forward = Scaled(block.feed_forward, scale)
    return model


def routed(model: nn.Module) -> list[Routed]:
    """The layers of experts of a model."""
    return [each for each in model.modules() if isinstance(each, Routed)]


def loss_of(model: nn.Module, windows: Tensor) -> Tensor:
    """Cross-entropy, with the balance loss; moves the biases."""
    loss = train.text_loss(model, windows)
    layers = routed(model)
    for layer in layers:
        if layer.balance == "loss":
            added = balance_loss(layer.routing) / len(layers)
            loss = loss + COEFFICIENT * added
        if layer.balance.startswith("bias"):
            moe = layer.experts
            load = loads(layer.routing.index, moe.num_experts)
            step = SMALL if "0.001" in layer.balance else BIAS_RATE
            moe.bias = update_bias(moe.bias, load, step)
    return loss


def trained(
    variant: str, of: Text, steps: int, rate: float, seed: int
) -> DecoderOnly:
    """A model, trained."""
    torch.set_num_threads(1)
    model = model_of(variant, seed, of)
    train.fit(
        model,
        Windows(of.parts["train"].ids, LONGEST),
        steps,
        batch_size=BATCH,
        lr=rate,
        seed=seed,
        progress=False,
        loss_of=loss_of,
    )
    return model


def bits(model: DecoderOnly, of: Text, part: str) -> float:
    """Bits per byte on a part of the text."""
    nats = train.text_log_loss(model, of.parts[part].ids, LONGEST)
    return of.bits_per_byte(nats, part)


@torch.no_grad()
def load_of(model: DecoderOnly, of: Text) -> dict[str, float | str]:
    """How even the load is on held-out text, mean over the layers."""
    layers = routed(model)
    if not layers:
        return {"entropy": "", "busiest": ""}
    ids = torch.as_tensor(of.parts["held-out"].ids)
    model(ids[: len(ids) // LONGEST * LONGEST].reshape(-1, LONGEST))
    found = [
        loads(each.routing.index, each.experts.num_experts) for each in layers
    ]
    return {
        "entropy": round(float(np.mean([load_entropy(x) for x in found])), 4),
        "busiest": round(float(np.mean([x.max() for x in found])), 4),
    }


def tuned(
    variant: str,
    of: Text,
    steps: int,
    seeds: Sequence[int],
    first_rates: Sequence[float] = RATES,
) -> tuple[list[dict], list[dict]]:
    """Train a variant at its best rate; the first seed tries the rates.

    Args:
        variant: one of `VARIANTS`.
        of: the text.
        steps: of training.
        seeds: of weights and of batches.
        first_rates: where the search begins.

    Returns:
        rows of `experts_or_dense`, and of `experts_rates`.
    """
    cell = {"variant": variant, "steps": steps, "python": PYTHON}
    models: dict[float, DecoderOnly] = {}

    def loss(rate: float) -> float:
        models[rate] = trained(variant, of, steps, rate, seeds[0])
        return bits(models[rate], of, "validation")

    rate, tried = widened(loss, first_rates)
    rows = at_rate(variant, of, steps, rate, seeds, models[rate])
    rates = [
        {
            **cell,
            "rate": each,
            "seed": seeds[0],
            "validation": round(tried[each], 4),
        }
        for each in sorted(tried)
    ]
    print(rates, flush=True)
    return rows, rates


def at_rate(
    variant: str,
    of: Text,
    steps: int,
    rate: float,
    seeds: Sequence[int],
    first: DecoderOnly | None = None,
) -> list[dict]:
    """Train a variant at one rate, once for each seed.

    Args:
        variant: one of `VARIANTS`.
        of: the text.
        steps: of training.
        rate: the greatest of the training.
        seeds: of weights and of batches.
        first: the model of the first seed, if it is trained already.

    Returns:
        rows of `experts_or_dense`.
    """
    rows = []
    for seed in seeds:
        model, first = first, None
        if model is None:
            model = trained(variant, of, steps, rate, seed)
        rows.append(
            {
                "variant": variant,
                "steps": steps,
                "python": PYTHON,
                "parameters": sum(each.numel() for each in model.parameters()),
                "rate": rate,
                "seed": seed,
                "held-out": round(bits(model, of, "held-out"), 4),
                **load_of(model, of),
            }
        )
        print(rows[-1], flush=True)
    return rows


def times(of: Text, runs: int = 3, rounds: int = 20) -> list[dict]:
    """Milliseconds of a step of each variant, timed in turn."""
    models = {variant: model_of(variant, 0, of) for variant in TIMED}
    windows = Windows(of.parts["train"].ids, LONGEST)
    found = steps_in_turn(models, windows, runs, rounds, BATCH, loss_of)
    return [
        {"variant": variant, "run": number, "ms": round(ms, 3)}
        for number, block in enumerate(found)
        for variant, ms in block.items()
    ]


def as_long(timed: list[dict], steps: int) -> int:
    """Steps of the dense network in the time of the experts' steps."""
    ms = {
        variant: np.median([r["ms"] for r in timed if r["variant"] == variant])
        for variant in ("dense", "experts, bias")
    }
    return round(steps * ms["experts, bias"] / ms["dense"])


def run(
    seeds: Sequence[int] = SEEDS, steps: int = STEPS, longer: int = LONGER
) -> dict[str, list[dict]]:
    """Time, tune and train each variant: the rows of `TABLES`."""
    of = text()
    timed = times(of)
    print(timed, flush=True)
    runs = [(variant, steps) for variant in VARIANTS]
    runs.append(("dense", as_long(timed, steps)))
    runs += [(variant, longer) for variant in AT_LENGTH]
    found = [tuned(variant, of, count, seeds) for variant, count in runs]
    rows, tried = (
        [row for each in found for row in each[part]] for part in (0, 1)
    )
    rate = next(
        row["rate"]
        for row in rows
        if (row["variant"], row["steps"]) == ("dense", longer)
    )
    rows += at_rate("dense", of, as_long(timed, longer), rate, seeds)
    return dict(zip(TABLES, (rows, tried, timed), strict=True))


if __name__ == "__main__":
    command(__doc__, TABLES, run, seeds=SEEDS, steps=STEPS, longer=LONGER)
