"""A generator of pictures from words, by flow matching.

Lipman et al. (2023) and Liu et al. (2023) for straight paths; Ho and Salimans
(2022) for guidance; Rombach et al. (2022), section 3.3, for cross-attention
and Esser et al. (2024), section 4, for joint attention.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from attnbook.mechanisms.modalities.vision import patches, unpatched
from attnbook.mechanisms.shapes import require
from attnbook.mechanisms.transformer import DecoderLayer, EncoderLayer


def between(noise: Tensor, data: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """A point on the straight path from noise to data, and its velocity.

    x_t = (1 - t) noise + t data, so that dx/dt = data - noise everywhere.

    Args:
        noise: (B, ...).
        data: of the same shape.
        t: (B,), 0 is noise and 1 data.

    Raises:
        ValueError: if a shape does not fit.
    """
    require(noise.shape == data.shape, "data", data.shape, f"{noise.shape}")
    require(t.shape == noise.shape[:1], "t", t.shape, "(B,)")
    t = t.view(-1, *[1] * (noise.ndim - 1))
    return (1 - t) * noise + t * data, data - noise


def guided(conditional: Tensor, unconditional: Tensor, w: float) -> Tensor:
    """Go on from the unconditional prediction through the conditional one.

    w = 0 ignores the caption, w = 1 is the conditional model and above 1 it
    exaggerates what the caption changes. Ho and Salimans (2022), equation 6,
    count from the conditional prediction: their w is one less.

    Args:
        conditional: any shape.
        unconditional: of the same shape.
        w: the guidance.

    Raises:
        ValueError: if the shapes differ.
    """
    require(
        conditional.shape == unconditional.shape,
        "unconditional",
        unconditional.shape,
        f"{tuple(conditional.shape)}",
    )
    return unconditional + w * (conditional - unconditional)


def time_features(t: Tensor, size: int) -> Tensor:
    """Cosines and sines of a time in [0, 1]: (B,) to (B, size)."""
    half = size // 2
    rates = torch.exp(torch.linspace(0, math.log(100.0), half))
    angles = t[:, None] * rates.to(t)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class DigitGenerator(nn.Module):
    """The velocity of a picture on its way, given a caption.

    With `joint=False`, patches attend to one another and then, in a further
    sublayer, to the words, which stay as they are. With `joint=True`, patches
    and words are one row of tokens, and each attends to all of both.

    Args:
        words: number of words; one more is added, the empty word, of which a
            caption consists that says nothing.
        joint: whether attention is joint.
        size: side of a picture.
        patch: side of a patch.
        length: words of a caption.
        d_model: D.
        num_heads: H, which must divide D.
        depth: number of layers.
        d_ff: hidden size of the feed-forward networks; 4·D if None.
    """

    def __init__(
        self,
        words: int,
        joint: bool = False,
        size: int = 8,
        patch: int = 2,
        length: int = 3,
        d_model: int = 64,
        num_heads: int = 4,
        depth: int = 3,
        d_ff: int | None = None,
    ):
        super().__init__()
        self.joint, self.patch, self.size = joint, patch, size
        self.nothing = words  # the number of the empty word
        self.words = nn.Embedding(words + 1, d_model)
        self.word_positions = nn.Parameter(0.02 * torch.randn(length, d_model))
        P = (size // patch) ** 2
        self.embed = nn.Linear(patch * patch, d_model)
        self.positions = nn.Parameter(0.02 * torch.randn(P, d_model))
        self.time = nn.Sequential(
            nn.Linear(d_model, d_model), nn.SiLU(), nn.Linear(d_model, d_model)
        )
        layer = EncoderLayer if joint else DecoderLayer
        self.layers = nn.ModuleList(
            layer(d_model, num_heads, d_ff or 4 * d_model)
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, patch * patch)

    def forward(
        self, x: Tensor, t: Tensor, ids: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """The velocity, and where each patch looks among the words.

        Args:
            x: (B, size, size).
            t: (B,).
            ids: (B, W), numbers of words.

        Returns:
            The velocity (B, size, size), and for each layer the weights
            (B, H, P, W). Those of joint attention sum to at most 1: the rest
            lies on patches.
        """
        h = self.embed(patches(x, self.patch)) + self.positions  # (B, P, D)
        P = h.shape[1]
        time = self.time(time_features(t, h.shape[-1]))[:, None]
        h = h + time
        text = self.words(ids) + self.word_positions[: ids.shape[1]]
        if self.joint:
            h = torch.cat([h, text + time], dim=1)
        weights = []
        for layer in self.layers:
            if self.joint:
                h, all_weights = layer(h)
                weights.append(all_weights[:, :, :P, P:])
            else:
                h, (_, across) = layer(h, text, causal=False)
                weights.append(across)
        velocity = self.head(self.norm(h[:, :P]))
        return unpatched(velocity, self.patch), weights


def flow_loss(
    model: DigitGenerator,
    images: Tensor,
    ids: Tensor,
    generator: torch.Generator,
    drop: float = 0.1,
) -> Tensor:
    """The mean squared error of the velocity, at random times.

    Args:
        model: predicts it.
        images: (B, size, size), from -1 to 1.
        ids: (B, W), their captions.
        generator: makes all draws.
        drop: share of captions that are emptied, so that the model learns
            what guidance needs: the velocity without a caption.
    """
    B = len(images)
    noise = torch.randn(images.shape, generator=generator)
    t = torch.rand(B, generator=generator)
    emptied = torch.rand(B, 1, generator=generator) < drop
    ids = torch.where(emptied, model.nothing, ids)
    x, velocity = between(noise, images, t)
    return (model(x, t, ids)[0] - velocity).square().mean()


@torch.no_grad()
def generate(
    model: DigitGenerator,
    ids: Tensor,
    w: float,
    generator: torch.Generator,
    steps: int = 20,
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw pictures of captions, by Euler's method from noise to data.

    Args:
        model: predicts the velocity.
        ids: (B, W), the captions.
        w: the guidance, see `guided`.
        generator: draws the noise.
        steps: K.

    Returns:
        The pictures (B, size, size), the state after each step
        (B, K, size, size), and the conditional weights of each step, averaged
        over layers and heads, (B, K, P, W).

    Raises:
        ValueError: if steps is smaller than 1.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; expected at least 1")
    B = len(ids)
    x = torch.randn(B, model.size, model.size, generator=generator)
    empty = torch.full_like(ids, model.nothing)
    states, looked = [], []
    for step in range(steps):
        t = torch.full((B,), step / steps)
        velocity, weights = model(x, t, ids)
        if w != 1:
            velocity = guided(velocity, model(x, t, empty)[0], w)
        x = x + velocity / steps
        states.append(x)
        looked.append(torch.stack(weights).mean((0, 2)))
    return x, torch.stack(states, 1), torch.stack(looked, 1)
