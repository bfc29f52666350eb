"""Each way to split a model gives the numbers of one rank."""

from __future__ import annotations

import time

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attnbook.mechanisms.across_machines import (
    TRIALS,
    ParallelAttention,
    ParallelFeedForward,
    RankLost,
    ShardedOptimiser,
    all_gather,
    all_reduce,
    all_to_all,
    attention_by_heads,
    backward_of_token_mean,
    compare,
    compare_simulated,
    mixed_by_experts,
    places,
    reduce_scatter,
    require_same,
    ring_attention,
    simulate,
    started,
    sum_gradients,
    top_gates,
)
from attnbook.mechanisms.multi_head import MultiHeadAttention
from attnbook.mechanisms.transformer.layers import FeedForward

RANKS = (1, 2, 3, 4)


# -- the group ----------------------------------------------------------------


@pytest.mark.parametrize("R", RANKS)
def test_what_is_sent_arrives_and_is_counted(R):
    def program(group):
        x = torch.full((3, 2), float(group.rank))
        got = group.exchange(x, group.rank + 1, group.rank - 1)
        return got, group.sent, group.messages

    for rank, (got, sent, messages) in enumerate(simulate(R, program)):
        assert (got == (rank - 1) % R).all()
        assert (sent, messages) == ((24, 1) if R > 1 else (0, 0))


def test_a_message_is_a_copy():
    def program(group):
        x = torch.zeros(2)
        got = group.exchange(x, group.rank + 1, group.rank - 1)
        x += 1
        return got

    assert all((got == 0).all() for got in simulate(2, program))


def test_a_rank_that_ends_early_is_named_and_nobody_waits_for_long():
    def program(group):
        if group.rank != 1:
            all_reduce(group, torch.zeros(4))

    began = time.monotonic()
    with pytest.raises(RankLost, match="rank 1: it has ended its program"):
        simulate(4, program)
    assert time.monotonic() - began < 5


def test_the_error_of_the_rank_that_failed_is_raised_not_that_of_who_waited():
    def program(group):
        if group.rank == 2:
            raise KeyError("bad batch")
        all_reduce(group, torch.zeros(4))

    with pytest.raises(KeyError, match="bad batch"):
        simulate(4, program)


def test_two_ranks_that_wait_for_each_other_say_so():
    def program(group):
        x = torch.zeros(1)
        if group.rank == 0:  # the others send to rank 0 only
            return group.exchange(x, 0, 1)
        return group.exchange(x, 0, 2)

    with pytest.raises(RankLost, match=r"waited 0\.2 seconds|it has"):
        simulate(3, program, patience=0.2)


def test_what_comes_must_have_the_shape_that_is_expected():
    def program(group):
        x = torch.zeros(2 + group.rank)
        return group.exchange(x, group.rank + 1, group.rank - 1)

    with pytest.raises(ValueError, match=r"expected \(\d,\) of torch.float32"):
        simulate(2, program)


def test_no_rank_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one rank"):
        simulate(0, lambda group: None)


