"""Exercise 08.5: Turn latent attention into multi-query attention."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch

from attnbook.checks.sharing_heads.absorb_mistaken import mistaken
from attnbook.checks.sharing_heads.absorb_mistakes import MISTAKES
from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew, seed_from
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal


def _absorb(query, up, bias, output, H, d_r):
    d_k = len(query) // H - d_r
    d_c = up.shape[1]
    own, turned = query.unflatten(0, (H, -1)).split([d_k, d_r], dim=1)
    key, value = up.unflatten(0, (H, -1)).tensor_split([d_k], dim=1)
    parts = [torch.einsum("hkc,hkD->hcD", key, own), turned]
    ratio = math.sqrt((d_c + d_r) / (d_k + d_r))
    new_query = ratio * torch.cat(parts, 1).flatten(0, 1)  # (H(d_c + d_r), D)
    by_head = output.unflatten(1, (H, -1))  # (D, H, d_v)
    new_output = torch.einsum("Dhv,hvc->Dhc", by_head, value).flatten(1)
    of_values = bias.unflatten(0, (H, -1))[:, d_k:]  # (H, d_v)
    return new_query, new_output, output @ of_values.flatten()


# -- right, written differently ----------------------------------------------


def _head_by_head(query, up, bias, output, H, d_r):
    """A loop over heads, with slices."""
    width = query.shape[0] // H
    d_k = width - d_r
    d_v = up.shape[0] // H - d_k
    rows, columns, shift = [], [], 0
    for h in range(H):
        q = query[h * width : (h + 1) * width]
        both = up[h * (d_k + d_v) : (h + 1) * (d_k + d_v)]
        o = output[:, h * d_v : (h + 1) * d_v]
        rows += [both[:d_k].T @ q[:d_k], q[d_k:]]
        columns.append(o @ both[d_k:])
        shift = shift + o @ bias[h * (d_k + d_v) + d_k :][:d_v]
    wide = up.shape[1] + d_r
    return (
        torch.cat(rows) * (wide / width) ** 0.5,
        torch.cat(columns, 1),
        shift,
    )


def _by_large_matrices(query, up, bias, output, H, d_r):
    """Block-diagonal matrices, multiplied as they are."""
    d_c, width = up.shape[1], query.shape[0] // H
    d_k, wide = width - d_r, up.shape[1] + d_r
    d_v = up.shape[0] // H - d_k
    into, out = [], []
    eye = torch.eye(d_r, dtype=up.dtype)
    for part in up.split(d_k + d_v):
        into.append(torch.block_diag(part[:d_k].mT, eye))  # (wide, width)
        out.append(part[d_k:])
    keep = torch.cat([b[d_k:] for b in bias.split(d_k + d_v)])
    into, out = torch.block_diag(*into), torch.block_diag(*out)
    assert into.shape == (H * wide, H * width)
    assert out.shape == (H * d_v, H * d_c)
    scale = torch.tensor(wide / width, dtype=up.dtype).sqrt()
    return into @ query * scale, output @ out, (output * keep).sum(1)


# -- what it is for ----------------------------------------------------------


def attend_once(x, kept, query, output, bias, H, d_c, scale):
    """Multi-query attention of T tokens (T, D) to what is kept (S, n)."""
    q = (x @ query.T).unflatten(-1, (H, -1)).transpose(0, 1)  # (H, T, n)
    weights = (q @ kept.T * scale).softmax(-1)
    heads = weights @ kept[:, :d_c]  # (H, T, d_c)
    return heads.transpose(0, 1).flatten(1) @ output.T + bias


def attend_by_heads(x, kept, query, up, bias, output, H, d_r):
    """Latent attention as it is written down: keys and values of all heads."""
    latent, shared = kept[:, : up.shape[1]], kept[:, up.shape[1] :]
    d_k = query.shape[0] // H - d_r
    q = (x @ query.T).unflatten(-1, (H, -1)).transpose(0, 1)
    made = (latent @ up.T + bias).unflatten(-1, (H, -1)).transpose(0, 1)
    k = torch.cat([made[..., :d_k], shared.expand(H, -1, -1)], -1)
    weights = (q @ k.mT / math.sqrt(d_k + d_r)).softmax(-1)
    heads = weights @ made[..., d_k:]
    return heads.transpose(0, 1).flatten(1) @ output.T


# -- cases -------------------------------------------------------------------


def _absorb_case(
    name, H, d_k, d_v, d_c, d_r, D, seed, scale=0.7, dtype=torch.float32
):
    generator = torch.Generator().manual_seed(seed)
    made = (
        normal(generator, H * (d_k + d_r), D, scale=scale),
        normal(generator, H * (d_k + d_v), d_c, scale=scale),
        normal(generator, H * (d_k + d_v), scale=scale),
        normal(generator, D, H * d_v, scale=scale),
    )
    return Case(name, (*(matrix.to(dtype) for matrix in made), H, d_r))


def _worked_absorption():
    """Two heads of width 1, a rotary part of 2, a latent of 2: √(4/3)."""
    query = torch.tensor([[3.0], [1], [0], [2], [0], [1]])
    up = torch.tensor([[1.0, 2], [0, 1], [1, 0], [3, 1]])
    bias = torch.tensor([5.0, 2, 7, 1])
    output = torch.tensor([[1.0, 10]])
    return Case("the worked example", (query, up, bias, output, 2, 2))


def _the_same_attention(answer, seed=121, scale=0.7):
    """Whether what is returned does, in single-head form, the same."""
    for H, d_k, d_v, d_c, d_r in ((3, 2, 4, 5, 2), (2, 5, 3, 4, 0)):
        query, up, bias, output, *_ = _absorb_case(
            "", H, d_k, d_v, d_c, d_r, 6, seed, scale, torch.float64
        ).arguments
        generator = torch.Generator().manual_seed(seed + 1)
        x = normal(generator, 3, 6, scale=scale).double()
        kept = normal(generator, 7, d_c + d_r, scale=scale).double()
        right = attend_by_heads(x, kept, query, up, bias, output, H, d_r)
        found = answer(query, up, bias, output, H, d_r)
        got = attend_once(x, kept, *found, H, d_c, (d_c + d_r) ** -0.5)
        if not torch.allclose(right, got, rtol=1e-6, atol=1e-6):
            return False
    return True


def _the_same_at_200(answer):
    return _the_same_attention(answer, seed=131, scale=2.2)


def _attention_anew(seed, **more):
    random = np.random.default_rng(seed)
    return partial(_the_same_attention, seed=seed_from(random) % 10**6, **more)


_SAME = (
    "Multi-query attention with the new matrices gives what latent attention "
    "gives."
)
_AT_200 = "It does so at scores of 200 too."


_OTHER_SIZES = anew(
    _absorb_case,
    H=(2, 4),
    d_k=(2, 5),
    d_v=(2, 5),
    d_c=(3, 6),
    d_r=[2, 4],
    D=(4, 8),
)


EXERCISE = Exercise(
    "08-absorb",
    "Turn latent attention into multi-query attention",
    points=5,
    reference=_absorb,
    cases=[
        _worked_absorption(),
        _absorb_case("three heads", 3, 2, 4, 5, 2, 7, 111),
        _absorb_case("wider keys than latents", 2, 6, 3, 4, 2, 5, 112),
        _absorb_case("as wide as values", 4, 3, 3, 5, 4, 6, 113),
        _absorb_case("all sizes alike", 2, 2, 2, 2, 2, 2, 114),
        _absorb_case("no rotary key", 3, 4, 2, 6, 0, 5, 115),
        _absorb_case("one head", 1, 3, 2, 4, 2, 5, 116),
        _absorb_case(
            "in double precision", 2, 3, 5, 4, 6, 8, 117, dtype=torch.float64
        ),
        _absorb_case("large matrices", 3, 2, 3, 5, 2, 4, 118, scale=30.0),
    ],
    mistakes=named(mistaken, MISTAKES),
    right_answers=[_head_by_head, _by_large_matrices],
    properties=[
        Property(
            _SAME,
            _the_same_attention,
            "Write down a score, and move the matrix to the query.",
            anew=_attention_anew,
        ),
        Property(
            _AT_200,
            _the_same_at_200,
            "The scale is part of the new query matrix.",
            anew=partial(_attention_anew, scale=2.2),
        ),
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("new_query", "new_output", "new_bias"),
    axes={"new_output": "D H·d_c"},
    parts=[
        Part(
            "query",
            "the matrix of the queries",
            2,
            tries=(
                "the worked example",
                "three heads",
                "wider keys than latents",
                "as wide as values",
                "all sizes alike",
            ),
            outputs=("new_query",),
            fresh=_OTHER_SIZES,
        ),
        Part(
            "output",
            "the matrix and the bias of the output",
            2,
            tries=(
                "the worked example",
                "three heads",
                "wider keys than latents",
                "as wide as values",
                "all sizes alike",
            ),
            outputs=("new_output", "new_bias"),
            fresh=_OTHER_SIZES,
        ),
        Part(
            "same",
            "the same attention, its gradients, and other sizes",
            1,
            tries=(
                "no rotary key",
                "one head",
                "in double precision",
                "large matrices",
                _SAME,
                _AT_200,
            ),
            gradients=True,
            fresh=anew(
                _absorb_case,
                H=(2, 4),
                d_k=(2, 5),
                d_v=(2, 5),
                d_c=(3, 6),
                d_r=[0, 2],
                D=(4, 8),
            ),
        ),
    ],
)
