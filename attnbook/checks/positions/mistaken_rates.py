"""The rates of exercise 05.5, right and with a mistake."""

from __future__ import annotations

import math

import torch


def stretched_rates(
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


def mistaken_rates(
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
    if mistake == "no base for shorter" and wanted <= trained:
        base = 10_000.0
    if mistake in ("no ends", "low unused"):
        low = 1.0
    if mistake in ("no ends", "high unused"):
        high = 32.0
    larger = mistake == "larger everywhere" or (
        mistake == "larger by parts" and kind == "parts"
    )
    if larger and kind != "base":
        base = base * max(wanted / trained, 1.0) ** (d / (d - 2))
    exponent = torch.arange(0, d, 2, dtype=torch.double) / d  # (d/2,)
    if mistake == "half width":  # a rate for each of d/2 features
        d = d // 2
    if mistake == "half exponent":
        exponent = exponent / 2
    if mistake == "last by the base":
        exponent = exponent * d / (d - 2)
    if mistake == "rising":
        exponent = -exponent
    if mistake == "no width":
        exponent = exponent * d / 2
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
    if mistake == "shares":
        return keep
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
        "upside down, free": trained / wanted,
        "wanted": wanted,
    }.get(mistake, wanted / trained)
    if mistake == "no stretch":
        return 1.0
    if mistake == "min for max":
        return min(stretch, 1.0)
    if mistake == "from twice":
        return stretch if stretch >= 2 else 1.0
    free = ("shrinks", "upside down, free")
    return stretch if mistake in free else max(stretch, 1.0)


def _mistaken_base(d, base, stretch, exponent, mistake):
    """The rates of another base, (d/2,)."""
    if mistake == "whole exponent":
        return (base * stretch ** (d // (d - 2))) ** -exponent
    if mistake == "d/d - 2":
        return (base * stretch ** (d / d - 2)) ** -exponent
    if mistake == "s^(d-2)/d":
        return (base * stretch ** (d - 2) / d) ** -exponent
    if mistake == "s^d/(d-2)":
        return (base * stretch**d / (d - 2)) ** -exponent
    if mistake == "s^d/d-2":
        return (base * stretch**d / d - 2) ** -exponent
    if mistake == "times d/(d - 2)":
        return (base * stretch * d / (d - 2)) ** -exponent
    if mistake == "itself":
        return torch.tensor(base * stretch ** (d / (d - 2)))
    if mistake == "half of d - 2":
        return (base * stretch ** ((d - 2) / 2)) ** -exponent
    if mistake == "pairs":
        pairs = d / 2
        return (base * stretch ** (pairs / max(pairs - 2, 1))) ** -exponent
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
    if mistake == "unchanged":
        return base**-exponent
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
    if mistake == "degrees":
        turns = trained * rate / 360
    if mistake == "half turns":
        turns = trained * rate / math.pi
    if mistake == "times pi":
        turns = trained * rate / 2 * math.pi
    if mistake == "stretched turns":
        turns = trained * slow / (2 * math.pi)
    if mistake == "whole turns":
        turns = turns.floor()
    keep = (turns - low) / (high - low)
    if mistake in ("no low", "by high alone"):
        keep = turns / (high - low if mistake == "no low" else high)
    if mistake == "over high":
        keep = (turns - low) / high
    if mistake == "brackets":
        keep = turns - low / high - low
    if mistake == "brackets below":
        keep = (turns - low) / high - low
    if mistake == "curved":
        keep = keep.clamp(0, 1)
        keep = keep**2 * (3 - 2 * keep)
    if mistake == "by index":
        keep = 1 - torch.linspace(0, 1, len(rate), dtype=torch.double)
    if mistake == "no floor":
        keep = keep.clamp(max=1)
    elif mistake == "no ceiling":
        keep = keep.clamp(min=0)
    elif mistake != "no clamp":
        keep = keep.clamp(0, 1)
    if mistake in ("a step", "a late step"):
        keep = (turns > (low if mistake == "a step" else high)).double()
    if mistake == "a middle step":
        keep = keep.round()
    return 1 - keep if mistake == "reversed" else keep
