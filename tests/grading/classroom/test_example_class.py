"""The example class is as its script makes it, and gets what it deserves."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest

from teaching import example_class

# It is graded once.
pytestmark = pytest.mark.xdist_group("example class")

# What each answer is worth by its author's plan, not by any grader's.
DESERVED = {
    "student-01": 20,
    "student-02": 20,
    "student-03": 11,  # two exercises not begun
    "student-04": 19,  # of five bugs in the packed documents one is left
    "student-05": 17,  # sink overflows, judge without the way back
    "student-06": 0,  # nothing done
    "student-07": 20,  # right, and not their own
    "student-08": 15,  # the last never ends
    "student-09": 16,  # judge lets all pass; the graded cell written over
    "student-10": None,  # the upload broke off
    "student-11": 16,  # a bracket missing
    "student-12": 17,  # one prediction, one bug, judge without the way back
}


def test_the_files_are_those_that_the_script_makes(capsys):
    status = example_class.main(["--check"])
    assert status == 0, capsys.readouterr().out


def test_an_answer_for_no_cell_is_an_error():
    with pytest.raises(KeyError, match="03-no-such-cell"):
        example_class.notebook({"03-no-such-cell": "pass"})


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The class, graded by the command of the teachers' page."""
    out = tmp_path_factory.mktemp("grades")
    done = subprocess.run(
        [
            sys.executable, "-m", "attnbook.grading", "class",
            "teaching/example-class/submissions",
            "--exercise", example_class.EXERCISE,
            "--out", str(out),
            "--wall", "5",
            "--times", "teaching/example-class/times.csv",
            "--due", "2026-11-01T23:59+01:00",
            "--late-penalty", "10%",
        ],
        cwd=example_class.ROOT,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def rows(out) -> dict[str, dict[str, str]]:
    with open(out / "grades.csv", encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def test_each_gets_the_points_that_the_answers_deserve(graded):
    points = {
        student: float(row["points"]) if row["points"] else None
        for student, row in rows(graded).items()
    }
    assert points == DESERVED


def test_no_grade_is_unprotected(graded):
    levels = {row["isolation"] for row in rows(graded).values()}
    assert "unprotected" not in levels


def test_who_is_late_loses_a_tenth_for_each_day_begun(graded):
    found = rows(graded)
    late = {student for student, row in found.items() if row["late"]}
    assert late == set(example_class.LATE)
    assert float(found["student-05"]["late penalty"]) == 2 * 1
    assert float(found["student-12"]["late penalty"]) == 2 * 3
    assert float(found["student-12"]["total"]) == 17 - 6


def test_the_class_page_tells_what_a_teacher_must_know(graded):
    page = (graded / "index.html").read_text("utf-8")
    for told in (
        "-1e9 in place of -inf",  # made twice
        "the way back is not tried",
        "was edited and was restored",
        "is not JSON",
        "Is there a loop that never ends?",
    ):
        assert told in page, told


def test_the_copy_is_shown_with_its_source(graded):
    page = (graded / "index.html").read_text("utf-8")
    part = page[page.index("imilar") :]
    assert "student-02" in part
    assert "student-07" in part
    content = json.loads((graded / "grades.json").read_text("utf-8"))
    assert len(content["grades"]) == len(DESERVED)
