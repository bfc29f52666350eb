"""Exercise 05.2: Repair the positions of a batch."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import torch

from attnbook.checks.positions.seeded import normal_from
from attnbook.judging.exercise import Case, Exercise, Mistake, Part
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import planted
from attnbook.judging.unrepaired import unrepaired

_BUGS = {
    "batch": (
        "positions run along the batch",
        "All tokens of one sentence get the same position, and the number of "
        "the sentence decides which. Broadcasting hides it.",
        "embedded is (B, T, D): which of its sizes counts the tokens?",
    ),
    "from one": (
        "positions count from 1",
        "The first token gets position 1. It has position 0, so its sines "
        "are 0 and its cosines 1.",
        "The start of torch.arange.",
    ),
    "rising": (
        "rates that rise",
        "The angles grow with i, up to thousands of radians per token, so "
        "neighbours get unrelated vectors.",
        "The exponent is -2i/D: the first pair is the fastest.",
    ),
    "offset": (
        "the offset moves the angle",
        "The offset is added after the product with the rate, so every pair "
        "is turned by the same angle. It is a number of tokens.",
        "Add it to the positions, before they meet the rates.",
    ),
    "halves": (
        "sines first, then cosines",
        "All sines are in the first half and all cosines in the second. Sine "
        "and cosine of one rate should stand side by side.",
        "torch.stack((sin, cos), -1).flatten(-2), or table[..., 0::2] = sin.",
    ),
}


def _add_positions(embedded, offset=0, base=10_000.0):
    _, T, D = embedded.shape
    position = torch.arange(T, dtype=embedded.dtype) + offset  # (T,)
    rate = base ** (-torch.arange(0, D, 2) / D)  # (D/2,)
    angle = position[:, None] * rate.to(embedded.dtype)  # (T, D/2)
    table = torch.stack((angle.sin(), angle.cos()), -1).flatten(-2)  # (T, D)
    return embedded + table


def _draft(embedded, offset=0, base=10_000.0, *, bugs):
    """The notebook's draft, with some of its bugs or another mistake."""
    B, T, D = embedded.shape
    count = B if "batch" in bugs else T
    position = torch.arange(count, dtype=embedded.dtype)  # (T,)
    if "from one" in bugs:
        position = position + 1
    if "minus" in bugs:
        position = position - offset
    elif "offset" not in bugs and "no offset" not in bugs:
        position = position + offset
    if "stops at T" in bugs:
        position = torch.arange(offset, T).to(embedded.dtype)
    if "as many as features" in bugs:
        position = torch.arange(offset, offset + D).to(embedded.dtype)
    if "shares of T" in bugs:
        position = position / T
    rate = _rate_with(D, base, bugs).to(embedded.dtype)  # (D/2,)
    angle = position[:, None] * rate  # (T, D/2)
    if "added rate" in bugs:
        angle = position[:, None] + rate
    if "degrees" in bugs:
        angle = angle.deg2rad()
    if "own rates" in bugs or "own doubled rates" in bugs:
        even = torch.arange(D) % 2 == 0
        return embedded + torch.where(even, angle.sin(), angle.cos())
    if "offset" in bugs or "offset twice" in bugs:
        angle = angle + offset
    waves = angle.sin(), angle.cos()  # each (T, D/2)
    if "swapped" in bugs:
        waves = waves[::-1]
    if "two sines" in bugs or "two cosines" in bugs:
        waves = 2 * (waves[0] if "two sines" in bugs else waves[1],)
    if "halves" in bugs or "halves exchanged" in bugs:
        if "halves exchanged" in bugs:
            waves = waves[::-1]
        table = torch.cat(waves, -1)  # (T, D)
    elif "in front" in bugs:
        table = torch.cat(waves).reshape(count, D)
    else:
        table = torch.stack(waves, -1).flatten(-2)  # (T, D)
    if "batch" in bugs:
        table = table[:, None]  # (B, 1, D)
    return _sum_with(embedded, table, bugs)


