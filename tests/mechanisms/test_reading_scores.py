"""Rankings scored against the truth, by counting pairs and by hand."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.reading import (
    area_under_curve,
    mean_of_known,
    precision_at_1,
)


def by_pairs(scores, truth):
    """The area, counted pair by pair in Python."""
    won = [
        1.0 if yes > no else 0.5 if yes == no else 0.0
        for (yes, true), (no, other) in itertools.product(
            list(zip(scores, truth, strict=True)), repeat=2
        )
        if true and not other
    ]
    return sum(won) / len(won) if won else float("nan")


def by_thresholds(scores, truth):
    """The area under the curve itself, by the trapezoidal rule."""
    positives, negatives = sum(truth), len(truth) - sum(truth)
    points = [(0.0, 0.0)]
    for level in sorted(set(scores), reverse=True):
        above = [t for s, t in zip(scores, truth, strict=True) if s >= level]
        points.append(
            ((len(above) - sum(above)) / negatives, sum(above) / positives)
        )
    return sum(
        (x1 - x0) * (y0 + y1) / 2
        for (x0, y0), (x1, y1) in itertools.pairwise(points)
    )


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=7
    )
)
def test_the_area_is_the_share_of_pairs_in_the_right_order(rows):
    scores, truth = zip(*rows, strict=True)
    found = area_under_curve(
        torch.tensor(scores, dtype=torch.double), torch.tensor(truth)
    )
    wanted = torch.tensor(by_pairs(scores, truth), dtype=torch.double)
    torch.testing.assert_close(found, wanted, equal_nan=True)
    if 0 < sum(truth) < len(truth):
        assert found.item() == pytest.approx(by_thresholds(scores, truth))


def test_a_ranking_turned_round_has_the_rest_of_the_area():
    torch.manual_seed(0)
    scores, truth = torch.randn(20, 9), torch.rand(20, 9) > 0.6
    truth[:, 0], truth[:, 1] = True, False
    both = area_under_curve(scores, truth) + area_under_curve(-scores, truth)
    torch.testing.assert_close(both, torch.ones(20))


def test_padding_is_not_ranked_though_it_has_the_highest_score():
    scores = torch.tensor([[1.0, 0.0, 9.0]])
    truth = torch.tensor([[True, False, False]])
    mask = torch.tensor([[True, True, False]])
    assert area_under_curve(scores, truth, mask).item() == 1
    assert area_under_curve(scores, truth).item() == 0.5
    assert precision_at_1(scores, truth, mask).item() == 1
    assert precision_at_1(scores, truth).item() == 0


def test_tokens_that_share_the_first_place_share_the_hit():
    truth = torch.tensor([[True, False, False, True]])
    scores = torch.tensor([[2.0, 2.0, 1.0, 1.0]])
    assert precision_at_1(scores, truth).item() == 0.5
    assert precision_at_1(torch.ones(1, 4), truth).item() == 0.5


def test_a_digit_that_comes_from_no_token_has_no_score():
    scores, truth = torch.rand(2, 3), torch.zeros(2, 3, dtype=torch.bool)
    assert area_under_curve(scores, truth).isnan().all()
    assert precision_at_1(scores, truth).isnan().all()
    with pytest.raises(ValueError, match="all values are NaN"):
        mean_of_known(area_under_curve(scores, truth))
    assert mean_of_known(torch.tensor([1.0, torch.nan, 0.0])) == 0.5


def test_infinite_scores_are_allowed_and_nan_is_not():
    truth = torch.tensor([True, False])
    lowest = torch.tensor([0.0, -torch.inf])
    assert area_under_curve(lowest, truth).item() == 1
    with pytest.raises(ValueError, match="NaN"):
        area_under_curve(torch.tensor([0.0, torch.nan]), truth)


@pytest.mark.parametrize("score", [area_under_curve, precision_at_1])
def test_bad_input_is_named(score):
    scores = torch.rand(2, 3)
    with pytest.raises(ValueError, match="truth has shape"):
        score(scores, torch.ones(3, 2, dtype=torch.bool))
    with pytest.raises(TypeError, match="truth has dtype"):
        score(scores, torch.ones(2, 3))
    with pytest.raises(ValueError, match="mask has shape"):
        score(
            scores,
            torch.ones(2, 3, dtype=torch.bool),
            torch.ones(4, dtype=torch.bool),
        )
