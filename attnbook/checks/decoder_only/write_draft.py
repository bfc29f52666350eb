"""The draft of exercise 07.2, with its bugs and with other mistakes."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def draw(probabilities, number):
    """The first token whose running sum exceeds the number."""
    return (probabilities.cumsum(-1) > number[..., None]).int().argmax(-1)


def _logits_of(x, start, counts, model, bugs):
    rows = torch.arange(len(x))
    if "place as a column" in bugs:
        last = x[rows, start - 1]
    elif "last column" in bugs:
        last = x[:, -1]
    elif "one place further" in bugs:
        last = x[rows, counts.clamp(max=x.shape[1] - 1)]
    elif "first column" in bugs:
        last = x[:, 0]
    else:
        last = x[rows, counts - 1]  # (B, D)
    return last @ model["logits"].T  # (B, V)


def _cut(chances, p, bugs):
    """Set to 0 what top-p drops, and divide again."""
    best, order = chances.sort(descending="upwards" not in bugs)
    if "not sorted" in bugs:
        best, order = chances, torch.arange(chances.shape[1])
        order = order.expand_as(chances)
    total = best.cumsum(-1)
    if "crossing" in bugs:
        kept = total < p if "below p" in bugs else total <= p
        kept[:, 0] = True
    elif "crossing, nothing left" in bugs:
        kept = total <= p
    elif "one token more" in bugs:
        kept = (total - best < p).roll(1, -1)
        kept[:, 0] = True
    elif "all that tie" in bugs:
        least = best.gather(-1, (total < p).sum(-1, keepdim=True))
        kept = best >= least
    elif "by share of the best" in bugs:
        kept = best >= p * best[:, :1]
    elif "1 - p" in bugs:
        kept = total - best < 1 - p
    elif "by probability" in bugs:
        kept = best >= 1 - p
    elif "one more at a tie" in bugs:
        kept = total - best <= p
    else:
        kept = total - best < p
    if "p ignored" in bugs:
        kept = torch.ones_like(kept)
    if "order lost" in bugs:
        order = torch.arange(best.shape[1]).expand_as(order)
    elif "order as places" in bugs:
        best = torch.where(kept.gather(-1, order), chances, 0)
        return best / best.sum(-1, keepdim=True)
    best = best * kept
    if "gathered" in bugs:
        best = best / best.sum(-1, keepdim=True)
        return best.gather(-1, order)
    if "divided by all rows" in bugs:
        best = best / best.sum()
    elif "softmax again" in bugs:
        best = best.softmax(-1)
    elif "not divided" not in bugs:
        best = best / best.sum(-1, keepdim=True)
    return torch.zeros_like(best).scatter(-1, order, best)


def _chances(logits, temperature, p, bugs):
    if "temperature last" in bugs:
        cut = _cut(logits.softmax(-1), p, bugs)
        return (cut.log() / temperature).softmax(-1)
    if "probabilities over temperature" in bugs:
        return _cut(logits.softmax(-1) / temperature, p, bugs)
    if "temperature multiplies" in bugs:
        logits = logits * temperature
    elif "no temperature" not in bugs:
        logits = logits / temperature
    if "exponentials" in bugs:
        powers = logits.exp()
        return _cut(powers / powers.sum(-1, keepdim=True), p, bugs)
    return _cut(logits.softmax(-1), p, bugs)


def _mask_of(places, L, bugs):
    """What each new token may see, (B, T, L)."""
    B, T = places.shape
    if "top left" in bugs:
        return torch.ones(T, L).tril().bool().expand(B, T, L)
    if "bottom right" in bugs:
        return torch.ones(T, L).tril(L - T).bool().expand(B, T, L)
    if "a triangle, then everything" in bugs:
        triangle = torch.ones(T, L).tril().bool()
        return triangle.expand(B, T, L) | (T == 1)
    if "inverted" in bugs:
        return torch.arange(L) > places[..., None]
    if "upper triangle" in bugs:
        return torch.arange(L) >= places[..., None]
    if "from the start alone" in bugs:
        return (torch.arange(L) <= places[:, :1])[:, None].expand(B, T, L)
    if "all written" in bugs:
        return (torch.arange(L) <= places.max()).expand(B, T, L)
    if "everything" in bugs:
        return torch.ones(B, T, L, dtype=torch.bool)
    if "written so far" in bugs:
        last = places.max(-1).values[:, None, None]
        return (torch.arange(L) <= last).expand(B, T, L)
    if "before itself" in bugs:
        return torch.arange(L) < places[..., None]
    if "itself hidden" in bugs:
        mask = torch.arange(L) < places[..., None]
        return mask | (places[..., None] == 0) & (torch.arange(L) == 0)
    if "masks of row 0" in bugs:
        places = places[:1].expand(B, T)
    elif "longest row" in bugs:
        places = places.max(0, keepdim=True).values.expand(B, T)
    mask = torch.arange(L) <= places[..., None]
    if "itself alone" in bugs and T == 1:
        mask = torch.arange(L) == places[..., None]
    return mask


def _number_of(numbers, step, bugs):
    if "shared" in bugs:
        return numbers[0, step]
    if "first shared" in bugs and step == 0:
        return numbers[0, 0]
    if "first number" in bugs:
        return numbers[:, 0]
    if "numbers of a row" in bugs:
        return numbers[step]
    if "numbers flat" in bugs:
        B = len(numbers)
        return numbers.flatten()[step * B : (step + 1) * B]
    return numbers[:, step]


def _token_of(chances, number, bugs):
    if "greedy" in bugs:
        return chances.argmax(-1)
    if "row 0" in bugs:
        return draw(chances, number)[:1].expand(len(chances))
    if "drawn anew" in bugs:
        return chances.multinomial(1)[:, 0]
    if "sorted place" in bugs:
        return draw(chances.sort(descending=True).values, number)
    if "drawn in sorted order" in bugs:
        best, order = chances.sort(descending=True)
        return order.gather(-1, draw(best, number)[:, None])[:, 0]
    return draw(chances, number)


def draft(batches, model, temperature, p, bugs):
    """The notebook's draft, with some of its bugs or another mistake."""
    B, (L, D) = len(batches[0][0]), model["places"].shape
    rows = torch.arange(B)[:, None]
    key, value = torch.zeros(2, B, L, D)
    start = torch.zeros(B).long()
    written, chances = [], []
    for prompts, lengths, numbers in batches:
        if "not reset" not in bugs:
            start = torch.zeros(B).long()
            if "start at 1" in bugs:
                start = start + 1
        if "emptied" in bugs:
            key, value = torch.zeros(2, B, L, D)
        read, counts, tokens, seen = prompts, lengths, [], []
        if "all alike" in bugs:
            counts = torch.full_like(lengths, prompts.shape[1])
        for step in range(numbers.shape[1]):
            places = start[:, None] + torch.arange(read.shape[1])
            named = places
            if "from 1" in bugs:
                named = (places + 1).clamp(max=L - 1)
            elif "place of the step" in bugs and step:
                named = torch.full_like(places, step)
            elif "always place 0" in bugs and step:
                named = torch.zeros_like(places)
            x = model["tokens"][read]
            if "no places" not in bugs:
                x = x + model["places"][named]
            kept = x
            if "keys without places" in bugs:
                kept = model["tokens"][read]
            key, value = key.clone(), value.clone()
            at = places
            if "places of row 0" in bugs:
                at = places[:1].expand_as(places)
            key[rows, at] = kept @ model["key"].T
            value[rows, at] = kept @ model["value"].T
            if "one buffer" in bugs:
                key = value
            mask = _mask_of(places, L, bugs)
            query = x @ model["query"].T
            scale = {"no scale": 1.0, "scaled by D": 1 / D}
            attended = F.scaled_dot_product_attention(
                query,
                key,
                value,
                mask,
                scale=next((scale[bug] for bug in bugs if bug in scale), None),
            )
            x = attended if "no residual" in bugs else x + attended
            if "padding" in bugs:
                start = start + read.shape[1]
            elif "longest" in bugs:
                start = start + counts.max()
            elif "shortest" in bugs:
                start = start + counts.min()
            elif "by one" in bugs:
                start = start + 1
            elif "prompt twice" in bugs:
                start = start + lengths
            elif "one too far" in bugs and not step:
                start = start + counts + 1
            elif "one too near" in bugs and not step:
                start = start + counts - 1
            elif "stands still" in bugs and step:
                pass
            else:
                start = start + counts
            logits = _logits_of(x, start, counts, model, bugs)
            seen.append(_chances(logits, temperature, p, bugs))
            number = _number_of(numbers, step, bugs)
            plain = (logits / temperature).softmax(-1)
            source = plain if "drawn before top-p" in bugs else seen[-1]
            tokens.append(_token_of(source, number, bugs))
            if "plain returned" in bugs:
                seen[-1] = plain
            elif "logits returned" in bugs:
                seen[-1] = logits / temperature
            read = tokens[-1][:, None]
            if "counts stay" not in bugs:
                counts = torch.ones(B).long()
        rows_first = 0 if "steps first" in bugs else 1
        written.append(torch.stack(tokens, rows_first))
        chances.append(torch.stack(seen, rows_first))
        if "with the prompts" in bugs:
            written[-1] = torch.cat([prompts, written[-1]], 1)
        if "first batch" in bugs:
            break
    if "last batch" in bugs:
        return written[-1:], chances[-1:]
    return written, chances
