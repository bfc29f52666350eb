"""What is tested on was never trained on."""

import numpy as np
import pytest

from attnbook import data
from attnbook.data.splits import held_out

HELD_OUT_BELOW_100 = [0, 2, 4, 12, 35, 38, 39, 51, 57, 68, 80, 84, 89]
HELD_OUT_BELOW_10000 = 963


def strings(task, split, count=2_000, length=None):
    return {item.target for item in task.examples(count, split, length)}


def out(digits):
    rows = [[int(digit) for digit in digits]]
    return bool(held_out(rows, [len(digits)])[0])


def out_below(limit):
    return [number for number in range(limit) if out(str(number))]


@pytest.mark.parametrize("length", [1, 2, 3, 8])
def test_no_telephone_number_is_both_trained_on_and_held_out(length):
    task = data.telephone_numbers()
    train = strings(task, "train", length=length)
    test = strings(task, "held-out", length=length)
    assert train
    assert test
    assert not train & test
    assert not any(map(out, train))
    assert all(map(out, test))


def test_every_number_is_either_trained_on_or_held_out():
    task = data.numbers_in_words(high=99)
    train, test = strings(task, "train"), strings(task, "held-out")
    assert not train & test
    assert train | test == set(map(str, range(100)))


def test_every_pair_of_digits_is_drawn_leading_zeros_too():
    task = data.telephone_numbers(longer=(12, 12))
    one = strings(task, "train", length=1) | strings(
        task, "held-out", length=1
    )
    assert one == {f"{pair:02}" for pair in range(100)}
    for phones in (strings(task, "train"), strings(task, "longer", 200)):
        assert len({phone[-2:] for phone in phones}) > 80


def test_a_tenth_of_the_numbers_is_held_out():
    assert 900 < len(out_below(10_000)) < 1_100


@pytest.mark.parametrize("length", [2, 6, 16])
def test_a_tenth_of_the_telephone_numbers_is_held_out(length):
    digits = np.random.default_rng(length).integers(0, 10, (20_000, length))
    share = held_out(digits, np.full(20_000, length)).mean()
    assert 0.07 < share < 0.13 if length == 2 else 0.09 < share < 0.11


def test_every_digit_may_decide_what_is_held_out():
    digits = np.random.default_rng(0).integers(0, 10, (2_000, 6))
    lengths = np.full(len(digits), 6)
    for column in range(6):
        other = digits.copy()
        other[:, column] = (other[:, column] + 1) % 10
        both = held_out(digits, lengths) & held_out(other, lengths)
        assert 0 < both.sum() < 60  # 20 expected of two unrelated draws


def test_the_held_out_numbers_never_change():
    """A new hash would make old results incomparable."""
    assert out_below(100) == HELD_OUT_BELOW_100
    assert len(out_below(10_000)) == HELD_OUT_BELOW_10000


def test_padding_does_not_decide_what_is_held_out():
    rng = np.random.default_rng(0)
    digits = rng.integers(0, 10, (500, 9))
    lengths = rng.integers(1, 10, 500)
    other = np.where(np.arange(9) < lengths[:, None], digits, 7)
    same = held_out(digits, lengths) == held_out(other, lengths)
    assert same.all()


def test_a_held_out_number_is_held_out_in_every_language_and_level():
    german = data.numbers_in_words("de", "morpheme", high=99)
    french = data.numbers_in_words("fr", "character", high=99)
    assert strings(german, "held-out") == strings(french, "held-out")


def test_longer_telephone_numbers_are_never_trained_on():
    task = data.telephone_numbers(pairs=(2, 4), longer=(6, 7))
    for split, lengths in [
        ("train", {2, 3, 4}),
        ("held-out", {2, 3, 4}),
        ("longer", {6, 7}),
    ]:
        found = task.examples(300, split)
        assert {item.length for item in found} == lengths
        assert {len(item.target) // 2 for item in found} == lengths


def test_longer_numbers_have_more_digits_than_those_trained_on():
    task = data.numbers_in_words(low=50, high=500)
    train = [int(t) for t in strings(task, "train")]
    assert 50 <= min(train) <= max(train) <= 500
    assert {len(t) for t in strings(task, "longer")} == {4}


def test_a_task_without_room_for_longer_inputs_does_not_offer_them():
    assert data.numbers_in_words().splits == ("train", "held-out")
    task = data.telephone_numbers(longer=None)
    assert task.splits == ("train", "held-out")


def test_a_task_lists_its_splits_and_their_lengths():
    task = data.telephone_numbers()
    assert task.splits == ("train", "held-out", "longer")
    assert [*task.lengths["train"]] == [*range(1, 9)]
    assert [*task.lengths["longer"]] == [9, 10, 11, 12]


def test_each_length_is_drawn_about_equally_often():
    lengths = [
        i.length for i in data.telephone_numbers().examples(8_000, "train")
    ]
    counts = np.bincount(lengths)[1:]
    assert counts.min() > 850
    assert counts.max() < 1_150
