"""Pruned heads: the tables, their measures, and the claims made small."""

import math

import numpy as np
import pytest
import torch

from attnbook import data, train
from attnbook.experiments import head_pruning as study
from attnbook.experiments import table

SEEDS = {0, 1, 2}


@pytest.fixture(scope="module")
def task():
    return study.task_of(2)


@pytest.fixture(scope="module")
def model(task):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = study.AttentionOnlyTranslator(
        len(task.source_vocabulary),
        len(task.target_vocabulary),
        size=32,
        num_heads=4,
        num_layers=1,
    )
    train.fit(model, task, 350, batch_size=64, seed=0, progress=False)
    return model.requires_grad_(False)


@pytest.fixture(scope="module")
def batch(task):
    return task.collate(task.examples(100, "train", length=2, seed=1))


def curve(order, seed):
    found = [
        row
        for row in table("head_pruning")
        if row["order"] == order and row["seed"] == seed
    ]
    return np.array([row["exact match"] for row in found])


@pytest.mark.parametrize(
    "name",
    ["head_importance", "head_pruning", "one_head_left", "heads_trained"],
)
def test_every_table_has_three_seeds(name):
    assert {row["seed"] for row in table(name)} >= SEEDS


def test_every_curve_begins_with_all_heads_and_ends_with_none():
    for seed in SEEDS:
        starts = {
            curve(order, seed)[0]
            for order in ("gradient", "single", "greedy", "random 1")
        }
        assert len(starts) == 1
        assert len(curve("greedy", seed)) == 49
        assert curve("greedy", seed)[-1] == 0


def test_greedy_keeps_most_and_every_order_beats_a_random_one():
    for seed in SEEDS:
        area = {
            order: curve(order, seed).mean()
            for order in ("gradient", "single", "greedy")
        }
        random = np.mean(
            [curve(f"random {n}", seed).mean() for n in (1, 2, 3)]
        )
        assert area["greedy"] == max(area.values())
        assert min(area.values()) > random


def matter(kind):
    """Heads of a kind whose removal breaks more answers than it mends."""
    rows = [row for row in table("head_importance") if kind in row["layer"]]
    worse = [row["p"] < 0.01 and row["broken"] > row["mended"] for row in rows]
    return np.mean(worse)


def test_about_half_of_the_heads_matter_and_most_in_cross_attention():
    assert 0.4 < matter("") < 0.65
    assert matter("cross") > 0.6 > 0.5 > max(matter("encoder"), matter("dec"))
    assert not any(
        row["p"] < 0.01 and row["mended"] > row["broken"]
        for row in table("head_importance")
    )


def test_heads_of_the_last_cross_attention_share_out_the_digits():
    for seed in SEEDS:
        rows = [
            row
            for row in table("head_importance")
            if row["layer"] == "cross 2" and row["seed"] == seed
        ]
        pairs = [(row["first digits"], row["second digits"]) for row in rows]
        assert np.corrcoef(np.array(pairs).T)[0, 1] < -0.4


def test_one_head_left_hurts_the_last_cross_attention_most():
    rows = table("one_head_left")
    one = {
        layer: np.mean([r["one"] for r in rows if r["layer"] == layer])
        for layer in {row["layer"] for row in rows}
    }
    assert min(one, key=one.get) == "cross 2"
    never_had_more = [
        row["exact match"]
        for row in table("heads_trained")
        if row["heads"] == 1
    ]
    assert min(never_had_more) > max(row["one"] for row in rows)


def test_the_model_learns_and_a_pruned_model_forgets(model, task, batch):
    held_out = task.collate(task.examples(100, "held-out", length=2))
    assert study.exact_match(model, held_out, study.all_heads(model)) > 0.6
    nothing = torch.zeros_like(study.all_heads(model))
    assert study.exact_match(model, batch, nothing) == 0


