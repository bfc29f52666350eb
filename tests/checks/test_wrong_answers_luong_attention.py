"""Wrong answers to the exercises of chapter 02 that are no known mistake."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from unforeseen import assert_told_by_its_numbers

from attnbook.checks.luong_attention import EXERCISES
from attnbook.mechanisms.additive import masked_softmax


def a_tent_for_a_bell(query, key, value, mask, W, D):
    T = query.shape[1]
    key, value = (F.pad(x, (0, 0, D, D)) for x in (key @ W.T, value))
    allowed = F.pad(mask, (D, D))
    window = torch.arange(T)[:, None] + torch.arange(2 * D + 1)
    scores = (key[:, window] @ query[..., None]).squeeze(-1)
    tent = 1 - torch.arange(-D, D + 1).abs() / (D + 1)
    weights = masked_softmax(scores, allowed[:, window]) * tent
    return (weights[..., None] * value[:, window]).sum(2), weights


def lengths_by_the_largest_entry(query, key, value, mask, log_scale, eps=1e-6):
    query, key = (
        x / (x.abs().amax(-1, keepdim=True) ** 2 + eps).sqrt()
        for x in (query, key)
    )
    scores = log_scale.exp() * query @ key.mT
    weights = masked_softmax(scores, mask[:, None])
    return weights @ value, weights


def half_of_the_past(query, key, value, mask, W):
    scores = query @ (key @ W.T).mT
    past = F.pad(scores.logcumsumexp(1)[:, :-1], (0, 0, 1, 0))
    weights = masked_softmax(scores - past / 2, mask[:, None])
    return weights @ value, weights


def the_weights_and_the_centre(scores, raw, lengths, D, upstream):
    return scores.softmax(-1) * upstream, lengths[:, None] * raw.sigmoid()


UNFORESEEN = {
    "02-banded-attention": a_tent_for_a_bell,
    "02-cosine-attention": lengths_by_the_largest_entry,
    "02-temporal-attention": half_of_the_past,
    "02-window-backward": the_weights_and_the_centre,
}


def bell(squares, D):
    return torch.exp(-squares / (2 * (D / 2) ** 2))


def a_window(
    query,
    key,
    value,
    mask,
    W,
    D,
    output_of=None,
    softmax=masked_softmax,
    gaussian=bell,
):
    """The band, and an output of its weights or of the softmax's."""
    T = query.shape[1]
    key, value = (F.pad(x, (0, 0, D, D)) for x in (key @ W.T, value))
    window = torch.arange(T)[:, None] + torch.arange(2 * D + 1)
    scores = (key[:, window] @ query[..., None]).squeeze(-1)
    inner = softmax(scores, F.pad(mask, (D, D))[:, window])
    weights = inner * gaussian(torch.arange(-D, D + 1) ** 2, D)
    blend = inner if output_of == "softmax" else weights
    return (blend[..., None] * value[:, window]).sum(2), weights


def padding_read(query, key, value, mask, W, D):
    return a_window(query, key, value, mask | True, W, D)


def blended_before(query, key, value, mask, W, D):
    return a_window(query, key, value, mask, W, D, output_of="softmax")


