"""Features turned by row and column, and known mistakes of who turns them."""

from __future__ import annotations

import math
from functools import partial

import torch

from attnbook.judging.exercise import Mistake


def _turn_pairs(x, angle):
    """Turn neighbouring pairs of x (..., L, d) by angle (L, d/2)."""
    cos, sin = angle.cos(), angle.sin()
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = even * cos - odd * sin, even * sin + odd * cos
    return torch.stack(turned, -1).flatten(-2)


def rotate_2d(x, row, column, base=100.0):
    d = x.shape[-1] // 2
    rate = base ** (-torch.arange(0, d, 2, dtype=x.dtype) / d)  # (d/2,)
    turned = [
        _turn_pairs(half, place.to(x.dtype)[:, None] * rate)
        for half, place in zip(x.chunk(2, -1), (row, column), strict=True)
    ]
    return torch.cat(turned, -1)


def _mistaken_turn(x, angle, mistake):
    cos, sin = angle.cos(), angle.sin()
    if mistake == "backwards":
        sin = -sin
    if mistake == "full turns":
        cos, sin = (2 * math.pi * angle).cos(), (2 * math.pi * angle).sin()
    if mistake == "split halves":
        first, second = x.chunk(2, -1)
        turned = first * cos - second * sin, first * sin + second * cos
        return torch.cat(turned, -1)
    if mistake == "two layouts":
        first, second = x.chunk(2, -1)
        partner = torch.cat([-second, first], -1)
        cos, sin = (a.repeat_interleave(2, -1) for a in (cos, sin))
        return x * cos + partner * sin
    even, odd = x[..., 0::2], x[..., 1::2]
    if mistake == "reflected":
        turned = even * cos + odd * sin, even * sin - odd * cos
    elif mistake == "sign below":
        turned = even * cos - odd * sin, odd * cos - even * sin
    elif mistake == "sign below, last":
        turned = even * cos - odd * sin, even * sin - odd * cos
    elif mistake == "sign above":
        turned = even * cos + odd * sin, even * sin + odd * cos
    elif mistake == "overwritten":
        even = even * cos - odd * sin
        turned = even, even * sin + odd * cos
    elif mistake == "no cross":
        turned = even * cos, odd * sin
    elif mistake == "swapped":
        turned = even * sin - odd * cos, even * cos + odd * sin
    else:
        turned = even * cos - odd * sin, even * sin + odd * cos
    if mistake == "blocks":
        return torch.cat(turned, -1)
    return torch.stack(turned, -1).flatten(-2)


def _mistaken_rate(x, base, mistake):
    if mistake in ("base 100", "base 10000"):
        base = 100.0 if mistake == "base 100" else 10_000.0
    last = width = x.shape[-1] // 2
    if mistake == "whole width":
        width = 2 * last
    elif mistake == "too many rates":
        last = width = 2 * last
        if x.shape[-1] > 4:
            # Any slip raises a RuntimeError here: this one is known by the
            # worked example, where its shapes broadcast.
            raise ValueError("more rates than pairs")
    exponent = torch.arange(0, last, 2, dtype=x.dtype) / width
    if mistake == "equal steps":
        return torch.linspace(1, 1 / base, len(exponent), dtype=x.dtype)
    if mistake == "reverse":
        exponent = exponent.flip(0)
    elif mistake == "i from 1":
        exponent = exponent + 2 / width
    if mistake == "floor":
        exponent = exponent.ceil()
    elif mistake == "last by the base":
        exponent = exponent * width / max(width - 2, 1)
    elif mistake == "no width":
        exponent = exponent * width / 2
    rate = base**-exponent
    if mistake == "rising":
        return 1 / rate
    if mistake == "two twice":
        return rate**2
    return torch.ones_like(rate) if mistake == "no rate" else rate


