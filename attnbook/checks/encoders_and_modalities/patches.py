"""Exercise 11.3: Cut pictures into patches."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from attnbook.checks.encoders_and_modalities.patches_mistaken import mistaken
from attnbook.checks.encoders_and_modalities.patches_mistakes import MISTAKES
from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal


def _patch_tokens(pictures, weight, bias):
    P, Q = weight.shape[-2:]
    H, W = pictures.shape[-2:]
    whole = F.pad(pictures, (0, -W % Q, 0, -H % P))
    cut = whole.unfold(2, P, P).unfold(3, Q, Q)  # (B, C, h, w, P, Q)
    tokens = torch.einsum("bchwpq,dcpq->bhwd", cut, weight)
    return tokens.flatten(1, 2) + bias


# -- right, written differently ----------------------------------------------


def _by_reshaping(pictures, weight, bias):
    B, C, H, W = pictures.shape
    P, Q = weight.shape[-2:]
    h, w = -(-H // P), -(-W // Q)
    room = pictures.new_zeros(B, C, h * P, w * Q)
    room[:, :, :H, :W] = pictures
    rows = room.view(B, C, h, P, w, Q).permute(0, 2, 4, 1, 3, 5)
    return rows.reshape(B, h * w, C * P * Q) @ weight.flatten(1).T + bias


def _patch_by_patch(pictures, weight, bias):
    H, W = pictures.shape[-2:]
    P, Q = weight.shape[-2:]
    tokens = []
    for top in range(0, H, P):
        for left in range(0, W, Q):
            patch = pictures[:, :, top : top + P, left : left + Q]
            part = weight[:, :, : patch.shape[2], : patch.shape[3]]
            tokens.append((patch[:, None] * part).sum((2, 3, 4)) + bias)
    return torch.stack(tokens, 1)


# -- cases -------------------------------------------------------------------


def _patch_case(name, B, C, grid, patch, D, seed, over=(0, 0)):
    """`over` is what is cut off at the bottom and at the right."""
    generator = torch.Generator().manual_seed(seed)
    (h, w), (P, Q) = grid, patch
    H, W = h * P - over[0], w * Q - over[1]
    return Case(
        name,
        (
            normal(generator, B, C, H, W),
            normal(generator, D, C, P, Q, scale=0.5),
            normal(generator, D),
        ),
    )


def _worked_patches():
    """The sum of a patch, and its upper right pixel."""
    picture = torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8]])[None, None]
    weight = torch.ones(2, 1, 2, 2)
    weight[1] = torch.tensor([[0.0, 1], [0, 0]])
    bias = torch.tensor([0.0, 10.0])
    return Case("the worked example", (picture, weight, bias))


def _cut_off(random, drawn):
    P, Q = drawn["patch"]
    return int(random.integers(1, P)), int(random.integers(1, Q))


_SIZES = {
    "B": (2, 3),
    "C": (2, 3),
    "grid": [(2, 3), (3, 2), (3, 4), (4, 2)],
}
_PATCHES = [(2, 3), (3, 2), (2, 4), (4, 3)]


def _drawn(name, B, C, grid, patch, D, seed, over=(0, 0)):
    return _patch_case(name, B, C, grid, patch, D, seed, over)


EXERCISE = Exercise(
    "11-patches",
    "Cut pictures into patches",
    points=4,
    reference=_patch_tokens,
    cases=[
        _worked_patches(),
        _patch_case("one grey picture", 1, 1, (2, 3), (2, 2), 4, seed=21),
        _patch_case("three channels", 2, 3, (2, 3), (2, 2), 5, seed=22),
        _patch_case("patches that are wide", 2, 2, (3, 2), (2, 4), 5, seed=23),
        _patch_case("all sizes alike", 2, 2, (2, 2), (2, 2), 2, seed=24),
        _patch_case(
            "rows left over", 2, 3, (3, 2), (3, 2), 4, seed=25, over=(2, 0)
        ),
        _patch_case(
            "columns left over", 3, 2, (2, 3), (2, 3), 5, 26, over=(0, 1)
        ),
        _patch_case(
            "both left over", 2, 2, (3, 3), (3, 4), 3, seed=27, over=(1, 2)
        ),
        _patch_case(
            "smaller than a patch", 2, 2, (1, 1), (4, 3), 3, 28, over=(1, 1)
        ),
    ],
    mistakes=named(mistaken, MISTAKES),
    right_answers=[_by_reshaping, _patch_by_patch],
    forbidden=(
        *(f"torch.nn.functional.conv{n}d" for n in (1, 2, 3)),
        *(f"torch.conv{n}d" for n in (1, 2, 3)),
        "torch.convolution",
    ),
    tolerance=1e-5,
    gradients=True,
    axes={"output": "B N D"},
    parts=[
        Part(
            "full",
            "pictures of full patches",
            2,
            tries=(
                "the worked example",
                "one grey picture",
                "three channels",
                "patches that are wide",
                "all sizes alike",
            ),
            fresh=anew(_drawn, **_SIZES, patch=_PATCHES, D=(3, 6)),
        ),
        Part(
            "rest",
            "pictures with a rest",
            1,
            tries=(
                "rows left over",
                "columns left over",
                "both left over",
                "smaller than a patch",
            ),
            fresh=anew(
                _drawn, **_SIZES, patch=_PATCHES, D=(3, 6), over=_cut_off
            ),
        ),
        Part(
            "gradients",
            "the gradients",
            1,
            tries=("three channels", "patches that are wide"),
            gradients=True,
            fresh=anew(_drawn, **_SIZES, patch=_PATCHES, D=(3, 6)),
        ),
    ],
)
