"""Wrong answers to the exercises of chapter 02 that are no known mistake."""

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
