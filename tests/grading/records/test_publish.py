"""What is published of a class: complete, the same again, and harmless."""

import csv
import io
import json
import re
import shutil
import sqlite3
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from graded_class import (
    CLASS,
    DUE,
    SLIP,
    graded,
    grades_of,
    result,
    results,
)
from hypothesis import given
from hypothesis import strategies as st
from nbgrader.api import Gradebook
from nbgrader.plugins import CsvExportPlugin
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from attnbook.grading.records import publish as publishing
from attnbook.grading.records import tables
from attnbook.grading.records.formulas import as_read, harmless
from attnbook.grading.records.publish import Options, PublishError, publish
from attnbook.grading.records.results import key_of, path_of, write

# One class is published for all.
pytestmark = pytest.mark.xdist_group("records")

HOSTILE = (
    "</td><script>alert(1)</script>",
    '=HYPERLINK("http://x","y")',
    "../../../etc/passwd",
    "student\u202e\x1b[31m-09",
    "Points Possible",
    "x" * 10_000,
    "\ud800'\"\r\n",
)
LATE = {"share": 0.1, "most": 0.5}


def snapshot(out):
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.suffix != ".db"
    }


def dump(out):
    with sqlite3.connect(out / "gradebook.db") as database:
        return sorted(database.iterdump())


def read(path):
    text = path.read_bytes().decode("utf-8-sig")
    return [
        [as_read(cell) for cell in row]
        for row in csv.reader(io.StringIO(text, newline=""))
    ]


