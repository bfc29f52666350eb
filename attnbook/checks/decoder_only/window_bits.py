"""Exercise 07.3: Score a text that is longer than the window."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from numbers import Real

import numpy as np
import torch
import torch.nn.functional as F

from attnbook.checks.decoder_only.window_mistaken import mistaken
from attnbook.checks.decoder_only.window_mistakes import MISTAKES
from attnbook.judging.comparison import kind_of
from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew, seed_from, up_to
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal


def _window_bits(model, ids, widths, window, stride):
    losses, begin = torch.zeros(0), 0
    while len(losses) < len(ids) - 1:
        read = ids[begin : begin + window][: len(ids) - 1 - begin]
        target = ids[begin + 1 : begin + 1 + len(read)]
        found = F.cross_entropy(model(read), target, reduction="none")
        losses = torch.cat([losses, found[len(losses) - begin :]])
        begin += stride
    bits = losses.sum() / math.log(2) / widths[1:].sum()
    return losses, bits


# -- right, written differently ----------------------------------------------


def _token_by_token(model, ids, widths, window, stride):
    """For each target the earliest window that predicts it."""
    losses, tables = [], {}
    for j in range(1, len(ids)):
        begin = -(-max(0, j - window) // stride) * stride
        if begin not in tables:
            read = ids[begin : min(begin + window, len(ids) - 1)]
            tables[begin] = model(read).log_softmax(-1)
        losses.append(-tables[begin][j - 1 - begin, ids[j]])
    losses = torch.stack(losses)
    return losses, losses.sum() / (widths[1:].sum() * math.log(2))


def _backwards(model, ids, widths, window, stride):
    """Later windows first; earlier ones overwrite them."""
    N, losses = len(ids), torch.empty(len(ids) - 1)
    count = 1 + max(0, math.ceil((N - 1 - window) / stride))
    for begin in reversed([k * stride for k in range(count)]):
        end = min(begin + window, N - 1)
        logits = model(ids[begin:end])
        target = ids[begin + 1 : end + 1, None]
        losses[begin:end] = (
            logits.logsumexp(-1) - logits.gather(-1, target)[:, 0]
        )
    return losses, losses.mean() * (N - 1) / math.log(2) / sum(
        widths[1:].tolist()
    )


# -- cases -------------------------------------------------------------------


def _run_window_bits(answer, *arguments):
    """Call an answer; bits are one number, a tensor or not."""
    result = answer(*arguments)
    if isinstance(result, (tuple, list)) and len(result) == 2:
        losses, bits = result
        if isinstance(bits, Real):
            return losses, torch.tensor(float(bits))
    return result


def _check(tokens, limit):
    """Refuse what a model with a window of `limit` tokens cannot read."""
    if not isinstance(tokens, torch.Tensor) or tokens.ndim != 1:
        raise ValueError(
            f"tokens should be a tensor (t,), got {kind_of(tokens)}"
        )
    if not len(tokens):
        raise ValueError("the model was given no token")
    if len(tokens) > limit:
        raise ValueError(
            f"the model reads {limit} tokens at most, got {len(tokens)}"
        )


def _next_logits(table, places, limit, tokens):
    """A model that sees its window alone: later tokens count more."""
    _check(tokens, limit)
    t = len(tokens)
    share = torch.tril(
        0.7 ** (torch.arange(t)[:, None] - torch.arange(t)).clamp(min=0)
    )
    return share @ table[tokens] + places[:t]  # (t, V)


def _text_case(name, N, V, window, stride, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    model = partial(
        _next_logits,
        normal(generator, V, V, scale=scale),
        normal(generator, window, V, scale=scale / 2),
        window,
    )
    ids = torch.randint(V, (N,), generator=generator)
    widths = torch.randint(1, 6, (V,), generator=generator)
    widths[ids[N // 2]] = 0  # a special token stands for no bytes
    widths = widths[ids].clone()
    widths[0], widths[-1] = 3, 4
    return Case(name, (model, ids, widths, window, stride))


def _worked_model(tokens):
    """Four tokens, all alike; then the window's first one has half of all."""
    _check(tokens, 2)
    rows = []
    for t in range(1, len(tokens) + 1):
        row = torch.ones(4)
        if t == 2:
            row[tokens[0]] = 3
        rows.append(row / row.sum())
    return torch.stack(rows).log()  # (t, V)


