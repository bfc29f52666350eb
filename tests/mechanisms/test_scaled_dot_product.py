"""Scaled dot-product attention against loops, PyTorch, and its properties."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.scaled_dot_product import (
    causal_mask,
    scaled_dot_product_attention,
)

B, H, T, S, D_K, D_V = 2, 3, 5, 7, 4, 6
PRECISIONS = {torch.float32: 2e-6, torch.float64: 1e-12}


def inputs(seed=0, dtype=torch.float64, T=T, S=S, leading=(B, H)):
    torch.manual_seed(seed)
    return [
        torch.randn(*leading, length, width, dtype=dtype, requires_grad=True)
        for length, width in ((T, D_K), (S, D_K), (S, D_V))
    ]


def masks(T=T, S=S):
    """Every kind of mask, as the arguments of our function and PyTorch's."""
    generator = torch.Generator().manual_seed(3)
    padding = torch.ones(B, 1, 1, S, dtype=torch.bool)
    padding[1, ..., S - 2 :] = False
    some = torch.rand(B, H, T, S, generator=generator) < 0.5
    some[..., 0] = True
    empty = some.clone()
    empty[0, :, 1] = False
    earlier = causal_mask(T, S)
    bias = torch.randn(H, T, S, generator=generator, dtype=torch.float64)
    return {
        "no mask": ({}, {}),
        "padding": ({"mask": padding}, {"attn_mask": padding}),
        "causal": ({"causal": True}, {"is_causal": True}),
        "padding and causal": (
            {"mask": padding, "causal": True},
            {"attn_mask": padding & earlier},
        ),
        "any mask": ({"mask": some}, {"attn_mask": some}),
        "empty rows": ({"mask": empty}, {"attn_mask": empty}),
        "bias": ({"bias": bias}, {"attn_mask": bias}),
        "bias of minus infinity": (
            {"bias": bias.masked_fill(~empty, -torch.inf)},
            {"attn_mask": bias.masked_fill(~empty, -torch.inf)},
        ),
        "bias and mask": (
            {"bias": bias, "mask": empty},
            {"attn_mask": bias.masked_fill(~empty, -torch.inf)},
        ),
        "another scale": ({"scale": 0.7}, {"scale": 0.7}),
    }


def in_precision(arguments, dtype):
    return {
        name: argument.to(dtype)
        if torch.is_tensor(argument) and argument.is_floating_point()
        else argument
        for name, argument in arguments.items()
    }


@pytest.mark.parametrize("dtype", PRECISIONS, ids=str)
@pytest.mark.parametrize(("queries", "keys"), [(5, 7), (7, 5), (6, 6)])
@pytest.mark.parametrize("kind", masks())
def test_output_and_gradients_equal_those_of_pytorch(
    kind, queries, keys, dtype
):
    ours, theirs = masks(queries, keys)[kind]
    tensors = inputs(1, dtype, queries, keys)
    output, _ = scaled_dot_product_attention(
        *tensors, **in_precision(ours, dtype)
    )
    expected = F.scaled_dot_product_attention(
        *tensors, **in_precision(theirs, dtype)
    )
    near = {"rtol": 0, "atol": PRECISIONS[dtype]}
    torch.testing.assert_close(output, expected, **near)
    direction = torch.randn(output.shape, dtype=dtype)
    for got, wanted in zip(
        torch.autograd.grad(output, tensors, direction),
        torch.autograd.grad(expected, tensors, direction),
        strict=True,
    ):
        torch.testing.assert_close(got, wanted, **near)


def test_output_and_weights_equal_the_formula_written_as_loops():
    query, key, value = (x.detach() for x in inputs(2, leading=(B,)))
    mask = masks()["any mask"][0]["mask"][:, 0]
    output, weights = scaled_dot_product_attention(query, key, value, mask)
    for b in range(B):
        for t in range(T):
            power = {
                s: math.exp(query[b, t] @ key[b, s] / math.sqrt(D_K))
                for s in range(S)
                if mask[b, t, s]
            }
            total = sum(power.values())
            expected = torch.zeros(D_V, dtype=torch.float64)
            for s in range(S):
                share = power.get(s, 0) / total
                assert weights[b, t, s].item() == pytest.approx(share)
                expected += share * value[b, s]
            torch.testing.assert_close(output[b, t], expected)


@pytest.mark.parametrize("kind", masks())
def test_gradients_are_those_of_finite_differences(kind):
    arguments, _ = masks()[kind]
    assert torch.autograd.gradcheck(
        lambda q, k, v: scaled_dot_product_attention(q, k, v, **arguments),
        inputs(4),
    )


def test_a_bias_gets_its_gradient():
    query, key, value = inputs(5)
    bias = torch.randn(H, T, S, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda b: scaled_dot_product_attention(query, key, value, bias=b),
        bias,
    )


def test_a_query_with_nothing_to_attend_to_gets_zero_and_sends_no_gradient():
    tensors = inputs(6)
    mask = torch.ones(T, S, dtype=torch.bool)
    mask[2] = False
    output, weights = scaled_dot_product_attention(*tensors, mask)
    assert (weights[:, :, 2] == 0).all() and (output[:, :, 2] == 0).all()
    output.square().sum().backward()
    for tensor in tensors:
        assert tensor.grad.isfinite().all()
    query, _, _ = tensors
    assert (query.grad[:, :, 2] == 0).all()


def test_where_no_query_has_anything_nothing_is_returned_and_nothing_breaks():
    tensors = inputs(7)
    output, weights = scaled_dot_product_attention(
        *tensors, mask=torch.zeros(S, dtype=torch.bool)
    )
    assert (weights == 0).all() and (output == 0).all()
    output.sum().backward()
    for tensor in tensors:
        assert (tensor.grad == 0).all()


