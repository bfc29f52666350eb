"""Who reads digits best: a vision transformer against its rivals.

    python -m attnbook.experiments.digit_encoders

trains classifiers of the 8 by 8 digits and writes two tables.
`digit_encoders.csv` has one row per kind of classifier and seed: accuracy on
the validation and on the held-out pictures, which of these are wrong, seconds
of training on one core, and, for vision transformers, the norms of the
tokens. `digit_encoders_tuning.csv` has what was tried.

Everything is chosen on the validation pictures: fewest errors, which for the
networks are the mean of all seeds, and among equals the smallest
cross-entropy. All networks get the same steps, batches and schedule.
"Shifted" means moves by up to one pixel each way. A network draws one for
each picture that it sees; the others get all nine as further pictures. The
rates of the controls in `BY_ONE_SEED` are chosen with the first seed only.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.data.digit_images import Pictures, digit_images, shifted
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.rates import widened
from attnbook.mechanisms.modalities import (
    SmallConvolution,
    VisionTransformer,
    patches,
    unpatched,
)

TABLES = ("digit_encoders", "digit_encoders_tuning")
RATES = (1e-3, 2e-3, 4e-3)  # where the search begins
STEPS, BATCH, WARMUP = 800, 64, 50  # about 43 passes over the pictures
COSTS = {  # C, each half of a power of ten
    "support vectors": (0.316, 1.0, 3.16, 10.0, 31.6),
    "logistic": (
        0.01,
        0.0316,
        0.1,
        0.316,
        1.0,
        3.16,
        10.0,
        31.6,
        100.0,
        316.0,
    ),
}
GAMMAS = (0.0178, 0.0316, 0.0562, 0.1, 0.178, 0.316, 0.562)
MOVES = [(down, right) for down in (0, 1, 2) for right in (0, 1, 2)]


@dataclass(frozen=True)
class Kind:
    """A classifier, and what it learns from.

    Attributes:
        model: "transformer", "convolutions", "support vectors" or
            "logistic".
        copies: "shifted", or "none": the pictures as they are.
        patch: side of a transformer's patch.
        registers: of a transformer.
        control: "" or, of a transformer, "no positions" or "shuffled":
            patches in a new random order for each picture, also in tests.
    """

    model: str
    copies: str = "shifted"
    patch: int = 0
    registers: int = 0
    control: str = ""

    @property
    def columns(self) -> dict:
        """What names it in a table."""
        return {
            "model": self.model,
            "patch": self.patch,
            "registers": self.registers,
            "control": self.control,
            "copies": self.copies,
        }


def _transformer(patch: int, **more) -> Kind:
    return Kind("transformer", patch=patch, **more)


KINDS = {
    "svm": Kind("support vectors"),
    "svm-plain": Kind("support vectors", "none"),
    "logistic": Kind("logistic"),
    "logistic-plain": Kind("logistic", "none"),
    "cnn": Kind("convolutions"),
    "cnn-plain": Kind("convolutions", "none"),
    "vit-4": _transformer(4),
    "vit-4-plain": _transformer(4, copies="none"),
    "vit-8": _transformer(8),
    "vit-2": _transformer(2),
    "vit-2-unplaced": _transformer(2, control="no positions"),
    "vit-2-shuffled": _transformer(2, control="shuffled"),
    "vit-2-register": _transformer(2, registers=1),
    "vit-2-registers": _transformer(2, registers=4),
    "vit-1": _transformer(1),
}

BY_ONE_SEED = [
    kind
    for kind in KINDS.values()
    if kind.control or kind.registers or kind.patch == 1
]


@cache
def part(name: str) -> Pictures:
    """One part of the digits, as `digit_images`."""
    return digit_images(name)


def moved(images: Tensor) -> Tensor:
    """All nine moves by up to one pixel: (B, 8, 8) to (9 B, 8, 8)."""
    padded = F.pad(images, (1, 1, 1, 1))
    return torch.cat([padded[:, d : d + 8, r : r + 8] for d, r in MOVES])


def mixed(images: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Each picture's patches in a random order of its own."""
    cut = patches(images, size)
    order = torch.rand(cut.shape[:2], generator=generator).argsort(1)
    return unpatched(cut.take_along_dim(order[..., None], 1), size)


