"""Exercise 04.5: Cut heads out of the matrices."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from attnbook.judging.exercise import Case, Exercise, Mistake, Part, Property
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal

_PROJECTIONS = ("query", "key", "value")


def _prune_heads(layer, num_heads, gate, mean):
    gates = torch.tensor(gate)  # (H,)
    keep = gates != 0
    pruned = {}
    for name in _PROJECTIONS:
        weight, bias = layer[f"{name}_weight"], layer[f"{name}_bias"]
        rows = keep.repeat_interleave(len(weight) // num_heads)  # (H·d,)
        pruned[f"{name}_weight"] = weight[rows]
        pruned[f"{name}_bias"] = bias[rows]
    W_o, b_o = layer["output_weight"], layer["output_bias"]
    heads = W_o.view(len(W_o), num_heads, -1)  # (D, H, d_v)
    scaled = (heads * gates[:, None])[:, keep]  # (D, K, d_v)
    pruned["output_weight"] = scaled.reshape(len(W_o), -1)  # (D, K·d_v)
    still = torch.einsum("ohd,h,hd->o", heads, 1 - gates, mean)
    pruned["output_bias"] = b_o + still  # (D,)
    return pruned


def _mistaken(layer, num_heads, gate, mean, mistake):
    """The same with a mistake."""
    gates = torch.tensor(gate)  # (H,)
    keep = _mistaken_choice(gates, mistake)
    if mistake == "not unique":
        gates = gates.clamp(max=1)
    pruned = _mistaken_rows(layer, num_heads, gates, keep, mean, mistake)
    if mistake in ("gate in the values", "gate twice"):
        on = gates[keep].repeat_interleave(mean.shape[1])
        pruned["value_weight"] = pruned["value_weight"] * on[:, None]
        pruned["value_bias"] = pruned["value_bias"] * on
    elif mistake == "gate on the weight alone":
        on = gates[keep].repeat_interleave(mean.shape[1])
        pruned["value_weight"] = pruned["value_weight"] * on[:, None]
    pruned["output_weight"] = _mistaken_columns(
        layer["output_weight"], num_heads, gates, keep, mean, mistake
    )
    pruned["output_bias"] = _mistaken_bias(
        layer, num_heads, gates, keep, mean, mistake
    )
    if mistake == "sorted":
        return _sorted(pruned, gates[keep])
    if mistake == "new parameters":
        return {name: torch.nn.Parameter(x) for name, x in pruned.items()}
    if mistake == "detached":
        return {name: x.detach() for name, x in pruned.items()}
    return pruned


def _sorted(pruned, gates):
    """The heads that stay, with the strongest first."""
    order = gates.argsort(descending=True)
    result = dict(pruned)
    for name in _PROJECTIONS:
        for kind in ("weight", "bias"):
            x = pruned[f"{name}_{kind}"]
            if len(x):
                x = x.unflatten(0, (len(gates), -1))[order].flatten(0, 1)
            result[f"{name}_{kind}"] = x
    columns = pruned["output_weight"]
    if len(gates):
        columns = columns.unflatten(1, (len(gates), -1))[:, order].flatten(1)
    return {**result, "output_weight": columns}


def _mistaken_choice(gates, mistake):
    """Which heads are kept, (H,)."""
    return {
        "negative dropped": gates > 0,
        "below a half": gates >= 0.5,
        "up to a half": gates > 0.5,
        "not small": gates.abs() > 0.01,
        "rounded": gates.round() != 0,
        "whole": gates.int() != 0,
        "inverted": gates == 0,
        "zeroed": torch.ones_like(gates, dtype=torch.bool),
    }.get(mistake, gates != 0)


def _mistaken_rows(layer, num_heads, gates, keep, mean, mistake):
    """The projections of queries, keys and values."""
    pruned = {}
    for name in _PROJECTIONS:
        weight, bias = layer[f"{name}_weight"], layer[f"{name}_bias"]
        d = len(weight) // num_heads
        rows = keep.repeat_interleave(d)  # (H·d,)
        if mistake == "interleaved":
            rows = keep.repeat(d)
        elif mistake == "one width":
            rows = keep.repeat_interleave(mean.shape[1])
            if len(rows) != len(weight):
                rows = rows[: len(weight)]
                weight, bias = weight[: len(rows)], bias[: len(rows)]
        elif mistake == "zeroed":
            on = (gates != 0).repeat_interleave(d)
            weight, bias = weight * on[:, None], bias * on
        pruned[f"{name}_weight"] = weight[rows]
        pruned[f"{name}_bias"] = (
            bias if mistake == "whole biases" else bias[rows]
        )
    return pruned


def _mistaken_columns(W_o, num_heads, gates, keep, mean, mistake):
    """The output projection."""
    D, d_v = len(W_o), mean.shape[1]
    if mistake in ("rows of the output", "rows, without the gate"):
        on = gates.repeat_interleave(d_v)
        W_cut = W_o * on if mistake == "rows of the output" else W_o
        rows = keep.repeat_interleave(-(-D // num_heads))[:D]
        return W_cut[rows]
    if mistake == "interleaved":
        return (W_o * gates.repeat(d_v))[:, keep.repeat(d_v)]
    if mistake == "output interleaved":
        scaled = (W_o.view(D, d_v, num_heads) * gates)[..., keep]
        return scaled.reshape(D, -1)
    heads = W_o.view(D, num_heads, -1)[:, keep]  # (D, K, d_v)
    unscaled = (
        "gate forgotten",
        "gate in the values",
        "gate on the weight alone",
    )
    if mistake not in unscaled:
        heads = heads * gates[keep][:, None]
    if mistake == "scaled up":
        heads = heads * (num_heads / max(1, int(keep.sum())))
    return heads.reshape(D, -1)  # (D, K·d_v)


def _mistaken_bias(layer, num_heads, gates, keep, mean, mistake):
    """The bias of the output, (D,)."""
    W_o, b_o = layer["output_weight"], layer["output_bias"]
    D, d_v = len(W_o), mean.shape[1]
    heads = W_o.view(D, num_heads, -1)  # (D, H, d_v)
    if mistake == "interleaved":
        heads = W_o.view(D, d_v, num_heads).transpose(1, 2)
    rest = 1 - gates
    if mistake == "mean forgotten":
        rest = torch.zeros_like(gates)
    elif mistake == "mean of all heads":
        rest = torch.ones_like(gates)
    elif mistake == "mean of pruned heads alone":
        rest = (~keep).to(gates)
    elif mistake == "mean of kept heads":
        rest = gates
    elif mistake == "mean with the pruned columns":
        # The columns carry the gate already, 0 where a head is pruned.
        rest = (1 - gates) * gates
    if mistake == "matrix transposed":
        return b_o + W_o.T @ (rest[:, None] * mean).flatten()
    if mistake == "mean without the matrix":
        return b_o + (rest[:, None] * mean).flatten()[:D]
    still = torch.einsum("ohd,h,hd->o", heads, rest, mean)
    if mistake == "new bias alone":
        return still
    if mistake == "in place":
        b_o += still
        return b_o
    return b_o + still


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
    for name, d in zip(_PROJECTIONS, (d_k, d_k, d_v), strict=True):
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
        for name, at in zip(_PROJECTIONS, (x, memory, memory), strict=True)
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


_MISTAKES = [
    (
        "zeroed",
        "zeros in place of a cut",
        "The pruned heads are set to zero and still there: nothing "
        "gets smaller.",
        "Take the rows of the heads that stay: K · d of them.",
    ),
    (
        "inverted",
        "the pruned heads kept",
        "You kept the heads with gate 0 and cut the others.",
        "gate != 0 are those that stay.",
    ),
    (
        "interleaved",
        "every H-th row taken for a head",
        "Rows are taken H apart. A head has d rows that stand side by side.",
        "Head h has the rows h · d to (h + 1) · d.",
    ),
    (
        "output interleaved",
        "every H-th column taken for a head",
        "Columns of output_weight are taken H apart. A head has d_v "
        "columns that stand side by side.",
        "view(D, H, d_v), not view(D, d_v, H).",
    ),
    (
        "one width",
        "one width for all matrices",
        "Queries and keys are cut by d_v. They are d_k wide.",
        "len(layer['query_weight']) // num_heads, and so for each.",
    ),
    (
        "whole biases",
        "biases left whole",
        "The matrices are cut and their biases are not.",
        "query_bias, key_bias and value_bias lose the same rows.",
    ),
    (
        "sorted",
        "heads in the order of their gates",
        "The heads that stay are sorted by their gates. They stay in their "
        "order.",
        "Choose by gate != 0; no sort, no topk.",
    ),
    (
        "gate forgotten",
        "gates of a half taken for 1",
        "Heads that stay are kept at full strength. Each has its gate.",
        "Multiply the columns of head h in output_weight by gate[h].",
    ),
    (
        "gate in the values",
        "the gate in the value projection",
        "The output would be the same, but query, key and value "
        "projections stay as they are.",
        "Multiply the columns of head h in output_weight by gate[h].",
    ),
    (
        "gate on the weight alone",
        "a gate that misses the value's bias",
        "The gate is in value_weight and not in value_bias, so part "
        "of the head stays at full strength.",
        "Multiply the columns of head h in output_weight by gate[h].",
    ),
    (
        "gate twice",
        "the gate twice",
        "The gate is in the values and in output_weight: it counts squared.",
        "Only the columns of output_weight carry it.",
    ),
    (
        "scaled up",
        "rescaled by H/K",
        "What remains is multiplied by H/K, as dropout does. The "
        "gates alone say how strong a head is.",
        "No factor but gate[h].",
    ),
    (
        "negative dropped",
        "a negative gate taken for 0",
        "Heads with a negative gate are cut. Only a gate of exactly 0 prunes.",
        "gate != 0, not gate > 0.",
    ),
    (
        "below a half",
        "a threshold",
        "Heads with a small gate are cut. Only a gate of exactly 0 prunes.",
        "gate != 0, without a threshold.",
        "up to a half",
        "not small",
        "rounded",
        "whole",
    ),
    (
        "mean forgotten",
        "the means are left out",
        "A pruned head leaves nothing behind. It should leave its "
        "mean, as part of the bias.",
        "output_bias: add the columns of head h times (1 - gate[h]) "
        "· mean[h].",
    ),
    (
        "mean of all heads",
        "the whole mean of every head",
        "Each head leaves its whole mean. Only the part that the gate "
        "takes away is replaced.",
        "The factor is 1 - gate[h].",
    ),
    (
        "mean of pruned heads alone",
        "only pruned heads leave a mean",
        "Heads that are gated and stay leave (1 - gate[h]) · mean[h] too.",
        "The formula holds for each head, whatever its gate.",
    ),
    (
        "mean of kept heads",
        "the gate where its rest belongs",
        "The means are weighted by the gate. It is what the gate "
        "takes away that is replaced.",
        "The factor is 1 - gate[h].",
    ),
    (
        "mean with the pruned columns",
        "means through columns that are already gated",
        "The means went through columns that the gate had scaled, so "
        "a pruned head leaves nothing.",
        "Make output_bias from the columns as they were.",
    ),
    (
        "mean without the matrix",
        "means that skip the output projection",
        "The means are added to output_bias as they are. A head's "
        "output goes through its columns of output_weight first.",
        "(D, d_v) @ (d_v,) for each head.",
    ),
    (
        "matrix transposed",
        "means through the transposed matrix",
        "The means went through output_weight, transposed. As it is "
        "stored, it takes H · d_v numbers to D.",
        "output_weight @ means, without `.T`.",
    ),
    (
        "new bias alone",
        "the old bias is lost",
        "The new output_bias holds the means alone.",
        "Add them to the bias that was there.",
    ),
    (
        "in place",
        "the layer is changed in place",
        "Your code changes the layer that it was given. Whoever "
        "prunes it again, with other gates, gets something else.",
        "`b = b + x` makes a new tensor, `b += x` does not.",
    ),
]


def _zeros_and_ones(random, _):
    return random.choice([0.0, 1.0], random.integers(2, 5)).tolist()


def _any_gates(random, _):
    count = random.integers(2, 5)
    gates = random.uniform(-1, 2, count).round(2)
    return (gates * random.choice([0.0, 1.0, 1.0], count)).tolist()


_SIZES = {"D": (2, 6), "d_k": (1, 4), "d_v": (1, 4)}

EXERCISE = Exercise(
    "04-prune-heads",
    "Cut heads out of the matrices",
    points=5,
    reference=_prune_heads,
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
        _prune_case("one of two", 4, 2, 2, [1.0, 0.0], 51, means=0.0),
        _prune_case("two of four", 5, 2, 3, [1.0, 0.0, 0.0, 1.0], 56, 0.0),
        _prune_case("means of 0", 4, 3, 2, [0.5, 0.0, -0.4], 57, means=0.0),
        _prune_case("gates of all kinds", 6, 2, 3, [0.5, 0.0, -0.4, 1.5], 52),
        _prune_case("narrow values", 5, 4, 2, [0.0, 0.7, 0.004], seed=53),
        _prune_case("none pruned", 4, 3, 2, [1.0, 0.25], seed=54),
        _prune_case("all pruned", 3, 2, 2, [0.0, 0.0, 0.0], seed=55),
    ],
    mistakes=[
        *named(_mistaken, _MISTAKES),
        Mistake(
            "rows of the output projection",
            "You cut rows of output_weight. It *reads* the heads, so they "
            "are its columns.",
            partial(_mistaken, mistake="rows of the output"),
            "output_weight is (D, H · d_v): cut the second axis.",
            also=[partial(_mistaken, mistake="rows, without the gate")],
        ),
        Mistake(
            "cut off from the graph",
            "The values are right, but no gradient reaches the layer: it "
            "could not be trained on.",
            partial(_mistaken, mistake="detached"),
            "A .detach(), a .data, a torch.no_grad() or a new nn.Parameter.",
            also=[partial(_mistaken, mistake="new parameters")],
        ),
    ],
    right_answers=[_prune_by_slices, _prune_by_views],
    properties=[
        Property(
            "The smaller layer attends as the gated one does.",
            _pruned_attends_as_the_gated,
        )
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
            fresh=anew(_prune_case, **_SIZES, gate=_zeros_and_ones, means=0.0),
        ),
        Part(
            "gates",
            "gates of all kinds, and means of 0",
            1,
            tries=("means of 0",),
            fresh=anew(_prune_case, **_SIZES, gate=_any_gates, means=0.0),
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
            fresh=anew(_prune_case, **_SIZES, gate=_any_gates),
        ),
        Part(
            "gradients",
            "the gradients",
            1,
            tries=("gates of all kinds", "narrow values", "all pruned"),
            gradients=True,
            fresh=anew(_prune_case, **_SIZES, gate=_any_gates),
        ),
    ],
)
