"""The learning rate of the paper."""

from __future__ import annotations

import math


def warmup_rate(step: int, d_model: int, warmup: int) -> float:
    """The learning rate of the paper: up in a line, down as 1/√step.

    Vaswani et al. (2017), section 5.3, equation 3.

    Args:
        step: from 1.
        d_model: D.
        warmup: steps of growth, 4000 in the paper.

    Raises:
        ValueError: if step or warmup is less than 1.
    """
    if step < 1 or warmup < 1:
        raise ValueError(
            f"step is {step} and warmup is {warmup}; expected at least 1 of "
            "each, the first step being 1"
        )
    return min(step**-0.5, step * warmup**-1.5) / math.sqrt(d_model)
