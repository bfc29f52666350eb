"""What goes wrong when pictures and captions are matched."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F


def _unit(x, mistake):
    if mistake == "sum to 1":
        return x / x.sum(-1, keepdim=True)
    if mistake == "unit over the batch":
        return F.normalize(x, dim=0)
    if mistake == "squared length":
        return x / x.pow(2).sum(-1, keepdim=True)
    if mistake == "one norm":
        return F.normalize(x, p=1, dim=-1)
    if mistake == "whole norm":
        return x / x.norm()
    if mistake == "centred":
        return F.normalize(x - x.mean(-1, keepdim=True), dim=-1)
    if mistake == "softmaxed":
        return x.softmax(-1)
    if mistake == "layer norm":
        return F.layer_norm(x, x.shape[-1:])
    return F.normalize(x, dim=-1)


def _scores_of(picture, caption, log_scale, mistake):
    D = picture.shape[-1]
    p, c = _unit(picture, mistake), _unit(caption, mistake)
    if mistake == "no length":
        p, c = picture, caption
    elif mistake == "pictures as they are":
        p = picture
    elif mistake == "captions as they are":
        c = caption
    elif mistake == "length detached":
        p = picture / picture.norm(dim=-1, keepdim=True).detach()
        c = caption / caption.norm(dim=-1, keepdim=True).detach()
    if mistake == "picture detached":
        p = p.detach()
    elif mistake == "caption detached":
        c = c.detach()
    cosines = p @ c.T
    if mistake == "distance":
        cosines = -torch.cdist(p, c)
    elif mistake == "distance squared":
        cosines = -(torch.cdist(p, c) ** 2)
    elif mistake == "own product":
        cosines = p @ p.T if len(p) == len(c) else cosines
    if mistake == "divided by the root":
        cosines = cosines / D**0.5
    scale = log_scale.clamp(max=math.log(100)).exp()
    if mistake == "no exponential":
        scale = log_scale
    elif mistake == "no exponential, at most 100":
        scale = log_scale.clamp(max=100)
    elif mistake == "divided without exponential":
        scale = 1 / log_scale
    elif mistake == "no scale":
        scale = torch.ones(())
    elif mistake == "divided":
        scale = 1 / scale
    elif mistake == "not at most 100":
        scale = log_scale.exp()
    elif mistake == "at most log":
        scale = log_scale.exp().clamp(max=math.log(100))
    elif mistake == "clipped before":
        scale = log_scale.clamp(max=100).exp()
    elif mistake == "at least 1":
        scale = log_scale.clamp(0, math.log(100)).exp()
    elif mistake == "scale detached":
        scale = scale.detach()
    elif mistake == "ten":
        scale = 10**log_scale
    elif mistake == "squared scale":
        scale = scale**2
    if mistake == "scores at most 100":
        return (cosines * log_scale.exp()).clamp(max=100)
    return cosines * scale


def _half(scores, match, mistake):
    """The loss of each row of scores, and which rows count."""
    kept = match.any(1)
    if mistake == "mean of logs":
        log = scores.log_softmax(1) * match
        each = -log.sum(1) / match.sum(1).clamp(min=1)
    elif mistake == "sum of logs":
        each = -(scores.log_softmax(1) * match).sum(1)
    elif mistake == "mean of probabilities":
        shares = scores.softmax(1) * match
        mean = shares.sum(1) / match.sum(1).clamp(min=1)
        each = -torch.where(kept, mean, 1).log()
    elif mistake == "first match":
        first = match.int().argmax(1)
        each = -scores.log_softmax(1).gather(1, first[:, None])[:, 0]
    elif mistake == "first, or caption 0":
        first = match.int().argmax(1)
        each = -scores.log_softmax(1).gather(1, first[:, None])[:, 0]
        kept = torch.ones_like(kept)
    elif mistake == "equal shares, all rows":
        share = match / match.sum(1, keepdim=True).clamp(min=1)
        each = -(scores.log_softmax(1) * share).sum(1)
        kept = torch.ones_like(kept)
    elif mistake == "multi-hot":
        each = -(scores.log_softmax(1) * match).sum(1)
        kept = torch.ones_like(kept)
    elif mistake == "sigmoid mean":
        sign = match * 2.0 - 1
        each = -F.logsigmoid(scores * sign).mean(1)
        kept = torch.ones_like(kept)
    elif mistake == "log of 0":
        each = -(scores.softmax(1) * match).sum(1).log()
        kept = torch.ones_like(kept)
    elif mistake == "log of nearly 0":
        each = -((scores.softmax(1) * match).sum(1) + 1e-8).log()
        kept = torch.ones_like(kept)
    elif mistake == "other axis":
        shares = (scores.softmax(0) * match).sum(1)
        each = -torch.where(kept, shares, 1).log()
    elif mistake == "scores alone":
        each = -(scores * match).sum(1)
        kept = torch.ones_like(kept)
    elif mistake == "scores alone, kept":
        each = -(scores * match).sum(1) / match.sum(1).clamp(min=1)
    elif mistake == "last match":
        last = match.shape[1] - 1 - match.int().flip(1).argmax(1)
        each = -scores.log_softmax(1).gather(1, last[:, None])[:, 0]
    elif mistake == "best match":
        hit = scores.masked_fill(~match, -torch.inf)[kept].amax(1)
        each = scores.new_zeros(len(scores))
        each = each.masked_scatter(kept, scores[kept].logsumexp(1) - hit)
    elif mistake == "others alone":
        none = match.all(1)
        safe = match & ~none[:, None]
        low = scores.masked_fill(safe, -torch.inf).logsumexp(1)
        hit = scores.masked_fill(~match & kept[:, None], -torch.inf)
        each = low - hit.logsumexp(1)
    elif mistake == "each against the others":
        each = scores.new_zeros(len(scores))
        for i in range(len(scores)):
            others = scores[i][~match[i]]
            rows = [
                torch.cat([scores[i, j : j + 1], others]).logsumexp(0)
                - scores[i, j]
                for j in match[i].nonzero()[:, 0].tolist()
            ]
            if rows:
                each = each.clone()
                each[i] = sum(rows) / len(rows)
    elif mistake == "soft labels":
        target = match / match.sum(1, keepdim=True).clamp(min=1)
        each = F.kl_div(scores.log_softmax(1), target, reduction="none").sum(1)
    elif mistake == "zeros in place of −∞":
        each = scores.logsumexp(1) - (scores * match).logsumexp(1)
    elif mistake == "sigmoid":
        sign = match * 2.0 - 1
        each = -F.logsigmoid(scores * sign).sum(1)
        kept = torch.ones_like(kept)
    elif mistake == "no log":
        each = 1 - (scores.softmax(1) * match).sum(1)
    elif mistake == "overflow":
        exp = scores.exp()
        each = -((exp * match).sum(1) / exp.sum(1)).log()
    else:
        hit = scores.masked_fill(~match & kept[:, None], -torch.inf)
        each = scores.logsumexp(1) - hit.logsumexp(1)
    if mistake == "bits":
        each = each / math.log(2)
    elif mistake == "sign":
        each = -each
    return each, kept


def _mean(each, kept, mistake):
    if mistake == "summed":
        return each[kept].sum()
    if mistake == "all rows in the mean":
        return (each * kept).sum() / len(each)
    if mistake == "nan":
        return each[kept].mean()
    return each[kept].sum() / kept.sum().clamp(min=1)


def _identity(match):
    n, m = match.shape
    return torch.eye(max(n, m)).bool()[:n, :m]


def mistaken(picture, caption, labels, names, log_scale, mistake):
    """The loss and the scores (B, N), with one mistake."""
    scores = _scores_of(picture, caption, log_scale, mistake)
    match = labels[:, None] == names
    if mistake == "identity":
        match = _identity(match)
    elif mistake == "others match":
        match = ~match
    elif mistake == "soft targets":
        found = (
            (picture @ picture.T + 0)
            if len(picture) == len(caption)
            else scores
        )
        target = ((found + scores) / 2).softmax(-1).detach()
        loss = -(target * scores.log_softmax(-1)).sum(-1).mean()
        return loss, scores
    halves = []
    sides = [(scores, match), (scores.T, match.T)]
    if mistake == "same softmax twice":
        sides[1] = (scores, match)
    for some, one in sides:
        each, kept = _half(some, one, mistake)
        halves.append(_mean(each, kept, mistake))
    first, second = halves
    loss = (first + second) / 2
    if mistake == "pictures only":
        loss = first
    elif mistake == "captions only":
        loss = second
    elif mistake == "not halved":
        loss = first + second
    elif mistake == "all rows together":
        pairs = [_half(some, one, mistake) for some, one in sides]
        total = sum(each[kept].sum() for each, kept in pairs)
        loss = total / sum(kept.sum() for _, kept in pairs).clamp(min=1)
    elif mistake == "larger half":
        loss = torch.maximum(first, second)
    elif mistake == "mean over pairs":
        pairs = [
            (-(some.log_softmax(1) * one).sum() / one.sum().clamp(min=1))
            for some, one in sides
        ]
        loss = (pairs[0] + pairs[1]) / 2
    elif mistake == "difference":
        loss = first - second
    elif mistake == "one softmax":
        flat, some = scores.flatten(), match.flatten()
        if some.any():
            loss = flat.logsumexp(0) - flat[some].logsumexp(0)
        else:
            loss = 0 * flat.sum()
    elif mistake == "loss detached":
        loss = loss.detach()
    elif mistake == "a loss for each picture":
        each, kept = _half(*sides[0], "")
        loss = each.masked_fill(~kept, 0)
    if mistake == "scores transposed":
        return loss, scores.T
    if mistake == "cosines returned":
        return loss, _scores_of(picture, caption, 0 * log_scale, "")
    if mistake == "shares returned":
        return loss, scores.softmax(-1)
    if mistake == "logs returned":
        return loss, scores.log_softmax(-1)
    return loss, scores


_UNIT = "Divide each vector by its length, the root of the sum of squares."
_SCALE = "scores = exp(log_scale) · cosine, with a factor of 100 at most."
_HITS = "Add up the shares of all matches first, and take the log then."
_ROWS = "The mean is over the rows that have a match, in each direction."
_BOTH = "Half the mean over pictures and half the mean over captions."
_RETURN = "Return `(loss, scores)`, with scores (B, N)."
_GRAPH = "Look for .detach(), .item(), .data or torch.tensor(…)."

MISTAKES = [
    (
        "no length",
        "vectors of any length",
        "You multiplied the vectors as they are. A long vector then has "
        "large scores.",
        _UNIT,
    ),
    (
        "pictures as they are",
        "pictures of any length",
        "The pictures' vectors are not divided by their lengths.",
        _UNIT,
    ),
    (
        "captions as they are",
        "captions of any length",
        "The captions' vectors are not divided by their lengths.",
        _UNIT,
    ),
    (
        "sum to 1",
        "divided by the sum",
        "You divided a vector by the sum of its numbers.",
        _UNIT,
    ),
    (
        "one norm",
        "divided by the sum of absolute values",
        "You divided by the sum of absolute values.",
        _UNIT,
    ),
    (
        "squared length",
        "divided by the square of the length",
        "You divided by the sum of squares, without the root.",
        _UNIT,
    ),
    (
        "unit over the batch",
        "unit length along the batch",
        "You divided each feature by its length over the batch.",
        "F.normalize(x, dim=-1): the axis of the features.",
    ),
    (
        "whole norm",
        "one length for the whole batch",
        "You divided all vectors by one length, that of the whole table.",
        "norm(dim=-1, keepdim=True).",
    ),
    (
        "softmaxed",
        "a softmax in place of unit length",
        "You took a softmax over the features of a vector.",
        _UNIT,
    ),
    (
        "layer norm",
        "a layer norm in place of unit length",
        "You normalised mean and variance of each vector.",
        _UNIT,
    ),
    (
        "distance",
        "minus the distance as a score",
        "Your scores are distances. They should be cosines.",
        _SCALE,
    ),
    (
        "distance squared",
        "minus the squared distance as a score",
        "Your scores are squared distances, −(2 − 2 cos). They should be "
        "cosines.",
        _SCALE,
    ),
    (
        "own product",
        "pictures compared with pictures",
        "You compared the pictures with themselves.",
        "Rows of the scores are pictures, columns are captions.",
    ),
    (
        "divided by the root",
        "divided by the square root of the width",
        "You divided by √D. Cosines need no such scale.",
        _SCALE,
    ),
    (
        "no exponential",
        "a temperature without its exponential",
        "You multiplied by `log_scale` itself.",
        _SCALE,
        "no exponential, at most 100",
    ),
    (
        "divided without exponential",
        "divided by the logarithm of the scale",
        "You divided by `log_scale` itself.",
        _SCALE,
    ),
    (
        "no scale",
        "no scale",
        "You did not multiply the cosines by anything.",
        _SCALE,
    ),
    (
        "divided",
        "divided by the scale",
        "You divided the cosines by exp(log_scale). It is a factor here, "
        "not a temperature.",
        _SCALE,
    ),
    (
        "ten",
        "a power of 10",
        "You took 10 to the power of `log_scale`. The logarithm is the "
        "natural one.",
        _SCALE,
    ),
    (
        "squared scale",
        "the scale used twice",
        "You multiplied by the scale twice.",
        _SCALE,
    ),
    (
        "not at most 100",
        "a scale without a bound",
        "Your factor exceeds 100.",
        _SCALE,
        "clipped before",
    ),
    (
        "at most log",
        "the factor bounded by log 100",
        "You bounded the factor by log 100 = 4.6. It is `log_scale` that "
        "has this bound; the factor's is 100.",
        _SCALE,
    ),
    (
        "at least 1",
        "a scale of at least 1",
        "You do not let the factor fall below 1. Only an upper bound is "
        "asked for.",
        _SCALE,
    ),
    (
        "identity",
        "the diagonal taken for the matches",
        "You take picture i and caption i for the only match. A caption "
        "matches every picture of the same label, wherever it stands.",
        "match[i, j] is labels[i] == names[j].",
    ),
    (
        "others match",
        "matches and others swapped",
        "You take the pairs of different labels for the matches.",
        "match[i, j] is labels[i] == names[j].",
    ),
    (
        "soft targets",
        "targets from the model's own similarities",
        "You took soft targets from the similarities themselves. A model "
        "that gives all pairs the same score would then be right.",
        "The labels alone say what matches.",
    ),
    (
        "mean of logs",
        "a mean of logarithms over the matches",
        "You averaged −log over the matches. It cannot reach 0 if there are "
        "two matches.",
        _HITS,
    ),
    (
        "soft labels",
        "a divergence from equal shares",
        "You compare with equal shares for all matches. Here it does not "
        "matter which of them gets the share.",
        _HITS,
    ),
    (
        "sum of logs",
        "a sum of logarithms over the matches",
        "You added −log up over the matches.",
        _HITS,
    ),
    (
        "mean of probabilities",
        "a mean of shares over the matches",
        "You averaged the shares of the matches. They are added up.",
        _HITS,
    ),
    (
        "first match",
        "only the first match",
        "Only the first match of a row counts in your loss.",
        _HITS,
    ),
    (
        "last match",
        "only the last match",
        "Only the last match of a row counts in your loss.",
        _HITS,
    ),
    (
        "best match",
        "only the best match",
        "Only the match with the largest score counts in your loss.",
        _HITS,
    ),
    (
        "others alone",
        "matches missing in the denominator",
        "Your denominator holds the other pairs alone. It holds all of them.",
        "A share is exp(score) over the sum of *all* exp(scores) of the row.",
    ),
    (
        "each against the others",
        "each match in a softmax of its own",
        "You compare each match with the pairs that do not match, and "
        "average over matches.",
        _HITS,
    ),
    (
        "zeros in place of −∞",
        "zeros where no match is",
        "You multiplied scores by 0 where nothing matches. A score of 0 "
        "still counts as e⁰ = 1.",
        "masked_fill(~match, -torch.inf) before logsumexp.",
    ),
    (
        "sigmoid",
        "a sigmoid for each pair",
        "You judge each pair by a sigmoid of its own. Here each row has a "
        "softmax.",
        _HITS,
    ),
    (
        "no log",
        "one minus the share",
        "Your loss is 1 minus the share. It is minus the log of the share.",
        _HITS,
    ),
    (
        "overflow",
        "exponentials that overflow",
        "You add up exp(score) before the log. With scores near 100 that is "
        "more than float32 holds, or the log of 0.",
        "torch.logsumexp.",
    ),
    (
        "bits",
        "bits in place of nats",
        "Your loss is in bits.",
        "The natural logarithm, torch.log.",
    ),
    (
        "sign",
        "a loss below 0",
        "The sign of the loss is wrong.",
        "Minus the logarithm of a share is 0 or more.",
    ),
    (
        "summed",
        "sums in place of means",
        "You added the rows' losses up.",
        _ROWS,
    ),
    (
        "all rows in the mean",
        "rows without a match in the mean",
        "You divided by the number of all rows, also those without a match.",
        _ROWS,
    ),
    (
        "nan",
        "nothing divided by nothing",
        "If no row has a match, you divide 0 by 0.",
        "The loss is 0 there.",
    ),
    (
        "all rows together",
        "one mean over both directions",
        "You averaged over the rows of both directions at once. With other "
        "numbers of pictures and captions that is another number.",
        _BOTH,
    ),
    (
        "pictures only",
        "one direction: pictures",
        "Your loss asks each picture for its captions alone. Transposed "
        "targets are not the other softmax: that runs over the pictures.",
        _BOTH,
        "same softmax twice",
    ),
    (
        "captions only",
        "one direction: captions",
        "Your loss asks each caption for its pictures alone.",
        _BOTH,
    ),
    (
        "not halved",
        "the two directions added",
        "You added the two directions up.",
        _BOTH,
    ),
    (
        "difference",
        "the two directions subtracted",
        "You subtracted one direction from the other.",
        _BOTH,
    ),
    (
        "one softmax",
        "one softmax over all pairs",
        "You took one softmax over the whole table.",
        "A softmax for each row, and one for each column.",
    ),
    (
        "a loss for each picture",
        "a loss for each picture",
        "You return a number for each picture.",
        _RETURN,
    ),
    (
        "scores transposed",
        "scores with captions as rows",
        "Your scores are (N, B).",
        _RETURN,
    ),
    (
        "cosines returned",
        "cosines returned",
        "The scores that you return lack the scale.",
        _RETURN,
    ),
    (
        "shares returned",
        "shares returned in place of scores",
        "You return the scores after a softmax.",
        _RETURN,
    ),
    (
        "logs returned",
        "logarithms of shares returned",
        "You return the scores after log_softmax.",
        _RETURN,
    ),
    (
        "picture detached",
        "no gradient for the pictures",
        "No gradient reaches the pictures.",
        _GRAPH,
    ),
    (
        "caption detached",
        "no gradient for the captions",
        "No gradient reaches the captions.",
        _GRAPH,
    ),
    (
        "scale detached",
        "no gradient for the scale",
        "No gradient reaches `log_scale`.",
        _GRAPH,
    ),
    (
        "length detached",
        "lengths without a gradient",
        "The length that you divide by has no gradient.",
        _GRAPH,
    ),
    (
        "loss detached",
        "a loss without a gradient",
        "No gradient leaves the loss.",
        _GRAPH,
    ),
    (
        "scores at most 100",
        "a bound on the scores",
        "You bounded the scores by 100, so that negative ones grow without "
        "bound. The bound is on the factor.",
        _SCALE,
    ),
    (
        "centred",
        "means subtracted from the vectors",
        "You subtracted the mean of each vector. The cosine is of the "
        "vectors as they are.",
        _UNIT,
    ),
    (
        "first, or caption 0",
        "the first match, or column 0 where there is none",
        "Only one match of a row counts in your loss, and where there is "
        "none you take column 0.",
        _HITS,
    ),
    (
        "equal shares, all rows",
        "equal shares for the matches, over all rows",
        "You average the logarithms over the matches, and rows without a "
        "match count in your mean.",
        _HITS,
    ),
    (
        "multi-hot",
        "targets that add up to more than 1",
        "A row with two matches counts twice in your loss, and rows without "
        "a match count in your mean.",
        _HITS,
    ),
    (
        "sigmoid mean",
        "a sigmoid for each pair, averaged",
        "You judge each pair by a sigmoid of its own. Here each row has a "
        "softmax.",
        _HITS,
    ),
    (
        "log of 0",
        "the logarithm of 0",
        "Rows without a match have a share of 0, and you take its logarithm.",
        "Leave these rows out before the logarithm.",
    ),
    (
        "log of nearly 0",
        "a small number added for rows without a match",
        "You add a small number before the logarithm. Rows without a match "
        "still count, and their loss is large.",
        "Leave these rows out before the logarithm.",
    ),
    (
        "other axis",
        "the softmax along the other axis",
        "You took the softmax along the other axis, and then the shares of a"
        " row together.",
        "Of a picture: a softmax over its captions.",
    ),
    (
        "scores alone",
        "no denominator",
        "You took the scores of the matches alone. The softmax is missing.",
        _HITS,
        "scores alone, kept",
    ),
    (
        "larger half",
        "the larger of the two directions",
        "You took the larger of the two directions.",
        _BOTH,
    ),
    (
        "mean over pairs",
        "a mean over all matching pairs",
        "You averaged the logarithms over all pairs that match.",
        _HITS,
    ),
]
