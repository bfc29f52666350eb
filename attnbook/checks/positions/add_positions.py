"""Cases, references and known mistakes of the exercises of chapter 05.

Each exercise has a reference, cases to compare it on, mistakes that students
make, written as code and named, and right answers written in other ways.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import combinations

import numpy as np
import torch

from attnbook.checks.positions.seeded import normal_from
from attnbook.judging.exercise import (
    Case,
    Exercise,
    Mistake,
    Property,
)
from attnbook.judging.exercise import points_so_far as _points_so_far
from attnbook.judging.fresh_cases import anew, lengths, up_to
from attnbook.judging.planted_bugs import bugs_left
from attnbook.judging.predictions import Predictions

__all__ = [
    "EXERCISES",
    "check_add_positions",
    "check_attention_distance",
    "check_predict",
    "check_rotate_2d",
    "check_stretched_rates",
    "points_so_far",
]


# ------------------------------------------------- 1. Predict, pen in hand

_PREDICTIONS = Predictions(
    {
        "a": 2 * math.pi * 100,
        "b": 0.8,
        "c": -0.75,
        "d": 1.3,
        "e": 9.0,
        "f": 32_768.0,
    }
)


def _turned(x, position):
    """Two features turned by an angle of 1 radian a position."""
    cos, sin = math.cos(position), math.sin(position)
    return torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.double) @ x


def _predict_by_running(question):
    """Right, by running what is asked instead of thinking."""
    if question == "a":
        rate = 10_000 ** -(2 * 2 / 8)
        return 2 * math.pi / rate
    if question == "b":
        query, key = normal_from(0, 2, 2).double().unbind(0)
        key = key * 0.8 / (_turned(query, 12) @ _turned(key, 9))
        return (_turned(query, 1012) @ _turned(key, 1009)).item()
    if question == "c":
        slopes = [2 ** -(8 * h / 8) for h in range(1, 9)]
        return -slopes[2] * (10 - 4)
    if question == "d":
        x = normal_from(1, 6, 4)
        order = torch.tensor([5, 1, 3, 0, 4, 2])
        scale = 1.3 / ((x @ x.T).softmax(-1) @ x)[2, 0]
        moved = x[order]
        return (scale * ((moved @ moved.T).softmax(-1) @ moved)[5, 0]).item()
    if question == "e":
        distance = torch.arange(20)[:, None] - torch.arange(20)
        return float(len(distance.clamp(-4, 4).unique()))
    return float(torch.nn.Embedding(512, 64).weight.numel())


_PREDICT = Exercise(
    "05-predict",
    "Predict wavelengths, scores and biases",
    points=3,
    reference=_PREDICTIONS.exactly,
    cases=_PREDICTIONS.cases(hints=(1, 2, 2, 3, 3, 3)),
    mistakes=[
        _PREDICTIONS.wrong(
            "a",
            2 * math.pi * 1000,
            "pairs counted from 1",
            "This is the fourth pair. The pairs are i = 0, 1, 2, 3, so the "
            "third has i = 2.",
            "Write down the exponent 2i/D of each pair.",
        ),
        _PREDICTIONS.wrong(
            "a",
            2 * math.pi * 10,
            "i in place of 2i",
            "This takes the exponent i/D. A pair has two features, so the "
            "exponent is 2i/D.",
            "With D = 8 the exponents are 0, 1/4, 1/2 and 3/4.",
        ),
        _PREDICTIONS.wrong(
            "a",
            100.0,
            "no full turn",
            "After 100 tokens the angle is 1 radian. A wave is over after a "
            "full turn.",
            "How many radians are a full turn?",
        ),
        _PREDICTIONS.wrong(
            "a",
            0.01,
            "the rate, not the wavelength",
            "This is the angle for each token. The question is how many "
            "tokens a full turn takes.",
            "tokens x radians a token = a full turn.",
        ),
        _PREDICTIONS.wrong(
            "a",
            math.pi * 100,
            "half a turn",
            "After π radians the sine is 0 again, but on its way down.",
            "How many radians are a full turn?",
        ),
        _PREDICTIONS.wrong(
            "a",
            2 * math.pi / 100,
            "multiplied by the rate",
            "The rate is radians a token. A slow pair, with a small rate, "
            "needs many tokens for a turn.",
            "tokens x radians a token = a full turn.",
        ),
        _PREDICTIONS.wrong(
            "b",
            0.0,
            "far away means nothing",
            "Both vectors have moved, together. They are still 3 apart.",
            "What does the rotated score depend on?",
        ),
        _PREDICTIONS.wrong(
            "b",
            3.0,
            "the distance, not the score",
            "This is how far the two stand apart. The question is the score.",
            "Which of the two has changed: the vectors, or their distance?",
        ),
        _PREDICTIONS.wrong(
            "c",
            -1 / 8,
            "the slope alone",
            "This is the slope of the third head. It is multiplied by the "
            "distance.",
            "How far apart are the query and the key?",
        ),
        _PREDICTIONS.wrong(
            "c",
            0.75,
            "a reward for distance",
            "The bias is subtracted: what lies further back must lose.",
            "The sign of the bias in the chapter's formula.",
        ),
        _PREDICTIONS.wrong(
            "c",
            -6 / 4,
            "heads counted from 0",
            "This is the slope 1/4, of the second head. The first head has "
            "1/2.",
            "Write down the slopes: 1/2, then 1/4, and so on.",
        ),
        _PREDICTIONS.wrong(
            "c",
            -6 / 16,
            "one head too far",
            "This is the slope 1/16, of the fourth head. The first head has "
            "1/2.",
            "Write down the slopes: 1/2, then 1/4, and so on.",
        ),
        _PREDICTIONS.wrong(
            "c",
            -6 / 3,
            "one over the number of the head",
            "The slopes of ALiBi are a geometric series: each is half the "
            "one before, not 1/2, 1/3, 1/4.",
            "2 to the power of -8h/H.",
        ),
        _PREDICTIONS.wrong(
            "c",
            -4 / 8,
            "the position of the key",
            "The slope multiplies the distance between query and key, not "
            "the key's position.",
            "The query stands at 10, the key at 4.",
        ),
        _PREDICTIONS.wrong(
            "d",
            0.0,
            "another place, another output",
            "Nothing tells the tokens where they stand. A permutation of the "
            "input permutes the output, and that is all it does.",
            "Which sum does the token compute before, which after?",
        ),
        _PREDICTIONS.wrong(
            "e",
            8.0,
            "distance 0 forgotten",
            "A token also attends to itself, at distance 0, which has a "
            "bias of its own.",
            "Count -4, -3, … , 4.",
        ),
        _PREDICTIONS.wrong(
            "e",
            5.0,
            "one side only",
            "The attention is not causal: keys stand on both sides of the "
            "query, and a bias knows on which.",
            "Count -4, -3, … , 4.",
        ),
        _PREDICTIONS.wrong(
            "e",
            4.0,
            "one side, and without 0",
            "This counts the distances 1 to 4. Keys stand on both sides of "
            "the query, and one in its own place.",
            "Count -4, -3, … , 4.",
        ),
        _PREDICTIONS.wrong(
            "e",
            39.0,
            "no clipping",
            "Distances beyond 4 share the bias of 4: that is what lets the "
            "table meet a length it has not seen.",
            "Which numbers remain after clamp(-4, 4)?",
        ),
        _PREDICTIONS.wrong(
            "f",
            0.0,
            "sinusoids",
            "Sinusoids have none. The question is about a *learnt* table.",
            "One vector for each position.",
        ),
        _PREDICTIONS.wrong(
            "f",
            64.0,
            "one vector for all",
            "Each position has a vector of its own.",
            "How many positions has a text of 512 tokens?",
        ),
        _PREDICTIONS.wrong(
            "f",
            513 * 64.0,
            "one position too many",
            "Positions count from 0: 512 tokens stand at 0 to 511.",
            "How many positions has a text of 512 tokens?",
        ),
        _PREDICTIONS.wrong(
            "f",
            511 * 64.0,
            "one position too few",
            "Position 0 has a vector, too: 0 to 511 are 512 positions.",
            "How many positions has a text of 512 tokens?",
        ),
        _PREDICTIONS.wrong(
            "f",
            512.0,
            "one number a position",
            "Each position has a vector, as wide as the embedding it is added "
            "to.",
            "The shape of the table.",
        ),
    ],
    right_answers=[_predict_by_running, _PREDICTIONS.rounded],
    tolerance=6e-4,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
)


# ------------------------------------------ 2. Repair the sinusoidal table

_POSITION_BUGS = {
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
        "The angles grow with i up to thousands of radians a token: "
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
        "All sines stand in the first half and all cosines in the second. "
        "Sine and cosine of one rate should stand side by side.",
        "torch.stack((sin, cos), -1).flatten(-2), or table[..., 0::2] = sin.",
    ),
}


def _add_positions(embedded, offset=0, base=10_000.0, bugs=()):
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
    if "floor" in bugs:
        exponent = -(-torch.arange(0, D, 2) // D)
    rate = base ** (exponent if "rising" in bugs else -exponent)
    rate = rate.to(embedded.dtype)
    if "full turns" in bugs:
        rate = rate * 2 * math.pi
    angle = position[:, None] * rate  # (T, D/2)
    if "own rates" in bugs or "own doubled rates" in bugs:
        even = torch.arange(D) % 2 == 0
        return embedded + torch.where(even, angle.sin(), angle.cos())
    if "offset" in bugs:
        angle = angle + offset
    waves = angle.sin(), angle.cos()  # each (T, D/2)
    if "swapped" in bugs:
        waves = waves[::-1]
    if "halves" in bugs:
        table = torch.cat(waves, -1)  # (T, D)
    else:
        table = torch.stack(waves, -1).flatten(-2)  # (T, D)
    if "batch" in bugs:
        table = table[:, None]  # (B, 1, D)
    if "scaled" in bugs:
        embedded = embedded * D**0.5
    if "table" in bugs:
        return table.expand_as(embedded)
    if "bare table" in bugs:
        return table
    if "multiplied" in bugs:
        return embedded * table
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
    feature = torch.arange(D)
    rate = torch.exp(-math.log(base) * (feature - feature % 2) / D)
    phase = (feature % 2) * math.pi / 2
    position = torch.arange(offset, offset + T).to(embedded.dtype)
    return embedded + torch.sin(torch.outer(position, rate) + phase)


def _positions_case(name, B, T, D, offset, base, seed):
    return Case(name, (normal_from(seed, B, T, D), offset, base))


_ADD_POSITIONS = Exercise(
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
        Case("one sentence", (normal_from(3, 1, 4, 2), 0)),
        Case("as many sentences as tokens", (normal_from(4, 4, 4, 4), 7)),
        Case("another base", (normal_from(5, 2, 6, 8), 1, 100.0)),
    ],
    mistakes=[
        bugs_left(bugs, _POSITION_BUGS, _add_positions, begins="Begin with")
        for count in range(1, len(_POSITION_BUGS) + 1)
        for bugs in combinations(_POSITION_BUGS, count)
    ]
    + [
        Mistake(
            name,
            sentence,
            partial(_add_positions, bugs=(bug,)),
            look,
            (partial(_add_positions, bugs=("bare table",)),)
            if bug == "table"
            else (),
        )
        for bug, name, sentence, look in [
            (
                "no offset",
                "the offset is not used",
                "A continuation starts at position 0 again: the offset has "
                "no effect.",
                "Does your code use `offset` at all?",
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
                "The exponent is not divided by D: after a few pairs the "
                "rates are as good as 0.",
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
                "A continuation starts before position 0. It starts where "
                "the text has come to.",
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
                "The exponent is 2i/(D - 2), so that the last pair has the "
                "rate 1/base. In the formula it does not come to that.",
                "-2i/D.",
            ),
            (
                "floor",
                "a division that rounds down",
                "`//` makes the exponents whole numbers: all pairs but the "
                "first get the rate 1/base.",
                "A single slash.",
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
                "The angle is multiplied by 2π. The first pair then makes "
                "whole turns, and tells no positions apart.",
                "The angle is position times rate, in radians.",
            ),
            (
                "table",
                "the table alone",
                "The positions come back without the embeddings.",
                "The return line: embedded + table.",
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
                "The even features hold cosines. In the formula they hold "
                "sines.",
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
                "in place",
                "the input is changed in place",
                "`embedded += table` writes into the caller's tensor.",
                "embedded + table makes a new one.",
            ),
        ]
    ]
    + [
        Mistake(
            "positions that run on through the batch",
            "The second sentence starts where the first has ended. Each "
            "sentence starts at `offset`.",
            _positions_run_on,
            "The table is (T, D), the same for each sentence.",
        ),
    ],
    right_answers=[_positions_by_loops, _positions_as_phases],
    tolerance=1e-5,
    gradients=True,
    axes={"output": "B T D"},
    fresh=anew(
        _positions_case,
        B=(1, 4),
        T=(2, 6),
        D=[2, 4, 6, 8],
        offset=(0, 9),
        base=[10_000.0, 100.0],
    ),
)


# ---------------------------------------- 3. How far back does a head look?


def _attention_distance(weights, query_mask, mistake=None):
    _, _, T, S = weights.shape
    query = torch.arange(T) + S - T  # (T,): the last T of S positions
    if mistake == "no offset":
        query = torch.arange(T)
    if mistake in ("late", "early"):
        query = query + (1 if mistake == "late" else -1)
    key = torch.arange(S)  # (S,)
    distance = (query[:, None] - key).to(weights.dtype)  # (T, S)
    if mistake == "squared":
        distance = distance**2
    elif mistake == "back only":
        distance = distance.clamp(min=0)
    elif mistake == "key minus query":
        distance = -distance
    elif mistake != "signed":
        distance = distance.abs()
    if mistake == "one more":
        distance = distance + 1
    if mistake == "argmax":
        best = weights.argmax(-1)  # (B, H, T)
        found = distance[torch.arange(T), best]  # (B, H, T)
    elif mistake == "unweighted":
        found = (distance * (weights > 0)).sum(-1)
        found = found / (weights > 0).sum(-1).clamp(min=1)
    elif mistake == "mean place":
        place = (weights * key.to(weights.dtype)).sum(-1)  # (B, H, T)
        found = (query - place).abs()
    else:
        found = (weights * distance).sum(-1)  # (B, H, T)
    if mistake == "mask on heads":
        found = found.masked_fill(~query_mask, 0.0)
        return found.sum((0, 2)) / query_mask.sum()
    if mistake == "mask picks heads":
        return found[query_mask].mean(0)
    if mistake == "first sentence":
        return found[0][:, query_mask[0]].mean(-1)
    if mistake == "mixed":
        real = query_mask[:, None].expand_as(found)
        return found[real].view(weights.shape[1], -1).mean(-1)
    if mistake == "upside down":
        query_mask = ~query_mask
    counted = query_mask[:, None].expand_as(found)  # (B, H, T)
    if mistake == "padding":
        counted = torch.ones_like(counted)
    if mistake == "nan":
        found = found * counted
    elif mistake != "padding in the sum":
        found = found.masked_fill(~counted, 0.0)
    if mistake == "upside down":
        return found.sum((0, 2)) / (~counted).sum((0, 2))
    if mistake == "sum":
        return found.sum((0, 2))
    if mistake == "by T":
        return found.sum((0, 2)) / T
    if mistake == "by B":
        return found.sum((0, 2)) / len(found)
    if mistake == "by H":
        return found.sum((0, 2)) / counted.sum()
    if mistake == "divided by T":
        return found.mean((0, 2))
    if mistake == "sentences":
        rows = counted.sum(-1).clamp(min=1)  # (B, H)
        return (found.sum(-1) / rows).mean(0)
    if mistake in ("one number", "a scalar"):
        mean = found.sum() / counted.sum()
        return mean if mistake == "a scalar" else mean.expand(found.shape[1])
    if mistake == "relative":
        return found.sum((0, 2)) / counted.sum((0, 2)) / S
    return found.sum((0, 2)) / counted.sum((0, 2))


def _distance_by_loops(weights, query_mask):
    B, H, T, S = weights.shape
    result = torch.zeros(H, dtype=weights.dtype)
    for h in range(H):
        total, rows = 0.0, 0
        for b in range(B):
            for t in range(T):
                if not query_mask[b, t]:
                    continue
                rows += 1
                for s in range(S):
                    away = abs(S - T + t - s)
                    total += weights[b, h, t, s].item() * away
        result[h] = total / rows
    return result


def _distance_by_picking_rows(weights, query_mask):
    T, S = weights.shape[-2:]
    away = torch.cdist(
        torch.arange(S - T, S).double()[:, None],
        torch.arange(S).double()[:, None],
        p=1,
    )  # (T, S)
    found = torch.einsum("bhts,ts->bth", weights.double(), away)
    return found[query_mask].mean(0)


def _distance_case(name, lengths, H, T, S, seed):
    """Rows past a sentence's length are padding and hold anything."""
    scores = normal_from(seed, len(lengths), H, T, S)
    mask = torch.arange(T)[None] < torch.tensor(lengths)[:, None]
    causal = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    weights = scores.masked_fill(~causal, -torch.inf).softmax(-1)
    return Case(name, (weights, mask))


