"""Objects of one side as the other knows them: whose, and what they can do."""

from __future__ import annotations

import inspect
import itertools
import weakref
from typing import Any

from attnbook.grading.isolation import bounds
from attnbook.grading.isolation.wire import TooLargeError, identifier
from attnbook.judging import inspection

_OWNERS: dict[int, tuple[weakref.ref, object, int]] = {}


def own(stand_in: Any, peer: object, number: int) -> None:
    """Note which object of a peer's a stand-in stands for, by its number."""
    key = id(stand_in)
    gone = weakref.ref(stand_in, lambda _: _OWNERS.pop(key, None))
    _OWNERS[key] = gone, peer, number


def owner_of(value: Any) -> tuple[object, int] | None:
    """Return the peer and number behind a stand-in, None for any other."""
    found = _OWNERS.get(id(value))
    if found is None or found[0]() is not value:
        return None
    return found[1:]


def name_of(value: Any) -> str:
    """Return the name that a stand-in goes by."""
    if isinstance(value, type) or traits_of(value)[:1] == ("routine",):
        return identifier(getattr(value, "__name__", "object"))
    return identifier(inspection.name_of_kind(value))


def traits_of(value: Any) -> tuple[str, ...]:
    """Return what can be done with an object, of :data:`wire.TRAITS`."""
    if isinstance(value, type):
        return ("class", "call")
    if inspect.isroutine(value):
        return ("routine", "call")
    # Not by hasattr, which finds what a class itself can do, too.
    known = {name for kind in type(value).__mro__ for name in vars(kind)}
    return tuple(
        trait
        for trait, method in (
            ("call", "__call__"),
            ("iter", "__iter__"),
            ("len", "__len__"),
            ("item", "__getitem__"),
            ("float", "__float__"),
            ("int", "__int__"),
            ("bool", "__bool__"),
        )
        if method in known
    )


def _iterate(target: Any) -> list:
    found = list(itertools.islice(target, bounds.MOST_ITERATED + 1))
    if len(found) > bounds.MOST_ITERATED:
        raise TooLargeError(
            f"it yields more than {bounds.MOST_ITERATED:,} things"
        )
    return found


# What a call from over there may want of an object.
DOINGS = {
    "call": lambda target, *a, **k: target(*a, **k),
    "get": getattr,
    "set": setattr,
    "item": lambda target, key: target[key],
    "iter": _iterate,
    "len": len,
    "float": float,
    "int": int,
    "bool": bool,
}
