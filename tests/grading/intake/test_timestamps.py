"""The times in nbgrader's timestamp.txt, in any zone."""

import codecs
from datetime import UTC, datetime, timedelta

import layouts
import pytest
from as_found import by_student
from nbgrader.utils import parse_utc

SUMMER = datetime(2026, 6, 20, 21, 30, tzinfo=UTC)
WINTER = datetime(2026, 12, 20, 21, 30, tzinfo=UTC)


@pytest.fixture
def received(tmp_path, toy, found_in):
    """Return what is found of one student with this timestamp.txt."""

    def found(stamp, path="00-toy/00-toy.ipynb"):
        folder = tmp_path / "submitted" / "student-01"
        layouts.write(folder / path, toy())
        if stamp is not None:
            layouts.write(folder / "00-toy" / "timestamp.txt", stamp)
        found = found_in(tmp_path / "submitted")
        assert found.layout == "nbgrader"
        return found.submissions[0].received, found.notes

    return found


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-06-20 21:30:00.000000 UTC", SUMMER),
        ("2026-06-20 21:30:00", SUMMER),
        ("2026-06-20 23:30:00 +0200", SUMMER),
        ("2026-06-20 23:30:00.000000 +02:00", SUMMER),
        ("2026-06-20T21:30:00Z", SUMMER),
        ("2026-06-20 18:00:00 -0330", SUMMER),
        ("2026-06-20 23:30:00 Europe/Berlin", SUMMER),
        ("2026-12-20 22:30:00 Europe/Berlin", WINTER),
        ("2026-12-20 22:30:00 CET", WINTER),
        ("2026-06-20 22:30:00 CET", SUMMER),  # as in Algiers
        ("2026-06-20 16:30:00 EST", SUMMER),  # as in Jamaica
        ("2026-12-20 14:30:00 MST", WINTER),
    ],
)
def test_a_time_is_read_in_its_zone(text, time, received):
    assert received(text.encode()) == (time, ())
    assert received(codecs.BOM_UTF8 + text.encode() + b"\r\n") == (time, ())


@pytest.mark.parametrize(
    "zone",
    ["CEST", "PST", "PDT", "EDT", "BST", "IST", "JST", "AEST", "CST", "cet"],
)
def test_a_zone_that_is_not_known_makes_the_time_unknown(zone, received):
    time, (note,) = received(f"2026-06-20 23:30:00 {zone}".encode())
    assert time is None
    assert f"student-01: timestamp.txt names a time zone, {zone}," in note
    assert "--times" in note


@pytest.mark.parametrize(
    "zone",
    [
        "../../etc/passwd", "/etc/localtime", "Europe/", "Europe/\0",
        "posix/../../../etc/passwd", "a/" * 400, "+9900", "\u202e/x",
    ],
)  # fmt: skip
def test_a_zone_that_lies_is_none(zone, received):
    time, (note,) = received(f"2026-06-20 23:30:00 {zone}".encode())
    assert time is None
    assert note.isprintable()
    assert len(note) < 300


@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        (b"yesterday, honestly", "holds no time"),
        (b"\xff\xfe2\x000\x00", "holds no time"),
        (b"9" * 5_000, "holds no time"),
        (b"0001-01-01 00:00:00 +0200", "holds no time"),
        (b"", "holds no time"),
        (None, "there is no timestamp.txt"),
    ],
)
def test_what_is_no_time_is_said(stamp, words, received):
    time, (note,) = received(stamp)
    assert time is None
    assert words in note


def test_what_a_student_writes_deeper_down_is_not_the_time(received):
    _, notes = received(b"2026-06-20 21:30:00 UTC")
    assert notes == ()
    deeper = "00-toy/x/00-toy.ipynb"
    time, _ = received(b"2026-06-20 21:30:00 UTC", deeper)
    assert time == SUMMER


def test_one_note_names_all_whose_times_are_not_known(tmp_path, toy, found_in):
    notebooks = {f"student-{number}": toy(number) for number in range(1, 6)}
    path = layouts.make("nbgrader", tmp_path, notebooks, "00-toy")
    for number in (1, 2, 4):
        folder = path / "submitted" / f"student-{number}" / "00-toy"
        layouts.write(folder / "timestamp.txt", b"2026-06-20 23:30:00 CEST")
    found = found_in(path)
    (note,) = found.notes
    assert note.startswith("student-1, student-2, student-4: timestamp.txt")
    assert by_student(found)["student-3"].received == layouts.TIME


def test_what_nbgrader_reads_right_is_read_alike(received):
    for text in (
        "2026-11-20 17:00:00.123456 UTC", "2026-11-20 17:00:00 GMT",
        "2026-11-20 17:00:00 EST", "2026-11-20 17:00:00 Asia/Kolkata",
    ):  # fmt: skip
        theirs = parse_utc(text).replace(tzinfo=UTC)
        assert received(text.encode()) == (theirs, ())
    # What it reads wrong is the reason to read it here.
    wrong = parse_utc("2026-06-20 23:30:00 +0200").replace(tzinfo=UTC)
    assert wrong - SUMMER > timedelta(hours=1)
