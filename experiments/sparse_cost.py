"""What sparse attention costs against the number of tokens n.

    python -m attnbook.experiments.sparse_cost

times forms of causal self-attention, one head of 64 features, forward and
backward, and measures the most memory that PyTorch holds in the meantime,
beside what was there before. It writes `sparse_cost.csv`: one row per form,
n and run. The forms are timed in turn at each length, so that a busy machine
slows all of them; the clock is the processor's, in one thread. Memory is
what PyTorch's allocator reports to its profiler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from attnbook.experiments.attention_cost import milliseconds
from attnbook.experiments.command import SEEDS, command
from attnbook.mechanisms.long_context import (
    Indexer,
    block_sparse_attention,
    dilated_attention,
    global_attention,
    linear_attention_chunked,
    root,
    selected_attention,
    strided_attention,
    top_keys,
    window_mask,
    windowed_attention,
)
from attnbook.mechanisms.scaled_dot_product import (
    scaled_dot_product_attention,
)

TABLES = ("sparse_cost",)
LENGTHS = (256, 512, 1024, 2048, 4096)
FITTED_FROM = 1024
D = 64  # features of the head
WINDOW = 64  # keys
SMALL = 8  # features of the indexer's queries and keys

Form = Callable[[Tensor], Tensor]


def dense(x: Tensor) -> Tensor:
    """Causal attention with the whole table of scores."""
    return scaled_dot_product_attention(x, x, x, causal=True)[0]


def masked(x: Tensor) -> Tensor:
    """The same under a window's mask: all scores are computed."""
    mask = window_mask(x.shape[-2], WINDOW)
    return scaled_dot_product_attention(x, x, x, mask)[0]


def fused(x: Tensor) -> Tensor:
    """PyTorch's own causal attention, whose scores are never stored."""
    return F.scaled_dot_product_attention(x, x, x, is_causal=True)


def strided(x: Tensor) -> Tensor:
    """A window and a stride, both of √n."""
    step = root(x.shape[-2])
    return strided_attention(x, x, x, step, step)


def blocks(x: Tensor) -> Tensor:
    """Each block reads itself, the one before it and the first."""
    N = -(-x.shape[-2] // WINDOW)
    layout = torch.eye(N, dtype=torch.bool)
    layout |= layout.roll(-1, 1).tril()
    layout[:, 0] = True
    return block_sparse_attention(x, x, x, layout, WINDOW)


def linear(x: Tensor) -> Tensor:
    """Linear attention, in chunks as long as the windows."""
    return linear_attention_chunked(x, x, x, WINDOW)[0]


def chosen_keys(x: Tensor) -> Tensor:
    """An indexer looks at all keys, and attention at as many as a window."""
    scores = _INDEXER(x[0].detach())  # (1, n, n)
    return selected_attention(x, x, x, *top_keys(scores[:, None], WINDOW))


torch.manual_seed(0)
_INDEXER = Indexer(D, 1, SMALL).requires_grad_(False)

FORMS: dict[str, Form] = {
    "dense": dense,
    "dense, window as a mask": masked,
    "fused": fused,
    "window": lambda x: windowed_attention(x, x, x, WINDOW),
    "window with sinks": lambda x: windowed_attention(x, x, x, WINDOW, 4),
    "dilated": lambda x: dilated_attention(x, x, x, WINDOW, 4),
    "window with global tokens": lambda x: global_attention(
        x, x, x, WINDOW, torch.arange(0, x.shape[-2], x.shape[-2] // 4)
    ),
    "strided": strided,
    "blocks": blocks,
    "linear": linear,
    "indexer and chosen keys": chosen_keys,
}


def peak_bytes(call: Callable[[], object]) -> int:
    """The most bytes that PyTorch holds at once during a call.

    What was held before does not count.
    """
    with profile(
        activities=[ProfilerActivity.CPU], profile_memory=True
    ) as profiler:
        call()
    changes = sorted(
        (event.start_ns(), event.nbytes())
        for event in profiler.profiler.kineto_results.events()
        if event.name() == "[memory]"
    )
    held = np.cumsum([0, *(size for _, size in changes)])
    return int(held.max())


def run(
    lengths: Iterable[int] = LENGTHS,
    forms: Sequence[str] = tuple(FORMS),
    runs: Iterable[int] = SEEDS,
    budget: float = 0.3,
) -> list[dict]:
    """Measure each form at each length, once in each run.

    Args:
        lengths: numbers of tokens n.
        forms: keys of `FORMS`.
        runs: each goes through everything once, with its own seed.
        budget: seconds of calls that a median is taken over, about; at
            least three calls.

    Returns:
        The rows of the table: milliseconds of a forward and a backward
        pass, and the most MiB held during them.
    """
    chosen = {name: FORMS[name] for name in forms}
    return in_turn(chosen, lengths, runs, budget)


def in_turn(
    forms: Mapping[str, Form],
    lengths: Iterable[int],
    runs: Iterable[int],
    budget: float,
) -> list[dict]:
    """Measure forward and backward passes of all forms, one after another.

    Args:
        forms: by name; each is called with (1, 1, n, D).
        lengths: numbers of tokens n.
        runs: each goes through everything once, with its own seed.
        budget: as in `measured`.
    """
    torch.set_num_threads(1)
    rows = []
    for number in runs:
        torch.manual_seed(number)
        for n in sorted(lengths):
            x = torch.randn(1, 1, n, D, requires_grad=True)
            for name, form in forms.items():
                found = measured(_both(form, x), budget)
                rows.append({"form": name, "n": n, "run": number, **found})
                print(rows[-1], flush=True)
    return rows


def measured(call: Callable[[], object], budget: float) -> dict[str, float]:
    """Milliseconds of a call, the median of several, and the MiB it holds.

    Args:
        call: timed and watched.
        budget: seconds that its repetitions may take, about; there are at
            least three.
    """
    first = milliseconds(call, 1)
    repeats = int(np.clip(1e3 * budget / max(first, 1e-3), 3, 30))
    return {
        "ms": round(milliseconds(call, repeats), 3),
        "MiB": round(peak_bytes(call) / 2**20, 4),
    }


def _both(form: Form, x: Tensor) -> Callable[[], object]:
    """A forward and a backward pass."""
    return lambda: torch.autograd.grad(form(x).sum(), x)


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        run,
        lengths=LENGTHS,
        forms=list(FORMS),
        runs=SEEDS,
    )
