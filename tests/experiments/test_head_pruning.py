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


def curve(order, seed, measure="exact match"):
    found = [
        row
        for row in table("head_pruning")
        if row["order"] == order and row["seed"] == seed
    ]
    return np.array([row[measure] for row in found])


@pytest.mark.parametrize("name", study.TABLES[1:])
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


def test_greedy_keeps_most_and_about_a_fifth_can_go_in_its_order():
    for seed in SEEDS:
        area = {
            order: curve(order, seed).mean()
            for order in ("gradient", "single", "greedy")
        }
        random = [curve(f"random {n}", seed).mean() for n in (1, 2, 3)]
        assert area["greedy"] == max(*area.values(), *random)
        greedy = curve("greedy", seed)
        assert min(greedy[:9]) >= 0.95 * greedy[0]
        assert curve("greedy", seed, "digits")[10] > 0.98
        gradient = curve("gradient", seed)
        assert min(gradient[:8]) < 0.95 * gradient[0]


def importance(seed, kind=""):
    return [
        row
        for row in table("head_importance")
        if row["seed"] == seed and kind in row["layer"]
    ]


def lost(rows):  # exact match lost without each head
    return np.array([(row["broken"] - row["mended"]) / 500 for row in rows])


def test_most_heads_cost_little_and_a_few_cost_much():
    for seed in SEEDS:
        loss = lost(importance(seed))
        assert np.median(loss) < 0.01
        assert 0.7 < np.mean(loss <= 0.0201) < 0.8
        assert np.mean(loss <= 0.0501) > 0.9
        assert loss.max() > 0.05
    assert not any(
        row["p"] < 0.01 and row["mended"] > row["broken"]
        for row in table("head_importance")
    )


def test_a_model_trained_at_half_the_rate_depends_on_more_of_its_heads():
    rows = {
        row["rate"]: row for row in table("heads_rates") if row["heads"] == 8
    }
    best = min(rows.values(), key=lambda row: row["loss"])
    assert best["rate"] == table("heads_trained")[-1]["rate"] == 6e-3
    assert rows[3e-3]["median lost"] > 2 * best["median lost"]
    assert rows[3e-3]["at most 0.02"] < best["at most 0.02"] - 0.1


def test_no_head_of_self_attention_is_positional():
    shares = [
        row["share"]
        for row in table("head_importance")
        if not row["layer"].startswith("cross")
    ]
    assert len(shares) == 3 * 32 and max(shares) < 0.9


def test_heads_of_the_last_cross_attention_divide_the_digits():
    for seed in SEEDS:
        rows = importance(seed, "cross 2")
        first, second, first_lost, second_lost = (
            np.array([row[name] for row in rows])
            for name in (
                "first digits",
                "second digits",
                "first digits lost",
                "second digits lost",
            )
        )
        assert np.corrcoef(first, second)[0, 1] < -0.5
        looks, loses = first - second, first_lost - second_lost
        assert np.corrcoef(looks, loses)[0, 1] > 0.5
        assert max(first_lost.max(), second_lost.max()) < 0.04


def test_one_head_left_is_too_few_until_the_model_is_trained_on():
    rows = table("one_head_left")
    assert max(row["one"] for row in rows) < 0.9
    for seed in SEEDS:
        mine = [row for row in rows if row["seed"] == seed]
        (again,) = [row for row in mine if row["one, more steps"] != ""]
        assert again["one"] == min(row["one"] for row in mine) < 0.1
        assert again["one, more steps"] > 0.95


def test_one_head_a_layer_is_nearly_as_good_at_its_own_rate():
    rows = table("heads_trained")
    mean = {
        heads: np.mean([r["exact match"] for r in rows if r["heads"] == heads])
        for heads in (1, 8)
    }
    assert mean[8] - 0.05 < mean[1] < mean[8]
    assert {row["rate"] for row in rows if row["heads"] == 1} == {1.2e-2}


def test_the_model_learns_and_a_pruned_model_forgets(model, task, batch):
    held_out = task.collate(task.examples(100, "held-out", length=2))
    assert study.exact_match(model, held_out, study.all_heads(model)) > 0.6
    nothing = torch.zeros_like(study.all_heads(model))
    assert study.exact_match(model, batch, nothing) == 0