def built(kind: Kind) -> nn.Module:
    """An untrained network."""
    if kind.model == "convolutions":
        return SmallConvolution()
    model = VisionTransformer(patch=kind.patch, registers=kind.registers)
    if kind.control == "no positions":
        model.positions.requires_grad_(False).zero_()
    return model


def trained(
    kind: Kind, rate: float, seed: int, steps: int = STEPS
) -> tuple[nn.Module, float]:
    """A network after training, and the seconds that it took.

    The rate rises linearly for `WARMUP` steps and falls linearly to 0.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model, of = built(kind), part("train")
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(
        [p for p in model.parameters() if p.requires_grad]
    )
    start = time.process_time()
    for step in range(steps):
        chosen = torch.randint(len(of.labels), (BATCH,), generator=generator)
        images = of.images[chosen]
        if kind.copies == "shifted":
            images = shifted(images, generator)
        if kind.control == "shuffled":
            images = mixed(images, kind.patch, generator)
        share = min((step + 1) / min(WARMUP, steps), 1 - step / steps)
        optimiser.param_groups[0]["lr"] = rate * share
        optimiser.zero_grad()
        F.cross_entropy(model(images)[0], of.labels[chosen]).backward()
        optimiser.step()
    return model.eval(), time.process_time() - start


@torch.no_grad()
def logits_of(kind: Kind, model: nn.Module, images: Tensor) -> Tensor:
    """What a network says of pictures: (N, 10)."""
    if kind.control == "shuffled":
        generator = torch.Generator().manual_seed(1)
        images = mixed(images, kind.patch, generator)
    return model(images)[0]


@torch.no_grad()
def norms(model: VisionTransformer, images: Tensor) -> dict:
    """Norms of the tokens after the last layer, and where weights lie.

    `largest` is the largest norm of a patch as a multiple of the median, and
    `ink` is the correlation of `ink_sought`.
    """
    caught: list[Tensor] = []
    hook = model.norm.register_forward_pre_hook(
        lambda _, inputs: caught.append(inputs[0])
    )
    _, weights = model(images)
    hook.remove()
    size = caught[0].norm(dim=-1)  # (N, S)
    first = len(model.extra)  # where the patches begin
    held = size[:, 1:first]
    return {
        "class norm": size[:, 0].median().item(),
        "patch norm": size[:, first:].median().item(),
        "largest": (size[:, first:].max() / size[:, first:].median()).item(),
        "register norm": held.median().item() if first > 1 else "",
        "on registers": weights[-1][:, :, :, 1:first].sum(-1).mean().item(),
        "ink": ink_sought(weights[-1][:, :, 0, first:].mean(1), images),
    }


def ink_sought(weights: Tensor, images: Tensor) -> float | str:
    """Does the class token attend to a patch more when it has more ink?

    The correlation over pictures and patches, each patch against its own
    mean; what the class token does in every picture does not count.

    Args:
        weights: of the class token, (N, P).
        images: (N, 8, 8).
    """
    P = weights.shape[1]
    if P == 1:
        return ""
    ink = patches(images, round(8 / P**0.5)).mean(-1)  # (N, P)
    both = torch.stack([(x - x.mean(0)).flatten() for x in (weights, ink)])
    return torch.corrcoef(both)[0, 1].item()


NO_NORMS = dict.fromkeys(
    (
        *("class norm", "patch norm", "largest", "register norm"),
        *("on registers", "ink", "ink untrained"),
    ),
    "",
)


def wrong(found: Tensor, of: Pictures) -> list[int]:
    """The numbers of the pictures of which another digit is said."""
    return (found != of.labels).nonzero()[:, 0].tolist()


def row_of(
    kind: Kind, chosen: dict, seed: int, parameters: int, seconds: float,
    found: dict[str, Tensor],
) -> dict:  # fmt: skip
    """A row of the table, without norms.

    Args:
        kind: of classifier.
        chosen: what was chosen on the validation pictures, by name.
        seed: of training.
        parameters: how many it has.
        seconds: that training took.
        found: what it says of the pictures of each part.
    """
    missed = {name: wrong(found[name], part(name)) for name in found}
    return {
        **kind.columns,
        **{name: chosen.get(name, "") for name in ("rate", "C", "gamma")},
        "seed": seed,
        "parameters": parameters,
        "seconds": round(seconds, 2),
        **{
            name: round(1 - len(missed[name]) / len(part(name).labels), 4)
            for name in ("validation", "held-out")
        },
        "wrong": "".join(f"{n};" for n in missed["held-out"]),
    }


def networks(
    kind: Kind, seeds: Sequence[int], rates: Sequence[float], steps: int
) -> tuple[list[dict], list[dict]]:
    """Train a kind of network at its best rate: rows, and what was tried."""
    models: dict[tuple, tuple] = {}
    tuning = seeds[:1] if kind in BY_ONE_SEED else seeds
    of, tried = part("validation"), []

    def train(rate: float, seed: int) -> tuple[nn.Module, float]:
        if (rate, seed) not in models:
            models[rate, seed] = trained(kind, rate, seed, steps)
        return models[rate, seed]

    def loss(rate: float) -> tuple[float, float]:
        errors, entropies = [], []
        for seed in tuning:
            logits = logits_of(kind, train(rate, seed)[0], of.images)
            errors.append(len(wrong(logits.argmax(-1), of)))
            entropies.append(F.cross_entropy(logits, of.labels).item())
        found = float(np.mean(errors)), float(np.mean(entropies))
        tried.append(
            {
                **kind.columns,
                **{"rate": rate, "C": "", "gamma": ""},
                "seeds": len(tuning),
                "errors": round(found[0], 3),
                "entropy": round(found[1], 5),
            }
        )
        print(tried[-1], flush=True)
        return found

    rate = rates[0] if len(rates) == 1 else widened(loss, rates)[0]
    rows = []
    for seed in seeds:
        model, seconds = train(rate, seed)
        found = {
            name: logits_of(kind, model, part(name).images).argmax(-1)
            for name in ("validation", "held-out")
        }
        count = sum(p.numel() for p in model.parameters() if p.requires_grad)
        row = row_of(kind, {"rate": rate}, seed, count, seconds, found)
        seen = NO_NORMS
        if kind.model == "transformer":
            images = part("held-out").images
            torch.manual_seed(seed)
            before = norms(built(kind).eval(), images)["ink"]
            seen = norms(model, images) | {"ink untrained": before}
        rows.append(row | {k: v and round(v, 4) for k, v in seen.items()})
        print(rows[-1], flush=True)
    return rows, tried


def _flat(images: Tensor) -> np.ndarray:
    return images.flatten(1).numpy()


def others(
    kind: Kind, costs: Sequence[float], gammas: Sequence[float] = GAMMAS
) -> tuple[list[dict], list[dict]]:
    """Fit support vectors or logistic regression: rows, and what was tried.

    Among equals the smallest cross-entropy is chosen for the regression, and
    the smallest C, then gamma, for the support vectors.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    of, check = part("train"), part("validation")
    images, labels = of.images, of.labels
    if kind.copies == "shifted":
        images, labels = moved(images), labels.repeat(len(MOVES))
    by_margin = kind.model == "support vectors"
    tried, best = [], None
    for C in costs:
        for gamma in gammas if by_margin else ("",):
            start = time.process_time()
            if by_margin:
                model = SVC(C=C, gamma=gamma)
            else:
                model = LogisticRegression(C=C, max_iter=3000)
            model.fit(_flat(images), labels.numpy())
            seconds = time.process_time() - start
            said = torch.tensor(model.predict(_flat(check.images)))
            entropy: float | str = ""
            if not by_margin:
                odds = model.predict_log_proba(_flat(check.images))
                entropy = -odds[np.arange(len(odds)), check.labels].mean()
                entropy = round(float(entropy), 5)
            errors = len(wrong(said, check))
            tried.append(
                {
                    **kind.columns,
                    **{"rate": "", "C": C, "gamma": gamma},
                    **{"seeds": 1, "errors": errors, "entropy": entropy},
                }
            )
            score = errors, entropy or 0.0
            if best is None or score < best[0]:
                best = score, model, seconds, {"C": C, "gamma": gamma}
    _, model, seconds, chosen = best
    found = {
        name: torch.tensor(model.predict(_flat(part(name).images)))
        for name in ("validation", "held-out")
    }
    count = (
        model.support_vectors_.size + model.dual_coef_.size
        if by_margin
        else model.coef_.size + model.intercept_.size
    )
    row = row_of(kind, chosen, 0, count, seconds, found) | NO_NORMS
    print(row, flush=True)
    return [row], tried


