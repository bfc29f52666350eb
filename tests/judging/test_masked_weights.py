"""The weights of wrong answers behind a mask."""

import pytest
import torch

from attnbook.judging.masked_weights import masked_weights
from attnbook.mechanisms.additive import masked_softmax

SCORES = torch.randn(3, 2, 4, 5, generator=torch.Generator().manual_seed(1))
ALLOWED = torch.tensor([[1, 1, 0, 1, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]])
ALLOWED = ALLOWED.bool()[:, None, None]  # (B, 1, 1, S)


def weights_with(*mistakes, dim=-1):
    return masked_weights(masked_softmax, SCORES, ALLOWED, mistakes, dim)


@pytest.mark.parametrize("dim", [-1, -2, 1])
def test_another_mistake_changes_nothing_here(dim):
    ours = weights_with("another bug", None, dim=dim)
    assert torch.equal(ours, masked_softmax(SCORES, ALLOWED, dim))


def test_a_late_mask_loses_the_share_of_the_padding():
    weights = weights_with("late mask")
    assert not weights.masked_select(~ALLOWED.expand_as(weights)).any()
    assert (weights[0].sum(-1) < 0.999).all()


def test_an_inverted_mask_attends_to_the_padding_alone():
    weights = weights_with("inverted")
    assert not weights.masked_select(ALLOWED.expand_as(weights)).any()
    torch.testing.assert_close(weights[0].sum(-1), torch.ones(2, 4))


def test_without_a_mask_padding_has_weight():
    weights = weights_with("unmasked")
    assert torch.equal(weights, SCORES.softmax(-1))


def test_over_the_queries_each_key_is_shared_out():
    weights = weights_with("over queries")
    wanted = ALLOWED[:, :, 0].expand(3, 2, 5).float()
    torch.testing.assert_close(weights.sum(-2), wanted)


@pytest.mark.parametrize(
    "mistake", ["divided again", "exp divided", "-100 and 0"]
)
def test_only_a_large_score_shows_that_a_mask_comes_too_late(mistake):
    weights = weights_with(mistake)
    wanted = masked_softmax(SCORES, ALLOWED)
    torch.testing.assert_close(weights, wanted)
    padding = torch.tensor([0.0, 0.0, 200.0, 0.0, 0.0])
    for loud in (SCORES + padding, SCORES - 200):
        weights = masked_weights(masked_softmax, loud, ALLOWED, (mistake,))
        if not torch.allclose(weights, masked_softmax(loud, ALLOWED)):
            return
    raise AssertionError("it passes for right")


@pytest.mark.parametrize(
    ("mistake", "of_an_empty_row"),
    [("-1e9", 1 / 5), ("zero score", 1 / 5), ("nan", torch.nan)],
)
def test_a_wrong_score_shows_in_an_empty_row(mistake, of_an_empty_row):
    weights = weights_with(mistake)
    wanted = torch.full_like(weights[2], of_an_empty_row)
    torch.testing.assert_close(weights[2], wanted, equal_nan=True)


def test_a_score_of_0_leaves_weight_to_padding_and_the_others_none():
    for mistake, is_left in [("zero score", True), ("-1e9", False)]:
        weights = weights_with(mistake)
        assert weights[0][..., 2].any() == is_left
