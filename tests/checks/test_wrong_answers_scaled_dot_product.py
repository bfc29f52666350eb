"""Wrong answers to the exercises of chapter 03 that are no known mistake."""

from functools import partial
from itertools import chain

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from unforeseen import assert_told_by_its_numbers

from attnbook.checks.scaled_dot_product import EXERCISES
from attnbook.checks.scaled_dot_product.line_up import RIGHT, right_attention
from attnbook.judging.attention_inputs import attention_inputs
from attnbook.judging.exercise import Exercise
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
        (0.0, "All scores of your inputs are equal, or nearly."),
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


# -- graders that look at less than they must ------------------------------


def grader(compare, arrive="qkv", sizes=(5, 7, 4, 6), lengths=(6, 3, 0)):
    """A grader that compares outputs and weights, and asks for gradients."""
    d_k, d_v, T, S = sizes

    def judge(attention):
        torch.manual_seed(0)
        B = len(lengths)
        inputs = {
            "q": torch.randn(B, T, d_k).requires_grad_(),
            "k": torch.randn(B, S, d_k).requires_grad_(),
            "v": torch.randn(B, S, d_v).requires_grad_(),
        }
        mask = torch.arange(S) < torch.tensor(lengths)[:, None]
        output, weights = attention(*inputs.values(), mask)
        wanted, right = right_attention(*inputs.values(), mask)
        if not compare(output, wanted, weights, right):
            return False
        asked = [inputs[name] for name in arrive]
        if not asked:
            return True
        if not output.requires_grad:
            return False
        total = output.square().sum()
        found = torch.autograd.grad(total, asked, allow_unused=True)
        return all(slope is not None for slope in found)

    return judge


def all_close(output, wanted, weights, right):
    return torch.allclose(output, wanted, atol=1e-5)


GRADERS = {
    "a tolerance that forgives": grader(
        lambda o, w, *_: torch.allclose(o, w, atol=0.5)
    ),
    "the mean of the output is compared": grader(
        lambda o, w, *_: bool((o.mean() - w.mean()).abs() < 1e-5)
    ),
    "a difference without its absolute value": grader(
        lambda o, w, *_: bool(((o - w) < 1e-5).all())
    ),
    "weights are compared, the output is not": grader(
        lambda o, w, a, b: torch.allclose(a, b, atol=1e-5)
    ),
    "only one query is compared": grader(
        lambda o, w, *_: torch.allclose(o[:, 0, 0], w[:, 0, 0], atol=1e-5)
    ),
    "only one number of each output is compared": grader(
        lambda o, w, *_: torch.allclose(o[..., -1], w[..., -1], atol=1e-5)
    ),
    "only one sentence is compared": grader(
        lambda o, w, *_: torch.allclose(o[0], w[0], atol=1e-5)
    ),
    "a NaN gets through the comparison": grader(
        lambda o, w, *_: torch.allclose(o.nan_to_num(), w, atol=1e-5)
    ),
    "a grader that looks at sums": grader(
        lambda o, w, a, b: torch.allclose(
            a[:2].sum(-1), b[:2].sum(-1), atol=1e-5
        ),
        arrive="",
    ),
    "a grader that does not look at the numbers": grader(
        lambda o, w, *_: o.shape == w.shape, arrive=""
    ),
    "only the query is asked for its gradient": grader(all_close, "q"),
    "only the key is asked for its gradient": grader(all_close, "k"),
    "only the value is asked for its gradient": grader(all_close, "v"),
    "the way back is not tried": grader(all_close, ""),
    "no sentence is empty": grader(all_close, lengths=(6, 3, 2)),
    "a mask that masks nothing": grader(all_close, lengths=(6, 6)),
    "sentences of one length": grader(all_close, lengths=(4, 4)),
    "vectors of one number": grader(all_close, sizes=(1, 1, 4, 6)),
    "d_k and d_v alike": grader(all_close, sizes=(5, 5, 4, 6)),
}


@pytest.mark.parametrize("name", GRADERS)
def test_a_grader_that_looks_at_less_is_named_by_it(name):
    diagnosis = EXERCISES["03-judge"].diagnose(GRADERS[name])
    assert diagnosis.mistake == name, diagnosis.message


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (np.s_[:, 0], "only one query is compared"),
        (np.s_[:, -1], "only one query is compared"),
        (np.s_[..., 0], "only one number of each output is compared"),
        (np.s_[..., -1], "only one number of each output is compared"),
    ],
)
def test_a_grader_that_looks_at_one_place_is_turned_down(place, name):
    judge = grader(
        lambda o, w, *_: torch.allclose(o[place], w[place], atol=1e-5)
    )
    exercise = EXERCISES["03-judge"]
    diagnosis = exercise.diagnose(judge, "places")
    assert diagnosis.mistake == name, diagnosis.message


