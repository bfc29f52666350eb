"""Exercise 12.3: Repair a balance loss."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from attnbook.checks.experts_and_state_spaces.balance_draft import draft
from attnbook.checks.experts_and_state_spaces.balance_mistakes import (
    BUGS,
    MISTAKES,
)
from attnbook.judging.exercise import Case, Exercise, Mistake, Part
from attnbook.judging.fresh_cases import anew
from attnbook.judging.tensors import normal
from attnbook.judging.unrepaired import unrepaired


def _balance(layers, biases, kept, k):
    losses = []
    for scores, bias in zip(layers, biases, strict=True):
        probability = scores.softmax(-1)[kept]  # (n, E)
        index = (probability.detach() + bias).topk(k, dim=-1).indices
        E = scores.shape[1]
        f = F.one_hot(index, E).float().mean((0, 1))  # (E,)
        losses.append(E * f @ probability.mean(0))
    return sum(losses) / len(losses)


# -- right, written differently ----------------------------------------------


def _stacked(layers, biases, kept, k):
    """All layers at once, along an axis of their own."""
    scores, bias = torch.stack(layers), torch.stack(biases)[:, None]
    probability = scores[:, kept].softmax(-1)  # (L, n, E)
    index = (probability + bias).argsort(-1, descending=True)[..., :k]
    chosen = torch.zeros_like(probability).scatter(-1, index, 1.0)
    f, P = chosen.mean(1) / k, probability.mean(1)  # (L, E)
    return scores.shape[-1] * (f * P).sum() / len(layers)


def _by_counting(layers, biases, kept, k):
    """Counts in plain Python."""
    total = 0.0
    for scores, bias in zip(layers, biases, strict=True):
        N, E = scores.shape
        counts, mean = [0] * E, torch.zeros(E)
        tokens = [n for n in range(N) if kept[n]]
        for n in tokens:
            probability = scores[n].softmax(0)
            mean = mean + probability / len(tokens)
            ranked = (probability + bias).detach()
            rank = sorted(
                range(E),
                key=lambda e, p=ranked: -float(p[e]),
            )
            for e in rank[:k]:
                counts[e] += 1
        share = torch.tensor(counts) / (len(tokens) * k)
        total = total + E * (share * mean).sum()
    return total / len(layers)


# -- cases -------------------------------------------------------------------


def _balance_case(name, L, N, E, k, seed, padding=(), scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    layers = [normal(generator, N, E, scale=scale) for _ in range(L)]
    for number, scores in enumerate(layers):
        scores[:, number % E] += scale  # each layer prefers another expert
    biases = [normal(generator, E, scale=0.4) for _ in range(L)]
    kept = torch.ones(N, dtype=torch.bool)
    kept[list(padding)] = False
    return Case(name, (layers, biases, kept, k))


def _worked_balance():
    """Two layers that each send all tokens to another expert."""
    near = torch.tensor(3.0).log()
    one = torch.stack([near, torch.tensor(0.0)]).expand(2, 2).clone()
    layers = [one, one.flip(-1).clone()]
    kept = torch.ones(2, dtype=torch.bool)
    biases = [torch.zeros(2), torch.zeros(2)]
    return Case("the worked example", (layers, biases, kept, 1))


def _padding(random, drawn):
    return sorted({0, *random.integers(1, drawn["N"] - 2, 2).tolist()})


EXERCISE = Exercise(
    "12-balance",
    "Repair a balance loss",
    points=4,
    reference=_balance,
    cases=[
        _worked_balance(),
        _balance_case("one layer", 1, 7, 4, 2, seed=21),
        _balance_case("three layers", 3, 6, 4, 2, seed=22),
        _balance_case("padding", 2, 8, 3, 2, seed=23, padding=(0, 2, 7)),
        _balance_case("one choice", 2, 6, 5, 1, seed=24, padding=(5,)),
        _balance_case("scores of 200", 2, 6, 4, 2, 25, (1,), scale=70.0),
        _balance_case("all sizes alike", 3, 3, 3, 2, seed=26),
        _balance_case("one token kept", 2, 4, 4, 3, 27, padding=(0, 1, 3)),
    ],
    mistakes=[
        *unrepaired(BUGS, draft, begins="Begin with"),
        *(
            Mistake(
                name,
                sentence,
                partial(draft, bugs=bugs),
                look,
                also=[partial(draft, bugs=other) for other in more],
                bugs=1,
            )
            for bugs, name, sentence, look, *more in MISTAKES
        ),
    ],
    right_answers=[_stacked, _by_counting],
    gradients=True,
    fresh=anew(
        _balance_case,
        L=(2, 3),
        N=(7, 9),
        E=(3, 5),
        k=[2],
        padding=_padding,
    ),
    parts=[
        Part("two", "two of the five bugs fixed", 1, mended=2),
        Part("four", "four of the five bugs fixed", 1, mended=4),
        Part("all", "all five bugs fixed", 2, mended=5),
    ],
)
