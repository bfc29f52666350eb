"""Exercise 07.3: Score a text that is longer than the window."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

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


# -- mistakes ----------------------------------------------------------------


def _begins(N, window, stride, mistake):
    """Where each window begins."""
    if mistake == "no overlap":
        return list(range(0, N - 1, window))
    if mistake == "a window a token":
        return list(range(-window + 1, N - window))
    found = [0]
    last = N if mistake == "last prediction lost" else N - 1
    while found[-1] + window < last:
        found.append(found[-1] + stride)
    if mistake == "windows too many":
        found = list(range(0, N - 1, stride))
    elif mistake == "whole windows alone":
        found = [b for b in found if b + window <= N - 1] or [0]
    elif mistake == "last window moved back":
        found[-1] = max(0, N - 1 - window)
    return found


def _loss_rows(model, read, target, mistake):
    logits = model(read)  # (t, V)
    if mistake == "own token":
        target = read
    if mistake == "probabilities":
        logits = logits.softmax(-1)
    if mistake == "log of softmax":
        chances = logits.softmax(-1)
        return -chances[range(len(target)), target].log()
    if mistake == "exponentials":
        powers = logits.exp()
        chances = powers / powers.sum(-1, keepdim=True)
        return -chances[range(len(target)), target].log()
    if mistake == "small added":
        chances = logits.softmax(-1)[range(len(target)), target]
        return -(chances + 1e-9).log()
    if mistake == "over the tokens":
        return -logits.log_softmax(0)[range(len(target)), target]
    if mistake == "sign":
        return -F.cross_entropy(logits, target, reduction="none")
    return F.cross_entropy(logits, target, reduction="none")


def _mistaken(model, ids, widths, window, stride, mistake):
    """The same with a mistake."""
    N = len(ids)
    if mistake == "stride as window":
        window = stride
    elif mistake == "one window":
        ids, widths = ids[: window + 1], widths[: window + 1]
        N = len(ids)
    kept = {}  # the losses of each target
    lists = []
    for begin in _begins(N, window, stride, mistake):
        first = max(begin, 0)
        end = min(begin + window, N - 1)
        if mistake == "one token too long":
            end = min(begin + window + 1, N - 1)
        read = ids[first:end]
        if mistake == "last prediction lost":
            read = ids[first : min(begin + window, N)]
            if len(read) < 2:
                continue
        target = ids[first + 1 : first + 1 + len(read)]
        if mistake == "last prediction lost":
            rows = _loss_rows(
                lambda tokens: model(tokens)[:-1], read, target, mistake
            )
        else:
            rows = _loss_rows(model, read, target, mistake)
        lists.append(rows)
        for place, loss in enumerate(rows, start=first + 1):
            kept.setdefault(place, []).append(loss)
    return _gathered(kept, lists, ids, widths, window, stride, mistake)


def _gathered(kept, lists, ids, widths, window, stride, mistake):
    if mistake == "counted twice":
        losses = torch.cat(lists)
    elif mistake == "last places":
        losses = torch.cat([lists[0], *(rows[-stride:] for rows in lists[1:])])
    elif mistake == "first places":
        losses = torch.cat(
            [*(rows[:stride] for rows in lists[:-1]), lists[-1]]
        )
    elif mistake == "the same everywhere":
        losses = torch.cat([rows[-stride:] for rows in lists])
    elif mistake == "one left out":
        losses = torch.cat(
            [lists[0], *(r[window - stride + 1 :] for r in lists[1:])]
        )
    else:
        choose = {
            "last": lambda found: found[-1],
            "mean": lambda found: torch.stack(found).mean(),
            "best": lambda found: torch.stack(found).min(),
        }.get(mistake, lambda found: found[0])
        losses = torch.stack([choose(kept[place]) for place in sorted(kept)])
    return _results(losses, lists, kept, widths, mistake)


def _results(losses, lists, kept, widths, mistake):
    total, count = losses.sum(), widths[1:].sum()
    if mistake == "losses in bits":
        return losses / math.log(2), total / math.log(2) / count
    if mistake == "first loss 0":
        padded = torch.cat([torch.zeros(1), losses])
        return padded, total / math.log(2) / count
    if mistake == "twice in the sum":
        total = sum(rows.sum() for rows in lists)
    elif mistake == "twice, divided by its share":
        total = torch.cat(lists).mean() * len(losses)
    elif mistake == "mean of windows":
        total = torch.stack([rows.mean() for rows in lists]).mean()
        return losses, total * len(losses) / math.log(2) / count
    bits = {
        "nats": total / count,
        "log 2 multiplied": total * math.log(2) / count,
        "log10": total / math.log(10) / count,
        "per token": total / math.log(2) / len(losses),
        "per token of all": total / math.log(2) / len(widths),
        "bytes of the first": total / math.log(2) / widths.sum(),
        "bytes of the last": total / math.log(2) / widths[:-1].sum(),
        "times the bytes": losses.mean()
        / math.log(2)
        * widths[1:].double().mean(),
        "whole": total / math.log(2),
        "perplexity": losses.mean().exp(),
        "perplexity of a byte": (total / count).exp(),
        "each by its bytes": (losses / widths[1:].clamp(min=1)).mean()
        / math.log(2),
        "each by its bytes, inf": (losses / widths[1:]).mean() / math.log(2),
        "mean over mean of all": losses.mean()
        / math.log(2)
        / widths.double().mean(),
        "no width, no loss": losses[widths[1:] > 0].sum()
        / math.log(2)
        / count,
        "no width is one": total / math.log(2) / widths[1:].clamp(min=1).sum(),
        "kinds of token": total / math.log(2) / (widths[1:] > 0).sum(),
        "eighths": total / math.log(2) / count / 8,
        "bytes per bit": count / (total / math.log(2)),
        "last loss lost": losses[:-1].sum() / math.log(2) / count,
    }.get(mistake, total / math.log(2) / count)
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


def _next_logits(table, places, limit, tokens):
    """A model that sees its window alone: later tokens count more."""
    if not isinstance(tokens, torch.Tensor) or tokens.ndim != 1:
        raise ValueError(
            f"tokens should be a tensor (t,), got {kind_of(tokens)}"
        )
    if not 1 <= len(tokens) <= limit:
        raise ValueError(
            f"the model reads 1 to {limit} tokens, got {len(tokens)}"
        )
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
    if not 1 <= len(tokens) <= 2:
        raise ValueError(f"the model reads 1 to 2 tokens, got {len(tokens)}")
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
    mistakes=named(_mistaken, MISTAKES),
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
