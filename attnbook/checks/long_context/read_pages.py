"""Exercise 09.5: Read only the pages that may matter."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F

from attnbook.checks.long_context.pages_mistaken import mistaken
from attnbook.checks.long_context.pages_mistakes import MISTAKES
from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal


def _read_pages(query, key, value, lengths, size, count):
    B, H, d = query.shape
    G, S = key.shape[1:3]
    key, value = (x.repeat_interleave(H // G, 1) for x in (key, value))
    N = -(-S // size)
    real = torch.arange(N * size) < lengths[:, None]  # (B, N·size)
    paged = F.pad(key, (0, 0, 0, N * size - S)).unflatten(2, (N, size))
    none = ~real.view(B, 1, N, size, 1)
    low = paged.masked_fill(none, torch.inf).amin(3)  # (B, H, N, d)
    high = paged.masked_fill(none, -torch.inf).amax(3)
    empty = none.all(3)  # (B, 1, N, 1)
    low, high = (x.masked_fill(empty, 0) for x in (low, high))
    q = query[:, :, None]  # (B, H, 1, d)
    bound = torch.maximum(q * low, q * high).sum(-1)  # (B, H, N)
    bound = bound.masked_fill(empty[..., 0], -torch.inf)
    order = bound.argsort(dim=-1, descending=True, stable=True)
    pages = torch.zeros(B, H, N).scatter(-1, order[..., :count], 1.0) > 0
    pages = pages & ~empty[..., 0]
    seen = pages.repeat_interleave(size, -1) & real[:, None]
    scores = (q @ key.mT)[:, :, 0] / d**0.5  # (B, H, S)
    weights = scores.masked_fill(~seen[..., :S], -torch.inf).softmax(-1)
    return (weights[:, :, None] @ value)[:, :, 0], pages


# -- right, written differently ----------------------------------------------


def _by_loops(query, key, value, lengths, size, count):
    """A row and a head at a time; pages are sliced, not masked."""
    B, H, d = query.shape
    G, S = key.shape[1:3]
    N = (S + size - 1) // size
    pages = torch.zeros(B, H, N, dtype=torch.bool)
    outputs = []
    for b in range(B):
        for h in range(H):
            q, g, length = query[b, h], h * G // H, int(lengths[b])
            bounds = []
            for start in range(0, length, size):
                page = key[b, g, start : min(start + size, length)]
                high, low = page.max(0).values, page.min(0).values
                bounds.append((q * torch.where(q > 0, high, low)).sum().item())
            best = sorted(range(len(bounds)), key=lambda n: -bounds[n])
            at = []
            for n in sorted(best[:count]):
                pages[b, h, n] = True
                at += range(n * size, min(n * size + size, length))
            weights = (key[b, g, at] @ q / d**0.5).softmax(0)
            outputs.append(weights @ value[b, g, at])
    return torch.stack(outputs).view(B, H, -1), pages


def _in_groups(query, key, value, lengths, size, count):
    """Queries get an axis for their group; bounds of q's two halves."""
    B, H, d = query.shape
    G, S = key.shape[1:3]
    q = query.view(B, G, H // G, d)
    bounds = []
    for start in range(0, S, size):
        page = key[:, :, start : start + size]  # (B, G, m, d)
        late = torch.arange(start, S)[:size] >= lengths[:, None]  # (B, m)
        late = late[:, None, :, None]
        low = page.masked_fill(late, 1e30).amin(2)
        high = page.masked_fill(late, -1e30).amax(2)
        bound = torch.einsum("bgrd,bgd->bgr", q.relu(), high)
        bound = bound - torch.einsum("bgrd,bgd->bgr", (-q).relu(), low)
        begun = (start < lengths)[:, None, None]
        bounds.append(torch.where(begun, bound, -torch.inf))
    bounds = torch.stack(bounds, -1)  # (B, G, R, N)
    # A page is read if fewer than `count` pages stand before it.
    later, earlier = bounds[..., :, None], bounds[..., None, :]
    place = torch.arange(bounds.shape[-1])
    before = (earlier > later) | (
        (earlier == later) & (place < place[:, None])
    )
    pages = (before.sum(-1) < count) & (bounds > -torch.inf)
    at = torch.arange(S)
    seen = pages[..., at // size] & (at < lengths[:, None])[:, None, None]
    scores = torch.einsum("bgrd,bgsd->bgrs", q, key) * d**-0.5
    weights = torch.where(seen, scores, -torch.inf).softmax(-1)
    output = torch.einsum("bgrs,bgsv->bgrv", weights, value)
    return output.reshape(B, H, -1), pages.reshape(B, H, -1)


# -- cases -------------------------------------------------------------------


def _pages_case(
    name, H, G, S, d_k, d_v, lengths, size, count, seed, scale=1.0
):
    """Behind the text of a row stands what another one has left."""
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    query = normal(generator, B, H, d_k, scale=scale)
    key = normal(generator, B, G, S, d_k, scale=scale)
    value = normal(generator, B, G, S, d_v)
    lengths = torch.tensor(lengths)
    late = (torch.arange(S) >= lengths[:, None])[:, None, :, None]
    return Case(
        name,
        (
            query,
            torch.where(late, 2 * key, key),
            torch.where(late, 5 + value, value),
            lengths,
            size,
            count,
        ),
    )


def _worked_pages():
    """A mean and a single score would choose other pages than the bound."""
    query = torch.tensor([[[1.0, -1.0]]])
    key = torch.tensor([[1.0, 1], [2, 1], [3, 4], [-2, -3], [9, 0], [0, 9]])
    value = torch.tensor([[1.0], [2], [3], [4], [5], [6]])
    return Case(
        "the worked example",
        (query, key[None, None], value[None, None], torch.tensor([4]), 2, 1),
    )


def _equal_bounds():
    """Small whole numbers, so that equal bounds are equal in any order."""
    case = _pages_case(
        "equal bounds", 4, 2, 10, 3, 2, [10, 7, 9], 2, 2, seed=56
    )
    query, key, value, lengths, size, count = case.arguments
    query, key = query.mul(1.5).round(), key.mul(1.5).round()
    key[:, :, 2:4] = key[:, :, :2]
    key[:, :, 4:6] = key[:, :, [1, 0]]
    return Case(case.name, (query, key, value, lengths, size, count))


def _scores_of_200():
    """Between -200 and 200; all that a row holds may lie below -100."""
    case = _pages_case(
        "scores of 200", 4, 2, 10, 4, 3, [7, 10, 3], 3, 2, 57, scale=12.0
    )
    query, key, *_ = case.arguments
    query[2, 0] = torch.tensor([20.0, 0, 0, 0])
    key[2, 0, :3, 0] = torch.tensor([-20.0, -20.3, -20.1])
    return case


def _lengths_of(random, drawn):
    """Rows of which one is full and one has a page alone."""
    more = random.integers(1, drawn["S"] + 1, 2).tolist()
    return [drawn["S"], *more, 1]


def _full(random, drawn):
    """Rows that fill the buffer."""
    return [drawn["S"]] * int(random.integers(2, 4))


def _sized(lengths, S, H_of):
    return anew(
        _pages_case,
        times=3,
        G=(2, 3),
        H=H_of,
        S=S,
        d_k=(3, 5),
        d_v=(2, 4),
        lengths=lengths,
        size=(2, 3),
        count=(1, 3),
    )


def _twice_as_many(random, drawn):
    return drawn["G"] * int(random.integers(2, 4))


def _as_many_or_more(random, drawn):
    return drawn["G"] * int(random.integers(1, 3))


def _holds_nan(case, outputs):
    return case.name == "scores of 200" and bool(outputs[0].isnan().any())


EXERCISE = Exercise(
    "09-read-pages",
    "Read only the pages that may matter",
    points=5,
    reference=_read_pages,
    cases=[
        _worked_pages(),
        _pages_case("full pages", 2, 2, 12, 4, 3, [12] * 3, 3, 2, seed=51),
        _pages_case(
            "heads that share keys", 6, 3, 12, 3, 4, [12, 12], 2, 2, seed=52
        ),
        _pages_case(
            "a last page cut short", 4, 2, 11, 4, 3, [11] * 2, 3, 2, 53
        ),
        _pages_case(
            "rows of other lengths", 4, 2, 13, 3, 2, [7, 13, 10, 5], 3, 2, 54
        ),
        _pages_case(
            "fewer pages than asked for", 4, 2, 9, 3, 2, [2, 9, 4, 1], 2, 4, 55
        ),
        _equal_bounds(),
        _scores_of_200(),
        _pages_case("all sizes alike", 4, 4, 4, 4, 4, [4, 3, 4, 2], 2, 1, 58),
    ],
    mistakes=[
        replace(one, shows=_holds_nan)
        if one.name == "exponentials that overflow"
        else one
        for one in named(mistaken, MISTAKES)
    ],
    right_answers=[_by_loops, _in_groups],
    tolerance=1e-4,
    gradients=True,
    outputs=("output", "pages"),
    axes={"output": "B H d_v", "pages": "B H N"},
    parts=[
        Part(
            "pages",
            "which pages are read",
            2,
            tries=(
                "the worked example",
                "full pages",
                "heads that share keys",
                "a last page cut short",
            ),
            outputs=("pages",),
            fresh=_sized(_full, (9, 13), _twice_as_many),
        ),
        Part(
            "output",
            "attention to what is read",
            1,
            tries=(
                "full pages",
                "heads that share keys",
                "a last page cut short",
            ),
            outputs=("output",),
            fresh=_sized(_full, (9, 13), _twice_as_many),
        ),
        Part(
            "lengths",
            "short texts, equal bounds, large scores",
            1,
            tries=(
                "rows of other lengths",
                "fewer pages than asked for",
                "equal bounds",
                "scores of 200",
                "all sizes alike",
            ),
            fresh=_sized(_lengths_of, (8, 12), _as_many_or_more),
        ),
        Part(
            "gradients",
            "the gradients",
            1,
            tries=("full pages", "rows of other lengths"),
            gradients=True,
            fresh=_sized(_full, (9, 13), _twice_as_many),
        ),
    ],
)
