"""Chooses the notebook of one exercise from all that a student handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from attnbook.grading.intake import commit_times, timestamps
from attnbook.grading.intake.archives import is_zip, unpacked
from attnbook.grading.intake.by_student import (
    Group,
    Groups,
    is_notebook,
    listed,
    stem,
)
from attnbook.grading.intake.file_names import natural, readable
from attnbook.grading.intake.places import Entry
from attnbook.grading.notebook.read import UnusableError, loads
from attnbook.grading.notebook.release import Release
from attnbook.grading.notebook.release import find as find_release

# Bytes up to which a notebook is looked into, to see of which exercise it
# is: what JSON says can take twenty times as much memory.
_LOOKED_INTO = 8_000_000

# Folders of a clone of the course with notebooks that nobody hands in.
_OF_THE_COURSE = {"solutions", "source", "release"}


@dataclass(frozen=True)
class Candidate:
    """A notebook that a student handed in."""

    file: Entry
    handed_in: Entry  # the file itself, or the zip that it is in
    name: str  # readable, as the student named it
    order: int
    exercise: str  # "" where it cannot be told


@dataclass(frozen=True)
class Choice:
    """The notebook, or the reason why there is none."""

    notebook: Candidate | None
    reason: str = ""
    received: datetime | None = None
    doubt: str = ""  # about that time; many may share one
    notes: tuple[str, ...] = ()


def choose(
    group: Group,
    groups: Groups,
    exercise: str,
    releases: Mapping[str, Release],
) -> Choice:
    """Choose the notebook of an exercise from a student's files.

    What a notebook is of is known by its metadata and cells. Of several the
    newest is taken; where the times say nothing, the one of the right name.
    """
    candidates, others = _candidates(group, releases)
    right = [c for c in candidates if c.exercise == exercise]
    unknown = [c for c in candidates if not c.exercise]
    if len(unknown) < len(candidates):
        # Then this student's notebooks can be told from one another.
        unknown = [c for c in unknown if exercise in c.name]
    best = _best(right or unknown, group, groups, exercise)
    notes = []
    if best:
        doubles = [c.name for c in right if c is not best]
        if doubles:
            notes.append(
                f"{group.label} handed in {len(right)} notebooks of this "
                f"exercise. {best.name} was taken, and not {listed(doubles)}."
            )
        unread = {
            c.file.reason
            or f"{c.name} cannot be read, or is none of the exercises."
            for c in candidates
            if c is not best and not c.exercise
        }
        if unread:
            notes.append(
                f"{group.label}: beside {best.name}, left out: "
                f"{' '.join(sorted(unread)[:3])}"
            )
        received, doubt = _received(best.handed_in, group, groups)
        return Choice(best, best.file.reason, received, doubt, tuple(notes))
    if candidates:
        found = [
            f"{c.name} is {c.exercise or 'none of the exercises'}"
            for c in candidates
        ]
        reason = (
            f"There is no notebook of {exercise} in what was handed in: "
            f"{listed(found)}."
        )
    elif others:
        reason = (
            "There is no notebook (.ipynb) in what was handed in: "
            f"{listed(others)}."
        )
    else:
        reason = "Nothing was handed in: the folder is empty."
    return Choice(None, reason)


def _candidates(
    group: Group, releases: Mapping[str, Release]
) -> tuple[list[Candidate], list[str]]:
    """Return a student's notebooks, and the names of all other files."""
    candidates: list[Candidate] = []
    others: list[str] = []
    for entry, sender in group.files:
        for file in unpacked([entry]):
            if file.is_folder and not file.reason:
                continue
            is_own = file is entry and sender.file
            name = sender.file if is_own else file.name
            may_be = (
                is_notebook(file.name)
                or is_zip(file.name)
                or len(file.parts) == 1
            )
            if is_notebook(file.name) or (file.reason and may_be):
                exercise = _exercise_of(file, name, releases)
                candidates.append(
                    Candidate(
                        file, entry, readable(name), sender.order, exercise
                    )
                )
            else:
                others.append(file.reason or name)
    return candidates, others


def _exercise_of(
    file: Entry, name: str, releases: Mapping[str, Release]
) -> str:
    """Return the exercise that a notebook is of, "" if it cannot be told."""
    if file.place is None:
        return ""
    try:
        data = file.place.read(_LOOKED_INTO)
        notebook = loads(data, readable(name))
        return find_release(notebook, dict(releases))[0].name
    except UnusableError:
        return ""


def _best(
    candidates: list[Candidate], group: Group, groups: Groups, exercise: str
) -> Candidate | None:
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    times = [_changed(c, group, groups) for c in candidates]
    has_times = all(times)

    def key(number: int) -> tuple:
        candidate, time = candidates[number], times[number]
        name = stem(candidate.name)
        return (
            candidate.file.place is not None,
            not _OF_THE_COURSE & set(candidate.file.parts[:-1]),
            time.timestamp() if time and has_times else 0,
            candidate.order,
            name == exercise,
            exercise in name,
            -len(candidate.file.parts),
            natural(candidate.name),
            number,
        )

    return candidates[max(range(len(candidates)), key=key)]


def _changed(
    candidate: Candidate, group: Group, groups: Groups
) -> datetime | None:
    """Return when a student last worked on a notebook, for a comparison."""
    if groups.layout in ("moodle", "canvas"):
        # Those of the zip are of its making, but a student's own zip in it
        # has the times of the student's computer.
        is_inside = candidate.file is not candidate.handed_in
        return candidate.file.time if is_inside else None
    if groups.layout == "repositories":
        return _received(candidate.handed_in, group, groups)[0]
    return candidate.file.time


def _received(
    entry: Entry, group: Group, groups: Groups
) -> tuple[datetime | None, str]:
    """Return when a file was handed in, and what is doubtful about it."""
    if groups.layout in ("moodle", "canvas"):
        return None, ""
    if groups.layout == "nbgrader":
        return timestamps.received(entry.parts, [f for f, _ in group.files])
    if groups.layout == "repositories" and group.folder and entry.place:
        repository = groups.root.joinpath(*groups.above, *group.folder)
        inside = entry.parts[len(group.folder) :]
        time = commit_times.commit_time(repository, inside)
        if time is None:
            return entry.time, (
                "no commit of the notebook was found; the time is that of "
                "the file on this disk."
            )
        return time, ""
    return entry.time, ""
