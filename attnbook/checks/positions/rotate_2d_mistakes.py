"""Known mistakes of who turns the features of exercise 05.4."""

from __future__ import annotations

from functools import partial

from attnbook.checks.positions.mistaken_turns import (
    mistaken_2d,
    rotate_2d_added,
    rotate_2d_even_and_odd,
    rotate_2d_from_a_table,
    rotate_2d_half_turned,
    rotate_2d_sorted,
    rotate_2d_two_bases,
    rotate_2d_whole,
)
from attnbook.judging.exercise import Mistake

_ROTATED_ALIKE = {
    "sum": (rotate_2d_whole,),
    "one index": (partial(rotate_2d_whole, place="index"),),
    "two layouts": (partial(rotate_2d_half_turned, partner="half"),),
    "sign below": (
        partial(mistaken_2d, mistake="sign below, last"),
        partial(mistaken_2d, mistake="sign above"),
    ),
    "own grid": (
        partial(mistaken_2d, mistake="grid in order"),
        partial(mistaken_2d, mistake="grid by columns"),
    ),
    "sorted": (rotate_2d_sorted,),
    "row twice": (partial(rotate_2d_whole, place="row"),),
    "column twice": (partial(rotate_2d_whole, place="column"),),
    "alternate": (
        partial(mistaken_2d, mistake="alternate in place"),
        rotate_2d_even_and_odd,
    ),
    "base 100": (
        partial(mistaken_2d, mistake="base 10000"),
        partial(rotate_2d_two_bases, own="row"),
        partial(rotate_2d_two_bases, own="column"),
    ),
    "from the smallest": (
        partial(mistaken_2d, mistake="from the first patch"),
        partial(mistaken_2d, mistake="ranks"),
    ),
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
        "The angles are laid out for neighbouring pairs, but the partners "
        "come from the other half. So the two features of a pair turn by "
        "different angles.",
        "Neighbours form a pair here: (x0, x1) becomes (-x1, x0), and "
        "not (-x2, x0).",
    ),
    (
        "backwards",
        "turned the other way",
        "The angles have the wrong sign. Scores between two such vectors "
        "belong to the opposite distance.",
        "(x, y) becomes (x cos - y sin, x sin + y cos).",
    ),
    (
        "reflected",
        "a reflection",
        "A sign is wrong: this mirrors the pair instead of turning it.",
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
        "row and column in alternation",
        "Features turn alternately with the row and with the column. Here "
        "each has one half of the features.",
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
        "The exponent is not divided by d/2, so after a few pairs the rates "
        "are almost 0.",
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
        "Every pair turns by the position itself. Each pair has its own rate.",
        "The angle is position times rate.",
    ),
    (
        "base 100",
        "the base is not used",
        "The rates, or those of one half, have a base of their own, whatever "
        "`base` says.",
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
        "The angles are converted from degrees to radians. They are in "
        "radians already.",
        "The angle is position times rate.",
    ),
    (
        "shares",
        "positions divided by the largest",
        "Rows and columns are divided by the last of them. Use the whole "
        "numbers as they are.",
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
        "The angles are (L, 1, d/4), so L is matched with the heads.",
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
        "from the smallest",
        "rows and columns counted anew",
        "You count rows and columns only among the given patches. A patch in "
        "row 5 turns by 5, wherever the others stand.",
        "The angle is `row` or `column` times the rate, as they are.",
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
            partial(mistaken_2d, mistake=key),
            look,
            _ROTATED_ALIKE.get(key, ()),
        )
        for key, name, sentence, look in _MISTAKES
    ),
    Mistake(
        "rates that run on",
        "One series of rates runs through both halves, so columns turn "
        "more slowly than rows. Each half begins with the rate 1.",
        partial(rotate_2d_whole, place="run on"),
        "The same d/4 rates for row and column.",
        (partial(rotate_2d_whole, place="run on fast"),),
    ),
    Mistake(
        "rates dealt out by turns",
        "The rates of the whole head go alternately to rows and columns, so "
        "columns turn more slowly than rows. Each half begins with the rate "
        "1.",
        partial(rotate_2d_whole, place="dealt out"),
        "The same d/4 rates for row and column.",
    ),
    Mistake(
        "angles in another order than pairs",
        "The features of a pair turn by different angles: 0 and 1 need "
        "the same one.",
        rotate_2d_half_turned,
        "repeat_interleave(2, -1) lays each angle twice, side by side.",
        (partial(rotate_2d_half_turned, partner="neighbour, by half"),),
    ),
    Mistake(
        "a table that ends",
        "The angles come from a table with a last row. A picture may have "
        "more rows or columns.",
        rotate_2d_from_a_table,
        "Compute the angles of the places that are asked for.",
    ),
    Mistake(
        "positions are added",
        "The angles' sines and cosines are added to x. A rotary "
        "embedding multiplies: it turns each pair and keeps its length.",
        rotate_2d_added,
        "(x, y) becomes (x cos - y sin, x sin + y cos).",
    ),
]
