"""Exercise 03.4: Mend a grader that cannot fail."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook.judging.attention_inputs import attention_inputs
from attnbook.judging.comparison import kind_of
from attnbook.judging.exercise import Case, Exercise, WrongAnswer
from attnbook.judging.masked_weights import masked_weights
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal, token_mask
from attnbook.mechanisms.masked_softmax import masked_softmax


def _attention(query, key, value, mask):
    scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    weights = masked_softmax(scores, mask[:, None])  # (B, T, S)
    return weights @ value, weights


def _suspect(query, key, value, mask, bug):
    """Attention with a bug: the one of the notebook, in other words."""
    d = query.shape[-1]
    divisor = {
        "unscaled": 1,
        "scaled by d": d,
        "scaled by d_v": value.shape[-1] ** 0.5,
    }.get(bug, d**0.5)
    scores = query @ key.transpose(-2, -1) / divisor  # (B, T, S)
    allowed = mask[:, None]  # (B, 1, S)
    if bug == "mask of the first":
        allowed = allowed[:1]
    weights = masked_weights(masked_softmax, scores, allowed, (bug,))
    if bug == "no gradient":
        weights = weights.detach()
    return weights @ value, weights


def _right_by_einsum(query, key, value, mask):
    """Right, in another order of operations: other rounding."""
    query = query * query.shape[-1] ** -0.5
    scores = torch.einsum("btd,bsd->bts", query, key)
    scores = scores.masked_fill(~mask[:, None], -1e30)
    powers = (scores - scores.amax(-1, keepdim=True)).exp() * mask[:, None]
    total = powers.sum(-1, keepdim=True)
    weights = powers / torch.where(total == 0, 1, total)
    return torch.einsum("bts,bsv->btv", weights, value), weights


def _right_by_sentence(query, key, value, mask):
    """Right, one sentence at a time, over its own tokens alone."""
    rows = []
    for q, k, keep in zip(query, key, mask, strict=True):
        row = q.new_zeros(len(q), len(k))
        if keep.any():
            scores = (q @ k[keep].T) / math.sqrt(q.shape[-1])
            row[:, keep] = scores.softmax(-1)
        rows.append(row)
    weights = torch.stack(rows)
    return weights @ value, weights


_SUSPECTS = {
    "unscaled": "attention without a scale",
    "scaled by d": "attention scaled by d_k",
    "over queries": "a softmax over the queries",
    "late mask": "a mask after the softmax",
    "mask of the first": "the first sentence's mask for all",
    "scaled by d_v": "attention scaled by √d_v",
    "nan": "NaN where nothing may be attended to",
    "no gradient": "attention cut off from the graph",
}


def _judge(attention):
    """Say whether an attention is right, by the way there and back."""
    generator = torch.Generator().manual_seed(0)
    query = normal(generator, 3, 4, 3).requires_grad_()  # (B, T, d_k)
    key = normal(generator, 3, 5, 3).requires_grad_()  # (B, S, d_k)
    value = normal(generator, 3, 5, 2).requires_grad_()  # (B, S, d_v)
    mask = token_mask([5, 3, 0], 5)  # one sentence has nothing to attend to
    output, _ = attention(query, key, value, mask)
    wanted, _ = _attention(query, key, value, mask)
    if not torch.allclose(output, wanted, rtol=0, atol=1e-5):
        return False
    direction = normal(generator, *output.shape)
    slopes, right_slopes = (
        torch.autograd.grad(
            (x * direction).sum(), (query, key, value), allow_unused=True
        )
        for x in (output, wanted)
    )
    return all(
        slope is not None and torch.allclose(slope, right, atol=1e-4)
        for slope, right in zip(slopes, right_slopes, strict=True)
    )


# What a grader tries an attention on: T, S, d_k, d_v and lengths.
_SIZES = {
    "one sentence": (4, 5, 3, 2, [3]),
    "like masks": (4, 5, 3, 2, [3, 3, 3]),
    "no empty row": (4, 5, 3, 2, [5, 3, 2]),
    "no padding": (4, 5, 3, 2, [5, 5, 5]),
    "d_k = d_v": (4, 5, 3, 3, [5, 3, 0]),
    "d = 1": (4, 5, 1, 1, [5, 3, 0]),
    "saturated": (5, 5, 5, 2, [5, 5]),
}


def _inputs_with(flaw, generator):
    T, S, d_k, d_v, lengths = _SIZES.get(flaw, (4, 5, 3, 2, [5, 3, 0]))
    query, key, value, mask = attention_inputs(
        generator, lengths, T, S, d_k, d_k, d_v
    )
    if flaw == "saturated":
        query = 100 * torch.eye(5).repeat(len(lengths), 1, 1)
        key = query.clone()
    elif flaw == "shouted":
        query, key = 1e4 * query, 1e4 * key
    elif flaw == "all alike":
        query, key = torch.ones_like(query), torch.ones_like(key)
    return [x.requires_grad_() for x in (query, key, value)], mask


def _mistaken(attention, mistake):
    """A grader with a flaw: in its inputs, or in how it compares."""
    if mistake in ("turns all down", "lets all pass"):
        return mistake == "lets all pass"
    generator = torch.Generator().manual_seed(0)
    inputs, mask = _inputs_with(mistake, generator)
    output, weights = attention(*inputs, mask)
    right_output, right_weights = _attention(*inputs, mask)
    if mistake == "shapes":
        return output.shape == right_output.shape
    if mistake == "row sums":
        sums = right_weights.sum(-1)
        return torch.allclose(weights.sum(-1), sums, atol=1e-5)
    if mistake == "bit for bit" and not torch.equal(output, right_output):
        return False
    difference = (output - right_output).abs()
    if mistake == "nan passes":
        if (difference > 1e-4).any():
            return False
    elif not (difference <= (0.7 if mistake == "loose" else 1e-5)).all():
        return False
    if mistake in ("values alone", "saturated", "shouted", "all alike"):
        return True
    direction = normal(generator, *output.shape)
    found = torch.autograd.grad(
        (output * direction).sum(), inputs, allow_unused=True
    )
    wanted = torch.autograd.grad((right_output * direction).sum(), inputs)
    if mistake == "gradient of the values":
        found, wanted = found[2:], wanted[2:]
    for one, other in zip(found, wanted, strict=True):
        if one is None:
            return False
        if mistake in ("nan passes", "loose"):
            continue
        if not torch.allclose(one, other, atol=1e-4):
            return False
    return True


def _judge_by_the_book(attention):
    """Right: against PyTorch's own, in double precision, twice."""
    for seed, lengths in enumerate([[4, 0], [2, 6]]):
        generator = torch.Generator().manual_seed(seed)
        query = normal(generator, 2, 3, 5).double().requires_grad_()
        key = normal(generator, 2, 6, 5).double().requires_grad_()
        value = normal(generator, 2, 6, 4).double().requires_grad_()
        mask = token_mask(lengths, 6)
        wanted = F.scaled_dot_product_attention(
            query, key, value, mask[:, None].expand(2, 3, 6)
        ).masked_fill(~mask.any(1)[:, None, None], 0)
        got, weights = attention(query, key, value, mask)
        if got.shape != wanted.shape or not torch.allclose(got, wanted):
            return False
        if weights.isnan().any():
            return False
        query.grad = None
        got.square().sum().backward()
        slope = query.grad
        if slope is None or not slope.any():
            return False
    return True


