"""Rollout against a walk from token to token, and value norms by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.multi_head import MultiHeadAttention
from attnbook.mechanisms.reading import (
    rollout,
    source_rollout,
    summed_over_heads,
    times_value_norm,
    transformed_values,
    with_residual,
)


def maps(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(*shape, generator=generator, dtype=torch.double)
    return scores.softmax(-1)


def walked(layers, share, start):
    """The probability of each input, if one walks down from an output."""
    place = {start: 1.0}
    for weights in reversed(layers):
        below = {}
        for at, p in place.items():
            for to, weight in enumerate(weights[at].tolist()):
                step = share * (at == to) + (1 - share) * weight
                below[to] = below.get(to, 0) + p * step
        place = below
    return [place.get(at, 0.0) for at in range(len(layers[0]))]


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.floats(0, 1))
def test_rollout_is_a_random_walk_down_the_layers(L, N, share):
    layers = list(maps(L, N, N))
    found = rollout(layers, share)
    for start in range(N):
        assert found[start].tolist() == pytest.approx(
            walked(layers, share, start)
        )


def test_rows_sum_to_one_though_the_maps_do_not():
    """As after dropout, or with a score of nothing in the softmax."""
    thinned = maps(3, 5, 5) * torch.tensor([1.0, 0.2, 0.5, 0.9, 0.7])
    ones = torch.ones(5, dtype=torch.double)
    torch.testing.assert_close(rollout(list(thinned)).sum(-1), ones)
    wrong = 0.5 * thinned[0] + 0.5 * torch.eye(5)
    wrong = wrong / wrong.sum(-1)  # without keepdim: columns are divided
    assert not torch.allclose(wrong.sum(-1), ones, atol=1e-3)


def test_a_token_that_reads_nothing_stays_itself():
    empty = torch.zeros(4, 4)
    torch.testing.assert_close(with_residual(empty), torch.eye(4))


def test_through_both_stacks_is_a_walk_in_one_larger_graph():
    B, S, T = 2, 4, 3
    encoder, own = maps(2, B, S, S), maps(2, B, T, T, seed=1)
    across = maps(2, B, T, S, seed=2)
    found = source_rollout(list(encoder), list(own), list(across))
    torch.testing.assert_close(
        found.sum(-1), torch.ones(B, T, dtype=torch.double)
    )
    # The same as square maps over the source and the target together, the
    # source's rows being finished before the decoder begins.
    whole = torch.eye(S + T, dtype=torch.double).expand(B, -1, -1)
    for weights in encoder:
        square = torch.eye(S + T, dtype=torch.double).repeat(B, 1, 1)
        square[:, :S, :S] = weights
        whole = with_residual(square) @ whole
    for itself, other in zip(own, across, strict=True):
        for columns, weights in ((slice(S, None), itself), (slice(S), other)):
            square = torch.eye(S + T, dtype=torch.double).repeat(B, 1, 1)
            square[:, S:] = 0
            square[:, S:, columns] = weights
            whole = with_residual(square) @ whole
    torch.testing.assert_close(found, whole[:, S:])


def test_bad_maps_are_named():
    with pytest.raises(ValueError, match="maps is empty"):
        rollout([])
    with pytest.raises(ValueError, match="a square map"):
        rollout([torch.ones(2, 3)])
    with pytest.raises(ValueError, match="share is 2"):
        with_residual(torch.eye(2), 2)
    with pytest.raises(ValueError, match="one for each decoder layer"):
        source_rollout([torch.eye(2)[None]], [], [])


def test_the_heads_vectors_add_up_to_the_output_of_the_layer():
    torch.manual_seed(0)
    attention = MultiHeadAttention(12, 3).double()
    query = torch.randn(2, 4, 12, dtype=torch.double)
    value = torch.randn(2, 5, 12, dtype=torch.double)
    output, weights = attention(query, value, value)
    bias = attention.value_projection.bias
    added = transformed_values(attention, value)  # (B, H, S, D)
    total = torch.einsum("bhts,bhsd->btd", weights, added)
    torch.testing.assert_close(
        total + attention.output_projection.bias, output
    )
    assert bias is not None
    norms = summed_over_heads(attention, weights, value)
    by_hand = sum(
        weights[1, h, 2, 3] * added[1, h, 3] for h in range(3)
    ).norm()
    torch.testing.assert_close(norms[1, 2, 3], by_hand)


def test_a_long_value_outweighs_a_large_weight():
    weights = torch.tensor([[0.9, 0.1]])
    value = torch.tensor([[0.0, 0.1], [3.0, 4.0]])
    torch.testing.assert_close(
        times_value_norm(weights, value), torch.tensor([[0.09, 0.5]])
    )
    with pytest.raises(ValueError, match="one value for each key"):
        times_value_norm(weights, torch.ones(3, 2))
