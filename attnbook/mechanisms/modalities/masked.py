"""Masked language modelling, and the generator that is hidden in it.

Devlin et al. (2019), section 3.1, for the masked tokens; Austin et al. (2021)
and Sahoo et al. (2024) for masking as diffusion.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.mechanisms.shapes import require
from attnbook.mechanisms.transformer import EncoderLayer


def masked_tokens(
    ids: Tensor,
    may: Tensor,
    mask_id: int,
    vocabulary_size: int,
    generator: torch.Generator,
    share: float = 0.15,
) -> tuple[Tensor, Tensor]:
    """Choose tokens to predict, and hide most of them.

    Devlin et al. (2019), section 3.1. Each token that may be chosen is
    chosen with probability `share`. Of those chosen, 80 % become the mask
    token, 10 % a random token and 10 % stay. One draw decides between the
    three: two draws would multiply the shares.

    Args:
        ids: (B, T), integers.
        may: (B, T), boolean; False where nothing is to be predicted, as at
            padding.
        mask_id: the mask token.
        vocabulary_size: V; the random token is one of 0 to V - 1, but not
            `mask_id`.
        generator: makes all draws.
        share: of tokens to choose.

    Returns:
        What the model reads (B, T), and chosen (B, T), boolean.

    Raises:
        TypeError: if `may` is not boolean.
        ValueError: if the shapes differ or the share is not in [0, 1].
    """
    require(may.shape == ids.shape, "may", may.shape, f"{tuple(ids.shape)}")
    if may.dtype != torch.bool:
        raise TypeError(f"may has dtype {may.dtype}; expected torch.bool")
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}; expected 0 to 1")
    chosen = may & (torch.rand(ids.shape, generator=generator) < share)
    fate = torch.rand(ids.shape, generator=generator)
    other = torch.randint(
        0, vocabulary_size - 1, ids.shape, generator=generator
    )
    other = other + (other >= mask_id)  # all tokens but the mask
    seen = torch.where(chosen & (fate < 0.8), mask_id, ids)
    seen = torch.where(chosen & (fate >= 0.9), other, seen)
    return seen, chosen


def noised_tokens(
    ids: Tensor, mask_id: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Mask each row at a rate of its own: the forward process of diffusion.

    Sahoo et al. (2024), section 3, with a linear schedule: at time t each
    token is masked with probability t.

    Args:
        ids: (B, T), integers.
        mask_id: the mask token.
        generator: makes all draws.

    Returns:
        What the model reads (B, T), masked (B, T), boolean, and t (B,),
        spread evenly over (0, 1].
    """
    B = len(ids)
    start = torch.rand(1, generator=generator)
    # Evenly spaced times vary less from batch to batch than B draws do.
    t = 1 - (start + torch.arange(B) / B) % 1
    masked = torch.rand(ids.shape, generator=generator) < t[:, None]
    return torch.where(masked, mask_id, ids), masked, t


def masked_loss(logits: Tensor, ids: Tensor, chosen: Tensor) -> Tensor:
    """The mean cross-entropy over the chosen tokens: a number.

    Where none is chosen it is 0, with gradients of 0.

    Args:
        logits: (B, T, V).
        ids: (B, T), what stood there.
        chosen: (B, T), boolean.

    Raises:
        ValueError: if a shape does not fit.
    """
    require(ids.shape == logits.shape[:2], "ids", ids.shape, "(B, T)")
    require(chosen.shape == ids.shape, "chosen", chosen.shape, f"{ids.shape}")
    each = F.cross_entropy(logits.transpose(1, 2), ids, reduction="none")
    return (each * chosen).sum() / chosen.sum().clamp(min=1)


def diffusion_loss(
    logits: Tensor, ids: Tensor, masked: Tensor, t: Tensor
) -> Tensor:
    """A bound on nats per token: cross-entropies of masked tokens over t.

    Sahoo et al. (2024), equation 10, for a linear schedule: its mean over
    masks and times is at least the negative log-likelihood of the row.

    Args:
        logits: (B, T, V).
        ids: (B, T), what stood there.
        masked: (B, T), boolean.
        t: (B,), the rates at which the rows were masked.

    Raises:
        ValueError: if a shape does not fit.
    """
    require(masked.shape == ids.shape, "masked", masked.shape, "(B, T)")
    require(t.shape == ids.shape[:1], "t", t.shape, "(B,)")
    each = F.cross_entropy(logits.transpose(1, 2), ids, reduction="none")
    return ((each * masked) / t[:, None]).mean()


class MaskedModel(nn.Module):
    """An encoder that predicts a token at every place from both sides.

    Args:
        vocabulary_size: V, with the mask token.
        longest: greatest number of tokens of a row.
        d_model: D.
        num_heads: H, which must divide D.
        depth: number of layers.

    Raises:
        ValueError: if H does not divide D.
    """

    def __init__(
        self,
        vocabulary_size: int,
        longest: int,
        d_model: int = 64,
        num_heads: int = 4,
        depth: int = 2,
    ):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary_size, d_model)
        self.positions = nn.Parameter(0.02 * torch.randn(longest, d_model))
        self.layers = nn.ModuleList(
            EncoderLayer(d_model, num_heads, 4 * d_model) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, vocabulary_size)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits (B, T, V) of tokens (B, T); mask (B, T), True if real.

        Raises:
            ValueError: if T is greater than `longest`.
        """
        T, longest = ids.shape[1], len(self.positions)
        require(longest >= T, "ids", ids.shape, f"(B, at most {longest})")
        x = self.tokens(ids) + self.positions[:T]
        for layer in self.layers:
            x, _ = layer(x, mask)
        return self.head(self.norm(x))


@torch.no_grad()
def unmask(
    model: nn.Module,
    ids: Tensor,
    mask_id: int,
    steps: int,
    generator: torch.Generator,
) -> Tensor:
    """Fill in the masks of each row: all of them in so many steps.

    At each step the model predicts every mask. A random share of the masks
    gets a token drawn from its prediction, so that equally many are filled
    in at each step, as far as that is possible. Tokens of one step are drawn
    independently of one another: with one step, all of them are.

    Args:
        model: called with (B, T), returns logits (B, T, V).
        ids: (B, T); what is not `mask_id` stays as it is.
        mask_id: the mask token, which is never drawn.
        steps: at least 1.
        generator: makes all draws.

    Returns:
        (B, T) without a mask; a new tensor.

    Raises:
        ValueError: if steps is smaller than 1.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; expected at least 1")
    ids = ids.clone()
    for step in range(steps):
        hidden = ids == mask_id  # (B, T)
        logits = model(ids)
        logits[..., mask_id] = -torch.inf
        drawn = torch.multinomial(
            logits.softmax(-1).flatten(0, 1), 1, generator=generator
        ).view_as(ids)
        # How many to fill: the masks left over the steps left, rounded up.
        count = -(-hidden.sum(1, keepdim=True) // (steps - step))  # (B, 1)
        order = torch.rand(ids.shape, generator=generator)
        order = order.masked_fill(~hidden, 2.0).argsort(1).argsort(1)
        ids = torch.where(hidden & (order < count), drawn, ids)
    return ids
