"""The bugs of the draft, and what else goes wrong in attention in tiles.

Of each other mistake the bug that makes it, its name, its sentence and where
to look; then the bugs of other code that makes it.
"""

BUGS = {
    "places from 0": (
        "places counted anew in each tile",
        "The mask compares the place of a key *in its tile* with the length, "
        "so that later tiles show keys that are not there.",
        "The first key of a tile stands at place `begin`.",
    ),
    "finite mask": (
        "a finite number in place of -inf",
        "Masked scores are -100. A row with nothing to attend to gets a mean "
        "of what is masked, and scores of -200 lie below what is masked.",
        "Set -inf, and take care of a maximum that is still -inf.",
    ),
    "compared with the sum": (
        "the maximum compared with the sum",
        "The new maximum is taken of the tile and of the running *sum*. With "
        "small scores nothing shows. Where scores fall from 200 to -200, an "
        "exponential overflows.",
        "The line that makes `new`: which variable holds the largest score?",
    ),
    "output not shrunk": (
        "an output that is not rescaled",
        "When the maximum rises, the sum is multiplied by the factor and the "
        "mixed values are not.",
        "Sum and mixed values are relative to the same maximum.",
    ),
    "base 2": (
        "a logarithm to the base 2",
        "The log-sum-exp adds a natural number and a logarithm to the base 2.",
        "The exponentials are powers of e.",
    ),
}

