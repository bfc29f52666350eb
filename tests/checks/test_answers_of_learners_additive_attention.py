"""What learners write in chapter 01: named, and the other points kept."""

import pytest
import torch
from answers_additive_attention import concat, pieces, scored, tally
from torch.utils.checkpoint import checkpoint

from attnbook.checks.additive_attention import EXERCISES
from attnbook.mechanisms.additive import masked_softmax


def filled(scores, mask):
    return scores.masked_fill(~mask, -torch.inf)


def nan_written_over(scores, mask):
    weights = filled(scores, mask).softmax(-1)
    weights[weights.isnan()] = 0.0
    return weights


def filled_in_place(scores, mask):
    weights = scores.masked_fill(~mask, -1e9).softmax(-1)
    return weights.masked_fill_(~mask, 0.0)


def divided_then_mended(scores, mask):
    weights = scores.softmax(-1) * mask
    return (weights / weights.sum(-1, keepdim=True)).nan_to_num()


def log_then_mended(scores, mask):
    return (scores + mask.float().log()).softmax(-1).nan_to_num()


def divided_where_it_can_be(scores, mask):
    weights = scores.softmax(-1) * mask
    total = weights.sum(-1, keepdim=True)
    return torch.where(total > 0, weights / total, 0.0)


def held_within(low, high):
    def weigh(scores, mask):
        powers = scores.clamp(low, high).exp() * mask
        return powers / powers.sum(-1, keepdim=True).clamp(min=1e-12)

    return weigh


def values_masked(query, key, value, mask, weight, v):
    d_q = query.shape[-1]
    left, right = query @ weight[:, :d_q].T, key @ weight[:, d_q:].T
    hidden = torch.tanh(left[:, :, None] + right[:, None])
    weights = torch.softmax(hidden @ v, -1)
    return weights @ value.masked_fill(~mask[..., None], 0), weights


def links_of(weights, alignment, target_mask):
    rows = target_mask & alignment.any(-1)
    hit = alignment.gather(-1, weights.argmax(-1, keepdim=True))
    return rows, hit, rows.sum().item() + alignment[rows].sum().item()


def squeezed(weights, alignment, target_mask):
    rows, hit, total = links_of(weights, alignment, target_mask)
    hits = (hit.squeeze() & rows).sum().item()
    return 1 - 2 * hits / total if total else 0.0


def read_up_to_a_length(weights, alignment, target_mask):
    made = true = hits = 0
    for b, length in enumerate(target_mask.sum(1).tolist()):
        for t in range(length):
            if alignment[b, t].any():
                made += 1
                true += alignment[b, t].sum().item()
                hits += alignment[b, t, weights[b, t].argmax()].item()
    return 1 - 2 * hits / (made + true) if made else 0.0


def zero_without_a_hit(weights, alignment, target_mask):
    rows, hit, total = links_of(weights, alignment, target_mask)
    hits = (hit[..., 0] & rows).sum().item()
    return 1 - 2 * hits / total if hits else 0.0


def returns_in_the_loop(weights, alignment, target_mask):
    hits = total = 0
    for one in zip(weights, alignment, target_mask, strict=True):
        rows, hit, more = links_of(*one)
        if not rows.any():
            return 0.0
        hits += (hit[..., 0] & rows).sum().item()
        total += more
    return 1 - 2 * hits / total


def without_brackets(weights, alignment, target_mask):
    rows, hit, _ = links_of(weights, alignment, target_mask)
    if not rows.any():
        return 0.0
    A, R = rows.sum().item(), alignment[rows].sum().item()
    return 1 - 2 * (hit[..., 0] & rows).sum().item() / A + R


def one_real_row_less(weights, alignment, target_mask):
    rows = target_mask & (
        target_mask.cumsum(1) < target_mask.sum(1, keepdim=True)
    )
    if not rows.any():
        return 0.0
    hit = alignment.gather(-1, weights.argmax(-1, keepdim=True))[..., 0]
    total = rows.sum().item() + alignment[rows].sum().item()
    return 1 - 2 * (hit & rows).sum().item() / total


def sliced_one_step_short(query, key, value, mask, W_q, W_k, w_c, v):
    T = query.shape[1]
    weights = torch.zeros(len(key), T, key.shape[1])
    for t in range(T):
        tally = weights[:, : max(t - 1, 0)].sum(1)[..., None] * w_c
        hidden = query[:, t : t + 1] @ W_q.T + key @ W_k.T + tally
        weights[:, t] = masked_softmax(torch.tanh(hidden) @ v, mask)
    return weights @ value, weights


