"""A layer without some of its heads, and known mistakes of who cuts them."""

from __future__ import annotations

from functools import partial

import torch

from attnbook.judging.exercise import Mistake
from attnbook.judging.named_mistakes import named

PROJECTIONS = ("query", "key", "value")


def prune_heads(layer, num_heads, gate, mean):
    gates = torch.tensor(gate)  # (H,)
    keep = gates != 0
    pruned = {}
    for name in PROJECTIONS:
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
    if mistake == "clamped before the choice":
        gates = gates.clamp(0, 1)
    keep = _mistaken_choice(gates, mistake)
    if mistake == "not unique":
        gates = gates.clamp(max=1)
    if mistake == "absolute":
        gates = gates.abs()
    if mistake == "all of them 1":
        gates = (gates != 0).to(gates)
    if mistake == "clamped":
        gates = gates.clamp(0, 1)
    pruned = _mistaken_rows(layer, num_heads, gates, keep, mean, mistake)
    if mistake in ("gate in the values", "gate twice"):
        on = gates[keep].repeat_interleave(mean.shape[1])
        pruned["value_weight"] = pruned["value_weight"] * on[:, None]
        pruned["value_bias"] = pruned["value_bias"] * on
    elif mistake in ("gate on the weight alone", "twice on the weight"):
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
    if mistake == "value bias gated":
        on = gates[keep].repeat_interleave(mean.shape[1])
        pruned["value_bias"] = pruned["value_bias"] * on
    if mistake == "all gated":
        _gate_rows(pruned, gates[keep])
    if mistake == "output bias cut":
        rows = keep.repeat_interleave(
            -(-len(pruned["output_bias"]) // len(keep))
        )
        pruned["output_bias"] = pruned["output_bias"][
            rows[: len(pruned["output_bias"])]
        ]
    if mistake == "bias detached":
        pruned["output_bias"] = pruned["output_bias"].detach()
    if mistake == "columns detached":
        pruned["output_weight"] = pruned["output_weight"].detach()
    if mistake == "output transposed":
        pruned["output_weight"] = pruned["output_weight"].T
    if mistake == "no output bias":
        del pruned["output_bias"]
    if mistake == "not without heads" and not keep.any():
        torch.cat([])  # raises
    if mistake == "new parameters":
        return {name: torch.nn.Parameter(x) for name, x in pruned.items()}
    if mistake == "detached":
        return {name: x.detach() for name, x in pruned.items()}
    return pruned


def _gate_rows(pruned, gates):
    """Multiply all rows of each head by its gate."""
    for name in PROJECTIONS:
        for kind in ("weight", "bias"):
            rows = pruned[f"{name}_{kind}"].unflatten(
                0, (max(len(gates), 1), -1)
            )
            if len(gates):
                on = gates.view(-1, *[1] * (rows.ndim - 1))
                pruned[f"{name}_{kind}"] = (rows * on).flatten(0, 1)


def _sorted(pruned, gates):
    """The heads that stay, with the strongest first."""
    order = gates.argsort(descending=True)
    result = dict(pruned)
    for name in PROJECTIONS:
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
        "ones": gates == 1,
        "zeroed": torch.ones_like(gates, dtype=torch.bool),
        "nothing cut": torch.ones_like(gates, dtype=torch.bool),
    }.get(mistake, gates != 0)


def _mistaken_rows(layer, num_heads, gates, keep, mean, mistake):
    """The projections of queries, keys and values."""
    pruned = {}
    for name in PROJECTIONS:
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
    if mistake == "output interleaved, then turned":
        scaled = W_o.view(D, d_v, num_heads).transpose(1, 2) * gates[:, None]
        return scaled[:, keep].reshape(D, -1)
    heads = W_o.view(D, num_heads, -1)[:, keep]  # (D, K, d_v)
    unscaled = (
        "gate forgotten",
        "gate in the values",
        "gate on the weight alone",
    )
    if mistake not in unscaled:
        heads = heads * gates[keep][:, None]
    if mistake == "first gates":
        heads = W_o.view(D, num_heads, -1)[:, keep]
        heads = heads * gates[: int(keep.sum()), None]
    if mistake == "output gate twice":
        heads = heads * gates[keep][:, None]
    if mistake in ("columns clamped", "columns absolute"):
        clamped = mistake == "columns clamped"
        strong = gates.clamp(0, 1) if clamped else gates.abs()
        heads = W_o.view(D, num_heads, -1)[:, keep] * strong[keep][:, None]
    if mistake == "scaled up":
        heads = heads * (num_heads / max(1, int(keep.sum())))
    return heads.reshape(D, -1)  # (D, K·d_v)


