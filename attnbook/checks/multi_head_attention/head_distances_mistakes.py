"""How far apart heads look, and known mistakes of who measures it."""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F

from attnbook.judging.exercise import Mistake
from attnbook.judging.named_mistakes import named

# What is added against a logarithm of 0.
_SMALL = ("1e-12", "1e-10", "1e-9", "1e-8", "1e-6")


def _entropy(weights):
    """The entropy of each row, in nats; 0 log 0 is 0."""
    return torch.special.entr(weights).sum(-1)


def _divergence(p, q):
    """Kullback and Leibler's divergence of each row of p from q."""
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)


def head_distances(weights, query_mask):
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
    kind, _, small = mistake.partition(" + ")
    if kind in ("kl", "both kl", "both kl, whole"):
        p, q = p + float(small or 0), q + float(small or 0)
        each = _divergence(p, q)
        if kind != "kl":
            each = each + _divergence(q, p)
        return each / 2 if kind == "both kl" else each
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
    if mistake == "half of one":
        return _divergence(p, middle) / 2 + _divergence(q, middle)
    if mistake == "entropies whole":
        return _entropy(middle) - _entropy(p) - _entropy(q)
    if mistake == "entropy of the sum":
        return _entropy(p + q) - (_entropy(p) + _entropy(q)) / 2
    if mistake == "entropy of the middle":
        return _entropy(middle)
    if mistake == "cross":
        return -torch.xlogy(p, q).sum(-1)
    if mistake == "squares":
        return ((p - q) ** 2).sum(-1)
    if mistake == "absolute":
        return (p - q).abs().sum(-1)
    if mistake == "both above 0":
        terms = torch.xlogy(p, p / middle) + torch.xlogy(q, q / middle)
        return torch.where((p > 0) & (q > 0), terms, 0.0).sum(-1) / 2
    if mistake == "NaN to 0":
        terms = p * (p / middle).log() + q * (q / middle).log()
        return terms.sum(-1).nan_to_num(0.0) / 2
    if mistake == "a thousandth":
        p, q = p + 1e-3, q + 1e-3
        middle = (p + q) / 2
    if mistake == "sum in the middle":
        return (_divergence(p, p + q) + _divergence(q, p + q)) / 2
    each = _entropy(middle) - (_entropy(p) + _entropy(q)) / 2
    if mistake == "root":
        return each.clamp(min=0).sqrt()
    if mistake == "likeness":
        return 1 - each / math.log(2)
    if mistake == "log 10":
        return each / math.log(10)
    return each / math.log(2) if mistake == "bits" else each


def _distances_of_all(weights):
    """The distance of each pair of heads in all rows, (B, H, H, T)."""
    p, q = weights[:, :, None], weights[:, None]  # (B, H, 1, T, S), ...
    return _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2


