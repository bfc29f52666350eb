"""Notebooks as learners hand them in: read whatever can be read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

LARGEST = 50_000_000  # bytes of a notebook file

# A hostile file may be small and still fill the memory once it is parsed:
# an empty list takes two bytes there and 64 here.
MOST_PARTS = 5_000_000
_MOST_CELLS = 5_000
_LONGEST_SOURCE = 1_000_000  # characters of one cell


class UnusableError(Exception):
    """The file cannot be graded; the text says why and what to do."""


@dataclass(frozen=True)
class Cell:
    """A cell without outputs; ``number`` counts from 1 as one reads."""

    number: int
    kind: str  # "code", "markdown" or "raw"
    source: str
    identity: str  # the cell's id, "" where it has none
    nbgrader: dict  # nbgrader's metadata, {} where it has none

    @property
    def grade_id(self) -> str:
        """The cell's grade_id, "" where it has none."""
        grade_id = self.nbgrader.get("grade_id", "")
        return grade_id if isinstance(grade_id, str) else ""

    @property
    def is_solution(self) -> bool:
        """Whether the learner writes here."""
        return bool(self.nbgrader.get("solution"))

    @property
    def is_graded(self) -> bool:
        """Whether points stand on this cell."""
        return bool(self.nbgrader.get("grade"))

    @property
    def is_locked(self) -> bool:
        """Whether the cell is taken from the release as it is there."""
        return not self.is_solution and (
            self.is_graded or bool(self.nbgrader.get("locked"))
        )

    @property
    def is_setup(self) -> bool:
        """Whether the cell is locked and carries no points."""
        return self.is_locked and not self.is_graded

    @property
    def points(self) -> float:
        """The points that the cell carries."""
        points = self.nbgrader.get("points", 0)
        return points if isinstance(points, (int, float)) else 0


@dataclass(frozen=True)
class Notebook:
    """The cells of a notebook, and the exercise it says that it is."""

    path: Path
    cells: tuple[Cell, ...]
    exercise: str = ""
    damaged: int = 0  # cells that could not be read


def read(path: Path, largest: int = LARGEST) -> Notebook:
    """Read a notebook file of format 4, of ``largest`` bytes at most.

    Raises
    ------
    UnusableError
        When it is not there, not a file, not JSON or no such notebook.
    """
    if not path.exists():
        raise UnusableError(f"There is no file {path}. Is the path right?")
    if path.is_dir():
        raise UnusableError(
            f"{path} is a folder. Give the path of one notebook in it."
        )
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise UnusableError(
            f"{path} cannot be read: {error.strerror}."
        ) from None
    return loads(data, str(path), largest)


