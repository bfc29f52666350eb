"""Exercise 03.5: Weights that are exactly 0."""

from __future__ import annotations

import math
from functools import partial

import torch

from attnbook.judging.attention_inputs import attention_inputs
from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew, none_empty, one_empty
from attnbook.judging.named_mistakes import named
from attnbook.mechanisms.masked_softmax import masked_softmax


def _sparsemax(scores):
    """Project rows of finite and -inf scores onto the simplex."""
    ordered = scores.sort(dim=-1, descending=True).values
    sums = ordered.cumsum(-1)  # (..., S)
    count = torch.arange(1, scores.shape[-1] + 1)
    inside = 1 + count * ordered > sums
    size = inside.sum(-1, keepdim=True).clamp(min=1)
    threshold = (sums.gather(-1, size - 1) - 1) / size
    return (scores - threshold).clamp(min=0)


def _sparsemax_attention(query, key, value, mask):
    scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    allowed = mask[:, None, None].expand_as(scores)  # (B, H, T, S)
    empty = ~allowed.any(-1, keepdim=True)
    scores = scores.masked_fill(~allowed, -torch.inf).masked_fill(empty, 0)
    weights = _sparsemax(scores).masked_fill(empty, 0)
    return weights @ value, weights


def _mistaken_sparsemax(scores, mistake):
    S = scores.shape[-1]
    ordered = scores.sort(dim=-1, descending=mistake != "ascending").values
    sums = ordered.cumsum(-1)  # (..., S)
    count = torch.arange(1, S + 1)
    if mistake == "from 0":
        count = count - 1
    inside = 1 + count * ordered > sums
    if mistake == "no count":
        inside = 1 + ordered > sums
    elif mistake == "one short":
        inside = 1 + count * ordered > sums - ordered
    elif mistake == "no condition":
        inside = ordered > -torch.inf
    elif mistake == "at least":
        inside = 1 + count * ordered >= sums
    size = inside.sum(-1, keepdim=True).clamp(min=1)
    if mistake == "one more":
        size = (size + 1).clamp(max=S)
    if mistake == "one for all":
        size = size.amax().expand_as(size)
    total = sums.gather(-1, size - (0 if mistake == "index k" else 1))
    if mistake == "sum of all":
        total = sums[..., -1:]
    if mistake == "nan":
        total = (ordered * inside).sum(-1, keepdim=True)
    threshold = (total - (0 if mistake == "no one" else 1)) / size
    if mistake == "all keys":
        threshold = (total - 1) / S
    elif mistake == "detached":
        threshold = threshold.detach()
    elif mistake == "softmax of the support":
        return torch.where(scores > threshold, scores, -torch.inf).softmax(-1)
    elif mistake == "no way back":
        scores, threshold = scores.detach(), threshold.detach()
    if mistake == "unclamped":
        return scores - threshold
    return (scores - threshold).clamp(min=0)


def _mistaken(query, key, value, mask, mistake):
    """The same with a mistake."""
    scores = query @ key.transpose(-2, -1)  # (B, H, T, S)
    if mistake == "by d":
        scores = scores / query.shape[-1]
    elif mistake == "by value size":
        scores = scores / value.shape[-1] ** 0.5
    elif mistake != "unscaled":
        scores = scores / query.shape[-1] ** 0.5
    allowed = mask[:, None, None].expand_as(scores)
    if mistake == "inverted":
        allowed = ~allowed
    weights = _mistaken_weights(scores, allowed, mistake)
    return weights @ value, weights


def _mistaken_weights(scores, allowed, mistake):
    if mistake == "softmax":
        return masked_softmax(scores, allowed)
    if mistake in ("cut softmax", "cut softmax at 0.1", "relu"):
        if mistake == "relu":
            weights = scores.clamp(min=0) * allowed
        else:
            weights = masked_softmax(scores, allowed)
            least = 0.1 if "0.1" in mistake else 1 / scores.shape[-1]
            weights = weights * (weights >= least)
        total = weights.sum(-1, keepdim=True)
        return weights / torch.where(total == 0, 1, total)
    if mistake == "late mask":
        return _sparsemax(scores) * allowed
    if mistake in ("zero score", "zero score, then cut"):
        weights = _sparsemax(scores.masked_fill(~allowed, 0))
        return weights * allowed if "cut" in mistake else weights
    if mistake in ("-1e4", "-100"):
        return _sparsemax(scores.masked_fill(~allowed, float(mistake)))
    if mistake == "-100 and 0":
        weights = _sparsemax(scores.masked_fill(~allowed, -100.0))
        return weights * allowed.any(-1, keepdim=True)
    if mistake == "empty":
        return _sparsemax(scores.masked_fill(~allowed, -torch.inf))
    empty = ~allowed.any(-1, keepdim=True)
    scores = scores.masked_fill(~allowed, -torch.inf).masked_fill(empty, 0)
    if mistake == "over queries":
        scores = scores.masked_fill(~allowed, -1e4)
        weights = _sparsemax(scores.transpose(-2, -1)).transpose(-2, -1)
        weights = weights * allowed
    else:
        weights = _mistaken_sparsemax(scores, mistake)
    weights = weights.masked_fill(empty, 0)
    if mistake == "unclamped":
        weights = weights.masked_fill(~allowed, 0)
    return weights


