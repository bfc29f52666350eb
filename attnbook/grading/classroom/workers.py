"""Worker processes that grade, and what happens when one of them ends.

A worker is forked from a process that has imported torch and has one
thread. It is told a number at a time, does the task of that number, and
answers with a :class:`Done`. Where it fails, ends or takes too long, it is
replaced, and its task is tried once more by another.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any

_TICK = 0.2  # seconds between two looks at clocks and signals
_GRACE = 5.0  # seconds that a task gets to end when all is to stop
_LONGEST_TEXT = 500
_TRIES = 2  # of a task, and of starting a worker
_PR_SET_PDEATHSIG = 1

Answer = tuple[str, Any]


class WorkersError(Exception):
    """No worker can work; the text says why."""


class OutputError(Exception):
    """What is done cannot be kept; nothing more is worth doing."""


@dataclass(frozen=True)
class Done:
    """A task that came to its end.

    ``outcome`` is what the task returned; where the grader failed twice it
    is None, and ``failure`` says how.
    """

    number: int
    outcome: Any = None
    failure: str = ""


@dataclass
class _Worker:
    process: multiprocessing.process.BaseProcess
    pipe: connection.Connection
    task: int | None = None
    is_ready: bool = False
    limit: float = 0.0  # time.monotonic() at which patience ends
    failure: str = ""

    def kill(self) -> None:
        """End it, and whatever it started."""
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Workers:
    """Processes that do tasks, each with a helper that it opens once.

    Parameters
    ----------
    count
        How many at a time.
    helper
        Opens what every task of a worker uses, as a context manager.
    task
        ``task(helper, number)`` does one and returns its outcome, which
        goes through a pipe. It raises OutputError where going on is in vain.
    patience
        Seconds for one task, and for a worker to start.
    """

    def __init__(
        self,
        count: int,
        helper: Callable[[], AbstractContextManager],
        task: Callable[[Any, int], Any],
        patience: float,
    ) -> None:
        self.count = count
        self.helper = helper
        self.task = task
        self.patience = patience
        self.is_stopping = False
        self._stop_at = float("inf")
        self._workers: list[_Worker] = []
        self._failed_starts = 0
        self._context = multiprocessing.get_context("fork")

    @property
    def busy(self) -> int:
        """How many tasks are under way."""
        return sum(worker.task is not None for worker in self._workers)

    def stop(self) -> None:
        """Hand out no more tasks; give those under way a few seconds."""
        self.is_stopping = True
        self._stop_at = time.monotonic() + _GRACE

    def run(self, total: int) -> Iterator[Done | None]:
        """Do the tasks 0 to ``total - 1``; yield each as it is done.

        Yields None now and then while nothing happens.

        Raises
        ------
        WorkersError
            When workers fail before they can do anything.
        OutputError
            As raised by a task.
        """
        queue = deque(range(total))
        tries = dict.fromkeys(queue, 0)
        try:
            while queue or self.busy:
                if self.is_stopping and (
                    not self.busy or time.monotonic() > self._stop_at
                ):
                    return
                self._hand_out(queue)
                for worker in self._with_news():
                    yield from self._hear(worker, queue, tries)
                yield None
        finally:
            self._end()

    def _hand_out(self, queue: deque[int]) -> None:
        if self.is_stopping:
            return
        for worker in self._workers:
            if worker.is_ready and worker.task is None and queue:
                # A worker that has just died is noticed by its silence.
                with contextlib.suppress(OSError):
                    worker.pipe.send(queue[0])
                worker.task = queue.popleft()
                worker.limit = time.monotonic() + self.patience
        idle = sum(worker.task is None for worker in self._workers)
        while len(self._workers) < self.count and idle < len(queue):
            self._workers.append(self._start())
            idle += 1

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        others = [worker.pipe for worker in self._workers] + [ours]
        process = self._context.Process(
            target=_work, args=(theirs, others, self.helper, self.task)
        )
        sys.stdout.flush()
        sys.stderr.flush()
        process.start()
        theirs.close()
        with contextlib.suppress(OSError):
            os.setpgid(process.pid, process.pid)
        return _Worker(process, ours, limit=time.monotonic() + self.patience)

    def _with_news(self) -> list[_Worker]:
        """Wait a moment; return workers that spoke, ended or are late."""
        handles = {}
        for worker in self._workers:
            handles[worker.pipe] = worker
            handles[worker.process.sentinel] = worker
        ready = connection.wait(handles, _TICK) if handles else []
        news = [handles[handle] for handle in ready]
        now = time.monotonic()
        for worker in self._workers:
            is_at_work = worker.task is not None or not worker.is_ready
            if is_at_work and now > worker.limit:
                worker.failure = f"it took more than {self.patience:g} s"
                news.append(worker)
        return list({id(worker): worker for worker in news}.values())

    def _hear(
        self, worker: _Worker, queue: deque[int], tries: dict[int, int]
    ) -> Iterator[Done]:
        """Take in what a worker says, and replace one that is lost."""
        try:
            while worker.pipe.poll():
                kind, content = worker.pipe.recv()
                if kind == "ready":
                    worker.is_ready, self._failed_starts = True, 0
                elif kind == "done":
                    done = Done(worker.task, content)
                    worker.task = None
                    yield done
                elif kind == "output":
                    raise OutputError(content)
                else:
                    worker.failure = content
            if not worker.failure and worker.process.exitcode is None:
                return
        except (EOFError, OSError):
            pass
        self._workers.remove(worker)
        worker.process.join(1)
        code = worker.process.exitcode
        worker.kill()
        failure = worker.failure or _ended(code)
        if not worker.is_ready:
            self._failed_starts += 1
            if self._failed_starts >= _TRIES * self.count:
                raise WorkersError(failure)
        if worker.task is not None:
            tries[worker.task] += 1
            if tries[worker.task] < _TRIES:
                queue.append(worker.task)
            else:
                yield Done(worker.task, failure=failure)

    def _end(self) -> None:
        for worker in self._workers:
            if worker.task is None and worker.is_ready:
                with contextlib.suppress(OSError):
                    worker.pipe.send(None)
        limit = time.monotonic() + _GRACE
        for worker in self._workers:
            if worker.task is None and worker.is_ready:
                worker.process.join(max(0, limit - time.monotonic()))
            worker.kill()
        self._workers.clear()


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"its process was ended by {signal.Signals(-code).name}"
    return "its process ended"


def _work(
    pipe: connection.Connection,
    others: list[connection.Connection],
    helper: Callable[[], AbstractContextManager],
    task: Callable[[Any, int], Any],
) -> None:
    """Do tasks until there are none: the life of a worker."""
    for other in others:  # so that the end of the grader is noticed
        other.close()
    _stand_apart()
    try:
        with helper() as opened:
            pipe.send(("ready", None))
            while (number := pipe.recv()) is not None:
                pipe.send(("done", task(opened, number)))
    except OutputError as error:
        pipe.send(("output", str(error)))
    except (EOFError, BrokenPipeError):
        pass  # the grader is gone
    except BaseException as error:
        with contextlib.suppress(OSError):
            pipe.send(("failed", _in_one_line(error)))


def _stand_apart() -> None:
    """Leave terminal and signals to the main process."""
    parent = os.getppid()
    # Ctrl-C reaches the terminal's own group of processes.
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    # What checks print is for the learner at the notebook.
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)


def _in_one_line(error: BaseException) -> str:
    """Name an error and the place it comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(frames[-1].filename)}, line "
    place = f"{place}{frames[-1].lineno})" if frames else ""
    text = " ".join(str(error).split())[:_LONGEST_TEXT]
    return f"{type(error).__name__}: {text}{place}"
