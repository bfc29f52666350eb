"""What often goes wrong where pages are chosen by a bound.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

_BOUND = "Per channel the larger of q·low and q·high; then the sum."

MISTAKES = [
    (
        "mean key",
        "the mean key in place of a bound",
        "You compare the query with the mean key of each page. A single key "
        "that fits well is lost in it.",
        _BOUND,
        "sum of scores",
    ),
    (
        "best score",
        "the best score of each page",
        "You compute the score of every key to find the best of each page. "
        "That reads all keys, and chooses other pages than the bound.",
        _BOUND,
    ),
    (
        "product of norms",
        "the product of two lengths",
        "|q| times the length of the longest key is a bound too, but another "
        "one, and it is the same whichever way the keys point.",
        _BOUND,
    ),
    (
        "first key",
        "the first key stands for its page",
        "A page gets the score of its first key.",
        _BOUND,
    ),
    (
        "last key",
        "the last key stands for its page",
        "A page gets the score of its last key.",
        _BOUND,
    ),
    (
        "high alone",
        "the largest numbers alone",
        "You use q·high everywhere. Where the query is negative, the smallest "
        "number gives the largest product.",
        _BOUND,
    ),
    (
        "low alone",
        "the smallest numbers alone",
        "You use q·low everywhere.",
        _BOUND,
    ),
    (
        "middle",
        "the middle of a page",
        "You use the middle between the smallest and the largest numbers.",
        _BOUND,
    ),
    (
        "wrong way round",
        "a bound from below",
        "Per channel you take the smaller product. No score of the page is "
        "below this bound; one from above is wanted.",
        _BOUND,
    ),
    (
        "larger of two sums",
        "the larger of two sums",
        "You sum q·low and q·high over the channels, then take the larger. A "
        "score of the page may exceed that.",
        _BOUND,
    ),
    (
        "absolute query",
        "the query without its signs",
        "You multiply the absolute query and the largest numbers.",
        _BOUND,
    ),
    (
        "absolute products",
        "products without their signs",
        "You take the larger absolute product of each channel.",
        _BOUND,
    ),
    (
        "largest channel",
        "the best channel alone",
        "You take the largest channel, in place of the sum of all.",
        _BOUND,
    ),
    (
        "width",
        "a bound without the query",
        "How wide a page is says nothing about this query.",
        _BOUND,
        "norm",
    ),
    (
        "tile",
        "heads that share keys in the wrong order",
        "Query head h reads key head h mod G, as if the keys were repeated "
        "as a whole.",
        "Query head h reads key head h // (H // G): repeat_interleave.",
    ),
    (
        "head 0",
        "the first key head for all",
        "All query heads read key head 0.",
        "Query head h reads key head h // (H // G).",
    ),
    (
        "mean of heads",
        "the mean of the key heads",
        "You average the heads of keys and values.",
        "Query head h reads key head h // (H // G).",
    ),
    (
        "group together",
        "one choice for each group of heads",
        "Query heads that share keys choose their pages together.",
        "Each query head chooses for itself.",
        "group together, mean query",
    ),
    (
        "heads together",
        "one choice for all heads",
        "All query heads choose their pages together.",
        "Each query head chooses for itself.",
        "pages of all heads",
    ),
    (
        "batch together",
        "one choice for all rows",
        "All rows choose their pages together.",
        "Each row chooses for itself.",
    ),
    (
        "all filled",
        "what other texts have left is read",
        "You treat all S places as filled.",
        "Row b has lengths[b] keys.",
    ),
    (
        "longest",
        "all rows as long as the longest",
        "Shorter rows read what other texts have left.",
        "Row b has lengths[b] keys.",
    ),
    (
        "length of row 0",
        "all rows as long as the first",
        "All rows get the length of row 0.",
        "Row b has lengths[b] keys.",
    ),
    (
        "one token short",
        "the last token of each row left out",
        "The newest key is missing.",
        "Row b has the keys 0 to lengths[b] - 1.",
    ),
    (
        "one token too many",
        "one token too many",
        "The place after the last token is read too.",
        "Row b has the keys 0 to lengths[b] - 1.",
    ),
    (
        "stale bounds",
        "bounds of what is not there",
        "Bounds count what other texts have left, so that pages are chosen "
        "which hold nothing of this text, or less than the bound says.",
        "Mask keys behind the text before the minimum and the maximum.",
        "stale bounds, and zeros",
        "bounds of begun pages, stale",
        "bounds of begun pages, stale, and zeros",
    ),
    (
        "zeros in the bounds",
        "zeros in the bounds",
        "Places behind the text count as keys of 0 in the minimum and the "
        "maximum.",
        "For the minimum set them to ∞, for the maximum to -∞.",
    ),
    (
        "zero",
        "a bound of 0 for empty pages",
        "Bounds may be below 0. An empty page with the bound 0 is chosen "
        "before them.",
        "The bound of an empty page is -∞.",
        "empty pages",
    ),
    (
        "empty kept",
        "empty pages marked as read",
        "Where a row has fewer pages than `count`, you mark pages that hold "
        "nothing.",
        "An empty page is never read.",
    ),
    (
        "only whole pages",
        "a page that is not full is never read",
        "You leave out the newest page as long as it has room.",
        "A page counts as soon as it holds a key.",
    ),
    (
        "newest always",
        "the newest page always read",
        "The newest page takes a place, whatever its bound.",
        "The bound alone decides.",
    ),
    (
        "newest too",
        "the newest page besides",
        "You read the newest page in addition to the best ones.",
        "`count` pages, no more.",
    ),
    (
        "newest left out",
        "the newest page left out",
        "The newest page is never read.",
        "The bound alone decides.",
    ),
    (
        "first page always",
        "the first page always read",
        "The first page takes a place, whatever its bound.",
        "The bound alone decides.",
    ),
    (
        "one more",
        "one page too many",
        "You read count + 1 pages.",
        "`count` pages, or all if there are fewer.",
    ),
    (
        "one fewer",
        "one page too few",
        "You read count - 1 pages.",
        "`count` pages, or all if there are fewer.",
    ),
    (
        "shortest count",
        "all rows read as few pages as the shortest",
        "All rows read as many pages as the shortest one has.",
        "Each row reads `count` pages, or all of its own.",
    ),
    (
        "too many asked for",
        "more pages asked for than there are",
        "topk raises an error if it is asked for more than there is.",
        "min(count, …).",
    ),
    (
        "pages as count",
        "size and count exchanged",
        "You take `size` for the number of pages that are read.",
        "`size` tokens in a page, `count` pages.",
    ),
    (
        "smallest",
        "the pages of the smallest bounds",
        "You read the pages with the smallest bounds.",
        "descending=True.",
    ),
    (
        "later first",
        "of equal bounds the later page",
        "Of pages with equal bounds you read the later one.",
        "sort(stable=True) keeps equal ones in order.",
    ),
    (
        "ties too",
        "all pages of equal bounds",
        "If several pages have the bound of the last one that is read, you "
        "read them all.",
        "`count` pages, no more.",
    ),
    (
        "last pages",
        "the last pages",
        "You read the newest pages: a window.",
        "The bound decides.",
    ),
    (
        "first pages",
        "the first pages",
        "You read the first pages, whatever their bounds.",
        "The bound decides.",
    ),
    (
        "above the mean",
        "all pages above the mean",
        "You read the pages whose bound is above the mean.",
        "`count` pages, or all if there are fewer.",
    ),
    (
        "tokens",
        "tokens chosen, not pages",
        "You choose the best tokens by their scores.",
        "Pages are read whole.",
    ),
    (
        "pages side by side",
        "pages spread over the text",
        "You take page n for the tokens n, n + N, n + 2N and so on.",
        "Page n holds the tokens n · size to n · size + size - 1.",
    ),
    (
        "all keys",
        "attention to all keys",
        "The pages are right, but attention still reads all keys.",
        "Softmax over the keys of the pages that are read.",
    ),
    (
        "stale keys",
        "the whole of a page that is not full",
        "In a page that is not full you read what other texts have left.",
        "Mask by lengths again when you attend.",
    ),
    (
        "whole pages alone",
        "keys of a page that is not full left out",
        "You mark such a page as read and leave out its keys.",
        "Its first keys belong to the text.",
    ),
    (
        "late mask",
        "a mask after the softmax",
        "Keys that are not read take part in the softmax and are set to 0 "
        "afterwards, so that the rest sums to less than 1.",
        "Set their scores to -inf, before the softmax.",
        "late mask, in the row",
    ),
    (
        "divided again",
        "a mask after the exponentials",
        "Keys that are not read take part in the softmax and are set to 0 "
        "afterwards. If such a score is by far the largest, nothing is left.",
        "Set their scores to -inf, before the softmax.",
        "divided, guarded",
    ),
    (
        "overflow",
        "exponentials that overflow",
        "Above 88, exp is infinite in single precision, and ∞/∞ is NaN.",
        "softmax subtracts the largest score first.",
    ),
    (
        "zero score",
        "a score of 0 for what is not read",
        "exp(0) = 1 still gets a share of the softmax.",
        "Set -inf.",
        "zero score, in the row",
    ),
    (
        "-100",
        "-100 in place of -inf",
        "Scores of -100 and less occur. What is not read must be below every "
        "other score.",
        "Set -inf.",
    ),
    (
        "mean of pages",
        "a softmax for each page",
        "You attend to each page alone and average the outputs.",
        "One softmax over the keys of all pages that are read.",
    ),
    (
        "alike",
        "all keys weigh the same",
        "You average what is read.",
        "Softmax of q·k / √d.",
    ),
    (
        "over heads",
        "softmax over the heads",
        "The softmax runs over the heads.",
        "Over the keys, the last axis.",
    ),
    (
        "bounds as weights",
        "the bounds as scores",
        "The weights come from the bounds of the pages.",
        "The bound chooses. The scores of the keys weigh.",
    ),
    (
        "weighted by the bounds",
        "weights times a softmax of the bounds",
        "You weigh the pages by their bounds.",
        "The bound chooses. The scores of the keys weigh.",
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
        "severed",
        "no gradient through the weights",
        "The values are right. No gradient flows through the weights.",
        "Leave out detach, item and no_grad where you attend.",
    ),
    (
        "all severed",
        "no gradient at all",
        "The values are right. No gradient flows through the output.",
        "Leave out detach, item and no_grad where you attend.",
    ),
    (
        "keys severed",
        "no gradient to the keys",
        "The values are right. No gradient flows back to the keys.",
        "Leave out detach, item and no_grad where you attend.",
    ),
    (
        "query severed",
        "no gradient to the query",
        "The values are right. No gradient flows back to the query.",
        "Leave out detach, item and no_grad where you attend.",
    ),
    (
        "values severed",
        "no gradient to the values",
        "The values are right. No gradient flows back to the values.",
        "Leave out detach, item and no_grad where you attend.",
    ),
    (
        "bounds leak",
        "a gradient through the choice",
        "The values are right. The bounds get a gradient too. They choose, "
        "and a choice has none.",
        "The output depends on the bounds through the pages alone.",
    ),
    (
        "tokens for pages",
        "an entry for each token",
        "`pages` has S columns.",
        "It has an entry for each page, (B, H, N).",
    ),
    (
        "indices",
        "indices of pages",
        "`pages` holds which pages are read, not whether each is.",
        "Booleans, (B, H, N).",
    ),
    (
        "whole numbers",
        "ones and zeros",
        "`pages` holds whole numbers.",
        "Booleans: compare, or call .bool().",
    ),
    (
        "pages inverted",
        "True for what is not read",
        "`pages` is True where a page is not read.",
        "True for a page that is read.",
    ),
    (
        "exchanged",
        "the pages before the output",
        "You return the pages first.",
        "(output, pages).",
    ),
]
