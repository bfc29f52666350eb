"""Pre-norm or post-norm: the gradient of each block, before any training.

    python -m attnbook.experiments.norm_placement

writes `norm_placement.csv`: for untrained Transformers of 12 + 12 layers, the
norm of the gradient of each layer's second feed-forward matrix (the one that
Xiong et al. 2020 look at), one row per placement, seed, stack and layer.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import torch

from attnbook import data, train
from attnbook.experiments.command import SEEDS, command
from attnbook.mechanisms.transformer import TransformerTranslator

TABLES = ("norm_placement",)
PLACEMENTS = {"pre-norm": True, "post-norm": False}
DEPTH = 12


def translator(task, placement: str, layers: int, seed: int):
    """A fresh translator with that many layers per stack."""
    torch.manual_seed(seed)
    return TransformerTranslator(
        len(task.source_vocabulary),
        len(task.target_vocabulary),
        num_layers=layers,
        norm_first=PLACEMENTS[placement],
    )


def gradient_by_depth(
    placement: str, seed: int, depth: int = DEPTH, batch_size: int = 64
) -> list[dict]:
    """The gradient's norm in each layer, before any training.

    Args:
        placement: a key of `PLACEMENTS`.
        seed: of the weights and of the batch.
        depth: layers of the encoder, and of the decoder.
        batch_size: telephone numbers of 1 to 8 pairs.

    Returns:
        One row per stack and layer. Layers count from 1, the first to read.
    """
    task = data.telephone_numbers("de", longer=None)
    model = translator(task, placement, depth, seed)
    batch = task.sample(batch_size, np.random.default_rng(seed))
    train.batch_loss(model, batch).backward()
    stacks = {"encoder": model.stacks.encoder, "decoder": model.stacks.decoder}
    return [
        {
            "placement": placement,
            "seed": seed,
            "stack": stack,
            "layer": index + 1,
            "gradient": float(
                f"{layer.feed_forward.narrow.weight.grad.norm():.4g}"
            ),
        }
        for stack, layers in stacks.items()
        for index, layer in enumerate(layers)
    ]


def run(seeds: Iterable[int]) -> list[dict]:
    """The rows of the table."""
    return [
        row
        for placement, seed in itertools.product(PLACEMENTS, seeds)
        for row in gradient_by_depth(placement, seed)
    ]


if __name__ == "__main__":
    command(__doc__, TABLES, run, seeds=SEEDS)
