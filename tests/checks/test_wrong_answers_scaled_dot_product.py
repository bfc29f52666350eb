"""Wrong answers to the exercises of chapter 03 that are no known mistake."""

import pytest
import torch
import torch.nn.functional as F
from unforeseen import assert_told_by_its_numbers

from attnbook.checks.scaled_dot_product import EXERCISES
from attnbook.mechanisms.additive import masked_softmax


def two_back(query, key, value, query_document, key_document):
    """A window of two positions that nobody asked for."""
    T, S = query.shape[-2], key.shape[-2]
    past = torch.ones(T, S, dtype=torch.bool).tril(S - T).triu(S - T - 1)
    same = query_document[..., None] == key_document[:, None]
    allowed = past & same & (query_document > 0)[..., None]
    scores = query @ key.mT / query.shape[-1] ** 0.5
    weights = masked_softmax(scores, allowed[:, None])
    return weights @ value, weights


def sunk_after_the_softmax(query, key, value, sink, mask):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    weights = masked_softmax(scores, mask[:, None, None])
    weights = weights / (1 + sink.exp()[:, None, None])
    return weights @ value, weights


def squares_above_a_threshold(query, key, value, mask):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    weights = masked_softmax(scores, mask[:, None, None]) ** 2
    return weights @ value, weights


UNFORESEEN = {
    "03-packed-attention": two_back,
    "03-sink-attention": sunk_after_the_softmax,
    "03-sparsemax-attention": squares_above_a_threshold,
}


@pytest.mark.parametrize("grade_id", UNFORESEEN)
def test_what_nobody_foresaw_is_told_by_its_numbers(grade_id):
    diagnosis = EXERCISES[grade_id].diagnose(UNFORESEEN[grade_id])
    assert_told_by_its_numbers(diagnosis)


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (100.0, "the largest weight is above 0.999"),
        (0.0, "All scores of your inputs are equal."),
    ],
)
def test_a_grader_is_told_what_its_inputs_hide(size, told):
    """The message looks at the inputs, not only at the verdict."""

    def judge(attention):
        query = key = size * torch.eye(4).repeat(2, 1, 1)
        value = torch.arange(32.0).view(2, 4, 4)
        mask = torch.ones(2, 4, dtype=torch.bool)
        wanted = F.scaled_dot_product_attention(query, key, value)
        return torch.allclose(attention(query, key, value, mask)[0], wanted)

    diagnosis = EXERCISES["03-judge"].diagnose(judge)
    assert told in diagnosis.message


def test_a_grader_that_only_prints_is_asked_for_a_verdict():
    judge = EXERCISES["03-judge"]
    diagnosis = judge.diagnose(lambda attention: None)
    assert "your function returned None" in diagnosis.message


def test_an_empty_row_that_is_filled_after_its_softmax_is_accepted():
    """masked_fill lets no gradient through, so no NaN comes back."""
    exercise = EXERCISES["03-packed-attention"]
    filled = [a for a in exercise.right_answers if "filling" in a.__name__]
    assert exercise.diagnose(filled[0]) is None
