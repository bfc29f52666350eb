"""Sentences of the exercises of chapter 03, and the case that fails."""

import torch

from attnbook.checks.scaled_dot_product import EXERCISES
from attnbook.mechanisms.additive import masked_softmax


def to_one_digit(question):
    return round(EXERCISES["03-predict"].reference(question), 1)


def the_first_queries_ask(query, key, value, query_document, key_document):
    """The queries are taken for the first T positions."""
    T, S = query.shape[-2], key.shape[-2]
    past = torch.ones(T, S, dtype=torch.bool).tril()
    same = key_document[:, :T, None] == key_document[:, None]
    allowed = past & same & (key_document[:, :T, None] > 0)
    scores = query @ key.mT / query.shape[-1] ** 0.5
    weights = masked_softmax(scores, allowed[:, None])
    return weights @ value, weights


def a_list_of_verdicts(attention):
    return [EXERCISES["03-judge"].reference(attention)]


def without_a_gradient(query, key, value, mask):
    with torch.no_grad():
        exercise = EXERCISES["03-sparsemax-attention"]
        return exercise.reference(query, key, value, mask)


SENTENCES = {
    "03-predict": [
        ("Two digits after the point are enough.", to_one_digit, "question d"),
        (
            "$d_k = 64$. What is the standard deviation of $q \\cdot k$?",
            "a: the variance",
            "question a",
        ),
        (
            "What is the standard deviation of the *scaled* score?",
            "b: before the scale",
            "question b",
        ),
        (
            "the entries of the queries have a standard deviation of 3.",
            "b: what the scale cannot see",
            "question b",
        ),
        (
            "the scores are divided by $d_k$. What is their standard "
            "deviation?",
            "c: d in place of its root",
            "question c",
        ),
        (
            "The same query and keys, but the scores are not scaled.",
            "d: with the scale",
            "question d",
        ),
        (
            "The same query and keys, with the bug of c.",
            "e: divided twice",
            "question e",
        ),
        (
            "Which number does the entropy of the weights, in nats, approach",
            "f: bits",
            "question f",
        ),
        (
            "What is the mean of its scaled score with itself?",
            "g: before the scale",
            "question g",
        ),
    ],
    "03-packed-attention": [
        (
            "$s$ is not later than $t$;",
            "the future is visible",
            "two heads, two sentences",
        ),
        (
            "$s$ is not later than $t$;",
            "the upper triangle",
            "two heads, two sentences",
        ),
        (
            "both have the same number;",
            "documents are not kept apart",
            "the worked example",
        ),
        (
            "that number is not 0.",
            "padding as a document",
            "the worked example",
        ),
        (
            "**The queries are the last $T$ of them**",
            the_first_queries_ask,
            "the worked example",
        ),
        (
            "A row with nothing to attend to gets weights of 0,",
            "an empty row of -inf",
            "the worked example",
        ),
        (
            "an output of 0 and finite gradients.",
            "a NaN that is only hidden",
            "nothing but padding",
        ),
        (
            "Scores may be as large as 200, also at masked places.",
            "a mask after the exponentials",
            "scores of 200",
        ),
        (
            "Scores may be as large as 200, also at masked places.",
            "-100 in place of -inf",
            "scores of 200",
        ),
    ],
    "03-sink-attention": [
        (
            "with one number $z_h$ for each head.",
            "one sink for all heads",
            "three heads",
        ),
        (
            "with one number $z_h$ for each head.",
            "a sink for each sentence",
            "two heads",
        ),
        (
            "A row now sums to *less* than 1.",
            "no sink",
            "the worked example",
        ),
        (
            "Padding (mask False) gets weight 0, and takes no share.",
            "a mask after the softmax",
            "two heads",
        ),
        (
            "Padding (mask False) gets weight 0, and takes no share.",
            "a score of 0 for padding",
            "two heads",
        ),
        (
            "If nothing may be attended to, all weights are 0, without a "
            "special case.",
            "the maximum of an empty row",
            "nothing to attend to",
        ),
        (
            "Your function must not return NaN for scores of 200,",
            "exponentials that overflow",
            "large scores",
        ),
        (
            "Padding (mask False) gets weight 0, and takes no share.",
            "a score of padding that is not low enough",
            "a sink of -60",
        ),
        (
            "with one number $z_h$ for each head.",
            "a sink that cannot be low",
            "a sink of -60",
        ),
        (
            "Scores may be large:",
            "scores with a limit",
            "large scores",
        ),
        (
            "nor for scores of $-200$.",
            "a sink that is not shifted like the scores",
            "large scores",
        ),
        (
            "Returns `(output, weights)`, of shapes $(B, H, T, d_v)$ and "
            "$(B, H, T, S)$.",
            "the sink's column is kept",
            "the worked example",
        ),
        (
            "Values and gradients are checked, also the gradient of the sink.",
            "a sink without gradient",
            "two heads",
        ),
    ],
    "03-judge": [
        (
            "returns `True` if an attention is right and `False` if not.",
            "verdicts the wrong way round",
            "a right attention",
        ),
        (
            "thirteen that are not printed here,",
            "a list of the printed suspects",
            "only the last query wrong",
        ),
        (
            "three right attentions, two of which are written in another way.",
            "a grader that turns all down",
            "right, sentence by sentence",
        ),
        (
            "its whole output is that of `trusted`",
            "only one query is compared",
            "only the last query wrong",
        ),
        (
            "its whole output is that of `trusted`",
            "only one sentence is compared",
            "NaN where nothing may be attended to",
        ),
        (
            "its whole output is that of `trusted`",
            "weights are compared, the output is not",
            "right weights and twice the output",
        ),
        (
            "up to rounding,",
            "equal to the last bit",
            "right, in another order",
        ),
        (
            "up to rounding,",
            "a tolerance that forgives",
            "attention scaled by d_k",
        ),
        (
            "and if gradients reach query, key *and* value.",
            "the way back is not tried",
            "attention cut off from the graph",
        ),
        (
            "and if gradients reach query, key *and* value.",
            "only the query is asked for its gradient",
            "a key without gradient",
        ),
        (
            "and if gradients reach query, key *and* value.",
            "only the query is asked for its gradient",
            "a value without gradient",
        ),
        (
            "with masks of several lengths,",
            "sentences of one length",
            "the first sentence's mask for all",
        ),
        (
            "one of them 0.",
            "no sentence is empty",
            "NaN where nothing may be attended to",
        ),
        (
            "`judge` returns one boolean.",
            a_list_of_verdicts,
            "a right attention",
        ),
    ],
    "03-sparsemax-attention": [
        (
            "Many of them are exactly 0, and the function has a gradient.",
            without_a_gradient,
            "two heads",
        ),
        (
            "$$\\alpha_j = \\max(s_j - \\tau, 0).$$",
            "weights below 0",
            "the worked example",
        ),
        (
            "sort the scores, $z_1 \\ge z_2 \\ge \\dots \\ge z_S$.",
            "sorted the wrong way",
            "the worked example",
        ),
        (
            "where $k$ is the largest number with $1 + k\\, z_k > z_1 + "
            "\\dots + z_k$.",
            "the k before z is missing",
            "two heads",
        ),
        (
            "where $k$ is the largest number with $1 + k\\, z_k > z_1 + "
            "\\dots + z_k$.",
            "a running sum that stops one short",
            "two heads",
        ),
        (
            "The scores are divided by $\\sqrt{d_k}$.",
            "no scale",
            "two heads",
        ),
        (
            "Padding is never in the support,",
            "a score of 0 for padding",
            "two heads",
        ),
        (
            "even if all scores are below -100.",
            "-100 in place of -inf",
            "large scores",
        ),
        (
            "A sentence with nothing to attend to gets weights of 0.",
            "an empty row of -inf",
            "nothing to attend to",
        ),
        (
            "Values and gradients are checked.",
            "a threshold without gradient",
            "two heads",
        ),
    ],
}
