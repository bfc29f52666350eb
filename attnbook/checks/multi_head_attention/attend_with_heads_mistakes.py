"""Known mistakes of who folds heads into the batch."""

from __future__ import annotations

from dataclasses import replace

from attnbook.checks.multi_head_attention.attend_with_heads_draft import draft
from attnbook.judging.named_mistakes import planted
from attnbook.judging.unrepaired import unrepaired

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
        "The scores are divided by √D. But a head's dot product has only d_k "
        "terms.",
        "The line that makes the scores: √d_k.",
    ),
    "repeated": (
        "the mask repeated in the wrong order",
        "Some heads get the mask of another sentence: `repeat` gives all "
        "sentences, then all sentences again.",
        "The folded rows are all heads of sentence 1, then all heads of "
        "sentence 2. repeat_interleave gives this order.",
    ),
    "over queries": (
        "a softmax over the queries",
        "For each key, the weights sum to 1 over the queries. For each "
        "query, they must sum to 1 over the keys.",
        "Scores are (B·H, T, S), and the keys are the last axis: dim=-1.",
    ),
    "merged": (
        "heads merged in the wrong order",
        "The heads are not side by side: outputs of one head at several "
        "positions are read as one position.",
        "Undo the split: (B, H, T, d_v), swap H and T, then reshape.",
    ),
}


# In the worked example the first entry that differs comes from the first of
# these that is there.
_FIRST_TO_SHOW = ("over queries", "full scale", "viewed", "repeated", "merged")


