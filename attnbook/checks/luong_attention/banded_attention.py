"""Cases, references and known mistakes of the exercises of chapter 02.

Each exercise has a reference, cases to compare it on, mistakes that students
make, written as code and named, and right answers written in other ways.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import combinations

import torch
import torch.nn.functional as F

from attnbook.judging.exercise import (
    Case,
    Exercise,
    Mistake,
    Property,
)
from attnbook.judging.exercise import points_so_far as _points_so_far
from attnbook.judging.fresh_cases import anew, up_to
from attnbook.judging.planted_bugs import bugs_left
from attnbook.judging.predictions import Predictions
from attnbook.judging.tensors import normal, token_mask
from attnbook.mechanisms.additive import masked_softmax

__all__ = [
    "EXERCISES",
    "check_banded_attention",
    "check_cosine_attention",
    "check_predict",
    "check_temporal_attention",
    "check_window_backward",
    "points_so_far",
]


# ------------------------------------------------- 1. Predict, pen in hand

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


_PREDICT = Exercise(
    "02-predict",
    "Predict sizes, costs and weights",
    points=3,
    reference=_PREDICTIONS.exactly,
    cases=_PREDICTIONS.cases(hints=(1, 1, 1, 2, 2, 3, 4)),
    mistakes=[
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
            "You took W as if queries were as long as keys. It is what "
            "allows them not to be.",
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
            "Query and key are laid end to end: 6 + 10 numbers, not 6 · 10.",
            "W has the shape (d_a, d_q + d_k).",
        ),
        _PREDICTIONS.wrong(
            "c",
            20 * 6.0,
            "as long as this sentence",
            "The matrix is made once, for the longest sentence there may be.",
            "How many rows has it: S, or the greatest length?",
        ),
        _PREDICTIONS.wrong(
            "c",
            50 * 10.0,
            "made for the keys",
            "The location score never looks at the keys.",
            "Which vector does the matrix multiply?",
        ),
        _PREDICTIONS.wrong(
            "d",
            1.0,
            "only the scores",
            "The scores are alike in number. Before it has them, concat forms "
            "a hidden layer for each pair.",
            "(B, T, S, d_a) against (B, T, S).",
        ),
        _PREDICTIONS.wrong(
            "d",
            16.0,
            "the keys as general's largest",
            "You divided by the projected keys, (B, S, d_q). The scores, "
            "(B, T, S), are more numbers here.",
            "Compare 4 · 20 · 6 with 4 · 12 · 20.",
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
            "This projects the queries. It gives the same scores and another "
            "count; the question is about projected keys.",
            "S · d_k · d_q for the keys, then one dot product a pair.",
        ),
        _PREDICTIONS.wrong(
            "e",
            12 * 20 * 6.0,
            "the projection is left out",
            "These are the dot products alone. W k has a price too.",
            "S · d_k · d_q for the keys, then one dot product a pair.",
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
            "That is what any other score does. A location score never looks "
            "at the keys, so the weights stay with the places.",
            "Write out the three places: weight, then the value that now "
            "stands there.",
        ),
    ],
    right_answers=[_predict_by_running, _PREDICTIONS.rounded],
    tolerance=2e-3,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
)


# --------------------------- 2. Repair a window that holds only its own keys

_BAND_BUGS = {
    "shifted": (
        "a window that is off by one",
        "The window of query t holds the keys t - D - 1 to t + D - 1.",
        "With D entries of room on the left, key s stands at s + D, and the "
        "window of query t starts at t.",
    ),
    "border": (
        "borders that may be attended to",
        "The room at both ends is filled with zeros, and is marked as if it "
        "were text. A key of zeros scores 0, and exp(0) = 1.",
        "The mask needs room at both ends too. What should it hold there?",
    ),
    "sigma": (
        "a Gaussian twice too wide",
        "The standard deviation is D. It should be D/2.",
        "With σ = D/2, what is 2σ²?",
    ),
    "inside": (
        "the Gaussian inside the softmax",
        "The Gaussian multiplies the scores. It multiplies the weights, after "
        "the softmax.",
        "weights = softmax(...), then weights * gaussian.",
    ),
    "late mask": (
        "a mask after the softmax",
        "Weights are cut off after the softmax, so the share of what may not "
        "be attended to is lost.",
        "Scores become -inf first: masked_softmax does it.",
    ),
}

# Of several bugs, the one whose symptom the first failing case shows is
# told. Its first window has one place before the sentence.
_BAND_FIRST = ("shifted", "late mask", "border", "inside", "sigma")


def _banded_attention(query, key, value, mask, W, D, bugs=()):
    T, S = query.shape[1], key.shape[1]
    left, right = D, D
    if "shifted" in bugs:
        left = D + 1
    elif "other way" in bugs:
        left, right = D - 1, D + 1
    elif "past alone" in bugs:
        left, right = 2 * D, 0
    projected = key @ W.T  # (B, S, d_q)
    padded_key = F.pad(projected, (0, 0, left, right))
    padded_value = F.pad(value, (0, 0, left, right))
    if "clamped" in bugs:
        window = torch.arange(T)[:, None] + torch.arange(-D, D + 1)
        window = window.clamp(0, S - 1)  # (T, 2D + 1)
        near, fetched = projected[:, window], value[:, window]
        allowed = mask[:, window]
    else:
        filler = "border" in bugs
        padded_mask = F.pad(mask, (left, right), value=filler)
        window = torch.arange(T)[:, None] + torch.arange(2 * D + 1)
        near, fetched = padded_key[:, window], padded_value[:, window]
        allowed = padded_mask[:, window]  # (B, T, 2D + 1)
    scores = (near @ query[..., None]).squeeze(-1)  # (B, T, 2D + 1)
    sigma = D if "sigma" in bugs else D / 2
    squares = torch.arange(-D, D + 1).float() ** 2
    gaussian = torch.exp(-squares / (2 * sigma**2))  # (2D + 1,)
    if "half" in bugs:
        gaussian = torch.exp(-squares / sigma**2)
    elif "variance" in bugs:
        gaussian = torch.exp(-squares / (2 * sigma))
    if "inside" in bugs:
        scores = scores * gaussian
    elif "log inside" in bugs:
        scores = scores + gaussian.log()
    if "late mask" in bugs:
        weights = scores.softmax(-1) * allowed
    elif "unmasked" in bugs:
        weights = scores.softmax(-1)
    elif "inverted" in bugs:
        weights = masked_softmax(scores, ~allowed)
    elif "nan" in bugs:
        weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
    elif "-1e9" in bugs:
        weights = scores.masked_fill(~allowed, -1e9).softmax(-1)
    else:
        weights = masked_softmax(scores, allowed)
    if not {"inside", "log inside", "no gaussian"} & set(bugs):
        weights = weights * gaussian
    if "renormalised" in bugs:
        total = weights.sum(-1, keepdim=True)
        weights = weights / torch.where(total == 0, 1, total)
    return (weights[..., None] * fetched).sum(2), weights


def _whole_sentence(query, key, value, mask, W, D):
    """Wrong in its weights alone: they have a column for each key."""
    scores = query @ (key @ W.T).mT  # (B, T, S)
    distance = (
        torch.arange(key.shape[1]) - torch.arange(query.shape[1])[:, None]
    )
    weights = masked_softmax(scores, (distance.abs() <= D) & mask[:, None])
    weights = weights * torch.exp(-2 * (distance / D) ** 2)
    return weights @ value, weights


def _banded_from_dense(query, key, value, mask, W, D):
    """Right: all scores, a window over them, and the band cut out."""
    T, S = query.shape[1], key.shape[1]
    scores = query @ (key @ W.T).mT  # (B, T, S)
    distance = torch.arange(S) - torch.arange(T)[:, None]  # (T, S)
    allowed = (distance.abs() <= D) & mask[:, None]
    weights = masked_softmax(scores, allowed)
    weights = weights * torch.exp(-2 * (distance / D) ** 2)
    band = F.pad(weights, (D, D))  # (B, T, D + S + D)
    places = torch.arange(T)[:, None] + torch.arange(2 * D + 1)
    places = places.expand(len(query), -1, -1)
    return weights @ value, band.gather(2, places)


def _banded_by_loops(query, key, value, mask, W, D):
    B, T, _ = query.shape
    S = key.shape[1]
    rows, outputs = [], []
    for b in range(B):
        for t in range(T):
            row = [torch.zeros(()) for _ in range(2 * D + 1)]
            near = range(max(0, t - D), min(S, t + D + 1))
            near = [s for s in near if mask[b, s]]
            output = torch.zeros(value.shape[-1])
            if near:
                scores = key[b, near] @ (query[b, t] @ W)
                for s, share in zip(near, scores.softmax(0), strict=True):
                    pull = math.exp(-((s - t) ** 2) / (2 * (D / 2) ** 2))
                    row[s - t + D] = share * pull
                    output = output + share * pull * value[b, s]
            rows.append(torch.stack(row))
            outputs.append(output)
    weights = torch.stack(rows).view(B, T, 2 * D + 1)
    return torch.stack(outputs).view(B, T, -1), weights


def _banded_by_unfold(query, key, value, mask, W, D):
    T, width = query.shape[1], 2 * D + 1
    key, value = (F.pad(x, (0, 0, D, D)) for x in (key, value))
    key = key.unfold(1, width, 1)[:, :T]  # (B, T, d_k, 2D + 1)
    value = value.unfold(1, width, 1)[:, :T]  # (B, T, d_v, 2D + 1)
    allowed = F.pad(mask, (D, D)).unfold(1, width, 1)[:, :T]
    scores = torch.einsum("btq,qk,btkn->btn", query, W, key)
    weights = masked_softmax(scores, allowed)
    weights = weights * torch.linspace(-2, 2, width).square().div(-2).exp()
    return torch.einsum("btn,btvn->btv", weights, value), weights


def _band_case(name, lengths, T, S, d_q, d_k, d_v, D, seed):
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    return Case(
        name,
        (
            normal(generator, B, T, d_q),
            normal(generator, B, S, d_k),
            normal(generator, B, S, d_v),
            token_mask(lengths, S),
            normal(generator, d_q, d_k, scale=0.6),
            D,
        ),
    )


_BANDED = Exercise(
    "02-banded-attention",
    "Repair a window that fetches only its own keys",
    points=4,
    reference=_banded_attention,
    cases=[
        Case(
            "the worked example",
            (
                torch.ones(1, 2, 1),
                torch.tensor([[[0.0], [1.0], [2.0], [3.0]]]),
                torch.tensor([[[10.0], [20.0], [40.0], [80.0]]]),
                torch.ones(1, 4, dtype=torch.bool),
                torch.ones(1, 1),
                1,
            ),
        ),
        _band_case("a padded batch", [5, 3], 4, 5, 3, 2, 4, 1, seed=1),
        _band_case("a wider window", [7, 4], 7, 7, 2, 4, 3, 2, seed=2),
        _band_case("wider than a sentence", [4, 2], 3, 4, 3, 2, 2, 3, seed=3),
        _band_case("nothing to attend to", [5, 0], 4, 5, 2, 3, 4, 2, seed=4),
        _band_case("all sizes alike", [3, 2, 3], 3, 3, 3, 3, 3, 1, seed=5),
        _band_case("one key", [1, 1], 1, 1, 3, 2, 2, 2, seed=6),
    ],
    mistakes=[
        bugs_left(bugs, _BAND_BUGS, _banded_attention, _BAND_FIRST)
        for count in range(1, len(_BAND_BUGS) + 1)
        for bugs in combinations(_BAND_BUGS, count)
    ]
    + [
        Mistake(name, sentence, partial(_banded_attention, bugs=(bug,)), look)
        for bug, name, sentence, look in [
            (
                "other way",
                "a window that is off by one, to the right",
                "The window of query t holds the keys t - D + 1 to t + D + 1.",
                "With D entries of room on the left, key s stands at s + D, "
                "and the window of query t starts at t.",
            ),
            (
                "past alone",
                "a window that ends at its query",
                "The window of query t holds the keys t - 2D to t. It should "
                "reach as far to the right as to the left.",
                "D entries of room at each end.",
            ),
            (
                "clamped",
                "the border key counted more than once",
                "Places outside the sentence are moved to its first or last "
                "key, which is then counted several times.",
                "A place outside may not be attended to: its mask is False.",
            ),
            (
                "half",
                "a Gaussian without the 2",
                "The 2 in the exponent is missing: -x²/(2σ²).",
                "The line that makes the Gaussian.",
            ),
            (
                "variance",
                "a standard deviation that is not squared",
                "The exponent divides by 2σ. It is 2σ².",
                "The line that makes the Gaussian.",
            ),
            (
                "no gaussian",
                "no Gaussian",
                "All keys of the window count alike: the Gaussian has no "
                "effect.",
                "weights = softmax(...), then weights * gaussian.",
            ),
            (
                "log inside",
                "rows that sum to 1 again",
                "The Gaussian is inside the softmax, or the weights are "
                "divided by their sum. Luong's rows sum to less than 1.",
                "weights = softmax(...), then weights * gaussian, and no "
                "more.",
            ),
            (
                "unmasked",
                "the mask is not used",
                "Padding and borders have weight: the mask has no effect.",
                "Does your code use `allowed` at all?",
            ),
            (
                "inverted",
                "the mask is inverted",
                "Padding and borders are attended to and the tokens are not.",
                "True = may attend. masked_fill wants the others: ~allowed.",
            ),
            (
                "nan",
                "an empty window of -inf",
                "A window with nothing to attend to has only scores of -inf, "
                "and their softmax is 0/0. Its weights should be 0.",
                "masked_softmax from the chapter handles such rows.",
            ),
            (
                "-1e9",
                "-1e9 in place of -inf",
                "A window with nothing to attend to gets equal weights. They "
                "should be 0.",
                "masked_softmax from the chapter handles such rows.",
            ),
        ]
    ]
    + [
        Mistake(
            "weights for the whole sentence",
            "The weights have a column for each of the S keys. Fetch the "
            "2D + 1 keys of each window, and score no others.",
            _whole_sentence,
            "key[:, window] is (B, T, 2D + 1, d_q).",
        ),
    ],
    right_answers=[_banded_from_dense, _banded_by_loops, _banded_by_unfold],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B T d_v", "weights": "B T 2D+1"},
    fresh=anew(
        _band_case,
        S=(1, 7),
        lengths="S",
        T=up_to("S"),
        d_q=(1, 4),
        d_k=(1, 4),
        d_v=(1, 4),
        D=(1, 3),
    ),
)


# ------------------------------------------------------ 3. Cosine attention


def _cosine_attention(
    query, key, value, mask, log_scale, eps=1e-6, mistake=None
):
    def unit(x):
        square = x.square().sum(-1, keepdim=True)
        if mistake == "wrong axis":
            square = x.square().sum(1, keepdim=True)
        elif mistake == "whole":
            square = x.square().sum()
        if mistake == "outside":
            return x / (x.norm(dim=-1, keepdim=True) + eps)
        if mistake == "floor":
            return F.normalize(x, dim=-1, eps=eps)
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
        if mistake == "mean":
            square = x.square().mean(-1, keepdim=True)
        length = (square + eps).sqrt()
        return x / (length.detach() if mistake == "detached" else length)

    left = query if mistake in ("plain", "key alone") else unit(query)
    right = key if mistake in ("plain", "query alone") else unit(key)
    scores = left @ right.transpose(-2, -1)  # (B, T, S)
    scale = log_scale.exp()
    if mistake == "divided":
        scale = 1 / scale
    elif mistake == "no exp":
        scale = log_scale
    elif mistake == "cut":
        scale = scale.detach()
    elif mistake == "no scale":
        scale = 1.0
    elif mistake == "root d":
        scale = scale / query.shape[-1] ** 0.5
    scores = scale * scores
    allowed = mask[:, None].expand_as(scores)
    if mistake == "late mask":
        weights = scores.softmax(-1) * allowed
    elif mistake == "unmasked":
        weights = scores.softmax(-1)
    elif mistake == "inverted":
        weights = masked_softmax(scores, ~allowed)
    elif mistake == "over queries":
        weights = masked_softmax(scores, allowed, dim=1)
    elif mistake == "nan":
        weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
    else:
        weights = masked_softmax(scores, allowed)
    return weights @ (unit(value) if mistake == "values" else value), weights


def _cosine_one_eps(query, key, value, mask, log_scale, eps=1e-6):
    """Wrong: ε is added to the product of the lengths."""
    lengths = query.norm(dim=-1)[:, :, None] * key.norm(dim=-1)[:, None]
    scores = log_scale.exp() * (query @ key.mT) / (lengths + eps)
    weights = masked_softmax(scores, mask[:, None])
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


_COSINE = Exercise(
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
        _cosine_case("all sizes alike", [3, 2, 3], 3, 3, 3, 3, -0.7, seed=36),
    ],
    mistakes=[
        Mistake(
            name,
            sentence,
            partial(_cosine_attention, mistake=key),
            look,
            also={
                "outside": (_cosine_one_eps,),
                "floor": (
                    partial(_cosine_attention, mistake="floor of its own"),
                ),
                "root at 0": (
                    partial(_cosine_attention, mistake="root outside"),
                ),
            }.get(key, ()),
        )
        for key, name, sentence, look in [
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
                "The queries keep their length, so a long query is still "
                "sharper.",
                "Divide both queries and keys.",
            ),
            (
                "no eps",
                "0/0 for a vector of zeros",
                "A vector of zeros has length 0, and 0/0 is NaN.",
                "ε stands in the root: √(|x|² + ε).",
            ),
            (
                "outside",
                "an epsilon outside the root",
                "ε is added to a length. It belongs to the square of each "
                "length, under the root.",
                "√(|x|² + ε): which bracket closes last?",
            ),
            (
                "floor",
                "an epsilon as a floor",
                "max(|x|, ε), as F.normalize has it, leaves long vectors as "
                "they are. Here ε is added under the root.",
                "√(|x|² + ε), written out.",
            ),
            (
                "root at 0",
                "a root of 0",
                "The value at a vector of zeros is right, but the slope of a "
                "root at 0 is infinite, and 0 times ∞ is NaN on the way back.",
                "ε stands in the root, so that the root is never of 0.",
            ),
            (
                "other eps",
                "an epsilon of its own",
                "A fixed number stands where `eps` should.",
                "√(|x|² + eps), with the argument.",
            ),
            (
                "eps squared",
                "ε² for ε",
                "The square of ε stands under the root. It is ε itself.",
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
                "The mean of the squares is √d away from the length: that is "
                "RMS normalisation.",
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
                "detached",
                "lengths without gradient",
                "The values are right, but the length depends on the vector "
                "too, and it is cut off from the graph.",
                "A .detach(), a .data or a torch.no_grad() at the length.",
            ),
            (
                "no scale",
                "no scale",
                "A cosine is between -1 and 1: with no scale, no weight can "
                "be more than e² = 7.4 times another.",
                "exp(log_scale) multiplies the cosines.",
            ),
            (
                "no exp",
                "the logarithm as the scale",
                "log_scale itself multiplies the cosines. It may be negative.",
                "exp(log_scale) multiplies the cosines.",
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
                "The scores are divided by √d too. A cosine does not grow "
                "with d.",
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
                "The values are divided by their length too. They are what "
                "is fetched.",
                "The last product.",
            ),
            (
                "late mask",
                "a mask after the softmax",
                "The mask cuts weights off after the softmax, so rows sum to "
                "less than 1.",
                "Use masked_softmax.",
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
                "For each key, the weights sum to 1 over the queries. Each "
                "query must spend 1 over the keys.",
                "Scores are (B, T, S), and the keys are the last axis: "
                "dim=-1.",
            ),
        ]
    ]
    + [
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
    fresh=anew(
        _cosine_case,
        S=(2, 6),
        lengths="S",
        T=(1, 5),
        d=(2, 5),
        d_v=(1, 4),
        log_scale=(-0.7, 1.5),
        eps=[None, 0.01, 0.5],
    ),
)


# ------------------------------------- 4. Attention that discounts the past


def _temporal_attention(query, key, value, mask, W, mistake=None):
    scores = query @ (key @ W.T).transpose(-2, -1)  # (B, T, S)
    if mistake == "scaled":
        scores = scores / query.shape[-1] ** 0.5
    none = torch.zeros_like(scores[:, :1])  # (B, 1, S)
    past = torch.cat([none, scores.logcumsumexp(1)[:, :-1]], dim=1)
    allowed = mask[:, None].expand_as(scores)
    if mistake == "plain":
        past = torch.zeros_like(past)
    elif mistake == "own step":
        past = scores.logcumsumexp(1)
    elif mistake == "last step":
        past = torch.cat([none, scores[:, :-1]], dim=1)
    elif mistake == "over keys":
        start = torch.zeros_like(scores[..., :1])
        past = torch.cat([start, scores.logcumsumexp(2)[..., :-1]], dim=2)
    elif mistake == "all steps":
        past = scores.logsumexp(1, keepdim=True).expand_as(scores)
    elif mistake == "plain sum":
        past = torch.cat([none, scores.cumsum(1)[:, :-1]], dim=1)
    elif mistake == "weights":
        weights = masked_softmax(scores, allowed)
        past = weights.cumsum(1)[:, :-1].clamp(min=1e-30).log()
        past = torch.cat([none, past], dim=1)
    elif mistake == "weights added":
        weights = masked_softmax(scores, allowed)
        past = torch.cat([none, weights.cumsum(1)[:, :-1]], dim=1)
    elif mistake == "moved up":
        past = torch.cat([scores.logcumsumexp(1)[:, 1:], none], dim=1)
    elif mistake == "rolled":
        past = scores.logcumsumexp(1).roll(1, dims=1)
    elif mistake == "one more":
        past = torch.cat([none, scores], dim=1).logcumsumexp(1)[:, :-1]
    elif mistake == "added":
        past = -past
    elif mistake == "detached":
        past = past.detach()
    elif mistake == "over the batch":
        past = past.logsumexp(0, keepdim=True).expand_as(past)
    elif mistake in ("overflow", "first row", "unguarded"):
        powers = scores.exp()
        before = powers.cumsum(1)[:, :-1]
        first = none if mistake == "first row" else none + 1
        powers = powers / torch.cat([first, before], dim=1) * allowed
        total = powers.sum(-1, keepdim=True)
        if mistake != "unguarded":
            total = torch.where(total == 0, 1, total)
        weights = powers / total
        return weights @ value, weights
    penalised = scores - past
    if mistake == "twice":
        penalised = penalised.exp()
    if mistake == "nan":
        weights = penalised.masked_fill(~allowed, -torch.inf).softmax(-1)
    elif mistake == "late mask":
        weights = penalised.softmax(-1) * allowed
    elif mistake == "unmasked":
        weights = penalised.softmax(-1)
    elif mistake == "inverted":
        weights = masked_softmax(penalised, ~allowed)
    elif mistake == "over queries":
        weights = masked_softmax(penalised, allowed, dim=1)
    else:
        weights = masked_softmax(penalised, allowed)
    return weights @ value, weights


def _weights_tallied(query, key, value, mask, W):
    """Wrong: divided by the weights that the steps before really had."""
    scores = query @ (key @ W.T).transpose(-2, -1)
    rows = [masked_softmax(scores[:, 0], mask)]
    for t in range(1, query.shape[1]):
        past = torch.stack(rows).sum(0).clamp(min=1e-30).log()
        rows.append(masked_softmax(scores[:, t] - past, mask))
    weights = torch.stack(rows, dim=1)
    return weights @ value, weights


def _masked_before(query, key, value, mask, W):
    """Wrong: padding is -inf before the past is subtracted, and stays NaN."""
    scores = query @ (key @ W.T).transpose(-2, -1)
    scores = scores.masked_fill(~mask[:, None], -torch.inf)
    none = torch.zeros_like(scores[:, :1])
    past = torch.cat([none, scores.logcumsumexp(1)[:, :-1]], dim=1)
    weights = (scores - past).softmax(-1)
    return weights @ value, weights


def _temporal_by_logaddexp(query, key, value, mask, W):
    """Right: a running sum of exponentials, kept as its logarithm."""
    projected = torch.einsum("qk,bsk->bsq", W, key)
    past, rows = None, []
    for step in query.unbind(1):
        scores = torch.einsum("bq,bsq->bs", step, projected)
        penalised = scores if past is None else scores - past
        past = scores if past is None else torch.logaddexp(past, scores)
        rows.append(masked_softmax(penalised, mask))
    weights = torch.stack(rows, dim=1)
    return torch.einsum("bts,bsv->btv", weights, value), weights


def _temporal_by_the_mean(query, key, value, mask, W):
    """Right: a mean for the sum. Softmax does not see the difference."""
    scores = (query @ W) @ key.mT  # (B, T, S)
    rows = []
    for t in range(query.shape[1]):
        row = scores[:, t]
        if t > 0:
            row = row - scores[:, :t].logsumexp(1) + math.log(t)
        rows.append(masked_softmax(row, mask))
    weights = torch.stack(rows, dim=1)
    return weights @ value, weights


def _temporal_shifted(query, key, value, mask, W):
    """Right: exponentials shifted by each key's largest score, as a ratio."""
    scores = (query.double() @ W.double()) @ key.double().mT
    powers = (scores - scores.amax(1, keepdim=True).detach()).exp()
    rows = []
    for t in range(query.shape[1]):
        row = scores[:, t] if t == 0 else powers[:, t].log()
        if t > 0:
            row = row - powers[:, :t].sum(1).log()
        rows.append(masked_softmax(row, mask))
    weights = torch.stack(rows, dim=1)
    return weights @ value.double(), weights


