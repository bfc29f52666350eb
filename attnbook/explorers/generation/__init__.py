"""Generation token by token, by a small model that runs in the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import traitlets
from torch import nn

from attnbook.explorers.generation.eight_bits import packed
from attnbook.explorers.kit.explorer import (
    Explorer,
    as_array,
    as_temperature,
)

MOST = 500_000  # weights; each is a byte that the page loads
MOST_TOKENS, FITTING = 64, 40  # on a phone they scroll, on a page they fit


class Tokenizer(Protocol):
    """What the figure needs of a `BytePairs`."""

    merges: Sequence[tuple[int, int]]
    size: int

    def encode(self, text: str) -> list[int]: ...


class Generation(Explorer):
    """Continue a text with a trained model, one token at a time.

    The model runs in the browser, with its weights rounded to 8 bits and a
    scale for each row. The reader draws or picks each token, and sees the
    candidates, the attention over the context, the cache and its price.

    Parameters
    ----------
    model : a `mechanisms.decoder_only.DecoderOnly`, of at most 500,000
        weights
    tokenizer : the `mechanisms.byte_pairs.BytePairs` that it was trained with
    prompt : the text to continue; the reader can change it
    longest : tokens, prompt included, at which the figure ends; by default
        40, or what the model reads if that is less
    temperature, k, p, min_p : where the sliders start; by default nothing
        is dropped
    seed : of the random numbers

    ``prompt``, ``chosen`` (the ids after it), ``temperature``, ``k``, ``p``,
    ``min_p``, ``seed`` and ``cached`` follow what the reader does.

    Raises
    ------
    ValueError
        If the model is too large, the tokenizer is not its own, the prompt
        is empty or too long, or a number is out of range.
    """

    _esm = Path(__file__).with_name("built.mjs")

    weights = traitlets.Unicode().tag(sync=True)
    parts = traitlets.List().tag(sync=True)
    merges = traitlets.List().tag(sync=True)
    heads = traitlets.Int().tag(sync=True)
    layers = traitlets.Int().tag(sync=True)
    norm = traitlets.Unicode().tag(sync=True)
    eps = traitlets.Float().tag(sync=True)
    longest = traitlets.Int().tag(sync=True)
    prompt = traitlets.Unicode().tag(sync=True)
    chosen = traitlets.List().tag(sync=True)
    temperature = traitlets.Float().tag(sync=True)
    k = traitlets.Int().tag(sync=True)
    p = traitlets.Float().tag(sync=True)
    min_p = traitlets.Float().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)
    cached = traitlets.Bool(True).tag(sync=True)

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Tokenizer,
        prompt: str,
        longest: int | None = None,
        temperature: float = 1.0,
        k: int | None = None,
        p: float = 1.0,
        min_p: float = 0.0,
        seed: int = 0,
    ) -> None:
        _check_model(model, tokenizer)
        most = min(model.longest, MOST_TOKENS)
        longest = min(most, FITTING) if longest is None else longest
        if not 2 <= longest <= most:
            raise ValueError(
                f"longest must lie between 2 and {most}, got {longest}. The "
                f"model reads {model.longest} tokens, and the figure has room "
                f"for {MOST_TOKENS}."
            )
        count = len(tokenizer.encode(prompt))
        if not 0 < count < longest:
            raise ValueError(
                f"prompt must have 1 to {longest - 1} tokens, got {count}. "
                "Shorten it, so that there is room to continue."
            )
        k = tokenizer.size if k is None else k
        _check_range("k", k, 1, tokenizer.size)
        _check_range("p", p, 0.01, 1)
        _check_range("min_p", min_p, 0, 1)
        weights, parts = packed(model)
        super().__init__(
            weights=weights,
            parts=[list(part) for part in parts],
            merges=[list(pair) for pair in tokenizer.merges],
            heads=model.num_heads,
            layers=len(model.blocks),
            norm=model.design.norm,
            eps=model.norm.eps,
            longest=longest,
            prompt=prompt,
            temperature=as_temperature(temperature),
            k=int(k),
            p=float(p),
            min_p=float(min_p),
            seed=int(seed),
        )

    def __repr__(self) -> str:
        return (
            f"Generation: {self.layers} layers of {self.heads} heads, "
            f"{256 + len(self.merges)} tokens, after "
            f"{json.dumps(self.prompt, ensure_ascii=False)}"
        )


def _check_model(model: nn.Module, tokenizer: Tokenizer) -> None:
    count = sum(weights.numel() for weights in model.parameters())
    if count > MOST:
        raise ValueError(
            f"model must have at most {MOST:,} weights, got {count:,}. The "
            "reader's browser loads them: train a smaller one for this "
            "figure."
        )
    if tokenizer.size != model.vocabulary:
        raise ValueError(
            f"tokenizer must have the model's {model.vocabulary} tokens, got "
            f"{tokenizer.size}. Pass the one that the model was trained with."
        )
    for name, weights in model.named_parameters():
        as_array(name, weights, ("n", "m")[: weights.ndim])


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= float(as_array(name, value, ())) <= high:
        raise ValueError(
            f"{name} must lie between {low:g} and {high:g}, got {value:g}. "
            "Its slider ends there."
        )
