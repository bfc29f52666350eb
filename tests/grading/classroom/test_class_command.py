"""The command that grades a class: what it grades, keeps and says."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import classroom
import pytest
from classroom import RIGHT, WRONG, a_class, arguments, grades, hand_in
from graded_class import grades_of

from attnbook.grading import __main__ as grading
from attnbook.grading.classroom import classes, fingerprints, tasks
from attnbook.grading.classroom.shards import Shard
from attnbook.grading.records import results

# One class is graded for all.
pytestmark = pytest.mark.xdist_group("class command")

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True, scope="module")
def toy_examiner():
    with pytest.MonkeyPatch.context() as patch:
        for module, name in classroom.REPLACED:
            patch.setattr(module, name, getattr(module, name))
        classroom.equip()
        yield


@pytest.fixture(scope="module")
def submissions(fresh, tmp_path_factory):
    """Return the folder of a class of five, which nobody changes."""
    return a_class(fresh, tmp_path_factory.mktemp("class") / "in", 5)


@pytest.fixture(scope="module")
def first(course, submissions, tmp_path_factory):
    """Return the folder of that class once graded, not to be changed."""
    out = tmp_path_factory.mktemp("first") / "out"
    assert classes.main(arguments(course, submissions, out)) == 0
    return out


@pytest.fixture
def graded(first, out):
    """Return a copy of it, where `grade` goes on."""
    return shutil.copytree(first, out)


@pytest.fixture
def grade(course, tmp_path, capfd):
    """Return a function that grades into one folder."""

    def run(submissions: Path, *more: str, protected: bool = False):
        line = arguments(course, submissions, tmp_path / "out", *more)
        if protected:
            line.remove("--no-sandbox")
        return classes.main(line), *capfd.readouterr()

    return run


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def points(out: Path) -> dict[str, float]:
    return {g.student: g.report.points for g in results.load_all(out)}


def touched(out: Path) -> dict[str, int]:
    """Return when each student's result was written."""
    return {
        g.student: results.path_of(out, g.student, g.exercise)
        .stat().st_mtime_ns
        for g in results.load_all(out)
    }  # fmt: skip


# What Windows lacks, of what a class takes. Libraries come first, as they
# would look for what only Windows has.
ON_WINDOWS = """
import asyncio, json, multiprocessing, os, sys
import nbgrader.api, torch, IPython
sys.platform = "win32"
sys.modules["resource"] = sys.modules["fcntl"] = None
del os.fork, os.setpgid
from attnbook.grading.__main__ import main
for line in json.loads(sys.argv[1]):
    print(">", main(line), flush=True)
"""


