"""What the tests of the exercises share: each chapter with its notebooks."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import nbformat
import pytest
import torch

from attnbook.judging.exercise import Exercise
from book.chapters import listed

ROOT = Path(__file__).resolve().parents[2]

torch.set_num_threads(1)


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

    def answer(self, folder: str, grade_id: str):
        """The function that a graded cell hands to its check."""
        call = self.cells(folder, "grade")[grade_id]
        name = re.fullmatch(r"checks\.check_(\w+)\((\w+)\)", call)[2]
        return self.names(folder)[name]


def chapters() -> list[Chapter]:
    """Every chapter of the book, with its exercises."""
    return [
        Chapter(
            chapter.name,
            importlib.import_module(f"attnbook.checks.{chapter.checks}"),
        )
        for chapter in listed()
    ]


def pytest_generate_tests(metafunc):
    """Give a test its chapter, exercise or mistake, one at a time.

    The names of all begin with the chapter's, as its notebooks and as its
    checks spell it: ``-k soft_lookup`` and ``-k soft-lookup`` find the same.
    """
    if "mistake" in metafunc.fixturenames:
        metafunc.parametrize(
            ("exercise", "mistake"),
            [
                pytest.param(
                    exercise,
                    mistake,
                    id=f"{chapter.spelt} {grade_id}: {mistake.name}",
                )
                for chapter in chapters()
                for grade_id, exercise in chapter.exercises.items()
                for mistake in exercise.mistakes
            ],
        )
    elif "exercise" in metafunc.fixturenames:
        metafunc.parametrize(
            ("chapter", "exercise"),
            [
                pytest.param(
                    chapter, exercise, id=f"{chapter.spelt} {grade_id}"
                )
                for chapter in chapters()
                for grade_id, exercise in chapter.exercises.items()
            ],
        )
    elif "chapter" in metafunc.fixturenames:
        metafunc.parametrize(
            "chapter",
            [
                pytest.param(chapter, id=chapter.spelt)
                for chapter in chapters()
            ],
        )
