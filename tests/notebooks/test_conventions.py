"""How a notebook of the course is written."""

from __future__ import annotations

import ast
import re
import unicodedata

import pytest
from listing import ALL, CHAPTERS

from book import address as addresses
from book import notebooks
from book.folding import untitled

every_notebook = pytest.mark.parametrize("name", ALL)
every_chapter = pytest.mark.parametrize("name", CHAPTERS)

CODE_LINES = 15
CLASS_LINES = 40
COLUMNS = 79


def columns(line: str) -> int:
    """How many columns a terminal needs; an East Asian sign takes two."""
    return sum(
        2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in line
    )


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def python_of(cell) -> ast.Module:
    """The cell's syntax tree; a magic command counts as ``pass``."""
    return ast.parse(re.sub(r"(?m)^(\s*)[%!].*", r"\1pass", cell.source))


def test_there_is_a_chapter_an_exercise_and_a_solution_of_each_name():
    folders = {}
    for name in ALL:
        folder, _, file = name.partition("/")
        folders.setdefault(folder, set()).add(file)
    assert folders["chapters"] == folders["exercises"] == folders["solutions"]


@every_notebook
def test_a_notebook_is_in_normal_form(root, name):
    path = root / name
    wanted = notebooks.normal_text(path)
    assert path.read_text("utf-8") == wanted, "run `make notebooks`"


@every_notebook
def test_code_is_at_most_79_columns_wide(read, name):
    wide = [
        f"{cell.id}: {line}"
        for cell in code_cells(read(name))
        for line in cell.source.splitlines()
        if columns(line) > COLUMNS and "git+https" not in line
    ]
    assert wide == []


@every_chapter
def test_a_cell_of_a_chapter_holds_one_idea(read, name):
    long = []
    for cell in code_cells(read(name)):
        (*_, last) = python_of(cell).body or [None]
        most = CLASS_LINES if isinstance(last, ast.ClassDef) else CODE_LINES
        lines = len(untitled(cell.source).splitlines())
        if lines > most:
            long.append(f"{cell.id}: {lines} lines, at most {most}")
    assert long == []


@every_notebook
def test_the_first_code_cell_installs_the_package_where_it_is_missing(
    read, name
):
    first = code_cells(read(name))[0]
    install = addresses.declared().install_cell
    assert untitled(first.source) == install


@every_notebook
def test_prose_is_markdown_that_colab_shows_too(read, name):
    directive = re.compile(
        r"^\s*(?:```\{|:::|~~~\{|\([\w-]+\)=$)|\{(?:ref|eq|cite|numref)\}`",
        re.MULTILINE,
    )
    found = [
        cell.id
        for cell in read(name).cells
        if cell.cell_type == "markdown" and directive.search(cell.source)
    ]
    assert found == []


@every_notebook
def test_an_admonition_has_no_blank_line_inside(read, name):
    """Else it ends there, in the book as in Colab."""
    for cell in read(name).cells:
        for inside in re.findall(
            r'<div class="admonition.*?</div>', cell.source, re.DOTALL
        ):
            assert "\n\n" not in inside, cell.id


@every_notebook
def test_a_notebook_opens_with_its_title_and_its_minutes(read, name):
    cells = read(name).cells
    assert re.match(r"# \S.*\n", cells[0].source)
    opening = "\n".join(
        cell.source for cell in cells[:3] if cell.cell_type == "markdown"
    )
    assert re.search(r"\d+\s+minutes", opening)
    assert (
        len(
            re.findall(
                r"(?m)^# ",
                "\n".join(
                    cell.source
                    for cell in cells
                    if cell.cell_type == "markdown"
                ),
            )
        )
        == 1
    )


@every_notebook
def test_a_compared_cell_has_something_to_compare(read, name):
    """nbval passes a cell without outputs, whatever it prints."""
    empty = [
        cell.id
        for cell in code_cells(read(name))
        if notebooks.COMPARED in cell.metadata.get("tags", [])
        and not any(
            output.get("text", "").strip()
            or output.get("data", {}).get("text/plain")
            for output in cell.outputs
        )
    ]
    assert empty == []


@every_chapter
def test_a_chapter_compares_the_numbers_that_it_prints(read, name):
    compared = [
        cell
        for cell in code_cells(read(name))
        if notebooks.COMPARED in cell.metadata.get("tags", [])
    ]
    assert len(compared) >= 5


@every_notebook
def test_no_cell_is_skipped_or_allowed_to_fail(read, name):
    """nbval heeds such marks, and would pass what does not work."""
    for cell in code_cells(read(name)):
        tags = set(cell.metadata.get("tags", []))
        assert not tags & {"raises-exception", "nbval-skip", "skip-execution"}
        assert "NBVAL" not in cell.source


@every_chapter
def test_a_cell_that_draws_says_what_it_shows(read, name):
    drawn = re.compile(
        r"\bplt\.(?:subplots|figure|show)\(|\bplots\.(?!COL|use_|Table)\w+\("
    )
    silent = [
        cell.id
        for cell in code_cells(read(name))
        if drawn.search(cell.source)
        and not re.search(r"(?m)^def ", cell.source)
        and "Frames(" not in cell.source
        and len(
            cell.metadata.get("mystnb", {})
            .get("image", {})
            .get("alt", "")
            .split()
        )
        < 5
    ]
    assert silent == []
