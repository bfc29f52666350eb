"""What Blackboard and Brightspace call what they hand out.

Both hand out every attempt, and its time stands in the name alone::

    Assignment_username_attempt_2026-11-19-10-00-00_NAME.ipynb
    Assignment_username_attempt_2026-11-19-10-00-00.txt
    12345-67890 - Full name - Nov 19, 2026 1000 AM/NAME.ipynb
    12345-67890 - Full name - Nov 19, 2026 1000 AM - NAME.ipynb

The first two are Blackboard's *Assignment File Download*: a student's file,
and what Blackboard says of the attempt. The others are Brightspace's, of
which 12345 is the user; an ``index.html`` lies beside them. What a student
chooses stands behind the time, so it can name nobody else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from datetime import datetime

from attnbook.grading.intake.file_names import Sender

INDEX = "index.html"  # Brightspace's own

_BLACKBOARD = re.compile(
    r"(?P<before>.+?_[^_].*?)_attempt_(?P<time>\d{4}(?:-\d\d){5})"
    r"(?:_(?P<file>.+)|\.txt)",
    re.DOTALL,
)
_BRIGHTSPACE = re.compile(
    r"(?P<user>\d+)-\d+ - (?P<name>.+?) - "
    r"(?P<first>\w+)\.? (?P<second>\w+)\.?,? (?P<year>\d{4}),? "
    r"(?P<hour>\d{1,2})(?P<minute>\d\d)(?: (?P<half>[AP])M)?"
    r"(?: - (?P<file>.+))?",
    re.DOTALL,
)
_MONTHS = [
    "jan", "feb", "mar", "apr", "may", "jun",
    "jul", "aug", "sep", "oct", "nov", "dec",
]  # fmt: skip

# A date, a number of an attempt, or two long numbers.
_OF_A_SYSTEM = re.compile(
    r"\d{4}-\d\d-\d\d|(?:attempt|submission)[ _-]?\d|\d{4,}\D+\d{4,}",
    re.IGNORECASE,
)


def is_blackboards(name: str) -> bool:
    """Whether Blackboard names what it hands out so."""
    return _BLACKBOARD.fullmatch(name) is not None


def is_brightspaces(name: str) -> bool:
    """Whether Brightspace names what it hands out so."""
    return _BRIGHTSPACE.fullmatch(name) is not None


def is_of_a_system(name: str) -> bool:
    """Whether a name looks as if it was made, and not given by a person."""
    return _OF_A_SYSTEM.search(name) is not None


def from_blackboard(names: Iterable[str]) -> Callable[[str], Sender | None]:
    """Return what takes the names of one class apart.

    What all of them begin with is the assignment's, as both it and a
    username may have underscores.
    """
    matches = map(_BLACKBOARD.fullmatch, names)
    before = [match["before"] for match in matches if match]
    # Of names and not of paths; of one name it is all that stands there.
    shared = os.path.commonprefix(before)  # noqa: RUF071
    assignment = shared[: shared.rfind("_") + 1]

    def taken_apart(name: str) -> Sender | None:
        match = _BLACKBOARD.fullmatch(name)
        if match is None:
            return None
        return _sender(
            match["before"].removeprefix(assignment),
            match["file"],
            [int(part) for part in match["time"].split("-")],
        )

    return taken_apart


def from_brightspace(name: str) -> Sender | None:
    """Take the name of a folder or file apart."""
    match = _BRIGHTSPACE.fullmatch(name)
    if match is None:
        return None
    hour = int(match["hour"])
    if match["half"]:
        hour = hour % 12 + 12 * (match["half"] == "P")
    month, day = match["first"], match["second"]
    if month.isdecimal():
        month, day = day, month
    short = month[:3].lower()
    parts = [
        int(match["year"]),
        1 + _MONTHS.index(short) if short in _MONTHS else 0,
        int(day) if day.isdecimal() else 0,
        hour,
        int(match["minute"]),
    ]
    return _sender(f"{match['name']} {match['user']}", match["file"], parts)


def _sender(student: str, file: str | None, time: list[int]) -> Sender:
    try:
        attempt = datetime(*time).astimezone()
    except (ValueError, OverflowError, OSError):
        attempt = None
    return Sender(student=student, file=file or "", time=attempt, key=student)
