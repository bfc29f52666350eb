"""Exercise 07.5: Accept drafts, and keep the distribution."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from attnbook.checks.decoder_only.accept_mistaken import mistaken
from attnbook.checks.decoder_only.accept_mistakes import MISTAKES
from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew, seed_from
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal


def _accept_drafts(target, draft, drafted, counts, numbers, temperature):
    p = (target / temperature).softmax(-1)  # (B, G + 1, V)
    q = (draft / temperature).softmax(-1)  # (B, G, V)
    B, G = drafted.shape
    rows = torch.arange(B)
    ratio = (p[:, :G] / q).gather(-1, drafted[..., None])[..., 0]  # (B, G)
    good = (numbers < ratio) & (torch.arange(G) < counts[:, None])
    accepted = good.long().cumprod(-1).sum(-1)  # (B,)
    here = p[rows, accepted]  # (B, V)
    there = q[rows, accepted.clamp(max=G - 1)]  # (B, V)
    rest = (here - there).clamp(min=0)
    rest = torch.where((accepted < counts)[:, None], rest, here)
    return accepted, rest / rest.sum(-1, keepdim=True)


# -- right, written differently ----------------------------------------------


def _by_loops(target, draft, drafted, counts, numbers, temperature):
    accepted, rests = [], []
    for b, count in enumerate(counts.tolist()):
        p = torch.softmax(target[b] / temperature, -1)
        q = torch.softmax(draft[b] / temperature, -1)
        rest = p[count]
        for g in range(count):
            token = int(drafted[b, g])
            if numbers[b, g] * q[g, token] >= p[g, token]:
                rest = torch.relu(p[g] - q[g])
                break
        else:
            g = count
        accepted.append(g)
        rests.append(rest / rest.sum())
    return torch.tensor(accepted), torch.stack(rests)


def _in_logarithms(target, draft, drafted, counts, numbers, temperature):
    """Ratios as differences; a draft of zeros stands after the last one."""
    log_p = (target / temperature).log_softmax(-1)
    log_q = (draft / temperature).log_softmax(-1)
    B, G = drafted.shape
    real = torch.arange(G)[None] < counts[:, None]
    gap = (log_p[:, :G] - log_q).gather(2, drafted.unsqueeze(2)).squeeze(2)
    failed = ~real | (numbers.log() >= gap)
    first = torch.cat([failed, torch.ones(B, 1, dtype=torch.bool)], 1)
    accepted = first.int().argmax(1)
    q = torch.cat([log_q.exp() * real[..., None], log_p[:, :1] * 0], 1)
    index = accepted[:, None, None].expand(B, 1, q.shape[2])
    rest = (log_p.exp().gather(1, index) - q.gather(1, index)).squeeze(1)
    rest = rest.clamp(min=0)
    return accepted, rest / rest.sum(1, keepdim=True)


# -- cases -------------------------------------------------------------------


def _drafts_case(name, counts, G, V, seed, temperature=0.7, near=0.5):
    """Drafts from q; `near` says how far p is from it."""
    generator = torch.Generator().manual_seed(seed)
    B = len(counts)
    draft = normal(generator, B, G, V)
    target = normal(generator, B, G + 1, V)
    target[:, :G] = (1 - near) * draft + near * target[:, :G] * 1.5
    q = (draft / temperature).softmax(-1)
    drafted = q.flatten(0, 1).multinomial(1, generator=generator).view(B, G)
    numbers = torch.rand(B, G, generator=generator)
    return Case(
        name,
        (target, draft, drafted, torch.tensor(counts), numbers, temperature),
    )


def _worked_drafts():
    p = torch.tensor(
        [
            [[0.5, 0.3, 0.2], [0.1, 0.3, 0.6], [0.2, 0.2, 0.6]],
            [[0.5, 0.3, 0.2], [0.1, 0.3, 0.6], [0.2, 0.2, 0.6]],
        ]
    )
    q = torch.tensor([[[0.25, 0.5, 0.25], [0.4, 0.4, 0.2]]] * 2)
    return Case(
        "the worked example",
        (
            p.log(),
            q.log(),
            torch.tensor([[0, 1], [1, 2]]),
            torch.tensor([2, 1]),
            torch.tensor([[0.9, 0.8], [0.5, 0.1]]),
            1.0,
        ),
    )


def _large_logits():
    """Numbers that overflow as exponentials; p and q put 1 on some tokens."""
    target = torch.tensor(
        [
            [[200.0, 199, 0], [0, 200, 198], [200, 0, 199.5]],
            [[0.0, 200, 200], [200, 199, 0], [198, 199, 200]],
        ]
    )
    draft = torch.tensor(
        [
            [[199.0, 200, 0], [0, 200, 200]],
            [[0.0, 200, 199], [200, 0, 201]],
        ]
    )
    return Case(
        "logits of 200",
        (
            target,
            draft,
            torch.tensor([[0, 2], [1, 2]]),
            torch.tensor([2, 2]),
            torch.tensor([[0.9, 0.5], [0.6, 0.01]]),
            1.5,
        ),
    )


def _equal_numbers():
    """In row 0 the number is the ratio, 0.25/0.5, to the last digit."""
    low = -200.0
    return Case(
        "a number equal to its ratio",
        (
            torch.tensor([[[0.0, 0, 0, 0]] * 2, [[0, low, 0, low]] * 2]),
            torch.tensor([[[0.0, 0, low, low]], [[0, 0, 0, 0]]]),
            torch.tensor([[1], [2]]),
            torch.tensor([1, 1]),
            torch.tensor([[0.5], [0.75]]),
            1.0,
        ),
    )


def _tiny_chances():
    """The drafts have less than 1e-20 in q, and as little in p."""
    target = [[200.0, 141, 0], [199, 200, 139], [200, 0, 199]]
    draft = [[200.0, 140, 0], [200, 199, 140]]
    return Case(
        "drafts with a tiny q",
        (
            torch.tensor([target, target]),
            torch.tensor([draft, draft]),
            torch.tensor([[1, 2], [1, 2]]),
            torch.tensor([2, 1]),
            torch.tensor([[0.9, 0.6], [0.8, 0.1]]),
            1.0,
        ),
    )


def _counts_of(random, drawn):
    """As many rows as needed; one has all its drafts, one none."""
    G = drawn["G"]
    more = random.integers(0, G + 1, int(random.integers(2, 5)))
    return [G, *more.tolist(), 0]


def _all_tried(random, drawn):
    """Rows that all have G drafts."""
    return [drawn["G"]] * int(random.integers(4, 7))


def _the_distribution_stays(answer, seed=97, V=4, steps=400):
    """Over all drafts and numbers the first token has the distribution p."""
    generator = torch.Generator().manual_seed(seed)
    temperature = 0.8
    target = normal(generator, 1, 2, V)
    draft = normal(generator, 1, 1, V)
    B = V * steps
    drafted = torch.arange(V).repeat_interleave(steps)[:, None]
    numbers = ((torch.arange(steps) + 0.5) / steps).repeat(V)[:, None]
    accepted, rest = answer(
        target.expand(B, 2, V).clone(),
        draft.expand(B, 1, V).clone(),
        drafted,
        torch.ones(B, dtype=torch.long),
        numbers,
        temperature,
    )
    p, q = ((x[0, 0] / temperature).softmax(-1) for x in (target, draft))
    first = torch.where(
        (torch.as_tensor(accepted) > 0)[:, None],
        torch.eye(V)[drafted[:, 0]],
        rest,
    )  # (B, V)
    written = (q[drafted] * first).sum(0) / steps
    return bool((written - p).abs().max() < 2 / steps)


def _the_distribution_stays_anew(seed):
    random = np.random.default_rng(seed)
    return partial(
        _the_distribution_stays,
        seed=seed_from(random) % 10**6,
        V=int(random.integers(3, 6)),
    )


EXERCISE = Exercise(
    "07-accept-drafts",
    "Accept drafts, and keep the distribution",
    points=5,
    reference=_accept_drafts,
    cases=[
        _worked_drafts(),
        _drafts_case("three drafts", [3, 3, 3, 3, 3, 3], 3, 5, seed=91),
        _drafts_case("four drafts", [4] * 5, 4, 6, seed=92, temperature=1.4),
        _drafts_case("close to the target", [3] * 5, 3, 4, 93, near=0.2),
        _drafts_case("rows of other counts", [3, 1, 2, 3, 2], 3, 5, seed=94),
        _drafts_case("some rows without a draft", [0, 2, 0, 1], 2, 4, 95, 1.3),
        _drafts_case(
            "all rows shorter than the tensor", [2, 1, 2, 2], 4, 5, seed=96
        ),
        _large_logits(),
        _equal_numbers(),
        _tiny_chances(),
        _drafts_case("all sizes alike", [3, 2, 3], 3, 3, seed=98),
    ],
    mistakes=named(mistaken, MISTAKES),
    right_answers=[_by_loops, _in_logarithms],
    properties=[
        Property(
            "Over all drafts and numbers, the next token has the "
            "distribution of the target.",
            _the_distribution_stays,
            "Accepted or redrawn: both together have to make up p.",
            anew=_the_distribution_stays_anew,
        ),
    ],
    tolerance=1e-4,
    outputs=("accepted", "rest"),
    axes={"accepted": "B", "rest": "B V"},
    parts=[
        Part(
            "accepted",
            "how many drafts are accepted",
            2,
            tries=(
                "the worked example",
                "three drafts",
                "four drafts",
                "close to the target",
            ),
            outputs=("accepted",),
            fresh=anew(
                _drafts_case,
                G=(3, 5),
                counts=_all_tried,
                V=(3, 6),
                temperature=(0.5, 1.6),
                near=(0.3, 0.6),
            ),
        ),
        Part(
            "rest",
            "what the next token is drawn from",
            2,
            tries=(
                "the worked example",
                "three drafts",
                "four drafts",
                "close to the target",
                "Over all drafts and numbers, the next token has the "
                "distribution of the target.",
            ),
            fresh=anew(
                _drafts_case,
                G=(3, 5),
                counts=_all_tried,
                V=(3, 6),
                temperature=(0.5, 1.6),
                near=(0.3, 0.6),
            ),
        ),
        Part(
            "bounds",
            "rows with fewer drafts or none, large logits",
            1,
            tries=(
                "rows of other counts",
                "some rows without a draft",
                "all rows shorter than the tensor",
                "logits of 200",
                "a number equal to its ratio",
                "drafts with a tiny q",
                "all sizes alike",
            ),
            fresh=anew(
                _drafts_case,
                G=(2, 4),
                counts=_counts_of,
                V=(3, 6),
                temperature=(0.5, 1.6),
                near=(0.3, 0.6),
            ),
        ),
    ],
)
