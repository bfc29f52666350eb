"""Positions against loops, complex numbers, and what must hold of each."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.multi_head import MultiHeadAttention
from attnbook.mechanisms.positions import (
    LearnedPositions,
    RelativeBias,
    alibi_bias,
    alibi_slopes,
    halves_order,
    rope_angles,
    rotate,
    sinusoidal,
)
from attnbook.mechanisms.scaled_dot_product import (
    scaled_dot_product_attention,
)

B, H, T, S, D_K = 2, 3, 5, 7, 6
both_conventions = pytest.mark.parametrize("interleaved", [True, False])
both_precisions = pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64]
)


def vectors(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=dtype, generator=generator)


# -- sinusoids ----------------------------------------------------------------


@pytest.mark.parametrize("d_model", [2, 6, 64])
def test_sinusoids_are_the_formula_written_as_loops(d_model):
    got = sinusoidal(9, d_model, base=500.0)
    for t in range(9):
        for i in range(d_model // 2):
            angle = t * 500.0 ** (-2 * i / d_model)
            assert got[t, 2 * i].item() == pytest.approx(
                math.sin(angle), abs=1e-6
            )
            assert got[t, 2 * i + 1].item() == pytest.approx(
                math.cos(angle), abs=1e-6
            )


def test_the_dot_product_of_two_sinusoids_depends_on_their_distance_alone():
    waves = sinusoidal(40, 16, start=1000)  # (T, D)
    products = waves @ waves.T  # (T, T)
    torch.testing.assert_close(
        products[1:, 1:], products[:-1, :-1], atol=1e-5, rtol=0
    )
    distance = np.arange(40)
    rates = 10_000.0 ** (-np.arange(0, 16, 2) / 16)
    expected = np.cos(distance[:, None] * rates).sum(-1)
    np.testing.assert_allclose(products[:, 0], expected, atol=1e-5)


def test_a_shift_of_sinusoids_is_one_rotation_for_all_positions():
    waves = sinusoidal(30, 8)
    turned = rotate(waves, rope_angles(torch.tensor(-4), 8))
    torch.testing.assert_close(turned[:-4], waves[4:], atol=1e-5, rtol=0)


def test_sinusoids_that_start_later_are_the_later_rows():
    torch.testing.assert_close(
        sinusoidal(3, 8, start=100), sinusoidal(103, 8)[100:]
    )


def test_far_positions_keep_their_precision():
    got = sinusoidal(1, 2, start=10**9).double()
    expected = torch.tensor([[math.sin(10**9), math.cos(10**9)]])
    torch.testing.assert_close(got, expected.double(), atol=1e-7, rtol=0)


def test_sinusoids_come_in_the_default_dtype():
    assert sinusoidal(2, 4).dtype == torch.float32
    torch.set_default_dtype(torch.float64)
    try:
        assert sinusoidal(2, 4).dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


# -- learned positions --------------------------------------------------------


def test_learned_positions_are_the_rows_of_the_table():
    torch.manual_seed(0)
    positions = LearnedPositions(6, 4)
    torch.testing.assert_close(positions(5), positions.vectors[:5])
    torch.testing.assert_close(positions(2, start=3), positions.vectors[3:5])


def test_a_position_that_never_occurs_gets_no_gradient():
    positions = LearnedPositions(6, 4)
    positions(4).square().sum().backward()
    moved = positions.vectors.grad.abs().sum(-1) > 0
    assert moved.tolist() == [True] * 4 + [False] * 2


def test_a_position_beyond_the_table_is_refused():
    positions = LearnedPositions(6, 4)
    with pytest.raises(ValueError, match="the table holds 0 to 5"):
        positions(7)
    with pytest.raises(ValueError, match="positions 5 to 6 were asked for"):
        positions(2, start=5)


# -- relative bias and ALiBi --------------------------------------------------


def test_the_relative_bias_is_the_number_of_its_clipped_distance():
    bias = RelativeBias(H, max_distance=2)
    bias.table.data = vectors(H, 5, dtype=torch.float32)
    got = bias(T, S)
    assert got.shape == (H, T, S)
    for h in range(H):
        for m in range(T):
            for n in range(S):
                column = min(2, max(-2, m - n)) + 2
                assert got[h, m, n] == bias.table[h, column]


def test_the_relative_bias_begins_at_zero_and_learns_each_distance():
    bias = RelativeBias(2, max_distance=3)
    assert (bias(4, 4) == 0).all()
    bias(4, 4).sum().backward()
    assert bias.table.grad[0].tolist() == [1, 2, 3, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("num_heads", "slopes"),
    [
        (1, [2**-8]),
        (4, [1 / 4, 1 / 16, 1 / 64, 1 / 256]),
        (8, [2**-h for h in range(1, 9)]),
        (3, [1 / 16, 1 / 256, 1 / 4]),
        (6, [1 / 4, 1 / 16, 1 / 64, 1 / 256, 1 / 2, 1 / 8]),
    ],
)
def test_the_slopes_are_those_of_the_paper(num_heads, slopes):
    got = alibi_slopes(num_heads)
    torch.testing.assert_close(got, torch.tensor(slopes).float())


@given(st.integers(1, 40))
@settings(deadline=None, max_examples=25)
def test_every_head_has_a_slope_of_its_own(num_heads):
    slopes = alibi_slopes(num_heads)
    assert len(slopes) == num_heads == len(set(slopes.tolist()))
    assert ((slopes > 0) & (slopes < 1)).all()


def test_alibi_is_minus_slope_times_distance():
    got = alibi_bias(H, T, S)
    assert got.shape == (H, T, S)
    slopes = alibi_slopes(H)
    for h in range(H):
        for m in range(T):
            for n in range(S):
                expected = -slopes[h].item() * abs(m - n)
                assert got[h, m, n].item() == pytest.approx(expected)


@pytest.mark.parametrize(
    "bias",
    [
        lambda T, S, start: RelativeBias(2, 3)(T, S, start),
        lambda T, S, start: alibi_bias(2, T, S, start),
    ],
)
def test_a_bias_that_starts_later_is_the_later_rows(bias):
    torch.testing.assert_close(bias(2, 9, 7), bias(9, 9, 0)[:, 7:])


def test_under_a_causal_mask_alibi_needs_no_distance_to_itself():
    """Press et al. add slope times key position; softmax cannot tell."""
    query, key, value = (vectors(H, T, D_K, seed=i) for i in range(3))
    usual = alibi_bias(H, T, T).double()
    simpler = alibi_slopes(H).double()[:, None, None] * torch.arange(T)
    outputs = [
        scaled_dot_product_attention(query, key, value, causal=True, bias=each)
        for each in (usual, simpler)
    ]
    torch.testing.assert_close(outputs[0], outputs[1])


# -- rotations ----------------------------------------------------------------


def by_loops(x, positions, base, interleaved):
    """Each pair of each vector by itself."""
    got = torch.empty_like(x)
    d_k = x.shape[-1]
    for where in np.ndindex(x.shape[:-1]):
        for i in range(d_k // 2):
            first, second = (
                (2 * i, 2 * i + 1) if interleaved else (i, i + d_k // 2)
            )
            angle = positions[where[-1]].item() * base ** (-2 * i / d_k)
            a, b = x[where][first].item(), x[where][second].item()
            got[where][first] = a * math.cos(angle) - b * math.sin(angle)
            got[where][second] = a * math.sin(angle) + b * math.cos(angle)
    return got


@both_conventions
@both_precisions
@pytest.mark.parametrize("d_k", [2, 6, 10])
def test_rotations_are_the_formula_written_as_loops(interleaved, dtype, d_k):
    x = vectors(B, H, T, d_k, dtype=dtype)
    positions = torch.tensor([3, 0, 8, 8, 120])
    got = rotate(x, rope_angles(positions, d_k, 300.0), interleaved)
    assert got.dtype == dtype
    expected = by_loops(x, positions, 300.0, interleaved)
    torch.testing.assert_close(got, expected)


@both_precisions
def test_a_rotation_is_a_product_of_complex_numbers_also_backward(dtype):
    x = vectors(B, H, T, D_K, dtype=dtype).requires_grad_()
    y = x.detach().clone().requires_grad_()
    angles = rope_angles(torch.arange(T), D_K)
    got = rotate(x, angles)
    turn = torch.polar(torch.ones_like(angles), angles)
    turn = turn.to(torch.complex64 if dtype == torch.float32 else turn.dtype)
    points = torch.view_as_complex(y.unflatten(-1, (-1, 2)))
    expected = torch.view_as_real(points * turn).flatten(-2)
    torch.testing.assert_close(got, expected)
    weight = vectors(B, H, T, D_K, seed=1, dtype=dtype)
    (got * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


@both_conventions
def test_gradients_of_a_rotation_are_those_of_finite_differences(interleaved):
    x = vectors(B, T, D_K).requires_grad_()
    angles = rope_angles(torch.arange(T), D_K).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, a: rotate(x, a, interleaved), (x, angles)
    )


@both_conventions
@given(
    m=st.integers(0, 5000),
    n=st.integers(0, 5000),
    shift=st.integers(-5000, 5000),
    pairs=st.integers(1, 16),
    base=st.floats(2, 1e6),
)
@settings(deadline=None, max_examples=60)
def test_the_score_depends_on_the_distance_alone(
    interleaved, m, n, shift, pairs, base
):
    query, key = vectors(2, 1, 2 * pairs, seed=pairs)

    def score(m, n):
        turned = [
            rotate(
                x,
                rope_angles(torch.tensor([at]), 2 * pairs, base),
                interleaved,
            )
            for x, at in ((query, m), (key, n))
        ]
        return (turned[0] * turned[1]).sum().item()

    assert score(m + shift, n + shift) == pytest.approx(score(m, n), abs=1e-9)


@both_conventions
@given(position=st.floats(-1e4, 1e4), pairs=st.integers(1, 8))
@settings(deadline=None, max_examples=40)
def test_a_rotation_keeps_lengths_and_turns_back(interleaved, position, pairs):
    x = vectors(3, 1, 2 * pairs, seed=pairs)
    angles = rope_angles(torch.tensor([position]).double(), 2 * pairs)
    turned = rotate(x, angles, interleaved)
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(rotate(turned, -angles, interleaved), x)


@pytest.mark.parametrize("d_k", [2, 6, 64])
def test_both_conventions_are_equal_up_to_an_order_of_features(d_k):
    query, key = vectors(2, H, T, d_k)
    angles, order = rope_angles(torch.arange(T), d_k), halves_order(d_k)
    assert sorted(order.tolist()) == list(range(d_k))
    in_pairs = [rotate(x, angles) for x in (query, key)]
    in_halves = [rotate(x[..., order], angles, False) for x in (query, key)]
    for one, other in zip(in_pairs, in_halves, strict=True):
        assert torch.equal(one[..., order], other)
    torch.testing.assert_close(
        in_pairs[0] @ in_pairs[1].mT, in_halves[0] @ in_halves[1].mT
    )


def test_attention_with_sorted_projections_is_the_same_in_split_halves():
    torch.manual_seed(0)
    attention = MultiHeadAttention(8, 2).double()
    x = vectors(B, T, 8)

    def turn(interleaved):
        return lambda x, positions: rotate(
            x, rope_angles(positions, x.shape[-1]), interleaved
        )

    expected, weights = attention(x, x, x, rotate=turn(True))
    order = halves_order(4)
    rows = torch.cat([order, 4 + order])  # head by head
    for layer in (attention.query_projection, attention.key_projection):
        layer.weight.data = layer.weight.data[rows]
        layer.bias.data = layer.bias.data[rows]
    output, again = attention(x, x, x, rotate=turn(False))
    torch.testing.assert_close(again, weights)
    torch.testing.assert_close(output, expected)
    _, forgotten = attention(x, x, x, rotate=turn(True))
    assert (forgotten - weights).abs().max() > 1e-3


def test_a_head_that_is_rotated_sees_order_and_one_that_is_not_does_not():
    torch.manual_seed(0)
    attention = MultiHeadAttention(8, 2)
    x = vectors(B, T, 8, dtype=torch.float32)
    order = torch.tensor([3, 1, 4, 0, 2])

    def turn(x, positions):
        return rotate(x, rope_angles(positions, x.shape[-1]))

    for rotation, blind in ((None, True), (turn, False)):
        output, _ = attention(x, x, x, rotate=rotation)
        y = x[:, order]
        shuffled, _ = attention(y, y, y, rotate=rotation)
        same = torch.allclose(shuffled, output[:, order], atol=1e-6)
        assert same == blind


def test_positions_may_differ_within_a_batch():
    x = vectors(B, H, T, D_K)
    positions = torch.stack([torch.arange(T), torch.arange(T) + 7])  # (B, T)
    got = rotate(x, rope_angles(positions, D_K)[:, None])
    for row in range(B):
        expected = rotate(x[row], rope_angles(positions[row], D_K))
        torch.testing.assert_close(got[row], expected)


# -- bad input ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: sinusoidal(0, 4), "length is 0; expected an integer of 1"),
        (lambda: sinusoidal(3, 5), "d_model is 5; expected an even number"),
        (lambda: sinusoidal(3, 4, base=1), "base is 1; expected a number abo"),
        (lambda: LearnedPositions(4, 0), "d_model is 0; expected an integer"),
        (lambda: RelativeBias(2, 0), "max_distance is 0; expected an integer"),
        (lambda: RelativeBias(2, 3)(0, 4), "T is 0; expected an integer"),
        (lambda: alibi_slopes(2.0), "num_heads is 2.0; expected an integer"),
        (lambda: alibi_bias(2, 3, 0), "S is 0; expected an integer"),
        (lambda: rope_angles(torch.arange(3), 7), "d_k is 7; expected an eve"),
        (lambda: halves_order(3), "d_k is 3; expected an even number"),
        (lambda: halves_order(0), "d_k is 0; expected an integer of 2"),
        (
            lambda: rotate(torch.ones(2, 5), torch.ones(2, 2)),
            r"x has shape \(2, 5\); expected \(..., T, d_k\) with d_k even",
        ),
        (
            lambda: rotate(torch.ones(2, 3, 8), torch.ones(3, 8)),
            r"angles has shape \(3, 8\); expected \(3, 4\), one angle for ea",
        ),
        (
            lambda: rotate(torch.ones(3, 8), torch.ones(5, 3, 4)),
            r"angles has shape \(5, 3, 4\); expected \(3, 4\)",
        ),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(make, says):
    with pytest.raises(ValueError, match=says):
        make()
