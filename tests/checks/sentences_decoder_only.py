"""Sentences of the exercises of chapter 07, and the case that fails."""

_CALLS = (
    "The model is called once for each window, and no window begins after "
    "one that has predicted the last token."
)
_PATHS = (
    "Attention under the mask gives each guess what it gets when its own "
    "path alone follows the text."
)
_KEPT = (
    "Over all drafts and numbers, the next token has the distribution of the "
    "target."
)


SENTENCES = {
    "07-predict": [
        (
            "only those that the causal mask allows.",
            "a: queries that look ahead",
            "question a",
        ),
        (
            "Without a cache each step computes those of the whole prefix "
            "again; with a cache, those of its last token.",
            "a: a cache that saves nothing",
            "question a",
        ),
        (
            "Divide the total without a cache by the total with one:",
            "a: the count without a cache",
            "question a",
        ),
        (
            "It keeps keys and values of 3 texts of 100 tokens each, in "
            "numbers of 4 bytes.",
            "b: one text",
            "question b",
        ),
        (
            "(A kilobyte is 1,000 bytes here.)",
            "b: kilobytes of 1,024 bytes",
            "question b",
        ),
        ("How many bits per byte are that?", "c: nats per byte", "question c"),
        (
            "A tokenizer has learnt four merges, in this order:",
            "d: from left to right",
            "question d",
        ),
        (
            "with the one that the model itself adds at the end of each pass?",
            "e: accepted drafts alone",
            "question e",
        ),
        (
            "nothing is tried after a rejection.",
            "e: a second draft that stands alone",
            "question e",
        ),
        (
            "You apply a temperature of 2,",
            "f: no temperature",
            "question f",
        ),
        (
            "then min-p at 0.25.",
            "f: min-p before the temperature",
            "question f",
        ),
        (
            "With what probability do you draw the first token?",
            "f: the second token",
            "question f",
        ),
    ],
    "07-write": [
        (
            "A batch begins with an empty text. What earlier batches wrote "
            "has no influence.",
            "a pointer that is not reset",
            "two batches",
        ),
        (
            "counted from 0, stands at place $n$:",
            "places that begin with 1",
            "prompts of one length",
        ),
        (
            "it gets the embedding of that place,",
            "the step taken for the place",
            "prompts of one length",
        ),
        (
            "its key and value are written there.",
            "all new tokens at one place",
            "prompts of one length",
        ),
        (
            "Prompts are padded on the right; padding does not count.",
            "the last column, padding or not",
            "prompts of other lengths",
        ),
        (
            "The first token that a row writes stands right after the last "
            "token of its own prompt.",
            "places shared by rows of different lengths",
            "wider than any prompt",
        ),
        (
            "A token may see the places of its row up to its own place,",
            "a triangle in the wrong corner",
            "prompts of one length",
        ),
        (
            "and no others.",
            "a triangle for a full buffer",
            "prompts of one length",
        ),
        (
            "They are divided by the temperature first.",
            "the temperature after top-p",
            "prompts of one length",
        ),
        (
            "the token that crosses $p$ stays.",
            "top-p drops the token that crosses",
            "prompts of one length",
        ),
        (
            "the fewest that have $p$ or more together:",
            "one token too many",
            "a small p",
        ),
        (
            "that have $p$ or more together:",
            "one token too many where the sum is p",
            "Of two tokens that have 0.5 each, p = 0.5 keeps one.",
        ),
        (
            "What is kept is divided by its sum.",
            "not divided again",
            "prompts of one length",
        ),
        (
            "Each row draws its token with its own random number of that "
            "step.",
            "one random number for all rows",
            "prompts of other lengths",
        ),
    ],
    "07-window-bits": [
        (
            "Windows begin at token 0, `stride`, 2 · `stride`, and so on.",
            "windows that do not overlap",
            "a stride of two",
        ),
        (
            "Each reads `window` tokens, fewer at the end of the text.",
            "the rest of the text left out",
            "a last window of one token",
        ),
        (
            "The logits at a token are for the token after it,",
            "a token compared with its own logits",
            "a stride of two",
        ),
        (
            "the last one is the token right after the window.",
            "the last prediction of each window thrown away",
            "a stride of three",
        ),
        (
            "A token that several windows predict gets the loss of the "
            "*first* of them.",
            "the shortest context",
            "a stride of two",
        ),
        (
            "and must count once.",
            "tokens of an overlap counted twice",
            "a stride of two",
        ),
        (
            "Nothing predicts the first token of the text. It has no loss,",
            "a loss for the first token",
            "two tokens",
        ),
        (
            "and its bytes do not count.",
            "the bytes of the first token too",
            "a text of one window",
        ),
        (
            "the sum of the losses in bits,",
            "nats per byte",
            "the worked example",
        ),
        (
            "divided by the bytes of the tokens that are predicted.",
            "bits per token",
            "the worked example",
        ),
        (
            "A special token stands for no bytes; its loss counts.",
            "tokens of no bytes left out",
            "a stride of two",
        ),
        (
            "Call the model once for each window, and stop when the last "
            "token is predicted.",
            "windows that predict nothing new",
            _CALLS,
        ),
        (
            "Logits may be as large as 200.",
            "the logarithm of a probability of 0",
            "logits of 200",
        ),
    ],
    "07-guess-tree": [
        (
            "that of its parent plus one.",
            "positions by the order in the list",
            "two trees",
        ),
        (
            "stands right after it.",
            "one position too far",
            "one guess after the other",
        ),
        (
            "A parent of $-1$ means that the guess follows the text itself, "
            "and there may be several such guesses.",
            "guess 0 as the root of all",
            "guesses side by side",
        ),
        (
            "and there may be several such guesses.",
            "later guesses after the text taken for none",
            "guesses side by side",
        ),
        (
            "a guess may see the text of its row,",
            "the text is hidden",
            "two trees",
        ),
        (
            "itself, its parent,",
            "a guess that does not see itself",
            "two trees",
        ),
        (
            "the parent's parent and so on;",
            "three generations, no more",
            "one guess after the other",
        ),
        ("no other guess.", "a triangle in place of the tree", _PATHS),
        (
            "The keys are the $S$ places of the cache and then the $T$ "
            "guesses.",
            "the guesses before the text",
            "two trees",
        ),
        (
            "row $b$ has filled the first `lengths[b]` places; the others "
            "hold nothing.",
            "the whole buffer is seen",
            "two trees",
        ),
        (
            "A place without a guess has position 0",
            "a place without a guess has a position",
            "places that hold no guess",
        ),
        (
            "and may see nothing.",
            "a place without a guess sees the text",
            "places that hold no guess",
        ),
        (
            "Row $b$ has `counts[b]` guesses; the places behind them hold "
            "none,",
            "places without a guess taken for first guesses",
            "places that hold no guess",
        ),
        (
            "Each guess has a **parent**,",
            "the tree of the first row",
            "two trees",
        ),
    ],
    "07-accept-drafts": [
        (
            "Draft $g$ passes if its random number is below "
            "$p_g(x_g)/q_g(x_g)$.",
            "accepted if it is the most probable token",
            "three drafts",
        ),
        (
            "its random number is below $p_g(x_g)/q_g(x_g)$.",
            "a number equal to the ratio passes",
            "a number equal to its ratio",
        ),
        (
            "below $p_g(x_g)/q_g(x_g)$.",
            "a small number added to q",
            "drafts with a tiny q",
        ),
        (
            "The drafts before the first one that fails are accepted;",
            "all drafts or none",
            "three drafts",
        ),
        (
            "those behind it are lost, whether they would pass or not.",
            "drafts after a rejected one counted",
            "four drafts",
        ),
        (
            "Row $b$ has `counts[b]` drafts, from 0 up to $G$. The places "
            "behind them hold no draft.",
            "places without a draft are tried",
            "rows of other counts",
        ),
        (
            "the next token is drawn from what the draft gives too little:",
            "redrawn from p",
            _KEPT,
        ),
        (
            "$p_n - q_n$ where that is positive, 0 elsewhere,",
            "the absolute difference",
            "three drafts",
        ),
        ("divided by its sum.", "not divided by the sum", "three drafts"),
        (
            "the next token is drawn from $p$ right after the last draft,",
            "the last column of p",
            "rows of other counts",
        ),
        (
            "as it is.",
            "q taken off where nothing was rejected",
            "rows of other counts",
        ),
        (
            "The draft has drawn token $x_g$ from $q_g$,",
            "a draft at another temperature",
            "three drafts",
        ),
        (
            "Return how many drafts each row accepts,",
            "all rows as short as the shortest",
            "three drafts",
        ),
        (
            "the softmax of logits divided by it.",
            "multiplied by the temperature",
            "three drafts",
        ),
        (
            "Logits may be as large as 200,",
            "exponentials that overflow",
            "logits of 200",
        ),
    ],
}