def _mistaken(weights, query_mask, mistake, least=0.0):
    """The same with a mistake."""
    H, S = weights.shape[1], weights.shape[-1]
    if mistake == "reshaped":
        weights = weights.reshape(H, -1, *weights.shape[2:]).transpose(0, 1)
    if mistake == "rows from the front":
        rows = torch.arange(weights.shape[2])
        query_mask = rows < query_mask.sum(-1, keepdim=True)
    if mistake == "rows above 0":
        query_mask = query_mask & (weights.sum(-1) > 0).all(1)
    if mistake == "times the mask, NaN to 0":
        weights = weights.nan_to_num()
    if mistake == "first sentence":
        weights, query_mask = weights[:1], query_mask[:1]
    if mistake == "mask picks heads":
        rows = weights[query_mask]
    if mistake == "padding":
        query_mask = torch.ones_like(query_mask)
    if mistake == "mask upside down":
        query_mask = ~query_mask
    rows = weights.transpose(0, 1)[:, query_mask]  # (H, rows, S)
    if mistake != "nothing over nothing" and not rows.shape[1]:
        return torch.zeros(H, H)
    if mistake in ("times the mask", "times the mask, NaN to 0"):
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
    if mistake == "by heads":
        each = each / H
    if mistake == "sum":
        return each.sum(-1)
    if mistake == "root of the mean":
        return each.mean(-1).clamp(min=0).sqrt()
    if mistake == "padding in the sum":
        return _distances_of_all(weights).sum((0, 3)) / query_mask.sum()
    if mistake == "by T":
        return each.sum(-1) / query_mask.shape[1]
    if mistake == "by B":
        return each.sum(-1) / len(query_mask)
    if mistake == "above the diagonal":
        return each.mean(-1).triu()
    if mistake == "one number":
        return each.mean()
    if mistake == "each sentence":
        return torch.stack(
            [
                head_distances(weights[b : b + 1], query_mask[b : b + 1])
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


_MISTAKES = [
    (
        "padding",
        "padding is counted",
        "Rows of padding are counted as if they were real.",
        "query_mask is True for the rows that count.",
    ),
    (
        "padding in the sum",
        "padding in the sum",
        "You divide by the number of rows that count, but your sum contains "
        "the other rows too.",
        "Pick the rows that count before the sum.",
    ),
    (
        "all rows below",
        "divided by all rows",
        "The sum contains only the rows that count, but you divided it by B "
        "· T.",
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
        "The rows are added up. Take their mean, so that a longer text does "
        "not give a larger distance.",
        "Divide by the number of rows that count.",
    ),
    (
        "mask upside down",
        "the mask upside down",
        "You keep the rows that do not count.",
        "query_mask is True for the rows that count.",
    ),
    (
        "by T",
        "divided by the length of one sentence",
        "The sum over the batch is divided by T. A larger batch would give "
        "larger distances.",
        "How many True are there in query_mask?",
    ),
    (
        "by B",
        "divided by the number of sentences",
        "The sum over all rows is divided by B. A longer text would give "
        "larger distances.",
        "How many True are there in query_mask?",
    ),
    (
        "over keys",
        "a mean over the keys",
        "The terms of one row are averaged. The formula sums them over the "
        "keys.",
        "sum over S, mean over the rows.",
    ),
    (
        "times the mask",
        "rows that do not count, times 0",
        "Rows that do not count are multiplied by 0. They may hold anything: "
        "0 times NaN is NaN, and so is 0 times an infinite number.",
        "Pick the rows that count, or set the others with torch.where.",
        "times the mask, NaN to 0",
    ),
    (
        "rows from the front",
        "the first rows of a sentence",
        "You add up query_mask for each sentence, and keep that many rows "
        "from the front. But padding may be in front.",
        "query_mask says *which* rows count.",
    ),
    (
        "rows above 0",
        "rows of zeros left out",
        "Rows in which all weights are 0 are left out of the mean. All heads "
        "agree there, so the distance is 0, but the row counts.",
        "query_mask alone says which rows count.",
    ),
    (
        "reshaped",
        "heads moved by a reshape",
        "You reshaped the weights (B, H, T, S) to put H in front. A reshape "
        "moves no axis, so heads and sentences are mixed up.",
        "weights.transpose(0, 1), then flatten B and T.",
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
        "This is KL(p ‖ q). It is not symmetric, and it is infinite if q has "
        "a weight of 0 where p has not.",
        "Compare both with the middle, m = (p + q)/2.",
        *(f"kl + {small}" for small in _SMALL),
    ),
    (
        "both kl",
        "both divergences, without the middle",
        "You took KL(p ‖ q) and KL(q ‖ p). Their sum is symmetric, but still "
        "infinite if one of the weights is 0.",
        "Compare both with the middle, m = (p + q)/2.",
        "both kl, whole",
        *(f"both kl + {small}" for small in _SMALL),
        *(f"both kl, whole + {small}" for small in _SMALL),
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
        "You added both divergences without the factor ½. Two heads that "
        "share no token then get 1.386 instead of log 2 = 0.693.",
        "½ before each of the two terms.",
    ),
    (
        "half of one",
        "one of the two halves left out",
        "One of the two divergences is halved and the other is not.",
        "½ before each of the two terms, or brackets around both.",
    ),
    (
        "entropies whole",
        "entropies that are not halved",
        "You subtract both entropies from the entropy of the middle. "
        "Subtract their mean.",
        "Entropy of m, minus *half* of the sum of the two entropies.",
    ),
    (
        "entropy of the sum",
        "the entropy of the sum",
        "You took the entropy of p + q, which sums to 2.",
        "m = (p + q)/2.",
    ),
    (
        "entropy of the middle",
        "the entropy of the middle alone",
        "Two heads that are equal then get their entropy, not 0.",
        "Subtract the mean of the two entropies.",
    ),
    (
        "cross",
        "the cross-entropy",
        "This is -Σ p log q: not symmetric, and infinite where q is 0.",
        "Compare both with the middle, m = (p + q)/2.",
    ),
    (
        "squares",
        "the sum of squares",
        "You summed the squared differences. That is a different measure.",
        "The formula has logarithms.",
    ),
    (
        "absolute",
        "the sum of differences",
        "You summed the absolute differences. That is a different measure.",
        "The formula has logarithms.",
    ),
    (
        "both above 0",
        "keys that only one head looks at are left out",
        "You count only the keys where both weights are above 0. If one is "
        "0, the term of the other still counts: p log (p/m).",
        "Set a term to 0 where *its* weight is 0.",
    ),
    (
        "NaN to 0",
        "rows with a 0 are thrown away",
        "One term of 0 · log 0 makes the sum of its row NaN, and the whole "
        "row is set to 0.",
        "Set the *term* to 0, before the sum.",
    ),
    (
        "a thousandth",
        "a number that is not small",
        "Something like 0.001 is added to the weights before the logarithm, "
        "which changes the distances.",
        "torch.xlogy(p, p), or torch.special.entr: nothing to add.",
    ),
    (
        "likeness",
        "how alike, not how far",
        "You return 1 minus the distance divided by log 2. Equal heads "
        "should have the distance 0.",
        "The formula: no 1 less.",
    ),
    (
        "log 10",
        "a logarithm to the base 10",
        "Here a distance is in nats: two heads that share nothing get "
        "log 2 = 0.693, not 0.301.",
        "torch.log, not torch.log10.",
    ),
    (
        "first sentence",
        "the first sentence alone",
        "Only the first sentence of the batch is measured.",
        "The mean runs over the rows of the whole batch.",
    ),
    (
        "mask picks heads",
        "the mask picks heads",
        "query_mask (B, T) is used as an index into (B, H, …), so it selects "
        "sentences and *heads*.",
        "Bring the heads to the front: weights.transpose(0, 1).",
    ),
    (
        "by heads",
        "divided by the heads, too",
        "The rows are counted once for each head.",
        "query_mask.sum() counts each row once.",
    ),
    (
        "sum in the middle",
        "the middle is a sum",
        "Your m is p + q, which sums to 2. So all distances are too low by "
        "log 2.",
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
        "root of the mean",
    ),
    (
        "upside down",
        "the sign",
        "A distance is not negative. The entropy of the middle is "
        "the larger one.",
        "Entropy of the middle, minus the mean of the two entropies.",
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
        "This is the total variation distance. That is a different measure.",
        "The formula has logarithms.",
    ),
    (
        "cosine",
        "one less the cosine",
        "You compared the rows by their cosine. That is a different measure.",
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
        "If no row counts, you divide by 0. The distances should then be 0.",
        "If no row counts, how many rows does your code divide by?",
    ),
    (
        "0/0",
        "0/0 in the logarithm",
        "Where both heads have the weight 0, p/m is 0/0. The term "
        "should be 0.",
        "Take the logarithms apart, or use the entropies of hint 3.",
    ),
]


MISTAKES = [
    *named(_mistaken, _MISTAKES),
    Mistake(
        "divergences the wrong way round",
        "You compare the middle with each head, KL(m ‖ p). Compare each head "
        "with the middle, KL(p ‖ m).",
        partial(_mistaken, mistake="backwards"),
        "F.kl_div(x, y) is KL(y ‖ eˣ): the logarithm goes first and "
        "belongs to m.",
        also=[
            partial(_mistaken, mistake="backwards", least=least)
            for least in map(float, _SMALL)
        ],
    ),
]
