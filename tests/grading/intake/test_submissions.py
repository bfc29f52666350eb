"""Who handed in what: every layout, and names and files that lie."""

import io
import json
import os
import pickle
import random
import re
import stat
import struct
import subprocess
import tracemalloc
import unicodedata
import zipfile
from dataclasses import replace
from datetime import datetime, timedelta

import layouts
import pytest

from attnbook.grading.intake import commit_times, places
from attnbook.grading.intake.file_names import folded, natural, readable
from attnbook.grading.intake.submissions import (
    describe,
    find,
    times_from_csv,
    with_times,
)
from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.notebook.release import known_releases

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def releases(course, tmp_path_factory):
    nobody = tmp_path_factory.mktemp("nobody") / "x"
    return known_releases(course / "exercises", nobody)[0]


@pytest.fixture(scope="module")
def toy(course):
    """The bytes of the released notebook, with a mark to tell them apart."""
    text = (course / "exercises" / "00-toy.ipynb").read_text("utf-8")

    def marked(mark="") -> bytes:
        content = json.loads(text)
        content["cells"][0]["source"] = f"# A toy, by {mark}"
        return json.dumps(content).encode()

    return marked


@pytest.fixture(scope="module")
def other(course):
    return (course / "exercises" / "01-other.ipynb").read_bytes()


@pytest.fixture
def found_in(releases):
    def found(path):
        return find(path, "00-toy", releases)

    return found


@pytest.fixture
def in_zip(tmp_path, found_in):
    """Return what is found in a zip, made of files or given in bytes."""

    def found(files, name="class.zip"):
        path = tmp_path / name
        data = files if isinstance(files, bytes) else layouts.zipped(files)
        path.write_bytes(data)
        return found_in(path)

    return found


def read(submission, limit=20 * MEGABYTE):
    return submission.data(limit)


def refusal(submission, limit=20 * MEGABYTE):
    with pytest.raises(UnusableError) as error:
        submission.data(limit)
    return str(error.value)


def by_student(found):
    return {one.student: one for one in found.submissions}


def students(found):
    return [one.student for one in found.submissions]


# -- layouts -----------------------------------------------------------------


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


# -- nbgrader ----------------------------------------------------------------


def test_a_course_of_nbgrader_may_be_given_whole_or_in_part(
    tmp_path, toy, found_in, in_zip
):
    course = layouts.make(
        "nbgrader", tmp_path / "course", {"student-01": toy()}, "00-toy"
    )
    (course / "source" / "00-toy").mkdir(parents=True)
    (course / "source" / "00-toy" / "00-toy.ipynb").write_bytes(toy("teacher"))
    (course / "nbgrader_config.py").write_text("c = get_config()\n")
    for path in (course, course / "submitted"):
        found = found_in(path)
        assert found.layout == "nbgrader"
        assert students(found) == ["student-01"]
        assert read(found.submissions[0]) == toy()
        assert found.submissions[0].received == layouts.TIME
    assert "not nbgrader_config.py, source" in found_in(course).notes[0]
    data = toy()
    found = in_zip({
        "course/submitted/student-01/00-toy/00-toy.ipynb": data,
        "course/submitted/student-02/00-toy/00-toy.ipynb": data,
        "course/source/00-toy/00-toy.ipynb": data,
        "course/gradebook.db": b"",
    })  # fmt: skip
    assert found.layout == "nbgrader"
    assert students(found) == ["student-01", "student-02"]


