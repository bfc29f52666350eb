"""Zips that lie: paths, links, sizes, lists of files."""

import io
import json
import random
import stat
import struct
import zipfile
from datetime import timedelta

import layouts
import pytest
from as_found import MEGABYTE, read, refusal, students, taking_less_than

from attnbook.grading.intake import archives, looking, places
from attnbook.grading.notebook.read import UnusableError


def handed_in_by_moodle(data):
    """Return the zip of a class in which one student handed in a zip."""
    return layouts.zipped({
        "student-01_101_assignsubmission_file/work.zip": data,
        "student-02_102_assignsubmission_file/other.txt": b"",
    })  # fmt: skip


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../../etc/cron.d/00-toy.ipynb", "leads out of its zip"),
        ("x/../../00-toy.ipynb", "leads out of its zip"),
        ("..\\..\\00-toy.ipynb", "leads out of its zip"),
        ("/etc/00-toy.ipynb", "absolute path"),
        ("C:\\Users\\00-toy.ipynb", "absolute path"),
        ("c:00-toy.ipynb", "absolute path"),
        ("\\\\host\\share\\00-toy.ipynb", "absolute path"),
    ],
)
def test_a_path_that_leads_out_of_a_zip_is_refused(
    name, words, toy, in_zip, tmp_path
):
    information = zipfile.ZipInfo("placeholder")
    information.filename = information.orig_filename = name
    inside = layouts.zipped_member(information, toy())
    found = in_zip(handed_in_by_moodle(inside))
    assert words in refusal(found.submissions[0])
    # In the zip of the class itself, too, nobody gets lost.
    found = in_zip(inside)
    assert len(found.submissions) == 1
    assert words in refusal(found.submissions[0])
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["class.zip"]


def test_backslashes_of_old_windows_zips_are_folders(toy, in_zip):
    information = zipfile.ZipInfo("placeholder")
    information.filename = "student-01\\00-toy.ipynb"
    found = in_zip(layouts.zipped_member(information, toy()))
    assert students(found) == ["student-01"]
    assert read(found.submissions[0]) == toy()


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (stat.S_IFLNK | 0o777, "is a symbolic link"),
        (stat.S_IFIFO | 0o666, "is a named pipe"),
        (stat.S_IFCHR | 0o666, "is a device"),
    ],
)
def test_what_is_no_file_in_a_zip_is_refused(mode, words, in_zip):
    information = zipfile.ZipInfo("00-toy.ipynb")
    information.create_system = 3
    information.external_attr = mode << 16
    inside = layouts.zipped_member(information, b"/etc/passwd")
    found = in_zip(handed_in_by_moodle(inside))
    assert words in refusal(found.submissions[0])


def test_an_encrypted_file_is_refused(toy, in_zip):
    data = bytearray(layouts.zipped({"00-toy.ipynb": toy()}))
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + flags] |= 1
    found = in_zip(handed_in_by_moodle(bytes(data)))
    assert "is encrypted" in refusal(found.submissions[0])


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_that_unpacks_without_a_limit_is_refused(method, toy, in_zip):
    inside = layouts.zipped_member(
        zipfile.ZipInfo("00-toy.ipynb"), toy(), method
    )
    found = in_zip(handed_in_by_moodle(inside))
    assert "packed in a way" in refusal(found.submissions[0])


def test_a_broken_zip_in_a_folder_is_named(tmp_path, found_in):
    layouts.write(tmp_path / "student-01" / "work.zip", b"PK nonsense")
    layouts.write(tmp_path / "student-01" / "notes.txt", b"")
    (submission,) = found_in(tmp_path).submissions
    assert refusal(submission) == (
        "work.zip is no zip that can be read (File is not a zip file). Make "
        "it again."
    )


def test_a_damaged_file_is_refused_and_the_others_are_not(toy, in_zip):
    files = {f"student-0{n}/00-toy.ipynb": toy(n) for n in (1, 2)}
    data = bytearray(layouts.zipped(files))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        first = archive.infolist()[0]
    for place in range(200, 260):
        data[first.header_offset + place] ^= 0xFF
    one, two = in_zip(bytes(data)).submissions
    assert "00-toy.ipynb is damaged in its zip" in refusal(one)
    assert read(two) == toy(2)


