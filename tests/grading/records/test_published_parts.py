"""An exercise of two parts on the pages, in the tables and by its name."""

import copy
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from graded_class import CLASS, graded, grades_of
from graded_class import results as toy_results
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook

from attnbook.grading.classroom import points
from attnbook.grading.notebook.read import parse
from attnbook.grading.notebook.release import Release
from attnbook.grading.records import class_page, tables
from attnbook.grading.records.grades import exercise_of, grade_of
from attnbook.grading.records.publish import Options, publish
from attnbook.grading.records.results import write
from attnbook.grading.report import Result
from attnbook.judging import messages

# One class is published for all.
pytestmark = pytest.mark.xdist_group("records")

SLIP = (
    "✗ Halve, part {part}\n"
    "  Case “three”: output should be 1.5.\n"
    "  This looks like a known mistake: the wrong divisor.\n"
    "  You divided by three.\n"
    "  Look again: at the word half."
)


def cell(grade_id, source, points=0):
    marks = {
        "grade_id": grade_id,
        "grade": points > 0,
        "locked": points > 0,
        "solution": points == 0,
        "points": points,
        "schema_version": 3,
    }
    return new_code_cell(source, metadata={"nbgrader": marks})


@pytest.fixture(scope="module")
def release():
    cells = [
        new_markdown_cell("# A toy chapter\n\n## Double"),
        cell("00-double-answer", "def double(x): ..."),
        cell("00-double", "checks.check_double(double)", points=4),
        new_markdown_cell("## Halve"),
        cell("00-halve-answer", "def halve(x): ..."),
    ]
    for place, (name, title, out_of) in enumerate(
        [("values", "whole numbers", 3), ("odd", "odd numbers", 1)], start=1
    ):
        source = (
            f"# Part {place} of 2 · {out_of} points · {title}\n"
            f'checks.check_halve(halve, "{name}")'
        )
        cells.append(cell(f"00-halve-{name}", source, out_of))
    notebook = json.loads(json.dumps(new_notebook(cells=cells)))
    return Release("00-toy", parse(notebook, Path("00-toy.ipynb")))


def results(release, *wrong):
    return tuple(
        Result(
            one.grade_id,
            release.title_of(one),
            0 if one.grade_id in wrong else one.points,
            one.points,
            "failed" if one.grade_id in wrong else "passed",
            SLIP.format(part=one.grade_id) if one.grade_id in wrong else "",
            0.1,
            "the wrong divisor" if one.grade_id in wrong else "",
            part=release.part_of(one),
        )
        for one in release.graded
    )


@pytest.fixture(scope="module")
def grades(release):
    outcomes = {
        "ada": (),
        "ben": ("00-halve-odd",),
        "eve": ("00-halve-values", "00-halve-odd"),
    }
    members = [
        graded(name, results(release, *wrong))
        for name, wrong in outcomes.items()
    ]
    exercise = exercise_of(release, members)
    return exercise, [grade_of(one, exercise, {}) for one in members]


def plain(page):

    page = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_a_name_stands_for_a_cell_or_for_all_of_an_exercise(release):
    assert release.cells_of("00-double") == ["00-double"]
    assert release.cells_of("00-halve") == ["00-halve-values", "00-halve-odd"]
    assert release.cells_of("00-halve-odd") == ["00-halve-odd"]
    assert release.cells_of("00-hal") == []


def test_the_class_page_says_how_many_have_which_part(grades):
    exercise, all_of_them = grades
    text = plain(class_page.page([exercise], all_of_them))
    assert "Halve 2.3 / 4" in text
    assert "whole numbers 2 of 3 2 / 3" in text
    assert "odd numbers 1 of 3 0.3 / 1" in text


def test_the_page_knows_how_a_check_names_a_mistake():
    assert class_page.NAMED == messages.NAMED


def test_a_mistake_counts_once_for_each_student(grades):
    exercise, all_of_them = grades
    text = plain(class_page.page([exercise], all_of_them))
    assert "2 the wrong divisor You divided by three." in text


def test_a_student_reads_what_parts_say_alike_once(grades):
    *_, eve = grades[1]
    text = plain(class_page.feedback(eve))
    assert "Halve 0 / 4 whole numbers ✗" in text
    assert "Halve: whole numbers; odd numbers Case “three”" in text
    assert text.count("You divided by three.") == 1


