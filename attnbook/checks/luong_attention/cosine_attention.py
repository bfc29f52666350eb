"""Exercise 02.3: Scores that ignore length."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F

from attnbook.judging.exercise import (
    Case,
    Exercise,
    Mistake,
    Part,
    Property,
)
from attnbook.judging.fresh_cases import anew, none_empty, one_empty
from attnbook.judging.masked_weights import (
    masked_weights,
    shown_by_large_scores,
)
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal, token_mask
from attnbook.mechanisms.masked_softmax import masked_softmax


def _cosine_attention(query, key, value, mask, log_scale, eps=1e-6):
    left, right = (
        x / (x.square().sum(-1, keepdim=True) + eps).sqrt()
        for x in (query, key)
    )
    scores = log_scale.exp() * (left @ right.transpose(-2, -1))  # (B, T, S)
    weights = masked_softmax(scores, mask[:, None])
    return weights @ value, weights


def _mistaken_unit(x, eps, mistake):
    """Each vector, and how it may be divided by its length."""
    square = x.square().sum(-1, keepdim=True)
    if mistake == "wrong axis":
        square = x.square().sum(1, keepdim=True)
    elif mistake == "whole":
        square = x.square().sum()
    elif mistake == "whole sentence":
        square = x.square().sum((1, 2), keepdim=True)
    elif mistake == "mean":
        square = x.square().mean(-1, keepdim=True)
    if mistake == "outside":
        return x / (x.norm(dim=-1, keepdim=True) + eps)
    if mistake == "floor":
        return F.normalize(x, dim=-1, eps=eps)
    if mistake == "floor of the square":
        return x / square.clamp(min=eps).sqrt()
    if mistake == "other eps":
        return x / (square + 1e-6).sqrt()
    if mistake == "floor of its own":
        return F.normalize(x, dim=-1)
    if mistake == "root at 0":
        return x / square.sqrt().clamp(min=eps)
    if mistake == "root outside":
        return x / (square.sqrt() + eps)
    if mistake == "no eps":
        return x / square.sqrt()
    if mistake == "no root":
        return x / (square + eps)
    if mistake == "eps squared":
        return x / (square + eps**2).sqrt()
    length = (square + eps).sqrt()
    return x / (length.detach() if mistake == "detached" else length)


def _mistaken(query, key, value, mask, log_scale, eps=1e-6, *, mistake):
    """The same with a mistake."""
    left, right, scale = query, key, log_scale.exp()
    if mistake not in ("plain", "key alone"):
        left = _mistaken_unit(query, eps, mistake)
    if mistake not in ("plain", "query alone"):
        right = _mistaken_unit(key, eps, mistake)
    if mistake == "values":
        value = _mistaken_unit(value, eps, mistake)
    if mistake == "divided":
        scale = 1 / scale
    elif mistake == "no exp":
        scale = log_scale
    elif mistake == "cut":
        scale = scale.detach()
    elif mistake == "twice":
        scale = scale**2
    elif mistake == "at most 100":
        scale = scale.clamp(max=100)
    elif mistake == "no scale":
        scale = 1.0
    elif mistake == "root d":
        scale = scale / query.shape[-1] ** 0.5
    scores = scale * (left @ right.transpose(-2, -1))  # (B, T, S)
    if mistake == "one eps":  # for the product of the lengths
        lengths = query.norm(dim=-1)[:, :, None] * key.norm(dim=-1)[:, None]
        scores = scale * (query @ key.mT) / (lengths + eps)
    elif mistake == "library":
        scores = scale * F.cosine_similarity(
            query[:, :, None], key[:, None], dim=-1, eps=eps
        )
    elif mistake == "product":
        squares = [x.square().sum(-1) for x in (query, key)]
        product = squares[0][:, :, None] * squares[1][:, None]  # (B, T, S)
        scores = scale * (query @ key.mT) / (product + eps).sqrt()
    allowed = mask[:, None]
    if mistake == "no zeros":
        allowed = allowed & (key != 0).any(-1)[:, None]
    weights = masked_weights(masked_softmax, scores, allowed, (mistake,))
    return weights @ value, weights


def _cosine_in_place(query, key, value, mask, log_scale, eps=1e-6):
    """Wrong: the caller's queries and keys are changed."""
    with torch.no_grad():
        query /= (query.square().sum(-1, keepdim=True) + eps).sqrt()
        key /= (key.square().sum(-1, keepdim=True) + eps).sqrt()
    weights = masked_softmax(log_scale.exp() * query @ key.mT, mask[:, None])
    return weights @ value, weights


