"""Wrong answers to the exercises of chapter 04, as learners write them."""

import torch

from attnbook.mechanisms.masked_softmax import masked_softmax

# -- 04.2, as learners write it ----------------------------------------------


def folded(x, H):
    return x.unflatten(-1, (H, -1)).transpose(1, 2).flatten(0, 1)


def attend(
    query,
    key,
    value,
    mask,
    W_q,
    W_k,
    W_v,
    W_o,
    H,
    *,
    width=None,
    softmax=masked_softmax,
    repeat=lambda mask, H: mask.repeat_interleave(H, 0),
    merge=lambda apart: apart.transpose(1, 2).flatten(2),
):
    B, T, S = *query.shape[:2], key.shape[1]
    q, k, v = (
        folded(x @ W.T, H) for x, W in ((query, W_q), (key, W_k), (value, W_v))
    )
    scores = q @ k.mT / (width or q.shape[-1]) ** 0.5
    weights = softmax(scores, repeat(mask, H)[:, None])
    merged = merge((weights @ v).view(B, H, T, -1))
    return merged @ W_o.T, weights.view(B, H, T, S)


def struck_out_afterwards(scores, allowed):
    weights = scores.softmax(-1) * allowed
    total = weights.sum(-1, keepdim=True)
    return weights / torch.where(total == 0, 1, total)


def by_exponentials(scores, allowed):
    powers = scores.exp() * allowed
    return powers / powers.sum(-1, keepdim=True).clamp(min=1e-9)


def with_a_bias(scores, allowed):
    bias = torch.zeros(allowed.shape).masked_fill(~allowed, -torch.inf)
    return (scores + bias).softmax(-1).nan_to_num(0.0)


def far_below(scores, allowed):
    weights = scores.masked_fill(~allowed, -100.0).softmax(-1)
    return weights * allowed.any(-1, keepdim=True)


def with_softmax(softmax):
    return lambda *arguments: attend(*arguments, softmax=softmax)


