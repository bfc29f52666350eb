"""Wrong answers to the exercises of chapter 04, as learners write them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from answers_multi_head_attention import (
    NAMED,
    attend,
    blocks_laid_together,
    by_exponentials,
    far_below,
    logarithm_of_the_mask,
    nan_in_the_weights,
    numbers_for_nan_times_0,
    one_maximum,
    pruned,
    rows_counted,
    rows_that_look_somewhere,
    talk_with,
    tokens_counted,
    values_as_wide_as_keys,
    with_a_bias,
    with_softmax,
)
from unforeseen import assert_told_by_its_numbers

from attnbook.checks.multi_head_attention import EXERCISES
from attnbook.judging.exercise import Exercise
from attnbook.mechanisms.masked_softmax import masked_softmax


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


@pytest.mark.parametrize(
    ("grade_id", "answer", "name"),
    [
        pytest.param(grade_id, answer, name, id=f"{grade_id}: {name}")
        for grade_id, answers in NAMED.items()
        for answer, name in answers.items()
    ],
)
def test_a_wrong_answer_is_rejected_and_named(grade_id, answer, name):
    diagnosis = EXERCISES[grade_id].diagnose(answer)
    assert diagnosis.mistake == name, diagnosis.message
    assert "looks like a known mistake" in diagnosis.message


def points_of(grade_id, answer):
    exercise = EXERCISES[grade_id]
    return sum(
        part.points
        for part in exercise.parts
        if exercise.diagnose(answer, part.name) is None
    )


@pytest.mark.parametrize(
    ("left", "earned"),
    [
        (with_softmax(by_exponentials), 3),
        (with_softmax(one_maximum), 3),
        (with_softmax(logarithm_of_the_mask), 3),
        (tokens_counted, 3),
        (values_as_wide_as_keys, 3),
        (heads_at_half_heat, 0),
    ],
)
def test_a_repair_pays_for_each_bug_that_is_mended(left, earned):
    assert points_of("04-attend-with-heads", left) == earned


@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize(
    ("grade_id", "answer", "earned"),
    [
        ("04-head-distances", numbers_for_nan_times_0, 3),
        ("04-head-distances", rows_counted, 3),
        ("04-head-distances", rows_that_look_somewhere, 3),
        ("04-talking-heads", nan_in_the_weights, 3),
        ("04-talking-heads", talk_with(softmax=far_below), 3),
        ("04-talking-heads", talk_with(softmax=with_a_bias), 3),
        ("04-prune-heads", blocks_laid_together, 4),
    ],
)
def test_an_edge_costs_the_points_of_its_own_part(
    grade_id, answer, earned, seed, monkeypatch
):
    monkeypatch.setattr(Exercise, "secret_seed", seed)
    assert points_of(grade_id, answer) == earned


def right_but_for_all_pruned(layer, num_heads, gate, mean):
    result = pruned(layer, num_heads, gate, mean)
    if not any(gate):
        result = {name: x.detach() for name, x in result.items()}
    return result


def test_a_layer_without_heads_has_a_gradient_too():
    assert points_of("04-prune-heads", right_but_for_all_pruned) == 4


# -- right answers in unusual words ------------------------------------------


def attend_in_chunks(query, key, value, mask, W_q, W_k, W_v, W_o, H):
    """Folded with the heads outermost, and taken apart the same way."""
    q, k, v = (
        torch.cat((x @ W.T).chunk(H, -1))
        for x, W in ((query, W_q), (key, W_k), (value, W_v))
    )
    scores = torch.bmm(q, k.mT) / q.shape[-1] ** 0.5
    weights = masked_softmax(scores, mask.repeat(H, 1)[:, None])
    merged = torch.cat(torch.bmm(weights, v).chunk(H), -1)
    return F.linear(merged, W_o), torch.stack(weights.chunk(H), 1)


def attend_and_replace_nan(*arguments):
    """masked_fill lets no gradient through, so no NaN comes back."""

    def softmax(scores, allowed):
        scores = scores.masked_fill(~allowed, -torch.inf)
        return scores.softmax(-1).nan_to_num(0.0)

    return attend(*arguments, softmax=softmax)


def pair_by_pair(weights, query_mask):
    H = weights.shape[1]
    result = torch.zeros(H, H)
    for i in range(H if query_mask.any() else 0):
        for j in range(i):
            p, q = weights[:, i][query_mask], weights[:, j][query_mask]
            m = (p + q) / 2
            terms = [(x * (x / m).log()).nan_to_num(0) for x in (p, q)]
            result[i, j] = result[j, i] = sum(terms).sum(-1).mean() / 2
    return result


def by_entropies_in_double(weights, query_mask):
    rows = weights.double().transpose(0, 1)[:, query_mask]

    def entropy(x):
        return -(x * x.clamp(min=1e-300).log()).sum((-1, -2))

    own = entropy(rows) / 2  # (H,)
    middle = entropy((rows[:, None] + rows) / 2)  # (H, H)
    count = max(int(query_mask.sum()), 1)
    return ((middle - own[:, None] - own) / count).float()


def talk_flat(query, key, value, mask, mix_scores, mix_weights):
    B, _, T, S = *query.shape[:3], key.shape[2]
    allowed = mask[:, None, None]
    scores = (query @ key.mT) * key.shape[-1] ** -0.5
    scores = (mix_scores @ scores.flatten(2)).view(B, -1, T, S)
    scores = scores.masked_fill(~allowed, -1e30)
    powers = (scores - scores.amax(-1, keepdim=True)).exp() * allowed
    weights = powers / powers.sum(-1, keepdim=True).clamp(min=1e-30)
    weights = (mix_weights @ weights.flatten(2)).view(B, -1, T, S)
    return weights @ value, weights


def talk_by_tensordot(query, key, value, mask, mix_scores, mix_weights):
    scores = torch.einsum("bhtd,bhsd->hbts", query, key) / key.shape[-1] ** 0.5
    scores = torch.tensordot(mix_scores, scores, 1)  # (H, B, T, S)
    weights = masked_softmax(scores, mask[:, None])
    weights = torch.tensordot(mix_weights, weights, 1).movedim(0, 1)
    return weights @ value, weights


def prune_by_row_numbers(layer, num_heads, gate, mean):
    heads = [h for h in range(num_heads) if gate[h] != 0]
    result = {}
    for name, x in layer.items():
        if not name.startswith("output"):
            d = len(x) // num_heads
            result[name] = x[[h * d + i for h in heads for i in range(d)]]
    W_o, bias = layer["output_weight"], layer["output_bias"]
    blocks = W_o.split(mean.shape[1], dim=1)
    for block, g, m in zip(blocks, gate, mean, strict=True):
        bias = bias + (1 - g) * block @ m
    columns = [gate[h] * blocks[h] for h in heads] or [W_o[:, :0]]
    return {
        "output_bias": bias,
        "output_weight": torch.hstack(columns),
        **result,
    }


RIGHT = {
    "04-attend-with-heads": (attend_in_chunks, attend_and_replace_nan),
    "04-head-distances": (pair_by_pair, by_entropies_in_double),
    "04-talking-heads": (talk_flat, talk_by_tensordot),
    "04-prune-heads": (pruned, prune_by_row_numbers),
}


@pytest.mark.parametrize("seed", [None, 5, 2**100])
@pytest.mark.parametrize("grade_id", RIGHT)
def test_right_answers_in_unusual_words_earn_every_part(
    grade_id, seed, monkeypatch
):
    monkeypatch.setattr(Exercise, "secret_seed", seed)
    exercise = EXERCISES[grade_id]
    for answer in RIGHT[grade_id]:
        for part in exercise.parts:
            diagnosis = exercise.diagnose(answer, part.name)
            assert diagnosis is None, diagnosis.message


@pytest.mark.parametrize("number", [2.82, 2.83, 2.828])
def test_a_prediction_may_be_cut_off(number):
    exercise = EXERCISES["04-predict"]

    def predict(question):
        return number if question == "e" else exercise.reference(question)

    assert exercise.diagnose(predict) is None


def gates_that_are_close_to_0_leave(layer, num_heads, gate, mean):
    kept = [0.0 if np.isclose(g, 0, atol=1e-3) else g for g in gate]
    return EXERCISES["04-prune-heads"].reference(layer, num_heads, kept, mean)


def test_only_a_gate_of_exactly_0_prunes():
    """The part of the means has a small gate too, but not so small."""
    exercise = EXERCISES["04-prune-heads"]
    diagnosis = exercise.diagnose(gates_that_are_close_to_0_leave, "gates")
    assert "a gate next to 0" in diagnosis.message
    assert exercise.diagnose(gates_that_are_close_to_0_leave, "means") is None


def divided_by_all_rows(weights, query_mask):
    right = EXERCISES["04-head-distances"].reference(weights, query_mask)
    return right * query_mask.sum() / query_mask.numel()


def test_who_counts_padded_rows_keeps_the_points_for_zeros():
    exercise = EXERCISES["04-head-distances"]
    for part, wrong in (("values", 0), ("zeros", 0), ("rows", 1)):
        diagnosis = exercise.diagnose(divided_by_all_rows, part)
        assert (diagnosis is not None) == wrong, part


def a_softmax_at_the_end(query, key, value, mask, mix_scores, mix_weights):
    right = EXERCISES["04-talking-heads"].reference
    _, weights = right(query, key, value, mask, mix_scores, mix_weights)
    return weights.softmax(-1) @ value, weights.softmax(-1)


def gates_clamped_first(layer, num_heads, gate, mean):
    gate = [min(max(g, 0.0), 1.0) for g in gate]
    return EXERCISES["04-prune-heads"].reference(layer, num_heads, gate, mean)


def weights_cut_off(*arguments):
    output, weights = EXERCISES["04-attend-with-heads"].reference(*arguments)
    return output, weights.detach()


@pytest.mark.parametrize(
    "grade_id, answer, part, name",
    [
        ("04-talking-heads", a_softmax_at_the_end, "values", "a second softm"),
        ("04-prune-heads", gates_clamped_first, "gates", "between 0 and 1"),
        ("04-attend-with-heads", weights_cut_off, "all", "without gradient"),
    ],
)
def test_a_common_slip_has_a_name(grade_id, answer, part, name):
    diagnosis = EXERCISES[grade_id].diagnose(answer, part)
    assert name in diagnosis.message
