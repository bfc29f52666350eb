"""Wrong answers to the exercises of chapter 04, as learners write them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
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


# -- 04.2, as learners write it ----------------------------------------------


def folded(x, H):
    return x.unflatten(-1, (H, -1)).transpose(1, 2).flatten(0, 1)


def attend(
    query,
    key,
    value,
    mask,
    W_q,
    W_k,
    W_v,
    W_o,
    H,
    *,
    width=None,
    softmax=masked_softmax,
    repeat=lambda mask, H: mask.repeat_interleave(H, 0),
    merge=lambda apart: apart.transpose(1, 2).flatten(2),
):
    B, T, S = *query.shape[:2], key.shape[1]
    q, k, v = (
        folded(x @ W.T, H) for x, W in ((query, W_q), (key, W_k), (value, W_v))
    )
    scores = q @ k.mT / (width or q.shape[-1]) ** 0.5
    weights = softmax(scores, repeat(mask, H)[:, None])
    merged = merge((weights @ v).view(B, H, T, -1))
    return merged @ W_o.T, weights.view(B, H, T, S)


def struck_out_afterwards(scores, allowed):
    weights = scores.softmax(-1) * allowed
    total = weights.sum(-1, keepdim=True)
    return weights / torch.where(total == 0, 1, total)


def by_exponentials(scores, allowed):
    powers = scores.exp() * allowed
    return powers / powers.sum(-1, keepdim=True).clamp(min=1e-9)


def with_a_bias(scores, allowed):
    bias = torch.zeros(allowed.shape).masked_fill(~allowed, -torch.inf)
    return (scores + bias).softmax(-1).nan_to_num(0.0)


def far_below(scores, allowed):
    weights = scores.masked_fill(~allowed, -100.0).softmax(-1)
    return weights * allowed.any(-1, keepdim=True)


def with_softmax(softmax):
    return lambda *arguments: attend(*arguments, softmax=softmax)


def width_of_a_value(*arguments):
    W_v, H = arguments[6], arguments[8]
    return attend(*arguments, width=len(W_v) // H)


def width_of_the_model_by_heads(*arguments):
    return attend(*arguments, width=arguments[0].shape[-1] / arguments[8])


def mask_repeated_along_the_keys(*arguments):
    def repeat(mask, H):
        return mask.repeat_interleave(H, 1)

    return attend(*arguments, repeat=repeat)


def heads_below_each_other(*arguments):
    return attend(*arguments, merge=lambda apart: apart.flatten(1, 2))


def keys_by_the_matrix_of_queries(
    query, key, value, mask, W_q, W_k, W_v, W_o, H
):
    return attend(query, key, value, mask, W_q, W_q, W_v, W_o, H)


# -- 04.3 --------------------------------------------------------------------


def kept(weights, query_mask):
    rows = weights.transpose(0, 1)[:, query_mask]
    return rows[:, None], rows[None]


def meant(each, query_mask):
    return each.sum(-1) / query_mask.sum().clamp(min=1)


def rows_set_to_0(weights, query_mask):
    p, q = kept(weights, query_mask)
    m = (p + q) / 2
    each = (p * (p / m).log() + q * (q / m).log()).sum(-1) / 2
    return meant(each.nan_to_num(0.0), query_mask)


def terms_above_0(weights, query_mask):
    p, q = kept(weights, query_mask)
    m = (p + q) / 2
    terms = p * (p / m).log() + q * (q / m).log()
    return meant(torch.where(p * q > 0, terms, 0.0).sum(-1) / 2, query_mask)


def a_half_that_covers_one(weights, query_mask):
    p, q = kept(weights, query_mask)
    m = (p + q) / 2
    one, other = (
        (torch.xlogy(x, x) - torch.xlogy(x, m)).sum(-1) for x in (p, q)
    )
    return meant(one / 2 + other, query_mask)


def masked_by_a_product(weights, query_mask):
    p, q = weights[:, :, None], weights[:, None]
    entropy = [torch.special.entr(x).sum(-1) for x in ((p + q) / 2, p, q)]
    each = entropy[0] - (entropy[1] + entropy[2]) / 2  # (B, H, H, T)
    total = (each * query_mask[:, None, None]).sum((0, 3))
    return total / query_mask.sum().clamp(min=1)


# -- 04.4 --------------------------------------------------------------------


def talk(
    query,
    key,
    value,
    mask,
    mix_scores,
    mix_weights,
    *,
    softmax=masked_softmax,
    after=lambda weights: weights,
):
    scores = query @ key.mT / key.shape[-1] ** 0.5
    scores = torch.einsum("ih,bhts->bits", mix_scores, scores)
    weights = softmax(scores, mask[:, None, None])
    weights = after(torch.einsum("gi,bits->bgts", mix_weights, weights))
    return weights @ value, weights


def talk_with(**steps):
    return lambda *arguments: talk(*arguments, **steps)


def zero_before_the_mixing(query, key, value, mask, mix_scores, mix_weights):
    scores = query @ key.mT / key.shape[-1] ** 0.5
    scores = scores * mask[:, None, None]
    scores = torch.einsum("ih,bhts->bits", mix_scores, scores)
    weights = torch.einsum("gi,bits->bgts", mix_weights, scores.softmax(-1))
    return weights @ value, weights


def matrix_of_numbers(query, key, value, mask, mix_scores, mix_weights):
    mix_scores = torch.tensor(mix_scores.tolist())
    return talk(query, key, value, mask, mix_scores, mix_weights)


# -- 04.5 --------------------------------------------------------------------


def pruned(layer, num_heads, gate, mean, *, strength=None, rest=None):
    kept = [h for h, g in enumerate(gate) if g != 0]
    result = {
        name: x.unflatten(0, (num_heads, -1))[kept].flatten(0, 1)
        for name, x in layer.items()
        if not name.startswith("output")
    }
    gates = torch.tensor(gate)[:, None]
    columns = layer["output_weight"].unflatten(1, (num_heads, -1))
    strong = gates if strength is None else strength(gates)
    result["output_weight"] = (columns * strong)[:, kept].flatten(1)
    constant = (1 - gates if rest is None else rest(gates)) * mean
    result["output_bias"] = layer["output_bias"] + (
        layer["output_weight"] @ constant.flatten()
    )
    return result


def prune_with(**steps):
    return lambda *arguments: pruned(*arguments, **steps)


def blocks_laid_together(layer, num_heads, gate, mean):
    result = pruned(layer, num_heads, gate, mean)
    blocks = layer["output_weight"].chunk(num_heads, 1)
    blocks = [g * x for x, g in zip(blocks, gate, strict=True) if g]
    return {**result, "output_weight": torch.cat(blocks, 1)}


NAMED = {
    "04-attend-with-heads": {
        with_softmax(struck_out_afterwards): (
            "zeros after the softmax, divided again"
        ),
        with_softmax(by_exponentials): "exponentials that overflow",
        with_softmax(with_a_bias): ("NaN set to 0, and not in the gradient"),
        with_softmax(far_below): "a finite score for what is masked",
        width_of_a_value: "the scale of the values",
        width_of_the_model_by_heads: "the scale of D/H",
        mask_repeated_along_the_keys: (
            "a mask that does not fit the folded scores"
        ),
        heads_below_each_other: "heads laid below each other",
        keys_by_the_matrix_of_queries: "the keys projected by W_q",
    },
    "04-head-distances": {
        rows_set_to_0: "rows with a 0 are thrown away",
        terms_above_0: "keys that only one head looks at are left out",
        a_half_that_covers_one: "one of the two halves left out",
        masked_by_a_product: "rows that do not count, times 0",
    },
    "04-talking-heads": {
        talk_with(softmax=struck_out_afterwards): (
            "zeros after the softmax, divided again"
        ),
        talk_with(softmax=by_exponentials): "exponentials that overflow",
        talk_with(softmax=with_a_bias): (
            "NaN set to 0, and not in the gradient"
        ),
        talk_with(softmax=far_below): "a finite score for what is masked",
        talk_with(after=torch.relu): "weights cut off at 0",
        zero_before_the_mixing: "a score of 0 for what is masked",
        matrix_of_numbers: "mix_scores without gradient",
    },
    "04-prune-heads": {
        prune_with(strength=torch.abs): "a gate without its sign",
        prune_with(strength=lambda g: g.clamp(0, 1)): (
            "gates between 0 and 1 only"
        ),
        prune_with(rest=lambda g: g - 1): "means with the wrong sign",
        prune_with(rest=lambda g: (g != 0) * (1 - g)): (
            "only heads that stay leave a mean"
        ),
        blocks_laid_together: "no head left",
    },
}


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


@pytest.mark.parametrize(
    ("left", "earned"),
    [(with_softmax(by_exponentials), 3), (heads_at_half_heat, 0)],
)
def test_a_repair_pays_for_each_bug_that_is_mended(left, earned):
    exercise = EXERCISES["04-attend-with-heads"]
    parts = [
        part.points
        for part in exercise.parts
        if exercise.diagnose(left, part.name) is None
    ]
    assert sum(parts) == earned


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
