"""nbgrader's gradebook: what is written, what a person's marks do in it."""

import csv
import json
import shutil
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from graded_class import (
    CLASS,
    DUE,
    WRONG,
    graded,
    grades_of,
    results,
)
from nbgrader.api import Course, Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.plugins.export import CsvExportPlugin
from nbgrader.preprocessors import GetGrades
from traitlets.config import Config

from attnbook.grading.classroom import points
from attnbook.grading.records.gradebook import database as database_module
from attnbook.grading.records.gradebook.database import address, opened
from attnbook.grading.records.gradebook.students import student_ids
from attnbook.grading.records.publish import Options, PublishError, publish
from attnbook.grading.records.results import key_of, write

# One class is published for all.
pytestmark = pytest.mark.xdist_group("records")


def url(out):
    return f"sqlite:///{out / 'gradebook.db'}"


def grade(out, student, item="00-halve"):
    """Return the gradebook's numbers of an item."""
    with Gradebook(url(out)) as book:
        found = book.find_grade(item, "00-toy", "00-toy", student)
        return {
            "auto": found.auto_score,
            "manual": found.manual_score,
            "score": found.score,
            "waits": found.needs_manual_grade,
        }


def by_formgrader(out, student, item="00-halve", **values):
    """Enter something as formgrader does."""
    with Gradebook(url(out)) as book:
        found = book.find_grade(item, "00-toy", "00-toy", student)
        comment = book.find_comment(
            f"{item}-answer", "00-toy", "00-toy", student
        )
        for name, value in values.items():
            setattr(comment if "comment" in name else found, name, value)
        book.db.commit()


def regrade(out, student, outcomes=None, **more):
    write(out, graded(student, outcomes, **more))
    publish(out)


# -- what nbgrader reads ---------------------------------------------------


def test_nbgrader_finds_the_course_and_its_grades(first):
    with Gradebook(url(first)) as book:
        assignment = book.find_assignment("00-toy")
        assert (assignment.max_score, assignment.num_submissions) == (20, 5)
        notebook = book.find_notebook("00-toy", "00-toy")
        assert [cell.name for cell in notebook.solution_cells] == [
            f"00-{name}-answer"
            for name in ("double", "negate", "halve", "third")
        ]
        locked = book.find_source_cell("00-halve", "00-toy", "00-toy")
        assert locked.locked
        assert locked.source == "checks.check_halve(halve)"
        scores = {
            row["student"]: (row["score"], row["max_score"])
            for row in book.submission_dicts("00-toy")
        }
        assert scores["student-01"] == (20, 20)
        assert scores["student-02"] == (5, 20)
        waiting = {
            row["student"]
            for row in book.notebook_submission_dicts("00-toy", "00-toy")
            if row["needs_manual_grade"]
        }
        assert waiting == {"student-05"}
        comment = book.find_comment(
            "00-halve-answer", "00-toy", "00-toy", "student-02"
        )
        assert "You divided by three." in comment.comment


def test_nbgrader_exports_the_same_totals(out, tmp_path):
    write(out, graded("student-03", received=DUE + timedelta(hours=30)))
    rule = {"share": 0.1}
    publish(out, Options(exercise="00-toy", due=DUE, rule=rule))
    by_formgrader(out, "student-02", manual_score=3.0)
    publish(out)
    path = tmp_path / "exported.csv"
    with Gradebook(url(out)) as book:
        CsvExportPlugin(to=str(path)).export(book)
    with path.open(newline="") as file:
        exported = {row["student_id"]: row for row in csv.DictReader(file)}
    ours = grades_of(out)
    assert set(exported) == set(ours)
    for student, row in exported.items():
        assert float(row["score"]) == (ours[student]["total"] or 0)
        assert (
            float(row["late_submission_penalty"]) == (ours[student]["penalty"])
        )
    assert exported["student-03"]["late_submission_penalty"] == "4.0"
    assert exported["student-03"]["duedate"] == "2026-12-01 12:00:00"
    assert exported["student-03"]["timestamp"] == "2026-12-02 18:00:00"
    assert ours["student-02"]["total"] == 8


