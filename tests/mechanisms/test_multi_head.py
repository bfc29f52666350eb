"""Multi-head attention against loops, PyTorch, and its properties."""

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attnbook.mechanisms.multi_head import (
    MultiHeadAttention,
    merge_heads,
    split_heads,
)
from attnbook.mechanisms.positions import rope_angles, rotate

B, T, S, D, H = 2, 3, 5, 12, 3


def inputs(seed=0, dtype=torch.float64, batch=B, queries=T, keys=S, width=D):
    torch.manual_seed(seed)
    return [
        torch.randn(batch, length, width, dtype=dtype)
        for length in (queries, keys, keys)
    ]


def attention(seed=0, dtype=torch.float64, **options):
    torch.manual_seed(seed)
    return MultiHeadAttention(D, H, **options).to(dtype)


def masks(queries=T, keys=S, heads=H, batch=B):
    """One mask of each shape; every query may attend to something."""
    by_key = torch.ones(batch, keys, dtype=torch.bool)
    by_key[-1, keys - keys // 2 :] = False
    torch.manual_seed(4)
    by_query = torch.rand(batch, queries, keys) < 0.6
    by_query[..., 0] = True
    by_head = torch.rand(batch, heads, queries, keys) < 0.6
    by_head[..., 0] = True
    return {
        "none": None,
        "by key": by_key,
        "by query": by_query,
        "by head": by_head,
    }


def by_loops(module, query, key, value, allowed):
    """The formula of section 3.2.2, one head and one query at a time."""
    d = D // H
    heads = torch.zeros(B, T, D, dtype=query.dtype)
    weights = torch.zeros(B, H, T, S, dtype=query.dtype)
    for h in range(H):
        rows = slice(h * d, (h + 1) * d)

        def project(layer, x, rows=rows):
            return x @ layer.weight[rows].T + layer.bias[rows]

        for b in range(B):
            k = project(module.key_projection, key[b])
            v = project(module.value_projection, value[b])
            for t in range(T):
                q = project(module.query_projection, query[b, t])
                energy = torch.stack(
                    [
                        torch.exp(q @ k[s] / math.sqrt(d))
                        * allowed[b, h, t, s]
                        for s in range(S)
                    ]
                )
                weights[b, h, t] = energy / energy.sum()
                heads[b, t, rows] = weights[b, h, t] @ v
    mixed = heads @ module.output_projection.weight.T
    return mixed + module.output_projection.bias, weights


def test_output_and_weights_equal_the_formula_written_as_loops():
    module, given_inputs = attention(), inputs()
    mask = masks()["by head"]
    output, weights = module(*given_inputs, mask)
    expected_output, expected_weights = by_loops(module, *given_inputs, mask)
    torch.testing.assert_close(weights, expected_weights)
    torch.testing.assert_close(output, expected_output)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["none", "by key", "by query", "by head"])
@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
@pytest.mark.parametrize(
    ("batch", "queries", "keys", "width", "heads", "bias"),
    [(2, 3, 5, 12, 3, True), (3, 7, 4, 10, 5, False), (1, 1, 1, 6, 1, True)],
)
def test_forward_and_backward_equal_pytorch_with_copied_weights(
    dtype, kind, causal, batch, queries, keys, width, heads, bias
):
    torch.manual_seed(1)
    theirs = nn.MultiheadAttention(
        width, heads, bias=bias, batch_first=True, dtype=dtype
    )
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)  # PyTorch starts biases at zero
    ours = MultiHeadAttention.from_torch(theirs)
    given_inputs = inputs(2, dtype, batch, queries, keys, width)
    mask = masks(queries, keys, heads, batch)[kind]
    if mask is not None:  # theirs: one of (B·H, T, S), True shuts out
        shown = {2: (batch, 1, 1, keys), 3: (batch, 1, queries, keys)}
        shut = ~mask.reshape(shown.get(mask.ndim, mask.shape))
        shut = shut.expand(batch, heads, queries, keys)
    else:
        shut = torch.zeros(batch, heads, queries, keys, dtype=torch.bool)
    if causal:
        shut = shut | ~torch.ones(queries, keys, dtype=torch.bool).tril()
    mine = [x.clone().requires_grad_() for x in given_inputs]
    other = [x.clone().requires_grad_() for x in given_inputs]
    output, weights = ours(*mine, mask, causal)
    expected, expected_weights = theirs(
        *other, attn_mask=shut.flatten(0, 1), average_attn_weights=False
    )
    close = {"rtol": 0, "atol": 1e-5 if dtype == torch.float32 else 1e-12}
    torch.testing.assert_close(output, expected, **close)
    torch.testing.assert_close(weights, expected_weights, **close)
    upstream = torch.randn_like(output)
    output.backward(upstream)
    expected.backward(upstream)
    for x, y in zip(mine, other, strict=True):
        torch.testing.assert_close(x.grad, y.grad, **close)
    stacked = [
        ours.query_projection,
        ours.key_projection,
        ours.value_projection,
    ]
    torch.testing.assert_close(
        torch.cat([layer.weight.grad for layer in stacked]),
        theirs.in_proj_weight.grad,
        **close,
    )
    torch.testing.assert_close(
        ours.output_projection.weight.grad,
        theirs.out_proj.weight.grad,
        **close,
    )
    if bias:
        torch.testing.assert_close(
            torch.cat([layer.bias.grad for layer in stacked]),
            theirs.in_proj_bias.grad,
            **close,
        )


