"""Wrong answers to the exercises of chapter 11, written as learners do."""

import math

import pytest
import torch
import torch.nn.functional as F
from unforeseen import assert_told_by_its_numbers
from verdicts import named, parts_of

from attnbook.checks.encoders_and_modalities import EXERCISES

# -- what nobody foresaw -----------------------------------------------------


def with_louder_logits(tokens, special, draws, rate, first, mask_id, logits):
    right = EXERCISES["11-masking"].reference
    return right(
        tokens, special, draws, rate, first, mask_id, 1.3 * logits + 0.2
    )


def with_brighter_pictures(pictures, weight, bias):
    return EXERCISES["11-patches"].reference(1.1 * pictures, weight, bias)


def with_a_margin(picture, caption, labels, names, log_scale):
    right = EXERCISES["11-contrastive"].reference
    loss, scores = right(picture, caption, labels, names, log_scale)
    return loss + 0.2, scores


def with_a_third_of_w(model, x, label, known, null, w, convention, steps):
    right = EXERCISES["11-guidance"].reference
    w = w / 3 + 0.1
    return right(model, x, label, known, null, w, convention, steps)


@pytest.mark.parametrize(
    ("grade_id", "answer"),
    [
        ("11-masking", with_louder_logits),
        ("11-patches", with_brighter_pictures),
        ("11-contrastive", with_a_margin),
        ("11-guidance", with_a_third_of_w),
    ],
)
def test_what_nobody_foresaw_is_told_by_its_numbers(grade_id, answer):
    assert_told_by_its_numbers(EXERCISES[grade_id].diagnose(answer))


# -- masking -----------------------------------------------------------------


def hidden(
    tokens,
    special,
    draws,
    rate,
    first,
    mask_id,
    logits,
    is_mask=lambda kind: kind < 0.8,
    is_other=lambda kind: (kind >= 0.8) & (kind < 0.9),
    random=lambda u, first, V: first + (u * (V - first)).long(),
    allowed=lambda special: ~special,
    loss=None,
    targets=lambda tokens, shown: tokens,
    results=lambda *results: results,
):
    """Hide tokens step by step; each step can go wrong."""
    V = logits.shape[-1]
    chosen = (draws["choose"] < rate) & allowed(special)
    mask = chosen & is_mask(draws["kind"])
    other = chosen & is_other(draws["kind"])
    shown = tokens.clone()
    shown[mask] = mask_id
    shown[other] = random(draws["other"], first, V)[other]
    each = F.cross_entropy(
        logits.transpose(1, 2), targets(tokens, shown), reduction="none"
    )
    if loss is None:
        value = each[chosen].mean() if chosen.any() else each.sum() * 0
    else:
        value = loss(each, chosen, mask, other)
    return results(shown, chosen, value)


def variant(**changes):
    return lambda *inputs: hidden(*inputs, **changes)


MASKED = [
    (
        variant(is_mask=lambda k: k < 2, is_other=lambda k: k > 2),
        "the mask at every chosen place",
    ),
    (variant(is_other=lambda k: k >= 0.8), "no token kept"),
    (variant(is_other=lambda k: k >= 0.9), "random and kept places swapped"),
    (variant(is_other=lambda k: k < 0.1), "random tokens over masks"),
    (variant(is_other=lambda k: k < 0), "no random token"),
    (
        variant(random=lambda u, first, V: (u * (V - first)).long()),
        "random tokens counted from 0",
    ),
    (
        variant(
            random=lambda u, first, V: first + (u * (V - 1 - first)).long()
        ),
        "the last token never drawn",
    ),
    (
        variant(allowed=lambda special: special),
        "special tokens alone chosen",
    ),
    (
        variant(loss=lambda each, chosen, mask, other: each[chosen].sum()),
        "a sum over the chosen places",
    ),
    (
        variant(loss=lambda each, chosen, mask, other: each[chosen].mean()),
        "nothing divided by nothing",
    ),
    (
        variant(loss=lambda each, chosen, mask, other: each.mean()),
        "a loss over all places",
    ),
    (
        variant(loss=lambda each, chosen, mask, other: (each * chosen).mean()),
        "divided by all places",
    ),
    (
        variant(
            loss=lambda each, chosen, mask, other: (
                (each * mask).sum() / mask.sum().clamp(min=1)
            )
        ),
        "a loss over the masked places alone",
    ),
    (
        variant(
            loss=lambda each, chosen, mask, other: (
                (each * (mask | other)).sum()
                / (mask | other).sum().clamp(min=1)
            )
        ),
        "a loss without the kept places",
    ),
    (
        variant(
            results=lambda shown, chosen, loss: (shown, ~chosen, loss),
        ),
        "chosen returned the other way round",
    ),
]


