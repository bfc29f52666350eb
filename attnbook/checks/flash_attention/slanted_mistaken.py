"""Attention with a bias for near keys, in tiles, with a mistake."""

from __future__ import annotations

import torch

# What stands for -inf.
_LOW = {
    "-100": -100.0,
    "-200": -200.0,
    "-215": -215.0,
    "zero score": 0.0,
}


def _bias(slopes, far, place, tile, S, mistake):
    """What is subtracted from the scores of a tile, (H, T, c)."""
    H = len(slopes)
    if mistake == "no slopes":
        slopes = torch.ones_like(slopes)
    elif mistake == "slope of head 0":
        slopes = slopes[:1].expand_as(slopes)
    elif mistake == "mean slope":
        slopes = slopes.mean().expand_as(slopes)
    elif mistake == "slopes reversed":
        slopes = slopes.flip(0)
    elif mistake == "powers of the slopes":
        slopes = 2.0**-slopes
    elif mistake == "usual slopes":
        slopes = 2.0 ** (-8 * torch.arange(1, H + 1) / H)
    slopes = slopes[:, None, None]
    if mistake == "no bias":
        return 0 * slopes * far
    if mistake == "sign":
        return -slopes * far
    if mistake == "in tiles":
        return slopes * (far // tile)
    if mistake == "in tiles, in tokens":
        return slopes * (far // tile * tile)
    if mistake == "share of the text":
        return slopes * far / S
    if mistake == "from 1":
        return slopes * (far + 1)
    if mistake == "squared":
        return slopes * far**2
    if mistake == "distance to the tile":
        return slopes * (place - place.min() + far.min()).abs()
    if mistake == "distance to the last token":
        return slopes * (S - 1 - place + far).expand_as(far)
    if mistake == "place of the key":
        return slopes * (far - place)
    return slopes * far


def _places(T, S, mistake):
    if mistake in ("first queries", "first queries, also the mask"):
        return torch.arange(T)[:, None]
    if mistake == "places reversed":
        return torch.arange(S - T, S).flip(0)[:, None]
    if mistake == "one place ahead":
        return torch.arange(S - T + 1, S + 1)[:, None]
    return torch.arange(S - T, S)[:, None]


def mistaken(query, key, value, slopes, tile, mistake):
    """Output and log-sum-exp, with a mistake."""
    if mistake == "whole table":
        return _whole_table(query, key, value, slopes)
    if mistake in ("bias after the maximum", "bias in the output alone"):
        return _late_bias(query, key, value, slopes, tile, mistake)
    B, H, T, d = query.shape
    S = key.shape[2]
    place = _places(T, S, mistake)
    scale = {"no scale": 1.0, "scaled by d": 1 / d}.get(mistake, d**-0.5)
    if mistake == "scaled by d_v":
        scale = value.shape[-1] ** -0.5
    elif mistake == "scaled by the tile":
        scale = tile**-0.5
    most = query.new_full((B, H, T, 1), -torch.inf)
    if mistake == "begins with 0":
        most = torch.zeros_like(most)
    total = torch.zeros_like(most)
    mixed = value.new_zeros(B, H, T, value.shape[-1])
    ends = range(0, S, tile)
    if mistake == "last tile dropped" and tile < S:
        ends = range(0, S - S % tile, tile)
    elif mistake == "first tile alone":
        ends = range(1)
    for begin in ends:
        k, v = key[:, :, begin : begin + tile], value[:, :, begin:]
        v = v[:, :, : k.shape[2]]
        at = torch.arange(begin, begin + k.shape[2])
        if mistake == "places from 0":
            at = at - begin
        far = place - at  # (T, c)
        bias = _bias(slopes, far, place, tile, S, mistake)
        scores = query @ k.mT
        if mistake == "bias scaled":
            scores = scale * (scores - bias)
        elif mistake == "both ways":
            scores = scale * scores - bias.abs()
        elif mistake == "bias multiplied":
            scores = scale * scores * (1 - bias)
        else:
            scores = scale * scores - bias
        ahead = far < 0
        if mistake == "first queries":
            ahead = torch.arange(S - T, S)[:, None] < at
        elif mistake in ("itself masked", "itself masked, bare"):
            ahead = far <= 0
        elif mistake in ("mask turned round", "mask turned round, bare"):
            ahead = far > 0
        elif mistake == "one ahead":
            ahead = far < -1
        elif mistake == "mask from the beginning":
            ahead = far < S - T
        if mistake in ("both ways", "not causal"):
            ahead = torch.zeros_like(ahead)
        scores = scores.masked_fill(ahead, _LOW.get(mistake, -torch.inf))
        new = torch.maximum(most, scores.amax(-1, keepdim=True))
        if mistake == "one maximum":
            new = new.amax((0, 1, 2), keepdim=True).expand_as(new)
        elif mistake == "compared with the sum":
            new = torch.maximum(total, scores.amax(-1, keepdim=True))
        elif mistake in ("newest maximum", "newest maximum, bare"):
            new = scores.amax(-1, keepdim=True)
        elif mistake == "never moved":
            new = torch.where(most == -torch.inf, new, most)
        base = new.masked_fill(new == -torch.inf, 0)
        if mistake.endswith(", bare"):
            base = new
        shrink = (most - base).exp()
        if mistake == "turned round":
            shrink = (base - most).exp().nan_to_num(posinf=0.0)
        elif mistake == "turned round, bare":
            shrink = (base - most).exp()
        if mistake == "overflow":
            base = torch.zeros_like(base)
            shrink = torch.ones_like(shrink)
        elif mistake == "never shrunk":
            shrink = (most > -torch.inf).float()
        powers = (scores - base).exp()
        if mistake == "late mask":
            powers = (scale * (query @ k.mT) - bias - base).exp()
        part = powers.sum(-1, keepdim=True)
        if mistake == "late mask":
            powers = powers.masked_fill(ahead, 0)
        total = (total if mistake == "sum not shrunk" else shrink * total) + (
            part
        )
        old = mixed if mistake == "output not shrunk" else shrink * mixed
        if mistake == "divided in the tile":
            powers = powers / part.masked_fill(part == 0, 1)
        mixed = old + powers @ v
        most = base if mistake == "overflow" else new
    return _finished(most, total, mixed, mistake)


def _finished(most, total, mixed, mistake):
    output = mixed if mistake == "not divided" else mixed / total
    lse = (most + total.log())[..., 0]
    if mistake == "maximum alone":
        lse = most[..., 0]
    elif mistake == "sum of logarithms":
        lse = (most + total)[..., 0]
    elif mistake == "logarithm alone":
        lse = total.log()[..., 0]
    elif mistake == "base 2":
        lse = (most + total.log2())[..., 0]
    elif mistake == "base 10":
        lse = (most + total.log10())[..., 0]
    elif mistake == "lse of zeros":
        lse = torch.zeros_like(lse)
    elif mistake == "lse with an axis":
        lse = lse[..., None]
    elif mistake == "exchanged":
        return lse, output
    return output, lse


def _late_bias(query, key, value, slopes, tile, mistake):
    """Attention in tiles, with exp(-bias) as a factor of exp(score)."""
    B, H, T, d = query.shape
    S = key.shape[2]
    most = query.new_full((B, H, T, 1), -torch.inf)
    total, mixed = torch.zeros_like(most), torch.zeros(1)
    for begin in range(0, S, tile):
        k, v = key[:, :, begin : begin + tile], value[:, :, begin:]
        far = torch.arange(S - T, S)[:, None] - torch.arange(
            begin, begin + k.shape[2]
        )
        scores = (query @ k.mT / d**0.5).masked_fill(far < 0, -torch.inf)
        new = torch.maximum(most, scores.amax(-1, keepdim=True))
        shrink, powers = (most - new).exp(), (scores - new).exp()
        biased = powers * (-slopes[:, None, None] * far.clamp(min=0)).exp()
        if mistake == "bias after the maximum":
            powers = biased
        total = shrink * total + powers.sum(-1, keepdim=True)
        mixed = shrink * mixed + biased @ v[:, :, : k.shape[2]]
        most = new
    return mixed / total, (most + total.log())[..., 0]


def _whole_table(query, key, value, slopes):
    T, S = query.shape[2], key.shape[2]
    far = torch.arange(S - T, S)[:, None] - torch.arange(S)
    scores = query @ key.mT / query.shape[-1] ** 0.5
    scores = scores - slopes[:, None, None] * far
    scores = scores.masked_fill(far < 0, -torch.inf)
    return scores.softmax(-1) @ value, scores.logsumexp(-1)
