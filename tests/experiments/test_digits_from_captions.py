"""The tables of digits from captions support what chapter 11 says."""

import pytest
import torch

from attnbook.data.digit_images import WORDS, digit_images
from attnbook.experiments import table
from attnbook.experiments.command import SEEDS
from attnbook.experiments.digits_from_captions import (
    DESIGNS,
    GUIDANCE,
    MOMENTS,
    Study,
    best_rates,
    built,
    captions,
    inked,
    machine,
    made,
    maps,
    measured,
    network,
    other_picture,
    real_rows,
    trained,
)

HELD = digit_images("held-out")


def found(name, design, w, kind="right"):
    """One measure of the generators of a design, one for each seed."""
    return [
        row[name]
        for row in table("digits_from_captions")
        if (row["design"], row["guidance"], row["captions"])
        == (design, w, kind)
    ]


def score(name, design, layer, moment):
    """How well weights find the ink, one score for each seed."""
    return [
        row[name]
        for row in table("digits_where")
        if (row["design"], row["layer"], row["moment"])
        == (design, layer, moment)
    ]


def real(name):
    """A measure of the three sets of training pictures, of held-out ones."""
    *floor, held = table("digits_judges")
    return [row[name] for row in floor], held[name]


# the design


def test_both_kinds_of_attention_have_as_many_parameters():
    cross, joint = (
        sum(p.numel() for p in built(design, 0).parameters())
        for design in DESIGNS
    )
    assert (cross, joint) == (211_844, 211_850)
    for row in table("digits_from_captions"):
        assert (
            row["parameters"]
            == {"cross": cross, "joint": joint}[row["design"]]
        )


@pytest.mark.parametrize("design", DESIGNS)
def test_every_guidance_has_all_seeds(design):
    for w in GUIDANCE:
        assert len(found("seed", design, w)) == len(SEEDS)
        assert set(found("seed", design, w)) == set(SEEDS)
    for w in (1, 2):
        assert set(found("seed", design, w, "shuffled")) == set(SEEDS)
    for moment in MOMENTS:
        for layer in (1, 2, 3):
            assert set(score("seed", design, layer, moment)) == set(SEEDS)


@pytest.mark.parametrize("design", DESIGNS)
def test_the_best_rate_lies_inside_of_those_that_were_tried(design):
    tried = {
        row["rate"] for row in table("digits_rates") if row["design"] == design
    }
    best = best_rates(table("digits_rates"))[design]
    assert min(tried) < best < max(tried)
    assert {
        row["rate"]
        for row in table("digits_from_captions")
        if row["design"] == design
    } == {best}
    assert {
        row["seed"]
        for row in table("digits_rates")
        if (row["design"], row["rate"]) == (design, best)
    } == set(SEEDS)


# the parts of the study


def test_shuffled_captions_are_as_many_of_each_word():
    draw = torch.Generator().manual_seed(0)
    ids = captions(torch.arange(10).repeat(5), draw)
    names = ids[ids < 10]
    assert torch.equal(names.bincount(), torch.full((10,), 5))
    assert max(WORDS.index(name) for name in WORDS[:10]) == 9


def test_another_picture_has_the_label_that_it_should():
    labels = HELD.labels[:60]
    assert torch.equal(labels[other_picture(labels, True)], labels)
    assert (labels[other_picture(labels, False)] != labels).all()
    assert (other_picture(labels, True) != torch.arange(60)).all()


def test_a_patch_is_inked_if_it_has_more_than_the_mean():
    image = torch.zeros(1, 8, 8)
    image[0, :2, :2] = 1
    assert inked(image)[0].tolist() == [True] + 15 * [False]


def test_both_judges_read_real_digits_and_not_noise():
    with torch.no_grad():
        seen = network()(HELD.images)[0].argmax(1)
    assert (seen == HELD.labels).float().mean() >= 0.985
    also = machine().predict(HELD.images.flatten(1).numpy())
    assert (torch.tensor(also) == HELD.labels).float().mean() >= 0.985
    noise = torch.rand(400, 8, 8, generator=torch.Generator().manual_seed(0))
    judged = measured(noise, HELD.labels)
    assert judged["read"] < 0.2
    assert judged["frechet"] > 0.5


def test_the_table_of_real_pictures_is_reproduced():
    again = real_rows()
    for row, old in zip(again, table("digits_judges"), strict=True):
        assert row["pictures"] == old["pictures"]
        assert row["variety"] == pytest.approx(old["variety"], abs=1e-3)
        assert row["read"] == pytest.approx(old["read"], abs=0.02)
        if row["frechet"] != "":
            assert row["frechet"] == pytest.approx(old["frechet"], abs=0.02)


def test_the_same_noise_and_captions_serve_every_guidance():
    model = built("cross", 0)
    (_, _, ids), (_, _, same) = (
        made(model, HELD.labels[:4], w, 0) for w in (1, 2)
    )
    assert torch.equal(ids, same)
    images, states, ids = made(model, HELD.labels[:4], 1, 0)
    again, _, _ = made(model, HELD.labels[:4], 1, 0)
    assert torch.equal(images, again)
    assert maps(model, states, ids, 0.5).shape == (3, 4, 16, 3)


def test_the_study_at_a_reduced_size_writes_every_row():
    study = Study((0,), (4e-3,), steps=12, count=40)
    study.add("cross")
    study.shuffle(best_rates(study.tried))
    assert len(study.rows) == len(GUIDANCE) + 2
    assert len(study.looked) == 3 * len(MOMENTS)
    rows = {
        (row["captions"], row["guidance"]): row["read"] for row in study.rows
    }
    assert rows["right", 1] < 0.7  # hardly trained


