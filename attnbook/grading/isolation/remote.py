"""The trusted side: the names of a student's notebook, from another process.

A :class:`Session` runs the student's cells over there and returns stand-ins
for what they define: a function for a function, a class for a class, an
object whose attributes are looked up over there for any other, and plain
data for plain data. No code of the student's ever runs here.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from attnbook.grading.isolation import bounds, errors
from attnbook.grading.isolation.bridge import Peer
from attnbook.grading.isolation.channel import Channel, ClosedError, LateError
from attnbook.grading.isolation.memory import bounded_memory
from attnbook.grading.isolation.objects import owner_of
from attnbook.grading.isolation.sandbox.confinement import address_space
from attnbook.grading.isolation.wire import Mark, WireError
from attnbook.grading.notebook.running import Fate
from attnbook.judging.inspection import TakenAwayError
from attnbook.judging.sessions import runs_in

_MOST_MEMORY = 768 * 2**20  # bytes that calls from over there may take
GRACE = 5.0  # seconds for a cell to end after an interrupt
_AGAIN = 1.0  # seconds after which who is still at it is stopped again
FORGED = "It wrote to the pipe of the grader."


class CellEnded(BaseException):
    """A call did not come back; ``fate`` is that of the cell.

    No :class:`Exception`, as a check takes those for the answer's own.
    ``is_over`` says whether the student's process has ended with it.
    """

    def __init__(self, fate: Fate, is_over: bool) -> None:
        super().__init__(fate.kind)
        self.fate = fate
        self.is_over = is_over


class _RefusedError(Exception):
    """The student's process says that it called what is taken away."""


class _LateHereError(BaseException):
    """A function of ours has not come to its end in time."""


