"""The table of costs supports what chapter 03 claims of it."""

from statistics import median

import pytest
import torch

from attnbook.experiments import table
from attnbook.experiments.attention_cost import (
    FITTED_FROM,
    LENGTHS,
    PARTS,
    WIDTHS,
    attention,
    exponent,
    projections,
    run,
    saved_bytes,
)


def column(measure, part, d, run_number):
    return [
        (row["n"], row[measure])
        for row in table("attention_cost")
        if (row["part"], row["d"], row["run"]) == (part, d, run_number)
    ]


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("part", PARTS)
def test_the_table_has_three_runs_of_every_length(part, d):
    for number in range(3):
        assert [n for n, _ in column("ms", part, d, number)] == list(LENGTHS)


@pytest.mark.parametrize("d", WIDTHS)
def test_layers_take_linear_and_attention_quadratic_time(d):
    fitted = {}
    for part in PARTS:  # the median of the runs, as the chapter draws it
        runs = [dict(column("ms", part, d, number)) for number in range(3)]
        lengths = [n for n in LENGTHS if n >= FITTED_FROM]
        ms = [median(run[n] for run in runs) for n in lengths]
        fitted[part] = exponent(lengths, ms)
    assert fitted["projections"] == pytest.approx(1, abs=0.15)
    assert fitted["feed-forward"] == pytest.approx(1, abs=0.15)
    assert fitted["attention"] == pytest.approx(2.1, abs=0.2)


@pytest.mark.parametrize(
    ("part", "others", "times"),
    [
        ("attention", ["projections"], 2),
        ("attention", ["projections", "feed-forward"], 6),
        ("fused, causal", ["projections", "feed-forward"], 12),
    ],
)
@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("number", range(3))
def test_the_times_cross_about_where_the_counts_do(
    d, number, part, others, times
):
    square = dict(column("ms", part, d, number))[times * d]
    linear = sum(
        dict(column("ms", other, d, number))[times * d] for other in others
    )
    assert 0.5 < square / linear < 2


def test_the_memory_of_attention_grows_with_the_square_of_the_length():
    lengths = [256, 512, 1024]
    kept = {
        part: [
            saved_bytes(
                lambda part=part, n=n: part(
                    torch.randn(n, 16, requires_grad=True)
                )
            )
            for n in lengths
        ]
        for part in (attention, projections(16))
    }
    squares, lines = (exponent(lengths, found) for found in kept.values())
    assert squares == pytest.approx(2, abs=0.1)
    assert lines == pytest.approx(1, abs=0.1)


def test_saved_bytes_counts_a_shared_tensor_once():
    x = torch.randn(10, requires_grad=True)
    assert saved_bytes(lambda: x * x) == 40


def test_an_exponent_is_the_slope_of_the_logarithms():
    assert exponent([1, 2, 4], [5, 40, 320]) == pytest.approx(3)


def test_the_study_at_a_reduced_size_measures_every_part():
    rows = run(lengths=[32, 64], widths=[8], runs=[0], budget=0.01)
    assert [(row["n"], row["part"]) for row in rows] == [
        (n, part) for n in (32, 64) for part in PARTS
    ]
    assert all(row["ms"] > 0 and row["MiB"] > 0 for row in rows)