def windows_without_gaps(query, key, value, mask, W, D):
    """Each row of weights begins with the first key that there is."""
    T, S = query.shape[1], key.shape[1]
    outputs = []
    weights = torch.zeros(len(query), T, 2 * D + 1)
    for t in range(T):
        near = torch.arange(max(0, t - D), min(S, t + D + 1))
        scores = ((query[:, t] @ W)[:, None] * key[:, near]).sum(-1)
        inner = masked_softmax(scores, mask[:, near])
        row = inner * bell((near - t) ** 2, D)
        weights[:, t, : len(near)] = row
        outputs.append((row[..., None] * value[:, near]).sum(1))
    return torch.stack(outputs, 1), weights


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (padding_read, "padding inside the window"),
        (blended_before, "an output without the Gaussian"),
        (windows_without_gaps, "windows moved up at the front"),
        (
            partial(a_window, softmax=lambda s, m: (s * m).softmax(-1)),
            "a score of 0 for what is blocked",
        ),
        (
            partial(a_window, softmax=lambda s, m: bare_exponentials(s, m)),
            "exponentials that overflow",
        ),
        (
            partial(a_window, gaussian=lambda x, D: torch.exp(-x / D**2)),
            "the 2 is squared too",
        ),
        (
            partial(
                a_window,
                gaussian=lambda x, D: torch.exp(-x / 2 * (D / 2) ** 2),
            ),
            "a product for a division",
        ),
        (
            partial(
                a_window,
                gaussian=lambda x, D: bell(x, 2 * max(D // 2, 1)),
            ),
            "a σ that is rounded",
        ),
    ],
)
def test_one_slip_in_a_mended_draft_costs_one_point(answer, name):
    exercise = EXERCISES["02-banded-attention"]
    assert exercise.diagnose(answer, "five").mistake == name
    assert exercise.diagnose(answer, "four") is None


@pytest.mark.parametrize("grade_id", UNFORESEEN)
def test_what_nobody_foresaw_is_told_by_its_numbers(grade_id):
    diagnosis = EXERCISES[grade_id].diagnose(UNFORESEEN[grade_id])
    assert_told_by_its_numbers(diagnosis)


def test_a_gradient_by_autograd_is_refused():
    def by_autograd(scores, raw, lengths, D, upstream):
        inputs = scores.requires_grad_(), raw.requires_grad_()
        centre = lengths[:, None] * raw.sigmoid()
        distance = torch.arange(scores.shape[-1]) - centre[..., None]
        weights = scores.softmax(-1) * torch.exp(-2 * (distance / D) ** 2)
        return torch.autograd.grad(weights, inputs, upstream)

    exercise = EXERCISES["02-window-backward"]
    assert exercise.diagnose(by_autograd).kind == "forbidden"


def test_a_mean_of_the_past_is_as_good_as_its_sum():
    """What a whole row shares, softmax does not see."""
    exercise = EXERCISES["02-temporal-attention"]
    mean = [a for a in exercise.right_answers if "mean" in a.__name__]
    assert exercise.diagnose(mean[0]) is None


def cosine(weights_of):
    def cosine_attention(query, key, value, mask, log_scale, eps=1e-6):
        query, key = (
            x / (x.square().sum(-1, keepdim=True) + eps).sqrt()
            for x in (query, key)
        )
        scores = log_scale.exp() * query @ key.mT
        weights = weights_of(scores, mask[:, None])
        return weights @ value, weights

    return cosine_attention


def struck_out(scores, allowed):
    weights = scores.softmax(-1) * allowed
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)


def far_below(scores, allowed):
    return scores.masked_fill(~allowed, -1e9).softmax(-1)


@pytest.mark.parametrize(
    ("weights_of", "name"),
    [
        (struck_out, "a mask after the exponentials"),
        (far_below, "-1e9 in place of -inf"),
    ],
)
def test_a_mask_of_cosines_is_told_by_what_it_loses(weights_of, name):
    exercise = EXERCISES["02-cosine-attention"]
    diagnosis = exercise.diagnose(cosine(weights_of))
    assert diagnosis.mistake == name, diagnosis.message
    assert exercise.diagnose(cosine(weights_of), "values") is None


def test_a_past_of_bare_exponentials_is_told_to_overflow():
    def temporal_attention(query, key, value, mask, W):
        scores = query @ W @ key.mT
        past = scores.exp().cumsum(1)[:, :-1].log()
        scores = scores - F.pad(past, (0, 0, 1, 0))
        weights = masked_softmax(scores, mask[:, None])
        return weights @ value, weights

    exercise = EXERCISES["02-temporal-attention"]
    diagnosis = exercise.diagnose(temporal_attention)
    assert diagnosis.mistake == "exponentials that overflow"
    assert exercise.diagnose(temporal_attention, "values") is None


