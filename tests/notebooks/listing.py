"""The names of the notebooks, for tests of one notebook each."""

from __future__ import annotations

import pytest

from book.chapters import FOLDERS, listed

CHECKS = {chapter.name: chapter.checks for chapter in listed()}


def names(folder: str) -> list[str]:
    return [f"{folder}/{name}.ipynb" for name in CHECKS]


def spelt(path: str) -> str:
    """A notebook's path, and its chapter as the checks spell it."""
    folder, _, file = path.partition("/")
    name = file.removesuffix(".ipynb")
    return f"{folder} {name} {CHECKS[name]}"


CHAPTERS = names("chapters")
EXERCISES = names("exercises")
ALL = [name for folder in FOLDERS for name in names(folder)]

every_chapter = pytest.mark.parametrize("name", CHAPTERS, ids=spelt)
every_notebook = pytest.mark.parametrize("name", ALL, ids=spelt)
