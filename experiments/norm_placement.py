"""Pre-norm or post-norm: the gradient by depth, and what warm-up changes.

    python -m attnbook.experiments.norm_placement

writes two tables beside this file. `norm_placement.csv` holds, for untrained
Transformers of 12 + 12 layers, the norm of the gradient of each layer's
second feed-forward matrix (the one that Xiong et al. 2020 look at), one row a
placement, seed, stack and layer. `warmup.csv` holds short trainings of 6 + 6
layers with and without warm-up, one row a placement, warm-up and seed.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from attnbook import data, train
from attnbook.experiments import FOLDER, write_table
from attnbook.mechanisms.transformer import TransformerTranslator

PLACEMENTS = {"pre-norm": True, "post-norm": False}
DEPTH = 12
TRAINED_DEPTH = 6
WARMUPS = [0, 50]
STEPS = 200
RATE = 3e-3


def translator(task, placement: str, layers: int, seed: int):
    """A fresh translator with that many layers a stack."""
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
        One row a stack and layer, which counts from 1, the first to read.
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


def train_briefly(
    placement: str,
    warmup: int,
    seed: int,
    depth: int = TRAINED_DEPTH,
    steps: int = STEPS,
    progress: bool = True,
) -> dict:
    """Train on 1 to 4 pairs, and give the loss and the exact match."""
    torch.set_num_threads(1)
    task = data.telephone_numbers("de", pairs=(1, 4), longer=None)
    model = translator(task, placement, depth, seed)
    history = train.fit(
        model,
        task,
        steps,
        batch_size=64,
        lr=RATE,
        seed=seed,
        warmup=warmup,
        progress=progress,
    )
    batch = task.sample(250, np.random.default_rng(seed), "held-out")
    return {
        "placement": placement,
        "warm-up": warmup,
        "seed": seed,
        "layers": depth,
        "steps": steps,
        "first loss": round(history.loss[0], 3),
        "last loss": round(float(np.mean(history.loss[-20:])), 3),
        "exact match": round(train.exact_match(model, batch), 4),
    }


def run(
    seeds: Iterable[int], steps: int = STEPS
) -> tuple[list[dict], list[dict]]:
    """The rows of both tables."""
    seeds = list(seeds)
    gradients, trained = [], []
    for placement, seed in itertools.product(PLACEMENTS, seeds):
        gradients += gradient_by_depth(placement, seed)
    for placement, warmup, seed in itertools.product(
        PLACEMENTS, WARMUPS, seeds
    ):
        trained.append(train_briefly(placement, warmup, seed, steps=steps))
        print(trained[-1], flush=True)
    return gradients, trained


def main() -> None:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    gradients, trained = run(arguments.seeds, arguments.steps)
    write_table(arguments.out / "norm_placement.csv", gradients)
    write_table(arguments.out / "warmup.csv", trained)


if __name__ == "__main__":
    main()
