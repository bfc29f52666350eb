"""Exercise 01.3: Measure the alignment error rate."""

from __future__ import annotations

import torch

from attnbook.checks.additive_attention import error_rate_mistakes
from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.fresh_cases import anew, lengths
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal, token_mask


def _alignment_error_rate(weights, alignment, target_mask):
    counted = target_mask & alignment.any(-1)  # (B, T)
    best = weights.argmax(-1, keepdim=True)  # (B, T, 1)
    links = torch.zeros_like(alignment).scatter(-1, best, True)  # (B, T, S)
    links, truth = links & counted[..., None], alignment & counted[..., None]
    if not truth.any():
        return 0.0
    A, B = links.sum().item(), truth.sum().item()
    hits = (links & truth).sum().item()
    return 1 - 2 * hits / (A + B)


def _counted_rows(alignment, target_mask, mistake):
    if mistake == "padding":
        return alignment.any(-1)  # (B, T)
    if mistake == "rows without truth":
        return target_mask
    if mistake == "all rows":
        return torch.ones_like(target_mask)
    counted = target_mask & alignment.any(-1)
    if mistake == "stops":
        return counted.cumprod(1).bool()
    if mistake in ("last row", "last row alone"):
        after = target_mask.roll(-1, 1)
        after[:, -1] = False
        return after & (counted if mistake == "last row" else target_mask)
    if mistake == "lengths":
        T = target_mask.shape[1]
        first = torch.arange(T) < target_mask.sum(1, keepdim=True)
        return first & alignment.any(-1)
    return counted


def _links(weights, alignment, mistake):
    """What each row points to, (B, T, S)."""
    none = torch.zeros_like(alignment)
    if mistake == "last of ties":
        S = weights.shape[-1]
        best = S - 1 - weights.flip(-1).argmax(-1, keepdim=True)
        return none.scatter(-1, best, True)
    if mistake == "over queries":
        return none.scatter(1, weights.argmax(1, keepdim=True), True)
    if mistake == "half":
        return weights > 0.5
    if mistake == "uniform":
        return weights > 1 / weights.shape[-1]
    if mistake == "zero":
        best = weights.argmax(-1, keepdim=True)
        return none.scatter(-1, best, True) & (weights > 0)
    if mistake == "all of ties":
        return weights == weights.amax(-1, keepdim=True)
    if mistake.startswith("rounded"):
        rounded = weights.mul(100).round()
        if mistake == "rounded cut":
            rounded = weights.mul(100).floor()
        return none.scatter(-1, rounded.argmax(-1, keepdim=True), True)
    if mistake == "least":
        return none.scatter(-1, weights.argmin(-1, keepdim=True), True)
    if mistake == "as many as true":
        place = weights.argsort(-1, descending=True, stable=True)
        rank = place.argsort(-1)
        return rank < alignment.sum(-1, keepdim=True)
    return none.scatter(-1, weights.argmax(-1, keepdim=True), True)


