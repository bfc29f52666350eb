"""The bugs of the draft, and what else goes wrong in a cache that rolls.

Of each other mistake the bugs that make it, its name, its sentence and where
to look; then the bugs of other code that makes it.
"""

BUGS = {
    "counted": (
        "positions counted in the buffer",
        "As soon as the buffer is full, all new tokens get the same place, "
        "while the keys before them were turned by their places in the text.",
        "Which place has the first new token, if `done` were read before?",
    ),
    "trimmed": (
        "the prompt trimmed before attention",
        "Keys are dropped before the tokens of the piece have seen them. "
        "The first tokens of a long piece lose keys, even their own.",
        "Attend to all of `keys`. What stays in the buffer comes after.",
    ),
    "ignored when one": (
        "a single token ignores the window",
        "A token that is read alone sees all that the buffer holds, also "
        "what lies before its window.",
        "The mask for T = 1: the buffer holds `slots` tokens, not W.",
    ),
    "off by one": (
        "a window that is off by one",
        "A token sees its own key and W before it. With its own it should "
        "see W.",
        "The farthest key has the distance W - 1.",
    ),
    "direction": (
        "a buffer rolled the wrong way",
        "The newest tokens move to the front or are overwritten, and old "
        "ones stay where new ones should be.",
        "Print torch.arange(5).roll(2) and torch.arange(5).roll(-2).",
    ),
}

