"""The time that nbgrader writes beside what a student hands in.

It stands in ``STUDENT/ASSIGNMENT/timestamp.txt``, in the zone that the
course's ``Exchange.timezone`` names::

    2026-11-20 18:00:00.000000 UTC
    2026-11-20 18:00:00.000000 +0200
    2026-11-20 18:00:00.000000 CET

nbgrader itself (``nbgrader.utils.parse_utc``) takes ``+0200`` for two hundred
seconds, most abbreviations for UTC, and CET in summer for CEST.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from attnbook.grading.intake.file_names import readable
from attnbook.grading.intake.places import Entry
from attnbook.grading.notebook.read import UnusableError

# Hours of the abbreviations that the tz database has as zones too. Each
# stands for one offset in it: in summer nobody's clock says CET but where it
# is CET all year. Of the others many are of two zones (IST, CST, BST), or are
# not in the database at all; those are not guessed.
_HOURS = {
    **{"UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "CET": 1, "MET": 1, "EET": 2},
    **{"EST": -5, "MST": -7, "HST": -10},
}
_STAMP = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)"
    r"\s*(?P<zone>\S*)"
)
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
_ASK = "When it was handed in is not known; --times can say it."


def received(
    parts: tuple[str, ...], files: Iterable[Entry]
) -> tuple[datetime | None, str]:
    """Return when an assignment was handed in, and why it is not known.

    Parameters
    ----------
    parts
        Of the path of a file in the assignment, from the student's folder.
    files
        All that the student handed in.
    """
    stamp = (*parts[:2], "timestamp.txt")
    places = [file.place for file in files if file.parts == stamp]
    if len(parts) < 3 or not places or not places[0]:
        return None, f"there is no timestamp.txt of nbgrader. {_ASK}"
    try:
        # Windows puts a mark in front.
        text = places[0].read(1_000).decode("utf-8-sig").strip()
        return _read(text), ""
    except (UnusableError, ValueError, OverflowError):
        return (
            None,
            f"timestamp.txt holds no time as nbgrader writes it. {_ASK}",
        )
    except LookupError as error:
        zone = readable(str(error.args[0]), 40)
        return None, (
            f"timestamp.txt names a time zone, {zone}, that is not known or "
            f"may be one of several. {_ASK}"
        )


def _read(text: str) -> datetime:
    match = _STAMP.fullmatch(text)
    if match is None:
        raise ValueError(text)
    time = datetime.fromisoformat(match["time"])
    return time.replace(tzinfo=_zone(match["zone"])).astimezone(UTC)


def _zone(name: str) -> tzinfo:
    """Return a time zone.

    Raises
    ------
    LookupError
        With the name, when there is none.
    """
    offset = _OFFSET.fullmatch(name)
    if offset:
        sign, hours, minutes = offset.groups()
        span = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-span if sign == "-" else span)
    if name in _HOURS or not name:
        return timezone(timedelta(hours=_HOURS.get(name, 0)))
    try:
        # Of Area/Place alone: others are files of the machine's own.
        if "/" in name:
            return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        pass
    raise LookupError(name)
