"""The tables of experts support what chapter 12 says of them."""

import math
from statistics import mean, median

import pytest
import torch

from attnbook.experiments import table
from attnbook.experiments.command import SEEDS
from attnbook.experiments.experts_or_dense import (
    CHOSEN,
    DENSE,
    HIDDEN,
    NUMBER,
    ROUTED,
    STEPS,
    VARIANTS,
    WIDTH,
    as_long,
    bits,
    load_of,
    loss_of,
    model_of,
    routed,
    trained,
)
from attnbook.experiments.text_models import text


def of_seeds(variant, name, longer=False):
    return [
        row[name]
        for row in table("experts_or_dense")
        if row["variant"] == variant and (row["steps"] > STEPS) == longer
    ]


def ms(variant):
    return median(
        row["ms"]
        for row in table("experts_times")
        if row["variant"] == variant
    )


@pytest.mark.parametrize(
    ("variant", "longer"),
    [*((variant, False) for variant in VARIANTS), ("dense", True)],
)
def test_each_variant_has_its_seeds_and_a_best_rate_that_is_inside(
    variant, longer
):
    assert of_seeds(variant, "seed", longer) == list(SEEDS)
    tried = {
        row["rate"]: row["validation"]
        for row in table("experts_rates")
        if row["variant"] == variant and (row["steps"] > STEPS) == longer
    }
    best = min(tried, key=tried.__getitem__)
    assert len(tried) >= 3 and min(tried) < best < max(tried)
    assert set(of_seeds(variant, "rate", longer)) == {best}


def test_a_token_costs_as_much_in_experts_as_in_the_dense_network():
    hidden, _ = DENSE["dense"]
    assert hidden == CHOSEN * HIDDEN
    assert WIDTH * NUMBER / (2 * WIDTH * hidden) == pytest.approx(1 / 32)


def test_the_longer_run_has_the_time_of_the_experts():
    longer = {
        row["steps"]
        for row in table("experts_or_dense")
        if row["steps"] > STEPS
    }
    assert longer == {as_long(table("experts_times"), STEPS)}
    assert 1 < ms("experts, bias") / ms("dense") < 2


def test_the_loss_and_the_bias_even_the_load():
    plain = of_seeds("experts", "entropy")
    for way in ("experts, loss", "experts, bias"):
        assert min(of_seeds(way, "entropy")) > max(plain)
    assert max(plain) < math.log(NUMBER)


def test_the_bias_moves_only_where_it_is_asked_for():
    of = text()
    windows = torch.as_tensor(of.parts["train"].ids[:130]).reshape(2, 65)
    for variant in ROUTED:
        model = model_of(variant, 0, of)
        loss_of(model, windows).backward()
        for layer in routed(model):
            moved = bool((layer.experts.bias != 0).any())
            assert moved == ("bias" in variant)
            assert layer.experts.router.weight.grad.abs().sum() > 0


def test_halving_the_output_halves_the_output():
    of = text()
    full, half = (
        model_of(name, 0, of).blocks[0].feed_forward
        for name in ("dense", "dense, output halved")
    )
    x = torch.randn(3, WIDTH)
    torch.testing.assert_close(half(x), full(x) / 2)


def test_a_reduced_study_still_evens_the_load():
    of = text()
    found = {
        name: load_of(trained(name, of, 60, 8e-3, 0), of)["entropy"]
        for name in ("experts", "experts, bias")
    }
    assert found["experts, bias"] > found["experts"], found


def mean_bits(variant, longer=False):
    return mean(of_seeds(variant, "held-out", longer))


def test_experts_have_no_lead_per_step_and_less_per_second():
    dense = of_seeds("dense", "held-out")
    for variant in ("experts", "experts, loss", "experts, bias"):
        assert mean_bits(variant) > mean(dense)
        assert min(of_seeds(variant, "held-out")) > max(
            of_seeds("dense", "held-out", longer=True)
        )
    assert abs(mean_bits("dense, output halved") - mean_bits("experts")) < 0.02
    assert mean_bits("dense, as many weights") > mean(dense)


def test_without_balance_one_expert_gets_nearly_half():
    assert min(of_seeds("experts", "busiest")) > 0.4
    assert min(of_seeds("experts, bias", "entropy")) > 2.05
    assert min(of_seeds("experts, loss", "entropy")) > 1.9


def test_a_neighbouring_rate_costs_more_than_most_variants_differ():
    costs = {}
    for row in table("experts_rates"):
        if row["steps"] == STEPS:
            costs.setdefault(row["variant"], []).append(row["validation"])
    gaps = {name: sorted(each) for name, each in costs.items()}
    gaps = {name: each[1] - each[0] for name, each in gaps.items()}
    assert gaps.keys() == set(VARIANTS)
    assert sum(gap > 0.12 for gap in gaps.values()) >= len(VARIANTS) - 1
    assert min(gaps.values()) > 0.01


def test_bits_are_those_of_the_held_out_part():
    of = text()
    model = model_of("dense", 0, of)
    assert bits(model, of, "held-out") == pytest.approx(3.48, abs=0.1)
