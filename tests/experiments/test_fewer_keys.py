"""The table of fewer keys on English supports what chapter 08 says of it."""

from statistics import median

import pytest

from attnbook.experiments import table
from attnbook.experiments.fewer_keys import (
    STEPS,
    VARIANTS,
    cached_floats,
    parameters,
    untrained,
)
from attnbook.mechanisms.decoder_only import Cache


def held_out(variant):
    """Bits per byte of each seed."""
    return [
        row["held-out"]
        for row in table("fewer_keys")
        if row["variant"] == variant
    ]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_three_seeds_at_its_best_rate(variant):
    rows = [row for row in table("fewer_keys") if row["variant"] == variant]
    assert [row["seed"] for row in rows] == [0, 1, 2]
    assert {row["steps"] for row in rows} == {STEPS}
    tried = {
        row["rate"]: row["validation"]
        for row in table("fewer_keys_rates")
        if row["variant"] == variant
    }
    best = min(tried, key=tried.__getitem__)
    assert min(tried) < best < max(tried)
    assert {row["rate"] for row in rows} == {best}


def test_all_have_as_many_parameters_and_cache_what_the_table_says():
    sizes = {}
    for variant in VARIANTS:
        model = untrained(variant, 0, 300)
        sizes[variant] = parameters(model)
        floats = {
            row["floats"]
            for row in table("fewer_keys")
            if row["variant"] == variant
        }
        assert floats == {cached_floats(model)}
        assert Cache(model, 1).bytes() == 4 * 64 * cached_floats(model)
    for size in sizes.values():
        assert size == pytest.approx(sizes["MHA"], rel=0.01)
    for row in table("fewer_keys"):
        first = table("fewer_keys")[0]["parameters"]
        assert row["parameters"] == pytest.approx(first, rel=0.01)


def test_on_english_no_cache_is_seen_to_lose_much():
    """An eighth of the floats: a difference smaller than that of seeds."""
    plain = median(held_out("MHA"))
    for variant in VARIANTS:
        assert median(held_out(variant)) < plain + 0.06
    smallest = held_out("MQA, layers share")
    assert min(smallest) < max(held_out("MHA"))


def test_one_run_of_two_groups_failed():
    """At the rate that was best for the first seed."""
    *others, worst = sorted(
        (row["held-out"], row["variant"]) for row in table("fewer_keys")
    )
    assert worst[0] > 2.3 and worst[1] == "two groups"
    assert max(others)[0] < 1.9
