"""The table of pooled heads supports what chapter 08 says of them."""

import pytest

from attnbook.experiments import table
from attnbook.experiments.pooled_heads import (
    GROUPS,
    SEEDS,
    SHARES,
    STEPS,
    WAYS,
    Study,
    text,
)

MORE = tuple(round(share * STEPS) for share in SHARES)


def found(model, groups, further, rows=None):
    """The rows of a model, one for each seed."""
    return [
        row
        for row in (rows or table("pooled_heads"))
        if (row["model"], row["groups"], row["further"])
        == (model, groups, further)
    ]


def held_out(model, groups, further, rows=None):
    """Bits per byte of each seed."""
    return [row["held-out"] for row in found(model, groups, further, rows)]


def seeds(model, groups, further):
    return tuple(row["seed"] for row in found(model, groups, further))


def test_every_model_has_all_seeds():
    for further in (0, *MORE):
        assert seeds("multi-head", 4, further) == SEEDS
        for groups in GROUPS:
            for way in WAYS:
                assert seeds(f"pooled, {way}", groups, further) == SEEDS
    for groups in GROUPS:
        assert seeds("from the beginning", groups, MORE[-1]) == SEEDS


@pytest.mark.parametrize("groups", GROUPS)
def test_after_a_twentieth_the_seeds_do_not_agree(groups):
    mean, first = (
        held_out(f"pooled, {way}", groups, MORE[0]) for way in WAYS[:2]
    )
    better = [one < other for one, other in zip(mean, first, strict=True)]
    assert sum(better) == 3


@pytest.mark.parametrize("groups", GROUPS)
def test_pooled_heads_are_worse_at_once_and_the_mean_recovers_best(groups):
    plain = held_out("multi-head", 4, 0)
    for way in WAYS:
        assert min(held_out(f"pooled, {way}", groups, 0)) > max(plain)
    mean, first, random = (
        held_out(f"pooled, {way}", groups, MORE[-1]) for way in WAYS
    )
    for one, other in zip(mean, first, strict=True):
        assert one < other
    assert max(first) < min(random)


@pytest.mark.parametrize("groups", GROUPS)
def test_of_the_same_steps_those_from_the_beginning_bring_more(groups):
    whole = held_out("from the beginning", groups, MORE[-1])
    assert max(whole) < min(held_out("pooled, mean", groups, MORE[-1]))


def test_the_best_rate_lies_inside_of_those_that_were_tried():
    tried = {}
    for row in table("pooled_rates"):
        key = row["model"], row["groups"], row["training"]
        tried.setdefault(key, {})[row["rate"]] = row["validation"]
    assert len(tried) == 1 + 2 * (1 + 6) + 2
    for rates in tried.values():
        best = min(rates, key=rates.__getitem__)
        assert min(rates) < best < max(rates)


def test_the_further_steps_are_a_twentieth_and_a_fifth():
    assert MORE == (0.05 * STEPS, 0.2 * STEPS)
    assert {row["steps"] for row in table("pooled_heads")} == {STEPS}


@pytest.mark.parametrize("groups", GROUPS)
def test_the_study_is_of_the_cache_it_says(groups):
    (floats,) = {
        row["floats"]
        for row in table("pooled_heads")
        if row["groups"] == groups
    }
    assert floats == 2 * 2 * groups * 16


def test_the_study_at_a_reduced_size_pools_and_recovers():
    study = Study(text(), 60, (0.2,))
    study.add(0, (1,), ("mean", "random"), (8e-3,), (2e-3,))
    assert not study.tried
    before, after = (
        held_out("pooled, mean", 1, further, study.rows)[0]
        for further in (0, 12)
    )
    (plain,) = held_out("multi-head", 4, 0, study.rows)
    assert plain < before
    assert after < before
    assert len(study.rows) == 3 * 2 + 1