def test_training_lowers_the_loss_and_leaves_the_model():
    model = built("joint", 0)
    before = model.head.weight.clone()
    after = trained(model, 4e-3, 0, steps=2)
    assert torch.equal(model.head.weight, before)
    assert not torch.equal(after.head.weight, before)


# what the chapter says


def test_guidance_is_read_more_and_pays_with_variety():
    for design in DESIGNS:
        read, variety = (
            [found(name, design, w) for w in (1, 2, 8)]
            for name in ("read", "variety")
        )
        for judge in ("read", "read by the other"):
            one, two = (found(judge, design, w) for w in (1, 2))
            assert max(one) < min(two)
        assert min(read[2]) >= 0.985
        assert min(variety[0]) > max(variety[1])
        assert min(variety[1]) > max(variety[2])
        assert max(variety[0]) < real("variety")[1]
    assert mean("read", "cross", 1) == pytest.approx(0.895, abs=5e-4)
    assert mean("read", "cross", 2) == pytest.approx(0.992, abs=5e-4)
    assert mean("read", "cross", 8) == pytest.approx(0.999, abs=5e-4)
    assert mean("read by the other", "cross", 1) == pytest.approx(
        0.978, abs=6e-4
    )
    for w, value in ((1, 2.07), (2, 1.63), (8, 1.03)):
        assert mean("variety", "cross", w) == pytest.approx(value, abs=6e-3)
    assert real("variety")[1] == pytest.approx(2.26, abs=6e-3)


def mean(name, design, w):
    values = found(name, design, w)
    return sum(values) / len(values)


@pytest.mark.parametrize("design", DESIGNS)
def test_the_frechet_distance_is_least_at_one_and_a_half(design):
    means = {w: mean("frechet", design, w) for w in GUIDANCE}
    assert min(means, key=means.__getitem__) == 1.5
    for seed in range(len(SEEDS)):
        by_seed = {w: found("frechet", design, w)[seed] for w in GUIDANCE}
        assert min(by_seed, key=by_seed.__getitem__) == 1.5
    floor, _ = real("frechet")
    assert (min(floor), max(floor)) == pytest.approx((0.010, 0.020), abs=5e-4)
    assert max(floor) < min(found("frechet", design, 1.5))
    assert means[8] > means[0]


def test_the_numbers_of_the_frechet_distance():
    assert mean("frechet", "cross", 1.5) == pytest.approx(0.025, abs=5e-4)
    assert mean("frechet", "cross", 8) == pytest.approx(0.224, abs=5e-4)


def test_joint_attention_is_not_better():
    cross, joint = (found("read", design, 1) for design in DESIGNS)
    assert min(cross) > max(joint)
    assert sum(joint) / 3 == pytest.approx(0.848, abs=5e-4)
    for w in GUIDANCE[1:]:
        one, other = (found("frechet", design, w) for design in DESIGNS)
        assert min(one) < max(other) and min(other) < max(one)
        assert mean("variety", "joint", w) > mean("variety", "cross", w)
    losses = {
        design: [
            row["validation"]
            for row in table("digits_rates")
            if (row["design"], row["rate"])
            == (design, best_rates(table("digits_rates"))[design])
        ]
        for design in DESIGNS
    }
    assert min(losses["joint"]) < max(losses["cross"])
    assert min(losses["cross"]) < max(losses["joint"])


@pytest.mark.parametrize("design", DESIGNS)
def test_made_pictures_are_no_copies(design):
    held = real("nearest")[1]
    assert held == pytest.approx(1.07, abs=6e-3)
    for w in GUIDANCE:
        assert min(found("nearest", design, w)) > held
        assert max(found("copies", design, w)) == 0
        assert min(found("nearest", design, w)) >= 1.2


@pytest.mark.parametrize("design", DESIGNS)
def test_without_captions_a_tenth_is_read(design):
    for judge in ("read", "read by the other"):
        for w in (1, 2):
            for share in found(judge, design, w, "shuffled"):
                assert 0.05 < share < 0.16
        for share in found(judge, design, 0):
            assert 0.05 < share < 0.16


def bounds(name, design, layer):
    values = score(name, design, layer, 0.5)
    return min(values), max(values)


def test_the_map_of_the_last_layer_is_that_of_the_digit_not_the_picture():
    for name, expected in (
        ("word", (0.79, 0.87)),
        ("same digit", (0.78, 0.86)),
        ("other digit", (0.67, 0.74)),
        ("untrained", (0.55, 0.65)),
        ("other words", (0.23, 0.30)),
    ):
        assert bounds(name, "cross", 3) == pytest.approx(expected, abs=6e-3)
    word, same, other = (
        score(name, "cross", 3, 0.5)
        for name in ("word", "same digit", "other digit")
    )
    for own, alike, different in zip(word, same, other, strict=True):
        assert own - alike < 0.02
        assert alike - different > 0.09


def test_seeds_do_not_agree_in_other_layers():
    least, most = bounds("word", "cross", 2)
    assert (least, most) == pytest.approx((0.42, 0.76), abs=6e-3)
    assert bounds("word", "joint", 3) == pytest.approx((0.50, 0.85), abs=6e-3)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("layer", (1, 2, 3))
def test_another_picture_of_the_digit_does_as_well(design, layer):
    for own, alike in zip(
        score("word", design, layer, 0.5),
        score("same digit", design, layer, 0.5),
        strict=True,
    ):
        assert abs(own - alike) < 0.035