def below_any_score(scores, allowed):
    weights = scores.masked_fill(~allowed, -300.0).softmax(-1)
    return weights * allowed.any(-1, keepdim=True)


def test_padding_lies_below_what_was_read_with_200():
    def temporal_attention(query, key, value, mask, W):
        scores = query @ W @ key.mT
        past = F.pad(scores.logcumsumexp(1)[:, :-1], (0, 0, 1, 0))
        weights = below_any_score(scores - past, mask[:, None])
        return weights @ value, weights

    exercise = EXERCISES["02-temporal-attention"]
    diagnosis = exercise.diagnose(temporal_attention, "bounds")
    assert diagnosis.mistake == "-100 in place of -inf", diagnosis.message
    assert exercise.diagnose(temporal_attention, "values") is None


def test_nan_of_bare_exponentials_is_told_whatever_guards_the_division():
    exercise = EXERCISES["02-cosine-attention"]
    diagnosis = exercise.diagnose(cosine(bare_exponentials))
    assert diagnosis.mistake == "exponentials that overflow"


def test_a_length_plus_epsilon_is_told_so_however_it_is_written():
    def cosine_attention(query, key, value, mask, log_scale, eps=1e-6):
        query, key = (
            x / (x.square().sum(-1, keepdim=True).sqrt() + eps)
            for x in (query, key)
        )
        scores = log_scale.exp() * query @ key.mT
        weights = masked_softmax(scores, mask[:, None])
        return weights @ value, weights

    exercise = EXERCISES["02-cosine-attention"]
    diagnosis = exercise.diagnose(cosine_attention, "edges")
    assert diagnosis.mistake == "an epsilon outside the root"


def test_each_gradient_of_the_window_has_points_of_its_own():
    exercise = EXERCISES["02-window-backward"]

    def scores_alone(scores, raw, *others):
        return exercise.reference(scores, raw, *others)[0], 0 * raw

    def raw_alone(scores, raw, *others):
        return 0 * scores, exercise.reference(scores, raw, *others)[1]

    for answer, earns in [(scores_alone, "scores"), (raw_alone, "raw")]:
        for part in exercise.parts:
            is_right = exercise.diagnose(answer, part.name) is None
            assert is_right == (part.name == earns)


def window_of(weights_of, inside=torch.le):
    """The right gradients of a window with edge and softmax as given."""

    def window_backward(scores, raw, lengths, D, upstream):
        place, y = torch.arange(scores.shape[-1]), raw.sigmoid()
        distance = place - (lengths[:, None] * y)[..., None]
        allowed = inside(distance.abs(), D) & (place < lengths[:, None, None])
        alpha = weights_of(scores, allowed)
        through = upstream * torch.exp(-2 * (distance / D) ** 2)
        mean = (alpha * through).sum(-1, keepdim=True)
        for_centre = (alpha * through * 4 * distance / D**2).sum(-1)
        for_raw = for_centre * lengths[:, None] * y * (1 - y)
        return alpha * (through - mean), for_raw

    return window_backward


def bare_exponentials(scores, allowed):
    powers = scores.exp() * allowed
    return powers / powers.sum(-1, keepdim=True).clamp(min=1e-9)


def minus_infinity(scores, allowed):
    return scores.masked_fill(~allowed, -torch.inf).softmax(-1)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (window_of(masked_softmax, torch.lt), "an edge that is left out"),
        (window_of(bare_exponentials), "exponentials that overflow"),
        (window_of(minus_infinity), "an empty window of -inf"),
        (window_of(far_below), "-1e9 in place of -inf"),
    ],
)
def test_a_slip_at_the_edges_of_a_window_costs_its_part_alone(answer, name):
    exercise = EXERCISES["02-window-backward"]
    assert exercise.diagnose(answer, "edges").mistake == name
    assert exercise.diagnose(answer, "scores") is None
    assert exercise.diagnose(answer, "raw") is None