def _mistaken_places(x, row, column, mistake):
    if mistake == "from one":
        row, column = row + 1, column + 1
    elif mistake == "row twice":
        column = row
    elif mistake == "column twice":
        row = column
    elif mistake == "columns backwards":
        column = -column
    elif mistake == "degrees":
        row, column = row.deg2rad(), column.deg2rad()
    elif mistake == "shares":
        row, column = (p / p.max().clamp(min=1) for p in (row, column))
    elif mistake == "own grid":
        n = math.isqrt(x.shape[2])
        row, column = torch.arange(x.shape[2]) // n, torch.arange(len(row)) % n
    elif mistake == "grid in order":
        place, n = torch.arange(len(row)), int(column.max()) + 1
        row, column = place // n, place % n
    elif mistake == "grid by columns":
        place, n = torch.arange(len(row)), int(row.max()) + 1
        row, column = place % n, place // n
    elif mistake == "sorted":
        order = (row * (column.max() + 1) + column).argsort()
        row, column = row[order], column[order]
    elif mistake == "exchanged":
        row, column = column, row
    row, column = row.to(x.dtype), column.to(x.dtype)
    if mistake == "sum":
        row = column = row + column
    elif mistake == "one index":
        row = column = row * (column.max() + 1) + column
    return row, column


def _mistaken(x, row, column, base=100.0, *, mistake):
    """The same with a mistake."""
    if mistake == "unturned":
        return x.clone()
    if mistake == "detached":
        x = x.detach()
    rate = _mistaken_rate(x, base, mistake)  # (d/2,)
    row, column = _mistaken_places(x, row, column, mistake)
    first, second = x.chunk(2, -1)
    if mistake in ("alternate", "alternate in place"):
        pairs = x.unflatten(-1, (-1, 4))
        first = pairs[..., :2].flatten(-2)
        second = pairs[..., 2:].flatten(-2)
    first = _mistaken_turn(first, row[:, None] * rate, mistake)
    if mistake != "one half":
        second = _mistaken_turn(second, column[:, None] * rate, mistake)
    if mistake == "on the heads":
        turn = [p[:, None, None] * rate for p in (row, column)]
        return torch.cat(
            [
                _mistaken_turn(half, angle, mistake)
                for half, angle in zip(x.chunk(2, -1), turn, strict=True)
            ],
            -1,
        )
    if mistake == "one half returned":
        return first
    if mistake == "in place":
        x.copy_(torch.cat([first, second], -1))
        return x
    turned = [first, second]
    if mistake == "halves exchanged":
        turned = turned[::-1]
    if mistake == "alternate in place":
        pairs = [half.unflatten(-1, (-1, 2)) for half in turned]
        return torch.cat(pairs, -1).flatten(-2)
    return torch.cat(turned, -1)


def _rotate_2d_whole(x, row, column, base=100.0, place="sum"):
    """One rotary embedding over the whole head, or its rates alone."""
    d = x.shape[-1]
    rate = base ** (-torch.arange(0, d, 2, dtype=x.dtype) / d)  # (d/2,)
    if place in ("row", "column"):
        number = row if place == "row" else column
        return _turn_pairs(x, number[:, None] * rate)
    if place == "sum":
        return _turn_pairs(x, (row + column)[:, None] * rate)
    if place == "index":
        number = row * (column.max() + 1) + column
        return _turn_pairs(x, number[:, None] * rate)
    if place == "run on fast":
        rate = rate**2
    low, high = rate.chunk(2)
    if place == "dealt out":
        low, high = rate[0::2], rate[1::2]
    angle = torch.cat((row[:, None] * low, column[:, None] * high), -1)
    return _turn_pairs(x, angle)


def _rotate_2d_even_and_odd(x, row, column, base=100.0):
    """Even features turn with the row, odd ones with the column."""
    halves = torch.cat((x[..., 0::2], x[..., 1::2]), -1)
    turned = rotate_2d(halves, row, column, base).chunk(2, -1)
    return torch.stack(turned, -1).flatten(-2)


