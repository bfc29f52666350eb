"""Induction heads: the study runs, its tables say what is quoted."""

import statistics

import pytest
import torch

from attnbook.experiments import table
from attnbook.experiments.command import SEEDS
from attnbook.experiments.induction import (
    HIGH,
    LAYERS,
    PERIODS,
    STEPS,
    SYMBOLS,
    ablated_rows,
    drawn,
    known_loss,
    run,
    trained,
)


def found(periods, layers, column="loss"):
    """A number of each seed."""
    return [
        row[column]
        for row in table("induction")
        if (row["periods"], row["layers"]) == (periods, layers)
    ]


def mean(*args):
    return statistics.mean(found(*args))


@pytest.fixture(scope="module")
def short():
    return run(["random"], (2,), (0,), 60, (8e-3,))


def test_a_short_run_gives_the_columns_of_the_tables(short):
    for name, rows in short.items():
        assert list(rows[0]) == list(table(name)[0])


def test_a_short_run_is_the_same_twice(short):
    assert run(["random"], (2,), (0,), 60, (8e-3,)) == short


def test_the_course_ends_with_the_model_that_is_reported(short):
    (row,) = short["induction"]
    last = short["induction_steps"][-1]
    assert last["step"] == 60 and last["loss"] == row["loss"]


def test_who_knows_nothing_loses_the_log_of_the_symbols():
    model, _ = trained("random", 1, 1, 1e-9, 0)
    wanted = torch.tensor(float(SYMBOLS)).log().item()
    assert known_loss(model, drawn("random", 3)) == pytest.approx(
        wanted, abs=0.05
    )


def test_every_head_is_ablated_alone_and_none_for_good():
    model, _ = trained("random", 2, 1, 1e-9, 0)
    ids = drawn("random", 3, 32)
    before = known_loss(model, ids)
    rows = ablated_rows(model, ids, 0)
    assert [row["heads"] for row in rows][:8] == [
        f"{layer}.{head}" for layer in (1, 2) for head in (1, 2, 3, 4)
    ]
    assert known_loss(model, ids) == before


# -- what the committed tables say --------------------------------------------


def test_the_table_has_every_model_and_seed():
    names = ("periods", "layers", "seed")
    assert {
        tuple(row[name] for name in names) for row in table("induction")
    } == {(p, L, seed) for p in PERIODS for L in LAYERS for seed in SEEDS}


def test_no_rate_that_was_chosen_is_at_the_edge():
    chosen = {}
    for row in table("induction_rates"):
        key = row["periods"], row["layers"]
        chosen.setdefault(key, {})[row["rate"]] = row["loss"]
    assert len(chosen) == len(PERIODS) * len(LAYERS)
    for tried in chosen.values():
        best = min(tried, key=tried.get)
        assert min(tried) < best < max(tried)


def test_random_periods_need_two_layers_and_a_fixed_one_does_not():
    assert max(found("random", 2)) < 0.1
    assert min(found("random", 1)) > 1.0
    assert max(found("fixed", 1)) < 0.1


def test_one_layer_has_learnt_the_period_and_not_the_repetition():
    assert min(found("fixed", 1, "loss, other")) > 3.0
    assert max(found("random", 2, "loss, other")) < 0.1


def test_a_fixed_period_fools_the_score_of_one_layer():
    """It looks back as far as the period is long, whatever stands there."""
    ends = [
        row
        for row in table("induction_steps")
        if (row["periods"], row["layers"]) == ("fixed", 1)
        and row["step"] == STEPS
    ]
    assert min(row["induction"] for row in ends) > 0.9
    assert max(found("fixed", 1, "induction")) < 0.3


def test_without_the_heads_of_high_scores_nothing_is_known():
    rows = table("induction_ablated")
    for seed in SEEDS:
        sets = {row["heads"]: row for row in rows if row["seed"] == seed}
        for name in ("induction", "previous"):
            assert sets[name][name] >= HIGH
            assert sets[name]["zero"] > 1.5
