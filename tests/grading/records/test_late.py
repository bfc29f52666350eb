"""Deadlines, penalties, and what a teacher writes of them."""

from datetime import UTC, datetime, timedelta

import pytest

from attnbook.grading.records import late
from attnbook.grading.records.late import Policy

DUE = late.read_moment("2026-12-01T23:59+01:00")
HOUR = timedelta(hours=1)
POLICY = Policy(DUE, share=0.1, most=0.5, grace=timedelta(minutes=15))


@pytest.mark.parametrize(
    ("after", "share", "text"),
    [
        (-HOUR, 0, ""),
        (timedelta(0), 0, ""),
        (timedelta(minutes=15), 0, ""),
        (timedelta(minutes=16), 0.1, "1 day late"),
        (24 * HOUR, 0.1, "1 day late"),
        (25 * HOUR, 0.2, "2 days late"),
        (2400 * HOUR, 0.5, "100 days late"),
    ],
)
def test_each_day_that_has_begun_costs_up_to_the_most(after, share, text):
    found = POLICY.lateness("student-01", DUE + after)
    assert found.share == pytest.approx(share)
    assert found.text == text


def test_lateness_is_counted_from_the_deadline_in_any_time_zone():
    utc = DUE.astimezone(UTC) + timedelta(minutes=1)
    strict = Policy(DUE, share=0.1, per="hour")
    assert strict.lateness("student-01", utc).text == "1 hour late"
    assert strict.lateness("student-01", DUE.astimezone(UTC)).text == ""


def test_after_some_days_nothing_is_left():
    policy = Policy(DUE, share=0.1, most=0.5, zero_after=48 * HOUR)
    assert policy.lateness("student-01", DUE + 48 * HOUR).share == 0.2
    gone = policy.lateness("student-01", DUE + 49 * HOUR)
    assert gone.share == 1
    assert gone.text == "3 days late, more than 2 d"


@pytest.mark.parametrize(
    ("points", "penalty"), [(20, 6), (6, 6), (5, 5), (0, 0), (-1, 0)]
)
def test_a_penalty_never_takes_more_than_there_is(points, penalty):
    assert late.Lateness(0.3).penalty(points, 20) == penalty


def test_of_an_unknown_time_canvas_mark_counts_as_one_day():
    marked = POLICY.lateness("student-01", None, is_marked_late=True)
    assert marked.share == 0.1
    assert marked.is_unknown
    assert "one day was counted" in marked.text
    plain = POLICY.lateness("student-01", None)
    assert (plain.share, plain.text, plain.is_unknown) == (0, "", True)


def test_a_known_time_counts_more_than_the_mark():
    assert POLICY.lateness("student-01", DUE, True).text == ""


def test_an_extension_moves_the_deadline_or_lifts_it():
    policy = Policy(
        DUE,
        share=0.1,
        extensions={"student-01": DUE + 48 * HOUR, "student-02": None},
    )
    assert policy.lateness("student-01", DUE + 40 * HOUR).text == ""
    assert policy.lateness("student-01", DUE + 50 * HOUR).share == 0.1
    assert policy.lateness("student-02", DUE + 5000 * HOUR).share == 0
    assert policy.lateness("student-03", DUE + 40 * HOUR).share == 0.2
    # Whether their own deadline was kept, no mark can tell.
    assert policy.lateness("student-01", None, True).share == 0


def test_a_policy_is_the_same_once_written_and_read():
    policy = Policy(
        DUE, 0.1, "hour", 0.5, HOUR, 9 * HOUR, {"a": DUE, "b": None}
    )
    assert late.policy_of(policy.as_dict()) == policy


def test_a_policy_says_its_rule():
    policy = Policy(DUE, 0.125, "day", 0.5, 0.25 * HOUR, 168 * HOUR)
    assert str(policy) == (
        "Due 2026-12-01 23:59 UTC+01:00. Each day late that has begun costs "
        "12.5% of all points, 50% at most. After 7 d no points are left. "
        "The first 15 min are free."
    )


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (late.read_share, "10%", 0.1),
        (late.read_share, " 100 % ", 1),
        (late.read_span, "15min", HOUR / 4),
        (late.read_span, "2h", 2 * HOUR),
        (late.read_span, "7d", 168 * HOUR),
        (late.read_moment, "2026-12-01T22:59Z", DUE),
    ],
)
def test_what_a_teacher_writes_is_read(reader, text, value):
    assert reader(text) == value


@pytest.mark.parametrize(
    ("reader", "text", "told"),
    [
        (late.read_share, "0.1", "a percentage from 0% to 100%, got '0.1'"),
        (late.read_share, "101%", "a percentage"),
        (late.read_share, "-5%", "a percentage"),
        (late.read_span, "15", "15min, 2h or 7d, got '15'"),
        (late.read_span, "-1d", "15min"),
        (late.read_moment, "tomorrow", "2026-12-01T23:59+01:00, got"),
        (late.read_moment, "2026-12-01T23:59", "needs a time zone: write"),
    ],
)
def test_what_cannot_be_read_is_said(reader, text, told):
    with pytest.raises(ValueError) as error:
        reader(text)
    assert told in str(error.value)


def test_extensions_are_read_from_a_table(tmp_path):
    path = tmp_path / "extensions.csv"
    path.write_text(
        "\ufeffstudent, due\r\n"
        "student-01,2026-12-03T12:00Z\r\n"
        "'=student-02,\r\n"
        "\r\n",
        "utf-8",
    )
    assert late.read_extensions(path) == {
        "student-01": datetime(2026, 12, 3, 12, tzinfo=UTC),
        "=student-02": None,
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,until\na,b\n", "expected a first line `student,due`"),
        ("", "expected a first line"),
        ("student,due\na,soon\n", "line 2: expected a time such as"),
        ("student,due\na,\na,\n", "line 3: a stands there twice"),
        ("student,due\n,2026-12-03T12:00Z\n", "line 2: the student is"),
    ],
)
def test_a_table_that_cannot_be_read_is_said_with_its_line(
    tmp_path, text, told
):
    path = tmp_path / "extensions.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError) as error:
        late.read_extensions(path)
    assert told in str(error.value)
    assert str(path) in str(error.value)
    with pytest.raises(ValueError, match="cannot be read"):
        late.read_extensions(tmp_path / "none.csv")
