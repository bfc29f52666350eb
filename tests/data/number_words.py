"""What each number word means, gathered apart from the grammars under test.

The words come from num2words, and the forms that a word takes inside a number
are listed by hand. A word that is not here means nothing: "und", "og", "-".
"""

from num2words import num2words

INSIDE = {
    "de": {"ein": 1, "hundert": 100, "tausend": 1000},
    "sv": {"et": 1, "hundra": 100, "tusen": 1000},
    "no": {"ett": 1, "hundre": 100, "tusen": 1000},
    "da": {
        "en": 1,
        "tres": 60,
        "hundrede": 100,
        "tusind": 1000,
        "tusinde": 1000,
    },
    "nl": {"een": 1, "honderd": 100, "duizend": 1000},
    "fr": {"vingts": 20, "cent": 100, "cents": 100, "mille": 1000},
    "en": {"hundred": 100, "thousand": 1000},
}
WHOLE = {
    language: [*range(20), *range(20, 100, 10)] for language in INSIDE
} | {"fr": [*range(17), 20, 30, 40, 50, 60]}


def meanings(language):
    """Word to value, for every word of a language that has one."""
    whole = {num2words(n, lang=language): n for n in WHOLE[language]}
    return whole | INSIDE[language]


def value(words, language):
    """The number that a list of words means; words without value are skipped.

    A unit right before a hundred or a thousand multiplies it (in French also
    before twenty, *quatre-vingts*); all else is added up.
    """
    known = meanings_of[language]
    factors = (20, 100, 1000) if language == "fr" else (100, 1000)
    terms = []
    for word in words:
        if word not in known:
            continue
        if terms and 0 < terms[-1] < 10 and known[word] in factors:
            terms[-1] *= known[word]
        else:
            terms.append(known[word])
    return sum(terms)


meanings_of = {language: meanings(language) for language in INSIDE}
