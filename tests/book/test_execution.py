"""A notebook is executed once for all who ask, and kept only if it runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from small_books import runs, write_notebook

from book import execution

COUNTED = """\
with open("../runs.txt", "a") as runs:
    print("1", file=runs)
"""


@pytest.fixture
def notebook(tmp_path):
    """Write ``notebook(code, …)`` into a course that has no package."""
    (tmp_path / "chapters").mkdir()

    def write(*sources: str):
        path = tmp_path / "chapters" / "00-a.ipynb"
        write_notebook(path, "A", *sources)
        return path

    return write


def test_who_asks_while_a_notebook_runs_waits_and_shares(tmp_path, notebook):
    path = notebook(COUNTED)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(execution.executed, [tmp_path] * 2, [path] * 2))
    assert [one.failure for one in both] == ["", ""]
    assert runs(tmp_path) == ["1"]
    kept = execution.kept(tmp_path, path)
    assert kept.seconds > 0
    assert kept.notebook.cells[1].execution_count == 1


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import time; time.sleep(60)", "CellTimeoutError"),
        ("import os; os._exit(1)", "DeadKernelError"),
    ],
)
def test_a_notebook_that_fails_is_not_kept(
    tmp_path, notebook, monkeypatch, code, failure
):
    monkeypatch.setattr(execution, "CELL_SECONDS", 3)
    path = notebook(COUNTED, code, "print('never')")
    done = execution.executed(tmp_path, path)
    assert failure in done.failure
    assert execution.kept(tmp_path, path) is None
    before, failed, after = done.notebook.cells[1:]
    assert before.outputs == [] and before.execution_count == 1
    assert failed.outputs[-1].ename == failure
    assert after.outputs == [] and after.execution_count is None


def test_a_page_has_the_text_of_today_and_the_outputs_of_the_run(
    tmp_path, notebook
):
    path = notebook("print('shown')")
    execution.executed(tmp_path, path)
    write_notebook(path, "Another title", "print('shown')")
    kept = execution.kept(tmp_path, path)
    committed = execution.nbformat.read(path, as_version=4)
    page = execution.with_outputs(committed, kept.notebook)
    assert "Another title" in page.cells[0].source
    assert page.cells[1].outputs[0].text == "shown\n"
    assert committed.cells[1].outputs == []
    assert page.metadata.language_info.pygments_lexer == "ipython3"
