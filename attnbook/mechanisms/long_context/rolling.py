"""A cache that keeps a window of keys and values, and the first few."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attnbook.mechanisms.decoder_only.cache import Cache, Places
from attnbook.mechanisms.long_context.patterns import require_at_least_one
from attnbook.mechanisms.positions import rope_angles, rotate

NOTHING = -1  # the position of an empty slot


class RollingCache(Cache):
    """The last W - 1 tokens of each row, and the first `sinks`, and no more.

    A `DecoderOnly` that reads with it computes what it would compute without
    a cache under `sink_mask(T, window, sinks)`: a new token attends to the
    last W tokens, itself among them, and to the sinks. Jiang et al. (2023),
    section 2, call it a rolling buffer; Xiao et al. (2024), section 3.2,
    keep the first tokens.

    Token p of a row stands in slot p if it is a sink, and else in slot
    sinks + (p - sinks) mod (W - 1), where it replaces one that no later
    token may see. `positions` (B, slots) says which token a slot holds, and
    is -1 for an empty one. Prompts are attended to before they are cut: the
    first tokens of a long prompt have keys of their own.

    With `close` the sinks move along: a sink is never further from a query
    than it would be if nothing lay between it and the window, as Xiao et al.
    count positions in the cache and not in the text. That needs rotary
    positions, and tokens that are read one by one as soon as something has
    been dropped.

    Args:
        model: a `DecoderOnly`, for its sizes.
        batch: B, the number of rows.
        window: W, at least 2.
        sinks: how many first tokens are kept.
        close: whether the sinks move along.

    Raises:
        ValueError: if a size is too small, or `close` is asked of learned
            positions.
    """

    def __init__(
        self,
        model: nn.Module,
        batch: int,
        window: int,
        sinks: int = 0,
        close: bool = False,
    ):
        require_at_least_one(batch=batch)
        if window < 2 or sinks < 0:
            raise ValueError(
                f"window is {window} and sinks is {sinks}; expected a window "
                "of at least 2 keys and no negative number of sinks"
            )
        self.learned = model.design.positions == "learned"
        if close and self.learned:
            raise ValueError(
                "close: the model has learned positions; only keys that are "
                "rotated can move along"
            )
        like = model.token_embedding.weight
        self.window, self.sinks, self.close = window, sinks, close
        self.longest = model.longest
        slots, d = sinks + window - 1, model.d_model // model.num_heads
        shape = (len(model.blocks), batch, model.num_heads, slots, d)
        self.keys = torch.zeros(shape, dtype=like.dtype, device=like.device)
        self.values = torch.zeros_like(self.keys)
        self.lengths = torch.zeros(batch, dtype=torch.long, device=like.device)

    @property
    def positions(self) -> Tensor:
        """Which token each slot holds, (B, slots); -1 for none."""
        slot = torch.arange(self.keys.shape[-2], device=self.lengths.device)
        length = self.lengths[:, None]  # (B, 1)
        ring = self.window - 1
        # The latest token whose slot this is.
        back = (length - 1 - slot) % ring
        held = torch.where(slot < self.sinks, slot, length - 1 - back)
        earliest = torch.where(slot < self.sinks, 0, self.sinks)
        there = (held >= earliest) & (held < length)
        return held.masked_fill(~there, NOTHING)

    def rewind(self, lengths: Tensor | int) -> None:
        """Refused: what has rolled out of the cache cannot come back.

        Raises:
            ValueError: unless the rows stay as long as they are.
        """
        wanted = torch.as_tensor(lengths, device=self.lengths.device)
        if (wanted != self.lengths).any():
            raise ValueError(
                "a rolling cache cannot be rewound: tokens were dropped "
                "that a shorter row may attend to"
            )

    def rows(self, index: Tensor | list[int]) -> RollingCache:
        """A copy that holds these rows, in this order; as `Cache.rows`."""
        return super().rows(index)

    def places(self, T: int, counts: Tensor | None = None) -> Places:
        """Where T new tokens of each row stand, and what each may see.

        The mask is (B, T, slots + T): first what the cache holds, then the
        new tokens.

        Raises:
            ValueError: if positions are learned and a row becomes longer
                than the model's `longest`, or if `close` is set and several
                tokens come at once where one of them has lost some.
        """
        first = self.lengths[:, None]  # (B, 1)
        steps = torch.arange(T, device=first.device)
        new = first + steps  # (B, T)
        if counts is None:
            counts = torch.full_like(self.lengths, T)
        real = steps < counts[:, None]  # (B, T)
        self._check(T, counts)
        held = torch.cat([self.positions, new.masked_fill(~real, NOTHING)], 1)
        key, query = held[:, None], new[..., None]  # (B, 1, S), (B, T, 1)
        mask = (key != NOTHING) & (key <= query)
        mask &= (query - key < self.window) | (key < self.sinks)
        row, column = real.nonzero(as_tuple=True)
        return Places(new, mask, row, column, new[row, column])

    def write(
        self, layer: int, places: Places, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Store what a layer makes of the new tokens.

        Args:
            layer: from 0.
            places: where the tokens stand.
            keys: (B, H, T, d).
            values: (B, H, T, d).

        Returns:
            Keys and values before and now, (B, H, slots + T, d) each: also
            those that the new tokens replace.
        """
        old = self.keys[layer]
        if self.close:
            old = self._moved(old)
        found = (
            torch.cat([old, keys], dim=-2),
            torch.cat([self.values[layer], values], dim=-2),
        )
        row, column, position = places.row, places.column, places.position
        new = torch.bincount(row, minlength=len(self))  # (B,)
        ends = self.lengths + new
        # Of several tokens with one slot the last one counts.
        stays = (position < self.sinks) | (
            position >= ends[row] - (self.window - 1)
        )
        row, column, position = (x[stays] for x in (row, column, position))
        slot = torch.where(
            position < self.sinks,
            position,
            self.sinks + (position - self.sinks) % (self.window - 1),
        )
        for store, of_all in ((self.keys, keys), (self.values, values)):
            store[layer][row, :, slot] = of_all[row, :, column]  # (N, H, d)
        return found

    def _moved(self, keys: Tensor) -> Tensor:
        """Turn the sinks' keys on by what lies between them and the window."""
        shift = self._dropped(self.lengths)  # (B,)
        angles = rope_angles(shift[:, None], keys.shape[-1])  # (B, 1, d/2)
        sinks, others = keys.split(
            [self.sinks, keys.shape[-2] - self.sinks], dim=-2
        )
        turned = rotate(sinks, angles[:, None], interleaved=False)
        return torch.cat([turned, others], dim=-2)

    def _dropped(self, position: Tensor) -> Tensor:
        """How many tokens a query at this position has lost."""
        return (position + 1 - self.window - self.sinks).clamp(min=0)

    def _check(self, T: int, counts: Tensor) -> None:
        """Raise a ValueError if these tokens cannot be read."""
        ends = self.lengths + counts
        longest = int(ends.max())
        if self.learned and longest > self.longest:
            raise ValueError(
                f"a row would hold {longest} tokens; the model has learned "
                f"positions for {self.longest}, its `longest`"
            )
        if self.close and T > 1 and (self._dropped(ends - 1) > 0).any():
            raise ValueError(
                f"T is {T}; with `close` and tokens dropped, they are read "
                "one by one"
            )
