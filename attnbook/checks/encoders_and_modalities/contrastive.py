"""Exercise 11.4: Match pictures and captions."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from attnbook.checks.encoders_and_modalities.contrastive_mistaken import (
    mistaken,
)
from attnbook.checks.encoders_and_modalities.contrastive_mistakes import (
    MISTAKES,
)
from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal


def _contrastive(picture, caption, labels, names, log_scale):
    match = labels[:, None] == names
    cosines = F.normalize(picture, dim=-1) @ F.normalize(caption, dim=-1).T
    scores = cosines * log_scale.clamp(max=math.log(100)).exp()
    losses = []
    for some, one in (scores, match), (scores.T, match.T):
        kept = one.any(1)
        hit = some.masked_fill(~one, -torch.inf)[kept].logsumexp(1)
        loss = some[kept].logsumexp(1) - hit
        losses.append(loss.sum() / kept.sum().clamp(min=1))
    return (losses[0] + losses[1]) / 2, scores


# -- right, written differently ----------------------------------------------


def _row_by_row(picture, caption, labels, names, log_scale):
    unit = picture / picture.pow(2).sum(-1, keepdim=True).sqrt()
    other = caption / caption.pow(2).sum(-1, keepdim=True).sqrt()
    scale = torch.minimum(log_scale, torch.tensor(100.0).log()).exp()
    scores = torch.einsum("bd,nd->bn", unit, other) * scale
    halves = []
    for table, mine, theirs in (
        (scores, labels, names),
        (scores.T, names, labels),
    ):
        rows = []
        for row, label in zip(table, mine, strict=True):
            hits = row[theirs == label]
            if len(hits):
                rows.append(torch.logsumexp(row, 0) - torch.logsumexp(hits, 0))
        halves.append(torch.stack(rows).mean() if rows else scores.sum() * 0)
    return sum(halves) / 2, scores


def _by_log_softmax(picture, caption, labels, names, log_scale):
    match = (labels[:, None] - names) == 0  # (B, N)
    scale = log_scale.exp().clamp(max=100)
    scores = scale * (F.normalize(picture) @ F.normalize(caption).mT)

    def half(axis):
        log = scores.log_softmax(axis).masked_fill(~match, -1e9)
        kept = match.any(axis)
        total = -log.logsumexp(axis)[kept].sum()
        return total / max(int(kept.sum()), 1)

    return 0.5 * half(1) + 0.5 * half(0), scores


# -- cases -------------------------------------------------------------------


def _pairs_case(name, labels, names, D, seed, log_scale=1.0, size=1.5):
    generator = torch.Generator().manual_seed(seed)
    labels, names = torch.tensor(labels), torch.tensor(names)
    kinds = normal(generator, 40, D)
    picture = kinds[labels] + normal(generator, len(labels), D)
    caption = kinds[names] + normal(generator, len(names), D)
    return Case(
        name,
        (
            size * picture,
            caption * (1 + torch.rand(len(names), 1, generator=generator)),
            labels,
            names,
            torch.tensor(log_scale),
        ),
    )


def _worked_pairs():
    """Two pictures of the same digit, and one caption that fits neither."""
    picture = torch.tensor([[2.0, 0], [3, 0]])
    caption = torch.tensor([[5.0, 0], [0, 4], [1, 0]])
    return Case(
        "the worked example",
        (
            picture,
            caption,
            torch.tensor([7, 7]),
            torch.tensor([7, 3, 7]),
            torch.tensor(math.log(2.0)),
        ),
    )


def _pointing_away():
    """At a scale of 100, a match whose score is far below 0."""
    picture = torch.tensor([[1.0, 0], [0, 2], [3, 1]])
    caption = torch.tensor([[-2.0, 0.1], [0.2, 1], [1, 1]])
    labels, names = torch.tensor([4, 5, 6]), torch.tensor([4, 6, 5])
    scale = torch.tensor(5.0)
    return Case(
        "a match that points away", (picture, caption, labels, names, scale)
    )


def _one_each(random, drawn):
    return random.permutation(20)[: drawn["B"]].tolist()


def _same(random, drawn):
    return drawn["labels"]


def _some_labels(random, drawn):
    found = random.integers(0, 3, drawn["B"])
    found[-1] = 9
    return found.tolist()


def _some_names(random, drawn):
    found = random.integers(0, 3, int(random.integers(7, 9)))
    found[:3] = [0, 1, 2]
    found[-1] = 30
    return found.tolist()


def _drawn(name, B, labels, names, D, log_scale, seed):
    return _pairs_case(name, labels, names, D, seed, log_scale)


_FRESH_ONE = anew(
    _drawn,
    B=(4, 6),
    labels=_one_each,
    names=_same,
    D=[8, 9],
    log_scale=(0.5, 2.0),
)
_FRESH_MANY = anew(
    _drawn,
    B=(4, 6),
    labels=_some_labels,
    names=_some_names,
    D=[9, 10],
    log_scale=(0.5, 2.0),
)


EXERCISE = Exercise(
    "11-contrastive",
    "Match pictures and captions",
    points=5,
    reference=_contrastive,
    cases=[
        _pairs_case("one caption each", [4, 2, 7, 1], [4, 2, 7, 1], 3, 41),
        _pairs_case(
            "in another order", [5, 3, 8, 0, 6], [8, 5, 0, 6, 3], 4, 42
        ),
        _pairs_case("all sizes alike", [2, 0, 1], [2, 0, 1], 3, seed=43),
        _worked_pairs(),
        _pairs_case(
            "captions that repeat",
            [1, 1, 2, 3, 1],
            [1, 1, 2, 3, 1],
            3,
            seed=44,
        ),
        _pairs_case(
            "fewer captions than pictures",
            [0, 1, 1, 2, 0, 1],
            [1, 0, 2, 1],
            5,
            seed=45,
        ),
        _pairs_case(
            "some that match nothing", [0, 1, 9, 1, 0], [8, 1, 0, 7], 3, 46
        ),
        _pairs_case("nothing matches", [0, 1, 2], [3, 4, 3, 5], 2, 47),
        _pairs_case("a single picture", [3], [3, 1, 3], 4, seed=48),
        _pairs_case(
            "a scale of 100 at most",
            [0, 1, 1, 2],
            [1, 0, 1, 2, 2],
            3,
            seed=49,
            log_scale=6.0,
        ),
        _pairs_case(
            "a small scale", [0, 1, 2, 1], [1, 0, 2, 2], 3, 50, log_scale=-1.0
        ),
        _pairs_case(
            "short vectors", [0, 1, 2, 1], [1, 0, 2, 2], 3, 51, 1.5, size=0.1
        ),
        _pointing_away(),
    ],
    mistakes=named(mistaken, MISTAKES),
    right_answers=[_row_by_row, _by_log_softmax],
    tolerance=1e-4,
    gradients=True,
    outputs=("loss", "scores"),
    axes={"scores": "B N"},
    parts=[
        Part(
            "one",
            "one caption for each picture",
            2,
            tries=("one caption each", "in another order", "all sizes alike"),
            fresh=_FRESH_ONE,
        ),
        Part(
            "several",
            "several matches or none, large scales",
            2,
            tries=(
                "the worked example",
                "captions that repeat",
                "fewer captions than pictures",
                "some that match nothing",
                "nothing matches",
                "a single picture",
                "a scale of 100 at most",
                "a small scale",
                "short vectors",
                "a match that points away",
            ),
            fresh=_FRESH_MANY,
        ),
        Part(
            "gradients",
            "the gradients",
            1,
            tries=(
                "in another order",
                "captions that repeat",
                "some that match nothing",
            ),
            gradients=True,
            fresh=_FRESH_MANY,
        ),
    ],
)