def run(
    kinds: Sequence[str] = tuple(KINDS),
    seeds: Sequence[int] = SEEDS,
    steps: int = STEPS,
    rates: Sequence[float] = RATES,
) -> dict[str, list[dict]]:
    """Train everything: the rows of each of `TABLES`."""
    rows, tried = [], []
    for name in kinds:
        kind = KINDS[name]
        if kind.model in ("transformer", "convolutions"):
            found = networks(kind, seeds, rates, steps)
        else:
            found = others(kind, COSTS[kind.model])
        rows += [{"kind": name} | row for row in found[0]]
        tried += [{"kind": name} | row for row in found[1]]
    return dict(zip(TABLES, (rows, tried), strict=True))


def kinds_of(rows: Sequence[dict]) -> dict[str, list[dict]]:
    """The rows of the table by the kind of classifier, one for each seed."""
    found: dict[str, list[dict]] = {}
    for row in rows:
        found.setdefault(row["kind"], []).append(row)
    return found


def right(rows: Sequence[dict], count: int = 400) -> np.ndarray:
    """Which held-out pictures each row reads: (rows, pictures), boolean."""
    read = np.ones((len(rows), count), bool)
    for i, row in enumerate(rows):
        missed = [int(n) for n in row["wrong"].split(";") if n]
        read[i, missed] = False
    return read


def difference(
    one: Sequence[dict], other: Sequence[dict], draws: int = 5000
) -> tuple[float, float, float]:
    """How much better one kind reads the held-out pictures than another.

    Both are asked about the same pictures, so the pictures are drawn again
    for both at once, and the seeds of each on their own.

    Args:
        one: the rows of a kind, one for each seed.
        other: the rows of another.
        draws: of pictures and seeds.

    Returns:
        the difference in percentage points, and its interval of 95 %.
    """
    reads = right(one).astype(float), right(other).astype(float)
    rng = np.random.default_rng(0)
    P = reads[0].shape[1]
    pictures = rng.multinomial(P, np.full(P, 1 / P), size=draws) / P
    found = np.zeros(draws)
    for read, sign in zip(reads, (100, -100), strict=True):
        S = len(read)
        seeds = rng.multinomial(S, np.full(S, 1 / S), size=draws) / S
        found += sign * ((seeds @ read) * pictures).sum(1)
    low, high = np.percentile(found, (2.5, 97.5))
    gap = 100 * (reads[0].mean() - reads[1].mean())
    return float(gap), float(low), float(high)


if __name__ == "__main__":
    command(__doc__, TABLES, run, kinds=list(KINDS), seeds=SEEDS, steps=STEPS)
