"""Who handed in what: the layouts in which teachers have a class's work.

:func:`find` recognises these, in a folder or in a zip of it:

================  ==========================================================
``folders``       one folder for each student
``nbgrader``      ``submitted/STUDENT/ASSIGNMENT/``, or the course around it
``moodle``        *Download all submissions*, in folders or flat
``canvas``        *Download Submissions*
``repositories``  cloned repositories
``files``         notebooks named by student
``notebook``      one notebook
================  ==========================================================

In each, a student may have handed in a zip instead. The notebook of the
exercise is known by what is in it, whatever its name. Nobody is dropped: a
student without a notebook that can be graded is a :class:`Submission` too,
and its :meth:`~Submission.data` says why.

Whatever comes from a file's name is made readable here
(:func:`attnbook.grading.file_names.readable`), but it is still a student's
own text: escape it where it is shown, and build no path from it.

``Submission.identifiers`` has, where the layout tells them:

=======================  ===================================================
``moodle_id``            ``"12345"`` of *Participant 12345*
``full_name``            the name in Moodle
``canvas_id``            the ``ID`` of Canvas's gradebook
``canvas_anonymous_id``  where grading is anonymous in Canvas
=======================  ===================================================
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from attnbook.grading import commit_times
from attnbook.grading import notebook as notebooks
from attnbook.grading import release as releases_
from attnbook.grading.archives import contents, is_zip, unpacked
from attnbook.grading.file_names import (
    Sender,
    folded,
    from_canvas,
    from_moodle,
    natural,
    readable,
)
from attnbook.grading.notebook import UnusableError
from attnbook.grading.places import Entry, FilePlace, Place, walk
from attnbook.grading.release import Release

LAYOUTS = {
    "folders": "one folder for each student",
    "nbgrader": "nbgrader's submitted/STUDENT/ASSIGNMENT/",
    "moodle": "the submissions of an assignment as Moodle hands them out",
    "canvas": "the submissions of an assignment as Canvas hands them out",
    "repositories": "cloned repositories, one for each student",
    "files": "notebooks named by student",
    "notebook": "one notebook",
}

_TIMES = {
    "folders": "when each file was last changed on this disk",
    "files": "when each file was last changed on this disk",
    "notebook": "when the file was last changed on this disk",
    "nbgrader": "timestamp.txt of nbgrader, UTC",
    "moodle": "unknown; those in the zip are of the download",
    "canvas": "unknown, but for the mark LATE; those in the zip are of the "
    "download",
    "repositories": "the last commit of each notebook, as its author's "
    "computer claims it; such a time can be forged",
}
_TIMES_IN_ZIP = "as they stand in the zip, which are of this computer's zone"

# Bytes up to which a notebook is looked into, to see of which exercise it
# is; JSON takes ten to thirty times as much memory once it is read.
_LOOKED_INTO = 8_000_000
_HASHED = 64_000_000  # bytes up to which content decides on the digest
_NAMED = 5  # files that a message names

_NOTEBOOK = re.compile(r".*\.ipynb(\.txt|\.json)?( ?\(\d+\))?", re.I | re.S)


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

    Raises
    ------
    UnusableError
        When there is nothing at the path, it is nothing of the kind, or
        there is no such exercise.
    """
    if releases is None:
        releases, _ = releases_.known_releases(None, path)
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
    is_folder = root.is_dir()
    if is_folder:
        entries = walk(root)
    elif is_zip(root.name):
        entries = contents(FilePlace(str(root)))
    elif _NOTEBOOK.fullmatch(root.name):
        time = datetime.fromtimestamp(root.stat().st_mtime).astimezone()
        entries = [Entry((root.name,), FilePlace(str(root)), time)]
    else:
        raise UnusableError(
            f"{readable(root.name)} is neither a folder nor a zip nor a "
            "notebook. Give the folder or zip of the submissions."
        )
    groups = _Groups(releases, root)
    if is_folder or is_zip(root.name):
        groups.sort_in(entries)
    else:
        groups.layout = "notebook"
        groups.sort_in_files(entries)
    chooser = _Chooser(
        exercise, releases, root, groups.layout, groups.notes, groups.above
    )
    submissions = [
        chooser.chosen(group) for group in groups.by_student.values()
    ]
    submissions.sort(key=lambda one: (natural(one.student), one.student))
    return Found(
        submissions=tuple(submissions),
        layout=groups.layout,
        notes=tuple(groups.notes),
        exercise=exercise,
        path=readable(str(path), 200),
        times=_TIMES_IN_ZIP
        if not is_folder and groups.layout in ("folders", "files")
        else _TIMES[groups.layout],
    )