def _cosine_afterwards(query, key, value, mask, log_scale, eps=1e-6):
    """Right: the dot products first, then both lengths taken out."""
    lengths = [
        (torch.einsum("bnd,bnd->bn", x, x) + eps).rsqrt() for x in (query, key)
    ]
    scores = torch.einsum("btd,bsd->bts", query, key)
    scores = scores * lengths[0][:, :, None] * lengths[1][:, None]
    scores = scores * torch.exp(log_scale)
    weights = masked_softmax(scores, mask[:, None])
    return torch.einsum("bts,bsv->btv", weights, value), weights


def _cosine_by_loops(query, key, value, mask, log_scale, eps=1e-6):
    rows = []
    for b in range(len(query)):
        for q in query[b]:
            row = [torch.zeros(()) for _ in key[b]]
            near = [s for s in range(len(key[b])) if mask[b, s]]
            if near:
                scores = [
                    (q @ k) / torch.sqrt((q @ q + eps) * (k @ k + eps))
                    for k in key[b, near]
                ]
                scores = torch.stack(scores) * log_scale.exp()
                for s, weight in zip(near, scores.softmax(0), strict=True):
                    row[s] = weight
            rows.append(torch.stack(row))
    weights = torch.stack(rows).view(len(query), -1, key.shape[1])
    return weights @ value, weights


def _cosine_case(
    name, lengths, T, S, d, d_v, log_scale, seed, eps=None, zeros=False
):
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    query, key = normal(generator, B, T, d), normal(generator, B, S, d)
    if zeros:
        query[0, -1], key[0, 1], key[-1, 0] = 0, 0, 0
    return Case(
        name,
        (
            query,
            key,
            normal(generator, B, S, d_v),
            token_mask(lengths, S),
            torch.tensor(log_scale),
        ),
        {} if eps is None else {"eps": eps},
    )


def _length_does_not_count(answer):
    query, key, value, mask, log_scale = _cosine_case(
        "", [5, 3], 3, 5, 4, 2, 1.0, seed=37
    ).arguments
    _, before = answer(query, key, value, mask, log_scale)
    _, after = answer(3 * query, 0.5 * key, value, mask, log_scale)
    return torch.allclose(before, after, atol=1e-4)


