"""Two encoders that meet: pictures and captions in one space.

Radford et al. (2021), section 2.3, with a softmax over the batch; Zhai et al.
(2023), section 3, with a sigmoid for each pair.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.mechanisms.modalities.vision import VisionTransformer
from attnbook.mechanisms.shapes import require
from attnbook.mechanisms.transformer import EncoderLayer


def _similar(images: Tensor, texts: Tensor) -> Tensor:
    require(
        images.ndim == 2 and images.shape == texts.shape,
        "texts",
        texts.shape,
        f"{tuple(images.shape)}, that of images (B, D)",
    )
    return F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T


def softmax_loss(images: Tensor, texts: Tensor, log_scale: Tensor) -> Tensor:
    """Each picture finds its caption in the batch, and each caption it.

    Radford et al. (2021), figure 3: the mean of two cross-entropies, whose
    right answers stand on the diagonal.

    Args:
        images: (B, D), not yet of unit length.
        texts: (B, D), the caption of picture b in row b.
        log_scale: a number; the cosines are multiplied by its exponential.

    Raises:
        ValueError: if the shapes differ.
    """
    logits = log_scale.exp() * _similar(images, texts)  # (B, B)
    right = torch.arange(len(logits), device=logits.device)
    rows = F.cross_entropy(logits, right)
    columns = F.cross_entropy(logits.T, right)
    return (rows + columns) / 2


def sigmoid_loss(
    images: Tensor, texts: Tensor, log_scale: Tensor, bias: Tensor
) -> Tensor:
    """Each pair of the batch is a question of its own: do they belong?

    Zhai et al. (2023), equation 1: the sum over all B² pairs, divided by B.

    Args:
        images: (B, D), not yet of unit length.
        texts: (B, D), the caption of picture b in row b.
        log_scale: a number; the cosines are multiplied by its exponential.
        bias: a number, added to all; far below 0 at first, as most pairs do
            not belong.

    Raises:
        ValueError: if the shapes differ.
    """
    logits = log_scale.exp() * _similar(images, texts) + bias  # (B, B)
    sign = 2 * torch.eye(len(logits), device=logits.device) - 1
    return -F.logsigmoid(sign * logits).sum() / len(logits)


def multi_positive_loss(
    images: Tensor, texts: Tensor, log_scale: Tensor, same: Tensor
) -> Tensor:
    """As `softmax_loss`, where equal captions are all right answers.

    The right answers of a row share its target equally, and the smallest
    possible cross-entropy, that of the target itself, is taken off: the
    floor is 0.

    Args:
        images: (B, D).
        texts: (B, D).
        log_scale: a number.
        same: (B, B), boolean and symmetric; True where a picture and a
            caption belong together, as on the diagonal.

    Raises:
        ValueError: if a shape does not fit.
    """
    logits = log_scale.exp() * _similar(images, texts)
    require(same.shape == logits.shape, "same", same.shape, "(B, B)")
    count = same.sum(1)
    target = same / count[:, None]
    rows = F.cross_entropy(logits, target)
    columns = F.cross_entropy(logits.T, target)
    return (rows + columns) / 2 - count.log().mean()


def softmax_floor(batch: int, captions: int) -> float:
    """The least softmax loss where captions repeat: E[log n], in nats.

    n is how many of the batch have one's own caption: 1 and, for each of the
    others, a chance of one in `captions`. No model can tell those n apart.

    Args:
        batch: B.
        captions: number of captions, equally frequent.

    Raises:
        ValueError: if either is smaller than 1.
    """
    if batch < 1 or captions < 1:
        raise ValueError(
            f"batch is {batch} and captions {captions}; expected at least 1"
        )
    p, others = 1 / captions, batch - 1
    return sum(
        math.comb(others, k) * p**k * (1 - p) ** (others - k) * math.log(1 + k)
        for k in range(batch)
    )


def sigmoid_floor(batch: int, captions: int) -> float:
    """The least expected sigmoid loss where captions repeat, in nats.

    A pair with equal captions is on the diagonal or off it, and the model
    cannot know which. Of the expected 1 + (B - 1)/C equal pairs of a row one
    is marked as belonging; the best logit for an equal pair is the log odds
    of that share, and the loss is the entropy.

    Args:
        batch: B.
        captions: C, equally frequent.

    Raises:
        ValueError: if either is smaller than 1.
    """
    if batch < 1 or captions < 1:
        raise ValueError(
            f"batch is {batch} and captions {captions}; expected at least 1"
        )
    pairs = 1 + (batch - 1) / captions
    p = 1 / pairs
    rest = (1 - p) * math.log(1 - p) if p < 1 else 0.0
    return -pairs * (p * math.log(p) + rest)


class DualEncoder(nn.Module):
    """A vision transformer and a caption encoder with one size of output.

    Args:
        words: number of words.
        length: words of a caption.
        d_model: D.
        num_heads: H, which must divide D.
        depth: layers of each encoder.
        bias: what the sigmoid's bias begins with.
    """

    def __init__(
        self,
        words: int,
        length: int = 3,
        d_model: int = 64,
        num_heads: int = 4,
        depth: int = 2,
        bias: float = -4.0,
    ):
        super().__init__()
        self.vision = VisionTransformer(
            classes=d_model, d_model=d_model, num_heads=num_heads, depth=depth
        )
        self.words = nn.Embedding(words, d_model)
        self.positions = nn.Parameter(0.02 * torch.randn(length, d_model))
        self.layers = nn.ModuleList(
            EncoderLayer(d_model, num_heads, 4 * d_model) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(d_model)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = nn.Parameter(torch.tensor(bias))

    def images(self, images: Tensor) -> Tensor:
        """Vectors (B, D) of pictures (B, 8, 8), not yet of unit length."""
        return self.vision(images)[0]

    def texts(self, ids: Tensor) -> Tensor:
        """Vectors (B, D) of captions (B, W): the mean of the last states."""
        x = self.words(ids) + self.positions[: ids.shape[1]]
        for layer in self.layers:
            x, _ = layer(x)
        return self.norm(x).mean(1)

    def groups(self, lr: float, times: float = 20.0) -> list[dict]:
        """Parameters for an optimiser; scale and bias at so many rates."""
        own = {id(self.log_scale), id(self.bias)}
        rest = [p for p in self.parameters() if id(p) not in own]
        return [
            {"params": rest, "lr": lr},
            {"params": [self.log_scale, self.bias], "lr": times * lr},
        ]


def retrieved(images: Tensor, captions: Tensor) -> Tensor:
    """The nearest of the *distinct* captions by cosine, one a picture: (N,).

    Args:
        images: (N, D).
        captions: (C, D), of which no two are the same words.

    Raises:
        ValueError: if the sizes of the vectors differ.
    """
    require(
        images.shape[-1:] == captions.shape[-1:],
        "captions",
        captions.shape,
        f"(C, {images.shape[-1]})",
    )
    unit = F.normalize(captions, dim=-1)
    return (F.normalize(images, dim=-1) @ unit.T).argmax(-1)
