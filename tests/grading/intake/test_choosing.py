"""Which file is whose, and which of several notebooks is taken."""

import json
from datetime import timedelta

import layouts
import pytest
from as_found import MEGABYTE, read, refusal, students


def test_who_handed_in_something_else_is_not_lost(tmp_path, toy, found_in):
    layouts.write(tmp_path / "student-01.ipynb", toy())
    layouts.write(tmp_path / "student-02.tar.gz", b"\x1f\x8b")
    layouts.write(tmp_path / "student-03.html", b"<p>")
    layouts.write(tmp_path / "roster.csv", b"student\n")
    found = found_in(tmp_path)
    assert students(found) == ["student-01", "student-02", "student-03"]
    assert "student-02.tar.gz" in refusal(found.submissions[1])
    assert found.notes == ("Left out, as they are no notebooks: roster.csv.",)


def test_the_name_of_the_exercise_is_taken_out_of_the_students(
    tmp_path, toy, found_in
):
    for name in (
        "student-01.ipynb", "student-02_00-toy.ipynb",
        "00-toy-student-03.ipynb", "00-toy.ipynb",
        "student-04.ipynb.txt",
    ):  # fmt: skip
        layouts.write(tmp_path / name, toy(name))
    layouts.write(
        tmp_path / "student-05.zip", layouts.zipped({"x.ipynb": toy("zip")})
    )
    found = found_in(tmp_path)
    assert found.layout == "files"
    assert students(found) == [
        "00-toy", "student-01", "student-02", "student-03", "student-04",
        "student-05",
    ]  # fmt: skip
    assert read(found.submissions[4]) == toy("student-04.ipynb.txt")
    assert read(found.submissions[5]) == toy("zip")
    # What counts is when it was handed in, not the clock of the student.
    assert found.submissions[5].received == layouts.TIME


@pytest.mark.parametrize("layout", ["files", "repositories"])
def test_several_exercises_of_each_student_lie_side_by_side(
    layout, tmp_path, toy, other, found_in
):
    layouts.make(
        layout,
        tmp_path,
        {
            "00-toy-ann": toy("ann"),
            "01-other-ann": toy("somebody as ann"),
            "00-toy-bob": toy("bob"),
            "01-other-carol": other,
        },
        "00-toy",
    )
    found = found_in(tmp_path)
    assert students(found) == ["ann", "bob", "carol"]
    assert read(found.submissions[0]) == toy("ann")
    assert "is 01-other" in refusal(found.submissions[2])
    (note,) = found.notes
    assert "named for another exercise" in note
    assert ": 01-other-ann" in note


@pytest.mark.parametrize(
    "path",
    [
        "student-01/00-toy.ipynb",
        "student-01/my homework.ipynb",
        "student-01/00-toy/00-toy.ipynb",
        "student-01/00-toy/work.ipynb",
        "submitted/student-01/00-toy/work.ipynb",
        "submitted/student-01/homework/00-toy.ipynb",
        "student-01/exercises/00-toy.ipynb",
        "student-01.ipynb",
        "student-01_00-toy.ipynb",
        "student-01.zip",
    ],
)
def test_a_class_of_one_is_no_folder_around_a_class(
    path, tmp_path, toy, found_in
):
    data = layouts.zipped({"x.ipynb": toy()}) if "zip" in path else toy()
    layouts.write(tmp_path / path, data)
    (submission,) = found_in(tmp_path).submissions
    assert submission.student == "student-01"
    assert read(submission) == toy()


def test_the_notebook_is_known_by_what_is_in_it(
    tmp_path, toy, other, found_in
):
    work = tmp_path / "student-01"
    layouts.write(work / "00-toy.ipynb", other)
    layouts.write(work / "homework.ipynb", toy("renamed"))
    layouts.write(work / "homework (1).txt", b"notes")
    (submission,) = found_in(tmp_path).submissions
    assert read(submission) == toy("renamed")


def test_of_several_the_newest_is_taken_and_it_is_said(
    tmp_path, toy, found_in
):
    work = tmp_path / "student-01"
    layouts.write(work / "00-toy.ipynb", toy("old"))
    later = layouts.TIME + timedelta(hours=1)
    layouts.write(work / "again" / "copy.ipynb", toy("new"), later)
    found = found_in(tmp_path)
    assert read(found.submissions[0]) == toy("new")
    assert found.submissions[0].received == later
    assert found.notes == (
        "student-01 handed in 2 notebooks of this exercise. copy.ipynb was "
        "taken, and not 00-toy.ipynb.",
    )


def test_of_several_at_one_time_the_right_name_is_taken(
    tmp_path, toy, found_in
):
    work = tmp_path / "student-01"
    for name in ("zzz.ipynb", "00-toy.ipynb", "copy of 00-toy.ipynb"):
        layouts.write(work / name, toy(name))
    assert read(found_in(tmp_path).submissions[0]) == toy("00-toy.ipynb")


