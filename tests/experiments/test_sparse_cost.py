"""The table of sparse attention's costs supports what chapter 09 says."""

from pathlib import Path
from statistics import median

import pytest
import torch

from attnbook.experiments import table
from attnbook.experiments.attention_cost import exponent
from attnbook.experiments.sparse_cost import (
    FITTED_FROM,
    FORMS,
    LENGTHS,
    D,
    peak_bytes,
    run,
)

LINEAR = (
    "window",
    "window with sinks",
    "dilated",
    "window with global tokens",
    "blocks",
    "linear",
)
QUADRATIC = ("dense", "dense, window as a mask")


def fitted(measure, form, number):
    rows = [
        (row["n"], row[measure])
        for row in table("sparse_cost")
        if (row["form"], row["run"]) == (form, number)
        and row["n"] >= FITTED_FROM
    ]
    return exponent(*zip(*rows, strict=True))


def at(measure, form, n):
    """The median of the runs."""
    return median(
        row[measure]
        for row in table("sparse_cost")
        if (row["form"], row["n"]) == (form, n)
    )


def test_the_table_has_three_runs_of_every_form_at_every_length():
    rows = [
        (row["run"], row["n"], row["form"]) for row in table("sparse_cost")
    ]
    assert rows == [
        (number, n, form)
        for number in range(3)
        for n in LENGTHS
        for form in FORMS
    ]


@pytest.mark.parametrize("number", range(3))
def test_dense_forms_are_quadratic_in_time_and_the_sparse_ones_linear(number):
    """Times are noisy: the nearest of all exponents are 1.58 and 2.23."""
    for form in QUADRATIC:
        assert 1.9 < fitted("ms", form, number) < 2.9
    for form in (*LINEAR, "strided"):
        assert 0.7 < fitted("ms", form, number) < 1.7
    assert 1.5 < fitted("ms", "fused", number) < 2.1


@pytest.mark.parametrize("number", range(3))
def test_memory_grows_with_what_is_kept(number):
    for form in QUADRATIC:
        assert fitted("MiB", form, number) == pytest.approx(2, abs=0.05)
    for form in (*LINEAR, "indexer and chosen keys"):
        assert fitted("MiB", form, number) == pytest.approx(1, abs=0.05)
    assert fitted("MiB", "fused", number) < 1
    assert 1.15 < fitted("MiB", "strided", number) < 1.3


def test_a_mask_saves_neither_time_nor_memory():
    n = LENGTHS[-1]
    dense, masked = QUADRATIC
    assert at("MiB", masked, n) == at("MiB", dense, n)
    assert at("ms", masked, n) > at("ms", dense, n)
    assert at("MiB", "window", n) < 0.1 * at("MiB", dense, n)


def test_a_window_is_much_faster_on_long_texts_and_not_on_short_ones():
    assert at("ms", "dense", 4096) > 15 * at("ms", "window", 4096)
    assert at("ms", "fused", 4096) > 3 * at("ms", "window", 4096)
    assert at("ms", "fused", 512) < 1.1 * at("ms", "window", 512)


def test_choosing_keys_costs_more_than_it_saves_at_these_lengths():
    n = LENGTHS[-1]
    for measure in ("ms", "MiB"):
        chosen = at(measure, "indexer and chosen keys", n)
        assert chosen > at(measure, "dense", n)


def test_the_zoo_tells_what_was_measured():
    root = Path(__file__).parents[2]
    page = (root / "backmatter" / "zoo.md").read_text("utf-8")
    page = page[page.index("## What sparse forms cost") :].split("\n## ")[0]
    told = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert told == [
        "| "
        + " | ".join(
            [
                form,
                *(
                    f"{median(fitted(each, form, k) for k in range(3)):.1f}"
                    for each in ("ms", "MiB")
                ),
                f"{at('ms', form, 512):.1f}",
                f"{at('ms', form, 4096):.0f}",
                f"{at('MiB', form, 4096):.0f}",
            ]
        )
        + " |"
        for form in FORMS
    ]


def held(form, n):
    x = torch.randn(1, 1, n, D, requires_grad=True)
    return peak_bytes(lambda: torch.autograd.grad(FORMS[form](x).sum(), x))


def test_blocks_that_are_left_out_are_never_formed():
    """At 1024 tokens one table of scores has 4 MiB."""
    lengths = [512, 1024, 2048]
    bytes_of = {
        form: [held(form, n) for n in lengths]
        for form in (*LINEAR, "strided", "dense")
    }
    for form in LINEAR:
        assert exponent(lengths, bytes_of[form]) < 1.1
    assert exponent(lengths, bytes_of["strided"]) < 1.5
    assert exponent(lengths, bytes_of["dense"]) > 1.9


def test_chosen_keys_are_copied_and_the_indexer_looks_at_all():
    """Linear in n but with a large factor, until the indexer's n² shows."""
    n = 512
    assert held("indexer and chosen keys", n) > 5 * held("window", n)


def test_the_peak_is_what_is_held_at_once_and_not_what_passes_through():
    size = 2**20

    def one_after_the_other():
        for _ in range(5):
            torch.empty(size, dtype=torch.uint8)

    def together():
        return [torch.empty(size, dtype=torch.uint8) for _ in range(5)]

    assert size <= peak_bytes(one_after_the_other) < 2 * size
    assert 5 * size <= peak_bytes(together) < 6 * size


def test_the_study_at_a_reduced_size_measures_every_form():
    rows = run(lengths=[64, 128], runs=[0], budget=0.01)
    assert [(row["n"], row["form"]) for row in rows] == [
        (n, form) for n in (64, 128) for form in FORMS
    ]
    assert all(row["ms"] > 0 and row["MiB"] > 0 for row in rows)
