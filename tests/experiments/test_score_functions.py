"""The tables of chapter 02 support what the chapter says of them."""

import numpy as np
import pytest
import torch

from attnbook import data
from attnbook.experiments import table
from attnbook.experiments.score_functions import (
    COMBINATIONS,
    RATES,
    Combination,
    base,
    build,
    combination_of,
    merged,
    run,
)

EACH = pytest.mark.parametrize(
    "combination", COMBINATIONS, ids=lambda c: "-".join(map(str, c))
)
M = "exact match"


def values(measure, score, window="global", half_width=0, feeding="no"):
    wanted = Combination(score, window, half_width, feeding)
    return np.array(
        [
            row[measure]
            for row in table("score_functions")
            if combination_of(row) == wanted
        ]
    )


def times(*wanted):
    """Milliseconds of each block."""
    return np.array(
        [
            row["milliseconds"]
            for row in table("luong_step_times")
            if combination_of(row) == Combination(*wanted)
        ]
    )


@EACH
def test_every_combination_has_three_seeds_at_its_best_rate(combination):
    rows = [
        row
        for row in table("score_functions")
        if combination_of(row) == combination
    ]
    tried = {
        row["rate"]: row[M]
        for row in table("score_rates")
        if combination_of(row) == base(combination)
    }
    assert len({row["seed"] for row in rows}) == len(rows) == 3
    assert set(tried) == set(RATES)
    assert {row["rate"] for row in rows} == {max(tried, key=tried.get)}


@EACH
def test_the_means_are_those_of_the_lengths(combination):
    for row in table("score_functions"):
        if combination_of(row) == combination:
            within = np.mean([row[str(length)] for length in range(2, 7)])
            longer = np.mean([row[str(length)] for length in (7, 8)])
            assert row[M] == pytest.approx(within, abs=1e-4)
            assert row[f"{M}, longer"] == pytest.approx(longer, abs=1e-4)


@EACH
def test_the_table_has_the_size_of_what_is_trained(combination):
    task = data.telephone_numbers("de", pairs=(1, 6))
    model = build(
        combination, len(task.source_vocabulary), len(task.target_vocabulary)
    )
    assert set(values("parameters", *combination)) == {
        sum(p.numel() for p in model.parameters() if p.requires_grad)
    }


def test_the_simplified_concat_keeps_half_of_its_matrix():
    model = build(Combination("concat, simplified", "global", 0, "no"), 30, 15)
    assert not model.score.key_projection.weight.requires_grad
    key = torch.randn(2, 5, 64)
    torch.testing.assert_close(model.score.project(key), key)


def test_ones_are_fed_in_the_place_of_what_was_read():
    """What was read at step 0 changes no later weight."""
    torch.manual_seed(0)
    model = build(Combination("general", "global", 0, "constant"), 30, 15)
    source, target = torch.randint(3, 15, (2, 4, 6))
    mask = torch.ones_like(source, dtype=torch.bool)
    _, before = model(source, mask, target)
    with torch.no_grad():
        model.combine.weight.mul_(-1)
    _, after = model(source, mask, target)
    assert after.equal(before)


def test_new_rows_replace_those_of_their_combination_alone():
    old = table("score_functions")
    assert merged("score_functions", []) == old
    first = [{**old[0], "seed": 7}]
    after = merged("score_functions", first)
    assert len(after) == len(old) - 2
    assert after[0]["seed"] == 7


def test_no_model_learns_at_the_largest_rate_so_no_best_one_is_at_the_edge():
    largest = [r[M] for r in table("score_rates") if r["rate"] == max(RATES)]
    assert len(largest) == 8 and max(largest) < 0.01


