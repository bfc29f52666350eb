"""Sorts files by the student who handed them in, in any known layout."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from attnbook.grading.intake.archives import is_zip
from attnbook.grading.intake.attempt_names import (
    INDEX,
    from_blackboard,
    from_brightspace,
    is_blackboards,
    is_brightspaces,
    is_of_a_system,
)
from attnbook.grading.intake.file_names import (
    Sender,
    folded,
    from_canvas,
    from_moodle,
    natural,
    readable,
)
from attnbook.grading.intake.places import Entry

_NAMED = 5  # names in a message, before it counts

# Browsers and mail programs add to a name what they think is missing.
_NOTEBOOK = re.compile(
    r".*\.ipynb(?:\.txt|\.json)?(?: ?\(\d+\))?", re.IGNORECASE | re.DOTALL
)


def is_notebook(name: str) -> bool:
    """Whether a file is called a notebook."""
    return _NOTEBOOK.fullmatch(name) is not None


# What is handed in by mistake, in the place of a notebook.
_MISTAKEN = re.compile(
    r".*\.(?:json|py|html?|tar|t?gz|bz2|xz|rar|7z)", re.IGNORECASE | re.DOTALL
)
_ENDING = re.compile(
    r"(?:\.(?:ipynb|txt|zip|json|py|html?|tar|t?gz|bz2|xz|rar|7z))+"
    r"(?: ?\(\d+\))?$",
    re.IGNORECASE,
)


def stem(name: str) -> str:
    """Return the name of what was handed in without what it ends in."""
    return _ENDING.sub("", name)


def listed(names: Iterable[str]) -> str:
    """Join names in a message, and count those that are too many."""
    names = [readable(name) for name in names]
    if len(names) > _NAMED + 1:
        names[_NAMED:] = [f"{len(names) - _NAMED:,} more"]
    return ", ".join(names)


# Layouts in which each attempt has a name and, in it, a time of its own.
OF_ATTEMPTS = ("blackboard", "brightspace")


def is_of_export(name: str) -> bool:
    """Whether a system that is known gives what it hands out such a name."""
    return bool(
        from_moodle(name)
        or from_canvas(name)
        or is_blackboards(name)
        or is_brightspaces(name)
    )


# What lies in a repository, or in a copy of this course, of one student.
_OF_ONE_STUDENT = {".git", "chapters", "exercises", "solutions"}

_OF_GRADESCOPE = "submission_metadata.yml"

_OF_NBGRADER = {"autograded", "feedback", "release", "source", "submitted"}


@dataclass
class Group:
    """All that one student handed in."""

    key: str  # the name as it came
    label: str  # as it is shown
    folder: tuple[str, ...] = ()  # below all students, () for a file
    is_marked_late: bool = False
    identifiers: dict[str, str] = field(default_factory=dict)
    files: list[tuple[Entry, Sender]] = field(default_factory=list)


class Groups:
    """The students, once the layout is recognised.

    Parameters
    ----------
    entries
        All there is, as :func:`attnbook.grading.intake.places.walk` or
        :func:`attnbook.grading.intake.archives.contents` returns it.
    root
        The folder or file that they are of.
    exercises
        The names of all exercises, which file names may contain.
    """

    def __init__(
        self, entries: list[Entry], root: Path, exercises: Iterable[str]
    ) -> None:
        self.root = root
        self.notes: list[str] = []
        self.above: tuple[str, ...] = ()  # the folders around all of them
        self._exercises = sorted(exercises, key=len, reverse=True)
        self._by_student: dict[str, Group] = {}
        self._others: list[str] = []
        if any(entry.parts == (".git",) for entry in entries):
            # One repository, given by itself.
            self.root = root.parent
            entries = [
                replace(e, parts=(root.name, *e.parts)) for e in entries
            ]
        tops: dict[str, list[Entry]] = {}
        for entry in self._below_wrappings(entries):
            tops.setdefault(entry.parts[0], []).append(entry)
        self.layout = self._recognised(tops)
        take = {
            "moodle": from_moodle,
            "canvas": from_canvas,
            "blackboard": from_blackboard(tops),
            "brightspace": from_brightspace,
        }.get(self.layout)
        for top, below in tops.items():
            self._put(top, below, take)
        if self.layout in ("folders", "files"):
            self._doubt(tops)
        if self._others:
            self.notes.append(
                f"Left out, as they are no notebooks: {listed(self._others)}."
            )
        self._set_apart()
        for kind in ("moodle_id", "canvas_id"):
            self._refuse_doubles(kind)

    def __iter__(self):
        return iter(self._by_student.values())

    def shown(self, parts: tuple[str, ...]) -> str:
        """Return where something was found, in words."""
        path = "/".join(readable(part) for part in (*self.above, *parts))
        if self.root.is_file() and parts != (self.root.name,):
            return f"{readable(self.root.name)}: {path}"
        return path

    # -- the layout --

    def _below_wrappings(self, entries: list[Entry]) -> list[Entry]:
        """Step into folders that hold nothing but the class."""
        while entries:
            tops = {entry.parts[0] for entry in entries}
            if self._is_nbgrader_course(entries):
                left = sorted(tops - {"submitted"}, key=natural)
                if left:
                    self.notes.append(
                        "Only submitted/ of the nbgrader course was looked "
                        f"at, not {listed(left)}."
                    )
                wrapping = "submitted"
            elif len(tops) == 1 and self._is_wrapping(entries):
                wrapping = entries[0].parts[0]
            else:
                break
            self.above += (wrapping,)
            entries = [
                replace(entry, parts=entry.parts[1:])
                for entry in entries
                if entry.parts[0] == wrapping and len(entry.parts) > 1
            ]
        return entries

    def _is_nbgrader_course(self, entries: list[Entry]) -> bool:
        """Whether there is ``submitted/``, and it is no student's folder.

        A student who calls a repository "submitted" must not hide others.
        """
        folders = {e.parts[0] for e in entries if len(e.parts) > 1}
        return (
            "submitted" in folders
            and "submitted" not in self.above
            and (
                folders <= _OF_NBGRADER
                or any(e.parts == ("nbgrader_config.py",) for e in entries)
            )
            and not any(e.parts == ("submitted", ".git") for e in entries)
        )

    @property
    def _is_in_submitted(self) -> bool:
        return (self.above or (self.root.name,))[-1] == "submitted"

    def _is_wrapping(self, entries: list[Entry]) -> bool:
        """Whether the only folder there is the class, and not a student."""
        inside = {entry.parts[1] for entry in entries if len(entry.parts) > 1}
        folders = {
            entry.parts[1]
            for entry in entries
            if len(entry.parts) > 2 or (entry.is_folder and entry.parts[1:])
        }
        files = inside - folders
        if any(map(is_of_export, inside)):
            return True
        if (
            self._is_in_submitted
            or inside & _OF_ONE_STUDENT
            or any(map(self._exercise_in, inside))
        ):
            return False
        work = [name for name in files if is_notebook(name) or is_zip(name)]
        return (
            len(folders) > 1
            or (bool(folders) and not files)
            or (len(work) > 1 and self.root.is_file())
        )

    def _recognised(self, tops: Mapping[str, list[Entry]]) -> str:
        if self.root.is_file() and not is_zip(self.root.name):
            return "notebook"
        work = [
            top
            for top, below in tops.items()
            if _is_work(top, below) or is_of_export(top)
        ]
        folders = [top for top in work if _is_folder(tops[top])]
        files = [top for top in work if not _is_folder(tops[top])]
        if work and _most(map(from_moodle, work)):
            return "moodle"
        if files and _most(map(from_canvas, files)):
            return "canvas"
        if work and _most(map(is_blackboards, work)):
            return "blackboard"
        if work and _most(map(is_brightspaces, work)):
            return "brightspace"
        if folders and _most(
            any(entry.parts == (top, ".git") for entry in tops[top])
            for top in folders
        ):
            return "repositories"
        if folders and (
            self._is_in_submitted
            or any(
                len(entry.parts) == 3 and entry.name == "timestamp.txt"
                for top in folders
                for entry in tops[top]
            )
        ):
            return "nbgrader"
        return "folders" if len(folders) >= len(files) else "files"

    # -- the students --

    def _put(
        self,
        top: str,
        below: list[Entry],
        take: Callable[[str], Sender | None] | None,
    ) -> None:
        """Put a folder or file at the top to its student."""
        sender = take(top) if take else None
        if sender is None:
            is_index = self.layout == "brightspace" and top == INDEX
            if is_index or not _is_work(top, below):
                self.notes += [entry.reason for entry in below if entry.reason]
                self._others += [top] if not below[0].reason else []
                return
            name = top if _is_folder(below) else stem(top)
            if self.layout in ("files", "notebook", "repositories"):
                name = self._without_exercise(name)
            sender = Sender(name)
            if take:
                self.notes.append(
                    f"{readable(top)} is not named as {self.layout.title()} "
                    "names what it hands out, and was taken for the work of "
                    f"a student {readable(name)}."
                )
        group = self._by_student.setdefault(
            sender.student, Group(sender.student, readable(sender.student))
        )
        group.folder = (top,) if _is_folder(below) else group.folder
        group.is_marked_late |= sender.is_marked_late
        group.identifiers |= sender.identifiers
        if self.layout in OF_ATTEMPTS:
            below = [replace(entry, time=sender.time) for entry in below]
        group.files += [(entry, sender) for entry in below]

    def _doubt(self, tops: Mapping[str, list[Entry]]) -> None:
        """Say where it is a guess that each name is a student's."""
        if _OF_GRADESCOPE in tops:
            self.notes.append(
                f"This looks like an export of Gradescope. {_OF_GRADESCOPE} "
                "is not read: students are called by the numbers of their "
                "submissions, and it says who they are and when each "
                "handed in."
            )
            return
        names = [group.label for group in self]
        if len(names) > 1 and _most(map(is_of_a_system, names)):
            self.notes.append(
                "It is a guess that each of these is a student: "
                f"{listed(names)}. They look like names that a system makes, "
                "and none that is known here. Of two that are one student's, "
                "leave only the newer there."
            )

    def _exercise_in(self, name: str) -> str:
        return next((known for known in self._exercises if known in name), "")

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
        alike: dict[str, list[Group]] = {}
        for group in self:
            alike.setdefault(folded(group.label), []).append(group)
        for groups in alike.values():
            if len(groups) == 1:
                continue
            for group in groups:
                raw = group.key.encode("utf-8", "surrogateescape")
                mark = hashlib.sha256(raw).hexdigest()[:6]
                group.label = f"{group.label} [{mark}]"
            self.notes.append(
                "These names look alike, and are taken for different "
                f"students: {listed([group.label for group in groups])}."
            )

    def _refuse_doubles(self, kind: str) -> None:
        """Take away a number that two students have.

        Canvas lets users choose their names, and one who is called "x_12"
        has files that look like those of user 12.
        """
        owners: dict[str, list[Group]] = {}
        for group in self:
            if kind in group.identifiers:
                owners.setdefault(group.identifiers[kind], []).append(group)
        for number, groups in owners.items():
            if len(groups) == 1:
                continue
            for group in groups:
                del group.identifiers[kind]
            self.notes.append(
                f"These have one number, {number}, and so none in the tables "
                f"to import: {listed([group.label for group in groups])}."
            )


def _is_folder(below: list[Entry]) -> bool:
    return below[0].is_folder or len(below[0].parts) > 1


def _is_work(top: str, below: list[Entry]) -> bool:
    """Whether a folder or file at the top may be what somebody handed in."""
    return (
        _is_folder(below)
        or is_notebook(top)
        or is_zip(top)
        or _MISTAKEN.fullmatch(top) is not None
        # A link in the place of a student's folder.
        or (bool(below[0].reason) and "." not in top)
    )


def _most(findings: Iterable[object]) -> bool:
    found = [bool(finding) for finding in findings]
    return 2 * sum(found) >= len(found)
