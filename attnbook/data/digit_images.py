"""Small pictures of digits, and captions that say which digit it is.

The pictures are those of `sklearn.datasets.load_digits`, which scikit-learn
carries with it: 1,797 handwritten digits, 8 by 8, written by 13 people. They
are mixed before they are divided, so each part has pictures of each writer.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

PARTS = ("train", "validation", "held-out")
ENDS = (1197, 1397)  # of the first two parts; 400 pictures are held out
NAMES = (
    *("zero", "one", "two", "three", "four"),
    *("five", "six", "seven", "eight", "nine"),
)  # of the digits, in order
WORDINGS = (
    ("the", "digit", "{}"),
    ("a", "handwritten", "{}"),
    ("{}", "in", "ink"),
    ("this", "is", "{}"),
    ("number", "{}", "please"),
)
WORDS = (*NAMES, *sorted({w for words in WORDINGS for w in words} - {"{}"}))


class Pictures(NamedTuple):
    """One part of the digits.

    Attributes:
        images: (N, 8, 8), ink from 0 to 1.
        labels: (N,), integers from 0 to 9.
    """

    images: Tensor
    labels: Tensor


@cache
def _all() -> dict[str, Pictures]:
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    images = torch.tensor(found.images[order] / 16, dtype=torch.float32)
    labels = torch.tensor(found.target[order])
    starts, ends = (0, *ENDS), (*ENDS, len(labels))
    return {
        part: Pictures(images[start:end], labels[start:end])
        for part, start, end in zip(PARTS, starts, ends, strict=True)
    }


def digit_images(part: str) -> Pictures:
    """One of the three parts: a copy of its pictures and labels.

    Args:
        part: "train" (1,197 pictures), "validation" (200) or "held-out"
            (400). Choose with the second, report the third.

    Raises:
        ValueError: for another part.
    """
    if part not in PARTS:
        raise ValueError(
            f"part is {part!r}; expected one of {', '.join(map(repr, PARTS))}"
        )
    return Pictures(*(tensor.clone() for tensor in _all()[part]))


def caption(digit: int, wording: int = 0) -> list[str]:
    """Three words that name a digit.

    Args:
        digit: from 0 to 9.
        wording: from 0 to 4, which of `WORDINGS`.

    Raises:
        ValueError: if either is out of range.
    """
    if not 0 <= digit <= 9 or not 0 <= wording < len(WORDINGS):
        raise ValueError(
            f"digit is {digit} and wording {wording}; expected 0 to 9 and "
            f"0 to {len(WORDINGS) - 1}"
        )
    return [word.format(NAMES[digit]) for word in WORDINGS[wording]]


def caption_ids(labels: Tensor, wordings: Tensor) -> Tensor:
    """The captions of many digits as numbers of words: (B,), (B,) to (B, 3).

    A number is the word's place in `WORDS`.

    Raises:
        ValueError: if a digit or a wording is out of range.
    """
    pairs = zip(labels.tolist(), wordings.tolist(), strict=True)
    ids = [[WORDS.index(w) for w in caption(*pair)] for pair in pairs]
    return torch.tensor(ids, device=labels.device).reshape(-1, 3)


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Move each picture by at most one pixel each way; blank moves in.

    Args:
        images: (B, 8, 8).
        generator: draws the moves.
    """
    B, H, W = images.shape
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    down, right = torch.randint(0, 3, (2, B, 1, 1), generator=generator)
    rows = torch.arange(H)[None, :, None] + down
    columns = torch.arange(W)[None, None, :] + right
    return padded[torch.arange(B)[:, None, None], rows, columns]
