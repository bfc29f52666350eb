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

EVERY = 448
RIGHT = longer.best_loss()


def values(way, near, far, place=study.TRUE):
    return np.array(
        [
            row["loss"]
            for row in table("distance_or_number")
            if (row["way"], row["near keys"], row["far keys"])
            == (way, near, far)
            and row["far count at"] == place
        ]
    )


# -- the committed table ------------------------------------------------------


@pytest.mark.parametrize("way", study.WAYS)
def test_every_reading_has_at_least_three_seeds(way):
    for near, far, place in study.readings(way, 64, 512):
        assert len(values(way, near, far, place)) >= 3


@pytest.mark.parametrize("way", study.WAYS)
@pytest.mark.parametrize(("far", "other"), [(EVERY, "all"), (0, "trained")])
def test_shared_readings_agree_with_the_study_of_length(way, far, other):
    there = [
        row["loss"]
        for row in table("length_extrapolation")
        if (row["way"], row["window"]) == (way, other)
        and (row["digits late"], row["filler"]) == (0, 0)
        and row["rate"] == longer.RATE
        and row["to position"] == 512
    ]
    assert values(way, 64, far).mean() == pytest.approx(
        np.mean(there), rel=0.05
    )


@pytest.mark.parametrize("way", study.WAYS)
def test_the_keys_left_out_by_the_half_window_are_not_missed(way):
    gap = values(way, 32, 0) - values(way, 64, 0)
    assert abs(gap).max() < 0.02


def test_for_rope_a_few_new_distances_do_more_harm_than_many_keys():
    few = values("RoPE", 32, 8)
    assert (few > values("RoPE", 32, 0) + 0.05).all()
    for place in (48, 40, 32):
        many = values("RoPE", 64, EVERY, place)
        assert many.max() < few.min()
        assert (many - values("RoPE", 64, 0)).max() < 0.06


def test_for_rope_new_distances_do_more_harm_the_more_keys_have_them():
    losses = [values("RoPE", 32, far) for far in (0, *study.FAR, EVERY)]
    assert (np.diff(losses, axis=0) > 0).all()


@pytest.mark.parametrize("far", [*study.FAR, EVERY])
def test_for_rope_as_many_keys_at_known_distances_do_less_harm(far):
    assert (values("RoPE", 32, far, study.SPREAD) < 0.42).all()
    new = values("RoPE", 32, far) - values("RoPE", 32, 0)
    known = values("RoPE", 32, far, study.SPREAD) - values("RoPE", 32, 0)
    assert (new > 10 * known).all()


def test_distances_that_are_rare_in_training_harm_rope_more():
    well_known = [values("RoPE", 64, EVERY, place) for place in (48, 40, 32)]
    less_known = values("RoPE", 64, EVERY, 56)
    rare = [values("RoPE", 64, EVERY, place) for place in (63, 60)]
    assert np.max(well_known) < 0.34
    assert (less_known > np.max(well_known, axis=0)).all()
    assert np.min(rare) > 0.5 > less_known.max()


def test_for_the_relative_bias_it_is_mostly_the_number_of_keys():
    none = values("relative bias", 64, 0)
    few = values("relative bias", 32, 32)
    all_of_them = values("relative bias", 64, EVERY)
    assert ((few - none) < 0.2 * (all_of_them - none)).all()


@pytest.mark.parametrize("place", [63, study.SPREAD])
def test_where_far_keys_count_does_not_matter_to_a_clipped_bias(place):
    held = values("relative bias", 64, EVERY, place)
    assert (held == values("relative bias", 64, EVERY)).all()


# -- the study itself ---------------------------------------------------------


