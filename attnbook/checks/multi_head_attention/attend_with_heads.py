"""Exercise 04.2: Repair heads that are folded into the batch."""

from __future__ import annotations

import torch

from attnbook.checks.multi_head_attention.attend_with_heads_draft import (
    attend_with_heads,
)
from attnbook.checks.multi_head_attention.attend_with_heads_mistakes import (
    MISTAKES,
)
from attnbook.judging.attention_inputs import attention_inputs
from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew
from attnbook.judging.tensors import normal
from attnbook.mechanisms.masked_softmax import masked_softmax


def _heads_by_loops(query, key, value, mask, W_q, W_k, W_v, W_o, num_heads):
    outputs, maps = [], []
    for q, k, v in zip(
        W_q.chunk(num_heads),
        W_k.chunk(num_heads),
        W_v.chunk(num_heads),
        strict=True,
    ):
        scores = query @ q.T @ (key @ k.T).transpose(-2, -1)  # (B, T, S)
        scores = scores / len(q) ** 0.5
        maps.append(masked_softmax(scores, mask[:, None]))
        outputs.append(maps[-1] @ (value @ v.T))  # (B, T, d_v)
    return torch.cat(outputs, -1) @ W_o.T, torch.stack(maps, 1)


def _heads_by_einsum(query, key, value, mask, W_q, W_k, W_v, W_o, num_heads):
    """The heads have an axis of their own in the matrices."""
    W_q, W_k, W_v = (
        W.unflatten(0, (num_heads, -1)) for W in (W_q, W_k, W_v)
    )  # (H, d, D)
    q = torch.einsum("btm,hdm->bhtd", query, W_q) * W_q.shape[1] ** -0.5
    k = torch.einsum("bsm,hdm->bhsd", key, W_k)
    v = torch.einsum("bsm,hdm->bhsd", value, W_v)
    scores = torch.einsum("bhtd,bhsd->bhts", q, k)
    weights = masked_softmax(scores, mask[:, None, None])
    merged = torch.einsum("bhts,bhsd->bthd", weights, v)
    return merged.flatten(2) @ W_o.T, weights


def _heads_as_a_sum(query, key, value, mask, W_q, W_k, W_v, W_o, num_heads):
    """Each head has its own columns of W_o: their outputs add up."""
    output, maps = 0, []
    for q, k, v, o in zip(
        *(W.chunk(num_heads) for W in (W_q, W_k, W_v)),
        W_o.chunk(num_heads, dim=1),
        strict=True,
    ):
        scores = (query @ q.T) @ (k @ key.transpose(-2, -1))
        maps.append(masked_softmax(scores / len(q) ** 0.5, mask[:, None]))
        output = output + maps[-1] @ value @ v.T @ o.T
    return output, torch.stack(maps, 1)


def _heads_case(name, lengths, T, S, D, H, d_k, d_v, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    near = D**-0.5
    return Case(
        name,
        (
            *attention_inputs(generator, lengths, T, S, D, D, D, None, scale),
            normal(generator, H * d_k, D, scale=near),
            normal(generator, H * d_k, D, scale=near),
            normal(generator, H * d_v, D, scale=near),
            normal(generator, D, H * d_v, scale=near),
            H,
        ),
    )


def _padded_in_front(case):
    """The same with the keys of each sentence in reverse order."""
    query, key, value, mask, *rest = case.arguments
    key, value, mask = key.flip(1), value.flip(1), mask.flip(1)
    return Case("padding in front", (query, key, value, mask, *rest))


def _one_head_is_heard_alone(answer):
    """Without the columns of W_o of a head, its values cannot matter."""
    arguments = _heads_case("", [5, 4], 3, 5, 6, 3, 2, 4, 19).arguments
    query, key, value, mask, W_q, W_k, W_v, W_o, H = arguments
    W_o, other = W_o.clone(), W_v.clone()
    W_o[:, 4:8] = 0
    other[4:8] = 1
    one, _ = answer(query, key, value, mask, W_q, W_k, W_v, W_o, H)
    two, _ = answer(query, key, value, mask, W_q, W_k, other, W_o, H)
    return torch.allclose(one, two, atol=1e-5)


EXERCISE = Exercise(
    "04-attend-with-heads",
    "Repair heads that are folded into the batch",
    points=4,
    reference=attend_with_heads,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor([[[1.0, 2.0], [0.0, 0.0]]] * 2),
                torch.tensor([[[1.0, 0.0], [0.0, 1.0]]] * 2),
                torch.tensor([[[8.0, 0.0], [0.0, 4.0]]] * 2),
                torch.tensor([[True, True], [True, False]]),
                *[torch.eye(2) for _ in range(4)],
                2,
            ),
        ),
        _heads_case("two heads", [5, 3], 3, 5, 4, 2, 2, 3, seed=11),
        _heads_case("three heads", [4, 4, 2], 2, 4, 6, 3, 2, 2, seed=12),
        _heads_case("nothing to attend to", [4, 0], 3, 4, 6, 2, 3, 2, seed=13),
        _heads_case("all sizes alike", [3, 2, 3], 3, 3, 3, 3, 3, 3, seed=14),
        _heads_case("one head, one sentence", [4], 1, 5, 4, 1, 4, 3, seed=15),
        _heads_case("large scores", [1, 5], 4, 5, 6, 2, 3, 2, 16, scale=12.0),
        _padded_in_front(_heads_case("", [2, 4], 2, 4, 6, 2, 2, 3, seed=17)),
    ],
    mistakes=MISTAKES,
    right_answers=[_heads_by_loops, _heads_by_einsum, _heads_as_a_sum],
    properties=[
        Property(
            "A head whose columns of W_o are 0 changes no output.",
            _one_head_is_heard_alone,
            "In which order are the heads merged?",
        )
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B T D", "weights": "B H T S"},
    fresh=anew(
        _heads_case,
        S=(2, 5),
        lengths="S",
        T=(2, 4),
        D=(2, 6),
        H=(1, 3),
        d_k=(2, 4),
        d_v=(2, 4),
    ),
    parts=[
        Part("two", "two of the five bugs fixed", 1, mended=2),
        Part("three", "three of the five bugs fixed", 1, mended=3),
        Part("four", "four of the five bugs fixed", 1, mended=4),
        Part("all", "all five bugs fixed", 1, mended=5),
    ],
)
