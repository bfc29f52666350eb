"""Exercise 06.1: Predict sizes, spreads and steps."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from attnbook.judging.exercise import Exercise, Part
from attnbook.judging.predictions import Predictions, questions

_PREDICTIONS = Predictions(
    {
        "a": 4 * (12 * 12 + 12) + 2 * 12 * 40 + 40 + 12 + 2 * 2 * 12,
        "b": 13.0,
        "c": 0.5,
        "d": 465.0,
        "e": 1.2,
        "f": -1.342,
    }
)


def _predict_exactly(question):
    return (
        -3 / math.sqrt(5)
        if question == "f"
        else _PREDICTIONS.answers[question]
    )


def _predict_by_running(question):
    """Right, by running what is asked instead of thinking."""
    if question == "a":
        layer = torch.nn.TransformerEncoderLayer(12, 3, 40)
        return sum(parameter.numel() for parameter in layer.parameters())
    if question == "b":
        variance = 1.0
        for _ in range(6 * 2):
            variance += 1
        return variance
    if question == "c":
        rate = {n: min(n**-0.5, n * 400**-1.5) for n in range(1, 2000)}
        return rate[1600] / max(rate.values())
    if question == "d":
        return sum(len(range(t + 1)) for t in range(30))
    if question == "e":
        tree = {"A": (0.6, [0.5, 0.3, 0.2]), "B": (0.4, [0.9, 0.05, 0.05])}
        first = max(tree, key=lambda token: tree[token][0])
        greedy = tree[first][0] * max(tree[first][1])
        return max(p * max(rest) for p, rest in tree.values()) / greedy
    token = torch.tensor([200.0, 400.0, 600.0, 800.0])
    return F.layer_norm(token, (4,))[0].item()


EXERCISE = Exercise(
    "06-predict",
    "Predict sizes, spreads and steps",
    points=3,
    reference=_predict_exactly,
    cases=_PREDICTIONS.cases(hints=(1, 2, 3, 3, 4, 4)),
    parts=[
        Part("layers", "a and b, on layers", 1, questions("ab")),
        Part(
            "steps",
            "c and d, on steps",
            1,
            questions("cd"),
        ),
        Part("search", "e and f, on a beam and a norm", 1, questions("ef")),
    ],
    mistakes=[
        _PREDICTIONS.wrong(
            "a",
            4 * 12 * 12 + 2 * 12 * 40,
            "matrices alone",
            "These are the six matrices. Each linear layer has a bias, and "
            "each normalisation a gain and a shift.",
            "Four biases of 12, one of 40, one of 12, and 2 · 2 · 12.",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * (12 * 12 + 12) + 2 * 12 * 40 + 40 + 12,
            "48 too few",
            "The gains and shifts of two normalisations are 48 numbers, and "
            "so are the four biases of the attention.",
            "Which of these two groups is not counted?",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * (12 * 12 + 12) + 2 * 12 * 40 + 40 + 12 + 2 * 12,
            "24 too few",
            "One normalisation has 24 gains and shifts, and two have 24 "
            "gains.",
            "Gain and shift, 12 each, twice.",
        ),
        _PREDICTIONS.wrong(
            "a",
            8 * (12 * 12 + 12) + 2 * 12 * 40 + 40 + 12 + 3 * 2 * 12,
            "a decoder layer",
            "This layer has a second attention, over the source. The encoder "
            "layer has one.",
            "Count one attention and two normalisations.",
        ),
        _PREDICTIONS.wrong(
            "a",
            2 * 12 * 40 + 40 + 12 + 2 * 2 * 12,
            "attention is left out",
            "This is the feed-forward network with the normalisations.",
            "Attention has four linear layers from 12 to 12.",
        ),
        _PREDICTIONS.wrong(
            "a",
            3 * (12 * 12 + 12) + 2 * 12 * 40 + 40 + 12 + 2 * 2 * 12,
            "the output projection is left out",
            "Attention has four projections: queries, keys, values, and one "
            "for the merged heads.",
            "4 · (12 · 12 + 12).",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * (12 * 12 + 12) + 2 * 12 * 40 + 2 * 2 * 12,
            "the network without its biases",
            "The two layers of the feed-forward network have biases too.",
            "40 and 12.",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * 12 * 12 + 2 * 12 * 40 + 2 * 2 * 12,
            "no biases",
            "Each of the six linear layers has a bias.",
            "Four of 12 in the attention, then 40 and 12.",
        ),
        _PREDICTIONS.wrong(
            "a",
            2 * 12 * 40 + 40 + 12,
            "the feed-forward network alone",
            "Attention and the normalisations have parameters too.",
            "Hint 1 lists them.",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * (12 * 12 + 12),
            "attention alone",
            "The feed-forward network and the normalisations have "
            "parameters too.",
            "Hint 1 lists them.",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * (12 * 12 + 12) + 2 * 12 * 40 + 40 + 12 + 3 * 2 * 12,
            "three normalisations",
            "An encoder layer has two.",
            "A third comes with a second attention, in the decoder.",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * (12 * 12 + 12) + 12 * 40 + 40 + 2 * 2 * 12,
            "half a feed-forward network",
            "It goes from 12 to 40, and back from 40 to 12.",
            "Two matrices and two biases.",
        ),
        _PREDICTIONS.wrong(
            "a",
            9 * (12 * 12 + 12)
            + 36 * 12
            + 12
            + 2 * 12 * 40
            + 40
            + 12
            + 2 * 2 * 12,
            "heads as wide as the model",
            "The three heads share the 12 numbers: 4 each.",
            "One matrix of 12 · 12 makes the queries of all heads.",
        ),
        _PREDICTIONS.wrong(
            "a",
            3 * 4 * (12 * 12 + 12) + 2 * 12 * 40 + 40 + 12 + 2 * 2 * 12,
            "a whole attention for each head",
            "You counted four layers from 12 to 12 for each head. The three "
            "heads share the 12 numbers: 4 each.",
            "The number of heads does not matter.",
        ),
        _PREDICTIONS.wrong(
            "b",
            7.0,
            "one addition a layer",
            "A layer has two sublayers, and each of them adds.",
            "Six layers, twelve additions.",
        ),
        _PREDICTIONS.wrong(
            "b",
            12.0,
            "the variance at the start left out",
            "You left out the variance of the stream at the start.",
            "1 before the first layer.",
        ),
        _PREDICTIONS.wrong(
            "b",
            1.0,
            "the normalisation taken for the stream",
            "In pre-norm what a sublayer *reads* is normalised. The stream "
            "goes on as it was, plus the sublayer's output.",
            "x + f(norm(x)): which of the two x is normalised?",
        ),
        _PREDICTIONS.wrong(
            "b",
            2.0**12,
            "variances that double",
            "A variance doubles only where two equal ones are added. The "
            "stream's grows, the sublayer's stays 1.",
            "Add 1 twelve times.",
        ),
        _PREDICTIONS.wrong(
            "b",
            math.sqrt(13),
            "the standard deviation",
            "This is the root of the variance.",
            "The variance is asked for.",
        ),
        _PREDICTIONS.wrong(
            "b",
            2.0**6,
            "layers that double",
            "A variance doubles only where two equal ones are added. The "
            "stream's grows, the sublayer's stays 1.",
            "Add 1 twelve times.",
        ),
        _PREDICTIONS.wrong(
            "b",
            6.0,
            "six additions to nothing",
            "A layer has two sublayers, and the stream began with a "
            "variance of 1.",
            "1 and twelve additions.",
        ),
        _PREDICTIONS.wrong(
            "b",
            14.0,
            "one addition too many",
            "Six layers of two sublayers add twelve times.",
            "1 + 12; the final norm is not asked for.",
        ),
        _PREDICTIONS.wrong(
            "c",
            1600**-0.5,
            "the rate, not its share",
            "This is the smaller of the two terms. The question is how "
            "much of the peak it is.",
            "The peak is at step 400: what is the rate there?",
        ),
        _PREDICTIONS.wrong(
            "c",
            400**-0.5,
            "the rate at the peak",
            "This is the largest rate. The question is the share at step "
            "1600.",
            "The rate at 1600, divided by the rate at 400.",
        ),
        _PREDICTIONS.wrong(
            "c",
            0.25,
            "one over the steps",
            "The rate falls as one over the *root* of the step.",
            "√(400/1600).",
        ),
        _PREDICTIONS.wrong(
            "c",
            4.0,
            "a rate that still grows",
            "After the warm-up the rate falls.",
            "min(step^-0.5, step · 400^-1.5): which is smaller at 1600?",
        ),
        _PREDICTIONS.wrong(
            "c",
            2.0,
            "upside down",
            "You divided the peak by the rate at step 1600.",
            "A share of the peak is below 1.",
        ),
        _PREDICTIONS.wrong(
            "c",
            0.2,
            "the term that grows",
            "This is the larger of the two terms, n · 400^-1.5.",
            "min takes the smaller one. Then divide by the peak.",
        ),
        _PREDICTIONS.wrong(
            "c",
            1.0,
            "a rate that stays",
            "After the warm-up the rate falls.",
            "√(400/1600).",
        ),
        _PREDICTIONS.wrong(
            "c",
            50.0,
            "in per cent",
            "A share of the peak lies between 0 and 1.",
            "Divide by 100.",
        ),
        _PREDICTIONS.wrong(
            "d",
            30.0,
            "one position a step",
            "This would hold with a cache of keys and values. Here each step "
            "runs the decoder over the whole prefix.",
            "1 + 2 + … + 30.",
        ),
        _PREDICTIONS.wrong(
            "d",
            900.0,
            "thirty positions at each step",
            "The prefix grows: the first step has one position.",
            "1 + 2 + … + 30.",
        ),
        _PREDICTIONS.wrong(
            "d",
            435.0,
            "one step short",
            "This is 1 + … + 29. The prefix of the first step is BOS, and "
            "that of the last has 30 tokens.",
            "n (n + 1)/2, with n = 30.",
        ),
        _PREDICTIONS.wrong(
            "d",
            1.0,
            "training taken for generation",
            "In training one pass computes all positions. In generation a "
            "token needs the tokens before it.",
            "What does step t run over?",
        ),
        _PREDICTIONS.wrong(
            "d",
            496.0,
            "one step too many",
            "This is 1 + … + 31. The last prefix is BOS and 29 tokens.",
            "n (n + 1)/2, with n = 30.",
        ),
        _PREDICTIONS.wrong(
            "d",
            930.0,
            "not halved",
            "This is n (n + 1).",
            "n (n + 1)/2: the sum of 1 to n.",
        ),
        _PREDICTIONS.wrong(
            "d",
            31.0,
            "a pass, not its positions",
            "You counted prefixes. Each has as many positions as tokens.",
            "1 + 2 + … + 30.",
        ),
        _PREDICTIONS.wrong(
            "e",
            1.0,
            "greedy taken for best",
            "Greedy takes A, the more probable first token, but its second "
            "token is less probable.",
            "0.6 · 0.5 against 0.4 · 0.9.",
        ),
        _PREDICTIONS.wrong(
            "e",
            0.9 / 0.5,
            "the second token alone",
            "You compared the second tokens. The first ones count too.",
            "The probability of an answer is a product.",
        ),
        _PREDICTIONS.wrong(
            "e",
            0.3 / 0.36,
            "upside down",
            "You divided greedy by beam.",
            "The answer is above 1.",
        ),
        _PREDICTIONS.wrong(
            "e",
            0.36,
            "the probability of the answer",
            "This is the beam's answer by itself. The question is how many "
            "times greedy's it is.",
            "Divide by 0.6 · 0.5.",
        ),
        _PREDICTIONS.wrong(
            "e",
            0.36 - 0.3,
            "a difference",
            "You subtracted. The question is how many times as probable.",
            "Divide.",
        ),
        _PREDICTIONS.wrong(
            "e",
            0.3,
            "greedy's own probability",
            "This is greedy's answer by itself.",
            "Which is the beam's? Divide it by this.",
        ),
        _PREDICTIONS.wrong(
            "e",
            0.4 / 0.6,
            "the first tokens alone",
            "You compared the first tokens. The second ones count too.",
            "The probability of an answer is a product.",
        ),
        _PREDICTIONS.wrong(
            "f",
            -300.0,
            "only the mean subtracted",
            "The distance from the mean is divided by the standard deviation.",
            "(200 - 500)/√50,000.",
        ),
        _PREDICTIONS.wrong(
            "f",
            -3 / math.sqrt(20 / 3),
            "divided by D - 1",
            "You divided the sum of squares by 3. Layer normalisation divides "
            "by the number of features, 4.",
            "x.var(-1, unbiased=False).",
        ),
        _PREDICTIONS.wrong(
            "f",
            -134.2,
            "the hundred kept",
            "The scale of the token cancels: mean and deviation are a hundred "
            "times as large too.",
            "(200 - 500)/√50,000.",
        ),
        _PREDICTIONS.wrong(
            "f",
            -3 / 5,
            "divided by the variance",
            "You divided by the variance. Only its root has the unit of "
            "the features.",
            "√5, not 5.",
        ),
        _PREDICTIONS.wrong(
            "f",
            1.342,
            "the sign",
            "200 lies below the mean.",
            "x - mean, in this order.",
        ),
        _PREDICTIONS.wrong(
            "f",
            0.0,
            "the mean, not the first feature",
            "The *mean* of the four is 0 afterwards, not the first of them.",
            "(2 - 5) over the root of the mean of squares.",
        ),
        _PREDICTIONS.wrong(
            "f",
            200 / 50_000**0.5,
            "the mean left in",
            "You divided by the deviation. The mean is subtracted first.",
            "(200 - 500)/√50,000.",
        ),
        _PREDICTIONS.wrong(
            "f",
            200 / 300_000**0.5,
            "the root mean square",
            "This is RMSNorm, which subtracts no mean.",
            "(200 - 500)/√50,000.",
        ),
        _PREDICTIONS.wrong(
            "f",
            -0.006,
            "divided by the variance itself",
            "You divided by 50,000. Only its root has the unit of the "
            "features.",
            "(200 - 500)/√50,000.",
        ),
        _PREDICTIONS.wrong(
            "f",
            -1.5,
            "the mean distance",
            "You divided by the mean of the distances, 200. It is the root "
            "of the mean of their squares.",
            "(200 - 500)/√50,000.",
        ),
    ],
    right_answers=[_predict_by_running, _PREDICTIONS.rounded],
    tolerance=1e-3,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
)
