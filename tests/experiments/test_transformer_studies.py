"""The studies of chapter 06, at a reduced size and as committed."""

import numpy as np
import pytest
import torch

from attnbook.experiments import (
    beam_search,
    norm_placement,
    rank_collapse,
    step_time,
    table,
    tuned_rates,
    warmup,
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


def cosines(variant, block):
    """One for each seed."""
    return [
        row["cosine"]
        for row in table("rank_collapse")
        if (row["variant"], row["block"]) == (variant, block)
    ]


def test_untrained_blocks_make_the_tokens_of_a_sentence_alike():
    for variant in rank_collapse.VARIANTS:
        assert len(cosines(variant, 12)) >= 3
        assert min(cosines(variant, 12)) > max(cosines(variant, 0)) + 0.4
    assert max(cosines(rank_collapse.ALONE, 12)) < 0.75
    assert min(cosines("no residuals", 2)) > 0.999
    assert min(cosines("post-norm", 12)) > 0.999
    assert max(cosines("post-norm", 2)) < 0.75
    assert max(cosines("pre-norm", 12)) < 0.9


def test_so_they_do_at_a_reduced_size():
    last = {
        name: rank_collapse.cosines_by_block(name, 5, depth=4, batch_size=8)
        for name in (rank_collapse.ALONE, *rank_collapse.VARIANTS)
    }
    alone, pre, post, bare = (rows[-1]["cosine"] for rows in last.values())
    assert alone < pre < post < bare
    assert bare > 0.999


def test_the_mean_cosine_leaves_out_padding_and_the_token_itself():
    x = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]])
    all_three = torch.ones(1, 3, dtype=torch.bool)
    two = torch.tensor([[True, True, False]])
    found = rank_collapse.mean_cosine(x, all_three)
    assert found == pytest.approx(2 * 0.5**0.5 / 3)
    assert rank_collapse.mean_cosine(x, two) == pytest.approx(0)


def test_without_residuals_a_model_has_post_norms_weights_and_no_addition():
    task = warmup.data.telephone_numbers("de", pairs=(1, 2), longer=None)
    models = [
        rank_collapse.variant(task, name, 2, seed=0)
        for name in ("post-norm", "no residuals")
    ]
    for one, other in zip(*(m.parameters() for m in models), strict=True):
        assert torch.equal(one, other)
    x = torch.randn(1, 3, models[0].size)
    layer = models[1].stacks.encoder[0]
    attended, _ = layer.attention(x, x, x)
    h = layer.attention_norm(attended)
    expected = layer.feed_forward_norm(layer.feed_forward(h))
    torch.testing.assert_close(layer(x)[0], expected)


def starved(control, measure="last over first"):
    return [
        row[measure]
        for row in table("starved_decoder")
        if row["control"] == control
    ]


def test_one_constant_vector_starves_the_decoder_as_the_encoder_does():
    for control in rank_collapse.CONTROLS:
        assert len(starved(control)) == len(rank_collapse.STARVED_SEEDS)
    whole, constant, shorter, noise, longer, silent, pre, encoder, cut = (
        starved(control) for control in rank_collapse.CONTROLS
    )
    through_the_model = ends("post-norm", table("norm_placement"))
    np.testing.assert_allclose(whole[:3], through_the_model, rtol=5e-3)
    for found in (constant, cut):
        assert np.median(found) == pytest.approx(2 ** (11 / 2), rel=0.1)
    assert np.median(constant) < np.median(whole) < 3 * np.median(constant)
    for found in (shorter, noise, longer, silent, pre, encoder):
        assert np.median(found) < 4
    assert max(noise + longer + silent + pre + encoder) < min(constant)


def test_what_starves_is_as_long_as_the_stream_and_the_same_everywhere():
    lengths = {
        control: np.mean(starved(control, "added over stream"))
        for control in rank_collapse.CONTROLS
    }
    assert lengths["one constant vector"] == pytest.approx(1, abs=0.05)
    assert lengths["the encoder's output"] == pytest.approx(1, abs=0.05)
    assert lengths["encoder, branch cut"] == pytest.approx(1, abs=0.1)
    assert lengths["noise, longer"] > 1.2
    shorter = lengths["one constant vector, shorter"]
    assert shorter == pytest.approx(lengths["noise"], abs=0.03)


