"""What often goes wrong in a window with a bias for near keys.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

MISTAKES = [
    (
        "one more",
        "a window of W + 1 keys",
        "Each query sees its own key and W keys before it. With its own key "
        "it should see W.",
        "The farthest key of a window has the distance W - 1.",
    ),
    (
        "one fewer",
        "a window of W - 1 keys",
        "Each query sees W - 1 keys, its own among them.",
        "The farthest key of a window has the distance W - 1.",
        "one fewer, filled up",
    ),
    (
        "itself left out",
        "a window that ends before the query",
        "The window holds the W keys *before* the query. Its own key is the "
        "last one of the window.",
        "The distances are W - 1, …, 1, 0.",
    ),
    (
        "itself masked",
        "the query's own key masked",
        "The last place of the window has no weight. It is the query's own "
        "key.",
        "Its distance is 0: the first key of a text is all that the first "
        "query sees.",
    ),
    (
        "filled up behind",
        "zeros put behind the text",
        "The zeros stand at the end of the text, so that a window begins "
        "with the query's own key and holds what comes after it.",
        "F.pad(key, (0, 0, window - 1, 0)) puts them in front.",
    ),
    (
        "one ahead",
        "a window that looks ahead",
        "The window is one place too far on: its last key stands after the "
        "query.",
        "The query at place p sees the keys p - W + 1 to p.",
    ),
    (
        "first queries",
        "queries at the beginning of the text",
        "Query t is put at place t. If there are fewer queries than keys, "
        "they are the *last* tokens.",
        "The place of query t is S - T + t.",
        "first windows",
    ),
    (
        "sign",
        "far keys preferred",
        "The bias makes a key's score *larger* with its distance.",
        "The bias is 0 for the query's own key, and below 0 for the others.",
        "bias of the other end",
    ),
    (
        "no bias",
        "no bias",
        "Scores do not depend on the distance.",
        "Subtract slope times distance from each score.",
        "position of the query",
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
        "slopes[:, None, None] is (H, 1, 1).",
    ),
    (
        "mean slope",
        "one mean slope for all heads",
        "All heads get the mean of the slopes.",
        "slopes[:, None, None] is (H, 1, 1).",
    ),
    (
        "slopes reversed",
        "slopes in the reverse order",
        "Head h gets the slope of head H - 1 - h.",
        "slopes[:, None, None] is (H, 1, 1).",
    ),
    (
        "usual slopes",
        "slopes of your own",
        "You compute the slopes from the number of heads. They are given.",
        "Use `slopes`.",
    ),
    (
        "divided by slopes",
        "the distance divided by the slope",
        "You divide the distance by the slope.",
        "Multiply it by the slope.",
    ),
    (
        "slopes on the batch",
        "slopes along the rows of the batch",
        "Each row of the batch gets a slope, in place of each head.",
        "The axis of the heads is the second one: slopes[:, None, None].",
    ),
    (
        "slopes on the queries",
        "slopes along the queries",
        "Each query gets a slope, in place of each head.",
        "The axis of the heads is the second one: slopes[:, None, None].",
    ),
    (
        "squared",
        "the squared distance",
        "The bias grows with the square of the distance.",
        "Slope times distance.",
    ),
    (
        "logarithm",
        "the logarithm of the distance",
        "The bias grows with the logarithm of the distance.",
        "Slope times distance.",
    ),
    (
        "share of the window",
        "the distance divided by W",
        "The bias is slope times distance divided by W.",
        "Slope times distance, in tokens.",
    ),
    (
        "bias scaled",
        "the bias divided by the root of d",
        "Scores and bias are divided together.",
        "Divide q·k, then subtract the bias.",
    ),
    (
        "bias multiplies",
        "scores multiplied by the bias",
        "The bias multiplies the scores.",
        "Subtract it.",
    ),
    (
        "after the softmax",
        "the bias after the softmax",
        "The bias changes the weights, so that they do not sum to 1.",
        "Subtract it from the scores, before the softmax.",
        "added after",
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
        "scale multiplied",
        "multiplied by the root of d",
        "q·k is multiplied by the root of d_k.",
        "Divide.",
    ),
    (
        "scaled by the window",
        "scaled by another size",
        "q·k is divided by the root of another size than d_k.",
        "query.shape[-1] ** 0.5. Which axis is last after your unfold?",
        "scaled by the text",
    ),
    (
        "scaled by d_v",
        "scaled by d_v",
        "q·k is divided by the root of the width of the values.",
        "query.shape[-1] ** 0.5.",
    ),
    (
        "zeros seen",
        "keys of zeros in front of the text",
        "Windows at the front hold room that is filled with zeros, and you "
        "give it weight. A key of zeros has a score too.",
        "Where the distance is larger than the place, set -inf.",
    ),
    (
        "zeros are none",
        "a key of zeros taken for none",
        "You take a key of zeros, or a score of 0, for a place before the "
        "text. A token of the text may have one too.",
        "Compare the distance with the place of the query.",
        "scores of 0 are none",
    ),
    (
        "slices that wrap",
        "slices that begin at a negative place",
        "For the first windows p - W + 1 is below 0. A slice takes that as a "
        "place from the end, and holds nothing, or other keys.",
        "key[:, :, max(0, p - window + 1) : p + 1].",
        "index that wraps",
    ),
    (
        "clamped",
        "the first key several times",
        "Windows at the front hold key 0 several times, once for each place "
        "before the text.",
        "Where the distance is larger than the place, set -inf.",
    ),
    (
        "late mask",
        "a mask after the softmax",
        "Places before the text take part in the softmax and are set to 0 "
        "afterwards, so that the rest sums to less than 1.",
        "Set their scores to -inf, before the softmax.",
    ),
    (
        "divided again",
        "a mask after the exponentials",
        "Places before the text take part in the softmax and are set to 0 "
        "afterwards. If such a score is by far the largest, nothing is left.",
        "Set their scores to -inf, before the softmax.",
        "divided, guarded",
    ),
    (
        "overflow",
        "exponentials that overflow",
        "exp is infinite above 88 in single precision, and 0 far below the "
        "largest score. You divide ∞ by ∞ or 0 by 0, which is NaN.",
        "First -inf where no key is; then softmax, and no division after it.",
        "exp divided",
    ),
    (
        "zero score",
        "a score of 0 before the text",
        "exp(0) = 1 still gets a share of the softmax.",
        "Set -inf.",
    ),
    (
        "-100",
        "-100 in place of -inf",
        "Scores of -100 and less occur. What is masked must be below every "
        "other score.",
        "Set -inf.",
        "-100, then the bias",
    ),
    (
        "place of the query alone",
        "a mask by the number of the query",
        "You mask places before query 0. If there are fewer queries than "
        "keys, the text begins earlier.",
        "Compare the distance with the place S - T + t.",
    ),
    (
        "first key hidden",
        "the first key of the text masked",
        "Key 0 is masked too, so that the first query sees nothing.",
        "A place exists if the distance is at most the place of the query.",
    ),
    (
        "window of the text",
        "fewer than W columns",
        "If the window is longer than the text, your weights have a column "
        "for each key.",
        "Weights have W columns, of which the first ones may be 0.",
    ),
    (
        "all keys in the softmax",
        "a window after the softmax",
        "The softmax runs over all keys before a query, so that the weights "
        "in the window sum to less than 1.",
        "Cut out the window first.",
    ),
    (
        "inverted",
        "the mask is inverted",
        "You mask the places that exist.",
        "A place exists if the distance is at most the place of the query.",
    ),
    (
        "over queries",
        "softmax over the queries",
        "The softmax runs over the queries.",
        "Over the window, the last axis.",
    ),
    (
        "over heads",
        "softmax over the heads",
        "The softmax runs over the heads.",
        "Over the window, the last axis.",
    ),
    (
        "plain output",
        "the bias in the weights alone",
        "The weights know the bias, the output does not.",
        "Blend the values with the weights that you return.",
    ),
    (
        "plain weights",
        "the bias in the output alone",
        "The output knows the bias, the weights that you return do not.",
        "Return the weights that blend the values.",
    ),
    (
        "scores returned",
        "scores in place of weights",
        "You return scores.",
        "Return what the softmax gives.",
        "scores returned, -inf",
    ),
    (
        "exchanged",
        "the weights before the output",
        "You return the weights first.",
        "(output, weights).",
    ),
    (
        "reversed",
        "the query's own key first",
        "Your weights begin with the query's own key.",
        "The last column is the query's own key.",
    ),
    (
        "moved up",
        "windows moved up at the front",
        "The first windows have places before the text. There, your weights "
        "begin with key 0.",
        "The last column is the query's own key, everywhere.",
    ),
    (
        "a column a key",
        "a column for each key",
        "Your weights have a column for each key of the text.",
        "They have W columns, one for each place of the window.",
    ),
    (
        "whole table",
        "the whole table",
        "The numbers are right, but you compute a table with an entry for "
        "each query and each key.",
        "Fetch the W keys of each query first: pad, then unfold.",
    ),
]