@pytest.mark.parametrize("tolerance", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("part", ["scale", "masks", "places"])
def test_a_tolerance_that_forgives_is_not_taken_for_a_narrow_look(
    tolerance, part
):
    loose = grader(lambda o, w, *_: torch.allclose(o, w, atol=tolerance))
    diagnosis = EXERCISES["03-judge"].diagnose(loose, part)
    if diagnosis is not None:  # the bug may change more than that
        assert diagnosis.mistake == "a tolerance that forgives"


def test_a_grader_that_looks_at_all_is_accepted():
    exercise = EXERCISES["03-judge"]
    assert exercise.diagnose(grader(all_close)) is None


def test_where_inputs_show_a_bug_no_size_is_blamed():
    """Its vectors have five numbers; it forgives what they show."""
    loose = grader(lambda o, w, *_: torch.allclose(o, w, atol=1.0))
    message = EXERCISES["03-judge"].diagnose(loose).message
    assert "On your inputs its output is off by" in message
    assert "one number" not in message
    assert "d_k and d_v" not in message


def test_who_turns_all_verdicts_round_is_not_told_that_all_are_false():
    right = grader(all_close)
    diagnosis = EXERCISES["03-judge"].diagnose(lambda a: not right(a))
    assert diagnosis.mistake == "verdicts the wrong way round"


# -- a grader that learns the published order ------------------------------


def learns_by_place(verdicts):
    """It looks at all there is and knows nothing of what is right."""
    calls, table = [0], {}

    def judge(attention):
        torch.manual_seed(0)
        inputs = [
            torch.randn(3, 4, 3).requires_grad_(),
            torch.randn(3, 5, 3).requires_grad_(),
            torch.randn(3, 5, 2).requires_grad_(),
        ]
        mask = torch.arange(5) < torch.tensor([[5], [3], [0]])
        output, _ = attention(*inputs, mask)
        slopes = (
            torch.autograd.grad(
                output.square().sum(), inputs, allow_unused=True
            )
            if output.requires_grad
            else (None,) * 3
        )
        numbers = output.detach().nan_to_num(99).mul(1e4).round().int()
        face = *(s is None for s in slopes), *numbers.flatten().tolist()
        n, calls[0] = calls[0], calls[0] + 1
        if n < len(verdicts):
            table.setdefault(face, verdicts[n])
        return table.get(face, False)

    return judge


@pytest.mark.parametrize("seed", [1, 2, 3, 5, 8, 13, 2**127 + 5])
@pytest.mark.parametrize("known", ["a part", "all parts", "the whole"])
def test_who_learns_verdicts_by_their_place_earns_nothing(
    known, seed, monkeypatch
):
    exercise = EXERCISES["03-judge"]
    right = {case.name: not is_suspect(case) for case in exercise.cases}
    first, *rest = [[right[n] for n in p.tries] for p in exercise.parts]
    verdicts = {
        "a part": first,
        "all parts": [*first, *chain(*rest)],
        "the whole": list(right.values()),
    }[known]
    if known == "a part":
        learner = learns_by_place(verdicts)
        assert exercise.diagnose(learner, exercise.parts[0].name) is None
    monkeypatch.setattr(Exercise, "secret_seed", seed)
    judge = learns_by_place(verdicts)
    for part in exercise.parts:
        assert exercise.diagnose(judge, part.name) is not None, part.name


def is_suspect(case):
    return isinstance(case.arguments[1], partial)


# -- masks that come too late ----------------------------------------------


def packed(weights_of):
    def packed_attention(query, key, value, query_document, key_document):
        T, S = query.shape[-2], key.shape[-2]
        scores = query @ key.mT / query.shape[-1] ** 0.5
        past = torch.ones(T, S, dtype=torch.bool).tril(S - T)
        left, right = query_document[..., None], key_document[:, None]
        allowed = (past & (left == right) & (left > 0))[:, None]
        weights = weights_of(scores, allowed)
        return weights @ value, weights

    return packed_attention


def struck_out_after_the_softmax(scores, allowed):
    weights = scores.softmax(-1) * allowed
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-9)


def struck_out_after_exp(scores, allowed):
    powers = scores.exp() * allowed
    total = powers.sum(-1, keepdim=True)
    return powers / torch.where(total > 0, total, 1.0)


def minus_100(scores, allowed):
    weights = scores.masked_fill(~allowed, -100.0).softmax(-1)
    return weights.masked_fill(~allowed.any(-1, keepdim=True), 0.0)


