"""The table of last bits supports what chapter 10 says."""

from statistics import median

import pytest

from attnbook.experiments import table
from attnbook.experiments.last_bits import LENGTHS, ORDERS, TILES, run
from attnbook.experiments.roofline import processor

KINDS = ("tiles", "orders of the keys")


def values(measure, n, what, *of):
    return [
        row[measure]
        for row in table("last_bits")
        if (row["n"], row["what"]) == (n, what) and row["of"] in of
    ]


def test_the_table_has_three_seeds_of_every_form():
    forms = len(TILES) + ORDERS + len(("dense", "fused")) + len(KINDS)
    assert len(table("last_bits")) == 3 * len(LENGTHS) * forms


@pytest.mark.parametrize("n", LENGTHS)
def test_nearly_all_outputs_depend_on_the_tile_and_on_the_order(n):
    for kind in KINDS:
        assert min(values("share", n, "spread", kind)) > 0.99


def middle(measure, n, what, *of, rows=None):
    found = [
        row[measure]
        for row in (table("last_bits") if rows is None else rows)
        if (row["n"], row["what"]) == (n, what) and row["of"] in of
    ]
    return median(found)


def assert_orders_and_tiles_are_alike(n, rows=None):
    """What holds on every processor, whatever its last bits are."""
    tiles, orders = (
        middle("median ULP", n, "spread", kind, rows=rows) for kind in KINDS
    )
    # Shuffled keys spread the results as much as other tile sizes do.
    assert 1 / 2 < tiles / orders < 2
    # The spread is as large as rounding errors, and no larger.
    forms = [f"tiles of {m}" for m in TILES]
    tiled = middle("median ULP", n, "error", *forms, rows=rows)
    whole = middle("median ULP", n, "error", "dense", "fused", rows=rows)
    assert 1 / 2 < tiles / (2 * tiled) < 2
    # No form is clearly nearer to double precision.
    assert 1 / 2 < tiled / whole < 2


@pytest.mark.parametrize("n", LENGTHS)
def test_the_order_of_the_additions_is_the_cause(n):
    assert_orders_and_tiles_are_alike(n)


def test_every_error_is_below_a_millionth():
    assert max(row["largest"] for row in table("last_bits")) < 1e-6


def test_the_study_at_a_reduced_size_finds_the_same():
    rows = run(lengths=[300], seeds=[7])
    assert all(row["machine"] == processor() for row in rows)
    for row in rows:
        assert row["largest"] < 2e-6
        if row["what"] == "spread":
            assert row["share"] > 0.5
    assert_orders_and_tiles_are_alike(300, rows)
