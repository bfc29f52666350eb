"""A layer without some of its heads, cut rightly and with mistakes."""

from __future__ import annotations

import torch

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


def mistaken(layer, num_heads, gate, mean, mistake):
    """The same with a mistake."""
    gates = torch.tensor(gate)  # (H,)
    if mistake in ("D//H", "D//H, cut"):
        return _with_the_width_of_the_model(
            layer, num_heads, gates, mean, mistake
        )
    if mistake.startswith("gated in place"):
        return _with_gates_in_place(layer, num_heads, gate, mean, mistake)
    if mistake == "layer detached":
        layer = {name: x.detach() for name, x in layer.items()}
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


def _with_the_width_of_the_model(layer, num_heads, gates, mean, mistake):
    """Each head taken to be D // H wide."""
    d = layer["query_weight"].shape[1] // num_heads
    W_o = layer["output_weight"]
    rows = [
        h * d + i for h in range(num_heads) if gates[h] != 0 for i in range(d)
    ]
    pruned = {
        f"{name}_{kind}": layer[f"{name}_{kind}"][rows]
        for name in PROJECTIONS
        for kind in ("weight", "bias")
    }
    scaled = W_o * gates.repeat_interleave(d)
    pruned["output_weight"] = scaled[:, rows]
    if mistake == "D//H, cut":
        bias = layer["output_bias"]
        for h in range(num_heads):
            block = W_o[:, h * d : (h + 1) * d]
            bias = bias + (1 - gates[h]) * (block @ mean[h])
        return {**pruned, "output_bias": bias}
    still = (1 - gates).repeat_interleave(d) * mean.flatten()
    return {**pruned, "output_bias": layer["output_bias"] + W_o @ still}


def _with_gates_in_place(layer, num_heads, gate, mean, mistake):
    """The gates multiplied into the layer's own matrix, or into a view."""
    W_o = layer["output_weight"]
    W_o = W_o.detach() if mistake == "gated in place" else W_o[:]
    given = {**layer, "output_weight": W_o}
    pruned = prune_heads(given, num_heads, gate, mean)
    W_o *= torch.tensor(gate).repeat_interleave(mean.shape[1])
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
        if mistake in ("interleaved", "rows interleaved"):
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
