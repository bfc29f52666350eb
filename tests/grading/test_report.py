"""The grade as a terminal, a program and a browser see it."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from attnbook.grading import report as reports
from attnbook.grading.grade import clean
from attnbook.grading.report import Report, Result

HOSTILE = '<script>alert(1)</script> & "quotes" ]]> \x0b\ud800'
PASSED = Result("00-one", "One", 5, 5, "passed", "", 0.1)
FAILED = Result(
    "00-two",
    "Two, with a longer title",
    0,
    15,
    "failed",
    "✗ Two\n  Case “three”: output should be 6.\n  Look again: here.",
    0.2,
)
REPORT = Report(
    notebook="toy.ipynb",
    exercise="00-toy",
    title="A toy",
    results=(PASSED, FAILED),
    notes=("Cell 3 failed: NameError.",),
    seconds=4.2,
)


def hostile():
    result = Result(HOSTILE, HOSTILE, 0, 5, "failed", HOSTILE, 0.0)
    return Report(HOSTILE, "", HOSTILE, HOSTILE, (result,), (HOSTILE,), 1.0)


def test_the_terminal_shows_a_table_the_messages_and_the_notes():
    assert reports.as_text(REPORT) == (
        "A toy · 00-toy\n"
        "Graded: toy.ipynb\n"
        "\n"
        "  Exercise                       Points\n"
        "  ──────────────────────────────────────\n"
        "  One                       ✓    5 / 5\n"
        "  Two, with a longer title  ✗    0 / 15\n"
        "  ──────────────────────────────────────\n"
        "  Total                          5 / 20\n"
        "  Time                           4 s\n"
        "\n"
        "Where points are missing\n"
        "\n"
        "  Two, with a longer title (00-two): failed\n"
        "    Case “three”: output should be 6.\n"
        "    Look again: here.\n"
        "\n"
        "Notes\n"
        "\n"
        "  • Cell 3 failed: NameError.\n"
    )


def parted():
    """A report on an exercise of three parts, of which one is right."""
    slip = "✗ One, part 2: edges\n  Case “empty”: NaN."
    ends = (("values", 2, ""), ("edges", 0, slip), ("the way back", 0, slip))
    results = tuple(
        Result(
            f"00-one-{place}",
            "One",
            points,
            2,
            "failed" if message else "passed",
            message,
            0.1,
            part=part,
        )
        for place, (part, points, message) in enumerate(ends)
    )
    return Report("toy.ipynb", "", "00-toy", "A toy", (*results, FAILED))


def test_the_parts_of_an_exercise_stand_below_it():
    lines = reports.as_text(parted()).splitlines()
    assert [line.split() for line in lines[5:9]] == [
        ["One", "✗", "2", "/", "6"],
        ["values", "✓", "2", "/", "2"],
        ["edges", "✗", "0", "/", "2"],
        ["the", "way", "back", "✗", "0", "/", "2"],
    ]
    assert "  Two, with a longer title  ✗    0 / 15" in lines


def test_what_parts_say_alike_is_said_once():
    text = reports.as_text(parted())
    assert (
        "  One: edges; the way back (00-one-1, 00-one-2): failed\n"
        "    Case “empty”: NaN.\n"
    ) in text
    assert text.count("Case “empty”") == 1
    page = reports.as_html(parted())
    assert "<h3>One: edges; the way back</h3>" in page
    assert page.count("Case “empty”") == 1


def test_programs_get_each_part_by_its_name():
    results = json.loads(reports.as_json(parted()))["results"]
    assert [(r["title"], r["part"]) for r in results[:2]] == [
        ("One", "values"),
        ("One", "edges"),
    ]
    cases = ElementTree.fromstring(reports.as_junit(parted()).encode())
    assert len(cases.findall(".//testcase")) == 4


def test_a_long_time_is_told_in_minutes():
    report = dataclasses.replace(REPORT, seconds=150)
    assert re.search(r"^  Time +2\.5 min$", reports.as_text(report), re.M)


def test_the_json_has_the_members_that_are_documented():
    written = json.loads(reports.as_json(REPORT))
    table, _, results = reports.__doc__.partition("Each result has")
    assert re.findall(r"^``(\w+)``", table, re.MULTILINE) == list(written)
    named = re.findall(r"``(\w+)``", results)
    for result in written["results"]:
        assert set(result) <= set(named)
    assert written["schema"] == reports.SCHEMA
    assert (written["points"], written["out_of"]) == (5, 20)
    assert written["status"] == "graded"


def test_the_json_of_an_unusable_file_has_the_same_members():
    unusable = json.loads(reports.as_json(Report("x", reason="It is empty.")))
    assert list(unusable) == list(json.loads(reports.as_json(REPORT)))
    assert unusable["status"] == "unusable"
    assert unusable["reason"] == "It is empty."


def test_junit_has_a_case_for_each_graded_cell():
    (suite,) = ElementTree.fromstring(reports.as_junit(REPORT))
    assert suite.get("tests") == "2"
    assert suite.get("failures") == "1"
    properties = {p.get("name"): p.get("value") for p in suite[0]}
    assert properties == {"points": "5", "out_of": "20"}
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert list(cases) == ["00-one", "00-two"]
    assert cases["00-one"].find("failure") is None
    failure = cases["00-two"].find("failure")
    assert failure.get("message") == (
        "failed: Case “three”: output should be 6."
    )
    assert failure.text.endswith("Look again: here.")


def test_junit_of_an_unusable_file_is_an_error():
    (suite,) = ElementTree.fromstring(
        reports.as_junit(Report("x", reason="It is empty."))
    )
    assert suite.get("errors") == "1"
    assert suite.find("testcase/error").get("message") == "It is empty."


def test_junit_stands_whatever_the_notebook_says():
    assert "alert" in reports.as_junit(hostile())
    ElementTree.fromstring(reports.as_junit(hostile()))


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.links = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.links += [v for k, v in attributes if k in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "report", [REPORT, hostile(), Report("x", reason=HOSTILE)]
)
def test_the_page_is_whole_escaped_and_needs_nothing_else(report):
    page = reports.as_html(report)
    tags = Tags(page)
    assert tags.open == []
    assert "script" not in tags.seen
    assert tags.links == []
    assert "url(" not in page
    page.encode("utf-8")


def test_the_page_shows_points_messages_and_notes():
    page = reports.as_html(REPORT)
    assert "5 of 20 points" in page
    assert "Case “three”: output should be 6." in page
    assert "Cell 3 failed: NameError." in page


def test_control_characters_do_not_reach_a_terminal():
    assert clean("\x1b[31mred\x1b[0m\x07 \x9bline\n", 50) == "red line"
    assert clean("x" * 100, 10) == "x" * 9 + "…"
