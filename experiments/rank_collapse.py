"""Do the tokens of an untrained Transformer stay distinct from one another?

    python -m attnbook.experiments.rank_collapse

writes three tables. `rank_collapse.csv` holds the mean cosine between the
tokens of a sentence after each encoder block of untrained Transformers of
12 + 12 blocks: one row per variant, seed and block, block 0 being the
embeddings. In one variant each token attends to itself alone, which shows how
much is due to attention. `starved_decoder.csv` asks why post-norm's first
decoder block gets so little gradient: one row per control and seed (12 seeds,
because they scatter), with the gradient of the last block's W₂ over that of
the first, and the length of what attention adds over that of the stream.
`without_residuals.csv` holds short trainings without residuals, like those of
`warmup` with them: one row per depth, rate and seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook import data
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.norm_placement import DEPTH, translator
from attnbook.experiments.warmup import outcome, short_numbers
from attnbook.mechanisms.transformer import (
    DecoderLayer,
    EncoderLayer,
    TransformerTranslator,
)

TABLES = ("rank_collapse", "starved_decoder", "without_residuals")
VARIANTS = ("pre-norm", "post-norm", "no residuals")
ALONE = "post-norm, each token alone"
CONTROLS = (
    "the encoder's output",
    "one constant vector",
    "one constant vector, shorter",
    "noise",
    "noise, longer",
    "silent",
    "pre-norm, one constant vector",
    "encoder",
    "encoder, branch cut",
)
STARVED_SEEDS = range(12)
SHORTER = 0.43  # makes the added vector as short as noise makes it
LONGER = 2.3  # makes it longer than one constant vector does
DEPTHS = (2, 6)
RATES = (3e-4, 1e-3, 3e-3)
STEPS = 400


class EncoderWithoutResiduals(EncoderLayer):
    """Post-norm's encoder block, with no addition."""

    def forward(self, x, mask=None, causal=False):
        """As `EncoderLayer`."""
        attended, weights = self.attention(x, x, x, mask, causal=causal)
        x = self.attention_norm(attended)
        return self.feed_forward_norm(self.feed_forward(x)), weights


class DecoderWithoutResiduals(DecoderLayer):
    """Post-norm's decoder block, with no addition."""

    def forward(self, x, memory, mask=None, memory_mask=None, causal=True):
        """As `DecoderLayer`."""
        attended, itself = self.attention(x, x, x, mask, causal=causal)
        x = self.attention_norm(attended)
        attended, across = self.cross_attention(x, memory, memory, memory_mask)
        x = self.cross_norm(attended)
        return self.feed_forward_norm(self.feed_forward(x)), (itself, across)


def variant(
    task, name: str, depth: int, seed: int, num_heads: int = 4
) -> TransformerTranslator:
    """A fresh translator; without residuals it has post-norm's weights.

    Args:
        task: from `attnbook.data`.
        name: one of `VARIANTS`.
        depth: blocks of the encoder, and of the decoder.
        seed: of the weights.
        num_heads: H.
    """
    if name != "no residuals":
        return translator(task, name, depth, seed)
    model = translator(task, "post-norm", depth, seed)
    size = model.size
    for stack, kind in [
        (model.stacks.encoder, EncoderWithoutResiduals),
        (model.stacks.decoder, DecoderWithoutResiduals),
    ]:
        for at, layer in enumerate(stack):
            bare = kind(size, num_heads, 4 * size, norm_first=False)
            bare.load_state_dict(layer.state_dict())
            stack[at] = bare
    return model


def mean_cosine(x: Tensor, mask: Tensor) -> float:
    """The cosine between two tokens of a sentence, averaged over the pairs.

    A token is not compared with itself; each sentence of two tokens or more
    counts once.

    Args:
        x: (B, S, D).
        mask: boolean, (B, S), True where there is a token.
    """
    x = F.normalize(x.detach(), dim=-1)
    pair = mask[:, :, None] & mask[:, None, :]  # (B, S, S)
    pair = pair & ~torch.eye(x.shape[1], dtype=torch.bool)
    cosines = (x @ x.transpose(1, 2)) * pair
    count = pair.sum((1, 2))  # (B,)
    means = cosines.sum((1, 2))[count > 0] / count[count > 0]
    return means.mean().item()


@torch.no_grad()
def cosines_by_block(
    name: str, seed: int, depth: int = DEPTH, batch_size: int = 64
) -> list[dict]:
    """The mean cosine after each encoder block, before any training.

    Args:
        name: one of `VARIANTS`, or `ALONE`.
        seed: of the weights and of the batch.
        depth: blocks of the encoder.
        batch_size: telephone numbers of 1 to 8 pairs.
    """
    task = data.telephone_numbers("de", longer=None)
    placement = "post-norm" if name == ALONE else name
    model = variant(task, placement, depth, seed)
    batch = task.sample(batch_size, np.random.default_rng(seed))
    x = model.embed(model.source_embedding, batch.source)  # (B, S, D)
    B, S = batch.source.shape
    seen = batch.source_mask
    if name == ALONE:
        seen = torch.eye(S, dtype=torch.bool).expand(B, S, S)
    found = [mean_cosine(x, batch.source_mask)]
    for layer in model.stacks.encoder:
        x, _ = layer(x, seen)
        found.append(mean_cosine(x, batch.source_mask))
    return [
        {
            "variant": name,
            "seed": seed,
            "block": block,
            "cosine": round(cosine, 5),
        }
        for block, cosine in enumerate(found)
    ]


