"""Names that lie, and names that are only rare."""

import json
import os
import unicodedata
import zipfile

import layouts
import pytest
from as_found import read, students

from attnbook.grading.intake.file_names import folded, natural, readable
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
    assert len(set(map(folded, labels))) == 6
    assert {read(one) for one in found.submissions} == {*map(toy, names)}
    assert len(found.notes) == 2
    assert "look alike" in found.notes[0]
    # A mark stays when others hand in, or when the order is another.
    names = ["student", "Student", "someone"]
    later = in_zip({f"{n}/00-toy.ipynb": toy(n) for n in names})
    marked = {label for label in labels if label.casefold()[:4] == "stud"}
    assert set(students(later)) - {"someone"} < marked


def test_long_names_that_begin_alike_stay_two(toy, in_zip):
    names = ["x" * 5_000 + end for end in "ab"]
    found = in_zip({f"{n}/00-toy.ipynb": toy(n) for n in names})
    assert len(set(students(found))) == 2
    assert {read(one) for one in found.submissions} == {*map(toy, names)}


def test_students_are_sorted_as_people_count():
    names = ["s-10", "s-9", "S-1", "s-²", "9" * 5_000, "7"]
    assert sorted(names, key=natural)[:1] == ["7"]
    assert sorted(["s-10", "s-9"], key=natural) == ["s-9", "s-10"]
