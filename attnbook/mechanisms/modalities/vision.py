"""Pictures as tokens: patches, and the vision transformer.

Dosovitskiy et al. (2021), section 3.1; registers: Darcet et al. (2024).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attnbook.mechanisms.shapes import require
from attnbook.mechanisms.transformer import EncoderLayer


def patches(images: Tensor, size: int) -> Tensor:
    """Cut pictures into squares, row by row: (B, H, W) to (B, P, size²).

    Patch p holds the pixels of row p // (W / size) and column p % (W / size)
    of the grid of patches, its own pixels row by row.

    Raises:
        ValueError: if the size does not divide H and W.
    """
    require(images.ndim == 3, "images", images.shape, "(B, H, W)")
    B, H, W = images.shape
    require(
        H % size == 0 and W % size == 0,
        "images",
        images.shape,
        f"(B, H, W) with multiples of {size}",
    )
    grid = images.reshape(B, H // size, size, W // size, size)
    return grid.transpose(2, 3).reshape(B, -1, size * size)


def unpatched(x: Tensor, size: int) -> Tensor:
    """Put the patches of square pictures together: (B, P, size²) to (B, H, H).

    The inverse of `patches`.

    Raises:
        ValueError: if P is no square, or a patch has another size.
    """
    require(x.ndim == 3, "x", x.shape, f"(B, P, {size * size})")
    B, P, _ = x.shape
    side = round(P**0.5)
    require(
        side * side == P and x.shape[-1] == size * size,
        "x",
        x.shape,
        f"(B, a square number, {size * size})",
    )
    grid = x.reshape(B, side, side, size, size).transpose(2, 3)
    return grid.reshape(B, side * size, side * size)


class VisionTransformer(nn.Module):
    """Classify a picture by an encoder over its patches.

    A learnt class token stands before the patches, and its last state is
    classified. Registers are further learnt tokens, which are dropped at the
    end.

    Args:
        size: side of a picture, in pixels.
        patch: side of a patch; divides `size`.
        classes: number of classes.
        d_model: D.
        num_heads: H, which must divide D.
        depth: number of layers.
        registers: number of registers.

    Raises:
        ValueError: if the patch does not divide the size, or H not D.
    """

    def __init__(
        self,
        size: int = 8,
        patch: int = 2,
        classes: int = 10,
        d_model: int = 64,
        num_heads: int = 4,
        depth: int = 2,
        registers: int = 0,
    ):
        super().__init__()
        if size % patch:
            raise ValueError(
                f"patch is {patch}; expected a divisor of size, {size}"
            )
        P = (size // patch) ** 2
        self.patch = patch
        self.embed = nn.Linear(patch * patch, d_model)
        self.positions = nn.Parameter(0.02 * torch.randn(P, d_model))
        self.extra = nn.Parameter(0.02 * torch.randn(1 + registers, d_model))
        self.layers = nn.ModuleList(
            EncoderLayer(d_model, num_heads, 4 * d_model) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits (B, classes) of pictures (B, size, size), and weights.

        The weights of each layer are (B, H, S, S); the first token is the
        class token, then the registers, then the patches.
        """
        x, weights = self.states(images)
        return self.head(x[:, 0]), weights

    def states(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The last states (B, S, D), normalised, and the weights."""
        x = self.embed(patches(images, self.patch)) + self.positions
        extra = self.extra.expand(len(x), -1, -1)
        x = torch.cat([extra, x], dim=1)  # (B, 1 + registers + P, D)
        weights = []
        for layer in self.layers:
            x, layer_weights = layer(x)
            weights.append(layer_weights)
        return self.norm(x), weights


class SmallConvolution(nn.Module):
    """Two convolutions and two layers: the baseline for small pictures.

    Args:
        channels: of the first convolution; the second has twice as many.
        hidden: size of the hidden layer.
        classes: number of classes.
    """

    def __init__(
        self, channels: int = 32, hidden: int = 80, classes: int = 10
    ):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.LazyLinear(hidden),
            nn.ReLU(),
            nn.Linear(hidden, classes),
        )
        self(torch.zeros(1, 8, 8))  # gives the lazy layer its size

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits (B, classes) of pictures (B, 8, 8), and no weights."""
        return self.layers(images[:, None]), []
