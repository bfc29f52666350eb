"""Grades one notebook: from its cells to points and messages."""

from __future__ import annotations

import ast
import functools
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from attnbook.grading.notebook import read as notebooks
from attnbook.grading.notebook.assemble import RunCell, assemble
from attnbook.grading.notebook.changes import changes
from attnbook.grading.notebook.release import (
    Release,
    find,
    known_releases,
    matcher,
)
from attnbook.grading.notebook.running import Fate, run
from attnbook.grading.report import Report, Result

if TYPE_CHECKING:
    from attnbook.grading.isolation.apart import Examiner

TIMEOUT = 60.0  # seconds for each cell

# Also what turns the direction of writing, and halves of characters.
_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    r"|[\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_UNDEFINED = re.compile(r"name '(\w+)' is not defined")
_LONGEST_TEXT = 1_000
_LONGEST_NAME = 200
_LONGEST_ANSWER = 100_000  # characters
_MOST_NAMES = 5  # that are not defined, of which a message says why
_MOST_TROUBLES = 20  # cells of which it is said that they failed


def grade(
    path: Path, release_folder: Path | None = None, timeout: float = TIMEOUT
) -> Report:
    """Grade a notebook.

    Parameters
    ----------
    path
        The learner's notebook.
    release_folder
        Where the released notebooks are; by default found as
        :func:`attnbook.grading.notebook.release.known_releases` says.
    timeout
        Seconds for each cell.

    Raises
    ------
    attnbook.grading.notebook.read.UnusableError
        When the file cannot be graded at all.
    """
    began = time.monotonic()
    learner = notebooks.read(path)
    releases, notes = known_releases(release_folder, path)
    release, more = find(learner, releases)
    notes += more
    cells, more = assemble(learner, release)
    notes += more
    unrun = _not_code(learner, release)
    report = _report(release, cells, run(cells, timeout), timeout, unrun)
    return replace(
        report,
        notebook=str(path),
        notes=(*notes, *report.notes),
        seconds=round(time.monotonic() - began, 1),
    )


def grade_bytes(
    data: bytes, name: str, release: Release, examiner: Examiner
) -> Report:
    """Grade a notebook of a class, apart from the checks.

    Parameters
    ----------
    data
        The notebook file, which may be hostile.
    name
        What the report calls it.
    release
        The exercise that it is to be.
    examiner
        Runs the cells: student code there, graded cells here.

    Raises
    ------
    attnbook.grading.notebook.read.UnusableError
        When the file cannot be graded at all.
    """
    largest = round(examiner.limits.notebook * 1e6)
    learner = notebooks.loads(data, clean(name, _LONGEST_NAME), largest)
    return judge(learner, release, examiner)


def judge(
    learner: notebooks.Notebook, release: Release, examiner: Examiner
) -> Report:
    """Grade a notebook that was read, as :func:`grade_bytes` does.

    Raises
    ------
    attnbook.grading.notebook.read.UnusableError
        When none of its cells belongs to the exercise.
    """
    began = time.monotonic()
    _belong(learner, release)
    cells, notes = assemble(learner, release)
    notes = changes(learner, release) + notes
    fates = examiner.run(cells)
    unrun = _not_code(learner, release)
    report = _report(release, cells, fates, examiner.limits.wall, unrun)
    return replace(
        report,
        notebook=clean(str(learner.path), _LONGEST_NAME),
        notes=(*notes, *report.notes),
        seconds=round(time.monotonic() - began, 3),
        isolation=examiner.isolation,
    )


def _belong(learner: notebooks.Notebook, release: Release) -> None:
    known = {cell.grade_id for cell in release.cells}
    is_known = any(cell.grade_id in known for cell in learner.cells)
    try:
        # The ids of cells alone do not tell: chapters share some.
        if not is_known and learner.exercise not in ("", release.name):
            raise notebooks.UnusableError
        find(learner, {release.name: release})
    except notebooks.UnusableError:
        name = clean(learner.exercise, 40)
        claim = f"; it says that it is “{name}”" if name else ""
        raise notebooks.UnusableError(
            f"{clean(str(learner.path), _LONGEST_NAME)} is not "
            f"{release.name}: none of its cells belongs to that "
            f"exercise{claim}. Was another file meant?"
        ) from None


def answers(learner: notebooks.Notebook, release: Release) -> dict[str, str]:
    """Return what stands in the solution cells, by grade_id.

    Copies of one cell are joined, and what is very long is cut.
    """
    match = matcher(release)
    found: dict[str, list[str]] = {}
    for cell in learner.cells:
        found.setdefault(match(cell), []).append(cell.source)
    return {
        cell.grade_id: "\n".join(found[cell.grade_id])[:_LONGEST_ANSWER]
        for cell in release.cells
        if cell.is_solution and cell.grade_id in found
    }


