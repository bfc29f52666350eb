"""Exercise 02.1: Predict sizes, costs and weights."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from attnbook.judging.exercise import Exercise, Part
from attnbook.judging.predictions import Predictions, questions

_PREDICTIONS = Predictions(
    {
        "a": 6 * 10.0,
        "b": 8 * (6 + 10) + 8.0,
        "c": 50 * 6.0,
        "d": 8.0,
        "e": 20 * 10 * 6 + 12 * 20 * 6.0,
        "f": 1 / (1 + math.exp(-4)),
        "g": 2.7,
    }
)


def _predict_by_running(question):
    """Right, by building what is asked about."""
    B, T, S, d_q, d_k, d_a = 4, 12, 20, 6, 10, 8
    if question == "a":
        return torch.nn.Bilinear(d_q, d_k, 1, bias=False).weight.numel()
    if question == "b":
        return torch.zeros(d_a, d_q + d_k + 1).numel()
    if question == "c":
        return torch.nn.Linear(d_q, 50, bias=False).weight.numel()
    if question == "d":
        hidden = torch.zeros(B, T, 1, d_a) + torch.zeros(B, 1, S, d_a)
        scores = torch.zeros(B, T, d_q) @ torch.zeros(B, d_q, S)
        return hidden.numel() / scores.numel()
    if question == "e":
        return sum(d_k for _ in range(S * d_q)) + T * S * d_q
    if question == "f":
        query, key = torch.tensor([1.0, 0.0]), torch.eye(2)
        return (2 * key @ (2 * query)).softmax(0)[0].item()
    weights = torch.tensor([0.5, 0.3, 0.2])
    return (weights @ torch.tensor([6.0, 0.0, 3.0]).flip(0)).item()


def _is_no_weight(case, output):
    return case.arguments == ("f",) and not 0 <= output <= 1


EXERCISE = Exercise(
    "02-predict",
    "Predict sizes, costs and weights",
    points=3,
    reference=_PREDICTIONS.exactly,
    cases=_PREDICTIONS.cases(hints=(1, 1, 1, 2, 2, 3, 4)),
    mistakes=[
        replace(
            _PREDICTIONS.wrong(
                "f",
                98.2,
                "not between 0 and 1",
                "A weight lies between 0 and 1.",
                "Not a percentage, and softmax weights sum to 1.",
            ),
            shows=_is_no_weight,
        ),
        _PREDICTIONS.wrong(
            "a",
            36.0,
            "a square of 6",
            "You took W as if keys were as long as queries. W allows "
            "different sizes.",
            "q·W k: which shape must W have?",
        ),
        _PREDICTIONS.wrong(
            "a",
            240.0,
            "one for each sentence",
            "What a score learns does not grow with the batch.",
            "Count W alone, once.",
        ),
        _PREDICTIONS.wrong(
            "a",
            480.0,
            "with a hidden layer",
            "General has no hidden layer; concat has.",
            "q·W k: which shape must W have?",
        ),
        _PREDICTIONS.wrong(
            "a",
            0.0,
            "nothing to learn",
            "That is dot. General has a matrix between query and key.",
            "q·W k: which shape must W have?",
        ),
        _PREDICTIONS.wrong(
            "b",
            144.0,
            "a bias",
            "A bias of 8 was counted, or v twice. No score here has a bias.",
            "W and v, and no more.",
        ),
        _PREDICTIONS.wrong(
            "b",
            145.0,
            "two biases",
            "Biases were counted. No score here has one.",
            "W and v, and no more.",
        ),
        _PREDICTIONS.wrong(
            "b",
            56.0,
            "the query alone",
            "W multiplies the concatenation of query and key.",
            "W has the shape (d_a, d_q + d_k).",
        ),
        _PREDICTIONS.wrong(
            "b",
            88.0,
            "the key alone",
            "W multiplies the concatenation of query and key.",
            "W has the shape (d_a, d_q + d_k).",
        ),
        _PREDICTIONS.wrong(
            "b",
            6 * 10 + 8.0,
            "the matrix of general",
            "This is the matrix of general, (d_q, d_k), and v. The W of "
            "concat makes the hidden layer.",
            "W has the shape (d_a, d_q + d_k).",
        ),
        _PREDICTIONS.wrong(
            "b",
            129.0,
            "v as one number",
            "v has one number for each entry of the hidden layer.",
            "v has d_a entries.",
        ),
        _PREDICTIONS.wrong(
            "b",
            32640.0,
            "one for each pair",
            "W and v are the same for every pair.",
            "Count them once.",
        ),
        _PREDICTIONS.wrong(
            "c",
            50.0,
            "a number for each position",
            "Each position has a row of W, as long as the query.",
            "W takes a query of 6 numbers to 50 scores.",
        ),
        _PREDICTIONS.wrong(
            "c",
            1000.0,
            "positions times keys",
            "The location score does not use the keys.",
            "W takes a query of 6 numbers to 50 scores.",
        ),
        _PREDICTIONS.wrong(
            "c",
            350.0,
            "a bias",
            "A bias was counted for each position. No score here has one.",
            "Count W alone.",
        ),
        _PREDICTIONS.wrong(
            "c",
            56.0,
            "a sum for a product",
            "A matrix has as many numbers as the product of its sizes.",
            "W takes a query of 6 numbers to 50 scores.",
        ),
        _PREDICTIONS.wrong(
            "c",
            400.0,
            "made for the hidden layer",
            "The location score has no hidden layer.",
            "W takes a query of 6 numbers to 50 scores.",
        ),
        _PREDICTIONS.wrong(
            "d",
            0.125,
            "the other way round",
            "Concat forms more numbers than general, not fewer.",
            "(B, T, S, d_a) divided by (B, T, S).",
        ),
        _PREDICTIONS.wrong(
            "e",
            1200.0,
            "the dot products are left out",
            "This is the projection alone. Each pair needs a dot product too.",
            "S · d_k · d_q for the keys, then one dot product per pair.",
        ),
        _PREDICTIONS.wrong(
            "e",
            10560.0,
            "the whole batch",
            "The question is about one sentence.",
            "Divide by B.",
        ),
        _PREDICTIONS.wrong(
            "e",
            5280.0,
            "multiplications and additions",
            "A multiplication with its addition counts once here.",
            "n · m · p for a product of matrices.",
        ),
        _PREDICTIONS.wrong(
            "e",
            14400.0,
            "three factors for each pair",
            "You counted q·W k again for each pair, but a key can be "
            "projected once.",
            "S keys are projected, once.",
        ),
        _PREDICTIONS.wrong(
            "e",
            1440 + 720.0,
            "the queries projected, then short keys",
            "Keys are projected to the queries' size, once each.",
            "S · d_k · d_q for the keys, then one dot product per pair.",
        ),
        _PREDICTIONS.wrong(
            "f",
            4 / 5,
            "a share of the scores",
            "Weights are shares of the exponentials of the scores.",
            "exp(4) and exp(0).",
        ),
        _PREDICTIONS.wrong(
            "f",
            0.5,
            "no preference",
            "The scores are 4 and 0, so the first key gets far more.",
            "exp(4) and exp(0).",
        ),
        _PREDICTIONS.wrong(
            "g",
            3.0,
            "equal weights",
            "This is the mean of the values.",
            "The first place has the weight 0.5, the next 0.3, the last 0.2.",
        ),
        _PREDICTIONS.wrong(
            "a",
            16.0,
            "a sum for a product",
            "A matrix has as many numbers as the product of its sizes.",
            "W takes a key of 10 numbers to a vector of 6.",
        ),
        _PREDICTIONS.wrong(
            "a",
            100.0,
            "a square matrix",
            "You took W as if queries were as long as keys. W allows "
            "different sizes.",
            "q·W k: which shape must W have?",
        ),
        _PREDICTIONS.wrong(
            "a",
            61.0,
            "a bias",
            "A bias was counted. Luong's scores have none, and the same "
            "number added to each score would not change a weight.",
            "Count W alone.",
        ),
        _PREDICTIONS.wrong(
            "b",
            128.0,
            "v is left out",
            "This is W alone. The vector v is learnt too.",
            "v has d_a entries.",
        ),
        _PREDICTIONS.wrong(
            "b",
            8 * 6 * 10 + 8.0,
            "a product for a sum",
            "Query and key are concatenated: 6 + 10 numbers, not 6 · 10.",
            "W has the shape (d_a, d_q + d_k).",
        ),
        _PREDICTIONS.wrong(
            "c",
            20 * 6.0,
            "as long as this sentence",
            "The matrix is made once, for the longest possible sentence.",
            "How many rows does it have: S, or the greatest length?",
        ),
        _PREDICTIONS.wrong(
            "c",
            50 * 10.0,
            "made for the keys",
            "The location score does not use the keys.",
            "Which vector does the matrix multiply?",
        ),
        _PREDICTIONS.wrong(
            "d",
            1.0,
            "only the scores",
            "Both have the same number of scores. But before its scores, "
            "concat forms a hidden layer for each pair.",
            "(B, T, S, d_a) against (B, T, S).",
        ),
        _PREDICTIONS.wrong(
            "d",
            16.0,
            "twice as many",
            "That is the hidden layer divided by the projected keys, "
            "(B, S, d_q), or pairs of 6 + 10 numbers divided by the scores.",
            "Divide the hidden layer, (B, T, S, d_a), by the largest tensor "
            "of general, its scores, (B, T, S).",
        ),
        _PREDICTIONS.wrong(
            "d",
            7680.0,
            "one number, not the ratio",
            "This is the size of the hidden layer. The question is how many "
            "times as many numbers it has.",
            "Divide by the size of general's largest tensor.",
        ),
        _PREDICTIONS.wrong(
            "e",
            12 * 20 * (6 * 10 + 6.0),
            "a projection for each pair",
            "You projected each key again for each query. It does not depend "
            "on the query.",
            "S keys are projected, once.",
        ),
        _PREDICTIONS.wrong(
            "e",
            12 * 6 * 10 + 12 * 20 * 10.0,
            "the queries projected",
            "You projected the queries. That gives the same scores with "
            "another count, but here the keys are projected.",
            "S · d_k · d_q for the keys, then one dot product per pair.",
        ),
        _PREDICTIONS.wrong(
            "e",
            12 * 20 * 6.0,
            "the projection is left out",
            "These are the dot products alone. W k has a cost too.",
            "S · d_k · d_q for the keys, then one dot product per pair.",
        ),
        _PREDICTIONS.wrong(
            "e",
            1200 + 12 * 20 * 10.0,
            "dot products of the wrong length",
            "A projected key has d_q numbers, not d_k.",
            "How long are the two vectors of the dot product?",
        ),
        _PREDICTIONS.wrong(
            "f",
            1 / (1 + math.exp(-2)),
            "doubled once",
            "Query and key are both doubled, so their product is four times "
            "as large.",
            "2q · 2k.",
        ),
        _PREDICTIONS.wrong(
            "f",
            1 / (1 + math.exp(-1)),
            "length does not count",
            "That is true of the cosine. A dot product grows with both "
            "lengths.",
            "2q · 2k.",
        ),
        _PREDICTIONS.wrong(
            "g",
            3.6,
            "weights that go with the keys",
            "With any other score the weights would move with the keys. A "
            "location score does not use the keys, so the weights stay.",
            "For each of the three positions, write its weight and the value "
            "that is now there.",
        ),
    ],
    right_answers=[_predict_by_running, _PREDICTIONS.rounded],
    tolerance=2e-3,
    reveal=False,
    parts=[
        Part(
            "sizes",
            "how many numbers a score learns, a to c",
            1,
            tries=questions("abc"),
        ),
        Part(
            "costs",
            "tensors and multiply-adds, d and e",
            1,
            tries=questions("de"),
        ),
        Part(
            "weights",
            "a weight and an output, f and g",
            1,
            tries=questions("fg"),
        ),
    ],
    # Nothing is drawn anew: each question has one right number.
)