def _temporal_case(name, lengths, T, S, d_q, d_k, d_v, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    return Case(
        name,
        (
            normal(generator, B, T, d_q, scale=scale),
            normal(generator, B, S, d_k, scale=scale),
            normal(generator, B, S, d_v),
            token_mask(lengths, S),
            normal(generator, d_q, d_k, scale=0.6),
        ),
    )


def _the_future_changes_nothing(answer):
    query, *others = _temporal_case(
        "", [6, 4], 5, 6, 3, 2, 2, seed=49
    ).arguments
    _, before = answer(query, *others)
    changed = query.clone()
    changed[:, 3:] += 1.0
    _, after = answer(changed, *others)
    return bool(
        torch.allclose(before[:, :3], after[:, :3], atol=1e-6)
        and not torch.allclose(before[:, 3:], after[:, 3:], atol=1e-3)
    )


_TEMPORAL = Exercise(
    "02-temporal-attention",
    "Attention that discounts what it has read",
    points=4,
    reference=_temporal_attention,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor([[[1.0], [0.0], [0.0]]]),
                torch.tensor([[[1.0], [0.0]]]),
                torch.tensor([[[8.0], [4.0]]]),
                torch.ones(1, 2, dtype=torch.bool),
                torch.ones(1, 1),
            ),
        ),
        _temporal_case("one step", [3, 2], 1, 3, 2, 4, 3, seed=41),
        _temporal_case("a padded batch", [6, 4], 4, 6, 3, 2, 5, seed=42),
        _temporal_case("nothing to read", [4, 0], 3, 4, 2, 3, 2, seed=43),
        _temporal_case("one token", [1, 1], 3, 1, 2, 2, 2, seed=44),
        _temporal_case("all sizes alike", [3, 2, 3], 3, 3, 3, 3, 3, seed=45),
        _temporal_case("long", [7, 5, 6], 9, 7, 2, 3, 2, seed=46),
        _temporal_case("large scores", [4, 3], 4, 4, 3, 4, 2, 47, scale=9.0),
    ],
    mistakes=[
        Mistake(
            name,
            sentence,
            partial(_temporal_attention, mistake=key),
            look,
            also={
                "weights": (_weights_tallied,),
                "nan": (partial(_temporal_attention, mistake="unguarded"),),
            }.get(key, ()),
        )
        for key, name, sentence, look in [
            (
                "plain",
                "the past is not used",
                "This is plain attention with the general score.",
                "exp(s) is divided by what the steps before gave that key.",
            ),
            (
                "own step",
                "a sum that counts its own step",
                "The sum already holds the step that it divides.",
                "t' < t: move the running sum down by one row.",
            ),
            (
                "last step",
                "only the last step is remembered",
                "You divide by the exponential of the step before. It is the "
                "sum over all steps before.",
                "A running sum over T.",
            ),
            (
                "over keys",
                "a sum along the sentence",
                "The running sum goes along the keys. It goes along the "
                "steps, for each key by itself.",
                "Scores are (B, T, S), and the steps are axis 1.",
            ),
            (
                "all steps",
                "the future is in the sum",
                "You divide by the sum over all steps, later ones included.",
                "t' < t: a running sum.",
            ),
            (
                "moved up",
                "moved the wrong way",
                "The running sum was moved up by one row, so each step sees "
                "its own and the next.",
                "Drop the last row, and put a row of zeros first.",
            ),
            (
                "rolled",
                "the last row is rolled to the front",
                "roll puts the last row first, so the first step is divided "
                "by the sum over all steps.",
                "The first row has to be 0.",
            ),
            (
                "twice",
                "an exponential of exponentials",
                "e is divided by its sum and not by a softmax: softmax takes "
                "the exponential once more.",
                "Give softmax the logarithm of e, which is a difference.",
            ),
            (
                "nan",
                "0/0 where there is nothing to read",
                "A sentence with nothing to read has only exponentials of 0, "
                "and 0/0 is NaN. Its weights should be 0.",
                "masked_softmax handles such rows.",
            ),
            (
                "plain sum",
                "scores summed without exponential",
                "You subtract the sum of the earlier scores. It is the "
                "logarithm of the sum of their exponentials.",
                "torch.logcumsumexp.",
            ),
            (
                "weights",
                "divided by earlier weights",
                "You divide by the sum of the earlier weights. The formula "
                "has exponentials of scores, before any row was divided by "
                "its sum.",
                "Σ exp(s) over t' < t, without the softmax.",
            ),
            (
                "weights added",
                "earlier weights subtracted",
                "You subtract the sum of the earlier weights from the score. "
                "The formula divides exponentials.",
                "exp(s) / Σ exp(s), so a difference of logarithms.",
            ),
            (
                "one more",
                "a 1 in the sum",
                "The sum starts at 1, which makes the first step work and "
                "changes all others.",
                "The first step is divided by nothing, the others by the "
                "sum alone.",
            ),
            (
                "first row",
                "the first step divided by 0",
                "Before the first step the sum is empty, and dividing by 0 "
                "gives infinity, then NaN.",
                "The first row is not divided: its logarithm of the past is "
                "0.",
            ),
            (
                "added",
                "what was read is read again",
                "The past is added. Keys that were read gain, and should "
                "lose.",
                "The sign of the logarithm.",
            ),
            (
                "overflow",
                "exponentials that overflow",
                "Above 88, exp is infinite in single precision, and ∞/∞ is "
                "NaN.",
                "Keep to logarithms: s - logsumexp of the steps before.",
            ),
            (
                "detached",
                "a past without gradient",
                "The values are right, but the past is cut off from the "
                "graph.",
                "A .detach(), a .data or a torch.no_grad() on the way.",
            ),
            (
                "scaled",
                "a scale that nobody asked for",
                "The scores are divided by √d_q. Luong's are not.",
                "The line that makes the scores.",
            ),
            (
                "late mask",
                "a mask after the softmax",
                "The mask cuts weights off after the softmax, so rows sum to "
                "less than 1.",
                "Use masked_softmax.",
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
                "over queries",
                "a softmax over the steps",
                "For each key, the weights sum to 1 over the steps. Each step "
                "must spend 1 over the keys.",
                "Scores are (B, T, S), and the keys are the last axis: "
                "dim=-1.",
            ),
            (
                "over the batch",
                "a past that sentences share",
                "The past is summed over the sentences of the batch.",
                "Axis 0 is the batch, axis 1 the steps.",
            ),
        ]
    ]
    + [
        Mistake(
            "padding masked too early",
            "Scores of padding are -inf when the past is subtracted, and "
            "-inf minus -inf is NaN.",
            _masked_before,
            "Subtract first, then masked_softmax.",
        ),
    ],
    right_answers=[
        _temporal_by_logaddexp,
        _temporal_by_the_mean,
        _temporal_shifted,
    ],
    properties=[
        Property(
            "A later query cannot change earlier weights.",
            _the_future_changes_nothing,
            "The sum runs over the steps before.",
        )
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B T d_v", "weights": "B T S"},
    fresh=anew(
        _temporal_case,
        S=(1, 6),
        lengths="S",
        T=(1, 8),
        d_q=(1, 4),
        d_k=(1, 4),
        d_v=(1, 4),
    ),
)