def test_greedy_beats_random_on_a_small_model(model, batch, task):
    held_out = task.collate(task.examples(200, "held-out", length=2))
    greedy = [
        whole
        for whole, _ in study.pruning_curve(
            model, held_out, study.greedy_order(model, batch)
        )
    ]
    order = study.rising(torch.zeros_like(study.all_heads(model)))
    rng = np.random.default_rng(0)
    random = [
        whole
        for _ in range(5)
        for whole, _ in study.pruning_curve(
            model, held_out, [order[n] for n in rng.permutation(len(order))]
        )
    ]
    assert len(greedy) == len(order) + 1
    assert np.mean(greedy) > np.mean(random)


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
    distance, share = study.favourite_distance(weights, rows)[1]
    assert distance == -1 and share == pytest.approx(2 / 3)


def test_a_head_without_a_sense_of_place_is_known_by_its_keys():
    keys = torch.arange(1, 10)[None]  # of a decoder of nine positions
    rows = torch.ones(1, 9, dtype=torch.bool)
    expected = sum(1 / t for t in range(1, 10)) / 9
    assert study.share_by_chance(keys, rows) == pytest.approx(expected)
    uniform = torch.ones(9, 9).tril()
    uniform = uniform / uniform.sum(-1, keepdim=True)
    assert uniform.diagonal().mean().item() == pytest.approx(expected)
    torch.manual_seed(0)
    weights = torch.rand(4000, 1, 9, 9).tril()
    (found,) = study.favourite_distance(weights, rows.expand(4000, 9))
    assert found == (0, pytest.approx(expected, abs=0.01))


def test_digits_are_counted_without_the_end_mark(model, batch):
    full = study.all_heads(model)
    right = torch.zeros_like(batch.target_mask)
    assert study.digit_accuracy(right, batch) == 0
    right[:, ::2] = True  # the end mark too
    assert study.digit_accuracy(right, batch) == 0.5
    assert study.digit_accuracy(right, batch, of=0) == 1
    assert study.digit_accuracy(right, batch, of=1) == 0
    found = study.right_tokens(model, batch, full)
    halves = [study.digit_accuracy(found, batch, of) for of in (0, 1)]
    assert study.digit_accuracy(found, batch) == pytest.approx(np.mean(halves))
    assert study.exact_match(model, batch, full) <= min(halves)


def test_training_on_moves_a_copy_and_keeps_the_gates(model, monkeypatch):
    monkeypatch.setattr(study, "task_of", lambda: task_of_two)
    task_of_two = data.telephone_numbers("de", pairs=(1, 2), longer=None)
    gates = study.all_heads(model)
    gates[2, 1:] = 0
    before = [p.clone() for p in model.parameters()]
    pruned = study.trained_on(model, gates, 10, seed=0, progress=False)
    for old, now in zip(before, model.parameters(), strict=True):
        assert torch.equal(old, now)
    moved = pruned.layers["cross"][0].attention.value_projection.weight
    kept = model.layers["cross"][0].attention.value_projection.weight
    changed = (moved != kept).unflatten(0, (model.num_heads, -1)).any(2)
    assert changed.any(1).tolist() == [True, False, False, False]


def test_the_sign_test_is_that_of_a_fair_coin():
    assert study.sign_test(0, 0) == 1
    assert study.sign_test(5, 5) == 1
    assert study.sign_test(8, 0) == pytest.approx(2 / 2**8)
    assert study.sign_test(1, 7) == pytest.approx(2 * 9 / 2**8)


def test_the_study_at_a_reduced_size_fills_every_table():
    tables = study.run(
        [0],
        steps=2,
        trained=[1, 2],
        rates=[1e-3, 3e-3],
        count=20,
        draws=1,
        more_steps=10,
        progress=False,
    )
    heads = 3 * study.LAYERS * 2
    assert len(tables["heads_rates"]) == 4
    assert len(tables["head_importance"]) == heads
    assert len(tables["head_pruning"]) == 4 * (heads + 1)
    assert len(tables["one_head_left"]) == 3 * study.LAYERS
    again = [row["one, more steps"] for row in tables["one_head_left"]]
    assert again.count("") == 3 * study.LAYERS - 1
    assert [row["heads"] for row in tables["heads_trained"]] == [1, 2]