def _mistaken(weights, alignment, target_mask, mistake):
    """The same with a mistake."""
    counted = _counted_rows(alignment, target_mask, mistake)  # (B, T)
    links = _links(weights, alignment, mistake) & counted[..., None]
    truth = alignment & counted[..., None]
    if mistake == "truth of all rows":
        truth = alignment
    if mistake == "first true" or mistake == "first true of one":
        first = alignment.float().argmax(-1, keepdim=True)  # (B, T, 1)
        chosen = torch.zeros_like(alignment).scatter(-1, first, True)
        if mistake == "first true of one":
            truth = truth & chosen
        else:
            links = links & (chosen | ~truth)
            hits = (links & truth).sum().item()
            made = counted.sum().item()
            if not made:
                return 0.0
            return 1 - 2 * hits / (made + truth.sum().item())
    hits = (links & truth).float()
    if mistake == "one empty" and not counted.any(1).all():
        return 0.0
    if mistake == "no hits" and not hits.any():
        return 0.0
    if mistake == "squeezed":
        hits = hits.sum(-1).squeeze() * counted
    if mistake == "one set":
        links, truth = links.any(0), truth.any(0)
        hits = (links & truth).float()
    if mistake == "empty alignment":
        total = links.sum().item() + truth.sum().item()
        return 1 - 2 * hits.sum().item() / total if alignment.any() else 0.0
    if mistake == "first length":
        T = target_mask[0].sum()
        links, truth, hits = links[:, :T], truth[:, :T], hits[:, :T]
    if mistake == "nothing over nothing":
        return (1 - 2 * hits.sum() / (links.sum() + truth.sum())).item()
    if mistake == "nothing over nothing, as numbers":
        total = links.sum().item() + truth.sum().item()
        return 1 - 2 * hits.sum().item() / total
    if not links.any() and not truth.any():
        return 1.0 if mistake == "all wrong" else 0.0
    if mistake == "soft":
        mass = (weights * truth).sum(-1)[counted]
        return 1 - mass.mean().item()
    if mistake == "any":
        return 1 - (links & truth).any(-1)[counted].float().mean().item()
    if mistake == "sentences":
        total = links.sum((1, 2)) + truth.sum((1, 2))
        rates = 1 - 2 * hits.sum((1, 2)) / total.clamp(min=1)
        return rates[total > 0].mean().item()
    if mistake == "rows":
        total = (links.sum(-1) + truth.sum(-1))[counted]
        rates = 1 - 2 * hits.sum(-1)[counted] / total.clamp(min=1)
        return rates.mean().item()
    A, B = links.sum().item(), truth.sum().item()
    hits = hits.sum().item()
    if mistake == "no brackets":
        return 1 - 2 * hits / A + B
    if mistake == "brackets around all":
        return (1 - 2 * hits) / (A + B)
    if mistake == "recall":
        return 1 - hits / B
    if mistake == "agreement":
        return 2 * hits / (A + B)
    if mistake == "once":
        return 1 - hits / (A + B)
    if mistake == "union":
        return 1 - hits / (A + B - hits)
    if mistake == "per cent":
        return 100 * (1 - 2 * hits / (A + B))
    if mistake == "errors":
        return A + B - 2 * hits
    return 1 - 2 * hits / (A + B)


def _error_rate_by_loops(weights, alignment, target_mask):
    links = truths = hits = 0
    for b in range(len(weights)):
        for t in range(weights.shape[1]):
            truth = {s for s, yes in enumerate(alignment[b, t]) if yes}
            if not target_mask[b, t] or not truth:
                continue
            row = weights[b, t].tolist()
            links += 1
            truths += len(truth)
            hits += row.index(max(row)) in truth
    return 1 - 2 * hits / (links + truths) if links else 0.0


def _error_rate_by_gather(weights, alignment, target_mask):
    rows = (target_mask & alignment.any(-1)).flatten()  # (B T,)
    weights, alignment = weights.flatten(0, 1), alignment.flatten(0, 1)
    weights, alignment = weights[rows], alignment[rows]  # (rows, S)
    if len(weights) == 0:
        return torch.tensor(0.0)
    best = weights.max(-1).indices[:, None]  # (rows, 1)
    hits = alignment.gather(-1, best).sum()
    return 1 - 2 * hits / (len(weights) + alignment.sum())


def _alignment_case(name, lengths, T, S, seed):
    """Rows past a sentence's length are padding and hold anything."""
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    alignment = torch.rand(B, T, S, generator=generator) < 0.35
    for b, length in enumerate(lengths):
        if length:
            alignment[b, length - 1] = False  # the row of EOS
            alignment[b, 0, (b + 1) % S] = True
    scores = normal(generator, B, T, S) + 1.2 * alignment
    return Case(name, (scores.softmax(-1), alignment, token_mask(lengths, T)))


def _padding_in_front(name, lengths, T, S, seed):
    case = _alignment_case(name, lengths, T, S, seed)
    return Case(name, tuple(x.flip(1) for x in case.arguments))


def _full_case(name, B, T, S, seed):
    """Every row is real and has a true link."""
    generator = torch.Generator().manual_seed(seed)
    alignment = torch.rand(B, T, S, generator=generator) < 0.3
    place = torch.randint(S, (B, T, 1), generator=generator)
    alignment = alignment.scatter(-1, place, True)
    scores = normal(generator, B, T, S) + 0.8 * alignment
    return Case(name, (scores.softmax(-1), alignment, token_mask([T] * B, T)))


def _near_ties(name, B, T, S, seed):
    """Weights that differ by a thousandth, and no two alike."""
    generator = torch.Generator().manual_seed(seed)
    alignment = torch.rand(B, T, S, generator=generator) < 0.4
    alignment[:, 0, S - 1] = True
    order = torch.rand(B, T, S, generator=generator).argsort(-1)
    weights = (1 + 0.004 * order).log().softmax(-1)
    return Case(name, (weights, alignment, token_mask([T] * B, T)))


