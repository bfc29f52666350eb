"""Draws cases anew from a secret seed, like those of the notebook.

An answer can be made to fit the inputs that it was shown. Whoever grades
for points also tries it on inputs that nobody has seen.

They ask nothing more of an answer: an axis has a size of 1 only where it has
one in a case of the notebook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from attnbook.judging.parts import Case

_MOST_SENTENCES = 4


def anew(
    make: Callable[..., Case], times: int = 2, **wanted: Any
) -> Callable[[int], Iterator[Case]]:
    """Return ``fresh(seed)``, which makes cases of sizes drawn at random.

    Parameters
    ----------
    make
        The case builder; it is called with a name, what is drawn by its
        name, and ``seed``.
    times
        How many cases there are. One is enough where each part draws its own.
    wanted
        What to draw, by the builder's names and in this order: ``(1, 4)``
        is a whole number from 1 to 4, ``(0.5, 2.0)`` a number between, a
        list stands for one of its entries, ``"S"`` for the lengths of
        sentences that have room for S tokens. A function is called with
        NumPy's generator and what has been drawn before; anything else is
        taken as it is.
    """
    return partial(_made_anew, make, times, wanted)


def _made_anew(
    make: Callable[..., Case],
    times: int,
    wanted: Mapping[str, Any],
    seed: int,
) -> Iterator[Case]:
    random = np.random.default_rng(seed)
    for _ in range(times):
        drawn: dict[str, Any] = {}
        for name, what in wanted.items():
            drawn[name] = _drawn(what, random, drawn)
        yield make("drawn anew", **drawn, seed=seed_from(random))


def _drawn(what: Any, random: np.random.Generator, before: dict) -> Any:
    if callable(what):
        return what(random, before)
    if isinstance(what, str):
        return lengths(random, before[what])
    if isinstance(what, list):
        return what[random.integers(len(what))]
    if isinstance(what, tuple):
        low, high = what
        if isinstance(low, int):
            return int(random.integers(low, high + 1))
        return float(random.uniform(low, high))
    return what


def up_to(
    name: str, least: int = 1
) -> Callable[[np.random.Generator, Mapping], int]:
    """Draw a whole number up to what has been drawn by that name."""
    return lambda random, drawn: int(random.integers(least, drawn[name] + 1))


def none_empty(
    name: str,
) -> Callable[[np.random.Generator, Mapping], list[int]]:
    """Draw sentences of at least one token, with room for ``name`` tokens."""
    return lambda random, drawn: lengths(random, drawn[name], least=1)


def one_empty(
    name: str,
) -> Callable[[np.random.Generator, Mapping], list[int]]:
    """Draw such sentences, and an empty one after them."""
    return lambda random, drawn: [
        *lengths(random, drawn[name], least=1),
        0,
    ]


def lengths(
    random: np.random.Generator, most: int, least: int = 0
) -> list[int]:
    """Return the lengths of a few sentences, of which one is not empty."""
    count = int(random.integers(2, _MOST_SENTENCES + 1))
    found = random.integers(least, most + 1, count)
    found[random.integers(count)] = random.integers(max(least, 1), most + 1)
    return found.tolist()


def seed_from(random: np.random.Generator) -> int:
    """Return a seed for another generator, NumPy's or torch's."""
    return int(random.integers(2**62))