def _rate_with(D, base, bugs):
    if "no base" in bugs:
        base = 10_000.0
    exponent = torch.arange(0, D, 2) / D  # (D/2,)
    if "half exponent" in bugs:
        exponent = exponent / 2
    if "own rates" in bugs:
        exponent = torch.arange(D) / D  # (D,)
    if "own doubled rates" in bugs:
        exponent = 2 * torch.arange(D) / D  # (D,)
    if "no width" in bugs:
        exponent = torch.arange(0, D, 2) / 2
    if "two twice" in bugs:
        exponent = 2 * exponent
    if "D - 2" in bugs:
        exponent = torch.arange(0, D, 2) / max(D - 2, 1)
    if "D - 1" in bugs:
        exponent = torch.arange(0, D, 2) / (D - 1)
    if "floor" in bugs:
        exponent = -(-torch.arange(0, D, 2) // D)
    if "floor, then the sign" in bugs:
        exponent = torch.arange(0, D, 2) // D
    if "equal steps" in bugs:
        return torch.linspace(1, 1 / base, D // 2)
    if "brackets" in bugs:
        return torch.exp(-torch.arange(0, D, 2) * math.log(base)) / D
    rate = base ** (exponent if "rising" in bugs else -exponent)
    return rate * 2 * math.pi if "full turns" in bugs else rate


def _sum_with(embedded, table, bugs):
    if "scaled" in bugs:
        embedded = embedded * embedded.shape[-1] ** 0.5
    if "scaled table" in bugs:
        table = table * embedded.shape[-1] ** 0.5
    if "joined" in bugs:
        return torch.cat((embedded, table.expand_as(embedded)), -1)
    if "first sentence" in bugs:
        return torch.cat((embedded[:1] + table, embedded[1:]))
    if "table" in bugs:
        return table.expand_as(embedded)
    if "bare table" in bugs:
        return table
    if "multiplied" in bugs:
        return embedded * table
    if "detached" in bugs:
        return embedded.detach() + table
    if "in place" in bugs:
        embedded += table
        return embedded
    return embedded + table


def _positions_run_on(embedded, offset=0, base=10_000.0):
    B, T, D = embedded.shape
    flat = _add_positions(embedded.reshape(1, B * T, D), offset, base)
    return flat.reshape(B, T, D)


def _positions_by_loops(embedded, offset=0, base=10_000.0):
    rows = []
    D = embedded.shape[-1]
    for t in range(embedded.shape[1]):
        row = []
        for i in range(D // 2):
            angle = (t + offset) / base ** (2 * i / D)
            row += [math.sin(angle), math.cos(angle)]
        rows.append(row)
    return embedded + torch.tensor(rows, dtype=embedded.dtype)


def _positions_as_phases(embedded, offset=0, base=10_000.0):
    """A cosine is a sine a quarter turn ahead."""
    _, T, D = embedded.shape
    feature = torch.arange(D).double()
    rate = torch.exp(-math.log(base) * (feature - feature % 2) / D)
    phase = (feature % 2) * math.pi / 2
    position = torch.arange(offset, offset + T).double()
    table = torch.sin(torch.outer(position, rate) + phase)
    return embedded + table.to(embedded.dtype)


_ROWS_OF_A_TABLE = (
    *(2**n for n in range(9, 21)),
    *(k * 10**n for n in (3, 4, 5) for k in (1, 2, 5)),
    10**6,
)


def _table_that_ends(embedded, offset=0, base=10_000.0, rows=5000, by="cut"):
    """The positions of a table that was made once."""
    T, D = embedded.shape[1:]
    place = torch.arange(offset, offset + T)
    if by == "modulo":
        place = place % rows
    elif by == "clamp":
        place = place.clamp(max=rows - 1)
    if by in ("modulo", "clamp"):
        added = [
            _add_positions(embedded[:, t : t + 1], offset, base)
            for t, offset in enumerate(place.tolist())
        ]
        return torch.cat(added, 1)
    zeros = torch.zeros(1, rows, D, dtype=embedded.dtype)
    table = _add_positions(zeros, 0, base)[0]  # (rows, D)
    if by == "cut":
        return embedded + table[offset : offset + T]
    return embedded + table[place]


def _table_along_the_batch(embedded, offset=0, base=10_000.0):
    zeros = torch.zeros(1, *embedded.shape[1:], dtype=embedded.dtype)
    return embedded + _add_positions(zeros, offset, base)[0][:, None]


def _positions_case(name, B, T, D, offset, base, seed):
    return Case(name, (normal_from(seed, B, T, D), offset, base))


_OTHER_MISTAKES = [
    (
        "no offset",
        "the offset is not used",
        "A continuation starts at position 0 again: the offset has no effect.",
        "Does your code use `offset` at all?",
    ),
    (
        "offset twice",
        "the offset in the angle, too",
        "The offset is added to the positions and once more to the angle.",
        "Add it to the positions, before they meet the rates.",
    ),
    (
        "D - 1",
        "an exponent with D - 1",
        "The exponent is 2i/(D - 1).",
        "-2i/D.",
    ),
    (
        "own rates",
        "a rate for each feature",
        "Sine and cosine of a pair turn at different rates: the odd "
        "features have an exponent of their own.",
        "Features 2i and 2i+1 share the exponent 2i/D.",
    ),
    (
        "half exponent",
        "rates that fall too slowly",
        "The exponent is i/D. It should be 2i/D, so that the last "
        "pair comes close to 1/base.",
        "torch.arange(0, D, 2) already holds 2i.",
    ),
    (
        "no width",
        "an exponent without the width",
        "The exponent is not divided by D, so after a few pairs the rates "
        "are almost 0.",
        "-2i/D.",
    ),
    (
        "stops at T",
        "positions that end at T",
        "Positions run from the offset to T, so there are too few: "
        "one row for all tokens, or an error.",
        "There are T tokens, from offset to offset + T - 1.",
    ),
    (
        "minus",
        "the offset subtracted",
        "A continuation starts before position 0. It should start where the "
        "text has stopped.",
        "Position t + offset.",
    ),
    (
        "no base",
        "the base is not used",
        "The rates have the base 10,000, whatever `base` says.",
        "Does your code use `base`, or a number in its place?",
    ),
    (
        "two twice",
        "the factor 2 taken twice",
        "The exponent is 4i/D. It should be 2i/D.",
        "torch.arange(0, D, 2) already holds 2i.",
    ),
    (
        "D - 2",
        "an exponent with D - 2",
        "The exponent is 2i/(D - 2), so that the last pair has the rate "
        "1/base. In the formula the last rate is larger.",
        "-2i/D.",
    ),
    (
        "floor",
        "a division that rounds down",
        "`//` makes the exponents whole numbers: all pairs, or all but the "
        "first, get the same rate.",
        "A single slash.",
        "floor, then the sign",
    ),
    (
        "own doubled rates",
        "i taken for the number of the feature",
        "The exponent is 2/D times the number of the feature. In the "
        "formula i is the number of the *pair*.",
        "Features 2i and 2i+1 share the exponent 2i/D.",
    ),
    (
        "full turns",
        "a factor of 2π",
        "The angle is multiplied by 2π. The first pair then makes whole "
        "turns, so it has the same value at all positions.",
        "The angle is position times rate, in radians.",
    ),
    (
        "degrees",
        "degrees for radians",
        "The angles are converted from degrees to radians. They are in "
        "radians already.",
        "The angle is position times rate.",
    ),
    (
        "as many as features",
        "as many positions as features",
        "The positions run over D, the last axis. They count the tokens.",
        "embedded is (B, T, D): T is embedded.shape[1].",
    ),
    (
        "shares of T",
        "positions divided by the length",
        "Positions are whole numbers. If you divide them by T, they depend "
        "on the length of the text.",
        "Position t + offset.",
    ),
    (
        "added rate",
        "position plus rate",
        "The rate is added to the position. They are multiplied.",
        "The angle is position times rate.",
    ),
    (
        "halves exchanged",
        "cosines first, then sines",
        "All cosines are in the first half and all sines in the second. Sine "
        "and cosine of one rate should stand side by side.",
        "torch.stack((sin, cos), -1).flatten(-2), or table[..., 0::2] = sin.",
    ),
    (
        "in front",
        "rows cut across the tokens",
        "The sines of all tokens come first, then all cosines, and a reshape "
        "cuts them into rows: a row holds other tokens' waves.",
        "torch.stack((sin, cos), -1).flatten(-2): in a new *last* axis.",
    ),
    (
        "two sines",
        "a sine twice",
        "Both features of a pair hold a sine.",
        "PE(t, 2i) is the sine, PE(t, 2i + 1) the cosine.",
    ),
    (
        "two cosines",
        "a cosine twice",
        "Both features of a pair hold a cosine.",
        "PE(t, 2i) is the sine, PE(t, 2i + 1) the cosine.",
    ),
    (
        "equal steps",
        "rates in equal steps",
        "The rates fall from 1 in equal steps. They are a power series.",
        "base to the power of -2i/D.",
    ),
    (
        "brackets",
        "a division outside the exponent",
        "The exponential is divided by D. Divide the exponent instead.",
        "torch.exp(-arange(0, D, 2) / D * log(base)).",
    ),
    (
        "scaled table",
        "a table that is scaled",
        "The table is multiplied by √D.",
        "The return line: embedded + table.",
    ),
    (
        "joined",
        "joined, not added",
        "The table stands beside the embeddings: (B, T, 2D).",
        "The return line: embedded + table.",
    ),
    (
        "first sentence",
        "the first sentence alone",
        "Only the first sentence of the batch gets positions.",
        "The table is (T, D), the same for each sentence.",
    ),
    (
        "table",
        "the table alone",
        "The positions come back without the embeddings.",
        "The return line: embedded + table.",
        "bare table",
    ),
    (
        "multiplied",
        "multiplied, not added",
        "The embeddings are multiplied by the table. Where a sine is "
        "0 the feature is lost.",
        "The return line: embedded + table.",
    ),
    (
        "swapped",
        "cosine before sine",
        "The even features hold cosines. In the formula they hold sines.",
        "PE(t, 2i) is the sine.",
    ),
    (
        "scaled",
        "a scale that nobody asked for",
        "The embedding is multiplied by √D. Some models do so; this "
        "function only adds.",
        "The return line.",
    ),
    (
        "detached",
        "cut off from the graph",
        "The values are right, but no gradient reaches the embeddings.",
        "A .detach(), a .data or a torch.no_grad().",
    ),
    (
        "in place",
        "the input is changed in place",
        "`embedded += table` writes into the caller's tensor.",
        "embedded + table makes a new one.",
    ),
]


def _near_and_far(seed):
    sizes = {"B": (1, 4), "T": (2, 6)}
    base = [10_000.0, 100.0]
    yield from anew(
        _positions_case,
        **sizes,
        D=[2, 4, 6, 8],
        offset=(0, 9),
        base=base,
    )(seed)
    yield from anew(
        _positions_case,
        times=1,
        **sizes,
        D=2,
        offset=(100_000, 2_000_000),
        base=1.0,
    )(seed)


EXERCISE = Exercise(
    "05-add-positions",
    "Repair the positions of a batch",
    points=4,
    reference=_add_positions,
    cases=[
        Case(
            "two sentences",
            (normal_from(1, 2, 3, 4), 2),
            look="Give it torch.zeros(2, 3, 4): the table alone comes back.",
        ),
        Case("from the beginning", (normal_from(2, 3, 5, 6),)),
        Case("one token", (normal_from(3, 1, 1, 4), 3)),
        Case("as many sentences as tokens", (normal_from(4, 4, 4, 4), 7)),
        Case("another base", (normal_from(5, 2, 6, 8), 1, 100.0)),
        # With one pair, whose rate is 1, no angle is rounded; nor, with
        # the base 1, are those of who gets the exponent wrong.
        Case("far into a text", (normal_from(6, 2, 3, 2), 1_234_567, 1.0)),
    ],
    mistakes=unrepaired(
        _BUGS,
        _draft,
        begins="Begin with",
    )
    + [
        # Who makes one of these slips has mended the other four bugs.
        replace(mistake, bugs=1)
        for mistake in planted(_draft, _OTHER_MISTAKES)
    ]
    + [
        Mistake(
            "positions that run on through the batch",
            "The second sentence starts where the first one ends. Each "
            "sentence starts at `offset`.",
            _positions_run_on,
            "The table is (T, D), the same for each sentence.",
            bugs=1,
        ),
        Mistake(
            "a table that ends",
            "The positions come from a table with a last row. Here a text "
            "goes on beyond it: there is no last position.",
            _table_that_ends,
            "Compute the angles of the T positions that are asked for.",
            tuple(
                partial(_table_that_ends, rows=rows, by=by)
                for by in ("modulo", "clamp")
                for rows in _ROWS_OF_A_TABLE
            ),
            bugs=1,
        ),
        Mistake(
            "a table without that row",
            "The positions are looked up in a table with a last row. Here a "
            "text goes on beyond it: there is no last position.",
            partial(_table_that_ends, by="pick"),
            "Compute the angles of the T positions that are asked for.",
            bugs=1,
        ),
        Mistake(
            "the table laid along the batch",
            "`table[:, None]` is (T, 1, D): its T is under B of (B, T, D).",
            _table_along_the_batch,
            "embedded + table, as they are.",
            bugs=1,
        ),
    ],
    right_answers=[_positions_by_loops, _positions_as_phases],
    tolerance=1e-5,
    gradients=True,
    axes={"output": "B T D"},
    fresh=_near_and_far,
    parts=[
        Part("two", "two of the five bugs fixed", 1, mended=2),
        Part("three", "three of the five bugs fixed", 1, mended=3),
        Part("four", "four of the five bugs fixed", 1, mended=4),
        Part("all", "all five bugs fixed", 1, mended=5),
    ],
)
