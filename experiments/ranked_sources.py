"""Which ranking of source tokens finds those that a digit comes from?

    python -m attnbook.experiments.ranked_sources

trains the translators of chapters 01, 02 and 06 on German telephone numbers
of 1 to 4 pairs, once per seed, each at its own learning rate. For numbers of
4 pairs that training never saw, and for every digit of them, it ranks the
tokens of the source: by the model's maps, by gradients, and by changing a
token. The true sources of each digit are known, and every ranking is scored
against them.

Three tables. `ranked_sources.csv` has one row per model, seed and ranking:
area under the curve and precision at 1, the means over digits.
`other_maps.csv`
has one row per model and seed: what the prediction of a digit does if the
last map becomes uniform, or is shuffled, or another one that was searched for
that purpose, as far from the first as possible while the prediction stays.
`ranked_rates.csv` has the rates that were tried with the first seed, on fresh
numbers of the train split, which choose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from attnbook import data, train
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.rates import widened
from attnbook.mechanisms.luong import LuongTranslator
from attnbook.mechanisms.reading import (
    adversarial_weights,
    area_under_curve,
    erased,
    free_directions,
    gradients,
    last_look,
    left_out,
    maps_of,
    mean_of_known,
    permuted,
    precision_at_1,
    total_variation,
)
from attnbook.mechanisms.recurrent import AdditiveTranslator
from attnbook.mechanisms.transformer import TransformerTranslator

TABLES = ("ranked_sources", "other_maps", "ranked_rates")
MODELS: dict[str, Callable[[int, int], nn.Module]] = {
    "additive attention": AdditiveTranslator,
    "Luong, general": LuongTranslator,
    "Transformer": TransformerTranslator,
}
PAIRS = 4
STEPS = 300
RATES = (3e-3, 9e-3, 27e-3)  # where the search begins
COUNT = 100  # numbers that are ranked
ALLOWED = 0.01  # change of a prediction by another map, in total variation


def task_of(pairs: int = PAIRS) -> data.tasks.Task:
    """German telephone numbers of 1 to `pairs` pairs."""
    return data.telephone_numbers("de", pairs=(1, pairs), longer=None)


def trained(name: str, task, steps: int, rate: float, seed: int) -> nn.Module:
    """A translator, trained."""
    torch.manual_seed(seed)
    model = MODELS[name](
        len(task.source_vocabulary), len(task.target_vocabulary)
    )
    train.fit(model, task, steps, lr=rate, seed=seed, progress=False)
    return model


@torch.no_grad()
def validation_loss(model: nn.Module, task) -> float:
    """Nats a token on fresh long numbers of the train split."""
    longest = task.lengths["train"][-1]
    batch = task.collate(task.examples(500, "train", longest, seed=10**6))
    return train.batch_loss(model, batch).item()


def best_head(model: nn.Module, task) -> tuple[int, int]:
    """The layer and head of the highest precision, on the train split."""
    longest = task.lengths["train"][-1]
    batch = task.collate(task.examples(100, "train", longest, seed=10**6))
    with torch.no_grad():
        heads = model.cross_attention(
            batch.source, batch.source_mask, batch.target_in
        )  # (L, B, H, T, S)
    mask = batch.source_mask[:, None]
    found = {
        (layer, head): mean_of_known(
            precision_at_1(heads[layer, :, head], batch.alignment, mask)
        )
        for layer in range(len(heads))
        for head in range(heads.shape[2])
    }
    return max(found, key=found.__getitem__)


def baselines(batch: data.Batch, seed: int) -> dict[str, Tensor]:
    """Rankings that ask no model: by chance, and by place alone."""
    B, T, S = batch.alignment.shape
    generator = torch.Generator().manual_seed(seed)
    digits = batch.alignment.any(-1).sum(1)  # (B,)
    at = (torch.arange(T) + 0.5) / digits[:, None]  # (B, T)
    there = batch.source_mask.sum(1)
    place = (torch.arange(S) + 0.5) / there[:, None]  # (B, S)
    return {
        "chance": torch.rand(B, T, S, generator=generator),
        "same place": -(at[..., None] - place[:, None]).abs(),
    }


def rankings_of(
    model: nn.Module, task, batch: data.Batch, seed: int
) -> dict[str, Tensor]:
    """Every ranking of the source by a model: (B, T, S) by name."""
    found = maps_of(model, batch)
    if hasattr(model, "cross_attention"):
        layer, head = best_head(model, task)
        with torch.no_grad():
            found["weights, best head"] = model.cross_attention(
                batch.source, batch.source_mask, batch.target_in
            )[layer, :, head]
    slopes = gradients(model, batch)
    generator = torch.Generator().manual_seed(seed)
    return found | {
        "gradient": slopes.norm,
        "gradient × input": slopes.product,
        "|gradient × input|": slopes.product.abs(),
        "token left out": left_out(model, batch),
        "token erased": erased(model, batch),
        "token permuted": permuted(model, batch, generator=generator),
    }


def ranked_rows(rankings: dict[str, Tensor], batch: data.Batch) -> list[dict]:
    """Score rankings against the truth, the mean over digits."""
    mask = batch.source_mask[:, None]
    return [
        {
            "ranking": name,
            "area": round(
                mean_of_known(area_under_curve(scores, batch.alignment, mask)),
                4,
            ),
            "precision": round(
                mean_of_known(precision_at_1(scores, batch.alignment, mask)),
                4,
            ),
        }
        for name, scores in rankings.items()
    ]


def by_head(mask: Tensor, weights: Tensor) -> Tensor:
    """A mask (N, S) in the shape of the weights, with or without heads."""
    if weights.ndim == 3:
        mask = mask[:, None]
    return mask.expand(weights.shape)


def shuffled(weights: Tensor, mask: Tensor, seed: int) -> Tensor:
    """Each row's weights in a random order, within what is not padding.

    Args:
        weights: (..., S).
        mask: of the same shape, True first and False behind.
        seed: of the order.
    """
    generator = torch.Generator().manual_seed(seed)
    keys = torch.rand(weights.shape, generator=generator)
    order = keys.masked_fill(~mask, 2.0).argsort(-1)
    return weights.gather(-1, order)


def other_row(model: nn.Module, batch: data.Batch, seed: int) -> dict:
    """What the prediction of the digits does with other maps."""
    look = last_look(model, batch)
    digits = batch.alignment.any(-1).flatten()  # (N,)
    truth = batch.alignment.flatten(0, 1)  # (N, S)
    mask = by_head(look.mask, look.weights)
    uniform = mask / mask.sum(-1, keepdim=True)
    with torch.no_grad():
        aim = look.predict(look.weights).softmax(-1)
        changes = {
            name: total_variation(look.predict(weights).softmax(-1), aim)
            for name, weights in {
                "uniform": uniform,
                "shuffled": shuffled(look.weights, mask, seed),
            }.items()
        }
    found = adversarial_weights(look.weights, look.predict, ALLOWED, look.mask)
    mean_map = found.weights
    used = look.weights
    if mean_map.ndim == 3:
        mean_map, used = mean_map.mean(1), used.mean(1)
    one = look.value[0]  # of the first source; the first head, if there are
    one = one[0] if one.ndim == 3 else one
    one = one[look.mask[0]].double()
    row = {
        "change, uniform": changes["uniform"][digits].mean(),
        "change, shuffled": changes["shuffled"][digits].mean(),
        "change, searched": found.change[digits].max(),
        "distance, searched": found.distance[digits].mean(),
        "distance over half": (found.distance[digits] > 0.5).float().mean(),
        "precision, used": mean_of_known(
            precision_at_1(used, truth, look.mask)
        ),
        "precision, searched": mean_of_known(
            precision_at_1(mean_map, truth, look.mask)
        ),
    }
    return {
        "tokens": len(one),
        "value size": one.shape[1],
        "free directions": len(free_directions(one)),
        "free within 1 %": len(free_directions(one, 1e-2)),
    } | {name: round(float(value), 4) for name, value in row.items()}


def run(
    models: Iterable[str] = tuple(MODELS),
    seeds: Sequence[int] = SEEDS,
    steps: int = STEPS,
    pairs: int = PAIRS,
    rates: Sequence[float] = RATES,
    count: int = COUNT,
) -> dict[str, list[dict]]:
    """Train, rank and search: the rows of each of `TABLES`.

    Args:
        models: keys of `MODELS`.
        seeds: of weights and batches; the first chooses the rate.
        steps: of training, 128 examples each.
        pairs: the greatest number of pairs, and of those that are ranked.
        rates: where the search begins; a single one is taken as it is.
        count: numbers that are ranked.
    """
    torch.set_num_threads(1)
    task = task_of(pairs)
    batch = task.collate(task.examples(count, "held-out", pairs))
    rows, others, tried_rows = [], [], []
    for name in models:
        made: dict[float, nn.Module] = {}

        def loss(rate: float, name: str = name, made: dict = made) -> float:
            made[rate] = trained(name, task, steps, rate, seeds[0])
            return validation_loss(made[rate], task)

        if len(rates) == 1:
            rate, tried = rates[0], {}
        else:
            rate, tried = widened(loss, rates, factor=3)
        for each in sorted(tried):
            tried_rows.append(
                {
                    "model": name,
                    "rate": each,
                    "seed": seeds[0],
                    "validation": round(tried[each], 4),
                }
            )
        for seed in seeds:
            if seed == seeds[0] and rate in made:
                model = made[rate]
            else:
                model = trained(name, task, steps, rate, seed)
            start = {
                "model": name,
                "seed": seed,
                "rate": rate,
                "exact match": round(train.exact_match(model, batch), 4),
            }
            found = rankings_of(model, task, batch, seed)
            new = ranked_rows(found | baselines(batch, seed), batch)
            rows += [start | row for row in new]
            others.append(start | other_row(model, batch, seed))
            print(others[-1], *rows[-len(new) :], sep="\n", flush=True)
    if not tried_rows:
        return {TABLES[0]: rows, TABLES[1]: others}
    return dict(zip(TABLES, (rows, others, tried_rows), strict=True))


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        run,
        models=list(MODELS),
        seeds=SEEDS,
        steps=STEPS,
    )
