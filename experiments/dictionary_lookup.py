"""Which score learns a dictionary, at which size of query and key?

    python -m attnbook.experiments.dictionary_lookup

trains four scores to look symbols up in a dictionary that is drawn anew for
each example. It takes about six minutes on one core and writes two tables:

- `dictionary_lookup.csv`: the accuracy, one row per score, size, rate, seed
  and number of steps; also the accuracy on other dictionaries, by which a rate
  is chosen ("validation");
- `dictionary_rows.csv`: what becomes of single rows of weights with the scale
  and without it, at two sizes and one rate.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.experiments.command import SEEDS, command

TABLES = ("dictionary_lookup", "dictionary_rows")
SCORES = ("unscaled", "unscaled, small start", "scaled", "additive")
SIZES = (16, 32, 64, 128, 256, 512, 1024)
RATES = (1e-3, 3e-3, 1e-2)
MORE_RATES = {  # for the scores whose best rate may lie outside
    "unscaled": (3e-4, *RATES, 3e-2),
    "additive": (*RATES, 3e-2),
}
STEPS = (30, 300)

ROWS_SIZES = (512, 1024)
ROWS_RATE = 3e-3
ROWS_STEPS = (100, 300, 1000)
ROWS_SEEDS = tuple(range(6))  # the unscaled runs differ much

SYMBOLS = 32  # that a key may be
KEYS = 16  # in each dictionary, all different
VALUES = 16  # in each dictionary, in random order
WIDTH = 32  # of the embedding of a symbol
BATCH = 128
DEAD = 1e-3  # a row of softmax with a smaller Jacobian (Frobenius norm)


class Dictionary(NamedTuple):
    """A batch of dictionaries, with one question for each."""

    query: Tensor  # (B,), a symbol that is among the keys
    key: Tensor  # (B, S), symbols
    value: Tensor  # (B, S), values
    answer: Tensor  # (B,), the value that stands at the query's key


def draw(
    batch: int, generator: torch.Generator, symbols: int = SYMBOLS
) -> Dictionary:
    """Draw dictionaries of `KEYS` entries, each with a question."""
    key = torch.rand(batch, symbols, generator=generator).argsort(1)[:, :KEYS]
    value = torch.rand(batch, VALUES, generator=generator).argsort(1)[:, :KEYS]
    place = torch.randint(KEYS, (batch,), generator=generator)
    rows = torch.arange(batch)
    return Dictionary(key[rows, place], key, value, value[rows, place])


class LookUp(nn.Module):
    """Soft look-up in a dictionary, with learnt query and key projections.

    The coordinates of queries and keys have variance 1 at the start, as in
    the argument of Vaswani et al. (2017), footnote 4; after a small start,
    1/√d. The blended value is compared with each symbol's own.

    Args:
        score: one of `SCORES`.
        d: width of queries and keys; in additive attention, of its hidden
            layer.
    """

    def __init__(self, score: str, d: int):
        super().__init__()
        if score not in SCORES:
            raise ValueError(
                f"score is {score!r}; expected one of {', '.join(SCORES)}"
            )
        self.score, self.d = score, d
        start = WIDTH**-0.5
        if score == "unscaled, small start":
            start *= d**-0.25
        self.symbol = nn.Parameter(torch.randn(SYMBOLS, WIDTH))
        self.query_projection = nn.Parameter(start * torch.randn(WIDTH, d))
        self.key_projection = nn.Parameter(start * torch.randn(WIDTH, d))
        self.value = nn.Parameter(torch.randn(VALUES, WIDTH))
        if score == "additive":
            self.v = nn.Parameter(torch.randn(d) * d**-0.5)

    def compare(self, query: Tensor, key: Tensor) -> Tensor:
        """Score queries (..., T, d) against keys (..., S, d)."""
        if self.score == "additive":
            hidden = query[..., :, None, :] + key[..., None, :, :]
            return hidden.tanh() @ self.v  # (..., T, S)
        scores = query @ key.transpose(-2, -1)  # (..., T, S)
        return scores / math.sqrt(self.d) if self.score == "scaled" else scores

    def read(self, scores: Tensor, value: Tensor) -> Tensor:
        """Turn scores (B, S) and values (B, S) into logits (B, VALUES)."""
        weights = scores.softmax(-1)  # (B, S)
        output = (weights[..., None] * self.value[value]).sum(1)  # (B, WIDTH)
        return output @ self.value.T / math.sqrt(WIDTH)

    def forward(self, batch: Dictionary) -> Tensor:
        """Answer a batch: logits (B, VALUES).

        Each pair of symbols is scored once, however often it occurs.
        """
        pairs = self.compare(
            self.symbol @ self.query_projection,
            self.symbol @ self.key_projection,
        )  # (SYMBOLS, SYMBOLS)
        return self.read(pairs[batch.query[:, None], batch.key], batch.value)


def jacobian_norm(weights: Tensor) -> Tensor:
    """Frobenius norm of diag(α) − ααᵀ, for weights α (..., S)."""
    square = weights.square()
    total = square.sum(-1)
    norm = total - 2 * (square * weights).sum(-1) + total.square()
    return norm.clamp(min=0).sqrt()


def measure(model: LookUp, batch: Dictionary) -> dict[str, float]:
    """Accuracy, dead rows, and how the gradient is shared out.

    A row is one example: one query with its keys. "query gradient" is the
    norm of the derivative of an example's loss in its embedded query.
    """
    query = model.symbol[batch.query].detach().requires_grad_()  # (B, WIDTH)
    scores = model.compare(
        (query @ model.query_projection)[:, None],
        (model.symbol @ model.key_projection)[batch.key],
    )[:, 0]  # (B, S)
    logits = model.read(scores, batch.value)
    loss = F.cross_entropy(logits, batch.answer, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, query)
    norms = gradient.norm(dim=-1)  # (B,)
    wrong = logits.argmax(-1) != batch.answer
    dead = jacobian_norm(scores.softmax(-1).double()) < DEAD
    return {
        "accuracy": 1 - wrong.double().mean().item(),
        "dead": dead.double().mean().item(),
        "dead and wrong": (dead & wrong).double().mean().item(),
        "query gradient, median": norms.median().item(),
        "query gradient, mean": norms.mean().item(),
        "query gradient, largest": norms.max().item(),
    }


def rates(score: str) -> tuple[float, ...]:
    """The learning rates that a score is tried at."""
    return MORE_RATES.get(score, RATES)


def accuracy(model: LookUp, batch: Dictionary) -> float:
    """The share of the questions that the model answers rightly."""
    with torch.no_grad():
        right = model(batch).argmax(-1) == batch.answer
    return right.double().mean().item()


def unseen(seed: int) -> Dictionary:
    """Dictionaries to measure on, drawn apart from those trained on."""
    return draw(1024, torch.Generator().manual_seed(2_000 + seed))


def train(
    model: LookUp, rate: float, seed: int, steps: Iterable[int]
) -> Iterator[int]:
    """Train with Adam; stop before training, and after each of `steps`."""
    steps = sorted(steps)
    generator = torch.Generator().manual_seed(1_000 + seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    yield 0
    for step in range(1, steps[-1] + 1):
        batch = draw(BATCH, generator)
        loss = F.cross_entropy(model(batch), batch.answer)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step in steps:
            yield step


def fit(
    model: LookUp, rate: float, seed: int, steps: Iterable[int]
) -> Iterator[tuple[int, dict[str, float]]]:
    """Train; yield all measures before, and after each of `steps`."""
    for step in train(model, rate, seed, steps):
        yield step, measure(model, unseen(seed))


def accuracies(score: str, d: int, rate: float, seed: int) -> Iterator[dict]:
    """Train one model; yield its rows of `dictionary_lookup`."""
    torch.manual_seed(seed)
    model = LookUp(score, d)
    other = draw(1024, torch.Generator().manual_seed(3_000 + seed))
    for step in train(model, rate, seed, STEPS):
        if step:
            yield {
                "score": score,
                "d": d,
                "rate": rate,
                "seed": seed,
                "steps": step,
                "accuracy": f"{accuracy(model, unseen(seed)):.4g}",
                "validation": f"{accuracy(model, other):.4g}",
            }


def single_rows(score: str, d: int, seed: int) -> Iterator[dict]:
    """Train one model; yield its rows of `dictionary_rows`."""
    torch.manual_seed(seed)
    model = LookUp(score, d)
    for step, found in fit(model, ROWS_RATE, seed, ROWS_STEPS):
        yield {
            "score": score,
            "d": d,
            "rate": ROWS_RATE,
            "seed": seed,
            "steps": step,
            **{name: f"{value:.4g}" for name, value in found.items()},
        }


def run(
    scores: Iterable[str] = SCORES,
    seeds: Iterable[int] = SEEDS,
    rows_seeds: Iterable[int] = ROWS_SEEDS,
) -> dict[str, list[dict]]:
    """Train each score at each size and rate, once per seed.

    Single rows are followed over `rows_seeds`, since their runs differ more.

    Returns:
        The rows of the two tables, by name; in the second, step 0 is before
        training.
    """
    torch.set_num_threads(1)
    tables = {name: [] for name in TABLES}
    for score, d in itertools.product(scores, SIZES):
        for rate, seed in itertools.product(rates(score), seeds):
            tables["dictionary_lookup"] += accuracies(score, d, rate, seed)
            print(tables["dictionary_lookup"][-1], flush=True)
        if score in ("unscaled", "scaled") and d in ROWS_SIZES:
            for seed in rows_seeds:
                tables["dictionary_rows"] += single_rows(score, d, seed)
    return tables


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        run,
        scores=[*SCORES],
        seeds=SEEDS,
        rows_seeds=ROWS_SEEDS,
    )
