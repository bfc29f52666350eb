"""Sentences of the exercises of chapter 09, and the case that fails."""

_NO_TABLE = "No tensor has an entry for each pair of a query and a key."
_CUTS = "Into which pieces a text is cut makes no difference."


SENTENCES = {
    "09-predict": [
        (
            "the token's own key among them. After how many layers",
            "a: W tokens further with each layer",
            "question a",
        ),
        (
            "can the last token look at the first one?",
            "a: a layer too few",
            "question a",
        ),
        (
            "The dilation doubles with each layer: 1 in the first layer, then "
            "2, 4, 8 and so on.",
            "b: windows without gaps",
            "question b",
        ),
        (
            "with windows of 3 keys that are dilated.",
            "b: one step back in each layer",
            "question b",
        ),
        (
            "How many pairs of a query and a key does *one* layer of question "
            "a have, for all 100 queries?",
            "c: full windows at the start",
            "question c",
        ),
        (
            "a token reads the last 8 keys, its own among them,",
            "d: one of the ends counted too",
            "question d",
        ),
        (
            "it reads that token in the second layer, and that token has "
            "read token 20 in the first layer.",
            "d: steps, not ways",
            "question d",
        ),
        (
            "How many tokens in between are there that make this possible?",
            "d: one of the two ways",
            "question d",
        ),
        (
            "The first branch reads a compressed key for each whole block.",
            "e: a compressed block that is not whole",
            "question e",
        ),
        (
            "the block that the query itself stands in, and three whole "
            "blocks.",
            "e: a full block at the end",
            "question e",
        ),
        (
            "and a key that two branches read counts twice.",
            "e: keys that two branches share, or a block less",
            "question e",
        ),
        (
            "the sum of $\\phi(k) v^\\top$ and the sum of $\\phi(k)$.",
            "f: the sum of the keys forgotten",
            "question f",
        ),
        (
            "a cache of its keys and values holds more numbers than this "
            "state. How many times as many?",
            "f: upside down",
            "question f",
        ),
    ],
    "09-near-keys": [
        (
            "The $T$ queries are the *last* $T$ of them:",
            "queries at the beginning of the text",
            "fewer queries than keys",
        ),
        (
            "The query at place $p$ sees the keys $p - W + 1$ to $p$.",
            "a window that ends before the query",
            "as many queries as keys",
        ),
        (
            "A key of zeros is a key like any other.",
            "a key of zeros taken for none",
            "a key of zeros",
        ),
        (
            "These are $W$ keys, its own among them.",
            "a window of W + 1 keys",
            "the worked example",
        ),
        (
            "At the beginning of a text there are fewer.",
            "keys of zeros in front of the text",
            "the worked example",
        ),
        (
            "has the score $q \\cdot k / \\sqrt{d_k} - m_h \\, n$,",
            "the bias divided by the root of d",
            "as many queries as keys",
        ),
        (
            "A key at distance $n$",
            "far keys preferred",
            "the worked example",
        ),
        (
            "where $m_h$ is the slope of head $h$.",
            "the slope of the first head for all",
            "the worked example",
        ),
        (
            "The weights are the softmax of these scores over the keys of "
            "the window.",
            "the bias after the softmax",
            "the worked example",
        ),
        (
            "Scores may be as low as −200.",
            "-100 in place of -inf",
            "scores of 200",
        ),
        (
            "The last column is the query's own key, the column before it is "
            "the key before, and so on.",
            "the query's own key first",
            "as many queries as keys",
        ),
        (
            "A place before the beginning of the text has the weight 0.",
            "windows moved up at the front",
            "longer than the text",
        ),
        (
            "Return the weights with a column for each place of the window.",
            "a column for each key",
            "as many queries as keys",
        ),
        (
            "Compute no table with an entry for each pair of a query and a "
            "key.",
            "the whole table",
            _NO_TABLE,
        ),
    ],
    "09-stream": [
        (
            "Each text begins with an empty buffer.",
            "positions that are not reset",
            "two texts",
        ),
        (
            "however the text is cut into pieces.",
            "positions counted in the buffer",
            "token by token",
        ),
        (
            "The first token of a text has the place 0, the next one the "
            "place 1, and so on,",
            "positions that begin anew with each piece",
            "token by token",
        ),
        (
            "Queries and keys are turned by the place of their token in the "
            "text",
            "keys that are not turned",
            "token by token",
        ),
        (
            "A key is turned once, when it is read.",
            "keys in the buffer turned again",
            "token by token",
        ),
        ("Values are not turned.", "values turned too", "token by token"),
        (
            "A token sees $W$ keys: its own, and those of the $W - 1$ tokens "
            "before it.",
            "a window that is off by one",
            "token by token",
        ),
        (
            "This holds in a prompt, in a piece and for a single token.",
            "a single token ignores the window",
            _CUTS,
        ),
        (
            "A slot that holds no token of this text is not seen.",
            "empty slots are seen",
            "token by token",
        ),
        (
            "The buffer has `slots` slots, $W$ or more of them.",
            "the buffer taken for the window",
            "token by token",
        ),
        (
            "It holds the newest tokens that were read,",
            "a buffer rolled the wrong way",
            "a prompt, then tokens",
        ),
        (
            "in their order: the newest one is in the last slot.",
            "a piece written backwards",
            "pieces of other lengths",
        ),
        (
            "A piece may be longer than the buffer.",
            "the first tokens of a long piece kept",
            "a prompt longer than the buffer",
        ),
        (
            "`cuts` holds a list of whole numbers for each text:",
            "the prompt trimmed before attention",
            "a prompt longer than the buffer",
        ),
    ],
    "09-packed-linear": [
        (
            "Queries and keys go through $\\phi(x) = \\text{elu}(x) + 1$,",
            "elu without the 1",
            "one text a row",
        ),
        (
            "Values do not, and nothing is scaled.",
            "scaled before φ",
            "one text a row",
        ),
        (
            "Token $t$ reads token $s$ if both belong to the same text",
            "one state for the whole row",
            "several texts a row",
        ),
        (
            "of the same row and",
            "the texts of the first row",
            "padding inside",
        ),
        ("$s \\le t$.", "tokens that look ahead", "one text a row"),
        (
            "divided by the sum of $\\phi(q_t) \\cdot \\phi(k_s)$.",
            "multiplied by the denominator",
            "one text a row",
        ),
        (
            "the text goes on after it.",
            "a text cut at its padding",
            "padding inside",
        ),
        (
            "Padding is never read,",
            "padding left in the denominator",
            "padding inside",
        ),
        (
            "and its own output is 0.",
            "padding that reads",
            "padding at the end",
        ),
        (
            "The output is also 0 where the sum of the scores is 0.",
            "nothing divided by nothing",
            "numbers of 200",
        ),
        (
            "over all tokens of the last text of the row, the one with the "
            "largest number.",
            "the state of the whole row",
            "several texts a row",
        ),
        (
            "Return the state at the end of each row too,",
            "the state lost in padding",
            "padding at the end",
        ),
        (
            "Gradients flow through everything: numerator, denominator and "
            "state.",
            "no gradient through the denominator",
            "one text a row",
        ),
        (
            "None of them is NaN, also where a sum is 0.",
            "0/0 hidden after the division",
            "sums of 0",
        ),
        (
            "divided by the sum of",
            "a denominator of at least 1",
            "one text a row",
        ),
        (
            "The axis of the tokens comes before that of the heads.",
            "running sums over the heads",
            "one text a row",
        ),
    ],
    "09-read-pages": [
        (
            "Query head $h$ reads key head $\\lfloor h / (H/G) \\rfloor$:",
            "heads that share keys in the wrong order",
            "heads that share keys",
        ),
        (
            "Row $b$ has `lengths[b]` keys, from 1 up to $S$.",
            "all rows as long as the longest",
            "rows of other lengths",
        ),
        (
            "Behind them stands what other texts have left. It must not "
            "change anything.",
            "bounds of what is not there",
            "rows of other lengths",
        ),
        (
            "Page $n$ holds the tokens $n \\cdot$ `size` to $n \\cdot$ `size` "
            "+ `size` − 1 of its row,",
            "pages spread over the text",
            "full pages",
        ),
        (
            "as many of them as there are.",
            "the whole of a page that is not full",
            "rows of other lengths",
        ),
        (
            "A page is empty if its row has none of its tokens.",
            "a page that is not full is never read",
            "rows of other lengths",
        ),
        (
            "$\\max(q_i \\, \\text{low}_i, \\, q_i \\, \\text{high}_i)$ over "
            "the channels $i$,",
            "the largest numbers alone",
            "full pages",
        ),
        (
            "The bound of a page is the sum of",
            "the larger of two sums",
            "heads that share keys",
        ),
        (
            "the smallest and the largest number of channel $i$ among the "
            "keys of the page.",
            "zeros in the bounds",
            "fewer pages than asked for",
        ),
        (
            "Each query head reads the `count` pages with the largest bounds;",
            "one choice for each group of heads",
            "heads that share keys",
        ),
        (
            "of equal bounds the earlier page comes first.",
            "of equal bounds the later page",
            "equal bounds",
        ),
        (
            "If its row has fewer pages, it reads all of them.",
            "all rows read as few pages as the shortest",
            "fewer pages than asked for",
        ),
        (
            "An empty page is never read.",
            "empty pages marked as read",
            "fewer pages than asked for",
        ),
        (
            "over the keys of these pages and no others.",
            "attention to all keys",
            "full pages",
        ),
        (
            "Scores may be anything from −200 to 200.",
            "exponentials that overflow",
            "scores of 200",
        ),
        (
            "The bounds choose, and a choice has no gradient.",
            "a gradient through the choice",
            "full pages",
        ),
        (
            "Gradients flow through this attention alone.",
            "no gradient through the weights",
            "full pages",
        ),
    ],
}
