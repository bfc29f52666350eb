"""Cases, references and known mistakes of the exercises of chapter 03.

Each exercise has a reference, cases to compare it on, mistakes that students
make, written as code and named, and right answers written in other ways.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import combinations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook.judging.comparison import kind_of
from attnbook.judging.exercise import (
    Case,
    Exercise,
    Mistake,
    Property,
    WrongAnswer,
)
from attnbook.judging.exercise import points_so_far as _points_so_far
from attnbook.judging.fresh_cases import anew
from attnbook.judging.planted_bugs import bugs_left
from attnbook.judging.predictions import Predictions
from attnbook.judging.tensors import normal, token_mask
from attnbook.mechanisms.additive import masked_softmax

__all__ = [
    "EXERCISES",
    "check_judge",
    "check_packed_attention",
    "check_predict",
    "check_sink_attention",
    "check_sparsemax_attention",
    "points_so_far",
]


# ------------------------------------------------- 1. Predict, pen in hand

_PREDICTIONS = Predictions(
    {
        "a": 8.0,
        "b": 3.0,
        "c": 1 / 16,
        "d": 1 / (1 + math.exp(-4)),
        "e": 1 / (1 + math.exp(-0.25)),
        "f": math.log(8),
        "g": 8.0,
    }
)


def _predict_by_formula(question):
    """Right, by the variance of a sum and the softmax of two scores."""
    if question == "a":
        return sum(1.0 for _ in range(64)) ** 0.5
    if question == "b":
        return (256 * 3**2 * 1**2 / 256) ** 0.5
    if question == "c":
        return (256 / 256**2) ** 0.5
    if question in "de":
        raw = torch.tensor([1.0, 0.0]) * 16**0.5
        divisor = 1 if question == "d" else 16
        return (raw / divisor).softmax(0)[0].item()
    if question == "f":
        weights = torch.zeros(8).softmax(0)
        return -(weights * weights.log()).sum().item()
    return 64 / 64**0.5


_PREDICT = Exercise(
    "03-predict",
    "Predict spreads and weights",
    points=3,
    reference=_PREDICTIONS.exactly,
    cases=_PREDICTIONS.cases(hints=(1, 1, 1, 2, 2, 3, 4)),
    mistakes=[
        _PREDICTIONS.wrong(
            "a",
            64.0,
            "the variance",
            "This is the variance. The standard deviation is its root.",
            "Variances of independent terms add up; deviations do not.",
        ),
        _PREDICTIONS.wrong(
            "a",
            1.0,
            "as if it were scaled",
            "This is the spread of the scaled score. Here nothing is divided.",
            "A sum of 64 products, each with a variance of 1.",
        ),
        _PREDICTIONS.wrong(
            "b",
            1.0,
            "what the scale cannot see",
            "The scale takes out the size of the sum, √d. It knows nothing "
            "of how large the entries are.",
            "What is the variance of one product, if one factor has a "
            "standard deviation of 3?",
        ),
        _PREDICTIONS.wrong(
            "b",
            9.0,
            "the variance",
            "This is the variance of the score.",
            "Take the root.",
        ),
        _PREDICTIONS.wrong(
            "b",
            48.0,
            "before the scale",
            "This is the spread of the dot product before it is divided.",
            "Divide by √256.",
        ),
        _PREDICTIONS.wrong(
            "c",
            1.0,
            "d in place of its root",
            "Dividing by √d gives 1. Here the division is by d.",
            "16 divided by 256.",
        ),
        _PREDICTIONS.wrong(
            "c",
            1 / 256,
            "the variance",
            "This is the variance of the score.",
            "Take the root.",
        ),
        _PREDICTIONS.wrong(
            "c",
            16.0,
            "before the division",
            "This is the spread of the dot product, undivided.",
            "Divide by d.",
        ),
        _PREDICTIONS.wrong(
            "d",
            1 / (1 + math.exp(-1)),
            "with the scale",
            "This is the weight with the scale. Without it, scores are √d "
            "times as large.",
            "Scaled scores of 1 and 0 were divided by √16.",
        ),
        _PREDICTIONS.wrong(
            "d",
            1 / (1 + math.exp(-16)),
            "d for its root",
            "You multiplied the score by 16. The scale was √16.",
            "Undo a division by 4.",
        ),
        _PREDICTIONS.wrong(
            "d",
            4 / (4 + 1),
            "a share of the scores",
            "Weights are shares of the exponentials of the scores.",
            "exp(4) and exp(0).",
        ),
        _PREDICTIONS.wrong(
            "e",
            1 / (1 + math.exp(-1 / 16)),
            "divided twice",
            "You divided the scaled score by d once more. The division by d "
            "stands in place of that by √d.",
            "Scaled by √16 it was 1, so the dot product is 4. Then divide.",
        ),
        _PREDICTIONS.wrong(
            "e",
            0.5,
            "already even",
            "It is close to even, and not there yet: the score is 4/16.",
            "exp(0.25) is 1.28.",
        ),
        _PREDICTIONS.wrong(
            "f",
            0.0,
            "sharp in place of flat",
            "Zero is the entropy of a weight of 1. Divided by d, scores go to "
            "0, so the weights become equal.",
            "In question c the spread of the scores falls with d.",
        ),
        _PREDICTIONS.wrong(
            "f",
            3.0,
            "bits",
            "This is the entropy in bits. The book measures in nats.",
            "Use the natural logarithm.",
        ),
        _PREDICTIONS.wrong(
            "f",
            1 / 8,
            "a weight, not the entropy",
            "Each weight goes to 1/8. The question is the entropy.",
            "-Σ w log w over eight equal weights.",
        ),
        _PREDICTIONS.wrong(
            "g",
            0.0,
            "two different tokens",
            "That is the mean for two independent vectors. A vector is not "
            "independent of itself: no square is negative.",
            "The mean of x², 64 times, then the scale.",
        ),
        _PREDICTIONS.wrong(
            "g",
            64.0,
            "before the scale",
            "This is the mean of x·x. The scale is still missing.",
            "Divide by √64.",
        ),
        _PREDICTIONS.wrong(
            "g",
            1.0,
            "divided by d",
            "You divided by d. The scale is √d.",
            "64 divided by 8.",
        ),
    ],
    right_answers=[_predict_by_formula, _PREDICTIONS.rounded],
    tolerance=5e-3,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
)


# ------------------------------ 2. Repair the masks of documents in one row

_PACKED_BUGS = {
    "value size": (
        "a scale from the size of the values",
        "The scores are divided by √d_v. The sum runs over the d_k entries of "
        "query and key, and d_v may be another size.",
        "The line that makes the scores.",
    ),
    "corner": (
        "a triangle in the wrong corner",
        "The queries are the last T positions, and the first of them may see "
        "S - T + 1 keys. tril() starts the triangle at the first key.",
        "tril takes a number: how far the diagonal is moved to the right.",
    ),
    "padding": (
        "padding as a document",
        "0 == 0 is True: padding attends to padding, as if it were a "
        "document of its own.",
        "A pair needs the same document, and that document must not be 0.",
    ),
    "heads": (
        "a mask without an axis for the heads",
        "The mask is (B, T, S) and the scores are (B, H, T, S). Aligned from "
        "the right, its B meets H: head 1 gets the mask of sentence 1.",
        "It needs an axis of length 1 for the heads: (B, 1, T, S).",
    ),
    "-1e9": (
        "-1e9 in place of -inf",
        "A row that may attend to nothing has only scores of -1e9. They are "
        "equal, so each key gets 1/S of the weight. It should get 0.",
        "masked_softmax handles such rows.",
    ),
}

# Of several bugs, the one whose symptom the first failing case shows is
# told. Its first row is a token, its second row is padding.
_FIRST_TO_SHOW = ("corner", "padding", "-1e9", "heads", "value size")


def _packed_attention(
    query, key, value, query_document, key_document, bugs=()
):
    T, S = query.shape[-2], key.shape[-2]
    divisor = (value if "value size" in bugs else query).shape[-1] ** 0.5
    if "unscaled" in bugs:
        divisor = 1
    elif "by d" in bugs:
        divisor = query.shape[-1]
    scores = query @ key.transpose(-2, -1) / divisor  # (B, H, T, S)
    shift = S - T
    if "corner" in bugs:
        shift = 0
    elif "own" in bugs:
        shift = S - T - 1
    elif "ahead" in bugs:
        shift = S - T + 1
    elif "future" in bugs:
        shift = S
    past = torch.ones(T, S, dtype=torch.bool).tril(shift)  # (T, S)
    left, right = query_document[:, :, None], key_document[:, None]
    same = left == right  # (B, T, S)
    if "any document" in bugs:
        same = (left > 0) & (right > 0)
    elif "padding" not in bugs:
        same = same & (left > 0)
    allowed = past & same
    if "heads" not in bugs:
        allowed = allowed[:, None]  # (B, 1, T, S)
    if "-1e9" in bugs:
        weights = scores.masked_fill(~allowed, -1e9).softmax(-1)
    elif "nan" in bugs:
        weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
    elif "swept" in bugs:
        barrier = torch.zeros(allowed.shape).masked_fill(~allowed, -torch.inf)
        weights = (scores + barrier).softmax(-1).nan_to_num(0.0)
    elif "late mask" in bugs:
        weights = scores.softmax(-1) * allowed
    elif "inverted" in bugs:
        weights = masked_softmax(scores, ~allowed)
    elif "over queries" in bugs:
        weights = masked_softmax(scores, allowed, dim=-2)
    else:
        # For sizes that do not fit, the draft's own kind of error.
        scores.masked_fill(~allowed, 0)
        weights = masked_softmax(scores, allowed)
    return weights @ value, weights


def _packed_by_loops(query, key, value, query_document, key_document):
    B, H, T, d_k = query.shape
    S = key.shape[2]
    rows = []
    for b in range(B):
        for h in range(H):
            for t in range(T):
                row = [query.new_zeros(()) for _ in range(S)]
                document = query_document[b, t].item()
                own = [
                    s
                    for s in range(S - T + t + 1)
                    if document and key_document[b, s] == document
                ]
                if own:
                    scores = key[b, h, own] @ query[b, h, t] / math.sqrt(d_k)
                    for s, weight in zip(own, scores.softmax(0), strict=True):
                        row[s] = weight
                rows.append(torch.stack(row))
    weights = torch.stack(rows).view(B, H, T, S)
    return torch.einsum("bhts,bhsv->bhtv", weights, value), weights


def _packed_by_positions(query, key, value, query_document, key_document):
    """Places compared in place of a triangle; scores scaled at the query."""
    T, S = query.shape[-2], key.shape[-2]
    places = torch.arange(S)
    allowed = places <= places[S - T :, None]  # (T, S)
    allowed = allowed & (query_document[..., None] == key_document[:, None])
    allowed = allowed & (key_document != 0)[:, None]
    allowed = allowed.unsqueeze(1).expand(-1, query.shape[1], -1, -1)
    scores = (query * query.shape[-1] ** -0.5) @ key.mT
    scores = scores - scores.detach().amax(-1, keepdim=True)
    powers = scores.exp() * allowed
    total = powers.sum(-1, keepdim=True)
    weights = powers / torch.where(total == 0, 1, total)
    return weights @ value, weights


def _packed_by_filling(query, key, value, query_document, key_document):
    """The NaN of an empty row is filled in, before and behind masked_fill."""
    T, S = query.shape[-2], key.shape[-2]
    later = torch.ones(T, S, dtype=torch.bool).triu(S - T + 1)
    other = query_document.unsqueeze(-1) != key_document.unsqueeze(-2)
    other = other | (query_document == 0).unsqueeze(-1)
    scores = torch.einsum("bhtd,bhsd->bhts", query, key)
    scores = scores / math.sqrt(key.shape[-1])
    scores = scores.masked_fill((later | other).unsqueeze(1), -math.inf)
    weights = scores.softmax(-1).nan_to_num(0.0)
    return weights @ value, weights


def _packed_case(name, documents, H, T, d_k, d_v, seed):
    """Documents (B, S), of which the last T positions ask."""
    generator = torch.Generator().manual_seed(seed)
    documents = torch.tensor(documents)
    B, S = documents.shape
    return Case(
        name,
        (
            normal(generator, B, H, T, d_k),
            normal(generator, B, H, S, d_k),
            normal(generator, B, H, S, d_v),
            documents[:, S - T :].clone(),
            documents,
        ),
    )


def _some_documents(random, _):
    """Documents that follow each other in each row, and padding at times."""
    B, S = random.integers(2, 4), random.integers(3, 8)
    numbers = 1 + np.cumsum(random.random((B, S)) < 0.3, axis=1)
    lengths = random.choice([0, S // 2, S], size=B)
    lengths[0] = S
    return np.where(np.arange(S) < lengths[:, None], numbers, 0).tolist()


def _some_of_the_positions(random, drawn):
    return int(random.integers(2, len(drawn["documents"][0]) + 1))


_PACKED = Exercise(
    "03-packed-attention",
    "Repair the masks of packed documents",
    points=4,
    reference=_packed_attention,
    cases=[
        Case(
            "the worked example",
            (
                torch.ones(1, 1, 2, 1),
                torch.tensor([[[[0.0], [0.0], [1.0], [0.0]]]]),
                torch.tensor([[[[10.0], [20.0], [40.0], [80.0]]]]),
                torch.tensor([[2, 0]]),
                torch.tensor([[1, 2, 2, 0]]),
            ),
        ),
        _packed_case(
            "two heads, two sentences",
            [[1, 1, 2, 2, 2], [1, 2, 2, 0, 0]],
            H=2,
            T=3,
            d_k=4,
            d_v=2,
            seed=1,
        ),
        _packed_case(
            "every position asks",
            [[1, 1, 1, 2, 2, 0], [1, 2, 2, 3, 3, 3]],
            H=2,
            T=6,
            d_k=3,
            d_v=5,
            seed=2,
        ),
        _packed_case(
            "one document",
            [[1, 1, 1, 1], [1, 1, 1, 1]],
            H=2,
            T=2,
            d_k=2,
            d_v=3,
            seed=3,
        ),
        _packed_case(
            "nothing but padding",
            [[1, 1, 2, 0], [0, 0, 0, 0]],
            H=2,
            T=3,
            d_k=2,
            d_v=3,
            seed=4,
        ),
        _packed_case(
            "three heads, two sentences",
            [[1, 1, 2, 2, 2], [1, 2, 2, 2, 0]],
            H=3,
            T=4,
            d_k=5,
            d_v=2,
            seed=5,
        ),
        _packed_case(
            "all sizes alike",
            [[1, 2, 2], [1, 1, 0], [1, 1, 1]],
            H=3,
            T=3,
            d_k=3,
            d_v=3,
            seed=6,
        ),
    ],
    mistakes=[
        bugs_left(bugs, _PACKED_BUGS, _packed_attention, _FIRST_TO_SHOW)
        for count in range(1, len(_PACKED_BUGS) + 1)
        for bugs in combinations(_PACKED_BUGS, count)
        # Where padding attends to itself, no row is empty.
        if count == 1 or not {"padding", "-1e9"} <= set(bugs)
    ]
    + [
        Mistake(name, sentence, partial(_packed_attention, bugs=(bug,)), look)
        for bug, name, sentence, look in [
            (
                "nan",
                "an empty row of -inf",
                "A row that may attend to nothing has only scores of -inf, "
                "and their softmax is 0/0. Its weights should be 0.",
                "masked_softmax handles such rows.",
            ),
            (
                "swept",
                "a NaN swept under the carpet",
                "-inf is added to the scores, and nan_to_num mends the "
                "weights. The way back still leads through 0/0: the "
                "gradients are NaN.",
                "masked_fill lets no gradient through; a sum does. "
                "masked_softmax does all of it.",
            ),
            (
                "late mask",
                "a mask after the softmax",
                "The mask cuts weights off after the softmax, so their share "
                "is lost and rows sum to less than 1.",
                "Scores become -inf first: masked_softmax does it.",
            ),
            (
                "inverted",
                "the mask is inverted",
                "Tokens attend to the future, to other documents and to "
                "padding, and to nothing else.",
                "True = may attend. masked_fill wants the others: ~allowed.",
            ),
            (
                "over queries",
                "a softmax over the queries",
                "For each key, the weights sum to 1 over the queries. Each "
                "query must spend 1 over the keys.",
                "Scores are (B, H, T, S), and the keys are the last axis: "
                "dim=-1.",
            ),
            (
                "own",
                "blind to its own position",
                "A token cannot see itself, so the first token of a document "
                "sees nothing.",
                "A token may attend to itself: the diagonal belongs to the "
                "triangle.",
            ),
            (
                "ahead",
                "one key of the future",
                "The diagonal stands one place too far to the right: each "
                "token sees the one after it.",
                "The first query stands at S - T, and sees S - T + 1 keys. "
                "tril(0) shows it one.",
            ),
            (
                "future",
                "the future is visible",
                "Tokens see later tokens of their own document.",
                "The mask of the documents does not know the order. Where is "
                "the triangle?",
            ),
            (
                "any document",
                "documents are not kept apart",
                "Tokens see the documents before their own.",
                "Compare the documents of query and key, and do not only ask "
                "whether they are padding.",
            ),
            (
                "unscaled",
                "no scale",
                "The scores are not divided by √d_k.",
                "The line that makes the scores.",
            ),
            (
                "by d",
                "scaled by d_k",
                "The scores are divided by d_k in place of its root.",
                "The line that makes the scores.",
            ),
        ]
    ],
    right_answers=[
        _packed_by_loops,
        _packed_by_positions,
        _packed_by_filling,
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B H T d_v", "weights": "B H T S"},
    fresh=anew(
        _packed_case,
        documents=_some_documents,
        H=(1, 3),
        T=_some_of_the_positions,
        d_k=(1, 5),
        d_v=(1, 4),
    ),
)


# --------------------------------------------------- 3. Attention with a sink


def _sink_attention(query, key, value, sink, mask, mistake=None):
    scores = query @ key.transpose(-2, -1)  # (B, H, T, S)
    if mistake != "unscaled":
        scores = scores / query.shape[-1] ** 0.5
    allowed = mask[:, None, None]  # (B, 1, 1, S)
    scores = scores.masked_fill(~allowed, -torch.inf)
    if mistake == "inverted":
        scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
        scores = scores.masked_fill(allowed, -torch.inf)
    logit = sink[:, None, None]  # (H, 1, 1)
    if mistake == "by sentence":
        logit = sink[:, None, None, None]
    elif mistake == "zero":
        logit = torch.zeros_like(logit)
    elif mistake == "scaled too":
        logit = logit / query.shape[-1] ** 0.5
    elif mistake == "detached":
        logit = logit.detach()
    elif mistake == "one for all":
        logit = logit.mean()
    elif mistake == "negative":
        logit = -logit
    if mistake == "no exp":
        logit = logit.clamp(min=1e-9).log()
    if mistake == "plain":
        weights = masked_softmax(scores, allowed)
        return weights @ value, weights
    if mistake == "late mask":
        scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    if mistake == "overflow":
        powers = scores.exp()
        weights = powers / (logit.exp() + powers.sum(-1, keepdim=True))
        return weights @ value, weights
    if mistake == "unshifted":
        highest = scores.amax(-1, keepdim=True).clamp(min=-1e30)
        powers = (scores - highest).exp()
        weights = powers / (logit.exp() + powers.sum(-1, keepdim=True))
        return weights @ value, weights
    column = logit.expand(*scores.shape[:-1], 1)  # (B, H, T, 1)
    padded = torch.cat([scores, column], dim=-1)  # (B, H, T, S + 1)
    dim = -2 if mistake == "over queries" else -1
    if mistake == "over queries":
        weights = masked_softmax(padded, padded > -torch.inf, dim)
    else:
        weights = padded.softmax(dim)
    rest, weights = weights[..., -1:], weights[..., :-1]
    if mistake == "late mask":
        weights = weights * allowed
    elif mistake == "kept":
        return weights @ value, torch.cat([weights, rest], dim=-1)
    elif mistake == "wrong column":
        weights = torch.cat([rest, weights[..., :-1]], dim=-1)
    elif mistake == "given back":
        share = weights[..., :1] + rest
        weights = torch.cat([share, weights[..., 1:]], dim=-1)
    elif mistake == "value":
        mean = value.mean(-2, keepdim=True)  # (B, H, 1, d_v)
        return weights @ value + rest * mean, weights
    return weights @ value, weights


def _sink_divided_away(query, key, value, sink, mask):
    """Wrong: the weights are divided by their sum once more."""
    _, weights = _sink_attention(query, key, value, sink, mask)
    total = weights.sum(-1, keepdim=True)
    weights = weights / torch.where(total == 0, 1, total)
    return weights @ value, weights


def _sink_added(query, key, value, sink, mask):
    """Wrong: the sink is added to every score, and softmax drops it."""
    scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    scores = scores + sink[:, None, None]
    weights = masked_softmax(scores, mask[:, None, None])
    return weights @ value, weights


def _sink_by_sigmoid(query, key, value, sink, mask):
    """Plain weights, times the share that the sink leaves."""
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    scores = scores.masked_fill(~mask[:, None, None], -1e30)
    total = scores.logsumexp(-1, keepdim=True)
    share = torch.sigmoid(total - sink[:, None, None])  # (B, H, T, 1)
    weights = scores.softmax(-1) * share
    return torch.einsum("bhts,bhsv->bhtv", weights, value), weights


def _sink_shifted(query, key, value, sink, mask):
    """Exponentials shifted by the largest score, the sink's among them."""
    scores = torch.einsum("bhtd,bhsd->bhts", query, key)
    scores = scores * query.shape[-1] ** -0.5
    scores = scores.masked_fill(~mask[:, None, None], -torch.inf)
    logit = sink.view(1, -1, 1, 1)
    highest = scores.amax(-1, keepdim=True).maximum(logit).detach()
    powers = (scores - highest).exp()
    total = powers.sum(-1, keepdim=True) + (logit - highest).exp()
    weights = powers / total
    return weights @ value, weights


