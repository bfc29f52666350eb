"""It takes as many heads as relations: the table, and the claim made small."""

import numpy as np
import pytest
import torch

from attnbook.experiments import table
from attnbook.experiments.several_relations import (
    RelationReader,
    accuracy,
    at_best_rate,
    draw,
    most_reachable,
    run,
)

SEEDS = {0, 1, 2}


def rows(**wanted):
    return [
        row
        for row in table("several_relations")
        if all(row[name] == value for name, value in wanted.items())
    ]


@pytest.mark.parametrize("relations", [1, 2, 3, 4])
@pytest.mark.parametrize("heads", [1, 2, 3, 4])
def test_as_many_heads_as_relations_are_enough_and_fewer_are_not(
    relations, heads
):
    every = rows(symbols=2, relations=relations, heads=heads)
    assert all(row["exact match"] <= row["most"] for row in every)
    if heads < relations:
        assert len({row["rate"] for row in every}) == 3
    found = at_best_rate(every)
    assert {row["seed"] for row in found} >= SEEDS
    for row in found:
        assert (row["exact match"] > 0.99) == (heads >= relations)


def test_one_head_reads_one_digit_and_guesses_the_other_unless_it_may_bend():
    for row in at_best_rate(rows(symbols=10, heads=1, hidden=0)):
        assert row["best relation"] > 0.99
        assert row["worst relation"] == pytest.approx(0.1, abs=0.02)
    for every in (
        rows(symbols=10, heads=2, hidden=0),
        rows(symbols=10, heads=1, hidden=64),
    ):
        found = at_best_rate(every)
        assert {row["seed"] for row in found} >= SEEDS
        assert min(row["exact match"] for row in found) > 0.99


def test_the_study_at_a_reduced_size_still_shows_the_gap():
    settings = [
        {"symbols": 10, "relations": 2, "heads": heads, "hidden": 0}
        for heads in (1, 2)
    ]
    one, two = run(settings, seeds=[5], steps=400, rates=[1e-2])
    assert one["exact match"] < 0.2
    assert two["exact match"] > 0.95


def test_the_best_rate_is_the_one_with_the_best_mean_on_the_tuning_rings():
    found = at_best_rate(
        {"rate": rate, "tuning": tuning, "exact match": exact}
        for rate, tuning, exact in [
            (0.1, 0.9, 1.0),
            (0.1, 0.1, 1.0),
            (0.2, 0.6, 0.0),
            (0.2, 0.7, 0.0),
        ]
    )
    assert [row["rate"] for row in found] == [0.2, 0.2]


def test_a_reader_that_is_perfect_is_not_trained_at_further_rates():
    setting = {"symbols": 2, "relations": 1, "heads": 1, "hidden": 0}
    found = run([setting], seeds=[0], steps=200, rates=[1e-2, 3e-3])
    assert [row["rate"] for row in found] == [1e-2]


def test_the_answers_are_the_neighbours_in_the_ring():
    generator = torch.Generator().manual_seed(0)
    tokens, answers = draw(3, 10, 4, generator=generator)
    for b in range(3):
        ring = tokens[b].tolist()
        for t in range(len(ring)):
            expected = [ring[(t + o) % len(ring)] for o in (-1, 1, -2, 2)]
            assert answers[b, t].tolist() == expected


@pytest.mark.parametrize("heads", [1, 2])
def test_no_reader_of_bits_exceeds_the_bound_whatever_its_weights(heads):
    relations = heads + 1
    for seed in range(20):
        torch.manual_seed(seed)
        reader = RelationReader(2, relations, heads, size=6 * heads)
        with torch.no_grad():
            for parameter in reader.parameters():
                parameter.normal_(std=2.0)
        logits, _ = reader(draw(200, 2, relations)[0])
        for t in range(logits.shape[1]):
            given = logits[:, t].argmax(-1)  # (B, R)
            different = len(given.unique(dim=0))
            assert different <= most_reachable(relations, heads) * (
                2**relations
            )


def test_the_bound_is_a_count_of_regions():
    assert most_reachable(2, 1) == 3 / 4
    assert most_reachable(3, 2) == 7 / 8
    assert all(
        most_reachable(relations, heads) == 1
        for heads in range(1, 6)
        for relations in range(1, heads + 1)
    )


def test_accuracy_counts_positions_with_every_answer_right():
    torch.manual_seed(0)
    every, single = accuracy(RelationReader(2, 2, 2), count=50)
    assert every <= min(single) + 1e-9
    assert len(single) == 2 and all(np.isfinite(single))