@pytest.mark.parametrize("kind", ["none", "by key", "by query", "by head"])
def test_gradients_are_those_of_finite_differences(kind):
    module, mask = attention(3), masks()[kind]
    gate = torch.rand(H, dtype=torch.float64, requires_grad=True)
    given_inputs = [x.requires_grad_() for x in inputs(4)]
    assert torch.autograd.gradcheck(
        lambda q, k, v, g: module(q, k, v, mask, gate=g),
        [*given_inputs, gate],
    )


def test_a_query_that_may_attend_to_nothing_gets_the_output_bias_alone():
    module = attention(5)
    mask = torch.tensor([[True] * S, [False] * S])
    given_inputs = [x.requires_grad_() for x in inputs(5)]
    output, weights = module(*given_inputs, mask)
    assert (weights[1] == 0).all()
    torch.testing.assert_close(
        output[1], module.output_projection.bias.expand(T, D)
    )
    output.sum().backward()
    for x in given_inputs:
        assert x.grad.isfinite().all()
        assert (x.grad[1] == 0).all()


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 3),
    length=st.integers(1, 5),
    heads=st.integers(1, 4),
    d=st.integers(1, 3),
)
def test_merging_undoes_splitting_and_each_head_keeps_its_features(
    batch, length, heads, d
):
    x = torch.arange(batch * length * heads * d).float()
    x = x.reshape(batch, length, heads * d)
    split = split_heads(x, heads)
    assert split.shape == (batch, heads, length, d)
    for h in range(heads):
        assert torch.equal(split[:, h], x[..., h * d : (h + 1) * d])
    assert torch.equal(merge_heads(split), x)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), heads=st.sampled_from([1, 2, 3, 4, 6]))
def test_rows_of_every_head_sum_to_one_over_what_the_mask_allows(seed, heads):
    torch.manual_seed(seed)
    module = MultiHeadAttention(D, heads).double()
    mask = torch.rand(B, heads, T, S) < 0.5
    _, weights = module(*inputs(seed), mask)
    assert (weights[~mask] == 0).all()
    torch.testing.assert_close(weights.sum(-1), mask.any(-1).double())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), changed=st.integers(0, T - 1))
def test_future_tokens_cannot_change_the_past(seed, changed):
    module = attention(seed)
    x = inputs(seed)[0]
    before, _ = module(x, x, x, causal=True)
    later = x.clone()
    later[:, changed:] += 1
    after, _ = module(later, later, later, causal=True)
    torch.testing.assert_close(after[:, :changed], before[:, :changed])
    assert not torch.allclose(after[:, changed], before[:, changed])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_self_attention_moves_with_the_order_of_its_tokens(seed):
    module = attention(seed)
    x = inputs(seed)[1]
    order = torch.randperm(S)
    output, weights = module(x, x, x)
    x = x[:, order]
    moved, rearranged = module(x, x, x)
    torch.testing.assert_close(moved, output[:, order])
    torch.testing.assert_close(rearranged, weights[:, :, order][..., order])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_heads_does_not_matter(seed):
    module, given_inputs = attention(seed), inputs(seed)
    expected, weights = module(*given_inputs)
    order = torch.randperm(H)
    rows = torch.arange(D).reshape(H, -1)[order].flatten()
    with torch.no_grad():
        for layer in (
            module.query_projection,
            module.key_projection,
            module.value_projection,
        ):
            layer.weight.copy_(layer.weight[rows].clone())
            layer.bias.copy_(layer.bias[rows].clone())
        mixing = module.output_projection.weight
        mixing.copy_(mixing[:, rows].clone())
    output, moved = module(*given_inputs)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(moved, weights[:, order])


def test_the_output_is_a_sum_over_heads_so_that_a_gate_removes_one_term():
    module, given_inputs = attention(6), inputs(6)
    full, weights = module(*given_inputs)
    one = torch.eye(H, dtype=torch.float64)
    alone = [module(*given_inputs, gate=gate)[0] for gate in one]
    bias = module.output_projection.bias
    torch.testing.assert_close(sum(alone), full + (H - 1) * bias)
    without, kept = module(*given_inputs, gate=1 - one[1])
    torch.testing.assert_close(without, full - alone[1] + bias)
    torch.testing.assert_close(kept, weights)


def test_a_gate_for_each_example_gates_that_example():
    module, given_inputs = attention(7), inputs(7)
    gate = torch.rand(B, H, dtype=torch.float64)
    output, _ = module(*given_inputs, gate=gate)
    for b in range(B):
        alone, _ = module(*(x[b : b + 1] for x in given_inputs), gate=gate[b])
        torch.testing.assert_close(output[b : b + 1], alone)


