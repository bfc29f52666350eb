"""The benchmarks count and print what they say they do."""

from __future__ import annotations

import urllib.error
import urllib.request

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from benchmarks.chapter_seconds import run_notebook
from benchmarks.measurement import Measurement, median_of, number, table
from benchmarks.mechanism_ratios import ratios
from benchmarks.notebook_seconds import as_markdown, seconds_by_notebook
from benchmarks.page_weight import gzipped_bytes
from benchmarks.served_book import served
from benchmarks.suite_seconds import measure


def test_a_measurement_is_the_median_with_its_range_and_ratio():
    one = median_of("seconds", "a chapter", [3.0, 1.0, 2.0], "s", 0.5)
    assert (one.value, one.lowest, one.highest) == (2.0, 1.0, 3.0)
    assert one.ratio == 4.0
    assert one.repeats == 3


def test_no_values_are_an_error_that_says_of_what():
    with pytest.raises(ValueError, match="seconds of a chapter"):
        median_of("seconds", "a chapter", [], "s")


def test_the_table_names_each_group_once_and_lines_up():
    lines = table(
        [
            Measurement("weight", "one page", 1234.5, "kB"),
            Measurement("weight", "another", 7.25, "kB"),
        ]
    ).splitlines()
    assert [line.strip() for line in lines].count("weight") == 1
    assert lines[2].index("kB") == lines[3].index("kB")


def test_a_number_has_at_least_three_figures():
    assert number(1234.5, "kB") == "1,234 kB"
    assert number(12.34) == "12.3"
    assert number(0.5, "s") == "0.50 s"
    assert number(None) == "–"


def test_what_is_packed_already_is_not_packed_again():
    assert gzipped_bytes(b"a" * 10_000) < 100
    assert gzipped_bytes(b"x") == 1


def test_the_served_book_is_gzipped_and_ends_with_the_block(tmp_path):
    (tmp_path / "index.html").write_text("a" * 1000, encoding="utf-8")
    with served(tmp_path) as address:
        with urllib.request.urlopen(f"{address}/index.html") as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert len(response.read()) < 100
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{address}/missing.html")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{address}/index.html")


def test_a_book_that_is_not_built_says_how_to_build_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="make book"), served(tmp_path):
        pass


def test_the_summary_of_a_run_lists_the_slowest_notebook_first():
    lines = as_markdown({"a/fast": 1.0, "a/slow": 9.0}).splitlines()
    assert lines[2:] == [
        "| a/slow | 9.0 |",
        "| a/fast | 1.0 |",
        "| all | 10.0 |",
    ]


def test_without_an_executed_notebook_the_summary_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="no notebook"):
        seconds_by_notebook(tmp_path)


def test_the_seconds_of_the_tests_are_summed_by_part(tmp_path):
    results = tmp_path / "tests.xml"
    results.write_text(
        "<testsuites><testsuite>"
        '<testcase classname="tests.data.test_a" name="one" time="1.5"/>'
        '<testcase classname="tests.data.test_b.TestC" name="two" time="2"/>'
        '<testcase classname="tests.test_train" name="three" time="8"/>'
        '<testcase classname="tests.grading.records.test_late" time="4"/>'
        '<testcase classname="chapters.00-a.ipynb" name="Cell 0" time="16"/>'
        "</testsuite></testsuites>"
    )
    assert [(one.name, one.value) for one in measure(results)] == [
        ("chapters", 16.0),
        ("tests", 8.0),
        ("tests/grading/records", 4.0),
        ("tests/data", 3.5),
        ("all", 31.5),
    ]


def test_tests_that_were_not_run_have_no_seconds(tmp_path):
    with pytest.raises(FileNotFoundError, match="make test"):
        measure(tmp_path / "tests.xml")


@pytest.mark.slow
def test_a_notebook_that_fails_is_named_with_its_reason(tmp_path):
    broken = tmp_path / "broken.ipynb"
    nbformat.write(
        new_notebook(cells=[new_code_cell("1 / 0")]), broken, version=4
    )
    with pytest.raises(RuntimeError, match=r"broken.ipynb.*division by zero"):
        run_notebook(broken)


def test_the_two_sides_of_a_ratio_work_the_same_number_of_times():
    called = []
    found = ratios(lambda: called.append("o"), lambda: called.append("t"), 3)
    assert len(found) == 3
    assert called.count("o") == called.count("t")


def test_a_ratio_of_no_repeats_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        ratios(print, print, 0)
