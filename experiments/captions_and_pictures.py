"""Captions and pictures of digits in one space: losses, floors, wordings.

    python -m attnbook.experiments.captions_and_pictures

trains a picture encoder and a caption encoder with several losses, and a
classifier with the same picture encoder for comparison. It writes three
tables.

`captions_and_pictures.csv` has a row per training, batch size and seed: the
loss on new batches of training pictures, the floor that repeated captions put
under it (as expected, and of just the batches that were drawn), and how many
of the held-out pictures find their caption among the ten distinct ones.
`captions_rates.csv` has the learning rates that were tried; the cross-entropy
of the right caption among the ten, on the validation pictures, chooses: the
mean of three seeds for the first two losses and the classifier, else that of
one. `captions_wordings.csv`, at the rate of the softmax, asks with a wording
that training has not seen: each of the five is left out once.

The study has parts, which may be run one at a time (`--parts`, in order): the
rows of the others are then kept. Batches are drawn with replacement, and each
digit is equally likely, as the formulas of the floors suppose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.data.digit_images import (
    WORDINGS,
    WORDS,
    Pictures,
    caption_ids,
    digit_images,
)
from attnbook.experiments import table
from attnbook.experiments.command import command
from attnbook.experiments.rates import widened
from attnbook.mechanisms.modalities import (
    DualEncoder,
    VisionTransformer,
    multi_positive_loss,
    retrieved,
    sigmoid_floor,
    sigmoid_loss,
    softmax_floor,
    softmax_loss,
)

TABLES = ("captions_and_pictures", "captions_rates", "captions_wordings")
SEEDS = (0, 1, 2)
RATES = (2e-3, 4e-3, 8e-3)  # where the search begins
WARMUP = 50
STEPS = {10: 1200, 16: 1200, 64: 600, 256: 200}  # by batch: 6 to 9 seconds
STEPS |= {("sigmoid", 256): 400}  # after 200 it has learnt next to nothing
DIGITS = 10
BATCHES = 500  # new ones, on which the loss is measured after training

CAPTIONED = ("softmax", "sigmoid", "several positives")
PLAIN = "classifier"
WRONG = (
    "no unit length",
    "targets of its own",
    "targets of its own, no unit length",
)


@dataclass(frozen=True)
class Kind:
    """What is trained, and how.

    Attributes:
        name: of the loss: one of `CAPTIONED` or `WRONG`, or `PLAIN`.
        batch: pictures in a batch.
        times: scale and bias learn at so many times the rate of the rest.
        captions: "right", or "shuffled" over the training pictures, once.
        distinct: a batch has each digit once.
        wordings: of the captions in training.
    """

    name: str
    batch: int = 64
    times: float = 20.0
    captions: str = "right"
    distinct: bool = False
    wordings: tuple[int, ...] = (0,)

    @property
    def unit(self) -> bool:
        """Whether vectors are divided by their length."""
        return "no unit length" not in self.name

    @property
    def columns(self) -> dict:
        """What names it in a table."""
        return {
            "training": self.name,
            "batch": self.batch,
            "times": self.times if self.name in CAPTIONED else "",
            "captions": "distinct" if self.distinct else self.captions,
            "wordings": len(self.wordings),
        }


@cache
def part(name: str) -> Pictures:
    """One part of the digits, as `digit_images`."""
    return digit_images(name)


def captions(wordings: Sequence[int]) -> Tensor:
    """All captions of some wordings: (10 · wordings, 3).

    The caption of digit c in the w-th of them is row 10 · w + c.
    """
    digits = torch.arange(DIGITS).repeat(len(wordings))
    return caption_ids(digits, torch.tensor(wordings).repeat_interleave(10))


def built(kind: Kind) -> nn.Module:
    """An untrained model."""
    if kind.name == PLAIN:
        return VisionTransformer(classes=DIGITS)
    return DualEncoder(len(WORDS))


class Draw:
    """Draws batches: indices of training pictures, and their captions.

    Args:
        kind: says how large a batch is, and of what.
        seed: of the draws.
    """

    def __init__(self, kind: Kind, seed: int):
        self.kind = kind
        self.generator = torch.Generator().manual_seed(seed)
        self.labels = part("train").labels  # what the captions say
        if kind.captions == "shuffled":
            order = torch.randperm(len(self.labels), generator=self.generator)
            self.labels = self.labels[order]
        self.of = [(self.labels == c).nonzero()[:, 0] for c in range(DIGITS)]
        self.odds = 1 / torch.bincount(self.labels)[self.labels]

    def __call__(self) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures' numbers, digits and captions' rows: (B,) each."""
        g = self.generator
        if self.kind.distinct:
            chosen = torch.stack(
                [i[torch.randint(len(i), (), generator=g)] for i in self.of]
            )
        else:
            chosen = torch.multinomial(
                self.odds, self.kind.batch, replacement=True, generator=g
            )
        digits = self.labels[chosen]
        several = len(self.kind.wordings)
        wording = torch.randint(several, digits.shape, generator=g)
        return chosen, digits, digits + DIGITS * wording


