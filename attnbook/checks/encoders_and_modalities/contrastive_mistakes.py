"""What goes wrong when pictures and captions are matched, by name.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

_UNIT = "Divide each vector by its length, the root of the sum of squares."
_SCALE = "scores = exp(log_scale) · cosine, with a factor of 100 at most."
_HITS = "Add up the shares of all matches first, and take the log then."
_ROWS = "The mean is over the rows that have a match, in each direction."
_BOTH = "Half the mean over pictures and half the mean over captions."
_RETURN = "Return `(loss, scores)`, with scores (B, N)."
_GRAPH = "Look for .detach(), .item(), .data or torch.tensor(…)."

MISTAKES = [
    (
        "no length",
        "vectors of any length",
        "You multiplied the vectors as they are. A long vector then has "
        "large scores.",
        _UNIT,
    ),
    (
        "pictures as they are",
        "pictures of any length",
        "The pictures' vectors are not divided by their lengths.",
        _UNIT,
    ),
    (
        "captions as they are",
        "captions of any length",
        "The captions' vectors are not divided by their lengths.",
        _UNIT,
    ),
    (
        "sum to 1",
        "divided by the sum",
        "You divided a vector by the sum of its numbers.",
        _UNIT,
    ),
    (
        "one norm",
        "divided by the sum of absolute values",
        "You divided by the sum of absolute values.",
        _UNIT,
    ),
    (
        "squared length",
        "divided by the square of the length",
        "You divided by the sum of squares, without the root.",
        _UNIT,
    ),
    (
        "unit over the batch",
        "unit length along the batch",
        "You divided each feature by its length over the batch.",
        "F.normalize(x, dim=-1): the axis of the features.",
    ),
    (
        "whole norm",
        "one length for the whole batch",
        "You divided all vectors by one length, that of the whole table.",
        "norm(dim=-1, keepdim=True).",
    ),
    (
        "softmaxed",
        "a softmax in place of unit length",
        "You took a softmax over the features of a vector.",
        _UNIT,
    ),
    (
        "layer norm",
        "a layer norm in place of unit length",
        "You normalised mean and variance of each vector.",
        _UNIT,
    ),
    (
        "distance",
        "minus the distance as a score",
        "Your scores are distances. They should be cosines.",
        _SCALE,
    ),
    (
        "distance squared",
        "minus the squared distance as a score",
        "Your scores are squared distances, −(2 − 2 cos). They should be "
        "cosines.",
        _SCALE,
    ),
    (
        "own product",
        "pictures compared with pictures",
        "You compared the pictures with themselves.",
        "Rows of the scores are pictures, columns are captions.",
    ),
    (
        "divided by the root",
        "divided by the square root of the width",
        "You divided by √D. Cosines need no such scale.",
        _SCALE,
    ),
    (
        "no exponential",
        "a temperature without its exponential",
        "You multiplied by `log_scale` itself.",
        _SCALE,
        "no exponential, at most 100",
    ),
    (
        "divided without exponential",
        "divided by the logarithm of the scale",
        "You divided by `log_scale` itself.",
        _SCALE,
    ),
    (
        "no scale",
        "no scale",
        "You did not multiply the cosines by anything.",
        _SCALE,
    ),
    (
        "divided",
        "divided by the scale",
        "You divided the cosines by exp(log_scale). It is a factor here, "
        "not a temperature.",
        _SCALE,
    ),
    (
        "ten",
        "a power of 10",
        "You took 10 to the power of `log_scale`. The logarithm is the "
        "natural one.",
        _SCALE,
    ),
    (
        "squared scale",
        "the scale used twice",
        "You multiplied by the scale twice.",
        _SCALE,
    ),
    (
        "not at most 100",
        "a scale without a bound",
        "Your factor exceeds 100.",
        _SCALE,
        "clipped before",
    ),
    (
        "at most log",
        "the factor bounded by log 100",
        "You bounded the factor by log 100 = 4.6. It is `log_scale` that "
        "has this bound; the factor's is 100.",
        _SCALE,
    ),
    (
        "at least 1",
        "a scale of at least 1",
        "You do not let the factor fall below 1. Only an upper bound is "
        "asked for.",
        _SCALE,
    ),
    (
        "identity",
        "the diagonal taken for the matches",
        "You take picture i and caption i for the only match. A caption "
        "matches every picture of the same label, wherever it stands.",
        "match[i, j] is labels[i] == names[j].",
    ),
    (
        "others match",
        "matches and others swapped",
        "You take the pairs of different labels for the matches.",
        "match[i, j] is labels[i] == names[j].",
    ),
    (
        "soft targets",
        "targets from the model's own similarities",
        "You took soft targets from the similarities themselves. A model "
        "that gives all pairs the same score would then be right.",
        "The labels alone say what matches.",
    ),
    (
        "mean of logs",
        "a mean of logarithms over the matches",
        "You averaged −log over the matches. It cannot reach 0 if there are "
        "two matches.",
        _HITS,
    ),
    (
        "soft labels",
        "a divergence from equal shares",
        "You compare with equal shares for all matches. Here it does not "
        "matter which of them gets the share.",
        _HITS,
    ),
    (
        "sum of logs",
        "a sum of logarithms over the matches",
        "You added −log up over the matches.",
        _HITS,
    ),
    (
        "mean of probabilities",
        "a mean of shares over the matches",
        "You averaged the shares of the matches. They are added up.",
        _HITS,
    ),
    (
        "first match",
        "only the first match",
        "Only the first match of a row counts in your loss.",
        _HITS,
    ),
    (
        "last match",
        "only the last match",
        "Only the last match of a row counts in your loss.",
        _HITS,
    ),
    (
        "best match",
        "only the best match",
        "Only the match with the largest score counts in your loss.",
        _HITS,
    ),
    (
        "others alone",
        "matches missing in the denominator",
        "Your denominator holds the other pairs alone. It holds all of them.",
        "A share is exp(score) over the sum of *all* exp(scores) of the row.",
    ),
    (
        "each against the others",
        "each match in a softmax of its own",
        "You compare each match with the pairs that do not match, and "
        "average over matches.",
        _HITS,
    ),
    (
        "zeros in place of −∞",
        "zeros where no match is",
        "You multiplied scores by 0 where nothing matches. A score of 0 "
        "still counts as e⁰ = 1.",
        "masked_fill(~match, -torch.inf) before logsumexp.",
    ),
    (
        "sigmoid",
        "a sigmoid for each pair",
        "You judge each pair by a sigmoid of its own. Here each row has a "
        "softmax.",
        _HITS,
    ),
    (
        "no log",
        "one minus the share",
        "Your loss is 1 minus the share. It is minus the log of the share.",
        _HITS,
    ),
    (
        "overflow",
        "exponentials that overflow",
        "You add up exp(score) before the log. With scores near 100 that is "
        "more than float32 holds, or the log of 0.",
        "torch.logsumexp.",
    ),
    (
        "bits",
        "bits in place of nats",
        "Your loss is in bits.",
        "The natural logarithm, torch.log.",
    ),
    (
        "sign",
        "a loss below 0",
        "The sign of the loss is wrong.",
        "Minus the logarithm of a share is 0 or more.",
    ),
    (
        "summed",
        "sums in place of means",
        "You added the rows' losses up.",
        _ROWS,
    ),
    (
        "all rows in the mean",
        "rows without a match in the mean",
        "You divided by the number of all rows, also those without a match.",
        _ROWS,
    ),
    (
        "nan",
        "nothing divided by nothing",
        "If no row has a match, you divide 0 by 0.",
        "The loss is 0 there.",
    ),
    (
        "all rows together",
        "one mean over both directions",
        "You averaged over the rows of both directions at once. With other "
        "numbers of pictures and captions that is another number.",
        _BOTH,
    ),
    (
        "pictures only",
        "one direction: pictures",
        "Your loss asks each picture for its captions alone. Transposed "
        "targets are not the other softmax: that runs over the pictures.",
        _BOTH,
        "same softmax twice",
    ),
    (
        "captions only",
        "one direction: captions",
        "Your loss asks each caption for its pictures alone.",
        _BOTH,
    ),
    (
        "not halved",
        "the two directions added",
        "You added the two directions up.",
        _BOTH,
    ),
    (
        "difference",
        "the two directions subtracted",
        "You subtracted one direction from the other.",
        _BOTH,
    ),
    (
        "one softmax",
        "one softmax over all pairs",
        "You took one softmax over the whole table.",
        "A softmax for each row, and one for each column.",
    ),
    (
        "a loss for each picture",
        "a loss for each picture",
        "You return a number for each picture.",
        _RETURN,
    ),
    (
        "scores transposed",
        "scores with captions as rows",
        "Your scores are (N, B).",
        _RETURN,
    ),
    (
        "cosines returned",
        "cosines returned",
        "The scores that you return lack the scale.",
        _RETURN,
    ),
    (
        "shares returned",
        "shares returned in place of scores",
        "You return the scores after a softmax.",
        _RETURN,
    ),
    (
        "logs returned",
        "logarithms of shares returned",
        "You return the scores after log_softmax.",
        _RETURN,
    ),
    (
        "picture detached",
        "no gradient for the pictures",
        "No gradient reaches the pictures.",
        _GRAPH,
    ),
    (
        "caption detached",
        "no gradient for the captions",
        "No gradient reaches the captions.",
        _GRAPH,
    ),
    (
        "scale detached",
        "no gradient for the scale",
        "No gradient reaches `log_scale`.",
        _GRAPH,
    ),
    (
        "length detached",
        "lengths without a gradient",
        "The length that you divide by has no gradient.",
        _GRAPH,
    ),
    (
        "loss detached",
        "a loss without a gradient",
        "No gradient leaves the loss.",
        _GRAPH,
    ),
    (
        "scores at most 100",
        "a bound on the scores",
        "You bounded the scores by 100, so that negative ones grow without "
        "bound. The bound is on the factor.",
        _SCALE,
    ),
    (
        "centred",
        "means subtracted from the vectors",
        "You subtracted the mean of each vector. The cosine is of the "
        "vectors as they are.",
        _UNIT,
    ),
    (
        "first, or caption 0",
        "the first match, or column 0 where there is none",
        "Only one match of a row counts in your loss, and where there is "
        "none you take column 0.",
        _HITS,
    ),
    (
        "equal shares, all rows",
        "equal shares for the matches, over all rows",
        "You average the logarithms over the matches, and rows without a "
        "match count in your mean.",
        _HITS,
    ),
    (
        "multi-hot",
        "targets that add up to more than 1",
        "A row with two matches counts twice in your loss, and rows without "
        "a match count in your mean.",
        _HITS,
    ),
    (
        "sigmoid mean",
        "a sigmoid for each pair, averaged",
        "You judge each pair by a sigmoid of its own. Here each row has a "
        "softmax.",
        _HITS,
    ),
    (
        "log of 0",
        "the logarithm of 0",
        "Rows without a match have a share of 0, and you take its logarithm.",
        "Leave these rows out before the logarithm.",
    ),
    (
        "log of nearly 0",
        "a small number added for rows without a match",
        "You add a small number before the logarithm. Rows without a match "
        "still count, and their loss is large.",
        "Leave these rows out before the logarithm.",
    ),
    (
        "other axis",
        "the softmax along the other axis",
        "You took the softmax along the other axis, and then the shares of a"
        " row together.",
        "Of a picture: a softmax over its captions.",
    ),
    (
        "scores alone",
        "no denominator",
        "You took the scores of the matches alone. The softmax is missing.",
        _HITS,
        "scores alone, kept",
    ),
    (
        "larger half",
        "the larger of the two directions",
        "You took the larger of the two directions.",
        _BOTH,
    ),
    (
        "mean over pairs",
        "a mean over all matching pairs",
        "You averaged the logarithms over all pairs that match.",
        _HITS,
    ),
    (
        "both detached",
        "no gradient for pictures and captions",
        "No gradient reaches pictures and captions.",
        _GRAPH,
    ),
    (
        "scores detached",
        "scores returned without a gradient",
        "The scores that you return have no gradient.",
        _GRAPH,
    ),
    (
        "at most 10",
        "a bound of 10 on the scale",
        "You bounded the factor by 10.",
        _SCALE,
    ),
    (
        "sigmoid scale",
        "a sigmoid of the scale",
        "You took a sigmoid of `log_scale`.",
        _SCALE,
    ),
    (
        "softplus scale",
        "a softplus of the scale",
        "You took log(1 + e^x) of `log_scale`.",
        _SCALE,
    ),
    (
        "from 0 to 1",
        "cosines moved to 0 to 1",
        "You use (1 + cos) / 2. The score is a multiple of the cosine itself.",
        _SCALE,
    ),
    (
        "absolute",
        "absolute values of cosines",
        "You took absolute values. Opposite vectors should get the lowest "
        "score.",
        _SCALE,
    ),
    (
        "negative",
        "minus the cosine",
        "Similar vectors get the lowest scores with you.",
        _SCALE,
    ),
    (
        "cosine distance",
        "one minus the cosine",
        "You use a distance, 1 − cos. The score grows with the cosine.",
        _SCALE,
    ),
    (
        "minus 1e9",
        "rows without a match with a huge loss",
        "Rows without a match get a loss of about 10⁹ with you, and count.",
        _ROWS,
    ),
    (
        "quarter",
        "divided by 4",
        "You divided the sum of the two directions by 4.",
        _BOTH,
    ),
    (
        "smaller half",
        "the smaller of the two directions",
        "You took the smaller of the two directions.",
        _BOTH,
    ),
    (
        "two",
        "a power of 2 in place of the exponential",
        "You took 2 to the power of `log_scale`.",
        _SCALE,
    ),
    (
        "always 100",
        "a scale of 100 in every case",
        "You multiply by 100, whatever `log_scale` is.",
        _SCALE,
    ),
    (
        "minus 1e4",
        "rows without a match with a loss of thousands",
        "Rows without a match get a loss of about 10⁴ with you, and count.",
        _ROWS,
    ),
    (
        "identity too",
        "caption i always taken for a match",
        "You count caption i as a match of picture i even where their "
        "labels differ.",
        _HITS,
    ),
    (
        "first match of each",
        "only the first match of a picture",
        "Of several matches of a picture you keep only the first.",
        _HITS,
    ),
    (
        "geometric mean",
        "a geometric mean of the two directions",
        "You took the root of the product of the two means.",
        _BOTH,
    ),
    (
        "minus 100",
        "a finite number in place of −∞",
        "You put a number such as −100 where nothing matches. A match can "
        "have as low a score.",
        _HITS,
    ),
    (
        "share underflows",
        "the logarithm of a share that is 0",
        "At large scales a share is rounded to 0, and its logarithm is −∞. "
        "Take logarithms of sums with `torch.logsumexp`.",
        _HITS,
    ),
]