def _sink_case(name, lengths, H, T, S, d_k, d_v, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    return Case(
        name,
        (
            normal(generator, B, H, T, d_k, scale=scale),
            normal(generator, B, H, S, d_k, scale=scale),
            normal(generator, B, H, S, d_v),
            torch.linspace(-0.6, 1.2, H),
            token_mask(lengths, S),
        ),
    )


def _a_low_sink_is_none(answer):
    query, key, value, sink, mask = _sink_case(
        "", [5, 3], 2, 3, 5, 4, 2, seed=17
    ).arguments
    output, _ = answer(query, key, value, torch.full_like(sink, -60.0), mask)
    scores = query @ key.mT / query.shape[-1] ** 0.5
    plain = masked_softmax(scores, mask[:, None, None]) @ value
    return torch.allclose(output, plain, atol=1e-4)


_SINK = Exercise(
    "03-sink-attention",
    "Attention with a sink",
    points=4,
    reference=_sink_attention,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor([[[[2.0, 0.0, 0.0, 0.0]]]]),
                torch.tensor([[[[1.0, 0, 0, 0], [0.0, 0, 0, 0]]]]),
                torch.tensor([[[[10.0], [20.0]]]]),
                torch.tensor([math.log(2)]),
                torch.ones(1, 2, dtype=torch.bool),
            ),
        ),
        _sink_case("two heads", [4, 3], 2, 3, 4, 3, 2, seed=11),
        _sink_case("three heads", [5, 2], 3, 2, 5, 4, 3, seed=12),
        _sink_case("nothing to attend to", [3, 0], 2, 2, 3, 5, 2, seed=13),
        _sink_case("all sizes alike", [3, 2, 1], 3, 3, 3, 3, 3, seed=14),
        _sink_case("one key", [1, 1], 2, 3, 1, 2, 3, seed=15),
        _sink_case("large scores", [6, 4], 2, 4, 6, 8, 2, seed=16, scale=12.0),
    ],
    mistakes=[
        Mistake(
            name,
            sentence,
            partial(_sink_attention, mistake=key),
            look,
            also=((_sink_added, _sink_divided_away) if key == "plain" else ()),
        )
        for key, name, sentence, look in [
            (
                "plain",
                "no sink",
                "Rows sum to 1, as without a sink. Added to every score, it "
                "drops out of the softmax; divided by their sum once more, "
                "weights get back what it took.",
                "exp(sink) is one more term of the denominator, once.",
            ),
            (
                "kept",
                "the sink's column is kept",
                "The weights have S + 1 columns. The last is the sink's: "
                "nothing is fetched from it.",
                "Cut the last column off: [..., :-1].",
            ),
            (
                "wrong column",
                "the wrong column is cut off",
                "The sink stands first, and the last column was cut off: the "
                "first key gets the sink's weight, the second the first's.",
                "Cut off the column that the sink was put in.",
            ),
            (
                "zero",
                "a sink of 0",
                "Each head's sink is taken for 0, so 1 is added to the "
                "denominator. The heads have sinks of their own.",
                "Where does `sink` stand in your code?",
            ),
            (
                "no exp",
                "a sink without exponential",
                "The sink itself is added to the denominator. It is a score: "
                "its exponential belongs there.",
                "exp(sink), beside the exponentials of the scores.",
            ),
            (
                "negative",
                "a sink with the wrong sign",
                "A high sink should take much weight. Yours takes little.",
                "The sign of the sink.",
            ),
            (
                "scaled too",
                "a scaled sink",
                "The sink is divided by √d_k too. It is no dot product.",
                "Scale the scores first, then bring in the sink.",
            ),
            (
                "by sentence",
                "a sink for each sentence",
                "The sinks are laid along the batch. There is one for each "
                "head, whatever the sentence.",
                "Scores are (B, H, T, S): the sink needs the shape (H, 1, 1).",
            ),
            (
                "one for all",
                "one sink for all heads",
                "All heads share one sink, the mean. Each has its own.",
                "Scores are (B, H, T, S): the sink needs the shape (H, 1, 1).",
            ),
            (
                "unshifted",
                "a sink that is not shifted along",
                "The largest score is taken off the scores and not off the "
                "sink. What is taken off one must be taken off all.",
                "exp(sink - highest), or let softmax do it: one more column.",
            ),
            (
                "overflow",
                "exponentials that overflow",
                "Above 88, exp is infinite in single precision, and ∞/∞ is "
                "NaN.",
                "Take the largest score off first, or let softmax do it: "
                "join the sink to the scores as one more column.",
            ),
            (
                "given back",
                "the sink's share goes to the first key",
                "What the sink takes is given to the first key.",
                "It is lost on purpose: a head may say nothing.",
            ),
            (
                "value",
                "a sink that has a value",
                "The sink's share fetches the mean of the values. It should "
                "fetch nothing.",
                "The output is the sum over the S keys alone.",
            ),
            (
                "detached",
                "a sink without gradient",
                "The values are right, but the sink cannot learn.",
                "A .detach(), a .item() or a torch.tensor(...) on the sink.",
            ),
            (
                "late mask",
                "a mask after the softmax",
                "Padding takes its share of the weight before it is cut off.",
                "Scores of padding become -inf before the sink joins.",
            ),
            (
                "inverted",
                "the mask is inverted",
                "Padding is attended to and the tokens are not.",
                "True = may attend. masked_fill wants the others: ~mask.",
            ),
            (
                "unscaled",
                "no scale",
                "The scores are not divided by √d_k.",
                "The line that makes the scores.",
            ),
            (
                "over queries",
                "a softmax over the queries",
                "For each key, the weights sum to 1 over the queries.",
                "Scores are (B, H, T, S), and the keys are the last axis: "
                "dim=-1.",
            ),
        ]
    ],
    right_answers=[_sink_by_sigmoid, _sink_shifted],
    properties=[
        Property(
            "With a sink of -60 in each head, the output is that of plain "
            "attention.",
            _a_low_sink_is_none,
            "exp(-60) is next to nothing.",
        )
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B H T d_v", "weights": "B H T S"},
    fresh=anew(
        _sink_case,
        S=(1, 6),
        lengths="S",
        H=(1, 4),
        T=(1, 4),
        d_k=(2, 5),
        d_v=(1, 4),
    ),
)