def _looks_both_ways():
    weights = normal_from(8, 2, 3, 4, 4).softmax(-1)
    real = torch.tensor([[True, True, True, False], [True] * 4])
    return Case("heads that look ahead, too", (weights, real))


def _padding_of_nan():
    weights = normal_from(9, 2, 3, 4, 4).softmax(-1)
    real = torch.tensor([[True, True, False, False], [True] * 4])
    weights = weights.masked_fill(~real[:, None, :, None], torch.nan)
    return Case("NaN in the rows of padding", (weights, real))


_DISTANCE = Exercise(
    "05-attention-distance",
    "Measure how far a head looks",
    points=4,
    reference=_attention_distance,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor(
                    [
                        [
                            [[0.0, 0.5, 0.5], [0.0, 0.0, 1.0]],
                            [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]],
                        ]
                    ]
                ),
                torch.tensor([[True, True]]),
            ),
        ),
        _distance_case("whole sentences", [5, 5], 2, 5, 5, seed=1),
        _distance_case("padded queries", [4, 2, 3], 3, 4, 4, seed=2),
        _distance_case("a continuation", [3, 2], 2, 3, 7, seed=3),
        _looks_both_ways(),
        _padding_of_nan(),
    ],
    mistakes=[
        Mistake(
            name,
            sentence,
            partial(_attention_distance, mistake=key),
            look,
            (partial(_attention_distance, mistake="a scalar"),)
            if key == "one number"
            else (),
        )
        for key, name, sentence, look in [
            (
                "no offset",
                "queries counted from 0",
                "With T < S the queries are the *last* T of the S positions, "
                "as when a model goes on writing. Yours start at 0.",
                "The first query stands at S - T.",
            ),
            (
                "signed",
                "distances with a sign",
                "A key 2 ahead and one 2 behind cancel to 0. Both are 2 away.",
                "The absolute value.",
            ),
            (
                "squared",
                "squared distances",
                "Distances are squared. The question is the mean distance, "
                "in tokens.",
                "The absolute value.",
            ),
            (
                "one more",
                "a token is 1 away from itself",
                "All distances are one too large: query and key in the same "
                "place have distance 0.",
                "Both arange must count the same positions.",
            ),
            (
                "argmax",
                "only the greatest weight",
                "You take the distance of the one key with the greatest "
                "weight. A head that spreads its attention looks at all.",
                "Weigh each distance by its weight.",
            ),
            (
                "unweighted",
                "every key counts the same",
                "The distances are averaged without their weights.",
                "A sum of weight times distance; the weights sum to 1.",
            ),
            (
                "padding",
                "padding is counted",
                "Rows of queries that are padding are counted.",
                "query_mask is True for the rows that are real.",
            ),
            (
                "sum",
                "a sum, not a mean",
                "This adds up over the rows, so a longer text would look "
                "further.",
                "Divide by the number of rows that count.",
            ),
            (
                "divided by T",
                "divided by all rows",
                "The sum leaves padding out, and the division counts it: B·T "
                "rows.",
                "How many True are there in query_mask?",
            ),
            (
                "sentences",
                "a mean of means",
                "Each sentence counts the same, whether it has two rows or "
                "twenty. Each row should.",
                "Sum over the batch, then divide once.",
            ),
            (
                "one number",
                "heads averaged together",
                "All heads get the same number. Heads differ: that is the "
                "point of the measure.",
                "Sum over the batch and the queries, dimensions 0 and 2.",
            ),
            (
                "relative",
                "divided by the length",
                "The distance is divided by S. It is asked in tokens.",
                "The last line.",
            ),
            (
                "back only",
                "keys ahead count as 0",
                "Keys that stand after the query count as 0 away. A key 2 "
                "ahead is 2 away.",
                "The absolute value.",
            ),
            (
                "key minus query",
                "distances with a sign, turned",
                "Keys before the query get a negative distance. Both sides "
                "are away.",
                "The absolute value.",
            ),
            (
                "late",
                "queries one place too far",
                "Your last query stands at S. Positions are 0 to S - 1.",
                "The first query stands at S - T.",
            ),
            (
                "early",
                "queries one place too early",
                "Your last query stands at S - 2. The last position is S - 1.",
                "The first query stands at S - T.",
            ),
            (
                "mean place",
                "the distance of the mean place",
                "You average the places first. A head that looks 2 back "
                "and 2 ahead is then 0 away.",
                "Distances first, then their mean by weight.",
            ),
            (
                "mask on heads",
                "the mask meets the heads",
                "query_mask (B, T) is laid on (B, H, T) from the right: it "
                "picks rows by head, not by sentence.",
                "query_mask[:, None] is (B, 1, T).",
            ),
            (
                "mask picks heads",
                "the mask picks heads",
                "query_mask (B, T) is an index into (B, H, T): it picks "
                "sentences and *heads*.",
                "Bring T beside B first, or mask with query_mask[:, None].",
            ),
            (
                "first sentence",
                "the first sentence alone",
                "Only the first sentence of the batch is measured.",
                "The mean runs over all real rows of the batch.",
            ),
            (
                "mixed",
                "heads cut across sentences",
                "The rows picked by the mask come sentence by sentence. "
                "Cut into H pieces they mix heads.",
                "Sum over B and T while the axis of heads is there.",
            ),
            (
                "upside down",
                "the mask upside down",
                "Real rows are set to 0 and padding is kept.",
                "query_mask is True for the rows that are real.",
            ),
            (
                "padding in the sum",
                "padding in the sum",
                "The division counts the real rows, but the sum holds "
                "those of padding, too.",
                "Set the rows of padding to 0 before the sum.",
            ),
            (
                "by T",
                "divided by the length of one sentence",
                "The sum over the batch is divided by T. A larger batch "
                "would look further.",
                "How many True are there in query_mask?",
            ),
            (
                "by B",
                "divided by the number of sentences",
                "The sum over all rows is divided by B. A longer text "
                "would look further.",
                "How many True are there in query_mask?",
            ),
            (
                "by H",
                "divided by the heads, too",
                "The rows are counted once for each head. A head has B·T "
                "of them at most.",
                "query_mask.sum() counts each row once.",
            ),
            (
                "nan",
                "0 times NaN",
                "Rows of padding are multiplied by 0, and 0 times NaN is NaN.",
                "masked_fill, torch.where, or pick the real rows.",
            ),
        ]
    ],
    right_answers=[_distance_by_loops, _distance_by_picking_rows],
    tolerance=1e-5,
    axes={"output": "H"},
    fresh=anew(
        _distance_case,
        S=(3, 7),
        T=up_to("S", least=2),
        lengths=lambda random, drawn: lengths(random, drawn["T"], least=1),
        H=(2, 4),
    ),
)


