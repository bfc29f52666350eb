"""What often goes wrong where groups of heads share keys and values.

Of the planted bugs their names, sentences and where to look, by key; of the
other mistakes the keys of the code that makes each, then the same, and the
keys of other code that makes it.
"""

_TURN = "turn(x, start) counts along the last axis but one: (B, heads, n, d)."
_ORDER = "Query head h reads head h // (H // G)."
_MASK = "The mask is (B, 1, T, S), the same for all heads of a row."

BUGS = {
    "head axis": (
        "positions along the axis of heads",
        "The features are turned by the number of their *head*, so that all "
        "tokens of a head are turned alike.",
        _TURN,
    ),
    "keys: tile": (
        "tile in place of repeat_interleave",
        "repeat lays the heads of keys out as 0, 1, 0, 1, so that neighbours "
        "read different ones. Those of a group stand side by side.",
        "repeat_interleave(H // G, 1) gives 0, 0, 1, 1.",
    ),
    "values: group size": (
        "the number of groups taken for their size",
        "Query head h reads the values of head h // G. G is how many groups "
        "there are; H // G heads are in one.",
        _ORDER,
    ),
    "mask tiled": (
        "a mask in the order of heads, not of rows",
        "repeat(H, 1, 1) lays the masks out as row 0, row 1, row 0, row 1, "
        "and you read them as heads of row 0 first. One row shows nothing.",
        _MASK,
    ),
    "half": (
        "a scale that is written down",
        "The scale 0.5 is right for heads of width 4, and for no others.",
        "d ** -0.5, with the width of a head.",
    ),
}

