"""The released notebooks: made from the solutions, and found again.

``solutions/`` is the source. nbgrader's own preprocessors, in the order in
which ``nbgrader generate_assignment`` runs them, take the solutions out,
lock the cells and compute the checksums, so that ``exercises/`` works in
nbgrader as it is. Header files, generated tests and the database are left
out: the course uses none. The same input gives the same bytes.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from attnbook.grading.notebook.read import Cell, Notebook, UnusableError, parse

STUB = """\
# Your code goes here, in place of the next line.
raise NotImplementedError("write this part, then run the cell again")"""

# What nbgrader logs, it raises too.
_SILENT = logging.Logger("nbgrader", logging.CRITICAL + 1)

# How a graded cell begins that is one of several of an exercise.
_PART = re.compile(r"# Part \d+ of \d+ · \d+ points? · (.+)")

_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


@dataclass(frozen=True)
class Release:
    """A released notebook: what graded and locked cells must say."""

    name: str  # "00-soft-lookup"
    notebook: Notebook

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The code cells that nbgrader knows."""
        return tuple(
            cell
            for cell in self.notebook.cells
            if cell.kind == "code" and cell.grade_id
        )

    @property
    def setup(self) -> tuple[Cell, ...]:
        """The plain code cells before the first that nbgrader knows."""
        first = min((cell.number for cell in self.cells), default=0)
        return tuple(
            cell
            for cell in self.notebook.cells
            if cell.kind == "code" and cell.number < first
        )

    @property
    def graded(self) -> tuple[Cell, ...]:
        """The cells that carry points, in order.

        Answers that a person has to read are not among them.
        """
        return tuple(c for c in self.cells if c.is_graded and c.is_locked)

    @property
    def points(self) -> float:
        """All the points there are."""
        return sum(cell.points for cell in self.graded)

    @property
    def title(self) -> str:
        """The notebook's first heading."""
        for cell in self.notebook.cells:
            heading = _HEADING.search(cell.source)
            if cell.kind == "markdown" and heading:
                return _plain(heading[1])
        return self.name

    def title_of(self, cell: Cell) -> str:
        """Return the heading above a cell that nbgrader knows."""
        return self._labels[cell.grade_id][0]

    def part_of(self, graded: Cell) -> str:
        """Return which part of its exercise a graded cell is, "" for all."""
        return self._labels[graded.grade_id][1]

    @cached_property
    def _labels(self) -> dict[str, tuple[str, str]]:
        """The title of each cell that nbgrader knows, and its part."""
        found: dict[str, tuple[str, str]] = {}
        title = ""
        for cell in self.notebook.cells:
            if cell.kind == "markdown":
                for heading in _HEADING.finditer(cell.source):
                    title = _plain(heading[1])
            if cell.grade_id:
                part = _PART.match(cell.source)
                found[cell.grade_id] = (
                    title or cell.grade_id,
                    part[1] if part else "",
                )
        graded = {c.grade_id for c in self.notebook.cells if c.is_graded}
        titles = [title for one, (title, _) in found.items() if one in graded]
        return {
            grade_id: (
                title,
                part or (grade_id if titles.count(title) > 1 else ""),
            )
            for grade_id, (title, part) in found.items()
        }

    def cells_of(self, name: str) -> list[str]:
        """Return the grade_ids of graded cells that a name stands for.

        One cell's own; or all of an exercise, by what its solution cell is
        called before ``-answer``.
        """
        found, exercise = [], ""
        for cell in self.cells:
            if cell.is_solution:
                exercise = cell.grade_id.removesuffix("-answer")
            if cell in self.graded and name in (cell.grade_id, exercise):
                found.append(cell.grade_id)
        return found


def _plain(heading: str) -> str:
    return re.sub(r"[*`$]", "", heading)


# -- making ----------------------------------------------------------------


def released_text(solution: Path) -> str:
    """Return the released notebook's text, from its solution.

    Raises
    ------
    ValueError
        When nbgrader refuses the notebook; the text says why.
    """
    # Loaded here, as learners grade without it and it takes seconds.
    import nbformat
    from nbgrader import preprocessors
    from traitlets.config import Config

    try:
        notebook = nbformat.read(solution, as_version=4)
    except ValueError as error:
        raise ValueError(f"{solution} is no notebook: {error}") from None
    configuration = Config()
    configuration.ClearSolutions.code_stub = {"python": STUB}
    resources: dict = {}
    for step in (
        preprocessors.LockCells,
        preprocessors.ClearSolutions,
        preprocessors.ClearOutput,
        preprocessors.CheckCellMetadata,
        preprocessors.ClearHiddenTests,
        preprocessors.ClearMarkScheme,
        preprocessors.ComputeChecksums,
        preprocessors.CheckCellMetadata,
    ):
        try:
            notebook, resources = step(
                config=configuration, log=_SILENT
            ).preprocess(notebook, resources)
        except Exception as error:
            raise ValueError(
                f"{solution}: nbgrader's {step.__name__} refuses it: {error}"
            ) from error
    notebook.metadata["attnbook"] = {"exercise": solution.stem}
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def write_all(solutions: Path, exercises: Path) -> list[Path]:
    """Write each released notebook; return the paths that changed.

    Raises
    ------
    ValueError
        When there are no solutions, or nbgrader refuses one.
    """
    changed = []
    exercises.mkdir(parents=True, exist_ok=True)
    for solution in _solutions(solutions):
        target = exercises / solution.name
        text = released_text(solution)
        if not target.exists() or target.read_text("utf-8") != text:
            target.write_text(text, "utf-8", newline="\n")
            changed.append(target)
    return changed