def test_windows_is_refused_and_sent_to_where_it_works(
    course, submissions, tmp_path
):
    line = ["class", *arguments(course, submissions, tmp_path / "out")]
    unprotected = "--no-sandbox"
    plain = [word for word in line if word != unprotected]
    lines = [line, plain, ["doctor"], ["doctor", unprotected]]
    done = subprocess.run(
        [sys.executable, "-c", ON_WINDOWS, json.dumps(lines)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout
    *said, rest = done.stdout.split("\n> ")
    assert [text[0] for text in [*said[1:], rest]] == ["2", "2", "1", "2"]
    assert all("WSL 2" in text for text in said)
    assert unprotected not in done.stdout


def test_a_class_is_graded_and_published(grade, submissions, out):
    status, printed, _ = grade(submissions)
    assert status == 0
    assert points(out)["student-01"] == 20
    assert points(out)["student-02"] == 0
    assert "To grade:    5; 0 are graded already" in printed
    assert "Graded 4 of 5 in 00-toy" in printed
    assert "student-03: 00-toy.ipynb is not a notebook" in printed
    assert "Unprotected" in printed
    published = {path.name for path in out.iterdir()}
    assert {"grades.csv", "gradebook.db", "index.html"} <= published


def test_a_result_says_all_that_is_published_of_it(graded):
    found = {g.student: g for g in results.load_all(graded)}
    right, broken = found["student-01"], found["student-03"]
    assert right.status == "graded"
    assert right.report.isolation == "none"
    assert "return 2 * number" in right.sources["00-double-answer"]
    assert broken.status == "unusable"
    assert "is not JSON" in broken.trouble
    assert broken.report.title == right.report.title


def test_the_second_run_grades_nothing(grade, graded, submissions, out):
    before, published = touched(out), grades(out)
    status, printed, _ = grade(submissions)
    assert status == 0
    assert "To grade:    0; 5 are graded already" in printed
    assert touched(out) == before
    assert grades(out) == published


def test_only_what_is_new_or_changed_is_graded(grade, fresh, tmp_path, out):
    folder = a_class(fresh, tmp_path / "in", 4)
    grade(folder)
    before = touched(out)
    hand_in(fresh, folder, "student-02", RIGHT)
    hand_in(fresh, folder, "student-05", WRONG)
    _, printed, _ = grade(folder)
    assert "To grade:    2 (1 of them changed); 3 are" in printed
    after = touched(out)
    assert {s for s in after if after[s] != before.get(s)} == {
        "student-02",
        "student-05",
    }
    assert points(out)["student-02"] == 20


def test_grades_of_whom_nobody_handed_in_for_are_told(
    grade, fresh, tmp_path, out
):
    grade(a_class(fresh, tmp_path / "first", 2))
    folder = a_class(fresh, tmp_path / "then", 1)
    _, printed, _ = grade(folder)
    assert "1 has a grade from before" in printed
    assert "student-02. The grades stay." in printed
    assert "student-02" in points(out)
    _, printed, _ = grade(a_class(fresh, tmp_path / "all", 2))
    assert "from before" not in printed


@pytest.mark.parametrize("what", ["package", "release", "limits"])
def test_all_are_graded_again_when_what_a_grade_hangs_on_changes(
    what, grade, graded, submissions, monkeypatch
):
    more = []
    if what == "limits":
        more = ["--wall", "30"]
    else:
        monkeypatch.setattr(fingerprints, f"of_{what}", lambda *_: "another")
    assert "To grade:    5 (5 of them changed)" in grade(submissions, *more)[1]


def test_one_student_is_graded_again(grade, graded, submissions, out):
    before = touched(out)
    _, printed, _ = grade(submissions, "--regrade", "student-02")
    assert "To grade:    1; 4 are graded already" in printed
    after = touched(out)
    assert [s for s in after if after[s] != before[s]] == ["student-02"]
    assert "To grade:    5;" in grade(submissions, "--regrade")[1]


def test_one_exercise_is_graded_again_and_the_others_keep_their_points(
    grade, graded, submissions, out, monkeypatch
):

    def all_wrong(examiner, cells):
        return [classroom.Fate("error", "WrongAnswer", "No.")] * len(cells)

    monkeypatch.setattr(classroom.Examiner, "run", all_wrong)
    monkeypatch.setattr(fingerprints, "of_package", lambda: "mended")
    grade(submissions, "--regrade-exercise", "00-halve")
    assert points(out)["student-01"] == 15
    assert "To grade:    0;" in grade(submissions)[1]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--regrade", "student-99"], "no student student-99"),
        (["--regrade-exercise", "00-treble"], "no graded cell 00-treble"),
        (["--wall", "-1"], "The limit `wall` must be"),
        (["--seed", "/dev/null"], "/dev/null holds no seed"),
        (["--late-penalty", "10%"], "needs a deadline"),
        (["--database", "no-url"], "address of the gradebook"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    more, words, grade, submissions
):
    status, _, complaint = grade(submissions, *more)
    assert status == 2
    assert words in complaint
    assert "Traceback" not in complaint


def test_without_a_sandbox_it_refuses_and_names_the_ways_out(
    grade, submissions, monkeypatch, out
):
    module = importlib.import_module(
        "attnbook.grading.isolation.sandbox.support"
    )
    refusal = module.Support(
        False, "none", "There is no bwrap.", ("Install bubblewrap.",)
    )
    monkeypatch.setattr(module, "support", lambda: refusal)
    status, _, complaint = grade(submissions, protected=True)
    assert status == 2
    assert "There is no bwrap." in complaint
    assert "Install bubblewrap." in complaint
    assert not list(out.glob("results/*"))
    status, printed, _ = grade(submissions, "--dry-run", protected=True)
    assert status == 0
    assert "There is no bwrap." in printed


def test_a_dry_run_says_what_it_understood_and_writes_nothing(
    grade, submissions, out
):
    status, printed, _ = grade(submissions, "--dry-run")
    assert status == 0
    assert "one folder for each student" in printed
    assert "To grade:    5" in printed
    assert not out.exists()


def test_what_the_grader_fails_on_is_no_grade_and_is_tried_anew(
    grade, fresh, tmp_path, out, monkeypatch
):
    folder = a_class(fresh, tmp_path / "in", 2)
    hand_in(fresh, folder, "student-02", {"double": "'poison'"})
    run = classroom.Examiner.run

    def fail(examiner, cells):
        if any("poison" in cell.source for cell in cells):
            os._exit(1)
        return run(examiner, cells)

    with monkeypatch.context() as patch:
        patch.setattr(classroom.Examiner, "run", fail)
        status, printed, _ = grade(folder)
    assert status == 0
    assert "Graded 1 of 2" in printed
    assert "student-02: The grader failed on this one" in printed
    failed = results.load_all(out)[1]
    assert failed.status == "not graded"
    assert failed.report.results == ()
    assert "To grade:    1; 1 are graded already" in grade(folder)[1]
    assert results.load_all(out)[1].status == "graded"


def test_a_damaged_result_is_graded_again(grade, graded, submissions, out):
    path = results.path_of(out, "student-01", "00-toy")
    whole = grades(out)
    path.write_text(path.read_text()[:-100])
    _, printed, _ = grade(submissions)
    assert "damaged: student-01 is graded again" in printed
    assert grades(out) == whole


def test_times_of_a_table_count_without_grading_again(
    grade, graded, submissions, out, tmp_path
):
    table = tmp_path / "times.csv"
    table.write_text("student,submitted\nstudent-01,2026-11-20 18:00Z\n")
    _, printed, _ = grade(submissions, "--times", str(table))
    assert "To grade:    0; 5 are graded already" in printed
    received = results.load_all(out)[0].received
    assert received.isoformat() == "2026-11-20T18:00:00+00:00"


def test_a_table_of_times_holds_until_another_is_given(
    grade, submissions, out, tmp_path
):
    table = tmp_path / "times.csv"
    table.write_text(
        "student,submitted\n"
        + "".join(f"student-0{n},2026-11-20 18:00Z\n" for n in range(1, 6))
    )
    rule = ("--due", "2026-11-20T19:00Z", "--late-penalty", "10%")
    grade(submissions, "--times", str(table), *rule)
    table.unlink()
    before = grades(out)
    _, printed, _ = grade(submissions, "--regrade", "student-01")
    assert "The times are of the table given before." in printed
    assert "Deadline:    2026-11-20 19:00 UTC." in printed
    assert grades(out) == before
    rule = ("--due", "2026-11-20T17:00Z")
    _, printed, _ = grade(submissions, *rule)
    assert "Late are 5 of 5, at a cost of" in printed
    _, printed, _ = grade(submissions, "--times", "none")
    assert "table given before" not in printed
    assert not list((out / "runs").glob("*.csv"))


def test_the_members_of_a_group_are_graded_until_the_table_is_dropped(
    grade, submissions, out, tmp_path
):
    table = tmp_path / "groups.csv"
    table.write_text("student,group\nAda 104,student-01\nBob 105,student-01\n")
    grade(submissions, "--groups", str(table))
    team = {"Ada 104", "Bob 105"}
    assert points(out)["Ada 104"] == points(out)["Bob 105"] == 20
    assert team < {*points(out)}
    assert "student-01" not in points(out)
    rows = (out / "grades-moodle.csv").read_text("utf-8-sig")
    assert "Participant 104,Ada," in rows
    table.unlink()
    _, printed, _ = grade(submissions)
    assert "The groups are of the table given before." in printed
    assert "To grade:    0; 6 are graded already" in printed
    _, printed, _ = grade(submissions, "--groups", "none", "--dry-run")
    assert "To grade:    1; 4 are graded already" in printed


def test_extensions_of_nobody_are_told_before_grading(
    grade, submissions, tmp_path
):
    table = tmp_path / "more.csv"
    table.write_text("student,due\nstudent-1,2026-11-20T18:00Z\n")
    _, printed, _ = grade(
        submissions, "--dry-run", "--due", "2026-11-19T18:00Z",
        "--extensions", str(table),
    )  # fmt: skip
    assert "extensions handed in: student-1. A name is" in printed
    assert "Nothing was graded." in printed


def test_extensions_hold_for_whom_the_table_means(
    grade, submissions, out, tmp_path
):
    rule = ("--due", "2023-11-14T00:00Z", "--late-penalty", "10%")
    table = tmp_path / "more.csv"
    table.write_text("Student;Due\n STUDENT-01 ;\nstudent-09;\n")
    _, printed, _ = grade(submissions, *rule, "--extensions", str(table))
    assert "extensions handed in: student-09. A name is" in printed
    assert "Late are 4 of 5" in printed
    # Who hands in later is meant as well.
    more = shutil.copytree(submissions, tmp_path / "more")
    (more / "student-02").rename(more / "Student-09")
    _, printed, _ = grade(more)
    late = {one: grade["late"] for one, grade in grades_of(out).items()}
    assert late["student-01"] == late["Student-09"] == ""
    assert late["student-04"] == "1 day late"


def test_a_table_that_may_mean_two_students_is_refused(
    grade, submissions, tmp_path, out
):
    more = shutil.copytree(submissions, tmp_path / "more")
    (more / "student-02").rename(more / "STUDENT-01")
    for option, column in ("--times", "submitted"), ("--extensions", "due"):
        table = tmp_path / "table.csv"
        table.write_text(f"student,{column}\nStudent-01,2026-11-20 18:00Z\n")
        status, _, complaint = grade(
            more, "--due", "2026-11-19T18:00Z", option, str(table)
        )
        assert status == 2
        assert "fits 2 students: STUDENT-01, student-01." in complaint
    assert not list(out.glob("results/*"))


def test_a_wrong_argument_is_answered_in_two_lines(grade, submissions, capfd):
    with pytest.raises(SystemExit) as raised:
        grade(submissions, "--due", "tomorrow")
    assert raised.value.code == 2
    said = capfd.readouterr().err
    assert said.startswith("Not done: argument --due: expected a time such")
    assert said.count("\n") == 2


def test_grades_are_not_put_among_the_submissions(course, submissions, capsys):
    inside = submissions / "grades"
    for more in (["--dry-run"], []):
        line = arguments(course, submissions, inside, *more)
        assert classes.main(line) == 2
        assert "would be taken for a student" in capsys.readouterr().err
        assert not inside.exists()


def test_a_mistyped_command_is_named(capsys):
    with pytest.raises(SystemExit) as raised:
        grading.main(["clas", "somewhere"])
    assert raised.value.code == 2
    said = capsys.readouterr().err
    assert "there is no command and no notebook clas. The" in said
    assert "class, points, merge" in said


def test_a_file_is_no_folder_for_grades(grade, submissions, out):
    out.write_text("")
    status, _, said = grade(submissions)
    assert status == 2
    assert "is a file, and --out names a folder" in said


def test_the_seed_is_kept_secret_and_kept(grade, graded, submissions, out):
    seed = out / "seed"
    text = seed.read_text().strip()
    assert len(text) == 16
    assert seed.stat().st_mode & 0o777 == 0o600
    grade(submissions, "--regrade")
    assert seed.read_text().strip() == text
    told = [
        path
        for path in out.rglob("*")
        if path.is_file()
        and path != seed
        and (
            text.encode() in path.read_bytes()
            or str(int(text, 16) >> 1).encode() in path.read_bytes()
        )
    ]
    assert told == []


def test_a_shared_seed_reaches_the_examiner(
    grade, submissions, tmp_path, monkeypatch, out
):
    seen = []
    make = classroom.Examiner

    def examiner(release, limits, isolation, seed):
        seen.append(seed)
        return make(release, limits, isolation, seed)

    monkeypatch.setattr(tasks, "examiner", examiner)
    shared = tmp_path / "shared"
    shared.write_text("00000000000000ff\n")
    grade(submissions, "--seed", str(shared))
    assert seen == [0x7F]
    assert not (out / "seed").exists()


def test_nobody_in_a_shard_is_no_trouble(grade, fresh, tmp_path, out):
    folder = a_class(fresh, tmp_path / "in", 1)
    index = 1 if Shard(2, 2).has("student-01") else 2
    status, printed, _ = grade(folder, "--shard", f"{index}/2")
    assert status == 0
    assert "To grade:    0;" in printed
    assert (out / "runs" / "00-toy.json").exists()
