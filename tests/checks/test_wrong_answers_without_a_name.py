"""Wrong answers that nobody foresaw: rejected, with what differs."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from attnbook.checks import (
    additive_attention,
    luong_attention,
    multi_head_attention,
    scaled_dot_product,
    soft_lookup,
    transformer,
)
from attnbook.mechanisms.additive import masked_softmax
from attnbook.mechanisms.soft_lookup import entropy
from attnbook.mechanisms.soft_lookup import masked_softmax as np_softmax

ROOT = Path(__file__).resolve().parents[2]


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


def heads_at_half_heat(q, k, v, mask, W_q, W_k, W_v, W_o, num_heads):
    right = multi_head_attention.EXERCISES["04-attend-with-heads"].reference
    return right(q, k, v, mask, 2 * W_q, W_k, W_v, W_o, num_heads)


def as_the_crow_flies(weights, query_mask):
    rows = weights.transpose(0, 1)[:, query_mask]  # (H, rows, S)
    each = (rows[:, None] - rows[None]).norm(dim=-1)  # (H, H, rows)
    return each.sum(-1) / query_mask.sum().clamp(min=1)


def said_twice(query, key, value, mask, mix_scores, mix_weights):
    right = multi_head_attention.EXERCISES["04-talking-heads"].reference
    return right(query, key, value, mask, mix_scores, 2 * mix_weights)


def gates_squared(layer, num_heads, gate, mean):
    right = multi_head_attention.EXERCISES["04-prune-heads"].reference
    return right(layer, num_heads, [g * g for g in gate], mean)


def added_twice(x, mask, layers, final, eps):
    twice = [{**layer, "narrow": 2 * layer["narrow"]} for layer in layers]
    right = transformer.EXERCISES["06-encode"].reference
    return right(x, mask, twice, final, eps)


def smoothed_by_half(logits, target, prior, smoothing, padding):
    right = transformer.EXERCISES["06-smoothed-loss"].reference
    return right(logits, target, prior, smoothing / 2, padding)


class ReadLouder(transformer.EXERCISES["06-cross-attention-cache"].reference):
    def read(self, memory, mask):
        super().read(2 * memory, mask)


def with_six_and_seven(step, beam, length, alpha, bos, eos):
    right = transformer.EXERCISES["06-normalised-beam-search"].reference
    answers, scores = right(step, beam, length, 0.0, bos, eos)
    pairs = zip(answers, scores, strict=True)
    scored = [(s / ((6 + len(t)) / 7) ** alpha, t) for t, s in pairs]
    scored.sort(reverse=True)
    return [t for _, t in scored], [s for s, _ in scored]


UNFORESEEN = [
    (soft_lookup, "00-epanechnikov-regression", tricube),
    (soft_lookup, "00-top-k-lookup", powers_of_two),
    (soft_lookup, "00-temperature-for-entropy", spread_of_the_scores),
    (soft_lookup, "00-softmax-vjp", less_the_largest),
    (additive_attention, "01-concat-attention", relu_for_tanh),
    (additive_attention, "01-alignment-error-rate", share_of_the_right),
    (additive_attention, "01-coverage-attention", squares_in_the_tally),
    (additive_attention, "01-chunked-attention", keys_in_reverse),
    (luong_attention, "02-banded-attention", a_tent_for_a_bell),
    (luong_attention, "02-cosine-attention", lengths_by_the_largest_entry),
    (luong_attention, "02-temporal-attention", half_of_the_past),
    (luong_attention, "02-window-backward", the_weights_and_the_centre),
    (scaled_dot_product, "03-packed-attention", two_back),
    (scaled_dot_product, "03-sink-attention", sunk_after_the_softmax),
    (scaled_dot_product, "03-sparsemax-attention", squares_above_a_threshold),
    (multi_head_attention, "04-attend-with-heads", heads_at_half_heat),
    (multi_head_attention, "04-head-distances", as_the_crow_flies),
    (multi_head_attention, "04-talking-heads", said_twice),
    (multi_head_attention, "04-prune-heads", gates_squared),
    (transformer, "06-encode", added_twice),
    (transformer, "06-smoothed-loss", smoothed_by_half),
    (transformer, "06-cross-attention-cache", ReadLouder),
    (transformer, "06-normalised-beam-search", with_six_and_seven),
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
        (luong_attention, "02-predict"),
        (scaled_dot_product, "03-predict"),
        (multi_head_attention, "04-predict"),
        (transformer, "06-predict"),
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
            title, tally, first, *rest = diagnosis.message.splitlines()
            others = [c.arguments[0] for c in exercise.cases if c is not case]
            assert title == f"✗ {exercise.title}"
            assert tally == (
                f"  {', '.join(others)} are right; {case.arguments[0]} is not."
            )
            if wrong == "x":
                asked = ", a number is asked for"
                assert rest == []
            else:
                asked = ""
                assert rest == [
                    f"  No known mistake gives this number. {case.look}"
                ]
            where = f"  Case “{case.name}”: "
            assert first == f"{where}{called} is not right{asked}."


@pytest.mark.parametrize(
    ("checks", "grade_id", "name"),
    [
        (soft_lookup, "00-predict", "00-soft-lookup"),
        (soft_lookup, "00-conclude", "00-soft-lookup"),
        (additive_attention, "01-predict", "01-additive-attention"),
        (luong_attention, "02-predict", "02-luong-attention"),
        (scaled_dot_product, "03-predict", "03-scaled-dot-product"),
        (multi_head_attention, "04-predict", "04-multi-head-attention"),
        (transformer, "06-predict", "06-transformer"),
    ],
)
def test_the_hint_that_lists_the_steps_is_there(checks, grade_id, name):
    path = ROOT / "exercises" / f"{name}.ipynb"
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.id == f"{grade_id[3:]}-hints":
            hints = cell.source
    for case in checks.EXERCISES[grade_id].cases:
        numbers = re.findall(r"\d", case.look)
        assert numbers
        for number in numbers:
            summary = re.search(rf"Hint {number}: (.+)</summary>", hints)
            assert "I see" not in summary[1]


def test_the_first_wrong_prediction_is_named_after_the_tally():
    exercise = soft_lookup.EXERCISES["00-predict"]
    guesses = {"c": 5 / 8, "f": 40.0}

    def predict(question):
        return guesses.get(question, exercise.reference(question))

    diagnosis = exercise.diagnose(predict)
    lines = diagnosis.message.splitlines()
    assert lines[1] == "  a, b, d, e are right; c, f are not."
    assert diagnosis.mistake == "c: the masked key keeps its share"


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
    exercise = additive_attention.EXERCISES["01-coverage-attention"]
    diagnosis = exercise.diagnose(scored_step_by_step)
    assert "weights[0, 0] sums to 2 over the keys" in diagnosis.message
    assert diagnosis.mistake == "a softmax over the batch"


@pytest.mark.parametrize(
    "last",
    [
        lambda scores, k: np.argsort(scores)[:, -k:],
        lambda scores, k: np.argsort(scores, kind="stable")[:, -k:],
        lambda scores, k: np.argsort(scores)[:, ::-1][:, :k],
    ],
)
def test_ties_taken_from_the_end_of_an_order_are_named(last):
    def look_up(query, key, value, k, mask=None):
        scores = query @ key.T
        allowed = np.ones(scores.shape, bool) if mask is None else mask
        places = last(np.where(allowed, scores, -np.inf), k)
        kept = np.zeros(scores.shape, bool)
        np.put_along_axis(kept, places, True, axis=-1)
        weights = np_softmax(scores, kept & allowed)
        return weights @ value, weights

    diagnosis = soft_lookup.EXERCISES["00-top-k-lookup"].diagnose(look_up)
    assert diagnosis.mistake == "a tie goes to the later key"
    assert "Among equal scores you took a later key." in diagnosis.message


@pytest.mark.parametrize(
    "middle", [np.mean, lambda ends: np.prod(ends) ** 0.5]
)
@pytest.mark.parametrize("ends", [(1e-3, 50.0), (1e-5, 3e4)])
def test_a_comparison_the_wrong_way_round_is_named(middle, ends):
    def search(scores, target):
        low, high = ends
        for _ in range(80):
            between = middle((low, high))
            if entropy(np_softmax(scores, temperature=between)) > target:
                low = between
            else:
                high = between
        return between

    exercise = soft_lookup.EXERCISES["00-temperature-for-entropy"]
    diagnosis = exercise.diagnose(search)
    assert diagnosis.mistake == "the search walks the wrong way"


def test_a_temperature_inside_the_range_is_not_taken_for_its_end():
    exercise = soft_lookup.EXERCISES["00-temperature-for-entropy"]
    assert exercise.diagnose(lambda scores, target: 1.3).mistake is None


def test_of_several_bugs_the_one_behind_the_symptom_is_told():
    """On keys of one number the distance along the axes is right."""

    def mended_in_part(query, key, value, width):
        distance = np.abs(query[:, None] - key).sum(-1)
        kernel = np.maximum(0, 1 - (distance / width) ** 2)
        with np.errstate(all="ignore"):
            weights = kernel / kernel.sum(-1, keepdims=True)
        return weights @ value, weights

    exercise = soft_lookup.EXERCISES["00-epanechnikov-regression"]
    diagnosis = exercise.diagnose(mended_in_part)
    assert "NaN" in diagnosis.message
    assert diagnosis.mistake == "at least bugs 1 and 5 of 5"
    assert "What you see comes from bug 5" in diagnosis.message


def test_a_mask_left_out_altogether_is_asked_for():
    def never_masked(query, key, value, mask, weight, v):
        d_q = query.shape[-1]
        left, right = query @ weight[:, :d_q].T, key @ weight[:, d_q:].T
        hidden = torch.tanh(left[:, :, None] + right[:, None])
        weights = (hidden @ v).softmax(-1)
        return weights @ value, weights

    exercise = additive_attention.EXERCISES["01-concat-attention"]
    diagnosis = exercise.diagnose(never_masked)
    assert diagnosis.mistake == "the mask is not used"
    assert "Does your code use `mask` at all?" in diagnosis.message


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

    exercise = additive_attention.EXERCISES["01-coverage-attention"]

    def broken(*arguments):
        output, weights = exercise.reference(*arguments)
        return NoWayBack.apply(output), weights

    diagnosis = exercise.diagnose(broken)
    assert "RuntimeError on inputs that require" in diagnosis.message
    assert diagnosis.mistake is None


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

    diagnosis = scaled_dot_product.EXERCISES["03-judge"].diagnose(judge)
    assert told in diagnosis.message


def test_a_grader_that_only_prints_is_asked_for_a_verdict():
    judge = scaled_dot_product.EXERCISES["03-judge"]
    diagnosis = judge.diagnose(lambda attention: None)
    assert "your function returned None" in diagnosis.message


def test_a_gradient_by_autograd_is_refused():
    def by_autograd(scores, raw, lengths, D, upstream):
        inputs = scores.requires_grad_(), raw.requires_grad_()
        centre = lengths[:, None] * raw.sigmoid()
        distance = torch.arange(scores.shape[-1]) - centre[..., None]
        weights = scores.softmax(-1) * torch.exp(-2 * (distance / D) ** 2)
        return torch.autograd.grad(weights, inputs, upstream)

    exercise = luong_attention.EXERCISES["02-window-backward"]
    assert exercise.diagnose(by_autograd).kind == "forbidden"


def test_a_mean_of_the_past_is_as_good_as_its_sum():
    """What a whole row shares, softmax does not see."""
    exercise = luong_attention.EXERCISES["02-temporal-attention"]
    mean = [a for a in exercise.right_answers if "mean" in a.__name__]
    assert exercise.diagnose(mean[0]) is None


def test_an_empty_row_that_is_filled_after_its_softmax_is_accepted():
    """masked_fill lets no gradient through, so no NaN comes back."""
    exercise = scaled_dot_product.EXERCISES["03-packed-attention"]
    filled = [a for a in exercise.right_answers if "filling" in a.__name__]
    assert exercise.diagnose(filled[0]) is None


def test_an_error_is_named_by_its_words_not_by_its_kind():
    """Both raise a RuntimeError where W_o is not square."""

    def viewed_back(q, k, v, mask, W_q, W_k, W_v, W_o, num_heads):
        _, weights = exercise.reference(
            q, k, v, mask, W_q, W_k, W_v, W_o, num_heads
        )  # (B, H, T, S)
        v = (v @ W_v.T).unflatten(-1, (num_heads, -1)).transpose(1, 2)
        apart = (weights @ v).transpose(1, 2)  # (B, T, H, d_v)
        return apart.view(*q.shape[:2], -1) @ W_o.T, weights

    exercise = multi_head_attention.EXERCISES["04-attend-with-heads"]
    diagnosis = exercise.diagnose(viewed_back)
    assert "view size is not compatible" in diagnosis.message
    assert diagnosis.mistake is None


def test_an_infinite_distance_is_not_near_to_a_finite_one():
    exercise = multi_head_attention.EXERCISES["04-head-distances"]
    diagnosis = exercise.diagnose(
        lambda weights, query_mask: torch.full([weights.shape[1]] * 2, np.inf)
    )
    assert "yours is inf" in diagnosis.message
    assert diagnosis.mistake is None


def test_the_gradient_of_an_input_deep_down_is_told_by_its_place():
    def without_one_gradient(x, mask, layers, final, eps):
        cut = [{**layer, "wide": layer["wide"].detach()} for layer in layers]
        return exercise.reference(x, mask, cut, final, eps)

    exercise = transformer.EXERCISES["06-encode"]
    diagnosis = exercise.diagnose(without_one_gradient)
    assert "with respect to `layers[0]['wide']` is not" in diagnosis.message


def test_a_beam_may_come_back_as_tensors():
    def in_tensors(*arguments):
        answers, scores = exercise.reference(*arguments)
        return [torch.tensor(tokens) for tokens in answers], torch.tensor(
            scores
        )

    exercise = transformer.EXERCISES["06-normalised-beam-search"]
    assert exercise.diagnose(in_tensors) is None


@pytest.mark.parametrize("wrong", [3, [1, 2], ([2, 1], -0.9)])
def test_a_beam_of_another_form_is_asked_for_two_lists(wrong):
    exercise = transformer.EXERCISES["06-normalised-beam-search"]
    diagnosis = exercise.diagnose(lambda *arguments: wrong)
    assert "a list of lists of token ids" in diagnosis.message


def test_a_uniform_prior_is_told_by_the_loss_whatever_the_floor():
    def by_torch(logits, target, prior, smoothing, padding):
        loss = F.cross_entropy(
            logits.mT, target, ignore_index=padding, label_smoothing=smoothing
        )
        return loss, torch.special.entr(prior).sum()

    diagnosis = transformer.EXERCISES["06-smoothed-loss"].diagnose(by_torch)
    assert diagnosis.mistake == "uniform in place of the prior"


def test_loss_and_floor_of_nothing_may_be_plain_zeros():
    def right(logits, target, prior, smoothing, padding):
        if not (target != padding).any():
            return 0, 0.0
        return exercise.reference(logits, target, prior, smoothing, padding)

    exercise = transformer.EXERCISES["06-smoothed-loss"]
    assert exercise.diagnose(right) is None