class Session(Peer):
    """A notebook that runs in another process.

    Parameters
    ----------
    connection
        The socket to a process that runs :func:`student.serve`.
    interrupt
        Asks that process to stop what it does.
    kill
        Ends that process.
    forbidden
        Dotted names that a trial may take away.
    """

    remembers = True

    def __init__(
        self,
        connection: Any,
        interrupt: Callable[[], None],
        kill: Callable[[], None],
        forbidden: Sequence[str] = (),
    ) -> None:
        self._limit: float | None = None
        self._is_stopped = False
        self._interrupt = interrupt
        self._kill = kill
        self.is_over = False
        super().__init__(Channel(connection), lambda: self._limit)
        self._forbidden = list(forbidden)
        self._has_started = False
        self._in_use = address_space()

    # -- time --------------------------------------------------------------

    def limit(self, seconds: float) -> None:
        """Give what comes now so many seconds from now."""
        self._limit = time.monotonic() + seconds
        self._is_stopped = False

    @property
    def _left(self) -> float | None:
        """Seconds that a call of one of our functions may still take."""
        if self._limit is None:
            return None
        return max(self._limit - time.monotonic(), 0) + GRACE

    def close(self) -> None:
        """End the process over there."""
        self._end_process()

    def _end_process(self) -> None:
        self.is_over = True
        self._kill()

    # -- cells ---------------------------------------------------------------

    def run_cell(self, source: str, timeout: float) -> Fate:
        """Run one of the student's cells; return its fate."""
        began = time.monotonic()
        self.limit(timeout)
        try:
            self.start()
            trouble = self.ask("cell", source)
            fate = Fate("passed")
            if trouble is not None:
                with self._guarded():
                    fate = _fate(errors.read(trouble))
        except CellEnded as end:
            fate = end.fate
        except Exception:
            # A cell ends with a description, and raises nothing here.
            self._end_process()
            fate = Fate("error", "WireError", FORGED)
        return Fate(fate.kind, fate.name, fate.text, time.monotonic() - began)

    def start(self) -> None:
        """Tell the process what to prepare, before any cell."""
        if not self._has_started:
            self._has_started = True
            self.tell("start", self._forbidden)

    def resolve(self, names: Sequence[str]) -> dict[str, Any]:
        """Return what the names stand for that are defined over there."""
        found = self.ask("names", list(names))
        with self._guarded():
            if type(found) is not dict or not set(found) <= set(names):
                raise WireError("names come that were not asked for")
        return found

    # -- trials --------------------------------------------------------------

    @contextlib.contextmanager
    def trial(self, forbidden: Sequence[str]) -> Iterator[None]:
        """Let what is called meanwhile start alike and do without."""
        ours, theirs = next(self._number), set(self._stand_ins)
        self.tell("begin", list(forbidden))
        refusal = None
        try:
            yield
        except _RefusedError as error:
            refusal = error
        except CellEnded as end:
            if not end.is_over:
                self._end_trial(ours, theirs, forbidden)
            raise
        except Exception:
            self._end_trial(ours, theirs, forbidden)
            raise
        used = self._end_trial(ours, theirs, forbidden)
        if used:
            raise TakenAwayError(used[0]) from None
        if refusal is not None:
            raise refusal

    def _end_trial(
        self, ours: int, theirs: set[int], forbidden: Sequence[str]
    ) -> list[str]:
        used = []
        if forbidden:
            used = self.ask("end", ours)
        else:
            self.tell("end", ours)
        with self._guarded():
            if type(used) is not list or not all(
                type(name) is str and name in forbidden for name in used
            ):
                raise WireError("a trial does not end as expected")
        self.release(ours, set(self._stand_ins) - theirs)
        return used

    @contextlib.contextmanager
    def watched(self, kind: str) -> Iterator[Seen]:
        """Measure the calls that are made meanwhile, over there."""
        seen = Seen()
        self.tell("watch", kind)
        yield seen
        amount = self.ask("seen")
        with self._guarded():
            if type(amount) is not int or amount < 0:
                raise WireError("a measure is no number")
        seen.amount = amount

    def has_loop(self, answer: Any) -> bool:
        """Say whether the code behind a stand-in has a loop."""
        return self.ask("loop", answer) is True

    # -- talking -------------------------------------------------------------

    def ask(self, kind: str, value: Any = None) -> Any:
        with self._guarded():
            reply = super().ask(kind, value)
            self._check_in_time()
            return reply

    def call(
        self, number, arguments=(), keywords=None, how: str = "call"
    ) -> Any:
        with self._guarded():
            result = super().call(number, arguments, keywords, how)
            self._check_in_time()
            return result

    def _check_in_time(self) -> None:
        if self._is_stopped:
            raise CellEnded(Fate("timeout"), False)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn whatever goes wrong on the pipe into the end of the cell."""
        if self.is_over:
            raise CellEnded(Fate("died"), True)
        try:
            yield
        except WireError as error:
            self._end_process()
            fate = Fate("error", "WireError", f"{FORGED} ({error})")
            raise CellEnded(fate, True) from None
        except ClosedError:
            # Not killed here, so that it can be told how it ended.
            self.is_over = True
            kind = "hung" if self._is_stopped else "died"
            raise CellEnded(Fate(kind), True) from None
        except LateError:
            self._end_process()
            raise CellEnded(Fate("hung"), True) from None

    def receive(self) -> tuple[str, Any, memoryview]:
        """Return the next message; interrupt who takes too long."""
        try:
            return super().receive()
        except LateError:
            if self._is_stopped:
                raise
        self._is_stopped = True
        self._interrupt()
        self._limit = time.monotonic() + GRACE
        return super().receive()

    def serve(self, kind: str, code: Any, body: memoryview) -> None:
        """Do what is asked and reply, in so much memory and time."""
        try:
            with (
                bounded_memory(self._in_use, _MOST_MEMORY),
                _stopped_after(self._left),
            ):
                super().serve(kind, code, body)
        except CellEnded:
            raise
        except _LateHereError:
            self._end_process()
            raise CellEnded(Fate("timeout"), True) from None
        except BaseException:
            # Over there somebody waits for an answer that will not come.
            self._end_process()
            raise

    def invoke(
        self, how: str, target: Any, arguments: tuple, keywords: dict
    ) -> Any:
        """Call one of our functions, which is all that can be done with it.

        Raises
        ------
        WireError
            When anything else is asked for: its attributes lead to all that
            there is in this process.
        """
        if how != "call" or not callable(target) or isinstance(target, type):
            raise WireError("it looks into a function that it may only call")
        return super().invoke(how, target, arguments, keywords)

    def is_fatal(self, error: BaseException) -> bool:
        """A function of ours that fails tells so; the rest ends the cell."""
        return not isinstance(error, Exception)

    def _raised(self, description: errors.Description) -> BaseException:
        if description.kinds[0] == "attnbook.TakenAwayError":
            return _RefusedError(description.text)
        fate = _fate(description)
        if self._is_stopped and _is_by_interrupt(fate):
            return CellEnded(Fate("timeout"), False)
        if fate.kind != "error" or _leaves(description):
            return CellEnded(fate, False)
        return errors.revived(description)

    # -- objects -------------------------------------------------------------

    def _mark(self, value: Any) -> Mark:
        """Return the mark of a function that is handed over."""
        if owner_of(value) is None and not callable(value):
            raise TypeError(
                f"expected data or a function to hand over, got {value!r}"
            )
        return super()._mark(value)

    def mark_result(self, value: Any) -> Mark:
        """Hand over nothing but data from a function that was called."""
        raise TypeError(f"expected data as a result, got {value!r}")

    def stand_in(self, mark: Mark) -> Any:
        """Make what stands here for an object of the student's."""
        if "class" in mark.traits:
            made = _Class(mark.name, (), {"_there": (self, mark.number)})
        elif "routine" in mark.traits:
            made = _function(self, mark)
        else:
            made = _kind(mark.name, mark.traits)(self, mark.number)
        runs_in(self, made)
        return made


