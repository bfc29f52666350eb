"""Whatever ends the grader, what is finished stays, and it goes on."""

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest
from classroom import (
    RIGHT,
    a_class,
    arguments,
    grades,
    hand_in,
    mark_of,
    result_files,
    start,
)

# One class is graded for all.
pytestmark = pytest.mark.xdist_group("class kills")

STUDENTS = 12
KILLS = 20
NAP = 0.05  # seconds a submission takes, to be hit while it is graded


@pytest.fixture(scope="module")
def submissions(fresh, tmp_path_factory):
    return a_class(fresh, tmp_path_factory.mktemp("class") / "in", STUDENTS)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def finish(process, log: Path, status: int = 0) -> str:
    """Wait for the end of a command and return what it printed."""
    process.join(120)
    printed = log.read_text()
    assert process.exitcode == status, printed
    return printed


@pytest.fixture(scope="module")
def undisturbed(course, submissions, tmp_path_factory):
    """Grade the class in one go; return the folder and the seconds."""
    folder = tmp_path_factory.mktemp("undisturbed")
    line = arguments(course, submissions, folder / "out", "--jobs", "2")
    # The first process of all waits until the others' is loaded.
    finish(start([*line, "--dry-run"], folder / "log"), folder / "log")
    began = time.monotonic()
    finish(start(line, folder / "log", NAP), folder / "log")
    return folder / "out", time.monotonic() - began


def test_two_jobs_give_the_grades_of_one(
    course, submissions, undisturbed, tmp_path, log
):
    line = arguments(course, submissions, tmp_path / "out", "--jobs", "1")
    finish(start(line, log), log)
    assert grades(tmp_path / "out") == grades(undisturbed[0])