def _mistaken_bias(layer, num_heads, gates, keep, mean, mistake):
    """The bias of the output, (D,)."""
    W_o, b_o = layer["output_weight"], layer["output_bias"]
    D, d_v = len(W_o), mean.shape[1]
    heads = W_o.view(D, num_heads, -1)  # (D, H, d_v)
    if mistake in ("interleaved", "output interleaved, then turned"):
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
    elif mistake == "means taken off":
        rest = gates - 1
    elif mistake == "mean of gated heads alone":
        rest = torch.where(keep, 1 - gates, 0.0)
    elif mistake == "means across heads":
        rest = torch.ones_like(gates)
        mean = ((1 - gates)[:, None] * mean).T.reshape(num_heads, d_v)
    elif mistake == "value bias in the mean":
        mean = mean + layer["value_bias"].view(num_heads, d_v)
    elif mistake == "mean with the pruned columns":
        # The columns carry the gate already, 0 where a head is pruned.
        rest = (1 - gates) * gates
    if mistake == "matrix transposed":
        return b_o + W_o.T @ (rest[:, None] * mean).flatten()
    if mistake == "sum of the means":
        return b_o + (rest[:, None] * mean).sum()
    if mistake == "mean without the matrix":
        return b_o + (rest[:, None] * mean).flatten()[:D]
    still = torch.einsum("ohd,h,hd->o", heads, rest, mean)
    if mistake == "new bias alone":
        return still
    if mistake == "in place":
        b_o += still
        return b_o
    return b_o + still


_MISTAKES = [
    (
        "zeroed",
        "zeros in place of a cut",
        "The pruned heads are silent and still there: nothing gets smaller.",
        "Take the rows of the heads that stay: K · d of them.",
        "nothing cut",
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
        "output interleaved, then turned",
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
        "all of them 1",
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
        "value bias gated",
        "the gate in the value's bias",
        "value_bias is multiplied by the gate, too. The projections stay as "
        "they are.",
        "Multiply the columns of head h in output_weight by gate[h].",
    ),
    (
        "all gated",
        "the gate in all matrices",
        "Queries, keys and values are multiplied by the gate. They stay as "
        "they are.",
        "Multiply the columns of head h in output_weight by gate[h].",
    ),
    (
        "output gate twice",
        "the gate squared",
        "The columns of output_weight carry the gate twice.",
        "Multiply by gate[h] once.",
    ),
    (
        "absolute",
        "a gate without its sign",
        "A negative gate is taken for a positive one.",
        "Multiply by gate[h] as it is.",
        "columns absolute",
    ),
    (
        "clamped",
        "gates between 0 and 1 only",
        "Gates below 0 count as 0, and those above 1 as 1.",
        "Multiply by gate[h] as it is.",
        "columns clamped",
        "clamped before the choice",
    ),
    (
        "ones",
        "only gates of exactly 1 stay",
        "Heads with a gate that is neither 0 nor 1 are cut. Only a gate of "
        "exactly 0 prunes.",
        "gate != 0, not gate == 1.",
    ),
    (
        "gate twice",
        "the gate twice",
        "The gate is in the values and in output_weight: it counts squared.",
        "Only the columns of output_weight carry it.",
        "twice on the weight",
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
        "mean of gated heads alone",
        "only heads that stay leave a mean",
        "A pruned head leaves its mean, too: (1 - 0) · mean[h].",
        "The formula holds for each head, whatever its gate.",
    ),
    (
        "means taken off",
        "means with the wrong sign",
        "The means are taken off output_bias. They are added.",
        "The factor is 1 - gate[h], not gate[h] - 1.",
    ),
    (
        "value bias in the mean",
        "the value's bias counted once more",
        "value_bias is added to the means. They are means of what the head "
        "says, its bias included.",
        "(1 - gate[h]) · mean[h], and no more.",
    ),
    (
        "bias detached",
        "a bias without gradient",
        "The values are right, but no gradient flows through output_bias.",
        "A .item(), a .tolist() or a torch.tensor(...) on the way to it.",
    ),
    (
        "columns detached",
        "an output matrix without gradient",
        "The values are right, but no gradient flows through output_weight.",
        "A .detach(), a .data or a torch.tensor(...) on the way to it.",
    ),
    (
        "means across heads",
        "means in the wrong order",
        "The means are laid out number by number, across the heads. The "
        "columns of output_weight run head by head.",
        "mean is (H, d_v): flatten it as it is, without `.T`.",
    ),
    (
        "first gates",
        "the first K gates",
        "The heads that stay get the first K gates of the list, not their "
        "own.",
        "gate[h] with the number that the head had.",
    ),
    (
        "output bias cut",
        "the output's bias cut",
        "output_bias has D numbers, none of which belongs to a head.",
        "(D,) comes back.",
    ),
    (
        "sum of the means",
        "means that are summed up",
        "One number, the sum of the means, is added to the whole bias. A "
        "head's mean goes through its columns of output_weight.",
        "(D, d_v) @ (d_v,) for each head.",
    ),
    (
        "not without heads",
        "no head left",
        "Where all heads are pruned there is nothing to put together, and "
        "your code raises an error. K may be 0.",
        "Index with the list of heads that stay: it may be empty.",
    ),
    (
        "output transposed",
        "output_weight transposed",
        "output_weight comes back as (K · d_v, D). It is (D, K · d_v).",
        "Cut the second axis, and keep the first in its place.",
    ),
    (
        "no output bias",
        "a name is missing",
        "Eight names come in, and eight go out: output_bias too.",
        "Return a dictionary with the names of `layer`.",
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


MISTAKES = [
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
]
