"""What `make book` promises, on a small book with the real settings."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from book.notebooks import METADATA

COUNTED = """\
import sys
sys.path.insert(0, "..")
from attnbook import VALUE
with open("../runs.txt", "a") as runs:
    print(VALUE, file=runs)
"""


def write_notebook(path: Path, title: str, *sources: str) -> None:
    notebook = new_notebook(metadata=METADATA)
    notebook.cells = [new_markdown_cell(f"# {title}\n\n5 minutes.")]
    notebook.cells += [new_code_cell(source) for source in sources]
    nbformat.write(notebook, path)


@pytest.fixture
def counted_book(small_book):
    """The small book, whose chapter notes each time that it runs."""
    chapter = small_book / "chapters" / "00-a.ipynb"
    write_notebook(chapter, "A chapter", COUNTED)
    write_notebook(
        small_book / "exercises" / "00-a.ipynb",
        "Exercises: a",
        "raise NotImplementedError",
    )
    write_notebook(
        small_book / "solutions" / "00-a.ipynb",
        "Exercises: a",
        'print(6 * 7, "planetary")',
    )
    return small_book


def runs(book: Path) -> list[str]:
    path = book / "runs.txt"
    return path.read_text().split() if path.exists() else []


def test_a_second_build_runs_no_notebook_and_a_changed_package_runs_it(
    counted_book, build_book
):
    first = build_book(source=counted_book)
    assert first.returncode == 0, first.stdout
    assert runs(counted_book) == ["1"]

    second = build_book(source=counted_book)
    assert second.returncode == 0, second.stdout
    assert runs(counted_book) == ["1"]
    assert "Executing notebook" not in second.stdout

    (counted_book / "attnbook" / "__init__.py").write_text("VALUE = 2\n")
    third = build_book(source=counted_book)
    assert third.returncode == 0, third.stdout
    assert runs(counted_book) == ["1", "2"]
    caches = counted_book / "_build" / ".jupyter_cache"
    assert len(list(caches.iterdir())) == 1, "the old cache is still there"


def test_the_build_names_the_page_to_open(counted_book, build_book):
    done = build_book(source=counted_book)
    (page,) = re.findall(r"Open\s+(\S+index\.html)", done.stdout)
    assert Path(page).is_file()
    assert Path(page).is_relative_to(counted_book)


def test_a_failing_cell_fails_the_build_each_time(counted_book, build_book):
    write_notebook(
        counted_book / "chapters" / "00-a.ipynb", "A chapter", "1 / 0"
    )
    for _ in range(2):
        done = build_book(source=counted_book)
        assert done.returncode != 0
        assert "ZeroDivisionError" in done.stdout


def test_a_broken_reference_fails_the_build_each_time(
    counted_book, build_book
):
    """Sphinx forgets the warnings of a page that it has read before."""
    chapter = counted_book / "chapters" / "00-a.ipynb"
    notebook = nbformat.read(chapter, 4)
    notebook.cells[0].source += "\n\n[nowhere](../no-such-page.md)"
    nbformat.write(notebook, chapter)
    for _ in range(2):
        done = build_book(source=counted_book)
        assert done.returncode != 0
        assert "no-such-page" in done.stdout


def test_a_page_can_link_to_the_cell_that_shows_a_claim(
    counted_book, build_book
):
    chapter = counted_book / "chapters" / "00-a.ipynb"
    notebook = nbformat.read(chapter, as_version=4)
    notebook.cells[1]["id"] = "shown"
    nbformat.write(notebook, chapter)
    intro = counted_book / "intro.md"
    start = intro.read_text()
    intro.write_text(f"{start}\n[shown](chapters/00-a.ipynb#cell-shown)\n")
    done = build_book(source=counted_book)
    assert done.returncode == 0, done.stdout
    pages = counted_book / "_build" / "html"
    assert 'href="chapters/00-a.html#cell-shown"' in (
        pages / "intro.html"
    ).read_text("utf-8")
    assert 'id="cell-shown"' in (pages / "chapters/00-a.html").read_text(
        "utf-8"
    )
    intro.write_text(f"{start}\n[gone](chapters/00-a.ipynb#cell-gone)\n")
    assert build_book(source=counted_book).returncode != 0


def test_solutions_can_be_left_out(counted_book, build_book):
    whole = build_book(source=counted_book)
    assert whole.returncode == 0, whole.stdout
    done = build_book("--without-solutions", source=counted_book)
    assert done.returncode == 0, done.stdout

    (page,) = re.findall(r"Open\s+(\S+index\.html)", done.stdout)
    out = Path(page).parent
    assert not (out / "solutions").exists()
    assert not (out / "_sources" / "solutions").exists()
    for path in out.rglob("*.html"):
        assert "solutions/" not in path.read_text("utf-8"), path
    assert "solutions/" not in (out / "sitemap.xml").read_text("utf-8")
    assert "planetari" not in (out / "searchindex.js").read_text("utf-8")

    kept = counted_book / "_build" / "html"
    assert (kept / "solutions" / "00-a.html").is_file()
    assert 'href="solutions/00-a.html"' in (kept / "intro.html").read_text()
    assert runs(counted_book) == ["1"], "both share the executed notebooks"


def test_exercises_are_not_run_and_solutions_are(counted_book, build_book):
    done = build_book(source=counted_book)
    assert done.returncode == 0, done.stdout
    html = counted_book / "_build" / "html"
    assert "NotImplementedError" in (html / "exercises/00-a.html").read_text()
    assert ">42 planetary\n" in (html / "solutions/00-a.html").read_text()


def test_a_page_that_left_the_book_leaves_the_site(counted_book, build_book):
    done = build_book(source=counted_book)
    assert done.returncode == 0, done.stdout
    page = counted_book / "_build" / "html" / "solutions" / "00-a.html"
    assert page.is_file()
    contents = counted_book / "_toc.yml"
    contents.write_text(
        contents.read_text().replace("      - file: solutions/00-a\n", "")
    )
    intro = counted_book / "intro.md"
    intro.write_text(re.sub(r"The \[sol.*", "", intro.read_text()))
    done = build_book(source=counted_book)
    assert done.returncode == 0, done.stdout
    assert not page.exists()


def test_the_book_becomes_an_epub(counted_book, build_book):
    chapter = counted_book / "chapters" / "00-a.ipynb"
    notebook = nbformat.read(chapter, 4)
    notebook.cells[0].source += "\n\n$$\\frac{a}{b} \\tag{0.1}$$\n\nand $c$."
    nbformat.write(notebook, chapter)
    done = build_book("--epub", source=counted_book)
    assert done.returncode == 0, done.stdout
    with zipfile.ZipFile(
        counted_book / "_build" / "attention-from-scratch.epub"
    ) as epub:
        assert epub.testzip() is None
        names = epub.namelist()
        assert names[0] == "mimetype"
        page = epub.read("chapters/00-a.xhtml").decode()
    assert "<mfrac>" in page and "\\frac{a}" not in re.sub(
        r"<annotation.*?</annotation>", "", page
    )
    assert not [name for name in names if name.endswith((".js", ".mjs"))]


def test_the_key_of_the_cache_is_made_of_what_notebooks_import(small_book):
    from book.extension import execution_key

    first = execution_key(small_book)
    (small_book / "attnbook" / "README.md").write_text("prose")
    (small_book / "attnbook" / "__pycache__").mkdir()
    (small_book / "attnbook" / "__pycache__" / "a.pyc").write_text("x")
    assert execution_key(small_book) == first
    keys = {first}
    for name in (
        "attnbook/new.py",
        "attnbook/explorers.mjs",
        "experiments/table.csv",
        "constraints.txt",
    ):
        with (small_book / name).open("a") as file:
            file.write("changed\n")
        keys.add(execution_key(small_book))
    assert len(keys) == 5


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
