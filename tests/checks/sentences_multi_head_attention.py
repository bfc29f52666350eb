"""Sentences of the exercises of chapter 04, and the case that fails."""

import torch

from attnbook.checks.multi_head_attention import EXERCISES


def rows_of_numbers_alone(weights, query_mask):
    """Rows of padding are known by the NaN in them."""
    real = ~weights.isnan().any(-1).any(1)  # (B, T)
    return EXERCISES["04-head-distances"].reference(weights, real)


def numbers_for_nan(weights, query_mask):
    """NaN is replaced, and the rows that do not count come in times 0."""
    p = weights.nan_to_num()
    q, p = p[:, None], p[:, :, None]
    entropy = [torch.special.entr(x).sum(-1) for x in ((p + q) / 2, p, q)]
    each = entropy[0] - (entropy[1] + entropy[2]) / 2  # (B, H, H, T)
    total = (each * query_mask[:, None, None]).sum((0, 3))
    return total / query_mask.sum().clamp(min=1)


def without_the_diagonal(weights, query_mask):
    right = EXERCISES["04-head-distances"].reference(weights, query_mask)
    return right.fill_diagonal_(torch.nan).nan_to_num(1.0)


def without_names(layer, num_heads, gate, mean):
    right = EXERCISES["04-prune-heads"].reference
    return list(right(layer, num_heads, gate, mean).values())


def as_many_maps_as_keys(query, key, value, mask, mix_scores, mix_weights):
    """All numbers of heads are taken for one."""
    H = key.shape[1]
    right = EXERCISES["04-talking-heads"].reference
    return right(
        query, key, value[:, :H], mask, mix_scores[:H], mix_weights[:H, :H]
    )


def refuses_to_cut_all(layer, num_heads, gate, mean):
    kept = [g or 1e-9 * (not any(gate)) for g in gate]
    return EXERCISES["04-prune-heads"].reference(layer, num_heads, kept, mean)