def _rotate_2d_half_turned(x, row, column, base=100.0, partner="neighbour"):
    """x cos + partner sin, with angles or partners of another layout."""
    d = x.shape[-1]
    rate = base ** (-torch.arange(0, d // 2, 2, dtype=x.dtype) / (d // 2))
    angle = torch.cat((row[:, None] * rate, column[:, None] * rate), -1)
    if partner == "neighbour":
        other = torch.stack((-x[..., 1::2], x[..., 0::2]), -1).flatten(-2)
        angle = angle.repeat(1, 2)  # (L, d)
    else:
        other = torch.cat((-x[..., d // 2 :], x[..., : d // 2]), -1)
        angle = angle.repeat_interleave(2, -1)  # (L, d)
    return x * angle.cos() + other * angle.sin()


def _rotate_2d_added(x, row, column, base=100.0):
    d = x.shape[-1] // 2
    rate = base ** (-torch.arange(0, d, 2, dtype=x.dtype) / d)
    angle = torch.cat([row[:, None] * rate, column[:, None] * rate], -1).to(
        x.dtype
    )
    return x + torch.stack((angle.sin(), angle.cos()), -1).flatten(-2)


def _rotate_2d_sorted(x, row, column, base=100.0):
    """The features are sorted, too, and so come back in another order."""
    order = (row * (column.max() + 1) + column).argsort()
    return rotate_2d(x[:, :, order], row[order], column[order], base)


_ROTATED_ALIKE = {
    "sum": (_rotate_2d_whole,),
    "one index": (partial(_rotate_2d_whole, place="index"),),
    "two layouts": (partial(_rotate_2d_half_turned, partner="half"),),
    "sign below": (
        partial(_mistaken, mistake="sign below, last"),
        partial(_mistaken, mistake="sign above"),
    ),
    "own grid": (
        partial(_mistaken, mistake="grid in order"),
        partial(_mistaken, mistake="grid by columns"),
    ),
    "sorted": (_rotate_2d_sorted,),
    "row twice": (partial(_rotate_2d_whole, place="row"),),
    "column twice": (partial(_rotate_2d_whole, place="column"),),
    "alternate": (
        partial(_mistaken, mistake="alternate in place"),
        _rotate_2d_even_and_odd,
    ),
    "base 100": (partial(_mistaken, mistake="base 10000"),),
}


_MISTAKES = [
    (
        "exchanged",
        "row and column exchanged",
        "The first half turns with the column. It should turn with the row.",
        "The first d/2 features belong to the row.",
    ),
    (
        "whole width",
        "rates of the whole head",
        "The rates fall too slowly: the exponent is i/(d/2), or divided by "
        "d. Each half is a rotary embedding of its own, d/2 wide.",
        "The exponent is -2i/(d/2).",
    ),
    (
        "split halves",
        "pairs from two halves",
        "Feature i is paired with one that lies half a width away. "
        "Here neighbours form a pair: features 0 and 1, 2 and 3.",
        "x[..., 0::2] and x[..., 1::2].",
    ),
    (
        "two layouts",
        "two layouts mixed",
        "The angles are laid out for neighbouring pairs, the partners "
        "are taken from the other half: no pair turns as one.",
        "Neighbours form a pair here: (x0, x1) becomes (-x1, x0), and "
        "not (-x2, x0).",
    ),
    (
        "backwards",
        "turned the other way",
        "The angles have the wrong sign. Scores between two such "
        "vectors come out right; the vectors do not.",
        "(x, y) becomes (x cos - y sin, x sin + y cos).",
    ),
    (
        "reflected",
        "a reflection",
        "A sign is wrong: this mirrors the pair in place of turning it.",
        "(x, y) becomes (x cos - y sin, x sin + y cos).",
    ),
    (
        "swapped",
        "sine and cosine exchanged",
        "At position (0, 0) nothing should turn, and your pairs do.",
        "(x, y) becomes (x cos - y sin, x sin + y cos).",
    ),
    (
        "sum",
        "row plus column",
        "All features turn by row + column, so (1, 2) and (2, 1) get "
        "the same vector.",
        "Two halves, each with an angle of its own.",
    ),
    (
        "one index",
        "patches counted in one line",
        "All features turn by the number of the patch. The end of a "
        "row and the start of the next become neighbours.",
        "Two halves, each with an angle of its own.",
    ),
    (
        "one half",
        "columns left out",
        "Only the first half is turned: moving along a row changes nothing.",
        "The second half turns with the column.",
    ),
    (
        "unturned",
        "nothing is turned",
        "x comes back as it went in.",
        "The return line: does it return what you have computed?",
    ),
    (
        "alternate",
        "row and column by turns",
        "Row and column turn features by turns. Here each has one half of "
        "the features.",
        "x[..., : d // 2] and x[..., d // 2 :].",
    ),
    (
        "too many rates",
        "as many rates as for the whole head",
        "There are d/2 rates, and half of a head has d/4 pairs.",
        "torch.arange(0, d // 2, 2) / (d // 2).",
    ),
    (
        "rising",
        "rates that rise",
        "The exponent has the wrong sign: later pairs turn faster.",
        "The exponent is -2i/(d/2): the first pair is the fastest.",
    ),
    (
        "two twice",
        "the factor 2 taken twice",
        "The exponent is twice what it should be.",
        "torch.arange(0, width, 2) already holds 2i, and a half is d/2 wide.",
    ),
    (
        "last by the base",
        "rates that reach 1/base",
        "The last rate is 1/b. The exponents 2i/(d/2) stop short of 1.",
        "torch.arange(0, width, 2) / width, where a half is d/2 wide.",
    ),
    (
        "no width",
        "an exponent without the width",
        "The exponent is not divided by d/2: after a few pairs the rates "
        "are as good as 0.",
        "The exponent is -2i/(d/2).",
    ),
    (
        "floor",
        "a division that rounds down",
        "`//` makes the exponents whole numbers: all pairs but the first "
        "get the rate 1/base.",
        "A single slash.",
    ),
    (
        "detached",
        "cut off from the graph",
        "The values are right, but no gradient reaches x.",
        "A .detach(), a .data, a torch.no_grad() or a trip through NumPy.",
    ),
    (
        "no rate",
        "the same angle for all pairs",
        "Every pair turns by the position itself. Pair i has a rate.",
        "The angle is position times rate.",
    ),
    (
        "base 100",
        "the base is not used",
        "The rates have a base of their own, whatever `base` says.",
        "Does your code use `base`, or a number in its place?",
    ),
    (
        "full turns",
        "a factor of 2π",
        "The angle is multiplied by 2π, so the first pair makes whole turns.",
        "The angle is position times rate, in radians.",
    ),
    (
        "from one",
        "positions count from 1",
        "A patch in row 0, column 0 is turned. Its angles are 0.",
        "The angle is `row` or `column` times the rate.",
    ),
    (
        "row twice",
        "the row for both halves",
        "The second half turns with the row, too.",
        "The second half turns with the column.",
    ),
    (
        "column twice",
        "the column for both halves",
        "The first half turns with the column, too.",
        "The first half turns with the row.",
    ),
    (
        "columns backwards",
        "columns turned the other way",
        "Row and column turn in opposite directions.",
        "Both halves: (x cos - y sin, x sin + y cos).",
    ),
    (
        "degrees",
        "degrees for radians",
        "The angles are turned from degrees to radians. They are radians "
        "already.",
        "The angle is position times rate.",
    ),
    (
        "shares",
        "positions divided by the largest",
        "Rows and columns are divided by the last of them. They turn as the "
        "whole numbers that they are.",
        "The angle is `row` or `column` times the rate.",
    ),
    (
        "equal steps",
        "rates in equal steps",
        "The rates fall from 1 in equal steps. They are a power series.",
        "base to the power of -2i/(d/2).",
    ),
    (
        "reverse",
        "rates in reverse order",
        "The last pair gets the rate 1. It is the first.",
        "The exponent is -2i/(d/2): the first pair is the fastest.",
    ),
    (
        "i from 1",
        "pairs counted from 1",
        "The first pair has i = 0, and so the rate 1.",
        "torch.arange(0, width, 2).",
    ),
    (
        "on the heads",
        "angles with an axis too many",
        "The angles are (L, 1, d/4), which lines L up with the heads.",
        "position[:, None] * rate is (L, d/4), and that is enough.",
    ),
    (
        "one half returned",
        "the rows alone",
        "One half comes back. The other, turned by the column, is missing.",
        "torch.cat((first, second), dim=-1).",
    ),
    (
        "in place",
        "x is changed in place",
        "Your code writes into the caller's tensor.",
        "torch.stack and torch.cat make new ones.",
    ),
    (
        "own grid",
        "rows and columns made up",
        "Your rows and columns come from the number of patches. "
        "The grid need not be square, nor the patches in order.",
        "Does your code use `row` and `column`?",
    ),
    (
        "sorted",
        "patches put in order",
        "You sort the patches, or their places. They come in any order, and "
        "patch n stands at row[n], column[n].",
        "Neither x nor `row` and `column` need sorting.",
    ),
    (
        "sign below",
        "one wrong sign",
        "One of the two sums has the wrong sign: the pair is no "
        "longer as long as it was.",
        "(x, y) becomes (x cos - y sin, x sin + y cos).",
    ),
    (
        "overwritten",
        "the first feature overwritten",
        "The second feature of a pair is made from the first one "
        "*after* it was turned.",
        "Compute both from the old pair, then put them together.",
    ),
    (
        "no cross",
        "two features, each by itself",
        "The first is multiplied by the cosine, the second by the "
        "sine: nothing is turned.",
        "(x, y) becomes (x cos - y sin, x sin + y cos).",
    ),
    (
        "blocks",
        "pairs not put back",
        "All first features come back before all second ones.",
        "torch.stack((first, second), dim=-1).flatten(-2).",
    ),
    (
        "halves exchanged",
        "halves put back in the wrong order",
        "The half of the columns comes back before that of the rows.",
        "The two parts of torch.cat.",
    ),
]


MISTAKES = [
    *(
        Mistake(
            name,
            sentence,
            partial(_mistaken, mistake=key),
            look,
            _ROTATED_ALIKE.get(key, ()),
        )
        for key, name, sentence, look in _MISTAKES
    ),
    Mistake(
        "rates that run on",
        "One series of rates runs through both halves, so columns turn "
        "more slowly than rows. Each half begins with the rate 1.",
        partial(_rotate_2d_whole, place="run on"),
        "The same d/4 rates for row and column.",
        (partial(_rotate_2d_whole, place="run on fast"),),
    ),
    Mistake(
        "rates dealt out by turns",
        "The rates of the whole head are dealt out by turns, so columns turn "
        "more slowly than rows. Each half begins with the rate 1.",
        partial(_rotate_2d_whole, place="dealt out"),
        "The same d/4 rates for row and column.",
    ),
    Mistake(
        "angles in another order than pairs",
        "The features of a pair turn by different angles: 0 and 1 need "
        "the same one.",
        _rotate_2d_half_turned,
        "repeat_interleave(2, -1) lays each angle twice, side by side.",
    ),
    Mistake(
        "positions are added",
        "The angles' sines and cosines are added to x. A rotary "
        "embedding multiplies: it turns each pair and keeps its length.",
        _rotate_2d_added,
        "(x, y) becomes (x cos - y sin, x sin + y cos).",
    ),
]
