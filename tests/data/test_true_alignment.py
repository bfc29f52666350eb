"""Every digit comes from the words that say it, and from no other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from number_words import meanings_of, value

from attnbook import data

PHONES = st.lists(st.integers(0, 99), min_size=1, max_size=12).map(
    lambda pairs: "".join(f"{pair:02}" for pair in pairs)
)
CODES = st.sampled_from(list(data.LANGUAGES))


def rows(spelling):
    """For each digit: its place, and the words it is aligned with."""
    digits = spelling.digits
    for at, digit in enumerate(digits):
        words = [
            word
            for word, aligned in zip(
                spelling.morphemes, spelling.alignment[at], strict=True
            )
            if aligned
        ]
        yield int(digit), len(digits) - 1 - at, words


def test_the_words_of_a_number_add_up_to_it(spellings, language):
    for number, spelling in enumerate(spellings):
        assert value(spelling.morphemes, language) == number


def test_there_is_a_row_for_each_digit_and_a_column_for_each_word(spellings):
    for number, spelling in enumerate(spellings):
        shape = (len(str(number)), len(spelling.morphemes))
        assert spelling.alignment.shape == shape
        assert spelling.alignment.dtype == bool


def test_the_words_of_a_digit_say_that_digit_in_its_place(spellings, language):
    for number, spelling in enumerate(spellings):
        for digit, place, words in rows(spelling):
            said = value(words, language)
            assert said // 10**place % 10 == digit, (number, place, words)


def test_no_word_of_a_digit_can_be_left_out(spellings, language):
    """But for "one", which may go unsaid before a hundred."""
    for number, spelling in enumerate(spellings):
        for digit, place, words in rows(spelling):
            for at, word in enumerate(words):
                rest = words[:at] + words[at + 1 :]
                left = value(rest, language) // 10**place % 10
                one = meanings_of[language].get(word) == 1
                assert digit == 0 or one or left != digit, (number, words)


def test_the_zeros_that_end_a_number_come_from_its_last_word(spellings):
    for spelling in spellings[1:]:
        last = np.arange(len(spelling.morphemes)) == (
            len(spelling.morphemes) - 1
        )
        ending = len(spelling.digits) - len(spelling.digits.rstrip("0"))
        for row in spelling.alignment[len(spelling.digits) - ending :]:
            assert (row == last).all()


def test_a_row_is_empty_just_where_a_zero_is_passed_over(spellings):
    for number, spelling in enumerate(spellings):
        digits = str(number)
        named = len(digits.rstrip("0"))
        passed_over = [
            digit == "0" and at < named for at, digit in enumerate(digits)
        ]
        empty = ~spelling.alignment.any(1)
        assert empty.tolist() == passed_over


def test_words_that_join_are_the_source_of_no_digit(spellings, language):
    for spelling in spellings:
        means = [word in meanings_of[language] for word in spelling.morphemes]
        assert spelling.alignment.any(0).tolist() == means


@pytest.mark.parametrize(
    ("number", "language", "expected"),
    [
        (43, "de", [[0, 0, 1], [1, 0, 0]]),
        (12, "de", [[1], [1]]),
        (20, "de", [[1], [1]]),
        (0, "de", [[1]]),
        (300, "de", [[1, 1], [0, 1], [0, 1]]),
        (305, "de", [[1, 1, 0], [0, 0, 0], [0, 0, 1]]),
        # soixante et onze
        (71, "fr", [[1, 0, 1], [0, 0, 1]]),
        # quatre - vingts
        (80, "fr", [[1, 0, 1], [0, 0, 1]]),
        # quatre - vingt - dix - sept
        (97, "fr", [[1, 0, 1, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1]]),
        # tre og halvtreds
        (53, "da", [[0, 0, 1], [1, 0, 0]]),
        # honderd vijf
        (105, "nl", [[1, 0], [0, 0], [0, 1]]),
    ],
)
def test_well_known_cases_are_aligned_as_documented(
    number, language, expected
):
    alignment = data.spell(number, language).alignment
    assert alignment.astype(int).tolist() == expected


def test_german_swaps_what_swedish_keeps_in_order():
    first_digit, second_digit = data.spell(43, "de").alignment.argmax(1)
    assert first_digit > second_digit
    first_digit, second_digit = data.spell(43, "sv").alignment.argmax(1)
    assert first_digit < second_digit


@given(number=st.integers(0, 9_999), language=CODES)
def test_every_character_is_aligned_as_its_morpheme(number, language):
    spelling = data.spell(number, language)
    tokens, alignment = spelling.at("character")
    assert "".join(tokens) == spelling.text
    assert alignment.shape == (len(str(number)), len(spelling.text))
    expected = np.zeros_like(alignment)
    end = 0
    for at, morpheme in enumerate(spelling.morphemes):
        start = spelling.text.index(morpheme, end)
        end = start + len(morpheme)
        expected[:, start:end] = spelling.alignment[:, [at]]
    assert (alignment == expected).all()


@given(phone=PHONES, language=CODES)
def test_blanks_are_the_source_of_no_digit(phone, language):
    tokens, alignment = data.spell_digits(phone, language).at("character")
    blank = np.array(tokens) == " "
    assert blank.sum() >= len(phone) // 2 - 1
    assert not alignment[:, blank].any()


@given(phone=PHONES, language=CODES)
def test_every_digit_of_a_telephone_number_is_said(phone, language):
    spelling = data.spell_digits(phone, language)
    shape = (len(phone), len(spelling.morphemes))
    assert spelling.alignment.shape == shape
    assert spelling.alignment.any(1).all()
    for at, digit in enumerate(phone):
        aligned = spelling.alignment[at]
        words = np.array(spelling.morphemes)[aligned].tolist()
        place = 1 - at % 2 if phone[at - at % 2] != "0" else 0
        assert value(words, language) // 10**place % 10 == int(digit)


@given(phone=PHONES, language=CODES)
def test_a_pair_is_aligned_with_its_own_words_alone(phone, language):
    alignment = data.spell_digits(phone, language).alignment
    start = 0
    for at in range(0, len(phone), 2):
        pair = data.spell_digits(phone[at : at + 2], language).alignment
        end = start + pair.shape[1]
        assert (alignment[at : at + 2, start:end] == pair).all()
        assert not alignment[at : at + 2, :start].any()
        assert not alignment[at : at + 2, end:].any()
        start = end
    assert start == alignment.shape[1]


def test_a_shared_alignment_cannot_be_overwritten():
    for level in data.LEVELS:
        _, alignment = data.spell(43, "de").at(level)
        with pytest.raises(ValueError, match="read-only"):
            alignment[0, 0] = True