@pytest.mark.parametrize(
    ("weights_of", "name"),
    [
        (struck_out_after_the_softmax, "a mask after the exponentials"),
        (struck_out_after_exp, "exponentials that overflow"),
        (minus_100, "-100 in place of -inf"),
    ],
)
def test_a_score_of_200_that_is_masked_leaves_the_others_their_weights(
    weights_of, name
):
    exercise = EXERCISES["03-packed-attention"]
    diagnosis = exercise.diagnose(packed(weights_of))
    assert diagnosis.mistake == name, diagnosis.message
    assert exercise.diagnose(packed(weights_of), "four") is None
    assert exercise.diagnose(packed(masked_softmax)) is None


def test_nothing_is_said_of_rows_that_sum_to_1_where_a_sink_takes_its_share():
    def sink_attention(query, key, value, sink, mask):
        scores = query @ key.mT / query.shape[-1] ** 0.5
        blocked = ~mask[:, None, None]
        powers = scores.masked_fill(blocked, -torch.inf).exp()
        total = sink.exp()[:, None, None] + powers.sum(-1, keepdim=True)
        weights = (powers / total).nan_to_num()
        return weights @ value, weights

    exercise = EXERCISES["03-sink-attention"]
    diagnosis = exercise.diagnose(sink_attention)
    assert "each row" not in diagnosis.message
    assert diagnosis.mistake == "exponentials that overflow"


# -- a sink as low as the scores -------------------------------------------


def sunk(sink_of=lambda sink: sink, blocked=-torch.inf, scores_of=None):
    def sink_attention(query, key, value, sink, mask):
        scores = query @ key.mT / query.shape[-1] ** 0.5
        if scores_of:
            scores = scores_of(scores)
        scores = scores.masked_fill(~mask[:, None, None], blocked)
        column = sink_of(sink)[:, None, None].expand(*scores.shape[:-1], 1)
        weights = torch.cat([scores, column], -1).softmax(-1)[..., :-1]
        return weights @ value, weights

    return sink_attention


def by_the_largest_score(query, key, value, sink, mask):
    """A division by infinity gives 0 for weights, and NaN on the way back."""
    allowed = mask[:, None, None]
    scores = query @ key.mT / query.shape[-1] ** 0.5
    scores = scores.masked_fill(~allowed, -1e9)
    highest = scores.amax(-1, keepdim=True)
    powers = (scores - highest).exp() * allowed
    total = powers.sum(-1, keepdim=True)
    weights = powers / (total + (sink[:, None, None] - highest).exp())
    return weights @ value, weights


@pytest.mark.parametrize(
    ("answer", "part", "name"),
    [
        (
            sunk(blocked=-50.0),
            "bounds",
            "a score of padding that is not low enough",
        ),
        (
            sunk(lambda sink: sink.clamp(min=-20.0)),
            "bounds",
            "a sink that cannot be low",
        ),
        (
            sunk(scores_of=lambda scores: scores.clamp(-80.0, 80.0)),
            "bounds",
            "scores with a limit",
        ),
        (by_the_largest_score, "gradients", "a NaN that is only hidden"),
    ],
)
def test_only_the_part_that_asks_for_the_edge_is_lost(answer, part, name):
    exercise = EXERCISES["03-sink-attention"]
    assert exercise.diagnose(answer, "values") is None
    diagnosis = exercise.diagnose(answer, part)
    assert diagnosis.mistake == name, diagnosis.message


@pytest.mark.parametrize(
    ("sink_of", "name"),
    [
        (torch.exp, "one exponential too many"),
        (torch.log, "a sink without exponential"),
    ],
)
def test_how_often_the_exponential_of_the_sink_is_taken_is_named(
    sink_of, name
):
    diagnosis = EXERCISES["03-sink-attention"].diagnose(sunk(sink_of))
    assert diagnosis.mistake == name, diagnosis.message


# -- one slip of the mask in place of one of the bugs ----------------------


def packed_with(shift=lambda T, S: S - T, late=False):
    def packed_attention(query, key, value, query_document, key_document):
        T, S = query.shape[-2], key.shape[-2]
        scores = query @ key.mT / query.shape[-1] ** 0.5
        past = torch.ones(T, S, dtype=torch.bool).tril(shift(T, S))
        left, right = query_document[..., None], key_document[:, None]
        allowed = (past & (left == right) & (left > 0))[:, None]
        if late:
            weights = scores.masked_fill(~allowed, -1e9).softmax(-1)
            return weights @ value, weights * allowed
        weights = masked_softmax(scores, allowed)
        return weights @ value, weights

    return packed_attention


