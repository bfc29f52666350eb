"""Choosing an answer from a model of the next token: greedily, or by beam.

Both ask the model through a `step`: a function from prefixes of token ids,
(N, t), which begin with BOS, to logits of the next token, (N, V).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

BOS = 1
EOS = 2

Step = Callable[[Tensor], Tensor]


@torch.no_grad()
def greedy(
    step: Step,
    batch: int,
    length: int,
    device: torch.device | str = "cpu",
) -> tuple[Tensor, Tensor]:
    """Take the likeliest token at each step; after EOS only EOS follows.

    Args:
        step: from prefixes (B, t) to logits (B, V).
        batch: B.
        length: tokens to write.
        device: where `step` computes.

    Returns:
        tokens (B, length), and the log-probability (B,), in nats, of the
        tokens up to and including EOS.

    Raises:
        ValueError: if batch or length is less than 1.
    """
    tokens, log_probability = beam_search(step, batch, length, 1, device)
    return tokens[:, 0], log_probability[:, 0]


@torch.no_grad()
def beam_search(
    step: Step,
    batch: int,
    length: int,
    beam: int,
    device: torch.device | str = "cpu",
) -> tuple[Tensor, Tensor]:
    """Keep the `beam` likeliest prefixes at each step, not one.

    Sutskever et al. (2014), section 3.2. A prefix that has ended stays in
    the beam with its probability. Probabilities are those of the model, so
    that a longer answer competes with a shorter one as it is.

    Args:
        step: from prefixes (B K, t) to logits (B K, V); the K prefixes of
            one example stand in adjacent rows.
        batch: B.
        length: tokens to write.
        beam: K; with 1 it is `greedy`.
        device: where `step` computes.

    Returns:
        tokens (B, K, length), filled up with EOS, and their
        log-probabilities (B, K), in nats, the likeliest first.

    Raises:
        ValueError: if batch, length or beam is less than 1.
    """
    _check(batch=batch, length=length, beam=beam)
    prefix = torch.full((batch * beam, 1), BOS, device=device)  # (B K, 1)
    total = torch.zeros(batch, beam, device=device)  # (B, K)
    total[:, 1:] = -torch.inf  # all K begin alike: let only one count
    first_row = beam * torch.arange(batch, device=device)[:, None]  # (B, 1)
    for _ in range(length):
        ended = prefix[:, -1] == EOS  # (B K,)
        if ended.all():
            break
        log_p = step(prefix).log_softmax(-1)  # (B K, V)
        log_p = log_p.masked_fill(ended[:, None], -torch.inf)
        log_p[ended, EOS] = 0  # an ended prefix goes on at no cost
        vocabulary = log_p.shape[-1]
        candidates = total[:, :, None] + log_p.view(batch, beam, vocabulary)
        total, best = candidates.flatten(1).topk(beam)  # (B, K)
        rows = (first_row + best // vocabulary).flatten()  # (B K,)
        token = (best % vocabulary).view(-1, 1)  # (B K, 1)
        prefix = torch.cat([prefix[rows], token], dim=1)  # (B K, t + 1)
    missing = length + 1 - prefix.shape[1]
    tokens = F.pad(prefix[:, 1:], (0, missing), value=EOS)
    return tokens.view(batch, beam, length), total


def _check(**counts: int) -> None:
    """Raise a ValueError that names the first count below 1."""
    for name, value in counts.items():
        if value < 1:
            raise ValueError(
                f"{name} is {value}; expected at least 1"
                + (" token to generate" if name == "length" else "")
            )
