"""Rankings of source tokens: the study runs, its table says what is quoted."""

import statistics

import pytest
import torch

from attnbook.experiments import table
from attnbook.experiments.command import SEEDS
from attnbook.experiments.ranked_sources import (
    ALLOWED,
    MODELS,
    baselines,
    run,
    shuffled,
    task_of,
)

ABLATIONS = ("token left out", "token erased", "token permuted")


def found(model, ranking, column):
    """A number of each seed."""
    rows = [
        row[column]
        for row in table("ranked_sources")
        if (row["model"], row["ranking"]) == (model, ranking)
    ]
    assert len(rows) == len(SEEDS)
    return rows


def mean(model, ranking, column="area"):
    return statistics.mean(found(model, ranking, column))


@pytest.fixture(scope="module")
def short():
    """One seed of the cheapest model, at one rate and a few steps."""
    return run(["Luong, general"], (0,), 60, 2, (9e-3,), 20)


def test_a_short_run_gives_the_columns_of_the_tables(short):
    for name, rows in short.items():
        assert list(rows[0]) == list(table(name)[0])
    names = [row["ranking"] for row in short["ranked_sources"]]
    wanted = [
        row["ranking"]
        for row in table("ranked_sources")
        if row["model"] == "Luong, general" and row["seed"] == 0
    ]
    assert names == wanted


def test_a_short_run_is_the_same_twice(short):
    assert run(["Luong, general"], (0,), 60, 2, (9e-3,), 20) == short


def test_every_score_is_a_share(short):
    for row in short["ranked_sources"]:
        assert 0 <= row["area"] <= 1 and 0 <= row["precision"] <= 1
    for row in short["other_maps"]:
        assert row["change, searched"] <= ALLOWED + 1e-4


def test_shuffling_moves_weights_and_leaves_padding_alone():
    torch.manual_seed(0)
    mask = torch.tensor([[True] * 5 + [False] * 2, [True] * 7])
    weights = torch.rand(2, 7) * mask
    moved = shuffled(weights, mask, 0)
    assert moved[0, 5:].tolist() == [0, 0]
    torch.testing.assert_close(moved.sort().values, weights.sort().values)
    assert (moved != weights).any()


def test_the_same_place_is_the_same_share_of_the_way():
    task = task_of(2)
    batch = task.collate([task.example("2143"), task.example("10")])
    found = baselines(batch, 0)["same place"]
    for row, digits in ((0, 4), (1, 2)):
        S = int(batch.source_mask[row].sum())
        for t in range(digits):
            for s in range(S):
                apart = abs((t + 0.5) / digits - (s + 0.5) / S)
                assert found[row, t, s].item() == pytest.approx(-apart)


# -- what the committed table says --------------------------------------------


def test_the_tables_have_every_model_and_seed():
    for name in ("ranked_sources", "other_maps"):
        assert {(row["model"], row["seed"]) for row in table(name)} == {
            (model, seed) for model in MODELS for seed in SEEDS
        }


def test_no_rate_that_was_chosen_is_at_the_edge():
    for model in MODELS:
        rows = [r for r in table("ranked_rates") if r["model"] == model]
        best = min(rows, key=lambda row: row["validation"])["rate"]
        tried = [row["rate"] for row in rows]
        assert min(tried) < best < max(tried)
        assert {
            row["rate"]
            for row in table("ranked_sources")
            if row["model"] == model
        } == {best}
