"""The table of what a state costs supports what chapter 12 says of it."""

from pathlib import Path
from statistics import median

import pytest
import torch

from attnbook.experiments import table
from attnbook.experiments.attention_cost import exponent
from attnbook.experiments.sparse_cost import D, peak_bytes
from attnbook.experiments.state_cost import FITTED_FROM, FORMS, LENGTHS

TABLES_OF_ALL_PAIRS = ("attention, dense", "decay, masked")
LINEAR = [
    form
    for form in FORMS
    if form not in (*TABLES_OF_ALL_PAIRS, "attention, fused")
]


def at(measure, form, n):
    """The median of the runs."""
    return median(
        row[measure]
        for row in table("state_cost")
        if (row["form"], row["n"]) == (form, n)
    )


def fitted(measure, form):
    ns = [n for n in LENGTHS if n >= FITTED_FROM]
    return exponent(ns, [at(measure, form, n) for n in ns])


def test_the_table_has_three_runs_of_every_form_at_every_length():
    assert [
        (row["run"], row["n"], row["form"]) for row in table("state_cost")
    ] == [
        (number, n, form)
        for number in range(3)
        for n in LENGTHS
        for form in FORMS
    ]


@pytest.mark.parametrize("form", LINEAR)
def test_a_state_is_linear_in_time_and_memory(form):
    assert 0.9 < fitted("ms", form) < 1.3
    assert 0.95 < fitted("MiB", form) < 1.2


@pytest.mark.parametrize("form", TABLES_OF_ALL_PAIRS)
def test_a_table_of_all_pairs_is_quadratic(form):
    assert fitted("ms", form) > 1.8
    assert fitted("MiB", form) > 1.9


def test_chunks_are_about_twenty_times_as_fast_as_single_tokens():
    for rule in ("decay", "gated delta"):
        slow = at("ms", f"{rule}, token by token", 2048)
        assert 15 < slow / at("ms", f"{rule}, in chunks", 2048) < 30


def test_at_2048_tokens_chunks_stand_beside_fused_attention():
    fused = at("ms", "attention, fused", 2048)
    assert 0.4 < at("ms", "decay, in chunks", 2048) / fused < 0.7
    assert 0.8 < at("ms", "gated delta, in chunks", 2048) / fused < 1.3


def test_the_parallel_scan_buys_time_with_memory():
    loop, parallel = (
        [at(m, f"selective scan, {name}", 2048) for m in ("ms", "MiB")]
        for name in ("loop", "parallel")
    )
    assert 1.4 < loop[0] / parallel[0] < 2.2
    assert 3 < parallel[1] / loop[1] < 5


def test_fused_attention_has_linear_memory_and_time_in_between():
    assert 0.95 < fitted("MiB", "attention, fused") < 1.05
    assert 1.5 < fitted("ms", "attention, fused") < 1.8


def test_the_zoo_tells_what_was_measured():
    root = Path(__file__).parents[2]
    page = (root / "backmatter" / "zoo.md").read_text("utf-8")
    page = page[page.index("## What layers with a state cost") :]
    page = page.split("\n## ")[0]
    told = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert told == [
        f"| {form} | {fitted('ms', form):.1f} | {fitted('MiB', form):.1f} "
        f"| {at('ms', form, 512):.1f} | {at('ms', form, 2048):.0f} "
        f"| {at('MiB', form, 2048):.0f} |"
        for form in FORMS
    ]


def test_memory_measured_anew_grows_alike():
    """Bytes are the same on every machine; times are not."""
    for form in ("decay, in chunks", "gated delta, token by token"):
        short, long = (_bytes(FORMS[form], n) for n in (128, 256))
        assert 1.7 < long / short < 2.3


def _bytes(form, n):
    x = torch.randn(1, 1, n, D, requires_grad=True)
    return peak_bytes(lambda: torch.autograd.grad(form(x).sum(), x))