def test_a_bomb_is_refused_by_the_size_that_it_claims(in_zip):
    inside = layouts.zipped({"00-toy.ipynb": b" " * (50 * MEGABYTE)})
    data = handed_in_by_moodle(inside)
    assert len(data) < MEGABYTE // 10
    with taking_less_than(5 * MEGABYTE):
        submission = in_zip(data).submissions[0]
        assert "too large: 50 MB" in refusal(submission)


def test_a_bomb_that_lies_about_its_size_is_not_unpacked(in_zip):
    claimed = 1_000
    data = bytearray(layouts.zipped({"00-toy.ipynb": b" " * 50 * MEGABYTE}))
    for signature, size in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        place = data.index(signature) + size
        data[place : place + 4] = struct.pack("<I", claimed)
    with taking_less_than(5 * MEGABYTE):
        submission = in_zip(handed_in_by_moodle(bytes(data))).submissions[0]
        assert "is damaged" in refusal(submission)


def test_a_notebook_that_packs_well_is_no_bomb(toy, in_zip):
    content = json.loads(toy())
    content["cells"].append({"cell_type": "raw", "source": "0 " * MEGABYTE})
    notebook = json.dumps(content).encode()
    found = in_zip({"student-01/00-toy.ipynb": notebook, "student-02/x": b""})
    assert read(found.submissions[0]) == notebook


def test_a_zip_in_a_zip_that_is_a_bomb_is_not_unpacked(in_zip):
    inside = layouts.zipped_member(
        zipfile.ZipInfo("x.ipynb"), b" " * 70 * MEGABYTE, zipfile.ZIP_STORED
    )
    data = handed_in_by_moodle(inside)
    assert len(data) < MEGABYTE
    del inside
    with taking_less_than(5 * MEGABYTE):
        submission = in_zip(data).submissions[0]
        assert "too large: 70 MB" in refusal(submission)


def test_a_zip_of_too_many_files_is_refused(toy, in_zip):
    many = {f"{n}.txt": b"" for n in range(places.MOST_FILES)}
    inside = layouts.zipped(many | {"00-toy.ipynb": toy()})
    found = in_zip(handed_in_by_moodle(inside))
    assert "holds 10,001 files" in refusal(found.submissions[0])


@pytest.fixture
def read_as_notebooks(monkeypatch):
    """The names of what is read to see of which exercise it is."""
    names = []
    really_loads = looking.loads

    def counting(data, name, largest):
        names.append(name)
        return really_loads(data, name, largest)

    monkeypatch.setattr(looking, "loads", counting)
    return names


def test_of_many_notebooks_in_a_zip_few_are_looked_into(
    toy, in_zip, read_as_notebooks, monkeypatch
):
    opened = []
    really_parsed = archives._parsed

    def counting(reader, name):
        opened.append(name)
        return really_parsed(reader, name)

    monkeypatch.setattr(archives, "_parsed", counting)
    many = {f"{n}.ipynb": b"{}" for n in range(places.MOST_FILES - 1)}
    inside = layouts.zipped(many | {"my 00-toy.ipynb": toy()})
    found = in_zip(handed_in_by_moodle(inside))
    assert read(found.submissions[0]) == toy()
    assert len(read_as_notebooks) == looking.MOST_NOTEBOOKS
    assert opened.count("work.zip") <= 2  # to choose, and to be read
    assert len(found.notes[0]) < 1_000
    assert found.notes[0].endswith("And 9,996 more.")


def test_notebooks_that_are_slow_to_read_are_not_all_read(
    toy, in_zip, read_as_notebooks, monkeypatch
):
    monkeypatch.setattr(looking, "MOST_PARTS", 5_000)
    slow = b'{"nbformat": 4, "cells": [' + b"[]," * 1_600 + b"[]]}"
    inside = {f"{n}.ipynb": slow for n in range(30)}
    inside = layouts.zipped({"00-toy.ipynb": toy(), **inside})
    found = in_zip(handed_in_by_moodle(inside))
    assert read(found.submissions[0]) == toy()
    assert read_as_notebooks[0] == "00-toy.ipynb"
    assert len(read_as_notebooks) <= 4
    assert "was not looked into, as so much is in the" in found.notes[0]
    assert "10.ipynb is none of the exercises" not in found.notes[0]


