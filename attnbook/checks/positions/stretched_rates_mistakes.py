"""Known mistakes of who stretches the rates of exercise 05.5."""

from __future__ import annotations

import math
from functools import partial

from attnbook.checks.positions.mistaken_rates import (
    mistaken_rates,
    stretched_rates,
)
from attnbook.judging.named_mistakes import named
from attnbook.judging.parts import Mistake


def _of_one_kind(d, trained, wanted, kind, *rest, only="base", **keywords):
    """One kind for all, whatever is asked."""
    return stretched_rates(d, trained, wanted, only, *rest, **keywords)


def _parts_are_base(d, trained, wanted, kind, *rest, **keywords):
    if kind == "parts":
        kind = "base"
    return stretched_rates(d, trained, wanted, kind, *rest, **keywords)


def _rounded_rates(*arguments, digits=6, **keywords):
    return stretched_rates(*arguments, **keywords).round(decimals=digits)


def _rates_as_array(*arguments, **keywords):
    return stretched_rates(*arguments, **keywords).numpy()


def _angles(d, trained, wanted, *rest, by="wanted", **keywords):
    rates = stretched_rates(d, trained, wanted, *rest, **keywords)
    return rates * (wanted if by == "wanted" else trained)


def _rates_as_numbers(*arguments, **keywords):
    return stretched_rates(*arguments, **keywords).tolist()


def _wavelengths(*arguments, **keywords):
    return 2 * math.pi / stretched_rates(*arguments, **keywords)


def _rates_for_each_feature(*arguments, **keywords):
    return stretched_rates(*arguments, **keywords).repeat_interleave(2)


def _rates_with_odd_exponents(d, *arguments, **keywords):
    """Exponents i/d for i = 0 to d - 1, where the rates have 2i/d."""
    return mistaken_rates(2 * d, *arguments, mistake="half width", **keywords)


