"""Random tokens that come twice: a text that only induction predicts.

The first time nobody can know the next token. The second time it is what
followed before. With one period for all sequences it is also what stands a
fixed number of places back, and no token has to be looked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


class Repeats:
    """Draws sequences whose first p tokens are repeated to the end.

    The tokens of a period are all different, so that a token occurs at one
    place in it only.

    Args:
        symbols: V; at least as many as the longest period.
        length: T, tokens that a model reads; a sequence has T + 1.
        periods: of which each sequence has one; with one entry, all have
            the same.

    Raises:
        ValueError: if there is no period, or one is below 2, or has more
            tokens than there are symbols, or leaves nothing to repeat.
    """

    def __init__(self, symbols: int, length: int, periods: Sequence[int]):
        self.symbols, self.length = symbols, length
        self.periods = np.array(periods, dtype=np.int64)
        if (
            not len(self.periods)
            or self.periods.min() < 2
            or self.periods.max() > min(symbols, length)
        ):
            raise ValueError(
                f"periods is {list(periods)}; expected periods from 2 to "
                f"{min(symbols, length)}, the number of symbols or the length"
            )

    def __repr__(self) -> str:
        return (
            f"Repeats({self.symbols} symbols, length {self.length}, periods "
            f"{self.periods.min()} to {self.periods.max()})"
        )

    def sample(self, count: int, rng: np.random.Generator) -> torch.Tensor:
        """Draw sequences, (count, T + 1) long.

        Args:
            count: B.
            rng: what draws.
        """
        order = rng.random((count, self.symbols)).argsort(1)
        period = rng.choice(self.periods, (count, 1))
        at = np.arange(self.length + 1) % period  # (B, T + 1)
        return torch.from_numpy(np.take_along_axis(order, at, 1))

    def known(self, ids: torch.Tensor) -> torch.Tensor:
        """Which next tokens induction can know: (B, T) boolean.

        Args:
            ids: (B, T + 1), drawn here.
        """
        now = ids[:, :-1]
        same = now[:, :, None] == now[:, None]  # (B, T, T)
        return same.tril(-1).any(-1)
