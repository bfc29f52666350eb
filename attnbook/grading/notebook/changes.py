"""What a learner changed besides the answers: said, and without effect."""

from __future__ import annotations

from collections.abc import Iterable

from attnbook.grading.notebook.read import Cell, Notebook
from attnbook.grading.notebook.release import Release, is_copy, matcher

_MOST_NUMBERS = 10
_MARKS = ("grade", "solution", "locked", "points")


def changes(learner: Notebook, release: Release) -> list[str]:
    """Say what differs from the release in names, marks, order and number.

    What became of the graded cells' text is told by
    :func:`attnbook.grading.notebook.assemble.assemble`.
    """
    match = matcher(release)
    matched = [(match(cell), cell) for cell in learner.cells]
    known = [(grade_id, cell) for grade_id, cell in matched if grade_id]
    notes = []
    if learner.exercise not in ("", release.name):
        notes.append(
            "The notebook's metadata names another exercise; it was graded "
            f"as {release.name}."
        )
    notes += _marks(known, release)
    notes += _order([grade_id for grade_id, _ in known], release)
    identities = {c.identity for c in release.notebook.cells if c.identity}
    sources = {c.source.strip() for c in release.notebook.cells}
    added = [
        cell.number
        for grade_id, cell in matched
        if cell.kind == "code"
        and not grade_id
        and not (cell.is_graded and release.cells_of(cell.grade_id))
        and cell.identity not in identities
        and cell.source.strip() not in sources
        and not any(is_copy(cell, setup) for setup in release.setup)
    ]
    if added:
        notes.append(
            f"There {_are(added, 'cell')} of the learner's own: "
            f"{listed(added)}."
        )
    return notes


def _marks(known: list[tuple[str, Cell]], release: Release) -> list[str]:
    """Tell cells whose nbgrader metadata were changed."""
    right = {cell.grade_id: _marks_of(cell) for cell in release.cells}
    changed = [
        cell.number
        for grade_id, cell in known
        if cell.nbgrader and _marks_of(cell) != right[grade_id]
    ]
    if not changed:
        return []
    return [
        "Points or other marks were changed in the metadata of "
        f"{_cells(changed)}; those of the release count."
    ]


def _marks_of(cell: Cell) -> list[object]:
    # A mark that is not there is off.
    marks = [cell.nbgrader.get(name) for name in _MARKS]
    return [mark or 0 for mark in marks]


def _order(found: list[str], release: Release) -> list[str]:
    present = list(dict.fromkeys(found))
    right = [c.grade_id for c in release.cells if c.grade_id in present]
    for one, other in zip(present, right, strict=True):
        if one != other:
            return [
                "The cells were put in another order: “" + one + "” stands "
                f"before “{other}”."
            ]
    return []


def _are(numbers: list[int], noun: str) -> str:
    if len(numbers) == 1:
        return f"is 1 {noun}"
    return f"are {len(numbers):,} {noun}s"


def _cells(numbers: list[int]) -> str:
    return f"cell{'s' * (len(numbers) > 1)} {listed(numbers)}"


def listed(numbers: Iterable[int]) -> str:
    """List numbers with commas, the first few of many."""
    numbers = list(numbers)
    text = ", ".join(map(str, numbers[:_MOST_NUMBERS]))
    more = len(numbers) - _MOST_NUMBERS
    return f"{text} and {more:,} more" if more > 0 else text