def test_one_head_is_scaled_dot_product_attention_between_projections():
    torch.manual_seed(8)
    module = MultiHeadAttention(D, 1).double()
    query, key, value = inputs(8)
    expected = nn.functional.scaled_dot_product_attention(
        module.query_projection(query),
        module.key_projection(key),
        module.value_projection(value),
    )
    torch.testing.assert_close(
        module(query, key, value)[0], module.output_projection(expected)
    )


def test_the_number_of_weights_does_not_depend_on_the_number_of_heads():
    counts = {
        sum(p.numel() for p in MultiHeadAttention(D, heads).parameters())
        for heads in (1, 2, 3, 4, 6, 12)
    }
    assert counts == {4 * D * D + 4 * D}


def test_a_bias_is_added_to_the_scores_of_each_head():
    module, given_inputs = attention(9), inputs(9)
    bias = torch.zeros(H, T, S, dtype=torch.float64)
    bias[1, :, 2] = 50
    _, plain = module(*given_inputs)
    _, weights = module(*given_inputs, bias=bias)
    torch.testing.assert_close(weights[:, 0], plain[:, 0])
    assert (weights[:, 1, :, 2] > 0.999).all()


def test_rotation_is_applied_to_queries_and_keys_and_not_to_values():
    torch.manual_seed(10)
    module = MultiHeadAttention(D, H).double()
    x = inputs(10)[1]
    seen = []

    def turn(tensor, positions):
        seen.append((tuple(tensor.shape), positions.tolist()))
        return rotate(tensor, rope_angles(positions, D // H))

    output, weights = module(x, x, x, rotate=turn)
    assert seen == [((B, H, S, D // H), list(range(S)))] * 2
    _, plain = module(x, x, x)
    assert not torch.allclose(weights, plain)
    value = split_heads(module.value_projection(x), H)
    expected = module.output_projection(merge_heads(weights @ value))
    torch.testing.assert_close(output, expected)


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("query", lambda q, k, v, m: (q[..., :3], k, v, m), "(B, T, 12)"),
        ("key", lambda q, k, v, m: (q, k[:1], v, m), "(2, S, 12)"),
        ("value", lambda q, k, v, m: (q, k, v[:, :4], m), "(2, 5, 12)"),
        ("mask", lambda q, k, v, m: (q, k, v, m[:, :4]), "(2, 5) by key"),
        ("mask", lambda q, k, v, m: (q, k, v, m[0]), "(2, 3, 3, 5) by head"),
    ],
)
def test_a_wrong_shape_is_named_with_the_shape_expected(
    name, change, expected
):
    given_inputs = [*inputs(), torch.ones(B, S, dtype=torch.bool)]
    with pytest.raises(ValueError) as raised:
        attention()(*change(*given_inputs))
    assert str(raised.value).startswith(f"{name} has shape")
    assert expected in str(raised.value)


def test_a_gate_of_another_number_of_heads_is_refused():
    with pytest.raises(ValueError, match="one factor for each head"):
        attention()(*inputs(), gate=torch.ones(H + 1))


def test_a_causal_mask_that_passes_for_one_of_padding_is_said():
    module, sequences = attention(), inputs()[0][:, :1].expand(-1, B, -1)
    triangle = torch.ones(B, B, dtype=torch.bool).tril()
    with pytest.warns(UserWarning, match="is read by key.*`causal=True`"):
        _, weights = module(*[sequences] * 3, triangle)
    assert (weights[0, :, :, 1:] == 0).all()  # of the first sentence
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module(*[sequences] * 3, triangle[None])
        module(*[sequences] * 3, torch.ones_like(triangle))


def test_a_mask_of_numbers_is_refused():
    with pytest.raises(TypeError, match=r"expected torch\.bool"):
        attention()(*inputs(), torch.ones(B, S))


@pytest.mark.parametrize("heads", [5, 0, -2])
def test_heads_that_do_not_divide_the_width_are_refused(heads):
    with pytest.raises(ValueError, match="divides the width"):
        MultiHeadAttention(D, heads)
    with pytest.raises(ValueError, match="divides the width"):
        split_heads(torch.zeros(B, T, D), heads)


def test_splitting_and_merging_refuse_other_numbers_of_dimensions():
    with pytest.raises(ValueError, match=r"expected \(B, T, D\)"):
        split_heads(torch.zeros(T, D), H)
    with pytest.raises(ValueError, match=r"expected \(B, H, T, d\)"):
        merge_heads(torch.zeros(B, T, D))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kdim": 7, "vdim": 5}, "kdim is 7"),
        ({"add_bias_kv": True}, "key of its own"),
        ({"add_zero_attn": True}, "key of its own"),
    ],
)
def test_a_pytorch_module_that_does_more_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention.from_torch(nn.MultiheadAttention(D, H, **options))


def test_copied_weights_are_copies_of_the_same_dtype_and_mode():
    theirs = nn.MultiheadAttention(D, H, dtype=torch.float64).eval()
    ours = MultiHeadAttention.from_torch(theirs)
    assert not ours.training
    assert ours.query_projection.weight.dtype == torch.float64
    with torch.no_grad():
        theirs.in_proj_weight.zero_()
    assert ours.query_projection.weight.abs().sum() > 0