# ------------------------------------------ 4. Mend a grader that cannot fail


def _suspect(query, key, value, mask, bug=""):
    """Attention with a bug: the one of the notebook, in other words."""
    d = query.shape[-1]
    divisor = {
        "unscaled": 1,
        "scaled by d": d,
        "scaled by d_v": value.shape[-1] ** 0.5,
    }.get(bug, d**0.5)
    scores = query @ key.transpose(-2, -1) / divisor  # (B, T, S)
    allowed = mask[:, None]  # (B, 1, S)
    if bug == "mask of the first":
        allowed = allowed[:1]
    if bug == "mask after softmax":
        weights = scores.softmax(-1) * allowed
    elif bug == "softmax over queries":
        weights = masked_softmax(scores, allowed, dim=-2)
    elif bug == "empty row":
        weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
    else:
        weights = masked_softmax(scores, allowed)
    if bug == "no gradient":
        weights = weights.detach()
    return weights @ value, weights


def _right_by_einsum(query, key, value, mask):
    """Right, in another order of operations: other rounding."""
    query = query * query.shape[-1] ** -0.5
    scores = torch.einsum("btd,bsd->bts", query, key)
    scores = scores.masked_fill(~mask[:, None], -1e30)
    powers = (scores - scores.amax(-1, keepdim=True)).exp() * mask[:, None]
    total = powers.sum(-1, keepdim=True)
    weights = powers / torch.where(total == 0, 1, total)
    return torch.einsum("bts,bsv->btv", weights, value), weights