_OTHER_MISTAKES = [
    (
        "all viewed",
        "everything cut by a view",
        "You split and merge with `view` alone, so a head holds several "
        "positions of queries, keys and values.",
        "First (B, T, H, d), then swap T and H, then fold. Undo these steps "
        "at the end.",
    ),
    (
        "interleaved",
        "every H-th number goes to a head",
        "A head gets every H-th number of a projection. It should get d "
        "numbers that are side by side.",
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
        "The scores are divided by d_k. Divide by its square root, which "
        "keeps their spread.",
        "The line that makes the scores: √d_k.",
    ),
    (
        "multiplied",
        "multiplied by √d_k",
        "The scores are multiplied by √d_k. They should be divided by it.",
        "The line that makes the scores: / d_k ** 0.5, or * d_k ** -0.5.",
    ),
    (
        "scaled after",
        "the scale after the softmax",
        "The weights are divided by √d_k, so rows do not sum to 1. Divide "
        "the scores instead.",
        "The line that makes the scores: √d_k.",
    ),
    (
        "weights unfolded",
        "weights unfolded in the wrong order",
        "The output is right. But the weights of one sentence are returned "
        "as those of another.",
        "weights.view(B, H, T, S), since the folded row of sentence b and "
        "head h is b · H + h.",
    ),
    (
        "weights by query",
        "weights with queries before heads",
        "The weights come back as (B, T, H, S).",
        "(B, H, T, S): swap no axes after the unfolding.",
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
        "The scores are divided by √(D/H). But a head may have another width "
        "than D/H: it has len(W_q)/H numbers.",
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
        "The keys are averaged and the values are compared with the queries.",
        "W_k projects `key`, W_v projects `value`.",
    ),
    (
        "queries outermost",
        "queries folded the other way round",
        "Your folded queries are all sentences of head 1, then of head 2. "
        "Your keys and values are all heads of sentence 1, then of sentence "
        "2.",
        "Row b · H + h: fold (B, H, T, d_k), not (H, B, T, d_k).",
    ),
    (
        "heads outermost",
        "folded with the heads outermost",
        "Your folded rows are all sentences of head 1, then of head 2. They "
        "should be all heads of sentence 1, then of sentence 2: row b · H + "
        "h.",
        "Fold (B, H, L, d), not (H, B, L, d).",
    ),
    (
        "d_k, cut",
        "one width for all heads",
        "All heads are cut with one width. But heads of values may be wider "
        "or narrower than heads of keys.",
        "d_k = len(W_q) // H for queries and keys, d_v = len(W_v) // H.",
        "d_k, viewed",
        "D//H, cut",
        "D//H, viewed",
    ),
    (
        "padding last",
        "padding taken to be at the end",
        "You count the tokens of a sentence and keep that many from the "
        "front. But padding may be in front.",
        "The mask says *which* keys may be attended to.",
    ),
    (
        "heads below",
        "heads laid below each other",
        "(B, H, T, d_v) became (B, H·T, d_v): heads are below each other, "
        "not side by side.",
        "Swap H and T first, then flatten the last two: (B, T, H·d_v).",
    ),
    (
        "heads averaged",
        "heads averaged",
        "The outputs of the heads are averaged. They should be side by side.",
        "(B, H, T, d_v): swap H and T, then flatten the last two.",
    ),
    (
        "heads added",
        "heads added up",
        "The outputs of the heads are added. They should be side by side.",
        "(B, H, T, d_v): swap H and T, then flatten the last two.",
    ),
    (
        "numbers first",
        "heads merged number by number",
        "The merged output has the first numbers of all heads, then the "
        "second ones. The numbers of each head should be side by side.",
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
        "Each weight is a sigmoid of its score. But rows must sum to 1.",
        "masked_softmax over the keys.",
    ),
    (
        "mask on the values",
        "the mask on the values",
        "The values of padding are set to 0, but padding still gets a share "
        "of the weight.",
        "masked_softmax(scores, allowed).",
    ),
    (
        "not repeated",
        "a mask that does not fit the folded scores",
        "The folded scores are (B·H, T, S), but your mask is not (B·H, 1, "
        "S). Repeat the mask of a sentence for each head.",
        "mask.repeat_interleave(H, 0)[:, None].",
        "keys repeated",
    ),
    (
        "mask added",
        "the mask added to the scores",
        "You add the mask to the scores. True and False count as 1 and 0, so "
        "nothing is masked.",
        "masked_softmax, or masked_fill(~mask, -inf).",
    ),
    (
        "zero score",
        "a score of 0 for what is masked",
        "Padding gets the score 0, and so it gets a weight.",
        "Use masked_softmax: -inf before the softmax.",
    ),
    (
        "late mask",
        "a mask after the softmax",
        "Weights are set to 0 after the softmax, so rows sum to less than 1.",
        "Use masked_softmax.",
    ),
    (
        "divided again",
        "zeros after the softmax, divided again",
        "The padding is set to 0 after the softmax, and rows are divided by "
        "their sum. If padding has by far the largest score, nothing is "
        "left.",
        "Use masked_softmax: -inf before the softmax.",
        "divided again or by 1",
    ),
    (
        "by exp",
        "exponentials that overflow",
        "Above 88, exp is infinite in single precision, and ∞/∞ is NaN.",
        "Use masked_softmax, which subtracts the largest score first.",
    ),
    (
        "one maximum",
        "one maximum for all rows",
        "You subtract the largest score of all from every row. In a row with "
        "far lower scores, each exponential is 0.",
        "Each row has its own largest score: scores.amax(-1, keepdim=True).",
        "one maximum, 0/0",
    ),
    (
        "-100",
        "a finite score for what is masked",
        "Padding gets a finite score, such as -100. If all tokens have lower "
        "scores, padding gets the weight.",
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
        "NaN in place",
        "NaN set to 0 in place",
        "weights[…] = 0 changes the output of softmax in place, but the "
        "gradient needs the original output.",
        "masked_softmax, or nan_to_num(0.0): a new tensor.",
    ),
    (
        "NaN to 0",
        "NaN set to 0, and not in the gradient",
        "The softmax of an empty row is NaN. You set it to 0, which is "
        "right, but its gradient is still NaN.",
        "masked_softmax, or masked_fill(~mask, -inf): no gradient flows back "
        "through masked places.",
    ),
    (
        "-1e9",
        "-1e9 in place of -inf",
        "A sentence with nothing to attend to gets weights. All its scores "
        "are equally low, and softmax depends only on differences. The "
        "weights should be 0.",
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
        "nan, added",
    ),
    (
        "over heads",
        "a softmax over the heads",
        "For each query and key, the weights sum to 1 over the heads. In "
        "each head, they must sum to 1 over the keys.",
        "The keys are the last axis: dim=-1.",
    ),
    (
        "over the rows",
        "a softmax over sentences and heads",
        "The weights sum to 1 over the folded rows (sentences and heads). "
        "Each row must sum to 1 over its keys.",
        "The keys are the last axis: dim=-1.",
    ),
    (
        "sentences last",
        "sentences and heads changed over",
        "You unfold the rows as heads first, then sentences. They were "
        "folded with the sentences first.",
        "Row b · H + h: unfold to (B, H, T, d_v).",
    ),
    (
        "no output projection",
        "the output projection is missing",
        "The heads are side by side, but nothing mixes them.",
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
        "The values are right, but no gradient flows through the weights "
        "that you return.",
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
        "You return one tensor. Return two.",
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
    *unrepaired(_BUGS, draft, told_first=_FIRST_TO_SHOW),
    # Who makes one of the other slips has mended the other four bugs.
    *(
        replace(mistake, bugs=1)
        if mistake.name != "everything cut by a view"
        else mistake
        for mistake in planted(draft, _OTHER_MISTAKES)
    ),
]
