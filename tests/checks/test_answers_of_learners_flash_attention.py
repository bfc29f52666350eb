"""Wrong answers of learners to the exercises of chapter 10, and right ones.

Each is the answer of the notebook with a line or two written otherwise.
"""

import math
from pathlib import Path

import nbformat
import pytest
import torch
from verdicts import named, parts_of

from attnbook.checks.flash_attention import EXERCISES

ROOT = Path(__file__).resolve().parents[2]
CELLS = {
    cell.id: cell.source
    for cell in nbformat.read(
        ROOT / "solutions" / "10-flash-attention.ipynb", as_version=4
    ).cells
}


def written(cell, name, *changes):
    """The function of a cell of the notebook, with lines changed."""
    source = CELLS[cell]
    for old, new in changes:
        assert source.count(old) == 1, (
            f"solutions/10-flash-attention.ipynb, cell {cell}: expected "
            f"{old!r} once, found it {source.count(old)} times: change it "
            "in this test too"
        )
        source = source.replace(old, new)
    names = {"math": math, "torch": torch}
    exec(source, names)
    return names[name]


# -- attention in tiles ------------------------------------------------------

MASK = "scores = scores.masked_fill(~seen, -torch.inf)"
MOST = "new = torch.maximum(most, scores.amax(-1, keepdim=True))"
LOW = "a large finite number in place of -inf"
REPAIRS = [
    ("total, scores", "most, scores"),
    ("place = torch", "place = begin + torch"),
    ("-100.0", "-torch.inf"),
    ("mixed = mixed +", "mixed = shrink * mixed +"),
    ("log2", "log"),
]


def test_who_repairs_the_five_lines_alone_gets_all_points():
    repaired = written("tiles-draft", "tiles_draft", *REPAIRS)
    assert EXERCISES["10-tiles"].diagnose(repaired) is None


@pytest.mark.parametrize("left", range(5))
def test_who_leaves_one_bug_keeps_the_points_of_four(left):
    repairs = REPAIRS[:left] + REPAIRS[left + 1 :]
    answer = written("tiles-draft", "tiles_draft", *repairs)
    assert parts_of(EXERCISES["10-tiles"], answer) == ["two", "four"]


@pytest.mark.parametrize(
    ("low", "left", "parts"),
    [
        ("-1e9", REPAIRS[:2] + REPAIRS[3:], ["two", "four"]),
        ("-1e9", REPAIRS[:1] + REPAIRS[3:], ["two"]),
        ("-1e30", REPAIRS[:2] + REPAIRS[4:], ["two"]),
    ],
)
def test_another_finite_number_is_the_third_bug(low, left, parts):
    changes = [*left, ("-100.0", low)]
    answer = written("tiles-draft", "tiles_draft", *changes)
    assert parts_of(EXERCISES["10-tiles"], answer) == parts


@pytest.mark.parametrize(
    "changes",
    [
        [("mixed / safe", "mixed / (safe + 1e-6)")],
        [("total.masked_fill(empty, 1)", "total.clamp(min=1)")],
        [(MASK, MASK.replace("masked_fill(~seen", "where(seen"))],
    ],
)
def test_tiles_that_are_right(changes):
    answer = written("tiles-answer", "tiles", *changes)
    assert EXERCISES["10-tiles"].diagnose(answer) is None


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ([("-torch.inf)\n        new", "-1e9)\n        new")], LOW),
        ([("-torch.inf)\n        new", "-5e4)\n        new")], LOW),
        (
            [(f"{MASK}\n        {MOST}", f"{MOST}\n        {MASK}")],
            "a maximum of masked scores",
        ),
        (
            [("new.masked_fill(new == -torch.inf, 0)", "new")],
            "-inf minus -inf",
        ),
        (
            [
                (
                    "shrink * total + powers.sum(-1, keepdim=True)",
                    "shrink * (total + powers.sum(-1, keepdim=True))",
                )
            ],
            "the new sum multiplied by the factor too",
        ),
        (
            [("shrink * mixed + powers @ v", "shrink * (mixed + powers @ v)")],
            "the new values multiplied by the factor too",
        ),
        (
            [("(most - base).exp()", "(base - most).exp()")],
            "a factor turned round",
        ),
        (
            [("        most = new\n", "")],
            "the maximum not kept for the next tile",
        ),
        ([("safe.log()", "total.log2()")], "a logarithm to the base 2"),
        (
            [("torch.full((B, T, 1), -torch.inf)", "torch.zeros(B, T, 1)")],
            "a maximum that begins with 0",
        ),
        ([("place < lengths", "place <= lengths")], "one key too many"),
        (
            [("key.shape[1], tile)", "key.shape[1] - tile + 1, tile)")],
            "the last, shorter tile left out",
        ),
        ([("key.shape[1], tile)", "tile, tile)")], "the first tile alone"),
        (
            [("begin + torch", "begin * tile + torch")],
            "begin multiplied by the tile",
        ),
        ([("math.sqrt(d)", "math.sqrt(tile)")], "scaled by the tile"),
        (
            [
                ("(most - base).exp()", "2 ** (most - base)"),
                ("(scores - base).exp()", "2 ** (scores - base)"),
            ],
            "powers of 2",
        ),
        (
            [("scores.amax(-1, keepdim=True)", "scores.max()")],
            "one maximum for all queries of a tile",
        ),
        ([("begin + torch", "begin + 1 + torch")], "one key too few"),
        (
            [("math.sqrt(d)", "math.sqrt(value.shape[-1])")],
            "scaled by d_v",
        ),
        ([("safe.log()", "safe.log10()")], "a logarithm to the base 10"),
        ([("most + safe.log()", "most * safe.log()")], None),
    ],
)
def test_tiles_are_told_by_what_they_do(changes, name):
    answer = written("tiles-answer", "tiles", *changes)
    assert named(EXERCISES["10-tiles"], answer) == name


