"""The table of equal cache bytes supports what chapter 08 says of it."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from attnbook.experiments import table
from attnbook.experiments.equal_cache import (
    ASKED,
    BUDGETS,
    FACTS,
    HEADS,
    KV_HEADS,
    LONGER,
    PARAMETERS,
    SEEDS,
    SOLVED,
    STEPS,
    VARIANTS,
    WIDTH,
    Lookup,
    Reader,
    floats,
    measured,
    parameters,
    reader,
    size_for,
    trained,
)
from attnbook.mechanisms.sharing_heads import latent_of


def accuracies(variant, budget, steps=STEPS):
    """Of each seed, at the variant's best rate."""
    return [
        row["accuracy"]
        for row in table("equal_cache")
        if (row["variant"], row["floats"], row["steps"])
        == (variant, budget, steps)
    ]


CELLS = [(variant, budget) for variant in VARIANTS for budget in BUDGETS]


@pytest.mark.parametrize(("variant", "budget"), CELLS)
def test_every_variant_has_all_seeds_at_every_budget(variant, budget):
    short = accuracies(variant, budget)
    assert len(short) == len(SEEDS)
    longer = accuracies(variant, budget, LONGER * STEPS)
    assert len(longer) == (len(SEEDS) if min(short) < SOLVED else 0)


def test_with_16_floats_heads_of_their_own_do_not_learn_it():
    for steps in (STEPS, LONGER * STEPS):
        assert max(accuracies("MHA", 16, steps)) < 0.2
    assert min(accuracies("MQA", 16, LONGER * STEPS)) >= SOLVED
    for variant in ("two groups", "MLA"):
        stuck, *others = sorted(accuracies(variant, 16, LONGER * STEPS))
        assert 0.75 < stuck < 0.79 and min(others) >= SOLVED


def test_with_more_floats_each_variant_reads_everything_in_some_seeds():
    for variant in VARIANTS:
        for budget in (32, 64):
            found = accuracies(variant, budget, LONGER * STEPS)
            found = found or accuracies(variant, budget)
            assert sum(one >= SOLVED for one in found) >= 2


def test_a_quarter_of_the_bytes_is_enough_where_heads_have_8_numbers():
    assert min(accuracies("MHA", 64)) >= SOLVED
    assert min(accuracies("two groups", 32, LONGER * STEPS)) >= SOLVED
    assert min(accuracies("MQA", 16, LONGER * STEPS)) >= SOLVED


def test_all_have_as_many_parameters():
    for row in table("equal_cache"):
        assert row["parameters"] == pytest.approx(PARAMETERS, rel=0.01)


@pytest.mark.parametrize(("variant", "budget"), CELLS)
def test_the_best_rate_lies_inside_of_those_that_were_tried(variant, budget):
    for steps in (STEPS, LONGER * STEPS):
        tried = {
            row["rate"]: row["loss"]
            for row in table("equal_cache_rates")
            if (row["variant"], row["floats"], row["steps"])
            == (variant, budget, steps)
        }
        if steps == STEPS or tried:
            assert len(tried) >= 3
            best = min(tried, key=tried.__getitem__)
            assert min(tried) < best < max(tried)
            rates = {
                row["rate"]
                for row in table("equal_cache")
                if (row["variant"], row["floats"], row["steps"])
                == (variant, budget, steps)
            }
            assert rates == {best}


def test_the_sizes_are_those_of_the_budget():
    for variant, budget in CELLS:
        assert floats(variant, size_for(variant, budget)) == budget
    assert [size_for(v, 16) for v in VARIANTS] == [2, 4, 8, 16]


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("variant", KV_HEADS)
def test_a_latent_has_room_for_whatever_the_groups_can_do(variant, budget):
    """So where the latent loses at equal bytes, it is slow, not full."""
    torch.manual_seed(0)
    model = Reader(variant, size_for(variant, budget), 5).double()
    own = Reader("MLA", budget, 5).attention.d_head
    made = latent_of(model.attention, own)
    assert made.d_latent == budget
    sets = Lookup().sample(2, np.random.default_rng(0))
    expected, _ = model(sets)
    model.attention = made
    torch.testing.assert_close(model(sets)[0], expected)


def test_one_number_a_key_can_find_the_ends_of_a_set_only():
    """Why heads of one feature fail: q·k grows or falls along the keys."""
    key = torch.randn(FACTS)
    for query in torch.randn(50):
        assert (query * key).argmax() in (key.argmin(), key.argmax())


def test_equal_bytes_are_not_equal_flops():
    """The bigger shared heads compute more scores; that is not compared."""
    flops = {}
    for variant in VARIANTS:
        model = reader(variant, size_for(variant, 16), 0)
        query, facts = torch.zeros(1, 1, WIDTH), torch.zeros(1, FACTS, WIDTH)
        with FlopCounterMode(display=False) as counter:
            if variant == "MLA":
                kept = model.attention.to_keep(facts)
                q, _ = model.attention.queries(query)
                counter.flop_counts.clear()
                model.attention._absorbed(q, None, kept, None, False)
            else:
                model.attention(query, facts, facts)
        flops[variant] = counter.get_total_flops()
    assert flops["MHA"] < flops["two groups"] < flops["MQA"]


def test_no_key_comes_twice_and_every_asked_one_is_there():
    sets = Lookup().sample(50, np.random.default_rng(0))
    assert all(len(set(row)) == FACTS for row in sets.keys.tolist())
    assert all(
        len(set(query)) == ASKED
        for row in sets.asked.tolist()
        for query in row
    )
    for b in range(50):
        known = dict(
            zip(sets.keys[b].tolist(), sets.values[b].tolist(), strict=True)
        )
        for query, wanted in zip(
            sets.asked[b].tolist(), sets.wanted[b].tolist(), strict=True
        ):
            assert [known[key] for key in query] == wanted


def test_a_reader_is_measured_on_other_examples_than_it_is_trained_on():
    model = reader("MQA", 4, 0)
    assert measured(model, 0, 2) == measured(model, 0, 2)
    assert measured(model, 0, 2) != measured(model, 1, 2)
    assert parameters(model) == pytest.approx(PARAMETERS, rel=0.01)
    assert model.attention.num_heads == HEADS
    first = Lookup().sample(4, np.random.default_rng([0, 1]))
    trained_on = Lookup().sample(4, np.random.default_rng(0))
    assert not torch.equal(first.keys, trained_on.keys)


def test_the_study_at_a_reduced_size_still_separates_them():
    """At 16 floats a token: one head of 8 features against four of 2."""
    found = {}
    for variant in ("MHA", "MQA"):
        model = trained(variant, size_for(variant, 16), 400, 8e-3, 0)
        found[variant] = measured(model, 0, 5)["accuracy"]
    assert found["MQA"] > found["MHA"] + 0.2
