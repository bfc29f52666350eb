"""The tables of captions and pictures support what chapter 11 says."""

import math

import pytest

from attnbook.experiments import table
from attnbook.experiments.captions_and_pictures import (
    FIVE,
    PARTS,
    PLAIN,
    SEEDS,
    STEPS,
    WRONG,
    Kind,
    drawn_floor,
    floor,
    run,
)
from attnbook.mechanisms.modalities import sigmoid_floor, softmax_floor

LOSSES = ("softmax", "sigmoid")


def found(kind, name):
    """A column of a kind, one number for each seed."""
    return [
        row[name]
        for row in table("captions_and_pictures")
        if all(row[key] == of for key, of in kind.columns.items())
    ]


def asked(wordings, seen, left=None):
    return [
        row["held-out"]
        for row in table("captions_wordings")
        if (row["wordings"], row["seen"]) == (wordings, seen)
        and left in (None, row["left"])
    ]


def test_every_training_has_all_seeds():
    for kinds in PARTS.values():
        for kind, _, _ in kinds:
            assert tuple(found(kind, "seed")) == SEEDS
            assert set(found(kind, "steps")) == {STEPS[kind.batch]}


def test_the_best_rate_lies_inside_of_those_that_were_tried():
    tried = {}
    for row in table("captions_rates"):
        if row["training"] not in WRONG:
            key = [row[name] for name in Kind("softmax").columns]
            tried.setdefault(tuple(key), {})[row["rate"]] = row["validation"]
    assert len(tried) >= 9
    for rates in tried.values():
        best = min(rates, key=rates.__getitem__)
        assert min(rates) < best < max(rates)


@pytest.mark.parametrize("batch", [16, 64, 256])
@pytest.mark.parametrize("loss", LOSSES)
def test_no_loss_is_below_the_floor_of_its_batches(loss, batch):
    kind = Kind(loss, batch=batch)
    for measured, least in zip(
        found(kind, "loss"), found(kind, "drawn floor"), strict=True
    ):
        assert least - 1e-4 < measured < least + 0.5
        assert least == pytest.approx(floor(kind), abs=0.02)


def test_the_floors_are_those_of_the_formulas():
    assert found(Kind("softmax"), "floor") == [
        pytest.approx(softmax_floor(64, 10), abs=1e-4)
    ] * len(SEEDS)
    assert found(Kind("sigmoid"), "floor") == [
        pytest.approx(sigmoid_floor(64, 10), abs=1e-4)
    ] * len(SEEDS)


def test_ten_different_captions_have_no_floor():
    distinct = Kind("softmax", batch=10, distinct=True)
    assert max(found(distinct, "loss")) < 0.05
    assert min(found(distinct, "held-out")) >= 0.9


@pytest.mark.parametrize("loss", LOSSES)
def test_nine_in_ten_pictures_find_their_caption(loss):
    assert min(found(Kind(loss), "held-out")) >= 0.9


def test_shuffled_captions_teach_nothing():
    shuffled = Kind("softmax", captions="shuffled")
    assert max(found(shuffled, "held-out")) < 0.2


def test_a_floor_is_that_of_the_batches_drawn():
    kind = Kind("softmax")
    assert found(kind, "drawn floor")[1] == pytest.approx(
        drawn_floor(kind, 1), abs=1e-4
    )


def test_the_study_at_a_reduced_size_learns_something():
    steps = dict.fromkeys(STEPS, 60)
    tables = run((0,), ("losses",), (4e-3,), steps)
    soft, sigmoid = tables["captions_and_pictures"]
    assert soft["held-out"] > 0.3
    assert softmax_floor(64, 10) < soft["loss"] < math.log(64)
    assert sigmoid["loss"] > sigmoid_floor(64, 10)
    assert "captions_rates" not in tables