def _right_by_sentence(query, key, value, mask):
    """Right, one sentence at a time, over its own tokens alone."""
    rows = []
    for q, k, keep in zip(query, key, mask, strict=True):
        row = q.new_zeros(len(q), len(k))
        if keep.any():
            scores = (q @ k[keep].T) / math.sqrt(q.shape[-1])
            row[:, keep] = scores.softmax(-1)
        rows.append(row)
    weights = torch.stack(rows)
    return weights @ value, weights


_SUSPECTS = {
    "unscaled": "attention without a scale",
    "scaled by d": "attention scaled by d_k",
    "softmax over queries": "a softmax over the queries",
    "mask after softmax": "a mask after the softmax",
    "mask of the first": "the first sentence's mask for all",
    "scaled by d_v": "attention scaled by √d_v",
    "empty row": "NaN where nothing may be attended to",
    "no gradient": "attention cut off from the graph",
}


def _judge(attention, flaw=None):
    """Say whether an attention is right; a grader with a flaw, or without."""
    if flaw in ("turns all down", "lets all pass"):
        return flaw == "lets all pass"
    T, S, d_k, d_v, lengths = 4, 5, 3, 2, [5, 3, 0]
    if flaw == "one sentence":
        lengths = [3]
    elif flaw == "like masks":
        lengths = [3, 3, 3]
    elif flaw == "no empty row":
        lengths = [5, 3, 2]
    elif flaw == "no padding":
        lengths = [5, 5, 5]
    elif flaw == "d_k = d_v":
        d_v = d_k
    elif flaw == "d = 1":
        d_k = d_v = 1
    elif flaw == "one key":
        S, lengths = 1, [1, 1, 0]
    elif flaw == "saturated":
        T, S, d_k, lengths = 5, 5, 5, [5, 5]
    B = len(lengths)
    generator = torch.Generator().manual_seed(0)
    query = normal(generator, B, T, d_k)
    key = normal(generator, B, S, d_k)
    value = normal(generator, B, S, d_v)
    if flaw == "saturated":
        query = 100 * torch.eye(5).repeat(B, 1, 1)
        key = query.clone()
    elif flaw == "shouted":
        query, key = 1e4 * query, 1e4 * key
    elif flaw == "all alike":
        query, key = torch.ones_like(query), torch.ones_like(key)
    mask = token_mask(lengths, S)
    inputs = [x.requires_grad_() for x in (query, key, value)]
    output, weights = attention(*inputs, mask)
    right_output, right_weights = _suspect(*inputs, mask)
    if flaw == "shapes":
        return output.shape == right_output.shape
    if flaw == "row sums":
        sums = right_weights.sum(-1)
        return torch.allclose(weights.sum(-1), sums, atol=1e-5)
    if flaw == "bit for bit" and not torch.equal(output, right_output):
        return False
    difference = (output - right_output).abs()
    if flaw == "nan passes":
        if (difference > 1e-4).any():
            return False
    elif not (difference <= (0.7 if flaw == "loose" else 1e-5)).all():
        return False
    if flaw in ("values alone", "saturated", "shouted", "all alike"):
        return True
    direction = normal(generator, *output.shape)
    found = torch.autograd.grad(
        (output * direction).sum(), inputs, allow_unused=True
    )
    wanted = torch.autograd.grad((right_output * direction).sum(), inputs)
    if flaw == "gradient of the values":
        found, wanted = found[2:], wanted[2:]
    for one, other in zip(found, wanted, strict=True):
        if one is None:
            return False
        if flaw in ("nan passes", "loose"):
            continue
        if not torch.allclose(one, other, atol=1e-4):
            return False
    return True


