"""The tables of experts support what chapter 12 says of them."""

import math
from statistics import mean, median

import pytest
import torch

from attnbook.experiments import table
from attnbook.experiments.command import SEEDS
from attnbook.experiments.experts_or_dense import (
    AT_LENGTH,
    CHOSEN,
    DENSE,
    HIDDEN,
    LONGER,
    NUMBER,
    ROUTED,
    SMALL,
    STEPS,
    TIMED,
    VARIANTS,
    WIDTH,
    as_long,
    at_rate,
    bits,
    load_of,
    loss_of,
    model_of,
    routed,
    trained,
)
from attnbook.experiments.text_models import text

AS_LONG, LONGEST = (
    as_long(table("experts_times"), steps) for steps in (STEPS, LONGER)
)
TUNED = [
    *((variant, STEPS) for variant in VARIANTS),
    ("dense", AS_LONG),
    *((variant, LONGER) for variant in AT_LENGTH),
]


def of_seeds(variant, name, steps=STEPS):
    return [
        row[name]
        for row in table("experts_or_dense")
        if (row["variant"], row["steps"]) == (variant, steps)
    ]


def ms(variant):
    return median(
        row["ms"]
        for row in table("experts_times")
        if row["variant"] == variant
    )


def test_the_table_has_these_trainings_and_no_others():
    found = {
        (row["variant"], row["steps"]) for row in table("experts_or_dense")
    }
    assert found == {*TUNED, ("dense", LONGEST)}


@pytest.mark.parametrize(("variant", "steps"), TUNED)
def test_each_variant_has_its_seeds_and_a_best_rate_that_is_inside(
    variant, steps
):
    assert of_seeds(variant, "seed", steps) == list(SEEDS)
    tried = {
        row["rate"]: row["validation"]
        for row in table("experts_rates")
        if (row["variant"], row["steps"]) == (variant, steps)
    }
    best = min(tried, key=tried.__getitem__)
    assert len(tried) >= 3 and min(tried) < best < max(tried)
    assert set(of_seeds(variant, "rate", steps)) == {best}


def test_the_longest_training_has_the_rate_of_the_one_before():
    assert of_seeds("dense", "seed", LONGEST) == list(SEEDS)
    rates = (of_seeds("dense", "rate", steps) for steps in (LONGER, LONGEST))
    assert len({rate for each in rates for rate in each}) == 1


def test_a_token_costs_as_much_in_experts_as_in_the_dense_network():
    hidden, _ = DENSE["dense"]
    assert hidden == CHOSEN * HIDDEN
    assert WIDTH * NUMBER / (2 * WIDTH * hidden) == pytest.approx(1 / 32)


def test_the_longer_runs_have_the_time_of_the_experts():
    slower = ms("experts, bias") / ms("dense")
    assert round(100 * slower) == 117
    assert pytest.approx(slower, abs=0.003) == AS_LONG / STEPS
    assert pytest.approx(slower, abs=0.003) == LONGEST / LONGER
    assert {row["variant"] for row in table("experts_times")} == set(TIMED)


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


def mean_bits(variant, steps=STEPS):
    return mean(of_seeds(variant, "held-out", steps))


def test_experts_have_no_lead_per_step_and_less_per_second():
    dense = of_seeds("dense", "held-out")
    for variant in ROUTED:
        assert mean_bits(variant) > mean(dense)
        assert min(of_seeds(variant, "held-out")) > max(
            of_seeds("dense", "held-out", AS_LONG)
        )
    assert abs(mean_bits("dense, output halved") - mean_bits("experts")) < 0.02
    assert mean_bits("dense, as many weights") > mean(dense)


def test_with_three_times_the_steps_the_two_are_alike_per_step():
    dense, plain, balanced = (
        of_seeds(variant, "held-out", LONGER)
        for variant in ("dense", "experts", "experts, bias 0.001")
    )
    assert min(dense) < min(plain) < max(plain) < max(dense)
    assert abs(mean(balanced) - mean(plain)) < 0.01
    assert mean(of_seeds("dense", "held-out", LONGEST)) < mean(balanced) - 0.02
    assert max(of_seeds("dense", "held-out", LONGEST)) < min(plain)


def test_a_large_step_of_the_bias_costs_bits_and_a_small_one_does_not():
    large, small, none = (
        of_seeds(variant, "held-out")
        for variant in ("experts, bias", "experts, bias 0.001", "experts")
    )
    assert mean(large) > mean(none) + 0.05
    assert mean(small) < mean(none) and max(small) < mean(large)
    even, less = (
        of_seeds(variant, "entropy")
        for variant in ("experts, bias", "experts, bias 0.001")
    )
    assert max(of_seeds("experts", "entropy")) < min(less)
    assert max(less) < min(even)
    assert pytest.approx(0.001) == SMALL
    assert min(of_seeds("experts, bias 0.001", "entropy", LONGER)) > 2.05


def test_without_balance_the_load_becomes_less_even():
    early, late = (
        of_seeds("experts", "entropy", steps) for steps in (STEPS, LONGER)
    )
    assert max(late) < min(early) + 0.01 and mean(late) < mean(early) - 0.1


def test_rows_at_a_rate_are_reproducible():
    of = text()
    (one,), (two,) = (
        at_rate("experts, bias 0.001", of, 3, 4e-3, [0]) for _ in range(2)
    )
    assert one == two


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
