"""Numbers that are often given, and where they come from.

Of each mistake its question, the number, its name, its sentence and where to
look.
"""

MISTAKES = [
    (
        "a",
        144.0,
        "all tiles",
        "You counted every tile. Those above the diagonal are masked whole, "
        "and left out.",
        "Row r of tiles reads r + 1 tiles.",
    ),
    (
        "a",
        72.0,
        "half of all tiles",
        "You halved the number of all tiles. The tiles on the diagonal are "
        "computed whole, though half of their scores are masked.",
        "1 + 2 + … + 12.",
    ),
    (
        "a",
        66.0,
        "the diagonal left out",
        "You left out the tiles on the diagonal. Half of their scores are "
        "allowed.",
        "1 + 2 + … + 12.",
    ),
    (
        "a",
        1536 * 1537 / 2,
        "scores in place of tiles",
        "This is the number of allowed scores.",
        "How many tiles of 128 are there in a row of tiles?",
    ),
    (
        "a",
        12.0,
        "one row of tiles",
        "This is the number of rows of tiles.",
        "Row r of tiles reads r + 1 tiles: add them up.",
    ),
    (
        "b",
        64.0,
        "two tiles for each row",
        "You divided the window by the tile and rounded up. The first query "
        "of a row of tiles begins 99 places back, and the last one ends in "
        "its own tile.",
        "Which keys does the first query of a row of tiles see? And the last?",
    ),
    (
        "b",
        96.0,
        "three tiles in the first rows too",
        "Most rows of tiles read three. The first two have fewer tiles before "
        "them.",
        "What does row 0 of tiles read?",
    ),
    (
        "b",
        95.0,
        "the first row alone is shorter by one",
        "Row 0 of tiles reads one tile, and row 1 reads two.",
        "Count the rows 0 and 1 by hand.",
    ),
    (
        "b",
        94.0,
        "the first row alone is shorter",
        "Row 0 of tiles reads one tile. Row 1 has only two to read.",
        "Count the rows 0 and 1 by hand.",
    ),
    (
        "b",
        63.0,
        "the tile before and its own",
        "You let each row of tiles read its own tile and the one before. The "
        "first query of a row sees 99 places back, which is more than a tile.",
        "Which keys does the first query of a row of tiles see?",
    ),
    (
        "b",
        528.0,
        "causal without a window",
        "These are the tiles of a causal mask without a window.",
        "Where does the window of the first query of a row begin?",
    ),
    (
        "b",
        122.0,
        "four tiles for each row",
        "You let a row of tiles read a tile more than it needs.",
        "64r - 99 lies in tile r - 2.",
    ),
    (
        "b",
        3.0,
        "one row of tiles",
        "This is what one row of tiles reads.",
        "Add up all 32 rows.",
    ),
    (
        "c",
        1.0,
        "as many products",
        "There and back together, tiles compute the scores twice.",
        "Count the products of the forward pass, and those of the "
        "backward pass.",
    ),
    (
        "c",
        1.25,
        "the backward pass alone",
        "5 products against 4 is the backward pass alone.",
        "Add the 2 products of the forward pass on both sides.",
    ),
    (
        "c",
        6 / 7,
        "the quotient turned round",
        "This is dense attention divided by tiles.",
        "How many times as many does *tiled* attention need?",
    ),
    (
        "c",
        1.5,
        "scores and output again",
        "In the backward pass the scores are computed again, but not the "
        "output.",
        "(2 + 5) products against (2 + 4).",
    ),
    (
        "c",
        8 / 6,
        "two products too many",
        "In the backward pass the scores are computed again, but not the "
        "output.",
        "(2 + 5) products against (2 + 4).",
    ),
    (
        "d",
        128.0,
        "the output alone",
        "You compared the table with the output. The log-sum-exp is kept "
        "too, one number a row.",
        "8,192 · 64 + 8,192 numbers.",
    ),
    (
        "d",
        8192.0,
        "the log-sum-exp alone",
        "You compared the table with the log-sum-exp. The output is kept "
        "too: the backward pass needs it for D.",
        "8,192 · 64 + 8,192 numbers.",
    ),
    (
        "d",
        8192 / (65 + 3 * 64),
        "with query, key and value",
        "Both forms keep query, key and value. The question is about what "
        "else is kept.",
        "The table against the output and the log-sum-exp.",
    ),
    (
        "d",
        8192 / 66,
        "maximum and sum kept apart",
        "You counted two numbers a row beside the output. The log-sum-exp is "
        "one.",
        "8,192 · 64 + 8,192 numbers.",
    ),
    (
        "d",
        2 * 8192 / 65,
        "two tables",
        "You counted scores and weights. The question is about the weights.",
        "One table of 8,192 × 8,192 numbers.",
    ),
    (
        "d",
        65 / 8192,
        "the quotient turned round",
        "This is what tiles keep, divided by the table.",
        "How many times as many numbers does the *table* hold?",
    ),
    (
        "e",
        4.0,
        "every rise followed",
        "These are the rises of the maximum: 9, 10, 12 and 14. With a "
        "threshold, 10 is not followed: it exceeds the base 9 by 1 only.",
        "Compare each score with the base + 2.5.",
    ),
    (
        "e",
        3.0,
        "the first score counted",
        "The first tile sets the base. Nothing is multiplied then.",
        "Count 9 and 12 alone.",
    ),
    (
        "e",
        6.0,
        "the base never moved",
        "You compared each score with 4 + 2.5. After a rescale, the new "
        "score is the base.",
        "After 9, compare with 9 + 2.5.",
    ),
    (
        "e",
        5.0,
        "compared with the score before",
        "You compared each score with the one before it, not with the base.",
        "Compare each score with the base + 2.5.",
    ),
    (
        "e",
        1.0,
        "the base moved by every rise",
        "You compared each score with the largest one before. The base stays "
        "where it is until a score exceeds *it* by more than 2.5.",
        "After 10 the base is still 9, and 12 exceeds it by 3.",
    ),
    (
        "e",
        7.0,
        "the base moved down too",
        "The base also moved where a score was far below it. It only rises.",
        "1 and 7 change nothing.",
    ),
    (
        "e",
        0.0,
        "no rescale",
        "The base is 4 at first, and 9 exceeds it by 5.",
        "Compare each score with the base + 2.5.",
    ),
    (
        "e",
        8.0,
        "a rescale for each tile",
        "A row is only rescaled when a score exceeds its base by more than "
        "the threshold.",
        "Compare each score with the base + 2.5.",
    ),
    (
        "f",
        6.0,
        "the plain mean",
        "You averaged the outputs. A piece counts by its share of the sum of "
        "exponentials.",
        "How large are e² and e² · 3?",
    ),
    (
        "f",
        5.0,
        "the shares exchanged",
        "The piece with the larger log-sum-exp counts more.",
        "How large are e² and e² · 3?",
    ),
    (
        "f",
        (4 * 2 + 8 * (2 + 1.0986122886681098)) / (4 + 1.0986122886681098),
        "shares in proportion to the log-sum-exps",
        "You weighed by the log-sum-exps themselves, not by their "
        "exponentials.",
        "The shares are a softmax of the two numbers.",
    ),
    (
        "f",
        28.0,
        "not divided",
        "You did not divide by the sum of the shares.",
        "The shares are 1/4 and 3/4.",
    ),
    (
        "f",
        8.0,
        "the larger piece alone",
        "You took the piece with the larger log-sum-exp.",
        "The shares are a softmax, not a maximum.",
    ),
    (
        "f",
        12.0,
        "the sum of both",
        "You added the outputs.",
        "The shares sum to 1.",
    ),
]
