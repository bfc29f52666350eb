"""Results as files, shares of a class, and who handed in twice."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attnbook.grading.classroom import runs
from attnbook.grading.classroom.planning import one_each
from attnbook.grading.classroom.runs import RunError
from attnbook.grading.classroom.shards import Shard, parse
from attnbook.grading.intake.submissions import Submission
from attnbook.grading.records import results
from attnbook.grading.records.results import Graded, ResultError, key_of
from attnbook.grading.report import Report, Result

HOSTILE = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "/absolute",
    "a\x00b",
    "=HYPERLINK()",
    "<script>",
    "\u202ename",
    "\ud800",
    "名前",
    "x" * 10_000,
    "CON",
]


@pytest.mark.parametrize("student", HOSTILE)
def test_a_key_is_a_safe_name(student):
    key = key_of(student)
    assert key.isascii()
    assert key == Path(key).name
    assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert 11 < len(key) <= 51


def test_no_two_students_share_a_key():
    names = [*HOSTILE, "José", "Jose", "JOSE", "jose ", "x" * 9_999]
    assert len({key_of(name) for name in names}) == len(names)
    assert key_of("Student-01").startswith("student-01-")


def graded(student="student-01", **more) -> Graded:
    result = Result("a", "A", 1, 2.5, "failed", "No\n.", 0.1, "a mistake")
    report = Report("n.ipynb", results=(result,), notes=("one",))
    return Graded(student, "00-toy", "key", report, **more)


@pytest.mark.parametrize("student", HOSTILE)
def test_a_result_is_read_as_it_was_written(student, tmp_path):
    zone = datetime(2026, 11, 20, 18, tzinfo=UTC).astimezone()
    written = graded(
        student,
        received=zone,
        is_marked_late=True,
        identifiers={"moodle_id": "7"},
        sources={"a": "\ud800 é"},
    )
    path = results.write(tmp_path, written)
    assert tmp_path / "results" in path.parents
    assert results.load_all(tmp_path) == [written]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace("class/1", "class/9"),
        lambda text: text.replace('"key": "key"', '"key": 7'),
        lambda text: text.replace('"notes"', '"not"'),
    ],
)
def test_a_damaged_result_says_which_and_what_to_do(change, tmp_path):
    path = results.write(tmp_path, graded())
    path.write_text(change(path.read_text()))
    with pytest.raises(ResultError) as refusal:
        results.load_all(tmp_path)
    assert str(path) in str(refusal.value)
    assert "Move it away" in str(refusal.value)


def test_a_result_in_a_strange_place_is_refused(tmp_path):
    path = results.write(tmp_path, graded())
    path.parent.rename(path.parent.with_name("student-02"))
    with pytest.raises(ResultError, match="belongs into student-01-"):
        results.load_all(tmp_path)


def test_a_write_that_fails_leaves_the_old_result(tmp_path, monkeypatch):
    path = results.write(tmp_path, graded())
    before = path.read_text()
    monkeypatch.setattr(results.os, "fsync", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        results.write(tmp_path, graded(place="elsewhere"))
    assert path.read_text() == before
    assert results.paths(tmp_path) == [path]


# -- shares ------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_each_student_is_in_one_share(count):
    students = [f"student-{number:03}" for number in range(300)]
    shards = [Shard(index, count) for index in range(1, count + 1)]
    for student in students:
        assert sum(shard.has(student) for shard in shards) == 1
    for shard in shards:
        mine = sum(map(shard.has, students))
        assert 0.6 < mine * count / len(students) < 1.4


@pytest.mark.parametrize(
    "text", ["", "0/3", "4/3", "1", "1/0", "-1/3", "1/3/5", "a/b", "²/3"]
)
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(ValueError, match="I/N"):
        parse(text)


def test_a_shard_is_read_as_it_is_written():
    assert parse(str(Shard(2, 3))) == Shard(2, 3)


def test_a_record_of_a_run_is_read_as_it_was_written(tmp_path):
    run = runs.Run(
        "00-toy", Shard(2, 3), "r", "p", "s", "none", {"wall": 1.0}, ("a",)
    )
    path = runs.write(tmp_path, run)
    assert runs.load_all(tmp_path) == [run]
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"shard": "3"}))
    with pytest.raises(RunError, match="Grade this share again"):
        runs.load_all(tmp_path)


# -- twice -------------------------------------------------------------------


def submission(place, received):
    return Submission("student-01", "n.ipynb", place, received)


def test_of_two_submissions_the_later_counts_and_it_is_said():
    early = datetime(2026, 11, 20, tzinfo=UTC)
    late = early + timedelta(hours=1)
    three = [
        submission("b", late),
        submission("a", early),
        submission("c", None),
    ]
    kept, notes = one_each(three)
    assert [one.place for one in kept] == ["b"]
    assert len(notes) == 2
    assert "b was taken, the later one, and a left out" in notes[0]
