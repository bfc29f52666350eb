"""The tables of ranks on one machine support what chapter 15 says of them."""

from itertools import product
from statistics import mean, median

import pytest

from attnbook.experiments import table
from attnbook.experiments.across_ranks import RANKS, line
from attnbook.mechanisms.across_machines.costs import (
    Link,
    Traffic,
    ring_attention,
)
from attnbook.mechanisms.across_machines.layout import work

RUNS = (0, 1, 2)


def rows_of(name, **wanted):
    return [
        row
        for row in table(name)
        if all(row[key] == value for key, value in wanted.items())
    ]


def test_every_table_has_three_runs_of_two_and_four_ranks():
    for name in ("message_times", "operation_times", "ring_work"):
        found = {(row["run"], row["ranks"]) for row in table(name)}
        assert found == set(product(RUNS, RANKS))


@pytest.mark.parametrize("R", RANKS)
def test_short_messages_take_as_long_whatever_their_size(R):
    for number in RUNS:
        times = {
            row["bytes"]: row["least"]
            for row in rows_of("message_times", run=number, ranks=R)
        }
        short = [t for size, t in times.items() if size <= 4096]
        assert max(short) < 5 * min(short)
        # A thousand times as many bytes take not even ten times as long.
        assert times[16384] < 10 * times[16]
        assert times[16777216] > 30 * times[16]


@pytest.mark.parametrize("R", RANKS)
def test_latency_and_bandwidth_are_of_this_order(R):
    for number in RUNS:
        alpha, bandwidth = line(table("message_times"), number, R)
        assert 5e-5 < alpha < 1e-3
        assert 1e8 < bandwidth < 5e9


@pytest.mark.parametrize("R", RANKS)
def test_the_line_foresees_exchanges_and_not_the_copies_of_a_sum(R):
    off = {"all-to-all": [], "all-reduce": []}
    for number in RUNS:
        link = Link(
            "here", *line(table("message_times"), number, R), 1.0, "here"
        )
        for row in rows_of("operation_times", run=number, ranks=R):
            foreseen = link.seconds(Traffic(row["sent"], int(row["messages"])))
            off[row["operation"]].append(row["least"] / foreseen)
    assert 0.8 < median(off["all-to-all"]) < 2
    assert 1.3 < median(off["all-reduce"]) < 4
    assert max(off["all-reduce"]) > 5


@pytest.mark.parametrize("R", RANKS)
def test_the_busiest_rank_computes_as_the_count_says_and_all_send_alike(R):
    for layout, tolerance in (("contiguous", 0.2), ("zigzag", 0.15)):
        counted = work(4096, R, layout, masked=True).sum(0).double()
        expected = float(counted.max() / counted.mean())
        found = []
        for number in RUNS:
            rows = rows_of("ring_work", run=number, ranks=R, layout=layout)
            seconds = [row["seconds"] for row in rows]
            found.append(max(seconds) / mean(seconds))
            for row in rows:
                assert row["computed"] == 4 * counted[int(row["rank"])]
                assert row["sent"] == row["formula"]
                assert row["sent"] == ring_attention(4096, 256, R).sent
        assert median(found) == pytest.approx(expected, abs=tolerance)
