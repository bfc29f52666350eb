"""Chooses the notebook of one exercise from all that a student handed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from attnbook.grading.intake import timestamps
from attnbook.grading.intake.archives import is_zip, unpacked
from attnbook.grading.intake.by_student import (
    OF_ATTEMPTS,
    Group,
    Groups,
    is_notebook,
    listed,
    stem,
)
from attnbook.grading.intake.commit_times import Commits
from attnbook.grading.intake.file_names import Sender, natural, readable
from attnbook.grading.intake.looking import Looks, Seen
from attnbook.grading.intake.places import MOST_FILES, Entry
from attnbook.grading.notebook.release import Release

_MOST_ZIPS = 20  # that are opened, of one student
_MOST_DOUBTS = 3  # in a note

# Folders of a clone of the course with notebooks that nobody hands in.
_OF_THE_COURSE = {"chapters", "solutions", "source", "release"}

_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Candidate:
    """A notebook that a student handed in."""

    file: Entry
    handed_in: Entry  # the file itself, or the zip that it is in
    name: str  # readable, as the student named it
    order: int
    shown: str = ""  # the name, with its path where another has it too
    seen: Seen = field(default_factory=Seen)

    @property
    def exercise(self) -> str:
        """The exercise that it is of, "" where it cannot be told."""
        return self.seen.exercise

    @property
    def is_of_the_course(self) -> bool:
        """Whether it lies where a clone of the course has such files."""
        return bool(_OF_THE_COURSE & set(self.file.parts[:-1]))


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
    largest: int,
) -> Choice:
    """Choose the notebook of an exercise from a student's files.

    What a notebook is of is known by its metadata and cells. Of several the
    newest is taken; where the times say nothing, the one of the right name.
    One of more than ``largest`` bytes cannot be looked into; where it is the
    newest, it counts all the same, so that no older one does in silence.
    """
    commits = Commits(_repository(group, groups))
    candidates, others = _candidates(group)
    candidates = _looked_into(candidates, exercise, Looks(releases, largest))
    right = [c for c in candidates if c.exercise == exercise]
    large = [
        c
        for c in candidates
        if c.seen.is_too_large
        and (exercise in c.name or not any(n in c.name for n in releases))
    ]
    unknown = [c for c in candidates if not c.exercise]
    if len(unknown) < len(candidates):
        # Then this student's notebooks can be told from one another.
        unknown = [c for c in unknown if exercise in c.name or c in large]
    best = _best(right or unknown, group, groups, exercise, commits)
    notes = []
    newer = [
        c
        for c in large
        if right and _is_newer(c, best, group, groups, commits)
    ]
    if newer:
        older = best
        best = _best(newer, group, groups, exercise, commits)
        notes.append(
            f"{group.label}: {best.shown} counts, as it is newer than "
            f"{older.shown}. {best.seen.doubt}"
        )
    if best:
        notes += _beside(best, candidates, right, group)
        received, doubt = _received(best.handed_in, group, groups, commits)
        return Choice(best, best.file.reason, received, doubt, tuple(notes))
    return Choice(None, _why_none(candidates, others, exercise))


def _beside(
    best: Candidate,
    candidates: list[Candidate],
    right: list[Candidate],
    group: Group,
) -> list[str]:
    """Say what else there was beside the notebook that was taken."""
    notes = []
    doubles = [
        c.shown if c.shown != best.shown else f"another {c.shown}"
        for c in right
        if c is not best
    ]
    if doubles and best in right:
        notes.append(
            f"{group.label} handed in {len(right)} notebooks of this "
            f"exercise. {best.shown} was taken, and not {listed(doubles)}."
        )
    left = [
        c
        for c in candidates
        if c is not best
        and not c.exercise
        and not (c.seen.is_notebook and c.is_of_the_course)
    ]
    if left:
        told = [
            f"{c.seen.doubt} Is it the newer attempt?"
            for c in left
            if c.seen.is_too_large
        ]
        told.append(_doubts(c for c in left if not c.seen.is_too_large))
        notes.append(
            f"{group.label}: beside {best.shown}, left out: "
            f"{' '.join(filter(None, told))}"
        )
    return notes


def _doubts(candidates: Iterable[Candidate]) -> str:
    """Say of some why it cannot be told what they are."""
    found = sorted({c.file.reason or c.seen.doubt for c in candidates})
    more = len(found) - _MOST_DOUBTS
    if more > 0:
        found[_MOST_DOUBTS:] = [f"And {more:,} more."]
    return " ".join(found)


def _why_none(
    candidates: list[Candidate], others: list[str], exercise: str
) -> str:
    """Say why there is no notebook to grade."""
    if candidates:
        known = [
            f"{c.shown} is {c.exercise}" for c in candidates if c.exercise
        ]
        told = [f"{listed(known)}."] if known else []
        told.append(_doubts(c for c in candidates if not c.exercise))
        return (
            f"There is no notebook of {exercise} in what was handed in: "
            f"{' '.join(filter(None, told))}"
        )
    if others:
        return (
            "There is no notebook (.ipynb) in what was handed in: "
            f"{listed(others)}."
        )
    return "Nothing was handed in: the folder is empty."


def _candidates(group: Group) -> tuple[list[Candidate], list[str]]:
    """Return a student's notebooks, and the names of all other files."""
    candidates: list[Candidate] = []
    others: list[str] = []
    for entry, sender, file in _files(group):
        if file.is_folder and not file.reason:
            continue
        is_own = file is entry and sender.file
        name = sender.file if is_own else file.name
        may_be = (
            is_notebook(file.name) or is_zip(file.name) or len(file.parts) == 1
        )
        if is_notebook(file.name) or (file.reason and may_be):
            candidates.append(
                Candidate(file, entry, readable(name), sender.order)
            )
        else:
            others.append(file.reason or name)
    names = Counter(c.name for c in candidates)
    return [
        replace(c, shown=c.name if names[c.name] < 2 else _path(c, group))
        for c in candidates
    ], others


