"""The study that tells far distances from many keys supports chapter 05."""

import math

import numpy as np
import pytest
import torch

from attnbook.experiments import distance_or_number as study
from attnbook.experiments import length_extrapolation as longer
from attnbook.experiments import table
from attnbook.mechanisms.multi_head import split_heads
from attnbook.mechanisms.positions import rope_angles, rotate


def values(way, reading, band=8):
    return np.array(
        [
            row["loss"]
            for row in table("distance_or_number")
            if (row["way"], row["reading"]) == (way, reading)
            and row["to position"] == 64 * band
        ]
    )


# -- the committed table ------------------------------------------------------


@pytest.mark.parametrize("way", study.WAYS)
@pytest.mark.parametrize("reading", study.READINGS)
def test_every_reading_has_at_least_three_seeds_at_every_band(way, reading):
    for band in range(1, 9):
        assert len(values(way, reading, band)) >= 3


@pytest.mark.parametrize("way", study.WAYS)
@pytest.mark.parametrize(
    ("reading", "other"), [("all keys", "all"), ("window", "trained")]
)
def test_shared_readings_agree_with_the_study_of_length(way, reading, other):
    there = [
        row["loss"]
        for row in table("length_extrapolation")
        if (row["way"], row["window"]) == (way, other)
        and (row["digits late"], row["to position"]) == (0, 512)
    ]
    assert values(way, reading).mean() == pytest.approx(
        np.mean(there), rel=0.05
    )


@pytest.mark.parametrize("way", study.WAYS)
def test_what_the_far_keys_displace_is_not_missed(way):
    gap = values(way, "half window") - values(way, "window")
    assert abs(gap).max() < 0.02


def test_for_rope_each_hurts_alone_and_both_together_far_more():
    window = values("RoPE", "window").max()
    far = values("RoPE", "half far")
    held = values("RoPE", "distance held")
    both = values("RoPE", "all keys")
    assert min(far.min(), held.min()) > window + 0.2
    assert both.min() > 2 * max(far.max(), held.max())
    assert (both - window > (far - window) + (held - window)).all()


def test_for_the_relative_bias_it_is_mostly_the_number_of_keys():
    window = values("relative bias", "window")
    far = values("relative bias", "half far")
    both = values("relative bias", "all keys")
    assert (far > window + 0.05).all()
    assert ((far - window) < 0.2 * (both - window)).all()


def test_holding_the_distance_changes_nothing_for_a_clipped_bias():
    both = values("relative bias", "all keys")
    held = values("relative bias", "distance held")
    assert (held == both).all()


# -- the study itself ---------------------------------------------------------


def test_the_study_at_a_reduced_size_still_tells_the_two_apart():
    rows = study.run(
        ["RoPE"], [0], steps=220, trained_to=48, times=5, count=16
    )
    assert list(rows[0]) == list(table("distance_or_number")[0])
    last = {
        row["reading"]: row["loss"]
        for row in rows
        if row["to position"] == 240
    }
    assert list(last) == study.READINGS
    for reading in ("half far", "distance held"):
        assert last["window"] + 0.03 < last[reading] < last["all keys"] - 0.1


@pytest.mark.parametrize("trained_to", [6, 7, 16])
def test_half_far_keeps_the_number_of_keys_and_half_of_them_near(trained_to):
    mask = study.half_far(50, trained_to)
    query = torch.arange(50)
    distance = query[:, None] - query
    assert not mask[distance < 0].any()
    assert mask.sum(-1).equal((query + 1).clamp(max=trained_to))
    far = (mask & (distance >= trained_to)).sum(-1)
    expected = (query - trained_to + 1).clamp(0, trained_to // 2)
    assert far.equal(expected)
    near = mask & (distance < trained_to)
    assert (distance * near).amax(-1).equal(near.sum(-1) - 1)


@pytest.mark.parametrize("way", study.WAYS)
def test_plain_readings_are_those_of_the_model_itself(way):
    torch.manual_seed(0)
    model = longer.LanguageModel(way).eval()
    ids = longer.texts(2, 60, np.random.default_rng(0))
    reading = study.readings(model, 60, 16)
    for name, window in {"all keys": None, "window": 16}.items():
        torch.testing.assert_close(reading[name](ids), model(ids, window))


@pytest.mark.parametrize("way", study.WAYS)
def test_no_reading_changes_anything_within_the_trained_length(way):
    torch.manual_seed(0)
    model = longer.LanguageModel(way).eval()
    ids = longer.texts(2, 60, np.random.default_rng(0))
    for name, reading in study.readings(model, 60, 40).items():
        if name != "half window":
            torch.testing.assert_close(
                reading(ids)[:, :40], model(ids)[:, :40], atol=1e-5, rtol=1e-4
            )


def test_held_scores_are_those_of_a_query_no_further_off():
    torch.manual_seed(0)
    model = longer.LanguageModel("RoPE").eval()
    reading = study.Reading(model, longer.causal_mask(20), held=5)
    block = model.blocks[0]
    x = torch.randn(1, 20, 64)
    added = reading._correction(block, x)
    y = block.first_norm(x)
    query = split_heads(block.attention.query_projection(y), 4)
    key = split_heads(block.attention.key_projection(y), 4)
    for m, n in [(19, 0), (12, 3), (6, 0), (9, 4), (3, 1)]:

        def score(distance, m=m, n=n):
            angles = rope_angles(torch.tensor([distance]), query.shape[-1])
            turned = rotate(query[:, :, m : m + 1], angles)[:, :, 0]
            return (turned * key[:, :, n]).sum(-1) / math.sqrt(16)

        torch.testing.assert_close(
            score(m - n) + added[:, :, m, n], score(min(m - n, 5))
        )


def test_a_held_bias_is_that_of_the_distance_held():
    torch.manual_seed(0)
    model = longer.LanguageModel("relative bias", max_distance=30).eval()
    ids = longer.texts(1, 20, np.random.default_rng(0))
    reading = study.Reading(model, longer.causal_mask(20), held=5)
    other = longer.LanguageModel("relative bias", max_distance=30).eval()
    torch.nn.init.normal_(model.relative_bias.table)
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        centre = 30
        numbers = other.relative_bias.table
        numbers[:, centre + 6 :] = numbers[:, centre + 5 : centre + 6]
    torch.testing.assert_close(reading(ids), other(ids))


def test_a_way_whose_distances_cannot_be_held_is_refused():
    model = longer.LanguageModel("sinusoidal")
    with pytest.raises(ValueError, match="'sinusoidal'; expected one of"):
        study.Reading(model, longer.causal_mask(4))
