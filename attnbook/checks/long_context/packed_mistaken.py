"""Linear attention over packed texts, with a mistake."""

from __future__ import annotations

import torch
import torch.nn.functional as F

_MAPS = {
    "relu": torch.relu,
    "elu": F.elu,
    "exp": torch.exp,
    "softplus": F.softplus,
    "elu + 1, twice": lambda x: F.elu(F.elu(x) + 1) + 1,
    "sigmoid": torch.sigmoid,
    "softmax": lambda x: x.softmax(-1),
    "relu + 1": lambda x: x.relu() + 1,
}


# The powers of d_k that queries and keys are divided by.
_SCALES = {
    "scaled before": (0.5, 0),
    "scaled keys": (0, 0.5),
    "scaled both": (0.5, 0.5),
    "scaled by the fourth root": (0.25, 0.25),
}


def _features(query, key, mistake):
    """φ of queries and keys."""
    phi = _MAPS.get(mistake, lambda x: F.elu(x) + 1)
    q, k = phi(query), phi(key)
    if mistake == "keys as they are":
        return q, key
    if mistake == "queries as they are":
        return query, k
    if mistake.startswith("scaled"):
        by_query, by_key = _SCALES[mistake]
        d = query.shape[-1]
        return phi(query / d**by_query), phi(key / d**by_key)
    return q, k


def _own(text, mistake):
    """Which token reads which, (B, T, T)."""
    T = text.shape[1]
    place = torch.arange(T)
    same = text[:, :, None] == text[:, None]  # (B, T, T)
    causal = place <= place[:, None]
    real = (text >= 0)[:, None] & (text >= 0)[..., None]
    if mistake in ("one state a row", "one state, but for the last"):
        same = torch.ones_like(same)
    elif mistake == "text of row 0":
        same = (text[:1, :, None] == text[:1, None]).expand_as(same)
    elif mistake in ("text 0 is padding", "text 0 is padding, state right"):
        real = real & (text > 0)[:, None]
    elif mistake.startswith("reset at padding"):
        runs = F.pad((text[:, 1:] != text[:, :-1]).cumsum(1), (1, 0))
        same = runs[:, :, None] == runs[:, None]
    elif mistake == "two texts":
        gap = text[:, :, None] - text[:, None]
        same = (gap >= 0) & (gap <= 1)
    elif mistake == "first of a text lost":
        first = F.pad(text[:, 1:] != text[:, :-1], (1, 0), value=True)
        same = same & ~first[:, None]
    elif mistake == "first of the next text":
        first = F.pad(text[:, 1:] != text[:, :-1], (1, 0), value=True)
        before = text.roll(1, 1)
        moved = torch.where(first, before, text)
        moved[:, 0] = text[:, 0]
        same = moved[:, :, None] == moved[:, None]
    if mistake.startswith("padding is a text"):
        return same & causal
    if mistake == "padding reads":
        T = text.shape[1]
        filled = _carried(text)
        same = filled[:, :, None] == filled[:, None]
        return same & causal & (text >= 0)[:, None]
    if mistake == "padding read":
        filled = _carried(text)
        same = filled[:, :, None] == filled[:, None]
        return same & causal & (text >= 0)[..., None]
    if mistake == "padding read and reads":
        filled = _carried(text)
        return (filled[:, :, None] == filled[:, None]) & causal
    if mistake == "not causal":
        return same & real
    if mistake == "itself left out":
        return same & (place < place[:, None]) & real
    if mistake == "itself alone":
        return same & (place == place[:, None]) & real
    if mistake == "backwards":
        return same & (place >= place[:, None]) & real
    return same & causal & real


def _carried(text):
    """Padding belongs to the text before it."""
    return text.cummax(1).values


def _sums(q, k, value, own):
    """What each token reads, and the sum of its scores."""
    scores = torch.einsum("bthd,bshd->bths", q, k)
    scores = scores * own[:, :, None]
    return torch.einsum("bths,bshv->bthv", scores, value), scores.sum(-1)


def _over_heads(q, k, value, text, mistake):
    """Running sums along the heads; the state is that of the last place."""
    real = (text >= 0)[..., None, None]
    if mistake != "over heads, unmasked":
        k = k * real
    sums = k.cumsum(2)
    pairs = (k[..., None] * value[..., None, :]).cumsum(2)
    read, total = (q[..., None] * pairs).sum(-2), (q * sums).sum(-1)
    output = _divided(read, total, mistake)
    if mistake == "over heads":
        output = output * real
    last = text == text.amax(1, keepdim=True)
    if mistake == "over heads, whole text":
        last = (last[..., None, None] & real)[..., None]
        return output, (pairs * last).sum(1), (sums * last[..., 0]).sum(1)
    return output, pairs[:, -1], sums[:, -1]


def _divided(read, total, mistake):
    total = total[..., None]
    if mistake == "severed":
        total = total.detach()
    if mistake == "numerator severed":
        read = read.detach()
    if mistake == "nan":
        return read / total
    if mistake.startswith("epsilon"):
        return read / (total + float(mistake.split()[1]))
    if mistake == "reciprocal":
        return read * total
    if mistake == "not divided":
        return read
    if mistake == "root":
        return read / torch.where(total > 0, total, 1).sqrt()
    if mistake == "at least 1":
        return read / total.clamp(min=1)
    if mistake == "hidden nan":
        return (read / total).nan_to_num(0)
    if mistake == "one plus":
        return read / (1 + total)
    return read / torch.where(total > 0, total, 1)


