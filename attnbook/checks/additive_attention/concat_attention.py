"""Exercise 01.2: Repair attention over concatenated query and key."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import combinations

import torch

from attnbook.checks.additive_attention.late_masks import (
    ROWS,
    large_scores,
    late_weights,
    padded_in_front,
)
from attnbook.judging.attention_inputs import attention_inputs
from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import planted
from attnbook.judging.planted_bugs import bugs_left
from attnbook.judging.tensors import normal
from attnbook.judging.unrepaired import unrepaired
from attnbook.mechanisms.masked_softmax import masked_softmax

_BUGS = {
    "tiled": (
        "queries laid out in the wrong order",
        "Row t does not hold query t: the queries are repeated as a whole, "
        "one after the other, and then cut into rows.",
        "Print the first entry of each query in (T, S): each row should hold "
        "one query, S times.",
    ),
    "order": (
        "key before query",
        "The key stands before the query, so the matrix multiplies the wrong "
        "numbers. The sizes still fit, since d_q + d_k = d_k + d_q.",
        "The first d_q columns of the matrix belong to the query.",
    ),
    "outer tanh": (
        "the tanh outside",
        "You apply the tanh to the finished score. It belongs to the hidden "
        "layer, before the product with v.",
        "v·tanh(W [q; k]): which bracket closes first?",
    ),
    "over queries": (
        "a softmax over the queries",
        "For each key, the weights sum to 1 over the queries. For each "
        "query, they must sum to 1 over the keys.",
        "Scores are (B, T, S), and the keys are the last axis: dim=-1.",
    ),
    "late mask": (
        "a mask after the softmax",
        "You mask after the softmax, so the weight of the padding is lost "
        "and rows sum to less than 1.",
        "Set the scores of padding to -inf before the softmax, as "
        "masked_softmax does.",
    ),
}

# Of several bugs, the one whose symptom the first failing case shows is
# named: with one query, as in the worked example, rows cannot be mixed up.
_FIRST_TO_SHOW = ("over queries", "late mask", "order", "outer tanh", "tiled")


def _concat_attention(query, key, value, mask, weight, v):
    B, T, _ = query.shape
    S = key.shape[1]
    left = query[:, :, None].expand(B, T, S, -1)  # (B, T, S, d_q)
    right = key[:, None].expand(B, T, S, -1)  # (B, T, S, d_k)
    hidden = torch.cat([left, right], dim=-1) @ weight.T  # (B, T, S, d_a)
    scores = torch.tanh(hidden) @ v  # (B, T, S)
    weights = masked_softmax(scores, mask[:, None])  # (B, T, S)
    return weights @ value, weights


def _draft(query, key, value, mask, weight, v, bugs):
    """The notebook's draft, with some of its bugs or another mistake."""
    B, T, _ = query.shape
    S = key.shape[1]
    if "tiled" in bugs:
        left = query.repeat(1, S, 1).view(B, T, S, -1)  # (B, T, S, d_q)
    elif "cut wrong" in bugs:
        left = query.repeat_interleave(S, 1).view(B, S, T, -1)
        left = left.transpose(1, 2)
    else:
        left = query[:, :, None].expand(B, T, S, -1)  # (B, T, S, d_q)
    if "keys tiled" in bugs:
        right = key.repeat_interleave(T, 1).view(B, T, S, -1)
    else:
        right = key[:, None].expand(B, T, S, -1)  # (B, T, S, d_k)
    pair = [right, left] if "order" in bugs else [left, right]
    hidden = torch.cat(pair, dim=-1) @ weight.T  # (B, T, S, d_a)
    if "outer tanh" in bugs:
        scores = torch.tanh(hidden @ v)  # (B, T, S)
    elif "no tanh" in bugs:
        scores = hidden @ v  # (B, T, S)
    elif "tanh twice" in bugs:
        scores = torch.tanh(torch.tanh(hidden) @ v)
    elif "tanh apart" in bugs:
        d_q = query.shape[-1]
        scores = torch.tanh(left @ weight[:, :d_q].T) @ v
        scores = scores + torch.tanh(right @ weight[:, d_q:].T) @ v
    elif "v forgotten" in bugs:
        scores = torch.tanh(hidden).sum(-1)
    else:
        scores = torch.tanh(hidden) @ v  # (B, T, S)
    if "scaled" in bugs:
        scores = scores / key.shape[-1] ** 0.5
    elif "scaled by d_a" in bugs:
        scores = scores / len(v) ** 0.5
    elif "detached" in bugs:
        scores = scores.detach()
    if "values masked" in bugs:
        weights = scores.softmax(-1)
        return weights @ (value * mask[..., None]), weights
    weights = _draft_weights(scores, mask, bugs)  # (B, T, S)
    if "output detached" in bugs:
        return weights.detach() @ value, weights
    return weights @ (key if "keys" in bugs else value), weights


