"""What talking heads give, and known mistakes of who writes them."""

from __future__ import annotations

import torch

from attnbook.judging.masked_weights import masked_weights
from attnbook.judging.named_mistakes import named
from attnbook.mechanisms.masked_softmax import masked_softmax


def _mix(matrix, x):
    """Mix the heads of (B, H, T, S) by a matrix (H_new, H)."""
    return torch.einsum("gh,bhts->bgts", matrix, x)


def talking_heads(query, key, value, mask, mix_scores, mix_weights):
    scores = query @ key.transpose(-2, -1) / key.shape[-1] ** 0.5
    scores = _mix(mix_scores, scores)  # (B, H_k, T, S) to (B, H, T, S)
    weights = masked_softmax(scores, mask[:, None, None])
    weights = _mix(mix_weights, weights)  # (B, H_v, T, S)
    return weights @ value, weights


def _mix_viewed(matrix, x, back):
    """Mix by a reshape to (B, T, S, H), which moves no axis."""
    B, H, T, S = x.shape
    mixed = x.reshape(B, T, S, H) @ matrix.T
    return mixed.reshape(B, -1, T, S) if back else mixed.movedim(-1, 1)


# Mixings by a reshape: of scores, of weights, and back by another.
_RESHAPED = {
    "scores reshaped": (True, False, False),
    "weights reshaped": (False, True, False),
    "reshaped": (True, True, False),
    "reshaped and back": (True, True, True),
    "scores reshaped and back": (True, False, True),
    "weights reshaped and back": (False, True, True),
}

# What a sum that may be 0 is kept away from.
_LEAST = ("1e-12", "1e-9", "1e-8", "1e-6")


# The scores of padding before the mixing.
_EARLY = {
    "early mask": -torch.inf,
    "early, NaN to 0": -torch.inf,
    "early -1e9": -1e9,
    "early -1e9, empty to 0": -1e9,
    "early 0": 0.0,
}


