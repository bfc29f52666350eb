"""Exercise 03.2: Repair the masks of packed documents."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch

from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.fresh_cases import anew
from attnbook.judging.masked_weights import (
    masked_weights,
    shown_by_large_scores,
)
from attnbook.judging.named_mistakes import planted
from attnbook.judging.tensors import normal
from attnbook.judging.unrepaired import unrepaired
from attnbook.mechanisms.masked_softmax import masked_softmax

_BUGS = {
    "value size": (
        "a scale from the size of the values",
        "The scores are divided by √d_v. The sum runs over the d_k entries of "
        "query and key, and d_v may be another size.",
        "Look at the line that makes the scores.",
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


def _packed_attention(query, key, value, query_document, key_document):
    T, S = query.shape[-2], key.shape[-2]
    scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    past = torch.ones(T, S, dtype=torch.bool).tril(S - T)  # (T, S)
    left, right = query_document[:, :, None], key_document[:, None]
    allowed = past & (left == right) & (left > 0)  # (B, T, S)
    weights = masked_softmax(scores, allowed[:, None])  # (B, H, T, S)
    return weights @ value, weights


_UPPER = {"upper", "upper at 0", "upper at 1"}


def _draft(query, key, value, query_document, key_document, bugs):
    """The notebook's draft, with some of its bugs or another mistake."""
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
    elif "wrong way" in bugs:
        shift = T - S
    past = torch.ones(T, S, dtype=torch.bool)
    if _UPPER & set(bugs):
        moved = {"upper": S - T, "upper at 0": 0, "upper at 1": 1}
        past = past.triu(moved[bugs[0]])
    else:
        past = past.tril(shift)  # (T, S)
    left, right = query_document[:, :, None], key_document[:, None]
    same = left == right  # (B, T, S)
    if "any document" in bugs:
        same = (left > 0) & (right > 0)
    elif "padding" not in bugs:
        same = same & (left > 0)
    allowed = past & same
    if "heads" not in bugs:
        allowed = allowed[:, None]  # (B, 1, T, S)
    if "swept" in bugs:
        barrier = torch.zeros(allowed.shape).masked_fill(~allowed, -torch.inf)
        weights = (scores + barrier).softmax(-1).nan_to_num(0.0)
    elif "-100 and cut" in bugs:
        weights = scores.masked_fill(~allowed, -100.0).softmax(-1) * allowed
    elif "weights alone" in bugs:
        weights = scores.masked_fill(~allowed, -1e9).softmax(-1)
        return weights @ value, weights * allowed
    else:
        # For sizes that do not fit, the draft's own kind of error.
        scores.masked_fill(~allowed, 0)
        weights = masked_weights(masked_softmax, scores, allowed, bugs)
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
    scores = torch.where(allowed, scores, -1e30)
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


