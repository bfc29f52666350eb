"""Soft look-up against closed forms, PyTorch, derivatives and properties."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attnbook.mechanisms.soft_lookup import (
    dot_score,
    entropy,
    gaussian_score,
    kernel_regression,
    masked_softmax,
    soft_lookup,
    softmax,
    softmax_jacobian,
)

NUMBERS = st.floats(-30, 30, allow_subnormal=False)
ROWS = arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 6)),
    elements=NUMBERS,
)
TEMPERATURES = st.floats(0.05, 50)


def for_all(**strategies):
    """A property that may take its time on a busy machine."""
    return lambda test: settings(deadline=None)(given(**strategies)(test))


def random(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def central_difference(function, x, step=1e-6):
    """d function / d x: one row an output, one column an entry of x."""
    columns = [
        (function(x + e) - function(x - e)) / (2 * step)
        for e in step * np.eye(len(x))
    ]
    return np.stack(columns, axis=-1)


# ------------------------------------------------------------------ softmax


def test_scores_that_are_logarithms_give_weights_in_their_proportion():
    weights = softmax(np.log([1.0, 2.0, 5.0]))
    np.testing.assert_allclose(weights, [1 / 8, 2 / 8, 5 / 8])


def test_two_keys_get_the_logistic_function_of_their_difference():
    weights = softmax([0.7, -0.5], temperature=0.4)
    assert weights[0] == pytest.approx(1 / (1 + math.exp(-1.2 / 0.4)))


@for_all(scores=ROWS, temperature=TEMPERATURES)
def test_each_query_spends_exactly_one(scores, temperature):
    weights = softmax(scores, temperature)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(-1), 1)


@for_all(scores=ROWS, shift=NUMBERS)
def test_raising_all_scores_alike_changes_nothing(scores, shift):
    np.testing.assert_allclose(
        softmax(scores + shift), softmax(scores), atol=1e-12
    )


@for_all(scores=ROWS, temperature=TEMPERATURES)
def test_a_better_match_never_gets_less(scores, temperature):
    order = scores.argsort(-1, kind="stable")
    ranked = np.take_along_axis(softmax(scores, temperature), order, -1)
    assert (np.diff(ranked, axis=-1) >= 0).all()


@for_all(scores=ROWS, seed=st.integers(0, 99))
def test_weights_follow_their_keys_when_the_shelf_is_reordered(scores, seed):
    order = np.random.default_rng(seed).permutation(scores.shape[1])
    np.testing.assert_allclose(
        softmax(scores[:, order]), softmax(scores)[:, order], atol=1e-14
    )


@for_all(scores=ROWS, temperature=TEMPERATURES)
def test_temperature_divides_the_scores(scores, temperature):
    np.testing.assert_allclose(
        softmax(scores, temperature), softmax(scores / temperature), atol=1e-12
    )


@for_all(scores=ROWS, temperature=TEMPERATURES)
def test_log_ratio_of_two_weights_betrays_the_temperature(scores, temperature):
    gap = scores[:, :1] - scores
    assume(np.ptp(scores, axis=-1).max() / temperature < 500)
    weights = softmax(scores, temperature)
    np.testing.assert_allclose(
        np.log(weights[:, :1]) - np.log(weights), gap / temperature, atol=1e-9
    )


def test_a_cold_softmax_gives_all_to_the_best_and_halves_to_a_tie():
    np.testing.assert_allclose(softmax([1.0, 3.0, 2.0], 1e-300), [0, 1, 0])
    np.testing.assert_allclose(softmax([3.0, 1.0, 3.0], 1e-3), [0.5, 0, 0.5])


def test_a_hot_softmax_gives_all_keys_alike():
    np.testing.assert_allclose(softmax([1.0, 3.0, 2.0], 1e12), [1 / 3] * 3)


@pytest.mark.parametrize("size", [1e3, 1e30, 1e300])
def test_huge_scores_do_not_overflow(size):
    with np.errstate(over="raise", invalid="raise"):
        weights = softmax([size, size, -size])
    np.testing.assert_allclose(weights, [0.5, 0.5, 0])


def test_a_score_of_minus_infinity_gets_nothing():
    np.testing.assert_allclose(softmax([0.0, -np.inf, 0.0]), [0.5, 0, 0.5])


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_agrees_with_torch_on_every_axis(axis, dtype):
    scores = random(2, 3, 5, dtype=dtype)
    expected = torch.softmax(torch.from_numpy(scores) / 0.7, axis).numpy()
    weights = softmax(scores, temperature=0.7, axis=axis)
    assert weights.dtype == expected.dtype
    np.testing.assert_allclose(weights, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_kind_of_number_is_kept(dtype):
    scores = random(3, 4, dtype=dtype)
    weights = softmax(scores)
    assert weights.dtype == dtype
    assert masked_softmax(scores, scores > 0).dtype == dtype
    assert softmax_jacobian(weights).dtype == dtype
    assert entropy(weights).dtype == dtype


def test_whole_numbers_and_lists_are_taken():
    np.testing.assert_allclose(softmax([[0, 0], [1, 1]]), 0.5)


def test_softmax_spends_better_than_any_other_plan():
    scores, temperature = random(6, seed=1), 0.6
    weights = softmax(scores, temperature)
    best = weights @ scores + temperature * entropy(weights)
    formula = temperature * np.log(np.exp(scores / temperature).sum())
    assert best == pytest.approx(formula)
    rivals = np.random.default_rng(2).dirichlet(np.ones(6), 2000)
    assert (rivals @ scores + temperature * entropy(rivals) < best).all()


# --------------------------------------------------------------------- mask


@for_all(scores=ROWS, seed=st.integers(0, 99), temperature=TEMPERATURES)
def test_masking_a_key_is_taking_it_off_the_shelf(scores, seed, temperature):
    mask = np.random.default_rng(seed).random(scores.shape) < 0.6
    weights = masked_softmax(scores, mask, temperature)
    assert (weights[~mask] == 0).all()
    for row, score, allowed in zip(weights, scores, mask, strict=True):
        if allowed.any():
            np.testing.assert_allclose(
                row[allowed], softmax(score[allowed], temperature), atol=1e-14
            )


@pytest.mark.parametrize("mask", [None, True, np.True_, [True] * 4])
def test_a_mask_that_allows_everything_is_no_mask(mask):
    scores = random(3, 4)
    np.testing.assert_array_equal(
        masked_softmax(scores, mask), softmax(scores)
    )


def test_a_query_that_may_attend_to_nothing_spends_nothing():
    mask = np.array([[True, False, True], [False, False, False]])
    with np.errstate(all="raise"):
        weights = masked_softmax(random(2, 3), mask)
    np.testing.assert_array_equal(weights[1], [0, 0, 0])
    assert weights[0].sum() == pytest.approx(1)


def test_masked_scores_cannot_leak_however_large():
    mask = np.array([True, True, False])
    for hidden in (1e300, np.inf, np.nan):
        np.testing.assert_allclose(
            masked_softmax([1.0, 1.0, hidden], mask), [0.5, 0.5, 0]
        )


def test_masking_agrees_with_torch_attention_empty_rows_included():
    query, key, value = (
        random(3, 4),
        random(5, 4, seed=1),
        random(5, 2, seed=2),
    )
    mask = np.random.default_rng(3).random((3, 5)) < 0.5
    mask[0] = False
    output, _ = soft_lookup(query, key, value, mask=mask, temperature=2.0)
    expected = torch.nn.functional.scaled_dot_product_attention(
        *map(torch.from_numpy, (query, key, value)),
        attn_mask=torch.from_numpy(mask),
    )  # its scale is 1 / sqrt(4), our temperature 2
    np.testing.assert_allclose(output, expected.numpy(), atol=1e-12)


def test_a_mask_over_the_queries_is_spread_by_broadcasting():
    scores = random(2, 3, 4)
    mask = np.array([True, False, True, True])
    weights = masked_softmax(scores, mask)
    assert (weights[..., 1] == 0).all()
    np.testing.assert_allclose(weights.sum(-1), 1)


def test_an_axis_other_than_the_last_can_be_masked():
    scores = random(4, 3)
    mask = np.random.default_rng(1).random((4, 3)) < 0.5
    np.testing.assert_allclose(
        masked_softmax(scores, mask, axis=0),
        masked_softmax(scores.T, mask.T).T,
    )


# ----------------------------------------------------- Jacobian and entropy


@for_all(scores=arrays(np.float64, 5, elements=st.floats(-4, 4)))
def test_jacobian_agrees_with_finite_differences(scores):
    measured = central_difference(softmax, scores)
    np.testing.assert_allclose(
        softmax_jacobian(softmax(scores)), measured, atol=1e-8
    )


def test_jacobian_over_the_temperature_is_the_slope_at_that_temperature():
    scores, temperature = random(4), 0.3
    measured = central_difference(lambda s: softmax(s, temperature), scores)
    derived = softmax_jacobian(softmax(scores, temperature)) / temperature
    np.testing.assert_allclose(derived, measured, atol=1e-7)


def test_jacobian_of_equal_weights_is_known():
    expected = np.eye(4) / 4 - np.full((4, 4), 1 / 16)
    np.testing.assert_allclose(softmax_jacobian([0.25] * 4), expected)


@for_all(scores=ROWS)
def test_what_one_key_gains_the_others_lose(scores):
    jacobian = softmax_jacobian(softmax(scores))
    assert jacobian.shape == (*scores.shape, scores.shape[-1])
    np.testing.assert_allclose(jacobian.sum(-1), 0, atol=1e-12)
    np.testing.assert_allclose(jacobian, np.swapaxes(jacobian, -1, -2))


def test_a_saturated_softmax_passes_no_gradient():
    np.testing.assert_array_equal(softmax_jacobian([1.0, 0.0, 0.0]), 0)


def test_entropy_runs_from_none_to_the_logarithm_of_the_shelf():
    single = entropy([0.0, 1.0, 0.0])
    assert single == 0
    assert not np.signbit(single)
    assert entropy([0.2] * 5) == pytest.approx(math.log(5))
    assert entropy([0.5, 0.25, 0.25]) == pytest.approx(1.5 * math.log(2))


@for_all(scores=ROWS, colder=TEMPERATURES, hotter=TEMPERATURES)
def test_entropy_rises_with_the_temperature(scores, colder, hotter):
    colder, hotter = sorted((colder, hotter))
    cold, hot = softmax(scores, colder), softmax(scores, hotter)
    assert (entropy(cold) <= entropy(hot) + 1e-12).all()


def test_entropy_is_summed_along_the_axis_asked_for():
    weights = softmax(random(2, 3, 4), axis=1)
    expected = -(weights * np.log(weights)).sum(1)
    np.testing.assert_allclose(entropy(weights, axis=1), expected)


# ------------------------------------------------------------------ look-up


def test_the_cat_chased_the_mouse_comes_out_as_on_paper():
    key = [[0, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 1]]
    value = [[0, 0], [8, 0], [0, 0], [0, 0], [0, 8]]
    output, weights = soft_lookup(
        [[2, 1, 0], [2, 0, 1]], key, value, temperature=1 / math.log(2)
    )
    np.testing.assert_allclose(
        16 * weights, [[2, 8, 1, 1, 4], [1, 4, 1, 2, 8]]
    )
    np.testing.assert_allclose(output, [[4, 2], [2, 4]])


def test_look_up_equals_the_formula_written_as_loops():
    query, key, value = (
        random(3, 4),
        random(5, 4, seed=1),
        random(5, 2, seed=2),
    )
    output, weights = soft_lookup(query, key, value, temperature=1.7)
    for t in range(3):
        power = [math.exp(query[t] @ key[s] / 1.7) for s in range(5)]
        for s in range(5):
            assert weights[t, s] == pytest.approx(power[s] / sum(power))
        expected = sum(power[s] / sum(power) * value[s] for s in range(5))
        np.testing.assert_allclose(output[t], expected)


@pytest.mark.parametrize(
    "query_shape, value_shape, output_shape",
    [
        ((4,), (5,), ()),
        ((4,), (5, 3), (3,)),
        ((2, 4), (5,), (2,)),
        ((2, 4), (5, 3), (2, 3)),
        ((6, 2, 4), (5, 3), (6, 2, 3)),
    ],
)
@pytest.mark.parametrize("width", [None, 0.8])
def test_one_shelf_serves_any_number_of_queries(
    query_shape, value_shape, output_shape, width
):
    inputs = random(*query_shape), random(5, 4), random(*value_shape)
    if width is None:
        output, weights = soft_lookup(*inputs)
    else:
        output, weights = kernel_regression(*inputs, width)
    assert np.shape(output) == output_shape
    assert weights.shape == (*query_shape[:-1], 5)


@for_all(seed=st.integers(0, 999))
def test_the_output_never_leaves_the_range_of_the_values(seed):
    key, value = random(5, 3, seed=seed), random(5, 2, seed=seed + 1)
    output, _ = soft_lookup(3 * random(4, 3, seed=seed + 2), key, value)
    assert (output >= value.min(0) - 1e-12).all()
    assert (output <= value.max(0) + 1e-12).all()


def test_a_second_copy_of_a_key_votes_a_second_time():
    _, weights = soft_lookup([1.0], [[0.0], [0.0], [0.0]], [1.0, 2.0, 2.0])
    np.testing.assert_allclose(weights, 1 / 3)


def test_any_score_function_can_be_looked_up_with():
    def first_key_only(query, key):
        return np.where(np.arange(len(key)) == 0, 0.0, -np.inf)

    output, weights = soft_lookup(
        random(4), random(5, 4), np.arange(5.0) + 7, score=first_key_only
    )
    assert output == 7
    np.testing.assert_array_equal(weights, [1, 0, 0, 0, 0])


def test_a_query_with_everything_masked_takes_nothing_home():
    output, weights = soft_lookup(
        random(2, 4), random(5, 4), random(5, 3), mask=np.zeros((2, 5), bool)
    )
    np.testing.assert_array_equal(output, np.zeros((2, 3)))
    np.testing.assert_array_equal(weights, np.zeros((2, 5)))


def test_inputs_are_left_as_they_were():
    query, key, value = random(2, 4), random(5, 4), random(5, 3)
    mask = np.arange(10).reshape(2, 5) % 2 == 0
    before = [array.copy() for array in (query, key, value, mask)]
    soft_lookup(query, key, value, mask=mask)
    kernel_regression(query, key, value, 0.5)
    for array, copy in zip((query, key, value, mask), before, strict=True):
        np.testing.assert_array_equal(array, copy)


# -------------------------------------------------------- kernel regression


def test_gaussian_score_is_minus_squared_distance_over_twice_the_variance():
    score = gaussian_score([[0.0, 0.0]], [[3.0, 4.0], [0.0, 0.0]], 2.0)
    np.testing.assert_allclose(score, [[-25 / 8, 0]])


def test_kernel_regression_equals_the_ratio_of_kernel_sums():
    query, key, value = random(3, 2), random(6, 2, seed=1), random(6, seed=2)
    output, _ = kernel_regression(query, key, value, 0.9)
    for t in range(3):
        kernel = [
            math.exp(-(math.dist(query[t], key[s]) ** 2) / (2 * 0.9**2))
            for s in range(6)
        ]
        expected = sum(k * v for k, v in zip(kernel, value, strict=True))
        assert output[t] == pytest.approx(expected / sum(kernel))


def test_the_width_is_a_temperature():
    query, key, value = random(3, 2), random(6, 2, seed=1), random(6, seed=2)
    _, weights = kernel_regression(query, key, value, 0.9)
    squared = ((query[:, None] - key) ** 2).sum(-1)
    np.testing.assert_allclose(
        weights, softmax(-squared, temperature=2 * 0.9**2)
    )


def test_a_narrow_kernel_copies_the_nearest_value_and_a_wide_one_the_mean():
    key, value = np.array([[0.0], [1.0], [3.0]]), np.array([5.0, 7.0, 12.0])
    near, _ = kernel_regression([[0.9], [50.0]], key, value, 1e-3)
    np.testing.assert_allclose(near, [7, 12])
    wide, _ = kernel_regression([[0.9]], key, value, 1e6)
    np.testing.assert_allclose(wide, 8)


@for_all(shift=NUMBERS)
def test_moving_queries_and_keys_together_changes_nothing(shift):
    query, key, value = random(3, 1), random(6, 1, seed=1), random(6, seed=2)
    output, _ = kernel_regression(query, key, value, 0.4)
    moved, _ = kernel_regression(query + shift, key + shift, value, 0.4)
    np.testing.assert_allclose(moved, output, atol=1e-9)


def test_on_keys_of_one_length_dot_and_distance_agree():
    key = random(5, 3)
    key /= np.linalg.norm(key, axis=-1, keepdims=True)
    query = random(2, 3, seed=1)
    np.testing.assert_allclose(
        softmax(dot_score(query, key), temperature=0.5**2),
        softmax(gaussian_score(query, key, 0.5)),
    )


# ------------------------------------------------------------------- errors


@pytest.mark.parametrize("bad", [0, -1.0, np.inf, np.nan])
@pytest.mark.parametrize("function", [softmax, masked_softmax])
def test_a_temperature_that_is_not_above_zero_is_refused(function, bad):
    with pytest.raises(ValueError, match=r"temperature must be a finite numb"):
        function([1.0, 2.0], temperature=bad)


def test_a_temperature_for_each_query_is_refused_with_its_shape():
    with pytest.raises(ValueError, match=r"one number, got shape \(2,\)"):
        softmax(random(2, 3), temperature=np.ones(2))


@pytest.mark.parametrize("bad", [0.0, -2.0, np.nan])
def test_a_width_that_is_not_above_zero_is_refused(bad):
    with pytest.raises(ValueError, match=r"width must be .* above 0, got"):
        kernel_regression(random(2, 1), random(3, 1), random(3), bad)


@pytest.mark.parametrize("function", [softmax, masked_softmax])
def test_scores_without_an_axis_or_without_a_key_are_refused(function):
    with pytest.raises(
        ValueError, match=r"scores .*\(\.\.\., S\), got .*\(\)"
    ):
        function(1.0)
    with pytest.raises(ValueError, match=r"scores .*got shape \(2, 0\)"):
        function(np.zeros((2, 0)))
    with pytest.raises(ValueError, match=r"axis 2 .*\(2, 3\); expected -2 to"):
        function(np.zeros((2, 3)), axis=2)


@pytest.mark.parametrize("shape", [(3,), (4, 4), (5, 2, 4), (2, 3)])
def test_a_mask_that_does_not_fit_is_refused_with_both_shapes(shape):
    with pytest.raises(ValueError) as error:
        masked_softmax(np.zeros((2, 4)), np.ones(shape, bool))
    assert "(2, 4)" in str(error.value)
    assert str(shape) in str(error.value)


@pytest.mark.parametrize("mask", [[1, 0, 1], [0.0, -np.inf, 0.0]])
def test_a_mask_of_numbers_is_refused(mask):
    with pytest.raises(TypeError, match=r"boolean, True = may attend, got"):
        masked_softmax(np.zeros(3), mask)


@pytest.mark.parametrize("function", [softmax_jacobian, entropy])
def test_scores_taken_for_weights_are_refused(function):
    with pytest.raises(ValueError, match=r"not be negative, got .* -0\.5;"):
        function([0.7, -0.5])
    with pytest.raises(ValueError, match=r"weights .* got shape \(\)"):
        function(0.5)


@pytest.mark.parametrize(
    "query, key, value, message",
    [
        ((2, 3), (5, 4), (5,), r"query .*\(\.\.\., 4\).*got shape \(2, 3\)"),
        ((), (5, 4), (5,), r"query .*got shape \(\)"),
        ((4,), (4,), (5,), r"key .*\(S, d_k\).*got shape \(4,\)"),
        ((4,), (2, 5, 4), (5,), r"key .*got shape \(2, 5, 4\)"),
        ((4,), (0, 4), (0,), r"key .*at least one key.*got shape \(0, 4\)"),
        ((4,), (5, 4), (4,), r"value .*\(5,\) or \(5, d_v\).*got .*\(4,\)"),
        ((4,), (5, 4), (5, 2, 2), r"value .*got shape \(5, 2, 2\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(query, key, value, message):
    with pytest.raises(ValueError, match=message):
        soft_lookup(np.zeros(query), np.zeros(key), np.zeros(value))