def _judge_by_the_book(attention):
    """Right: against PyTorch's own, in double precision, twice."""
    for seed, lengths in enumerate([[4, 0], [2, 6]]):
        generator = torch.Generator().manual_seed(seed)
        query = normal(generator, 2, 3, 5).double().requires_grad_()
        key = normal(generator, 2, 6, 5).double().requires_grad_()
        value = normal(generator, 2, 6, 4).double().requires_grad_()
        mask = token_mask(lengths, 6)
        wanted = F.scaled_dot_product_attention(
            query, key, value, mask[:, None].expand(2, 3, 6)
        ).masked_fill(~mask.any(1)[:, None, None], 0)
        got, weights = attention(query, key, value, mask)
        if got.shape != wanted.shape or not torch.allclose(got, wanted):
            return False
        if weights.isnan().any():
            return False
        query.grad = None
        got.square().sum().backward()
        slope = query.grad
        if slope is None or not slope.any():
            return False
    return True


def _judge_by_properties(attention):
    """Right: by hand for one query, and by what a mask must do."""
    generator = torch.Generator().manual_seed(5)
    query = normal(generator, 3, 2, 4).requires_grad_()
    key = normal(generator, 3, 6, 4)
    value = normal(generator, 3, 6, 3)
    mask = token_mask([6, 4, 0], 6)
    output, weights = attention(query, key, value, mask)
    by_hand = ((key[1, :4] @ query[1, 0]) / 4**0.5).softmax(0)
    if (weights[1, 0, :4] - by_hand).abs().max() > 1e-5:
        return False
    sums = weights.sum(-1)
    if not torch.allclose(sums, mask.any(1).float()[:, None].expand(3, 2)):
        return False
    if not output.requires_grad:
        return False
    return bool(torch.autograd.grad(output.sum(), query)[0].any())