def keys_that_grow(query, key, value, mask, W_q, W_k, w_c, v):
    keys, covered, rows = key @ W_k.T, torch.zeros(key.shape[:2]), []
    for step in (query @ W_q.T).unbind(1):
        keys = keys + covered[..., None] * w_c
        rows.append(masked_softmax(torch.tanh(step[:, None] + keys) @ v, mask))
        covered = covered + rows[-1]
    weights = torch.stack(rows, 1)
    return weights @ value, weights


def stacked(put_together):
    def end(rows, value):
        weights = put_together(rows)
        return weights @ value, weights

    return tally(end=end)


def the_rest_at_minus_infinity(query, key, value, mask, W_q, W_k, v, chunk):
    query, key = query @ W_q.T, key @ W_k.T
    B, T, S = len(query), query.shape[1], key.shape[1]
    scores = torch.full((B, T, S), -torch.inf)
    for n in range(S // chunk):
        part = slice(n * chunk, (n + 1) * chunk)
        scores[..., part] = checkpoint(
            scored, query, key[:, part], v, use_reentrant=False
        )
    weights = masked_softmax(scores, mask[:, None])
    return weights @ value, weights


def a_maximum_a_piece(query, key, value, mask, W_q, W_k, v, chunk):
    query, key, powers = query @ W_q.T, key @ W_k.T, []
    for piece, part in zip(
        key.split(chunk, 1), mask.split(chunk, 1), strict=True
    ):
        scores = checkpoint(scored, query, piece, v, use_reentrant=False)
        scores = scores.masked_fill(~part[:, None], -1e9)
        top = scores.amax(-1, keepdim=True)
        powers.append((scores - top).exp() * part[:, None])
    powers = torch.cat(powers, -1)
    weights = powers / powers.sum(-1, keepdim=True).clamp(min=1e-12)
    return weights @ value, weights


def padding_skipped(query, key, value, mask, W_q, W_k, v, chunk):
    query, key = query @ W_q.T, key @ W_k.T
    scores = [
        checkpoint(scored, query, piece, v, use_reentrant=False)
        for piece, part in zip(
            key.split(chunk, 1), mask.split(chunk, 1), strict=True
        )
        if part.any()
    ]
    weights = masked_softmax(torch.cat(scores, -1), mask[:, None])
    return weights @ value, weights


def keys_made_up(query, key, value, mask, W_q, W_k, v, chunk):
    B, S, d_k = key.shape
    made_up = torch.cat([key, key.new_zeros(B, -S % chunk, d_k)], 1)
    query = query @ W_q.T
    scores = [
        checkpoint(scored, query, piece, v, use_reentrant=False)
        for piece in (made_up @ W_k.T).split(chunk, 1)
    ]
    scores = torch.cat(scores, -1)[..., :S]
    weights = masked_softmax(scores, mask[:, None])
    return weights @ value, weights


def sum_outside(query, piece, v):
    hidden = query[:, :, None] + piece[:, None]
    return checkpoint(
        lambda hidden: torch.tanh(hidden) @ v, hidden, use_reentrant=False
    )


def product_outside(query, piece, v):
    def bend(query, piece):
        return torch.tanh(query[:, :, None] + piece[:, None])

    return checkpoint(bend, query, piece, use_reentrant=False) @ v


CONCAT, RATE = "01-concat-attention", "01-alignment-error-rate"
TALLY, PIECES = "01-coverage-attention", "01-chunked-attention"
MASKED = ((CONCAT, concat), (TALLY, tally), (PIECES, pieces))
IN_PLACE = "weights that are changed in place"
MENDED = "0/0 that is made 0 afterwards"
HELD = "scores with a limit"
REPAIRS = {"two", "three", "four"}

# Exercise, answer, what it is named, the parts that are earned nevertheless.
LEARNERS = [
    (CONCAT, concat(weigh=nan_written_over), IN_PLACE, ()),
    (CONCAT, concat(weigh=filled_in_place), IN_PLACE, ()),
    (TALLY, tally(weigh=nan_written_over), IN_PLACE, {"values", "padding"}),
    (TALLY, tally(weigh=filled_in_place), IN_PLACE, {"values", "padding"}),
    (PIECES, pieces(weigh=filled_in_place), IN_PLACE, {"values", "padding"}),
    (CONCAT, concat(weigh=divided_then_mended), MENDED, REPAIRS),
    (CONCAT, concat(weigh=divided_where_it_can_be), MENDED, REPAIRS),
    (CONCAT, concat(weigh=log_then_mended), MENDED, REPAIRS),
    (TALLY, tally(weigh=log_then_mended), MENDED, {"values", "padding"}),
    (
        PIECES,
        pieces(weigh=log_then_mended),
        MENDED,
        {"values", "padding", "memory"},
    ),
    *(
        (grade_id, answer(weigh=held_within(low, high)), HELD, None)
        for grade_id, answer in MASKED
        for low, high in ((-80, 80), (-50, 50), (None, 80))
    ),
    (CONCAT, values_masked, "values masked in place of scores", REPAIRS),
    (
        RATE,
        squeezed,
        "one axis too many is squeezed",
        {"links", "rows"},
    ),
    (
        RATE,
        read_up_to_a_length,
        "a mask that is only counted",
        {"links", "edges"},
    ),
    (RATE, zero_without_a_hit, "0 where no link is true", {"links", "rows"}),
    (
        RATE,
        returns_in_the_loop,
        "0 as soon as one sentence has no row",
        {"links", "rows"},
    ),
    (RATE, without_brackets, "brackets that are missing", ()),
    (RATE, one_real_row_less, "the last row is left out", ()),
    (TALLY, sliced_one_step_short, "a tally that is one step late", ()),
    (TALLY, keys_that_grow, "a tally that is added to itself", ()),
    (
        TALLY,
        tally(add=lambda covered, rows: covered + sum(rows)),
        "a tally that is added to itself",
        (),
    ),
    (
        TALLY,
        stacked(
            lambda rows: torch.stack(rows).reshape(
                -1, len(rows), rows[0].shape[1]
            )
        ),
        "a view in place of a transpose",
        (),
    ),
    (
        TALLY,
        stacked(lambda rows: torch.stack(rows, -1)),
        "steps stacked behind the keys",
        (),
    ),
    (
        PIECES,
        the_rest_at_minus_infinity,
        "the last piece is dropped",
        (),
    ),
    (PIECES, a_maximum_a_piece, "a maximum for each piece", ()),
    (
        PIECES,
        padding_skipped,
        "pieces of padding are skipped",
        {"values", "gradients"},
    ),
    (
        PIECES,
        keys_made_up,
        "a last piece that is filled up",
        {"values", "padding", "gradients"},
    ),
    *(
        (
            PIECES,
            pieces(step=step),
            "everything is kept for the backward pass",
            {"values", "padding", "gradients"},
        )
        for step in (sum_outside, product_outside)
    ),
]


@pytest.mark.parametrize(
    ("grade_id", "answer", "name", "earned"),
    LEARNERS,
    ids=[f"{row[0]} {row[2]} {n}" for n, row in enumerate(LEARNERS)],
)
def test_a_slip_is_named_and_costs_its_own_part(
    grade_id, answer, name, earned
):
    exercise = EXERCISES[grade_id]
    found = {
        part.name: exercise.diagnose(answer, part.name)
        for part in exercise.parts
    }
    told = {one.mistake for one in found.values() if one}
    assert told == {name}, found
    if earned is not None:
        assert {part for part, one in found.items() if not one} == set(earned)


def test_what_is_kept_is_said_to_belong_inside():
    exercise = EXERCISES[PIECES]
    diagnosis = exercise.diagnose(pieces(step=sum_outside))
    assert "the sum or the tanh" in diagnosis.message
    assert "sum, tanh and the product with v all belong" in diagnosis.message


@pytest.mark.parametrize(("grade_id", "answer"), MASKED)
def test_nan_of_filled_scores_may_be_made_0(grade_id, answer):
    """masked_fill keeps the NaN from the gradient of the scores."""
    answer = answer(weigh=lambda s, m: filled(s, m).softmax(-1).nan_to_num())
    diagnosis = EXERCISES[grade_id].diagnose(answer)
    assert diagnosis is None, diagnosis.message


@pytest.mark.parametrize(
    ("question", "number", "name"),
    [
        ("b", 5.33, "b: the keys alone, once they are projected again"),
        ("b", 10.88, "b: over the keys alone"),
        ("c", 0.78, "c: one other key, at 0"),
        ("c", 0.53, "c: the positive entries alone"),
        ("c", 75.28, "c: per cent"),
        ("d", 0.5, "d: even, over 2"),
        ("d", 0.25, "d: even, over 4"),
        ("e", 2.25, "e: weights moved by one place"),
    ],
)
def test_another_slip_in_a_prediction_is_named(question, number, name):
    exercise = EXERCISES["01-predict"]
    diagnosis = exercise.diagnose(
        lambda asked: (
            number if asked == question else exercise.reference(asked)
        )
    )
    assert diagnosis.mistake == name, diagnosis.message
