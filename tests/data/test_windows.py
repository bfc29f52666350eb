"""Windows of a text: any of them, and only whole ones."""

import numpy as np
import pytest
import torch

from attnbook.data.windows import Windows


def test_a_window_is_a_piece_of_the_text_with_a_token_more():
    windows = Windows(range(100, 140), 7).sample(200, np.random.default_rng(0))
    assert windows.shape == (200, 8)
    assert torch.equal(windows.diff(dim=1), torch.ones(200, 7, dtype=int))


def test_every_beginning_is_drawn_and_none_runs_over_the_end():
    windows = Windows(range(10), 7).sample(400, np.random.default_rng(0))
    assert windows[:, 0].unique().tolist() == [0, 1, 2]
    assert windows.max() == 9


def test_the_same_generator_draws_the_same_windows():
    text = Windows(list(range(50)), 4)
    one, other = (text.sample(9, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one, other)


@pytest.mark.parametrize("count, length", [(5, 5), (5, 0), (0, 1)])
def test_a_text_that_is_too_short_is_refused(count, length):
    with pytest.raises(ValueError, match=f"ids has {count} tokens"):
        Windows(list(range(count)), length)
