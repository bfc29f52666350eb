"""Wrong answers to the exercises of chapter 01 that are no known mistake."""

import pytest
import torch
from unforeseen import assert_told_by_its_numbers

from attnbook.checks.additive_attention import EXERCISES
from attnbook.mechanisms.additive import masked_softmax


def relu_for_tanh(query, key, value, mask, weight, v):
    d_q = query.shape[-1]
    left, right = query @ weight[:, :d_q].T, key @ weight[:, d_q:].T
    scores = torch.relu(left[:, :, None] + right[:, None]) @ v
    weights = masked_softmax(scores, mask[:, None])
    return weights @ value, weights


def share_of_the_right(weights, alignment, target_mask):
    return float((weights.argmax(-1) == alignment.float().argmax(-1)).sum())


def squares_in_the_tally(query, key, value, mask, W_q, W_k, w_c, v):
    covered = torch.zeros_like(key[..., 0])
    rows = []
    for step in (query @ W_q.T).unbind(1):
        hidden = step[:, None] + key @ W_k.T + covered[..., None] * w_c
        rows.append(masked_softmax(torch.tanh(hidden) @ v, mask))
        covered = covered + rows[-1] ** 2
    weights = torch.stack(rows, 1)
    return weights @ value, weights


def keys_in_reverse(query, key, value, mask, W_q, W_k, v, chunk):
    right = (key @ W_k.T).flip(1)
    scores = torch.tanh((query @ W_q.T)[:, :, None] + right[:, None]) @ v
    weights = masked_softmax(scores, mask[:, None])
    return weights @ value, weights


UNFORESEEN = {
    "01-concat-attention": relu_for_tanh,
    "01-alignment-error-rate": share_of_the_right,
    "01-coverage-attention": squares_in_the_tally,
    "01-chunked-attention": keys_in_reverse,
}


@pytest.mark.parametrize("grade_id", UNFORESEEN)
def test_what_nobody_foresaw_is_told_by_its_numbers(grade_id):
    diagnosis = EXERCISES[grade_id].diagnose(UNFORESEEN[grade_id])
    assert_told_by_its_numbers(diagnosis)


def scored_step_by_step(query, key, value, mask, W_q, W_k, w_c, v):
    """The softmax over the sentences, written without the package."""
    covered = torch.zeros_like(key[..., 0])
    rows = []
    for step in (query @ W_q.T).unbind(1):
        hidden = step[:, None] + key @ W_k.T + covered[..., None] * w_c
        scores = (torch.tanh(hidden) @ v).masked_fill(~mask, -torch.inf)
        rows.append(scores.softmax(0))
        covered = covered + rows[-1]
    weights = torch.stack(rows, 1)
    return weights @ value, weights


def test_a_softmax_over_the_batch_is_told_by_its_rows_and_named():
    exercise = EXERCISES["01-coverage-attention"]
    diagnosis = exercise.diagnose(scored_step_by_step)
    assert "weights[0, 0] sums to 2 over the keys" in diagnosis.message
    assert diagnosis.mistake == "a softmax over the batch"


def test_a_mask_left_out_altogether_is_asked_for():
    def never_masked(query, key, value, mask, weight, v):
        d_q = query.shape[-1]
        left, right = query @ weight[:, :d_q].T, key @ weight[:, d_q:].T
        hidden = torch.tanh(left[:, :, None] + right[:, None])
        weights = (hidden @ v).softmax(-1)
        return weights @ value, weights

    exercise = EXERCISES["01-concat-attention"]
    diagnosis = exercise.diagnose(never_masked)
    assert diagnosis.mistake == "the mask is not used"
    assert "Does your code use `mask` at all?" in diagnosis.message


def test_pieces_of_queries_are_pieces_too():
    """The memory is what counts, not the axis that is cut."""
    exercise = EXERCISES["01-chunked-attention"]
    other = [
        answer
        for answer in exercise.right_answers
        if "queries" in answer.__name__
    ]
    assert exercise.diagnose(other[0]) is None


def test_an_output_filled_in_place_costs_the_gradient_and_is_told():
    def tally_in_place(query, key, value, mask, W_q, W_k, w_c, v):
        covered = torch.zeros_like(key[..., 0])
        rows = []
        for step in (query @ W_q.T).unbind(1):
            hidden = step[:, None] + key @ W_k.T + covered[..., None] * w_c
            rows.append(masked_softmax(torch.tanh(hidden) @ v, mask))
            covered += rows[-1]
        weights = torch.stack(rows, 1)
        return weights @ value, weights

    exercise = EXERCISES["01-coverage-attention"]
    diagnosis = exercise.diagnose(tally_in_place)
    assert diagnosis.kind == "exception"
    assert "inplace operation" in diagnosis.message
    assert diagnosis.mistake == "a tally that is changed in place"
    assert "write `covered = covered + w`" in diagnosis.message.lower()


def test_another_error_on_the_way_back_is_not_taken_for_that_one():
    class NoWayBack(torch.autograd.Function):
        @staticmethod
        def forward(ctx, tensor):
            return tensor.clone()

        @staticmethod
        def backward(ctx, upstream):
            raise RuntimeError("not written")

    exercise = EXERCISES["01-coverage-attention"]

    def broken(*arguments):
        output, weights = exercise.reference(*arguments)
        return NoWayBack.apply(output), weights

    diagnosis = exercise.diagnose(broken)
    assert "RuntimeError on inputs that require" in diagnosis.message
    assert diagnosis.mistake is None
