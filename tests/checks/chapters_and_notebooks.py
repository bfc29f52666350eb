"""Each chapter with its exercises, as code and as notebooks."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import nbformat
import torch

from attnbook.judging.exercise import Exercise
from book.chapters import listed

ROOT = Path(__file__).resolve().parents[2]

torch.set_num_threads(1)

# One call; where there are several parts, a comment that says which it is.
GRADED = re.compile(
    r"(# Part (?P<place>\d) of (?P<count>\d) · (?P<points>\d+ points?) · "
    r"(?P<title>[^\n]+)\n)?"
    r"checks\.check_(?P<check>\w+)\((?P<answer>\w+)"
    r"(, \"(?P<part>[\w-]+)\")?\)"
)


class Chapter(NamedTuple):
    """The exercises of one chapter, as code and as notebooks."""

    name: str
    checks: ModuleType

    @property
    def spelt(self) -> str:
        """The name of its notebooks, and that of its checks."""
        return f"{self.name} {self.checks.__name__.rpartition('.')[2]}"

    @property
    def exercises(self) -> dict[str, Exercise]:
        """The exercises by grade_id."""
        return self.checks.EXERCISES

    def notebook(self, folder: str) -> nbformat.NotebookNode:
        """The notebook in ``solutions`` or ``exercises``."""
        path = ROOT / folder / f"{self.name}.ipynb"
        return nbformat.read(path, as_version=4)

    def cells(self, folder: str, kind: str) -> dict[str, str]:
        """The sources of the cells marked ``grade`` or ``solution``."""
        return {
            cell.metadata.nbgrader.grade_id: cell.source
            for cell in self.notebook(folder).cells
            if cell.metadata.get("nbgrader", {}).get(kind)
        }

    def names(self, folder: str) -> dict:
        """What is defined after all cells but the graded ones have run."""
        namespace: dict = {}
        for cell in self.notebook(folder).cells:
            graded = cell.metadata.get("nbgrader", {}).get("grade")
            if cell.cell_type == "code" and not graded:
                source = re.sub(
                    r"^ *%.*$", "    pass", cell.source, flags=re.M
                )
                exec(compile(source, cell.id, "exec"), namespace)
        return namespace

    def answer(self, folder: str, exercise: Exercise):
        """The function that the graded cells hand to their check."""
        grade_id = next(iter(exercise.graded))
        call = self.cells(folder, "grade")[grade_id]
        return self.names(folder)[GRADED.fullmatch(call)["answer"]]


def chapters() -> list[Chapter]:
    """Every chapter of the book, with its exercises."""
    return [
        Chapter(
            chapter.name,
            importlib.import_module(f"attnbook.checks.{chapter.checks}"),
        )
        for chapter in listed()
    ]


def headings(notebook):
    """The text of each exercise, by its heading."""
    text = "\n\n".join(
        cell.source for cell in notebook.cells if cell.cell_type == "markdown"
    )
    parts = re.split(r"^## \d+\. (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def text_of(chapter, exercise):
    """What stands below the heading of one exercise, as it is released."""
    texts = headings(chapter.notebook("exercises"))
    assert exercise.title in texts, (
        f"exercises/{chapter.name}.ipynb: expected a heading "
        f"`## N. {exercise.title}`, the title in attnbook/checks/, got "
        f"{list(texts)}: write the same title in both, then `make release`"
    )
    return texts[exercise.title]