def loads(data: bytes, name: str, largest: int = LARGEST) -> Notebook:
    """Read a notebook of format 4 from its bytes.

    The bytes may be hostile: what is read is bounded in size, depth and
    number, and a name that is given twice counts as in Jupyter, where the
    last one stands.

    Parameters
    ----------
    name
        What messages call the file.
    largest
        Bytes that it may have.

    Raises
    ------
    UnusableError
        When it is too large, not JSON or no such notebook.
    """
    if len(data) > largest:
        raise UnusableError(
            f"{name} is larger than {largest / 1e6:g} MB. Clear the outputs "
            "in Jupyter and save it again."
        )
    if parts_of(data) > MOST_PARTS:
        raise UnusableError(
            f"{name} has too many parts for a notebook. Clear the outputs "
            "in Jupyter and save it again."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        kind = next((k for s, k in _KINDS.items() if data.startswith(s)), "")
        raise UnusableError(
            f"{name} is not a notebook: it is {kind or 'not text in UTF-8'}."
        ) from None
    if not text.strip():
        raise UnusableError(
            f"{name} is empty. Save the notebook in Jupyter, then grade it."
        )
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableError(
            f"{name} is not a notebook: {_instead_of_json(text, error)}"
        ) from None
    return parse(content, Path(name))


def parts_of(data: bytes) -> int:
    """Estimate of how many values JSON consists of, which costs the time."""
    return sum(map(data.count, (b"[", b"{", b",")))


# What is called a notebook and is none, by how it begins.
_KINDS = {
    b"PK\x03\x04": "a zip. Hand in the notebook that is in it",
    b"%PDF-": "a PDF. Hand in the notebook itself, the .ipynb",
}
_CONFLICT = re.compile(r"^[ \t]*(<{7}|={7}|>{7})(?= |\r?$)", re.M)
_RAW = "On GitHub, *Download raw file* gives the notebook."


def _instead_of_json(text: str, error: Exception) -> str:
    """Say what a file is that is not JSON, and what to do."""
    start = text.lstrip()[:100].lower()
    if start.startswith(("<!doctype html", "<html")):
        return f"it is a web page. {_RAW}"
    if start.startswith("version https://git-lfs"):
        return (
            "it is a pointer to a file that Git LFS keeps elsewhere. "
            "`git lfs pull` fetches the notebook."
        )
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        return (
            f"it is not JSON, as git left the mark of a conflict, "
            f"“{conflict[1]}”, in line {line}. Keep one of the two versions "
            "and take out the marks."
        )
    if start.startswith("{") and _is_cut_off(text, error):
        return (
            "it is not JSON, as it breaks off in line "
            f"{text.rstrip().count(chr(10)) + 1}: its end is missing. Save "
            "it in Jupyter and hand it in again."
        )
    return "it is not JSON. Export or save it as .ipynb."


def _is_cut_off(text: str, error: Exception) -> bool:
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg != "Extra data" and (
        not text.rstrip().endswith("}")
        or error.pos >= len(text.rstrip())
        or error.msg.startswith("Unterminated string")
    )


def parse(content: object, path: Path) -> Notebook:
    """Take the parsed JSON of a notebook apart.

    Raises
    ------
    UnusableError
        When it is not a notebook of format 4, or one beyond measure.
    """
    if not isinstance(content, dict) or "nbformat" not in content:
        if isinstance(_mapping(content).get("payload"), dict):
            raise UnusableError(
                f"{path} is not a notebook: it is what GitHub shows of one. "
                f"{_RAW}"
            )
        raise UnusableError(
            f"{path} is JSON but not a notebook: it has no “nbformat”."
        )
    if content["nbformat"] != 4:
        raise UnusableError(
            f"{path} has notebook format {_short(content['nbformat'])}, and "
            "format 4 is needed. Open and save it in a current Jupyter."
        )
    if not isinstance(content.get("cells"), list):
        raise UnusableError(
            f"{path} is not a notebook: it has no list of cells."
        )
    if len(content["cells"]) > _MOST_CELLS:
        raise UnusableError(
            f"{path} has {len(content['cells']):,} cells, and at most "
            f"{_MOST_CELLS:,} are graded. Hand in the exercise's own notebook."
        )
    cells, damaged = [], 0
    for number, raw in enumerate(content["cells"], start=1):
        cell = _cell(raw, number)
        if cell is None:
            damaged += 1
        elif len(cell.source) > _LONGEST_SOURCE:
            raise UnusableError(
                f"{path}: cell {number} has {len(cell.source):,} characters, "
                f"and at most {_LONGEST_SOURCE:,} are graded. Take out of it "
                "what is not the answer."
            )
        else:
            cells.append(cell)
    metadata = _mapping(content.get("metadata"))
    exercise = _mapping(metadata.get("attnbook")).get("exercise", "")
    return Notebook(
        path=path,
        cells=tuple(cells),
        exercise=exercise if isinstance(exercise, str) else "",
        damaged=damaged,
    )


def _cell(raw: object, number: int) -> Cell | None:
    if not isinstance(raw, dict):
        return None
    source = raw.get("source", "")
    if isinstance(source, list) and all(isinstance(x, str) for x in source):
        source = "".join(source)
    kind = raw.get("cell_type")
    if not isinstance(source, str) or kind not in ("code", "markdown", "raw"):
        return None
    # A lone surrogate can stand in JSON and nowhere else.
    source = source.encode("utf-8", "replace").decode("utf-8")
    identity = raw.get("id", "")
    return Cell(
        number=number,
        kind=kind,
        source=source,
        identity=identity if isinstance(identity, str) else "",
        nbgrader=_mapping(_mapping(raw.get("metadata")).get("nbgrader")),
    )


def _mapping(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _short(value: object) -> str:
    if isinstance(value, (list, dict)):  # it may be nested without end
        return "a list" if isinstance(value, list) else "an object"
    text = repr(value)
    return text if len(text) <= 20 else text[:19] + "…"
