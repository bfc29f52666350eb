"""What is told of each known mistake of exercise 01.4."""

from attnbook.checks.additive_attention import late_masks

ROWS = [
    (
        "untold",
        "the tally is not used",
        "This is additive attention without coverage.",
        "The term w_c · c belongs in the sum inside the tanh.",
    ),
    (
        "last step",
        "only the last step is remembered",
        "The tally holds the weights of the step before, not the sum "
        "of all earlier steps.",
        "Add to the tally; do not replace it.",
    ),
    (
        "last two steps",
        "only the last two steps are remembered",
        "The tally holds the weights of the two steps before, not the sum of "
        "all earlier steps.",
        "Add to the tally; take nothing away.",
    ),
    (
        "one step late",
        "a tally that is one step late",
        "The tally misses the weights of the step just before.",
        "Step t = 1 already sees those of t = 0: sum(rows), or [:, :t].",
    ),
    (
        "again",
        "a tally that is added to itself",
        "At each step you add all earlier steps again, so early weights "
        "count several times.",
        "Add the new weights alone to the tally, and add the tally to the "
        "keys as they were projected.",
    ),
    (
        "unmasked tally",
        "a tally of weights that are not masked",
        "Your tally adds up a softmax without the mask, so the padding has "
        "some of the weight.",
        "Mask first, in each step; then add the weights that you return.",
    ),
    (
        "w_c summed",
        "one number in place of w_c",
        "The same number is added to every entry of the hidden layer: the "
        "tally times the sum of w_c. Each entry has its own number in w_c.",
        "covered[..., None] * w_c is (B, S, d_a).",
    ),
    (
        "mean",
        "a mean in place of a sum",
        "Your tally is the mean of the weights so far. It should be their "
        "sum.",
        "c is a sum over the steps before.",
    ),
    (
        "outside",
        "the tally outside the tanh",
        "The tally is added after the tanh. It belongs inside, so that it "
        "can meet query and key.",
        "Which bracket does w_c · c stand in?",
        "outside, by v",
        "outside, alone",
        "outside, bent",
    ),
    (
        "no w_c",
        "a tally without w_c",
        "The tally itself is added to every entry of the hidden layer, "
        "without w_c.",
        "covered[..., None] * w_c is (B, S, d_a).",
    ),
    (
        "no tanh",
        "no tanh at all",
        "The hidden layer goes into the score as it is.",
        "v·tanh(…): query, key and tally stand in the brackets.",
    ),
    (
        "outer tanh",
        "the tanh outside",
        "The tanh is applied to the finished score. It belongs on the hidden "
        "layer, before the product with v.",
        "v·tanh(…): which bracket closes first?",
    ),
    (
        "scaled",
        "a scale that nobody asked for",
        "You divide the scores by the square root of a size. That belongs to "
        "the dot product.",
        "The line that makes the scores.",
        "scaled by d_a",
    ),
    (
        "evens out",
        "a tally that is divided by its sum",
        "The tally is divided so that it sums to 1. It should grow with "
        "every step.",
        "c is a sum over the steps before, and no more.",
    ),
    (
        "tally returned",
        "the tally in place of the weights",
        "You return the tally. Return the weights of all steps, (B, T, S).",
        "torch.stack(rows, dim=1).",
    ),
    (
        "weights in front",
        "steps stacked in front of the batch",
        "The steps are the first axis, and the sentences the second. It "
        "should be the other way round.",
        "torch.stack(rows, dim=1) is (B, T, S).",
        "stacked in front",
    ),
    (
        "viewed",
        "a view in place of a transpose",
        "You stack the steps in front, (T, B, S), and then view this as (B, "
        "T, S): rows get into the wrong sentences and steps.",
        "torch.stack(rows, dim=1) is (B, T, S).",
    ),
    (
        "stacked last",
        "steps stacked behind the keys",
        "The steps are the last axis, (B, S, T). They belong between "
        "sentences and keys.",
        "torch.stack(rows, dim=1) is (B, T, S).",
    ),
    (
        "keys",
        "keys summed in place of values",
        "The output is an average of the keys. Keys are for matching; the "
        "output is an average of the values.",
        "The last product.",
    ),
    (
        "unmasked",
        "the mask is not used",
        "The padding has weight: the mask has no effect.",
        "Does your code use `mask` at all? masked_fill returns a new tensor.",
    ),
    (
        "zero score",
        "a score of 0 for padding",
        "A score of 0 is not a mask: exp(0) = 1, so padding still weighs.",
        "Which score has an exponential of 0?",
    ),
    (
        "-1e9",
        "-1e9 in place of -inf",
        "A sentence with nothing to read gets equal weights: all its scores "
        "are -1e9. Its weights should be 0.",
        "masked_softmax from the chapter handles such rows.",
    ),
    (
        "nan",
        "an empty row of -inf",
        "A sentence with nothing to read has only scores of -inf, and their "
        "softmax is 0/0. Its weights should be 0.",
        "masked_softmax from the chapter handles such rows.",
        "nan, added",
    ),
    *late_masks.ROWS,
    (
        "subtracted",
        "the tally is subtracted",
        "You subtract the tally. The formula adds it, and w_c learns the "
        "sign.",
        "The sign before w_c.",
    ),
    (
        "starts full",
        "a tally that starts at 1",
        "Before the first step nothing has been read: the tally starts at 0.",
        "The line before the loop.",
    ),
    (
        "starts uniform",
        "a tally that starts evenly",
        "Before the first step nothing has been read: the tally starts at 0.",
        "The line before the loop.",
        "starts uniform, padding too",
    ),
    (
        "scores",
        "scores are tallied",
        "The tally adds up the scores. It should add up the weights.",
        "What is appended after the softmax?",
    ),
    (
        "shared",
        "one tally for the whole batch",
        "All sentences share one tally. Each has its own, (B, S).",
        "Is there a mean or a sum over the first axis?",
        "shared sum",
    ),
    (
        "over the batch",
        "a softmax over the batch",
        "The softmax runs over the sentences, so rows do not sum to 1. For "
        "each query, the weights must sum to 1 over the keys.",
        "In one step the scores are (B, S): the keys are the last "
        "axis, dim=-1.",
    ),
    (
        "in place",
        "a tally that is changed in place",
        "`covered += w` changes a tensor that backward still needs.",
        "Write `covered = covered + w`, which makes a new one.",
    ),
    (
        "detached",
        "a tally without gradient",
        "The values are right, but the tally is detached from the graph: "
        "early steps get no gradient from later ones.",
        "A .detach(), a torch.no_grad() or a .data on the way to the tally.",
        "past detached",
    ),
    (
        "reaches 1",
        "a tally with a limit",
        "Your tally stops at a limit. It has no limit: a token can be read "
        "many times.",
        "Look for a clamp.",
        "reaches 1 itself",
    ),
    (
        "late mask",
        "a mask after the softmax",
        "You mask after the softmax: rows sum to less than 1, and the tally "
        "is too small.",
        "Use masked_softmax.",
    ),
    (
        "inverted",
        "the mask is inverted",
        "The padding is attended to and the tokens are not.",
        "True = may attend.",
    ),
]
