"""The nbgrader course as a teacher runs it, on the command line."""

import copy
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from attnbook.grading.grade import grade
from attnbook.grading.isolation.sandbox import support
from attnbook.grading.notebook.read import read
from attnbook.grading.systems.command import main

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(sys.executable).parent
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


@dataclass
class Course:
    """The folder, and how nbgrader's programs are called in it."""

    folder: Path

    @property
    def released(self) -> Path:
        return self.folder / "release" / NAME / f"{NAME}.ipynb"

    def lay_out(self) -> int:
        return main(
            ["--root", str(ROOT), "--nbgrader-course", str(self.folder)]
        )

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            # nbgrader calls alembic by its name.
            "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
            "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
            "IPYTHONDIR": str(self.folder / "ipython"),
        }

    def nbgrader(self, *arguments: str) -> str:
        done = subprocess.run(
            [SCRIPTS / "nbgrader", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=self.environment,
        )
        assert done.returncode == 0, done.stdout + done.stderr[-3000:]
        return done.stderr

    def submitted(self, student: str) -> Path:
        return self.folder / "submitted" / student / NAME / f"{NAME}.ipynb"

    def scores(self, student: str, database: Path | None = None) -> dict:
        database = database or self.folder / "gradebook.db"
        with Gradebook(f"sqlite:///{database}") as gradebook:
            notebook = gradebook.find_submission_notebook(NAME, NAME, student)
            return {grade.name: grade.auto_score for grade in notebook.grades}


def notes_of(cell: dict) -> dict:
    return cell["metadata"].get("nbgrader", {})


def grade_id_of(cell: dict) -> str:
    return notes_of(cell).get("grade_id", "")


def answered(solved: dict, released: dict, exercises) -> dict:
    """The released notebook with the answers of these exercises."""
    wanted = {f"{exercise}-answer" for exercise in exercises}
    answers = {
        grade_id_of(cell): "".join(cell["source"])
        for cell in solved["cells"]
        if grade_id_of(cell) in wanted
    }
    assert set(answers) == wanted
    content = copy.deepcopy(released)
    for cell in content["cells"]:
        cell["source"] = answers.get(grade_id_of(cell), cell["source"])
    return content


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course of which one assignment was handed in and graded."""
    course = Course(tmp_path_factory.mktemp("nbgrader") / "course")
    course.lay_out()
    course.nbgrader("generate_assignment", NAME)
    released = json.loads(course.released.read_text("utf-8"))
    solved = json.loads((ROOT / f"solutions/{NAME}.ipynb").read_text("utf-8"))
    all_of_them = [
        grade_id_of(cell)
        for cell in released["cells"]
        if notes_of(cell).get("grade")
    ]
    right = answered(solved, released, all_of_them)
    warning = copy.deepcopy(right)
    for cell in warning["cells"]:
        if grade_id_of(cell) == "00-conclude-answer":
            cell["source"] += WARNS
    without_a_check = copy.deepcopy(right)
    without_a_check["cells"] = [
        cell
        for cell in right["cells"]
        if grade_id_of(cell) != "00-temperature-for-entropy"
    ]
    for student, content in {
        "student-01": right,
        "student-02": answered(solved, released, HALF),
        "student-03": released,
        "student-04": warning,
        "student-05": without_a_check,
    }.items():
        path = course.submitted(student)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content), "utf-8")
    course.nbgrader("autograde", NAME)
    course.nbgrader("generate_feedback", NAME)
    return course


def test_what_nbgrader_releases_is_what_the_course_releases(course):
    made, ours = read(course.released), read(ROOT / f"exercises/{NAME}.ipynb")
    assert made.cells == ours.cells
    assert "### BEGIN SOLUTION" not in course.released.read_text("utf-8")


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
    scores = course.scores(student)
    report = grade(course.submitted(student), ROOT / "exercises")
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
        env=course.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for number in range(1, 6):
        student = f"student-0{number}"
        assert course.scores(student, ours) == course.scores(student)


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
    before = course.scores("student-02")
    assert course.lay_out() == 0
    assert "up to date" in capsys.readouterr().out
    assert course.scores("student-02") == before


def test_what_the_teacher_changed_is_left_alone(tmp_path, capsys):
    course = Course(tmp_path)
    course.lay_out()
    settings = tmp_path / "nbgrader_config.py"
    settings.write_text("# the teacher's own\n")
    capsys.readouterr()
    assert course.lay_out() == 2
    assert str(settings) in capsys.readouterr().err
    assert settings.read_text() == "# the teacher's own\n"
