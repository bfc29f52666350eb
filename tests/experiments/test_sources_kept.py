"""The tables of sources kept support what chapter 09 says of them."""

import numpy as np
import pytest
import torch

from attnbook.data.facts import Facts
from attnbook.experiments import table
from attnbook.experiments.fact_reader import FactReader, answer_loss
from attnbook.experiments.sources_kept import (
    CHOSEN,
    FIXED,
    KEYS,
    SYMBOLS,
    drawn,
    fit_indexers,
    index_loss,
    kept,
    measured,
    pattern_of,
    trained,
    untrained,
    with_random_keys,
)

N, Q = 8, 6


def batch(count=20):
    return Facts(N, Q).sample(count, np.random.default_rng(0))


def column(measure, way, m, hops):
    """Of each seed, in order."""
    return [
        row[measure]
        for row in table("sources_kept")
        if (row["way"], row["m"], row["hops"]) == (way, m, hops)
    ]


@pytest.mark.parametrize("hops", [1, 2])
def test_every_way_was_measured_with_three_seeds_at_every_m(hops):
    for way in (*FIXED, *CHOSEN):
        for m in KEYS:
            assert column("seed", way, m, hops) == [0, 1, 2]
            assert max(column("keys", way, m, hops)) <= m
    assert column("seed", "dense", SYMBOLS, hops) == [0, 1, 2]


def test_the_best_rate_is_inside_of_every_grid():
    grids = {}
    for row in table("sources_rates"):
        grid = grids.setdefault((row["way"], row["m"]), [])
        grid.append((row["loss"], row["rate"]))
    assert len(grids) == 2 + len(FIXED) * len(KEYS)
    for grid in grids.values():
        rates = sorted(rate for _, rate in grid)
        best = {rate for loss, rate in grid if loss == min(grid)[0]}
        assert len(rates) >= 3 and best & set(rates[1:-1])


def test_fixed_patterns_keep_the_share_that_they_read_and_no_more():
    """What is asked does not depend on where it stands."""
    for m in KEYS:
        for way, measure in (
            ("window", "kept"),
            ("strided", "kept"),
            ("random", "first kept"),
        ):
            read = column("keys", way, m, 1)[0]
            assert m - 1 <= read <= m
            assert column(measure, way, m, 1) == pytest.approx(
                [read / SYMBOLS] * 3, abs=0.05
            )
        assert column("kept", "compressed", m, 2) == [1, 1, 1]


@pytest.mark.parametrize("m", KEYS)
def test_the_indexer_keeps_the_sources_and_no_other_way_does(m):
    assert min(column("kept", "indexer", m, 1)) == 1
    assert min(column("kept", "indexer", m, 2)) > 0.94
    for hops in (1, 2):
        worst = min(column("accuracy", "indexer", m, hops))
        assert worst > 0.8
        for way in (*FIXED, "random"):
            assert max(column("accuracy", way, m, hops)) < worst - 0.1


def test_four_chosen_keys_answer_two_hops_as_the_dense_model_does():
    for chosen, dense in zip(
        column("accuracy", "indexer", 4, 2),
        column("accuracy", "dense", SYMBOLS, 2),
        strict=True,
    ):
        assert chosen > dense - 0.02


def test_compression_keeps_every_source_and_helps_one_hop_no_more():
    compressed = column("accuracy", "compressed", 4, 1)
    assert max(compressed) < max(column("accuracy", "window", 4, 1))


@pytest.mark.parametrize("m", [2, 4, 8])
def test_a_pattern_reads_at_most_m_facts_beside_its_own(m):
    n = 16
    for way in ("window", "strided"):
        mask = pattern_of(way, m, n)
        assert mask.diagonal().all()
        assert int(mask.sum(-1).max()) <= m + 1
    assert int(pattern_of("window", m, n)[-1].sum()) == m + 1
    assert int(pattern_of("dense", m, n)[-1].sum()) == n + 1


