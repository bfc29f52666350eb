"""Exercise 03.4: Repair a grader that cannot fail."""

from __future__ import annotations

import contextlib
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook.checks.scaled_dot_product import line_up
from attnbook.checks.scaled_dot_product.line_up import right_attention
from attnbook.judging.attention_inputs import attention_inputs
from attnbook.judging.comparison import kind_of
from attnbook.judging.exercise import Exercise, Part, WrongAnswer
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal, token_mask


def _judge(attention):
    """Say whether an attention is right, by the way there and back."""
    return _mistaken(attention, "")


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


# What a grader compares of output and weights, where it is not the output.
_LOOKS_AT = {
    "shapes": lambda output, weights: torch.tensor(output.shape),
    "row sums": lambda output, weights: weights.sum(-1),
    "weights": lambda output, weights: weights,
    "mean": lambda output, weights: output.mean(),
    "mean, one way": lambda output, weights: output.mean(),
    "mean alone": lambda output, weights: output.mean(),
    "mean alone, one way": lambda output, weights: output.mean(),
    "sums of full rows": lambda output, weights: weights[:2].sum(-1),
    "nan_to_num": lambda output, weights: output.nan_to_num(),
    "first query": lambda output, weights: output[:, 0],
    "last query": lambda output, weights: output[:, -1],
    "first entry": lambda output, weights: output[..., 0],
    "last entry": lambda output, weights: output[..., -1],
    "first sentence": lambda output, weights: output[0],
    "one number": lambda output, weights: output[0, 0, 0],
}

# Which of query, key and value a grader asks for gradients.
_ASKED = {
    "gradient of the query": slice(1),
    "gradient of the key": slice(1, 2),
    "gradient of the values": slice(2, None),
    "values alone": slice(0),
    "saturated": slice(0),
    "shouted": slice(0),
    "all alike": slice(0),
    "shapes": slice(0),
    "row sums": slice(0),
    "sums of full rows": slice(0),
    "mean alone": slice(0),
    "mean alone, one way": slice(0),
}


def _mistaken(attention, mistake):
    """A grader with a flaw: in its inputs, or in how it compares."""
    if mistake in ("turns all down", "lets all pass"):
        return mistake == "lets all pass"
    if mistake == "turned round":
        return not _mistaken(attention, "")
    generator = torch.Generator().manual_seed(0)
    inputs, mask = _inputs_with(mistake, generator)
    output, weights = attention(*inputs, mask)
    right_output, right_weights = right_attention(*inputs, mask)
    if mistake == "black list":
        return _is_none_of_the_printed(output, weights, inputs, mask)
    if mistake == "bit for bit" and not torch.equal(output, right_output):
        return False
    seen = _LOOKS_AT.get(mistake, lambda output, weights: output)
    difference = seen(output, weights) - seen(right_output, right_weights)
    if not mistake.endswith("one way"):
        difference = difference.abs()
    if mistake == "nan passes":
        if (difference > 1e-4).any():
            return False
    elif not (difference <= (0.7 if mistake == "loose" else 1e-5)).all():
        return False
    asked = inputs[_ASKED.get(mistake, slice(None))]
    if not asked:
        return True
    if not output.requires_grad:
        return False
    found = torch.autograd.grad(
        output.square().sum(), asked, allow_unused=True
    )
    return all(slope is not None for slope in found)


def _is_none_of_the_printed(output, weights, inputs, mask):
    suspects = {
        name: attention
        for rows in line_up.SUSPECTS.values()
        for name, attention in rows.items()
    }
    for name in line_up.PRINTED:
        other, _ = suspects[name](*inputs, mask)
        if name == "attention cut off from the graph":
            slope = torch.autograd.grad(
                output.sum(), inputs[0], allow_unused=True
            )[0]
            if slope is None:
                return False
        elif torch.allclose(output, other, atol=1e-6, equal_nan=True):
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
        if weights.isnan().any() or not got.requires_grad:
            return False
        got.square().sum().backward()
        if any(x.grad is None or not x.grad.any() for x in (query, key)):
            return False
        if value.grad is None:
            return False
    return True