# --------------------------------- 5. The gradient of the predicted centre


def _window_parts(scores, raw, lengths, D):
    """Softmax in the window, Gaussian, distances, centre, lengths."""
    place = torch.arange(scores.shape[-1])
    share = torch.sigmoid(raw)
    centre = lengths[:, None] * share  # (B, T)
    distance = place - centre[..., None]  # (B, T, S)
    allowed = (distance.abs() <= D) & (place < lengths[:, None, None])
    gaussian = torch.exp(-(distance**2) / (2 * (D / 2) ** 2))
    return masked_softmax(scores, allowed), gaussian, distance, share


def _window_backward(scores, raw, lengths, D, upstream, mistake=None):
    inner, gaussian, distance, share = _window_parts(scores, raw, lengths, D)
    if mistake == "padding":
        whole = torch.full_like(lengths, scores.shape[-1])
        inner, gaussian, distance, share = _window_parts(scores, raw, whole, D)
        lengths = whole
    weights = inner * gaussian  # (B, T, S)
    through = upstream * (1.0 if mistake == "no gaussian" else gaussian)
    mean = (through * inner).sum(-1, keepdim=True)
    if mistake == "weights twice":
        mean = (through * weights).sum(-1, keepdim=True)
    for_scores = inner * (through - mean)
    if mistake == "diagonal":
        for_scores = inner * (1 - inner) * through
    elif mistake == "no softmax":
        for_scores = through
    elif mistake == "outer weights":
        for_scores = weights * (through - mean)
    elif mistake == "of the product":
        mean = (upstream * weights).sum(-1, keepdim=True)
        for_scores = weights * (upstream - mean)
    variance = (D / 2) ** 2
    if mistake == "sigma":
        variance = D / 2
    elif mistake == "sigma = D":
        variance = D**2
    elif mistake == "two":
        variance = 2 * variance
    slope = distance / variance  # (B, T, S)
    if mistake == "sign":
        slope = -slope
    elif mistake == "not squared":
        slope = distance.sign() / variance
    times = inner if mistake == "softmax alone" else weights
    if mistake == "gaussian alone":
        times = gaussian
    for_centre = (upstream * times * slope).sum(-1)  # (B, T)
    if mistake == "renormalised":
        for_centre = (
            upstream
            * weights
            * (slope - (weights * slope).sum(-1, keepdim=True))
        ).sum(-1)
    n = lengths[:, None]
    chain = n * share * (1 - share)  # (B, T)
    if mistake == "no chain":
        chain = 1.0
    elif mistake == "no length":
        chain = share * (1 - share)
    elif mistake == "no sigmoid":
        chain = n
    elif mistake == "centre for share":
        chain = n * share * (1 - n * share)
    elif mistake == "no tokens":
        chain = n * share * (1 - n * share / n)
    elif mistake == "S":
        chain = scores.shape[-1] * share * (1 - share)
    for_raw = for_centre * chain
    if mistake == "swapped":
        return for_raw, for_scores
    if mistake == "over T":
        return for_scores, for_raw.sum(1)
    if mistake == "no centre":
        return for_scores, torch.zeros_like(for_raw)
    return for_scores, for_raw