def test_what_a_mask_hides_cannot_change_the_output():
    query, key, value = (x.detach() for x in inputs(8))
    mask = masks()["padding"][0]["mask"]
    expected, _ = scaled_dot_product_attention(query, key, value, mask)
    key, value = key.clone(), value.clone()
    key[1, :, S - 2 :], value[1, :, S - 2 :] = 1e3, -1e3
    output, _ = scaled_dot_product_attention(query, key, value, mask)
    torch.testing.assert_close(output, expected)


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(2, 7),
    place=st.integers(1, 6),
    seed=st.integers(0, 10_000),
)
def test_future_tokens_cannot_change_the_past(length, place, seed):
    place = place % (length - 1) + 1
    torch.manual_seed(seed)
    x = torch.randn(length, D_K, dtype=torch.float64)
    before, _ = scaled_dot_product_attention(x, x, x, causal=True)
    x[place:] += 1
    after, _ = scaled_dot_product_attention(x, x, x, causal=True)
    torch.testing.assert_close(after[:place], before[:place])
    assert not torch.allclose(after[place], before[place])


@settings(max_examples=40, deadline=None)
@given(length=st.integers(1, 8), seed=st.integers(0, 10_000))
def test_shuffling_the_tokens_of_self_attention_shuffles_its_output(
    length, seed
):
    torch.manual_seed(seed)
    x = torch.randn(length, D_K, dtype=torch.float64)
    order = torch.randperm(length)
    output, weights = scaled_dot_product_attention(x, x, x)
    shuffled, moved = scaled_dot_product_attention(*[x[order]] * 3)
    torch.testing.assert_close(shuffled, output[order])
    torch.testing.assert_close(moved, weights[order][:, order])


@settings(max_examples=40, deadline=None)
@given(
    queries=st.integers(1, 5),
    keys=st.integers(1, 6),
    seed=st.integers(0, 10_000),
    share=st.floats(0, 1),
)
def test_weights_are_shares_of_what_the_mask_allows(
    queries, keys, seed, share
):
    torch.manual_seed(seed)
    query, key = (
        20 * torch.randn(n, D_K, dtype=torch.float64) for n in (queries, keys)
    )
    mask = torch.rand(queries, keys) < share
    _, weights = scaled_dot_product_attention(query, key, key, mask)
    assert (weights >= 0).all() and (weights[~mask] == 0).all()
    torch.testing.assert_close(weights.sum(-1), mask.any(-1).double())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.floats(-50, 50))
def test_moving_all_keys_alike_changes_no_weight(seed, shift):
    """It adds the same number to all scores of a query."""
    torch.manual_seed(seed)
    query, key, value = (
        x.detach() for x in inputs(seed, leading=(B,), dtype=torch.float64)
    )
    moved = key + shift * torch.randn(D_K, dtype=torch.float64)
    _, expected = scaled_dot_product_attention(query, key, value)
    _, weights = scaled_dot_product_attention(query, moved, value)
    torch.testing.assert_close(weights, expected, rtol=0, atol=1e-9)


def test_leading_dimensions_broadcast():
    query, _, _ = inputs(9)
    key, value = torch.randn(S, D_K).double(), torch.randn(S, D_V).double()
    output, weights = scaled_dot_product_attention(query, key, value)
    assert output.shape == (B, H, T, D_V) and weights.shape == (B, H, T, S)
    one, row = scaled_dot_product_attention(query[1, 2], key, value)
    torch.testing.assert_close(one, output[1, 2])
    torch.testing.assert_close(row, weights[1, 2])


@pytest.mark.parametrize(
    ("length", "keys", "expected"),
    [
        (2, None, [[1, 0], [1, 1]]),
        (2, 3, [[1, 0, 0], [1, 1, 0]]),
        (3, 2, [[1, 0], [1, 1], [1, 1]]),
    ],
)
def test_a_causal_mask_counts_queries_and_keys_from_the_first(
    length, keys, expected
):
    mask = causal_mask(length, keys)
    assert mask.dtype == torch.bool
    assert mask.int().tolist() == expected


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("query", lambda q, k, v: (q[0, 0, 0], k, v), "(..., T, d_k)"),
        ("key", lambda q, k, v: (q, k[..., :3], v), "(..., S, 4)"),
        ("key", lambda q, k, v: (q, k[:, :2], v), "broadcast to (2, 3)"),
        ("value", lambda q, k, v: (q, k, v[:, :, :4]), "(..., 7, d_v)"),
        ("value", lambda q, k, v: (q, k, v[:, :2]), "broadcast to (2, 3)"),
    ],
)
def test_a_wrong_shape_is_named_with_the_shape_expected(
    name, change, expected
):
    with pytest.raises(ValueError) as raised:
        scaled_dot_product_attention(*change(*inputs()))
    assert str(raised.value).startswith(f"{name} has shape")
    assert expected in str(raised.value)


@pytest.mark.parametrize("causal", [False, True])
def test_a_mask_that_does_not_fit_is_refused(causal):
    wrong = torch.ones(B, 1, T, S - 1, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"mask has shape .*broadcasts"):
        scaled_dot_product_attention(*inputs(), mask=wrong, causal=causal)
    with pytest.raises(TypeError, match=r"expected torch\.bool"):
        scaled_dot_product_attention(
            *inputs(), mask=torch.ones(T, S), causal=causal
        )


def test_a_bias_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"bias has shape .*broadcasts"):
        scaled_dot_product_attention(*inputs(), bias=torch.zeros(T, S - 1))
    with pytest.raises(TypeError, match=r"bias has dtype .*as mask"):
        scaled_dot_product_attention(*inputs(), bias=causal_mask(T, S))
