"""Facts and questions about them, with the place of every true source.

A fact says that one symbol leads to another. A question names a symbol and
asks where it leads to, in one step or in two. Each symbol leads somewhere in
one fact only, so that every question has one answer, and to another symbol
than itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Questions(NamedTuple):
    """Facts in order, and questions after all of them.

    `keys` and `values` are (B, n): fact s says that keys[s] leads to
    values[s]. `asked`, `hops` (1 or 2) and `answers` are (B, Q). `sources` is
    (B, Q, 2), the places of the first and of the second fact that a question
    needs; of one hop both are the same.
    """

    keys: Tensor
    values: Tensor
    asked: Tensor
    hops: Tensor
    answers: Tensor
    sources: Tensor

    def to(self, device: torch.device | str) -> Questions:
        """The same on a device."""
        return Questions(*(each.to(device) for each in self))


class Facts:
    """Draws facts about all symbols, and questions of one and two hops.

    Args:
        symbols: n, and the number of facts: each symbol leads somewhere.
        questions: Q, asked of the same facts; every second has two hops.

    Raises:
        ValueError: for fewer than two symbols, or no question.
    """

    def __init__(self, symbols: int, questions: int):
        if symbols < 2 or questions < 1:
            raise ValueError(
                f"symbols is {symbols} and questions is {questions}; expected "
                "at least 2 and 1"
            )
        self.symbols, self.questions = symbols, questions

    def __repr__(self) -> str:
        return f"Facts({self.symbols} symbols, {self.questions} questions)"

    def sample(self, count: int, rng: np.random.Generator) -> Questions:
        """Draw `count` times n facts and Q questions.

        Args:
            count: B.
            rng: what chooses.
        """
        n, Q = self.symbols, self.questions
        keys = rng.random((count, n)).argsort(1)
        values = (keys + rng.integers(1, n, (count, n))) % n
        asked = rng.integers(n, size=(count, Q))
        hops = np.broadcast_to(1 + np.arange(Q) % 2, (count, Q))
        place = keys.argsort(1)  # of the fact about each symbol
        first = np.take_along_axis(place, asked, 1)
        then = np.take_along_axis(values, first, 1)  # after one step
        second = np.take_along_axis(place, then, 1)
        after = np.take_along_axis(values, second, 1)  # after two
        two = hops == 2
        return Questions(
            *map(
                torch.from_numpy,
                (
                    keys,
                    values,
                    asked,
                    hops.copy(),
                    np.where(two, after, then),
                    np.stack([first, np.where(two, second, first)], -1),
                ),
            )
        )