def _window_by_differences(scores, raw, lengths, D, upstream, step=1e-2):
    """Wrong: difference quotients, in single precision."""

    def loss(scores, raw):
        inner, gaussian, _, _ = _window_parts(scores, raw, lengths, D)
        return (upstream * inner * gaussian).sum().item()

    found = []
    for which, x in enumerate((scores, raw)):
        slopes = torch.zeros_like(x)
        for index in range(x.numel()):
            ends = []
            for sign in (1, -1):
                moved = [scores, raw]
                moved[which] = x.clone()
                moved[which].view(-1)[index] += sign * step
                ends.append(loss(*moved))
            slopes.view(-1)[index] = (ends[0] - ends[1]) / (2 * step)
        found.append(slopes)
    return tuple(found)


def _window_by_jacobian(scores, raw, lengths, D, upstream):
    """Right: the softmax's Jacobian written out as a matrix."""
    inner, gaussian, distance, share = _window_parts(scores, raw, lengths, D)
    jacobian = torch.diag_embed(inner) - torch.einsum(
        "bts,btr->btsr", inner, inner
    )
    for_scores = torch.einsum("btsr,btr->bts", jacobian, upstream * gaussian)
    inside = torch.einsum("bts,bts->bt", upstream * inner, distance * gaussian)
    for_raw = inside * 4 / D**2 * lengths[:, None] * share * (1 - share)
    return for_scores, for_raw


