"""What often goes wrong with a tree of guesses.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

MISTAKES = [
    (
        "triangle",
        "a triangle in place of the tree",
        "Each guess sees all guesses before it, those of other branches too.",
        "From a guess, go to its parent, and on until there is none.",
        "triangle of all",
        "triangle; empty",
    ),
    (
        "everything",
        "all guesses see each other",
        "Each guess sees all the others.",
        "From a guess, go to its parent, and on until there is none.",
    ),
    (
        "parent alone",
        "the parent, and not what is above it",
        "A guess sees itself and its parent. The parent's parent is part of "
        "its text too.",
        "Go on from the parent to *its* parent.",
        "parent alone; empty",
    ),
    (
        "three generations",
        "three generations, no more",
        "A guess sees itself, its parent and the parent's parent. Paths may "
        "be longer.",
        "Go on until a parent is -1.",
    ),
    (
        "itself hidden",
        "a guess that does not see itself",
        "A token sees its own place too, as in any causal mask.",
        "The path of a guess ends with the guess.",
        "itself hidden; empty",
    ),
    (
        "itself alone",
        "a guess that sees no other guess",
        "A guess sees itself and the text, but not the guesses it follows.",
        "From a guess, go to its parent, and on until there is none.",
        "itself alone, depth 0",
        "itself alone; empty",
    ),
    (
        "no guesses",
        "no guess sees a guess",
        "The columns of the guesses are all False.",
        "A guess sees itself, at column S + t.",
        "no guesses; empty",
    ),
    (
        "zero for none",
        "guess 0 taken for none",
        "The way up ends before guess 0. It is a guess like the others.",
        "Go on while the guess is 0 or more.",
        "zero for none; empty",
    ),
    (
        "descendants",
        "the tree upside down",
        "A guess sees the guesses that follow it, not those that it follows.",
        "The row is the guess that looks, the column what it sees.",
        "transposed",
        "descendants; empty",
    ),
    (
        "family",
        "what follows is seen too",
        "A guess sees those above it and also those below it.",
        "What comes later cannot be seen.",
    ),
    (
        "children",
        "the children of a guess",
        "A guess sees the guesses whose parent it is.",
        "The row is the guess that looks, the column what it sees.",
    ),
    (
        "siblings",
        "guesses for the same place",
        "A guess sees the other guesses of its parent. They are other ways "
        "to go on, not part of its text.",
        "From a guess, go to its parent, and on until there is none.",
        "earlier siblings",
        "uncles",
        "siblings; empty",
    ),
    (
        "by depth",
        "all guesses of earlier positions",
        "A guess sees all guesses of a smaller depth, those of other "
        "branches too.",
        "From a guess, go to its parent, and on until there is none.",
        "by depth; empty",
    ),
    (
        "root of all",
        "guess 0 as the root of all",
        "All guesses see guess 0. There may be several that follow the text.",
        "A parent of -1 is the text, not guess 0.",
    ),
    (
        "root left out",
        "the first guess of a path left out",
        "The path ends one step too early: the guess that follows the text "
        "is missing.",
        "Stop when the *parent* is -1, after adding the guess.",
        "root left out; empty",
    ),
    (
        "minus one as an index",
        "-1 taken as an index",
        "In Python an index of -1 is the last one, so that the last guess "
        "seems to be the parent of the first.",
        "Ask whether a parent is -1 before you use it.",
        "indices",
        "indices, empty too",
        "indices, from -1",
        "naive",
        "naive, no path",
    ),
    (
        "one tree",
        "the tree of the first row",
        "All rows get the tree of row 0.",
        "parents is (B, T): a tree for each row.",
        "one tree; empty",
    ),
    (
        "by index",
        "positions by the order in the list",
        "The position grows from guess to guess. Guesses of the same depth "
        "have the same position.",
        "A guess stands one after its parent.",
        "by index, empty too",
        "by index; empty",
    ),
    (
        "depth from 1",
        "one position too far",
        "A guess that follows the text stands at position `length`: those of "
        "the text are 0 to length - 1.",
        "The depth of a guess without a parent is 0.",
        "depth from 1; empty",
    ),
    (
        "one too near",
        "one position too near",
        "A guess that follows the text has the position of the text's last "
        "token.",
        "The text has positions 0 to length - 1.",
        "one too near; empty",
    ),
    (
        "depth alone",
        "positions that begin with 0",
        "The positions count from the beginning of the guesses. The text is "
        "before them.",
        "Add the length of the row's text.",
        "depth alone; empty",
    ),
    (
        "after the buffer",
        "positions after the whole buffer",
        "The positions begin with S, the places in the buffer. The text of a "
        "row may be shorter.",
        "Add the length of the row's own text.",
        "after the buffer; empty",
    ),
    (
        "longest row",
        "positions after the longest text",
        "All rows go on after the longest text of the batch.",
        "Add the length of the row's own text.",
        "longest row; empty",
    ),
    (
        "length alone",
        "one position for all guesses",
        "All guesses stand right after the text.",
        "A guess stands one after its parent.",
        "length alone; empty",
    ),
    (
        "parent and one",
        "the number of the parent for its position",
        "The position is one after the parent's place in the list, not one "
        "after the parent's position.",
        "How deep is the parent?",
        "parent and one; empty",
    ),
    (
        "first length",
        "the length of the first row",
        "All rows get the length of row 0.",
        "lengths is (B,): a length for each row.",
        "first length, positions",
        "first length, mask",
    ),
    (
        "all of the buffer",
        "the whole buffer is seen",
        "The guesses see all S places, also those behind the row's text.",
        "torch.arange(S) < lengths[:, None].",
        "all of the buffer; empty",
    ),
    (
        "the longest text",
        "the longest text is seen",
        "The guesses see as many places as the longest text has.",
        "torch.arange(S) < lengths[:, None].",
        "the longest text; empty",
    ),
    (
        "text inverted",
        "the empty places are seen, not the text",
        "The guesses see the places behind the text, and not the text.",
        "torch.arange(S) < lengths[:, None].",
    ),
    (
        "text at the right end",
        "the text at the right end",
        "You take the last places of the buffer for the text. It stands in "
        "the first ones.",
        "torch.arange(S) < lengths[:, None].",
    ),
    (
        "one key too few",
        "the last token of the text is hidden",
        "The guesses see one token of the text too few.",
        "A text of n tokens has the places 0 to n - 1.",
        "one key too few; empty",
    ),
    (
        "one key too many",
        "one place behind the text is seen",
        "The guesses see one place too many.",
        "A text of n tokens has the places 0 to n - 1.",
        "one key too many; empty",
    ),
    (
        "no text",
        "the text is hidden",
        "The guesses see no place of the text.",
        "All of the row's text may be seen.",
    ),
    (
        "text for the first alone",
        "the text for the first guesses alone",
        "Only guesses without a parent see the text.",
        "A path begins with the text, however long it is.",
    ),
    (
        "text by position",
        "the text seen in a triangle",
        "The first guesses do not see the end of the text. All of it comes "
        "before every guess.",
        "All of the row's text may be seen.",
    ),
    (
        "guesses first",
        "the guesses before the text",
        "The first T columns are the guesses. The text comes first.",
        "torch.cat([text, guesses], -1).",
        "guesses first; empty",
    ),
    (
        "behind the text",
        "guesses right behind each text",
        "The columns of the guesses begin right behind the text of a row. "
        "They are the last T columns of all rows.",
        "torch.cat([text, guesses], -1).",
    ),
    (
        "first columns",
        "guesses in the columns of the text",
        "Guess t stands in column t. That is a place of the text.",
        "Guess t has the column S + t.",
    ),
    (
        "mask alone",
        "the positions not returned",
        "You return one tensor. The positions are asked for too.",
        "return positions, mask.",
    ),
    (
        "first row alone",
        "the first row alone",
        "Only row 0 is filled in.",
        "How far is `return` indented?",
    ),
    (
        "last guess left out",
        "the last guess left out",
        "The last guess is not filled in.",
        "range(T) ends with T - 1.",
    ),
    (
        "first guess left out",
        "the first guess left out",
        "Guess 0 is not filled in.",
        "range(T) begins with 0.",
    ),
    (
        "guesses alone",
        "no columns for the text",
        "The mask has columns for the guesses alone.",
        "The mask is (B, T, S + T).",
    ),
    (
        "inverted",
        "the mask is inverted",
        "True stands where a guess may not look.",
        "True means *may attend*.",
        "inverted; empty",
    ),
    (
        "numbers",
        "a mask of 0 and -inf",
        "The mask is added to the scores in some libraries. Here it is "
        "boolean.",
        "True means *may attend*.",
        "numbers, finite",
    ),
    (
        "zeros and ones",
        "a mask of whole numbers",
        "The mask has zeros and ones. It should be boolean.",
        "mask.bool().",
    ),
    (
        "exchanged",
        "mask and positions exchanged",
        "The mask is returned first.",
        "return positions, mask.",
    ),
    (
        "one more axis",
        "an axis for the heads",
        "The mask has one axis too many.",
        "The mask is (B, T, S + T).",
    ),
    (
        "empty as first",
        "places without a guess taken for first guesses",
        "A row has counts[b] guesses. What stands behind them is none.",
        "torch.arange(T) < counts[:, None].",
    ),
    (
        "empty sees itself",
        "a place without a guess sees itself",
        "A place that holds no guess may see nothing, not even itself.",
        "Its row of the mask is False throughout.",
    ),
    (
        "empty sees the text",
        "a place without a guess sees the text",
        "A place that holds no guess may see nothing.",
        "Its row of the mask is False throughout.",
    ),
    (
        "empty sees both",
        "a place without a guess sees the text and itself",
        "A place that holds no guess may see nothing.",
        "Its row of the mask is False throughout.",
    ),
    (
        "empty placed",
        "a place without a guess has a position",
        "Its position should be 0.",
        "Where t >= counts[b], nothing is filled in.",
        "empty at -1",
    ),
    (
        "one guess too few",
        "the last guess of each row taken for none",
        "A row of n guesses has the guesses 0 to n - 1.",
        "torch.arange(T) < counts[:, None].",
    ),
    (
        "first count",
        "the count of the first row",
        "All rows get as many guesses as row 0 has.",
        "counts is (B,): a count for each row.",
    ),
]
