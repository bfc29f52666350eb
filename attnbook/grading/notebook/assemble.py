"""The cells to run: the learner's own, and the release's graded cells.

From the learner come the solution cells and any cells of their own. Graded
and locked cells come from the release, whatever the learner's copy says, at
the place where the learner has them, but never before the solution cells
that they follow in the release. The cells that import what the exercises need
are the learner's too, but come back where they were deleted; where they were
edited, the release's run just before them, and the imports that were added:
so they are there even if a line of the learner's fails.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from attnbook.grading.notebook.changes import listed
from attnbook.grading.notebook.read import Cell, Notebook
from attnbook.grading.notebook.release import Release, is_copy, matcher

# On one line, and of a module: not `from __future__`.
_IMPORT = re.compile(
    r"(?:import|from(?! __future__)) [\w ,.*]{1,200}", re.ASCII
)


@dataclass(frozen=True)
class RunCell:
    """A code cell to run, and where it comes from."""

    source: str
    grade_id: str  # "" for a cell of the learner's own
    number: int  # of the learner's cell; 0 where it was missing
    is_graded: bool = False
    title: str = ""  # of the exercise, where the cell is its answer


def assemble(
    learner: Notebook, release: Release
) -> tuple[list[RunCell], list[str]]:
    """Return the cells to run, in order, and notes on what was restored."""
    match = matcher(release)
    locked = {c.grade_id: c for c in release.cells if c.is_locked}
    copies: dict[str, list[Cell]] = {}
    retired = {
        cell.number: release.cells_of(cell.grade_id)
        for cell in learner.cells
        if cell.is_graded and not match(cell)
    }
    for cell in learner.cells:
        copies.setdefault(match(cell), []).append(cell)
    chosen = {
        grade_id: _chosen(copies[grade_id], cell)
        for grade_id, cell in locked.items()
        if grade_id in copies
    }
    titles = {
        c.grade_id: release.title_of(c) for c in release.cells if c.is_solution
    }
    cells = [
        RunCell(
            cell.source,
            "" if match(cell) in locked else match(cell),
            cell.number,
            title=titles.get(match(cell), ""),
        )
        for cell in learner.cells
        if cell.kind == "code"
        and not retired.get(cell.number)
        and cell is not chosen.get(match(cell))
        and not _repeats(cell, locked.get(match(cell)))
    ]
    notes: list[str] = []
    replaced = {name for names in retired.values() for name in names}
    if replaced:
        notes.append(
            "The notebook is of an earlier release: where an exercise had one "
            "graded cell, those of its parts were put."
        )
    previous, is_orphan = "", False
    for cell in release.cells:
        found = copies.get(cell.grade_id, [])
        if found or cell.grade_id not in replaced:
            notes += _notes(cell, found, chosen.get(cell.grade_id))
        if cell.grade_id in locked:
            number = chosen[cell.grade_id].number if found else 0
            _insert(cells, cell, number, previous, is_orphan)
        else:
            is_orphan = not found
        if found or cell.grade_id in locked:
            previous = cell.grade_id
    missing = _insert_setup(cells, learner, release)
    if missing:
        names = ", ".join(f"“{cell.identity}”" for cell in missing)
        notes.append(f"Cells were missing and were restored: {names}.")
    if learner.damaged:
        notes.append(
            f"{learner.damaged} damaged cells could not be read and were "
            "left out."
            if learner.damaged > 1
            else "1 damaged cell could not be read and was left out."
        )
    return cells, notes


def _insert_setup(
    cells: list[RunCell], learner: Notebook, release: Release
) -> list[Cell]:
    """Put in the setup cells that are not there as released.

    Returns those that are not there at all.
    """
    missing = []
    for setup in reversed(release.setup):
        copy = next((c for c in learner.cells if is_copy(c, setup)), None)
        if copy is None:
            missing.insert(0, setup)
        elif not _repeats(copy, setup):
            numbers = [cell.number for cell in cells]
            # A copy that passes for a graded cell may have been left out.
            place = numbers.index(copy.number) if copy.number in numbers else 0
            cells[place:place] = [
                RunCell(source, "", 0)
                for source in (setup.source, _added_imports(copy, setup))
                if source
            ]
    cells[:0] = [RunCell(cell.source, "", 0) for cell in missing]
    return missing


def _added_imports(copy: Cell, setup: Cell) -> str:
    """Return the imports that were added to a cell, one after another.

    The first that fails would else keep those after it from being run.
    """
    added = dict.fromkeys(map(str.rstrip, copy.source.splitlines()))
    for line in setup.source.splitlines():
        added.pop(line.rstrip(), None)
    return "".join(
        f"try:\n    {line}\nexcept Exception:\n    pass\n"
        for line in added
        if _is_import(line)
    )


def _is_import(line: str) -> bool:
    if _IMPORT.fullmatch(line) is None:
        return False
    try:
        compile(line, "", "exec")
    except SyntaxError:
        return False
    return True


def _chosen(found: list[Cell], released: Cell) -> Cell:
    """Choose the copy of a locked cell that stands for it."""
    exact = [cell for cell in found if _repeats(cell, released)]
    return (exact or found)[-1]


def _repeats(cell: Cell, released: Cell | None) -> bool:
    return (
        released is not None and cell.source.strip() == released.source.strip()
    )


def _notes(
    released: Cell, found: list[Cell], chosen: Cell | None
) -> list[str]:
    """Say what a teacher or learner should know of a released cell."""
    kind = (
        "graded"
        if released.is_graded
        else "locked"
        if released.is_locked
        else "solution"
    )
    name = f"{kind} cell “{released.grade_id}”"
    if not found:
        done = " and was restored" if released.is_locked else ""
        return [f"The {name} was missing{done}."]
    notes = []
    if len(found) > 1:
        numbers = listed(cell.number for cell in found)
        done = "cell " + str(chosen.number) if chosen else "each of them"
        notes.append(
            f"There are {len(found)} copies of the {name}, cells {numbers}: "
            f"{done} was run as such."
        )
    if chosen and not _repeats(chosen, released):
        notes.append(
            f"The {name} (cell {chosen.number}) was edited and was restored."
        )
    return notes


def _insert(
    cells: list[RunCell],
    cell: Cell,
    number: int,
    previous: str,
    is_orphan: bool,
) -> None:
    """Put a cell of the release where it belongs.

    An orphan, whose solution cell is nowhere, goes to the end: another cell
    of the learner's may define what it needs.
    """
    restored = RunCell(
        source=cell.source,
        grade_id=cell.grade_id,
        number=number,
        is_graded=cell.is_graded,
    )
    place = 1 + max(
        (i for i, c in enumerate(cells) if c.grade_id == previous != ""),
        default=-1,
    )
    if number:
        while place < len(cells) and 0 < cells[place].number < number:
            place += 1
    elif is_orphan:
        place = len(cells)
    cells.insert(place, restored)