def test_masking_step_by_step_is_right():
    assert EXERCISES["11-masking"].diagnose(hidden) is None


@pytest.mark.parametrize(("answer", "name"), MASKED)
def test_wrong_masks_are_named(answer, name):
    assert named(EXERCISES["11-masking"], answer) == name


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        (
            {"allowed": lambda special: special | True},
            "special tokens are chosen",
        ),
        (
            {
                "is_mask": lambda k: k < k * 0.8,
                "is_other": lambda k: k < 0.9,
            },
            "a mask that never masks",
        ),
        (
            {"is_mask": lambda k: k < k * 0.8},
            "no mask at all",
        ),
        (
            {"random": lambda u, first, V: (u * V).long()},
            "random tokens that are special",
        ),
        (
            {"targets": lambda tokens, shown: shown},
            "targets taken from what is shown",
        ),
    ],
)
def test_a_bug_that_is_left_is_named(changes, name):
    answer = variant(**changes)
    assert named(EXERCISES["11-masking"], answer) == name
    assert parts_of(EXERCISES["11-masking"], answer) == ["two", "four"]


def test_writing_into_the_tokens_is_told():
    def in_place(tokens, special, draws, rate, first, mask_id, logits):
        right = EXERCISES["11-masking"].reference
        found = right(tokens, special, draws, rate, first, mask_id, logits)
        tokens.copy_(found[0])
        return found

    found = EXERCISES["11-masking"].diagnose(in_place)
    assert "in place" in found.message


# -- patches -----------------------------------------------------------------


def cut_and_multiplied(
    pictures,
    weight,
    bias,
    pad=lambda x, P, Q: F.pad(x, (0, -x.shape[3] % Q, 0, -x.shape[2] % P)),
    order=(0, 2, 4, 1, 3, 5),
    flat=lambda weight: weight.flatten(1).T,
    last=lambda tokens: tokens,
):
    B, C = pictures.shape[:2]
    P, Q = weight.shape[-2:]
    x = pad(pictures, P, Q)
    h, w = x.shape[2] // P, x.shape[3] // Q
    x = x[:, :, : h * P, : w * Q].reshape(B, C, h, P, w, Q).permute(order)
    x = x.reshape(B, h * w, C * P * Q)
    return last(x @ flat(weight) + bias)


def by_reshape_alone(pictures, weight, bias):
    P, Q = weight.shape[-2:]
    H, W = pictures.shape[2:]
    x = F.pad(pictures, (0, -W % Q, 0, -H % P))
    size = weight[0].numel()
    return x.reshape(len(x), -1, size) @ weight.flatten(1).T + bias


def columns_outside(pictures, weight, bias):
    H, W = pictures.shape[2:]
    P, Q = weight.shape[2:]
    x = F.pad(pictures, (0, -W % Q, 0, -H % P))
    found = [
        torch.einsum("bcpq,dcpq->bd", x[:, :, i : i + P, j : j + Q], weight)
        for j in range(0, W, Q)
        for i in range(0, H, P)
    ]
    return torch.stack(found, 1) + bias


def cut(**changes):
    return lambda *inputs: cut_and_multiplied(*inputs, **changes)


