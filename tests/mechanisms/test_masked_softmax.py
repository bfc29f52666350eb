"""Masked softmax: shares of what may be attended to, and nothing else."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms import additive
from attnbook.mechanisms.masked_softmax import masked_softmax


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 4),
    keys=st.integers(1, 6),
    seed=st.integers(0, 10_000),
)
def test_weights_are_shares_of_what_the_mask_allows(rows, keys, seed):
    torch.manual_seed(seed)
    scores = 50 * torch.randn(rows, keys, dtype=torch.float64)
    mask = torch.rand(rows, keys) < 0.6
    weights = masked_softmax(scores, mask)
    assert (weights[~mask] == 0).all()
    allowed = mask.any(-1).double()
    torch.testing.assert_close(weights.sum(-1), allowed)


def test_masked_softmax_equals_softmax_over_the_kept_scores_alone():
    scores = torch.tensor([[0.3, -1.2, 2.0, 0.7]], dtype=torch.float64)
    mask = torch.tensor([[True, False, True, True]])
    weights = masked_softmax(scores, mask)
    torch.testing.assert_close(weights[mask], scores[mask].softmax(-1))


def test_a_row_with_nothing_to_attend_to_is_zero_and_has_a_finite_gradient():
    scores = torch.randn(2, 3, requires_grad=True)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    weights = masked_softmax(scores, mask)
    assert (weights[1] == 0).all()
    weights.square().sum().backward()
    assert scores.grad.isfinite().all()
    assert (scores.grad[1] == 0).all()


def test_a_mask_of_numbers_is_refused():
    with pytest.raises(TypeError, match=r"expected torch\.bool"):
        masked_softmax(torch.zeros(2, 3), torch.ones(2, 3))


def test_a_mask_that_does_not_broadcast_is_refused():
    with pytest.raises(ValueError, match="broadcasts to the scores"):
        masked_softmax(torch.zeros(2, 3), torch.ones(2, 4).bool())


def test_the_notebooks_find_it_where_they_import_it_from():
    assert additive.masked_softmax is masked_softmax
