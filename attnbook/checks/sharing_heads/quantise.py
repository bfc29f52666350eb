"""Exercise 08.4: Keep a cache in 8 bits, and measure the error."""

from __future__ import annotations

from dataclasses import replace

import torch

from attnbook.checks.sharing_heads.quantise_mistaken import mistaken
from attnbook.checks.sharing_heads.quantise_mistakes import MISTAKES
from attnbook.judging.comparison import kind_of
from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import named
from attnbook.judging.parts import WrongAnswer
from attnbook.judging.tensors import normal


def _quantise(x, per):
    dim = -1 if per == "token" else -2
    lowest, highest = x.amin(dim, keepdim=True), x.amax(dim, keepdim=True)
    scale = (highest - lowest) / 255
    scale = torch.where(scale > 0, scale, 1.0)
    codes = ((x - lowest) / scale).round().to(torch.uint8)
    restored = codes * scale + lowest
    return codes, scale, lowest, (restored - x).abs().amax((-2, -1))


# -- right, written differently ----------------------------------------------


def _row_by_row(x, per):
    """With loops over rows and heads, and Python's own numbers."""
    turned = x if per == "token" else x.transpose(-2, -1)
    codes = torch.zeros(turned.shape, dtype=torch.uint8)
    scale, lowest = (torch.zeros_like(turned[..., :1]) for _ in "sl")
    error = torch.zeros(x.shape[:2], dtype=x.dtype)
    for b, row in enumerate(turned):
        for g, head in enumerate(row):
            for n, numbers in enumerate(head):
                low, high = numbers.min(), numbers.max()
                step = (high - low) / 255 if high > low else torch.ones(())
                code = torch.floor((numbers - low) / step + 0.5)
                codes[b, g, n] = code.byte()
                scale[b, g, n], lowest[b, g, n] = step, low
                off = (code * step + low - numbers).abs().max()
                error[b, g] = torch.maximum(error[b, g], off)
    if per == "channel":
        codes, scale, lowest = (
            y.transpose(-2, -1) for y in (codes, scale, lowest)
        )
    return codes, scale, lowest, error


def _by_multiplying(x, per):
    """Times 255 over the range, and rounded by adding a half."""
    dim = {"token": 3, "channel": 2}[per]
    ordered = x.sort(dim).values
    lowest = ordered.narrow(dim, 0, 1)
    width = ordered.narrow(dim, x.shape[dim] - 1, 1) - lowest
    is_flat = width == 0
    share = (x - lowest) / (width + is_flat)
    codes = (255 * share + 0.5).clamp(0, 255).byte()
    scale = (width + 255.0 * is_flat) / 255
    error = (x - lowest - codes.to(x.dtype) * scale).abs()
    return codes, scale, lowest, error.flatten(2).max(-1).values


# -- cases -------------------------------------------------------------------


def _run_quantise(answer, x, per):
    """Call an answer; its codes have to take a byte each."""
    result = answer(x, per)
    if not isinstance(result, (tuple, list)) or len(result) != 4:
        raise WrongAnswer(
            "expected (codes, scale, lowest, error), four tensors; yours "
            f"returns {kind_of(result)}."
        )
    codes = result[0]
    if not isinstance(codes, torch.Tensor) or codes.dtype != torch.uint8:
        found = getattr(codes, "dtype", kind_of(codes))
        raise WrongAnswer(
            "codes should be of type torch.uint8, a byte each, from 0 to 255; "
            f"yours: {found}. Try .round().to(torch.uint8)."
        )
    return (codes.long(), *result[1:])


def _cache_case(
    name, B, G, S, d, per, seed, scale=1.0, shift=0.0, dtype=torch.float32
):
    """Channels of different size, as keys often have."""
    generator = torch.Generator().manual_seed(seed)
    x = normal(generator, B, G, S, d, scale=scale).double()
    x = x * (1 + 3 * torch.rand(d, generator=generator)) + shift
    x = x + torch.rand(G, 1, 1, generator=generator)
    return Case(name, (x.to(dtype), per))


def _worked_cache():
    x = torch.tensor([[[-1.0, 0.507, 4.1], [2.0, 2.0, 2.0]]])
    return Case("the worked example", (x[None], "token"))


def _flat_case(name, B, G, S, d, per, seed, scale=1.0, level=0.3):
    """One row or channel of each head has the same number everywhere.

    A level of 0 stays what it is where numbers are moved by a part.
    """
    case = _cache_case(name, B, G, S, d, per, seed, scale)
    x = case.arguments[0]
    for g in range(G):
        if per == "token":
            x[:, g, (seed + g) % S] = level * (g - 1)
        else:
            x[:, g, :, (seed + g) % d] = level * (g - 1)
    return case


