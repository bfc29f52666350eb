"""A text scored in windows, with a mistake."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

# What is taken of the losses of a window, by those who go by its places.
_PLACES = {
    "last places": lambda rows, window, stride, begin: (
        rows[-stride:] if begin else rows
    ),
    "last places, cut": lambda rows, window, stride, begin: (
        rows[-stride:] if begin else rows
    ),
    "the same everywhere": lambda rows, window, stride, begin: rows[-stride:],
    "one left out": lambda rows, window, stride, begin: (
        rows[window - stride + 1 :] if begin else rows
    ),
    "all but the first": lambda rows, window, stride, begin: (
        rows[stride:] if begin else rows
    ),
    "counted twice": lambda rows, window, stride, begin: rows,
    "one window": lambda rows, window, stride, begin: rows,
}


def _begins(N, window, stride, mistake):
    """Where each window begins."""
    step = stride
    if mistake == "no overlap":
        step = window
    elif mistake == "stride for overlap":
        step = max(1, window - stride)
    elif mistake == "a window a token":
        return list(range(-window + 1, N - window))
    elif mistake == "windows too many":
        return list(range(0, N - 1, step))
    found = [0]
    last = N if mistake.startswith("last prediction") else N - 1
    while found[-1] + window < last:
        found.append(found[-1] + step)
    if mistake == "whole windows alone":
        found = [b for b in found if b + window <= N - 1] or [0]
    elif mistake == "last window moved back":
        found[-1] = max(0, N - 1 - window)
    return found


def _losses(logits, target, mistake):
    places = range(len(target))
    if mistake == "probabilities":
        logits = logits.softmax(-1)
    elif mistake == "over the tokens":
        return -logits.log_softmax(0)[places, target]
    elif mistake == "minus the logit":
        return -logits[places, target]
    elif mistake == "exponentials":
        powers = logits.exp()
        chances = powers / powers.sum(-1, keepdim=True)
        return -chances[places, target].log()
    chances = logits.softmax(-1)[places, target]
    smoothed = {
        "small added": 1e-9,
        "smaller added": 1e-12,
        "larger added": 1e-8,
        "smallest added": 1e-10,
    }
    bounded = {"bounded at 1e-9": 1e-9, "bounded at 1e-12": 1e-12}
    if mistake in smoothed:
        return -(chances + smoothed[mistake]).log()
    if mistake in bounded:
        return -chances.clamp(min=bounded[mistake]).log()
    if mistake == "log of softmax":
        return -chances.log()
    if mistake == "minus the probability":
        return -chances
    if mistake == "one minus the probability":
        return 1 - chances
    if mistake == "mean of a window for each":
        mean = F.cross_entropy(logits, target)
        return mean.expand(len(target))
    losses = F.cross_entropy(logits, target, reduction="none")
    return -losses if mistake == "sign" else losses


def _windows(model, ids, window, stride, mistake):
    """For each window its first target, and the losses of its targets."""
    N = len(ids)
    for begin in _begins(N, window, stride, mistake):
        first, size = max(begin, 0), window
        if mistake == "one token too long":
            size = window + 1
        elif mistake == "one token too short":
            size = max(1, window - 1)
        if mistake == "last prediction lost":
            end = min(begin + size, N)
            if end - first < 2:
                continue
            logits = model(ids[first:end])[:-1]
        elif mistake == "last prediction not asked":
            end = min(begin + size, N)
            if end - first < 2:
                continue
            logits = model(ids[first : end - 1])
        elif mistake == "no target at the end":
            read = ids[first : begin + size]
            target = ids[first + 1 : first + 1 + size]
            yield (
                first + 1,
                F.cross_entropy(model(read), target, reduction="none"),
            )
            continue
        elif mistake == "the whole text at once":
            logits = model(ids[: N - 1])[first : begin + size]
        else:
            logits = model(ids[first : min(begin + size, N - 1)])
        target = ids[first + 1 : first + 1 + len(logits)]
        if mistake == "own token":
            target = ids[first : first + len(logits)]
        elif mistake == "two tokens on":
            target = ids[first + 2 : first + 2 + len(logits)]
            logits = logits[: len(target)]
        yield first + 1, _losses(logits, target, mistake)


def mistaken(model, ids, widths, window, stride, mistake):
    """Losses and bits per byte, with a mistake."""
    if mistake.endswith(", zeros"):
        # What no window predicts keeps the 0 of a tensor made beforehand.
        losses = torch.zeros(len(ids) - 1)
        kind = mistake.removesuffix(", zeros")
        for first, rows in reversed(
            [*_windows(model, ids, window, stride, kind)]
        ):
            losses[first - 1 : first - 1 + len(rows)] = rows
        return losses, losses.sum() / math.log(2) / widths[1:].sum()
    if mistake == "stride as window":
        window = stride
    elif mistake == "one window":
        ids, widths = ids[: window + 1], widths[: window + 1]
    elif mistake == "a batch of one":
        return model(ids[None, :window])
    elif mistake == "behind the end":
        return model(ids[:0])
    elif mistake.startswith("loop: "):
        return _looped(model, ids, widths, window, stride, mistake[6:])
    found = list(_windows(model, ids, window, stride, mistake))
    lists = [rows for _, rows in found]
    if mistake in _PLACES and mistake != "one window":
        take = _PLACES[mistake]
        losses = torch.cat(
            [take(rows, window, stride, first > 1) for first, rows in found]
        )
        if mistake == "last places, cut":
            losses = losses[: len(ids) - 1]
    elif mistake == "mean of what is new":
        done, means = 0, []
        for first, rows in found:
            means.append(rows[done + 1 - first :].mean())
            done = first + len(rows) - 1
        losses = torch.stack(means)
    elif mistake == "mean of each window":
        losses = torch.stack([rows.mean() for rows in lists])
    else:
        kept = {}  # the losses of each target
        for first, rows in found:
            for target, loss in enumerate(rows, start=first):
                kept.setdefault(target, []).append(loss)
        choose = {
            "last": lambda losses: losses[-1],
            "mean": lambda losses: torch.stack(losses).mean(),
            "best": lambda losses: torch.stack(losses).min(),
            "worst": lambda losses: torch.stack(losses).max(),
        }.get(mistake, lambda losses: losses[0])
        losses = torch.stack([choose(kept[target]) for target in sorted(kept)])
    return _results(losses, lists, widths, mistake)


def _looped(model, ids, widths, window, stride, mistake):
    """Windows until there are N - 1 losses, whatever they are."""
    losses, begin = torch.zeros(0), 0
    while len(losses) < len(ids) - 1:
        read = ids[begin : min(begin + window, len(ids) - 1)]
        target = ids[begin + 1 : begin + 1 + len(read)]
        found = F.cross_entropy(model(read), target, reduction="none")
        taken = _PLACES[mistake](found, window, stride, begin > 0)
        losses = torch.cat([losses, taken])
        if mistake == "one window":
            break
        begin += stride
    return losses, losses.sum() / math.log(2) / widths[1:].sum()


_BITS = {
    "nats": lambda losses, w: losses.sum() / w[1:].sum(),
    "log 2 multiplied": lambda losses, w: (
        losses.sum() * math.log(2) / w[1:].sum()
    ),
    "log10": lambda losses, w: losses.sum() / math.log(10) / w[1:].sum(),
    "log2 of the sum": lambda losses, w: losses.sum().log2() / w[1:].sum(),
    "per token": lambda losses, w: losses.mean() / math.log(2),
    "per token of all": lambda losses, w: losses.sum() / math.log(2) / len(w),
    "kinds of token": lambda losses, w: (
        losses.sum() / math.log(2) / (w[1:] > 0).sum()
    ),
    "bytes of the first": lambda losses, w: (
        losses.sum() / math.log(2) / w.sum()
    ),
    "bytes of the last": lambda losses, w: (
        losses.sum() / math.log(2) / w[:-1].sum()
    ),
    "times the bytes": lambda losses, w: (
        losses.mean() / math.log(2) * w[1:].double().mean()
    ),
    "nats of the text": lambda losses, w: losses.sum(),
    "nats per token": lambda losses, w: losses.mean(),
    "nats and eighths": lambda losses, w: losses.sum() / w[1:].sum() / 8,
    "by the mean of bytes": lambda losses, w: (
        losses.sum() / math.log(2) / w[1:].double().mean()
    ),
    "whole": lambda losses, w: losses.sum() / math.log(2),
    "perplexity": lambda losses, w: losses.mean().exp(),
    "perplexity of a byte": lambda losses, w: (
        losses.sum() / w[1:].sum()
    ).exp(),
    "exponentials of losses": lambda losses, w: (
        losses.exp().log2().sum() / w[1:].sum()
    ),
    "each by its bytes": lambda losses, w: (
        (losses / w[1:].clamp(min=1)).mean() / math.log(2)
    ),
    "each by its bytes, inf": lambda losses, w: (
        (losses / w[1:]).mean() / math.log(2)
    ),
    "each by its bytes, summed": lambda losses, w: (
        (losses / w[1:].clamp(min=1)).sum() / math.log(2)
    ),
    "each by its bytes, real": lambda losses, w: (
        (losses / w[1:])[w[1:] > 0].mean() / math.log(2)
    ),
    "weighed by bytes": lambda losses, w: (
        (losses * w[1:]).sum() / math.log(2) / w[1:].sum()
    ),
    "mean over mean of all": lambda losses, w: (
        losses.mean() / math.log(2) / w.double().mean()
    ),
    "no width, no loss": lambda losses, w: (
        losses[w[1:] > 0].sum() / math.log(2) / w[1:].sum()
    ),
    "no width is one": lambda losses, w: (
        losses.sum() / math.log(2) / w[1:].clamp(min=1).sum()
    ),
    "eighths": lambda losses, w: losses.sum() / math.log(2) / w[1:].sum() / 8,
    "eight times": lambda losses, w: (
        8 * losses.sum() / math.log(2) / w[1:].sum()
    ),
    "bytes per bit": lambda losses, w: (
        w[1:].sum() / (losses.sum() / math.log(2))
    ),
    "last loss lost": lambda losses, w: (
        losses[:-1].sum() / math.log(2) / w[1:].sum()
    ),
}


def _results(losses, lists, widths, mistake):
    if mistake in _BITS:
        return losses, _BITS[mistake](losses, widths)
    count = widths[1:].sum()
    bits = losses.sum() / math.log(2) / count
    if mistake == "twice in the sum":
        bits = torch.cat(lists).sum() / math.log(2) / count
    elif mistake == "twice, divided by its share":
        bits = torch.cat(lists).mean() * len(losses) / math.log(2) / count
    elif mistake == "mean of windows":
        mean = torch.stack([rows.mean() for rows in lists]).mean()
        bits = mean * len(losses) / math.log(2) / count
    elif mistake == "no width dropped":
        losses = losses[widths[1:] > 0]
        bits = losses.sum() / math.log(2) / count
    elif mistake == "no width dropped from the list":
        losses = losses[widths[1:] > 0]
    elif mistake == "exponentials returned":
        losses = losses.exp()
    elif mistake == "losses in bits":
        losses = losses / math.log(2)
    elif mistake == "first loss 0":
        losses = torch.cat([torch.zeros(1), losses])
    elif mistake == "exchanged":
        return bits, losses
    elif mistake == "bits alone":
        return bits
    elif mistake == "a list":
        return list(losses), bits
    return losses, bits
