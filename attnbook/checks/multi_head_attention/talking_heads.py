"""Exercise 04.4: Let the heads talk."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from attnbook.checks.multi_head_attention.talking_heads_mistakes import (
    MISTAKES,
    talking_heads,
)
from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew, none_empty, one_empty
from attnbook.judging.tensors import normal, token_mask
from attnbook.mechanisms.masked_softmax import masked_softmax


def _talking_by_convolution(query, key, value, mask, mix_scores, mix_weights):
    """To mix the heads of a map is a convolution of 1 by 1."""
    scores = torch.einsum("bhtd,bhsd->bhts", query, key)
    scores = scores * key.shape[-1] ** -0.5
    scores = F.conv2d(scores, mix_scores[:, :, None, None])
    weights = masked_softmax(scores, mask[:, None, None])
    weights = F.conv2d(weights, mix_weights[:, :, None, None])
    return torch.einsum("bhts,bhsv->bhtv", weights, value), weights


def _talking_by_loops(query, key, value, mask, mix_scores, mix_weights):
    plain = [
        q @ k.transpose(-2, -1) / k.shape[-1] ** 0.5
        for q, k in zip(query.unbind(1), key.unbind(1), strict=True)
    ]  # each (B, T, S)
    weights = []
    for row in mix_scores:
        mixed = sum(w * score for w, score in zip(row, plain, strict=True))
        weights.append(masked_softmax(mixed, mask[:, None]))
    spoken = [
        sum(w * one for w, one in zip(row, weights, strict=True))
        for row in mix_weights
    ]
    output = [
        w @ v for w, v in zip(spoken, value.unbind(1), strict=True)
    ]  # each (B, T, d_v)
    return torch.stack(output, 1), torch.stack(spoken, 1)


def _talking_by_matmul(query, key, value, mask, mix_scores, mix_weights):
    """The heads moved to the end, as nn.Linear wants them."""
    scores = query @ key.transpose(-2, -1) / key.shape[-1] ** 0.5
    scores = F.linear(scores.movedim(1, -1), mix_scores)  # (B, T, S, H)
    weights = masked_softmax(scores, mask[:, None, :, None], dim=2)
    weights = F.linear(weights, mix_weights).movedim(-1, 1)
    return weights @ value, weights


def _talk_case(name, lengths, heads, T, S, d_k, d_v, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    B, (H_k, H, H_v) = len(lengths), heads
    return Case(
        name,
        (
            normal(generator, B, H_k, T, d_k, scale=scale),
            normal(generator, B, H_k, S, d_k, scale=scale),
            normal(generator, B, H_v, S, d_v),
            token_mask(lengths, S),
            normal(generator, H, H_k, scale=0.8),
            normal(generator, H_v, H, scale=0.8),
        ),
    )


def _silent_heads_are_plain_heads(answer):
    query, key, value, mask, *_ = _talk_case(
        "", [5, 5], (3, 3, 3), 4, 5, 2, 3, 49
    ).arguments
    same = torch.eye(3)
    output, _ = answer(query, key, value, mask, same, same)
    plain = F.scaled_dot_product_attention(query, key, value)
    return torch.allclose(output, plain, atol=1e-5)


def _gradients_of(function, arguments):
    """What a function returns, and the gradients of its inputs."""
    inputs = [
        x.clone().requires_grad_(x.is_floating_point()) for x in arguments
    ]
    outputs = function(*inputs)
    gradients = torch.autograd.grad(
        sum(x.square().sum() for x in outputs),
        [x for x in inputs if x.requires_grad],
        allow_unused=True,
        materialize_grads=True,
    )
    return outputs, gradients


def _gradients_are_right_with_nothing_to_attend_to(answer):
    """If the values are: another part asks for these."""
    arguments = _talk_case(
        "", [4, 0], (2, 3, 4), 3, 4, 2, 3, seed=50
    ).arguments
    outputs, gradients = _gradients_of(answer, arguments)
    right_outputs, right_gradients = _gradients_of(talking_heads, arguments)
    if not _are_near(outputs, right_outputs, 1e-5):
        return True
    return _are_near(gradients, right_gradients, 1e-4)


def _are_near(some, others, tolerance):
    return all(
        torch.allclose(one, other, atol=tolerance)
        for one, other in zip(some, others, strict=True)
    )


def _padded_in_front(case):
    """The same with the keys of each sentence in reverse order."""
    query, key, value, mask, *matrices = case.arguments
    key, value, mask = key.flip(2), value.flip(2), mask.flip(1)
    return Case("padding in front", (query, key, value, mask, *matrices))


def _three_counts(random, _):
    return random.integers(2, 5, 3).tolist()


EXERCISE = Exercise(
    "04-talking-heads",
    "Let the heads talk",
    points=4,
    reference=talking_heads,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor([[[[1.0]], [[2.0]]]] * 2),  # (2, 2, 1, 1)
                torch.tensor([[[[1.0], [0.0]], [[0.0], [1.0]]]] * 2),
                torch.tensor([[[[8.0], [4.0]], [[1.0], [0.0]]]] * 2),
                torch.tensor([[True, True], [True, False]]),
                torch.tensor([[1.0, 1.0], [0.0, 1.0]]),
                torch.tensor([[1.0, -1.0], [0.0, 2.0]]),
            ),
        ),
        _talk_case("two heads", [4, 3], (2, 2, 2), 3, 4, 3, 2, seed=41),
        _talk_case("more heads", [5, 2, 4], (2, 3, 2), 3, 5, 2, 4, seed=42),
        _talk_case("three counts", [3], (4, 3, 2), 2, 4, 3, 5, seed=43),
        _talk_case("nothing to attend to", [4, 0], (2, 3, 4), 3, 4, 2, 3, 44),
        _talk_case("all sizes alike", [3, 0, 2], (3, 3, 3), 3, 3, 3, 3, 45),
        _talk_case("one key", [1, 1], (2, 2, 3), 4, 1, 3, 2, seed=46),
        _talk_case("large scores", [1, 6], (2, 3, 2), 3, 6, 4, 3, 47, 12.0),
        _padded_in_front(_talk_case("", [2, 4], (3, 2, 2), 2, 4, 3, 2, 48)),
    ],
    mistakes=MISTAKES,
    right_answers=[
        _talking_by_convolution,
        _talking_by_loops,
        _talking_by_matmul,
    ],
    properties=[
        Property(
            "With identity matrices the heads are those of "
            "F.scaled_dot_product_attention.",
            _silent_heads_are_plain_heads,
        ),
        Property(
            "The gradients are right beside a sentence with nothing to "
            "attend to.",
            _gradients_are_right_with_nothing_to_attend_to,
            "Does your code take the softmax of a row of only -inf, even if "
            "it replaces the NaN?",
        ),
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B H_v T d_v", "weights": "B H_v T S"},
    parts=[
        Part(
            "values",
            "the values in sentences with an allowed key",
            2,
            tries=(
                "the worked example",
                "two heads",
                "more heads",
                "three counts",
                "one key",
                "padding in front",
                "With identity matrices the heads are those of "
                "F.scaled_dot_product_attention.",
            ),
            fresh=anew(
                _talk_case,
                times=2,
                S=(1, 5),
                lengths=none_empty("S"),
                heads=_three_counts,
                T=(1, 4),
                d_k=(1, 4),
                d_v=(1, 5),
            ),
        ),
        Part(
            "bounds",
            "empty sentences, and scores of 200",
            1,
            tries=("nothing to attend to", "all sizes alike", "large scores"),
            fresh=anew(
                _talk_case,
                times=2,
                S=(2, 5),
                lengths=one_empty("S"),
                heads=_three_counts,
                T=(2, 4),
                d_k=(2, 4),
                d_v=(2, 5),
                scale=(8.0, 12.0),
            ),
        ),
        Part(
            "gradients",
            "the gradients, including both matrices",
            1,
            tries=(
                "two heads",
                "more heads",
                "three counts",
                "The gradients are right beside a sentence with nothing to "
                "attend to.",
            ),
            gradients=True,
            fresh=anew(
                _talk_case,
                times=2,
                S=(1, 5),
                lengths=none_empty("S"),
                heads=_three_counts,
                T=(1, 4),
                d_k=(1, 4),
                d_v=(1, 5),
            ),
        ),
    ],
)
