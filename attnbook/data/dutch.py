"""Dutch: units before tens, all in one word, and no "one" before a hundred.

*en* (and) takes a diaeresis after a vowel: *tweeëntwintig*. The one that ends
a number is written with accents, *één*, and *een* inside it.
"""

from attnbook.data.grammar import (
    HUNDREDS,
    TENS,
    THOUSANDS,
    UNITS,
    Piece,
    one_word,
    parts,
    words,
)

WORDS = words(
    "nul één twee drie vier vijf zes zeven acht negen tien elf twaalf "
    "dertien veertien vijftien zestien zeventien achttien negentien"
)
TENS_WORDS = words(
    "twintig dertig veertig vijftig zestig zeventig tachtig negentig"
)


def pieces(number):
    """Read out a number from 0 to 9,999, as a list of pieces."""
    if number == 0:
        return [one_word(0, WORDS[0])]
    thousands, hundreds, rest = parts(number)
    result = []
    if thousands:
        result += _counted(thousands, "duizend", THOUSANDS)
    if hundreds:
        result += _counted(hundreds, "honderd", HUNDREDS)
    if rest:
        result += _below_hundred(rest)
    return result


def _counted(count, word, place):
    result = [Piece(word, (place,))]
    if count > 1:
        result = [Piece(WORDS[count], (place,)), *result]
    return result


def _below_hundred(number):
    if number < 20:
        return [one_word(number, WORDS[number])]
    tens, unit = divmod(number, 10)
    result = [Piece(TENS_WORDS[tens - 2], (TENS,))]
    if unit:
        word = "een" if unit == 1 else WORDS[unit]
        link = "ën" if word.endswith("e") else "en"
        result = [Piece(word, (UNITS,)), Piece(link), *result]
    return result
