"""Sentences of the exercises of chapter 05, and the case that fails."""

import torch

from attnbook.checks.positions import EXERCISES


def changed(grade_id, after):
    """A right answer, and what somebody does to its output."""

    def answer(*arguments, **keywords):
        right = EXERCISES[grade_id].reference
        return after(right(*arguments, **keywords))

    return answer


def known(grade_id, name, code=0):
    """Other code that makes a known mistake."""
    (found,) = (m for m in EXERCISES[grade_id].mistakes if m.name == name)
    return (found.answer, *found.also)[code]


def without_nan(weights, query_mask):
    """Real are the rows that hold numbers."""
    real = ~weights.isnan().any(-1).any(1)  # (B, T)
    return EXERCISES["05-attention-distance"].reference(weights, real)


def only_nan_taken_out(weights, query_mask):
    """NaN is set to 0, and what else is in the rows of padding times 0."""
    T, S = weights.shape[-2:]
    far = (torch.arange(S - T, S)[:, None] - torch.arange(S)).abs()
    numbers = weights.masked_fill(weights.isnan(), 0)
    found = (numbers * far).sum(-1) * query_mask[:, None]
    return found.sum((0, 2)) / query_mask.sum()


def mean_by_mean(weights, query_mask):
    """The mean of each sentence, weighed by how many rows it has."""
    right = EXERCISES["05-attention-distance"].reference
    rows = query_mask.sum(-1)
    means = [
        right(weights[b : b + 1], query_mask[b : b + 1])
        for b in range(len(rows))
    ]
    return (torch.stack(means) * rows[:, None]).sum(0) / rows.sum()


def padding_emptied(weights, query_mask):
    """Rows of padding are set to 0 in the caller's weights."""
    weights.masked_fill_(~query_mask[:, None, :, None], 0)
    return EXERCISES["05-attention-distance"].reference(weights, query_mask)


