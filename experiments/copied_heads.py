"""Copying shared heads for each token against sharing them: the seconds.

    python -m attnbook.experiments.copied_heads

measures how long a decoder-only model takes for one token when its cache
holds many. Keys and values belong to all 16 heads, to four groups or to one,
or are latents. Where heads share, a program may copy the keys of each group
for all of its heads in every step, as `repeat_interleave` does, or let the
heads read the same numbers. Latents may be absorbed, or keys and values may
be made of all of them in every step. Both ways compute the same.

It writes `copied_heads.csv`: the milliseconds of a token, the median of
several, by the number of tokens in the cache, and the megabytes of that cache
and of the copies, or of the keys and values made, in all layers. The models
are untrained and the cache is filled with random numbers, which changes no
time. Milliseconds are those of the processor (`time.process_time`) in one
thread, and within a run all models take a step in turn, so that a busy
machine slows all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from statistics import median

import torch

from attnbook.experiments.command import SEEDS, command
from attnbook.mechanisms.decoder_only import Cache, DecoderOnly, Design
from attnbook.mechanisms.sharing_heads import LatentDecoder, SharingDecoder

TABLES = ("copied_heads",)
CONTEXTS = (256, 1024, 4096)
STEPS = 15  # of which a median is taken
VOCABULARY, WIDTH, HEADS, LAYERS = 256, 512, 16, 2
LATENT, ROTARY = 128, 16
DESIGN = Design(positions="rotary")
GROUPS = {"MHA": HEADS, "four groups": 4, "MQA": 1}
FORMS = (
    ("MHA", "shared"),
    ("four groups", "copied"),
    ("four groups", "shared"),
    ("MQA", "copied"),
    ("MQA", "shared"),
    ("MLA", "keys made anew"),
    ("MLA", "absorbed"),
)


def model_of(variant: str, way: str, longest: int) -> DecoderOnly:
    """An untrained model, and how it reads its cache.

    Args:
        variant: and
        way: a pair of `FORMS`.
        longest: tokens that it can read.
    """
    torch.manual_seed(0)
    sizes = (VOCABULARY, WIDTH, HEADS, LAYERS, longest)
    if variant == "MLA":
        model = LatentDecoder(*sizes, LATENT, ROTARY, design=DESIGN)
        for block in model.blocks:
            block.attention.absorbs = way == "absorbed"
    else:
        model = SharingDecoder(*sizes, GROUPS[variant], design=DESIGN)
        for block in model.blocks:
            block.attention.copies = way == "copied"
    return model.eval()


def filled(model: DecoderOnly, tokens: int) -> Cache:
    """A cache of one row with random numbers for so many tokens."""
    cache = Cache(model, 1)
    cache.keys.normal_()
    cache.values.normal_()
    cache.lengths.fill_(tokens)
    return cache


def made_bytes(variant: str, way: str, tokens: int) -> int:
    """Bytes of the keys and values that a step makes, in all layers."""
    if way in ("shared", "absorbed"):
        return 0
    rotary = ROTARY if variant == "MLA" else 0
    return 4 * LAYERS * tokens * (2 * WIDTH + HEADS * rotary)


def milliseconds(
    contexts: Sequence[int], steps: int = STEPS
) -> list[dict[str, object]]:
    """Measure every form at every length of the context.

    Args:
        contexts: tokens in the cache, the new one included.
        steps: of each form, in turn.

    Returns:
        rows of the table, without the number of the run.
    """
    rows = []
    for tokens in contexts:
        models = {form: model_of(*form, tokens) for form in FORMS}
        caches = {form: filled(models[form], tokens - 1) for form in FORMS}
        times: dict[tuple[str, str], list[float]] = {f: [] for f in FORMS}
        for _ in range(steps + 2):
            for form in FORMS:
                ids = torch.randint(VOCABULARY, (1, 1))
                started = time.process_time()
                models[form](ids, caches[form])
                times[form].append(1e3 * (time.process_time() - started))
                caches[form].rewind(tokens - 1)
        rows += [
            {
                "variant": variant,
                "way": way,
                "tokens": tokens,
                "ms": round(median(times[variant, way][2:]), 4),
                "cache MB": round(caches[variant, way].bytes() / 1e6, 3),
                "made MB": round(made_bytes(variant, way, tokens) / 1e6, 3),
            }
            for variant, way in FORMS
        ]
    return rows


def run(
    contexts: Sequence[int] = CONTEXTS,
    runs: Iterable[int] = SEEDS,
    steps: int = STEPS,
) -> list[dict]:
    """Measure everything once in each run."""
    torch.set_num_threads(1)
    rows = []
    for number in runs:
        rows += [
            {"run": number, **row} for row in milliseconds(contexts, steps)
        ]
        print(rows[-len(FORMS) :], flush=True)
    return rows


if __name__ == "__main__":
    command(__doc__, TABLES, run, contexts=CONTEXTS, runs=SEEDS, steps=STEPS)
