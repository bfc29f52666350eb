"""The attentions that a grader is tried on: right ones and suspects."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache, partial

import numpy as np
import torch

from attnbook.judging.masked_weights import masked_weights
from attnbook.judging.parts import Case
from attnbook.mechanisms.masked_softmax import masked_softmax


def right_attention(query, key, value, mask):
    """Scaled dot-product attention, as the notebook's trusted()."""
    scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    weights = masked_softmax(scores, mask[:, None])  # (B, T, S)
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
    """Right, one sentence at a time, over its own tokens alone.

    In double precision, so that the last bits differ on every processor.
    """
    rows = []
    for q, k, keep in zip(query.double(), key.double(), mask, strict=True):
        row = query.new_zeros(len(q), len(k))
        if keep.any():
            scores = (q @ k[keep].T) / math.sqrt(q.shape[-1])
            row[:, keep] = scores.softmax(-1).to(row.dtype)
        rows.append(row)
    weights = torch.stack(rows)
    return weights @ value, weights


def suspect(query, key, value, mask, bug, power=0.5, place=0, by=2.0, cut=""):
    """Attention with a bug.

    ``power`` is that of d_k in the scale; ``place`` that of the sentence
    whose mask is taken for all; ``by`` what the output is multiplied with,
    or how much less it is; ``cut`` what is cut off from the graph.
    """
    inputs = {"query": query, "key": key, "value": value}
    if cut in inputs:
        inputs[cut] = inputs[cut].detach()
    query, key, value = inputs.values()
    size = value.shape[-1] if bug == "value size" else query.shape[-1]
    scores = query @ key.transpose(-2, -1) / size**power  # (B, T, S)
    allowed = mask[:, None]  # (B, 1, S)
    if bug == "one mask":
        allowed = allowed[[place]]
    weights = masked_weights(masked_softmax, scores, allowed, (bug,))
    if cut == "weights":
        weights = weights.detach()
    if bug == "reversed":
        weights = weights.flip(1)
    output = weights @ value
    if bug == "output":
        output = by * output
    elif bug == "less":
        output = output - abs(by)
    elif bug in _PLACES:
        wrong = torch.ones_like(output)
        wrong[_PLACES[bug](mask)] = by
        output = wrong * output
    return output, weights


# Where alone the output is wrong.
_PLACES = {
    "first query": lambda mask: np.s_[:, 0],
    "last query": lambda mask: np.s_[:, -1],
    "first entry": lambda mask: np.s_[..., 0],
    "last entry": lambda mask: np.s_[..., -1],
    "longest": lambda mask: np.s_[mask.sum(-1).argmax()],
}

RIGHT = {
    "a right attention": right_attention,
    "right, in another order": _right_by_einsum,
    "right, sentence by sentence": _right_by_sentence,
}

# By part, those of the notebook first.
SUSPECTS = {
    "scale": {
        "attention without a scale": partial(suspect, bug="", power=0),
        "attention scaled by d_k": partial(suspect, bug="", power=1),
        "attention scaled by √d_v": partial(suspect, bug="value size"),
        "a softmax over the queries": partial(suspect, bug="over queries"),
        "attention scaled by the fourth root of d_k": partial(
            suspect, bug="", power=0.25
        ),
    },
    "masks": {
        "a mask after the softmax": partial(suspect, bug="late mask"),
        "the first sentence's mask for all": partial(suspect, bug="one mask"),
        "NaN where nothing may be attended to": partial(suspect, bug="nan"),
        "a mean where nothing may be attended to": partial(
            suspect, bug="-1e9"
        ),
    },
    "gradients": {
        "attention cut off from the graph": partial(
            suspect, bug="", cut="weights"
        ),
        "a query without gradient": partial(suspect, bug="", cut="query"),
        "a key without gradient": partial(suspect, bug="", cut="key"),
        "a value without gradient": partial(suspect, bug="", cut="value"),
    },
    "places": {
        "right weights and twice the output": partial(suspect, bug="output"),
        "an output that is too small by 0.1": partial(
            suspect, bug="less", by=0.1
        ),
        "only the first query wrong": partial(suspect, bug="first query"),
        "only the last query wrong": partial(suspect, bug="last query"),
        "only the longest sentence wrong": partial(suspect, bug="longest"),
        "only the first number of each output wrong": partial(
            suspect, bug="first entry"
        ),
        "only the last number of each output wrong": partial(
            suspect, bug="last entry"
        ),
        "the queries' outputs in reverse order": partial(
            suspect, bug="reversed"
        ),
    },
}

PRINTED = (
    *list(SUSPECTS["scale"])[:4],
    *list(SUSPECTS["masks"])[:3],
    "attention cut off from the graph",
)


# In the published order: right ones first and last.
_FIRST, *_LAST = RIGHT.items()
PUBLISHED = tuple(
    Case(name, (name, attention))
    for name, attention in (
        _FIRST,
        *(row for rows in SUSPECTS.values() for row in rows.items()),
        *_LAST,
    )
)


def tried(part: str) -> tuple[str, ...]:
    """The names of the cases of a part: its suspects between right ones."""
    first, *last = RIGHT
    other = last[list(SUSPECTS).index(part) % len(last)]
    return (first, *SUSPECTS[part], other)


@cache
def in_another_order(seed: int) -> tuple[Case, ...]:
    """Return the published cases in an order drawn from a seed.

    Whoever has learnt by its place which of them is right shall be wrong:
    what begins and ends a part, and the whole, is a suspect here.
    """
    random = np.random.default_rng(seed)
    rows = [random.permutation(list(part)) for part in SUSPECTS.values()]
    first, last = ({row[at] for row in rows} for at in (0, -1))
    order = [PUBLISHED[at] for at in random.permutation(len(PUBLISHED))]
    order.sort(key=lambda case: (case.name in last) - (case.name in first))
    return tuple(order)


def drawn_anew(part: str, seed: int) -> Iterator[Case]:
    """Draw two suspects of a part, and a right one among them.

    They begin with a suspect: the published ones begin with a right one. No
    more, for each takes a class several ways there and back.
    """
    random = np.random.default_rng(seed)
    factors = [0.5, 0.8, 1.3, 2.0, -1.0]
    kinds = {
        "scale": [
            {"bug": "", "power": random.choice([-0.5, 0.25, 0.75, 1.5])},
            {"bug": "value size", "power": 0.5},
            {"bug": "over queries"},
        ],
        "masks": [
            {"bug": "one mask", "place": int(random.choice([0, -1]))},
            {"bug": str(random.choice(["late mask", "unmasked"]))},
            {"bug": str(random.choice(["nan", "-1e9"]))},
        ],
        "gradients": [
            {"bug": "", "cut": cut}
            for cut in ("query", "key", "value", "weights")
        ],
        "places": [
            {"bug": str(bug), "by": random.choice(factors)}
            for bug in ("output", "less", *_PLACES)
        ],
    }
    line_up = [
        partial(suspect, **keywords)
        for keywords in random.permutation(kinds[part])[:2]
    ]
    line_up.append((right_attention, _right_by_einsum)[random.integers(2)])
    order = [line_up[at] for at in random.permutation(len(line_up))]
    while not isinstance(order[0], partial):
        order.append(order.pop(0))
    for attention in order:
        yield Case("drawn anew", ("drawn anew", attention))