def test_a_student_called_submitted_hides_nobody(tmp_path, toy, found_in):
    for layout in ("folders", "repositories"):
        notebooks = {name: toy(name) for name in ("student-01", "submitted")}
        path = layouts.make(layout, tmp_path / layout, notebooks, "00-toy")
        assert students(found_in(path)) == ["student-01", "submitted"]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-20 17:00:00.000000 UTC", layouts.TIME),
        ("2026-11-20 18:00:00 Europe/Vienna", layouts.TIME),
        ("yesterday, honestly", None),
        ("", None),
        ("9" * 2_000, None),
        ("\udcff", None),
    ],
)
def test_the_time_of_nbgrader_is_read(text, time, tmp_path, toy, found_in):
    path = layouts.make("nbgrader", tmp_path, {"student-01": toy()}, "00-toy")
    stamp = path / "submitted" / "student-01" / "00-toy" / "timestamp.txt"
    stamp.write_text(text, "utf-8", "surrogateescape")
    assert found_in(path).submissions[0].received == time


# -- Moodle ------------------------------------------------------------------


def test_the_names_of_moodle_are_understood(toy, in_zip):
    form = "{}_assignsubmission_{}".format
    found = in_zip({
        f"{form('Student Two_102', 'file')}/a.ipynb": toy("two"),
        f"{form('Student One_101', 'file_')}/a.ipynb": toy("one"),
        f"{form('Participant_103', 'file')}/sub/a.ipynb": toy("blind"),
        f"{form('Group 4_7', 'file')}/a.ipynb": toy("group"),
        f"{form('Default group', 'file')}/a.ipynb": toy("default"),
        f"{form('Student Two_104', 'file')}/a.ipynb": toy("namesake"),
        f"{form('Student Two_102', 'onlinetext')}/onlinetext.html": b"<p>",
        f"{form('Student Five_105', 'onlinetext')}/onlinetext.html": b"<p>",
    })  # fmt: skip
    assert found.layout == "moodle"
    assert students(found) == [
        "Default group", "Group 4 7", "Participant 103", "Student Five 105",
        "Student One 101", "Student Two 102", "Student Two 104",
    ]  # fmt: skip
    got = by_student(found)
    assert read(got["Student Two 104"]) == toy("namesake")
    assert read(got["Student Two 102"]) == toy("two")
    assert got["Student Two 102"].identifiers == {
        "full_name": "Student Two",
        "moodle_id": "102",
    }
    assert "onlinetext.html" in refusal(got["Student Five 105"])


def test_a_zip_of_a_student_in_the_zip_of_the_class_is_looked_into(
    toy, in_zip
):
    form = "student-{0}_{0}_assignsubmission_file/work.ZIP".format
    found = in_zip({
        form(1): layouts.zipped({
            "my/notes.txt": b"hello",
            "my/00-toy.ipynb": toy("inside"),
            "my/.ipynb_checkpoints/00-toy-checkpoint.ipynb": toy("old"),
            "__MACOSX/my/._00-toy.ipynb": b"\0",
        }),
        form(2): layouts.zipped({"deeper.zip": layouts.zipped({})}),
        form(3): b"PK nonsense",
    })  # fmt: skip
    one, two, three = found.submissions
    assert read(one) == toy("inside")
    assert one.place == (
        "class.zip: student-1_1_assignsubmission_file/work.ZIP/my/00-toy.ipynb"
    )
    assert "is a zip within a zip" in refusal(two)
    assert "work.ZIP is no zip that can be read" in refusal(three)
    assert found.notes == ()


# -- Canvas ------------------------------------------------------------------