def patches_in_order(x, row, column, base=100.0):
    """Places are taken for those of a grid in order."""
    width = int(column.max()) + 1
    place = torch.arange(len(row))
    right = EXERCISES["05-rotate-2d"].reference
    return right(x, place // width, place % width, base)


SENTENCES = {
    "05-predict": [
        (
            "How many tokens does the *third* pair need for a full turn?",
            "a: pairs counted from 1",
            "question a",
        ),
        (
            "How many tokens does the *third* pair need for a full turn?",
            "a: no full turn",
            "question a",
        ),
        (
            "The same two vectors stand at 1012 and 1009.",
            "b: far away means nothing",
            "question b",
        ),
        (
            "What does the *third* head add to the score",
            "c: a reward for distance",
            "question c",
        ),
        (
            "What is the first number of the output at place 5?",
            "d: another place, another output",
            "question d",
        ),
        (
            "A head has a learnt bias for each distance $i - j$, the "
            "positive and the negative ones.",
            "e: one side only",
            "question e",
        ),
        (
            "Distances above 4 take the bias of 4, and distances below $-4$ "
            "take the bias of $-4$.",
            "e: a separate bias for far keys",
            "question e",
        ),
        ("Queries look both ways.", "e: one side only", "question e"),
        (
            "How many numbers does a *learnt* table of positions hold,",
            "f: one number a position",
            "question f",
        ),
    ],
    "05-add-positions": [
        (
            "P_{t,\\,2i} &= \\sin\\big(t \\cdot b^{-2i/D}\\big)",
            "cosine before sine",
            "from the beginning",
        ),
        (
            "P_{t,\\,2i+1} &= \\cos\\big(t \\cdot b^{-2i/D}\\big)",
            "a rate for each feature",
            "from the beginning",
        ),
        (
            "The base $b$ is 10,000 unless told otherwise.",
            "the base is not used",
            "another base",
        ),
        (
            "The first token of `embedded` has position `offset`:",
            "positions that run on through the batch",
            "two sentences",
        ),
        (
            "more when a model continues a text that it has begun.",
            "the offset is not used",
            "two sentences",
        ),
        (
            "There is no last position: an offset may be in the millions.",
            "a table that ends",
            "far into a text",
        ),
        (
            "There is no last position: an offset may be in the millions.",
            known("05-add-positions", "a table that ends", 2),
            "far into a text",
        ),
        (
            "**it has five bugs**",
            "sines first, then cosines",
            "from the beginning",
        ),
        (
            "Returns $(B, T, D)$, a new tensor;",
            "the table alone",
            "two sentences",
        ),
        (
            "`embedded` stays as it is.",
            "the input is changed in place",
            "two sentences",
        ),
        (
            "Values and gradients are checked.",
            "cut off from the graph",
            "two sentences",
        ),
    ],
    "05-attention-distance": [
        (
            "the distance, in tokens,",
            "divided by the length",
            "whole sentences",
        ),
        (
            "averaged with the weights",
            "every key counts the same",
            "whole sentences",
        ),
        (
            "\\sum_j \\alpha_{bhtj} \\, |p_t - j|",
            "distances with a sign",
            "heads that look ahead, too",
        ),
        (
            "the queries are the **last** $T$ of the $S$ positions,",
            "queries counted from 0",
            "a continuation",
        ),
        (
            "The mean runs over all rows of the batch that are real "
            "(`query_mask`),",
            without_nan,
            "padded queries",
        ),
        ("each counted once.", "a mean of means", "padded queries"),
        (
            "Rows of padding have positions, too, wherever they stand in a "
            "sentence.",
            "positions without the padding",
            "padding in front and between",
        ),
        (
            "Rows of padding have positions, too, wherever they stand in a "
            "sentence.",
            "the mask taken for a length",
            "padding in front and between",
        ),
        (
            "Their weights may be anything, even NaN.",
            only_nan_taken_out,
            "NaN and infinity in padding",
        ),
        (
            "At least one row of the batch is real.",
            mean_by_mean,
            "padding in front and between",
        ),
        (
            "Their weights may be anything, even NaN.",
            "0 times NaN",
            "NaN and infinity in padding",
        ),
        (
            "Returns a tensor $(H,)$;",
            "heads averaged together",
            "whole sentences",
        ),
        (
            "Returns a tensor $(H,)$;",
            changed("05-attention-distance", torch.Tensor.tolist),
            "whole sentences",
        ),
        (
            "Returns a tensor $(H,)$;",
            "axes squeezed away",
            "one head, one new token",
        ),
        ("`weights` stays as it is.", padding_emptied, "padded queries"),
    ],
    "05-rotate-2d": [
        (
            "the first half of a head's features to the row and the second "
            "half to the column",
            "row and column exchanged",
            "the worked example",
        ),
        (
            "Each half is a rotary embedding of its own, $d/2$ wide:",
            "rates that run on",
            "a grid of 2 x 3",
        ),
        (
            "neighbouring features form a pair: 0 and 1, 2 and 3, …;",
            "pairs from two halves",
            "a grid of 2 x 3",
        ),
        (
            "turns by (row or column) times the rate $b^{-2i/(d/2)}$,",
            "rates of the whole head",
            "a grid of 2 x 3",
        ),
        (
            "is $(x \\cos\\phi - y \\sin\\phi,\\; x \\sin\\phi + y "
            "\\cos\\phi)$.",
            "turned the other way",
            "the worked example",
        ),
        (
            "The base is 100 here:",
            known("05-rotate-2d", "the base is not used", 1),
            "a grid of 2 x 3",
        ),
        (
            "The base is 100 here:",
            "the base is not used",
            "another base",
        ),
        (
            "for $L$ patches in any order;",
            patches_in_order,
            "patches in any order",
        ),
        (
            "`row` and `column` $(L,)$, whole numbers.",
            "rows and columns made up",
            "patches in any order",
        ),
        (
            "`row` and `column` $(L,)$, whole numbers.",
            "rows and columns counted anew",
            "a piece of a large picture",
        ),
        (
            "a picture has fewer rows than a text has words.",
            "a table that ends",
            "a piece of a large picture",
        ),
        (
            "a new tensor; `x` stays as it is.",
            "x is changed in place",
            "the worked example",
        ),
        (
            "Values and gradients are checked.",
            "cut off from the graph",
            "a wider head",
        ),
    ],
    "05-stretched-rates": [
        (
            "all rates divided by $s$,",
            "the fastest pair left alone",
            "the worked example",
        ),
        (
            "a larger base, $b' = b \\cdot s^{d/(d-2)}$.",
            "the base times s",
            "a larger base",
        ),
        (
            "The fastest pair keeps its rate, the slowest is divided by "
            "exactly $s$.",
            "all rates alike",
            "a larger base",
        ),
        (
            "turns in a text of training.",
            "turns in the wrong text",
            "by parts",
        ),
        (
            "r_i = \\text{trained} \\cdot \\theta_i / 2\\pi",
            "radians taken for turns",
            "by parts",
        ),
        (
            "between `low` and `high` a ramp (a straight line) mixes the old "
            "and the divided rate:",
            "a step, no ramp",
            "by parts",
        ),
        (
            "between `low` and `high` a ramp (a straight line) mixes the old "
            "and the divided rate:",
            "the ends of the ramp are not used",
            "by parts, other ends",
        ),
        (
            "\\operatorname{clamp}\\Big(",
            "a ramp without ends",
            "the worked example, by parts",
        ),
        (
            "\\theta'_i &= \\gamma_i\\, \\theta_i + (1 - \\gamma_i)\\, "
            "\\theta_i / s",
            "a product of powers",
            "by parts",
        ),
        (
            "For a text no longer than those of training, $s$ counts as 1 and "
            "nothing changes.",
            "squeezed for shorter texts",
            "shorter, by base",
        ),
        (
            "$s$ counts as 1 and nothing changes.",
            known("05-stretched-rates", "the base is not used", 1),
            "shorter, another base",
        ),
        (
            "Returns the rates, a tensor $(d/2,)$.",
            "a rate for each feature",
            "the worked example",
        ),
        (
            "Returns the rates, a tensor $(d/2,)$.",
            "a list or an array",
            "the worked example",
        ),
        (
            "The relative error of each must be below a hundred-thousandth, "
            "even for the slowest, which may be below a millionth.",
            "rounded",
            "slow rates of a larger base, in millionths",
        ),
    ],
}