# ------------------------------------------------- 4. Rotate in two dimensions


def _turn_pairs(x, angle, mistake=None):
    """Turn neighbouring pairs of x (..., L, d) by angle (L, d/2)."""
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


def _rotate_2d(x, row, column, base=100.0, mistake=None):
    if mistake == "unturned":
        return x.clone()
    d = x.shape[-1] // 2
    if mistake in ("base 100", "base 10000"):
        base = 100.0 if mistake == "base 100" else 10_000.0
    width = 2 * d if mistake == "whole width" else d
    last = 2 * d if mistake == "too many rates" else d
    width = last if mistake == "too many rates" else width
    if mistake == "too many rates" and x.shape[-1] > 4:
        # Any slip raises a RuntimeError here: this one is known by the
        # worked example, where its shapes broadcast.
        raise ValueError("more rates than pairs")
    rate = base ** (-torch.arange(0, last, 2, dtype=x.dtype) / width)  # (d/2,)
    if mistake == "rising":
        rate = 1 / rate
    if mistake == "two twice":
        rate = rate**2
    if mistake == "no rate":
        rate = torch.ones_like(rate)
    if mistake == "from one":
        row, column = row + 1, column + 1
    if mistake == "row twice":
        column = row
    if mistake == "own grid":
        n = math.isqrt(x.shape[2])
        row, column = torch.arange(x.shape[2]) // n, torch.arange(len(row)) % n
    if mistake == "exchanged":
        row, column = column, row
    first, second = x[..., :d], x[..., d:]
    if mistake in ("alternate", "alternate in place"):
        pairs = x.unflatten(-1, (-1, 4))
        first = pairs[..., :2].flatten(-2)
        second = pairs[..., 2:].flatten(-2)
    row, column = row.to(x.dtype), column.to(x.dtype)
    if mistake == "sum":
        row = column = row + column
    if mistake == "one index":
        row = column = row * (column.max() + 1) + column
    angles = [place[:, None] * rate for place in (row, column)]
    if mistake == "one half":
        return torch.cat([_turn_pairs(first, angles[0]), second], -1)
    turned = [
        _turn_pairs(first, angles[0], mistake),
        _turn_pairs(second, angles[1], mistake),
    ]
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
    if place == "sum":
        return _turn_pairs(x, (row + column)[:, None] * rate)
    if place == "index":
        number = row * (column.max() + 1) + column
        return _turn_pairs(x, number[:, None] * rate)
    if place == "run on fast":
        rate = rate**2
    low, high = rate.chunk(2)
    angle = torch.cat((row[:, None] * low, column[:, None] * high), -1)
    return _turn_pairs(x, angle)


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


