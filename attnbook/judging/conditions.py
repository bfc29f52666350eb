"""The conditions of a call: what an answer may not use or disturb."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from attnbook.judging import inspection
from attnbook.judging.inspection import TakenAwayError
from attnbook.judging.sessions import session_of


@contextlib.contextmanager
def trial(answer: Any, forbidden: Sequence[str]) -> Iterator[None]:
    """Give an answer the same chance each time, and less than all there is.

    Parameters
    ----------
    answer
        The answer that is called inside, here or in a process of its own.
    forbidden
        Dotted names of functions that raise meanwhile.

    Raises
    ------
    TakenAwayError
        At the end, when one of them was called, whatever became of that.
    """
    session = session_of(answer)
    if session is None:
        with same_chance(), taken_away(forbidden):
            yield
        return
    _seed()  # nobody here needs the state back
    with session.trial(forbidden):
        yield


@contextlib.contextmanager
def same_chance() -> Iterator[None]:
    """Give every call the same random numbers, and put the state back.

    Gradients are on, as in a process of its own: a notebook may have turned
    them off for all of this one.
    """
    torch = sys.modules.get("torch")
    states = random.getstate(), np.random.get_state()
    if torch:
        torch_states = torch.get_rng_state(), torch.is_grad_enabled()
        torch.set_grad_enabled(True)
    _seed()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        if torch:
            torch.set_rng_state(torch_states[0])
            torch.set_grad_enabled(torch_states[1])


def _seed() -> None:
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        # torch.manual_seed seeds other devices too, which costs more than
        # most calls.
        sys.modules["torch"].default_generator.manual_seed(0)


@contextlib.contextmanager
def taken_away(names: Sequence[str]) -> Iterator[None]:
    """Make the functions of these dotted names raise for a while."""
    used: list[str] = []
    with contextlib.ExitStack() as stack:
        for name in names:
            if name == "loop":
                continue
            owner, attribute = inspection.resolved(name)
            original = getattr(owner, attribute)
            setattr(owner, attribute, _refusal(name, used))
            stack.callback(setattr, owner, attribute, original)
        yield
    if used:
        raise TakenAwayError(used[0])


def _refusal(name: str, used: list[str]) -> Callable:
    def refuse(*arguments, **keywords):
        used.append(name)
        raise TakenAwayError(name)

    return refuse


def has_loop(answer: Callable) -> bool:
    """Say whether a function, or a method of a class, has a loop."""
    session = session_of(answer)
    if session is not None:
        return session.has_loop(answer)
    return inspection.has_loop(answer)
