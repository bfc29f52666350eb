"""The tables of reach support what chapter 09 says of them."""

import numpy as np
import pytest
import torch

from attnbook.experiments import table
from attnbook.experiments.reach_learnt import (
    DEPTHS,
    EVERYTHING,
    LENGTH,
    LONGER,
    STEPS,
    SYMBOLS,
    WINDOW,
    Repeats,
    lags_of,
    measure,
    reachable,
    repeat_loss,
    run,
    settings,
    untrained,
)
from attnbook.mechanisms.long_context import reach_by_depth, window_mask


def accuracies(reads, depth, lag, steps=STEPS):
    """Of each seed, in order."""
    place = reads, depth, lag, steps
    names = "reads", "depth", "lag", "steps"
    return [
        row["accuracy"]
        for row in table("reach_learnt")
        if tuple(row[name] for name in names) == place
    ]


def test_every_lag_was_tried_with_three_seeds():
    for depth in DEPTHS:
        for lag in lags_of(depth):
            assert len(accuracies("window of 5", depth, lag)) == 3
    others = [row for row in table("reach_learnt") if row["steps"] != STEPS]
    assert len(table("reach_learnt")) == 3 * len(settings(DEPTHS)) + len(
        others
    )
    assert {(row["depth"], row["lag"]) for row in others} == {(3, 9), (3, 12)}


@pytest.mark.parametrize("depth", DEPTHS)
def test_nothing_is_learnt_beyond_the_reach(depth):
    *_, beyond = lags_of(depth)
    for accuracy in accuracies("window of 5", depth, beyond):
        assert accuracy == pytest.approx(1 / SYMBOLS, abs=0.02)


@pytest.mark.parametrize("depth", [1, 2])
def test_one_and_two_layers_learn_all_that_they_reach(depth):
    for lag in lags_of(depth)[:-1]:
        assert min(accuracies("window of 5", depth, lag)) > 0.99


def test_three_layers_learn_nothing_that_needs_all_three():
    assert min(accuracies("window of 5", 3, 8)) > 0.99
    for steps in (STEPS, LONGER * STEPS):
        for lag in (9, 12):
            for accuracy in accuracies("window of 5", 3, lag, steps):
                assert accuracy == pytest.approx(1 / SYMBOLS, abs=0.02)


def test_models_that_read_everything_learn_the_farthest_lag():
    for depth in (1, 3):
        assert min(accuracies("everything", depth, 12)) > 0.99


def test_the_reach_is_that_of_the_masks():
    far = [reachable(depth, WINDOW) for depth in DEPTHS]
    counted = reach_by_depth(window_mask(LENGTH, WINDOW), len(DEPTHS))
    assert [1 + each for each in far] == counted


def test_lags_lie_inside_at_the_end_and_beyond():
    assert lags_of(1) == (1, WINDOW - 1, WINDOW)
    for depth in DEPTHS[1:]:
        shallower, inside, end, beyond = lags_of(depth)
        assert reachable(depth - 1, WINDOW) == shallower == inside - 1
        assert end == reachable(depth, WINDOW) == beyond - 1
    assert len(settings(DEPTHS)) == 4 * len(DEPTHS) - 1 + 2


def test_what_is_beyond_reach_changes_nothing():
    model, end = untrained(2, WINDOW, 0).eval(), reachable(2, WINDOW)
    ids = Repeats(1).sample(3, np.random.default_rng(0))
    other = ids.clone()
    other[:, 5] = (other[:, 5] + 1) % SYMBOLS
    before, after = model(ids)[0], model(other)[0]
    torch.testing.assert_close(
        before[:, 5 + end + 1 :], after[:, 5 + end + 1 :]
    )
    assert not torch.allclose(before[:, 5 + end], after[:, 5 + end])


def test_the_loss_compares_with_what_stood_before():
    model, lag = untrained(1, WINDOW, 0), 3
    ids = Repeats(lag).sample(2, np.random.default_rng(0))
    log_p = model(ids)[0].log_softmax(-1)
    expected = -torch.stack(
        [
            log_p[row, at, ids[row, at - lag]]
            for row in range(2)
            for at in range(lag, LENGTH)
        ]
    ).mean()
    torch.testing.assert_close(repeat_loss(model, ids, lag), expected)


def test_the_study_at_a_reduced_size():
    """One layer learns the end of its reach, and nothing beyond."""
    torch.set_num_threads(1)
    end, _ = measure(1, WINDOW, 4, 0, 8e-3, 100)
    beyond, _ = measure(1, WINDOW, 5, 0, 8e-3, 100)
    everything, _ = measure(1, EVERYTHING, 5, 0, 8e-3, 100)
    assert end["accuracy"] > 0.95
    assert beyond["accuracy"] == pytest.approx(1 / SYMBOLS, abs=0.02)
    assert everything["accuracy"] > 0.95


def test_a_run_of_few_steps_has_its_rows():
    found = run(depths=[1], seeds=[0], steps=2)
    lags = {}
    for row in found["reach_learnt"]:
        lags.setdefault(row["steps"], []).append(row["lag"])
    assert lags[2] == [1, 4, 5, 4]
    assert lags[2 * LONGER] == [1, 4, 4]  # nothing was learnt, but not beyond
    assert {row["reads"] for row in found["reach_learnt"]} == {
        "window of 5",
        "everything",
    }
