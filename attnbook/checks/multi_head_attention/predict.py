"""Exercise 04.1: Predict parameters, products and shapes."""

from __future__ import annotations

import math

import torch

from attnbook.judging.exercise import Exercise, Mistake, Part
from attnbook.judging.predictions import Predictions, questions
from attnbook.judging.tensors import normal

_PREDICTIONS = Predictions(
    {
        "a": 4 * 64 * 64 + 4 * 64,
        "b": 10 * 20 * 64,
        "c": 2 * 8 * 10 * 20,
        "d": 4,
        "e": 2.83,
        "f": 0.0,
    }
)


def _predict_exactly(question):
    return math.sqrt(8) if question == "e" else _PREDICTIONS.answers[question]


def _predict_by_running(question):
    """Right, by running what is asked instead of thinking."""
    generator = torch.Generator().manual_seed(0)
    if question == "a":
        layer = torch.nn.MultiheadAttention(64, 8)
        return sum(parameter.numel() for parameter in layer.parameters())
    if question == "b":
        d = 64 // 8
        return sum(10 * 20 * d for _ in range(8))
    if question == "c":
        query, key = torch.zeros(2, 8, 10, 8), torch.zeros(2, 8, 20, 8)
        return (query @ key.transpose(-2, -1)).numel()
    if question == "d":
        query, key = (normal(generator, n, 4).double() for n in (10, 20))
        return torch.linalg.matrix_rank(query @ key.T).item()
    if question == "e":
        return math.sqrt(64) / math.sqrt(64 / 8)
    query, key = normal(generator, 10, 8), normal(generator, 20, 8)
    before, after = ((query @ (key + b).T).softmax(-1) for b in (0, 5))
    return round((after - before).abs().max().item(), 3)


