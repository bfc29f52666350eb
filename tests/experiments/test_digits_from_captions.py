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
