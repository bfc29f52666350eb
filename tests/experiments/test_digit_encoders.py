"""The table of digit encoders supports what chapter 11 says of them."""

import pytest
import torch

from attnbook.data.digit_images import digit_images
from attnbook.experiments import table
from attnbook.experiments.digit_encoders import (
    BATCH,
    KINDS,
    SEEDS,
    difference,
    ink_sought,
    kinds_of,
    mixed,
    moved,
    networks,
    others,
    right,
)
from attnbook.mechanisms.modalities import patches

ROWS = kinds_of(table("digit_encoders"))
TRIED = kinds_of(table("digit_encoders_tuning"))
NETWORKS = [
    k for k in ROWS if KINDS[k].model in ("transformer", "convolutions")
]
REST = [kind for kind in ROWS if kind not in NETWORKS]


def errors(kind):
    """Wrong held-out pictures of each seed."""
    return [round(400 * (1 - row["held-out"])) for row in ROWS[kind]]


def better(one, other):
    """Whether the interval of the difference is above zero."""
    return difference(ROWS[one], ROWS[other])[1] > 0


def undecided(one, other):
    return not better(one, other) and not better(other, one)


def test_every_kind_is_there_with_its_seeds():
    assert list(ROWS) == list(KINDS)
    for kind in NETWORKS:
        assert tuple(row["seed"] for row in ROWS[kind]) == SEEDS


@pytest.mark.parametrize("kind", ROWS)
def test_the_wrong_pictures_agree_with_the_accuracy(kind):
    read = right(ROWS[kind])
    for row, of_row in zip(ROWS[kind], read, strict=True):
        assert of_row.mean() == pytest.approx(row["held-out"], abs=1e-4)


@pytest.mark.parametrize("kind", ROWS)
def test_the_choice_has_fewest_errors_and_is_not_at_the_edge(kind):
    name = "rate" if kind in NETWORKS else "C"
    best = min(
        TRIED[kind], key=lambda row: (row["errors"], row["entropy"] or 0)
    )
    chosen = ROWS[kind][0]
    assert (chosen["rate"], chosen["C"], chosen["gamma"]) == (
        best["rate"],
        best["C"],
        best["gamma"],
    )
    grid = sorted({row[name] for row in TRIED[kind]})
    assert grid[0] < chosen[name] < grid[-1]


def test_all_networks_have_equal_parameters_within_four_percent():
    counts = {kind: ROWS[kind][0]["parameters"] for kind in NETWORKS}
    assert counts["vit-4"] == pytest.approx(counts["cnn"], rel=0.01)
    assert max(counts.values()) < 1.04 * min(counts.values())


def test_transformers_read_95_percent_in_less_than_a_minute():
    for kind in ("vit-4", "vit-4-plain", "vit-8"):
        assert all(row["held-out"] >= 0.95 for row in ROWS[kind])
        assert all(row["seconds"] < 60 for row in ROWS[kind])


def test_support_vectors_read_best():
    assert errors("svm") == [1]
    assert errors("svm-plain") == [2]
    assert errors("vit-4") == [4, 13, 11]
    assert better("svm", "vit-4")
    assert better("svm-plain", "vit-4")
    most = max(row["held-out"] for rows in ROWS.values() for row in rows)
    assert most == ROWS["svm"][0]["held-out"]


def test_convolutions_and_the_regression_are_not_told_from_the_transformer():
    for kind in ("cnn", "cnn-plain", "logistic-plain"):
        assert undecided(kind, "vit-4")
    assert errors("cnn")[0] > errors("vit-4")[0]  # one seed misleads


def test_one_patch_reads_as_well_as_four():
    assert errors("vit-8") == [6, 9, 12]
    assert undecided("vit-8", "vit-4")


@pytest.mark.parametrize("kind", ["svm", "cnn", "vit-4"])
def test_shifted_copies_change_nothing_that_can_be_seen(kind):
    assert undecided(kind, f"{kind}-plain")


def test_shifted_copies_are_bad_for_a_linear_method():
    assert (errors("logistic"), errors("logistic-plain")) == ([62], [14])
    assert better("logistic-plain", "logistic")


def test_smaller_patches_are_worse_at_equal_steps():
    assert (min(errors("vit-2")), max(errors("vit-2"))) == (20, 29)
    assert better("vit-4", "vit-2")
    assert better("vit-2", "vit-1")
    assert min(errors("vit-1")) > 100


def test_without_positions_more_than_half_of_the_digits_are_misread():
    assert min(errors("vit-2-unplaced")) > 200
    assert better("vit-2", "vit-2-unplaced")
    assert undecided("vit-2-unplaced", "vit-2-shuffled")


def test_registers_do_not_help():
    one, four = errors("vit-2-register"), errors("vit-2-registers")
    assert (min(one), max(one)) == (27, 38)
    assert (min(four), max(four)) == (29, 35)
    for kind in ("vit-2-register", "vit-2-registers"):
        assert undecided(kind, "vit-2")


def test_no_patch_has_an_unusual_norm():
    largest = [
        row["largest"]
        for kind, rows in ROWS.items()
        if KINDS[kind].model == "transformer"
        for row in rows
    ]
    assert 2.4 < max(largest) < 2.5


def test_untrained_models_follow_the_ink_as_well():
    def range_of(kind, column):
        found = [round(row[column], 2) for row in ROWS[kind]]
        return min(found), max(found)

    assert range_of("vit-4", "ink") == (-0.08, 0.4)
    assert range_of("vit-2", "ink") == (0.22, 0.35)
    assert range_of("vit-2", "ink untrained") == (0.58, 0.73)


def test_a_plain_method_is_repeated():
    rows, _ = others(KINDS["svm-plain"], [ROWS["svm-plain"][0]["C"]])
    assert rows[0]["wrong"] == ROWS["svm-plain"][0]["wrong"]


def test_a_network_is_repeated_up_to_the_machine():
    rate = ROWS["vit-8"][0]["rate"]
    rows, _ = networks(KINDS["vit-8"], (0,), (rate,), 800)
    assert rows[0]["held-out"] == pytest.approx(
        ROWS["vit-8"][0]["held-out"], abs=0.0126
    )


def test_nine_moves_have_the_picture_itself_in_the_middle():
    images = digit_images("train").images[:3]
    assert torch.equal(moved(images)[12:15], images)
    assert len(moved(images)) == 27


def test_mixing_keeps_the_patches_and_their_insides():
    images = torch.rand(BATCH, 8, 8)
    generator = torch.Generator().manual_seed(0)
    before, after = (
        patches(x, 2).sum(-1).sort(1).values
        for x in (images, mixed(images, 2, generator))
    )
    torch.testing.assert_close(before, after)


def test_weights_equal_to_ink_have_a_correlation_of_one():
    images = torch.rand(50, 8, 8)
    ink = patches(images, 4).mean(-1)
    assert ink_sought(2 * ink + 1, images) == pytest.approx(1, abs=1e-5)
    always = torch.tensor([0.7, 0.1, 0.1, 0.1]).repeat(50, 1)
    noise = 1e-3 * torch.rand(50, 4)
    assert abs(ink_sought(always + noise, images)) < 0.3


def test_a_difference_of_a_kind_from_itself_is_nothing():
    gap, low, high = difference(ROWS["vit-4"], ROWS["vit-4"])
    assert gap == 0
    assert low <= 0 <= high