def test_the_study_at_a_reduced_size_still_tells_the_two_apart():
    rows = study.run(
        ["RoPE"], [0], steps=220, trained_to=48, times=5, count=16
    )
    assert list(rows[0]) == list(table("distance_or_number")[0])
    last = {
        (row["near keys"], row["far keys"], row["far count at"]): row["loss"]
        for row in rows
    }
    assert list(last) == study.readings("RoPE", 48, 240)
    none, every = last[48, 0, study.TRUE], last[48, 192, study.TRUE]
    assert last[48, 192, 24] - none < 0.3 * (every - none)


@pytest.mark.parametrize("trained_to", [6, 7, 16])
def test_a_query_sees_its_nearest_keys_and_as_many_far_ones(trained_to):
    mask = study.keys_seen(trained_to // 2, 5, trained_to, 50)
    query = torch.arange(50)
    distance = query[:, None] - query
    near = mask & (distance < trained_to)
    far = mask & (distance >= trained_to)
    assert not mask[distance < 0].any()
    assert near.equal((distance >= 0) & (distance < trained_to // 2))
    assert far.sum(-1).equal((query - trained_to + 1).clamp(0, 5))


@pytest.mark.parametrize("way", study.WAYS)
def test_plain_readings_are_those_of_the_model_itself(way):
    torch.manual_seed(0)
    model = longer.LanguageModel(way).eval()
    ids = longer.texts(2, 60, np.random.default_rng(0))
    for far, window in ((44, None), (0, 16)):
        mask = study.keys_seen(16, far, 16, 60)
        reading = study.Reading(model, mask, 16)
        torch.testing.assert_close(reading(ids), model(ids, window))


@pytest.mark.parametrize("way", study.WAYS)
def test_no_reading_changes_anything_within_the_trained_length(way):
    torch.manual_seed(0)
    model = longer.LanguageModel(way).eval()
    ids = longer.texts(2, 60, np.random.default_rng(0))
    for near, far, place in study.readings(way, 40, 60):
        if near == 40:
            mask = study.keys_seen(near, far, 40, 60)
            reading = study.Reading(model, mask, 40, place)
            torch.testing.assert_close(
                reading(ids)[:, :40], model(ids)[:, :40], atol=1e-5, rtol=1e-4
            )


def test_spread_keys_count_within_the_farther_half_of_training():
    at = study.counted(200, 64, study.SPREAD)
    distance = torch.arange(200)[:, None] - torch.arange(200)
    far = distance >= 64
    assert at[far].min() == 32 and at[far].max() == 63
    assert ((distance - at)[far] % 32 == 0).all()
    assert at[~far].equal(distance.clamp(min=0)[~far])


@pytest.mark.parametrize("place", [5, 3, study.SPREAD])
def test_scores_are_those_of_the_distance_at_which_a_key_counts(place):
    torch.manual_seed(0)
    model = longer.LanguageModel("RoPE").eval()
    reading = study.Reading(model, longer.causal_mask(20), 6, place)
    at = study.counted(20, 6, place)
    block = model.blocks[0]
    x = torch.randn(1, 20, 64)
    added = reading._correction(block, x)
    y = block.first_norm(x)
    query = split_heads(block.attention.query_projection(y), 4)
    key = split_heads(block.attention.key_projection(y), 4)
    for m, n in [(19, 0), (17, 8), (12, 3), (6, 0), (9, 4), (3, 1)]:

        def score(distance, m=m, n=n):
            angles = rope_angles(torch.tensor([distance]), query.shape[-1])
            turned = rotate(query[:, :, m : m + 1], angles)[:, :, 0]
            return (turned * key[:, :, n]).sum(-1) / math.sqrt(16)

        torch.testing.assert_close(
            score(m - n) + added[:, :, m, n], score(at[m, n].item())
        )


def test_a_held_bias_is_that_of_the_distance_held():
    torch.manual_seed(0)
    model = longer.LanguageModel("relative bias", max_distance=30).eval()
    ids = longer.texts(1, 20, np.random.default_rng(0))
    reading = study.Reading(model, longer.causal_mask(20), 6, 5)
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
        study.Reading(model, longer.causal_mask(4), 4)
