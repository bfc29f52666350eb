"""Exercise 04.3: Measure how far apart the heads look."""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F

from attnbook.judging.exercise import Case, Exercise, Mistake, Part, Property
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal, token_mask
from attnbook.mechanisms.masked_softmax import masked_softmax


def _entropy(weights):
    """The entropy of each row, in nats; 0 log 0 is 0."""
    return torch.special.entr(weights).sum(-1)


def _divergence(p, q):
    """Kullback and Leibler's divergence of each row of p from q."""
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)


def _head_distances(weights, query_mask):
    H = weights.shape[1]
    rows = weights.transpose(0, 1)[:, query_mask]  # (H, rows, S)
    if not rows.shape[1]:
        return torch.zeros(H, H)
    p, q = rows[:, None], rows[None]  # (H, 1, rows, S), (1, H, rows, S)
    each = _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2
    return each.mean(-1)  # (H, H)


def _mistaken_each(p, q, mistake, least):
    """The distance of each row from each, (H, H, rows)."""
    middle = (p + q) / 2  # (H, H, rows, S)
    if mistake == "0/0":
        each = torch.xlogy(p, p / middle) + torch.xlogy(q, q / middle)
        return each.sum(-1) / 2
    if mistake == "backwards":
        each = _divergence(middle, p.clamp(min=least))
        return (each + _divergence(middle, q.clamp(min=least))) / 2
    if mistake == "kl":
        return _divergence(p, q)
    if mistake == "both kl":
        return (_divergence(p, q) + _divergence(q, p)) / 2
    if mistake == "one side":
        return _divergence(p, middle)
    if mistake == "no half":
        return _divergence(p, middle) + _divergence(q, middle)
    if mistake == "entropies":
        return (_entropy(p) - _entropy(q)).abs()
    if mistake == "variation":
        return (p - q).abs().sum(-1) / 2
    if mistake == "cosine":
        return 1 - F.cosine_similarity(p, q, dim=-1)
    if mistake == "upside down":
        return (_entropy(p) + _entropy(q)) / 2 - _entropy(middle)
    if mistake == "sum in the middle":
        return (_divergence(p, p + q) + _divergence(q, p + q)) / 2
    each = _entropy(middle) - (_entropy(p) + _entropy(q)) / 2
    if mistake == "root":
        return each.clamp(min=0).sqrt()
    return each / math.log(2) if mistake == "bits" else each


def _distances_of_all(weights):
    """The distance of each pair of heads in all rows, (B, H, H, T)."""
    p, q = weights[:, :, None], weights[:, None]  # (B, H, 1, T, S), ...
    return _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2


def _mistaken(weights, query_mask, mistake, least=0.0):
    """The same with a mistake."""
    H, S = weights.shape[1], weights.shape[-1]
    if mistake == "padding":
        query_mask = torch.ones_like(query_mask)
    rows = weights.transpose(0, 1)[:, query_mask]  # (H, rows, S)
    if mistake != "nothing over nothing" and not rows.shape[1]:
        return torch.zeros(H, H)
    if mistake == "times the mask":
        each = _distances_of_all(weights) * query_mask[:, None, None]
        return each.sum((0, 3)) / query_mask.sum().clamp(min=1)
    if mistake == "of the averages":
        rows = rows.mean(1, keepdim=True)
    p, q = rows[:, None], rows[None]  # (H, 1, rows, S), (1, H, rows, S)
    if mistake == "nan":
        middle = (p + q) / 2  # (H, H, rows, S)
        entropy = -(rows * rows.log()).sum(-1)
        between = -(middle * middle.log()).sum(-1)
        each = between - (entropy[:, None] + entropy[None]) / 2
    else:
        each = _mistaken_each(p, q, mistake, least)
    if mistake == "over keys":
        each = each / S
    if mistake == "sum":
        return each.sum(-1)
    if mistake == "above the diagonal":
        return each.mean(-1).triu()
    if mistake == "one number":
        return each.mean()
    if mistake == "each sentence":
        return torch.stack(
            [
                _head_distances(weights[b : b + 1], query_mask[b : b + 1])
                for b in range(len(weights))
            ]
        )
    if mistake == "all rows below":
        return each.sum(-1) / query_mask.numel()
    if mistake == "sentences":
        sizes = query_mask.sum(-1).tolist()
        parts = [part for part in each.split(sizes, -1) if part.shape[-1]]
        return torch.stack([part.mean(-1) for part in parts]).mean(0)
    return each.mean(-1)