# -- whose is what -----------------------------------------------------------


@dataclass
class _Group:
    """All that one student handed in."""

    key: str  # before it was made readable
    label: str
    is_marked_late: bool = False
    identifiers: dict[str, str] = field(default_factory=dict)
    files: list[tuple[Entry, Sender]] = field(default_factory=list)
    folder: tuple[str, ...] = ()  # the repository's, or student's


class _Groups:
    """The files by student, once the layout is known."""

    def __init__(self, releases: Mapping[str, Release], root: Path) -> None:
        self.releases = releases
        self.root = root
        self.layout = "folders"
        self.notes: list[str] = []
        self.by_student: dict[str, _Group] = {}
        self.above: tuple[str, ...] = ()  # folders around all of them
        self._others: list[str] = []

    def sort_in(self, entries: list[Entry]) -> None:
        """Recognise the layout, and put each file to its student."""
        if any(entry.parts == (".git",) for entry in entries):
            # One repository, given by itself.
            name = self.root.name
            self.root = self.root.parent
            entries = [replace(e, parts=(name, *e.parts)) for e in entries]
        entries = self._within(entries)
        tops: dict[str, list[Entry]] = {}
        for entry in entries:
            tops.setdefault(entry.parts[0], []).append(entry)
        self.layout = self._recognised(tops)
        for top, below in tops.items():
            self._put(top, below)
        if self._others:
            self.notes.append(
                f"Left out, as they are no notebooks: {_list(self._others)}."
            )
        self._set_apart()

    def sort_in_files(self, entries: list[Entry]) -> None:
        """Take each file for a student's."""
        for entry in entries:
            self._put(entry.name, [entry])
        self._set_apart()

    def _within(self, entries: list[Entry]) -> list[Entry]:
        """Step into folders that hold nothing but the class."""
        while True:
            tops = {entry.parts[0] for entry in entries}
            if "submitted" in tops and any(
                entry.parts[0] == "submitted" and len(entry.parts) > 1
                for entry in entries
            ):
                left = sorted(tops - {"submitted"}, key=natural)
                if left:
                    self.notes.append(
                        "Only submitted/ of the nbgrader course was looked "
                        f"at, not {_list(left)}."
                    )
                    entries = [e for e in entries if e.parts[0] == "submitted"]
            elif len(tops) != 1 or not self._is_wrapping(entries):
                return entries
            self.above += entries[0].parts[:1]
            entries = [
                replace(entry, parts=entry.parts[1:])
                for entry in entries
                if len(entry.parts) > 1
            ]

    def _is_wrapping(self, entries: list[Entry]) -> bool:
        inside = {entry.parts[1] for entry in entries if len(entry.parts) > 1}
        if not inside or ".git" in inside:
            return False
        folders = {
            entry.parts[1]
            for entry in entries
            if len(entry.parts) > 2
            or (len(entry.parts) == 2 and entry.is_folder)
        }
        files = inside - folders
        if any(from_moodle(n) or from_canvas(n) for n in inside):
            return True
        if _is_nbgrader_student(entries):
            return False
        named = [f for f in files if _NOTEBOOK.fullmatch(f) or is_zip(f)]
        of_known = [f for f in named if self._exercise_in(f)]
        return (
            len(folders) > 1
            or (not files and bool(folders))
            or (len(named) > 1 and not of_known)
        )

    def _recognised(self, tops: Mapping[str, list[Entry]]) -> str:
        names = [
            top
            for top, below in tops.items()
            if below[0].is_folder
            or len(below[0].parts) > 1
            or _NOTEBOOK.fullmatch(top)
            or is_zip(top)
            or from_moodle(top)
            or from_canvas(top)
        ]
        half = len(names) / 2
        if names and sum(map(bool, map(from_moodle, names))) >= half:
            return "moodle"
        files = [n for n in names if not _is_below(tops[n])]
        if files and sum(map(bool, map(from_canvas, files))) >= half:
            return "canvas"
        folders = [n for n in names if _is_below(tops[n])]
        cloned = [
            name
            for name in folders
            if any(e.parts == (name, ".git") for e in tops[name])
        ]
        if cloned and len(cloned) >= half:
            return "repositories"
        is_submitted = (self.above or (self.root.name,))[-1] == "submitted"
        if folders and (
            is_submitted
            or any(_is_nbgrader_student(tops[name]) for name in folders)
        ):
            return "nbgrader"
        return "folders" if len(folders) * 2 >= len(names) > 0 else "files"

    def _put(self, top: str, below: list[Entry]) -> None:
        """Put a folder or file at the top to its student."""
        take = {"moodle": from_moodle, "canvas": from_canvas}.get(self.layout)
        sender = take(top) if take else None
        if sender is None:
            is_folder = _is_below(below)
            is_work = _NOTEBOOK.fullmatch(top) or is_zip(top)
            if not is_folder and not is_work and not below[0].reason:
                self._others.append(top)
                return
            student = top if is_folder else _stem(top)
            if self.layout in ("files", "notebook", "repositories"):
                student = self._without_exercise(student)
            sender = Sender(student)
            if take and self.layout:
                self.notes.append(
                    f"{readable(top)} is not named as {self.layout.title()} "
                    "names what it hands out, and was taken for the work of "
                    f"a student {readable(student)}."
                )
        group = self.by_student.get(sender.student)
        if group is None:
            group = _Group(sender.student, readable(sender.student))
            group.folder = (top,) if _is_below(below) else ()
            self.by_student[sender.student] = group
        group.is_marked_late |= sender.is_marked_late
        group.identifiers |= sender.identifiers
        group.files += [(entry, sender) for entry in below]

    def _exercise_in(self, name: str) -> str:
        matches = [known for known in self.releases if known in name]
        return max(matches, key=len, default="")

    def _without_exercise(self, name: str) -> str:
        """Take the name of an exercise out of a file's name."""
        known = self._exercise_in(name)
        rest = name.replace(known, "") if known else name
        return rest.strip(" _-.") or name

    def _set_apart(self) -> None:
        """Give students whose names look alike a mark of their own.

        It hangs on the name alone, so that it stays the same when somebody
        hands in later.
        """
        alike: dict[str, list[_Group]] = {}
        for group in self.by_student.values():
            alike.setdefault(folded(group.label), []).append(group)
        for groups in alike.values():
            if len(groups) == 1:
                continue
            for group in groups:
                raw = group.key.encode("utf-8", "surrogatepass")
                mark = hashlib.sha256(raw).hexdigest()[:6]
                group.label = f"{group.label} [{mark}]"
            self.notes.append(
                "These names look alike, and are taken for different "
                f"students: {_list([group.label for group in groups])}."
            )


