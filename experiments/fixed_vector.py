"""What does the fixed vector lack: a rate, room, or time?

    python -m attnbook.experiments.fixed_vector

trains the translator of chapter 01 that passes on one vector, with a state of
64 numbers and with one of 128, and additive attention beside them. A control
takes the average of all states as its context: the gradient then reaches each
state as directly as with attention. Each variant gets its best rate: of four
rates, the one with the lowest training loss at the end, with one seed. At that
rate it is trained with three seeds, for as many steps as the leaderboard
gives. The fixed vector is also trained for four times as many.

It writes `fixed_vector.csv`, one row per variant, steps, rate, seed and
length, and `fixed_vector_loss.csv`, the training loss in means over a
twentieth of the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import mean

import torch
from torch import Tensor, nn

from attnbook import data, train
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.leaderboard import STEPS, TRAINED_TO
from attnbook.mechanisms.recurrent import (
    AdditiveTranslator,
    FixedVectorTranslator,
    Memory,
)

TABLES = ("fixed_vector", "fixed_vector_loss")
RATES = (1e-3, 3e-3, 6e-3, 1e-2)
PATIENCE = 4  # times the steps, for the variants of the fixed vector
PIECES = 20  # of a training, for the mean losses


class AverageTranslator(FixedVectorTranslator):
    """The context is the average of all states, at every step the same."""

    def look(self, state: Tensor, memory: Memory) -> tuple[Tensor, None]:
        """The context for one step, (B, 2D)."""
        shares = memory.mask / memory.mask.sum(1, keepdim=True)  # (B, S)
        return torch.einsum("bs,bsd->bd", shares, memory.states), None


VARIANTS: dict[str, Callable[[int, int], nn.Module]] = {
    "fixed vector, state 64": FixedVectorTranslator,
    "fixed vector, state 128": lambda source, target: FixedVectorTranslator(
        source, target, size=128
    ),
    "average of all states": AverageTranslator,
    "additive attention": AdditiveTranslator,
}


@torch.no_grad()
def digits_right(model: nn.Module, batch) -> float:
    """The share of digits that greedy decoding has right, each in its place.

    The end mark does not count: a number that stops early is wrong from there
    on.
    """
    tokens, _ = model.generate(
        batch.source, batch.source_mask, batch.target_out.shape[1]
    )  # (B, T)
    digits = batch.target_mask & (batch.target_out != data.EOS)
    return (tokens == batch.target_out)[digits].float().mean().item()


def trained(
    name: str, task, steps: int, rate: float, seed: int
) -> tuple[nn.Module, list[float]]:
    """A trained model of a variant, and its mean losses, piece by piece."""
    torch.manual_seed(seed)
    sizes = len(task.source_vocabulary), len(task.target_vocabulary)
    model = VARIANTS[name](*sizes)
    history = train.fit(model, task, steps, lr=rate, seed=seed, progress=False)
    piece = max(steps // PIECES, 1)
    losses = [
        mean(history.loss[start : start + piece])
        for start in range(0, steps - piece + 1, piece)
    ]
    return model, losses


def run(
    variants: Iterable[str],
    seeds: Iterable[int],
    steps: int = STEPS,
    rates: Iterable[float] = RATES,
    trained_to: int = TRAINED_TO,
    count: int = 250,
) -> dict[str, list[dict]]:
    """Tune the rate of each variant on training loss, then train and measure.

    Args:
        variants: keys of `VARIANTS`.
        seeds: of weights and batches; the first one tunes.
        steps: of the shorter training, 128 examples each.
        rates: to choose from.
        trained_to: greatest number of pairs.
        count: held-out examples per length.

    Returns:
        For each of `TABLES` its rows.
    """
    torch.set_num_threads(1)
    task = data.telephone_numbers("de", pairs=(1, trained_to))
    seeds, lengths = list(seeds), range(1, trained_to + 1)
    measured, curves = [], []
    for name in variants:
        best, runs = None, []
        for rate in rates:
            model, losses = trained(name, task, steps, rate, seeds[0])
            runs.append((steps, rate, seeds[0], model, losses))
            if best is None or losses[-1] < best[0]:
                best = losses[-1], rate
        patient = (PATIENCE * steps,) if name.startswith("fixed") else ()
        for length_of_run in (steps, *patient):
            for seed in seeds:
                if (length_of_run, seed) != (steps, seeds[0]):
                    made = trained(name, task, length_of_run, best[1], seed)
                    runs.append((length_of_run, best[1], seed, *made))
        for taken, rate, seed, model, losses in runs:
            of = {"variant": name, "steps": taken, "rate": rate, "seed": seed}
            for length in lengths:
                examples = task.examples(count, "held-out", length=length)
                batch = task.collate(examples)
                measured.append(
                    {
                        **of,
                        "length": length,
                        "exact match": round(
                            train.exact_match(model, batch), 4
                        ),
                        "digits right": round(digits_right(model, batch), 4),
                    }
                )
            curves += [
                {**of, "piece": piece, "loss": round(loss, 4)}
                for piece, loss in enumerate(losses)
            ]
            print(measured[-1], flush=True)
    return dict(zip(TABLES, [measured, curves], strict=True))


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        run,
        variants=list(VARIANTS),
        seeds=SEEDS,
        steps=STEPS,
    )
