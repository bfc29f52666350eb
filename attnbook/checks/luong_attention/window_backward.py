"""Exercise 02.5: The gradient of where to look."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import torch

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
    through = upstream * (1.0 if mistake == "no gaussian" else gaussian)
    mean = (through * inner).sum(-1, keepdim=True)
    if mistake == "unweighted":
        mean = through.sum(-1, keepdim=True)
    elif mistake == "no mean":
        mean = 0.0
    elif mistake == "weights twice":
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


_MISTAKES = [
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
        "unweighted",
        "a sum without the softmax",
        "In the sum over the row, each term has to be multiplied by its α.",
        "α (g - Σ α g): α stands twice.",
    ),
    (
        "no mean",
        "no sum over the row",
        "You multiply by the softmax, and take nothing off. A score lowers "
        "the weights of all other keys, too.",
        "α (g - Σ α g).",
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
        "no side",
        "a distance without its side",
        "Keys on both sides pull the centre the same way. Those before it "
        "have s - p < 0.",
        "s - p, and not its absolute value.",
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
        "two above",
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
        "The Gaussian is multiplied by the softmax, and so is its derivative.",
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
        "You stopped at the centre. It is the length times sigmoid(raw).",
        "One more factor: the derivative of the centre by raw.",
    ),
    (
        "no length",
        "the length is missing",
        "The centre is the length times a sigmoid, and so is its derivative.",
        "length · σ(raw) · (1 - σ(raw)).",
    ),
    (
        "no sigmoid",
        "the sigmoid's derivative is missing",
        "The centre is the length times a sigmoid.",
        "The derivative of sigmoid is sigmoid · (1 - sigmoid).",
    ),
    (
        "half a sigmoid",
        "half of the sigmoid's derivative",
        "The factor 1 - sigmoid(raw) is missing.",
        "length · y · (1 - y), with y = sigmoid(raw).",
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
        "You treat the window as fixed. The Gaussian moves with the centre.",
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
    (
        "past the end",
        "keys after the end of the sentence",
        "Your window holds places after the last token, s = n - 1.",
        "The line of window_forward that makes `allowed`: both halves.",
        "one too many",
    ),
    (
        "strict",
        "an edge that is left out",
        "A key just D away from the centre is in the window.",
        "|s - p| <= D.",
    ),
    (
        "overflow",
        "exponentials that overflow",
        "Above 88, exp is infinite in single precision, and ∞/∞ is NaN.",
        "masked_softmax takes the largest score off first.",
        "exp divided",
    ),
    (
        "late mask",
        "a mask after the softmax",
        "Weights are cut off after the softmax, so the share of what is "
        "outside the window is lost.",
        "Scores become -inf first: masked_softmax does it.",
    ),
    (
        "nan",
        "an empty window of -inf",
        "A window with nothing to attend to has only scores of -inf, and "
        "their softmax is 0/0. Its gradients should be 0.",
        "masked_softmax from the chapter handles such rows.",
    ),
    (
        "-1e9",
        "-1e9 in place of -inf",
        "A window with nothing to attend to gets equal weights. They should "
        "be 0.",
        "masked_softmax from the chapter handles such rows.",
    ),
    (
        "divided again",
        "a mask after the exponentials",
        "Weights are struck out after the exponentials, and the rest is "
        "divided anew. Where a struck score leads by far, nothing is left.",
        "Scores become -inf first: masked_softmax does it.",
    ),
    (
        "no window",
        "a softmax over the whole sentence",
        "α shares out the weight inside the window alone.",
        "The line of window_forward that makes `allowed`.",
        "unmasked",
    ),
    (
        "no sigma",
        "σ is left out",
        "The distance is not divided by σ².",
        "The derivative of -(s - p)²/(2σ²).",
    ),
    (
        "gaussian twice",
        "the Gaussian twice on the way to the centre",
        "The Gaussian is multiplied in twice.",
        "Σ upstream · weights · (s - p)/σ².",
    ),
    (
        "mean of keys",
        "a mean over the keys",
        "One centre serves all keys, so what they send back adds up.",
        "A sum over the last axis.",
    ),
    (
        "no upstream",
        "the upstream is left out for the centre",
        "The derivative of the weights is right, and is not multiplied by "
        "what comes back to them.",
        "Σ upstream · weights · (s - p)/σ².",
    ),
    (
        "raw for share",
        "raw in the sigmoid's derivative",
        "y (1 - y) holds the sigmoid. You put raw there.",
        "length · y · (1 - y), with y = sigmoid(raw).",
    ),
]

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
    look="|s - p| <= D: a key just D away is in the window.",
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
            for mistake in named(_window_backward, _MISTAKES)
        ),
        Mistake(
            "a difference quotient",
            "Close, and not exact: it looks like a difference quotient.",
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
