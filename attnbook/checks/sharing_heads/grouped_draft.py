"""The draft of exercise 08.2, with its bugs and with other mistakes."""

from __future__ import annotations

import torch


def turn(x, start):
    """Turn each pair of features by the position; (…, n, d), from start."""
    n, half = x.shape[-2], x.shape[-1] // 2
    speed = 100.0 ** -(torch.arange(half) / half)
    angle = (start + torch.arange(n))[:, None] * speed  # (n, d/2)
    one, two = x[..., :half], x[..., half:]
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([one * cos - two * sin, one * sin + two * cos], -1)


def _split(x, heads, bugs):
    """(B, n, heads·d) to (B, heads, n, d)."""
    if "features of heads mixed" in bugs:
        return x.unflatten(-1, (-1, heads)).movedim(-1, 1)
    if "heads by reshape" in bugs:
        B, n, width = x.shape
        return x.reshape(B, heads, n, width // heads)
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _turned(x, start, bugs, is_query):
    """Turn (B, heads, n, d)."""
    if "not turned" in bugs:
        return x
    if "queries not turned" in bugs and is_query:
        return x
    if "keys not turned" in bugs and not is_query:
        return x
    if "from 0" in bugs:
        start = 0
    elif "one further" in bugs and is_query:
        start = start + 1
    elif "one nearer" in bugs and is_query:
        start = start - 1
    elif "from T" in bugs and is_query:
        start = x.shape[2]
    elif "from S" in bugs and is_query:
        start = start + x.shape[2]
    elif "all at the end" in bugs and is_query:
        return torch.cat(
            [
                turn(x[:, :, t : t + 1], start + x.shape[2] - 1)
                for t in range(x.shape[2])
            ],
            2,
        )
    if "head axis" in bugs or (
        ("head axis of queries" in bugs and is_query)
        or ("head axis of keys" in bugs and not is_query)
    ):
        return turn(x.transpose(1, 2), start).transpose(1, 2)
    return turn(x, start)


def _turned_by_row(x, starts):
    """Each row from a first position of its own."""
    rows = zip(x, starts.tolist(), strict=True)
    return torch.stack([turn(row, start) for row, start in rows])


_KEYS = {
    "tile": lambda k, H, G: k.repeat(1, H // G, 1, 1),
    "group size": lambda k, H, G: k[:, torch.arange(H) // G],
    "head 0": lambda k, H, G: k[:, :1].expand(-1, H, -1, -1),
    "mean": lambda k, H, G: k.mean(1, keepdim=True).expand(-1, H, -1, -1),
    "last": lambda k, H, G: k[:, -1:].expand(-1, H, -1, -1),
    "reversed": lambda k, H, G: k.flip(1).repeat_interleave(H // G, 1),
    "copies": lambda k, H, G: k.repeat_interleave(G, 1)[:, :H],
    "sequence": lambda k, H, G: k.repeat_interleave(H // G, 2),
    "batch": lambda k, H, G: k.repeat_interleave(H // G, 0),
    "G times": lambda k, H, G: k.repeat_interleave(G, 1),
    "next": lambda k, H, G: k.roll(-1, 1).repeat_interleave(H // G, 1),
}


def _for_all(x, H, G, bugs, which):
    """(B, G, n, d) to (B, H, n, d)."""
    for bug in bugs:
        if bug in (f"{which}: {key}" for key in _KEYS):
            return _KEYS[bug.partition(": ")[2]](x, H, G)
        if bug in (f"both: {key}" for key in _KEYS):
            return _KEYS[bug.partition(": ")[2]](x, H, G)
    return x.repeat_interleave(H // G, 1)


def _mask_of(S, T, padding, H, bugs):
    """(B, H, T, S)."""
    B, place = len(padding), torch.arange(S)
    real = place >= padding[:, None, None]  # (B, 1, S)
    last = place[-T:, None]
    if "queries from 0" in bugs:
        last = place[:T, None]
    earlier = place <= last  # (T, S)
    if "itself hidden" in bugs:
        earlier = (place < last) | (last == S - T) & (place == last)
    elif "strictly earlier" in bugs:
        earlier = place < last
    if "future seen" in bugs:
        earlier = torch.ones(T, S, dtype=torch.bool)
    if "padding seen" in bugs:
        real = torch.ones_like(real)
    elif "first hidden" in bugs:
        real = place > padding[:, None, None]
    elif "one hidden" in bugs:
        hidden = (place == padding[:, None, None]) & (place < S - T)
        real = real & ~hidden
    elif "one seen" in bugs:
        real = place >= padding[:, None, None] - 1
    elif "on the right" in bugs:
        real = (place < S - padding[:, None, None]) | (place >= S - T)
    elif "first row" in bugs:
        real = real[:1].expand(B, 1, S)
    elif "longest padding" in bugs:
        real = real.all(0, keepdim=True).expand(B, 1, S)
    elif "shortest padding" in bugs:
        real = real.any(0, keepdim=True).expand(B, 1, S)
    elif "real alone inverted" in bugs:
        real = ~real | (place == last)
    mask = real & earlier  # (B, T, S)
    if "mask inverted" in bugs:
        mask = ~mask | (place == last)
    if "mask tiled" in bugs:
        return mask.repeat(H, 1, 1).unflatten(0, (B, H))
    if "rows as heads" in bugs:
        return mask[None]
    if "rows and heads exchanged" in bugs:
        mask = mask.repeat_interleave(H, 0).unflatten(0, (H, B))
        return mask.transpose(0, 1)
    return mask[:, None].expand(B, H, T, S)


def _weights(scores, mask, bugs):
    if "zeros for masked" in bugs:
        scores = scores.masked_fill(~mask, 0.0)
    elif "multiplied by the mask" in bugs:
        scores = scores * mask
    elif "softmax, then mask" in bugs:
        return scores.softmax(-1) * mask
    elif "softmax, mask, divided" in bugs:
        found = scores.softmax(-1) * mask
        return found / found.sum(-1, keepdim=True)
    elif "small for masked" in bugs:
        scores = scores.masked_fill(~mask, -1e2)
    elif "no mask" not in bugs:
        scores = scores.masked_fill(~mask, float("-inf"))
    if "exponentials" in bugs:
        powers = scores.exp()
        return powers / powers.sum(-1, keepdim=True)
    if "over queries" in bugs:
        return scores.softmax(-2).nan_to_num()
    if "over heads" in bugs:
        return scores.softmax(1).nan_to_num()
    return scores.softmax(-1)


_SCALES = {
    "half": lambda d, D, H, G: 0.5,
    "no scale": lambda d, D, H, G: 1.0,
    "by d": lambda d, D, H, G: 1 / d,
    "by D": lambda d, D, H, G: D**-0.5,
    "by D over H": lambda d, D, H, G: (D // H) ** -0.5,
    "by D / H": lambda d, D, H, G: (D / H) ** -0.5,
    "by H": lambda d, D, H, G: H**-0.5,
    "by the heads of keys": lambda d, D, H, G: G**-0.5,
    "of all heads": lambda d, D, H, G: (d * H) ** -0.5,
    "of all keys": lambda d, D, H, G: (d * G) ** -0.5,
    "multiplied": lambda d, D, H, G: d**0.5,
    "by G": lambda d, D, H, G: (D / G) ** -0.5,
    "of the group": lambda d, D, H, G: (d * H / G) ** -0.5,
}


def _scale(*sizes, bugs):
    for bug in bugs:
        if bug in _SCALES:
            return _SCALES[bug](*sizes)
    return sizes[0] ** -0.5


def draft(x, T, padding, model, H, G, bugs):
    """The notebook's draft, with some of its bugs or another mistake."""
    S, D = x.shape[1:]
    newest = x[:, :T] if "oldest" in bugs else x[:, -T:]
    if "all queries" in bugs:
        newest, T = x, S
    q = _split(newest @ model["query"].T, H, bugs)  # (B, H, T, d)
    k = _split(x @ model["key"].T, G, bugs)  # (B, G, S, d)
    v = _split(x @ model["value"].T, G, bugs)
    d = q.shape[-1]
    if "values turned" in bugs:
        v = turn(v, 0)
    if "padding out of queries" in bugs:
        q, k = _turned_by_row(q, S - T - padding), turn(k, 0)
    elif "padding out of keys" in bugs:
        q, k = turn(q, S - T), _turned_by_row(k, -padding)
    else:
        q = _turned(q, S - T, bugs, is_query=True)
        k = _turned(k, 0, bugs, is_query=False)
    k = _for_all(k, H, G, bugs, "keys")
    v = _for_all(v, H, G, bugs, "values")
    scores = q @ k.transpose(-2, -1) * _scale(d, D, H, G, bugs=bugs)
    mask = _mask_of(S, T, padding, H, bugs)
    weights = _weights(scores, mask, bugs)  # (B, H, T, S)
    output = weights @ v  # (B, H, T, d)
    if "heads not moved" in bugs:
        merged = output.reshape(len(x), T, -1)
    elif "features first" in bugs:
        merged = output.permute(0, 2, 3, 1).flatten(2)
    else:
        merged = output.transpose(1, 2).flatten(2)
    if "no output projection" in bugs:
        return merged, weights
    if "output not transposed" in bugs:
        return merged @ model["output"], weights
    output = merged @ model["output"].T
    if "mean of the heads" in bugs:
        return output, weights.mean(1)
    if "scores returned" in bugs:
        return output, scores
    if "exchanged" in bugs:
        return weights, output
    if "output alone" in bugs:
        return output
    if "last alone" in bugs:
        return output[:, -1:], weights[:, :, -1:]
    return output, weights
