"""The tables of decoding with a cache support what chapter 07 says of it."""

from itertools import pairwise
from statistics import median

import pytest
import torch

from attnbook.experiments import table
from attnbook.experiments.cached_decoding import (
    LENGTHS,
    SIZES,
    WAYS,
    DotCounter,
    dots,
    model_of,
    needed_dots,
    run,
)

WITH, WITHOUT = WAYS
READING = "reading in one pass"


def seconds(size, way, T):
    """Of each run, in order."""
    return [
        row["seconds"]
        for row in table("decoding_total")
        if (row["size"], row["way"], row["T"]) == (size, way, T)
    ]


def milliseconds(size, way, tokens):
    """Of a step, the median of the runs."""
    return median(
        row["ms"]
        for row in table("decoding_steps")
        if (row["size"], row["way"], row["tokens"]) == (size, way, tokens)
    )


def test_the_dots_that_were_counted_are_those_of_the_formula():
    rows = table("decoding_dots")
    assert [(row["T"], row["way"]) for row in rows] == [
        (T, way) for T in LENGTHS for way in WAYS
    ]
    for row in rows:
        T, cache = int(row["T"]), WAYS[row["way"]]
        expected = T * (T + 1) / 2 if cache else T * (T + 1) * (T + 2) / 6
        assert row["needed"] == row["formula"] == expected
        # Without a cache whole squares are computed, twice what is needed.
        squares = T * (T + 1) * (2 * T + 1) / 6
        assert row["computed"] == (expected if cache else squares)


@pytest.mark.parametrize("T", LENGTHS)
def test_the_ratio_of_the_dots_is_a_third_of_t_plus_two(T):
    ratio = needed_dots(T, cache=False) / needed_dots(T, cache=True)
    assert ratio == pytest.approx((T + 2) / 3)


@pytest.mark.parametrize("size", SIZES)
def test_every_way_was_timed_three_times_at_every_length(size):
    for way in (*WAYS, READING):
        for T in LENGTHS:
            assert len(seconds(size, way, T)) == 3


@pytest.mark.parametrize("size", SIZES)
def test_the_cache_saves_more_the_longer_the_text(size):
    ratios = [
        [
            without / with_
            for without, with_ in zip(
                seconds(size, WITHOUT, T), seconds(size, WITH, T), strict=True
            )
        ]
        for T in (128, 256, 512)
    ]
    for shorter, longer in pairwise(ratios):
        assert max(shorter) < min(longer)
    assert min(ratios[-1]) > 3


@pytest.mark.parametrize("size", SIZES)
def test_a_step_with_a_cache_hardly_depends_on_the_length(size):
    first, last = 32, 480
    grown = {
        way: milliseconds(size, way, last) / milliseconds(size, way, first)
        for way in WAYS
    }
    assert grown[WITH] < 1.6
    assert grown[WITHOUT] > 4


@pytest.mark.parametrize("size", SIZES)
def test_reading_in_one_pass_is_much_faster_than_token_by_token(size):
    """The same dots and the same cache: prefill against decoding."""
    for T in (256, 512):
        assert 10 * max(seconds(size, READING, T)) < min(
            seconds(size, WITH, T)
        )


def test_the_counter_counts_what_a_pass_computes():
    model = model_of(8, 2, 10)
    with DotCounter(model) as counter, torch.no_grad():
        model(torch.zeros(3, 5, dtype=torch.long))
    parts = 3 * 2 * model.num_heads  # rows, blocks and heads
    assert counter.computed == parts * 25
    assert counter.needed == parts * 15
    with torch.no_grad():
        model(torch.zeros(3, 5, dtype=torch.long))
    assert counter.computed == parts * 25  # it has stopped counting


def test_the_counts_at_other_lengths_are_those_of_the_formula():
    for T in (1, 2, 13):
        assert all(row["needed"] == row["formula"] for row in dots(T))


def test_the_study_at_a_reduced_size_shows_that_a_cache_saves_steps():
    found = run(lengths=[64, 192], sizes=[next(iter(SIZES))], runs=[0])
    steps = {
        (row["way"], row["tokens"]): row["ms"]
        for row in found["decoding_steps"]
    }
    grown = {way: steps[way, 160] / steps[way, 32] for way in WAYS}
    assert grown[WITHOUT] > grown[WITH]
    total = {
        (row["way"], row["T"]): row["seconds"]
        for row in found["decoding_total"]
    }
    assert total[READING, 192] < 0.5 * total[WITH, 192]
    assert len(found["decoding_dots"]) == 4
