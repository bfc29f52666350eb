"""Code that guides a generator wrongly."""

from __future__ import annotations

import torch


def _factor(w, convention, mistake):
    """How far to go from the pass without a label towards that with it."""
    if mistake == "whole w":
        w = int(w)
    if mistake == "always scale":
        return w
    if mistake == "always extra":
        return 1 + w
    if mistake == "conventions swapped":
        return 1 + w if convention == "scale" else w
    if mistake == "extra minus":
        return w if convention == "scale" else w - 1
    if mistake == "extra one minus":
        return w if convention == "scale" else 1 - w
    if mistake == "scale minus":
        return w - 1 if convention == "scale" else w
    if mistake == "one over w":
        return 1 / w if w else 0.0
    if mistake == "no guidance":
        return 1.0
    if mistake == "nothing asked":
        return 0.0
    if mistake == "extra two":
        return w if convention == "scale" else 2 + w
    if mistake == "extra doubled":
        return w if convention == "scale" else 2 * w
    if mistake == "extra negative":
        return w if convention == "scale" else -w
    if mistake == "at least 1":
        w = max(w, 1.0) if convention == "scale" else w
    return w if convention == "scale" else 1 + w


def _velocity(c, u, s, mistake):
    if mistake == "sign":
        return u + s * (u - c)
    if mistake == "from the labelled":
        return c + s * (c - u)
    if mistake == "from the labelled, minus":
        return c - s * (c - u)
    if mistake == "swapped":
        return c + s * (u - c)
    if mistake == "difference alone":
        return s * (c - u)
    if mistake == "labelled scaled":
        return s * c
    if mistake == "plain mean":
        return (c + u) / 2
    if mistake == "both added":
        return s * c + (s - 1) * u
    if mistake == "c minus s u":
        return c - s * u
    if mistake == "squared":
        return u + s**2 * (c - u)
    if mistake == "half":
        return u + s / 2 * (c - u)
    if mistake == "twice":
        return u + 2 * s * (c - u)
    if mistake == "one more, minus u":
        return (1 + s) * c - u
    if mistake == "one too many, both":
        return (1 + s) * c - s * u
    if mistake == "sum":
        return u + s * c
    if mistake == "minus sum":
        return s * c - u
    if mistake == "absolute":
        return u + s * (c - u).abs()
    if mistake == "one too many from the labelled":
        return c + (1 + s) * (c - u)
    if mistake == "averaged":
        return (u + s * c) / (1 + s)
    if mistake == "rescaled":
        v = u + s * (c - u)
        return (
            v
            * c.norm(dim=-1, keepdim=True)
            / v.norm(dim=-1, keepdim=True).clamp(min=1e-9)
        )
    return u + s * (c - u)


def _time(n, steps, mistake):
    if mistake == "time from the end":
        return 1 - n / steps
    if mistake == "time at the end of a step":
        return (n + 1) / steps
    if mistake == "time from the end, late":
        return 1 - (n + 1) / steps
    if mistake == "time is 1":
        return 1.0
    if mistake == "time short of the end":
        return n / (steps + 1)
    if mistake == "time in percent":
        return 100 * n / steps
    if mistake == "time in the middle":
        return (n + 0.5) / steps
    if mistake == "step as time":
        return float(n)
    if mistake == "time stands":
        return 0.0
    if mistake == "linspace":
        return n / max(steps - 1, 1)
    return n / steps