_ROWS = [
    (
        "upside down",
        "the stretch upside down",
        "You divide trained by wanted. For a longer text the stretch "
        "is more than 1.",
        "s = wanted / trained.",
        "upside down, free",
    ),
    (
        "no stretch",
        "nothing is stretched",
        "The rates do not change, whatever `wanted` says.",
        "Where does `wanted` stand in your code?",
    ),
    (
        "min for max",
        "at most 1 in place of at least 1",
        "s is never above 1, so that longer texts change nothing.",
        "max(1, wanted / trained).",
    ),
    (
        "from twice",
        "stretched from twice the length on",
        "Texts a little longer than those of training change nothing.",
        "max(1, wanted / trained), for any wanted above trained.",
    ),
    (
        "wanted",
        "the length used as the stretch",
        "The rates are divided by the wanted length itself.",
        "s = wanted / trained.",
    ),
    (
        "multiplied",
        "rates multiplied",
        "The rates grow with s, so the angles leave the range of "
        "training even sooner.",
        "At position `wanted` the angle should be what it was at "
        "`trained`: divide.",
    ),
    (
        "shrinks",
        "squeezed for shorter texts",
        "For a text no longer than those of training the rates must "
        "stay as they are.",
        "max(1, wanted / trained).",
    ),
    (
        "plain base",
        "the base times s",
        "The base is multiplied by s itself, so the slowest pair is "
        "stretched by less than s.",
        "The exponent d/(d - 2) makes the slowest pair come out "
        "right: its own exponent is (d - 2)/d.",
    ),
    (
        "d - 2 over d",
        "the exponent upside down",
        "s has the exponent (d - 2)/d. The slowest pair has this exponent "
        "too, so it is divided by less than s.",
        "Solve (base')^((d - 2)/d) = s · base^((d - 2)/d).",
    ),
    (
        "rate of the base",
        "all rates alike",
        "All rates are divided by the same number. A larger base "
        "leaves the fastest pair alone.",
        "Change the base first, then compute the rates from it.",
    ),
    (
        "smaller base",
        "a smaller base",
        "The base gets smaller, so the waves get shorter.",
        "A longer text needs longer waves: multiply.",
    ),
    (
        "radians",
        "radians taken for turns",
        "The angle at the end of a training text is in radians. The "
        "ramp counts full turns.",
        "Divide by 2π.",
    ),
    (
        "wavelengths",
        "wavelengths on the ramp",
        "The ramp runs over the wavelength, so that the slow pairs "
        "are kept and the fast ones stretched.",
        "Turns in a text = its length / the wavelength.",
    ),
    (
        "wanted turns",
        "turns in the wrong text",
        "The turns are counted in the longer text. But training had only "
        "texts of length `trained`.",
        "turns = trained · rate / 2π.",
    ),
    (
        "by index",
        "a ramp over the pairs' numbers",
        "The ramp goes by the number of the pair. It should go by "
        "the turns that the pair makes in training.",
        "turns = trained · rate / 2π.",
    ),
    (
        "no clamp",
        "a ramp without ends",
        "Above `high` and below `low` the ramp continues, to shares above 1 "
        "and below 0.",
        "clamp(0, 1).",
    ),
    (
        "a step",
        "a step, no ramp",
        "Every pair is either kept or stretched. Between `low` and "
        "`high` it should be mixed.",
        "(turns - low) / (high - low).",
        "a late step",
        "a middle step",
    ),
    (
        "reversed",
        "the ramp reversed",
        "Fast pairs are stretched and slow ones kept. But only the slow ones "
        "meet angles that they have never seen.",
        "Share 1 keeps the rate: many turns, share 1.",
    ),
    (
        "whole",
        "a whole number for the stretch",
        "The stretch is rounded to a whole number. From 64 to 160 "
        "tokens it is 2.5.",
        "wanted / trained, with a single slash.",
        "whole, up",
    ),
    (
        "difference",
        "the difference for the stretch",
        "You subtract trained from wanted. The stretch says how many *times* "
        "as long the text is.",
        "s = wanted / trained.",
    ),
    (
        "rising",
        "rates that rise",
        "The exponent has the wrong sign: later pairs turn faster.",
        "The rates are b to the power of -2i/d.",
    ),
    (
        "half exponent",
        "rates that fall too slowly",
        "The exponent is i/d. It should be 2i/d.",
        "torch.arange(0, d, 2) already holds 2i.",
    ),
    (
        "last by the base",
        "rates that reach 1/base",
        "The last rate is 1/b. The exponents are 2i/d, which stop short of 1.",
        "torch.arange(0, d, 2) / d.",
    ),
    (
        "no width",
        "an exponent without the width",
        "The exponent is not divided by d, so after a few pairs the rates "
        "are almost 0.",
        "The rates are b to the power of -2i/d.",
    ),
    (
        "unchanged",
        "a larger base that is not used",
        'For "base" you return the old rates.',
        "Compute the rates after the base has changed.",
    ),
    (
        "no base",
        "the base is not used",
        "The rates have the base 10,000, whatever `base` says.",
        "Does your code use `base`, or a number in its place?",
        "no base for shorter",
    ),
    (
        "no ends",
        "the ends of the ramp are not used",
        "The ramp begins at 1 or ends at 32, whatever `low` and `high` are.",
        "Does your code use `low` and `high`?",
        "low unused",
        "high unused",
    ),
    (
        "first kept",
        "the fastest pair left alone",
        "Interpolation divides all rates, the first of them, too.",
        "The worked example: 1 becomes 0.25.",
    ),
    (
        "whole exponent",
        "a whole number for the exponent",
        "`//` rounds the exponent d/(d - 2) down to 1, or to 2 where d = 4.",
        "A single slash.",
    ),
    (
        "d/d - 2",
        "brackets left out in the exponent",
        "Without brackets the power is computed first. The division or "
        "subtraction behind it comes later.",
        "s ** (d / (d - 2)).",
        "s^(d-2)/d",
        "s^d/(d-2)",
        "s^d/d-2",
    ),
    (
        "itself",
        "the base, not the rates",
        "You return the larger base. Return the rates that follow from it.",
        "b' to the power of -2i/d.",
    ),
    (
        "times d/(d - 2)",
        "a factor in place of a power",
        "s is multiplied by d/(d - 2). This is its exponent.",
        "s ** (d / (d - 2)).",
    ),
    (
        "half of d - 2",
        "an exponent that grows with d",
        "s has the exponent (d - 2)/2. The slowest pair is then stretched "
        "by far more than s.",
        "The exponent of s is d/(d - 2).",
    ),
    (
        "pairs",
        "the number of pairs in the exponent",
        "s has the exponent n/(n - 2) with n = d/2. d is the number of "
        "features.",
        "The exponent of s is d/(d - 2).",
    ),
    (
        "d - 1",
        "an exponent with d - 1",
        "s has the exponent d/(d - 1). The slowest pair has the "
        "exponent (d - 2)/d, so it is stretched by less than s.",
        "The exponent of s is d/(d - 2).",
    ),
    (
        "power of both",
        "the power of more than s",
        "The old base gets the exponent d/(d - 2), too. Only s does.",
        "base * s ** (d / (d - 2)).",
        "power of base",
    ),
    (
        "twice",
        "stretched twice",
        "The base is larger, and the rates are divided by s as well.",
        "Change the base, then compute the rates as always.",
    ),
    (
        "turns upside down",
        "turns upside down",
        "This is how many training texts one turn takes. The ramp "
        "counts the turns in one text.",
        "turns = trained · rate / 2π.",
    ),
    (
        "times",
        "multiplied by π",
        "The angle is multiplied by π where it should be divided.",
        "trained * rate / (2 * math.pi), with the brackets.",
        "times pi",
    ),
    (
        "stretched turns",
        "turns of the stretched pairs",
        "The turns are counted with the rates divided by s. In "
        "training the pairs had their old rates.",
        "turns = trained · rate / 2π.",
    ),
    (
        "whole turns",
        "whole turns only",
        "The turns are rounded down before the ramp.",
        "No floor and no //.",
    ),
    (
        "no low",
        "a ramp that begins at 0",
        "`low` is not taken from the turns, so a pair with `low` "
        "turns keeps a part of its rate.",
        "(turns - low) / (high - low).",
        "by high alone",
    ),
    (
        "over high",
        "a ramp that never ends",
        "The ramp is divided by `high`, so at `high` turns the "
        "share is less than 1.",
        "(turns - low) / (high - low).",
    ),
    (
        "brackets",
        "brackets left out",
        "Without brackets, a part of (turns - low) / (high - low) is "
        "computed in another order.",
        "(turns - low) / (high - low).",
        "brackets below",
    ),
    (
        "shares",
        "the shares, not the rates",
        "You return γ. It mixes two rates.",
        "keep * rate + (1 - keep) * rate / s.",
    ),
    (
        "degrees",
        "degrees for radians",
        "You use 360 for a full turn. But the rates are in radians per token.",
        "turns = trained · rate / 2π.",
    ),
    (
        "curved",
        "a curved ramp",
        "Your ramp is a curve. Here it is a straight line.",
        "(turns - low) / (high - low).",
    ),
    (
        "half turns",
        "half turns counted",
        "The angle is divided by π. A full turn is 2π.",
        "turns = trained · rate / 2π.",
    ),
    (
        "no ceiling",
        "shares above 1",
        "Above `high` the ramp continues, to shares above 1.",
        "clamp(0, 1).",
    ),
    (
        "no floor",
        "shares below 0",
        "Below `low` the ramp continues, to shares below 0.",
        "clamp(0, 1).",
    ),
    (
        "all divided",
        "everything divided by s",
        "By parts, all rates are divided by s, also those of pairs with many "
        "turns. But these should be kept.",
        "keep * rate + (1 - keep) * rate / s.",
    ),
    (
        "no rest",
        "shares that add up to more than 1",
        "The stretched rates are added with a share of 1. Their share is 1 - "
        "keep.",
        "keep * rate + (1 - keep) * rate / s.",
    ),
    (
        "wavelengths mixed",
        "wavelengths mixed",
        "The ramp mixes the wavelengths. In the formula it mixes the rates.",
        "keep * rate + (1 - keep) * rate / s.",
    ),
    (
        "powers",
        "a product of powers",
        "The ramp mixes the logarithms of the rates. In the "
        "formula it mixes the rates.",
        "keep * rate + (1 - keep) * rate / s.",
    ),
    (
        "parts by base",
        "the larger base in the parts",
        "Slow pairs get the rates of a larger base. By parts, they "
        "are divided by s.",
        "(1 - keep) * rate / s.",
    ),
    (
        "larger by parts",
        "a larger base outside its kind",
        'The larger base is meant for "base" alone. You use it for another '
        "kind, too.",
        "Where does the base change: in its own branch, or before it?",
        "larger everywhere",
    ),
]

