"""Times of handing in, from a table of the teacher."""

import re
from datetime import datetime

import layouts
import pytest

from attnbook.grading.intake.submissions import (
    describe,
    times_from_csv,
    with_times,
)
from attnbook.grading.notebook.read import UnusableError


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
