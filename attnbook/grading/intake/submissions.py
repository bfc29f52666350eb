"""Who handed in what: the layouts in which teachers have a class's work.

:func:`find` recognises these, in a folder or in a zip of it:

================  ==========================================================
``folders``       one folder for each student
``nbgrader``      ``submitted/STUDENT/ASSIGNMENT/``, or the course around it
``moodle``        *Download all submissions*, in folders or flat
``canvas``        *Download Submissions*
``blackboard``    *Assignment File Download*
``brightspace``   *Download* of what is in an assignment's folder
``repositories``  cloned repositories
``files``         notebooks named by student
``notebook``      one notebook
================  ==========================================================

In each, a student may have handed in a zip instead. The notebook of the
exercise is known by what is in it, whatever its name. Nobody is dropped: a
student without a notebook that can be graded is a :class:`Submission` too,
and its :meth:`~Submission.data` says why.

Whatever comes from a file's name is made readable here
(:func:`attnbook.grading.intake.file_names.readable`), but it is still a
student's own text: escape it where it is shown, and build no path from it.

``Submission.identifiers`` has, where the layout tells them:

=======================  ===================================================
``moodle_id``            ``"12345"`` of *Participant 12345*
``full_name``            the name in Moodle
``canvas_id``            the ``ID`` of Canvas's gradebook
``canvas_anonymous_id``  where grading is anonymous in Canvas
=======================  ===================================================
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from attnbook.grading.intake import archives
from attnbook.grading.intake.archives import contents, is_zip
from attnbook.grading.intake.by_student import (
    Groups,
    is_notebook,
    is_of_export,
    listed,
)
from attnbook.grading.intake.choosing import choose
from attnbook.grading.intake.file_names import natural, readable
from attnbook.grading.intake.places import Entry, FilePlace, Place, walk
from attnbook.grading.notebook.read import LARGEST, UnusableError
from attnbook.grading.notebook.release import Release, known_releases

LAYOUTS = {
    "folders": "one folder for each student",
    "nbgrader": "nbgrader's submitted/STUDENT/ASSIGNMENT/",
    "moodle": "the submissions of an assignment as Moodle hands them out",
    "canvas": "the submissions of an assignment as Canvas hands them out",
    "blackboard": "the attempts at an assignment as Blackboard hands them out",
    "brightspace": "the attempts at an assignment as Brightspace hands them "
    "out",
    "repositories": "cloned repositories, one for each student",
    "files": "notebooks named by student",
    "notebook": "one notebook",
}

_ON_DISK = "when each file was last changed on this disk"
_TIMES_OF_FILES = ("folders", "files")
_IN_NAMES = "as the names have them, without a zone; taken for this computer's"
_TIMES = {
    "folders": _ON_DISK,
    "files": _ON_DISK,
    "notebook": _ON_DISK,
    "nbgrader": "timestamp.txt of nbgrader",
    "moodle": "not known; those in the zip are of the download",
    "canvas": "not known, but for the mark LATE; those in the zip are of the "
    "download",
    "blackboard": _IN_NAMES,
    "brightspace": _IN_NAMES,
    "repositories": "the last commit of each notebook, as its author's "
    "computer claims it; such a time can be forged",
}
_TIMES_IN_ZIP = (
    "as they stand in the zip, without a zone; taken for this computer's"
)

_HASHED = 64_000_000  # bytes up to which content decides on the digest


@dataclass(frozen=True)
class Submission:
    """What one student handed in, for one exercise.

    It holds the place of the notebook, not its content, and can be pickled.
    """

    student: str  # readable, and no other's in the class
    name: str  # of the file, as the student named it
    place: str  # where it was found, for people
    received: datetime | None = None  # with its time zone
    is_marked_late: bool = False
    identifiers: dict[str, str] = field(default_factory=dict, hash=False)
    source: Place | None = None
    reason: str = ""  # why there is nothing to grade

    def data(self, limit_bytes: int) -> bytes:
        """Return the notebook's bytes.

        Raises
        ------
        UnusableError
            When there is none, it is longer than ``limit_bytes``, or cannot
            be read; the text says which, and what to do.
        """
        if self.source is None:
            raise UnusableError(self.reason)
        return self.source.read(limit_bytes)

    @property
    def digest(self) -> str:
        """SHA-256 of the content, or of the reason why there is none."""
        try:
            content = self.data(_HASHED)
        except UnusableError as error:
            content = b"unusable: " + str(error).encode("utf-8", "replace")
        return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Found:
    """What was understood of a folder or zip."""

    submissions: tuple[Submission, ...]
    layout: str  # a key of LAYOUTS
    notes: tuple[str, ...] = ()  # left out, doubles, doubts
    exercise: str = ""
    path: str = ""
    times: str = ""  # what the times mean


def find(
    path: Path,
    exercise: str,
    releases: Mapping[str, Release] | None = None,
    largest: int = LARGEST,
) -> Found:
    """Find who handed in what for an exercise.

    Parameters
    ----------
    path
        A folder, a zip or one notebook.
    exercise
        Name of the release, ``"03-scaled-dot-product"``.
    releases
        All releases by name; those of this checkout by default.
    largest
        Bytes of a notebook that may be graded.

    Raises
    ------
    UnusableError
        When there is nothing at the path, it is nothing of the kind, or
        there is no such exercise.
    """
    if releases is None:
        releases, _ = known_releases(None, path, path)
    if exercise not in releases:
        raise UnusableError(
            f"There is no exercise {readable(exercise)}. Known are: "
            f"{', '.join(releases)}."
        )
    try:
        root = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise UnusableError(
            f"{readable(str(path))} cannot be read: "
            f"{getattr(error, 'strerror', None) or error}. Is the path right?"
        ) from None
    root, entries = _entries(root)
    groups = Groups(entries, root, releases, exercise)
    notes = list(groups.notes)
    doubts: dict[str, list[str]] = {}
    submissions = []
    for group in groups:
        choice = choose(group, groups, exercise, releases, largest)
        notes += choice.notes
        if choice.doubt:
            doubts.setdefault(choice.doubt, []).append(group.label)
        taken = choice.notebook
        parts = taken.file.parts if taken else group.folder
        submissions.append(
            Submission(
                student=group.label,
                name=taken.name if taken else "",
                place=groups.shown(parts),
                received=choice.received,
                is_marked_late=group.is_marked_late,
                identifiers=group.identifiers,
                source=taken.file.place if taken else None,
                reason=choice.reason,
            )
        )
    archives.forget()
    notes += [f"{listed(who)}: {doubt}" for doubt, who in doubts.items()]
    submissions.sort(key=lambda one: (natural(one.student), one.student))
    has_wall_times = is_zip(root.name) and groups.layout in _TIMES_OF_FILES
    return Found(
        submissions=tuple(submissions),
        layout=groups.layout,
        notes=tuple(notes),
        exercise=exercise,
        path=readable(str(path), 200),
        times=_TIMES_IN_ZIP if has_wall_times else _TIMES[groups.layout],
    )


def _entries(root: Path) -> tuple[Path, list[Entry]]:
    """Return what there is, and the folder or file that it is in."""
    place = FilePlace(str(root))
    if root.is_dir():
        entries = walk(root)
        if len(entries) == 1 and is_zip(entries[0].name):
            return _download(root / entries[0].name) or (root, entries)
        return root, entries
    if is_zip(root.name):
        return root, contents(place)
    if is_notebook(root.name):
        time = datetime.fromtimestamp(root.stat().st_mtime, UTC)
        return root, [Entry((root.name,), place, time)]
    raise UnusableError(
        f"{readable(root.name)} is neither a folder nor a zip nor a notebook. "
        "Give the folder or zip of the submissions."
    )


def _download(path: Path) -> tuple[Path, list[Entry]] | None:
    """Look into a zip that is alone in the folder that was given.

    It may be one student's, or the class's as it was downloaded.
    """
    try:
        entries = contents(FilePlace(str(path)))
    except UnusableError:
        return None
    tops = {entry.parts[0] for entry in entries}
    is_of_class = any(map(is_of_export, tops))
    return (path, entries) if is_of_class else None


# -- in words ----------------------------------------------------------------


def describe(found: Found) -> str:
    """Say what was understood: layout, students, files, what was ignored."""
    usable = sum(not one.reason for one in found.submissions)
    missing = len(found.submissions) - usable
    lines = [
        f"Submissions: {found.path}",
        f"Layout:      {LAYOUTS[found.layout]}",
        f"Exercise:    {found.exercise}",
        f"Students:    {len(found.submissions):,}"
        + (f", {missing:,} of them without a notebook" if missing else ""),
        f"Times:       {found.times}",
    ]
    if not found.submissions:
        lines.append("\nNobody handed in anything that looks like work.")
    else:
        lines.append("")
    width = max((len(one.student) for one in found.submissions), default=0)
    width = min(width, 40)
    for one in found.submissions:
        if one.reason:
            what = f"— {one.reason}"
        else:
            time = (
                f"{one.received:%Y-%m-%d %H:%M %z}"
                if one.received
                else "time unknown"
            )
            late = ", marked late" if one.is_marked_late else ""
            what = f"{one.name}  ({time}{late})"
        lines.append(f"  {one.student:<{width}}  {what}")
    if found.notes:
        lines += ["", "Notes", "", *(f"  • {note}" for note in found.notes)]
    return "\n".join(lines) + "\n"
