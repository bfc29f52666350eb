"""What tiles save and cost against the number of tokens n.

    python -m attnbook.experiments.flash_cost

measures attention of one head of 64 features without a mask, forward alone
and forward and backward: the most memory that PyTorch holds in the meantime,
beside what was there before, and milliseconds. *Dense* forms the table of
scores, *tiled* is this course's own (tiles of 128 × 128), *checkpointed* is
dense attention that is computed again in the backward pass, and *fused* is
PyTorch's. It writes `flash_cost.csv`: one row per form, pass, n and run. The
forms are timed in turn at each length; the clock is the processor's, in one
thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.sparse_cost import measured
from attnbook.mechanisms.flash_attention import tiled_attention
from attnbook.mechanisms.scaled_dot_product import (
    scaled_dot_product_attention,
)

TABLES = ("flash_cost",)
LENGTHS = (512, 1024, 2048, 4096, 8192)
FITTED_FROM = 1024
D = 64  # features of the head
TILE = (128, 128)
PASSES = ("forward", "forward and backward")

Form = Callable[[Tensor, Tensor, Tensor], Tensor]


def dense(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """With the whole table of scores."""
    return scaled_dot_product_attention(query, key, value)[0]


def checkpointed(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The same; the backward pass makes the table again."""
    return checkpoint(dense, query, key, value, use_reentrant=False)


def tiled(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """In tiles, forward and backward."""
    return tiled_attention(query, key, value, tile=TILE)[0]


FORMS: dict[str, Form] = {
    "dense": dense,
    "checkpointed": checkpointed,
    "tiled": tiled,
    "fused": F.scaled_dot_product_attention,
}


def run(
    lengths: Iterable[int] = LENGTHS,
    forms: Sequence[str] = tuple(FORMS),
    runs: Iterable[int] = SEEDS,
    budget: float = 0.5,
) -> list[dict]:
    """Measure each form and pass at each length, once in each run.

    Args:
        lengths: numbers of tokens n.
        forms: keys of `FORMS`.
        runs: each goes through everything once, with its own seed.
        budget: seconds of calls that a median is taken over, about; at
            least three calls.

    Returns:
        The rows of the table.
    """
    torch.set_num_threads(1)
    rows = []
    for number in runs:
        torch.manual_seed(number)
        for n in sorted(lengths):
            inputs = [torch.randn(1, 1, n, D) for _ in range(3)]
            for passes in PASSES:
                for name in forms:
                    call = _call(FORMS[name], inputs, passes)
                    rows.append(
                        {
                            "form": name,
                            "pass": passes,
                            "n": n,
                            "run": number,
                            **measured(call, budget),
                        }
                    )
                    print(rows[-1], flush=True)
    return rows


def _call(
    form: Form, inputs: list[Tensor], passes: str
) -> Callable[[], object]:
    """A forward pass without gradients, or forward and backward."""
    if passes == PASSES[0]:

        def forward() -> Tensor:
            with torch.no_grad():
                return form(*inputs)

        return forward
    leaves = [x.detach().requires_grad_() for x in inputs]
    return lambda: torch.autograd.grad(form(*leaves).sum(), leaves)


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        run,
        lengths=LENGTHS,
        forms=list(FORMS),
        runs=SEEDS,
    )
