"""The cache of keys and values that a decoder-only model writes with."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Places(NamedTuple):
    """Where the new tokens of a batch stand, and what each may attend to.

    `positions` is (B, T), `mask` (B, T, S). `row` and `column` (N,) name the
    tokens that are real, among (B, T), and `position` (N,) theirs.
    """

    positions: Tensor
    mask: Tensor
    row: Tensor
    column: Tensor
    position: Tensor


class Cache:
    """Keys and values of the tokens that a model has read, row by row.

    `keys` and `values` are (L, B, H, longest, d), in the dtype of the model.
    What stands at position s of row b is that row's token number s; only the
    first `lengths[b]` positions count, and what lies behind them is never
    attended to. Each row has its own length.

    Args:
        model: a `DecoderOnly`, for its sizes; it is not kept.
        batch: B, the number of rows.

    Raises:
        ValueError: if batch is less than 1.
    """

    def __init__(self, model: nn.Module, batch: int):
        if batch < 1:
            raise ValueError(f"batch is {batch}; expected at least 1 row")
        like = model.token_embedding.weight
        layers, heads, *sizes = model.cache_sizes
        self.keys, self.values = (
            like.new_zeros(layers, batch, heads, model.longest, size)
            for size in sizes
        )
        self.lengths = torch.zeros(batch, dtype=torch.long, device=like.device)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.lengths)

    def bytes(self) -> int:
        """Bytes of keys and values, room for longer rows included."""
        return self.keys.nbytes + self.values.nbytes

    def rewind(self, lengths: Tensor | int) -> None:
        """Forget what stands behind the first `lengths` tokens of each row.

        Args:
            lengths: (B,), or one number for all rows.

        Raises:
            ValueError: if a row is not that long.
        """
        wanted = torch.as_tensor(lengths, device=self.lengths.device)
        wanted = wanted.expand_as(self.lengths).clone()
        if (wanted < 0).any() or (wanted > self.lengths).any():
            raise ValueError(
                f"lengths is {wanted.tolist()}; the rows hold "
                f"{self.lengths.tolist()} tokens, and no row can be rewound "
                "to more"
            )
        self.lengths = wanted

    def rows(self, index: Tensor | list[int]) -> Cache:
        """A copy that holds these rows, in this order.

        A row may come more than once: a fork, whose branches then grow
        apart. Beam search asks for both.

        Args:
            index: (N,), numbers of rows.

        Raises:
            IndexError: if there is no such row.
        """
        index = torch.as_tensor(index, device=self.lengths.device)
        made = copy.copy(self)
        made.keys, made.values = self.keys[:, index], self.values[:, index]
        made.lengths = self.lengths[index]
        return made

    def places(self, T: int, counts: Tensor | None = None) -> Places:
        """Where T new tokens of each row would stand.

        Args:
            T: new tokens of each row, padding on the right included.
            counts: (B,), how many of them are real; all if left out.

        Raises:
            ValueError: if a row would be longer than the cache has room for.
        """
        first = self.lengths[:, None]  # (B, 1)
        steps = torch.arange(T, device=first.device)
        positions = first + steps  # (B, T)
        if counts is None:
            counts = torch.full_like(self.lengths, T)
        ends = self.lengths + counts  # (B,)
        S, room = int(ends.max()), self.keys.shape[-2]
        if room < S:
            raise ValueError(
                f"a row would hold {S} tokens; the cache has room for "
                f"{room}, the model's `longest`"
            )
        slots = torch.arange(S, device=first.device)
        mask = slots <= positions[..., None]  # (B, T, S)
        row, column = (steps < counts[:, None]).nonzero(as_tuple=True)
        return Places(positions, mask, row, column, positions[row, column])

    def write(
        self, layer: int, places: Places, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Store what a layer makes of the new tokens.

        `lengths` stays as it is, until all layers have written.

        Args:
            layer: from 0.
            places: where the tokens stand.
            keys: (B, H, T, d).
            values: (B, H, T, d).

        Returns:
            All keys and values of the layer, (B, H, S, d) each.
        """
        row, column, position = places.row, places.column, places.position
        S = places.mask.shape[-1]
        kept = []
        for store, new in ((self.keys, keys), (self.values, values)):
            store[layer][row, :, position] = new[row, :, column]  # (N, H, d)
            kept.append(store[layer, :, :, :S])
        return kept[0], kept[1]