def _distances_by_loops(weights, query_mask):
    B, H, T, _ = weights.shape
    result = torch.zeros(H, H)
    count = int(query_mask.sum())
    for i in range(H):
        for j in range(H):
            for b in range(B):
                for t in range(T):
                    if not query_mask[b, t]:
                        continue
                    p, q = weights[b, i, t].tolist(), weights[b, j, t].tolist()
                    for one, other in zip(p, q, strict=True):
                        for x in (one, other):
                            if x:
                                part = x * math.log(2 * x / (one + other))
                                result[i, j] += part / 2 / count
    return result


def _distances_by_kl_div(weights, query_mask):
    rows = weights.double().transpose(0, 1)[:, query_mask]  # (H, rows, S)
    count = max(1, rows.shape[1])
    rows = rows.clamp(min=1e-12)
    distances = []
    for p in rows:
        middle = ((p + rows) / 2).log()  # (H, rows, S)
        both = [
            F.kl_div(middle, target, reduction="none").sum((1, 2))
            for target in (p.expand_as(rows), rows)
        ]
        distances.append(sum(both) / 2 / count)
    return torch.stack(distances)


def _distances_with_a_small_number(weights, query_mask):
    """A small number in the logarithm changes nothing that is measured."""
    real = query_mask[:, None, None, :, None]
    p, q = weights[:, :, None], weights[:, None]  # (B, H, 1, T, S), ...
    m = (p + q) / 2
    terms = p * torch.log((p + 1e-9) / (m + 1e-9))
    terms = terms + q * torch.log((q + 1e-9) / (m + 1e-9))
    total = torch.where(real, terms, 0).sum((0, 3, 4)) / 2
    return total / query_mask.sum().clamp(min=1)


def _maps_case(name, lengths, H, T, S, seed, tokens=None, padding=0.0):
    """Rows past a sentence's length are padding and hold anything.

    Here weights as in others, plus ``padding``.
    """
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    scores = normal(generator, B, H, T, S, scale=1.2)
    mask = token_mask(tokens or [S] * B, S)
    weights = masked_softmax(scores, mask[:, None, None])
    real = token_mask(lengths, T)
    weights = weights + torch.where(real, 0.0, padding)[:, None, :, None]
    return Case(name, (weights, real))


def _distances_follow_the_heads(answer):
    weights, real = _maps_case("", [4, 3], 4, 4, 6, 29).arguments
    order = torch.tensor([2, 0, 3, 1])
    before, after = answer(weights, real), answer(weights[:, order], real)
    return torch.allclose(after, before[order][:, order], atol=1e-5)


def _places_of_the_keys_do_not_count(answer):
    weights, real = _maps_case("", [4, 3], 3, 4, 6, 30).arguments
    before, after = answer(weights, real), answer(weights.flip(-1), real)
    return torch.allclose(after, before, atol=1e-5)


