"""An attention that keeps a tally must not look ahead."""

import torch

from attnbook.judging.later_queries import change_nothing_before

QUERY = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(1))


def weights_by(mix):
    """Weights of each step from the queries up to some other step."""
    return lambda query: (query, mix(query).softmax(-1))


def test_a_sum_of_the_past_is_right():
    assert change_nothing_before(
        weights_by(lambda q: q.cumsum(1) ** 2), [QUERY]
    )


def test_a_sum_of_all_steps_looks_ahead():
    looks_ahead = weights_by(lambda q: q * q.sum(1, keepdim=True))
    assert not change_nothing_before(looks_ahead, [QUERY])


def test_weights_that_never_change_are_no_attention():
    assert not change_nothing_before(weights_by(torch.zeros_like), [QUERY])