def _report(
    release: Release,
    cells: Sequence[RunCell],
    fates: Sequence[Fate],
    timeout: float,
    unrun: Sequence[notebooks.Cell],
) -> Report:
    """Make the report from what happened to each cell."""
    results = [
        _result(cell, release, cells, fates, timeout, unrun)
        for cell in release.graded
    ]
    _binds.cache_clear()
    return Report(
        notebook="",
        exercise=release.name,
        title=release.title,
        results=tuple(results),
        notes=tuple(_troubles(cells, fates, timeout, results)),
    )


def unusable(path: Path, reason: str) -> Report:
    """Return the report on a file that cannot be graded."""
    return Report(notebook=str(path), reason=reason)


def _result(
    graded: notebooks.Cell,
    release: Release,
    cells: Sequence[RunCell],
    fates: Sequence[Fate],
    timeout: float,
    unrun: Sequence[notebooks.Cell],
) -> Result:
    place = next(
        i for i, c in enumerate(cells)
        if c.is_graded and c.grade_id == graded.grade_id
    )  # fmt: skip
    fate = fates[place]
    passed = fate.kind == "passed"
    return Result(
        grade_id=graded.grade_id,
        title=release.title_of(graded),
        part=release.part_of(graded),
        points=graded.points if passed else 0,
        out_of=graded.points,
        status=_STATUS[fate.kind],
        message=""
        if passed
        else _message(place, cells, fates, timeout, unrun),
        seconds=round(fate.seconds, 3),
        mistake=fate.mistake,
    )


_STATUS = {
    "passed": "passed",
    "error": "failed",
    "timeout": "timed out",
    "hung": "timed out",
    "output": "failed",
    "died": "crashed",
    "not run": "not run",
}


def _message(
    place: int,
    cells: Sequence[RunCell],
    fates: Sequence[Fate],
    timeout: float,
    unrun: Sequence[notebooks.Cell],
) -> str:
    """Say in the learner's terms why a graded cell gave no points."""
    fate = fates[place]
    undefined = _UNDEFINED.search(fate.text)
    if fate.kind == "error" and fate.name == "WrongAnswer":
        text = clean(fate.text, _LONGEST_TEXT)
        elsewhere = _written_elsewhere(place, cells)
        text = f"{text}\n  {elsewhere}" if elsewhere else text
    elif fate.kind == "error" and fate.name == "NameError" and undefined:
        text = _undefined(undefined[1], place, cells, fates, timeout, unrun)
    else:
        text = what_happened(fate, timeout)
    for name in [*dict.fromkeys(_UNDEFINED.findall(text))][:_MOST_NAMES]:
        reason = _failed(name, place, cells, fates, timeout)
        if reason not in text:
            text += f"\n{reason}"
    return text


def _failed(
    name: str,
    place: int,
    cells: Sequence[RunCell],
    fates: Sequence[Fate],
    timeout: float,
) -> str:
    """Say which cell would have defined a name, had it not failed."""
    for cell, fate in zip(cells[:place], fates[:place], strict=True):
        if fate.kind != "passed" and _binds(cell.source, name):
            reason = _reason(cell, fate, timeout)
            return f"`{name}` is not defined, because {reason}"
    return ""


def _undefined(
    name: str,
    place: int,
    cells: Sequence[RunCell],
    fates: Sequence[Fate],
    timeout: float,
    unrun: Sequence[notebooks.Cell],
) -> str:
    for index, cell in enumerate(cells):
        if index == place or not _binds(cell.source, name):
            continue
        if fates[index].kind != "passed":
            reason = _reason(cell, fates[index], timeout)
            return f"`{name}` is not defined, because {reason}"
        if index > place:
            return (
                f"`{name}` is not defined yet: {_call(cell)} comes after "
                "the graded cell. Move it up."
            )
    for cell in unrun:
        if _binds(cell.source, name):
            kind = "Markdown" if cell.kind == "markdown" else cell.kind
            return (
                f"`{name}` is not defined: cell {cell.number} is {kind} and "
                "is not run. Make it a code cell."
            )
    return f"`{name}` is not defined: no cell of the notebook defines it."


def _not_code(
    learner: notebooks.Notebook, release: Release
) -> list[notebooks.Cell]:
    """Return the learner's cells that are not run, without the texts."""
    texts = {c.source for c in release.notebook.cells if c.kind != "code"}
    return [
        cell
        for cell in learner.cells
        if cell.kind != "code" and cell.source not in texts
    ]