def _judge_by_properties(attention):
    """Right: each query by hand, over the tokens of its own sentence."""
    generator = torch.Generator().manual_seed(5)
    inputs = [
        normal(generator, *shape).requires_grad_()
        for shape in ((3, 2, 4), (3, 6, 4), (3, 6, 3))
    ]
    lengths = [6, 4, 0]
    output, _ = attention(*inputs, token_mask(lengths, 6))
    for b, n in enumerate(lengths):
        query, key, value = (x[b].detach() for x in inputs)
        for t in range(2):
            by_hand = ((key[:n] @ query[t]) / 4**0.5).softmax(0)
            wanted = by_hand @ value[:n]
            if not (output[b, t] - wanted).abs().max() < 1e-5:
                return False
    direction = normal(generator, *output.shape)
    try:
        found = torch.autograd.grad((output * direction).sum(), inputs)
    except RuntimeError:  # one of them has no part in it
        return False
    return len(found) == 3


# -- what a verdict is told by -----------------------------------------------


class _LetsPass(WrongAnswer):
    """A wrong attention is let pass, whose output here is the right one."""


class _Shows(WrongAnswer):
    """A wrong attention is let pass, though its output here is wrong."""


class _Forgives(WrongAnswer):
    """The same, and an output that is off by 0.01 everywhere passes too."""


class _WayBack(WrongAnswer):
    """An attention is let pass that some gradient does not get through."""


class _NeverCalls(WrongAnswer):
    """A wrong attention is let pass without having been called."""


class _Saturated(WrongAnswer):
    """A wrong attention is let pass, on inputs that saturate the softmax."""


class _Alike(WrongAnswer):
    """A wrong attention is let pass, on scores that are all equal."""


class _OneNumber(WrongAnswer):
    """A wrong scale is let pass, on vectors of one number."""


class _EqualSizes(WrongAnswer):
    """A wrong scale is let pass, where d_k is d_v."""


class _NothingMasked(WrongAnswer):
    """A wrong mask is let pass, where every key may be attended to."""


class _OneMask(WrongAnswer):
    """A wrong mask is let pass, where all sentences have the same."""


class _NoneEmpty(WrongAnswer):
    """A wrong mask is let pass, where no sentence is empty."""


class _TurnsDown(WrongAnswer):
    """A right attention is turned down."""


def _run_judge(answer, name, attention):
    """Ask a grader about one attention; look at what it tries it on."""
    tried = []

    def watched(query, key, value, mask):
        tried.append((query, key, value, mask))
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
    wrong = isinstance(attention, partial)
    if not verdict and not wrong:
        raise _TurnsDown("your grader turns this right attention down.")
    if verdict and wrong:
        told = "your grader lets this wrong attention pass."
        if not tried:
            raise _NeverCalls(f"{told} It never called it.")
        kind, why = _LetsPass, ""
        # What a learner calls it with may be of no use.
        with contextlib.suppress(Exception), torch.no_grad():
            kind, why = _why_it_passes(attention, tried)
        if kind is _Shows and _is_forgiving(answer):
            kind = _Forgives
        raise kind(f"{told}\n{why}".strip())
    return bool(verdict)


def _is_forgiving(judge):
    """Say whether it lets small differences pass, and large ones not."""

    def off_by(distance):
        def attention(*inputs):
            output, weights = right_attention(*inputs)
            return output + distance, weights

        return attention

    # Where it fails on one of these, nothing is known.
    with contextlib.suppress(Exception):
        return bool(judge(off_by(0.01))) and not judge(off_by(100.0))
    return False


