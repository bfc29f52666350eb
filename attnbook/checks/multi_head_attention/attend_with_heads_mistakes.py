"""What heads that are folded into the batch give, and known mistakes."""

from __future__ import annotations

from dataclasses import replace

import torch

from attnbook.judging.masked_weights import masked_weights
from attnbook.judging.named_mistakes import planted
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


def attend_with_heads(query, key, value, mask, W_q, W_k, W_v, W_o, num_heads):
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


# What the scores are divided by.
_SCALES = {
    "full scale": lambda D, d_k, d_v, S, H: D**0.5,
    "by d": lambda D, d_k, d_v, S, H: d_k,
    "both scales": lambda D, d_k, d_v, S, H: (D * d_k) ** 0.5,
    "multiplied": lambda D, d_k, d_v, S, H: d_k**-0.5,
    "scaled after": lambda D, d_k, d_v, S, H: 1.0,
    "unscaled": lambda D, d_k, d_v, S, H: 1.0,
    "width of values": lambda D, d_k, d_v, S, H: d_v**0.5,
    "number of keys": lambda D, d_k, d_v, S, H: S**0.5,
    "number of heads": lambda D, d_k, d_v, S, H: H**0.5,
    "D/H": lambda D, d_k, d_v, S, H: (D / H) ** 0.5,
    "D//H": lambda D, d_k, d_v, S, H: (D // H) ** 0.5 or 1.0,
}


def _scale_with(D, d_k, d_v, S, H, bugs):
    found = [_SCALES[bug] for bug in bugs if bug in _SCALES]
    return found[0](D, d_k, d_v, S, H) if found else d_k**0.5


def _heads_outermost(x, num_heads):
    """Fold (B, L, H·d) the other way round: all sentences of head 1 first."""
    return x.unflatten(-1, (num_heads, -1)).permute(2, 0, 1, 3).flatten(0, 1)


def _folded_with(x, num_heads, bugs):
    B, L, _ = x.shape
    if "all viewed" in bugs:
        return x.reshape(B * num_heads, L, -1)
    if "interleaved" in bugs:
        x = x.view(B, L, -1, num_heads).permute(0, 3, 1, 2)
        return x.reshape(B * num_heads, L, -1)
    if "heads outermost" in bugs:
        return _heads_outermost(x, num_heads)
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
    if "heads below" in bugs:
        return output.flatten(1, 2)  # (B, H·T, d_v)
    if "heads averaged" in bugs:
        return output.mean(1).repeat(1, 1, num_heads)
    if "heads added" in bugs:
        return output.sum(1).repeat(1, 1, num_heads)
    if "numbers first" in bugs:
        return output.permute(0, 2, 3, 1).flatten(2)
    order = (0, 2, 3, 1) if "interleaved" in bugs else (0, 2, 1, 3)
    return output.permute(*order).reshape(B, T, -1)


def _weights_with(scores, mask, num_heads, bugs):
    """Weights (B·H, T, S)."""
    if "repeated" in bugs:
        allowed = mask.repeat(num_heads, 1)
    elif "not repeated" in bugs:
        allowed = mask
    elif "keys repeated" in bugs:
        allowed = mask.repeat_interleave(num_heads, 1)
    else:
        allowed = mask.repeat_interleave(num_heads, 0)
    allowed = allowed[:, None]  # (B·H, 1, S)
    if "sigmoid" in bugs:
        return scores.sigmoid() * allowed
    if "-1e9 added" in bugs:
        return (scores + torch.where(allowed, 0.0, -1e9)).softmax(-1)
    if "-1e4 added" in bugs:
        return (scores + torch.where(allowed, 0.0, -1e4)).softmax(-1)
    if "mask added" in bugs:
        return (scores + allowed).softmax(-1)
    if "NaN to 0" in bugs:
        bias = torch.zeros(allowed.shape).masked_fill(~allowed, -torch.inf)
        return (scores + bias).softmax(-1).nan_to_num(0.0)
    if "divided again" in bugs or "divided again or by 1" in bugs:
        total = (scores.softmax(-1) * allowed).sum(-1, keepdim=True)
        if "divided again" in bugs:
            total = total.clamp(min=1e-9)
        return scores.softmax(-1) * allowed / total.where(total != 0, 1)
    if "by exp" in bugs:
        powers = scores.exp() * allowed
        total = powers.sum(-1, keepdim=True)
        return powers / total.where(total != 0, 1)
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
    if "W_q twice" in bugs:
        W_k = W_q
    if "key for value" in bugs:
        key, value = value, key
    if "mask on the values" in bugs:
        value, mask = value * mask[..., None], torch.ones_like(mask)
    left = query @ W_q.T
    if "viewed" in bugs:
        left = left.reshape(B * num_heads, T, d_k)
    elif "queries outermost" in bugs:
        left = _heads_outermost(left, num_heads)
    else:
        left = _folded_with(left, num_heads, bugs)  # (B·H, T, d_k)
    right = _folded_with(key @ W_k.T, num_heads, bugs)  # (B·H, S, d_k)
    content = _folded_with(value @ W_v.T, num_heads, bugs)  # (B·H, S, d_v)
    scores = left @ right.transpose(-2, -1)  # (B·H, T, S)
    sizes = D, d_k, content.shape[-1], key.shape[1], num_heads
    scores = scores / _scale_with(*sizes, bugs)
    weights = _weights_with(scores, mask, num_heads, bugs)
    if "scaled after" in bugs:
        weights = weights / d_k**0.5
    output = _unfolded_with(weights @ content, B, num_heads, bugs)
    if "transposed" in bugs:
        output = output @ W_o
    elif "no output projection" not in bugs:
        output = output @ W_o.T  # (B, T, D)
    if "weights unfolded" in bugs:
        weights = weights.view(num_heads, B, T, -1).transpose(0, 1)
    elif "weights by query" in bugs:
        weights = weights.view(B, num_heads, T, -1).transpose(1, 2)
    else:
        weights = weights.view(B, num_heads, T, -1)
    if "detached" in bugs:
        return output.detach(), weights.detach()
    if "weights detached" in bugs:
        return output, weights.detach()
    if "folded" in bugs:
        return output, weights.flatten(0, 1)
    if "exchanged" in bugs:
        return weights, output
    if "alone" in bugs:
        return output
    return output, weights.mean(1) if "mean" in bugs else weights


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
        "multiplied",
        "multiplied by √d_k",
        "The scores are multiplied by √d_k. They are to be divided.",
        "The line that makes the scores: / d_k ** 0.5, or * d_k ** -0.5.",
    ),
    (
        "scaled after",
        "the scale after the softmax",
        "The weights are divided by √d_k, so rows do not sum to 1. It is the "
        "scores that are divided.",
        "The line that makes the scores: √d_k.",
    ),
    (
        "weights unfolded",
        "weights unfolded in the wrong order",
        "The output is right. Of the weights, those of one sentence come "
        "back as those of another.",
        "weights.view(B, H, T, S), where the folded rows run b · H + h.",
    ),
    (
        "weights by query",
        "weights with queries before heads",
        "The weights come back as (B, T, H, S).",
        "(B, H, T, S): no axes change places after the unfolding.",
    ),
    (
        "width of values",
        "the scale of the values",
        "The scores are divided by √d_v. A dot product of queries and keys "
        "has d_k terms.",
        "The line that makes the scores: √d_k.",
    ),
    (
        "number of keys",
        "the scale of the number of keys",
        "The scores are divided by √S. A dot product has d_k terms.",
        "The line that makes the scores: √d_k.",
    ),
    (
        "number of heads",
        "the scale of the number of heads",
        "The scores are divided by √H. A dot product has d_k terms.",
        "The line that makes the scores: √d_k.",
    ),
    (
        "D/H",
        "the scale of D/H",
        "The scores are divided by √(D/H). A head need not be D/H wide: it "
        "has len(W_q)/H numbers.",
        "The line that makes the scores: √d_k.",
        "D//H",
    ),
    (
        "W_q twice",
        "the keys projected by W_q",
        "Queries and keys go through the same matrix.",
        "key @ W_k.T.",
    ),
    (
        "key for value",
        "keys and values changed over",
        "The keys are blended and the values compared.",
        "W_k projects `key`, W_v projects `value`.",
    ),
    (
        "queries outermost",
        "queries folded the other way round",
        "Folded queries run: all sentences of head 1, then of head 2. Keys "
        "and values run: all heads of sentence 1.",
        "Row b · H + h: fold (B, H, T, d_k), not (H, B, T, d_k).",
    ),
    (
        "heads outermost",
        "folded with the heads outermost",
        "Folded rows run: all sentences of head 1, then of head 2. They "
        "belong the other way round: row b · H + h.",
        "Fold (B, H, L, d), not (H, B, L, d).",
    ),
    (
        "heads below",
        "heads laid below each other",
        "(B, H, T, d_v) became (B, H·T, d_v): heads stand below each other, "
        "not side by side.",
        "Swap H and T first, then flatten the last two: (B, T, H·d_v).",
    ),
    (
        "heads averaged",
        "heads averaged",
        "The outputs of the heads are averaged. They lie side by side.",
        "(B, H, T, d_v): swap H and T, then flatten the last two.",
    ),
    (
        "heads added",
        "heads added up",
        "The outputs of the heads are added. They lie side by side.",
        "(B, H, T, d_v): swap H and T, then flatten the last two.",
    ),
    (
        "numbers first",
        "heads merged number by number",
        "The merged output has the first numbers of all heads, then the "
        "second ones. Each head lies in one piece.",
        "(B, H, T, d_v): swap H and T only, then flatten the last two.",
    ),
    (
        "both scales",
        "scaled twice",
        "The scores are divided by √D and by √d_k.",
        "The line that makes the scores: √d_k alone.",
    ),
    (
        "sigmoid",
        "no softmax",
        "Each weight is a sigmoid of its score. Rows are to sum to 1.",
        "masked_softmax over the keys.",
    ),
    (
        "mask on the values",
        "the mask on the values",
        "The values of padding are set to 0, but it takes its share of the "
        "weight.",
        "masked_softmax(scores, allowed).",
    ),
    (
        "not repeated",
        "a mask that does not fit the folded scores",
        "The folded scores are (B·H, T, S), and the mask is not (B·H, 1, S): "
        "each sentence needs it once for each head.",
        "mask.repeat_interleave(H, 0)[:, None].",
        "keys repeated",
    ),
    (
        "mask added",
        "the mask added to the scores",
        "True and False count as 1 and 0 in a sum: nothing is struck out.",
        "masked_softmax, or masked_fill(~mask, -inf).",
    ),
    (
        "zero score",
        "a score of 0 for what is masked",
        "Padding gets the score 0, and with it a weight.",
        "Use masked_softmax: -inf before the softmax.",
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
        "divided again or by 1",
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
        "NaN to 0",
        "NaN set to 0, and not in the gradient",
        "An empty row's softmax is NaN. You set it to 0, which is right, but "
        "the gradient that flows back is still NaN.",
        "masked_softmax, or masked_fill(~mask, -inf): it lets none through.",
    ),
    (
        "-1e9",
        "-1e9 in place of -inf",
        "A sentence with nothing to attend to gets weights: all its scores "
        "are equally low, and it is differences that count. It should get 0.",
        "masked_softmax handles such rows.",
        "-1e9 added",
        "-1e4 added",
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
        "weights detached",
        "the weights without gradient",
        "The values are right, but the weights that you return are cut off.",
        "The return line: no .detach() and no .data.",
    ),
    (
        "exchanged",
        "weights before the output",
        "You return (weights, output).",
        "The return line: (output, weights).",
    ),
    (
        "alone",
        "the output alone",
        "You return one tensor. Two are asked for.",
        "The return line: (output, weights).",
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


MISTAKES = [
    *unrepaired(_BUGS, _draft, told_first=_FIRST_TO_SHOW),
    # Who makes one of the other slips has mended the other four bugs.
    *(
        replace(mistake, bugs=1)
        if mistake.name != "everything cut by a view"
        else mistake
        for mistake in planted(_draft, _OTHER_MISTAKES)
    ),
]
