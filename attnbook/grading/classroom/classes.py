"""The command ``class``: grade the submissions of a class.

::

    python -m attnbook.grading class SUBMISSIONS \\
        --exercise 03-scaled-dot-product --out grades

In this order: say what was understood, grade what is new or changed (a file
each, as soon as it is graded), publish what all result files say. So it can
be stopped and started at any time, and what is finished stays finished.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from attnbook.grading.arguments import Parser
from attnbook.grading.classroom import fingerprints, runs
from attnbook.grading.classroom.planning import (
    Plan,
    Regrade,
    Task,
    one_each,
    plan,
)
from attnbook.grading.classroom.progress import Progress
from attnbook.grading.classroom.runs import Run, RunError
from attnbook.grading.classroom.shards import Shard
from attnbook.grading.classroom.shards import parse as parse_shard
from attnbook.grading.classroom.workers import (
    Done,
    OutputError,
    Workers,
    WorkersError,
)
from attnbook.grading.grade import answers, clean, judge
from attnbook.grading.intake.by_student import listed
from attnbook.grading.intake.file_names import natural
from attnbook.grading.intake.submissions import (
    Found,
    describe,
    find,
    times_from_csv,
    with_times,
)
from attnbook.grading.isolation.limits import Limits
from attnbook.grading.notebook import read as notebooks
from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.notebook.release import Release, known_releases
from attnbook.grading.records import publish, results
from attnbook.grading.records.grades import Grade
from attnbook.grading.records.results import Graded, ResultError, key_of
from attnbook.grading.report import Report

_PATIENCE = 60.0  # seconds beyond a submission's own limit
_MOST_LISTED = 20

# One thread, from before NumPy is loaded: a process with more cannot be
# forked safely.
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

_UNITS = {
    "wall": ("S", "seconds for a cell, and for a call of an answer"),
    "total": ("S", "seconds for a submission"),
    "cpu": ("S", "seconds of processor time for a submission"),
    "memory": ("MIB", "MiB of memory beyond what it starts with"),
    "disk": ("MIB", "MiB for the files that it writes"),
    "threads": ("N", "threads at one time"),
    "output": ("MB", "MB of output that are kept"),
    "open_files": ("N", "open files at one time"),
    "notebook": ("MB", "MB of the notebook file"),
}


class RefusedError(Exception):
    """The command cannot be done as asked; the text says why."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    try:
        return _grade_class(options)
    except (
        RefusedError,
        UnusableError,
        RunError,
        ResultError,
        publish.PublishError,
        WorkersError,
        OutputError,
    ) as error:
        print(f"Not done: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"Not done: {place}{error.strerror}.", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m attnbook.grading class",
        description="Grade the submissions of a class, each in a sandbox of "
        "its own. Run it again and it grades what is new or changed.",
    )
    parser.add_argument(
        "submissions",
        type=Path,
        help="folder or zip of the submissions, as Moodle, Canvas, nbgrader "
        "or git leave it",
    )
    parser.add_argument(
        "--exercise",
        required=True,
        metavar="NAME",
        help="the released notebook, as in 03-scaled-dot-product",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="where grades and feedback go",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only say what was understood and what would be graded",
    )
    parser.add_argument(
        "--jobs",
        type=_count,
        default=_cores(),
        metavar="N",
        help="submissions at a time (default: the cores, here %(default)s)",
    )
    parser.add_argument(
        "--shard",
        type=_shard,
        default=Shard(),
        metavar="I/N",
        help="grade share I of N alone; `merge` joins the results",
    )
    parser.add_argument(
        "--seed",
        type=Path,
        metavar="FILE",
        help="file with the secret seed, to draw the same cases in several "
        "shards (default: DIR/seed, made on the first run)",
    )
    parser.add_argument(
        "--release",
        type=Path,
        metavar="FOLDER",
        help="folder of the released notebooks (default: exercises/)",
    )
    parser.add_argument(
        "--times",
        type=Path,
        metavar="CSV",
        help="table of who handed in when: student,submitted; it holds for "
        "this exercise until another is given; “none” for none",
    )
    again = parser.add_argument_group("grading again")
    again.add_argument(
        "--regrade",
        nargs="*",
        metavar="STUDENT",
        help="grade these students again, or all, though nothing changed",
    )
    again.add_argument(
        "--regrade-exercise",
        nargs="+",
        default=[],
        metavar="ID",
        help="grade again, but let only these graded cells (03-judge) count; "
        "the others keep their points",
    )
    limits = parser.add_argument_group(
        "limits", "What a submission may use up before it is stopped."
    )
    for field in fields(Limits):
        metavar, words = _UNITS[field.name]
        limits.add_argument(
            f"--{field.name.replace('_', '-')}",
            dest=f"limit_{field.name}",
            type=type(field.default),
            default=field.default,
            metavar=metavar,
            help=f"{words} (default: %(default)g)",
        )
    limits.add_argument(
        "--no-sandbox",
        action="store_true",
        help="run student code unprotected, with your rights; each grade is "
        "marked so",
    )
    publish.add_arguments(parser)
    return parser


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1_000:
        raise argparse.ArgumentTypeError(
            f"expected a number from 1 to 1000, got {text}"
        )
    return number


