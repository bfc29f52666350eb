"""Publishing in a process of its own, which can be killed in the middle."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import BrokenBarrierError

import classroom
from sqlalchemy import event
from sqlalchemy.engine import Engine

from attnbook.grading.records import publish
from attnbook.grading.records.gradebook.database import opened


def start(out: Path, database: str, starting=None, dies_at: int = 0):
    """Publish a folder into a database, in a process of its own.

    ``starting`` is a barrier at which it waits, right before it opens the
    database. At its statement number ``dies_at`` it is killed.
    """
    process = classroom.processes().Process(
        target=_publish, args=(out, database, starting, dies_at)
    )
    process.start()
    return process


def barrier(parties: int):
    """Return what that many processes wait for each other at."""
    return classroom.processes().Barrier(parties, timeout=60)


def _publish(out: Path, database: str, starting, dies_at: int) -> None:
    classroom.equip()
    if starting:
        publish.opened = _after(starting)
    if dies_at:
        event.listen(Engine, "after_cursor_execute", _Death(dies_at))
    publish.publish(out, publish.Options(database=database))


def _after(starting):
    @contextlib.contextmanager
    def opened_together(url) -> Iterator:
        with contextlib.suppress(BrokenBarrierError):
            starting.wait()
        with opened(url) as book:
            yield book

    return opened_together


class _Death:
    """Kills its process after so many statements."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, *_) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
