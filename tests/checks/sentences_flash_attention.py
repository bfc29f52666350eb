"""Sentences of the exercises of chapter 10, and the case that fails."""

_LAST = "The $T$ queries are the *last* $T$ of"

SENTENCES = {
    "10-predict": [
        (
            "A tile in which everything is masked is not computed.",
            "a: all tiles",
            "question a",
        ),
        (
            "Each query sees its own key and the 99 before it.",
            "b: causal without a window",
            "question b",
        ),
        (
            "of the forward and the backward pass together.",
            "c: the backward pass alone",
            "question c",
        ),
        (
            "Attention in tiles keeps the output and the log-sum-exp instead.",
            "d: the output alone",
            "question d",
        ),
        (
            "The first tile sets the base.",
            "e: the first score counted, all rises",
            "question e",
        ),
        (
            "by more than the threshold 2.5.",
            "e: every rise followed",
            "question e",
        ),
        (
            "Then this score becomes the new base.",
            "e: the base moved by every rise",
            "question e",
        ),
        (
            "What is the output over all keys?",
            "f: the plain mean",
            "question f",
        ),
    ],
    "10-tiles": [
        (
            "The places after them are padding, which no query may see.",
            "no mask",
            "texts of other lengths",
        ),
        (
            "The scores are $q \\cdot k / \\sqrt d$.",
            "no scale",
            "whole tiles",
        ),
        (
            "They may be anything from −220 to 220, and they may rise or "
            "fall along a row.",
            "no maximum at all",
            "scores of 200",
        ),
        (
            "The last tile may be shorter.",
            "the last, shorter tile left out",
            "a last tile cut short",
        ),
        (
            "the sum and the mixed values are multiplied by the same factor.",
            "a sum that is not rescaled",
            "whole tiles",
        ),
        (
            "Return the output and the log-sum-exp, a natural logarithm.",
            "the maximum in place of the log-sum-exp",
            "whole tiles",
        ),
        (
            "A query with nothing to attend to has the output 0",
            "nothing divided by nothing",
            "a text of no keys",
        ),
        (
            "and the log-sum-exp −∞.",
            "a log-sum-exp of 0 where nothing is allowed",
            "a text of no keys",
        ),
    ],
    "10-slanted": [
        (
            "never form a table of all pairs:",
            "the whole table",
            "No tensor has an entry for each pair of a query and a key.",
        ),
        (
            _LAST,
            "distances from the beginning of the text",
            "fewer queries than keys",
        ),
        ("and sees the keys 0 to $p$.", "no mask", "whole tiles"),
        (
            "where $m_h$ is the slope of head $h$.",
            "the slope of the first head for all",
            "whole tiles",
        ),
        (
            "Scores may be anything from −220 to 220.",
            "exponentials that overflow",
            "scores of 200",
        ),
        (
            "The last tile may be shorter.",
            "the last, shorter tile left out",
            "a last tile cut short",
        ),
        (
            "the log-sum-exp of the scores of each query, with their bias.",
            "the maximum in place of the log-sum-exp",
            "whole tiles",
        ),
    ],
    "10-merge": [
        (
            "The model also has a sink: one more score in each row, which "
            "belongs to a key whose value is 0.",
            "no sink",
            "two pieces",
        ),
        (
            "No piece contains it.",
            "a sink in each piece",
            "two pieces",
        ),
        (
            "The log-sum-exps are natural logarithms,",
            "powers of 2",
            "two pieces",
        ),
        (
            "the log-sum-exp of the sink alone is the sink itself.",
            "the sink taken for its exponential",
            "two pieces",
        ),
        (
            "Each head has its own sink.",
            "one mean sink for all heads",
            "two pieces",
        ),
        (
            "the log-sum-exp of all scores, including the sink.",
            "a log-sum-exp without the sink",
            "two pieces",
        ),
        (
            "If no piece has a key, the sink takes all of the weight:",
            "a maximum without the sink",
            "no keys at all",
        ),
        (
            "Log-sum-exps and sinks may be anything from −310 to 310.",
            "exponentials that overflow",
            "log-sum-exps of 300",
        ),
        (
            "Gradients flow through everything: outputs, log-sum-exps and "
            "sink.",
            "no gradient to the sink",
            "two pieces",
        ),
    ],
    "10-backward": [
        (
            _LAST,
            "queries at the beginning of the text",
            "fewer queries than keys",
        ),
        ("and sees the keys 0 to $p$.", "no mask", "whole tiles"),
        (
            "The scores are $q \\cdot k / \\sqrt{d_k}$.",
            "no scale",
            "whole tiles",
        ),
        (
            "They may be anything from −220 to 220.",
            "exponentials that overflow",
            "scores of 200",
        ),
        (
            "the last one may be shorter.",
            "the last, shorter tile left out",
            "a last tile cut short",
        ),
        (
            "Never form a table with an entry for each pair of a query and "
            "a key.",
            "the whole table",
            "No tensor has an entry for each pair of a query and a key.",
        ),
        (
            "Return the gradients of the loss with respect to `query`, "
            "`key` and `value`.",
            "keys before queries",
            "whole tiles",
        ),
    ],
}