def _is_below(below: list[Entry]) -> bool:
    return below[0].is_folder or len(below[0].parts) > 1


def _is_nbgrader_student(below: list[Entry]) -> bool:
    return any(
        len(entry.parts) == 3 and entry.name == "timestamp.txt"
        for entry in below
    )


def _stem(name: str) -> str:
    return re.sub(r"(\.ipynb|\.txt|\.json|\.zip)+", "", name, flags=re.I)


def _list(names: Iterable[str]) -> str:
    names = [readable(name) for name in names]
    if len(names) > _NAMED + 1:
        names[_NAMED:] = [f"{len(names) - _NAMED:,} more"]
    return ", ".join(names)


# -- which of the files ------------------------------------------------------


@dataclass(frozen=True)
class _Candidate:
    """A notebook that a student handed in."""

    entry: Entry
    name: str
    order: int
    exercise: str  # "" where it cannot be told
    time: datetime | None = None


class _Chooser:
    """Chooses the notebook of one exercise from what a student handed in."""

    def __init__(
        self,
        exercise: str,
        releases: Mapping[str, Release],
        root: Path,
        layout: str,
        notes: list[str],
        above: tuple[str, ...],
    ) -> None:
        self.exercise = exercise
        self.releases = dict(releases)
        self.root = root
        self.layout = layout
        self.notes = notes
        self.above = above

    def chosen(self, group: _Group) -> Submission:
        """Return the submission of one student, graded or not."""
        senders = {id(entry): sender for entry, sender in group.files}
        candidates: list[_Candidate] = []
        others: list[Entry] = []
        for entry, sender in group.files:
            for file in unpacked([entry]):
                if file.is_folder and not file.reason:
                    continue
                if _NOTEBOOK.fullmatch(file.name) or file.reason:
                    is_own = file is entry and senders[id(entry)].file
                    name = sender.file if is_own else file.name
                    candidates.append(
                        _Candidate(
                            file,
                            readable(name),
                            sender.order,
                            self._exercise_of(file, name),
                            self._time(file, group),
                        )
                    )
                else:
                    others.append(file)
        right = [c for c in candidates if c.exercise == self.exercise]
        unknown = [c for c in candidates if not c.exercise]
        if right or unknown:
            best = self._best(right or unknown)
            self._note_doubles(group, best, right, unknown)
            return self._submission(group, best)
        if candidates:
            found = [f"{c.name} is {c.exercise}" for c in candidates]
            reason = (
                f"There is no notebook of {self.exercise} in what was handed "
                f"in: {_list(found)}."
            )
        elif others:
            reason = (
                "There is no notebook (.ipynb) in what was handed in: "
                f"{_list([file.name for file in others])}."
            )
        else:
            reason = "Nothing was handed in: the folder is empty."
        return Submission(
            student=group.label,
            name="",
            place=self._shown(group.folder),
            is_marked_late=group.is_marked_late,
            identifiers=group.identifiers,
            reason=reason,
        )

    def _exercise_of(self, file: Entry, name: str) -> str:
        """Return the exercise that a notebook is of, "" if nobody can say."""
        if file.place is None:
            return ""
        try:
            text = file.place.read(_LOOKED_INTO).decode("utf-8-sig")
            content = notebooks.parse(json.loads(text), Path(readable(name)))
            return releases_.find(content, self.releases)[0].name
        except (UnusableError, ValueError, RecursionError):
            return ""

    def _time(self, file: Entry, group: _Group) -> datetime | None:
        if self.layout in ("moodle", "canvas"):
            return None
        if self.layout == "nbgrader":
            return _timestamp(file, group)
        if self.layout == "repositories" and group.folder and file.place:
            top = len(group.folder)
            repository = self.root.joinpath(*self.above, *group.folder)
            return (
                commit_times.commit_time(repository, file.parts[top:])
                or file.time
            )
        return file.time

    def _best(self, candidates: list[_Candidate]) -> _Candidate:
        """Choose the newest, else the one of the right name, else the last.

        A notebook that can be read goes before one that cannot.
        """
        has_times = all(c.time for c in candidates)

        def key(candidate: _Candidate) -> tuple:
            stem = _stem(candidate.name)
            return (
                candidate.entry.place is not None,
                candidate.time.timestamp() if has_times else 0,
                candidate.order,
                stem == self.exercise,
                self.exercise in stem,
                -len(candidate.entry.parts),
                natural(candidate.name),
            )

        return max(candidates, key=key)

    def _note_doubles(
        self,
        group: _Group,
        best: _Candidate,
        right: list[_Candidate],
        unknown: list[_Candidate],
    ) -> None:
        doubles = [c.name for c in right if c is not best]
        if doubles:
            self.notes.append(
                f"{group.label} has {len(right)} notebooks of this exercise: "
                f"{best.name} is taken, and not {_list(doubles)}."
            )
        unread = [c for c in unknown if c is not best]
        if unread:
            reasons = [
                c.entry.reason
                or f"{c.name} is none of the exercises or cannot be read."
                for c in unread
            ]
            self.notes.append(
                f"{group.label}: left out beside {best.name}: "
                f"{' '.join(reasons[:_NAMED])}"
            )

    def _submission(self, group: _Group, best: _Candidate) -> Submission:
        return Submission(
            student=group.label,
            name=best.name,
            place=self._shown(best.entry.parts),
            received=best.time,
            is_marked_late=group.is_marked_late,
            identifiers=group.identifiers,
            source=best.entry.place,
            reason=best.entry.reason,
        )

    def _shown(self, parts: tuple[str, ...]) -> str:
        shown = "/".join(readable(part) for part in (*self.above, *parts))
        if self.root.is_file():
            return f"{readable(self.root.name)}: {shown}"
        return shown


