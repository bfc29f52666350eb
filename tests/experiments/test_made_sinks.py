"""Sinks made on purpose: the study runs, its table says what is quoted."""

import statistics

import pytest

from attnbook.data.backcopy import Backcopy
from attnbook.experiments import table
from attnbook.experiments.command import SEEDS
from attnbook.experiments.made_sinks import (
    EXCESS,
    LAYERS,
    MOMENTS,
    losses,
    measured,
    run,
    trained,
)
from attnbook.mechanisms.reading import REMEDIES


def found(column, remedy, itself="no", layers=1, layer=1, moment="end"):
    """A number of each seed."""
    return [
        row[column]
        for row in table("made_sinks")
        if (
            row["remedy"],
            row["itself"],
            row["layers"],
            row["layer"],
            row["moment"],
        )
        == (remedy, itself, layers, layer, moment)
    ]


def mean(column, *args, **kwargs):
    return statistics.mean(found(column, *args, **kwargs))


@pytest.fixture(scope="module")
def short():
    return run(["softmax", "relu"], ["no"], (1,), (0,), 120, (1e-2,))


def test_a_short_run_gives_the_columns_of_the_table(short):
    assert list(short["made_sinks"][0]) == list(table("made_sinks")[0])


def test_a_short_run_already_shows_the_sink_and_its_absence(short):
    last = {row["remedy"]: row for row in short["made_sinks"]}
    assert last["softmax"]["first"] > 0.4
    assert last["relu"]["first"] < 0.05


def test_a_short_run_is_the_same_twice(short):
    again = run(["softmax", "relu"], ["no"], (1,), (0,), 120, (1e-2,))
    assert again == short


def test_the_excess_of_a_model_that_knows_nothing_is_that_of_a_uniform_one():
    task = Backcopy()
    on = measured(task, 3, 64)
    variant = {"layers": 1, "itself": "yes", "remedy": "softmax"}
    model, _ = trained(variant, task, 1, 1e-9, 0)
    excess, behind = losses(model, on)
    import math

    assert behind == pytest.approx(math.log(task.size), abs=0.05)
    floor = on.floor.mean().item()
    assert excess == pytest.approx(math.log(task.size) - floor, abs=0.05)


# -- what the committed table says --------------------------------------------


def test_the_table_has_every_variant_seed_and_layer():
    ends = [r for r in table("made_sinks") if r["moment"] == MOMENTS[1]]
    wanted = {
        (L, own, remedy, seed, layer + 1)
        for L in LAYERS
        for own in ("yes", "no")
        for remedy in REMEDIES
        for seed in SEEDS
        for layer in range(L)
    }
    names = ("layers", "itself", "remedy", "seed", "layer")
    assert {tuple(row[name] for name in names) for row in ends} == wanted


def test_variants_are_compared_at_equal_loss():
    rows = [r for r in table("made_sinks") if r["moment"] == MOMENTS[0]]
    assert all(row["excess"] <= EXCESS for row in rows)
    assert statistics.mean(row["excess"] for row in rows) > 0.5 * EXCESS


def test_no_rate_that_was_chosen_is_at_the_edge():
    chosen = {}
    for row in table("made_sinks_rates"):
        key = row["layers"], row["itself"], row["remedy"]
        chosen.setdefault(key, {})[row["rate"]] = row["excess"]
    assert len(chosen) == len(LAYERS) * 2 * len(REMEDIES)
    for tried in chosen.values():
        best = min(tried, key=tried.get)
        assert min(tried) < best < max(tried)


def test_softmax_makes_a_sink_whose_value_is_small():
    for itself, least in (("yes", 0.4), ("no", 0.7)):
        assert min(found("first", "softmax", itself)) > least
        assert max(found("value_ratio", "softmax", itself)) < 0.3


def test_relu_reads_nothing_where_there_is_nothing_to_read():
    assert max(found("total", "relu", "yes")) < 0.01


def test_a_gate_closes_and_leaves_the_map_as_it_is():
    assert min(found("first", "output gate", "yes")) > 0.2
    assert max(found("opened", "output gate", "yes")) < 0.05
    drained = max(found("value_ratio", "softmax", "yes"))
    assert min(found("value_ratio", "output gate", "yes")) > drained


def test_a_learnt_score_takes_the_sink_away_only_in_some_trainings():
    first = found("first", "sink logit", "yes")
    assert min(first) < 0.1 and max(first) > 0.4
    assert max(found("first", "sink logit", "no")) < 0.01
