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


def test_tiles_spread_no_more_than_orders_of_the_keys():
    for n in LENGTHS:
        tiles, orders = (
            median(values("median ULP", n, "spread", kind)) for kind in KINDS
        )
        assert 0.7 < tiles / orders <= 1.05
    assert median(values("median ULP", 4096, "spread", "tiles")) == 9


def test_no_form_is_clearly_nearer_to_double_precision():
    for n in LENGTHS:
        tiled = values(
            "median ULP", n, "error", *(f"tiles of {m}" for m in TILES)
        )
        whole = values("median ULP", n, "error", "dense", "fused")
        assert 0.75 < median(tiled) / median(whole) < 1.25


def test_every_error_is_below_a_millionth():
    assert max(row["largest"] for row in table("last_bits")) < 1e-6


def test_the_study_at_a_reduced_size_finds_the_same():
    rows = run(lengths=[300], seeds=[7])
    assert all(row["machine"] == processor() for row in rows)
    for row in rows:
        assert row["largest"] < 2e-6
        if row["what"] == "spread":
            assert row["share"] > 0.5
