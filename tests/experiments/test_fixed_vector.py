"""The tables of the fixed vector support what chapter 01 says of it."""

import numpy as np
import pytest
import torch

from attnbook import data
from attnbook.experiments import table
from attnbook.experiments.fixed_vector import (
    PATIENCE,
    PIECES,
    RATES,
    VARIANTS,
    digits_right,
    run,
)
from attnbook.experiments.leaderboard import STEPS

MEASURED = list(dict.fromkeys(r["variant"] for r in table("fixed_vector")))
FIXED = [name for name in MEASURED if name.startswith("fixed")]
TRAINED = [(name, STEPS) for name in MEASURED]
TRAINED += [(name, PATIENCE * STEPS) for name in FIXED]


def best_rate(variant):
    """The rate of the lowest training loss at the end, with the first seed."""
    last = {
        row["rate"]: row["loss"]
        for row in table("fixed_vector_loss")
        if (row["variant"], row["steps"], row["seed"]) == (variant, STEPS, 0)
        and row["piece"] == PIECES - 1
    }
    assert set(last) == set(RATES)
    return min(last, key=last.get)


def values(name, variant, steps, column):
    """Of the training at the best rate, (seeds, lengths or pieces)."""
    rows = [
        row[column]
        for row in table(name)
        if (row["variant"], row["steps"]) == (variant, steps)
        and row["rate"] == best_rate(variant)
    ]
    return np.reshape(rows, (3, -1))


def test_the_table_has_the_variants_of_the_study():
    assert set(MEASURED) <= set(VARIANTS)
    assert {"fixed vector, state 64", "additive attention"} <= set(MEASURED)


@pytest.mark.parametrize("variant,steps", TRAINED)
def test_every_training_has_three_seeds_at_its_best_rate(variant, steps):
    for column, greatest in {"exact match": 1, "digits right": 1}.items():
        found = values("fixed_vector", variant, steps, column)
        assert found.shape == (3, 8)
        assert found.min() >= 0 and found.max() <= greatest
    losses = values("fixed_vector_loss", variant, steps, "loss")
    assert losses.shape == (3, PIECES)


def test_the_fixed_vector_learns_far_more_slowly_than_attention():
    attention = values(
        "fixed_vector_loss", "additive attention", STEPS, "loss"
    )
    for variant in FIXED:
        patient = values(
            "fixed_vector_loss", variant, PATIENCE * STEPS, "loss"
        )
        assert attention[:, -1].max() < patient[:, -1].min()


def test_a_direct_way_for_the_gradient_is_not_enough():
    average, fixed = (
        values("fixed_vector_loss", name, STEPS, "loss")[:, -1]
        for name in ("average of all states", "fixed vector, state 64")
    )
    assert average.min() > fixed.max()


@pytest.mark.parametrize("variant", FIXED)
def test_more_steps_bring_more_digits_and_whole_answers(variant):
    for column in ("exact match", "digits right"):
        short = values("fixed_vector", variant, STEPS, column)[:, 7]
        patient = values("fixed_vector", variant, PATIENCE * STEPS, column)
        assert patient[:, 7].min() > short.max() + 0.2


def test_a_wrong_answer_has_many_right_digits():
    name = "fixed vector, state 64"
    assert values("fixed_vector", name, STEPS, "exact match")[:, 7].max() < 0.1
    assert (
        values("fixed_vector", name, STEPS, "digits right")[:, 7].min() > 0.4
    )


def test_digits_are_counted_in_their_places_without_the_end_mark():
    task = data.telephone_numbers("de", pairs=(1, 2))
    examples = [task.example("1234"), task.example("56")]
    batch = task.collate(examples)

    class Says:
        def generate(self, source, mask, length):
            tokens = batch.target_out.clone()
            tokens[0, 0] = data.EOS  # one of six digits is wrong
            tokens[1, 2:] = 5  # after the end nothing counts
            return tokens, None

    assert digits_right(Says(), batch) == pytest.approx(5 / 6)


def test_the_study_at_a_reduced_size_still_shows_the_gap():
    torch.manual_seed(0)
    names = ["fixed vector, state 64", "additive attention"]
    tables = run(
        names, [0], steps=120, rates=[6e-3, 1e-2], trained_to=3, count=100
    )
    digits = {
        row["variant"]: row["digits right"]
        for row in tables["fixed_vector"]
        if (row["steps"], row["length"]) == (120, 3)
    }
    assert digits[names[1]] > digits[names[0]] + 0.1
    patient = [r for r in tables["fixed_vector"] if r["steps"] == 480]
    assert {row["variant"] for row in patient} == {names[0]}
    assert len(tables["fixed_vector_loss"]) == 5 * PIECES


def test_attention_is_flat_to_the_trained_length_and_then_falls():
    def measured(model, lengths):
        return [
            row["exact match"]
            for row in table("accuracy_by_length")
            if row["model"] == model and row["length"] in lengths
        ]

    assert min(measured("additive attention", range(2, 9))) > 0.99
    assert min(measured("additive attention", {9})) > 0.8
    assert max(measured("additive attention", {10})) < 0.2
    assert max(measured("additive attention", {11, 12})) < 0.01
    assert max(measured("fixed vector", range(8, 13))) < 0.01
