"""Numbers that are often given, and where they come from.

Of each mistake its question, the number, its name, its sentence and where to
look.
"""

_STATE = 64 * 64 + 64

MISTAKES = [
    (
        "a",
        13.0,
        "W tokens further with each layer",
        "You divided by 8. The window holds the token itself, so a layer "
        "takes you 7 tokens back.",
        "From 99 to 0 in steps of W - 1.",
    ),
    (
        "a",
        14.0,
        "a layer too few",
        "After 14 layers you are at token 99 - 14 · 7 = 1.",
        "From 99 to 0 in steps of 7.",
    ),
    (
        "a",
        99 / 7,
        "a broken number of layers",
        "99/7 layers is the right quotient. A part of a layer is none.",
        "Round up.",
    ),
    (
        "a",
        12.0,
        "the text divided by the window, rounded down",
        "This is 100/8 without its half. A layer takes you 7 tokens back, "
        "not 8, and 12 layers take you to token 15.",
        "From 99 to 0 in steps of W - 1.",
    ),
    (
        "a",
        12.5,
        "the text divided by the window",
        "This is 100/8. A layer takes you 7 tokens back, not 8, and layers "
        "are whole.",
        "From 99 to 0 in steps of W - 1.",
    ),
    (
        "a",
        16.0,
        "a layer too many",
        "After 15 layers you have gone 105 tokens back, which is enough.",
        "From 99 to 0 in steps of 7.",
    ),
    (
        "a",
        5.0,
        "twice as far with each layer",
        "Reach grows by the same number of tokens in each layer. It does not "
        "double.",
        "From 99 to 0 in steps of W - 1.",
    ),
    (
        "a",
        93.0,
        "one token further with each layer",
        "You added one token for each layer beyond the first window. A layer "
        "adds 7.",
        "From 99 to 0 in steps of W - 1.",
    ),
    (
        "a",
        11.0,
        "9 tokens further with each layer",
        "You went 9 tokens back in each layer. The window holds 8, the token "
        "itself among them.",
        "From 99 to 0 in steps of W - 1.",
    ),
    (
        "b",
        7.0,
        "one step back in each layer",
        "With W = 3 a token sees two keys before it: layer l takes you 2 · "
        "2^l tokens back. You counted 2^l, or the last layer alone.",
        "Add up 2, 4, 8, … until you have 99.",
    ),
    (
        "b",
        5.0,
        "a layer too few",
        "After 5 layers you have gone 2 + 4 + 8 + 16 + 32 = 62 tokens back.",
        "Add up 2, 4, 8, … until you have 99.",
    ),
    (
        "b",
        50.0,
        "windows without gaps",
        "You went 2 tokens back in each layer. The dilation doubles.",
        "Add up 2, 4, 8, … until you have 99.",
    ),
    (
        "b",
        8.0,
        "too many layers",
        "Fewer layers are enough: each adds twice as much as the one before.",
        "Add up 2, 4, 8, … until you have 99.",
    ),
    (
        "b",
        34.0,
        "three tokens in each layer",
        "You divided by 3. The dilation doubles with each layer.",
        "Add up 2, 4, 8, … until you have 99.",
    ),
    (
        "c",
        800.0,
        "full windows at the start",
        "You counted 8 keys for each query. The first ones have fewer.",
        "1 + 2 + … + 8 for the first eight queries.",
    ),
    (
        "c",
        5050.0,
        "no window",
        "This is the causal triangle of 100 tokens.",
        "Most queries see 8 keys.",
    ),
    (
        "c",
        45.0 + 91 * 9,
        "windows of W + 1 keys",
        "You counted 8 keys before each query, and the query's own.",
        "W = 8 keys, the query's own among them.",
    ),
    (
        "c",
        28.0 + 93 * 7,
        "windows of W - 1 keys",
        "You counted the keys before each query alone.",
        "W = 8 keys, the query's own among them.",
    ),
    (
        "c",
        736.0,
        "the first queries left out",
        "You counted full windows alone.",
        "1 + 2 + … + 8 for the first eight queries.",
    ),
    (
        "c",
        28.0 + 92 * 8,
        "a query too few",
        "You counted 1 + 2 + … + 7 and 92 full windows: that is 99 queries.",
        "Query 8 sees 8 keys, and so do the 92 after it.",
    ),
    (
        "c",
        36.0 + 93 * 8,
        "a query too many",
        "You counted 1 + 2 + … + 8 and 93 full windows: that is 101 queries.",
        "Query 8 sees 8 keys, and so do the 92 after it.",
    ),
    (
        "c",
        10000.0,
        "all pairs",
        "This is 100 · 100.",
        "Most queries see 8 keys.",
    ),
    (
        "c",
        4278.0,
        "the pairs that are saved",
        "This is how many pairs the window leaves out.",
        "How many are left?",
    ),
    (
        "c",
        1444.0,
        "windows on both sides",
        "You counted keys on both sides of a query. The pattern is causal.",
        "1 + 2 + … + 8 for the first eight queries, then 8.",
    ),
    (
        "d",
        1.0,
        "one of the two ways",
        "You can take the long step first and the short one second, or the "
        "other way round.",
        "43 = 40 + 3 = 3 + 40.",
    ),
    (
        "d",
        0.0,
        "no way",
        "The distance is 43: five strides and three single tokens.",
        "Which two steps add up to 43?",
    ),
    (
        "d",
        15.0,
        "all keys of the last token",
        "Token 63 reads 15 keys. From most of them token 20 is not one step "
        "away.",
        "Which two steps add up to 43?",
    ),
    (
        "d",
        7.0,
        "all strides",
        "Token 63 can take seven long steps. From most of where they end "
        "token 20 is not one step away.",
        "Which two steps add up to 43?",
    ),
    (
        "d",
        8.0,
        "all of the window",
        "Token 63 has 8 keys in its window. From most of them token 20 is "
        "not one step away.",
        "Which two steps add up to 43?",
    ),
    (
        "d",
        4.0,
        "the ends counted too",
        "You counted tokens 63 and 20 themselves. A distance of 43 is not one "
        "step.",
        "Which two steps add up to 43?",
    ),
    (
        "d",
        3.0,
        "one of the ends counted too",
        "A distance of 43 is not one step, so that standing still does not "
        "help.",
        "Which two steps add up to 43?",
    ),
    (
        "c",
        93.0 * 8,
        "full windows alone",
        "This is 93 · 8. The first seven queries see 1, 2, …, 7 keys.",
        "1 + 2 + … + 8 for the first eight queries.",
    ),
    (
        "c",
        99.0 * 8,
        "full windows for 99 queries",
        "You counted 8 keys for 99 queries. There are 100, and the first ones "
        "have fewer.",
        "1 + 2 + … + 8 for the first eight queries.",
    ),
    (
        "d",
        5.0,
        "strides without a second step",
        "There are five strides of 43 tokens or less. From where four of them "
        "end, token 20 is not one step away.",
        "Which two steps add up to 43?",
    ),
    (
        "d",
        42.0,
        "all tokens between",
        "There are 42 tokens between 20 and 63. Most are not read by 63.",
        "Which two steps add up to 43?",
    ),
    (
        "d",
        6.0,
        "steps, not ways",
        "You can go there in five strides and a short step. Here there are "
        "two layers, and a stride of any length is one step.",
        "Which two steps add up to 43?",
    ),
    (
        "e",
        190.0,
        "a full block at the end",
        "You counted 4 · 16 selected tokens. One of the blocks is the token's "
        "own, of which 8 tokens are there.",
        "1,000 = 62 · 16 + 8.",
    ),
    (
        "e",
        175.0,
        "the last block compressed, and not selected",
        "You counted 63 compressed blocks and three selected ones. The last "
        "block is not whole: it is selected, with its 8 tokens.",
        "62, then 3 · 16 + 8, then 64.",
    ),
    (
        "e",
        183.0,
        "a compressed block that is not whole",
        "You counted 63 compressed blocks. The last one has 8 tokens so far.",
        "A block is compressed when it is whole.",
    ),
    (
        "e",
        191.0,
        "63 blocks, all of them full",
        "The last block has 8 tokens: it is not compressed yet, and only 8 of "
        "its tokens can be selected.",
        "1,000 = 62 · 16 + 8.",
    ),
    (
        "e",
        182.5 + 8,
        "half a block",
        "You counted 62.5 compressed blocks.",
        "A block is compressed when it is whole.",
    ),
    (
        "e",
        182.5,
        "half a compressed block",
        "You counted 62.5 compressed blocks.",
        "A block is compressed when it is whole.",
    ),
    (
        "e",
        130.0,
        "selected blocks counted as one key",
        "You counted 4 selected blocks. They are read token by token.",
        "3 · 16 + 8 tokens.",
    ),
    (
        "e",
        118.0,
        "without the window",
        "You counted compressed and selected keys.",
        "The third branch reads 64 keys.",
    ),
    (
        "e",
        120.0,
        "without the compressed keys",
        "You counted selected keys and the window.",
        "There are 62 compressed blocks.",
    ),
    (
        "e",
        126.0,
        "without the selected keys",
        "You counted compressed keys and the window.",
        "3 · 16 + 8 tokens are selected.",
    ),
    (
        "e",
        174.0,
        "keys that two branches share, or a block less",
        "The token's own block lies in the window too, but each branch has "
        "keys of its own: count it twice.",
        "62, then 3 · 16 + 8, then 64.",
    ),
    (
        "e",
        1000.0,
        "every key",
        "The branches read far fewer keys than there are.",
        "62, then 3 · 16 + 8, then 64.",
    ),
    (
        "e",
        1120.0,
        "compressed blocks read token by token",
        "A compressed block is one key.",
        "1,000 tokens make 62 whole blocks.",
    ),
    (
        "f",
        31.25,
        "the sum of the keys forgotten",
        "The state has a second part: the sum of φ(k), of 64 numbers.",
        "d_k · d_v + d_k numbers.",
    ),
    (
        "f",
        64000 / _STATE,
        "keys alone",
        "The cache keeps keys and values.",
        "128 numbers a token.",
    ),
    (
        "f",
        64000 / 4096,
        "keys alone, and the sum of the keys forgotten",
        "The cache keeps keys and values; the state keeps d_k · d_v + d_k "
        "numbers.",
        "128 numbers a token, and 4,160.",
    ),
    (
        "f",
        _STATE / 128000,
        "upside down",
        "You divided the state by the cache.",
        "The answer is above 1.",
    ),
    (
        "f",
        128000.0,
        "the cache alone",
        "This is how many numbers the cache holds.",
        "Divide by what the state holds.",
    ),
    (
        "f",
        float(_STATE),
        "the state alone",
        "This is how many numbers the state holds.",
        "Divide what the cache holds by it.",
    ),
    (
        "f",
        1000.0,
        "a state as large as one token",
        "The state holds a number for each pair of a key's and a value's "
        "features, not one for each feature.",
        "d_k · d_v + d_k numbers.",
    ),
    (
        "f",
        128000 / (64 * 64 + 128),
        "a sum of the values too",
        "The state keeps Σ φ(k) vᵀ and Σ φ(k), not Σ v.",
        "d_k · d_v + d_k numbers.",
    ),
]
