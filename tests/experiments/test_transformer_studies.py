"""The studies of chapter 06, at a reduced size and as committed."""

import numpy as np
import pytest
import torch

from attnbook.experiments import (
    beam_search,
    norm_placement,
    step_time,
    table,
)


def ends(placement, rows, stack="decoder"):
    """The last block's gradient over the first's, for each seed."""
    seeds = sorted({row["seed"] for row in rows})
    values = np.array(
        [
            [
                row["gradient"]
                for row in rows
                if (row["placement"], row["seed"], row["stack"])
                == (placement, seed, stack)
            ]
            for seed in seeds
        ]
    )
    return values[:, -1] / values[:, 0]


def test_post_norm_starves_the_first_decoder_block_of_gradient():
    rows = table("norm_placement")
    assert len({row["seed"] for row in rows}) >= 3
    assert ends("post-norm", rows).min() > 5
    assert ends("pre-norm", rows).min() > 0.2
    assert ends("pre-norm", rows).max() < 2


def test_so_it_does_with_six_blocks():
    rows = [
        row
        for placement in norm_placement.PLACEMENTS
        for row in norm_placement.gradient_by_depth(
            placement, seed=5, depth=6, batch_size=16
        )
    ]
    assert ends("post-norm", rows)[0] > 2.5 * ends("pre-norm", rows)[0]


def starved(rows, memory):
    return [r["last over first"] for r in rows if r["memory"] == memory]


def test_what_cross_attention_reads_starves_the_decoder():
    rows = table("starved_decoder")
    whole, *others = (starved(rows, m) for m in norm_placement.MEMORIES)
    assert all(len(ratios) >= 3 for ratios in [whole, *others])
    assert min(whole) > 10
    assert max(map(max, others)) < 2
    through_the_model = ends("post-norm", table("norm_placement"))
    np.testing.assert_allclose(whole, through_the_model, rtol=5e-3)


def test_so_it_does_at_a_reduced_size():
    whole, *others = (
        norm_placement.decoder_gradients(m, seed=5, depth=6, batch_size=16)
        for m in norm_placement.MEMORIES
    )
    for other in others:
        assert whole["last over first"] > 4 * other["last over first"]


def test_a_memory_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="expected one of"):
        norm_placement.decoder_gradients("silence", seed=0)


def test_post_norm_needs_warm_up_more_than_pre_norm_does():
    losses = {}
    for row in table("warmup"):
        key = row["placement"], row["warm-up"]
        losses.setdefault(key, []).append(row["last loss"])
    assert all(len(each) >= 3 for each in losses.values())
    assert min(losses["post-norm", 0]) > 1.5
    assert np.mean(losses["post-norm", 50]) < np.mean(losses["post-norm", 0])
    assert max(losses["pre-norm", 0]) < min(losses["post-norm", 50])


def test_without_warm_up_post_norm_learns_less_in_a_short_training():
    pre, post = (
        norm_placement.train_briefly(
            placement, warmup=0, seed=0, depth=4, steps=50, progress=False
        )["last loss"]
        for placement in ["pre-norm", "post-norm"]
    )
    assert pre < post - 0.2


def test_the_longest_chain_grows_with_length_only_where_states_are_handed_on():
    rows = step_time.run(lengths=[4, 8], repeats=1, steps=1)
    chains = {
        name: [row["chain"] for row in rows if row["model"] == name]
        for name in step_time.NAMES
    }
    for name, (short, long) in chains.items():
        if name == "Transformer":
            assert short == long
        else:
            assert long > 1.4 * short


def test_the_committed_chains_and_times_say_the_same():
    rows = table("step_time")
    assert len({row["repeat"] for row in rows}) >= 3
    for name in step_time.NAMES:
        mine = [row for row in rows if row["model"] == name]
        by_length = {row["length"]: row["chain"] for row in mine}
        if name == "Transformer":
            assert len(set(by_length.values())) == 1
        else:
            assert by_length[256] > 20 * by_length[8]


def test_a_chain_is_counted_along_its_longest_branch():
    x = torch.ones(2, requires_grad=True)
    short = longest = x
    for _ in range(3):
        longest = longest.sin()
    both = short + longest
    assert step_time.longest_chain(both) == 5  # x itself, three, the sum


def test_a_result_without_a_graph_is_refused():
    with pytest.raises(ValueError, match="has no graph"):
        step_time.longest_chain(torch.ones(2))


def test_a_beam_mends_some_answers_and_spoils_some():
    rows = table("beam_search")
    assert len({row["seed"] for row in rows}) >= 3
    briefly = [
        r for r in rows if r["steps"] == beam_search.BRIEFLY and r["beam"] > 1
    ]
    assert sum(row["wrong to right"] for row in briefly) > 0
    for row in rows:
        moved = row["wrong to right"] + row["right to wrong"]
        assert moved <= row["changed"]
        if row["beam"] == 1:
            assert row["changed"] == 0


def test_the_beams_at_a_reduced_size():
    rows = beam_search.run(
        [0],
        all_steps=[60],
        trained_to=2,
        count=60,
        beams=[1, 3],
        progress=False,
    )
    one, three = rows
    assert one["changed"] == one["likelier"] == one["less likely"] == 0
    assert three["likelier"] > 0
    gain = three["wrong to right"] - three["right to wrong"]
    assert three["exact match"] == pytest.approx(
        one["exact match"] + gain / 60, abs=1e-3
    )
