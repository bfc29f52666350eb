"""The look-up table supports what chapter 03 claims of it."""

import numpy as np
import pytest
import torch

from attnbook.experiments import table
from attnbook.experiments.dictionary_lookup import (
    KEYS,
    RATES,
    SCORES,
    SIZES,
    STEPS,
    LookUp,
    draw,
    fit,
    jacobian_norm,
    run,
)


def column(name, score, d, rate, steps):
    wanted = {"score": score, "d": d, "rate": rate, "steps": steps}
    return [
        row[name]
        for row in table("dictionary_lookup")
        if wanted.items() <= row.items()
    ]


@pytest.mark.parametrize("score", SCORES)
def test_every_score_has_three_seeds_at_every_size_rate_and_step(score):
    for d in SIZES:
        for rate in RATES:
            for steps in (0, *STEPS):
                assert len(column("accuracy", score, d, rate, steps)) >= 3


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("d", SIZES)
def test_every_score_but_the_unscaled_learns_the_dictionary(d, rate):
    for score in SCORES:
        if score != "unscaled":
            assert min(column("accuracy", score, d, rate, 300)) > 0.9


@pytest.mark.parametrize("rate", RATES)
def test_the_unscaled_score_fails_at_large_sizes(rate):
    small = column("accuracy", "unscaled", 16, rate, 300)
    large = column("accuracy", "unscaled", 1024, rate, 300)
    assert np.mean(large) < np.mean(small) - 0.1


def test_at_the_start_most_unscaled_rows_are_dead_and_a_few_very_alive():
    for d in (512, 1024):
        for seed in range(3):
            dead, median, mean, largest = (
                column(name, "unscaled", d, 0.003, 0)[seed]
                for name in (
                    "dead",
                    "query gradient, median",
                    "query gradient, mean",
                    "query gradient, largest",
                )
            )
            scaled = column("query gradient, mean", "scaled", d, 0.003, 0)
            assert dead > 0.45
            assert median < mean / 10 < largest / 30
            assert mean > scaled[seed] / 3


def test_the_study_at_a_reduced_size_still_shows_the_gap():
    rows = run(["unscaled", "scaled"], [512], [3e-3], [0], [150])
    accuracy = {
        row["score"]: float(row["accuracy"])
        for row in rows
        if row["steps"] == 150
    }
    assert accuracy["scaled"] > 0.95
    assert accuracy["unscaled"] < accuracy["scaled"] - 0.1


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


@pytest.mark.parametrize("rate", RATES)
def test_what_the_scaled_model_gets_wrong_it_can_still_hear_of(rate):
    for d in SIZES:
        for steps in STEPS:
            assert max(column("dead and wrong", "scaled", d, rate, steps)) == 0
    assert min(column("dead and wrong", "unscaled", 512, rate, 300)) > 0.05


@pytest.mark.parametrize("rate", RATES)
def test_more_steps_do_not_mend_the_unscaled_score_at_large_sizes(rate):
    for d in (512, 1024):
        assert np.mean(column("accuracy", "unscaled", d, rate, 1000)) < 0.92
        assert min(column("dead", "unscaled", d, rate, 1000)) > 0.98