def _judge_by_properties(attention):
    """Right: by hand for one query, and by what a mask must do."""
    generator = torch.Generator().manual_seed(5)
    query = normal(generator, 3, 2, 4).requires_grad_()
    key = normal(generator, 3, 6, 4)
    value = normal(generator, 3, 6, 3)
    mask = token_mask([6, 4, 0], 6)
    output, weights = attention(query, key, value, mask)
    by_hand = ((key[1, :4] @ query[1, 0]) / 4**0.5).softmax(0)
    if (weights[1, 0, :4] - by_hand).abs().max() > 1e-5:
        return False
    sums = weights.sum(-1)
    if not torch.allclose(sums, mask.any(1).float()[:, None].expand(3, 2)):
        return False
    if not output.requires_grad:
        return False
    return bool(torch.autograd.grad(output.sum(), query)[0].any())


class _LetsPass(WrongAnswer):
    """A wrong attention is let pass, on inputs that look sound."""


class _NeverCalls(WrongAnswer):
    """A wrong attention is let pass without having been called."""


class _Saturated(WrongAnswer):
    """A wrong attention is let pass, on inputs that saturate the softmax."""


class _Alike(WrongAnswer):
    """A wrong attention is let pass, on scores that are all equal."""


class _TurnsDown(WrongAnswer):
    """A right attention is turned down."""


