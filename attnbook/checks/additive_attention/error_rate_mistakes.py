"""What is told of each known mistake of exercise 01.3."""

ROWS = [
    (
        "padding",
        "padding is counted",
        "Rows of padding are counted.",
        "target_mask is True for the rows that are real.",
    ),
    (
        "rows without truth",
        "rows without a truth are counted",
        "Rows that come from no token, such as that of EOS, are "
        "counted: whatever they look at is called an error.",
        "A row counts only where alignment has a True in it.",
    ),
    (
        "all rows",
        "every row is counted",
        "Padding and rows without a truth are counted.",
        "Two conditions: target_mask, and a True in the row.",
    ),
    (
        "stops",
        "stops at the first row that does not count",
        "The rows after one that does not count are left out. They may count.",
        "`continue` goes on with the next row; `break` ends the loop.",
    ),
    (
        "last row",
        "the last row is left out",
        "The last real row of a sentence never counts. It may have a true "
        "link, and a row of no token may stand anywhere.",
        "A row counts only where alignment has a True in it.",
        "last row alone",
    ),
    (
        "lengths",
        "a mask that is only counted",
        "The number of True is taken from target_mask, and the first so many "
        "rows are read. Padding may stand in front too.",
        "Use the mask as it is: it says of each row whether it counts.",
    ),
    (
        "truth of all rows",
        "true links of rows that do not count",
        "The true links are counted in all rows, also in padding.",
        "Both sums in the denominator run over the rows that count.",
    ),
    (
        "over queries",
        "the best row for each token",
        "The argmax runs over the rows. Each row has one link, to its best "
        "token.",
        "weights are (B, T, S): tokens are the last axis.",
    ),
    (
        "last of ties",
        "a tie goes to the later token",
        "Where two tokens tie, the later is linked. The rule says "
        "the earlier.",
        "argmax gives the first; `>=` and a sort may give the last.",
    ),
    (
        "half",
        "a threshold of one half",
        "A link is made where a weight is above 1/2. Each row has "
        "one link, however low its best weight.",
        "Use argmax, not a threshold.",
    ),
    (
        "uniform",
        "every weight above the average",
        "All tokens with more than 1/S are linked. Each row has one link.",
        "Use argmax, not a threshold.",
    ),
    (
        "all of ties",
        "every token that ties is linked",
        "Where two tokens tie, both are linked. The rule says the earlier.",
        "argmax gives one place; `==` with the greatest weight gives all.",
    ),
    (
        "zero",
        "no link where all weights are 0",
        "A row whose weights are all 0 makes no link. They tie, so the first "
        "token is linked.",
        "argmax of the weights as they are, and no condition on them.",
    ),
    (
        "rounded",
        "rounded weights",
        "It is as if the weights were rounded to two digits: what is not "
        "quite a tie becomes one.",
        "argmax of the weights as they are.",
        "rounded cut",
    ),
    (
        "least",
        "the least weight",
        "Each row is linked to the token with the least weight.",
        "argmax, not argmin; the last place of a sort is the greatest.",
    ),
    (
        "as many as true",
        "as many links as there are true ones",
        "A row with two true tokens gets two links. Each row has one link, "
        "whatever the truth is.",
        "The truth takes no part in making the links.",
    ),
    (
        "first true",
        "only the first true token counts as a hit",
        "The link is compared with the first true token of its row. Any true "
        "token of the row is a hit.",
        "alignment.argmax gives one place; gather looks at the link's.",
    ),
    (
        "first true of one",
        "one true link a row",
        "You count one true link a row. A row can have several.",
        "alignment.sum() counts them all.",
    ),
    (
        "soft",
        "the mass that lies beside",
        "This is 1 less the alignment score of the chapter. The "
        "error rate judges one hard link a row.",
        "Make the links first: the weights are not needed after.",
    ),
    (
        "any",
        "rows that miss",
        "This is the share of rows whose link is wrong. True links "
        "that nothing points to are errors too.",
        "The denominator holds the links and the true links.",
    ),
    (
        "recall",
        "only the true links below",
        "You divided by the true links alone: that is 1 - recall.",
        "The denominator is |A| + |R|, and the hits count twice.",
    ),
    (
        "agreement",
        "an agreement, not an error",
        "This is the share that agrees. The error rate is 1 less that.",
        "The return line.",
    ),
    (
        "once",
        "hits counted once",
        "The hits are counted once, but stand in both numbers of the "
        "denominator.",
        "The factor 2 in the formula.",
    ),
    (
        "union",
        "hits over the union",
        "You divided by the union of links (Jaccard's index). The "
        "rate divides by the sum.",
        "|A| + |R|, with the hits in both.",
    ),
    (
        "no brackets",
        "brackets that are missing",
        "The formula is right on paper. In code, a fraction needs brackets "
        "around all that stands below the line, and around no more.",
        "1 - 2 * hits / (A + R): what is divided by what?",
        "brackets around all",
    ),
    (
        "squeezed",
        "an axis too many is squeezed away",
        "squeeze() takes away every axis of size 1, also that of one row a "
        "sentence: then rows are matched with other sentences.",
        "squeeze(-1) takes away the last one only.",
    ),
    (
        "no hits",
        "0 where no link is true",
        "Where no link is true, your rate is 0. It should be 1: all is wrong.",
        "Test whether any row counts, not whether any link is true.",
    ),
    (
        "one empty",
        "0 as soon as one sentence has no row",
        "In one sentence no row counts, and your rate is 0 for the whole "
        "batch. The others count.",
        "`continue` in a loop over sentences, and return after it.",
    ),
    (
        "all wrong",
        "1 where no row counts",
        "In a batch in which no row counts, your rate is 1. It should be 0: "
        "there was nothing to get wrong.",
        "The line that handles such a batch.",
    ),
    (
        "per cent",
        "a rate in per cent",
        "The rate lies between 0 and 1.",
        "The return line.",
    ),
    (
        "errors",
        "a count, not a rate",
        "This is the number of links that are in one set only. The rate "
        "divides it by |A| + |R|.",
        "The return line.",
    ),
    (
        "nothing over nothing",
        "0/0 where no row counts",
        "In a batch in which no row counts, your rate is 0/0. It "
        "should be 0: there was nothing to get wrong.",
        "Look at the denominator before you divide by it.",
        "nothing over nothing, as numbers",
    ),
    (
        "empty alignment",
        "0/0 where only padding has a truth",
        "In a batch whose true links all lie in padding, your rate is 0/0. "
        "No row counts there, so it should be 0.",
        "Test the rows that count, not `alignment` alone.",
    ),
    (
        "one set",
        "links of different sentences taken for one",
        "A link of row t to token s is counted once for the whole batch. In "
        "each sentence it is another link.",
        "A link is (sentence, row, token).",
    ),
    (
        "first length",
        "the first sentence's length for all",
        "Rows past the end of the first sentence are left out. Others may be "
        "longer.",
        "target_mask has a row for each sentence.",
    ),
    (
        "sentences",
        "a mean of the sentences' rates",
        "You took each sentence's rate and averaged. Links are "
        "counted over the whole batch, so that short sentences do "
        "not weigh more.",
        "Sum first, divide once.",
    ),
    (
        "rows",
        "a mean of the rows' rates",
        "You took each row's rate and averaged. Links are counted "
        "over the whole batch.",
        "Sum first, divide once.",
    ),
]