class _LetsPass(WrongAnswer):
    """A wrong attention is let pass, on inputs that look sound."""


class _NeverCalls(WrongAnswer):
    """A wrong attention is let pass without having been called."""


class _Saturated(WrongAnswer):
    """A wrong attention is let pass, on inputs that saturate the softmax."""


class _Alike(WrongAnswer):
    """A wrong attention is let pass, on scores that are all equal."""


class _TurnsDown(WrongAnswer):
    """A right attention is turned down."""


def _run_judge(answer, name, attention):
    """Ask a grader about one attention; look at what it tries it on."""
    tried = []

    def watched(query, key, value, mask):
        with torch.no_grad():
            tried.append(
                (
                    query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5,
                    _suspect(query, key, value, mask)[1],
                    mask[:, None].expand(-1, query.shape[1], -1),
                )
            )
        return attention(query, key, value, mask)

    watched.__name__ = watched.__qualname__ = "attention"
    verdict = answer(watched)
    if isinstance(verdict, Tensor) and verdict.numel() == 1:
        verdict = verdict.item()
    if not isinstance(verdict, (bool, np.bool_)):
        raise WrongAnswer(
            f"your function returned {kind_of(verdict)}. Return True for a "
            "right attention and False for a wrong one."
        )
    wrong = name in _SUSPECTS.values()
    if not verdict and not wrong:
        raise _TurnsDown("your grader turns this right attention down.")
    if verdict and wrong:
        told = "your grader lets this wrong attention pass."
        if not tried:
            raise _NeverCalls(f"{told} It never called it.")
        largest = torch.cat(
            [w[allowed.any(-1)].amax(-1) for _, w, allowed in tried]
        )
        if len(largest) and largest.min() > 0.999 and tried[0][1].shape[2] > 1:
            raise _Saturated(
                f"{told}\nIn each row of your inputs the largest weight is "
                "above 0.999."
            )
        spread = max(
            (scores - scores.mean()).abs().max().item()
            for scores, _, _ in tried
        )
        if spread < 1e-6:
            raise _Alike(f"{told}\nAll scores of your inputs are equal.")
        raise _LetsPass(told)
    return bool(verdict)


_LINE_UP = [
    Case(name, (name, attention))
    for name, attention in [
        ("a right attention", _suspect),
        *[
            (name, partial(_suspect, bug=bug))
            for bug, name in _SUSPECTS.items()
        ],
        ("right, in another order", _right_by_einsum),
        ("right, sentence by sentence", _right_by_sentence),
    ]
]


def _suspects_in_another_order(seed):
    """Who counts the calls alone cannot tell the suspects apart."""
    order = np.random.default_rng(seed).permutation(len(_LINE_UP))
    return [_LINE_UP[place] for place in order]


_JUDGE = Exercise(
    "03-judge",
    "Mend a grader that cannot fail",
    points=4,
    reference=_judge,
    cases=_LINE_UP,
    mistakes=[
        Mistake(name, sentence, partial(_judge, flaw=flaw), look, also)
        for flaw, name, sentence, look, also in [
            (
                "saturated",
                "inputs that saturate the softmax",
                "The scores are so large that one weight is 1 and the others "
                "are 0, whatever the scale and the axis. No bug can show.",
                "Make the inputs small: torch.randn, without a factor.",
                (partial(_judge, flaw="shouted"),),
            ),
            (
                "all alike",
                "inputs that are all alike",
                "All scores are equal, so the weights are equal, whatever the "
                "scale.",
                "Random numbers tell the keys apart: torch.randn.",
                (),
            ),
            (
                "d = 1",
                "vectors of one number",
                "1, √1 and no scale are all the same.",
                "Give queries and keys three entries or more.",
                (),
            ),
            (
                "d_k = d_v",
                "d_k and d_v alike",
                "Where d_k equals d_v, their roots cannot be told apart.",
                "Give the values another size than queries and keys.",
                (),
            ),
            (
                "no padding",
                "a mask that masks nothing",
                "Where every key may be attended to, a mask that is used "
                "wrongly does no harm.",
                "Give each sentence another length, one of them 0.",
                (),
            ),
            (
                "like masks",
                "sentences of one length",
                "All sentences have the same mask, so it does not matter "
                "whose is used, and no row is empty.",
                "Give each sentence another length, one of them 0.",
                (partial(_judge, flaw="one sentence"),),
            ),
            (
                "no empty row",
                "a NaN gets through",
                "NaN arises where a sentence has nothing to attend to. Either "
                "none of yours is empty, or your comparison is False for NaN: "
                "`difference > 1e-5` is.",
                "A length of 0 among the sentences; and torch.allclose, or "
                "`not (difference <= 1e-5)`.",
                (partial(_judge, flaw="nan passes"),),
            ),
            (
                "values alone",
                "the way back is not tried",
                "This attention gives the right numbers and cannot learn: no "
                "gradient reaches queries and keys.",
                "Ask for the gradient of the output with respect to query.",
                (partial(_judge, flaw="gradient of the values"),),
            ),
            (
                "shapes",
                "a grader that looks at shapes",
                "Every suspect returns the right shapes. Look at the numbers.",
                "Compare with the output of trusted().",
                (),
            ),
            (
                "row sums",
                "a grader that looks at sums",
                "That rows sum to 1 is true of many weights, right and wrong.",
                "Compare with the output of trusted().",
                (),
            ),
            (
                "loose",
                "a tolerance that forgives",
                "The tolerance is larger than what the bug changes.",
                "Rounding changes the sixth digit: atol=1e-5 forgives that.",
                (),
            ),
            (
                "bit for bit",
                "equal to the last bit",
                "A right attention may add in another order, and then differs "
                "in the last digits.",
                "torch.allclose, in place of == and torch.equal.",
                (),
            ),
            (
                "lets all pass",
                "a grader that lets all pass",
                "It returns True without a look at the attention.",
                "Call attention(query, key, value, mask) and compare.",
                (),
            ),
            (
                "turns all down",
                "a grader that turns all down",
                "It returns False whatever it is given.",
                "Try it on trusted: that must give True.",
                (),
            ),
        ]
    ],
    right_answers=[_judge_by_the_book, _judge_by_properties],
    run=_run_judge,
    fresh=_suspects_in_another_order,
)


# --------------------------------------- 5. Sparsemax over the keys, masked


