"""Does additive attention need its weights, and what do long numbers lose?

    python -m attnbook.experiments.forced_weights

trains additive attention as the leaderboard does, once per seed, and decodes
with other weights than those that it would choose: uniform ones, and the true
alignment. It writes `forced_weights.csv`, one row per seed, length and kind
of weights. Then it decodes numbers of twelve pairs, longer than any that it
trained on, and writes `long_numbers.csv`, one row per seed: how many digits
the answers have, how many are right from the front and from the back, and how
much attention the first, the middle and the last pairs get.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from attnbook import data, train
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.leaderboard import STEPS
from attnbook.mechanisms.recurrent import AdditiveTranslator

TABLES = ("forced_weights", "long_numbers")
LENGTHS = (2, 4, 6, 8)
LONG = 12  # pairs; divisible by three
COUNT = 250


def forced(model, batch, weights: Tensor) -> Tensor:
    """Which answers are right if each step takes the weights that it is given.

    Args:
        model: an `AdditiveTranslator`.
        batch: of numbers in words.
        weights: (B, T, S), one row for each step.

    Returns:
        right, (B,) boolean.
    """
    rows = iter(weights.unbind(1))  # (B, S) each

    def look(state, memory):
        row = next(rows)
        return (row[:, None] @ memory.states).squeeze(1), row

    model.look = look
    try:
        return train.right_answers(model, batch)
    finally:
        del model.look


@torch.no_grad()
def forced_rows(model, task, length: int) -> list[dict]:
    """Exact match with the model's own weights, uniform and true ones.

    The end mark comes from no token, so it keeps the model's own weights.
    """
    examples = task.examples(COUNT, "held-out", length=length)
    batch = task.collate(examples)
    _, own = model(batch.source, batch.source_mask, batch.target_in)
    truth = batch.alignment.float()  # (B, T, S)
    truth = truth / truth.sum(-1, keepdim=True).clamp(min=1)
    uniform = batch.source_mask / batch.source_mask.sum(1, keepdim=True)
    given = {
        "own": own,
        "uniform": uniform[:, None].expand_as(own),
        "true": torch.where(batch.alignment.any(-1, True), truth, own),
    }
    found = {"learnt": train.exact_match(model, batch)}
    for name, weights in given.items():
        found[name] = forced(model, batch, weights).float().mean().item()
    return [
        {"length": length, "weights": name, "exact match": round(share, 4)}
        for name, share in found.items()
    ]


def from_the_front(tokens: Tensor, true: Tensor) -> float:
    """How many tokens are right before the first wrong one, on average."""
    return (tokens == true).long().cumprod(-1).sum(-1).float().mean().item()


@torch.no_grad()
def long_row(model, task) -> dict:
    """What an answer to numbers that are too long has and lacks."""
    batch = task.collate(task.examples(COUNT, "longer", length=LONG))
    steps = 2 * LONG
    true = batch.target_out[:, :steps]  # (B, T)
    tokens, weights = model.generate(batch.source, batch.source_mask, steps)
    written = (tokens != data.EOS).sum(1)  # (B,)

    # the answers shifted to the right, so that their last digits stand last
    shift = torch.arange(steps) - (steps - written)[:, None]  # (B, T)
    shifted = tokens.gather(1, shift.clamp(min=0)).masked_fill(shift < 0, -1)
    pairs = batch.alignment[:, :steps].unflatten(1, (LONG, 2)).any(2)
    on_pair = weights @ pairs.float().mT  # (B, T, pairs)
    on_pair = (on_pair * (tokens != data.EOS)[..., None]).sum(1).mean(0)
    first, middle, last = on_pair.unflatten(0, (3, -1)).sum(1).tolist()
    return {
        "length": LONG,
        "digits written": round(written.float().mean().item(), 2),
        "too short": round((written < steps).float().mean().item(), 4),
        "right from the front": round(from_the_front(tokens, true), 2),
        "right from the back": round(
            from_the_front(shifted.flip(1), true.flip(1)), 2
        ),
        "attention, first third": round(first, 2),
        "attention, middle third": round(middle, 2),
        "attention, last third": round(last, 2),
    }


def run(
    seeds: Iterable[int],
    steps: int = STEPS,
    trained_to: int = 8,
    lengths: Iterable[int] = LENGTHS,
) -> dict[str, list[dict]]:
    """Train a model per seed, force its weights, and give it long numbers.

    Args:
        seeds: of weights and batches.
        steps: of training, 128 examples each.
        trained_to: greatest number of pairs in training.
        lengths: numbers of pairs with forced weights.

    Returns:
        For each of `TABLES` its rows.
    """
    torch.set_num_threads(1)
    task = data.telephone_numbers(
        "de", pairs=(1, trained_to), longer=(LONG, LONG)
    )
    lengths = list(lengths)
    forcing, long = [], []
    for seed in seeds:
        torch.manual_seed(seed)
        model = AdditiveTranslator(
            len(task.source_vocabulary), len(task.target_vocabulary)
        )
        train.fit(model, task, steps, seed=seed, progress=False)
        for length in lengths:
            rows = forced_rows(model, task, length)
            forcing += [{"seed": seed, **row} for row in rows]
        long.append({"seed": seed, **long_row(model, task)})
        print(forcing[-4:], long[-1], flush=True)
    return dict(zip(TABLES, [forcing, long], strict=True))


if __name__ == "__main__":
    command(__doc__, TABLES, run, seeds=SEEDS, steps=STEPS)
