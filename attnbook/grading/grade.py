"""Grades one notebook: from its cells to points and messages."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

from attnbook.grading import notebook as notebooks
from attnbook.grading.assemble import RunCell, assemble
from attnbook.grading.release import find, known_releases
from attnbook.grading.report import Report, Result
from attnbook.grading.running import Fate, run

TIMEOUT = 60.0  # seconds for each cell

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LONGEST_TEXT = 1_000


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
        :func:`attnbook.grading.release.known_releases` says.
    timeout
        Seconds for each cell.

    Raises
    ------
    attnbook.grading.notebook.UnusableError
        When the file cannot be graded at all.
    """
    began = time.monotonic()
    learner = notebooks.read(path)
    releases, notes = known_releases(release_folder, path)
    release, more = find(learner, releases)
    notes += more
    cells, more = assemble(learner, release)
    notes += more
    fates = run(cells, timeout)
    results = []
    titles = [release.title_of(cell) for cell in release.graded]
    for cell, title in zip(release.graded, titles, strict=True):
        if titles.count(title) > 1:
            title = f"{title} ({cell.grade_id})"
        results.append(_result(cell, title, cells, fates, timeout))
    notes += _troubles(cells, fates, timeout, results)
    return Report(
        notebook=str(path),
        exercise=release.name,
        title=release.title,
        results=tuple(results),
        notes=tuple(notes),
        seconds=round(time.monotonic() - began, 1),
    )


def unusable(path: Path, reason: str) -> Report:
    """Return the report on a file that cannot be graded."""
    return Report(notebook=str(path), reason=reason)


def _result(
    graded: notebooks.Cell,
    title: str,
    cells: Sequence[RunCell],
    fates: Sequence[Fate],
    timeout: float,
) -> Result:
    place = next(
        i for i, c in enumerate(cells)
        if c.is_graded and c.grade_id == graded.grade_id
    )  # fmt: skip
    fate = fates[place]
    passed = fate.kind == "passed"
    return Result(
        grade_id=graded.grade_id,
        title=title,
        points=graded.points if passed else 0,
        out_of=graded.points,
        status=_STATUS[fate.kind],
        message="" if passed else _message(place, cells, fates, timeout),
        seconds=fate.seconds,
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
) -> str:
    """Say in the learner's terms why a graded cell gave no points."""
    fate = fates[place]
    if fate.kind == "error" and fate.name == "WrongAnswer":
        return clean(fate.text, _LONGEST_TEXT)
    if fate.kind == "error" and fate.name == "NameError":
        undefined = re.search(r"name '(\w+)' is not defined", fate.text)
        if undefined:
            return _undefined(undefined[1], place, cells, fates, timeout)
    return what_happened(fate, timeout)


def _undefined(
    name: str,
    place: int,
    cells: Sequence[RunCell],
    fates: Sequence[Fate],
    timeout: float,
) -> str:
    word = re.escape(name)
    binds = re.compile(
        rf"^\s*(?:(?:async\s+)?def|class)\s+{word}\b|^\s*{word}\s*[:=]"
        rf"|^\s*(?:from|import)\s.*\b{word}\b",
        re.MULTILINE,
    )
    for index, cell in enumerate(cells):
        if index == place or not binds.search(cell.source):
            continue
        if fates[index].kind != "passed":
            reason = _reason(cell, fates[index], timeout)
            return f"`{name}` is not defined, because {reason}"
        if index > place:
            return (
                f"`{name}` is not defined yet: {_call(cell)} comes after "
                "the graded cell. Move it up."
            )
    return f"`{name}` is not defined: no cell of the notebook defines it."


def _reason(cell: RunCell, fate: Fate, timeout: float) -> str:
    return f"{_call(cell)} failed.\n{what_happened(fate, timeout)}"


def _call(cell: RunCell) -> str:
    number = f"cell {cell.number}" if cell.number else "a restored cell"
    return f"{number} (“{cell.grade_id}”)" if cell.grade_id else number


def what_happened(fate: Fate, timeout: float) -> str:
    """Say in one line what stopped a cell."""
    if fate.kind == "timeout":
        return (
            f"It ran for {timeout:g} s and was stopped. Is there a loop "
            "that never ends?"
        )
    if fate.kind == "hung":
        return (
            f"It ran for {timeout:g} s and could not be interrupted. Is "
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
    return [
        f"Cell {cell.number}"
        f"{f' (“{cell.grade_id}”)' if cell.grade_id else ''} failed: "
        f"{' '.join(what_happened(fate, timeout).split())}"
        for cell, fate in zip(cells, fates, strict=True)
        if not cell.is_graded
        and fate.kind not in ("passed", "not run")
        and not any(
            _reason(cell, fate, timeout) in result.message
            for result in results
        )
    ]


def clean(text: str, longest: int) -> str:
    """Take control characters out of a text, and cut it."""
    text = _CONTROL.sub("", text).strip()
    return text if len(text) <= longest else text[: longest - 1] + "…"
