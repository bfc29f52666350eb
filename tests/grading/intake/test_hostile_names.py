"""Names that lie, and names that are only rare."""

import hashlib
import json
import os
import unicodedata
import zipfile

import layouts
import pytest
from as_found import by_student, read, students

from attnbook.grading.intake import by_student as by_student_module
from attnbook.grading.intake.file_names import natural, readable
from attnbook.grading.intake.submissions import describe

HOSTILE = {
    "html": "<script>alert(1)</script>",
    "formula": "=HYPERLINK(1)",
    "control": "a\x1b[2Jb\x07\x00",
    "bidi": "student\u202egpj.exe",
    "isolate": "\u2066student\u2069",
    "line": "one\ntwo\u2028three",
    "long": "x" * 10_000,
    "combining": "a" + "\u0301" * 10_000,
    "private": "\ue000\uffff\U000e0041",
    "empty": "\u200b",
    "spaces": "  \t ",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_name_is_fit_to_be_shown(kind):
    name = readable(HOSTILE[kind])
    assert 1 <= len(name) <= 100
    assert name.isprintable()
    assert readable(name) == name


@pytest.mark.parametrize("blank", "\u034f\u115f\u2800\u3164\uffa0")
def test_letters_of_no_shape_are_seen(blank):
    assert readable(f"ann{blank}") == "ann�"


def test_names_that_are_right_stay_as_they_are():
    for name in (
        "student-01",
        "Ærøskøbing Þór",
        "学生 一",
        "می\u200cخواهم",
        "🙂",
    ):
        assert readable(name) == name


@pytest.mark.parametrize(
    "name", [n for n in HOSTILE.values() if "\0" not in n]
)
def test_hostile_names_in_a_zip_lose_nobody(name, toy, in_zip):
    found = in_zip({
        f"{name}/00-toy.ipynb": toy("hostile"),
        "student-01/00-toy.ipynb": toy("own"),
    })  # fmt: skip
    assert len(found.submissions) == 2
    assert {read(one) for one in found.submissions} == {
        toy("hostile"),
        toy("own"),
    }
    told = describe(found)
    assert all(line.isprintable() for line in told.splitlines())
    assert len(told) < 2_000


def test_bytes_that_are_no_text_can_be_a_name_on_disk(tmp_path, toy, found_in):
    name = os.fsdecode(b"stud\xffent")
    layouts.write(tmp_path / name / "00-toy.ipynb", toy("one"))
    other_name = os.fsdecode(b"stud\xfeent")
    layouts.write(tmp_path / other_name / "00-toy.ipynb", toy("two"))
    found = found_in(tmp_path)
    one, two = found.submissions
    assert one.student != two.student
    assert {read(one), read(two)} == {toy("one"), toy("two")}
    describe(found).encode("utf-8")
    json.dumps([one.student, one.place]).encode()


def test_names_in_zips_without_the_mark_of_unicode_are_read(toy, in_zip):
    # "é" in UTF-8, as Info-ZIP writes it, and in the code page of DOS.
    for name in ("é".encode(), b"\x82\x82"):
        information = zipfile.ZipInfo("xx/00-toy.ipynb")
        data = layouts.zipped_member(information, toy()).replace(
            b"xx/", name + b"/"
        )
        (submission,) = in_zip(data).submissions
        assert submission.student == ("é" if name[0] == 0xC3 else "éé")
        assert read(submission) == toy()


def test_names_that_differ_in_case_or_spelling_are_two_students(toy, in_zip):
    composed = unicodedata.normalize("NFC", "studént")
    taken_apart = unicodedata.normalize("NFD", "studént")
    names = [composed, taken_apart, "Student", "STUDENT", "student", "other"]
    found = in_zip({f"{n}/00-toy.ipynb": toy(n) for n in names})
    labels = students(found)
    assert len(labels) == 6
    # Whoever came under a name keeps it; what is only shown so has a mark.
    assert len(set(labels)) == 6
    assert {n for n in labels if "[" not in n} == {*names} - {taken_apart}
    assert {read(one) for one in found.submissions} == {*map(toy, names)}
    assert len(found.notes) == 2
    assert all("look alike" in note for note in found.notes)
    assert read(by_student(found)[composed]) == toy(composed)
    # A mark stays when others hand in, or when the order is another.
    names = ["student", "Student", "someone"]
    later = in_zip({f"{n}/00-toy.ipynb": toy(n) for n in names})
    marked = {label for label in labels if label.casefold()[:4] == "stud"}
    assert set(students(later)) - {"someone"} < marked


def mark(key):
    return f"[{hashlib.sha256(key.encode()).hexdigest()[:6]}]"


def test_a_name_with_anothers_mark_is_a_third_student(toy, in_zip):
    apart = unicodedata.normalize("NFD", "Bób")
    names = ["Bób", apart, f"Bób {mark(apart)}", f"Bób {mark('Bób')}"]
    found = in_zip({f"{n}/00-toy.ipynb": toy(n) for n in names})
    assert {one.student: read(one) for one in found.submissions} == {
        "Bób": toy(names[0]),
        f"Bób {mark(apart)}": toy(names[1]),
        f"{names[2]} {mark(names[2])}": toy(names[2]),
        f"{names[3]} {mark(names[3])}": toy(names[3]),
    }


def test_marks_that_are_the_same_are_written_in_full(toy, in_zip, monkeypatch):
    monkeypatch.setattr(by_student_module, "_MARK", 0)
    names = ["x\u200b", "x\u200e", "x\u200f"]
    found = in_zip({f"{n}/00-toy.ipynb": toy(n) for n in names})
    assert {*students(found)} == {
        f"x� [{hashlib.sha256(n.encode()).hexdigest()}]" for n in names
    }


def test_a_name_that_is_not_shown_whole_always_has_a_mark(toy, in_zip):
    hidden, long = "a\u200b", "a" * 500
    for name, shown in {
        hidden: f"a� {mark(hidden)}",
        long: f"{long[:99]}… {mark(long)}",
        "a": "a",
        "a…": f"a… {mark('a…')}",
    }.items():
        found = in_zip({f"{name}/x.ipynb": toy(), "b/x.ipynb": toy()})
        assert students(found) == [shown, "b"]


def test_repositories_are_never_one_students(tmp_path, toy, found_in):
    names = [
        "00-toy-bob", "00-toy-bob-00-toy", "00-toy-bob-01-other",
        "00-toy-bob-", "00-toy", "ann",
    ]  # fmt: skip
    layouts.make(
        "repositories", tmp_path, {n: toy(n) for n in names}, "00-toy"
    )
    found = found_in(tmp_path)
    assert found.layout == "repositories"
    assert {one.student: read(one) for one in found.submissions} == {
        name.removeprefix("00-toy-"): toy(name) for name in names
    }
    # Without the exercise in front, one is called as another is.
    layouts.write(tmp_path / "bob" / "00-toy.ipynb", toy("bob"))
    got = by_student(found_in(tmp_path))
    assert read(got["bob"]) == toy("bob")
    assert read(got[f"bob {mark('00-toy-bob')}"]) == toy("00-toy-bob")


def test_files_of_one_name_are_two_students(tmp_path, toy, found_in):
    for name in ("bob.ipynb", "bob.ipynb (1)", "00-toy-bob.ipynb"):
        layouts.write(tmp_path / name, toy(name))
    found = found_in(tmp_path)
    assert found.layout == "files"
    got = by_student(found)
    assert read(got["bob"]) == toy("bob.ipynb")
    assert len(got) == 3
    assert "look alike" in found.notes[0]


def test_in_canvas_nobody_hands_in_as_another(toy, in_zip):
    found = in_zip({
        "bob_101_9001_00-toy.ipynb": toy("bob"),
        "ann_102_9002_00-toy.ipynb": toy("ann"),
        # Of 9999, who is called "bob_101".
        "bob_101_9999_10001_00-toy.ipynb": toy("mallory"),
        "bob_101_9999_text.html": b"<p>",
        # Of 9998, who is called "late_102".
        "late_102_9998_10002_00-toy.ipynb": toy("oscar"),
    })  # fmt: skip
    assert found.layout == "canvas"
    got = by_student(found)
    assert read(got["bob 101"]) == toy("bob")
    assert read(got["ann 102"]) == toy("ann")
    assert not got["ann 102"].is_marked_late
    assert len(found.submissions) == 4


def test_a_group_of_moodle_is_not_the_student_it_is_called_as(toy, in_zip):
    found = in_zip({
        "bob_101_assignsubmission_file/x.ipynb": toy("bob"),
        "bob 101_assignsubmission_file/x.ipynb": toy("group"),
    })  # fmt: skip
    assert read(by_student(found)["bob 101"]) == toy("bob")
    assert len(found.submissions) == 2


def test_long_names_that_begin_alike_stay_two(toy, in_zip):
    names = ["x" * 5_000 + end for end in "ab"]
    found = in_zip({f"{n}/00-toy.ipynb": toy(n) for n in names})
    assert len(set(students(found))) == 2
    assert {read(one) for one in found.submissions} == {*map(toy, names)}


def test_students_are_sorted_as_people_count():
    names = ["s-10", "s-9", "S-1", "s-²", "9" * 5_000, "7"]
    assert sorted(names, key=natural)[:1] == ["7"]
    assert sorted(["s-10", "s-9"], key=natural) == ["s-9", "s-10"]
