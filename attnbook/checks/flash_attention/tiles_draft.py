"""The draft of exercise 10.2, with its bugs and with other mistakes."""

from __future__ import annotations

import math

import torch

# What stands for "nothing read yet" and for what is masked, if not -inf.
_LOW = -100.0
_LOWER = {
    "masked by -300": -300.0,
    "masked by -1e4": -1e4,
    "masked by -5e4": -5e4,
    "masked by -1e9": -1e9,
    "masked by -1e30": -1e30,
    "masked by the least": torch.finfo(torch.float32).min,
    "masked by 0": 0.0,
}


def _begun(q, value, bugs):
    """Maximum, sum and mixed values before the first tile."""
    rows = q.shape[:-1]
    low = _LOW if "finite start" in bugs else -torch.inf
    if "starts at 0" in bugs:
        low = 0.0
    elif "starts low" in bugs:
        low = -1e9
    most = torch.full((*rows, 1), low)
    total = torch.zeros(*rows, 1)
    return most, total, torch.zeros(*rows, value.shape[-1])


def _new_most(most, total, scores, bugs):
    highest = scores.amax(-1, keepdim=True)
    if "compared with the sum" in bugs:
        return torch.maximum(total, highest)
    if "newest maximum" in bugs:
        return highest
    if "one maximum" in bugs:
        return (
            torch.maximum(most, highest).amax(-2, keepdim=True).expand_as(most)
        )
    if "one maximum of the batch" in bugs:
        return torch.maximum(most, scores.max())
    if "never moved" in bugs:
        return torch.where(most == -torch.inf, highest, most)
    return torch.maximum(most, highest)


def draft(query, key, value, lengths, tile, bugs):
    """The notebook's draft, with some of its bugs or another mistake."""
    S, d = key.shape[-2:]
    scale = d**-0.5
    if "no scale" in bugs:
        scale = 1.0
    elif "scaled by d" in bugs:
        scale = 1 / d
    elif "scaled by the tile" in bugs:
        scale = tile**-0.5
    elif "scaled by d_v" in bugs:
        scale = value.shape[-1] ** -0.5
    outputs, lses = [], []
    rows = query.shape[-2] if "one maximum of the batch" in bugs else tile
    for q in query.split(rows, -2):  # (B, r, d)
        means = []
        most, total, mixed = _begun(q, value, bugs)
        ends = range(0, S, tile)
        if "last tile dropped" in bugs and tile < S:
            ends = range(0, S - S % tile, tile)
        elif "first tile alone" in bugs:
            ends = range(1)
        for begin in ends:
            k, v = key[:, begin : begin + tile], value[:, begin : begin + tile]
            scores = scale * q @ k.mT  # (B, r, c)
            if "scores clamped" in bugs:
                scores = scores.clamp(-80, 80)
            place = begin + torch.arange(k.shape[1])
            if "places too far apart" in bugs:
                place = place + begin * (tile - 1)
            if "places from 0" in bugs:
                place = place - begin
            seen = (place < lengths[:, None])[:, None]  # (B, 1, c)
            if "one too many" in bugs:
                seen = (place <= lengths[:, None])[:, None]
            elif "one too few" in bugs:
                seen = (place + 1 < lengths[:, None])[:, None]
            elif "length of row 0" in bugs:
                seen = (place < lengths[:1, None])[:, None].expand_as(seen)
            elif "unmasked" in bugs:
                seen = torch.ones_like(seen)
            low = _LOW if "finite mask" in bugs else -torch.inf
            low = next((_LOWER[bug] for bug in bugs if bug in _LOWER), low)
            bare = scores
            scores = scores.masked_fill(~seen, low)
            late = "masked after the maximum" in bugs
            new = _new_most(most, total, bare if late else scores, bugs)
            base = new.masked_fill(new == -torch.inf, 0)
            if "bare base" in bugs:
                base = new
            shrink = (most - base).exp()
            if "turned round" in bugs:
                shrink = (base - most).exp().nan_to_num(posinf=0.0)
            elif "never shrunk" in bugs:
                shrink = (most > -torch.inf).float()
            elif "turned round, bare" in bugs:
                shrink = (base - most).exp()
            powers = (scores - base).exp()
            if "powers of 2" in bugs:
                shrink, powers = 2 ** (most - base), 2 ** (scores - base)
            if "unstable" in bugs:
                base, shrink = 0 * base, (most > -torch.inf).float()
                powers = scores.exp()
            part = powers.sum(-1, keepdim=True)
            kept = total if "sum not shrunk" in bugs else shrink * total
            if "new sum shrunk" in bugs:
                part = shrink * part
            total = part if "last sum" in bugs else kept + part
            old = mixed if "output not shrunk" in bugs else shrink * mixed
            if "shrunk twice" in bugs:
                old = shrink * old
            fresh = powers @ v
            if "divided in the tile" in bugs:
                fresh = fresh / part.masked_fill(part == 0, 1)
            if "new values shrunk" in bugs:
                fresh = shrink * fresh
            mixed = old + fresh
            means.append(fresh / part.masked_fill(part == 0, 1))
            if "divided after each tile" in bugs:
                mixed = mixed / total.masked_fill(total == 0, 1)
            if "maximum not kept" not in bugs:
                most = new
            if "unstable" in bugs:
                most = torch.zeros_like(most)
        empty = total == 0
        safe = total.masked_fill(empty, 1)
        output = mixed / safe
        if "not divided" in bugs:
            output = mixed
        elif "empty divided" in bugs:
            output = mixed / total
        elif "tiles averaged" in bugs:
            output = torch.stack(means).mean(0)
        lse = most + safe.log()
        if "sum of logarithms" in bugs:
            lse = most + total
        elif "base 2" in bugs:
            lse = most + safe.log2()
        elif "base 10" in bugs:
            lse = most + safe.log10()
        elif "all to the base 2" in bugs:
            lse = (most + safe.log()) / math.log(2)
        elif "all times log 2" in bugs:
            lse = (most + safe.log2()) * math.log(2)
        elif "logarithm alone" in bugs:
            lse = safe.log().masked_fill(empty, -torch.inf)
        elif "maximum alone" in bugs:
            lse = most
        elif "empty is 0" in bugs:
            lse = lse.masked_fill(empty, 0)
        outputs.append(output)
        lses.append(lse[..., 0])
    output, lse = torch.cat(outputs, -2), torch.cat(lses, -1)
    if "lse with an axis" in bugs:
        lse = lse[..., None]
    return output, lse
