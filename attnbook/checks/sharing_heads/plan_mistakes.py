"""What often goes wrong where the size of a cache is read.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

_SHARING = "A layer among the last num_kv_shared_layers keeps nothing."
_HEADS = "num_key_value_heads is how many heads keep keys and values."
_WINDOW = "A window layer keeps min(tokens, sliding_window)."
_LONGEST = "The bytes of as many texts, of n tokens each, up to the budget."

MISTAKES = [
    (
        "query heads",
        "counted with the heads of queries",
        "You counted a key and a value for each head of *queries*. Heads that "
        "share them keep fewer.",
        _HEADS,
    ),
    (
        "size of a group",
        "the size of a group taken for the number of groups",
        "You counted H // G heads. That many query heads share one head of "
        "keys; there are G of these.",
        _HEADS,
    ),
    (
        "one head",
        "a single head",
        "You counted one head of keys and values.",
        _HEADS,
    ),
    (
        "query as well",
        "queries kept too",
        "Queries are not kept: nobody asks for the query of an earlier token.",
        "A key and a value for each token and head.",
        "queries too",
    ),
    (
        "keys alone",
        "keys without values",
        "Each head keeps a key *and* a value of a token.",
        "Multiply by 2.",
    ),
    (
        "width not read",
        "a width that is not the named one",
        "You took hidden_size // num_attention_heads, though the "
        "configuration names head_dim.",
        "head_dim where it is named, else the quotient.",
    ),
    (
        "width by key heads",
        "keys as wide as the model",
        "Your keys have hidden_size numbers in all, or you divided it by the "
        "heads of keys. Fewer heads of keys are not wider.",
        "head_dim where it is named, else hidden_size by the query heads.",
        "width of the model",
        "width by key heads, if not named",
    ),
    (
        "head_dim alone",
        "a head_dim that is not there",
        "Not every configuration names head_dim.",
        'config.get("head_dim", …).',
    ),
    (
        "a missing entry",
        "an entry of heads that is not there",
        "Where num_key_value_heads is missing, each head has its own keys.",
        'config.get("num_key_value_heads", …).',
    ),
    (
        "one head if none is named",
        "one head where none is named",
        "Where num_key_value_heads is missing, each head has its own keys.",
        "The default is num_attention_heads.",
    ),
    (
        "layer_types alone",
        "layer types that are not there",
        "Where layer_types is missing, all layers are full ones.",
        'config.get("layer_types", …).',
    ),
    (
        "window without a list",
        "a window where no list names one",
        "layer_types is missing, so all layers are full ones. An entry "
        "sliding_window changes nothing.",
        "Read sliding_window for layers of sliding_attention alone.",
    ),
    (
        "sharing named alone",
        "a number of sharing layers that is not there",
        "Where num_kv_shared_layers is missing, no layer shares.",
        'config.get("num_kv_shared_layers", 0).',
    ),
    (
        "numbers",
        "numbers, not bytes",
        "You counted numbers. Each has the bytes of its type.",
        'config["dtype"].',
    ),
    (
        "four bytes",
        "always four bytes",
        "You took 4 bytes for each number, whatever the type.",
        'config["dtype"].',
    ),
    (
        "two bytes",
        "always two bytes",
        "You took 2 bytes for each number, whatever the type.",
        'config["dtype"].',
    ),
    (
        "float8 as 4",
        "float8 not read",
        "A number of float8 takes 1 byte. You took it for a wider type.",
        'config["dtype"].',
        "float8 as 2",
    ),
    (
        "bits",
        "bits, not bytes",
        "You counted bits. The name of a type says how many those are.",
        "bfloat16 has 16 bits, that is 2 bytes.",
    ),
    (
        "kilobytes",
        "kilobytes",
        "The total is asked for in bytes.",
        "Return the number as it is.",
        "kibibytes",
    ),
    (
        "sharing ignored",
        "keys counted for layers that share",
        "You counted layers that read the keys and values of others.",
        _SHARING,
    ),
    (
        "first layers share",
        "the first layers left out",
        "You left out the *first* layers. It is the last ones that share, "
        "and they may be of another kind.",
        _SHARING,
        "full layers share",
        "windows share",
    ),
    (
        "shared alone",
        "the sharing layers alone",
        "You counted the layers that share, and left out the others.",
        _SHARING,
    ),
    (
        "one layer too few",
        "one layer too few",
        "You left out one layer more than there are that share.",
        "kinds[: L - shared].",
    ),
    (
        "one for all that share",
        "one more layer for those that share",
        "Of the layers that share you counted one. They read what an earlier "
        "layer keeps, and add nothing.",
        _SHARING,
    ),
    (
        "empty slice",
        "no layer where none shares",
        "Where no layer shares, your slice is kinds[:-0], which is empty.",
        "kinds[: L - shared].",
    ),
    (
        "windows ignored",
        "windows ignored",
        "You counted all tokens in each layer.",
        _WINDOW,
    ),
    (
        "windows everywhere",
        "a window in every layer",
        "You bounded the tokens of full layers too.",
        "layer_types says which layers have a window.",
        "window on all of a text",
    ),
    (
        "kinds exchanged",
        "the two kinds of layers exchanged",
        "Your full layers have a window, and those with a window have none.",
        "sliding_attention is a layer with a window.",
    ),
    (
        "windows always full",
        "a window that is always full",
        "A text shorter than the window has fewer tokens to keep.",
        _WINDOW,
    ),
    (
        "longer of both",
        "the longer of both",
        "You took the larger of text and window.",
        _WINDOW,
    ),
    (
        "one more",
        "one token more than the window",
        "A window of W tokens keeps W, the newest among them.",
        _WINDOW,
    ),
    (
        "one less",
        "one token less than the window",
        "A window of W tokens keeps W, the newest among them.",
        _WINDOW,
    ),
    (
        "window for nothing",
        "windows that keep nothing",
        "A layer with a window keeps the newest tokens.",
        _WINDOW,
    ),
    (
        "what the window leaves out",
        "what the window leaves out",
        "You counted the tokens that have left the window.",
        _WINDOW,
    ),
    (
        "one text",
        "the first text alone",
        "Each text has a cache of its own.",
        "Add up over lengths.",
    ),
    (
        "padded",
        "all texts as long as the longest",
        "You counted the longest text for each. Padding is not kept here.",
        "Add up over lengths, each with its own.",
    ),
    (
        "longest alone",
        "the longest text alone",
        "Each text has a cache of its own.",
        "Add up over lengths.",
    ),
    (
        "texts in a row",
        "one text of all tokens",
        "You added the lengths first. Each text has windows of its own.",
        "The bytes of each text, then the sum.",
    ),
    (
        "mean",
        "a mean of the texts",
        "The total is the sum of all texts, not their mean.",
        "Add up over lengths.",
    ),
    (
        "mean length",
        "texts of mean length",
        "You counted each text with the mean length. Of a window layer the "
        "bytes do not grow in proportion.",
        "The bytes of each text, then the sum.",
    ),
    (
        "numbers of texts",
        "one token of each text",
        "You counted one token for each text.",
        "A text of n tokens keeps n in a full layer.",
    ),
    (
        "one layer",
        "one layer",
        "You counted one layer, or the mean of the layers.",
        "Add up over the layers.",
    ),
    (
        "longest of one text",
        "the budget spent on one text",
        "You gave the whole budget to one text. As many texts as in lengths "
        "have to fit.",
        _LONGEST,
    ),
    (
        "empty texts left out",
        "texts of no tokens left out",
        "You counted the texts that have tokens now. As many texts as in "
        "lengths have to fit, and one of 0 tokens is a text too.",
        "len(lengths).",
    ),
    (
        "longest of all tokens",
        "the tokens of all texts together",
        "You returned the tokens of all texts. One text is asked for.",
        _LONGEST,
    ),
    (
        "what is left",
        "what is left of the budget",
        "You subtracted the total first. The texts of n tokens are others, "
        "and have the whole budget.",
        _LONGEST,
        "how much longer",
    ),
    (
        "by proportion",
        "a text in proportion",
        "You divided by the mean bytes of a token. Where there are windows, "
        "long texts need fewer bytes for a token.",
        _LONGEST,
    ),
    (
        "slope of one token",
        "windows that never fill up",
        "You divided the budget by the bytes of a first token. Once the "
        "windows are full, a token needs fewer.",
        _LONGEST,
        "slope, not rounded",
    ),
    (
        "windows full at once",
        "windows full from the first token",
        "You gave each window its full size before the first token. A short "
        "text needs less.",
        _LONGEST,
    ),
    (
        "below 0",
        "a text of less than no token",
        "You subtracted full windows from the budget, and there was less.",
        "A short text does not fill its windows.",
    ),
    (
        "division",
        "a division by no layer",
        "You divide by the layers without a window, and there are none here.",
        "Without such layers a text stops growing: inf, or the windows never "
        "fill up.",
    ),
    (
        "a large number",
        "another value in place of inf",
        "Where any length fits, math.inf is asked for.",
        "return total, math.inf.",
        "the window",
        "none without a bound",
        "minus one without a bound",
        "longest of windows alone",
    ),
    (
        "unbounded by windows",
        "without a bound, whatever the budget",
        "Without full layers you always return inf. The windows have to fit "
        "first.",
        "The bytes of full windows against the budget.",
    ),
    (
        "unbounded by lengths",
        "without a bound, though no window is full",
        "You return inf where texts as long as the longest of lengths fit. "
        "They may be shorter than the windows, and then still grow.",
        "The bytes of full windows against the budget.",
    ),
    (
        "a search to 1000, then inf",
        "a search that ends too early",
        "A longer text fits. Your search ends at a fixed length.",
        "Let it run until one more token does not fit.",
        "a search to 10000, then inf",
        "a search to 1000",
        "a search to 10000",
    ),
    (
        "strictly below",
        "a budget that may not be used up",
        "You want the bytes *below* the budget. They may reach it.",
        "<= budget.",
    ),
    (
        "one too many",
        "one token too many",
        "You return the first length that does not fit.",
        _LONGEST,
    ),
    (
        "one too few",
        "one token too few",
        "One token more would fit.",
        _LONGEST,
    ),
    (
        "at least one",
        "at least one token",
        "Where not one token fits, 0 is asked for.",
        "The search begins with 0.",
    ),
    (
        "minus one for nothing",
        "another value for no token",
        "Where not one token fits, 0 is asked for.",
        "The search begins with 0.",
        "None for nothing",
    ),
    (
        "fraction",
        "a fraction of a token",
        "A text has a whole number of tokens.",
        "Round down.",
    ),
    (
        "exchanged",
        "the two results exchanged",
        "The longest text is returned first.",
        "return total, longest.",
    ),
    (
        "total alone",
        "one result",
        "You return one number. Two are asked for.",
        "return total, longest.",
    ),
]
