"""Linear attention: its three forms agree, and padding counts nowhere."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.long_context import (
    feature_map,
    linear_attention,
    linear_attention_chunked,
    linear_attention_recurrent,
)

B, H, D_K, D_V = 2, 3, 4, 5
CLOSE = {"rtol": 1e-9, "atol": 1e-11}


def drawn(T, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [
        torch.randn(B, H, T, d, generator=draw).double().requires_grad_()
        for d in (D_K, D_K, D_V)
    ]


def by_definition(q, k, v, allowed):
    """Loops over queries and keys; allowed (B, T, S)."""
    output = torch.zeros(*q.shape[:-1], v.shape[-1]).double()
    for b in range(B):
        for h in range(H):
            for t in range(q.shape[-2]):
                read, total = 0.0, 0.0
                for s in range(k.shape[-2]):
                    if allowed[b, t, s]:
                        score = feature_map(q[b, h, t]) @ feature_map(
                            k[b, h, s]
                        )
                        read = read + score * v[b, h, s]
                        total = total + score
                if allowed[b, t].any():
                    output[b, h, t] = read / total
    return output


def test_the_parallel_form_is_the_sum_of_the_definition():
    q, k, v = (each.detach() for each in drawn(6))
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [0, 1, 1, 0, 1, 1]]).bool()
    causal = torch.ones(6, 6).tril().bool()
    for is_causal, allowed in (
        (True, causal & mask[:, None]),
        (False, mask[:, None].expand(B, 6, 6)),
    ):
        got = linear_attention(q, k, v, mask[:, None], is_causal)
        expected = by_definition(q, k, v, allowed)
        torch.testing.assert_close(got, expected, **CLOSE)


@settings(max_examples=50, deadline=None)
@given(
    T=st.integers(1, 17),
    chunk=st.integers(1, 20),
    seed=st.integers(0, 99),
    padded=st.booleans(),
)
def test_three_forms_are_equal_forward_and_backward(T, chunk, seed, padded):
    inputs = drawn(T, seed)
    draw = torch.Generator().manual_seed(seed)
    mask = (torch.rand(B, 1, T, generator=draw) < 0.6) if padded else None
    upstream = torch.randn(B, H, T, D_V, generator=draw).double()
    outputs = [
        linear_attention(*inputs, mask),
        linear_attention_recurrent(*inputs, mask)[0],
        linear_attention_chunked(*inputs, chunk, mask)[0],
    ]
    gradients = [torch.autograd.grad(o, inputs, upstream) for o in outputs]
    for output, gradient in zip(outputs[1:], gradients[1:], strict=True):
        torch.testing.assert_close(output, outputs[0], **CLOSE)
        for got, expected in zip(gradient, gradients[0], strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(1, 11), chunk=st.integers(1, 6))
def test_a_text_may_be_cut_anywhere_and_goes_on_from_the_state(cut, chunk):
    inputs = [each.detach() for each in drawn(12)]
    whole = linear_attention(*inputs)
    before = [each[..., :cut, :] for each in inputs]
    after = [each[..., cut:, :] for each in inputs]
    for first, then in (
        (linear_attention_recurrent, _chunked(chunk)),
        (_chunked(chunk), linear_attention_recurrent),
    ):
        one, state = first(*before)
        two, state = then(*after, state=state)
        torch.testing.assert_close(torch.cat([one, two], -2), whole, **CLOSE)
        assert state.sum_of_pairs.shape == (B, H, D_K, D_V)
        assert state.sum_of_keys.shape == (B, H, D_K)


def _chunked(chunk):
    return lambda *inputs, **rest: linear_attention_chunked(
        *inputs, chunk, **rest
    )


def test_the_weights_are_positive_and_sum_to_one():
    q, k, _ = drawn(7)
    ones = torch.ones(B, H, 7, 1).double()
    torch.testing.assert_close(linear_attention(q, k, ones), ones, **CLOSE)
    assert (feature_map(torch.linspace(-9, 9, 50)) > 0).all()


def test_padding_counts_neither_above_nor_below_the_line():
    q, k, v = (each.detach() for each in drawn(8))
    mask = torch.ones(B, 1, 8, dtype=torch.bool)
    mask[0, :, 5:] = False
    for call in (
        lambda *x, **m: linear_attention(*x, causal=False, **m),
        linear_attention,
        lambda *x, **m: linear_attention_recurrent(*x, **m)[0],
        lambda *x, **m: linear_attention_chunked(*x, 3, **m)[0],
    ):
        other_k, other_v = k.clone(), v.clone()
        other_k[0, :, 5:] += 3
        other_v[0, :, 5:] -= 3
        got = call(q, k, v, key_mask=mask)
        changed = call(q, other_k, other_v, key_mask=mask)
        torch.testing.assert_close(got, changed, **CLOSE)
        short = call(*(each[:1, :, :5] for each in (q, k, v)))
        torch.testing.assert_close(got[:1, :, :5], short, **CLOSE)


def test_where_all_is_padding_the_output_is_zero_and_the_gradient_finite():
    inputs = drawn(4)
    mask = torch.zeros(B, 1, 4, dtype=torch.bool)
    mask[0] = True
    for output in (
        linear_attention(*inputs, mask),
        linear_attention_recurrent(*inputs, mask)[0],
        linear_attention_chunked(*inputs, 3, mask)[0],
    ):
        assert (output[1] == 0).all()
        for gradient in torch.autograd.grad(output.sum(), inputs):
            assert gradient.isfinite().all()


def test_the_gradient_also_flows_through_the_denominator():
    assert torch.autograd.gradcheck(linear_attention, drawn(3))
    assert torch.autograd.gradcheck(
        lambda *x: linear_attention_chunked(*x, 2)[0], drawn(3)
    )


def test_what_does_not_fit_is_refused_by_name():
    q, k, v = drawn(4)
    with pytest.raises(ValueError, match="key has shape"):
        linear_attention(q, k[..., :3, :], v)
    with pytest.raises(ValueError, match="value has shape"):
        linear_attention(q, k, v[..., :3, :])
    with pytest.raises(ValueError, match="chunk is 0"):
        linear_attention_chunked(q, k, v, 0)
    with pytest.raises(TypeError, match="key_mask has dtype"):
        linear_attention(q, k, v, torch.ones(B, 1, 4))
    with pytest.raises(ValueError, match="key_mask has shape"):
        linear_attention(q, k, v, torch.ones(B, 4).bool())
