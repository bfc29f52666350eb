"""Recurrent encoder–decoders: one fixed vector, or attention at each step.

The two models differ in one method, `look`: where the context comes from.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attnbook.mechanisms.additive import AdditiveAttention
from attnbook.mechanisms.decoding import BOS, EOS
from attnbook.mechanisms.shapes import require_mask_of


class Memory(NamedTuple):
    """What the encoder hands to the decoder."""

    states: Tensor  # (B, S, 2D): one annotation for each source token
    final: Tensor  # (B, 2D): the last state of both directions
    mask: Tensor  # (B, S): True where there is a token
    projected: Tensor | None = None  # (B, S, d_a): keys, projected once


class Encoder(nn.Module):
    """Bidirectional GRU encoder: Bahdanau et al. (2015), section 3.2."""

    def __init__(self, vocabulary: int, size: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size)
        self.gru = nn.GRU(size, size, batch_first=True, bidirectional=True)

    def forward(self, source: Tensor, mask: Tensor) -> Memory:
        """Read the source, (B, S) token ids, into a `Memory`.

        Args:
            source: (B, S) token ids.
            mask: (B, S), True where there is a token.

        Raises:
            ValueError: if the mask has another shape than the source.
        """
        require_mask_of(source, mask)
        packed = pack_padded_sequence(
            self.embedding(source),  # (B, S, D)
            mask.sum(1).cpu(),
            batch_first=True,
            enforce_sorted=False,
        )
        states, final = self.gru(packed)
        states, _ = pad_packed_sequence(
            states, batch_first=True, total_length=source.shape[1]
        )  # (B, S, 2D)
        final = torch.cat([final[0], final[1]], dim=-1)  # (B, 2D)
        return Memory(states, final, mask)


class StepwiseDecoder(nn.Module):
    """Runs a translator's `step` along the output, one token at a time.

    A subclass offers `start_from(source, source_mask)`, which returns a
    `Memory` and the first state (B, D), and `step(token, state, memory)`,
    which returns logits (B, V), the next state, and weights (B, S) or None.
    """

    def forward(
        self, source: Tensor, source_mask: Tensor, target_in: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Predict each next token, given the true ones before it.

        Args:
            source: (B, S) token ids.
            source_mask: (B, S), True where there is a token.
            target_in: (B, T) token ids, beginning with BOS.

        Returns:
            logits (B, T, V) and weights (B, T, S), or None without attention.
        """
        memory, state = self.start_from(source, source_mask)
        steps = []
        for token in target_in.unbind(1):
            logits, state, weights = self.step(token, state, memory)
            steps.append((logits, weights))
        return stack(steps)

    @torch.no_grad()
    def generate(
        self, source: Tensor, source_mask: Tensor, length: int
    ) -> tuple[Tensor, Tensor | None]:
        """Decode greedily, `length` tokens; after EOS only EOS follows.

        Returns:
            tokens (B, length) and weights (B, length, S), or None.

        Raises:
            ValueError: if length is less than 1.
        """
        if length < 1:
            raise ValueError(
                f"length is {length}; expected at least 1 token to generate"
            )
        memory, state = self.start_from(source, source_mask)
        token = source.new_full((len(source),), BOS)  # (B,)
        done = torch.zeros_like(token, dtype=torch.bool)
        steps = []
        for _ in range(length):
            logits, state, weights = self.step(token, state, memory)
            token = logits.argmax(-1).masked_fill(done, EOS)  # (B,)
            done = done | (token == EOS)
            steps.append((token, weights))
        return stack(steps)


class FixedVectorTranslator(StepwiseDecoder):
    """Encoder–decoder that squeezes the source into one vector.

    Cho et al. (2014), section 2.2, with a bidirectional encoder, so that it
    differs from `AdditiveTranslator` in nothing but the context.

    Args:
        source_vocabulary: number of source tokens.
        target_vocabulary: number of target tokens.
        size: D, of embeddings and states.
    """

    def __init__(
        self, source_vocabulary: int, target_vocabulary: int, size: int = 64
    ):
        super().__init__()
        self.encoder = Encoder(source_vocabulary, size)
        self.embedding = nn.Embedding(target_vocabulary, size)
        self.start = nn.Linear(2 * size, size)
        self.cell = nn.GRUCell(size + 2 * size, size)
        self.readout = nn.Linear(size + 2 * size, target_vocabulary)

    def start_from(
        self, source: Tensor, source_mask: Tensor
    ) -> tuple[Memory, Tensor]:
        """Encode the source once; the first state comes from its end."""
        memory = self.encoder(source, source_mask)
        return memory, torch.tanh(self.start(memory.final))  # (B, D)

    def look(
        self, state: Tensor, memory: Memory
    ) -> tuple[Tensor, Tensor | None]:
        """The context for one step, (B, 2D): here the same at every step."""
        return memory.final, None

    def step(
        self, token: Tensor, state: Tensor, memory: Memory
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """One decoding step from the last token, (B,), and state, (B, D).

        Returns:
            logits (B, V), the new state (B, D), weights (B, S) or None.
        """
        context, weights = self.look(state, memory)
        entered = torch.cat([self.embedding(token), context], dim=-1)
        state = self.cell(entered, state)  # (B, D)
        logits = self.readout(torch.cat([state, context], dim=-1))  # (B, V)
        return logits, state, weights


class AdditiveTranslator(FixedVectorTranslator):
    """The same, with additive attention over the source at each step.

    Bahdanau et al. (2015), section 3: the state before the step is the
    query, the encoder's states are keys and values.
    """

    def __init__(
        self, source_vocabulary: int, target_vocabulary: int, size: int = 64
    ):
        super().__init__(source_vocabulary, target_vocabulary, size)
        self.attention = AdditiveAttention(size, 2 * size, size)

    def start_from(
        self, source: Tensor, source_mask: Tensor
    ) -> tuple[Memory, Tensor]:
        """Encode the source, and project its states, once."""
        memory, state = super().start_from(source, source_mask)
        projected = self.attention.project(memory.states)  # (B, S, d_a)
        return memory._replace(projected=projected), state

    def look(self, state: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """The context for one step, (B, 2D), chosen by the state."""
        return self.attention(
            state,
            memory.states,
            memory.states,
            memory.mask,
            memory.projected,
        )


def stack(steps) -> tuple[Tensor, Tensor | None]:
    """Turn a list of T pairs into two tensors with T as dimension 1."""
    first, weights = zip(*steps, strict=True)
    stacked = torch.stack(first, dim=1)  # (B, T, ...)
    if weights[0] is None:
        return stacked, None
    return stacked, torch.stack(weights, dim=1)  # (B, T, S)
