"""Writing a text with and without a cache of keys and values: what it costs.

    python -m attnbook.experiments.cached_decoding

writes three tables. `decoding_dots.csv` has the dot products of a query with
a key, of one head in one block, counted while T tokens are written: those
that causal attention needs, and those that were computed. `decoding_total.csv`
has the seconds that it takes to write T tokens, and to read T tokens in one
pass. `decoding_steps.csv` has the milliseconds of a single step, the median
of those around a length.

The models are untrained, which changes no time. Every text begins with one
token, and the likeliest token is taken. Seconds are those of the processor
(`time.process_time`) in one thread. In each run the ways take turns at each
length, so that a busy machine slows both.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from statistics import median

import torch
from torch import Tensor, nn

from attnbook.experiments.command import SEEDS, command
from attnbook.mechanisms.decoder_only import Cache, DecoderOnly, generate

TABLES = ("decoding_dots", "decoding_total", "decoding_steps")
WAYS = {"with a cache": True, "without": False}
LENGTHS = (64, 128, 256, 384, 512)
SIZES = {"D = 96, 2 blocks": (96, 2), "D = 256, 4 blocks": (256, 4)}
VOCABULARY = 1024
HEADS = 4
AROUND = 64  # steps that a median is taken of


class DotCounter:
    """Count the dot products of queries with keys, while a model reads.

    Used in a `with` statement. `computed` counts all entries of the tables
    of scores; `needed` those that the mask leaves, which is where a weight
    is not 0. Both are sums over rows, heads and blocks.

    Args:
        model: a `DecoderOnly`.
    """

    def __init__(self, model: DecoderOnly):
        self.model = model
        self.computed = self.needed = 0

    def __enter__(self) -> DotCounter:
        self._hooks = [
            block.attention.register_forward_hook(self._count)
            for block in self.model.blocks
        ]
        return self

    def __exit__(self, *_) -> None:
        for hook in self._hooks:
            hook.remove()

    def _count(self, module: nn.Module, inputs: tuple, outputs: tuple) -> None:
        _, weights = outputs  # (B, H, T, S)
        self.computed += weights.numel()
        self.needed += int((weights > 0).sum())


def needed_dots(T: int, cache: bool) -> int:
    """Dot products of one head in one block, until T tokens are written.

    The step that writes token t has t tokens to read. With a cache only the
    newest has a query, which meets t keys; without one, all t have.
    """
    return T * (T + 1) // 2 if cache else T * (T + 1) * (T + 2) // 6


def model_of(d_model: int, blocks: int, longest: int) -> DecoderOnly:
    """An untrained model that reads up to `longest` tokens."""
    torch.manual_seed(0)
    return DecoderOnly(VOCABULARY, d_model, HEADS, blocks, longest).eval()


def likeliest(logits: Tensor) -> Tensor:
    """The token of the greatest logit."""
    return logits.argmax(-1)


def dots(T: int) -> list[dict]:
    """Count while T tokens are written: a row for each way."""
    model = model_of(8, 2, T)
    parts = len(model.blocks) * model.num_heads
    rows = []
    for way, cache in WAYS.items():
        with DotCounter(model) as counter:
            generate(model, [[0]], T, likeliest, cache)
        rows.append(
            {
                "way": way,
                "T": T,
                "needed": counter.needed // parts,
                "formula": needed_dots(T, cache),
                "computed": counter.computed // parts,
            }
        )
    return rows


def step_seconds(model: DecoderOnly, T: int, cache: bool) -> list[float]:
    """The seconds of each of the T steps that write T tokens."""
    times = [time.process_time()]

    def choose(logits: Tensor) -> Tensor:
        token = likeliest(logits)
        times.append(time.process_time())
        return token

    generate(model, [[0]], T, choose, cache)
    return [after - before for before, after in itertools.pairwise(times)]


def reading_seconds(model: DecoderOnly, T: int) -> float:
    """The seconds of reading T tokens into a cache, in one pass."""
    ids = torch.randint(VOCABULARY, (1, T))
    started = time.process_time()
    model.read(ids, Cache(model, 1))
    return time.process_time() - started


def run(
    lengths: Iterable[int] = LENGTHS,
    sizes: Iterable[str] = tuple(SIZES),
    runs: Iterable[int] = SEEDS,
) -> dict[str, list[dict]]:
    """Count, and measure each size at each length, once in each run.

    Args:
        lengths: T, tokens to write.
        sizes: keys of `SIZES`.
        runs: each goes through everything once.

    Returns:
        The rows of each of `TABLES`.
    """
    torch.set_num_threads(1)
    lengths = sorted(lengths)
    counted = [row for T in lengths for row in dots(T)]
    total, steps = [], []
    for number in runs:
        for size in sizes:
            model = model_of(*SIZES[size], lengths[-1])
            step_seconds(model, 8, cache=True)  # loads what PyTorch needs
            for T in lengths:
                place = {"size": size, "run": number, "T": T}
                times = {
                    way: step_seconds(model, T, cache)
                    for way, cache in WAYS.items()
                }
                times["reading in one pass"] = [
                    median(reading_seconds(model, T) for _ in range(5))
                ]
                total += [
                    {**place, "way": way, "seconds": round(sum(of_way), 4)}
                    for way, of_way in times.items()
                ]
                print(total[-3:], flush=True)
            steps += [
                {**row, "size": size, "run": number}
                for way in WAYS
                for row in _by_length(way, times[way])
            ]
    return dict(zip(TABLES, (counted, total, steps), strict=True))


def _by_length(way: str, seconds: list[float]) -> list[dict]:
    """The median milliseconds of every `AROUND` steps, by tokens read."""
    return [
        {
            "way": way,
            "tokens": first + AROUND // 2,
            "ms": round(1e3 * median(seconds[first : first + AROUND]), 4),
        }
        for first in range(0, len(seconds) - AROUND + 1, AROUND)
    ]


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        run,
        lengths=LENGTHS,
        sizes=list(SIZES),
        runs=SEEDS,
    )
