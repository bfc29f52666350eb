"""What an exercise is made of: cases, properties and known mistakes."""

from __future__ import annotations

from collections.abc import Callable
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
    hangs on the learner's own numbers.
    """

    name: str
    sentence: str
    answer: Callable
    look: str
    also: tuple[Callable, ...] = ()
    shows: Callable[[Case, Any], bool] | None = None


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
    again.
    """

    sentence: str
    holds: Callable[[Callable], bool]
    look: str = ""