def _packed_case(name, documents, H, T, d_k, d_v, seed, scale=1.0):
    """Documents (B, S), of which the last T positions ask."""
    generator = torch.Generator().manual_seed(seed)
    documents = torch.tensor(documents)
    B, S = documents.shape
    return Case(
        name,
        (
            normal(generator, B, H, T, d_k, scale=scale),
            normal(generator, B, H, S, d_k, scale=scale),
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


_OTHER_MISTAKES = [
    (
        "divided again",
        "a mask after the exponentials",
        "You set masked weights to 0 after the exponentials. If a masked "
        "score is far above the others, such as -100 above -200, the others "
        "are already 0.",
        "Set masked scores to -inf before the softmax, as masked_softmax "
        "does.",
        "-100 and cut",
    ),
    (
        "overflow",
        "exponentials that overflow",
        "In single precision, exp of more than 88 is infinite, and ∞/∞ is "
        "NaN.",
        "masked_softmax subtracts the largest score first.",
        "exp divided",
    ),
    (
        "-100",
        "-100 in place of -inf",
        "Scores can be -100 or less. A masked score must be below all of "
        "them.",
        "masked_softmax sets -inf.",
        "-100 and 0",
    ),
    (
        "upper",
        "the upper triangle",
        "triu keeps the later keys: a position sees the future and not the "
        "past.",
        "tril keeps the earlier ones.",
        "upper at 0",
        "upper at 1",
    ),
    (
        "nan",
        "an empty row of -inf",
        "A row that may attend to nothing has only scores of -inf, "
        "and their softmax is 0/0. Its weights should be 0.",
        "masked_softmax handles such rows.",
    ),
    (
        "swept",
        "a NaN that is only hidden",
        "You add -inf to the scores and repair the weights with nan_to_num. "
        "But the backward pass still meets 0/0: the gradients are NaN.",
        "No gradient passes through a score that masked_fill has replaced. "
        "Use masked_softmax.",
    ),
    (
        "late mask",
        "a mask after the softmax",
        "You mask after the softmax, so the weight of the masked keys is "
        "lost and rows sum to less than 1.",
        "Set masked scores to -inf before the softmax, as masked_softmax "
        "does.",
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
        "For each key, the weights sum to 1 over the queries. For each "
        "query, they must sum to 1 over the keys.",
        "Scores are (B, H, T, S), and the keys are the last axis: dim=-1.",
    ),
    (
        "own",
        "blind to its own position",
        "A token cannot see itself, so the first token of a document "
        "sees nothing.",
        "A token may attend to itself: the diagonal is part of the triangle.",
    ),
    (
        "ahead",
        "one key of the future",
        "The diagonal is one place too far to the right: each token sees the "
        "next one.",
        "The first query stands at S - T, and sees S - T + 1 keys. "
        "tril(0) shows it one.",
    ),
    (
        "wrong way",
        "a diagonal moved the wrong way",
        "tril(T - S) moves the diagonal to the left, so the queries see even "
        "less than with tril().",
        "tril takes a number: how far the diagonal is moved to the right.",
    ),
    (
        "weights alone",
        "weights of 0 that come after the output",
        "You set the weights of an empty row to 0 after the output is "
        "computed: the output is still the mean of all values.",
        "The last line: first the weights, then weights @ value.",
    ),
    (
        "future",
        "the future is visible",
        "Tokens see later tokens of their own document.",
        "The mask of the documents knows nothing of the order. Where is the "
        "triangle?",
    ),
    (
        "any document",
        "documents are not kept apart",
        "Tokens see the documents before their own.",
        "Compare the document of the query with that of the key. It is not "
        "enough to ask whether they are padding.",
    ),
    (
        "unscaled",
        "no scale",
        "The scores are not divided by √d_k.",
        "Look at the line that makes the scores.",
    ),
    (
        "by d",
        "scaled by d_k",
        "You divide the scores by d_k instead of its square root.",
        "Look at the line that makes the scores.",
    ),
]

_SHOWN = shown_by_large_scores(_packed_attention, "scores of 200")

EXERCISE = Exercise(
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
            [[4, 4, 9, 9, 9], [1, 2, 2, 2, 0]],
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
        _packed_case(
            "scores of 200",
            [[1, 1, 2, 2, 2], [1, 2, 2, 2, 0]],
            H=2,
            T=4,
            d_k=4,
            d_v=2,
            seed=125,
            scale=12.0,
        ),
    ],
    mistakes=unrepaired(
        _BUGS,
        _draft,
        # Where padding attends to itself, no row is empty.
        never_together={"padding", "-1e9"},
        told_first=_FIRST_TO_SHOW,
    )
    # Each of these is another slip in place of one of the bugs.
    + [
        replace(mistake, bugs=1, shows=_SHOWN.get(mistake.name))
        for mistake in planted(_draft, _OTHER_MISTAKES)
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
    parts=[
        Part("two", "two of the five bugs fixed", 1, mended=2),
        Part("three", "three of the five bugs fixed", 1, mended=3),
        Part("four", "four of the five bugs fixed", 1, mended=4),
        Part("five", "all five bugs fixed", 1, mended=5),
    ],
    fresh=anew(
        _packed_case,
        documents=_some_documents,
        H=(1, 3),
        T=_some_of_the_positions,
        d_k=(1, 5),
        d_v=(1, 4),
    ),
)