def _window_by_loops(scores, raw, lengths, D, upstream):
    for_scores, for_raw = torch.zeros_like(scores), torch.zeros_like(raw)
    B, T, S = scores.shape
    for b in range(B):
        n = int(lengths[b])
        for t in range(T):
            p = n / (1 + math.exp(-raw[b, t]))
            near = [s for s in range(min(n, S)) if abs(s - p) <= D]
            if not near:
                continue
            inner = scores[b, t, near].softmax(0).tolist()
            pull = [math.exp(-2 * ((s - p) / D) ** 2) for s in near]
            up = upstream[b, t, near].tolist()
            mean = sum(
                a * g * u for a, g, u in zip(inner, pull, up, strict=True)
            )
            for s, a, g, u in zip(near, inner, pull, up, strict=True):
                for_scores[b, t, s] = a * (g * u - mean)
                for_raw[b, t] += u * a * g * (s - p) * 4 / D**2
            for_raw[b, t] *= p * (n - p) / n
    return for_scores, for_raw


def _window_case(name, lengths, T, S, D, seed):
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    return Case(
        name,
        (
            normal(generator, B, T, S),
            normal(generator, B, T, scale=0.8),
            torch.tensor(lengths),
            D,
            normal(generator, B, T, S),
        ),
    )


_WINDOW = Exercise(
    "02-window-backward",
    "The gradient of where to look",
    points=5,
    reference=_window_backward,
    cases=[
        Case(
            "the worked example",
            (
                torch.zeros(1, 1, 5),
                torch.zeros(1, 1),
                torch.tensor([5]),
                2,
                torch.tensor([[[0.0, 0.0, 0.0, 1.0, 0.0]]]),
            ),
        ),
        _window_case("two sentences", [6, 6], 3, 6, 2, seed=51),
        _window_case("a padded batch", [7, 4], 4, 7, 3, seed=52),
        _window_case("a narrow window", [8, 5, 6], 5, 8, 1, seed=53),
        _window_case("nothing to attend to", [5, 0], 3, 5, 2, seed=54),
        _window_case("all sizes alike", [3, 2, 3], 3, 3, 3, seed=55),
        _window_case("one key", [1, 1], 3, 1, 2, seed=56),
    ],
    mistakes=[
        Mistake(name, sentence, partial(_window_backward, mistake=key), look)
        for key, name, sentence, look in [
            (
                "no gaussian",
                "the scores' upstream without the Gaussian",
                "What comes back to the softmax has passed the Gaussian: it "
                "is multiplied by it.",
                "weights = softmax · gaussian. Product rule, first factor.",
            ),
            (
                "weights twice",
                "the Gaussian counted twice",
                "In the mean over the row, the Gaussian stands twice.",
                "α (g - Σ α g), with α the softmax alone and g the upstream "
                "times the Gaussian.",
            ),
            (
                "outer weights",
                "the final weights for the softmax",
                "The gradient of the softmax holds the softmax, α. You used "
                "the final weights, which the Gaussian has lowered.",
                "α (g - Σ α g).",
            ),
            (
                "of the product",
                "the product taken for a softmax",
                "You used the softmax's formula on the final weights. They "
                "do not sum to 1: they are a softmax times a Gaussian.",
                "First back through the product, then through the softmax.",
            ),
            (
                "diagonal",
                "only the diagonal of the Jacobian",
                "A score lowers the weights of all other keys, too.",
                "α (g - Σ α g): the sum goes over the row.",
            ),
            (
                "no softmax",
                "the softmax is left out",
                "The gradient stops at the softmax's output.",
                "α (g - Σ α g).",
            ),
            (
                "sign",
                "the wrong sign",
                "The centre moves away from keys that it should come to.",
                "The derivative of -(s - p)² with respect to p is 2 (s - p).",
            ),
            (
                "sigma",
                "σ for σ²",
                "The distance is divided by σ. It is σ².",
                "The derivative of -(s - p)²/(2σ²).",
            ),
            (
                "sigma = D",
                "σ = D",
                "The standard deviation is D/2, so σ² = D²/4.",
                "The line with the distance.",
            ),
            (
                "two",
                "a 2 that should cancel",
                "The 2 of the square and the 2 below cancel.",
                "The derivative of -(s - p)²/(2σ²).",
            ),
            (
                "not squared",
                "the distance is missing",
                "Only the side counts in your slope. The farther a key is, "
                "the steeper.",
                "The derivative of -(s - p)²/(2σ²).",
            ),
            (
                "softmax alone",
                "the Gaussian is missing",
                "The derivative of exp(f) is exp(f) times that of f: the "
                "Gaussian stays.",
                "weights · (s - p)/σ².",
            ),
            (
                "gaussian alone",
                "the softmax is missing",
                "The Gaussian is multiplied by the softmax, and so is its "
                "derivative.",
                "weights · (s - p)/σ².",
            ),
            (
                "renormalised",
                "as if rows summed to 1",
                "You took the weights as divided by their sum. They are not, "
                "so no mean is taken off.",
                "Σ upstream · weights · (s - p)/σ².",
            ),
            (
                "no chain",
                "the gradient of the centre, not of raw",
                "You stopped at the centre. It is the length times "
                "sigmoid(raw).",
                "One more factor: the derivative of the centre by raw.",
            ),
            (
                "no length",
                "the length is missing",
                "The centre is the length times a sigmoid, and so is its "
                "derivative.",
                "length · σ(raw) · (1 - σ(raw)).",
            ),
            (
                "no sigmoid",
                "the sigmoid's derivative is missing",
                "The centre is the length times a sigmoid.",
                "The derivative of sigmoid is sigmoid · (1 - sigmoid).",
            ),
            (
                "centre for share",
                "the centre in the sigmoid's derivative",
                "share · (1 - share) holds the sigmoid, between 0 and 1. You "
                "put the centre there.",
                "length · σ(raw) · (1 - σ(raw)).",
            ),
            (
                "no tokens",
                "0/0 for a sentence without tokens",
                "You divide by the length, and a sentence may have none.",
                "length · y · (1 - y), with y = sigmoid(raw): no division.",
            ),
            (
                "S",
                "S for the length",
                "The centre is scaled by the sentence's own length. S is that "
                "of the longest in the batch.",
                "lengths[:, None].",
            ),
            (
                "padding",
                "padding in the window",
                "You computed centre and window as if each sentence were S "
                "tokens long.",
                "lengths, in the centre and in the mask.",
            ),
            (
                "no centre",
                "no way back to the centre",
                "You treat the window as fixed. The Gaussian moves with the "
                "centre.",
                "The derivative of the Gaussian by the centre.",
            ),
            (
                "over T",
                "summed over the queries",
                "Each query predicts a centre of its own.",
                "The gradient with respect to raw is (B, T).",
            ),
            (
                "swapped",
                "the two in the other order",
                "The gradient of the scores comes first, then that of raw.",
                "The return line.",
            ),
        ]
    ]
    + [
        Mistake(
            "a difference quotient",
            "Close, and not exact: it looks like a difference quotient.",
            _window_by_differences,
            "Derive it: product rule, then the chain rule.",
        ),
    ],
    right_answers=[_window_by_jacobian, _window_by_loops],
    forbidden=(
        "torch.autograd.grad",
        "torch.autograd.backward",
        "torch.func.vjp",
        "torch.func.grad",
        "torch.func.jacrev",
    ),
    tolerance=1e-5,
    outputs=("for_scores", "for_raw"),
    axes={"for_scores": "B T S", "for_raw": "B T"},
    fresh=anew(_window_case, S=(1, 8), lengths="S", T=(1, 5), D=(1, 3)),
)


EXERCISES = {
    exercise.grade_id: exercise
    for exercise in (_PREDICT, _BANDED, _COSINE, _TEMPORAL, _WINDOW)
}

check_predict = _PREDICT.check
check_banded_attention = _BANDED.check
check_cosine_attention = _COSINE.check
check_temporal_attention = _TEMPORAL.check
check_window_backward = _WINDOW.check


def points_so_far():
    """Print the points of each exercise of chapter 02, and their total."""
    _points_so_far(EXERCISES)
