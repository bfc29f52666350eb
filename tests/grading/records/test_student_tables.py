"""Tables of a teacher's own: who is meant, and when they handed in."""

import re
import unicodedata
from dataclasses import replace
from datetime import datetime

import layouts
import pytest

from attnbook.grading.intake.submissions import Found, Submission, describe
from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.records import late
from attnbook.grading.records.student_tables import (
    read_groups,
    read_times,
    resolved,
    with_members,
    with_times,
)

LATER = "2026-11-20 18:00+01:00"


def moodle(name, number):
    """Return a submission as it is found in a download of Moodle."""
    return Submission(
        f"{name} {number}",
        "a.ipynb",
        "",
        identifiers={"full_name": name, "moodle_id": str(number)},
    )


def canvas(name, number):
    return Submission(
        f"{name} {number}", "a.ipynb", "", identifiers={"canvas_id": number}
    )


def found_of(*submissions):
    return Found(submissions, "moodle", ("a note",), times="not known")


@pytest.fixture
def table(tmp_path):
    def write(text, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_table_of_times_goes_before_what_was_found(table):
    found = found_of(*(moodle("Student One", n) for n in (101, 102, 103)))
    times = read_times(
        table(
            "\ufeffgroup;Student;Submitted\n"
            f"a;101;{LATER}\n"
            "a;Student One 102;2026-11-20T17:00:00Z\n"
            "b;Student Nine;2026-11-21\n"
            "b;103;\n"
        )
    )
    timed = with_times(found, times)
    assert [one.received for one in timed.submissions] == [
        layouts.TIME,
        layouts.TIME,
        None,
    ]
    assert timed.notes[0] == "a note"
    assert "Student Nine" in timed.notes[-1]
    assert "table" in describe(timed)
    local = datetime(2026, 11, 21).astimezone()
    assert times["Student Nine"] == local
    assert times["Student Nine"].tzinfo is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "it has: nothing"),
        (b"name,time\na,b\n", "it has: name,time"),
        (b"student,submitted\ns-1,tomorrow\n", "line 2: expected a time"),
        (
            b"student,submitted\ns-1,2026-11-20\ns-1,2026-11-21\n",
            "line 3: s-1 stands there twice",
        ),
        (
            b"student,submitted\nM\xc3\xbcller, Jo,2026-11-20\n",
            "line 2: there are more cells than columns. A name with a comma",
        ),
        (b"student,submitted\n\xff,2026-11-20\n", "not text in UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_table_that_cannot_be_read_says_where(text, words, tmp_path):
    path = tmp_path / "times.csv"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(UnusableError, match=re.escape(words)):
        read_times(path)
    path.write_bytes((text or b"").replace(b"submitted", b"due"))
    if text is not None:
        with pytest.raises(ValueError, match=r"line|not text"):
            late.read_extensions(path)


JOERG = "Müller, Jörg"


@pytest.mark.parametrize(
    "written",
    [
        f"{JOERG} 101",
        unicodedata.normalize("NFD", f"{JOERG} 101"),
        f"  {JOERG.replace(' ', '  ')}\u00a0101 ",
        f"{JOERG.upper()} 101",
        f"{JOERG.lower()} 101",
        JOERG,
        unicodedata.normalize("NFD", JOERG.upper()),
        "101",
        "Participant 101",
        "participant  101",
    ],
)
@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_student_is_known_however_the_name_is_spelled(
    written, between, table
):
    found = found_of(moodle(JOERG, 101), moodle("Li Wei", 106))
    path = table(
        f'Student{between}SUBMITTED{between}due\n"{written}"'
        f"{between}2026-11-20T17:00Z{between}2026-12-03T12:00Z\n"
    )
    one, two = with_times(found, read_times(path)).submissions
    assert (one.received, two.received) == (layouts.TIME, None)
    own, strangers = resolved(
        late.read_extensions(path), found.submissions, "extensions"
    )
    assert own == {f"{JOERG} 101": late.read_moment("2026-12-03T12:00Z")}
    assert strangers == []


def test_a_name_that_fits_two_namesakes_is_refused(table):
    found = found_of(moodle("Li Wei", 106), moodle("Li Wei", 107))
    path = table(f"student,submitted\nli wei,{LATER}\n")
    with pytest.raises(UnusableError) as refused:
        with_times(found, read_times(path))
    assert str(refused.value) == (
        "In the table of times the name li wei fits 2 students: Li Wei 106, "
        "Li Wei 107. Write the name of the one who is meant as it stands "
        "here."
    )
    path = table(f"student,submitted\nLi Wei 106,{LATER}\n")
    one, two = with_times(found, read_times(path)).submissions
    assert (one.received, two.received) == (layouts.TIME, None)


def test_a_name_as_it_stands_is_that_ones_though_others_look_alike():
    students = [Submission(n, "", "") for n in ("Bob", "BOB", "ann")]
    assert resolved({"Bob": 1, "BOB": 2, "Ann": 3}, students, "times") == (
        {"Bob": 1, "BOB": 2, "ann": 3},
        [],
    )
    with pytest.raises(UnusableError, match="fits 2 students: Bob, BOB"):
        resolved({"bob": 1}, students, "times")


def test_nobody_takes_anothers_number_for_a_name():
    students = [
        moodle("101", 900), moodle("Participant 101", 901),
        moodle("Ann", 101), canvas("102", "902"), canvas("bob", "102"),
    ]  # fmt: skip
    table = {"101": 1, "102": 2}
    assert resolved(table, students, "times")[0] == {
        "Ann 101": 1,
        "bob 102": 2,
    }
    table = {"Participant 101": 1}
    assert resolved(table, students, "times")[0] == {"Ann 101": 1}


def test_two_lines_of_one_student_are_refused():
    students = [moodle("Ann", 101)]
    with pytest.raises(UnusableError, match="Ann 101 stands twice, as 101 an"):
        resolved({"101": 1, "Ann": 2}, students, "times")


def test_a_student_without_numbers_or_name_is_nobody_elses():
    students = [Submission("a", "", ""), Submission("b", "", "")]
    assert resolved({"": 1, "c-10": 2, "c-9": 3}, students, "times") == (
        {},
        ["", "c-9", "c-10"],
    )


# -- groups ------------------------------------------------------------------


def test_each_member_of_a_group_has_what_the_group_handed_in(table):
    team = replace(moodle("Gruppe A", 55), received=layouts.TIME)
    alone = moodle("Li Wei", 106)
    default = Submission(
        "Standardteam", "b.ipynb", "", identifiers={"full_name": "x"}
    )
    groups = read_groups(
        table(
            "group;student\n"
            "gruppe a;Ada Lovelace 104\n"
            "gruppe a;Participant 105\n"
            "gruppe a; 107\n"
            "Standardteam;student-01\n"
            "Gruppe B;Bob 109\n"
            ";Nobody 110\n"
        )
    )
    found = with_members(found_of(team, alone, default), groups)
    got = {
        one.student: (one.name, one.received, one.identifiers)
        for one in found.submissions
    }
    assert got == {
        "Ada Lovelace 104": (
            "a.ipynb",
            layouts.TIME,
            {"moodle_id": "104", "full_name": "Ada Lovelace"},
        ),
        "Li Wei 106": ("a.ipynb", None, alone.identifiers),
        "Participant 105": ("a.ipynb", layouts.TIME, {"moodle_id": "105"}),
        "Participant 107": ("a.ipynb", layouts.TIME, {"moodle_id": "107"}),
        "student-01": ("b.ipynb", None, {"full_name": "student-01"}),
    }
    assert "table of groups handed in: Gruppe B." in found.notes[1]
    assert found.notes[2].endswith("does not have them: Li Wei 106.")
    canvas_class = replace(found_of(canvas("team", "55")), layout="canvas")
    found = with_members(canvas_class, {"ada 104": "team 55"})
    assert found.submissions[0].identifiers["canvas_id"] == "104"


def test_a_table_of_groups_that_is_in_doubt_is_refused(table):
    teams = [moodle("Team", 55), moodle("Team", 56), moodle("Ada", 104)]
    with pytest.raises(UnusableError, match="groups the name Team fits 2"):
        with_members(found_of(*teams), {"Bob": "Team"})
    with pytest.raises(UnusableError, match=r"on their own too.*: Ada 104"):
        with_members(found_of(*teams), {"Ada 104": "55"})
    with pytest.raises(UnusableError, match="`student,group`; it has: a,b"):
        read_groups(table("a,b\n"))