def mistaken(query, key, value, text, mistake):
    """The three outputs, with a mistake."""
    q, k = _features(query, key, mistake)
    own = _own(text, mistake)
    real = (text >= 0)[..., None, None]
    if mistake == "values too":
        value = F.elu(value) + 1
    if mistake == "over heads, state right":
        output, *_ = _over_heads(q, k, value, text, "over heads")
        return output, *_state(k, value, text, real, mistake)
    if mistake.startswith("over heads"):
        return _over_heads(q, k, value, text, mistake)
    read, total = _sums(q, k, value, own)
    T = text.shape[1]
    place = torch.arange(T)
    causal = (place <= place[:, None]).expand_as(own)
    if mistake == "padding below":
        spread = _own(text, "padding read")
        total = _sums(q, k, value, spread)[1]
    elif mistake == "zero keys":
        phi_of_0 = torch.where(real, k, torch.ones_like(k))
        read, total = _sums(
            q, phi_of_0, value * real, _own(text, "padding read")
        )
    elif mistake == "denominator not reset":
        total = _sums(q, k * real, value, causal)[1] * real[..., 0]
    elif mistake == "numerator not reset":
        read = _sums(q, k * real, value, causal)[0] * real
    elif mistake == "denominator not causal":
        total = _sums(q, k, value, _own(text, "not causal"))[1]
    elif mistake == "numerator not causal":
        read = _sums(q, k, value, _own(text, "not causal"))[0]
    elif mistake == "divided by the count":
        total = own.sum(-1)[..., None].expand_as(total).float()
    elif mistake == "divided by keys":
        total = (own.float() @ k.sum(-1)).expand_as(total)
    elif mistake == "denominator of all heads":
        total = total.sum(-1, keepdim=True).expand_as(total)
    elif mistake == "mean value":
        read = (own.float() @ value.flatten(2)).view_as(value)
        total = own.sum(-1)[..., None].expand_as(total).float()
    output = _divided(read, total, mistake)
    if mistake.startswith("softmax attention"):
        scores = torch.einsum("bthd,bshd->bths", query, key)
        if not mistake.endswith("no scale"):
            scores = scores / query.shape[-1] ** 0.5
        scores = scores.masked_fill(~own[:, :, None], -1e30)
        weights = scores.softmax(-1) * own[:, :, None]
        output = torch.einsum("bths,bshv->bthv", weights, value)
    elif mistake == "nan, padding 0":
        output = read / torch.where(real[..., 0], total, 1)[..., None]
    elif mistake == "all severed":
        output = output.detach()
    elif mistake == "heads first":
        output = output.transpose(1, 2)
    kept = key if mistake == "state of keys as they are" else k
    pairs, keys = _state(kept, value, text, real, mistake)
    if mistake == "pairs detached":
        pairs = pairs.detach()
    elif mistake == "sum of keys detached":
        keys = keys.detach()
    elif mistake == "state transposed":
        pairs = pairs.mT
    elif mistake == "state of heads last":
        keys = keys.mT
    elif mistake in ("state detached", "all severed"):
        pairs, keys = pairs.detach(), keys.detach()
    elif mistake == "state divided":
        total = keys.sum(-1)[..., None, None]
        pairs = pairs / torch.where(total > 0, total, 1)
    elif mistake == "state divided by each sum":
        pairs = pairs / torch.where(keys > 0, keys, 1)[..., None]
    elif mistake == "order of the state":
        pairs, keys = keys, pairs
    return output, pairs, keys


def _state(k, value, text, real, mistake):
    """What is kept of the last text of each row."""
    last = text.amax(1, keepdim=True)
    if mistake in ("state of the row", "one state a row"):
        mine = real
    elif mistake == "state of text 0":
        mine = (text == 0)[..., None, None]
    elif mistake in (
        "state of the last place",
        "state of the last column",
        "padding is a text",
    ):
        mine = (text == text[:, -1:])[..., None, None]
        if mistake == "state of the last place":
            mine = mine & real
    elif mistake == "last text of row 0":
        mine = (text == last[:1])[..., None, None]
    elif mistake == "last text of the batch":
        mine = (text == last.max())[..., None, None]
    elif mistake in ("padding read", "padding read and reads", "zero keys"):
        mine = (_carried(text) == last)[..., None, None]
    elif mistake == "reset at padding, state lost":
        runs = F.pad((text[:, 1:] != text[:, :-1]).cumsum(1), (1, 0))
        mine = (runs == runs[:, -1:])[..., None, None] & real
    elif mistake == "reset at padding":
        runs = F.pad((text[:, 1:] != text[:, :-1]).cumsum(1), (1, 0))
        ends = (runs * (text >= 0)).amax(1, keepdim=True)
        mine = (runs == ends)[..., None, None] & real
    elif mistake == "first of a text lost":
        first = F.pad(text[:, 1:] != text[:, :-1], (1, 0), value=True)
        mine = ((text == last) & ~first)[..., None, None] & real
    elif mistake == "without the last token":
        place = torch.arange(text.shape[1])
        end = ((text == last) * place).amax(1, keepdim=True)
        mine = ((text == last) & (place < end))[..., None, None] & real
    else:
        mine = (text == last)[..., None, None] & real
    if mistake == "state of padding":
        mine = (text == last)[..., None, None]
    if mistake == "text 0 is padding":
        mine = mine & (text > 0)[..., None, None]
    kept = k
    if mistake == "zero keys":
        kept = torch.where(real, k, torch.ones_like(k))
    kept = kept * mine
    seen = value * real if mistake == "zero keys" else value
    if mistake == "padding below":
        spread = (_carried(text) == last)[..., None, None]
        keys = (k * spread).sum(1)
    elif mistake == "denominator not reset":
        keys = (k * real).sum(1)
    else:
        keys = kept.sum(1)
    if mistake == "numerator not reset":
        kept = k * real
    if mistake == "state of means":
        keys = keys / mine.sum(1).clamp(min=1)
    return torch.einsum("bshd,bshv->bhdv", kept, seen), keys
