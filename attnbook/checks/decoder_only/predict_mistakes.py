"""Numbers that are often given, and where they come from.

Of each mistake its question, the number, its name, its sentence and where to
look.
"""

import math

_BYTES = 2 * 6 * 8 * 16 * 100 * 3 * 4

MISTAKES = [
    (
        "a",
        8.0,
        "the leading terms alone",
        "This is 24³/6 divided by 24²/2. The sums have smaller terms too, and "
        "24 is not large enough to leave them out.",
        "n (n + 1)/2 at each step without a cache, n with one.",
    ),
    (
        "a",
        24 * 25 * 49 / 6 / 300,
        "queries that look ahead",
        "You counted t² dot products for a prefix of t tokens. The mask "
        "allows t (t + 1)/2 of them.",
        "Query i may see i keys.",
    ),
    (
        "a",
        12.5,
        "positions, not dot products",
        "That many times as many *positions* pass through the model. A dot "
        "product needs a query and a key.",
        "How many keys does each query of the prefix see?",
    ),
    (
        "a",
        24.0,
        "the number of tokens",
        "A prefix of t tokens has t queries, but most of them see fewer than "
        "t keys, and most prefixes are shorter than 24.",
        "Add up over the 24 steps, with a cache and without.",
    ),
    (
        "a",
        3 / 26,
        "upside down",
        "You divided the count with a cache by the one without.",
        "The answer is above 1.",
    ),
    (
        "a",
        25 / 3,
        "one step short",
        "This is the ratio for 23 steps.",
        "The prefix of the last step has 24 tokens.",
    ),
    (
        "a",
        9.0,
        "one step too many",
        "This is the ratio for 25 steps.",
        "The prefix of the last step has 24 tokens.",
    ),
    (
        "a",
        2600.0,
        "the count without a cache",
        "This is how many dot products there are without a cache. The "
        "question is how many times as many as with one.",
        "Divide by 1 + 2 + … + 24.",
    ),
    (
        "a",
        300.0,
        "the count with a cache",
        "This is how many dot products there are with a cache. The question "
        "is how many times as many there are without one.",
        "The step with a prefix of t tokens has t (t + 1)/2 without a cache.",
    ),
    (
        "a",
        1.0,
        "a cache that saves nothing",
        "Without a cache, each step computes the rows of all earlier queries "
        "again.",
        "How many queries does step 24 have, with a cache and without?",
    ),
    (
        "a",
        4900 / 576,
        "full matrices",
        "You divided the sum of all t² by 24². Neither count is what the "
        "mask allows.",
        "Query i may see i keys.",
    ),
    (
        "b",
        _BYTES / 2000,
        "half of it",
        "That is what the keys alone take, or keys and values in numbers of "
        "2 bytes.",
        "Two tensors a layer, 4 bytes a number.",
    ),
    (
        "b",
        _BYTES / 4000,
        "numbers, not bytes",
        "You counted numbers. Each of them takes 4 bytes.",
        "Multiply by 4.",
    ),
    (
        "b",
        _BYTES * 1.5 / 1000,
        "queries are kept too",
        "You counted three tensors a layer. Nobody asks for the query of an "
        "earlier token again.",
        "Which two tensors does the next query need?",
    ),
    (
        "b",
        _BYTES / 6000,
        "one layer",
        "Each of the 6 layers has keys and values of its own.",
        "Multiply by 6.",
    ),
    (
        "b",
        _BYTES / 3000,
        "one text",
        "Each of the 3 texts has keys and values of its own.",
        "Multiply by 3.",
    ),
    (
        "b",
        _BYTES / 8000,
        "one head, or bits taken for bytes",
        "That is an eighth of it. There are 8 heads, and the answer is in "
        "bytes.",
        "2 · layers · heads · width · tokens · texts · 4.",
    ),
    (
        "b",
        _BYTES / 16000,
        "the width left out",
        "A key of one head is not one number, it has 16.",
        "2 · layers · heads · width · tokens · texts · 4.",
    ),
    (
        "b",
        _BYTES / 1024,
        "kilobytes of 1,024 bytes",
        "The question counts 1,000 bytes as a kilobyte.",
        "Divide by 1,000.",
    ),
    (
        "b",
        float(_BYTES),
        "bytes",
        "The question asks for kilobytes.",
        "Divide by 1,000.",
    ),
    (
        "b",
        _BYTES / 1e6,
        "megabytes",
        "The question asks for kilobytes.",
        "Divide the bytes by 1,000, once.",
    ),
    (
        "b",
        _BYTES / 100_000,
        "one token",
        "That is what one token of each text takes. There are 100.",
        "Multiply by 100.",
    ),
    (
        "c",
        0.832,
        "nats per byte",
        "The loss is in nats. A bit is log 2 = 0.693 nats.",
        "Divide by log 2.",
    ),
    (
        "c",
        2.08 / math.log(2),
        "bits per token",
        "That is how many bits a *token* takes. The question asks for a byte.",
        "How many bytes does a token stand for, on average?",
    ),
    (
        "c",
        0.832 * math.log(2),
        "multiplied by log 2",
        "There are more bits than nats: a bit is the smaller unit.",
        "Divide by log 2.",
    ),
    (
        "c",
        2.08 * 2.5 / math.log(2),
        "tokens and bytes exchanged",
        "You multiplied by the bytes of a token. A byte costs less than a "
        "token.",
        "The bits of the whole text, divided by its bytes.",
    ),
    (
        "c",
        2.08,
        "the loss as it is",
        "This is in nats per token.",
        "Nats to bits, then tokens to bytes.",
    ),
    (
        "c",
        math.exp(2.08),
        "the perplexity",
        "This is the exponential of the loss of a token.",
        "Nats to bits, then tokens to bytes.",
    ),
    (
        "c",
        2.08 * 2.5,
        "nats, tokens and bytes exchanged",
        "You multiplied by the bytes of a token, and nats are not bits.",
        "Divide by log 2, and by the bytes of a token.",
    ),
    (
        "c",
        2.08 / math.log(10) / 2.5,
        "the decimal logarithm",
        "You divided by log 10. A bit is log 2 nats.",
        "Divide by log 2.",
    ),
    (
        "c",
        2.08 * 3000 / math.log(2),
        "the bits of the whole text",
        "This is what the whole text takes. The question asks for a byte.",
        "Divide by 7,500.",
    ),
    (
        "c",
        0.832 / 8,
        "a byte taken for eight units",
        "You divided by 8. A byte of text is one symbol; the bits that are "
        "counted are those that the model needs for it.",
        "Nats to bits: divide by log 2.",
    ),
    (
        "c",
        2.08 / math.log(2) / 2.5 / 8,
        "a share of the eight bits",
        "You divided by 8. The question asks how many bits a byte takes.",
        "It can be as large as 8, and more for a bad model.",
    ),
    (
        "d",
        4.0,
        "the longest token first",
        "You took the longest token that fits, from left to right: ab, c, da, "
        "bcda. Byte pairs merge in the order in which they were learnt.",
        "b + c was learnt before a + b.",
    ),
    (
        "d",
        5.0,
        "a merge that is left out",
        "A merge applies wherever its pair stands, and also to what earlier "
        "merges have made.",
        "After the third merge it is a, bc, da, bc, da. What does bc + da do?",
    ),
    (
        "d",
        6.0,
        "from left to right",
        "You merged a + b where it came first. A pair that was learnt earlier "
        "goes first, wherever it stands.",
        "b + c first, in the whole text.",
    ),
    (
        "d",
        7.0,
        "one merge alone",
        "After b + c the text has 7 tokens, and with a + b in its place it "
        "has 7 too. Then come the other merges.",
        "In this order: b + c, a + b, d + a, bc + da.",
    ),
    (
        "d",
        9.0,
        "bytes, not tokens",
        "The text has 9 bytes. Merges make it shorter.",
        "b + c first, in the whole text.",
    ),
    (
        "d",
        2.0,
        "the first letter forgotten",
        "You counted bcda, which stands there twice, and nothing else.",
        "What is the first letter of the text?",
    ),
    (
        "d",
        8.0,
        "the vocabulary, or one merge",
        "Four letters and four merges are eight tokens in the *vocabulary*; "
        "and one single merge leaves 8 tokens in the text.",
        "How many tokens does the text become in the end?",
    ),
    (
        "e",
        3.0,
        "all drafts accepted",
        "Three tokens come of a pass where both drafts are accepted. That "
        "happens in 64 % of the passes.",
        "What comes of a pass whose first draft is rejected?",
    ),
    (
        "e",
        1.44,
        "accepted drafts alone",
        "This many drafts are accepted. Each pass also writes one token that "
        "is drawn from the model itself.",
        "Add 1.",
    ),
    (
        "e",
        1.6,
        "drafts judged one by one",
        "A second draft counts only where the first one is accepted. And each "
        "pass writes one token more than it accepts.",
        "1 + 0.8 + 0.8².",
    ),
    (
        "e",
        2.6,
        "a second draft that stands alone",
        "This is 1 + 2 · 0.8. The second draft counts only where the first "
        "one is accepted too.",
        "With what probability are both accepted?",
    ),
    (
        "e",
        5.0,
        "no end of drafts",
        "This is 1/(1 - 0.8), for drafts without end. Here there are two.",
        "1 + 0.8 + 0.8².",
    ),
    (
        "e",
        1.8,
        "one draft",
        "This is 1 + 0.8, for a single draft. Here there are two.",
        "Add the probability that both are accepted.",
    ),
    (
        "e",
        2.0,
        "two tokens",
        "There are two drafts, but how many of them are accepted differs from "
        "pass to pass.",
        "One token with 0.2, two with 0.16, three with 0.64.",
    ),
    (
        "e",
        1 + 0.8 + 0.64 + 0.512,
        "three drafts",
        "This is the mean for three drafts. Here there are two.",
        "1 + 0.8 + 0.8².",
    ),
    (
        "e",
        1.64,
        "both or none",
        "One accepted draft counts too, even where the second is rejected.",
        "One token with 0.2, two with 0.16, three with 0.64.",
    ),
    (
        "e",
        1 + 2 * 0.64,
        "no single draft accepted",
        "You counted the passes that accept both drafts, and those that "
        "accept none. Some accept one.",
        "One token with 0.2, two with 0.16, three with 0.64.",
    ),
    (
        "f",
        8 / 20,
        "min-p before the temperature",
        "Three tokens are kept at temperature 1. But min-p looks at what the "
        "temperature has made of them.",
        "The roots are 8, 7, 5, 3, 2, 1: which are at least 0.25 · 8?",
    ),
    (
        "f",
        8 / 23,
        "the token at the bound dropped",
        "The fifth token is 0.25 times as probable as the likeliest, no less. "
        "Min-p keeps it.",
        "*At least* 0.25 times as probable.",
    ),
    (
        "f",
        8 / 15,
        "a bound on the probability itself",
        "You kept the tokens of 0.25 or more. Min-p compares with the "
        "likeliest token.",
        "Is a token 0.25 times as probable as the first one, or more?",
    ),
    (
        "f",
        1.0,
        "top-p in place of min-p",
        "The first token alone is left where tokens are added up until they "
        "have 0.25 together.",
        "Compare each token with the first one: 0.25 times as probable?",
    ),
    (
        "f",
        8 / 26,
        "not divided again",
        "This is its probability before the others are dropped.",
        "Those that are kept have to sum to 1.",
    ),
    (
        "f",
        64 / 138,
        "no temperature",
        "You kept three of the tokens at temperature 1. To halve their "
        "*probabilities* changes no proportion.",
        "Halved logits take the roots of 64, 49, 25, 9, 4, 1.",
    ),
    (
        "f",
        64 / 152,
        "neither temperature nor min-p",
        "This is its probability among all tokens, at temperature 1.",
        "Take the roots of 64, 49, 25, 9, 4, 1 first.",
    ),
    (
        "f",
        64**2 / (64**2 + 49**2),
        "multiplied by the temperature",
        "You took squares: that is a temperature of 0.5. The logits are "
        "*divided* by 2.",
        "Halved logits take the roots of 64, 49, 25, 9, 4, 1.",
    ),
    (
        "f",
        0.28,
        "the second token",
        "This is the probability of the second token.",
        "The first token is asked for: it has 8 of what is kept.",
    ),
    (
        "f",
        2.0,
        "the bound",
        "This is 0.25 · 8, what a token needs in order to be kept.",
        "Add up what is kept. Which share of it has the first token?",
    ),
    (
        "f",
        5.0,
        "the number of tokens",
        "This is how many tokens are kept.",
        "Which share of what they have together is the first one's?",
    ),
    (
        "f",
        32.0,
        "in per cent",
        "A probability lies between 0 and 1.",
        "Divide by 100.",
    ),
]
