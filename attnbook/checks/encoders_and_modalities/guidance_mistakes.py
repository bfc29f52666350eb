"""What goes wrong when a generator is guided."""

from __future__ import annotations

import torch


def _factor(w, convention, mistake):
    """How far to go from the pass without a label towards that with it."""
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
    if mistake == "one more, minus u":
        return (1 + s) * c - u
    if mistake == "one too many, both":
        return (1 + s) * c - s * u
    if mistake == "sum":
        return u + s * c
    if mistake == "minus sum":
        return s * c - u
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
    elif mistake == "null is last":
        nothing = torch.full_like(label, len(model.labels) - 1)
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
    for n in range(count):
        t = _time(n, steps, mistake)
        at = start if mistake == "always the start" else x
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


_RULE = "v = without + s · (with − without)."
_FACTORS = 's is w for "scale" and 1 + w for "extra".'
_NULL = "Without a caption, every row gets the label `null`."
_STEP = "x becomes x + v / steps, at the times 0, 1/steps, 2/steps, …"
_KNOWN = "Where `known` is False both passes get `null`, and v is without."

MISTAKES = [
    (
        "sign",
        "guidance with the wrong sign",
        "You go away from the label: your difference is without − with.",
        _RULE,
    ),
    (
        "swapped",
        "the two passes swapped",
        "The pass with the label and the one without have changed places.",
        _RULE,
        "from the labelled, minus",
        "mask on the wrong pass",
    ),
    (
        "from the labelled",
        "begun at the pass with the label",
        "You add s times the difference to the pass *with* the label. That "
        "is one difference too many.",
        _RULE,
        "one too many, both",
    ),
    (
        "difference alone",
        "the difference alone",
        "Your velocity is s times the difference. What it is added to is "
        "missing.",
        _RULE,
    ),
    (
        "labelled scaled",
        "the pass with the label scaled",
        "You multiplied the pass with the label by s. The pass without one "
        "is missing.",
        _RULE,
        "zeros for none",
    ),
    (
        "sum",
        "a sum in place of a difference",
        "You added s times the pass with the label to the pass without.",
        _RULE,
    ),
    (
        "minus sum",
        "only one pass scaled",
        "You subtract the pass without a label once. Its factor is s − 1.",
        _RULE,
    ),
    (
        "averaged",
        "a mean of the two passes",
        "You averaged the two passes with weights. Guidance goes beyond "
        "the pass with the label.",
        _RULE,
    ),
    (
        "rescaled",
        "the velocity brought to another length",
        "You gave the velocity the length of the one with the label.",
        _RULE,
    ),
    (
        "always scale",
        "one convention for both: w",
        "You use s = w whatever `convention` says.",
        _FACTORS,
    ),
    (
        "always extra",
        "one convention for both: 1 + w",
        "You use s = 1 + w whatever `convention` says.",
        _FACTORS,
    ),
    (
        "conventions swapped",
        "the two conventions swapped",
        'You use 1 + w for "scale" and w for "extra".',
        _FACTORS,
    ),
    (
        "extra minus",
        "w − 1 for the second convention",
        'You use s = w − 1 for "extra".',
        _FACTORS,
    ),
    (
        "extra one minus",
        "1 − w for the second convention",
        'You use s = 1 − w for "extra".',
        _FACTORS,
    ),
    (
        "scale minus",
        "one too little in both conventions",
        'You use w − 1 for "scale" and w for "extra".',
        _FACTORS,
    ),
    (
        "no guidance",
        "no guidance at all",
        "Your velocity is that with the label, whatever w is. Either w is "
        "unused, or both passes get the label and their difference is 0.",
        _RULE,
        "label in both",
    ),
    (
        "nothing asked",
        "the label unused",
        "You take the pass without a label alone.",
        _RULE,
        "null in both",
    ),
    (
        "at least 1",
        "a scale of at least 1",
        "You do not let s fall below 1. A scale of 0.5 or of 0 is fine.",
        _FACTORS,
    ),
    (
        "label in both, mask unused",
        "the label in both passes, and in rows without a caption",
        "The pass that should have no label gets the label too, and so do "
        "rows without a caption.",
        _NULL,
    ),
    (
        "null is 0",
        "label 0 taken for no caption",
        "You take label 0 for no caption. The argument `null` says which "
        "one it is.",
        _NULL,
    ),
    (
        "null is last",
        "the last label taken for no caption",
        "You take the last label for no caption. The argument `null` says "
        "which one it is.",
        _NULL,
    ),
    (
        "null is the first label",
        "another row's label taken for no caption",
        "The pass without a label gets the label of the first row.",
        _NULL,
    ),
    (
        "null is rolled",
        "labels shuffled in place of none",
        "The pass without a label gets the labels of other rows.",
        _NULL,
    ),
    (
        "mean of none",
        "one velocity without a label for the batch",
        "You averaged the pass without a label over the batch.",
        "Each row has a pass without a label of its own.",
    ),
    (
        "mask unused",
        "`known` unused",
        "Rows without a caption are guided by what stands in `label`.",
        _KNOWN,
    ),
    (
        "unknown keep their label",
        "rows without a caption get their label",
        "Rows without a caption get what stands in `label`, in both passes.",
        _KNOWN,
    ),
    (
        "mask inverted",
        "`known` the other way round",
        "You take away the label where `known` is True.",
        _KNOWN,
    ),
    (
        "all or none",
        "one decision for the whole batch",
        "If one row has no caption, all rows lose theirs.",
        "torch.where(known, label, null), row by row.",
    ),
    (
        "any",
        "`known` asked for the whole batch",
        "If one row has a caption, all rows are guided by their labels.",
        "torch.where(known, label, null), row by row.",
    ),
    (
        "zeros for unknown",
        "label 0 for rows without a caption",
        "Rows without a caption get the label 0. They should get `null`.",
        _KNOWN,
    ),
    (
        "unknown stand still",
        "rows without a caption stand still",
        "Rows without a caption get a velocity of 0.",
        _KNOWN,
    ),
    (
        "unknown scaled",
        "rows without a caption scaled",
        "You multiply the velocity by s where there is no caption.",
        _KNOWN,
    ),
    (
        "not divided",
        "whole steps",
        "You add the whole velocity at each step.",
        _STEP,
    ),
    (
        "backwards",
        "steps backwards",
        "You subtract the velocity.",
        _STEP,
    ),
    (
        "velocity in place of x",
        "x replaced by the velocity",
        "Each step throws x away and takes the velocity for it.",
        _STEP,
    ),
    (
        "share in place of x",
        "a share of the velocity in place of x",
        "Each step throws x away and takes v / steps for it.",
        _STEP,
    ),
    (
        "divided by the steps left",
        "divided by the steps that are left",
        "Your steps grow. They all have the length 1/steps.",
        _STEP,
    ),
    (
        "half steps",
        "divided by one step more",
        "You divide by steps + 1.",
        _STEP,
    ),
    (
        "a step too few",
        "a step too few",
        "The last step is missing.",
        _STEP,
    ),
    (
        "a step too many",
        "a step too many",
        "You take a step too many.",
        _STEP,
    ),
    (
        "one step",
        "the first step alone",
        "You take one step, of length 1/steps, whatever `steps` is.",
        _STEP,
    ),
    (
        "always the start",
        "every step from the start",
        "The model sees the x of the start in every step.",
        "The model gets the x that the last step has led to.",
    ),
    (
        "plain start for none",
        "the pass without a label at the start",
        "The pass without a label sees the x of the start in every step.",
        "Both passes get the x that the last step has led to.",
    ),
    (
        "none after a step",
        "the two passes at different x",
        "The pass without a label sees an x that has already moved.",
        "Both passes get the same x.",
    ),
    (
        "other time for none",
        "the two passes at different times",
        "The pass without a label is one step later.",
        "Both passes get the same time.",
    ),
    (
        "time from the end",
        "time from 1 to 0",
        "Your time runs from 1 down to 0.",
        _STEP,
    ),
    (
        "time at the end of a step",
        "the time at the end of a step",
        "You use the time at the end of each step.",
        _STEP,
    ),
    (
        "time in the middle",
        "the time in the middle of a step",
        "You use the time in the middle of each step.",
        _STEP,
    ),
    (
        "step as time",
        "the number of the step as time",
        "You give the model 0, 1, 2, … for the time.",
        _STEP,
    ),
    (
        "time stands",
        "time that stands still",
        "The model gets the time 0 in every step.",
        _STEP,
    ),
    (
        "linspace",
        "times from 0 to 1, both counted",
        "Your last step is taken at the time 1. It begins at 1 − 1/steps.",
        _STEP,
    ),
    (
        "clipped",
        "x clipped",
        "You keep x between −1 and 1. Nobody asked for that.",
        _STEP,
    ),
    (
        "velocity returned",
        "the velocity returned",
        "You return the last velocity, not x.",
        "The last line returns the x that the last step has led to.",
    ),
    (
        "change returned",
        "the change returned",
        "You return how far x has moved, not x.",
        "The last line returns the x that the last step has led to.",
    ),
    (
        "squeezed",
        "an axis lost for one picture",
        "For one picture you return (D,). The axis of the batch stays.",
        "squeeze() drops every axis of size 1.",
    ),
    (
        "first row for all",
        "the first picture's velocity for all",
        "All pictures move with the velocity of the first one.",
        "Keep the axis of the batch.",
    ),
    (
        "one more, minus u",
        "two factors that do not add up to 1",
        "You took (1 + s) times the pass with the label minus the pass "
        "without. The two factors have to add up to 1.",
        _RULE,
    ),
    ("one over w", "divided by w", "You use s = 1/w.", _FACTORS),
    (
        "time from the end, late",
        "time from the end, a step late",
        "Your time runs down, and ends with 0.",
        _STEP,
    ),
    (
        "time is 1",
        "the time 1 in every step",
        "The model gets the time 1 in every step.",
        _STEP,
    ),
    (
        "time in percent",
        "time in per cent",
        "Your time runs from 0 to 100.",
        _STEP,
    ),
    (
        "label for none",
        "rows without a caption guided by their label",
        "The pass without a label gets what stands in `label`.",
        _NULL,
    ),
    (
        "label for both, masked once",
        "`known` used in one pass alone",
        "One pass gets all labels, and the other those of rows with a "
        "caption. The second should have none at all.",
        _NULL,
    ),
    (
        "growing steps",
        "steps that grow",
        "Your steps grow with n. They all have the length 1/steps.",
        _STEP,
    ),
    (
        "steps from 0",
        "steps that grow from 0",
        "Your steps grow with n, and the first one has the length 0.",
        _STEP,
    ),
    (
        "first step skipped",
        "the first step missing",
        "The first step does not move x.",
        _STEP,
    ),
    (
        "noise added",
        "divided by the square root of the steps",
        "You divide by the square root of `steps`.",
        _STEP,
    ),
]