def _ties():
    weights = torch.tensor(
        [
            [[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]],
            [[0.25, 0.5, 0.25], [0.4, 0.2, 0.4]],
        ]
    )
    alignment = torch.tensor(
        [[[1, 0, 0], [0, 1, 0]], [[0, 1, 1], [1, 0, 0]]], dtype=torch.bool
    )
    real = torch.ones(2, 2, dtype=torch.bool)
    return Case("weights that tie", (weights, alignment, real))


EXERCISE = Exercise(
    "01-alignment-error-rate",
    "Measure the alignment error rate",
    points=4,
    reference=_alignment_error_rate,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor(
                    [[[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]]
                ),
                torch.tensor(
                    [[[1, 0, 0], [0, 1, 1], [0, 0, 0]]], dtype=torch.bool
                ),
                torch.ones(1, 3, dtype=torch.bool),
            ),
        ),
        _full_case("every row counts", 2, 3, 5, seed=16),
        _full_case("one sentence, every row counts", 1, 4, 3, seed=17),
        _alignment_case("two sentences", [4, 3], 4, 6, seed=11),
        _alignment_case("padded targets", [6, 2, 4], 6, 5, seed=12),
        _ties(),
        Case(
            "a row whose weights are all 0",
            (
                torch.tensor([[[0.0, 0.0, 0.0], [0.2, 0.5, 0.3]]]),
                torch.tensor([[[1, 0, 0], [0, 1, 1]]], dtype=torch.bool),
                torch.ones(1, 2, dtype=torch.bool),
            ),
        ),
        _near_ties("weights that differ by a thousandth", 2, 3, 4, seed=18),
        _alignment_case("as many rows as tokens", [3, 5], 5, 5, seed=14),
        _alignment_case("one token", [2, 3], 3, 1, seed=15),
        _padding_in_front("padding in front", [3, 4], 5, 4, seed=19),
        _full_case("one row per sentence", 3, 1, 4, seed=20),
        Case(
            "a sentence in which no row counts",
            (
                torch.tensor(
                    [[[0.6, 0.3, 0.1], [0.2, 0.1, 0.7]], [[1 / 3] * 3] * 2]
                ),
                torch.tensor(
                    [[[1, 1, 0], [1, 0, 0]], [[0] * 3] * 2], dtype=torch.bool
                ),
                token_mask([2, 0], 2),
            ),
        ),
        Case(
            "no link is true",
            (
                torch.tensor([[[0.6, 0.3, 0.1], [0.2, 0.1, 0.7]]]),
                torch.tensor([[[0, 1, 0], [1, 1, 0]]], dtype=torch.bool),
                torch.ones(1, 2, dtype=torch.bool),
            ),
        ),
        Case(
            "truth in padding alone",
            (
                torch.full((1, 2, 3), 1 / 3),
                torch.tensor([[[0, 0, 0], [0, 1, 0]]], dtype=torch.bool),
                torch.tensor([[True, False]]),
            ),
        ),
        Case(
            "no row counts",
            (
                torch.full((2, 1, 3), 1 / 3),
                torch.zeros(2, 1, 3, dtype=torch.bool),
                torch.ones(2, 1, dtype=torch.bool),
            ),
        ),
    ],
    mistakes=named(_mistaken, error_rate_mistakes.ROWS),
    right_answers=[_error_rate_by_loops, _error_rate_by_gather],
    tolerance=1e-6,
    parts=[
        Part(
            "links",
            "links and true links, if every row counts",
            2,
            tries=("every row counts", "one sentence, every row counts"),
            fresh=anew(_full_case, B=(1, 3), T=(2, 6), S=(2, 6)),
        ),
        Part(
            "rows",
            "rows that do not count: padding, rows of no token",
            1,
            tries=(
                "the worked example",
                "two sentences",
                "padded targets",
                "as many rows as tokens",
                "padding in front",
            ),
            fresh=anew(
                _alignment_case,
                T=(2, 6),
                lengths=lambda random, drawn: lengths(
                    random, drawn["T"], least=2
                ),
                S=(2, 6),
            ),
        ),
        Part(
            "edges",
            "ties, one token, and a batch in which no row counts",
            1,
            tries=(
                "weights that tie",
                "a row whose weights are all 0",
                "weights that differ by a thousandth",
                "one token",
                "one row per sentence",
                "no link is true",
                "a sentence in which no row counts",
                "no row counts",
                "truth in padding alone",
            ),
            fresh=anew(_near_ties, B=(1, 3), T=(2, 5), S=(2, 6)),
        ),
    ],
)