def minus_100_and_cut(scores, allowed):
    return scores.masked_fill(~allowed, -100.0).softmax(-1) * allowed


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (packed_with(lambda T, S: T - S), "a diagonal moved the wrong way"),
        (packed_with(late=True), "weights of 0 that come after the output"),
        (packed(minus_100_and_cut), "a mask after the exponentials"),
    ],
)
def test_one_slip_leaves_four_bugs_mended(answer, name):
    exercise = EXERCISES["03-packed-attention"]
    assert exercise.diagnose(answer, "four") is None
    diagnosis = exercise.diagnose(answer, "five")
    assert diagnosis.mistake == name, diagnosis.message


# -- padding in a sparsemax ------------------------------------------------


def projected(blocked, cut=False, at_least=False):
    def sparsemax_attention(query, key, value, mask):
        allowed = mask[:, None, None]
        scores = query @ key.mT / query.shape[-1] ** 0.5
        scores = scores.masked_fill(~allowed, blocked)
        ordered = scores.sort(dim=-1, descending=True).values
        sums = ordered.cumsum(-1)
        left = 1 + torch.arange(1, key.shape[-2] + 1) * ordered
        inside = left >= sums if at_least else left > sums
        k = inside.sum(-1, keepdim=True).clamp(min=1)
        weights = (scores - (sums.gather(-1, k - 1) - 1) / k).clamp(min=0)
        weights = weights * allowed if cut else weights
        return weights @ value, weights

    return sparsemax_attention


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (projected(0.0), "a score of 0 for padding"),
        (projected(0.0, cut=True), "a score of 0 for padding"),
        (projected(-torch.inf, at_least=True), "minus infinity is counted"),
    ],
)
def test_a_slip_with_padding_costs_nothing_where_there_is_none(answer, name):
    exercise = EXERCISES["03-sparsemax-attention"]
    assert exercise.diagnose(answer, "full") is None
    diagnosis = exercise.diagnose(answer, "padding")
    assert diagnosis.mistake == name, diagnosis.message


# -- slips of the threshold, the scale and the way back --------------------


def with_a_slip(
    scale=lambda query, value: query.shape[-1] ** 0.5,
    total_of=lambda sums, k: sums.gather(-1, k - 1),
    weights_of=lambda scores, threshold: (scores - threshold).clamp(min=0),
):
    def sparsemax_attention(query, key, value, mask):
        allowed = mask[:, None, None]
        some = allowed.any(-1, keepdim=True)
        scores = query @ key.mT / scale(query, value)
        scores = scores.masked_fill(~allowed, -torch.inf)
        scores = scores.masked_fill(~some, 0.0)
        ordered = scores.sort(dim=-1, descending=True).values
        sums = ordered.cumsum(-1)
        left = 1 + torch.arange(1, key.shape[-2] + 1) * ordered
        k = (left > sums).sum(-1, keepdim=True)
        threshold = (total_of(sums, k) - 1) / k
        weights = weights_of(scores, threshold) * some
        return weights @ value, weights

    return sparsemax_attention


def softmax_above(scores, threshold):
    return scores.masked_fill(scores <= threshold, -torch.inf).softmax(-1)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (
            with_a_slip(scale=lambda query, value: value.shape[-1] ** 0.5),
            "a scale from the size of the values",
        ),
        (
            with_a_slip(total_of=lambda sums, k: sums[..., -1:]),
            "the sum of all keys",
        ),
        (
            with_a_slip(weights_of=softmax_above),
            "a softmax with small weights cut off",
        ),
        (
            with_a_slip(weights_of=lambda s, t: (s - t).clamp(min=0).data),
            "weights without gradient",
        ),
        (with_a_slip(), None),
    ],
)
def test_a_slip_of_a_sparsemax_is_named(answer, name):
    diagnosis = EXERCISES["03-sparsemax-attention"].diagnose(answer)
    assert getattr(diagnosis, "mistake", None) == name


def sunk_and_divided_by_d_k(query, key, value, sink, mask):
    return sunk()(query / query.shape[-1] ** 0.5, key, value, sink, mask)


def test_scores_divided_by_d_k_beside_a_sink_are_named():
    exercise = EXERCISES["03-sink-attention"]
    diagnosis = exercise.diagnose(sunk_and_divided_by_d_k)
    assert diagnosis.mistake == "scaled by d_k", diagnosis.message


@pytest.mark.parametrize("name", [n for n in RIGHT if "," in n])
def test_an_attention_in_another_order_differs_in_its_last_bits(name):
    """Or a judge that compares bits passes on some processors."""
    generator = torch.Generator().manual_seed(0)
    *inputs, mask = attention_inputs(generator, [5, 3, 0], 4, 5, 3, 3, 2)
    plain, other = right_attention(*inputs, mask), RIGHT[name](*inputs, mask)
    assert torch.allclose(plain[0], other[0], atol=1e-6)
    assert not torch.equal(plain[0], other[0])