def test_the_solutions_of_a_cloned_course_are_not_taken_for_the_students(
    tmp_path, toy, course, found_in
):
    solution = (course / "solutions" / "00-toy.ipynb").read_bytes()
    clone = tmp_path / "student-01"
    layouts.write(clone / "exercises" / "00-toy.ipynb", toy())
    later = layouts.TIME + timedelta(days=1)
    layouts.write(clone / "solutions" / "00-toy.ipynb", solution, later)
    (submission,) = found_in(tmp_path).submissions
    assert submission.student == "student-01"
    assert read(submission) == toy()


def test_what_jupyter_and_systems_leave_behind_is_not_handed_in(
    tmp_path, toy, found_in
):
    layouts.write(tmp_path / "student-01" / "00-toy.ipynb", toy())
    later = layouts.TIME + timedelta(days=1)
    for path in (
        ".ipynb_checkpoints/00-toy-checkpoint.ipynb", "._00-toy.ipynb",
        "__MACOSX/00-toy.ipynb", ".venv/lib/00-toy.ipynb",
    ):  # fmt: skip
        layouts.write(tmp_path / "student-01" / path, toy("left"), later)
    layouts.write(tmp_path / ".DS_Store", b"\0")
    found = found_in(tmp_path)
    assert read(found.submissions[0]) == toy()
    assert found.notes == ()


def test_a_broken_notebook_beside_a_good_one_is_said_and_left(
    tmp_path, toy, found_in
):
    layouts.write(tmp_path / "student-01" / "good.ipynb", toy())
    later = layouts.TIME + timedelta(days=1)
    layouts.write(tmp_path / "student-01" / "00-toy.ipynb", b"{", later)
    found = found_in(tmp_path)
    assert read(found.submissions[0]) == toy()
    assert found.notes == (
        "student-01: beside good.ipynb, left out: 00-toy.ipynb is not a "
        "notebook: it is not JSON, as it breaks off in line 1: its end is "
        "missing. Save it in Jupyter and hand it in again.",
    )


def test_a_broken_notebook_alone_is_left_for_the_grader_to_name(
    tmp_path, other, found_in
):
    layouts.write(tmp_path / "student-01" / "00-toy.ipynb", b"{")
    layouts.write(tmp_path / "student-01" / "01-other.ipynb", other)
    layouts.write(tmp_path / "student-02" / "x.ipynb", b"[" * 100_000)
    found = found_in(tmp_path)
    assert read(found.submissions[0]) == b"{"
    assert read(found.submissions[1]) == b"[" * 100_000


def test_a_broken_notebook_is_taken_before_one_that_is_of_no_exercise(
    tmp_path, found_in
):
    later = layouts.TIME + timedelta(days=1)
    scratch = b'{"nbformat": 4, "cells": []}'
    layouts.write(tmp_path / "student-01" / "homework.ipynb", b"{")
    layouts.write(tmp_path / "student-01" / "x.ipynb", scratch, later)
    found = found_in(tmp_path)
    assert read(found.submissions[0]) == b"{"
    assert "left out: x.ipynb is none of the exercises." in found.notes[0]


def test_a_scratch_notebook_is_not_taken_where_others_are_known(
    tmp_path, other, found_in
):
    layouts.write(tmp_path / "student-01" / "scratch.ipynb", b"{}")
    layouts.write(tmp_path / "student-01" / "01-other.ipynb", other)
    (submission,) = found_in(tmp_path).submissions
    assert refusal(submission) == (
        "There is no notebook of 00-toy in what was handed in: "
        "01-other.ipynb is 01-other. scratch.ipynb is JSON but not a "
        "notebook: it has no “nbformat”."
    )


def test_a_folder_without_a_notebook_says_what_is_in_it(tmp_path, found_in):
    for number in range(10):
        layouts.write(tmp_path / "student-01" / f"{number}.pdf", b"%PDF")
    (submission,) = found_in(tmp_path).submissions
    assert refusal(submission) == (
        "There is no notebook (.ipynb) in what was handed in: 0.pdf, 1.pdf, "
        "2.pdf, 3.pdf, 4.pdf, 5 more."
    )


# -- attempts that are large -------------------------------------------------


@pytest.fixture
def with_figure(toy):
    """The bytes of a notebook with a figure of so many megabytes in it."""

    def made(megabytes, mark=""):
        content = json.loads(toy(mark))
        figure = {"image/png": "A" * (megabytes * MEGABYTE)}
        content["cells"].append({
            "cell_type": "code",
            "source": "plot()",
            "outputs": [{"output_type": "display_data", "data": figure}],
        })  # fmt: skip
        return json.dumps(content).encode()

    return made


