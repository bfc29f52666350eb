"""Other maps with the same output: counted by rank, found, and not found."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.reading import (
    adversarial_weights,
    free_directions,
    same_output,
    total_variation,
)


def drawn(S, d, seed=0):
    generator = torch.Generator().manual_seed(seed)
    value = torch.randn(S, d, generator=generator, dtype=torch.double)
    weights = torch.randn(S, generator=generator).double().softmax(-1)
    return weights, value


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 50))
def test_there_are_as_many_free_directions_as_keys_beyond_the_rank(S, d, seed):
    _, value = drawn(S, d, seed)
    free = free_directions(value)
    assert len(free) == max(S - d - 1, 0)
    torch.testing.assert_close(
        free @ value, torch.zeros(len(free), d, dtype=torch.double)
    )
    torch.testing.assert_close(
        free.sum(-1), torch.zeros(len(free), dtype=torch.double)
    )


@settings(deadline=None)
@given(st.integers(3, 9), st.integers(1, 9), st.integers(0, 50))
def test_another_map_has_the_same_output_or_there_is_none(S, d, seed):
    weights, value = drawn(S, d, seed)
    found = same_output(weights, value)
    if d + 1 >= S:
        assert found is None
        return
    torch.testing.assert_close(found @ value, weights @ value)
    assert found.sum().item() == pytest.approx(1)
    assert found.min() >= 0
    assert found[weights.argmax()] < weights.max()


def test_equal_values_let_all_the_weight_go():
    value = torch.ones(3, 2, dtype=torch.double)
    weights = torch.tensor([0.8, 0.1, 0.1], dtype=torch.double)
    found = same_output(weights, value)
    assert total_variation(found, weights) > 0.3
    assert free_directions(value).shape == (2, 3)


def test_a_search_finds_the_swap_of_two_equal_values():
    value = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    weights = torch.tensor([[0.9, 0.05, 0.05]])
    found = adversarial_weights(weights, lambda w: 4 * w @ value, 1e-3)
    assert found.distance.item() > 0.8
    assert found.change.item() <= 1e-3
    torch.testing.assert_close(
        found.weights[:, 2], weights[:, 2], atol=1e-2, rtol=0
    )


def test_a_search_finds_nothing_where_every_weight_counts():
    weights = torch.tensor([[0.7, 0.2, 0.1]])
    found = adversarial_weights(
        weights, lambda w: w.clamp(min=1e-9).log(), 1e-3
    )  # the prediction is the map
    assert found.distance.item() <= 1e-3
    assert found.change.item() <= 1e-3


def test_what_is_masked_gets_no_weight():
    weights = torch.tensor([[0.7, 0.3, 0.0]])
    mask = torch.tensor([[True, True, False]])
    found = adversarial_weights(weights, torch.zeros_like, 0.1, mask)
    assert found.weights[0, 2] == 0
    assert found.distance.item() > 0.6


def test_bad_input_is_named():
    weights, value = drawn(4, 2)
    with pytest.raises(ValueError, match="one for each value"):
        same_output(weights[:3], value)
    with pytest.raises(ValueError, match="value has shape"):
        free_directions(value[None])
    with pytest.raises(ValueError, match=r"expected \(N, S\)"):
        adversarial_weights(weights, lambda w: w)
    with pytest.raises(ValueError, match="allowed is 0"):
        adversarial_weights(weights[None], lambda w: w, allowed=0)
    with pytest.raises(ValueError, match="mask has shape"):
        adversarial_weights(
            weights[None], lambda w: w, mask=torch.ones(4, dtype=bool)
        )