EXERCISE = Exercise(
    "04-predict",
    "Predict parameters, products and shapes",
    points=3,
    reference=_predict_exactly,
    cases=_PREDICTIONS.cases(hints=(1, 2, 2, 3, 4, 4)),
    mistakes=[
        Mistake(
            "one number for all letters",
            "This is the answer to question a, but another letter was asked.",
            lambda question: _PREDICTIONS.answers["a"],
            'An `if question == "a" or "A":` is always true.',
        ),
        _PREDICTIONS.wrong(
            "a",
            8 * (4 * 64 * 64 + 4 * 64),
            "a whole layer for each head",
            "You gave each head four matrices of 64 × 64. A head has 8 of "
            "the 64 rows of each.",
            "All heads together project to D numbers, not each of them.",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * 64 * 64,
            "the biases are left out",
            "These are the four matrices. Each projection has a bias too.",
            "nn.Linear(64, 64) has 64 · 64 + 64 parameters.",
        ),
        _PREDICTIONS.wrong(
            "a",
            8 * (4 * 8 * 8 + 4 * 8),
            "each head reads its own piece",
            "You gave each head matrices of 8 × 8. A head reads all 64 "
            "numbers, and the layers are 64 × 64.",
            "Four layers, D to D, with biases.",
        ),
        _PREDICTIONS.wrong(
            "a",
            3 * 64 * 64 + 3 * 64,
            "the output projection is left out",
            "Queries, keys and values make three projections. The merged "
            "heads go through a fourth.",
            "What mixes the heads, after they are laid side by side?",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * 8 * 8 + 4 * 8,
            "matrices of one head's size",
            "You took each projection as 8 × 8. But it reads all 64 numbers.",
            "W_q reads D numbers and writes H · d = D.",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * 8 * 64 + 4 * 8,
            "one head alone",
            "This is the share of one head. There are eight.",
            "Multiply by the number of heads.",
        ),
        _PREDICTIONS.wrong(
            "b",
            10 * 20 * 64 * 8,
            "each head as wide as the model",
            "You counted 64 products for each score. A head is D/H = 8 "
            "numbers wide.",
            "H heads, T · S scores per head, d products per score.",
        ),
        _PREDICTIONS.wrong(
            "b",
            10 * 20 * 8,
            "one head alone, or scores counted",
            "This is the work of one head (and also the number of scores). "
            "All heads are asked for, and each score takes 8 multiply-adds.",
            "H heads, T · S scores per head, d products per score.",
        ),
        _PREDICTIONS.wrong(
            "b",
            2 * 10 * 20 * 64,
            "a factor of two",
            "You counted both sentences, or the averages too, or "
            "multiplication and addition as two. Count the multiply-adds of "
            "the scores of one sentence.",
            "Read question b again: three words limit it.",
        ),
        _PREDICTIONS.wrong(
            "c",
            2 * 10 * 20,
            "one map for all heads",
            "These are the weights of one head. Each head has its own.",
            "(B, H, T, S): four sizes.",
        ),
        _PREDICTIONS.wrong(
            "c",
            8 * 10 * 20,
            "the batch is left out",
            "This is right for one sentence. There are two in the batch.",
            "(B, H, T, S): four sizes.",
        ),
        _PREDICTIONS.wrong(
            "c",
            2 * 10 * 64,
            "the output counted",
            "This is the size of the output, (B, T, D). The weights have an "
            "entry for each query and key.",
            "(B, H, T, S): four sizes.",
        ),
        _PREDICTIONS.wrong(
            "d",
            10,
            "as many as there are queries",
            "Ten queries could give rank 10. But each query has only d = 4 "
            "numbers.",
            "A product of a 10 × 4 and a 4 × 20 matrix.",
        ),
        _PREDICTIONS.wrong(
            "d",
            64,
            "the width of the model",
            "One head sees D/H of the numbers, and the rank of a 10 × 20 "
            "matrix is never above 10.",
            "How wide is a head when there are 16?",
        ),
        _PREDICTIONS.wrong(
            "d",
            16,
            "the number of heads",
            "This is H. What limits the rank is the width of one head, D/H.",
            "A product of a 10 × d and a d × 20 matrix.",
        ),
        _PREDICTIONS.wrong(
            "d",
            8,
            "the head of the questions before",
            "With 8 heads a head is 8 wide. In this question there are 16.",
            "D/H, with H = 16.",
        ),
        _PREDICTIONS.wrong(
            "e",
            8.0,
            "the root is left out",
            "8 is D/d, and also √D. You need the quotient of two roots.",
            "√D over √d.",
        ),
        _PREDICTIONS.wrong(
            "e",
            1 / math.sqrt(8),
            "upside down",
            "This makes the scores even smaller. They were already divided "
            "by too much.",
            "The factor is above 1.",
        ),
        _PREDICTIONS.wrong(
            "e",
            8**0.25,
            "shared between W_q and W_k",
            "This is right if W_k is multiplied by it too. Only W_q is "
            "changed here.",
            "A score is one query times one key: which factor must W_q carry?",
        ),
        _PREDICTIONS.wrong(
            "e",
            1.0,
            "softmax makes up for it",
            "Softmax ignores a constant that is added to a row of scores, "
            "but not one that multiplies it.",
            "The softmax of (0, 1) and that of (0, 2).",
        ),
        _PREDICTIONS.wrong(
            "f",
            5.0,
            "the bias taken for the weight",
            "A weight is never above 1, so it cannot change by 5.",
            "What does the bias add to each score of a row?",
        ),
        _PREDICTIONS.wrong(
            "f",
            1.0,
            "anything may happen",
            "The scores change by a lot. But all scores of a row change by "
            "the same number.",
            "q·(k + b) = q·k + q·b: which part depends on the key?",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * 64 * 64 + 64,
            "one bias for all four",
            "Each of the four projections has a bias of its own.",
            "nn.Linear(64, 64) has 64 · 64 + 64 parameters.",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * 64 * 64 + 3 * 64,
            "no bias in the output projection",
            "The fourth layer has a bias too.",
            "Four linear layers with biases: count them.",
        ),
        _PREDICTIONS.wrong(
            "a",
            3 * 64 * 64,
            "three matrices, without biases",
            "The output projection is missing, and so are the biases.",
            "What mixes the heads? And does nn.Linear have a bias?",
        ),
        _PREDICTIONS.wrong(
            "a",
            3 * 64 * 64 + 4 * 64,
            "three matrices and four biases",
            "The merged heads go through a matrix of their own, too.",
            "What mixes the heads, after they are laid side by side?",
        ),
        _PREDICTIONS.wrong(
            "a",
            2 * (4 * 64 * 64 + 4 * 64),
            "counted for each sentence",
            "Parameters are the same for all sentences of a batch.",
            "Does B appear in the shape of a matrix?",
        ),
        _PREDICTIONS.wrong(
            "a",
            64 * 64 + 64,
            "one layer of the four",
            "This is one projection. There are four.",
            "Queries, keys, values, and the merged output.",
        ),
        _PREDICTIONS.wrong(
            "b",
            2 * 10 * 20 * 64 * 2,
            "the batch and the blend too",
            "You counted both sentences, and scores and averages. Count the "
            "scores of one sentence.",
            "Read question b again: three words limit it.",
        ),
        _PREDICTIONS.wrong(
            "b",
            10 * 20,
            "scores of one head",
            "This is how many scores one head has. Each takes 8 "
            "multiply-adds, and there are 8 heads.",
            "H heads, T · S scores per head, d products per score.",
        ),
        _PREDICTIONS.wrong(
            "b",
            10 * 64 * 64,
            "the projection of the queries",
            "These are the multiply-adds of the projection of the queries. "
            "Count only the scores.",
            "H heads, T · S scores per head, d products per score.",
        ),
        _PREDICTIONS.wrong(
            "b",
            (10 + 20) * 64,
            "as many as numbers in queries and keys",
            "You added T and S. But each query is multiplied by each key.",
            "H heads, T · S scores per head, d products per score.",
        ),
        _PREDICTIONS.wrong(
            "c",
            10 * 20,
            "one map of one sentence",
            "Each head of each sentence has a map of its own.",
            "(B, H, T, S): four sizes.",
        ),
        _PREDICTIONS.wrong(
            "c",
            2 * 8 * 20 * 20,
            "as many queries as keys",
            "The queries are 10, the keys 20.",
            "(B, H, T, S): four sizes.",
        ),
        _PREDICTIONS.wrong(
            "c",
            2 * 8 * 10 * 20 * 8,
            "the products counted",
            "These are the multiply-adds. A score is one number, and so is "
            "its weight.",
            "(B, H, T, S): four sizes.",
        ),
        _PREDICTIONS.wrong(
            "d",
            20,
            "as many as there are keys",
            "A 10 × 20 matrix has a rank of at most 10, and the rank of this "
            "one is lower.",
            "A product of a 10 × 4 and a 4 × 20 matrix.",
        ),
        _PREDICTIONS.wrong(
            "d",
            1,
            "one row's worth",
            "Rank 1 would mean that the scores of all queries are equal up "
            "to a factor. But a head has 4 numbers.",
            "A product of a 10 × d and a d × 20 matrix.",
        ),
        _PREDICTIONS.wrong(
            "e",
            64 / 8**0.5,
            "the width over the root",
            "This divides D by √d. Both go under the root.",
            "√D over √d.",
        ),
        _PREDICTIONS.wrong(
            "e",
            1 / 8,
            "the quotient, upside down and without a root",
            "This is d/D. Scores divided by √D are too small.",
            "√D over √d: the factor is above 1.",
        ),
        _PREDICTIONS.wrong(
            "e",
            4.0,
            "the heads of question d",
            "H is 8 again, so d is 8.",
            "√D over √d, with d = 8.",
        ),
        _PREDICTIONS.wrong(
            "f",
            40.0,
            "the change of a score",
            "This is what 5 adds to a score if the head's query sums to 8. "
            "But the question is about the weight.",
            "Are all scores of a row changed by the same number?",
        ),
        _PREDICTIONS.wrong(
            "f",
            5 / math.sqrt(8),
            "the bias over the root",
            "A weight is never above 1, so it cannot change by 5/√d.",
            "Are all scores of a row changed by the same number?",
        ),
        _PREDICTIONS.wrong(
            "f",
            320.0,
            "all 64 entries added up",
            "A weight is never above 1, so it cannot change by 320.",
            "What does the bias add to each score of a row?",
        ),
    ],
    right_answers=[_predict_by_running, _PREDICTIONS.rounded],
    tolerance=3e-3,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
    parts=[
        Part(
            "work",
            "parameters and products (a, b)",
            1,
            tries=questions("ab"),
        ),
        Part(
            "maps",
            "the number of weights and the rank of scores (c, d)",
            1,
            tries=questions("cd"),
        ),
        Part(
            "softmax",
            "what changes the weights (e, f)",
            1,
            tries=questions("ef"),
        ),
    ],
)
