"""The draft of exercise 09.3, with its bugs and with other mistakes."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def turn(x, places):
    """Rotary positions: turn (..., T, D) by the places (T,)."""
    rates = 100.0 ** (-torch.arange(x.shape[-1] // 2) / (x.shape[-1] // 2))
    angles = places[:, None] * rates  # (T, D/2)
    one, two = x.chunk(2, dim=-1)
    return torch.cat(
        [
            one * angles.cos() - two * angles.sin(),
            one * angles.sin() + two * angles.cos(),
        ],
        dim=-1,
    )


def _places_of(done, T, slots, bugs):
    """The places of the tokens that are read, (T,)."""
    if "counted" in bugs:
        return min(done, slots) + torch.arange(T)
    if "modulo" in bugs:
        return done % slots + torch.arange(T)
    if "anew" in bugs:
        return torch.arange(T)
    if "one place" in bugs:
        return torch.full((T,), done)
    if "by pieces" in bugs:
        return done + T - 1 + torch.zeros(T).long()
    return done + torch.arange(T)


def _mask_of(places, held, window, slots, bugs):
    """What each new token may see, (T, slots + T)."""
    T = len(places)
    far = places[:, None] - held
    real = held >= 0
    if "empty seen" in bugs:
        real = torch.ones_like(real)
    if "ahead" in bugs:
        return (real & (far < window)).expand(T, -1)
    if "one more when one" in bugs and T == 1:
        return real & (far >= 0) & (far <= window)
    if "one more in pieces" in bugs and T > 1:
        return real & (far >= 0) & (far <= window)
    if "ignored when one" in bugs and T == 1:
        return real & (far >= 0)
    if "no window" in bugs:
        return real & (far >= 0)
    if "prompt alone without" in bugs and T > 1:
        return real & (far >= 0)
    if "itself hidden" in bugs:
        return real & (far > 0) & (far <= window)
    if "own piece alone" in bugs:
        real = real & (torch.arange(len(held)) >= len(held) - T)
    if "cache alone" in bugs:
        mine = torch.eye(T).bool()
        mine = F.pad(mine, (len(held) - T, 0))
        before = torch.arange(len(held)) < len(held) - T
        return (real & before & (far < window)) | mine
    wide = window
    if "off by one" in bugs:
        wide = window + 1
    elif "one fewer" in bugs:
        wide = window - 1
    elif "slots as window" in bugs:
        wide = slots
    elif "both sides" in bugs:
        return real & (far.abs() < window)
    return real & (far >= 0) & (far < wide)


def _rolled(old, new, slots, bugs):
    """The buffer after some tokens, (B, slots, D)."""
    T = new.shape[1]
    keep = min(T, slots)
    by = -keep
    if "direction" in bugs:
        by = keep
    elif "by one" in bugs:
        by = -1
    elif "not rolled" in bugs:
        by = 0
    if "along the batch" in bugs:
        rolled = old.roll(by, 0)
    elif "flat" in bugs:
        rolled = old.roll(by)
    else:
        rolled = old.roll(by, 1)
    rolled = rolled.clone()
    if "last piece kept" in bugs:
        rolled = torch.zeros_like(old)
    if "long piece lost" in bugs and slots < T:
        return old
    if "put in front" in bugs:
        return torch.cat([new[:, T - keep :], old], 1)[:, :slots]
    if "first ones kept" in bugs:
        rolled[:, slots - keep :] = new[:, :keep]
    elif "at the front" in bugs:
        rolled[:, :keep] = new[:, T - keep :]
    elif "backwards" in bugs:
        rolled[:, slots - keep :] = new[:, T - keep :].flip(1)
    elif "last one kept" in bugs:
        rolled[:, -1:] = new[:, -1:]
    else:
        rolled[:, slots - keep :] = new[:, T - keep :]
    return rolled


def draft(texts, cuts, model, window, slots, bugs):
    """The notebook's draft, with some of its bugs or another mistake."""
    B, _, D = texts[0].shape
    if "no cache" in bugs:
        whole = [[text.shape[1]] for text in texts]
        return draft(texts, whole, model, window, slots, ("no window",))
    if "not transposed" in bugs:
        model = {name: matrix.T for name, matrix in model.items()}
    results = []
    key, value = torch.zeros(2, B, slots, D)
    done = 0
    for text, pieces in zip(texts, cuts, strict=True):
        if "not reset" not in bugs:
            if "buffer kept" not in bugs:
                key, value = torch.zeros(2, B, slots, D)
            done = 0
        elif "emptied" in bugs:
            key, value = torch.zeros(2, B, slots, D)
        outputs, begin = [], 0
        for T in pieces:
            x = text[:, begin : begin + T]  # (B, T, D)
            begin += T
            if "emptied by pieces" in bugs and T > 1:
                key, value = torch.zeros(2, B, slots, D)
                done = 0
            places = _places_of(done, T, slots, bugs)
            query, new_key, new_value = (
                x @ model[name].T for name in ("query", "key", "value")
            )
            if "values not transposed" in bugs:
                new_value = x @ model["value"]
            if "queries as they are" not in bugs:
                query = turn(query, places)
            if "keys as they are" not in bugs:
                new_key = turn(new_key, places)
            if "values turned" in bugs:
                new_value = turn(new_value, places)
            if "turned back" in bugs:
                new_key = turn(x @ model["key"].T, -places)
            keys = torch.cat([key, new_key], 1)  # (B, slots + T, D)
            values = torch.cat([value, new_value], 1)
            if "piece first" in bugs:
                keys = torch.cat([new_key, key], 1)
                values = torch.cat([new_value, value], 1)
            room = slots
            if "turned at each step" in bugs:
                kept = slots + T - len(places)
                again = turn(key, done - slots + torch.arange(kept))
                keys = torch.cat([again, new_key], 1)
            if "trimmed" in bugs:
                keys, values = keys[:, -slots:], values[:, -slots:]
            elif "trimmed to window" in bugs:
                keys, values = keys[:, -window:], values[:, -window:]
            held = done + T - keys.shape[1] + torch.arange(keys.shape[1])
            if "buffer from 0" in bugs:
                held = torch.cat([torch.arange(slots), places])
            elif "slots before 0" in bugs:
                held = torch.arange(len(held)) - slots
            mask = _mask_of(places, held, window, slots, bugs)
            scale = {"no scale": 1.0, "scaled by D": 1 / D}
            outputs.append(
                F.scaled_dot_product_attention(
                    query,
                    keys,
                    values,
                    attn_mask=mask,
                    scale=next((scale[b] for b in bugs if b in scale), None),
                )
            )
            if "nothing kept" not in bugs:
                old = value
                wrong = (*bugs, "direction")
                by_key = wrong if "keys direction" in bugs else bugs
                by_value = wrong if "values direction" in bugs else bugs
                key = _rolled(key, new_key, room, by_key)
                value = _rolled(value, new_value, room, by_value)
                if "keys alone" in bugs:
                    value = old.clone()
                    keep = min(T, slots)
                    value[:, slots - keep :] = new_value[:, T - keep :]
            if "pieces counted" in bugs:
                done += 1
            elif "kept counted" in bugs:
                done += min(T, slots)
            elif "count of the buffer" in bugs:
                done = min(done + T, slots)
            else:
                done += T
        results.append(torch.cat(outputs, 1))
        if "last piece" in bugs:
            results[-1] = outputs[-1]
        if "first text" in bugs:
            break
    return results[-1:] if "last text" in bugs else results
