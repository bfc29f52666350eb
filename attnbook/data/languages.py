"""The languages on offer, and the grammar of each."""

from attnbook.data import german

LANGUAGES = {
    "de": "German",
}
"""The languages on offer: code to English name."""

_GRAMMARS = {
    "de": german.pieces,
}


def grammar(language):
    """Return the grammar of a language: number to list of pieces.

    Raises ValueError for a language that is not on offer.
    """
    if language not in LANGUAGES:
        offered = ", ".join(
            f"'{code}' ({LANGUAGES[code]})" for code in LANGUAGES
        )
        raise ValueError(
            f"unknown language {language!r}: expected one of {offered}"
        )
    return _GRAMMARS[language]
