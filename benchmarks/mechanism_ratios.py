"""The package's attention beside PyTorch's own: ratios, over n, in one run.

Both sides take turns on the same inputs, so that whatever else the machine
does falls on both. A ratio above 1 means that the package takes longer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from attnbook.mechanisms.multi_head import MultiHeadAttention
from attnbook.mechanisms.scaled_dot_product import scaled_dot_product_attention
from attnbook.mechanisms.transformer import Transformer
from benchmarks.measurement import Measurement, median_of, seconds_taken

LENGTHS = (32, 128, 512)
BATCH, HEADS, SIZE = 8, 4, 64  # the models of the book
SMALLEST = 0.05  # seconds of work in one timing, against the clock's grain


def ratios(
    ours: Callable[[], object], theirs: Callable[[], object], repeats: int
) -> list[float]:
    """How many times as long ours takes, timed by turns.

    Args:
        ours: a call of the package.
        theirs: the call it is compared with.
        repeats: of the pair.

    Raises:
        ValueError: if repeats is less than 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}; expected at least 1")
    seconds_taken(ours)  # the first call of each warms caches
    once = max(seconds_taken(theirs), 1e-6)
    calls = max(1, round(SMALLEST / once))

    def many(call):
        for _ in range(calls):
            call()

    return [
        seconds_taken(partial(many, ours))
        / seconds_taken(partial(many, theirs))
        for _ in range(repeats)
    ]


def _with_gradients(call: Callable[[], Tensor], inputs) -> Callable:
    """The same call, with a backward pass after it."""

    def both() -> None:
        for tensor in inputs:
            tensor.grad = None
        call().sum().backward()

    return both


def _by_the_formula(call: Callable) -> Callable:
    """A call of PyTorch's in which it computes by the formula, unfused."""

    def unfused():
        with sdpa_kernel(SDPBackend.MATH):
            return call()

    return unfused


def attention(n: int, repeats: int) -> list[Measurement]:
    """`scaled_dot_product_attention` against `F`'s, both its ways."""
    inputs = [
        torch.randn(BATCH, HEADS, n, SIZE // HEADS, requires_grad=True)
        for _ in range(3)
    ]

    def ours():
        return scaled_dot_product_attention(*inputs)[0]

    def theirs():
        return F.scaled_dot_product_attention(*inputs)

    unfused = _by_the_formula(theirs)
    found = []
    for rival, name in [(unfused, "by the formula"), (theirs, "fused")]:
        label = f"attention / F.scaled_dot_product_attention, {name}"
        with torch.no_grad():
            found.append(
                median_of(
                    label,
                    f"n = {n}, forward",
                    ratios(ours, rival, repeats),
                    "x",
                )
            )
        found.append(
            median_of(
                label,
                f"n = {n}, forward and backward",
                ratios(
                    _with_gradients(ours, inputs),
                    _with_gradients(rival, inputs),
                    repeats,
                ),
                "x",
            )
        )
    return found


def multi_head(n: int, repeats: int) -> list[Measurement]:
    """`MultiHeadAttention` against `nn.MultiheadAttention`."""
    rival = nn.MultiheadAttention(SIZE, HEADS, batch_first=True)
    mine = MultiHeadAttention.from_torch(rival)
    x = torch.randn(BATCH, n, SIZE, requires_grad=True)

    def ours():
        return mine(x, x, x)[0]

    def theirs(weights: bool):
        return rival(
            x, x, x, need_weights=weights, average_attn_weights=False
        )[0]

    found = []
    for weights in (True, False):
        how = "with weights" if weights else "without weights"
        found.append(
            median_of(
                f"multi-head / nn.MultiheadAttention, {how}",
                f"n = {n}, forward and backward",
                ratios(
                    _with_gradients(ours, [x]),
                    _with_gradients(partial(theirs, weights), [x]),
                    repeats,
                ),
                "x",
            )
        )
    return found


def training_step(n: int, repeats: int) -> list[Measurement]:
    """A training step of `Transformer` against one of `nn.Transformer`."""
    rival = nn.Transformer(
        SIZE,
        HEADS,
        num_encoder_layers=2,
        num_decoder_layers=2,
        dim_feedforward=4 * SIZE,
        dropout=0.0,
        batch_first=True,
        norm_first=True,
    )
    mine = Transformer.from_torch(rival)
    source, target = torch.randn(2, BATCH, n, SIZE).unbind(0)
    causal = nn.Transformer.generate_square_subsequent_mask(n)

    def step(model, call):
        optimiser = torch.optim.Adam(model.parameters())

        def one():
            optimiser.zero_grad()
            call().square().mean().backward()
            optimiser.step()

        return one

    ours = step(mine, lambda: mine(source, target)[0])
    theirs = step(rival, lambda: rival(source, target, tgt_mask=causal))
    return [
        median_of(
            f"Transformer / nn.Transformer, {name}",
            f"n = {n}, a training step",
            ratios(ours, other, repeats),
            "x",
        )
        for name, other in [
            ("by the formula", _by_the_formula(theirs)),
            ("fused", theirs),
        ]
    ]


def measure(repeats: int) -> list[Measurement]:
    """All ratios, over `LENGTHS`, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    try:
        found = [
            one
            for work in (attention, multi_head, training_step)
            for n in LENGTHS
            for one in work(n, repeats)
        ]
    finally:
        torch.set_num_threads(threads)
    return sorted(found, key=lambda one: one.what)
