"""What fewer keys cost on English: heads, layers and latents that share.

    python -m attnbook.experiments.fewer_keys

trains small decoder-only models on the English text. They differ in what they
cache: keys and values of all four heads of both layers, of two groups, of one
head, of one layer for both, or a latent and a rotary key. Some of them cache
equally many floats a token, in different ways. All have the same number of
steps and the same number of parameters, within one in a hundred: the hidden
layers of the feed-forward networks are as wide as that allows. It writes two
tables. `fewer_keys.csv` has one row per variant and seed, at the variant's
best rate: bits per byte on the validation and on the held-out text.
`fewer_keys_rates.csv` has the rates that were tried, with the first seed, on
the validation text, which chooses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import torch
from torch import nn

from attnbook import train
from attnbook.data.english_text import PYTHON
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.rates import widened
from attnbook.experiments.text_models import LONGEST, Text, text, trained
from attnbook.mechanisms.decoder_only import BLOCK_TODAY, DecoderOnly
from attnbook.mechanisms.sharing_heads import LatentDecoder, SharingDecoder

TABLES = ("fewer_keys", "fewer_keys_rates")
WIDTH, HEADS, LAYERS = 64, 4, 2
DESIGN = replace(BLOCK_TODAY, qk_norm=False)
STEPS = 300
RATES = (4e-3, 8e-3, 16e-3)  # where the search begins
ROTARY = 8  # features of the rotary key

Build = Callable[..., DecoderOnly]


def sharing(num_kv_heads: int, owners: tuple[int, ...] = (0, 1)) -> Build:
    """How to build a model whose heads, or layers, share keys."""

    def build(vocabulary: int, d_ff: int | None = None) -> DecoderOnly:
        return SharingDecoder(
            vocabulary,
            WIDTH,
            HEADS,
            LAYERS,
            LONGEST,
            num_kv_heads,
            owners,
            d_ff,
            DESIGN,
        )

    return build


def latent(d_latent: int) -> Build:
    """How to build a model that caches a latent and a rotary key."""

    def build(vocabulary: int, d_ff: int | None = None) -> DecoderOnly:
        return LatentDecoder(
            vocabulary,
            WIDTH,
            HEADS,
            LAYERS,
            LONGEST,
            d_latent,
            ROTARY,
            d_ff,
            DESIGN,
        )

    return build


VARIANTS: dict[str, Build] = {
    "MHA": sharing(HEADS),
    "two groups": sharing(2),
    "MHA, layers share": sharing(HEADS, (0, 0)),
    "MQA": sharing(1),
    "MLA, latent of 24": latent(24),
    "MQA, layers share": sharing(1, (0, 0)),
}


def parameters(model: nn.Module) -> int:
    """Numbers that are trained."""
    return sum(each.numel() for each in model.parameters())


def cached_floats(model: DecoderOnly) -> int:
    """What a model caches for a token, in all layers."""
    layers, heads, of_key, of_value = model.cache_sizes
    return layers * heads * (of_key + of_value)


def untrained(variant: str, seed: int, vocabulary: int) -> DecoderOnly:
    """A model with as many parameters as the first variant has."""
    build = VARIANTS[variant]
    wanted = parameters(VARIANTS["MHA"](vocabulary))
    one, two = (parameters(build(vocabulary, d_ff)) for d_ff in (1, 2))
    d_ff = 1 + round((wanted - one) / (two - one))
    torch.manual_seed(seed)
    return build(vocabulary, d_ff)


def bits(model: nn.Module, of: Text) -> dict[str, float]:
    """Bits per byte on the validation and on the held-out text."""
    found = {}
    for part in ("validation", "held-out"):
        ids, size = of.parts[part].ids, of.parts[part].bytes
        nats = train.text_log_loss(model, ids, LONGEST)
        found[part] = round(nats / math.log(2) / size, 4)
    return found


def measure(
    variant: str, rate: float, seed: int, of: Text, steps: int = STEPS
) -> dict:
    """Train a variant; a row of `fewer_keys`.

    Args:
        variant: a key of `VARIANTS`.
        rate: Adam's peak rate.
        seed: of the weights and of the batches.
        of: the text.
        steps: of training.
    """
    model = untrained(variant, seed, of.tokens.size)
    trained(model, of, steps, rate, seed)
    row = {
        "variant": variant,
        "floats": cached_floats(model),
        "python": PYTHON,
        "parameters": parameters(model),
        "steps": steps,
        "rate": rate,
        "seed": seed,
        **bits(model, of),
    }
    print(row, flush=True)
    return row


def tuned(
    variant: str,
    seeds: Sequence[int],
    of: Text,
    steps: int = STEPS,
    rates: Sequence[float] = RATES,
) -> tuple[list[dict], list[dict]]:
    """Train a variant at its best rate, which the first seed chooses.

    Returns:
        rows of `fewer_keys`, and of `fewer_keys_rates`.
    """
    found: dict[float, dict] = {}

    def loss(rate: float) -> float:
        found[rate] = measure(variant, rate, seeds[0], of, steps)
        return found[rate]["validation"]

    rate, _ = widened(loss, rates)
    kept = ("variant", "python", "steps", "rate", "seed", "validation")
    rows = [found[rate]]
    rows += [measure(variant, rate, seed, of, steps) for seed in seeds[1:]]
    return rows, [
        {key: found[each][key] for key in kept} for each in sorted(found)
    ]


def run(
    variants: Iterable[str] = tuple(VARIANTS),
    seeds: Sequence[int] = SEEDS,
    steps: int = STEPS,
    rates: Sequence[float] = RATES,
) -> dict[str, list[dict]]:
    """Tune and train each variant: the rows of each of `TABLES`."""
    of = text()
    found = [tuned(variant, seeds, of, steps, rates) for variant in variants]
    return {
        name: [row for each in found for row in each[part]]
        for part, name in enumerate(TABLES)
    }


if __name__ == "__main__":
    command(
        __doc__, TABLES, run, variants=list(VARIANTS), seeds=SEEDS, steps=STEPS
    )
