"""Experts: the gathered form is the loop's, and balance has a gradient."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.experts import (
    Experts,
    balance_loss,
    experts_by_loop,
    load_entropy,
    loads,
    route,
    update_bias,
)


@settings(max_examples=25, deadline=None)
@given(
    N=st.integers(1, 9),
    E=st.integers(1, 6),
    k=st.integers(1, 6),
    shared=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_gathered_tokens_give_what_a_loop_over_tokens_gives(
    N, E, k, shared, seed
):
    torch.manual_seed(seed)
    layer = Experts(4, 5, E, min(k, E), shared).double()
    layer.bias = torch.randn(E).double() * 0.1
    x = torch.randn(N, 4).double().requires_grad_()
    y, routing = layer(x)
    expected = experts_by_loop(layer, x)
    torch.testing.assert_close(y, expected)
    upstream = torch.randn_like(y)
    weights = [layer.inward, layer.outward]
    got = torch.autograd.grad(y, weights, upstream, retain_graph=True)
    wanted = torch.autograd.grad(expected, weights, upstream)
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(routing.weight.sum(-1), torch.ones(N).double())
    folded, _ = layer(x.reshape(1, N, 4))
    torch.testing.assert_close(folded[0], y)


def test_a_bias_changes_the_choice_and_not_the_weights():
    scores = torch.tensor([[2.0, 1.0, 0.0]])
    plain = route(scores, 2)
    moved = route(scores, 2, torch.tensor([0.0, -5.0, 5.0]))
    assert plain.index.tolist() == [[0, 1]]
    assert moved.index.tolist() == [[2, 0]]
    expected = torch.tensor([[0.0, 2.0]]).softmax(-1)
    torch.testing.assert_close(moved.weight, expected)
    torch.testing.assert_close(moved.probability, plain.probability)


def test_the_balance_loss_is_1_where_even_and_e_where_one_has_all():
    even = route(10 * torch.eye(4), 1)
    assert balance_loss(even).item() == pytest.approx(1, abs=1e-6)
    one = route(torch.tensor([[50.0, 0, 0, 0]] * 8), 1)
    assert balance_loss(one).item() == pytest.approx(4, abs=1e-6)
    assert load_entropy(loads(even.index, 4)) == pytest.approx(math.log(4))
    assert load_entropy(loads(one.index, 4)) == 0


def test_the_balance_loss_pushes_the_favourite_down():
    scores = torch.tensor([[1.0, 0.5, 0.0]] * 5, requires_grad=True)
    (slope,) = torch.autograd.grad(balance_loss(route(scores, 1)), scores)
    assert (slope[:, 0] > 0).all() and (slope[:, 1:] < 0).all()


def test_padding_is_no_load():
    scores = torch.tensor([[3.0, 0], [0, 3.0], [3.0, 0], [3.0, 0]])
    kept = torch.tensor([True, True, False, False])
    routing = route(scores, 1)
    assert loads(routing.index, 2).tolist() == [0.75, 0.25]
    assert loads(routing.index, 2, kept).tolist() == [0.5, 0.5]
    assert balance_loss(routing, kept).item() == pytest.approx(1)
    assert loads(routing.index, 2, ~kept & kept).sum() == 0


def test_the_bias_moves_against_the_load():
    load = torch.tensor([0.5, 0.25, 0.25, 0.0])
    got = update_bias(torch.zeros(4), load, 0.1)
    torch.testing.assert_close(got, torch.tensor([-0.1, 0, 0, 0.1]))


def test_what_does_not_fit_is_refused_by_name():
    scores = torch.zeros(3, 4)
    with pytest.raises(ValueError, match="k is 5"):
        route(scores, 5)
    with pytest.raises(ValueError, match="bias has shape"):
        route(scores, 1, torch.zeros(3))
    with pytest.raises(ValueError, match="scores has shape"):
        route(scores[0], 1)
    with pytest.raises(TypeError, match="kept has dtype"):
        loads(torch.zeros(3, 1).long(), 4, torch.ones(3))
    with pytest.raises(ValueError, match="x has shape"):
        Experts(4, 5, 2, 1)(torch.zeros(3, 5))
    with pytest.raises(ValueError, match="num_experts=2"):
        Experts(4, 5, 2, 3)
    with pytest.raises(ValueError, match="load has shape"):
        update_bias(torch.zeros(3), torch.zeros(2), 0.1)