def _mistaken(query, key, value, mask, mix_scores, mix_weights, mistake):
    """The same with a mistake."""
    d_k = key.shape[-1]
    before, after = mix_scores, mix_weights
    mistake, _, least = mistake.partition(" above ")
    views = _RESHAPED.get(mistake, (False, False, False))
    if mistake in ("matrices without gradient", "no gradient of scores"):
        before = before.detach()
    if mistake in ("matrices without gradient", "no gradient of weights"):
        after = after.detach()
    if mistake == "softmax of both":
        before, after = before.softmax(-1), after.softmax(-1)
    if mistake == "rows of the matrices":
        after = after / after.sum(-1, keepdim=True)
    if mistake == "rows of both":
        before = before / before.sum(-1, keepdim=True)
        after = after / after.sum(-1, keepdim=True)
    if mistake == "mixed inputs":
        query = torch.einsum("gh,bhtd->bgtd", before, query)
        key = torch.einsum("gh,bhsd->bgsd", before, key)
        before = torch.eye(len(before))
    if mistake == "swapped":
        before, after = after, before
    if mistake in ("transposed", "scores transposed"):
        before = before.T
    if mistake in ("transposed", "weights transposed"):
        after = after.T
    if mistake == "padding last":
        count = mask.sum(-1, keepdim=True)
        mask = torch.arange(mask.shape[1]) < count
    allowed = mask[:, None, None]  # (B, 1, 1, S)
    if mistake == "mask on the heads":
        allowed = mask[:, None]  # (B, 1, S) meets (B, H, T, S) from the right
    if mistake == "mask on the queries":
        allowed = mask[:, None, :, None]
    scores = query @ key.transpose(-2, -1)  # (B, H_k, T, S)
    if mistake == "by d":
        scores = scores / d_k
    elif mistake == "wide":
        scores = scores / (d_k * query.shape[1]) ** 0.5
    elif mistake == "multiplied":
        scores = scores * d_k**0.5
    elif mistake == "width of values":
        scores = scores / value.shape[-1] ** 0.5
    elif mistake != "unscaled":
        scores = scores / d_k**0.5
    if mistake in _EARLY:
        scores = scores.masked_fill(~allowed, _EARLY[mistake])
    elif mistake == "weights first":
        scores = masked_softmax(scores, allowed)
    if views[0]:
        scores = _mix_viewed(before, scores, views[2])
    elif mistake == "on the wrong axis":
        scores = before @ scores
    elif mistake == "mixed on top":
        mixed = _mix(before, scores)
        scores = mixed + scores if mixed.shape == scores.shape else mixed
    elif mistake not in ("silent scores", "silent"):
        scores = _mix(before, scores)  # (B, H, T, S)
    if mistake == "divided by new heads":
        scores = scores / len(before) ** 0.5
    if mistake in _EARLY:
        weights = scores.softmax(-1)
        if mistake == "early, NaN to 0":
            weights = weights.nan_to_num(0.0)
        elif mistake == "early -1e9, empty to 0":
            weights = weights * allowed.any(-1, keepdim=True)
    elif mistake in ("one maximum", "one maximum, 0/0"):
        powers = (scores - scores.max()).exp() * allowed
        total = powers.sum(-1, keepdim=True)
        if mistake == "one maximum":
            total = total.clamp(min=float(least or 1e-30))
        weights = powers / total
    elif mistake == "weights first":
        weights = scores
    elif mistake in ("-1e9 added", "-1e4 added"):
        low = -1e9 if mistake == "-1e9 added" else -1e4
        weights = (scores + torch.where(allowed, 0.0, low)).softmax(-1)
    elif mistake == "nan, added":
        hidden = torch.where(allowed, 0.0, -torch.inf)
        weights = (scores + hidden).softmax(-1)
    elif mistake == "NaN in place":
        weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
        weights[weights.isnan()] = 0
    elif mistake == "NaN to 0":
        bias = torch.zeros(allowed.shape).masked_fill(~allowed, -torch.inf)
        weights = (scores + bias).softmax(-1).nan_to_num(0.0)
    elif mistake in ("divided again", "divided again or by 1"):
        weights = scores.softmax(-1) * allowed
        total = weights.sum(-1, keepdim=True)
        if mistake == "divided again":
            total = total.clamp(min=1e-9)
        weights = weights / total.where(total != 0, 1)
    elif mistake == "by exp":
        powers = scores.exp() * allowed
        total = powers.sum(-1, keepdim=True)
        weights = powers / total.where(total != 0, 1)
    elif mistake == "-100":
        weights = scores.masked_fill(~allowed, -100.0).softmax(-1)
        weights = weights * allowed.any(-1, keepdim=True)
    else:
        dim = 1 if mistake == "over heads" else -1
        kind = "nan" if mistake == "nan in the weights" else mistake
        weights = masked_weights(masked_softmax, scores, allowed, (kind,), dim)
    if mistake == "outputs mixed":
        return _mix(after, weights @ value), _mix(after, weights)
    if mistake not in ("silent weights", "silent"):
        plain = weights
        if views[1]:
            weights = _mix_viewed(after, weights, views[2])
        else:
            weights = _mix(after, weights)  # (B, H_v, T, S)
        if mistake == "plain weights returned":
            return weights @ value, plain
        if mistake == "values by plain weights":
            return plain @ value, weights
    if mistake == "rows to 1":
        total = weights.sum(-1, keepdim=True)
        weights = weights / torch.where(total == 0, 1, total)
    elif mistake == "rows to 1, if":
        total = weights.sum(-1, keepdim=True).clamp(min=float(least))
        weights = weights / total
    elif mistake == "rows to 1, or NaN":
        weights = weights / weights.sum(-1, keepdim=True)
    elif mistake == "softmax twice, unmasked":
        weights = weights.softmax(-1)
    elif mistake == "softmax twice":
        weights = masked_softmax(weights, allowed)
    elif mistake == "none below 0":
        weights = weights.clamp(min=0)
    elif mistake == "relu":
        weights = weights.relu()
    elif mistake == "absolute":
        weights = weights.abs()
    elif mistake == "output without gradient":
        return weights.detach() @ value, weights
    elif mistake == "returned rows to 1":
        return weights @ value, weights / weights.sum(-1, keepdim=True)
    elif mistake == "returned without gradient":
        return weights @ value, weights.detach()
    elif mistake == "nan in the weights":
        return (weights @ value).nan_to_num(), weights
    elif mistake == "alone":
        return weights @ value
    elif mistake == "exchanged":
        return weights, weights @ value
    return weights @ value, weights


