"""The tables of captions and pictures support what chapter 11 says."""

import math
from statistics import mean

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
            steps = STEPS.get((kind.name, kind.batch), STEPS[kind.batch])
            assert set(found(kind, "steps")) == {steps}


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


def above(kind):
    """How far each seed's loss ends above the floor of its batches."""
    pairs = zip(found(kind, "loss"), found(kind, "drawn floor"), strict=True)
    return [loss - least for loss, least in pairs]


@pytest.mark.parametrize(
    ("loss", "least", "most"),
    [("softmax", 0, 0.0205), ("sigmoid", 0.02, 0.21)],
)
def test_losses_end_on_their_floor_or_a_little_above(loss, least, most):
    for batch in (16, 64, 256):
        kind = Kind(loss, batch=batch)
        assert least < min(above(kind)) < max(above(kind)) < most
        for drawn in found(kind, "drawn floor"):
            assert drawn == pytest.approx(floor(kind), abs=0.02)
        assert min(found(kind, "held-out")) >= 0.91


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_after_training_rises_with_the_batch(loss):
    small, medium, large = (
        found(Kind(loss, batch=batch), "loss") for batch in (16, 64, 256)
    )
    assert max(small) < min(medium) < max(medium) < min(large)


def test_the_floors_are_those_of_the_formulas():
    for kind, least in (
        (Kind("softmax"), softmax_floor(64, 10)),
        (Kind("sigmoid"), sigmoid_floor(64, 10)),
    ):
        for written in found(kind, "floor"):
            assert written == pytest.approx(least, abs=1e-4)


def test_ten_different_captions_have_no_floor():
    distinct = Kind("softmax", batch=10, distinct=True)
    assert max(found(distinct, "loss")) < 0.015
    assert min(found(distinct, "held-out")) >= 0.91


def test_contrastive_training_costs_nothing_and_shuffled_captions_do():
    classifier = found(Kind(PLAIN), "held-out")
    assert mean(classifier) <= mean(found(Kind("softmax"), "held-out"))
    shuffled = Kind("softmax", captions="shuffled")
    assert max(found(shuffled, "held-out")) < 0.15


@pytest.mark.parametrize(("loss", "sign"), [("softmax", 1), ("sigmoid", -1)])
def test_a_faster_scale_is_not_needed(loss, sign):
    once, faster = (
        mean(found(Kind(loss, times=times), "held-out")) for times in (1.0, 20)
    )
    assert 0.005 < sign * (once - faster) < 0.015


def test_several_positives_bring_less_than_the_seeds_differ():
    soft, several = (
        found(Kind(name, wordings=FIVE), "held-out")
        for name in ("softmax", "several positives")
    )
    gained = mean(several) - mean(soft)
    assert 0 < gained < 0.01 < max(soft) - min(soft)
    assert min(above(Kind("softmax", wordings=FIVE))) > 0


def validation(kind):
    """What is found on the validation pictures, by rate."""
    return {
        row["rate"]: row["found"]
        for row in table("captions_rates")
        if all(row[key] == of for key, of in kind.columns.items())
    }


def test_what_goes_wrong_and_what_does_not():
    length, own, both = map(Kind, WRONG)
    assert min(found(length, "held-out")) > 0.95
    assert min(found(own, "held-out")) > 0.9
    best, *others = sorted(validation(own).values(), reverse=True)
    assert len(others) == 2
    assert max(others) < 0.5 < 0.9 < best
    assert max(found(both, "held-out")) < 0.15
    assert max(validation(both).values()) < 0.15
    assert min(found(both, "pictures")) > 0.99


def test_an_unseen_wording_is_no_obstacle():
    assert min(asked(4, 0)) >= 0.94
    for left in FIVE:
        assert len(asked(4, 0, left)) == len(SEEDS)
        assert len(asked(1, 0, left)) == 4 * len(SEEDS)
        assert mean(asked(1, 0, left)) > 0.92
    assert min(asked(1, 0)) == min(asked(1, 0, 4)) == pytest.approx(0.7675)


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