def width_of_a_value(*arguments):
    W_v, H = arguments[6], arguments[8]
    return attend(*arguments, width=len(W_v) // H)


def width_of_the_model_by_heads(*arguments):
    return attend(*arguments, width=arguments[0].shape[-1] / arguments[8])


def mask_repeated_along_the_keys(*arguments):
    def repeat(mask, H):
        return mask.repeat_interleave(H, 1)

    return attend(*arguments, repeat=repeat)


def heads_below_each_other(*arguments):
    return attend(*arguments, merge=lambda apart: apart.flatten(1, 2))


def nan_set_in_place(scores, allowed):
    weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
    weights[weights.isnan()] = 0
    return weights


def logarithm_of_the_mask(scores, allowed):
    return (scores + allowed.float().log()).softmax(-1)


def one_maximum(scores, allowed):
    powers = (scores - scores.max()).exp() * allowed
    return powers / powers.sum(-1, keepdim=True).clamp(min=1e-9)


def counted(mask):
    """As many from the front as there are."""
    return torch.arange(mask.shape[1]) < mask.sum(-1, keepdim=True)


def tokens_counted(query, key, value, mask, *matrices):
    return attend(query, key, value, counted(mask), *matrices)


def values_as_wide_as_keys(query, key, value, mask, W_q, W_k, W_v, W_o, H):
    d = len(W_q) // H
    outputs, maps = [], []
    for h in range(H):
        own = slice(h * d, (h + 1) * d)
        scores = (query @ W_q[own].T) @ (key @ W_k[own].T).mT / d**0.5
        maps.append(masked_softmax(scores, mask[:, None]))
        outputs.append(maps[-1] @ (value @ W_v[own].T))
    return torch.cat(outputs, -1) @ W_o.T, torch.stack(maps, 1)


def keys_by_the_matrix_of_queries(
    query, key, value, mask, W_q, W_k, W_v, W_o, H
):
    return attend(query, key, value, mask, W_q, W_q, W_v, W_o, H)


# -- 04.3 --------------------------------------------------------------------


def kept(weights, query_mask):
    rows = weights.transpose(0, 1)[:, query_mask]
    return rows[:, None], rows[None]


def meant(each, query_mask):
    return each.sum(-1) / query_mask.sum().clamp(min=1)


def rows_set_to_0(weights, query_mask):
    p, q = kept(weights, query_mask)
    m = (p + q) / 2
    each = (p * (p / m).log() + q * (q / m).log()).sum(-1) / 2
    return meant(each.nan_to_num(0.0), query_mask)


def terms_above_0(weights, query_mask):
    p, q = kept(weights, query_mask)
    m = (p + q) / 2
    terms = p * (p / m).log() + q * (q / m).log()
    return meant(torch.where(p * q > 0, terms, 0.0).sum(-1) / 2, query_mask)


def a_half_that_covers_one(weights, query_mask):
    p, q = kept(weights, query_mask)
    m = (p + q) / 2
    one, other = (
        (torch.xlogy(x, x) - torch.xlogy(x, m)).sum(-1) for x in (p, q)
    )
    return meant(one / 2 + other, query_mask)


def masked_by_a_product(weights, query_mask):
    p, q = weights[:, :, None], weights[:, None]
    entropy = [torch.special.entr(x).sum(-1) for x in ((p + q) / 2, p, q)]
    each = entropy[0] - (entropy[1] + entropy[2]) / 2  # (B, H, H, T)
    total = (each * query_mask[:, None, None]).sum((0, 3))
    return total / query_mask.sum().clamp(min=1)


def distances(p, q):
    entropy = [torch.special.entr(x).sum(-1) for x in ((p + q) / 2, p, q)]
    return entropy[0] - (entropy[1] + entropy[2]) / 2


def numbers_for_nan_times_0(weights, query_mask):
    weights = weights.nan_to_num()
    each = distances(weights[:, :, None], weights[:, None])  # (B, H, H, T)
    total = (each * query_mask[:, None, None]).sum((0, 3))
    return total / query_mask.sum().clamp(min=1)


def rows_counted(weights, query_mask):
    return meant(distances(*kept(weights, counted(query_mask))), query_mask)


def rows_that_look_somewhere(weights, query_mask):
    query_mask = query_mask & (weights.sum(-1) > 0).all(1)
    return meant(distances(*kept(weights, query_mask)), query_mask)


def heads_in_front_by_a_reshape(weights, query_mask):
    _, H, _, S = weights.shape
    rows = weights.reshape(H, -1, S)[:, query_mask.flatten()]
    return meant(distances(rows[:, None], rows), query_mask)


# -- 04.4 --------------------------------------------------------------------


def talk(
    query,
    key,
    value,
    mask,
    mix_scores,
    mix_weights,
    *,
    softmax=masked_softmax,
    after=lambda weights: weights,
):
    scores = query @ key.mT / key.shape[-1] ** 0.5
    scores = torch.einsum("ih,bhts->bits", mix_scores, scores)
    weights = softmax(scores, mask[:, None, None])
    weights = after(torch.einsum("gi,bits->bgts", mix_weights, weights))
    return weights @ value, weights


def talk_with(**steps):
    return lambda *arguments: talk(*arguments, **steps)


def zero_before_the_mixing(query, key, value, mask, mix_scores, mix_weights):
    scores = query @ key.mT / key.shape[-1] ** 0.5
    scores = scores * mask[:, None, None]
    scores = torch.einsum("ih,bhts->bits", mix_scores, scores)
    weights = torch.einsum("gi,bits->bgts", mix_weights, scores.softmax(-1))
    return weights @ value, weights


def mixed_by_reshapes(query, key, value, mask, mix_scores, mix_weights):
    B, H, T, S = *query.shape[:3], key.shape[2]
    scores = (query @ key.mT / key.shape[-1] ** 0.5).reshape(B, T, S, H)
    scores = (scores @ mix_scores.T).movedim(-1, 1)
    weights = masked_softmax(scores, mask[:, None, None])
    weights = torch.einsum("gi,bits->bgts", mix_weights, weights)
    return weights @ value, weights


def nan_in_the_weights(*arguments):
    def softmax(scores, allowed):
        return scores.masked_fill(~allowed, -torch.inf).softmax(-1)

    output, weights = talk(*arguments, softmax=softmax)
    return output.nan_to_num(), weights


def talk_to_counted_tokens(query, key, value, mask, *matrices):
    return talk(query, key, value, counted(mask), *matrices)


def sum_of_1_again(weights):
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-9)


def matrix_of_numbers(query, key, value, mask, mix_scores, mix_weights):
    mix_scores = torch.tensor(mix_scores.tolist())
    return talk(query, key, value, mask, mix_scores, mix_weights)


# -- 04.5 --------------------------------------------------------------------


def pruned(layer, num_heads, gate, mean, *, strength=None, rest=None):
    kept = [h for h, g in enumerate(gate) if g != 0]
    result = {
        name: x.unflatten(0, (num_heads, -1))[kept].flatten(0, 1)
        for name, x in layer.items()
        if not name.startswith("output")
    }
    gates = torch.tensor(gate)[:, None]
    columns = layer["output_weight"].unflatten(1, (num_heads, -1))
    strong = gates if strength is None else strength(gates)
    result["output_weight"] = (columns * strong)[:, kept].flatten(1)
    constant = (1 - gates if rest is None else rest(gates)) * mean
    result["output_bias"] = layer["output_bias"] + (
        layer["output_weight"] @ constant.flatten()
    )
    return result


def prune_with(**steps):
    return lambda *arguments: pruned(*arguments, **steps)


def blocks_laid_together(layer, num_heads, gate, mean):
    result = pruned(layer, num_heads, gate, mean)
    blocks = layer["output_weight"].chunk(num_heads, 1)
    blocks = [g * x for x, g in zip(blocks, gate, strict=True) if g]
    return {**result, "output_weight": torch.cat(blocks, 1)}


