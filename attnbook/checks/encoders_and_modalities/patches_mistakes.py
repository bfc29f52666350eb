"""What goes wrong when pictures are cut into patches, by name.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

_ORDER = "Print which pixels of torch.arange(24).view(1, 1, 4, 6) a patch has."
_REST = "The fourth rule says where the zeros are put."
_LAST = "Look at the last line, which makes (B, N, D)."
_PRODUCT = "Each feature is a sum over C · P · Q products, and a bias."

MISTAKES = [
    (
        "only reshaped",
        "pixels taken in the order of memory",
        "A patch of yours is a run of numbers as they lie in memory, not a "
        "rectangle of the picture.",
        "Split height and width into two axes each, then move axes.",
    ),
    (
        "channels folded",
        "each channel cut into runs of pixels",
        "You cut each channel into runs of P · Q numbers. A patch is a "
        "rectangle of P rows and Q columns.",
        "Split height and width into two axes each, then move axes.",
    ),
    (
        "strips",
        "the axes moved in another order",
        "Height and width are split, but the axes are not moved so that a "
        "patch's channels, rows and columns come last.",
        "The order is B, rows of the grid, columns of the grid, C, P, Q.",
    ),
    (
        "interleaved",
        "pixels far apart in one patch",
        "A patch of yours takes every h-th row and every w-th column. Its "
        "pixels should be neighbours.",
        "Height is (h, P) and not (P, h), and width (w, Q) and not (Q, w).",
    ),
    (
        "stride 1",
        "patches that overlap",
        "Your patches begin at every pixel. They should stand side by side.",
        "The step from patch to patch is the size of the patch.",
    ),
    (
        "columns first",
        "patches column by column",
        "The patches run down the columns of the grid.",
        "Token 1 is the patch to the right of token 0. " + _ORDER,
        "both transposed",
    ),
    (
        "from the bottom",
        "rows of patches from the bottom",
        "The rows of patches run from the bottom to the top.",
        "Token 0 is the patch at the top left.",
    ),
    (
        "from the right",
        "patches from the right",
        "In each row the patches run from right to left.",
        "Token 0 is the patch at the top left.",
    ),
    (
        "patches backwards",
        "the last patch first",
        "The patches run from the last to the first.",
        "Token 0 is the patch at the top left.",
    ),
    (
        "grid",
        "a grid in place of a row of tokens",
        "Your tokens still stand in a grid (B, h, w, D).",
        _LAST,
    ),
    (
        "convolution left",
        "a map of features in place of tokens",
        "You return (B, D, h, w), as a convolution does.",
        _LAST,
    ),
    (
        "features first",
        "features before tokens",
        "You return (B, D, N). The axis of the tokens comes before that of "
        "the features.",
        _LAST,
    ),
    (
        "reshaped to tokens",
        "features and tokens mixed by a reshape",
        "You reshaped (B, D, h, w) to (B, N, D). The shape is right, but the "
        "numbers of a token come from many patches.",
        "Flatten the grid first, then transpose.",
        "reshaped, then the bias",
    ),
    (
        "batch as tokens",
        "all pictures in one row of tokens",
        "The tokens of all pictures stand in one row.",
        _LAST,
    ),
    (
        "pixels across",
        "rows and columns of a patch swapped",
        "The pixels of a patch are read column by column, but the weights "
        "row by row.",
        "Weight (d, c, p, q) belongs to row p and column q of the patch.",
        "pixels across, transposed",
    ),
    (
        "flipped",
        "the weights turned by half a turn",
        "You flipped the weights, as in the convolution of mathematics. "
        "nn.Conv2d does not flip.",
        "Weight (d, c, 0, 0) belongs to the upper left pixel of a patch.",
    ),
    (
        "channels backwards",
        "channels in the wrong order",
        "The first channel meets the weights of the last one.",
        "Weight (d, c, p, q) belongs to channel c.",
    ),
    (
        "channels last in weight",
        "weights read with the channels last",
        "You read the weights as if their channels came last.",
        "weight is (D, C, P, Q).",
    ),
    (
        "weight not transposed",
        "weights reshaped in place of transposed",
        "You reshaped the weights to (C · P · Q, D). That mixes the weights "
        "of different features.",
        "weight.flatten(1).T.",
    ),
    (
        "channels averaged",
        "a mean over channels",
        "You averaged over the channels.",
        _PRODUCT,
    ),
    (
        "pixels averaged",
        "a mean over the pixels of a patch",
        "You averaged over the P · Q pixels of a patch.",
        _PRODUCT,
    ),
    (
        "mean of all",
        "a mean in place of a sum",
        "You averaged over channels and pixels.",
        _PRODUCT,
    ),
    (
        "scaled",
        "divided by a square root",
        "You divided by the square root of C · P · Q. Nothing is scaled.",
        _PRODUCT,
    ),
    (
        "first channel",
        "the first channel alone",
        "Only the first channel of a picture counts.",
        _PRODUCT,
    ),
    (
        "channels summed first",
        "channels that share their weights",
        "All channels meet the weights of the first one.",
        "Weight (d, c, p, q) belongs to channel c.",
    ),
    ("no bias", "no bias", "The bias is missing.", _PRODUCT),
    (
        "bias subtracted",
        "the bias subtracted",
        "You subtracted the bias.",
        _PRODUCT,
    ),
    (
        "bias for each pixel",
        "a bias for each pixel",
        "You added the bias once for each pixel of a patch.",
        "The bias is added once, after the sum.",
    ),
    (
        "bias for each channel",
        "a bias for each channel",
        "You added the bias once for each channel.",
        "The bias is added once, after the sum.",
    ),
    (
        "bias twice",
        "the bias added twice",
        "You added the bias twice.",
        "The bias is added once, after the sum.",
    ),
    (
        "class token",
        "a class token",
        "You put a token in front of the patches. Nobody asked for one here.",
        "N is the number of patches.",
    ),
    (
        "relu",
        "a non-linearity",
        "Negative features became 0. The projection is linear.",
        _PRODUCT,
    ),
    (
        "normed",
        "a norm at the end",
        "You normalised the tokens. The projection is all that is asked.",
        _PRODUCT,
    ),
    (
        "no batch",
        "only the first picture",
        "You return the tokens of the first picture alone, without the axis "
        "of the batch.",
        _LAST,
    ),
    (
        "squeezed",
        "axes of size 1 lost",
        "`squeeze()` drops every axis of size 1, also the batch of one "
        "picture or the only patch.",
        "Return (B, N, D), also where B or N is 1.",
    ),
    (
        "first picture",
        "the first picture for the whole batch",
        "All pictures get the tokens of the first one.",
        "Keep the axis of the batch from the first line to the last.",
    ),
    (
        "batch averaged",
        "the batch averaged",
        "You averaged over the pictures of the batch.",
        "Keep the axis of the batch from the first line to the last.",
    ),
    (
        "cut off",
        "a rest that is cut off",
        "Rows or columns that do not fill a patch are dropped.",
        _REST,
        "full ones alone",
    ),
    (
        "in front",
        "zeros at the top and left",
        "You put the zeros above and to the left of the picture.",
        _REST,
    ),
    (
        "both sides",
        "zeros on both sides",
        "You put zeros on both sides of the picture.",
        _REST,
    ),
    (
        "repeated",
        "the edge repeated",
        "You repeated the last row and column. What is missing is 0.",
        _REST,
    ),
    (
        "ones",
        "ones for what is missing",
        "You filled the rest with ones. What is missing is 0.",
        _REST,
    ),
    (
        "mean of picture",
        "means for what is missing",
        "You filled the rest with the mean of a channel. What is missing is "
        "0.",
        _REST,
    ),
    (
        "always padded",
        "zeros where nothing is missing",
        "Where the patches fill the picture, you add a whole patch of zeros.",
        "-H % P is 0 when P divides H, and P - H % P is P.",
    ),
    (
        "sides swapped",
        "height and width swapped in the padding",
        "The height was padded to a multiple of the patch's width, or the "
        "width to one of its height.",
        "F.pad names the last axis first: (left, right, top, bottom).",
    ),
    (
        "picture detached",
        "no gradient for the pictures",
        "No gradient reaches the pictures.",
        "Look for .detach(), .data, .numpy() or torch.tensor(…).",
    ),
    (
        "weight detached",
        "no gradient for the weights",
        "No gradient reaches the weights.",
        "Look for .detach(), .data, .numpy() or nn.Parameter(…).",
    ),
    (
        "bias detached",
        "no gradient for the bias",
        "No gradient reaches the bias.",
        "Look for .detach(), .data, .numpy() or nn.Parameter(…).",
    ),
    (
        "all detached",
        "no gradients at all",
        "The tokens have no gradient.",
        "Look for .detach(), .data, .numpy() or torch.no_grad().",
    ),
    (
        "unfold reshaped",
        "pixels and patches mixed by a reshape",
        "You have pixels before patches, as F.unfold gives them, and "
        "reshaped them to (B, N, C · P · Q). That mixes them.",
        "Swap the two axes by transpose(1, 2).",
    ),
    (
        "channels last in product",
        "weights multiplied with the channels last",
        "You moved the channels of the weights to the end, but not those of "
        "the patches.",
        "Both sides of the product have the order C, P, Q.",
    ),
    (
        "pictures transposed",
        "pictures turned on their side",
        "Height and width of the pictures are swapped.",
        "pictures is (B, C, H, W): the height comes first.",
    ),
    (
        "grey",
        "a mean over the channels first",
        "You averaged the channels of a picture. Each has weights of its own.",
        _PRODUCT,
    ),
    (
        "bytes",
        "divided by 255",
        "You divided the pixels by 255. They are taken as they are.",
        _PRODUCT,
    ),
    (
        "axes of the padding swapped",
        "zeros on the wrong sides",
        "What is missing in height was added to the width, and the other way"
        " round.",
        "F.pad names the last axis first: (left, right, top, bottom).",
    ),
    (
        "stretched",
        "a picture stretched to full patches",
        "You stretched the picture. What is missing is 0.",
        _REST,
        "stretched smoothly",
    ),
    (
        "mirrored",
        "the picture mirrored at its edge",
        "You mirrored the picture at its edge. What is missing is 0.",
        _REST,
    ),
    (
        "tokens first",
        "tokens before pictures",
        "You return (N, B, D). The batch comes first.",
        _LAST,
    ),
    (
        "as many as full ones",
        "the last tokens missing",
        "You return as many tokens as there are full patches.",
        _REST,
    ),
    (
        "patches summed",
        "the sum of all tokens",
        "You added the tokens of all patches up.",
        _LAST,
    ),
    (
        "patches averaged",
        "the mean of all tokens",
        "You averaged the tokens of all patches.",
        _LAST,
    ),
    (
        "upside down",
        "patches upside down",
        "The rows of a patch run from the bottom to the top.",
        "Weight (d, c, p, q) belongs to row p and column q of the patch.",
    ),
    (
        "left to right",
        "patches mirrored",
        "The columns of a patch run from right to left.",
        "Weight (d, c, p, q) belongs to row p and column q of the patch.",
    ),
    (
        "pictures channels last",
        "pictures read with the channels last",
        "You read the pictures as (B, H, W, C).",
        "pictures is (B, C, H, W).",
    ),
    (
        "both parameters detached",
        "no gradient for weights and bias",
        "No gradient reaches weights and bias.",
        "Look for .detach(), .data, .numpy() or nn.Parameter(…).",
    ),
    (
        "minus ones",
        "minus ones for what is missing",
        "You filled the rest with −1. What is missing is 0.",
        _REST,
    ),
    (
        "scaled with the bias",
        "the tokens divided by a square root",
        "You divided the tokens by the square root of C · P · Q. Nothing is "
        "scaled.",
        _PRODUCT,
    ),
    (
        "softmaxed",
        "a softmax at the end",
        "You took a softmax over the features. The projection is linear.",
        _PRODUCT,
    ),
    (
        "channels in the middle",
        "rows before channels in a patch",
        "Your patches hold the numbers in the order rows, channels, "
        "columns; `weight.flatten(1)` has channels first.",
        _PRODUCT,
    ),
    (
        "pictures mirrored",
        "pictures from right to left",
        "You read the pictures from the right to the left.",
        _ORDER,
    ),
    (
        "pictures upside down",
        "pictures from the bottom up",
        "You read the pictures from the bottom to the top.",
        _ORDER,
    ),
    (
        "normalised",
        "pixels normalised",
        "You took off the mean of the pixels and divided by their spread. "
        "The pixels are used as they are.",
        _PRODUCT,
    ),
    (
        "first channel repeated",
        "the first channel in place of all",
        "You use the first channel of the picture for every channel.",
        _PRODUCT,
    ),
    (
        "bias for each product",
        "the bias once for each product",
        "You added the bias C · P · Q times. It is added once to each "
        "feature.",
        _PRODUCT,
    ),
    (
        "bias summed",
        "all biases added up",
        "You added the sum of all biases to every feature. Feature d gets "
        "`bias[d]`.",
        _PRODUCT,
    ),
    (
        "last patch missing",
        "the last patch missing",
        "Your tokens end one patch too early.",
        _LAST,
    ),
]
