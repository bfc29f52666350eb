"""French (of France): tens before units, and scores from 60 on.

*soixante-dix*, 70, is sixty and ten; *quatre-vingts*, 80, is four twenties;
*quatre-vingt-dix-sept*, 97, is four twenties, ten and seven. *vingts* and
*cents* end in s where they are counted and close the number. A hyphen is a
morpheme of its own: without it, *vingt quatre-vingt-deux* (20 82) and
*vingt-quatre vingt-deux* (24 22) would be the same words.
"""

from attnbook.data.grammar import (
    BLANK,
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
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze "
    "treize quatorze quinze seize"
)
TENS_WORDS = words("vingt trente quarante cinquante soixante")
AND = Piece("et")


def pieces(number):
    """Read out a number from 0 to 9,999, as a list of pieces."""
    thousands, hundreds, rest = parts(number)
    phrases = []
    if thousands:
        phrases.append(_counted(thousands, "mille", THOUSANDS))
    if hundreds:
        plural = "cents" if hundreds > 1 and not rest else "cent"
        phrases.append(_counted(hundreds, plural, HUNDREDS))
    if rest or not phrases:
        phrases.append(_below_hundred(rest))
    result = phrases[0]
    for phrase in phrases[1:]:
        result = [*result, BLANK, *phrase]
    return result


def _counted(count, word, place):
    result = [Piece(word, (place,))]
    if count > 1:
        result = [Piece(WORDS[count], (place,)), BLANK, *result]
    return result


def _below_hundred(number):
    if number < 20:
        return _below_twenty(number)
    if number >= 80:
        return _fourscore(number - 80)
    tens = min(number // 10, 6)
    rest = number - 10 * tens
    result = [Piece(TENS_WORDS[tens - 2], (TENS,))]
    if rest in (1, 11):
        return [*result, BLANK, AND, BLANK, *_below_twenty(rest)]
    if rest:
        return [*result, HYPHEN, *_below_twenty(rest)]
    return result


def _fourscore(rest):
    """80 and what stands above it, 0 to 19."""
    twenties = Piece("vingt" if rest else "vingts", (TENS,))
    result = [Piece("quatre", (TENS,)), HYPHEN, twenties]
    if rest:
        result += [HYPHEN, *_below_twenty(rest)]
    return result


def _below_twenty(number):
    if number < len(WORDS):
        return [one_word(number, WORDS[number])]
    unit = Piece(WORDS[number - 10], (UNITS,))
    return [Piece("dix", (TENS,)), HYPHEN, unit]
