"""English (British): tens before units, and "and" before what is below 100."""

from attnbook.data.grammar import (
    BLANK,
    COMMA,
    HUNDREDS,
    HYPHEN,
    TENS,
    THOUSANDS,
    UNITS,
    Piece,
    one_word,
    parts,
    words,
)

WORDS = words(
    "zero one two three four five six seven eight nine ten eleven twelve "
    "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
)
TENS_WORDS = words("twenty thirty forty fifty sixty seventy eighty ninety")
AND = Piece("and")


def pieces(number):
    """Read out a number from 0 to 9,999, as a list of pieces."""
    thousands, hundreds, rest = parts(number)
    result = []
    if thousands:
        result += _counted(thousands, "thousand", THOUSANDS)
    if hundreds:
        if thousands:
            result += [COMMA, BLANK]
        result += _counted(hundreds, "hundred", HUNDREDS)
    if number < 100:
        result += _below_hundred(rest)
    elif rest:
        result += [BLANK, AND, BLANK, *_below_hundred(rest)]
    return result


def _counted(count, word, place):
    return [Piece(WORDS[count], (place,)), BLANK, Piece(word, (place,))]


def _below_hundred(number):
    if number < 20:
        return [one_word(number, WORDS[number])]
    tens, unit = divmod(number, 10)
    result = [Piece(TENS_WORDS[tens - 2], (TENS,))]
    if unit:
        result += [HYPHEN, Piece(WORDS[unit], (UNITS,))]
    return result
