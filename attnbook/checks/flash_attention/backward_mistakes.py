"""What often goes wrong in the backward pass through attention in tiles.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

_DROP = "D is the sum over d_v of d_output · output, one number a row."
_WEIGHTS = "weights = exp(scores - lse), of the whole row."

MISTAKES = [
    (
        "whole table",
        "half a table or more at once",
        "The numbers are right, but at some moment you hold half a table of "
        "all pairs or more: whole, as a mask, in wide tiles, or tile by tile "
        "in a list.",
        "One tile at a time: its scores, its weights and its mask.",
    ),
    (
        "nothing subtracted",
        "nothing subtracted",
        "You leave out D. The weights of a row sum to 1, so one cannot rise "
        "alone.",
        _DROP,
    ),
    (
        "as a tile alone",
        "D of each tile alone",
        "You sum over the keys of a tile. The sum runs over the whole row.",
        _DROP,
    ),
    (
        "subtracted late",
        "D subtracted outside of the weights",
        "You subtract D from weights times d_weights.",
        "weights * (d_weights - D).",
    ),
    ("added", "D added", "You add D.", "weights * (d_weights - D)."),
    (
        "mean for sum",
        "a mean in place of D's sum",
        "You take the mean over d_v.",
        _DROP,
    ),
    (
        "summed over rows",
        "one D for all queries",
        "You sum over the queries too.",
        _DROP,
    ),
    (
        "without the output",
        "D without the output",
        "You sum the gradient alone.",
        _DROP,
    ),
    (
        "without the gradient",
        "D without the gradient",
        "You sum the output alone.",
        _DROP,
    ),
    (
        "weights forgotten",
        "the factor of the weights left out",
        "You leave out the factor of the weights in the gradient of the "
        "scores.",
        "weights * (d_weights - D).",
        "weights forgotten, unmasked",
    ),
    (
        "a sigmoid's slope",
        "the derivative of a sigmoid",
        "w (1 - w) is the diagonal of the softmax's Jacobian alone.",
        "weights * (d_weights - D).",
    ),
    (
        "softmax of the tile",
        "a softmax of each tile",
        "The weights of each tile sum to 1. Those of the whole row do.",
        _WEIGHTS,
    ),
    (
        "weights not divided",
        "exponentials in place of weights",
        "You subtract the maximum of the tile. Then nothing is divided.",
        _WEIGHTS,
    ),
    (
        "divided by the lse",
        "divided by the log-sum-exp",
        "You divide by the log-sum-exp itself.",
        _WEIGHTS,
    ),
    (
        "overflow",
        "exponentials that overflow",
        "exp(200) is infinite in single precision, and ∞/∞ is NaN.",
        "Subtract first: exp(scores - lse).",
    ),
    (
        "base 2",
        "powers of 2",
        "You use powers of 2. The log-sum-exp is a natural one.",
        "torch.exp.",
    ),
    (
        "no scale",
        "no scale",
        "The scores are not divided by the root of d_k.",
        "query.shape[-1] ** -0.5, in the scores and in the gradients.",
        "scores without the scale",
    ),
    (
        "scaled by d",
        "scaled by d",
        "The scores are divided by d_k, not by its root.",
        "query.shape[-1] ** -0.5.",
    ),
    (
        "scale forgotten",
        "the scale forgotten in the backward pass",
        "The scores have the factor 1/√d_k, and so has their gradient.",
        "d_query and d_key both get the factor.",
    ),
    (
        "scaled twice",
        "the scale twice in the backward pass",
        "The factor 1/√d_k comes in twice.",
        "Once in d_query and once in d_key.",
    ),
    (
        "keys without the scale",
        "keys without the scale",
        "The gradient of the keys lacks the factor 1/√d_k.",
        "d_query and d_key both get the factor.",
    ),
    (
        "queries without the scale",
        "queries without the scale",
        "The gradient of the queries lacks the factor 1/√d_k.",
        "d_query and d_key both get the factor.",
    ),
    (
        "last tile alone",
        "the last tile alone",
        "Each tile replaces the gradient of the queries. It is a sum over "
        "all tiles.",
        "Add each tile to d_query: +=, not =.",
    ),
    (
        "values by the slopes",
        "values by the gradient of the scores",
        "The gradient of the values takes the gradient of the scores.",
        "d_value = weightsᵀ @ d_output.",
        "values by the slopes, scaled",
    ),
    (
        "keys by the weights",
        "keys by the weights",
        "The gradient of the keys takes the weights, not the gradient of the "
        "scores.",
        "d_key = d_scoresᵀ @ query.",
        "keys by the weights, scaled",
    ),
    (
        "values by the scores",
        "values by the scores",
        "The gradient of the values takes the scores.",
        "d_value = weightsᵀ @ d_output.",
    ),
    (
        "values by the output",
        "values by the output",
        "You multiply the weights with the output, not with its gradient.",
        "d_value = weightsᵀ @ d_output.",
    ),
    (
        "not causal",
        "no mask",
        "Keys ahead of a query get a weight, in the gradient of the values at "
        "least. In lse they had none.",
        "Set -inf where the key stands after the query.",
        "late mask",
    ),
    (
        "itself masked",
        "the query's own key masked",
        "A query sees the keys before it alone.",
        "A key at the query's own place is allowed.",
    ),
    (
        "first queries",
        "queries at the beginning of the text",
        "Query t is put at place t. If there are fewer queries than keys, "
        "they are the *last* tokens.",
        "The place of query t is S - T + t.",
    ),
    (
        "places from 0",
        "places counted anew in each tile",
        "The first key of each tile is taken for the first key of the text.",
        "The keys of a tile stand at `begin`, begin + 1 and so on.",
    ),
    (
        "zero score",
        "a score of 0 for what is masked",
        "exp(0 - lse) is not 0.",
        "Set -inf.",
    ),
    (
        "-100",
        "a finite number in place of -inf",
        "Scores of -220 occur. What is masked must be far below every other "
        "score.",
        "Set -inf.",
        "-10",
        "-200",
        "-215",
    ),
    (
        "first tile alone",
        "the first tile alone",
        "Only the keys of the first tile are read.",
        "range(0, S, tile), and no `return` inside the loop.",
    ),
    (
        "last tile dropped",
        "the last, shorter tile left out",
        "Keys behind the last whole tile are never read.",
        "range(0, S, tile).",
    ),
    (
        "signs",
        "the signs turned round",
        "The gradients of queries and keys have the wrong sign.",
        "weights * (d_weights - D), not the other way round.",
    ),
    (
        "exchanged",
        "keys before queries",
        "You return the gradient of the keys first.",
        "(d_query, d_key, d_value).",
    ),
    (
        "values before keys",
        "values before keys",
        "You return the gradient of the values before that of the keys.",
        "(d_query, d_key, d_value).",
    ),
    (
        "values first",
        "values first, queries last",
        "You return the gradients in the reverse order.",
        "(d_query, d_key, d_value).",
    ),
    (
        "queries by the weights",
        "queries by the weights",
        "The gradient of the queries takes the weights, not the gradient of "
        "the scores.",
        "d_query = d_scores @ key.",
        "queries by the weights, scaled",
    ),
    (
        "keys scaled twice",
        "keys with the scale twice",
        "The factor 1/√d_k comes in twice in the gradient of the keys: in the "
        "scaled queries and again.",
        "d_key = d_scoresᵀ @ query / √d_k, of the query as it is given.",
    ),
    (
        "weights squared",
        "the factor of the weights twice",
        "The weights come in twice in the gradient of the scores.",
        "weights * (d_weights - D).",
    ),
    (
        "output squared",
        "D without the gradient of the output",
        "You multiply the output with itself.",
        _DROP,
    ),
    (
        "log-sum-exp for D",
        "the log-sum-exp in place of D",
        "You subtract the log-sum-exp from the gradient of the weights.",
        _DROP,
    ),
    (
        "slope unmasked",
        "the gradient of masked scores",
        "The weights are masked, but the gradient of the scores is not.",
        "weights * (d_weights - D), with the masked weights.",
    ),
    (
        "mask turned round",
        "the mask turned round",
        "A query sees its own key and those after it.",
        "Set -inf where the key stands after the query.",
    ),
    (
        "mask after the exponential",
        "a mask after the exponential",
        "exp of a key ahead may be infinite, since lse knows nothing of it, "
        "and ∞ · 0 is NaN.",
        "Set the scores to -inf before exp.",
    ),
    (
        "values less D",
        "values by the gradient less D",
        "You subtract D from the gradient of the output too.",
        "d_value = weightsᵀ @ d_output.",
    ),
    (
        "stops at the diagonal's begin",
        "keys left out at the diagonal",
        "With tiles of queries, you stop at the place of the *first* query of "
        "a tile. The others see further keys.",
        "The last query of the tile sees the keys up to its own place.",
    ),
    (
        "stops at the first queries",
        "an end counted from the beginning",
        "With tiles of queries, you stop as if query t stood at place t. It "
        "stands at S - T + t.",
        "The last query of the tile sees the keys up to its own place.",
    ),
    (
        "keys of the last queries alone",
        "keys of the last tile of queries alone",
        "With tiles of queries, each one replaces the gradient of the keys.",
        "Add each tile to d_key: +=, not =.",
    ),
    (
        "values of the last queries alone",
        "values of the last tile of queries alone",
        "With tiles of queries, each one replaces the gradient of the values.",
        "Add each tile to d_value: +=, not =.",
    ),
]