_MISTAKES = [
    (
        "padding",
        "padding is counted",
        "Rows of padding are counted as if they were real.",
        "query_mask is True for the rows that count.",
    ),
    (
        "all rows below",
        "divided by all rows",
        "The sum holds the real rows alone, and you divided it by B · T.",
        "Divide by the number of rows that count.",
    ),
    (
        "sentences",
        "a mean of means",
        "You took a mean for each sentence, then the mean of those. "
        "A short sentence then counts as much as a long one.",
        "Sum over all rows of the batch, then divide once.",
    ),
    (
        "sum",
        "a sum over the rows",
        "The rows are added up. Asked is their mean, so that a "
        "longer text gives no larger distance.",
        "Divide by the number of rows that count.",
    ),
    (
        "over keys",
        "a mean over the keys",
        "The terms of one row are averaged. They belong summed over "
        "the keys, as in the formula.",
        "sum over S, mean over the rows.",
    ),
    (
        "times the mask",
        "rows that do not count, times 0",
        "Rows that do not count are multiplied by 0. They may hold NaN, and "
        "0 times NaN is NaN.",
        "Pick the rows that count, or set the others with torch.where.",
    ),
    (
        "above the diagonal",
        "only one half of the table",
        "Each pair is filled in once. The table is symmetric: [j, i] is "
        "[i, j].",
        "The loop over pairs, or a .triu().",
    ),
    (
        "one number",
        "one distance for all pairs",
        "All pairs are averaged together. Each pair has a distance.",
        "The mean over the rows alone: (H, H) remains.",
    ),
    (
        "each sentence",
        "a table for each sentence",
        "You return (B, H, H). One mean runs over the whole batch.",
        "Sum over B and T, then divide once.",
    ),
    (
        "nan",
        "0 · log 0",
        "A weight of exactly 0 has the logarithm -inf, and 0 · "
        "(-inf) is NaN. Its term should be 0.",
        "torch.xlogy(p, p), or torch.special.entr.",
    ),
    (
        "kl",
        "the divergence of one head from the other",
        "This is KL(p ‖ q): not symmetric, and infinite where one "
        "head has a weight of 0 and the other has not.",
        "Compare both with the middle, m = (p + q)/2.",
    ),
    (
        "both kl",
        "both divergences, without the middle",
        "You averaged KL(p ‖ q) and KL(q ‖ p). That is symmetric, but "
        "still infinite where one of them is 0.",
        "Compare both with the middle, m = (p + q)/2.",
    ),
    (
        "one side",
        "one half of the pair",
        "Only p is compared with the middle. The result is not symmetric.",
        "KL(p ‖ m) and KL(q ‖ m), half of each.",
    ),
    (
        "no half",
        "the halves are left out",
        "You added both divergences whole. Two heads that share "
        "nothing then get 1.386 in place of log 2 = 0.693.",
        "½ before each of the two terms.",
    ),
    (
        "sum in the middle",
        "the middle is a sum",
        "m is p + q, which sums to 2. All distances come out log 2 too low.",
        "m = (p + q)/2.",
    ),
    (
        "bits",
        "bits in place of nats",
        "This is the distance in bits. Here it is in nats: two heads "
        "that share nothing get log 2 = 0.693, not 1.",
        "torch.log, not torch.log2.",
    ),
    (
        "root",
        "the square root",
        "This is the root of the divergence, as SciPy's "
        "`jensenshannon` returns it.",
        "The divergence itself: no root.",
    ),
    (
        "upside down",
        "the sign",
        "A distance is not negative. The entropy of the middle is "
        "the larger one.",
        "Entropy of the middle less the mean of the two entropies.",
    ),
    (
        "entropies",
        "how sharp, not where",
        "You compared entropies: two heads that are equally sharp and "
        "look at different tokens get 0.",
        "The entropy of the *middle* is missing.",
    ),
    (
        "variation",
        "half the sum of differences",
        "This is the total variation distance. It is a fair measure, "
        "and another one.",
        "The formula has logarithms.",
    ),
    (
        "cosine",
        "one less the cosine",
        "You compared the rows by their cosine. It is a fair measure, "
        "and another one.",
        "The formula has logarithms.",
    ),
    (
        "of the averages",
        "averaged before compared",
        "You averaged the maps over the rows and compared the "
        "averages. Heads that differ in each row may agree on "
        "average.",
        "Compare row by row, then take the mean.",
    ),
    (
        "nothing over nothing",
        "0 rows",
        "Where no row counts you divide by 0. The distances are 0 then.",
        "The case “no row counts”: how many rows has it?",
    ),
    (
        "0/0",
        "0/0 in the logarithm",
        "Where both heads have the weight 0, p/m is 0/0. The term "
        "should be 0.",
        "Take the logarithms apart, or use the entropies of hint 3.",
    ),
]


