"""How far a stack of windows can look, and how far it learns to.

    python -m attnbook.experiments.reach_learnt

trains small models whose layers read windows of W keys to repeat, at each
place, the token that stood `lag` places before. Through L layers a token can
look L(W - 1) places back and no further. The lags are the farthest that one
layer less reaches, the next one, the farthest of all, and one place beyond,
where nothing can be learnt. Models that read everything try the farthest lag,
so that distance alone is not the reason where windows fail. Where no rate
teaches a window anything that it can reach, the first seed trains once more,
four times as long.

Two tables. `reach_learnt.csv` has one row per depth, lag and seed at the best
rate: accuracy on fresh sequences, of which 1/V is chance. `reach_rates.csv`
has the rates that were tried with the first seed, and the loss that chooses,
in nats a token, on other sequences.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook import train
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.rates import widened
from attnbook.mechanisms.decoder_only import Design
from attnbook.mechanisms.long_context import PatternDecoder, window_mask

TABLES = ("reach_learnt", "reach_rates")
WINDOW = 5
SYMBOLS, LENGTH = 16, 32
WIDTH, HEADS = 32, 2
STEPS, BATCH = 300, 32
RATES = (2e-3, 4e-3, 8e-3)  # where the search begins
LONGER = 4  # times the steps, where nothing was learnt
DEPTHS = (1, 2, 3)
TUNING, REPORTING = 20_000, 10_000  # seeds of the sequences
COUNT = 200  # sequences that are measured on
SOLVED = 0.02  # nats a token: the rates need no wider search
EVERYTHING = LENGTH  # a window that leaves nothing out
NOTHING = 0.99  # of the loss of guessing: more means that nothing is learnt


class Repeats:
    """Random symbols, of which each is to be repeated `lag` places later.

    Args:
        lag: places between a symbol and its repetition.
        symbols: V.
        length: T, tokens of a sequence, longer than the lag.
    """

    def __init__(self, lag: int, symbols: int = SYMBOLS, length: int = LENGTH):
        self.lag, self.symbols, self.length = lag, symbols, length

    def sample(self, count: int, rng: np.random.Generator) -> Tensor:
        """Draw sequences, (count, T)."""
        drawn = rng.integers(self.symbols, size=(count, self.length))
        return torch.from_numpy(drawn)


def reachable(depth: int, window: int) -> int:
    """Places that a token can look back through so many windows."""
    return depth * (window - 1)


def lags_of(depth: int) -> tuple[int, ...]:
    """Lags that are tried, in order.

    The farthest that one layer less reaches, if any; the next one, which
    needs all layers; the farthest of all; and one place beyond.
    """
    less, end = reachable(depth - 1, WINDOW), reachable(depth, WINDOW)
    lags = less, less + 1, end, end + 1
    return lags if less else lags[1:]


def untrained(depth: int, window: int, seed: int) -> PatternDecoder:
    """A fresh model of `depth` layers that read windows."""
    torch.manual_seed(seed)
    return PatternDecoder(
        SYMBOLS,
        WIDTH,
        HEADS,
        [partial(window_mask, window=window)] * depth,
        LENGTH,
        design=Design(positions="rotary"),
    )


def repeat_loss(model: PatternDecoder, ids: Tensor, lag: int) -> Tensor:
    """Mean cross-entropy of what stood `lag` before, in nats a token."""
    logits, _ = model(ids)
    return F.cross_entropy(
        logits[:, lag:].flatten(0, 1), ids[:, : ids.shape[1] - lag].flatten()
    )


@torch.no_grad()
def accuracy(model: PatternDecoder, lag: int) -> float:
    """The share of tokens repeated right, on fresh sequences."""
    rng = np.random.default_rng(REPORTING)
    ids = Repeats(lag).sample(COUNT, rng)
    guessed = model(ids)[0].argmax(-1)
    right = guessed[:, lag:] == ids[:, : LENGTH - lag]
    return right.float().mean().item()


def measure(
    depth: int, window: int, lag: int, seed: int, rate: float, steps: int
) -> tuple[dict, float]:
    """Train one model: its row of `reach_learnt`, and its loss to tune on."""
    model = untrained(depth, window, seed)
    train.fit(
        model,
        Repeats(lag),
        steps,
        BATCH,
        lr=rate,
        seed=seed,
        progress=False,
        loss_of=partial(repeat_loss, lag=lag),
    )
    with torch.no_grad():
        rng = np.random.default_rng(TUNING)
        loss = repeat_loss(model, Repeats(lag).sample(COUNT, rng), lag).item()
    row = {
        **_place(depth, window, lag),
        "rate": rate,
        "seed": seed,
        "steps": steps,
        "accuracy": round(accuracy(model, lag), 4),
    }
    print(row, f"{loss:.3f}", flush=True)
    return row, loss


def _place(depth: int, window: int, lag: int) -> dict:
    everything = window >= LENGTH
    return {
        "reads": "everything" if everything else f"window of {window}",
        "depth": depth,
        "reach": LENGTH if everything else reachable(depth, window),
        "lag": lag,
    }


def tuned(
    depth: int,
    window: int,
    lag: int,
    seeds: Sequence[int],
    steps: int = STEPS,
    rates: Sequence[float] = RATES,
) -> tuple[list[dict], list[dict]]:
    """Train at the best rate, once per seed.

    Returns:
        rows of `reach_learnt` and of `reach_rates`.
    """
    found: dict[float, tuple[dict, float]] = {}

    def loss(rate: float) -> float:
        if rate not in found:
            found[rate] = measure(depth, window, lag, seeds[0], rate, steps)
        return found[rate][1]

    rate = rates[len(rates) // 2]
    beyond = window < LENGTH and lag > reachable(depth, window)
    losses = {each: loss(each) for each in ([rate] if beyond else rates)}
    nothing = min(losses.values()) > NOTHING * math.log(SYMBOLS)
    if min(losses.values()) < SOLVED:
        rate = min(losses, key=losses.__getitem__)
    elif not nothing:  # else no rate is better than another
        rate, losses = widened(loss, rates)
    rows = [found[rate][0]]
    rows += [
        measure(depth, window, lag, seed, rate, steps)[0] for seed in seeds[1:]
    ]
    if nothing and not beyond:
        longer = LONGER * steps
        rows.append(measure(depth, window, lag, seeds[0], rate, longer)[0])
    tried = [
        {
            **_place(depth, window, lag),
            "seed": seeds[0],
            "rate": each,
            "loss": f"{value:.4g}",
        }
        for each, value in sorted(losses.items())
    ]
    return rows, tried


def settings(depths: Iterable[int]) -> list[tuple[int, int, int]]:
    """Depth, window and lag of everything that is trained."""
    depths = sorted(depths)
    far = reachable(depths[-1], WINDOW)
    return [
        (depth, WINDOW, lag) for depth in depths for lag in lags_of(depth)
    ] + [(depth, EVERYTHING, far) for depth in {depths[0], depths[-1]}]


def run(
    depths: Iterable[int] = DEPTHS,
    seeds: Sequence[int] = SEEDS,
    steps: int = STEPS,
) -> dict[str, list[dict]]:
    """Tune and train at every depth and lag: the rows of each of `TABLES`."""
    torch.set_num_threads(1)
    rows, tried = [], []
    for setting in settings(depths):
        of_setting, of_rates = tuned(*setting, seeds, steps)
        rows += of_setting
        tried += of_rates
    return dict(zip(TABLES, (rows, tried), strict=True))


if __name__ == "__main__":
    command(__doc__, TABLES, run, depths=DEPTHS, seeds=SEEDS, steps=STEPS)