def _outlier():
    case = _cache_case("numbers of 200", 2, 2, 5, 4, "token", 108)
    x = case.arguments[0]
    x[0, 1, 2, 1], x[1, 0, 3, 2], x[1, 1, 0, 0] = 200.0, -200.0, 150.0
    return case


def _exact_case(name, B, G, S, d, per, seed, unit, base):
    """Numbers whose steps of 5 units, and what is restored, are exact."""
    random = torch.Generator().manual_seed(seed)
    turned = (B, G, S, d) if per == "token" else (B, G, d, S)
    units = torch.randint(1, 255 * 5, turned, generator=random)
    for row, order in zip(
        units.flatten(0, 2),
        torch.rand(units.flatten(0, 2).shape, generator=random).argsort(),
        strict=True,
    ):
        row[order[:2]] = torch.tensor([0, 255 * 5])
    x = (base + units.double() * unit).float()
    return Case(name, (x if per == "token" else x.mT.contiguous(), per))


def _has_small_steps(case, output):
    """Whether nothing is wrong but the scale of rows of one number."""
    right, found = _quantise(*case.arguments), torch.as_tensor(output[1])
    if found.shape != right[1].shape:
        return False
    off = (found - right[1]).abs() > 1e-3 * right[1]
    return bool(
        torch.equal(torch.as_tensor(output[0]), right[0].long())
        and torch.equal(off & (right[1] == 1), off)
        and off.any()
    )


_OTHER_SIZES = anew(
    _cache_case,
    B=(2, 3),
    G=(2, 3),
    S=(3, 6),
    d=(3, 6),
    per=["token", "channel"],
    scale=(0.5, 2.0),
    shift=(-4.0, 4.0),
)


EXERCISE = Exercise(
    "08-quantise",
    "Keep a cache in 8 bits, and measure the error",
    points=4,
    reference=_quantise,
    cases=[
        _worked_cache(),
        _cache_case("a row for each token", 2, 3, 5, 4, "token", 101),
        _cache_case("a row for each channel", 3, 2, 4, 6, "channel", 102),
        _cache_case("numbers above 0", 2, 2, 6, 3, "token", 103, 0.2, 5.0),
        _cache_case("numbers below 0", 2, 3, 3, 5, "channel", 104, 0.4, -7.0),
        _cache_case("all sizes alike", 3, 3, 3, 3, "token", 105),
        _cache_case(
            "in double precision",
            2,
            2,
            7,
            5,
            "channel",
            106,
            dtype=torch.float64,
        ),
        _flat_case("tokens of one number", 2, 3, 4, 5, "token", 107),
        _flat_case("channels of one number", 2, 2, 5, 3, "channel", 109),
        Case("zeros", (torch.zeros(2, 2, 3, 4), "token")),
        _cache_case("a single token, by channels", 2, 3, 1, 4, "channel", 110),
        _outlier(),
        _exact_case(
            "numbers of 15,000", 2, 3, 4, 6, "token", 112, 2.0**-10, 15_000.0
        ),
        _exact_case(
            "numbers of a billionth",
            2,
            2,
            5,
            4,
            "channel",
            113,
            2.0**-38,
            -275 * 2.0**-38,
        ),
    ],
    mistakes=[
        replace(one, shows=_has_small_steps)
        if one.name == "a scale of 0, or nearly 0"
        else one
        for one in named(mistaken, MISTAKES)
    ],
    right_answers=[_row_by_row, _by_multiplying],
    tolerance=1e-5,
    outputs=("codes", "scale", "lowest", "error"),
    axes={"codes": "B G S d", "error": "B G"},
    run=_run_quantise,
    parts=[
        Part(
            "codes",
            "codes, scale and lowest number",
            2,
            tries=(
                "the worked example",
                "a row for each token",
                "a row for each channel",
                "numbers above 0",
                "numbers below 0",
                "all sizes alike",
                "in double precision",
            ),
            outputs=("codes", "scale", "lowest"),
            fresh=_OTHER_SIZES,
        ),
        Part(
            "error",
            "the error of each head",
            1,
            tries=(
                "the worked example",
                "a row for each token",
                "a row for each channel",
                "all sizes alike",
                "in double precision",
            ),
            outputs=("error",),
            fresh=_OTHER_SIZES,
        ),
        Part(
            "edges",
            "rows of one number, and large numbers",
            1,
            tries=(
                "tokens of one number",
                "channels of one number",
                "zeros",
                "a single token, by channels",
                "numbers of 200",
                "numbers of 15,000",
                "numbers of a billionth",
            ),
            fresh=anew(
                _flat_case,
                B=(2, 3),
                G=(2, 3),
                S=(3, 6),
                d=(3, 6),
                per=["token", "channel"],
                scale=(0.5, 2.0),
                level=0.0,
            ),
        ),
    ],
)