def _sparsemax(scores, mistake=None):
    """Project rows of finite and -inf scores onto the simplex."""
    S = scores.shape[-1]
    ordered = scores.sort(dim=-1, descending=mistake != "ascending").values
    sums = ordered.cumsum(-1)  # (..., S)
    count = torch.arange(1, S + 1)
    if mistake == "from 0":
        count = count - 1
    inside = 1 + count * ordered > sums
    if mistake == "no count":
        inside = 1 + ordered > sums
    elif mistake == "at least":
        inside = 1 + count * ordered >= sums
    size = inside.sum(-1, keepdim=True).clamp(min=1)
    if mistake == "one more":
        size = (size + 1).clamp(max=S)
    if mistake == "one for all":
        size = size.amax().expand_as(size)
    total = sums.gather(-1, size - (0 if mistake == "index k" else 1))
    if mistake == "nan":
        total = (ordered * inside).sum(-1, keepdim=True)
    threshold = (total - (0 if mistake == "no one" else 1)) / size
    if mistake == "all keys":
        threshold = (total - 1) / S
    elif mistake == "detached":
        threshold = threshold.detach()
    if mistake == "unclamped":
        return scores - threshold
    return (scores - threshold).clamp(min=0)


def _sparsemax_attention(query, key, value, mask, mistake=None):
    scores = query @ key.transpose(-2, -1)  # (B, H, T, S)
    if mistake == "by d":
        scores = scores / query.shape[-1]
    elif mistake != "unscaled":
        scores = scores / query.shape[-1] ** 0.5
    allowed = mask[:, None, None].expand_as(scores)
    if mistake == "inverted":
        allowed = ~allowed
    empty = ~allowed.any(-1, keepdim=True)
    if mistake == "softmax":
        weights = masked_softmax(scores, allowed)
        return weights @ value, weights
    if mistake == "cut softmax":
        weights = masked_softmax(scores, allowed)
        weights = weights * (weights >= 1 / scores.shape[-1])
        total = weights.sum(-1, keepdim=True)
        weights = weights / torch.where(total == 0, 1, total)
        return weights @ value, weights
    if mistake == "relu":
        weights = scores.clamp(min=0) * allowed
        total = weights.sum(-1, keepdim=True)
        weights = weights / torch.where(total == 0, 1, total)
        return weights @ value, weights
    if mistake == "late mask":
        weights = _sparsemax(scores) * allowed
        return weights @ value, weights
    if mistake == "zero score":
        weights = _sparsemax(scores.masked_fill(~allowed, 0))
        return weights @ value, weights
    if mistake == "-1e4":
        weights = _sparsemax(scores.masked_fill(~allowed, -1e4))
        return weights @ value, weights
    if mistake == "empty":
        weights = _sparsemax(scores.masked_fill(~allowed, -torch.inf))
        return weights @ value, weights
    scores = scores.masked_fill(~allowed, -torch.inf).masked_fill(empty, 0)
    if mistake == "over queries":
        scores = scores.masked_fill(~allowed, -1e4)
        weights = _sparsemax(scores.transpose(-2, -1)).transpose(-2, -1)
        weights = weights * allowed
    else:
        weights = _sparsemax(scores, mistake)
    weights = weights.masked_fill(empty, 0)
    if mistake == "unclamped":
        weights = weights.masked_fill(~allowed, 0)
    return weights @ value, weights


class _Projection(torch.autograd.Function):
    """Sparsemax with the way back written out: centred over the support."""

    @staticmethod
    def forward(ctx, scores, allowed):
        floor = torch.where(allowed, scores, -1e30)
        low = floor.amax(-1, keepdim=True) - 1
        high = low + 1
        for _ in range(60):  # halve the bracket of the threshold
            middle = (low + high) / 2
            much = (floor - middle).clamp(min=0).sum(-1, keepdim=True) > 1
            low, high = (
                torch.where(much, middle, low),
                torch.where(much, high, middle),
            )
        support = (floor > high) & allowed
        size = support.sum(-1, keepdim=True)
        total = (scores * support).sum(-1, keepdim=True)
        threshold = (total - 1) / size.clamp(min=1)
        ctx.save_for_backward(support, size)
        return ((scores - threshold) * support).clamp(min=0)

    @staticmethod
    def backward(ctx, upstream):
        support, size = ctx.saved_tensors
        inside = upstream * support
        mean = inside.sum(-1, keepdim=True) / size.clamp(min=1)
        return (inside - mean) * support, None


def _sparsemax_by_projection(query, key, value, mask):
    scores = torch.einsum("bhtd,bhsd->bhts", query, key)
    scores = scores / math.sqrt(query.shape[-1])
    weights = _Projection.apply(scores, mask[:, None, None].expand_as(scores))
    return weights @ value, weights


def _sparsemax_by_dropping(query, key, value, mask):
    """Drop keys below the threshold and set it anew, until none is."""
    scores = query @ key.mT * query.shape[-1] ** -0.5
    support = mask[:, None, None].expand_as(scores)  # (B, H, T, S)
    for _ in range(key.shape[-2] + 1):
        size = support.sum(-1, keepdim=True).clamp(min=1)
        kept = torch.where(support, scores, 0)
        threshold = (kept.sum(-1, keepdim=True) - 1) / size
        support = support & (scores > threshold)
    weights = torch.where(support, scores - threshold, 0)
    return torch.einsum("bhts,bhsv->bhtv", weights, value), weights


def _sparsemax_by_rows(query, key, value, mask):
    B, H, T, d_k = query.shape
    S = key.shape[2]
    rows = []
    for b in range(B):
        keep = mask[b].nonzero().flatten()
        for h in range(H):
            for q in query[b, h]:
                row = torch.zeros(S)
                scores = key[b, h, keep] @ q / d_k**0.5
                order = scores.detach().tolist()
                for size in range(len(order), 0, -1):
                    top = sorted(order, reverse=True)[:size]
                    if 1 + size * top[-1] > sum(top):
                        best = scores.topk(size)
                        share = best.values - (best.values.sum() - 1) / size
                        row = row.index_put((keep[best.indices],), share)
                        break
                rows.append(row)
    weights = torch.stack(rows).view(B, H, T, S)
    return weights @ value, weights


