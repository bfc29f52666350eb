"""Softmax read in one pass, and pieces of it that are put together.

Milakov and Gimelshein (2018), section 3; the state of a row is its running
maximum, its sum of exponentials, and the sum of the values that these weigh.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Running:
    """What is known of each row after some of its keys.

    Attributes:
        most: (...,), the largest score so far; minus infinity at first.
        total: (...,), the sum of exp(score - most).
        mixed: (..., d_v), the sum of exp(score - most) times value.
    """

    most: Tensor
    total: Tensor
    mixed: Tensor

    @classmethod
    def before(cls, rows: Tensor, d_v: int) -> Running:
        """The state before the first key, of rows shaped as `rows`."""
        return cls(
            torch.full_like(rows, -torch.inf),
            torch.zeros_like(rows),
            rows.new_zeros(*rows.shape, d_v),
        )

    def read(self, scores: Tensor, value: Tensor) -> None:
        """Take in some more keys.

        Args:
            scores: (..., m); minus infinity for a key that is masked.
            value: (..., m, d_v).
        """
        most = torch.maximum(self.most, scores.amax(-1))
        # A row that has seen nothing keeps its -inf, and -inf - -inf is NaN.
        base = most.masked_fill(most == -torch.inf, 0)
        shrink = (self.most - base).exp()  # 0 at first
        powers = (scores - base[..., None]).exp()  # (..., m)
        self.total = shrink * self.total + powers.sum(-1)
        self.mixed = shrink[..., None] * self.mixed + powers @ value
        self.most = most

    def output(self) -> tuple[Tensor, Tensor]:
        """The output (..., d_v) and the log-sum-exp (...,) of each row.

        A row with nothing to attend to has the output 0, and minus infinity.
        """
        empty = self.total == 0
        total = self.total.masked_fill(empty, 1)
        lse = self.most + total.log()
        return self.mixed / total[..., None], lse


def merge(outputs: Iterable[Tensor], lses: Iterable[Tensor]) -> tuple:
    """Put the attention over several pieces of the keys together.

    Each output counts by its share of the whole sum of exponentials, which
    is a softmax of the log-sum-exps. So keys may be split over blocks of a
    kernel (Dao et al. 2023, "Flash-Decoding"), or over machines.

    Args:
        outputs: of each piece (..., d_v).
        lses: of each piece (...,); minus infinity for an empty one.

    Returns:
        The output (..., d_v) and the log-sum-exp (...,) over all keys.

    Raises:
        ValueError: if there is no piece, or not one number for each output.
    """
    outputs, lses = list(outputs), list(lses)
    if not outputs or len(outputs) != len(lses):
        raise ValueError(
            f"expected a log-sum-exp for each of the outputs; got "
            f"{len(outputs)} outputs and {len(lses)} log-sum-exps"
        )
    together = torch.stack(lses)  # (P, ...)
    most = together.amax(0)
    base = most.masked_fill(most == -torch.inf, 0)
    powers = (together - base).exp()
    total = powers.sum(0)
    empty = total == 0
    shares = powers / total.masked_fill(empty, 1)  # (P, ...)
    output = (shares[..., None] * torch.stack(outputs)).sum(0)
    # The logarithm of 0 is right, -inf, but its derivative is NaN.
    lse = base + total.masked_fill(empty, 1).log()
    return output, lse.masked_fill(empty, -torch.inf)
