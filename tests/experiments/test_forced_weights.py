"""The tables of forced weights and long numbers support chapter 01."""

import torch

from attnbook import data
from attnbook.experiments import table
from attnbook.experiments.forced_weights import (
    LENGTHS,
    forced,
    from_the_front,
    run,
)
from attnbook.mechanisms.recurrent import AdditiveTranslator


def test_there_are_three_seeds_of_everything():
    forcing, long = table("forced_weights"), table("long_numbers")
    kinds = {"learnt", "own", "uniform", "true"}
    assert len(forcing) == 3 * len(LENGTHS) * len(kinds)
    for rows in (forcing, long):
        assert {row["seed"] for row in rows} == {0, 1, 2}
    assert {row["weights"] for row in forcing} == kinds


def test_without_its_weights_the_model_has_no_long_answer_right():
    for row in table("forced_weights"):
        if row["weights"] == "uniform":
            assert row["exact match"] < 0.02 or row["length"] < 4
        else:
            assert row["exact match"] >= 0.98


def test_the_true_alignment_is_enough_for_every_answer_of_eight_pairs():
    for row in table("forced_weights"):
        if (row["weights"], row["length"]) == ("true", 8):
            assert row["exact match"] == 1


def test_the_middle_pairs_get_the_least_attention_in_every_seed():
    for row in table("long_numbers"):
        middle = row["attention, middle third"]
        assert middle + 1 < row["attention, first third"]
        assert middle + 1 < row["attention, last third"]
        assert row["digits written"] < 2 * row["length"]


def test_forced_weights_are_those_that_the_decoder_uses():
    torch.manual_seed(0)
    task = data.telephone_numbers("de", pairs=(1, 2))
    model = AdditiveTranslator(
        len(task.source_vocabulary), len(task.target_vocabulary)
    )
    batch = task.collate(task.examples(3, "held-out", length=2))
    uniform = torch.ones(batch.alignment.shape) / batch.source.shape[1]
    with torch.no_grad():
        before, _ = model.generate(batch.source, batch.source_mask, 3)
        forced(model, batch, uniform)
        after, _ = model.generate(batch.source, batch.source_mask, 3)
    assert torch.equal(before, after)  # the model has its own look again


def test_digits_are_counted_up_to_the_first_wrong_one():
    tokens, true = (
        torch.tensor([[1, 2, 3], [1, 5, 3]]),
        torch.tensor([1, 2, 3]),
    )
    assert from_the_front(tokens, true.expand(2, -1)) == 2


def test_the_study_at_a_reduced_size_still_needs_the_weights():
    tables = run([0], steps=150, trained_to=3, lengths=[3])
    share = {
        row["weights"]: row["exact match"] for row in tables["forced_weights"]
    }
    assert share["learnt"] > 0.8
    assert share["true"] > 0.8
    assert share["uniform"] < 0.2
    assert len(tables["long_numbers"]) == 1
