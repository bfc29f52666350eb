"""Danish: units before tens, and tens counted in twenties from 50 on.

*halvtreds*, 50, is short for *halvtredsindstyve*, two and a half times twenty;
*tres*, 60, for *tresindstyve*, three times twenty. Neither can be cut into a
unit and a factor as it is said today, so each tens word is one morpheme.
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
    "nul et to tre fire fem seks syv otte ni ti elleve tolv tretten "
    "fjorten femten seksten sytten atten nitten"
)
TENS_WORDS = words(
    "tyve tredive fyrre halvtreds tres halvfjerds firs halvfems"
)
AND = Piece("og")


def pieces(number):
    """Read out a number from 0 to 9,999, as a list of pieces."""
    thousands, hundreds, rest = parts(number)
    phrases = []
    if thousands:
        word = "tusinde" if hundreds or rest else "tusind"
        phrases.append(_counted(thousands, word, THOUSANDS))
    if hundreds:
        phrases.append(_counted(hundreds, "hundrede", HUNDREDS))
    if rest or not phrases:
        phrases.append(_below_hundred(rest))
    result = phrases[0]
    for phrase in phrases[1:]:
        result = [*result, BLANK, AND, BLANK, *phrase]
    return result


def _counted(count, word, place):
    return [Piece(WORDS[count], (place,)), Piece(word, (place,))]


def _below_hundred(number):
    if number < 20:
        return [one_word(number, WORDS[number])]
    tens, unit = divmod(number, 10)
    result = [Piece(TENS_WORDS[tens - 2], (TENS,))]
    if unit:
        word = "en" if unit == 1 else WORDS[unit]
        result = [Piece(word, (UNITS,)), AND, *result]
    return result