class Page(HTMLParser):
    """A page's tags, all closed, and the text that it shows."""

    def __init__(self, path):
        super().__init__()
        self.open, self.seen, self.links, self.text = [], [], [], ""
        self.feed(path.read_text("utf-8"))
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.text += " "
        self.links += [v for k, v in attributes if k in ("src", "href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


# -- all of it -------------------------------------------------------------


def test_everything_that_is_promised_is_there(first):
    found = {path.split("/")[0] for path in snapshot(first)}
    assert found == {
        "autograded",
        "feedback",
        "grades-canvas.csv",
        "grades-moodle.csv",
        "grades.csv",
        "grades.json",
        "index.html",
        "nbgrader_config.py",
        "publish.json",
        "results",
        "source",
    }
    assert (first / "gradebook.db").exists()
    for one in CLASS:
        page = Page(first / "feedback" / key_of(one.student) / "00-toy.html")
        assert one.student in page.text


def test_publishing_again_changes_no_byte_and_writes_no_file(out):
    before, rows = snapshot(out), dump(out)
    times = {p: p.stat().st_mtime_ns for p in out.rglob("*.html")}
    publish(out)
    assert snapshot(out) == before
    assert dump(out) == rows
    assert {p: p.stat().st_mtime_ns for p in times} == times


def test_the_order_of_grading_changes_nothing(first, course, tmp_path):
    for one in reversed(CLASS):
        write(tmp_path, one)
        publish(tmp_path, Options(release=course / "exercises"))
    assert dump(tmp_path) == dump(first)
    ours, theirs = snapshot(tmp_path), snapshot(first)
    assert ours == theirs


def test_nothing_to_publish_is_said(tmp_path):
    with pytest.raises(PublishError, match="There are no results in"):
        publish(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_result_stops_before_anything_changes(out):
    before, rows = snapshot(out), dump(out)
    path = path_of(out, "student-02", "00-toy")
    damaged = path.relative_to(out).as_posix()
    path.write_text("{", "utf-8")
    with pytest.raises(PublishError, match="is damaged"):
        publish(out, Options(exercise="00-toy", due=DUE))
    assert snapshot(out) == before | {damaged: b"{"}
    assert dump(out) == rows


def test_a_release_that_is_missing_is_said(out, tmp_path):
    with pytest.raises(PublishError, match=r"--release"):
        publish(out, Options(release=tmp_path))


def test_damaged_settings_are_said(out):
    (out / "publish.json").write_text("{}", "utf-8")
    with pytest.raises(PublishError, match=r"publish\.json is damaged"):
        publish(out)


# -- what students are called ----------------------------------------------


@pytest.fixture(scope="module")
def hostile(course, first, tmp_path_factory):
    """Return the folder of a class with hostile names in every place."""
    out = shutil.copytree(first, tmp_path_factory.mktemp("hostile") / "out")
    for name in HOSTILE:
        wrong = result("third", f"✗ {name}\n  {name}", mistake=name)
        one = graded(
            name,
            results(third=wrong),
            notes=[name],
            place=name,
            sources={"00-double-answer": name},
            identifiers={"full_name": name, "email": name, "moodle_id": "7"},
        )
        write(out, one)
    publish(out)
    return out


def test_hostile_names_stay_text_on_every_page(hostile):
    pages = [hostile / "index.html", *hostile.glob("feedback/*/*.html")]
    assert len(pages) == 1 + len(CLASS) + len(HOSTILE)
    for path in pages:
        page = Page(path)
        assert "script" not in page.seen
        assert "\x1b" not in page.text
        assert "\u202e" not in page.text
        for link in page.links:
            assert not re.match(r"[a-z]+:|/", link)
            assert ".." not in link
            assert (path.parent / link).is_file()


def test_hostile_names_make_no_file_elsewhere(hostile):
    assert {p.name for p in hostile.parent.iterdir()} == {"out"}
    for folder in ("feedback", "autograded"):
        for path in (hostile / folder).iterdir():
            assert re.fullmatch(r"\w[\w -]*\w", path.name)


def test_no_cell_of_a_table_is_a_formula(hostile):
    for path in hostile.glob("*.csv"):
        text = path.read_text("utf-8-sig")
        for row in csv.reader(io.StringIO(text, newline="")):
            for cell in row:
                assert not re.match(r"\s*[=+@\t\r\n]|-(?!\d)", cell), path


def test_no_name_is_taken_for_canvas_line_of_points(hostile):
    rows = read(hostile / "grades-canvas.csv")
    assert sum("Points Possible" in row[0] for row in rows) == 1


def test_names_are_whole_in_the_table_for_people(hostile):
    students = {row[0] for row in read(hostile / "grades.csv")}
    for name in HOSTILE:
        text = name.encode("utf-8", "replace").decode()
        assert text in students


@given(st.text())
def test_a_text_is_no_formula_and_is_read_as_it_was(text):
    text = text.encode("utf-8", "replace").decode().replace("\0", "")
    written = harmless(text)
    assert not re.match(r"\s*[=+\-@＝＋－＠]", written)
    assert written[:1] not in ("\t", "\r", "\n")
    assert as_read(written) == text


@pytest.mark.parametrize(
    "text", ["=1", "'=1", "''=1", " =1", "'", "a=1", "'a"]
)
def test_quotes_are_told_apart(text):
    assert as_read(harmless(text)) == text
    assert (harmless(text) != text) == ("=1" in text and text[0] != "a")


def test_numbers_stay_numbers():
    assert harmless(-2.5) == -2.5
    assert harmless("-2.5") == "'-2.5"


# -- tables ----------------------------------------------------------------


def test_the_json_has_the_members_that_are_documented(first):
    content = json.loads((first / "grades.json").read_text("utf-8"))
    text = tables.__doc__
    table, _, rest = text.partition("A grade has")
    assert re.findall(r"^``(\w+)``", table, re.MULTILINE) == list(content)
    for members, place in (
        (content["grades"][0], rest.partition("An item has")[0]),
        (content["grades"][0]["items"][0], rest.partition("An item has")[2]),
        (content["exercises"][0], table),
        (content["exercises"][0]["items"][0], table),
    ):
        assert set(members) <= set(re.findall(r"``(\w+)``", place))
    assert content["schema"] == tables.SCHEMA


def test_the_table_for_people_has_the_points(first):
    header, *rows = read(first / "grades.csv")
    by_student = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    row = by_student["student-02"]
    assert [row[f"00-{n}"] for n in ("double", "negate", "halve")] == [
        "5",
        "0",
        "0",
    ]
    assert (row["points"], row["total"], row["out of"]) == ("5", "5", "20")
    assert row["isolation"] == "bubblewrap"
    lost = by_student["student-05"]
    assert (lost["total"], lost["status"]) == ("", "unusable")
    assert "is empty" in lost["reason"]
    assert (first / row["feedback"]).is_file()


def test_canvas_gets_its_columns_and_the_points_possible(out):
    publish(out, Options(exercise="00-toy", canvas="Toys (1234)"))
    header, possible, *rows = read(out / "grades-canvas.csv")
    assert header == [
        "Student",
        "ID",
        "SIS User ID",
        "SIS Login ID",
        "Section",
        "Toys (1234)",
    ]
    assert possible == ["    Points Possible", "", "", "", "", "20"]
    assert rows[0] == ["student-01", "", "", "", "", "20"]
    assert rows[4] == ["student-05", "", "", "", "", ""]
    publish(out)
    assert read(out / "grades-canvas.csv")[0] == header


def test_moodle_gets_its_worksheet(out):
    known = {
        "moodle_id": "4711",
        "full_name": "Student Six",
        "email": "six@example.org",
    }
    write(out, graded("student-06", identifiers=known))
    publish(out)
    header, *rows = read(out / "grades-moodle.csv")
    row = dict(zip(header, rows[-1], strict=True))
    assert {"Identifier", "Grade", "Last modified (grade)"} <= set(header)
    assert row["Identifier"] == "Participant 4711"
    assert row["Full name"] == "Student Six"
    assert (row["Grade"], row["Maximum grade"]) == ("20", "20")
    assert row["Feedback comments"].endswith("<br>Total: 20 of 20")


def test_a_folder_may_hold_several_exercises(out):
    assert (out / "grades-moodle.csv").exists()
    double = replace(result("double"), grade_id="01-double")
    other = graded("student-01", (double,), exercise="01-other")
    write(out, replace(other, report=replace(other.report, title="Other")))
    publish(out)
    header, *rows = read(out / "grades.csv")
    assert {"00-double", "01-double"} <= set(header)
    by_exercise = {
        row[1]: dict(zip(header, row, strict=True)) for row in rows[:2]
    }
    assert by_exercise["00-toy"]["01-double"] == ""
    assert by_exercise["01-other"]["01-double"] == "5"
    header, possible, first, *_ = read(out / "grades-canvas.csv")
    assert header[5:] == ["00-toy", "01-other"]
    assert (possible[5:], first[5:]) == (["20", "5"], ["20", "5"])
    assert {path.name for path in out.glob("grades-moodle*")} == {
        "grades-moodle-00-toy.csv",
        "grades-moodle-01-other.csv",
    }
    page = Page(out / "index.html")
    assert page.seen.count("h2") == 2
    assert all((out / link).is_file() for link in page.links)


def test_what_nbgrader_exports_is_a_table_of_its_own(out, monkeypatch):
    before = snapshot(out)
    monkeypatch.chdir(out)
    settings = PyFileConfigLoader("nbgrader_config.py", str(out)).load_config()
    with Gradebook("sqlite:///gradebook.db") as gradebook:
        CsvExportPlugin(config=settings).export(gradebook)
        theirs = read(out / "grades-nbgrader.csv")
        assert theirs[0][:1] == ["assignment"]
        assert len(theirs) == 1 + len(CLASS)
        assert before.items() <= snapshot(out).items()
        # As `--to` does on the command line.
        settings.merge(Config({"ExportPlugin": {"to": "mine.csv"}}))
        CsvExportPlugin(config=settings).export(gradebook)
    assert read(out / "mine.csv") == theirs


def test_the_settings_of_a_course_stay(out):
    settings = out / "nbgrader_config.py"
    settings.write_text("# a teacher's own\n")
    publish(out)
    assert settings.read_text() == "# a teacher's own\n"


# -- lateness --------------------------------------------------------------


def test_a_deadline_counts_everywhere_and_holds(out):
    late = graded("student-03", received=DUE + timedelta(hours=30))
    write(out, late)
    publish(out, Options(exercise="00-toy", due=DUE, rule=LATE))
    publish(out)
    grade = grades_of(out)["student-03"]
    assert (grade["penalty"], grade["total"]) == (4, 16)
    assert grade["late"] == "2 days late"
    page = Page(out / grade["feedback"])
    assert "16 of 20 points" in page.text
    assert "2 days late" in page.text
    assert "2 days late" in Page(out / "index.html").text
    header, *rows = read(out / "grades.csv")
    assert rows[2][header.index("late penalty")] == "4"
    publish(out, Options(exercise="00-toy", is_due_dropped=True))
    assert grades_of(out)["student-03"]["total"] == 20


def test_a_rule_is_changed_member_by_member(out):
    late = graded("student-03", received=DUE + timedelta(hours=30))
    write(out, late)
    publish(out, Options(exercise="00-toy", due=DUE, rule=LATE))
    exempt = {"extensions": {"student-03": None}}
    publish(out, Options(exercise="00-toy", rule=exempt))
    assert grades_of(out)["student-03"]["total"] == 20
    publish(out, Options(exercise="00-toy", rule={"extensions": {}}))
    assert grades_of(out)["student-03"]["total"] == 16


def test_an_extension_is_that_of_whom_the_table_means(out):
    late = graded("student-03", received=DUE + timedelta(hours=30))
    write(out, late)
    exempt = LATE | {"extensions": {" STUDENT-03": None, "student-09": DUE}}
    publish(out, Options(exercise="00-toy", due=DUE, rule=exempt))
    assert grades_of(out)["student-03"]["total"] == 20
    text = " ".join(Page(out / "index.html").text.split())
    assert "handed in nothing under this name: student-09." in text


def test_an_extension_for_nobody_is_said(out):
    rule = {"extensions": {"studnet-03": DUE + timedelta(days=1)}}
    publish(out, Options(exercise="00-toy", due=DUE, rule=rule))
    text = " ".join(Page(out / "index.html").text.split())
    assert "handed in nothing under this name: studnet-03." in text


def test_a_rule_without_a_deadline_is_refused(out):
    with pytest.raises(PublishError, match="needs a deadline"):
        publish(out, Options(exercise="00-toy", rule=LATE))


def test_the_command_line_says_the_same(capsys):
    parser = publishing.argparse.ArgumentParser()
    publishing.add_arguments(parser)
    read = parser.parse_args(
        [
            "--due",
            "2026-12-01T12:00Z",
            "--late-penalty",
            "10%",
            "--late-per",
            "hour",
            "--late-zero-after",
            "7d",
            "--grace",
            "15min",
        ]
    )
    options = publishing.options_of(read, "00-toy")
    assert options.due == DUE
    assert options.rule == {
        "share": 0.1,
        "per": "hour",
        "zero_after": timedelta(days=7),
        "grace": timedelta(minutes=15),
    }
    dropped = publishing.options_of(parser.parse_args(["--due", "none"]))
    assert dropped.is_due_dropped
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["--due", "2026-12-01T12:00"])
    assert end.value.code == 2
    assert "needs a time zone" in capsys.readouterr().err


# -- pages -----------------------------------------------------------------


def test_the_class_page_tells_a_teacher_what_to_teach(first):
    text = " ".join(Page(first / "index.html").text.split())
    assert "5 students" in text
    assert "4 of 5 submissions were graded in a sandbox" in text
    assert "13.8 / 20" in text
    assert "2 the wrong divisor You divided by three." in text
    assert "Look again: at the word half." in text
    assert "1 not written" in text
    assert "1 wrong without a known mistake" in text
    assert "Not graded: 1 student" in text
    assert "Crashed: 1 student" in text
    assert "was edited and was restored" in text
    assert "Cell 3 failed: NameError." in text
    assert "Grading took 2.0 s in all" in text
    assert "Unprotected" not in text


def test_the_class_page_warns_of_grades_without_a_sandbox(out):
    write(out, graded("student-06", isolation="none"))
    publish(out)
    text = " ".join(Page(out / "index.html").text.split())
    assert "Unprotected: 1 of 6 submissions" in text
    header, *rows = read(out / "grades.csv")
    assert rows[-1][header.index("isolation")] == "unprotected"


def test_similar_submissions_are_a_question(out):
    body = "\n".join(f"    v{n} = number * {n} + {n}" for n in range(20))
    source = {"00-double-answer": f"def double(number):\n{body}\n"}
    for student in ("student-02", "student-03"):
        old = next(one for one in CLASS if one.student == student)
        write(out, graded(student, old.report.results, sources=source))
    publish(out)
    text = " ".join(Page(out / "index.html").text.split())
    assert "a question to ask, not a verdict" in text
    assert "student-02, student-03 Double 100%" in text


def test_a_student_reads_points_and_messages(first):
    page = Page(first / "feedback" / key_of("student-02") / "00-toy.html")
    assert "5 of 20 points" in page.text
    assert "You divided by three." in page.text
    assert SLIP.splitlines()[0] not in page.text
    empty = Page(first / "feedback" / key_of("student-05") / "00-toy.html")
    assert "student-05.ipynb is empty. Save it." in empty.text
    assert "of 20 points" not in empty.text


def test_the_notebook_as_graded_has_the_answers_and_the_messages(out):
    import nbformat

    source = {"00-halve-answer": "def halve(number):\n    return number / 3"}
    write(out, graded("student-06", CLASS[2].report.results, sources=source))
    publish(out)
    path = out / "autograded" / "student-06" / "00-toy" / "00-toy.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = {
        cell.metadata.nbgrader.grade_id: cell
        for cell in notebook.cells
        if "nbgrader" in cell.metadata
    }
    assert cells["00-halve-answer"].source == source["00-halve-answer"]
    (output,) = cells["00-halve"].outputs
    assert "You divided by three." in "\n".join(output.traceback)
    assert cells["00-double"].outputs[0].text == "✓ Double"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_axe_finds_no_violation_and_nothing_is_cut_off(
    hostile, chromium, theme, width
):
    from axe_playwright_python.sync_playwright import Axe

    student = hostile / "feedback" / key_of("student-02") / "00-toy.html"
    context = chromium.new_context(
        color_scheme=theme, viewport={"width": width, "height": 800}
    )
    asked = []
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    for path in (hostile / "index.html", student):
        page.goto(path.as_uri())
        assert page.evaluate(
            "document.documentElement.scrollWidth <= window.innerWidth"
        )
        found = Axe().run(page).response["violations"]
        assert [violation["id"] for violation in found] == []
    assert {url.split(":")[0] for url in asked} == {"file"}
    context.close()