def _why_it_passes(attention, tried):
    """Say what its inputs hide, or that they do not hide it."""
    cut = attention.keywords.get("cut")
    if cut:
        reached = {"weights": "query or key"}.get(cut, cut)
        return _WayBack, (
            f"Its output is right, but no gradient reaches {reached}."
        )
    rights = [right_attention(*inputs) for inputs in tried]
    for inputs, (output, _) in zip(tried, rights, strict=True):
        other = attention(*inputs)[0]
        if not torch.allclose(other, output, rtol=1e-3, atol=1e-3):
            far = (other - output).abs().max().item()
            by = "holds NaN" if np.isnan(far) else f"is off by {far:.2g}"
            return _Shows, f"On your inputs its output {by}, and it shows."
    bug, hidden = attention.keywords["bug"], "On your inputs it is right: "
    sizes = {(q.shape[-1], v.shape[-1]) for q, _, v, _ in tried}
    if bug in ("", "value size") and {d_k for d_k, _ in sizes} == {1}:
        return _OneNumber, f"{hidden}your vectors have one number."
    if bug == "value size" and all(d_k == d_v for d_k, d_v in sizes):
        return _EqualSizes, f"{hidden}your d_k and d_v are equal."
    if bug in ("late mask", "one mask", "unmasked", "nan", "-1e9"):
        masks = [mask for *_, mask in tried]
        if all(mask.all() for mask in masks):
            return _NothingMasked, f"{hidden}your mask is True everywhere."
        alike = all((mask == mask[:1]).all() for mask in masks)
        if bug == "one mask" and alike:
            return _OneMask, f"{hidden}your sentences have one mask."
        if bug in ("nan", "-1e9"):
            return _NoneEmpty, f"{hidden}none of your sentences is empty."
    largest = torch.cat(
        [
            weights[mask[:, None].expand_as(weights).any(-1)].amax(-1)
            for (*_, mask), (_, weights) in zip(tried, rights, strict=True)
        ]
    )
    several = all(key.shape[1] > 1 for _, key, *_ in tried)
    if several and len(largest) and largest.min() > 0.999:
        return _Saturated, (
            "In each row of your inputs the largest weight is above 0.999."
        )
    scores = [query @ key.mT for query, key, *_ in tried]
    if all((one - one.mean()).abs().max() < 1e-4 for one in scores):
        return _Alike, "All scores of your inputs are equal, or nearly."
    return _LetsPass, "On your inputs its output is the right one."


class _LineUp(Exercise):
    """Where points are given, it asks in an order drawn from the seed.

    Verdicts that have been learnt by heart, in the published order, are then
    those of others.
    """

    @property
    def trials(self):
        """All attentions, in order."""
        if self.secret_seed is None:
            return self.cases
        return line_up.in_another_order(self.secret_seed)