def _rotate_2d_complex(x, row, column, base=100.0):
    """A pair of features is one complex number; turning multiplies it."""
    d = x.shape[-1] // 2
    rate = base ** (-torch.arange(0, d, 2).double() / d)
    angle = torch.cat(
        [torch.outer(p.double(), rate) for p in (row, column)], 1
    )
    pairs = torch.view_as_complex(
        x.double().unflatten(-1, (-1, 2)).contiguous()
    )
    turned = pairs * torch.polar(torch.ones_like(angle), angle)
    return torch.view_as_real(turned).flatten(-2).to(x.dtype)


def _rotate_2d_by_matrices(x, row, column, base=100.0):
    d = x.shape[-1] // 2
    places = []
    for n in range(len(row)):
        blocks = []
        for place in (row[n].item(), column[n].item()):
            for i in range(d // 2):
                angle = place * base ** (-2 * i / d)
                c, s = math.cos(angle), math.sin(angle)
                blocks.append(torch.tensor([[c, -s], [s, c]], dtype=x.dtype))
        places.append(x[..., n, :] @ torch.block_diag(*blocks).T)
    return torch.stack(places, -2)


def _rotate_2d_by_einsum(x, row, column, base=100.0):
    """A 2 x 2 matrix for each patch, half and pair."""
    B, H, L, d = x.shape
    rate = base ** (-torch.arange(0, d // 2, 2) / (d // 2))  # (d/4,)
    angle = torch.stack((row, column), 1)[:, :, None] * rate  # (L, 2, d/4)
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack((cos, -sin, sin, cos), -1).unflatten(-1, (2, 2))
    pairs = x.reshape(B, H, L, 2, d // 4, 2)
    return torch.einsum("lkpij,bhlkpj->bhlkpi", turn, pairs).flatten(3)


def _grid(height, width):
    row, column = torch.meshgrid(
        torch.arange(height), torch.arange(width), indexing="ij"
    )
    return row.flatten(), column.flatten()


def _grid_case(name, B, H, height, width, d, seed, **keywords):
    row, column = _grid(height, width)
    x = normal_from(seed, B, H, height * width, d)
    return Case(name, (x, row, column), keywords)


def _patches_case(name, B, H, L, d, base, seed):
    generator = torch.Generator().manual_seed(seed)
    row, column = torch.randint(0, 9, (2, L), generator=generator)
    x = torch.randn(B, H, L, d, generator=generator)
    return Case(name, (x, row, column), {"base": base})


def _depends_on_the_difference(answer):
    query, key = normal_from(21, 2, 1, 1, 1, 8)
    one = torch.ones(1, dtype=torch.long)

    def score(r, c, moved):
        left = answer(query, one * (5 + moved), one * (2 + 2 * moved))
        right = answer(key, one * (r + moved), one * (c + 2 * moved))
        return (left * right).sum()

    return all(
        torch.allclose(score(r, c, 0), score(r, c, 7), atol=1e-4)
        for r, c in [(5, 2), (3, 4), (0, 9)]
    )


_ROTATED_ALIKE = {
    "sum": (_rotate_2d_whole,),
    "one index": (partial(_rotate_2d_whole, place="index"),),
    "alternate": (partial(_rotate_2d, mistake="alternate in place"),),
    "two layouts": (partial(_rotate_2d_half_turned, partner="half"),),
    "sign below": (partial(_rotate_2d, mistake="sign above"),),
    "base 100": (partial(_rotate_2d, mistake="base 10000"),),
}

_ROTATE_2D = Exercise(
    "05-rotate-2d",
    "Rotate by row and column",
    points=4,
    reference=_rotate_2d,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor([[[[1.0, 0.0, 1.0, 0.0]]]]),
                torch.tensor([1]),
                torch.tensor([2]),
            ),
        ),
        _grid_case("a grid of 2 x 3", 2, 2, 2, 3, 8, seed=1),
        _grid_case("a wider head", 2, 3, 3, 2, 16, seed=2),
        _grid_case("another base", 1, 2, 4, 4, 8, seed=3, base=1000.0),
        Case(
            "patches in any order",
            (
                normal_from(4, 2, 2, 5, 8),
                torch.tensor([4, 0, 2, 2, 1]),
                torch.tensor([0, 3, 3, 1, 7]),
            ),
        ),
    ],
    mistakes=[
        Mistake(
            name,
            sentence,
            partial(_rotate_2d, mistake=key),
            look,
            _ROTATED_ALIKE.get(key, ()),
        )
        for key, name, sentence, look in [
            (
                "exchanged",
                "row and column exchanged",
                "The first half turns with the column. It should turn with "
                "the row.",
                "The first d/2 features belong to the row.",
            ),
            (
                "whole width",
                "rates of the whole head",
                "The rates fall too slowly: the exponent is divided by d. "
                "Each half is a rotary embedding of its own, d/2 wide.",
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
                "A sign is wrong: this mirrors the pair in place of turning "
                "it.",
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
                "Only the first half is turned: moving along a row changes "
                "nothing.",
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
                "Pairs turn with row and column alternately. Here each has "
                "one half of the features.",
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
                "torch.arange(0, width, 2) already holds 2i.",
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
                "The angle is multiplied by 2π, so the first pair makes "
                "whole turns.",
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
                "own grid",
                "rows and columns made up",
                "Your rows and columns come from the number of patches. "
                "The grid need not be square, nor the patches in order.",
                "Does your code use `row` and `column`?",
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
    ]
    + [
        Mistake(
            "rates that run on",
            "One series of rates runs through both halves, so columns turn "
            "more slowly than rows. Each half begins with the rate 1.",
            partial(_rotate_2d_whole, place="run on"),
            "The same d/4 rates for row and column.",
            (partial(_rotate_2d_whole, place="run on fast"),),
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
    ],
    right_answers=[
        _rotate_2d_complex,
        _rotate_2d_by_matrices,
        _rotate_2d_by_einsum,
    ],
    properties=[
        Property(
            "The score of two patches does not change when both move by the "
            "same number of rows and of columns.",
            _depends_on_the_difference,
            "Turn by position times rate, the same rates for all.",
        ),
    ],
    tolerance=1e-5,
    gradients=True,
    axes={"output": "B H L d"},
    fresh=anew(
        _patches_case,
        B=(1, 3),
        H=(1, 3),
        L=(1, 8),
        d=[4, 8, 12, 16],
        base=[100.0, 1000.0],
    ),
)


# ------------------------------------------------ 5. Stretch the wavelengths


def _stretched_rates(
    d, trained, wanted, kind, base=10_000.0, low=1.0, high=32.0, mistake=None
):
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
    stretch = wanted / trained
    if mistake == "whole":
        stretch = wanted // trained
    if mistake == "whole, up":
        stretch = math.ceil(stretch)
    if mistake == "difference":
        stretch = wanted - trained
    if mistake == "upside down":
        stretch = trained / wanted
    if mistake == "wanted":
        stretch = wanted
    if mistake != "shrinks":
        stretch = max(stretch, 1.0)
    slow = rate / stretch
    if mistake == "multiplied":
        slow = rate * stretch
    if kind == "interpolate":
        if mistake == "first kept":
            slow = torch.cat((rate[:1], slow[1:]))
        return slow
    if kind == "base":
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
            return rate / stretch ** (d / (d - 2))
        if mistake == "smaller base":
            return (base / stretch ** (d / (d - 2))) ** -exponent
        return (base * stretch ** (d / (d - 2))) ** -exponent
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
    if mistake == "reversed":
        keep = 1 - keep
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


def _wavelengths(*arguments, **keywords):
    return 2 * math.pi / _stretched_rates(*arguments, **keywords)


def _rates_for_each_feature(*arguments, **keywords):
    return _stretched_rates(*arguments, **keywords).repeat_interleave(2)


def _rates_with_odd_exponents(d, *arguments, **keywords):
    """Exponents i/d for i = 0 to d - 1, where the rates have 2i/d."""
    return _stretched_rates(
        2 * d, *arguments, mistake="half width", **keywords
    )


_STRETCHED_ALIKE = {
    "whole": (partial(_stretched_rates, mistake="whole, up"),),
    "times": (partial(_stretched_rates, mistake="times pi"),),
    "a step": (
        partial(_stretched_rates, mistake="a late step"),
        partial(_stretched_rates, mistake="a middle step"),
    ),
    "power of both": (partial(_stretched_rates, mistake="power of base"),),
}


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


def _rates_of_each_kind(seed):
    random = np.random.default_rng(seed)
    for kind in ("interpolate", "base", "parts"):
        d = int(2 * random.integers(2, 17))
        trained = int(random.integers(50, 1000))
        wanted = int(trained * random.uniform(0.5, 8))
        base = float(random.choice([1e4, 5e5]))
        yield Case("drawn anew", (d, trained, wanted, kind, base))


_STRETCHED = Exercise(
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
        Mistake(
            name,
            sentence,
            partial(_stretched_rates, mistake=key),
            look,
            _STRETCHED_ALIKE.get(key, ()),
        )
        for key, name, sentence, look in [
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
                "`//` rounds the exponent d/(d - 2) down to 1, or to 2 "
                "where d = 4.",
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
                "Both parts of the mix are divided by s. The kept part is "
                "not.",
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
                "The ramp mixes the wavelengths. In the formula it mixes "
                "the rates.",
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
    ]
    + [
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
    fresh=_rates_of_each_kind,
)


EXERCISES = {
    exercise.grade_id: exercise
    for exercise in (
        _PREDICT,
        _ADD_POSITIONS,
        _DISTANCE,
        _ROTATE_2D,
        _STRETCHED,
    )
}

check_predict = _PREDICT.check
check_add_positions = _ADD_POSITIONS.check
check_attention_distance = _DISTANCE.check
check_rotate_2d = _ROTATE_2D.check
check_stretched_rates = _STRETCHED.check


def points_so_far():
    """Print the points of each exercise of chapter 05, and their total."""
    _points_so_far(EXERCISES)