CUT = [
    (by_reshape_alone, "pixels taken in the order of memory"),
    (columns_outside, "patches column by column"),
    (cut(pad=lambda x, P, Q: x), "a rest that is cut off"),
    (
        cut(
            pad=lambda x, P, Q: F.pad(
                x, (-x.shape[3] % Q, 0, -x.shape[2] % P, 0)
            )
        ),
        "zeros at the top and left",
    ),
    (
        cut(
            pad=lambda x, P, Q: F.pad(
                x, (0, Q - x.shape[3] % Q, 0, P - x.shape[2] % P)
            )
        ),
        "zeros where nothing is missing",
    ),
    (
        cut(flat=lambda weight: weight.flatten(1).T / weight[0].numel()),
        "a mean in place of a sum",
    ),
    (
        cut(flat=lambda weight: weight.flip(-1, -2).flatten(1).T),
        "the weights turned by half a turn",
    ),
    (
        cut(flat=lambda weight: weight.flip(1).flatten(1).T),
        "channels in the wrong order",
    ),
    (cut(last=lambda tokens: tokens.mT), "features before tokens"),
    (cut(last=lambda tokens: tokens[0]), "only the first picture"),
    (cut(last=torch.squeeze), "axes of size 1 lost"),
    (cut(last=torch.relu), "a non-linearity"),
    (cut(last=lambda tokens: tokens.detach()), "no gradients at all"),
    (
        lambda pictures, weight, bias: cut_and_multiplied(
            pictures, weight, 0 * bias
        ),
        "no bias",
    ),
]


def test_patches_by_reshaping_are_right():
    assert EXERCISES["11-patches"].diagnose(cut_and_multiplied) is None


@pytest.mark.parametrize(("answer", "name"), CUT)
def test_wrong_patches_are_named(answer, name):
    assert named(EXERCISES["11-patches"], answer) == name


def test_who_cuts_off_the_rest_keeps_the_other_parts():
    answer = cut(pad=lambda x, P, Q: x)
    assert parts_of(EXERCISES["11-patches"], answer) == ["full", "gradients"]


def test_a_convolution_is_refused():
    def convolved(pictures, weight, bias):
        found = F.conv2d(pictures, weight, bias, stride=weight.shape[-2:])
        return found.flatten(2).mT

    found = EXERCISES["11-patches"].diagnose(convolved)
    assert found.kind == "forbidden"


# -- pictures and captions ---------------------------------------------------


def matched(
    picture,
    caption,
    labels,
    names,
    log_scale,
    unit=lambda x: x / x.norm(dim=1, keepdim=True),
    factor=lambda s: s.exp().clamp(max=100),
    hits=lambda row, hit: torch.logsumexp(row[hit], 0),
    count=lambda rows, n: sum(rows) / max(len(rows), 1),
    put=lambda a, b: (a + b) / 2,
    matches=lambda labels, names: labels[:, None] == names[None],
):
    scores = unit(picture) @ unit(caption).T * factor(log_scale)
    match = matches(labels, names)

    def half(table, hit):
        rows = [
            torch.logsumexp(row, 0) - hits(row, one)
            for row, one in zip(table, hit, strict=True)
            if one.any()
        ]
        return count(rows, len(table)) + 0 * table.sum()

    return put(half(scores, match), half(scores.T, match.T)), scores


def match_by(**changes):
    return lambda *inputs: matched(*inputs, **changes)


def identity(labels, names):
    return torch.eye(max(len(labels), len(names))).bool()[
        : len(labels), : len(names)
    ]


MATCHED = [
    (match_by(unit=lambda x: x), "vectors of any length"),
    (
        match_by(unit=lambda x: F.normalize(x, dim=0)),
        "unit length along the batch",
    ),
    (match_by(unit=lambda x: x / x.norm()), "one length for the whole batch"),
    (match_by(factor=lambda s: s), "a temperature without its exponential"),
    (match_by(factor=torch.exp), "a scale without a bound"),
    (
        match_by(factor=lambda s: 1 / s.exp().clamp(max=100)),
        "divided by the scale",
    ),
    (
        match_by(factor=lambda s: s.exp().clamp(1, 100)),
        "a scale of at least 1",
    ),
    (
        match_by(hits=lambda row, hit: row[hit].mean()),
        "a mean of logarithms over the matches",
    ),
    (match_by(hits=lambda row, hit: row[hit][0]), "only the first match"),
    (match_by(hits=lambda row, hit: row[hit].max()), "only the best match"),
    (
        match_by(hits=lambda row, hit: torch.logsumexp(row * hit, 0)),
        "zeros where no match is",
    ),
    (match_by(count=lambda rows, n: sum(rows)), "sums in place of means"),
    (
        match_by(count=lambda rows, n: sum(rows) / n),
        "rows without a match in the mean",
    ),
    (match_by(put=lambda a, b: a), "one direction: pictures"),
    (match_by(put=lambda a, b: b), "one direction: captions"),
    (match_by(put=lambda a, b: a + b), "the two directions added"),
    (match_by(put=lambda a, b: -(a + b) / 2), "a loss below 0"),
    (
        match_by(put=lambda a, b: (a + b) / 2 / math.log(2)),
        "bits in place of nats",
    ),
    (match_by(matches=identity), "the diagonal taken for the matches"),
]


