"""Who handed in what: the layout is found, and said in words."""

import pickle
import re
import zipfile
from dataclasses import replace

import layouts
import pytest
from as_found import read, students

from attnbook.grading.intake.submissions import describe, find
from attnbook.grading.notebook.read import UnusableError


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_a_class_is_found_in_every_layout(layout, tmp_path, toy, found_in):
    names = [f"student-{number:02}" for number in range(1, 13)]
    notebooks = {name: toy(name) for name in names}
    path = layouts.make(layout, tmp_path / "in", notebooks, "00-toy")
    found = found_in(path)
    assert found.layout == re.sub("(-flat)?-zip", "", layout)
    assert students(found) == layouts.labels(layout, names)
    assert [read(one) for one in found.submissions] == [*notebooks.values()]
    assert len({one.digest for one in found.submissions}) == 12
    assert found.notes == ()
    is_timed = layout not in ("moodle-zip", "moodle-flat-zip", "canvas-zip")
    for one in found.submissions:
        assert one.received == (layouts.TIME if is_timed else None)
        assert one.name == (
            f"{one.student}.ipynb" if layout == "files" else "00-toy.ipynb"
        )
        assert not one.is_marked_late


@pytest.mark.parametrize("layout", ["folders", "nbgrader", "files"])
@pytest.mark.parametrize("around", ["", "class of 2026/"])
def test_a_layout_is_found_in_a_zip_of_it_too(
    layout, around, tmp_path, toy, in_zip
):
    notebooks = {f"student-{n}": toy(n) for n in (1, 2, 3)}
    path = layouts.make(layout, tmp_path / "in", notebooks, "00-toy")
    files = {
        around + file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }
    found = in_zip(files)
    assert found.layout == layout
    assert students(found) == [*notebooks]
    assert [read(one) for one in found.submissions] == [*notebooks.values()]


def test_an_unpacked_download_is_known_as_well(tmp_path, toy, found_in):
    for layout in ("moodle-zip", "canvas-zip"):
        notebooks = {f"student-{n}": toy(n) for n in (1, 2, 3)}
        path = layouts.make(layout, tmp_path / layout, notebooks, "00-toy")
        folder = tmp_path / f"{layout} unpacked"
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        found = found_in(folder)
        assert found.layout == layout.removesuffix("-zip")
        assert students(found) == layouts.labels(layout, notebooks)
        # They were changed when they were unpacked, not when handed in.
        assert {one.received for one in found.submissions} == {None}


def test_a_download_alone_in_its_folder_is_found(tmp_path, toy, found_in):
    for layout in ("moodle-zip", "moodle-flat-zip", "canvas-zip"):
        notebooks = {"student-1": toy(1), "student-2": toy(2)}
        path = layouts.make(layout, tmp_path / layout, notebooks, "00-toy")
        found = found_in(path.parent)
        assert students(found) == layouts.labels(layout, notebooks)
        assert found == replace(found_in(path), path=str(path.parent))


def test_one_notebook_is_a_class_of_one(tmp_path, toy, found_in):
    path = tmp_path / "00-toy_student-07.ipynb"
    layouts.write(path, toy())
    found = found_in(path)
    assert found.layout == "notebook"
    assert students(found) == ["student-07"]
    assert found.submissions[0].received == layouts.TIME
    assert read(found.submissions[0]) == toy()


def test_a_submission_is_small_and_travels_to_another_process(
    tmp_path, toy, found_in
):
    for layout in layouts.LAYOUTS:
        path = layouts.make(
            layout, tmp_path / layout, {"student-01": toy()}, "00-toy"
        )
        sent = pickle.dumps(found_in(path).submissions[0])
        assert len(sent) < 1_000
        assert read(pickle.loads(sent)) == toy()


def test_it_is_said_in_words(tmp_path, toy, other, found_in):
    layouts.write(tmp_path / "student-01" / "00-toy.ipynb", toy())
    layouts.write(tmp_path / "student-02" / "01-other.ipynb", other)
    (tmp_path / "student-03").mkdir()
    layouts.write(tmp_path / "grades.csv", b"student,points\n")
    told = describe(found_in(tmp_path)).splitlines()
    assert told == [
        f"Submissions: {tmp_path}",
        "Layout:      one folder for each student",
        "Exercise:    00-toy",
        "Students:    3, 2 of them without a notebook",
        "Times:       when each file was last changed on this disk",
        "",
        "  student-01  00-toy.ipynb  (2026-11-20 17:00 +0000)",
        "  student-02  — There is no notebook of 00-toy in what was handed "
        "in: 01-other.ipynb is 01-other.",
        "  student-03  — Nothing was handed in: the folder is empty.",
        "",
        "Notes",
        "",
        "  • Left out, as they are no notebooks: grades.csv.",
    ]


def test_nobody_at_all_is_said_too(tmp_path, found_in):
    assert "Nobody handed in anything" in describe(found_in(tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("nothing-there", None, "Is the path right?"),
        ("grades.csv", b"student\n", "neither a folder nor a zip nor a"),
        ("class.zip", b"PK no zip", "class.zip is no zip that can be read"),
        ("class.zip", b"", "class.zip is no zip that can be read"),
    ],
)
def test_what_is_no_class_gets_one_clear_line(
    name, content, words, tmp_path, found_in
):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UnusableError, match=re.escape(words)) as error:
        found_in(tmp_path / name)
    assert "\n" not in str(error.value)


def test_an_exercise_that_there_is_not_is_said(tmp_path, releases):
    with pytest.raises(UnusableError, match="Known are: 00-toy, 01-other"):
        find(tmp_path, "02-unheard-of", releases)
