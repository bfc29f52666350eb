"""Exercise 02.2: Repair a window that fetches only its own keys."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F

from attnbook.judging.attention_inputs import attention_inputs
from attnbook.judging.exercise import Case, Exercise, Mistake, Part
from attnbook.judging.fresh_cases import anew, up_to
from attnbook.judging.masked_weights import (
    masked_weights,
    shown_by_large_scores,
)
from attnbook.judging.named_mistakes import planted
from attnbook.judging.tensors import normal
from attnbook.judging.unrepaired import unrepaired
from attnbook.mechanisms.masked_softmax import masked_softmax

_BUGS = {
    "shifted": (
        "a window that is off by one",
        "The window of query t holds the keys t - D - 1 to t + D - 1.",
        "With D entries of room on the left, key s is at index s + D, and the "
        "window of query t starts at index t.",
    ),
    "border": (
        "borders that may be attended to",
        "The room at both ends is filled with zeros, and your mask allows it. "
        "A key of zeros has a score of 0, and exp(0) = 1.",
        "The mask needs room at both ends too. Which value should it have "
        "there?",
    ),
    "sigma": (
        "a Gaussian twice too wide",
        "The standard deviation is D. It should be D/2.",
        "With σ = D/2, what is 2σ²?",
    ),
    "inside": (
        "the Gaussian inside the softmax",
        "The Gaussian multiplies the scores. It should multiply the weights, "
        "after the softmax.",
        "weights = softmax(...), then weights * gaussian.",
    ),
    "late mask": (
        "a mask after the softmax",
        "Weights are set to 0 after the softmax, so the weight of masked "
        "places is lost, and the rest sums to less than 1.",
        "Scores become -inf first: masked_softmax does it.",
    ),
}

# Of several bugs, the one whose symptom the first failing case shows is
# told. Its first window has one place before the sentence.
_FIRST_TO_SHOW = ("shifted", "late mask", "border", "inside", "sigma")


def _banded_attention(query, key, value, mask, W, D):
    key, value = (F.pad(x, (0, 0, D, D)) for x in (key @ W.T, value))
    window = torch.arange(query.shape[1])[:, None] + torch.arange(2 * D + 1)
    near, fetched = key[:, window], value[:, window]  # (B, T, 2D + 1, d)
    allowed = F.pad(mask, (D, D))[:, window]  # (B, T, 2D + 1)
    scores = (near @ query[..., None]).squeeze(-1)  # (B, T, 2D + 1)
    squares = torch.arange(-D, D + 1).float() ** 2
    gaussian = torch.exp(-squares / (2 * (D / 2) ** 2))  # (2D + 1,)
    weights = masked_softmax(scores, allowed) * gaussian
    return (weights[..., None] * fetched).sum(2), weights


def _draft(query, key, value, mask, W, D, bugs):
    """The notebook's draft, with some of its bugs or another mistake."""
    near, fetched, allowed = _windows(query, key @ W.T, value, mask, D, bugs)
    scores = (near @ query[..., None]).squeeze(-1)  # (B, T, 2D + 1)
    sigma = D if "sigma" in bugs else D / 2
    if "whole half" in bugs:
        sigma = D // 2
    elif "whole half, not 0" in bugs:
        sigma = max(D // 2, 1)
    squares = torch.arange(-D, D + 1).float() ** 2
    gaussian = torch.exp(-squares / (2 * sigma**2))  # (2D + 1,)
    if "half" in bugs:
        gaussian = torch.exp(-squares / sigma**2)
    elif "bracket" in bugs:
        gaussian = torch.exp(-squares / (2 * sigma) ** 2)
    elif "from left to right" in bugs:
        gaussian = torch.exp(-squares / 2 * sigma**2)
    elif "share" in bugs:
        gaussian = gaussian / gaussian.sum()
    elif "density" in bugs:
        gaussian = gaussian / (sigma * math.sqrt(2 * math.pi))
    elif "distance" in bugs:
        gaussian = torch.exp(-squares.sqrt() / (2 * sigma**2))
    elif "variance" in bugs:
        gaussian = torch.exp(-squares / (2 * sigma))
    if "inside" in bugs:
        scores = scores * gaussian
    elif "log inside" in bugs:
        scores = scores + gaussian.log()
    weights = masked_weights(masked_softmax, scores, allowed, bugs)
    if "overflow at least" in bugs:
        powers = scores.exp() * allowed
        weights = powers / powers.sum(-1, keepdim=True).clamp(min=1e-9)
    if not {"inside", "log inside", "no gaussian"} & set(bugs):
        weights = weights * gaussian
    blended = weights
    if "plain output" in bugs:
        blended = masked_softmax(scores, allowed)
    output = (blended[..., None] * fetched).sum(2)
    if "from the back" in bugs:
        weights = weights.flip(-1)
    elif "no gap" in bugs:
        weights = _without_gap(weights, D)
    return output, weights


def _without_gap(weights, D):
    """Windows at the front begin with key 0, whatever lies before it."""
    rows = [
        F.pad(row[:, max(0, D - t) :], (0, max(0, D - t)))
        for t, row in enumerate(weights.unbind(1))
    ]
    return torch.stack(rows, dim=1)


def _windows(query, projected, value, mask, D, bugs):
    """Keys, values and mask of each query's window."""
    T, S = query.shape[1], projected.shape[1]
    if "clamped" in bugs:
        window = torch.arange(T)[:, None] + torch.arange(-D, D + 1)
        window = window.clamp(0, S - 1)  # (T, 2D + 1)
        return projected[:, window], value[:, window], mask[:, window]
    left, right = D, D
    if "shifted" in bugs:
        left = D + 1
    elif "other way" in bugs:
        left, right = D - 1, D + 1
    elif "past alone" in bugs:
        left, right = 2 * D, 0
    key = F.pad(projected, (0, 0, left, right))
    value = F.pad(value, (0, 0, left, right))
    if "padding" in bugs:
        mask = torch.ones_like(mask)
    mask = F.pad(mask, (left, right), value="border" in bugs)
    window = torch.arange(T)[:, None] + torch.arange(2 * D + 1)
    return key[:, window], value[:, window], mask[:, window]


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


def _band_case(name, lengths, T, S, d_q, d_k, d_v, D, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return Case(
        name,
        (
            *attention_inputs(
                generator, lengths, T, S, d_q, d_k, d_v, scale=scale
            ),
            normal(generator, d_q, d_k, scale=0.6),
            D,
        ),
    )


_OTHER_MISTAKES = [
    (
        "divided again",
        "a mask after the exponentials",
        "Masked places get a share of the softmax and are set to 0 "
        "afterwards. If a masked score is by far the largest, nothing is "
        "left.",
        "Scores become -inf first: masked_softmax does it.",
    ),
    (
        "overflow",
        "exponentials that overflow",
        "Above 88, exp is infinite in single precision, and ∞/∞ is NaN.",
        "masked_softmax subtracts the largest score first.",
        "exp divided",
        "overflow at least",
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
        "zero score",
        "a score of 0 for what is blocked",
        "exp(0) = 1 still gets a share of the softmax. A masked place needs "
        "a score of -inf.",
        "masked_softmax sets -inf.",
    ),
    (
        "no gap",
        "windows moved up at the front",
        "The first windows have places before the sentence. There, your "
        "weights begin with key 0.",
        "Column 0 belongs to key t - D. If there is no such key, its weight "
        "is 0.",
    ),
    (
        "share",
        "a Gaussian that is divided",
        "The Gaussian is divided by its sum or by σ√(2π). Here it is 1 at "
        "distance 0.",
        "exp(-x²/(2σ²)), without a factor before it.",
        "density",
    ),
    (
        "distance",
        "a distance that is not squared",
        "The exponent holds |s - t|. It is (s - t)².",
        "The line that makes the Gaussian.",
    ),
    (
        "from the back",
        "the window from the back",
        "The output is right and the weights are in reverse order: their "
        "first column belongs to key t - D.",
        "t - D, …, t + D.",
    ),
    (
        "other way",
        "a window that is off by one, to the right",
        "The window of query t holds the keys t - D + 1 to t + D + 1.",
        "With D entries of room on the left, key s is at index s + D, "
        "and the window of query t starts at index t.",
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
        "bracket",
        "the 2 is squared too",
        "The exponent divides by (2σ)². It should be 2σ²: only σ is squared.",
        "The line that makes the Gaussian.",
    ),
    (
        "from left to right",
        "a product for a division",
        "Python reads a / 2 * b as (a / 2) * b, so x² is multiplied by σ².",
        "Brackets around 2σ²: -x² / (2 * sigma**2).",
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
        "The Gaussian has no effect: keys far from the centre are not "
        "weakened.",
        "weights = softmax(...), then weights * gaussian.",
    ),
    (
        "log inside",
        "rows that sum to 1 again",
        "The Gaussian is inside the softmax, or the weights are "
        "divided by their sum. Luong's rows sum to less than 1.",
        "weights = softmax(...), then weights * gaussian. Nothing follows.",
    ),
    (
        "whole half",
        "a σ that is rounded",
        "D // 2 drops the half of an odd D, and is 0 where D is 1. σ = D/2.",
        "The line that makes the Gaussian.",
        "whole half, not 0",
    ),
    (
        "plain output",
        "an output without the Gaussian",
        "The weights are right. But the output was computed with the weights "
        "before the Gaussian.",
        "Multiply the values by the same weights that you return.",
    ),
    (
        "padding",
        "padding inside the window",
        "Places outside are hidden, but padding is not: `mask` has no effect.",
        "F.pad(mask, (D, D)) covers both.",
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

_SHOWN = shown_by_large_scores(_banded_attention, "scores of 200")

EXERCISE = Exercise(
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
        _band_case("scores of 200", [5, 3], 5, 5, 3, 3, 2, 1, 9, scale=12.0),
    ],
    mistakes=unrepaired(
        _BUGS,
        _draft,
        told_first=_FIRST_TO_SHOW,
    )
    # Each of these is another slip in place of one of the bugs.
    + [
        replace(mistake, bugs=1, shows=_SHOWN.get(mistake.name))
        for mistake in planted(_draft, _OTHER_MISTAKES)
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
    parts=[
        Part("two", "two of the five bugs fixed", 1, mended=2),
        Part("three", "three of the five bugs fixed", 1, mended=3),
        Part("four", "four of the five bugs fixed", 1, mended=4),
        Part("five", "all five bugs fixed", 1, mended=5),
    ],
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
