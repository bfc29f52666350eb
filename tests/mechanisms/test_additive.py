"""Additive attention against loops, PyTorch, and its properties."""

import math

import pytest
import torch

from attnbook.mechanisms.additive import AdditiveAttention

B, T, S, D_Q, D_K, D_V, D_A = 2, 3, 5, 4, 6, 7, 8


def attention_and_inputs(seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    attention = AdditiveAttention(D_Q, D_K, D_A).to(dtype)
    query = torch.randn(B, T, D_Q, dtype=dtype)
    key = torch.randn(B, S, D_K, dtype=dtype)
    value = torch.randn(B, S, D_V, dtype=dtype)
    mask = torch.tensor([[True] * 5, [True, True, True, False, False]])
    return attention, query, key, value, mask


def by_loops(attention, query, key, value, mask):
    """The formula of the paper's appendix, one number at a time."""
    w_q = attention.query_projection.weight
    w_k = attention.key_projection.weight
    v = attention.v.weight[0]
    output = torch.zeros(B, T, D_V, dtype=query.dtype)
    weights = torch.zeros(B, T, S, dtype=query.dtype)
    for b in range(B):
        for t in range(T):
            energy = {}
            for s in range(S):
                if mask[b, s]:
                    hidden = torch.tanh(w_q @ query[b, t] + w_k @ key[b, s])
                    energy[s] = math.exp((v @ hidden).item())
            total = sum(energy.values())
            for s, e in energy.items():
                weights[b, t, s] = e / total
                output[b, t] += e / total * value[b, s]
    return output, weights


def test_output_and_weights_equal_the_formula_written_as_loops():
    inputs = attention_and_inputs()
    output, weights = inputs[0](*inputs[1:])
    expected_output, expected_weights = by_loops(*inputs)
    torch.testing.assert_close(weights, expected_weights)
    torch.testing.assert_close(output, expected_output)


def test_two_projections_are_one_matrix_on_the_concatenated_pair():
    attention, query, key, value, mask = attention_and_inputs(1)
    joined = torch.cat(
        [attention.query_projection.weight, attention.key_projection.weight],
        dim=1,
    )
    pairs = torch.cat(
        [
            query[:, :, None].expand(B, T, S, D_Q),
            key[:, None].expand(B, T, S, D_K),
        ],
        dim=-1,
    )
    scores = torch.tanh(pairs @ joined.T) @ attention.v.weight[0]
    expected = scores.masked_fill(~mask[:, None], -torch.inf).softmax(-1)
    _, weights = attention(query, key, value, mask)
    torch.testing.assert_close(weights, expected)


def test_a_single_query_gives_the_row_of_the_batch_of_queries():
    attention, query, key, value, mask = attention_and_inputs(2)
    output, weights = attention(query, key, value, mask)
    one, row = attention(query[:, 1], key, value, mask)
    assert one.shape == (B, D_V) and row.shape == (B, S)
    torch.testing.assert_close(one, output[:, 1])
    torch.testing.assert_close(row, weights[:, 1])


def test_keys_projected_once_give_the_same_answer():
    attention, query, key, value, mask = attention_and_inputs(3)
    expected = attention(query, key, value, mask)
    got = attention(query, key, value, mask, attention.project(key))
    torch.testing.assert_close(got, expected)


def test_gradients_are_those_of_finite_differences():
    attention, query, key, value, mask = attention_and_inputs(4)
    inputs = [x.requires_grad_() for x in (query, key, value)]
    assert torch.autograd.gradcheck(
        lambda q, k, v: attention(q, k, v, mask), inputs
    )


def test_masked_keys_and_values_cannot_change_the_output():
    attention, query, key, value, mask = attention_and_inputs(5)
    expected, weights = attention(query, key, value, mask)
    key, value = key.clone(), value.clone()
    key[1, 3:], value[1, 3:] = 1e3, -1e3
    torch.testing.assert_close(attention(query, key, value, mask)[0], expected)
    assert (weights[1, :, 3:] == 0).all()


def test_shuffling_the_keys_shuffles_the_weights_and_keeps_the_output():
    attention, query, key, value, mask = attention_and_inputs(6)
    output, weights = attention(query, key, value, mask)
    order = torch.randperm(S)
    shuffled, moved = attention(
        query, key[:, order], value[:, order], mask[:, order]
    )
    torch.testing.assert_close(shuffled, output)
    torch.testing.assert_close(moved, weights[:, :, order])


def test_single_precision_agrees_with_double():
    attention, query, key, value, mask = attention_and_inputs(7)
    expected, _ = attention(query, key, value, mask)
    output, _ = attention.float()(
        query.float(), key.float(), value.float(), mask
    )
    torch.testing.assert_close(output.double(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("query", lambda q, k, v, m: (q[..., :3], k, v, m), "(2, T, 4)"),
        ("key", lambda q, k, v, m: (q, k[..., :3], v, m), "(B, S, 6)"),
        ("value", lambda q, k, v, m: (q, k, v[:, :4], m), "(2, 5, d_v)"),
        ("mask", lambda q, k, v, m: (q, k, v, m[:, :4]), "(2, 5)"),
    ],
)
def test_a_wrong_shape_is_named_with_the_shape_expected(
    name, change, expected
):
    attention, *inputs = attention_and_inputs()
    with pytest.raises(ValueError) as raised:
        attention(*change(*inputs))
    assert str(raised.value).startswith(f"{name} has shape")
    assert expected in str(raised.value)
