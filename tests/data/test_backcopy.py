"""Bigram-Backcopy: its rules, its table, and the least loss."""

import numpy as np
import pytest
import torch

from attnbook.data.backcopy import Backcopy


def drawn(count=400, **options):
    task = Backcopy(**options)
    return task, task.sample(count, np.random.default_rng(0))


def test_a_trigger_is_followed_by_what_stood_before_it():
    task, ids = drawn()
    found = 0
    for row in ids.tolist():
        assert row[0] == 0 and 0 not in row[1:]
        assert not task.asks(np.array(row[1]))  # the second is plain
        for before, trigger, after in zip(row, row[1:], row[2:], strict=False):
            if 1 <= trigger <= task.triggers:
                assert after == before
                found += 1
    assert found > 400


def test_elsewhere_the_next_token_comes_from_the_table():
    task, ids = drawn(3000, plain=3, triggers=2, length=8)
    now, then = ids[:, :-1].flatten(), ids[:, 1:].flatten()
    first = ids[:, 1] - 3  # the first plain token is number 3
    shares = torch.bincount(first, minlength=3) / len(ids)
    torch.testing.assert_close(
        shares, torch.full((3,), 1 / 3), atol=0.03, rtol=0
    )
    for token in range(3, 6):
        after = then[now == token]
        shares = torch.bincount(after, minlength=task.size) / len(after)
        wanted = torch.from_numpy(task.table[token]).float()
        torch.testing.assert_close(shares, wanted, atol=0.03, rtol=0)
        assert wanted.sum() == pytest.approx(1)
        assert wanted[1:3].sum() == pytest.approx(0.2)


def test_the_floor_is_the_loss_of_who_knows_the_rules():
    task, ids = drawn(20)
    floor = task.floor(ids)
    for row, losses in zip(ids.tolist(), floor.tolist(), strict=True):
        for t, loss in enumerate(losses):
            if 1 <= row[t] <= task.triggers:
                assert loss == 0
            else:
                chance = task.table[row[t], row[t + 1]]
                assert loss == pytest.approx(-np.log(chance))
    assert floor.isfinite().all()


def test_the_table_stays_when_the_sequences_change():
    first, again = Backcopy(), Backcopy()
    assert (first.table == again.table).all()
    assert (first.table != Backcopy(table_seed=1).table).any()
    one = first.sample(3, np.random.default_rng(1))
    assert torch.equal(one, again.sample(3, np.random.default_rng(1)))
    assert not torch.equal(one, again.sample(3, np.random.default_rng(2)))


@pytest.mark.parametrize(
    "options",
    [{"plain": 1}, {"triggers": 0}, {"length": 2}, {"chance": 1.0}],
)
def test_a_task_that_cannot_be_is_refused(options):
    with pytest.raises(ValueError, match="expected at least 2, 1 and 3"):
        Backcopy(**options)