def mistaken(model, x, label, known, null, w, convention, steps, mistake):
    """What the steps lead to, (B, D), with one mistake."""
    s = _factor(w, convention, mistake)
    nothing = torch.full_like(label, null)
    if mistake == "null is 0":
        nothing = torch.zeros_like(label)
    elif mistake == "null is the first label":
        nothing = label[:1].expand_as(label)
    elif mistake == "null is rolled":
        nothing = label.roll(1)
    asked = torch.where(known, label, nothing)
    if mistake == "mask unused":
        asked = label
    elif mistake == "mask inverted":
        asked = torch.where(known, nothing, label)
    elif mistake == "all or none":
        asked = label if known.all() else nothing
    elif mistake == "any":
        asked = label if known.any() else nothing
    elif mistake == "zeros for unknown":
        asked = label * known
    rest = nothing
    if mistake == "label in both":
        rest = asked
    elif mistake == "label in both, mask unused":
        asked = rest = label
    elif mistake == "null in both":
        asked = nothing
    elif mistake == "unknown keep their label":
        rest = torch.where(known, nothing, label)
        asked = torch.where(known, label, label)
    elif mistake == "label for none":
        rest = label
    elif mistake == "label for both, masked once":
        asked, rest = label, torch.where(known, label, nothing)
    elif mistake == "mask on the wrong pass":
        rest, asked = torch.where(known, label, nothing), nothing
    if mistake == "shapeless":
        asked = asked[:1]
    start, last = x, torch.zeros_like(x)
    count = steps
    if mistake == "a step too few":
        count = steps - 1
    elif mistake == "a step too many":
        count = steps + 1
    elif mistake == "one step":
        count = 1
    if mistake == "two paths":
        paths = []
        for one in (rest, asked):
            y = x
            for n in range(steps):
                y = y + model(y, n / steps, one) / steps
            paths.append(y)
        return paths[0] + s * (paths[1] - paths[0])
    for n in range(count):
        t = _time(n, steps, mistake)
        t = 0.0 if mistake == "asked once" else t
        at = start if mistake in ("always the start", "asked once") else x
        c = model(at, t, asked)
        u = model(at, t, rest)
        if mistake == "plain start for none":
            u = model(start, t, rest)
        elif mistake == "zeros for none":
            u = torch.zeros_like(c)
        elif mistake == "other time for none":
            u = model(at, (n + 1) / steps, rest)
        elif mistake == "mean of none":
            u = u.mean(0, keepdim=True)
        elif mistake == "none after a step":
            u = model(at + c / steps, t, rest)
        v = _velocity(c, u, s, mistake)
        if mistake == "unknown stand still":
            v = v * known[:, None]
        elif mistake == "unknown scaled":
            v = torch.where(known[:, None], v, s * u)
        if mistake == "first row for all":
            v = v[:1].expand_as(x)
        last = v
        if mistake == "not divided":
            x = x + v
        elif mistake == "backwards":
            x = x - v / steps
        elif mistake == "velocity in place of x":
            x = v
        elif mistake == "share in place of x":
            x = v / steps
        elif mistake == "divided by the steps left":
            x = x + v / (steps - n)
        elif mistake == "shrinking steps":
            x = x + v / (n + 1)
        elif mistake == "x shrunk":
            x = x * (1 - 1 / steps) + v / steps
        elif mistake == "one division too few":
            x = x + v / max(steps - 1, 1)
        elif mistake == "times the steps":
            x = x + v * steps
        elif mistake == "the pass without first":
            x = x + (1 - s) * u / steps
            x = x + s * model(x, t, asked) / steps
        elif mistake == "one pass after the other":
            x = x + s * c / steps
            x = x + (1 - s) * model(x, t, rest) / steps
        elif mistake == "divided twice":
            x = x + v / steps**2
        elif mistake == "all divided":
            x = (x + v) / steps
        elif mistake == "growing steps":
            x = x + v * (n + 1) / steps
        elif mistake == "steps from 0":
            x = x + v * n / steps
        elif mistake == "first step skipped":
            x = x + v / steps if n else x
        elif mistake == "noise added":
            x = x + v / steps**0.5
        elif mistake == "half steps":
            x = x + v / (steps + 1)
        elif mistake == "in place":
            x += v / steps
        elif mistake == "clipped":
            x = (x + v / steps).clamp(-1, 1)
        else:
            x = x + v / steps
    if mistake == "velocity returned":
        return last
    if mistake == "change returned":
        return x - start
    if mistake == "start returned":
        return start
    if mistake == "mean step":
        return x / steps
    if mistake == "squeezed":
        return x.squeeze(0)
    return x
