"""Sentences of the exercises of chapter 01, and the case that fails."""

import torch

from attnbook.checks import additive_attention
from attnbook.mechanisms.additive import masked_softmax

_RIGHT = {
    grade_id: exercise.reference
    for grade_id, exercise in additive_attention.EXERCISES.items()
}
_KEPT = (
    "What autograd keeps for the backward pass is less than a quarter of (B, "
    "T, S, d_a)."
)


def _turned_round(grade_id):
    """The outputs in the other order."""

    def answer(*arguments):
        output, weights = _RIGHT[grade_id](*arguments)
        return weights, output

    return answer


def _in_a_list(grade_id):
    return lambda *arguments: [_RIGHT[grade_id](*arguments)]


def _equal_pieces(query, key, value, mask, W_q, W_k, v, chunk):
    """The keys are laid out as (pieces, chunk), which has to divide."""
    B, T, S = len(query), query.shape[1], key.shape[1]
    pieces = (key @ W_k.T).view(B, S // chunk, chunk, -1).unbind(1)
    left = (query @ W_q.T)[:, :, None]
    scores = [torch.tanh(left + piece[:, None]) @ v for piece in pieces]
    scores = torch.cat(scores, dim=-1).view(B, T, S)
    weights = masked_softmax(scores, mask[:, None])
    return weights @ value, weights


def _no_more_than_there_are(query, key, value, mask, W_q, W_k, v, chunk):
    if chunk > key.shape[1]:
        raise ValueError("more keys in a piece than there are")
    right = _RIGHT["01-chunked-attention"]
    return right(query, key, value, mask, W_q, W_k, v, chunk)


SENTENCES = {
    "01-predict": [
        (
            "How many numbers does the tensor inside the tanh hold?",
            "a: scores counted, or keys",
            "question a",
        ),
        (
            "By what factor does this increase the multiply-adds of the whole "
            "attention?",
            "b: a count, not a ratio",
            "question b",
        ),
        (
            "Count four terms: projecting keys, projecting queries, scores",
            "b: the scores are left out",
            "question b",
        ),
        (
            "The weight of one key has an upper limit, which it can come "
            "close to but never reach.",
            "c: a score, not a weight",
            "question c",
        ),
        (
            "What is the weight of the first key?",
            "d: a long query sharpens",
            "question d",
        ),
        (
            "Keys *and* values are put in reverse order.",
            "e: a plain sum",
            "question e",
        ),
        (
            "Only the keys are put in reverse order.",
            "f: weights tied to the values",
            "question f",
        ),
        ("returns one number.", _in_a_list("01-predict"), "question a"),
    ],
    "01-concat-attention": [
        (
            "with *one* matrix: concatenate query and key, multiply by the "
            "matrix, apply tanh, and multiply by $v$",
            "a tanh each for query and key",
            "one query",
        ),
        (
            r"e_{tj} = v^\top \tanh\big(W\, [q_t ; k_j]\big).",
            "the tanh outside",
            "one query",
        ),
        (
            r"e_{tj} = v^\top \tanh\big(W\, [q_t ; k_j]\big).",
            "a scale that nobody asked for",
            "a padded batch",
        ),
        (
            r"e_{tj} = v^\top \tanh\big(W\, [q_t ; k_j]\big).",
            "keys laid out in the wrong order",
            "a padded batch",
        ),
        (
            r"e_{tj} = v^\top \tanh\big(W\, [q_t ; k_j]\big).",
            "queries laid out in the wrong order",
            "a padded batch",
        ),
        (
            "The first $d_q$ columns of $W$ belong to the query.",
            "key before query",
            "one query",
        ),
        (
            "padding gets weight 0",
            "a mask after the softmax",
            "a padded batch",
        ),
        (
            "padding gets weight 0, whatever its score",
            "a mask after the softmax, then divided by the sum",
            "scores of 200",
        ),
        (
            "padding gets weight 0",
            "a mask that is only counted",
            "padding in front",
        ),
        (
            "in a sentence with nothing to attend to, all weights are 0.",
            "-1e9 in place of -inf",
            "nothing to attend to",
        ),
        (
            "Scores lie between $-240$ and $240$.",
            "-100 in place of -inf",
            "scores of 200",
        ),
        (
            "Returns `(output, weights)`, of shapes $(B, T, d_v)$ and $(B, T, "
            "S)$.",
            _turned_round("01-concat-attention"),
            "one query",
        ),
        (
            "Scores lie between $-240$ and $240$.",
            "scores with a limit",
            "scores of 200",
        ),
        (
            "padding gets weight 0",
            "values masked in place of scores",
            "a padded batch",
        ),
        (
            "Values and gradients are checked.",
            "scores without gradient",
            "a padded batch",
        ),
        (
            "Values and gradients are checked.",
            "0/0 that is made 0 afterwards",
            "nothing to attend to",
        ),
        (
            "Values and gradients are checked.",
            "weights that are changed in place",
            "no padding",
        ),
    ],
    "01-alignment-error-rate": [
        (
            "They may stand anywhere.",
            "a mask that is only counted",
            "padding in front",
        ),
        (
            r"\text{AER} = 1 - \frac{2\,|A \cap R|}{|A| + |R|}.",
            "0 where no link is true",
            "no link is true",
        ),
        (
            r"\text{AER} = 1 - \frac{2\,|A \cap R|}{|A| + |R|}.",
            "brackets that are missing",
            "every row counts",
        ),
        (
            "`weights` $(B, T, S)$, `alignment` $(B, T, S)$ boolean",
            "one axis too many is squeezed",
            "one row per sentence",
        ),
        (
            "Count over the whole batch, then divide once.",
            "0 as soon as one sentence has no row",
            "a sentence in which no row counts",
        ),
        (
            "Each target row is linked to the one token with the greatest "
            "weight.",
            "a threshold of one half",
            "every row counts",
        ),
        (
            "Each target row is linked to the one token with the greatest "
            "weight.",
            "rounded weights",
            "weights that differ by a thousandth",
        ),
        (
            "Let $A$ be the set of links made, $R$ the set of true links",
            "one true link per row",
            "the worked example",
        ),
        (
            r"\text{AER} = 1 - \frac{2\,|A \cap R|}{|A| + |R|}.",
            "hits counted once",
            "every row counts",
        ),
        (
            r"\text{AER} = 1 - \frac{2\,|A \cap R|}{|A| + |R|}.",
            "hits over the union",
            "every row counts",
        ),
        (
            "A row counts if it is real (`target_mask`)",
            "padding is counted",
            "padded targets",
        ),
        (
            "and has at least one true link.",
            "rows without a truth are counted",
            "the worked example",
        ),
        (
            "Rows of padding may hold anything.",
            "true links of rows that do not count",
            "padded targets",
        ),
        (
            "If weights tie, the earlier token is linked",
            "a tie goes to the later token",
            "weights that tie",
        ),
        (
            "If weights tie, the earlier token is linked",
            "every token that ties is linked",
            "weights that tie",
        ),
        (
            "If weights tie, the earlier token is linked, even if all weights "
            "are 0.",
            "no link where all weights are 0",
            "a row whose weights are all 0",
        ),
        (
            "Each target row is linked to the one token with the greatest "
            "weight.",
            "the last row is left out",
            "every row counts",
        ),
        (
            "Count over the whole batch, then divide once.",
            "a mean of the sentences' rates",
            "two sentences",
        ),
        (
            "If no row counts, the rate is 0.",
            "0/0 where only padding has a truth",
            "truth in padding alone",
        ),
        (
            "A row counts if it is real (`target_mask`)",
            "the first sentence's length for all",
            "as many rows as tokens",
        ),
        (
            "If no row counts, the rate is 0.",
            "1 where no row counts",
            "no row counts",
        ),
        (
            "If no row counts, the rate is 0.",
            "0/0 where no row counts",
            "no row counts",
        ),
        (
            "Returns one number from 0 to 1.",
            "a rate in per cent",
            "the worked example",
        ),
    ],
    "01-coverage-attention": [
        (
            "it adds up the weights of all earlier steps,",
            "a tally that is one step late",
            "the worked example",
        ),
        (
            "it adds up the weights of all earlier steps,",
            "a tally that is added to itself",
            "no padding",
        ),
        (
            "Returns `(output, weights)`, of shapes $(B, T, d_v)$ and $(B, T, "
            "S)$.",
            "a view in place of a transpose",
            "no padding",
        ),
        (
            "Returns `(output, weights)`, of shapes $(B, T, d_v)$ and $(B, T, "
            "S)$.",
            "steps stacked behind the keys",
            "the worked example",
        ),
        (
            "Scores lie between $-240$ and $240$.",
            "scores with a limit",
            "scores of 200",
        ),
        (
            "Values and gradients are checked",
            "weights that are changed in place",
            "no padding",
        ),
        (
            "it adds up the weights of all earlier steps,",
            "only the last step is remembered",
            "long",
        ),
        (
            "it adds up the weights of all earlier steps,",
            "only the last two steps are remembered",
            "six steps",
        ),
        (
            "it adds up the weights of all earlier steps,",
            "a tally with a limit",
            "six steps",
        ),
        (
            "Padding gets weight 0",
            "a mask that is only counted",
            "padding in front",
        ),
        (
            "it adds up the weights of all earlier steps,",
            "a tally that counts its own step",
            "the worked example",
        ),
        (
            r"\tanh\big(W_q q_t + W_k k_j + w_c\, c_{tj}\big)",
            "the tally outside the tanh",
            "the worked example",
        ),
        (
            "with one more vector, $w_c$, to learn.",
            "a tally without w_c",
            "the worked example",
        ),
        (
            "The tally starts at 0.",
            "a tally that starts at 1",
            "the worked example",
        ),
        (
            "The tally starts at 0.",
            "a tally that starts evenly",
            "no padding",
        ),
        (
            "Returns `(output, weights)`, of shapes $(B, T, d_v)$ and $(B, T, "
            "S)$.",
            "steps stacked in front of the batch",
            "no padding",
        ),
        (
            "Values and gradients are checked, and gradients flow through the "
            "tally.",
            "a tally without gradient",
            "no padding",
        ),
        (
            "Padding gets weight 0, whatever its score;",
            "a mask after the softmax, then divided by the sum",
            "scores of 200",
        ),
        (
            "in a sentence with nothing to read, all weights are 0.",
            "-1e9 in place of -inf",
            "nothing to read",
        ),
        (
            "Scores lie between $-240$ and $240$.",
            "-100 in place of -inf",
            "scores of 200",
        ),
    ],
    "01-chunked-attention": [
        (
            "gives the same output, the same weights",
            "a maximum for each piece",
            "two pieces",
        ),
        (
            "Do not fill it up.",
            "a last piece that is filled up",
            "the largest tensor, chunk = 100",
        ),
        (
            "Handle `chunk` keys at a time",
            "pieces of padding are skipped",
            "the largest tensor, chunk = 4",
        ),
        (
            "Scores lie between $-240$ and $240$.",
            "scores with a limit",
            "scores of 200",
        ),
        (
            "gives the same output, the same weights",
            "a softmax for each piece",
            "two pieces",
        ),
        (
            "and **the same gradients**",
            "scores without gradient",
            "two pieces",
        ),
        (
            "and **the same gradients**",
            "a piece that is read late",
            "two pieces",
        ),
        (
            "never holds that tensor: not at once",
            "the whole tensor",
            "the largest tensor, chunk = 4",
        ),
        (
            "not in parts that are kept for the backward pass.",
            "everything is kept for the backward pass",
            _KEPT,
        ),
        (
            "Handle `chunk` keys at a time",
            "pieces of queries",
            "the largest tensor, chunk = 16",
        ),
        (
            "Handle `chunk` keys at a time",
            "pieces that do not follow `chunk`",
            "the largest tensor, chunk = 16",
        ),
        (
            "Handle `chunk` keys at a time, no more and no fewer",
            "one more key than `chunk`",
            "the largest tensor, chunk = 4",
        ),
        (
            "Handle `chunk` keys at a time, no more and no fewer",
            "`chunk` pieces in place of pieces of `chunk` keys",
            "the largest tensor, chunk = 4",
        ),
        (
            "The last piece may be shorter.",
            "the last piece is dropped",
            "a short last piece",
        ),
        (
            "The last piece may be shorter.",
            "the rest in the last piece",
            "the largest tensor, chunk = 24",
        ),
        (
            "The last piece may be shorter.",
            "pieces made equal",
            "the largest tensor, chunk = 24",
        ),
        (
            "The last piece may be shorter.",
            _equal_pieces,
            "a short last piece",
        ),
        (
            "is a whole number, 1 or more, and may be greater than $S$.",
            _no_more_than_there_are,
            "chunk above S",
        ),
        (
            "is a whole number, 1 or more, and may be greater than $S$.",
            "a chunk above S is made smaller",
            "the largest tensor, chunk = 100",
        ),
        (
            "Padding gets weight 0",
            "a mask that is only counted",
            "padding in front",
        ),
        (
            "Padding gets weight 0, whatever its score;",
            "a mask after the softmax, then divided by the sum",
            "scores of 200",
        ),
        (
            "in a sentence with nothing to read, all weights are 0.",
            "-1e9 in place of -inf",
            "nothing to read",
        ),
        (
            "Scores lie between $-240$ and $240$.",
            "-100 in place of -inf",
            "scores of 200",
        ),
        (
            "Returns `(output, weights)`, of shapes $(B, T, d_v)$ and $(B, T, "
            "S)$.",
            _turned_round("01-chunked-attention"),
            "two pieces",
        ),
    ],
}
