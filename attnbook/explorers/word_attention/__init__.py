"""A word of a caption, and where in the picture it is attended to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import traitlets

from attnbook.explorers.kit.explorer import (
    Explorer,
    as_array,
    as_labels,
    rounded,
)

MOST = 60_000  # numbers; a page has to carry them
KEYS = ("words", "images", "weights")


class WordAttention(Explorer):
    """Point at a word, and step through the generation of the picture.

    A picture arises in K steps from a caption. At each step each of its
    P = g·g patches reads the caption's words by attention. The map shows how
    much each patch reads the chosen word. Beside it: how much of this weight
    lies on the ink of the finished picture, against an even spread.

    Parameters
    ----------
    pictures : a list of dictionaries, one a picture, with
        ``words``, W words of its caption;
        ``images``, (K, n, n), the picture after each step, 0 for paper and 1
        for ink; what lies outside is cut off;
        ``weights``, (K, P, W), of patches over words, patches row by row;
        the words of a patch sum to 1, or to less if it reads patches too.
    steps : K labels, such as times; by default 1, 2, …

    ``picture``, ``word`` and ``step`` follow what the reader does.

    Raises
    ------
    ValueError
        If there is no picture, a key is missing, a shape does not fit, the
        weights are no weights, or there are too many numbers for a page.
    """

    _esm = Path(__file__).with_name("built.mjs")

    pictures = traitlets.List().tag(sync=True)
    steps = traitlets.List().tag(sync=True)
    picture = traitlets.Int(0).tag(sync=True)
    word = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        pictures: Sequence[Mapping],
        steps: Sequence[str] | None = None,
    ) -> None:
        if not pictures:
            raise ValueError(
                "pictures must hold at least one picture, got none. Pass a "
                "list of dictionaries."
            )
        made = [_as_picture(i, one) for i, one in enumerate(pictures)]
        K, n, _ = made[0]["images"].shape
        for i, one in enumerate(made[1:], 1):
            if one["images"].shape != (K, n, n):
                raise ValueError(
                    f"pictures[{i}]['images'] must have the shape of the "
                    f"first picture's, {(K, n, n)}, got "
                    f"{one['images'].shape}. Show the same steps of each."
                )
        numbers = sum(p["images"].size + p["weights"].size for p in made)
        if numbers > MOST:
            raise ValueError(
                f"pictures must hold at most {MOST} numbers, got {numbers}. "
                "Show fewer pictures, or every second step."
            )
        super().__init__(
            pictures=[
                {
                    "words": one["words"],
                    "images": rounded(one["images"], 2),
                    "weights": rounded(one["weights"], 3),
                }
                for one in made
            ],
            steps=as_labels("steps", steps, K, "steps"),
            step=K - 1,
        )

    def __repr__(self) -> str:
        captions = ", ".join(
            f"“{' '.join(one['words'])}”" for one in self.pictures
        )
        return (
            "WordAttention: where a word is attended to, in "
            f"{len(self.steps)} steps, for {captions}"
        )


def _as_picture(place: int, picture: Mapping) -> dict:
    """The words, images and weights of a picture, checked."""
    name = f"pictures[{place}]"
    missing = [key for key in KEYS if key not in picture]
    if missing:
        raise ValueError(
            f"{name} must have the keys {', '.join(KEYS)}; {missing[0]} is "
            "missing. Add it."
        )
    images = as_array(f"{name}['images']", picture["images"], ("K", "n", "m"))
    K, n, m = images.shape
    if n != m:
        raise ValueError(
            f"{name}['images'] must be square, got {n} rows of {m} pixels. "
            "Cut them, or add paper."
        )
    weights = as_array(f"{name}['weights']", picture["weights"], (K, "P", "W"))
    side = round(weights.shape[1] ** 0.5)
    if side * side != weights.shape[1] or n % side:
        raise ValueError(
            f"{name}['weights'] must have g·g patches with a g that divides "
            f"{n}, got {weights.shape[1]} patches. Leave out other tokens."
        )
    if weights.min() < 0 or weights.sum(-1).max() > 1.001:
        raise ValueError(
            f"{name}['weights'] must be 0 or more, with a sum of at most 1 "
            f"over the words of a patch, got {weights.min():.3g} and "
            f"{weights.sum(-1).max():.3g}. The words are the last axis."
        )
    words = as_labels(
        f"{name}['words']", picture["words"], weights.shape[-1], "words"
    )
    return {
        "words": words,
        "images": np.clip(images, 0, 1),
        "weights": weights,
    }
