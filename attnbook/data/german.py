"""German: the units come before the tens, and all is one word."""

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
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf "
    "dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn"
)
TENS_WORDS = words(
    "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
)


def pieces(number):
    """Read out a number from 0 to 9,999, as a list of pieces."""
    if number == 0:
        return [one_word(0, WORDS[0])]
    thousands, hundreds, rest = parts(number)
    result = []
    if thousands:
        result += _counted(thousands, "tausend", THOUSANDS)
    if hundreds:
        result += _counted(hundreds, "hundert", HUNDREDS)
    if rest:
        result += _below_hundred(rest)
    return result


def _counted(count, word, place):
    return [Piece(_unit(count), (place,)), Piece(word, (place,))]


def _below_hundred(number):
    if number < 20:
        return [one_word(number, WORDS[number])]
    tens, unit = divmod(number, 10)
    result = [Piece(TENS_WORDS[tens - 2], (TENS,))]
    if unit:
        result = [Piece(_unit(unit), (UNITS,)), Piece("und"), *result]
    return result


def _unit(unit):
    """The unit before another word: "ein", where it stands alone "eins"."""
    return "ein" if unit == 1 else WORDS[unit]