class _Projection(torch.autograd.Function):
    """Sparsemax with the way back written out: centred over the support."""

    @staticmethod
    def forward(ctx, scores, allowed):
        floor = torch.where(allowed, scores, -1e30)
        low = floor.amax(-1, keepdim=True) - 1
        high = low + 1
        for _ in range(60):  # halve the bracket of the threshold
            middle = (low + high) / 2
            much = (floor - middle).clamp(min=0).sum(-1, keepdim=True) > 1
            low, high = (
                torch.where(much, middle, low),
                torch.where(much, high, middle),
            )
        support = (floor > high) & allowed
        size = support.sum(-1, keepdim=True)
        total = (scores * support).sum(-1, keepdim=True)
        threshold = (total - 1) / size.clamp(min=1)
        ctx.save_for_backward(support, size)
        return ((scores - threshold) * support).clamp(min=0)

    @staticmethod
    def backward(ctx, upstream):
        support, size = ctx.saved_tensors
        inside = upstream * support
        mean = inside.sum(-1, keepdim=True) / size.clamp(min=1)
        return (inside - mean) * support, None


def _sparsemax_by_projection(query, key, value, mask):
    scores = torch.einsum("bhtd,bhsd->bhts", query, key)
    scores = scores / math.sqrt(query.shape[-1])
    weights = _Projection.apply(scores, mask[:, None, None].expand_as(scores))
    return weights @ value, weights


def _sparsemax_by_dropping(query, key, value, mask):
    """Drop keys below the threshold and set it anew, until none is."""
    scores = query @ key.mT * query.shape[-1] ** -0.5
    support = mask[:, None, None].expand_as(scores)  # (B, H, T, S)
    for _ in range(key.shape[-2] + 1):
        size = support.sum(-1, keepdim=True).clamp(min=1)
        kept = torch.where(support, scores, 0)
        threshold = (kept.sum(-1, keepdim=True) - 1) / size
        support = support & (scores > threshold)
    weights = torch.where(support, scores - threshold, 0)
    return torch.einsum("bhts,bhsv->bhtv", weights, value), weights


def _sparsemax_by_rows(query, key, value, mask):
    B, H, T, d_k = query.shape
    S = key.shape[2]
    rows = []
    for b in range(B):
        keep = mask[b].nonzero().flatten()
        for h in range(H):
            for q in query[b, h]:
                row = torch.zeros(S)
                scores = key[b, h, keep] @ q / d_k**0.5
                order = scores.detach().tolist()
                for size in range(len(order), 0, -1):
                    top = sorted(order, reverse=True)[:size]
                    if 1 + size * top[-1] > sum(top):
                        best = scores.topk(size)
                        share = best.values - (best.values.sum() - 1) / size
                        row = row.index_put((keep[best.indices],), share)
                        break
                rows.append(row)
    weights = torch.stack(rows).view(B, H, T, S)
    return weights @ value, weights