def test_twenty_kills_change_no_grade(
    course, submissions, undisturbed, tmp_path, log
):
    expected, seconds = undisturbed
    expected = grades(expected)
    out = tmp_path / "out"
    line = arguments(course, submissions, out, "--jobs", "2")
    chance = random.Random(0)
    kills = rounds = 0
    while kills < KILLS:
        assert rounds < 5 * KILLS, "the grader ends before it is killed"
        if rounds % 5 == 0:  # begin anew, so that each moment is hit
            shutil.rmtree(out, ignore_errors=True)
        rounds += 1
        before = result_files(out)
        process = start(line, log, NAP)
        process.join(chance.uniform(0, seconds))
        helpers = _children(process.pid)
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
        _wait_for_the_end(helpers)
        after = result_files(out)
        assert {name: after.get(name) for name in before} == before
    printed = finish(start(line, log), log)
    assert "damaged" not in printed
    assert grades(out) == expected
    assert not list(out.rglob(".*.tmp"))


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _wait_for_the_end(helpers: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(helpers, timeout=20)
    assert not alive, "workers outlived their grader"


def _wait_for(condition, log: Path) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail(f"nothing happened: {log.read_text()}")


def test_ctrl_c_keeps_and_publishes_what_is_finished(
    course, submissions, undisturbed, tmp_path, log
):
    out = tmp_path / "out"
    line = arguments(course, submissions, out, "--jobs", "2")
    process = start(line, log, nap=0.5)
    _wait_for(lambda: len(result_files(out)) >= 2, log)
    os.kill(process.pid, signal.SIGINT)
    printed = finish(process, log, 130)
    assert "Stopping" in printed
    finished = result_files(out)
    assert f"{STUDENTS - len(finished)} submissions are left" in printed
    assert 2 <= len(finished) < STUDENTS
    published = json.loads((out / "grades.json").read_text())
    assert str(published).count("student-0") >= 2
    log.unlink()
    printed = finish(start(line, log), log)
    assert f"{len(finished)} are graded already" in printed
    assert grades(out) == grades(undisturbed[0])


def test_a_second_ctrl_c_ends_at_once(course, submissions, tmp_path, log):
    out = tmp_path / "out"
    line = arguments(course, submissions, out, "--jobs", "1")
    process = start(line, log, nap=60)
    _wait_for(mark_of(log).exists, log)
    os.kill(process.pid, signal.SIGINT)
    _wait_for(lambda: "Stopping" in log.read_text(), log)
    helpers = _children(process.pid)
    os.kill(process.pid, signal.SIGINT)
    process.join(4)  # what is under way would get five seconds
    assert process.exitcode is not None
    assert process.exitcode != 0
    _wait_for_the_end(helpers)


def test_two_graders_do_not_write_into_one_folder(
    course, submissions, tmp_path, log
):
    out = tmp_path / "out"
    line = arguments(course, submissions, out, "--jobs", "1")
    process = start(line, log, nap=60)
    try:
        _wait_for(lambda: "To grade" in log.read_text(), log)
        other = tmp_path / "other"
        printed = finish(start(line, other), other, 2)
        assert "Another grader is at work" in printed
    finally:
        process.kill()
        process.join()


# -- shards ------------------------------------------------------------------


def test_shards_of_which_one_was_killed_merge_to_the_whole(
    course, submissions, undisturbed, tmp_path, log
):
    shares = [tmp_path / f"share-{index}" for index in (1, 2, 3)]
    lines = [
        arguments(course, submissions, share, "--shard", f"{index}/3")
        for index, share in enumerate(shares, 1)
    ]
    killed = start(lines[1], log, nap=0.5)
    _wait_for(lambda: result_files(shares[1]), log)
    killed.kill()
    killed.join()
    for line in (lines[0], lines[2]):
        finish(start(line, log), log)
    release = ["--release", str(course / "exercises")]
    whole = tmp_path / "whole"
    merge = ["merge", *map(str, shares), "--out", str(whole), *release]
    printed = finish(start(merge, log), log, 2)
    assert "students of shard 2/3 are not graded" in printed
    finish(start(lines[1], log), log)
    log.unlink()
    printed = finish(start(merge, log), log)
    assert "Not whole" not in printed
    assert grades(whole) == grades(undisturbed[0])
    once = result_files(whole)
    finish(start(merge, log), log)
    assert result_files(whole) == once
    assert grades(whole) == grades(undisturbed[0])


@pytest.fixture(scope="module")
def shared(course, submissions, tmp_path_factory):
    """Grade the class in two shards."""
    folder = tmp_path_factory.mktemp("shards")
    for index in (1, 2):
        line = arguments(
            course, submissions, folder / f"{index}", "--shard", f"{index}/2"
        )
        finish(start(line, folder / "log"), folder / "log")
    return folder


@pytest.fixture
def merged(course, tmp_path, log):
    """Return a function that merges folders and tells what it said."""

    def merge(*shares: Path, status: int) -> str:
        line = ["merge", *map(str, shares), "--out", str(tmp_path / "whole")]
        line += ["--release", str(course / "exercises")]
        return finish(start(line, log), log, status)

    return merge


def test_a_missing_shard_is_said_and_the_rest_is_published(
    merged, shared, tmp_path
):
    printed = merged(shared / "2", status=2)
    assert "shard 1/2 of 00-toy is missing" in printed
    assert (tmp_path / "whole" / "grades.csv").exists()


def test_a_double_shard_is_said_and_counts_once(
    merged, shared, tmp_path, undisturbed
):
    again = shutil.copytree(shared / "1", tmp_path / "again")
    printed = merged(shared / "1", shared / "2", again, status=0)
    assert "Shard 1/2 is there 2 times" in printed
    assert grades(tmp_path / "whole") == grades(undisturbed[0])


def test_a_merge_keeps_the_times_and_names_a_deadline_it_lacks(
    merged, course, submissions, tmp_path, log
):
    table = tmp_path / "times.csv"
    table.write_text("student,submitted\nstudent-01,2026-11-20 18:00Z\n")
    only = tmp_path / "only"
    line = arguments(course, submissions, only, "--times", str(table))
    finish(start([*line, "--due", "2026-11-20T19:00Z"], log), log)
    printed = merged(only, status=0)
    assert "No deadline: the shares have one for 00-toy" in printed
    kept = tmp_path / "whole/runs/00-toy.times.csv"
    assert kept.read_text() == table.read_text()


def test_different_submissions_of_one_student_are_refused(
    merged, shared, course, submissions, fresh, tmp_path, log
):
    changed = shutil.copytree(submissions, tmp_path / "in")
    for number in range(1, STUDENTS + 1):
        hand_in(fresh, changed, f"student-{number:02}", RIGHT)
    line = arguments(course, changed, tmp_path / "other", "--shard", "1/2")
    finish(start(line, log), log)
    printed = merged(shared / "1", shared / "2", tmp_path / "other", status=2)
    assert "different submissions of student-" in printed
    assert not (tmp_path / "whole" / "grades.csv").exists()


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("release", "another", "different released notebooks"),
        ("package", "another", "different versions of the package"),
        ("isolation", "bubblewrap", "different isolation"),
        ("shard", "2/3", "shards of different divisions"),
    ],
)
def test_shares_that_do_not_belong_together_are_refused(
    member, value, words, merged, shared, tmp_path
):
    other = shutil.copytree(shared / "2", tmp_path / "other")
    record = other / "runs" / "00-toy.json"
    content = json.loads(record.read_text()) | {member: value}
    record.write_text(json.dumps(content))
    assert words in merged(shared / "1", other, status=2)


def test_a_folder_that_is_no_share_is_refused(merged, shared, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "is not the folder of a share" in merged(
        shared / "1", tmp_path / "empty", status=2
    )


def test_another_share_is_not_graded_into_a_share(
    shared, course, submissions, log
):
    line = arguments(course, submissions, shared / "1", "--shard", "2/2")
    printed = finish(start(line, log), log, 2)
    assert "holds share 1/2" in printed