_MISTAKES = [
    (
        "plain",
        "a dot product",
        "Neither query nor key is divided by its length.",
        "cosine = q·k / (|q| |k|).",
    ),
    (
        "query alone",
        "keys of any length",
        "The keys keep their length, so a long key still wins.",
        "Divide both queries and keys.",
    ),
    (
        "key alone",
        "queries of any length",
        "The queries keep their length, so a long query is still sharper.",
        "Divide both queries and keys.",
    ),
    (
        "no eps",
        "0/0 for a vector of zeros",
        "A vector of zeros has length 0, and 0/0 is NaN.",
        "ε is under the root: √(|x|² + ε).",
    ),
    (
        "outside",
        "an epsilon outside the root",
        "ε is added to a length. It should be added to the square of each "
        "length, under the root.",
        "√(|x|² + ε): which bracket closes last?",
        "one eps",
        "root outside",
    ),
    (
        "product",
        "one ε for both lengths",
        "ε is added to the product of the squares. Each length has its own.",
        "√(|q|² + ε) · √(|k|² + ε).",
    ),
    (
        "floor",
        "an epsilon as a floor",
        "F.normalize and F.cosine_similarity divide by max(|x|, ε), so ε has "
        "no effect on long vectors. Here ε is added under the root.",
        "√(|x|² + ε), written out.",
        "floor of its own",
        "floor of the square",
        "library",
    ),
    (
        "root at 0",
        "a root of 0",
        "The value at a vector of zeros is right, but the slope of a "
        "root at 0 is infinite, and 0 times ∞ is NaN in the backward pass.",
        "With ε under the root, you never take the root of 0.",
    ),
    (
        "other eps",
        "an epsilon of its own",
        "A fixed number is used instead of `eps`.",
        "√(|x|² + eps), with the argument.",
    ),
    (
        "eps squared",
        "ε² for ε",
        "The square of ε is under the root. It should be ε itself.",
        "√(|x|² + ε).",
    ),
    (
        "no root",
        "divided by the square",
        "The vectors are divided by the square of their length.",
        "The root is missing.",
    ),
    (
        "mean",
        "a mean of squares",
        "The root of the mean of squares is the length divided by √d. You "
        "wrote RMS normalisation.",
        "|x|² is a sum.",
    ),
    (
        "wrong axis",
        "lengths along the wrong axis",
        "Squares are added over the sentence. The length of a vector "
        "is a sum over its own entries, the last axis.",
        "sum(dim=-1, keepdim=True).",
    ),
    (
        "whole",
        "one length for everything",
        "All queries are divided by one number, the length of the "
        "whole tensor.",
        "sum(dim=-1, keepdim=True).",
    ),
    (
        "whole sentence",
        "one length for each sentence",
        "The squares of all vectors of a sentence are added up. Each vector "
        "has a length of its own.",
        "sum(dim=-1, keepdim=True).",
    ),
    (
        "detached",
        "lengths without gradient",
        "The values are right, but the length depends on the vector "
        "too, and it is cut off from the graph.",
        "A .detach(), a .data or a torch.no_grad() at the length.",
    ),
    (
        "no scale",
        "no scale",
        "A cosine is between -1 and 1. So without a scale, a weight is at "
        "most e² = 7.4 times as large as another.",
        "exp(log_scale) multiplies the cosines.",
    ),
    (
        "no exp",
        "the logarithm as the scale",
        "log_scale itself multiplies the cosines. It may be negative.",
        "exp(log_scale) multiplies the cosines.",
    ),
    (
        "twice",
        "the scale counted twice",
        "The scale multiplies queries and keys, so it is squared.",
        "exp(log_scale) multiplies the cosines, once.",
    ),
    (
        "at most 100",
        "a scale with a bound",
        "The scale is limited to 100, as in Swin V2. Here it may be as "
        "large as 200.",
        "exp(log_scale), without a bound.",
    ),
    (
        "no zeros",
        "keys of zeros hidden",
        "You masked a key of zeros. It has a score of 0, so its weight is "
        "not 0.",
        "The mask alone says what may be attended to.",
    ),
    (
        "divided",
        "a temperature for its inverse",
        "You divided by exp(log_scale). A larger scale should make "
        "weights sharper.",
        "exp(log_scale) multiplies the cosines.",
    ),
    (
        "root d",
        "scaled by √d as well",
        "The scores are divided by √d too. A cosine does not grow with d.",
        "exp(log_scale) is the only scale.",
    ),
    (
        "cut",
        "a scale without gradient",
        "The values are right, but the scale cannot learn.",
        "A .item(), a float(...) or a .detach() at log_scale.",
    ),
    (
        "values",
        "values of length 1",
        "The values are divided by their length too. They "
        "should stay as they are.",
        "The last product.",
    ),
    (
        "late mask",
        "a mask after the softmax",
        "Weights are set to 0 after the softmax, so rows sum to less than 1.",
        "Use masked_softmax.",
    ),
    (
        "divided again",
        "a mask after the exponentials",
        "Masked weights are set to 0 after the exponentials, and the rest is "
        "divided by its sum. If a masked score is by far the largest, "
        "nothing is left.",
        "Scores become -inf first: masked_softmax does it.",
    ),
    (
        "overflow",
        "exponentials that overflow",
        "Above 88, exp is infinite in single precision, and ∞/∞ is NaN.",
        "masked_softmax subtracts the largest score first.",
        "exp divided",
    ),
    (
        "-1e9",
        "-1e9 in place of -inf",
        "A sentence with nothing to attend to gets equal weights. They "
        "should be 0.",
        "masked_softmax handles such rows.",
    ),
    (
        "-100",
        "-100 in place of -inf",
        "Scores of -100 and less occur. A masked score must be below every "
        "other score.",
        "masked_softmax sets -inf.",
        "-100 and 0",
    ),
    (
        "unmasked",
        "the mask is not used",
        "The padding has weight: the mask has no effect.",
        "Does your code use `mask` at all?",
    ),
    (
        "inverted",
        "the mask is inverted",
        "The padding is attended to and the tokens are not.",
        "True = may attend.",
    ),
    (
        "nan",
        "an empty row of -inf",
        "A sentence with nothing to attend to has only scores of "
        "-inf, and their softmax is 0/0. Its weights should be 0.",
        "masked_softmax from the chapter handles such rows.",
    ),
    (
        "over queries",
        "a softmax over the queries",
        "For each key, the weights sum to 1 over the queries. For each "
        "query, they must sum to 1 over the keys.",
        "Scores are (B, T, S), and the keys are the last axis: dim=-1.",
    ),
]

