"""Which answers run in another process, and what is asked of that process.

Where a class is graded, a student's function stands here for one over there.
Whoever makes such a stand-in says so with :func:`runs_in`. It is known by
its identity: nothing is asked of the object, so none can pose as one.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Sequence
from typing import Any, Protocol


class Measured(Protocol):
    """What a measure found, in its own unit."""

    amount: int


class Session(Protocol):
    """A process in which answers run, as those who judge speak to it."""

    def trial(
        self, forbidden: Sequence[str]
    ) -> contextlib.AbstractContextManager[None]:
        """Let what is called meanwhile start alike and do without."""

    def watched(
        self, measure: str
    ) -> contextlib.AbstractContextManager[Measured]:
        """Measure the calls that are made meanwhile, over there.

        ``measure`` is one of :data:`attnbook.judging.inspection.MEASURES`.
        """

    def has_loop(self, answer: Any) -> bool:
        """Say whether the code behind an answer has a loop."""


_SESSIONS: dict[int, tuple[weakref.ref, Session]] = {}  # by id of the answer


def runs_in(session: Session, answer: Any) -> None:
    """Note that an answer stands for one in the process of a session."""
    key, pop = id(answer), _SESSIONS.pop  # bound: it may end with Python
    gone = weakref.ref(answer, lambda _: pop(key, None))
    _SESSIONS[key] = gone, session


def session_of(answer: Any) -> Session | None:
    """Return the session in which an answer runs, None if it runs here."""
    found = _SESSIONS.get(id(answer))
    if found is None or found[0]() is not answer:
        return None
    return found[1]