def _written_elsewhere(place: int, cells: Sequence[RunCell]) -> str:
    """Say where an answer stands, if a stub hides it from a graded cell."""
    tree = ast.parse(cells[place].source)
    for name in [n.id for n in ast.walk(tree) if isinstance(n, ast.Name)]:
        found = [
            index
            for index, cell in enumerate(cells)
            if not cell.is_graded and _binds(cell.source, name)
        ]
        stub = max((i for i in found if i < place), default=None)
        if stub is None or not _is_stub(cells[stub]):
            continue
        for index in found:
            if not _is_stub(cells[index]):
                where = "below" if index > place else "above"
                return (
                    f"But {_call(cells[index])} defines `{name}`, {where}. "
                    f"Put that into {_call(cells[stub])}."
                )
    return ""


def _is_stub(cell: RunCell) -> bool:
    return "raise NotImplementedError" in cell.source


@functools.cache  # for one notebook
def _binds(source: str, name: str) -> bool:
    """Tell whether a line of a source seems to define a name."""
    word = re.escape(name)
    # Line by line: over many lines at once, blanks could be split between
    # the parts in so many ways that no end is seen. And those alone that
    # hold the name: there may be millions of others.
    binds = re.compile(
        rf"[ \t]*(?:(?:async[ \t]+)?def[ \t]+{word}\b"
        rf"|class[ \t]+{word}\b|{word}[ \t]*[:=]"
        rf"|(?:from|import)[ \t].*\b{word}\b)"
    )
    place = source.find(name)
    while place >= 0:
        begin, end = source.rfind("\n", 0, place) + 1, source.find("\n", place)
        end = len(source) if end < 0 else end
        if any(map(binds.match, source[begin:end].splitlines())):
            return True
        place = source.find(name, end)
    return False


def _reason(cell: RunCell, fate: Fate, timeout: float) -> str:
    return f"{_call(cell)} failed.\n{what_happened(fate, timeout)}"


def _call(cell: RunCell) -> str:
    """Name a cell as a learner sees it: none is numbered in a notebook."""
    if cell.title:
        return f"the answer to “{cell.title}”"
    return f"cell {cell.number}" if cell.number else "a restored cell"


def what_happened(fate: Fate, timeout: float) -> str:
    """Say in one line what stopped a cell."""
    if fate.kind != "error" and fate.text:
        return clean(fate.text, _LONGEST_TEXT)
    # It may be less than a cell's own limit, where the notebook's is near.
    ran = fate.seconds if 0 < fate.seconds < timeout else timeout
    if fate.kind == "timeout":
        return (
            f"It ran for {round(ran, 1):g} s and was stopped. Is there a loop "
            "that never ends?"
        )
    if fate.kind == "hung":
        return (
            f"It ran for {round(ran, 1):g} s and could not be interrupted. Is "
            "there a loop that never ends and catches every exception?"
        )
    if fate.kind == "output":
        return "It printed without end and was stopped."
    if fate.kind == "died":
        return (
            "It ended Python itself: a crash, `os._exit`, or not enough "
            "memory."
        )
    if fate.kind == "not run":
        return "It was not run: other cells ended Python too often."
    if fate.name in ("StdinNotImplementedError", "StdinNotImplemented"):
        return "It asks for input, and nobody answers while it is graded."
    if fate.name == "SystemExit":
        return "It calls `exit()`. Take the call out."
    text = clean(fate.text, _LONGEST_TEXT)
    # IPython names a made-up file for each cell.
    text = re.sub(r"\((?:\S*?\.py|<[^>]*>), line (\d+)\)", r"(line \1)", text)
    name = clean(fate.name, 100)
    if name == "ModuleNotFoundError":
        text += (
            ". Only the notebook is graded: neither files beside it nor "
            "packages that the course does not need are there."
        )
    return f"{name}: {text}" if text else f"{name}."


def _troubles(
    cells: Sequence[RunCell],
    fates: Sequence[Fate],
    timeout: float,
    results: Sequence[Result],
) -> list[str]:
    """Say which cells without points did not run to their end.

    A cell whose failure a result tells already is left out.
    """
    troubles = [
        f"{_call(cell)[0].upper()}{_call(cell)[1:]} failed: "
        f"{' '.join(what_happened(fate, timeout).split())}"
        for cell, fate in zip(cells, fates, strict=True)
        if not cell.is_graded
        and fate.kind not in ("passed", "not run")
        and not any(
            _reason(cell, fate, timeout) in result.message
            for result in results
        )
    ]
    more = len(troubles) - _MOST_TROUBLES
    if more > 0:
        troubles[_MOST_TROUBLES:] = [f"Of the cells, {more} more failed."]
    return troubles


def clean(text: str, longest: int) -> str:
    """Take control characters out of a text, and cut it."""
    text = _CONTROL.sub("", text[: 20 * longest]).strip()
    return text if len(text) <= longest else text[: longest - 1] + "…"
