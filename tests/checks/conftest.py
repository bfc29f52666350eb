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

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = {
    "00-soft-lookup": "soft_lookup",
    "01-additive-attention": "additive_attention",
    "02-luong-attention": "luong_attention",
    "03-scaled-dot-product": "scaled_dot_product",
    "04-multi-head-attention": "multi_head_attention",
    "05-positions": "positions",
    "06-transformer": "transformer",
}

torch.set_num_threads(1)


class Chapter(NamedTuple):
    """The exercises of one chapter, as code and as notebooks."""

    name: str
    checks: ModuleType

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
    """Every chapter that has exercises."""
    return [
        Chapter(name, importlib.import_module(f"attnbook.checks.{module}"))
        for name, module in CHAPTERS.items()
    ]


def pytest_generate_tests(metafunc):
    """Give a test its chapter, exercise or mistake, one at a time."""
    if "mistake" in metafunc.fixturenames:
        metafunc.parametrize(
            ("exercise", "mistake"),
            [
                pytest.param(
                    exercise, mistake, id=f"{grade_id}: {mistake.name}"
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
                pytest.param(chapter, exercise, id=grade_id)
                for chapter in chapters()
                for grade_id, exercise in chapter.exercises.items()
            ],
        )
    elif "chapter" in metafunc.fixturenames:
        metafunc.parametrize(
            "chapter",
            [pytest.param(chapter, id=chapter.name) for chapter in chapters()],
        )