_MISTAKES = [
    (
        "saturated",
        "inputs that saturate the softmax",
        "Your scores are so large that one weight is 1 and the others are 0, "
        "with any scale. So no bug can show.",
        "Make the inputs small: torch.randn, without a factor.",
        "shouted",
    ),
    (
        "all alike",
        "inputs that are all alike",
        "Equal scores have equal weights, with any scale.",
        "Use random numbers, so that the scores differ: torch.randn.",
    ),
    (
        "d = 1",
        "vectors of one number",
        "Dividing by 1, by √1 or not at all is the same.",
        "Give queries and keys three entries or more.",
    ),
    (
        "d_k = d_v",
        "d_k and d_v alike",
        "If d_k equals d_v, their roots are the same.",
        "Give the values a different size from queries and keys.",
    ),
    (
        "no padding",
        "a mask that masks nothing",
        "If every key may be attended to, a mask that is used wrongly makes "
        "no difference.",
        "Give the sentences different lengths, one of them 0.",
    ),
    (
        "like masks",
        "sentences of one length",
        "All sentences have the same mask, so a mask of the wrong sentence "
        "makes no difference, and no row is empty.",
        "Give the sentences different lengths, one of them 0.",
        "one sentence",
    ),
    (
        "no empty row",
        "no sentence is empty",
        "Some attentions are wrong only in a sentence with nothing to attend "
        "to. You need such a sentence to see it.",
        "Give one of the sentences a length of 0.",
    ),
    (
        "nan passes",
        "a NaN gets through the comparison",
        "Any comparison with NaN is False, so `difference > 1e-5` is False "
        "too. And nan_to_num hides NaN.",
        "Use torch.allclose, or `not (difference <= 1e-5)`.",
        "nan_to_num",
    ),
    (
        "values alone",
        "the way back is not tried",
        "This attention gives the right numbers, but it cannot learn.",
        "Ask for the gradients of the output with respect to query, key and "
        "value.",
    ),
    (
        "gradient of the query",
        "only the query is asked for its gradient",
        "In some attentions only the key or only the value is detached.",
        "torch.autograd.grad(…, (query, key, value), allow_unused=True).",
    ),
    (
        "gradient of the key",
        "only the key is asked for its gradient",
        "In some attentions only the query or only the value is detached.",
        "torch.autograd.grad(…, (query, key, value), allow_unused=True).",
    ),
    (
        "gradient of the values",
        "only the value is asked for its gradient",
        "In some attentions only the query or only the key is detached.",
        "torch.autograd.grad(…, (query, key, value), allow_unused=True).",
    ),
    (
        "shapes",
        "a grader that does not look at the numbers",
        "Your grader lets each suspect pass. Perhaps it compares only "
        "shapes, uses any() instead of all(), or counts its own error as a "
        "pass.",
        "Compare with the output of trusted().",
    ),
    (
        "row sums",
        "a grader that looks at sums",
        "Rows sum to 1 for many weights, right ones and wrong ones.",
        "Compare with the output of trusted().",
        "sums of full rows",
    ),
    (
        "weights",
        "weights are compared, the output is not",
        "Right weights can still be used wrongly.",
        "Compare the first of the two results with that of trusted().",
    ),
    (
        "mean",
        "the mean of the output is compared",
        "Many wrong outputs have the right mean, or the right sum.",
        "torch.allclose compares entry by entry.",
        "mean, one way",
        "mean alone",
        "mean alone, one way",
    ),
    (
        "one way",
        "a difference without its absolute value",
        "If differences keep their sign, an output that is too small always "
        "gives a difference below the tolerance.",
        "(output - expected).abs(), or torch.allclose.",
    ),
    (
        "first query",
        "only one query is compared",
        "The output of another query may be wrong.",
        "Compare the whole output, (B, T, d_v).",
        "last query",
        "one number",
    ),
    (
        "first entry",
        "only one number of each output is compared",
        "An output has d_v numbers, and another of them may be wrong.",
        "Compare the whole output, (B, T, d_v).",
        "last entry",
    ),
    (
        "first sentence",
        "only one sentence is compared",
        "The other sentences may be wrong, the empty one too.",
        "Compare the whole output, (B, T, d_v).",
    ),
    (
        "black list",
        "a list of the printed suspects",
        "Your grader knows the suspects of the notebook and lets all others "
        "pass.",
        "Compare with the right answer, trusted(), and not with wrong ones.",
    ),
    (
        "loose",
        "a tolerance that forgives",
        "The tolerance is larger than the difference that the bug makes.",
        "Rounding changes the sixth digit: atol=1e-5 allows this.",
    ),
    (
        "bit for bit",
        "equal to the last bit",
        "A right attention may add in another order, and then the last "
        "digits differ.",
        "Use torch.allclose instead of == and torch.equal.",
    ),
    (
        "lets all pass",
        "a grader that lets all pass",
        "It returns True without calling the attention.",
        "Call attention(query, key, value, mask) and compare.",
    ),
    (
        "turns all down",
        "a grader that turns all down",
        "It returns False for right attentions and for wrong ones.",
        "Try it on trusted: that must give True.",
    ),
    (
        "turned round",
        "verdicts the wrong way round",
        "It returns False for the right ones and True for the wrong ones.",
        "True means that the attention is right.",
    ),
]

EXERCISE = _LineUp(
    "03-judge",
    "Repair a grader that cannot fail",
    points=4,
    reference=_judge,
    cases=line_up.PUBLISHED,
    mistakes=named(_mistaken, _MISTAKES),
    right_answers=[_judge_by_the_book, _judge_by_properties],
    run=_run_judge,
    parts=[
        Part(
            name,
            title,
            1,
            tries=line_up.tried(name),
            fresh=partial(line_up.drawn_anew, name),
        )
        for name, title in [
            ("scale", "wrong scales and a wrong axis"),
            ("masks", "wrong masks and empty sentences"),
            ("gradients", "gradients that do not arrive"),
            (
                "places",
                "outputs that are wrong in part or as a whole",
            ),
        ]
    ],
)
