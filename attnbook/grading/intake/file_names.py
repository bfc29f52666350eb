"""What a file's name says of who handed it in, and how to show it.

Moodle's *Download all submissions* names folders, or, with *Download
submissions in folders* switched off, files::

    Full name_12345_assignsubmission_file/NAME.ipynb
    Full name_12345_assignsubmission_file_NAME.ipynb

12345 is the participant's number, the one that the grading worksheet calls
``Participant 12345``; in blind marking the name is ``Participant``, for a
group it is the group's, with the group's number. Underscores in a name
become spaces; Moodle up to 4.0 ends the folder in another underscore. An
online text stands in ``…_assignsubmission_onlinetext``.

    https://github.com/moodle/moodle/blob/main/mod/assign/classes/downloader.php
    https://github.com/moodle/moodle/blob/main/mod/assign/feedback/offline/importgradeslib.php

Canvas's *Download Submissions* names files::

    lastfirst_4711_98765_NAME.ipynb
    lastfirst_LATE_4711_98765_NAME.ipynb
    anon_Ab3dE_98765_NAME.ipynb      (LATE_anon_Ab3dE_98765_NAME.ipynb)

4711 is the user, the ``ID`` of the gradebook's table; 98765 is the file.
Of a name its letters, digits and underscores are left, in lower case. A
second file of a name becomes ``NAME-1.ipynb``. A text that was typed in
has no number of a file: ``lastfirst_4711_text.html``.

    https://github.com/instructure/canvas-lms/blob/master/lib/content_zipper.rb
    https://github.com/instructure/canvas-lms/blob/master/app/models/attachment.rb
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime

_LONGEST = 100  # characters of a name that are shown

# Persian and Indic names are written with these two.
_JOINERS = "\u200c\u200d"

# Letters and marks of no shape, by which one name could look like another.
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"

# Surrogates that stand for no byte of a file's name.
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")

_MOODLE = re.compile(
    r"(?P<name>.+?)(?:_(?P<id>\d+))?_assignsubmission_[a-z]+"
    r"(?:_(?P<file>.*))?",
    re.DOTALL,
)
_CANVAS = re.compile(
    r"(?:(?P<name>\w+?)_)?(?:(?P<late>LATE|late)_)?"
    r"(?:anon_(?P<anonymous>[0-9A-Za-z]+)|(?P<user>\d+))_"
    r"(?:(?P<number>\d+)_(?P<file>.+)|(?P<typed>(?:text|link)\.html))",
    re.DOTALL,
)


# The student chooses the end of a name from Canvas, and by a full name such as
# "x_12" also its beginning: where the end has a number in front, nobody knows
# which of the numbers is the user's.
_DOUBTFUL = re.compile(r"\d+_.|(?:text|link)\.html$", re.DOTALL)


@dataclass(frozen=True)
class Sender:
    """Who a file's name says that it is from."""

    student: str
    key: str  # equal where two files are of one student, and only there
    file: str = ""  # the name that the student gave the file
    is_sure: bool = True  # whether no other could have a file of this name
    is_marked_late: bool = False
    identifiers: dict[str, str] = field(default_factory=dict, hash=False)
    order: int = 0  # grows with the time at which a file was handed in
    time: datetime | None = None  # of the attempt, where the name has it


def from_moodle(name: str) -> Sender | None:
    """Take the name of a folder or file from Moodle apart."""
    match = _MOODLE.fullmatch(name)
    if match is None:
        return None
    full_name = match["name"].replace("_", " ").strip()
    identifiers = {"full_name": readable(full_name)}
    student = key = full_name
    if match["id"]:
        # Two students of one name are nothing rare.
        student = f"{full_name} {match['id']}"
        # No name has an underscore, so that no group is called so.
        key = f"{full_name}_{match['id']}"
        identifiers["moodle_id"] = match["id"]
    return Sender(
        student,
        key,
        match["file"] or "",
        is_sure=bool(match["id"]),
        identifiers=identifiers,
    )


def from_canvas(name: str) -> Sender | None:
    """Take the name of a file from Canvas apart."""
    match = _CANVAS.fullmatch(name)
    if match is None:
        return None
    short = match["name"] or ""
    is_late = bool(match["late"])
    if match["anonymous"]:
        is_late = is_late or short == "LATE"
        student = f"anon {match['anonymous']}"
        identifiers = {"canvas_anonymous_id": match["anonymous"]}
    else:
        student = f"{short} {match['user']}".strip()
        identifiers = {"canvas_id": match["user"]}
    file = match["file"] or match["typed"]
    is_sure = not match["number"] or _DOUBTFUL.match(file) is None
    return Sender(
        student,
        student if is_sure else f"{student} {match['number']}",
        file,
        is_sure,
        is_late,
        identifiers,
        int(match["number"] or 0),
    )


def is_shown_whole(shown: str) -> bool:
    """Whether :func:`readable` left nothing out that tells two names apart.

    But for the spelling in Unicode, and blanks.
    """
    return "�" not in shown and not shown.endswith("…")


def readable(name: str, longest: int = _LONGEST) -> str:
    """Make a name fit to be shown, on one line and as it is read.

    Control characters, marks that turn the direction of writing, and bytes
    that are no text become "�"; what is longer than ``longest`` characters
    is cut.
    """
    # A longer one may be ten thousand characters that combine into one.
    text = _NO_BYTE.sub("�", name[: 4 * longest])
    text = text.encode("utf-8", "surrogateescape")
    text = unicodedata.normalize("NFC", text.decode("utf-8", "replace"))
    text = "".join(map(_shown, text))
    text = " ".join(text.split())
    if len(text) > longest or len(name) > 4 * longest:
        text = text[: longest - 1] + "…"
    return text or "(no name)"


def _shown(character: str) -> str:
    if character in "\t\n\r":
        return " "
    kind = unicodedata.category(character)
    is_hidden = kind in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    is_hidden = is_hidden or character in _BLANK
    return "�" if is_hidden and character not in _JOINERS else character


def folded(name: str) -> str:
    """Return what is left where case and the spelling in Unicode go.

    Two names that are equal so look alike.
    """
    text = unicodedata.normalize("NFKC", name).casefold()
    text = unicodedata.normalize("NFKC", text)
    return "".join(character for character in text if character.isprintable())


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts "student-2" before "student-10"."""
    parts = re.findall(r"(\d{1,18})|(\D+|\d+)", name.casefold())
    return [
        (0, int(digits), "") if digits else (1, 0, text)
        for digits, text in parts
    ]
