"""The weights that checks make by themselves, right and wrong."""

import pytest
import torch

from attnbook.judging.masked_weights import masked_weights
from attnbook.mechanisms.additive import masked_softmax

SCORES = torch.randn(3, 2, 4, 5, generator=torch.Generator().manual_seed(1))
ALLOWED = torch.tensor([[1, 1, 0, 1, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]])
ALLOWED = ALLOWED.bool()[:, None, None]  # (B, 1, 1, S)


@pytest.mark.parametrize("dim", [-1, -2, 1])
@pytest.mark.parametrize("allowed", [ALLOWED, ALLOWED[1:2]])
def test_without_a_mistake_they_are_those_of_the_course(allowed, dim):
    ours = masked_weights(SCORES, allowed, ("another bug", None), dim)
    assert torch.equal(ours, masked_softmax(SCORES, allowed, dim))


def test_an_empty_row_lets_no_nan_back():
    scores = SCORES.clone().requires_grad_()
    weights = masked_weights(scores, ALLOWED)
    weights[..., 0].sum().backward()
    assert not scores.grad.isnan().any()
    assert not weights[2].any()


def test_a_late_mask_loses_the_share_of_the_padding():
    weights = masked_weights(SCORES, ALLOWED, ("late mask",))
    assert not weights.masked_select(~ALLOWED.expand_as(weights)).any()
    assert (weights[0].sum(-1) < 0.999).all()


def test_an_inverted_mask_attends_to_the_padding_alone():
    weights = masked_weights(SCORES, ALLOWED, ("inverted",))
    assert not weights.masked_select(ALLOWED.expand_as(weights)).any()
    torch.testing.assert_close(weights[0].sum(-1), torch.ones(2, 4))


def test_without_a_mask_padding_has_weight():
    weights = masked_weights(SCORES, ALLOWED, ("unmasked",))
    assert torch.equal(weights, SCORES.softmax(-1))


def test_over_the_queries_each_key_is_shared_out():
    weights = masked_weights(SCORES, ALLOWED, ("over queries",))
    wanted = ALLOWED[:, :, 0].expand(3, 2, 5).float()
    torch.testing.assert_close(weights.sum(-2), wanted)


@pytest.mark.parametrize(
    ("mistake", "of_an_empty_row"),
    [("-1e9", 1 / 5), ("zero score", 1 / 5), ("nan", torch.nan)],
)
def test_a_wrong_score_shows_in_an_empty_row(mistake, of_an_empty_row):
    weights = masked_weights(SCORES, ALLOWED, (mistake,))
    wanted = torch.full_like(weights[2], of_an_empty_row)
    torch.testing.assert_close(weights[2], wanted, equal_nan=True)


def test_a_score_of_0_leaves_weight_to_padding_and_the_others_none():
    for mistake, is_left in [("zero score", True), ("-1e9", False)]:
        weights = masked_weights(SCORES, ALLOWED, (mistake,))
        assert weights[0][..., 2].any() == is_left
