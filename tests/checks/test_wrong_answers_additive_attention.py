"""Wrong answers to the exercises of chapter 01 that are no known mistake."""

import math

import pytest
import torch
from answers_additive_attention import (
    all_that_tie_are_linked,
    concat,
    log_of_nearly_the_mask,
    log_of_the_mask,
    masked_at_the_end,
    masked_late_beside_an_empty_one,
    no_link_without_weight,
    one_query_at_a_time,
    only_counted,
    output_detached,
    piece_read_late,
    pieces,
    pieces_of_queries,
    rate,
    rows_up_to_a_break,
    scored,
    shared_anew,
    tally,
    the_rest_stays_at_0,
)
from torch.utils.checkpoint import checkpoint
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


# -- as learners write them ---------------------------------------------------


MASKED = (
    ("01-concat-attention", concat),
    ("01-coverage-attention", tally),
    ("01-chunked-attention", pieces),
)


@pytest.mark.parametrize(("grade_id", "answer"), MASKED)
def test_a_mask_that_one_empty_sentence_spoils_is_seen(grade_id, answer):
    answer = answer(weigh=masked_late_beside_an_empty_one)
    assert EXERCISES[grade_id].diagnose(answer) is not None


LEARNERS = [
    *(
        (grade_id, answer(weigh=only_counted), "a mask that is only counted")
        for grade_id, answer in MASKED
    ),
    *(
        (grade_id, answer(weigh=log_of_the_mask), "an empty row of -inf")
        for grade_id, answer in MASKED
    ),
    *(
        (
            grade_id,
            answer(weigh=log_of_nearly_the_mask),
            "a penalty that a large score outweighs",
        )
        for grade_id, answer in MASKED
    ),
    (
        "01-coverage-attention",
        tally(add=lambda covered, rows: covered.detach() + rows[-1]),
        "a tally without gradient",
    ),
    (
        "01-chunked-attention",
        pieces(
            cut=lambda key, n: key.tensor_split(
                tuple(range(n, key.shape[1] // n * n, n)), 1
            )
        ),
        "the rest in the last piece",
    ),
    (
        "01-chunked-attention",
        pieces(cut=lambda key, n: key.tensor_split(-(-key.shape[1] // n), 1)),
        "pieces made equal",
    ),
    (
        "01-concat-attention",
        output_detached,
        "an output that cannot move the weights",
    ),
    (
        "01-concat-attention",
        concat(
            left=lambda query, S: (
                query.repeat_interleave(S, 1)
                .view(len(query), S, query.shape[1], -1)
                .transpose(1, 2)
            )
        ),
        "queries cut into rows of another length",
    ),
    (
        "01-coverage-attention",
        tally(add=lambda covered, rows: sum(rows[-2:])),
        "only the last two steps are remembered",
    ),
    (
        "01-coverage-attention",
        tally(
            bent=lambda hidden, term: torch.tanh(
                hidden + term.sum(-1)[..., None]
            )
        ),
        "one number in place of w_c",
    ),
    (
        "01-coverage-attention",
        masked_at_the_end,
        "a tally of weights that are not masked",
    ),
    (
        "01-chunked-attention",
        pieces(
            cut=lambda key, chunk: key.split(
                chunk if chunk <= key.shape[1] else key.shape[1] // 2 or 1, 1
            )
        ),
        "a chunk above S is made smaller",
    ),
    (
        "01-concat-attention",
        concat(right=lambda key, T: key.repeat_interleave(T, 1)),
        "keys laid out in the wrong order",
    ),
    (
        "01-concat-attention",
        concat(scores=lambda p, W, v: (torch.tanh(p @ W.T) @ v).detach()),
        "scores without gradient",
    ),
    (
        "01-concat-attention",
        concat(scores=lambda p, W, v: torch.tanh(torch.tanh(p @ W.T) @ v)),
        "a tanh too many",
    ),
    (
        "01-concat-attention",
        concat(
            scores=lambda p, W, v: torch.tanh(p @ W.T) @ v / math.sqrt(len(v))
        ),
        "a scale that nobody asked for",
    ),
    (
        "01-concat-attention",
        concat(weigh=shared_anew),
        "a mask after the softmax, then divided by the sum",
    ),
    (
        "01-concat-attention",
        concat(
            weigh=lambda s, mask: (
                s.masked_fill(~mask, -100.0).softmax(-1) * mask
            )
        ),
        "-100 in place of -inf",
    ),
    (
        "01-alignment-error-rate",
        all_that_tie_are_linked,
        "every token that ties is linked",
    ),
    (
        "01-alignment-error-rate",
        rate(best=lambda w: torch.round(w, decimals=2).argmax(-1)),
        "rounded weights",
    ),
    (
        "01-alignment-error-rate",
        rate(best=lambda w: w.argsort(dim=-1, stable=True)[:, -1]),
        "a tie goes to the later token",
    ),
    ("01-alignment-error-rate", rate(empty=1.0), "1 where no row counts"),
    (
        "01-alignment-error-rate",
        rate(rows=lambda alignment, mask: alignment.any(-1)),
        "padding is counted",
    ),
    (
        "01-alignment-error-rate",
        rows_up_to_a_break,
        "stops at the first row that does not count",
    ),
    (
        "01-alignment-error-rate",
        rate(
            rows=lambda alignment, mask: (
                (mask.cumsum(1) < mask.sum(1, keepdim=True))
                & mask
                & alignment.any(-1)
            )
        ),
        "the last row is left out",
    ),
    (
        "01-alignment-error-rate",
        no_link_without_weight,
        "no link where all weights are 0",
    ),
    (
        "01-coverage-attention",
        tally(weigh=lambda s, mask: s.softmax(-1)),
        "the mask is not used",
    ),
    (
        "01-coverage-attention",
        tally(
            weigh=lambda s, mask: s.masked_fill(~mask, -torch.inf).softmax(-1)
        ),
        "an empty row of -inf",
    ),
    (
        "01-coverage-attention",
        tally(weigh=lambda s, mask: s.masked_fill(~mask, -1e9).softmax(-1)),
        "-1e9 in place of -inf",
    ),
    (
        "01-coverage-attention",
        tally(weigh=shared_anew),
        "a mask after the softmax, then divided by the sum",
    ),
    (
        "01-coverage-attention",
        tally(bent=lambda hidden, term: torch.tanh(hidden) + term),
        "the tally outside the tanh",
    ),
    (
        "01-coverage-attention",
        tally(add=lambda covered, rows: sum(rows) / len(rows)),
        "a mean in place of a sum",
    ),
    (
        "01-coverage-attention",
        tally(
            end=lambda rows, value: (
                torch.stack(rows, 1) @ value,
                torch.stack(rows),
            )
        ),
        "steps stacked in front of the batch",
    ),
    (
        "01-chunked-attention",
        pieces(cut=lambda key, chunk: key.chunk(chunk, 1)),
        "`chunk` pieces in place of pieces of `chunk` keys",
    ),
    (
        "01-chunked-attention",
        pieces(cut=lambda key, chunk: key.chunk(chunk)),
        "the batch is cut into pieces",
    ),
    (
        "01-chunked-attention",
        pieces(cut=lambda key, chunk: key.split(16, 1)),
        "pieces that do not follow `chunk`",
    ),
    (
        "01-chunked-attention",
        pieces(cut=lambda key, chunk: key.split(1, 1)),
        "pieces that do not follow `chunk`",
    ),
    (
        "01-chunked-attention",
        pieces(cut=lambda key, chunk: key.split(chunk + 1, 1)),
        "one more key than `chunk`",
    ),
    (
        "01-chunked-attention",
        pieces(
            step=lambda q, piece, v: checkpoint(
                scored, q, piece, v, use_reentrant=True
            )
        ),
        "the older form of checkpoint",
    ),
    ("01-chunked-attention", pieces_of_queries, "pieces of queries"),
    (
        "01-chunked-attention",
        one_query_at_a_time,
        "pieces that do not follow `chunk`",
    ),
    ("01-chunked-attention", piece_read_late, "a piece that is read late"),
    (
        "01-chunked-attention",
        the_rest_stays_at_0,
        "the last piece is dropped",
    ),
]


@pytest.mark.parametrize(
    ("grade_id", "answer", "name"),
    LEARNERS,
    ids=[
        f"{grade_id} {name} {n}"
        for n, (grade_id, _, name) in enumerate(LEARNERS)
    ],
)
def test_what_learners_write_is_named(grade_id, answer, name):
    diagnosis = EXERCISES[grade_id].diagnose(answer)
    assert diagnosis is not None
    assert diagnosis.mistake == name, diagnosis.message


@pytest.mark.parametrize(
    ("question", "number", "name"),
    [
        ("b", 7.07, "b: the queries are projected again too"),
        ("b", 11.13, "b: again for each key"),
        ("b", 2.5, "b: the two widths exchanged"),
        ("c", 0.71, "c: five others"),
        ("c", 0.80, "c: three others"),
        ("f", 2.25, "f: weights moved by one place"),
    ],
)
def test_a_slip_in_a_count_is_named(question, number, name):
    exercise = EXERCISES["01-predict"]
    diagnosis = exercise.diagnose(
        lambda asked: (
            number if asked == question else exercise.reference(asked)
        )
    )
    assert diagnosis.mistake == name, diagnosis.message


def blended_by_hand(query, key, value, mask, W_q, W_k, v, chunk):
    """In place where the checkpoint allows it, and no product at the end."""

    def step(query, piece, v):
        hidden = query[:, :, None] + piece[:, None]
        return (hidden.tanh_() * v).sum(-1)

    _, weights = pieces(
        step=lambda *given: checkpoint(step, *given, use_reentrant=False)
    )(query, key, value, mask, W_q, W_k, v, chunk)
    return (weights[..., None] * value[:, None]).sum(2), weights


@pytest.mark.parametrize(
    ("grade_id", "answer"),
    [
        ("01-concat-attention", concat()),
        (
            "01-concat-attention",
            concat(
                weigh=lambda s, mask: (
                    s.masked_fill(~mask, torch.finfo(s.dtype).min).softmax(-1)
                    * mask
                )
            ),
        ),
        ("01-alignment-error-rate", rate()),
        (
            "01-alignment-error-rate",
            lambda *given: torch.tensor(rate(lambda w: w.max(-1)[1])(*given)),
        ),
        (
            "01-coverage-attention",
            tally(add=lambda covered, rows: torch.stack(rows).sum(0)),
        ),
        (
            "01-coverage-attention",
            tally(
                weigh=lambda s, mask: (
                    s.masked_fill(~mask, -1e9).softmax(-1) * mask
                )
            ),
        ),
        ("01-chunked-attention", pieces()),
        ("01-chunked-attention", blended_by_hand),
    ],
)
def test_right_answers_in_other_words_are_taken(grade_id, answer):
    diagnosis = EXERCISES[grade_id].diagnose(answer)
    assert diagnosis is None, diagnosis.message


def test_axes_that_are_exchanged_are_not_called_missing():
    """Also where one of them has a single entry, as in the example."""
    exercise = EXERCISES["01-coverage-attention"]
    diagnosis = exercise.diagnose(
        tally(end=lambda rows, value: (rows[0], torch.stack(rows)))
    )
    assert "The axes are in another order than asked for." in diagnosis.message


def test_what_raises_everywhere_has_mended_no_bug():
    exercise = EXERCISES["01-concat-attention"]

    def answer(*arguments):
        raise ValueError("mask has another shape")

    for part in exercise.parts:
        assert exercise.diagnose(answer, part.name) is not None


def test_a_plain_loop_earns_all_but_the_memory():
    exercise = EXERCISES["01-chunked-attention"]
    earned = [
        part.name
        for part in exercise.parts
        if exercise.diagnose(pieces(step=scored), part.name) is None
    ]
    assert earned == ["values", "padding", "gradients"]


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_a_repair_is_paid_for_each_bug_that_is_mended(kept):
    exercise = EXERCISES["01-concat-attention"]
    (draft,) = [
        mistake.answer
        for mistake in exercise.mistakes
        if mistake.bugs == kept
        and mistake.name
        in (
            "a mask after the softmax",
            "at least bugs 3 and 5 of 5",
            "at least bugs 1, 3 and 5 of 5",
        )
    ]
    earned = [
        part.mended
        for part in exercise.parts
        if exercise.diagnose(draft, part.name) is None
    ]
    assert earned == [n for n in (2, 3, 4) if n <= 5 - kept]


@pytest.mark.parametrize("filling", [-torch.inf, -1e9])
@pytest.mark.parametrize(("dim", "exchanged"), [(-1, True), (1, False)])
def test_a_bug_left_beside_an_empty_row_keeps_the_other_points(
    filling, dim, exchanged
):
    def answer(query, key, value, mask, weight, v):
        d = query.shape[-1]
        if exchanged:  # the key stands before the query
            weight = weight.roll(d, 1)
        first = (query @ weight[:, :d].T)[:, :, None]
        hidden = first + (key @ weight[:, d:].T)[:, None]
        scores = torch.tanh(hidden) @ v
        scores = scores.masked_fill(~mask[:, None], filling)
        weights = scores.softmax(dim)
        return weights @ value, weights

    exercise = EXERCISES["01-concat-attention"]
    earned = [
        part.name
        for part in exercise.parts
        if exercise.diagnose(answer, part.name) is None
    ]
    assert earned == ["two", "three"]
