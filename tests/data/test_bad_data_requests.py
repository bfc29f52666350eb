"""A request that cannot be met says why, and what to do."""

import numpy as np
import pytest

from attnbook import data

RNG = np.random.default_rng(0)
makers = pytest.mark.parametrize(
    "make", [data.numbers_in_words, data.telephone_numbers]
)


@makers
@pytest.mark.parametrize("language", ["xx", "DE", "", None, ["de"]])
def test_an_unknown_language_is_refused_with_those_on_offer(make, language):
    with pytest.raises(ValueError, match=r"unknown language .*'de' \(German"):
        make(language)
    with pytest.raises(ValueError, match="unknown language"):
        data.spell(3, language)
    with pytest.raises(ValueError, match="unknown language"):
        data.spell_digits("03", language)


@makers
def test_an_unknown_level_is_refused(make):
    with pytest.raises(ValueError, match=r"unknown level 'word'.*'morpheme'"):
        make("de", "word")
    with pytest.raises(ValueError, match="unknown level 'word'"):
        data.spell(3, "de").at("word")


@pytest.mark.parametrize("number", [-1, 10_000, 10**30])
def test_a_number_that_cannot_be_spelled_is_refused(number):
    with pytest.raises(ValueError, match=f"from 0 to 9,999, got {number}"):
        data.spell(number, "de")


@pytest.mark.parametrize("number", [4.0, "43", None, True])
def test_what_is_no_whole_number_is_refused(number):
    with pytest.raises(TypeError, match="must be a whole number"):
        data.spell(number, "de")


def test_a_numpy_number_is_spelled_too():
    assert data.spell(np.int64(43), "de").text == "dreiundvierzig"


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (-1, 5, "low must be from 0 to 9,999, got -1"),
        (0, 10_000, "high must be from 0 to 9,999, got 10000"),
        (7, 6, "low=7 and high=6"),
    ],
)
def test_a_range_that_cannot_be_spelled_is_refused(low, high, message):
    with pytest.raises(ValueError, match=message):
        data.numbers_in_words(low=low, high=high)


@pytest.mark.parametrize("pairs", [(0, 3), (3, 2), 4, (1, 2, 3), ("1", "2")])
def test_lengths_out_of_order_are_refused(pairs):
    with pytest.raises(ValueError, match=r"pairs must be .*in rising order"):
        data.telephone_numbers(pairs=pairs)
    with pytest.raises(ValueError, match=r"longer must be .*rising order"):
        data.telephone_numbers(longer=pairs)


def test_longer_inputs_must_be_longer():
    with pytest.raises(ValueError, match="above the 8 pairs trained on"):
        data.telephone_numbers(longer=(8, 12))


@makers
@pytest.mark.parametrize("size", [0, -3])
def test_an_empty_batch_is_refused(make, size):
    task = make()
    with pytest.raises(ValueError, match=f"batch_size .*got {size}.*empty"):
        task.sample(size, RNG)
    with pytest.raises(ValueError, match=f"count must be .*got {size}"):
        task.examples(size, "train")
    with pytest.raises(ValueError, match=r"at least one Example.*empty"):
        task.collate([])


@makers
def test_a_batch_size_that_is_not_whole_is_refused(make):
    with pytest.raises(TypeError, match=r"batch_size .*whole number, got 2.5"):
        make().sample(2.5, RNG)


@makers
def test_an_unknown_split_is_refused_with_those_on_offer(make):
    for draw in (
        make().examples,
        lambda n, split: make().sample(n, RNG, split),
    ):
        with pytest.raises(ValueError, match=r"split 'test'.*'held-out'"):
            draw(4, "test")


def test_numbers_up_to_9999_have_no_longer_split():
    with pytest.raises(ValueError, match="unknown split 'longer'"):
        data.numbers_in_words().sample(4, RNG, "longer")


@pytest.mark.parametrize(
    ("split", "length"),
    [
        ("train", 0),
        ("train", 9),
        ("held-out", 9),
        ("longer", 8),
        ("train", "2"),
    ],
)
def test_a_length_the_split_does_not_have_is_refused(split, length):
    with pytest.raises(
        ValueError, match=r"outside the split .*1 to 8 in 'train'.*9 to 12"
    ):
        data.telephone_numbers().sample(4, RNG, split, length)


def test_a_split_without_numbers_is_refused_when_drawn_from():
    task = data.numbers_in_words(low=43, high=43)
    with pytest.raises(ValueError, match=r"'held-out' holds no number.*widen"):
        task.sample(4, RNG, "held-out")


@pytest.mark.parametrize("digits", ["1", "123"])
def test_an_odd_number_of_digits_is_refused(digits):
    with pytest.raises(ValueError, match=f"even number.*got {len(digits)}"):
        data.spell_digits(digits)


@pytest.mark.parametrize("digits", ["", "12 34", "+4", "1a", "١٢"])
def test_what_is_not_digits_is_refused(digits):
    with pytest.raises(ValueError, match="characters 0 to 9"):
        data.spell_digits(digits)


def test_a_telephone_number_that_is_no_string_is_refused():
    with pytest.raises(TypeError, match="leading zeros are kept"):
        data.spell_digits(1234)


@pytest.mark.parametrize("digits", ["043", "x", "", "10000", "99", 150, ["1"]])
def test_an_example_outside_a_range_of_numbers_is_refused(digits):
    task = data.numbers_in_words(low=100, high=200)
    with pytest.raises(
        ValueError, match=r"no number of this task.*100 to 200"
    ):
        task.example(digits)


def test_an_example_outside_the_lengths_of_a_task_is_refused():
    task = data.telephone_numbers(pairs=(2, 3), longer=(5, 6))
    for digits in ("12", "12345678"):
        with pytest.raises(ValueError, match=r"outside .*2 to 3, .*5 to 6"):
            task.example(digits)


@pytest.mark.parametrize("rng", [0, None, "seed"])
def test_a_seed_is_not_a_generator(rng):
    with pytest.raises(TypeError, match="default_rng"):
        data.telephone_numbers().sample(4, rng)
