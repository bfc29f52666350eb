"""Cases, references and known mistakes of the exercises of chapter 04.

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
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import named
from attnbook.judging.planted_bugs import bugs_left
from attnbook.judging.predictions import Predictions
from attnbook.judging.tensors import normal, token_mask
from attnbook.mechanisms.additive import masked_softmax

__all__ = [
    "EXERCISES",
    "check_attend_with_heads",
    "check_head_distances",
    "check_predict",
    "check_prune_heads",
    "check_talking_heads",
    "points_so_far",
]


# ------------------------------------------------- 1. Predict, pen in hand

_PREDICTIONS = Predictions(
    {
        "a": 4 * 64 * 64 + 4 * 64,
        "b": 10 * 20 * 64,
        "c": 2 * 8 * 10 * 20,
        "d": 4,
        "e": 2.83,
        "f": 0.0,
    }
)


def _predict_exactly(question):
    return math.sqrt(8) if question == "e" else _PREDICTIONS.answers[question]


def _predict_by_running(question):
    """Right, by running what is asked instead of thinking."""
    generator = torch.Generator().manual_seed(0)
    if question == "a":
        layer = torch.nn.MultiheadAttention(64, 8)
        return sum(parameter.numel() for parameter in layer.parameters())
    if question == "b":
        d = 64 // 8
        return sum(10 * 20 * d for _ in range(8))
    if question == "c":
        query, key = torch.zeros(2, 8, 10, 8), torch.zeros(2, 8, 20, 8)
        return (query @ key.transpose(-2, -1)).numel()
    if question == "d":
        query, key = (normal(generator, n, 4).double() for n in (10, 20))
        return torch.linalg.matrix_rank(query @ key.T).item()
    if question == "e":
        return math.sqrt(64) / math.sqrt(64 / 8)
    query, key = normal(generator, 10, 8), normal(generator, 20, 8)
    before, after = ((query @ (key + b).T).softmax(-1) for b in (0, 5))
    return round((after - before).abs().max().item(), 3)


_PREDICT = Exercise(
    "04-predict",
    "Predict parameters, products and shapes",
    points=3,
    reference=_predict_exactly,
    cases=_PREDICTIONS.cases(hints=(1, 2, 2, 3, 4, 4)),
    mistakes=[
        _PREDICTIONS.wrong(
            "a",
            8 * (4 * 64 * 64 + 4 * 64),
            "a whole layer for each head",
            "You gave each head four matrices of 64 × 64. A head has 8 of "
            "the 64 rows of each.",
            "All heads together project to D numbers, not each of them.",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * 64 * 64,
            "the biases are left out",
            "These are the four matrices. Each projection has a bias too.",
            "nn.Linear(64, 64) has 64 · 64 + 64 parameters.",
        ),
        _PREDICTIONS.wrong(
            "a",
            3 * 64 * 64 + 3 * 64,
            "the output projection is left out",
            "Queries, keys and values make three projections. The merged "
            "heads go through a fourth.",
            "What mixes the heads, after they are laid side by side?",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * 8 * 8 + 4 * 8,
            "matrices of one head's size",
            "This takes each projection as 8 × 8. It reads all 64 numbers.",
            "W_q reads D numbers and writes H · d = D.",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * 8 * 64 + 4 * 8,
            "one head alone",
            "This is the share of one head. There are eight.",
            "Multiply by the number of heads.",
        ),
        _PREDICTIONS.wrong(
            "b",
            10 * 20 * 64 * 8,
            "each head as wide as the model",
            "You counted 64 products for each score. A head is D/H = 8 "
            "numbers wide.",
            "H heads, T · S scores each, d products a score.",
        ),
        _PREDICTIONS.wrong(
            "b",
            10 * 20 * 8,
            "one head alone, or scores counted",
            "This is the work of one head (and also the number of scores). "
            "All heads are asked for, and each score takes 8 multiply-adds.",
            "H heads, T · S scores each, d products a score.",
        ),
        _PREDICTIONS.wrong(
            "b",
            2 * 10 * 20 * 64,
            "a factor of two",
            "This counts both sentences, the blend too, or multiply and add "
            "apart. Asked are the multiply-adds of the scores of one "
            "sentence.",
            "Read question b again: three words limit it.",
        ),
        _PREDICTIONS.wrong(
            "c",
            2 * 10 * 20,
            "one map for all heads",
            "These are the weights of one head. Each head has its own.",
            "(B, H, T, S): four sizes.",
        ),
        _PREDICTIONS.wrong(
            "c",
            8 * 10 * 20,
            "the batch is left out",
            "This is right for one sentence. There are two in the batch.",
            "(B, H, T, S): four sizes.",
        ),
        _PREDICTIONS.wrong(
            "c",
            2 * 10 * 64,
            "the output counted",
            "This is the size of the output, (B, T, D). The weights have an "
            "entry for each query and key.",
            "(B, H, T, S): four sizes.",
        ),
        _PREDICTIONS.wrong(
            "d",
            10,
            "as many as there are queries",
            "Ten queries could give rank 10. But each is only d = 4 numbers "
            "wide.",
            "A product of a 10 × 4 and a 4 × 20 matrix.",
        ),
        _PREDICTIONS.wrong(
            "d",
            64,
            "the width of the model",
            "One head sees D/H of the numbers, and the rank of a 10 × 20 "
            "matrix is never above 10.",
            "How wide is a head when there are 16?",
        ),
        _PREDICTIONS.wrong(
            "d",
            16,
            "the number of heads",
            "This is H. What limits the rank is the width of one head, D/H.",
            "A product of a 10 × d and a d × 20 matrix.",
        ),
        _PREDICTIONS.wrong(
            "d",
            8,
            "the head of the questions before",
            "With 8 heads a head is 8 wide. In this question there are 16.",
            "D/H, with H = 16.",
        ),
        _PREDICTIONS.wrong(
            "e",
            8.0,
            "the root is left out",
            "This is D/d. The scores are divided by a square root.",
            "√D over √d.",
        ),
        _PREDICTIONS.wrong(
            "e",
            1 / math.sqrt(8),
            "upside down",
            "This makes the scores smaller still. They were divided by too "
            "much.",
            "The factor is above 1.",
        ),
        _PREDICTIONS.wrong(
            "e",
            8**0.25,
            "shared between W_q and W_k",
            "This is right if W_k is multiplied by it too. Only W_q is "
            "changed here.",
            "A score is one query times one key: which factor must W_q carry?",
        ),
        _PREDICTIONS.wrong(
            "e",
            1.0,
            "softmax makes up for it",
            "Softmax forgives a constant that is added to a row of scores, "
            "not one that multiplies it.",
            "The softmax of (0, 1) and that of (0, 2).",
        ),
        _PREDICTIONS.wrong(
            "f",
            5.0,
            "the bias taken for the weight",
            "A weight is never above 1, so it cannot change by 5.",
            "What does the bias add to each score of a row?",
        ),
        _PREDICTIONS.wrong(
            "f",
            1.0,
            "anything may happen",
            "The scores change by a lot. But all scores of a row change by "
            "the same number.",
            "q·(k + b) = q·k + q·b: which part depends on the key?",
        ),
    ],
    right_answers=[_predict_by_running, _PREDICTIONS.rounded],
    tolerance=3e-3,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
)


# ------------------------------ 2. Repair heads that are folded into the batch

_HEAD_BUGS = {
    "viewed": (
        "queries cut in the wrong order",
        "Head 1 of the queries does not hold the first d_k numbers of each "
        "query: the rows were cut across positions.",
        "First (B, T, H, d_k), then swap T and H, then fold. A view alone "
        "moves nothing.",
    ),
    "full scale": (
        "the scale of the whole width",
        "The scores are divided by √D. A head's dot product has d_k terms.",
        "The line that makes the scores: √d_k.",
    ),
    "repeated": (
        "the mask repeated in the wrong order",
        "Heads get the mask of another sentence: `repeat` lays out all "
        "sentences, then all again.",
        "Folded rows run: all heads of sentence 1, then of sentence 2. "
        "repeat_interleave does that.",
    ),
    "queries": (
        "a softmax over the queries",
        "For each key, the weights sum to 1 over the queries. Each query "
        "must spend 1 over the keys.",
        "Scores are (B·H, T, S), and the keys are the last axis: dim=-1.",
    ),
    "merged": (
        "heads merged in the wrong order",
        "The heads are not laid side by side: the output of one head over "
        "several positions is read as one position.",
        "Undo the split: (B, H, T, d_v), swap H and T, then reshape.",
    ),
}

# In the worked example the first entry that differs comes from the first of
# these that is there.
_FIRST_TO_SHOW = ("queries", "full scale", "viewed", "repeated", "merged")


def _folded(x, num_heads, how=None):
    """Split (B, L, H·d) into heads and fold them: (B·H, L, d)."""
    B, L, width = x.shape
    d = width // num_heads
    if how == "viewed":
        return x.reshape(B * num_heads, L, d)
    if how == "interleaved":
        x = x.view(B, L, d, num_heads).permute(0, 3, 1, 2)
    elif how == "heads first":
        x = x.view(B, L, num_heads, d).permute(2, 0, 1, 3)
    else:
        x = x.view(B, L, num_heads, d).transpose(1, 2)  # (B, H, L, d)
    return x.reshape(B * num_heads, L, d)


def _attend_with_heads(
    query, key, value, mask, W_q, W_k, W_v, W_o, num_heads, bugs=()
):
    B, T, D = query.shape
    S, d_k = key.shape[1], len(W_q) // num_heads
    everywhere = "all viewed" in bugs
    how = "viewed" if everywhere else None
    if "interleaved" in bugs:
        how = "interleaved"
    left = _folded(
        query @ W_q.T, num_heads, "viewed" if "viewed" in bugs else how
    )  # (B·H, T, d_k)
    right = _folded(key @ W_k.T, num_heads, how)  # (B·H, S, d_k)
    content = _folded(value @ W_v.T, num_heads, how)  # (B·H, S, d_v)
    scores = left @ right.transpose(-2, -1)  # (B·H, T, S)
    if "full scale" in bugs:
        scores = scores / D**0.5
    elif "by d" in bugs:
        scores = scores / d_k
    elif "unscaled" not in bugs:
        scores = scores / d_k**0.5
    if "repeated" in bugs:
        allowed = mask.repeat(num_heads, 1)
    else:
        allowed = mask.repeat_interleave(num_heads, 0)
    allowed = allowed[:, None].expand_as(scores)  # (B·H, T, S)
    dim = 1 if "queries" in bugs else -1
    if "over heads" in bugs:
        apart = scores.view(B, num_heads, T, S)
        apart = masked_softmax(apart, mask[:, None, None], 1)
        weights = apart.reshape(-1, T, S)
    elif "over the rows" in bugs:
        weights = masked_softmax(scores, allowed, 0)
    elif "late mask" in bugs:
        weights = scores.softmax(dim) * allowed
    elif "inverted" in bugs:
        weights = masked_softmax(scores, ~allowed, dim)
    elif "unmasked" in bugs:
        weights = scores.softmax(dim)
    elif "-1e9" in bugs:
        weights = scores.masked_fill(~allowed, -1e9).softmax(dim)
    elif "nan" in bugs:
        weights = scores.masked_fill(~allowed, -torch.inf).softmax(dim)
    else:
        weights = masked_softmax(scores, allowed, dim)
    output = weights @ content  # (B·H, T, d_v)
    if "merged" in bugs or everywhere:
        output = output.reshape(B, T, -1)
    elif "sentences last" in bugs:
        output = output.view(num_heads, B, T, -1)
        output = output.permute(1, 2, 0, 3).reshape(B, T, -1)
    else:
        output = output.view(B, num_heads, T, -1)
        order = (0, 2, 3, 1) if "interleaved" in bugs else (0, 2, 1, 3)
        output = output.permute(*order).reshape(B, T, -1)  # (B, T, H·d_v)
    if "transposed" in bugs:
        output = output @ W_o
    elif "no output projection" not in bugs:
        output = output @ W_o.T  # (B, T, D)
    weights = weights.view(B, num_heads, T, S)
    return output, weights.mean(1) if "mean" in bugs else weights


def _heads_by_loops(query, key, value, mask, W_q, W_k, W_v, W_o, num_heads):
    outputs, maps = [], []
    for q, k, v in zip(
        W_q.chunk(num_heads),
        W_k.chunk(num_heads),
        W_v.chunk(num_heads),
        strict=True,
    ):
        scores = query @ q.T @ (key @ k.T).transpose(-2, -1)  # (B, T, S)
        scores = scores / len(q) ** 0.5
        maps.append(masked_softmax(scores, mask[:, None]))
        outputs.append(maps[-1] @ (value @ v.T))  # (B, T, d_v)
    return torch.cat(outputs, -1) @ W_o.T, torch.stack(maps, 1)


def _heads_by_einsum(query, key, value, mask, W_q, W_k, W_v, W_o, num_heads):
    """The heads have an axis of their own in the matrices."""
    W_q, W_k, W_v = (
        W.unflatten(0, (num_heads, -1)) for W in (W_q, W_k, W_v)
    )  # (H, d, D)
    q = torch.einsum("btm,hdm->bhtd", query, W_q) * W_q.shape[1] ** -0.5
    k = torch.einsum("bsm,hdm->bhsd", key, W_k)
    v = torch.einsum("bsm,hdm->bhsd", value, W_v)
    scores = torch.einsum("bhtd,bhsd->bhts", q, k)
    weights = masked_softmax(scores, mask[:, None, None])
    merged = torch.einsum("bhts,bhsd->bthd", weights, v)
    return merged.flatten(2) @ W_o.T, weights


def _heads_as_a_sum(query, key, value, mask, W_q, W_k, W_v, W_o, num_heads):
    """Each head has its own columns of W_o: their outputs add up."""
    output, maps = 0, []
    for q, k, v, o in zip(
        *(W.chunk(num_heads) for W in (W_q, W_k, W_v)),
        W_o.chunk(num_heads, dim=1),
        strict=True,
    ):
        scores = (query @ q.T) @ (k @ key.transpose(-2, -1))
        maps.append(masked_softmax(scores / len(q) ** 0.5, mask[:, None]))
        output = output + maps[-1] @ value @ v.T @ o.T
    return output, torch.stack(maps, 1)


def _heads_case(name, lengths, T, S, D, H, d_k, d_v, seed):
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    near = D**-0.5
    return Case(
        name,
        (
            normal(generator, B, T, D),
            normal(generator, B, S, D),
            normal(generator, B, S, D),
            token_mask(lengths, S),
            normal(generator, H * d_k, D, scale=near),
            normal(generator, H * d_k, D, scale=near),
            normal(generator, H * d_v, D, scale=near),
            normal(generator, D, H * d_v, scale=near),
            H,
        ),
    )


def _one_head_is_heard_alone(answer):
    """Without the columns of W_o of a head, its values cannot matter."""
    arguments = _heads_case("", [5, 4], 3, 5, 6, 3, 2, 4, 19).arguments
    query, key, value, mask, W_q, W_k, W_v, W_o, H = arguments
    W_o, other = W_o.clone(), W_v.clone()
    W_o[:, 4:8] = 0
    other[4:8] = 1
    one, _ = answer(query, key, value, mask, W_q, W_k, W_v, W_o, H)
    two, _ = answer(query, key, value, mask, W_q, W_k, other, W_o, H)
    return torch.allclose(one, two, atol=1e-5)


_HEADS = Exercise(
    "04-attend-with-heads",
    "Repair heads that are folded into the batch",
    points=4,
    reference=_attend_with_heads,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor([[[1.0, 2.0], [0.0, 0.0]]] * 2),
                torch.tensor([[[1.0, 0.0], [0.0, 1.0]]] * 2),
                torch.tensor([[[8.0, 0.0], [0.0, 4.0]]] * 2),
                torch.tensor([[True, True], [True, False]]),
                *[torch.eye(2) for _ in range(4)],
                2,
            ),
        ),
        _heads_case("two heads", [5, 3], 3, 5, 4, 2, 2, 3, seed=11),
        _heads_case("three heads", [4, 4, 2], 2, 4, 6, 3, 2, 2, seed=12),
        _heads_case("nothing to attend to", [4, 0], 3, 4, 6, 2, 3, 2, seed=13),
        _heads_case("all sizes alike", [3, 2, 3], 3, 3, 3, 3, 3, 3, seed=14),
        _heads_case("one head", [5, 4], 2, 5, 4, 1, 4, 3, seed=15),
    ],
    mistakes=[
        bugs_left(bugs, _HEAD_BUGS, _attend_with_heads, _FIRST_TO_SHOW)
        for count in range(1, len(_HEAD_BUGS) + 1)
        for bugs in combinations(_HEAD_BUGS, count)
    ]
    + [
        Mistake(name, sentence, partial(_attend_with_heads, bugs=(bug,)), look)
        for bug, name, sentence, look in [
            (
                "all viewed",
                "everything cut by a view",
                "Queries, keys, values and output are cut and joined by a "
                "view alone, so a head holds several positions of each.",
                "First (B, T, H, d), then swap T and H, then fold; and back "
                "again after.",
            ),
            (
                "interleaved",
                "every H-th number goes to a head",
                "A head gets every H-th number of a projection. It should "
                "get d that stand side by side.",
                "view(B, T, H, d), not view(B, T, d, H).",
            ),
            (
                "unscaled",
                "no scale",
                "The scores are not divided by √d_k.",
                "The line that makes the scores.",
            ),
            (
                "by d",
                "divided by d_k",
                "The scores are divided by d_k. It is its square root that "
                "keeps their spread.",
                "The line that makes the scores: √d_k.",
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
                "-1e9",
                "-1e9 in place of -inf",
                "A sentence with nothing to attend to gets equal weights: "
                "all its scores are -1e9. Its weights should be 0.",
                "masked_softmax handles such rows.",
            ),
            (
                "nan",
                "an empty row of -inf",
                "A sentence with nothing to attend to has only scores of "
                "-inf, and their softmax is 0/0. Its weights should be 0.",
                "masked_softmax handles such rows.",
            ),
            (
                "over heads",
                "a softmax over the heads",
                "For each query and key, the weights sum to 1 over the "
                "heads. Each head must spend 1 over the keys.",
                "The keys are the last axis: dim=-1.",
            ),
            (
                "over the rows",
                "a softmax over sentences and heads",
                "The weights sum to 1 over the folded rows: sentences and "
                "heads. Each row must spend 1 over its keys.",
                "The keys are the last axis: dim=-1.",
            ),
            (
                "sentences last",
                "sentences and heads changed over",
                "The folded rows are read as heads first, then sentences. "
                "They were folded with the sentences outermost.",
                "Row b · H + h: unfold to (B, H, T, d_v).",
            ),
            (
                "no output projection",
                "the output projection is missing",
                "The heads lie side by side and nothing mixes them.",
                "The last product: merged heads times W_o, transposed.",
            ),
            (
                "transposed",
                "the output projection is transposed",
                "W_o is stored as nn.Linear stores it, (D, H·d_v), and has "
                "to be transposed.",
                "`merged @ W_o.T`.",
            ),
            (
                "mean",
                "the weights averaged over the heads",
                "You return one map for all heads, as nn.MultiheadAttention "
                "does by default. Each head has its own.",
                "(B, H, T, S): unfold the heads, and take no mean.",
            ),
        ]
    ],
    right_answers=[_heads_by_loops, _heads_by_einsum, _heads_as_a_sum],
    properties=[
        Property(
            "A head whose columns of W_o are 0 is not heard.",
            _one_head_is_heard_alone,
            "In which order are the heads merged?",
        )
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B T D", "weights": "B H T S"},
    fresh=anew(
        _heads_case,
        S=(2, 5),
        lengths="S",
        T=(2, 4),
        D=(2, 6),
        H=(1, 3),
        d_k=(2, 4),
        d_v=(2, 4),
    ),
)


# ------------------------------------ 3. How far apart two heads look


def _entropy(weights):
    """The entropy of each row, in nats; 0 log 0 is 0."""
    return torch.special.entr(weights).sum(-1)


def _divergence(p, q):
    """Kullback and Leibler's divergence of each row of p from q."""
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)


