"""What `make book` promises, on a small book with the real settings.

It is built once; a test that changes it has a copy, with what was executed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from small_books import runs, write_notebook, write_small_book

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.xdist_group("small book")


class Built(NamedTuple):
    """A small book that is built, and what the build said."""

    top: Path
    said: str


@pytest.fixture(scope="module")
def built(tmp_path_factory, build_book) -> Built:
    top = write_small_book(tmp_path_factory.mktemp("small") / "book")
    done = build_book(source=top)
    assert done.returncode == 0, done.stdout
    return Built(top, done.stdout)


@pytest.fixture
def copied(built, tmp_path) -> Path:
    """A copy of the small book to change, its notebooks executed."""
    return shutil.copytree(built.top, tmp_path / "book")


def test_a_second_build_runs_no_notebook_and_a_changed_package_runs_it(
    built, copied, build_book
):
    assert "executing chapters/00-a.ipynb" in built.said
    assert runs(copied) == ["1"]

    second = build_book(source=copied)
    assert second.returncode == 0, second.stdout
    assert runs(copied) == ["1"]
    assert "executing" not in second.stdout

    (copied / "attnbook" / "__init__.py").write_text("VALUE = 2\n")
    (copied / "attnbook" / "grading.py").write_text("VALUE = 2\n")
    third = build_book(source=copied)
    assert third.returncode == 0, third.stdout
    assert runs(copied) == ["1", "2"]
    assert "executing chapters/00-a.ipynb" in third.stdout
    assert "executing solutions/00-a.ipynb" not in third.stdout
    page = copied / "_build" / "html" / "chapters" / "00-a.html"
    assert "the value is 2" in page.read_text("utf-8")


def test_what_nbval_compares_is_what_the_page_shows(copied):
    """One execution serves both; a wrong output is found in it."""
    chapter = copied / "chapters" / "00-a.ipynb"
    notebook = nbformat.read(chapter, as_version=4)
    cell = notebook.cells[1]
    cell.metadata.tags = ["nbval-check-output"]
    cell.execution_count = 1
    settings = copied / "pytest.ini"
    settings.write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-c", settings, "-q"]
    command += ["-p", "book.comparison", "-p", "book.nbval_text"]
    command += ["--nbval-lax", chapter]
    for value, status in (("1", 0), ("3", 1)):
        cell.outputs = [
            nbformat.v4.new_output("stream", text=f"the value is {value}\n")
        ]
        nbformat.write(notebook, chapter)
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
    assert "the value is 3" in done.stdout and "the value is 1" in done.stdout
    assert runs(copied) == ["1"], "it was not run again"


def test_the_build_names_the_page_to_open(built):
    (page,) = re.findall(r"Open\s+(\S+index\.html)", built.said)
    assert Path(page).is_file()
    assert Path(page).is_relative_to(built.top)


def test_a_failing_cell_fails_the_build_each_time(copied, build_book):
    write_notebook(copied / "chapters" / "00-a.ipynb", "A chapter", "1 / 0")
    for _ in range(2):
        done = build_book(source=copied)
        assert done.returncode != 0
        assert "ZeroDivisionError" in done.stdout


def test_a_broken_reference_fails_the_build_each_time(copied, build_book):
    """Sphinx forgets the warnings of a page that it has read before."""
    chapter = copied / "chapters" / "00-a.ipynb"
    notebook = nbformat.read(chapter, 4)
    notebook.cells[0].source += "\n\n[nowhere](../no-such-page.md)"
    nbformat.write(notebook, chapter)
    for _ in range(2):
        done = build_book(source=copied)
        assert done.returncode != 0
        assert "no-such-page" in done.stdout


def test_a_page_can_link_to_the_cell_that_shows_a_claim(copied, build_book):
    chapter = copied / "chapters" / "00-a.ipynb"
    notebook = nbformat.read(chapter, as_version=4)
    notebook.cells[1]["id"] = "shown"
    nbformat.write(notebook, chapter)
    intro = copied / "intro.md"
    start = intro.read_text()
    intro.write_text(f"{start}\n[shown](chapters/00-a.ipynb#cell-shown)\n")
    done = build_book(source=copied)
    assert done.returncode == 0, done.stdout
    pages = copied / "_build" / "html"
    assert 'href="chapters/00-a.html#cell-shown"' in (
        pages / "intro.html"
    ).read_text("utf-8")
    assert 'id="cell-shown"' in (pages / "chapters/00-a.html").read_text(
        "utf-8"
    )
    intro.write_text(f"{start}\n[gone](chapters/00-a.ipynb#cell-gone)\n")
    assert build_book(source=copied).returncode != 0


def test_solutions_can_be_left_out(copied, build_book):
    done = build_book("--without-solutions", source=copied)
    assert done.returncode == 0, done.stdout

    (page,) = re.findall(r"Open\s+(\S+index\.html)", done.stdout)
    out = Path(page).parent
    assert not (out / "solutions").exists()
    assert not (out / "_sources" / "solutions").exists()
    for path in out.rglob("*.html"):
        assert "solutions/" not in path.read_text("utf-8"), path
    assert "solutions/" not in (out / "sitemap.xml").read_text("utf-8")
    assert "planetari" not in (out / "searchindex.js").read_text("utf-8")

    kept = copied / "_build" / "html"
    assert (kept / "solutions" / "00-a.html").is_file()
    assert 'href="solutions/00-a.html"' in (kept / "intro.html").read_text()
    assert runs(copied) == ["1"], "both share the executed notebooks"


def test_exercises_are_not_run_and_solutions_are(built):
    html = built.top / "_build" / "html"
    assert "NotImplementedError" in (html / "exercises/00-a.html").read_text()
    assert ">42 planetary\n" in (html / "solutions/00-a.html").read_text()


def test_a_page_that_left_the_book_leaves_the_site(copied, build_book):
    page = copied / "_build" / "html" / "solutions" / "00-a.html"
    assert page.is_file()
    contents = copied / "_toc.yml"
    contents.write_text(
        contents.read_text().replace("      - file: solutions/00-a\n", "")
    )
    intro = copied / "intro.md"
    intro.write_text(re.sub(r"The \[sol.*", "", intro.read_text()))
    done = build_book(source=copied)
    assert done.returncode == 0, done.stdout
    assert not page.exists()


def test_the_book_becomes_an_epub(copied, build_book):
    chapter = copied / "chapters" / "00-a.ipynb"
    notebook = nbformat.read(chapter, 4)
    notebook.cells[0].source += "\n\n$$\\frac{a}{b} \\tag{0.1}$$\n\nand $c$."
    nbformat.write(notebook, chapter)
    done = build_book("--epub", source=copied)
    assert done.returncode == 0, done.stdout
    with zipfile.ZipFile(
        copied / "_build" / "attention-from-scratch.epub"
    ) as epub:
        assert epub.testzip() is None
        names = epub.namelist()
        assert names[0] == "mimetype"
        page = epub.read("chapters/00-a.xhtml").decode()
    assert "<mfrac>" in page and "\\frac{a}" not in re.sub(
        r"<annotation.*?</annotation>", "", page
    )
    assert not [name for name in names if name.endswith((".js", ".mjs"))]


def test_contents_without_solutions_keep_all_else():
    from book.build import without_solutions

    contents = json.loads(
        '{"root": "intro", "parts": [{"caption": "One", "chapters": ['
        '{"file": "chapters/00", "sections": [{"file": "exercises/00"},'
        ' {"file": "solutions/00"}]}]}]}'
    )
    assert without_solutions(contents) == {
        "root": "intro",
        "parts": [
            {
                "caption": "One",
                "chapters": [
                    {
                        "file": "chapters/00",
                        "sections": [{"file": "exercises/00"}],
                    }
                ],
            }
        ],
    }