def test_at_a_small_rate_general_is_ahead_and_at_its_own_dot_is_as_good():
    tried = {
        (row["score"], row["rate"]): row[M]
        for row in table("score_rates")
        if row["feeding"] == "no"
    }
    small = min(RATES)
    assert tried["general", small] > tried["dot", small] + 0.05
    dot, general = (values(M, score) for score in ("dot", "general"))
    assert dot.mean() == pytest.approx(general.mean(), abs=0.005)
    assert min(dot.min(), general.min()) > 0.99


def test_a_score_that_sees_the_words_beats_one_that_does_not():
    for measure in (M, "alignment", "largest weight"):
        blind = values(measure, "location")
        for score in ("dot", "general"):
            assert values(measure, score).min() > blind.max() + 0.1


def test_feeding_helps_general_on_longer_numbers_and_not_within():
    without, fed = (values(M, "general", feeding=f) for f in ("no", "yes"))
    assert fed.mean() == pytest.approx(without.mean(), abs=0.005)
    longer = f"{M}, longer"
    without, fed, ones = (
        values(longer, "general", feeding=f) for f in ("no", "yes", "constant")
    )
    assert fed.min() > without.max()
    assert ones.max() < without.min()  # a wider GRU alone does not help


def test_feeding_does_not_help_the_location_score():
    without, fed = (values(M, "location", feeding=f) for f in ("no", "yes"))
    assert fed.mean() < without.mean()


def test_concat_with_half_of_its_matrix_does_badly():
    whole, simplified = (
        values(M, score) for score in ("concat", "concat, simplified")
    )
    assert simplified.max() < whole.min() - 0.05
    assert values(M, "general").min() > whole.max()


def test_a_narrow_window_costs_and_helps_on_longer_numbers_if_scaled():
    whole, narrow, scaled = (
        {
            measure: values(measure, "general", window, width, "yes")
            for measure in (M, f"{M}, longer")
        }
        for window, width in (
            ("global", 0),
            ("local-m", 3),
            ("local-m, scaled", 3),
        )
    )
    for window in (narrow, scaled):
        assert window[M].max() < whole[M].min() - 0.05
    for window in (narrow, whole):
        longer = f"{M}, longer"
        assert scaled[longer].min() > window[longer].max()


def test_local_p_of_the_paper_s_width_is_as_good_as_global():
    whole = values(M, "general", feeding="yes")
    local = values(M, "general", "local-p", 10, "yes")
    assert local.mean() == pytest.approx(whole.mean(), abs=0.005)
    aligned = values("alignment", "general", "local-p", 10, "yes")
    blind = values("alignment", "location", feeding="yes")
    assert aligned.min() > blind.max() + 0.4
    assert aligned.mean() == pytest.approx(
        values("alignment", "general", feeding="yes").mean(), abs=0.02
    )


def test_a_step_of_bahdanau_s_takes_longest_also_with_equal_encoders():
    luong = times("general", "global", 0, "no")
    wide = times("general, wide encoder", "global", 0, "no")
    bahdanau = times("Bahdanau", "global", 0, "yes")
    assert (bahdanau / luong).min() > 2
    assert 1.2 < np.median(wide / luong) < 1.7
    assert 1.4 < np.median(bahdanau / wide) < 1.9
    same = times("concat, wide encoder", "global", 0, "no")
    assert 1 < np.median(bahdanau / same) < 1.3
    fed = times("general", "global", 0, "yes")
    assert (fed / luong).min() > 1.3


def test_the_study_at_a_reduced_size_still_shows_the_blind_score():
    found = run(
        [
            Combination("general", "global", 0, "no"),
            Combination("location", "global", 0, "no"),
            Combination("general", "local-m", 1, "no"),
        ],
        seeds=[0],
        steps=120,
        trained_to=4,
        longest=5,
        count=100,
        rates=[1e-2],
    )
    rows = found["score_functions"]
    exact = [row[M] for row in rows]
    alignment = [row["alignment"] for row in rows]
    assert exact[0] > max(exact[1:]) + 0.1
    assert alignment[0] > max(alignment[1:]) + 0.15
    assert len(found["score_rates"]) == 2
