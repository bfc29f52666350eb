"""The draft of exercise 11.2, with its bugs and with other mistakes."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def _chosen_of(tokens, special, draws, rate, bugs):
    choose = draws["choose"]
    if "not chosen" in bugs:
        chosen = choose >= rate
    elif "at most the rate" in bugs:
        chosen = choose <= rate
    elif "the upper end" in bugs:
        chosen = choose >= 1 - rate
    elif "the rest chosen" in bugs:
        chosen = choose < 1 - rate
    elif "or ordinary" in bugs:
        return (choose < rate) | ~special
    elif "one number a row" in bugs:
        chosen = (choose[:, :1] < rate).expand_as(special)
    elif "kind chooses" in bugs:
        chosen = draws["kind"] < rate
    elif "fixed rate" in bugs:
        chosen = choose < 0.15
    elif "everything" in bugs:
        chosen = torch.ones_like(special)
    else:
        chosen = choose < rate
    if "specials" in bugs:
        return chosen
    if "by the tokens" in bugs:
        return chosen & (tokens >= 4)
    if "only specials" in bugs:
        return chosen & special
    if "padding chosen" in bugs:
        return chosen & (~special | (tokens == 0))
    return chosen & ~special


def _kinds_of(chosen, draws, bugs):
    """Where the mask and where another token is shown, (B, T) each."""
    kind = draws["kind"]
    mask, other = kind < 0.8, (kind >= 0.8) & (kind < 0.9)
    if "never" in bugs:
        mask = kind < kind * 0.8
        other = ~mask & (kind < 0.9)
    if "always" in bugs:
        mask, other = kind < 2, kind > 2
    elif "no mask" in bugs:
        mask = kind > 2
    elif "decided by other" in bugs:
        other = (kind >= 0.8) & (draws["other"] < 0.5)
    elif "kind from other" in bugs:
        mask = draws["other"] < 0.8
        other = (draws["other"] >= 0.8) & (draws["other"] < 0.9)
    elif "low kept" in bugs:
        mask, other = kind >= 0.2, (kind >= 0.1) & (kind < 0.2)
    elif "seventy" in bugs:
        mask, other = kind < 0.7, (kind >= 0.7) & (kind < 0.9)
    elif "thresholds to the left" in bugs:
        mask, other = kind <= 0.8, (kind > 0.8) & (kind <= 0.9)
    elif "a gap at a threshold" in bugs:
        other = (kind > 0.8) & (kind < 0.9)
    elif "masks at 90" in bugs:
        mask, other = kind < 0.9, kind >= 0.9
    elif "ten masks, eighty others" in bugs:
        mask, other = kind < 0.1, (kind >= 0.1) & (kind < 0.9)
    elif "from above" in bugs:
        mask, other = kind >= 0.2, kind < 0.1
    elif "none kept" in bugs:
        other = kind >= 0.8
    elif "none other" in bugs:
        other = kind > 2
    elif "only masks at 90" in bugs:
        mask, other = kind < 0.9, kind > 2
    elif "half and half" in bugs:
        other = (kind >= 0.8) & (kind < 0.8 + 0.2 * 0.9)
    elif "other below" in bugs:
        mask, other = kind < 0.8, kind < 0.1
    elif "mask above" in bugs:
        mask, other = kind > 0.8, (kind > 0.1) & (kind <= 0.2)
    elif "other and kept swapped" in bugs:
        other = kind >= 0.9
    elif "ten masks" in bugs:
        mask, other = kind < 0.1, (kind >= 0.1) & (kind < 0.2)
    elif "other and mask swapped" in bugs:
        mask, other = (kind >= 0.8) & (kind < 0.9), kind < 0.8
    elif "share of the draw" in bugs:
        mask = draws["choose"] < 0.8
        other = (draws["choose"] >= 0.8) & (draws["choose"] < 0.9)
    elif "share of the rate" in bugs:
        mask = draws["choose"] < 0.12
        other = ~mask & (draws["choose"] < 0.135)
    if "unchosen too" in bugs:
        return mask, other
    if "mask anywhere" in bugs:
        return mask, chosen & other
    if "other anywhere" in bugs:
        return chosen & mask, other
    return chosen & mask, chosen & other


def _replacement(tokens, draws, first, V, bugs):
    other = draws["other"]
    if "others" in bugs:
        return (other * V).long()
    if "always from 4" in bugs:
        return 4 + (other * (V - 4)).long()
    if "from 0" in bugs:
        return (other * (V - first)).long()
    if "past the end" in bugs:
        return (first + (other * V).long()).clamp(max=V - 1)
    if "rounded" in bugs:
        return first + (other * (V - first)).round().long().clamp(
            max=V - first - 1
        )
    if "last missing" in bugs:
        return first + (other * (V - first - 1)).long()
    if "one too far" in bugs:
        return (first + 1 + (other * (V - first)).long()).clamp(max=V - 1)
    if "after first" in bugs:
        return first + 1 + (other * (V - first - 1)).long()
    if "one for all" in bugs:
        row = first + (other * (V - first)).long()
        return row[:1, :1].expand_as(tokens)
    if "by kind" in bugs:
        return first + (draws["kind"] * (V - first)).long()
    if "at least first" in bugs:
        return (other * V).long().clamp(min=first)
    if "modulo" in bugs:
        return first + (other * V).long() % (V - first)
    if "ceiling" in bugs:
        drawn = (first + other * (V - first)).ceil().long()
        return drawn.clamp(max=V - 1)
    if "drawn again" in bugs:
        generator = torch.Generator().manual_seed(5)
        return torch.randint(first, V, tokens.shape, generator=generator)
    if "up to V - 1" in bugs:
        return (other * (V - 1)).long()
    if "flipped" in bugs:
        return tokens.flip(1)
    if "rolled" in bugs:
        return tokens.roll(1, 1)
    if "backwards" in bugs:
        return V - 1 - (other * (V - first)).long()
    return first + (other * (V - first)).long()


def _loss_of(logits, tokens, special, shown, chosen, mask, changed, bugs):
    targets = tokens
    if "targets shown" in bugs:
        targets = shown
    V = logits.shape[-1]
    if "nothing lost" in bugs:
        return 0 * logits.sum()
    if "smoothed" in bugs:
        log = logits.log_softmax(-1)
        own = log.gather(-1, tokens[..., None])[..., 0]
        own = 0.9 * own + 0.1 * log.mean(-1)
        return -(own * chosen).sum() / chosen.sum().clamp(min=1)
    if "zeros as targets" in bugs:
        return F.cross_entropy(logits.mT, tokens * chosen)
    if "logits as losses" in bugs:
        own = logits.gather(-1, tokens[..., None])[..., 0]
        return -(own * chosen).sum() / chosen.sum().clamp(min=1)
    if "probabilities as losses" in bugs:
        own = logits.softmax(-1).gather(-1, tokens[..., None])[..., 0]
        return -(own * chosen).sum() / chosen.sum().clamp(min=1)
    if "one minus" in bugs:
        own = logits.softmax(-1).gather(-1, tokens[..., None])[..., 0]
        return ((1 - own) * chosen).sum() / chosen.sum().clamp(min=1)
    if "twice" in bugs:
        logits = logits.softmax(-1)
    if "shifted" in bugs:
        logits, targets = logits[:, :-1], targets[:, 1:]
        chosen = chosen[:, 1:]
    each = F.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction="none"
    ).view_as(targets)
    weights = chosen
    if "masks alone" in bugs:
        weights = mask
    elif "changed alone" in bugs:
        weights = changed
    elif "kept alone" in bugs:
        weights = chosen & ~changed
    elif "unchosen scored" in bugs:
        weights = ~chosen
    elif "ordinary scored" in bugs:
        weights = ~special
    elif "all scored" in bugs:
        weights = torch.ones_like(chosen)
    weights = weights.to(each.dtype)
    if "noop" in bugs:
        mean = each.mean()
        some = weights.sum() > 0
        return torch.where(some, mean, 0 * mean)
    if "noop, nan" in bugs:
        return each.mean()
    if "sum" in bugs:
        return (each * weights).sum()
    if "ordinary places" in bugs:
        return (each * weights).sum() / (~special).sum()
    if "each row" in bugs:
        return (each * weights).sum(1) / weights.sum(1).clamp(min=1)
    if "each place" in bugs:
        return each * weights
    if "all places" in bugs:
        return (each * weights).mean()
    if "a row each" in bugs:
        rows = (each * weights).sum(1) / weights.sum(1).clamp(min=1)
        return rows.mean()
    if "full rows" in bugs:
        some = weights.sum(1) > 0
        rows = (each * weights).sum(1) / weights.sum(1).clamp(min=1)
        return rows.sum() / some.sum().clamp(min=1)
    if "by the batch" in bugs:
        return (each * weights).sum() / len(each)
    if "two logs" in bugs:
        return (
            (each * weights).sum()
            / weights.sum().clamp(min=1)
            / (torch.tensor(2.0).log())
        )
    if "sign" in bugs:
        return -(each * weights).sum() / weights.sum().clamp(min=1)
    if "by V" in bugs:
        return (each * weights).sum() / weights.sum().clamp(min=1) / V
    if "log of the mean" in bugs:
        mean = ((-each).exp() * weights).sum() / weights.sum().clamp(min=1)
        return torch.where(weights.sum() > 0, -mean.log(), 0)
    if "nan" in bugs:
        return (each * weights).sum() / weights.sum()
    if "plus 1" in bugs:
        return (each * weights).sum() / (weights.sum() + 1)
    if "perplexity" in bugs:
        mean = (each * weights).sum() / weights.sum().clamp(min=1)
        return torch.where(weights.sum() > 0, mean.exp(), 0)
    if "exp" in bugs:
        return (-each * weights).exp().sum() / weights.sum().clamp(min=1)
    return (each * weights).sum() / weights.sum().clamp(min=1)


def draft(tokens, special, draws, rate, first, mask_id, logits, bugs):
    """The notebook's draft, with some of its bugs or another mistake."""
    V = logits.shape[-1]
    chosen = _chosen_of(tokens, special, draws, rate, bugs)
    mask, other = _kinds_of(chosen, draws, bugs)
    replacement = _replacement(tokens, draws, first, V, bugs)
    shown = torch.where(mask, mask_id, tokens)
    shown = torch.where(other, replacement, shown)
    if "mask is 0" in bugs:
        shown = torch.where(mask, 0, shown)
    elif "mask is last" in bugs:
        shown = torch.where(mask, V - 1, shown)
    changed = mask | other
    loss = _loss_of(
        logits, tokens, special, shown, chosen, mask, changed, bugs
    )
    if "tokens returned" in bugs:
        shown = tokens
    if "chosen is changed" in bugs:
        chosen = changed
    elif "chosen is mask" in bugs:
        chosen = mask
    elif "chosen inverted" in bugs:
        chosen = ~chosen
    elif "chosen as numbers" in bugs:
        chosen = chosen.float()
    return shown, chosen, loss
