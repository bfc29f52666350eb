"""Words of numbers, hidden and filled in, and made up from nothing.

    python -m attnbook.experiments.masked_words

trains one network, `MaskedModel`, on the German names of the numbers below
10,000, rows of seven words, under several losses. Whether a row is the name of
a number can be looked up, and what a perfect model would say can be counted.

`masked_words.csv`: one place of a held-out row shows the mask, a wrong word or
its own word. Nats at masked places, and the probability of a word that makes
the row the name of a number again, for BERT's 80/10/10, for masks only, for a
draft that never masks, for a loss over all tokens and for a model that sees
the left side only. "counted" is the best that is possible.

`masked_words_generated.csv`: rows that are made in 1, 2, 4 and 7 steps: how
many are names, how many of those numbers were in training, and how far two of
their distributions (the number of words, the first word) are from the true
ones. By the loss of masked diffusion, by other shares of masks, and by an
autoregressive model of the same size. "counted" is a model without a fault.

`masked_words_nats.csv`: nats per row on held-out rows. The bound of diffusion
is a sum over all 127 masks, and the probability that the sampler makes a row,
one word a step, is a sum over all orders: neither is a sample.

`masked_words_rates.csv`: the rates tried, on validation rows, first seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook import train
from attnbook.data.number_names import NumberNames
from attnbook.experiments.command import command
from attnbook.experiments.rates import widened
from attnbook.mechanisms.modalities import (
    MaskedModel,
    diffusion_loss,
    masked_loss,
    masked_tokens,
    noised_tokens,
    unmask,
)

TABLES = (
    "masked_words",
    "masked_words_generated",
    "masked_words_nats",
    "masked_words_rates",
)
STEPS, SEEDS = 800, (0, 1, 2)
RATES = (4e-3, 8e-3, 16e-3)  # where the search begins
SAMPLING = (1, 2, 4, 7)  # steps; a row has seven words
MADE = 2000  # rows that are generated
SCORED = 300  # rows whose every mask is scored
TRIED = 60  # the same, when a rate is chosen


class Shuffled:
    """The training rows, as a task that `train.fit` can draw from."""

    def __init__(self, rows: Tensor):
        self.rows = rows

    def sample(self, count: int, rng: np.random.Generator) -> Tensor:
        """Draw rows, (count, T)."""
        return self.rows[
            torch.from_numpy(rng.integers(len(self.rows), size=count))
        ]


def causal(T: int) -> Tensor:
    """(1, T, T): a place sees itself and what is left of it."""
    return torch.ones(1, T, T, dtype=torch.bool).tril()


class LeftOnly(nn.Module):
    """A `MaskedModel` under a causal mask: the same weights, one side."""

    def __init__(self, model: MaskedModel):
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (B, T, V) of (B, T)."""
        return self.model(ids, causal(ids.shape[1]).expand(len(ids), -1, -1))


class Autoregressive(LeftOnly):
    """Predicts each token of the ones before it; the mask token begins."""

    def __init__(self, model: MaskedModel, begin: int):
        super().__init__(model)
        self.begin = begin

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (B, T, V): at place t those of token t."""
        return super().forward(F.pad(ids[:, :-1], (1, 0), value=self.begin))


class Counted(nn.Module):
    """Says the true share of each token, by counting the rows that fit.

    Args:
        rows: (N, T), all equally likely.
        mask_id: shown where nothing is known.
        left: a place is told only what is left of it.
    """

    def __init__(self, rows: Tensor, mask_id: int, left: bool = False):
        super().__init__()
        self.rows, self.mask_id, self.left = rows, mask_id, left
        self.one_hot = F.one_hot(rows, mask_id + 1).float()  # (N, T, V)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (B, T, V); 0 for all where no row fits."""
        return torch.cat([self._shares(part) for part in ids.split(500)])

    def _shares(self, ids: Tensor) -> Tensor:
        T = ids.shape[1]
        fits = torch.ones(len(ids), len(self.rows), dtype=torch.bool)
        found = []
        for t in range(T if self.left else 0):
            found.append(fits.float() @ self.one_hot[:, t])
            fits = fits & self._fit(ids, t)
        if self.left:
            return self._logits(torch.stack(found, 1))
        for t in range(T):
            fits &= self._fit(ids, t)
        counts = fits.float() @ self.one_hot.flatten(1)
        return self._logits(counts.unflatten(1, (T, -1)))

    def _fit(self, ids: Tensor, t: int) -> Tensor:
        shown = ids[:, t, None]  # (B, 1)
        return (shown == self.mask_id) | (shown == self.rows[:, t])

    @staticmethod
    def _logits(counts: Tensor) -> Tensor:
        none = counts.sum(-1, keepdim=True) == 0
        return counts.masked_fill(none, 1.0).log()