MISTAKES = [
    (
        ("not reset",),
        "positions that are not reset",
        "The second text goes on where the first one ended, and sees it.",
        "Where is `done` set to 0, and how often?",
    ),
    (
        ("not reset", "emptied"),
        "an empty buffer that counts on",
        "The buffer begins anew with each text, but `done` goes on, so that "
        "empty slots are taken for tokens.",
        "Where is `done` set to 0, and how often?",
    ),
    (
        ("anew",),
        "positions that begin anew with each piece",
        "Each piece begins with place 0.",
        "The first token of a piece has the place `done`.",
    ),
    (
        ("one place",),
        "one place for all tokens of a piece",
        "All tokens of a piece get the place of its first one.",
        "done + torch.arange(T).",
    ),
    (
        ("by pieces",),
        "all tokens of a piece at its end",
        "All tokens of a piece get the place of its last one.",
        "done + torch.arange(T).",
    ),
    (
        ("pieces counted",),
        "pieces counted in place of tokens",
        "`done` grows by 1 with each piece.",
        "done += T.",
    ),
    (
        ("kept counted",),
        "a long piece counted as what is kept of it",
        "After a piece that is longer than the buffer, `done` grows by the "
        "number of slots alone.",
        "done += T.",
    ),
    (
        ("count of the buffer",),
        "a count that stops at the number of slots",
        "`done` never exceeds the number of slots, so that all later pieces "
        "get the same places.",
        "done += T.",
    ),
    (
        ("one more when one",),
        "a single token sees one key too many",
        "A token that is read alone sees W + 1 keys. In a longer piece the "
        "window is right.",
        "0 <= distance < W, for every piece.",
    ),
    (
        ("one more in pieces",),
        "a piece whose tokens see one key too many",
        "In a piece of several tokens, each sees W + 1 keys. A single token "
        "sees W, as it should.",
        "0 <= distance < W, for every piece.",
    ),
    (
        ("emptied by pieces",),
        "every piece of several tokens taken for a new text",
        "A piece of several tokens empties the buffer and begins with place "
        "0. It may also come in the middle of a text.",
        "A text begins where the loop over texts begins.",
    ),
    (
        ("buffer from 0",),
        "slots taken for places",
        "The mask takes slot s of the buffer for the token at place s.",
        "The last slot holds the token at place done - 1.",
        ("slots before 0",),
    ),
    (
        ("empty seen",),
        "empty slots are seen",
        "Slots that hold nothing get a share of the weights. A key of zeros "
        "has a score of 0.",
        "A place below 0 is no token.",
    ),
    (
        ("ahead",),
        "tokens of a piece that look ahead",
        "A token sees the tokens after it in its piece.",
        "0 <= distance < W.",
        ("both sides",),
    ),
    (
        ("no window",),
        "no window",
        "A token sees all that the buffer and its piece hold.",
        "0 <= distance < W.",
        ("no cache",),
    ),
    (
        ("modulo",),
        "positions counted around the buffer",
        "When the buffer is full, the places begin with 0 again.",
        "The place of a token counts all tokens of the text before it.",
    ),
    (
        ("not transposed",),
        "weights not transposed",
        "nn.Linear stores its weights as (out, in).",
        'x @ model["query"].T.',
        ("values not transposed",),
    ),
    (
        ("prompt alone without",),
        "a window for single tokens alone",
        "A piece of several tokens is read without a window.",
        "0 <= distance < W, for every piece.",
    ),
    (
        ("itself hidden",),
        "a token that does not see itself",
        "The window holds the W tokens before a token, and not the token "
        "itself.",
        "0 <= distance < W.",
    ),
    (
        ("one fewer",),
        "a window one key too short",
        "A token sees W - 1 keys, its own among them.",
        "0 <= distance < W.",
    ),
    (
        ("slots as window",),
        "the buffer taken for the window",
        "A token sees `slots` keys. The buffer may hold more than the window.",
        "distance < window.",
    ),
    (
        ("own piece alone",),
        "a piece that sees itself alone",
        "A piece sees nothing of what the buffer holds.",
        "Which columns of the mask belong to the buffer?",
        ("nothing kept",),
    ),
    (
        ("cache alone",),
        "a piece whose tokens do not see each other",
        "A token sees the buffer and itself, not the tokens before it in "
        "its piece.",
        "Which columns of the mask belong to the piece?",
    ),
    (
        ("trimmed to window",),
        "the prompt trimmed to the window before attention",
        "Only the last W keys are there when a piece attends. Its first "
        "tokens lose keys, even their own.",
        "Attend to all of `keys`. What stays in the buffer comes after.",
    ),
    (
        ("by one",),
        "rolled by one slot for each piece",
        "The buffer rolls by one slot, however many tokens come.",
        "Roll by as many slots as are written.",
    ),
    (
        ("not rolled",),
        "a buffer that does not roll",
        "New tokens overwrite the last slots, and the others stay.",
        "Roll the buffer before you write.",
    ),
    (
        ("keys alone",),
        "keys roll, values do not",
        "Only the keys roll. The values then belong to other keys.",
        "Do the same with both.",
    ),
    (
        ("values direction",),
        "values rolled the wrong way",
        "The keys roll the right way, the values do not.",
        "Do the same with both.",
    ),
    (
        ("keys direction",),
        "keys rolled the wrong way",
        "The values roll the right way, the keys do not.",
        "Do the same with both.",
    ),
    (
        ("along the batch",),
        "rolled along the batch",
        "The rows of the batch change places.",
        "The slots are axis 1.",
    ),
    (
        ("flat",),
        "rolled without an axis",
        "Without an axis, roll flattens the tensor first.",
        "The slots are axis 1.",
    ),
    (
        ("first ones kept",),
        "the first tokens of a long piece kept",
        "If a piece is longer than the buffer, its first tokens are kept.",
        "new_key[:, -keep:].",
    ),
    (
        ("at the front",),
        "written at the front",
        "New tokens are written into the first slots.",
        "The last slot holds the newest token.",
        ("put in front",),
    ),
    (
        ("backwards",),
        "a piece written backwards",
        "The tokens of a piece stand in the buffer in reverse order.",
        "The last slot holds the newest token.",
    ),
    (
        ("last piece kept",),
        "the last piece alone kept",
        "The buffer holds the last piece. What came before it is lost, "
        "though there is room.",
        "Move the old tokens to the front; do not replace them.",
    ),
    (
        ("long piece lost",),
        "a long piece that is not kept",
        "A piece that is longer than the buffer leaves it as it was.",
        "Its last tokens belong into the buffer: new_key[:, -slots:].",
    ),
    (
        ("piece first",),
        "the piece before the buffer",
        "You put the new keys before those of the buffer. The mask takes "
        "them for older ones.",
        "torch.cat([key, new_key], 1).",
    ),
    (
        ("last one kept",),
        "one token kept of each piece",
        "Only the last token of a piece is written.",
        "Write as many tokens as the piece has, or as fit.",
    ),
    (
        ("keys as they are",),
        "keys that are not turned",
        "Only queries are turned.",
        "turn(…, places) for both.",
    ),
    (
        ("queries as they are",),
        "queries that are not turned",
        "Only keys are turned.",
        "turn(…, places) for both.",
    ),
    (
        ("values turned",),
        "values turned too",
        "Values are turned. Only queries and keys are.",
        "A value has no position.",
    ),
    (
        ("turned back",),
        "keys turned the other way",
        "Keys are turned backwards.",
        "turn(…, places) for both.",
    ),
    (
        ("turned at each step",),
        "keys in the buffer turned again",
        "What the buffer holds was turned when it was read. You turn it once "
        "more.",
        "Turn a key once.",
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
        ("last piece",),
        "the last piece alone",
        "Only the output of the last piece is returned.",
        "torch.cat(outputs, 1).",
    ),
    (
        ("first text",),
        "the first text alone",
        "Your function returns after the first text.",
        "How far is `return` indented?",
    ),
    (
        ("last text",),
        "the last text alone",
        "Only the last text is returned.",
        "A list with an entry for each text.",
    ),
]