def loss_of(
    kind: Kind, model: nn.Module, images: Tensor, texts: Tensor, digits: Tensor
) -> Tensor:
    """The loss of a batch: images (B, D), texts (B, D), digits (B,)."""
    if kind.name == "softmax":
        return softmax_loss(images, texts, model.log_scale)
    if kind.name == "sigmoid":
        return sigmoid_loss(images, texts, model.log_scale, model.bias)
    if kind.name == "several positives":
        same = digits[:, None] == digits
        return multi_positive_loss(images, texts, model.log_scale, same)
    scale = 1.0
    if kind.unit:
        images, texts = (F.normalize(x, dim=-1) for x in (images, texts))
        scale = model.log_scale.exp()
    logits = scale * images @ texts.T  # (B, B)
    if kind.name == "no unit length":
        target = torch.eye(len(logits))
    else:  # the published mistake: the model makes its own targets
        alike = (images @ images.T + texts @ texts.T) / 2
        target = (scale * alike).softmax(-1)
    rows = F.cross_entropy(logits, target)
    columns = F.cross_entropy(logits.T, target.T)
    return (rows + columns) / 2


def trained(kind: Kind, rate: float, seed: int, steps: int) -> nn.Module:
    """Train for so many steps: a linear warm-up, then a linear decay to 0."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = built(kind)
    plain = kind.name == PLAIN
    groups = (
        [{"params": list(model.parameters()), "lr": rate}]
        if plain
        else model.groups(rate, kind.times)
    )
    optimiser = torch.optim.Adam(groups)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min((step + 1) / min(WARMUP, steps), 1 - step / steps),
    )
    draw, pictures = Draw(kind, seed), part("train").images
    ids = captions(kind.wordings)
    for _ in range(steps):
        chosen, digits, rows = draw()
        if plain:
            loss = F.cross_entropy(model(pictures[chosen])[0], digits)
        else:
            images = model.images(pictures[chosen])
            texts = model.texts(ids)[rows]  # equal captions, encoded once
            loss = loss_of(kind, model, images, texts, digits)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def scores(
    kind: Kind, model: nn.Module, images: Tensor, wording: int = 0
) -> Tensor:
    """The logits of the ten distinct captions (or classes): (N, 10)."""
    if kind.name == PLAIN:
        return model(images)[0]
    found, texts = model.images(images), model.texts(captions([wording]))
    if not kind.unit:
        return found @ texts.T
    found, texts = (F.normalize(x, dim=-1) for x in (found, texts))
    return model.log_scale.exp() * found @ texts.T


def right(
    kind: Kind, model: nn.Module, of: Pictures, wording: int | None = None
) -> float:
    """Retrieval at 1: the share of pictures whose own caption is nearest.

    Args:
        kind: what was trained.
        model: an encoder of both, or a classifier.
        of: the pictures.
        wording: of the ten captions; the mean of those seen, if not given.
    """
    wordings = kind.wordings if wording is None else (wording,)
    found = [
        scores(kind, model, of.images, w).argmax(-1) == of.labels
        for w in wordings
    ]
    return torch.stack(found).double().mean().item()


def validated(kind: Kind, model: nn.Module) -> float:
    """Cross-entropy of the right caption of ten, validation pictures."""
    of = part("validation")
    losses = [
        F.cross_entropy(scores(kind, model, of.images, w), of.labels).item()
        for w in kind.wordings
    ]
    return sum(losses) / len(losses)


def new_batches(kind: Kind, seed: int) -> list[tuple]:
    """What `Draw` gives for the batches that a loss is measured on."""
    draw = Draw(kind, seed)
    draw.generator.manual_seed(1000 + seed)
    return [draw() for _ in range(BATCHES)]


def drawn_floor(kind: Kind, seed: int) -> float | str:
    """The least loss on just these batches, in which digits are counted.

    The floor of the formulas is its expectation.
    """
    if floor(kind) in ("", 0.0):
        return floor(kind)
    digits = torch.stack([found for _, found, _ in new_batches(kind, seed)])
    n = (digits[:, :, None] == digits[:, None]).sum(-1).double()  # (500, B)
    if kind.name == "softmax":
        return n.log().mean().item()
    share = 1 / n.mean()  # of the pairs with equal captions, on the diagonal
    wrong = (n.mean() - 1) * (1 - share).log()
    return -(share.log() + wrong).item()


@torch.no_grad()
def measured(kind: Kind, model: nn.Module, seed: int) -> dict:
    """Loss on new batches, retrieval by cosine, and how vectors spread."""
    blank = {"loss": "", "by cosine": "", "pictures": "", "captions alike": ""}
    if kind.name == PLAIN:
        return blank | {"scale": "", "bias": ""}
    held = part("held-out")
    ids = captions(kind.wordings)
    images, texts = model.images(part("train").images), model.texts(ids)
    losses = []
    for chosen, digits, rows in new_batches(kind, seed):
        of_batch = images[chosen], texts[rows], digits
        losses.append(loss_of(kind, model, *of_batch).item())
    ten, seen = model.texts(captions([0])), model.images(held.images)
    found = retrieved(seen, ten) == held.labels
    unit = F.normalize(seen, dim=-1)
    other = held.labels[:, None] != held.labels
    words = F.normalize(ten, dim=-1)
    return {
        "loss": sum(losses) / BATCHES,
        "by cosine": found.double().mean().item(),
        "pictures": (unit @ unit.T)[other].mean().item(),
        "captions alike": (words @ words.T)[
            ~torch.eye(DIGITS, dtype=torch.bool)
        ]
        .mean()
        .item(),
        "scale": model.log_scale.exp().item() if kind.unit else 1.0,
        "bias": model.bias.item() if kind.name == "sigmoid" else "",
    }


def floor(kind: Kind) -> float | str:
    """The least expected loss, where it is known."""
    if kind.distinct or kind.name == "several positives":
        return 0.0
    if kind.name == "softmax" and kind.captions == "right":
        return softmax_floor(kind.batch, DIGITS)
    if kind.name == "sigmoid" and kind.captions == "right":
        return sigmoid_floor(kind.batch, DIGITS)
    return ""


def _short(value: float | str) -> float | int | str:
    """A whole number without its decimals, as it is written at first."""
    whole = isinstance(value, float) and value.is_integer()
    return int(value) if whole else value


def _rounded(row: dict) -> dict:
    return {
        column: round(value, 5) if isinstance(value, float) else value
        for column, value in row.items()
    }


class Study:
    """Rates are searched for, and then each seed is trained at the best.

    Args:
        rates: where each search begins; a single one is taken as it is.
        steps: of training, by batch size, or by loss and batch size.
    """

    def __init__(self, rates: Sequence[float], steps: dict):
        self.rates, self.steps = rates, steps
        self.part = ""
        self.chosen: dict[Kind, float] = {}
        self.models: dict[tuple, nn.Module] = {}
        self.rows: list[dict] = []
        self.tried: list[dict] = []
        self.asked: list[dict] = []

    def keep(self, parts: Sequence[str]) -> None:
        """Begin with the committed rows of all other parts."""
        for name, rows in zip(
            TABLES, (self.rows, self.tried, self.asked), strict=True
        ):
            with suppress(FileNotFoundError):
                rows += [
                    {column: _short(value) for column, value in row.items()}
                    for row in table(name)
                    if row["part"] not in parts
                ]

    def steps_of(self, kind: Kind) -> int:
        """Steps of training of a kind."""
        of_batch = self.steps[kind.batch]
        return self.steps.get((kind.name, kind.batch), of_batch)

    def train(self, kind: Kind, rate: float, seed: int) -> nn.Module:
        """A trained model; the same one, if asked again."""
        key = kind, rate, seed
        if key not in self.models:
            self.models[key] = trained(kind, rate, seed, self.steps_of(kind))
        return self.models[key]

    def tune(
        self, kind: Kind, seeds: Sequence[int], grow: bool = True
    ) -> float:
        """The rate of a kind; searched for once, unless there is one only."""
        if kind in self.chosen or len(self.rates) == 1:
            return self.chosen.setdefault(kind, self.rates[0])
        kept = {
            row["rate"]: row["validation"]
            for row in self.tried
            if all(row[name] == of for name, of in kind.columns.items())
        }
        if kept:
            return self.chosen.setdefault(kind, min(kept, key=kept.get))

        def loss(rate: float) -> float:
            found = [
                validated(kind, self.train(kind, rate, seed)) for seed in seeds
            ]
            mean = sum(found) / len(found)
            return mean if math.isfinite(mean) else math.inf

        if grow:
            self.chosen[kind], tried = widened(loss, self.rates)
        else:
            tried = {rate: loss(rate) for rate in self.rates}
            self.chosen[kind] = min(tried, key=tried.__getitem__)
        for rate in sorted(tried):
            found = [
                right(kind, self.train(kind, rate, seed), part("validation"))
                for seed in seeds
            ]
            row = {
                "part": self.part,
                **kind.columns,
                "steps": self.steps_of(kind),
                "rate": rate,
                "seeds": len(seeds),
                "validation": tried[rate],
                "found": sum(found) / len(found),
            }
            self.tried.append(_rounded(row))
            print(self.tried[-1], flush=True)
        return self.chosen[kind]

    def add(
        self,
        kind: Kind,
        seeds: Sequence[int],
        like: Kind | None = None,
        choosers: int = 1,
    ) -> None:
        """Train with each seed at its rate, or at that of another kind.

        Args:
            kind: what to train.
            seeds: of weights and batches.
            like: whose rate is taken, where it has none of its own.
            choosers: how many of the seeds choose the rate.
        """
        chosen_by = seeds[:choosers]
        rate = self.tune(like or kind, chosen_by, kind.name not in WRONG)
        for seed in seeds:
            model = self.train(kind, rate, seed)
            row = {
                "part": self.part,
                **kind.columns,
                "steps": self.steps_of(kind),
                "rate": rate,
                "seed": seed,
                "parameters": sum(p.numel() for p in model.parameters()),
                "floor": floor(kind),
                "drawn floor": drawn_floor(kind, seed),
                "held-out": right(kind, model, part("held-out")),
                **measured(kind, model, seed),
            }
            self.rows.append(_rounded(row))
            print(self.rows[-1], flush=True)

    def ask(self, left: int, seeds: Sequence[int]) -> None:
        """Leave a wording out: train on the four others, or on one of them.

        What was trained on one wording is asked with each of the others.
        """
        rate = self.tune(Kind("softmax"), seeds)
        others = tuple(w for w in range(len(WORDINGS)) if w != left)
        for seed in seeds:
            for wordings, unseen in (((left,), others), (others, (left,))):
                kind = replace(Kind("softmax"), wordings=wordings)
                model = self.train(kind, rate, seed)
                for wording in (*wordings, *unseen):
                    row = {
                        "part": self.part,
                        "wordings": len(wordings),
                        "left": left,
                        "asked": wording,
                        "seen": int(wording in wordings),
                        "rate": rate,
                        "seed": seed,
                        "held-out": right(
                            kind, model, part("held-out"), wording
                        ),
                    }
                    self.asked.append(_rounded(row))
                print(self.asked[-1], flush=True)


FIVE = tuple(range(len(WORDINGS)))
PARTS: dict[str, list[tuple[Kind, Kind | None, int]]] = {
    # each with whose rate it takes, and how many seeds choose the rate
    "losses": [(Kind(name), None, 3) for name in CAPTIONED[:2]],
    "baselines": [
        (Kind(PLAIN), None, 3),
        (Kind("softmax", captions="shuffled"), Kind("softmax"), 1),
        (Kind("softmax", batch=DIGITS, distinct=True), None, 1),
    ],
    "batches": [
        (Kind("softmax", batch=16), None, 1),
        (Kind("sigmoid", batch=16), None, 1),
        (Kind("softmax", batch=256), None, 1),
    ],
    "longer": [(Kind("sigmoid", batch=256), None, 1)],
    "positives": [
        (Kind(name, wordings=FIVE), None, 1)
        for name in (CAPTIONED[0], CAPTIONED[2])
    ],
    "wrong": [(Kind(name), None, 1) for name in WRONG],
    "once": [(Kind(name, times=1.0), None, 1) for name in CAPTIONED[:2]],
    **{f"wording-{left}": [] for left in FIVE},
}


def run(
    seeds: Sequence[int] = SEEDS,
    parts: Sequence[str] = tuple(PARTS),
    rates: Sequence[float] = RATES,
    steps: dict = STEPS,
) -> dict[str, list[dict]]:
    """Train the parts: the rows of each of `TABLES`, with those kept."""
    study = Study(rates, steps)
    if set(parts) != set(PARTS) and len(rates) > 1:
        study.keep(parts)
    for part_name in parts:
        study.part = part_name
        for kind, like, choosers in PARTS[part_name]:
            study.add(kind, seeds, like, choosers)
        if part_name.startswith("wording-"):
            study.ask(int(part_name[-1]), seeds)
    order = list(PARTS)
    return {
        name: sorted(rows, key=lambda row: order.index(row["part"]))
        for name, rows in zip(
            TABLES, (study.rows, study.tried, study.asked), strict=True
        )
        if rows
    }


if __name__ == "__main__":
    command(__doc__, TABLES, run, seeds=SEEDS, parts=list(PARTS))
