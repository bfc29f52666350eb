"""The command that normalises notebooks."""

from __future__ import annotations

import nbformat
import pytest
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
)

from book import notebooks


@pytest.fixture
def edited():
    """A notebook as an editor leaves it."""
    notebook = new_notebook()
    notebook.metadata = {
        "kernelspec": {"name": "my-env", "display_name": "Mine"},
        "colab": {"provenance": []},
    }
    plain = new_code_cell("print(1)  \n", execution_count=7)
    plain.id = "3f9c2e1a"
    plain.metadata = {"scrolled": True, "jupyter": {"source_hidden": True}}
    plain.outputs = [new_output("stream", name="stdout", text="1\n")]
    compared = new_code_cell("2 + 2", execution_count=8)
    compared.id = "Compared Cell"
    compared.metadata = {"tags": ["nbval-check-output"]}
    compared.outputs = [
        new_output("stream", name="stdout", text="a\n"),
        new_output("stream", name="stdout", text="b\n"),
        new_output(
            "execute_result",
            data={"text/plain": "4", "text/html": "<b>4</b>"},
            execution_count=8,
        ),
    ]
    notebook.cells = [new_markdown_cell("# Title"), plain, compared]
    return notebook


def test_outputs_go_but_those_that_are_compared(edited):
    _, plain, compared = notebooks.normal(edited).cells
    assert plain.outputs == [] and plain.execution_count is None
    assert compared.outputs[0].text == "a\nb\n"
    assert compared.outputs[1].data == {"text/plain": "4"}


def test_metadata_of_an_editor_goes(edited):
    normal = notebooks.normal(edited)
    assert normal.metadata == notebooks.METADATA
    assert normal.cells[1].metadata == {}
    assert normal.cells[2].metadata == {"tags": ["nbval-check-output"]}


def test_marks_of_the_grader_and_alt_text_stay(edited):
    kept = {
        "nbgrader": {"grade": True, "grade_id": "a"},
        "mystnb": {"image": {"alt": "A line."}},
    }
    edited.cells[1].metadata.update(kept)
    assert notebooks.normal(edited).cells[1].metadata == kept


def test_cell_ids_are_words_and_differ(edited):
    edited.cells.append(new_markdown_cell("# Title"))
    edited.cells[0].id = edited.cells[3].id = "title"
    ids = [cell.id for cell in notebooks.normal(edited).cells]
    assert ids[0] == "title" and ids[2] == "compared-cell"
    assert ids[3] == "title-2"
    nbformat.validate(notebooks.normal(edited))


def test_normal_form_is_a_fixed_point(edited):
    once = notebooks.normal(edited)
    assert notebooks.as_text(notebooks.normal(once)) == notebooks.as_text(once)


def test_the_check_changes_nothing_and_the_command_does(
    edited, tmp_path, capsys
):
    path = tmp_path / "a.ipynb"
    nbformat.write(edited, path)
    before = path.read_text()
    assert notebooks.main(["--check", str(path)]) == 1
    assert path.read_text() == before
    assert "make notebooks" in capsys.readouterr().out
    assert notebooks.main([str(path)]) == 0
    assert notebooks.main(["--check", str(path)]) == 0


def test_a_file_that_is_no_notebook_is_named(tmp_path, capsys):
    path = tmp_path / "a.ipynb"
    path.write_text("not JSON")
    assert notebooks.main([str(path)]) == 2
    assert "expected a notebook" in capsys.readouterr().err