def test_matches_row_by_row_are_right():
    assert EXERCISES["11-contrastive"].diagnose(matched) is None


@pytest.mark.parametrize(("answer", "name"), MATCHED)
def test_wrong_matches_are_named(answer, name):
    assert named(EXERCISES["11-contrastive"], answer) == name


def test_a_scale_turned_into_a_number_loses_the_gradients():
    answer = match_by(factor=lambda s: min(math.exp(s.item()), 100))
    assert parts_of(EXERCISES["11-contrastive"], answer) == ["one", "several"]
    assert named(EXERCISES["11-contrastive"], answer) == (
        "no gradient for the scale"
    )


# -- guidance ----------------------------------------------------------------


def stepped(
    model,
    x,
    label,
    known,
    null,
    w,
    convention,
    steps,
    strength=lambda w, convention: w if convention == "scale" else w + 1,
    put=lambda c, u, s: (1 - s) * u + s * c,
    labels=lambda label, known, null: (
        label.masked_fill(~known, null),
        label * 0 + null,
    ),
    time=lambda n, steps: n / steps,
    move=lambda x, v, steps: x + v / steps,
):
    one, none = labels(label, known, null)
    s = strength(w, convention)
    for n in range(steps):
        t = time(n, steps)
        x = move(x, put(model(x, t, one), model(x, t, none), s), steps)
    return x


def step_by(**changes):
    return lambda *inputs: stepped(*inputs, **changes)


GUIDED = [
    (
        step_by(put=lambda c, u, s: u + s * (u - c)),
        "guidance with the wrong sign",
    ),
    (
        step_by(put=lambda c, u, s: c + s * (c - u)),
        "begun at the pass with the label",
    ),
    (step_by(put=lambda c, u, s: c + s * (u - c)), "the two passes swapped"),
    (step_by(put=lambda c, u, s: s * (c - u)), "the difference alone"),
    (step_by(put=lambda c, u, s: s * c - u), "only one pass scaled"),
    (step_by(put=lambda c, u, s: c), "no guidance at all"),
    (
        step_by(strength=lambda w, convention: w),
        "one convention for both: w",
    ),
    (
        step_by(strength=lambda w, convention: 1 + w),
        "one convention for both: 1 + w",
    ),
    (
        step_by(labels=lambda label, known, null: (label, label * 0 + null)),
        "`known` unused",
    ),
    (
        step_by(
            labels=lambda label, known, null: (
                label.masked_fill(known, null),
                label * 0 + null,
            )
        ),
        "`known` the other way round",
    ),
    (
        step_by(
            labels=lambda label, known, null: (
                label.masked_fill(~known, 0),
                label * 0,
            )
        ),
        "label 0 taken for no caption",
    ),
    (step_by(time=lambda n, steps: n), "the number of the step as time"),
    (
        step_by(time=lambda n, steps: (n + 1) / steps),
        "the time at the end of a step",
    ),
    (step_by(time=lambda n, steps: 1 - n / steps), "time from 1 to 0"),
    (step_by(time=lambda n, steps: 0.0), "time that stands still"),
    (step_by(move=lambda x, v, steps: x + v), "whole steps"),
    (step_by(move=lambda x, v, steps: x - v / steps), "steps backwards"),
    (
        step_by(move=lambda x, v, steps: v / steps),
        "a share of the velocity in place of x",
    ),
]


def test_guidance_step_by_step_is_right():
    assert EXERCISES["11-guidance"].diagnose(stepped) is None


@pytest.mark.parametrize(("answer", "name"), GUIDED)
def test_wrong_guidance_is_named(answer, name):
    assert named(EXERCISES["11-guidance"], answer) == name
