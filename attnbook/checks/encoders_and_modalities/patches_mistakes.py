"""What goes wrong when pictures are cut into patches."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def _whole(pictures, P, Q, mistake):
    """The pictures with what is missing to full patches."""
    H, W = pictures.shape[-2:]
    down, right = -H % P, -W % Q
    if mistake == "cut off":
        return pictures[..., : H - H % P, : W - W % Q]
    if mistake == "in front":
        return F.pad(pictures, (right, 0, down, 0))
    if mistake == "both sides":
        left, top = right // 2, down // 2
        return F.pad(pictures, (left, right - left, top, down - top))
    if mistake == "repeated":
        return F.pad(pictures, (0, right, 0, down), mode="replicate")
    if mistake == "ones":
        return F.pad(pictures, (0, right, 0, down), value=1.0)
    if mistake == "always padded":
        return F.pad(pictures, (0, Q - W % Q, 0, P - H % P))
    if mistake == "axes of the padding swapped":
        pictures = F.pad(pictures, (0, down, 0, right))
        H, W = pictures.shape[-2:]
        return pictures[..., : H - H % P, : W - W % Q]
    if mistake == "stretched":
        return F.interpolate(pictures, (H + down, W + right))
    if mistake == "stretched smoothly":
        return F.interpolate(pictures, (H + down, W + right), mode="bilinear")
    if mistake == "mirrored":
        rows = [*range(H), *[max(H - 2 - n, 0) for n in range(down)]]
        columns = [*range(W), *[max(W - 2 - n, 0) for n in range(right)]]
        return pictures[:, :, rows][..., columns]
    if mistake == "sides swapped":
        down, right = -H % Q, -W % P
        pictures = F.pad(pictures, (0, right, 0, down))
        H, W = pictures.shape[-2:]
        return F.pad(pictures, (0, -W % Q, 0, -H % P))
    if mistake == "mean of picture":
        found = pictures.mean((-1, -2), keepdim=True)
        found = found.expand(*pictures.shape[:2], H + down, W + right).clone()
        found[..., :H, :W] = pictures
        return found
    return F.pad(pictures, (0, right, 0, down))


def mistaken(pictures, weight, bias, mistake):
    """The tokens (B, N, D), with one mistake."""
    D, C, P, Q = weight.shape
    if mistake == "picture detached":
        pictures = pictures.detach()
    elif mistake == "weight detached":
        weight = weight.detach()
    elif mistake == "bias detached":
        bias = bias.detach()
    elif mistake == "all detached":
        pictures, weight = pictures.detach(), weight.detach()
        bias = bias.detach()
    if mistake == "channels last in product":
        weight = weight.permute(0, 2, 3, 1).reshape(weight.shape)
    elif mistake == "pixels across, transposed":
        weight = weight.mT.reshape(weight.shape)
    elif mistake == "pictures transposed":
        pictures = pictures.mT
    elif mistake == "both transposed":
        pictures, weight = pictures.mT, weight.mT
        P, Q = Q, P
    elif mistake == "grey":
        pictures = pictures.mean(1, keepdim=True).expand_as(pictures)
    elif mistake == "bytes":
        pictures = pictures / 255
    elif mistake == "pixels across":
        weight = weight.flatten(2)
        weight = weight.unflatten(2, (Q, P)).transpose(2, 3)
    elif mistake == "flipped":
        weight = weight.flip(2, 3)
    elif mistake == "channels backwards":
        weight = weight.flip(1)
    elif mistake == "channels last in weight":
        weight = weight.flatten(1).view(D, P, Q, C).permute(0, 3, 1, 2)
    elif mistake == "channels averaged":
        weight = weight / C
    elif mistake == "pixels averaged":
        weight = weight / (P * Q)
    elif mistake == "mean of all":
        weight = weight / (C * P * Q)
    elif mistake == "first channel":
        weight = torch.cat([weight[:, :1], 0 * weight[:, 1:]], 1)
    elif mistake == "channels summed first":
        weight = weight[:, :1].expand_as(weight)
    elif mistake == "scaled":
        weight = weight / (C * P * Q) ** 0.5
    elif mistake == "weight not transposed":
        weight = weight.reshape(C * P * Q, D).T.reshape(weight.shape)
    B = len(pictures)
    whole = _whole(pictures, P, Q, mistake)
    H, W = whole.shape[-2:]
    h, w = H // P, W // Q
    if mistake == "only reshaped":
        rows = whole.reshape(B, h * w, C * P * Q)
        return rows @ weight.flatten(1).T + bias
    if mistake == "channels folded":
        rows = whole.reshape(B, C, h * w, P * Q).transpose(1, 2).flatten(2)
        return rows @ weight.flatten(1).T + bias
    if mistake == "unfold reshaped":
        rows = whole.reshape(B, C, h, P, w, Q).permute(0, 1, 3, 5, 2, 4)
        rows = rows.reshape(B, h * w, C * P * Q)
        return rows @ weight.flatten(1).T + bias
    if mistake == "strips":
        rows = whole.reshape(B, C, h, P, w, Q).permute(0, 2, 3, 1, 4, 5)
        rows = rows.reshape(B, h * w, C * P * Q)
        return rows @ weight.flatten(1).T + bias
    if mistake == "interleaved":
        cut = whole.reshape(B, C, P, h, Q, w).permute(0, 1, 3, 5, 2, 4)
    else:
        cut = whole.unfold(2, P, P).unfold(3, Q, Q)  # (B, C, h, w, P, Q)
    if mistake == "stride 1":
        cut = whole.unfold(2, P, 1).unfold(3, Q, 1)
    tokens = torch.einsum("bchwpq,dcpq->bhwd", cut, weight)
    if mistake == "grid":
        return tokens + bias
    if mistake == "convolution left":
        return (tokens + bias).permute(0, 3, 1, 2)
    if mistake == "features first":
        return (tokens + bias).permute(0, 3, 1, 2).flatten(2)
    if mistake == "reshaped to tokens":
        out = (tokens + bias).permute(0, 3, 1, 2)
        return out.reshape(B, -1, D)
    if mistake == "reshaped, then the bias":
        return tokens.permute(0, 3, 1, 2).reshape(B, -1, D) + bias
    if mistake == "tokens first":
        return (tokens.flatten(1, 2) + bias).transpose(0, 1)
    if mistake == "full ones alone":
        fits = tokens[:, : pictures.shape[2] // P, : pictures.shape[3] // Q]
        return fits.flatten(1, 2) + bias
    if mistake == "as many as full ones":
        count = (pictures.shape[2] // P) * (pictures.shape[3] // Q)
        return (tokens.flatten(1, 2) + bias)[:, :count]
    if mistake == "patches summed":
        return (tokens.flatten(1, 2) + bias).sum(1, keepdim=True)
    if mistake == "patches averaged":
        return (tokens.flatten(1, 2) + bias).mean(1, keepdim=True)
    if mistake == "columns first":
        return tokens.transpose(1, 2).flatten(1, 2) + bias
    if mistake == "from the bottom":
        return tokens.flip(1).flatten(1, 2) + bias
    if mistake == "from the right":
        return tokens.flip(2).flatten(1, 2) + bias
    if mistake == "patches backwards":
        return tokens.flatten(1, 2).flip(1) + bias
    if mistake == "batch as tokens":
        return tokens.flatten(0, 2)[None] + bias
    tokens = tokens.flatten(1, 2)
    if mistake == "no bias":
        return tokens
    if mistake == "bias subtracted":
        return tokens - bias
    if mistake == "bias for each pixel":
        return tokens + bias * P * Q
    if mistake == "bias for each channel":
        return tokens + bias * C
    if mistake == "bias twice":
        return tokens + 2 * bias
    if mistake == "class token":
        return torch.cat([tokens.new_zeros(B, 1, D), tokens + bias], 1)
    if mistake == "relu":
        return (tokens + bias).relu()
    if mistake == "normed":
        return F.layer_norm(tokens + bias, (D,))
    if mistake == "no batch":
        return (tokens + bias)[0]
    if mistake == "first picture":
        return (tokens + bias)[:1].expand(B, -1, -1)
    if mistake == "squeezed":
        return (tokens + bias).squeeze()
    if mistake == "batch averaged":
        return (tokens + bias).mean(0, keepdim=True)
    return tokens + bias


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
]
