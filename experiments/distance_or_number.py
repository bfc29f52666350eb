"""Beyond its training, do unseen distances hurt a model, or too many keys?

    python -m attnbook.experiments.distance_or_number

trains models as the study of length extrapolation does, reads texts of 512
in five ways with the same weights, and writes `distance_or_number.csv`, one
row a way, seed, reading and band of 64 positions. A window on the last keys
takes away unseen distances and additional keys at once; two of the readings
here take away only one of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn

from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.length_extrapolation import (
    STEPS,
    TIMES,
    TRAINED_TO,
    Block,
    LanguageModel,
    bands,
    by_position,
    trained,
    turn,
)
from attnbook.mechanisms.multi_head import split_heads
from attnbook.mechanisms.scaled_dot_product import causal_mask

TABLES = ("distance_or_number",)
WAYS = ["relative bias", "RoPE"]
READINGS = ["all keys", "window", "half window", "half far", "distance held"]


def window(length: int, width: int) -> Tensor:
    """Each query sees the last `width` keys, its own the last: (T, T)."""
    causal = causal_mask(length)
    return causal & ~causal.tril(-width)


def half_far(length: int, trained_to: int, seed: int = 0) -> Tensor:
    """As many keys as in training, half of them further off than ever.

    A query sees the nearest keys and, in the place of the others, up to
    `trained_to // 2` drawn at random from those at a distance of
    `trained_to` or more.

    Args:
        length: T.
        trained_to: keys of the longest distance seen in training, plus one.
        seed: of the drawing.

    Returns:
        (T, T), boolean; row t has min(t + 1, trained_to) keys.
    """
    query = torch.arange(length)[:, None]
    distance = query - torch.arange(length)  # (T, T)
    number = (query - trained_to + 1).clamp(0, trained_to // 2)  # (T, 1)
    near = (distance >= 0) & (distance < trained_to - number)
    drawn = torch.rand(
        length, length, generator=torch.Generator().manual_seed(seed)
    ).masked_fill(distance < trained_to, -1)
    rank = drawn.argsort(descending=True).argsort()  # (T, T)
    return near | (rank < number)


class Reading(nn.Module):
    """A trained model that reads with other keys, or other distances.

    Args:
        model: trained; its way is "relative bias" or "RoPE".
        mask: (T, T), the keys that each query sees.
        held: distances above this one count as this one; none by default.

    Raises:
        ValueError: if the model has another way to say positions.
    """

    def __init__(
        self, model: LanguageModel, mask: Tensor, held: int | None = None
    ):
        super().__init__()
        if model.way not in WAYS:
            raise ValueError(
                f"the model's way is {model.way!r}; expected one of {WAYS}, "
                "whose distances can be held"
            )
        self.model = model
        self.mask = mask
        self.held = held

    def forward(self, ids: Tensor, window: None = None) -> Tensor:
        """Logits of the next character: (B, T) to (B, T, V).

        Args:
            ids: (B, T).
            window: not used; `by_position` passes it on.
        """
        model, length = self.model, ids.shape[1]
        rotate = turn if model.way == "RoPE" else None
        bias = None
        if model.way == "relative bias":
            bias = model.relative_bias(length, length)  # (H, T, T)
            if self.held is not None:
                at_held = bias[:, self.held, 0, None, None]  # (H, 1, 1)
                bias = torch.where(self._beyond(length), at_held, bias)
        x = model.embedding(ids)  # (B, T, D)
        for block in model.blocks:
            if rotate and self.held is not None:
                bias = self._correction(block, x)  # (B, H, T, T)
            x = block(x, self.mask[None], bias, rotate)
        return model.readout(model.norm(x))  # (B, T, V)

    def _beyond(self, length: int) -> Tensor:
        """Which pairs of query and key lie further apart than held."""
        return causal_mask(length).tril(-self.held - 1)

    def _correction(self, block: Block, x: Tensor) -> Tensor:
        """What to add to RoPE's scores so that the distance is held."""
        y = block.first_norm(x)
        heads = self.model.num_heads
        query = split_heads(block.attention.query_projection(y), heads)
        key = split_heads(block.attention.key_projection(y), heads)
        positions = torch.arange(x.shape[1])
        turned = turn(query, positions) @ turn(key, positions).mT
        at_held = turn(query, torch.full_like(positions, self.held)) @ key.mT
        change = (at_held - turned) / math.sqrt(query.shape[-1])
        return change.masked_fill(~self._beyond(x.shape[1]), 0.0)


def readings(
    model: LanguageModel, length: int, trained_to: int
) -> dict[str, Reading]:
    """One `Reading` a name of `READINGS`.

    Args:
        model: trained on texts of `trained_to`.
        length: T, of the texts that it shall read.
        trained_to: the length of its training.
    """
    every = causal_mask(length)
    return {
        "all keys": Reading(model, every),
        "window": Reading(model, window(length, trained_to)),
        "half window": Reading(model, window(length, trained_to // 2)),
        "half far": Reading(model, half_far(length, trained_to)),
        "distance held": Reading(model, every, held=trained_to - 1),
    }


def run(
    ways: Iterable[str],
    seeds: Iterable[int],
    steps: int = STEPS,
    trained_to: int = TRAINED_TO,
    times: int = TIMES,
    batch_size: int = 16,
    count: int = 64,
) -> list[dict]:
    """Train each way once a seed, and read long texts in five ways.

    Returns:
        One row a way, seed, reading and band of positions.
    """
    torch.set_num_threads(1)
    rows = []
    longest = times * trained_to
    for way in ways:
        for seed in seeds:
            model = trained(way, seed, steps, trained_to, times, batch_size)
            for name, reading in readings(model, longest, trained_to).items():
                new = [
                    {
                        "way": way,
                        "seed": seed,
                        "reading": name,
                        "to position": end,
                        "loss": round(loss, 4),
                    }
                    for end, loss, _ in bands(
                        *by_position(reading, longest, count), trained_to
                    )
                ]
                rows += new
                print(" ", name, [row["loss"] for row in new], flush=True)
    return rows


if __name__ == "__main__":
    command(__doc__, TABLES, partial(run, WAYS), seeds=SEEDS, steps=STEPS)