def _whole_sentences(random, drawn):
    return [drawn["T"]] * int(random.integers(2, 4))


EXERCISE = Exercise(
    "04-head-distances",
    "Measure how far apart the heads look",
    points=4,
    reference=_head_distances,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor(
                    [[[[1.0, 0.0]], [[0.0, 1.0]], [[0.5, 0.5]]]]
                ),  # (1, 3, 1, 2)
                torch.ones(1, 1, dtype=torch.bool),
            ),
        ),
        _maps_case("two heads", [3, 3], 2, 3, 5, seed=21),
        _maps_case("three heads", [4, 4], 3, 4, 3, seed=27),
        _maps_case("padded targets", [5, 2, 3], 3, 5, 4, seed=22),
        _maps_case("padded tokens", [4, 3], 2, 4, 6, 23, [6, 4]),
        _maps_case("all sizes alike", [3, 2, 1], 3, 3, 3, seed=24),
        _maps_case("a sentence without rows", [0, 4], 2, 4, 3, seed=25),
        _maps_case("no row counts", [0, 0], 2, 2, 3, seed=26),
        _maps_case(
            "NaN in the rows of padding", [3, 2], 2, 4, 3, 28, None, torch.nan
        ),
    ],
    mistakes=[
        *named(_mistaken, _MISTAKES),
        Mistake(
            "divergences the wrong way round",
            "You compare the middle with each head, KL(m ‖ p). Asked is each "
            "head against the middle, KL(p ‖ m).",
            partial(_mistaken, mistake="backwards"),
            "F.kl_div(x, y) is KL(y ‖ eˣ): the logarithm goes first and "
            "belongs to m.",
            also=[
                partial(_mistaken, mistake="backwards", least=least)
                for least in (1e-12, 1e-10, 1e-09, 1e-08, 1e-06)
            ],
        ),
    ],
    right_answers=[
        _distances_by_loops,
        _distances_by_kl_div,
        _distances_with_a_small_number,
    ],
    properties=[
        Property(
            "Heads in another order give the same distances, in that order.",
            _distances_follow_the_heads,
        ),
        Property(
            "Keys in reverse order give the same distances.",
            _places_of_the_keys_do_not_count,
        ),
    ],
    tolerance=1e-5,
    axes={"output": "H H"},
    parts=[
        Part(
            "values",
            "the distances where every row counts and no weight is 0",
            2,
            tries=(
                "two heads",
                "three heads",
                "Heads in another order give the same distances, in that "
                "order.",
                "Keys in reverse order give the same distances.",
            ),
            fresh=anew(
                _maps_case,
                T=(1, 5),
                lengths=_whole_sentences,
                S=(2, 6),
                H=(2, 4),
            ),
        ),
        Part(
            "zeros",
            "weights of exactly 0",
            1,
            tries=("the worked example", "padded tokens"),
            fresh=anew(
                _maps_case,
                T=(1, 5),
                lengths=_whole_sentences,
                S=(2, 6),
                H=(2, 4),
                tokens=lambda random, drawn: random.integers(
                    1, drawn["S"], len(drawn["lengths"])
                ).tolist(),
            ),
        ),
        Part(
            "rows",
            "rows that do not count",
            1,
            tries=(
                "padded targets",
                "all sizes alike",
                "a sentence without rows",
                "no row counts",
                "NaN in the rows of padding",
            ),
            fresh=anew(
                _maps_case,
                T=(2, 5),
                lengths="T",
                S=(2, 6),
                H=(2, 4),
                padding=[0.0, torch.nan],
            ),
        ),
    ],
)
