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
    is_shown_whole,
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


# What stands between the names of a student and of an exercise.
_BETWEEN = " _-."


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


# What lies in a copy of this course, of one student.
_OF_ONE_STUDENT = {"chapters", "exercises", "solutions"}

# A name that may be another's with the mark that sets it apart.
_MARK = 6  # hexadecimal digits; all 64 where these are the same
_MARKED = re.compile(r" \[[0-9a-f]{6}(?:[0-9a-f]{58})?\]$")

_OF_GRADESCOPE = "submission_metadata.yml"

_OF_NBGRADER = {"autograded", "feedback", "release", "source", "submitted"}


@dataclass
class Group:
    """All that one student handed in."""

    key: str  # what it was handed in as
    label: str  # its name, as it is shown
    claim: int  # to that name, where it is others' too; 0 is the best
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
    exercise
        The one that is graded.
    """

    def __init__(
        self,
        entries: list[Entry],
        root: Path,
        exercises: Iterable[str],
        exercise: str,
    ) -> None:
        self.root = root
        self.notes: list[str] = []
        self.above: tuple[str, ...] = ()  # the folders around all of them
        self._exercises = sorted(exercises, key=len, reverse=True)
        self._by_student: dict[tuple[bool, str], Group] = {}
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
        if self.layout in ("files", "repositories"):
            self._leave_out_others(tops, exercise)
        for top, below in tops.items():
            self._put(top, below, take)
        if self.layout in ("folders", "files"):
            self._doubt(tops)
        if self._others:
            self.notes.append(
                f"Left out, as they are no notebooks: {listed(self._others)}."
            )
        self._set_apart()
        self._note_teams()
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
                or any(
                    e.parts == ("nbgrader_config.py",) and not e.is_folder
                    for e in entries
                )
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
        if inside and _most(map(is_of_export, inside)):
            return True
        if self._is_in_submitted or ".git" in inside:
            return False
        work = {
            entry.parts[1]
            for entry in entries
            if len(entry.parts) > 1 and _may_be_work(entry.name)
        }
        # One of a class may have such a name, most have not.
        if _most(
            name in _OF_ONE_STUDENT or self._exercise_in(name)
            for name in work or inside
        ):
            return False
        return (
            len(folders) > 1
            or (bool(folders) and not files)
            or (len(work & files) > 1 and self.root.is_file())
        )

    def _recognised(self, tops: Mapping[str, list[Entry]]) -> str:
        """Return the layout, which no student decides on alone.

        A student chooses what is in a folder or called a file, and often
        the name of it: so what most have in common counts.
        """
        if self.root.is_file() and not is_zip(self.root.name):
            return "notebook"
        work = [
            top
            for top, below in tops.items()
            if _is_work(top, below) or is_of_export(top)
        ]
        folders = [top for top in work if _is_folder(tops[top])]
        files = [top for top in work if not _is_folder(tops[top])]
        moodle = {top for top in work if from_moodle(top)}
        canvas = {top for top in files if from_canvas(top)}
        # One student may hand in many files, and call each of them as the
        # other system would; but what a system puts in front stays there.
        is_canvas = len(canvas - moodle) > len(moodle - canvas)
        named = canvas if is_canvas else moodle
        if named and 2 * len(named) >= len(work):
            return "canvas" if is_canvas else "moodle"
        for layout, is_of_it in (
            ("blackboard", is_blackboards),
            ("brightspace", is_brightspaces),
        ):
            if 2 * sum(bool(is_of_it(top)) for top in work) > len(work):
                return layout
        many = len(folders) + sum(map(_may_be_work, files))
        repositories = sum(
            any(entry.parts == (top, ".git") for entry in tops[top])
            for top in folders
        )
        if repositories and 2 * repositories >= many:
            return "repositories"
        stamped = sum(
            any(
                len(entry.parts) == 3 and entry.name == "timestamp.txt"
                for entry in tops[top]
            )
            for top in folders
        )
        if folders and (self._is_in_submitted or 2 * stamped > many):
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
        is_named = sender is not None  # by the system
        if sender is None:
            is_index = self.layout == "brightspace" and top == INDEX
            if is_index or not _is_work(top, below):
                self.notes += [entry.reason for entry in below if entry.reason]
                self._others += [top] if not below[0].reason else []
                return
            name = top if _is_folder(below) else stem(top)
            if self.layout in ("files", "notebook", "repositories"):
                name, _ = self._without_exercise(name)
            # Whoever is called alike, two of these are two students.
            sender = Sender(name, key=top, is_sure=_is_folder(below))
            if take:
                self.notes.append(
                    f"{readable(top)} is not named as {self.layout.title()} "
                    "names what it hands out, and was taken for the work of "
                    f"a student {readable(name)}."
                )
        label = readable(sender.student)
        group = self._by_student.setdefault(
            (is_named, sender.key),
            Group(sender.key, label, self._claim(sender, label, is_named)),
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

    def _claim(self, sender: Sender, label: str, is_named: bool) -> int:
        """Return how well a student's name is their own; 0 is the best."""
        if self.layout in ("moodle", "canvas"):
            is_plain = sender.is_sure and label == sender.student
            return 2 - is_named * (1 + is_plain)
        if self.layout in ("files", "notebook"):
            return 1 - (sender.key == f"{label}.ipynb")
        # A system puts the exercise's name and a hyphen before a student's.
        before = sender.key.removesuffix(label)
        plain = ("", *(f"{name}-" for name in self._exercises))
        place = 0 if not before else 1 if before in plain else 2
        return place + 3 * (not sender.is_sure)

    def _exercise_in(self, name: str) -> str:
        return next((known for known in self._exercises if known in name), "")

    def _without_exercise(self, name: str) -> tuple[str, str]:
        """Take an exercise's name off, in front or at the end; return both.

        Once: it may be in a student's name too.
        """
        for known in self._exercises:
            rest = name.removeprefix(known)
            if rest != name and rest[0:1] in _BETWEEN:
                rest = rest.lstrip(_BETWEEN)
                return (rest, known) if rest else (name, "")
        for known in self._exercises:
            rest = name.removesuffix(known)
            if rest != name and rest[-1:] in _BETWEEN:
                return rest.rstrip(_BETWEEN), known
        return name, ""

    def _leave_out_others(
        self, tops: dict[str, list[Entry]], exercise: str
    ) -> None:
        """Leave out what is named for another exercise than the one graded.

        But for who has nothing else: that name may be a slip.
        """
        named = {
            top: self._without_exercise(
                top if _is_folder(below) else stem(top)
            )
            for top, below in tops.items()
            if _is_work(top, below)
        }
        students = {
            name for name, known in named.values() if known in ("", exercise)
        }
        left = []
        for top, (name, known) in named.items():
            if known in ("", exercise):
                continue
            if name in students:
                left.append(top)
                del tops[top]
            students.add(name)
        if left:
            self.notes.append(
                "Left out, as they are named for another exercise, and those "
                f"students handed in something else too: {listed(left)}."
            )

    def _set_apart(self) -> None:
        """Give each student a name that is no other's.

        Who came under a name keeps it, whoever else comes; others of whom
        it is shown as well get a mark. So does always a name that is not
        shown whole, or that may be another's with a mark. The mark hangs on
        what was handed in alone, and stays when somebody hands in later.
        """
        shown: dict[str, list[Group]] = {}
        alike: dict[str, list[Group]] = {}
        for group in self:
            shown.setdefault(group.label, []).append(group)
            alike.setdefault(folded(group.label), []).append(group)
        for label, groups in shown.items():
            best = min(group.claim for group in groups)
            owners = [group for group in groups if group.claim == best]
            if (
                len(owners) == 1
                and is_shown_whole(label)
                and not _MARKED.search(label)
            ):
                groups.remove(owners[0])
            marks = [_mark(group.key) for group in groups]
            if len({mark[:_MARK] for mark in marks}) == len(marks):
                marks = [mark[:_MARK] for mark in marks]
            for group, mark in zip(groups, marks, strict=True):
                group.label = f"{label} [{mark}]"
        for groups in alike.values():
            if len(groups) > 1:
                self.notes.append(
                    "These names look alike, and are taken for different "
                    f"students: {listed([group.label for group in groups])}."
                )

    def _note_teams(self) -> None:
        """Say whose grade Moodle's import cannot place."""
        teams = [
            group.label
            for group in self
            if "full_name" in group.identifiers
            and "moodle_id" not in group.identifiers
        ]
        if teams:
            self.notes.append(
                "Moodle gave no number, as for those who are in no group of "
                "a team assignment, and its import finds nobody without: "
                f"{listed(teams)}. --groups can name the members."
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


def _mark(key: str) -> str:
    raw = key.encode("utf-8", "surrogateescape")
    return hashlib.sha256(raw).hexdigest()


def _may_be_work(name: str) -> bool:
    return is_notebook(name) or is_zip(name)


def _is_folder(below: list[Entry]) -> bool:
    return below[0].is_folder or len(below[0].parts) > 1


def _is_work(top: str, below: list[Entry]) -> bool:
    """Whether a folder or file at the top may be what somebody handed in."""
    return (
        _is_folder(below)
        or _may_be_work(top)
        or _MISTAKEN.fullmatch(top) is not None
        # A link in the place of a student's folder.
        or (bool(below[0].reason) and "." not in top)
    )


def _most(findings: Iterable[object]) -> bool:
    found = [bool(finding) for finding in findings]
    return 2 * sum(found) >= len(found)