MISTAKES = [
    *named(mistaken_rates, _ROWS),
    Mistake(
        "every kind alike",
        "You give the same rates whatever `kind` says.",
        partial(_of_one_kind, only="interpolate"),
        "One branch for each of the three words.",
        (
            _of_one_kind,
            partial(_of_one_kind, only="parts"),
        ),
    ),
    Mistake(
        "by base what should be by parts",
        'For "parts" you give the rates of a larger base.',
        _parts_are_base,
        'Does the branch "parts" end where "base" begins?',
    ),
    Mistake(
        "rounded",
        "The rates are rounded. The slowest ones are so small that rounding "
        "leaves little or nothing.",
        _rounded_rates,
        "Return them as they are.",
        tuple(partial(_rounded_rates, digits=n) for n in (4, 5, 7, 8)),
    ),
    Mistake(
        "a list or an array",
        "You return a list or an array. Return a tensor.",
        _rates_as_numbers,
        "torch.tensor(rates), or a tensor from the beginning.",
        (_rates_as_array,),
    ),
    Mistake(
        "angles for rates",
        "You return the angles at the end of a text. The question is "
        "the radians for one token.",
        _angles,
        "Return the rates themselves.",
        (partial(_angles, by="trained"),),
    ),
    Mistake(
        "wavelengths for rates",
        "You return the tokens per turn. The question is the radians per "
        "token.",
        _wavelengths,
        "Return the rates themselves.",
    ),
    Mistake(
        "a rate for each feature",
        "A pair of features turns together, with one rate.",
        _rates_for_each_feature,
        "d/2 rates for d features.",
        (_rates_with_odd_exponents,),
    ),
]