# -- a bias for near keys ----------------------------------------------------

BIAS = "slopes[:, None, None] * far"


def test_a_low_finite_number_is_right_where_each_query_sees_a_key():
    answer = written(
        "slanted-answer", "slanted", ("far < 0, -torch.inf", "far < 0, -1e9")
    )
    assert EXERCISES["10-slanted"].diagnose(answer) is None


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        (
            "torch.arange(S - T, S)",
            "torch.arange(T)",
            "distances from the beginning of the text",
        ),
        (
            "arange(begin, begin + k.shape[2])",
            "arange(k.shape[2])",
            "places counted anew in each tile",
        ),
        (f"scores - {BIAS}", f"scores + {BIAS}", "far keys preferred"),
        (f"- {BIAS}", "- far", "a slope of 1 for all heads"),
        (
            f"- {BIAS}",
            f"- {BIAS} / math.sqrt(d_k)",
            "the bias divided by the root of d",
        ),
        (
            f"- {BIAS}",
            f"- {BIAS} / S",
            "the distance divided by the length of the text",
        ),
        (
            f"- {BIAS}",
            f"- {BIAS.replace('far', '(far + 1)')}",
            "a distance that begins with 1",
        ),
        (
            f"- {BIAS}",
            f"- {BIAS.replace('far', '(far // tile)')}",
            "a distance in tiles",
        ),
        (f"- {BIAS}", "- 2.0 ** -" + BIAS, "slopes taken for exponents"),
        ("far < 0", "far <= 0", "the query's own key masked"),
        ("far < 0", "far > 0", "the mask turned round"),
        (
            "far < 0, -torch.inf",
            "far < 0, -100.0",
            "a finite number in place of -inf",
        ),
        (
            "torch.maximum(most, scores.amax(-1, keepdim=True))",
            "scores.amax(-1, keepdim=True)",
            "the maximum of the newest tile",
        ),
        (
            "torch.maximum(most, ",
            "torch.maximum(total, ",
            "the maximum compared with the sum",
        ),
        (
            "torch.full((B, H, T, 1), -torch.inf)",
            "torch.zeros(B, H, T, 1)",
            "a maximum that begins with 0",
        ),
        (
            "scores.amax(-1, keepdim=True)",
            "scores.amax()",
            "one maximum for all rows",
        ),
        ("(most - new).exp()", "(new - most).exp()", "a factor turned round"),
        (
            "range(0, S, tile)",
            "range(0, S // tile * tile, tile)",
            "the last, shorter tile left out",
        ),
        ("range(0, S, tile)", "range(0, S, S)", "the first tile alone"),
        (
            "most + total.log()",
            "total.log()",
            "a log-sum-exp without the maximum",
        ),
        (
            f"scores - {BIAS}",
            f"scores * (1 - {BIAS})",
            "a bias that multiplies",
        ),
        (
            "torch.arange(S - T, S)",
            "torch.arange(S - T, S).flip(0)",
            "the queries in the reverse order",
        ),
        (
            "torch.arange(S - T, S)",
            "torch.arange(S - T + 1, S + 1)",
            "queries one place too far",
        ),
        (
            f"- {BIAS}",
            "+ slopes[:, None, None] * (place - far)",
            "a bias by the place of the key",
        ),
        (
            "far < 0, -torch.inf",
            "far < 0, -215.0",
            "a finite number in place of -inf",
        ),
        ("far < 0", "far < S - T", "a mask from the beginning of the text"),
        ("total.log()", "total.log10()", "a logarithm to the base 10"),
        (
            "range(0, S, tile)",
            "range(0, S, tile := (S + 1) // 2)",
            "half a table or more at once",
        ),
        (
            "place = torch.arange(S - T, S)[:, None]",
            "place = torch.arange(S - T, S)[:, None]; place - torch.arange(S)",
            "half a table or more at once",
        ),
        (f"scores - {BIAS}", f"scores - {BIAS}.sqrt()", None),
    ],
)
def test_tiles_with_a_bias_are_told_by_what_they_do(old, new, name):
    answer = written("slanted-answer", "slanted", (old, new))
    assert named(EXERCISES["10-slanted"], answer) == name


