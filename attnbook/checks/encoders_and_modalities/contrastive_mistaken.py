"""Code that matches pictures and captions wrongly."""

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
    if mistake == "both detached":
        p, c = p.detach(), c.detach()
    elif mistake == "picture detached":
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
    if mistake == "from 0 to 1":
        cosines = (1 + cosines) / 2
    elif mistake == "absolute":
        cosines = cosines.abs()
    elif mistake == "negative":
        cosines = -cosines
    elif mistake == "cosine distance":
        cosines = 1 - cosines
    if mistake == "divided by the root":
        cosines = cosines / D**0.5
    scale = log_scale.clamp(max=math.log(100)).exp()
    if mistake == "no exponential":
        scale = log_scale
    elif mistake == "no exponential, at most 100":
        scale = log_scale.clamp(max=100)
    elif mistake == "divided without exponential":
        scale = 1 / log_scale
    elif mistake == "at most 10":
        scale = log_scale.exp().clamp(max=10)
    elif mistake == "sigmoid scale":
        scale = log_scale.sigmoid()
    elif mistake == "softplus scale":
        scale = F.softplus(log_scale)
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
    elif mistake == "two":
        scale = (2**log_scale).clamp(max=100)
    elif mistake == "always 100":
        scale = torch.full((), 100.0)
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
    elif mistake == "minus 1e9":
        hit = scores.masked_fill(~match, -1e9).logsumexp(1)
        each = scores.logsumexp(1) - hit
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
    elif mistake == "minus 100":
        low = scores.masked_fill(~match, -100.0)
        each = scores.logsumexp(1) - low.logsumexp(1)
    elif mistake == "share underflows":
        shares = (scores.softmax(1) * match).sum(1)
        each = -torch.where(kept, shares, 1).log()
    elif mistake == "minus 1e4":
        hit = scores.masked_fill(~match, -1e4).logsumexp(1)
        each = scores.logsumexp(1) - hit
        kept = torch.ones_like(kept)
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
    elif mistake == "identity too":
        match = match | _identity(match)
    elif mistake == "first match of each":
        match = match & (match.cumsum(1) == 1)
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
    elif mistake == "quarter":
        loss = (first + second) / 4
    elif mistake == "geometric mean":
        loss = (first * second).clamp(min=0).sqrt()
    elif mistake == "smaller half":
        loss = torch.minimum(first, second)
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
    if mistake == "scores detached":
        return loss, scores.detach()
    if mistake == "scores transposed":
        return loss, scores.T
    if mistake == "cosines returned":
        return loss, _scores_of(picture, caption, 0 * log_scale, "")
    if mistake == "shares returned":
        return loss, scores.softmax(-1)
    if mistake == "logs returned":
        return loss, scores.log_softmax(-1)
    return loss, scores
