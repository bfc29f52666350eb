"""A state, written token by token, and what a query reads back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import traitlets

from attnbook.explorers.kit.explorer import (
    Explorer,
    as_array,
    as_whole,
    rounded,
)

RULES = {
    "linear": "linear attention",
    "decay": "decay",
    "delta": "delta rule",
    "gated": "gated delta rule",
}
SIZES = (2, 8)
MOST_TOKENS = 12
MOST_NAMES = 6
MOST_BETA = 2.0


class WrittenState(Explorer):
    """Write keys and values into a state, and read a query back.

    The state S, (d_k, d_v), starts at 0. A token with the key k, of length
    1, and the value v, one-hot, changes it by one of four rules::

        linear   S ← S + k vᵀ
        decay    S ← α S + k vᵀ
        delta    S ← S + β k (v − Sᵀ k)ᵀ
        gated    S ← α S + β k (v − α Sᵀ k)ᵀ

    A query q reads Sᵀ q, one number for each value. Katharopoulos et al.
    (2020); Schlag et al. (2021) for the delta rule; Yang et al. (2025) for
    the gated one.

    Parameters
    ----------
    writes : up to 12 pairs of the names of a key and a value, as in
        ``[("cat", "red"), ("dog", "blue"), ("cat", "green")]``, with up to
        6 different names of each; a value of None writes nothing
    keys : the vector of each name of a key, (d_max,), all of the same d_max
        from 2 to 8; by default at right angles to each other in 8 dimensions
    rule : "linear", "decay", "delta" or "gated"
    alpha : α, from 0 to 1
    beta : β, from 0 to 2
    size : d_k, from 2 to d_max. The first d_k coordinates of each key are
        used, made unit length again; by default all.
    step : how many tokens have been written
    query : the name of the key that is read; by default that of the first
        token

    ``rule``, ``alpha``, ``beta``, ``size``, ``step``, ``query`` (its place
    among the names) and ``writes`` follow what the reader does.

    Raises
    ------
    ValueError
        If a name or a rule is unknown, a vector does not fit, or a number
        lies outside its range.
    """

    _esm = Path(__file__).with_name("built.mjs")

    key_names = traitlets.List().tag(sync=True)
    value_names = traitlets.List().tag(sync=True)
    vectors = traitlets.List().tag(sync=True)
    writes = traitlets.List().tag(sync=True)
    rule = traitlets.Unicode().tag(sync=True)
    alpha = traitlets.Float().tag(sync=True)
    beta = traitlets.Float().tag(sync=True)
    size = traitlets.Int().tag(sync=True)
    step = traitlets.Int().tag(sync=True)
    query = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        writes: Sequence[tuple[str, str | None]],
        keys: Mapping[str, np.ndarray] | None = None,
        rule: str = "linear",
        alpha: float = 0.8,
        beta: float = 1.0,
        size: int | None = None,
        step: int = 0,
        query: str | None = None,
    ) -> None:
        pairs = _pairs(writes)
        used = _names("key", [key for key, _ in pairs])
        values = _names("value", [v for _, v in pairs if v is not None])
        names, vectors = _vectors(keys, used)  # (K,), (K, d_max)
        if rule not in RULES:
            raise ValueError(
                f"rule must be one of {', '.join(RULES)}, got {rule!r}. "
                "The reader can choose another one."
            )
        query = pairs[0][0] if query is None else query
        if query not in names:
            raise ValueError(
                f"query must be one of {', '.join(names)}, got {query!r}. "
                "Choose the name of a key."
            )
        widest = vectors.shape[1]
        super().__init__(
            key_names=names,
            value_names=values,
            vectors=rounded(vectors, 6),
            writes=[
                [names.index(k), None if v is None else values.index(v)]
                for k, v in pairs
            ],
            rule=rule,
            alpha=_between("alpha", alpha, 1.0),
            beta=_between("beta", beta, MOST_BETA),
            size=as_whole(
                "size", widest if size is None else size, SIZES[0], widest
            ),
            step=as_whole("step", step, 0, len(pairs)),
            query=names.index(query),
        )

    def __repr__(self) -> str:
        return (
            f"WrittenState: {len(self.writes)} tokens written into a state "
            f"of {self.size} × {len(self.value_names)} numbers by "
            f"{RULES[self.rule]}, and what {len(self.key_names)} keys read "
            "back"
        )


def _pairs(writes: object) -> list[tuple[str, str | None]]:
    """The names of key and value of each token."""
    told = (
        f"writes must hold 1 to {MOST_TOKENS} pairs of two names, a key and "
        "a value"
    )
    if isinstance(writes, str | Mapping) or not isinstance(writes, Sequence):
        raise ValueError(f"{told}, got {type(writes).__name__}. {_LIKE}")
    if not 1 <= len(writes) <= MOST_TOKENS:
        raise ValueError(f"{told}, got {len(writes)}. {_LIKE}")
    pairs = []
    for at, pair in enumerate(writes):
        if isinstance(pair, str) or not isinstance(pair, Sequence):
            raise ValueError(f"{told}, got {pair!r} at {at}. {_LIKE}")
        fits = len(pair) == 2 and isinstance(pair[0], str)
        if not fits or not isinstance(pair[1], str | None):
            raise ValueError(f"{told}, got {pair!r} at {at}. {_LIKE}")
        pairs.append((pair[0], pair[1]))
    return pairs


_LIKE = 'Write them as [("cat", "red"), ("dog", "blue")].'


def _names(what: str, names: Sequence[str]) -> list[str]:
    """The different names, in the order of their first appearance."""
    found = list(dict.fromkeys(names))
    if not 1 <= len(found) <= MOST_NAMES:
        raise ValueError(
            f"writes must name 1 to {MOST_NAMES} different {what}s, got "
            f"{len(found)}. Repeat some of them, or add one."
        )
    return found


def _vectors(
    keys: Mapping[str, np.ndarray] | None, used: list[str]
) -> tuple[list[str], np.ndarray]:
    """Names (K,) and vectors (K, d_max) of all keys."""
    if keys is None:
        return used, right_angles(len(used))
    if not isinstance(keys, Mapping):
        raise ValueError(
            f"keys must map each name to a vector, got "
            f"{type(keys).__name__}. Write {{'cat': [1, 0], …}}."
        )
    for name in used:
        if name not in keys:
            raise ValueError(
                f"keys must hold every key that is written, got no {name!r}. "
                "Add its vector."
            )
    names = _names("key", list(keys))
    first = as_array(f"keys[{names[0]!r}]", keys[names[0]], ("d_max",))
    widest = len(first)
    if not SIZES[0] <= widest <= SIZES[1]:
        raise ValueError(
            f"keys must have {SIZES[0]} to {SIZES[1]} coordinates, got "
            f"{widest}. Pass the first {SIZES[1]} at most."
        )
    vectors = np.stack(
        [as_array(f"keys[{name!r}]", keys[name], (widest,)) for name in names]
    )
    for name, vector in zip(names, vectors, strict=True):
        if not vector[: SIZES[0]].any():
            raise ValueError(
                f"keys[{name!r}] must not start with {SIZES[0]} zeros, got "
                f"{vector.tolist()}. At the size {SIZES[0]} it would have no "
                "direction."
            )
    return names, vectors


def right_angles(count: int) -> np.ndarray:
    """Return ``count`` unit vectors at right angles: (count, 8)."""
    drawn = np.random.default_rng(333).normal(size=(SIZES[1], SIZES[1]))
    directions, triangle = np.linalg.qr(drawn)
    directions = directions * np.sign(
        np.diag(triangle)
    )  # no sign is left open
    return directions.T[:count]


def _between(name: str, value: float, most: float) -> float:
    number = float(as_array(name, value, ()))
    if not 0 <= number <= most:
        raise ValueError(
            f"{name} must lie between 0 and {most:g}, got {number:g}. Choose "
            "one that its slider reaches."
        )
    return number
