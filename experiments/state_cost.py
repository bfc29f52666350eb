"""What layers with a state cost against the number of tokens n.

    python -m attnbook.experiments.state_cost

times forms of causal mixing, one head of 64 features, forward and backward,
and measures the most memory that PyTorch holds in the meantime, as
`sparse_cost` does. It writes `state_cost.csv`: one row per form, n and run.
The loops take a tensor apart by `unbind`: an index into it at each step
would make the backward pass write a whole tensor of zeros for each token,
and so be quadratic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.sparse_cost import D, Form, dense, fused, in_turn
from attnbook.mechanisms.states import (
    decayed_chunked,
    decayed_masked,
    decayed_recurrent,
    delta_chunked,
    delta_recurrent,
    scan_loop,
    scan_parallel,
    selective_scan,
)

TABLES = ("state_cost",)
LENGTHS = (256, 512, 1024, 2048)
FITTED_FROM = 512
CHUNK = 64
STATE = 4  # numbers of each channel's state in the selective scan


def numbers(x: Tensor) -> tuple[Tensor, Tensor]:
    """Strengths and log decays (..., n), made of the first two features."""
    return x[..., 0].sigmoid(), -F.softplus(x[..., 1])


def keys(x: Tensor) -> Tensor:
    """Keys of length 1."""
    return F.normalize(x, dim=-1)


def scanned(x: Tensor, scan) -> Tensor:
    """The selective scan, with all inputs made of x."""
    A = -torch.ones(D, STATE)
    few = x[..., :STATE]
    return selective_scan(x, F.softplus(x), A, few, few, scan)


FORMS: dict[str, Form] = {
    "attention, dense": dense,
    "attention, fused": fused,
    "decay, masked": lambda x: decayed_masked(x, keys(x), x, numbers(x)[1]),
    "decay, in chunks": lambda x: decayed_chunked(
        x, keys(x), x, CHUNK, numbers(x)[1]
    )[0],
    "decay, token by token": lambda x: decayed_recurrent(
        x, keys(x), x, numbers(x)[1]
    )[0],
    "gated delta, in chunks": lambda x: delta_chunked(
        x, keys(x), x, numbers(x)[0], CHUNK, numbers(x)[1]
    )[0],
    "gated delta, token by token": lambda x: delta_recurrent(
        x, keys(x), x, *numbers(x)
    )[0],
    "selective scan, loop": lambda x: scanned(x, scan_loop),
    "selective scan, parallel": lambda x: scanned(x, scan_parallel),
}


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
        budget: seconds of calls that a median is taken over, about.

    Returns:
        The rows of the table: milliseconds of a forward and a backward
        pass, and the most MiB held during them.
    """
    chosen = {name: FORMS[name] for name in forms}
    return in_turn(chosen, lengths, runs, budget)


if __name__ == "__main__":
    command(
        __doc__,
        TABLES,
        run,
        lengths=LENGTHS,
        forms=list(FORMS),
        runs=SEEDS,
    )