_MISTAKES = [
    (
        "early mask",
        "-inf among the scores that are mixed",
        "Padding has the score -inf before the mixing. A negative number "
        "makes it +inf, and -inf + inf is NaN.",
        "Mix the finite scores first, then mask.",
    ),
    (
        "early, NaN to 0",
        "-inf among the scores that are mixed, and NaN set to 0",
        "Padding has the score -inf before the mixing. A negative number "
        "makes it +inf, which gives rows of NaN, and you set them to 0.",
        "Mix the finite scores first, then mask.",
    ),
    (
        "early -1e9",
        "-1e9 among the scores that are mixed",
        "Padding has the score -1e9 before the mixing. A negative number "
        "makes it the largest score of all.",
        "Mix the finite scores first, then mask.",
        "early -1e9, empty to 0",
    ),
    (
        "reshaped",
        "heads moved by a reshape",
        "A reshape does not move the axis of the heads to the end: numbers "
        "of one head are read as numbers of several.",
        "movedim(1, -1), mix, then movedim(-1, 1).",
        *(key for key in _RESHAPED if key != "reshaped"),
    ),
    (
        "transposed",
        "both matrices transposed",
        "The heads that come out are the *rows* of a mixing matrix, "
        "as in nn.Linear.",
        "new[g] is the sum over h of matrix[g, h] · old[h].",
    ),
    (
        "scores transposed",
        "mix_scores transposed",
        "The first mixing uses the columns as new heads. The new heads are "
        "the *rows* of the matrix, as in nn.Linear.",
        "new[i] is the sum over h of mix_scores[i, h] · old[h].",
    ),
    (
        "weights transposed",
        "mix_weights transposed",
        "The second mixing uses the columns as new heads. The new heads are "
        "the *rows* of the matrix, as in nn.Linear.",
        "new[g] is the sum over i of mix_weights[g, i] · old[i].",
    ),
    (
        "silent",
        "heads that do not talk",
        "This is plain multi-head attention: neither the scores nor "
        "the weights are mixed.",
        "Both small matrices: are they used?",
    ),
    (
        "mask on the heads",
        "a mask that lands on the heads",
        "mask[:, None] is (B, 1, S). Beside (B, H, T, S), its B is in the "
        "place of the heads, so each *head* gets the mask of a sentence.",
        "Shapes are matched from the right: mask[:, None, None].",
    ),
    (
        "swapped",
        "the two matrices changed over",
        "mix_weights mixes the scores and mix_scores the weights.",
        "The names say what each of them mixes.",
    ),
    (
        "silent scores",
        "scores that are not mixed",
        "The heads do not talk before the softmax.",
        "mix_scores, between the scores and the softmax.",
    ),
    (
        "silent weights",
        "weights that are not mixed",
        "The heads do not talk after the softmax.",
        "mix_weights, between the softmax and the values.",
    ),
    (
        "weights first",
        "both mixings after the softmax",
        "The first mixing comes after the softmax too. It should mix the "
        "scores.",
        "Scores, mix, softmax, mix, values.",
    ),
    (
        "outputs mixed",
        "outputs mixed in place of weights",
        "You averaged the values of each head first, then mixed. A mixed map "
        "has to be multiplied by the values of *its* head.",
        "(mix_weights · weights) @ value.",
    ),
    (
        "values by plain weights",
        "values blended before the second mixing",
        "The weights that you return are right. But the values are averaged "
        "with the weights before the mixing.",
        "(mix_weights · weights) @ value.",
    ),
    (
        "returned rows to 1",
        "weights divided by their sum as they are returned",
        "The output is right. But you return weights that are divided by "
        "their sum, and not those that average the values.",
        "Return the weights that are multiplied by the values.",
    ),
    (
        "returned without gradient",
        "weights that are returned without gradient",
        "The values are right, but no gradient flows back through the "
        "weights that you return.",
        "No .detach() on them.",
    ),
    (
        "softmax of both",
        "a softmax of the matrices",
        "The matrices went through a softmax. Use them unchanged.",
        "new[g] is the sum over h of matrix[g, h] · old[h].",
    ),
    (
        "rows of the matrices",
        "rows of a matrix divided by their sum",
        "The rows of a mixing matrix are made to sum to 1. Use the matrix "
        "unchanged.",
        "new[g] is the sum over h of matrix[g, h] · old[h].",
        "rows of both",
    ),
    (
        "mixed inputs",
        "queries and keys mixed, not scores",
        "You mixed the queries and the keys, each by itself. Their product "
        "then holds the queries of one head times the keys of another.",
        "Make the scores first, then mix them.",
    ),
    (
        "mixed on top",
        "the old scores kept",
        "The mixed scores are added to the old ones. They should replace the "
        "old ones.",
        "new[i] is the sum over h of mix_scores[i, h] · old[h].",
    ),
    (
        "divided by new heads",
        "divided by the number of heads",
        "The mixed scores are divided by √H as well.",
        "The scale is √d_k, and nothing else.",
    ),
    (
        "on the wrong axis",
        "a product that mixes queries",
        "`matrix @ scores` sums over the second-to-last axis, the queries. "
        "The heads are the second axis.",
        'einsum("ih,bhts->bits", …), or movedim(1, -1) first.',
    ),
    (
        "mask on the queries",
        "a mask that lands on the queries",
        "mask[:, None, :, None] is (B, 1, S, 1): its S is in the place of "
        "the queries.",
        "The keys are the last axis: mask[:, None, None].",
    ),
    (
        "plain weights returned",
        "the weights before the mixing",
        "The output is right. But you return the weights before the second "
        "mixing.",
        "Return the weights that are multiplied by the values.",
    ),
    (
        "rows to 1",
        "rows divided by their sum",
        "After the mixing you made each row sum to 1 again. Mixed "
        "weights may sum to anything, and be negative.",
        "There is no step between the second mixing and the values.",
        "rows to 1, or NaN",
        *(f"rows to 1, if above {least}" for least in _LEAST),
    ),
    (
        "none below 0",
        "weights cut off at 0",
        "Mixed weights below 0 are set to 0. A weight may be negative here.",
        "There is no step between the second mixing and the values.",
        "relu",
    ),
    (
        "absolute",
        "weights without their sign",
        "Mixed weights below 0 lose their sign. A weight may be negative "
        "here.",
        "There is no step between the second mixing and the values.",
    ),
    (
        "output without gradient",
        "an output that does not reach the weights",
        "The values are right, but no gradient flows from the output back "
        "through the weights.",
        "No .detach() on them.",
    ),
    (
        "divided again",
        "zeros after the softmax, divided again",
        "The padding is set to 0 after the softmax, and rows are divided by "
        "their sum. If padding has by far the largest score, nothing is "
        "left.",
        "Use masked_softmax: -inf before the softmax.",
        "divided again or by 1",
    ),
    (
        "by exp",
        "exponentials that overflow",
        "Above 88, exp is infinite in single precision, and ∞/∞ is NaN.",
        "Use masked_softmax, which subtracts the largest score first.",
    ),
    (
        "one maximum",
        "one maximum for all rows",
        "You subtract the largest score of all from every row. In a row with "
        "far lower scores, each exponential is 0.",
        "Each row has its own largest score: scores.amax(-1, keepdim=True).",
        "one maximum, 0/0",
        *(f"one maximum above {least}" for least in _LEAST),
    ),
    (
        "-100",
        "a finite score for what is masked",
        "Padding gets a finite score, such as -100. If all tokens have lower "
        "scores, padding gets the weight.",
        "Use masked_softmax: -inf is below any score.",
    ),
    (
        "no gradient of scores",
        "mix_scores without gradient",
        "The values are right, but mix_scores cannot learn.",
        "A .detach(), a .tolist() or a torch.tensor(...) on it.",
    ),
    (
        "no gradient of weights",
        "mix_weights without gradient",
        "The values are right, but mix_weights cannot learn.",
        "A .detach(), a .tolist() or a torch.tensor(...) on it.",
    ),
    (
        "exchanged",
        "weights before the output",
        "You return (weights, output).",
        "The return line: (output, weights).",
    ),
    (
        "alone",
        "the output alone",
        "You return one tensor. Return two.",
        "The return line: (output, weights).",
    ),
    (
        "matrices without gradient",
        "matrices without gradient",
        "The values are right, but the two mixing matrices cannot learn.",
        "A .detach(), a .tolist() or a torch.tensor(...) on the matrices.",
    ),
    (
        "softmax twice",
        "a second softmax",
        "There is a softmax after the second mixing too.",
        "There is no step between the second mixing and the values.",
        "softmax twice, unmasked",
    ),
    (
        "unscaled",
        "no scale",
        "The scores are not divided by √d_k.",
        "The line that makes the scores.",
    ),
    (
        "by d",
        "divided by d_k",
        "The scores are divided by d_k. Divide by its square root, which "
        "keeps their spread.",
        "The line that makes the scores.",
    ),
    (
        "multiplied",
        "multiplied by √d_k",
        "The scores are multiplied by √d_k. They should be divided by it.",
        "The line that makes the scores: / d_k ** 0.5, or * d_k ** -0.5.",
    ),
    (
        "width of values",
        "the scale of the values",
        "The scores are divided by √d_v. A head's dot product has d_k terms.",
        "The line that makes the scores.",
    ),
    (
        "zero score",
        "a score of 0 for what is masked",
        "Padding gets the score 0, and so it gets a weight.",
        "Use masked_softmax: -inf after the mixing, before the softmax.",
        "early 0",
    ),
    (
        "wide",
        "the scale of all heads together",
        "The scores are divided by √(H_k · d_k). A head's dot "
        "product has d_k terms.",
        "The line that makes the scores.",
    ),
    (
        "over heads",
        "a softmax over the heads",
        "For each query and key, the weights sum to 1 over the heads. The "
        "softmax should be over the keys.",
        "The keys are the last axis: dim=-1.",
    ),
    (
        "over queries",
        "a softmax over the queries",
        "For each key, the weights sum to 1 over the queries. The softmax "
        "should be over the keys.",
        "The keys are the last axis: dim=-1.",
    ),
    (
        "late mask",
        "a mask after the softmax",
        "Weights are set to 0 after the softmax, so the weight of the "
        "padding is lost.",
        "Use masked_softmax.",
    ),
    (
        "inverted",
        "the mask is inverted",
        "The padding is attended to and the tokens are not.",
        "True = may attend.",
    ),
    (
        "padding last",
        "padding taken to be at the end",
        "You count the tokens of a sentence and keep that many from the "
        "front. But padding may be in front.",
        "The mask says *which* keys may be attended to.",
    ),
    (
        "unmasked",
        "the mask is not used",
        "The padding has weight.",
        "masked_softmax(scores, mask[:, None, None]).",
    ),
    (
        "NaN in place",
        "NaN set to 0 in place",
        "weights[…] = 0 changes the output of softmax in place, but the "
        "gradient needs the original output.",
        "masked_softmax, or nan_to_num(0.0): a new tensor.",
    ),
    (
        "NaN to 0",
        "NaN set to 0, and not in the gradient",
        "The softmax of an empty row is NaN. You set it to 0, which is "
        "right, but its gradient is still NaN.",
        "masked_softmax, or masked_fill(~mask, -inf): no gradient flows back "
        "through masked places.",
    ),
    (
        "-1e9",
        "-1e9 in place of -inf",
        "A sentence with nothing to attend to gets weights. All its scores "
        "are equally low, and softmax depends only on differences. The "
        "weights should be 0.",
        "masked_softmax handles such rows.",
        "-1e9 added",
        "-1e4 added",
    ),
    (
        "nan",
        "an empty row of -inf",
        "A sentence with nothing to attend to has only scores of "
        "-inf, and their softmax is 0/0. Its weights should be 0.",
        "masked_softmax handles such rows.",
        "nan in the weights",
        "nan, added",
    ),
]


MISTAKES = named(_mistaken, _MISTAKES)