def _timestamp(file: Entry, group: _Group) -> datetime | None:
    """Return the time in nbgrader's timestamp.txt beside a file."""
    beside = (*file.parts[:-1], "timestamp.txt")
    for entry, _ in group.files:
        if entry.parts == beside and entry.place:
            try:
                text = entry.place.read(1_000).decode("utf-8").strip()
            except (UnusableError, UnicodeDecodeError):
                return None
            return _nbgrader_time(text)
    return None


def _nbgrader_time(text: str) -> datetime | None:
    """Read a time as nbgrader writes it, 2026-11-20 18:00:00.000000 UTC."""
    try:
        if text.endswith(" UTC"):
            time = datetime.fromisoformat(text.removesuffix(" UTC"))
        else:
            # Another zone was configured. Loaded here, as it takes seconds.
            from nbgrader.utils import parse_utc

            time = parse_utc(text)
        return time.replace(tzinfo=UTC)
    except (ImportError, ValueError, TypeError, OverflowError):
        return None


# -- times of the teacher's own ----------------------------------------------


def times_from_csv(path: Path) -> dict[str, datetime]:
    """Read a table of when each student handed in.

    Its first line is ``student,submitted``; a student is named as in the
    grades, or by the number in Moodle or Canvas. A time is of the form
    ``2026-11-20 18:00+01:00``; without an offset it is of this computer's
    zone. Other columns may be there; semicolons do as well as commas.

    Raises
    ------
    UnusableError
        When it cannot be read; the text names the line.
    """
    name = readable(path.name)
    try:
        text = FilePlace(str(path.resolve())).read(_LOOKED_INTO)
        lines = text.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UnusableError(
            f"{name} is not text in UTF-8. Save it as CSV in UTF-8."
        ) from None
    header = lines[0] if lines else ""
    table = csv.DictReader(
        lines, delimiter=";" if header.count(";") > header.count(",") else ","
    )
    columns = {(c or "").strip().casefold(): c for c in table.fieldnames or ()}
    if not {"student", "submitted"} <= columns.keys():
        raise UnusableError(
            f"{name} needs a first line with the columns student and "
            f"submitted; it has: {readable(header) if header else 'nothing'}."
        )
    times: dict[str, datetime] = {}
    for row in table:
        student = (row[columns["student"]] or "").strip()
        written = (row[columns["submitted"]] or "").strip()
        if not written:
            continue
        where = f"{name}, line {table.line_num}"
        try:
            time = datetime.fromisoformat(written).astimezone()
        except (ValueError, OverflowError, OSError):
            raise UnusableError(
                f"{where}: expected a time such as 2026-11-20 18:00+01:00, "
                f"got “{readable(written)}”."
            ) from None
        if student in times:
            raise UnusableError(
                f"{where}: {readable(student)} stands there twice."
            )
        times[student] = time
    return times


def with_times(found: Found, times: Mapping[str, datetime]) -> Found:
    """Put the times of a table in the place of those that were found.

    Notes say who of the table is not there. Whoever is not in the table
    keeps the time that was found.
    """
    unused = set(times)
    submissions = []
    for submission in found.submissions:
        names = (submission.student, *submission.identifiers.values())
        for name in names:
            if name in times:
                unused.discard(name)
                submission = replace(submission, received=times[name])
                break
        submissions.append(submission)
    notes = found.notes
    if unused:
        notes += (
            "Nobody with these names of the table of times handed in: "
            f"{_list(sorted(unused, key=natural))}.",
        )
    return replace(
        found,
        submissions=tuple(submissions),
        notes=notes,
        times=f"as the teacher's table has them; otherwise {found.times}",
    )


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
