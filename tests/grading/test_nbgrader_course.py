"""The nbgrader course as a teacher runs it, on the command line."""

import copy
import json
import shutil
import subprocess
import sys

import pytest
from known_mistakes import (
    ROOT,
    answered,
    answers_of,
    asked,
    grade_id_of,
    marks_of,
)
from nbgrader.api import Gradebook
from nbgrader_course import Course, environment

from attnbook.grading.grade import grade
from attnbook.grading.isolation.sandbox import support
from attnbook.grading.notebook.read import read

# It is graded once.
pytestmark = pytest.mark.xdist_group("nbgrader course")

NAME = "00-soft-lookup"
HALF = ("00-predict", "00-top-k-lookup", "00-softmax-vjp")
# Libraries warn of what will change, on stderr, and nbgrader gives no points
# to a graded cell that writes there. The checks keep it away.
WARNS = """

import warnings

quietly = conclude


def conclude(question):
    warnings.warn("this will change", FutureWarning)
    return quietly(question)
"""


@pytest.fixture(scope="module")
def course(warm, tmp_path_factory):
    """A course of which one assignment was handed in and graded."""
    course = Course(tmp_path_factory.mktemp("nbgrader"), warm.program)
    course.lay_out()
    course.nbgrader("generate_assignment", NAME)
    released = json.loads(course.released(NAME).read_text("utf-8"))
    answers = answers_of(NAME)
    assert set(answers) == {f"{one}-answer" for one in asked(NAME)}
    right = answered(released, answers)
    half = {f"{grade_id}-answer" for grade_id in HALF}
    warning = copy.deepcopy(right)
    for cell in warning["cells"]:
        if grade_id_of(cell) == "00-conclude-answer":
            cell["source"] += WARNS
    without_a_check = copy.deepcopy(right)
    without_a_check["cells"] = [
        cell
        for cell in right["cells"]
        if not marks_of(cell).get("grade")
        or not grade_id_of(cell).startswith("00-temperature-for-entropy")
    ]
    for student, content in {
        "student-01": right,
        "student-02": answered(released, {key: answers[key] for key in half}),
        "student-03": released,
        "student-04": warning,
        "student-05": without_a_check,
    }.items():
        course.hand_in(student, NAME, content)
    course.nbgrader("autograde", NAME)
    course.nbgrader("generate_feedback", NAME)
    return course


def test_what_nbgrader_releases_is_what_the_course_releases(course):
    made = read(course.released(NAME))
    ours = read(ROOT / f"exercises/{NAME}.ipynb")
    assert made.cells == ours.cells
    text = course.released(NAME).read_text("utf-8")
    assert "### BEGIN SOLUTION" not in text


@pytest.mark.parametrize(
    ("student", "points"),
    [
        ("student-01", 20),
        ("student-02", 11),
        ("student-03", 0),
        ("student-04", 20),
        ("student-05", 20),
    ],
)
def test_its_scores_are_those_of_the_grader(course, student, points):
    scores = course.scores(student, NAME)
    report = grade(course.submitted(student, NAME), ROOT / "exercises")
    assert scores == {r.grade_id: r.points for r in report.results}
    assert sum(scores.values()) == points


def test_the_class_grader_gives_the_scores_to_nbgraders_gradebook(
    course, tmp_path
):
    ours = tmp_path / "gradebook.db"
    shutil.copy(course.folder / "gradebook.db", ours)
    with Gradebook(f"sqlite:///{ours}") as gradebook:
        for student in gradebook.students:
            gradebook.remove_submission(NAME, student.id)
    arguments = [
        str(course.folder / "submitted"),
        *("--exercise", NAME),
        *("--out", str(tmp_path / "grades")),
        *("--release", str(ROOT / "exercises")),
        *("--database", f"sqlite:///{ours}"),
        *("--jobs", "1"),
    ]
    if not support().ok:
        arguments.append("--no-sandbox")
    done = subprocess.run(
        [sys.executable, "-m", "attnbook.grading", "class", *arguments],
        env=environment(course.folder),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for number in range(1, 6):
        student = f"student-0{number}"
        assert course.scores(student, NAME, ours) == course.scores(
            student, NAME
        )


def test_each_student_gets_a_page_of_feedback(course):
    for student, score in ("student-01", "20.0"), ("student-02", "11.0"):
        page = course.folder / "feedback" / student / NAME / f"{NAME}.html"
        assert f"(Score: {score} / 20.0)" in page.read_text("utf-8")


def test_each_exercise_is_an_assignment(course):
    made = sorted(
        p.parent.name for p in course.folder.glob("source/*/*.ipynb")
    )
    assert made == sorted(p.stem for p in (ROOT / "exercises").glob("*.ipynb"))


def test_the_course_is_laid_out_again_over_itself(course, capsys):
    before = course.scores("student-02", NAME)
    assert course.lay_out() == 0
    assert "up to date" in capsys.readouterr().out
    assert course.scores("student-02", NAME) == before


def test_what_the_teacher_changed_is_left_alone(tmp_path, capsys):
    course = Course(tmp_path)
    course.lay_out()
    settings = tmp_path / "nbgrader_config.py"
    settings.write_text("# the teacher's own\n")
    capsys.readouterr()
    assert course.lay_out() == 2
    assert str(settings) in capsys.readouterr().err
    assert settings.read_text() == "# the teacher's own\n"
