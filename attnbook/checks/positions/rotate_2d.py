"""Exercise 05.4: Rotate by row and column."""

from __future__ import annotations

import math

import torch

from attnbook.checks.positions.mistaken_turns import rotate_2d
from attnbook.checks.positions.rotate_2d_mistakes import MISTAKES
from attnbook.checks.positions.seeded import normal_from
from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew


def _rotate_2d_complex(x, row, column, base=100.0):
    """A pair of features is one complex number; turning multiplies it."""
    d = x.shape[-1] // 2
    rate = base ** (-torch.arange(0, d, 2).double() / d)
    angle = torch.cat(
        [torch.outer(p.double(), rate) for p in (row, column)], 1
    )
    pairs = torch.view_as_complex(
        x.double().unflatten(-1, (-1, 2)).contiguous()
    )
    turned = pairs * torch.polar(torch.ones_like(angle), angle)
    return torch.view_as_real(turned).flatten(-2).to(x.dtype)


def _rotate_2d_by_matrices(x, row, column, base=100.0):
    d = x.shape[-1] // 2
    places = []
    for n in range(len(row)):
        blocks = []
        for place in (row[n].item(), column[n].item()):
            for i in range(d // 2):
                angle = place * base ** (-2 * i / d)
                c, s = math.cos(angle), math.sin(angle)
                blocks.append(torch.tensor([[c, -s], [s, c]], dtype=x.dtype))
        places.append(x[..., n, :] @ torch.block_diag(*blocks).T)
    return torch.stack(places, -2)


def _rotate_2d_by_einsum(x, row, column, base=100.0):
    """A 2 x 2 matrix for each patch, half and pair."""
    B, H, L, d = x.shape
    rate = base ** (-torch.arange(0, d // 2, 2) / (d // 2))  # (d/4,)
    angle = torch.stack((row, column), 1)[:, :, None] * rate  # (L, 2, d/4)
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack((cos, -sin, sin, cos), -1).unflatten(-1, (2, 2))
    pairs = x.reshape(B, H, L, 2, d // 4, 2)
    return torch.einsum("lkpij,bhlkpj->bhlkpi", turn, pairs).flatten(3)


def _grid(height, width):
    row, column = torch.meshgrid(
        torch.arange(height), torch.arange(width), indexing="ij"
    )
    return row.flatten(), column.flatten()


def _grid_case(name, B, H, height, width, d, seed, **keywords):
    row, column = _grid(height, width)
    x = normal_from(seed, B, H, height * width, d)
    return Case(name, (x, row, column), keywords)


def _patches_case(name, B, H, L, d, base, seed):
    generator = torch.Generator().manual_seed(seed)
    row, column = torch.randint(0, 9, (2, L), generator=generator)
    x = torch.randn(B, H, L, d, generator=generator)
    return Case(name, (x, row, column), {"base": base})


def _depends_on_the_difference(answer):
    query, key = normal_from(21, 2, 1, 1, 1, 8)
    one = torch.ones(1, dtype=torch.long)

    def score(r, c, moved):
        left = answer(query, one * (5 + moved), one * (2 + 2 * moved))
        right = answer(key, one * (r + moved), one * (c + 2 * moved))
        return (left * right).sum()

    return all(
        torch.allclose(score(r, c, 0), score(r, c, 7), atol=1e-4)
        for r, c in [(5, 2), (3, 4), (0, 9)]
    )


_SIZES = {"B": (1, 3), "H": (1, 3), "d": [4, 8, 12, 16]}
_GRIDS = {**_SIZES, "height": (1, 4), "width": (1, 4)}
_PATCHES = {**_SIZES, "L": (1, 8), "base": [100.0, 1000.0]}

EXERCISE = Exercise(
    "05-rotate-2d",
    "Rotate by row and column",
    points=4,
    reference=rotate_2d,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor([[[[1.0, 0.0, 1.0, 0.0]]]]),
                torch.tensor([1]),
                torch.tensor([2]),
            ),
        ),
        _grid_case("a grid of 2 x 3", 2, 2, 2, 3, 8, seed=1),
        _grid_case("a wider head", 2, 3, 3, 2, 16, seed=2),
        _grid_case("another base", 1, 2, 4, 4, 8, seed=3, base=1000.0),
        Case(
            "patches in any order",
            (
                normal_from(4, 2, 2, 5, 8),
                torch.tensor([21, 0, 2, 2, 1]),
                torch.tensor([0, 3, 3, 1, 30]),
            ),
        ),
        # With one pair a half, whose rate is 1, no angle is rounded.
        Case(
            "a piece of a large picture",
            (
                normal_from(5, 2, 2, 4, 4),
                torch.tensor([513, 512, 700, 700]),
                torch.tensor([301, 300, 1023, 300]),
            ),
        ),
    ],
    mistakes=MISTAKES,
    right_answers=[
        _rotate_2d_complex,
        _rotate_2d_by_matrices,
        _rotate_2d_by_einsum,
    ],
    properties=[
        Property(
            "The score of two patches does not change when both move by the "
            "same number of rows and of columns.",
            _depends_on_the_difference,
            "Turn by position times rate, the same rates for all.",
        ),
    ],
    tolerance=1e-5,
    gradients=True,
    axes={"output": "B H L d"},
    parts=[
        Part(
            "grid",
            "the patches of a grid in order",
            2,
            tries=(
                "the worked example",
                "a grid of 2 x 3",
                "a wider head",
            ),
            fresh=anew(_grid_case, times=2, **_GRIDS),
        ),
        Part(
            "places",
            "patches in any order, and another base",
            1,
            tries=(
                "another base",
                "patches in any order",
                "a piece of a large picture",
                "The score of two patches does not change when both move by "
                "the same number of rows and of columns.",
            ),
            fresh=anew(_patches_case, times=2, **_PATCHES),
        ),
        Part(
            "gradients",
            "the gradients",
            1,
            tries=("a grid of 2 x 3", "a wider head"),
            gradients=True,
            fresh=anew(_grid_case, times=2, **_GRIDS),
        ),
    ],
)