def _files(group: Group) -> Iterator[tuple[Entry, Sender, Entry]]:
    """Yield what was handed in, who says so, and each file in it.

    Of many zips the newest are opened, until there are files enough.
    """
    zips = [
        pair
        for pair in group.files
        if is_zip(pair[0].name) and not pair[0].is_folder
    ]
    zips.sort(key=lambda pair: (-pair[1].order, -_seconds(pair[0].time)))
    inside: dict[int, list[Entry]] = {}
    files = 0
    for entry, _ in zips:
        if len(inside) < _MOST_ZIPS and files < MOST_FILES:
            inside[id(entry)] = unpacked(entry)
            files += len(inside[id(entry)])
    for entry, sender in group.files:
        found = inside.get(id(entry), [entry])
        if found == [entry] and is_zip(entry.name) and entry.place:
            found = [
                replace(
                    entry,
                    place=None,
                    reason=f"{readable(entry.name)} was not opened, as many "
                    "other zips were. Hand in the notebook alone.",
                )
            ]
        for file in found:
            yield entry, sender, file


def _path(candidate: Candidate, group: Group) -> str:
    """Return where a notebook lies among a student's files."""
    parts, folder = candidate.file.parts, group.folder
    if parts[: len(folder)] == folder:
        parts = parts[len(folder) :]
    return "/".join(readable(part) for part in parts)


def _looked_into(
    candidates: list[Candidate], exercise: str, looks: Looks
) -> list[Candidate]:
    """Look into notebooks, the likely ones first; return all in order."""

    def key(number: int) -> tuple:
        candidate = candidates[number]
        return (
            not candidate.is_of_the_course,
            exercise in candidate.name,
            candidate.order,
            _seconds(candidate.file.time),
        )

    looked = list(candidates)
    for number in sorted(range(len(candidates)), key=key, reverse=True):
        candidate = candidates[number]
        if candidate.file.place is not None:
            seen = looks.into(candidate.file.place, candidate.shown)
            looked[number] = replace(candidate, seen=seen)
    return looked


def _seconds(time: datetime | None) -> float:
    return (time - _EPOCH).total_seconds() if time else 0.0


def _best(
    candidates: list[Candidate],
    group: Group,
    groups: Groups,
    exercise: str,
    commits: Commits,
) -> Candidate | None:
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    times = [_changed(c, group, groups, commits) for c in candidates]
    has_times = all(times)

    def key(number: int) -> tuple:
        candidate, time = candidates[number], times[number]
        name = stem(candidate.name)
        return (
            candidate.file.place is not None,
            not candidate.seen.is_notebook,
            not candidate.is_of_the_course,
            time.timestamp() if time and has_times else 0,
            candidate.order,
            name == exercise,
            exercise in name,
            -len(candidate.file.parts),
            natural(candidate.name),
            number,
        )

    return candidates[max(range(len(candidates)), key=key)]


def _is_newer(
    candidate: Candidate,
    other: Candidate,
    group: Group,
    groups: Groups,
    commits: Commits,
) -> bool:
    """Whether one is known to be handed in later than another."""
    mine = _changed(candidate, group, groups, commits)
    theirs = _changed(other, group, groups, commits)
    if mine and theirs and mine != theirs:
        return mine > theirs
    return candidate.order > other.order


def _changed(
    candidate: Candidate, group: Group, groups: Groups, commits: Commits
) -> datetime | None:
    """Return when a student last worked on a notebook, for a comparison."""
    if groups.layout in ("moodle", "canvas"):
        # Those of the zip are of its making, but a student's own zip in it
        # has the times of the student's computer.
        is_inside = candidate.file is not candidate.handed_in
        return candidate.file.time if is_inside else None
    if groups.layout in OF_ATTEMPTS:
        return candidate.handed_in.time
    if groups.layout == "repositories":
        return _received(candidate.handed_in, group, groups, commits)[0]
    return candidate.file.time


def _repository(group: Group, groups: Groups) -> Path:
    return groups.root.joinpath(*groups.above, *group.folder)


def _received(
    entry: Entry, group: Group, groups: Groups, commits: Commits
) -> tuple[datetime | None, str]:
    """Return when a file was handed in, and what is doubtful about it."""
    if groups.layout in ("moodle", "canvas"):
        return None, ""
    if groups.layout == "nbgrader":
        return timestamps.received(entry.parts, [f for f, _ in group.files])
    if groups.layout == "repositories" and group.folder and entry.place:
        time = commits.last_of(entry.parts[len(group.folder) :])
        if time is None:
            return entry.time, (
                "no commit of the notebook was found; the time is that of "
                "the file on this disk."
            )
        return time, ""
    return entry.time, ""
