"""How a notebook of the course is written."""

from __future__ import annotations

import ast
import re
import unicodedata

from listing import every_chapter, every_notebook

from book import address as addresses
from book import notebooks
from book.chapters import missing
from book.folding import untitled

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


def listing(found: list[str]) -> str:
    """What was found, a line each, below what a test says of it."""
    return "".join(f"\n  {line}" for line in found)


def test_there_is_a_chapter_an_exercise_and_a_solution_of_each_name():
    lacking = missing()
    assert not lacking, f"the chapters are not whole:{listing(lacking)}"


@every_notebook
def test_a_notebook_is_in_normal_form(root, name):
    path = root / name
    wanted = notebooks.normal_text(path)
    assert path.read_text("utf-8") == wanted, (
        f"{name} is not in its normal form: run `make notebooks`"
    )


@every_notebook
def test_code_is_at_most_79_columns_wide(read, name):
    wide = [
        f"{cell.id}: {line}"
        for cell in code_cells(read(name))
        for line in cell.source.splitlines()
        if columns(line) > COLUMNS and "git+https" not in line
    ]
    assert not wide, (
        f"{name}: expected lines of {COLUMNS} columns at most, or a phone "
        f"shows them cut; break these:{listing(wide)}"
    )


@every_chapter
def test_a_cell_of_a_chapter_holds_one_idea(read, name):
    long = []
    for cell in code_cells(read(name)):
        (*_, last) = python_of(cell).body or [None]
        most = CLASS_LINES if isinstance(last, ast.ClassDef) else CODE_LINES
        lines = len(untitled(cell.source).splitlines())
        if lines > most:
            long.append(f"{cell.id}: {lines} lines, at most {most}")
    assert not long, (
        f"{name}: expected cells of {CODE_LINES} lines at most, of "
        f"{CLASS_LINES} where a class ends it; divide these, one idea a "
        f"cell:{listing(long)}"
    )


@every_notebook
def test_the_first_code_cell_installs_the_package_where_it_is_missing(
    read, name
):
    first = code_cells(read(name))[0]
    assert untitled(first.source) == addresses.declared().install_cell, (
        f"{name}: expected the first code cell to be that of the other "
        f"notebooks, got\n{first.source}\nCopy it from one of them; `make "
        "address` keeps it current."
    )


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
    assert not found, (
        f"{name}: expected plain Markdown with $…$, for Colab shows the "
        f"directives and roles of the book raw; write these cells without "
        f"them:{listing(found)}"
    )


@every_notebook
def test_an_admonition_has_no_blank_line_inside(read, name):
    """Else it ends there, in the book as in Colab."""
    for cell in read(name).cells:
        for inside in re.findall(
            r'<div class="admonition.*?</div>', cell.source, re.DOTALL
        ):
            assert "\n\n" not in inside, (
                f"{name}, cell {cell.id}: there is a blank line inside an "
                "admonition, which ends it there: take the line out"
            )


@every_notebook
def test_a_notebook_opens_with_its_title_and_its_minutes(read, name):
    cells = read(name).cells
    assert re.match(r"# \S.*\n", cells[0].source), (
        f"{name}: expected the first cell to begin with the title, `# …`, "
        f"got {cells[0].source[:40]!r}"
    )
    opening = "\n".join(
        cell.source for cell in cells[:3] if cell.cell_type == "markdown"
    )
    assert re.search(r"\d+\s+minutes", opening), (
        f"{name}: expected the opening to say how long it takes, `About 60 "
        "minutes`; it does not: add it"
    )
    titles = [
        title
        for cell in cells
        if cell.cell_type == "markdown"
        for title in re.findall(r"(?m)^# .*", cell.source)
    ]
    assert len(titles) == 1, (
        f"{name}: expected one title, `# …`, got {titles}: make the others "
        "headings of sections, `## …`"
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
    assert not empty, (
        f"{name}: expected these cells, which are tagged "
        f"{notebooks.COMPARED}, to have kept an output; run them in Jupyter "
        f"and save:{listing(empty)}"
    )


@every_chapter
def test_a_chapter_compares_the_numbers_that_it_prints(read, name):
    compared = [
        cell
        for cell in code_cells(read(name))
        if notebooks.COMPARED in cell.metadata.get("tags", [])
    ]
    assert len(compared) >= 5, (
        f"{name}: expected five cells or more tagged {notebooks.COMPARED}, "
        f"got {len(compared)}: tag the cells whose printed numbers the text "
        "quotes, run them and save"
    )


@every_notebook
def test_no_cell_is_skipped_or_allowed_to_fail(read, name):
    """nbval heeds such marks, and would pass what does not work."""
    for cell in code_cells(read(name)):
        tags = set(cell.metadata.get("tags", []))
        marks = tags & {"raises-exception", "nbval-skip", "skip-execution"}
        assert not marks and "NBVAL" not in cell.source, (
            f"{name}, cell {cell.id}: expected no mark by which nbval passes "
            f"over it, got {sorted(marks) or 'a comment NBVAL'}: delete it, "
            "and mend the cell"
        )


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
    assert not silent, (
        f"{name}: expected an alt text of five words or more for each figure; "
        'these cells lack it: add {"mystnb": {"image": {"alt": "…"}}} to the '
        f"metadata of each{listing(silent)}"
    )
