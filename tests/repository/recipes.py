"""The recipes of `CONTRIBUTING.md`, followed by a program.

A block of code belongs to the file that the line before it names last, in a
code span and before a colon. Blocks that follow one another belong to the
same file: of a notebook, each is a cell.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

CHAPTER = "99-uniform-lookup"
EXERCISE = "99-masked-mean"

_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```\n", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"`([^`\n]+)`:\n\s*\Z")
_GRADED = re.compile(r"# Part \d of \d · (\d+) points .*\nchecks.*\"(\w+)\"\)")


@dataclass(frozen=True)
class Block:
    """One block of code of a recipe, and the file that it is for."""

    path: str
    language: str
    source: str


def blocks_of(text: str, recipe: str) -> list[Block]:
    """The blocks of the recipe with that heading that are for a file."""
    found = re.search(
        rf"^## Recipe: {re.escape(recipe)}$(.*?)(?=^## )",
        text,
        re.MULTILINE | re.DOTALL,
    )
    assert found, f"CONTRIBUTING.md has no “## Recipe: {recipe}”"
    return list(_blocks(found[1]))


def _blocks(text: str) -> Iterator[Block]:
    path, end = "", 0
    for fence in _FENCE.finditer(text):
        between = text[end : fence.start()]
        end = fence.end()
        if named := _NAMED.search(between):
            path = named[1]
        elif between.strip():
            path = ""
        if path:
            source = textwrap.dedent(fence[3]).rstrip("\n")
            yield Block(path, fence[2], source)


def follow(course: Path) -> None:
    """Write the files of chapter 99 into a copy of the repository."""
    text = (course / "CONTRIBUTING.md").read_text("utf-8")
    chapter = blocks_of(text, "a new chapter")
    exercise = blocks_of(text, "a new exercise with its mistakes")
    cells: dict[str, list[Block]] = {}
    for block in chapter:
        path = course / block.path
        if path.suffix == ".ipynb":
            cells.setdefault(block.path, []).append(block)
        elif path.suffix == ".toml":
            _append(path, block.source)
        elif path.exists():
            _into_compared(path, block.source)
        else:
            _write(path, block.source)
    for block in exercise:
        if block.path.endswith(".ipynb"):
            cells[block.path].insert(-2, block)
        else:
            _write(course / block.path, block.source)
    for name, blocks in cells.items():
        _write_notebook(course / name, blocks)


def _write(path: Path, source: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(source + "\n", "utf-8")


def _append(path: Path, source: str) -> None:
    path.write_text(f"{path.read_text('utf-8')}\n{source}\n", "utf-8")


def _into_compared(path: Path, source: str) -> None:
    text, start = path.read_text("utf-8"), "\nCOMPARED = {\n"
    assert text.count(start) == 1, f"{path} has no COMPARED"
    entry = textwrap.indent(source, "    ")
    path.write_text(text.replace(start, f"{start}{entry}\n"), "utf-8")


def _write_notebook(path: Path, blocks: list[Block]) -> None:
    other = sorted(path.parent.glob("00-*.ipynb"))[0]
    install = next(
        cell
        for cell in nbformat.read(other, as_version=4).cells
        if cell.cell_type == "code"
    )
    cells = [_cell(block) for block in blocks]
    cells.insert(1, new_code_cell(install.source, metadata=install.metadata))
    path.write_text(json.dumps(new_notebook(cells=cells)), "utf-8")


def _cell(block: Block) -> nbformat.NotebookNode:
    """A cell, with the tags and the marks that the recipe asks for."""
    if block.language == "markdown":
        return new_markdown_cell(block.source)
    cell = new_code_cell(block.source)
    if block.source.startswith("# @title"):
        cell.metadata["tags"] = ["hide-input"]
    is_answer = "### BEGIN SOLUTION" in block.source
    graded = _GRADED.match(block.source)
    if is_answer or graded:
        part = graded[2] if graded else "answer"
        points = {"points": int(graded[1])} if graded else {}
        cell.metadata["nbgrader"] = {
            "schema_version": 3,
            "grade": not is_answer,
            "grade_id": f"{EXERCISE}-{part}",
            "locked": not is_answer,
            "solution": is_answer,
            "task": False,
            **points,
        }
    return cell
