"""The turned features of exercise 05.4, right and with a mistake."""

from __future__ import annotations

import math

import torch


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
    elif mistake == "from the smallest":
        row, column = row - row.min(), column - column.min()
    elif mistake == "from the first patch":
        row, column = row - row[0], column - column[0]
    elif mistake == "ranks":
        row, column = (p.unique(return_inverse=True)[1] for p in (row, column))
    elif mistake == "exchanged":
        row, column = column, row
    row, column = row.to(x.dtype), column.to(x.dtype)
    if mistake == "sum":
        row = column = row + column
    elif mistake == "one index":
        row = column = row * (column.max() + 1) + column
    return row, column


def mistaken_2d(x, row, column, base=100.0, *, mistake):
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


def rotate_2d_whole(x, row, column, base=100.0, place="sum"):
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


def rotate_2d_even_and_odd(x, row, column, base=100.0):
    """Even features turn with the row, odd ones with the column."""
    halves = torch.cat((x[..., 0::2], x[..., 1::2]), -1)
    turned = rotate_2d(halves, row, column, base).chunk(2, -1)
    return torch.stack(turned, -1).flatten(-2)


def rotate_2d_half_turned(x, row, column, base=100.0, partner="neighbour"):
    """x cos + partner sin, with angles or partners of another layout."""
    d = x.shape[-1]
    rate = base ** (-torch.arange(0, d // 2, 2, dtype=x.dtype) / (d // 2))
    angle = torch.cat((row[:, None] * rate, column[:, None] * rate), -1)
    if partner.startswith("neighbour"):
        other = torch.stack((-x[..., 1::2], x[..., 0::2]), -1).flatten(-2)
        by = (1, 1, 2) if partner == "neighbour, by half" else (1, 2, 1)
        angle = angle.unflatten(-1, (2, -1)).repeat(by).flatten(1)  # (L, d)
    else:
        other = torch.cat((-x[..., d // 2 :], x[..., : d // 2]), -1)
        angle = angle.repeat_interleave(2, -1)  # (L, d)
    return x * angle.cos() + other * angle.sin()


def rotate_2d_added(x, row, column, base=100.0):
    d = x.shape[-1] // 2
    rate = base ** (-torch.arange(0, d, 2, dtype=x.dtype) / d)
    angle = torch.cat([row[:, None] * rate, column[:, None] * rate], -1).to(
        x.dtype
    )
    return x + torch.stack((angle.sin(), angle.cos()), -1).flatten(-2)


def rotate_2d_sorted(x, row, column, base=100.0):
    """The features are sorted, too, and so come back in another order."""
    order = (row * (column.max() + 1) + column).argsort()
    return rotate_2d(x[:, :, order], row[order], column[order], base)


def rotate_2d_two_bases(x, row, column, base=100.0, own="row"):
    """One half has the base 100, whatever is asked."""
    first, _ = rotate_2d(
        x, row, column, 100.0 if own == "row" else base
    ).chunk(2, -1)
    _, second = rotate_2d(
        x, row, column, 100.0 if own == "column" else base
    ).chunk(2, -1)
    return torch.cat((first, second), -1)


def rotate_2d_from_a_table(x, row, column, base=100.0, rows=64):
    place = torch.arange(rows)
    return rotate_2d(x, place[row], place[column], base)
