"""Tokens that come twice: periods, and what can be known."""

import numpy as np
import pytest
import torch

from attnbook.data.repeats import Repeats


def test_every_sequence_repeats_its_first_tokens_to_the_end():
    task = Repeats(9, 14, (3, 5, 7))
    ids = task.sample(200, np.random.default_rng(0))
    assert ids.shape == (200, 15)
    periods = []
    for row in ids.tolist():
        period = row.index(row[0], 1)
        periods.append(period)
        assert len(set(row[:period])) == period
        assert row == [row[at % period] for at in range(15)]
    assert set(periods) == {3, 5, 7}
    assert min(np.bincount(periods)[[3, 5, 7]]) > 40


def test_what_is_known_is_all_from_the_second_period_on():
    task = Repeats(9, 8, (4,))
    ids = task.sample(5, np.random.default_rng(0))
    known = task.known(ids)
    assert known.tolist() == [[False] * 4 + [True] * 4] * 5
    # Known means: what followed the same token before follows again.
    for row, flags in zip(ids.tolist(), known.tolist(), strict=True):
        for t, flag in enumerate(flags):
            if flag:
                assert row[t + 1] == row[row.index(row[t]) + 1]


def test_each_symbol_is_as_likely_as_the_others():
    ids = Repeats(6, 6, (6,)).sample(3000, np.random.default_rng(0))
    shares = torch.bincount(ids[:, 0], minlength=6) / 3000
    torch.testing.assert_close(
        shares, torch.full((6,), 1 / 6), atol=0.03, rtol=0
    )


@pytest.mark.parametrize("periods", [(), (1,), (7,), (3, 9)])
def test_periods_that_cannot_be_are_refused(periods):
    with pytest.raises(ValueError, match="expected periods from 2 to 6"):
        Repeats(6, 12, periods)
