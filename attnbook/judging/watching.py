"""Watches an answer at work: what it takes, besides what it returns.

An answer runs in this process, or in one of its own where a class is graded;
then that process is asked. Each function is used as in ::

    with products(answer) as seen:
        answer(x)
    seen.amount  # floating-point operations
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from attnbook.judging import inspection
from attnbook.judging.sessions import session_of


def peak_memory(answer: Callable) -> contextlib.AbstractContextManager:
    """Bytes that an answer takes at most, beyond those before."""
    return _watched(answer, inspection.PeakMemory)


def largest_tensor(answer: Callable) -> contextlib.AbstractContextManager:
    """Entries of the largest tensor that a function of torch returns."""
    return _watched(answer, inspection.LargestTensor)


def numbers_held(answer: Callable) -> contextlib.AbstractContextManager:
    """Numbers of all tensors that are held at one moment, at most."""
    return _watched(answer, inspection.NumbersHeld)


def kept_for_backward(answer: Callable) -> contextlib.AbstractContextManager:
    """Bytes of the storages that autograd keeps for the backward pass."""
    return _watched(answer, inspection.KeptForBackward)


def products(answer: Callable) -> contextlib.AbstractContextManager:
    """Floating-point operations in products of matrices."""
    return _watched(answer, inspection.Products)


def calls(answer: Callable) -> contextlib.AbstractContextManager:
    """Functions of torch that an answer calls."""
    return _watched(answer, inspection.Calls)


def _watched(answer: Callable, measure: type) -> Any:
    session = session_of(answer)
    return session.watched(measure.__name__) if session else measure()
