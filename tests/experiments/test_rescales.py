"""The table of rescales supports what chapter 10 says."""

from statistics import mean

import pytest

from attnbook.experiments import table
from attnbook.experiments.rescales import (
    COLUMNS,
    KEYS,
    KINDS,
    SPREADS,
    THRESHOLDS,
    run,
)

SEEDS = range(3)


def share(kind, keys, columns, threshold, rows=None, what="rescales"):
    found = [
        row[what]
        for row in (table("rescales") if rows is None else rows)
        if (row["scores"], row["keys"], row["tile"], row["threshold"])
        == (kind, keys, columns, threshold)
    ]
    return mean(found)


def expected(keys, columns):
    """Rises of a maximum in random order: a sum of 1/j, for each chance."""
    N = keys // columns
    return sum(1 / j for j in range(2, N + 1)) / (N - 1)


def test_the_table_has_three_seeds_of_everything():
    assert len(table("rescales")) == (
        len(KINDS) * len(KEYS) * len(SEEDS) * len(COLUMNS) * len(THRESHOLDS)
    )


@pytest.mark.parametrize("kind", SPREADS)
@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("columns", COLUMNS)
def test_random_scores_rise_as_often_as_the_formula_says(kind, keys, columns):
    found = share(kind, keys, columns, 0.0)
    assert found == pytest.approx(expected(keys, columns), rel=0.06)


def test_what_a_threshold_leaves_depends_on_the_spread():
    for keys in KEYS:
        narrow, wide = (
            share(kind, keys, 64, 2.0) / share(kind, keys, 64, 0.0)
            for kind in SPREADS
        )
        assert narrow < 0.03
        assert wide > 1 / 3


def test_a_threshold_of_8_leaves_very_few_in_every_kind():
    left = [share(kind, n, 64, 8.0) for kind in KINDS for n in KEYS]
    assert max(left) < 0.0175


def test_rows_that_decide_together_save_less_where_scores_spread():
    together = {"what": "rescales of 128"}
    for kind in KINDS:
        for keys in KEYS:
            for columns in COLUMNS:
                for threshold in THRESHOLDS:
                    at = kind, keys, columns, threshold
                    assert share(*at, **together) >= share(*at)
    # Without a threshold, nearly every tile has a row that rises.
    for kind in KINDS:
        for keys in KEYS:
            assert share(kind, keys, 64, 0.0, **together) > 0.95
    left = {
        n: max(share(kind, n, 64, 8.0, **together) for kind in KINDS)
        for n in KEYS
    }
    assert max(left[1024], left[4096]) == pytest.approx(0.089, abs=0.001)
    assert left[256] == pytest.approx(0.278, abs=0.001)


def test_the_result_stays_exact_whatever_the_threshold():
    assert max(row["error"] for row in table("rescales")) < 5e-6


def test_the_study_at_a_reduced_size_says_the_same():
    rows = run(keys=[512], columns=[32], seeds=[5])
    for kind in SPREADS:
        none = share(kind, 512, 32, 0.0, rows)
        assert none == pytest.approx(expected(512, 32), rel=0.15)
        assert share(kind, 512, 32, 8.0, rows) < 0.1 * none
    assert share("rising", 512, 32, 0.0, rows) > 3 * expected(512, 32)