# -- pieces and a sink -------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("every.softmax(0)", "every.softmax(1)", "a softmax over the batch"),
        (
            "every.softmax(0)[:-1]",
            "lses.softmax(0)",
            "a sink in the log-sum-exp alone",
        ),
        ("[:-1]  #", "[1:]  #", "shares moved by one piece"),
        (
            "every.softmax(0)",
            "every.log_softmax(0)",
            "logarithms of the shares",
        ),
        (
            "every.logsumexp(0)",
            "lses.logsumexp(0)",
            "a log-sum-exp without the sink",
        ),
        (
            "every.logsumexp(0)",
            "every.exp().sum(0).log()",
            "a log-sum-exp that overflows",
        ),
        ("every.logsumexp(0)", "every.amax(0)", "the largest log-sum-exp"),
        (
            "every.logsumexp(0)",
            "every.logsumexp(0) / math.log(2)",
            "a logarithm to the base 2",
        ),
        (
            "every.logsumexp(0)",
            "torch.logaddexp(every.logsumexp(0), column[0])",
            "the sink twice in the log-sum-exp",
        ),
        (
            "every.softmax(0)",
            "(every * math.log(2)).softmax(0)",
            "shares to another base",
        ),
        (
            "every.softmax(0)",
            "(every / math.log(2)).softmax(0)",
            "shares to another base",
        ),
        (
            "every.softmax(0)[:-1]",
            "every.exp()[:-1] / every.exp().sum(0)",
            "exponentials that overflow",
        ),
        (
            "column = sink",
            "column = sink.exp()",
            "the exponential of the sink taken for its score",
        ),
        ("column = sink", "column = -sink", "the sign of the sink"),
        ("column = sink", "column = sink.detach()", "no gradient to the sink"),
        ("column = sink", "column = 0 * sink.detach()", "a sink of 0"),
        (".sum(0)  #", ".mean(0)  #", "divided by the number of pieces"),
        (
            "cat([lses, ",
            "cat([lses.nan_to_num(neginf=0.0), ",
            "a log-sum-exp of 0 for pieces without keys",
        ),
        (
            "cat([lses, ",
            "cat([lses.clamp(min=-100.0), ",
            "a floor under the log-sum-exps",
        ),
        (
            "cat([lses, column])",
            "cat([lses, column]).clamp(min=-305.0)",
            "a floor under the log-sum-exps",
        ),
        (
            "cat([lses, ",
            "cat([lses.detach(), ",
            "no gradient to the log-sum-exps",
        ),
        (
            "column = sink",
            "column = sink.flip(0)",
            "the sinks in the reverse order",
        ),
        (
            "every.logsumexp(0)",
            "(every - every.amax(0)).exp().sum(0).log()",
            "a log-sum-exp without the maximum",
        ),
    ],
)
def test_merged_pieces_are_told_by_what_they_do(old, new, name):
    answer = written("merge-answer", "merge_pieces", (old, new))
    assert named(EXERCISES["10-merge"], answer) == name


def test_a_gate_whose_gradients_are_nan_loses_the_gradients_alone():
    def gated(outputs, lses, sink):
        column = sink[:, None].expand_as(lses[0])
        lse = lses.logsumexp(0)
        merged = (lses.softmax(0)[..., None] * outputs).sum(0)
        merged = torch.sigmoid(lse - column)[..., None] * merged
        none = lse == -torch.inf
        return (
            torch.where(none[..., None], 0.0, merged),
            torch.where(none, column, torch.logaddexp(lse, column)),
        )

    exercise = EXERCISES["10-merge"]
    assert parts_of(exercise, gated) == ["pieces", "edges"]
    assert named(exercise, gated) == "NaN gradients in rows without keys"


