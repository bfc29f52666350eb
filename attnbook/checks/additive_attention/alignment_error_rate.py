"""Cases, references and known mistakes of the exercises of chapter 01.

Each exercise has a reference, cases to compare it on, mistakes that students
make, written as code and named, and right answers written in other ways.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import combinations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from attnbook.judging.exercise import (
    Case,
    Exercise,
    Mistake,
    Property,
)
from attnbook.judging.exercise import points_so_far as _points_so_far
from attnbook.judging.fresh_cases import anew, lengths
from attnbook.judging.planted_bugs import bugs_left
from attnbook.judging.predictions import Predictions
from attnbook.judging.tensors import normal, token_mask
from attnbook.judging.watching import kept_for_backward, largest_tensor
from attnbook.mechanisms.additive import masked_softmax

__all__ = [
    "EXERCISES",
    "check_alignment_error_rate",
    "check_chunked_attention",
    "check_concat_attention",
    "check_coverage_attention",
    "check_predict",
    "points_so_far",
]


# ------------------------------------------------- 1. Predict, pen in hand

_PREDICTIONS = Predictions(
    {
        "a": 4 * 10 * 20 * 10,
        "b": (10 * 4000 + 3500) / (4000 + 3500),
        "c": math.exp(2.5) / (math.exp(2.5) + 4),
        "d": 1 / 5,
        "e": 3.75,
        "f": 3.0,
    }
)


def _predict_by_running(question):
    """Right, by running what is asked instead of thinking."""
    if question == "a":
        query, key = torch.zeros(4, 10, 1, 10), torch.zeros(4, 1, 20, 10)
        return torch.tanh(query + key).numel()
    if question == "b":
        B, T, S, d_q, d_k, d_a, d_v = 4, 10, 20, 5, 20, 10, 5
        keys = B * S * d_k * d_a
        rest = B * T * (d_q * d_a + S * d_a + S * d_v)
        return (T * keys + rest) / (keys + rest)
    v = torch.tensor([0.5, -0.5, 0.25])
    if question == "c":
        scores = torch.stack([v.sign(), *[-v.sign()] * 4]) @ v  # (S,)
        return scores.softmax(0)[0].item()
    if question == "d":
        key = normal(torch.Generator().manual_seed(0), 5, 3)
        shout = 1e6 * torch.tensor([1.0, -2.0, 0.5])
        return (torch.tanh(shout + key) @ v).softmax(0)[0].item()
    weights = torch.tensor([0.5, 0.25, 0.25])
    value = torch.tensor([6.0, 0.0, 3.0])
    if question == "e":
        return (weights.flip(0) @ value.flip(0)).item()
    return (weights.flip(0) @ value).item()


_PREDICT = Exercise(
    "01-predict",
    "Predict sizes, costs and weights",
    points=3,
    reference=_PREDICTIONS.exactly,
    cases=_PREDICTIONS.cases(hints=(1, 1, 2, 3, 4, 4)),
    mistakes=[
        _PREDICTIONS.wrong(
            "a",
            4 * 10 * 10,
            "one hidden layer a query",
            "This counts one hidden layer for each query. There is one for "
            "each pair of query and key.",
            "The sum inside the tanh broadcasts (B, T, 1, d_a) against "
            "(B, 1, S, d_a).",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * 10 * 20,
            "scores counted, or keys",
            "This is the number of scores (and that of the projected keys' "
            "entries). Inside the tanh, each score still has d_a numbers.",
            "The dot product with v comes after the tanh.",
        ),
        _PREDICTIONS.wrong(
            "a",
            10 * 20 * 10,
            "the batch is left out",
            "This is right for one sentence. There are four in the batch.",
            "(B, T, S, d_a): four sizes.",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * 10 * 20 * 25,
            "pairs before the projection",
            "You counted d_q + d_k numbers for each pair: query and key laid "
            "end to end. Projected first, they are added in d_a.",
            "Which size has W_q q + W_k k?",
        ),
        _PREDICTIONS.wrong(
            "b",
            10.0,
            "the keys are all there is",
            "The projection of the keys costs ten times as much. The other "
            "terms do not change.",
            "Count all four terms, before and after.",
        ),
        _PREDICTIONS.wrong(
            "b",
            (40_000 + 2500) / 6500,
            "the blend is left out",
            "The weighted sum of the values is missing: T·S·d_v.",
            "Count four terms: keys, queries, scores, blend.",
        ),
        _PREDICTIONS.wrong(
            "b",
            (40_000 + 3000) / 7000,
            "the queries are left out",
            "The projection of the queries is missing: T·d_q·d_a.",
            "Count four terms: keys, queries, scores, blend.",
        ),
        _PREDICTIONS.wrong(
            "b",
            7500 / 43_500,
            "upside down",
            "You divided once by again. The question is how many times as "
            "many.",
            "The answer is above 1.",
        ),
        _PREDICTIONS.wrong(
            "c",
            1.0,
            "as sharp as you like",
            "The weight cannot come near 1. A tanh lies between -1 and 1, so "
            "a score is never more than the sum of the sizes in v.",
            "The largest score possible, and the smallest for the others.",
        ),
        _PREDICTIONS.wrong(
            "c",
            math.exp(1.25) / (math.exp(1.25) + 4),
            "the others at 0",
            "You let the other keys score 0. They can score as low as the "
            "best one scores high.",
            "The smallest score possible is not 0.",
        ),
        _PREDICTIONS.wrong(
            "c",
            math.exp(0.5) / (math.exp(0.5) + 4),
            "a plain sum of v",
            "You added v with its signs. Each tanh can take the sign of its "
            "entry of v, so the sizes count.",
            "Choose each of the three tanhs by itself, to make v·tanh large.",
        ),
        _PREDICTIONS.wrong(
            "d",
            1.0,
            "a long query sharpens",
            "That holds for a dot product. Here the tanh saturates: whatever "
            "the key adds to a million is lost.",
            "tanh(1,000,000 + 1) against tanh(1,000,000 - 1).",
        ),
        _PREDICTIONS.wrong(
            "d",
            0.0,
            "the weights vanish",
            "Weights sum to 1 whatever the scores are.",
            "What are the five scores, compared with each other?",
        ),
        _PREDICTIONS.wrong(
            "e",
            3.0,
            "weights that stay in place",
            "You moved the values and left the weights. A weight belongs to "
            "its key, and the key has moved along.",
            "Write out the three pairs of weight and value.",
        ),
        _PREDICTIONS.wrong(
            "f",
            3.75,
            "weights tied to the values",
            "The weights come from the keys. The keys have moved, and the "
            "values have not.",
            "Write out the three pairs of weight and value.",
        ),
    ],
    right_answers=[_predict_by_running, _PREDICTIONS.rounded],
    tolerance=5e-3,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
)


# ------------------------- 2. Repair attention over query and key, end to end

_CONCAT_BUGS = {
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
        "numbers. Sizes fit, because d_q + d_k = d_k + d_q.",
        "The first d_q columns of the matrix belong to the query.",
    ),
    "outer tanh": (
        "the tanh outside",
        "The tanh bends the finished score. It belongs on the hidden layer, "
        "before the product with v.",
        "v·tanh(W [q; k]): which bracket closes first?",
    ),
    "queries": (
        "a softmax over the queries",
        "For each key, the weights sum to 1 over the queries. Each query "
        "must spend 1 over the keys.",
        "Scores are (B, T, S), and the keys are the last axis: dim=-1.",
    ),
    "late mask": (
        "a mask after the softmax",
        "The mask cuts weights off after the softmax, so the share of the "
        "padding is lost and rows sum to less than 1.",
        "Scores of padding become -inf first: masked_softmax does it.",
    ),
}

# Of several bugs, the one whose symptom the first failing case shows is
# told: with one query, as in the worked example, rows cannot be mixed up.
_FIRST_TO_SHOW = ("queries", "late mask", "order", "outer tanh", "tiled")


def _concat_attention(query, key, value, mask, weight, v, bugs=()):
    B, T, _ = query.shape
    S = key.shape[1]
    if "tiled" in bugs:
        left = query.repeat(1, S, 1).view(B, T, S, -1)  # (B, T, S, d_q)
    else:
        left = query[:, :, None].expand(B, T, S, -1)  # (B, T, S, d_q)
    right = key[:, None].expand(B, T, S, -1)  # (B, T, S, d_k)
    pair = [right, left] if "order" in bugs else [left, right]
    hidden = torch.cat(pair, dim=-1) @ weight.T  # (B, T, S, d_a)
    if "outer tanh" in bugs:
        scores = torch.tanh(hidden @ v)  # (B, T, S)
    elif "no tanh" in bugs:
        scores = hidden @ v  # (B, T, S)
    else:
        scores = torch.tanh(hidden) @ v  # (B, T, S)
    if "scaled" in bugs:
        scores = scores / key.shape[-1] ** 0.5
    dim = 1 if "queries" in bugs else -1
    allowed = mask[:, None].expand_as(scores)  # (B, T, S)
    if "late mask" in bugs:
        weights = scores.softmax(dim) * allowed
    elif "inverted" in bugs:
        weights = masked_softmax(scores, ~allowed, dim)
    elif "unmasked" in bugs:
        weights = scores.softmax(dim)
    elif "zero score" in bugs:
        weights = scores.masked_fill(~allowed, 0).softmax(dim)
    elif "-1e9" in bugs:
        weights = scores.masked_fill(~allowed, -1e9).softmax(dim)
    elif "nan" in bugs:
        weights = scores.masked_fill(~allowed, -torch.inf).softmax(dim)
    else:
        weights = masked_softmax(scores, allowed, dim)
    return weights @ (key if "keys" in bugs else value), weights


def _concat_as_a_sum(query, key, value, mask, weight, v):
    """One matrix is two, side by side: nothing is ever laid end to end."""
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
                row[s] = torch.exp(v @ torch.tanh(weight @ pair))
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
    B = len(lengths)
    return Case(
        name,
        (
            normal(generator, B, T, d_q),
            normal(generator, B, S, d_k),
            normal(generator, B, S, d_v),
            token_mask(lengths, S),
            normal(generator, d_a, d_q + d_k, scale=0.7),
            normal(generator, d_a, scale=0.9),
        ),
    )


_CONCAT = Exercise(
    "01-concat-attention",
    "Repair attention over query and key laid end to end",
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
        _concat_case("all sizes alike", [3, 2, 3], 3, 3, 3, 3, 3, 3, seed=5),
        _concat_case("one key", [1, 1], 4, 1, 2, 3, 2, 2, seed=6),
    ],
    mistakes=[
        bugs_left(bugs, _CONCAT_BUGS, _concat_attention, _FIRST_TO_SHOW)
        for count in range(1, len(_CONCAT_BUGS) + 1)
        for bugs in combinations(_CONCAT_BUGS, count)
        if count == 1 or not {"queries", "late mask"} <= set(bugs)
    ]
    + [
        Mistake(name, sentence, partial(_concat_attention, bugs=(bug,)), look)
        for bug, name, sentence, look in [
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
                "The scores are divided by √d_k. That belongs to the dot "
                "product; additive scores are bounded by v.",
                "The line that makes the scores.",
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
                "zero score",
                "a score of 0 for padding",
                "A score of 0 is not a mask: exp(0) = 1, so padding still "
                "weighs.",
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
            ),
            (
                "keys",
                "keys summed in place of values",
                "The output blends the keys. They are matched with; the "
                "values are what is fetched.",
                "The last product.",
            ),
        ]
    ],
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
)


# -------------------------------------------- 3. The alignment error rate


def _counted_rows(alignment, target_mask, mistake=None):
    counted = target_mask & alignment.any(-1)  # (B, T)
    if mistake == "padding":
        counted = alignment.any(-1)
    elif mistake == "rows without truth":
        counted = target_mask
    elif mistake == "all rows":
        counted = torch.ones_like(target_mask)
    return counted


def _alignment_error_rate(weights, alignment, target_mask, mistake=None):
    counted = _counted_rows(alignment, target_mask, mistake)  # (B, T)
    best = weights.argmax(-1, keepdim=True)  # (B, T, 1)
    if mistake == "last of ties":
        S = weights.shape[-1]
        best = S - 1 - weights.flip(-1).argmax(-1, keepdim=True)
    links = torch.zeros_like(alignment).scatter(-1, best, True)  # (B, T, S)
    if mistake == "over queries":
        best = weights.argmax(1, keepdim=True)  # (B, 1, S)
        links = torch.zeros_like(alignment).scatter(1, best, True)
    elif mistake == "half":
        links = weights > 0.5
    elif mistake == "uniform":
        links = weights > 1 / weights.shape[-1]
    links = links & counted[..., None]
    truth = alignment & counted[..., None]
    if mistake == "truth of all rows":
        truth = alignment
    hits = (links & truth).float()
    if mistake == "nothing over nothing":
        return 1 - 2 * hits.sum() / (links.sum() + truth.sum())
    if not links.any() and not truth.any():
        return 0.0
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
    if mistake == "precision":
        return 1 - hits / A
    if mistake == "recall":
        return 1 - hits / B
    if mistake == "agreement":
        return 2 * hits / (A + B)
    if mistake == "once":
        return 1 - hits / (A + B)
    if mistake == "union":
        return 1 - hits / (A + B - hits)
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


def _ties():
    weights = torch.tensor(
        [
            [[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]],
            [[0.25, 0.5, 0.25], [0.4, 0.2, 0.4]],
        ]
    )
    alignment = torch.tensor(
        [[[1, 0, 0], [0, 0, 1]], [[0, 1, 1], [1, 0, 0]]], dtype=torch.bool
    )
    real = torch.ones(2, 2, dtype=torch.bool)
    return Case("weights that tie", (weights, alignment, real))


_ERROR_RATE = Exercise(
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
        _alignment_case("two sentences", [4, 3], 4, 6, seed=11),
        _alignment_case("padded targets", [6, 2, 4], 6, 5, seed=12),
        _ties(),
        _alignment_case("as many digits as tokens", [5, 3], 5, 5, seed=14),
        _alignment_case("one token", [2, 3], 3, 1, seed=15),
        Case(
            "no row counts",
            (
                torch.full((2, 1, 3), 1 / 3),
                torch.zeros(2, 1, 3, dtype=torch.bool),
                torch.ones(2, 1, dtype=torch.bool),
            ),
        ),
    ],
    mistakes=[
        Mistake(
            name, sentence, partial(_alignment_error_rate, mistake=key), look
        )
        for key, name, sentence, look in [
            (
                "padding",
                "padding is counted",
                "Rows of padding are counted as digits.",
                "target_mask is True for the rows that are real.",
            ),
            (
                "rows without truth",
                "rows without a truth are counted",
                "Rows that come from no token, such as that of EOS, are "
                "counted: whatever they look at is called an error.",
                "A row counts only where alignment has a True in it.",
            ),
            (
                "all rows",
                "every row is counted",
                "Padding and rows without a truth are counted as digits.",
                "Two conditions: target_mask, and a True in the row.",
            ),
            (
                "truth of all rows",
                "true links of rows that do not count",
                "The true links are counted in all rows, also in padding.",
                "Both sums in the denominator run over the rows that count.",
            ),
            (
                "over queries",
                "the best digit for each token",
                "The argmax runs over the digits. Each digit has one link, "
                "to its best token.",
                "weights are (B, T, S): tokens are the last axis.",
            ),
            (
                "last of ties",
                "a tie goes to the later token",
                "Where two tokens tie, the later is linked. The rule says "
                "the earlier.",
                "argmax gives the first; `>=` and a sort may give the last.",
            ),
            (
                "half",
                "a threshold of one half",
                "A link is made where a weight is above 1/2. Each row has "
                "one link, however low its best weight.",
                "Use argmax, not a threshold.",
            ),
            (
                "uniform",
                "every weight above the average",
                "All tokens with more than 1/S are linked. Each row has one "
                "link.",
                "Use argmax, not a threshold.",
            ),
            (
                "soft",
                "the mass that lies beside",
                "This is 1 less the alignment score of the chapter. The "
                "error rate judges one hard link a row.",
                "Make the links first: the weights are not needed after.",
            ),
            (
                "any",
                "rows that miss",
                "This is the share of rows whose link is wrong. True links "
                "that nothing points to are errors too.",
                "The denominator holds the links and the true links.",
            ),
            (
                "recall",
                "only the true links below",
                "You divided by the true links alone: that is 1 - recall.",
                "The denominator is |A| + |S|, and the hits count twice.",
            ),
            (
                "agreement",
                "an agreement, not an error",
                "This is the share that agrees. The error rate is 1 less "
                "that.",
                "The return line.",
            ),
            (
                "once",
                "hits counted once",
                "The hits are counted once, but stand in both numbers of the "
                "denominator.",
                "The factor 2 in the formula.",
            ),
            (
                "union",
                "hits over the union",
                "You divided by the union of links (Jaccard's index). The "
                "rate divides by the sum.",
                "|A| + |S|, with the hits in both.",
            ),
            (
                "nothing over nothing",
                "0/0 where no row counts",
                "In a batch in which no row counts, your rate is 0/0. It "
                "should be 0: there was nothing to get wrong.",
                "Look at the denominator before you divide by it.",
            ),
            (
                "sentences",
                "a mean of the sentences' rates",
                "You took each sentence's rate and averaged. Links are "
                "counted over the whole batch, so that short sentences do "
                "not weigh more.",
                "Sum first, divide once.",
            ),
            (
                "rows",
                "a mean of the rows' rates",
                "You took each row's rate and averaged. Links are counted "
                "over the whole batch.",
                "Sum first, divide once.",
            ),
        ]
    ],
    right_answers=[_error_rate_by_loops, _error_rate_by_gather],
    tolerance=1e-6,
    fresh=anew(
        _alignment_case,
        T=(2, 6),
        lengths=lambda random, drawn: lengths(random, drawn["T"], least=2),
        S=(2, 6),
    ),
)


# ------------------------------------------- 4. Attention that keeps a tally


def _coverage_attention(
    query, key, value, mask, W_q, W_k, w_c, v, mistake=None
):
    T = query.shape[1]
    projected = key @ W_k.T  # (B, S, d_a)
    covered = torch.zeros_like(key[..., 0])  # (B, S)
    if mistake == "starts full":
        covered = torch.ones_like(covered)
    elif mistake == "starts uniform":
        covered = mask / mask.sum(1, keepdim=True).clamp(min=1)
    rows = []
    for t in range(T):
        hidden = (query[:, t] @ W_q.T)[:, None] + projected  # (B, S, d_a)
        term = covered[..., None] * w_c  # (B, S, d_a)
        if mistake == "outside":
            scores = torch.tanh(hidden) @ v + covered * w_c.sum()
        elif mistake == "subtracted":
            scores = torch.tanh(hidden - term) @ v
        elif mistake == "untold":
            scores = torch.tanh(hidden) @ v
        else:
            scores = torch.tanh(hidden + term) @ v  # (B, S)
        if mistake == "late mask":
            weights = scores.softmax(-1) * mask
        elif mistake == "inverted":
            weights = masked_softmax(scores, ~mask)
        elif mistake == "over the batch":
            weights = masked_softmax(scores, mask, dim=0)
        else:
            weights = masked_softmax(scores, mask)
        rows.append(weights)
        if mistake == "last step":
            covered = weights
        elif mistake == "mean":
            covered = torch.stack(rows).mean(0)
        elif mistake == "detached":
            covered = covered + weights.detach()
        elif mistake == "shared":
            covered = covered + weights.mean(0)
        elif mistake == "scores":
            covered = covered + scores
        elif mistake == "in place":
            covered += weights
        elif mistake == "reaches 1":
            covered = (covered + weights).clamp(max=0.5)
        else:
            covered = covered + weights  # (B, S)
    weights = torch.stack(rows, dim=1)  # (B, T, S)
    return weights @ value, weights


def _coverage_in_two_passes(
    query, key, value, mask, W_q, W_k, w_c, v, own=False
):
    """Wrong: the tally is that of an attention without a tally."""
    hidden = (query @ W_q.T)[:, :, None] + (key @ W_k.T)[:, None]
    plain = masked_softmax(torch.tanh(hidden) @ v, mask[:, None])
    covered = plain.cumsum(1) - (0 if own else plain)  # (B, T, S)
    term = covered[..., None] * w_c  # (B, T, S, d_a)
    weights = masked_softmax(torch.tanh(hidden + term) @ v, mask[:, None])
    return weights @ value, weights


def _coverage_by_einsum(query, key, value, mask, W_q, W_k, w_c, v):
    left = torch.einsum("aq,btq->bta", W_q, query)
    right = torch.einsum("ak,bsk->bsa", W_k, key)
    weights = query.new_zeros(len(query), 0, key.shape[1])  # (B, 0, S)
    for t in range(query.shape[1]):
        term = torch.einsum("bts,a->bsa", weights, w_c)  # (B, S, d_a)
        hidden = torch.tanh(left[:, t, None] + right + term)
        scores = torch.einsum("bsa,a->bs", hidden, v)
        row = masked_softmax(scores, mask)[:, None]  # (B, 1, S)
        weights = torch.cat([weights, row], dim=1)
    return torch.einsum("bts,bsv->btv", weights, value), weights


def _coverage_by_sentence(query, key, value, mask, W_q, W_k, w_c, v):
    S = key.shape[1]
    outputs, rows = [], []
    for b in range(len(query)):
        tally = [torch.zeros(()) for _ in range(S)]
        for q in query[b]:
            tokens = [s for s in range(S) if mask[b, s]]
            row = [torch.zeros(()) for _ in range(S)]
            if tokens:
                scores = torch.stack(
                    [
                        v
                        @ torch.tanh(
                            W_q @ q + W_k @ key[b, s] + w_c * tally[s]
                        )
                        for s in tokens
                    ]
                )
                for s, weight in zip(tokens, scores.softmax(0), strict=True):
                    row[s] = weight
            tally = [old + new for old, new in zip(tally, row, strict=True)]
            rows.append(torch.stack(row))
            outputs.append(rows[-1] @ value[b])
    B, T = query.shape[:2]
    return torch.stack(outputs).view(B, T, -1), torch.stack(rows).view(B, T, S)


def _coverage_case(name, lengths, T, S, d_q, d_k, d_v, d_a, seed):
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    return Case(
        name,
        (
            normal(generator, B, T, d_q),
            normal(generator, B, S, d_k),
            normal(generator, B, S, d_v),
            token_mask(lengths, S),
            normal(generator, d_a, d_q, scale=0.6),
            normal(generator, d_a, d_k, scale=0.6),
            normal(generator, d_a, scale=1.5),
            normal(generator, d_a),
        ),
    )


def _later_queries_change_nothing_before(answer):
    case = _coverage_case("", [6, 4], 5, 6, 3, 2, 2, 4, seed=29)
    query, *others = case.arguments
    _, before = answer(query, *others)
    changed = query.clone()
    changed[:, 3:] += 1.0
    _, after = answer(changed, *others)
    return bool(
        torch.allclose(before[:, :3], after[:, :3], atol=1e-6)
        and not torch.allclose(before[:, 3:], after[:, 3:], atol=1e-3)
    )


_COVERAGE = Exercise(
    "01-coverage-attention",
    "Attention that keeps a tally",
    points=4,
    reference=_coverage_attention,
    cases=[
        Case(
            "the worked example",
            (
                torch.zeros(1, 2, 1),
                torch.tensor([[[1.0], [0.0]]]),
                torch.tensor([[[8.0], [4.0]]]),
                torch.ones(1, 2, dtype=torch.bool),
                torch.ones(1, 1),
                torch.ones(1, 1),
                -4 * torch.ones(1),
                torch.ones(1),
            ),
        ),
        _coverage_case("one step", [3, 2], 1, 3, 2, 4, 3, 5, seed=21),
        _coverage_case("a padded batch", [6, 4], 4, 6, 3, 2, 5, 4, seed=22),
        _coverage_case("nothing to read", [4, 0], 3, 4, 2, 3, 2, 3, seed=23),
        _coverage_case("one token", [1, 1], 3, 1, 2, 2, 2, 2, seed=24),
        _coverage_case("all sizes alike", [3, 2, 3], 3, 3, 3, 3, 3, 3, 25),
        _coverage_case("long", [9, 5, 7], 8, 9, 2, 3, 2, 6, seed=26),
    ],
    mistakes=[
        Mistake(
            name, sentence, partial(_coverage_attention, mistake=key), look
        )
        for key, name, sentence, look in [
            (
                "untold",
                "the tally is not used",
                "This is additive attention without coverage.",
                "The term w_c · c must stand in the sum inside the tanh.",
            ),
            (
                "last step",
                "only the last step is remembered",
                "The tally holds the weights of the step before, not the sum "
                "of all steps before.",
                "Add to the tally; do not replace it.",
            ),
            (
                "mean",
                "a mean in place of a sum",
                "The tally is the mean of the weights so far, so it never "
                "fills up.",
                "c is a sum over the steps before.",
            ),
            (
                "outside",
                "the tally outside the tanh",
                "The tally is added to the score. It belongs inside the "
                "tanh, so that it can meet query and key.",
                "Which bracket does w_c · c stand in?",
            ),
            (
                "subtracted",
                "the tally is subtracted",
                "The tally is taken away. The formula adds it, and w_c "
                "learns the sign.",
                "The sign before w_c.",
            ),
            (
                "starts full",
                "a tally that starts at 1",
                "Before the first step nothing has been read: the tally "
                "starts at 0.",
                "The line before the loop.",
            ),
            (
                "starts uniform",
                "a tally that starts evenly",
                "Before the first step nothing has been read: the tally "
                "starts at 0.",
                "The line before the loop.",
            ),
            (
                "scores",
                "scores are tallied",
                "The tally adds up the scores. It should add up the weights.",
                "What is appended after the softmax?",
            ),
            (
                "shared",
                "one tally for the whole batch",
                "All sentences share one tally. Each has its own, (B, S).",
                "Is there a mean or a sum over the first axis?",
            ),
            (
                "over the batch",
                "a softmax over the batch",
                "The softmax runs over the sentences, so its rows do not sum "
                "to 1. Each query must spend 1 over the keys.",
                "In one step the scores are (B, S): the keys are the last "
                "axis, dim=-1.",
            ),
            (
                "in place",
                "a tally that is changed in place",
                "`covered += w` changes a tensor that backward still needs.",
                "Write `covered = covered + w`, which makes a new one.",
            ),
            (
                "detached",
                "a tally without gradient",
                "The values are right, but the tally is cut off from the "
                "graph: an early step cannot learn what it costs a later "
                "one.",
                "A .detach(), a torch.no_grad() or a .data on the way to the "
                "tally.",
            ),
            (
                "reaches 1",
                "a tally with a lid",
                "The tally is held below a limit. A token may be read as "
                "often as the weights say.",
                "A clamp.",
            ),
            (
                "late mask",
                "a mask after the softmax",
                "The mask cuts weights off after the softmax: rows sum to "
                "less than 1, and the tally is too small.",
                "Use masked_softmax.",
            ),
            (
                "inverted",
                "the mask is inverted",
                "The padding is attended to and the tokens are not.",
                "True = may attend.",
            ),
        ]
    ]
    + [
        Mistake(
            "the tally of another attention",
            "You add up the weights of attention *without* coverage, all "
            "steps at once. Each step must see what the steps before really "
            "did.",
            _coverage_in_two_passes,
            "A cumsum cannot do it: step 3 hangs on step 2. A loop over T.",
        ),
        Mistake(
            "a tally that counts its own step",
            "The tally of a step already holds that step, and of an "
            "attention without coverage at that.",
            partial(_coverage_in_two_passes, own=True),
            "c sums over the steps *before*: a loop over T.",
        ),
    ],
    right_answers=[_coverage_by_einsum, _coverage_by_sentence],
    properties=[
        Property(
            "A later query cannot change earlier weights.",
            _later_queries_change_nothing_before,
            "The order of the steps.",
        )
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B T d_v", "weights": "B T S"},
    fresh=anew(
        _coverage_case,
        S=(1, 6),
        lengths="S",
        T=(1, 5),
        d_q=(1, 4),
        d_k=(1, 4),
        d_v=(1, 4),
        d_a=(1, 5),
    ),
)


# -------------------------------- 5. The same, in pieces, forward and backward


def _scores(query, key, v):
    """Scores (B, T, S) of projected queries and keys."""
    return torch.tanh(query[:, :, None] + key[:, None]) @ v


def _recomputed(query, key, v):
    return checkpoint(_scores, query, key, v, use_reentrant=False)


def _chunked_attention(
    query, key, value, mask, W_q, W_k, v, chunk, mistake=None
):
    left, right = query @ W_q.T, key @ W_k.T  # (B, T, d_a), (B, S, d_a)
    S = key.shape[1]
    starts = list(range(0, S, chunk))
    if mistake == "last dropped":
        starts = starts[: max(1, S // chunk)]
    pieces = [
        right[:, start : start + chunk] for start in starts
    ]  # each (B, chunk, d_a)
    if mistake == "kept":
        scores = [_scores(left, piece, v) for piece in pieces]
    elif mistake == "detached":
        scores = [_recomputed(left, piece, v).detach() for piece in pieces]
    elif mistake == "keys detached":
        scores = [_recomputed(left, piece.detach(), v) for piece in pieces]
    elif mistake == "wrong piece":
        scores = [
            _recomputed(left, right[:, : piece.shape[1]], v)
            for piece in pieces
        ]
    else:
        scores = [_recomputed(left, piece, v) for piece in pieces]
    if mistake in ("softmax a piece", "mean of pieces"):
        masks = mask[:, None].split(chunk, dim=-1)
        weights = torch.cat(
            [
                masked_softmax(score, part)
                for score, part in zip(scores, masks, strict=True)
            ],
            dim=-1,
        )
        if mistake == "mean of pieces":
            weights = weights / len(scores)
        return weights @ value, weights
    scores = torch.cat(scores, dim=-1)  # (B, T, S)
    if mistake == "unmasked":
        weights = scores.softmax(-1)
    elif mistake == "late mask":
        weights = scores.softmax(-1) * mask[:, None]
    elif mistake == "inverted":
        weights = masked_softmax(scores, ~mask[:, None])
    elif mistake == "over queries":
        weights = masked_softmax(scores, mask[:, None], dim=1)
    else:
        weights = masked_softmax(scores, mask[:, None])
    return weights @ value, weights


def _whole(query, key, value, mask, W_q, W_k, v, chunk):
    scores = _scores(query @ W_q.T, key @ W_k.T, v)
    weights = masked_softmax(scores, mask[:, None])
    return weights @ value, weights


def _cut_afterwards(query, key, value, mask, W_q, W_k, v, chunk):
    """Forms the whole tensor, and only then cuts it into pieces."""
    left, right = query @ W_q.T, key @ W_k.T
    hidden = torch.tanh(left[:, :, None] + right[:, None])  # (B, T, S, d_a)
    scores = [piece @ v for piece in hidden.split(chunk, dim=2)]
    weights = masked_softmax(torch.cat(scores, dim=-1), mask[:, None])
    return weights @ value, weights


class _ScoresByHand(torch.autograd.Function):
    """Scores in pieces, with the backward pass written out."""

    @staticmethod
    def forward(ctx, query, key, v, chunk):
        ctx.save_for_backward(query, key, v)
        ctx.chunk = chunk
        pieces = key.split(chunk, dim=1)
        return torch.cat([_scores(query, piece, v) for piece in pieces], -1)

    @staticmethod
    def backward(ctx, upstream):
        query, key, v = ctx.saved_tensors
        for_query, for_v = torch.zeros_like(query), torch.zeros_like(v)
        for_key = []
        for piece, g in zip(
            key.split(ctx.chunk, dim=1),
            upstream.split(ctx.chunk, dim=-1),
            strict=True,
        ):
            hidden = torch.tanh(query[:, :, None] + piece[:, None])
            for_v += torch.einsum("bts,btsa->a", g, hidden)
            inner = g[..., None] * v * (1 - hidden**2)  # (B, T, chunk, d_a)
            for_query += inner.sum(2)
            for_key.append(inner.sum(1))
        return for_query, torch.cat(for_key, dim=1), for_v, None


def _chunked_by_hand(query, key, value, mask, W_q, W_k, v, chunk):
    scores = _ScoresByHand.apply(query @ W_q.T, key @ W_k.T, v, chunk)
    weights = masked_softmax(scores, mask[:, None])
    return weights @ value, weights


def _chunked_over_queries(query, key, value, mask, W_q, W_k, v, chunk):
    right = key @ W_k.T
    scores = [
        _recomputed(piece, right, v)
        for piece in (query @ W_q.T).split(chunk, dim=1)
    ]
    weights = masked_softmax(torch.cat(scores, dim=1), mask[:, None])
    return torch.einsum("bts,bsv->btv", weights, value), weights


def _one_key_at_a_time(query, key, value, mask, W_q, W_k, v, chunk):
    """The smallest pieces, whatever `chunk` says."""
    left, right = query @ W_q.T, key @ W_k.T
    scores = torch.cat(
        [
            _recomputed(left, right[:, s : s + 1], v)
            for s in range(len(key[0]))
        ],
        dim=-1,
    )
    weights = masked_softmax(scores, mask[:, None])
    return weights @ value, weights


def _chunked_case(name, lengths, T, S, d_q, d_k, d_v, d_a, chunk, seed):
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    return Case(
        name,
        (
            normal(generator, B, T, d_q),
            normal(generator, B, S, d_k),
            normal(generator, B, S, d_v),
            token_mask(lengths, S),
            normal(generator, d_a, d_q, scale=0.7),
            normal(generator, d_a, d_k, scale=0.7),
            normal(generator, d_a),
            chunk,
        ),
    )


_LARGE = _chunked_case("", [48, 30], 48, 48, 5, 6, 4, 64, 4, seed=39)


def _leaves(case):
    """Copies, as an answer may change what it is given for all who follow."""
    return [
        x.clone().requires_grad_(x.is_floating_point())
        if isinstance(x, Tensor)
        else x
        for x in case.arguments
    ]


def _forms_no_whole_tensor(answer):
    with largest_tensor(answer) as largest:
        answer(*_leaves(_LARGE))
    query, key, *_, v, _ = _LARGE.arguments
    B, T, S, d_a = len(query), query.shape[1], key.shape[1], len(v)
    return largest.amount < B * T * S * d_a / 4


def _keeps_no_whole_tensor(answer):
    with kept_for_backward(answer) as kept:
        result = answer(*_leaves(_LARGE))
    query, key, *_, v, _ = _LARGE.arguments
    hidden = 4 * len(query) * query.shape[1] * key.shape[1] * len(v)
    del result
    return kept.amount < hidden / 4


_CHUNKED = Exercise(
    "01-chunked-attention",
    "Additive attention in pieces",
    points=5,
    reference=_chunked_attention,
    cases=[
        _chunked_case("two pieces", [4, 3], 3, 4, 2, 3, 2, 5, 2, seed=31),
        _chunked_case("a short last piece", [7, 5], 3, 7, 3, 2, 4, 5, 3, 32),
        _chunked_case("one piece", [3, 2], 2, 3, 2, 2, 3, 4, 3, seed=33),
        _chunked_case("chunk above S", [4, 4], 3, 4, 3, 5, 2, 3, 9, seed=34),
        _chunked_case("chunk = 1", [5, 2], 4, 5, 2, 3, 3, 3, 1, seed=35),
        _chunked_case("nothing to read", [5, 0], 2, 5, 3, 2, 2, 4, 2, 36),
        _chunked_case("all sizes alike", [3, 3, 2], 3, 3, 3, 3, 3, 3, 2, 37),
        _chunked_case("one key", [1, 1], 2, 1, 3, 2, 2, 3, 2, seed=38),
    ],
    mistakes=[
        Mistake(name, sentence, partial(_chunked_attention, mistake=key), look)
        for key, name, sentence, look in [
            (
                "softmax a piece",
                "a softmax for each piece",
                "Each piece has a softmax of its own, so a row's weights sum "
                "to the number of pieces.",
                "Collect the scores of all pieces, (B, T, S), then take one "
                "softmax.",
            ),
            (
                "mean of pieces",
                "a mean over the pieces",
                "Each piece has a softmax of its own and counts alike, "
                "however well its keys score.",
                "Collect the scores of all pieces, (B, T, S), then take one "
                "softmax.",
            ),
            (
                "last dropped",
                "the last piece is dropped",
                "Where chunk does not divide S, the keys that remain are "
                "left out.",
                "range(0, S, chunk), and a last piece that may be shorter. "
                "torch.split does it.",
            ),
            (
                "wrong piece",
                "the first piece again and again",
                "Every piece gets the scores of the first.",
                "Which keys does the loop slice?",
            ),
            (
                "detached",
                "scores without gradient",
                "The values are right, but the scores are cut off from the "
                "graph: the attention cannot learn.",
                "A .detach(), a .data or a torch.no_grad() on the way to the "
                "scores. To save memory, recompute.",
            ),
            (
                "keys detached",
                "keys without gradient",
                "The values are right, but the keys are cut off from the "
                "graph.",
                "A .detach() or a .data on the projected keys.",
            ),
            (
                "unmasked",
                "the mask is not used",
                "The padding has weight.",
                "masked_softmax(scores, mask[:, None]).",
            ),
            (
                "late mask",
                "a mask after the softmax",
                "The mask cuts weights off after the softmax, so rows sum to "
                "less than 1.",
                "Use masked_softmax.",
            ),
            (
                "inverted",
                "the mask is inverted",
                "The padding is attended to and the tokens are not.",
                "True = may attend.",
            ),
            (
                "over queries",
                "a softmax over the queries",
                "For each key, the weights sum to 1 over the queries. Each "
                "query must spend 1 over the keys.",
                "Scores are (B, T, S), and the keys are the last axis: "
                "dim=-1.",
            ),
            (
                "kept",
                "everything is kept for the backward pass",
                "No large tensor is formed at once, but autograd keeps the "
                "tanh of every piece: together (B, T, S, d_a) again.",
                "Recompute: torch.utils.checkpoint.checkpoint(f, ..., "
                "use_reentrant=False).",
            ),
        ]
    ]
    + [
        Mistake(
            "the whole tensor",
            "The values are right, but a tensor of shape (B, T, S, d_a) is "
            "formed.",
            _whole,
            "Project the keys, split them along S, and score piece by piece.",
        ),
    ],
    right_answers=[
        _chunked_by_hand,
        _chunked_over_queries,
        _one_key_at_a_time,
    ],
    properties=[
        Property(
            "No tensor has a quarter of the entries of (B, T, S, d_a), with "
            "S = 48 and chunk = 4.",
            _forms_no_whole_tensor,
            "Split before you add query and key.",
        ),
        Property(
            "What autograd keeps for the backward pass is less than a "
            "quarter of (B, T, S, d_a).",
            _keeps_no_whole_tensor,
            "Which step can be computed again on the way back?",
        ),
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B T d_v", "weights": "B T S"},
    fresh=anew(
        _chunked_case,
        S=(1, 7),
        lengths="S",
        T=(2, 4),
        d_q=(2, 4),
        d_k=(2, 4),
        d_v=(2, 4),
        d_a=(2, 5),
        chunk=(1, 8),
    ),
)


EXERCISES = {
    exercise.grade_id: exercise
    for exercise in (_PREDICT, _CONCAT, _ERROR_RATE, _COVERAGE, _CHUNKED)
}

check_predict = _PREDICT.check
check_concat_attention = _CONCAT.check
check_alignment_error_rate = _ERROR_RATE.check
check_coverage_attention = _COVERAGE.check
check_chunked_attention = _CHUNKED.check


def points_so_far():
    """Print the points of each exercise of chapter 01, and their total."""
    _points_so_far(EXERCISES)
