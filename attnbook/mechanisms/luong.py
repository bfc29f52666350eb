"""Luong's encoder–decoder: attention after the recurrent step.

Luong, Pham and Manning (2015), section 3, with the encoder of chapter 01.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from attnbook.mechanisms.masked_softmax import masked_softmax
from attnbook.mechanisms.multiplicative import (
    ConcatScore,
    DotScore,
    GeneralScore,
    LocationScore,
    PredictedCentre,
    gaussian_window,
    monotonic_window,
)
from attnbook.mechanisms.recurrent import Encoder, Memory, StepwiseDecoder

SCORES = ("dot", "general", "concat", "location")
WINDOWS = ("global", "local-m", "local-p")


class State(NamedTuple):
    """What the decoder carries from one step to the next."""

    hidden: Tensor  # (B, D): of the recurrent network
    attentional: Tensor  # (B, D): h~ of the step before, zero at first
    step: int  # how many steps have been taken


class LuongTranslator(StepwiseDecoder):
    """Encoder–decoder whose state asks after its step, not before.

    Luong et al. (2015), section 3. The recurrent network runs on the tokens
    alone, so that without input feeding training runs it over all T at once
    and attends once. The encoder has half the size in each direction, unless
    told otherwise: its states are D wide, as a dot product needs.

    Args:
        source_vocabulary: number of source tokens.
        target_vocabulary: number of target tokens.
        size: D, of states; even.
        score: "dot", "general", "concat" or "location" (section 3.1).
        window: "global", "local-m" or "local-p" (section 3.2).
        half_width: D of the local windows, in source tokens to either side.
        input_feeding: whether h~ enters the next step (section 3.3).
        max_length: the longest source, for the location score.
        slope: source tokens that the window of local-m moves per step.
        encoder_size: of the encoder in each direction; None is half of D.

    Raises:
        ValueError: for an unknown score or window, or an odd size.
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        size: int = 64,
        score: str = "general",
        window: str = "global",
        half_width: float = 3,
        input_feeding: bool = False,
        max_length: int = 64,
        slope: float = 1,
        encoder_size: int | None = None,
    ):
        super().__init__()
        _check_options(score, window, size)
        self.window = window
        self.half_width = half_width
        self.input_feeding = input_feeding
        self.slope = slope
        encoder_size = encoder_size or size // 2
        wide = 2 * encoder_size  # of the encoder's states
        self.encoder = Encoder(source_vocabulary, encoder_size)
        self.embedding = nn.Embedding(target_vocabulary, size)
        self.start = nn.Linear(wide, size)
        self.gru = nn.GRU(
            2 * size if input_feeding else size, size, batch_first=True
        )
        self.score = {
            "dot": lambda: DotScore(),
            "general": lambda: GeneralScore(size, wide),
            "concat": lambda: ConcatScore(size, wide, size),
            "location": lambda: LocationScore(size, max_length),
        }[score]()
        if window == "local-p":
            self.centre = PredictedCentre(size)
        self.combine = nn.Linear(wide + size, size, bias=False)
        self.readout = nn.Linear(size, target_vocabulary, bias=False)

    def start_from(
        self, source: Tensor, source_mask: Tensor
    ) -> tuple[Memory, State]:
        """Encode the source, and project its states, once."""
        memory = self.encoder(source, source_mask)
        memory = memory._replace(projected=self.score.project(memory.states))
        hidden = torch.tanh(self.start(memory.final))  # (B, D)
        return memory, State(hidden, torch.zeros_like(hidden), 0)

    def attend(
        self, query: Tensor, memory: Memory, first: int = 0
    ) -> tuple[Tensor, Tensor]:
        """The context and the weights for states, which ask.

        Args:
            query: (B, T, D).
            memory: from `start_from`.
            first: the step of the first query, for local-m.

        Returns:
            context (B, T, D), as wide as the encoder's states, and weights
            (B, T, S). With local-p a row of
            weights sums to less than 1 (equation 10).
        """
        scores = self.score(query, memory.states, memory.projected)
        T, S = scores.shape[1:]
        mask = memory.mask[:, None]  # (B, 1, S)
        if self.window == "local-m":
            mask = mask & monotonic_window(
                T, S, self.half_width, first, scores.device, self.slope
            )  # (B, T, S)
        if self.window == "local-p":
            centre = self.centre(query, memory.mask.sum(1))  # (B, T)
            inside, factor = gaussian_window(centre, S, self.half_width)
            weights = masked_softmax(scores, mask & inside) * factor
        else:
            weights = masked_softmax(scores, mask)
        return weights @ memory.states, weights

    def read_out(
        self, hidden: Tensor, context: Tensor
    ) -> tuple[Tensor, Tensor]:
        """h~ = tanh(W_c [c; h]), (B, T, D), and its logits, (B, T, V)."""
        both = torch.cat([context, hidden], dim=-1)  # (B, T, 2D) or wider
        attentional = torch.tanh(self.combine(both))  # (B, T, D)
        return attentional, self.readout(attentional)

    def forward(
        self, source: Tensor, source_mask: Tensor, target_in: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Predict each next token, given the true ones before it.

        Without input feeding all steps at once, otherwise one by one.

        Args:
            source: (B, S) token ids.
            source_mask: (B, S), True where there is a token.
            target_in: (B, T) token ids, beginning with BOS.

        Returns:
            logits (B, T, V) and weights (B, T, S).
        """
        if self.input_feeding:
            return super().forward(source, source_mask, target_in)
        memory, state = self.start_from(source, source_mask)
        hidden, _ = self.gru(
            self.embedding(target_in), state.hidden[None]
        )  # (B, T, D)
        context, weights = self.attend(hidden, memory)
        _, logits = self.read_out(hidden, context)
        return logits, weights

    def step(
        self, token: Tensor, state: State, memory: Memory
    ) -> tuple[Tensor, State, Tensor]:
        """One decoding step from the last token, (B,), and the state.

        Returns:
            logits (B, V), the new state, weights (B, S).
        """
        entered = self.embedding(token)[:, None]  # (B, 1, D)
        if self.input_feeding:
            fed = state.attentional[:, None]
            entered = torch.cat([entered, fed], dim=-1)  # (B, 1, 2D)
        hidden, _ = self.gru(entered, state.hidden[None])  # (B, 1, D)
        context, weights = self.attend(hidden, memory, state.step)
        attentional, logits = self.read_out(hidden, context)
        state = State(hidden[:, 0], attentional[:, 0], state.step + 1)
        return logits[:, 0], state, weights[:, 0]


def _check_options(score: str, window: str, size: int) -> None:
    for name, value, choices in (
        ("score", score, SCORES),
        ("window", window, WINDOWS),
    ):
        if value not in choices:
            raise ValueError(
                f"{name} is {value!r}; expected one of {', '.join(choices)}"
            )
    if size % 2:
        raise ValueError(
            f"size is {size}; expected an even number, half of it for "
            "each direction of the encoder"
        )
