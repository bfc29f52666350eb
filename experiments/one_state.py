"""What a state of fixed size can keep: recall, overwriting and parity.

    python -m attnbook.experiments.one_state

trains small models with one mixer each (attention, linear attention, a
selective scan, the delta rule with and without decay) on two tasks.

Recall: 12 facts, each a key and a value, about 8 keys; 4 of the keys are
written twice, and the last value counts. Then the model is asked for all 8
keys. No key is bound by accident: keys occur in facts and in questions only.
Parity: after each bit, is the number of ones so far odd?

Every mixer has a short convolution on queries, keys and values, except where
the name says otherwise. "sum" is a control for the delta rule: the same keys
of length 1 and the same strengths of writing, but nothing is erased.
Attention does not know the order of tokens; with "distances" it adds a learnt
number for each distance to its scores, so that it can prefer what is new.

It writes two tables. `one_state.csv` has one row per task, mixer, state size
and seed, at the mixer's best rate there: on recall the accuracy of keys that
were written once (`once`) and twice (`twice`), and which share of the errors
on the latter is the old value (`old`); on parity the accuracy at the trained
lengths, positions 13 to 24 (`once`), and beyond, 25 to 48 (`twice`).
`one_state_rates.csv` has the rates that were tried, with the first seed, on
examples that are used for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook import train
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.rates import widened
from attnbook.mechanisms.decoder_only import RMSNorm
from attnbook.mechanisms.states import decayed_chunked, delta_chunked
from attnbook.mechanisms.transformer import FeedForward

TABLES = ("one_state", "one_state_rates")
KEYS = VALUES = 16  # to choose from
DISTINCT, REWRITTEN = 8, 4  # keys of an example; of them written twice
WIDTH, HIDDEN, D_V = 64, 128, 32
CONVOLUTION = 4  # tokens
STATES = (4, 8, 16)  # d_k; the state has d_k · D_V numbers
PARITY_STATE, TRAINED_TO, TESTED_TO = 8, 24, 48
DEEP_STATE = 4
STEPS, BATCH = 400, 64
RATES, FACTOR = (3e-3, 9e-3, 27e-3), 3  # where the search begins
TRIED = 10  # batches that a rate is chosen on, and that measure
TUNING = 1000  # the seed of the examples that a rate is chosen on
ONE_LAYER = (
    "attention",
    "attention, distances",
    "attention, no convolution",
    "linear",
    "scan",
    "sum",
    "delta",
    "gated delta",
)
PARITY = (
    "attention, distances",
    "linear",
    "scan",
    "delta",
    "delta, strength to 2",
    "gated delta, strength to 2",
)
DEEP = {
    "4 attention": ("attention, distances",) * 4,
    "4 gated delta": ("gated delta",) * 4,
    "3 gated delta, 1 attention": (
        *("gated delta",) * 3,
        "attention, distances",
    ),
}
DELTA = ("sum", "delta", "gated delta")


class Asked(NamedTuple):
    """A batch of token sequences with what is wanted at some places.

    `ids` is (B, T); `wanted` (B, T) has -100 where nothing is asked; `old`
    (B, T) has the value that a key had before it was overwritten, or -1.
    """

    ids: Tensor
    wanted: Tensor
    old: Tensor

    def to(self, device) -> Asked:
        """The same on a device."""
        return Asked(*(each.to(device) for each in self))


class Recall:
    """Facts, some of them about the same key, and then questions."""

    vocabulary = KEYS + VALUES

    def sample(self, count: int, rng: np.random.Generator) -> Asked:
        """Draw examples."""
        rows = np.arange(count)[:, None]
        own = rng.random((count, KEYS)).argsort(-1)[:, :DISTINCT]
        writes = np.concatenate([own, own[:, :REWRITTEN]], 1)
        order = rng.random(writes.shape).argsort(-1)
        writes = writes[rows, order]  # (B, 12), each key at a random place
        values = rng.integers(VALUES, size=writes.shape)
        last, old = np.full((2, count, KEYS), -1)
        for i in range(writes.shape[1]):
            key, value = writes[:, i], values[:, i]
            known = last[rows[:, 0], key]
            same = known == value  # a new value is another one
            value = np.where(same, (value + 1) % VALUES, value)
            values[:, i] = value
            old[rows[:, 0], key] = known
            last[rows[:, 0], key] = value
        asked = own[rows, rng.random(own.shape).argsort(-1)]
        facts = np.stack([writes, KEYS + values], -1).reshape(count, -1)
        ids = np.concatenate([facts, asked], 1)
        wanted = np.full(ids.shape, -100)
        former = np.full(ids.shape, -1)
        wanted[:, -DISTINCT:] = last[rows, asked]
        former[:, -DISTINCT:] = old[rows, asked]
        return Asked(*map(torch.from_numpy, (ids, wanted, former)))


class Parity:
    """Random bits; is the number of ones so far odd?"""

    vocabulary = 2

    def __init__(self, length: int = TRAINED_TO):
        self.length = length

    def sample(self, count: int, rng: np.random.Generator) -> Asked:
        """Draw examples."""
        ids = torch.from_numpy(rng.integers(2, size=(count, self.length)))
        return Asked(ids, ids.cumsum(-1) % 2, torch.full_like(ids, -1))


class Mixer(nn.Module):
    """One head that mixes tokens: by attention, or by a state.

    Args:
        kind: its name.
        d_k: features of queries and keys.
    """

    def __init__(self, kind: str, d_k: int):
        super().__init__()
        self.kind, self.d_k = kind.split(",")[0], d_k
        self.strongest = 2 if kind.endswith("to 2") else 1
        self.sizes = [d_k, d_k, D_V]
        self.inward = nn.Linear(WIDTH, sum(self.sizes), bias=False)
        self.convolution = None
        if not kind.endswith("no convolution"):
            self.convolution = nn.Conv1d(
                sum(self.sizes),
                sum(self.sizes),
                CONVOLUTION,
                groups=sum(self.sizes),
                padding=CONVOLUTION - 1,
            )
        self.near = None
        if kind.endswith("distances"):
            self.near = nn.Parameter(torch.zeros(TESTED_TO))
        self.strength = nn.Linear(WIDTH, 1)
        self.decay = nn.Linear(WIDTH, 1)
        nn.init.constant_(self.decay.bias, -3.0)
        self.norm = RMSNorm(D_V)
        self.outward = nn.Linear(D_V, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix tokens (B, T, D)."""
        made = self.inward(x)  # (B, T, 2 d_k + d_v)
        if self.convolution is not None:
            made = self.convolution(made.mT)[..., : x.shape[1]].mT
        if self.kind == "attention":
            q, k, v = made.split(self.sizes, -1)
            found = F.scaled_dot_product_attention(q, k, v, self.mask(x))
        else:
            q, k, v = F.silu(made).split(self.sizes, -1)
            found = self.read(x, q, k, v)
        return self.outward(self.norm(found))

    def mask(self, x: Tensor) -> Tensor:
        """What is added to scores, (T, T)."""
        T = x.shape[1]
        place = torch.arange(T)
        behind = place[:, None] - place
        near = x.new_zeros(T) if self.near is None else self.near
        return near[behind.clamp(min=0)].masked_fill(behind < 0, -torch.inf)

    def read(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Write a state and read it, (B, T, d_v)."""
        T = x.shape[1]  # one chunk: short texts
        step = F.softplus(self.decay(x))[..., 0]  # (B, T)
        if self.kind == "linear":
            return decayed_chunked(q, k, v, T)[0]
        if self.kind == "scan":
            return decayed_chunked(q, k, step[..., None] * v, T, -step)[0]
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        beta = self.strongest * self.strength(x).sigmoid()[..., 0]
        if self.kind == "sum":
            return decayed_chunked(q, k, beta[..., None] * v, T)[0]
        gate = -step if self.kind == "gated delta" else None
        return delta_chunked(q, k, v, beta, T, gate)[0]


class Model(nn.Module):
    """Layers of a mixer and a feed-forward network.

    Args:
        kinds: the mixer of each layer.
        d_k: features of queries and keys.
        vocabulary: tokens.
        answers: what can be answered.
    """

    def __init__(
        self, kinds: Sequence[str], d_k: int, vocabulary: int, answers: int
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, WIDTH)
        self.mixers = nn.ModuleList(Mixer(kind, d_k) for kind in kinds)
        self.networks = nn.ModuleList(
            FeedForward(WIDTH, HIDDEN) for _ in kinds
        )
        self.norms = nn.ModuleList(
            RMSNorm(WIDTH) for _ in range(2 * len(kinds))
        )
        self.readout = nn.Sequential(RMSNorm(WIDTH), nn.Linear(WIDTH, answers))

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (B, T, answers)."""
        x = self.embedding(ids)
        for i, (mixer, network) in enumerate(
            zip(self.mixers, self.networks, strict=True)
        ):
            x = x + mixer(self.norms[2 * i](x))
            x = x + network(self.norms[2 * i + 1](x))
        return self.readout(x)


def loss_of(model: nn.Module, batch: Asked) -> Tensor:
    """Mean cross-entropy where something is asked, in nats."""
    return F.cross_entropy(model(batch.ids).mT, batch.wanted)


def trained(
    task, kinds: Sequence[str], d_k: int, steps: int, rate: float, seed: int
) -> Model:
    """A model, trained."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    answers = VALUES if isinstance(task, Recall) else 2
    model = Model(kinds, d_k, task.vocabulary, answers)
    train.fit(
        model,
        task,
        steps,
        batch_size=BATCH,
        lr=rate,
        seed=seed,
        progress=False,
        loss_of=loss_of,
    )
    return model


@torch.no_grad()
def measured(model: Model, task, seed: int, batches: int) -> dict[str, float]:
    """Loss and accuracies on fresh examples.

    Args:
        model: trained on the task.
        task: as it is measured.
        seed: of the examples.
        batches: of them.
    """
    rng = np.random.default_rng([seed, 1])  # no other draw begins so
    parts = [task.sample(BATCH, rng) for _ in range(batches)]
    batch = Asked(*(torch.cat(each) for each in zip(*parts, strict=True)))
    logits = model(batch.ids)
    said, asked = logits.argmax(-1), batch.wanted >= 0
    right = said == batch.wanted
    if isinstance(task, Parity):
        half = right[:, TRAINED_TO // 2 : TRAINED_TO]
        beyond = right[:, TRAINED_TO:]
        twice = beyond.double().mean().item() if beyond.numel() else 0.0
        found = {"once": half.double().mean().item(), "twice": twice, "old": 0}
    else:
        again = batch.old >= 0
        wrong = again & ~right
        stale = (wrong & (said == batch.old)).sum() / wrong.sum().clamp(min=1)
        found = {
            "once": right[asked & ~again].double().mean().item(),
            "twice": right[again].double().mean().item(),
            "old": stale.item(),
            "errors": int(wrong.sum()),
        }
    loss = F.cross_entropy(logits.mT, batch.wanted).item()
    return {"loss": loss, "errors": 0, **found}


def tuned(
    task: str,
    mixer: str,
    d_k: int,
    seeds: Sequence[int],
    steps: int = STEPS,
    batches: int = TRIED,
) -> tuple[list[dict], list[dict]]:
    """Train a mixer at its best rate; the first seed tries the rates.

    Args:
        task: "recall" or "parity".
        mixer: one of `ONE_LAYER`, `PARITY` or `DEEP`.
        d_k: features of queries and keys.
        seeds: of weights and of batches.
        steps: of training.
        batches: of examples to measure on.

    Returns:
        rows of `one_state`, and of `one_state_rates`.
    """
    learnt = Recall() if task == "recall" else Parity()
    tested = learnt if task == "recall" else Parity(TESTED_TO)
    kinds = DEEP.get(mixer, (mixer,))
    cell = {"task": task, "mixer": mixer, "d_k": d_k}
    models: dict[float, Model] = {}

    def loss(rate: float) -> float:
        models[rate] = trained(learnt, kinds, d_k, steps, rate, seeds[0])
        return measured(models[rate], learnt, TUNING, batches)["loss"]

    rate, tried = widened(loss, RATES, FACTOR)
    rows = []
    for seed in seeds:
        model = models[rate]
        if seed != seeds[0]:
            model = trained(learnt, kinds, d_k, steps, rate, seed)
        found = measured(model, tested, seed, batches)
        found = {name: round(number, 4) for name, number in found.items()}
        rows.append({**cell, "rate": rate, "seed": seed, **found})
        print(rows[-1], flush=True)
    return rows, [
        {**cell, "rate": each, "seed": seeds[0], "loss": round(tried[each], 4)}
        for each in sorted(tried)
    ]


def cells() -> list[tuple[str, str, int]]:
    """What is trained: task, mixer and state size."""
    return [
        *(("recall", mixer, d_k) for d_k in STATES for mixer in ONE_LAYER),
        *(("parity", mixer, PARITY_STATE) for mixer in PARITY),
        *(("recall", mixer, DEEP_STATE) for mixer in DEEP),
    ]


def run(
    seeds: Sequence[int] = SEEDS, steps: int = STEPS
) -> dict[str, Iterable[dict]]:
    """Tune and train each cell: the rows of `TABLES`."""
    found = [tuned(*cell, seeds, steps) for cell in cells()]
    return {
        name: [row for each in found for row in each[part]]
        for part, name in enumerate(TABLES)
    }


if __name__ == "__main__":
    command(__doc__, TABLES, run, seeds=SEEDS, steps=STEPS)
