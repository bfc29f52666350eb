"""What often goes wrong in the backward pass through attention in tiles.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

_DROP = "D is the sum over d_v of d_output · output, one number a row."
_WEIGHTS = "weights = exp(scores - lse), of the whole row."

MISTAKES = [
    (
        "whole table",
        "the whole table",
        "The numbers are right, but you compute a table with an entry for "
        "each query and each key.",
        "Scores, weights and mask of one tile at a time.",
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
        "slopes without the weights",
        "You leave out the factor of the weights.",
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
        "values by the slopes",
        "The gradient of the values takes the slopes of the scores.",
        "d_value = weightsᵀ @ d_output.",
        "values by the slopes, scaled",
    ),
    (
        "keys by the weights",
        "keys by the weights",
        "The gradient of the keys takes the weights, not the slopes of the "
        "scores.",
        "d_key = slopesᵀ @ query.",
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
        "Scores of -200 occur. What is masked must be below every other "
        "score.",
        "Set -inf.",
        "-10",
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
]
