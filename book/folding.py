"""Code that only lays out results is folded on the page.

A cell tagged ``hide-input`` begins with its title, in the form that Colab
knows: ``# @title Draw the two curves``. The page shows the title on a line
of its own and the code when that line is clicked; ``book/style/book.js``
remembers what the reader opened. The normal form of a notebook
(``book/notebooks.py``) derives from the tag what JupyterLab and Colab need
to fold the cell too.

The first two cells of exercises and solutions, which install and import,
are folded on the page alone: their notebooks are graded, and stay as they
are.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from xml.sax.saxutils import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from book.notebooks import FOLDED

LOGGER = logging.getLogger(__name__)
TITLE = re.compile(r"# @title (?P<title>\S.*)\n?")
GRADED = re.compile(r"(exercises|solutions)/")
OPENING = (
    "Install the course's package where it is missing",
    "Import what this notebook uses",
)


class FoldedCode(nodes.Element):
    """The code of one cell, behind one line that says what it does."""


def title(source: str) -> str:
    """What the first line says that the code does; "" if it is no title."""
    found = TITLE.match(source)
    return found["title"] if found else ""


def untitled(source: str) -> str:
    """The code without its title."""
    return TITLE.sub("", source, count=1)


def fold(app: Sphinx, doctree: nodes.document) -> None:
    """Put the code of folded cells behind its title."""
    cells = [
        cell
        for cell in doctree.findall(nodes.container)
        if cell.get("nb_element") == "cell_code"
    ]
    if GRADED.match(app.env.docname):
        for cell, line in zip(cells, OPENING, strict=False):
            _fold_cell(cell, line)
    for cell in cells:
        if f"tag_{FOLDED}" in cell["classes"]:
            line = title(_code(cell).astext())
            if not line:
                LOGGER.warning(
                    "a folded cell needs a first line `# @title …` that "
                    "says what its code does",
                    location=cell,
                )
            _fold_cell(cell, line)


def _code(cell: nodes.container) -> nodes.literal_block:
    return next(iter(cell.findall(nodes.literal_block)))


def _fold_cell(cell: nodes.container, line: str) -> None:
    code = _code(cell)
    text = untitled(code.astext())
    code.rawsource, code.children = text, []
    code += nodes.Text(text)
    # MyST-NB would fold it too, behind a line that is the same everywhere.
    mode = cell.attributes.pop("hide_mode", "").replace("input", "").strip("+")
    if mode:
        cell["hide_mode"] = mode
    source = cell.children[0]
    folded = FoldedCode(title=line)
    cell.replace(source, folded)
    folded += source


def _visit(translator, node: FoldedCode) -> None:
    translator.body.append(
        '<details class="code-fold">'
        f"<summary>{escape(node['title'])}</summary>\n"
    )


def _depart(translator, node: FoldedCode) -> None:
    translator.body.append("</details>\n")


def setup(app: Sphinx) -> dict:
    """Connect the folding to Sphinx."""
    app.add_node(FoldedCode, html=(_visit, _depart))
    app.connect("doctree-read", fold)
    # As in `book.extension`: after a change here every page is read again.
    own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return {
        "env_version": int(own[:8], 16),
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