def compare_all(solutions: Path, exercises: Path) -> list[str]:
    """Say what differs between the exercises and what release would write.

    Raises
    ------
    ValueError
        When there are no solutions, or nbgrader refuses one.
    """
    sources = _solutions(solutions)
    differences = []
    for solution in sources:
        target = exercises / solution.name
        if not target.exists():
            differences.append(f"{target} is missing.")
            continue
        made, found = released_text(solution), target.read_text("utf-8")
        if made != found:
            differences.append(f"{target}: {_first_difference(made, found)}")
    known = {solution.name for solution in sources}
    for target in sorted(exercises.glob("*.ipynb")):
        if target.name not in known:
            differences.append(f"{target} has no solution in {solutions}.")
    return differences


def _solutions(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.ipynb"))
    if not found:
        raise ValueError(
            f"Expected notebooks in {folder}, found none. Run this in the "
            "checkout of the course, or pass --solutions."
        )
    return found


def _first_difference(made: str, found: str) -> str:
    try:
        ours = parse(json.loads(made), Path("made"))
        theirs = parse(json.loads(found), Path("found"))
    except (ValueError, UnusableError):
        return "is not a notebook."
    if len(ours.cells) != len(theirs.cells):
        return (
            f"has {len(theirs.cells)} cells, its solution makes "
            f"{len(ours.cells)}."
        )
    for one, other in zip(ours.cells, theirs.cells, strict=True):
        if one != other:
            return (
                f"cell {one.number} ({one.grade_id or one.identity}) differs "
                "from what its solution makes."
            )
    return "its metadata or layout differs from what its solution makes."


# -- finding ---------------------------------------------------------------


# The checkout that this package runs from, or where it is installed.
OWN = Path(__file__).resolve().parents[3]


def checkout(strangers: Path | None = None) -> Path | None:
    """Return the folder that holds ``exercises/``, None if there is none.

    The checkout that this package runs from. Where it is installed apart
    from its checkout: the one that one stands in, else the folder one stands
    in. What a release says is run outside of the sandbox, so it must be
    nobody's but the teacher's: neither the submissions of ``strangers`` nor
    a folder in them or around them will do.
    """
    if _has_notebooks(OWN / "exercises"):
        return OWN
    root = _around_here()
    if root is None or strangers is None:
        return root
    one, other = (Path(os.path.realpath(p)) for p in (root, strangers))
    if one.is_relative_to(other) or other.is_relative_to(one):
        return None
    return root


def _around_here() -> Path | None:
    """Return the checkout one stands in, else the folder one stands in."""
    here = Path.cwd()
    for root in (here, *here.parents):
        beside = (root / "solutions").is_dir() or (root / "attnbook").is_dir()
        if beside and _has_notebooks(root / "exercises"):
            return root
    return here if _has_notebooks(here / "exercises") else None


def _has_notebooks(folder: Path) -> bool:
    return any(folder.glob("*.ipynb"))


def known_releases(
    folder: Path | None, learner: Path, strangers: Path | None = None
) -> tuple[dict[str, Release], list[str]]:
    """Return all releases by name, and notes on how they were found.

    ``folder`` is what ``--release`` named; otherwise ``exercises/`` of the
    :func:`checkout`. A notebook that is worked on in ``exercises/`` itself
    is not its own measure: its release is made anew from ``solutions/``.

    Raises
    ------
    UnusableError
        When there are no releases.
    """
    root = None if folder else checkout(strangers)
    if folder is None and root is None:
        raise UnusableError(
            "The released notebooks are not found: run this in the checkout "
            "of the course, or name their folder with --release. A folder "
            "among the submissions, or around them, is not taken for it."
        )
    place = folder or root / "exercises"
    releases, notes = {}, _passed_over(root)
    for path in sorted(place.glob("*.ipynb")):
        try:
            text = path.read_text("utf-8")
            if folder is None and _same_file(path, learner):
                text = _made_anew(root, path, text, notes)
            content = json.loads(text)
            releases[path.stem] = Release(path.stem, parse(content, path))
        except (ValueError, UnusableError):
            notes.append(f"{path} is no notebook and was left out.")
    if not any(release.graded for release in releases.values()):
        raise UnusableError(
            f"There is no released exercise in {place}: make them with "
            "`python -m attnbook.grading release`, or name their folder "
            "with --release."
        )
    return releases, notes


def _passed_over(root: Path | None) -> list[str]:
    """Note that other exercises lie where one stands, if they do."""
    other = root and _around_here()
    if not other or other.samefile(root):
        return []
    return [
        f"The exercises are those of {root / 'exercises'}, not those in "
        f"{other / 'exercises'}. --release names others."
    ]


def _same_file(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)


def _made_anew(root: Path, path: Path, text: str, notes: list[str]) -> str:
    solution = root / "solutions" / path.name
    if solution.exists():
        try:
            return released_text(solution)
        except ImportError:
            pass
    notes.append(
        "This notebook is the released one itself, and neither its solution "
        "nor another copy is at hand: graded cells were taken as they are."
    )
    return text


def find(
    learner: Notebook, releases: dict[str, Release]
) -> tuple[Release, list[str]]:
    """Find the release that a notebook was made from, with notes.

    By the name in its metadata, else by its file name, else by its cells;
    the cells decide where they belong to another chapter altogether.

    Raises
    ------
    UnusableError
        When it is none of them.
    """
    shared = _shared(learner, releases)
    best = max(shared, key=shared.get)
    named = learner.exercise if learner.exercise in releases else ""
    called = _called(learner.path.stem, releases)
    for claim, source in ((named, "says that it is"), (called, "is called")):
        if claim and shared[claim]:
            notes = []
            if source != "is called" and called and called != claim:
                notes.append(f"The file is called {called} but is {claim}.")
            return releases[claim], notes
        if claim and shared[best]:
            return releases[best], [
                f"The notebook {source} {claim}, but its cells are those of "
                f"{best}: it was graded as {best}."
            ]
    if shared[best]:
        return releases[best], []
    if named:
        return releases[named], []
    if called:
        raise UnusableError(
            f"{learner.path} is called {called}, but none of its cells "
            "belongs to that exercise. Is it the chapter? Hand in the "
            f"notebook made from exercises/{called}.ipynb."
        )
    claim = f" (it says “{learner.exercise[:40]}”)" if learner.exercise else ""
    raise UnusableError(
        f"{learner.path} is none of the exercises{claim}. Known are: "
        f"{', '.join(releases)}."
    )


def _called(stem: str, names: Iterable[str]) -> str:
    """Find an exercise's name in a file name such as “00-x (1)”."""
    matches = [name for name in names if name in stem]
    return max(matches, key=len, default="")


def _shared(learner: Notebook, releases: dict[str, Release]) -> dict[str, int]:
    """Count the cells that a notebook has in common with each release.

    By grade_id; only where there is none at all, by id or source, which
    two chapters may share by chance.
    """
    written = {cell.grade_id for cell in learner.cells}
    telling = {
        name: {c.grade_id for c in release.cells if not c.is_setup}
        for name, release in releases.items()
    }
    shared = {name: len(ids & written) for name, ids in telling.items()}
    if any(shared.values()):
        return shared
    for name, release in releases.items():
        match = matcher(release)
        matched = {match(cell) for cell in learner.cells}
        shared[name] = len(telling[name] & matched)
    return shared


def matcher(release: Release) -> Callable[[Cell], str]:
    """Return the function from a learner's cell to its grade_id.

    By nbgrader's metadata; where an editor dropped that, by the cell's id,
    or by what it says if it says what the release does. "" for a cell of the
    learner's own.
    """
    known = {cell.grade_id for cell in release.cells}
    by_identity = {c.identity: c.grade_id for c in release.cells if c.identity}
    by_source = {c.source.strip(): c.grade_id for c in release.cells}

    def match(cell: Cell) -> str:
        if cell.kind != "code":
            return ""
        if cell.grade_id in known:
            return cell.grade_id
        if cell.identity in by_identity:
            return by_identity[cell.identity]
        return by_source.get(cell.source.strip(), "")

    return match


def is_copy(cell: Cell, setup: Cell) -> bool:
    """Tell whether a learner's cell is a setup cell, or was made of it.

    By the cell's id, which some editors drop or make anew, or by its lines:
    some may have been added.
    """
    lines = {line.strip() for line in setup.source.splitlines()}
    return cell.kind == setup.kind and (
        cell.identity == setup.identity != ""
        or lines.issubset(map(str.strip, cell.source.splitlines()))
    )