def test_the_names_of_canvas_are_understood(toy, in_zip):
    found = in_zip({
        "studentone_101_9001_00-toy.ipynb": toy("one"),
        "studenttwo_LATE_102_9002_my work.ipynb": toy("two"),
        "late_103_9003_00-toy.ipynb": toy("called late"),
        "anon_Ab3dE_9004_00-toy.ipynb": toy("anonymous"),
        "LATE_anon_Xy9zW_9005_00-toy.ipynb": toy("anonymous and late"),
        "studentsix_106_9010_00-toy-1.ipynb": toy("second try"),
        "studentsix_106_9006_00-toy.ipynb": toy("first try"),
        "studentseven_107_text.html": b"<p>",
    })  # fmt: skip
    assert found.layout == "canvas"
    got = by_student(found)
    assert {one.student: one.identifiers for one in found.submissions} == {
        "anon Ab3dE": {"canvas_anonymous_id": "Ab3dE"},
        "anon Xy9zW": {"canvas_anonymous_id": "Xy9zW"},
        "late 103": {"canvas_id": "103"},
        "studentone 101": {"canvas_id": "101"},
        "studentseven 107": {"canvas_id": "107"},
        "studentsix 106": {"canvas_id": "106"},
        "studenttwo 102": {"canvas_id": "102"},
    }
    assert [
        one.student for one in found.submissions if one.is_marked_late
    ] == [
        "anon Xy9zW",
        "studenttwo 102",
    ]
    assert got["studenttwo 102"].name == "my work.ipynb"
    assert read(got["studentsix 106"]) == toy("second try")
    assert "00-toy-1.ipynb was taken, and not 00-toy.ipynb" in found.notes[0]
    assert "text.html" in refusal(got["studentseven 107"])


def test_a_file_that_does_not_fit_the_layout_is_not_lost(toy, in_zip):
    found = in_zip({
        "studentone_101_9001_00-toy.ipynb": toy("one"),
        "studenttwo_102_9002_00-toy.ipynb": toy("two"),
        "by mail.ipynb": toy("three"),
    })  # fmt: skip
    assert found.layout == "canvas"
    assert read(by_student(found)["by mail"]) == toy("three")
    assert "by mail.ipynb is not named as Canvas" in found.notes[0]


def test_a_number_that_two_have_is_nobodys(toy, in_zip):
    found = in_zip({
        "studentone_101_9001_00-toy.ipynb": toy("one"),
        "studenttwo_101_102_9002_00-toy.ipynb": toy("called two_101"),
        "studentthree_103_9003_00-toy.ipynb": toy("three"),
    })  # fmt: skip
    assert [one.identifiers for one in found.submissions] == [
        {},
        {"canvas_id": "103"},
        {},
    ]
    assert "one number, 101" in found.notes[0]


# -- repositories ------------------------------------------------------------


def git(repository, *arguments):
    return subprocess.run(
        ["git", *arguments],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(repository)},
    ).stdout.strip()


def test_a_repository_has_the_time_of_the_notebooks_own_last_commit(
    tmp_path, toy, found_in
):
    repository = tmp_path / "00-toy-student-01"
    layouts.write(repository / "week 1" / "00-toy.ipynb", toy("one"))
    layouts.commit(repository)
    layouts.write(repository / "README.md", b"# Mine\n")
    layouts.commit(repository, layouts.TIME + timedelta(days=3))
    (tmp_path / "student-02").mkdir()
    found = found_in(tmp_path)
    assert found.layout == "repositories"
    assert students(found) == ["student-01", "student-02"]
    assert found.submissions[0].received == layouts.TIME
    assert "can be forged" in describe(found)
    git(repository, "pack-refs", "--all")
    git(repository, "gc", "-q")
    assert found_in(tmp_path).submissions[0].received == layouts.TIME
    # The repository itself may be given, too.
    assert found_in(repository).submissions[0].received == layouts.TIME
    # So may a shallow clone.
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository}", "clone")
    (clone,) = found_in(tmp_path / "clone").submissions
    assert clone.received == layouts.TIME + timedelta(days=3)


def test_without_a_commit_the_time_is_that_of_the_file(
    tmp_path, toy, found_in, monkeypatch
):
    path = layouts.make(
        "repositories", tmp_path, {"student-01": toy()}, "00-toy"
    )
    notebook = path / "student-01" / "00-toy.ipynb"
    later = layouts.TIME + timedelta(days=9)
    layouts.write(notebook, toy("later"), later)
    assert found_in(path).submissions[0].received == layouts.TIME
    monkeypatch.setattr(commit_times, "is_there", lambda: False)
    found = found_in(path)
    assert found.submissions[0].received == later
    assert "no commit of the notebook was found" in found.notes[0]
    monkeypatch.undo()
    layouts.write(path / "student-01" / "new 00-toy.ipynb", toy("new"), later)
    notebook.unlink()
    assert found_in(path).submissions[0].received == later


