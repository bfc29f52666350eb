"""Exercise 04.5: Cut heads out of the matrices."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from attnbook.checks.multi_head_attention.prune_heads_mistakes import (
    MISTAKES,
)
from attnbook.checks.multi_head_attention.pruned_layers import (
    PROJECTIONS,
    prune_heads,
)
from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew
from attnbook.judging.tensors import normal


def _prune_by_slices(layer, num_heads, gate, mean):
    """Head by head, and all pieces laid together at the end."""
    parts = {name: [layer[name][:0]] for name in layer if "output" not in name}
    columns = [layer["output_weight"][:, :0]]
    bias = layer["output_bias"]
    for h, g in enumerate(gate):
        block = layer["output_weight"].chunk(num_heads, dim=1)[h]  # (D, d_v)
        bias = bias + (1 - g) * (block @ mean[h])
        if g == 0:
            continue
        columns.append(g * block)
        for name, pieces in parts.items():
            pieces.append(layer[name].chunk(num_heads)[h])
    pruned = {name: torch.cat(pieces) for name, pieces in parts.items()}
    return {
        **pruned,
        "output_weight": torch.cat(columns, dim=1),
        "output_bias": bias,
    }


def _prune_by_views(layer, num_heads, gate, mean):
    kept = [h for h, g in enumerate(gate) if g != 0]
    pruned = {
        name: x.unflatten(0, (num_heads, -1))[kept].flatten(0, 1)
        for name, x in layer.items()
        if not name.startswith("output")
    }
    gate = mean.new_tensor(gate)
    W_o = layer["output_weight"]
    still = (mean * (1 - gate)[:, None]).flatten()  # (H·d_v,)
    pruned["output_bias"] = layer["output_bias"] + W_o @ still
    scaled = W_o.unflatten(1, (num_heads, -1)) * gate[:, None]
    pruned["output_weight"] = scaled[:, kept].flatten(1)
    return pruned


def _layer(generator, D, H, d_k, d_v):
    layer = {}
    for name, d in zip(PROJECTIONS, (d_k, d_k, d_v), strict=True):
        layer[f"{name}_weight"] = normal(generator, H * d, D, scale=0.6)
        layer[f"{name}_bias"] = normal(generator, H * d)
    layer["output_weight"] = normal(generator, D, H * d_v, scale=0.6)
    layer["output_bias"] = normal(generator, D)
    return layer


def _run_prune(answer, layer, num_heads, gate, mean):
    """Call an answer, and put the entries of its dict in a fixed order."""
    pruned = answer(layer, num_heads, gate, mean)
    if not isinstance(pruned, dict) or set(pruned) != set(layer):
        return pruned
    return {name: pruned[name] for name in layer}


def _prune_case(name, D, d_k, d_v, gate, seed, means=1.0):
    generator = torch.Generator().manual_seed(seed)
    H = len(gate)
    layer = _layer(generator, D, H, d_k, d_v)
    mean = means * normal(generator, H, d_v)
    return Case(name, (layer, H, gate, mean))


def _heads_of(layer, num_heads, x, memory):
    """The output of each head, (B, H, T, d_v), before it is projected."""
    q, k, v = (
        F.linear(at, layer[f"{name}_weight"], layer[f"{name}_bias"])
        .unflatten(-1, (num_heads, -1))
        .transpose(1, 2)
        for name, at in zip(PROJECTIONS, (x, memory, memory), strict=True)
    )
    return F.scaled_dot_product_attention(q, k, v)


def _pruned_attends_as_the_gated(answer):
    generator = torch.Generator().manual_seed(59)
    layer, gate = _layer(generator, 8, 4, 3, 2), [0.0, 1.0, 0.0, 0.5]
    mean = normal(generator, 4, 2)
    x, memory = normal(generator, 2, 3, 8), normal(generator, 2, 5, 8)
    pruned = answer(layer, 4, gate, mean)
    outputs = []
    gates = torch.tensor(gate)[:, None, None]
    whole = _heads_of(layer, 4, x, memory)
    whole = gates * whole + (1 - gates) * mean[:, None]
    for heads, one in (
        (whole, layer),
        (
            _heads_of(pruned, 2, x, memory),
            pruned,
        ),
    ):
        merged = heads.transpose(1, 2).flatten(2)  # (B, T, H·d_v)
        outputs.append(
            F.linear(merged, one["output_weight"], one["output_bias"])
        )
    return torch.allclose(*outputs, atol=1e-4)


def _gradients_of(pruned, layer):
    return torch.autograd.grad(
        sum(pruned[name].square().sum() for name in layer),
        list(layer.values()),
        allow_unused=True,
        materialize_grads=True,
    )


def _gradients_are_right_with_all_pruned(answer):
    """If a right layer comes: another part asks for that."""
    layer, *rest = _prune_case("", 3, 2, 2, [0.0, 0.0, 0.0], seed=60).arguments
    layer = {name: x.requires_grad_() for name, x in layer.items()}
    try:
        pruned = answer(layer, *rest)
    except (IndexError, RuntimeError, TypeError, ValueError):
        return True
    right = prune_heads(layer, *rest)
    if set(pruned) != set(right) or not _are_near(
        [pruned[name] for name in right], right.values(), 1e-5
    ):
        return True
    gradients = _gradients_of(pruned, layer)
    return _are_near(gradients, _gradients_of(right, layer), 1e-4)


def _are_near(some, others, tolerance):
    return all(
        one.shape == other.shape and torch.allclose(one, other, atol=tolerance)
        for one, other in zip(some, others, strict=True)
    )


def _zeros_and_ones(random, _):
    """Gates by which some head is cut, and some head is left."""
    gates = random.choice([0.0, 1.0], random.integers(2, 5))
    gates[random.permutation(len(gates))[:2]] = 0.0, 1.0
    return gates.tolist()


def _any_gates(random, drawn):
    """Gates of all kinds, by which some head is cut."""
    gates = np.array(_zeros_and_ones(random, drawn))
    return (gates * random.uniform(-1, 2, len(gates)).round(2)).tolist()


_SIZES = {"D": (2, 6), "d_k": (1, 4), "d_v": (1, 4)}

EXERCISE = Exercise(
    "04-prune-heads",
    "Cut heads out of the matrices",
    points=5,
    reference=prune_heads,
    cases=[
        Case(
            "the worked example",
            (
                {
                    "query_weight": torch.eye(2),
                    "query_bias": torch.zeros(2),
                    "key_weight": torch.eye(2),
                    "key_bias": torch.zeros(2),
                    "value_weight": torch.eye(2),
                    "value_bias": torch.zeros(2),
                    "output_weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
                    "output_bias": torch.tensor([10.0, 20.0]),
                },
                2,
                [0.0, 0.5],
                torch.tensor([[1.0], [2.0]]),
            ),
        ),
        _prune_case("one of two", 5, 2, 2, [1.0, 0.0], 51, means=0.0),
        _prune_case("two of four", 5, 2, 3, [1.0, 0.0, 0.0, 1.0], 56, 0.0),
        _prune_case("means of 0", 7, 3, 2, [0.5, 0.0, -0.4], 57, means=0.0),
        _prune_case("a gate next to 0", 4, 2, 3, [1e-9, 0.0, 0.8], 58, 0.0),
        _prune_case("gates of all kinds", 6, 2, 3, [0.5, 0.0, -0.4, 1.5], 52),
        _prune_case("narrow values", 5, 4, 2, [0.0, 0.7, 0.004], seed=53),
        _prune_case("none pruned", 4, 3, 2, [1.0, 0.25], seed=54),
        _prune_case("all pruned", 3, 2, 2, [0.0, 0.0, 0.0], seed=55),
    ],
    mistakes=MISTAKES,
    right_answers=[_prune_by_slices, _prune_by_views],
    properties=[
        Property(
            "The smaller layer attends as the gated one does.",
            _pruned_attends_as_the_gated,
        ),
        Property(
            "The gradients are right where all heads are pruned, too.",
            _gradients_are_right_with_all_pruned,
            "Is output_bias made of the layer's tensors there?",
        ),
    ],
    tolerance=1e-5,
    gradients=True,
    run=_run_prune,
    parts=[
        Part(
            "cut",
            "gates of 0 and 1, and means of 0",
            2,
            tries=("one of two", "two of four"),
            fresh=anew(
                _prune_case, times=2, **_SIZES, gate=_zeros_and_ones, means=0.0
            ),
        ),
        Part(
            "gates",
            "gates of all kinds, and means of 0",
            1,
            tries=("means of 0", "a gate next to 0"),
            fresh=anew(
                _prune_case, times=2, **_SIZES, gate=_any_gates, means=0.0
            ),
        ),
        Part(
            "means",
            "means in the bias, and all heads or none pruned",
            1,
            tries=(
                "the worked example",
                "gates of all kinds",
                "narrow values",
                "none pruned",
                "all pruned",
                "The smaller layer attends as the gated one does.",
            ),
            fresh=anew(_prune_case, times=2, **_SIZES, gate=_any_gates),
        ),
        Part(
            "gradients",
            "the gradients",
            1,
            tries=(
                "gates of all kinds",
                "narrow values",
                "The gradients are right where all heads are pruned, too.",
            ),
            gradients=True,
            fresh=anew(_prune_case, times=2, **_SIZES, gate=_any_gates),
        ),
    ],
)