# -- backward ----------------------------------------------------------------

WEIGHTS = "(scores - lse[..., None]).exp()"
SLOPE = "weights * (d_output @ v.mT - drop)"


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("sum(-1, keepdim", "sum((-2, -1), keepdim", "one D for all queries"),
        ("@ v.mT - drop", "@ v.mT", "nothing subtracted"),
        (
            SLOPE,
            "(weights * (d_output @ v.mT) - drop)",
            "D subtracted outside of the weights",
        ),
        (
            SLOPE,
            "weights * (drop - d_output @ v.mT)",
            "the signs turned round",
        ),
        (
            SLOPE,
            "(d_output @ v.mT - drop)",
            "the factor of the weights left out",
        ),
        (
            "d_scores = scale * ",
            "d_scores = ",
            "the scale forgotten in the backward pass",
        ),
        (
            "scores = scale * (query",
            "scores = (query",
            "no scale",
        ),
        ("d_query += ", "d_query = ", "the last tile alone"),
        ("d_scores.mT @ query", "weights.mT @ query", "keys by the weights"),
        (
            "weights.mT @ d_output",
            "d_scores.mT @ d_output",
            "values by the gradient of the scores",
        ),
        (
            "weights.mT @ d_output",
            "weights.mT @ output",
            "values by the output",
        ),
        ("> place", ">= place", "the query's own key masked"),
        (
            "torch.arange(S - T, S)",
            "torch.arange(T)",
            "queries at the beginning of the text",
        ),
        (
            "arange(begin, begin + k.shape[2])",
            "arange(k.shape[2])",
            "places counted anew in each tile",
        ),
        (WEIGHTS, "scores.softmax(-1).nan_to_num()", "a softmax of each tile"),
        (
            WEIGHTS,
            "scores.exp() / lse[..., None].exp()",
            "exponentials that overflow",
        ),
        (WEIGHTS, "2 ** (scores - lse[..., None])", "powers of 2"),
        (
            "ahead, -torch.inf",
            "ahead, -100.0",
            "a finite number in place of -inf",
        ),
        (
            "ahead, -torch.inf",
            "ahead, -10.0",
            "a finite number in place of -inf",
        ),
        (
            "ahead, -torch.inf",
            "ahead, -215.0",
            "a finite number in place of -inf",
        ),
        ("> place", "< place", "the mask turned round"),
        (
            "(d_output * output)",
            "(output * output)",
            "D without the gradient of the output",
        ),
        (
            "d_query += d_scores @ k",
            "d_query += scale * weights @ k",
            "queries by the weights",
        ),
        (
            "weights.mT @ d_output",
            "weights.mT @ (d_output - drop)",
            "values by the gradient less D",
        ),
        (
            "range(0, S, tile)",
            "range(0, S, tile := (S + 1) // 2)",
            "half a table or more at once",
        ),
        (
            "range(0, S, tile)",
            "range(0, S - tile + 1, tile)",
            "the last, shorter tile left out",
        ),
        ("range(0, S, tile)", "range(0, S, S)", "the first tile alone"),
        (
            "return d_query, d_key, d_value",
            "return d_query, d_value, d_key",
            "values before keys",
        ),
        (
            "return d_query, d_key, d_value",
            "return d_value, d_key, d_query",
            "values first, queries last",
        ),
        (
            "(d_output * output).sum(-1, keepdim=True)",
            "(d_output * output)[..., :1]",
            None,
        ),
    ],
)
def test_a_backward_pass_is_told_by_what_it_does(old, new, name):
    answer = written("backward-answer", "backward", (old, new))
    assert named(EXERCISES["10-backward"], answer) == name


# -- predictions -------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "number", "name"),
    [
        ("a", 144, "a: all tiles"),
        ("a", 66, "a: the diagonal left out"),
        ("b", 96, "b: three tiles in the first rows too"),
        ("b", 528, "b: causal without a window"),
        ("c", 1.25, "c: the backward pass alone"),
        ("c", 0.86, "c: the quotient turned round"),
        ("d", 128, "d: the output alone"),
        ("e", 3, "e: the first score counted"),
        ("e", 4, "e: every rise followed"),
        ("e", 6, "e: the base never moved"),
        ("f", 6, "f: the plain mean"),
        ("f", 6.43, "f: shares in proportion to the log-sum-exps"),
        ("a", 77, None),
    ],
)
def test_wrong_numbers_are_told_by_where_they_come_from(
    question, number, name
):
    exercise = EXERCISES["10-predict"]

    def predict(asked):
        return number if asked == question else exercise.reference(asked)

    assert named(exercise, predict) == name
