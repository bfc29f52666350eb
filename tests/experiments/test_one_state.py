"""The table of what one state keeps supports what chapter 12 says of it."""

import numpy as np
import pytest
import torch

from attnbook.experiments import table
from attnbook.experiments.command import SEEDS
from attnbook.experiments.one_state import (
    DEEP,
    DISTINCT,
    KEYS,
    ONE_LAYER,
    PARITY,
    REWRITTEN,
    STATES,
    Mixer,
    Parity,
    Recall,
    cells,
    measured,
    trained,
)


def of_seeds(mixer, d_k, name, task="recall"):
    return [
        row[name]
        for row in table("one_state")
        if (row["task"], row["mixer"], row["d_k"]) == (task, mixer, d_k)
    ]


def stale(mixer, d_k):
    """The share of all errors on overwritten keys that is the old value."""
    old, errors = (
        np.array(of_seeds(mixer, d_k, name)) for name in ("old", "errors")
    )
    return (old * errors).sum() / errors.sum()


@pytest.mark.parametrize(
    "cell", cells(), ids=lambda cell: " ".join(map(str, cell))
)
def test_each_cell_has_its_seeds_and_a_best_rate_that_is_inside(cell):
    def of(name):
        return [
            row
            for row in table(name)
            if (row["task"], row["mixer"], row["d_k"]) == cell
        ]

    assert [row["seed"] for row in of("one_state")] == list(SEEDS)
    tried = {row["rate"]: row["loss"] for row in of("one_state_rates")}
    (rate,) = {row["rate"] for row in of("one_state")}
    assert len(tried) >= 3 and min(tried) < rate < max(tried)
    assert tried[rate] <= min(tried.values()) + 1e-4  # losses are rounded


def test_the_last_value_counts_and_no_key_is_bound_by_accident():
    batch = Recall().sample(40, np.random.default_rng(0))
    written = 2 * (DISTINCT + REWRITTEN)
    assert batch.ids.shape == (40, written + DISTINCT)
    for ids, wanted, old in zip(*map(torch.Tensor.tolist, batch), strict=True):
        known, before = {}, {}
        for key, value in zip(ids[:written:2], ids[1:written:2], strict=True):
            assert key < KEYS <= value
            before[key] = known.get(key, KEYS - 1)
            known[key] = value
        assert len(known) == DISTINCT
        for at in range(written, len(ids)):
            assert wanted[at] == known[ids[at]] - KEYS
            assert old[at] == before[ids[at]] - KEYS
            assert old[at] != wanted[at]
        assert sum(each >= 0 for each in old) == REWRITTEN
        assert set(wanted[:written]) == {-100}


def test_parity_is_that_of_the_ones_so_far():
    batch = Parity(9).sample(5, np.random.default_rng(0))
    for ids, wanted in zip(
        batch.ids.tolist(), batch.wanted.tolist(), strict=True
    ):
        assert wanted == [sum(ids[: t + 1]) % 2 for t in range(9)]


@pytest.mark.parametrize("kind", sorted({*ONE_LAYER, *PARITY}))
def test_no_mixer_sees_what_comes_later(kind):
    torch.manual_seed(0)
    mixer = Mixer(kind, 4).eval()
    x = torch.randn(2, 12, 64)
    changed = x.clone()
    changed[:, 8] += 1
    gap = (mixer(changed) - mixer(x)).abs().amax(-1)
    assert (gap[:, :8] < 1e-5).all() and (gap[:, 8] > 1e-4).all()


def test_attention_that_knows_no_order_mistakes_old_for_new():
    for d_k in STATES:
        assert min(of_seeds("attention", d_k, "once")) > 0.99
        assert max(of_seeds("attention", d_k, "twice")) < 0.7
        assert stale("attention", d_k) > 0.98
        assert min(of_seeds("attention, distances", d_k, "twice")) > 0.97


def test_attention_without_a_convolution_cannot_join_value_and_key():
    for d_k in STATES:
        for name in ("once", "twice"):
            found = of_seeds("attention, no convolution", d_k, name)
            assert max(found) < 0.25


def test_a_state_that_only_adds_returns_the_old_value():
    for mixer in ("linear", "sum"):
        for d_k in (8, 16):
            assert min(of_seeds(mixer, d_k, "once")) > 0.95
            assert max(of_seeds(mixer, d_k, "twice")) < 0.7
            assert stale(mixer, d_k) > 0.95


def test_what_is_erased_is_not_returned():
    """The control "sum" lacks the erasure alone."""
    for mixer in ("delta", "gated delta"):
        for d_k in (8, 16):
            gap = min(of_seeds(mixer, d_k, "twice")) - max(
                of_seeds("sum", d_k, "twice")
            )
            assert gap > 0.2


def test_decay_lies_between():
    for d_k in (8, 16):
        scan = of_seeds("scan", d_k, "twice")
        assert min(scan) > max(of_seeds("linear", d_k, "twice")) + 0.2
        assert stale("scan", d_k) > 0.9


def test_four_numbers_are_too_few_for_eight_keys():
    for mixer in ("linear", "scan", "sum", "delta", "gated delta"):
        assert max(of_seeds(mixer, 4, "once")) < 0.85
        assert min(of_seeds(mixer, 8, "once")) > 0.85
    delta = of_seeds("delta", 4, "twice")
    assert max(delta) - min(delta) > 0.2  # seeds differ


def test_only_a_strength_to_2_counts_ones():
    for mixer in PARITY:
        once, twice = (
            of_seeds(mixer, 8, name, "parity") for name in ("once", "twice")
        )
        if mixer.endswith("to 2"):
            assert min(once) == 1 and min(twice) > 0.998
        else:
            assert max(once) < 0.7 and max(twice) < 0.53


def test_one_layer_of_attention_in_four_brings_what_is_missing():
    attention, states, hybrid = (
        [of_seeds(name, 4, which) for which in ("once", "twice")]
        for name in DEEP
    )
    assert min(map(min, hybrid)) > 0.97
    assert min(map(min, attention)) > 0.97
    for which in (0, 1):
        assert max(states[which]) < min(hybrid[which])
    assert min(states[0]) > max(of_seeds("gated delta", 4, "once"))


def test_a_model_at_a_wrong_rate_looks_as_if_it_could_not_learn():
    tried = {
        row["rate"]: row["loss"]
        for row in table("one_state_rates")
        if row["mixer"] == "4 gated delta"
    }
    assert tried[0.003] > 1.9 and tried[0.009] < 0.3


def test_a_reduced_study_still_separates_adding_from_overwriting():
    """220 steps each, one seed."""
    found = {}
    for kind in ("sum", "delta"):
        model = trained(Recall(), (kind,), 16, 220, 9e-3, 0)
        found[kind] = measured(model, Recall(), 0, 4)["twice"]
    assert found["delta"] > found["sum"] + 0.15, found