def last_over_first(
    control: str, seed: int, depth: int = DEPTH, batch_size: int = 64
) -> dict:
    """How much less gradient the first block of an untrained stack gets.

    Post-norm, but for one control. The stack is the decoder, which reads what
    the control says in place of the encoder's output, or reads it and
    multiplies the result by zero ("silent"). In the last two controls it is
    the encoder, as it is and with no gradient through the branches of its
    self-attention.

    Args:
        control: one of `CONTROLS`.
        seed: of the weights and of the batch.
        depth: blocks of the encoder, and of the decoder.
        batch_size: telephone numbers of 1 to 8 pairs.

    Returns:
        A row: the gradient of the last block's W₂ over that of the first,
        and the length of what that attention adds over that of the stream,
        the mean over the blocks.

    Raises:
        ValueError: if the control is not one of `CONTROLS`.
    """
    if control not in CONTROLS:
        raise ValueError(
            f"control is {control!r}; expected one of {', '.join(CONTROLS)}"
        )
    task = data.telephone_numbers("de", longer=None)
    placement = "pre-norm" if control.startswith("pre") else "post-norm"
    model = translator(task, placement, depth, seed)
    layers, watched = model.stacks.decoder, "cross_attention"
    mask = "target_mask"
    if control.startswith("encoder"):
        layers, watched, mask = (
            model.stacks.encoder,
            "attention",
            "source_mask",
        )
    if control == "silent":
        for layer in layers:
            for tensor in layer.cross_attention.output_projection.parameters():
                nn.init.zeros_(tensor)
    batch = task.sample(batch_size, np.random.default_rng(seed))
    added = []

    def watch(module, given, result):
        here = getattr(batch, mask)
        share = result[0][here].norm() / given[0][here].norm()
        added.append(share.item())
        if control == "encoder, branch cut":
            return result[0].detach(), result[1]
        return None

    for layer in layers:
        getattr(layer, watched).register_forward_hook(watch)
    memory = model.encode(batch.source, batch.source_mask)  # (B, S, D)
    if "one constant vector" in control:
        memory = torch.randn(model.size).expand_as(memory)
    if "noise" in control:
        memory = torch.randn_like(memory)
    if control.endswith("shorter"):
        memory = SHORTER * memory
    if control.endswith("longer"):
        memory = LONGER * memory
    output, _ = model.decode(batch.target_in, memory, batch.source_mask)
    logits = model.readout(output)[batch.target_mask]
    F.cross_entropy(logits, batch.target_out[batch.target_mask]).backward()
    first, last = (
        layers[at].feed_forward.narrow.weight.grad.norm() for at in (0, -1)
    )
    return {
        "control": control,
        "seed": seed,
        "last over first": float(f"{last / first:.4g}"),
        "added over stream": round(float(np.mean(added)), 3),
    }


def train_briefly(
    depth: int, rate: float, seed: int, steps: int = STEPS
) -> dict:
    """Train without residuals on 1 to 3 pairs, as `warmup` trains with them.

    Args:
        depth: blocks of the encoder, and of the decoder.
        rate: Adam's peak rate, after warm-up over a quarter of the steps.
        seed: of the weights and of the batches.
        steps: of training, 32 examples each.
    """
    task = short_numbers()
    model = variant(task, "no residuals", depth, seed)
    return {
        "blocks": depth,
        "rate": rate,
        "seed": seed,
        "steps": steps,
        **outcome(model, task, steps // 4, rate, seed, steps),
    }


def run(seeds: Iterable[int], steps: int = STEPS) -> dict[str, list[dict]]:
    """The rows of each of `TABLES`."""
    seeds = list(seeds)
    cosines, trained = [], []
    for name, seed in itertools.product((*VARIANTS, ALONE), seeds):
        cosines += cosines_by_block(name, seed)
    starved = [
        last_over_first(control, seed)
        for control, seed in itertools.product(CONTROLS, STARVED_SEEDS)
    ]
    for depth, rate, seed in itertools.product(DEPTHS, RATES, seeds):
        trained.append(train_briefly(depth, rate, seed, steps))
        print(trained[-1], flush=True)
    return dict(zip(TABLES, (cosines, starved, trained), strict=True))


if __name__ == "__main__":
    command(__doc__, TABLES, run, seeds=SEEDS, steps=STEPS)
