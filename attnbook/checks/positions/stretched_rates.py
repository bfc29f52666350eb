"""Exercise 05.5: Stretch the rotary wavelengths."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch

from attnbook.checks.positions.mistaken_rates import stretched_rates
from attnbook.checks.positions.stretched_rates_mistakes import MISTAKES
from attnbook.judging.exercise import Case, Exercise, Part

_KINDS = ("interpolate", "base", "parts")


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
        keywords = {"base": base, "unit": 1e-6}
        yield Case("drawn anew", (d, trained, wanted, kind), keywords)


def _run(answer, d, trained, wanted, kind, *, unit=1.0, **keywords):
    """Call an answer. Slow rates are told in a unit as small as they are.

    So what is left of them where they are rounded is seen, too.
    """
    rates = answer(d, trained, wanted, kind, **keywords)
    return rates / unit if isinstance(rates, torch.Tensor) else rates


def _slow_case(name, kind):
    keywords = {"base": 500_000.0, "unit": 1e-6}
    return Case(name, (64, 512, 4096, kind), keywords)


EXERCISE = Exercise(
    "05-stretched-rates",
    "Stretch the rotary wavelengths",
    points=5,
    reference=stretched_rates,
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
            (16, 64, 160, "base"),
            look="The first rate must stay 1, the last be divided by 2.5.",
        ),
        _slow_case("slow rates, in millionths", "interpolate"),
        _slow_case("slow rates of a larger base, in millionths", "base"),
        _slow_case("slow rates by parts, in millionths", "parts"),
        Case(
            "by parts",
            (32, 512, 1024, "parts"),
            look="Print turns, keep and the rates beside each other.",
        ),
        Case("a little longer", (6, 80, 100, "interpolate")),
        Case("a little longer, by base", (6, 80, 100, "base")),
        Case("a little longer, by parts", (6, 80, 100, "parts")),
        Case(
            "by parts, other ends",
            (16, 256, 900, "parts"),
            {"low": 2.0, "high": 16.0},
        ),
        Case("shorter than trained", (8, 64, 16, "interpolate")),
        Case("shorter, by base", (8, 64, 32, "base")),
        Case("shorter, by parts", (8, 64, 32, "parts")),
        Case("shorter, another base", (8, 64, 32, "parts"), {"base": 100.0}),
    ],
    mistakes=MISTAKES,
    right_answers=[_stretched_by_loops, _stretched_by_lerp],
    tolerance=1e-5,
    axes={"output": "d/2"},
    run=_run,
    parts=[
        Part(
            "interpolate",
            "all rates divided by the same number",
            1,
            tries=(
                "the worked example",
                "two and a half times as long",
                "a little longer",
                "slow rates, in millionths",
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
                "a little longer, by base",
                "slow rates of a larger base, in millionths",
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
                "a little longer, by parts",
                "slow rates by parts, in millionths",
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
                "shorter, another base",
            ),
            fresh=partial(_rates_of, _KINDS, 0.3, 1.0),
        ),
    ],
)
