"""Windows of a long text: the batches that a language model is trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


class Windows:
    """A text of token ids, from which windows of one length are drawn.

    Each begins anywhere. A window has one token more than the model reads,
    so that every token that is read has a next one.

    Args:
        ids: the text, (N,).
        length: T, tokens that the model reads; a window has T + 1.

    Raises:
        ValueError: if the text is shorter than a window, or T below 1.
    """

    def __init__(self, ids: Sequence[int], length: int):
        if length < 1 or len(ids) <= length:
            raise ValueError(
                f"length is {length} and ids has {len(ids)} tokens; expected "
                "a length of at least 1, and more tokens than that"
            )
        self.ids = torch.as_tensor(np.asarray(ids), dtype=torch.long)
        self.length = length

    def __repr__(self) -> str:
        return f"Windows({len(self.ids)} tokens, length {self.length})"

    def sample(self, count: int, rng: np.random.Generator) -> torch.Tensor:
        """Draw windows, (count, T + 1); any beginning is as likely as others.

        Args:
            count: B.
            rng: what chooses the beginnings.
        """
        begins = rng.integers(len(self.ids) - self.length, size=count)
        return self.ids[
            torch.from_numpy(begins)[:, None] + torch.arange(self.length + 1)
        ]
