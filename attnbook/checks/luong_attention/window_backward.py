"""Exercise 02.5: The gradient of where to look."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import torch

from attnbook.checks.luong_attention.window_mistakes import MISTAKES
from attnbook.judging.derivatives import AUTOMATIC
from attnbook.judging.exercise import Case, Exercise, Mistake, Part
from attnbook.judging.fresh_cases import anew, none_empty, one_empty
from attnbook.judging.masked_weights import masked_weights
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal
from attnbook.mechanisms.masked_softmax import masked_softmax


def _window_parts(scores, raw, lengths, D):
    """Softmax in the window, Gaussian, distances, centre, lengths."""
    place = torch.arange(scores.shape[-1])
    share = torch.sigmoid(raw)
    centre = lengths[:, None] * share  # (B, T)
    distance = place - centre[..., None]  # (B, T, S)
    allowed = (distance.abs() <= D) & (place < lengths[:, None, None])
    gaussian = torch.exp(-(distance**2) / (2 * (D / 2) ** 2))
    return masked_softmax(scores, allowed), gaussian, distance, share


def _mistaken_window(scores, distance, lengths, D, mistake):
    """Which keys may be attended to, (B, T, S)."""
    place, n = torch.arange(scores.shape[-1]), lengths[:, None, None]
    if mistake == "past the end":
        return distance.abs() <= D
    if mistake == "one too many":
        return (distance.abs() <= D) & (place <= n)
    if mistake == "no window":
        return (place < n).expand_as(scores)
    if mistake == "strict":
        return (distance.abs() < D) & (place < n)
    return (distance.abs() <= D) & (place < n)


def _window_backward(scores, raw, lengths, D, upstream, mistake=None):
    inner, gaussian, distance, share = _window_parts(scores, raw, lengths, D)
    if mistake is not None:
        allowed = _mistaken_window(scores, distance, lengths, D, mistake)
        inner = masked_weights(masked_softmax, scores, allowed, (mistake,))
    if mistake == "padding":
        whole = torch.full_like(lengths, scores.shape[-1])
        inner, gaussian, distance, share = _window_parts(scores, raw, whole, D)
        lengths = whole
    weights = inner * gaussian  # (B, T, S)
    if mistake == "divided by the sum":
        total = weights.sum(-1, keepdim=True)
        inner = weights / torch.where(total > 0, total, 1)
        weights = inner * gaussian
    through = upstream * (1.0 if mistake == "no gaussian" else gaussian)
    mean = (through * inner).sum(-1, keepdim=True)
    if mistake == "unweighted":
        mean = through.sum(-1, keepdim=True)
    elif mistake == "no mean":
        mean = 0.0
    elif mistake == "weights twice":
        mean = (through * weights).sum(-1, keepdim=True)
    elif mistake == "sum over queries":
        mean = (through * inner).sum(1, keepdim=True)
    elif mistake == "weights for both":
        mean = (through * weights).sum(-1, keepdim=True)
    for_scores = inner * (through - mean)
    if mistake == "diagonal":
        for_scores = inner * (1 - inner) * through
    elif mistake == "no softmax":
        for_scores = through
    elif mistake in ("outer weights", "weights for both"):
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
    elif mistake == "two above":
        variance = variance / 2
    elif mistake == "no sigma":
        variance = 1
    slope = distance / variance  # (B, T, S)
    if mistake == "sign":
        slope = -slope
    elif mistake == "no side":
        slope = slope.abs()
    elif mistake == "not squared":
        slope = distance.sign() / variance
    times = inner if mistake == "softmax alone" else weights
    if mistake == "gaussian twice":
        times = weights * gaussian
    if mistake == "gaussian alone":
        times = gaussian
    for_centre = (upstream * times * slope).sum(-1)  # (B, T)
    if mistake == "mean of keys":
        for_centre = for_centre / scores.shape[-1]
    elif mistake == "no upstream":
        for_centre = (times * slope).sum(-1)
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
    elif mistake == "half a sigmoid":
        chain = n * share
    elif mistake == "centre for share":
        chain = n * share * (1 - n * share)
    elif mistake == "no tokens":
        chain = n * share * (1 - n * share / n)
    elif mistake == "raw for share":
        chain = n * raw * (1 - raw)
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


def _window_case(name, lengths, T, S, D, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    return Case(
        name,
        (
            normal(generator, B, T, S, scale=scale),
            normal(generator, B, T, scale=0.8),
            torch.tensor(lengths),
            D,
            normal(generator, B, T, S),
        ),
    )


def _are_nan(case, output):
    """Say whether only exponentials that overflow can be to blame."""
    return case.name == "scores of 200" and any(
        bool(x.isnan().any()) for x in output
    )


# The centres lie on whole numbers, and keys just D = 2 away.
_WINDOW_EDGES = Case(
    "keys on the window's edge",
    (
        torch.tensor([1.0, -0.5, 0.3, 0.8, -1.2, 0.4, 1.5, -0.7]).repeat(
            2, 1, 1
        ),
        torch.zeros(2, 1),
        torch.tensor([8, 4]),
        2,
        torch.tensor([0.6, -1.1, 0.9, 1.3, -0.4, 0.7, -1.6, 0.2]).repeat(
            2, 1, 1
        ),
    ),
    look="|s - p| <= D: a key exactly D away is in the window.",
)

_ORDINARY = (
    "the worked example",
    "two sentences",
    "a padded batch",
    "a narrow window",
)

_drawn = partial(anew, _window_case, S=(1, 8), T=(1, 5), D=(1, 3))

EXERCISE = Exercise(
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
        _WINDOW_EDGES,
        _window_case("scores of 200", [6, 4], 4, 6, 2, seed=1, scale=90.0),
    ],
    mistakes=[
        *(
            replace(mistake, shows=_are_nan)
            if mistake.name == "exponentials that overflow"
            else mistake
            for mistake in named(_window_backward, MISTAKES)
        ),
        Mistake(
            "a difference quotient",
            "Close, but not exact: it looks like a difference quotient.",
            _window_by_differences,
            "Derive it: product rule, then the chain rule.",
        ),
    ],
    right_answers=[_window_by_jacobian, _window_by_loops],
    forbidden=AUTOMATIC,
    tolerance=1e-5,
    outputs=("for_scores", "for_raw"),
    axes={"for_scores": "B T S", "for_raw": "B T"},
    parts=[
        Part(
            "scores",
            "the gradient of the scores",
            2,
            tries=_ORDINARY,
            outputs=("for_scores",),
            fresh=_drawn(lengths=none_empty("S")),
        ),
        Part(
            "raw",
            "the gradient of `raw`",
            2,
            tries=_ORDINARY,
            outputs=("for_raw",),
            fresh=_drawn(lengths=none_empty("S")),
        ),
        Part(
            "edges",
            "both: no key, one key, window edges, scores of 200",
            1,
            tries=(
                "nothing to attend to",
                "all sizes alike",
                "one key",
                "keys on the window's edge",
                "scores of 200",
            ),
            fresh=_drawn(lengths=one_empty("S")),
        ),
    ],
)