# --- training ---------------------------------------------------------------

Loss = Callable[[nn.Module, Tensor, NumberNames, torch.Generator], Tensor]


def _hidden(ids, names, g, share=0.15):
    may = torch.ones_like(ids, dtype=torch.bool)
    return masked_tokens(ids, may, names.mask_id, len(names.tokens), g, share)


def bert(model, ids, names, g):
    """80/10/10 of 15 %, and the mean over the chosen tokens."""
    seen, chosen = _hidden(ids, names, g)
    return masked_loss(model(seen), ids, chosen)


def masks_only(model, ids, names, g, share=0.15):
    """All chosen tokens show the mask."""
    chosen = torch.rand(ids.shape, generator=g) < share
    seen = torch.where(chosen, names.mask_id, ids)
    return masked_loss(model(seen), ids, chosen)


def half_masked(model, ids, names, g):
    """As `masks_only`, with a share of a half."""
    return masks_only(model, ids, names, g, 0.5)


def one_masked(model, ids, names, g):
    """One place of each row shows the mask, and no other."""
    at = torch.randint(ids.shape[1], (len(ids), 1), generator=g)
    chosen = torch.zeros_like(ids, dtype=torch.bool).scatter(1, at, True)
    seen = torch.where(chosen, names.mask_id, ids)
    return masked_loss(model(seen), ids, chosen)


def never_masks(model, ids, names, g):
    """A published mistake: `prob < prob * 0.8` is never true."""
    _, chosen = _hidden(ids, names, g)
    return masked_loss(model(ids), ids, chosen)


def over_all(model, ids, names, g):
    """A published mistake: the mean runs over all tokens, chosen or not."""
    seen, _ = _hidden(ids, names, g)
    return F.cross_entropy(model(seen).transpose(1, 2), ids)


def diffusion(model, ids, names, g):
    """Each row at a rate of its own, weight 1/t."""
    seen, masked, t = noised_tokens(ids, names.mask_id, g)
    return diffusion_loss(model(seen), ids, masked, t)


def own_rates(model, ids, names, g):
    """Each row at a rate of its own; the mean over the masked tokens."""
    seen, masked, _ = noised_tokens(ids, names.mask_id, g)
    return masked_loss(model(seen), ids, masked)


def next_token(model, ids, names, g):
    """The cross-entropy of every token, from those before it."""
    return F.cross_entropy(model(ids).transpose(1, 2), ids)


LOSSES: dict[str, Loss] = {
    "80/10/10": bert,
    "masks only": masks_only,
    "never masks": never_masks,
    "loss over all": over_all,
    "left only": bert,
    "one masked": one_masked,
    "half masked": half_masked,
    "own rates": own_rates,
    "diffusion": diffusion,
    "autoregressive": next_token,
}
FILLING = ("80/10/10", "masks only", "never masks", "loss over all")
FILLING += ("left only",)
GENERATING = ("80/10/10", "masks only", "one masked", "half masked")
GENERATING += ("own rates", "diffusion", "autoregressive")
BOUNDED = ("half masked", "own rates", "diffusion")


def untrained(variant: str, names: NumberNames, seed: int) -> nn.Module:
    """A model; those of all variants have the same parameters."""
    torch.manual_seed(seed)
    model = MaskedModel(len(names.tokens), names.length)
    if variant == "left only":
        return LeftOnly(model)
    if variant == "autoregressive":
        return Autoregressive(model, names.mask_id)
    return model


def trained(
    variant: str, names: NumberNames, rate: float, seed: int, steps: int
) -> tuple[nn.Module, float]:
    """A model, trained, and its own loss over the last fifty steps."""
    torch.set_num_threads(1)
    model = untrained(variant, names, seed)
    generator = torch.Generator().manual_seed(seed)
    history = train.fit(
        model,
        Shuffled(names.part("train")),
        steps,
        lr=rate,
        seed=seed,
        progress=False,
        loss_of=lambda m, ids: LOSSES[variant](m, ids, names, generator),
    )
    return model.eval(), float(np.mean(history.loss[-50:]))


