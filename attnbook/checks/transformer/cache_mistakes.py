"""What often goes wrong with a cache of cross-attention.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

MISTAKES = [
    (
        "recomputed",
        "the source projected anew",
        "The numbers are right, but a step or `select` projects the whole "
        "source again.",
        "`read` projects; the others use what `read` has kept.",
        "read by select",
    ),
    (
        "not selected",
        "rows that are not chosen",
        "`select` changes nothing: a sentence goes on with the source "
        "of another one.",
        "Index the keys, the values and the mask by `rows`.",
    ),
    (
        "interleaved",
        "heads interleaved",
        "A head takes every H-th number. It should take d adjacent numbers.",
        "unflatten(-1, (H, -1)): the head first, then its width.",
        "source interleaved",
        "query interleaved",
    ),
    (
        "no output",
        "the last projection left out",
        "The heads lie side by side and `W_o` has not mixed them.",
        "merged @ W_o.T comes last.",
    ),
    (
        "zero score",
        "a score of 0 for what is hidden",
        "A score of 0 is not a weight of 0: its exponential is 1.",
        "masked_fill with -inf, or masked_softmax.",
    ),
    (
        "-1e9",
        "a large negative number for -inf",
        "Where nothing may be read, all scores are the same, so the "
        "weights are uniform. They should be 0.",
        "masked_softmax, or set the empty rows to 0 afterwards.",
    ),
    (
        "keys alone",
        "values left where they were",
        "`select` moves the keys and not the values: the weights are "
        "right, but they are applied to another sentence.",
        "Three things belong to a row: keys, values, mask.",
    ),
    (
        "values alone",
        "keys left where they were",
        "`select` moves the values and not the keys.",
        "Three things belong to a row: keys, values, mask.",
    ),
    (
        "mask forgotten",
        "a mask left where it was",
        "`select` moves keys and values, and the mask still belongs "
        "to the sentences that were there.",
        "Three things belong to a row: keys, values, mask.",
    ),
    (
        "sorted",
        "rows in ascending order",
        "`select` keeps the right rows, but in ascending order. They "
        "should be in the order of `rows`.",
        "x[rows] keeps the order; a boolean mask does not.",
    ),
    (
        "rows as read",
        "rows of the source as it was read",
        "`select` chooses among the rows that `read` got. But an earlier "
        "`select` has changed which source each row has.",
        "Take row `rows[i]` of what is kept now.",
    ),
    (
        "inverse",
        "rows by the inverse order",
        "The new row i is the old row rows[i]. You put the old row i at "
        "place rows[i].",
        "Write x[rows] on the right of the assignment.",
    ),
    (
        "set",
        "each row only once",
        "`rows` may name a row twice: a beam can extend one prefix in two "
        "ways.",
        "x[rows], without a set or unique.",
    ),
    (
        "overwritten",
        "rows overwritten one after the other",
        "You overwrite a row before you have read it. With rows (1, 0) "
        "both rows get the source of row 1.",
        "self.key = self.key[rows] makes a new tensor, all rows at once.",
        "overwritten, mask too",
    ),
    (
        "heads selected",
        "heads chosen in place of rows",
        "`select` indexes the second axis. The rows of the batch are "
        "the first.",
        "Keys are (B, H, S, d_k).",
    ),
    (
        "first source",
        "the first source for ever",
        "A second `read` is ignored: the next batch would be "
        "translated from the source of the one before.",
        "`read` replaces what is kept.",
        "first source, lazily",
    ),
    (
        "rows of the batch before",
        "rows chosen from the batch before",
        "After a second `read` rows are still chosen as `select` chose them "
        "for the first source.",
        "`read` replaces all that is kept, the choice of rows too.",
    ),
    (
        "shared",
        "one cache for all objects",
        "What is kept belongs to the class, so a second layer "
        "overwrites the first one's keys.",
        "`self.key = …` in a method, not a name in the class.",
    ),
    (
        "grows",
        "a cache that grows",
        "Each step adds the decoder's token to the keys. That is the "
        "cache of *self*-attention; the source does not grow.",
        "`step` changes nothing that is kept.",
    ),
    (
        "values of the keys",
        "keys in place of values",
        "The output is a mean of the keys. The values have their own "
        "projection.",
        "`memory @ W_v.T`.",
    ),
    (
        "viewed",
        "heads cut by a view alone",
        "The projections are cut across positions, so a head's key "
        "holds pieces of several tokens.",
        "(B, S, H, d) first, then swap S and H.",
    ),
    (
        "merged",
        "heads merged in the wrong order",
        "The heads are interleaved in the output. They lie side by side.",
        "(B, H, d_v) is in order already: flatten(1).",
    ),
    (
        "untransposed",
        "a matrix that is not transposed",
        "A matrix is stored as nn.Linear stores it, (out, in). Where "
        "it is square, `x @ W` runs, and is wrong.",
        "`x @ W.T`, for all four.",
        "W_q untransposed",
        "W_k untransposed",
        "W_v untransposed",
        "W_o untransposed",
    ),
    (
        "mask on the heads",
        "a mask that lands on the heads",
        "Next to scores of (B, H, S) a mask of (B, S) is read as (H, "
        "S): each *head* gets the mask of a sentence.",
        "Shapes are matched from the right: mask[:, None].",
    ),
    (
        "over heads",
        "a softmax over the heads",
        "The weights sum to 1 over the heads. In one step the scores "
        "are (B, H, S), and the keys are the last axis.",
        "dim=-1.",
    ),
    (
        "wide",
        "the scale of all heads together",
        "The scores are divided by the root of H · d_k, or of D. A head's "
        "dot product has d_k terms.",
        "√d_k, with the width of one head.",
        "width of the model",
    ),
    (
        "width of a value",
        "the width of a value in the scale",
        "The scores are divided by √d_v.",
        "A dot product of a query and a key has d_k terms.",
    ),
    (
        "no root",
        "d_k without its root",
        "The scores are divided by d_k.",
        "√d_k.",
    ),
    (
        "unscaled",
        "no scale",
        "The scores are not divided by √d_k.",
        "The line that makes the scores.",
    ),
    (
        "unmasked",
        "the mask is not used",
        "The padding has weight.",
        "`read` gets a mask: keep it, and use it in `step`.",
    ),
    (
        "inverted",
        "the mask is inverted",
        "The padding is attended to and the tokens are not.",
        "True = may attend.",
        "inverted, -1e9",
    ),
    (
        "over rows",
        "a softmax over the rows of the batch",
        "The weights sum to 1 over the batch. The keys are the last axis.",
        "dim=-1.",
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
        "a mask after the softmax, and divided again",
        "The mask cuts weights off after the softmax, and the rest is "
        "divided by its sum. With one very large hidden score the sum is 0.",
        "Use masked_softmax: the mask comes before the softmax.",
    ),
    (
        "no maximum",
        "exponentials without the maximum",
        "exp of 89 is infinite in single precision, and ∞/∞ is NaN.",
        "Subtract each row's maximum first, as masked_softmax does.",
    ),
    (
        "-100",
        "-100 for -inf",
        "Scores may lie below -100, and then what is hidden has weight.",
        "masked_fill with -inf, or masked_softmax.",
    ),
    (
        "nan",
        "an empty row of -inf",
        "A source with nothing to read has only scores of -inf, and "
        "their softmax is 0/0. Its weights should be 0.",
        "masked_softmax handles such rows.",
    ),
    (
        "NaN replaced",
        "NaN replaced after the softmax",
        "The weights of an empty row are set to 0, but their gradient goes "
        "through a softmax of -inf alone, and is NaN.",
        "masked_softmax, or masked_fill: it stops the gradient, + does not.",
    ),
    (
        "detached",
        "a cache without gradient",
        "The values are right, but the source is cut off from the "
        "graph: the encoder could not learn.",
        "A .detach() or a torch.no_grad() in `read` or `select`.",
        "keys detached",
        "values detached",
        "projections detached",
        "rows detached",
    ),
    (
        "query of the keys",
        "a query projected by W_k",
        "`x` is projected like the keys. Queries have their own matrix.",
        "`x @ W_q.T`.",
    ),
    (
        "averaged",
        "weights averaged over the heads",
        "The weights are a mean over the heads. Return those of each head.",
        "weights are (B, H, S).",
    ),
    (
        "exchanged",
        "output and weights exchanged",
        "`step` returns the weights first.",
        "(output, weights), in this order.",
    ),
]