def test_formgrader_finds_each_notebook_that_was_graded(first):
    import nbformat

    configuration = Config()
    configuration.CourseDirectory.root = str(first)
    configuration.CourseDirectory.db_url = url(first)
    api = NbGraderAPI(config=configuration)
    assert [each["name"] for each in api.get_assignments()] == ["00-toy"]
    found = api.get_notebook_submissions("00-toy", "00-toy")
    students = {row["student"] for row in found}
    assert students == {f"student-0{n}" for n in range(1, 5)}
    path = first / "autograded" / "student-02" / "00-toy" / "00-toy.ipynb"
    resources = {
        "nbgrader": {
            "notebook": "00-toy",
            "assignment": "00-toy",
            "student": "student-02",
            "db_url": url(first),
        }
    }
    notebook = nbformat.read(path, as_version=4)
    notebook, resources = GetGrades().preprocess(notebook, resources)
    assert resources["nbgrader"]["score"] == 5
    assert resources["nbgrader"]["max_score"] == 20


def test_the_sources_of_a_course_are_left_alone(out):
    place = out / "source" / "00-toy"
    shutil.rmtree(place)
    place.mkdir()
    (place / "00-toy.ipynb").write_text("the course's own")
    publish(out)
    assert [path.name for path in place.iterdir()] == ["00-toy.ipynb"]


# -- what people enter -----------------------------------------------------


def test_what_a_person_enters_survives_a_regrade_and_counts(out):
    by_formgrader(
        out,
        "student-03",
        manual_score=4.0,
        extra_credit=0.5,
        needs_manual_grade=True,
        manual_comment="Nearly.",
    )
    regrade(out, "student-03", results(**WRONG))
    assert grade(out, "student-03") == {
        "auto": 0,
        "manual": 4,
        "score": 4.5,
        "waits": True,
    }
    ours = grades_of(out)["student-03"]
    assert (ours["total"], ours["by_hand"]) == (9.5, 4.5)
    assert ours["items"][2]["comment"] == "Nearly."
    page = (out / ours["feedback"]).read_text("utf-8")
    assert "Nearly." in page
    assert "9.5 of 20 points" in page
    regrade(out, "student-03")
    assert grade(out, "student-03") == {
        "auto": 5,
        "manual": 4,
        "score": 4.5,
        "waits": True,
    }


def test_a_regrade_replaces_what_the_checks_said(out):
    assert grade(out, "student-02")["auto"] == 0
    regrade(out, "student-02")
    assert grade(out, "student-02")["auto"] == 5
    with Gradebook(url(out)) as book:
        comment = book.find_comment(
            "00-halve-answer", "00-toy", "00-toy", "student-02"
        )
        assert comment.comment is None


def test_what_could_not_be_graded_waits_for_a_person(out):
    waiting = {"auto": None, "manual": None, "score": 0, "waits": True}
    assert grade(out, "student-05") == waiting
    assert grades_of(out)["student-05"]["total"] is None
    regrade(out, "student-05")
    assert grade(out, "student-05")["waits"] is False
    assert grades_of(out)["student-05"]["total"] == 20


def test_names_that_a_teacher_entered_stay(out):
    with Gradebook(url(out)) as book:
        book.update_or_create_student(
            "student-01", first_name="Six", last_name="Student"
        )
    known = {"full_name": "Another Name", "email": "one@example.org"}
    regrade(out, "student-01", identifiers=known)
    with Gradebook(url(out)) as book:
        student = book.find_student("student-01")
        assert (student.first_name, student.last_name) == ("Six", "Student")
        assert student.email == "one@example.org"


def test_an_extension_is_kept_as_nbgrader_keeps_it(out):
    own = DUE + timedelta(days=2)
    rule = {"share": 0.1, "extensions": {"student-01": own}}
    publish(out, Options(exercise="00-toy", due=DUE, rule=rule))
    with Gradebook(url(out)) as book:
        submission = book.find_submission("00-toy", "student-01")
        assert submission.extension == timedelta(days=2)
        assert submission.total_seconds_late == 0


def test_cells_of_an_older_release_go_unless_a_person_marked_them(out):
    with Gradebook(url(out)) as book:
        for name in ("00-old", "00-marked"):
            book.add_grade_cell(
                name, "00-toy", "00-toy", max_score=2, cell_type="code"
            )
        submission = book.find_submission_notebook(
            "00-toy", "00-toy", "student-01"
        )
        from nbgrader.api import Grade

        for name in ("00-old", "00-marked"):
            cell = book.find_grade_cell(name, "00-toy", "00-toy")
            book.db.add(Grade(cell=cell, notebook=submission, auto_score=1))
        book.db.commit()
        book.find_grade(
            "00-marked", "00-toy", "00-toy", "student-01"
        ).manual_score = 2.0
        book.db.commit()
    publish(out)
    with Gradebook(url(out)) as book:
        notebook = book.find_notebook("00-toy", "00-toy")
        names = {cell.name for cell in notebook.grade_cells}
    assert "00-old" not in names
    assert "00-marked" in names