@contextlib.contextmanager
def _stopped_after(seconds: float | None) -> Iterator[None]:
    """Raise in code of ours that takes longer, for what it was given."""
    is_main = threading.current_thread() is threading.main_thread()
    if seconds is None or not is_main:
        yield
        return

    over = False

    def late(*_: object) -> None:
        if not over:
            raise _LateHereError

    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, late)
    # Again and again: Python drops what is raised while a finalizer or a
    # callback of the garbage collector runs.
    left, every = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:  # somebody else's alarm
            left = max(left - (time.monotonic() - began), 0.01)
            signal.setitimer(signal.ITIMER_REAL, left, every)


class Seen:
    """What a measure found, in its own unit."""

    amount = 0


def _fate(description: errors.Description) -> Fate:
    if description.kinds[0] == "attnbook.Flood":
        return Fate("output")
    name = description.name[:100]
    if name in ("WrongAnswer", "TakenAwayError"):  # the grader's own
        name = "Error"
    return Fate("error", name, description.text)


def _is_by_interrupt(fate: Fate) -> bool:
    return fate.name == "KeyboardInterrupt"


def _leaves(description: errors.Description) -> bool:
    """Say whether an exception is one that leaves, as SystemExit does."""
    return "builtins.Exception" not in description.kinds


# -- stand-ins ---------------------------------------------------------------


def _function(session: Session, mark: Mark) -> Callable:
    def answer(*arguments, **keywords):
        return session.call(mark.number, arguments, keywords)

    answer.__name__ = answer.__qualname__ = mark.name
    return answer


class _Class(type):
    """A class whose objects are made over there."""

    def __call__(cls, *arguments, **keywords):
        session, number = cls._there
        return session.call(number, arguments, keywords)

    def __getattr__(cls, name: str) -> Any:
        session, number = type.__getattribute__(cls, "_there")
        return _looked_up(session, number, name)


class _Object:
    """An object that lives over there."""

    __slots__ = ("__weakref__", "_there")

    def __init__(self, session: Session, number: int) -> None:
        object.__setattr__(self, "_there", (session, number))

    def __getattr__(self, name: str) -> Any:
        session, number = object.__getattribute__(self, "_there")
        return _looked_up(session, number, name)

    def __setattr__(self, name: str, value: Any) -> None:
        session, number = self._there
        session.call(number, (name, value), how="set")

    def __copy__(self) -> _Object:
        return self

    def __deepcopy__(self, memo: dict) -> _Object:
        return self

    def __reduce_ex__(self, protocol: int) -> None:
        raise TypeError("an object of another process cannot be copied")


def _looked_up(session: Session, number: int, name: str) -> Any:
    # Python, NumPy and torch ask for such names to find out what it is.
    if name.startswith("__"):
        raise AttributeError(name)
    return session.call(number, (name,), how="get")


def _special(how: str) -> Callable:
    def method(self, *arguments):
        session, number = self._there
        return session.call(number, arguments, how=how)

    return method


def _call(self, *arguments, **keywords):
    session, number = self._there
    return session.call(number, arguments, keywords)


def _iterate(self):
    session, number = self._there
    return iter(session.call(number, how="iter"))


_METHODS = {
    "call": {"__call__": _call},
    "iter": {"__iter__": _iterate},
    "len": {"__len__": _special("len")},
    "item": {"__getitem__": _special("item")},
    "float": {"__float__": _special("float")},
    "int": {"__int__": _special("int")},
    "bool": {"__bool__": _special("bool")},
}
_kinds: dict[tuple, type[_Object]] = {}


def _kind(name: str, traits: tuple[str, ...]) -> type[_Object]:
    """Return a class of that name whose objects can do that much."""
    if len(_kinds) >= bounds.MOST_KINDS:
        _kinds.clear()  # one student's names must not take all places
    key = name, frozenset(traits)
    if key not in _kinds:
        body: dict[str, Any] = {"__slots__": ()}
        for trait in traits:
            body.update(_METHODS.get(trait, {}))
        _kinds[key] = type(name, (_Object,), body)
    return _kinds[key]