def _draft_weights(scores, mask, bugs):
    allowed = mask[:, None]  # (B, 1, S)
    if "over the batch" in bugs:
        return masked_softmax(scores, allowed, 0)
    if "no axis" in bugs:
        return masked_softmax(scores, mask)
    if "wrong axis" in bugs:
        return masked_softmax(scores, mask[..., None])
    dim = -2 if "over queries" in bugs else -1
    return late_weights(scores, allowed, bugs, dim)


def _concat_as_a_sum(query, key, value, mask, weight, v):
    """One matrix is two, side by side: nothing is ever concatenated."""
    d_q = query.shape[-1]
    left = query @ weight[:, :d_q].T  # (B, T, d_a)
    right = key @ weight[:, d_q:].T  # (B, S, d_a)
    hidden = torch.tanh(left[:, :, None] + right[:, None])  # (B, T, S, d_a)
    weights = masked_softmax(hidden @ v, mask[:, None])  # (B, T, S)
    return weights @ value, weights


def _concat_by_loops(query, key, value, mask, weight, v):
    B, T, S = len(query), query.shape[1], key.shape[1]
    rows = []
    for b in range(B):
        for t in range(T):
            row = [query.new_zeros(()) for _ in range(S)]
            allowed = [s for s in range(S) if mask[b, s]]
            for s in allowed:
                pair = torch.cat([query[b, t], key[b, s]])  # (d_q + d_k,)
                row[s] = v @ torch.tanh(weight @ pair)
            top = max([row[s].item() for s in allowed], default=0.0)
            for s in allowed:
                row[s] = torch.exp(row[s] - top)
            total = sum(row[s] for s in allowed) if allowed else 1.0
            rows.append(torch.stack([power / total for power in row]))
    weights = torch.stack(rows).view(B, T, S)
    return torch.einsum("bts,bsv->btv", weights, value), weights


def _concat_in_double(query, key, value, mask, weight, v):
    query, key, value, weight, v = (
        x.double() for x in (query, key, value, weight, v)
    )
    return _concat_as_a_sum(query, key, value, mask, weight, v)


def _concat_case(name, lengths, T, S, d_q, d_k, d_v, d_a, seed):
    generator = torch.Generator().manual_seed(seed)
    return Case(
        name,
        (
            *attention_inputs(generator, lengths, T, S, d_q, d_k, d_v),
            normal(generator, d_a, d_q + d_k, scale=0.7),
            normal(generator, d_a, scale=0.9),
        ),
    )


def _large_case():
    query, key, value, mask, W_q, W_k, v = large_scores()
    weight = torch.cat([W_q, W_k], dim=1)
    return Case("scores of 200", (query, key, value, mask, weight, v))


_OTHER_MISTAKES = [
    (
        "cut wrong",
        "queries cut into rows of another length",
        "Each query is repeated S times, one by one, and then cut into rows "
        "of T: a row mixes several queries.",
        "query[:, :, None].expand(B, T, S, d_q), with T before S.",
    ),
    (
        "keys tiled",
        "keys laid out in the wrong order",
        "Entry s of a row does not hold key s: each key is repeated as "
        "often as there are queries, and then cut into rows.",
        "Queries are repeated one by one, keys as a whole list: "
        "key[:, None].expand(B, T, S, d_k).",
    ),
    (
        "tanh twice",
        "a tanh too many",
        "The score goes through a second tanh. There is only one.",
        "v·tanh(W [q; k]): one tanh, and v after it.",
    ),
    (
        "tanh apart",
        "a tanh each for query and key",
        "Query and key go through the tanh separately, so the query adds the "
        "same number to every score.",
        "Concatenate them, or add both parts, before the tanh.",
    ),
    (
        "v forgotten",
        "v is not used",
        "The hidden layer is summed, without the weights in v.",
        "The product with v.",
    ),
    (
        "detached",
        "scores without gradient",
        "The values are right, but the scores are detached from the graph: "
        "the attention cannot learn.",
        "A .detach(), a .data, a torch.tensor or a torch.no_grad() on the "
        "way to the scores.",
    ),
    *ROWS,
    (
        "over the batch",
        "a softmax over the batch",
        "The softmax runs over the sentences. For each query, the weights "
        "must sum to 1 over the keys.",
        "Scores are (B, T, S), and the keys are the last axis: dim=-1.",
    ),
    (
        "no tanh",
        "no tanh at all",
        "Without the tanh the query adds the same to every score, "
        "and softmax ignores it: all queries get the same weights.",
        "The line that makes the hidden layer.",
    ),
    (
        "scaled",
        "a scale that nobody asked for",
        "The scores are divided by the root of a size. That belongs to the "
        "dot product; additive scores are bounded by v.",
        "The line that makes the scores.",
        "scaled by d_a",
    ),
    (
        "inverted",
        "the mask is inverted",
        "The padding is attended to and the tokens are not.",
        "True = may attend. masked_fill wants the others: ~mask.",
    ),
    (
        "unmasked",
        "the mask is not used",
        "The padding has weight: the mask has no effect.",
        "Does your code use `mask` at all? masked_fill returns a new "
        "tensor, which must be used.",
    ),
    (
        "values masked",
        "values masked in place of scores",
        "The mask is applied to the values, so the padding keeps its weight, "
        "and the other tokens get less.",
        "Mask the scores: masked_softmax(scores, mask[:, None]).",
    ),
    (
        "zero score",
        "a score of 0 for padding",
        "A score of 0 is not a mask: exp(0) = 1, so padding still weighs.",
        "Which score has an exponential of 0?",
    ),
    (
        "-1e9",
        "-1e9 in place of -inf",
        "A sentence with nothing to attend to gets equal weights: "
        "all its scores are -1e9. Its weights should be 0.",
        "masked_softmax from the chapter handles such rows.",
    ),
    (
        "nan",
        "an empty row of -inf",
        "A sentence with nothing to attend to has only scores of "
        "-inf, and their softmax is 0/0. Its weights should be 0.",
        "masked_softmax from the chapter handles such rows.",
        "nan, added",
    ),
    (
        "keys",
        "keys summed in place of values",
        "The output is an average of the keys. Keys are for matching; the "
        "output is an average of the values.",
        "The last product.",
    ),
]

