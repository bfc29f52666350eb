"""A text longer than the cache: what happens as its first tokens fall out?

    python -m attnbook.experiments.streaming

trains small decoder-only models with rotary positions on windows of the
English text, and lets them read held-out text that is four times as long as
a window, token by token, with a cache that keeps the last tokens alone, or
the last ones and the first. All caches hold as many tokens as a window of
training. Beside them, one reading keeps everything, which is longer than
training was, and one reads a fresh window for each token, without a cache.

Half of the models saw windows that begin anywhere in the text; for the other
half every window begins with the same extra token, which has nothing to say.

Three tables. `streaming.csv` has one row per model, way of reading, and part
of the text (within the first window, the window after it, and all that
follow): bits a token. `streaming_sinks.csv` has the weight on the first token
in each head, the mean over the second half of a window, beside what equal
weights would give. `streaming_rates.csv` has the rates that were tried with
the first seed, on the validation text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook import train
from attnbook.data.english_text import PYTHON
from attnbook.data.windows import Windows
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.rates import widened
from attnbook.experiments.text_models import (
    BATCH,
    HEADS,
    LAYERS,
    LONGEST,
    WIDTH,
    Text,
    text,
)
from attnbook.mechanisms.decoder_only import DecoderOnly, Design
from attnbook.mechanisms.long_context import RollingCache

TABLES = ("streaming", "streaming_sinks", "streaming_rates")
STARTS = ("anywhere", "an extra token")
SINKS = (0, 1, 2, 4)
STEPS = 400
RATES = (4e-3, 8e-3, 16e-3)  # where the search begins
STREAMS, LENGTH = 16, 256  # texts that are read, and their tokens
EVERYTHING, AFRESH = "everything", "a fresh window for each token"


class Model(NamedTuple):
    """A trained model, and the token that its windows begin with, if any."""

    decoder: DecoderOnly
    first: int | None

    def begun(self, ids: Tensor) -> Tensor:
        """Texts with their first token: (B, T) or (B, T + 1)."""
        if self.first is None:
            return ids
        return F.pad(ids, (1, 0), value=self.first)


def untrained(start: str, seed: int, of: Text) -> Model:
    """A fresh model; one more token than the text has may begin a window."""
    torch.manual_seed(seed)
    decoder = DecoderOnly(
        of.tokens.size + 1,
        WIDTH,
        HEADS,
        LAYERS,
        LONGEST,
        design=Design(positions="rotary"),
    )
    return Model(decoder, None if start == STARTS[0] else of.tokens.size)


def loss_of(model: Model, windows: Tensor) -> Tensor:
    """Nats a token; the extra token is read and not predicted."""
    read = model.begun(windows[:, :-1])
    logits, _ = model.decoder(read[:, :LONGEST])
    skipped = read.shape[1] - (windows.shape[1] - 1)
    predicted = logits[:, skipped:]
    return F.cross_entropy(
        predicted.flatten(0, 1),
        windows[:, 1 : 1 + predicted.shape[1]].flatten(),
    )


def trained(
    start: str, seed: int, rate: float, steps: int, of: Text
) -> tuple[Model, float]:
    """Train a model; with its loss on validation text, to tune on."""
    model = untrained(start, seed, of)
    train.fit(
        model.decoder,
        Windows(of.parts["train"].ids, LONGEST),
        steps,
        batch_size=BATCH,
        lr=rate,
        seed=seed,
        progress=False,
        loss_of=lambda _, windows: loss_of(model, windows),
    )
    ids = torch.tensor(of.parts["validation"].ids)
    cut = ids[: len(ids) // (LONGEST + 1) * (LONGEST + 1)]
    with torch.no_grad():
        loss = loss_of(model, cut.view(-1, LONGEST + 1)).item()
    print(start, seed, rate, f"{loss:.4f}", flush=True)
    return model, loss


def streams(of: Text, count: int = STREAMS, length: int = LENGTH) -> Tensor:
    """Pieces of the held-out text, spread over it: (count, length + 1)."""
    ids = torch.tensor(of.parts["held-out"].ids)
    begins = np.linspace(0, len(ids) - length - 1, count).astype(int)
    return torch.stack([ids[at : at + length + 1] for at in begins])


@torch.no_grad()
def cached_losses(model: Model, ids: Tensor, sinks: int) -> Tensor:
    """Nats of each next token, read one by one: (B, T).

    Args:
        model: reads.
        ids: (B, T + 1).
        sinks: first tokens that are kept, of the `LONGEST` in all.
    """
    cache = RollingCache(
        model.decoder, len(ids), LONGEST - sinks, sinks, close=True
    )
    return _losses(model, ids, lambda read: model.decoder(read, cache)[0])


@torch.no_grad()
def losses_of_everything(model: Model, ids: Tensor) -> Tensor:
    """The same where every token is kept, in one pass."""
    read = model.begun(ids[:, :-1])
    model.decoder.longest = read.shape[1]
    logits, _ = model.decoder(read)
    model.decoder.longest = LONGEST
    logits = logits[:, read.shape[1] - (ids.shape[1] - 1) :]
    return _nats(logits, ids[:, 1:])


@torch.no_grad()
def losses_afresh(model: Model, ids: Tensor) -> Tensor:
    """The same where the last tokens are read anew for each next one."""
    inside = _within(model)
    first = losses_of_everything(model, ids[:, : inside + 1])  # (B, inside)
    windows = ids[:, 1:-1].unfold(1, inside, 1)  # (B, N, inside)
    rest = []
    for at in range(windows.shape[1]):
        logits, _ = model.decoder(model.begun(windows[:, at]))
        rest.append(_nats(logits[:, -1], ids[:, at + 1 + inside]))
    return torch.cat([first, torch.stack(rest, 1)], dim=1)


def _losses(
    model: Model, ids: Tensor, logits_of: Callable[[Tensor], Tensor]
) -> Tensor:
    """Read token by token."""
    found = []
    if model.first is not None:
        logits_of(torch.full((len(ids), 1), model.first))
    for at in range(ids.shape[1] - 1):
        logits = logits_of(ids[:, at, None])[:, 0]  # (B, V)
        found.append(_nats(logits, ids[:, at + 1]))
    return torch.stack(found, dim=1)


def _nats(logits: Tensor, ids: Tensor) -> Tensor:
    losses = F.cross_entropy(
        logits.flatten(0, -2), ids.flatten(), reduction="none"
    )
    return losses.view(ids.shape)


def _within(model: Model) -> int:
    """Tokens of the text that fit into a window with its first token."""
    return LONGEST - (model.first is not None)


def ways(sinks: Iterable[int] = SINKS) -> dict[str, Callable]:
    """Ways of reading, by name; each gives nats, (B, T)."""
    found: dict[str, Callable] = {
        EVERYTHING: losses_of_everything,
        AFRESH: losses_afresh,
    }
    for count in sinks:
        name = f"{LONGEST - count} last tokens"
        if count:
            name += f" and {count} first"
        found[name] = lambda model, ids, count=count: cached_losses(
            model, ids, count
        )
    return found


def parts_of(model: Model, losses: Tensor) -> dict[str, float]:
    """Bits a token, by the part of the text."""
    inside = _within(model)
    cuts = {
        "first window": losses[:, :inside],
        "second window": losses[:, inside : inside + LONGEST],
        "later": losses[:, inside + LONGEST :],
    }
    return {
        name: round(part.mean().item() / math.log(2), 4)
        for name, part in cuts.items()
    }


@torch.no_grad()
def sinks_of(model: Model, ids: Tensor) -> list[dict]:
    """The weight on the first token, in each head."""
    read = model.begun(ids)[:, :LONGEST]
    _, weights = model.decoder(read)
    half = slice(LONGEST // 2, LONGEST)
    fair = (1 / (torch.arange(LONGEST)[half] + 1)).mean().item()
    return [
        {
            "layer": layer + 1,
            "head": head + 1,
            "weight": round(of_layer[:, head, half, 0].mean().item(), 4),
            "equal weights": round(fair, 4),
        }
        for layer, of_layer in enumerate(weights)
        for head in range(of_layer.shape[1])
    ]


def measure(
    start: str, seed: int, rate: float, model: Model, of: Text
) -> tuple[list[dict], list[dict]]:
    """Let a model read: its rows of `streaming` and `streaming_sinks`."""
    ids = streams(of)
    place = {"python": PYTHON, "starts": start, "seed": seed}
    rows = []
    for way, losses_by in ways().items():
        for part, bits in parts_of(model, losses_by(model, ids)).items():
            rows.append(
                {**place, "rate": rate, "way": way, "part": part, "bits": bits}
            )
        print(rows[-3:], flush=True)
    return rows, [{**place, **row} for row in sinks_of(model, ids)]


def of_start(
    start: str,
    seeds: Sequence[int],
    of: Text,
    steps: int = STEPS,
    rates: Sequence[float] = RATES,
) -> list[list[dict]]:
    """Tune, train and read: the rows of each of `TABLES`."""
    models: dict[float, Model] = {}

    def loss(rate: float) -> float:
        models[rate], value = trained(start, seeds[0], rate, steps, of)
        return value

    rate, losses = widened(loss, rates)
    rows, sinks = measure(start, seeds[0], rate, models[rate], of)
    for seed in seeds[1:]:
        model, _ = trained(start, seed, rate, steps, of)
        more, others = measure(start, seed, rate, model, of)
        rows, sinks = rows + more, sinks + others
    tried = [
        {
            "python": PYTHON,
            "starts": start,
            "seed": seeds[0],
            "rate": each,
            "loss": round(value, 4),
        }
        for each, value in sorted(losses.items())
    ]
    return [rows, sinks, tried]


def run(
    starts: Sequence[str] = STARTS,
    seeds: Sequence[int] = SEEDS,
    steps: int = STEPS,
) -> dict[str, list[dict]]:
    """Train and read: the rows of each of `TABLES`."""
    torch.set_num_threads(1)
    of = text()
    found = [of_start(start, seeds, of, steps) for start in starts]
    return {
        name: [row for each in found for row in each[number]]
        for number, name in enumerate(TABLES)
    }


if __name__ == "__main__":
    command(
        __doc__, TABLES, run, starts=list(STARTS), seeds=SEEDS, steps=STEPS
    )
