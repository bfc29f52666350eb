"""The languages on offer, and the grammar of each."""

from attnbook.data import (
    danish,
    dutch,
    english,
    french,
    german,
    norwegian,
    swedish,
)

LANGUAGES = {
    "de": "German",
    "sv": "Swedish",
    "no": "Norwegian",
    "da": "Danish",
    "nl": "Dutch",
    "fr": "French",
    "en": "English",
}
"""The languages on offer: code to English name."""

_GRAMMARS = {
    "de": german.pieces,
    "sv": swedish.pieces,
    "no": norwegian.pieces,
    "da": danish.pieces,
    "nl": dutch.pieces,
    "fr": french.pieces,
    "en": english.pieces,
}


def grammar(language):
    """Return the grammar of a language: number to list of pieces.

    Raises ValueError for a language that is not on offer.
    """
    if not isinstance(language, str) or language not in _GRAMMARS:
        offered = ", ".join(
            f"'{code}' ({name})" for code, name in LANGUAGES.items()
        )
        raise ValueError(
            f"unknown language {language!r}: expected one of {offered}"
        )
    return _GRAMMARS[language]
