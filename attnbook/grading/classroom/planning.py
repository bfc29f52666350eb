"""What of a class is still to be graded, and what may stay as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from attnbook.grading.classroom import fingerprints
from attnbook.grading.intake.submissions import Submission
from attnbook.grading.records import results
from attnbook.grading.records.results import Graded, ResultError

_MOST_GONE = 10  # who are named


@dataclass(frozen=True)
class Task:
    """A submission to grade.

    Where ``kept`` is there, its results stand for all graded cells but
    those of ``only``.
    """

    submission: Submission
    digest: str
    key: str
    kept: Graded | None = None
    only: frozenset[str] = frozenset()


@dataclass
class Plan:
    """What there is to do for one exercise."""

    tasks: list[Task] = field(default_factory=list)
    done: list[Graded] = field(default_factory=list)  # as they stand
    changed: int = 0  # of the tasks, graded before in another form
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Regrade:
    """What is graded again though nothing changed.

    ``students`` is None where nobody is meant, empty where all are;
    ``cells`` the grade_ids of the graded cells that count, empty for all.
    """

    students: frozenset[str] | None = None
    cells: frozenset[str] = frozenset()

    def names(self, student: str) -> bool:
        """Tell whether a student is meant."""
        if self.students is None:
            return False
        return not self.students or student in self.students


def one_each(
    submissions: Iterable[Submission],
) -> tuple[list[Submission], list[str]]:
    """Keep the latest submission of each student, with notes on others."""
    latest: dict[str, Submission] = {}
    notes = []
    for submission in submissions:
        other = latest.get(submission.student)
        if other is None:
            latest[submission.student] = submission
            continue
        older, newer = sorted((other, submission), key=_age)
        latest[submission.student] = newer
        notes.append(
            f"{submission.student} handed in twice: {newer.place} was taken, "
            f"the later one, and {older.place} left out."
        )
    return list(latest.values()), notes


def _age(submission: Submission) -> tuple:
    time = submission.received
    return (time is not None, time.timestamp() if time else 0.0)


def plan(
    out: Path,
    exercise: str,
    submissions: Sequence[Submission],
    circumstances: str,
    regrade: Regrade,
) -> Plan:
    """Compare submissions with the results that there are.

    Parameters
    ----------
    circumstances
        Digest of what all submissions have in common, as
        :func:`~attnbook.grading.classroom.fingerprints.of_circumstances`
        makes it.
    """
    found = Plan()
    for submission in submissions:
        old = _old(out, submission.student, exercise, found.notes)
        digest = submission.digest
        key = fingerprints.key(digest, circumstances)
        task = Task(submission, digest, key)
        is_meant = regrade.names(submission.student)
        if old is None:
            found.tasks.append(task)
        elif (
            regrade.cells
            and is_meant
            and old.digest == digest
            and old.status == "graded"
        ):
            found.tasks.append(replace(task, kept=old, only=regrade.cells))
        elif is_meant or old.key != key or old.failure:
            found.tasks.append(task)
            found.changed += old.key != key
        else:
            found.done.append(_as_received(old, submission))
    found.notes += _gone(out, exercise, submissions)
    return found


def _gone(
    out: Path, exercise: str, submissions: Sequence[Submission]
) -> list[str]:
    """Say who has a grade of an earlier run, and handed in nothing in this.

    What one student handed in may have been taken for several, while there
    was nothing of others beside it.
    """
    here = {results.path_of(out, one.student, exercise) for one in submissions}
    gone = []
    for path in results.paths(out):
        # What is damaged is told where it is published.
        with contextlib.suppress(ResultError):
            if path.stem == exercise and path not in here:
                gone.append(results.load(path).student)
    if not gone:
        return []
    have = "has" if len(gone) == 1 else "have"
    named = ", ".join(sorted(gone)[:_MOST_GONE])
    more = " and others" * (len(gone) > _MOST_GONE)
    return [
        f"{len(gone)} {have} a grade from before and nothing among these "
        f"submissions: {named}{more}. The grades stay. Where one is nobody's, "
        "begin in a new folder."
    ]


def _old(
    out: Path, student: str, exercise: str, notes: list[str]
) -> Graded | None:
    path = results.path_of(out, student, exercise)
    if not path.exists():
        return None
    try:
        return results.load(path)
    except ResultError:
        notes.append(f"{path} is damaged: {student} is graded again.")
        return None


def _as_received(old: Graded, submission: Submission) -> Graded:
    """Take over what may change without the content: times and names."""
    return replace(
        old,
        received=submission.received,
        is_marked_late=submission.is_marked_late,
        place=submission.place,
        identifiers=dict(submission.identifiers),
    )


def others(
    out: Path, exercise: str, has: Callable[[str], bool]
) -> Collection[str]:
    """Return the keys of students graded before for whom ``has`` is false."""
    return [
        path.parent.name
        for path in results.paths(out)
        if path.name == f"{exercise}.json" and not has(path.parent.name)
    ]
