"""A window with a bias for near keys, with a mistake."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from attnbook.judging.masked_weights import masked_weights
from attnbook.mechanisms.masked_softmax import masked_softmax

# How many keys a window holds, and how many of them lie behind the query.
_WIDTHS = {
    "one more": (1, 0),
    "one fewer": (-1, 0),
    "one fewer, filled up": (-1, 0),
    "itself left out": (0, 1),
    "one ahead": (0, -1),
}


def _places(T, S, mistake):
    """Where the queries stand, (T, 1)."""
    if mistake == "first queries":
        return torch.arange(T)[:, None]
    return torch.arange(S - T, S)[:, None]


def _bias(slopes, far, place, mistake):
    """What is added to the scores, (H, 1 or T, W)."""
    if mistake == "no bias":
        return 0 * slopes[:, None, None] * far
    if mistake == "no slopes":
        slopes = torch.ones_like(slopes)
    elif mistake == "slope of head 0":
        slopes = slopes[:1].expand_as(slopes)
    elif mistake == "mean slope":
        slopes = slopes.mean().expand_as(slopes)
    elif mistake == "slopes reversed":
        slopes = slopes.flip(0)
    elif mistake == "usual slopes":
        H = len(slopes)
        slopes = 2.0 ** (-8 * torch.arange(1, H + 1) / H)
    elif mistake == "divided by slopes":
        slopes = 1 / slopes
    slopes = slopes[:, None, None]
    if mistake == "sign":
        return slopes * far
    if mistake == "squared":
        return -slopes * far**2
    if mistake == "logarithm":
        return -slopes * (1 + far).log()
    if mistake == "share of the window":
        return -slopes * far / far.shape[-1]
    if mistake == "position of the query":
        return -slopes * place.expand(-1, far.shape[-1])
    if mistake == "bias of the other end":
        return -slopes * (far.max() - far)
    return -slopes * far


def mistaken(query, key, value, slopes, window, mistake):
    """Both outputs, with a mistake."""
    T, d_k = query.shape[-2:]
    S = key.shape[2]
    if mistake in ("whole table", "all keys in the softmax"):
        late = mistake == "all keys in the softmax"
        return _whole_table(query, key, value, slopes, window, late)
    if mistake == "slopes on the batch":
        bias = -slopes[:, None, None, None]
    more, behind = _WIDTHS.get(mistake, (0, 0))
    W = window + more
    if mistake == "window of the text":
        W = min(window, S)
    far = torch.arange(W - 1, -1, -1) + behind  # (W,)
    place = _places(T, S, mistake)
    at = place - far  # (T, W)
    there = (at >= 0) & (at < S)
    if mistake == "filled up behind":
        at = place + torch.arange(W)
    elif mistake == "first windows":
        at = at - (S - T)
    if mistake == "place of the query alone":
        there = there & (far <= torch.arange(T)[:, None])
    elif mistake == "first key hidden":
        there = there & (at > 0)
    if mistake == "itself masked":
        there = there & (far > 0)
    written = (at >= 0) & (at < S)
    round_about = at % S
    at = at.clamp(0, S - 1)
    if mistake == "slices that wrap":
        begin = place - window + 1
        begin = torch.where(begin < 0, begin + S, begin)
        there = there & (at >= begin)
    near, seen = key[:, :, at], value[:, :, at]  # (B, H, T, W, d)
    near = near * written[..., None]
    seen = seen * written[..., None]
    if mistake == "index that wraps":
        near, seen = key[:, :, round_about], value[:, :, round_about]
        there = torch.ones_like(there)
    elif mistake == "clamped":
        near, seen = key[:, :, at], value[:, :, at]
        there = torch.ones_like(there)
    elif mistake == "zeros seen":
        there = torch.ones_like(there)
    scores = (near * query[..., None, :]).sum(-1)  # (B, H, T, W)
    scale = {
        "no scale": 1.0,
        "scaled by d": 1 / d_k,
        "scale multiplied": d_k**0.5,
        "scaled by the window": W**-0.5,
        "scaled by the text": S**-0.5,
        "scaled by d_v": value.shape[-1] ** -0.5,
    }.get(mistake, d_k**-0.5)
    if mistake == "slopes on the batch":
        bias = bias * far
    elif mistake == "slopes on the queries":
        bias = -slopes[:, None] * far
    else:
        bias = _bias(slopes, far, place, mistake)
    if mistake == "bias scaled":
        scores = (scores + bias) * scale
    elif mistake == "bias multiplies":
        scores = scores * scale * -bias
    elif mistake in ("after the softmax", "after, divided", "added after"):
        scores = scores * scale
    else:
        scores = scores * scale + bias
    if mistake == "zeros are none":
        there = (near != 0).any(-1)
    elif mistake == "scores of 0 are none":
        there = (near * query[..., None, :]).sum(-1) != 0
    if mistake == "-100, then the bias":
        weights = (scores - bias).masked_fill(~there, -100.0) + bias
        weights = weights.softmax(-1)
    elif mistake == "divided, guarded":
        weights = scores.softmax(-1) * there
        weights = weights / (weights.sum(-1, keepdim=True) + 1e-9)
    elif mistake in (
        "place of the query alone",
        "first key hidden",
        "scores of 0 are none",
    ):
        weights = scores.masked_fill(~there, -torch.inf).softmax(-1)
    else:
        weights = masked_weights(masked_softmax, scores, there, (mistake,))
    if mistake == "after the softmax":
        weights = weights * bias.exp()
    elif mistake == "added after":
        weights = (weights + bias) * there
    if mistake == "over heads":
        weights = scores.masked_fill(~there, -torch.inf).softmax(1)
        weights = weights.nan_to_num()
    elif mistake == "over the batch":
        weights = scores.masked_fill(~there, -torch.inf).softmax(0)
        weights = weights.nan_to_num()
    output = (weights[..., None] * seen).sum(-2)
    if mistake == "plain output":
        plain = masked_softmax(scores - bias, there)
        output = (plain[..., None] * seen).sum(-2)
    elif mistake == "plain weights":
        weights = masked_softmax(scores - bias, there)
    elif mistake.startswith("scores returned"):
        blocked = -torch.inf if mistake.endswith("-inf") else 0.0
        weights = scores.masked_fill(~there, blocked)
    elif mistake == "exchanged":
        return weights, output
    elif mistake == "reversed":
        weights = weights.flip(-1)
    elif mistake == "one fewer, filled up":
        weights = F.pad(weights, (1, 0))
    elif mistake == "moved up":
        weights = _moved_up(weights, there)
    elif mistake == "a column a key":
        weights = _a_column_a_key(weights, at, there, S)
    return output, weights


def _moved_up(weights, there):
    """Windows at the front begin with their first key, without a gap."""
    rows = []
    for row, real in zip(weights.unbind(2), there, strict=True):
        empty = int((~real).sum())
        rows.append(F.pad(row[..., empty:], (0, empty)))
    return torch.stack(rows, 2)


def _a_column_a_key(weights, at, there, S):
    index = at.expand_as(weights)
    dense = weights.new_zeros(*weights.shape[:-1], S)
    return dense.scatter_add(-1, index, weights * there)


def _whole_table(query, key, value, slopes, window, late):
    """By way of (T, S) scores, right unless the window comes `late`."""
    T, S = query.shape[2], key.shape[2]
    place = torch.arange(S - T, S)[:, None]
    far = place - torch.arange(S)  # (T, S)
    scores = query @ key.mT / query.shape[-1] ** 0.5
    scores = scores - slopes[:, None, None] * far
    outside = (far < 0) | (far >= window)
    blocked = far < 0 if late else outside
    dense = scores.masked_fill(blocked, -torch.inf).softmax(-1)
    dense = dense.masked_fill(outside, 0)  # (B, H, T, S)
    at = place - torch.arange(window - 1, -1, -1)  # (T, W)
    weights = dense.gather(-1, at.clamp(min=0).expand(*dense.shape[:3], -1))
    return dense @ value, weights * (at >= 0)
