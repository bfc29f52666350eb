"""Exercise 07.4: Check a tree of guesses in one pass."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from attnbook.checks.decoder_only.tree_mistaken import ancestors, mistaken
from attnbook.checks.decoder_only.tree_mistakes import MISTAKES
from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import named


def _guess_tree(parents, counts, lengths, S):
    B, T = parents.shape
    positions = torch.zeros(B, T, dtype=torch.long)
    seen = torch.zeros(B, T, T, dtype=torch.bool)
    kept = (torch.arange(S) < lengths[:, None])[:, None].repeat(1, T, 1)
    for b, row in enumerate(parents.tolist()):
        for t, parent in enumerate(row):
            if t >= counts[b]:
                kept[b, t] = False
                continue
            seen[b, t, t] = True
            positions[b, t] = lengths[b]
            if parent >= 0:
                seen[b, t] |= seen[b, parent]
                positions[b, t] = positions[b, parent] + 1
    return positions, torch.cat([kept, seen], -1)


# -- right, written differently ----------------------------------------------


def _by_powers(parents, counts, lengths, S):
    """Ancestors are what can be reached: powers of a matrix."""
    T = parents.shape[1]
    real = torch.arange(T) < counts[:, None]
    edges = F.one_hot(torch.where(real, parents, -1) + 1, T + 1)[
        ..., 1:
    ].double()
    reach = torch.linalg.inv(torch.eye(T).double() - edges).round()
    seen = (reach > 0) & real[..., None]
    positions = lengths[:, None] + reach.sum(-1).long() - 1
    kept = (torch.arange(S) < lengths[:, None])[:, None] & real[..., None]
    return positions * real, torch.cat([kept, seen], -1)


def _by_generations(parents, counts, lengths, S):
    """All rows at once: step up from all guesses until none is left."""
    B, T = parents.shape
    mask = torch.zeros(B, T, S + T, dtype=torch.bool)
    positions = torch.zeros_like(parents)
    rows, columns = torch.meshgrid(
        torch.arange(B), torch.arange(T), indexing="ij"
    )
    at = torch.where(columns < counts[:, None], columns, -1)
    depth = -1
    while (at >= 0).any():
        living = at >= 0
        mask[rows[living], columns[living], S + at[living]] = True
        depth += 1
        positions = torch.where(living, lengths[:, None] + depth, positions)
        up = parents.gather(1, at.clamp(min=0))
        at = torch.where(living, up, -1)
    text = torch.arange(S) < lengths[:, None]
    mask[..., :S] = text[:, None] & (columns < counts[:, None])[..., None]
    return positions, mask


# -- cases -------------------------------------------------------------------


def _tree(random, T, count):
    """Parents of `count` guesses, and -1 in the places that hold none."""
    row = [-1]
    while len(row) < count:
        row.append(int(random.integers(-1, len(row))))
    return row + [-1] * (T - count)


def _tree_case(name, B, T, S, seed, empty=0):
    random = np.random.default_rng(seed)
    fewer = random.integers(0, empty + 1, B)
    fewer[:2] = 0, empty  # one row is full, and one is not
    lengths = random.permutation(S + 1)[:B]  # all differ
    return Case(
        name,
        (
            torch.tensor([_tree(random, T, T - n) for n in fewer.tolist()]),
            torch.tensor(T - fewer),
            torch.tensor(lengths),
            S,
        ),
    )


def _given(name, parents, lengths, S):
    """Lists of parents, and None for a place that holds no guess."""
    counts = [sum(p is not None for p in row) for row in parents]
    filled = [[-1 if p is None else p for p in row] for row in parents]
    return Case(
        name,
        (*map(torch.tensor, (filled, counts, lengths)), S),
    )


def _each_path_is_read_as_if_alone(answer):
    """Attention under the mask is that of each path after its text."""
    generator = torch.Generator().manual_seed(85)
    parents = torch.tensor([[-1, 0, 0, 2, -1], [-1, -1, 1, 2, 3]])
    lengths, S = torch.tensor([2, 4]), 5
    B, T = parents.shape
    query = torch.randn(B, T, 3, generator=generator)
    key, value = torch.randn(2, B, S + T, 3, generator=generator)
    _, mask = answer(parents, torch.tensor([T, T]), lengths, S)
    output = F.scaled_dot_product_attention(query, key, value, mask)
    for b, row in enumerate(parents.tolist()):
        for t in range(T):
            path = sorted([t, *ancestors(row, t)])
            read = [*range(int(lengths[b])), *(S + s for s in path)]
            alone = F.scaled_dot_product_attention(
                query[b, t : t + 1], key[b, read], value[b, read]
            )
            if not torch.allclose(output[b, t], alone[0], atol=1e-5):
                return False
    return True


EXERCISE = Exercise(
    "07-guess-tree",
    "Check a tree of guesses in one pass",
    points=4,
    reference=_guess_tree,
    cases=[
        _given(
            "the worked example",
            [[-1, 0, 0, 1], [-1, -1, 1, None]],
            [3, 1],
            3,
        ),
        _given(
            "one guess after the other",
            [[-1, 0, 1, 2, 3], [-1, 0, 1, 2, 3]],
            [2, 4],
            4,
        ),
        _given(
            "guesses side by side",
            [[-1, -1, -1], [-1, -1, 0]],
            [4, 2],
            5,
        ),
        _given(
            "two trees",
            [[-1, 0, 0, 2, -1, 4], [-1, -1, 0, 1, 3, 2]],
            [5, 2],
            7,
        ),
        _tree_case("three trees", 3, 7, 4, seed=81),
        _tree_case("places that hold no guess", 3, 6, 4, seed=82, empty=3),
        _given(
            "one guess alone, and none",
            [[-1, None, None], [None] * 3, [-1, 0, None]],
            [2, 3, 0],
            3,
        ),
        _given("no text", [[-1, 0, -1], [-1, -1, 0]], [0, 1], 2),
        _given(
            "all sizes alike",
            [[-1, 0, 0], [-1, 0, 1], [-1, -1, 1]],
            [1, 3, 2],
            3,
        ),
    ],
    mistakes=named(mistaken, MISTAKES),
    right_answers=[_by_powers, _by_generations],
    properties=[
        Property(
            "Attention under the mask gives each guess what it gets when its "
            "own path alone follows the text.",
            _each_path_is_read_as_if_alone,
        ),
    ],
    outputs=("positions", "mask"),
    axes={"positions": "B T", "mask": "B T S+T"},
    parts=[
        Part(
            "positions",
            "the position of each guess",
            1,
            tries=(
                "one guess after the other",
                "two trees",
                "three trees",
            ),
            outputs=("positions",),
            fresh=anew(_tree_case, B=(2, 4), T=(4, 8), S=(4, 7)),
        ),
        Part(
            "mask",
            "what each guess may see",
            2,
            tries=(
                "one guess after the other",
                "guesses side by side",
                "two trees",
                "three trees",
                "all sizes alike",
                "Attention under the mask gives each guess what it gets when "
                "its own path alone follows the text.",
            ),
            outputs=("mask",),
            fresh=anew(_tree_case, B=(2, 4), T=(4, 8), S=(4, 7)),
        ),
        Part(
            "empty",
            "places that hold no guess, and texts of no token",
            1,
            tries=(
                "the worked example",
                "places that hold no guess",
                "one guess alone, and none",
                "no text",
            ),
            fresh=anew(_tree_case, B=(2, 4), T=(4, 7), S=(4, 6), empty=(1, 3)),
        ),
    ],
)