_RAISING = [
    (
        "no axis",
        "a mask without an axis for the queries",
        "The mask is (B, S) and the scores are (B, T, S): each sentence has "
        "one mask for all its queries.",
        "mask[:, None] is (B, 1, S).",
    ),
    (
        "wrong axis",
        "a mask along the queries",
        "The mask runs along the queries. It says which keys may be "
        "attended to.",
        "mask[:, None] is (B, 1, S).",
    ),
]

# Whoever repairs the mask by hand may leave this, and other bugs beside it.
_EMPTY_ROWS = {
    "nan": "an empty row of -inf",
    "-1e9": "-1e9 in an empty row",
}


def _with_empty_rows(bugs, spoilt):
    left = bugs_left(bugs, _BUGS, _draft, _FIRST_TO_SHOW)
    return replace(
        left,
        name=f"{left.name}, and {_EMPTY_ROWS[spoilt]}",
        answer=partial(_draft, bugs=(*bugs, spoilt)),
        bugs=len(bugs) + 1,
    )


_HALF_MENDED = [
    _with_empty_rows(bugs, spoilt)
    for count in (1, 2)
    for bugs in combinations([b for b in _BUGS if b != "late mask"], count)
    for spoilt in _EMPTY_ROWS
]

EXERCISE = Exercise(
    "01-concat-attention",
    "Repair attention over concatenated query and key",
    points=4,
    reference=_concat_attention,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor([[[1.0]], [[1.0]]]),
                torch.tensor([[[0.0], [1.0]], [[0.0], [1.0]]]),
                torch.tensor([[[10.0], [0.0]], [[10.0], [0.0]]]),
                torch.tensor([[True, True], [True, False]]),
                torch.tensor([[1.0, -1.0]]),
                torch.ones(1),
            ),
        ),
        _concat_case("one query", [2], 1, 3, 2, 1, 2, 4, seed=1),
        _concat_case("a padded batch", [5, 3], 3, 5, 2, 4, 3, 5, seed=2),
        _concat_case("no padding", [4, 4, 4], 2, 4, 3, 2, 5, 4, seed=3),
        _concat_case("nothing to attend to", [4, 0], 3, 4, 2, 3, 2, 5, seed=4),
        _concat_case(
            "nothing to attend to, and padding", [4, 0, 2], 2, 4, 2, 2, 2, 4, 8
        ),
        _concat_case("all sizes alike", [3, 2, 3], 3, 3, 3, 3, 3, 3, seed=5),
        _large_case(),
        padded_in_front(
            _concat_case("padding in front", [3, 4], 2, 5, 3, 2, 2, 4, seed=7)
        ),
        _concat_case("one key", [1, 1], 4, 1, 2, 3, 2, 2, seed=6),
    ],
    mistakes=unrepaired(
        _BUGS,
        _draft,
        never_together={"over queries", "late mask"},
        told_first=_FIRST_TO_SHOW,
    )
    + [
        # Fully repaired, with one other slip: worth as much as one bug left.
        replace(mistake, bugs=1)
        for mistake in planted(_draft, _OTHER_MISTAKES)
    ]
    + _HALF_MENDED
    + planted(_draft, _RAISING),
    right_answers=[_concat_as_a_sum, _concat_by_loops, _concat_in_double],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B T d_v", "weights": "B T S"},
    fresh=anew(
        _concat_case,
        S=(1, 6),
        lengths="S",
        T=(1, 4),
        d_q=(1, 4),
        d_k=(1, 4),
        d_v=(1, 4),
        d_a=(1, 5),
    ),
    parts=[
        Part("two", "two of the five bugs fixed", 1, mended=2),
        Part("three", "three of the five bugs fixed", 1, mended=3),
        Part("four", "four of the five bugs fixed", 1, mended=4),
        Part("five", "all five bugs fixed, nothing else broken", 1, mended=5),
    ],
)
