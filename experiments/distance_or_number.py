"""Beyond its training, do far distances hurt a model, or too many keys?

    python -m attnbook.experiments.distance_or_number

trains models as the study of length extrapolation does, reads texts of 512
characters with the same weights in several ways, and writes
`distance_or_number.csv`: one row per way, seed and reading, with the loss at
the last 64 positions. A reading says which keys a query sees, and at which
distance the far ones count. So each of the two causes can vary while the
other is held: few keys or many, at distances of training or beyond them.
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
TRUE = "true distance"
SPREAD = "spread"
FAR = [8, 16, 32, 64, 128, 256]
BELOW = [1, 4, 8, 16, 24, 32]


def readings(way: str, trained_to: int, length: int) -> list[tuple]:
    """Which keys each reading shows, and where the far ones count.

    Args:
        way: of the model; a relative bias does not tell far distances apart,
            and is read with one of them.
        trained_to: the length of the texts of training.
        length: T, of the texts that are read.

    Returns:
        Tuples: how many of the nearest keys, how many of those further off
        than any in training, and the distance at which the latter count.
    """
    half, every = trained_to // 2, length - trained_to
    below = BELOW if way == "RoPE" else BELOW[:1]
    held = [trained_to - b for b in below if trained_to - b >= half]
    places = [TRUE, SPREAD] if way == "RoPE" else [TRUE]
    return [
        (trained_to, every, TRUE),
        (trained_to, 0, TRUE),
        (half, 0, TRUE),
        *((trained_to, every, place) for place in (*held, SPREAD)),
        *(
            (half, far, place)
            for place in places
            for far in [n for n in FAR if n < every] + [every]
        ),
    ]


def keys_seen(
    near: int, far: int, trained_to: int, length: int, seed: int = 0
) -> Tensor:
    """The keys that each query sees: (T, T), boolean.

    Args:
        near: how many of the nearest, its own included.
        far: how many at a distance of `trained_to` or more; drawn at random
            where there are more.
        trained_to: keys within the longest distance of training.
        length: T.
        seed: of the drawing.
    """
    causal = causal_mask(length)
    beyond = causal.tril(-trained_to)
    drawn = torch.rand(
        length, length, generator=torch.Generator().manual_seed(seed)
    ).masked_fill(~beyond, -1)
    rank = drawn.argsort(descending=True).argsort()  # (T, T)
    return causal & ~causal.tril(-near) | beyond & (rank < far)


def counted(length: int, trained_to: int, place: str | int) -> Tensor:
    """At which distance each query counts each key: (T, T); 0 if it is later.

    Args:
        length: T.
        trained_to: from this distance on, a key is far.
        place: where far keys count: at their `TRUE` distance r, at one
            distance for all of them, or at `SPREAD`, which is half of
            trained_to plus the remainder of r divided by that half.
    """
    position = torch.arange(length)
    true = (position[:, None] - position).clamp(min=0)
    if place == TRUE:
        return true
    half = trained_to // 2
    far = half + true % half if place == SPREAD else place
    return true.where(true < trained_to, far)


class Reading(nn.Module):
    """A trained model that sees other keys, or takes far ones for nearer.

    Args:
        model: trained; its way is "relative bias" or "RoPE".
        mask: (T, T), the keys that each query sees.
        trained_to: from this distance on, a key is far.
        place: where far keys count, as in `counted`.

    Raises:
        ValueError: if the model has another way to say positions.
    """

    def __init__(
        self,
        model: LanguageModel,
        mask: Tensor,
        trained_to: int,
        place: str | int = TRUE,
    ):
        super().__init__()
        if model.way not in WAYS:
            raise ValueError(
                f"the model's way is {model.way!r}; expected one of {WAYS}, "
                "whose distances can be held"
            )
        self.model = model
        self.mask = mask
        self.place = place
        self.trained_to = trained_to

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
            if self.place != TRUE:
                at = counted(length, self.trained_to, self.place)
                bias = bias[:, at, 0]
        x = model.embedding(ids)  # (B, T, D)
        for block in model.blocks:
            if rotate and self.place != TRUE:
                bias = self._correction(block, x)  # (B, H, T, T)
            x = block(x, self.mask[None], bias, rotate)
        return model.readout(model.norm(x))  # (B, T, V)

    def _correction(self, block: Block, x: Tensor) -> Tensor:
        """What to add to RoPE's scores so that far keys count elsewhere."""
        y = block.first_norm(x)
        heads = self.model.num_heads
        query = split_heads(block.attention.query_projection(y), heads)
        key = split_heads(block.attention.key_projection(y), heads)
        positions = torch.arange(x.shape[1])
        before = turn(query, positions) @ turn(key, positions).mT
        if self.place == SPREAD:
            after = self._spread(query, key)
        else:
            at_held = turn(query, torch.full_like(positions, self.place))
            after = at_held @ key.mT
        change = (after - before) / math.sqrt(query.shape[-1])
        beyond = positions[:, None] - positions >= self.trained_to
        return change.masked_fill(~beyond, 0.0)

    def _spread(self, query: Tensor, key: Tensor) -> Tensor:
        """Scores at the distance half + (m - n) % half: (B, H, T, T).

        The remainders of m and n differ by that of m - n, or by half less.
        """
        half = self.trained_to // 2
        rest = torch.arange(query.shape[-2]) % half
        key = turn(key, rest).mT
        once = turn(query, rest + half) @ key
        twice = turn(query, rest + 2 * half) @ key
        return once.where(rest[:, None] >= rest, twice)


def run(
    ways: Iterable[str],
    seeds: Iterable[int],
    steps: int = STEPS,
    trained_to: int = TRAINED_TO,
    times: int = TIMES,
    batch_size: int = 16,
    count: int = 64,
) -> list[dict]:
    """Train each way once a seed, and read the end of long texts.

    Returns:
        One row per way, seed and reading; the loss is that of the last
        `trained_to` positions.
    """
    torch.set_num_threads(1)
    rows = []
    longest = times * trained_to
    for way in ways:
        for seed in seeds:
            model = trained(way, seed, steps, trained_to, times, batch_size)
            for near, far, place in readings(way, trained_to, longest):
                mask = keys_seen(near, far, trained_to, longest)
                reading = Reading(model, mask, trained_to, place)
                read = by_position(reading, longest, count)
                _, loss, _ = bands(*read, trained_to)[-1]
                rows.append(
                    {
                        "way": way,
                        "seed": seed,
                        "near keys": near,
                        "far keys": far,
                        "far count at": place,
                        "loss": round(loss, 4),
                    }
                )
                print(" ", near, far, place, rows[-1]["loss"], flush=True)
    return rows


if __name__ == "__main__":
    command(__doc__, TABLES, partial(run, WAYS), seeds=SEEDS, steps=STEPS)