def test_greedy_beats_random_on_a_small_model(model, batch, task):
    held_out = task.collate(task.examples(200, "held-out", length=2))
    greedy = study.pruning_curve(
        model, held_out, study.greedy_order(model, batch)
    )
    order = study.rising(torch.zeros_like(study.all_heads(model)))
    rng = np.random.default_rng(0)
    random = np.mean(
        [
            study.pruning_curve(
                model,
                held_out,
                [order[n] for n in rng.permutation(len(order))],
            )
            for _ in range(5)
        ],
        axis=0,
    )
    assert len(greedy) == len(order) + 1
    assert np.mean(greedy) > random.mean()


def test_right_answers_are_those_that_greedy_decoding_writes(model, batch):
    B, T = batch.target_out.shape
    written = torch.full((B, 1), data.BOS)
    for _ in range(T):
        logits, _ = model(batch.source, batch.source_mask, written)
        written = torch.cat([written, logits[:, -1:].argmax(-1)], dim=1)
    same = (written[:, 1:] == batch.target_out) | ~batch.target_mask
    right = study.right_answers(model, batch, study.all_heads(model))
    assert torch.equal(right, same.all(1))


def test_gradient_importance_is_the_mean_of_absolute_derivatives(model, batch):
    small = 1e-3
    importance = study.gradient_importance(model, batch)
    torch.testing.assert_close(
        importance.norm(dim=1), torch.ones(len(importance))
    )
    ends = []
    for sign in (1, -1):
        gates = study.all_heads(model)
        gates[2, 1] += sign * small
        logits, _ = model(
            batch.source, batch.source_mask, batch.target_in, gates
        )
        ends.append(study.loss_of_examples(logits, batch).double())
    slope = ((ends[0] - ends[1]) / (2 * small)).abs().mean()
    gates = study.all_heads(model)
    gates[2, 2] += small
    logits, _ = model(batch.source, batch.source_mask, batch.target_in, gates)
    up = study.loss_of_examples(logits, batch).double()
    gates[2, 2] -= 2 * small
    logits, _ = model(batch.source, batch.source_mask, batch.target_in, gates)
    down = study.loss_of_examples(logits, batch).double()
    other = ((up - down) / (2 * small)).abs().mean()
    assert (importance[2, 1] / importance[2, 2]).item() == pytest.approx(
        (slope / other).item(), rel=0.05
    )


def test_ablation_skips_heads_that_are_gone(model, batch):
    gates = study.all_heads(model)
    gates[0, 3] = 0
    losses = study.single_ablation(model, batch, gates)
    assert losses[0, 3] == torch.inf
    assert losses.isfinite().sum() == gates.sum()
    assert (0, 3) in study.rising(-losses)[:1]


def test_entropy_and_distance_are_known_for_maps_made_by_hand():
    rows = torch.tensor([[True, True, True, False]])
    uniform = torch.full((4, 4), 0.25)
    before = torch.eye(4).roll(-1, dims=1)  # each looks one to the left
    weights = torch.stack([uniform, before])[None]  # (1, 2, 4, 4)
    spread = study.entropy(weights, rows)
    torch.testing.assert_close(spread, torch.tensor([math.log(4), 0.0]))
    offset, share = study.favourite_offset(weights, rows)[1]
    assert offset == -1 and share == pytest.approx(2 / 3)


def test_the_sign_test_is_that_of_a_fair_coin():
    assert study.sign_test(0, 0) == 1
    assert study.sign_test(5, 5) == 1
    assert study.sign_test(8, 0) == pytest.approx(2 / 2**8)
    assert study.sign_test(1, 7) == pytest.approx(2 * 9 / 2**8)


def test_the_study_at_a_reduced_size_fills_every_table():
    tables = study.run(
        [0], steps=2, trained=[1, 2], count=20, draws=1, progress=False
    )
    heads = 3 * study.LAYERS * 2
    assert len(tables["head_importance"]) == heads
    assert len(tables["head_pruning"]) == 4 * (heads + 1)
    assert len(tables["one_head_left"]) == 3 * study.LAYERS
    assert [row["heads"] for row in tables["heads_trained"]] == [1, 2]
