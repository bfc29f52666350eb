"""nbval finds what it should: a wrong number, an unanswered exercise."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import nbformat
import pytest
from listing import CHAPTERS, EXERCISES, spelt

from book.notebooks import COMPARED


@pytest.fixture
def opening(read, tmp_path):
    """The first chapter, up to the first cell whose output is compared."""
    notebook = read(CHAPTERS[0])
    last = next(
        number
        for number, cell in enumerate(notebook.cells)
        if COMPARED in cell.metadata.get("tags", [])
        and re.search(r"\d", str(cell.outputs))
    )
    notebook.cells = notebook.cells[: last + 1]
    path = tmp_path / "opening.ipynb"
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def compare(run_nbval):
    """Compare as `make test` does: with the execution of the book."""
    return lambda notebook: run_nbval(notebook, "-p", "book.comparison")


def test_the_numbers_as_committed_pass(opening, compare):
    done = compare(opening)
    assert done.returncode == 0, done.stdout


def test_a_changed_number_in_a_compared_output_fails(opening, compare):
    notebook = nbformat.read(opening, as_version=4)
    (output,) = notebook.cells[-1].outputs[-1:]
    holder, name = (
        (output.data, "text/plain") if "data" in output else (output, "text")
    )
    holder[name] = re.sub(
        r"\d(?=\D*$)", lambda last: str((int(last[0]) + 1) % 10), holder[name]
    )
    nbformat.write(notebook, opening)
    done = compare(opening)
    assert done.returncode == 1, done.stdout
    assert re.search(r"1 failed, \d+ passed", done.stdout)
    assert "reference_output == test_output failed" in done.stdout


def test_a_cell_that_fails_and_those_after_it_are_reported(opening, compare):
    notebook = nbformat.read(opening, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code[-2].source = "1 / 0"
    nbformat.write(notebook, opening)
    done = compare(opening)
    assert done.returncode == 1, done.stdout
    assert f"2 failed, {len(code) - 2} passed" in done.stdout
    assert "ZeroDivisionError" in done.stdout
    assert "a cell before this one failed" in done.stdout


@pytest.mark.parametrize("name", EXERCISES, ids=spelt)
def test_a_released_notebook_fails_in_its_graded_cells_and_nowhere_else(
    root, read, run_nbval, tmp_path, name
):
    report = tmp_path / "report.xml"
    run_nbval(root / name, f"--junitxml={report}")
    failed = {
        int(re.fullmatch(r".*Cell (\d+)", case.get("name"))[1])
        for case in ElementTree.parse(report).iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    }
    code = [cell for cell in read(name).cells if cell.cell_type == "code"]
    graded = {
        number
        for number, cell in enumerate(code)
        if cell.metadata.get("nbgrader", {}).get("grade")
    }
    assert len(graded) >= 4
    assert [code[number].id for number in sorted(failed)] == [
        code[number].id for number in sorted(graded)
    ]
