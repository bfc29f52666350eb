"""Wrong answers to the exercises of chapter 04 that are no known mistake."""

import numpy as np
import pytest
import torch
from unforeseen import assert_told_by_its_numbers

from attnbook.checks.multi_head_attention import EXERCISES


def heads_at_half_heat(q, k, v, mask, W_q, W_k, W_v, W_o, num_heads):
    right = EXERCISES["04-attend-with-heads"].reference
    return right(q, k, v, mask, 2 * W_q, W_k, W_v, W_o, num_heads)


def as_the_crow_flies(weights, query_mask):
    rows = weights.transpose(0, 1)[:, query_mask]  # (H, rows, S)
    each = (rows[:, None] - rows[None]).norm(dim=-1)  # (H, H, rows)
    return each.sum(-1) / query_mask.sum().clamp(min=1)


def said_twice(query, key, value, mask, mix_scores, mix_weights):
    right = EXERCISES["04-talking-heads"].reference
    return right(query, key, value, mask, mix_scores, 2 * mix_weights)


def gates_squared(layer, num_heads, gate, mean):
    right = EXERCISES["04-prune-heads"].reference
    return right(layer, num_heads, [g * g for g in gate], mean)


UNFORESEEN = {
    "04-attend-with-heads": heads_at_half_heat,
    "04-head-distances": as_the_crow_flies,
    "04-talking-heads": said_twice,
    "04-prune-heads": gates_squared,
}


@pytest.mark.parametrize("grade_id", UNFORESEEN)
def test_what_nobody_foresaw_is_told_by_its_numbers(grade_id):
    diagnosis = EXERCISES[grade_id].diagnose(UNFORESEEN[grade_id])
    assert_told_by_its_numbers(diagnosis)


def test_an_error_is_named_by_its_words_not_by_its_kind():
    """Both raise a RuntimeError where W_o is not square."""

    def viewed_back(q, k, v, mask, W_q, W_k, W_v, W_o, num_heads):
        _, weights = exercise.reference(
            q, k, v, mask, W_q, W_k, W_v, W_o, num_heads
        )  # (B, H, T, S)
        v = (v @ W_v.T).unflatten(-1, (num_heads, -1)).transpose(1, 2)
        apart = (weights @ v).transpose(1, 2)  # (B, T, H, d_v)
        return apart.view(*q.shape[:2], -1) @ W_o.T, weights

    exercise = EXERCISES["04-attend-with-heads"]
    diagnosis = exercise.diagnose(viewed_back)
    assert "view size is not compatible" in diagnosis.message
    assert diagnosis.mistake is None


def test_an_infinite_distance_is_not_near_to_a_finite_one():
    exercise = EXERCISES["04-head-distances"]
    diagnosis = exercise.diagnose(
        lambda weights, query_mask: torch.full([weights.shape[1]] * 2, np.inf)
    )
    assert "yours is inf" in diagnosis.message
    assert diagnosis.mistake is None
