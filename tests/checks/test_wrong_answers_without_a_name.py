"""Wrong answers that nobody foresaw: rejected, with what differs."""

import numpy as np
import pytest
import torch

from attnbook.checks import additive_attention, soft_lookup
from attnbook.mechanisms.additive import masked_softmax
from attnbook.mechanisms.soft_lookup import masked_softmax as np_softmax


def tricube(query, key, value, width):
    u = np.linalg.norm(query[:, None] - key, axis=-1) / width
    kernel = np.maximum(1 - u**3, 0) ** 3
    total = kernel.sum(-1, keepdims=True)
    weights = kernel / np.where(total == 0, 1, total)
    return weights @ value, weights


def powers_of_two(query, key, value, k, mask=None):
    scores = np.log(2) * query @ key.T
    allowed = np.ones(scores.shape, bool) if mask is None else mask
    ranked = np.where(allowed, scores, -np.inf)
    order = np.argsort(-ranked, axis=-1, kind="stable")[:, :k]
    kept = np.zeros(scores.shape, bool)
    np.put_along_axis(kept, order, True, axis=-1)
    weights = np_softmax(scores, kept & allowed)
    return weights @ value, weights


def spread_of_the_scores(scores, target):
    return np.std(scores) * target


def less_the_largest(weights, upstream, temperature=1.0):
    return weights * (upstream - upstream.max(-1, keepdims=True)) / temperature


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


UNFORESEEN = [
    (soft_lookup, "00-epanechnikov-regression", tricube),
    (soft_lookup, "00-top-k-lookup", powers_of_two),
    (soft_lookup, "00-temperature-for-entropy", spread_of_the_scores),
    (soft_lookup, "00-softmax-vjp", less_the_largest),
    (additive_attention, "01-concat-attention", relu_for_tanh),
    (additive_attention, "01-alignment-error-rate", share_of_the_right),
    (additive_attention, "01-coverage-attention", squares_in_the_tally),
    (additive_attention, "01-chunked-attention", keys_in_reverse),
]


@pytest.mark.parametrize(
    ("checks", "grade_id", "answer"),
    UNFORESEEN,
    ids=[grade_id for _, grade_id, _ in UNFORESEEN],
)
def test_it_is_rejected_with_the_first_entry_that_differs(
    checks, grade_id, answer
):
    diagnosis = checks.EXERCISES[grade_id].diagnose(answer)
    assert diagnosis.kind == "value"
    assert diagnosis.mistake is None
    assert "should be" in diagnosis.message
    assert "yours is" in diagnosis.message


@pytest.mark.parametrize(
    ("checks", "grade_id"),
    [
        (soft_lookup, "00-predict"),
        (soft_lookup, "00-conclude"),
        (additive_attention, "01-predict"),
    ],
)
def test_a_wrong_guess_does_not_bring_out_the_right_number(checks, grade_id):
    exercise = checks.EXERCISES[grade_id]
    for case in exercise.cases:
        for wrong, called in [(0.321, "the number 0.321"), ("x", "a string")]:
            diagnosis = exercise.diagnose(
                lambda question, asked=case.arguments[0], wrong=wrong: (
                    wrong
                    if question == asked
                    else exercise.reference(question)
                )
            )
            assert diagnosis.message.splitlines() == [
                f"✗ {exercise.title}",
                f"  Case “{case.name}”: {called} is not right.",
            ]


def test_a_matrix_that_is_built_is_measured_not_guessed():
    """Right in value, and rejected for its memory alone."""

    def with_outer_product(weights, upstream, temperature=1.0):
        outer = weights[..., :, None] * weights[..., None, :]
        through = np.einsum("...ij,...i->...j", outer, upstream)
        return (weights * upstream - through) / temperature

    exercise = soft_lookup.EXERCISES["00-softmax-vjp"]
    diagnosis = exercise.diagnose(with_outer_product)
    assert diagnosis.mistake == "the matrix is built"


def test_pieces_of_queries_are_pieces_too():
    """The memory is what counts, not the axis that is cut."""
    exercise = additive_attention.EXERCISES["01-chunked-attention"]
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

    exercise = additive_attention.EXERCISES["01-coverage-attention"]
    diagnosis = exercise.diagnose(tally_in_place)
    assert diagnosis.kind == "exception"
    assert "inplace operation" in diagnosis.message