def test_without_torchrun_there_are_no_processes_to_join(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(RuntimeError, match="started by torchrun"), started():
        pass


# -- sums and exchanges -------------------------------------------------------


@given(st.sampled_from(RANKS), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_a_sum_over_ranks_is_the_sum_and_costs_what_it_says(R, n, seed):
    xs = torch.randint(-9, 9, (R, n, 2), generator=_generator(seed)).double()

    def program(group):
        total = all_reduce(group, xs[group.rank])
        return total, group.sent, group.messages

    share = -(-2 * n // R)
    for total, sent, messages in simulate(R, program):
        assert torch.equal(total, xs.sum(0))
        assert sent == 2 * (R - 1) * share * 8
        assert messages == 2 * (R - 1)


@pytest.mark.parametrize("R", RANKS)
def test_all_ranks_have_the_same_sum_to_the_last_bit(R):
    xs = torch.randn(R, 37, generator=_generator(1))
    found = simulate(R, lambda group: all_reduce(group, xs[group.rank]))
    assert all(torch.equal(each, found[0]) for each in found)


@pytest.mark.parametrize("R", RANKS)
def test_shares_of_a_sum_and_copies_of_all(R):
    xs = torch.arange(R * 2 * R).view(R, 2 * R)

    def program(group):
        share = reduce_scatter(group, xs[group.rank])
        return share, all_gather(group, xs[group.rank])

    for rank, (share, copies) in enumerate(simulate(R, program)):
        assert torch.equal(share, xs.sum(0).view(R, 2)[rank])
        assert torch.equal(copies, xs)


def test_a_length_that_cannot_be_shared_is_refused():
    with pytest.raises(ValueError, match="multiple of 2"):
        simulate(2, lambda group: reduce_scatter(group, torch.zeros(3)))


@pytest.mark.parametrize("R", RANKS)
def test_everybody_gets_what_is_for_him_also_nothing(R):
    def program(group):
        r = group.rank
        parts = [torch.full((r + 2 * to,), r) for to in range(R)]
        shapes = [(source + 2 * r,) for source in range(R)]
        return all_to_all(group, parts, shapes)

    for rank, found in enumerate(simulate(R, program)):
        for source, part in enumerate(found):
            assert part.tolist() == [source] * (source + 2 * rank)


def test_a_part_for_each_rank_is_asked_for():
    with pytest.raises(ValueError, match="expected 2, one for each rank"):
        simulate(2, lambda group: all_to_all(group, [torch.zeros(1)]))


# -- all schemes --------------------------------------------------------------


@pytest.mark.parametrize("R", [1, 2, 4])
@pytest.mark.parametrize("scheme", TRIALS)
def test_outputs_loss_and_gradients_are_those_of_one_rank(scheme, R):
    found = compare_simulated(scheme, R)
    assert found.loss_gap < 1e-13
    assert found.gradient_gap < 1e-11
    assert found.sent == found.formula
    assert (found.sent > 0) == (R > 1)


def test_comparing_leaves_the_random_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    compare_simulated("tensor", 2)
    assert torch.equal(torch.rand(2), expected)


def test_a_scheme_that_there_is_not_and_three_ranks_are_refused():
    with pytest.raises(ValueError, match="expected one of 'data'"):
        compare_simulated("pipeline", 2)
    with pytest.raises(ValueError, match="expected 1, 2 or 4 ranks"):
        simulate(3, lambda group: compare(group, "data"))


# -- the batch ----------------------------------------------------------------


def test_the_mean_of_rank_means_is_another_number_where_counts_differ():
    losses = [torch.tensor([1.0]), torch.tensor([3.0, 5.0, 7.0])]

    def program(group):
        w = torch.ones((), requires_grad=True)
        mine = losses[group.rank]
        loss = backward_of_token_mean(group, (w * mine).sum(), len(mine))
        (w_grad,) = [w.grad]
        return float(loss), float(all_reduce(group, w_grad))

    means = sum(float(each.mean()) for each in losses) / 2
    assert means == 3
    assert simulate(2, program) == [(4, 4), (4, 4)]


def test_a_rank_without_a_token_that_counts_takes_part():
    def program(group):
        w = torch.ones((), requires_grad=True)
        mine = torch.tensor([2.0, 4.0])[: 2 * group.rank]
        return float(
            backward_of_token_mean(group, (w * mine).sum(), len(mine))
        )

    assert simulate(2, program) == [3, 3]
    with pytest.raises(ValueError, match="no token of any rank counts"):
        simulate(
            2,
            lambda group: backward_of_token_mean(
                group, torch.zeros((), requires_grad=True), 0
            ),
        )


def test_clipping_before_the_sum_gives_another_gradient():
    given_ = [torch.tensor([3.0, 4.0]), torch.tensor([-3.0, 4.0])]

    def program(group, before):
        p = nn.Parameter(torch.zeros(2))
        p.grad = given_[group.rank].clone()
        if before:
            nn.utils.clip_grad_norm_([p], 1.0)
        sum_gradients(group, [p])
        if not before:
            nn.utils.clip_grad_norm_([p], 1.0)
        return p.grad

    after = simulate(2, lambda group: program(group, False))[0]
    before = simulate(2, lambda group: program(group, True))[0]
    torch.testing.assert_close(after, torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(before, torch.tensor([0.0, 1.6]))


def test_a_weight_without_a_gradient_counts_as_zeros():
    def program(group):
        p, q = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))
        if group.rank:
            q.grad = torch.ones(3)
        sum_gradients(group, [p, q])
        return p.grad.tolist(), q.grad.tolist()

    assert simulate(2, program) == [([0, 0], [1, 1, 1])] * 2


def test_ranks_that_start_with_other_weights_are_named():
    def program(group):
        require_same(group, [nn.Parameter(torch.full((3,), group.rank // 2))])

    with pytest.raises(ValueError, match=r"ranks \[2, 3\] have other weights"):
        simulate(
            4,
            lambda group: require_same(
                group, [nn.Parameter(torch.ones(3) * (group.rank // 2))]
            ),
        )


# -- the optimiser ------------------------------------------------------------


def test_each_rank_keeps_its_share_of_the_state_only():
    def program(group):
        p = nn.Parameter(torch.ones(10))
        optimiser = ShardedOptimiser(group, [p], torch.optim.Adam)
        p.grad = torch.arange(10.0)
        norm = optimiser.step()
        return sum(x.numel() for x in optimiser.state()), float(norm), p

    whole = nn.Parameter(torch.ones(10))
    whole.grad = 4 * torch.arange(10.0)
    adam = torch.optim.Adam([whole])
    adam.step()
    for kept, norm, p in simulate(4, program):
        assert kept == 2 * 3  # two numbers for each of a share of 10 / 4
        assert norm == pytest.approx(float(whole.grad.norm()))
        torch.testing.assert_close(p, whole)


# -- heads, hidden features, experts ------------------------------------------


def test_what_cannot_be_split_is_refused():
    def attention(group):
        ParallelAttention(group, MultiHeadAttention(12, 3))

    def network(group):
        ParallelFeedForward(group, FeedForward(4, 5))

    with pytest.raises(ValueError, match="3 heads cannot be split over 2"):
        simulate(2, attention)
    with pytest.raises(ValueError, match="5 hidden features cannot"):
        simulate(2, network)


def test_layers_without_biases_are_split_too():
    torch.manual_seed(0)
    network = FeedForward(4, 8, bias=False)
    attention = MultiHeadAttention(4, 2, projection_bias=False)
    x = torch.randn(2, 3, 4)

    def program(group):
        return (
            ParallelFeedForward(group, network)(x),
            ParallelAttention(group, attention)(x),
        )

    for fed, attended in simulate(2, program):
        torch.testing.assert_close(fed, network(x))
        expected = attention(x, x, x, causal=True)[0]
        torch.testing.assert_close(attended, expected)


def test_a_rank_without_tokens_and_an_expert_that_nobody_asks():
    torch.manual_seed(0)
    experts = [nn.Linear(3, 3) for _ in range(4)]
    x = torch.randn(5, 3)
    gates = torch.zeros(5, 4)
    gates[:, 1], gates[2, 2] = 0.5, 2.0  # experts 0 and 3 are not asked

    def program(group):
        rows = slice(0, 5) if group.rank == 0 else slice(5, 5)
        mine = experts[2 * group.rank : 2 * group.rank + 2]
        output = mixed_by_experts(group, x[rows], gates[rows], mine)
        output.sum().backward()
        return output

    found = simulate(2, program)
    expected = 0.5 * experts[1](x)
    expected[2] += 2 * experts[2](x[2])
    torch.testing.assert_close(found[0], expected)
    assert found[1].shape == (0, 3)
    with pytest.raises(ValueError, match=r"expected \(5, 2\): 1 experts on"):
        simulate(2, lambda g: mixed_by_experts(g, x, gates, experts[:1]))


def test_gates_are_a_softmax_over_the_experts_that_are_asked():
    gates = top_gates(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    expected = torch.tensor([3.0, 2.0]).softmax(0)
    torch.testing.assert_close(gates[0, [1, 2]], expected)
    assert gates[0, [0, 3]].tolist() == [0, 0]


# -- the sequence -------------------------------------------------------------


@given(
    st.sampled_from([1, 2, 3]),
    st.integers(1, 2),
    st.integers(1, 3),
    st.sampled_from(["contiguous", "zigzag"]),
    st.booleans(),
    st.sampled_from([1.0, 200.0]),
)
@settings(max_examples=25, deadline=None)
def test_a_ring_is_dense_attention(R, B, per_chunk, layout, causal, scale):
    n, generator = 2 * R * per_chunk, _generator(R)
    q, k, v, slope = (
        torch.randn(B, 2, n, 4, generator=generator).double() for _ in range(4)
    )
    q = q * scale
    one = [x.clone().requires_grad_() for x in (q, k, v)]
    whole = F.scaled_dot_product_attention(*one, is_causal=causal)
    (whole * slope).sum().backward()

    def program(group):
        at = places(n, R, group.rank, layout)
        mine = [x[:, :, at].clone().requires_grad_() for x in (q, k, v)]
        output = ring_attention(group, *mine, causal, layout)
        (output * slope[:, :, at]).sum().backward()
        return at, output, [x.grad for x in mine]

    for at, output, gradients in simulate(R, program):
        torch.testing.assert_close(output, whole[:, :, at])
        for mine, all_ in zip(gradients, one, strict=True):
            torch.testing.assert_close(mine, all_.grad[:, :, at])


def test_sums_round_the_ring_keep_more_than_sixteen_bits():
    generator = _generator(5)
    q, k, v, slope = (
        torch.randn(1, 2, 64, 8, generator=generator).bfloat16()
        for _ in range(4)
    )
    one = [x.double().requires_grad_() for x in (q, k, v)]
    whole = F.scaled_dot_product_attention(*one, is_causal=True)
    (whole * slope).sum().backward()

    def program(group):
        at = places(64, 4, group.rank, "zigzag")
        mine = [x[:, :, at].clone().requires_grad_() for x in (q, k, v)]
        output = ring_attention(group, *mine)
        (output * slope[:, :, at]).sum().backward()
        return at, output, [x.grad for x in mine], group.sent

    for at, output, gradients, sent in simulate(4, program):
        assert output.dtype == gradients[0].dtype == torch.bfloat16
        pairs = [(output, whole[:, :, at])]
        pairs += [
            (mine, all_.grad[:, :, at])
            for mine, all_ in zip(gradients, one, strict=True)
        ]
        for found, exact in pairs:
            # One rounding to 8 bits, and no more.
            bound = exact.abs() / 2**8 + 1e-5
            assert ((found - exact).abs() <= bound).all()
        block = 2 * 2 * 16 * 8
        assert sent == (3 * 2 + 3 * 2 + 4 * 4) * block


def test_later_places_of_other_ranks_cannot_change_earlier_outputs():
    x = torch.randn(1, 2, 8, 4, generator=_generator(0))
    changed = x.clone()
    changed[:, :, 5:] += 1

    def program(group, x):
        at = places(8, 2, group.rank, "zigzag")
        return at, ring_attention(group, *[x[:, :, at]] * 3)

    for (at, a), (_, b) in zip(
        simulate(2, lambda group: program(group, x)),
        simulate(2, lambda group: program(group, changed)),
        strict=True,
    ):
        assert torch.equal(a[:, :, at < 5], b[:, :, at < 5])
        assert not torch.isclose(a, b)[:, :, at >= 5].all()


def test_shapes_and_heads_that_do_not_fit_are_refused():
    x, y = torch.zeros(1, 3, 4, 2), torch.zeros(1, 3, 4, 5)
    with pytest.raises(ValueError, match="value has shape"):
        simulate(2, lambda group: ring_attention(group, x, x, y))
    with pytest.raises(ValueError, match="3 heads cannot be split over 2"):
        simulate(2, lambda group: attention_by_heads(group, x, x, x))
    with pytest.raises(ValueError, match="layout is 'striped'"):
        simulate(2, lambda g: ring_attention(g, x, x, x, layout="striped"))


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
