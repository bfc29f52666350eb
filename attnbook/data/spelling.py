"""A number, the words that say it, and which digit comes from which word.

The true alignment follows four rules.

1. A digit comes from every word of the phrase that names it: in
   *dreihundertfünf* the 3 comes from "drei" and "hundert", in
   *quatre-vingt-dix-sept* the 9 comes from "quatre", "vingt" and "dix".
2. A word that names two digits is the source of both: "zwölf", "elf".
3. The zeros at the end of a number come from its last word: the 0 of 20 from
   "zwanzig", both zeros of 300 from "hundert".
4. A zero that is passed over comes from no word, and its row is empty: the 0
   of 305. Nobody says it. A score of attention leaves such a row out.

Joining words ("und", "og", "et") and punctuation are the source of no digit.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from numbers import Integral

import numpy as np

from attnbook.data.grammar import BLANK
from attnbook.data.languages import grammar

LEVELS = ("morpheme", "character")
LARGEST = 9_999


@dataclass(frozen=True)
class Spelling:
    """A digit string, read out in words.

    number     the number, None for a telephone number
    language   code of the language
    digits     the digits, a string of length T
    text       the words as they are written
    morphemes  the words and punctuation, M strings without the blanks
    alignment  (T, M) bool: True where the digit comes from the morpheme
    """

    number: int | None
    language: str
    digits: str
    text: str
    morphemes: tuple[str, ...]
    alignment: np.ndarray = field(repr=False, compare=False)
    _pieces: tuple[str, ...] = field(repr=False, compare=False)

    def at(self, level):
        """Return the source tokens and the alignment at a level.

        At the morpheme level the tokens are `morphemes`. At the character
        level they are the characters of `text`, blanks included: every
        character of a morpheme is aligned as its morpheme, and a blank with
        nothing.

        Returns (tokens, alignment): S strings and (T, S) bool.
        Raises ValueError for an unknown level.
        """
        check_level(level)
        if level == "morpheme":
            return self.morphemes, self.alignment
        return tuple(self.text), self._character_alignment()

    def _character_alignment(self):
        aligned = np.zeros((len(self.digits), len(self.text)), bool)
        start = morpheme = 0
        for piece in self._pieces:
            end = start + len(piece)
            if piece != BLANK.text:
                aligned[:, start:end] = self.alignment[:, [morpheme]]
                morpheme += 1
            start = end
        return _frozen(aligned)


def check_level(level):
    """Raise ValueError unless the level is one of LEVELS."""
    if level not in LEVELS:
        raise ValueError(
            f"unknown level {level!r}: expected 'morpheme' or 'character'"
        )


def check_number(number, name="number"):
    """Return a number that can be spelled, as an int, or raise."""
    if isinstance(number, bool) or not isinstance(number, Integral):
        raise TypeError(
            f"{name} must be a whole number from 0 to {LARGEST:,}, got "
            f"{number!r}"
        )
    if not 0 <= number <= LARGEST:
        raise ValueError(
            f"{name} must be from 0 to {LARGEST:,}, got {number}: only these "
            "numbers can be spelled"
        )
    return int(number)


def spell(number, language="de"):
    """Spell a number from 0 to 9,999 in words.

    Returns a Spelling, with alignment (T, M) for T digits and M morphemes.
    Raises ValueError for an unknown language or a number out of range,
    TypeError for a number that is not whole.
    """
    return _spell(check_number(number), _check_language(language))


def spell_digits(digits, language="de"):
    """Read out a telephone number in pairs: "0543" is 05 43.

    A pair that begins with zero is read digit by digit: "null fünf".

    Returns a Spelling, with alignment (T, M) for T digits and M morphemes.
    Raises ValueError for an unknown language, a string that is empty, of odd
    length or not made of the digits 0 to 9, TypeError for what is no string.
    """
    check_digits(digits)
    pairs = [digits[at : at + 2] for at in range(0, len(digits), 2)]
    language = _check_language(language)
    return _joined([_spell_pair(pair, language) for pair in pairs])


def check_digits(digits):
    """Raise unless the string is a telephone number, in whole pairs."""
    if not isinstance(digits, str):
        raise TypeError(
            f"digits must be a string such as '0543', got {digits!r}: put "
            "quotes around it, so that leading zeros are kept"
        )
    if not digits or set(digits) - set("0123456789"):
        raise ValueError(
            f"digits must be one or more of the characters 0 to 9, got "
            f"{digits!r}: leave out blanks and punctuation"
        )
    if len(digits) % 2:
        raise ValueError(
            f"digits are read in pairs, so expected an even number of them, "
            f"got {len(digits)} in {digits!r}: add or leave out one digit"
        )


def _check_language(language):
    grammar(language)
    return language


@lru_cache(maxsize=16_384)
def _spell(number, language):
    digits = str(number)
    pieces = grammar(language)(number)
    words = [piece for piece in pieces if piece != BLANK]
    alignment = np.zeros((len(digits), len(words)), bool)
    for column, word in enumerate(words):
        for place in word.places:
            alignment[len(digits) - 1 - place, column] = True
    named = len(digits.rstrip("0"))
    alignment[named:, -1] = True
    return Spelling(
        number=number,
        language=language,
        digits=digits,
        text="".join(piece.text for piece in pieces),
        morphemes=tuple(word.text for word in words),
        alignment=_frozen(alignment),
        _pieces=tuple(piece.text for piece in pieces),
    )


@lru_cache(maxsize=1_024)
def _spell_pair(pair, language):
    if pair[0] == "0":
        return _joined([_spell(int(digit), language) for digit in pair])
    return _spell(int(pair), language)


def _joined(spellings):
    """Read several spellings one after the other, a blank between them."""
    rows = sum(len(spelling.digits) for spelling in spellings)
    columns = sum(len(spelling.morphemes) for spelling in spellings)
    alignment = np.zeros((rows, columns), bool)
    row = column = 0
    pieces = []
    for spelling in spellings:
        height, width = spelling.alignment.shape
        block = np.s_[row : row + height, column : column + width]
        alignment[block] = spelling.alignment
        row, column = row + height, column + width
        pieces += [BLANK.text] if pieces else []
        pieces += spelling._pieces
    return Spelling(
        number=None,
        language=spellings[0].language,
        digits="".join(spelling.digits for spelling in spellings),
        text="".join(pieces),
        morphemes=sum((part.morphemes for part in spellings), ()),
        alignment=_frozen(alignment),
        _pieces=tuple(pieces),
    )


def _frozen(array):
    """Make an array read-only: spellings are cached and shared."""
    array.setflags(write=False)
    return array
