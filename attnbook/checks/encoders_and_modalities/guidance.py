"""Exercise 11.5: Guide a generator."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from attnbook.checks.encoders_and_modalities.guidance_mistaken import mistaken
from attnbook.checks.encoders_and_modalities.guidance_mistakes import MISTAKES
from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal


def _velocity(matrix, labels, time, x, t, label):
    """A small field: the velocity (B, D) at the time t, from 0 to 1."""
    if getattr(label, "shape", None) != x.shape[:1]:
        raise ValueError(
            f"model expected a label for each row, of shape ({len(x)},), got "
            f"{tuple(getattr(label, 'shape', ()))}. Use torch.full_like."
        )
    return (x @ matrix + labels[label]).tanh() + t * time


def _guided(model, x, label, known, null, w, convention, steps):
    scale = w if convention == "scale" else 1 + w
    nothing = torch.full_like(label, null)
    asked = torch.where(known, label, nothing)
    for n in range(steps):
        without = model(x, n / steps, nothing)
        with_it = model(x, n / steps, asked)
        x = x + (without + scale * (with_it - without)) / steps
    return x


# -- right, written differently ----------------------------------------------


def _row_by_row(model, x, label, known, null, w, convention, steps):
    rows = []
    for b in range(len(x)):
        row, empty = x[b : b + 1], torch.tensor([null])
        for n in range(steps):
            v = model(row, n / steps, empty)
            if known[b]:
                c = model(row, n / steps, label[b : b + 1])
                if convention == "scale":
                    v = w * c + (1 - w) * v
                else:
                    v = (1 + w) * c - w * v
            row = row + v / steps
        rows.append(row)
    return torch.cat(rows)


def _in_one_pass(model, x, label, known, null, w, convention, steps):
    """Both rows of each pair in one batch of twice the size."""
    extra = w - 1 if convention == "scale" else w
    empty = torch.zeros_like(label) + null
    both = torch.cat([label.masked_fill(~known, null), empty])
    for n in range(steps):
        c, u = model(torch.cat([x, x]), n / steps, both).chunk(2)
        x = x + (c + extra * (c - u)) * (1 / steps)
    return x


# -- cases -------------------------------------------------------------------


def _guided_case(
    name,
    B,
    D,
    labels,
    w,
    convention,
    steps,
    seed,
    null=0,
    unknown=(),
    size=1.0,
):
    generator = torch.Generator().manual_seed(seed)
    model = partial(
        _velocity,
        normal(generator, D, D, scale=0.6 * size),
        normal(generator, labels, D, scale=size),
        normal(generator, D, scale=size),
    )
    x = normal(generator, B, D)
    label = torch.randint(1, labels, (B,), generator=generator)
    label = (label + null) % labels  # never the one of no caption
    known = torch.ones(B).bool()
    for b in unknown:
        known[b] = False
    return Case(name, (model, x, label, known, null, w, convention, steps))


def _worked_guidance():
    """Velocities of artanh: 0.5 for the label and 0.1 for none."""
    number = torch.tensor([[0.1], [0.5]]).atanh()
    model = partial(_velocity, torch.zeros(1, 1), number, torch.zeros(1))
    inputs = torch.zeros(2, 1), torch.tensor([1, 1])
    known = torch.tensor([True, False])
    return Case(
        "the worked example", (model, *inputs, known, 0, 3.0, "scale", 1)
    )


_RANGES = {"B": (3, 5), "D": (3, 5), "labels": (5, 8), "w": (1.5, 4.0)}


def _null_of(random, drawn):
    return int(random.integers(drawn["labels"]))


def _some_unknown(random, drawn):
    return random.permutation(drawn["B"])[:2].tolist()


def _several(random: np.random.Generator, drawn):
    return int(random.integers(2, 5))


EXERCISE = Exercise(
    "11-guidance",
    "Guide a generator",
    points=4,
    reference=_guided,
    cases=[
        _worked_guidance(),
        _guided_case("one step", 3, 4, 5, 2.0, "scale", 1, seed=51),
        _guided_case("half the guidance", 4, 3, 5, 0.5, "scale", 1, seed=52),
        _guided_case("another null", 3, 5, 6, 3.0, "scale", 1, 53, null=5),
        _guided_case("the other convention", 3, 4, 5, 2.0, "extra", 1, 54),
        _guided_case("no extra", 3, 4, 5, 0.0, "extra", 1, seed=55),
        _guided_case("a scale of 1", 3, 4, 5, 1.0, "scale", 1, seed=56),
        _guided_case("a scale of 0", 3, 4, 5, 0.0, "scale", 1, seed=57),
        _guided_case("several steps", 3, 4, 5, 2.5, "scale", 4, seed=58),
        _guided_case(
            "several steps, the other convention",
            2,
            3,
            6,
            1.5,
            "extra",
            3,
            seed=59,
            null=2,
        ),
        _guided_case("one picture", 1, 4, 5, 2.0, "scale", 3, seed=60),
        _guided_case(
            "some without a caption",
            4,
            3,
            5,
            2.5,
            "scale",
            2,
            seed=61,
            unknown=(1, 2),
        ),
        _guided_case(
            "others without a caption",
            5,
            3,
            6,
            2.0,
            "extra",
            3,
            seed=62,
            null=3,
            unknown=(0, 4),
        ),
        _guided_case(
            "all without a caption",
            2,
            3,
            5,
            3.0,
            "scale",
            2,
            seed=63,
            unknown=(0, 1),
        ),
        _guided_case(
            "all sizes alike", 4, 4, 4, 2.0, "extra", 4, 64, unknown=(3,)
        ),
    ],
    mistakes=named(mistaken, MISTAKES),
    right_answers=[_row_by_row, _in_one_pass],
    tolerance=1e-4,
    axes={"output": "B D"},
    parts=[
        Part(
            "one",
            "one step",
            1,
            tries=("one step", "half the guidance", "another null"),
            fresh=anew(
                _guided_case,
                **_RANGES,
                convention=["scale"],
                steps=1,
                null=_null_of,
            ),
        ),
        Part(
            "conventions",
            "both conventions of w",
            1,
            tries=(
                "the other convention",
                "no extra",
                "a scale of 1",
                "a scale of 0",
            ),
            fresh=anew(
                _guided_case,
                **_RANGES,
                convention=["scale", "extra"],
                steps=1,
                null=_null_of,
            ),
        ),
        Part(
            "steps",
            "several steps",
            1,
            tries=(
                "several steps",
                "several steps, the other convention",
                "one picture",
            ),
            fresh=anew(
                _guided_case,
                **_RANGES,
                convention=["scale", "extra"],
                steps=_several,
                null=_null_of,
            ),
        ),
        Part(
            "without",
            "rows without a caption",
            1,
            tries=(
                "the worked example",
                "some without a caption",
                "others without a caption",
                "all without a caption",
                "all sizes alike",
            ),
            fresh=anew(
                _guided_case,
                **_RANGES,
                convention=["scale", "extra"],
                steps=_several,
                null=_null_of,
                unknown=_some_unknown,
            ),
        ),
    ],
)