def test_programs_get_the_parts_by_name(grades):
    exercise, all_of_them = grades
    content = json.loads(tables.as_json([exercise], all_of_them))
    items = content["exercises"][0]["items"]
    assert [(i["grade_id"], i["title"], i["part"]) for i in items] == [
        ("00-double", "Double", ""),
        ("00-halve-values", "Halve", "whole numbers"),
        ("00-halve-odd", "Halve", "odd numbers"),
    ]


# -- in the gradebook, by hand -----------------------------------------------


@pytest.fixture
def parted(course, tmp_path):
    """The toy release in which one exercise has been given two parts."""
    folder = shutil.copytree(course / "exercises", tmp_path / "parted")
    path = folder / "00-toy.ipynb"
    content = json.loads(path.read_text("utf-8"))
    place = next(
        n for n, c in enumerate(content["cells"]) if c["id"] == "halve-check"
    )
    whole = content["cells"].pop(place)
    for n, (name, title, out_of) in enumerate(
        [("odd", "odd numbers", 2), ("values", "whole numbers", 3)], start=1
    ):
        part = copy.deepcopy(whole)
        part["id"] = f"halve-check-{name}"
        part["metadata"]["nbgrader"] |= {
            "grade_id": f"00-halve-{name}",
            "points": out_of,
        }
        part["source"] = (
            f"# Part {3 - n} of 2 · {out_of} points · {title}\n"
            f'checks.check_halve(halve, "{name}")'
        )
        content["cells"].insert(place, part)
    path.write_text(json.dumps(content), "utf-8")
    return folder


def in_parts(**wrong):
    """Outcomes of the toy release in parts."""
    found = []
    for one in toy_results():
        if one.grade_id != "00-halve":
            found.append(one)
            continue
        for name, title, out_of in (
            ("values", "whole numbers", 3),
            ("odd", "odd numbers", 2),
        ):
            message = wrong.get(name, "")
            found.append(
                replace(
                    one,
                    grade_id=f"00-halve-{name}",
                    part=title,
                    points=0 if message else out_of,
                    out_of=out_of,
                    status="failed" if message else "passed",
                    message=message,
                )
            )
    return tuple(found)


def regraded(out, parted, **wrong):
    """Grade the class by the newer release, and publish."""
    for one in CLASS:
        if not one.report.reason:
            write(out, graded(one.student, in_parts()))
    write(out, graded("student-02", in_parts(**wrong)))
    publish(out, Options(release=parted))


def by_command(out, item, given, reason):
    return points.main(
        [
            str(out),
            *("--student", "student-02", "--exercise", item),
            *("--points", str(given), "--reason", reason),
        ]
    )


def items_of(out, student):
    return {i["grade_id"]: i for i in grades_of(out)[student]["items"]}


def test_points_by_hand_for_a_whole_exercise_go_on_in_its_parts(
    out, parted, capsys
):
    assert by_command(out, "00-halve", 4, "Nearly.") == 0
    wrong = SLIP.format(part=1)
    regraded(out, parted, values=wrong, odd=wrong)
    assert grades_of(out)["student-02"]["total"] == 15 + 4
    items = items_of(out, "student-02")
    assert "00-halve" not in items
    assert items["00-halve-values"]["points"] == 3
    assert items["00-halve-odd"]["points"] == 1
    assert items["00-halve-values"]["comment"] == (
        "By hand: Nearly.\nThe 4 points by hand were given for the whole "
        "exercise, before it had parts."
    )
    publish(out, Options(release=parted))
    assert grades_of(out)["student-02"]["total"] == 15 + 4


def test_a_reason_belongs_to_its_part(out, parted, capsys):
    wrong = SLIP.format(part=1)
    regraded(out, parted, values=wrong, odd=wrong)
    assert by_command(out, "00-halve-values", 2, "Half of it.") == 0
    assert by_command(out, "00-halve-odd", 1, "Nearly.") == 0
    assert by_command(out, "00-halve-values", 3, "All, after all.") == 0
    items = items_of(out, "student-02")
    assert items["00-halve-values"]["comment"] == (
        "By hand, whole numbers: All, after all."
    )
    assert items["00-halve-odd"]["comment"] == "By hand, odd numbers: Nearly."
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        told = book.find_comment(
            "00-halve-answer", "00-toy", "00-toy", "student-02"
        )
        assert told.auto_comment.count("You divided by three.") == 1
        assert told.auto_comment.startswith("✗ Halve: whole numbers; odd")


def test_the_old_name_of_an_exercise_lists_its_parts(out, parted, capsys):
    regraded(out, parted)
    assert by_command(out, "00-halve", 2, "Half of it.") == 2
    told = capsys.readouterr().err
    assert "00-halve-values, 00-halve-odd" in told
