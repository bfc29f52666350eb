"""Exercise 01.1: Predict sizes, costs and weights."""

from __future__ import annotations

import math

import torch

from attnbook.judging.exercise import Exercise, Part
from attnbook.judging.predictions import Predictions, questions
from attnbook.judging.tensors import normal

_PREDICTIONS = Predictions(
    {
        "a": 4 * 10 * 20 * 10,
        "b": (10 * 4000 + 3500) / (4000 + 3500),
        "c": math.exp(2.5) / (math.exp(2.5) + 4),
        "d": 1 / 5,
        "e": 3.75,
        "f": 3.0,
    }
)


def _predict_by_running(question):
    """Right, by running what is asked instead of thinking."""
    if question == "a":
        query, key = torch.zeros(4, 10, 1, 10), torch.zeros(4, 1, 20, 10)
        return torch.tanh(query + key).numel()
    if question == "b":
        B, T, S, d_q, d_k, d_a, d_v = 4, 10, 20, 5, 20, 10, 5
        keys = B * S * d_k * d_a
        rest = B * T * (d_q * d_a + S * d_a + S * d_v)
        return (T * keys + rest) / (keys + rest)
    v = torch.tensor([0.5, -0.5, 0.25])
    if question == "c":
        scores = torch.stack([v.sign(), *[-v.sign()] * 4]) @ v  # (S,)
        return scores.softmax(0)[0].item()
    if question == "d":
        key = normal(torch.Generator().manual_seed(0), 5, 3)
        shout = 1e6 * torch.tensor([1.0, -2.0, 0.5])
        return (torch.tanh(shout + key) @ v).softmax(0)[0].item()
    weights = torch.tensor([0.5, 0.25, 0.25])
    value = torch.tensor([6.0, 0.0, 3.0])
    if question == "e":
        return (weights.flip(0) @ value.flip(0)).item()
    return (weights.flip(0) @ value).item()