def trap(repository, canary):
    """Make git in a repository run a program, in each way that log knows."""
    program = repository / "program"
    program.write_text(f"#!/bin/sh\ntouch '{canary}'\nexit 1\n")
    program.chmod(0o755)
    for name in ("post-index-change", "reference-transaction", "fsmonitor"):
        hook = repository / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(program.read_text())
        hook.chmod(0o755)
    for key in (
        "core.fsmonitor", "core.pager", "core.sshCommand", "gpg.program",
        "diff.external", "core.gitProxy", "uploadpack.packObjectsHook",
    ):  # fmt: skip
        git(repository, "config", key, str(program))
    git(repository, "config", "log.showSignature", "true")
    # A commit that claims to be signed, so that there is something to check.
    commit = git(repository, "cat-file", "commit", "HEAD")
    header, _, message = commit.partition("\n\n")
    signed = (
        f"{header}\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n"
        f" -----END PGP SIGNATURE-----\n\n{message}\n"
    )
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=repository,
        input=signed.encode(),
        capture_output=True,
        check=True,
    )
    branch = repository / ".git" / "refs" / "heads" / "main"
    branch.write_bytes(made.stdout)


def test_no_program_of_a_hostile_repository_is_run(tmp_path, toy, found_in):
    path = layouts.make(
        "repositories", tmp_path / "in", {"student-01": toy()}, "00-toy"
    )
    repository, canary = path / "student-01", tmp_path / "canary"
    trap(repository, canary)
    git(repository, "log", "-1", "--", "00-toy.ipynb")
    assert canary.exists()  # So the trap does snap.
    canary.unlink()
    found = found_in(path)
    assert found.submissions[0].received == layouts.TIME
    assert found.notes == ()
    assert not canary.exists()


