"""Swedish: tens before units, in one word up to the thousands.

Official spelling has no three equal letters in a row: ett + tusen is
*ettusen*, here cut into "et" and "tusen".
"""

from attnbook.data.grammar import (
    BLANK,
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
    "noll ett två tre fyra fem sex sju åtta nio tio elva tolv tretton "
    "fjorton femton sexton sjutton arton nitton"
)
TENS_WORDS = words("tjugo trettio förtio femtio sextio sjuttio åttio nittio")


def pieces(number):
    """Read out a number from 0 to 9,999, as a list of pieces."""
    if number == 0:
        return [one_word(0, WORDS[0])]
    thousands, hundreds, rest = parts(number)
    result = []
    if thousands:
        unit = "et" if thousands == 1 else WORDS[thousands]
        result += [Piece(unit, (THOUSANDS,)), Piece("tusen", (THOUSANDS,))]
    if hundreds:
        if thousands:
            result.append(BLANK)
        unit = WORDS[hundreds]
        result += [Piece(unit, (HUNDREDS,)), Piece("hundra", (HUNDREDS,))]
    if rest:
        result += _below_hundred(rest)
    return result


def _below_hundred(number):
    if number < 20:
        return [one_word(number, WORDS[number])]
    tens, unit = divmod(number, 10)
    result = [Piece(TENS_WORDS[tens - 2], (TENS,))]
    if unit:
        result.append(Piece(WORDS[unit], (UNITS,)))
    return result