def test_the_newer_attempt_is_taken_however_large_its_figures(
    tmp_path, toy, with_figure, found_in, in_zip
):
    new = with_figure(18, "new")
    later = layouts.TIME + timedelta(days=1)
    work = tmp_path / "in" / "student-01"
    layouts.write(work / "00-toy.ipynb", toy("old"))
    layouts.write(work / "again.ipynb", new, later)
    (submission,) = found_in(tmp_path / "in").submissions
    assert read(submission) == new
    assert submission.received == later
    found = in_zip({
        "studentone_101_9001_00-toy.ipynb": toy("old"),
        "studentone_101_9002_00-toy-1.ipynb": new,
    })  # fmt: skip
    assert read(found.submissions[0]) == new
    own = layouts.zipped({"old.ipynb": toy("old"), "00-toy.ipynb": new})
    found = in_zip({
        "student-01_101_assignsubmission_file/work.zip": own,
        "student-02_102_assignsubmission_file/00-toy.ipynb": toy(),
    })  # fmt: skip
    assert read(found.submissions[0]) == new


def test_a_large_notebook_is_found_beside_those_of_other_exercises(
    tmp_path, other, with_figure, found_in
):
    new = with_figure(18)
    layouts.write(tmp_path / "student-01" / "homework3.ipynb", new)
    layouts.write(tmp_path / "student-01" / "01-other.ipynb", other)
    (submission,) = found_in(tmp_path).submissions
    assert read(submission) == new


def test_the_newer_attempt_counts_though_it_is_too_large_to_be_graded(
    tmp_path, toy, with_figure, found_in, in_zip
):
    new = with_figure(21)
    work = tmp_path / "in" / "student-01"
    layouts.write(work / "00-toy.ipynb", toy("old"))
    later = layouts.TIME + timedelta(days=1)
    layouts.write(work / "final.ipynb", new, later)
    canvas = in_zip({
        "studentone_101_9001_00-toy.ipynb": toy("old"),
        "studentone_101_9002_final.ipynb": new,
    })  # fmt: skip
    for found in (found_in(tmp_path / "in"), canvas):
        (submission,) = found.submissions
        assert "final.ipynb is too large: 21" in refusal(submission)
        (note,) = found.notes
        assert note == (
            f"{submission.student}: final.ipynb counts, as it is newer than "
            "00-toy.ipynb. final.ipynb was not looked into: it has 21 MB, "
            "and at most 20 MB are read (--notebook)."
        )


def test_a_large_one_that_is_not_known_to_be_newer_is_asked_about(
    tmp_path, toy, with_figure, found_in, in_zip
):
    large = with_figure(21)
    earlier = layouts.TIME - timedelta(days=1)
    work = tmp_path / "in" / "student-01"
    layouts.write(work / "00-toy.ipynb", toy())
    layouts.write(work / "first.ipynb", large, earlier)
    # Nor is one of another exercise, though it is newer.
    later = layouts.TIME + timedelta(days=1)
    layouts.write(work / "01-other.ipynb", large, later)
    found = found_in(tmp_path / "in")
    assert read(found.submissions[0]) == toy()
    assert "first.ipynb was not looked into: it has 21 MB" in found.notes[0]
    assert "(--notebook). Is it the newer attempt?" in found.notes[0]
    assert "none of the exercises" not in found.notes[0]
    # Moodle's zip does not say which is newer.
    found = in_zip({
        "student-01_101_assignsubmission_file/00-toy.ipynb": toy(),
        "student-01_101_assignsubmission_file/00-toy final.ipynb": large,
        "student-02_102_assignsubmission_file/00-toy.ipynb": toy(),
    })  # fmt: skip
    assert read(found.submissions[0]) == toy()
    assert "Is it the newer attempt?" in found.notes[0]


def test_a_large_one_may_be_the_exercise_where_nothing_else_is(
    tmp_path, other, with_figure, found_in
):
    layouts.write(tmp_path / "student-01" / "homework.ipynb", with_figure(21))
    layouts.write(tmp_path / "student-01" / "01-other.ipynb", other)
    (submission,) = found_in(tmp_path).submissions
    assert "homework.ipynb is too large: 21" in refusal(submission)


# -- notebooks of one name ---------------------------------------------------


def test_of_one_name_the_paths_are_shown(tmp_path, toy, course, found_in):
    chapter = b'{"nbformat": 4, "metadata": {}, "cells": []}'
    for student in ("student-01", "student-02"):
        clone = tmp_path / student
        layouts.write(clone / "exercises" / "00-toy.ipynb", toy())
        layouts.write(clone / "solutions" / "00-toy.ipynb", toy("solved"))
        layouts.write(clone / "chapters" / "00-toy.ipynb", chapter)
    found = found_in(tmp_path)
    assert found.notes == tuple(
        f"{student} handed in 2 notebooks of this exercise. exercises/"
        "00-toy.ipynb was taken, and not solutions/00-toy.ipynb."
        for student in ("student-01", "student-02")
    )
