"""The look-up table supports what chapter 03 claims of it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from attnbook.experiments import table
from attnbook.experiments.dictionary_lookup import (
    KEYS,
    ROWS_SEEDS,
    ROWS_SIZES,
    ROWS_STEPS,
    SCORES,
    SIZES,
    STEPS,
    LookUp,
    accuracies,
    accuracy,
    draw,
    fit,
    jacobian_norm,
    rates,
    single_rows,
    unseen,
)

OTHERS = tuple(score for score in SCORES if score != "unscaled")


def runs(name, score, d, steps, rate):
    return [
        row[name]
        for row in table("dictionary_lookup")
        if (row["score"], row["d"], row["steps"]) == (score, d, steps)
        and row["rate"] == rate
    ]


def at_best_rate(score, d, steps):
    """The accuracies at the rate with the best mean on other dictionaries."""
    best = max(
        rates(score),
        key=lambda rate: np.mean(runs("validation", score, d, steps, rate)),
    )
    return runs("accuracy", score, d, steps, best)


def rows(name, score, d, steps):
    return [
        row[name]
        for row in table("dictionary_rows")
        if (row["score"], row["d"], row["steps"]) == (score, d, steps)
    ]


@pytest.mark.parametrize("score", SCORES)
def test_every_score_has_three_seeds_at_every_size_rate_and_step(score):
    for d in SIZES:
        for rate in rates(score):
            for steps in STEPS:
                assert len(runs("accuracy", score, d, steps, rate)) >= 3


@pytest.mark.parametrize("d", SIZES)
def test_every_score_but_the_unscaled_learns_the_dictionary(d):
    for score in OTHERS:
        assert min(at_best_rate(score, d, 300)) > 0.99


def test_no_rate_keeps_the_unscaled_score_up_at_large_sizes():
    for d in (16, 32):
        assert min(at_best_rate("unscaled", d, 300)) > 0.99
    for rate in rates("unscaled"):
        for d in (512, 1024):
            assert np.mean(runs("accuracy", "unscaled", d, 300, rate)) < 0.9


@pytest.mark.parametrize("d", SIZES)
def test_a_higher_rate_makes_additive_as_fast_as_scaled(d):
    for score in ("scaled", "additive"):
        assert min(at_best_rate(score, d, 30)) > 0.98
    assert np.mean(runs("accuracy", "additive", 16, 30, 1e-2)) < 0.95


def test_more_steps_do_not_repair_the_unscaled_score_at_large_sizes():
    for d, most in zip(ROWS_SIZES, (0.99, 0.93), strict=True):
        assert max(rows("accuracy", "unscaled", d, 1000)) < most
        assert min(rows("accuracy", "scaled", d, 1000)) == 1


def test_after_300_steps_the_unscaled_runs_differ_much():
    found = rows("accuracy", "unscaled", 512, 300)
    assert min(found) < 0.65 < 0.95 < max(found)


@pytest.mark.parametrize("score", ["unscaled", "scaled"])
def test_single_rows_have_six_seeds_at_every_step(score):
    for d in ROWS_SIZES:
        for steps in (0, *ROWS_STEPS):
            assert len(rows("dead", score, d, steps)) == len(ROWS_SEEDS)


def test_at_the_start_most_unscaled_rows_are_dead_and_a_few_very_alive():
    for d in ROWS_SIZES:
        for seed in ROWS_SEEDS:
            dead, median, mean, largest = (
                rows(name, "unscaled", d, 0)[seed]
                for name in (
                    "dead",
                    "query gradient, median",
                    "query gradient, mean",
                    "query gradient, largest",
                )
            )
            scaled = rows("query gradient, mean", "scaled", d, 0)
            assert dead > 0.4
            assert median < mean / 10 < largest / 30
            assert mean > scaled[seed]


def test_what_the_scaled_model_gets_wrong_still_has_a_gradient():
    for d, least in zip(ROWS_SIZES, (0.015, 0.07), strict=True):
        for steps in ROWS_STEPS:
            assert max(rows("dead and wrong", "scaled", d, steps)) == 0
            assert min(rows("dead and wrong", "unscaled", d, steps)) > least
        assert min(rows("dead", "unscaled", d, 1000)) > 0.98


def test_the_study_at_a_reduced_size_still_shows_the_gap():
    found = {}
    for score in ("unscaled", "scaled"):
        torch.manual_seed(0)
        *_, (_, last) = fit(LookUp(score, 512), 3e-3, 0, [150])
        found[score] = last["accuracy"]
    assert found["scaled"] > 0.95
    assert found["unscaled"] < found["scaled"] - 0.1


def test_a_row_of_the_table_is_what_training_gives():
    (early, last) = accuracies("scaled", 16, 3e-3, 1)
    assert (early["steps"], last["steps"]) == STEPS
    assert (
        float(last["accuracy"]) == runs("accuracy", "scaled", 16, 300, 3e-3)[1]
    )


def test_a_single_row_of_the_table_is_what_training_gives():
    first = next(single_rows("unscaled", 512, 2))
    assert first["steps"] == 0
    assert float(first["dead"]) == rows("dead", "unscaled", 512, 0)[2]


def test_the_short_measure_of_accuracy_equals_the_long_one():
    torch.manual_seed(0)
    model = LookUp("scaled", 16)
    *_, (_, found) = fit(model, 3e-3, 0, [20])
    assert accuracy(model, unseen(0)) == pytest.approx(found["accuracy"])


def losses(score, d, slower):
    """Losses of a few steps, the projections at a rate of their own."""
    torch.manual_seed(0)
    model = LookUp(score, d).double()
    own = [model.query_projection, model.key_projection]
    optimiser = torch.optim.Adam(
        [
            {"params": [model.symbol, model.value]},
            {"params": own, "lr": 3e-3 * slower},
        ],
        lr=3e-3,
        eps=1e-30,
    )
    generator, found = torch.Generator().manual_seed(1), []
    for _ in range(20):
        batch = draw(32, generator)
        loss = F.cross_entropy(model(batch), batch.answer)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(loss.item())
    return found


def test_for_adam_the_scale_is_a_small_start_and_small_steps():
    d = 64
    scaled = losses("scaled", d, 1)
    assert scaled == pytest.approx(
        losses("unscaled, small start", d, d**-0.25), abs=1e-6
    )
    assert scaled != pytest.approx(losses("unscaled", d, 1), abs=0.1)


def test_an_answer_is_the_value_at_the_key_that_is_asked_for():
    batch = draw(50, torch.Generator().manual_seed(0))
    found = batch.key == batch.query[:, None]
    assert (found.sum(1) == 1).all()
    assert (batch.value[found] == batch.answer).all()
    assert all(len(set(row)) == KEYS for row in batch.key.tolist())


@pytest.mark.parametrize("score", SCORES)
def test_scoring_all_pairs_once_equals_scoring_each_example(score):
    torch.manual_seed(0)
    model = LookUp(score, 24)
    batch = draw(6, torch.Generator().manual_seed(1))
    query = model.symbol[batch.query] @ model.query_projection
    key = model.symbol[batch.key] @ model.key_projection
    scores = model.compare(query[:, None], key)[:, 0]
    torch.testing.assert_close(
        model(batch), model.read(scores, batch.value), rtol=0, atol=1e-4
    )


def test_a_small_start_gives_the_first_scores_of_the_scaled_model():
    scores = []
    for name in ("unscaled, small start", "scaled"):
        torch.manual_seed(0)
        model = LookUp(name, 64)
        scores.append(
            model.compare(
                model.symbol @ model.query_projection,
                model.symbol @ model.key_projection,
            )
        )
    torch.testing.assert_close(*scores, rtol=0, atol=1e-4)


def test_the_norm_of_the_jacobian_equals_that_of_the_matrix():
    weights = torch.randn(4, 7).double().softmax(-1)
    expected = [(row.diag() - row.outer(row)).norm() for row in weights]
    torch.testing.assert_close(jacobian_norm(weights), torch.stack(expected))


def test_measuring_does_not_change_what_is_learnt():
    accuracies = []
    for steps in ([40], [10, 20, 40]):
        torch.manual_seed(0)
        *_, (_, found) = fit(LookUp("scaled", 16), 3e-3, 0, steps)
        accuracies.append(found)
    assert accuracies[0] == accuracies[1]


def test_an_unknown_score_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="expected one of unscaled, "):
        LookUp("cosine", 8)
