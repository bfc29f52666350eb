"""The bugs of the draft, and what else goes wrong in a writer with a cache.

Of each other mistake the bugs that make it, its name, its sentence and where
to look; then the bugs of other code that makes it.
"""

BUGS = {
    "not reset": (
        "a pointer that is not reset",
        "The second batch goes on where the first one ended: its prompts get "
        "the wrong places and see the text of other people.",
        "Where is `start` set to 0, and how often?",
    ),
    "top left": (
        "a triangle in the wrong corner",
        "With fewer queries than keys, is_causal lets query i see keys 0 to "
        "i. A single new token sees key 0, and nothing else.",
        "Give attn_mask: key s may be seen from place n if s <= n.",
    ),
    "padding": (
        "places shared by rows of different lengths",
        "Each row goes on after the *padded* prompt. Its next token belongs "
        "after its own last token.",
        "By how much does `start` grow in a row with a shorter prompt?",
    ),
    "crossing": (
        "top-p drops the token that crosses",
        "The tokens that you keep have less than p together. The one that "
        "takes the sum to p stays.",
        "Look at the sum *before* a token: is that still below p?",
    ),
    "shared": (
        "one random number for all rows",
        "All rows draw with the number of the first row, so equal prompts "
        "get equal texts.",
        "numbers is (B, N): a number for each row and step.",
    ),
}

# With these a token sees places that nobody has written in its batch.
SEE_EMPTY = {
    "bottom right",
    "everything",
    "a triangle, then everything",
    "inverted",
    "upper triangle",
    "all written",
    "masks of row 0",
    "longest row",
    "prompt twice",
    "one too far",
    "places of row 0",
}

