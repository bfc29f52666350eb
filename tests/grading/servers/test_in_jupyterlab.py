"""A released notebook in JupyterLab, from stub to scoreboard; *Validate*."""

import shutil

import pytest
import running_jupyter
from known_mistakes import (
    ROOT,
    answers_of,
    grade_id_of,
    marks_of,
    released,
)
from lab_page import LabPage

from attnbook.grading.grade import grade

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("jupyterlab")]

NAME = "00-soft-lookup"
CELLS = released(NAME)["cells"]
GRADED = [cell["id"] for cell in CELLS if marks_of(cell).get("grade")]
SCORES = CELLS[-1]["id"]


def solutions() -> dict[str, tuple[str, list[str]]]:
    """Return the answer to each solution cell, and its graded cells."""
    answers, found = answers_of(NAME), {}
    for cell in CELLS:
        if marks_of(cell).get("solution"):
            checks: list[str] = []
            found[cell["id"]] = answers[grade_id_of(cell)], checks
        elif marks_of(cell).get("grade"):
            checks.append(cell["id"])
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A learner's folder: copies of the released notebook."""
    folder = tmp_path_factory.mktemp("learner")
    for name in ("fresh", "by-hand", "stub"):
        shutil.copy(
            ROOT / "exercises" / f"{NAME}.ipynb", folder / f"{name}.ipynb"
        )
    return folder


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    own = tmp_path_factory.mktemp("jupyter") / "own"
    with running_jupyter.running(folder, own) as address:
        yield address


@pytest.fixture
def lab(server, folder, browse):
    """Return what opens a notebook."""

    def opened(name: str) -> LabPage:
        return LabPage(browse(server), server, folder / f"{name}.ipynb")

    return opened


def total(notebook: LabPage) -> str:
    """Return the last line of the scoreboard."""
    last = notebook.printed(SCORES).strip().splitlines()[-1]
    return " ".join(last.split())


def test_run_all_in_a_fresh_notebook_reaches_the_scoreboard(lab):
    notebook = lab("fresh")
    notebook.run_all()
    assert notebook.failed() == []
    assert notebook.not_run() == []
    assert total(notebook) == "Total 0 / 20"
    for check in GRADED:
        assert "✗" in notebook.printed(check)


def test_a_notebook_is_done_by_hand_and_passes_validate(lab, folder):
    notebook = lab("by-hand")
    (first, (answer, checks)), *rest = solutions().items()
    notebook.run("imports")
    notebook.write(first, answer)
    notebook.run(first)
    for check in checks:
        assert "✓" in notebook.run(check)
    assert "✓" in notebook.run(SCORES)
    for cell, (answer, _) in rest:
        notebook.write(cell, answer)
    notebook.run_all()
    assert (notebook.failed(), notebook.not_run()) == ([], [])
    assert total(notebook) == "Total 20 / 20"
    notebook.save()
    report = grade(folder / "by-hand.ipynb", ROOT / "exercises")
    assert sum(result.points for result in report.results) == 20
    said = notebook.validate()
    assert "Success! Your notebook passes all the tests." in said
    assert "failed" not in said


def test_validate_says_which_cells_of_a_stub_fail(lab):
    said = lab("stub").validate()
    sources = ["".join(c["source"]) for c in CELLS if c["id"] in GRADED]
    places = [said.index(f"\n{source}\n") for source in sources]
    assert places == sorted(places)
    assert said.count("The following cell failed:") == len(GRADED)
    assert "Not written yet" in said
