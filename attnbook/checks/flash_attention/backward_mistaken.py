"""The backward pass through attention in tiles, with a mistake."""

from __future__ import annotations

import torch

# What stands for -inf.
_LOW = {
    "-10": -10.0,
    "-100": -100.0,
    "-200": -200.0,
    "-215": -215.0,
    "zero score": 0.0,
}
_OF_QUERY_TILES = (
    "stops at the diagonal's begin",
    "stops at the first queries",
    "keys of the last queries alone",
    "values of the last queries alone",
)


def mistaken(query, key, value, output, lse, d_output, tile, mistake):
    """The three gradients, with a mistake."""
    if mistake in _OF_QUERY_TILES:
        return _by_tiles_of_both(
            query, key, value, output, lse, d_output, tile, mistake
        )
    T, d = query.shape[-2:]
    S = key.shape[-2]
    if mistake == "whole table":
        tile = S
    scale = {"no scale": 1.0, "scaled by d": 1 / d}.get(mistake, d**-0.5)
    d_query, d_key, d_value = map(torch.zeros_like, (query, key, value))
    drop = _drop(query, value, output, lse, d_output, mistake)
    place = torch.arange(S - T, S)[:, None]
    if mistake == "first queries":
        place = torch.arange(T)[:, None]
    ends = range(0, S, tile)
    if mistake == "last tile dropped" and tile < S:
        ends = range(0, S - S % tile, tile)
    elif mistake == "first tile alone":
        ends = range(1)
    for begin in ends:
        keys = slice(begin, begin + tile)
        k, v = key[..., keys, :], value[..., keys, :]
        at = torch.arange(begin, begin + k.shape[-2])
        if mistake == "places from 0":
            at = at - begin
        ahead = at > place
        if mistake == "not causal":
            ahead = torch.zeros_like(ahead)
        elif mistake == "itself masked":
            ahead = at >= place
        elif mistake == "mask turned round":
            ahead = at < place
        scores = scale * query @ k.mT
        if mistake == "scores without the scale":
            scores = query @ k.mT
        weights = _weights(scores, ahead, lse, mistake)
        towards = d_output @ v.mT
        slope = _slope(weights, towards, drop, ahead, mistake)
        if mistake == "weights squared":
            slope = weights * slope
        elif mistake == "slope unmasked":
            slope = (scores - lse[..., None]).exp() * (towards - drop)
        if mistake == "scale forgotten":
            inner = slope
        elif mistake == "scaled twice":
            inner = scale**2 * slope
        else:
            inner = scale * slope
        to_queries = slope if mistake == "queries without the scale" else inner
        to_keys = slope if mistake == "keys without the scale" else inner
        if mistake == "keys scaled twice":
            to_keys = scale * inner
        elif mistake == "keys by the weights":
            to_keys = weights
        elif mistake == "keys by the weights, scaled":
            to_keys = scale * weights
        elif mistake == "queries by the weights":
            to_queries = weights
        elif mistake == "queries by the weights, scaled":
            to_queries = scale * weights
        d_query += to_queries @ k
        d_key[..., keys, :] = to_keys.mT @ query
        if mistake == "last tile alone":
            d_query = inner @ k
        rows = weights
        if mistake == "values by the slopes":
            rows = slope
        elif mistake == "values by the slopes, scaled":
            rows = inner
        elif mistake == "values by the scores":
            rows = scores.masked_fill(ahead, 0)
        right = output if mistake == "values by the output" else d_output
        if mistake == "values less D":
            right = d_output - drop
        d_value[..., keys, :] = rows.mT @ right
    if mistake == "exchanged":
        return d_key, d_query, d_value
    if mistake == "values before keys":
        return d_query, d_value, d_key
    if mistake == "values first":
        return d_value, d_key, d_query
    if mistake == "signs":
        return -d_query, -d_key, d_value
    return d_query, d_key, d_value


