"""Norwegian (Bokmål): tens before units, as counted since the reform of 1951.

"hundre" and "tusen" are neuter, so one of them is *ett hundre*, *ett tusen*.
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
    "null en to tre fire fem seks syv åtte ni ti elleve tolv tretten "
    "fjorten femten seksten sytten atten nitten"
)
TENS_WORDS = words("tjue tretti førti femti seksti sytti åtti nitti")
AND = Piece("og")


def pieces(number):
    """Read out a number from 0 to 9,999, as a list of pieces."""
    thousands, hundreds, rest = parts(number)
    result = []
    if thousands:
        result += _counted(thousands, "tusen", THOUSANDS)
    if hundreds:
        if thousands:
            result.append(BLANK)
        result += _counted(hundreds, "hundre", HUNDREDS)
    if number < 100:
        result += _below_hundred(rest)
    elif rest:
        result += [BLANK, AND, BLANK, *_below_hundred(rest)]
    return result


def _counted(count, word, place):
    unit = "ett" if count == 1 else WORDS[count]
    return [Piece(unit, (place,)), BLANK, Piece(word, (place,))]


def _below_hundred(number):
    if number < 20:
        return [one_word(number, WORDS[number])]
    tens, unit = divmod(number, 10)
    result = [Piece(TENS_WORDS[tens - 2], (TENS,))]
    if unit:
        result.append(Piece(WORDS[unit], (UNITS,)))
    return result