_drawn = partial(
    anew,
    _cosine_case,
    S=(2, 6),
    T=(1, 5),
    d=(2, 5),
    d_v=(1, 4),
    log_scale=(-0.7, 1.5),
)

_SHOWN = shown_by_large_scores(_cosine_attention, "a scale of 200")

EXERCISE = Exercise(
    "02-cosine-attention",
    "Scores that ignore length",
    points=4,
    reference=_cosine_attention,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor([[[3.0, 4.0]]]),
                torch.tensor([[[6.0, 8.0], [4.0, -3.0], [0.0, 0.0]]]),
                torch.tensor([[[10.0], [20.0], [30.0]]]),
                torch.ones(1, 3, dtype=torch.bool),
                torch.tensor(math.log(2)),
            ),
        ),
        _cosine_case("a padded batch", [5, 3], 3, 5, 4, 2, 0.8, seed=31),
        _cosine_case("no padding", [4, 4, 4], 2, 4, 3, 5, 1.5, seed=32),
        _cosine_case("a large eps", [4, 3], 3, 4, 2, 3, 1.0, 33, eps=0.5),
        _cosine_case(
            "vectors of zeros",
            [5, 4],
            4,
            5,
            3,
            2,
            1.2,
            34,
            eps=1e-2,
            zeros=True,
        ),
        _cosine_case("nothing to attend to", [4, 0], 3, 4, 3, 2, 0.5, seed=35),
        _cosine_case("a scale of 200", [5, 3], 4, 5, 3, 2, 5.3, seed=9),
        _cosine_case("all sizes alike", [3, 2, 3], 3, 3, 3, 3, -0.7, seed=36),
    ],
    mistakes=[
        *(
            replace(mistake, shows=_SHOWN.get(mistake.name))
            for mistake in named(_mistaken, _MISTAKES)
        ),
        Mistake(
            "queries and keys changed in place",
            "`query /= length` changes the caller's tensor.",
            _cosine_in_place,
            "Write `query = query / length`, which makes a new one.",
        ),
    ],
    right_answers=[_cosine_afterwards, _cosine_by_loops],
    properties=[
        Property(
            "Queries three times as long and keys half as long change no "
            "weight.",
            _length_does_not_count,
            "Divide both queries and keys by their lengths.",
        )
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B T d_v", "weights": "B T S"},
    parts=[
        Part(
            "values",
            "the values in sentences with an allowed key",
            2,
            tries=(
                "the worked example",
                "a padded batch",
                "no padding",
                "all sizes alike",
                "Queries three times as long and keys half as long change no "
                "weight.",
            ),
            fresh=_drawn(lengths=none_empty("S")),
        ),
        Part(
            "edges",
            "a large ε or scale, zero vectors, empty sentences",
            1,
            tries=(
                "a large eps",
                "vectors of zeros",
                "a scale of 200",
                "nothing to attend to",
            ),
            fresh=_drawn(lengths=one_empty("S"), eps=[0.01, 0.5], zeros=True),
        ),
        Part(
            "gradients",
            "the gradients, including the gradient of `log_scale`",
            1,
            tries=(
                "a padded batch",
                "a large eps",
                "vectors of zeros",
                "nothing to attend to",
            ),
            gradients=True,
            fresh=_drawn(
                lengths="S", eps=[None, 0.01, 0.5], zeros=[False, True]
            ),
        ),
    ],
)
