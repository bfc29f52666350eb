"""What often goes wrong in tiles with a bias for near keys.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

_SAME = "Sum and mixed values are relative to the same maximum."
_HEADS = "slopes[:, None, None] is (H, 1, 1)."

MISTAKES = [
    (
        "whole table",
        "half a table or more at once",
        "The numbers are right, but at some moment you hold half a table of "
        "all pairs or more: whole, as a mask, in wide tiles, or tile by tile "
        "in a list.",
        "One tile at a time: its scores, its mask and its distances.",
    ),
    (
        "places from 0",
        "places counted anew in each tile",
        "The first key of each tile is taken for the first key of the text.",
        "The keys of a tile stand at `begin`, begin + 1 and so on.",
    ),
    (
        "first queries",
        "distances from the beginning of the text",
        "The distance is counted as if query t stood at place t. If there "
        "are fewer queries than keys, they are the *last* tokens.",
        "The place of query t is S - T + t.",
        "first queries, also the mask",
    ),
    (
        "sign",
        "far keys preferred",
        "The bias makes a key's score *larger* with its distance.",
        "Subtract slope times distance.",
    ),
    (
        "no bias",
        "no bias",
        "Scores do not depend on the distance.",
        "Subtract slope times distance.",
    ),
    (
        "no slopes",
        "a slope of 1 for all heads",
        "The distance is subtracted as it is.",
        "Multiply it by the slope of the head.",
    ),
    (
        "slope of head 0",
        "the slope of the first head for all",
        "All heads get the slope of head 0.",
        _HEADS,
    ),
    (
        "mean slope",
        "one mean slope for all heads",
        "All heads get the mean of the slopes.",
        _HEADS,
    ),
    (
        "slopes reversed",
        "slopes in the reverse order",
        "Head h gets the slope of head H - 1 - h.",
        _HEADS,
    ),
    (
        "usual slopes",
        "slopes of your own",
        "You compute the slopes from the number of heads. They are given.",
        "Use `slopes`.",
    ),
    (
        "squared",
        "the squared distance",
        "The bias grows with the square of the distance.",
        "Slope times distance.",
    ),
    (
        "distance to the tile",
        "one distance for a whole tile",
        "All keys of a tile get the same distance.",
        "Each key has its own place.",
    ),
    (
        "in tiles",
        "a distance in tiles",
        "The distance is rounded down to whole tiles.",
        "Each key has its own place.",
        "in tiles, in tokens",
    ),
    (
        "share of the text",
        "the distance divided by the length of the text",
        "The distance is a number of tokens, not a share of the text.",
        "Slope times distance.",
    ),
    (
        "from 1",
        "a distance that begins with 1",
        "The query's own key has the distance 0. Yours has 1. The output is "
        "the same, but the log-sum-exp is too low.",
        "n = p - s.",
    ),
    (
        "powers of the slopes",
        "slopes taken for exponents",
        "You compute 2 to the power of minus the slope. The slopes are "
        "ready for use.",
        "Slope times distance.",
    ),
    (
        "bias scaled",
        "the bias divided by the root of d",
        "Scores and bias are divided together.",
        "Divide q·k, then subtract the bias.",
    ),
    (
        "no scale",
        "no scale",
        "q·k is not divided by the root of d_k.",
        "query.shape[-1] ** 0.5.",
    ),
    (
        "scaled by d",
        "scaled by d",
        "q·k is divided by d_k, not by its root.",
        "query.shape[-1] ** 0.5.",
    ),
    (
        "scaled by d_v",
        "scaled by d_v",
        "q·k is divided by the root of the width of the values.",
        "query.shape[-1] ** 0.5.",
    ),
    (
        "scaled by the tile",
        "scaled by the tile",
        "q·k is divided by the root of the number of keys in a tile.",
        "query.shape[-1] ** 0.5.",
    ),
    (
        "not causal",
        "no mask",
        "A query also sees keys after its own place, and the distance is "
        "below 0 there.",
        "Set -inf where the distance is below 0.",
    ),
    (
        "both ways",
        "a bias on both sides",
        "A query also sees keys after its own place, with a bias for near "
        "ones.",
        "Set -inf where the distance is below 0.",
    ),
    (
        "itself masked",
        "the query's own key masked",
        "A query sees the keys before it alone.",
        "The distance 0 is allowed.",
        "itself masked, bare",
    ),
    (
        "mask turned round",
        "the mask turned round",
        "A query sees its own key and those after it.",
        "Set -inf where the distance is below 0.",
        "mask turned round, bare",
    ),
    (
        "one ahead",
        "one key ahead",
        "A query also sees the key after its own.",
        "Set -inf where the distance is below 0.",
    ),
    (
        "late mask",
        "a mask after the sum",
        "Keys ahead are left out of the output, but their exponentials are "
        "in the sum.",
        "Set their scores to -inf first.",
    ),
    (
        "-100",
        "a finite number in place of -inf",
        "Scores of -220 occur. What is masked must be far below every other "
        "score.",
        "Set -inf.",
        "-200",
        "-215",
    ),
    (
        "zero score",
        "a score of 0 for what is masked",
        "exp(0 - m) still gets a share.",
        "Set -inf.",
    ),
    (
        "begins with 0",
        "a maximum that begins with 0",
        "If all scores of a row are far below 0, exp(score - 0) is 0, and "
        "you divide 0 by 0.",
        "The maximum of nothing is -inf.",
    ),
    (
        "one maximum",
        "one maximum for all rows",
        "All rows share one maximum. Where a row lies far below it, all of "
        "its exponentials are 0.",
        "amax over the keys alone, with keepdim=True.",
    ),
    (
        "newest maximum",
        "the maximum of the newest tile",
        "The maximum forgets the tiles before.",
        "The maximum of the old one and the tile's.",
        "newest maximum, bare",
    ),
    (
        "compared with the sum",
        "the maximum compared with the sum",
        "The new maximum is taken of the tile and of the running *sum*.",
        "Which variable holds the largest score so far?",
    ),
    (
        "turned round",
        "a factor turned round",
        "The old sums are multiplied by exp(new - old), which is above 1.",
        "A larger maximum makes old exponentials smaller.",
        "turned round, bare",
    ),
    (
        "never moved",
        "the maximum of the first tile kept",
        "Later and larger scores are not followed, and overflow.",
        "Take the maximum of each tile.",
    ),
    (
        "overflow",
        "exponentials that overflow",
        "exp is infinite above 88 in single precision, and 0 far below.",
        "Subtract the running maximum.",
    ),
    (
        "never shrunk",
        "nothing rescaled",
        "When the maximum rises, the old sums stay as they are.",
        _SAME,
    ),
    (
        "sum not shrunk",
        "a sum that is not rescaled",
        "When the maximum rises, only the mixed values are multiplied by the "
        "factor.",
        _SAME,
    ),
    (
        "output not shrunk",
        "an output that is not rescaled",
        "When the maximum rises, only the sum is multiplied by the factor.",
        _SAME,
    ),
    (
        "divided in the tile",
        "each tile divided by its own sum",
        "The values of a tile are averaged before they are added up.",
        "Divide once, after the last tile.",
    ),
    (
        "not divided",
        "not divided",
        "The mixed values are returned as they are.",
        "Divide by the sum after the last tile.",
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
        "maximum alone",
        "the maximum in place of the log-sum-exp",
        "You return the maximum.",
        "L = m + log(sum).",
    ),
    (
        "sum of logarithms",
        "a sum without its logarithm",
        "You add the sum to the maximum, not its logarithm.",
        "L = m + log(sum).",
    ),
    (
        "logarithm alone",
        "a log-sum-exp without the maximum",
        "You return the logarithm of the sum, which is relative to the "
        "maximum.",
        "L = m + log(sum).",
    ),
    (
        "base 2",
        "a logarithm to the base 2",
        "You add a logarithm to the base 2.",
        "The natural logarithm: torch.log.",
    ),
    (
        "lse with an axis",
        "an axis too many",
        "The log-sum-exp is (B, H, T, 1).",
        "It is (B, H, T).",
    ),
    (
        "exchanged",
        "the log-sum-exp before the output",
        "You return the log-sum-exp first.",
        "(output, lse).",
    ),
    (
        "bias multiplied",
        "a bias that multiplies",
        "You multiply the score by 1 - slope times distance.",
        "Subtract slope times distance.",
    ),
    (
        "bias after the maximum",
        "a bias outside of the maximum",
        "The maximum is taken before the bias. Where the largest q·k lies far "
        "away, all exponentials of a row may be 0.",
        "Subtract the bias first, then take the maximum.",
    ),
    (
        "bias in the output alone",
        "a bias in the output alone",
        "The sum of the exponentials is taken without the bias.",
        "Subtract the bias from the scores, before all else.",
    ),
    (
        "place of the key",
        "a bias by the place of the key",
        "You add slope times place of the key. All scores of a row are too "
        "large by the same number: the output is right, the log-sum-exp not.",
        "n = p - s.",
    ),
    (
        "distance to the last token",
        "the distance to the last token",
        "All queries get the distances of the last one.",
        "n = p - s, and p is the place of the query.",
    ),
    (
        "places reversed",
        "the queries in the reverse order",
        "You put the first query at the last place.",
        "The place of query t is S - T + t.",
    ),
    (
        "one place ahead",
        "queries one place too far",
        "Query t is put at the place S - T + t + 1.",
        "The place of query t is S - T + t.",
    ),
    (
        "mask from the beginning",
        "a mask from the beginning of the text",
        "The distance is right, but the mask lets query t see the keys 0 to t "
        "alone.",
        "Set -inf where the distance is below 0.",
    ),
    (
        "base 10",
        "a logarithm to the base 10",
        "You add a logarithm to the base 10.",
        "The natural logarithm: torch.log.",
    ),
    (
        "lse of zeros",
        "no log-sum-exp",
        "You return zeros in place of the log-sum-exp.",
        "L = m + log(sum).",
    ),
]
