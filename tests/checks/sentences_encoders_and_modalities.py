"""Sentences of the exercises of chapter 11, and the case that fails."""

SENTENCES = {
    "11-predict": [
        (
            "A random token is any of the 20, each with the same chance, the "
            "one that stood there included.",
            "a: every random token counted as another",
            "question a",
        ),
        (
            "The model looks at a place of this text that does *not* show "
            "the mask.",
            "b: divided by all tokens",
            "question b",
        ),
        ("in per cent?", "b: a share in place of a percentage", "question b"),
        (
            "Equal captions get equal scores.",
            "c: no floor",
            "question c",
        ),
        (
            "How small can the mean of this loss over the six pictures get, "
            "in nats?",
            "c: a mean over captions",
            "question c",
        ),
        (
            "What is the smallest possible loss of question c, on average "
            "over all batches?",
            "d: the logarithm of a mean",
            "question d",
        ),
        ("and there is a class token.", "e: no class token", "question e"),
        (
            "by one linear map with biases.",
            "f: no biases",
            "question f",
        ),
        ("and has 3 channels.", "f: one channel", "question f"),
    ],
    "11-masking": [
        (
            'A place is chosen if its number in `draws["choose"]` is below '
            "`rate`",
            "the other places chosen",
            "a few tokens",
        ),
        (
            "and the place is not special.",
            "special tokens are chosen",
            "a few tokens",
        ),
        (
            "Special places are padding and the marks at the ends of a text.",
            "padding chosen",
            "many rows",
        ),
        (
            "`special` says which they are: do not guess them from the "
            "tokens.",
            "special places guessed from the tokens",
            "an ordinary token that is special",
        ),
        (
            "A chosen place shows the mask, `mask_id`, if its number in "
            '`draws["kind"]` is below 0.8.',
            "a mask that never masks",
            "a few tokens",
        ),
        (
            "A chosen place shows the mask, `mask_id`,",
            "token 0 taken for the mask",
            "another mask token",
        ),
        (
            "From 0.8 to below 0.9 it shows a random token.",
            "no random token",
            "a few tokens",
        ),
        ("From 0.9 on it keeps its token.", "no token kept", "a few tokens"),
        (
            "A random token is an ordinary one, from `first` to $V - 1$.",
            "random tokens that are special",
            "a few tokens",
        ),
        (
            'Its number is `first` plus the whole part of `draws["other"]` '
            "times $V -$ `first`.",
            "random tokens counted from 0",
            "a few tokens",
        ),
        (
            "Places that are not chosen show their own token.",
            "places replaced that are not chosen",
            "a few tokens",
        ),
        (
            "The loss is the mean, over all chosen places of the batch,",
            "weights that do nothing",
            "a few tokens",
        ),
        ("of the batch,", "a mean of the rows' means", "many rows"),
        (
            "The token is what stood in the text,",
            "targets taken from what is shown",
            "a few tokens",
        ),
        (
            "If no place is chosen, the loss is 0.",
            "nothing divided by nothing",
            "nothing chosen",
        ),
        ("in nats.", "bits in place of nats", "a few tokens"),
    ],
    "11-patches": [
        (
            "A patch has $P$ rows and $Q$ columns of pixels, and all "
            "channels.",
            "pixels taken in the order of memory",
            "patches that are wide",
        ),
        (
            "Patches stand side by side and do not overlap.",
            "patches that overlap",
            "three channels",
        ),
        (
            "Token 0 is the patch at the top left, token 1 the one to its "
            "right, and so on, row by row.",
            "patches column by column",
            "three channels",
        ),
        (
            "row $p$ and column $q$ of the patch,",
            "rows and columns of a patch swapped",
            "three channels",
        ),
        ("plus `bias[d]`.", "no bias", "three channels"),
        (
            "Where $P$ does not divide the height, or $Q$ not the width, "
            "pixels are missing in the last patches.",
            "a rest that is cut off",
            "both left over",
        ),
        (
            "They count as 0:",
            "the edge repeated",
            "columns left over",
        ),
        (
            "zeros stand below the picture and to its right,",
            "zeros at the top and left",
            "rows left over",
        ),
        (
            "as few as possible.",
            "zeros where nothing is missing",
            "three channels",
        ),
        (
            "Gradients reach pictures, weights and biases.",
            "no gradient for the weights",
            "three channels",
        ),
    ],
    "11-contrastive": [
        (
            "Picture $i$ and caption $j$ match if `labels[i]` equals "
            "`names[j]`.",
            "the diagonal taken for the matches",
            "in another order",
        ),
        (
            "times the cosine of the angle between the two vectors.",
            "vectors of any length",
            "one caption each",
        ),
        (
            "The score of a pair is $\\exp(\\text{log\\_scale})$",
            "a temperature without its exponential",
            "one caption each",
        ),
        (
            "The factor is 100 at most.",
            "a scale without a bound",
            "a scale of 100 at most",
        ),
        (
            "take the softmax of its scores over *all* captions,",
            "matches missing in the denominator",
            "one caption each",
        ),
        (
            "and add up the shares of those that match.",
            "a mean of shares over the matches",
            "captions that repeat",
        ),
        (
            "The loss is minus the logarithm of this sum, in nats.",
            "bits in place of nats",
            "one caption each",
        ),
        (
            "The others do not count.",
            "rows without a match in the mean",
            "some that match nothing",
        ),
        (
            "If none has one, the mean is 0.",
            "nothing divided by nothing",
            "nothing matches",
        ),
        (
            "Do the same for the captions, with a softmax over all pictures.",
            "one direction: pictures",
            "one caption each",
        ),
        (
            "The loss is half the pictures' mean plus half the captions' "
            "mean.",
            "the two directions added",
            "one caption each",
        ),
        (
            "Scores may be near 100 or −100.",
            "exponentials that overflow",
            "a scale of 100 at most",
        ),
        (
            "Gradients flow through everything, and none of them is NaN.",
            "no gradient for the scale",
            "in another order",
        ),
    ],
    "11-guidance": [
        (
            '"Without" means that every row gets the label `null`,',
            "no guidance at all",
            "one step",
        ),
        (
            "It may be any number.",
            "label 0 taken for no caption",
            "another null",
        ),
        (
            "The velocity is $v = \\text{without} + s \\, (\\text{with} - "
            "\\text{without})$.",
            "guidance with the wrong sign",
            "one step",
        ),
        (
            'For `"scale"`, $s = w$.',
            "one convention for both: 1 + w",
            "one step",
        ),
        (
            'For `"extra"`, $s = 1 + w$.',
            "one convention for both: w",
            "the other convention",
        ),
        (
            "A scale of 0, of 0.5 or of 1 is fine: do not bound $s$.",
            "a scale of at least 1",
            "half the guidance",
        ),
        (
            "There are `steps` steps of the length 1/`steps`.",
            "whole steps",
            "several steps",
        ),
        (
            "calls the model at the time $t = n$/`steps`",
            "time from 1 to 0",
            "several steps",
        ),
        (
            "with the $x$ that the step before has led to,",
            "every step from the start",
            "several steps",
        ),
        (
            "Where `known` is False, a row has no caption,",
            "`known` unused",
            "some without a caption",
        ),
        (
            "Both passes get `null` there, so that the row is not guided.",
            "rows without a caption get their label",
            "some without a caption",
        ),
    ],
}