def test_nothing_is_fetched_for_a_repository_that_lacks_objects(
    tmp_path, toy, found_in
):
    path = layouts.make(
        "repositories", tmp_path / "in", {"student-01": toy()}, "00-toy"
    )
    repository, canary = path / "student-01", tmp_path / "canary"
    trap(repository, canary)
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.url": "ssh://localhost/none",
        "remote.origin.promisor": "true",
        "log.showSignature": "false",
        "core.fsmonitor": "false",
    }.items():
        git(repository, "config", key, value)
    tree = git(repository, "rev-parse", "HEAD^{tree}")
    (repository / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    canary.unlink(missing_ok=True)
    with pytest.raises(subprocess.CalledProcessError):
        git(repository, "log", "-1", "--", "00-toy.ipynb")
    assert canary.exists()  # So the trap does snap.
    canary.unlink()
    assert "no commit of the notebook was found" in found_in(path).notes[0]
    assert not canary.exists()


@pytest.mark.parametrize(
    "head",
    [
        b"ref: refs/heads/../../../../outside\n",
        b"ref: /outside\n",
        b"--output=/outside",
        b"\xff" * 100,
        b"",
    ],
)
def test_a_head_that_leads_elsewhere_is_no_commit(
    head, tmp_path, toy, found_in
):
    path = layouts.make(
        "repositories", tmp_path / "in", {"student-01": toy()}, "00-toy"
    )
    repository = path / "student-01"
    (path / "outside").write_text(git(repository, "rev-parse", "HEAD"))
    (repository / ".git" / "HEAD").write_bytes(head)
    assert "no commit of the notebook" in found_in(path).notes[-1]


# -- notebooks named by student ----------------------------------------------


def test_who_handed_in_something_else_is_not_lost(tmp_path, toy, found_in):
    layouts.write(tmp_path / "student-01.ipynb", toy())
    layouts.write(tmp_path / "student-02.tar.gz", b"\x1f\x8b")
    layouts.write(tmp_path / "student-03.html", b"<p>")
    layouts.write(tmp_path / "roster.csv", b"student\n")
    found = found_in(tmp_path)
    assert students(found) == ["student-01", "student-02", "student-03"]
    assert "student-02.tar.gz" in refusal(found.submissions[1])
    assert found.notes == ("Left out, as they are no notebooks: roster.csv.",)


def test_the_name_of_the_exercise_is_taken_out_of_the_students(
    tmp_path, toy, found_in
):
    for name in (
        "student-01.ipynb", "student-02_00-toy.ipynb",
        "00-toy-student-03.ipynb", "00-toy.ipynb",
        "student-04.ipynb.txt",
    ):  # fmt: skip
        layouts.write(tmp_path / name, toy(name))
    layouts.write(
        tmp_path / "student-05.zip", layouts.zipped({"x.ipynb": toy("zip")})
    )
    found = found_in(tmp_path)
    assert found.layout == "files"
    assert students(found) == [
        "00-toy", "student-01", "student-02", "student-03", "student-04",
        "student-05",
    ]  # fmt: skip
    assert read(found.submissions[4]) == toy("student-04.ipynb.txt")
    assert read(found.submissions[5]) == toy("zip")
    # What counts is when it was handed in, not the clock of the student.
    assert found.submissions[5].received == layouts.TIME


# -- a class of one ----------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "student-01/00-toy.ipynb",
        "student-01/my homework.ipynb",
        "student-01/00-toy/00-toy.ipynb",
        "student-01/00-toy/work.ipynb",
        "submitted/student-01/00-toy/work.ipynb",
        "submitted/student-01/homework/00-toy.ipynb",
        "student-01/exercises/00-toy.ipynb",
        "student-01.ipynb",
        "student-01_00-toy.ipynb",
        "student-01.zip",
    ],
)
def test_a_class_of_one_is_no_folder_around_a_class(
    path, tmp_path, toy, found_in
):
    data = layouts.zipped({"x.ipynb": toy()}) if "zip" in path else toy()
    layouts.write(tmp_path / path, data)
    (submission,) = found_in(tmp_path).submissions
    assert submission.student == "student-01"
    assert read(submission) == toy()


# -- which of several --------------------------------------------------------


def test_the_notebook_is_known_by_what_is_in_it(
    tmp_path, toy, other, found_in
):
    work = tmp_path / "student-01"
    layouts.write(work / "00-toy.ipynb", other)
    layouts.write(work / "homework.ipynb", toy("renamed"))
    layouts.write(work / "homework (1).txt", b"notes")
    (submission,) = found_in(tmp_path).submissions
    assert read(submission) == toy("renamed")


def test_of_several_the_newest_is_taken_and_it_is_said(
    tmp_path, toy, found_in
):
    work = tmp_path / "student-01"
    layouts.write(work / "00-toy.ipynb", toy("old"))
    later = layouts.TIME + timedelta(hours=1)
    layouts.write(work / "again" / "copy.ipynb", toy("new"), later)
    found = found_in(tmp_path)
    assert read(found.submissions[0]) == toy("new")
    assert found.submissions[0].received == later
    assert found.notes == (
        "student-01 handed in 2 notebooks of this exercise. copy.ipynb was "
        "taken, and not 00-toy.ipynb.",
    )


def test_of_several_at_one_time_the_right_name_is_taken(
    tmp_path, toy, found_in
):
    work = tmp_path / "student-01"
    for name in ("zzz.ipynb", "00-toy.ipynb", "copy of 00-toy.ipynb"):
        layouts.write(work / name, toy(name))
    assert read(found_in(tmp_path).submissions[0]) == toy("00-toy.ipynb")