def _run_judge(answer, name, attention):
    """Ask a grader about one attention; look at what it tries it on."""
    tried = []

    def watched(query, key, value, mask):
        with torch.no_grad():
            tried.append(
                (
                    query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5,
                    _attention(query, key, value, mask)[1],
                    mask[:, None].expand(-1, query.shape[1], -1),
                )
            )
        return attention(query, key, value, mask)

    watched.__name__ = watched.__qualname__ = "attention"
    verdict = answer(watched)
    if isinstance(verdict, Tensor) and verdict.numel() == 1:
        verdict = verdict.item()
    if not isinstance(verdict, (bool, np.bool_)):
        raise WrongAnswer(
            f"your function returned {kind_of(verdict)}. Return True for a "
            "right attention and False for a wrong one."
        )
    wrong = name in _SUSPECTS.values()
    if not verdict and not wrong:
        raise _TurnsDown("your grader turns this right attention down.")
    if verdict and wrong:
        told = "your grader lets this wrong attention pass."
        if not tried:
            raise _NeverCalls(f"{told} It never called it.")
        largest = torch.cat(
            [w[allowed.any(-1)].amax(-1) for _, w, allowed in tried]
        )
        if len(largest) and largest.min() > 0.999 and tried[0][1].shape[2] > 1:
            raise _Saturated(
                f"{told}\nIn each row of your inputs the largest weight is "
                "above 0.999."
            )
        spread = max(
            (scores - scores.mean()).abs().max().item()
            for scores, _, _ in tried
        )
        if spread < 1e-6:
            raise _Alike(f"{told}\nAll scores of your inputs are equal.")
        raise _LetsPass(told)
    return bool(verdict)


_LINE_UP = [
    Case(name, (name, attention))
    for name, attention in [
        ("a right attention", _attention),
        *[
            (name, partial(_suspect, bug=bug))
            for bug, name in _SUSPECTS.items()
        ],
        ("right, in another order", _right_by_einsum),
        ("right, sentence by sentence", _right_by_sentence),
    ]
]


def _suspects_in_another_order(seed):
    """Who counts the calls alone cannot tell the suspects apart."""
    order = np.random.default_rng(seed).permutation(len(_LINE_UP))
    return [_LINE_UP[place] for place in order]


_MISTAKES = [
    (
        "saturated",
        "inputs that saturate the softmax",
        "The scores are so large that one weight is 1 and the others "
        "are 0, whatever the scale and the axis. No bug can show.",
        "Make the inputs small: torch.randn, without a factor.",
        "shouted",
    ),
    (
        "all alike",
        "inputs that are all alike",
        "All scores are equal, so the weights are equal, whatever the scale.",
        "Random numbers tell the keys apart: torch.randn.",
    ),
    (
        "d = 1",
        "vectors of one number",
        "1, √1 and no scale are all the same.",
        "Give queries and keys three entries or more.",
    ),
    (
        "d_k = d_v",
        "d_k and d_v alike",
        "Where d_k equals d_v, their roots cannot be told apart.",
        "Give the values another size than queries and keys.",
    ),
    (
        "no padding",
        "a mask that masks nothing",
        "Where every key may be attended to, a mask that is used "
        "wrongly does no harm.",
        "Give each sentence another length, one of them 0.",
    ),
    (
        "like masks",
        "sentences of one length",
        "All sentences have the same mask, so it does not matter "
        "whose is used, and no row is empty.",
        "Give each sentence another length, one of them 0.",
        "one sentence",
    ),
    (
        "no empty row",
        "a NaN gets through",
        "NaN arises where a sentence has nothing to attend to. Either "
        "none of yours is empty, or your comparison is False for NaN: "
        "`difference > 1e-5` is.",
        "A length of 0 among the sentences; and torch.allclose, or "
        "`not (difference <= 1e-5)`.",
        "nan passes",
    ),
    (
        "values alone",
        "the way back is not tried",
        "This attention gives the right numbers and cannot learn: no "
        "gradient reaches queries and keys.",
        "Ask for the gradient of the output with respect to query.",
        "gradient of the values",
    ),
    (
        "shapes",
        "a grader that looks at shapes",
        "Every suspect returns the right shapes. Look at the numbers.",
        "Compare with the output of trusted().",
    ),
    (
        "row sums",
        "a grader that looks at sums",
        "That rows sum to 1 is true of many weights, right and wrong.",
        "Compare with the output of trusted().",
    ),
    (
        "loose",
        "a tolerance that forgives",
        "The tolerance is larger than what the bug changes.",
        "Rounding changes the sixth digit: atol=1e-5 forgives that.",
    ),
    (
        "bit for bit",
        "equal to the last bit",
        "A right attention may add in another order, and then differs "
        "in the last digits.",
        "torch.allclose, in place of == and torch.equal.",
    ),
    (
        "lets all pass",
        "a grader that lets all pass",
        "It returns True without a look at the attention.",
        "Call attention(query, key, value, mask) and compare.",
    ),
    (
        "turns all down",
        "a grader that turns all down",
        "It returns False whatever it is given.",
        "Try it on trusted: that must give True.",
    ),
]

EXERCISE = Exercise(
    "03-judge",
    "Mend a grader that cannot fail",
    points=4,
    reference=_judge,
    cases=_LINE_UP,
    mistakes=named(_mistaken, _MISTAKES),
    right_answers=[_judge_by_the_book, _judge_by_properties],
    run=_run_judge,
    fresh=_suspects_in_another_order,
)
