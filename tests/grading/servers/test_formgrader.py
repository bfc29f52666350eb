"""Formgrader over a class that the course's own command has graded."""

import json
import subprocess
import sys

import pytest
import running_jupyter
from formgrader_page import FormgraderPage
from graded_class import grades_of
from known_mistakes import (
    ROOT,
    answered,
    answers_of,
    grade_id_of,
    marks_of,
    released,
)

from attnbook.grading.isolation.sandbox import support

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("formgrader")]

NAME = "00-soft-lookup"
# How many exercises, from the first, each has done.
DONE = {"student-01": 6, "student-02": 3, "student-03": 0}
OUT_OF = {
    grade_id_of(cell): marks_of(cell)["points"]
    for cell in released(NAME)["cells"]
    if marks_of(cell).get("grade")
}
NOTHING = "Type any comments here (supports Markdown and MathJax)"


def hand_in(folder, student: str, done: int) -> None:
    answers = dict(list(answers_of(NAME).items())[:done])
    path = folder / "in" / student / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(answered(released(NAME), answers)), "utf-8")


def grade(folder, *more: str) -> None:
    """Grade what was handed in, by the command as a teacher gives it."""
    done = subprocess.run(
        [
            sys.executable, "-m", "attnbook.grading", "class", folder / "in",
            "--exercise", NAME, "--out", folder / "out", *more,
            *([] if support().ok else ["--no-sandbox"]),
        ],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What was handed in, and what came out of it."""
    folder = tmp_path_factory.mktemp("class")
    for student, done in DONE.items():
        hand_in(folder, student, done)
    (folder / "in" / "student-04").mkdir()
    (folder / "in" / "student-04" / f"{NAME}.ipynb").write_text("{")
    grade(folder)
    return folder


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    """Formgrader, started in the folder of the grades."""
    own = tmp_path_factory.mktemp("jupyter") / "own"
    with running_jupyter.running(folder / "out", own) as address:
        yield address


@pytest.fixture
def formgrader(server, browse):
    return FormgraderPage(browse(server), server, NAME)


def items(folder, student: str) -> dict[str, dict]:
    """Return what was published of each graded cell."""
    found = grades_of(folder / "out")[student]["items"]
    return {item["grade_id"]: item for item in found}


def test_it_lists_the_exercise_and_who_has_how_many_points(formgrader, folder):
    published = grades_of(folder / "out")
    assert formgrader.assignments() == [NAME]
    assert formgrader.totals() == {
        student: f"{published[student]['points']:g} / 20" for student in DONE
    }
    assert formgrader.students() == {*DONE, "student-04"}


@pytest.mark.parametrize("student", DONE)
def test_it_shows_the_points_and_the_message_of_each_cell(
    student, formgrader, folder
):
    formgrader.open(student)
    published = items(folder, student)
    assert formgrader.points() == {
        cell: (f"{published[cell]['automatic']:g}", "", f"{out_of:.1f}")
        for cell, out_of in OUT_OF.items()
    }
    shown = [check for check, _ in formgrader.comments().values()]
    told = "\n".join(shown)
    for item in published.values():  # parts that say the same say it once
        assert all(line in told for line in item["message"].splitlines()[1:])
    assert shown.count(NOTHING) == DONE[student]


def test_points_given_in_it_survive_a_regrade_and_are_published(
    formgrader, folder
):
    student, cell = "student-02", "00-conclude"
    before = grades_of(folder / "out")[student]
    formgrader.open(student)
    formgrader.give(cell, "1.5")
    formgrader.comment(f"{cell}-answer", "The idea is right.")
    hand_in(folder, student, DONE[student] + 1)
    grade(folder, "--regrade", student)
    grades = grades_of(folder / "out")[student]
    automatic = sum(item["automatic"] for item in grades["items"])
    assert automatic > before["total"]
    assert grades["total"] == automatic + 1.5
    assert items(folder, student)[cell]["comment"] == "The idea is right."
    page = (folder / "out" / grades["feedback"]).read_text("utf-8")
    assert "The idea is right." in page
    assert formgrader.totals()[student] == f"{grades['total']:g} / 20"
    formgrader.open(student)
    assert formgrader.points()[cell][:2] == ("0", "1.5")
    check, person = formgrader.comments()[f"{cell}-answer"]
    assert "Not written yet" in check
    assert person == "The idea is right."
