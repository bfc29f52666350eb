"""Pre-norm or post-norm: the gradient by depth, and what warm-up changes.

    python -m attnbook.experiments.norm_placement

writes three tables. `norm_placement.csv` holds, for untrained Transformers of
12 + 12 layers, the norm of the gradient of each layer's second feed-forward
matrix (the one that Xiong et al. 2020 look at), one row a placement, seed,
stack and layer. `starved_decoder.csv` asks where post-norm's decoder loses its
gradient: the last layer's over the first's, one row a memory and seed.
`warmup.csv` holds short trainings of 6 + 6 layers with and without warm-up,
one row a placement, warm-up and seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from attnbook import data, train
from attnbook.experiments.command import SEEDS, command
from attnbook.mechanisms.transformer import TransformerTranslator

TABLES = ("norm_placement", "starved_decoder", "warmup")
PLACEMENTS = {"pre-norm": True, "post-norm": False}
MEMORIES = ("the encoder's", "noise", "cross-attention silent")
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


def decoder_gradients(
    memory: str, seed: int, depth: int = DEPTH, batch_size: int = 64
) -> dict:
    """How much of the gradient post-norm's first decoder layer gets.

    Args:
        memory: one of `MEMORIES`: what cross-attention reads, or that what
            it reads is multiplied by zero.
        seed: of the weights and of the batch.
        depth: layers of the encoder, and of the decoder.
        batch_size: telephone numbers of 1 to 8 pairs.

    Raises:
        ValueError: if the memory is not one of `MEMORIES`.
    """
    if memory not in MEMORIES:
        raise ValueError(
            f"memory is {memory!r}; expected one of {', '.join(MEMORIES)}"
        )
    task = data.telephone_numbers("de", longer=None)
    model = translator(task, "post-norm", depth, seed)
    layers = model.stacks.decoder
    if memory == "cross-attention silent":
        for layer in layers:
            for tensor in layer.cross_attention.output_projection.parameters():
                nn.init.zeros_(tensor)
    batch = task.sample(batch_size, np.random.default_rng(seed))
    read = model.encode(batch.source, batch.source_mask)  # (B, S, D)
    if memory == "noise":
        read = torch.randn_like(read)
    output, _ = model.decode(batch.target_in, read, batch.source_mask)
    logits = model.readout(output)[batch.target_mask]
    F.cross_entropy(logits, batch.target_out[batch.target_mask]).backward()
    first, last = (
        layers[at].feed_forward.narrow.weight.grad.norm() for at in (0, -1)
    )
    return {
        "memory": memory,
        "seed": seed,
        "last over first": float(f"{last / first:.4g}"),
    }


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


def run(seeds: Iterable[int], steps: int = STEPS) -> dict[str, list[dict]]:
    """The rows of each of `TABLES`."""
    seeds = list(seeds)
    gradients, trained = [], []
    for placement, seed in itertools.product(PLACEMENTS, seeds):
        gradients += gradient_by_depth(placement, seed)
    starved = [
        decoder_gradients(memory, seed)
        for memory, seed in itertools.product(MEMORIES, seeds)
    ]
    for placement, warmup, seed in itertools.product(
        PLACEMENTS, WARMUPS, seeds
    ):
        trained.append(train_briefly(placement, warmup, seed, steps=steps))
        print(trained[-1], flush=True)
    return dict(zip(TABLES, (gradients, starved, trained), strict=True))


if __name__ == "__main__":
    command(__doc__, TABLES, run, seeds=SEEDS, steps=STEPS)
