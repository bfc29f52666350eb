"""Wrong answers to the exercises of chapter 06 that are no known mistake."""

import pytest
import torch
import torch.nn.functional as F
from unforeseen import assert_told_by_its_numbers

from attnbook.checks.transformer import EXERCISES


def added_twice(x, mask, layers, final, eps):
    twice = [{**layer, "narrow": 2 * layer["narrow"]} for layer in layers]
    right = EXERCISES["06-encode"].reference
    return right(x, mask, twice, final, eps)


def smoothed_by_half(logits, target, prior, smoothing, padding):
    right = EXERCISES["06-smoothed-loss"].reference
    return right(logits, target, prior, smoothing / 2, padding)


class ReadLouder(EXERCISES["06-cross-attention-cache"].reference):
    def read(self, memory, mask):
        super().read(2 * memory, mask)


def with_six_and_seven(step, beam, length, alpha, bos, eos):
    right = EXERCISES["06-normalised-beam-search"].reference
    answers, scores = right(step, beam, length, 0.0, bos, eos)
    pairs = zip(answers, scores, strict=True)
    scored = [(s / ((6 + len(t)) / 7) ** alpha, t) for t, s in pairs]
    scored.sort(reverse=True)
    return [t for _, t in scored], [s for s, _ in scored]


UNFORESEEN = {
    "06-encode": added_twice,
    "06-smoothed-loss": smoothed_by_half,
    "06-cross-attention-cache": ReadLouder,
    "06-normalised-beam-search": with_six_and_seven,
}


@pytest.mark.parametrize("grade_id", UNFORESEEN)
def test_what_nobody_foresaw_is_told_by_its_numbers(grade_id):
    diagnosis = EXERCISES[grade_id].diagnose(UNFORESEEN[grade_id])
    assert_told_by_its_numbers(diagnosis)


def test_the_gradient_of_an_input_deep_down_is_told_by_its_place():
    def without_one_gradient(x, mask, layers, final, eps):
        cut = [{**layer, "wide": layer["wide"].detach()} for layer in layers]
        return exercise.reference(x, mask, cut, final, eps)

    exercise = EXERCISES["06-encode"]
    diagnosis = exercise.diagnose(without_one_gradient)
    assert "with respect to `layers[0]['wide']` is not" in diagnosis.message


def test_a_beam_may_come_back_as_tensors():
    def in_tensors(*arguments):
        answers, scores = exercise.reference(*arguments)
        return [torch.tensor(tokens) for tokens in answers], torch.tensor(
            scores
        )

    exercise = EXERCISES["06-normalised-beam-search"]
    assert exercise.diagnose(in_tensors) is None


@pytest.mark.parametrize("wrong", [3, [1, 2], ([2, 1], -0.9)])
def test_a_beam_of_another_form_is_asked_for_two_lists(wrong):
    exercise = EXERCISES["06-normalised-beam-search"]
    diagnosis = exercise.diagnose(lambda *arguments: wrong)
    assert "a list of lists of token ids" in diagnosis.message


def test_a_uniform_prior_is_told_by_the_loss_whatever_the_floor():
    def by_torch(logits, target, prior, smoothing, padding):
        loss = F.cross_entropy(
            logits.mT, target, ignore_index=padding, label_smoothing=smoothing
        )
        return loss, torch.special.entr(prior).sum()

    diagnosis = EXERCISES["06-smoothed-loss"].diagnose(by_torch)
    assert diagnosis.mistake == "uniform in place of the prior"


def test_loss_and_floor_of_nothing_may_be_plain_zeros():
    def right(logits, target, prior, smoothing, padding):
        if not (target != padding).any():
            return 0, 0.0
        return exercise.reference(logits, target, prior, smoothing, padding)

    exercise = EXERCISES["06-smoothed-loss"]
    assert exercise.diagnose(right) is None
