"""The exercise notebooks in a folder that somebody handed in."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from attnbook.grading.grade import grade_bytes
from attnbook.grading.isolation.limits import Limits
from attnbook.grading.notebook import read as notebooks
from attnbook.grading.notebook.release import Release, find, known_releases
from attnbook.grading.report import Report, Result

UNPROTECTED = (
    "There is no sandbox here: the notebook was graded without one, and its "
    "points are unprotected."
)
_MOST_NOTEBOOKS = 1_000  # that are looked at
# From before NumPy is loaded: a process with more threads cannot be forked
# safely.
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class _Found:
    """A notebook, or what is called like one and cannot be read."""

    path: Path
    reason: str = ""  # why it is unusable

    def rank(self, exercise: str, folder: Path) -> tuple:
        """Order the notebooks of an exercise: the likeliest is first."""
        below = self.path.relative_to(folder)
        return (
            bool(self.reason),
            self.path.stem != exercise,
            len(below.parts),
            below.as_posix(),
        )


def releases(folder: Path, only: str = "") -> dict[str, Release]:
    """Return the released exercises, or the one called ``only``.

    Raises
    ------
    attnbook.grading.notebook.read.UnusableError
        When there are none, or none of that name.
    """
    known, _ = known_releases(folder, Path())
    if only and only not in known:
        raise notebooks.UnusableError(
            f"There is no exercise “{only}”. Known are: {', '.join(known)}."
        )
    return {only: known[only]} if only else known


def grade_folder(
    folder: Path,
    release_folder: Path,
    wanted: Iterable[str],
) -> tuple[dict[str, Report], list[str]]:
    """Grade one notebook of each exercise in a folder.

    The learner's code runs in a process of its own: in the sandbox where the
    system allows one, else unprotected, which the report's notes say.

    Parameters
    ----------
    folder
        What was handed in; hidden folders and links in it are passed over.
    release_folder
        The released notebooks, all of them.
    wanted
        Names of the exercises to grade.

    Returns
    -------
    reports, notes
        A report for each exercise of which there is a notebook, in the order
        of ``wanted``, and what was left out, and why.
    """
    known = releases(release_folder)
    candidates, notes = _look(folder, known)
    wanted, reports = list(wanted), {}
    notes += [
        f"{found.path.relative_to(folder).as_posix()} was left out: it is "
        f"{name}."
        for name in candidates
        if name not in wanted
        for found in candidates[name]
    ]
    for name in wanted:
        ranked = sorted(
            candidates.get(name, []), key=lambda f: f.rank(name, folder)
        )
        if not ranked:
            continue
        chosen, *others = ranked
        below = chosen.path.relative_to(folder).as_posix()
        notes += [
            f"{other.path.relative_to(folder).as_posix()} was left out: "
            f"{below} was graded as {name}."
            for other in others
        ]
        reports[name] = (
            missing(known[name], chosen.reason)
            if chosen.reason
            else grade(chosen.path, below, known[name])
        )
    return reports, notes


def grade(path: Path, name: str, release: Release) -> Report:
    """Grade a notebook, which the report calls ``name``."""
    for variable in _ONE_THREAD:
        os.environ[variable] = "1"
    # Loaded here: they load NumPy.
    from attnbook.grading.isolation.apart import Examiner
    from attnbook.grading.isolation.sandbox import support

    limits = Limits()
    isolation = "bubblewrap" if support().ok else "none"
    with path.open("rb") as file:
        data = file.read(round(limits.notebook * 1e6) + 1)
    try:
        with Examiner(release, limits, isolation) as examiner:
            report = grade_bytes(data, name, release, examiner)
    except notebooks.UnusableError as error:
        return missing(release, str(error))
    if isolation == "none":
        report = replace(report, notes=(*report.notes, UNPROTECTED))
    return report


def missing(release: Release, reason: str) -> Report:
    """Return the report on an exercise that could not be graded.

    Unlike :func:`attnbook.grading.grade.unusable` it names each graded cell,
    so that its points are out of as many as everybody's.
    """
    return Report(
        notebook="",
        exercise=release.name,
        title=release.title,
        results=tuple(
            Result(
                grade_id=cell.grade_id,
                title=release.title_of(cell),
                part=release.part_of(cell),
                points=0,
                out_of=cell.points,
                status="not run",
                message=reason,
                seconds=0.0,
            )
            for cell in release.graded
        ),
    )


def _look(
    folder: Path, known: dict[str, Release]
) -> tuple[dict[str, list[_Found]], list[str]]:
    candidates: dict[str, list[_Found]] = {}
    notes = []
    for number, path in enumerate(_notebooks(folder)):
        below = path.relative_to(folder).as_posix()
        if number == _MOST_NOTEBOOKS:
            notes.append(
                f"Only the first {_MOST_NOTEBOOKS} notebooks were looked at."
            )
            break
        try:
            release, _ = find(notebooks.read(path), known)
        except notebooks.UnusableError as error:
            reason = str(error).replace(str(path), below)
            called = [name for name in known if name in path.stem]
            if called:
                found = _Found(path, reason)
                candidates.setdefault(called[0], []).append(found)
            else:
                notes.append(f"{below} was left out: it is no exercise.")
            continue
        candidates.setdefault(release.name, []).append(_Found(path))
    return candidates, notes


def _notebooks(folder: Path) -> Iterable[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix == ".ipynb" and not path.is_symlink():
                yield path
