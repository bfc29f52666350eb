"""Sentences of the exercises of chapter 08, and the case that fails."""

_ALONE = "A row of a batch gets what it would get alone."
_SAME = (
    "Multi-query attention with the new matrices gives what latent attention "
    "gives."
)

SENTENCES = {
    "08-predict": [
        (
            "a latent of 384 numbers and a rotary key of 32 numbers.",
            "a: the rotary key left out",
            "question a",
        ),
        (
            "The answer need not be a whole number.",
            "a: a whole number",
            "question a",
        ),
        (
            "The heads of a group stand side by side,",
            "b: heads dealt out in turn",
            "question b",
        ),
        (
            "and all heads are counted from 0.",
            "b: counted from 1, or the number of groups",
            "question b",
        ),
        (
            "the keys and values of the others are in the cache.",
            "c: everything divided",
            "question c",
        ),
        (
            "Count the FLOPs of six products: the four projections, the "
            "scores and the weighted sums.",
            "c: the projections alone",
            "question c",
        ),
        (
            "What share of the FLOPs is left?",
            "c: the share that is saved",
            "question c",
        ),
        ("A number has 4 bytes.", "d: FLOPs a number", "question d"),
        (
            "A multiplication is one FLOP, and so is an addition.",
            "d: multiplications without additions",
            "question d",
        ),
        (
            "Count only what grows with $S$. The answer need not be a whole "
            "number.",
            "f: rounded up",
            "question f",
        ),
        (
            "Its heads of keys and values are pooled to 4.",
            "e: one head for all",
            "question e",
        ),
        (
            "The naive form makes keys and values of all $S$ latents in this "
            "pass.",
            "f: keys made, values not",
            "question f",
        ),
        (
            "At which $T$ have both forms the same number of FLOPs?",
            "f: a single query",
            "question f",
        ),
    ],
    "08-grouped": [
        (
            "All $S$ tokens have keys and values, the newest $T$ of them have "
            "queries.",
            "queries of the oldest tokens",
            "one row",
        ),
        (
            "Query head $h$ reads the keys and the values of head "
            "$\\lfloor h / (H/G) \\rfloor$,",
            "the number of groups taken for their size",
            "two rows",
        ),
        (
            "so the heads of a group stand side by side.",
            "tile in place of repeat_interleave",
            "one row",
        ),
        (
            "Queries and keys are turned by their positions,",
            "positions along the axis of heads",
            "one row",
        ),
        ("values are not.", "values turned too", "one row"),
        (
            "The token at place $n$ of its row has position $n$;",
            "queries from position 0",
            "one row",
        ),
        (
            "empty places count.",
            "padding left out of some positions",
            "two rows",
        ),
        (
            "In row $b$ the places before `padding[b]` are empty, and nobody "
            "sees them.",
            "padding that is seen",
            "two rows",
        ),
        (
            "A token sees the places of its own row",
            "a mask in the order of heads, not of rows",
            _ALONE,
        ),
        (
            "up to its own, and no others.",
            "a token that sees its future",
            "one row",
        ),
        (
            "Scores are divided by $\\sqrt d$, the root of the width of a "
            "head.",
            "a scale that is written down",
            "one row",
        ),
        (
            "They may be as large as 200.",
            "exponentials that overflow",
            "scores of 200",
        ),
        (
            "The softmax is over the keys.",
            "softmax over the queries",
            "one row",
        ),
        (
            "The outputs of the heads stand side by side, head 0 first.",
            "heads merged in another order",
            "one row",
        ),
        (
            "The last matrix mixes them.",
            "no output projection",
            "one row",
        ),
        (
            "stored as `nn.Linear` stores them:",
            "a matrix that is not transposed",
            "one row",
        ),
        (
            "Head $h$ has the rows $h \\cdot d$ to $(h + 1) \\cdot d - 1$.",
            "features of heads mixed",
            "one row",
        ),
        (
            "and $H \\cdot d$ need not be $D$.",
            "scaled by D // H",
            "heads of width 4",
        ),
    ],
    "08-plan-cache": [
        (
            "Each text has a cache of its own,",
            "the first text alone",
            "windows, and layers that share",
        ),
        (
            "without padding.",
            "all texts as long as the longest",
            "full layers alone",
        ),
        (
            "such that as many texts as in `lengths`, now of $n$ tokens each,",
            "the budget spent on one text",
            "full layers alone",
        ),
        (
            "need at most `budget` bytes together.",
            "a budget that may not be used up",
            "a budget that is used up",
        ),
        (
            "the largest $n$",
            "a search that ends too early",
            "a text of thousands of tokens",
        ),
        (
            "and `math.inf` if any length fits.",
            "without a bound, though no window is full",
            "windows alone, short texts",
        ),
        (
            "It is a whole number,",
            "a fraction of a token",
            "full layers alone",
        ),
        (
            "0 if not one token fits,",
            "at least one token",
            "not one token fits",
        ),
        (
            "and `math.inf` if any length fits.",
            "another value in place of inf",
            "windows alone, a large budget",
        ),
        (
            'The last `"num_kv_shared_layers"` of them read the keys and '
            "values of earlier layers,",
            "the first layers left out",
            "shared layers of both kinds",
        ),
        (
            "and keep nothing.",
            "keys counted for layers that share",
            "windows, and layers that share",
        ),
        (
            "The entry may be missing: then no layer shares.",
            "a number of sharing layers that is not there",
            "full layers alone",
        ),
        (
            'A layer of `"full_attention"` keeps all tokens of a text.',
            "a window in every layer",
            "windows, and layers that share",
        ),
        (
            'A layer of `"sliding_attention"` keeps the newest '
            '`"sliding_window"` tokens,',
            "windows ignored",
            "windows, and layers that share",
        ),
        (
            "or all if there are fewer.",
            "a window that is always full",
            "texts shorter than the window",
        ),
        (
            "If the list is missing, all layers are full ones,",
            "layer types that are not there",
            "full layers alone",
        ),
        (
            'even where there is a `"sliding_window"`.',
            "a window where no list names one",
            "a window, but no list",
        ),
        (
            "a layer stores a key and a value",
            "keys without values",
            "full layers alone",
        ),
        (
            'in each of `"num_key_value_heads"` heads.',
            "counted with the heads of queries",
            "full layers alone",
        ),
        (
            "If the entry is missing, there are as many as "
            '`"num_attention_heads"`, the heads of queries.',
            "one head where none is named",
            "a bare configuration",
        ),
        (
            'A head is `"head_dim"` wide.',
            "a width that is not the named one",
            "full layers alone",
        ),
        (
            'it is `"hidden_size"` divided by `"num_attention_heads"`.',
            "keys as wide as the model",
            "texts shorter than the window",
        ),
        (
            '`"float32"` has 4 bytes, `"bfloat16"` and `"float16"` have '
            '2, `"float8"` has 1.',
            "always two bytes",
            "full layers alone",
        ),
        ('`"float8"` has 1.', "float8 not read", "full layers alone"),
        (
            "which is not empty and may contain 0,",
            "texts of no tokens left out",
            "a text without a token",
        ),
        (
            "which is not empty and may contain 0,",
            "a window that is always full",
            "a text without a token",
        ),
    ],
    "08-quantise": [
        (
            "divide its range from the lowest to the highest number",
            "a range around 0",
            "a row for each token",
        ),
        ("into 255 equal steps.", "256 steps", "a row for each token"),
        (
            "how many steps it lies above the lowest number,",
            "the lowest number not subtracted",
            "a row for each token",
        ),
        (
            "rounded to the nearest whole number.",
            "cut off, not rounded",
            "a row for each token",
        ),
        (
            "rounded to the nearest whole number.",
            "divided before subtracted",
            "numbers of 15,000",
        ),
        (
            'With `"token"`, a row is one token of one head of one text:',
            "one scale for all heads",
            "a row for each token",
        ),
        (
            'With `"channel"`, a row is one of the $d$ features of one head '
            "of one text, over all $S$ tokens.",
            "`per` not read",
            "a row for each channel",
        ),
        (
            "`scale` is the size of a step.",
            "one over the scale",
            "a row for each token",
        ),
        (
            "If all numbers of a row are the same, `scale` is 1,",
            "a scale of 0, or nearly 0",
            "tokens of one number",
        ),
        (
            "If all numbers of a row are the same, `scale` is 1,",
            "a scale of 1 for narrow rows",
            "numbers of a billionth",
        ),
        (
            "`error` is one number for each head of each text:",
            "an error for each text",
            "a row for each token",
        ),
        (
            "the largest distance between a number and what is restored of "
            "it.",
            "the mean error",
            "a row for each channel",
        ),
        (
            "`codes` is $(B, G, S, d)$ of type `torch.uint8`, a byte each.",
            "codes that are no bytes, or other results",
            "a row for each token",
        ),
        (
            "`scale` and `lowest` are $(B, G, S, 1)$ per token and "
            "$(B, G, 1, d)$ per channel.",
            "an axis lost",
            "a row for each token",
        ),
    ],
    "08-absorb": [
        (
            "The query of a head has $d_k$ features, and behind them $d_r$ "
            "more,",
            "the two parts of a query exchanged",
            "three heads",
        ),
        (
            "makes for each head a key of $d_k$ features, and behind it a "
            "value of $d_v$ features;",
            "keys of all heads, then values of all heads",
            "three heads",
        ),
        (
            "`bias` is added to both.",
            "no bias",
            "three heads",
        ),
        (
            "$d_k$ and $d_v$ may differ.",
            "keys and values of equal width",
            "three heads",
        ),
        (
            "divided by $\\sqrt{d_k + d_r}$.",
            "the new scale undone, the old one forgotten",
            "three heads",
        ),
        (
            "It divides its scores by $\\sqrt{d_c + d_r}$.",
            "the old scale alone",
            "three heads",
        ),
        (
            "Return its matrices, so that it computes the same as the "
            "trained one:",
            "no scale",
            _SAME,
        ),
        (
            "for each head $d_c$ rows that meet the latent, and behind them "
            "$d_r$ rows that are turned and meet $r$.",
            "rotary rows before those of the latent",
            "three heads",
        ),
        (
            "The change of scale is in it.",
            "a scale for the latent alone",
            "three heads",
        ),
        (
            "maps the sums of latents of all heads, side by side, to $D$.",
            "columns of the heads interleaved",
            "three heads",
        ),
        (
            "what is added to the output, because of `bias`.",
            "the bias of the keys",
            "three heads",
        ),
        (
            "Gradients have to flow through all of it,",
            "gradients cut off",
            "three heads",
        ),
        (
            "first all rows (or columns) of head 0, then those of head 1.",
            "the up-projection's heads mixed",
            "three heads",
        ),
        (
            "and may be 0.",
            "a slice that begins or ends at -0",
            "no rotary key",
        ),
    ],
}
