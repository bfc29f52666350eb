"""What heads that are folded into the batch give, rightly and with bugs."""

from __future__ import annotations

import torch

from attnbook.judging.masked_weights import masked_weights
from attnbook.mechanisms.masked_softmax import masked_softmax


def _folded(x, num_heads):
    """Split (B, L, H·d) into heads and fold them: (B·H, L, d)."""
    B, L, width = x.shape
    x = x.view(B, L, num_heads, width // num_heads).transpose(1, 2)
    return x.reshape(B * num_heads, L, -1)


def attend_with_heads(query, key, value, mask, W_q, W_k, W_v, W_o, num_heads):
    B, T, _ = query.shape
    left = _folded(query @ W_q.T, num_heads)  # (B·H, T, d_k)
    right = _folded(key @ W_k.T, num_heads)  # (B·H, S, d_k)
    content = _folded(value @ W_v.T, num_heads)  # (B·H, S, d_v)
    scores = left @ right.transpose(-2, -1) / left.shape[-1] ** 0.5
    allowed = mask.repeat_interleave(num_heads, 0)  # (B·H, S)
    weights = masked_softmax(scores, allowed[:, None])  # (B·H, T, S)
    output = (weights @ content).view(B, num_heads, T, -1)
    output = output.transpose(1, 2).reshape(B, T, -1)  # (B, T, H·d_v)
    return output @ W_o.T, weights.view(B, num_heads, T, -1)


# What the scores are divided by.
_SCALES = {
    "full scale": lambda D, d_k, d_v, S, H: D**0.5,
    "by d": lambda D, d_k, d_v, S, H: d_k,
    "both scales": lambda D, d_k, d_v, S, H: (D * d_k) ** 0.5,
    "multiplied": lambda D, d_k, d_v, S, H: d_k**-0.5,
    "scaled after": lambda D, d_k, d_v, S, H: 1.0,
    "unscaled": lambda D, d_k, d_v, S, H: 1.0,
    "width of values": lambda D, d_k, d_v, S, H: d_v**0.5,
    "number of keys": lambda D, d_k, d_v, S, H: S**0.5,
    "number of heads": lambda D, d_k, d_v, S, H: H**0.5,
    "D/H": lambda D, d_k, d_v, S, H: (D / H) ** 0.5,
    "D//H": lambda D, d_k, d_v, S, H: (D // H) ** 0.5 or 1.0,
}


def _scale_with(D, d_k, d_v, S, H, bugs):
    found = [_SCALES[bug] for bug in bugs if bug in _SCALES]
    return found[0](D, d_k, d_v, S, H) if found else d_k**0.5


def _heads_outermost(x, num_heads):
    """Fold (B, L, H·d) the other way round: all sentences of head 1 first."""
    return x.unflatten(-1, (num_heads, -1)).permute(2, 0, 1, 3).flatten(0, 1)


def _folded_with(x, num_heads, bugs):
    B, L, _ = x.shape
    if "all viewed" in bugs:
        return x.reshape(B * num_heads, L, -1)
    if "interleaved" in bugs:
        x = x.view(B, L, -1, num_heads).permute(0, 3, 1, 2)
        return x.reshape(B * num_heads, L, -1)
    if "heads outermost" in bugs:
        return _heads_outermost(x, num_heads)
    return _folded(x, num_heads)


def _unfolded_with(output, B, num_heads, bugs):
    """Undo the folding: from (B·H, T, d_v) to (B, T, H·d_v)."""
    T = output.shape[1]
    if "merged" in bugs or "all viewed" in bugs:
        return output.reshape(B, T, -1)
    if "sentences last" in bugs:
        output = output.view(num_heads, B, T, -1)
        return output.permute(1, 2, 0, 3).reshape(B, T, -1)
    output = output.view(B, num_heads, T, -1)
    if "heads below" in bugs:
        return output.flatten(1, 2)  # (B, H·T, d_v)
    if "heads averaged" in bugs:
        return output.mean(1).repeat(1, 1, num_heads)
    if "heads added" in bugs:
        return output.sum(1).repeat(1, 1, num_heads)
    if "numbers first" in bugs:
        return output.permute(0, 2, 3, 1).flatten(2)
    order = (0, 2, 3, 1) if "interleaved" in bugs else (0, 2, 1, 3)
    return output.permute(*order).reshape(B, T, -1)


def _weights_with(scores, mask, num_heads, bugs):
    """Weights (B·H, T, S)."""
    if "repeated" in bugs:
        allowed = mask.repeat(num_heads, 1)
    elif "not repeated" in bugs:
        allowed = mask
    elif "keys repeated" in bugs:
        allowed = mask.repeat_interleave(num_heads, 1)
    else:
        allowed = mask.repeat_interleave(num_heads, 0)
    allowed = allowed[:, None]  # (B·H, 1, S)
    if "sigmoid" in bugs:
        return scores.sigmoid() * allowed
    if "-1e9 added" in bugs:
        return (scores + torch.where(allowed, 0.0, -1e9)).softmax(-1)
    if "-1e4 added" in bugs:
        return (scores + torch.where(allowed, 0.0, -1e4)).softmax(-1)
    if "mask added" in bugs:
        return (scores + allowed).softmax(-1)
    if "nan, added" in bugs:
        return (scores + torch.where(allowed, 0.0, -torch.inf)).softmax(-1)
    if "NaN in place" in bugs:
        weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
        weights[weights.isnan()] = 0
        return weights
    if "NaN to 0" in bugs:
        bias = torch.zeros(allowed.shape).masked_fill(~allowed, -torch.inf)
        return (scores + bias).softmax(-1).nan_to_num(0.0)
    if "divided again" in bugs or "divided again or by 1" in bugs:
        total = (scores.softmax(-1) * allowed).sum(-1, keepdim=True)
        if "divided again" in bugs:
            total = total.clamp(min=1e-9)
        return scores.softmax(-1) * allowed / total.where(total != 0, 1)
    if "one maximum" in bugs or "one maximum, 0/0" in bugs:
        powers = (scores - scores.max()).exp() * allowed
        total = powers.sum(-1, keepdim=True)
        if "one maximum" in bugs:
            total = total.clamp(min=1e-30)
        return powers / total
    if "by exp" in bugs:
        powers = scores.exp() * allowed
        total = powers.sum(-1, keepdim=True)
        return powers / total.where(total != 0, 1)
    if "-100" in bugs:
        return scores.masked_fill(~allowed, -100.0).softmax(-1) * allowed.any(
            -1, keepdim=True
        )
    if "over heads" in bugs:
        apart = scores.unflatten(0, (-1, num_heads))  # (B, H, T, S)
        return masked_softmax(apart, mask[:, None, None], 1).flatten(0, 1)
    dim = 0 if "over the rows" in bugs else -1
    return masked_weights(masked_softmax, scores, allowed, bugs, dim)


# The width that all heads get, of D // H and d_k.
_WIDTHS = {
    "d_k, cut": lambda of_model, d_k: d_k,
    "d_k, viewed": lambda of_model, d_k: d_k,
    "D//H, cut": lambda of_model, d_k: of_model,
    "D//H, viewed": lambda of_model, d_k: of_model,
}


def _with_one_width(inputs, mask, num_heads, d, bug):
    """Attend with heads of d numbers in queries, keys and values alike."""
    if bug.endswith("viewed"):
        split = [(x @ W.T).view(*x.shape[:2], num_heads, d) for x, W in inputs]
        heads = zip(*(x.unbind(2) for x in split), strict=True)
    else:
        heads = [
            [x @ W[h * d : (h + 1) * d].T for x, W in inputs]
            for h in range(num_heads)
        ]
    merged, maps = [], []
    for q, k, v in heads:
        scores = q @ k.transpose(-2, -1) / d**0.5
        maps.append(masked_softmax(scores, mask[:, None]))
        merged.append(maps[-1] @ v)
    return torch.cat(merged, -1), torch.stack(maps, 1)


def draft(query, key, value, mask, W_q, W_k, W_v, W_o, num_heads, bugs):
    """The notebook's draft, with some of its bugs or another mistake."""
    B, T, D = query.shape
    d_k = len(W_q) // num_heads
    if "padding last" in bugs:
        count = mask.sum(-1, keepdim=True)
        mask = torch.arange(mask.shape[1]) < count
    for bug in bugs:
        if bug in _WIDTHS:
            size = num_heads, _WIDTHS[bug](D // num_heads, d_k)
            inputs = (query, W_q), (key, W_k), (value, W_v)
            merged, maps = _with_one_width(inputs, mask, *size, bug)
            return merged @ W_o.T, maps
    if "not transposed" in bugs:
        W_q, W_k, W_v = W_q.T, W_k.T, W_v.T
    if "W_q twice" in bugs:
        W_k = W_q
    if "key for value" in bugs:
        key, value = value, key
    if "mask on the values" in bugs:
        value, mask = value * mask[..., None], torch.ones_like(mask)
    left = query @ W_q.T
    if "viewed" in bugs:
        left = left.reshape(B * num_heads, T, d_k)
    elif "queries outermost" in bugs:
        left = _heads_outermost(left, num_heads)
    else:
        left = _folded_with(left, num_heads, bugs)  # (B·H, T, d_k)
    right = _folded_with(key @ W_k.T, num_heads, bugs)  # (B·H, S, d_k)
    content = _folded_with(value @ W_v.T, num_heads, bugs)  # (B·H, S, d_v)
    scores = left @ right.transpose(-2, -1)  # (B·H, T, S)
    sizes = D, d_k, content.shape[-1], key.shape[1], num_heads
    scores = scores / _scale_with(*sizes, bugs)
    weights = _weights_with(scores, mask, num_heads, bugs)
    if "scaled after" in bugs:
        weights = weights / d_k**0.5
    output = _unfolded_with(weights @ content, B, num_heads, bugs)
    if "transposed" in bugs:
        output = output @ W_o
    elif "no output projection" not in bugs:
        output = output @ W_o.T  # (B, T, D)
    if "weights unfolded" in bugs:
        weights = weights.view(num_heads, B, T, -1).transpose(0, 1)
    elif "weights by query" in bugs:
        weights = weights.view(B, num_heads, T, -1).transpose(1, 2)
    else:
        weights = weights.view(B, num_heads, T, -1)
    if "detached" in bugs:
        return output.detach(), weights.detach()
    if "weights detached" in bugs:
        return output, weights.detach()
    if "folded" in bugs:
        return output, weights.flatten(0, 1)
    if "exchanged" in bugs:
        return weights, output
    if "alone" in bugs:
        return output
    return output, weights.mean(1) if "mean" in bugs else weights
