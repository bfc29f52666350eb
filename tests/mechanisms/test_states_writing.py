"""Decay and the delta rule: recurrent is chunked, and masked."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.states import (
    decay_matrix,
    decayed_chunked,
    decayed_masked,
    decayed_recurrent,
    delta_chunked,
    delta_recurrent,
)


def drawn(T, seed=0):
    """Queries, keys of length 1, values, strengths and decays."""
    draw = torch.Generator().manual_seed(seed)
    q, k = torch.randn(2, 2, T, 4, generator=draw).double()
    v = torch.randn(2, T, 3, generator=draw).double()
    beta, g = torch.rand(2, 2, T, generator=draw).double()
    made = (q, F.normalize(k, dim=-1), v, 2 * beta, -g)
    return [each.requires_grad_() for each in made]


def same(outputs, inputs, upstream):
    slopes = [
        torch.autograd.grad(each, inputs, upstream, retain_graph=True)
        for each in outputs
    ]
    for output, slope in zip(outputs[1:], slopes[1:], strict=True):
        torch.testing.assert_close(output, outputs[0])
        for one, other in zip(slope, slopes[0], strict=True):
            torch.testing.assert_close(one, other)


@settings(max_examples=25, deadline=None)
@given(T=st.integers(1, 15), chunk=st.integers(1, 17), seed=st.integers(0, 99))
def test_recurrent_masked_and_chunked_are_equal(T, chunk, seed):
    q, k, v, beta, g = drawn(T, seed)
    upstream = torch.randn(2, T, 3).double()
    same(
        [
            decayed_recurrent(q, k, v, g)[0],
            decayed_chunked(q, k, v, chunk, g)[0],
            decayed_masked(q, k, v, g),
        ],
        [q, k, v, g],
        upstream,
    )
    same(
        [
            delta_recurrent(q, k, v, beta, g)[0],
            delta_chunked(q, k, v, beta, chunk, g)[0],
        ],
        [q, k, v, beta, g],
        upstream,
    )
    same(
        [
            delta_recurrent(q, k, v, beta)[0],
            delta_chunked(q, k, v, beta, chunk)[0],
        ],
        [q, k, v, beta],
        upstream,
    )


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(1, 11), chunk=st.integers(1, 6))
def test_two_parts_are_one_pass(cut, chunk):
    q, k, v, beta, g = (each.detach() for each in drawn(12))
    whole, end = delta_recurrent(q, k, v, beta, g)
    parts, S = [], None
    for piece in (slice(None, cut), slice(cut, None)):
        part, S = delta_chunked(
            *(x[:, piece] for x in (q, k, v, beta)),
            chunk,
            g[:, piece],
            S,
        )
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, 1), whole)
    torch.testing.assert_close(S, end)


def test_a_key_that_is_written_again_gives_the_new_value_alone():
    key = F.normalize(torch.randn(1, 4), dim=-1).expand(2, 4)
    value = torch.tensor([[1.0, 0], [0, 1.0]])
    read, _ = delta_recurrent(key, key, value, torch.ones(2))
    torch.testing.assert_close(read, value)
    added, _ = decayed_recurrent(key, key, value)
    torch.testing.assert_close(added[1], torch.tensor([1.0, 1.0]))


def test_the_decay_comes_before_the_error():
    k, v = torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0], [0.0]])
    g = torch.tensor([0.0, 0.5]).log()
    g[0] = 0
    _, S = delta_recurrent(k, k, v, torch.tensor([1.0, 0.5]), g)
    assert S.item() == pytest.approx(0.25)  # half of what had decayed to half


def test_the_mask_of_decays_is_a_product_and_does_not_overflow():
    g = torch.tensor([-0.1, -0.2, -0.3])
    L = decay_matrix(g)
    assert L[2, 0].item() == pytest.approx(torch.tensor(-0.5).exp().item())
    assert L.triu(1).abs().sum() == 0 and (L.diagonal() == 1).all()
    long = torch.full((400,), -1.0, requires_grad=True)
    assert decay_matrix(long).isfinite().all()
    (slope,) = torch.autograd.grad(decay_matrix(long).sum(), long)
    assert slope.isfinite().all()


def test_what_does_not_fit_is_refused_by_name():
    q, k, v, beta, g = drawn(4)
    with pytest.raises(ValueError, match="key has shape"):
        decayed_recurrent(q, k[:, :3], v)
    with pytest.raises(ValueError, match="value has shape"):
        decayed_masked(q, k, v[:, :3], g)
    with pytest.raises(ValueError, match="beta has shape"):
        delta_recurrent(q, k, v, beta[:, :3])
    with pytest.raises(ValueError, match="log_decay has shape"):
        delta_chunked(q, k, v, beta, 2, g[:, :3])
    with pytest.raises(ValueError, match="state has shape"):
        delta_chunked(q, k, v, beta, 2, g, torch.zeros(4, 3))
    with pytest.raises(ValueError, match="chunk is 0"):
        decayed_chunked(q, k, v, 0)
