"""What an exercise is made of: cases, properties, known mistakes, parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any


class WrongAnswer(AssertionError):  # noqa: N818, it is read as a sentence
    """Raised by a check; its text is what the learner reads.

    ``mistake`` is the name of the known mistake that the answer makes.
    """

    mistake: str = ""

    def _render_traceback_(self) -> list[str]:
        """Show the message alone in a notebook, not the check's frames."""
        return str(self).splitlines()


@dataclass(frozen=True)
class Mistake:
    """A known mistake: code that makes it, and what to tell who made it.

    ``sentence`` says what is wrong, ``look`` where to look again. ``also``
    holds other code that makes the same mistake. ``shows(case, output)``
    knows the mistake by an output that no code of ours gives, because it
    hangs on the learner's own numbers. ``bugs`` is how many of a draft's
    planted bugs are left.
    """

    name: str
    sentence: str
    answer: Callable
    look: str
    also: tuple[Callable, ...] = ()
    shows: Callable[[Case, Any], bool] | None = None
    bugs: int = 0


@dataclass(frozen=True)
class Case:
    """Inputs to try. Each call gets its own deep copy of them.

    ``look`` may say where to look again where no known mistake fits.
    """

    name: str
    arguments: tuple
    keywords: dict = field(default_factory=dict)
    look: str = ""


@dataclass(frozen=True)
class Property:
    """Something that must hold of the answer, whatever its numbers.

    ``holds(answer)`` returns whether it does; ``sentence`` says what must
    hold ("Each row of weights sums to 1."). ``look`` may say where to look
    again. ``anew(seed)`` returns another ``holds``, with numbers and sizes
    that nobody has seen: of what is measured at a call, an answer that knows
    the sizes could do less there.
    """

    sentence: str
    holds: Callable[[Callable], bool]
    look: str = ""
    anew: Callable[[int], Callable[[Callable], bool]] | None = None


@dataclass(frozen=True)
class Part:
    """A share of an exercise, with a graded cell and points of its own.

    Parameters
    ----------
    name
        Ends the grade_id of its cell: "empty" in ``03-sink-attention-empty``.
    title
        What it asks, as the scoreboard shows it: "rows that see nothing".
    points
        What it is worth.
    tries
        Names of the cases, and sentences of the properties, that an answer
        has to get right. One of them at least must be wrong for an answer
        that does nothing.
    gradients
        Whether the gradients of these cases count, besides their values.
    outputs
        Names of the outputs that count; all by default.
    mended
        For a draft with planted bugs, in place of ``tries``: how many of
        them have to be mended. An answer with fewer bugs left is known by
        doing what the draft with these bugs does, in every case.
    fresh
        As of :class:`attnbook.judging.exercise.Exercise`, for this part.
    """

    name: str
    title: str
    points: int
    tries: tuple[str, ...] = ()
    gradients: bool = False
    outputs: tuple[str, ...] = ()
    mended: int = 0
    fresh: Callable[[int], Iterable[Case]] | None = None