def _a_call_a_window(answer, seed=75, N=14, window=5, stride=2):
    model, ids, widths, *_ = _text_case(
        "", N, 5, window, stride, seed
    ).arguments
    calls = []

    def counted(tokens):
        calls.append(len(tokens))
        return model(tokens)

    answer(counted, ids, widths, window, stride)
    return len(calls) <= 1 + -(-max(0, N - 1 - window) // stride)


def _a_call_a_window_anew(seed):
    random = np.random.default_rng(seed)
    return partial(
        _a_call_a_window,
        seed=seed_from(random) % 10**6,
        N=int(random.integers(12, 30)),
    )


def _has_one_more(case, output):
    losses, _ = output
    return len(losses) == len(case.arguments[1])


EXERCISE = Exercise(
    "07-window-bits",
    "Score a text that is longer than the window",
    points=4,
    reference=_window_bits,
    cases=[
        Case(
            "the worked example",
            (
                _worked_model,
                torch.tensor([0, 1, 0, 2, 3]),
                torch.tensor([1, 2, 1, 4, 1]),
                2,
                1,
            ),
        ),
        _text_case("a stride of two", 12, 5, 5, 2, seed=71),
        _text_case("a stride of three", 15, 6, 4, 3, seed=72),
        _text_case("a last window of one token", 10, 5, 4, 2, seed=73),
        _text_case("windows that do not overlap", 11, 4, 4, 4, seed=74),
        _text_case("a text of one window", 6, 5, 8, 3, seed=76),
        _text_case("two tokens", 2, 4, 3, 1, seed=77),
        _text_case("logits of 200", 11, 5, 4, 2, seed=78, scale=80.0),
    ],
    mistakes=[
        replace(one, shows=_has_one_more)
        if one.name == "a loss for the first token"
        else one
        for one in named(mistaken, MISTAKES)
    ],
    right_answers=[_token_by_token, _backwards],
    properties=[
        Property(
            "The model is called once for each window, and no window begins "
            "after one that has predicted the last token.",
            _a_call_a_window,
            "When does the loop end?",
            anew=_a_call_a_window_anew,
        ),
    ],
    tolerance=1e-4,
    outputs=("losses", "bits"),
    axes={"losses": "N-1"},
    run=_run_window_bits,
    parts=[
        Part(
            "losses",
            "the loss of each token",
            2,
            tries=(
                "the worked example",
                "a stride of two",
                "a stride of three",
                "a last window of one token",
            ),
            outputs=("losses",),
            fresh=anew(
                _text_case, N=(9, 18), V=(4, 7), window=(4, 6), stride=(2, 3)
            ),
        ),
        Part(
            "bits",
            "bits per byte",
            1,
            tries=(
                "the worked example",
                "a stride of two",
                "a text of one window",
            ),
            outputs=("bits",),
            fresh=anew(
                _text_case, N=(9, 18), V=(4, 7), window=(4, 6), stride=(2, 3)
            ),
        ),
        Part(
            "bounds",
            "short texts, large logits, no window too many",
            1,
            tries=(
                "windows that do not overlap",
                "a text of one window",
                "two tokens",
                "logits of 200",
                "The model is called once for each window, and no window "
                "begins after one that has predicted the last token.",
            ),
            fresh=anew(
                _text_case,
                N=(2, 12),
                V=(4, 6),
                window=(3, 8),
                stride=up_to("window"),
            ),
        ),
    ],
)