def _head_distances(weights, query_mask, mistake=None, least=0.0):
    H = weights.shape[1]
    apart = weights.transpose(0, 1)  # (H, B, T, S)
    if mistake == "padding":
        query_mask = torch.ones_like(query_mask)
    rows = apart[:, query_mask]  # (H, rows, S)
    if mistake != "nothing over nothing" and not rows.shape[1]:
        return torch.zeros(H, H)
    if mistake == "of the averages":
        rows = rows.mean(1, keepdim=True)
    p, q = rows[:, None], rows[None]  # (H, 1, rows, S), (1, H, rows, S)
    middle = (p + q) / 2  # (H, H, rows, S)
    if mistake == "nan":
        entropy = -(rows * rows.log()).sum(-1)
        between = -(middle * middle.log()).sum(-1)
        each = between - (entropy[:, None] + entropy[None]) / 2
        return each.mean(-1)
    if mistake == "0/0":
        each = torch.xlogy(p, p / middle) + torch.xlogy(q, q / middle)
        each = each.sum(-1) / 2
    elif mistake == "backwards":
        each = _divergence(middle, p.clamp(min=least))
        each = (each + _divergence(middle, q.clamp(min=least))) / 2
    elif mistake == "kl":
        each = _divergence(p, q)
    elif mistake == "both kl":
        each = (_divergence(p, q) + _divergence(q, p)) / 2
    elif mistake == "one side":
        each = _divergence(p, middle)
    elif mistake == "no half":
        each = _divergence(p, middle) + _divergence(q, middle)
    elif mistake == "entropies":
        each = (_entropy(p) - _entropy(q)).abs()
    elif mistake == "variation":
        each = (p - q).abs().sum(-1) / 2
    elif mistake == "cosine":
        each = 1 - F.cosine_similarity(p, q, dim=-1)
    elif mistake == "upside down":
        each = (_entropy(p) + _entropy(q)) / 2 - _entropy(middle)
    elif mistake == "sum in the middle":
        each = (_divergence(p, p + q) + _divergence(q, p + q)) / 2
    else:
        each = _entropy(middle) - (_entropy(p) + _entropy(q)) / 2
    each = each.clamp(min=0) if mistake == "root" else each
    if mistake == "bits":
        each = each / math.log(2)
    elif mistake == "root":
        each = each.sqrt()
    elif mistake == "over keys":
        each = each / weights.shape[-1]
    if mistake == "sum":
        return each.sum(-1)
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


