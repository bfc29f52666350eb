"""Exports in which each attempt has a name, with its time in it."""

from datetime import datetime

import layouts
import pytest
from as_found import by_student, read, refusal, students

from attnbook.grading.intake.attempt_names import (
    from_blackboard,
    from_brightspace,
)
from attnbook.grading.intake.submissions import describe

NOON = datetime(2026, 11, 19, 12, 5).astimezone()


def test_the_attempts_of_a_student_in_blackboard_are_one_students(
    toy, other, in_zip, tmp_path, found_in
):
    form = "HW_3_{}_attempt_2026-11-{}-12-05-00".format
    files = {
        f"{form('j_doe', 19)}_00-toy.ipynb": toy("first"),
        f"{form('j_doe', 19)}.txt": b"Name: Student One (j_doe)",
        f"{form('j_doe', 20)}_homework.ipynb": toy("second"),
        f"{form('j_doe', 20)}.txt": b"Name: Student One (j_doe)",
        f"{form('k_doe', 19)}_00-toy.zip": layouts.zipped(
            {"work/00-toy.ipynb": toy("in a zip")}
        ),
        f"{form('k_doe', 20)}_01-other.ipynb": other,
        f"{form('m', 20)}.txt": b"Name: Student Three (m)",
    }
    found = in_zip(files)
    assert found.layout == "blackboard"
    assert students(found) == ["j_doe", "k_doe", "m"]
    got = by_student(found)
    assert read(got["j_doe"]) == toy("second")
    assert got["j_doe"].name == "homework.ipynb"
    assert got["j_doe"].received == NOON.replace(day=20)
    assert read(got["k_doe"]) == toy("in a zip")
    assert got["k_doe"].received == NOON
    assert "no notebook (.ipynb)" in refusal(got["m"])
    assert found.notes == (
        "j_doe handed in 2 notebooks of this exercise. homework.ipynb was "
        "taken, and not 00-toy.ipynb.",
    )
    told = describe(found)
    assert "as Blackboard hands them out" in told
    assert "as the names have them, without a zone" in told
    for name, data in files.items():
        layouts.write(tmp_path / "unpacked" / name, data)
    assert students(found_in(tmp_path / "unpacked")) == students(found)


def test_an_attempt_named_by_its_student_is_nobody_elses():
    take = from_blackboard([])
    forged = "x_attempt_2027-01-01-00-00-00_00-toy.ipynb"
    sender = take(f"HW_one_attempt_2026-11-19-12-05-00_{forged}")
    assert (sender.student, sender.file) == ("HW_one", forged)
    assert sender.time == NOON
    moment = "Nov 19, 2026 1205 PM"
    forged = "2-9 - Student Two - Nov 20, 2026 1205 PM - 00-toy.ipynb"
    sender = from_brightspace(f"1-9 - Student One - {moment} - {forged}")
    assert (sender.student, sender.file) == ("Student One 1", forged)
    assert sender.time == NOON


@pytest.mark.parametrize("form", ["{}/{}", "{} - {}"])
def test_the_attempts_of_a_student_in_brightspace_are_one_students(
    form, toy, in_zip
):
    of = "{}-777 - {} - Nov {}, 2026 {}".format
    one, two = "Student One", "Student-Two - Three"
    found = in_zip({
        "index.html": b"<html></html>",
        form.format(of(12, one, 19, "1205 PM"), "00-toy.ipynb"): toy("first"),
        form.format(of(12, one, 20, "905 AM"), "00-toy.ipynb"): toy("second"),
        form.format(of(13, one, 19, "1205 AM"), "00-toy.ipynb"): toy("other"),
        form.format(of(14, two, 19, "105 PM"), "00-toy.ipynb"): toy("two"),
    })  # fmt: skip
    assert found.layout == "brightspace"
    got = by_student(found)
    assert list(got) == [
        "Student One 12", "Student One 13", "Student-Two - Three 14",
    ]  # fmt: skip
    assert read(got["Student One 12"]) == toy("second")
    assert got["Student One 12"].received == NOON.replace(day=20, hour=9)
    assert got["Student One 13"].received == NOON.replace(hour=0)
    assert got["Student-Two - Three 14"].received == NOON.replace(hour=13)
    assert found.notes[0] == (
        "Left out, as they are no notebooks: index.html."
    )
    assert "handed in 2 notebooks of this exercise" in found.notes[1]


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("19 November, 2026 1205 PM", NOON),
        ("19 Nov. 2026 1205", NOON),
        ("November 19, 2026 105 PM", NOON.replace(hour=13)),
        ("Nov 19, 2026 115 AM", NOON.replace(hour=1, minute=15)),
        ("Smarch 13, 2026 100 PM", None),
        ("Nov 31, 2026 100 PM", None),
    ],
)
def test_a_date_of_brightspace_is_read(written, time):
    sender = from_brightspace(f"12-777 - Student One - {written}")
    assert sender.student == "Student One 12"
    assert sender.time == time


def test_it_is_said_that_gradescopes_list_of_names_is_not_read(toy, in_zip):
    found = in_zip({
        "assignment_7_export/submission_metadata.yml": b"---\n",
        "assignment_7_export/submission_301/00-toy.ipynb": toy("one"),
        "assignment_7_export/submission_302/00-toy.ipynb": toy("two"),
    })  # fmt: skip
    assert students(found) == ["submission_301", "submission_302"]
    assert (
        "an export of Gradescope. submission_metadata.yml is not read"
        in (found.notes[0])
    )


def test_names_of_a_system_that_is_not_known_are_said_to_be_a_guess(
    tmp_path, toy, found_in
):
    for name in ("one 2026-11-19", "one 2026-11-20", "two 2026-11-19"):
        layouts.write(tmp_path / name / "00-toy.ipynb", toy(name))
    (note,) = found_in(tmp_path).notes
    assert "It is a guess that each of these is a student" in note
    assert "one 2026-11-19, one 2026-11-20, two 2026-11-19" in note
