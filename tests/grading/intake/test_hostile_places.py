"""Files on the disk that lie: links, pipes, sizes, changes."""

import os
import zipfile

import layouts
import pytest
from as_found import MEGABYTE, read, refusal, students, taking_less_than

from attnbook.grading.intake import places
from attnbook.grading.notebook.read import UnusableError


def test_links_are_refused_and_not_followed(tmp_path, toy, found_in):
    outside = tmp_path / "outside"
    layouts.write(outside / "00-toy.ipynb", toy("a friend"))
    inside = tmp_path / "in"
    layouts.write(inside / "student-01" / "00-toy.ipynb", toy("own"))
    (inside / "student-01" / "more").symlink_to(outside)
    (inside / "student-02").symlink_to(outside)
    (inside / "student-03").mkdir()
    (inside / "student-03" / "00-toy.ipynb").symlink_to(
        outside / "00-toy.ipynb"
    )
    (inside / "student-04").mkdir()
    (inside / "student-04" / "00-toy.ipynb").symlink_to("nowhere")
    (inside / "student-05").symlink_to(inside / "student-01")
    one, *others = found_in(inside).submissions
    assert read(one) == toy("own")
    assert len(others) == 4
    for submission in others:
        assert "is a symbolic link" in refusal(submission)


def test_a_file_that_becomes_a_link_is_not_followed(tmp_path, toy, found_in):
    path = tmp_path / "in" / "student-01" / "00-toy.ipynb"
    layouts.write(path, toy())
    (submission,) = found_in(tmp_path / "in").submissions
    path.rename(tmp_path / "elsewhere.ipynb")
    path.symlink_to(tmp_path / "elsewhere.ipynb")
    assert "is a symbolic link" in refusal(submission)
    path.unlink()
    assert "No such file" in refusal(submission)


def test_what_is_no_file_is_refused_without_waiting(tmp_path, found_in):
    (tmp_path / "student-01").mkdir()
    os.mkfifo(tmp_path / "student-01" / "00-toy.ipynb")
    os.mkfifo(tmp_path / "student-02.ipynb")
    (tmp_path / "student-03" / "00-toy.ipynb").mkdir(parents=True)
    one, two, three = found_in(tmp_path).submissions
    assert "is a named pipe" in refusal(one)
    assert "is a named pipe" in refusal(two)
    assert "the folder is empty" in refusal(three)
    pipe = places.FilePlace(str(tmp_path / "student-02.ipynb"))
    with pytest.raises(UnusableError, match="is a named pipe"):
        pipe.read(10)
    with pytest.raises(UnusableError, match="is a device"):
        places.FilePlace("/dev/zero").read(10)


def test_what_may_not_be_read_is_said(tmp_path, toy, found_in, monkeypatch):
    for number in (1, 2):
        path = tmp_path / f"student-0{number}" / "00-toy.ipynb"
        layouts.write(path, toy())
    # Root may read everything, so the refusal is played.
    really_open, really_scan = os.open, os.scandir

    def refuse(function, word):
        def called(path, *rest, **more):
            if word in str(path):
                raise PermissionError(13, "Permission denied", path)
            return function(path, *rest, **more)

        return called

    monkeypatch.setattr(
        places.os, "open", refuse(really_open, "student-01/00")
    )
    monkeypatch.setattr(
        places.os, "scandir", refuse(really_scan, "student-02")
    )
    one, two = found_in(tmp_path).submissions
    assert refusal(one) == "00-toy.ipynb cannot be read: Permission denied."
    assert refusal(two) == "student-02 cannot be read: Permission denied."


def test_a_huge_notebook_is_refused_before_it_is_read(tmp_path, found_in):
    path = tmp_path / "student-01" / "00-toy.ipynb"
    path.parent.mkdir()
    path.touch()
    os.truncate(path, 200 * MEGABYTE)
    with taking_less_than(2 * MEGABYTE):
        (submission,) = found_in(tmp_path).submissions
        assert refusal(submission) == (
            "00-toy.ipynb is too large: 200 MB, and at most 20 MB are read. "
            "Clear the outputs of the notebook, and hand in the notebook "
            "alone."
        )
        assert len(submission.digest) == 64


@pytest.mark.parametrize(
    ("added", "is_time_set_back"), [(b" ", True), (b"", False)]
)
def test_a_file_that_changes_while_it_is_read_is_refused(
    added, is_time_set_back, tmp_path, toy, found_in, monkeypatch
):
    path = tmp_path / "student-01" / "00-toy.ipynb"
    layouts.write(path, toy())
    (submission,) = found_in(tmp_path).submissions
    really_open = places.open_plainly

    def changed(name):
        file = really_open(name)
        really_read = file.read

        class Changing:
            fileno = file.fileno
            __enter__ = lambda self: self  # noqa: E731
            __exit__ = lambda self, *_: file.close()  # noqa: E731

            def read(self, size):
                path.write_bytes(toy() + added)
                if is_time_set_back:
                    os.utime(path, (layouts.TIME.timestamp(),) * 2)
                return really_read(size)

        return Changing()

    monkeypatch.setattr(places, "open_plainly", changed)
    assert "changed while it was read" in refusal(submission)


