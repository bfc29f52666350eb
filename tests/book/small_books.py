"""A book of a few cells with all the settings of the real one."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from book.notebooks import METADATA

ROOT = Path(__file__).resolve().parents[2]
COUNTED = """\
import sys
sys.path.insert(0, "..")
from attnbook import VALUE
with open("../runs.txt", "a") as runs:
    print(VALUE, file=runs)
print("the value is", VALUE)
"""


def write_notebook(path: Path, title: str, *sources: str) -> None:
    """Write a notebook of one text and some code cells."""
    notebook = new_notebook(metadata=METADATA)
    notebook.cells = [new_markdown_cell(f"# {title}\n\n5 minutes.")]
    notebook.cells += [new_code_cell(source) for source in sources]
    nbformat.write(notebook, path)


def write_small_book(top: Path) -> Path:
    """Write a book whose chapter notes each time that it runs."""
    top.mkdir(exist_ok=True)
    for name in ("_config.yml", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, top / name)
    shutil.copytree(
        ROOT / "book",
        top / "book",
        ignore=shutil.ignore_patterns("__pycache__", "screenshots"),
    )
    for name in (
        "attnbook",
        "chapters",
        "experiments",
        "exercises",
        "solutions",
    ):
        (top / name).mkdir()
    (top / "attnbook" / "__init__.py").write_text("VALUE = 1\n")
    (top / "intro.md").write_text(
        "# A small book\n\nThe [solutions](solutions/00-a.ipynb).\n\n"
        "```{bibliography}\n:all:\n```\n"
    )
    (top / "_toc.yml").write_text(
        "format: jb-book\nroot: intro\nchapters:\n"
        "  - file: chapters/00-a\n    sections:\n"
        "      - file: exercises/00-a\n      - file: solutions/00-a\n"
    )
    write_notebook(top / "chapters" / "00-a.ipynb", "A chapter", COUNTED)
    write_notebook(
        top / "exercises" / "00-a.ipynb",
        "Exercises: a",
        "raise NotImplementedError",
    )
    write_notebook(
        top / "solutions" / "00-a.ipynb",
        "Exercises: a",
        'print(6 * 7, "planetary")',
    )
    return top


def runs(top: Path) -> list[str]:
    """The values that the chapter had, each time that it ran."""
    path = top / "runs.txt"
    return path.read_text().split() if path.exists() else []
