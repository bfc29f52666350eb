"""Bigram-Backcopy: a text in which a head has something to do now and then.

Guo et al. (2024), section 2. A sequence begins with a token that never comes
again. After most tokens the next one is drawn from a table of bigrams, for
which nobody has to attend to anything. After a *trigger* comes the token
that stood before the trigger once more.
"""

from __future__ import annotations

import numpy as np
import torch


class Backcopy:
    """Draws sequences of Bigram-Backcopy.

    Token 0 is the beginning, 1 to `triggers` are the triggers, and the
    others are plain. The table is drawn from its own seed, and stays.

    Args:
        plain: tokens that are neither the beginning nor a trigger.
        triggers: tokens that ask for a copy.
        length: T, tokens that a model reads; a sequence has T + 1.
        chance: that a trigger follows a plain token.
        concentration: of the Dirichlet distribution that each row of the
            table is drawn from; small makes few tokens likely.
        table_seed: of the table.

    Raises:
        ValueError: for fewer than two plain tokens, no trigger, a length
            below 3, or a chance that is not between 0 and 1.
    """

    def __init__(
        self,
        plain: int = 28,
        triggers: int = 3,
        length: int = 32,
        chance: float = 0.2,
        concentration: float = 0.1,
        table_seed: int = 0,
    ):
        if plain < 2 or triggers < 1 or length < 3 or not 0 < chance < 1:
            raise ValueError(
                f"plain is {plain}, triggers {triggers}, length {length} and "
                f"chance {chance}; expected at least 2, 1 and 3, and a "
                "chance between 0 and 1"
            )
        self.plain, self.triggers, self.length = plain, triggers, length
        rng = np.random.default_rng(table_seed)
        to_trigger = chance * rng.dirichlet(np.ones(triggers), plain)
        to_plain = (1 - chance) * rng.dirichlet(
            np.full(plain, concentration), plain
        )
        self.table = np.zeros((self.size, self.size))  # next after each
        first = 1 + triggers
        self.table[0, first:] = 1 / plain
        self.table[first:, 1:first] = to_trigger
        self.table[first:, first:] = to_plain

    def __repr__(self) -> str:
        return (
            f"Backcopy({self.plain} plain tokens, {self.triggers} triggers, "
            f"length {self.length})"
        )

    @property
    def size(self) -> int:
        """V, the number of tokens."""
        return 1 + self.triggers + self.plain

    def sample(self, count: int, rng: np.random.Generator) -> torch.Tensor:
        """Draw sequences, (count, T + 1) long.

        Args:
            count: B.
            rng: what draws.
        """
        ids = np.zeros((count, self.length + 1), np.int64)
        below = self.table.cumsum(1)
        for t in range(1, self.length + 1):
            last = ids[:, t - 1]
            drawn = (rng.random((count, 1)) > below[last]).sum(1)
            drawn = np.minimum(drawn, self.size - 1)
            copied = ids[:, t - 2] if t > 1 else drawn
            ids[:, t] = np.where(self.asks(last), copied, drawn)
        return torch.from_numpy(ids)

    def asks(self, ids):
        """Where a trigger stands: boolean, of the same shape."""
        return (ids > 0) & (ids <= self.triggers)

    def floor(self, ids: torch.Tensor) -> torch.Tensor:
        """-log P of each next token by who knows the rules: nats.

        Args:
            ids: (B, T + 1).

        Returns:
            (B, T), 0 behind a trigger.
        """
        now, then = ids[:, :-1], ids[:, 1:]
        chance = torch.from_numpy(self.table)[now, then]  # (B, T)
        chance = torch.where(self.asks(now), 1.0, chance)
        return -chance.log()
