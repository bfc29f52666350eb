"""A table shows the same numbers as text and as HTML, and marks the best."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from attnbook.plots import Table


class Reader(HTMLParser):
    """The rows of a table, and what is bold in it."""

    def __init__(self, html: str):
        super().__init__()
        self.rows, self.bold, self.scopes, self.open = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.scopes.append(dict(attributes).get("scope"))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data
        if "strong" in self.open:
            self.bold.append(data)


COLUMNS = {"model": "", "exact match": ".2f", "time (ms)": ".0f"}
ROWS = [("one", 0.5, 40), ("two", [0.7, 0.9, 0.8], 60), ("three", None, 40)]


@pytest.fixture
def measured():
    best = {"exact match": max, "time (ms)": min}
    return Table(COLUMNS, ROWS, "Three models", best)


def test_as_text_the_columns_are_aligned_and_a_star_marks_the_best(measured):
    assert repr(measured).splitlines() == [
        "Three models",
        "model        exact match    time (ms)",
        "one                 0.50           40 *",
        "two    0.80 [0.70, 0.90] *         60",
        "three                  –           40 *",
        "* best of each column",
    ]


def test_as_html_the_same_stands_in_rows_and_the_best_is_bold(measured):
    found = Reader(measured._repr_html_())
    assert found.rows == [
        ["model", "exact match", "time (ms)"],
        ["one", "0.50", "40"],
        ["two", "0.80 [0.70, 0.90]", "60"],
        ["three", "–", "40"],
    ]
    assert found.bold == ["40", "0.80", "40"]
    assert found.scopes[:4] == ["col", "col", "col", "row"]
    caption = "<span>Three models. Bold: best of each column.</span>"
    assert f"<caption>{caption}</caption>" in measured._repr_html_()


def test_where_much_stands_in_a_row_a_range_goes_under_its_mean():
    for count, stacked in ((3, False), (5, True)):
        columns = {"model": ""} | {f"d = {d}": ".1f" for d in range(count)}
        table = Table(columns, [["one"] + count * [[1, 2, 3]]])
        assert ('class="attn-table attn-stacked"' in table._repr_html_()) == (
            stacked
        )


def test_the_best_of_each_row_is_marked_but_not_its_label():
    columns, rows = {"n": "d", "a": "d", "b": "d"}, [(9, 1, 2), (9, 4, 3)]
    assert Table(columns, rows).marked == set()
    for best, marked in ((max, {(0, 2), (1, 1)}), (min, {(0, 1), (1, 2)})):
        table = Table(columns, rows, best=best)
        assert table.marked == marked
        assert "best of each row" in repr(table)


def test_numbers_that_are_shown_alike_are_equally_good():
    rows = [("a", 0.991), ("b", 0.994), ("c", 0.5)]
    table = Table({"": "", "share": ".2f"}, rows, best={"share": max})
    assert table.marked == {(0, 1), (1, 1)}


def test_where_all_are_alike_none_is_best():
    rows = [("a", 1.0), ("b", 1.0)]
    assert not Table({"": "", "x": ".1f"}, rows, best={"x": max}).marked


def test_any_kind_of_number_keeps_its_format():
    values = [3, np.int64(3), torch.tensor(3)]
    table = Table({"n": ",d"}, [[1000 * value] for value in values], labels=0)
    assert [row[0].text for row in table.rows] == ["3,000"] * 3
    table = Table({"x": ".1e"}, [[np.float32(0.5)], [torch.tensor(0.5)]])
    assert [row[0].text for row in table.rows] == ["5.0e-01"] * 2


def test_a_truth_is_yes_or_no_and_nothing_is_a_dash():
    rows = [(True, np.bool_(False), None, [])]
    (row,) = Table(dict.fromkeys("abcd", ".2f"), rows).rows
    assert [cell.text for cell in row] == ["yes", "no", "–", "–"]


def test_headings_may_be_alike_when_they_come_in_pairs():
    table = Table([("", ""), ("the", "d"), ("the", "d")], [("cat", 0, 3)])
    assert Reader(table._repr_html_()).rows[0] == ["", "the", "the"]


def test_words_cannot_break_out_of_the_html():
    table = Table({"<b>": ""}, [["a < b & c"]], "<script>")
    html = table._repr_html_()
    assert "<script>" not in html and "<b>" not in html
    assert Reader(html).rows == [["<b>"], ["a < b & c"]]


def test_a_row_of_another_length_and_an_unknown_heading_are_named():
    with pytest.raises(ValueError, match=r"has 1 cells; expected 2"):
        Table({"a": "", "b": ""}, [["x"]])
    with pytest.raises(ValueError, match=r"best names \['c'\]"):
        Table({"a": "", "b": ""}, [["x", 1]], best={"c": max})
