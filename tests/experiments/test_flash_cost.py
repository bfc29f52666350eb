"""The table of what tiles cost supports what chapter 10 says."""

from statistics import mean, median

import pytest

from attnbook.experiments import table
from attnbook.experiments.attention_cost import exponent
from attnbook.experiments.flash_cost import (
    FITTED_FROM,
    FORMS,
    LENGTHS,
    PASSES,
    run,
)

TABLES = ("dense", "checkpointed")
TILES = ("tiled", "fused")


def values(measure, form, passes, n):
    return [
        row[measure]
        for row in table("flash_cost")
        if (row["form"], row["pass"], row["n"]) == (form, passes, n)
    ]


def at(measure, form, passes=PASSES[1], n=LENGTHS[-1]):
    return median(values(measure, form, passes, n))


def slopes(measure, form, passes):
    ns = [n for n in LENGTHS if n >= FITTED_FROM]
    runs = zip(*(values(measure, form, passes, n) for n in ns), strict=True)
    return [exponent(ns, run) for run in runs]


def test_the_table_has_three_runs_of_every_form_and_pass():
    rows = [
        (row["run"], row["n"], row["pass"], row["form"])
        for row in table("flash_cost")
    ]
    assert rows == [
        (number, n, passes, form)
        for number in range(3)
        for n in LENGTHS
        for passes in PASSES
        for form in FORMS
    ]


@pytest.mark.parametrize("passes", PASSES)
def test_tables_need_memory_in_proportion_to_n_squared_and_tiles_to_n(passes):
    for form in TABLES:
        assert mean(slopes("MiB", form, passes)) == pytest.approx(2, abs=0.03)
    for form in TILES:
        assert 0.5 < mean(slopes("MiB", form, passes)) < 1.02
    assert at("MiB", "dense", passes) > 50 * at("MiB", "tiled", passes)


def test_the_time_of_all_forms_is_about_quadratic():
    for form in FORMS:
        for passes in PASSES:
            assert 1.9 < mean(slopes("ms", form, passes)) < 2.5


def test_a_checkpoint_saves_nothing_in_one_layer_and_takes_longer():
    assert at("MiB", "checkpointed") >= at("MiB", "dense")
    assert at("ms", "checkpointed") > 1.2 * at("ms", "dense")


def test_the_fused_kernel_is_the_fastest_and_our_tiles_are_as_dense():
    assert at("ms", "fused") < 0.7 * at("ms", "dense")
    assert 0.9 < at("ms", "tiled") / at("ms", "dense") < 1.2


def test_the_study_at_a_reduced_size_still_shows_the_gap():
    rows = run(lengths=[1024], runs=[0], budget=0.01)
    held = {(row["form"], row["pass"]): row["MiB"] for row in rows}
    for passes in PASSES:
        assert held["dense", passes] > 4 * held["tiled", passes]
        assert held["checkpointed", passes] > 4 * held["fused", passes]