def _maps_case(name, lengths, H, T, S, seed, tokens=None):
    """Rows past a sentence's length are padding and hold anything."""
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    scores = normal(generator, B, H, T, S, scale=1.2)
    mask = token_mask(tokens or [S] * B, S)
    weights = masked_softmax(scores, mask[:, None, None])
    return Case(name, (weights, token_mask(lengths, T)))


def _distances_follow_the_heads(answer):
    weights, real = _maps_case("", [4, 3], 4, 4, 6, 29).arguments
    order = torch.tensor([2, 0, 3, 1])
    before, after = answer(weights, real), answer(weights[:, order], real)
    return torch.allclose(after, before[order][:, order], atol=1e-5)


def _places_of_the_keys_do_not_count(answer):
    weights, real = _maps_case("", [4, 3], 3, 4, 6, 30).arguments
    before, after = answer(weights, real), answer(weights.flip(-1), real)
    return torch.allclose(after, before, atol=1e-5)


_DISTANCE_MISTAKES = [
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


_DISTANCES = Exercise(
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
        _maps_case("padded targets", [5, 2, 3], 3, 5, 4, seed=22),
        _maps_case("padded tokens", [4, 3], 2, 4, 6, 23, [6, 4]),
        _maps_case("all sizes alike", [3, 2, 1], 3, 3, 3, seed=24),
        _maps_case("a sentence without rows", [0, 4], 2, 4, 3, seed=25),
        _maps_case("no row counts", [0, 0], 2, 2, 3, seed=26),
    ],
    mistakes=[
        *named(_head_distances, _DISTANCE_MISTAKES),
        Mistake(
            "divergences the wrong way round",
            "You compare the middle with each head, KL(m ‖ p). Asked is each "
            "head against the middle, KL(p ‖ m).",
            partial(_head_distances, mistake="backwards"),
            "F.kl_div(x, y) is KL(y ‖ eˣ): the logarithm goes first and "
            "belongs to m.",
            also=[
                partial(_head_distances, mistake="backwards", least=least)
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
    fresh=anew(
        _maps_case,
        T=(1, 5),
        lengths="T",
        S=(2, 6),
        H=(2, 4),
        tokens=lambda random, drawn: random.integers(
            2, drawn["S"] + 1, len(drawn["lengths"])
        ).tolist(),
    ),
)


# --------------------------------------------------- 4. Heads that talk


def _mix(matrix, x):
    """Mix the heads of (B, H, T, S) by a matrix (H_new, H)."""
    return torch.einsum("gh,bhts->bgts", matrix, x)


def _talking_heads(
    query, key, value, mask, mix_scores, mix_weights, mistake=None
):
    d_k = key.shape[-1]
    allowed = mask[:, None, None]  # (B, 1, 1, S)
    before, after = mix_scores, mix_weights
    if mistake == "swapped":
        before, after = after, before
    elif mistake == "transposed":
        before, after = before.T, after.T
    elif mistake == "scores transposed":
        before = before.T
    elif mistake == "weights transposed":
        after = after.T
    if mistake == "mask on the heads":
        allowed = mask[:, None]  # (B, 1, S) meets (B, H, T, S) from the right
    scores = query @ key.transpose(-2, -1)  # (B, H_k, T, S)
    if mistake == "by d":
        scores = scores / d_k
    elif mistake == "wide":
        scores = scores / (d_k * query.shape[1]) ** 0.5
    elif mistake != "unscaled":
        scores = scores / d_k**0.5
    if mistake == "early mask":
        scores = scores.masked_fill(~allowed, -torch.inf)
    elif mistake == "early -1e9":
        scores = scores.masked_fill(~allowed, -1e9)
    if mistake == "weights first":
        scores = masked_softmax(scores, allowed)
    if mistake not in ("silent scores", "silent"):
        scores = _mix(before, scores)  # (B, H, T, S)
    if mistake in ("early mask", "early -1e9", "unmasked"):
        weights = scores.softmax(-1)
    elif mistake == "late mask":
        weights = scores.softmax(-1) * allowed
    elif mistake == "inverted":
        weights = masked_softmax(scores, ~allowed)
    elif mistake == "over heads":
        weights = masked_softmax(scores, allowed, 1)
    elif mistake == "over queries":
        weights = masked_softmax(scores, allowed, 2)
    elif mistake == "-1e9":
        weights = scores.masked_fill(~allowed, -1e9).softmax(-1)
    elif mistake == "nan":
        weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
    elif mistake == "weights first":
        weights = scores
    else:
        weights = masked_softmax(scores, allowed)
    if mistake == "outputs mixed":
        return _mix(after, weights @ value), _mix(after, weights)
    if mistake not in ("silent weights", "silent"):
        plain = weights
        weights = _mix(after, weights)  # (B, H_v, T, S)
        if mistake == "plain weights returned":
            return weights @ value, plain
    if mistake == "rows to 1":
        total = weights.sum(-1, keepdim=True)
        weights = weights / torch.where(total == 0, 1, total)
    elif mistake == "softmax twice":
        weights = masked_softmax(weights, allowed)
    return weights @ value, weights


def _talking_by_convolution(query, key, value, mask, mix_scores, mix_weights):
    """To mix the heads of a map is a convolution of 1 by 1."""
    scores = torch.einsum("bhtd,bhsd->bhts", query, key)
    scores = scores * key.shape[-1] ** -0.5
    scores = F.conv2d(scores, mix_scores[:, :, None, None])
    weights = masked_softmax(scores, mask[:, None, None])
    weights = F.conv2d(weights, mix_weights[:, :, None, None])
    return torch.einsum("bhts,bhsv->bhtv", weights, value), weights


def _talking_by_loops(query, key, value, mask, mix_scores, mix_weights):
    plain = [
        q @ k.transpose(-2, -1) / k.shape[-1] ** 0.5
        for q, k in zip(query.unbind(1), key.unbind(1), strict=True)
    ]  # each (B, T, S)
    weights = []
    for row in mix_scores:
        mixed = sum(w * score for w, score in zip(row, plain, strict=True))
        weights.append(masked_softmax(mixed, mask[:, None]))
    spoken = [
        sum(w * one for w, one in zip(row, weights, strict=True))
        for row in mix_weights
    ]
    output = [
        w @ v for w, v in zip(spoken, value.unbind(1), strict=True)
    ]  # each (B, T, d_v)
    return torch.stack(output, 1), torch.stack(spoken, 1)


def _talking_by_matmul(query, key, value, mask, mix_scores, mix_weights):
    """The heads moved to the end, as nn.Linear wants them."""
    scores = query @ key.transpose(-2, -1) / key.shape[-1] ** 0.5
    scores = F.linear(scores.movedim(1, -1), mix_scores)  # (B, T, S, H)
    weights = masked_softmax(scores, mask[:, None, :, None], dim=2)
    weights = F.linear(weights, mix_weights).movedim(-1, 1)
    return weights @ value, weights


def _talk_case(name, lengths, heads, T, S, d_k, d_v, seed):
    generator = torch.Generator().manual_seed(seed)
    B, (H_k, H, H_v) = len(lengths), heads
    return Case(
        name,
        (
            normal(generator, B, H_k, T, d_k),
            normal(generator, B, H_k, S, d_k),
            normal(generator, B, H_v, S, d_v),
            token_mask(lengths, S),
            normal(generator, H, H_k, scale=0.8),
            normal(generator, H_v, H, scale=0.8),
        ),
    )


def _silent_heads_are_plain_heads(answer):
    query, key, value, mask, *_ = _talk_case(
        "", [5, 5], (3, 3, 3), 4, 5, 2, 3, 49
    ).arguments
    same = torch.eye(3)
    output, _ = answer(query, key, value, mask, same, same)
    plain = F.scaled_dot_product_attention(query, key, value)
    return torch.allclose(output, plain, atol=1e-5)


_TALKING = Exercise(
    "04-talking-heads",
    "Let the heads talk",
    points=4,
    reference=_talking_heads,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor([[[[1.0]], [[2.0]]]] * 2),  # (2, 2, 1, 1)
                torch.tensor([[[[1.0], [0.0]], [[0.0], [1.0]]]] * 2),
                torch.tensor([[[[8.0], [4.0]], [[1.0], [0.0]]]] * 2),
                torch.tensor([[True, True], [True, False]]),
                torch.tensor([[1.0, 1.0], [0.0, 1.0]]),
                torch.tensor([[1.0, -1.0], [0.0, 2.0]]),
            ),
        ),
        _talk_case("two heads", [4, 3], (2, 2, 2), 3, 4, 3, 2, seed=41),
        _talk_case("more heads", [5, 2, 4], (2, 3, 2), 3, 5, 2, 4, seed=42),
        _talk_case("three counts", [4, 4], (4, 3, 2), 2, 4, 3, 5, seed=43),
        _talk_case("nothing to attend to", [4, 0], (2, 3, 4), 3, 4, 2, 3, 44),
        _talk_case("all sizes alike", [3, 3, 2], (3, 3, 3), 3, 3, 3, 3, 45),
        _talk_case("one key", [1, 1], (2, 2, 3), 4, 1, 3, 2, seed=46),
    ],
    mistakes=named(
        _talking_heads,
        [
            (
                "early mask",
                "-inf among the scores that are mixed",
                "Padding has the score -inf before the mixing. Times a "
                "negative number that is +inf, and -inf + inf is NaN.",
                "Mix the finite scores first, then mask.",
            ),
            (
                "early -1e9",
                "-1e9 among the scores that are mixed",
                "Padding has the score -1e9 before the mixing. Times a "
                "negative number it is the largest score of all.",
                "Mix the finite scores first, then mask.",
            ),
            (
                "transposed",
                "both matrices transposed",
                "The heads that come out are the *rows* of a mixing matrix, "
                "as in nn.Linear.",
                "new[g] is the sum over h of matrix[g, h] · old[h].",
            ),
            (
                "scores transposed",
                "mix_scores transposed",
                "The first mixing goes by columns. The heads that come out "
                "are the *rows* of the matrix, as in nn.Linear.",
                "new[i] is the sum over h of mix_scores[i, h] · old[h].",
            ),
            (
                "weights transposed",
                "mix_weights transposed",
                "The second mixing goes by columns. The heads that come out "
                "are the *rows* of the matrix, as in nn.Linear.",
                "new[g] is the sum over i of mix_weights[g, i] · old[i].",
            ),
            (
                "silent",
                "heads that do not talk",
                "This is plain multi-head attention: neither the scores nor "
                "the weights are mixed.",
                "Both small matrices: are they used?",
            ),
            (
                "mask on the heads",
                "a mask that lands on the heads",
                "mask[:, None] is (B, 1, S), and next to (B, H, T, S) its B "
                "stands where the heads are: each *head* gets the mask of a "
                "sentence.",
                "Shapes are matched from the right: mask[:, None, None].",
            ),
            (
                "swapped",
                "the two matrices changed over",
                "mix_weights mixes the scores and mix_scores the weights.",
                "The names say what each of them mixes.",
            ),
            (
                "silent scores",
                "scores that are not mixed",
                "The heads do not talk before the softmax.",
                "mix_scores, between the scores and the softmax.",
            ),
            (
                "silent weights",
                "weights that are not mixed",
                "The heads do not talk after the softmax.",
                "mix_weights, between the softmax and the values.",
            ),
            (
                "weights first",
                "both mixings after the softmax",
                "The first mixing comes after the softmax too. It belongs on "
                "the scores.",
                "Scores, mix, softmax, mix, values.",
            ),
            (
                "outputs mixed",
                "outputs mixed in place of weights",
                "You blended the values of each head first, then mixed. A "
                "mixed map has to meet the values of *its* head.",
                "(mix_weights · weights) @ value.",
            ),
            (
                "plain weights returned",
                "the weights before the mixing",
                "The output is right. The weights that you return are those "
                "before they are mixed.",
                "Return the weights that meet the values.",
            ),
            (
                "rows to 1",
                "rows divided by their sum",
                "After the mixing you made each row sum to 1 again. Mixed "
                "weights may sum to anything, and be negative.",
                "Nothing stands between the second mixing and the values.",
            ),
            (
                "softmax twice",
                "a second softmax",
                "There is a softmax after the second mixing too.",
                "Nothing stands between the second mixing and the values.",
            ),
            (
                "unscaled",
                "no scale",
                "The scores are not divided by √d_k.",
                "The line that makes the scores.",
            ),
            (
                "by d",
                "divided by d_k",
                "The scores are divided by d_k. It is its square root that "
                "keeps their spread.",
                "The line that makes the scores.",
            ),
            (
                "wide",
                "the scale of all heads together",
                "The scores are divided by √(H_k · d_k). A head's dot "
                "product has d_k terms.",
                "The line that makes the scores.",
            ),
            (
                "over heads",
                "a softmax over the heads",
                "For each query and key, the weights sum to 1 over the "
                "heads. The softmax runs over the keys.",
                "The keys are the last axis: dim=-1.",
            ),
            (
                "over queries",
                "a softmax over the queries",
                "For each key, the weights sum to 1 over the queries. The "
                "softmax runs over the keys.",
                "The keys are the last axis: dim=-1.",
            ),
            (
                "late mask",
                "a mask after the softmax",
                "The mask cuts weights off after the softmax, so the share "
                "of the padding is lost.",
                "Use masked_softmax.",
            ),
            (
                "inverted",
                "the mask is inverted",
                "The padding is attended to and the tokens are not.",
                "True = may attend.",
            ),
            (
                "unmasked",
                "the mask is not used",
                "The padding has weight.",
                "masked_softmax(scores, mask[:, None, None]).",
            ),
            (
                "-1e9",
                "-1e9 in place of -inf",
                "A sentence with nothing to attend to gets equal weights: "
                "all its scores are -1e9. Its weights should be 0.",
                "masked_softmax handles such rows.",
            ),
            (
                "nan",
                "an empty row of -inf",
                "A sentence with nothing to attend to has only scores of "
                "-inf, and their softmax is 0/0. Its weights should be 0.",
                "masked_softmax handles such rows.",
            ),
        ],
    ),
    right_answers=[
        _talking_by_convolution,
        _talking_by_loops,
        _talking_by_matmul,
    ],
    properties=[
        Property(
            "With identity matrices the heads are those of "
            "F.scaled_dot_product_attention.",
            _silent_heads_are_plain_heads,
        )
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B H_v T d_v", "weights": "B H_v T S"},
    fresh=anew(
        _talk_case,
        S=(1, 5),
        lengths="S",
        heads=lambda random, _: random.integers(2, 5, 3).tolist(),
        T=(1, 4),
        d_k=(1, 4),
        d_v=(1, 5),
    ),
)


# ------------------------------------------- 5. Cut heads out of the matrices

_PROJECTIONS = ("query", "key", "value")


def _prune_heads(layer, num_heads, gate, mean, mistake=None):
    W_o, b_o = layer["output_weight"], layer["output_bias"]
    D = len(W_o)
    gates = torch.tensor(gate)  # (H,)
    keep = gates != 0
    if mistake == "negative dropped":
        keep = gates > 0
    elif mistake == "below a half":
        keep = gates >= 0.5
    elif mistake == "up to a half":
        keep = gates > 0.5
    elif mistake == "inverted":
        keep = ~keep
    elif mistake == "zeroed":
        keep = torch.ones_like(keep)
    if mistake == "not unique":
        gates = gates.clamp(max=1)
    pruned = {}
    for name in _PROJECTIONS:
        weight, bias = layer[f"{name}_weight"], layer[f"{name}_bias"]
        rows = keep.repeat_interleave(len(weight) // num_heads)  # (H·d,)
        if mistake == "interleaved":
            rows = keep.repeat(len(weight) // num_heads)
        elif mistake == "one width":
            rows = keep.repeat_interleave(mean.shape[1])
        if mistake == "one width" and len(rows) != len(weight):
            rows = rows[: len(weight)]
            weight, bias = weight[: len(rows)], bias[: len(rows)]
        if mistake == "zeroed":
            on = (gates != 0).repeat_interleave(len(weight) // num_heads)
            weight, bias = weight * on[:, None], bias * on
        pruned[f"{name}_weight"] = weight[rows]
        pruned[f"{name}_bias"] = (
            bias if mistake == "whole biases" else bias[rows]
        )
    heads = W_o.view(D, num_heads, -1)  # (D, H, d_v)
    scaled = heads * gates[:, None]
    if mistake == "interleaved":
        d_v = mean.shape[1]
        heads = W_o.view(D, d_v, num_heads).transpose(1, 2)
        scaled = W_o * gates.repeat(d_v)
        scaled = scaled[:, keep.repeat(d_v)][:, None]
    elif mistake == "output interleaved":
        d_v = mean.shape[1]
        scaled = W_o.view(D, d_v, num_heads) * gates
        scaled = scaled[..., keep]
    elif mistake == "gate forgotten":
        scaled = heads[:, keep]
    elif mistake in ("gate in the values", "gate on the weight alone"):
        scaled = heads[:, keep]
        on = gates[keep].repeat_interleave(mean.shape[1])
        pruned["value_weight"] = pruned["value_weight"] * on[:, None]
        if mistake == "gate in the values":
            pruned["value_bias"] = pruned["value_bias"] * on
    elif mistake == "gate twice":
        on = gates[keep].repeat_interleave(mean.shape[1])
        scaled = scaled[:, keep]
        pruned["value_weight"] = pruned["value_weight"] * on[:, None]
        pruned["value_bias"] = pruned["value_bias"] * on
    elif mistake == "scaled up":
        scaled = scaled[:, keep] * (num_heads / max(1, int(keep.sum())))
    else:
        scaled = scaled[:, keep]
    pruned["output_weight"] = scaled.reshape(D, -1)  # (D, K·d_v)
    if mistake in ("rows of the output", "rows, without the gate"):
        on = gates.repeat_interleave(mean.shape[1])
        W_cut = W_o * on if mistake == "rows of the output" else W_o
        rows = keep.repeat_interleave(-(-D // num_heads))[:D]
        pruned["output_weight"] = W_cut[rows]
    rest = 1 - gates
    if mistake == "mean forgotten":
        rest = torch.zeros_like(gates)
    elif mistake == "mean of all heads":
        rest = torch.ones_like(gates)
    elif mistake == "mean of pruned heads alone":
        rest = (~keep).to(gates)
    elif mistake == "mean of kept heads":
        rest = gates
    elif mistake == "mean with the pruned columns":
        # The columns carry the gate already, 0 where a head is pruned.
        rest = (1 - gates) * gates
    if mistake == "matrix transposed":
        pruned["output_bias"] = b_o + W_o.T @ (rest[:, None] * mean).flatten()
    elif mistake == "mean without the matrix":
        pruned["output_bias"] = b_o + (rest[:, None] * mean).flatten()[:D]
    elif mistake == "new bias alone":
        pruned["output_bias"] = torch.einsum("ohd,h,hd->o", heads, rest, mean)
    elif mistake == "in place":
        b_o += torch.einsum("ohd,h,hd->o", heads, rest, mean)
        pruned["output_bias"] = b_o
    else:
        pruned["output_bias"] = b_o + torch.einsum(
            "ohd,h,hd->o", heads, rest, mean
        )  # (D,)
    if mistake == "new parameters":
        return {name: torch.nn.Parameter(x) for name, x in pruned.items()}
    if mistake == "detached":
        return {name: x.detach() for name, x in pruned.items()}
    return pruned


def _prune_by_slices(layer, num_heads, gate, mean):
    """Head by head, and all pieces laid together at the end."""
    parts = {name: [layer[name][:0]] for name in layer if "output" not in name}
    columns = [layer["output_weight"][:, :0]]
    bias = layer["output_bias"]
    for h, g in enumerate(gate):
        block = layer["output_weight"].chunk(num_heads, dim=1)[h]  # (D, d_v)
        bias = bias + (1 - g) * (block @ mean[h])
        if g == 0:
            continue
        columns.append(g * block)
        for name, pieces in parts.items():
            pieces.append(layer[name].chunk(num_heads)[h])
    pruned = {name: torch.cat(pieces) for name, pieces in parts.items()}
    return {
        **pruned,
        "output_weight": torch.cat(columns, dim=1),
        "output_bias": bias,
    }


def _prune_by_views(layer, num_heads, gate, mean):
    kept = [h for h, g in enumerate(gate) if g != 0]
    pruned = {
        name: x.unflatten(0, (num_heads, -1))[kept].flatten(0, 1)
        for name, x in layer.items()
        if not name.startswith("output")
    }
    gate = mean.new_tensor(gate)
    W_o = layer["output_weight"]
    still = (mean * (1 - gate)[:, None]).flatten()  # (H·d_v,)
    pruned["output_bias"] = layer["output_bias"] + W_o @ still
    scaled = W_o.unflatten(1, (num_heads, -1)) * gate[:, None]
    pruned["output_weight"] = scaled[:, kept].flatten(1)
    return pruned


def _layer(generator, D, H, d_k, d_v):
    layer = {}
    for name, d in zip(_PROJECTIONS, (d_k, d_k, d_v), strict=True):
        layer[f"{name}_weight"] = normal(generator, H * d, D, scale=0.6)
        layer[f"{name}_bias"] = normal(generator, H * d)
    layer["output_weight"] = normal(generator, D, H * d_v, scale=0.6)
    layer["output_bias"] = normal(generator, D)
    return layer


def _run_prune(answer, layer, num_heads, gate, mean):
    """Call an answer, and put the entries of its dict in a fixed order."""
    pruned = answer(layer, num_heads, gate, mean)
    if not isinstance(pruned, dict) or set(pruned) != set(layer):
        return pruned
    return {name: pruned[name] for name in layer}


def _prune_case(name, D, d_k, d_v, gate, seed):
    generator = torch.Generator().manual_seed(seed)
    H = len(gate)
    layer = _layer(generator, D, H, d_k, d_v)
    return Case(name, (layer, H, gate, normal(generator, H, d_v)))


def _heads_of(layer, num_heads, x, memory):
    """The output of each head, (B, H, T, d_v), before it is projected."""
    q, k, v = (
        F.linear(at, layer[f"{name}_weight"], layer[f"{name}_bias"])
        .unflatten(-1, (num_heads, -1))
        .transpose(1, 2)
        for name, at in zip(_PROJECTIONS, (x, memory, memory), strict=True)
    )
    return F.scaled_dot_product_attention(q, k, v)


def _pruned_attends_as_the_gated(answer):
    generator = torch.Generator().manual_seed(59)
    layer, gate = _layer(generator, 8, 4, 3, 2), [0.0, 1.0, 0.0, 0.5]
    mean = normal(generator, 4, 2)
    x, memory = normal(generator, 2, 3, 8), normal(generator, 2, 5, 8)
    pruned = answer(layer, 4, gate, mean)
    outputs = []
    gates = torch.tensor(gate)[:, None, None]
    whole = _heads_of(layer, 4, x, memory)
    whole = gates * whole + (1 - gates) * mean[:, None]
    for heads, one in (
        (whole, layer),
        (
            _heads_of(pruned, 2, x, memory),
            pruned,
        ),
    ):
        merged = heads.transpose(1, 2).flatten(2)  # (B, T, H·d_v)
        outputs.append(
            F.linear(merged, one["output_weight"], one["output_bias"])
        )
    return torch.allclose(*outputs, atol=1e-4)


_PRUNE_MISTAKES = [
    (
        "zeroed",
        "zeros in place of a cut",
        "The pruned heads are set to zero and still there: nothing "
        "gets smaller.",
        "Take the rows of the heads that stay: K · d of them.",
    ),
    (
        "inverted",
        "the pruned heads kept",
        "You kept the heads with gate 0 and cut the others.",
        "gate != 0 are those that stay.",
    ),
    (
        "interleaved",
        "every H-th row taken for a head",
        "Rows are taken H apart. A head has d rows that stand side by side.",
        "Head h has the rows h · d to (h + 1) · d.",
    ),
    (
        "output interleaved",
        "every H-th column taken for a head",
        "Columns of output_weight are taken H apart. A head has d_v "
        "columns that stand side by side.",
        "view(D, H, d_v), not view(D, d_v, H).",
    ),
    (
        "one width",
        "one width for all matrices",
        "Queries and keys are cut by d_v. They are d_k wide.",
        "len(layer['query_weight']) // num_heads, and so for each.",
    ),
    (
        "whole biases",
        "biases left whole",
        "The matrices are cut and their biases are not.",
        "query_bias, key_bias and value_bias lose the same rows.",
    ),
    (
        "gate forgotten",
        "gates of a half taken for 1",
        "Heads that stay are kept at full strength. Each has its gate.",
        "Multiply the columns of head h in output_weight by gate[h].",
    ),
    (
        "gate in the values",
        "the gate in the value projection",
        "The output would be the same, but query, key and value "
        "projections stay as they are.",
        "Multiply the columns of head h in output_weight by gate[h].",
    ),
    (
        "gate on the weight alone",
        "a gate that misses the value's bias",
        "The gate is in value_weight and not in value_bias, so part "
        "of the head stays at full strength.",
        "Multiply the columns of head h in output_weight by gate[h].",
    ),
    (
        "gate twice",
        "the gate twice",
        "The gate is in the values and in output_weight: it counts squared.",
        "Only the columns of output_weight carry it.",
    ),
    (
        "scaled up",
        "rescaled by H/K",
        "What remains is multiplied by H/K, as dropout does. The "
        "gates alone say how strong a head is.",
        "No factor but gate[h].",
    ),
    (
        "negative dropped",
        "a negative gate taken for 0",
        "Heads with a negative gate are cut. Only a gate of exactly 0 prunes.",
        "gate != 0, not gate > 0.",
    ),
    (
        "below a half",
        "a threshold",
        "Heads with a small gate are cut. Only a gate of exactly 0 prunes.",
        "gate != 0, without a threshold.",
        "up to a half",
    ),
    (
        "mean forgotten",
        "the means are left out",
        "A pruned head leaves nothing behind. It should leave its "
        "mean, as part of the bias.",
        "output_bias: add the columns of head h times (1 - gate[h]) "
        "· mean[h].",
    ),
    (
        "mean of all heads",
        "the whole mean of every head",
        "Each head leaves its whole mean. Only the part that the gate "
        "takes away is replaced.",
        "The factor is 1 - gate[h].",
    ),
    (
        "mean of pruned heads alone",
        "only pruned heads leave a mean",
        "Heads that are gated and stay leave (1 - gate[h]) · mean[h] too.",
        "The formula holds for each head, whatever its gate.",
    ),
    (
        "mean of kept heads",
        "the gate where its rest belongs",
        "The means are weighted by the gate. It is what the gate "
        "takes away that is replaced.",
        "The factor is 1 - gate[h].",
    ),
    (
        "mean with the pruned columns",
        "means through columns that are already gated",
        "The means went through columns that the gate had scaled, so "
        "a pruned head leaves nothing.",
        "Make output_bias from the columns as they were.",
    ),
    (
        "mean without the matrix",
        "means that skip the output projection",
        "The means are added to output_bias as they are. A head's "
        "output goes through its columns of output_weight first.",
        "(D, d_v) @ (d_v,) for each head.",
    ),
    (
        "matrix transposed",
        "means through the transposed matrix",
        "The means went through output_weight, transposed. As it is "
        "stored, it takes H · d_v numbers to D.",
        "output_weight @ means, without `.T`.",
    ),
    (
        "new bias alone",
        "the old bias is lost",
        "The new output_bias holds the means alone.",
        "Add them to the bias that was there.",
    ),
    (
        "in place",
        "the layer is changed in place",
        "Your code changes the layer that it was given. Whoever "
        "prunes it again, with other gates, gets something else.",
        "`b = b + x` makes a new tensor, `b += x` does not.",
    ),
]


_PRUNE = Exercise(
    "04-prune-heads",
    "Cut heads out of the matrices",
    points=5,
    reference=_prune_heads,
    cases=[
        Case(
            "the worked example",
            (
                {
                    "query_weight": torch.eye(2),
                    "query_bias": torch.zeros(2),
                    "key_weight": torch.eye(2),
                    "key_bias": torch.zeros(2),
                    "value_weight": torch.eye(2),
                    "value_bias": torch.zeros(2),
                    "output_weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
                    "output_bias": torch.tensor([10.0, 20.0]),
                },
                2,
                [0.0, 0.5],
                torch.tensor([[1.0], [2.0]]),
            ),
        ),
        _prune_case("one of two", 4, 2, 2, [1.0, 0.0], seed=51),
        _prune_case("gates of all kinds", 6, 2, 3, [0.5, 0.0, -0.4, 1.5], 52),
        _prune_case("narrow values", 5, 4, 2, [0.0, 0.7, 0.3], seed=53),
        _prune_case("none pruned", 4, 3, 2, [1.0, 0.25], seed=54),
        _prune_case("all pruned", 3, 2, 2, [0.0, 0.0, 0.0], seed=55),
    ],
    mistakes=[
        *named(_prune_heads, _PRUNE_MISTAKES),
        Mistake(
            "rows of the output projection",
            "You cut rows of output_weight. It *reads* the heads, so they "
            "are its columns.",
            partial(_prune_heads, mistake="rows of the output"),
            "output_weight is (D, H · d_v): cut the second axis.",
            also=[partial(_prune_heads, mistake="rows, without the gate")],
        ),
        Mistake(
            "cut off from the graph",
            "The values are right, but no gradient reaches the layer: it "
            "could not be trained on.",
            partial(_prune_heads, mistake="detached"),
            "A .detach(), a .data, a torch.no_grad() or a new nn.Parameter.",
            also=[partial(_prune_heads, mistake="new parameters")],
        ),
    ],
    right_answers=[_prune_by_slices, _prune_by_views],
    properties=[
        Property(
            "The smaller layer attends as the gated one does.",
            _pruned_attends_as_the_gated,
        )
    ],
    tolerance=1e-5,
    gradients=True,
    run=_run_prune,
    fresh=anew(
        _prune_case,
        D=(2, 6),
        d_k=(1, 4),
        d_v=(1, 4),
        gate=lambda random, _: [
            random.choice([0.0, 1.0, round(random.uniform(-1, 2), 2)]).item()
            for _ in range(random.integers(2, 5))
        ],
    ),
)


EXERCISES = {
    exercise.grade_id: exercise
    for exercise in (_PREDICT, _HEADS, _DISTANCES, _TALKING, _PRUNE)
}

check_predict = _PREDICT.check
check_attend_with_heads = _HEADS.check
check_head_distances = _DISTANCES.check
check_talking_heads = _TALKING.check
check_prune_heads = _PRUNE.check


def points_so_far():
    """Print the points of each exercise of chapter 04, and their total."""
    _points_so_far(EXERCISES)