MISTAKES = [
    (
        "sum not shrunk",
        "a sum that is not rescaled",
        "When the maximum rises, the mixed values are multiplied by the "
        "factor and the sum is not.",
        "Sum and mixed values are relative to the same maximum.",
    ),
    (
        "never shrunk",
        "nothing rescaled",
        "When the maximum rises, neither the sum nor the mixed values are "
        "multiplied by the factor.",
        "shrink = exp(old maximum - new maximum).",
    ),
    (
        "turned round",
        "a factor turned round",
        "The old sums are multiplied by exp(new - old), which is above 1.",
        "A larger maximum makes old exponentials smaller.",
        "turned round, bare",
    ),
    (
        "shrunk twice",
        "an output that is rescaled twice",
        "The mixed values are multiplied by the factor twice.",
        "Once for each tile.",
    ),
    (
        "newest maximum",
        "the maximum of the newest tile",
        "The maximum forgets the tiles before. If a tile has small scores "
        "alone, the old sums grow without bound.",
        "The maximum of the old one and the tile's.",
    ),
    (
        "one maximum",
        "one maximum for all queries of a tile",
        "All queries of a tile share one maximum. Where their scores are far "
        "apart, all exponentials of a row are 0.",
        "amax over the keys, the last axis, alone.",
        "one maximum of the batch",
    ),
    (
        "never moved",
        "the maximum of the first tile kept",
        "Later and larger scores are not followed, and overflow.",
        "Take the maximum of each tile.",
    ),
    (
        "unstable",
        "no maximum at all",
        "exp of a score of 200 is infinite.",
        "Subtract the running maximum.",
    ),
    (
        "finite start",
        "a maximum that begins with a finite number",
        "Rows whose scores are all lower are measured against it, and lose "
        "their digits; and a row of no keys gets a finite log-sum-exp.",
        "The maximum of nothing is -inf.",
        "starts low",
    ),
    (
        "starts at 0",
        "a maximum that begins with 0",
        "The maximum begins with 0. Where all scores of a row are far below "
        "0, all exponentials are 0; and a row of no keys gets the "
        "log-sum-exp 0.",
        "The maximum of nothing is -inf.",
    ),
    (
        "masked after the maximum",
        "a maximum of masked scores",
        "The maximum is taken before the mask, so that a masked key may set "
        "it. A row of no keys then has a finite log-sum-exp.",
        "Mask first, then take the maximum.",
    ),
    (
        "masked by -1e9",
        "a large finite number in place of -inf",
        "Masked scores are finite, though very low. A row with nothing to "
        "attend to gets a mean of what is masked, and a finite log-sum-exp.",
        "Set -inf, and take care of a maximum that is still -inf.",
        "masked by -300",
        "masked by -1e4",
        "masked by -5e4",
        "masked by -1e30",
        "masked by the least",
    ),
    (
        "bare base",
        "-inf minus -inf",
        "As long as a row has seen no key, its maximum is -inf, and "
        "-inf - (-inf) is NaN.",
        "The draft's line that makes `base` takes care of it.",
    ),
    (
        "new sum shrunk",
        "the new sum multiplied by the factor too",
        "The sum of the new tile is relative to the new maximum already. "
        "Only the old sum is multiplied by the factor.",
        "total = shrink * total + the new sum.",
    ),
    (
        "new values shrunk",
        "the new values multiplied by the factor too",
        "The values of the new tile are relative to the new maximum already. "
        "Only the old ones are multiplied by the factor.",
        "mixed = shrink * mixed + the new values.",
    ),
    (
        "maximum not kept",
        "the maximum not kept for the next tile",
        "After a tile, `most` is still that of before. The next factor is "
        "wrong then.",
        "The last line of the loop: most = new.",
    ),
    (
        "places too far apart",
        "begin multiplied by the tile",
        "`begin` counts keys, not tiles. You multiply it by `tile` again.",
        "The first key of a tile stands at place `begin`.",
    ),
    (
        "powers of 2",
        "powers of 2",
        "You use powers of 2 for the exponentials.",
        "torch.exp, for the factor and for the powers.",
    ),
    (
        "scaled by the tile",
        "scaled by the tile",
        "q·k is divided by the root of the number of keys in a tile.",
        "The draft's scale is right.",
    ),
    (
        "first tile alone",
        "the first tile alone",
        "Only the keys of the first tile are read.",
        "range(0, S, tile), and no `return` inside the loop.",
    ),
    (
        "last tile dropped",
        "the last, shorter tile left out",
        "Keys behind the last whole tile are never read.",
        "range(0, S, tile).",
    ),
    (
        "last sum",
        "the sum of the last tile alone",
        "Each tile's sum replaces the one before.",
        "Add it to the old sum times the factor.",
    ),
    (
        "divided in the tile",
        "each tile divided by its own sum",
        "The values of a tile are averaged before they are added up.",
        "Divide once, after the last tile.",
        "tiles averaged",
    ),
    (
        "not divided",
        "not divided",
        "The mixed values are returned as they are.",
        "Divide by the sum after the last tile.",
    ),
    (
        "empty divided",
        "nothing divided by nothing",
        "Where no key is allowed you divide 0 by 0.",
        "The text says what the output is there.",
    ),
    (
        "one too many",
        "one key too many",
        "The key at the place `length` is read too.",
        "Row b has the keys 0 to lengths[b] - 1.",
    ),
    (
        "length of row 0",
        "the length of the first row for all",
        "All rows of the batch are masked as the first one.",
        "lengths is (B,).",
    ),
    (
        "unmasked",
        "no mask",
        "Keys behind the length are read.",
        "Row b has the keys 0 to lengths[b] - 1.",
    ),
    (
        "masked by 0",
        "a score of 0 for masked keys",
        "exp(0 - m) still gets a share.",
        "Set -inf.",
    ),
    (
        "no scale",
        "no scale",
        "q·k is not divided by the root of d.",
        "The draft's scale is right.",
    ),
    (
        "scaled by d",
        "scaled by d",
        "q·k is divided by d, not by its root.",
        "The draft's scale is right.",
    ),
    (
        "sum of logarithms",
        "a sum without its logarithm",
        "You add the sum to the maximum, not its logarithm.",
        "L = m + log(sum).",
    ),
    (
        "logarithm alone",
        "a log-sum-exp without the maximum",
        "You return the logarithm of the sum, which is relative to the "
        "maximum.",
        "L = m + log(sum).",
    ),
    (
        "maximum alone",
        "the maximum in place of the log-sum-exp",
        "You return the maximum.",
        "L = m + log(sum).",
    ),
    (
        "empty is 0",
        "a log-sum-exp of 0 where nothing is allowed",
        "The logarithm of an empty sum is -inf. With 0 the row would count "
        "when it is merged.",
        "log(0) is -inf.",
    ),
    (
        "lse with an axis",
        "an axis too many",
        "The log-sum-exp is (B, T, 1).",
        "It is (B, T).",
    ),
    (
        "divided after each tile",
        "divided after each tile",
        "The mixed values are divided by the sum after each tile, and then "
        "again.",
        "Divide once, after the last tile.",
    ),
    (
        "one too few",
        "one key too few",
        "The last key of each text is not read.",
        "Row b has the keys 0 to lengths[b] - 1.",
    ),
    (
        "scaled by d_v",
        "scaled by d_v",
        "q·k is divided by the root of the width of the values.",
        "The draft's scale is right.",
    ),
    (
        "scores clamped",
        "scores cut off",
        "Scores beyond a bound are set to the bound. They may be anything "
        "from -220 to 220.",
        "With the maximum subtracted, nothing overflows.",
    ),
    (
        "base 10",
        "a logarithm to the base 10",
        "The log-sum-exp adds a logarithm to the base 10.",
        "The exponentials are powers of e.",
    ),
    (
        "all to the base 2",
        "a log-sum-exp to the base 2",
        "You divide the log-sum-exp by log 2.",
        "The natural logarithm is asked for.",
    ),
    (
        "all times log 2",
        "log 2 on the maximum too",
        "You multiply maximum and logarithm by log 2.",
        "L = m + log(sum).",
    ),
]
