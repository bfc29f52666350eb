"""Where the time of grading a submission goes, stage by stage."""

from __future__ import annotations

import contextlib
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Any
from unittest import mock

from attnbook.grading import grade
from attnbook.grading.isolation import apart
from attnbook.grading.isolation.limits import Limits
from benchmarks.graders import release

# What is timed, and what it is for. Nothing is counted twice: the time of a
# stage is what it takes beyond the stages inside it.
_STAGES = (
    (grade.notebooks, "loads", "reading the notebook"),
    (grade, "assemble", "choosing its cells"),
    (apart.Zygote, "spawn", "forking a confined process"),
    (apart.Session, "run_cell", "the student's cells"),
    (apart.Examiner, "_judge", "verdicts: cases, references, comparing"),
    (apart.Session, "receive", "verdicts: waiting for the answers"),
    (apart.Session, "close", "ending the process"),
    (apart.Zygote, "wait", "ending the process"),
)
_INSIDE_CELLS = {"the student's cells"}
_REST = "the rest"


class _Clock:
    """Seconds by stage, each without those of the stages inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = 0.0

    @contextlib.contextmanager
    def running(self, stage: str) -> Iterator[None]:
        if self._open and self._open[-1] in _INSIDE_CELLS:
            stage = self._open[-1]
        self._turn()
        self._open.append(stage)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def _turn(self) -> None:
        now = perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def around(self, function: Any, stage: str) -> Any:
        def timed(*arguments, **keywords):
            with self.running(stage):
                return function(*arguments, **keywords)

        return timed


def stages(submissions: Mapping[str, str]) -> dict[str, float]:
    """Grade submissions one after the other; return ms by stage, medians.

    The first is left out: it finds every cache empty.
    """
    exercise = release()
    names = [*dict.fromkeys(name for *_, name in _STAGES), _REST]
    each: dict[str, list[float]] = {name: [] for name in names}
    clock = _Clock()
    with contextlib.ExitStack() as stack:
        for owner, attribute, stage in _STAGES:
            timed = clock.around(getattr(owner, attribute), stage)
            stack.enter_context(mock.patch.object(owner, attribute, timed))
        examiner = stack.enter_context(
            apart.Examiner(exercise, Limits(), "bubblewrap", seed=1)
        )
        for student, text in submissions.items():
            clock.seconds.clear()
            with clock.running(_REST):
                grade.grade_bytes(
                    text.encode("utf-8"), student, exercise, examiner
                )
            for name in names:
                each[name].append(1e3 * clock.seconds[name])
    return {name: statistics.median(taken[1:]) for name, taken in each.items()}
