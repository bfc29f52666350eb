"""How far beyond its training does each way to say positions reach?

    python -m attnbook.experiments.length_extrapolation

trains a small causal language model on texts of 64 characters, once per way
and seed, reads texts of 512 with it, and writes `length_extrapolation.csv`,
one row per way, seed, window and band of 64 positions. The measure is that of
Press et al. (2022), section 2: the loss by position in texts longer than
those of training.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook import data, train
from attnbook.experiments.command import SEEDS, command
from attnbook.mechanisms.multi_head import MultiHeadAttention
from attnbook.mechanisms.positions import (
    LearnedPositions,
    RelativeBias,
    alibi_bias,
    rope_angles,
    rotate,
    sinusoidal,
)
from attnbook.mechanisms.scaled_dot_product import causal_mask

TABLES = ("length_extrapolation",)
WAYS = ["none", "learned", "sinusoidal", "relative bias", "ALiBi", "RoPE"]
RELATIVE = ["relative bias", "ALiBi", "RoPE"]
TRAINED_TO = 64
TIMES = 8
STEPS = 1000
RATE = 3e-3
ANOTHER_RATE = 1e-2  # is the order of the ways the same there?
FILLER = "in ziffern geschrieben "
# For digits that come late. On other texts of the trained length ALiBi has its
# lowest loss at 0.01, of 0.001, 0.003, 0.01 and 0.02. The relative bias is
# better at 0.01 than at 0.003; RoPE is about as good at both.
BEST = {"relative bias": 1e-2, "ALiBi": 1e-2, "RoPE": RATE}
NUMBERS = [f"{number:02d}" for number in range(100)]
WORDS = [data.spell_digits(number, "de").text for number in NUMBERS]
ALPHABET = sorted(set("".join(WORDS + NUMBERS) + " "))
_IDS = {sign: index for index, sign in enumerate(ALPHABET)}
_LONGEST = max(map(len, WORDS)) + 4
_SHORTEST = min(map(len, WORDS)) + 4


def best_loss(filler: str = "") -> float:
    """Nats per character if one knows the language: ln 100 per number."""
    words = np.mean([len(word) for word in WORDS])
    return math.log(100) / (words + len(filler) + 4)


def texts(
    count: int,
    length: int,
    rng: np.random.Generator,
    delay: int = 0,
    filler: str = "",
) -> Tensor:
    """Numbers in words and in digits, cut out of an endless reading.

    Each text begins somewhere within a number, so that the place in the text
    tells nothing by itself.

    Args:
        count: B.
        length: T.
        rng: what chooses the numbers.
        delay: how many numbers the digits come late.
        filler: stands between the words and the digits of each number.

    Returns:
        (B, T), ids of `ALPHABET`.
    """
    longest, shortest = _LONGEST + len(filler), _SHORTEST + len(filler)
    numbers = rng.integers(
        100, size=(count, delay + 1 + (length + longest) // shortest)
    )
    cut = rng.integers(longest, size=count)
    rows = []
    for row, at in zip(numbers, cut, strict=True):
        said = zip(row[delay:], row[: len(row) - delay], strict=True)
        text = "".join(f"{WORDS[i]} {filler}{NUMBERS[j]} " for i, j in said)
        rows.append([_IDS[sign] for sign in text[at : at + length]])
    return torch.tensor(rows)


def is_digit(ids: Tensor) -> Tensor:
    """Which characters are digits; each follows from words before it."""
    digits = torch.tensor([sign.isdigit() for sign in ALPHABET])
    return digits[ids]


def turn(x: Tensor, positions: Tensor) -> Tensor:
    """RoPE on queries or keys, (B, H, L, d)."""
    return rotate(x, rope_angles(positions, x.shape[-1]))


class Block(nn.Module):
    """Causal attention, then two layers a position, each added to its input.

    Args:
        size: D.
        num_heads: H.
    """

    def __init__(self, size: int, num_heads: int):
        super().__init__()
        self.attention = MultiHeadAttention(size, num_heads)
        self.first_norm = nn.LayerNorm(size)
        self.second_norm = nn.LayerNorm(size)
        self.forward_layers = nn.Sequential(
            nn.Linear(size, 4 * size), nn.ReLU(), nn.Linear(4 * size, size)
        )

    def forward(self, x: Tensor, mask, bias, rotate) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        y = self.first_norm(x)
        y, _ = self.attention(y, y, y, mask=mask, bias=bias, rotate=rotate)
        x = x + y
        return x + self.forward_layers(self.second_norm(x))


class LanguageModel(nn.Module):
    """Predicts each next character, with one way to say positions.

    Args:
        way: one of `WAYS`.
        longest: most positions it will ever read; for "learned" only.
        size: D.
        num_heads: H.
        num_layers: blocks.
        max_distance: from here on, "relative bias" sees one distance.

    Raises:
        ValueError: if the way is not one of `WAYS`.
    """

    def __init__(
        self,
        way: str,
        longest: int = TIMES * TRAINED_TO,
        size: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
        max_distance: int = TRAINED_TO // 2,
    ):
        super().__init__()
        if way not in WAYS:
            raise ValueError(f"way is {way!r}; expected one of {WAYS}")
        self.way = way
        self.num_heads = num_heads
        self.embedding = nn.Embedding(len(ALPHABET), size)
        self.blocks = nn.ModuleList(
            Block(size, num_heads) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(size)
        self.readout = nn.Linear(size, len(ALPHABET))
        if way == "learned":
            self.positions = LearnedPositions(longest, size)
        if way == "relative bias":
            self.relative_bias = RelativeBias(num_heads, max_distance)

    def forward(self, ids: Tensor, window: int | None = None) -> Tensor:
        """Logits of the next character: (B, T) to (B, T, V).

        Args:
            ids: (B, T).
            window: each query sees this many keys, its own the last; all
                that lie behind it by default.
        """
        length = ids.shape[1]
        x = self.embedding(ids)  # (B, T, D)
        bias = None
        if self.way == "learned":
            x = x + self.positions(length)
        elif self.way == "sinusoidal":
            x = x + sinusoidal(length, x.shape[-1])
        elif self.way == "relative bias":
            bias = self.relative_bias(length, length)  # (H, T, T)
        elif self.way == "ALiBi":
            bias = alibi_bias(self.num_heads, length, length)
        mask = causal_mask(length)  # (T, T)
        if window is not None:
            mask = mask & ~mask.tril(-window)
        mask = mask[None]  # (1, T, T)
        for block in self.blocks:
            x = block(x, mask, bias, turn if self.way == "RoPE" else None)
        return self.readout(self.norm(x))  # (B, T, V)


def fit(
    model: LanguageModel,
    steps: int = STEPS,
    length: int = TRAINED_TO,
    batch_size: int = 16,
    rate: float = RATE,
    seed: int = 0,
    delay: int = 0,
    filler: str = "",
) -> list[float]:
    """Train on fresh texts of one length; returns the loss of each step."""
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    losses = []
    model.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * train.learning_rate(step, steps, 50)
        ids = texts(batch_size, length + 1, rng, delay, filler)
        logits = model(ids[:, :-1])  # (B, T, V)
        loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    model.eval()
    return losses


def trained(
    way: str,
    seed: int,
    steps: int = STEPS,
    trained_to: int = TRAINED_TO,
    times: int = TIMES,
    batch_size: int = 16,
    delay: int = 0,
    filler: str = "",
    rate: float = RATE,
) -> LanguageModel:
    """A model of one way, trained; it can read texts `times` as long."""
    torch.manual_seed(seed)
    model = LanguageModel(
        way, times * trained_to, max_distance=trained_to // 2
    )
    started = time.perf_counter()
    fit(model, steps, trained_to, batch_size, rate, seed, delay, filler)
    seconds = round(time.perf_counter() - started, 1)
    between = f"{delay} late, {len(filler)} characters between"
    print(f"{way}, {between}, rate {rate}, seed {seed}: {seconds} s")
    return model


@torch.no_grad()
def by_position(
    model: LanguageModel,
    length: int,
    count: int = 64,
    window: int | None = None,
    seed: int = 12345,
    delay: int = 0,
    filler: str = "",
) -> tuple[Tensor, Tensor, Tensor]:
    """Read long texts once, and look at each position.

    The model is causal, so that what it says at a position is what it would
    say of a text that ends there: one reading gives the whole curve.

    Args:
        model: trained.
        length: T.
        count: B.
        window: as in the model's `forward`.
        seed: of the texts, which are the same for all models.
        delay: as in `texts`, like `filler`.
        filler: as in `texts`.

    Returns:
        loss (B, T), nats; whether the best guess is right (B, T); whether
        the character is a digit (B, T).
    """
    model.eval()
    rng = np.random.default_rng(seed)
    ids = texts(count, length + 1, rng, delay, filler)
    loss, right = [], []
    for some in ids.split(16):
        logits = model(some[:, :-1], window)  # (b, T, V)
        loss.append(F.cross_entropy(logits.mT, some[:, 1:], reduction="none"))
        right.append(logits.argmax(-1) == some[:, 1:])
    return torch.cat(loss), torch.cat(right), is_digit(ids[:, 1:])


def bands(
    loss: Tensor, right: Tensor, digit: Tensor, width: int
) -> list[tuple[int, float, float]]:
    """For each band of positions: its last one, loss, share of digits right.

    In the first band some digits cannot be known: the words that they follow
    from stand before the text begins. They count as wrong.

    Args:
        loss: (B, T), with `right` and `digit` as `by_position` returns them.
        right: (B, T), boolean.
        digit: (B, T), boolean.
        width: positions a band.
    """
    rows = []
    for end in range(width, loss.shape[1] + 1, width):
        band = slice(end - width, end)
        share = right[:, band][digit[:, band]].float().mean().item()
        rows.append((end, loss[:, band].mean().item(), share))
    return rows


def run(
    ways: Iterable[str],
    seeds: Iterable[int],
    steps: int = STEPS,
    trained_to: int = TRAINED_TO,
    times: int = TIMES,
    batch_size: int = 16,
    count: int = 64,
    delay: int = 0,
    filler: str = "",
    rate: float = RATE,
) -> list[dict]:
    """Train each way once a seed, and read texts `times` as long.

    Returns:
        One row a way, seed, window ("all" keys, or as many as the "trained"
        length) and band of positions.
    """
    torch.set_num_threads(1)
    rows = []
    longest = times * trained_to
    language = {"delay": delay, "filler": filler}
    for way in ways:
        for seed in seeds:
            model = trained(
                way,
                seed,
                steps,
                trained_to,
                times,
                batch_size,
                rate=rate,
                **language,
            )
            for name, window in {"all": None, "trained": trained_to}.items():
                read = by_position(model, longest, count, window, **language)
                new = [
                    {
                        "way": way,
                        "digits late": delay,
                        "filler": len(filler),
                        "rate": rate,
                        "steps": steps,
                        "seed": seed,
                        "window": name,
                        "to position": end,
                        "loss": round(loss, 4),
                        "digits right": round(share, 4),
                    }
                    for end, loss, share in bands(*read, trained_to)
                ]
                rows += new
                print(" ", name, [row["loss"] for row in new], flush=True)
    return rows


def run_all(seeds: Iterable[int], steps: int) -> list[dict]:
    """The whole table: all ways, then those whose digits stand further off.

    For comparison all ways are trained at `ANOTHER_RATE` with one seed, and
    ALiBi with twice as many steps where the digits come late.
    """
    seeds = list(seeds)
    rows = run(WAYS, seeds, steps)
    rows += run(WAYS, seeds[:1], steps, rate=ANOTHER_RATE)
    rows += run(RELATIVE, seeds, steps, delay=1)
    for way in ("relative bias", "ALiBi"):
        rows += run([way], seeds, steps, delay=1, rate=BEST[way])
    rows += run(["ALiBi"], seeds, 2 * steps, delay=1, rate=BEST["ALiBi"])
    return rows + run(
        ["ALiBi"], seeds, steps, filler=FILLER, rate=BEST["ALiBi"]
    )


if __name__ == "__main__":
    command(__doc__, TABLES, run_all, seeds=SEEDS, steps=STEPS)
