"""Exercise 12.5: Write in chunks, with a decay for each channel."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch

from attnbook.checks.experts_and_state_spaces.chunks_mistakes import (
    MISTAKES,
    in_chunks,
    mistaken,
)
from attnbook.checks.experts_and_state_spaces.chunks_slips import (
    SLIPS,
    slipped,
)
from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew, seed_from
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal
from attnbook.judging.watching import calls


def _write_chunks(query, key, value, beta, log_decay, state, chunk):
    return in_chunks(query, key, value, beta, log_decay, state, chunk)


# -- right, written differently ----------------------------------------------


def _by_a_scan(query, key, value, beta, log_decay, state, chunk):
    """Each token is a map of the state: doubling joins them all."""
    k, b = key[..., None], beta[..., None, None]  # (B, T, d_k, 1)
    M = (torch.eye(key.shape[2]) - b * k * k.mT) * log_decay.exp()[:, :, None]
    N = b * k * value[:, :, None]  # (B, T, d_k, d_v)
    reach = 1
    while reach < key.shape[1]:
        late = M[:, reach:]
        N = torch.cat([N[:, :reach], late @ N[:, :-reach] + N[:, reach:]], 1)
        M = torch.cat([M[:, :reach], late @ M[:, :-reach]], 1)
        reach *= 2
    S = M @ state[:, None] + N  # (B, T, d_k, d_v)
    return (query[:, :, None] @ S)[:, :, 0], S[:, -1]


def _by_an_inverse(query, key, value, beta, log_decay, state, chunk):
    """(1 + A)⁻¹ as (1 - A)(1 + A²)(1 + A⁴)…, with q and k side by side."""
    S, outputs = state, []
    parts = (x.split(chunk, 1) for x in (query, key, value, beta, log_decay))
    for q, k, v, b, g in zip(*parts, strict=True):
        C = k.shape[1]
        total = g.cumsum(1)
        decay = (total[:, :, None] - total[:, None]).clamp(max=0).exp()
        both = torch.stack([k, q])  # (2, B, C, d_k)
        met = (both[:, :, :, None] * k[:, None] * decay).sum(-1).tril()
        start = (both * total.exp()) @ S  # (2, B, C, d_v)
        power = -b[..., None] * met[0].tril(-1)
        inverse, n = torch.eye(C) + power, 1
        while 2 * n < C:
            power, n = power @ power, 2 * n
            inverse = inverse + power @ inverse
        U = inverse @ (b[..., None] * (v - start[0]))
        outputs.append(met[1] @ U + start[1])
        rest = (total[:, -1:] - total).exp() * k
        S = total[:, -1, :, None].exp() * S + rest.mT @ U
    return torch.cat(outputs, 1), S


# -- cases -------------------------------------------------------------------


def _chunk_case(name, B, T, d_k, d_v, chunk, seed, start=1.0, decay=0.4):
    generator = torch.Generator().manual_seed(seed)
    key = normal(generator, B, T, d_k, scale=0.8)
    return Case(
        name,
        (
            normal(generator, B, T, d_k),
            key,
            normal(generator, B, T, d_v),
            1.6 * torch.rand(B, T, generator=generator) + 0.2,
            -2 * decay * torch.rand(B, T, d_k, generator=generator),
            normal(generator, B, d_k, d_v, scale=start),
            chunk,
        ),
    )


def _worked_chunk():
    """One channel: a value written, decayed by a half, and overwritten."""
    column = torch.tensor([[[1.0], [1.0], [1.0]]])
    value = torch.tensor([[[4.0], [6.0], [1.0]]])
    beta = torch.tensor([[1.0, 0.5, 1.0]])
    log_decay = torch.tensor([[[0.0], [0.5], [1.0]]])
    log_decay[0, 1:] = -torch.tensor([[2.0], [2.0]]).log()
    state = torch.zeros(1, 1, 1)
    return Case(
        "the worked example",
        (column, column.clone(), value, beta, log_decay, state, 2),
    )


def _forgetting():
    """Some channels are forgotten at once, e⁻²⁰⁰; others do not decay."""
    case = _chunk_case("decays of 200", 2, 7, 3, 2, chunk=4, seed=56)
    log_decay = case.arguments[4]
    log_decay[:, 1:6, 1] = -200.0
    log_decay[0, 2, 0] = -190.0
    log_decay[1, 3] = 0.0
    return case


def _few_calls(answer, seed=59, T=256):
    case = _chunk_case("", 1, T, 2, 2, 32, seed)
    with calls(answer) as seen:
        answer(*case.arguments)
    return seen.amount < 3 * T


def _few_calls_anew(seed):
    random = np.random.default_rng(seed)
    return partial(
        _few_calls,
        seed=seed_from(random) % 10**6,
        T=32 * int(random.integers(8, 10)),
    )


def _holds_nan(case, outputs):
    return case.name == "decays of 200" and bool(outputs[0].isnan().any())


FEW = "256 tokens in chunks of 32 take fewer than 768 calls of torch."

_SIZES = {"B": (2, 3), "T": (5, 8), "d_k": (2, 4), "d_v": (2, 4)}

EXERCISE = Exercise(
    "12-write-chunks",
    "Write in chunks, with a decay for each channel",
    points=5,
    reference=_write_chunks,
    cases=[
        _worked_chunk(),
        _chunk_case("one chunk", 2, 4, 3, 2, chunk=4, seed=51, start=0.0),
        _chunk_case("one chunk and a state", 2, 5, 2, 4, chunk=5, seed=52),
        _chunk_case("two chunks", 2, 6, 3, 2, chunk=3, seed=53),
        _chunk_case("a last chunk that is short", 2, 8, 3, 4, 3, seed=54),
        _chunk_case("chunks of one token", 2, 4, 3, 2, chunk=1, seed=55),
        _chunk_case("longer than the text", 2, 3, 3, 2, chunk=8, seed=57),
        _forgetting(),
        _chunk_case("all sizes alike", 3, 3, 3, 3, chunk=3, seed=58),
    ],
    mistakes=[
        replace(one, shows=_holds_nan)
        if one.name == "exponentials that overflow"
        else one
        for one in named(mistaken, MISTAKES) + named(slipped, SLIPS)
    ],
    right_answers=[_by_a_scan, _by_an_inverse],
    properties=[
        Property(
            FEW,
            _few_calls,
            "One triangular system for all tokens of a chunk.",
            anew=_few_calls_anew,
        ),
    ],
    tolerance=1e-4,
    gradients=True,
    outputs=("output", "state"),
    axes={"output": "B T d_v", "state": "B d_k d_v"},
    parts=[
        Part(
            "one",
            "one chunk",
            1,
            tries=("one chunk", "one chunk and a state"),
            fresh=anew(
                _chunk_case, **_SIZES, chunk=lambda random, drawn: drawn["T"]
            ),
        ),
        Part(
            "several",
            "several chunks and a state that is carried",
            2,
            tries=(
                "the worked example",
                "two chunks",
                "a last chunk that is short",
                "chunks of one token",
                "longer than the text",
                "decays of 200",
                "all sizes alike",
            ),
            fresh=anew(_chunk_case, **_SIZES, chunk=(2, 4)),
        ),
        Part(
            "calls",
            "far fewer calls than a loop over tokens",
            1,
            tries=("two chunks", FEW),
            fresh=anew(_chunk_case, **_SIZES, chunk=(2, 4)),
        ),
        Part(
            "gradients",
            "the gradients",
            1,
            tries=("two chunks", "decays of 200"),
            gradients=True,
            fresh=anew(_chunk_case, **_SIZES, chunk=(2, 3)),
        ),
    ],
)