@pytest.fixture
def release_with_an_essay(course, tmp_path):
    """Return a release with an answer that a person has to read."""
    folder = shutil.copytree(course / "exercises", tmp_path / "exercises")
    path = folder / "00-toy.ipynb"
    content = json.loads(path.read_text("utf-8"))
    essay = {
        "cell_type": "markdown",
        "id": "essay",
        "metadata": {
            "nbgrader": {
                "grade": True,
                "grade_id": "00-essay",
                "locked": False,
                "points": 4,
                "schema_version": 3,
                "solution": True,
                "task": False,
            }
        },
        "source": "Say why.",
    }
    content["cells"].append(essay)
    path.write_text(json.dumps(content), "utf-8")
    return folder


def test_an_answer_that_a_person_reads_waits_and_counts(
    out, release_with_an_essay
):
    publish(out, Options(release=release_with_an_essay))
    ours = grades_of(out)["student-01"]
    assert (ours["total"], ours["out_of"]) == (20, 24)
    assert grade(out, "student-01", "00-essay")["waits"] is True
    assert "waits for a person" in (out / ours["feedback"]).read_text("utf-8")
    assert "Waiting for a person" in (out / "index.html").read_text("utf-8")
    with Gradebook(url(out)) as book:
        found = book.find_grade("00-essay", "00-toy", "00-toy", "student-01")
        found.manual_score, found.needs_manual_grade = 3.0, False
        book.db.commit()
    publish(out)
    assert grades_of(out)["student-01"]["total"] == 23


# -- ids -------------------------------------------------------------------


def test_a_student_is_called_as_they_are_where_nbgrader_can():
    names = ["student-01", "Åsa B. 12", "a/b", "..", "-x", "=1", "x,y", "<b>"]
    ids = student_ids(names)
    assert ids["student-01"] == "student-01"
    assert ids["Åsa B. 12"] == "Åsa B. 12"
    for name in names[2:]:
        assert ids[name] == key_of(name)


def test_nobody_takes_another_ones_place_by_a_name():
    victim = "a/b"
    ids = student_ids([victim, key_of(victim)])
    assert len(set(ids.values())) == 2
    assert ids[victim] == key_of(victim)


# -- what goes wrong -------------------------------------------------------


def test_a_gradebook_in_use_is_said_and_nothing_is_changed(out, monkeypatch):
    before = grade(out, "student-02")
    page = (out / "index.html").read_bytes()
    with sqlite3.connect(out / "gradebook.db") as database:
        database.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(database_module, "_PATIENCE", 0.1)
        with pytest.raises(PublishError, match="database is locked"):
            regrade(out, "student-02")
    assert (out / "index.html").read_bytes() == page
    assert grade(out, "student-02") == before


def test_the_course_is_there_before_nbgrader_looks_for_it(
    tmp_path, monkeypatch
):
    """Else two graders at one new file could both insert it."""
    found = []

    def look(book, course_id="default_course"):
        found.extend(course.id for course in book.db.query(Course))
        assert course_id == "default_course"

    monkeypatch.setattr(Gradebook, "check_course", look)
    for _ in "new", "old":
        with opened(address("", tmp_path)):
            pass
    assert found == ["default_course"] * 2


def test_a_failure_half_way_leaves_the_gradebook_as_it_was(out, monkeypatch):
    before = grade(out, "student-02")

    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(
        "attnbook.grading.records.gradebook.book.Book.charge", fail
    )
    with pytest.raises(RuntimeError):
        regrade(out, "student-02")
    assert grade(out, "student-02") == before


@pytest.mark.parametrize(
    ("database", "told"),
    [
        ("gradebook.db", "is not understood: expected one such as sqlite"),
        ("nosuch://host/name", "of a kind that SQLAlchemy does not know"),
        ("sqlite:////proc/none/gradebook.db", "cannot be written"),
        ("mysql+pymysql://me:secret@host/name", "needs pymysql"),
    ],
)
def test_an_address_that_does_not_work_is_said(out, database, told):
    with pytest.raises(PublishError, match=told) as error:
        publish(out, Options(database=database))
    assert "secret" not in str(error.value)