@pytest.mark.parametrize("way", ["dense", "window", "strided", "compressed"])
def test_a_question_reads_no_other_question(way):
    model, questions = untrained(way, 4, 0, N).eval(), batch()
    before = model(questions).logits
    other = questions._replace(
        asked=questions.asked.clone(), hops=questions.hops.clone()
    )
    other.asked[:, 1:] = (other.asked[:, 1:] + 1) % N
    after = model(other).logits
    torch.testing.assert_close(before[:, 0], after[:, 0])
    assert not torch.allclose(before[:, 1:], after[:, 1:])


def test_questions_asked_together_are_answered_as_one_by_one():
    questions = batch()
    for way in ("window", "compressed", "dense"):
        model = untrained(way, 4, 0, N).eval()
        together = model(questions).logits
        for at in (0, Q - 1):
            one = questions._replace(
                asked=questions.asked[:, at, None],
                hops=questions.hops[:, at, None],
                answers=questions.answers[:, at, None],
                sources=questions.sources[:, at, None],
            )
            alone = model(one).logits
            torch.testing.assert_close(alone[:, 0], together[:, at])


def test_all_facts_chosen_is_the_dense_model():
    model, questions = untrained("dense", N, 0, N).eval(), batch()
    torch.testing.assert_close(
        model(questions).logits, model(questions, N).logits
    )


def test_compressed_facts_are_the_means_at_first_and_none_lies_ahead():
    model = untrained("compressed", 4, 0, N)
    allowed = model.allowed(Q)
    mask = model.whole_blocks(allowed)
    assert mask.shape == (N + Q, 4 + N + Q)
    assert mask[:, :4].sum(-1).tolist() == [0, 1, 1, 2, 2, 3, 3, 4] + [4] * Q
    assert torch.equal(mask[:, 4:], torch.eye(N + Q).bool())


def test_sources_are_kept_where_the_mask_says_so():
    model, questions = untrained("window", 3, 0, N).eval(), batch()
    for hops, (first, last) in kept(model(questions), questions).items():
        chosen = questions.hops == hops
        near = questions.sources[chosen] >= N - 3  # (·, 2)
        assert torch.equal(first, near[:, 0])
        assert torch.equal(last, near[:, 1])
    model = untrained("compressed", 4, 0, N).eval()
    for pair in kept(model(questions), questions, model.block).values():
        assert all(each.all() for each in pair)


def test_random_keys_keep_a_source_as_often_as_they_are_many():
    model = untrained("dense", N, 0, N).eval()
    rows = with_random_keys(model, batch(400), 2, seed=0)
    for row in rows:
        assert row["keys"] == 2
        assert row["first kept"] == pytest.approx(2 / N, abs=0.05)
    assert measured(model, batch(), N)[0]["kept"] == 1  # its own choice again


def test_fitting_the_indexers_changes_nothing_else():
    model = untrained("dense", N, 0, N)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    first = index_loss(model, batch()).item()
    fit_indexers(model, 1e-2, 60, seed=0)
    for name, each in model.state_dict().items():
        assert name.startswith("indexers") or torch.equal(each, before[name])
    assert index_loss(model, batch()).item() < first


def test_the_loss_of_an_untrained_model_is_that_of_guessing():
    model = FactReader(N)
    assert answer_loss(model, batch()).item() == pytest.approx(
        np.log(N), rel=0.3
    )


def test_the_study_at_a_reduced_size():
    """Eight facts: with three keys an indexer keeps more than a window."""
    torch.set_num_threads(1)
    model = trained("dense", N, 0, 1e-2, 600, N)
    fit_indexers(model, 1e-2, 150, 0)
    questions = drawn(N, Q, 1, 200)
    dense = measured(model, questions)
    chosen = measured(model, questions, 3)
    at_random = with_random_keys(model, questions, 3, seed=0)
    window = measured(trained("window", 3, 0, 1e-2, 200, N), questions)
    for whole, by_indexer, drawn_keys, near in zip(
        dense, chosen, at_random, window, strict=True
    ):
        assert whole["accuracy"] > 0.95 and by_indexer["kept"] > 0.9
        assert by_indexer["accuracy"] > whole["accuracy"] - 0.1
        for other in (drawn_keys, near):
            assert by_indexer["kept"] > other["kept"] + 0.2
            assert by_indexer["accuracy"] > other["accuracy"] + 0.2
