"""Grades the submissions that are left to grade, a file for each result."""

from __future__ import annotations

import contextlib
import gc
import importlib
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from attnbook.grading.classroom.planning import Task
from attnbook.grading.classroom.progress import Progress
from attnbook.grading.classroom.understanding import Understood
from attnbook.grading.classroom.workers import Done, OutputError, Workers
from attnbook.grading.grade import answers, clean, judge
from attnbook.grading.isolation.limits import Limits
from attnbook.grading.notebook import read as notebooks
from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.notebook.release import Release
from attnbook.grading.records import results
from attnbook.grading.records.results import Graded
from attnbook.grading.report import Report

_PATIENCE = 60.0  # seconds beyond a submission's own limit


@dataclass
class Interrupts:
    """Counts Ctrl-C: the first stops in good order, the second at once."""

    count: int = 0

    def __call__(self, *_: object) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt


@contextlib.contextmanager
def interruptible() -> Iterator[Interrupts]:
    """Let Ctrl-C be counted, and no more, as long as this lasts."""
    interrupts = Interrupts()
    old = {
        number: signal.signal(number, interrupts)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield interrupts
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def examiner(
    release: Release, limits: Limits, isolation: str, seed: int
) -> AbstractContextManager:
    """Return what runs the cells of submissions, one after the other.

    It imports all that the checks need, and nothing runs before it is
    entered: workers that are forked in between share the memory.
    """
    from attnbook.grading.isolation.apart import Examiner

    # A backward pass imports it, with all of SymPy: 30 MB that each worker
    # would have for itself.
    importlib.import_module("torch.fx.experimental.symbolic_shapes")
    return Examiner(release, limits, isolation, seed)


def grade_tasks(
    understood: Understood,
    out: Path,
    jobs: int,
    seed: int,
    interrupts: Interrupts,
) -> int:
    """Grade; return how many submissions are left."""
    tasks = understood.plan.tasks
    if not tasks:
        return 0
    release, limits = understood.release, understood.limits
    opened = examiner(release, limits, understood.isolation, seed)
    gc.collect()
    gc.freeze()  # so that looking for garbage copies none of it
    workers = Workers(
        min(jobs, len(tasks)),
        lambda: opened,
        _task(tasks, release, limits, out),
        limits.total + _PATIENCE,
    )
    done = 0
    with Progress(len(tasks)) as progress:
        for event in workers.run(len(tasks)):
            if interrupts.count and not workers.is_stopping:
                workers.stop()
                progress.say(
                    "Stopping: what is being graded gets a few seconds to "
                    "end. Ctrl-C again ends at once."
                )
            if event is None:
                progress.tick()
                continue
            done += 1
            if event.failure:
                student = clean(tasks[event.number].submission.student, 60)
                progress.say(f"{student}: {event.failure}")
            progress.count(*_settled(event, tasks, out, release))
    return len(tasks) - done


def _task(
    tasks: Sequence[Task], release: Release, limits: Limits, out: Path
) -> Callable[[Any, int], tuple[bool, bool]]:
    """Return what a worker does: grade one submission and keep the result.

    It returns whether there is a grade, and whether that is full marks.
    """
    largest = round(limits.notebook * 1e6)

    def grade_one(examiner: Any, number: int) -> tuple[bool, bool]:
        task = tasks[number]
        name = clean(task.submission.name, 200)
        sources: dict[str, str] = {}
        try:
            data = task.submission.data(largest)
            learner = notebooks.loads(data, name, largest)
            sources = answers(learner, release)
            report = judge(learner, release, examiner)
        except UnusableError as error:
            report = Report(
                notebook=name,
                reason=clean(str(error), 1_000),
                exercise=release.name,
                title=release.title,
                isolation=examiner.isolation,
            )
        graded = _result(task, _with_kept(report, task), sources)
        _keep(out, graded)
        return _outcome(graded)

    return grade_one


def _result(
    task: Task,
    report: Report,
    sources: dict[str, str],
    failure: str = "",
) -> Graded:
    submission = task.submission
    return Graded(
        student=submission.student,
        exercise=report.exercise,
        key=task.key,
        report=report,
        digest=task.digest,
        failure=failure,
        received=submission.received,
        is_marked_late=submission.is_marked_late,
        place=submission.place,
        identifiers=dict(submission.identifiers),
        sources=sources,
    )


def _with_kept(report: Report, task: Task) -> Report:
    """Let the old results stand for cells that are not graded again."""
    if task.kept is None or report.reason:
        return report
    old = {result.grade_id: result for result in task.kept.report.results}
    return replace(
        report,
        results=tuple(
            result
            if result.grade_id in task.only
            else old.get(result.grade_id, result)
            for result in report.results
        ),
    )


def _keep(out: Path, graded: Graded) -> None:
    try:
        results.write(out, graded)
    except OSError as error:
        raise OutputError(
            f"{out} cannot be written: {error.strerror}. What is finished "
            "is kept; make room and run the same command again."
        ) from None


def _outcome(graded: Graded) -> tuple[bool, bool]:
    report = graded.report
    is_graded = graded.status == "graded"
    return is_graded, is_graded and report.points == report.out_of


def _settled(
    done: Done, tasks: Sequence[Task], out: Path, release: Release
) -> tuple[bool, bool]:
    """Return a task's outcome; keep it where the grader failed twice."""
    if not done.failure:
        return done.outcome
    task = tasks[done.number]
    if task.kept is not None:
        return False, False  # the old result is better than none
    report = Report(
        notebook=clean(task.submission.name, 200),
        exercise=release.name,
        title=release.title,
    )
    failure = f"The grader failed on this one: {clean(done.failure, 500)}"
    graded = _result(task, report, {}, failure)
    _keep(out, graded)
    return _outcome(graded)