def _sparsemax_case(name, lengths, H, T, S, d_k, d_v, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    inputs = attention_inputs(
        generator, lengths, T, S, d_k, d_k, d_v, H, scale
    )
    return Case(name, inputs)


def _adding_to_all_changes_nothing(answer):
    """A shift of all scores of a row: the keys gain a common direction."""
    query, key, value, mask = _sparsemax_case(
        "", [5, 5], 2, 3, 5, 4, 2, seed=47
    ).arguments
    query[..., 0] = 1.0
    _, before = answer(query, key, value, mask)
    moved = key.clone()
    moved[..., 0] += 3.0
    _, after = answer(query, moved, value, mask)
    return torch.allclose(before, after, atol=1e-5)


_MISTAKES = [
    (
        "softmax",
        "plain softmax",
        "This is softmax: every key gets some weight. Sparsemax gives "
        "most keys none at all.",
        "Subtract a threshold and cut at 0; there is no exponential.",
    ),
    (
        "cut softmax",
        "a softmax with small weights cut off",
        "You removed small weights of a softmax and divided the others by "
        "their sum. Sparsemax works on the scores, without an exponential.",
        "max(score - threshold, 0).",
        "cut softmax at 0.1",
        "softmax of the support",
    ),
    (
        "relu",
        "positive scores, divided by their sum",
        "The threshold is not 0. It is what makes the weights of each "
        "row sum to 1 without a division.",
        "τ = (sum of the k largest scores - 1) / k.",
    ),
    (
        "ascending",
        "sorted the wrong way",
        "You sorted the scores in rising order. The support has the largest "
        "ones.",
        "sort(dim=-1, descending=True).",
    ),
    (
        "from 0",
        "k counted from 0",
        "In 1 + k·z, k is the number of scores summed so far: it starts at 1.",
        "torch.arange(1, S + 1).",
    ),
    (
        "no count",
        "the k before z is missing",
        "The condition is 1 + k·z > the sum of the k largest scores.",
        "Look at the line that says which keys are in the support.",
    ),
    (
        "one more",
        "one key too many",
        "The threshold is computed from one key more than the support "
        "has, so rows do not sum to 1.",
        "The sum of the k largest scores is at index k - 1.",
        "index k",
    ),
    (
        "at least",
        "minus infinity is counted",
        "-inf >= -inf is True, so padding is counted in the support.",
        "The condition is >, not >=.",
    ),
    (
        "one for all",
        "one k for all rows",
        "Each row has a support of its own size.",
        "sum(-1, keepdim=True) gives a k for each row, and gather "
        "picks each row's sum.",
    ),
    (
        "one short",
        "a running sum that stops one short",
        "The condition compares with z_1 + … + z_k, which includes the k-th "
        "score.",
        "At each place, cumsum has the sum up to this place, with this place "
        "included.",
    ),
    (
        "no condition",
        "every key in the support",
        "You computed the threshold from all allowed keys. Use only the "
        "support: the largest k for which the condition holds.",
        "Look at the line that says which keys are in the support.",
    ),
    (
        "no one",
        "the 1 is missing in the threshold",
        "Without the -1, the weights above the threshold do not sum to 1.",
        "τ = (sum of the k largest scores - 1) / k.",
    ),
    (
        "all keys",
        "divided by all keys",
        "You divide by S in the threshold. Divide by k, the number of keys "
        "in the support.",
        "τ = (sum of the k largest scores - 1) / k.",
    ),
    (
        "sum of all",
        "the sum of all keys",
        "You use the sum of all scores in the threshold. Use only the k "
        "largest.",
        "The sum of the k largest scores is at index k - 1.",
    ),
    (
        "unclamped",
        "weights below 0",
        "Keys below the threshold have negative weights.",
        "max(score - threshold, 0): clamp(min=0).",
    ),
    (
        "detached",
        "a threshold without gradient",
        "The values are right, but the threshold depends on the scores too, "
        "and you detached it from the graph.",
        "A .detach(), a .item() or a torch.no_grad() on the way to "
        "the threshold.",
    ),
    (
        "no way back",
        "weights without gradient",
        "The values are right, but the weights are detached from the scores: "
        "query and key get a gradient of 0.",
        "A .detach(), a .data or a torch.no_grad() on the way to the weights.",
    ),
    (
        "nan",
        "0 times infinity",
        "A masked score is -inf, and -inf times 0 is NaN.",
        "Pick the k-th running sum with gather, or use torch.where; "
        "do not multiply by the support.",
    ),
    (
        "empty",
        "an empty row of -inf",
        "If nothing may be attended to, all scores are -inf, and -inf minus "
        "-inf is NaN. The weights should be 0.",
        "Fill such a row with 0 first, and set its weights to 0 at the end.",
    ),
    (
        "-1e4",
        "a large negative number in place of -inf",
        "If nothing may be attended to, all scores are equal to this number, "
        "so all weights are equal. They should be 0.",
        "Fill the weights of such a row with 0.",
    ),
    (
        "-100",
        "-100 in place of -inf",
        "Scores can be -100 or less, and then padding is in the support.",
        "-torch.inf lies below any score.",
        "-100 and 0",
    ),
    (
        "zero score",
        "a score of 0 for padding",
        "A score of 0 can be above the threshold. Then padding gets a part "
        "of the weight.",
        "Which score is below every threshold?",
        "zero score, then cut",
    ),
    (
        "late mask",
        "a mask after the projection",
        "Padding gets a part of the weight before you mask it, so rows sum "
        "to less than 1.",
        "Mask the scores, before they are sorted.",
    ),
    (
        "inverted",
        "the mask is inverted",
        "Padding is attended to and the tokens are not.",
        "True = may attend. masked_fill wants the others: ~mask.",
    ),
    (
        "unscaled",
        "no scale",
        "The scores are not divided by √d_k.",
        "Look at the line that makes the scores.",
    ),
    (
        "by d",
        "scaled by d_k",
        "You divide the scores by d_k instead of its square root.",
        "Look at the line that makes the scores.",
    ),
    (
        "by value size",
        "a scale from the size of the values",
        "The scores are divided by √d_v. The sum runs over the d_k entries of "
        "query and key.",
        "Look at the line that makes the scores.",
    ),
    (
        "over queries",
        "weights that sum to 1 over the queries",
        "For each key, the weights sum to 1 over the queries. For each "
        "query, they must sum to 1 over the keys.",
        "Scores are (B, H, T, S), and the keys are the last axis: dim=-1.",
    ),
]


def _all_full(random, drawn):
    return [drawn["S"]] * int(random.integers(2, 4))


_drawn = partial(
    anew,
    _sparsemax_case,
    times=1,
    S=(1, 8),
    H=(1, 3),
    T=(1, 4),
    d_k=(1, 4),
    d_v=(1, 4),
    scale=[0.3, 1.0, 1.3],
)

EXERCISE = Exercise(
    "03-sparsemax-attention",
    "Weights that are exactly 0",
    points=5,
    reference=_sparsemax_attention,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor([[[[1.0]]]]),
                torch.tensor([[[[1.0], [0.8], [-1.0]]]]),
                torch.tensor([[[[10.0], [20.0], [30.0]]]]),
                torch.ones(1, 3, dtype=torch.bool),
            ),
        ),
        _sparsemax_case("no padding", [4, 4], 2, 3, 4, 3, 2, seed=40),
        _sparsemax_case("two heads", [5, 4], 2, 3, 5, 3, 2, seed=41),
        _sparsemax_case("more padding", [6, 2, 4], 2, 4, 6, 4, 3, seed=42),
        _sparsemax_case("scores near 0", [4, 3], 3, 2, 4, 2, 3, 43, scale=0.3),
        _sparsemax_case(
            "nothing to attend to", [4, 0], 2, 3, 4, 2, 3, seed=44
        ),
        _sparsemax_case("one key", [1, 1], 2, 3, 1, 2, 3, seed=45),
        _sparsemax_case("all sizes alike", [3, 2, 3], 3, 3, 3, 3, 3, seed=46),
        _sparsemax_case("many keys", [12, 9], 2, 5, 12, 4, 2, 48, scale=1.3),
        _sparsemax_case("large scores", [5, 1], 2, 3, 5, 4, 2, 1, scale=8.0),
    ],
    mistakes=named(_mistaken, _MISTAKES),
    right_answers=[
        _sparsemax_by_projection,
        _sparsemax_by_dropping,
        _sparsemax_by_rows,
    ],
    properties=[
        Property(
            "Adding the same number to all scores of a row changes no weight.",
            _adding_to_all_changes_nothing,
            "The threshold moves along with the scores.",
        )
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B H T d_v", "weights": "B H T S"},
    parts=[
        Part(
            "full",
            "the values where nothing is padding",
            2,
            tries=(
                "the worked example",
                "no padding",
                "one key",
                "Adding the same number to all scores of a row changes no "
                "weight.",
            ),
            fresh=_drawn(lengths=_all_full),
        ),
        Part(
            "padding",
            "the values where some keys are padding",
            1,
            tries=(
                "two heads",
                "more padding",
                "scores near 0",
                "all sizes alike",
                "many keys",
            ),
            fresh=_drawn(lengths=none_empty("S")),
        ),
        Part(
            "edges",
            "empty sentences and large scores",
            1,
            tries=("nothing to attend to", "large scores"),
            fresh=_drawn(lengths=one_empty("S")),
        ),
        Part(
            "gradients",
            "the gradients",
            1,
            tries=(
                "two heads",
                "more padding",
                "nothing to attend to",
                "many keys",
            ),
            gradients=True,
            fresh=_drawn(lengths="S"),
        ),
    ],
)
