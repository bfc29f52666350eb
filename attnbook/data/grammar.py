"""What a number grammar is made of: pieces that know which places they state.

A number is read out piece by piece. Each piece states zero or more decimal
places: 0 for the units, 1 for the tens, 2 for the hundreds, 3 for the
thousands. "vierzig" in *dreiundvierzig* states place 1, "zwölf" states places
1 and 0, and "und" states none.
"""

from typing import NamedTuple

UNITS, TENS, HUNDREDS, THOUSANDS = 0, 1, 2, 3


class Piece(NamedTuple):
    """A stretch of a spelled number and the decimal places it states."""

    text: str
    places: tuple[int, ...] = ()


BLANK = Piece(" ")
HYPHEN = Piece("-")
COMMA = Piece(",")


def words(text):
    """Return the words of a text, as a tuple."""
    return tuple(text.split())


def one_word(number, word):
    """Return the piece for a number below 20 that is a single word."""
    return Piece(word, (UNITS,) if number < 10 else (TENS, UNITS))


def parts(number):
    """Split a number into (thousands, hundreds, what is below a hundred)."""
    thousands, rest = divmod(number, 1000)
    return thousands, *divmod(rest, 100)