def _sparsemax_case(name, lengths, H, T, S, d_k, d_v, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    return Case(
        name,
        (
            normal(generator, B, H, T, d_k, scale=scale),
            normal(generator, B, H, S, d_k, scale=scale),
            normal(generator, B, H, S, d_v),
            token_mask(lengths, S),
        ),
    )


def _adding_to_all_changes_nothing(answer):
    """A shift of all scores of a row: the keys gain a common direction."""
    query, key, value, mask = _sparsemax_case(
        "", [5, 3], 2, 3, 5, 4, 2, seed=47
    ).arguments
    query[..., 0] = 1.0
    _, before = answer(query, key, value, mask)
    moved = key.clone()
    moved[..., 0] += 3.0
    _, after = answer(query, moved, value, mask)
    return torch.allclose(before, after, atol=1e-5)


_SPARSEMAX = Exercise(
    "03-sparsemax-attention",
    "Weights that are exactly 0",
    points=5,
    reference=_sparsemax_attention,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor([[[[1.0]]]]),
                torch.tensor([[[[1.0], [0.8], [-1.0]]]]),
                torch.tensor([[[[10.0], [20.0], [30.0]]]]),
                torch.ones(1, 3, dtype=torch.bool),
            ),
        ),
        _sparsemax_case("two heads", [5, 4], 2, 3, 5, 3, 2, seed=41),
        _sparsemax_case("more padding", [6, 2, 4], 2, 4, 6, 4, 3, seed=42),
        _sparsemax_case("scores near 0", [4, 3], 3, 2, 4, 2, 3, 43, scale=0.3),
        _sparsemax_case(
            "nothing to attend to", [4, 0], 2, 3, 4, 2, 3, seed=44
        ),
        _sparsemax_case("one key", [1, 1], 2, 3, 1, 2, 3, seed=45),
        _sparsemax_case("all sizes alike", [3, 2, 3], 3, 3, 3, 3, 3, seed=46),
        _sparsemax_case("many keys", [12, 9], 2, 5, 12, 4, 2, 48, scale=1.3),
    ],
    mistakes=[
        Mistake(
            name,
            sentence,
            partial(_sparsemax_attention, mistake=key),
            look,
            also=(partial(_sparsemax_attention, mistake="index k"),)
            if key == "one more"
            else (),
        )
        for key, name, sentence, look in [
            (
                "softmax",
                "plain softmax",
                "This is softmax: every key gets some weight. Sparsemax gives "
                "most keys none at all.",
                "Subtract a threshold and cut at 0; there is no exponential.",
            ),
            (
                "cut softmax",
                "a softmax with small weights cut off",
                "You cut small weights of a softmax and divided anew. "
                "Sparsemax works on the scores, without an exponential.",
                "max(score - threshold, 0).",
            ),
            (
                "relu",
                "positive scores, divided by their sum",
                "The threshold is not 0. It is what makes the weights of each "
                "row sum to 1 without a division.",
                "τ = (sum of the k largest scores - 1) / k.",
            ),
            (
                "ascending",
                "sorted the wrong way",
                "The scores stand in rising order. The support holds the "
                "largest.",
                "sort(dim=-1, descending=True).",
            ),
            (
                "from 0",
                "k counted from 0",
                "In 1 + k·z, k is the number of scores summed so far: it "
                "starts at 1.",
                "torch.arange(1, S + 1).",
            ),
            (
                "no count",
                "the k before z is missing",
                "The condition reads 1 + k·z > the sum of the k largest.",
                "The line that says which keys are in the support.",
            ),
            (
                "one more",
                "one key too many",
                "The threshold is computed from one key more than the support "
                "has, so rows do not sum to 1.",
                "The sum of the k largest stands at index k - 1.",
            ),
            (
                "at least",
                "minus infinity is counted",
                "-inf >= -inf is True, so padding is counted in the support.",
                "The condition is >, not >=.",
            ),
            (
                "one for all",
                "one k for all rows",
                "Each row has a support of its own size.",
                "sum(-1, keepdim=True) gives a k for each row, and gather "
                "picks each row's sum.",
            ),
            (
                "no one",
                "the 1 is missing in the threshold",
                "Without the -1, what stands above the threshold does not "
                "sum to 1.",
                "τ = (sum of the k largest scores - 1) / k.",
            ),
            (
                "all keys",
                "divided by all keys",
                "The threshold divides by S. Only the k keys of the support "
                "share.",
                "τ = (sum of the k largest scores - 1) / k.",
            ),
            (
                "unclamped",
                "weights below 0",
                "Keys below the threshold have negative weights.",
                "max(score - threshold, 0): clamp(min=0).",
            ),
            (
                "detached",
                "a threshold without gradient",
                "The values are right, but the threshold depends on the "
                "scores too, and it is cut off from the graph.",
                "A .detach(), a .item() or a torch.no_grad() on the way to "
                "the threshold.",
            ),
            (
                "nan",
                "0 times infinity",
                "A masked score is -inf, and -inf times 0 is NaN.",
                "Pick the k-th running sum with gather, or use torch.where; "
                "do not multiply by the support.",
            ),
            (
                "empty",
                "an empty row of -inf",
                "Where nothing may be attended to, all scores are -inf, and "
                "-inf minus -inf is NaN. The weights should be 0.",
                "Fill such a row with 0 before, and its weights with 0 after.",
            ),
            (
                "-1e4",
                "a large negative number in place of -inf",
                "Where nothing may be attended to, all scores are that "
                "number: they are equal, and share the weight. It should be "
                "0.",
                "Fill the weights of such a row with 0.",
            ),
            (
                "zero score",
                "a score of 0 for padding",
                "A score of 0 may well be above the threshold: padding gets "
                "weight.",
                "Which score is below every threshold?",
            ),
            (
                "late mask",
                "a mask after the projection",
                "Padding takes its share before it is cut off, so rows sum to "
                "less than 1.",
                "Mask the scores, before they are sorted.",
            ),
            (
                "inverted",
                "the mask is inverted",
                "Padding is attended to and the tokens are not.",
                "True = may attend. masked_fill wants the others: ~mask.",
            ),
            (
                "unscaled",
                "no scale",
                "The scores are not divided by √d_k.",
                "The line that makes the scores.",
            ),
            (
                "by d",
                "scaled by d_k",
                "The scores are divided by d_k in place of its root.",
                "The line that makes the scores.",
            ),
            (
                "over queries",
                "shared out over the queries",
                "For each key, the weights sum to 1 over the queries. Each "
                "query must spend 1 over the keys.",
                "Scores are (B, H, T, S), and the keys are the last axis: "
                "dim=-1.",
            ),
        ]
    ],
    right_answers=[
        _sparsemax_by_projection,
        _sparsemax_by_dropping,
        _sparsemax_by_rows,
    ],
    properties=[
        Property(
            "Adding the same number to all scores of a row changes no weight.",
            _adding_to_all_changes_nothing,
            "The threshold moves along with the scores.",
        )
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B H T d_v", "weights": "B H T S"},
    fresh=anew(
        _sparsemax_case,
        S=(1, 8),
        lengths="S",
        H=(1, 3),
        T=(1, 4),
        d_k=(1, 4),
        d_v=(1, 4),
        scale=[0.3, 1.0, 1.3],
    ),
)


EXERCISES = {
    exercise.grade_id: exercise
    for exercise in (_PREDICT, _PACKED, _SINK, _JUDGE, _SPARSEMAX)
}

check_predict = _PREDICT.check
check_packed_attention = _PACKED.check
check_sink_attention = _SINK.check
check_judge = _JUDGE.check
check_sparsemax_attention = _SPARSEMAX.check


def points_so_far():
    """Print the points of each exercise of chapter 03, and their total."""
    _points_so_far(EXERCISES)
