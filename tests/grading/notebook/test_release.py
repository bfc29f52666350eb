"""The released notebooks, as nbgrader's preprocessors make them."""

import json
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader_course import run

from attnbook.grading.__main__ import main
from attnbook.grading.notebook.release import (
    STUB,
    compare_all,
    released_text,
    write_all,
)
from attnbook.judging.troubles import UNWRITTEN


@pytest.fixture
def copied(course, tmp_path):
    """Return a copy of the course that a test may spoil."""
    return Path(shutil.copytree(course, tmp_path / "course"))


def cells(path):
    return {c.id: c for c in nbformat.read(path, as_version=4).cells}


def test_the_stub_keeps_what_follows_the_gap(course):
    source = cells(course / "exercises" / "00-toy.ipynb")["double-solution"]
    lines = source.source.splitlines()
    assert lines[0] == "def double(number):"
    assert lines[-1] == "    return result"
    assert any("raise NotImplementedError(" in line for line in lines)


def test_the_stub_says_what_the_checks_know_it_by():
    assert f'NotImplementedError("{UNWRITTEN}")' in STUB


def test_no_solution_is_left_in_a_released_notebook(course):
    text = (course / "exercises" / "00-toy.ipynb").read_text("utf-8")
    assert "SOLUTION" not in text
    assert "2 * number" not in text


def test_graded_cells_are_locked_and_carry_checksums(course):
    graded = cells(course / "exercises" / "00-toy.ipynb")["double-check"]
    assert graded.metadata.deletable is False
    assert graded.metadata.editable is False
    assert len(graded.metadata.nbgrader.checksum) == 32


def test_a_released_notebook_says_which_exercise_it_is(course):
    path = course / "exercises" / "01-other.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.attnbook == {"exercise": "01-other"}


def test_the_release_is_the_same_bytes_each_time(course):
    solution = course / "solutions" / "00-toy.ipynb"
    written = (course / "exercises" / "00-toy.ipynb").read_bytes()
    assert released_text(solution).encode() == written


def test_outputs_do_not_reach_the_release(copied):
    path = copied / "solutions" / "00-toy.ipynb"
    notebook = nbformat.read(path, as_version=4)
    output = nbformat.v4.new_output("stream", text="secret")
    notebook.cells[-1].outputs = [output]
    notebook.cells[-1].execution_count = 9
    nbformat.write(notebook, path)
    write_all(copied / "solutions", copied / "exercises")
    assert compare_all(copied / "solutions", copied / "exercises") == []
    text = (copied / "exercises" / "00-toy.ipynb").read_text("utf-8")
    assert "secret" not in text


def test_check_is_content_with_what_release_wrote(copied, monkeypatch, capsys):
    monkeypatch.chdir(copied)
    assert main(["release", "--check"]) == 0
    assert main(["release"]) == 0
    assert "up to date" in capsys.readouterr().out


def test_check_says_which_cell_differs(copied, monkeypatch, capsys):
    monkeypatch.chdir(copied)
    path = Path("exercises/00-toy.ipynb")
    path.write_text(path.read_text().replace("check_halve", "check_third"))
    assert main(["release", "--check"]) == 1
    printed = capsys.readouterr().out
    assert "00-toy.ipynb" in printed
    assert "(00-halve) differs" in printed
    assert main(["release"]) == 0
    assert main(["release", "--check"]) == 0


def test_check_sees_a_change_of_layout_alone(copied, monkeypatch, capsys):
    monkeypatch.chdir(copied)
    path = Path("exercises/00-toy.ipynb")
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert main(["release", "--check"]) == 1
    assert "layout differs" in capsys.readouterr().out


def test_check_misses_a_notebook_and_finds_a_stray_one(
    copied, monkeypatch, capsys
):
    monkeypatch.chdir(copied)
    Path("exercises/01-other.ipynb").rename("exercises/02-stray.ipynb")
    assert main(["release", "--check"]) == 1
    printed = capsys.readouterr().out
    assert "01-other.ipynb is missing" in printed
    assert "02-stray.ipynb has no solution" in printed


def test_release_outside_a_checkout_says_what_it_needs(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["release"]) == 2
    assert "Expected notebooks in solutions" in capsys.readouterr().err


def test_release_says_which_notebook_nbgrader_refuses(
    copied, monkeypatch, capsys
):
    monkeypatch.chdir(copied)
    path = Path("solutions/00-toy.ipynb")
    path.write_text(path.read_text().replace("### END SOLUTION", "pass"))
    assert main(["release"]) == 2
    assert "ClearSolutions refuses it" in capsys.readouterr().err


def test_two_cells_with_one_grade_id_are_not_released(
    copied, monkeypatch, capsys
):
    monkeypatch.chdir(copied)
    path = Path("solutions/00-toy.ipynb")
    path.write_text(path.read_text().replace('"00-halve"', '"00-third"'))
    assert main(["release"]) == 2
    assert "00-toy.ipynb" in capsys.readouterr().err


@pytest.fixture(scope="module")
def nbgrader_course(course, tmp_path_factory):
    """Make an nbgrader course of the release, with one submission."""
    root = tmp_path_factory.mktemp("nbgrader")
    released = course / "exercises" / "00-toy.ipynb"
    for folder in ("source/toy", "release/toy", "submitted/learner/toy"):
        (root / folder).mkdir(parents=True)
        shutil.copy(released, root / folder)
    shutil.copy(course / "solutions" / "00-toy.ipynb", root / "source/toy")
    submitted = root / "submitted/learner/toy/00-toy.ipynb"
    notebook = nbformat.read(submitted, as_version=4)
    for cell in notebook.cells:
        if cell.id == "double-solution":
            cell.source = "def double(number):\n    return number + number"
        if cell.id == "negate-solution":
            cell.source = "def negate(number):\n    return number"
        if cell.id == "double-check":
            cell.source = "pass  # changed by the learner"
    nbformat.write(notebook, submitted)
    return root


AUTOGRADE = """
import json
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI

api = NbGraderAPI()
for result in (
    api.generate_assignment("toy"),
    api.autograde("toy", "learner", create=True),
):
    assert result["success"], result
with Gradebook("sqlite:///gradebook.db") as gradebook:
    notebook = gradebook.find_submission_notebook("00-toy", "toy", "learner")
    print(json.dumps({g.name: g.auto_score for g in notebook.grades}))
"""


def test_nbgrader_grades_the_released_notebook_as_it_is(nbgrader_course):
    printed = run(sys.executable, nbgrader_course, "-c", AUTOGRADE)
    assert json.loads(printed.splitlines()[-1]) == {
        "00-double": 5,  # its graded cell was emptied, and is restored
        "00-negate": 0,
        "00-halve": 0,
        "00-third": 0,
    }


def test_nbgrader_validates_the_solutions(course, tmp_path):
    shutil.copy(course / "solutions" / "00-toy.ipynb", tmp_path)
    printed = run(
        sys.executable, tmp_path, "-m", "nbgrader", "validate", "00-toy.ipynb"
    )
    assert "Success! Your notebook passes all the tests." in printed