def test_the_solutions_of_a_cloned_course_are_not_taken_for_the_students(
    tmp_path, toy, course, found_in
):
    solution = (course / "solutions" / "00-toy.ipynb").read_bytes()
    clone = tmp_path / "student-01"
    layouts.write(clone / "exercises" / "00-toy.ipynb", toy())
    later = layouts.TIME + timedelta(days=1)
    layouts.write(clone / "solutions" / "00-toy.ipynb", solution, later)
    (submission,) = found_in(tmp_path).submissions
    assert submission.student == "student-01"
    assert read(submission) == toy()


def test_what_jupyter_and_systems_leave_behind_is_not_handed_in(
    tmp_path, toy, found_in
):
    layouts.write(tmp_path / "student-01" / "00-toy.ipynb", toy())
    later = layouts.TIME + timedelta(days=1)
    for path in (
        ".ipynb_checkpoints/00-toy-checkpoint.ipynb", "._00-toy.ipynb",
        "__MACOSX/00-toy.ipynb", ".venv/lib/00-toy.ipynb",
    ):  # fmt: skip
        layouts.write(tmp_path / "student-01" / path, toy("left"), later)
    layouts.write(tmp_path / ".DS_Store", b"\0")
    found = found_in(tmp_path)
    assert read(found.submissions[0]) == toy()
    assert found.notes == ()


def test_a_broken_notebook_beside_a_good_one_is_said_and_left(
    tmp_path, toy, found_in
):
    layouts.write(tmp_path / "student-01" / "good.ipynb", toy())
    later = layouts.TIME + timedelta(days=1)
    layouts.write(tmp_path / "student-01" / "00-toy.ipynb", b"{", later)
    found = found_in(tmp_path)
    assert read(found.submissions[0]) == toy()
    assert found.notes == (
        "student-01: beside good.ipynb, left out: 00-toy.ipynb cannot be "
        "read, or is none of the exercises.",
    )


def test_a_broken_notebook_alone_is_left_for_the_grader_to_name(
    tmp_path, other, found_in
):
    layouts.write(tmp_path / "student-01" / "00-toy.ipynb", b"{")
    layouts.write(tmp_path / "student-01" / "01-other.ipynb", other)
    layouts.write(tmp_path / "student-02" / "x.ipynb", b"[" * 100_000)
    found = found_in(tmp_path)
    assert read(found.submissions[0]) == b"{"
    assert read(found.submissions[1]) == b"[" * 100_000


def test_a_scratch_notebook_is_not_taken_where_others_are_known(
    tmp_path, other, found_in
):
    layouts.write(tmp_path / "student-01" / "scratch.ipynb", b"{}")
    layouts.write(tmp_path / "student-01" / "01-other.ipynb", other)
    (submission,) = found_in(tmp_path).submissions
    assert refusal(submission) == (
        "There is no notebook of 00-toy in what was handed in: "
        "01-other.ipynb is 01-other, scratch.ipynb is none of the exercises."
    )


def test_a_folder_without_a_notebook_says_what_is_in_it(tmp_path, found_in):
    for number in range(10):
        layouts.write(tmp_path / "student-01" / f"{number}.pdf", b"%PDF")
    (submission,) = found_in(tmp_path).submissions
    assert refusal(submission) == (
        "There is no notebook (.ipynb) in what was handed in: 0.pdf, 1.pdf, "
        "2.pdf, 3.pdf, 4.pdf, 5 more."
    )


# -- hostile files -----------------------------------------------------------


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
    tracemalloc.start()
    (submission,) = found_in(tmp_path).submissions
    assert refusal(submission) == (
        "00-toy.ipynb is too large: 200 MB, and at most 20 MB are read. "
        "Clear the outputs of the notebook, and hand in the notebook alone."
    )
    assert len(submission.digest) == 64
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * MEGABYTE


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


# -- hostile zips ------------------------------------------------------------


