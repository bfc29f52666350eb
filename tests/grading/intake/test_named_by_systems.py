"""Who handed in what, by the names that nbgrader, Moodle and Canvas give."""

import layouts
import pytest
from as_found import by_student, read, refusal, students

# -- nbgrader ----------------------------------------------------------------


def test_a_course_of_nbgrader_may_be_given_whole_or_in_part(
    tmp_path, toy, found_in, in_zip
):
    course = layouts.make(
        "nbgrader", tmp_path / "course", {"student-01": toy()}, "00-toy"
    )
    (course / "source" / "00-toy").mkdir(parents=True)
    (course / "source" / "00-toy" / "00-toy.ipynb").write_bytes(toy("teacher"))
    (course / "nbgrader_config.py").write_text("c = get_config()\n")
    for path in (course, course / "submitted"):
        found = found_in(path)
        assert found.layout == "nbgrader"
        assert students(found) == ["student-01"]
        assert read(found.submissions[0]) == toy()
        assert found.submissions[0].received == layouts.TIME
    assert "not nbgrader_config.py, source" in found_in(course).notes[0]
    data = toy()
    found = in_zip({
        "course/submitted/student-01/00-toy/00-toy.ipynb": data,
        "course/submitted/student-02/00-toy/00-toy.ipynb": data,
        "course/source/00-toy/00-toy.ipynb": data,
        "course/gradebook.db": b"",
    })  # fmt: skip
    assert found.layout == "nbgrader"
    assert students(found) == ["student-01", "student-02"]


def test_a_student_called_submitted_hides_nobody(tmp_path, toy, found_in):
    for layout in ("folders", "repositories"):
        notebooks = {name: toy(name) for name in ("student-01", "submitted")}
        path = layouts.make(layout, tmp_path / layout, notebooks, "00-toy")
        assert students(found_in(path)) == ["student-01", "submitted"]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-20 17:00:00.000000 UTC", layouts.TIME),
        ("2026-11-20 18:00:00 Europe/Vienna", layouts.TIME),
        ("yesterday, honestly", None),
        ("", None),
        ("9" * 2_000, None),
        ("\udcff", None),
    ],
)
def test_the_time_of_nbgrader_is_read(text, time, tmp_path, toy, found_in):
    path = layouts.make("nbgrader", tmp_path, {"student-01": toy()}, "00-toy")
    stamp = path / "submitted" / "student-01" / "00-toy" / "timestamp.txt"
    stamp.write_text(text, "utf-8", "surrogateescape")
    assert found_in(path).submissions[0].received == time


# -- Moodle ------------------------------------------------------------------


def test_the_names_of_moodle_are_understood(toy, in_zip):
    form = "{}_assignsubmission_{}".format
    found = in_zip({
        f"{form('Student Two_102', 'file')}/a.ipynb": toy("two"),
        f"{form('Student One_101', 'file_')}/a.ipynb": toy("one"),
        f"{form('Participant_103', 'file')}/sub/a.ipynb": toy("blind"),
        f"{form('Group 4_7', 'file')}/a.ipynb": toy("group"),
        f"{form('Default group', 'file')}/a.ipynb": toy("default"),
        f"{form('Student Two_104', 'file')}/a.ipynb": toy("namesake"),
        f"{form('Student Two_102', 'onlinetext')}/onlinetext.html": b"<p>",
        f"{form('Student Five_105', 'onlinetext')}/onlinetext.html": b"<p>",
    })  # fmt: skip
    assert found.layout == "moodle"
    assert students(found) == [
        "Default group", "Group 4 7", "Participant 103", "Student Five 105",
        "Student One 101", "Student Two 102", "Student Two 104",
    ]  # fmt: skip
    (note,) = found.notes
    assert "import finds nobody without: Default group. --groups" in note
    got = by_student(found)
    assert read(got["Student Two 104"]) == toy("namesake")
    assert read(got["Student Two 102"]) == toy("two")
    assert got["Student Two 102"].identifiers == {
        "full_name": "Student Two",
        "moodle_id": "102",
    }
    assert "onlinetext.html" in refusal(got["Student Five 105"])