EXERCISE = Exercise(
    "01-predict",
    "Predict sizes, costs and weights",
    points=3,
    reference=_PREDICTIONS.exactly,
    cases=_PREDICTIONS.cases(hints=(1, 1, 2, 3, 4, 4)),
    mistakes=[
        _PREDICTIONS.wrong(
            "a",
            4 * 10 * 10,
            "one hidden layer per query",
            "This counts one hidden layer for each query. There is one for "
            "each pair of query and key.",
            "The sum inside the tanh broadcasts (B, T, 1, d_a) against "
            "(B, 1, S, d_a).",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * 10 * 20,
            "scores counted, or keys",
            "This is the number of scores. Inside the tanh, there are still "
            "d_a numbers for each score.",
            "The dot product with v comes after the tanh.",
        ),
        _PREDICTIONS.wrong(
            "a",
            10 * 20 * 10,
            "the batch is left out",
            "This is right for one sentence. There are four in the batch.",
            "(B, T, S, d_a): four sizes.",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * 10 * 20 * 25,
            "pairs before the projection",
            "You counted d_q + d_k numbers for each pair: query and key, "
            "concatenated. Here they are projected to d_a numbers and added.",
            "Which size has W_q q + W_k k?",
        ),
        _PREDICTIONS.wrong(
            "b",
            10.0,
            "ten times as much of everything",
            "The projection of the keys costs ten times as much. The other "
            "terms do not change.",
            "Count all four terms, before and after.",
        ),
        _PREDICTIONS.wrong(
            "b",
            (40_000 + 2500) / 6500,
            "the average is left out",
            "The weighted sum of the values is missing: T·S·d_v.",
            "Count four terms: keys, queries, scores, average.",
        ),
        _PREDICTIONS.wrong(
            "b",
            (40_000 + 3000) / 7000,
            "the queries are left out",
            "The projection of the queries is missing: T·d_q·d_a.",
            "Count four terms: keys, queries, scores, average.",
        ),
        _PREDICTIONS.wrong(
            "b",
            7500 / 43_500,
            "upside down",
            "You divided the smaller number by the larger one. The question "
            "asks for the factor of the increase.",
            "The answer is above 1.",
        ),
        _PREDICTIONS.wrong(
            "c",
            1.0,
            "as sharp as you like",
            "The weight cannot come near 1. A tanh lies between -1 and 1, so "
            "a score is at most the sum of the absolute values in v.",
            "Take the largest possible score for one key, and the smallest "
            "for the others.",
        ),
        _PREDICTIONS.wrong(
            "c",
            math.exp(1.25) / (math.exp(1.25) + 4),
            "the others at 0",
            "You let the other keys score 0. They can score as low as the "
            "best one scores high.",
            "The smallest score possible is not 0.",
        ),
        _PREDICTIONS.wrong(
            "c",
            math.exp(0.5) / (math.exp(0.5) + 4),
            "a plain sum of v",
            "You added the entries of v with their signs. Each tanh can have "
            "the sign of its entry, so the absolute values count.",
            "Choose each of the three tanhs by itself, to make v·tanh large.",
        ),
        _PREDICTIONS.wrong(
            "d",
            1.0,
            "a long query sharpens",
            "That is true for a dot product. Here the tanh saturates: the "
            "small number that the key adds to a million has no effect.",
            "tanh(1,000,000 + 1) against tanh(1,000,000 - 1).",
        ),
        _PREDICTIONS.wrong(
            "d",
            0.0,
            "the weights vanish",
            "Weights sum to 1 whatever the scores are.",
            "What are the five scores, compared with each other?",
        ),
        _PREDICTIONS.wrong(
            "e",
            3.0,
            "weights that stay in place",
            "You moved the values but not the weights. A weight belongs to "
            "its key, and the key has moved with its value.",
            "Write out the three pairs of weight and value.",
        ),
        _PREDICTIONS.wrong(
            "f",
            3.75,
            "weights tied to the values",
            "You moved weights and values together. But only the keys have "
            "moved, and the weights move with them.",
            "Write out the three pairs of weight and value.",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * (10 + 20) * 10,
            "added, not combined",
            "You counted a hidden vector for each query and each key. There "
            "is one for each pair of them.",
            "The sum inside the tanh broadcasts (B, T, 1, d_a) against (B, "
            "1, S, d_a).",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * 10 * 20 * 20,
            "another width",
            "Each pair has 20 numbers in your count, as many as a key. "
            "Inside the tanh it has d_a.",
            "Which size has W_q q + W_k k?",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * 10 * 20 * 5,
            "another width for a pair",
            "Each pair has 5 numbers in your count, as many as a query. "
            "Inside the tanh it has d_a.",
            "Which size has W_q q + W_k k?",
        ),
        _PREDICTIONS.wrong(
            "b",
            40_000 / 7500,
            "the keys alone, once they are projected again",
            "In the second count you left out three terms. They do not "
            "change, but they are still there.",
            "Count all four terms, before and after.",
        ),
        _PREDICTIONS.wrong(
            "b",
            43_500 / 4000,
            "over the keys alone",
            "You counted only the projection of the keys. The whole "
            "attention has three more terms, in both counts.",
            "Count all four terms, before and after.",
        ),
        _PREDICTIONS.wrong(
            "b",
            1.0,
            "nothing changes",
            "Each time the keys are projected again, this costs the same "
            "again. Only the other three terms do not change.",
            "Count four terms: keys, queries, scores, average.",
        ),
        _PREDICTIONS.wrong(
            "b",
            (40_000 + 1500) / 5500,
            "the scores are left out",
            "The scores are missing: v · the hidden layer, T·S·d_a.",
            "Count four terms: keys, queries, scores, average.",
        ),
        _PREDICTIONS.wrong(
            "b",
            43_500,
            "a count, not a ratio",
            "This is the number of multiply-adds. The question asks for "
            "a factor.",
            "Divide it by the number when keys are projected once.",
        ),
        _PREDICTIONS.wrong(
            "b",
            (40_000 + 3500) / 7500 - 1,
            "how much more",
            "This is how much is added. The question asks for the factor.",
            "Do not take 1 off.",
        ),
        _PREDICTIONS.wrong(
            "b",
            (40_000 + 10_000 + 3000) / 7500,
            "the queries are projected again too",
            "You projected the queries again for each key. Only the keys are "
            "projected again.",
            "T·d_q·d_a stays as it is.",
        ),
        _PREDICTIONS.wrong(
            "b",
            (20 * 4000 + 3500) / 7500,
            "again for each key",
            "You projected the keys S times. They are projected once for "
            "each query, T times.",
            "T is 10, and S is 20.",
        ),
        _PREDICTIONS.wrong(
            "b",
            (10 * 1000 + 2000 + 3000) / 6000,
            "the two widths exchanged",
            "You took d_q for the keys and d_k for the queries.",
            "S·d_k·d_a for the keys, T·d_q·d_a for the queries.",
        ),
        _PREDICTIONS.wrong(
            "c",
            math.exp(2.5) / (math.exp(2.5) + 5),
            "five others",
            "You counted five other keys. The best one is one of the five.",
            "The sum in the softmax has five terms.",
        ),
        _PREDICTIONS.wrong(
            "c",
            math.exp(2.5) / (math.exp(2.5) + 3),
            "three others",
            "You counted three other keys. There are four.",
            "The sum in the softmax has five terms.",
        ),
        _PREDICTIONS.wrong(
            "c",
            1 / 5,
            "even weights",
            "The scores of the five keys can differ: you choose the keys.",
            "Take the largest possible score for one key, and the smallest "
            "for the others.",
        ),
        _PREDICTIONS.wrong(
            "c",
            math.exp(1) / (math.exp(1) + 4 * math.exp(-1)),
            "v taken for 1",
            "You took scores between -1 and 1. But the score is v·tanh: its "
            "largest value is the sum of the absolute values in v.",
            "The largest score that v allows.",
        ),
        _PREDICTIONS.wrong(
            "c",
            math.exp(2.5) / (math.exp(2.5) + 1),
            "one other key",
            "You counted one other key. There are four.",
            "The sum in the softmax has five terms.",
        ),
        _PREDICTIONS.wrong(
            "c",
            math.exp(1.25) / (math.exp(1.25) + 1),
            "one other key, at 0",
            "You counted one other key, with a score of 0. There are four, "
            "and they can score as low as the best one scores high.",
            "The sum in the softmax has five terms.",
        ),
        _PREDICTIONS.wrong(
            "c",
            math.exp(0.75) / (math.exp(0.75) + 4 * math.exp(-0.75)),
            "the positive entries alone",
            "You added only the positive entries of v. With a tanh of -1, a "
            "negative entry adds to the score as well.",
            "Choose each of the three tanhs by itself, to make v·tanh large.",
        ),
        _PREDICTIONS.wrong(
            "c",
            100 * math.exp(2.5) / (math.exp(2.5) + 4),
            "per cent",
            "A weight lies between 0 and 1.",
            "Give the share itself, not a hundred times as much.",
        ),
        _PREDICTIONS.wrong(
            "c",
            1.25,
            "a score, not a weight",
            "This is the largest score. The weight comes after the softmax "
            "over five keys.",
            "Divide exp of it by the sum of five exponentials.",
        ),
        _PREDICTIONS.wrong(
            "d",
            math.exp(1.25) / (math.exp(1.25) + 4 * math.exp(-1.25)),
            "the largest weight",
            "That is the answer to c. Here the query is so large that every "
            "tanh is 1 or -1, whatever the key is.",
            "tanh(1,000,000 + 1) against tanh(1,000,000 - 1).",
        ),
        *(
            _PREDICTIONS.wrong(
                "d",
                1 / keys,
                f"even, over {keys}",
                f"The weights are equal, but you divided 1 by {keys}. Divide "
                "it by the number of keys.",
                "How many keys are there?",
            )
            for keys in (2, 4)
        ),
        _PREDICTIONS.wrong(
            "d",
            20,
            "per cent",
            "A weight lies between 0 and 1.",
            "Give the share itself, not a hundred times as much.",
        ),
        _PREDICTIONS.wrong(
            "e",
            2.25,
            "weights moved by one place",
            "You moved each weight by one place. A weight moves where its "
            "key moves: in reverse order the middle one stays.",
            "Write out the three pairs of weight and value.",
        ),
        _PREDICTIONS.wrong(
            "e",
            9.0,
            "a plain sum",
            "You added the values. Each is multiplied by its weight first.",
            "Weights times values, summed.",
        ),
        _PREDICTIONS.wrong(
            "f",
            2.25,
            "weights moved by one place",
            "You moved each weight by one place. In reverse order the first "
            "and the last change places, and the middle one stays.",
            "Write out the three pairs of weight and value.",
        ),
        _PREDICTIONS.wrong(
            "f",
            9.0,
            "a plain sum",
            "You added the values. Each is multiplied by its weight first.",
            "Weights times values, summed.",
        ),
    ],
    right_answers=[_predict_by_running, _PREDICTIONS.rounded],
    tolerance=1e-2,  # two digits are enough, rounded or cut off
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
    parts=[
        Part(
            "sizes",
            "sizes and costs (a and b)",
            1,
            tries=questions("ab"),
        ),
        Part(
            "weights",
            "how sharp the weights can be (c and d)",
            1,
            tries=questions("cd"),
        ),
        Part(
            "order",
            "keys and values in reverse order (e and f)",
            1,
            tries=questions("ef"),
        ),
    ],
)
