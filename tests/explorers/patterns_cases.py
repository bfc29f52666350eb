"""Cases for the pattern painter's arithmetic, from the mechanisms, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from attnbook.mechanisms import long_context as sparse
from attnbook.mechanisms.long_context import patterns

BEYOND = 8  # tokens, after as many again: how far the painter looks ahead
MOST = 8
NAMES = [
    *("full", "window", "dilated", "strided"),
    *("global", "blocks", "sinks"),
]


def spread(tokens: int, count: int) -> Tensor:
    """Positions of the global tokens, evenly spread."""
    return torch.tensor([i * tokens // count for i in range(count)], dtype=int)


def block_mask(length: int, block: int, near: int) -> Tensor:
    N = -(-length // block)
    behind = patterns.distances(N)
    layout = (behind >= 0) & ((behind < near) | (torch.arange(N) == 0))
    return patterns.block_mask(layout, block, length)


def masks(name: str, sizes: dict, length: int) -> Tensor:
    """The mechanisms' mask of a pattern."""
    W, n = sizes["window"], sizes["tokens"]
    if name == "full":
        return patterns.window_mask(length, length)
    if name == "window":
        return patterns.window_mask(length, W)
    if name == "dilated":
        return patterns.dilated_mask(length, W, sizes["dilation"])
    if name == "strided":
        return patterns.strided_mask(length, W, sizes["stride"])
    if name == "sinks":
        return patterns.sink_mask(length, W, sizes["sinks"])
    if name == "blocks":
        return block_mask(length, sizes["block"], sizes["near"])
    return patterns.global_mask(length, W, spread(n, sizes["global_tokens"]))


def kept(mask: np.ndarray) -> list[int]:
    """Keys 0 … t that token t or a later one reads, for each t."""
    return [int(mask[t:, : t + 1].any(axis=0).sum()) for t in range(len(mask))]


def measures(mask: Tensor) -> dict:
    """What the mechanisms say of a mask."""
    n = len(mask)
    reached = [sparse.reach([mask] * layers) for layers in range(1, n + 1)]
    return {
        "mask": mask.tolist(),
        "read": patterns.keys_read(mask).tolist(),
        "kept": kept(mask.numpy()),
        "reached": [each.tolist() for each in reached],
        "of_last": sparse.reach_by_depth(mask, MOST),
        "needed": sparse.depth_needed(mask),
    }


def sizes_of(rng: np.random.Generator, tokens: int) -> dict:
    return {
        "tokens": tokens,
        "window": int(rng.integers(1, tokens + 1)),
        "dilation": int(rng.integers(1, 6)),
        "stride": int(rng.integers(1, tokens + 1)),
        "global_tokens": int(rng.integers(0, 5)),
        "block": int(rng.integers(1, 9)),
        "near": int(rng.integers(1, 5)),
        "sinks": int(rng.integers(0, 5)),
    }


def pattern_cases() -> Iterator[dict]:
    """Every pattern at small sizes, some not multiples of a block."""
    rng = np.random.default_rng(9)
    for tokens in (4, 7, 16, 20):
        root = patterns.root(tokens)
        drawn = [sizes_of(rng, tokens) for _ in range(2)]
        at_root = {**drawn[0], "window": root, "stride": root}
        one = {**drawn[0], **dict.fromkeys(("window", "near", "block"), 1)}
        for sizes in (*drawn, at_root, one):
            for name in NAMES:
                mask = masks(name, sizes, tokens)
                further = masks(name, sizes, 2 * tokens + BEYOND)
                yield {
                    "name": name,
                    "sizes": sizes,
                    **measures(mask),
                    "further": further.tolist(),
                    "kept_further": kept(further.numpy()),
                }


def painted_cases() -> Iterator[dict]:
    """Masks with cells changed; some rows read nothing at all."""
    rng = np.random.default_rng(10)
    for n in (4, 9, 16):
        for share in (0.1, 0.3):
            mask = torch.tensor(np.tril(rng.random((n, n)) < share))
            before = patterns.window_mask(n, 2)
            t, s = torch.nonzero(mask != before, as_tuple=True)
            cells = [
                [i, j, bool(mask[i, j])]
                for i, j in zip(t.tolist(), s.tolist(), strict=True)
            ]
            yield {
                "before": before.tolist(),
                "cells": cells,
                **measures(mask),
            }


if __name__ == "__main__":
    cases = {
        "patterns": list(pattern_cases()),
        "painted": list(painted_cases()),
        "spread": [
            [n, g, spread(n, g).tolist()] for n in (4, 16, 19) for g in (0, 3)
        ],
    }
    print(json.dumps(cases))