def test_notebooks_that_are_long_are_not_all_unpacked(
    toy, in_zip, read_as_notebooks
):
    long = b'{"nbformat": 4, "x": "' + b" " * (19 * MEGABYTE) + b'"}'
    inside = {f"{n}.ipynb": long for n in range(15)}
    inside = layouts.zipped({"00-toy.ipynb": toy(), **inside})
    found = in_zip(handed_in_by_moodle(inside))
    assert read(found.submissions[0]) == toy()
    assert len(read_as_notebooks) == 11


def test_of_many_zips_of_a_student_the_newest_are_opened(
    tmp_path, toy, found_in
):
    for number in range(30):
        path = tmp_path / "student-01" / f"{number:02}.zip"
        time = layouts.TIME - timedelta(hours=number)
        layouts.write(path, layouts.zipped({"x.ipynb": toy(number)}), time)
    found = found_in(tmp_path)
    assert "handed in 20 notebooks of this exercise" in found.notes[0]
    assert "left out: 20.zip was not opened, as many" in found.notes[1]
    assert found.notes[1].endswith("And 7 more.")


def test_a_list_of_files_without_end_is_not_read(in_zip):
    entry = struct.pack("<4s42x", b"PK\1\2")
    list_of_files = entry * 100_000
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, 65_535, 65_535, len(list_of_files), 0, 0
    )
    data = handed_in_by_moodle(list_of_files + end)
    with taking_less_than(20 * MEGABYTE):
        submission = in_zip(data).submissions[0]
        assert "its list of files is too long" in refusal(submission)


def test_files_that_share_their_bytes_are_refused(toy, in_zip):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("00-toy.ipynb", toy())
        archive.writestr("good.txt", b"good")
        first = archive.infolist()[0]
        double = zipfile.ZipInfo("00-toy.ipynb")
        for name in (
            "header_offset", "compress_size", "file_size", "CRC",
            "compress_type", "flag_bits",
        ):  # fmt: skip
            setattr(double, name, getattr(first, name))
        archive.filelist.append(double)
    found = in_zip(handed_in_by_moodle(stream.getvalue()))
    assert "shares its bytes" in refusal(found.submissions[0])


def test_of_two_files_of_one_name_in_a_zip_one_is_taken(in_zip, toy):
    stream = io.BytesIO()
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(stream, "w") as archive,
    ):
        for mark in ("first", "second"):
            archive.writestr("student-01/00-toy.ipynb", toy(mark))
        archive.writestr("student-02/x.txt", b"")
    found = in_zip(stream.getvalue())
    assert read(found.submissions[0]) == toy("second")
    assert "handed in 2 notebooks" in found.notes[0]


def test_a_zip_that_changes_after_it_was_looked_through_is_noticed(
    tmp_path, toy, in_zip
):
    found = in_zip({f"student-0{n}/00-toy.ipynb": toy(n) for n in (1, 2, 3)})
    files = {f"student-0{n}/00-toy.ipynb": toy(n) for n in (2, 3)}
    (tmp_path / "class.zip").write_bytes(layouts.zipped(files))
    for submission in found.submissions:
        assert "changed since it was looked through" in refusal(submission)


def test_a_zip_broken_anywhere_ends_in_a_sentence(tmp_path, toy, found_in):
    data = handed_in_by_moodle(layouts.zipped({"00-toy.ipynb": toy()}))
    chance = random.Random(0)
    read_whole = 0
    path = tmp_path / "class.zip"
    for _ in range(300):
        broken = bytearray(data)
        for _ in range(chance.choice((1, 3, 30))):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        if chance.random() < 0.2:
            del broken[chance.randrange(len(broken)) :]
        path.write_bytes(broken)
        try:
            for submission in found_in(path).submissions:
                submission.data(MEGABYTE)
                read_whole += 1
        except UnusableError as error:
            assert str(error).endswith(".")
    assert read_whole