def every_third_row(layer, num_heads, gate, mean):
    kept = [h for h, g in enumerate(gate) if g != 0]
    rows = {
        name: x.unflatten(0, (-1, num_heads))[:, kept].flatten(0, 1)
        for name, x in layer.items()
        if not name.startswith("output")
    }
    return {**pruned(layer, num_heads, gate, mean), **rows}


def heads_of_the_model_s_width(layer, num_heads, gate, mean):
    d = layer["query_weight"].shape[1] // num_heads
    kept = [i for i in range(num_heads * d) if gate[i // d] != 0]
    gates = torch.tensor(gate).repeat_interleave(d)
    W_o = layer["output_weight"]
    still = W_o @ ((1 - gates) * mean.flatten())
    return {
        **{name: x[kept] for name, x in layer.items() if "out" not in name},
        "output_weight": W_o[:, kept] * gates[kept],
        "output_bias": layer["output_bias"] + still,
    }


def copied_without_gradient(layer, *arguments):
    copy = {name: x.detach().clone() for name, x in layer.items()}
    return pruned(copy, *arguments)


def gates_on_the_layer_itself(layer, num_heads, gate, mean):
    matrix = layer["output_weight"].detach()
    result = pruned({**layer, "output_weight": matrix}, num_heads, gate, mean)
    matrix *= torch.tensor(gate).repeat_interleave(mean.shape[1])
    return result


NAMED = {
    "04-predict": {
        lambda question: 16640: "one number for all letters",
    },
    "04-attend-with-heads": {
        with_softmax(struck_out_afterwards): (
            "zeros after the softmax, divided again"
        ),
        with_softmax(by_exponentials): "exponentials that overflow",
        with_softmax(with_a_bias): ("NaN set to 0, and not in the gradient"),
        with_softmax(far_below): "a finite score for what is masked",
        width_of_a_value: "the scale of the values",
        width_of_the_model_by_heads: "the scale of D/H",
        mask_repeated_along_the_keys: (
            "a mask that does not fit the folded scores"
        ),
        heads_below_each_other: "heads laid below each other",
        keys_by_the_matrix_of_queries: "the keys projected by W_q",
        with_softmax(one_maximum): "one maximum for all rows",
        with_softmax(nan_set_in_place): "NaN set to 0 in place",
        with_softmax(logarithm_of_the_mask): "an empty row of -inf",
        tokens_counted: "padding taken to be at the end",
        values_as_wide_as_keys: "one width for all heads",
    },
    "04-head-distances": {
        rows_set_to_0: "rows with a 0 are thrown away",
        terms_above_0: "keys that only one head looks at are left out",
        a_half_that_covers_one: "one of the two halves left out",
        masked_by_a_product: "rows that do not count, times 0",
        numbers_for_nan_times_0: "rows that do not count, times 0",
        rows_counted: "the first rows of a sentence",
        rows_that_look_somewhere: "rows of zeros left out",
        heads_in_front_by_a_reshape: "heads moved by a reshape",
    },
    "04-talking-heads": {
        talk_with(softmax=struck_out_afterwards): (
            "zeros after the softmax, divided again"
        ),
        talk_with(softmax=by_exponentials): "exponentials that overflow",
        talk_with(softmax=with_a_bias): (
            "NaN set to 0, and not in the gradient"
        ),
        talk_with(softmax=far_below): "a finite score for what is masked",
        talk_with(after=torch.relu): "weights cut off at 0",
        zero_before_the_mixing: "a score of 0 for what is masked",
        matrix_of_numbers: "mix_scores without gradient",
        talk_with(softmax=one_maximum): "one maximum for all rows",
        talk_with(after=sum_of_1_again): "rows divided by their sum",
        mixed_by_reshapes: "heads moved by a reshape",
        nan_in_the_weights: "an empty row of -inf",
        talk_with(softmax=nan_set_in_place): "NaN set to 0 in place",
        talk_with(softmax=logarithm_of_the_mask): "an empty row of -inf",
        talk_to_counted_tokens: "padding taken to be at the end",
    },
    "04-prune-heads": {
        prune_with(strength=torch.abs): "a gate without its sign",
        prune_with(strength=lambda g: g.clamp(0, 1)): (
            "gates between 0 and 1 only"
        ),
        prune_with(rest=lambda g: g - 1): "means with the wrong sign",
        prune_with(rest=lambda g: (g != 0) * (1 - g)): (
            "only heads that stay leave a mean"
        ),
        blocks_laid_together: "no head left",
        every_third_row: "every H-th row taken for a head",
        heads_of_the_model_s_width: "heads as wide as D/H",
        copied_without_gradient: "cut off from the graph",
        gates_on_the_layer_itself: (
            "the gates multiplied into the given matrix"
        ),
    },
}