def test_a_folder_of_a_million_files_is_not_walked_to_its_end(
    tmp_path, toy, found_in, monkeypatch
):
    monkeypatch.setattr(places, "MOST_FILES", 10)
    layouts.write(tmp_path / "student-01" / "00-toy.ipynb", toy())
    for number in range(20):
        layouts.write(tmp_path / "student-02" / f"{number}.txt", b"")
    one, two = found_in(tmp_path).submissions
    assert read(one) == toy()
    assert "holds more than 10 files" in refusal(two)


def test_a_folder_in_a_folder_without_end_is_left(tmp_path, found_in):
    deep = tmp_path.joinpath("student-01", *["x"] * 40)
    layouts.write(deep / "00-toy.ipynb", b"{}")
    (submission,) = found_in(tmp_path).submissions
    assert "more than 20 folders deep" in refusal(submission)


# -- files that belong to another layout -------------------------------------


def hand_in_as_elsewhere(path, toy):
    """Lay one student's work out as other systems do."""
    layouts.write(path / "x" / "00-toy.ipynb", toy("mallory"))
    for name in ("timestamp.txt", "x/timestamp.txt"):
        layouts.write(path / name, b"2026-11-01 10:00:00 UTC")
    layouts.write(path / "nbgrader_config.py", b"")
    layouts.write(path / ".git" / "HEAD", b"ref: refs/heads/main")
    layouts.write(path / "submitted" / "y" / "x.ipynb", toy("mallory"))


@pytest.mark.parametrize("layout", ["folders", "files", "repositories"])
def test_one_student_does_not_change_the_layout(
    layout, tmp_path, toy, found_in
):
    names = ("ann", "bob", "carol")
    path = layouts.make(
        layout, tmp_path / "in", {n: toy(n) for n in names}, "00-toy"
    )
    before = found_in(path)
    hand_in_as_elsewhere(path / "submitted", toy)
    layouts.write(path / "eve_1_assignsubmission_file_x.ipynb", toy("eve"))
    after = found_in(path)
    assert after.layout == before.layout == layout
    kept = [one for one in after.submissions if one.student in names]
    assert kept == list(before.submissions)
    assert {one.received for one in kept} == {layouts.TIME}


def test_a_file_named_as_of_canvas_beside_folders_changes_no_time(
    tmp_path, toy, found_in
):
    for name in ("ann", "bob", "carol"):
        layouts.write(tmp_path / name / "00-toy.ipynb", toy(name))
    layouts.write(tmp_path / "eve_1_2_00-toy.ipynb", toy("eve"))
    found = found_in(tmp_path)
    assert found.layout == "folders"
    assert {one.received for one in found.submissions} == {layouts.TIME}


@pytest.mark.parametrize("layout", ["canvas-zip", "moodle-flat-zip"])
def test_many_files_named_as_of_another_system_change_nothing(
    layout, tmp_path, toy, in_zip
):
    number = {"canvas-zip": "7_9900", "moodle-flat-zip": "7"}[layout]
    ends = {
        "canvas-zip": "x{}_assignsubmission_file_x.ipynb",
        "moodle-flat-zip": "assignsubmission_file_{}_1_x.ipynb",
    }[layout]
    path = layouts.make(
        layout, tmp_path, {"ann": toy("ann"), "bob": toy("bob")}, "00-toy"
    )
    with zipfile.ZipFile(path, "a") as archive:
        for count in range(20):
            end = ends.format(count)
            archive.writestr(f"eve_{number}_{end}", toy("eve"))
    found = in_zip(path.read_bytes())
    assert found.layout == layout.split("-")[0]
    assert students(found)[:2] == layouts.labels(layout, ["ann", "bob"])


@pytest.mark.parametrize(
    "name", ["exercises", "00-toy", "chapters", "00-toy-x"]
)
def test_a_folder_around_the_class_is_no_student(
    name, tmp_path, toy, found_in
):
    names = ("ann", "bob", "carol", name)
    for student in names:
        layouts.write(
            tmp_path / "class" / student / "00-toy.ipynb", toy(student)
        )
    assert students(found_in(tmp_path)) == sorted(names)


def test_a_folder_called_as_the_settings_of_nbgrader_hides_nobody(
    tmp_path, toy, found_in
):
    names = ("ann", "nbgrader_config.py", "submitted")
    for student in names:
        layouts.write(tmp_path / student / "00-toy.ipynb", toy(student))
    assert students(found_in(tmp_path)) == list(names)
