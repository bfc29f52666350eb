"""The chapters of the book, as `chapters.toml` lists them.

An entry holds what no notebook says; what a notebook says is read from its
first cell. `book.contents` writes both into the pages that list the chapters.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = "chapters.toml"
FOLDERS = ("chapters", "solutions", "exercises")
ROOM = {False: 44, True: 38}  # for the text of a stop, by ``aside``

_NAME = re.compile(r"(\d\d)-[a-z0-9]+(?:-[a-z0-9]+)*")
_MINUTES = re.compile(r"\*About (\d+) minutes\.\s+([^*]+)\*")
_LINK = re.compile(r"\((\d\d)-[\w-]+\.ipynb\)")


class ChapterError(ValueError):
    """An entry, or a notebook that it names, is not as it should be."""


@dataclass(frozen=True)
class Opening:
    """What the first cell of a chapter says.

    ``needs`` are the numbers of the chapters that it asks for.
    """

    title: str
    question: str
    minutes: int
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Chapter:
    """One entry; the head of the list says what each field is for."""

    part: str
    name: str
    checks: str
    mechanisms: list
    build: str
    measure: str
    afterwards: str
    stop: str
    year: int | None = None
    aside: bool = False

    @property
    def number(self) -> str:
        """The two digits that its notebooks begin with."""
        return self.name[:2]

    def opening(self, root: Path = ROOT) -> Opening:
        """Read the first cell of its notebook.

        Raises:
            ChapterError: there is no notebook, or its first cell lacks the
                title, the question or the minutes.
        """
        path = root / "chapters" / f"{self.name}.ipynb"
        try:
            cells = json.loads(path.read_text("utf-8"))["cells"]
            return opening_of("".join(cells[0]["source"]))
        except FileNotFoundError:
            raise ChapterError(
                f"{LIST} lists {self.name}, but there is no "
                f"chapters/{self.name}.ipynb: write it, or correct the name"
            ) from None
        except (ChapterError, KeyError, IndexError, ValueError) as why:
            raise ChapterError(f"chapters/{path.name}: {why}") from None


def opening_of(source: str) -> Opening:
    """Read what a first cell says.

    Raises:
        ChapterError: the title, the question or the minutes are not there.
    """
    title = re.search(r"^# (.+)$", source, re.MULTILINE)
    question = re.search(r"^\*\*([^*]+\?)\*\*", source, re.MULTILINE)
    minutes = _MINUTES.search(source)
    for found, wanted in (
        (title, "its title, `# …`"),
        (question, "its question at the start of a line, `**…?**`"),
        (minutes, "a line `*About 60 minutes. You need …*`"),
    ):
        if found is None:
            raise ChapterError(
                f"expected in the first cell {wanted}; it holds none: add it"
            )
    # What follows a semicolon is said of the chapter, not asked for.
    asked = minutes[2].partition(";")[0]
    return Opening(
        title[1],
        " ".join(question[1].split()),
        int(minutes[1]),
        tuple(_LINK.findall(asked)),
    )


def listed(root: Path = ROOT) -> list[Chapter]:
    """Every chapter, in the order of the list.

    Raises:
        ChapterError: an entry is not as the head of the list says.
    """
    try:
        content = tomllib.loads((root / LIST).read_text("utf-8"))
    except tomllib.TOMLDecodeError as why:
        raise ChapterError(f"{LIST} is no TOML: {why}") from None
    chapters = [
        _chapter(part.get("title", ""), entry)
        for part in content.get("part", [])
        for entry in part.get("chapter", [])
    ]
    numbers = [chapter.number for chapter in chapters]
    if numbers != sorted(set(numbers)):
        raise ChapterError(
            f"{LIST}: expected the numbers of the chapters to rise, got "
            f"{', '.join(numbers)}: put the entries in order"
        )
    return chapters


def _chapter(part: str, entry: dict) -> Chapter:
    where = f"{LIST}, chapter {entry.get('name', '?')}"
    for key in entry:
        if key not in _FIELDS:
            raise ChapterError(
                f"{where}: there is no field `{key}`; expected are "
                f"{', '.join(_FIELDS)}: correct or delete it"
            )
    for key, (wanted, fits) in _FIELDS.items():
        if key not in entry and key not in _OPTIONAL:
            raise ChapterError(
                f"{where}: expected `{key}`, {wanted}, and it is not there: "
                "add it, as the other entries have it"
            )
        if key in entry and not fits(entry[key]):
            raise ChapterError(
                f"{where}: expected `{key}` to be {wanted}, got "
                f"{entry[key]!r}: correct it"
            )
    if not part:
        raise ChapterError(f"{where}: its [[part]] has no title: add one")
    chapter = Chapter(part=part, **entry)
    if len(chapter.stop) > ROOM[chapter.aside]:
        raise ChapterError(
            f"{where}: expected a `stop` of {ROOM[chapter.aside]} letters at "
            f"most, for which the path has room, got {len(chapter.stop)}: "
            "shorten it"
        )
    return chapter


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


_TEXT = ("some words", _is_text)
_FIELDS = {
    "name": (
        "two digits and words in small letters, such as 07-long-context",
        lambda value: _is_text(value) and bool(_NAME.fullmatch(value)),
    ),
    "checks": ("the name of a folder", _is_text),
    "mechanisms": (
        "a list of modules",
        lambda value: isinstance(value, list) and all(map(_is_text, value)),
    ),
    "build": _TEXT,
    "measure": _TEXT,
    "afterwards": _TEXT,
    "stop": _TEXT,
    "year": ("a year", lambda value: type(value) is int),
    "aside": ("true or false", lambda value: type(value) is bool),
}
_OPTIONAL = ("year", "aside")


def missing(root: Path = ROOT) -> list[str]:
    """Say what the list names and the folders lack, or the other way.

    Raises:
        ChapterError: an entry is not as it should be.
    """
    chapters = listed(root)
    lacking = []
    for chapter in chapters:
        named = [f"{folder}/{chapter.name}.ipynb" for folder in FOLDERS]
        named.append(f"attnbook/checks/{chapter.checks}/__init__.py")
        named += map(_place, chapter.mechanisms)
        lacking += [
            f"{LIST}, chapter {chapter.name}: there is no {place}: write it "
            "(`make release` makes exercises), or correct the entry"
            for place in named
            if not (root / place).exists()
        ]
    names = {chapter.name for chapter in chapters}
    for folder in FOLDERS:
        lacking += [
            f"{folder}/{path.name} stands in no entry of {LIST}: add one"
            for path in sorted((root / folder).glob("*.ipynb"))
            if path.stem not in names
        ]
    return lacking


def _place(module: str) -> str:
    """Where a module lies; `experiments/` is installed inside the package."""
    path = module.replace(".", "/")
    return f"{path.replace('attnbook/experiments', 'experiments')}.py"
