"""The zoo, measured: what each variant costs against the number of tokens.

    python -m attnbook.experiments.zoo

runs every attention of the book on n tokens of the same width, forward and
backward, and writes `zoo.csv`: one row a variant, n and run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from attnbook.experiments.attention_cost import milliseconds, saved_bytes
from attnbook.experiments.command import SEEDS, command
from attnbook.mechanisms.additive import AdditiveAttention
from attnbook.mechanisms.masked_softmax import masked_softmax
from attnbook.mechanisms.multi_head import MultiHeadAttention
from attnbook.mechanisms.multiplicative import (
    DotScore,
    GeneralScore,
    LocationScore,
    gaussian_window,
    monotonic_window,
)
from attnbook.mechanisms.scaled_dot_product import (
    scaled_dot_product_attention,
)
from attnbook.mechanisms.sharing_heads import (
    GroupedQueryAttention,
    MultiHeadLatentAttention,
)

TABLES = ("zoo",)
WIDTH = 64
HEADS = 4
LATENT = 32  # numbers in a latent, as many as the keys and values of MQA
LENGTHS = (128, 256, 512, 1024)
QUERIES = 64  # of cross-attention, whatever the number of keys
HALF_WIDTH = 8


def by_score(score: nn.Module) -> Callable[[Tensor], Tensor]:
    """Self-attention with a score of Luong's, (1, n, d) to (1, n, d)."""

    def call(x: Tensor) -> Tensor:
        return masked_softmax(score(x, x)) @ x

    return call


def local_m(x: Tensor) -> Tensor:
    """Dot score within a window that moves with the query."""
    n = x.shape[1]
    window = monotonic_window(n, n, HALF_WIDTH)  # (n, n)
    return masked_softmax(DotScore()(x, x), window[None]) @ x


def local_p(x: Tensor) -> Tensor:
    """Dot score within a Gaussian window; centres on the diagonal."""
    n = x.shape[1]
    centre = torch.arange(float(n))[None]  # (1, n)
    inside, factor = gaussian_window(centre, n, HALF_WIDTH)  # (1, n, n)
    return masked_softmax(DotScore()(x, x), inside) * factor @ x


def scaled(x: Tensor) -> Tensor:
    """Scaled dot-product self-attention."""
    return scaled_dot_product_attention(x, x, x)[0]


def cross(x: Tensor) -> Tensor:
    """The same from a fixed number of queries to n keys."""
    return scaled_dot_product_attention(x[:, :QUERIES], x, x)[0]


def variants(n: int) -> dict[str, Callable[[Tensor], Tensor]]:
    """Each variant by name, for n tokens of width `WIDTH`."""
    additive = AdditiveAttention(WIDTH, WIDTH, WIDTH)
    heads = MultiHeadAttention(WIDTH, HEADS)
    grouped = GroupedQueryAttention(WIDTH, HEADS, 2)
    one_key = GroupedQueryAttention(WIDTH, HEADS, 1)
    latent = MultiHeadLatentAttention(WIDTH, HEADS, LATENT)
    return {
        "additive": lambda x: additive(x, x, x)[0],
        "dot": by_score(DotScore()),
        "general": by_score(GeneralScore(WIDTH, WIDTH)),
        "location": by_score(LocationScore(WIDTH, n)),
        "local-m": local_m,
        "local-p": local_p,
        "scaled dot-product": scaled,
        "multi-head": lambda x: heads(x, x, x)[0],
        "grouped-query": lambda x: grouped(x, x, x)[0],
        "multi-query": lambda x: one_key(x, x, x)[0],
        "latent": lambda x: latent(x, x)[0],
        "cross": cross,
    }


def run(
    lengths: Iterable[int] = LENGTHS,
    runs: Iterable[int] = (0, 1, 2),
    repeats: int = 7,
) -> list[dict]:
    """Measure each variant at each length, once a run.

    Args:
        lengths: numbers of tokens n.
        runs: each goes through everything once, with its own seed.
        repeats: that a median is taken over.

    Returns:
        The rows of the table: milliseconds on the processor of a forward
        and a backward pass, and MiB kept between the two.
    """
    torch.set_num_threads(1)
    # Scores without a scale leave weights below the smallest normal number.
    # With these, some processors are ten times slower.
    torch.set_flush_denormal(True)
    rows = []
    for seed in runs:
        torch.manual_seed(seed)
        for n in lengths:
            x = torch.randn(1, n, WIDTH, requires_grad=True)
            for name, call in variants(n).items():

                def both(call=call, x=x) -> None:
                    call(x).sum().backward()

                kept = saved_bytes(lambda call=call, x=x: call(x))
                rows.append(
                    {
                        "variant": name,
                        "n": n,
                        "run": seed,
                        "ms": round(milliseconds(both, repeats), 4),
                        "MiB": round(kept / 2**20, 4),
                    }
                )
                print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    command(__doc__, TABLES, run, runs=SEEDS)
