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
        "You count rows that come from no token, such as that of EOS. Any "
        "link of such a row then looks like an error.",
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
        "After a row that does not count, you leave out all the others. Some "
        "of them count.",
        "`continue` goes on with the next row; `break` ends the loop.",
    ),
    (
        "last row",
        "the last row is left out",
        "You never count the last real row of a sentence. But it can have a "
        "true link; and a row without a true link can stand anywhere.",
        "A row counts only where alignment has a True in it.",
        "last row alone",
    ),
    (
        "lengths",
        "a mask that is only counted",
        "You count the True entries of target_mask, and use that many rows "
        "from the start. But padding can also stand in front.",
        "Use the mask as it is: for each row it says whether the row counts.",
    ),
    (
        "truth of all rows",
        "true links of rows that do not count",
        "The true links are counted in all rows, also in padding.",
        "Take both sums in the denominator over the rows that count.",
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
        "If two tokens tie, you link the later one. The rule says the "
        "earlier one.",
        "argmax gives the first; `>=` and a sort may give the last.",
    ),
    (
        "half",
        "a threshold of one half",
        "You make a link if a weight is above 1/2. Each row has one link, "
        "even if its greatest weight is small.",
        "Use argmax, not a threshold.",
    ),
    (
        "uniform",
        "every weight above the average",
        "You link all tokens with a weight above 1/S. Each row has one link.",
        "Use argmax, not a threshold.",
    ),
    (
        "all of ties",
        "every token that ties is linked",
        "If two tokens tie, you link both. The rule says the earlier one.",
        "argmax gives one place; `==` with the greatest weight gives all.",
    ),
    (
        "zero",
        "no link where all weights are 0",
        "You make no link for a row whose weights are all 0. These weights "
        "tie, so the first token is linked.",
        "Take the argmax of the weights as they are, without a condition.",
    ),
    (
        "rounded",
        "rounded weights",
        "It looks as if you rounded the weights to two digits: two weights "
        "that are nearly equal then tie.",
        "Take the argmax of the weights as they are.",
        "rounded cut",
    ),
    (
        "least",
        "the least weight",
        "Each row is linked to the token with the least weight.",
        "Use argmax, not argmin. After a sort, the greatest weight is in the "
        "last place.",
    ),
    (
        "as many as true",
        "as many links as there are true ones",
        "A row with two true tokens gets two links. Each row has one link, "
        "even if it has two true ones.",
        "The links are made from the weights alone, without the true "
        "alignment.",
    ),
    (
        "first true",
        "only the first true token counts as a hit",
        "The link is compared with the first true token of its row. Any true "
        "token of the row is a hit.",
        "alignment.argmax gives one place; gather looks at the place of the "
        "link.",
    ),
    (
        "first true of one",
        "one true link per row",
        "You count one true link per row. A row can have several.",
        "alignment.sum() counts them all.",
    ),
    (
        "soft",
        "the mass on other tokens",
        "This is 1 minus the alignment mass of the chapter. The error rate "
        "judges one link per row.",
        "Make the links first. After that you do not need the weights.",
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
        "only the true links in the denominator",
        "You divided by the true links alone: that is 1 - recall.",
        "The denominator is |A| + |R|, and the hits count twice.",
    ),
    (
        "agreement",
        "an agreement, not an error",
        "This is the share that agrees. The error rate is 1 minus this share.",
        "The return line.",
    ),
    (
        "once",
        "hits counted once",
        "You count the hits once. But they are part of both numbers in the "
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
        "The formula is right on paper. In code, put brackets around the "
        "whole denominator, and around nothing else.",
        "1 - 2 * hits / (A + R): what is divided by what?",
        "brackets around all",
    ),
    (
        "squeezed",
        "one axis too many is squeezed",
        "squeeze() removes every axis of size 1. With one row per sentence "
        "it removes the axis of the rows too, and rows of different "
        "sentences are mixed up.",
        "squeeze(-1) removes only the last one.",
    ),
    (
        "no hits",
        "0 where no link is true",
        "If no link is true, your rate is 0. It should be 1: every link is "
        "wrong.",
        "Test whether any row counts, not whether any link is true.",
    ),
    (
        "one empty",
        "0 as soon as one sentence has no row",
        "If no row counts in one sentence, your rate is 0 for the whole "
        "batch. The other sentences still count.",
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
        "You count a link of row t to token s once for the whole batch. But "
        "in each sentence it is another link.",
        "A link is (sentence, row, token).",
    ),
    (
        "first length",
        "the first sentence's length for all",
        "You leave out rows after the end of the first sentence. Other "
        "sentences may be longer.",
        "target_mask has a row for each sentence.",
    ),
    (
        "sentences",
        "a mean of the sentences' rates",
        "You averaged the rates of the sentences. Count the links over the "
        "whole batch instead, so that short sentences do not weigh more.",
        "Sum first, divide once.",
    ),
    (
        "rows",
        "a mean of the rows' rates",
        "You averaged the rates of the rows. Count the links over the whole "
        "batch instead.",
        "Sum first, divide once.",
    ),
]
