"""What only lays out results is folded, and the lesson is not."""

from __future__ import annotations

import nbformat
import pytest
from listing import CHAPTERS
from nbformat.v4 import new_code_cell, new_notebook
from plumbing import (
    computing_names,
    is_mechanism,
    is_plumbing,
    plumbing_lines,
    python_of,
    shows,
)

from book import notebooks
from book.folding import title, untitled
from book.notebooks import FOLDED

every_chapter = pytest.mark.parametrize("name", CHAPTERS)

SHOWN_AT_MOST = 6  # lines at the end of a cell that computes
OPEN_PLUMBING = 0.15  # of the lines that are open, at most


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def is_folded(cell) -> bool:
    return FOLDED in cell.metadata.get("tags", [])


@every_chapter
def test_a_cell_that_only_shows_is_folded(read, name):
    cells = code_cells(read(name))
    names = computing_names(cells)
    unfolded = [
        cell.id
        for cell in cells
        if is_plumbing(cell.source, names) and not is_folded(cell)
    ]
    assert unfolded == [], (
        "these only import, draw or lay out results: give each a first line "
        f"`# @title …` and the tag {FOLDED}, then run `make notebooks`"
    )


@every_chapter
def test_no_part_of_the_lesson_is_folded(read, name):
    hidden = [
        cell.id
        for cell in code_cells(read(name))
        if is_folded(cell) and is_mechanism(python_of(cell.source))
    ]
    assert hidden == [], (
        "these define or compute what the chapter is about: take the tag "
        f"{FOLDED} away, or split what computes from what shows"
    )


@every_chapter
def test_a_cell_that_computes_does_not_draw_a_figure_too(read, name):
    cells = code_cells(read(name))
    names = computing_names(cells)
    mixed = {
        cell.id: lines
        for cell in cells
        if not is_folded(cell)
        and shows(python_of(cell.source))
        and (lines := plumbing_lines(cell.source, names)) > SHOWN_AT_MOST
    }
    assert mixed == {}, "split these: what computes, and a folded cell"


@every_chapter
def test_what_is_open_is_mostly_the_lesson(read, name):
    cells = code_cells(read(name))
    names = computing_names(cells)
    open_cells = [cell for cell in cells if not is_folded(cell)]
    lines = sum(len(cell.source.splitlines()) for cell in open_cells)
    plumbing = sum(plumbing_lines(c.source, names) for c in open_cells)
    assert plumbing / lines <= OPEN_PLUMBING


@every_chapter
def test_a_folded_cell_says_what_it_does(read, name):
    for cell in code_cells(read(name)):
        line = title(cell.source)
        assert bool(line) == is_folded(cell), cell.id
        if line:
            assert line[0].isupper() and line[-1] != ".", cell.id
            assert 2 <= len(line.split()) <= 12, cell.id


@every_chapter
def test_the_cells_that_install_and_import_are_folded(read, name):
    first, second = code_cells(read(name))[:2]
    assert is_folded(first) and is_folded(second)


def test_the_normal_form_tells_jupyterlab_and_colab_of_the_tag():
    cell = new_code_cell("# @title Draw\ndraw()")
    cell.metadata = {"tags": [FOLDED]}
    plain = new_code_cell("draw()")
    plain.metadata = {"jupyter": {"source_hidden": True}, "cellView": "form"}
    normal = notebooks.normal(new_notebook(cells=[cell, plain]))
    assert normal.cells[0].metadata == {
        "tags": [FOLDED],
        "jupyter": {"source_hidden": True},
        "cellView": "form",
    }
    assert normal.cells[1].metadata == {}
    nbformat.validate(normal)


def test_a_title_is_read_and_taken_off():
    source = "# @title Draw the curves\nimport numpy\n"
    assert title(source) == "Draw the curves"
    assert untitled(source) == "import numpy\n"
    assert title("import numpy\n# @title No") == ""
    assert untitled("x = 1") == "x = 1"


KINDS = {
    "plumbing": [
        "plots.attention_map(weights, words, words);",
        "fig, ax = plt.subplots()\nax.plot(x, softened)",
        "rows = table('zoo')",
        "def show(x):\n    return plots.Table({'a': ''}, x)",
        "import numpy as np\n\nplots.use_style()",
        "try:\n    import attnbook\nexcept ModuleNotFoundError:\n"
        "    %pip install attnbook",
    ],
    "mechanism": [
        "scores = query @ key.T\nplots.attention_map(scores, a, b);",
        "weights = scores.softmax(-1)",
        "class Encoder(nn.Module):\n    pass",
        "def masked_softmax(scores, mask):\n    return mine(scores, mask)",
        "for rule in (softmax, sparsemax):\n    print(rule(scores))",
        "loss.backward()",
    ],
    "neither": ["print('same:', np.allclose(one, other))", "d = D // H"],
}


@pytest.mark.parametrize(
    "kind, source",
    [(kind, source) for kind, found in KINDS.items() for source in found],
)
def test_plumbing_is_told_from_mechanism(kind, source):
    tree = python_of(source)
    names = computing_names([new_code_cell(source)])
    assert is_mechanism(tree) == (kind == "mechanism")
    assert is_plumbing(source, names) == (kind == "plumbing")


def test_a_function_that_computes_by_another_is_found():
    cells = [
        new_code_cell("def scores_of(q, k):\n    return q @ k.T"),
        new_code_cell("def curve(q):\n    return scores_of(q, keys)"),
        new_code_cell("def label(q):\n    return str(q)"),
    ]
    names = computing_names(cells)
    assert {"scores_of", "curve"} <= names and "label" not in names