def _drop(query, value, output, lse, d_output, mistake):
    """What is subtracted in a row, (B, H, T, 1)."""
    product = d_output * output
    drop = product.sum(-1, keepdim=True)
    if mistake == "mean for sum":
        return product.mean(-1, keepdim=True)
    if mistake == "summed over rows":
        return drop.sum(-2, keepdim=True).expand_as(drop)
    if mistake == "without the output":
        return d_output.sum(-1, keepdim=True)
    if mistake == "without the gradient":
        return output.sum(-1, keepdim=True)
    if mistake == "output squared":
        return (output * output).sum(-1, keepdim=True)
    if mistake == "log-sum-exp for D":
        return lse[..., None]
    if mistake in ("nothing subtracted", "as a tile alone"):
        return 0 * drop
    return drop


def _weights(scores, ahead, lse, mistake):
    hidden = scores.masked_fill(ahead, -torch.inf)
    if mistake == "softmax of the tile":
        return hidden.softmax(-1).nan_to_num()
    if mistake == "weights not divided":
        return (hidden - hidden.amax(-1, keepdim=True)).exp().nan_to_num()
    if mistake == "divided by the lse":
        return hidden.exp() / lse[..., None]
    if mistake == "overflow":
        return hidden.exp() / lse[..., None].exp()
    if mistake == "base 2":
        return 2 ** (hidden - lse[..., None])
    if mistake == "late mask":
        return (scores - lse[..., None]).exp()
    if mistake == "mask after the exponential":
        return (scores - lse[..., None]).exp() * ~ahead
    if mistake in _LOW:
        return (
            scores.masked_fill(ahead, _LOW[mistake]) - lse[..., None]
        ).exp()
    return (hidden - lse[..., None]).exp()


def _slope(weights, towards, drop, ahead, mistake):
    if mistake == "as a tile alone":
        drop = (weights * towards).sum(-1, keepdim=True)
    elif mistake == "subtracted late":
        return weights * towards - drop
    elif mistake == "weights forgotten":
        return (towards - drop).masked_fill(ahead, 0)
    elif mistake == "weights forgotten, unmasked":
        return towards - drop
    elif mistake == "a sigmoid's slope":
        return weights * (1 - weights) * towards
    elif mistake == "added":
        return weights * (towards + drop)
    elif mistake == "late mask":
        return (weights * (towards - drop)).masked_fill(ahead, 0)
    return weights * (towards - drop)


def _by_tiles_of_both(query, key, value, output, lse, d_output, tile, mistake):
    """Tiles of queries and of keys."""
    T, d = query.shape[-2:]
    S = key.shape[-2]
    d_query, d_key, d_value = map(torch.zeros_like, (query, key, value))
    drop = (d_output * output).sum(-1, keepdim=True)
    for first in range(0, T, tile):
        rows = slice(first, min(first + tile, T))
        q, out = query[:, :, rows], d_output[:, :, rows]
        place = torch.arange(S - T + first, S - T + rows.stop)[:, None]
        last = place[-1].item()
        if mistake == "stops at the diagonal's begin":
            last = place[0].item()
        elif mistake == "stops at the first queries":
            last = rows.stop - 1
        for begin in range(0, last + 1, tile):
            keys = slice(begin, min(begin + tile, S))
            ahead = torch.arange(begin, keys.stop) > place
            scores = q @ key[:, :, keys].mT / d**0.5
            scores = scores.masked_fill(ahead, -torch.inf)
            weights = (scores - lse[:, :, rows, None]).exp()
            slope = out @ value[:, :, keys].mT - drop[:, :, rows]
            slope = weights * slope / d**0.5
            to_keys, to_values = slope.mT @ q, weights.mT @ out
            d_query[:, :, rows] += slope @ key[:, :, keys]
            if mistake == "keys of the last queries alone":
                d_key[:, :, keys] = 0
            elif mistake == "values of the last queries alone":
                d_value[:, :, keys] = 0
            d_key[:, :, keys] += to_keys
            d_value[:, :, keys] += to_values
    return d_query, d_key, d_value