def member(information, data, compression=zipfile.ZIP_DEFLATED):
    """Return a zip of one file, with the properties that are given."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        information.compress_type = compression
        archive.writestr(information, data)
    return stream.getvalue()


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
    inside = member(information, toy())
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
    found = in_zip(member(information, toy()))
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
    inside = member(information, b"/etc/passwd")
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
    inside = member(zipfile.ZipInfo("00-toy.ipynb"), toy(), method)
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
    tracemalloc.start()
    submission = in_zip(data).submissions[0]
    assert "too large: 50 MB" in refusal(submission)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * MEGABYTE


def test_a_bomb_that_lies_about_its_size_is_not_unpacked(in_zip):
    claimed = 1_000
    data = bytearray(layouts.zipped({"00-toy.ipynb": b" " * 50 * MEGABYTE}))
    for signature, size in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        place = data.index(signature) + size
        data[place : place + 4] = struct.pack("<I", claimed)
    tracemalloc.start()
    submission = in_zip(handed_in_by_moodle(bytes(data))).submissions[0]
    assert "is damaged" in refusal(submission)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * MEGABYTE


def test_a_notebook_that_packs_well_is_no_bomb(toy, in_zip):
    content = json.loads(toy())
    content["cells"].append({"cell_type": "raw", "source": "0 " * MEGABYTE})
    notebook = json.dumps(content).encode()
    found = in_zip({"student-01/00-toy.ipynb": notebook, "student-02/x": b""})
    assert read(found.submissions[0]) == notebook


def test_a_zip_in_a_zip_that_is_a_bomb_is_not_unpacked(in_zip):
    inside = member(
        zipfile.ZipInfo("x.ipynb"), b" " * 70 * MEGABYTE, zipfile.ZIP_STORED
    )
    data = handed_in_by_moodle(inside)
    assert len(data) < MEGABYTE
    del inside
    tracemalloc.start()
    submission = in_zip(data).submissions[0]
    assert "too large: 70 MB" in refusal(submission)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * MEGABYTE


def test_a_zip_of_too_many_files_is_refused(toy, in_zip):
    many = {f"{n}.txt": b"" for n in range(places.MOST_FILES)}
    inside = layouts.zipped(many | {"00-toy.ipynb": toy()})
    found = in_zip(handed_in_by_moodle(inside))
    assert "holds 10,001 files" in refusal(found.submissions[0])


def test_a_list_of_files_without_end_is_not_read(in_zip):
    entry = struct.pack("<4s42x", b"PK\1\2")
    list_of_files = entry * 100_000
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, 65_535, 65_535, len(list_of_files), 0, 0
    )
    data = handed_in_by_moodle(list_of_files + end)
    tracemalloc.start()
    submission = in_zip(data).submissions[0]
    assert "its list of files is too long" in refusal(submission)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * MEGABYTE


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


# -- hostile names -----------------------------------------------------------

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
        data = member(information, toy()).replace(b"xx/", name + b"/")
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


# -- times of the teacher's own ----------------------------------------------


def test_a_table_of_times_goes_before_what_was_found(toy, in_zip, tmp_path):
    found = in_zip({
        f"Student One_{n}_assignsubmission_file/00-toy.ipynb": toy(n)
        for n in (101, 102, 103)
    })  # fmt: skip
    table = tmp_path / "times.csv"
    table.write_text(
        "\ufeffgroup;Student;Submitted\n"
        "a;101;2026-11-20 18:00+01:00\n"
        "a;Student One 102;2026-11-20T17:00:00Z\n"
        "b;Student Nine;2026-11-21\n"
        "b;103;\n",
        "utf-8",
    )
    times = times_from_csv(table)
    timed = with_times(found, times)
    assert [one.received for one in timed.submissions] == [
        layouts.TIME,
        layouts.TIME,
        None,
    ]
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
        (b"student,submitted\n\xff,2026-11-20\n", "not text in UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_table_that_cannot_be_read_says_where(text, words, tmp_path):
    table = tmp_path / "times.csv"
    if text is not None:
        table.write_bytes(text)
    with pytest.raises(UnusableError, match=re.escape(words)):
        times_from_csv(table)