def test_a_file_that_is_no_gradebook_is_said(out):
    (out / "gradebook.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(PublishError, match="file is not a database"):
        publish(out)


def test_another_gradebook_is_used_from_then_on(out, tmp_path):
    other = tmp_path / "other" / "course.db"
    shutil.copytree(out, tmp_path / "copy")
    other.parent.mkdir()
    shutil.copy(out / "gradebook.db", other)
    publish(out, Options(database=f"sqlite:///{other}"))
    (out / "gradebook.db").unlink()
    regrade(out, "student-02")
    assert not (out / "gradebook.db").exists()
    with Gradebook(f"sqlite:///{other}") as book:
        found = book.find_submission("00-toy", "student-02")
        assert found.score == 20


# -- the command -----------------------------------------------------------


def run(capsys, out, *arguments):
    status = points.main([str(out), *arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


GIVE = ("--student", "student-02", "--exercise", "00-halve")


def test_points_are_given_listed_changed_and_taken_back(out, capsys):
    why = ("--reason", "The idea is right.")
    status, said, _ = run(capsys, out, *GIVE, "--points", "3", *why)
    line = (
        "student-02, 00-halve: 3 of 5 points by hand, 0 by the check. "
        "The idea is right.\n"
    )
    assert (status, said) == (0, line)
    assert grades_of(out)["student-02"]["total"] == 8
    regrade(out, "student-02", results(**WRONG))
    assert grades_of(out)["student-02"]["total"] == 8
    assert run(capsys, out, "--list")[1] == line
    run(capsys, out, *GIVE, "--points", "4", "--reason", "After all.")
    with Gradebook(url(out)) as book:
        comment = book.find_comment(
            "00-halve-answer", "00-toy", "00-toy", "student-02"
        )
        assert comment.manual_comment == "By hand: After all."
    status, said, _ = run(capsys, out, *GIVE, "--remove")
    assert (status, said) == (0, "student-02, 00-halve: 0 of 5 points\n")
    assert run(capsys, out, "--list")[1] == "Nobody has points by hand.\n"
    assert grade(out, "student-02")["waits"] is False


def test_a_persons_own_comment_stays_beside_the_reason(out, capsys):
    by_formgrader(out, "student-02", manual_comment="See me.")
    run(capsys, out, *GIVE, "--points", "3", "--reason", "Nearly.")
    assert grades_of(out)["student-02"]["items"][2]["comment"] == (
        "See me.\nBy hand: Nearly."
    )
    run(capsys, out, *GIVE, "--remove")
    assert grades_of(out)["student-02"]["items"][2]["comment"] == "See me."


def test_who_could_not_be_graded_can_get_points(out, capsys):
    mine = ("--student", key_of("student-05"), "--exercise", "00-third")
    run(capsys, out, *mine, "--points", "2", "--reason", "On paper.")
    assert grades_of(out)["student-05"]["total"] == 2
    run(capsys, out, *mine, "--remove")
    assert grades_of(out)["student-05"]["total"] is None
    assert grade(out, "student-05", "00-third")["waits"] is True


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Say whose points and which"),
        (GIVE, "Expected one of --points NUMBER and --remove"),
        ((*GIVE, "--points", "3"), "Say why"),
        ((*GIVE, "--points", "6", "--reason", "x"), "expected from 0 to 5"),
        ((*GIVE, "--points", "-1", "--reason", "x"), "expected from 0 to 5"),
        ((*GIVE, "--points", "nan", "--reason", "x"), "expected from 0 to 5"),
        ((*GIVE, "--remove"), "student-02 has no points by hand"),
        (
            ("--student", "student-2", *GIVE[2:], "--remove"),
            "There is no result of student-2 in",
        ),
        (
            (*GIVE[:2], "--exercise", "00-half", "--remove"),
            "student-02 has no graded cell 00-half. There are: 00-double",
        ),
    ],
)
def test_what_cannot_be_given_is_said(out, capsys, arguments, told):
    status, said, error = run(capsys, out, *arguments)
    assert (status, said) == (2, "")
    assert told in error
    assert error.count("\n") == 1
    assert grades_of(out).keys() == {one.student for one in CLASS}


def test_points_wait_for_a_grader_at_work(out, capsys):
    holding = "import sys, pathlib\n"
    holding += "from attnbook.grading.classroom.runs import alone\n"
    holding += "with alone(pathlib.Path(sys.argv[1])): print(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as grader:
        grader.stdout.readline()
        status, _, error = run(capsys, out, "--list")
        grader.communicate(b"\n")
    assert status == 2
    assert "Another grader is at work" in error
    assert run(capsys, out, "--list")[0] == 0
    status, _, error = run(capsys, out / "none", "--list")
    assert (status, (out / "none").exists()) == (2, False)
    assert "There is no folder" in error
