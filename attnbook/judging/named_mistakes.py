"""Known mistakes of a function that makes each of them by its key."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from attnbook.judging.exercise import Mistake


def named(
    function: Callable, rows: Iterable[tuple[str, ...]]
) -> list[Mistake]:
    """Mistakes of a function that takes the keyword ``mistake``.

    Parameters
    ----------
    function
        ``function(…, mistake=key)`` makes the mistake of that key.
    rows
        Of each mistake its key, its name, its sentence and where to look;
        then the keys of other code that makes the same mistake.
    """
    return _mistakes(rows, lambda key: partial(function, mistake=key))


def planted(draft: Callable, rows: Iterable[tuple[str, ...]]) -> list[Mistake]:
    """Mistakes of a draft that takes the keyword ``bugs``, one bug at a time.

    Parameters
    ----------
    draft
        ``draft(…, bugs=(key,))`` makes the mistake of that key.
    rows
        As for :func:`named`.
    """
    return _mistakes(rows, lambda key: partial(draft, bugs=(key,)))


def _mistakes(
    rows: Iterable[tuple[str, ...]], code_of: Callable[[str], Callable]
) -> list[Mistake]:
    return [
        Mistake(name, sentence, code_of(key), look, tuple(map(code_of, more)))
        for key, name, sentence, look, *more in rows
    ]
