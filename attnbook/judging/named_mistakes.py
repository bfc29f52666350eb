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
    return [
        Mistake(
            name,
            sentence,
            partial(function, mistake=key),
            look,
            tuple(partial(function, mistake=other) for other in more),
        )
        for key, name, sentence, look, *more in rows
    ]


def planted(
    draft: Callable, rows: Iterable[tuple[str, str, str, str]]
) -> list[Mistake]:
    """Mistakes of a draft that takes the keyword ``bugs``, one bug at a time.

    Parameters
    ----------
    draft
        ``draft(…, bugs=(key,))`` makes the mistake of that key.
    rows
        Of each mistake its key, its name, its sentence and where to look.
    """
    return [
        Mistake(name, sentence, partial(draft, bugs=(key,)), look)
        for key, name, sentence, look in rows
    ]
