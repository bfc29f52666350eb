"""What attention costs against the number of tokens n: time and memory.

    python -m attnbook.experiments.attention_cost

times a Transformer block part by part, forward and backward, and counts the
bytes that each part keeps for the backward pass. It writes
`attention_cost.csv`: one row per part, width, n and run. The parts are timed
in turn at each length, so that a busy machine slows all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.experiments.command import SEEDS, command
from attnbook.mechanisms.scaled_dot_product import (
    scaled_dot_product_attention,
)

TABLES = ("attention_cost",)
LENGTHS = (64, 128, 256, 384, 512, 768, 1024, 1536, 2048, 3072)
WIDTHS = (64, 256)
PARTS = ("projections", "feed-forward", "attention", "fused, causal")
FITTED_FROM = 512


def projections(d: int) -> Callable[[Tensor], Tensor]:
    """The four projections of self-attention: queries, keys, values, out."""
    layers = [nn.Linear(d, d, bias=False) for _ in range(4)]

    def call(x: Tensor) -> Tensor:
        query, key, value = (layer(x) for layer in layers[:3])  # (n, d) each
        return layers[3](query + key + value)  # (n, d)

    return call


def feed_forward(d: int) -> Callable[[Tensor], Tensor]:
    """The network of two layers in a block, four times as wide inside."""
    return nn.Sequential(
        nn.Linear(d, 4 * d, bias=False),
        nn.ReLU(),
        nn.Linear(4 * d, d, bias=False),
    )


def attention(x: Tensor) -> Tensor:
    """Self-attention of one head, (n, d) to (n, d), without projections."""
    output, _ = scaled_dot_product_attention(x, x, x)
    return output


def fused_causal(x: Tensor) -> Tensor:
    """The same with a causal mask, by PyTorch's fused function."""
    heads = x[None, None]  # (B, H, n, d)
    return F.scaled_dot_product_attention(heads, heads, heads, is_causal=True)


def saved_bytes(call: Callable[[], Tensor]) -> int:
    """Count the bytes of all that PyTorch keeps for the backward pass."""
    kept = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        result = call()  # alive until counted, so that no address comes twice
    del result
    return sum(kept.values())


def milliseconds(call: Callable[[], None], repeats: int) -> float:
    """The median time of a call on the processor, in ms.

    Processor time, on one thread: other programs do not count.
    """
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1e3 * median(times)


def exponent(lengths: Iterable[float], costs: Iterable[float]) -> float:
    """The slope of log cost against log n, by least squares."""
    slope, _ = np.polyfit(np.log(list(lengths)), np.log(list(costs)), 1)
    return float(slope)


def run(
    lengths: Iterable[int] = LENGTHS,
    widths: Iterable[int] = WIDTHS,
    runs: Iterable[int] = (0, 1, 2),
    budget: float = 0.1,
) -> list[dict]:
    """Measure each part at each width and length, once per run.

    Args:
        lengths: numbers of tokens n.
        widths: of the model, d.
        runs: each goes through everything once, with its own seed.
        budget: seconds of calls that a median is taken over, about; at
            least three calls.

    Returns:
        The rows of the table: milliseconds of a forward and a backward
        pass, and MiB kept between the two.
    """
    torch.set_num_threads(1)
    rows = []
    for seed in runs:
        torch.manual_seed(seed)
        for d in widths:
            calls = projections(d), feed_forward(d), attention, fused_causal
            parts = dict(zip(PARTS, calls, strict=True))
            for n in lengths:
                x = torch.randn(n, d, requires_grad=True)
                for name, part in parts.items():
                    rows.append(
                        {
                            "part": name,
                            "d": d,
                            "n": n,
                            "run": seed,
                            **_measured(part, x, budget),
                        }
                    )
                    print(rows[-1], flush=True)
    return rows


def _measured(
    part: Callable[[Tensor], Tensor], x: Tensor, budget: float
) -> dict[str, float]:
    """Time one forward and backward pass, and count what it keeps."""

    def both() -> None:
        part(x).sum().backward()

    first = milliseconds(both, 1)
    repeats = int(np.clip(1e3 * budget / max(first, 1e-3), 3, 50))
    return {
        "ms": round(milliseconds(both, repeats), 4),
        "MiB": round(saved_bytes(lambda: part(x)) / 2**20, 4),
    }


if __name__ == "__main__":
    command(__doc__, TABLES, run, runs=SEEDS)
