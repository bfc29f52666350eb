"""Digits made from captions: two kinds of attention, guidance, and judges.

    python -m attnbook.experiments.digits_from_captions

trains generators of handwritten digits by flow matching, with cross-attention
and with joint attention: equal numbers of parameters, equal steps, and a rate
of their own, which the loss of the first seed on the validation pictures
chooses. Each makes one picture for the label of each held-out picture, with
guidance from 0 to 8. As a control, generators are trained on captions that
were dealt to the pictures at random.

Two classifiers of other architectures judge what was made: a small CNN and a
support-vector machine, both trained on the training pictures.

It writes four tables. `digits_from_captions.csv` has one row per generator,
seed and guidance: the share in which a judge reads the digit asked for, the
Fréchet distance to held-out pictures in the CNN's features, the variety
within a digit, the distance to the nearest training picture (its mean, and the
tenth of the pictures that are nearest), and the share that is nearer than 0.5,
a copy. `digits_judges.csv` has the same measures of real
pictures, and how good the judges are. `digits_rates.csv` has the rates that
were tried. `digits_where.csv` says how well the weight on the digit's word
tells inked patches from blank ones, with its controls.

The study has parts, which may be run one at a time (`--parts`, in order): the
committed rows of all other parts are kept.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from attnbook.data.digit_images import (
    WORDS,
    Pictures,
    caption_ids,
    digit_images,
    shifted,
)
from attnbook.experiments import table
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.rates import widened
from attnbook.mechanisms.modalities import (
    DigitGenerator,
    SmallConvolution,
    flow_loss,
    frechet_distance,
    generate,
    ink_score,
    nearest_distance,
    patches,
    variety,
)

TABLES = (
    "digits_from_captions",
    "digits_judges",
    "digits_rates",
    "digits_where",
)
DESIGNS = {"cross": {}, "joint": {"joint": True, "d_ff": 386}}
PARTS = ("cross", "joint", "shuffled")
GUIDANCE = (0, 1, 1.5, 2, 4, 8)
STEPS = 800
BATCH = 64
RATES = (2e-3, 4e-3, 8e-3)  # where the search begins
MOMENTS = (0.1, 0.25, 0.5, 0.75, 0.95)  # when it is asked where words attend
LOOKED_AT = 2  # guidance of the pictures in which words are looked for


def built(design: str, seed: int) -> DigitGenerator:
    """An untrained generator; both designs have as many parameters."""
    torch.manual_seed(seed)
    return DigitGenerator(len(WORDS), **DESIGNS[design])


def captions(labels: Tensor, draw: torch.Generator) -> Tensor:
    """Captions (B, 3), each in one of the five wordings at random."""
    return caption_ids(
        labels, torch.randint(5, (len(labels),), generator=draw)
    )


def trained(
    model: DigitGenerator,
    rate: float,
    seed: int,
    steps: int = STEPS,
    shuffled: bool = False,
) -> DigitGenerator:
    """A copy of a generator, trained on the training pictures.

    Args:
        model: stays as it is.
        rate: of Adam at its highest, after a short warm-up; it then falls to
            0 in a straight line.
        seed: of the batches, noise and times.
        steps: of `BATCH` pictures.
        shuffled: whether the labels are dealt to the pictures anew, which
            leaves their numbers as they are.
    """
    torch.set_num_threads(1)
    model, of = copy.deepcopy(model), digit_images("train")
    draw = torch.Generator().manual_seed(seed)
    labels = of.labels
    if shuffled:
        labels = labels[torch.randperm(len(labels), generator=draw)]
    optimiser = torch.optim.Adam(model.parameters(), rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / 50, 1 - step / steps)
    )
    for _ in range(steps):
        chosen = torch.randint(len(labels), (BATCH,), generator=draw)
        ids = captions(labels[chosen], draw)
        loss = flow_loss(model, 2 * of.images[chosen] - 1, ids, draw)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model


@torch.no_grad()
def validation_loss(model: DigitGenerator, times: int = 8) -> float:
    """The loss on validation pictures, with the same draws for all."""
    of, draw = digit_images("validation"), torch.Generator().manual_seed(7)
    images = 2 * of.images.repeat(times, 1, 1) - 1
    ids = captions(of.labels.repeat(times), draw)
    return flow_loss(model, images, ids, draw, drop=0).item()


@cache
@torch.enable_grad()
def network(seed: int = 100, steps: int = 800) -> SmallConvolution:
    """The first judge: a small CNN, trained on shifted training pictures."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    model, of = SmallConvolution(), digit_images("train")
    draw = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: 1 - step / steps
    )
    for _ in range(steps):
        chosen = torch.randint(len(of.labels), (64,), generator=draw)
        logits, _ = model(shifted(of.images[chosen], draw))
        loss = nn.functional.cross_entropy(logits, of.labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval()


@cache
def machine():
    """The second judge: a support-vector machine, on the same pictures."""
    from sklearn.svm import SVC

    of = digit_images("train")
    return SVC(gamma="scale").fit(of.images.flatten(1).numpy(), of.labels)


@torch.no_grad()
def features(images: Tensor) -> Tensor:
    """The last hidden layer of the CNN: (N, 8, 8) to (N, F).

    All are divided by one number, so that the variances of the training
    pictures have the sum 1: that is the unit of the Fréchet distance.
    """
    judge = network()

    def hidden(pictures: Tensor) -> Tensor:
        return judge.layers[:-1](pictures[:, None])

    unit = hidden(digit_images("train").images).var(0).sum().sqrt()
    return hidden(images) / unit


@torch.no_grad()
def measured(images: Tensor, labels: Tensor) -> dict[str, float]:
    """All measures of pictures, made or real.

    Args:
        images: (N, 8, 8), ink from 0 to 1.
        labels: (N,), what was asked for.
    """
    seen = network()(images)[0].argmax(1)
    also = torch.tensor(machine().predict(images.flatten(1).numpy()))
    nearest = nearest_distance(images, digit_images("train").images)
    held = features(digit_images("held-out").images)
    found = {
        "read": (seen == labels).float().mean(),
        "read by the other": (also == labels).float().mean(),
        "frechet": frechet_distance(features(images), held),
        "variety": variety(images, labels),
        "nearest": nearest.mean(),
        "nearest tenth": nearest.quantile(0.1),
        "copies": (nearest < 0.5).float().mean(),
    }
    return {name: round(float(value), 4) for name, value in found.items()}


def made(
    model: DigitGenerator, labels: Tensor, w: float, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures (N, 8, 8) from 0 to 1, the states, and the captions (N, 3).

    The captions and the noise are the same for every guidance.
    """
    ids = captions(labels, torch.Generator().manual_seed(1000 + seed))
    draw = torch.Generator().manual_seed(2000 + seed)
    images, states, _ = generate(model, ids, w, draw)
    return (images.clamp(-1, 1) + 1) / 2, states, ids


def inked(images: Tensor) -> Tensor:
    """Patches with more ink than the mean of their picture: (N, P)."""
    ink = patches(images, 2).mean(-1)
    return ink > ink.mean(-1, keepdim=True)


@torch.no_grad()
def maps(
    model: DigitGenerator, states: Tensor, ids: Tensor, t: float
) -> Tensor:
    """Weights of each layer at a time, mean over heads: (L, N, P, W).

    Args:
        model: is asked, with captions.
        states: (N, K, 8, 8), after each step of `generate`.
        ids: (N, W).
        t: from 1 / K on.
    """
    K = states.shape[1]
    step = round(t * K) - 1
    time = torch.full((len(ids),), t)
    return torch.stack(model(states[:, step], time, ids)[1]).mean(2)


def other_picture(labels: Tensor, same: bool) -> Tensor:
    """For each picture the next one of the same digit, or of another: (N,)."""
    order = []
    N = len(labels)
    for i in range(N):
        turns = (torch.arange(1, N) + i) % N
        fits = (labels[turns] == labels[i]) == same
        order.append(turns[fits][0])
    return torch.stack(order)


def where(
    model: DigitGenerator, fresh: DigitGenerator, labels: Tensor, seed: int
) -> list[dict]:
    """How well words find ink, by layer and moment, with controls.

    The score of a word: the chance that an inked patch of the finished
    picture gives it more weight than a blank patch does; 0.5 is chance.

    Args:
        model: trained.
        fresh: the same model before training, asked about the same states.
        labels: (N,).
        seed: of captions and noise.
    """
    images, states, ids = made(model, labels, LOOKED_AT, seed)
    ink = inked(images)  # (N, P)
    digit = ids < 10  # (N, W): the ten names come first
    rows = []
    for t in MOMENTS:
        looked = maps(model, states, ids, t)
        before = maps(fresh, states, ids, t)
        for layer in range(len(looked)):
            word = looked[layer].mT[digit]  # (N, P)
            others = looked[layer].mT[~digit].unflatten(0, (-1, 2))
            rows.append(
                {
                    "moment": t,
                    "layer": layer + 1,
                    "word": ink_score(word, ink),
                    "other words": (
                        ink_score(others[:, 0], ink)
                        + ink_score(others[:, 1], ink)
                    )
                    / 2,
                    "untrained": ink_score(before[layer].mT[digit], ink),
                    "same digit": ink_score(
                        word[other_picture(labels, True)], ink
                    ),
                    "other digit": ink_score(
                        word[other_picture(labels, False)], ink
                    ),
                    "weight": word,
                }
            )
    return [
        {
            name: round(value.nanmean().item(), 4)
            if isinstance(value, Tensor)
            else value
            for name, value in row.items()
        }
        for row in rows
    ]


def real_rows() -> list[dict]:
    """The measures of real pictures: a floor, and a ceiling.

    Each row has 400 pictures, like those that are made.
    """
    rows = []
    train, held = digit_images("train"), digit_images("held-out")
    for start in (0, 398, 797):
        part = Pictures(*(x[start : start + 400] for x in train))
        found = measured(*part)
        # each of them is its own nearest one, and no copy
        found |= {"nearest": "", "nearest tenth": "", "copies": ""}
        rows.append({"pictures": f"training, from {start}", **found})
    rows.append({"pictures": "held-out", **measured(*held), "frechet": ""})
    return rows


class Study:
    """Generators of each design, and what judges say of their pictures.

    Args:
        seeds: of weights, batches and noise.
        rates: where the search begins; a single one is taken as it is.
        steps: of training.
        count: pictures to make, the first of the held-out labels.
    """

    def __init__(
        self,
        seeds: Sequence[int] = SEEDS,
        rates: Sequence[float] = RATES,
        steps: int = STEPS,
        count: int = 400,
    ):
        self.seeds, self.rates, self.steps = seeds, rates, steps
        self.labels = digit_images("held-out").labels[:count]
        self.rows: list[dict] = []
        self.tried: list[dict] = []
        self.looked: list[dict] = []

    def note(self, name: dict, model: DigitGenerator, w: float) -> None:
        """Make pictures and measure them: a row of the first table."""
        images, _, _ = made(model, self.labels, w, name["seed"])
        found = measured(images, self.labels)
        self.rows.append({**name, "guidance": w, **found})
        print(self.rows[-1], flush=True)

    def add(self, design: str) -> None:
        """Find the rate of a design with the first seed; measure all."""
        first, *others = self.seeds
        found: dict[float, DigitGenerator] = {}

        def loss(rate: float, seed: int = first) -> float:
            model = trained(built(design, seed), rate, seed, self.steps)
            if seed == first:
                found[rate] = model
            else:
                models[seed] = model
            value = validation_loss(model)
            self.tried.append(
                {
                    "design": design,
                    "rate": rate,
                    "seed": seed,
                    "validation": round(value, 5),
                }
            )
            print(self.tried[-1], flush=True)
            return value

        models: dict[int, DigitGenerator] = {}
        if len(self.rates) == 1:
            rate = self.rates[0]
            loss(rate)
        else:
            rate, _ = widened(loss, self.rates)
        for seed in others:
            loss(rate, seed)
        models = {first: found[rate], **models}
        for seed, model in models.items():
            name = self.name(design, "right", rate, seed, model)
            for w in GUIDANCE:
                self.note(name, model, w)
            self.looked += [
                {"design": design, "seed": seed, **row}
                for row in where(model, built(design, seed), self.labels, seed)
            ]

    def name(self, design, kind, rate, seed, model) -> dict:
        """The columns that say what a generator is."""
        return {
            "design": design,
            "captions": kind,
            "parameters": sum(p.numel() for p in model.parameters()),
            "rate": rate,
            "seed": seed,
        }

    def shuffle(self, rates: dict[str, float]) -> None:
        """The control: captions that were dealt to pictures at random."""
        for design, rate in rates.items():
            for seed in self.seeds:
                model = trained(
                    built(design, seed), rate, seed, self.steps, True
                )
                name = self.name(design, "shuffled", rate, seed, model)
                for w in (1, 2):
                    self.note(name, model, w)


def best_rates(tried: Sequence[dict]) -> dict[str, float]:
    """The rate of least loss of each design, with the first seed."""
    found: dict[str, dict[float, float]] = {}
    first = min(row["seed"] for row in tried)
    for row in tried:
        if row["seed"] == first:
            losses = found.setdefault(row["design"], {})
            losses[row["rate"]] = row["validation"]
    return {
        design: min(losses, key=losses.__getitem__)
        for design, losses in found.items()
    }


def run(
    seeds: Sequence[int] = SEEDS,
    parts: Sequence[str] = PARTS,
    rates: Sequence[float] = RATES,
    steps: int = STEPS,
    count: int = 400,
) -> dict[str, list[dict]]:
    """Train and judge: the rows of each of `TABLES`, with those kept."""
    study = Study(seeds, rates, steps, count)
    if set(parts) != set(PARTS):
        study.rows, study.tried, study.looked = kept(parts)
    for part in parts:
        if part == "shuffled":
            study.shuffle(best_rates(study.tried))
        else:
            study.add(part)
    study.rows.sort(
        key=lambda row: (row["captions"], row["design"] != "cross")
    )
    found = (study.rows, real_rows(), study.tried, study.looked)
    return dict(zip(TABLES, found, strict=True))


def kept(parts: Sequence[str]) -> list[list[dict]]:
    """The committed rows of all parts but these, of three tables."""
    found = []
    for name in ("digits_from_captions", "digits_rates", "digits_where"):
        try:
            rows = table(name)
        except FileNotFoundError:
            rows = []
        found.append(
            [
                row
                for row in rows
                if (
                    "shuffled"
                    if row.get("captions") == "shuffled"
                    else row["design"]
                )
                not in parts
            ]
        )
    return found


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        run,
        seeds=SEEDS,
        parts=list(PARTS),
        steps=STEPS,
        count=400,
    )
