"""An exercise of two parts on the pages, in the tables and by its name."""

import json
import re
from pathlib import Path

import pytest
from graded_class import graded
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from attnbook.grading.notebook.read import parse
from attnbook.grading.notebook.release import Release
from attnbook.grading.records import class_page, tables
from attnbook.grading.records.grades import exercise_of, grade_of
from attnbook.grading.report import Result

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
    for place, (name, title, points) in enumerate(
        [("values", "whole numbers", 3), ("odd", "odd numbers", 1)], start=1
    ):
        source = (
            f"# Part {place} of 2 · {points} points · {title}\n"
            f'checks.check_halve(halve, "{name}")'
        )
        cells.append(cell(f"00-halve-{name}", source, points))
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
