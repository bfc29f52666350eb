"""What often goes wrong where a cache is kept in 8 bits.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

_ROW = "A token's row runs over d; a channel's row over the S tokens."
_STEPS = "(highest - lowest) / 255."
_CODES = "((x - lowest) / scale).round()."
_ERROR = "restored = codes · scale + lowest, compared with x."
_FLAT = "torch.where(scale > 0, scale, 1.0)."

MISTAKES = [
    (
        "256 steps",
        "256 steps",
        "256 codes have 255 steps between them. With 256 steps the largest "
        "number of a row gets code 256, which no byte holds: it becomes 0, "
        "or is cut to 255.",
        _STEPS,
        "256 steps, clamped",
    ),
    (
        "127 steps",
        "127 steps",
        "127 steps use half of a byte. There is no sign to keep here.",
        _STEPS,
        "254 steps",
        "128 steps",
        "16 steps",
    ),
    (
        "largest size",
        "a range around 0",
        "Your range goes from -|x| to |x|. It should go from the lowest to "
        "the highest number of the row.",
        "amin and amax.",
        "127 a side, 128 added",
        "127 a side, 127 added",
        "127 a side",
        "255 from 0",
        "127.5 a side, 128 added",
        "127 a side, clamped",
        "255 from 0, clamped",
    ),
    (
        "from 0",
        "a range from 0 to the highest",
        "Your codes begin with 0, so that numbers below 0 are lost.",
        "Code 0 stands for the lowest number.",
        "from 0, clamped",
    ),
    (
        "from 0 if above",
        "a range that has to hold 0",
        "Where all numbers of a row are above 0, or all below, your range "
        "still reaches to 0.",
        "amin and amax, whatever their signs.",
    ),
    (
        "mean for lowest",
        "a range from the mean",
        "Your codes begin with the mean of the row.",
        "Code 0 stands for the lowest number.",
        "mean for lowest, clamped",
    ),
    (
        "three deviations",
        "a range of deviations",
        "Your range is a mean with some deviations around it.",
        "amin and amax.",
        "three deviations, clamped",
    ),
    (
        "cut off",
        "cut off, not rounded",
        "The codes are cut off, so that the error is up to a whole step.",
        _CODES,
    ),
    (
        "rounded up",
        "always rounded up",
        "The codes are rounded up, so that the error is up to a whole step.",
        _CODES,
    ),
    (
        "lowest not subtracted",
        "the lowest number not subtracted",
        "You divide x by the scale. Code 0 should stand for the lowest "
        "number.",
        _CODES,
        "lowest not subtracted, clamped",
    ),
    (
        "lowest added",
        "the lowest number added",
        "You add the lowest number. It has to be subtracted.",
        _CODES,
        "lowest added, clamped",
    ),
    (
        "lowest rounded",
        "a zero point that is rounded",
        "You round x / scale and lowest / scale apart, so that codes are off "
        "by one.",
        _CODES,
        "lowest rounded, clamped",
    ),
    (
        "divided, then subtracted",
        "divided before subtracted",
        "x / scale and lowest / scale are both large here, and have lost the "
        "digits that their difference needs.",
        "((x - lowest) / scale).round().",
    ),
    (
        "middle",
        "codes around 0",
        "Your codes go from -128 to 127, and a uint8 has no sign: -128 "
        "becomes 128.",
        _CODES,
    ),
    (
        "upside down",
        "codes upside down",
        "The highest number gets code 0.",
        _CODES,
    ),
    (
        "clamped at 127",
        "codes that end at 127",
        "Half of the codes are cut to 127.",
        "A uint8 goes from 0 to 255.",
    ),
    (
        "codes in 7 bits",
        "codes halved",
        "Your codes go to 127.",
        "A uint8 goes from 0 to 255.",
    ),
    (
        "one row for all",
        "one scale for the whole cache",
        "You have one scale for all numbers.",
        _ROW,
        "one row for all, expanded",
    ),
    (
        "one row a text",
        "one scale for a text",
        "You have one scale for each text.",
        _ROW,
        "one row a text, expanded",
    ),
    (
        "one row a head",
        "one scale for a head",
        "You have one scale for each head.",
        _ROW,
        "one row a head, expanded",
    ),
    (
        "heads together",
        "one scale for all heads",
        "The heads of a text share their scales.",
        _ROW,
        "heads together, expanded",
        "channels of all heads",
        "channels of all heads, expanded",
    ),
    (
        "over the batch",
        "one scale for all texts",
        "The texts of the batch share their scales.",
        _ROW,
        "over the batch, expanded",
        "channels over the batch",
        "channels over the batch, expanded",
    ),
    (
        "over the heads",
        "a row that runs over the heads",
        "Your rows run over the heads.",
        _ROW,
    ),
    (
        "exchanged axes",
        "the two kinds of rows exchanged",
        'With "token" your rows run over the tokens.',
        _ROW,
    ),
    (
        "tokens alone",
        "`per` not read",
        'You do the same for "token" and "channel": your rows run over d.',
        _ROW,
    ),
    (
        "channels alone",
        "`per` not read, rows over the tokens",
        'You do the same for "token" and "channel": your rows run over S.',
        _ROW,
    ),
    (
        "over axis 0",
        "rows over the batch",
        "For channels your rows run over the batch.",
        _ROW,
    ),
    (
        "smallest scale",
        "a scale of 0, or nearly 0",
        "Where all numbers of a row are the same, the scale should be 1. "
        "Yours is 0 or tiny.",
        _FLAT,
        "no guard",
        "a small scale",
        "a smaller scale",
        "a scale of 255",
        "added",
        "added to the range",
    ),
    (
        "lowest 0 where flat",
        "a lowest number of 0 for a row of one number",
        "Where all numbers of a row are the same, it is their number that is "
        "the lowest.",
        "Only the scale is replaced.",
    ),
    (
        "any row",
        "a scale of 1 for all rows",
        "One row of the same numbers changes the scale of all rows.",
        _FLAT,
    ),
    (
        "below 1e-2",
        "a scale of 1 for narrow rows",
        "You take 1 for each scale that is small. Only a scale of 0 is to be "
        "replaced.",
        _FLAT,
        "below 1e-6",
        "nearly the same",
    ),
    (
        "always 1 at least",
        "a scale of at least 1",
        "Your scales are never below 1.",
        _FLAT,
    ),
    (
        "axes lost",
        "an axis lost",
        "scale and lowest have lost an axis, so that they do not fit the "
        "codes.",
        "keepdim=True.",
        "all axes lost",
    ),
    (
        "inverse scale",
        "one over the scale",
        "You return what is multiplied to get codes. The scale is what codes "
        "are multiplied with.",
        _STEPS,
    ),
    (
        "range returned",
        "the range for the scale",
        "You return highest - lowest. The scale is one step.",
        _STEPS,
    ),
    (
        "highest returned",
        "the highest number",
        "You return the highest number of a row in place of the lowest.",
        "amin.",
    ),
    (
        "zero point returned",
        "a zero point",
        "You return which code would stand for 0.",
        "The lowest number itself is asked for.",
    ),
    (
        "scale and lowest exchanged",
        "scale and lowest exchanged",
        "The lowest number is returned before the scale.",
        "return codes, scale, lowest, error.",
    ),
    (
        "restored returned",
        "the restored numbers returned",
        "The third result should be the lowest number of each row.",
        "return codes, scale, lowest, error.",
    ),
    (
        "three results",
        "codes that are no bytes, or other results",
        "Four tensors are asked for, and the first one in bytes.",
        "codes.round().to(torch.uint8), and they are returned first.",
        "error first",
        "signed codes",
        "numbers, not codes",
    ),
    (
        "mean",
        "the mean error",
        "You return a mean of errors, not the largest one.",
        _ERROR,
        "mean of rows",
        "mean of channels",
    ),
    (
        "root mean square",
        "the root of the mean square",
        "You return the root of the mean square of the errors, not the "
        "largest one.",
        _ERROR,
    ),
    (
        "squares",
        "a squared error",
        "You return a square. The distance itself is asked for.",
        _ERROR,
        "mean of squares",
    ),
    (
        "sum",
        "the sum of the errors",
        "You return the sum of the errors, or the root of the sum of their "
        "squares, not the largest one.",
        _ERROR,
        "norm",
    ),
    (
        "signed",
        "an error with a sign",
        "You took the largest difference with its sign. Where all are below "
        "0, the largest *distance* is another.",
        "abs() before amax.",
        "signed the other way",
    ),
    (
        "bound",
        "the bound of the error",
        "You return half a step, which no error exceeds. The error that is "
        "there is asked for.",
        _ERROR,
        "scale",
    ),
    (
        "not rounded",
        "no error at all, or the smallest",
        "You compare x with itself, before the rounding, or return the "
        "smallest of the errors.",
        _ERROR,
        "smallest",
    ),
    (
        "of all",
        "one error for everything",
        "You took the largest error of the whole cache. Each head of each "
        "text has an error of its own.",
        "amax((-2, -1)).",
        "of all, for each",
    ),
    (
        "of a token",
        "an error for each row",
        "You return the error of each token or channel.",
        "amax((-2, -1)).",
        "of a channel",
        "each",
        "kept dimensions",
    ),
    (
        "of a text",
        "an error for each text",
        "You return an error for each text, or for each head of all texts.",
        "amax((-2, -1)).",
        "of a head in all texts",
        "of a text, for each",
    ),
    (
        "relative",
        "a relative error",
        "You divide by the numbers. The distance itself is asked for.",
        _ERROR,
        "relative everywhere",
    ),
    (
        "in steps",
        "an error in steps",
        "Your error is in steps. Multiply by the scale.",
        _ERROR,
    ),
    (
        "restored without lowest",
        "restored without the lowest number",
        "You compare x with codes · scale. The lowest number is missing.",
        _ERROR,
    ),
    (
        "restored in 8 bits",
        "restored in 8 bits",
        "What is restored is cut to whole numbers.",
        _ERROR,
    ),
    (
        "restored by another scale",
        "divided by 255 twice",
        "The scale is one step already. You divide the codes by 255 too.",
        _ERROR,
    ),
]
