"""What is told of each known mistake of exercise 00.3."""

ROWS = [
    (
        "not renormalised",
        "weights that are cut, not shared anew",
        "The softmax runs over all keys, and the weights of the keys that "
        "are not chosen are set to 0 later: the rows sum to less than 1.",
        "Choose first, then use softmax only on the chosen keys.",
    ),
    (
        "zeros",
        "a score of 0 for the rejected",
        "The keys that are not chosen get a score of 0, and exp(0) = 1: they "
        "still get weight.",
        "Which score has an exponential of 0? Or use masked_softmax.",
        "zeros among the allowed",
    ),
    (
        "masked late",
        "masked keys take a place",
        "You choose the k best before you use the mask, so a masked "
        "key can be among them.",
        "Remove the masked keys before you sort.",
        "masked last",
    ),
    (
        "unmasked",
        "the mask is not used",
        "Masked keys have weight: the mask has no effect.",
        "True = may attend. Where does your code read the mask?",
    ),
    (
        "scores of 0",
        "masked scores of 0",
        "It is as if the scores were multiplied by the mask: a "
        "masked key has a score of 0 and beats all negative ones.",
        "np.where(mask, scores, -np.inf) keeps it out.",
        "scores of 0, then cut",
    ),
    (
        "inverted",
        "the mask is inverted",
        "The masked keys are used and the allowed ones are not.",
        "True = may attend: np.where(mask, scores, -np.inf), without a ~.",
    ),
    (
        "worst",
        "the k worst",
        "These are the k keys with the lowest scores.",
        "np.argsort sorts from low to high: the best keys come last.",
        "worst, masked ones first",
    ),
    (
        "keys choose",
        "keys that choose queries",
        "You sort along the queries: each key chooses its k best queries. "
        "Each query should choose among the keys.",
        "Sort along axis -1, the keys, and write along it.",
    ),
    (
        "lowest k",
        "one k for all queries",
        "If one query may attend to fewer than k keys, the other queries get "
        "fewer keys too. Each query has its own number.",
        "Leave k as it is: chosen & mask removes what is not allowed.",
    ),
    (
        "by size",
        "the largest in size",
        "The keys are ranked by the absolute value of the score, so a key "
        "that points away from the query is chosen.",
        "A score of -3 is worse than a score of 0: no np.abs.",
    ),
    (
        "last tie",
        "a tie goes to the later key",
        "Among equal scores you took a later key. The rule says the earlier.",
        "argsort(scores)[:, -k:] takes ties from the end, and without "
        "kind='stable' in no fixed order. Sort -scores, with "
        "kind='stable'.",
        "the end of an order",
        "any tie",
        "any tie in parts",
    ),
    (
        "all ties",
        "ties let in more than k",
        "All keys that tie with the k-th are kept, so more than k get weight.",
        "A threshold cannot tell ties apart: choose places, not a threshold.",
    ),
    (
        "slope",
        "scores that are moved to settle ties",
        "Two scores differ by a millionth, and you chose the lower one. It is "
        "as if you added a small number for each place, or rounded.",
        "Sort -scores as they are, with kind='stable'.",
        "rounded",
    ),
    (
        "overflow",
        "exponentials that overflow",
        "The exponential of 900 is too large for a float: it is inf, and inf "
        "/ inf and inf * 0 are NaN. That of -900 is 0.",
        "masked_softmax subtracts the largest score first.",
        "overflow, then cut",
    ),
    (
        "one more",
        "k + 1 keys",
        "One key too many is kept.",
        "Count: order[:, :k] has the places 0 to k - 1.",
    ),
    (
        "one less",
        "k - 1 keys",
        "One key too few is kept.",
        "Count: order[:, :k] has the places 0 to k - 1.",
    ),
    (
        "shared",
        "the first query chooses for all",
        "All queries use the keys that the first one chose.",
        "Each row of scores has its own order: sort along axis -1, "
        "and index with np.take_along_axis or np.put_along_axis.",
    ),
    (
        "together",
        "one choice for all queries",
        "The scores of all queries are put together, and one choice is "
        "made for all. Each query chooses for itself.",
        "Each row of scores has its own order: sort along axis -1.",
        "together by the best",
    ),
    (
        "over queries",
        "a softmax over the queries",
        "The columns sum to 1. Each query must spend 1 over the keys.",
        "The axis of the softmax: weights are (T, S), and the keys are the "
        "last axis.",
    ),
    (
        "equal shares",
        "the chosen share alike",
        "The k best all get the same weight. Their weights should be "
        "the softmax of their scores.",
        "Your weights depend only on which keys are chosen, not on scores.",
    ),
    (
        "scaled",
        "a scale that nobody asked for",
        "The scores are divided by √d_k. Here the score is the plain "
        "dot product.",
        "query @ key.T, and nothing more.",
    ),
    (
        "uniform",
        "nothing allowed taken for everything",
        "A query that may attend to nothing spreads its weight over "
        "all keys. Its weights should be 0.",
        "The row where the mask is False for all keys.",
    ),
    (
        "nan",
        "a softmax of nothing",
        "A query that may attend to nothing has only scores of -inf, "
        "and their softmax is 0/0. Its weights should be 0.",
        "masked_softmax from the chapter handles such rows; softmax does not.",
    ),
    (
        "none given",
        "no mask taken for a mask of False",
        "If no mask is given, your code allows nothing: np.where(None, …) "
        "treats None as False.",
        "mask=None means that every key may be attended to.",
    ),
    (
        "filled up",
        "masked keys fill up the k",
        "If fewer than k keys are allowed, you choose masked keys too. "
        "Choose all allowed keys, and no other.",
        "chosen & mask: a masked key is never chosen.",
    ),
    (
        "k unused",
        "k is not used",
        "All allowed keys get weight, not only the k best.",
        "Which line of your code chooses the k best?",
    ),
    (
        "first k",
        "the first k keys",
        "The keys are chosen by their place in the list, not by their score.",
        "What does your code sort by?",
    ),
    (
        "all choices",
        "the choices of all queries",
        "Each query gets all keys that any of the queries chose: "
        "chosen[:, places] writes all places into all rows.",
        "np.put_along_axis(chosen, places, True, axis=-1): hint 3.",
    ),
    (
        "cosine",
        "a cosine for the dot product",
        "Queries and keys are divided by their lengths. The score is the "
        "plain dot product.",
        "query @ key.T, and nothing more.",
    ),
    (
        "sorted places",
        "weights at the wrong places",
        "These are the weights of the chosen keys, but in another order.",
        "Write each weight to the place that its score came from: hint 3.",
    ),
    (
        "filtered",
        "places counted among the allowed",
        "You count the places in the list of allowed keys, but use them in "
        "the list of all keys.",
        "np.flatnonzero(mask[t])[places] counts in the list of all.",
    ),
    (
        "too few",
        "fewer than k taken for none",
        "A query that may attend to fewer than k keys gets no weight. All of "
        "those keys are chosen.",
        "What does your code do if fewer than k keys are allowed?",
    ),
    (
        "times inf",
        "0 times infinity",
        "You multiply the mask by -inf. 0 * -inf is NaN, so allowed keys "
        "lose their score.",
        "np.where(mask, scores, -np.inf) multiplies nothing.",
        "times inf if masked",
    ),
    (
        "mask expected",
        "a mask that may be None",
        "mask=None means that every key may be attended to. But ~None and "
        "array[None] do not do what you need.",
        "What does your code do if mask is None?",
    ),
    (
        "if mask",
        "an if on a mask",
        "A mask has a True or False for each query and key, but `if` needs "
        "one answer.",
        "Write: if mask is not None.",
    ),
    (
        "shared anew",
        "a softmax over all, shared anew",
        "The softmax runs over all keys, also masked ones. Then you set the "
        "weights of other keys to 0 and divide again. If a masked key scores "
        "900, this is 0/0.",
        "Choose first, then use softmax only on the chosen keys.",
        "shared anew, 0/0 left",
    ),
    (
        "by their sum",
        "scores divided by their sum",
        "The chosen share the weight in proportion to their scores. It "
        "should be in proportion to the exponentials.",
        "A softmax over the chosen.",
    ),
    (
        "the chosen alone",
        "weights of the chosen alone",
        "Your weights are (T, k), those of the chosen. They should be (T, "
        "S), each in its key's place and 0 elsewhere.",
        "np.put_along_axis writes to places; hint 3.",
    ),
    (
        "keys",
        "keys summed in place of values",
        "Your output is an average of the keys. The keys are for the match; "
        "average the values.",
        "The last product.",
    ),
    (
        "-1e9",
        "-1e9 in place of -inf",
        "A query that may attend to nothing shares its weight among "
        "the first k keys: all scores are -1e9. Its weights should "
        "be 0.",
        "Mask with -np.inf, and use masked_softmax.",
    ),
]