MISTAKES = [
    (
        ("keys: group size",),
        "keys by the number of groups",
        "Query head h reads the *keys* of head h // G. H // G heads are in a "
        "group.",
        _ORDER,
    ),
    (
        ("both: group size",),
        "keys and values by the number of groups",
        "Query head h reads head h // G. H // G heads are in a group.",
        _ORDER,
    ),
    (
        ("both: copies",),
        "as many copies as there are groups",
        "Each head of keys is copied G times. It is read by H // G heads.",
        _ORDER,
        ("keys: copies",),
        ("values: copies",),
        ("both: G times",),
        ("keys: G times",),
        ("values: G times",),
    ),
    (
        ("values: tile",),
        "values tiled",
        "The *values* are laid out as 0, 1, 0, 1. Those of a group stand "
        "side by side.",
        "repeat_interleave(H // G, 1) gives 0, 0, 1, 1.",
    ),
    (
        ("both: tile",),
        "keys and values tiled",
        "Keys and values are laid out as 0, 1, 0, 1. Those of a group stand "
        "side by side.",
        "repeat_interleave(H // G, 1) gives 0, 0, 1, 1.",
    ),
    (
        ("both: head 0",),
        "every head reads head 0",
        "All query heads read the first head of keys and values. There are G.",
        _ORDER,
    ),
    (
        ("keys: head 0",),
        "every head reads the keys of head 0",
        "All query heads read the keys of the first head. There are G.",
        _ORDER,
    ),
    (
        ("values: head 0",),
        "every head reads the values of head 0",
        "All query heads read the values of the first head. There are G.",
        _ORDER,
    ),
    (
        ("both: last",),
        "every head reads the last head",
        "All query heads read the last head of keys and values.",
        _ORDER,
    ),
    (
        ("both: mean",),
        "every head reads the mean",
        "All query heads read the mean of the heads of keys and values.",
        _ORDER,
    ),
    (
        ("both: reversed",),
        "groups from the end",
        "The first query heads read the last head of keys and values.",
        _ORDER,
    ),
    (
        ("both: next",),
        "the next group's keys",
        "Each group reads the keys and values of the group after it.",
        _ORDER,
    ),
    (
        ("both: sequence",),
        "copied along another axis",
        "You copied each *token*, or each row of the batch. The axis of the "
        "heads is 1.",
        "repeat_interleave(H // G, 1).",
        ("keys: sequence",),
        ("values: sequence",),
        ("both: batch",),
        ("keys: batch",),
        ("values: batch",),
    ),
    (
        ("rows as heads",),
        "the mask's rows at the place of the heads",
        "mask[None] is (1, B, T, S), so that the rows of the batch stand at "
        "the place of the heads.",
        _MASK,
    ),
    (
        ("head axis of queries",),
        "queries turned by their head",
        "The queries are turned by the number of their head.",
        _TURN,
    ),
    (
        ("head axis of keys",),
        "keys turned by their head",
        "The keys are turned by the number of their head.",
        _TURN,
    ),
    (
        ("not turned",),
        "no positions",
        "Neither queries nor keys are turned.",
        "turn(q, S - T) and turn(k, 0).",
    ),
    (
        ("queries not turned",),
        "queries that are not turned",
        "Only the keys are turned.",
        "turn(q, S - T) and turn(k, 0).",
    ),
    (
        ("keys not turned",),
        "keys that are not turned",
        "Only the queries are turned.",
        "turn(q, S - T) and turn(k, 0).",
    ),
    (
        ("values turned",),
        "values turned too",
        "Values carry no position.",
        "turn(q, S - T) and turn(k, 0).",
    ),
    (
        ("from 0",),
        "queries from position 0",
        "The first query and the first key are turned alike, as if T queries "
        "were the oldest of S tokens. They are the newest.",
        "turn(q, S - T).",
    ),
    (
        ("one further",),
        "queries from a wrong position",
        "The first query stands at S - T, because positions count from 0.",
        "turn(q, S - T).",
        ("from T",),
        ("from S",),
        ("one nearer",),
    ),
    (
        ("all at the end",),
        "all queries at the last position",
        "All queries are turned by S - 1.",
        "turn(q, S - T) gives each its own.",
    ),
    (
        ("padding out of queries",),
        "padding left out of some positions",
        "You subtract the padding from the positions of the queries or from "
        "those of the keys, but not from both, so that distances are wrong.",
        "turn(q, S - T) and turn(k, 0), in each row.",
        ("padding out of keys",),
    ),
    (
        ("queries from 0",),
        "a triangle in the wrong corner",
        "Query t sees the keys up to t. It is token S - T + t.",
        "Key s may be seen from place n if s <= n.",
    ),
    (
        ("itself hidden",),
        "a token that does not see itself",
        "A token sees the places up to its own, its own among them.",
        "s <= n, not s < n.",
        ("strictly earlier",),
    ),
    (
        ("future seen",),
        "a token that sees its future",
        "Of the newest tokens, each sees those that come after it.",
        "Key s may be seen from place n if s <= n.",
    ),
    (
        ("padding seen",),
        "padding that is seen",
        "The empty places of a row are seen.",
        "Row b has them before place padding[b].",
    ),
    (
        ("no mask",),
        "no mask",
        "All places are seen, padding and later tokens as well.",
        "masked_fill(~mask, -inf), before the softmax.",
    ),
    (
        ("one hidden",),
        "the first token hidden",
        "The first real token of a row is hidden.",
        "s >= padding[b].",
        ("first hidden",),
    ),
    (
        ("one seen",),
        "one empty place seen",
        "The last empty place of a row is seen.",
        "s >= padding[b].",
    ),
    (
        ("on the right",),
        "padding on the right",
        "You hide the *last* places of a row. Padding stands at the front.",
        "s >= padding[b].",
    ),
    (
        ("first row",),
        "the padding of the first row",
        "All rows hide as many places as row 0.",
        _MASK,
    ),
    (
        ("longest padding",),
        "the padding of the shortest text",
        "All rows hide as many places as the row with the shortest text.",
        _MASK,
    ),
    (
        ("shortest padding",),
        "the padding of the longest text",
        "All rows hide as many places as the row with the longest text.",
        _MASK,
    ),
    (
        ("real alone inverted",),
        "padding seen, tokens hidden",
        "A row sees its empty places, and its tokens are hidden.",
        "s >= padding[b].",
    ),
    (
        ("rows and heads exchanged",),
        "rows and heads of the mask exchanged",
        "You repeat the mask for the heads, but read its first axis as "
        "(H, B).",
        _MASK,
    ),
    (
        ("mask inverted",),
        "the mask is inverted",
        "What may be seen is hidden.",
        "masked_fill(~mask, -inf).",
    ),
    (
        ("zeros for masked",),
        "zero for what is hidden",
        "A score of 0 is not hidden: exp(0) is 1.",
        "masked_fill(~mask, -inf), before the softmax.",
        ("multiplied by the mask",),
    ),
    (
        ("softmax, then mask",),
        "masked after the softmax",
        "The weights are masked after the softmax, and do not sum to 1.",
        "masked_fill(~mask, -inf), before the softmax.",
    ),
    (
        ("softmax, mask, divided",),
        "masked after the softmax, then divided",
        "Where a hidden score is 200 larger than the others, nothing is left "
        "to divide.",
        "masked_fill(~mask, -inf), before the softmax.",
    ),
    (
        ("small for masked",),
        "a small number for what is hidden",
        "Scores may be as small as -200. What is hidden gets -inf.",
        'float("-inf").',
    ),
    (
        ("exponentials",),
        "exponentials that overflow",
        "A score above 88 makes exp infinite, and infinite over infinite is "
        "NaN.",
        "softmax subtracts the largest score first.",
    ),
    (
        ("over queries",),
        "softmax over the queries",
        "The weights sum to 1 over the queries.",
        "softmax(-1): over the keys.",
    ),
    (
        ("over heads",),
        "softmax over the heads",
        "The weights sum to 1 over the heads.",
        "softmax(-1): over the keys.",
    ),
    (
        ("no scale",),
        "no scale",
        "The scores are not divided by the root of d.",
        "d ** -0.5.",
    ),
    (
        ("by d",),
        "divided by d",
        "The scores are divided by d, not by its root.",
        "d ** -0.5.",
    ),
    (
        ("by D",),
        "scaled by the width of the model",
        "The scores are divided by the root of D, the width of the model.",
        "q.shape[-1] is d.",
    ),
    (
        ("by D over H",),
        "scaled by D // H",
        "The scores are divided by the root of D // H. Heads may have another "
        "width.",
        "q.shape[-1] is d.",
        ("by D / H",),
    ),
    (
        ("multiplied",),
        "multiplied by the root",
        "The scores are multiplied by the root of d.",
        "d ** -0.5.",
    ),
    (
        ("by H",),
        "scaled by the number of heads",
        "The scores are divided by the root of a number of heads.",
        "q.shape[-1] is d.",
        ("by the heads of keys",),
    ),
    (
        ("by G",),
        "scaled by D over G",
        "The scores are divided by the root of D / G. The number of groups "
        "changes no width.",
        "q.shape[-1] is d.",
    ),
    (
        ("of the group",),
        "scaled by the width of several heads",
        "The scores are divided by the root of all features of a group, or "
        "of all heads.",
        "q.shape[-1] is d.",
        ("of all heads",),
        ("of all keys",),
    ),
    (
        ("features of heads mixed",),
        "features of heads mixed",
        "Head h has the features h, h + H, h + 2H. It has d of them side by "
        "side.",
        "unflatten(-1, (heads, d)).",
    ),
    (
        ("heads by reshape",),
        "heads made from tokens",
        "reshape(B, heads, n, d) cuts the tokens into pieces.",
        "unflatten(-1, (heads, d)), then transpose(1, 2).",
    ),
    (
        ("heads not moved",),
        "heads merged without moving their axis",
        "You reshape (B, H, T, d) at once, which mixes tokens and heads.",
        "transpose(1, 2) first.",
    ),
    (
        ("features first",),
        "heads merged in another order",
        "The outputs of the heads are interleaved.",
        "transpose(1, 2).flatten(2).",
    ),
    (
        ("no output projection",),
        "no output projection",
        "The heads are not mixed by the last matrix.",
        'model["output"].',
    ),
    (
        ("output not transposed",),
        "a matrix that is not transposed",
        "The matrices are stored as nn.Linear stores them.",
        'x @ model["output"].T.',
    ),
    (
        ("oldest",),
        "queries of the oldest tokens",
        "The first T tokens have queries. It should be the newest ones.",
        "x[:, -T:].",
    ),
    (
        ("all queries",),
        "queries of all tokens",
        "All S tokens have queries. It should be the newest T.",
        "x[:, -T:].",
    ),
    (
        ("last alone",),
        "the last token alone",
        "You return one token for each row.",
        "x[:, -T:].",
    ),
    (
        ("mean of the heads",),
        "weights averaged over the heads",
        "You return the mean of the weights over the heads.",
        "weights is (B, H, T, S).",
    ),
    (
        ("scores returned",),
        "scores returned",
        "You return scores in place of weights.",
        "weights is what the values are summed with.",
    ),
    (
        ("exchanged",),
        "the two results exchanged",
        "The weights are returned first.",
        "return output, weights.",
    ),
    (
        ("output alone",),
        "the weights not returned",
        "You return one tensor. The weights are asked for too.",
        "return output, weights.",
    ),
]
