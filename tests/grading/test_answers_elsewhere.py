"""What is said of an answer that is not where the graded cell looks."""

import pytest

from attnbook.grading import grade as grading
from attnbook.grading.notebook.running import Fate

NOT_WRITTEN = Fate("error", "WrongAnswer", "Not written yet.")


def undefined(name):
    return Fate("error", "NameError", f"name '{name}' is not defined")


@pytest.fixture
def told(course, monkeypatch):
    """Return what is said of a graded cell that ended in some way."""

    def message(learner, grade_id, fate, folder=course / "exercises"):
        def run(cells, timeout):
            return [
                fate
                if cell.is_graded and cell.grade_id == grade_id
                else Fate("passed")
                for cell in cells
            ]

        monkeypatch.setattr(grading, "run", run)
        report = grading.grade(learner.hand_in(), folder)
        return next(
            r.message for r in report.results if r.grade_id == grade_id
        )

    return message


@pytest.mark.parametrize(
    ("kind", "word"), [("markdown", "Markdown"), ("raw", "raw")]
)
def test_an_answer_in_a_cell_that_is_not_run_is_found(
    kind, word, learner, told
):
    learner.answer_rightly("negate")
    learner["negate-solution"]["cell_type"] = kind
    number = learner.content["cells"].index(learner["negate-solution"]) + 1
    assert told(learner, "00-negate", undefined("negate")) == (
        f"`negate` is not defined: cell {number} is {word} and is not run. "
        "Make it a code cell."
    )
    assert told(learner, "00-halve", undefined("helper")) == (
        "`helper` is not defined: no cell of the notebook defines it."
    )


def test_the_text_of_an_exercise_defines_nothing(learner, told, tmp_path):
    learner["negate-text"]["source"] = "An example:\n\n    negate = minus"
    folder = tmp_path / "released"
    folder.mkdir()
    learner.hand_in().rename(folder / "00-toy.ipynb")
    learner.delete("negate-solution")
    message = told(learner, "00-negate", undefined("negate"), folder)
    assert "no cell of the notebook defines it" in message


def test_an_answer_below_the_graded_cell_is_found(learner, told):
    learner.insert_before("points", "def negate(number):\n    return -number")
    cells = learner.content["cells"]
    below = cells.index(learner["points"])
    assert told(learner, "00-negate", NOT_WRITTEN) == (
        f"Not written yet.\n  But cell {below} defines `negate`, below. "
        "Put that into the answer to “Negate”."
    )


def test_an_answer_above_its_stub_is_found(learner, told):
    learner.insert_before("double-solution", "negate = lambda n: -n")
    assert "defines `negate`, above. Put that into the answer to" in told(
        learner, "00-negate", NOT_WRITTEN
    )


def test_an_answer_that_is_where_it_should_be_is_not_pointed_at(learner, told):
    learner.insert_before("points", "def negate(number):\n    return -number")
    learner.answer("negate", "number")
    wrong = Fate("error", "WrongAnswer", "Wrong.")
    assert told(learner, "00-negate", wrong) == "Wrong."
    assert told(learner, "00-halve", NOT_WRITTEN) == "Not written yet."


def test_a_module_beside_the_notebook_is_said_not_to_be_graded(learner, told):
    missing = Fate("error", "ModuleNotFoundError", "No module named 'my_own'")
    assert told(learner, "00-negate", missing) == (
        "ModuleNotFoundError: No module named 'my_own'. Only the notebook is "
        "graded: neither files beside it nor packages that the course does "
        "not need are there."
    )
