"""Scans: a loop, a parallel scan and a masked matrix are the same."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.states import (
    decayed_masked,
    failing_length,
    scan_loop,
    scan_parallel,
    scan_two_cumsums,
    selective_scan,
)


def drawn(T, seed=0, dtype=torch.float64):
    draw = torch.Generator().manual_seed(seed)
    log_decay = -torch.rand(2, T, 3, generator=draw).to(dtype)
    update = torch.randn(2, T, 3, generator=draw).to(dtype)
    return log_decay.requires_grad_(), update.requires_grad_()


@settings(max_examples=40, deadline=None)
@given(T=st.integers(2, 35), seed=st.integers(0, 99))
def test_three_scans_are_equal_forward_and_backward(T, seed):
    inputs = drawn(T, seed)
    upstream = torch.randn(2, T, 3).double()
    expected = scan_loop(*inputs)
    slopes = torch.autograd.grad(expected, inputs, upstream)
    for scan in (scan_parallel, scan_two_cumsums):
        got = scan(*inputs)
        torch.testing.assert_close(got, expected)
        for one, other in zip(
            torch.autograd.grad(got, inputs, upstream), slopes, strict=True
        ):
            torch.testing.assert_close(one, other)


def test_in_float32_they_are_equal_to_1e_5():
    log_decay, update = drawn(200, dtype=torch.float32)
    gap = scan_parallel(log_decay, update) - scan_loop(log_decay, update)
    assert gap.abs().max() < 1e-5


@pytest.mark.parametrize("g", [1.0, 0.5, 0.2, 0.05])
def test_two_cumsums_overflow_where_predicted(g):
    T = round(2 * failing_length(-g))
    update = torch.ones(T, 1)
    got = scan_two_cumsums(torch.full((T, 1), -g), update)[:, 0]
    first = int((~got.isfinite()).nonzero()[0]) + 1
    assert abs(first - failing_length(-g)) <= 4 / g
    assert scan_parallel(torch.full((T, 1), -g), update).isfinite().all()


def by_definition(x, delta, A, B, C):
    T, D = x.shape
    y = torch.zeros(T, D).double()
    for d in range(D):
        for n in range(A.shape[1]):
            h = 0.0
            for t in range(T):
                h = torch.exp(delta[t, d] * A[d, n]) * h
                h = h + delta[t, d] * B[t, n] * x[t, d]
                y[t, d] += C[t, n] * h
    return y


def test_the_selective_scan_is_that_of_the_definition():
    torch.manual_seed(0)
    x, delta = torch.randn(7, 3).double(), torch.rand(7, 3).double()
    A, (B, C) = -torch.rand(3, 4).double(), torch.randn(2, 7, 4).double()
    for scan in (scan_loop, scan_parallel, scan_two_cumsums):
        got = selective_scan(x, delta, A, B, C, scan)
        torch.testing.assert_close(got, by_definition(x, delta, A, B, C))


def test_with_one_decay_for_all_it_is_masked_attention():
    """Mamba-2's duality: C reads as a query, B writes as a key."""
    torch.manual_seed(0)
    x, delta = torch.randn(2, 9, 3).double(), torch.rand(2, 9, 1).double()
    B, C = torch.randn(2, 2, 9, 4).double()
    got = selective_scan(x, delta.expand_as(x), -torch.ones(3, 4), B, C)
    expected = decayed_masked(C, B, delta * x, -delta[..., 0])
    torch.testing.assert_close(got, expected)


def test_the_future_does_not_change_the_past():
    log_decay, update = (each.detach() for each in drawn(12))
    later = update.clone()
    later[:, 7] += 1
    for scan in (scan_loop, scan_parallel):
        gap = (scan(log_decay, later) - scan(log_decay, update)).abs()
        assert (gap[:, :7] == 0).all() and (gap[:, 7:] > 0).all()


def test_what_does_not_fit_is_refused_by_name():
    with pytest.raises(ValueError, match="log_decay has shape"):
        scan_loop(torch.zeros(3, 2), torch.zeros(3, 3))
    with pytest.raises(ValueError, match="less than 0"):
        failing_length(0.1)
    x, A, B = torch.zeros(5, 3), torch.zeros(3, 2), torch.zeros(5, 2)
    with pytest.raises(ValueError, match="delta has shape"):
        selective_scan(x, x[:4], A, B, B)
    with pytest.raises(ValueError, match="A has shape"):
        selective_scan(x, x, A[:2], B, B)
    with pytest.raises(ValueError, match="C has shape"):
        selective_scan(x, x, A, B, B[:4])
