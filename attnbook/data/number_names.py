"""The names of the numbers below 10,000 as rows of words, all of one length.

A row that somebody fills in or makes up either is the name of a number or it
is not, and a look-up says which.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from attnbook.data.languages import LANGUAGES
from attnbook.data.spelling import LARGEST, spell
from attnbook.data.splits import held_out

PARTS = ("train", "validation", "held-out")
NOTHING, MASK = "·", "[MASK]"


class NumberNames:
    """Each number from 0 to 9,999 as a row of T tokens.

    A token is a word of the number's name: "vier", "hundert". Where a name
    has fewer than T words, the rest of its row is `NOTHING`, a token like the
    others. The last token is `MASK`, which no name has.

    Args:
        language: a code of `LANGUAGES`.

    Attributes:
        tokens: all of them by number, V strings.
        mask_id: V - 1.
        rows: (10000, T), the names in the order of the numbers.

    Raises:
        ValueError: if there is no such language.
    """

    def __init__(self, language: str = "de"):
        names = [spell(n, language).morphemes for n in range(LARGEST + 1)]
        words = sorted({word for name in names for word in name})
        self.language = language
        self.tokens = (NOTHING, *words, MASK)
        self.mask_id = len(self.tokens) - 1
        self.length = max(map(len, names))
        number = {token: at for at, token in enumerate(self.tokens)}
        self.rows = torch.zeros(len(names), self.length, dtype=torch.long)
        for row, name in zip(self.rows, names, strict=True):
            row[: len(name)] = torch.tensor([number[word] for word in name])
        self._number = {tuple(r): n for n, r in enumerate(self.rows.tolist())}
        self._part = self._parts()

    def __repr__(self) -> str:
        return (
            f"NumberNames({LANGUAGES[self.language]}, {len(self.rows)} rows "
            f"of {self.length} words, {len(self.tokens)} tokens)"
        )

    def part(self, name: str) -> Tensor:
        """The rows of "train", "validation" or "held-out", (N, T).

        A tenth is held out, as everywhere in the course; one in twenty of
        the others is for choices such as a rate.

        Raises:
            ValueError: if there is no such part.
        """
        if name not in PARTS:
            raise ValueError(
                f"part is {name!r}; expected one of {', '.join(PARTS)}"
            )
        return self.rows[self._part == PARTS.index(name)]

    def numbers(self, ids: Tensor) -> list[int | None]:
        """The number that each row (N, T) names, or None if it names none."""
        return [self._number.get(tuple(row)) for row in ids.tolist()]

    def valid(self, ids: Tensor) -> Tensor:
        """Which rows (N, T) are the name of a number: (N,), boolean."""
        return torch.tensor(
            [number is not None for number in self.numbers(ids)],
            dtype=torch.bool,
        )

    def trained_on(self, numbers: Sequence[int]) -> np.ndarray:
        """Which numbers are in the part "train": boolean, one for each."""
        return self._part[np.asarray(numbers, int)] == 0

    def text(self, row: Tensor) -> str:
        """A row (T,) as its tokens, blanks between them."""
        return " ".join(self.tokens[i] for i in row.tolist())

    def encode(self, text: str) -> Tensor:
        """A text of tokens with blanks between them as a row, (T,).

        What is missing at the end is `NOTHING`.

        Raises:
            ValueError: if a token is unknown, or there are too many.
        """
        words = text.split()
        unknown = [word for word in words if word not in self.tokens]
        if unknown or len(words) > self.length:
            raise ValueError(
                f"text is {text!r}; expected at most {self.length} tokens, "
                f"all of them in .tokens; unknown: {unknown or 'none'}"
            )
        words += [NOTHING] * (self.length - len(words))
        return torch.tensor([self.tokens.index(word) for word in words])

    @staticmethod
    def _parts() -> np.ndarray:
        numbers = [str(n) for n in range(LARGEST + 1)]
        width = len(numbers[-1])
        digits = np.array([list(n.ljust(width, "0")) for n in numbers], int)
        out = held_out(digits, np.array([len(n) for n in numbers]))
        chosen = np.random.default_rng(11).random(len(numbers)) < 0.05
        return np.where(out, 2, np.where(chosen, 1, 0))
