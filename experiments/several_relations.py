"""How many relations can attention report? As many as it has heads.

    python -m attnbook.experiments.several_relations

trains readers with 1 to 4 heads, all of one width, to report 1 to 4
neighbours of each position, and writes `several_relations.csv`, one row per
setting, learning rate and seed. A setting that is perfect in every seed at
the first rate is not tried at the others. `tuning` is exact match on rings
that serve to choose the rate; everything else is measured on other rings.
`most` is what no reader of that kind can exceed where there are two symbols:
see `most_reachable`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.experiments.command import SEEDS, command
from attnbook.mechanisms.multi_head import MultiHeadAttention

TABLES = ("several_relations",)
OFFSETS = (-1, 1, -2, 2)
LENGTH = 8
STEPS = 600
RATES = (1e-2, 3e-3, 3e-2)
TUNING, REPORTING = 20_000, 10_000  # seeds of the rings
GRID = [
    {"symbols": 2, "relations": relations, "heads": heads, "hidden": 0}
    for relations in (1, 2, 3, 4)
    for heads in (1, 2, 3, 4)
]
DIGITS = [
    {"symbols": 10, "relations": 2, "heads": heads, "hidden": hidden}
    for heads, hidden in ((1, 0), (2, 0), (1, 64))
]
WIDTH = 24


class RelationReader(nn.Module):
    """Attention and a linear layer that reports neighbours.

    Queries and keys know the token and its place; values know the token
    alone. Nothing reaches the answer except through the heads.

    Args:
        symbols: number of different tokens.
        relations: R, neighbours to report.
        num_heads: H.
        size: D, shared by the heads.
        length: T, number of positions.
        hidden: units of a ReLU layer before the answer; 0 for none.
    """

    def __init__(
        self,
        symbols: int,
        relations: int,
        num_heads: int,
        size: int = WIDTH,
        length: int = LENGTH,
        hidden: int = 0,
    ):
        super().__init__()
        self.answers = (relations, symbols)
        self.token = nn.Embedding(symbols, size)
        self.place = nn.Parameter(torch.randn(length, size))
        self.attention = MultiHeadAttention(size, num_heads)
        self.readout = nn.Linear(hidden or size, relations * symbols)
        if hidden:
            self.readout = nn.Sequential(
                nn.Linear(size, hidden), nn.ReLU(), self.readout
            )

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Score each symbol as the answer to each question.

        Args:
            tokens: (B, T).

        Returns:
            logits (B, T, R, symbols) and weights (B, H, T, T).
        """
        value = self.token(tokens)  # (B, T, D)
        placed = value + self.place
        output, weights = self.attention(placed, placed, value)
        logits = self.readout(output)  # (B, T, R * symbols)
        return logits.unflatten(-1, self.answers), weights


def draw(
    count: int,
    symbols: int,
    relations: int,
    length: int = LENGTH,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Random rings of tokens, and the neighbours of each position.

    Returns:
        tokens (B, T) and answers (B, T, R): the token one to the left, one to
        the right, two to the left, two to the right.
    """
    tokens = torch.randint(symbols, (count, length), generator=generator)
    answers = [tokens.roll(-offset, 1) for offset in OFFSETS[:relations]]
    return tokens, torch.stack(answers, dim=-1)


def most_reachable(relations: int, heads: int) -> float:
    """The greatest share of right answers that H heads leave room for.

    Of two symbols each head hands on one number: the weight on one of them.
    Each relation is a cut through the space of these H numbers by a plane,
    and R planes cut it into at most Σ C(R, i), i ≤ H, of the 2^R regions that
    the answers need (Buck 1943).
    """
    regions = sum(math.comb(relations, i) for i in range(heads + 1))
    return regions / 2**relations


def train_reader(
    reader: RelationReader, steps: int = STEPS, seed: int = 0, lr: float = 1e-2
) -> None:
    """Lower the cross-entropy of all answers with Adam, 128 rings a step."""
    relations, symbols = reader.answers
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(reader.parameters(), lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, lr, total_steps=steps
    )
    for _ in range(steps):
        tokens, answers = draw(128, symbols, relations, generator=generator)
        logits, _ = reader(tokens)  # (B, T, R, symbols)
        loss = F.cross_entropy(logits.flatten(0, 2), answers.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


@torch.no_grad()
def accuracy(
    reader: RelationReader, count: int = 1000, seed: int = REPORTING
) -> tuple[float, list]:
    """The share of positions with all answers right, and by relation."""
    relations, symbols = reader.answers
    generator = torch.Generator().manual_seed(seed)
    tokens, answers = draw(count, symbols, relations, generator=generator)
    right = reader(tokens)[0].argmax(-1) == answers  # (B, T, R)
    return (
        right.all(-1).float().mean().item(),
        right.float().mean((0, 1)).tolist(),
    )


@torch.no_grad()
def weight_on(reader: RelationReader, offset: int, count: int = 100) -> float:
    """Mean weight on the neighbour at an offset, over heads and positions."""
    generator = torch.Generator().manual_seed(REPORTING)
    tokens, _ = draw(count, reader.answers[1], 1, generator=generator)
    weights = reader(tokens)[1].roll(-offset, -1)  # (B, H, T, T)
    return round(weights.diagonal(0, -2, -1).mean().item(), 4)


def row_of(setting: dict, rate: float, seed: int, steps: int) -> dict:
    """Train and measure one reader."""
    torch.manual_seed(seed)
    reader = RelationReader(
        setting["symbols"],
        setting["relations"],
        setting["heads"],
        hidden=setting["hidden"],
    )
    train_reader(reader, steps, seed, rate)
    every, single = accuracy(reader)
    bounded = setting["symbols"] == 2 and not setting["hidden"]
    most = most_reachable(setting["relations"], setting["heads"])
    return {
        **setting,
        "rate": rate,
        "seed": seed,
        "tuning": round(accuracy(reader, seed=TUNING)[0], 4),
        "exact match": round(every, 4),
        "best relation": round(max(single), 4),
        "worst relation": round(min(single), 4),
        "left weight": weight_on(reader, OFFSETS[0]),
        "right weight": weight_on(reader, OFFSETS[1]),
        "most": most if bounded else "",
    }


def run(
    settings: Iterable[dict],
    seeds: Iterable[int],
    steps: int = STEPS,
    rates: Iterable[float] = RATES,
) -> list[dict]:
    """Train and measure a reader for each setting, rate and seed.

    A setting that is perfect in every seed is not tried at further rates.
    """
    torch.set_num_threads(1)
    seeds, rows = list(seeds), []
    for setting in settings:
        for rate in rates:
            found = [row_of(setting, rate, seed, steps) for seed in seeds]
            rows += found
            print(*found, sep="\n", flush=True)
            if min(row["tuning"] for row in found) == 1:
                break
    return rows


def at_best_rate(rows: Iterable[dict]) -> list[dict]:
    """Of the rows of one setting, those of its best learning rate."""
    by_rate: dict[float, list[dict]] = {}
    for row in rows:
        by_rate.setdefault(row["rate"], []).append(row)
    return max(
        by_rate.values(),
        key=lambda found: sum(row["tuning"] for row in found) / len(found),
    )


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        partial(run, GRID + DIGITS),
        seeds=SEEDS,
        steps=STEPS,
    )