MISTAKES = [
    (
        ("temperature last",),
        "the temperature after top-p",
        "Top-p chooses at temperature 1, and the temperature comes later. It "
        "has to come first.",
        "Divide the logits, then softmax, then top-p.",
    ),
    (
        ("temperature multiplies",),
        "multiplied by the temperature",
        "The logits are multiplied by the temperature. A low temperature "
        "then makes the choice more random.",
        "logits / temperature.",
    ),
    (
        ("no temperature",),
        "no temperature",
        "The temperature is not used.",
        "logits / temperature.",
    ),
    (
        ("probabilities over temperature",),
        "probabilities divided by the temperature",
        "You divide the probabilities by the temperature. It belongs to the "
        "logits, before the softmax.",
        "(logits / temperature).softmax(-1).",
    ),
    (
        ("exponentials",),
        "exponentials that overflow",
        "A logit above 88 makes exp infinite, and infinite over infinite is "
        "NaN.",
        "softmax subtracts the largest logit first.",
    ),
    (
        ("last column",),
        "the last column, padding or not",
        "The next token comes from the last column. In a row with a shorter "
        "prompt padding stands there.",
        "The last *real* token of row b is at counts[b] - 1.",
    ),
    (
        ("place as a column",),
        "a column that is not there",
        "After the prompt a single token is read, so that x has one column, "
        "and you ask for another.",
        "counts[b] - 1, with counts of 1 after the first step.",
        ("counts stay",),
    ),
    (
        ("one place further",),
        "one column too far",
        "You read the column after the last real token.",
        "Columns count from 0: counts - 1.",
    ),
    (
        ("first column",),
        "the first column",
        "The next token comes from the first token of what was read.",
        "The last real token of row b is at counts[b] - 1.",
    ),
    (
        ("bottom right",),
        "a triangle for a full buffer",
        "The triangle ends in the lower right corner of the whole buffer, so "
        "that new tokens see places which are not written yet.",
        "Which place has each new token? It may see the places up to there.",
        ("everything",),
        ("a triangle, then everything",),
    ),
    (
        ("inverted",),
        "the mask is inverted",
        "A token sees the places *behind* its own.",
        "Key s may be seen from place n if s <= n.",
        ("upper triangle",),
    ),
    (
        ("from the start alone",),
        "a mask from the first new place",
        "All tokens that are read at once get the mask of the first of them, "
        "so that a prompt sees its first token alone.",
        "Make it from `places`: (B, T, L).",
    ),
    (
        ("all written",),
        "no mask on what is written",
        "All rows see all places up to the last one that any row has "
        "written, so that shorter rows see padding.",
        "The mask is (B, T, L), made from each row's places.",
    ),
    (
        ("written so far",),
        "a prompt that sees its own future",
        "A token of the prompt sees the tokens after it.",
        "Key s may be seen from place n if s <= n.",
    ),
    (
        ("itself hidden",),
        "a token that does not see itself",
        "The mask leaves out a token's own place.",
        "s <= n, not s < n.",
        ("before itself",),
    ),
    (
        ("masks of row 0",),
        "the mask of the first row",
        "All rows get the mask of the first one. Their places differ.",
        "The mask is (B, T, L).",
    ),
    (
        ("longest row",),
        "the mask of the longest row",
        "All rows may see as far as the longest one, so that shorter rows "
        "see padding.",
        "The mask is (B, T, L).",
    ),
    (
        ("itself alone",),
        "a new token that sees itself alone",
        "A new token sees its own place and nothing of the text.",
        "s <= n, not s == n.",
    ),
    (
        ("longest",),
        "all rows go on after the longest one",
        "Each row goes on after the longest prompt of the batch.",
        "A row's next place is its own start + its own count.",
        ("all alike",),
    ),
    (
        ("shortest",),
        "all rows go on after the shortest one",
        "Each row goes on after the shortest prompt, and longer ones lose "
        "their last tokens.",
        "A row's next place is its own start + its own count.",
    ),
    (
        ("by one",),
        "the prompt counts as one token",
        "`start` grows by 1 at each step, also after the prompt.",
        "It grows by the number of real tokens that were read.",
    ),
    (
        ("prompt twice",),
        "the prompt counted at every step",
        "`start` grows by the length of the prompt at each step.",
        "After the first step each row reads one token.",
    ),
    (
        ("one too far",),
        "a place left out after the prompt",
        "The first new token stands one place too far from its prompt.",
        "The prompt has places 0 to length - 1.",
    ),
    (
        ("one too near",),
        "the last token of the prompt overwritten",
        "The first new token is written at the place of the prompt's last "
        "token.",
        "The prompt has places 0 to length - 1.",
    ),
    (
        ("stands still",),
        "all new tokens at one place",
        "After the prompt `start` stays where it is, so that each new token "
        "overwrites the one before.",
        "It grows by 1 after each step.",
    ),
    (
        ("from 1",),
        "places that begin with 1",
        "The first token stands at place 1.",
        "Places begin with 0.",
        ("start at 1",),
    ),
    (
        ("place of the step",),
        "the step taken for the place",
        "A new token gets the embedding of its step. Its prompt counts too.",
        "start[:, None] + torch.arange(T).",
    ),
    (
        ("always place 0",),
        "new tokens with the embedding of place 0",
        "Each new token gets the embedding of place 0.",
        "start[:, None] + torch.arange(T).",
    ),
    (
        ("no places",),
        "no embedding of places",
        "Tokens are embedded without their places.",
        'model["tokens"][read] + model["places"][places].',
    ),
    (
        ("keys without places",),
        "keys and values without places",
        "Keys and values are made from the tokens alone.",
        "x is the token's embedding and that of its place.",
    ),
    (
        ("no scale",),
        "no scale",
        "The scores are not divided by the root of D.",
        "F.scaled_dot_product_attention does it by itself.",
    ),
    (
        ("scaled by D",),
        "scaled by D",
        "The scores are divided by D, not by its root.",
        "F.scaled_dot_product_attention does it by itself.",
    ),
    (
        ("one buffer",),
        "one buffer for keys and values",
        "Keys and values are one and the same tensor, so that the values "
        "overwrite the keys.",
        "`key = value = torch.zeros(…)` makes one tensor with two names.",
    ),
    (
        ("places of row 0",),
        "keys and values at the places of the first row",
        "All rows write their keys and values where the first row does.",
        "key[rows[:, None], places].",
    ),
    (
        ("no residual",),
        "no residual",
        "The attention's output takes the place of the stream.",
        "The output is added to x.",
    ),
    (
        ("1 - p",),
        "1 - p in place of p",
        "You keep tokens until they have 1 - p together.",
        "The tokens that are *dropped* have 1 - p or less.",
    ),
    (
        ("upwards",),
        "sorted the wrong way",
        "You begin with the least probable token.",
        "sort(descending=True).",
    ),
    (
        ("not sorted",),
        "not sorted",
        "The running sum goes over the tokens in the order of their numbers.",
        "A running sum over the tokens, the most probable first.",
    ),
    (
        ("crossing, nothing left",),
        "top-p that keeps nothing",
        "Where the first token alone has more than p, nothing is kept, and 0 "
        "is divided by 0.",
        "Look at the sum *before* a token: is that still below p?",
    ),
    (
        ("one token more",),
        "one token too many",
        "You keep a token more than it takes to reach p.",
        "Is the sum *before* a token below p? Then it stays.",
    ),
    (
        ("one more at a tie",),
        "one token too many where the sum is p",
        "Where some tokens have exactly p together, you keep another one. "
        "They are enough: p or more.",
        "The sum *before* a token must be below p, not p itself.",
        ("all that tie",),
    ),
    (
        ("by share of the best",),
        "min-p in place of top-p",
        "You compare each token with the most probable one. Top-p adds up.",
        "A running sum over the tokens, the most probable first.",
    ),
    (
        ("by probability",),
        "a bound on each probability",
        "You keep the tokens of more than 1 - p. Top-p adds up.",
        "A running sum over the tokens, the most probable first.",
    ),
    (
        ("p ignored",),
        "top-p is not used",
        "All tokens are kept.",
        "A running sum over the tokens, the most probable first.",
    ),
    (
        ("order lost",),
        "probabilities of other tokens",
        "The probabilities come back in sorted order: the largest one goes to "
        "token 0.",
        "scatter puts each one back where `order` says.",
    ),
    (
        ("order as places",),
        "the order used the wrong way round",
        "`kept` is brought back by gather, which follows `order` once more.",
        "scatter undoes a sort, gather repeats it.",
        ("gathered",),
    ),
    (
        ("not divided",),
        "not divided again",
        "The probabilities of what is kept do not sum to 1.",
        "Divide by their sum.",
    ),
    (
        ("divided by all rows",),
        "divided by the sum of all rows",
        "The probabilities of all rows together sum to 1.",
        "sum(-1, keepdim=True).",
    ),
    (
        ("softmax again",),
        "a softmax of probabilities",
        "What is kept goes through a second softmax, which gives the dropped "
        "tokens a share.",
        "Divide by the sum.",
    ),
    (
        ("drawn before top-p",),
        "drawn before top-p",
        "The token is drawn from the probabilities of all tokens.",
        "Draw from what is returned as `chances`.",
    ),
    (
        ("plain returned",),
        "probabilities before top-p returned",
        "The token is drawn from what top-p keeps, but you return the "
        "probabilities of all tokens.",
        "Return what the token was drawn from.",
    ),
    (
        ("logits returned",),
        "logits returned",
        "You return logits in place of probabilities.",
        "Return what the token was drawn from.",
    ),
    (
        ("sorted place",),
        "a place in the sorted list taken for a token",
        "You draw from the sorted probabilities and return the place in the "
        "sorted list.",
        "Draw after scatter, when token v has its probability at place v.",
    ),
    (
        ("drawn in sorted order",),
        "drawn in sorted order",
        "The running sum for the draw goes over the sorted tokens. `draw` "
        "wants them in the order of their numbers.",
        "Draw after scatter, when token v has its probability at place v.",
    ),
    (
        ("drawn anew",),
        "other random numbers",
        "The tokens are drawn with other numbers than those of their row and "
        "step.",
        "draw(probabilities, numbers[:, step]).",
    ),
    (
        ("first shared",),
        "the first token drawn with one number",
        "At the first step all rows draw with the number of the first row.",
        "numbers is (B, N): a number for each row and step.",
    ),
    (
        ("first number",),
        "one number for all steps",
        "Each step draws with the number of the first one.",
        "numbers[:, step].",
    ),
    (
        ("numbers of a row",),
        "a row of the numbers for a step",
        "At step n you draw with the numbers of row n. The rows of the batch "
        "stand along the first axis, the steps along the second.",
        "numbers[:, step].",
    ),
    (
        ("numbers flat",),
        "numbers in another order",
        "The numbers are taken in the order of memory: first all those of "
        "row 0.",
        "numbers[:, step].",
    ),
    (
        ("greedy",),
        "the most probable token",
        "You take the most probable token and draw nothing.",
        "draw(probabilities, numbers[:, step]).",
    ),
    (
        ("steps first",),
        "steps before rows",
        "The steps stand along the first axis. It is that of the rows.",
        "torch.stack(tokens, 1).",
    ),
    (
        ("with the prompts",),
        "the prompts returned too",
        "Before the tokens that are written stand those of the prompts.",
        "written is (B, N).",
    ),
    (
        ("first batch",),
        "the first batch alone",
        "Your function returns after the first batch.",
        "How far is `return` indented?",
    ),
    (
        ("last batch",),
        "the last batch alone",
        "Only the last batch is returned.",
        "Two lists with an entry for each batch.",
    ),
    (
        ("not reset", "emptied"),
        "a pointer that is not reset, and an empty buffer",
        "Keys and values begin anew with each batch, but `start` goes on, so "
        "that the new text sees places that hold nothing.",
        "Where is `start` set to 0, and how often?",
    ),
    (
        ("row 0",),
        "the token of the first row",
        "All rows get the token of the first row.",
        "Each row draws from its own probabilities.",
    ),
]
