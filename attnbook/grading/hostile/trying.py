"""Grades a hostile notebook, and says what is not as it should be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from attnbook.grading.grade import grade_bytes
from attnbook.grading.hostile.kind import Kind
from attnbook.grading.hostile.traps import Traps
from attnbook.grading.isolation.limits import Limits
from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.report import Report, by_exercise

if TYPE_CHECKING:
    from attnbook.grading.isolation.apart import Examiner
    from attnbook.grading.notebook.release import Release


LIMITS = Limits(
    wall=5.0, total=60.0, cpu=45.0, memory=512.0, disk=16.0, output=0.5
)
# For those that use up all the time that they are given.
BRIEF = replace(LIMITS, wall=1.5, total=8.0)
# Far beyond those limits, also on a machine with much else to do.
_TOO_LONG = 90.0  # seconds


@dataclass(frozen=True)
class Outcome:
    """What came of grading a hostile notebook."""

    kind: Kind
    report: Report
    effects: dict[str, list[str]]
    seconds: float

    @property
    def faults(self) -> list[str]:
        """What is not as it should be, in words."""
        found = [words for kind in self.effects.values() for words in kind]
        if self.seconds > _TOO_LONG:
            found.append(f"it took {self.seconds:.0f} s")
        if self.report.reason:
            return [*found, f"it was not graded: {self.report.reason}"]
        for title, points, deserved in self._by_exercise():
            if points != deserved:
                found.append(
                    f"{title} got {points:g} points and deserves {deserved:g}"
                )
        text = text_of(self.report)
        found += [
            f"the report does not say “{words}”"
            for words in self.kind.reports
            if words not in text
        ]
        found += [
            f"the report holds {words!r}"
            for words in self.kind.conceals
            if words in text
        ]
        return found

    def _by_exercise(self) -> Iterator[tuple[str, float, float]]:
        """The points of each exercise, and those that it deserves.

        Whatever earns a part of an exercise that deserves nothing is found.
        """
        for exercise in by_exercise(self.report.results):
            ids = [result.grade_id for result in exercise.results]
            deserved = sum(
                points
                for name, points in self.kind.earned.items()
                if any(
                    one == name or one.startswith(f"{name}-") for one in ids
                )
            )
            yield exercise.title, exercise.points, deserved


def text_of(report: Report) -> str:
    """Return all that a report says, as people read it."""
    return "\n".join(
        [report.notebook, report.reason, *report.notes]
        + [f"{result.title} {result.message}" for result in report.results]
    )


def warm_up(release: Release, examiner: Examiner, traps: Traps) -> Kind:
    """Grade an honest notebook, so that all that grading needs runs.

    Returns the kind of that notebook, for those who want to see it graded.
    """
    honest = Kind(
        "honest", "Answers an exercise honestly.", exercise=release.name
    )
    data = honest.notebook(traps.exercises)
    grade_bytes(data, f"{honest.name}.ipynb", release, examiner)
    traps.expect_processes()
    return honest


def attempt(
    kind: Kind, release: Release, examiner: Examiner, traps: Traps
) -> Outcome:
    """Grade a hostile notebook and look what got out.

    Parameters
    ----------
    release
        The exercise that the kind is a change of.
    examiner
        One for that release; it has graded before, so that what it needs
        runs already. Its limits are set here.
    traps
        Open.
    """
    examiner.limits = BRIEF if "time" in kind.looks_for else LIMITS
    began = time.monotonic()
    data = kind.notebook(traps.exercises, traps.fill)
    try:
        for _ in range(kind.times):
            report = grade_bytes(data, f"{kind.name}.ipynb", release, examiner)
    except UnusableError as error:
        report = Report(notebook=kind.name, reason=str(error))
    seconds = time.monotonic() - began
    return Outcome(kind, report, traps.effects(), seconds)
