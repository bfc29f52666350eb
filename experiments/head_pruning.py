"""Which heads of a trained translator are needed? After Michel et al. (2019).

    python -m attnbook.experiments.head_pruning

trains encoder–decoders made of attention alone on German telephone numbers
of 1 to 4 pairs, and writes five tables:

- `heads_rates.csv`, one row per number of heads and learning rate: the first
  seed, on fresh numbers of the train split, which choose the rate, and how
  much exact match is lost there when one head is removed;
- `heads_trained.csv`, one row per seed and number of heads trained with;
- `head_importance.csv`, one row per seed and head: the loss without it;
- `one_head_left.csv`, one row per seed and layer: only its best head is kept;
- `head_pruning.csv`, one row per seed, order and number of heads removed.

Rates, orders and best heads are chosen on the train split. Everything that is
reported is measured on numbers of 4 pairs that training never saw.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook import data, train
from attnbook.experiments.attention_only import (
    KINDS,
    LAYERS,
    AttentionOnlyTranslator,
    Gated,
)
from attnbook.experiments.command import SEEDS, command

TABLES = (
    "heads_rates",
    "heads_trained",
    "head_importance",
    "one_head_left",
    "head_pruning",
)
STEPS = 800
MORE_STEPS = 200
MORE_RATE = 1e-3
RATES = (3e-3, 6e-3, 1.2e-2)
PAIRS = 4
TRAINED = (1, 8)
ALIGNMENTS = ("alignment", "first digits", "second digits")


def task_of(pairs: int = PAIRS) -> data.tasks.Task:
    """German telephone numbers of 1 to `pairs` pairs."""
    return data.telephone_numbers("de", pairs=(1, pairs), longer=None)


def layer_names(num_layers: int = LAYERS) -> list[str]:
    """Names in the order of gates: "encoder 1", "encoder 2", …."""
    return [f"{kind} {at + 1}" for kind in KINDS for at in range(num_layers)]


def all_heads(model: AttentionOnlyTranslator) -> Tensor:
    """Gates that keep every head: ones, (layers, H)."""
    return torch.ones(3 * model.num_layers, model.num_heads)


def loss_of_examples(logits: Tensor, batch: data.Batch) -> Tensor:
    """Cross-entropy of each answer, summed over its tokens: (B,), nats."""
    loss = F.cross_entropy(
        logits.transpose(1, 2), batch.target_out, reduction="none"
    )  # (B, T)
    return (loss * batch.target_mask).sum(1)


@torch.no_grad()
def mean_loss(model, batch, gates: Tensor) -> float:
    """Mean cross-entropy of an answer, in nats, with some heads gated."""
    logits, _ = model(batch.source, batch.source_mask, batch.target_in, gates)
    return loss_of_examples(logits, batch).mean().item()


@torch.no_grad()
def right_tokens(model, batch, gates: Tensor) -> Tensor:
    """Which tokens are right after the true tokens before them: (B, T)."""
    logits, _ = model(batch.source, batch.source_mask, batch.target_in, gates)
    return logits.argmax(-1) == batch.target_out


def whole_answers(right: Tensor, batch) -> Tensor:
    """Which answers are right to the last digit: (B,), boolean.

    Greedy decoding writes the whole right answer if and only if each next
    token is the right one after the right ones before it, so that one pass
    over the true target is enough.
    """
    return (right | ~batch.target_mask).all(1)


def right_answers(model, batch, gates: Tensor) -> Tensor:
    """Which answers are right to the last digit: (B,), boolean."""
    return whole_answers(right_tokens(model, batch, gates), batch)


def digit_accuracy(right: Tensor, batch, of: int | None = None) -> float:
    """The share of right digits, each after the true digits before it.

    Args:
        right: (B, T), boolean, from `right_tokens`.
        batch: of numbers of one length.
        of: 0 for the first digit of each pair (the tens, which German says
            last), 1 for the second digit, None for both.
    """
    digits = batch.alignment.any(-1)  # (B, T); the end mark is no digit
    if of is not None:
        digits = digits & (torch.arange(digits.shape[1]) % 2 == of)
    return right[digits].float().mean().item()


def exact_match(model, batch, gates: Tensor) -> float:
    """The share of right answers, from 0 to 1."""
    return right_answers(model, batch, gates).float().mean().item()


def gradient_importance(model, batch) -> Tensor:
    """How sensitive the loss is to each gate: the mean of |∂L/∂gate|.

    Michel et al. (2019), section 4.1: the absolute value is taken example by
    example, and the H numbers of each layer are divided by their norm.

    Returns:
        (layers, H), of norm 1 along the heads.
    """
    layers, heads = 3 * model.num_layers, model.num_heads
    gates = torch.ones(layers, len(batch), heads, requires_grad=True)
    logits, _ = model(batch.source, batch.source_mask, batch.target_in, gates)
    total = loss_of_examples(logits, batch).sum()
    (gradient,) = torch.autograd.grad(total, gates)  # (layers, B, H)
    importance = gradient.abs().mean(1)  # (layers, H)
    return importance / importance.norm(dim=1, keepdim=True)


def single_ablation(model, batch, gates: Tensor | None = None) -> Tensor:
    """The loss, in nats an answer, when one more head is removed.

    Args:
        model: a translator.
        batch: what the loss is measured on.
        gates: the heads there are, (layers, H); all by default.

    Returns:
        (layers, H); infinite where the head is gone already.
    """
    gates = all_heads(model) if gates is None else gates
    losses = torch.full_like(gates, torch.inf)
    for layer, head in gates.nonzero().tolist():
        without = gates.clone()
        without[layer, head] = 0
        losses[layer, head] = mean_loss(model, batch, without)
    return losses


def rising(importance: Tensor) -> list[tuple[int, int]]:
    """Heads as (layer, head), the least important first."""
    heads = importance.shape[1]
    order = importance.flatten().argsort(stable=True).tolist()
    return [divmod(place, heads) for place in order]


def greedy_order(model, batch) -> list[tuple[int, int]]:
    """Heads as (layer, head), measured anew after each removal."""
    gates, order = all_heads(model), []
    while gates.any():
        layer, head = rising(single_ablation(model, batch, gates))[0]
        gates[layer, head] = 0
        order.append((layer, head))
    return order


def pruning_curve(model, batch, order) -> list[tuple[float, float]]:
    """With 0, 1, … and all heads of the order removed: how good it still is.

    Returns:
        For each number of heads removed, exact match and digit accuracy.
    """
    gates, curve = all_heads(model), []
    for place in [None, *order]:
        if place is not None:
            gates[place] = 0
        right = right_tokens(model, batch, gates)
        whole = whole_answers(right, batch).float().mean().item()
        curve.append((whole, digit_accuracy(right, batch)))
    return curve


def sign_test(broken: int, mended: int) -> float:
    """Two-sided probability of so uneven a split if both were as likely."""
    count = broken + mended
    fewer = min(broken, mended)
    tail = sum(math.comb(count, k) for k in range(fewer + 1)) / 2**count
    return min(1.0, 2 * tail)


def entropy(weights: Tensor, rows: Tensor) -> Tensor:
    """Mean entropy of each head's rows, in nats: (H,).

    Args:
        weights: (B, H, T, S).
        rows: (B, T), boolean; the rows that count.
    """
    terms = torch.special.entr(weights).sum(-1)  # (B, H, T)
    return (terms * rows[:, None]).sum((0, 2)) / rows.sum()


def favourite_distance(
    weights: Tensor, rows: Tensor
) -> list[tuple[int, float]]:
    """Where the largest weight of a row lies most often, for each head.

    Voita et al. (2019) call a head positional if its largest weight lies at
    one distance in at least 90 % of the rows.

    Args:
        weights: (B, H, T, T), of self-attention.
        rows: (B, T), boolean; the rows that count.

    Returns:
        For each head the distance, key position less query position, and the
        share of the rows whose largest weight lies there.
    """
    place = torch.arange(weights.shape[-1])
    distances = weights.argmax(-1) - place  # (B, H, T)
    found = []
    for mine in distances.unbind(1):
        values, counts = mine[rows].unique(return_counts=True)
        most = counts.argmax()
        share = counts[most].item() / rows.sum().item()
        found.append((int(values[most]), share))
    return found


def share_by_chance(keys: Tensor, rows: Tensor) -> float:
    """How often the largest weight lies on the own place by chance alone.

    A head whose weights have nothing to do with places puts its largest
    weight on each of n keys equally often, 1/n. The mean of 1/n is also the
    weight that uniform attention gives to the own place.

    Args:
        keys: (B, T), how many keys each row may attend to.
        rows: (B, T), boolean; the rows that count.
    """
    return (1 / keys[rows]).mean().item()


def alignments(weights: Tensor, batch) -> dict[str, float | str]:
    """The weight of one head, (B, T, S), on the true source tokens.

    Over all digits, over the first digit of each pair (the tens, which
    German says last) and over the second.
    """
    first = torch.arange(weights.shape[1]) % 2 == 0  # (T,)
    rows = (torch.ones_like(first), first, ~first)
    return {
        name: round(
            train.alignment_score(weights, batch.alignment & which[:, None]),
            4,
        )
        for name, which in zip(ALIGNMENTS, rows, strict=True)
    }


@torch.no_grad()
def describe_heads(model, batch) -> list[dict]:
    """What the map of each head is like: one dictionary per head."""
    _, maps = model.attend(batch.source, batch.source_mask, batch.target_in)
    lengths = batch.source_mask.sum(1, keepdim=True)  # (B, 1)
    earlier = torch.arange(1, batch.target_out.shape[1] + 1)  # (T,)
    inside = (batch.source_mask, lengths.expand_as(batch.source_mask))
    written = (batch.target_mask, earlier.expand_as(batch.target_mask))
    found = []
    for name, weights in zip(layer_names(model.num_layers), maps, strict=True):
        rows, keys = inside if name.startswith("encoder") else written
        cross = name.startswith("cross")
        spread = entropy(weights, rows)
        favourites = None if cross else favourite_distance(weights, rows)
        blank = dict.fromkeys(ALIGNMENTS, "")
        for head in range(model.num_heads):
            distance, share = ("", "") if cross else favourites[head]
            chance = "" if cross else round(share_by_chance(keys, rows), 4)
            found.append(
                {
                    "layer": name,
                    "head": head + 1,
                    "entropy": round(spread[head].item(), 4),
                    "distance": distance,
                    "share": share if cross else round(share, 4),
                    "by chance": chance,
                    **(
                        alignments(weights[:, head], batch) if cross else blank
                    ),
                }
            )
    return found


def trained_model(
    num_heads: int, seed: int, steps: int, rate: float, progress: bool
):
    """A translator trained on `task_of()`, and the history of its training."""
    task = task_of()
    torch.manual_seed(seed)
    model = AttentionOnlyTranslator(
        len(task.source_vocabulary),
        len(task.target_vocabulary),
        num_heads=num_heads,
    )
    history = train.fit(
        model, task, steps, lr=rate, seed=seed, progress=progress
    )
    return model.requires_grad_(False), history


def trained_on(
    model, gates: Tensor, steps: int, seed: int, progress: bool
) -> AttentionOnlyTranslator:
    """A copy, trained for some more steps with its gates in place."""
    pruned = copy.deepcopy(model).requires_grad_(True)
    train.fit(
        Gated(pruned, gates),
        task_of(),
        steps,
        lr=MORE_RATE,
        seed=1000 + seed,
        warmup=steps // 10,
        progress=progress,
    )
    return pruned.requires_grad_(False)


def importance_rows(model, predicting, reporting, seed) -> list[dict]:
    """One row per head: importance predicted, loss measured, its map."""
    gradient = gradient_importance(model, predicting)
    full = all_heads(model)
    rise = single_ablation(model, predicting) - mean_loss(
        model, predicting, full
    )
    all_right = right_tokens(model, reporting, full)
    before = whole_answers(all_right, reporting)
    rows = []
    for place, look in enumerate(describe_heads(model, reporting)):
        layer, head = divmod(place, model.num_heads)
        without = full.clone()
        without[layer, head] = 0
        right = right_tokens(model, reporting, without)
        after = whole_answers(right, reporting)
        broken = int((before & ~after).sum())
        mended = int((~before & after).sum())
        lost = [
            digit_accuracy(all_right, reporting, of)
            - digit_accuracy(right, reporting, of)
            for of in (0, 1)
        ]
        rows.append(
            {
                "seed": seed,
                **look,
                "gradient": round(gradient[layer, head].item(), 4),
                "loss rise": round(rise[layer, head].item(), 4),
                "broken": broken,
                "mended": mended,
                "p": float(f"{sign_test(broken, mended):.2g}"),
                "first digits lost": round(lost[0], 5),
                "second digits lost": round(lost[1], 5),
            }
        )
    return rows


def pruning_rows(model, predicting, reporting, seed, draws) -> list[dict]:
    """One row per order and number of heads removed."""
    rng = np.random.default_rng(seed)
    layers, heads = all_heads(model).shape
    every = [divmod(place, heads) for place in range(layers * heads)]
    orders = {
        "gradient": rising(gradient_importance(model, predicting)),
        "single": rising(single_ablation(model, predicting)),
        "greedy": greedy_order(model, predicting),
    }
    for draw in range(draws):
        shuffled = rng.permutation(len(every))
        orders[f"random {draw + 1}"] = [every[place] for place in shuffled]
    return [
        {
            "seed": seed,
            "order": name,
            "removed": removed,
            "exact match": round(whole, 4),
            "digits": round(digits, 4),
        }
        for name, order in orders.items()
        for removed, (whole, digits) in enumerate(
            pruning_curve(model, reporting, order)
        )
    ]


def one_left_rows(
    model, predicting, reporting, seed, more_steps, progress
) -> list[dict]:
    """One row per layer: exact match when only its best head is kept.

    The layer that loses most is also trained for some more steps with its
    one head.
    """
    rows, kept = [], []
    for layer, name in enumerate(layer_names(model.num_layers)):
        tried = []
        for head in range(model.num_heads):
            gates = all_heads(model)
            gates[layer] = 0
            gates[layer, head] = 1
            tried.append((mean_loss(model, predicting, gates), head, gates))
        _, head, gates = min(tried, key=lambda each: each[0])
        none = all_heads(model)
        none[layer] = 0
        kept.append(gates)
        rows.append(
            {
                "seed": seed,
                "layer": name,
                "head kept": head + 1,
                "all": round(
                    exact_match(model, reporting, all_heads(model)), 4
                ),
                "one": round(exact_match(model, reporting, gates), 4),
                "none": round(exact_match(model, reporting, none), 4),
                "one, more steps": "",
            }
        )
    worst = min(range(len(rows)), key=lambda layer: rows[layer]["one"])
    again = trained_on(model, kept[worst], more_steps, seed, progress)
    rows[worst]["one, more steps"] = round(
        exact_match(again, reporting, kept[worst]), 4
    )
    return rows


def lost_without_each(model, batch) -> Tensor:
    """Exact match lost when one head is removed: (layers * H,)."""
    full = all_heads(model)
    found = []
    for layer, head in full.nonzero().tolist():
        without = full.clone()
        without[layer, head] = 0
        found.append(exact_match(model, batch, without))
    return exact_match(model, batch, full) - torch.tensor(found)


def rate_rows(models: dict, num_heads: int, tuning) -> list[dict]:
    """One row per learning rate, measured on the train split.

    Args:
        models: a trained model for each rate.
        num_heads: of these models.
        tuning: a batch of the train split.
    """
    rows = []
    for rate, model in models.items():
        lost = lost_without_each(model, tuning)
        rows.append(
            {
                "heads": num_heads,
                "rate": rate,
                "loss": round(mean_loss(model, tuning, all_heads(model)), 4),
                "exact match": round(
                    exact_match(model, tuning, all_heads(model)), 4
                ),
                "median lost": round(lost.median().item(), 4),
                "at most 0.02": round(
                    (lost < 0.0201).float().mean().item(), 4
                ),
            }
        )
    return rows


def run(
    seeds: Iterable[int],
    steps: int = STEPS,
    trained: Iterable[int] = TRAINED,
    rates: Iterable[float] = RATES,
    count: int = 500,
    draws: int = 3,
    more_steps: int = MORE_STEPS,
    progress: bool = True,
) -> dict[str, list[dict]]:
    """Choose a rate for each number of heads; train, ablate and prune.

    Args:
        seeds: of weights and batches; the first chooses the rates.
        steps: of training, 128 examples each.
        trained: numbers of heads to train with; the largest is pruned.
        rates: learning rates to choose from.
        count: held-out examples to measure on.
        draws: of the random order.
        more_steps: of training with one head left in a layer.
        progress: show progress bars.

    Returns:
        The rows of each table, by its name.
    """
    torch.set_num_threads(1)
    task, seeds = task_of(), list(seeds)

    def batch(count, split, seed):
        examples = task.examples(count, split, length=PAIRS, seed=seed)
        return task.collate(examples)

    tuning = batch(500, "train", seed=4)
    predicting = batch(128, "train", seed=1)
    reporting = batch(count, "held-out", seed=3)
    tables: dict[str, list[dict]] = {name: [] for name in TABLES}
    for num_heads in sorted(trained):
        tried = {
            rate: trained_model(num_heads, seeds[0], steps, rate, progress)
            for rate in rates
        }
        found = rate_rows(
            {rate: model for rate, (model, _) in tried.items()},
            num_heads,
            tuning,
        )
        tables["heads_rates"] += found
        rate = min(found, key=lambda row: row["loss"])["rate"]
        models = {seeds[0]: tried[rate]} | {
            seed: trained_model(num_heads, seed, steps, rate, progress)
            for seed in seeds[1:]
        }
        for seed, (model, history) in models.items():
            tables["heads_trained"].append(
                {
                    "seed": seed,
                    "heads": num_heads,
                    "rate": rate,
                    "parameters": history.parameters,
                    "exact match": round(
                        exact_match(model, reporting, all_heads(model)), 4
                    ),
                }
            )
            print(tables["heads_trained"][-1], flush=True)
    for seed, (model, _) in models.items():  # of the most heads
        tables["head_importance"] += importance_rows(
            model, predicting, reporting, seed
        )
        tables["one_head_left"] += one_left_rows(
            model, predicting, reporting, seed, more_steps, progress
        )
        tables["head_pruning"] += pruning_rows(
            model, predicting, reporting, seed, draws
        )
    return tables


if __name__ == "__main__":
    command(__doc__, TABLES, run, seeds=SEEDS, steps=STEPS)
