"""Whether what comes later can change what was attended to before."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_FIRST_CHANGED = 3


def change_nothing_before(answer: Callable, inputs: Sequence[Tensor]) -> bool:
    """Say whether later queries change later weights, and no earlier ones.

    Parameters
    ----------
    answer
        ``answer(query, …)`` returns outputs and weights (B, T, S).
    inputs
        Its arguments; the first are queries (B, T, d_q), with T above 3.
    """
    query, *others = inputs
    _, before = answer(query, *others)
    changed = query.clone()
    changed[:, _FIRST_CHANGED:] += 1.0
    _, after = answer(changed, *others)
    same, other = (
        torch.allclose(before[:, steps], after[:, steps], atol=tolerance)
        for steps, tolerance in (
            (slice(_FIRST_CHANGED), 1e-6),
            (slice(_FIRST_CHANGED, None), 1e-3),
        )
    )
    return bool(same and not other)