# --- filling in -------------------------------------------------------------


def each_place(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Every row once for each place: (N·T, T), and the places (N·T,)."""
    N, T = rows.shape
    return rows.repeat_interleave(T, 0), torch.arange(T).repeat(N)


@torch.no_grad()
def said(model: nn.Module, ids: Tensor, at: Tensor) -> Tensor:
    """Log-probabilities (N, V) of the token at one place of each row."""
    parts = zip(ids.split(4096), at.split(4096), strict=True)
    logits = [model(i)[torch.arange(len(i)), a] for i, a in parts]
    return torch.cat(logits).log_softmax(-1)


def masked_nats(model: nn.Module, rows: Tensor, mask_id: int) -> float:
    """Mean nats of the one token of a row that shows the mask."""
    ids, at = each_place(rows)
    wanted = ids.gather(1, at[:, None])
    log_p = said(model, ids.scatter(1, at[:, None], mask_id), at)
    return -log_p.gather(1, wanted).mean().item()


def words_that_fit(names: NumberNames, ids: Tensor, at: Tensor) -> Tensor:
    """Which tokens at one place make a row a name: (N, V), boolean."""
    V = len(names.tokens)
    tried = ids.repeat_interleave(V, 0)
    place = at.repeat_interleave(V)[:, None]
    tried.scatter_(1, place, torch.arange(V).repeat(len(ids))[:, None])
    return names.valid(tried).view(-1, V)


def filled(model: nn.Module, names: NumberNames) -> dict[str, float]:
    """How a model fills in, on held-out rows.

    Returns:
        nats: at a masked place.
        named: the probability of a word that makes the row the name of a
            number, at a masked place.
        repaired: the same at a place that shows a wrong word, with which the
            row is no name.
        right: share of masked places whose likeliest word is the old one.
        kept: the same of places that show their own word.
    """
    rows, M = names.part("held-out"), names.mask_id
    ids, at = each_place(rows)
    column, wanted = at[:, None], ids.gather(1, at[:, None])
    fit = words_that_fit(names, ids, at)
    masked = said(model, ids.scatter(1, column, M), at)
    g = torch.Generator().manual_seed(1)
    wrong = torch.randint(M, wanted.shape, generator=g)
    broken = ~fit.gather(1, wrong)[:, 0]
    again = said(model, ids.scatter(1, column, wrong)[broken], at[broken])
    own = said(model, ids, at).argmax(-1, keepdim=True)
    found = {
        "nats": -masked.gather(1, wanted).mean().item(),
        "named": (masked.exp() * fit).sum(-1).mean().item(),
        "repaired": (again.exp() * fit[broken]).sum(-1).mean().item(),
        "right": share(masked.argmax(-1, keepdim=True) == wanted),
        "kept": share(own == wanted),
    }
    return {name: round(value, 4) for name, value in found.items()}


def share(found: Tensor) -> float:
    """The share that is true."""
    return found.double().mean().item()


# --- every mask of a row ----------------------------------------------------


@torch.no_grad()
def under_every_mask(model: nn.Module, rows: Tensor, mask_id: int) -> Tensor:
    """Log-probabilities of each token under each set of shown places.

    Args:
        model: returns logits (B, T, V).
        rows: (N, T).
        mask_id: never predicted.

    Returns:
        (N, 2^T, T): entry (n, s, i) is log p(token i | tokens shown in s),
        where place i is shown if bit i of s is 1, and counts only if not.
    """
    T = rows.shape[1]
    shown = (torch.arange(2**T)[:, None] >> torch.arange(T)) & 1  # (2^T, T)
    found = []
    for part in rows.split(32):
        seen = torch.where(shown.bool(), part[:, None], mask_id)
        logits = model(seen.flatten(0, 1)).double()
        logits[..., mask_id] = -torch.inf
        wanted = part[:, None].expand(-1, 2**T, -1).flatten(0, 1)
        log_p = logits.log_softmax(-1).gather(-1, wanted[..., None])
        found.append(log_p.view(len(part), 2**T, T))
    return torch.cat(found)


def bound(log_p: Tensor) -> Tensor:
    """The bound of masked diffusion, nats per row (N,): no sampling.

    A set of k masks is drawn at time t with probability t^k (1-t)^(T-k); with
    the weight 1/t its integral over t is (k-1)! (T-k)! / T!.
    """
    T = log_p.shape[-1]
    total = torch.zeros(len(log_p), dtype=log_p.dtype)
    for s in range(2**T - 1):
        hidden = [i for i in range(T) if not s >> i & 1]
        k = len(hidden)
        weight = math.factorial(k - 1) * math.factorial(T - k)
        weight = weight / math.factorial(T)
        total -= weight * log_p[:, s, hidden].sum(-1)
    return total


def made_one_by_one(log_p: Tensor) -> Tensor:
    """Log-probability that the sampler makes a row, one token a step: (N,).

    The mean over all T! orders, by the rule that the probability to complete
    a set of shown places is the mean over the places that may come next.
    """
    T = log_p.shape[-1]
    complete = torch.zeros(len(log_p), 2**T, dtype=log_p.dtype)
    for s in range(2**T - 2, -1, -1):
        hidden = [i for i in range(T) if not s >> i & 1]
        after = [s | 1 << i for i in hidden]
        ways = log_p[:, s, hidden] + complete[:, after]
        complete[:, s] = ways.logsumexp(-1) - math.log(len(hidden))
    return complete[:, 0]


@torch.no_grad()
def left_to_right(model: nn.Module, rows: Tensor, mask_id: int) -> Tensor:
    """Log-probability of each row (N,) by an autoregressive model."""
    logits = model(rows).double()
    logits[..., mask_id] = -torch.inf
    log_p = logits.log_softmax(-1).gather(-1, rows[..., None])
    return log_p.squeeze(-1).sum(-1)


def some(rows: Tensor, count: int) -> Tensor:
    """So many of the rows, spread evenly over all."""
    return rows[torch.linspace(0, len(rows) - 1, count).long()]


# --- generating -------------------------------------------------------------


@torch.no_grad()
def written(
    model: nn.Module, count: int, names: NumberNames, g: torch.Generator
) -> Tensor:
    """Rows (count, T) by an autoregressive model, a token a pass."""
    ids = torch.full((count, names.length), names.mask_id)
    for t in range(names.length):
        logits = model(ids)[:, t]
        logits[:, names.mask_id] = -torch.inf
        ids[:, t] = torch.multinomial(logits.softmax(-1), 1, generator=g)[:, 0]
    return ids


def distance(found: Tensor, true: Tensor) -> float:
    """Total variation between two samples of whole numbers."""
    size = int(max(found.max(), true.max())) + 1
    one, other = (
        torch.bincount(x, minlength=size).double() / len(x)
        for x in (found, true)
    )
    return 0.5 * (one - other).abs().sum().item()


def judged(ids: Tensor, names: NumberNames) -> dict[str, float]:
    """Of generated rows: valid, known, and two distances from the truth.

    `known` is the share of the valid rows whose numbers were in training.
    Both distances are total variations over all rows, valid or not: of the
    number of words, and of the first word.
    """
    numbers = [n for n in names.numbers(ids) if n is not None]
    known = names.trained_on(numbers).mean() if numbers else float("nan")
    words, true = (ids != 0).sum(1), (names.rows != 0).sum(1)
    return {
        "valid": round(len(numbers) / len(ids), 4),
        "known": round(float(known), 4),
        "words": round(distance(words, true), 4),
        "first word": round(distance(ids[:, 0], names.rows[:, 0]), 4),
    }


def generated(
    variant: str, model: nn.Module, names: NumberNames, seed: int, count: int
) -> list[dict]:
    """A row of the table for each number of sampling steps."""
    rows = []
    if variant == "autoregressive":
        g = torch.Generator().manual_seed(seed)
        made = written(model, count, names, g)
        return [{"passes": names.length, **judged(made, names)}]
    for steps in SAMPLING:
        g = torch.Generator().manual_seed(seed)
        empty = torch.full((count, names.length), names.mask_id)
        made = unmask(model, empty, names.mask_id, steps, g)
        rows.append({"passes": steps, **judged(made, names)})
    return rows


# --- the study --------------------------------------------------------------


def validation_nats(variant: str, model: nn.Module, names: NumberNames):
    """What a rate is chosen by: nats on validation rows, as used later."""
    rows, M = names.part("validation"), names.mask_id
    if variant == "autoregressive":
        return -left_to_right(model, rows, M).mean().item() / rows.shape[1]
    if variant in BOUNDED:
        log_p = under_every_mask(model, some(rows, TRIED), M)
        return bound(log_p).mean().item() / rows.shape[1]
    return masked_nats(model, rows, M)


def tuned(
    variant: str, names: NumberNames, rates: Sequence[float], steps: int
) -> tuple[float, dict[float, float], dict[float, tuple]]:
    """The best rate of the first seed, all that were tried, the models."""
    models: dict[float, tuple] = {}

    def loss(rate: float) -> float:
        models[rate] = trained(variant, names, rate, SEEDS[0], steps)
        return validation_nats(variant, models[rate][0], names)

    if variant == "never masks":  # no rate teaches it what a mask is
        tried = {rate: loss(rate) for rate in rates}
        return min(tried, key=tried.__getitem__), tried, models
    rate, tried = widened(loss, rates)
    return rate, tried, models


def nats_row(variant, model, names, count) -> dict[str, float]:
    """Bound and exact nats per word, on held-out rows."""
    rows, M = some(names.part("held-out"), count), names.mask_id
    T = names.length
    if variant == "autoregressive":
        exact = -left_to_right(model, rows, M).mean().item() / T
        return {"bound": "", "exact": round(exact, 4)}
    log_p = under_every_mask(model, rows, M)
    return {
        "bound": round(bound(log_p).mean().item() / T, 4),
        "exact": round(-made_one_by_one(log_p).mean().item() / T, 4),
    }


def run(
    variants: Iterable[str] = tuple(LOSSES),
    seeds: Sequence[int] = SEEDS,
    steps: int = STEPS,
    rates: Sequence[float] = RATES,
    made: int = MADE,
    scored: int = SCORED,
) -> dict[str, list[dict]]:
    """Tune and train each variant: the rows of each of `TABLES`."""
    names = NumberNames()
    found: dict[str, list[dict]] = {name: [] for name in TABLES}

    def keep(name: str, row: dict) -> None:
        found[name].append(row)
        print(name, row, flush=True)

    for variant in variants:
        rate, tried, models = tuned(variant, names, rates, steps)
        for each in sorted(tried):
            row = {"model": variant, "rate": each, "seed": SEEDS[0]}
            keep(TABLES[3], {**row, "nats": round(tried[each], 4)})
        for seed in seeds:
            at_rate = models[rate]
            if seed != SEEDS[0]:
                at_rate = trained(variant, names, rate, seed, steps)
            model, loss = at_rate
            cell = {"model": variant, "rate": rate, "seed": seed}
            if variant in FILLING:
                size = sum(p.numel() for p in model.parameters())
                row = {**cell, "parameters": size, "loss": round(loss, 4)}
                keep(TABLES[0], row | filled(model, names))
            if variant in GENERATING:
                for row in generated(variant, model, names, seed, made):
                    keep(TABLES[1], cell | row)
                keep(TABLES[2], cell | nats_row(variant, model, names, scored))
    for variant, row in without_training(names, seeds, made):
        keep(TABLES[variant], row)
    return found


def without_training(names: NumberNames, seeds: Sequence[int], made: int):
    """What counting says: the best that is possible, and copies."""
    M, cell = names.mask_id, {"rate": "", "seed": ""}
    for model, left in (("counted", False), ("counted, left only", True)):
        result = filled(Counted(names.rows, M, left), names)
        result["repaired"] = result["kept"] = ""  # it knows of no mistakes
        row = {"model": model, **cell, "parameters": "", "loss": ""}
        yield 0, row | result
    known = {"counted": names.rows, "counted, training": names.part("train")}
    for seed in seeds:
        for model, rows in known.items():
            perfect = Counted(rows, M)
            for row in generated(model, perfect, names, seed, made):
                yield 1, {"model": model, "rate": "", "seed": seed} | row
        g = torch.Generator().manual_seed(seed)
        drawn = torch.randint(len(names.rows), (made,), generator=g)
        row = {"model": "drawn", "rate": "", "seed": seed, "passes": 0}
        yield 1, row | judged(names.rows[drawn], names)
    floor = round(math.log(len(names.rows)) / names.length, 4)
    yield 2, {"model": "counted", **cell, "bound": floor, "exact": floor}


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        run,
        variants=list(LOSSES),
        seeds=SEEDS,
        steps=STEPS,
        made=MADE,
        scored=SCORED,
    )
