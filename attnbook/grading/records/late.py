"""Deadlines, and what being late costs.

The penalty is a share of all the points there are, for each day or hour that
has begun, as Canvas and Moodle reckon it too; it never takes more than was
earned. What counts is when the submission was *received*, which the system
that collected it knows; a file's own times are the student's to choose.
Where a system tells only that it came late, as a file name of Canvas does,
one day (or hour) is counted, and that is said.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attnbook.grading.records.student_tables import read_table

_UNITS = {
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_STEPS = {"day": timedelta(days=1), "hour": timedelta(hours=1)}


@dataclass(frozen=True)
class Policy:
    """When an exercise is due, and what a late submission loses.

    ``share`` and ``most`` are fractions of all the points; ``zero_after`` is
    the lateness from which nothing is left, None for never. Who hands in
    within ``grace`` of the deadline is not late; who does so later is late
    from the deadline on. ``extensions`` maps a student to a deadline of
    their own, or to None where none holds for them.
    """

    due: datetime
    share: float = 0.0
    per: str = "day"
    most: float = 1.0
    grace: timedelta = timedelta(0)
    zero_after: timedelta | None = None
    extensions: Mapping[str, datetime | None] = field(default_factory=dict)

    def due_for(self, student: str) -> datetime | None:
        """Return the student's own deadline, None where none holds."""
        return self.extensions.get(student, self.due)

    def lateness(
        self,
        student: str,
        received: datetime | None,
        is_marked_late: bool = False,
    ) -> Lateness:
        """Say how late a submission is, and which share of points it costs.

        Parameters
        ----------
        received
            When it came, with a time zone; None where nobody knows.
        is_marked_late
            Whether the system that collected it calls it late.
        """
        due = self.due_for(student)
        if due is None:
            return Lateness()
        if received is None:
            if not is_marked_late or student in self.extensions:
                return Lateness(is_unknown=True)
            share = min(self.share, self.most)
            text = (
                f"marked late, by how much is not known: one {self.per} "
                "was counted"
            )
            return Lateness(share, text, is_unknown=True)
        # One without a zone is in that of this machine.
        late = received.astimezone(UTC) - due
        if late <= max(self.grace, timedelta(0)):
            return Lateness()
        steps = math.ceil(late / _STEPS[self.per])
        share = min(steps * self.share, self.most)
        text = f"{steps} {self.per}{'s' if steps > 1 else ''} late"
        if self.zero_after is not None and late > self.zero_after:
            share = 1.0
            text += f", more than {as_text(self.zero_after)}"
        return Lateness(share, text, seconds=late.total_seconds())

    def as_dict(self) -> dict[str, Any]:
        """Return what :func:`policy_of` reads again."""
        return {
            "due": self.due.isoformat(),
            "share": self.share,
            "per": self.per,
            "most": self.most,
            "grace": self.grace.total_seconds(),
            "zero_after": self.zero_after and self.zero_after.total_seconds(),
            "extensions": {
                student: due and due.isoformat()
                for student, due in sorted(self.extensions.items())
            },
        }

    def __str__(self) -> str:
        """Say the rule in a sentence."""
        text = f"Due {moment(self.due)}."
        if self.share:
            text += (
                f" Each {self.per} late that has begun costs "
                f"{self.share * 100:.4g}% of all points"
            )
            if self.most < 1:
                text += f", {self.most * 100:.4g}% at most"
            text += "."
        if self.zero_after is not None:
            text += f" After {as_text(self.zero_after)} no points are left."
        if self.grace:
            text += f" The first {as_text(self.grace)} are free."
        return text


@dataclass(frozen=True)
class Lateness:
    """How late a submission is; ``text`` is "" where it is not."""

    share: float = 0.0  # of all points
    text: str = ""
    is_unknown: bool = False  # nobody knows when it came
    seconds: float = 0.0

    def penalty(self, points: float, out_of: float) -> float:
        """Return the points it costs, never more than there are."""
        if self.share <= 0 or points <= 0:
            return 0.0
        return round(min(self.share * out_of, points), 4)


def policy_of(content: Mapping[str, Any]) -> Policy:
    """Return the policy that :meth:`Policy.as_dict` described."""
    zero_after = content["zero_after"]
    return Policy(
        due=datetime.fromisoformat(content["due"]),
        share=content["share"],
        per=content["per"],
        most=content["most"],
        grace=timedelta(seconds=content["grace"]),
        zero_after=None
        if zero_after is None
        else timedelta(seconds=zero_after),
        extensions={
            student: due and datetime.fromisoformat(due)
            for student, due in content["extensions"].items()
        },
    )


# -- reading what a teacher writes -----------------------------------------


def read_moment(text: str) -> datetime:
    """Read a point in time, such as ``2026-12-01T23:59+01:00``.

    Raises
    ------
    ValueError
        When it is none, or says nothing of its time zone.
    """
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            "expected a time such as 2026-12-01T23:59+01:00, got "
            f"{text.strip()[:60]!r}"
        ) from None
    if read.tzinfo is None:
        raise ValueError(
            f"{text.strip()} needs a time zone: write "
            f"{read.isoformat(timespec='minutes')}+01:00, or Z for UTC"
        )
    return read


def read_share(text: str) -> float:
    """Read a percentage, such as ``10%``, as a fraction.

    Raises
    ------
    ValueError
        When it is none between 0% and 100%.
    """
    match = re.fullmatch(r"\s*(\d{1,3}(?:\.\d{1,6})?)\s*%\s*", text)
    if not match or float(match[1]) > 100:
        raise ValueError(
            f"expected a percentage from 0% to 100%, got {text[:60]!r}"
        )
    return float(match[1]) / 100


def read_span(text: str) -> timedelta:
    """Read a span of time, such as ``15min``, ``2h`` or ``7d``.

    Raises
    ------
    ValueError
        When it is none.
    """
    match = re.fullmatch(r"\s*(\d{1,5})\s*(min|h|d)\s*", text)
    if not match:
        raise ValueError(
            f"expected a time such as 15min, 2h or 7d, got {text[:60]!r}"
        )
    return int(match[1]) * _UNITS[match[2]]


def read_extensions(path: Path) -> dict[str, datetime | None]:
    """Read a table with the columns ``student`` and ``due``.

    An empty ``due`` means that no deadline holds for the student. How a
    student may be named, :mod:`attnbook.grading.records.student_tables`
    says.

    Raises
    ------
    ValueError
        When the file cannot be read as such; the text names the line.
    """
    return read_table(path, "due", read_moment)


def moment(time: datetime) -> str:
    """Write a time as a person reads it, in its own time zone."""
    return f"{time:%Y-%m-%d %H:%M} {time:%Z}".rstrip()


def as_utc(time: datetime) -> datetime:
    """Return a time in UTC without a zone, as nbgrader keeps it."""
    return time.astimezone(UTC).replace(tzinfo=None)


def as_text(span: timedelta) -> str:
    """Write a span of time as :func:`read_span` reads it, with a space."""
    for name in ("d", "h", "min"):
        count = span / _UNITS[name]
        if count == int(count) and count:
            return f"{count:g} {name}"
    return f"{span.total_seconds():g} s"
