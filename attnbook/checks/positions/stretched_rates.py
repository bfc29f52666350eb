"""Exercise 05.5: Stretch the rotary wavelengths."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch

from attnbook.judging.exercise import Case, Exercise, Mistake, Part, Property
from attnbook.judging.named_mistakes import named
from attnbook.judging.parts import WrongAnswer

_KINDS = ("interpolate", "base", "parts")
_OFF = 1e-4  # the part of a rate by which it may be off


def _stretched_rates(
    d, trained, wanted, kind, base=10_000.0, low=1.0, high=32.0
):
    exponent = torch.arange(0, d, 2, dtype=torch.double) / d  # (d/2,)
    rate = base**-exponent
    stretch = max(wanted / trained, 1.0)
    if kind == "interpolate":
        return rate / stretch
    if kind == "base":
        return (base * stretch ** (d / (d - 2))) ** -exponent
    turns = trained * rate / (2 * math.pi)  # (d/2,)
    keep = ((turns - low) / (high - low)).clamp(0, 1)
    return keep * rate + (1 - keep) * rate / stretch


def _mistaken(
    d,
    trained,
    wanted,
    kind,
    base=10_000.0,
    low=1.0,
    high=32.0,
    *,
    mistake,
):
    """The same with a mistake."""
    if mistake == "no base":
        base = 10_000.0
    if mistake == "no ends":
        low, high = 1.0, 32.0
    exponent = torch.arange(0, d, 2, dtype=torch.double) / d  # (d/2,)
    if mistake == "half width":  # a rate for each of d/2 features
        d = d // 2
    if mistake == "half exponent":
        exponent = exponent / 2
    if mistake == "rising":
        exponent = -exponent
    rate = base**-exponent
    stretch = _mistaken_stretch(trained, wanted, mistake)
    slow = rate / stretch
    if mistake == "multiplied":
        slow = rate * stretch
    if kind == "interpolate":
        if mistake == "first kept":
            slow = torch.cat((rate[:1], slow[1:]))
        return slow
    if kind == "base":
        return _mistaken_base(d, base, stretch, exponent, mistake)
    keep = _mistaken_share(rate, slow, trained, wanted, low, high, mistake)
    if mistake == "all divided":
        return (keep * rate + (1 - keep) * rate) / stretch
    if mistake == "no rest":
        return keep * rate + slow
    if mistake == "wavelengths mixed":
        return 1 / (keep / rate + (1 - keep) / slow)
    if mistake == "powers":
        return rate**keep * slow ** (1 - keep)
    if mistake == "parts by base":
        slow = (base * stretch ** (d / (d - 2))) ** -exponent
    return keep * rate + (1 - keep) * slow


def _mistaken_stretch(trained, wanted, mistake):
    """How many times as long the context gets."""
    stretch = {
        "whole": wanted // trained,
        "whole, up": math.ceil(wanted / trained),
        "difference": wanted - trained,
        "upside down": trained / wanted,
        "wanted": wanted,
    }.get(mistake, wanted / trained)
    return stretch if mistake == "shrinks" else max(stretch, 1.0)


def _mistaken_base(d, base, stretch, exponent, mistake):
    """The rates of another base, (d/2,)."""
    if mistake == "whole exponent":
        return (base * stretch ** (d // (d - 2))) ** -exponent
    if mistake == "d - 1":
        return (base * stretch ** (d / (d - 1))) ** -exponent
    if mistake == "power of both":
        return (base * stretch) ** (-exponent * d / (d - 2))
    if mistake == "power of base":
        return (base ** (d / (d - 2)) * stretch) ** -exponent
    if mistake == "twice":
        slow_base = base * stretch ** (d / (d - 2))
        return slow_base**-exponent / stretch
    if mistake == "plain base":
        return (base * stretch) ** -exponent
    if mistake == "d - 2 over d":
        return (base * stretch ** ((d - 2) / d)) ** -exponent
    if mistake == "rate of the base":
        return base**-exponent / stretch ** (d / (d - 2))
    if mistake == "smaller base":
        return (base / stretch ** (d / (d - 2))) ** -exponent
    return (base * stretch ** (d / (d - 2))) ** -exponent


def _mistaken_share(rate, slow, trained, wanted, low, high, mistake):
    """How much each pair keeps of its rate, (d/2,)."""
    turns = trained * rate / (2 * math.pi)  # (d/2,)
    if mistake == "radians":
        turns = trained * rate
    if mistake == "wavelengths":
        turns = 2 * math.pi / rate
    if mistake == "wanted turns":
        turns = wanted * rate / (2 * math.pi)
    if mistake == "turns upside down":
        turns = 2 * math.pi / (trained * rate)
    if mistake == "times":
        turns = trained * rate * 2 * math.pi
    if mistake == "times pi":
        turns = trained * rate / 2 * math.pi
    if mistake == "stretched turns":
        turns = trained * slow / (2 * math.pi)
    if mistake == "whole turns":
        turns = turns.floor()
    keep = (turns - low) / (high - low)
    if mistake == "no low":
        keep = turns / (high - low)
    if mistake == "over high":
        keep = (turns - low) / high
    if mistake == "brackets":
        keep = turns - low / high - low
    if mistake == "by index":
        keep = 1 - torch.linspace(0, 1, len(rate), dtype=torch.double)
    if mistake == "no floor":
        keep = keep.clamp(max=1)
    elif mistake != "no clamp":
        keep = keep.clamp(0, 1)
    if mistake in ("a step", "a late step"):
        keep = (turns > (low if mistake == "a step" else high)).double()
    if mistake == "a middle step":
        keep = keep.round()
    return 1 - keep if mistake == "reversed" else keep


def _wavelengths(*arguments, **keywords):
    return 2 * math.pi / _stretched_rates(*arguments, **keywords)


def _rates_for_each_feature(*arguments, **keywords):
    return _stretched_rates(*arguments, **keywords).repeat_interleave(2)


def _rates_with_odd_exponents(d, *arguments, **keywords):
    """Exponents i/d for i = 0 to d - 1, where the rates have 2i/d."""
    return _mistaken(2 * d, *arguments, mistake="half width", **keywords)


def _stretched_by_loops(
    d, trained, wanted, kind, base=10_000.0, low=1.0, high=32.0
):
    s = max(wanted / trained, 1)
    rates = []
    for i in range(d // 2):
        wavelength = 2 * math.pi * base ** (2 * i / d)
        if kind == "interpolate":
            wavelength *= s
        elif kind == "base":
            wavelength *= s ** (2 * i / (d - 2))
        else:
            turns = trained / wavelength
            if turns <= low:
                wavelength *= s
            elif turns < high:
                keep = (turns - low) / (high - low)
                wavelength /= keep + (1 - keep) / s
        rates.append(2 * math.pi / wavelength)
    return torch.tensor(rates)


def _stretched_by_lerp(
    d, trained, wanted, kind, base=10_000.0, low=1.0, high=32.0
):
    s = max(1.0, wanted / trained)
    i = torch.arange(d // 2)
    rate = torch.exp(-2 * i / d * math.log(base))
    if kind == "base":
        return rate * torch.exp(-2 * i / (d - 2) * math.log(s))
    if kind == "interpolate":
        return rate / s
    turns = trained * rate / math.tau
    keep = ((turns - low) / (high - low)).clip(0, 1)
    return torch.lerp(rate / s, rate, keep)


def _rates_of(kinds, least, most, seed):
    """Two cases a kind, for texts so many times as long as trained."""
    random = np.random.default_rng(seed)
    for kind in 2 * kinds:
        d = int(2 * random.integers(2, 17))
        trained = int(random.integers(50, 1000))
        wanted = int(trained * random.uniform(least, most))
        base = float(random.choice([1e4, 5e5]))
        yield Case("drawn anew", (d, trained, wanted, kind, base))


def _slow_rates(kind):
    """The property that a rate far below 1 is right, too."""

    def holds(answer):
        inputs = 64, 512, 4096, kind, 500_000.0
        right = _stretched_rates(*inputs)  # (32,)
        got = torch.as_tensor(answer(*inputs)).to(right)
        off = (got / right - 1).abs()
        if off.shape == right.shape and off.max() > _OFF:
            i = int(off.argmax())
            raise WrongAnswer(
                f"With {inputs} as inputs, rate {i} should be "
                f"{right[i]:.4g}, yours is {got[i]:.4g}: it is off by more "
                "than a ten-thousandth of itself.\n"
                "Nothing is to be rounded: the slowest rates are the "
                "smallest numbers."
            )
        return off.shape == right.shape

    return Property(
        f"Each rate of {kind!r} is right to a ten-thousandth of itself.",
        holds,
    )


_MISTAKES = [
    (
        "upside down",
        "the stretch upside down",
        "You divide trained by wanted. For a longer text the stretch "
        "is more than 1.",
        "s = wanted / trained.",
    ),
    (
        "wanted",
        "the length for the stretch",
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
        "s has the exponent (d - 2)/d. The slowest pair, with this "
        "very exponent, then gets less than s.",
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
        "The turns are counted in the longer text. What a pair has "
        "learnt, it learnt in texts of length `trained`.",
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
        "Above `high` and below `low` the ramp goes on, to shares "
        "above 1 and below 0.",
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
        "Fast pairs are stretched and slow ones kept. It is the slow "
        "ones that meet angles they have never seen.",
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
        "You take trained from wanted. The stretch says how many "
        "*times* as long the text is.",
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
        "no base",
        "the base is not used",
        "The rates have the base 10,000, whatever `base` says.",
        "Does your code use `base`, or a number in its place?",
    ),
    (
        "no ends",
        "the ends of the ramp are not used",
        "The ramp runs from 1 to 32, whatever `low` and `high` say.",
        "Does your code use `low` and `high`?",
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
        "Without brackets, only `low` is divided by `high`.",
        "(turns - low) / (high - low).",
    ),
    (
        "no floor",
        "shares below 0",
        "Below `low` the ramp goes on, to shares below 0.",
        "clamp(0, 1).",
    ),
    (
        "all divided",
        "everything divided by s",
        "Both parts of the mix are divided by s. The kept part is not.",
        "keep * rate + (1 - keep) * rate / s.",
    ),
    (
        "no rest",
        "shares that add up to more than 1",
        "The stretched rates are added whole. Their share is what "
        "the kept ones leave.",
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
]

EXERCISE = Exercise(
    "05-stretched-rates",
    "Stretch the rotary wavelengths",
    points=5,
    reference=_stretched_rates,
    cases=[
        Case("the worked example", (4, 100, 400, "interpolate")),
        Case(
            "the worked example, by base",
            (4, 100, 400, "base"),
            look="The first rate must stay 1, the last must be quartered.",
        ),
        Case(
            "the worked example, by parts",
            (4, 100, 400, "parts"),
            look="Print turns, shares and rates beside the worked example.",
        ),
        Case("two and a half times as long", (16, 64, 160, "interpolate")),
        Case(
            "a larger base",
            (16, 64, 128, "base"),
            look="The first rate must stay 1, the last must be halved.",
        ),
        Case("a larger base, eight times", (64, 512, 4096, "base", 500_000.0)),
        Case(
            "by parts",
            (32, 512, 1024, "parts"),
            look="Print turns, keep and the rates beside each other.",
        ),
        Case("by parts, other ends", (16, 256, 1024, "parts", 1e4, 2.0, 16.0)),
        Case("shorter than trained", (8, 64, 16, "interpolate")),
        Case("shorter, by base", (8, 64, 32, "base")),
        Case("shorter, by parts", (8, 64, 32, "parts")),
    ],
    mistakes=[
        *named(_mistaken, _MISTAKES),
        Mistake(
            "wavelengths for rates",
            "You return the tokens for a turn. The question is the radians "
            "for a token.",
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
    ],
    right_answers=[_stretched_by_loops, _stretched_by_lerp],
    tolerance=1e-6,
    axes={"output": "d/2"},
    properties=[_slow_rates(kind) for kind in _KINDS],
    parts=[
        Part(
            "interpolate",
            "all rates divided by the same number",
            1,
            tries=(
                "the worked example",
                "two and a half times as long",
                "Each rate of 'interpolate' is right to a ten-thousandth of "
                "itself.",
            ),
            fresh=partial(_rates_of, _KINDS[:1], 1.2, 8),
        ),
        Part(
            "base",
            "rates of a larger base",
            1,
            tries=(
                "the worked example, by base",
                "a larger base",
                "a larger base, eight times",
                "Each rate of 'base' is right to a ten-thousandth of itself.",
            ),
            fresh=partial(_rates_of, _KINDS[1:2], 1.2, 8),
        ),
        Part(
            "parts",
            "rates by parts",
            2,
            tries=(
                "the worked example, by parts",
                "by parts",
                "by parts, other ends",
                "Each rate of 'parts' is right to a ten-thousandth of itself.",
            ),
            fresh=partial(_rates_of, _KINDS[2:], 1.2, 8),
        ),
        Part(
            "shorter",
            "texts no longer than those of training",
            1,
            tries=(
                "shorter than trained",
                "shorter, by base",
                "shorter, by parts",
            ),
            fresh=partial(_rates_of, _KINDS, 0.3, 1.0),
        ),
    ],
)