def test_so_it_does_at_a_reduced_size():
    found = {
        control: rank_collapse.last_over_first(
            control, seed=5, depth=6, batch_size=16
        )["last over first"]
        for control in rank_collapse.CONTROLS
    }
    for other in ("noise", "silent", "pre-norm, one constant vector"):
        assert found["one constant vector"] > 2 * found[other]
        assert found["the encoder's output"] > 2 * found[other]
    assert found["encoder, branch cut"] > 2 * found["encoder"]


def test_a_control_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="expected one of"):
        rank_collapse.last_over_first("silence", seed=0)


def test_without_residuals_nothing_is_right_at_any_rate():
    found = {}
    for row in table("without_residuals"):
        case = row["blocks"], row["rate"]
        found.setdefault(case, []).append(row["exact match"])
    depths, rates = rank_collapse.DEPTHS, rank_collapse.RATES
    assert len(found) == len(depths) * len(rates)
    for matches in found.values():
        assert len(matches) >= 3 and max(matches) == 0


WARMUP = warmup.STEPS // 4


def losses(placement, steps):
    """The training losses of each rate, one for each seed."""
    found = {}
    for row in table("warmup"):
        if (row["placement"], row["warm-up"]) == (placement, steps):
            found.setdefault(row["rate"], []).append(row["last loss"])
    return found


def test_warm_up_makes_higher_rates_usable():
    for placement, rate in [("post-norm", 3e-3), ("pre-norm", 1e-2)]:
        without = losses(placement, 0)[rate]
        with_it = losses(placement, WARMUP)[rate]
        assert len(without) == len(with_it) >= 3
        assert max(with_it) < min(without) - 0.3
    for placement in ("post-norm", "pre-norm"):
        lowest = [losses(placement, steps)[3e-4] for steps in (0, WARMUP)]
        assert abs(np.subtract(*map(np.mean, lowest))) < 0.1


def test_post_norm_learns_without_warm_up_at_a_lower_rate():
    without, with_it = losses("post-norm", 0), losses("post-norm", WARMUP)
    assert min(without[3e-3]) > 1.5
    for rate in (3e-4, 1e-3):
        assert max(without[rate]) < 1.1
    for row in table("warmup"):
        if row["placement"] == "post-norm" and row["rate"] <= 1e-3:
            assert row["exact match"] > 0
    assert max(with_it[1e-3]) < min(without[1e-3])


def test_a_short_training_at_two_rates():
    low, high = (
        warmup.train_briefly("post-norm", 0, rate, seed=0, depth=4, steps=60)
        for rate in (1e-3, 1e-2)
    )
    assert low["last loss"] < high["last loss"] - 0.1


def test_the_rate_is_the_one_with_the_least_training_loss():
    tried, measured = table("rates_tried"), table("tuned_rates")
    assert {row["model"] for row in tried + measured} == {tuned_rates.TUNED}
    rates = [row["rate"] for row in tried]
    best = tuned_rates.best_rate(tried)
    assert len(rates) >= 3 and min(rates) < best < max(rates)
    assert {row["rate"] for row in measured} == {best}
    seeds = {row["seed"] for row in measured}
    assert len(seeds) >= 3 and not seeds & {row["seed"] for row in tried}


def right_at(name, model, length):
    """Exact match at a length, the mean of the seeds."""
    found = [
        row["exact match"]
        for row in table(name)
        if (row["model"], row["length"]) == (model, length)
    ]
    assert len(found) >= 3
    return np.mean(found)


def test_a_better_rate_closes_most_of_the_transformers_gap():
    best = right_at("accuracy_by_length", "additive attention", 8)
    shared = right_at("accuracy_by_length", "Transformer", 8)
    tuned = right_at("tuned_rates", "Transformer", 8)
    assert tuned > shared
    assert best - tuned < 0.5 * (best - shared)
    assert tuned < right_at("accuracy_by_length", "Luong, general", 8)
    assert right_at("longer_training", "Transformer", 8) > tuned
    for name in ("accuracy_by_length", "tuned_rates", "longer_training"):
        assert right_at(name, "Transformer", 10) == 0


def test_a_model_at_another_rate_at_a_reduced_size():
    _, _, loss = tuned_rates.trained(
        "Luong, general", 6e-3, 0, steps=40, trained_to=2, lengths=[1, 2, 3]
    )
    assert np.mean(loss[-5:]) < np.mean(loss[:5]) - 0.3
    kept = tuned_rates.at_best_rate(
        "Transformer", tuned_rates.LEADERBOARD_RATE, [0, 1, 2]
    )
    committed = [
        row["exact match"]
        for row in table("accuracy_by_length")
        if row["model"] == "Transformer"
    ]
    assert [row["exact match"] for row in kept] == committed


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
