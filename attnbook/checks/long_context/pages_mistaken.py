"""Pages chosen by a bound and read, with a mistake."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def _by_group(x, H, mistake):
    """Keys or values of each query's head, (B, H, S, d)."""
    G = x.shape[1]
    if mistake == "tile":
        return x[:, torch.arange(H) % G]
    if mistake == "head 0":
        return x[:, :1].expand(-1, H, -1, -1)
    if mistake == "mean of heads":
        return x.mean(1, keepdim=True).expand(-1, H, -1, -1)
    return x.repeat_interleave(H // G, 1)


def _lengths(lengths, S, mistake):
    if mistake == "all filled":
        return torch.full_like(lengths, S)
    if mistake == "longest":
        return lengths.max().expand_as(lengths)
    if mistake == "length of row 0":
        return lengths[:1].expand_as(lengths)
    if mistake == "one token short":
        return (lengths - 1).clamp(min=1)
    if mistake == "one token too many":
        return (lengths + 1).clamp(max=S)
    return lengths


def _bounds(query, key, real, size, groups, mistake):
    """The bound of each page, (B, H, N)."""
    B, H, S = key.shape[:3]
    N = -(-S // size)
    paged = F.pad(key, (0, 0, 0, N * size - S)).unflatten(2, (N, size))
    real = F.pad(real, (0, N * size - S)).view(B, 1, N, size, 1)
    q = query[:, :, None]  # (B, H, 1, d)
    if mistake == "group together, mean query":
        q = q.view(B, groups, H // groups, 1, -1).mean(2)
        q = q.repeat_interleave(H // groups, 1)
    if "stale" in mistake and mistake != "stale keys":
        real = torch.ones_like(real)
        if not mistake.endswith("and zeros"):
            real.view(B, -1)[:, S:] = False
    if mistake == "zeros in the bounds":
        low = (paged * real).amin(3)
        high = (paged * real).amax(3)
    else:
        low = paged.masked_fill(~real, torch.inf).amin(3)
        high = paged.masked_fill(~real, -torch.inf).amax(3)
    empty = ~real.any(3)  # (B, 1, N, 1)
    low, high = (x.masked_fill(empty, 0) for x in (low, high))
    counted = real.sum(3).clamp(min=1)  # (B, 1, N, 1)
    mean = (paged * real).sum(3) / counted
    single = (q[:, :, :, None] * paged).sum(-1)  # (B, H, N, size)
    single = single.masked_fill(~real[..., 0], -torch.inf)
    if mistake == "mean key":
        return (q * mean).sum(-1)
    if mistake == "best score":
        return single.amax(-1).masked_fill(empty[..., 0], 0)
    if mistake == "sum of scores":
        return single.masked_fill(~real[..., 0], 0).sum(-1)
    if mistake == "first key":
        return (q * paged[:, :, :, 0]).sum(-1)
    if mistake == "last key":
        return (q * paged[:, :, :, -1]).sum(-1)
    if mistake == "high alone":
        return (q * high).sum(-1)
    if mistake == "low alone":
        return (q * low).sum(-1)
    if mistake == "middle":
        return (q * (low + high)).sum(-1)
    if mistake == "wrong way round":
        return torch.minimum(q * low, q * high).sum(-1)
    if mistake == "product of norms":
        longest = (paged * real).norm(dim=-1).amax(-1)  # (B, H, N)
        return q.norm(dim=-1) * longest
    if mistake == "larger of two sums":
        return torch.maximum((q * low).sum(-1), (q * high).sum(-1))
    if mistake == "absolute query":
        return (q.abs() * high).sum(-1)
    if mistake == "absolute products":
        return torch.maximum((q * low).abs(), (q * high).abs()).sum(-1)
    if mistake == "largest channel":
        return torch.maximum(q * low, q * high).amax(-1)
    if mistake == "width":
        return (high - low).sum(-1).expand(B, H, N)
    if mistake == "norm":
        return high.norm(dim=-1).expand(B, H, N)
    return torch.maximum(q * low, q * high).sum(-1)


def _choice(bounds, filled, count, lengths, size, groups, mistake):
    """Which pages are read, (B, H, N)."""
    B, H, N = bounds.shape
    if mistake.startswith("group together"):
        bounds = bounds.view(B, groups, H // groups, N).sum(2)
        bounds = bounds.repeat_interleave(H // groups, 1)
    elif mistake == "heads together":
        bounds = bounds.sum(1, keepdim=True).expand(B, H, N)
    elif mistake == "batch together":
        bounds = bounds.sum(0, keepdim=True).expand(B, H, N)
    floor = 0.0 if mistake == "zero" else -torch.inf
    if not mistake.startswith(("stale bounds", "empty pages")):
        bounds = bounds.masked_fill(~filled, floor)
    if mistake in ("newest always", "newest too"):
        newest = F.one_hot((lengths - 1) // size, N).bool()[:, None]
        if mistake == "newest always":
            bounds = bounds.masked_fill(newest, torch.inf)
    elif mistake == "first page always":
        first = torch.arange(N) == 0
        bounds = bounds.masked_fill(first, torch.inf)
    elif mistake == "newest left out":
        newest = F.one_hot((lengths - 1) // size, N).bool()[:, None]
        alone = lengths[:, None, None] <= size
        bounds = bounds.masked_fill(newest & ~alone, -torch.inf)
        filled = filled & (~newest | alone)
    if mistake == "one more":
        count = count + 1
    elif mistake == "one fewer":
        count = max(1, count - 1)
    elif mistake == "shortest count":
        count = min(count, int(filled.sum(-1).min()))
    if mistake == "smallest":
        order = bounds.masked_fill(~filled, torch.inf)
        order = order.argsort(dim=-1, stable=True)
    elif mistake == "later first":
        order = bounds.flip(-1).argsort(dim=-1, descending=True, stable=True)
        order = N - 1 - order
    elif mistake == "last pages":
        order = torch.arange(N).expand(B, H, N)
        order = order.masked_fill(~filled, -1).argsort(-1, descending=True)
    elif mistake == "first pages":
        order = torch.arange(N).expand(B, H, N)
    else:
        order = bounds.argsort(dim=-1, descending=True, stable=True)
    pages = torch.zeros(B, H, N).scatter(-1, order[..., :count], 1.0) > 0
    if mistake == "ties too":
        edge = bounds.gather(-1, order[..., :count][..., -1:])
        pages = bounds >= edge
    elif mistake == "above the mean":
        mean = bounds.masked_fill(~filled, 0).sum(-1, keepdim=True)
        pages = bounds >= mean / filled.sum(-1, keepdim=True)
    elif mistake == "newest too":
        pages = pages | newest
    if mistake == "too many asked for":
        bounds[0, 0, : filled[:, 0].sum(-1).min()].topk(count)
    if mistake == "zero" or mistake.startswith(("stale bounds", "empty")):
        return pages
    return pages & filled


def _seen(pages, real, size, S, mistake):
    """Which keys are read, (B, H, S)."""
    if mistake == "pages side by side":
        N = pages.shape[-1]
        wide = pages.repeat(1, 1, size)[..., :S]
        return wide & real[:, None] | ~wide.any(-1, keepdim=True) & (N > 0)
    wide = pages.repeat_interleave(size, -1)[..., :S]
    if mistake == "stale keys":
        return wide
    if mistake == "all keys":
        return real[:, None].expand_as(wide)
    if mistake == "whole pages alone":
        N = pages.shape[-1]
        there = F.pad(real, (0, N * size - S)).view(len(real), N, size)
        whole = there.all(-1).repeat_interleave(size, -1)[..., :S]
        some = (wide & whole[:, None]).any(-1, keepdim=True)
        return wide & (whole[:, None] | ~some) & real[:, None]
    return wide & real[:, None]


def _weights(scores, seen, real, mistake):
    if mistake.endswith(", in the row"):
        scores = scores.masked_fill(~real[:, None], -torch.inf)
        mistake = mistake.removesuffix(", in the row")
        if mistake == "zero score":
            scores = torch.where(seen | ~real[:, None], scores, 0)
            return scores.softmax(-1)
    if mistake == "late mask":
        return scores.softmax(-1) * seen
    if mistake == "divided again":
        powers = scores.softmax(-1) * seen
        total = powers.sum(-1, keepdim=True)
        return powers / torch.where(total > 0, total, 1)
    if mistake == "divided, guarded":
        powers = scores.softmax(-1) * seen
        return powers / (powers.sum(-1, keepdim=True) + 1e-9)
    if mistake == "overflow":
        powers = scores.exp() * seen
        return powers / powers.sum(-1, keepdim=True)
    if mistake == "zero score":
        return (scores * seen).softmax(-1)
    if mistake == "-100":
        return scores.masked_fill(~seen, -100.0).softmax(-1)
    if mistake == "alike":
        return seen / seen.sum(-1, keepdim=True)
    if mistake == "over heads":
        weights = scores.masked_fill(~seen, -torch.inf).softmax(1)
        return weights.nan_to_num()
    return scores.masked_fill(~seen, -torch.inf).softmax(-1)


def _mean_of_pages(scores, value, pages, real, size):
    """A look-up in each page that is read, and the mean of the outputs."""
    S = scores.shape[-1]
    outputs = []
    for n in range(pages.shape[-1]):
        mine = real & (torch.arange(S) // size == n)
        mine = mine[:, None].expand_as(scores)
        weights = scores.masked_fill(~mine, -torch.inf).softmax(-1)
        weights = weights.nan_to_num() * pages[..., n : n + 1]
        outputs.append((weights[:, :, None] @ value)[:, :, 0])
    return sum(outputs) / pages.sum(-1, keepdim=True)


def mistaken(query, key, value, lengths, size, count, mistake):
    """Output and pages, with a mistake."""
    B, H, d = query.shape
    G, S = key.shape[1:3]
    key, value = (_by_group(x, H, mistake) for x in (key, value))
    if mistake == "pages as count":
        size, count = count, size
    lengths = _lengths(lengths, S, mistake)
    real = torch.arange(S) < lengths[:, None]  # (B, S)
    N = -(-S // size)
    filled = torch.arange(N) * size < lengths[:, None]  # (B, N)
    if mistake == "only whole pages":
        filled = (torch.arange(N) + 1) * size <= lengths[:, None]
        filled[:, 0] = True
    bounds = _bounds(query, key, real, size, G, mistake)
    filled = filled[:, None].expand(B, H, N)
    pages = _choice(bounds, filled, count, lengths, size, G, mistake)
    seen = _seen(pages, real, size, S, mistake)
    scores = (query[:, :, None] @ key.mT)[:, :, 0]  # (B, H, S)
    if mistake == "tokens":
        best = scores.masked_fill(~real[:, None], -torch.inf).topk(
            min(count * size, S), -1
        )
        seen = torch.zeros_like(scores).scatter(-1, best.indices, 1.0) > 0
        seen = seen & real[:, None]
        room = F.pad(seen, (0, N * size - S)).view(B, H, N, size)
        pages = room.any(-1)
    scale = {
        "no scale": 1.0,
        "scaled by d": 1 / d,
        "scaled by d_v": value.shape[-1] ** -0.5,
    }.get(mistake, d**-0.5)
    scores = scores * scale
    if mistake == "bounds as weights":
        scores = bounds.repeat_interleave(size, -1)[..., :S] * scale
    elif mistake == "weighted by the bounds":
        share = bounds.masked_fill(~pages, -torch.inf).softmax(-1)
        share = share.repeat_interleave(size, -1)[..., :S]
    weights = _weights(scores, seen, real, mistake)
    if mistake == "weighted by the bounds":
        weights = weights * share
    elif mistake in ("severed", "all severed"):
        weights = weights.detach()
    elif mistake == "bounds leak":
        share = bounds.masked_fill(~pages, -torch.inf).softmax(-1)
        share = share.repeat_interleave(size, -1)[..., :S]
        weights = weights * (1 + share - share.detach())
    by = ("values severed", "all severed")
    read = value.detach() if mistake in by else value
    if mistake == "keys severed":
        plain = (query[:, :, None] @ key.detach().mT)[:, :, 0] * scale
        weights = _weights(plain, seen, real, mistake)
    elif mistake == "query severed":
        plain = (query.detach()[:, :, None] @ key.mT)[:, :, 0] * scale
        weights = _weights(plain, seen, real, mistake)
    output = (weights[:, :, None] @ read)[:, :, 0]
    if mistake == "mean of pages":
        output = _mean_of_pages(scores, read, pages, real, size)
    if mistake == "tokens for pages":
        pages = seen
    elif mistake == "indices":
        pages = pages.int().topk(min(count, N), -1).indices
    elif mistake == "whole numbers":
        pages = pages.long()
    elif mistake == "pages inverted":
        pages = ~pages
    elif mistake == "pages of all heads":
        pages = pages.any(1, keepdim=True).expand_as(pages)
    elif mistake == "exchanged":
        return pages, output
    return output, pages