def test_a_zip_of_a_student_in_the_zip_of_the_class_is_looked_into(
    toy, in_zip
):
    form = "student-{0}_{0}_assignsubmission_file/work.ZIP".format
    found = in_zip({
        form(1): layouts.zipped({
            "my/notes.txt": b"hello",
            "my/00-toy.ipynb": toy("inside"),
            "my/.ipynb_checkpoints/00-toy-checkpoint.ipynb": toy("old"),
            "__MACOSX/my/._00-toy.ipynb": b"\0",
        }),
        form(2): layouts.zipped({"deeper.zip": layouts.zipped({})}),
        form(3): b"PK nonsense",
    })  # fmt: skip
    one, two, three = found.submissions
    assert read(one) == toy("inside")
    assert one.place == (
        "class.zip: student-1_1_assignsubmission_file/work.ZIP/my/00-toy.ipynb"
    )
    assert "is a zip within a zip" in refusal(two)
    assert "work.ZIP is no zip that can be read" in refusal(three)
    assert found.notes == ()


# -- Canvas ------------------------------------------------------------------


def test_the_names_of_canvas_are_understood(toy, in_zip):
    found = in_zip({
        "studentone_101_9001_00-toy.ipynb": toy("one"),
        "studenttwo_LATE_102_9002_my work.ipynb": toy("two"),
        "late_103_9003_00-toy.ipynb": toy("called late"),
        "anon_Ab3dE_9004_00-toy.ipynb": toy("anonymous"),
        "LATE_anon_Xy9zW_9005_00-toy.ipynb": toy("anonymous and late"),
        "studentsix_106_9010_00-toy-1.ipynb": toy("second try"),
        "studentsix_106_9006_00-toy.ipynb": toy("first try"),
        "studentseven_107_text.html": b"<p>",
    })  # fmt: skip
    assert found.layout == "canvas"
    got = by_student(found)
    assert {one.student: one.identifiers for one in found.submissions} == {
        "anon Ab3dE": {"canvas_anonymous_id": "Ab3dE"},
        "anon Xy9zW": {"canvas_anonymous_id": "Xy9zW"},
        "late 103": {"canvas_id": "103"},
        "studentone 101": {"canvas_id": "101"},
        "studentseven 107": {"canvas_id": "107"},
        "studentsix 106": {"canvas_id": "106"},
        "studenttwo 102": {"canvas_id": "102"},
    }
    assert [
        one.student for one in found.submissions if one.is_marked_late
    ] == [
        "anon Xy9zW",
        "studenttwo 102",
    ]
    assert got["studenttwo 102"].name == "my work.ipynb"
    assert read(got["studentsix 106"]) == toy("second try")
    assert "00-toy-1.ipynb was taken, and not 00-toy.ipynb" in found.notes[0]
    assert "text.html" in refusal(got["studentseven 107"])


def test_a_file_that_does_not_fit_the_layout_is_not_lost(toy, in_zip):
    found = in_zip({
        "studentone_101_9001_00-toy.ipynb": toy("one"),
        "studenttwo_102_9002_00-toy.ipynb": toy("two"),
        "by mail.ipynb": toy("three"),
    })  # fmt: skip
    assert found.layout == "canvas"
    assert read(by_student(found)["by mail"]) == toy("three")
    assert "by mail.ipynb is not named as Canvas" in found.notes[0]


def test_a_number_that_two_have_is_nobodys(toy, in_zip):
    found = in_zip({
        "studentone_101_9001_00-toy.ipynb": toy("one"),
        "studenttwo_101_102_9002_00-toy.ipynb": toy("called two_101"),
        "studentthree_103_9003_00-toy.ipynb": toy("three"),
    })  # fmt: skip
    assert [one.identifiers for one in found.submissions] == [
        {},
        {"canvas_id": "103"},
        {},
    ]
    assert "one number, 101" in found.notes[0]