SENTENCES = {
    "04-predict": [
        (
            "How many parameters does the whole layer have?",
            "a: one layer of the four",
            "question a",
        ),
        (
            "Four linear layers with biases, $D$ to $D$, project queries, "
            "keys, values, and the merged output.",
            "a: the biases are left out",
            "question a",
        ),
        (
            "for *one* sentence and all heads together?",
            "b: one head alone, or scores counted",
            "question b",
        ),
        (
            "Count only the scores, without projections and without the "
            "averages of values.",
            "b: a factor of two",
            "question b",
        ),
        (
            "How many numbers does the tensor of weights hold?",
            "c: the batch is left out",
            "question c",
        ),
        ("Now $H = 16$,", "d: the head of the questions before", "question d"),
        (
            "What is the highest rank that it can have?",
            "d: as many as there are queries",
            "question d",
        ),
        ("With $H = 8$ again,", "e: the heads of question d", "question e"),
        (
            "everything else is unchanged.",
            "e: shared between W_q and W_k",
            "question e",
        ),
        (
            "By how much does a weight change at most?",
            "f: the change of a score",
            "question f",
        ),
    ],
    "04-attend-with-heads": [
        (
            "Row $b H + h$ belongs to sentence $b$ and head $h$.",
            "the mask repeated in the wrong order",
            "the worked example",
        ),
        (
            "Head $h$ owns the numbers $h d$ to $(h + 1) d$ of each "
            "projection,",
            "every H-th number goes to a head",
            "two heads",
        ),
        (
            "the merged output has its heads side by side in the same order.",
            "sentences and heads changed over",
            "three heads",
        ),
        (
            "**it has five bugs**",
            "heads merged in the wrong order",
            "two heads",
        ),
        (
            "project with `x @ W.T`.",
            "projections that are not transposed",
            "two heads",
        ),
        (
            "Returns `(output, weights)`, of shapes $(B, T, D)$ and "
            "$(B, H, T, S)$.",
            "the weights averaged over the heads",
            "two heads",
        ),
        (
            "Padding (mask False) gets the weight 0",
            "a mask after the softmax",
            "two heads",
        ),
        (
            "Padding (mask False) gets the weight 0",
            "padding taken to be at the end",
            "padding in front",
        ),
        (
            "even if its score is very large,",
            "zeros after the softmax, divided again",
            "large scores",
        ),
        (
            "even if its score is very large,",
            "a finite score for what is masked",
            "large scores",
        ),
        (
            "A sentence with nothing to attend to gets weights of 0.",
            "-1e9 in place of -inf",
            "nothing to attend to",
        ),
        (
            "Values and gradients are checked.",
            "cut off from the graph",
            "two heads",
        ),
    ],
    "04-head-distances": [
        (
            "Let $p$ and $q$ be the weights of two heads for the same query, "
            "and $m = (p + q)/2$ their mean.",
            "the middle is a sum",
            "two heads",
        ),
        (
            "The Jensen–Shannon divergence is",
            "the halves are left out",
            "two heads",
        ),
        (
            "$\\log 2 = 0.693$ for heads that share no token.",
            "bits in place of nats",
            "the worked example",
        ),
        (
            "the **mean of JS over all rows that count** in the batch: add up "
            "JS over these rows of all sentences, then divide once.",
            "a mean of means",
            "padded targets",
        ),
        (
            "the **mean of JS over all rows that count** in the batch: add up "
            "JS over these rows of all sentences, then divide once.",
            "divided by all rows",
            "padded targets",
        ),
        (
            "A row counts if `query_mask` is True;",
            rows_of_numbers_alone,
            "padded targets",
        ),
        (
            "the other rows may hold anything, also NaN.",
            "rows that do not count, times 0",
            "NaN in the rows of padding",
        ),
        (
            "A row counts if `query_mask` is True;",
            "the first rows of a sentence",
            "padding in front",
        ),
        (
            "A row counts if `query_mask` is True;",
            "rows of zeros left out",
            "rows of zeros",
        ),
        (
            "the other rows may hold anything, also NaN.",
            numbers_for_nan,
            "anything in the rows of padding",
        ),
        ("$0 \\log 0 = 0$.", "0 · log 0", "padded tokens"),
        (
            "If no row counts, all distances are 0.",
            "0 rows",
            "no row counts",
        ),
        (
            "Returns the distances of all pairs, $(H, H)$.",
            "only one half of the table",
            "two heads",
        ),
        (
            "The result is symmetric, with a diagonal of 0.",
            without_the_diagonal,
            "two heads",
        ),
        (
            "The result is symmetric, with a diagonal of 0.",
            "one half of the pair",
            "two heads",
        ),
    ],
    "04-talking-heads": [
        (
            "One small matrix mixes the *scores* of the heads before softmax,",
            "both mixings after the softmax",
            "two heads",
        ),
        (
            "another mixes the *weights* after it:",
            "outputs mixed in place of weights",
            "two heads",
        ),
        (
            "e'_i &= \\textstyle\\sum_h A_{ih}\\, e_h",
            "mix_scores transposed",
            "two heads",
        ),
        (
            "\\alpha'_g &= \\textstyle\\sum_i C_{gi}\\, \\alpha_i",
            "mix_weights transposed",
            "all sizes alike",
        ),
        ("e_h &= Q_h K_h^\\top / \\sqrt{d_k}", "no scale", "two heads"),
        (
            "So the number of heads may change:",
            as_many_maps_as_keys,
            "more heads",
        ),
        (
            "After the second mixing the rows need not sum to 1,",
            "rows divided by their sum",
            "two heads",
        ),
        (
            "and a weight may be negative.",
            "weights cut off at 0",
            "the worked example",
        ),
        (
            "Padding (mask False) gets the weight 0",
            "a mask after the softmax",
            "two heads",
        ),
        (
            "Padding (mask False) gets the weight 0",
            "padding taken to be at the end",
            "padding in front",
        ),
        (
            "even if its score is very large,",
            "zeros after the softmax, divided again",
            "large scores",
        ),
        (
            "A sentence with nothing to attend to gets only weights of 0.",
            "-1e9 in place of -inf",
            "nothing to attend to",
        ),
        (
            "Your function must not return NaN for scores of 200.",
            "exponentials that overflow",
            "large scores",
        ),
        (
            "and the weights that the values are averaged with,",
            "the weights before the mixing",
            "two heads",
        ),
        (
            "Values and gradients are checked.",
            "matrices without gradient",
            "two heads",
        ),
    ],
    "04-prune-heads": [
        (
            "the gate $g_h$ moves the output of each head towards its mean "
            "$m_h$ over some earlier data:",
            "means that skip the output projection",
            "gates of all kinds",
        ),
        (
            "With any other gate, also below 0 or above 1, both parts remain.",
            "only pruned heads leave a mean",
            "gates of all kinds",
        ),
        (
            "Heads with a gate of **exactly 0** are removed.",
            "a threshold",
            "narrow values",
        ),
        (
            "Heads with a gate of **exactly 0** are removed.",
            "a negative gate taken for 0",
            "means of 0",
        ),
        (
            "The $K$ others stay, in their order.",
            "heads in the order of their gates",
            "gates of all kinds",
        ),
        (
            "The rows that stay in the query, key and value projections do "
            "not change.",
            "the gate in the value projection",
            "gates of all kinds",
        ),
        (
            "The gates and the means go into `output_weight` and "
            "`output_bias`,",
            "gates of a half taken for 1",
            "means of 0",
        ),
        (
            "The gates and the means go into `output_weight` and "
            "`output_bias`, and nowhere else.",
            "the gate twice",
            "means of 0",
        ),
        (
            "The layer that you are given stays as it is.",
            "the layer is changed in place",
            "one of two",
        ),
        (
            "`query_bias`, `key_bias` $(H d_k,)$,",
            "biases left whole",
            "one of two",
        ),
        (
            "Returns a dictionary of the same eight names,",
            without_names,
            "one of two",
        ),
        ("with $K$ in place of $H$.", "zeros in place of a cut", "one of two"),
        ("$K$ may be 0.", refuses_to_cut_all, "all pruned"),
        (
            "Values and gradients are checked.",
            "cut off from the graph",
            "narrow values",
        ),
    ],
}