def _shard(text: str) -> Shard:
    try:
        return parse_shard(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


# -- the order of things -----------------------------------------------------


@dataclass(frozen=True)
class _Class:
    """All that is known before the first submission is graded."""

    found: Found
    release: Release
    limits: Limits
    isolation: str
    run: Run
    plan: Plan
    refusal: str = ""  # why it could not be graded, on a dry run


def _grade_class(options: argparse.Namespace) -> int:
    out = options.out
    if not options.dry_run:
        with runs.alone(out):
            return _graded(_understood(options), options)
    understood = _understood(options)
    print(_intentions(understood, options))
    print("\nNothing was graded. Without --dry-run it is.")
    return 0


def _understood(options: argparse.Namespace) -> _Class:
    """Read what was given, and refuse what cannot be graded.

    Raises
    ------
    RefusedError, UnusableError, RunError
        With a text that says what to do.
    """
    releases, notes = known_releases(options.release, Path())
    found = find(options.submissions, options.exercise, releases)
    _refuse_among(found, options.out)
    found = _with_times(found, options)
    release = releases[options.exercise]
    if not release.graded:
        raise RefusedError(f"{release.name} has no graded cells.")
    limits = _limits(options)
    publish.check(options.out, _publishing(options))
    refusal = ""
    try:
        isolation = _isolation(options.no_sandbox)
    except RefusedError as error:
        if not options.dry_run:
            raise
        isolation, refusal = "bubblewrap", str(error)
    submissions, doubles = one_each(found.submissions)
    if not submissions:
        print(describe(found))
        raise RefusedError("there is nothing to grade.")
    strangers = set(options.extensions or ()) - {
        one.student for one in submissions
    }
    if strangers:
        doubles.append(
            "Nobody with these names of the table of extensions handed in: "
            f"{listed(sorted(strangers, key=natural))}. A name is written "
            "there as it is above."
        )
    submissions = [
        one for one in submissions if options.shard.has(one.student)
    ]
    found = replace(
        found,
        submissions=tuple(submissions),
        notes=(*notes, *found.notes, *doubles),
    )
    print(describe(found))
    run = Run(
        exercise=release.name,
        shard=options.shard,
        release=fingerprints.of_release(release),
        package=fingerprints.of_package(),
        seed="",
        isolation=isolation,
        limits=asdict(limits),
        students=tuple(sorted(key_of(one.student) for one in submissions)),
    )
    _refuse_other_shard(options.out, run)
    circumstances = fingerprints.of_circumstances(
        run.release, run.package, limits, isolation
    )
    regrade = _regrade(options, release, [s.student for s in submissions])
    return _Class(
        found,
        release,
        limits,
        isolation,
        run,
        plan(options.out, release.name, submissions, circumstances, regrade),
        refusal,
    )


def _refuse_among(found: Found, out: Path) -> None:
    """Refuse to put grades where they would be handed in by the next run.

    Raises
    ------
    RefusedError
        When the folder of the grades is one of the submissions.
    """
    root = Path(found.path).resolve()
    if found.layout == "folders" and root in [
        out.resolve(),
        *out.resolve().parents,
    ]:
        runs.forget(out)
        raise RefusedError(
            f"{out} lies among the submissions, and would be taken for a "
            "student. Name a folder elsewhere with --out."
        )


def _with_times(found: Found, options: argparse.Namespace) -> Found:
    """Put in the times of the teacher's table, given now or before.

    A deadline holds until another is given. Did the table not, then one
    student graded again would make the whole class late.
    """
    kept = runs.times_path(options.out, options.exercise)
    if options.times is not None:
        if str(options.times) == "none":
            return found
        return with_times(found, times_from_csv(options.times))
    if not kept.exists():
        return found
    found = with_times(found, times_from_csv(kept))
    note = (
        "The times are of the table given before. --times FILE gives a newer "
        "one, --times none drops it."
    )
    return replace(found, notes=(*found.notes, note))


def _limits(options: argparse.Namespace) -> Limits:
    try:
        return Limits(
            **{f.name: getattr(options, f"limit_{f.name}") for f in
               fields(Limits)}
        )  # fmt: skip
    except ValueError as error:
        raise RefusedError(str(error)) from None


def _isolation(is_unprotected: bool) -> str:
    """Return how student code is kept apart.

    Raises
    ------
    RefusedError
        When it cannot be, and nobody said that it need not.
    """
    if not hasattr(os, "fork"):
        raise RefusedError(
            "Windows cannot fork the processes that a class is graded in. "
            "Grade in WSL 2 (`wsl --install`), where the sandbox works too."
        )
    if is_unprotected:
        return "none"
    from attnbook.grading.isolation.sandbox.support import support

    found = support()
    if found.ok:
        return "bubblewrap"
    ways = "".join(f"\n  • {way}" for way in found.ways_out)
    raise RefusedError(
        f"the sandbox does not work here. {found.reason}{ways}\n"
        "  • --no-sandbox grades without it: student code then runs with "
        "your rights, and each grade is marked as unprotected."
    )


def _refuse_other_shard(out: Path, run: Run) -> None:
    for old in runs.load_all(out):
        if old.exercise == run.exercise and run.shard not in (
            old.shard,
            Shard(),
        ):
            raise RefusedError(
                f"{out} holds share {old.shard} of {run.exercise}, and share "
                f"{run.shard} was asked for. Name another folder with --out; "
                "`merge` joins the two."
            )


def _regrade(
    options: argparse.Namespace, release: Release, students: Sequence[str]
) -> Regrade:
    """Read what is to be graded again.

    Raises
    ------
    RefusedError
        When there is no such student or cell.
    """
    cells = frozenset(options.regrade_exercise)
    known = [cell.grade_id for cell in release.graded]
    _refuse_unknown("graded cell", cells - set(known), known)
    names = options.regrade
    if names is None and cells:
        names = []
    if names is None:
        return Regrade()
    _refuse_unknown("student", set(names) - set(students), students)
    return Regrade(frozenset(names), cells)


def _refuse_unknown(
    kind: str, unknown: set[str] | frozenset[str], known: Sequence[str]
) -> None:
    import difflib

    for name in sorted(unknown):
        near = difflib.get_close_matches(name, known, 5, 0) or known[:5]
        raise RefusedError(
            f"there is no {kind} {clean(name, 100)} in what is graded here. "
            f"There are {', '.join(near)}"
            f"{' and others' if len(known) > len(near) else ''}."
        )


def _intentions(understood: _Class, options: argparse.Namespace) -> str:
    """Say how it is going to be graded, and how much there is to do."""
    plan = understood.plan
    limits = ", ".join(
        f"{name.replace('_', ' ')} {value:g}"
        for name, value in asdict(understood.limits).items()
    )
    protection = understood.refusal or (
        "bubblewrap"
        if understood.isolation == "bubblewrap"
        else "NONE: student code runs with your rights"
    )
    changed = f" ({plan.changed} of them changed)" if plan.changed else ""
    due = publish.deadline(options.out, _publishing(options))
    lines = [
        f"Deadline:    {str(due).removeprefix('Due ') if due else 'none'}",
        f"Limits:      {limits}",
        f"Isolation:   {protection}",
        f"To grade:    {len(plan.tasks)}{changed}; "
        f"{len(plan.done)} are graded already",
    ]
    if options.shard != Shard():
        lines.append(f"Shard:       {options.shard}, of the whole class")
    lines += [f"  • {note}" for note in plan.notes]
    return "\n".join(lines)


def _graded(understood: _Class, options: argparse.Namespace) -> int:
    """Grade what is to be graded, publish all, and sum up."""
    out = options.out
    print(_intentions(understood, options), flush=True)
    seed = runs.secret(out, options.seed)
    runs.write(out, replace(understood.run, seed=runs.fingerprint(seed)))
    if options.times is not None:
        runs.keep_times(out, options.exercise, options.times)
    for graded in understood.plan.done:
        if results.load(_path(out, graded)) != graded:
            results.write(out, graded)
    with _interruptible() as interrupts:
        left = _grade_tasks(understood, out, options.jobs, seed, interrupts)
        if not results.paths(out):
            return _end(left)
        published = publish.publish(out, _publishing(options))
    print(_summary(understood, published))
    return _end(left)


def _publishing(options: argparse.Namespace) -> publish.Options:
    return publish.options_of(options, options.exercise, options.release)


def _end(left: int) -> int:
    if not left:
        return 0
    print(
        f"Interrupted: {left} submissions are left. What is finished is "
        "kept; run the same command again to go on.",
        file=sys.stderr,
    )
    return 130


def _path(out: Path, graded: Graded) -> Path:
    return results.path_of(out, graded.student, graded.exercise)


# -- grading -----------------------------------------------------------------


@dataclass
class _Interrupts:
    """Counts Ctrl-C: the first stops in good order, the second at once."""

    count: int = 0

    def __call__(self, *_: object) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _interruptible() -> Iterator[_Interrupts]:
    interrupts = _Interrupts()
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


def _grade_tasks(
    understood: _Class,
    out: Path,
    jobs: int,
    seed: int,
    interrupts: _Interrupts,
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


# -- afterwards --------------------------------------------------------------


def _lateness(grades: Sequence[Grade]) -> list[str]:
    """Say how many are late and what it costs: a wrong time shows here."""
    late = [grade for grade in grades if grade.lateness.text]
    unknown = sum(
        grade.lateness.is_unknown and not grade.lateness.text
        for grade in grades
    )
    lines = []
    if late:
        lost = sum(grade.penalty for grade in late)
        lines.append(
            f"Late are {len(late)} of {len(grades)}, at a cost of {lost:g} "
            "points in all."
        )
    if unknown:
        lines.append(
            f"When {unknown} of {len(grades)} handed in is not known, and "
            "they count as in time: give the times with --times."
        )
    return lines


def _summary(understood: _Class, published: publish.Published) -> str:
    """Sum up what the results of this exercise say."""
    exercise = understood.release.name
    grades = [
        grade
        for grade in published.grades
        if grade.graded.exercise == exercise
    ]
    found = [grade.graded for grade in grades]
    graded = sum(one.status == "graded" for one in found)
    totals = [grade.total for grade in grades if grade.total is not None]
    out_of = understood.release.points
    lines = ["", f"Graded {graded} of {len(found)} in {exercise}"]
    if totals:
        mean = sum(totals) / len(totals)
        full = sum(total >= out_of for total in totals)
        lines[-1] += (
            f": mean {mean:.1f} of {out_of:g} points, {full} with full marks"
        )
    lines[-1] += "."
    lines += _lateness(grades)
    trouble = [
        grade.graded
        for grade in grades
        if grade.graded.trouble and grade.total is None
    ]
    if trouble:
        lines += ["", f"Without a grade ({len(trouble)}):"]
        lines += [
            f"  • {clean(g.student, 60)}: {clean(g.trouble, 300)}"
            for g in trouble[:_MOST_LISTED]
        ]
        if len(trouble) > _MOST_LISTED:
            lines.append(f"  • and {len(trouble) - _MOST_LISTED} more")
    lines += [""]
    if understood.isolation == "none":
        lines.append(
            "Unprotected: student code ran without a sandbox, and could do "
            "whatever you can."
        )
    lines += [
        f"Class page:  {published.page}",
        f"Tables:      {published.page.with_name('grades.csv')}, also for "
        "Canvas and Moodle, and as JSON",
        f"Gradebook:   {published.database}",
        f"Isolation:   {understood.isolation}",
    ]
    return "\n".join(lines)
