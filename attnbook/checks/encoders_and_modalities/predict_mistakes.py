"""Numbers that are often given, and where they come from: questions a to c.

Of each mistake its question, the number, its name, its sentence and where to
look.
"""

import math

_L2, _L3, _L6 = (math.log(n) for n in (2, 3, 6))
_CHANGED = "150 are chosen: 80 % masks, 10 % random, 1 of 20 of these equal."
_ORDINARY = "Chosen and not masked, divided by all that are not masked."
_EACH = "Of a picture: log n, where n captions of the batch are equal to its."

MISTAKES = [
    (
        "a",
        135.0,
        "every random token counted as another",
        "You counted all "
        "random tokens. One in 20 is the token that stood there.",
        _CHANGED,
    ),
    (
        "a",
        150.0,
        "all chosen tokens",
        "These are all that are chosen. Some of them show what stood there.",
        _CHANGED,
    ),
    (
        "a",
        120.0,
        "masks alone",
        "These are the masks alone. Random tokens are changed too.",
        _CHANGED,
    ),
    (
        "a",
        120 + 0.5,
        "masks and a twentieth",
        "You added 0.1 · 1/20 of the "
        "chosen, which are those that random tokens leave alone.",
        _CHANGED,
    ),
    (
        "a",
        120.75,
        "random tokens that are equal",
        "You added the random "
        "tokens that are the same as before, not the others.",
        _CHANGED,
    ),
    (
        "a",
        142.5,
        "masks and kept tokens",
        "You counted kept tokens.",
        _CHANGED,
    ),
    (
        "a",
        149.25,
        "kept tokens counted too",
        "Kept tokens are not changed.",
        _CHANGED,
    ),
    (
        "a",
        895.0,
        "all tokens chosen",
        "You took all 1,000 tokens for chosen.",
        _CHANGED,
    ),
    (
        "a",
        0.13425,
        "a share in place of a number",
        "This is the share of the "
        "tokens. The question asks how many they are.",
        _CHANGED,
    ),
    (
        "a",
        0.895,
        "the share of the chosen",
        "This is the share of the chosen "
        "ones. The question asks how many they are.",
        _CHANGED,
    ),
    (
        "a",
        13.425,
        "a percentage",
        "This is the percentage. The question asks how many they are.",
        _CHANGED,
    ),
    (
        "a",
        14.25,
        "random tokens alone",
        "You counted random tokens, but not the masks.",
        _CHANGED,
    ),
    (
        "a",
        865.75,
        "those that are the same",
        "These are the tokens that are the same as before.",
        _CHANGED,
    ),
    (
        "b",
        3.0,
        "divided by all tokens",
        "You divided by all places, also by those that show the mask.",
        _ORDINARY,
    ),
    (
        "b",
        15.0,
        "the rate",
        "15 % of *all* places are chosen. Most of these "
        "show the mask, and you are told that this one does not.",
        _ORDINARY,
    ),
    (
        "b",
        20.0,
        "the share of the chosen",
        "This is the share of the chosen places that show no mask.",
        _ORDINARY,
    ),
    (
        "b",
        0.03 / 0.88,
        "a share in place of a percentage",
        "This is right as a share. The question asks for per cent.",
        "Multiply by 100.",
    ),
    (
        "b",
        10.0,
        "kept tokens alone",
        "Of the chosen ones 10 % are kept.",
        _ORDINARY,
    ),
    (
        "b",
        100 * 0.015 / 0.865,
        "random tokens left out",
        "You left the random tokens out. They are no masks either.",
        _ORDINARY,
    ),
    (
        "b",
        100 * 0.015 / 0.88,
        "one of the two kinds",
        "Kept and random tokens are both chosen, and neither shows the mask.",
        _ORDINARY,
    ),
    (
        "b",
        1.5,
        "one of the two kinds, divided by all",
        "Kept and random tokens both count, and you divided by all places.",
        _ORDINARY,
    ),
    (
        "b",
        100 * 0.03 / 0.85,
        "divided by the places that are not chosen",
        "You divided by the places that are not chosen. Those that are chosen "
        "and show no mask belong there too.",
        _ORDINARY,
    ),
    (
        "b",
        100 * 0.85 / 0.88,
        "the others",
        "This is the share of those that are *not* chosen.",
        _ORDINARY,
    ),
    (
        "b",
        100 * 0.15 / 0.88,
        "all chosen ones",
        "You counted chosen places that show the mask.",
        _ORDINARY,
    ),
    (
        "b",
        100 * 0.015 * 1.05 / (0.85 + 0.015 * 1.05),
        "only tokens that are the same",
        "You counted kept tokens and random "
        "ones that happen to be the same. All random ones count.",
        _ORDINARY,
    ),
    (
        "c",
        0.0,
        "no floor",
        "If two captions are equal, they get the same "
        "score, and neither gets more than a half.",
        _EACH,
    ),
    (
        "c",
        (_L3 + _L2) / 3,
        "a mean over captions",
        "You averaged over the "
        "three captions. The mean is over the six pictures.",
        _EACH,
    ),
    (
        "c",
        3 * _L3 + 2 * _L2,
        "a sum over pictures",
        "This is the sum over the six pictures. The loss is their mean.",
        "Divide by 6.",
    ),
    (
        "c",
        (3 * _L3 + 2 * _L2) / 6 / _L2,
        "bits",
        "This is right in bits. The loss is in nats.",
        "The natural logarithm.",
    ),
    (
        "c",
        _L6,
        "nothing learned",
        "log 6 is the loss of a model that has learned nothing.",
        _EACH,
    ),
    (
        "c",
        _L3,
        "log of the number of captions",
        "log 3 is the floor of the pictures whose caption comes three times.",
        _EACH,
    ),
    (
        "c",
        math.log(14 / 6),
        "the logarithm of a mean",
        "You took the "
        "logarithm of the mean of n. The loss is the mean of log n.",
        _EACH,
    ),
    (
        "c",
        14 / 6,
        "the mean of n",
        "This is the mean of n. The loss is the mean of its logarithm.",
        _EACH,
    ),
    (
        "c",
        (3 * _L2 + 0) / 6,
        "its own caption not counted",
        "You counted the *other* equal captions. Its own belongs to n.",
        _EACH,
    ),
    (
        "c",
        (3 * _L3 + 2 * _L2) / 5,
        "pictures with rivals alone",
        "You left out the picture whose caption comes once. Its loss is 0, "
        "and it counts.",
        _EACH,
    ),
    (
        "c",
        (_L3 + _L2) / 6,
        "each caption once",
        "You counted each caption "
        "once. Three pictures have the first one, and two the second.",
        _EACH,
    ),
    (
        "c",
        -(3 * _L3 + 2 * _L2) / 6,
        "below 0",
        "The sign is wrong.",
        "Minus the logarithm of a share is 0 or more.",
    ),
    (
        "a",
        105.0,
        "random and kept tokens of the chosen left out",
        "You took 70 % of the chosen ones.",
        _CHANGED,
    ),
    (
        "a",
        30.0,
        "the chosen ones without a mask",
        "You counted the chosen places that show no mask. Those that show "
        "it are changed too.",
        _CHANGED,
    ),
    (
        "a",
        850.0,
        "those that are not chosen",
        "These are the tokens that are not chosen. They stay as they are.",
        _CHANGED,
    ),
    (
        "a",
        15.0,
        "one of the two small shares",
        "You counted 10 % of the chosen ones.",
        _CHANGED,
    ),
    (
        "a",
        127.5,
        "85 % of the chosen",
        "You took half of the random tokens for equal. One in 20 is.",
        _CHANGED,
    ),
    (
        "a",
        141.75,
        "kept tokens in place of masks",
        "You counted 94.5 % of the chosen ones.",
        _CHANGED,
    ),
    (
        "a",
        134.0,
        "rounded to a whole number",
        "An average need not be a whole number. Give the digits after the "
        "point.",
        _CHANGED,
    ),
    (
        "b",
        100 * 0.15 / 0.85,
        "chosen against not chosen",
        "You divided 15 % by 85 %. Most chosen places show the mask.",
        _ORDINARY,
    ),
    (
        "b",
        30.0,
        "two shares added",
        "You added shares of different wholes.",
        _ORDINARY,
    ),
    (
        "b",
        18.0,
        "those that show a mask or are the same",
        "You counted places that show the mask.",
        _ORDINARY,
    ),
    (
        "c",
        _L2,
        "log 2 for all",
        "log 2 is the floor of the pictures whose caption comes twice.",
        _EACH,
    ),
    (
        "c",
        _L3 / 2,
        "one caption alone",
        "You counted the pictures with the caption A alone.",
        _EACH,
    ),
    (
        "c",
        0.5,
        "a share in place of a loss",
        "One half is a share. The loss is minus the logarithm of a share, "
        "and its mean over six pictures.",
        _EACH,
    ),
    (
        "c",
        (2 * _L2) / 6,
        "the second caption alone",
        "You counted the pictures with the caption B alone.",
        _EACH,
    ),
]
