"""Exercise 04.2: Repair heads that are folded into the batch."""

from __future__ import annotations

from dataclasses import replace

import torch

from attnbook.judging.attention_inputs import attention_inputs
from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew
from attnbook.judging.masked_weights import masked_weights
from attnbook.judging.named_mistakes import planted
from attnbook.judging.tensors import normal
from attnbook.judging.unrepaired import unrepaired
from attnbook.mechanisms.masked_softmax import masked_softmax

_BUGS = {
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
    "over queries": (
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
_FIRST_TO_SHOW = ("over queries", "full scale", "viewed", "repeated", "merged")


def _folded(x, num_heads):
    """Split (B, L, H·d) into heads and fold them: (B·H, L, d)."""
    B, L, width = x.shape
    x = x.view(B, L, num_heads, width // num_heads).transpose(1, 2)
    return x.reshape(B * num_heads, L, -1)


def _attend_with_heads(query, key, value, mask, W_q, W_k, W_v, W_o, num_heads):
    B, T, _ = query.shape
    left = _folded(query @ W_q.T, num_heads)  # (B·H, T, d_k)
    right = _folded(key @ W_k.T, num_heads)  # (B·H, S, d_k)
    content = _folded(value @ W_v.T, num_heads)  # (B·H, S, d_v)
    scores = left @ right.transpose(-2, -1) / left.shape[-1] ** 0.5
    allowed = mask.repeat_interleave(num_heads, 0)  # (B·H, S)
    weights = masked_softmax(scores, allowed[:, None])  # (B·H, T, S)
    output = (weights @ content).view(B, num_heads, T, -1)
    output = output.transpose(1, 2).reshape(B, T, -1)  # (B, T, H·d_v)
    return output @ W_o.T, weights.view(B, num_heads, T, -1)


def _folded_with(x, num_heads, bugs):
    B, L, _ = x.shape
    if "all viewed" in bugs:
        return x.reshape(B * num_heads, L, -1)
    if "interleaved" in bugs:
        x = x.view(B, L, -1, num_heads).permute(0, 3, 1, 2)
        return x.reshape(B * num_heads, L, -1)
    return _folded(x, num_heads)


def _unfolded_with(output, B, num_heads, bugs):
    """Undo the folding: from (B·H, T, d_v) to (B, T, H·d_v)."""
    T = output.shape[1]
    if "merged" in bugs or "all viewed" in bugs:
        return output.reshape(B, T, -1)
    if "sentences last" in bugs:
        output = output.view(num_heads, B, T, -1)
        return output.permute(1, 2, 0, 3).reshape(B, T, -1)
    output = output.view(B, num_heads, T, -1)
    order = (0, 2, 3, 1) if "interleaved" in bugs else (0, 2, 1, 3)
    return output.permute(*order).reshape(B, T, -1)


def _weights_with(scores, mask, num_heads, bugs):
    """Weights (B·H, T, S)."""
    if "repeated" in bugs:
        allowed = mask.repeat(num_heads, 1)
    else:
        allowed = mask.repeat_interleave(num_heads, 0)
    allowed = allowed[:, None]  # (B·H, 1, S)
    if "divided again" in bugs:
        weights = scores.softmax(-1) * allowed
        return weights / weights.sum(-1, keepdim=True).clamp(min=1e-9)
    if "by exp" in bugs:
        powers = scores.exp() * allowed
        total = powers.sum(-1, keepdim=True)
        return powers / torch.where(total == 0, 1, total)
    if "-100" in bugs:
        return scores.masked_fill(~allowed, -100.0).softmax(-1) * allowed.any(
            -1, keepdim=True
        )
    if "over heads" in bugs:
        apart = scores.unflatten(0, (-1, num_heads))  # (B, H, T, S)
        return masked_softmax(apart, mask[:, None, None], 1).flatten(0, 1)
    dim = 0 if "over the rows" in bugs else -1
    return masked_weights(masked_softmax, scores, allowed, bugs, dim)


def _draft(query, key, value, mask, W_q, W_k, W_v, W_o, num_heads, bugs):
    """The notebook's draft, with some of its bugs or another mistake."""
    B, T, D = query.shape
    d_k = len(W_q) // num_heads
    if "not transposed" in bugs:
        W_q, W_k, W_v = W_q.T, W_k.T, W_v.T
    left = query @ W_q.T
    if "viewed" in bugs:
        left = left.reshape(B * num_heads, T, d_k)
    else:
        left = _folded_with(left, num_heads, bugs)  # (B·H, T, d_k)
    right = _folded_with(key @ W_k.T, num_heads, bugs)  # (B·H, S, d_k)
    content = _folded_with(value @ W_v.T, num_heads, bugs)  # (B·H, S, d_v)
    scores = left @ right.transpose(-2, -1)  # (B·H, T, S)
    if "full scale" in bugs:
        scores = scores / D**0.5
    elif "by d" in bugs:
        scores = scores / d_k
    elif "unscaled" not in bugs:
        scores = scores / d_k**0.5
    weights = _weights_with(scores, mask, num_heads, bugs)
    output = _unfolded_with(weights @ content, B, num_heads, bugs)
    if "transposed" in bugs:
        output = output @ W_o
    elif "no output projection" not in bugs:
        output = output @ W_o.T  # (B, T, D)
    weights = weights.view(B, num_heads, T, -1)
    if "detached" in bugs:
        return output.detach(), weights.detach()
    if "folded" in bugs:
        return output, weights.flatten(0, 1)
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


def _heads_case(name, lengths, T, S, D, H, d_k, d_v, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    near = D**-0.5
    return Case(
        name,
        (
            *attention_inputs(generator, lengths, T, S, D, D, D, None, scale),
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


_OTHER_MISTAKES = [
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
        "divided again",
        "zeros after the softmax, divided again",
        "The padding is struck out after the softmax, and rows divided by "
        "what is left. If padding has by far the largest score, nothing is.",
        "Use masked_softmax: -inf before the softmax.",
    ),
    (
        "by exp",
        "exponentials that overflow",
        "Above 88, exp is infinite in single precision, and ∞/∞ is NaN.",
        "Use masked_softmax, which takes the largest score off first.",
    ),
    (
        "-100",
        "a finite score for what is masked",
        "Padding gets a score of -100, say. Where all tokens score less, "
        "it takes the weight.",
        "Use masked_softmax: -inf is below any score.",
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
        "not transposed",
        "projections that are not transposed",
        "Queries, keys and values are multiplied by the matrices as they "
        "are stored, (H·d, D).",
        "`x @ W.T`.",
    ),
    (
        "detached",
        "cut off from the graph",
        "The values are right, but no gradient flows back.",
        "A .detach(), a .data or a torch.no_grad().",
    ),
    (
        "folded",
        "weights that are still folded",
        "The weights come back as (B·H, T, S).",
        "weights.view(B, H, T, S).",
    ),
    (
        "mean",
        "the weights averaged over the heads",
        "You return one map for all heads, as nn.MultiheadAttention "
        "does by default. Each head has its own.",
        "(B, H, T, S): unfold the heads, and take no mean.",
    ),
]

EXERCISE = Exercise(
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
        _heads_case("large scores", [1, 5], 4, 5, 6, 2, 3, 2, 16, scale=12.0),
    ],
    mistakes=unrepaired(
        _BUGS,
        _draft,
        told_first=_FIRST_TO_SHOW,
    )
    + [
        # Who makes one of these slips has mended the other four bugs.
        replace(mistake, bugs=1)
        if mistake.name != "everything cut by a view"
        else mistake
        for mistake in planted(_draft, _OTHER_MISTAKES)
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
    parts=[
        Part("two", "two of the five bugs mended", 1, mended=2),
        Part("three", "three of the five bugs mended", 1, mended=3),
        Part("four", "four of the five bugs mended", 1, mended=4),
        Part("all", "all five bugs mended", 1, mended=5),
    ],
)
